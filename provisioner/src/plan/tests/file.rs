//! Plans in files, and the world that one was made against.

use super::*;

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
