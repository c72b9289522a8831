//! Machines: the bastion and the groups of hosts.

use std::collections::BTreeMap;

use super::user_data::UserData;
use super::{BASTION, BuildError, Builder, Draft, HOSTS, PRIVATE, PUBLIC, id};
use crate::estate::{Kind, Link, Ref, ResourceId, tags};
use crate::kind::auto_scaling_group::AutoScalingGroup;
use crate::kind::instances::{Elastic, Instances};
use crate::kind::launch_template::{LaunchTemplate, Metadata, Volume};
use crate::spec::{DataVolume, Environment, HostGroup, Mode};

/// What a gp3 volume has unless more is asked for (Amazon EBS User Guide, "General Purpose SSD volumes").
const GP3_IOPS: u32 = 3000;
const GP3_THROUGHPUT: u32 = 125;
/// The key of the tag that Patch Manager finds its groups by, where instances don't tell their tags to themselves.
const PATCH_GROUP: &str = "Patch Group";

/// What a machine of the estate is for.
struct Machine<'a> {
    name: &'a str,
    description: &'static str,
    count: u32,
    mode: Mode,
    instance_types: BTreeMap<u8, String>,
    root_gib: Option<u32>,
    volumes: &'a [DataVolume],
    /// Its security group.
    purpose: &'static str,
    /// Whether it is in the public or in the private subnets.
    part: &'static str,
    public_address: bool,
    protected: bool,
    /// Tags of machines, volumes and interfaces beyond those of the estate.
    tags: BTreeMap<String, String>,
    agent: toml::Table,
}

impl Builder<'_> {
    pub(super) fn machines(&mut self) -> Result<(), BuildError> {
        self.machine(&Machine {
            name: BASTION,
            description: "The only machine that is reachable from outside",
            count: 1,
            mode: Mode::Instances,
            instance_types: BTreeMap::from([(0, self.spec.bastion.instance_type.as_str().to_owned())]),
            root_gib: None,
            volumes: &[],
            purpose: BASTION,
            part: PUBLIC,
            public_address: true,
            protected: self.spec.tags.environment == Environment::Prod,
            tags: self.machine_tags(),
            agent: toml::Table::new(),
        })?;
        for group in &self.spec.hosts {
            self.machine(&self.host_group(group)?)?;
        }
        Ok(())
    }

    fn host_group<'a>(&self, group: &'a HostGroup) -> Result<Machine<'a>, BuildError> {
        let agent = toml::Table::try_from(&group.agent)
            .map_err(|source| BuildError::Agent { group: group.name.to_string(), source })?;
        let own = group.tags.iter().map(|(key, value)| (key.to_string(), value.to_string()));
        let types = [&group.instance_type].into_iter().chain(&group.alternatives);
        Ok(Machine {
            name: group.name.as_str(),
            description: "Runs programs in sandboxes",
            count: group.count,
            mode: group.mode,
            instance_types: (0..).zip(types.map(|name| name.as_str().to_owned())).collect(),
            root_gib: group.root_gib,
            volumes: &group.volumes,
            purpose: HOSTS,
            part: PRIVATE,
            public_address: false,
            protected: group.termination_protection,
            tags: self.machine_tags().into_iter().chain(own).collect(),
            agent,
        })
    }

    /// Tags by which others' services find machines.
    fn machine_tags(&self) -> BTreeMap<String, String> {
        let patch_group = self.spec.patch_group.iter().map(|group| (PATCH_GROUP.to_owned(), group.to_string()));
        let backup = self.spec.backup.iter().map(|_| (tags::BACKUP.to_owned(), self.scope.estate.to_string()));
        patch_group.chain(backup).collect()
    }

    fn machine(&mut self, machine: &Machine<'_>) -> Result<(), BuildError> {
        let (name, description) = (self.scope.name(machine.name), machine.description);
        let user_data = UserData { machine: machine.name, launch: &name, agent: &machine.agent };
        let (generation, user_data) = self.user_data(&user_data)?;
        let address = self.address_of(machine);
        let part_tags = self.part_tags(machine, &name);
        let template = LaunchTemplate {
            image: self.facts.image.id.clone(),
            instance_type: machine.instance_types.values().next().cloned().unwrap_or_default(),
            profile: Ref::attribute(&id(Kind::InstanceProfile, machine.name), "arn").into(),
            groups: vec![Ref::id(&id(Kind::SecurityGroup, machine.purpose)).into()],
            public_address: machine.public_address && address.is_none(),
            volumes: self.volumes(machine),
            metadata: Metadata::HARDENED,
            protected: machine.protected,
            volume_tags: part_tags.clone(),
            interface_tags: part_tags,
            user_data,
        };
        let of = id(Kind::LaunchTemplate, machine.name);
        let properties = template.clone();
        self.add(Draft { id: of, kind: Kind::LaunchTemplate, name: name.clone(), description, properties }, &[])?;
        let needs = self.needs();
        let subnets = self.subnets_of(machine.part)?;
        match machine.mode {
            Mode::Instances => {
                let id = id(Kind::Instances, machine.name);
                let properties = Instances { address, ..self.group(machine, template, generation, subnets) };
                self.add(Draft { id, kind: Kind::Instances, name, description, properties }, &needs)?;
            }
            Mode::Fleet { min, max } => {
                let id = id(Kind::AutoScalingGroup, machine.name);
                let properties = self.fleet(machine, template, (min, max), subnets);
                self.add(Draft { id, kind: Kind::AutoScalingGroup, name, description, properties }, &needs)?;
            }
        }
        if let Some(added) = self.resources.last_mut() {
            added.tags.extend(machine.tags.clone());
        }
        Ok(())
    }

    /// The address that a machine keeps when it is replaced, where the network has one for it.
    fn address_of(&self, machine: &Machine<'_>) -> Option<Elastic> {
        let id = ResourceId::from_tag(&format!("address/{}", machine.name));
        let is_there = self.resources.iter().any(|resource| resource.id == id);
        is_there.then(|| Elastic { allocation: Ref::id(&id).into(), ip: Ref::attribute(&id, "address").into() })
    }

    fn group(
        &self,
        machine: &Machine<'_>,
        template: LaunchTemplate,
        generation: String,
        subnets: Vec<Link>,
    ) -> Instances {
        let of = id(Kind::LaunchTemplate, machine.name);
        Instances {
            template: Ref::id(&of).into(),
            version: Ref::attribute(&of, "version").into(),
            generation,
            count: machine.count,
            subnets: (0..).zip(subnets).collect(),
            instance_types: machine.instance_types.clone(),
            image: template.image,
            profile: template.profile,
            groups: template.groups,
            volumes: template.volumes,
            public_address: template.public_address,
            address: None,
            protected: machine.protected,
        }
    }

    fn fleet(
        &self,
        machine: &Machine<'_>,
        template: LaunchTemplate,
        (min, max): (u32, u32),
        subnets: Vec<Link>,
    ) -> AutoScalingGroup {
        let of = id(Kind::LaunchTemplate, machine.name);
        // The template names the only type itself.
        let several = machine.instance_types.len() > 1;
        AutoScalingGroup {
            template: Ref::id(&of).into(),
            version: Ref::attribute(&of, "version").into(),
            count: machine.count,
            min,
            max,
            subnets,
            instance_types: if several { machine.instance_types.clone() } else { BTreeMap::new() },
            groups: template.groups,
            profile: template.profile,
            key: self.key_arn(),
        }
    }

    /// A host that starts finds its walls and its ways complete, and its cost watched.
    fn needs(&self) -> Vec<ResourceId> {
        let mut needs = self.ways();
        needs.push(ResourceId::only(Kind::Budget));
        needs
    }

    /// The tags of a fleet's volumes and interfaces; those of plain instances are given as they are started.
    fn part_tags(&self, machine: &Machine<'_>, name: &str) -> BTreeMap<String, String> {
        if machine.mode == Mode::Instances {
            return BTreeMap::new();
        }
        let id = id(Kind::AutoScalingGroup, machine.name);
        let own = tags::tags(self.spec, &id, name, machine.description);
        own.into_iter().chain(machine.tags.clone()).collect()
    }

    /// The image's own volumes, the root first, then those that the spec adds; all encrypted with the estate's key.
    fn volumes(&self, machine: &Machine<'_>) -> Vec<Volume> {
        let key = self.key_arn();
        let volume = |device: String, gib, iops, throughput, keep: bool| Volume {
            device,
            gib,
            volume_type: "gp3".to_owned(),
            iops: whole(iops),
            throughput: whole(throughput),
            encrypted: true,
            key: key.clone(),
            delete_on_termination: !keep,
        };
        let of_image = self.facts.image.devices.iter().enumerate().map(|(index, device)| {
            let gib = machine.root_gib.filter(|_| index == 0).map_or(device.gib, whole);
            volume(device.name.clone(), gib, GP3_IOPS, GP3_THROUGHPUT, false)
        });
        let of_spec = machine.volumes.iter().map(|data| {
            let (iops, throughput) = (data.iops.unwrap_or(GP3_IOPS), data.throughput.unwrap_or(GP3_THROUGHPUT));
            volume(data.device.to_string(), whole(data.gib), iops, throughput, data.keep)
        });
        of_image.chain(of_spec).collect()
    }
}

/// A number as AWS's calls take it; the spec bounds them far below.
fn whole(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}
