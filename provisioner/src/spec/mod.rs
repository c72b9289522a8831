//! The spec: what an estate shall be, as its owner writes it in `estate.toml`.
//!
//! Pure: text in, a [`Spec`] or every [`Problem`] of the text out, each with its place. Nothing here reads a file,
//! the clock or the cloud. Invariants of a [`Spec`]:
//!
//! - each value is one that AWS takes (the types in [`value`] say whose rule it is);
//! - groups have different names, and their hosts fit the private subnet;
//! - the bastion is reachable from somewhere, but never from the whole internet;
//! - the trail is in another account than the estate;
//! - no text that looks like a secret is in it, nor in any message about it.

mod parse;
mod problem;
mod read;
mod secret;
mod suggest;
mod table;
mod template;
pub mod value;

pub use parse::{Checked, parse};
pub use problem::{Problem, ProblemInSource, Problems};
use serde::{Deserialize, Serialize};
pub use template::{Answers, first_spec};
pub use value::{
    AccountId, BastionRange, Description, Email, Environment, EstateName, GroupName, ImageId, InstanceType,
    NetworkRange, Region, SshPublicKey, TagValue, Zone,
};

/// What an estate shall be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spec {
    /// Its name, which is in its resources' names and in the tag `holdfast:estate`.
    pub name: EstateName,
    /// Where it is.
    pub region: Region,
    /// The only account that it may be made in.
    pub account: AccountId,
    /// What it is for.
    pub description: Description,
    /// The tags on everything.
    pub tags: Tags,
    /// Its network.
    pub network: Network,
    /// The one host that is reachable from outside.
    pub bastion: Bastion,
    /// What bastion and hosts boot from.
    pub image: Image,
    /// The groups of hosts, by their order in the file; at least one.
    pub hosts: Vec<HostGroup>,
    /// What it may cost.
    pub budget: Budget,
    /// Where its audit trail is kept; `None` keeps records only on the machine that `provision` runs on.
    pub audit: Option<Audit>,
}

impl Spec {
    /// How many hosts all groups have together.
    pub fn host_count(&self) -> u32 {
        self.hosts.iter().map(|group| group.count).sum()
    }
}

/// The user's own tags.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tags {
    /// The tag `Project`.
    pub project: TagValue,
    /// The tag `Department`.
    pub department: TagValue,
    /// The tag `Environment`.
    pub environment: Environment,
}

/// The estate's network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    /// Its range; `10.0.0.0/16` unless said otherwise.
    pub cidr: NetworkRange,
    /// The availability zone of both subnets, such as `eu-central-1a`; AWS chooses where it is `None`.
    pub zone: Option<Zone>,
}

/// The bastion, through which people reach the hosts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bastion {
    /// The ranges that may open an SSH connection to it; at least one.
    pub allow: Vec<BastionRange>,
    /// The keys that log in; at least one.
    pub ssh_keys: Vec<SshPublicKey>,
    /// `t3.micro` unless said otherwise.
    pub instance_type: InstanceType,
}

/// What bastion and hosts boot from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// The image's id in the estate's region.
    pub id: ImageId,
}

/// Hosts that are alike.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostGroup {
    /// The group's name, unique in the estate.
    pub name: GroupName,
    /// How many hosts it has; may be 0.
    pub count: u32,
    /// `t3.small` unless said otherwise.
    pub instance_type: InstanceType,
    /// The root volume's size in GiB; the image's own where it is `None`.
    pub root_gib: Option<u32>,
}

/// What the estate may cost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budget {
    /// US dollars in a month.
    pub monthly_usd: u32,
    /// Who is told when it runs out; one to ten addresses.
    pub alert: Vec<Email>,
}

/// Where the audit trail is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Audit {
    /// The central account, never the estate's own.
    pub account: AccountId,
    /// The region of the trail's bucket; the estate's own unless said otherwise.
    pub region: Region,
}

impl Audit {
    /// The bucket that the central account keeps the trail in.
    pub fn bucket(&self) -> String {
        format!("holdfast-trail-{}-{}", self.account, self.region)
    }
}

#[cfg(test)]
mod tests;
