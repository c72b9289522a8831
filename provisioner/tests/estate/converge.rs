//! What is wanted comes to be, once, and a change changes just that.

use serde_json::json;

use crate::fixture::{Fixture, assert_same, succeed, text};

#[test]
fn applying_twice_changes_nothing_the_second_time_and_says_so() {
    let fixture = Fixture::start();
    fixture.write_spec(&fixture.spec_of_everything());
    fixture.apply();
    let made = fixture.inventory();
    fixture.faults().script(vec![]);
    let output = fixture.provision(&["apply", "--yes"]);
    succeed(&output);
    assert_eq!(fixture.changes(), Vec::<String>::new());
    assert!(text(&output.stdout).contains("Unchanged"), "{}", text(&output.stdout));
    assert_same(&fixture.inventory(), &made, "again");
}

#[test]
fn what_is_made_is_what_was_asked_for() {
    let fixture = Fixture::start();
    fixture.apply();
    let made = fixture.inventory();
    let count = |kind: &str| made[kind].as_array().map_or(0, Vec::len);
    assert_eq!((count("instance"), count("volume"), count("interface")), (3, 3, 3));
    for volume in made["volume"].as_array().unwrap() {
        assert_eq!(volume["encrypted"], true);
        assert!(volume["key"].as_str().unwrap().ends_with(":key/key"), "{volume}");
    }
    for instance in made["instance"].as_array().unwrap() {
        assert_eq!(instance["metadata"], json!({"HttpTokens": "required", "HttpPutResponseHopLimit": 1}));
        let is_bastion = instance["tags"]["holdfast:id"] == "instances/bastion";
        assert_eq!(instance["public"], json!(is_bastion), "{instance}");
    }
    let default = |group: &&serde_json::Value| group["name"] == "default";
    let default = made["security group"].as_array().unwrap().iter().find(default).unwrap();
    assert_eq!((&default["ingress"], &default["egress"]), (&json!([]), &json!([])));
    // Everything that can be tagged has the three tags, a name and a description.
    for (kind, resources) in made.as_object().unwrap() {
        for resource in resources.as_array().unwrap().iter().filter(|_| !["alias", "bucket"].contains(&kind.as_str())) {
            for key in ["Project", "Department", "Environment", "Name", "Description", "holdfast:estate", "holdfast:id"]
            {
                assert!(resource["tags"][key].is_string(), "{kind} {} has no tag {key}", resource["id"]);
            }
        }
    }
}

#[test]
fn a_changed_spec_changes_just_that() {
    let fixture = Fixture::start();
    fixture.apply();
    let steps: &[(&str, &str, &[&str])] = &[
        ("count = 2", "count = 3", &["update instances/worker"]),
        ("monthly_usd = 200", "monthly_usd = 300", &["update budget"]),
        ("203.0.113.0/24", "198.51.100.0/24", &["update security-group-rules/bastion"]),
        ("count = 3", "count = 1", &["update instances/worker"]),
    ];
    let mut spec = fixture.spec();
    for (from, to, expected) in steps {
        assert!(spec.contains(from));
        spec = spec.replace(from, to);
        fixture.write_spec(&spec);
        assert_eq!(fixture.plan(), *expected, "{from} → {to}");
        fixture.apply();
        assert_eq!(fixture.plan(), Vec::<String>::new(), "{from} → {to}");
    }
    let made = fixture.inventory();
    let workers = |value: &&serde_json::Value| value["tags"]["holdfast:id"] == "instances/worker";
    assert_eq!(made["instance"].as_array().unwrap().iter().filter(workers).count(), 1);
    assert_eq!(made["budget"][0]["limit"], json!(300.0));

    // A tag is on everything, and changes nothing else.
    let spec = spec.replace("\"contest\"", "\"exam\"");
    fixture.write_spec(&spec);
    assert!(fixture.plan().iter().all(|change| change.starts_with("update ")));
    fixture.apply();
    let tagged = fixture.inventory();
    // The bucket for locks is the account's, and has no project. Digests are over tags too.
    let expected = without_digests(&made.to_string().replace("\"contest\"", "\"exam\""));
    assert_same(&without_digests(&tagged.to_string()), &expected, "another tag");
}

/// An inventory in which every digest of a resource is the same.
fn without_digests(inventory: &str) -> serde_json::Value {
    let mut inventory: serde_json::Value = serde_json::from_str(inventory).unwrap();
    for resource in inventory.as_object_mut().unwrap().values_mut().filter_map(|all| all.as_array_mut()).flatten() {
        if let Some(digest) = resource.pointer_mut("/tags/holdfast:spec") {
            *digest = json!("a digest");
        }
    }
    inventory
}

#[test]
fn another_range_replaces_the_network_and_leaves_nothing_of_the_old_one() {
    let fixture = Fixture::start();
    fixture.apply();
    let made = fixture.inventory();
    fixture.write_spec(&fixture.spec().replace("10.0.0.0/16", "10.1.0.0/16"));
    fixture.apply();
    assert_eq!(fixture.plan(), Vec::<String>::new());
    let moved = fixture.inventory();
    assert_eq!(moved["vpc"][0]["cidr"], json!("10.1.0.0/16"));
    for (kind, resources) in made.as_object().unwrap() {
        let now = moved[kind].as_array().map_or(0, Vec::len);
        assert_eq!(now, resources.as_array().unwrap().len(), "{kind}: {}", moved[kind]);
    }
}

#[test]
fn a_host_that_died_comes_back_under_its_index_however_often() {
    let fixture = Fixture::start();
    fixture.apply();
    let made = fixture.inventory();
    // The second time, the token of the first new one is taken by the dead one.
    for _ in 0..3 {
        fixture.boto(
            "hosts = [i for r in ec2.describe_instances(Filters=ours)['Reservations'] for i in r['Instances']\n\
             \x20        if i['State']['Name'] == 'running' and (tags := {t['Key']: t['Value'] for t in i['Tags']})\n\
             \x20        and int(tags['holdfast:first']) + int(tags['holdfast:stride']) * i['AmiLaunchIndex'] == 1]\n\
             ec2.terminate_instances(InstanceIds=[hosts[0]['InstanceId']])",
        );
        assert_eq!(fixture.plan(), ["update instances/worker"]);
        fixture.apply();
        assert_same(&fixture.inventory(), &made, "again");
    }
}

#[test]
fn what_others_changed_is_put_right() {
    let fixture = Fixture::start();
    fixture.apply();
    let made = fixture.inventory();
    fixture.boto(
        "group = next(g for g in ec2.describe_security_groups(Filters=ours)['SecurityGroups'] if g['GroupName'] == 'default')\n\
         ec2.authorize_security_group_ingress(GroupId=group['GroupId'], IpPermissions=[{'IpProtocol': 'tcp',\n\
         \x20   'FromPort': 22, 'ToPort': 22, 'IpRanges': [{'CidrIp': '0.0.0.0/0'}]}])\n\
         role = next(r['RoleName'] for r in iam.list_roles()['Roles'] if r['RoleName'].endswith('-worker'))\n\
         iam.put_role_policy(RoleName=role, PolicyName='more', PolicyDocument=json.dumps({'Version': '2012-10-17',\n\
         \x20   'Statement': [{'Effect': 'Allow', 'Action': 's3:GetObject', 'Resource': '*'}]}))\n\
         key = next(a['TargetKeyId'] for a in kms.list_aliases()['Aliases'] if a['AliasName'] == 'alias/holdfast/judge')\n\
         kms.disable_key(KeyId=key)\n\
         subnet = ec2.describe_subnets(Filters=ours)['Subnets'][0]['SubnetId']\n\
         ec2.delete_tags(Resources=[subnet], Tags=[{'Key': 'Department'}])\n\
         endpoint = ec2.describe_vpc_endpoints(Filters=ours)['VpcEndpoints'][0]['VpcEndpointId']\n\
         ec2.delete_vpc_endpoints(VpcEndpointIds=[endpoint])",
    );
    let mut plan = fixture.plan();
    let subnet = plan.iter().position(|change| change.starts_with("update subnet/")).expect("the subnet's tag");
    plan.remove(subnet);
    plan.sort();
    assert_eq!(
        plan,
        ["create vpc-endpoint/s3", "update key", "update role/worker", "update security-group-rules/default"]
    );
    fixture.apply();
    assert_same(&fixture.inventory(), &made, "again");
}

#[test]
fn a_name_that_was_given_to_a_key_that_nobody_may_look_at_is_taken_back() {
    let fixture = Fixture::start();
    fixture.apply();
    let named = "out = next(a['TargetKeyId'] for a in kms.list_aliases()['Aliases'] if a['AliasName'] == 'alias/holdfast/judge')";
    let made = fixture.boto(named);
    fixture.boto(
        "other = kms.create_key()['KeyMetadata']['KeyId']\n\
         kms.update_alias(AliasName='alias/holdfast/judge', TargetKeyId=other)\n\
         policy = json.loads(kms.get_key_policy(KeyId=other, PolicyName='default')['Policy'])\n\
         policy['Statement'].append({'Effect': 'Deny', 'Principal': '*', 'Action': 'kms:DescribeKey', 'Resource': '*'})\n\
         kms.put_key_policy(KeyId=other, PolicyName='default', Policy=json.dumps(policy))",
    );
    assert_eq!(fixture.plan(), ["update alias"]);
    fixture.apply();
    assert_eq!(fixture.plan(), Vec::<String>::new());
    assert_eq!(fixture.boto(named), made);
}
