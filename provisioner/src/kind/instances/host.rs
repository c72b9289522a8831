//! A host as it was found: instances from DescribeInstances, their volumes from DescribeVolumes, each in pages for all of
//! an estate's, however many hosts there are.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_ec2::types::{
    Filter, HttpTokensState, Instance, InstanceMetadataEndpointState, InstanceMetadataOptionsResponse,
    InstanceMetadataTagsState, InstanceStateName, Volume,
};
use serde::{Deserialize, Serialize};

use super::super::KindError;
use super::super::ec2::{NOT_YET, PAGE, filter, of_estate, read_tags};
use super::super::launch_template::Metadata;
use crate::cloud::{Cloud, Service, found};
use crate::estate::{ResourceId, Scope, tags};

/// A host as it was found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Host {
    /// The instance's id.
    pub instance: String,
    /// Its index in the group; none in a fleet, whose members are all alike.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<u32>,
    /// What it was started as: see [`Instances::generation`](super::Instances::generation).
    pub generation: String,
    /// `pending`, `running`, `stopping` or `stopped`.
    pub state: String,
    /// The image that it runs.
    pub image: String,
    /// Its type.
    pub instance_type: String,
    /// The ARN of its instance profile; empty where it has none.
    pub profile: String,
    /// The availability zone that it is in.
    pub zone: String,
    /// The VPC that it is in.
    pub vpc: String,
    /// The subnet that it is in.
    pub subnet: String,
    /// Its security groups.
    pub groups: Vec<String>,
    /// Its address in the VPC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub private_address: Option<String>,
    /// Its public address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_address: Option<String>,
    /// How its metadata service answers.
    pub metadata: Metadata,
    /// Whether it was protected against its end when that was last set: EC2 tells only in a call for each instance.
    pub protected: bool,
    /// Its volumes.
    pub volumes: Vec<HostVolume>,
    /// Its network interfaces.
    pub interfaces: Vec<String>,
    /// When it was started, in seconds since 1970.
    pub launched: i64,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}

/// A volume that a host has.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HostVolume {
    /// Its id.
    pub id: String,
    /// The device that it is attached as.
    pub device: String,
    /// Whether it goes with its host.
    pub delete_on_termination: bool,
    /// What it is like; none while EC2 doesn't show it yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub like: Option<VolumeLike>,
}

/// What a volume is like.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VolumeLike {
    /// Its size in GiB.
    pub gib: i32,
    /// Its type, such as `gp3`.
    pub volume_type: String,
    /// I/O operations per second.
    pub iops: i32,
    /// MiB per second.
    pub throughput: i32,
    /// The ARN of the key that encrypts it; none where it isn't encrypted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}

impl Host {
    /// What it is called: its index, or in a fleet its instance's id.
    pub fn label(&self) -> String {
        self.index.map_or_else(|| self.instance.clone(), |index| index.to_string())
    }

    /// What has the host's tags beside the instance: its volumes and its interfaces.
    pub(super) fn parts(&self) -> impl Iterator<Item = String> {
        self.volumes.iter().map(|volume| &volume.id).chain(&self.interfaces).cloned()
    }
}

/// All hosts of the estate that aren't dead or dying, by group; of one group, if it is named.
pub(crate) async fn hosts(
    cloud: &Cloud,
    scope: &Scope,
    group: Option<&ResourceId>,
) -> Result<BTreeMap<ResourceId, Vec<Host>>, KindError> {
    let (instances, volumes) =
        tokio::try_join!(describe(cloud, scope, group), describe_volumes(cloud, filters(scope, group)))?;
    let mut groups: BTreeMap<ResourceId, Vec<Host>> = BTreeMap::new();
    for (id, host) in with_volumes(cloud, instances, volumes).await? {
        groups.entry(id).or_default().push(host);
    }
    Ok(groups)
}

/// The hosts of the estate that an Auto Scaling group started, whichever name they are tagged with: as their group is
/// renamed, it has the new one before them.
pub(crate) async fn hosts_of_fleet(
    cloud: &Cloud,
    scope: &Scope,
    fleet: &str,
    id: &ResourceId,
) -> Result<Vec<Host>, KindError> {
    let of_fleet = vec![of_estate(scope), filter(&format!("tag:{FLEET}"), fleet)];
    let (instances, volumes) =
        tokio::try_join!(describe_by(cloud, of_fleet), describe_volumes(cloud, filters(scope, Some(id))))?;
    Ok(with_volumes(cloud, instances, volumes).await?.into_iter().map(|(_, host)| host).collect())
}

/// Living hosts of instances that were found, each with what its volumes are like.
async fn with_volumes(
    cloud: &Cloud,
    instances: Vec<Instance>,
    mut volumes: BTreeMap<String, VolumeLike>,
) -> Result<Vec<(ResourceId, Host)>, KindError> {
    let mut hosts = Vec::new();
    for instance in instances {
        if let Some(id) = super::id(&instance) {
            hosts.extend(read(instance).map(|host| (id, host)));
        }
    }
    // One that has no tag of the estate was put there by somebody, or isn't shown yet.
    let attached = hosts.iter().flat_map(|(_, host)| host.volumes.iter().map(|volume| volume.id.clone()));
    let unknown: Vec<_> = attached.filter(|id| !volumes.contains_key(id)).collect();
    // A filter takes 200 values (EC2 API Reference, "Filter").
    for ids in unknown.chunks(200) {
        let of = Filter::builder().name("volume-id").set_values(Some(ids.to_vec())).build();
        volumes.extend(describe_volumes(cloud, vec![of]).await?);
    }
    for volume in hosts.iter_mut().flat_map(|(_, host)| &mut host.volumes) {
        volume.like = volumes.remove(&volume.id);
    }
    Ok(hosts)
}

fn filters(scope: &Scope, group: Option<&ResourceId>) -> Vec<Filter> {
    let of_group = group.map(|group| filter(&format!("tag:{}", tags::ID), group.as_str()));
    [of_estate(scope)].into_iter().chain(of_group).collect()
}

/// The estate's instances, dead ones that EC2 still shows included; of one group, if it is named.
pub(super) async fn describe(
    cloud: &Cloud,
    scope: &Scope,
    group: Option<&ResourceId>,
) -> Result<Vec<Instance>, KindError> {
    describe_by(cloud, filters(scope, group)).await
}

async fn describe_by(cloud: &Cloud, filters: Vec<Filter>) -> Result<Vec<Instance>, KindError> {
    let request = cloud.ec2.describe_instances().set_filters(Some(filters)).max_results(PAGE).into_paginator();
    let pages = request.items().send();
    let reservations: Vec<_> = cloud.call(Service::Ec2, "DescribeInstances", pages.try_collect()).await?;
    Ok(reservations.into_iter().flat_map(|reservation| reservation.instances.unwrap_or_default()).collect())
}

async fn describe_volumes(cloud: &Cloud, filters: Vec<Filter>) -> Result<BTreeMap<String, VolumeLike>, KindError> {
    let pages = cloud.ec2.describe_volumes().set_filters(Some(filters)).max_results(PAGE).into_paginator().items();
    let answer = cloud.call(Service::Ec2, "DescribeVolumes", pages.send().try_collect()).await;
    let volumes: Vec<Volume> = found(answer, NOT_YET)?.unwrap_or_default();
    Ok(volumes
        .into_iter()
        .filter_map(|volume| {
            let like = VolumeLike {
                gib: volume.size.unwrap_or_default(),
                volume_type: volume.volume_type.map(|kind| kind.to_string()).unwrap_or_default(),
                iops: volume.iops.unwrap_or_default(),
                throughput: volume.throughput.unwrap_or_default(),
                key: volume.kms_key_id.filter(|_| volume.encrypted == Some(true)),
                tags: read_tags(volume.tags),
            };
            Some((volume.volume_id?, like))
        })
        .collect())
}

pub(super) fn state(instance: &Instance) -> Option<&InstanceStateName> {
    instance.state.as_ref().and_then(|state| state.name.as_ref())
}

pub(super) fn is_dead(instance: &Instance) -> bool {
    matches!(state(instance), Some(InstanceStateName::Terminated | InstanceStateName::ShuttingDown))
}

/// A host, its volumes still unseen; none where it is dead, dying, or was started by nobody who says as what.
fn read(instance: Instance) -> Option<Host> {
    if is_dead(&instance) {
        return None;
    }
    let state = state(&instance)?.to_string();
    let tags = read_tags(instance.tags);
    let launch_index = u32::try_from(instance.ami_launch_index.unwrap_or_default()).ok()?;
    let index = match tags.get(tags::FIRST) {
        Some(first) => {
            let stride: u32 = tags.get(tags::STRIDE).map_or(Some(1), |stride| stride.parse().ok())?;
            Some(launch_index.checked_mul(stride)?.checked_add(first.parse().ok()?)?)
        }
        None if tags.contains_key(FLEET) => None,
        None => return None,
    };
    let volumes = instance.block_device_mappings.unwrap_or_default().into_iter().filter_map(|mapping| {
        let ebs = mapping.ebs?;
        Some(HostVolume {
            id: ebs.volume_id?,
            device: mapping.device_name?,
            delete_on_termination: ebs.delete_on_termination.unwrap_or(false),
            like: None,
        })
    });
    let interfaces = instance.network_interfaces.unwrap_or_default();
    let interfaces = interfaces.into_iter().filter_map(|interface| interface.network_interface_id);
    let groups: BTreeSet<_> =
        instance.security_groups.unwrap_or_default().into_iter().filter_map(|group| group.group_id).collect();
    Some(Host {
        instance: instance.instance_id?,
        index,
        generation: tags.get(tags::GENERATION).cloned().unwrap_or_default(),
        state,
        image: instance.image_id.unwrap_or_default(),
        instance_type: instance.instance_type.map(|kind| kind.to_string()).unwrap_or_default(),
        profile: instance.iam_instance_profile.and_then(|profile| profile.arn).unwrap_or_default(),
        zone: instance.placement.and_then(|placement| placement.availability_zone).unwrap_or_default(),
        vpc: instance.vpc_id.unwrap_or_default(),
        subnet: instance.subnet_id.unwrap_or_default(),
        groups: groups.into_iter().collect(),
        private_address: instance.private_ip_address,
        public_address: instance.public_ip_address.filter(|address| !address.is_empty()),
        metadata: read_metadata(instance.metadata_options),
        protected: tags.get(tags::PROTECTED).is_some_and(|protected| protected == "true"),
        volumes: volumes.collect(),
        interfaces: interfaces.collect(),
        launched: instance.launch_time.map(|time| time.secs()).unwrap_or_default(),
        tags,
    })
}

/// The tag by which Auto Scaling marks the instances that it starts.
const FLEET: &str = "aws:autoscaling:groupName";

fn read_metadata(options: Option<InstanceMetadataOptionsResponse>) -> Metadata {
    let options = options.as_ref();
    Metadata {
        enabled: options.and_then(|options| options.http_endpoint()) != Some(&InstanceMetadataEndpointState::Disabled),
        tokens_required: options.and_then(|options| options.http_tokens()) == Some(&HttpTokensState::Required),
        hop_limit: options.and_then(|options| options.http_put_response_hop_limit()).unwrap_or_default(),
        tags: options.and_then(|options| options.instance_metadata_tags()) == Some(&InstanceMetadataTagsState::Enabled),
    }
}
