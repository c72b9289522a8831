//! The world: all that was found of an estate.

use std::collections::BTreeMap;

use futures::future::try_join_all;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::settle::Settled;
use crate::cloud::Cloud;
use crate::estate::{Kind, Scope, Shown};
use crate::kind::instances::{Host, HostVolume, VolumeLike};
use crate::kind::launch_template::Metadata;
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

    /// What it shows of its region.
    pub fn shown(&self) -> Shown {
        let settled = Settled::of(self, None);
        let kept = || settled.kept.values().map(|one| &**one);
        Shown { zones: zones(kept()), s3_prefix_list: s3_prefix_list(kept()) }
    }

    /// A digest of all that a plan depends on: not of what changes by itself, such as spend and a host's state.
    pub fn digest(&self) -> String {
        let mut digest = Digested(Sha256::new());
        for resource in &self.resources {
            digest.text(resource.id.as_str());
            digest.text(resource.kind.as_str());
            digest.text(&resource.physical);
            for (name, value) in &crate::plan::normal(&resource.properties).0 {
                digest.text(&format!("{name}={value}"));
            }
            digest.tags(&resource.tags);
            resource.hosts.iter().for_each(|host| digest.host(host));
        }
        hex::encode(digest.0.finalize())
    }
}

fn text<'a>(one: &'a Observed, property: &str) -> Option<&'a str> {
    one.properties.0.get(property)?.as_str()
}

/// The zones that the estate's own network has private subnets in, each with the place of its part of the range.
fn zones<'a>(kept: impl Iterator<Item = &'a Observed>) -> BTreeMap<String, u32> {
    let private = kept.filter(|one| one.kind == Kind::Subnet && one.id.as_str().starts_with("subnet/private-"));
    let placed = private.filter_map(|one| {
        let place = NetworkRange::place_of(text(one, "cidr")?.parse().ok()?)?;
        Some((text(one, "zone")?.to_owned(), place))
    });
    placed.collect()
}

/// AWS's list of S3's addresses, which is where a route to the estate's gateway endpoint for S3 leads.
fn s3_prefix_list<'a>(kept: impl Iterator<Item = &'a Observed> + Clone) -> Option<String> {
    let mut endpoints = kept.clone().filter(|one| one.kind == Kind::VpcEndpoint);
    let endpoint = endpoints.find(|one| text(one, "service").is_some_and(|service| service.ends_with(".s3")))?;
    let mut tables = kept.filter(|one| one.kind == Kind::RouteTable);
    tables.find_map(|table| table.attributes.get(&endpoint.physical)).cloned()
}

/// A digest under way. Each text and each list is ended by a byte that is in none, so that no two worlds are one.
struct Digested(Sha256);

impl Digested {
    fn text(&mut self, text: &str) {
        self.0.update(text);
        self.0.update([0]);
    }

    fn texts<'a>(&mut self, texts: impl IntoIterator<Item = &'a String>) {
        texts.into_iter().for_each(|text| self.text(text));
        self.0.update([1]);
    }

    fn tags(&mut self, tags: &BTreeMap<String, String>) {
        self.texts(tags.iter().flat_map(|(key, value)| [key, value]));
    }

    fn host(&mut self, host: &Host) {
        for text in [&host.instance, &host.label(), &host.generation, &host.instance_type, &host.subnet, &host.profile]
        {
            self.text(text);
        }
        self.tags(&host.tags);
        let Metadata { enabled, tokens_required, hop_limit, tags } = host.metadata;
        self.0.update([enabled, tokens_required, tags].map(u8::from));
        self.0.update(hop_limit.to_le_bytes());
        self.texts(&host.groups);
        self.texts(&host.public_address);
        for HostVolume { id, device, delete_on_termination, like } in &host.volumes {
            self.texts([id, device]);
            self.0.update([u8::from(*delete_on_termination), u8::from(like.is_some())]);
            if let Some(VolumeLike { gib, volume_type, iops, throughput, key, tags }) = like {
                for number in [gib, iops, throughput] {
                    self.0.update(number.to_le_bytes());
                }
                self.texts(std::iter::once(volume_type).chain(key));
                self.tags(tags);
            }
        }
        self.0.update([2]);
    }
}
