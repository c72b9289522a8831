//! Where the spec asks for a resource.

use std::collections::BTreeMap;

use serde::Serialize;
use toml::de::{DeTable, DeValue};

use crate::estate::{Kind, ResourceId};
use crate::spec::Spec;

/// A spec's text, and where each of its settings is.
#[derive(Clone, Debug)]
pub struct Text {
    file: String,
    lines: Vec<String>,
    /// The line of each setting, from 1.
    settings: BTreeMap<String, usize>,
}

/// A place in a spec.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Place {
    /// The setting, such as `hosts[0]`.
    pub setting: String,
    /// The file.
    pub file: String,
    /// Its line, from 1; `None` where the default holds since the spec doesn't say it.
    pub line: Option<usize>,
    /// The line's text.
    pub text: Option<String>,
}

impl Text {
    /// Of a spec that was read without an error, for the environment that it was read for.
    pub fn of(file: &str, text: &str, environment: &str) -> Self {
        let (document, _) = DeTable::parse_recoverable(text);
        let mut settings = BTreeMap::new();
        let line = |offset: usize| text[..text.floor_char_boundary(offset)].matches('\n').count() + 1;
        walk("", document.get_ref(), &mut |setting, offset| {
            settings.insert(setting, line(offset));
        });
        // What an environment says of its own is said there.
        let overlay = format!("environment.{environment}.");
        let own: Vec<_> = settings
            .iter()
            .filter_map(|(setting, line)| Some((setting.strip_prefix(&overlay)?.to_owned(), *line)))
            .collect();
        settings.extend(own);
        Self { file: file.to_owned(), lines: text.lines().map(ToOwned::to_owned).collect(), settings }
    }

    fn place(&self, setting: &str) -> Place {
        let line = self.settings.get(setting).copied();
        let text = line.and_then(|line| self.lines.get(line - 1)).map(|text| text.trim().to_owned());
        Place { setting: setting.to_owned(), file: self.file.clone(), line, text }
    }
}

fn walk(path: &str, table: &DeTable<'_>, each: &mut dyn FnMut(String, usize)) {
    for (key, value) in table {
        let path = if path.is_empty() { key.get_ref().to_string() } else { format!("{path}.{}", key.get_ref()) };
        each(path.clone(), key.span().start);
        walk_value(&path, value.get_ref(), each);
    }
}

fn walk_value(path: &str, value: &DeValue<'_>, each: &mut dyn FnMut(String, usize)) {
    match value {
        DeValue::Table(table) => walk(path, table, each),
        DeValue::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                let path = format!("{path}[{index}]");
                each(path.clone(), item.span().start);
                walk_value(&path, item.get_ref(), each);
            }
        }
        _ => {}
    }
}

/// What of the spec asks for a resource: its most telling setting that the spec has, else the one whose default asks.
pub(super) fn of(spec: &Spec, text: &Text, kind: Kind, id: &ResourceId) -> Place {
    let settings = settings(spec, kind, id.name().unwrap_or_default());
    let written = settings.iter().map(|setting| text.place(setting)).find(|place| place.line.is_some());
    written.unwrap_or_else(|| text.place(settings.first().map_or("", String::as_str)))
}

/// The settings that a resource is there for, the most telling first.
fn settings(spec: &Spec, kind: Kind, name: &str) -> Vec<String> {
    let group = spec.hosts.iter().position(|group| group.name.as_str() == name).map(|index| format!("hosts[{index}]"));
    let own = |settings: &[&str]| settings.iter().map(|setting| (*setting).to_owned()).collect::<Vec<_>>();
    match (kind.as_str(), name, group) {
        ("budget", ..) => own(&["budget.monthly_usd", "budget"]),
        ("key" | "alias", ..) => own(&["encryption", "account"]),
        ("security-group-rules", "bastion", _) => own(&["bastion.allow", "bastion"]),
        (_, "bastion", _) => own(&["bastion"]),
        (_, _, Some(group)) => vec![group],
        ("role" | "instance-profile", ..) => own(&["hosts", "audit"]),
        ("security-group" | "security-group-rules", "hosts", _) => own(&["hosts"]),
        ("flow-log" | "log-group", ..) => own(&["network.flow_logs_days", "network"]),
        ("nat-gateway" | "vpc-endpoint", ..) => own(&["network.egress", "network"]),
        ("vpc", ..) => own(&["network.cidr", "network"]),
        (backup, ..) if backup.starts_with("backup") => own(&["backup"]),
        _ => own(&["network"]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPEC: &str = include_str!("../../../infra/examples/minimal.toml");

    fn place_of(kind: Kind, name: Option<&str>) -> Place {
        let spec = crate::spec::parse(SPEC.as_bytes(), "estate.toml").unwrap().spec;
        let text = Text::of("estate.toml", SPEC, "Test");
        let id = name.map_or_else(|| ResourceId::only(kind), |name| ResourceId::named(kind, name));
        of(&spec, &text, kind, &id)
    }

    #[test]
    fn a_resource_has_the_line_that_asks_for_it() {
        for (kind, name, setting, said) in [
            (Kind::Budget, None, "budget.monthly_usd", "monthly_usd = 200"),
            (Kind::SecurityGroupRules, Some("bastion"), "bastion.allow", "allow = [\"203.0.113.0/24\"]"),
            (Kind::Instances, Some("worker"), "hosts[0]", "[[hosts]]"),
            (Kind::LaunchTemplate, Some("bastion"), "bastion", "[bastion]"),
        ] {
            let place = place_of(kind, name);
            assert_eq!((place.setting.as_str(), place.text.as_deref()), (setting, Some(said)));
            assert!(place.line.is_some());
        }
    }

    #[test]
    fn what_a_default_asks_for_has_no_line() {
        let place = place_of(Kind::Vpc, None);
        assert_eq!((place.setting.as_str(), place.line), ("network.cidr", None));
    }

    #[test]
    fn an_environments_own_setting_has_its_own_line() {
        let text = Text::of("e", "[budget]\nmonthly_usd = 1\n[environment.Prod.budget]\nmonthly_usd = 2\n", "Prod");
        assert_eq!(text.place("budget.monthly_usd").line, Some(4));
        let text = Text::of("e", "[budget]\nmonthly_usd = 1\n[environment.Prod.budget]\nmonthly_usd = 2\n", "Test");
        assert_eq!(text.place("budget.monthly_usd").line, Some(2));
    }
}
