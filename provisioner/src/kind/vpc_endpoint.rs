//! The VPC's gateway endpoint for S3, by which hosts reach their trail without a way to the internet.
//!
//! Its policy is the wall that a host's stolen foreign credentials meet: what it doesn't allow doesn't leave by it.

use std::collections::BTreeMap;

use aws_sdk_ec2::types::{ResourceType, State, VpcEndpointType};
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::ec2::{NOT_YET, PAGE, id_of, of_estate, read_tags, retag, tagged, with_tags};
use super::{
    Call, Context, KindError, Left, Observed, Operations, Practice, SOON, Wanted, When, json, make_by_token, only_id,
    properties,
};
use crate::cloud::{Cloud, CloudError, Service, found};
use crate::estate::{Kind, Ref, Scope};

/// A gateway endpoint's properties.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VpcEndpoint<L = Ref> {
    /// The VPC that it is in.
    pub vpc: L,
    /// The service, such as `com.amazonaws.eu-central-1.s3`.
    pub service: String,
    /// The route tables that lead to it.
    pub route_tables: Vec<L>,
    /// What may pass.
    pub policy: Value,
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

    fn fixed(&self) -> &'static [(&'static str, &'static str)] {
        &[("vpc", "an endpoint stays in its VPC"), ("service", "an endpoint stays with its service")]
    }

    fn deleted_after(&self) -> &'static [Kind] {
        // A host that is going still ships the last of its trail.
        &[Kind::Instances]
    }

    fn discover<'a>(&'a self, cloud: &'a Cloud, scope: &'a Scope) -> BoxFuture<'a, Result<Vec<Observed>, KindError>> {
        Box::pin(async move {
            let pages = cloud.ec2.describe_vpc_endpoints().filters(of_estate(scope)).max_results(PAGE).into_paginator();
            let endpoints: Vec<_> =
                cloud.call(Service::Ec2, "DescribeVpcEndpoints", pages.items().send().try_collect()).await?;
            let mut all = Vec::new();
            for endpoint in endpoints.into_iter().filter(|endpoint| !is_gone(endpoint)) {
                let tags = read_tags(endpoint.tags);
                let (Some(id), Some(physical)) = (id_of(&tags), endpoint.vpc_endpoint_id) else { continue };
                let mut route_tables = endpoint.route_table_ids.unwrap_or_default();
                route_tables.sort_unstable();
                let policy = match endpoint.policy_document.as_deref() {
                    Some(text) => json("the policy", &physical, text)?,
                    None => Value::Null,
                };
                let found = VpcEndpoint {
                    vpc: endpoint.vpc_id.unwrap_or_default(),
                    service: endpoint.service_name.unwrap_or_default(),
                    route_tables,
                    policy,
                };
                let properties = properties(&id, &found)?;
                all.push(with_tags(Observed::new(Kind::VpcEndpoint, id, &physical, properties), tags));
            }
            Ok(all)
        })
    }

    fn create<'a>(
        &'a self,
        cx: &'a Context<'a>,
        wanted: &'a Wanted<'a>,
    ) -> BoxFuture<'a, Result<BTreeMap<String, String>, KindError>> {
        Box::pin(async move {
            let endpoint: VpcEndpoint<String> = wanted.parse()?;
            let make = async |attempt| make(cx, wanted, &endpoint, attempt).await;
            let seen = async |id| is_there(cx.cloud, id).await;
            Ok(only_id(&make_by_token(&wanted.resource.id, make, seen).await?))
        })
    }

    fn change<'a>(
        &'a self,
        cx: &'a Context<'a>,
        wanted: &'a Wanted<'a>,
        current: &'a Observed,
    ) -> BoxFuture<'a, Result<BTreeMap<String, String>, KindError>> {
        Box::pin(async move {
            let (new, old): (VpcEndpoint<String>, VpcEndpoint<String>) = (wanted.parse()?, current.parse()?);
            let mut request = cx.cloud.ec2.modify_vpc_endpoint().vpc_endpoint_id(&current.physical);
            if new.policy != old.policy {
                request = request.policy_document(new.policy.to_string());
            }
            for table in new.route_tables.iter().filter(|table| !old.route_tables.contains(table)) {
                request = request.add_route_table_ids(table);
            }
            for table in old.route_tables.iter().filter(|table| !new.route_tables.contains(table)) {
                request = request.remove_route_table_ids(table);
            }
            if new.policy != old.policy || new.route_tables != old.route_tables {
                let call = || cx.cloud.call(Service::Ec2, "ModifyVpcEndpoint", request.clone().send());
                cx.cloud.patiently(SOON, NOT_YET, call).await?;
            }
            retag(cx.cloud, wanted, current).await?;
            Ok(current.attributes.clone())
        })
    }

    fn delete<'a>(
        &'a self,
        cx: &'a Context<'a>,
        current: &'a Observed,
    ) -> BoxFuture<'a, Result<Option<Left>, KindError>> {
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
        .vpc_endpoint_type(VpcEndpointType::Gateway)
        .vpc_id(&endpoint.vpc)
        .service_name(&endpoint.service)
        .set_route_table_ids(Some(endpoint.route_tables.clone()))
        .policy_document(endpoint.policy.to_string())
        .client_token(wanted.token(cx.scope, "vpc-endpoint", attempt))
        .tag_specifications(tagged(ResourceType::VpcEndpoint, &wanted.resource.tags));
    let call = || cx.cloud.call(Service::Ec2, "CreateVpcEndpoint", request.clone().send());
    let made = cx.cloud.patiently(SOON, NOT_YET, call).await?;
    let id = made.vpc_endpoint.and_then(|endpoint| endpoint.vpc_endpoint_id);
    Ok(id.ok_or_else(|| CloudError::incomplete(Service::Ec2, "CreateVpcEndpoint", "endpoint"))?)
}

async fn is_there(cloud: &Cloud, id: String) -> Result<bool, KindError> {
    let request = cloud.ec2.describe_vpc_endpoints().vpc_endpoint_ids(id).send();
    let answer = found(cloud.call(Service::Ec2, "DescribeVpcEndpoints", request).await, NOT_YET)?;
    Ok(answer.is_some_and(|answer| answer.vpc_endpoints().iter().any(|endpoint| !is_gone(endpoint))))
}

/// A deleted endpoint is shown for a while. EC2 writes states in lower case, its documentation in upper.
fn is_gone(endpoint: &aws_sdk_ec2::types::VpcEndpoint) -> bool {
    let state = endpoint.state.as_ref().map(State::as_str).unwrap_or_default();
    [State::Deleting, State::Deleted].iter().any(|gone| gone.as_str().eq_ignore_ascii_case(state))
}
