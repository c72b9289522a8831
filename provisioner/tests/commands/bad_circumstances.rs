//! What is said where an estate can't be reached, changed or believed.

use std::fs;

use holdfast_lab::Account;

use crate::{LAB, Person, Ran};

const COMMANDS: &[&[&str]] = &[&["plan"], &["apply", "--yes"], &["status"], &["destroy", "--yes"]];

#[test]
fn credentials_of_another_account_are_refused() {
    let person = Person::with_estate("elsewhere");
    for arguments in COMMANDS {
        let mut command = person.outsider(arguments);
        LAB.point(&mut command, Account::Audit).unwrap();
        let ran = Ran::of(command).ended_with(1);
        ran.tells(LAB.account_id(Account::Workloads)).tells(LAB.account_id(Account::Audit));
    }
}

#[test]
fn a_missing_login_is_named_with_ways_to_log_in() {
    let person = Person::with_estate("unknown");
    for arguments in COMMANDS {
        let mut command = person.outsider(arguments);
        command.env("AWS_EC2_METADATA_DISABLED", "true").env("AWS_ENDPOINT_URL", LAB.plain_endpoint());
        Ran::of(command).ended_with(1).tells("error: ").tells("AWS_PROFILE");
    }
}

#[test]
fn an_endpoint_that_is_down_is_named() {
    let person = Person::with_estate("unreachable");
    for arguments in COMMANDS {
        let mut command = person.provision(arguments);
        // Port 9 is the discard service's, which nobody runs.
        command.env("AWS_ENDPOINT_URL", "http://127.0.0.1:9");
        Ran::of(command).ended_with(1).tells("AWS_ENDPOINT_URL is http://127.0.0.1:9");
    }
}

#[test]
fn a_missing_spec_is_named_by_every_command() {
    let person = Person::with_estate("unwritten");
    fs::remove_file(person.path("estate.toml")).unwrap();
    for arguments in COMMANDS {
        person.run(arguments).ended_with(1).tells("there is no estate.toml").tells("provision init");
    }
}

#[test]
fn a_plan_file_that_is_none_is_named() {
    let person = Person::with_estate("misread");
    for (text, said) in [("", "not a plan"), ("{}", "not a plan"), ("{\"plan\": 1, \"audit\": null}", "not a plan")] {
        fs::write(person.path("plan.json"), text).unwrap();
        person.run(&["apply", "--plan", "plan.json", "--yes"]).ended_with(1).tells("plan.json").tells(said);
    }
    person.run(&["apply", "--plan", "other.json", "--yes"]).ended_with(1).tells("plan other.json can't be read");
    person.run(&["apply", "--plan", "x", "-f", "y"]).ended_with(1).tells("cannot be used with");
}

#[test]
fn an_error_as_json_is_one_document() {
    let person = Person::with_estate("failed");
    let mut command = person.provision(&["status", "--json"]);
    command.env("AWS_ENDPOINT_URL", "http://127.0.0.1:9");
    let ran = Ran::of(command).ended_with(1);
    let document: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert!(document["error"]["message"].as_str().unwrap().contains("127.0.0.1:9"));
}

#[test]
fn no_credential_is_in_any_output() {
    let person = Person::with_estate("discreet");
    let variables = LAB.env(Account::Workloads).unwrap();
    let secrets: Vec<_> = variables
        .iter()
        .filter(|(name, _)| matches!(name.as_str(), "AWS_SECRET_ACCESS_KEY" | "AWS_SESSION_TOKEN"))
        .map(|(_, value)| value.as_str())
        .collect();
    assert_eq!(secrets.len(), 2);
    for arguments in [&["plan", "-vvv"][..], &["status", "-vvv", "--json"], &["plan"]] {
        let mut command = person.provision(arguments);
        command.env("RUST_LOG", "trace");
        let ran = Ran::of(command).ended_with(0);
        for secret in &secrets {
            assert!(!ran.stdout.contains(secret) && !ran.stderr.contains(secret), "{arguments:?}");
        }
    }
}
