//! What is said of a table once all its settings were read: risks, keys that nobody knows, and what it lacks.

use super::words::{indent, join, quoted};
use super::{Risk, Section};
use crate::rule;
use crate::spec::AcceptedRisk;
use crate::spec::problem::Problem;
use crate::spec::secret;
use crate::spec::settings::refused;
use crate::spec::suggest::nearest;
use crate::spec::value::TagValue;

/// The setting that accepts a risk beside the one that takes it.
const ACCEPT_RISK: &str = "accept_risk";

impl Section<'_> {
    /// Notes each risk, unless `accept_risk` says why it is taken; and a reason that no risk needs.
    pub(in crate::spec) fn settle(&self, risks: Vec<Risk>) {
        let reason = self.optional::<TagValue>(ACCEPT_RISK);
        match reason {
            Some(reason) if risks.is_empty() => self.notes.add(
                Problem::new(&self.at(ACCEPT_RISK), reason.span, "nothing here needs it", "no such setting")
                    .help("take it out: it would accept a risk that somebody adds later"),
            ),
            Some(reason) => {
                let accept =
                    |Risk { setting, what: risk, .. }| AcceptedRisk { setting, risk, reason: reason.value.clone() };
                self.notes.accepted.borrow_mut().extend(risks.into_iter().map(accept));
            }
            // A reason that is wrong is noted already.
            None if self.has(ACCEPT_RISK) => {}
            None => {
                for risk in risks {
                    self.notes
                        .add(Problem::new(&risk.setting, risk.span, risk.what, risk.expected).under(risk.rule).help(
                        "if it must be so, say why in the same table: accept_risk = \"…\"; plans, tags and the trail \
                         show the reason",
                    ));
                }
            }
        }
    }

    /// Notes what the table lacks, what it doesn't know, and what excludes each other. Called once all its settings
    /// were read.
    pub(in crate::spec) fn finish(self) {
        debug_assert_eq!(self.never_asked(), Vec::<&str>::new(), "settings of {:?} that nobody reads", self.path);
        self.note_alternatives();
        let meant = self.note_unknown();
        self.note_missing(&meant);
    }

    fn never_asked(&self) -> Vec<&'static str> {
        let asked = self.asked.borrow();
        self.shape.keys().into_iter().filter(|key| !asked.contains(key)).collect()
    }

    /// Of alternatives, the one that is begun first in the table of settings is taken to be meant.
    fn note_alternatives(&self) {
        let mut used = self.shape.alternatives.iter().filter_map(|keys| keys.iter().find(|key| self.has(key)));
        let Some(first) = used.next() else { return };
        for other in used {
            let message = format!("`{other}` can't stand beside `{first}`");
            let problem = Problem::new(&self.at(other), self.span_of(other), message, "one of the two");
            self.notes.add(problem.help("take one of them out"));
        }
    }

    /// Notes the keys that it doesn't know, and returns those that were meant by them.
    fn note_unknown(&self) -> Vec<&'static str> {
        let known = self.shape.keys();
        let mut meant = Vec::new();
        for (key, _) in self.table {
            let name = key.get_ref().as_ref();
            if known.contains(&name) {
                continue;
            }
            if let Some(refused) = refused(name) {
                let problem = Problem::new(&self.at(name), key.span(), refused.why, "no such setting");
                let problem = problem.help(refused.instead);
                self.notes.add(match refused.rule {
                    Some(rule) => problem.under(rule),
                    None => problem,
                });
                continue;
            }
            let near = nearest(name, &known);
            meant.extend(near);
            let expected = near.map_or_else(|| "a setting that there is".to_owned(), |near| format!("`{near}`"));
            let problem = Problem::new(&self.at(name), key.span(), "there is no such setting", expected);
            self.notes.add(match near {
                Some(near) => problem.help(format!("did you mean `{near}`?")),
                None if secret::is_secret_name(name) => {
                    problem.help("take it out: a spec is no place for secrets").under(&rule::SECRETS)
                }
                None => problem.help(format!("take it out; here there may be {}", join(&quoted(&known), "and"))),
            });
        }
        meant
    }

    fn note_missing(&self, meant: &[&str]) {
        let missing: Vec<&str> = self.missing.iter().copied().filter(|key| !meant.contains(key)).collect();
        if missing.is_empty() {
            return;
        }
        let names = quoted(&missing);
        let lacks = format!("{} {} missing", join(&names, "and"), if names.len() == 1 { "is" } else { "are" });
        let mut examples = String::new();
        for example in missing.iter().map(|key| self.example(key)) {
            // A table's header stands off from what is before it.
            examples.push_str(if example.starts_with('[') && !examples.is_empty() { "\n" } else { "" });
            examples.push_str(example);
            examples.push('\n');
        }
        let problem = Problem::new(&self.path, self.span.clone(), lacks, join(&names, "and"))
            .help(format!("add\n{}", indent(&examples)));
        self.notes.add(if self.path == "tags" { problem.under(&rule::TAGS) } else { problem });
    }
}
