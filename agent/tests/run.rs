//! `run` and the commands that look, through the real binaries.

#![allow(clippy::unwrap_used, reason = "a test may say that something can't fail")]

mod support;

use std::io::{Read as _, Write as _};
use std::process::Stdio;

use nix::sys::signal::Signal;
use serde_json::Value;
use support::{Agent, send, until};

#[test]
fn a_program_s_streams_and_exit_code_are_its_caller_s() {
    let agent = Agent::start("");
    let ran = agent.run(&["--", "sh", "-c", "echo out; echo err >&2; exit 7"]);
    assert_eq!((ran.code, ran.stdout.as_str(), ran.stderr.as_str()), (7, "out\n", "err\n"));
    let ran = agent.run(&["--", "sh", "-c", "kill -TERM $$"]);
    assert_eq!(ran.code, 128 + 15, "{ran:?}");
}

#[test]
fn stdin_reaches_the_program_whole_and_ends() {
    let agent = Agent::start("");
    // More than the window, the pipe and every buffer on the way together, both ways at once.
    let input: Vec<u8> = (0..4_000_000_u32).map(|i| (i % 251) as u8).collect();
    let ran = agent.run_with_stdin(&["--", "sha256sum"], &input);
    let again = agent.run_with_stdin(&["--", "sh", "-c", "cat | sha256sum"], &input);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(ran.stdout, again.stdout);
    let echoed = agent.run_with_stdin(&["--", "cat"], b"as it was\n");
    assert_eq!(echoed.stdout, "as it was\n");
    let mut child = agent.spawn(&["run", "--", "cat"]);
    let mut stdin = child.stdin.take().unwrap();
    let sent = input.clone();
    let writer = std::thread::spawn(move || stdin.write_all(&sent).unwrap());
    let mut output = Vec::new();
    child.stdout.take().unwrap().read_to_end(&mut output).unwrap();
    writer.join().unwrap();
    assert!(child.wait().unwrap().success());
    assert!(output == input, "{} bytes came back of {}", output.len(), input.len());
}

#[test]
fn a_program_that_reads_no_stdin_ends_though_its_caller_sends_more_than_fits() {
    let agent = Agent::start("");
    let ran = agent.run_with_stdin(&["--", "true"], &vec![0; 3_000_000]);
    assert_eq!(ran.code, 0, "{ran:?}");
}

#[test]
fn a_program_that_closed_its_outputs_still_reads_all_of_its_stdin() {
    let agent = Agent::start("");
    let script = "exec >/tmp/out 2>&1; cat; test $(wc -c </tmp/out) = 3000000";
    let ran = agent.run_with_stdin(&["--", "sh", "-c", script], &vec![0; 3_000_000]);
    assert_eq!(ran.code, 0, "{ran:?}");
}

#[test]
fn files_are_brought_in_and_belong_to_the_program() {
    let agent = Agent::start("");
    let script = agent.path("script.sh");
    std::fs::write(&script, "#!/bin/sh\necho from a file; echo more >> \"$0\"; tail -n 1 \"$0\"\n").unwrap();
    let file = format!("{}:/tmp/script.sh", script.display());
    let ran = agent.run(&["--file", &file, "--", "sh", "/tmp/script.sh"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "from a file\nmore\n"), "{ran:?}");
    assert!(!std::fs::read_to_string(&script).unwrap().contains("\nmore"), "the caller's own file is left alone");
}

#[test]
fn variables_reach_the_program_and_nothing_of_the_agent_s_environment_does() {
    let agent = Agent::start("");
    let ran = agent.run(&["--env", "GREETING=hello you", "--", "sh", "-c", "echo $GREETING; env | grep -c CARGO"]);
    assert_eq!(ran.stdout, "hello you\n0\n", "{ran:?}");
}

#[test]
fn the_wall_clock_ends_a_job_with_124() {
    let agent = Agent::start("");
    let ran = agent.run(&["--wall", "300ms", "--", "sleep", "1000"]);
    assert_eq!(ran.code, 124, "{ran:?}");
    let jobs = agent.client(&["ps", "--all", "--json"]).ok().json();
    assert_eq!(jobs[0]["result"]["outcome"]["ended_by"], "wall");
}

#[test]
fn what_can_t_be_executed_ends_with_126_or_127_and_says_why() {
    let agent = Agent::start("");
    let missing = agent.run(&["--", "no-such-program"]);
    assert_eq!(missing.code, 127, "{missing:?}");
    assert!(missing.stderr.contains("no-such-program"), "{missing:?}");
    let directory = agent.run(&["--", "/usr"]);
    assert_eq!(directory.code, 126, "{directory:?}");
}

#[test]
fn required_limits_are_refused_with_125_until_somebody_says_otherwise() {
    let agent = Agent::start("[jobs]\nstop = \"1s\"\n");
    let refused = agent.run(&["--", "true"]);
    assert_eq!(refused.code, 125, "{refused:?}");
    assert!(refused.stderr.contains("rlimit-only"), "{refused:?}");
    assert_eq!(agent.run(&["--limits", "rlimit-only", "--", "true"]).code, 0);
    assert_eq!(agent.run(&["--limits", "required", "--", "true"]).code, 125);
}

#[test]
fn ctrl_c_reaches_the_program_and_a_second_one_ends_it() {
    let agent = Agent::start("");
    let polite = "trap 'echo interrupted; exit 3' INT; echo ready; while :; do sleep 0.05; done";
    let mut child = agent.spawn(&["run", "--", "sh", "-c", polite]);
    let mut out = child.stdout.take().unwrap();
    let mut ready = [0; 6];
    out.read_exact(&mut ready).unwrap();
    send(child.id(), Signal::SIGINT);
    let mut rest = String::new();
    out.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "interrupted\n");
    assert_eq!(child.wait().unwrap().code(), Some(3));

    let deaf = "trap '' INT; echo ready; while :; do sleep 0.05; done";
    let mut child = agent.spawn(&["run", "--", "sh", "-c", deaf]);
    child.stdout.take().unwrap().read_exact(&mut ready).unwrap();
    send(child.id(), Signal::SIGINT);
    // One at a time: two pending signals of one kind are one.
    let status = until("a deaf program ends", || {
        send_if_alive(&mut child);
        child.try_wait().unwrap()
    });
    assert_eq!(status.code(), Some(128 + 9));
}

fn send_if_alive(child: &mut std::process::Child) {
    if child.try_wait().unwrap().is_none() {
        send(child.id(), Signal::SIGINT);
    }
}

#[test]
fn an_attached_job_ends_with_its_client() {
    let agent = Agent::start("");
    let mut child = agent.spawn(&["run", "--", "sh", "-c", "echo ready; exec sleep 1000"]);
    let mut ready = [0; 6];
    child.stdout.take().unwrap().read_exact(&mut ready).unwrap();
    let job = agent.client(&["ps", "--all", "--json"]).json()[0]["id"].as_str().unwrap().to_owned();
    child.kill().unwrap();
    child.wait().unwrap();
    let ended = agent.wait_for_state(&job, "ended");
    assert_eq!(ended["result"]["outcome"]["ended_by"], "killed", "{ended}");
}

#[test]
fn jobs_are_listed_their_output_is_kept_and_all_is_known_of_them() {
    let agent = Agent::start("");
    let job = agent.detach(&["--wall", "20s", "--", "sh", "-c", "echo kept; echo too >&2; exit 5"]);
    let inspected = agent.wait_for_state(&job, "ended");
    assert_eq!(inspected["result"]["exit_code"], 5);
    assert_eq!(inspected["limits"]["wall_ms"], 20_000);
    assert_eq!(inspected["owner"]["uid"], 0);
    assert!(inspected["records"]["start"]["sequence"].as_u64() < inspected["records"]["end"]["sequence"].as_u64());
    let logs = agent.client(&["logs", &job]).ok();
    assert_eq!((logs.stdout.as_str(), logs.stderr.as_str()), ("kept\n", "too\n"));
    assert!(!agent.client(&["ps"]).ok().stdout.contains(&job), "a job that has ended is listed with --all only");
    let table = agent.client(&["ps", "--all"]).ok().stdout;
    assert!(table.contains(&job) && table.contains("exit 5"), "{table}");
    let unknown = agent.client(&["inspect", "0123456789ab"]);
    assert_eq!(unknown.code, 1);
    assert!(unknown.stderr.contains("holdfast-agent ps --all"), "{unknown:?}");
}

#[test]
fn a_log_is_bounded_but_a_caller_gets_all() {
    let agent = Agent::start("[jobs]\nlimits = \"rlimit-only\"\nlog_bytes = \"4K\"\n");
    let ran = agent.run(&["--", "seq", "20000"]);
    let expected: String = (1..=20_000).map(|i| format!("{i}\n")).collect();
    assert!(ran.stdout == expected, "{} bytes of {}", ran.stdout.len(), expected.len());
    let job: Value = agent.client(&["ps", "--all", "--json"]).json()[0].clone();
    assert_eq!(job["log"]["stdout"], 4_096);
    assert_eq!(job["log"]["stdout_dropped"], expected.len() - 4_096);
    let logs = agent.client(&["logs", job["id"].as_str().unwrap()]).ok();
    assert_eq!(logs.stdout, expected[expected.len() - 4_096..]);
}

#[test]
fn rm_forgets_a_job_when_it_has_ended() {
    let agent = Agent::start("");
    assert_eq!(agent.run(&["--rm", "--", "true"]).code, 0);
    assert_eq!(agent.client(&["ps", "--all", "--json"]).ok().json(), Value::Array(vec![]));
}

#[test]
fn more_jobs_than_allowed_are_refused_and_a_place_that_is_free_again_is_used() {
    let agent = Agent::start("[jobs]\nlimits = \"rlimit-only\"\nmax = 2\nstop = \"1s\"\n");
    let jobs = [agent.detach(&["--", "sleep", "1000"]), agent.detach(&["--", "sleep", "1000"])];
    let refused = agent.run(&["--", "true"]);
    assert_eq!(refused.code, 125);
    assert!(refused.stderr.contains("2 jobs run") && refused.stderr.contains("jobs.max"), "{refused:?}");
    agent.client(&["kill", &jobs[0]]).ok();
    until("a place is free", || (agent.run(&["--", "true"]).code == 0).then_some(()));
}

#[test]
fn many_jobs_at_once_keep_their_streams_apart() {
    let agent = Agent::start("");
    let children: Vec<_> = (0..16)
        .map(|i| agent.spawn(&["run", "--", "sh", "-c", &format!("read line; echo $line-{i}; exit {i}")]))
        .collect();
    for (i, mut child) in children.into_iter().enumerate() {
        writeln!(child.stdin.take().unwrap(), "job").unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), format!("job-{i}\n"));
        assert_eq!(output.status.code(), i32::try_from(i).ok());
    }
}

#[test]
fn a_reader_that_goes_away_ends_the_command_as_it_ends_any() {
    let agent = Agent::start("");
    let mut child = agent.spawn(&["run", "--wall", "20s", "--", "yes"]);
    let mut out = child.stdout.take().unwrap();
    out.read_exact(&mut [0; 100]).unwrap();
    drop(out);
    assert_eq!(child.wait().unwrap().code(), Some(128 + 13));
}

#[test]
fn output_that_can_t_be_written_is_an_error_and_no_panic() {
    let agent = Agent::start("");
    let full = || std::fs::File::create("/dev/full").unwrap();
    for (args, code) in [
        (&["run", "--detach", "--", "true"] as &[&str], 125),
        (&["run", "--", "echo", "text"], 125),
        (&["ps", "--all"], 1),
        (&["status", "--json"], 1),
    ] {
        let output = agent.command(args).stdout(full()).output().unwrap();
        let ran = support::Ran::from(output);
        assert_eq!(ran.code, code, "{args:?}: {ran:?}");
        assert!(ran.stderr.contains("cannot write output"), "{args:?}: {ran:?}");
    }
    let status = agent.command(&["run", "--wall", "100ms", "--", "sleep", "100"]).stderr(full()).status().unwrap();
    assert_eq!(status.code(), Some(124));
    let status = agent.command(&["inspect", "nonesuch"]).stderr(full()).status().unwrap();
    assert_eq!(status.code(), Some(1));
}

#[test]
fn an_endless_file_is_refused_and_not_read_into_memory() {
    let agent = Agent::prepare("");
    let ran = agent.run(&["--file", "/dev/zero:/tmp/zero", "--", "true"]);
    assert_eq!(ran.code, 125, "{ran:?}");
    assert!(ran.stderr.contains("/dev/zero") && ran.stderr.contains("--ro"), "{ran:?}");
}

#[test]
fn a_third_ctrl_c_ends_the_command_of_an_agent_that_hangs() {
    let agent = Agent::start("");
    let mut child = agent.spawn(&["run", "--", "sh", "-c", "echo ready; exec sleep 1000"]);
    child.stdout.take().unwrap().read_exact(&mut [0; 6]).unwrap();
    send(agent.pid(), Signal::SIGSTOP);
    let status = until("the command ends", || {
        send_if_alive(&mut child);
        child.try_wait().unwrap()
    });
    assert_eq!(status.code(), Some(128 + 9));
    send(agent.pid(), Signal::SIGCONT);
    until("its job is gone too", || (agent.client(&["ps", "--json"]).ok().stdout.trim() == "[]").then_some(()));
}

#[test]
fn usage_errors_are_125_for_run_and_1_elsewhere() {
    let agent = Agent::prepare("");
    for (args, code) in [
        (&["run"] as &[&str], 125),
        (&["run", "--wall", "10", "--", "true"], 125),
        (&["run", "--ro", "relative", "--", "true"], 125),
        (&["ps", "--nonsense"], 1),
        (&["inspect", "../status"], 1),
        (&[], 1),
    ] {
        let ran = agent.client(args);
        assert_eq!(ran.code, code, "{args:?}: {ran:?}");
        assert!(!ran.stderr.is_empty() && !ran.stderr.contains("panicked"), "{ran:?}");
    }
    let help = std::process::Command::new(support::AGENT).arg("--help").stdin(Stdio::null()).output().unwrap();
    assert!(help.status.success());
    let text = String::from_utf8_lossy(&help.stdout).into_owned();
    assert!(text.contains("Exit codes") && text.contains("Examples"), "{text}");
}
