//! All rules of one security group, as one resource: rules name other groups, which must be there first.
//!
//! The rules of a group are compared as a whole, so one that somebody added is found and revoked. Who may connect is
//! compared, not how a rule is described. Deleting this
//! resource revokes them all: that breaks the references between groups, without which none could be deleted.
//! What hosts may send is only what they need; the VPC's resolver, clock and metadata service aren't filtered by
//! groups (VPC User Guide, "Security groups").

use std::collections::BTreeSet;
use std::time::Duration;

use aws_sdk_ec2::types::{IpPermission, IpRange, Ipv6Range, PrefixListId, SecurityGroup, UserIdGroupPair};
use serde::{Deserialize, Serialize};
use tokio::time::sleep;

use super::ec2::{NOT_YET, filter, id_of, put_tags, read_tags};
use super::{
    Call, Comparison, Context, Deleted, Discovered, KindError, Made, Observed, Operations, Practice, SOON, Wanted,
    When, only_id, properties,
};
use crate::cloud::{Cloud, CloudError, Service, found};
use crate::estate::{Kind, Properties, Ref, Resource, ResourceId, Scope, tags};

/// The rules of one group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rules<L = Ref> {
    /// The group.
    pub group: L,
    /// What may come in.
    pub ingress: Vec<Rule<L>>,
    /// What may go out.
    pub egress: Vec<Rule<L>>,
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rule<L = Ref> {
    /// `tcp`, `udp`, `icmp`, a number, or `-1` for all.
    pub protocol: String,
    /// The lowest port; -1 for all.
    pub from: i32,
    /// The highest port; -1 for all.
    pub to: i32,
    /// With whom.
    pub peer: Peer<L>,
    /// Why. Not compared, and empty in what was found.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
}

/// Whom a rule is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Peer<L = Ref> {
    /// Addresses.
    Cidr(String),
    /// IPv6 addresses.
    Cidr6(String),
    /// Members of a group.
    Group(L),
    /// A list of ranges that AWS or somebody else keeps.
    PrefixList(String),
}

impl<L> Rule<L> {
    /// Who may connect by it: all that makes it differ from another.
    fn connects(&self) -> (&str, i32, i32, &Peer<L>) {
        (&self.protocol, self.from, self.to, &self.peer)
    }

    /// TCP to one port.
    pub fn tcp(port: u16, peer: Peer<L>, description: &str) -> Self {
        let port = i32::from(port);
        Self { protocol: "tcp".into(), from: port, to: port, peer, description: description.into() }
    }
}

pub(super) struct AllRules;

/// What it takes.
const CALLS: &[Call] = &[
    Call { when: When::Discover, action: "ec2:DescribeSecurityGroups", resources: &["*"] },
    Call { when: When::Create, action: "ec2:AuthorizeSecurityGroupIngress", resources: &["*"] },
    Call { when: When::Create, action: "ec2:AuthorizeSecurityGroupEgress", resources: &["*"] },
    Call { when: When::Create, action: "ec2:RevokeSecurityGroupIngress", resources: &["*"] },
    Call { when: When::Create, action: "ec2:RevokeSecurityGroupEgress", resources: &["*"] },
    Call { when: When::Create, action: "ec2:CreateTags", resources: &["*"] },
    Call { when: When::Change, action: "ec2:AuthorizeSecurityGroupIngress", resources: &["*"] },
    Call { when: When::Change, action: "ec2:AuthorizeSecurityGroupEgress", resources: &["*"] },
    Call { when: When::Change, action: "ec2:RevokeSecurityGroupIngress", resources: &["*"] },
    Call { when: When::Change, action: "ec2:RevokeSecurityGroupEgress", resources: &["*"] },
    Call { when: When::Change, action: "ec2:CreateTags", resources: &["*"] },
    Call { when: When::Delete, action: "ec2:RevokeSecurityGroupIngress", resources: &["*"] },
    Call { when: When::Delete, action: "ec2:RevokeSecurityGroupEgress", resources: &["*"] },
];

impl Operations for AllRules {
    fn practice(&self) -> Practice {
        Practice {
            what: "The only ways into and out of machines of one purpose",
            why: "SSH from named ranges to the bastion, from the bastion to hosts, and out only to what is named",
            source: "https://docs.aws.amazon.com/vpc/latest/userguide/security-group-rules.html",
        }
    }

    fn calls(&self) -> &'static [Call] {
        CALLS
    }

    fn uncompared(&self) -> &'static [(&'static str, &'static str)] {
        &[("descriptions of rules", "they say why, and decide nothing")]
    }

    fn fixed(&self) -> &'static [(&'static str, &'static str)] {
        &[("group", "rules belong to their group")]
    }

    fn deleted_after(&self) -> &'static [Kind] {
        // A connection in use is no reason to stay, but a host that is going still ships the last of its trail.
        &[Kind::Instances]
    }

    /// Nothing: the answer that has the groups has their rules, so [`Kind::SecurityGroup`] finds them both.
    fn discover<'a>(&'a self, _cloud: &'a Cloud, _scope: &'a Scope) -> Discovered<'a> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn compare(&self, wanted: &Resource, resolved: &Properties, observed: &Observed) -> Comparison {
        let mut compared = resolved.clone();
        let rules = compared.0.values_mut().filter_map(serde_json::Value::as_array_mut).flatten();
        for rule in rules.filter_map(serde_json::Value::as_object_mut) {
            rule.remove("description");
        }
        crate::plan::compare(self.fixed(), wanted, &compared, observed)
    }

    fn deletable(&self, observed: &Observed) -> bool {
        let count = |name| observed.properties.0.get(name).and_then(serde_json::Value::as_array).map_or(0, Vec::len);
        count("ingress") + count("egress") > 0
    }

    fn create<'a>(&'a self, cx: &'a Context<'a>, wanted: &'a Wanted<'a>) -> Made<'a> {
        Box::pin(async move {
            let rules: Rules<String> = wanted.parse()?;
            reconcile(cx.cloud, &rules).await?;
            put_tags(cx.cloud, std::slice::from_ref(&rules.group), &wanted.resource.tags).await?;
            Ok(only_id(&rules.group))
        })
    }

    fn change<'a>(&'a self, cx: &'a Context<'a>, wanted: &'a Wanted<'a>, _current: &'a Observed) -> Made<'a> {
        self.create(cx, wanted)
    }

    fn delete<'a>(&'a self, cx: &'a Context<'a>, current: &'a Observed) -> Deleted<'a> {
        Box::pin(async move {
            let none = Rules { group: current.physical.clone(), ingress: Vec::new(), egress: Vec::new() };
            match reconcile(cx.cloud, &none).await {
                // The group is gone, and its rules with it.
                Err(KindError::Cloud(error)) if error.is(NOT_YET) => Ok(None),
                result => result.map(|()| None),
            }
        })
    }
}

/// The rules that a group has, if it has an id inside the estate.
pub(super) fn of(group: &SecurityGroup) -> Result<Option<Observed>, KindError> {
    let mut digest = read_tags(group.tags.clone());
    let Some(of) = id_of(&digest) else { return Ok(None) };
    digest.retain(|key, _| key == tags::RULES);
    let (Some(name), Some(physical)) = (of.name(), group.group_id()) else { return Ok(None) };
    let id = ResourceId::named(Kind::SecurityGroupRules, name);
    let found = Rules {
        group: physical.to_owned(),
        ingress: undescribed(read(group.ip_permissions())),
        egress: undescribed(read(group.ip_permissions_egress())),
    };
    let properties = properties(&id, &found)?;
    let mut observed = Observed::new(Kind::SecurityGroupRules, id, physical, properties);
    observed.name = group.group_name().unwrap_or_default().to_owned();
    observed.tags = digest;
    Ok(Some(observed))
}

/// The rules as they are now, in sorted order. A permission of EC2 holds several.
fn read(permissions: &[IpPermission]) -> Vec<Rule<String>> {
    let mut rules = Vec::new();
    for permission in permissions {
        let mut add = |peer, description: Option<&str>| {
            rules.push(Rule {
                protocol: permission.ip_protocol.clone().unwrap_or_else(|| "-1".into()),
                from: permission.from_port.unwrap_or(-1),
                to: permission.to_port.unwrap_or(-1),
                peer,
                description: description.unwrap_or_default().to_owned(),
            });
        };
        for range in permission.ip_ranges() {
            add(Peer::Cidr(range.cidr_ip.clone().unwrap_or_default()), range.description());
        }
        for range in permission.ipv6_ranges() {
            add(Peer::Cidr6(range.cidr_ipv6.clone().unwrap_or_default()), range.description());
        }
        for pair in permission.user_id_group_pairs() {
            add(Peer::Group(pair.group_id.clone().unwrap_or_default()), pair.description());
        }
        for list in permission.prefix_list_ids() {
            add(Peer::PrefixList(list.prefix_list_id.clone().unwrap_or_default()), list.description());
        }
    }
    rules.sort_by(|a: &Rule<String>, b| a.connects().cmp(&b.connects()));
    rules
}

/// One rule as EC2 takes it.
fn permission(rule: &Rule<String>) -> IpPermission {
    let why = Some(rule.description.clone()).filter(|why| !why.is_empty());
    let permission = IpPermission::builder().ip_protocol(&rule.protocol);
    // "-1" is all protocols, which have no ports.
    let permission = if rule.protocol == "-1" { permission } else { permission.from_port(rule.from).to_port(rule.to) };
    match &rule.peer {
        Peer::Cidr(cidr) => permission.ip_ranges(IpRange::builder().cidr_ip(cidr).set_description(why).build()),
        Peer::Cidr6(cidr) => permission.ipv6_ranges(Ipv6Range::builder().cidr_ipv6(cidr).set_description(why).build()),
        Peer::Group(group) => {
            permission.user_id_group_pairs(UserIdGroupPair::builder().group_id(group).set_description(why).build())
        }
        Peer::PrefixList(list) => {
            permission.prefix_list_ids(PrefixListId::builder().prefix_list_id(list).set_description(why).build())
        }
    }
    .build()
}

/// Rules as they are compared.
fn undescribed(mut rules: Vec<Rule<String>>) -> Vec<Rule<String>> {
    rules.iter_mut().for_each(|rule| rule.description.clear());
    rules
}

/// How often the rules are looked at until they are what they shall be.
const ROUNDS: u32 = 6;

/// Revokes what is too much and allows what is missing, until a look shows that nothing is.
///
/// A rule that is gone before it is revoked, or there before it is allowed, is no error: the next look tells.
async fn reconcile(cloud: &Cloud, wanted: &Rules<String>) -> Result<(), KindError> {
    for round in 0..ROUNDS {
        if round > 1 {
            sleep(Duration::from_millis(250) * round).await;
        }
        let group = cloud.patiently(SOON, NOT_YET, || describe(cloud, &wanted.group)).await?;
        let ingress = Changes::between(&read(group.ip_permissions()), &wanted.ingress);
        let egress = Changes::between(&read(group.ip_permissions_egress()), &wanted.egress);
        if ingress.is_none() && egress.is_none() {
            return Ok(());
        }
        change_ingress(cloud, &wanted.group, ingress).await?;
        change_egress(cloud, &wanted.group, egress).await?;
    }
    let what = format!("the rules of {}", wanted.group);
    Err(KindError::Deadline { what, state: "not what they were set to".to_owned(), seconds: 5 })
}

async fn describe(cloud: &Cloud, group: &str) -> Result<SecurityGroup, CloudError> {
    const OPERATION: &str = "DescribeSecurityGroups";
    let request = cloud.ec2.describe_security_groups().filters(filter("group-id", group)).send();
    let groups = cloud.call(Service::Ec2, OPERATION, request).await?.security_groups.unwrap_or_default();
    groups.into_iter().next().ok_or_else(|| CloudError::coded(Service::Ec2, OPERATION, "InvalidGroup.NotFound", group))
}

async fn change_ingress(cloud: &Cloud, group: &str, changes: Changes) -> Result<(), KindError> {
    if let Some(rules) = changes.revoked {
        let request = cloud.ec2.revoke_security_group_ingress().group_id(group).set_ip_permissions(Some(rules));
        let answer = cloud.call(Service::Ec2, "RevokeSecurityGroupIngress", request.send()).await;
        found(answer, &["InvalidPermission.NotFound"])?;
    }
    if let Some(rules) = changes.allowed {
        let request = cloud.ec2.authorize_security_group_ingress().group_id(group).set_ip_permissions(Some(rules));
        let call = || cloud.call(Service::Ec2, "AuthorizeSecurityGroupIngress", request.clone().send());
        found(cloud.patiently(SOON, NOT_YET, call).await, &["InvalidPermission.Duplicate"])?;
    }
    Ok(())
}

async fn change_egress(cloud: &Cloud, group: &str, changes: Changes) -> Result<(), KindError> {
    if let Some(rules) = changes.revoked {
        let request = cloud.ec2.revoke_security_group_egress().group_id(group).set_ip_permissions(Some(rules));
        let answer = cloud.call(Service::Ec2, "RevokeSecurityGroupEgress", request.send()).await;
        found(answer, &["InvalidPermission.NotFound"])?;
    }
    if let Some(rules) = changes.allowed {
        let request = cloud.ec2.authorize_security_group_egress().group_id(group).set_ip_permissions(Some(rules));
        let call = || cloud.call(Service::Ec2, "AuthorizeSecurityGroupEgress", request.clone().send());
        found(cloud.patiently(SOON, NOT_YET, call).await, &["InvalidPermission.Duplicate"])?;
    }
    Ok(())
}

/// What leads from some rules to others; `None` where nothing is to be done.
struct Changes {
    revoked: Option<Vec<IpPermission>>,
    allowed: Option<Vec<IpPermission>>,
}

impl Changes {
    fn is_none(&self) -> bool {
        self.revoked.is_none() && self.allowed.is_none()
    }

    fn between(old: &[Rule<String>], new: &[Rule<String>]) -> Self {
        let lacking = |these: &[Rule<String>], those: &[Rule<String>]| {
            let those: BTreeSet<_> = those.iter().map(Rule::connects).collect();
            let lacking: Vec<_> =
                these.iter().filter(|rule| !those.contains(&rule.connects())).map(permission).collect();
            (!lacking.is_empty()).then_some(lacking)
        };
        Self { revoked: lacking(old, new), allowed: lacking(new, old) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_survives_the_way_through_ec2s_form() {
        let rules: Vec<Rule<String>> = vec![
            Rule::tcp(22, Peer::Cidr("203.0.113.0/24".into()), "SSH"),
            Rule::tcp(22, Peer::Group("sg-1".into()), ""),
            Rule::tcp(443, Peer::PrefixList("pl-1".into()), "S3"),
            Rule {
                protocol: "-1".into(),
                from: -1,
                to: -1,
                peer: Peer::Cidr6("::/0".into()),
                description: String::new(),
            },
        ];
        let read = read(&rules.iter().map(permission).collect::<Vec<_>>());
        assert_eq!(read.len(), rules.len());
        assert!(rules.iter().all(|rule| read.iter().any(|read| read.connects() == rule.connects())), "{read:?}");
    }

    #[test]
    fn only_what_differs_is_revoked_and_allowed() {
        let rule = |port, why| Rule::tcp(port, Peer::Group("sg-1".to_owned()), why);
        let changes = Changes::between(&[rule(22, ""), rule(23, "")], &[rule(23, "described"), rule(24, "")]);
        assert_eq!(read(&changes.revoked.unwrap()), [rule(22, "")]);
        assert_eq!(read(&changes.allowed.unwrap()), [rule(24, "")]);
        let none = Changes::between(&[rule(22, "")], &[rule(22, "")]);
        assert!(none.is_none());
    }
}
