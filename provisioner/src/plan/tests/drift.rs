//! What others changed, told from what the spec changed.

use super::*;

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
