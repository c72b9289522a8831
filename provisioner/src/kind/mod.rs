//! The kinds of resources: one file each, one table listing them.
//!
//! A kind's file has, from top to bottom: the struct of its properties, how it is discovered (one filtered, paginated
//! Describe for all of an estate's, whatever the spec names), how one is made, changed and deleted, and what it is for,
//! costs and calls. To add a kind is to add a file and a line to the table below.
//!
//! [`Operations`] is what a kind can do, [`Observed`] what was found of it. What kinds share is in `ec2` (tags, pages, what
//! EC2 says of what isn't there yet), `token` (making by ClientToken and reading back) and `wait` (what takes minutes).
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
mod observed;
mod operations;
pub mod role;
pub mod route_table;
pub mod security_group;
pub mod security_group_rules;
pub mod subnet;
mod token;
pub mod vpc;
pub mod vpc_endpoint;
mod wait;

use std::time::Duration;

pub use about::{Call, Practice, Priced, Sku, Usage, When};
pub use alias::Alias;
pub use error::KindError;
pub use observed::Observed;
pub(crate) use observed::{json, only_id, properties};
pub(crate) use operations::deleted;
pub use operations::{
    Attributes, Comparison, Context, Deleted, Difference, Discovered, Left, Made, Operations, Replaced, Wanted,
};
use serde::{Deserialize, Serialize};
pub(crate) use token::{GHOSTS, UNSEEN, make_by_token};
pub(crate) use wait::{NotYet, Patience, wait};

/// Calls that fail since what they name was just made are repeated for so long.
pub(crate) const SOON: Duration = Duration::from_secs(90);
/// Deletions that fail since what uses the resource is still going are repeated for so long.
pub(crate) const IN_USE: Duration = Duration::from_secs(300);

/// Declares [`Kind`], [`KINDS`] and [`operations()`] from one table, in the order in which an estate is built.
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

#[cfg(test)]
mod tests {
    /// What the README shows of a kind is what the kind is.
    #[test]
    fn what_the_readme_quotes_of_a_kind_is_in_its_file() {
        let file: Vec<_> = include_str!("subnet.rs").lines().map(str::trim).collect();
        let readme = include_str!("../../README.md");
        let section = readme.split_once("## How to add a kind of resource").unwrap().1;
        let section = section.split_once("\n## ").map_or(section, |(section, _)| section);
        let blocks = section.split("```rust").skip(1).map(|block| block.split_once("```").unwrap().0);
        let quoted: Vec<_> = blocks.flat_map(str::lines).map(str::trim).filter(|line| !line.is_empty()).collect();
        assert!(quoted.len() > 10, "{quoted:?}");
        for line in quoted {
            assert!(file.contains(&line), "{line} isn't in subnet.rs");
        }
    }
}
