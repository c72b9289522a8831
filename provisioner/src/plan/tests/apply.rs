//! What an apply does, and in which order.

use super::*;

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
    let world = made(&super::estate(SPEC));
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

#[test]
fn what_stays_as_it_is_passes_on_what_is_waited_for() {
    let estate = estate(SPEC);
    let detached = with(&made(&estate), "internet-gateway", |gateway| {
        gateway.properties.0.insert("vpc".into(), Value::from(""));
    });
    let world = with(&detached, "instances/bastion", |bastion| bastion.hosts[0].public_address = None);
    let plan = Plan::make(&estate, &world);
    let steps = steps(&plan, &world).unwrap();
    let place = |id: &str| steps.iter().position(|step| plan.changes[step.change].id.as_str() == id).unwrap();
    assert!(plan.changes.iter().all(|change| change.id.as_str() != "address/bastion"), "{:?}", brief(&plan));
    assert!(steps[place("instances/bastion")].after.contains(&place("internet-gateway")), "{steps:#?}");
}
