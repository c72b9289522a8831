//! Starts that don't go well: where there is no room, where hosts take their time, end as they start, or pass a quota.
//! Each ends in the hosts that were asked for, or in one error that says what to do, after which an apply goes on.

use std::process::Output;

use holdfast_lab::Quota;
use serde_json::Value;

use crate::fixture::{Fixture, succeed, text};
use crate::machines::workers;

/// Applies, which must fail with one error that has these parts.
#[track_caller]
fn refused(fixture: &Fixture, parts: &[&str]) {
    fails(&fixture.provision(&["apply", "--yes"]), parts);
}

#[track_caller]
fn fails(output: &Output, parts: &[&str]) {
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert_eq!(said.matches("error: ").count(), 1, "{said}");
    for part in parts {
        assert!(said.contains(part), "no {part:?} in {said}");
    }
}

/// Applies, after which there are as many workers as that, all running, and nothing is left to do.
#[track_caller]
fn settles(fixture: &Fixture, count: usize) -> Vec<Value> {
    fixture.apply();
    assert_eq!(fixture.plan(), Vec::<String>::new());
    let workers = workers(fixture);
    assert_eq!(workers.iter().map(|one| &one["state"]).collect::<Vec<_>>(), vec!["running"; count]);
    assert_eq!(
        workers.iter().map(|one| one["index"].as_u64()).collect::<Vec<_>>(),
        (0..count as u64).map(Some).collect::<Vec<_>>()
    );
    workers
}

#[test]
fn where_there_is_no_room_the_next_type_and_then_the_next_zone_are_tried() {
    let fixture = Fixture::start();
    fixture.lab().limit_capacity("t3.small", "", 0).unwrap();
    refused(&fixture, &["instances/worker", "no room for 1 more", "give the group `alternatives`"]);

    let spec = fixture.spec().replace("count = 2", "count = 2\nalternatives = [\"t3a.small\"]");
    fixture.write_spec(&spec);
    let made = settles(&fixture, 2);
    assert_eq!(made.iter().map(|one| &one["type"]).collect::<Vec<_>>(), ["t3a.small"; 2]);

    fixture.lab().limit_capacity("t3a.small", made[0]["zone"].as_str().unwrap(), 0).unwrap();
    fixture.write_spec(&spec.replace("count = 2", "count = 3"));
    assert_eq!(settles(&fixture, 3)[2]["zone"], made[1]["zone"]);
}

#[test]
fn hosts_that_take_their_time_are_waited_for() {
    let fixture = Fixture::start();
    fixture.lab().slow_launches(3, 12).unwrap();
    settles(&fixture, 2);
}

#[test]
fn a_host_that_ends_as_it_starts_is_named_with_its_reason_and_replaced_by_the_next_apply() {
    let fixture = Fixture::start();
    for reason in ["Server.InternalError", "Client.InvalidKMSKey.InvalidState", "Client.VolumeLimitExceeded"] {
        // The bastion or a worker: whichever is started first.
        fixture.lab().fail_launches(1, reason).unwrap();
        refused(&fixture, &["ended while it started", reason, "correct that and apply again"]);
        settles(&fixture, 2);
        succeed(&fixture.provision(&["destroy", "--yes"]));
    }
}

#[test]
fn more_hosts_than_the_quota_allows_are_refused_and_those_that_run_stay() {
    let fixture = Fixture::start();
    fixture.apply();
    let before = workers(&fixture);
    // Two hosts and the bastion have two vCPUs each.
    fixture.lab().set_quota(Quota::Vcpus, 6).unwrap();
    fixture.write_spec(&fixture.spec().replace("count = 2", "count = 4"));
    refused(&fixture, &["VcpuLimitExceeded", "raise the quota of running On-Demand instances"]);
    assert_eq!(workers(&fixture), before);
    fixture.lab().set_quota(Quota::Vcpus, 10).unwrap();
    let after = settles(&fixture, 4);
    assert_eq!(after[..2], before);
}

#[test]
fn a_nat_gateway_that_fails_is_named_with_its_reason_and_made_anew_by_the_next_apply() {
    let fixture = Fixture::start();
    let cidr = "cidr = \"10.0.0.0/16\"\n";
    let spec = fixture.spec();
    assert!(spec.contains(cidr));
    fixture.write_spec(&spec.replace(cidr, &format!("{cidr}egress = \"nat\"\n")));
    fixture.lab().fail_nat_gateways(1, "InternalError").unwrap();
    // One call after another: the lab's gateways are pending for so many calls, whoever makes them, and one that has
    // failed when it is looked at first is taken for an earlier one's.
    let output = fixture.provision(&["apply", "--yes", "--parallelism", "1"]);
    fails(&output, &["error: nat-gateway/a: ", " failed: InternalError: the lab was asked for this apply again"]);
    settles(&fixture, 2);
}
