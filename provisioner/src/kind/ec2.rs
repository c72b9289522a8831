//! What EC2's kinds share: tags, the filter by estate, codes.

use std::collections::BTreeMap;

use aws_sdk_ec2::config::{self, retry::RetryConfig};
use aws_sdk_ec2::types::{Filter, ResourceType, Tag, TagSpecification};
use serde::Serialize;

use super::{Attributes, Kind, KindError, Observed, SOON, Wanted, properties};
use crate::cloud::{Cloud, Service};
use crate::estate::{ResourceId, Scope, tags};

/// Most results of a page; EC2's default is far less for some calls.
pub(super) const PAGE: i32 = 1000;

/// What EC2 says of an id that was just made and isn't known everywhere yet.
pub(super) const NOT_YET: &[&str] = &[
    "InvalidVpcID.NotFound",
    "InvalidVpcId.NotFound",
    "InvalidSubnetID.NotFound",
    "InvalidSubnetId.NotFound",
    "InvalidGroup.NotFound",
    "InvalidGroupId.NotFound",
    "InvalidInternetGatewayID.NotFound",
    "InvalidInternetGatewayId.NotFound",
    "InvalidRouteTableID.NotFound",
    "InvalidRouteTableId.NotFound",
    "InvalidLaunchTemplateId.NotFound",
    "InvalidLaunchTemplateId.NotFoundException",
    "InvalidInstanceID.NotFound",
    "InvalidVolume.NotFound",
    "InvalidNetworkInterfaceID.NotFound",
    "InvalidVpcEndpointId.NotFound",
    "InvalidAllocationID.NotFound",
    "InvalidNatGatewayID.NotFound",
    "NatGatewayNotFound",
    "InvalidNetworkAclID.NotFound",
];

/// What EC2 says of something that is used by what is still going.
pub(super) const USED: &[&str] = &["DependencyViolation", "InvalidGroup.InUse"];

/// What is limited so much that EC2 wants it asked again later, having done nothing.
pub(super) const THROTTLED: &[&str] = &["RequestLimitExceeded", "Throttling", "ThrottlingException"];

/// The filter that every discovery begins with.
pub(super) fn of_estate(scope: &Scope) -> Filter {
    Filter::builder().name(format!("tag:{}", tags::ESTATE)).values(scope.estate.as_str()).build()
}

/// Another filter.
pub(super) fn filter(name: &str, value: &str) -> Filter {
    Filter::builder().name(name).values(value).build()
}

/// Tags as EC2 gives them.
pub(super) fn read_tags(tags: Option<Vec<Tag>>) -> BTreeMap<String, String> {
    tags.unwrap_or_default().into_iter().filter_map(|tag| Some((tag.key?, tag.value.unwrap_or_default()))).collect()
}

/// Tags as EC2 takes them.
pub(super) fn write_tags(tags: &BTreeMap<String, String>) -> Vec<Tag> {
    tags.iter().map(|(key, value)| Tag::builder().key(key).value(value).build()).collect()
}

/// The tags that a resource is made with.
pub(super) fn tagged(kind: ResourceType, tags: &BTreeMap<String, String>) -> TagSpecification {
    TagSpecification::builder().resource_type(kind).set_tags(Some(write_tags(tags))).build()
}

/// The id inside the estate, from the tags.
pub(super) fn id_of(tags: &BTreeMap<String, String>) -> Option<ResourceId> {
    tags.get(tags::ID).map(|id| ResourceId::from_tag(id))
}

/// Fills in what tags say.
pub(super) fn with_tags(mut observed: Observed, tags: BTreeMap<String, String>) -> Observed {
    if let Some(name) = tags.get("Name") {
        observed.name.clone_from(name);
    }
    observed.tags = tags;
    observed
}

/// A resource that EC2 shows, if its tags say which of the estate's it is.
pub(super) fn observed(
    kind: Kind,
    tags: Option<Vec<Tag>>,
    physical: Option<String>,
    found: &impl Serialize,
) -> Result<Option<Observed>, KindError> {
    let tags = read_tags(tags);
    let (Some(id), Some(physical)) = (id_of(&tags), physical) else { return Ok(None) };
    let properties = properties(&id, found)?;
    Ok(Some(with_tags(Observed::new(kind, id, &physical, properties), tags)))
}

/// What a call is made with that isn't repeated blindly: without a ClientToken a second one would make a second
/// resource, unless the first was refused unread ([`THROTTLED`]).
pub(super) fn only_once() -> config::Builder {
    config::Config::builder().retry_config(RetryConfig::disabled())
}

/// Puts a resource's tags right, if they aren't, which changes none of its attributes.
pub(super) async fn retag(cloud: &Cloud, wanted: &Wanted<'_>, current: &Observed) -> Result<Attributes, KindError> {
    if !wanted.is_tagged(current) {
        put_tags(cloud, std::slice::from_ref(&current.physical), &wanted.resource.tags).await?;
    }
    Ok(current.attributes.clone())
}

/// Sets tags on resources.
pub(super) async fn put_tags(cloud: &Cloud, ids: &[String], tags: &BTreeMap<String, String>) -> Result<(), KindError> {
    // CreateTags takes up to 1,000 resources (EC2 API Reference).
    for ids in ids.chunks(1000) {
        let request = cloud.ec2.create_tags().set_resources(Some(ids.to_vec())).set_tags(Some(write_tags(tags)));
        cloud.patiently(SOON, NOT_YET, || cloud.call(Service::Ec2, "CreateTags", request.clone().send())).await?;
    }
    Ok(())
}
