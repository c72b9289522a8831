//! Groups that have another name than before.

use super::interrupted::run;
use super::*;

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
