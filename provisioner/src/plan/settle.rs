//! What of the world is the estate's, and which of two with one id is.
//!
//! A call that was cut off may have made something that the next run didn't see yet, so two resources can have one id.
//! The one that others refer to stays, or else the oldest; the others go, unless something is in them.
//!
//! Stops: that a tag alone makes something ours to delete. What is in another VPC than the estate's isn't the
//! estate's, whatever its tags say. (The estate's VPCs are those that it made and the one that its spec names.)

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::World;
use crate::estate::{Kind, ResourceId, tags};
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
        let mut vpcs: BTreeSet<_> = settled.kept.values().map(|vpc| vpc.physical.clone()).collect();
        vpcs.extend(world.scope.vpc.iter().map(ToString::to_string));

        let mut by_id: BTreeMap<ResourceId, Vec<Observed>> = BTreeMap::new();
        let others = |observed: &&Observed| !matches!(observed.kind, Kind::Vpc | Kind::SecurityGroupRules);
        for observed in world.resources.iter().filter(others) {
            match own(observed, &vpcs) {
                Some(own) => by_id.entry(own.id.clone()).or_default().push(own),
                None => settled.notes.push(format!(
                    "{} {} has the tags of {} and is in another VPC: left alone",
                    observed.kind, observed.physical, observed.id
                )),
            }
        }
        settled.choose(by_id, world);
        settled.keep_rules(world);
        settled
    }

    /// Rules have the id that their group gives them, and are the estate's if the group is the one that is kept.
    fn keep_rules(&mut self, world: &World) {
        for rules in world.resources.iter().filter(|observed| observed.kind == Kind::SecurityGroupRules) {
            let group = rules.id.name().map(|name| ResourceId::named(Kind::SecurityGroup, name));
            let group = group.and_then(|group| self.kept.get(&group));
            if group.is_some_and(|group| group.physical == rules.physical) {
                self.kept.insert(rules.id.clone(), rules.clone());
            }
        }
    }

    fn choose(&mut self, by_id: BTreeMap<ResourceId, Vec<Observed>>, world: &World) {
        for (id, mut candidates) in by_id {
            candidates.sort_by_key(|one| {
                (one.state.is_some(), Reverse(uses(one, world)), one.created.unwrap_or(i64::MAX), one.physical.clone())
            });
            let mut candidates = candidates.into_iter();
            let Some(first) = candidates.next() else { continue };
            for other in candidates {
                if other.state.is_some() {
                    self.idle.push(other);
                } else if uses(&other, world) > 0 || !is_twin(&other, &first) {
                    let (kind, physical, id) = (other.kind, &other.physical, &other.id);
                    self.notes.push(format!("{kind} {physical} has the id of {id} beside another one: left alone"));
                } else {
                    self.surplus.push(other);
                }
            }
            self.kept.insert(id, first);
        }
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

/// Whether one was made by the same code for the same purpose as another, and not only given the two tags that find it.
fn is_twin(one: &Observed, other: &Observed) -> bool {
    let same = |key: &str| one.tags.get(key).is_some_and(|value| other.tags.get(key) == Some(value));
    one.tags.contains_key(tags::SPEC) && ["Name", "Description"].into_iter().all(same)
}

/// How many ids of the estate refer to this one.
fn uses(observed: &Observed, world: &World) -> usize {
    let users = world.resources.iter().filter(|other| other.id != observed.id && refers(other, observed));
    users.map(|other| &other.id).collect::<BTreeSet<_>>().len()
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
