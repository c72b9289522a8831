//! The internet gateway, which only the bastion's subnet has a route to.

use aws_sdk_ec2::types::ResourceType;
use serde::{Deserialize, Serialize};

use super::ec2::{NOT_YET, PAGE, THROTTLED, USED, observed, of_estate, only_once, retag, tagged};
use super::{
    Call, Comparison, Context, Deleted, Discovered, IN_USE, KindError, Made, Observed, Operations, Practice, SOON,
    Wanted, When, deleted, only_id,
};
use crate::cloud::{Cloud, CloudError, Service, found};
use crate::estate::{Kind, Properties, Ref, Resource, Scope};

/// An internet gateway's properties.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InternetGateway<L = Ref> {
    /// The VPC that it is attached to; empty where it is attached to none.
    pub vpc: L,
}

pub(super) struct InternetGateways;

/// What it takes.
const CALLS: &[Call] = &[
    Call { when: When::Discover, action: "ec2:DescribeInternetGateways", resources: &["*"] },
    Call { when: When::Create, action: "ec2:CreateInternetGateway", resources: &["*"] },
    Call { when: When::Create, action: "ec2:CreateTags", resources: &["*"] },
    Call { when: When::Create, action: "ec2:AttachInternetGateway", resources: &["*"] },
    Call { when: When::Change, action: "ec2:AttachInternetGateway", resources: &["*"] },
    Call { when: When::Change, action: "ec2:DetachInternetGateway", resources: &["*"] },
    Call { when: When::Change, action: "ec2:CreateTags", resources: &["*"] },
    Call { when: When::Delete, action: "ec2:DetachInternetGateway", resources: &["*"] },
    Call { when: When::Delete, action: "ec2:DeleteInternetGateway", resources: &["*"] },
];

impl Operations for InternetGateways {
    fn practice(&self) -> Practice {
        Practice {
            what: "The way of the public subnets to and from the internet",
            why: "Only subnets whose route table names it are public; hosts are in none",
            source: "https://docs.aws.amazon.com/vpc/latest/userguide/VPC_Internet_Gateway.html",
        }
    }

    fn calls(&self) -> &'static [Call] {
        CALLS
    }

    fn compare(&self, wanted: &Resource, resolved: &Properties, observed: &Observed) -> Comparison {
        // One that a crashed run left unattached is attached; one that is attached elsewhere goes, so that the VPC
        // that it leaves can go too.
        let unattached = observed.properties.0.get("vpc").and_then(serde_json::Value::as_str) == Some("");
        let fixed: &[_] = if unattached { &[] } else { &[("vpc", "it is attached to a VPC that goes")] };
        crate::plan::compare(fixed, wanted, resolved, observed)
    }

    fn deleted_after(&self) -> &'static [Kind] {
        // It can't be detached while an instance has a public address.
        &[Kind::Instances]
    }

    fn discover<'a>(&'a self, cloud: &'a Cloud, scope: &'a Scope) -> Discovered<'a> {
        Box::pin(async move {
            let pages =
                cloud.ec2.describe_internet_gateways().filters(of_estate(scope)).max_results(PAGE).into_paginator();
            let gateways: Vec<_> =
                cloud.call(Service::Ec2, "DescribeInternetGateways", pages.items().send().try_collect()).await?;
            let mut all = Vec::new();
            for gateway in gateways {
                let vpc = gateway.attachments.unwrap_or_default().into_iter().find_map(|attachment| attachment.vpc_id);
                let found = InternetGateway { vpc: vpc.unwrap_or_default() };
                all.extend(observed(Kind::InternetGateway, gateway.tags, gateway.internet_gateway_id, &found)?);
            }
            Ok(all)
        })
    }

    fn create<'a>(&'a self, cx: &'a Context<'a>, wanted: &'a Wanted<'a>) -> Made<'a> {
        Box::pin(async move {
            let gateway: InternetGateway<String> = wanted.parse()?;
            let tags = tagged(ResourceType::InternetGateway, &wanted.resource.tags);
            let request = cx.cloud.ec2.create_internet_gateway().tag_specifications(tags);
            let send = || request.clone().customize().config_override(only_once()).send();
            let call = || cx.cloud.call(Service::Ec2, "CreateInternetGateway", send());
            let made = cx.cloud.patiently(SOON, THROTTLED, call).await?;
            let id = made.internet_gateway.and_then(|gateway| gateway.internet_gateway_id);
            let id = id.ok_or_else(|| CloudError::incomplete(Service::Ec2, "CreateInternetGateway", "gateway"))?;
            attach(cx.cloud, &id, &gateway.vpc).await?;
            Ok(only_id(&id))
        })
    }

    fn change<'a>(&'a self, cx: &'a Context<'a>, wanted: &'a Wanted<'a>, current: &'a Observed) -> Made<'a> {
        Box::pin(async move {
            let (new, old): (InternetGateway<String>, _) = (wanted.parse()?, attached_to(current)?);
            if new.vpc != old {
                detach(cx.cloud, &current.physical, &old).await?;
                attach(cx.cloud, &current.physical, &new.vpc).await?;
            }
            retag(cx.cloud, wanted, current).await
        })
    }

    fn delete<'a>(&'a self, cx: &'a Context<'a>, current: &'a Observed) -> Deleted<'a> {
        Box::pin(async move {
            detach(cx.cloud, &current.physical, &attached_to(current)?).await?;
            let request = cx.cloud.ec2.delete_internet_gateway().internet_gateway_id(&current.physical);
            let call = || cx.cloud.call(Service::Ec2, "DeleteInternetGateway", request.clone().send());
            deleted(cx.cloud.patiently(IN_USE, USED, call).await, NOT_YET)
        })
    }
}

fn attached_to(current: &Observed) -> Result<String, KindError> {
    Ok(current.parse::<InternetGateway<String>>()?.vpc)
}

async fn attach(cloud: &Cloud, gateway: &str, vpc: &str) -> Result<(), KindError> {
    let request = cloud.ec2.attach_internet_gateway().internet_gateway_id(gateway).vpc_id(vpc);
    cloud
        .patiently(SOON, NOT_YET, || cloud.call(Service::Ec2, "AttachInternetGateway", request.clone().send()))
        .await?;
    Ok(())
}

async fn detach(cloud: &Cloud, gateway: &str, vpc: &str) -> Result<(), KindError> {
    if vpc.is_empty() {
        return Ok(());
    }
    let request = cloud.ec2.detach_internet_gateway().internet_gateway_id(gateway).vpc_id(vpc);
    let call = || cloud.call(Service::Ec2, "DetachInternetGateway", request.clone().send());
    found(cloud.patiently(IN_USE, &["DependencyViolation"], call).await, &["Gateway.NotAttached"])?;
    Ok(())
}
