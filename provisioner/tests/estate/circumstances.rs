//! Whatever AWS, the network and the clock do: it ends in the estate, or in one clear error with the next step, after
//! which the same command goes on.

use std::sync::LazyLock;
use std::time::Duration;

use holdfast_lab::{Action, Fault, Moment, Refusal};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use crate::fixture::{Fixture, assert_same, succeed, text};

const APPLY: &[&str] = &["apply", "--yes"];
/// How long anything may take that isn't broken, on a busy machine.
const DEADLINE: Duration = Duration::from_secs(120);

/// A lab with nothing in it, and what an undisturbed apply makes there. It ends with this process.
static BEFORE: LazyLock<(Fixture, Value)> = LazyLock::new(|| {
    let fixture = Fixture::start();
    let undisturbed = fixture.copy();
    undisturbed.apply();
    let whole = undisturbed.inventory();
    (fixture, whole)
});

fn fixture() -> Fixture {
    BEFORE.0.copy()
}

fn refused(status: u16, code: &str) -> Action {
    Action::Refuse(Refusal::new(status, code))
}

/// Applies while these things happen, which must fail, and says with what.
#[track_caller]
fn failed(fixture: &Fixture, faults: Vec<Fault>) -> String {
    fixture.faults().script(faults);
    let output = fixture.impatiently(APPLY);
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert_eq!(stderr.matches("error: ").count(), 1, "{stderr}");
    assert_ne!(fixture.faults().injected(), 0, "{stderr}");
    stderr
}

/// What was disturbed goes on when it is repeated undisturbed, and comes to the same.
#[track_caller]
fn goes_on(fixture: &Fixture, after: &str) {
    fixture.faults().script(vec![]);
    fixture.lab().age_objects(DEADLINE).unwrap();
    succeed(&fixture.provision(APPLY));
    assert_same(&fixture.inventory(), &BEFORE.1, after);
}

#[test]
fn throttling_is_waited_out() {
    let fixture = fixture();
    let often = ["Describe*", "CreateVpc", "CreateSubnet", "CreateRole", "CreateKey", "PutObject", "RunInstances"];
    fixture.faults().script(often.map(|operation| Fault::on(operation, Action::Throttle)).to_vec());
    succeed(&fixture.provision(APPLY));
    assert_eq!(fixture.faults().injected(), often.len(), "{:?}", fixture.faults().calls());
    assert_same(&fixture.inventory(), &BEFORE.1, "throttled");
}

#[test]
fn failures_of_aws_that_pass_are_passed_over() {
    let fixture = fixture();
    let failing = [
        "GetCallerIdentity",
        "DescribeVpcs",
        "CreateSubnet",
        "CreateRole",
        "PutObject",
        "CreateBudget",
        "RunInstances",
    ];
    fixture.faults().script(failing.map(|operation| Fault::on(operation, refused(503, "ServiceUnavailable"))).to_vec());
    succeed(&fixture.provision(APPLY));
    assert_eq!(fixture.faults().injected(), failing.len());
    assert_same(&fixture.inventory(), &BEFORE.1, "after failures of AWS");
}

#[test]
fn lost_answers_double_nothing() {
    let fixture = fixture();
    // Each of these is taken, and its answer is lost: a call with a token or a name is simply repeated. One without
    // either isn't, so the run ends, and the next one finds what there is.
    let lost = [
        "CreateVpc",
        "CreateInternetGateway",
        "CreateKey",
        "CreateSubnet",
        "CreateRole",
        "CreateLaunchTemplate",
        "CreateBudget",
        "CreateVpcEndpoint",
        "RunInstances",
    ];
    fixture.faults().script(lost.map(|operation| Fault::on(operation, Action::Cut(Moment::After))).to_vec());
    let mut runs = 1;
    loop {
        let output = fixture.provision(APPLY);
        if output.status.success() {
            break;
        }
        let stderr = text(&output.stderr);
        assert!(runs < 4 && stderr.contains("apply again"), "run {runs}: {stderr}");
        runs += 1;
    }
    assert_eq!(fixture.faults().injected(), lost.len());
    assert_same(&fixture.inventory(), &BEFORE.1, "answers lost");
}

#[test]
fn what_aws_refuses_ends_in_one_error_with_the_next_step_and_goes_on_after_it() {
    let refusals = [
        ("GetCallerIdentity", 403, "InvalidClientTokenId", "the region is enabled in the account"),
        ("GetCallerIdentity", 403, "ExpiredToken", "log in again"),
        ("DescribeVpcs", 503, "RequestLimitExceeded", "repeat the command later"),
        ("CreateKey", 400, "LimitExceededException", "raise that quota in Service Quotas"),
        ("CreateVpc", 400, "VpcLimitExceeded", "VPCs per Region"),
        ("CreateSubnet", 500, "InternalError", "https://health.aws.amazon.com"),
        ("CreateRole", 403, "AccessDenied", "let an administrator allow this call"),
        ("RunInstances", 500, "InsufficientInstanceCapacity", "name another zone or instance type"),
        ("RunInstances", 400, "VcpuLimitExceeded", "raise the quota of running On-Demand instances"),
    ];
    for (operation, status, code, next) in refusals {
        let said = failed(&fixture(), vec![Fault::on(operation, refused(status, code)).always()]);
        for part in [operation, code, next] {
            assert!(said.contains(part), "{operation} {code}: no {part:?} in {said}");
        }
    }
    // Asked once for each group: another try soon doesn't make room.
    let fixture = fixture();
    failed(&fixture, vec![Fault::on("RunInstances", refused(500, "InsufficientInstanceCapacity")).always()]);
    assert!(fixture.faults().calls().iter().all(|call| call.operation != "RunInstances" || call.attempt == 1));
    goes_on(&fixture, "refused");
}

#[test]
fn credentials_that_expire_on_the_way_are_named_and_new_ones_go_on() {
    let fixture = fixture();
    let said = failed(&fixture, vec![Fault::on_any(refused(400, "ExpiredToken")).from_call(60).always()]);
    assert!(said.contains("ExpiredToken") && said.contains("log in again"), "{said}");
    goes_on(&fixture, "expired on the way");
}

#[test]
fn a_network_that_goes_away_on_the_way_is_named_and_the_next_run_goes_on() {
    let fixture = fixture();
    let said = failed(&fixture, vec![Fault::on_any(Action::Cut(Moment::Before)).from_call(60).always()]);
    assert!(said.contains("check the network"), "{said}");
    goes_on(&fixture, "cut off on the way");
}

#[test]
fn who_gets_no_answer_is_told_so() {
    let fixture = fixture();
    fixture.faults().script(vec![Fault::on("GetCallerIdentity", Action::Hold).always()]);
    let output = fixture.impatiently(&["plan"]);
    fixture.faults().release();
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(said.contains("no answer in time") && said.contains(fixture.faults().endpoint()), "{said}");
}

#[test]
fn without_s3_there_is_no_lock_and_nothing_changes() {
    let fixture = fixture();
    let said = failed(&fixture, vec![Fault::on_any(refused(503, "ServiceUnavailable")).of("s3").always()]);
    assert!(said.contains("S3 ") && said.contains("https://health.aws.amazon.com"), "{said}");
    let changed: Vec<_> =
        fixture.faults().calls().into_iter().filter(|call| call.is_change() && call.service != "s3").collect();
    assert_eq!(changed, []);
}

#[test]
fn a_clock_that_is_off_is_corrected_where_the_service_says_by_how_much_and_named_where_not() {
    let fixture = fixture();
    let said = failed(&fixture, vec![Fault::on_any(Action::ClockAhead(3600)).always()]);
    assert!(said.contains("RequestExpired") && said.contains("set this machine's clock right"), "{said}");
    assert_eq!(fixture.changes(), Vec::<String>::new());
    // Ten minutes are little to EC2; the others say what time it is with their refusal, and are asked again by it.
    for seconds in [600, -600] {
        let fixture = fixture.copy();
        fixture.faults().script(vec![Fault::on_any(Action::ClockAhead(seconds)).always()]);
        succeed(&fixture.provision(&["plan"]));
        let again = fixture.faults().calls().into_iter().filter(|call| call.attempt > 1).count();
        assert_ne!(again, 0, "a clock {seconds} s ahead was not noticed");
    }
}

#[test]
fn ctrl_c_lets_what_is_under_way_end_and_says_what_is_done_and_what_is_left() {
    let fixture = fixture();
    fixture.faults().script(vec![Fault::on("CreateSubnet", Action::Hold)]);
    let child = fixture.start_provision(APPLY);
    assert!(fixture.faults().wait_until_held(DEADLINE));
    kill(Pid::from_raw(child.id().try_into().unwrap()), Signal::SIGINT).unwrap();
    // The answer comes only once the signal was heard: a call that was begun is waited for.
    fixture.faults().release();
    let output = child.wait_with_output().unwrap();
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    for part in ["stopping after what is under way", "stopped. Done: ", "apply again to go on"] {
        assert!(said.contains(part), "no {part:?} in {said}");
    }
    let inventory = fixture.inventory();
    assert_eq!(
        inventory["subnet"].as_array().map(|subnets| !subnets.is_empty()),
        Some(true),
        "the call was waited for"
    );
    assert_eq!(inventory.get("instance"), None, "nothing more was begun");
    assert_eq!(inventory["bucket"][0]["objects"], json!([]), "the lock was given back");
    goes_on(&fixture, "interrupted");
}

#[test]
fn of_two_who_take_over_an_expired_lock_at_once_one_gets_it() {
    let fixture = fixture();
    fixture.faults().script(vec![Fault::on("CreateVpc", Action::Kill(Moment::Before))]);
    assert_eq!(fixture.provision(APPLY).status.code(), None);
    fixture.lab().age_objects(DEADLINE).unwrap();
    // Both have seen the expired lock before either has taken it over: the first who wants to waits for the second.
    fixture.faults().script(vec![Fault::on("CreateVpc", Action::DelayMs(3000))]);
    let children = [(); 2].map(|()| fixture.start_provision(APPLY));
    let outputs = children.map(|child| child.wait_with_output().unwrap());
    let (done, refused): (Vec<_>, Vec<_>) = outputs.iter().partition(|output| output.status.success());
    assert_eq!((done.len(), refused.len()), (1, 1), "{outputs:?}");
    assert!(text(&refused[0].stderr).contains("the estate is locked"), "{}", text(&refused[0].stderr));
    assert_same(&fixture.inventory(), &BEFORE.1, "two at once");
}
