//! The VPC's default network ACL, which every subnet has that nobody gave another.
//!
//! It can't be made or deleted, so it is adopted: tagged, and kept letting all pass, as AWS makes it. Security groups are
//! the walls; a rule that somebody adds here would cut connections that the groups allow, or hide what they don't.

use aws_sdk_ec2::types::{NetworkAcl as Acl, NetworkAclEntry, PortRange, RuleAction};
use serde::{Deserialize, Serialize};

use super::ec2::{NOT_YET, PAGE, filter, observed, of_estate, put_tags, retag};
use super::{
    Call, Context, Deleted, Discovered, KindError, Made, Observed, Operations, Practice, SOON, Wanted, When, only_id,
};
use crate::cloud::{Cloud, CloudError, Service, found};
use crate::estate::{Kind, Ref, Scope};

/// A network ACL's properties.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NetworkAcl<L = Ref> {
    /// The VPC that it is in.
    pub vpc: L,
    /// Rules for what comes in, without the last one, which refuses all.
    pub ingress: Vec<Entry>,
    /// Rules for what goes out, without the last one, which refuses all.
    pub egress: Vec<Entry>,
}

/// A rule; the first that matches decides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its number, by which rules are tried in order.
    pub number: i32,
    /// `allow` or `deny`.
    pub action: String,
    /// The protocol's number; `-1` for all.
    pub protocol: String,
    /// Whom it is about: a range of IPv4 or IPv6.
    pub range: String,
    /// The first and the last port, where the protocol has ports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ports: Option<(i32, i32)>,
}

impl Entry {
    /// The rule that AWS makes a default ACL with.
    pub fn all_pass() -> Self {
        Self { number: 100, action: "allow".into(), protocol: "-1".into(), range: "0.0.0.0/0".into(), ports: None }
    }
}

pub(super) struct NetworkAcls;

/// The last rule has this number or, for IPv6, the next; it refuses all and can't be changed.
const LAST: i32 = 32_767;

/// What it takes.
const CALLS: &[Call] = &[
    Call { when: When::Discover, action: "ec2:DescribeNetworkAcls", resources: &["*"] },
    Call { when: When::Create, action: "ec2:CreateTags", resources: &["*"] },
    Call { when: When::Create, action: "ec2:CreateNetworkAclEntry", resources: &["*"] },
    Call { when: When::Create, action: "ec2:ReplaceNetworkAclEntry", resources: &["*"] },
    Call { when: When::Create, action: "ec2:DeleteNetworkAclEntry", resources: &["*"] },
    Call { when: When::Change, action: "ec2:CreateTags", resources: &["*"] },
    Call { when: When::Change, action: "ec2:CreateNetworkAclEntry", resources: &["*"] },
    Call { when: When::Change, action: "ec2:ReplaceNetworkAclEntry", resources: &["*"] },
    Call { when: When::Change, action: "ec2:DeleteNetworkAclEntry", resources: &["*"] },
];

impl Operations for NetworkAcls {
    fn practice(&self) -> Practice {
        Practice {
            what: "The network's own rules, which every subnet has unless it is given others",
            why: "Walls are in one place, the security groups; what is here is tagged and watched like all else",
            source: "https://docs.aws.amazon.com/vpc/latest/userguide/default-network-acl.html",
        }
    }

    fn calls(&self) -> &'static [Call] {
        CALLS
    }

    fn fixed(&self) -> &'static [(&'static str, &'static str)] {
        &[("vpc", "a network ACL stays in its VPC")]
    }

    fn uncompared(&self) -> &'static [(&'static str, &'static str)] {
        &[("subnets", "every subnet has this one unless somebody gave it another")]
    }

    fn discover<'a>(&'a self, cloud: &'a Cloud, scope: &'a Scope) -> Discovered<'a> {
        Box::pin(async move {
            let pages = cloud.ec2.describe_network_acls().filters(of_estate(scope)).max_results(PAGE).into_paginator();
            let acls: Vec<_> =
                cloud.call(Service::Ec2, "DescribeNetworkAcls", pages.items().send().try_collect()).await?;
            let mut all = Vec::new();
            for acl in acls {
                let found = read(&acl);
                all.extend(observed(Kind::NetworkAcl, acl.tags, acl.network_acl_id, &found)?);
            }
            Ok(all)
        })
    }

    fn deletable(&self, _observed: &Observed) -> bool {
        // It goes with its VPC.
        false
    }

    fn create<'a>(&'a self, cx: &'a Context<'a>, wanted: &'a Wanted<'a>) -> Made<'a> {
        Box::pin(async move {
            let new: NetworkAcl<String> = wanted.parse()?;
            let (id, old) = default_of(cx.cloud, &new.vpc).await?;
            put_tags(cx.cloud, std::slice::from_ref(&id), &wanted.resource.tags).await?;
            reconcile(cx.cloud, &id, &new, &old).await?;
            Ok(only_id(&id))
        })
    }

    fn change<'a>(&'a self, cx: &'a Context<'a>, wanted: &'a Wanted<'a>, current: &'a Observed) -> Made<'a> {
        Box::pin(async move {
            reconcile(cx.cloud, &current.physical, &wanted.parse()?, &current.parse()?).await?;
            retag(cx.cloud, wanted, current).await
        })
    }

    fn delete<'a>(&'a self, _cx: &'a Context<'a>, _current: &'a Observed) -> Deleted<'a> {
        Box::pin(async { Ok(None) })
    }
}

/// The ACL that a VPC came with.
async fn default_of(cloud: &Cloud, vpc: &str) -> Result<(String, NetworkAcl<String>), KindError> {
    const OPERATION: &str = "DescribeNetworkAcls";
    let look = || async {
        let request =
            cloud.ec2.describe_network_acls().filters(filter("vpc-id", vpc)).filters(filter("default", "true"));
        let acls = cloud.call(Service::Ec2, OPERATION, request.send()).await?.network_acls.unwrap_or_default();
        let own = acls.into_iter().find_map(|acl| Some((acl.network_acl_id.clone()?, read(&acl))));
        own.ok_or_else(|| CloudError::coded(Service::Ec2, OPERATION, "InvalidNetworkAclID.NotFound", vpc))
    };
    Ok(cloud.patiently(SOON, NOT_YET, look).await?)
}

fn read(acl: &Acl) -> NetworkAcl<String> {
    let of = |egress| {
        let entries = acl.entries().iter().filter(|entry| entry.egress.unwrap_or(false) == egress);
        let mut entries: Vec<_> = entries.filter_map(read_entry).collect();
        entries.sort_by_key(|entry| entry.number);
        entries
    };
    NetworkAcl { vpc: acl.vpc_id.clone().unwrap_or_default(), ingress: of(false), egress: of(true) }
}

fn read_entry(entry: &NetworkAclEntry) -> Option<Entry> {
    let ports = entry.port_range.as_ref().map(|ports| (ports.from.unwrap_or(-1), ports.to.unwrap_or(-1)));
    Some(Entry {
        number: entry.rule_number.filter(|number| *number < LAST)?,
        action: entry.rule_action.as_ref()?.to_string(),
        protocol: entry.protocol.clone()?,
        range: entry.cidr_block.clone().or_else(|| entry.ipv6_cidr_block.clone())?,
        ports,
    })
}

async fn reconcile(
    cloud: &Cloud,
    acl: &str,
    new: &NetworkAcl<String>,
    old: &NetworkAcl<String>,
) -> Result<(), KindError> {
    for (egress, new, old) in [(false, &new.ingress, &old.ingress), (true, &new.egress, &old.egress)] {
        for entry in new.iter().filter(|entry| !old.contains(entry)) {
            let there = old.iter().any(|other| other.number == entry.number);
            put_entry(cloud, acl, egress, entry, there).await?;
        }
        for entry in old.iter().filter(|entry| !new.iter().any(|other| other.number == entry.number)) {
            let request =
                cloud.ec2.delete_network_acl_entry().network_acl_id(acl).egress(egress).rule_number(entry.number);
            let answer = cloud.call(Service::Ec2, "DeleteNetworkAclEntry", request.send()).await;
            found(answer, &["InvalidNetworkAclEntry.NotFound"])?;
        }
    }
    Ok(())
}

/// Makes a rule, or puts it in the place of the one with its number.
async fn put_entry(cloud: &Cloud, acl: &str, egress: bool, entry: &Entry, there: bool) -> Result<(), KindError> {
    let ports = entry.ports.map(|(from, to)| PortRange::builder().from(from).to(to).build());
    let action = RuleAction::from(entry.action.as_str());
    let (v4, v6) = if entry.range.contains(':') { (None, Some(&entry.range)) } else { (Some(&entry.range), None) };
    if there {
        let request = cloud
            .ec2
            .replace_network_acl_entry()
            .network_acl_id(acl)
            .egress(egress)
            .rule_number(entry.number)
            .rule_action(action)
            .protocol(&entry.protocol)
            .set_cidr_block(v4.cloned())
            .set_ipv6_cidr_block(v6.cloned())
            .set_port_range(ports);
        cloud.call(Service::Ec2, "ReplaceNetworkAclEntry", request.send()).await?;
    } else {
        let request = cloud
            .ec2
            .create_network_acl_entry()
            .network_acl_id(acl)
            .egress(egress)
            .rule_number(entry.number)
            .rule_action(action)
            .protocol(&entry.protocol)
            .set_cidr_block(v4.cloned())
            .set_ipv6_cidr_block(v6.cloned())
            .set_port_range(ports);
        cloud.call(Service::Ec2, "CreateNetworkAclEntry", request.send()).await?;
    }
    Ok(())
}
