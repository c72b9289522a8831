//! The VPC's endpoints, by which hosts reach AWS's services without a way to the internet: a gateway for S3, which is a
//! route, and interfaces for others, which are addresses in the private subnets that the services' own names lead to.
//!
//! An endpoint's policy is the wall that a host's stolen foreign credentials meet: what it doesn't allow doesn't leave
//! by it. An interface takes a minute or two to be made, and hosts wait for it.

use aws_sdk_ec2::types::{ResourceType, State, VpcEndpoint as Endpoint, VpcEndpointType};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::ec2::{NOT_YET, PAGE, observed, of_estate, retag, tagged};
use super::{
    Call, Context, Deleted, Discovered, KindError, Made, NotYet, Observed, Operations, Patience, Practice, Priced,
    SOON, Sku, Usage, Wanted, When, json, make_by_token, only_id, wait,
};
use crate::cloud::{Cloud, CloudError, Service, found};
use crate::estate::{Kind, Ref, Scope};

/// An endpoint's properties. What its type doesn't have is left out, and isn't compared.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VpcEndpoint<L = Ref> {
    /// The VPC that it is in.
    pub vpc: L,
    /// The service, such as `com.amazonaws.eu-central-1.s3`.
    pub service: String,
    /// How the service is reached.
    #[serde(rename = "type")]
    pub way: Way,
    /// The route tables that lead to a gateway.
    #[serde(default = "Vec::new", skip_serializing_if = "Vec::is_empty")]
    pub route_tables: Vec<L>,
    /// The subnets that an interface has an address in: one for each zone.
    #[serde(default = "Vec::new", skip_serializing_if = "Vec::is_empty")]
    pub subnets: Vec<L>,
    /// The security groups of an interface.
    #[serde(default = "Vec::new", skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<L>,
    /// Whether the service's own name leads to an interface, for all in the VPC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub private_dns: Option<bool>,
    /// What may pass.
    pub policy: Value,
}

/// How a service is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    /// By routes.
    Gateway,
    /// By addresses in subnets.
    Interface,
}

pub(super) struct VpcEndpoints;

/// What it takes.
const CALLS: &[Call] = &[
    Call { when: When::Discover, action: "ec2:DescribeVpcEndpoints", resources: &["*"] },
    Call { when: When::Create, action: "ec2:CreateVpcEndpoint", resources: &["*"] },
    Call { when: When::Create, action: "ec2:CreateTags", resources: &["*"] },
    Call { when: When::Change, action: "ec2:ModifyVpcEndpoint", resources: &["*"] },
    Call { when: When::Change, action: "ec2:CreateTags", resources: &["*"] },
    Call { when: When::Delete, action: "ec2:DeleteVpcEndpoints", resources: &["*"] },
];

impl Operations for VpcEndpoints {
    fn practice(&self) -> Practice {
        Practice {
            what: "The way to an AWS service without one to the internet",
            why: "Traffic to AWS stays in its network, and the endpoint's policy bounds what stolen credentials could carry away",
            source: "https://docs.aws.amazon.com/vpc/latest/privatelink/vpc-endpoints-access.html",
        }
    }

    fn calls(&self) -> &'static [Call] {
        CALLS
    }

    fn uncompared(&self) -> &'static [(&'static str, &'static str)] {
        &[("DNS options", "they decide nothing for the services that are used")]
    }

    fn usage(&self, priced: &Priced<'_>) -> Vec<Usage> {
        // An interface is paid for in each of its zones; a gateway is free.
        let subnets = priced.properties.0.get("subnets").and_then(Value::as_array).map_or(0, Vec::len);
        if subnets == 0 { Vec::new() } else { vec![Usage { sku: Sku::InterfaceEndpoint, quantity: subnets as u64 }] }
    }

    fn fixed(&self) -> &'static [(&'static str, &'static str)] {
        &[
            ("vpc", "an endpoint stays in its VPC"),
            ("service", "an endpoint stays with its service"),
            ("type", "a gateway doesn't become an interface"),
        ]
    }

    fn deleted_after(&self) -> &'static [Kind] {
        // A host that is going still ships the last of its trail.
        &[Kind::Instances]
    }

    fn discover<'a>(&'a self, cloud: &'a Cloud, scope: &'a Scope) -> Discovered<'a> {
        Box::pin(async move {
            let pages = cloud.ec2.describe_vpc_endpoints().filters(of_estate(scope)).max_results(PAGE).into_paginator();
            let endpoints: Vec<_> =
                cloud.call(Service::Ec2, "DescribeVpcEndpoints", pages.items().send().try_collect()).await?;
            let mut all = Vec::new();
            for endpoint in endpoints.into_iter().filter(|endpoint| !is_gone(endpoint)) {
                let policy = match (&endpoint.vpc_endpoint_id, &endpoint.policy_document) {
                    (Some(id), Some(text)) => json("the policy", id, text)?,
                    _ => Value::Null,
                };
                let way = match endpoint.vpc_endpoint_type {
                    Some(VpcEndpointType::Interface) => Way::Interface,
                    _ => Way::Gateway,
                };
                let groups = endpoint.groups.unwrap_or_default();
                let found = VpcEndpoint {
                    vpc: endpoint.vpc_id.unwrap_or_default(),
                    service: endpoint.service_name.unwrap_or_default(),
                    way,
                    route_tables: endpoint.route_table_ids.unwrap_or_default(),
                    subnets: endpoint.subnet_ids.unwrap_or_default(),
                    groups: groups.into_iter().filter_map(|group| group.group_id).collect(),
                    private_dns: (way == Way::Interface).then(|| endpoint.private_dns_enabled.unwrap_or(false)),
                    policy,
                };
                let observed = observed(Kind::VpcEndpoint, endpoint.tags, endpoint.vpc_endpoint_id, &found)?;
                all.extend(observed.map(|one| one.created_at(endpoint.creation_timestamp)));
            }
            Ok(all)
        })
    }

    fn create<'a>(&'a self, cx: &'a Context<'a>, wanted: &'a Wanted<'a>) -> Made<'a> {
        Box::pin(async move {
            let endpoint: VpcEndpoint<String> = wanted.parse()?;
            let make = async |attempt| make(cx, wanted, &endpoint, attempt).await;
            let seen = async |id: String| Ok(look(cx.cloud, &id).await?.is_some_and(|endpoint| !is_gone(&endpoint)));
            let id = make_by_token(&wanted.resource.id, make, seen).await?;
            wait_until_available(cx, &id).await?;
            Ok(only_id(&id))
        })
    }

    fn change<'a>(&'a self, cx: &'a Context<'a>, wanted: &'a Wanted<'a>, current: &'a Observed) -> Made<'a> {
        Box::pin(async move {
            let (new, old): (VpcEndpoint<String>, VpcEndpoint<String>) = (wanted.parse()?, current.parse()?);
            let mut request = cx.cloud.ec2.modify_vpc_endpoint().vpc_endpoint_id(&current.physical);
            if new.policy != old.policy {
                request = request.policy_document(new.policy.to_string());
            }
            if new.private_dns != old.private_dns {
                request = request.set_private_dns_enabled(new.private_dns);
            }
            let (add, remove) =
                (lacking(&new.route_tables, &old.route_tables), lacking(&old.route_tables, &new.route_tables));
            request = request.set_add_route_table_ids(add).set_remove_route_table_ids(remove);
            let (add, remove) = (lacking(&new.subnets, &old.subnets), lacking(&old.subnets, &new.subnets));
            request = request.set_add_subnet_ids(add).set_remove_subnet_ids(remove);
            let (add, remove) = (lacking(&new.groups, &old.groups), lacking(&old.groups, &new.groups));
            request = request.set_add_security_group_ids(add).set_remove_security_group_ids(remove);
            if new != old {
                let call = || cx.cloud.call(Service::Ec2, "ModifyVpcEndpoint", request.clone().send());
                cx.cloud.patiently(SOON, NOT_YET, call).await?;
                wait_until_available(cx, &current.physical).await?;
            }
            retag(cx.cloud, wanted, current).await
        })
    }

    fn delete<'a>(&'a self, cx: &'a Context<'a>, current: &'a Observed) -> Deleted<'a> {
        Box::pin(async move {
            let request = cx.cloud.ec2.delete_vpc_endpoints().vpc_endpoint_ids(&current.physical).send();
            let answer = cx.cloud.call(Service::Ec2, "DeleteVpcEndpoints", request).await;
            // Some failures are in the answer, each with its own code.
            if let Some(answer) = found(answer, NOT_YET)? {
                for failed in answer.unsuccessful.unwrap_or_default() {
                    let Some(error) = failed.error else { continue };
                    let code = error.code.unwrap_or_default();
                    if !NOT_YET.contains(&code.as_str()) {
                        let message = format!("{}: {code}: {}", current.physical, error.message.unwrap_or_default());
                        return Err(
                            CloudError::found(Service::Ec2, "DeleteVpcEndpoints", message, "destroy again").into()
                        );
                    }
                }
            }
            Ok(None)
        })
    }
}

async fn make(
    cx: &Context<'_>,
    wanted: &Wanted<'_>,
    endpoint: &VpcEndpoint<String>,
    attempt: u32,
) -> Result<String, KindError> {
    let request = cx
        .cloud
        .ec2
        .create_vpc_endpoint()
        .vpc_endpoint_type(match endpoint.way {
            Way::Gateway => VpcEndpointType::Gateway,
            Way::Interface => VpcEndpointType::Interface,
        })
        .vpc_id(&endpoint.vpc)
        .service_name(&endpoint.service)
        .set_route_table_ids(some(&endpoint.route_tables))
        .set_subnet_ids(some(&endpoint.subnets))
        .set_security_group_ids(some(&endpoint.groups))
        .set_private_dns_enabled(endpoint.private_dns)
        .policy_document(endpoint.policy.to_string())
        .client_token(wanted.token(cx.scope, "vpc-endpoint", attempt))
        .tag_specifications(tagged(ResourceType::VpcEndpoint, &wanted.resource.tags));
    let call = || cx.cloud.call(Service::Ec2, "CreateVpcEndpoint", request.clone().send());
    let made = cx.cloud.patiently(SOON, NOT_YET, call).await?;
    let id = made.vpc_endpoint.and_then(|endpoint| endpoint.vpc_endpoint_id);
    Ok(id.ok_or_else(|| CloudError::incomplete(Service::Ec2, "CreateVpcEndpoint", "endpoint"))?)
}

async fn look(cloud: &Cloud, id: &str) -> Result<Option<Endpoint>, KindError> {
    let request = cloud.ec2.describe_vpc_endpoints().vpc_endpoint_ids(id).send();
    let answer = found(cloud.call(Service::Ec2, "DescribeVpcEndpoints", request).await, NOT_YET)?;
    Ok(answer.and_then(|answer| answer.vpc_endpoints?.into_iter().next()))
}

async fn wait_until_available(cx: &Context<'_>, id: &str) -> Result<(), KindError> {
    wait(cx.waiting, Patience::MINUTES, async || not_yet(id, look(cx.cloud, id).await?.as_ref())).await
}

/// What one that isn't available is.
fn not_yet(id: &str, endpoint: Option<&Endpoint>) -> Result<Option<NotYet>, KindError> {
    let is = |state| endpoint.is_some_and(|endpoint| is_in(endpoint, &state));
    if is(State::Available) {
        return Ok(None);
    }
    if is(State::Failed) || is(State::Rejected) {
        let error = endpoint.and_then(|endpoint| endpoint.last_error.as_ref()?.message.as_deref());
        let message = format!("{id} failed: {}", error.unwrap_or("AWS doesn't say why"));
        let next = "delete it, correct that and apply again";
        return Err(CloudError::found(Service::Ec2, "CreateVpcEndpoint", message, next).into());
    }
    Ok(Some(NotYet::one(id, endpoint.and_then(|endpoint| endpoint.state.as_ref()).map_or("not seen", State::as_str))))
}

/// What these have and those haven't, if anything.
fn lacking(these: &[String], those: &[String]) -> Option<Vec<String>> {
    some(&these.iter().filter(|one| !those.contains(one)).cloned().collect::<Vec<_>>())
}

/// A list that isn't empty: EC2 takes no empty ones.
fn some(list: &[String]) -> Option<Vec<String>> {
    (!list.is_empty()).then(|| list.to_vec())
}

/// EC2 writes states in lower case, its documentation in upper.
fn is_in(endpoint: &Endpoint, state: &State) -> bool {
    endpoint.state.as_ref().is_some_and(|found| found.as_str().eq_ignore_ascii_case(state.as_str()))
}

/// A deleted endpoint is shown for a while.
fn is_gone(endpoint: &Endpoint) -> bool {
    [State::Deleting, State::Deleted].iter().any(|gone| is_in(endpoint, gone))
}
