//! Why something differs: since the spec changed, or since it changed behind Holdfast's back.
//!
//! The tags that an apply leaves say what it wanted: a digest on each resource ([`tags::SPEC`], [`tags::RULES`]), how
//! many hosts a group had ([`tags::COUNT`]), and of what the estate consisted ([`tags::RESOURCES`]). Where they are
//! what the spec wants now, a difference isn't the spec's. Where they aren't, both may have changed, and nobody can say
//! which: such a difference is taken for the spec's.

use serde_json::Value;

use super::settle::Settled;
use crate::estate::{Estate, Kind, Resource, ResourceId, tags};
use crate::kind::{Comparison, Observed};

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
        let key = if wanted.kind == Kind::SecurityGroupRules { tags::RULES } else { tags::SPEC };
        if observed.tags.get(key).is_some_and(|found| wanted.tags.get(key) != Some(found)) {
            return Vec::new();
        }
        let is_own = |property: &str, new: &Value| match wanted.kind {
            Kind::Instances if property == "count" || is_member(property) => {
                comparison.renew.is_none() && self.same_count(wanted)
            }
            _ => !follows(new),
        };
        let own = comparison.differences.iter().filter(|one| is_own(&one.property, &one.new));
        own.map(|one| one.property.clone()).collect()
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
