//! The world: all that was found of an estate.

use std::collections::BTreeMap;

use futures::future::try_join_all;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::settle::Settled;
use crate::cloud::Cloud;
use crate::estate::{Kind, Scope};
use crate::kind::{KINDS, KindError, Observed, operations};
use crate::spec::NetworkRange;

/// All that was found of an estate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct World {
    /// Which estate it is and where.
    pub scope: Scope,
    /// What carries its tag or has its name, sorted by id.
    pub resources: Vec<Observed>,
}

impl World {
    /// Reads all kinds at once.
    pub async fn discover(cloud: &Cloud, scope: &Scope) -> Result<Self, KindError> {
        let kinds = KINDS.iter().map(|kind| operations(*kind).discover(cloud, scope));
        Ok(Self::new(scope.clone(), try_join_all(kinds).await?.into_iter().flatten().collect()))
    }

    /// A world of these resources.
    pub fn new(scope: Scope, mut resources: Vec<Observed>) -> Self {
        resources.sort_by(|a, b| (&a.id, &a.physical).cmp(&(&b.id, &b.physical)));
        Self { scope, resources }
    }

    /// The zones that the estate's own network has private subnets in, each with the place of its part of the range.
    pub fn zones(&self) -> BTreeMap<String, u32> {
        let kept = Settled::of(self, None).kept.into_values();
        let private = kept.filter(|one| one.kind == Kind::Subnet && one.id.as_str().starts_with("subnet/private-"));
        let text = |one: &Observed, property| Some(one.properties.0.get(property)?.as_str()?.to_owned());
        let placed = private.filter_map(|one| {
            let place = NetworkRange::place_of(text(&one, "cidr")?.parse().ok()?)?;
            Some((text(&one, "zone")?, place))
        });
        placed.collect()
    }

    /// A digest of all that a plan depends on: not of what changes by itself, such as spend and a host's state.
    pub fn digest(&self) -> String {
        let mut hash = Sha256::new();
        let mut add = |text: &str| {
            hash.update(text);
            hash.update([0]);
        };
        for resource in &self.resources {
            add(resource.id.as_str());
            add(resource.kind.as_str());
            add(&resource.physical);
            for (name, value) in &crate::plan::normal(&resource.properties).0 {
                add(&format!("{name}={value}"));
            }
            for (key, value) in &resource.tags {
                add(&format!("{key}={value}"));
            }
            for host in &resource.hosts {
                add(&format!("{} {} {} {:?}", host.instance, host.label(), host.generation, host.tags));
                add(&format!("{} {} {} {:?}", host.instance_type, host.subnet, host.profile, host.metadata));
                add(&format!("{:?} {:?} {:?}", host.groups, host.public_address, host.volumes));
            }
        }
        hex::encode(hash.finalize())
    }
}
