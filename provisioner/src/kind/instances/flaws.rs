//! What a host is, against what its group promises; pure. The same answer says what `plan` shows, what `apply` puts right,
//! and whether a host that was just started may be used: a template that asks for encryption is no proof of it.
//!
//! Stops: a host whose volume is readable by whoever copies a snapshot, that gives its role's credentials to any
//! program that can be made to fetch an address, that has another's role, or that is reachable around the bastion.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::host::{Host, HostVolume, VolumeLike};
use super::{Instances, known};
use crate::estate::tags;
use crate::kind::launch_template::{Metadata, Volume};

/// What puts a flaw right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Remedy {
    /// Another host in its place: AWS can't change it, or what was done to it can't be known. Says why.
    Replace(&'static str),
    /// ModifyInstanceMetadataOptions.
    Metadata,
    /// ModifyInstanceAttribute with the groups.
    Groups,
    /// StartInstances.
    Start,
    /// ModifyInstanceAttribute with the protection.
    Protection,
    /// ModifyInstanceAttribute with what goes with the host.
    DeleteOnTermination,
    /// ModifyVolume.
    Volume,
    /// AssociateAddress.
    Address,
}

/// Something of a host that isn't as its group promises.
#[derive(Clone, Debug, PartialEq)]
pub struct Flaw {
    /// What, such as `metadata` or `/dev/xvda size`.
    pub property: String,
    /// What it is.
    pub is: Value,
    /// What it shall be.
    pub shall: Value,
    /// What puts it right.
    pub remedy: Remedy,
}

/// The flaws of a host. What isn't known yet of the group, since it is still to be made, isn't compared.
pub fn flaws(group: &Instances, host: &Host) -> Vec<Flaw> {
    let mut all = Flaws(Vec::new());
    if host.generation != group.generation {
        let why = "its image or its user data is another by now";
        all.add("generation", json!(host.generation), json!(group.generation), Remedy::Replace(why));
    } else if host.image != group.image {
        all.add("image", json!(host.image), json!(group.image), Remedy::Replace("it runs another image"));
    }
    if !group.instance_types.values().any(|name| *name == host.instance_type) {
        let shall = json!(group.instance_types.values().collect::<Vec<_>>());
        all.add("type", json!(host.instance_type), shall, Remedy::Replace("its type isn't one of the group's"));
    }
    let subnets: Option<Vec<_>> = group.subnets.values().map(known).collect();
    if let Some(subnets) = subnets.filter(|subnets| !subnets.contains(&host.subnet.as_str())) {
        let why = "its subnet isn't one of the group's";
        all.add("subnet", json!(host.subnet), json!(subnets), Remedy::Replace(why));
    }
    if let Some(profile) = known(&group.profile).filter(|profile| *profile != host.profile) {
        let why = "its role isn't the group's";
        all.add("profile", json!(host.profile), json!(profile), Remedy::Replace(why));
    }
    if let (Some(address), false, None) = (&host.public_address, group.public_address, &group.address) {
        let why = "it is reachable from the internet";
        all.add("public address", json!(address), Value::Null, Remedy::Replace(why));
    }
    all.volumes(group, host);
    all.in_place(group, host);
    all.0
}

struct Flaws(Vec<Flaw>);

impl Flaws {
    fn add(&mut self, property: impl Into<String>, is: Value, shall: Value, remedy: Remedy) {
        self.0.push(Flaw { property: property.into(), is, shall, remedy });
    }

    fn in_place(&mut self, group: &Instances, host: &Host) {
        let groups: Option<BTreeSet<_>> = group.groups.iter().map(known).collect();
        if let Some(groups) = groups.filter(|groups| !groups.iter().copied().eq(host.groups.iter().map(String::as_str)))
        {
            self.add("security groups", json!(host.groups), json!(groups), Remedy::Groups);
        }
        if host.metadata != Metadata::HARDENED {
            self.add("metadata", describe(&host.metadata), describe(&Metadata::HARDENED), Remedy::Metadata);
        }
        if ["stopping", "stopped"].contains(&host.state.as_str()) {
            self.add("state", json!(host.state), json!("running"), Remedy::Start);
        }
        if host.protected != group.protected {
            self.add("protection", json!(host.protected), json!(group.protected), Remedy::Protection);
        }
        let address = group.address.as_ref().and_then(|address| known(&address.ip));
        if let Some(address) = address.filter(|address| host.public_address.as_deref() != Some(address)) {
            self.add("public address", json!(host.public_address), json!(address), Remedy::Address);
        }
    }

    fn volumes(&mut self, group: &Instances, host: &Host) {
        for wanted in &group.volumes {
            match host.volumes.iter().find(|volume| volume.device == wanted.device) {
                Some(volume) => self.volume(wanted, volume, host),
                None => {
                    let why = Remedy::Replace("a volume is missing");
                    self.add(&wanted.device, Value::Null, json!(format!("{} GiB", wanted.gib)), why);
                }
            }
        }
        let wanted = |volume: &&HostVolume| group.volumes.iter().any(|wanted| wanted.device == volume.device);
        for volume in host.volumes.iter().filter(|volume| !wanted(volume)) {
            let why = Remedy::Replace("it has a volume that the spec doesn't name");
            self.add(&volume.device, json!(volume.id), Value::Null, why);
        }
    }

    fn volume(&mut self, wanted: &Volume, volume: &HostVolume, host: &Host) {
        let device = &wanted.device;
        let Some(like) = &volume.like else { return };
        // Every volume is made with its host's tags; one without them was put in its place.
        if like.tags.get(tags::ID) != host.tags.get(tags::ID) {
            let why = Remedy::Replace("another volume is in the place of its own");
            self.add(device, json!(volume.id), json!("the volume that it was started with"), why);
            return;
        }
        match (&like.key, known(&wanted.key)) {
            (None, _) => {
                let why = Remedy::Replace("a volume isn't encrypted");
                self.add(format!("{device} encryption"), Value::Null, json!("encrypted"), why);
            }
            (Some(key), Some(shall)) if key != shall => {
                let why = Remedy::Replace("a volume is encrypted with another key");
                self.add(format!("{device} key"), json!(key), json!(shall), why);
            }
            _ => {}
        }
        if like.gib > wanted.gib {
            let why = Remedy::Replace("a volume can't shrink");
            self.add(format!("{device} size"), json!(like.gib), json!(wanted.gib), why);
        }
        let settings = differing(wanted, like);
        for (name, is, shall) in settings {
            self.add(format!("{device} {name}"), is, shall, Remedy::Volume);
        }
        if volume.delete_on_termination != wanted.delete_on_termination {
            let (is, shall) = (json!(volume.delete_on_termination), json!(wanted.delete_on_termination));
            self.add(format!("{device} delete on termination"), is, shall, Remedy::DeleteOnTermination);
        }
    }
}

/// Settings of a volume that ModifyVolume changes.
fn differing(wanted: &Volume, like: &VolumeLike) -> Vec<(&'static str, Value, Value)> {
    let mut all = Vec::new();
    if like.gib < wanted.gib {
        all.push(("size", json!(like.gib), json!(wanted.gib)));
    }
    if like.volume_type != wanted.volume_type {
        all.push(("type", json!(like.volume_type), json!(wanted.volume_type)));
    }
    if like.iops != wanted.iops {
        all.push(("iops", json!(like.iops), json!(wanted.iops)));
    }
    if like.throughput != wanted.throughput {
        all.push(("throughput", json!(like.throughput), json!(wanted.throughput)));
    }
    all
}

fn describe(metadata: &Metadata) -> Value {
    let tokens = if metadata.tokens_required { "required" } else { "optional" };
    let mut text = format!("tokens {tokens}, hop limit {}", metadata.hop_limit);
    if !metadata.enabled {
        text.push_str(", off");
    }
    if metadata.tags {
        text.push_str(", tells tags");
    }
    Value::from(text)
}
