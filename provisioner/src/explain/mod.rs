//! Why an estate is as it is: each resource's line in the spec and the practice behind it, and each rule.
//!
//! Pure: what a resource is for comes from its kind ([`crate::kind::Operations::practice`]), where the spec asks for
//! it from the spec's own text.

mod place;

use std::collections::BTreeMap;

pub use place::{Place, Text};
use serde::Serialize;

use crate::estate::{Estate, Kind, ResourceId};
use crate::kind::operations;
use crate::plan::World;
use crate::price::{Estimate, Line};
use crate::spec::Spec;

/// Why there is a resource, and why it is as it is.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Explained {
    /// Its id inside the estate.
    pub id: ResourceId,
    /// What it is.
    pub kind: Kind,
    /// Its name in AWS.
    pub name: String,
    /// Its id in AWS; `None` where it isn't there.
    pub physical: Option<String>,
    /// What it is for.
    pub what: &'static str,
    /// The practice that its settings follow.
    pub why: &'static str,
    /// The page that says so.
    pub source: &'static str,
    /// What of the spec asks for it; `None` where the spec doesn't any more.
    pub spec: Option<Place>,
    /// What must be there before it.
    pub needs: Vec<ResourceId>,
    /// What needs it.
    pub used_by: Vec<ResourceId>,
    /// What it costs.
    pub cost: Vec<Line>,
    /// What it needs that isn't the estate's to make.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub needs_of_others: Vec<String>,
}

/// An estate as it is wanted and as it was found.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    /// The spec.
    pub spec: &'a Spec,
    /// Its text.
    pub text: &'a Text,
    /// The estate that it asks for.
    pub estate: &'a Estate,
    /// What was found of it.
    pub world: &'a World,
}

impl Asked<'_> {
    /// Every resource that is meant by an id inside the estate, a kind, or a name or an id in AWS.
    pub fn explain(&self, what: &str) -> Vec<Explained> {
        let found: BTreeMap<_, _> = self.world.resources.iter().map(|one| (&one.id, one)).collect();
        let wanted = self.estate.resources.iter().map(|one| (&one.id, one.kind, one.name.as_str()));
        let unnamed = self.world.resources.iter().filter(|one| self.estate.get(&one.id).is_none());
        let all = wanted.chain(unnamed.map(|one| (&one.id, one.kind, one.name.as_str())));
        let is_meant = |id: &ResourceId, kind: Kind, name: &str| {
            let physical = found.get(id).map(|one| one.physical.as_str());
            id.as_str() == what || kind.as_str() == what || name == what || physical == Some(what)
        };
        let meant = all.filter(|(id, kind, name)| is_meant(id, *kind, name));
        let costs = Estimate::of_estate(self.estate).lines;
        meant
            .map(|(id, kind, name)| {
                let practice = operations(kind).practice();
                let resource = self.estate.get(id);
                let users = self.estate.resources.iter().filter(|one| one.prerequisites().contains(id));
                Explained {
                    id: id.clone(),
                    kind,
                    name: name.to_owned(),
                    physical: found.get(id).map(|one| one.physical.clone()),
                    what: practice.what,
                    why: practice.why,
                    source: practice.source,
                    spec: resource.map(|_| place::of(self.spec, self.text, kind, id)),
                    needs: resource.map(|one| one.prerequisites().into_iter().collect()).unwrap_or_default(),
                    used_by: users.map(|one| one.id.clone()).collect(),
                    cost: costs.iter().filter(|line| line.id == *id).cloned().collect(),
                    needs_of_others: match kind {
                        Kind::Instances | Kind::AutoScalingGroup => self.estate.needs_of_others(),
                        _ => Vec::new(),
                    },
                }
            })
            .collect()
    }

    /// What can be asked for.
    pub fn ids(&self) -> Vec<&ResourceId> {
        self.estate.resources.iter().map(|one| &one.id).collect()
    }
}
