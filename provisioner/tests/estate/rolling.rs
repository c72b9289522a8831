//! Replacements keep service: new hosts run before old ones end, a batch at a time.

use std::process::Command;
use std::sync::mpsc;

use holdfast_lab::{Account, Layout};
use serde_json::{Value, json};

use crate::fixture::{Fixture, succeed};
use crate::machines::{ids, of_channel, publish, workers};

/// Says how many workers run, and how many of each image.
const RUNNING: &str = "\
import boto3, collections, json
ec2 = boto3.client('ec2', region_name='eu-central-1')
hosts = [i for page in ec2.get_paginator('describe_instances').paginate(Filters=[
    {'Name': 'tag:holdfast:id', 'Values': ['instances/worker']}, {'Name': 'instance-state-name', 'Values': ['running']}])
    for r in page['Reservations'] for i in r['Instances']]
print(json.dumps(collections.Counter(host['ImageId'] for host in hosts)))
";

/// Looks at the workers just before each call that ends hosts, past the proxy, while the call waits.
fn watch(fixture: &Fixture) -> mpsc::Receiver<Value> {
    let environment = fixture.lab().env(Account::Workloads).unwrap();
    let python = Layout::of_this_workspace().venv().join("bin/python");
    let (sender, receiver) = mpsc::channel();
    fixture.faults().watch(move |call| {
        if call.operation == "TerminateInstances" {
            let output = Command::new(&python).args(["-c", RUNNING]).envs(environment.clone()).output().unwrap();
            succeed(&output);
            sender.send(serde_json::from_slice(&output.stdout).unwrap()).unwrap();
        }
    });
    receiver
}

#[test]
fn a_new_image_replaces_hosts_a_batch_at_a_time_and_never_fewer_run_than_the_spec_says() {
    let fixture = Fixture::start();
    let old = publish(&fixture, "base-1", "stable");
    let spec = of_channel(&fixture).replace("count = 2", "count = 20");
    fixture.write_spec(&spec.replace("monthly_usd = 200", "monthly_usd = 1000"));
    fixture.apply();
    let before = workers(&fixture);
    let new = publish(&fixture, "base-2", "stable");
    let looks = watch(&fixture);
    fixture.apply();
    let count = |look: &Value, image: &Value| look[image.as_str().unwrap()].as_u64().unwrap_or_default();
    let looks: Vec<_> = looks.try_iter().map(|look| (count(&look, &old), count(&look, &new))).collect();
    // Ten batches and the bastion.
    assert_eq!(looks.len(), 10 + 1, "{looks:?}");
    assert!(looks.iter().all(|(old, new)| (20..=22).contains(&(old + new))), "{looks:?}");
    // Of each batch, both new hosts ran when the old ones were ended.
    assert!((0..10).all(|batch| looks.contains(&(20 - 2 * batch, 2 + 2 * batch))), "{looks:?}");
    let after = workers(&fixture);
    assert!(ids(&before).is_disjoint(&ids(&after)));
    assert_eq!(after.iter().map(|one| one["index"].as_u64().unwrap()).collect::<Vec<_>>(), (0..20).collect::<Vec<_>>());
    assert_eq!(fixture.plan(), Vec::<String>::new());
}

#[test]
fn the_bastion_keeps_its_address_when_it_is_replaced() {
    let fixture = Fixture::start();
    let bastion = "instances = [i for r in ec2.describe_instances(Filters=ours)['Reservations'] for i in r['Instances']\n\
                   \x20            if {'Key': 'holdfast:id', 'Value': 'instances/bastion'} in i['Tags']\n\
                   \x20            and i['State']['Name'] == 'running']\n\
                   addresses = ec2.describe_addresses(Filters=ours)['Addresses']\n\
                   out = [[(i['InstanceId'], i['InstanceType'], i['PublicIpAddress']) for i in instances],\n\
                   \x20      [(a['InstanceId'], a['PublicIp']) for a in addresses]]";
    fixture.apply();
    let before = fixture.boto(bastion);
    let address = &before[0][0][2];
    assert_eq!(before[1], json!([[before[0][0][0], address]]));
    for arguments in [&["output"][..], &["status"], &["ssh-config"]] {
        let output = fixture.provision(arguments);
        succeed(&output);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(said.contains(address.as_str().unwrap()), "{arguments:?}: {said}");
    }
    let cost = fixture.provision(&["cost", "--json"]);
    let cost: Value = serde_json::from_slice(&cost.stdout).unwrap();
    let lines = cost["estimate"]["lines"].as_array().unwrap().iter();
    let charged: Vec<_> = lines.filter(|line| line["of"] == "public IPv4 address").map(|line| &line["id"]).collect();
    assert_eq!(charged, ["address/bastion"]);

    let spec = fixture.spec();
    fixture.write_spec(&spec.replace("[bastion]", "[bastion]\ninstance_type = \"t3.small\""));
    assert_eq!(fixture.plan(), ["update launch-template/bastion", "replace instances/bastion"]);
    fixture.apply();
    assert_eq!(fixture.plan(), Vec::<String>::new());
    let after = fixture.boto(bastion);
    assert_ne!(after[0][0][0], before[0][0][0]);
    assert_eq!(after, json!([[[after[0][0][0], "t3.small", address]], [[after[0][0][0], address]]]));
}
