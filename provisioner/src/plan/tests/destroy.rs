//! What a destroy ends, in which order, and what it leaves.

use super::*;

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
