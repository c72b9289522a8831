//! Plans that are carried out in a cloud that does what it is told, and are cut off anywhere.

use super::*;

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
                *host = Host { vpc, ..super::host(resource, &normal(&properties), host.index.unwrap()) };
            }
            resources.retain(|one| !is_current(one));
            resources.push(one);
        }
    }
    World::new(world.scope.clone(), resources)
}

/// Carries out at most so many steps, and says whether that was all.
pub(super) fn run(plan: &Plan, world: &World, at_most: usize, suffix: &str) -> (World, bool) {
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
    let before = made(&super::estate(SPEC));
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
