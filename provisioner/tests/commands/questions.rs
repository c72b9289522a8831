//! What is asked of an estate: its cost, why it is so, its addresses.

use std::fs;
use std::time::{Duration, Instant};

use crate::{Person, Ran};

#[test]
fn an_estate_that_is_there_answers_every_question() {
    let person = Person::with_own_lab("asked-of");
    person.run(&["apply", "--yes"]).ended_with(0);

    let cost = person.run(&["cost"]).ended_with(0);
    cost.says("Project=contest").says("worker").says("% of the budget of 200.00").says("US dollars spent this month");
    let cost = person.json(&["cost"]);
    let by_tag = &cost["tags"]["Environment"]["Test"];
    assert_eq!(by_tag, &cost["estimate"]["total_usd"], "all of it has the tag");
    let plan = person.json(&["plan"]);
    assert_eq!(plan["plan"]["cost"]["before"]["total_usd"], cost["estimate"]["total_usd"]);

    let bucket = person.json(&["output"]);
    let vpc = bucket["resources"]["vpc"]["id"].as_str().unwrap().to_owned();
    person.run(&["output", "resources.vpc.id"]).ended_with(0).says(&format!("{vpc}\n"));
    person.run(&["output", "resources.nothing.id"]).ended_with(1).tells("there is no resources.nothing.id");
    assert_eq!(bucket["hosts"]["worker"].as_array().unwrap().len(), 2);

    person.run(&["explain", "vpc"]).ended_with(0).says(&vpc).says("the default of network.cidr").says("used by");
    person.run(&["explain", &vpc]).ended_with(0).says("vpc");
    let rules = person.run(&["explain", "security-group-rules/bastion"]).ended_with(0);
    rules.says("estate.toml:").says("allow = [\"203.0.113.0/24\"]");
    let explained = person.json(&["explain", "instances/worker"]);
    assert_eq!(explained[0]["spec"]["setting"], "hosts[0]");
    assert!(!explained[0]["cost"].as_array().unwrap().is_empty());
    person.run(&["explain", "launch-templat"]).ended_with(1).tells("did you mean");

    let config = person.run(&["ssh-config"]).ended_with(0);
    config.says("Host asked-of-worker-1").says("ProxyJump asked-of-bastion").says("StrictHostKeyChecking yes");
    let access = person.json(&["ssh-config"]);
    assert_eq!(access["machines"].as_array().unwrap().len(), 3);
    person.run(&["connect", "worker-9"]).ended_with(1).tells("no running host worker-9");
}

#[test]
fn an_estate_that_is_not_there_has_no_cost_and_no_way_in() {
    let person = Person::with_estate("absent");
    person.run(&["cost"]).ended_with(0).says("0.00");
    person.run(&["output", "bastion"]).ended_with(0).says("null");
    for nothing in ["bastion.instance", "hosts.worker.0.instance", "resources.vpc.id"] {
        person.run(&["output", nothing]).ended_with(1).tells("nothing yet").tells("may change");
    }
    person.run(&["ssh-config"]).ended_with(1).tells("no running bastion").tells("provision apply");
    person.run(&["connect", "worker-0"]).ended_with(1).tells("no running bastion");
    person.run(&["explain", "vpc"]).ended_with(0).says("not there");
}

#[test]
fn rules_and_completions_need_neither_spec_nor_cloud() {
    let person = Person::with_estate("offline");
    fs::remove_file(person.path("estate.toml")).unwrap();
    let offline = |arguments: &[&str]| Ran::of(person.outsider(arguments)).ended_with(0);
    offline(&["explain"]).says("bastion-range").says("auto-scaling-group");
    offline(&["explain", "imdsv2"]).says("why").says("instead").says("https://docs.aws.amazon.com/");
    let rule: serde_json::Value = serde_json::from_str(&offline(&["explain", "tags", "--json"]).stdout).unwrap();
    assert_eq!(rule["name"], "tags");
    for shell in ["bash", "zsh", "fish"] {
        offline(&["completions", shell]).says("ssh-config");
    }
    Ran::of(person.outsider(&["completions", "tcsh"])).ended_with(1).tells("possible values");
}

#[test]
fn a_spec_says_who_is_told_of_which_spend() {
    let person = Person::with_own_lab("watchful");
    person.run(&["apply", "--yes"]).ended_with(0);
    person.edit("monthly_usd = 200", "monthly_usd = 200\nactual = [50, 90]\nforecast = [120]");
    person.run(&["plan"]).ended_with(0).says("~ change  budget").says("1 to change");
    person.run(&["apply", "--yes"]).ended_with(0);
    person.run(&["plan", "--detailed-exitcode"]).ended_with(0).says("Nothing to change");
}

#[test]
fn help_comes_at_once() {
    let person = Person::with_estate("impatient");
    // The fastest of several: what else the machine does isn't the program's.
    let once = || {
        let begun = Instant::now();
        Ran::of(person.outsider(&["--help"])).ended_with(0).says("ssh-config");
        begun.elapsed()
    };
    let fastest = (0..20).map(|_| once()).min().unwrap();
    // A build without optimisation takes several times what is promised of a release.
    assert!(fastest < Duration::from_millis(60), "{fastest:?}");
}
