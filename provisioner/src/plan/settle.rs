//! What of the world is the estate's, and which of two with one id is.
//!
//! A call that was cut off may have made something that the next run didn't see yet, so two resources can have one id.
//! The one that others refer to stays, or else the oldest; the others go, unless something is in them.
//!
//! Stops: that a tag alone makes something ours to delete. What is in another VPC than the estate's isn't the
//! estate's, whatever its tags say.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::World;
use crate::estate::{Kind, ResourceId};
use crate::kind::Observed;

/// A world, sorted out.
#[derive(Debug, Default)]
pub(crate) struct Settled {
    /// One resource for each id.
    pub(crate) kept: BTreeMap<ResourceId, Observed>,
    /// Others of the same ids, which nothing uses.
    pub(crate) surplus: Vec<Observed>,
    /// Others of the same ids that are going already.
    pub(crate) idle: Vec<Observed>,
    /// What was left out, and why.
    pub(crate) notes: Vec<String>,
}

impl Settled {
    pub(crate) fn of(world: &World) -> Self {
        let mut settled = Self::default();
        let mut by_id: BTreeMap<ResourceId, Vec<Observed>> = BTreeMap::new();
        for vpc in world.resources.iter().filter(|observed| observed.kind == Kind::Vpc) {
            by_id.entry(vpc.id.clone()).or_default().push(vpc.clone());
        }
        settled.choose(by_id, world);
        let vpcs: BTreeSet<_> = settled.kept.values().map(|vpc| vpc.physical.clone()).collect();

        let mut by_id: BTreeMap<ResourceId, Vec<Observed>> = BTreeMap::new();
        for observed in world.resources.iter().filter(|observed| observed.kind != Kind::Vpc) {
            match own(observed, &vpcs) {
                Some(own) => by_id.entry(own.id.clone()).or_default().push(own),
                None => settled.notes.push(format!(
                    "{} {} has the tags of {} and is in another VPC: left alone",
                    observed.kind, observed.physical, observed.id
                )),
            }
        }
        settled.choose(by_id, world);
        settled.drop_rules_of_unkept_groups();
        settled
    }

    fn choose(&mut self, by_id: BTreeMap<ResourceId, Vec<Observed>>, world: &World) {
        for (id, mut candidates) in by_id {
            candidates.sort_by_key(|one| {
                (one.state.is_some(), Reverse(uses(one, world)), one.created.unwrap_or(i64::MAX), one.physical.clone())
            });
            let mut candidates = candidates.into_iter();
            self.kept.extend(candidates.next().map(|first| (id, first)));
            for other in candidates {
                if other.state.is_some() {
                    self.idle.push(other);
                } else if uses(&other, world) > 0 {
                    let (kind, physical, id) = (other.kind, &other.physical, &other.id);
                    self.notes.push(format!("{kind} {physical} has the tags of {id} and is in use: left alone"));
                } else {
                    self.surplus.push(other);
                }
            }
        }
    }

    /// A group that isn't kept takes its rules with it.
    fn drop_rules_of_unkept_groups(&mut self) {
        let groups: BTreeSet<_> = self
            .kept
            .values()
            .filter(|observed| observed.kind == Kind::SecurityGroup)
            .map(|group| group.physical.clone())
            .collect();
        let is_of_kept = |rules: &Observed| rules.kind != Kind::SecurityGroupRules || groups.contains(&rules.physical);
        self.kept.retain(|_, observed| is_of_kept(observed));
        self.surplus.retain(is_of_kept);
    }
}

/// What of an observed resource is in one of the estate's VPCs; all of it where no VPC matters.
fn own(observed: &Observed, vpcs: &BTreeSet<String>) -> Option<Observed> {
    if observed.kind == Kind::Instances {
        let mut group = observed.clone();
        group.hosts.retain(|host| vpcs.contains(&host.vpc));
        return (!group.hosts.is_empty()).then_some(group);
    }
    match observed.properties.0.get("vpc").and_then(Value::as_str) {
        // An internet gateway that isn't attached yet is in none.
        Some(vpc) if !vpc.is_empty() && !vpcs.contains(vpc) => None,
        _ => Some(observed.clone()),
    }
}

/// How many other resources refer to this one.
fn uses(observed: &Observed, world: &World) -> usize {
    let others =
        world.resources.iter().filter(|other| (&other.id, &other.physical) != (&observed.id, &observed.physical));
    others.filter(|other| refers(other, observed)).count()
}

/// Whether a property of `from` is the id or ARN of `to`.
pub(crate) fn refers(from: &Observed, to: &Observed) -> bool {
    fn mentions(value: &Value, ids: &BTreeMap<String, String>) -> bool {
        match value {
            Value::String(text) => ids.iter().any(|(name, id)| (name == "id" || name == "arn") && id == text),
            Value::Array(list) => list.iter().any(|value| mentions(value, ids)),
            Value::Object(map) => map.values().any(|value| mentions(value, ids)),
            _ => false,
        }
    }
    // Rules have their group's id and none of their own.
    to.kind != Kind::SecurityGroupRules && from.properties.0.values().any(|value| mentions(value, &to.attributes))
}
