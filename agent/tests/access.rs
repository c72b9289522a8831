//! Who may do what: the socket's mode, the peer's credentials, the confused deputy.

#![allow(clippy::unwrap_used, reason = "a test may say that something can't fail")]

mod support;

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

use support::{Agent, NOBODY, group_id};

#[test]
fn a_user_outside_the_group_is_refused_by_the_socket_s_mode() {
    let agent = Agent::start("");
    let metadata = fs::metadata(agent.socket()).unwrap();
    assert_eq!((metadata.mode() & 0o777, metadata.gid()), (0o660, group_id()));
    let run = agent.client_as(NOBODY, NOBODY, &["run", "--", "true"]);
    assert_eq!(run.code, 125, "{run:?}");
    assert!(run.stderr.contains("usermod"), "{run:?}");
    assert_eq!(agent.client_as(NOBODY, NOBODY, &["ps"]).code, 1);
}

#[test]
fn a_user_outside_the_group_is_refused_though_the_socket_s_mode_was_loosened() {
    let agent = Agent::start("");
    fs::set_permissions(agent.socket(), fs::Permissions::from_mode(0o666)).unwrap();
    for args in [&["run", "--", "true"] as &[&str], &["ps"], &["status"], &["kill", "0123456789ab"]] {
        let ran = agent.client_as(NOBODY, NOBODY, args);
        assert_ne!(ran.code, 0, "{args:?}");
        assert!(ran.stderr.contains("only root and members"), "{args:?}: {ran:?}");
    }
    // The same, with the wall taken away: a member's words are heard.
    assert_eq!(agent.client_as(NOBODY, group_id(), &["run", "--", "true"]).code, 0);
}

#[test]
fn a_member_sees_and_touches_his_own_jobs_only() {
    let agent = Agent::start("");
    let roots = agent.detach(&["--", "sleep", "1000"]);
    let member = group_id();
    let own = agent.client_as(NOBODY, member, &["run", "--detach", "--", "sh", "-c", "echo mine; sleep 1000"]).ok();
    let own = own.stdout.trim();
    let listed = agent.client_as(NOBODY, member, &["ps", "--all", "--json"]).ok().json();
    assert_eq!(listed.as_array().unwrap().len(), 1);
    assert_eq!((listed[0]["id"].as_str(), listed[0]["owner"]["uid"].as_u64()), (Some(own), Some(NOBODY.into())));
    for verb in ["inspect", "logs", "kill"] {
        let denied = agent.client_as(NOBODY, member, &[verb, &roots]);
        assert_eq!(denied.code, 1, "{verb}: {denied:?}");
        assert!(denied.stderr.contains("no job"), "whether another's job exists is not told: {denied:?}");
    }
    assert_eq!(agent.inspect(&roots)["state"], "running");
    assert_eq!(agent.client(&["ps", "--all", "--json"]).json().as_array().unwrap().len(), 2, "root sees all");
    agent.client_as(NOBODY, member, &["kill", own]).ok();
    agent.wait_for_state(own, "ended");
}

#[test]
fn the_agent_lends_its_rights_to_nobody_s_mounts() {
    // The agent's own check wants directories that only root can change on the way, so not below /tmp.
    let host = tempfile::Builder::new().prefix("holdfast-agent-test").tempdir_in("/var/lib").unwrap();
    let (allowed, secret) = (host.path().join("allowed"), host.path().join("secret"));
    fs::create_dir(&allowed).unwrap();
    fs::create_dir(&secret).unwrap();
    for (dir, text) in [(host.path(), ""), (&allowed, "shared"), (&secret, "root's alone")] {
        fs::set_permissions(dir, fs::Permissions::from_mode(0o755)).unwrap();
        fs::write(dir.join("data"), text).unwrap();
    }
    // A link that a member could have put into a directory of his own.
    std::os::unix::fs::symlink(&secret, allowed.join("link")).unwrap();
    let agent = Agent::start(&format!("[[allow_mounts]]\npath = {allowed:?}\n"));
    let try_mount = |option: &str, source: &std::path::Path| {
        let mount = format!("{}:/data", source.display());
        agent.client_as(NOBODY, group_id(), &["run", option, &mount, "--", "cat", "/data/data"])
    };
    let shared = try_mount("--ro", &allowed);
    assert_eq!((shared.code, shared.stdout.as_str()), (0, "shared"), "{shared:?}");
    for (option, source) in [
        ("--rw", allowed.clone()),
        ("--ro", secret.clone()),
        ("--ro", allowed.join("link")),
        ("--ro", allowed.join("../secret")),
        ("--ro", host.path().to_owned()),
        ("--ro", "/".into()),
    ] {
        let denied = try_mount(option, &source);
        assert_eq!(denied.code, 125, "{option} {source:?}: {denied:?}");
        assert!(denied.stderr.contains("allow_mounts") || denied.stderr.contains("`..`"), "{denied:?}");
        assert!(!denied.stdout.contains("alone"));
    }
    // The wall taken away: who may bind anything gets there, so the tries above did name something real.
    let mount = format!("{}:/data", secret.display());
    let root = agent.run(&["--ro", &mount, "--", "cat", "/data/data"]);
    assert_eq!(root.stdout, "root's alone", "{root:?}");
}

#[test]
fn a_file_that_a_caller_sends_in_is_read_with_his_own_rights() {
    let agent = Agent::start("");
    let secret = agent.path("secret");
    fs::write(&secret, "root's alone").unwrap();
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
    let file = format!("{}:/tmp/secret", secret.display());
    let args = ["run", "--file", &file, "--", "cat", "/tmp/secret"];
    let denied = agent.client_as(NOBODY, group_id(), &args);
    assert_eq!(denied.code, 125, "{denied:?}");
    assert!(denied.stderr.contains("ermission denied") && denied.stdout.is_empty(), "{denied:?}");
    assert_eq!(agent.client(&args).ok().stdout, "root's alone");
}
