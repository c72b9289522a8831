//! The daemon's own life: starts, stops, deaths, and what goes wrong around it.

#![allow(clippy::unwrap_used, reason = "a test may say that something can't fail")]

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::process::Command;

use nix::sys::signal::Signal;
use support::{AGENT, Agent, Ran, is_alive, send, until};

fn serve_and_fail(agent: &Agent) -> Ran {
    agent.serve().output().unwrap().into()
}

#[test]
fn without_an_agent_every_command_says_how_to_start_it() {
    let agent = Agent::prepare("");
    let ran = agent.run(&["--", "true"]);
    assert_eq!(ran.code, 125);
    assert!(ran.stderr.contains("systemctl start holdfast-agent"), "{ran:?}");
    for args in [&["ps"] as &[&str], &["status"], &["logs", "a1"]] {
        let ran = agent.client(args);
        assert_eq!(ran.code, 1, "{args:?}");
        assert!(ran.stderr.contains("systemctl start holdfast-agent"), "{ran:?}");
    }
}

#[test]
fn a_stopped_agent_leaves_nothing_behind() {
    let mut agent = Agent::start("[jobs]\nlimits = \"rlimit-only\"\nstop = \"200ms\"\n");
    let spawner = agent.spawner();
    let job = agent.detach(&["--", "sh", "-c", "sleep 1000 & sleep 1000"]);
    let pid = u32::try_from(agent.wait_for_state(&job, "running")["pid"].as_u64().unwrap()).unwrap();
    let status = agent.stop();
    assert!(status.success(), "{status}");
    assert!(!agent.socket().exists());
    assert!(!is_alive(spawner) && !is_alive(pid));
    let left: Vec<_> = fs::read_dir(agent.path("state/jobs")).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_stopping_agent_lets_jobs_end_and_takes_no_more() {
    let mut agent = Agent::start("[jobs]\nlimits = \"rlimit-only\"\nstop = \"20s\"\n");
    let job = agent.spawn(&["run", "--", "sh", "-c", "read line; echo got $line"]);
    until("the job runs", || (agent.client(&["ps", "--all", "--json"]).json()[0]["state"] == "running").then_some(()));
    send(agent.pid(), Signal::SIGTERM);
    let refused = until("it takes no more", || {
        let ran = agent.run(&["--", "true"]);
        (ran.code != 0).then_some(ran)
    });
    assert_eq!(refused.code, 125);
    assert!(refused.stderr.contains("stopping"), "{refused:?}");
    let mut job = job;
    std::io::Write::write_all(&mut job.stdin.take().unwrap(), b"it\n").unwrap();
    let output = job.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "got it\n");
    assert!(output.status.success());
    assert!(agent.stop_already_asked().success());
}

#[test]
fn systemd_is_told_of_ready_stopping_and_that_the_agent_lives() {
    let mut agent = Agent::prepare("");
    let socket = agent.path("notify");
    let systemd = UnixDatagram::bind(&socket).unwrap();
    systemd.set_read_timeout(Some(support::PATIENCE)).unwrap();
    let receive = || {
        let mut buffer = [0; 256];
        let length = systemd.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..length]).trim().to_owned()
    };
    agent.start_with(|command| {
        command.env("NOTIFY_SOCKET", &socket).env("WATCHDOG_USEC", "100000");
    });
    assert_eq!(receive(), "READY=1");
    assert_eq!(receive(), "WATCHDOG=1");
    assert_eq!(receive(), "WATCHDOG=1");
    assert!(agent.stop().success());
    until("it says that it stops", || (receive() == "STOPPING=1").then_some(()));
}

#[test]
fn a_killed_spawner_ends_its_jobs_and_the_next_job_works() {
    let agent = Agent::start("");
    let first = agent.spawner();
    let attached = agent.spawn(&["run", "--", "sleep", "1000"]);
    let detached = agent.detach(&["--", "sleep", "1000"]);
    agent.wait_for_state(&detached, "running");
    until("both run", || {
        let jobs = agent.client(&["ps", "--all", "--json"]).json();
        jobs.as_array().unwrap().iter().all(|job| job["state"] == "running").then_some(())
    });
    send(first, Signal::SIGKILL);
    let ended = agent.wait_for_state(&detached, "ended");
    assert_eq!(ended["result"]["error"]["code"], "SpawnerDied", "{ended}");
    assert!(ended["records"]["end"]["sequence"].is_u64(), "its end is recorded: {ended}");
    let output = Ran::from(attached.wait_with_output().unwrap());
    assert_eq!(output.code, 125, "{output:?}");
    assert!(output.stderr.contains("spawner"), "{output:?}");
    until("the next job works", || (agent.run(&["--", "true"]).code == 0).then_some(()));
    assert_ne!(agent.spawner(), first);
}

#[test]
fn a_killed_agent_takes_its_jobs_along_and_the_next_records_their_end() {
    let mut agent = Agent::start("");
    let job = agent.detach(&["--", "sleep", "1000"]);
    let pid = u32::try_from(agent.wait_for_state(&job, "running")["pid"].as_u64().unwrap()).unwrap();
    let spawner = agent.spawner();
    agent.kill();
    until("the spawner and the job are gone", || (!is_alive(spawner) && !is_alive(pid)).then_some(()));
    assert!(agent.path("state/jobs").join(&job).exists());
    agent.restart();
    assert!(!agent.path("state/jobs").join(&job).exists());
    assert_eq!(agent.run(&["--", "true"]).code, 0, "a socket that was left is replaced");
}

#[test]
fn the_sandbox_s_command_is_found_beside_the_agent() {
    let mut agent = Agent::prepare("");
    agent.rewrite_config(|text| {
        let lines = text.lines().filter(|line| !line.starts_with("sandbox"));
        lines.map(|line| format!("{line}\n")).collect()
    });
    let installed = agent.path("installed");
    fs::create_dir(&installed).unwrap();
    fs::copy(AGENT, installed.join("holdfast-agent")).unwrap();
    fs::copy(support::sandbox_binary(), installed.join("holdfast-sandbox")).unwrap();
    let mut command = Command::new(installed.join("holdfast-agent"));
    command.args(agent.serve().get_args());
    let log = agent.log_file();
    agent.start_command(command, log);
    assert_eq!(agent.run(&["--", "true"]).code, 0);
}

#[test]
fn a_second_agent_is_refused_while_the_first_answers() {
    let agent = Agent::start("");
    let second = serve_and_fail(&agent);
    assert_eq!(second.code, 1);
    assert!(
        second.stderr.contains("in use by another process") || second.stderr.contains("already answers"),
        "{second:?}"
    );
    assert_eq!(agent.run(&["--", "true"]).code, 0, "the first one is not disturbed");
}

#[test]
fn another_program_s_socket_is_not_taken_away() {
    let agent = Agent::prepare("");
    fs::create_dir(agent.path("run")).unwrap();
    let _other = UnixListener::bind(agent.socket()).unwrap();
    let ran = serve_and_fail(&agent);
    assert_eq!(ran.code, 1);
    assert!(ran.stderr.contains("already answers"), "{ran:?}");
}

#[test]
fn a_file_at_the_socket_s_path_is_left_alone() {
    let agent = Agent::prepare("");
    fs::create_dir(agent.path("run")).unwrap();
    fs::write(agent.socket(), "somebody's").unwrap();
    let ran = serve_and_fail(&agent);
    assert_eq!(ran.code, 1);
    assert!(ran.stderr.contains("no socket") && ran.stderr.contains("--socket"), "{ran:?}");
    assert_eq!(fs::read_to_string(agent.socket()).unwrap(), "somebody's");
}

#[test]
fn a_start_that_fails_closes_the_trail_that_it_opened() {
    let mut agent = Agent::prepare("");
    let too_long = agent.path(&"x".repeat(108));
    let mut command = Command::new(AGENT);
    command.args(["serve", "--config"]).arg(agent.path("agent.toml")).arg("--socket").arg(too_long);
    let ran = Ran::from(command.output().unwrap());
    assert_eq!(ran.code, 1);
    assert!(ran.stderr.contains("cannot make the socket") && ran.stderr.contains("--socket"), "{ran:?}");
    agent.restart();
    assert!(!agent.log().contains("was not closed"), "{}", agent.log());
}

#[test]
fn a_log_that_can_t_be_written_does_not_end_the_agent() {
    let mut agent = Agent::prepare("");
    let command = agent.serve();
    agent.start_command(command, fs::File::create("/dev/full").unwrap());
    assert_eq!(agent.run(&["--", "true"]).code, 0);
    assert!(agent.stop().success());
}

#[test]
fn a_spawner_that_does_not_stay_alive_is_not_started_without_a_pause() {
    let mut agent = Agent::prepare("");
    agent.rewrite_config(|text| {
        let own =
            |line: &str| if line.starts_with("sandbox") { "sandbox = \"/bin/true\"".into() } else { line.to_owned() };
        text.lines().map(own).collect::<Vec<_>>().join("\n")
    });
    agent.restart();
    until("it died a few times", || (agent.log().matches("the spawner died").count() > 3).then_some(()));
    let refused = agent.run(&["--", "true"]);
    assert_eq!(refused.code, 125, "{refused:?}");
    assert!(agent.log().contains("static holdfast-sandbox"), "{}", agent.log());
    assert!(agent.stop().success());
}

/// The unit's own list, in setpriv(1)'s words.
fn capabilities_of_the_unit() -> String {
    let unit = concat!(env!("CARGO_MANIFEST_DIR"), "/../infra/systemd/holdfast-agent.service");
    let unit = fs::read_to_string(unit).unwrap();
    let list = unit.lines().find_map(|line| line.strip_prefix("CapabilityBoundingSet=")).unwrap();
    let words = list.split_whitespace().map(|name| name.strip_prefix("CAP_").unwrap().to_lowercase());
    words.fold("-all".into(), |all, name| format!("{all},+{name}"))
}

#[test]
fn the_capabilities_that_the_unit_leaves_are_enough() {
    let mut agent = Agent::prepare("");
    let bounding_set = capabilities_of_the_unit();
    assert!(bounding_set.contains("+sys_admin"), "{bounding_set}");
    agent.start_through(&["setpriv", "--no-new-privs", "--bounding-set", &bounding_set]);
    let closed = agent.path("closed");
    fs::create_dir_all(closed.join("inner")).unwrap();
    fs::write(closed.join("inner/data"), "below another's directory").unwrap();
    std::os::unix::fs::chown(&closed, Some(support::NOBODY), None).unwrap();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).unwrap();
    let mount = format!("{}:/data", closed.join("inner").display());
    let ran = agent.run(&["--ro", &mount, "--", "cat", "/data/data"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "below another's directory"), "{ran:?}");
    assert_eq!(agent.client_as(support::NOBODY, support::group_id(), &["run", "--", "true"]).code, 0);
    let job = agent.detach(&["--", "sleep", "1000"]);
    agent.wait_for_state(&job, "running");
    agent.client(&["kill", &job]).ok();
    agent.wait_for_state(&job, "ended");
    assert!(agent.stop().success());
}

#[test]
fn what_keeps_the_daemon_from_starting_is_one_message_with_the_next_step() {
    let broken = Agent::prepare("nonsense = 1\n");
    let ran = serve_and_fail(&broken);
    assert_eq!(ran.code, 1);
    assert!(ran.stderr.contains("agent.toml") && ran.stderr.contains("nonsense"), "{ran:?}");

    let missing = Command::new(AGENT).args(["serve", "--config", "/nonexistent/agent.toml"]).output().unwrap();
    let missing = Ran::from(missing);
    assert_eq!(missing.code, 1);
    assert!(missing.stderr.contains("/nonexistent/agent.toml") && missing.stderr.contains("--config"), "{missing:?}");

    let no_state = Agent::prepare("");
    no_state.rewrite_config(|text| text.replace("state\"", "agent.toml/state\""));
    let ran = serve_and_fail(&no_state);
    assert_eq!(ran.code, 1);
    assert!(ran.stderr.contains("state directory"), "{ran:?}");

    let no_sandbox = Agent::prepare("");
    no_sandbox.rewrite_config(|text| {
        text.lines()
            .map(|line| {
                if line.starts_with("sandbox") { "sandbox = \"/nonexistent/sb\"\n".into() } else { format!("{line}\n") }
            })
            .collect()
    });
    let ran = serve_and_fail(&no_sandbox);
    assert_eq!(ran.code, 1);
    assert!(ran.stderr.contains("/nonexistent/sb") && ran.stderr.contains("configuration"), "{ran:?}");

    let bad_store = Agent::prepare("[audit]\nship = \"ftp://host\"\n");
    let ran = serve_and_fail(&bad_store);
    assert_eq!(ran.code, 1);
    assert!(ran.stderr.contains("audit.ship") && ran.stderr.contains("s3://"), "{ran:?}");
}
