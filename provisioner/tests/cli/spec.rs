//! `validate`, and what every command says of a spec that it can't use.

use std::fs;

use serde_json::Value;

use crate::{run, shown};

const MINIMAL: &str = include_str!("../../../infra/examples/minimal.toml");
const FULL: &str = include_str!("../../../infra/examples/estate.toml");

#[test]
fn a_valid_spec_is_summed_up() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("estate.toml"), FULL).unwrap();
    insta::assert_snapshot!(shown(&run(directory.path(), &["validate"])));
}

#[test]
fn a_valid_spec_as_json_has_its_defaults() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("estate.toml"), MINIMAL).unwrap();
    let output = run(directory.path(), &["validate", "--json"]);
    assert!(output.status.success() && output.stderr.is_empty());
    let result: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(result["valid"], true);
    assert_eq!(result["spec"]["network"]["place"]["made"]["cidr"], "10.0.0.0/16");
    assert_eq!(result["warnings"], Value::Array(Vec::new()));
}

#[test]
fn a_wrong_spec_is_told_everything_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let wrong = MINIMAL.replace("Environment = \"Test\"\n", "").replace("203.0.113.0/24", "0.0.0.0/0");
    fs::write(directory.path().join("estate.toml"), wrong).unwrap();
    insta::assert_snapshot!(shown(&run(directory.path(), &["validate"])));
}

#[test]
fn a_wrong_spec_as_json_has_each_problem_with_its_place() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("estate.toml"), MINIMAL.replace("ami-0123456789abcdef0", "ami-x")).unwrap();
    let output = run(directory.path(), &["validate", "--json"]);
    assert_eq!(output.status.code(), Some(1));
    let result: Value = serde_json::from_slice(&output.stdout).unwrap();
    let problem = &result["error"]["problems"][0];
    assert_eq!(
        (&problem["setting"], &problem["line"], &problem["column"]),
        (&"image.id".into(), &17.into(), &6.into())
    );
}

#[test]
fn the_rule_that_a_spec_breaks_is_named_and_explained() {
    let directory = tempfile::tempdir().unwrap();
    let wrong = MINIMAL.replace("Environment = \"Test\"\n", "").replace("203.0.113.0/24", "0.0.0.0/0");
    fs::write(directory.path().join("estate.toml"), wrong).unwrap();
    let result: Value = serde_json::from_slice(&run(directory.path(), &["validate", "--json"]).stdout).unwrap();
    let problems = result["error"]["problems"].as_array().unwrap();
    let rules: Vec<_> = problems.iter().map(|problem| problem["rule"].as_str().unwrap()).collect();
    assert_eq!(rules, ["tags", "bastion-range"]);
    let text = shown(&run(directory.path(), &["validate"]));
    for rule in rules {
        assert!(text.contains(&format!("error[{rule}]")), "{text}");
        assert!(text.contains(&format!("`provision explain {rule}` says why")), "{text}");
        let explained = run(directory.path(), &["explain", rule]);
        assert!(explained.status.success() && shown(&explained).contains(&format!("{rule}:")), "{rule}");
    }
}

#[test]
fn a_warning_leaves_a_spec_valid() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("estate.toml"), MINIMAL.replace("eu-central-1", "eu-central-7")).unwrap();
    let output = run(directory.path(), &["validate"]);
    assert!(output.status.success());
    assert!(String::from_utf8(output.stderr).unwrap().contains("doesn't know region eu-central-7"));
}

#[test]
fn a_spec_that_is_not_there_or_cannot_be_read_is_named() {
    let directory = tempfile::tempdir().unwrap();
    insta::assert_snapshot!(shown(&run(directory.path(), &["validate"])));
    insta::assert_snapshot!(shown(&run(directory.path(), &["validate", "-f", "prod.toml"])));
    insta::assert_snapshot!(shown(&run(directory.path(), &["validate", "-f", "."])));
}

#[test]
fn no_secret_of_a_spec_is_shown_in_any_form() {
    let directory = tempfile::tempdir().unwrap();
    let key = "-----BEGIN OPENSSH PRIVATE KEY-----\nhunter2\n-----END OPENSSH PRIVATE KEY-----";
    let wrong = MINIMAL
        .replace("name = \"judge\"", "name = \"judge\"\npassword = \"hunter2\"\n# token = hunter2")
        .replace("ssh_keys = [\"", &format!("ssh_keys = [\"\"\"{key}\"\"\", \""));
    fs::write(directory.path().join("estate.toml"), wrong).unwrap();
    for arguments in [&["validate"][..], &["validate", "--json"], &["validate", "-vvv"]] {
        let output = run(directory.path(), arguments);
        assert_eq!(output.status.code(), Some(1));
        assert!(!shown(&output).contains("hunter2"), "{}", shown(&output));
    }
}
