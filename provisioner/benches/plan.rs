//! How long the pure core of a plan takes: what leads from an estate of 10,000 hosts that is as it shall be to nothing.
//!
//! The world is the one that an apply of the estate leaves, so that all of it is compared and nothing differs.
#![allow(clippy::expect_used, clippy::print_stdout)]

use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::Instant;

use provision::estate::{
    BootImage, Device, Estate, Facts, Kind, Known, Properties, Resource, ResourceId, resolve, tags,
};
use provision::kind::Observed;
use provision::kind::instances::{Host, HostVolume, Instances, VolumeLike};
use provision::kind::launch_template::Metadata;
use provision::plan::{Plan, World, normal};
use provision::spec;
use serde_json::Value;

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
count = 5000
[[hosts]]
name = "builder"
count = 5000
[budget]
monthly_usd = 2000000
alert = ["ops@example.org"]
"#;

/// How often a plan is made; the median counts.
const ROUNDS: usize = 21;

fn main() {
    let estate = estate();
    let world = world(&estate);
    let plan = Plan::make(&estate, &world);
    assert!(plan.is_empty(), "what was just made differs: {:#?}", plan.changes.first());
    let mut times: Vec<_> = (0..ROUNDS)
        .map(|_| {
            let began = Instant::now();
            black_box(Plan::make(black_box(&estate), black_box(&world)));
            began.elapsed()
        })
        .collect();
    times.sort_unstable();
    let milliseconds = times[ROUNDS / 2].as_secs_f64() * 1000.0;
    println!("plan of an unchanged estate of 10,000 hosts in two groups: {milliseconds:.1} ms");
}

fn estate() -> Estate {
    let spec = spec::parse(SPEC.as_bytes(), "estate.toml").expect("the spec is right").spec;
    let facts = Facts {
        image: BootImage {
            id: "ami-0123456789abcdef0".into(),
            devices: vec![Device { name: "/dev/xvda".into(), gib: 8 }],
        },
        zones: vec!["eu-central-1a".into(), "eu-central-1b".into(), "eu-central-1c".into()],
        used_zones: BTreeMap::new(),
        network: None,
        s3_prefix_list: "pl-1".into(),
        organization: None,
    };
    Estate::build(&spec, &facts).expect("the spec can be built")
}

/// The world that an apply of `estate` leaves.
fn world(estate: &Estate) -> World {
    let mut known = Known::default();
    let mut resources = Vec::new();
    for resource in &estate.resources {
        let (properties, missing) = resolve(&resource.properties, &known);
        missing.expect("each resource comes after what it needs");
        let observed = observed(estate, resource, &properties);
        known.learn(&resource.id, observed.attributes.clone());
        resources.push(observed);
    }
    World::new(estate.scope.clone(), resources)
}

fn observed(estate: &Estate, resource: &Resource, properties: &Properties) -> Observed {
    let physical = match resource.kind {
        Kind::SecurityGroupRules => properties.0["group"].as_str().expect("rules are of a group").to_owned(),
        _ => format!("{}-0", resource.id),
    };
    let mut found = normal(properties);
    // How a rule is described isn't compared, nor found.
    for rule in found.0.values_mut().filter_map(Value::as_array_mut).flatten().filter_map(Value::as_object_mut) {
        rule.remove("description");
    }
    let mut tags = resource.tags.clone();
    if resource.kind == Kind::LaunchTemplate {
        let group = resource.id.name().and_then(|name| estate.get(&ResourceId::named(Kind::Instances, name)));
        let count = &group.expect("each template is of a group").properties.0["count"];
        tags.insert(tags::COUNT.into(), count.to_string());
    }
    let attribute = |name: &str, value: String| (name.to_owned(), value);
    Observed {
        id: resource.id.clone(),
        kind: resource.kind,
        name: resource.name.clone(),
        attributes: BTreeMap::from([
            attribute("id", physical.clone()),
            attribute("arn", format!("arn:{physical}")),
            attribute("version", "1".into()),
            attribute("address", "198.51.100.1".into()),
        ]),
        physical,
        tags,
        state: None,
        created: None,
        hosts: if resource.kind == Kind::Instances { hosts(resource, &found) } else { Vec::new() },
        properties: found,
    }
}

fn hosts(resource: &Resource, properties: &Properties) -> Vec<Host> {
    let group: Instances<String> = properties.parse().expect("a group's properties");
    let count = u32::try_from(properties.0["count"].as_u64().expect("a count")).expect("a small one");
    (0..count).map(|index| host(resource, &group, index)).collect()
}

fn host(resource: &Resource, group: &Instances<String>, index: u32) -> Host {
    let name = resource.id.name().unwrap_or_default();
    let place = index % u32::try_from(group.subnets.len()).expect("a few subnets");
    let place = u8::try_from(place).expect("a few subnets");
    let volumes = group.volumes.iter().map(|volume| HostVolume {
        id: format!("vol-{name}-{index}"),
        device: volume.device.clone(),
        delete_on_termination: volume.delete_on_termination,
        like: Some(VolumeLike {
            gib: volume.gib,
            volume_type: volume.volume_type.clone(),
            iops: volume.iops,
            throughput: volume.throughput,
            key: Some(volume.key.clone()),
            tags: resource.tags.clone(),
        }),
    });
    Host {
        instance: format!("i-{name}-{index}"),
        index: Some(index),
        generation: group.generation.clone(),
        state: "running".into(),
        image: group.image.clone(),
        instance_type: group.instance_types[&0].clone(),
        profile: group.profile.clone(),
        zone: "eu-central-1a".into(),
        vpc: "vpc-0".into(),
        subnet: group.subnets[&place].clone(),
        groups: group.groups.clone(),
        private_address: Some(format!("10.0.{}.{}", 64 + index / 256, index % 256)),
        public_address: group.address.as_ref().map(|address| address.ip.clone()),
        metadata: Metadata::HARDENED,
        protected: group.protected,
        volumes: volumes.collect(),
        interfaces: vec![format!("eni-{name}-{index}")],
        launched: 0,
        tags: resource.tags.clone(),
    }
}
