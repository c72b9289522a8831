//! The estate: what a spec asks for, as a graph of resources.
//!
//! Pure, and free of AWS's types. Invariants of an [`Estate`]:
//!
//! - a [`ResourceId`] names one resource for the estate's whole life, in the tag `holdfast:id`;
//! - a property that is another resource's id or ARN is a [`Ref`] until the moment it is needed;
//! - every reference and every need is to a resource of the same estate, and they have no cycle, so
//!   [`Estate::resources`] can be in an order in which each comes after what it needs;
//! - two estates of equal specs are equal, down to the bytes of their JSON: the plan's digest depends on it.
//!
//! Security groups refer to each other, which would be a cycle: so a group and its rules are two resources.

mod build;
mod names;
mod reference;
pub mod tags;

use std::collections::{BTreeMap, BTreeSet};

pub use build::{BootImage, BuildError, Device, ExistingNetwork, ExistingSubnet, Facts, Shown};
pub use reference::{Known, Link, Properties, Ref, Unresolved, resolve};
use serde::{Deserialize, Serialize};

pub use crate::kind::Kind;
use crate::spec::{AcceptedRisk, AccountId, Environment, EstateName, Place, Region, VpcId};

/// A resource's name inside its estate, such as `vpc` or `subnet/private-a`: the value of the tag `holdfast:id`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ResourceId(String);

impl ResourceId {
    /// The id of a resource of which an estate has only one.
    pub fn only(kind: Kind) -> Self {
        Self(kind.as_str().to_owned())
    }

    /// The id of one of several resources of a kind.
    pub fn named(kind: Kind, name: &str) -> Self {
        Self(format!("{kind}/{name}"))
    }

    /// An id as a tag gives it back.
    pub fn from_tag(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What stands after the kind: `private-a` in `subnet/private-a`.
    pub fn name(&self) -> Option<&str> {
        self.0.split_once('/').map(|(_, name)| name)
    }
}

impl std::fmt::Display for ResourceId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&self.0)
    }
}

/// Which estate it is and where: what every look at the cloud is limited to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scope {
    /// The estate's name.
    pub estate: EstateName,
    /// The account that it is in.
    pub account: AccountId,
    /// The region that it is in.
    pub region: Region,
    /// The VPC that it is in where it makes none of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vpc: Option<VpcId>,
}

impl Scope {
    /// The scope of a spec.
    pub fn of(spec: &crate::spec::Spec) -> Self {
        let vpc = match &spec.network.place {
            Place::Existing { vpc, .. } => Some(vpc.clone()),
            Place::Made { .. } => None,
        };
        Self { estate: spec.name.clone(), account: spec.account.clone(), region: spec.region.clone(), vpc }
    }

    /// The id inside the estate of what has these tags, if it is the estate's.
    pub(crate) fn own_id(&self, tags: &BTreeMap<String, String>) -> Option<ResourceId> {
        let ours = tags.get(tags::ESTATE).map(String::as_str) == Some(self.estate.as_str());
        tags.get(tags::ID).filter(|_| ours).map(|id| ResourceId::from_tag(id))
    }
}

/// A resource as the spec wants it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Resource {
    /// Its id inside the estate.
    pub id: ResourceId,
    /// What it is.
    pub kind: Kind,
    /// Its name in AWS: the tag `Name`, and the name itself where the kind has one.
    pub name: String,
    /// What it shall be like, references unresolved.
    pub properties: Properties,
    /// All its tags.
    pub tags: BTreeMap<String, String>,
    /// What must be there before it beyond what its properties refer to.
    pub needs: BTreeSet<ResourceId>,
}

impl Resource {
    /// All that must be there before it.
    pub fn prerequisites(&self) -> BTreeSet<ResourceId> {
        let mut all = self.needs.clone();
        self.properties.each_ref(&mut |reference| {
            all.insert(reference.id);
        });
        all
    }
}

/// What a spec asks for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Estate {
    /// Which estate it is and where.
    pub scope: Scope,
    /// What it is used for.
    pub environment: Environment,
    /// Defaults that were weakened on purpose, and why.
    pub accepted: Vec<AcceptedRisk>,
    /// The names that groups had before, each with its name now.
    pub renamed: BTreeMap<String, String>,
    /// Its resources, each after what it needs.
    pub resources: Vec<Resource>,
}

impl Estate {
    /// What it needs that isn't its to make, and who uses it would miss.
    pub fn needs_of_others(&self) -> Vec<String> {
        let network = self.scope.vpc.iter().map(|vpc| {
            format!(
                "{vpc} isn't the estate's, so no endpoint is made in it: its private subnets need a way to S3 of their own, \
                 such as a gateway endpoint, or no host can ship its audit trail"
            )
        });
        network.collect()
    }

    /// The resource of this id.
    pub fn get(&self, id: &ResourceId) -> Option<&Resource> {
        self.resources.iter().find(|resource| resource.id == *id)
    }
}
