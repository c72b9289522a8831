//! What looks like the estate's and isn't, and which of two is.

use super::*;

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
