//! A destroy ends all of the estate and only that.

use serde_json::Value;

use crate::fixture::{Fixture, assert_same, succeed, text};

/// Others' resources: with the same names, without tags, and with the estate's tags in a VPC that isn't the estate's.
const OTHERS: &str = "\
vpc = ec2.create_vpc(CidrBlock='10.0.0.0/16')['Vpc']['VpcId']
tags = [{'Key': 'holdfast:estate', 'Value': 'judge'}, {'Key': 'holdfast:id', 'Value': 'subnet/private-a'}]
ec2.create_subnet(VpcId=vpc, CidrBlock='10.0.64.0/18', TagSpecifications=[{'ResourceType': 'subnet', 'Tags': tags}])
tags[1]['Value'] = 'security-group/hosts'
ec2.create_security_group(VpcId=vpc, GroupName='holdfast-judge-hosts', Description='another',
    TagSpecifications=[{'ResourceType': 'security-group', 'Tags': tags}])
kms.create_alias(AliasName='alias/other', TargetKeyId=kms.create_key()['KeyMetadata']['KeyId'])
iam.create_role(RoleName='other-hosts', AssumeRolePolicyDocument=json.dumps({'Version': '2012-10-17', 'Statement': [
    {'Effect': 'Allow', 'Action': 'sts:AssumeRole', 'Principal': {'Service': 'ec2.amazonaws.com'}}]}))
ec2.run_instances(ImageId=image, MinCount=1, MaxCount=1,
    SubnetId=ec2.describe_subnets(Filters=[{'Name': 'vpc-id', 'Values': [vpc]}])['Subnets'][0]['SubnetId'],
    TagSpecifications=[{'ResourceType': 'instance', 'Tags': [{'Key': 'holdfast:estate', 'Value': 'judge'},
        {'Key': 'holdfast:id', 'Value': 'instances/worker'}, {'Key': 'holdfast:first', 'Value': '0'},
        {'Key': 'holdfast:generation', 'Value': '1'}]}])
";

#[test]
fn destroying_leaves_only_what_it_names_and_touches_nothing_of_others() {
    let fixture = Fixture::start();
    fixture.boto(OTHERS);
    let before = fixture.inventory();
    fixture.apply();
    assert_eq!(fixture.plan(), Vec::<String>::new());

    let output = fixture.provision(&["destroy", "--yes"]);
    succeed(&output);
    let mut after = fixture.inventory();
    // What stays, and is named: the key that is pending deletion. The bucket for locks is the account's.
    let keys = after["key"].as_array_mut().unwrap();
    let going = keys.iter().position(|key| key["state"] == "PendingDeletion").expect("a key pending deletion");
    keys.remove(going);
    let said = text(&output.stdout);
    assert!(said.contains("pending deletion until") && said.contains("bucket holdfast-"), "{said}");
    let buckets = after.as_object_mut().unwrap().remove("bucket").unwrap();
    assert_eq!(buckets.as_array().unwrap().len(), 1);
    assert_eq!(buckets[0]["objects"], Value::Array(vec![]), "the lock was given back");
    assert_same(&after, &before, "destroyed");

    // Again: nothing to do.
    fixture.faults().script(vec![]);
    succeed(&fixture.provision(&["destroy", "--yes"]));
    assert_eq!(fixture.changes(), Vec::<String>::new());
}

#[test]
fn an_estate_that_is_applied_again_calls_its_key_back() {
    let fixture = Fixture::start();
    fixture.apply();
    let made = fixture.inventory();
    succeed(&fixture.provision(&["destroy", "--yes"]));
    fixture.apply();
    assert_same(&fixture.inventory(), &made, "called back");
    assert_eq!(fixture.plan(), Vec::<String>::new());
}

#[test]
fn a_name_that_is_another_s_is_refused_and_left_alone() {
    let fixture = Fixture::start();
    fixture.boto(
        "iam.create_role(RoleName='holdfast-judge-eu-central-1-worker', AssumeRolePolicyDocument=json.dumps({\n\
         \x20   'Version': '2012-10-17', 'Statement': [{'Effect': 'Allow', 'Action': 'sts:AssumeRole',\n\
         \x20   'Principal': {'Service': 'ec2.amazonaws.com'}}]}))",
    );
    let output = fixture.provision(&["apply", "--yes"]);
    assert_eq!(output.status.code(), Some(1));
    let stderr = text(&output.stderr);
    assert!(stderr.contains("isn't this estate's"), "{stderr}");
    let inventory = fixture.inventory();
    let role = |role: &&Value| role["id"] == "holdfast-judge-eu-central-1-worker";
    let role = inventory["role"].as_array().unwrap().iter().find(role).unwrap();
    assert_eq!((&role["path"], &role["tags"]), (&Value::from("/"), &serde_json::json!({})));
}
