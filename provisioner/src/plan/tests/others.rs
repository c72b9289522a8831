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
    key.tags = two_tags(&key);
    world.resources.push(key);
    let world = World::new(world.scope.clone(), world.resources);
    assert!(Plan::make(&estate, &world).is_empty());
    let destroy = Plan::destroy(&world);
    assert!(!destroy.changes.iter().any(|change| change.physical.as_deref() == Some("a-key")));
    let note = "key a-key has the tags that key is looked for by, and none that Holdfast writes beside: left alone";
    assert_eq!(destroy.notes, [note]);
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

/// The tags that everything of an estate is found by, and none besides.
fn two_tags(observed: &Observed) -> BTreeMap<String, String> {
    let is_one = |tag: &&String| [tags::ESTATE, tags::ID].contains(&tag.as_str());
    observed.tags.clone().into_iter().filter(|(tag, _)| is_one(&tag)).collect()
}

#[test]
fn what_only_has_the_tags_that_are_looked_for_is_left_alone_even_where_nothing_else_has_them() {
    let estate = estate(SPEC);
    let mut resources = made(&estate).resources;
    resources.retain(|observed| !matches!(observed.kind, Kind::Alias | Kind::SecurityGroupRules));
    for observed in &mut resources {
        observed.tags = two_tags(observed);
        observed.hosts.iter_mut().for_each(|host| host.tags.clone_from(&observed.tags));
    }
    let count = resources.len();
    let world = World::new(estate.scope.clone(), resources);
    let destroy = Plan::destroy(&world);
    assert_eq!((brief(&destroy), destroy.notes.len()), (vec![], count));
    let plan = Plan::make(&estate, &world);
    assert!(plan.changes.iter().all(|change| change.action == Action::Create), "{:?}", brief(&plan));
    // One tag that somebody took away doesn't make it another's.
    let untagged = with(&made(&estate), "vpc", |vpc| drop(vpc.tags.remove(tags::SPEC)));
    assert_eq!(brief(&Plan::make(&estate, &untagged)), ["update vpc: tags.holdfast:spec"]);
}

#[test]
fn an_alias_is_the_estates_if_it_names_its_key_or_is_younger() {
    let estate = estate(SPEC);
    let world = |created: i64, key: &str| {
        let world = with(&made(&estate), "key", |key| key.created = Some(1000));
        with(&world, "alias", |alias| {
            alias.created = Some(created);
            alias.properties.0.insert("key".into(), key.into());
        })
    };
    assert_eq!(brief(&Plan::make(&estate, &world(1, "key-0"))), Vec::<String>::new());
    // Somebody had it point elsewhere.
    assert_eq!(brief(&Plan::make(&estate, &world(2000, "another"))), ["update alias: key"]);
    assert!(Plan::destroy(&world(2000, "another")).changes.iter().any(|change| change.kind == Kind::Alias));
    // It was there before the estate was.
    let theirs = world(1, "another");
    assert_eq!(brief(&Plan::make(&estate, &theirs)), ["create alias"]);
    let destroy = Plan::destroy(&theirs);
    assert!(!destroy.changes.iter().any(|change| change.kind == Kind::Alias), "{:?}", brief(&destroy));
    assert_eq!(destroy.notes, ["alias/holdfast/judge names a key that isn't the estate's: left alone"]);
}
