//! What was started is looked at: a template that asks for encryption is no proof of it.
//!
//! Stops: a host whose volume is readable by whoever copies a snapshot, that gives its role's credentials to any
//! program that can be made to fetch an address, or that is reachable around the bastion.

use aws_sdk_ec2::types::{Filter, HttpTokensState, Instance, InstanceMetadataEndpointState};

use super::super::KindError;
use super::super::ec2::NOT_YET;
use super::Instances;
use crate::cloud::{Cloud, Service};
use crate::estate::ResourceId;

/// Checks that instances are what their group promises.
pub(super) async fn verify(
    cloud: &Cloud,
    id: &ResourceId,
    group: &Instances<String>,
    instances: &[Instance],
) -> Result<(), KindError> {
    for instance in instances {
        if let Some(what) = broken_promise(group, instance) {
            return Err(failed(id, instance.instance_id(), what));
        }
    }
    // A filter takes 200 values (EC2 API Reference, "Filter").
    for chunk in instances.chunks(200) {
        let ids = chunk.iter().filter_map(|instance| instance.instance_id.clone()).collect();
        let filter = Filter::builder().name("attachment.instance-id").set_values(Some(ids)).build();
        let pages = cloud.ec2.describe_volumes().filters(filter).max_results(500).into_paginator().items().send();
        let volumes: Vec<_> = cloud.call(Service::Ec2, "DescribeVolumes", pages.try_collect()).await?;
        for instance in chunk {
            let own = |volume: &&aws_sdk_ec2::types::Volume| {
                volume.attachments().iter().any(|attachment| attachment.instance_id() == instance.instance_id())
            };
            let mut attached = volumes.iter().filter(own).peekable();
            if attached.peek().is_none() {
                return Err(failed(id, instance.instance_id(), "it has no volume".to_owned()));
            }
            for volume in attached {
                let name = volume.volume_id().unwrap_or("without id");
                if volume.encrypted != Some(true) {
                    return Err(failed(id, instance.instance_id(), format!("volume {name} isn't encrypted")));
                }
                if volume.kms_key_id.as_deref() != Some(&group.key) {
                    let key = volume.kms_key_id.as_deref().unwrap_or("no key");
                    let what = format!("volume {name} is encrypted with {key}, not with the estate's {}", group.key);
                    return Err(failed(id, instance.instance_id(), what));
                }
            }
        }
    }
    Ok(())
}

fn failed(id: &ResourceId, instance: Option<&str>, what: String) -> KindError {
    KindError::Unsafe { instance: instance.unwrap_or("without id").to_owned(), id: id.clone(), what }
}

fn broken_promise(group: &Instances<String>, instance: &Instance) -> Option<String> {
    let options = instance.metadata_options();
    if options.and_then(|options| options.http_endpoint()) != Some(&InstanceMetadataEndpointState::Disabled) {
        if options.and_then(|options| options.http_tokens()) != Some(&HttpTokensState::Required) {
            return Some("its metadata service answers without a token (IMDSv1)".to_owned());
        }
        let hops = options.and_then(|options| options.http_put_response_hop_limit());
        if hops != Some(1) {
            return Some(format!("its metadata service's hop limit is {hops:?}, not 1"));
        }
    }
    let public = instance.public_ip_address().filter(|address| !address.is_empty());
    if let (Some(address), false) = (public, group.public_address) {
        return Some(format!("it has the public address {address}"));
    }
    if instance.subnet_id() != Some(group.subnet.as_str()) {
        return Some(format!("it is in {}", instance.subnet_id().unwrap_or("no subnet")));
    }
    let mut groups: Vec<_> = instance.security_groups().iter().filter_map(|group| group.group_id()).collect();
    groups.sort_unstable();
    let mut wanted: Vec<_> = group.groups.iter().map(String::as_str).collect();
    wanted.sort_unstable();
    (groups != wanted).then(|| format!("its security groups are {groups:?}, not {wanted:?}"))
}

/// Puts a host's metadata service back to tokens only and one hop.
pub(super) async fn harden(cloud: &Cloud, instance: &str) -> Result<(), KindError> {
    let request = cloud
        .ec2
        .modify_instance_metadata_options()
        .instance_id(instance)
        .http_endpoint(InstanceMetadataEndpointState::Enabled)
        .http_tokens(HttpTokensState::Required)
        .http_put_response_hop_limit(1);
    let call = || cloud.call(Service::Ec2, "ModifyInstanceMetadataOptions", request.clone().send());
    cloud.patiently(super::super::SOON, NOT_YET, call).await?;
    Ok(())
}
