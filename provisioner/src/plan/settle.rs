//! What of the world is the estate's, and which of two with one id is.
//!
//! Two resources have one id where a replacement that makes the new one first was cut off, or where a call was, whose
//! resource the next run didn't see yet. The one stays that is what the spec wants, or else the one that others refer to,
//! or else the oldest; the others go, once what uses them has moved.
//!
//! Stops: that a tag alone makes something ours to delete. What has the two tags that the estate's are looked for by and
//! none of the others that Holdfast writes beside, or is in another VPC than those that it made and the one that its spec
//! names, isn't the estate's, whatever else its tags say; nor is an alias, which has no tags, that is older than the key.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::World;
use super::compare::normal;
use super::rename::renamed;
use crate::estate::{Estate, Kind, Known, Resource, ResourceId, resolve, tags};
use crate::kind::instances::Host;
use crate::kind::{Observed, operations};

/// A world, sorted out. What is in it is the world's own, which may hold thousands of hosts.
#[derive(Debug, Default)]
pub(crate) struct Settled<'a> {
    /// One resource for each id.
    pub(crate) kept: BTreeMap<ResourceId, Cow<'a, Observed>>,
    /// Others of the same ids, to be deleted.
    pub(crate) surplus: Vec<Cow<'a, Observed>>,
    /// Others of the same ids that are going already.
    pub(crate) idle: Vec<Cow<'a, Observed>>,
    /// What was left out, and why.
    pub(crate) notes: Vec<String>,
}

impl<'a> Settled<'a> {
    /// Sorts a world out, for an estate that is wanted or for none.
    pub(crate) fn of(world: &'a World, estate: Option<&Estate>) -> Self {
        let vpc = world.scope.vpc.as_ref().map(ToString::to_string);
        match renamed(world, estate) {
            Cow::Borrowed(world) => Self::sort(&world.resources, Cow::Borrowed, vpc, estate),
            Cow::Owned(world) => Self::sort(&world.resources, |one| Cow::Owned(one.clone()), vpc, estate),
        }
    }

    fn sort<'b>(
        world: &'b [Observed],
        hold: impl Fn(&'b Observed) -> Cow<'a, Observed>,
        vpc: Option<String>,
        estate: Option<&Estate>,
    ) -> Self {
        let mut settled = Self::default();
        let (vpcs, others): (Vec<_>, Vec<_>) = world
            .iter()
            .filter_map(|observed| settled.marked(hold(observed)))
            .partition(|observed| observed.kind == Kind::Vpc);
        let mut known = Known::default();
        settled.choose(vpcs.into_iter(), world, estate, &mut known);
        let mut vpcs: BTreeSet<_> = settled.all(Kind::Vpc).map(|vpc| vpc.physical.clone()).collect();
        vpcs.extend(vpc);

        let mut own_ones = Vec::new();
        for observed in others.into_iter().filter(|observed| observed.kind != Kind::SecurityGroupRules) {
            match own(observed, &vpcs) {
                Ok(own) => own_ones.push(own),
                Err(other) => settled.notes.push(format!(
                    "{} {} has the tags of {} and is in another VPC: left alone",
                    other.kind, other.physical, other.id
                )),
            }
        }
        settled.choose(own_ones.into_iter(), world, estate, &mut known);
        settled.leave_foreign_alias();
        settled.add_rules(world, hold);
        settled
    }

    /// What of an observed resource has more of Holdfast's tags than those that it was found by.
    fn marked(&mut self, observed: Cow<'a, Observed>) -> Option<Cow<'a, Observed>> {
        let found = match observed.kind {
            // They have no tags.
            Kind::Alias | Kind::SecurityGroupRules => Ok(observed),
            Kind::Instances => with_hosts(observed, |host| is_marked(&host.tags)),
            _ if is_marked(&observed.tags) => Ok(observed),
            _ => Err(Box::new(observed.into_owned())),
        };
        found
            .inspect_err(|foreign| {
                self.notes.push(format!(
                    "{} {} has the tags that {} is looked for by, and none that Holdfast writes beside: left alone",
                    foreign.kind, foreign.physical, foreign.id
                ));
            })
            .ok()
    }

    /// An alias is the estate's if it names a key of the estate, or was made for one and points elsewhere by now.
    fn leave_foreign_alias(&mut self) {
        let Some(alias) = self.kept.remove(&ResourceId::only(Kind::Alias)) else { return };
        let mut keys =
            self.all(Kind::Key).chain(self.idle.iter().map(|one| &**one).filter(|one| one.kind == Kind::Key));
        let is_later = |key: &Observed| key.state.is_none() && key.created.is_some() && key.created <= alias.created;
        let is_own = keys.any(|key| refers(&alias, key) || is_later(key));
        drop(keys);
        if is_own {
            self.kept.insert(alias.id.clone(), alias);
        } else {
            self.notes.push(format!("{} names a key that isn't the estate's: left alone", alias.physical));
        }
    }

    /// Those of a kind that are the estate's.
    fn all(&self, kind: Kind) -> impl Iterator<Item = &Observed> {
        self.kept
            .values()
            .chain(&self.surplus)
            .map(|observed| &**observed)
            .filter(move |observed| observed.kind == kind)
    }

    /// Rules have the id that their group gives them, and are the estate's if the group is.
    fn add_rules<'b>(&mut self, world: &'b [Observed], hold: impl Fn(&'b Observed) -> Cow<'a, Observed>) {
        let kept: BTreeSet<_> = self.kept.values().map(|observed| observed.physical.clone()).collect();
        let groups: BTreeSet<_> = self.all(Kind::SecurityGroup).map(|group| group.physical.clone()).collect();
        for rules in world.iter().filter(|observed| observed.kind == Kind::SecurityGroupRules) {
            if kept.contains(&rules.physical) {
                self.kept.insert(rules.id.clone(), hold(rules));
            } else if groups.contains(&rules.physical) {
                self.surplus.push(hold(rules));
            }
        }
    }

    /// Chooses one of each id, in the order in which an estate is built: which subnet is right depends on which VPC is.
    fn choose(
        &mut self,
        all: impl Iterator<Item = Cow<'a, Observed>>,
        world: &[Observed],
        estate: Option<&Estate>,
        known: &mut Known,
    ) {
        let mut by_id: BTreeMap<ResourceId, Vec<Cow<'a, Observed>>> = BTreeMap::new();
        for observed in all {
            by_id.entry(observed.id.clone()).or_default().push(observed);
        }
        let is_clear = by_id.values().all(|candidates| candidates.len() == 1);
        for resource in estate.iter().flat_map(|estate| &estate.resources) {
            let Some(mut candidates) = by_id.remove(&resource.id) else { continue };
            // Where no id is there twice, there is nothing to choose, and nothing to compare.
            let fits = if is_clear { Vec::new() } else { fitting(resource, &candidates, known) };
            if candidates.len() > 1 {
                candidates.sort_by_cached_key(|one| (!fits.contains(&one.physical), rank(one, world)));
            }
            if let Some(first) = candidates.first().filter(|one| is_clear || fits.contains(&one.physical)) {
                known.learn(&resource.id, first.attributes.clone());
            }
            self.keep_first(candidates, world);
        }
        for mut candidates in by_id.into_values() {
            if candidates.len() > 1 {
                candidates.sort_by_cached_key(|one| rank(one, world));
            }
            self.keep_first(candidates, world);
        }
    }

    fn keep_first(&mut self, candidates: Vec<Cow<'a, Observed>>, world: &[Observed]) {
        let mut candidates = candidates.into_iter();
        let Some(first) = candidates.next() else { return };
        for other in candidates {
            // A key that encrypts what stays isn't moved away from: its users would be lost with it.
            let is_needed = other.kind == Kind::Key && uses(&other, world) > 0;
            if other.state.is_some() {
                self.idle.push(other);
            } else if is_needed || !is_twin(&other, &first) {
                let (kind, physical, id) = (other.kind, &other.physical, &other.id);
                self.notes.push(format!("{kind} {physical} has the id of {id} beside another one: left alone"));
            } else {
                self.surplus.push(other);
            }
        }
        self.kept.insert(first.id.clone(), first);
    }
}

/// Which of several could become what is wanted without being replaced.
fn fitting(resource: &Resource, candidates: &[Cow<'_, Observed>], known: &Known) -> Vec<String> {
    let (resolved, _) = resolve(&resource.properties, known);
    let resolved = normal(&resolved);
    let compare = |one: &Observed| operations(resource.kind).compare(resource, &resolved, one);
    let fits = candidates.iter().filter(|one| compare(one).replace.is_none());
    fits.map(|one| one.physical.clone()).collect()
}

/// The lower, the rather it stays.
fn rank(one: &Observed, world: &[Observed]) -> (bool, Reverse<usize>, i64, String) {
    (one.state.is_some(), Reverse(uses(one, world)), one.created.unwrap_or(i64::MAX), one.physical.clone())
}

/// What of an observed resource is in one of the estate's VPCs, all of it where no VPC matters; or else the resource
/// again.
fn own<'a>(observed: Cow<'a, Observed>, vpcs: &BTreeSet<String>) -> Result<Cow<'a, Observed>, Box<Observed>> {
    if observed.kind == Kind::Instances {
        return with_hosts(observed, |host| vpcs.contains(&host.vpc));
    }
    match observed.properties.0.get("vpc").and_then(Value::as_str) {
        // An internet gateway that isn't attached yet is in none.
        Some(vpc) if !vpc.is_empty() && !vpcs.contains(vpc) => Err(Box::new(observed.into_owned())),
        _ => Ok(observed),
    }
}

/// A group with those of its hosts alone that are meant; the group again where none is.
fn with_hosts<'a>(
    group: Cow<'a, Observed>,
    is_meant: impl Fn(&Host) -> bool,
) -> Result<Cow<'a, Observed>, Box<Observed>> {
    match group.hosts.iter().filter(|host| is_meant(host)).count() {
        0 => Err(Box::new(group.into_owned())),
        all if all == group.hosts.len() => Ok(group),
        _ => {
            let mut some = group.into_owned();
            some.hosts.retain(is_meant);
            Ok(Cow::Owned(some))
        }
    }
}

/// Whether tags have one that Holdfast writes beside those by which it finds what is the estate's.
fn is_marked(tags: &BTreeMap<String, String>) -> bool {
    [tags::SPEC, tags::BUDGET, tags::ACCEPTED_RISKS].into_iter().any(|key| tags.contains_key(key))
}

/// Whether one was made by the same code for the same purpose as another, and not only given the two tags that find it.
fn is_twin(one: &Observed, other: &Observed) -> bool {
    let same = |key: &str| one.tags.get(key).is_some_and(|value| other.tags.get(key) == Some(value));
    one.tags.contains_key(tags::SPEC) && [tags::BUDGET, "Name"].into_iter().all(same)
}

/// How many ids of the estate refer to this one.
fn uses(observed: &Observed, world: &[Observed]) -> usize {
    let users = world.iter().filter(|other| other.id != observed.id && refers(other, observed));
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
    // A launch template has the tags of its fleet's parts, and a fleet's id is its name, which is one of them.
    let of_parts = ["volume_tags", "interface_tags"];
    let mut properties = from.properties.0.iter().filter(|(name, _)| !of_parts.contains(&name.as_str()));
    // Rules have their group's id and none of their own.
    to.kind != Kind::SecurityGroupRules && properties.any(|(_, value)| mentions(value, &to.attributes))
}
