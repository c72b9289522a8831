//! The VPC.

use aws_sdk_ec2::types::{AttributeBooleanValue, ResourceType, VpcAttributeName};
use serde::{Deserialize, Serialize};

use super::ec2::{NOT_YET, PAGE, THROTTLED, USED, id_of, of_estate, only_once, read_tags, retag, tagged, with_tags};
use super::{
    Call, Context, Deleted, Discovered, IN_USE, KindError, Made, Observed, Operations, Practice, SOON, Wanted, When,
    deleted, only_id, properties,
};
use crate::cloud::{Cloud, CloudError, Service, found};
use crate::estate::{Kind, Scope};

/// A VPC's properties.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Vpc {
    /// Its IPv4 range.
    pub cidr: String,
    /// Whether the VPC's resolver answers; gateway endpoints are found by it.
    pub dns_support: bool,
    /// Whether hosts have names in it.
    pub dns_hostnames: bool,
}

pub(super) struct Vpcs;

/// What it takes.
const CALLS: &[Call] = &[
    Call { when: When::Discover, action: "ec2:DescribeVpcs", resources: &["*"] },
    Call { when: When::Discover, action: "ec2:DescribeVpcAttribute", resources: &["*"] },
    Call { when: When::Create, action: "ec2:CreateVpc", resources: &["*"] },
    Call { when: When::Create, action: "ec2:CreateTags", resources: &["*"] },
    Call { when: When::Create, action: "ec2:ModifyVpcAttribute", resources: &["*"] },
    Call { when: When::Change, action: "ec2:ModifyVpcAttribute", resources: &["*"] },
    Call { when: When::Change, action: "ec2:CreateTags", resources: &["*"] },
    Call { when: When::Delete, action: "ec2:DeleteVpc", resources: &["*"] },
];

impl Operations for Vpcs {
    fn practice(&self) -> Practice {
        Practice {
            what: "The estate's own network",
            why: "Estates share no network, so one that is taken reaches no other",
            source: "https://docs.aws.amazon.com/vpc/latest/userguide/vpc-security-best-practices.html",
        }
    }

    fn calls(&self) -> &'static [Call] {
        CALLS
    }

    fn uncompared(&self) -> &'static [(&'static str, &'static str)] {
        &[
            ("network ACLs and DHCP options", "left as the account has them: security groups are the walls"),
            ("further ranges", "nothing of the estate is in them"),
            ("what others make in it", "only what carries the estate's tag is read"),
        ]
    }

    fn fixed(&self) -> &'static [(&'static str, &'static str)] {
        &[("cidr", "a VPC's first range can't be changed")]
    }

    fn discover<'a>(&'a self, cloud: &'a Cloud, scope: &'a Scope) -> Discovered<'a> {
        Box::pin(async move {
            let pages = cloud.ec2.describe_vpcs().filters(of_estate(scope)).max_results(PAGE).into_paginator();
            let vpcs: Vec<_> = cloud.call(Service::Ec2, "DescribeVpcs", pages.items().send().try_collect()).await?;
            let mut all = Vec::new();
            for vpc in vpcs {
                let tags = read_tags(vpc.tags);
                let (Some(id), Some(physical)) = (id_of(&tags), vpc.vpc_id) else { continue };
                let support = attribute(cloud, &physical, VpcAttributeName::EnableDnsSupport);
                let hostnames = attribute(cloud, &physical, VpcAttributeName::EnableDnsHostnames);
                // None of what was deleted, which is still listed for a moment.
                let (Some(dns_support), Some(dns_hostnames)) = tokio::try_join!(support, hostnames)? else { continue };
                let desired = Vpc { cidr: vpc.cidr_block.unwrap_or_default(), dns_support, dns_hostnames };
                let properties = properties(&id, &desired)?;
                all.push(with_tags(Observed::new(Kind::Vpc, id, &physical, properties), tags));
            }
            Ok(all)
        })
    }

    fn create<'a>(&'a self, cx: &'a Context<'a>, wanted: &'a Wanted<'a>) -> Made<'a> {
        Box::pin(async move {
            let vpc: Vpc = wanted.parse()?;
            let request = cx
                .cloud
                .ec2
                .create_vpc()
                .cidr_block(&vpc.cidr)
                .tag_specifications(tagged(ResourceType::Vpc, &wanted.resource.tags));
            let send = || request.clone().customize().config_override(only_once()).send();
            let call = || cx.cloud.call(Service::Ec2, "CreateVpc", send());
            let made = cx.cloud.patiently(SOON, THROTTLED, call).await?;
            let id = made.vpc.and_then(|vpc| vpc.vpc_id);
            let id = id.ok_or_else(|| CloudError::incomplete(Service::Ec2, "CreateVpc", "VPC"))?;
            set_dns(cx.cloud, &id, &vpc).await?;
            Ok(only_id(&id))
        })
    }

    fn change<'a>(&'a self, cx: &'a Context<'a>, wanted: &'a Wanted<'a>, current: &'a Observed) -> Made<'a> {
        Box::pin(async move {
            let vpc: Vpc = wanted.parse()?;
            if wanted.properties != current.properties {
                set_dns(cx.cloud, &current.physical, &vpc).await?;
            }
            retag(cx.cloud, wanted, current).await
        })
    }

    fn delete<'a>(&'a self, cx: &'a Context<'a>, current: &'a Observed) -> Deleted<'a> {
        Box::pin(async move {
            let request = cx.cloud.ec2.delete_vpc().vpc_id(&current.physical);
            let call = || cx.cloud.call(Service::Ec2, "DeleteVpc", request.clone().send());
            deleted(cx.cloud.patiently(IN_USE, USED, call).await, NOT_YET)
        })
    }
}

async fn attribute(cloud: &Cloud, vpc: &str, name: VpcAttributeName) -> Result<Option<bool>, KindError> {
    let request = cloud.ec2.describe_vpc_attribute().vpc_id(vpc).attribute(name.clone()).send();
    let answer = found(cloud.call(Service::Ec2, "DescribeVpcAttribute", request).await, NOT_YET)?;
    let Some(answer) = answer else { return Ok(None) };
    let value = match name {
        VpcAttributeName::EnableDnsSupport => answer.enable_dns_support,
        _ => answer.enable_dns_hostnames,
    };
    Ok(Some(value.and_then(|value| value.value).unwrap_or(false)))
}

async fn set_dns(cloud: &Cloud, vpc: &str, wanted: &Vpc) -> Result<(), KindError> {
    let value = |on| AttributeBooleanValue::builder().value(on).build();
    let request = cloud.ec2.modify_vpc_attribute().vpc_id(vpc);
    // One attribute a call is all that AWS takes, and hostnames need support first.
    for request in [
        request.clone().enable_dns_support(value(wanted.dns_support)),
        request.enable_dns_hostnames(value(wanted.dns_hostnames)),
    ] {
        let call = || cloud.call(Service::Ec2, "ModifyVpcAttribute", request.clone().send());
        cloud.patiently(SOON, NOT_YET, call).await?;
    }
    Ok(())
}
