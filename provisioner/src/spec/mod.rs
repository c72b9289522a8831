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

mod overlay;
mod parse;
mod problem;
mod read;
mod reference;
mod schema;
mod secret;
mod settings;
mod suggest;
mod table;
mod template;
pub mod value;

use std::collections::BTreeMap;

pub use parse::{AllChecked, Checked, parse, parse_all, parse_for};
pub use problem::{Problem, ProblemInSource, Problems};
pub use reference::reference;
pub use schema::schema;
use serde::{Deserialize, Serialize};
pub use template::{Answers, first_spec};
pub use value::{
    AccountId, Action, AgentArguments, AgentLimits, BastionRange, ByteSize, Description, Device, Egress, Email,
    Environment, EstateName, GroupName, ImageId, InstanceType, KeyArn, NetworkRange, Region, ResourceArn, Schedule,
    SshPublicKey, SubnetId, TagKey, TagValue, TimeSpan, TopicArn, VolumeName, VpcId, Zone,
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
    /// What encrypts its volumes and logs.
    pub encryption: Encryption,
    /// What it may cost.
    pub budget: Budget,
    /// Where its audit trail is kept; `None` keeps records only on the machine that `provision` runs on.
    pub audit: Option<Audit>,
    /// When its volumes are backed up; `None` backs nothing up.
    pub backup: Option<Backup>,
    /// The patch group that its machines are in, as Systems Manager's Patch Manager knows it.
    pub patch_group: Option<TagValue>,
    /// Defaults that were weakened on purpose, and why.
    pub accepted: Vec<AcceptedRisk>,
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
    /// Whether it is made, or is there.
    pub place: Place,
    /// How hosts reach what is outside of the network.
    pub egress: Egress,
    /// How many days flow logs are kept; `None` where an accepted risk leaves them out.
    pub flow_logs_days: Option<u32>,
}

/// Whether a network is made, or one that is there is used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// It is made.
    Made {
        /// Its range; `10.0.0.0/16` unless said otherwise.
        cidr: NetworkRange,
        /// Its zones; two that AWS names first unless said otherwise.
        zones: Zones,
    },
    /// It is there, and stays as it is: only security groups and what is in them are made.
    Existing {
        /// The VPC.
        vpc: VpcId,
        /// Subnets for the bastion; at least one.
        public: Vec<SubnetId>,
        /// Subnets for the hosts; at least one.
        private: Vec<SubnetId>,
    },
}

/// The availability zones of a network: at most three.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Zones {
    /// The first ones of the region, by name.
    Count(u32),
    /// These, in this order.
    Named(Vec<Zone>),
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
#[serde(rename_all = "kebab-case")]
pub enum Image {
    /// The image of this id in the estate's region.
    Id(ImageId),
    /// The newest image that carries the tags `holdfast:image` and `holdfast:channel` with these values.
    Channel {
        /// The image's name.
        name: TagValue,
        /// The channel that it was promoted to, such as `stable`.
        channel: TagValue,
        /// The account that owns it; the estate's own unless said otherwise.
        owner: Option<AccountId>,
    },
}

/// Hosts that are alike.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostGroup {
    /// The group's name, unique in the estate.
    pub name: GroupName,
    /// The name that it had before: its hosts are renamed and stay.
    pub was: Option<GroupName>,
    /// How its hosts are run.
    pub mode: Mode,
    /// How many hosts it has; may be 0. In a fleet: how many it begins with.
    pub count: u32,
    /// The type that is wanted; `t3.small` unless said otherwise.
    pub instance_type: InstanceType,
    /// Types that do as well, in order, where AWS has no capacity for the first.
    pub alternatives: Vec<InstanceType>,
    /// The root volume's size in GiB; the image's own where it is `None`.
    pub root_gib: Option<u32>,
    /// Volumes beside those of the image.
    pub volumes: Vec<DataVolume>,
    /// Tags on its hosts, volumes and interfaces beyond the estate's.
    pub tags: BTreeMap<TagKey, TagValue>,
    /// What its role may do beyond what every host may.
    pub permissions: Vec<Permission>,
    /// Settings of its agent, for `/etc/holdfast/agent.toml`.
    pub agent: Agent,
    /// Whether EC2 refuses to end its hosts until that is taken back; on in Prod.
    pub termination_protection: bool,
}

/// How a group's hosts are run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Plain instances, each with an index: the same host comes back under the same index.
    Instances,
    /// An Auto Scaling group, which replaces and scales by itself.
    Fleet {
        /// The fewest hosts.
        min: u32,
        /// The most hosts.
        max: u32,
    },
}

/// A volume beside those of the image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataVolume {
    /// Its name in its group.
    pub name: VolumeName,
    /// The device that it is attached as.
    pub device: Device,
    /// Its size in GiB.
    pub gib: u32,
    /// I/O operations per second; gp3's 3,000 unless said otherwise.
    pub iops: Option<u32>,
    /// MiB per second; gp3's 125 unless said otherwise.
    pub throughput: Option<u32>,
    /// Whether it stays when its host goes, and when the estate does.
    pub keep: bool,
}

/// A statement of a role's policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Permission {
    /// What is allowed; at least one.
    pub actions: Vec<Action>,
    /// What it is allowed on; at least one.
    pub resources: Vec<ResourceArn>,
}

/// Settings of a host's agent that the spec gives. Serialized as TOML, it is a part of `/etc/holdfast/agent.toml`;
/// what is `None` is left out of it, and the agent's own default holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Agent {
    /// Bounds on jobs.
    #[serde(skip_serializing_if = "AgentJobs::is_default")]
    pub jobs: AgentJobs,
    /// What is recorded.
    #[serde(skip_serializing_if = "AgentAudit::is_default")]
    pub audit: AgentAudit,
}

impl Agent {
    /// Whether every setting is left to the agent.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// Bounds on a host's jobs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AgentJobs {
    /// Jobs at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max: Option<u32>,
    /// Ended jobs that are remembered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep: Option<u32>,
    /// Output kept for each job.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_bytes: Option<ByteSize>,
    /// The largest request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_bytes: Option<ByteSize>,
    /// What a job gets that says nothing about its limits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limits: Option<AgentLimits>,
    /// The wall-clock time of a job that asks for none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wall: Option<TimeSpan>,
    /// The most wall-clock time that a job may ask for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_wall: Option<TimeSpan>,
    /// How long a stopping agent waits for its jobs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop: Option<TimeSpan>,
}

impl AgentJobs {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// What a host's agent records.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AgentAudit {
    /// The most that records may take that the trail has not confirmed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_bytes: Option<ByteSize>,
    /// Whether a program's arguments are recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arguments: Option<AgentArguments>,
}

impl AgentAudit {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// What encrypts volumes and logs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Encryption {
    /// A key that is made for the estate.
    Made {
        /// Whether it stays when the estate goes.
        keep: bool,
    },
    /// A key that is there, and stays as it is.
    Existing(KeyArn),
}

/// What the estate may cost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budget {
    /// US dollars in a month.
    pub monthly_usd: u32,
    /// Percentages of actual spend at which somebody is told; 80 and 100 unless said otherwise.
    pub actual: Vec<u32>,
    /// Percentages of forecast spend at which somebody is told; 100 unless said otherwise.
    pub forecast: Vec<u32>,
    /// Who is told by mail; up to ten addresses, at least one where no topic is.
    pub alert: Vec<Email>,
    /// The SNS topic that is told.
    pub topic: Option<TopicArn>,
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

/// When volumes are backed up, and how long backups are kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backup {
    /// When, in UTC.
    pub schedule: Schedule,
    /// After how many days a backup is deleted.
    pub retention_days: u32,
    /// Whether the vault and its backups stay when the estate goes.
    pub keep: bool,
}

/// A default that was weakened on purpose.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AcceptedRisk {
    /// The setting that weakens it, such as `network.flow_logs_days`.
    pub setting: String,
    /// What it weakens.
    pub risk: String,
    /// Why, in the owner's words.
    pub reason: TagValue,
}

#[cfg(test)]
mod tests;
