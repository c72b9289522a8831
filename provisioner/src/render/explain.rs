//! Explanations as text.

use std::fmt::Write;

use owo_colors::OwoColorize;

use super::text::{columns, labelled};
use crate::explain::Explained;
use crate::kind::{Kind, operations};
use crate::rule::Rule;

/// What can be explained.
pub(crate) fn topics(rules: &[&Rule], kinds: &[Kind]) -> String {
    let rules: Vec<_> = rules.iter().map(|rule| (rule.name.to_owned(), rule.what.to_owned())).collect();
    let kinds: Vec<_> =
        kinds.iter().map(|kind| (kind.to_string(), operations(*kind).practice().what.to_owned())).collect();
    format!(
        "{}\n{}\n{}\n{}\n`provision explain vpc` explains a rule, a kind's resources, or one resource by its id\n",
        "Rules".bold(),
        columns(&rules),
        "Kinds of resources".bold(),
        columns(&kinds)
    )
}

/// One rule.
pub(crate) fn rule(rule: &Rule) -> String {
    let rows = [("why", rule.why), ("instead", rule.instead), ("source", rule.source)];
    let rows: Vec<_> = rows.iter().map(|(label, text)| ((*label).to_owned(), (*text).to_owned())).collect();
    format!("{}\n{}", labelled(&format!("{}:", rule.name.bold()), rule.name.len() + 2, rule.what), columns(&rows))
}

/// Resources, one after the other.
pub(crate) fn resources(all: &[Explained]) -> String {
    all.iter().map(resource).collect::<Vec<_>>().join("\n")
}

fn resource(one: &Explained) -> String {
    let ids = |ids: &[crate::estate::ResourceId]| ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let mut rows = vec![("what", one.what.to_owned()), ("why", one.why.to_owned()), ("source", one.source.to_owned())];
    rows.push(("spec", place(one)));
    if !one.needs.is_empty() {
        rows.push(("needs", ids(&one.needs)));
    }
    rows.extend(one.needs_of_others.iter().map(|need| ("note", need.clone())));
    if !one.used_by.is_empty() {
        rows.push(("used by", ids(&one.used_by)));
    }
    for line in &one.cost {
        let usd = line.usd.map_or("not priced".to_owned(), |usd| format!("{usd} US dollars a month"));
        rows.push(("cost", format!("{} × {}: {usd}", line.quantity, line.of)));
    }
    let rows: Vec<_> = rows.into_iter().map(|(label, text)| (label.to_owned(), text)).collect();
    let mut shown = one.id.bold().to_string();
    // Writing to a string can't fail.
    let _ = match &one.physical {
        Some(physical) if *physical != one.name => writeln!(shown, "  {}  {physical}", one.name),
        Some(_) => writeln!(shown, "  {}", one.name),
        None => writeln!(shown, "  {}  not there", one.name),
    };
    shown + &columns(&rows)
}

fn place(one: &Explained) -> String {
    match &one.spec {
        None => "the spec doesn't name it any more: apply deletes it".to_owned(),
        Some(place) => match (place.line, &place.text) {
            (Some(line), Some(text)) => format!("{}:{line}: {text}", place.file),
            _ => format!("the default of {}, which {} doesn't say", place.setting, place.file),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::estate::ResourceId;
    use crate::explain::Place;
    use crate::rule::{BASTION_RANGE, RULES};

    fn plain(text: &str) -> String {
        let plain = anstream::adapter::strip_str(text).to_string();
        let fits = |line: &str| line.chars().count() <= super::super::WIDTH || line.contains("https://");
        assert!(plain.lines().all(fits), "{plain}");
        plain
    }

    #[test]
    fn a_rule_says_why_and_what_to_do_instead() {
        let rule_of = &BASTION_RANGE;
        let shown = plain(&rule(rule_of));
        assert!(shown.starts_with("bastion-range: Ranges that may open SSH"), "{shown}");
        for text in [rule_of.why, rule_of.instead, rule_of.source] {
            assert!(shown.contains(text), "{shown}");
        }
    }

    #[test]
    fn a_resource_says_what_asks_for_it_and_what_hangs_on_it() {
        let practice = operations(Kind::Key).practice();
        let one = Explained {
            id: ResourceId::only(Kind::Key),
            kind: Kind::Key,
            name: "holdfast-judge-volumes".to_owned(),
            physical: Some("1234abcd".to_owned()),
            what: practice.what,
            why: practice.why,
            source: practice.source,
            spec: Some(Place {
                setting: "encryption".to_owned(),
                file: "estate.toml".to_owned(),
                line: None,
                text: None,
            }),
            needs: Vec::new(),
            used_by: vec![ResourceId::only(Kind::Alias)],
            cost: Vec::new(),
            needs_of_others: vec!["a way to S3".to_owned()],
        };
        let shown = plain(&resources(&[one]));
        assert!(shown.starts_with("key  holdfast-judge-volumes  1234abcd\n"), "{shown}");
        for text in [
            "the default of encryption, which estate.toml doesn't say",
            "used by",
            "alias",
            "a way to S3",
            practice.source,
        ] {
            assert!(shown.contains(text), "{shown}");
        }
    }

    #[test]
    fn what_can_be_explained_is_listed() {
        let shown = plain(&topics(RULES, crate::kind::KINDS));
        assert!(shown.contains("bastion-range") && shown.contains("launch-template"), "{shown}");
    }
}
