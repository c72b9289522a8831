//! What a clause of the table is, and which statements some calls make of the table.

use std::collections::BTreeMap;

use super::clauses::{CLAUSES, MADE, NOT_A_CHANGE};
use super::{Statement, Values};
use crate::kind::Call;

/// Which of the calls a clause is about.
pub(super) enum Which {
    /// These actions, where the estate's calls have them.
    Called(&'static [&'static str]),
    /// These actions, which the run itself takes or a service takes on the caller's behalf.
    Always(&'static [&'static str]),
    /// All of a service's calls that only read and are in no other clause.
    Reads(&'static str),
    /// All of a service's other calls that are in no other clause.
    Changes(&'static str),
}

/// A condition: operator, key, values.
pub(super) type When = (&'static str, &'static str, &'static [&'static str]);

/// A statement before its names are filled in.
pub(super) struct Clause {
    pub(super) sid: &'static str,
    pub(super) which: Which,
    pub(super) on: &'static [&'static str],
    pub(super) when: &'static [When],
    /// Which choice of the spec it needs; always there where empty.
    pub(super) only: &'static str,
    pub(super) because: &'static str,
}

/// Whether some clause is about an action.
pub(super) fn knows(action: &str) -> bool {
    all().any(|clause| clause.names(action))
}

/// The statements that these calls need.
pub(super) fn statements(calls: &[Call], values: &Values) -> Vec<Statement> {
    let backup = calls.iter().any(|call| call.action == "backup:CreateBackupVault");
    let holds = |only: &str| only.is_empty() || values.choices.contains(only) || (only == "backup" && backup);
    all().filter(|clause| holds(clause.only)).filter_map(|clause| clause.statement(calls, values)).collect()
}

fn all() -> impl Iterator<Item = &'static Clause> {
    CLAUSES.iter().take(2).chain(MADE).chain(&CLAUSES[2..])
}

impl Clause {
    fn names(&self, action: &str) -> bool {
        let (service, operation) = action.split_once(':').unwrap_or_default();
        let reads = ["Describe", "Get", "List", "View"].iter().any(|read| operation.starts_with(read));
        match self.which {
            Which::Called(actions) | Which::Always(actions) => actions.contains(&action),
            Which::Reads(name) => name == service && reads && !named_elsewhere(action),
            Which::Changes("kms") => service == "kms" && !NOT_A_CHANGE.contains(&action) && !action.contains("List"),
            Which::Changes(name) => name == service && !reads && !NOT_A_CHANGE.contains(&action),
        }
    }

    fn statement(&self, calls: &[Call], values: &Values) -> Option<Statement> {
        let mut actions: Vec<String> = match self.which {
            Which::Always(actions) => actions.iter().map(|action| (*action).to_owned()).collect(),
            _ => calls.iter().map(|call| call.action).filter(|action| self.names(action)).map(str::to_owned).collect(),
        };
        actions.sort_unstable();
        actions.dedup();
        let mut conditions: BTreeMap<&str, BTreeMap<&str, Vec<String>>> = BTreeMap::new();
        for (operator, key, texts) in self.when {
            conditions.entry(operator).or_default().insert(key, values.fill_all(texts));
        }
        let resources = values.fill_all(self.on);
        let because = self.because.to_owned();
        (!actions.is_empty()).then(|| Statement { sid: self.sid.to_owned(), actions, resources, conditions, because })
    }
}

/// Whether a clause names a reading action itself.
fn named_elsewhere(action: &str) -> bool {
    CLAUSES.iter().any(|clause| match clause.which {
        Which::Called(actions) | Which::Always(actions) => actions.contains(&action),
        Which::Reads(_) | Which::Changes(_) => false,
    })
}
