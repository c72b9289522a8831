//! NAT gateways: the way of one zone's hosts to the internet, and no way back.
//!
//! One takes a minute to become available and a minute to go; it is made before a route leads to it, and its address is
//! free again once it is gone. A gateway that failed is shown for an hour and can't be deleted, so it counts as gone.

use aws_sdk_ec2::types::{ConnectivityType, NatGateway as Gateway, NatGatewayState, ResourceType};
use serde::{Deserialize, Serialize};

use super::ec2::{NOT_YET, PAGE, filter, observed, of_estate, retag, tagged};
use super::{
    Call, Context, Deleted, Difference, Discovered, IN_USE, KindError, Made, NotYet, Observed, Operations, Patience,
    Practice, Priced, Replaced, SOON, Sku, Usage, Wanted, When, make_by_token, only_id, wait,
};
use crate::cloud::{Cloud, CloudError, Service, found};
use crate::estate::{Kind, Ref, Scope};

/// A NAT gateway's properties.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NatGateway<L = Ref> {
    /// The VPC that it is in, by its subnet.
    pub vpc: L,
    /// The public subnet that it is in.
    pub subnet: L,
    /// The elastic address that its traffic comes from.
    pub address: L,
}

pub(super) struct NatGateways;

/// What EC2 says of one that is gone.
const GONE: &[&str] = &["NatGatewayNotFound", "InvalidNatGatewayID.NotFound"];
/// An address that another gateway still has is free a little later.
const ADDRESS_USED: &[&str] = &["Resource.AlreadyAssociated", "InvalidIPAddress.InUse"];

/// What it takes.
const CALLS: &[Call] = &[
    Call { when: When::Discover, action: "ec2:DescribeNatGateways", resources: &["*"] },
    Call { when: When::Create, action: "ec2:CreateNatGateway", resources: &["*"] },
    Call { when: When::Create, action: "ec2:CreateTags", resources: &["*"] },
    Call { when: When::Change, action: "ec2:CreateTags", resources: &["*"] },
    Call { when: When::Delete, action: "ec2:DeleteNatGateway", resources: &["*"] },
];

impl Operations for NatGateways {
    fn practice(&self) -> Practice {
        Practice {
            what: "The way of one zone's hosts to the internet, which leads in one direction only",
            why: "One in each zone: a zone that fails takes no other's way, and no traffic between zones is paid",
            source: "https://docs.aws.amazon.com/vpc/latest/userguide/nat-gateway-basics.html",
        }
    }

    fn usage(&self, _priced: &Priced<'_>) -> Vec<Usage> {
        vec![Usage { sku: Sku::NatGateway, quantity: 1 }]
    }

    fn calls(&self) -> &'static [Call] {
        CALLS
    }

    fn fixed(&self) -> &'static [(&'static str, &'static str)] {
        &[
            ("vpc", "a NAT gateway stays in its VPC"),
            ("subnet", "a NAT gateway stays in its subnet"),
            ("address", "a NAT gateway keeps the address that it was made with"),
        ]
    }

    fn replaced(&self, differences: &[Difference]) -> Replaced {
        match differences.iter().any(|one| one.property == "address") {
            true => Replaced::NewFirst,
            false => Replaced::OldFirst("two NAT gateways can't have one address"),
        }
    }

    fn uncompared(&self) -> &'static [(&'static str, &'static str)] {
        &[("further addresses", "they only add to what one can carry")]
    }

    fn deleted_after(&self) -> &'static [Kind] {
        // A host that is going still says what it has to.
        &[Kind::Instances]
    }

    fn discover<'a>(&'a self, cloud: &'a Cloud, scope: &'a Scope) -> Discovered<'a> {
        Box::pin(async move {
            let pages = cloud.ec2.describe_nat_gateways().filter(of_estate(scope)).max_results(PAGE).into_paginator();
            let gateways: Vec<_> =
                cloud.call(Service::Ec2, "DescribeNatGateways", pages.items().send().try_collect()).await?;
            let mut all = Vec::new();
            for gateway in gateways.into_iter().filter(|gateway| !is_gone(gateway)) {
                let addresses = gateway.nat_gateway_addresses.unwrap_or_default();
                let address = addresses.into_iter().find_map(|address| address.allocation_id);
                let found = NatGateway {
                    vpc: gateway.vpc_id.unwrap_or_default(),
                    subnet: gateway.subnet_id.unwrap_or_default(),
                    address: address.unwrap_or_default(),
                };
                let observed = observed(Kind::NatGateway, gateway.tags, gateway.nat_gateway_id, &found)?;
                all.extend(observed.map(|one| one.created_at(gateway.create_time)));
            }
            Ok(all)
        })
    }

    fn create<'a>(&'a self, cx: &'a Context<'a>, wanted: &'a Wanted<'a>) -> Made<'a> {
        Box::pin(async move {
            let gateway: NatGateway<String> = wanted.parse()?;
            let make = async |attempt| make(cx, wanted, &gateway, attempt).await;
            let seen = async |id: String| Ok(look(cx.cloud, &id).await?.is_some_and(|gateway| !is_gone(&gateway)));
            let id = make_by_token(&wanted.resource.id, make, seen).await?;
            wait_until(cx, &id, &NatGatewayState::Available).await?;
            Ok(only_id(&id))
        })
    }

    fn change<'a>(&'a self, cx: &'a Context<'a>, wanted: &'a Wanted<'a>, current: &'a Observed) -> Made<'a> {
        Box::pin(retag(cx.cloud, wanted, current))
    }

    fn delete<'a>(&'a self, cx: &'a Context<'a>, current: &'a Observed) -> Deleted<'a> {
        Box::pin(async move {
            let request = cx.cloud.ec2.delete_nat_gateway().nat_gateway_id(&current.physical).send();
            if found(cx.cloud.call(Service::Ec2, "DeleteNatGateway", request).await, GONE)?.is_some() {
                // Its address and its subnet are in use until it is gone.
                wait_until(cx, &current.physical, &NatGatewayState::Deleted).await?;
            }
            Ok(None)
        })
    }
}

async fn make(
    cx: &Context<'_>,
    wanted: &Wanted<'_>,
    gateway: &NatGateway<String>,
    attempt: u32,
) -> Result<String, KindError> {
    let request = cx
        .cloud
        .ec2
        .create_nat_gateway()
        .connectivity_type(ConnectivityType::Public)
        .subnet_id(&gateway.subnet)
        .allocation_id(&gateway.address)
        .client_token(wanted.token(cx.scope, "nat-gateway", attempt))
        .tag_specifications(tagged(ResourceType::Natgateway, &wanted.resource.tags));
    let call = || cx.cloud.call(Service::Ec2, "CreateNatGateway", request.clone().send());
    let codes: Vec<_> = NOT_YET.iter().chain(ADDRESS_USED).copied().collect();
    let made = cx.cloud.patiently(IN_USE.max(SOON), &codes, call).await?;
    let id = made.nat_gateway.and_then(|gateway| gateway.nat_gateway_id);
    Ok(id.ok_or_else(|| CloudError::incomplete(Service::Ec2, "CreateNatGateway", "gateway"))?)
}

async fn look(cloud: &Cloud, id: &str) -> Result<Option<Gateway>, KindError> {
    // A filter: the parameter fails for one that isn't seen yet.
    let request = cloud.ec2.describe_nat_gateways().filter(filter("nat-gateway-id", id)).send();
    let answer = cloud.call(Service::Ec2, "DescribeNatGateways", request).await?;
    Ok(answer.nat_gateways.unwrap_or_default().into_iter().next())
}

/// Waits until one is in a state.
async fn wait_until(cx: &Context<'_>, id: &str, wanted: &NatGatewayState) -> Result<(), KindError> {
    wait(cx.waiting, Patience::MINUTES, async || not_yet(id, look(cx.cloud, id).await?.as_ref(), wanted)).await
}

/// What one that isn't in the state that is waited for is; one that isn't shown any more is deleted.
fn not_yet(id: &str, gateway: Option<&Gateway>, wanted: &NatGatewayState) -> Result<Option<NotYet>, KindError> {
    let state = gateway.map_or(NatGatewayState::Deleted, state);
    match (gateway, &state, wanted) {
        (_, state, wanted) if state == wanted => Ok(None),
        (Some(gateway), NatGatewayState::Failed, NatGatewayState::Available) => {
            let code = gateway.failure_code().unwrap_or_default();
            let message = format!("{id} failed: {code}: {}", gateway.failure_message().unwrap_or_default());
            // The only code that nobody outside of AWS can do anything about (VPC User Guide, "Troubleshoot NAT
            // gateways").
            let next = if code == "InternalError" { "apply again" } else { "correct that and apply again" };
            Err(CloudError::found(Service::Ec2, "CreateNatGateway", message, next).into())
        }
        _ => Ok(Some(NotYet::one(id, state))),
    }
}

fn state(gateway: &Gateway) -> NatGatewayState {
    gateway.state.clone().unwrap_or(NatGatewayState::Pending)
}

/// A deleted gateway, and one that failed, are shown for about an hour.
fn is_gone(gateway: &Gateway) -> bool {
    matches!(state(gateway), NatGatewayState::Deleting | NatGatewayState::Deleted | NatGatewayState::Failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gateway(state: NatGatewayState, code: &str, message: &str) -> Gateway {
        Gateway::builder().state(state).failure_code(code).failure_message(message).build()
    }

    #[test]
    fn a_gateway_that_failed_ends_the_wait_with_its_reason_and_what_to_do() {
        for (code, next) in [("InternalError", "apply again"), ("Gateway.NotAttached", "correct that and apply again")]
        {
            let failed = gateway(NatGatewayState::Failed, code, "a reason");
            let error = not_yet("nat-1", Some(&failed), &NatGatewayState::Available).err().unwrap();
            let expected = format!("CreateNatGateway: nat-1 failed: {code}: a reason; {next}");
            assert!(error.to_string().ends_with(&expected), "{error}");
        }
    }

    #[test]
    fn one_that_is_on_its_way_is_waited_for_and_one_that_is_not_shown_is_deleted() {
        let pending = gateway(NatGatewayState::Pending, "", "");
        let progress =
            |gateway, wanted| not_yet("nat-1", gateway, &wanted).ok().unwrap().map(|not_yet| not_yet.progress);
        assert_eq!(progress(Some(&pending), NatGatewayState::Available).as_deref(), Some("nat-1 is pending"));
        assert_eq!(progress(Some(&pending), NatGatewayState::Pending), None);
        assert_eq!(progress(None, NatGatewayState::Deleted), None);
        assert_eq!(progress(None, NatGatewayState::Available).as_deref(), Some("nat-1 is deleted"));
    }
}
