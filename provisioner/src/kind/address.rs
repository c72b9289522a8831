//! Elastic addresses: what stays when the machine or the gateway behind it is replaced.
//!
//! What uses an address refers to it, and sees to the association itself. It can be released only once nothing uses it; a
//! terminated instance and a deleted NAT gateway give it up by themselves.
//!
//! An address is in no VPC. One that a network's gateway has is for that network nevertheless, which a tag says: while a
//! network is replaced both have gateways, and no two can have one address.

use std::collections::BTreeMap;

use aws_sdk_ec2::types::{DomainType, ResourceType};
use serde::{Deserialize, Serialize};

use super::ec2::{THROTTLED, observed, of_estate, only_once, put_tags, retag, tagged};
use super::{
    Call, Comparison, Context, Deleted, Discovered, IN_USE, KindError, Made, Observed, Operations, Practice, Priced,
    SOON, Sku, Usage, Wanted, When, deleted,
};
use crate::cloud::{Cloud, CloudError, Service};
use crate::estate::{Kind, Properties, Ref, Resource, Scope, tags};

/// An address's properties.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Address<L = Ref> {
    /// The VPC that it is for, if it is for one alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vpc: Option<L>,
}

pub(super) struct Addresses;

/// What EC2 says of an address that is gone.
const GONE: &[&str] = &["InvalidAllocationID.NotFound"];
/// What EC2 says of one that something uses.
const USED: &[&str] = &["InvalidIPAddress.InUse"];

/// What it takes.
const CALLS: &[Call] = &[
    Call { when: When::Discover, action: "ec2:DescribeAddresses", resources: &["*"] },
    Call { when: When::Create, action: "ec2:AllocateAddress", resources: &["*"] },
    Call { when: When::Create, action: "ec2:CreateTags", resources: &["*"] },
    Call { when: When::Change, action: "ec2:CreateTags", resources: &["*"] },
    Call { when: When::Delete, action: "ec2:ReleaseAddress", resources: &["*"] },
];

impl Operations for Addresses {
    fn practice(&self) -> Practice {
        Practice {
            what: "A public address that stays when what has it is replaced",
            why: "Who comes in by it and whom it reaches can rely on it, and firewalls elsewhere can name it",
            source: "https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/elastic-ip-addresses-eip.html",
        }
    }

    fn usage(&self, _priced: &Priced<'_>) -> Vec<Usage> {
        vec![Usage { sku: Sku::PublicAddress, quantity: 1 }]
    }

    fn calls(&self) -> &'static [Call] {
        CALLS
    }

    fn compare(&self, wanted: &Resource, resolved: &Properties, observed: &Observed) -> Comparison {
        // One whose tag somebody took away only gets it back.
        let is_unnamed = !observed.properties.0.contains_key("vpc");
        let fixed: &[_] =
            if is_unnamed { &[] } else { &[("vpc", "its network is replaced, and the old one still uses it")] };
        crate::plan::compare(fixed, wanted, resolved, observed)
    }

    fn uncompared(&self) -> &'static [(&'static str, &'static str)] {
        &[("what it is associated with", "what uses it compares that"), ("its name in DNS", "left to its owner")]
    }

    fn deleted_after(&self) -> &'static [Kind] {
        &[Kind::Instances, Kind::NatGateway]
    }

    fn discover<'a>(&'a self, cloud: &'a Cloud, scope: &'a Scope) -> Discovered<'a> {
        Box::pin(async move {
            // DescribeAddresses has no pages.
            let request = cloud.ec2.describe_addresses().filters(of_estate(scope)).send();
            let answer = cloud.call(Service::Ec2, "DescribeAddresses", request).await?;
            let mut all = Vec::new();
            for address in answer.addresses.unwrap_or_default() {
                let network = address.tags().iter().find(|tag| tag.key() == Some(tags::NETWORK));
                let found = Address { vpc: network.and_then(|tag| tag.value.clone()) };
                let observed = observed(Kind::Address, address.tags, address.allocation_id, &found)?;
                all.extend(observed.map(|one| one.attribute("address", address.public_ip.unwrap_or_default())));
            }
            Ok(all)
        })
    }

    fn create<'a>(&'a self, cx: &'a Context<'a>, wanted: &'a Wanted<'a>) -> Made<'a> {
        Box::pin(async move {
            let tags = tagged(ResourceType::ElasticIp, &all_tags(wanted)?);
            let request = cx.cloud.ec2.allocate_address().domain(DomainType::Vpc).tag_specifications(tags);
            let send = || request.clone().customize().config_override(only_once()).send();
            let call = || cx.cloud.call(Service::Ec2, "AllocateAddress", send());
            let made = cx.cloud.patiently(SOON, THROTTLED, call).await?;
            let (Some(id), Some(address)) = (made.allocation_id, made.public_ip) else {
                return Err(CloudError::incomplete(Service::Ec2, "AllocateAddress", "address").into());
            };
            Ok(BTreeMap::from([("id".to_owned(), id), ("address".to_owned(), address)]))
        })
    }

    fn change<'a>(&'a self, cx: &'a Context<'a>, wanted: &'a Wanted<'a>, current: &'a Observed) -> Made<'a> {
        Box::pin(async move {
            if wanted.properties != current.properties {
                put_tags(cx.cloud, std::slice::from_ref(&current.physical), &all_tags(wanted)?).await?;
            }
            retag(cx.cloud, wanted, current).await
        })
    }

    fn delete<'a>(&'a self, cx: &'a Context<'a>, current: &'a Observed) -> Deleted<'a> {
        Box::pin(async move {
            let request = cx.cloud.ec2.release_address().allocation_id(&current.physical);
            let call = || cx.cloud.call(Service::Ec2, "ReleaseAddress", request.clone().send());
            deleted(cx.cloud.patiently(IN_USE, USED, call).await, GONE)
        })
    }
}

/// The tags of an address, with the one that names its network.
fn all_tags(wanted: &Wanted<'_>) -> Result<BTreeMap<String, String>, KindError> {
    let mut all = wanted.resource.tags.clone();
    all.extend(wanted.parse::<Address<String>>()?.vpc.map(|vpc| (tags::NETWORK.to_owned(), vpc)));
    Ok(all)
}
