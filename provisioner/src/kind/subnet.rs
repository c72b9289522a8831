//! Subnets: in each zone a public one, where the bastion can be, and a private one for hosts.
//!
//! Neither gives addresses to whatever starts in it: that the bastion has a public one is said where it is started.

use aws_sdk_ec2::types::{AttributeBooleanValue, ResourceType};
use serde::{Deserialize, Serialize};

use super::ec2::{NOT_YET, PAGE, USED, filter, id_of, observed, of_estate, read_tags, retag, tagged};
use super::{
    Call, Context, Deleted, Difference, Discovered, IN_USE, KindError, Made, Observed, Operations, Practice, Replaced,
    SOON, Wanted, When, deleted, only_id,
};
use crate::cloud::{Cloud, CloudError, Service};
use crate::estate::{Kind, Ref, Scope};

/// A subnet's properties.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Subnet<L = Ref> {
    /// The VPC that it is in.
    pub vpc: L,
    /// Its IPv4 range, which no other subnet of the VPC may overlap: so a second creation fails.
    pub cidr: String,
    /// Its availability zone.
    pub zone: String,
    /// Whether instances get a public address without asking.
    pub public_addresses: bool,
}

pub(super) struct Subnets;

/// What it takes.
const CALLS: &[Call] = &[
    Call { when: When::Discover, action: "ec2:DescribeSubnets", resources: &["*"] },
    Call { when: When::Create, action: "ec2:CreateSubnet", resources: &["*"] },
    Call { when: When::Create, action: "ec2:CreateTags", resources: &["*"] },
    Call { when: When::Create, action: "ec2:ModifySubnetAttribute", resources: &["*"] },
    Call { when: When::Change, action: "ec2:ModifySubnetAttribute", resources: &["*"] },
    Call { when: When::Change, action: "ec2:CreateTags", resources: &["*"] },
    Call { when: When::Delete, action: "ec2:DeleteSubnet", resources: &["*"] },
];

impl Operations for Subnets {
    fn practice(&self) -> Practice {
        Practice {
            what: "A part of the network in one zone",
            why: "Bastion and hosts are apart, and a zone that fails takes one part",
            source: "https://docs.aws.amazon.com/vpc/latest/userguide/configure-subnets.html",
        }
    }

    fn calls(&self) -> &'static [Call] {
        CALLS
    }

    fn uncompared(&self) -> &'static [(&'static str, &'static str)] {
        &[
            ("network ACL", "left as the VPC has it: security groups are the walls"),
            ("names of hosts in DNS", "they decide nothing"),
        ]
    }

    fn fixed(&self) -> &'static [(&'static str, &'static str)] {
        &[
            ("vpc", "a subnet stays in its VPC"),
            ("cidr", "a subnet's range can't be changed"),
            ("zone", "a subnet stays in its zone"),
        ]
    }

    fn replaced(&self, differences: &[Difference]) -> Replaced {
        match differences.iter().any(|one| one.property == "vpc") {
            true => Replaced::NewFirst,
            false => Replaced::OldFirst("two subnets of one VPC can't overlap"),
        }
    }

    fn deleted_after(&self) -> &'static [Kind] {
        &[Kind::Instances]
    }

    fn discover<'a>(&'a self, cloud: &'a Cloud, scope: &'a Scope) -> Discovered<'a> {
        Box::pin(async move {
            let pages = cloud.ec2.describe_subnets().filters(of_estate(scope)).max_results(PAGE).into_paginator();
            let subnets: Vec<_> =
                cloud.call(Service::Ec2, "DescribeSubnets", pages.items().send().try_collect()).await?;
            let mut all = Vec::new();
            for subnet in subnets {
                let found = Subnet {
                    vpc: subnet.vpc_id.unwrap_or_default(),
                    cidr: subnet.cidr_block.unwrap_or_default(),
                    zone: subnet.availability_zone.unwrap_or_default(),
                    public_addresses: subnet.map_public_ip_on_launch.unwrap_or(false),
                };
                all.extend(observed(Kind::Subnet, subnet.tags, subnet.subnet_id, &found)?);
            }
            Ok(all)
        })
    }

    fn create<'a>(&'a self, cx: &'a Context<'a>, wanted: &'a Wanted<'a>) -> Made<'a> {
        Box::pin(async move {
            let subnet: Subnet<String> = wanted.parse()?;
            let request = cx
                .cloud
                .ec2
                .create_subnet()
                .vpc_id(&subnet.vpc)
                .cidr_block(&subnet.cidr)
                .availability_zone(&subnet.zone)
                .tag_specifications(tagged(ResourceType::Subnet, &wanted.resource.tags));
            let call = || cx.cloud.call(Service::Ec2, "CreateSubnet", request.clone().send());
            let id = match cx.cloud.patiently(SOON, NOT_YET, call).await {
                Ok(made) => made.subnet.and_then(|subnet| subnet.subnet_id),
                // A crashed run made it, and discovery didn't see it yet; or somebody else has the range.
                Err(error) if error.is(&["InvalidSubnet.Conflict"]) => match of_range(cx, wanted, &subnet).await? {
                    Some(id) => Some(id),
                    None => return Err(error.into()),
                },
                Err(error) => return Err(error.into()),
            };
            let id = id.ok_or_else(|| CloudError::incomplete(Service::Ec2, "CreateSubnet", "subnet"))?;
            if subnet.public_addresses {
                set_public_addresses(cx.cloud, &id, true).await?;
            }
            Ok(only_id(&id))
        })
    }

    fn change<'a>(&'a self, cx: &'a Context<'a>, wanted: &'a Wanted<'a>, current: &'a Observed) -> Made<'a> {
        Box::pin(async move {
            let (new, old): (Subnet<String>, Subnet<String>) = (wanted.parse()?, current.parse()?);
            if new.public_addresses != old.public_addresses {
                set_public_addresses(cx.cloud, &current.physical, new.public_addresses).await?;
            }
            retag(cx.cloud, wanted, current).await
        })
    }

    fn delete<'a>(&'a self, cx: &'a Context<'a>, current: &'a Observed) -> Deleted<'a> {
        Box::pin(async move {
            let request = cx.cloud.ec2.delete_subnet().subnet_id(&current.physical);
            let call = || cx.cloud.call(Service::Ec2, "DeleteSubnet", request.clone().send());
            deleted(cx.cloud.patiently(IN_USE, USED, call).await, NOT_YET)
        })
    }
}

/// The estate's own subnet of this range, if it is that.
async fn of_range(cx: &Context<'_>, wanted: &Wanted<'_>, subnet: &Subnet<String>) -> Result<Option<String>, KindError> {
    let request = cx
        .cloud
        .ec2
        .describe_subnets()
        .filters(of_estate(cx.scope))
        .filters(filter("vpc-id", &subnet.vpc))
        .filters(filter("cidr-block", &subnet.cidr))
        .send();
    let found = cx.cloud.call(Service::Ec2, "DescribeSubnets", request).await?.subnets.unwrap_or_default();
    let own =
        found.into_iter().find(|found| id_of(&read_tags(found.tags.clone())).as_ref() == Some(&wanted.resource.id));
    Ok(own.and_then(|found| found.subnet_id))
}

async fn set_public_addresses(cloud: &Cloud, subnet: &str, on: bool) -> Result<(), KindError> {
    let value = AttributeBooleanValue::builder().value(on).build();
    let request = cloud.ec2.modify_subnet_attribute().subnet_id(subnet).map_public_ip_on_launch(value);
    let call = || cloud.call(Service::Ec2, "ModifySubnetAttribute", request.clone().send());
    cloud.patiently(SOON, NOT_YET, call).await?;
    Ok(())
}
