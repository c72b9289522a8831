//! Greedy and stubborn programs: each ends, within the wall clock at the latest, and nothing of it is left.

#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

mod support;

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use holdfast_sandbox::{EndedBy, LimitKind};
use support::{Ended, Fixture, everyone, marked, until};

/// Runs a shell script with a mark in its arguments, checks that it ended in time, and that nothing has the mark.
fn ends(options: &[&str], script: &str, seconds: u64) -> Vec<(holdfast_sandbox::Outcome, String)> {
    let fixture = Fixture::new();
    let mut outcomes = Vec::new();
    for who in everyone() {
        let mark = format!("mark-{}-{who:?}-{:?}", std::process::id(), std::thread::current().id());
        let begin = Instant::now();
        let (output, outcome) = fixture.outcome(who, options, &["sh", "-c", script, &mark]);
        assert!(begin.elapsed() < Duration::from_secs(seconds), "{script}: {:?}, {output:?}", begin.elapsed());
        until("nothing of the sandbox is left", || marked(&mark).is_empty());
        outcomes.push((outcome, String::from_utf8_lossy(&output.stderr).into_owned()));
    }
    outcomes
}

const ONE_SECOND: &[&str] = &["--wall", "1s"];

#[test]
fn a_program_that_ignores_every_signal_ends_at_the_deadline() {
    for (outcome, stderr) in ends(ONE_SECOND, "trap '' HUP INT QUIT TERM XCPU USR1; while :; do sleep 100; done", 8) {
        assert_eq!((outcome.ended_by, outcome.exit_code()), (EndedBy::Wall, 124));
        assert_eq!(outcome.limits_hit, [LimitKind::Wall]);
        assert!(outcome.wall_us.unwrap() >= 1_000_000, "{outcome:?}");
        assert!(stderr.contains("wall clock"), "{stderr}");
    }
}

#[test]
fn a_program_that_stops_itself_ends_at_the_deadline() {
    for (outcome, _) in ends(ONE_SECOND, "kill -STOP $$; echo woken", 8) {
        assert_eq!(outcome.ended_by, EndedBy::Wall);
    }
}

#[test]
fn a_program_that_floods_init_with_signals_ends_at_the_deadline() {
    let fixture = Fixture::new();
    for who in everyone() {
        let mut command = fixture.attack_inside(who, ONE_SECOND, &["flood"]);
        let mut runner = Ended(command.stderr(Stdio::null()).spawn().unwrap());
        let mut status = None;
        until("the flood is over", || {
            status = runner.0.try_wait().unwrap();
            status.is_some()
        });
        assert_eq!(status.unwrap().code(), Some(124));
    }
}

#[test]
fn orphans_and_daemons_end_with_the_program() {
    let script = "setsid sh -c 'setsid sleep 1000 & exec sleep 1000' \"$0\" & (sleep 1000 &) ; exit 3";
    for (outcome, _) in ends(&[], script, 8) {
        assert_eq!((outcome.ended_by, outcome.code), (EndedBy::Exited, Some(3)));
        assert!(outcome.wall_us.unwrap() < 5_000_000);
    }
}

#[test]
fn a_fork_bomb_gets_no_more_processes_than_its_limit() {
    let script = "python3 -c '
import os
made = 0
try:
    while True:
        if os.fork() == 0:
            os.pause() if hasattr(os, \"pause\") else __import__(\"signal\").pause()
        made += 1
except BlockingIOError:
    os.write(1, b\"%d\\n\" % made)
'";
    let fixture = Fixture::new();
    for who in everyone() {
        let (output, outcome) = fixture.outcome(who, &["--pids", "20"], &["sh", "-c", script]);
        let text = String::from_utf8_lossy(&output.stdout);
        // The shell and python are two of the twenty.
        assert_eq!(text.lines().next(), Some("18"), "{output:?}");
        assert_eq!(outcome.code, Some(0), "{output:?}");
    }
    let bomb = "bomb() { bomb | bomb & }; bomb; while :; do wait; sleep 0.1; done";
    for (outcome, _) in ends(&["--pids", "50", "--wall", "2s"], bomb, 15) {
        assert!(matches!(outcome.ended_by, EndedBy::Wall | EndedBy::Exited | EndedBy::Signaled), "{outcome:?}");
    }
}

#[test]
fn a_memory_hog_gets_no_more_than_its_limit() {
    let script = "python3 -c '
chunks = []
try:
    while True:
        chunks.append(bytearray(1 << 20))
except MemoryError:
    print(len(chunks))
'";
    let fixture = Fixture::new();
    for who in everyone() {
        let (output, outcome) = fixture.outcome(who, &["--memory", "64M"], &["sh", "-c", script]);
        let got: u64 = String::from_utf8_lossy(&output.stdout).lines().next().unwrap().parse().unwrap();
        assert!((32..=64).contains(&got), "{got} MiB: {output:?}");
        // rlimits can't say that a limit was hit: nothing is claimed.
        assert_eq!((outcome.code, outcome.limits_hit.len()), (Some(0), 0));
    }
}

#[test]
fn a_full_tmp_and_a_million_files_are_errors_and_no_more() {
    let fixture = Fixture::new();
    for who in everyone() {
        let script = "head -c 100M /dev/zero > /tmp/big; wc -c < /tmp/big";
        let (output, _) = fixture.outcome(who, &[], &["sh", "-c", script]);
        assert!(String::from_utf8_lossy(&output.stdout).starts_with("67108864\n"), "{output:?}");
        let script = "python3 -c '
import os
n = 0
try:
    while True:
        os.close(os.open(\"/scratch/%d\" % n, os.O_CREAT | os.O_WRONLY)); n += 1
except OSError as error:
    print(n, error.strerror)
'";
        let (output, _) = fixture.outcome(who, &["--tmpfs", "/scratch=1M"], &["sh", "-c", script]);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(text.starts_with("255 No space left on device"), "{output:?}");
    }
}

#[test]
fn an_endless_loop_ends_when_its_cpu_time_is_used_up() {
    for (outcome, _) in ends(&["--cpu-time", "1s"], "while :; do :; done", 15) {
        assert_eq!((outcome.ended_by, outcome.exit_code()), (EndedBy::CpuTime, 124));
        assert_eq!(outcome.limits_hit, [LimitKind::CpuTime]);
        assert!(outcome.user_us.unwrap() + outcome.system_us.unwrap() >= 500_000, "{outcome:?}");
    }
    // SIGXCPU can be caught; SIGKILL follows a second later.
    for (outcome, _) in ends(&["--cpu-time", "1s"], "trap '' XCPU; while :; do :; done", 15) {
        assert_eq!((outcome.ended_by, outcome.signal), (EndedBy::CpuTime, Some(9)), "{outcome:?}");
    }
}

#[test]
fn what_a_signal_ended_is_not_taken_for_a_limit() {
    let fixture = Fixture::new();
    for who in everyone() {
        for (signal, number) in [("KILL", 9), ("XCPU", 24), ("ABRT", 6), ("TERM", 15)] {
            let script = format!("kill -{signal} $$");
            let (output, outcome) = fixture.outcome(who, &["--cpu-time", "5s"], &["sh", "-c", &script]);
            assert_eq!((outcome.ended_by, outcome.signal), (EndedBy::Signaled, Some(number)));
            assert_eq!(output.status.code(), Some(128 + number));
        }
    }
}

#[test]
fn no_core_is_dumped_and_descriptors_are_bounded() {
    let fixture = Fixture::new();
    for who in everyone() {
        let (output, _) = fixture.outcome(who, &[], &["sh", "-c", "ulimit -c; ulimit -Hc; ulimit -n"]);
        assert!(String::from_utf8_lossy(&output.stdout).starts_with("0\n0\n1024\n"), "{output:?}");
    }
}

/// A hard limit of 0 is a common hardening, and the one at which a crash starts the host's core_pattern helper.
#[test]
fn a_hard_limit_of_no_core_files_is_raised_to_one_or_nothing_runs() {
    let fixture = Fixture::new();
    let starts_helper = std::fs::read("/proc/sys/kernel/core_pattern").unwrap().starts_with(b"|");
    for who in everyone() {
        let mut command = support::as_who(Command::new("prlimit"), who);
        command.args(["--core=0:0", "--"]).arg(fixture.path("sandbox")).args(["--limits", "rlimit-only", "--"]);
        let output = command.args(["cat", "/proc/self/limits"]).output().unwrap();
        let (limits, said) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
        // Not even every root has CAP_SYS_RESOURCE.
        let raise = ["--core=0:0", "--", "prlimit", "--core=0:1", "--", "true"];
        let may_raise = support::as_who(Command::new("prlimit"), who).args(raise).output().unwrap().status.success();
        if starts_helper && !may_raise {
            assert!(limits.is_empty() && said.contains("core_pattern"), "{limits}: {said}");
            continue;
        }
        let line = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
        let expected = if may_raise { "1" } else { "0" };
        assert!(line.split_whitespace().skip(4).take(2).eq([expected; 2]) && said.is_empty(), "{line}: {said}");
    }
}
