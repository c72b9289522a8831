//! Networks of every shape: made, changed in place, used as they are there, and ended.

use serde_json::{Value, json};

use crate::fixture::{Fixture, assert_same, succeed, text};

/// The fixture's spec with these settings of `[network]` besides its range.
fn network(fixture: &Fixture, settings: &str) -> String {
    let cidr = "cidr = \"10.0.0.0/16\"\n";
    let spec = fixture.spec();
    assert!(spec.contains(cidr));
    spec.replace(cidr, &format!("{cidr}{settings}\n"))
}

/// Applies this spec, after which nothing is left to do.
fn settle(fixture: &Fixture, spec: &str) -> Value {
    fixture.write_spec(spec);
    fixture.apply();
    assert_eq!(fixture.plan(), Vec::<String>::new(), "{spec}");
    fixture.inventory()
}

/// The estate's own ids of what there is of a kind, sorted.
fn ids<'a>(made: &'a Value, kind: &str) -> Vec<&'a str> {
    let all = made[kind].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut ids: Vec<_> = all.iter().filter_map(|one| one["tags"]["holdfast:id"].as_str()).collect();
    ids.sort_unstable();
    ids
}

fn the<'a>(made: &'a Value, kind: &str, id: &str) -> &'a Value {
    let all = made[kind].as_array().map(Vec::as_slice).unwrap_or_default();
    all.iter().find(|one| one["tags"]["holdfast:id"] == id).unwrap_or_else(|| panic!("no {id}: {}", made[kind]))
}

#[test]
fn hosts_leave_the_network_as_the_spec_says_and_it_changes_in_place() {
    let fixture = Fixture::start();
    assert!(!text(&fixture.provision(&["plan"]).stdout).contains("a way to S3"), "the estate makes it");
    let spec = |egress: &str| network(&fixture, &format!("zones = 2\nflow_logs_days = 30\negress = \"{egress}\""));
    let none = settle(&fixture, &spec("none"));
    assert_eq!(ids(&none, "endpoint"), ["vpc-endpoint/s3"]);
    let stays = |made: &Value| {
        for kind in ["vpc", "subnet", "instance", "key", "flow log"] {
            assert_eq!(ids(made, kind), ids(&none, kind), "{kind}");
        }
    };

    let endpoints = settle(&fixture, &spec("endpoints"));
    stays(&endpoints);
    let services = ["ec2", "ec2messages", "kms", "logs", "s3", "ssm", "ssmmessages", "sts"];
    assert_eq!(ids(&endpoints, "endpoint").len(), services.len());
    for service in services.into_iter().filter(|service| *service != "s3") {
        let endpoint = the(&endpoints, "endpoint", &format!("vpc-endpoint/{service}"));
        assert_eq!(endpoint["subnets"], json!(["subnet/private-a", "subnet/private-b"]));
        assert_eq!((&endpoint["groups"], &endpoint["private"]), (&json!(["security-group/endpoints"]), &json!(true)));
        let allowed = &endpoint["policy"]["Statement"][0]["Condition"]["StringEquals"];
        assert!(
            allowed["aws:PrincipalAccount"].is_string() && allowed["aws:ResourceAccount"].is_string(),
            "{endpoint}"
        );
    }
    let wall = the(&endpoints, "security group", "security-group/endpoints");
    let from: Vec<_> = wall["ingress"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|rule| rule["UserIdGroupPairs"].as_array().unwrap())
        .collect();
    let from: Vec<_> = from.iter().map(|pair| pair["GroupId"].as_str().unwrap()).collect();
    assert_eq!((from, &wall["egress"]), (vec!["security-group/bastion", "security-group/hosts"], &json!([])));

    let nat = settle(&fixture, &spec("nat"));
    stays(&nat);
    assert_eq!(ids(&nat, "endpoint"), ["vpc-endpoint/s3"]);
    for zone in ["a", "b"] {
        let gateway = the(&nat, "nat gateway", &format!("nat-gateway/{zone}"));
        assert_eq!(gateway["subnet"], json!(format!("subnet/public-{zone}")));
        assert_eq!(gateway["addresses"], json!([format!("address/nat-{zone}")]));
        let table = the(&nat, "route table", &format!("route-table/private-{zone}"));
        assert_eq!(table["routes"]["0.0.0.0/0"], json!(["active", format!("nat-gateway/{zone}")]));
    }

    // The whole way back.
    assert_same(&settle(&fixture, &spec("none")), &none, "as before");
    succeed(&fixture.provision(&["destroy", "--yes"]));
    assert_nothing_of_a_network(&fixture.inventory());
}

fn assert_nothing_of_a_network(left: &Value) {
    let kinds = [
        "vpc",
        "subnet",
        "internet gateway",
        "network acl",
        "route table",
        "endpoint",
        "nat gateway",
        "address",
        "security group",
        "flow log",
        "log group",
        "role",
        "instance",
        "interface",
        "volume",
    ];
    for kind in kinds {
        assert_eq!(left[kind], Value::Null, "{kind}");
    }
}

#[test]
fn a_zone_more_moves_nothing_and_a_zone_less_takes_only_its_own() {
    let fixture = Fixture::start();
    let spec = |zones: &str| network(&fixture, &format!("zones = {zones}\negress = \"nat\"\nflow_logs_days = 30"));
    let one = settle(&fixture, &spec("1"));
    assert_eq!(ids(&one, "subnet"), ["subnet/private-a", "subnet/public-a"]);
    let two = settle(&fixture, &spec("[\"eu-central-1b\", \"eu-central-1a\"]"));
    let cidr = |made: &Value, id: &str| the(made, "subnet", id)["cidr"].as_str().unwrap().to_owned();
    for id in ["subnet/private-a", "subnet/public-a"] {
        assert_eq!(cidr(&two, id), cidr(&one, id));
    }
    // Another order of names, and a count instead of names, are the same network.
    for zones in ["[\"eu-central-1a\", \"eu-central-1b\"]", "2"] {
        fixture.write_spec(&spec(zones));
        assert_eq!(fixture.plan(), Vec::<String>::new(), "{zones}");
    }
    let three = settle(&fixture, &spec("3"));
    assert_eq!(ids(&three, "nat gateway"), ["nat-gateway/a", "nat-gateway/b", "nat-gateway/c"]);
    for id in ["subnet/private-a", "subnet/private-b", "subnet/public-b"] {
        assert_eq!(cidr(&three, id), cidr(&two, id));
    }
    // The first zone goes: the others stay where they are.
    let rest = settle(&fixture, &spec("[\"eu-central-1b\", \"eu-central-1c\"]"));
    assert_eq!(ids(&rest, "subnet"), ["subnet/private-b", "subnet/private-c", "subnet/public-b", "subnet/public-c"]);
    for id in ids(&rest, "subnet") {
        assert_eq!(cidr(&rest, id), cidr(&three, id));
    }
    fixture.write_spec(&spec("2"));
    assert_eq!(fixture.plan(), Vec::<String>::new(), "those in use come first");
}

#[test]
fn flow_logs_are_encrypted_and_kept_for_as_long_as_the_spec_says() {
    let fixture = Fixture::start();
    let spec = |days: u32| network(&fixture, &format!("flow_logs_days = {days}"));
    let made = settle(&fixture, &spec(30));
    let group = the(&made, "log group", "log-group/flow-logs");
    assert_eq!(
        (&group["id"], &group["key"], &group["days"]),
        (&json!("/holdfast/judge/flow-logs"), &json!("arn:aws:kms:eu-central-1:111111111111:key/key"), &json!(30))
    );
    let log = the(&made, "flow log", "flow-log");
    assert_eq!((&log["network"], &log["traffic"], &log["interval"]), (&json!("vpc"), &json!("ALL"), &json!(60)));

    fixture.write_spec(&spec(90));
    assert_eq!(fixture.plan(), ["update log-group/flow-logs"]);
    fixture.apply();
    assert_eq!(the(&fixture.inventory(), "log group", "log-group/flow-logs")["days"], json!(90));

    // Somebody else's changes.
    let made = fixture.inventory();
    fixture.boto(
        "logs = client('logs')\n\
         logs.put_retention_policy(logGroupName='/holdfast/judge/flow-logs', retentionInDays=1)\n\
         ec2.delete_flow_logs(FlowLogIds=[f['FlowLogId'] for f in ec2.describe_flow_logs()['FlowLogs']])\n\
         acl = ec2.describe_network_acls(Filters=ours)['NetworkAcls'][0]['NetworkAclId']\n\
         ec2.create_network_acl_entry(NetworkAclId=acl, RuleNumber=50, Protocol='6', RuleAction='deny', Egress=False,\n\
         \x20   CidrBlock='0.0.0.0/0', PortRange={'From': 22, 'To': 22})",
    );
    assert_eq!(fixture.plan(), ["update network-acl", "update log-group/flow-logs", "create flow-log"]);
    fixture.apply();
    assert_same(&fixture.inventory(), &made, "put right");
}

/// A network that somebody else made, with a private subnet behind nothing and a public one.
const THEIRS: &str = "\
vpc = ec2.create_vpc(CidrBlock='10.9.0.0/16')['Vpc']['VpcId']
public, private = (ec2.create_subnet(VpcId=vpc, CidrBlock=cidr, AvailabilityZone='eu-central-1b')['Subnet']['SubnetId']
                   for cidr in ('10.9.0.0/24', '10.9.1.0/24'))
gateway = ec2.create_internet_gateway()['InternetGateway']['InternetGatewayId']
ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
table = ec2.create_route_table(VpcId=vpc)['RouteTable']['RouteTableId']
ec2.create_route(RouteTableId=table, DestinationCidrBlock='0.0.0.0/0', GatewayId=gateway)
ec2.associate_route_table(RouteTableId=table, SubnetId=public)
out = {'vpc': vpc, 'public': public, 'private': private}
";

/// The fixture's spec in a network that is there.
fn existing(fixture: &Fixture, vpc: &str, public: &str, private: &str) -> String {
    let settings = format!("vpc = \"{vpc}\"\npublic_subnets = [\"{public}\"]\nprivate_subnets = [\"{private}\"]\n");
    fixture.spec().replace("cidr = \"10.0.0.0/16\"\n", &settings)
}

#[test]
fn a_network_that_is_there_is_used_and_left_as_it_is() {
    let fixture = Fixture::start();
    let theirs = fixture.boto(THEIRS);
    let of = |key: &str| theirs[key].as_str().unwrap();
    let before = fixture.inventory();
    fixture.write_spec(&existing(&fixture, of("vpc"), of("public"), of("private")));
    let note = format!("{} isn't the estate's, so no endpoint is made in it", of("vpc"));
    for asked in
        [&["plan"][..], &["plan", "--json"], &["explain", "instances/worker"], &["explain", "instances", "--json"]]
    {
        let said = text(&fixture.provision(asked).stdout);
        assert!(said.contains(&note), "{asked:?}: {said}");
    }
    let made = settle(&fixture, &existing(&fixture, of("vpc"), of("public"), of("private")));
    for kind in ["vpc", "subnet", "internet gateway", "network acl", "route table", "endpoint", "flow log"] {
        assert_same(&made[kind], &before[kind], kind);
    }
    let own = ["security-group/bastion".to_owned(), "security-group/hosts".to_owned()];
    assert_eq!(ids(&made, "security group"), own);
    for instance in made["instance"].as_array().unwrap() {
        let is_bastion = instance["tags"]["holdfast:id"] == "instances/bastion";
        assert_eq!(instance["subnet"], theirs[if is_bastion { "public" } else { "private" }]);
    }
    succeed(&fixture.provision(&["destroy", "--yes"]));
    let after = fixture.inventory();
    for kind in ["vpc", "subnet", "internet gateway", "route table", "security group", "network acl"] {
        assert_same(&after[kind], &before[kind], kind);
    }
}

#[test]
fn a_network_that_is_not_what_the_spec_takes_it_for_is_refused() {
    let fixture = Fixture::start();
    let theirs = fixture.boto(&format!(
        "{THEIRS}\n\
         for name, cidr in (('other_public', '10.9.2.0/24'), ('other_private', '10.9.3.0/24')):\n\
         \x20   out[name] = ec2.create_subnet(VpcId=vpc, CidrBlock=cidr)['Subnet']['SubnetId']\n\
         ec2.associate_route_table(RouteTableId=table, SubnetId=out['other_public'])"
    ));
    let of = |key: &str| theirs[key].as_str().unwrap();
    let (vpc, public, private) = (of("vpc"), of("public"), of("private"));
    let (other_public, other_private) = (of("other_public"), of("other_private"));
    let nowhere = "subnet-0123456789abcdef0";
    let leads = format!("{other_public} is named for hosts, and its route table leads to an internet gateway");
    let leads_nowhere =
        format!("{other_private} is named for the bastion, and its route table leads to no internet gateway");
    let table: &[(&str, &str, &str, &[&str])] = &[
        (vpc, public, public, &["this subnet is there already"]),
        (vpc, public, other_public, &[&leads, "name a private subnet in `network.private_subnets`"]),
        (vpc, other_private, private, &[&leads_nowhere, "name a public subnet in `network.public_subnets`"]),
        (vpc, public, nowhere, &[vpc, "has no", nowhere]),
        ("vpc-0123456789abcdef0", public, private, &["vpc-0123456789abcdef0", "name another one"]),
    ];
    for (vpc, public, private, expected) in table {
        fixture.write_spec(&existing(&fixture, vpc, public, private));
        let output = fixture.provision(&["plan"]);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(expected.iter().all(|part| said.contains(part)), "{said}");
    }
    fixture.write_spec(&network(&fixture, "zones = [\"eu-central-1z\"]"));
    let said = text(&fixture.provision(&["plan"]).stderr);
    assert!(said.contains("eu-central-1z isn't available") && said.contains("eu-central-1a"), "{said}");
}

/// Somebody's table in the estate's VPC that leads to the internet, in the place of the main one.
const THEIR_MAIN: &str = "\
tables = ec2.describe_route_tables(Filters=ours)['RouteTables']
(main, place), = [(table, a['RouteTableAssociationId']) for table in tables for a in table['Associations'] if a['Main']]
(gateway,) = ec2.describe_internet_gateways(Filters=ours)['InternetGateways']
theirs = ec2.create_route_table(VpcId=main['VpcId'], TagSpecifications=[
    {'ResourceType': 'route-table', 'Tags': [{'Key': 'Owner', 'Value': 'them'}]}])['RouteTable']['RouteTableId']
ec2.create_route(RouteTableId=theirs, DestinationCidrBlock='0.0.0.0/0', GatewayId=gateway['InternetGatewayId'])
ec2.replace_route_table_association(AssociationId=place, RouteTableId=theirs)
out = {'main': main['RouteTableId'], 'theirs': theirs}
";

#[test]
fn a_main_table_that_somebody_put_in_the_place_of_the_estates_stays_theirs() {
    let fixture = Fixture::start();
    let made = settle(&fixture, &fixture.spec());
    let other = fixture.boto(THEIR_MAIN);
    let [main, theirs] = ["main", "theirs"].map(|key| other[key].as_str().unwrap());
    let table =
        |all: &Value, id: &str| all["route table"].as_array().unwrap().iter().find(|one| one["id"] == id).cloned();
    let left_alone = |when: &str| {
        let mut found = fixture.inventory();
        let own = table(&found, theirs).unwrap();
        assert_eq!((&own["tags"], &own["main"]), (&json!({ "Owner": "them" }), &json!(false)), "{when}");
        assert_eq!(own["routes"]["0.0.0.0/0"], json!(["active", "internet-gateway"]), "{when}");
        found["route table"].as_array_mut().unwrap().retain(|one| one["id"] != theirs);
        assert_same(&found["route table"], &made["route table"], when);
    };

    let drift = text(&fixture.provision(&["drift"]).stdout);
    assert!(drift.contains("route-table/main") && drift.contains("main: yes -> no"), "{drift}");
    assert_eq!(fixture.plan(), ["update route-table/main"]);
    settle(&fixture, &fixture.spec());
    left_alone("the estate's is main again");

    // The estate's own is deleted on top of that.
    fixture.boto(&format!(
        "(place,) = [a['RouteTableAssociationId'] for a in\n\
         \x20   ec2.describe_route_tables(RouteTableIds=['{main}'])['RouteTables'][0]['Associations'] if a['Main']]\n\
         ec2.replace_route_table_association(AssociationId=place, RouteTableId='{theirs}')\n\
         ec2.delete_route_table(RouteTableId='{main}')"
    ));
    assert_eq!(fixture.plan(), ["create route-table/main"]);
    settle(&fixture, &fixture.spec());
    left_alone("another is made main");
}
