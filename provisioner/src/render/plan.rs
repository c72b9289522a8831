//! A plan as text: what would happen, why, and how much of it.

use std::fmt::Write;

use owo_colors::{AnsiColors, OwoColorize};
use serde_json::Value;

use super::text::{count, labelled};
use super::value;
use crate::apply::Summary;
use crate::estate::{Kind, Scope};
use crate::kind::{Difference, Left};
use crate::plan::{Action, Change, Counts, Order, Plan, Purpose};
use crate::spec::AcceptedRisk;

/// How an action is shown: sign, word, colour.
fn look(action: Action) -> (char, &'static str, AnsiColors) {
    match action {
        Action::Create => ('+', "create", AnsiColors::Green),
        Action::Update => ('~', "change", AnsiColors::Yellow),
        Action::Replace => ('!', "replace", AnsiColors::Magenta),
        Action::Delete => ('-', "delete", AnsiColors::Red),
    }
}

/// The estate that is spoken of.
pub(crate) fn title(scope: &Scope) -> String {
    format!("estate {} in account {}, region {}", scope.estate, scope.account, scope.region)
}

/// What of a resource that is to be made is worth its one line.
fn telling(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Budget => &["monthly_usd"],
        Kind::Key => &["rotation"],
        Kind::Alias => &[],
        Kind::Vpc | Kind::Subnet => &["cidr"],
        Kind::InternetGateway | Kind::InstanceProfile => &[],
        Kind::BackupVault => &[],
        Kind::BackupPlan => &["rules"],
        Kind::NetworkAcl | Kind::Address | Kind::FlowLog => &[],
        Kind::NatGateway => &["subnet"],
        Kind::LogGroup => &["retention_days"],
        Kind::RouteTable => &["routes"],
        Kind::VpcEndpoint => &["service"],
        Kind::SecurityGroup | Kind::Role => &["description"],
        Kind::SecurityGroupRules => &[],
        Kind::LaunchTemplate => &["instance_type", "image"],
        Kind::Instances => &["count"],
        Kind::AutoScalingGroup => &["count", "min", "max"],
    }
}

/// How much of a plan is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Detail {
    /// A line for what is made, all for what is changed.
    Brief,
    /// Every property of what is made too.
    Full,
}

/// The whole plan.
pub(crate) fn text(plan: &Plan, detail: Detail) -> String {
    let mut shown = format!("{}\n\n", format!("Plan for {}", title(&plan.scope)).bold());
    let width = plan.changes.iter().map(|change| change.id.as_str().len()).max().unwrap_or_default();
    for change in &plan.changes {
        write_change(&mut shown, change, width, detail);
    }
    if !plan.changes.is_empty() {
        shown.push('\n');
    }
    write_notes(&mut shown, plan.notes.iter().chain(&plan.needs_of_others));
    shown.push_str(&accepted(plan));
    // Writing to a string can't fail.
    let _ = writeln!(shown, "{}", conclusion(plan));
    if !plan.left.is_empty() {
        shown.push_str(&left(&plan.left));
    }
    shown.push_str(&super::cost::change(&plan.cost, plan.over_budget.as_deref()));
    shown
}

/// The plan in one sentence.
pub(crate) fn conclusion(plan: &Plan) -> String {
    if !plan.is_empty() {
        return format!("{}; {} unchanged", counts(plan.counts()), plan.unchanged);
    }
    match plan.purpose {
        Purpose::Apply => {
            format!("Nothing to change: all {} are as the spec says", count(plan.unchanged as u64, "resource"))
        }
        Purpose::Destroy => "Nothing to delete: there is nothing of this estate".to_owned(),
    }
}

fn counts(counts: Counts) -> String {
    let parts = [
        (counts.create, "to create"),
        (counts.update, "to change"),
        (counts.replace, "to replace"),
        (counts.delete, "to delete"),
    ];
    let some: Vec<_> =
        parts.iter().filter(|(number, _)| *number > 0).map(|(number, what)| format!("{number} {what}")).collect();
    some.join(", ")
}

fn write_change(shown: &mut String, change: &Change, width: usize, detail: Detail) {
    let (sign, word, colour) = look(change.action);
    let is_line = change.action == Action::Create && detail == Detail::Brief;
    let rest = if is_line { line_of(change) } else { names(change) };
    let width = if rest.is_empty() { 0 } else { width };
    let head = format!("{sign} {word:7} {:width$}", change.id);
    let line = labelled(&format!("  {} ", head.color(colour)), width + 14, &rest);
    let _ = writeln!(shown, "{}", line.trim_end());
    if is_line {
        return;
    }
    if change.action != Action::Create {
        let how = match change.order {
            Some(Order::NewFirst) => " (the new one first)",
            Some(Order::OldFirst) => " (the old one first: what uses it is interrupted)",
            Some(Order::ByMembers) => " (new hosts first)",
            None => "",
        };
        let _ = writeln!(shown, "{}", labelled("      why:", 11, &format!("{}{how}", change.why)));
    }
    for difference in &change.differences {
        let is_mixed = change.drift.len() < change.differences.len();
        let mark = if is_mixed && change.drift.contains(&difference.property) { " (not by an apply)" } else { "" };
        let _ = writeln!(shown, "{}", property(difference, change.action, mark));
    }
}

/// A resource's name and id in AWS, where they say more than its id in the estate.
fn names(change: &Change) -> String {
    let name = Some(change.name.as_str()).filter(|name| *name != change.id.as_str());
    let physical = change.physical.as_deref().filter(|physical| *physical != change.name);
    name.into_iter().chain(physical).collect::<Vec<_>>().join("  ")
}

/// What of a resource to be made is worth its one line.
fn line_of(change: &Change) -> String {
    let mut parts = Vec::new();
    for property in telling(change.kind) {
        if let Some(difference) = change.differences.iter().find(|difference| difference.property == *property) {
            let value = value::short(&difference.new);
            parts.push(if *property == "description" { value } else { format!("{property} {value}") });
        }
    }
    if change.kind == Kind::SecurityGroupRules {
        parts.extend(rules(change));
    }
    parts.join(", ")
}

/// How many ways in and out a security group has.
fn rules(change: &Change) -> impl Iterator<Item = String> {
    change.differences.iter().filter_map(|difference| {
        let rules = difference.new.as_array()?;
        Some(format!("{} {}", rules.len(), difference.property))
    })
}

fn property(difference: &Difference, action: Action, mark: &str) -> String {
    let label = format!("      {}{mark}:", difference.property);
    match (action, &difference.old, &difference.new) {
        (Action::Create, _, new) => labelled(&label, 10, &value::short(new)),
        (_, Value::Array(old), Value::Array(new)) => {
            let gone = old.iter().filter(|item| !new.contains(item)).map(|item| ("-", item));
            let added = new.iter().filter(|item| !old.contains(item)).map(|item| ("+", item));
            let lines =
                gone.chain(added).map(|(sign, item)| labelled(&format!("        {sign}"), 12, &value::short(item)));
            std::iter::once(label).chain(lines).collect::<Vec<_>>().join("\n")
        }
        (_, old, new) => labelled(&label, 10, &value::change(old, new)),
    }
}

/// Defaults that were weakened on purpose.
fn accepted(plan: &Plan) -> String {
    let risks = plan.estate.as_ref().map_or(&[][..], |estate| &estate.accepted);
    let line = |risk: &AcceptedRisk| {
        labelled("  !", 4, &format!("{}: {} (accepted: {})", risk.setting, risk.risk, risk.reason))
    };
    let lines: Vec<_> = risks.iter().map(line).collect();
    if lines.is_empty() { String::new() } else { format!("Accepted risks:\n{}\n\n", lines.join("\n")) }
}

fn write_notes<'a>(shown: &mut String, notes: impl Iterator<Item = &'a String>) {
    let mut notes = notes.peekable();
    let is_any = notes.peek().is_some();
    for note in notes {
        let _ = writeln!(shown, "{}", labelled("  note:", 8, note));
    }
    if is_any {
        shown.push('\n');
    }
}

/// What stays, by design.
pub(crate) fn left(left: &[Left]) -> String {
    let mut shown = "What stays, by design:\n".to_owned();
    for Left { what, why } in left {
        let _ = writeln!(shown, "{}", labelled("  -", 4, &format!("{what}: {why}")));
    }
    shown
}

/// What was done.
pub(crate) fn done(plan: &Plan, summary: &Summary) -> String {
    let what = match (plan.purpose, plan.is_empty()) {
        (Purpose::Apply, true) => format!("Unchanged: {} is as its spec says\n", title(&plan.scope)),
        (Purpose::Destroy, true) => format!("Unchanged: there was nothing of {}\n", title(&plan.scope)),
        (Purpose::Apply, false) => {
            format!("Applied {} to {}\n", count(summary.done as u64, "change"), title(&plan.scope))
        }
        (Purpose::Destroy, false) => {
            format!("Destroyed {} of {}\n", count(summary.done as u64, "resource"), title(&plan.scope))
        }
    };
    if summary.left.is_empty() { what } else { format!("{what}{}", left(&summary.left)) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn plain(text: &str) -> String {
        anstream::adapter::strip_str(text).to_string()
    }

    fn plan(purpose: &str, changes: Value) -> Plan {
        let text = json!({
            "format": 2,
            "purpose": purpose,
            "scope": {"estate": "judge", "account": "111111111111", "region": "eu-central-1"},
            "environment": "Test",
            "world": "00",
            "changes": changes,
            "unchanged": 3,
            "cost": {
                "prices_as_of": "2025-03-02", "source": "AWS's list", "budget_usd": "200.00",
                "before": {"total_usd": "0.00", "groups": {}, "lines": []},
                "after": {"total_usd": "0.00", "groups": {}, "lines": []},
            },
            "notes": ["subnet subnet-0f has the tags of subnet/private and is in another VPC: left alone"],
            "left": [{"what": "key 1234abcd", "why": "pending deletion until 2026-12-24"}],
        });
        Plan::from_json(&text.to_string()).unwrap()
    }

    #[test]
    fn every_sort_of_change_is_told_with_its_reason() {
        let plan = plan(
            "apply",
            json!([
                {"id": "vpc", "kind": "vpc", "name": "holdfast-judge-vpc", "action": "create", "why": "it isn't there",
                 "differences": [
                    {"property": "cidr", "new": "10.0.0.0/16"},
                    {"property": "policy", "new": "x".repeat(400)},
                    {"property": "subnet", "new": {"ref": "subnet/private", "attribute": "id"}}]},
                {"id": "budget", "kind": "budget", "name": "holdfast-judge-eu-central-1", "action": "update",
                 "physical": "holdfast-judge-eu-central-1", "why": "it isn't as the spec says",
                 "differences": [{"property": "monthly_usd", "old": "200", "new": "300"},
                    {"property": "tags.Project", "old": "contest", "new": "finals"}]},
                {"id": "instances/worker", "kind": "instances", "name": "holdfast-judge-worker", "action": "replace",
                 "physical": "holdfast-judge-worker", "order": "by-members", "why": "their launch template has a new version",
                 "differences": [{"property": "count", "old": 2, "new": 3}]},
                {"id": "subnet/private", "kind": "subnet", "name": "holdfast-judge-private", "action": "replace",
                 "order": "old-first", "physical": "subnet-0a", "why": "EC2 can't change a subnet's range",
                 "differences": [{"property": "cidr", "old": "10.0.64.0/18", "new": "10.1.64.0/18"}]},
                {"id": "security-group-rules/bastion", "kind": "security-group-rules", "name": "holdfast-judge-bastion",
                 "action": "update", "physical": "sg-0a", "why": "it isn't as the spec says",
                 "differences": [{"property": "ingress",
                    "old": [{"from": 22, "peer": {"cidr": "203.0.113.0/24"}, "protocol": "tcp", "to": 22}],
                    "new": [{"from": 22, "peer": {"cidr": "198.51.100.0/24"}, "protocol": "tcp", "to": 22}]}]},
                {"id": "launch-template/builder", "kind": "launch-template", "name": "holdfast-judge-builder",
                 "action": "delete", "physical": "lt-0a", "why": "the spec doesn't name it any more"}
            ]),
        );
        let shown = plain(&text(&plan, Detail::Full));
        assert!(shown.lines().all(|line| line.chars().count() <= super::super::WIDTH), "{shown}");
        insta::assert_snapshot!(shown);
        let brief = plain(&text(&plan, Detail::Brief));
        assert!(brief.contains("+ create  vpc                           cidr 10.0.0.0/16\n"), "{brief}");
    }

    #[test]
    fn a_plan_of_nothing_says_so() {
        insta::assert_snapshot!(plain(&text(&plan("apply", json!([])), Detail::Brief)));
        insta::assert_snapshot!(plain(&text(&plan("destroy", json!([])), Detail::Brief)));
    }
}
