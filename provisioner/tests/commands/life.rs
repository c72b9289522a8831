//! Plan, apply, status, destroy.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use holdfast_lab::Account;

use crate::{Person, Ran};

#[test]
fn a_plan_shows_everything_and_makes_nothing() {
    let person = Person::with_estate("planned");
    person.run(&["plan"]).ended_with(0).says("+ create  vpc").says("to create; 0 unchanged");
    person.run(&["plan", "--detailed-exitcode"]).ended_with(2);
    let plan = person.json(&["plan"]);
    assert_eq!(plan["plan"]["scope"]["estate"], "planned");
    assert!(plan["plan"]["changes"].as_array().unwrap().iter().all(|change| change["action"] == "create"));
    person.run(&["status"]).ended_with(0).says("There is nothing of it");
}

#[test]
fn an_estate_lives_as_its_owner_says() {
    let person = Person::with_own_lab("lived");
    person.run(&["apply", "--yes"]).ended_with(0).says("Applied ").tells("created   vpc");
    person.run(&["apply", "--yes"]).ended_with(0).says("Unchanged: estate lived");
    person.run(&["plan", "--detailed-exitcode"]).ended_with(0).says("Nothing to change");

    person.run(&["status"]).ended_with(0).says("worker 1").says("Project").says("of 200 US dollars");
    let status = person.json(&["status"]);
    assert_eq!(status["hosts"]["instances/worker"].as_array().unwrap().len(), 2);
    assert_eq!(status["spend"]["limit_usd"], "200");
    for resource in status["resources"].as_array().unwrap() {
        let tags = resource["tags"].as_object().unwrap();
        assert!(tags.is_empty() || tags["Project"] == "contest", "{resource}");
    }

    person.edit("monthly_usd = 200", "monthly_usd = 300");
    person.run(&["plan"]).ended_with(0).says("~ change  budget").says("200 -> 300").says("1 to change");
    let applied = person.json(&["apply", "--yes"]);
    assert_eq!((&applied["done"], &applied["changes"]["update"]), (&1.into(), &1.into()));

    person.run(&["destroy", "--yes"]).ended_with(0).says("Destroyed ").says("What stays, by design").says("key ");
    person.run(&["status"]).ended_with(0);
    person.run(&["destroy", "--yes"]).ended_with(0).says("Unchanged");
}

#[test]
fn a_plan_that_was_seen_is_what_is_done() {
    let person = Person::with_own_lab("seen");
    person.run(&["plan", "-o", "plan.json"]).ended_with(0).tells("provision apply --plan plan.json");
    // The spec has changed since; the plan is what was agreed on.
    person.edit("count = 2", "count = 1");
    person.run(&["apply", "--plan", "plan.json", "--yes"]).ended_with(0).says("Applied ");
    let status = person.json(&["status"]);
    assert_eq!(status["hosts"]["instances/worker"].as_array().unwrap().len(), 2);

    // What was changed by hand isn't what was seen, nor is another version's.
    let plan = std::fs::read_to_string(person.path("plan.json")).unwrap();
    for (from, to, said) in [
        ("\"seen\"", "\"unseen\"", "changed after it was made"),
        (person.lab().account_id(Account::Workloads), "123456789012", "changed after it was made"),
        ("\"provision ", "\"provision 9", "was made by provision 9"),
    ] {
        std::fs::write(person.path("other.json"), plan.replace(from, to)).unwrap();
        person.run(&["apply", "--plan", "other.json", "--yes"]).ended_with(1).tells(said);
    }
    // Nor is it another account's.
    let mut elsewhere = person.outsider(&["apply", "--plan", "plan.json", "--yes"]);
    person.lab().point(&mut elsewhere, Account::Audit).unwrap();
    Ran::of(elsewhere).ended_with(1).tells(person.lab().account_id(Account::Audit));

    // The world has moved since: the plan's changes were all made.
    person.run(&["apply", "--plan", "plan.json", "--yes"]).ended_with(1).tells("the world moved");
    person.run(&["destroy", "--yes"]).ended_with(0);
}

#[test]
fn nothing_changes_without_a_yes() {
    let person = Person::with_estate("unasked");
    person.run(&["apply"]).ended_with(1).tells("stdin is no terminal").tells("--yes");
    person.run(&["destroy"]).ended_with(1).tells("stdin is no terminal");
    person.run(&["status"]).ended_with(0).says("There is nothing of it");
}

#[test]
fn an_estate_in_prod_is_not_destroyed_by_a_yes_alone() {
    let person = Person::with_own_lab("prized");
    person.edit("Environment = \"Test\"", "Environment = \"Prod\"");
    person.run(&["apply", "--yes", "--parallelism", "2"]).ended_with(0);
    person.run(&["destroy", "--yes"]).ended_with(1).tells("is in Prod").tells("--yes --name prized");
    person.run(&["destroy", "--yes", "--name", "priced"]).ended_with(1).tells("isn't the name of estate prized");
    // What was applied decides, not what the file says now.
    person.edit("Environment = \"Prod\"", "Environment = \"Test\"");
    person.run(&["destroy", "--yes"]).ended_with(1).tells("is in Prod");
    person.run(&["destroy", "--name", "prized"]).ended_with(1).tells("--yes");
    person.run(&["plan"]).ended_with(0).says("tags.Environment");
    person.run(&["destroy", "--yes", "--name", "prized"]).ended_with(0).says("Destroyed ");
}

#[test]
fn an_interrupted_apply_stops_cleanly_and_the_next_goes_on() {
    let person = Person::with_own_lab("halted");
    let mut child = person.provision(&["apply", "--yes"]).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap());
    let mut said = String::new();
    for line in BufReader::new(child.stderr.take().unwrap()).lines() {
        let line = line.unwrap();
        if line.starts_with("created   vpc ") {
            kill(pid, Signal::SIGINT).unwrap();
        }
        said.push_str(&line);
        said.push('\n');
    }
    assert_eq!(child.wait().unwrap().code(), Some(1), "{said}");
    assert!(said.contains("stopping after what is under way"), "{said}");
    let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
    let (done, left) = said.split_once("Not begun: ").expect("what is left is said");
    assert!(done.contains("Done: ") && done.contains("create vpc"), "{said}");
    assert!(left.contains("create instances/worker") && left.contains("apply again to go on"), "{said}");

    // Nothing was half done and forgotten: no lock is in the way, and what was made isn't made twice.
    let summary = person.json(&["apply", "--yes"]);
    assert!(summary["done"].as_u64().unwrap() > 0 && summary["unchanged"].as_u64().unwrap() > 0, "{summary}");
    person.run(&["plan", "--detailed-exitcode"]).ended_with(0);
}
