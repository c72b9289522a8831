//! Runner, spawner or init killed at any time: nothing is left, no process, mount, directory or range of ids.

#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

mod support;

use std::os::fd::AsFd;
use std::process::{Child, Stdio};

use holdfast_sandbox::{EndedBy, Limits, LimitsMode, Policy, Request, Spawner};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use support::{Fixture, Who, everyone, init_of, is_root, marked, range_is_free, uid_of, until};

/// A sandbox that lasts, with processes that are marked.
fn running(fixture: &Fixture, who: Who, mark: &str) -> Child {
    let script = "setsid sleep 1000 & trap '' TERM; echo up; sleep 1000; sleep 1000";
    let mut command = fixture.sandbox(who);
    command.args(["--wall", "none", "--env", &format!("MARK={mark}"), "--", "sh", "-c", script, mark]);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(child.stdout.as_mut().unwrap()), &mut line).unwrap();
    assert_eq!(line, "up\n");
    child
}

fn mark(what: &str) -> String {
    format!("{what}-{}-{:?}", std::process::id(), std::thread::current().id())
}

#[test]
fn a_killed_runner_leaves_nothing() {
    let fixture = Fixture::new();
    for who in everyone() {
        let mark = mark("runner");
        let mut runner = running(&fixture, who, &mark);
        let init = init_of(runner.id().cast_signed());
        let uid = uid_of(init).unwrap();
        runner.kill().unwrap();
        runner.wait().unwrap();
        until("nothing of the sandbox is left", || marked(&mark).is_empty() && uid_of(init).is_none());
        if who == Who::Caller && is_root() {
            until("the range of ids is free", || range_is_free(uid));
        }
    }
}

#[test]
fn a_killed_init_is_told_and_leaves_nothing() {
    let fixture = Fixture::new();
    for who in everyone() {
        let mark = mark("init");
        let mut runner = running(&fixture, who, &mark);
        let init = init_of(runner.id().cast_signed());
        let uid = uid_of(init).unwrap();
        kill(Pid::from_raw(init), Signal::SIGKILL).unwrap();
        assert_eq!(runner.wait().unwrap().code(), Some(137));
        until("nothing of the sandbox is left", || marked(&mark).is_empty());
        if who == Who::Caller && is_root() {
            assert!(range_is_free(uid));
        }
    }
}

/// The runner, init and the program's process are each killed at every system call that they make, from their first to their
/// last: so at every step of a setup, at every wait and at the end.
#[test]
fn who_is_killed_at_any_system_call_leaves_nothing() {
    /// More than any of them makes.
    const MOST: usize = 3000;
    let fixture = Fixture::with_tracer();
    for who in everyone() {
        let mark = mark("call");
        for (which, least) in [("0", 60), ("1", 60), ("2", 10)] {
            let mut calls = 0;
            loop {
                let nth = (calls + 1).to_string();
                let tracer = fixture.path("tracer");
                let mut command = fixture.wrapped(who, &[tracer.to_str().unwrap(), which, &nth]);
                let options = ["--limits", "rlimit-only", "--rw", "/var/tmp", "--", "true", &mark];
                let output = command.args(options).stdin(Stdio::null()).output().unwrap();
                match output.status.code() {
                    Some(0) => calls += 1,
                    Some(1) => break,
                    _ => panic!("{who:?}: process {which} at call {nth}: {output:?}"),
                }
                assert!(calls < MOST, "{who:?}: process {which} makes more calls than that");
            }
            println!("{who:?}: process {which} was killed at each of {calls} calls");
            assert!(calls > least, "{who:?}: process {which} makes only {calls} calls");
        }
        until("nothing of the sandboxes is left", || marked(&mark).is_empty());
    }
    assert!(mounts_of("holdfast").is_empty(), "a mount is left on the host");
}

fn mounts_of(word: &str) -> Vec<String> {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    mounts.lines().filter(|line| line.contains(word)).map(str::to_owned).collect()
}

#[test]
fn signals_to_the_runner_reach_the_program() {
    let fixture = Fixture::new();
    for who in everyone() {
        for (signal, code) in [(Signal::SIGTERM, 143), (Signal::SIGINT, 130), (Signal::SIGHUP, 129)] {
            let mut command = fixture.sandbox(who);
            command.args(["--", "sh", "-c", "echo up; exec sleep 1000"]).stdin(Stdio::null()).stdout(Stdio::piped());
            let mut runner = command.spawn().unwrap();
            let mut line = String::new();
            std::io::BufRead::read_line(&mut std::io::BufReader::new(runner.stdout.as_mut().unwrap()), &mut line)
                .unwrap();
            kill(Pid::from_raw(runner.id().cast_signed()), signal).unwrap();
            assert_eq!(runner.wait().unwrap().code(), Some(code), "{signal}");
        }
    }
}

fn request(mark: &str) -> Request {
    let limits = Limits { wall: None, mode: LimitsMode::RlimitOnly, ..Limits::default() };
    let policy = Policy { env: [("MARK".to_owned(), mark.to_owned())].into(), limits, ..Policy::default() };
    let args = ["-c", "setsid sleep 1000 & echo up; sleep 1000", mark].map(str::to_owned).to_vec();
    Request { policy, program: "sh".to_owned(), args, files: vec![] }
}

#[test]
fn a_killed_spawner_ends_its_sandboxes_and_each_says_so() {
    let spawner = Spawner::start(env!("CARGO_BIN_EXE_holdfast-sandbox").as_ref()).unwrap();
    let mark = mark("spawner");
    let null = std::fs::File::options().read(true).write(true).open("/dev/null").unwrap();
    let stdio =
        || holdfast_sandbox::Stdio { stdin: null.as_fd(), stdout: null.as_fd(), stderr: null.as_fd(), passed: &[] };
    let sandboxes: Vec<_> = (0..5).map(|_| spawner.spawn(&request(&mark), stdio()).unwrap()).collect();
    until("all programs run", || sandboxes.iter().all(|it| !marked(&mark).is_empty() && uid_of(it.pid()).is_some()));
    let status = std::fs::read_to_string(format!("/proc/{}/status", sandboxes[0].pid())).unwrap();
    let parent = status.lines().find_map(|line| line.strip_prefix("PPid:")).unwrap().trim().parse().unwrap();
    kill(Pid::from_raw(parent), Signal::SIGKILL).unwrap();
    for sandbox in sandboxes {
        let outcome = sandbox.outcome().unwrap();
        assert_eq!((outcome.ended_by, outcome.exit_code()), (EndedBy::Killed, 137));
    }
    until("nothing is left", || marked(&mark).is_empty());
    let refused = spawner.spawn(&request(&mark), stdio());
    assert!(matches!(refused, Err(holdfast_sandbox::Error::SpawnerGone(_))), "{refused:?}");
}

#[test]
fn a_spawner_killed_at_any_system_call_is_told_and_leaves_nothing() {
    let fixture = Fixture::with_tracer();
    let mark = mark("spawner-call");
    let null = std::fs::File::options().read(true).write(true).open("/dev/null").unwrap();
    let stdio =
        holdfast_sandbox::Stdio { stdin: null.as_fd(), stdout: null.as_fd(), stderr: null.as_fd(), passed: &[] };
    let request = Request { program: "true".to_owned(), args: vec![mark.clone()], ..request(&mark) };
    let told = fixture.path("told");
    let mut calls = 0;
    loop {
        let nth = calls + 1;
        let script = format!(
            "#!/bin/sh\n{} 0 {nth} {} \"$@\"\necho $? >{}\n",
            fixture.path("tracer").display(),
            fixture.path("sandbox").display(),
            told.display()
        );
        let spawner = Spawner::start(&fixture.script("traced", &script)).unwrap();
        let outcome = spawner.spawn(&request, stdio).and_then(holdfast_sandbox::Sandbox::outcome);
        drop(spawner);
        let how = std::fs::read_to_string(&told).unwrap();
        match (how.trim(), outcome) {
            ("1", Ok(outcome)) if outcome.ended_by == EndedBy::Exited => break,
            ("0", Ok(outcome)) if matches!(outcome.ended_by, EndedBy::Exited | EndedBy::Killed) => calls = nth,
            ("0", Err(holdfast_sandbox::Error::SpawnerGone(_))) => calls = nth,
            (how, other) => panic!("call {nth}: {how}, {other:?}"),
        }
        assert!(nth < 3000, "the spawner makes more calls than that");
    }
    println!("the spawner was killed at each of {calls} calls");
    assert!(calls > 60, "the spawner makes only {calls} calls");
    until("nothing is left", || marked(&mark).is_empty());
}

#[test]
fn a_dropped_spawner_and_a_dropped_sandbox_leave_nothing() {
    let mark = mark("dropped");
    let null = std::fs::File::options().read(true).write(true).open("/dev/null").unwrap();
    let stdio =
        holdfast_sandbox::Stdio { stdin: null.as_fd(), stdout: null.as_fd(), stderr: null.as_fd(), passed: &[] };
    let spawner = Spawner::start(env!("CARGO_BIN_EXE_holdfast-sandbox").as_ref()).unwrap();
    let sandbox = spawner.spawn(&request(&mark), stdio).unwrap();
    until("the program runs", || !marked(&mark).is_empty());
    drop(sandbox);
    until("nothing is left of a dropped sandbox", || marked(&mark).is_empty());
    let sandbox = spawner.spawn(&request(&mark), stdio).unwrap();
    until("the program runs", || !marked(&mark).is_empty());
    drop(spawner);
    assert!(marked(&mark).is_empty(), "a dropped spawner waits until all is gone");
    assert_eq!(sandbox.outcome().unwrap().ended_by, EndedBy::Killed);
}
