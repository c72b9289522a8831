//! `table.toml`, judged by an evaluator that nobody here wrote: AWS's rules over the golden copies in `rendered/`.
//!
//! The evaluator runs in node, in a process of its own (`infra/lab/evaluator`), where `cargo lab` has installed it.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test's own functions may fail it")]

mod evaluator;
mod row;

use evaluator::Evaluator;
use row::{MADE_UP, Table};
use serde_json::Value;

#[test]
fn every_row_is_judged_as_the_table_says() {
    let table = Table::load();
    let mut evaluator = Evaluator::start();
    let mut wrong = Vec::new();
    for row in &table.rows {
        let judged = evaluator.judge(&table.simulation(row));
        if judged.decision != row.expect.decision() {
            wrong.push(format!("{}: expected {}, judged {}", row.name, row.expect.decision(), judged.decision));
        }
        // A key that AWS doesn't give with this action takes no part: the row would claim what it doesn't show.
        if !judged.ignored.is_empty() {
            wrong.push(format!("{}: AWS has no {:?} with {}", row.name, judged.ignored, row.action));
        }
    }
    assert!(wrong.is_empty(), "{} of {} rows:\n{}", wrong.len(), table.rows.len(), wrong.join("\n"));
    assert!(table.rows.len() >= 40, "only {} rows were read", table.rows.len());
}

#[test]
fn rows_have_names_of_their_own() {
    let table = Table::load();
    let mut names: Vec<_> = table.rows.iter().map(|row| &row.name).collect();
    names.sort_unstable();
    let doubles: Vec<_> = names.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| pair[0]).collect();
    assert!(doubles.is_empty(), "{doubles:?}");
}

/// Each statement is there for something: with it gone, some row is judged otherwise.
#[test]
fn every_statement_is_needed_by_a_row() {
    let table = Table::load();
    let mut evaluator = Evaluator::start();
    let mut idle = Vec::new();
    for (name, index, statement) in statements(&table) {
        let mut without = Table::load();
        without.policies.get_mut(&name).unwrap()["Statement"].as_array_mut().unwrap().remove(index);
        if !changes_a_row(&mut evaluator, &without, &name) {
            idle.push(format!("{name}: {}", statement["Sid"]));
        }
    }
    assert!(idle.is_empty(), "no row notices when these are taken away: {idle:#?}");
}

/// Each wall stands by itself: with one condition of a resource's policy gone, some row is judged otherwise.
#[test]
fn every_condition_of_a_resources_policy_is_needed_by_a_row() {
    let table = Table::load();
    let mut evaluator = Evaluator::start();
    let mut idle = Vec::new();
    for (name, index, statement) in statements(&table) {
        let conditions = statement["Condition"].as_object().into_iter().flatten();
        let keys =
            conditions.flat_map(|(operator, keys)| keys.as_object().unwrap().keys().map(move |key| (operator, key)));
        for (operator, key) in keys.filter(|_| statement.get("Principal").is_some()) {
            let mut without = Table::load();
            let policy = without.policies.get_mut(&name).unwrap();
            policy["Statement"][index]["Condition"][operator].as_object_mut().unwrap().remove(key);
            if !changes_a_row(&mut evaluator, &without, &name) {
                idle.push(format!("{name}: {}: {operator} {key}", statement["Sid"]));
            }
        }
    }
    assert!(idle.is_empty(), "no row notices when these are taken away: {idle:#?}");
}

/// Every statement of every rendered policy: the policy's name, its index there, itself.
fn statements(table: &Table) -> Vec<(String, usize, Value)> {
    let rendered = table.policies.iter().filter(|(name, _)| !MADE_UP.contains(&name.as_str()));
    rendered
        .flat_map(|(name, policy)| {
            let statements = policy["Statement"].as_array().unwrap().iter().enumerate();
            statements.map(|(index, statement)| (name.clone(), index, statement.clone()))
        })
        .collect()
}

/// Whether some row is judged otherwise than it says, now that a policy is another. One without statements can't be
/// judged, which is a change too.
fn changes_a_row(evaluator: &mut Evaluator, table: &Table, policy: &str) -> bool {
    let mut rows = table.rows.iter().filter(|row| table.uses(row, policy));
    table.policies[policy]["Statement"].as_array().unwrap().is_empty()
        || rows.any(|row| evaluator.judge(&table.simulation(row)).decision != row.expect.decision())
}
