//! What an estate costs, and what keeps it from costing more than its budget.

use crate::Person;

#[test]
fn a_plan_tells_its_cost_and_apply_keeps_to_the_budget() {
    let person = Person::with_own_lab("thrifty");
    person.run(&["plan"]).ended_with(0).says("Estimate in US dollars a month").says("% of the budget of 200.00");
    let plan = person.json(&["plan"]);
    let cost = &plan["plan"]["cost"];
    assert_eq!((&cost["before"]["total_usd"], &cost["budget_usd"]), (&"0.00".into(), &"200.00".into()));
    assert_eq!(cost["after"]["groups"]["key"], "1.00");

    person.edit("count = 2", "count = 40");
    let refused = person.run(&["apply", "--yes"]).ended_with(1);
    refused.tells("passes the budget of 200.00").tells("--over-budget").tells("worker");
    person.run(&["status"]).ended_with(0).says("There is nothing of it");

    // What was refused in one form is refused in the other.
    person.run(&["plan", "-o", "plan.json"]).ended_with(0).says("of the budget of 200.00: above it");
    person.run(&["apply", "--yes", "--plan", "plan.json"]).ended_with(1).tells("passes the budget of 200.00");
    person.run(&["apply", "--yes", "--over-budget", "  "]).ended_with(1).tells("a reason has words");
}

#[test]
fn a_type_without_a_price_is_named_and_not_free() {
    let person = Person::with_estate("unpriced");
    person.edit("count = 2", "count = 2\ninstance_type = \"m5.large\"");
    person.run(&["plan"]).ended_with(0).says("not priced: 2 × instance m5.large").says("the total is a lower bound");
    let plan = person.json(&["plan"]);
    let lines = plan["plan"]["cost"]["after"]["lines"].as_array().unwrap();
    let line = lines.iter().find(|line| line["of"] == "instance m5.large").unwrap();
    assert!(line["usd"].is_null(), "{line}");
}
