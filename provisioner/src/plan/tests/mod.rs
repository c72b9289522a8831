//! Plans against worlds that were made by hand: the estate's own, then with one thing changed.

mod apply;
mod destroy;
mod drift;
mod file;
mod interrupted;
mod others;
mod rename;
mod resources;

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::estate::{BootImage, Device, Facts, Properties, Ref, tags};
use crate::kind::instances::{Host, HostVolume, Instances, VolumeLike};
use crate::kind::launch_template::Metadata;
use crate::spec::Image;
use crate::spec::{self, Spec};

const SPEC: &str = r#"
name = "judge"
region = "eu-central-1"
account = "111111111111"
description = "Runs the programs of contestants"
[tags]
Project = "contest"
Department = "engineering"
Environment = "Test"
[bastion]
allow = ["203.0.113.0/24"]
ssh_keys = ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHUrpDh2nMgNHq3qSZqdLHfCT7qWkiOSxuzRW2uYXkFo ops"]
[image]
id = "ami-0123456789abcdef0"
[[hosts]]
name = "worker"
count = 2
[budget]
monthly_usd = 200
alert = ["ops@example.org"]
"#;

fn parse(text: &str) -> Spec {
    match spec::parse(text.as_bytes(), "estate.toml") {
        Ok(checked) => checked.spec,
        Err(problems) => panic!("{problems:?}"),
    }
}

fn estate(text: &str) -> Estate {
    let spec = parse(text);
    Estate::build(&spec, &facts(&spec)).unwrap()
}

fn facts(spec: &Spec) -> Facts {
    let Image::Id(image) = &spec.image else { panic!("the spec names an image by its id") };
    Facts {
        image: BootImage { id: image.to_string(), devices: vec![Device { name: "/dev/xvda".into(), gib: 8 }] },
        zones: vec!["eu-central-1a".into(), "eu-central-1b".into(), "eu-central-1c".into()],
        used_zones: BTreeMap::new(),
        network: None,
        s3_prefix_list: "pl-1".into(),
        organization: Some("o-abcde12345".into()),
    }
}

fn changed(from: &str, to: &str) -> Estate {
    assert!(SPEC.contains(from));
    estate(&SPEC.replace(from, to))
}

/// The world that an apply of `estate` leaves in a cloud that does what it is told.
fn made(estate: &Estate) -> World {
    let mut known = Known::default();
    let mut resources = Vec::new();
    for resource in &estate.resources {
        let (properties, missing) = resolve(&resource.properties, &known);
        missing.unwrap();
        let physical = match resource.kind {
            Kind::Role | Kind::InstanceProfile | Kind::Budget | Kind::Alias => resource.name.clone(),
            Kind::SecurityGroupRules => properties.0["group"].as_str().unwrap().to_owned(),
            _ => format!("{}-0", resource.id),
        };
        let mut properties = normal(&properties);
        for rule in properties.0.values_mut().filter_map(Value::as_array_mut).flatten().filter_map(Value::as_object_mut)
        {
            rule.remove("description");
        }
        let mut observed = Observed::new(resource.kind, resource.id.clone(), &physical, properties.clone())
            .attribute("arn", format!("arn:{physical}"))
            .attribute("version", "1")
            .attribute("address", "198.51.100.1");
        observed.name.clone_from(&resource.name);
        observed.tags = resource.tags.clone();
        if resource.kind == Kind::Instances {
            let count = properties.0["count"].as_u64().unwrap();
            observed.hosts =
                (0..count).map(|index| host(resource, &properties, u32::try_from(index).unwrap())).collect();
        }
        if resource.kind == Kind::LaunchTemplate {
            let group = estate.get(&ResourceId::named(Kind::Instances, resource.id.name().unwrap())).unwrap();
            observed.tags.insert(tags::COUNT.into(), group.properties.0["count"].to_string());
        }
        known.learn(&resource.id, observed.attributes.clone());
        if resource.kind != Kind::Instances || !observed.hosts.is_empty() {
            resources.push(observed);
        }
    }
    World::new(estate.scope.clone(), resources)
}

fn host(resource: &Resource, properties: &Properties, index: u32) -> Host {
    let group: Instances<String> = properties.parse().unwrap();
    let volumes = group.volumes.into_iter().map(|volume| HostVolume {
        id: format!("vol-{}-{index}", resource.id.name().unwrap()),
        device: volume.device,
        delete_on_termination: volume.delete_on_termination,
        like: Some(VolumeLike {
            gib: volume.gib,
            volume_type: volume.volume_type,
            iops: volume.iops,
            throughput: volume.throughput,
            key: Some(volume.key),
            tags: resource.tags.clone(),
        }),
    });
    Host {
        instance: format!("i-{}-{index}", resource.id.name().unwrap()),
        index: Some(index),
        generation: group.generation,
        state: "running".into(),
        image: group.image,
        instance_type: group.instance_types[&0].clone(),
        profile: group.profile,
        zone: "eu-central-1a".into(),
        vpc: "vpc-0".into(),
        subnet: group.subnets[&0].clone(),
        groups: group.groups,
        private_address: Some(format!("10.0.64.{index}")),
        public_address: group.address.map(|address| address.ip),
        metadata: Metadata::HARDENED,
        protected: group.protected,
        volumes: volumes.collect(),
        interfaces: vec![],
        launched: 0,
        tags: resource.tags.clone(),
    }
}

fn with(world: &World, id: &str, change: impl Fn(&mut Observed)) -> World {
    let mut world = world.clone();
    let found = world.resources.iter_mut().find(|observed| observed.id.as_str() == id);
    change(found.unwrap_or_else(|| panic!("no {id}")));
    world
}

/// Ids, actions and properties, such as `update subnet/private-a: tags.Project`.
fn brief(plan: &Plan) -> Vec<String> {
    let line = |change: &Change| {
        let action = serde_json::to_value(change.action).unwrap();
        let properties: Vec<_> = change.differences.iter().map(|difference| difference.property.as_str()).collect();
        match change.action {
            Action::Create | Action::Delete => format!("{} {}", action.as_str().unwrap(), change.id),
            _ => format!("{} {}: {}", action.as_str().unwrap(), change.id, properties.join(" ")),
        }
    };
    plan.changes.iter().map(line).collect()
}
