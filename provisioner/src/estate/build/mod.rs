//! Spec → estate: what is wanted of each resource, and why it is there. One file for each part of the picture.

mod backup;
mod flow_logs;
mod machines;
mod money;
mod network;
mod roles;
mod user_data;
mod walls;
mod zones;

use std::collections::{BTreeMap, BTreeSet};

use holdfast_policies::{self as policies, TrailBucketName, TrailWriter};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use zones::ZonePlace;

use super::{Estate, Kind, Properties, Ref, Resource, ResourceId, Scope, tags};
use crate::spec::{Place, Spec, Zones};

/// What of the region an estate is built on, looked up before it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// The image that machines boot from.
    pub image: BootImage,
    /// The region's availability zones that the account can use, by name; none where those in use are enough.
    pub zones: Vec<String>,
    /// The zones that the estate has subnets in, with their places in its network's range: those in use stay.
    pub used_zones: BTreeMap<String, u32>,
    /// The network that the spec names, where it isn't made.
    pub network: Option<ExistingNetwork>,
    /// AWS's list of S3's addresses in the region.
    pub s3_prefix_list: String,
    /// The organisation, for who may write to the trail; not asked for where the spec names none.
    pub organization: Option<String>,
}

impl Facts {
    /// Facts that the spec alone can tell, for what doesn't depend on the others: which kinds an estate has.
    pub(crate) fn assumed(spec: &Spec) -> Self {
        let (public, private) = match &spec.network.place {
            Place::Made { .. } => (0, 0),
            Place::Existing { public, private, .. } => (public.len(), private.len()),
        };
        let subnet = ExistingSubnet { id: String::new(), zone: String::new(), cidr: String::new() };
        let subnets = |count| vec![subnet.clone(); count];
        Self {
            image: BootImage { id: String::new(), devices: Vec::new() },
            zones: ["a", "b", "c"].map(|letter| format!("{}{letter}", spec.region)).to_vec(),
            used_zones: BTreeMap::new(),
            network: Some(ExistingNetwork { ranges: Vec::new(), public: subnets(public), private: subnets(private) }),
            s3_prefix_list: String::new(),
            organization: spec.audit.as_ref().map(|_| "o-0000000000".to_owned()),
        }
    }
}

/// What an estate that is there shows of its region, so that nobody is asked for it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shown {
    /// The zones that it has subnets in, with their places in its network's range.
    pub zones: BTreeMap<String, u32>,
    /// AWS's list of S3's addresses.
    pub s3_prefix_list: Option<String>,
}

impl Shown {
    /// Whether the zones in use are all that a spec asks for.
    pub(crate) fn has_zones(&self, asked: &Zones) -> bool {
        match asked {
            Zones::Named(zones) => zones.iter().all(|zone| self.zones.contains_key(zone.as_str())),
            Zones::Count(count) => self.zones.len() >= *count as usize,
        }
    }
}

/// A network that is there, as it was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExistingNetwork {
    /// The VPC's IPv4 ranges.
    pub ranges: Vec<String>,
    /// The subnets for the bastion, in the spec's order.
    pub public: Vec<ExistingSubnet>,
    /// The subnets for the hosts, in the spec's order.
    pub private: Vec<ExistingSubnet>,
}

/// A subnet that is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExistingSubnet {
    /// Its id.
    pub id: String,
    /// Its availability zone.
    pub zone: String,
    /// Its IPv4 range.
    pub cidr: String,
}

/// An image as it was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BootImage {
    /// Its id.
    pub id: String,
    /// Its devices, the root first: every one is a volume to encrypt.
    pub devices: Vec<Device>,
}

/// A device of an image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// Its name, such as `/dev/xvda`.
    pub name: String,
    /// Its size in GiB.
    pub gib: i32,
}

/// Why a spec couldn't be made an estate.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// A policy that AWS wouldn't take.
    #[error("the estate's policies: {0}")]
    Policy(#[from] policies::PolicyError),
    /// The spec names a trail, and the account is in no organisation.
    #[error(
        "the spec names a trail in account {0}, and its bucket takes records only from accounts of one organisation, \
         which this account isn't in; join one, or leave [audit] out"
    )]
    NoOrganization(String),
    /// More zones than there are.
    #[error(
        "the spec asks for {count} zones, and {region} has {available} for this account; ask for fewer as the spec's \
         `network.zones`"
    )]
    Zones {
        /// How many.
        count: u32,
        /// Where.
        region: String,
        /// Which there are.
        available: String,
    },
    /// Every part of the network's range is another zone's.
    #[error(
        "{zone} can't have a part of the network's range while {used} have them all; leave the zone that shall go out of \
         `network.zones`, apply that first, then add {zone}"
    )]
    NoRoom {
        /// The zone that is new.
        zone: String,
        /// The zones that are there.
        used: String,
    },
    /// The network wasn't looked up: a bug.
    #[error("{0} wasn't looked up; please report this")]
    NotLookedUp(String),
    /// More than EC2 takes.
    #[error(
        "the user data of {machine} are {bytes} bytes, and EC2 takes {limit}: SSH keys take {keys}, the agent's settings \
         {agent}; name fewer keys in `bastion.ssh_keys`, or settle the agent's in the image"
    )]
    UserData {
        /// The bastion or a group.
        machine: String,
        /// How many there are.
        bytes: usize,
        /// How many EC2 takes.
        limit: usize,
        /// What SSH keys take of them.
        keys: usize,
        /// What the agent's settings take of them.
        agent: usize,
    },
    /// Settings that aren't TOML: a bug in the spec's types.
    #[error("the agent's settings of {group} aren't TOML: {source}; please report this")]
    Agent {
        /// Whose.
        group: String,
        /// What the serializer says.
        source: toml::ser::Error,
    },
    /// Settings that can't be written: a bug in the spec's types.
    #[error("the agent's settings of {machine} can't be written: {source}; please report this")]
    AgentText {
        /// Whose.
        machine: String,
        /// What the serializer says.
        source: toml::ser::Error,
    },
    /// A role's name over IAM's limit.
    #[error(
        "the role of group {group} would be named {name}, {over} characters over the 64 that IAM takes; give the group \
         or the estate a shorter name"
    )]
    RoleName {
        /// Whose role.
        group: String,
        /// Its name.
        name: String,
        /// How many characters are too many.
        over: usize,
    },
    /// A role's policies over IAM's limit.
    #[error(
        "the policies of group {group}'s role have {size} characters, and IAM takes {limit}; give its `permissions` \
         fewer actions or resources, or split the group"
    )]
    Permissions {
        /// Whose role.
        group: String,
        /// The size of all its inline policies together, as IAM counts it.
        size: usize,
        /// IAM's limit.
        limit: usize,
    },
    /// Not JSON: a bug in a kind's properties.
    #[error("{id}: its properties aren't JSON: {source}; please report this")]
    Json {
        /// Whose.
        id: ResourceId,
        /// What serde says.
        source: serde_json::Error,
    },
}

/// The parts of the graph that several resources refer to.
const BASTION: &str = "bastion";
const HOSTS: &str = "hosts";
const ENDPOINTS: &str = "endpoints";
const PUBLIC: &str = "public";
const PRIVATE: &str = "private";
/// Any IPv4 address.
const EVERYWHERE: &str = "0.0.0.0/0";
const SSH: u16 = 22;
const HTTPS: u16 = 443;

impl Estate {
    /// The estate that a spec asks for.
    pub fn build(spec: &Spec, facts: &Facts) -> Result<Self, BuildError> {
        let zones = match &spec.network.place {
            Place::Made { zones, .. } => zones::zones(zones, &spec.region, &facts.zones, &facts.used_zones)?,
            Place::Existing { .. } => Vec::new(),
        };
        let mut builder = Builder { spec, facts, scope: Scope::of(spec), zones, resources: Vec::new() };
        builder.budget()?;
        builder.key()?;
        builder.network()?;
        builder.bastion_address()?;
        builder.groups()?;
        builder.endpoints()?;
        builder.roles()?;
        builder.backup()?;
        builder.flow_logs()?;
        builder.machines()?;
        builder.seal();
        Ok(Self {
            scope: builder.scope,
            environment: spec.tags.environment,
            accepted: spec.accepted.clone(),
            renamed: spec
                .hosts
                .iter()
                .filter_map(|group| Some((group.was.as_ref()?.to_string(), group.name.to_string())))
                .collect(),
            resources: builder.resources,
        })
    }
}

struct Builder<'a> {
    spec: &'a Spec,
    facts: &'a Facts,
    scope: Scope,
    /// The zones of a network that is made, by their place.
    zones: Vec<ZonePlace>,
    resources: Vec<Resource>,
}

fn id(kind: Kind, name: &str) -> ResourceId {
    ResourceId::named(kind, name)
}

fn vpc() -> Ref {
    Ref::id(&ResourceId::only(Kind::Vpc))
}

/// A resource before its tags.
struct Draft<'a, P> {
    id: ResourceId,
    kind: Kind,
    name: String,
    description: &'a str,
    properties: P,
}

impl Builder<'_> {
    fn add(&mut self, draft: Draft<'_, impl Serialize>, needs: &[ResourceId]) -> Result<(), BuildError> {
        let Draft { id, kind, name, description, properties } = draft;
        let properties = Properties::of(&properties).map_err(|source| BuildError::Json { id: id.clone(), source })?;
        // Aliases and rules can't be tagged; their key and group are.
        let tags = match kind {
            Kind::Alias | Kind::SecurityGroupRules => BTreeMap::new(),
            _ => tags::tags(self.spec, &id, &name, description),
        };
        let needs = needs.iter().cloned().collect::<BTreeSet<_>>();
        self.resources.push(Resource { id, kind, name, properties, tags, needs });
        Ok(())
    }

    /// Says of what was added last whether it stays when the estate goes.
    fn keep(&mut self, keep: bool) {
        if let Some(resource) = self.resources.last_mut() {
            resource.tags.insert(tags::KEEP.to_owned(), keep.to_string());
        }
    }

    /// Adds the tags that say what an apply wanted, now that all of it is known.
    fn seal(&mut self) {
        let ids = tags::digest_of(self.resources.iter().map(|resource| resource.id.as_str()));
        for resource in &mut self.resources {
            let key = match resource.kind {
                Kind::SecurityGroupRules => tags::RULES,
                _ if resource.tags.is_empty() => continue,
                _ => tags::SPEC,
            };
            if resource.kind == Kind::Budget {
                resource.tags.insert(tags::RESOURCES.to_owned(), ids.clone());
            }
            let digest = tags::digest(resource.kind, &resource.properties, &resource.tags);
            resource.tags.insert(key.to_owned(), digest);
        }
    }

    fn account(&self) -> Result<policies::AccountId, BuildError> {
        Ok(self.scope.account.as_str().parse()?)
    }

    fn region(&self) -> Result<policies::Region, BuildError> {
        Ok(self.scope.region.as_str().parse()?)
    }

    /// Where hosts write their records, if the spec says where.
    fn trail(&self) -> Result<Option<TrailWriter>, BuildError> {
        let Some(audit) = &self.spec.audit else { return Ok(None) };
        let Some(organization) = &self.facts.organization else {
            return Err(BuildError::NoOrganization(audit.account.to_string()));
        };
        let bucket = TrailBucketName::new(&audit.account.as_str().parse()?, &audit.region.as_str().parse()?);
        Ok(Some(TrailWriter { account: self.account()?, org: organization.parse()?, bucket }))
    }
}

/// A policy as a property: IAM and KMS give policies back as they got them, but compared are values, not bytes.
fn policy(policy: &policies::Policy) -> Result<Value, BuildError> {
    let text = policy.to_json()?;
    serde_json::from_str(&text).map_err(|source| BuildError::Json { id: ResourceId::from_tag("policy"), source })
}
