//! Machines: the bastion and the groups of hosts.

use serde_json::Value;

use super::{BASTION, BuildError, Builder, Draft, HOSTS, PRIVATE, PUBLIC, id};
use crate::estate::{Kind, Ref, ResourceId};
use crate::kind::instances::Instances;
use crate::kind::launch_template::{LaunchTemplate, Metadata, Volume};

/// What a machine of the estate is for.
struct Machine<'a> {
    name: &'a str,
    instance_type: &'a str,
    root_gib: Option<u32>,
    count: u32,
    /// Its role, profile and security group.
    purpose: &'static str,
    subnet: &'static str,
    public_address: bool,
}

impl Builder<'_> {
    pub(super) fn machines(&mut self) -> Result<(), BuildError> {
        self.machine(&Machine {
            name: BASTION,
            instance_type: self.spec.bastion.instance_type.as_str(),
            root_gib: None,
            count: 1,
            purpose: BASTION,
            subnet: PUBLIC,
            public_address: true,
        })?;
        for group in &self.spec.hosts {
            self.machine(&Machine {
                name: group.name.as_str(),
                instance_type: group.instance_type.as_str(),
                root_gib: group.root_gib,
                count: group.count,
                purpose: HOSTS,
                subnet: PRIVATE,
                public_address: false,
            })?;
        }
        Ok(())
    }

    fn machine(&mut self, machine: &Machine<'_>) -> Result<(), BuildError> {
        let key = self.key_arn();
        let subnet = self.subnets_of(machine.subnet)?.into_iter().next();
        let subnet = subnet.ok_or_else(|| BuildError::NotLookedUp(format!("a {} subnet", machine.subnet)))?;
        let groups = vec![Ref::id(&id(Kind::SecurityGroup, machine.purpose)).into()];
        let volumes = self.facts.image.devices.iter().enumerate().map(|(index, device)| Volume {
            device: device.name.clone(),
            gib: match machine.root_gib {
                Some(gib) if index == 0 => i32::try_from(gib).unwrap_or(i32::MAX),
                _ => device.gib,
            },
            volume_type: "gp3".to_owned(),
            encrypted: true,
            key: key.clone(),
            delete_on_termination: true,
        });
        let template = LaunchTemplate {
            image: self.facts.image.id.clone(),
            instance_type: machine.instance_type.to_owned(),
            profile: Ref::attribute(&id(Kind::InstanceProfile, machine.name), "arn").into(),
            subnet: subnet.clone(),
            groups: groups.clone(),
            public_address: machine.public_address,
            volumes: volumes.collect(),
            metadata: Metadata::HARDENED,
            user_data: self.user_data(),
        };
        let name = self.scope.name(machine.name);
        let description = match machine.purpose {
            BASTION => "The only machine that is reachable from outside",
            _ => "Runs programs in sandboxes",
        };
        let of = id(Kind::LaunchTemplate, machine.name);
        let draft =
            Draft { id: of.clone(), kind: Kind::LaunchTemplate, name: name.clone(), description, properties: template };
        self.add(draft, &[])?;

        let instances = Instances {
            template: Ref::id(&of).into(),
            generation: Ref::attribute(&of, "version").into(),
            count: machine.count,
            subnet,
            groups,
            key,
            public_address: machine.public_address,
        };
        // A host that starts finds its walls and its ways complete, and its cost watched.
        let mut needs = self.ways();
        needs.push(ResourceId::only(Kind::Budget));
        let id = id(Kind::Instances, machine.name);
        self.add(Draft { id, kind: Kind::Instances, name, description, properties: instances }, &needs)
    }

    /// Who may log in. Hosts know the same people as the bastion: it is a way, not a guard of its own.
    fn user_data(&self) -> String {
        let mut text = "#cloud-config\nssh_pwauth: false\ndisable_root: true\nssh_authorized_keys:\n".to_owned();
        for key in &self.spec.bastion.ssh_keys {
            // A JSON string is a YAML string, whatever characters are in a key's comment.
            text.push_str(&format!("  - {}\n", Value::from(key.as_str())));
        }
        text
    }
}
