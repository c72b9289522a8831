//! The plan: what leads from the world as it was found to the estate as it is wanted.
//!
//! [`Plan::make`] and [`Plan::destroy`] are functions of values, so a plan can be made, printed, kept and made again
//! with the same result. Invariants:
//!
//! - each change says what, why, and property by property from what to what;
//! - the plan carries the estate that it was made for and a digest of the world that it was made against; it is
//!   carried out only while the world's digest is still that ([`World::digest`]);
//! - what isn't the estate's (another VPC's, however it is tagged) is in no change;
//! - of several resources with one id one stays ([`settle`]), the rest is deleted once nothing uses it any more. So a
//!   replacement that makes the new one first can be cut off anywhere: the next plan keeps the new one.

mod cause;
mod compare;
mod drift;
mod rename;
mod settle;
mod status;
mod steps;
#[cfg(test)]
mod tests;
mod world;

use std::collections::{BTreeMap, BTreeSet};

use cause::LastApply;
pub use compare::{compare, normal};
pub use drift::{Drift, Drifted, Uncompared, What};
pub(crate) use rename::check_renames;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use settle::{Settled, refers};
pub use status::{Spend, Status, StatusRow};
pub use steps::StepError;
pub(crate) use steps::{Step, steps};
pub use world::World;

use crate::estate::{Estate, Kind, Known, Resource, ResourceId, Scope, resolve};
use crate::kind::{Difference, KINDS, Left, Observed, Replaced, operations};
use crate::price::Cost;

/// The version of a plan's JSON.
const FORMAT: u32 = 2;

/// What a plan is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Purpose {
    /// To make the estate as its spec says.
    Apply,
    /// To end the estate.
    Destroy,
}

/// What happens with a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// It is made.
    Create,
    /// It is changed and stays.
    Update,
    /// It is deleted and made anew.
    Replace,
    /// It is deleted.
    Delete,
}

/// One of the acts that changes are carried out by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Operation {
    /// Making a resource.
    Create,
    /// Changing a resource in place.
    Change,
    /// Deleting a resource.
    Delete,
}

impl std::fmt::Display for Operation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Create => "create",
            Self::Change => "change",
            Self::Delete => "delete",
        })
    }
}

/// Why something is to be changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// The spec changed, or what the resource refers to does.
    #[default]
    Spec,
    /// It, or some of it, changed since the last apply, and not by an apply.
    Drift,
}

/// In which order a resource is replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    /// The new one is made, what used the old one moves, the old one is deleted.
    NewFirst,
    /// The old one is deleted, which interrupts what uses it, and the new one is made.
    OldFirst,
    /// The resource stays; its members are replaced a batch at a time, new ones first.
    ByMembers,
}

/// A change of one resource.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// Which resource.
    pub id: ResourceId,
    /// What it is.
    pub kind: Kind,
    /// Its name in AWS.
    pub name: String,
    /// What happens with it.
    pub action: Action,
    /// Its id in AWS, where it is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub physical: Option<String>,
    /// Why.
    pub why: String,
    /// Whose doing it is that something is to be changed.
    #[serde(default)]
    pub cause: Cause,
    /// Which of the differences aren't the spec's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub drift: Vec<String>,
    /// For a replacement: in which order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<Order>,
    /// From what to what.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub differences: Vec<Difference>,
}

/// How many changes of each sort a plan has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Resources made.
    pub create: usize,
    /// Resources changed in place.
    pub update: usize,
    /// Resources replaced.
    pub replace: usize,
    /// Resources deleted.
    pub delete: usize,
}

/// What leads from a world to an estate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The version of this format.
    pub format: u32,
    /// What it is for.
    pub purpose: Purpose,
    /// Which estate it is and where.
    pub scope: Scope,
    /// What the estate is used for: its tag `Environment`, or all values of it that were found.
    pub environment: String,
    /// The digest of the world that it was made against.
    pub world: String,
    /// What happens, in an order in which it can.
    pub changes: Vec<Change>,
    /// How many resources are as they shall be.
    pub unchanged: usize,
    /// What is there and stays, by design.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left: Vec<Left>,
    /// What looks like the estate's and isn't, so is left alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// What the estate needs that isn't its to make.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs_of_others: Vec<String>,
    /// What it does to the estate's monthly cost.
    pub cost: Cost,
    /// Why the estate may cost more than its budget, if it does and somebody said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub over_budget: Option<String>,
    /// The estate as it is wanted; none for a destroy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub estate: Option<Estate>,
}

impl Plan {
    /// What leads from `world` to `estate`.
    pub fn make(estate: &Estate, world: &World) -> Self {
        let settled = Settled::of(world, Some(estate));
        let last = LastApply::of(estate, &settled);
        let mut so_far = SoFar::default();
        let mut changes: Vec<_> = estate
            .resources
            .iter()
            .filter_map(|resource| {
                change_of(resource, settled.kept.get(&resource.id).map(|one| &**one), &last, &mut so_far)
            })
            .collect();
        let named: BTreeSet<_> = estate.resources.iter().map(|resource| &resource.id).collect();
        let kept = settled.kept.values().map(|observed| &**observed);
        let unnamed = kept.filter(|observed| !named.contains(&observed.id));
        let why = match last.same_resources {
            true => ("the spec doesn't name it, and didn't at the last apply", Cause::Drift),
            false => ("the spec doesn't name it any more", Cause::Spec),
        };
        let surplus =
            settled.surplus.iter().map(|observed| (&**observed, ("another one is in its place", Cause::Drift)));
        changes.extend(delete(unnamed.map(|observed| (observed, why)).chain(surplus)));
        let environment = estate.environment.to_string();
        Self::new(world, settled, changes, environment, Some(estate.clone()))
    }

    /// What ends all of the estate that there is.
    pub fn destroy(world: &World) -> Self {
        let settled = Settled::of(world, None);
        let why = ("the estate is destroyed", Cause::Spec);
        let all = || settled.kept.values().chain(&settled.surplus).map(|observed| &**observed);
        let kept: Vec<_> = all().filter(|one| one.kept().is_some()).collect();
        // A key's name stays with it.
        let stays =
            |one: &&Observed| kept.contains(one) || kept.iter().any(|key| one.kind == Kind::Alias && refers(one, key));
        let names: Vec<_> = all()
            .filter(|one| stays(one) && one.kind == Kind::Alias)
            .map(|name| Left {
                what: format!("alias {}", name.physical),
                why: "it names the key, which stays".to_owned(),
            })
            .collect();
        let changes = delete(all().filter(|one| !stays(one)).map(|observed| (observed, why)));
        let environments: BTreeSet<_> =
            all().filter_map(|observed| observed.tags.get("Environment")).map(String::as_str).collect();
        let environment = environments.into_iter().collect::<Vec<_>>().join(", ");
        let mut plan = Self::new(world, settled, changes, environment, None);
        plan.left.extend(names);
        plan
    }

    fn new(
        world: &World,
        settled: Settled<'_>,
        changes: Vec<Change>,
        environment: String,
        estate: Option<Estate>,
    ) -> Self {
        let purpose = if estate.is_some() { Purpose::Apply } else { Purpose::Destroy };
        let concerned = changes.iter().filter(|change| change.action != Action::Delete).count();
        let unchanged = estate.as_ref().map_or(0, |estate| estate.resources.len() - concerned);
        let pending = settled.kept.values().chain(&settled.idle);
        let pending = pending.filter(|observed| purpose == Purpose::Destroy || estate_lacks(estate.as_ref(), observed));
        let left = pending
            .filter_map(|observed| {
                let what = format!("{} {}", observed.kind, observed.physical);
                Some(Left { what, why: observed.state.clone().or_else(|| observed.kept().map(str::to_owned))? })
            })
            .collect();
        Self {
            format: FORMAT,
            purpose,
            scope: world.scope.clone(),
            environment,
            world: world.digest(),
            changes,
            unchanged,
            left,
            notes: settled.notes,
            needs_of_others: estate.as_ref().map(Estate::needs_of_others).unwrap_or_default(),
            cost: Cost::between(world, estate.as_ref()),
            over_budget: None,
            estate,
        }
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// How many changes of each sort there are.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for change in &self.changes {
            match change.action {
                Action::Create => counts.create += 1,
                Action::Update => counts.update += 1,
                Action::Replace => counts.replace += 1,
                Action::Delete => counts.delete += 1,
            }
        }
        counts
    }

    /// A plan from its JSON.
    pub fn from_json(text: &str) -> Result<Self, PlanError> {
        /// Another version's plan may have other fields, so the version is looked at first.
        #[derive(Deserialize)]
        struct Version {
            format: u32,
        }
        let Version { format } = serde_json::from_str(text).map_err(PlanError::Json)?;
        if format != FORMAT {
            return Err(PlanError::Format(format));
        }
        serde_json::from_str(text).map_err(PlanError::Json)
    }

    /// The plan as JSON, for a file.
    pub fn to_json(&self) -> Result<String, PlanError> {
        serde_json::to_string_pretty(self).map_err(PlanError::Json)
    }
}

/// Why a plan's text is none.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// Not a plan's JSON.
    #[error("not a plan: {0}; make one with `provision plan -o FILE`")]
    Json(#[source] serde_json::Error),
    /// Another program's.
    #[error("the plan was made by {by}, and this is {}; make the plan again", made_by())]
    OtherVersion {
        /// The program and its version.
        by: String,
    },
    /// A rename from and to what is there.
    #[error(
        "the spec says that group {new} was {old}, and {kind}s of both names are there; take `was` out to have those of \
         {old} deleted, or give the group another name"
    )]
    BothNames {
        /// The name that it had.
        old: String,
        /// Its name now.
        new: String,
        /// Of what there are two.
        kind: Kind,
    },
    /// Not as it was written.
    #[error("the plan was changed after it was made, so it isn't what anybody saw; make the plan again")]
    Edited,
    /// Another version's.
    #[error("the plan has format {0}, and this `provision` knows format {FORMAT}; make the plan again")]
    Format(u32),
}

/// The program and version that a plan is made by.
pub(crate) fn made_by() -> &'static str {
    concat!("provision ", env!("CARGO_PKG_VERSION"))
}

/// The attributes of what is there, by id.
pub(crate) fn settled_attributes(
    world: &World,
    estate: Option<&Estate>,
) -> BTreeMap<ResourceId, BTreeMap<String, String>> {
    Settled::of(world, estate).kept.into_iter().map(|(id, observed)| (id, observed.attributes.clone())).collect()
}

fn estate_lacks(estate: Option<&Estate>, observed: &Observed) -> bool {
    estate.is_none_or(|estate| estate.get(&observed.id).is_none())
}

/// What is known of the resources before one.
#[derive(Default)]
struct SoFar {
    /// What later ones can refer to already.
    known: Known,
    /// Which of them must end before they are made anew.
    old_first: BTreeSet<ResourceId>,
}

/// The change that a resource needs, if any.
fn change_of(
    resource: &Resource,
    observed: Option<&Observed>,
    last: &LastApply<'_>,
    so_far: &mut SoFar,
) -> Option<Change> {
    let known = &mut so_far.known;
    let kind = operations(resource.kind);
    let (resolved, _) = resolve(&resource.properties, known);
    let resolved = normal(&resolved);
    let change = |action, why: &str, differences| Change {
        id: resource.id.clone(),
        kind: resource.kind,
        name: resource.name.clone(),
        action,
        physical: observed.map(|observed| observed.physical.clone()),
        why: why.to_owned(),
        cause: Cause::Spec,
        drift: Vec::new(),
        order: None,
        differences,
    };
    let Some(observed) = observed else {
        if kind.is_nothing(&resolved) {
            return None;
        }
        let all = resolved.0.into_iter();
        let differences = all.map(|(property, new)| Difference { property, old: Value::Null, new }).collect();
        let (why, cause) = match last.same_resources {
            true => ("the last apply wanted it too, and it isn't there", Cause::Drift),
            false => ("the spec names it and it isn't there", Cause::Spec),
        };
        return Some(Change { cause, ..change(Action::Create, why, differences) });
    };
    let comparison = kind.compare(resource, &resolved, observed);
    let drift = last.drifted(resource, observed, &comparison);
    let cause = if drift.is_empty() { Cause::Spec } else { Cause::Drift };
    let change =
        |action, why: &str, differences| Change { cause, drift: drift.clone(), ..change(action, why, differences) };
    if let Some(why) = comparison.replace {
        let (order, why) = match kind.replaced(&comparison.differences) {
            Replaced::NewFirst => (Order::NewFirst, why),
            Replaced::OldFirst(reason) => (Order::OldFirst, format!("{why}, and {reason}")),
            // Members can't move to what is only there once they are gone.
            Replaced::ByMembers if resource.prerequisites().iter().any(|id| so_far.old_first.contains(id)) => {
                (Order::OldFirst, why)
            }
            Replaced::ByMembers => (Order::ByMembers, why),
        };
        if order == Order::OldFirst {
            so_far.old_first.insert(resource.id.clone());
        }
        if order == Order::ByMembers {
            known.learn(&resource.id, observed.attributes.clone());
        }
        return Some(Change { order: Some(order), ..change(Action::Replace, &why, comparison.differences) });
    }
    let mut attributes = observed.attributes.clone();
    attributes.retain(|name, _| !kind.renews(&comparison.differences).contains(&name.as_str()));
    known.learn(&resource.id, attributes);
    match comparison.renew {
        Some(why) => {
            let order = Some(Order::ByMembers);
            Some(Change { order, ..change(Action::Replace, &why, comparison.differences) })
        }
        None if comparison.differences.is_empty() => None,
        None => {
            let why = match cause {
                Cause::Drift => "it changed since the last apply, and not by it",
                Cause::Spec => "it isn't as the spec says",
            };
            let unreached = kind.unreached(&comparison.differences);
            let why = unreached.map_or_else(|| why.to_owned(), |unreached| format!("{why}; {unreached}"));
            Some(change(Action::Update, &why, comparison.differences))
        }
    }
}

/// Deletions, what was built last first.
fn delete<'a>(all: impl Iterator<Item = (&'a Observed, (&'a str, Cause))>) -> Vec<Change> {
    let mut changes: Vec<_> = all
        .filter(|(observed, _)| observed.kept().is_none() && operations(observed.kind).deletable(observed))
        .map(|(observed, (why, cause))| Change {
            id: observed.id.clone(),
            kind: observed.kind,
            name: observed.name.clone(),
            action: Action::Delete,
            physical: Some(observed.physical.clone()),
            why: why.to_owned(),
            cause,
            drift: Vec::new(),
            order: None,
            differences: Vec::new(),
        })
        .collect();
    let place: BTreeMap<_, _> = KINDS.iter().enumerate().map(|(place, kind)| (*kind, place)).collect();
    changes.sort_by(|a, b| (place.get(&b.kind), &a.id, &a.physical).cmp(&(place.get(&a.kind), &b.id, &b.physical)));
    changes
}
