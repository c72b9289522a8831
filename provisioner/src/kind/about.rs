//! What each kind says of itself: what it is for, what it is charged for, what calls it takes.

use std::collections::BTreeMap;

use super::instances::Host;
use crate::estate::{Properties, ResourceId};

/// Why an estate has a resource, and why it is as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Practice {
    /// What it is there for, in a sentence.
    pub what: &'static str,
    /// The practice that its settings follow.
    pub why: &'static str,
    /// The page that says so: a URL.
    pub source: &'static str,
}

/// A resource whose usage is asked for: as it is desired, or as it was found.
#[derive(Clone, Copy)]
pub struct Priced<'a> {
    /// Its id inside the estate.
    pub id: &'a ResourceId,
    /// What it is like; references may be unresolved.
    pub properties: &'a Properties,
    /// Its hosts where it was found and has some.
    pub hosts: &'a [Host],
    /// The properties of all resources of the same estate, for what depends on another's.
    pub all: &'a BTreeMap<ResourceId, Properties>,
}

/// What is charged for, as the price table has it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Sku {
    /// An instance of a type that runs all month (Linux, on demand).
    Instance(String),
    /// A GiB of a volume of this type (`gp3`) for a month.
    Volume(String),
    /// An I/O operation per second beyond what a gp3 volume has, for a month.
    VolumeIops,
    /// A MiB per second beyond what a gp3 volume has, for a month.
    VolumeThroughput,
    /// A customer-managed KMS key.
    Key,
    /// A public IPv4 address that is held all month.
    PublicAddress,
    /// A NAT gateway that runs all month, without its traffic.
    NatGateway,
    /// An interface endpoint in one zone that runs all month, without its traffic.
    InterfaceEndpoint,
    /// Something that costs, and of which nobody can say how much: what, and why.
    Unknown(String),
}

impl std::fmt::Display for Sku {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Instance(of) => write!(f, "instance {of}"),
            Self::Volume(of) => write!(f, "GiB of {of}"),
            Self::VolumeIops => f.write_str("IOPS beyond gp3's own"),
            Self::VolumeThroughput => f.write_str("MiB/s beyond gp3's own"),
            Self::Key => f.write_str("KMS key"),
            Self::PublicAddress => f.write_str("public IPv4 address"),
            Self::NatGateway => f.write_str("NAT gateway"),
            Self::InterfaceEndpoint => f.write_str("interface endpoint in a zone"),
            Self::Unknown(what) => f.write_str(what),
        }
    }
}

/// A quantity of what is charged for, in a month.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Usage {
    /// Of what.
    pub sku: Sku,
    /// How much, in the unit of [`Sku`].
    pub quantity: u64,
}

impl Usage {
    /// This much of it.
    pub fn of(sku: Sku, quantity: impl Into<u64>) -> Self {
        Self { sku, quantity: quantity.into() }
    }
}

/// When a call is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum When {
    /// Each time that the world is read.
    Discover,
    /// When one is made.
    Create,
    /// When one is changed.
    Change,
    /// When one is deleted.
    Delete,
}

/// A call of AWS, as IAM names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call {
    /// When it is made.
    pub when: When,
    /// The IAM action that allows it, such as `ec2:CreateVpc`.
    pub action: &'static str,
    /// The resources that it is asked for, as ARN patterns in which `{region}`, `{account}` and `{estate}` stand for
    /// the estate's; `*` where the action knows no resources (Service Authorization Reference).
    pub resources: &'static [&'static str],
}
