//! The kinds of resources: one file each, one table listing them.
//!
//! A kind's file has, from top to bottom: the struct of its properties, how it is discovered (one filtered, paginated
//! Describe for all of an estate's, whatever the spec names), how one is made, changed and deleted, and what it is for,
//! costs and calls. To add a kind is to add a file and a line to the table below.
//!
//! Rules that every kind keeps:
//!
//! - `create` may be called for what a crashed run made half: what it sets after the first call is a compared
//!   property, so the next plan finds what is missing;
//! - `create` is idempotent by a ClientToken, or by a name that fails on a duplicate; a VPC, an internet gateway and a
//!   KMS key have neither, so they are tagged as they are made, their call isn't repeated blindly, and a plan settles
//!   duplicates;
//! - `change` and `delete` only ever get what `discover` found, which carries the estate's tag;
//! - `delete` of what is gone already is success.

mod about;
pub mod address;
mod alias;
pub mod auto_scaling_group;
pub mod backup_plan;
pub mod backup_vault;
pub mod budget;
mod ec2;
mod error;
pub mod flow_log;
pub mod instance_profile;
pub mod instances;
pub mod internet_gateway;
pub mod key;
pub mod launch_template;
pub mod log_group;
pub mod nat_gateway;
pub mod network_acl;
pub mod role;
pub mod route_table;
pub mod security_group;
pub mod security_group_rules;
pub mod subnet;
pub mod vpc;
pub mod vpc_endpoint;

use std::collections::BTreeMap;
use std::future::Future;
use std::time::Duration;

pub use about::{Call, Practice, Priced, Sku, Usage, When};
pub use alias::Alias;
pub use error::KindError;
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::time::{Instant, sleep};

use crate::cloud::Cloud;
use crate::estate::{Properties, Resource, ResourceId, Scope, tags};

/// Calls that fail since what they name was just made are repeated for so long.
pub(crate) const SOON: Duration = Duration::from_secs(90);
/// Deletions that fail since what uses the resource is still going are repeated for so long.
pub(crate) const IN_USE: Duration = Duration::from_secs(300);

/// A resource as it was found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Observed {
    /// Its id inside the estate, from its tag or its name.
    pub id: ResourceId,
    /// What it is.
    pub kind: Kind,
    /// Its name in AWS.
    pub name: String,
    /// Its id in AWS.
    pub physical: String,
    /// What others may refer to: `id`, `arn`, ….
    pub attributes: BTreeMap<String, String>,
    /// What it is like, in the form in which the same kind is desired.
    pub properties: Properties,
    /// All its tags.
    pub tags: BTreeMap<String, String>,
    /// What AWS says of it besides, such as `pending deletion until …`; not compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// When it was made, in seconds since 1970, where AWS says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<i64>,
    /// The group's hosts, for [`Kind::Instances`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<instances::Host>,
}

impl Observed {
    /// What was found, with its AWS id as its only attribute.
    pub(crate) fn new(kind: Kind, id: ResourceId, physical: &str, properties: Properties) -> Self {
        Self {
            id,
            kind,
            name: physical.to_owned(),
            physical: physical.to_owned(),
            attributes: BTreeMap::from([("id".to_owned(), physical.to_owned())]),
            properties,
            tags: BTreeMap::new(),
            state: None,
            created: None,
            hosts: Vec::new(),
        }
    }

    /// The kind's struct of what was found.
    pub(crate) fn parse<T: serde::de::DeserializeOwned>(&self) -> Result<T, KindError> {
        self.properties.parse().map_err(|source| KindError::Properties { id: self.id.clone(), source })
    }

    /// Why destroying the estate leaves it, where the spec that it was made for keeps it.
    pub fn kept(&self) -> Option<&'static str> {
        let kept = self.tags.get(tags::KEEP).is_some_and(|keep| keep == "true");
        kept.then_some("the spec has `keep = true`; it goes with `keep = false`, an apply and another destroy")
    }

    pub(crate) fn attribute(mut self, name: &str, value: impl Into<String>) -> Self {
        self.attributes.insert(name.to_owned(), value.into());
        self
    }
}

/// One property that isn't as it shall be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Difference {
    /// Which property; tags are `tags.<key>`.
    pub property: String,
    /// What it is.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub old: Value,
    /// What it shall be.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub new: Value,
}

/// How a resource differs from what is desired.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Comparison {
    /// All differences, by property.
    pub differences: Vec<Difference>,
    /// Why it must be deleted and made anew, if it must.
    pub replace: Option<String>,
    /// Why some of its members are replaced while it stays, if they are.
    pub renew: Option<String>,
}

/// In which order a resource is replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replaced {
    /// The new one is made, what used the old one moves, the old one ends.
    NewFirst,
    /// AWS doesn't allow both at once, and says why: whatever uses it is interrupted.
    OldFirst(&'static str),
    /// The resource stays, and its members move a batch at a time.
    ByMembers,
}

/// What was found of what stays behind on purpose.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Left {
    /// What it is, such as `key arn:aws:kms:…`.
    pub what: String,
    /// Why it stays, and until when.
    pub why: String,
}

/// What `create`, `change` and `delete` work with.
pub struct Context<'a> {
    /// The clients.
    pub cloud: &'a Cloud,
    /// The estate.
    pub scope: &'a Scope,
    /// Says what is being waited for.
    pub waiting: &'a (dyn Fn(String) + Sync),
}

/// A resource about to be made or changed, its references resolved.
pub struct Wanted<'a> {
    /// As the estate wants it; [`Resource::properties`] still has references.
    pub resource: &'a Resource,
    /// The same without references.
    pub properties: Properties,
}

impl Wanted<'_> {
    /// The kind's struct.
    pub(crate) fn parse<T: serde::de::DeserializeOwned>(&self) -> Result<T, KindError> {
        self.properties.parse().map_err(|source| KindError::Properties { id: self.resource.id.clone(), source })
    }

    /// A ClientToken for making this: a hash of what it is, so that a repeated call is the same call, and other
    /// parameters are another. It is taken for a day after its resource is gone, so `attempt` counts such ghosts.
    pub(crate) fn token(&self, scope: &Scope, detail: &str, attempt: u32) -> String {
        let mut hash = Sha256::new();
        for part in [scope.account.as_str(), scope.region.as_str(), scope.estate.as_str(), self.resource.id.as_str()] {
            hash.update(part);
            hash.update([0]);
        }
        // A group's count is no parameter of the call for one batch of it.
        for (name, value) in self.properties.0.iter().filter(|(name, _)| *name != "count") {
            hash.update(format!("{name}={value}\0"));
        }
        for (name, value) in &self.resource.tags {
            hash.update(format!("{name}={value}\0"));
        }
        hash.update(format!("{detail}\0{attempt}"));
        // EC2 takes 64 ASCII characters.
        hex::encode(&hash.finalize()[..24])
    }
}

/// What a kind can do. The estate's graph decides when.
pub trait Operations: Sync {
    /// What one is for and why an estate has it as it is.
    fn practice(&self) -> Practice;

    /// What one is charged for.
    fn usage(&self, priced: &Priced<'_>) -> Vec<Usage> {
        let _ = priced;
        Vec::new()
    }

    /// The calls that it is discovered, made, changed and deleted by.
    fn calls(&self) -> &'static [Call];

    /// Properties that AWS can't change in a resource, and why.
    fn fixed(&self) -> &'static [(&'static str, &'static str)] {
        &[]
    }

    /// How one is replaced that has these differences and can't be changed.
    fn replaced(&self, differences: &[Difference]) -> Replaced {
        let _ = differences;
        Replaced::NewFirst
    }

    /// Properties of AWS's that aren't compared, and why: what `drift` can't see.
    fn uncompared(&self) -> &'static [(&'static str, &'static str)] {
        &[]
    }

    /// Kinds of which all must be deleted before one of this is, beyond those that refer to it.
    fn deleted_after(&self) -> &'static [Kind] {
        &[]
    }

    /// All of the estate's resources of this kind.
    fn discover<'a>(&'a self, cloud: &'a Cloud, scope: &'a Scope) -> BoxFuture<'a, Result<Vec<Observed>, KindError>>;

    /// How what is there differs from what is desired; pure.
    fn compare(&self, wanted: &Resource, resolved: &Properties, observed: &Observed) -> Comparison {
        crate::plan::compare(self.fixed(), wanted, resolved, observed)
    }

    /// What a change with these differences doesn't reach, for the plan to say.
    fn unreached(&self, differences: &[Difference]) -> Option<&'static str> {
        let _ = differences;
        None
    }

    /// Attributes that a change with these differences gives another value.
    fn renews(&self, differences: &[Difference]) -> &'static [&'static str] {
        let _ = differences;
        &[]
    }

    /// Whether having none is right for these properties.
    fn is_nothing(&self, properties: &Properties) -> bool {
        let _ = properties;
        false
    }

    /// Whether destroying the estate has something to do with what was found.
    fn deletable(&self, observed: &Observed) -> bool {
        let _ = observed;
        true
    }

    /// Makes one, and returns its attributes.
    fn create<'a>(
        &'a self,
        cx: &'a Context<'a>,
        wanted: &'a Wanted<'a>,
    ) -> BoxFuture<'a, Result<BTreeMap<String, String>, KindError>>;

    /// Changes one in place, and returns its attributes.
    fn change<'a>(
        &'a self,
        cx: &'a Context<'a>,
        wanted: &'a Wanted<'a>,
        current: &'a Observed,
    ) -> BoxFuture<'a, Result<BTreeMap<String, String>, KindError>>;

    /// Deletes one, and says what of it is left.
    fn delete<'a>(
        &'a self,
        cx: &'a Context<'a>,
        current: &'a Observed,
    ) -> BoxFuture<'a, Result<Option<Left>, KindError>>;
}

/// Declares [`Kind`], [`KINDS`] and [`operations`] from one table, in the order in which an estate is built.
macro_rules! kinds {
    ($($variant:ident, $name:literal, $operations:expr, $doc:literal;)*) => {
        /// The kinds of resources, in the order in which an estate is built.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Kind {
            $(#[doc = $doc] #[serde(rename = $name)] $variant,)*
        }

        impl Kind {
            /// The kind's name, as plans show it and ids begin with it.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }
        }

        /// All kinds.
        pub const KINDS: &[Kind] = &[$(Kind::$variant,)*];

        /// What a kind can do.
        pub fn operations(kind: Kind) -> &'static dyn Operations {
            match kind {
                $(Kind::$variant => &$operations,)*
            }
        }
    };
}

kinds! {
    Budget, "budget", budget::Budgets, "A monthly budget with its notifications.";
    Key, "key", key::Keys, "A KMS key.";
    Alias, "alias", alias::Aliases, "The name of a KMS key.";
    Vpc, "vpc", vpc::Vpcs, "A virtual private cloud.";
    InternetGateway, "internet-gateway", internet_gateway::InternetGateways, "A gateway between a VPC and the internet.";
    NetworkAcl, "network-acl", network_acl::NetworkAcls, "The network ACL that a VPC comes with.";
    Subnet, "subnet", subnet::Subnets, "A subnet.";
    Address, "address", address::Addresses, "An elastic address.";
    NatGateway, "nat-gateway", nat_gateway::NatGateways, "A NAT gateway.";
    RouteTable, "route-table", route_table::RouteTables, "A route table with its routes and the subnets that it serves.";
    SecurityGroup, "security-group", security_group::SecurityGroups, "A security group, without its rules.";
    SecurityGroupRules, "security-group-rules", security_group_rules::AllRules, "All rules of one security group.";
    VpcEndpoint, "vpc-endpoint", vpc_endpoint::VpcEndpoints, "An endpoint of a VPC.";
    Role, "role", role::Roles, "An IAM role with its policies.";
    BackupVault, "backup-vault", backup_vault::BackupVaults, "A vault of AWS Backup.";
    BackupPlan, "backup-plan", backup_plan::BackupPlans, "A plan of AWS Backup, with what it selects.";
    LogGroup, "log-group", log_group::LogGroups, "A log group of CloudWatch Logs.";
    FlowLog, "flow-log", flow_log::FlowLogs, "The record of a VPC's traffic.";
    InstanceProfile, "instance-profile", instance_profile::InstanceProfiles, "An IAM instance profile.";
    LaunchTemplate, "launch-template", launch_template::LaunchTemplates, "A launch template.";
    Instances, "instances", instances::Groups, "All instances of one launch template.";
    AutoScalingGroup, "auto-scaling-group", auto_scaling_group::AutoScalingGroups, "An Auto Scaling group with its hosts.";
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// A document as JSON.
pub(crate) fn json(what: &'static str, physical: &str, text: &str) -> Result<Value, KindError> {
    serde_json::from_str(text).map_err(|source| KindError::Json { what, physical: physical.to_owned(), source })
}

/// Properties from a kind's struct.
pub(crate) fn properties(id: &ResourceId, value: &impl Serialize) -> Result<Properties, KindError> {
    Properties::of(value).map_err(|source| KindError::Properties { id: id.clone(), source })
}

/// The attributes of what has only an id.
pub(crate) fn only_id(id: &str) -> BTreeMap<String, String> {
    BTreeMap::from([("id".to_owned(), id.to_owned())])
}

/// How often a ClientToken that belongs to something deleted is given up for another.
const GHOSTS: u32 = 20;
/// How long what was just made may be unseen before its ClientToken is taken for a deleted resource's.
const UNSEEN: Duration = Duration::from_secs(20);

/// Makes something by ClientToken and sees that it is there: a token stays taken for a day after its resource is
/// deleted, and until then a repeated call only repeats the old answer.
pub(crate) async fn make_by_token<M, S>(
    what: &ResourceId,
    mut make: impl FnMut(u32) -> M,
    mut seen: impl FnMut(String) -> S,
) -> Result<String, KindError>
where
    M: Future<Output = Result<String, KindError>>,
    S: Future<Output = Result<bool, KindError>>,
{
    for attempt in 0..GHOSTS {
        let id = make(attempt).await?;
        let deadline = Instant::now() + UNSEEN;
        let mut pause = Duration::from_millis(100);
        loop {
            if seen(id.clone()).await? {
                return Ok(id);
            }
            if Instant::now() + pause > deadline {
                break;
            }
            sleep(pause).await;
            pause *= 2;
        }
    }
    let state = "answered for with the ids of deleted ones".to_owned();
    Err(KindError::Deadline { what: what.to_string(), state, seconds: UNSEEN.as_secs() * u64::from(GHOSTS) })
}
