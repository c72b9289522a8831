//! What changed behind Holdfast's back, for people: the part of a plan that isn't the spec's.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Action, Cause, Change, Plan};
use crate::estate::{Kind, ResourceId, Scope};
use crate::kind::{Difference, KINDS, operations};

/// What changed since the last apply, and not by it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Drift {
    /// Which estate it is and where.
    pub scope: Scope,
    /// What changed, in the order in which an apply would put it right.
    pub resources: Vec<Drifted>,
    /// What differs, and may do so since the spec changed after the last apply.
    pub undecided: Vec<ResourceId>,
    /// What looks like the estate's and isn't.
    pub notes: Vec<String>,
    /// What isn't compared, and why, by kind.
    pub uncompared: BTreeMap<Kind, Vec<Uncompared>>,
}

/// One resource that changed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Drifted {
    /// Its id inside the estate.
    pub id: ResourceId,
    /// What it is.
    pub kind: Kind,
    /// Its name in AWS.
    pub name: String,
    /// Its id in AWS, unless it is gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub physical: Option<String>,
    /// What happened to it.
    pub what: What,
    /// From what the last apply wanted to what is; empty unless it changed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub differences: Vec<Difference>,
}

/// What happened to a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// It isn't there any more.
    Gone,
    /// It isn't as it was.
    Changed,
    /// It is there, and nobody asked for it.
    Added,
}

/// Something that isn't compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Uncompared {
    /// What.
    pub what: &'static str,
    /// Why.
    pub why: &'static str,
}

impl Drift {
    /// The part of a plan that undoes what others did.
    pub fn of(plan: &Plan) -> Self {
        let resources: Vec<_> = plan.changes.iter().filter_map(drifted).collect();
        let named = |id: &ResourceId| resources.iter().any(|one| one.id == *id);
        let undecided = plan.changes.iter().map(|change| &change.id).filter(|id| !named(id)).cloned().collect();
        let list = |kind: Kind| {
            operations(kind).uncompared().iter().map(|&(what, why)| Uncompared { what, why }).collect::<Vec<_>>()
        };
        let uncompared = KINDS.iter().map(|kind| (*kind, list(*kind))).filter(|(_, list)| !list.is_empty()).collect();
        Self { scope: plan.scope.clone(), resources, undecided, notes: plan.notes.clone(), uncompared }
    }

    /// Whether nothing changed behind Holdfast's back.
    pub fn is_empty(&self) -> bool {
        self.resources.is_empty()
    }
}

fn drifted(change: &Change) -> Option<Drifted> {
    let (what, differences) = match change.action {
        Action::Create => (What::Gone, Vec::new()),
        Action::Delete => (What::Added, Vec::new()),
        Action::Update | Action::Replace => {
            let own = change.differences.iter().filter(|one| change.drift.contains(&one.property));
            // A plan leads from what is to what shall be; this tells what became of what was.
            let turned = |one: &Difference| Difference {
                property: one.property.clone(),
                old: one.new.clone(),
                new: one.old.clone(),
            };
            (What::Changed, own.map(turned).collect())
        }
    };
    (change.cause == Cause::Drift).then(|| Drifted {
        id: change.id.clone(),
        kind: change.kind,
        name: change.name.clone(),
        physical: change.physical.clone(),
        what,
        differences,
    })
}
