//! Help, versions and wrong usage.

use crate::{provision, run, shown};

#[test]
fn help_names_every_command_and_the_exit_codes() {
    let directory = tempfile::tempdir().unwrap();
    insta::assert_snapshot!(shown(&run(directory.path(), &["--help"])));
}

#[test]
fn each_command_has_help_with_examples() {
    let directory = tempfile::tempdir().unwrap();
    let commands: &[&[&str]] = &[
        &["init"],
        &["validate"],
        &["schema"],
        &["plan"],
        &["apply"],
        &["status"],
        &["destroy"],
        &["audit", "init"],
        &["audit", "list"],
        &["audit", "show"],
        &["audit", "verify"],
    ];
    for command in commands {
        let output = run(directory.path(), &[*command, &["--help"]].concat());
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success() && text.contains("Examples:"), "{command:?}: {text}");
        for line in text.lines() {
            assert!(line.chars().count() <= 100, "{command:?}: {line}");
        }
    }
}

#[test]
fn wrong_usage_ends_with_1() {
    let directory = tempfile::tempdir().unwrap();
    for (arguments, said) in [
        (&[][..], "Usage: provision"),
        (&["aply"], "unrecognized subcommand 'aply'"),
        (&["validate", "--fiel", "x"], "'--file'"),
        (&["init", "--account", "1111"], "twelve digits"),
        (&["init", "--allow", "0.0.0.0/0"], "whole internet"),
        (&["init", "--hosts", "5000"], "--hosts"),
    ] {
        let output = run(directory.path(), arguments);
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {text}");
        assert!(text.contains(said), "{arguments:?}: {text}");
        assert!(output.stdout.is_empty(), "{arguments:?}");
    }
}

#[test]
fn the_version_is_a_result() {
    let directory = tempfile::tempdir().unwrap();
    let output = run(directory.path(), &["--version"]);
    assert!(output.status.success());
    assert_eq!(String::from_utf8(output.stdout).unwrap(), format!("provision {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn colour_is_for_terminals() {
    let directory = tempfile::tempdir().unwrap();
    let plain = run(directory.path(), &["validate"]);
    assert!(!shown(&plain).contains('\x1b'));
    let forced = provision(directory.path()).arg("validate").env("CLICOLOR_FORCE", "1").output().unwrap();
    assert!(shown(&forced).contains('\x1b'));
    let refused =
        provision(directory.path()).arg("validate").env("CLICOLOR_FORCE", "1").env("NO_COLOR", "1").output().unwrap();
    assert!(!shown(&refused).contains('\x1b'));
}
