//! A fleet's hosts: what of one isn't as every host of the fleet shall be, and what puts it right.
//!
//! Hosts of an older version of the launch template stay, so what a version may change (image, type, the size of volumes)
//! isn't compared. What holds for all versions is: a host that can't be made safe in place is handed back to Auto
//! Scaling, which ends it and starts another from the fleet's version. That happens one host at a time, the next once as
//! many as the fleet wants are in service again.
//!
//! Stops: a host that stays reachable around the bastion, keeps another's role, or writes to a volume that isn't its own,
//! only because somebody else started it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::super::instances::{self, Host, known};
use super::super::launch_template::Metadata;
use super::super::{Context, Difference, KindError, Observed, SOON, Wanted};
use super::{AutoScalingGroup, wait_until_in_service};
use crate::cloud::Service;
use crate::estate::tags;

/// What puts a flaw right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Remedy {
    /// ModifyInstanceMetadataOptions.
    Metadata,
    /// ModifyInstanceAttribute with the groups.
    Groups,
    /// CreateTags.
    Tags,
    /// TerminateInstanceInAutoScalingGroup: another host in its place.
    Replace,
}

/// Something of a host that isn't as it shall be.
struct Flaw {
    property: String,
    is: Value,
    shall: Value,
    remedy: Remedy,
}

/// How a fleet's hosts differ from what each of them shall be.
pub(super) fn differences<'a>(
    fleet: &'a AutoScalingGroup,
    tags: &'a BTreeMap<String, String>,
    hosts: &'a [Host],
) -> impl Iterator<Item = Difference> + 'a {
    hosts.iter().flat_map(move |host| {
        let label = host.label();
        flaws(fleet, tags, host).into_iter().map(move |flaw| {
            let property = format!("host {label} {}", flaw.property);
            Difference { property, old: flaw.is, new: flaw.shall }
        })
    })
}

/// Puts hosts right, and has Auto Scaling replace those that can't be, one after the other.
pub(super) async fn put_right(cx: &Context<'_>, wanted: &Wanted<'_>, current: &Observed) -> Result<(), KindError> {
    let (fleet, groups) = (wanted.parse::<AutoScalingGroup>()?, wanted.parse::<AutoScalingGroup<String>>()?.groups);
    let tags = &wanted.resource.tags;
    let remedies =
        |host: &Host| -> BTreeSet<Remedy> { flaws(&fleet, tags, host).into_iter().map(|flaw| flaw.remedy).collect() };
    let flawed: Vec<_> = current.hosts.iter().map(|host| (host, remedies(host))).collect();
    let (lost, kept): (Vec<_>, Vec<_>) =
        flawed.into_iter().partition(|(_, remedies)| remedies.contains(&Remedy::Replace));
    for (host, remedies) in &kept {
        if remedies.contains(&Remedy::Metadata) {
            instances::harden(cx, &host.instance).await?;
        }
        if remedies.contains(&Remedy::Groups) {
            instances::set_groups(cx, &groups, &host.instance).await?;
        }
    }
    // A tag of the spec is of all hosts: thousands, in few calls.
    let untagged = kept.iter().filter(|(_, remedies)| remedies.contains(&Remedy::Tags));
    let untagged: Vec<_> = untagged.map(|(host, _)| *host).collect();
    if !untagged.is_empty() {
        instances::put_tags_of_hosts(cx.cloud, &untagged, tags).await?;
    }
    for (host, _) in lost {
        replace(cx, &host.instance).await?;
        wait_until_in_service(cx, wanted, &current.physical).await?;
    }
    Ok(())
}

/// Has Auto Scaling end a host and start another in its place.
async fn replace(cx: &Context<'_>, instance: &str) -> Result<(), KindError> {
    let request = cx.cloud.autoscaling.terminate_instance_in_auto_scaling_group().instance_id(instance);
    let request = request.should_decrement_desired_capacity(false);
    let operation = "TerminateInstanceInAutoScalingGroup";
    let call = || cx.cloud.call(Service::AutoScaling, operation, request.clone().send());
    match cx.cloud.patiently(SOON, &["ScalingActivityInProgress"], call).await {
        // Auto Scaling, or somebody else, was faster.
        Err(error) if error.code() == "ValidationError" && error.message().contains("not found") => Ok(()),
        answer => {
            answer?;
            Ok(())
        }
    }
}

fn flaws(fleet: &AutoScalingGroup, tags: &BTreeMap<String, String>, host: &Host) -> Vec<Flaw> {
    let mut all = unsafe_for_good(fleet, host);
    let mut add = |property: String, is, shall, remedy| all.push(Flaw { property, is, shall, remedy });
    if host.metadata != Metadata::HARDENED {
        add("metadata".to_owned(), json!(host.metadata), json!(Metadata::HARDENED), Remedy::Metadata);
    }
    let groups: Option<BTreeSet<_>> = fleet.groups.iter().map(known).collect();
    if let Some(groups) = groups.filter(|groups| !groups.iter().copied().eq(host.groups.iter().map(String::as_str))) {
        add("security groups".to_owned(), json!(host.groups), json!(groups), Remedy::Groups);
    }
    for (key, value) in tags {
        // The launch template, which volumes have their tags from, is no place for a digest of their fleet.
        let of_volumes = host.volumes.iter().filter_map(|volume| volume.like.as_ref()).filter(|_| key != tags::SPEC);
        let mut parts = std::iter::once(&host.tags).chain(of_volumes.map(|like| &like.tags));
        if let Some(other) = parts.find(|tags| tags.get(key) != Some(value)) {
            add(format!("tags.{key}"), json!(other.get(key)), json!(value), Remedy::Tags);
        }
    }
    all
}

/// What AWS can't change in a host, or what can't be undone.
fn unsafe_for_good(fleet: &AutoScalingGroup, host: &Host) -> Vec<Flaw> {
    let mut all = Vec::new();
    let mut add = |property: String, is, shall| all.push(Flaw { property, is, shall, remedy: Remedy::Replace });
    if let Some(profile) = known(&fleet.profile).filter(|profile| *profile != host.profile) {
        add("profile".to_owned(), json!(host.profile), json!(profile));
    }
    if let Some(address) = &host.public_address {
        add("public address".to_owned(), json!(address), Value::Null);
    }
    for volume in &host.volumes {
        let (device, Some(like)) = (&volume.device, &volume.like) else { continue };
        // Every volume is made with the tags of the fleet; one without them was put in its place.
        if like.tags.get(tags::ID) != host.tags.get(tags::ID) {
            add(device.clone(), json!(volume.id), json!("the volume that it was started with"));
        } else if let Some(key) = known(&fleet.key).filter(|key| like.key.as_deref() != Some(*key)) {
            add(format!("{device} key"), json!(like.key), json!(key));
        }
    }
    all
}
