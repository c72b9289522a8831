//! Plans against worlds that were made by hand: the estate's own, then with one thing changed.

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

#[test]
fn what_was_made_needs_no_change() {
    let estate = estate(SPEC);
    let plan = Plan::make(&estate, &made(&estate));
    assert_eq!(brief(&plan), Vec::<String>::new());
    assert_eq!(plan.unchanged, estate.resources.len());
}

#[test]
fn a_first_plan_makes_everything_after_what_it_needs() {
    let estate = estate(SPEC);
    let world = World::new(estate.scope.clone(), vec![]);
    let plan = Plan::make(&estate, &world);
    assert!(plan.changes.iter().all(|change| change.action == Action::Create));
    assert_eq!(plan.changes.len(), estate.resources.len());
    insta::assert_json_snapshot!(plan.changes);
    let steps = steps(&plan, &world).unwrap();
    for step in &steps {
        let needs = estate.get(&plan.changes[step.change].id).unwrap().prerequisites();
        let after: Vec<_> = step.after.iter().map(|place| plan.changes[steps[*place].change].id.clone()).collect();
        assert!(needs.iter().all(|need| after.contains(need)), "{needs:?} before {after:?}");
    }
}

#[test]
fn an_estate_lists_each_resource_after_what_it_needs() {
    let mut before = Vec::new();
    for resource in &estate(SPEC).resources {
        assert!(resource.prerequisites().iter().all(|need| before.contains(need)), "{}", resource.id);
        before.push(resource.id.clone());
    }
}

#[test]
fn a_changed_spec_plans_just_that() {
    let before = made(&estate(SPEC));
    let retagged = |plan: &Plan| {
        plan.changes.iter().all(|change| {
            change.action == Action::Update && change.differences.iter().all(|one| one.property == "tags.Project")
        })
    };
    let plan = Plan::make(&changed("\"contest\"", "\"exam\""), &before);
    assert!(retagged(&plan), "{:?}", brief(&plan));

    let table: &[(&str, &str, &[&str])] = &[
        ("count = 2", "count = 3", &["update instances/worker: count host 2"]),
        ("count = 2", "count = 1", &["update instances/worker: count host 1"]),
        ("count = 2", "count = 0", &["update instances/worker: count host 1 host 0"]),
        ("monthly_usd = 200", "monthly_usd = 300", &["update budget: monthly_usd"]),
        ("203.0.113.0/24", "198.51.100.0/24", &["update security-group-rules/bastion: ingress"]),
        (
            "count = 2",
            "count = 2\ninstance_type = \"t3.large\"",
            &[
                "update launch-template/worker: instance_type",
                "replace instances/worker: host 0 host 1 host 0 host 0 type host 1 host 1 type",
            ],
        ),
        (
            "count = 2",
            "count = 2\nroot_gib = 20",
            &[
                "update launch-template/worker: volumes",
                "update instances/worker: host 0 /dev/xvda size host 1 /dev/xvda size",
            ],
        ),
        (
            "name = \"worker\"",
            "name = \"runner\"",
            &[
                "update budget: tags.holdfast:resources",
                "create role/runner",
                "create instance-profile/runner",
                "create launch-template/runner",
                "create instances/runner",
                "delete instances/worker",
                "delete launch-template/worker",
                "delete instance-profile/worker",
                "delete role/worker",
            ],
        ),
    ];
    for (from, to, expected) in table {
        let plan = Plan::make(&changed(from, to), &before);
        assert_eq!(brief(&plan), *expected, "{from} → {to}");
    }
}

#[test]
fn another_image_replaces_hosts_before_the_old_ones_end() {
    let estate = changed("ami-0123456789abcdef0", "ami-0fedcba9876543210");
    let world = made(&self::estate(SPEC));
    let plan = Plan::make(&estate, &world);
    assert_eq!(
        brief(&plan),
        [
            "update launch-template/bastion: image user_data",
            "replace instances/bastion: host 0 host 0 host 0 generation",
            "update launch-template/worker: image user_data",
            "replace instances/worker: host 0 host 1 host 0 host 0 generation host 1 host 1 generation",
        ]
    );
    let hosts = plan.changes.iter().find(|change| change.id.as_str() == "instances/worker").unwrap();
    assert_eq!(hosts.order, Some(Order::ByMembers));
    assert_eq!(
        hosts.why,
        "its image or its user data is another by now; new hosts run before old ones end, 1 at a time"
    );
    let steps = steps(&plan, &world).unwrap();
    assert!(steps.iter().all(|step| step.operation == Operation::Change));
}

/// What a step does to a cloud that does what it is told. Physical ids tell by `suffix` which run made them.
fn carry_out(step: &Step, plan: &Plan, world: &World, suffix: &str) -> World {
    let change = &plan.changes[step.change];
    let mut resources = world.resources.clone();
    let is_current = |one: &Observed| {
        step.current.as_ref().is_some_and(|current| one.kind == current.kind && one.physical == current.physical)
    };
    let known = {
        let mut known = Known::default();
        let settled = settled_attributes(world, plan.estate.as_ref());
        settled.into_iter().for_each(|(id, attributes)| known.learn(&id, attributes));
        known
    };
    match step.operation {
        Operation::Delete => {
            let gone = step.current.as_ref().unwrap();
            resources.retain(|one| !is_current(one));
            // A VPC takes along what it came with, and a group its rules, which have its id.
            let is_of = |one: &Observed| one.properties.0.get("vpc").is_some_and(|vpc| *vpc == gone.physical.as_str());
            resources.retain(|one| !is_of(one) || operations(one.kind).deletable(one));
            let groups: BTreeSet<_> = resources
                .iter()
                .filter(|one| one.kind == Kind::SecurityGroup)
                .map(|one| one.physical.clone())
                .collect();
            resources.retain(|one| one.kind != Kind::SecurityGroupRules || groups.contains(&one.physical));
            // AWS refuses to delete what is used.
            let user = resources.iter().find(|user| user.id != gone.id && refers(user, gone));
            assert!(user.is_none(), "{} is deleted before {}", gone.physical, user.unwrap().physical);
        }
        Operation::Create | Operation::Change => {
            let resource = plan.estate.as_ref().unwrap().get(&change.id).unwrap();
            let (properties, missing) = resolve(&resource.properties, &known);
            missing.unwrap();
            let mut one = resources.iter().find(|one| is_current(one)).cloned().unwrap_or_else(|| {
                let physical = match resource.kind {
                    Kind::SecurityGroupRules => properties.0["group"].as_str().unwrap().to_owned(),
                    _ => format!("{}-{suffix}", resource.id),
                };
                Observed::new(resource.kind, resource.id.clone(), &physical, Properties::default())
                    .attribute("arn", format!("arn:{physical}"))
                    .attribute("version", "1")
            });
            if resource.kind == Kind::LaunchTemplate && step.operation == Operation::Change {
                let version = one.attributes["version"].parse::<u32>().unwrap() + 1;
                one.attributes.insert("version".into(), version.to_string());
            }
            one.id = resource.id.clone();
            one.properties = normal(&properties);
            for rule in one.properties.0.values_mut().filter_map(Value::as_array_mut).flatten() {
                rule.as_object_mut().into_iter().for_each(|rule| drop(rule.remove("description")));
            }
            one.tags.extend(resource.tags.clone());
            for host in &mut one.hosts {
                let vpc = known.get(&Ref::id(&ResourceId::only(Kind::Vpc))).unwrap().to_owned();
                *host = Host { vpc, ..self::host(resource, &normal(&properties), host.index.unwrap()) };
            }
            resources.retain(|one| !is_current(one));
            resources.push(one);
        }
    }
    World::new(world.scope.clone(), resources)
}

/// Carries out at most so many steps, and says whether that was all.
fn run(plan: &Plan, world: &World, at_most: usize, suffix: &str) -> (World, bool) {
    let steps = steps(plan, world).unwrap();
    let (mut world, mut done) = (world.clone(), BTreeSet::new());
    while done.len() < steps.len().min(at_most) {
        let next = (0..steps.len()).find(|step| !done.contains(step) && steps[*step].after.is_subset(&done)).unwrap();
        world = carry_out(&steps[next], plan, &world, suffix);
        done.insert(next);
        // Hosts are there all the time, in a network that is.
        for hosts in world.resources.iter().filter(|one| one.kind == Kind::Instances) {
            assert_eq!(hosts.hosts.len(), if hosts.id.as_str() == "instances/bastion" { 1 } else { 2 });
            let is_there = |id: &str| world.resources.iter().any(|one| one.physical == id);
            assert!(hosts.hosts.iter().all(|host| is_there(&host.vpc) && is_there(&host.subnet)));
        }
    }
    (world, done.len() == steps.len())
}

#[test]
fn another_range_makes_the_new_network_first_wherever_it_is_cut_off() {
    let estate = changed("[bastion]", "[network]\ncidr = \"10.1.0.0/16\"\n[bastion]");
    let before = made(&self::estate(SPEC));
    let plan = Plan::make(&estate, &before);
    insta::assert_snapshot!(brief(&plan).join("\n"));
    let vpc = plan.changes.iter().find(|change| change.kind == Kind::Vpc).unwrap();
    assert_eq!((vpc.order, vpc.why.as_str()), (Some(Order::NewFirst), "a VPC's first range can't be changed"));
    let mut cut = 0;
    loop {
        let (mut world, whole) = run(&plan, &before, cut, "1");
        let again = Plan::make(&estate, &world);
        assert!(!again.changes.iter().any(|change| whole && change.action != Action::Delete), "{:?}", brief(&again));
        world = run(&again, &world, usize::MAX, "2").0;
        assert_eq!(brief(&Plan::make(&estate, &world)), Vec::<String>::new(), "cut off after {cut} steps");
        // Nothing doubled, nothing left.
        let ids: BTreeSet<_> = world.resources.iter().map(|one| &one.id).collect();
        assert_eq!((ids.len(), world.resources.len()), (before.resources.len(), before.resources.len()));
        // A destroy in the middle ends both.
        let (middle, _) = run(&plan, &before, cut, "1");
        let destroy = Plan::destroy(&middle);
        let stays = destroy.notes.iter().chain(destroy.left.iter().map(|left| &left.what)).collect::<Vec<_>>();
        assert_eq!(stays, Vec::<&String>::new(), "cut off after {cut} steps");
        assert!(steps(&destroy, &middle).is_ok());
        if whole {
            break;
        }
        cut += 1;
    }
    assert!(cut > 30, "{cut}");
}

#[test]
fn what_changed_behind_our_back_is_named_property_by_property() {
    let estate = estate(SPEC);
    let world = made(&estate);
    let set = |id: &str, property: &str, value: Value| {
        with(&world, id, |observed| {
            observed.properties.0.insert(property.to_owned(), value.clone());
        })
    };
    let gone = |id: &str| {
        let resources = world.resources.iter().filter(|observed| observed.id.as_str() != id).cloned().collect();
        World::new(world.scope.clone(), resources)
    };
    let tagless = with(&world, "subnet/private-a", |observed| {
        observed.tags.remove("Department");
    });
    let dead = with(&world, "instances/worker", |observed| {
        observed.hosts.remove(0);
    });
    let weakened = with(&world, "instances/worker", |observed| observed.hosts[1].metadata.tokens_required = false);
    let table: Vec<(World, Vec<&str>)> = vec![
        (set("key", "rotation", false.into()), vec!["update key: rotation"]),
        (set("key", "enabled", false.into()), vec!["update key: enabled"]),
        (set("vpc", "dns_support", false.into()), vec!["update vpc: dns_support"]),
        (set("internet-gateway", "vpc", "".into()), vec!["update internet-gateway: vpc"]),
        (set("role/worker", "attached", serde_json::json!(["arn:admin"])), vec!["update role/worker: attached"]),
        (set("role/bastion", "trust", Value::Null), vec!["update role/bastion: trust"]),
        (
            set("security-group-rules/default", "egress", serde_json::json!([{}])),
            vec!["update security-group-rules/default: egress"],
        ),
        (
            set("route-table/private-a", "routes", serde_json::json!({"0.0.0.0/0": "igw-1"})),
            vec!["update route-table/private-a: routes"],
        ),
        (
            set("launch-template/worker", "metadata", Value::Null),
            // Its hosts were started before, and are looked at themselves.
            vec!["update launch-template/worker: metadata"],
        ),
        (tagless, vec!["update subnet/private-a: tags.Department"]),
        (dead, vec!["update instances/worker: count host 0"]),
        (weakened, vec!["update instances/worker: host 1 metadata"]),
        (gone("vpc-endpoint/s3"), vec!["create vpc-endpoint/s3"]),
        (gone("alias"), vec!["create alias"]),
    ];
    for (world, expected) in table {
        assert_eq!(brief(&Plan::make(&estate, &world)), expected);
    }
}

#[test]
fn a_spec_that_changed_is_no_drift_and_what_others_changed_is() {
    let world = made(&estate(SPEC));
    let drift = |estate: &Estate, world: &World| {
        let drift = Drift::of(&Plan::make(estate, world));
        let named = drift.resources.iter().map(|one| {
            let properties: Vec<_> = one.differences.iter().map(|one| one.property.as_str()).collect();
            format!("{:?} {}: {}", one.what, one.id, properties.join(" "))
        });
        (named.collect::<Vec<_>>(), drift.undecided.iter().map(ToString::to_string).collect::<Vec<_>>())
    };
    let nothing = (vec![], vec![]);
    assert_eq!(drift(&estate(SPEC), &world), nothing);
    for (from, to) in [
        ("\"contest\"", "\"exam\""),
        ("count = 2", "count = 3"),
        ("count = 2", "count = 0"),
        ("monthly_usd = 200", "monthly_usd = 300"),
        ("203.0.113.0/24", "198.51.100.0/24"),
        ("name = \"worker\"", "name = \"runner\""),
        ("ami-0123456789abcdef0", "ami-0fedcba9876543210"),
        ("[bastion]", "[network]\ncidr = \"10.1.0.0/16\"\n[bastion]"),
    ] {
        let (named, undecided) = drift(&changed(from, to), &world);
        assert_eq!(named, Vec::<String>::new(), "{from} → {to}");
        assert!(!undecided.is_empty(), "{from} → {to}");
    }
    let without = |id: &str| {
        let resources = world.resources.iter().filter(|observed| observed.id.as_str() != id).cloned().collect();
        World::new(world.scope.clone(), resources)
    };
    let opened = with(&world, "security-group-rules/bastion", |rules| {
        rules.properties.0.insert("ingress".into(), serde_json::json!([{"world": true}]));
    });
    let stranger = with(&world, "subnet/private-a", |subnet| {
        subnet.tags.insert(tags::ID.into(), "subnet/extra".into());
        subnet.physical.push_str("-extra");
        subnet.id = ResourceId::named(Kind::Subnet, "extra");
    });
    let stranger = World::new(
        world.scope.clone(),
        [
            world.resources.clone(),
            vec![stranger.resources.iter().find(|one| one.id.as_str() == "subnet/extra").unwrap().clone()],
        ]
        .concat(),
    );
    let dead = with(&world, "instances/worker", |group| drop(group.hosts.remove(1)));
    let replaced = with(&dead, "instances/worker", |group| group.hosts[0].profile = "arn:another".into());
    let tagless = with(&world, "subnet/private-a", |subnet| drop(subnet.tags.remove(tags::SPEC)));
    for (world, expected) in [
        (without("vpc-endpoint/s3"), "Gone vpc-endpoint/s3: "),
        (without("budget"), "Gone budget: "),
        (without("instances/worker"), "Gone instances/worker: "),
        (opened, "Changed security-group-rules/bastion: ingress"),
        (stranger, "Added subnet/extra: "),
        (dead.clone(), "Changed instances/worker: count host 1"),
        // What moves since another host is replaced isn't what happened.
        (replaced, "Changed instances/worker: count host 1 host 0 profile"),
        (tagless, "Changed subnet/private-a: tags.holdfast:spec"),
    ] {
        assert_eq!(drift(&estate(SPEC), &world), (vec![expected.to_owned()], vec![]));
    }
    // Both at once: what the spec didn't touch is told apart still.
    let (named, undecided) = drift(&changed("monthly_usd = 200", "monthly_usd = 300"), &without("alias"));
    assert_eq!((named, undecided), (vec!["Gone alias: ".to_owned()], vec!["budget".to_owned()]));
    let (named, _) = drift(&changed("ami-0123456789abcdef0", "ami-0fedcba9876543210"), &dead);
    assert_eq!(named, ["Changed instances/worker: count host 1"]);
    let (named, undecided) = drift(&changed("count = 2", "count = 3"), &dead);
    assert_eq!((named, undecided), (vec![], vec!["instances/worker".to_owned()]));
}

#[test]
fn accepted_risks_are_in_the_plan_and_on_everything() {
    let mut spec = parse(SPEC);
    spec.accepted.push(spec::AcceptedRisk {
        setting: "network.flow_logs".into(),
        risk: "nobody sees who talked to whom".into(),
        reason: "a lab without data".parse().unwrap(),
    });
    let estate = Estate::build(&spec, &facts(&spec)).unwrap();
    for resource in estate.resources.iter().filter(|resource| resource.tags.contains_key(tags::ID)) {
        assert_eq!(resource.tags[tags::ACCEPTED_RISKS], "network.flow_logs: a lab without data");
    }
    let plan = Plan::make(&estate, &World::new(estate.scope.clone(), vec![]));
    assert_eq!(plan.estate.unwrap().accepted, spec.accepted);
}

#[test]
fn a_group_that_is_renamed_keeps_its_hosts() {
    let world = made(&estate(SPEC));
    let mut spec = parse(&SPEC.replace("\"worker\"", "\"runner\""));
    spec.hosts[0].was = Some("worker".parse().unwrap());
    let renamed = Estate::build(&spec, &facts(&spec)).unwrap();
    let plan = Plan::make(&renamed, &world);
    assert_eq!(
        brief(&plan),
        [
            "update budget: tags.holdfast:resources",
            "update role/runner: description policies tags.Description tags.Name tags.holdfast:id",
            "update instance-profile/runner: tags.Description tags.Name tags.holdfast:id",
            "update launch-template/runner: user_data tags.Name tags.holdfast:id",
            "update instances/runner: tags.Name tags.holdfast:id",
        ]
    );
    assert!(plan.changes.iter().all(|change| change.cause == Cause::Spec && change.physical.is_some()));
    let (after, _) = run(&plan, &world, usize::MAX, "1");
    assert_eq!(brief(&Plan::make(&renamed, &after)), Vec::<String>::new());
    check_renames(&renamed, &after).unwrap();
    // Cut off when half of the hosts had their new name.
    let mut half = after.clone();
    let mut rest =
        half.resources.iter().find(|one| one.kind == Kind::Instances && one.hosts.len() == 2).cloned().unwrap();
    rest.id = ResourceId::named(Kind::Instances, "worker");
    rest.hosts.remove(0);
    rest.hosts[0].tags.insert(tags::ID.into(), "instances/worker".into());
    half.resources
        .iter_mut()
        .filter(|one| one.id.as_str() == "instances/runner")
        .for_each(|one| drop(one.hosts.remove(1)));
    half.resources.push(rest);
    let half = World::new(half.scope, half.resources);
    assert_eq!(brief(&Plan::make(&renamed, &half)), ["update instances/runner: tags.holdfast:id"]);
    check_renames(&renamed, &half).unwrap();
    // Both are there: who knows which is meant.
    let mut both = after.clone();
    both.resources.extend(world.resources.iter().filter(|one| one.id.as_str() == "launch-template/worker").cloned());
    let error = check_renames(&renamed, &both).unwrap_err().to_string();
    assert!(error.contains("group runner was worker") && error.contains("launch-templates of both names"), "{error}");
}

/// The hosts of a group in a world, under the name that it has there.
fn hosts_mut<'a>(world: &'a mut World, id: &str) -> &'a mut Vec<Host> {
    let group = world.resources.iter_mut().find(|one| one.id.as_str() == id);
    &mut group.unwrap_or_else(|| panic!("no {id}")).hosts
}

fn volume_tags(host: &mut Host) -> &mut BTreeMap<String, String> {
    &mut host.volumes[0].like.as_mut().unwrap().tags
}

#[test]
fn a_rename_that_was_cut_off_between_a_host_and_its_volumes_goes_on() {
    let before = made(&estate(SPEC));
    let mut spec = parse(&SPEC.replace("\"worker\"", "\"runner\""));
    spec.hosts[0].was = Some("worker".parse().unwrap());
    let renamed = Estate::build(&spec, &facts(&spec)).unwrap();
    let (after, _) = run(&Plan::make(&renamed, &before), &before, usize::MAX, "1");
    let old_tags = hosts_mut(&mut before.clone(), "instances/worker")[0].tags.clone();
    let (mut volumes_first, mut host_first) = (after.clone(), after.clone());
    // Volumes of both hosts are tagged, the hosts aren't: their group has its old name.
    let group = volumes_first.resources.iter_mut().find(|one| one.id.as_str() == "instances/runner").unwrap();
    group.id = ResourceId::named(Kind::Instances, "worker");
    group.tags.clone_from(&old_tags);
    group.hosts.iter_mut().for_each(|host| host.tags.clone_from(&old_tags));
    // One host is tagged, and its volume isn't.
    volume_tags(&mut hosts_mut(&mut host_first, "instances/runner")[1]).clone_from(&old_tags);
    for half in [volumes_first, host_first] {
        let plan = Plan::make(&renamed, &half);
        assert_eq!(brief(&plan), ["update instances/runner: tags.Name tags.holdfast:id"]);
        assert_eq!(plan.changes[0].cause, Cause::Spec, "the spec's doing, and nobody else's");
        check_renames(&renamed, &half).unwrap();
        let (whole, _) = run(&plan, &half, usize::MAX, "2");
        assert_eq!(brief(&Plan::make(&renamed, &whole)), Vec::<String>::new());
    }
    // A volume that never was the host's is still one in the place of its own, in the middle of a rename too.
    let mut swapped = after.clone();
    volume_tags(&mut hosts_mut(&mut swapped, "instances/runner")[1]).clear();
    assert_eq!(brief(&Plan::make(&renamed, &swapped)), ["replace instances/runner: host 1 host 1 host 1 /dev/xvda"]);
}

#[test]
fn a_key_that_the_spec_keeps_outlives_the_estate_with_its_name() {
    let mut spec = parse(SPEC);
    spec.encryption = spec::Encryption::Made { keep: true };
    let keeping = Estate::build(&spec, &facts(&spec)).unwrap();
    let world = made(&estate(SPEC));
    assert_eq!(brief(&Plan::make(&keeping, &world)), ["update key: tags.holdfast:keep"]);
    let plan = Plan::destroy(&made(&keeping));
    assert!(!plan.changes.iter().any(|change| [Kind::Key, Kind::Alias].contains(&change.kind)));
    let left: Vec<_> = plan.left.iter().map(|left| left.what.as_str()).collect();
    assert_eq!(left, ["key key-0", "alias alias/holdfast/judge"]);
    assert!(Plan::destroy(&world).changes.iter().any(|change| change.kind == Kind::Key));
}

#[test]
fn a_key_that_is_going_is_called_back() {
    let estate = estate(SPEC);
    let world = with(&made(&estate), "key", |key| {
        key.state = Some("pending deletion until 2026-12-24".into());
        key.properties.0.insert("enabled".into(), false.into());
        key.properties.0.insert("rotation".into(), false.into());
    });
    assert_eq!(brief(&Plan::make(&estate, &world)), ["update key: enabled rotation"]);
    let destroy = Plan::destroy(&world);
    assert!(destroy.changes.iter().all(|change| change.kind != Kind::Key));
    assert_eq!(destroy.left[0].what, "key key-0");
}

#[test]
fn of_two_with_one_id_the_used_one_stays() {
    let estate = estate(SPEC);
    let mut world = made(&estate);
    let twin = |world: &World, id: &str, physical: &str| {
        let mut twin = world.resources.iter().find(|observed| observed.id.as_str() == id).cloned().unwrap();
        physical.clone_into(&mut twin.physical);
        twin.attributes.insert("id".into(), physical.into());
        twin.attributes.insert("arn".into(), format!("arn:{physical}"));
        twin
    };
    // Ids that sort before those of the ones in use.
    world.resources.extend([twin(&world, "vpc", "a-vpc"), twin(&world, "key", "a-key")]);
    let world = World::new(world.scope.clone(), world.resources);
    let plan = Plan::make(&estate, &world);
    let deleted: Vec<_> = plan.changes.iter().map(|change| (change.action, change.physical.as_deref())).collect();
    assert_eq!(deleted, [(Action::Delete, Some("a-vpc")), (Action::Delete, Some("a-key"))]);
}

#[test]
fn a_key_that_was_only_tagged_to_look_like_ours_is_left_alone() {
    let estate = estate(SPEC);
    let mut world = made(&estate);
    let mut key = world.resources.iter().find(|observed| observed.kind == Kind::Key).cloned().unwrap();
    key.physical = "a-key".into();
    key.attributes.clear();
    key.tags.retain(|tag, _| [tags::ESTATE, tags::ID].contains(&tag.as_str()));
    world.resources.push(key);
    let world = World::new(world.scope.clone(), world.resources);
    assert!(Plan::make(&estate, &world).is_empty());
    let destroy = Plan::destroy(&world);
    assert!(!destroy.changes.iter().any(|change| change.physical.as_deref() == Some("a-key")));
    assert_eq!(destroy.notes, ["key a-key has the id of key beside another one: left alone"]);
}

#[test]
fn what_is_in_another_vpc_is_left_alone_whatever_its_tags_say() {
    let estate = estate(SPEC);
    let mut world = made(&estate);
    let mut foreign: Vec<_> = world
        .resources
        .iter()
        .filter(|observed| {
            ["subnet/private-a", "security-group/hosts", "security-group-rules/hosts", "instances/worker"]
                .contains(&observed.id.as_str())
        })
        .cloned()
        .collect();
    for observed in &mut foreign {
        observed.physical.push_str("-foreign");
        observed.properties.0.insert("vpc".into(), "vpc-foreign".into());
        observed.hosts.iter_mut().for_each(|host| host.vpc = "vpc-foreign".into());
    }
    world.resources.extend(foreign);
    let world = World::new(world.scope.clone(), world.resources);
    for plan in [Plan::make(&estate, &world), Plan::destroy(&world)] {
        let touched = |change: &Change| change.physical.as_deref().is_some_and(|id| id.ends_with("-foreign"));
        assert!(!plan.changes.iter().any(touched));
        assert_eq!(plan.notes.len(), 3, "{:?}", plan.notes);
    }
    assert!(Plan::make(&estate, &world).is_empty());
}

#[test]
fn destroying_deletes_users_before_what_they_use() {
    let estate = estate(SPEC);
    let world = made(&estate);
    let plan = Plan::destroy(&world);
    insta::assert_snapshot!(brief(&plan).join("\n"));
    let steps = steps(&plan, &world).unwrap();
    for step in &steps {
        let Some(current) = &step.current else { panic!("a deletion of nothing") };
        for (place, other) in steps.iter().enumerate() {
            let user = other.current.as_ref().unwrap();
            if user.id != current.id && refers(user, current) {
                assert!(step.after.contains(&place), "{} before {}", current.id, user.id);
            }
        }
    }
}

#[test]
fn a_plan_survives_its_file_and_another_format_is_refused() {
    let estate = estate(SPEC);
    let plan = Plan::make(&estate, &World::new(estate.scope.clone(), vec![]));
    let text = plan.to_json().unwrap();
    assert_eq!(Plan::from_json(&text).unwrap(), plan);
    let newer = text.replacen("\"format\": 2", "\"format\": 9", 1);
    assert!(matches!(Plan::from_json(&newer), Err(PlanError::Format(9))));
    assert!(matches!(Plan::from_json("{}"), Err(PlanError::Json(_))));
}

#[test]
fn the_worlds_digest_follows_what_plans_depend_on_and_nothing_else() {
    let world = made(&estate(SPEC));
    let same = with(&world, "budget", |budget| {
        budget.attributes.insert("actual_usd".into(), "17".into());
    });
    assert_eq!(world.digest(), same.digest());
    let same = with(&world, "instances/worker", |group| group.hosts[0].state = "stopping".into());
    assert_eq!(world.digest(), same.digest());
    let other = with(&world, "vpc", |vpc| {
        vpc.tags.insert("Project".into(), "other".into());
    });
    assert_ne!(world.digest(), other.digest());
}

#[test]
fn every_resource_that_can_be_tagged_has_all_tags() {
    for resource in &estate(SPEC).resources {
        if matches!(resource.kind, Kind::Alias | Kind::SecurityGroupRules) {
            continue;
        }
        for key in [
            "Project",
            "Department",
            "Environment",
            "Name",
            "Description",
            tags::ESTATE,
            tags::ID,
            tags::SPEC,
            tags::BUDGET,
        ] {
            let value = &resource.tags[key];
            // IAM's characters, the narrowest.
            let fits = |c: char| c.is_alphanumeric() || " _.:/=+-@".contains(c);
            assert!(!value.is_empty() && value.chars().all(fits), "{}: {key} = {value}", resource.id);
        }
    }
}

#[test]
fn a_group_has_the_rights_of_its_own_and_of_the_spec_alone() {
    let with_trail = estate(&format!("{SPEC}[audit]\naccount = \"222222222222\"\n"));
    let sids = |estate: &Estate, group| -> Vec<String> {
        let role = estate.get(&ResourceId::named(Kind::Role, group)).unwrap();
        let policies: BTreeMap<String, Value> = serde_json::from_value(role.properties.0["policies"].clone()).unwrap();
        assert_eq!(policies.keys().collect::<Vec<_>>(), ["machine"]);
        let statements = policies["machine"]["Statement"].as_array().unwrap().iter();
        statements.map(|statement| statement["Sid"].as_str().unwrap().to_owned()).collect()
    };
    let own = ["ReadOwnParameters", "DecryptOwnParameters", "ReadCommands", "ReportItself", "TakeCommands"];
    for group in ["bastion", "worker"] {
        assert_eq!(sids(&estate(SPEC), group), own);
        assert_eq!(sids(&with_trail, group), [&["PutOwnRecords", "EncryptOwnRecords"][..], &own].concat());
    }
}
