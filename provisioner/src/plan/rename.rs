//! Groups that have another name than at the last apply, and whose resources stay: they are looked at under the ids that
//! they would have under the new name, so that all that differs is their tags. Names that AWS can't change (a launch
//! template's, a role's) stay as they are; nothing depends on them, since what belongs to an estate is known by its tags.
//!
//! A run may be cut off when some of a group's hosts have their new name, or some of a host's volumes have. Until all of
//! a host has it, the host counts as one of the old name: so the next plan goes on with the tags, and doesn't take a
//! volume of the other name for one that somebody put in the place of the host's own.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{PlanError, World};
use crate::estate::{Estate, Kind, ResourceId, tags};
use crate::kind::Observed;
use crate::kind::instances::Host;

/// The id that a resource would have under its group's new name, if the estate wants that one and not this one.
fn new_id(one: &Observed, estate: &Estate, wanted: &BTreeSet<&ResourceId>) -> Option<ResourceId> {
    let new = ResourceId::named(one.kind, estate.renamed.get(one.id.name()?)?);
    (wanted.contains(&new) && !wanted.contains(&one.id)).then_some(new)
}

/// The world with renamed groups under their new names.
pub(super) fn renamed<'a>(world: &'a World, estate: Option<&Estate>) -> Cow<'a, World> {
    let Some(estate) = estate.filter(|estate| !estate.renamed.is_empty()) else { return Cow::Borrowed(world) };
    let wanted: BTreeSet<_> = estate.resources.iter().map(|resource| &resource.id).collect();
    let mut resources: Vec<Observed> = Vec::new();
    for one in &world.resources {
        let mut one = one.clone();
        one.id = new_id(&one, estate, &wanted).unwrap_or(one.id);
        let half = resources.iter_mut().find(|other| other.kind == Kind::Instances && other.id == one.id);
        match half {
            // A run that was cut off had given the new name to some of a group's hosts.
            Some(half) => join(half, one),
            None => resources.push(one),
        }
    }
    for one in &mut resources {
        for (old, new) in &estate.renamed {
            let [old, new] = [old, new].map(|name| ResourceId::named(one.kind, name));
            if one.id == new && !wanted.contains(&old) {
                count_as_old(one, &old, &new);
            }
        }
    }
    Cow::Owned(World::new(world.scope.clone(), resources))
}

fn join(group: &mut Observed, other: Observed) {
    for (property, value) in other.properties.0 {
        if let (Some(Value::Array(own)), Value::Array(more)) = (group.properties.0.get_mut(&property), value) {
            own.extend(more);
        }
    }
    group.hosts.extend(other.hosts);
    group.hosts.sort_by(|a, b| (a.index, &a.generation, &a.instance).cmp(&(b.index, &b.generation, &b.instance)));
}

/// Gives hosts that aren't renamed whole, and their group, the tags of what isn't renamed of them.
fn count_as_old(group: &mut Observed, old: &ResourceId, new: &ResourceId) {
    for host in &mut group.hosts {
        let is = |tags: &BTreeMap<String, String>, id: &ResourceId| {
            tags.get(tags::ID).is_some_and(|found| found == id.as_str())
        };
        let Some(behind) = parts(host).find(|tags| is(tags, old)).cloned() else { continue };
        for tags in parts_mut(host).filter(|tags| is(tags, new)) {
            tags.extend(behind.clone());
        }
        for (key, value) in &mut group.tags {
            if let Some(behind) = behind.get(key) {
                value.clone_from(behind);
            }
        }
    }
}

/// The tags of a host and of its volumes.
fn parts(host: &Host) -> impl Iterator<Item = &BTreeMap<String, String>> {
    let volumes = host.volumes.iter().filter_map(|volume| volume.like.as_ref());
    std::iter::once(&host.tags).chain(volumes.map(|like| &like.tags))
}

fn parts_mut(host: &mut Host) -> impl Iterator<Item = &mut BTreeMap<String, String>> {
    let volumes = host.volumes.iter_mut().filter_map(|volume| volume.like.as_mut());
    std::iter::once(&mut host.tags).chain(volumes.map(|like| &mut like.tags))
}

/// Refuses a rename whose old and new resources are both there: which of them is meant nobody can say.
pub(crate) fn check_renames(estate: &Estate, world: &World) -> Result<(), PlanError> {
    let wanted: BTreeSet<_> = estate.resources.iter().map(|resource| &resource.id).collect();
    let found: BTreeSet<_> = world.resources.iter().map(|one| &one.id).collect();
    for one in world.resources.iter().filter(|one| one.kind != Kind::Instances) {
        if let Some(new) = new_id(one, estate, &wanted).filter(|new| found.contains(new)) {
            let name = |id: &ResourceId| id.name().unwrap_or_default().to_owned();
            return Err(PlanError::BothNames { old: name(&one.id), new: name(&new), kind: one.kind });
        }
    }
    Ok(())
}
