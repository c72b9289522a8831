//! SIGKILL around calls, then the same command again: the estate of an uninterrupted run, nothing doubled or left over.
//!
//! A killed run leaves its lock, which holds until S3's clock says that it expired. The test makes the lock one that
//! expires at once; that a live one is respected is another test's.

use std::os::unix::process::ExitStatusExt;

use serde_json::Value;

use crate::fixture::{Fixture, assert_same, succeed, text};
use crate::proxy::{Cut, Moment};

/// Calls that only the first apply in an account makes, since a bucket for locks stays and a key is called back.
const FIRST_APPLY: &[(&str, Moment)] = &[("PUT /holdfast-", Moment::After), ("CreateKey", Moment::After)];

/// Calls of each way of being idempotent: none at all, a token, a name.
const APPLY: &[(&str, Moment)] = &[
    ("CreateVpc", Moment::After),
    ("CreateInternetGateway", Moment::After),
    ("CreateSubnet", Moment::After),
    ("CreateRouteTable", Moment::After),
    ("AssociateRouteTable", Moment::Before),
    ("CreateSecurityGroup", Moment::After),
    ("AuthorizeSecurityGroupEgress", Moment::Before),
    ("CreateRole", Moment::After),
    ("AddRoleToInstanceProfile", Moment::Before),
    ("CreateLaunchTemplate", Moment::After),
    ("CreateVpcEndpoint", Moment::After),
    ("CreateBudget", Moment::After),
    ("RunInstances", Moment::Before),
    ("RunInstances", Moment::After),
];

const DESTROY: &[(&str, Moment)] = &[
    ("TerminateInstances", Moment::After),
    ("DeleteAlias", Moment::After),
    ("ScheduleKeyDeletion", Moment::After),
    ("RemoveRoleFromInstanceProfile", Moment::After),
    ("RevokeSecurityGroupIngress", Moment::After),
    ("DetachInternetGateway", Moment::After),
    ("DeleteVpc", Moment::After),
];

/// Kills `arguments` around a call, and runs them again to their end. Where the killed run's last call was all that was left
/// to do, the second has nothing to do and takes no lock: then the first one's lock stays, expired, for the next run to
/// take over, and is taken away here.
fn cut_and_repeat(fixture: &Fixture, arguments: &[&str], (operation, moment): (&'static str, Moment)) {
    fixture.proxy().arm(Some(Cut { operation, moment }));
    let child = fixture.start_provision(arguments);
    fixture.proxy().aim(child.id());
    let output = child.wait_with_output().unwrap();
    let seen = fixture.proxy().changes();
    assert!(fixture.proxy().has_killed(), "no {operation} in {seen:?}\n{}", text(&output.stderr));
    assert_eq!(output.status.signal(), Some(9));
    fixture.proxy().arm(None);
    fixture.boto(
        "for found in (s3.list_objects_v2(Bucket=locks).get('Contents', []) if locks in\n\
         \x20       [b['Name'] for b in s3.list_buckets()['Buckets']] else []):\n\
         \x20   holder = json.load(s3.get_object(Bucket=locks, Key=found['Key'])['Body'])\n\
         \x20   s3.put_object(Bucket=locks, Key=found['Key'], Body=json.dumps({**holder, 'seconds': 0}))",
    );
    let repeated = fixture.once_unlocked(arguments);
    succeed(&repeated);
    if text(&repeated.stdout).starts_with("Unchanged:") {
        fixture.boto("s3.delete_object(Bucket=locks, Key='locks/judge')");
    }
}

/// What an uninterrupted apply makes in a lab that it has for itself.
fn whole_estate() -> Value {
    let fixture = Fixture::start();
    fixture.apply();
    fixture.inventory()
}

#[test]
fn an_apply_killed_around_a_call_converges_when_it_is_repeated() {
    let whole = whole_estate();
    let fixture = Fixture::start();
    for cut in APPLY {
        cut_and_repeat(&fixture, &["apply", "--yes"], *cut);
        assert_same(&fixture.inventory(), &whole, &format!("{cut:?}"));
        succeed(&fixture.provision(&["destroy", "--yes"]));
    }
}

#[test]
fn a_first_apply_killed_around_a_call_converges_when_it_is_repeated() {
    let whole = whole_estate();
    for cut in FIRST_APPLY {
        let fixture = Fixture::start();
        cut_and_repeat(&fixture, &["apply", "--yes"], *cut);
        assert_same(&fixture.inventory(), &whole, &format!("{cut:?}"));
    }
}

#[test]
fn a_destroy_killed_around_a_call_ends_when_it_is_repeated() {
    let fixture = Fixture::start();
    fixture.apply();
    succeed(&fixture.provision(&["destroy", "--yes"]));
    let left = fixture.inventory();
    for cut in DESTROY {
        fixture.apply();
        cut_and_repeat(&fixture, &["destroy", "--yes"], *cut);
        assert_same(&fixture.inventory(), &left, &format!("{cut:?}"));
    }
}
