//! Groups of hosts: how many, what they are, and how one becomes another.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::fixture::{Fixture, succeed, text};

/// What boto3 sees of the workers: instance, type, image, state, subnet, groups, tags, volumes.
pub(crate) const WORKERS: &str = "\
out = []
volumes = {v['VolumeId']: v for v in ec2.describe_volumes()['Volumes']}
for r in ec2.describe_instances(Filters=ours + [{'Name': 'tag:holdfast:id', 'Values': ['*/worker']}])['Reservations']:
    for i in r['Instances']:
        if i['State']['Name'] in ('terminated', 'shutting-down'):
            continue
        tags = {t['Key']: t['Value'] for t in i['Tags']}
        own = [volumes[m['Ebs']['VolumeId']] for m in i['BlockDeviceMappings']]
        out.append({'id': i['InstanceId'], 'type': i['InstanceType'], 'image': i['ImageId'], 'tags': tags,
            'state': i['State']['Name'], 'zone': i['Placement']['AvailabilityZone'],
            'index': int(tags.get('holdfast:first', 0)) + int(tags.get('holdfast:stride', 1)) * i['AmiLaunchIndex'],
            'groups': [g['GroupId'] for g in i['SecurityGroups']], 'tokens': i['MetadataOptions']['HttpTokens'],
            'protected': ec2.describe_instance_attribute(InstanceId=i['InstanceId'],
                Attribute='disableApiTermination')['DisableApiTermination']['Value'],
            'volumes': {m['DeviceName']: {'id': v['VolumeId'], 'gib': v['Size'], 'encrypted': v['Encrypted'],
                'kept': not m['Ebs']['DeleteOnTermination'], 'iops': v.get('Iops'),
                'tags': {t['Key']: t['Value'] for t in v.get('Tags', [])}}
                for m, v in zip(i['BlockDeviceMappings'], own)}})
out.sort(key=lambda one: one['index'])
";

pub(crate) fn workers(fixture: &Fixture) -> Vec<Value> {
    fixture.boto(WORKERS).as_array().unwrap().clone()
}

pub(crate) fn ids(workers: &[Value]) -> BTreeSet<String> {
    workers.iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect()
}

/// Applies a spec in which `from` is `to`, sees that nothing is left to do, and returns the plan and the calls.
pub(crate) fn change(fixture: &Fixture, from: &str, to: &str) -> (Vec<String>, Vec<String>) {
    let spec = fixture.spec();
    assert!(spec.contains(from));
    fixture.write_spec(&spec.replace(from, to));
    let plan = fixture.plan();
    fixture.faults().script(vec![]);
    fixture.apply();
    let calls = fixture.changes();
    assert_eq!(fixture.plan(), Vec::<String>::new(), "{from} → {to}");
    (plan, calls)
}

#[test]
fn another_type_replaces_hosts_one_at_a_time_the_new_one_first() {
    let fixture = Fixture::start();
    fixture.apply();
    let before = workers(&fixture);
    let (plan, calls) = change(&fixture, "count = 2", "count = 2\ninstance_type = \"t3.large\"");
    assert_eq!(plan, ["update launch-template/worker", "replace instances/worker"]);
    let order: Vec<_> = calls.iter().filter(|call| call.ends_with("Instances")).map(String::as_str).collect();
    assert_eq!(order, ["RunInstances", "TerminateInstances", "RunInstances", "TerminateInstances"]);
    let after = workers(&fixture);
    assert!(ids(&before).is_disjoint(&ids(&after)));
    assert_eq!(after.iter().map(|one| &one["type"]).collect::<Vec<_>>(), ["t3.large"; 2]);
    assert_eq!(after.iter().map(|one| &one["index"]).collect::<Vec<_>>(), [0, 1]);
}

#[test]
fn a_volume_grows_in_place_and_shrinks_only_with_another_host() {
    let fixture = Fixture::start();
    fixture.apply();
    let first = workers(&fixture);
    let data = "count = 2\nroot_gib = 20";
    let (plan, _) = change(&fixture, "count = 2", data);
    assert_eq!(plan, ["update launch-template/worker", "update instances/worker"]);
    let grown = workers(&fixture);
    assert_eq!(ids(&first), ids(&grown));
    assert_eq!(grown[1]["volumes"]["/dev/xvda"]["gib"], json!(20));
    let (plan, _) = change(&fixture, "count = 2", "count = 2\nroot_gib = 10");
    assert_eq!(plan, ["update launch-template/worker", "replace instances/worker"]);
    let shrunk = workers(&fixture);
    assert!(ids(&grown).is_disjoint(&ids(&shrunk)));
    assert_eq!(shrunk[0]["volumes"]["/dev/xvda"]["gib"], json!(10));
}

#[test]
fn hosts_volumes_and_interfaces_have_their_groups_tags_and_those_of_patches_and_backups() {
    let fixture = Fixture::start();
    let spec = fixture.spec().replace("count = 2", "count = 2\ntags = { Team = \"judges\" }");
    let spec = spec.replacen("account =", "patch_group = \"weekly\"\naccount =", 1);
    fixture.write_spec(&spec);
    fixture.apply();
    let tags = workers(&fixture);
    for worker in &tags {
        for tags in [&worker["tags"], &worker["volumes"]["/dev/xvda"]["tags"]] {
            assert_eq!((&tags["Team"], &tags["Patch Group"]), (&json!("judges"), &json!("weekly")), "{tags}");
        }
    }
    let before = ids(&tags);
    fixture.write_spec(&spec.replace("judges", "graders"));
    assert_eq!(fixture.plan(), ["update instances/worker"]);
    fixture.apply();
    let after = workers(&fixture);
    assert_eq!((&after[1]["tags"]["Team"], ids(&after)), (&json!("graders"), before));
    assert_eq!(after[0]["volumes"]["/dev/xvda"]["tags"]["Team"], json!("graders"));
}

#[test]
fn a_data_volume_that_is_kept_outlives_its_host_and_is_named() {
    let fixture = Fixture::start();
    let volumes = "count = 2\n[[hosts.volumes]]\nname = \"scratch\"\ndevice = \"/dev/sdf\"\ngib = 5\n\
                   [[hosts.volumes]]\nname = \"results\"\ndevice = \"/dev/sdg\"\ngib = 8\niops = 4000\nkeep = true";
    fixture.write_spec(&fixture.spec().replace("count = 2", volumes));
    fixture.apply();
    assert_eq!(fixture.plan(), Vec::<String>::new());
    let made = workers(&fixture);
    let (scratch, results) = (&made[0]["volumes"]["/dev/sdf"], &made[0]["volumes"]["/dev/sdg"]);
    assert_eq!((&scratch["gib"], &scratch["kept"], &scratch["encrypted"]), (&json!(5), &json!(false), &json!(true)));
    assert_eq!((&results["gib"], &results["kept"], &results["iops"]), (&json!(8), &json!(true), &json!(4000)));
    let kept: Vec<_> = made.iter().map(|one| one["volumes"]["/dev/sdg"]["id"].as_str().unwrap().to_owned()).collect();
    let output = fixture.provision(&["destroy", "--yes"]);
    let said = [text(&output.stdout), text(&output.stderr)].join(" ");
    for volume in &kept {
        assert!(said.contains(volume), "{said}");
    }
    let left = fixture.boto("out = sorted(v['VolumeId'] for v in ec2.describe_volumes()['Volumes'])");
    assert_eq!(left.as_array().unwrap().len(), 2, "{left}");
}

#[test]
fn protected_hosts_are_given_free_only_to_end() {
    let fixture = Fixture::start();
    let protected = "count = 2\ntermination_protection = true";
    fixture.write_spec(&fixture.spec().replace("count = 2", protected));
    fixture.apply();
    assert!(workers(&fixture).iter().all(|one| one["protected"] == true));
    let (plan, _) = change(&fixture, "count = 2", &protected.replace('2', "1"));
    assert_eq!(plan, ["update instances/worker"]);
    assert_eq!(workers(&fixture).iter().map(|one| &one["protected"]).collect::<Vec<_>>(), [true]);
    let (plan, _) = change(&fixture, "count = 2", "count = 1");
    assert_eq!(plan, ["update launch-template/worker", "update instances/worker"]);
    assert_eq!(workers(&fixture).iter().map(|one| &one["protected"]).collect::<Vec<_>>(), [false]);
    fixture.write_spec(&fixture.spec().replace("count = 2", protected));
    fixture.apply();
    succeed(&fixture.provision(&["destroy", "--yes"]));
    assert_eq!(workers(&fixture), Vec::<Value>::new());
}

#[test]
fn what_others_did_to_hosts_is_put_right_in_place_where_aws_can() {
    let fixture = Fixture::start();
    fixture.apply();
    let before = workers(&fixture);
    fixture.boto(&format!(
        "{WORKERS}\n\
         one, two = out\n\
         vpc = ec2.describe_vpcs(Filters=ours)['Vpcs'][0]['VpcId']\n\
         open_ = ec2.create_security_group(GroupName='open', Description='another', VpcId=vpc)['GroupId']\n\
         ec2.modify_instance_attribute(InstanceId=one['id'], Groups=[open_])\n\
         ec2.modify_instance_metadata_options(InstanceId=one['id'], HttpTokens='optional', HttpPutResponseHopLimit=9)\n\
         ec2.delete_tags(Resources=[one['volumes']['/dev/xvda']['id']], Tags=[{{'Key': 'Project'}}])\n\
         ec2.stop_instances(InstanceIds=[two['id']])"
    ));
    let output = fixture.provision(&["plan", "--json"]);
    let plan: Value = serde_json::from_slice(&output.stdout).unwrap();
    let plan = plan.get("plan").unwrap_or(&plan);
    let differences = plan["changes"][0]["differences"].as_array().unwrap().iter().map(|one| &one["property"]);
    let expected = ["host 0 security groups", "host 0 metadata", "host 1 state", "tags.Project"];
    assert_eq!(differences.collect::<Vec<_>>(), expected);
    fixture.apply();
    assert_eq!(fixture.plan(), Vec::<String>::new());
    let after = workers(&fixture);
    assert_eq!(ids(&after), ids(&before));
    let looks = |all: &[Value]| {
        all.iter().map(|one| json!([one["state"], one["tokens"], one["groups"], one["volumes"]])).collect::<Vec<_>>()
    };
    assert_eq!(looks(&after), looks(&before));
}

#[test]
fn a_host_whose_volume_was_swapped_is_replaced() {
    let fixture = Fixture::start();
    fixture.apply();
    let before = workers(&fixture);
    fixture.boto(&format!(
        "{WORKERS}\n\
         old = out[0]['volumes']['/dev/xvda']['id']\n\
         ec2.stop_instances(InstanceIds=[out[0]['id']])\n\
         ec2.detach_volume(VolumeId=old, InstanceId=out[0]['id'])\n\
         new = ec2.create_volume(Size=8, AvailabilityZone=out[0]['zone'], VolumeType='gp3')['VolumeId']\n\
         ec2.attach_volume(VolumeId=new, InstanceId=out[0]['id'], Device='/dev/xvda')\n\
         ec2.start_instances(InstanceIds=[out[0]['id']])\n\
         out = None"
    ));
    assert_eq!(fixture.plan(), ["replace instances/worker"]);
    fixture.apply();
    assert_eq!(fixture.plan(), Vec::<String>::new());
    let after = workers(&fixture);
    assert_ne!(after[0]["id"], before[0]["id"]);
    assert_eq!(after[1]["id"], before[1]["id"]);
    assert_eq!(after[0]["volumes"]["/dev/xvda"]["encrypted"], json!(true));
}

/// Registers an image as its builder does, and returns its id.
pub(crate) fn publish(fixture: &Fixture, name: &str, channel: &str) -> Value {
    fixture.boto(&format!(
        "out = ec2.register_image(Name='{name}', Architecture='x86_64', RootDeviceName='/dev/xvda', BlockDeviceMappings=[\n\
         \x20   {{'DeviceName': '/dev/xvda', 'Ebs': {{'SnapshotId': ec2.create_snapshot(VolumeId=ec2.create_volume(\n\
         \x20   Size=4, AvailabilityZone='eu-central-1a')['VolumeId'])['SnapshotId'], 'VolumeSize': 4}}}}])['ImageId']\n\
         ec2.create_tags(Resources=[out], Tags=[{{'Key': 'holdfast:image', 'Value': 'base'}},\n\
         \x20   {{'Key': 'holdfast:channel', 'Value': '{channel}'}}])"
    ))
}

/// The fixture's spec with the newest image of channel `stable`.
pub(crate) fn of_channel(fixture: &Fixture) -> String {
    let spec = fixture.spec();
    let image = spec.lines().find(|line| line.starts_with("id = ")).unwrap();
    spec.replace(image, "name = \"base\"\nchannel = \"stable\"")
}

#[test]
fn the_newest_image_of_a_channel_is_taken_and_a_newer_one_replaces_hosts() {
    let fixture = Fixture::start();
    fixture.write_spec(&of_channel(&fixture));
    let output = fixture.provision(&["plan"]);
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stderr);
    assert!(said.contains("no available image base in channel stable") && said.contains("promote one"), "{said}");

    let first = publish(&fixture, "base-1", "stable");
    publish(&fixture, "base-2", "candidate");
    fixture.apply();
    assert!(workers(&fixture).iter().all(|one| one["image"] == first));
    let newer = publish(&fixture, "base-3", "stable");
    assert_eq!(
        fixture.plan(),
        [
            "update launch-template/bastion",
            "replace instances/bastion",
            "update launch-template/worker",
            "replace instances/worker"
        ]
    );
    fixture.apply();
    assert!(workers(&fixture).iter().all(|one| one["image"] == newer));
}

#[test]
fn hosts_are_spread_over_the_zones_and_another_count_moves_none() {
    let fixture = Fixture::start();
    fixture.write_spec(&fixture.spec().replace("count = 2", "count = 5"));
    fixture.apply();
    let made = workers(&fixture);
    let zones: Vec<_> = made.iter().map(|one| one["zone"].as_str().unwrap().to_owned()).collect();
    assert_eq!((&zones[0], &zones[1]), (&zones[2], &zones[3]));
    assert_ne!(zones[0], zones[1]);
    let (_, calls) = change(&fixture, "count = 2", "count = 8");
    assert_eq!(calls.iter().filter(|call| *call == "RunInstances").count(), 2, "{calls:?}");
    assert!(ids(&workers(&fixture)).is_superset(&ids(&made)));
    change(&fixture, "count = 2", "count = 3");
    assert_eq!(ids(&workers(&fixture)), ids(&made[..3]));
}
