//! What can be put right in a host while it stays: one call for each host and flaw, since EC2 has no call for several.

use aws_sdk_ec2::types::{
    AttributeBooleanValue, EbsInstanceBlockDeviceSpecification, HttpTokensState,
    InstanceBlockDeviceMappingSpecification, InstanceMetadataEndpointState, InstanceMetadataTagsState, VolumeType,
};
use futures::stream::{StreamExt, TryStreamExt};
use tokio::time::{Instant, sleep};

use super::super::ec2::{NOT_YET, put_tags};
use super::super::{Context, KindError, SOON};
use super::Instances;
use super::flaws::{Flaw, Remedy, flaws};
use super::host::{Host, hosts};
use crate::cloud::Service;
use crate::estate::{ResourceId, tags};

/// Between two looks at volumes that are being changed.
const POLL: std::time::Duration = std::time::Duration::from_secs(1);
/// Hosts under repair at once; the service's token bucket paces the calls.
const AT_ONCE: usize = 8;

/// Puts hosts right.
pub(super) async fn repair(
    cx: &Context<'_>,
    group: &Instances<String>,
    hosts: &[(&Host, Vec<Flaw>)],
) -> Result<(), KindError> {
    let each = hosts.iter().map(|(host, flaws)| repair_one(cx, group, host, flaws));
    futures::stream::iter(each.collect::<Vec<_>>()).buffer_unordered(AT_ONCE).try_collect().await
}

/// Waits until the volumes of these hosts show what they were changed to, so that the next plan sees it too.
pub(super) async fn wait_for_volumes(
    cx: &Context<'_>,
    id: &ResourceId,
    promised: &Instances,
    changed: &[(&Host, Vec<Flaw>)],
) -> Result<(), KindError> {
    let is_volumes = |flaw: &Flaw| flaw.remedy == Remedy::Volume;
    let changed: Vec<_> = changed.iter().filter(|(_, flaws)| flaws.iter().any(is_volumes)).collect();
    if changed.is_empty() {
        return Ok(());
    }
    let deadline = Instant::now() + SOON;
    loop {
        // Not by the group's tag: a group that is renamed has that of the old name until its volumes are right.
        let found: Vec<_> = hosts(cx.cloud, cx.scope, None).await?.into_values().flatten().collect();
        let ours = |host: &&Host| changed.iter().any(|(one, _)| one.instance == host.instance);
        let left = found.iter().filter(ours).filter(|host| flaws(promised, host).iter().any(is_volumes)).count();
        if left == 0 {
            return Ok(());
        }
        if Instant::now() + POLL > deadline {
            let what = format!("volumes of {left} hosts of {id}");
            return Err(KindError::Deadline { what, state: "being changed".to_owned(), seconds: SOON.as_secs() });
        }
        (cx.waiting)(format!("{id}: volumes of {left} hosts are being changed"));
        sleep(POLL).await;
    }
}

async fn repair_one(cx: &Context<'_>, group: &Instances<String>, host: &Host, flaws: &[Flaw]) -> Result<(), KindError> {
    let remedies: std::collections::BTreeSet<_> = flaws.iter().map(|flaw| flaw.remedy).collect();
    for remedy in remedies {
        match remedy {
            // Done by whoever starts and ends hosts.
            Remedy::Replace(_) => {}
            Remedy::Metadata => harden(cx, &host.instance).await?,
            Remedy::Groups => set_groups(cx, &group.groups, &host.instance).await?,
            Remedy::Start => start(cx, &host.instance).await?,
            Remedy::Protection => protect(cx, &host.instance, group.protected).await?,
            Remedy::DeleteOnTermination => set_delete_on_termination(cx, group, host).await?,
            Remedy::Volume => modify_volumes(cx, group, host).await?,
            Remedy::Address => give_address(cx, group, &host.instance).await?,
        }
    }
    Ok(())
}

/// Puts a host's metadata service back to tokens only and one hop.
pub(crate) async fn harden(cx: &Context<'_>, instance: &str) -> Result<(), KindError> {
    let request = cx
        .cloud
        .ec2
        .modify_instance_metadata_options()
        .instance_id(instance)
        .http_endpoint(InstanceMetadataEndpointState::Enabled)
        .http_tokens(HttpTokensState::Required)
        .http_put_response_hop_limit(1)
        .instance_metadata_tags(InstanceMetadataTagsState::Disabled);
    let call = || cx.cloud.call(Service::Ec2, "ModifyInstanceMetadataOptions", request.clone().send());
    cx.cloud.patiently(SOON, NOT_YET, call).await?;
    Ok(())
}

/// Gives a host just these security groups.
pub(crate) async fn set_groups(cx: &Context<'_>, groups: &[String], instance: &str) -> Result<(), KindError> {
    let request = cx.cloud.ec2.modify_instance_attribute().instance_id(instance).set_groups(Some(groups.to_vec()));
    let call = || cx.cloud.call(Service::Ec2, "ModifyInstanceAttribute", request.clone().send());
    cx.cloud.patiently(SOON, NOT_YET, call).await?;
    Ok(())
}

async fn start(cx: &Context<'_>, instance: &str) -> Result<(), KindError> {
    let request = cx.cloud.ec2.start_instances().instance_ids(instance);
    let call = || cx.cloud.call(Service::Ec2, "StartInstances", request.clone().send());
    // One that is still stopping can't be started yet.
    cx.cloud.patiently(super::super::IN_USE, &["IncorrectInstanceState"], call).await?;
    Ok(())
}

/// Sets a host's protection, then notes it, so that a run that comes between does it again.
pub(super) async fn protect(cx: &Context<'_>, instance: &str, on: bool) -> Result<(), KindError> {
    let value = AttributeBooleanValue::builder().value(on).build();
    let request = cx.cloud.ec2.modify_instance_attribute().instance_id(instance).disable_api_termination(value);
    let call = || cx.cloud.call(Service::Ec2, "ModifyInstanceAttribute", request.clone().send());
    cx.cloud.patiently(SOON, NOT_YET, call).await?;
    let note = [(tags::PROTECTED.to_owned(), on.to_string())].into();
    put_tags(cx.cloud, &[instance.to_owned()], &note).await
}

async fn set_delete_on_termination(cx: &Context<'_>, group: &Instances<String>, host: &Host) -> Result<(), KindError> {
    let mappings = group.volumes.iter().map(|volume| {
        let ebs =
            EbsInstanceBlockDeviceSpecification::builder().delete_on_termination(volume.delete_on_termination).build();
        InstanceBlockDeviceMappingSpecification::builder().device_name(&volume.device).ebs(ebs).build()
    });
    let request = cx
        .cloud
        .ec2
        .modify_instance_attribute()
        .instance_id(&host.instance)
        .set_block_device_mappings(Some(mappings.collect()))
        .send();
    cx.cloud.call(Service::Ec2, "ModifyInstanceAttribute", request).await?;
    Ok(())
}

/// Sets size, type, I/O operations and throughput of volumes while they are in use. The file system inside grows when the
/// host next looks, which is the image's part.
async fn modify_volumes(cx: &Context<'_>, group: &Instances<String>, host: &Host) -> Result<(), KindError> {
    for wanted in &group.volumes {
        let found = host.volumes.iter().find(|volume| volume.device == wanted.device);
        let Some((id, like)) = found.and_then(|volume| Some((&volume.id, volume.like.as_ref()?))) else { continue };
        let is = (like.gib, like.volume_type.as_str(), like.iops, like.throughput);
        if is == (wanted.gib, wanted.volume_type.as_str(), wanted.iops, wanted.throughput) {
            continue;
        }
        let request = cx
            .cloud
            .ec2
            .modify_volume()
            .volume_id(id)
            .size(wanted.gib)
            .volume_type(VolumeType::from(wanted.volume_type.as_str()))
            .iops(wanted.iops)
            .throughput(wanted.throughput)
            .send();
        cx.cloud.call(Service::Ec2, "ModifyVolume", request).await?;
    }
    Ok(())
}

/// Gives a host the group's own address, from whoever has it.
pub(super) async fn give_address(cx: &Context<'_>, group: &Instances<String>, instance: &str) -> Result<(), KindError> {
    let Some(address) = &group.address else { return Ok(()) };
    let request = cx
        .cloud
        .ec2
        .associate_address()
        .allocation_id(&address.allocation)
        .instance_id(instance)
        .allow_reassociation(true);
    let call = || cx.cloud.call(Service::Ec2, "AssociateAddress", request.clone().send());
    let codes: Vec<_> = NOT_YET.iter().copied().chain(["InvalidAllocationID.NotFound"]).collect();
    cx.cloud.patiently(SOON, &codes, call).await?;
    Ok(())
}
