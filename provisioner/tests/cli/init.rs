//! `init`, and that what it writes is what `validate` takes.

use std::fs;

use serde_json::Value;

use crate::{run, shown};

const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGVZ2ycKG0wKIUQp4t6tEtIEQ0CHXGFm4HYAKRQrt1hG ops";
const FLAGS: &[&str] = &[
    "init",
    "--name=judge",
    "--region=eu-central-1",
    "--account=111111111111",
    "--description=Runs the programs of contestants",
    "--project=contest",
    "--department=engineering",
    "--environment=Test",
    "--allow=203.0.113.0/24",
    "--ssh-key=ops.pub",
    "--image=ami-0123456789abcdef0",
    "--alert=ops@example.org",
    "--audit-account=222222222222",
];

#[test]
fn what_init_writes_is_valid() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("ops.pub"), KEY).unwrap();
    insta::assert_snapshot!(shown(&run(directory.path(), FLAGS)));
    let output = run(directory.path(), &["validate", "--json"]);
    let result: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(result["spec"]["bastion"]["ssh_keys"][0], KEY);
    assert_eq!(result["spec"]["audit"]["account"], "222222222222");
}

#[test]
fn init_overwrites_nothing() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("ops.pub"), KEY).unwrap();
    fs::write(directory.path().join("estate.toml"), "mine").unwrap();
    insta::assert_snapshot!(shown(&run(directory.path(), FLAGS)));
    assert_eq!(fs::read_to_string(directory.path().join("estate.toml")).unwrap(), "mine");
}

#[test]
fn init_without_a_terminal_names_the_flags_that_it_needs() {
    let directory = tempfile::tempdir().unwrap();
    insta::assert_snapshot!(shown(&run(directory.path(), &["init", "--name", "judge"])));
    assert!(!directory.path().join("estate.toml").exists());
}

#[test]
fn init_refuses_a_private_key_and_a_trail_beside_the_estate() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("ops.pub"), "-----BEGIN OPENSSH PRIVATE KEY-----\nhunter2\n").unwrap();
    let output = run(directory.path(), FLAGS);
    assert!(shown(&output).contains("this is a private key") && !shown(&output).contains("hunter2"));
    fs::write(directory.path().join("ops.pub"), KEY).unwrap();
    let mut flags = FLAGS.to_vec();
    flags.pop();
    flags.push("--audit-account=111111111111");
    let output = run(directory.path(), &flags);
    assert_eq!(output.status.code(), Some(1));
    assert!(shown(&output).contains("the trail is in the estate's own account"), "{}", shown(&output));
    assert!(!directory.path().join("estate.toml").exists());
}
