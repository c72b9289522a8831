//! `table.toml`, judged by an evaluator that nobody here wrote: AWS's rules over the golden copies in `rendered/`.
//!
//! The evaluator runs in node, in a process of its own (`infra/lab/evaluator`), where `cargo lab` has installed it.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test's own functions may fail it")]

mod evaluator;
mod row;

use evaluator::Evaluator;
use row::Table;

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

/// Each wall stands by itself: with the statement gone, a row that it explicitly denies is judged otherwise.
#[test]
fn every_denying_statement_of_the_trails_bucket_is_needed_by_a_row() {
    let table = Table::load();
    let mut evaluator = Evaluator::start();
    let denied: Vec<_> = table.rows.iter().filter(|row| row.expect.decision() == "ExplicitlyDenied").collect();
    let statements = table.policies["trail-bucket"]["Statement"].as_array().unwrap().clone();
    for (index, statement) in statements.iter().enumerate().filter(|(_, statement)| statement["Effect"] == "Deny") {
        let mut weaker = Table::load();
        weaker.policies.get_mut("trail-bucket").unwrap()["Statement"].as_array_mut().unwrap().remove(index);
        let bites = denied.iter().any(|row| evaluator.judge(&weaker.simulation(row)).decision != "ExplicitlyDenied");
        assert!(bites, "no row notices when {} is taken away", statement["Sid"]);
    }
}
