//! Statements with their reasons, and the managed policies that they become.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};

use super::PermissionError;

/// IAM's limit for a managed policy, blanks not counted (IAM User Guide, "IAM and AWS STS quotas").
const LIMIT: usize = 6_144;
/// What a policy has beside its statements: `{"Version":"2012-10-17","Statement":[]}`.
const FRAME: usize = 39;

/// What whoever runs `provision` needs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Permissions {
    /// Managed policies, all of which are to be attached.
    pub policies: Vec<ManagedPolicy>,
}

/// A managed policy.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ManagedPolicy {
    /// A name for it.
    pub name: String,
    /// Its document.
    pub document: Value,
    /// Why each of its statements is there, by the statement's name.
    pub reasons: BTreeMap<String, String>,
}

/// A statement that allows.
#[derive(Clone, Debug, PartialEq)]
pub struct Statement {
    /// Its name, unique in all policies.
    pub sid: String,
    /// IAM actions.
    pub actions: Vec<String>,
    /// ARN patterns.
    pub resources: Vec<String>,
    /// Operator → key → values.
    pub conditions: BTreeMap<&'static str, BTreeMap<&'static str, Vec<String>>>,
    /// Why, and where it is wide, why it can't be narrower.
    pub because: String,
}

impl Statement {
    fn document(&self) -> Value {
        let mut document = json!({
            "Sid": self.sid, "Effect": "Allow", "Action": self.actions, "Resource": self.resources,
        });
        if !self.conditions.is_empty() {
            let mut conditions: BTreeMap<&str, BTreeMap<&str, Value>> = BTreeMap::new();
            for (operator, keys) in &self.conditions {
                let values = keys.iter().map(|(key, values)| (*key, one_or_all(values)));
                conditions.insert(operator, values.collect());
            }
            document["Condition"] = json!(conditions);
        }
        document
    }
}

/// One value stands by itself, as IAM's own editor has it: a list suggests that a key has several.
fn one_or_all(values: &[String]) -> Value {
    match values {
        [value] => json!(value),
        several => json!(several),
    }
}

/// Puts statements into as few policies as IAM's limit allows, in their order.
pub(super) fn policies(name: &str, statements: Vec<Statement>) -> Result<Vec<ManagedPolicy>, PermissionError> {
    let mut packed: Vec<(usize, Vec<Statement>)> = Vec::new();
    for statement in statements {
        let size = statement.document().to_string().len() + 1;
        if FRAME + size > LIMIT {
            return Err(PermissionError::TooLarge { sid: statement.sid, size, limit: LIMIT });
        }
        match packed.last_mut() {
            Some((taken, last)) if *taken + size <= LIMIT => {
                *taken += size;
                last.push(statement);
            }
            _ => packed.push((FRAME + size, vec![statement])),
        }
    }
    let all = packed.len();
    let policy = |(index, (_, statements)): (usize, (usize, Vec<Statement>))| ManagedPolicy {
        name: if all == 1 { name.to_owned() } else { format!("{name}-{}", index + 1) },
        document: json!({
            "Version": "2012-10-17",
            "Statement": statements.iter().map(Statement::document).collect::<Vec<_>>(),
        }),
        reasons: statements.into_iter().map(|statement| (statement.sid, statement.because)).collect(),
    };
    Ok(packed.into_iter().enumerate().map(policy).collect())
}
