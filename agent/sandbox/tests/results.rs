//! Results against work of known cost, where figures are rusage's. `limits_in_vm.rs` has those of a cgroup.

#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

mod support;
mod workloads;

use std::process::Stdio;

use support::{Fixture, everyone};
use workloads::Scale;

#[test]
fn figures_are_those_of_the_work_that_was_done() {
    let fixture = Fixture::with_workload();
    let bind = format!("{}:/workload", fixture.path("workload").display());
    for who in everyone() {
        let run = |options: &[&str], work: &[&str]| {
            let mut command = fixture.sandbox(who);
            command.args(["--ro", &bind, "--result", "-"]).args(options).args(["--", "/workload"]).args(work);
            let ran = workloads::read(&command.stdin(Stdio::null()).output().unwrap());
            let of_the_whole = (ran.outcome.peak_memory, ran.outcome.peak_pids);
            assert_eq!(of_the_whole, (None, None), "what rlimits can't know is not there");
            ran
        };
        workloads::check(Scale { millis: 200, tolerance_us: 50_000 }, &run);
    }
}
