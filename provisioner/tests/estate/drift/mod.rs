//! What others change is named and put right, whatever they change; what is theirs is left alone.

mod changes;

use std::collections::{BTreeMap, BTreeSet};

use changes::{LATER, LINES, Line, Way};
use provision::kind::KINDS;
use serde_json::{Value, json};

use crate::fixture::{Fixture, assert_same, succeed, text};

/// What the lines of a change call.
const BOTO: &str = include_str!("boto.py");

/// Runs lines of boto3, all of them, and says under their labels which failed.
fn change<'a>(fixture: &Fixture, lines: impl IntoIterator<Item = (String, &'a str)>) {
    let lines: Vec<_> = lines.into_iter().map(|(label, lines)| format!("attempt({label:?}, {lines:?})")).collect();
    fixture.boto(&format!("{BOTO}\n{}\ndone()", lines.join("\n")));
}

/// What `drift --json` says; whether anything is, its exit code must say too.
fn drift(fixture: &Fixture) -> Value {
    let output = fixture.provision(&["drift", "--json"]);
    let drift: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", text(&output.stderr)));
    let is_empty = drift["resources"].as_array().unwrap().is_empty();
    assert_eq!(output.status.code(), Some(if is_empty { 0 } else { 2 }), "{drift:#}");
    drift
}

/// What changed, as `<id> <property>`; of what is gone or came, `<id> gone` and `<id> added`.
fn named(drift: &Value) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for resource in drift["resources"].as_array().unwrap() {
        let id = resource["id"].as_str().unwrap();
        match resource["differences"].as_array() {
            Some(differences) => {
                all.extend(differences.iter().map(|one| format!("{id} {}", one["property"].as_str().unwrap())));
            }
            None => {
                all.insert(format!("{id} {}", resource["what"].as_str().unwrap()));
            }
        }
    }
    all
}

/// Asserts that an apply puts everything right.
fn assert_repaired(fixture: &Fixture, when: &str) {
    fixture.apply();
    let drift = drift(fixture);
    assert_eq!((named(&drift), &drift["undecided"]), (BTreeSet::new(), &json!([])), "{when}");
    assert_eq!(fixture.plan(), Vec::<String>::new(), "{when}");
}

/// A spec with everything that an estate can have beside a NAT gateway.
fn everything(fixture: &Fixture) -> String {
    let hosts = "count = 7\nalternatives = [\"t3a.small\"]\ntags = { Team = \"judges\" }\n\
                 [[hosts.volumes]]\nname = \"data\"\ndevice = \"/dev/sdf\"\ngib = 5\n\
                 [[hosts.permissions]]\nactions = [\"s3:GetObject\"]\nresources = [\"arn:aws:s3:::contest-tasks/a\"]\n\
                 [[hosts]]\nname = \"builder\"\nmode = \"fleet\"\ncount = 2\nmin = 1\nmax = 4\n[backup]";
    let network = "cidr = \"10.0.0.0/16\"\negress = \"endpoints\"";
    let spec = fixture.spec().replace("count = 2", hosts).replace("cidr = \"10.0.0.0/16\"", network);
    let spec = spec.replace("monthly_usd = 200", "monthly_usd = 2000");
    spec.replacen("account =", "patch_group = \"weekly\"\naccount =", 1)
}

#[test]
fn what_others_do_is_named_and_put_right() {
    const EVENTS: &[(&str, &str, &str)] = &[
        ("a deleted instance", "instances/worker host 1", "ec2.terminate_instances(InstanceIds=[host(1)])"),
        (
            "a rule opened to the world",
            "security-group-rules/hosts ingress",
            "ec2.authorize_security_group_ingress(GroupId=one('security-group', 'security-group/hosts'),\n\
             \x20   IpPermissions=[{'IpProtocol': 'tcp', 'FromPort': 22, 'ToPort': 22,\n\
             \x20       'IpRanges': [{'CidrIp': '0.0.0.0/0'}]}])",
        ),
        ("a tag removed", "vpc tags.Project", "untag('vpc', 'vpc')"),
        (
            "a volume swapped",
            "instances/worker host 0 /dev/xvda",
            "swapped, zone = host(0), hosts('instances/worker')[0]['Placement']['AvailabilityZone']\n\
             old = volume(0, '/dev/xvda')\n\
             ec2.stop_instances(InstanceIds=[swapped])\n\
             ec2.detach_volume(VolumeId=old, InstanceId=swapped)\n\
             new = ec2.create_volume(Size=8, AvailabilityZone=zone, VolumeType='gp3')['VolumeId']\n\
             ec2.attach_volume(VolumeId=new, InstanceId=swapped, Device='/dev/xvda')\n\
             ec2.start_instances(InstanceIds=[swapped])",
        ),
        (
            "metadata options weakened",
            "instances/worker host 0 metadata",
            "ec2.modify_instance_metadata_options(InstanceId=host(0), HttpTokens='optional')",
        ),
        ("a key disabled", "key enabled", "kms.disable_key(KeyId=key())"),
        (
            "a role policy widened",
            "role/worker policies",
            "policy = iam.list_role_policies(RoleName=role('worker'))['PolicyNames'][0]\n\
             iam.put_role_policy(RoleName=role('worker'), PolicyName=policy, PolicyDocument=allow_all())",
        ),
        (
            "a route added",
            "route-table/private-a routes",
            "ec2.create_route(RouteTableId=one('route-table', 'route-table/private-a'),\n\
             \x20   DestinationCidrBlock='0.0.0.0/0', GatewayId=one('internet-gateway', 'internet-gateway'))",
        ),
    ];
    let fixture = Fixture::start();
    fixture.apply();
    let made = fixture.inventory();
    assert_eq!(named(&drift(&fixture)), BTreeSet::new());
    for (event, expected, lines) in EVENTS {
        change(&fixture, [((*event).to_owned(), *lines)]);
        let named = named(&drift(&fixture));
        assert!(named.contains(*expected), "{event}: {named:?}");
        assert_repaired(&fixture, event);
    }
    assert_same(&without_foreign_volumes(&fixture.inventory()), &made, "put right");
}

/// An inventory without volumes that nothing uses: a swapped one is its owner's, and stays.
fn without_foreign_volumes(inventory: &Value) -> Value {
    let mut inventory = inventory.clone();
    inventory["volume"].as_array_mut().unwrap().retain(|volume| volume["hosts"] != json!([]));
    inventory
}

/// The estate that a plan of this spec wants: the properties and whether it has tags, by id.
fn desired(fixture: &Fixture) -> BTreeMap<String, (String, BTreeSet<String>, bool)> {
    let output = fixture.provision(&["plan", "--json"]);
    succeed(&output);
    let file: Value = serde_json::from_slice(&output.stdout).unwrap();
    let plan = file.get("plan").unwrap_or(&file);
    let resources = plan["estate"]["resources"].as_array().unwrap().iter();
    let resource = |one: &Value| {
        let properties = one["properties"].as_object().unwrap().keys().cloned().collect();
        let [id, kind] = ["id", "kind"].map(|key| one[key].as_str().unwrap().to_owned());
        (id, (kind, properties, one["tags"].get("Project").is_some()))
    };
    resources.map(resource).collect()
}

#[test]
fn every_property_of_every_kind_that_others_change_is_named_and_put_right() {
    let fixture = Fixture::start();
    let spec = everything(&fixture);
    fixture.write_spec(&spec);
    fixture.apply();
    let with_endpoints = desired(&fixture);
    let tagged = with_endpoints.iter().filter(|(_, (.., tagged))| *tagged);
    let tagged: Vec<_> = tagged.map(|(id, (kind, ..))| (id.as_str(), kind.as_str())).collect();
    let drift = assert_named(&fixture, &tagged, LINES);
    assert_uncompared_is_listed(&drift);
    assert_named(&fixture, &[], LATER);

    // A NAT gateway stands in the place of endpoints.
    fixture.write_spec(&spec.replace("\"endpoints\"", "\"nat\""));
    fixture.apply();
    let with_nat = desired(&fixture);
    let new: BTreeMap<_, _> = with_nat.iter().filter(|(id, _)| !with_endpoints.contains_key(*id)).collect();
    let tags = new.iter().filter(|(_, (.., tagged))| *tagged);
    let tags: Vec<_> = tags.map(|(id, (kind, ..))| (id.as_str(), kind.as_str())).collect();
    assert_named(&fixture, &tags, &[]);

    // Nothing is left out: every kind, and every property of each.
    let kinds: BTreeSet<_> = with_endpoints.values().chain(with_nat.values()).map(|(kind, ..)| kind.as_str()).collect();
    let missing: Vec<_> = KINDS.iter().filter(|kind| !kinds.contains(kind.as_str())).collect();
    assert!(missing.is_empty(), "no spec here has {missing:?}");
    let properties: BTreeSet<_> = with_endpoints
        .values()
        .chain(with_nat.values())
        .flat_map(|(kind, properties, _)| properties.iter().map(move |property| (kind.as_str(), property.as_str())))
        .collect();
    let lines: BTreeSet<_> = LINES.iter().chain(LATER).map(|line| (line.kind, line.property)).collect();
    let missing: Vec<_> = properties.difference(&lines).collect();
    assert!(missing.is_empty(), "changes.rs has no line for {missing:?}");
}

/// Asserts that `drift` lists what it doesn't look at.
fn assert_uncompared_is_listed(drift: &Value) {
    for line in LINES {
        let Way::Uncompared(what) = line.way else { continue };
        let list = drift["uncompared"][line.kind].as_array().unwrap();
        assert!(list.iter().any(|one| one["what"] == what), "{} doesn't say that {what} isn't compared", line.kind);
    }
}

/// Takes a tag from these resources, makes the changes, and sees all of it named and put right.
fn assert_named(fixture: &Fixture, tagged: &[(&str, &str)], lines: &[Line]) -> Value {
    let untag: Vec<_> = tagged.iter().map(|(id, kind)| format!("untag({kind:?}, {id:?})")).collect();
    let untag = untag.iter().map(|line| (line.clone(), line.as_str()));
    let label = |line: &Line| format!("{} {}", line.kind, line.property);
    let changed = lines.iter().filter_map(|line| match line.way {
        Way::By { id, named, lines } => Some((id, named, label(line), lines)),
        Way::Fixed(why) => {
            assert!(!why.is_empty(), "{} says nobody can change it, and not why", label(line));
            None
        }
        Way::Uncompared(_) => None,
    });
    let changed: Vec<_> = changed.collect();
    change(fixture, untag.chain(changed.iter().map(|(.., label, how)| (label.clone(), *how))));
    let drift = drift(fixture);
    let named = named(&drift);
    let is_named = |id: &str, property: &str| {
        named.iter().any(|one| one.strip_prefix(id).is_some_and(|rest| rest.ends_with(property)))
    };
    let tags = tagged.iter().map(|(id, _)| (*id, "tags.Project"));
    let all = tags.chain(changed.iter().map(|(id, property, ..)| (*id, *property)));
    let silent: Vec<_> = all.filter(|(id, property)| !is_named(id, property)).collect();
    assert!(silent.is_empty(), "drift doesn't name {silent:?}, only {named:#?}");
    assert_repaired(fixture, "everything put right");
    drift
}
