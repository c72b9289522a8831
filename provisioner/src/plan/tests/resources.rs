//! What every resource is tagged with, and what roles may do.

use super::*;

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
