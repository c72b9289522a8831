//! Why something differs: since the spec changed, or since it changed behind Holdfast's back.
//!
//! The tags that an apply leaves say what it wanted: a digest on each resource ([`tags::SPEC`], [`tags::RULES`]), how
//! many hosts a group had ([`tags::COUNT`]), and of what the estate consisted ([`tags::RESOURCES`]). Where they are
//! what the spec wants now, a difference isn't the spec's. Where they aren't, both may have changed, and nobody can say
//! which: such a difference is taken for the spec's.

use serde_json::Value;

use super::settle::Settled;
use crate::estate::{Estate, Kind, Resource, ResourceId, tags};
use crate::kind::{Comparison, Difference, Observed};

/// What the tags say of the last apply.
pub(super) struct LastApply<'a> {
    settled: &'a Settled<'a>,
    /// Whether it wanted the same resources as the spec does now.
    pub(super) same_resources: bool,
}

impl<'a> LastApply<'a> {
    pub(super) fn of(estate: &Estate, settled: &'a Settled<'a>) -> Self {
        let budget = ResourceId::only(Kind::Budget);
        let found = settled.kept.get(&budget).and_then(|budget| budget.tags.get(tags::RESOURCES));
        let wanted = estate.get(&budget).and_then(|budget| budget.tags.get(tags::RESOURCES));
        // An estate without its budget has lost it: every spec has one.
        let same_resources = !settled.kept.is_empty() && found.is_none_or(|found| Some(found) == wanted);
        Self { settled, same_resources }
    }

    /// Which of a resource's differences aren't the spec's, nor follow from another resource's change.
    pub(super) fn drifted(&self, wanted: &Resource, observed: &Observed, comparison: &Comparison) -> Vec<String> {
        let all = comparison.differences.as_slice();
        // How many hosts there shall be is remembered by itself, so that is told apart whatever else of them changes.
        let members = self.lost_and_found(wanted, all);
        let key = if wanted.kind == Kind::SecurityGroupRules { tags::RULES } else { tags::SPEC };
        let is_as_applied = observed.tags.get(key).is_none_or(|found| wanted.tags.get(key) == Some(found));
        let is_own = |one: &&Difference| match wanted.kind {
            Kind::Instances if one.property == "count" => !members.is_empty(),
            Kind::Instances if is_member(&one.property) => members.contains(one),
            _ => is_as_applied && !follows(&one.new),
        };
        all.iter().filter(is_own).map(|one| one.property.clone()).collect()
    }

    /// Hosts of a group that are gone, or that came, and not by a spec with another count. Those that a replacement
    /// starts and ends are neither: what is wrong of them stands beside them.
    fn lost_and_found<'d>(&self, group: &Resource, all: &'d [Difference]) -> Vec<&'d Difference> {
        if group.kind != Kind::Instances || !self.same_count(group) {
            return Vec::new();
        }
        let is_replaced = |member: &Difference| {
            let flaw = format!("{} ", member.property);
            all.iter().any(|other| other.property.starts_with(&flaw))
        };
        all.iter().filter(|one| is_member(&one.property) && !is_replaced(one)).collect()
    }

    /// Whether the last apply wanted as many hosts of a group.
    fn same_count(&self, group: &Resource) -> bool {
        let template = group.id.name().map(|name| ResourceId::named(Kind::LaunchTemplate, name));
        let template = template.and_then(|template| self.settled.kept.get(&template));
        let found = template.and_then(|template| template.tags.get(tags::COUNT));
        let wanted = group.properties.0.get("count").map(Value::to_string);
        found.is_none_or(|found| Some(found) == wanted.as_ref())
    }
}

/// Whether a difference is a host that is to be started or ended: `host 3`.
fn is_member(property: &str) -> bool {
    property.strip_prefix("host ").is_some_and(|index| index.parse::<u32>().is_ok())
}

/// Whether a value comes of another resource that isn't there yet.
pub(super) fn follows(value: &Value) -> bool {
    match value {
        Value::Object(map) => map.contains_key("ref") || map.values().any(follows),
        Value::Array(list) => list.iter().any(follows),
        _ => false,
    }
}
