//! Fleets: Auto Scaling starts and ends their hosts, and what is unsafe of one is put right.

use serde_json::{Value, json};

use crate::fixture::{Fixture, succeed, text};
use crate::machines::{WORKERS, change, ids, workers};

const FLEET: &str = "mode = \"fleet\"\ncount = 2\nmin = 1\nmax = 4";

#[test]
fn a_fleet_lives_is_scaled_by_others_and_ends() {
    let fixture = Fixture::start();
    fixture.write_spec(&fixture.spec().replace("count = 2", FLEET));
    fixture.apply();
    assert_eq!(fixture.plan(), Vec::<String>::new());
    let hosts = workers(&fixture);
    assert_eq!(hosts.len(), 2);
    for host in &hosts {
        assert_eq!((&host["tokens"], &host["volumes"]["/dev/xvda"]["encrypted"]), (&json!("required"), &json!(true)));
        assert_eq!(host["volumes"]["/dev/xvda"]["tags"]["Project"], json!("contest"), "{host}");
    }
    let status = text(&fixture.provision(&["status"]).stdout);
    assert!(hosts.iter().all(|host| status.contains(host["id"].as_str().unwrap())), "{status}");

    // Others' capacity stays.
    fixture.boto(
        "client('autoscaling').set_desired_capacity(AutoScalingGroupName='holdfast-judge-worker', DesiredCapacity=3)",
    );
    assert_eq!(fixture.plan(), Vec::<String>::new());

    // Another template is for the next hosts; those that run stay.
    let larger = format!("{FLEET}\ninstance_type = \"t3.large\"");
    fixture.write_spec(&fixture.spec().replace("count = 2", &larger));
    let said = text(&fixture.provision(&["plan"]).stdout);
    assert!(said.contains("hosts of an older version stay until Auto Scaling ends them"), "{said}");
    let (plan, _) = change(&fixture, "count = 2", &larger);
    assert_eq!(plan, ["update launch-template/worker", "update auto-scaling-group/worker"]);
    let (plan, _) = change(
        &fixture,
        "count = 2",
        &format!("{}\ninstance_type = \"t3.large\"", FLEET.replace("max = 4", "max = 5")),
    );
    assert_eq!(plan, ["update auto-scaling-group/worker"]);
    let group = fixture.boto(
        "out = client('autoscaling').describe_auto_scaling_groups()['AutoScalingGroups'][0]\n\
         out = [out['MinSize'], out['MaxSize'], out['DesiredCapacity'], out['LaunchTemplate']['Version']]",
    );
    assert_eq!(group, json!([1, 5, 3, "2"]));

    succeed(&fixture.provision(&["destroy", "--yes"]));
    assert_eq!(workers(&fixture), Vec::<Value>::new());
    let groups = fixture.boto("out = client('autoscaling').describe_auto_scaling_groups()['AutoScalingGroups']");
    assert_eq!(groups, json!([]));
}

#[test]
fn a_fleet_that_is_renamed_keeps_its_hosts() {
    let fixture = Fixture::start();
    fixture.write_spec(&fixture.spec().replace("count = 2", FLEET));
    fixture.apply();
    let hosts = ids(&workers(&fixture));
    let renamed = fixture.spec().replace("name = \"worker\"", "name = \"runner\"\nwas = \"worker\"");
    fixture.write_spec(&renamed.replace("count = 2", FLEET));
    fixture.apply();
    assert_eq!(fixture.plan(), Vec::<String>::new());
    let after = fixture.boto(
        "groups = client('autoscaling').describe_auto_scaling_groups()['AutoScalingGroups']\n\
         out = [[host['InstanceId'] for host in group['Instances']] for group in groups]",
    );
    let groups = after.as_array().unwrap();
    let found = groups[0].as_array().unwrap().iter().map(|id| id.as_str().unwrap().to_owned()).collect();
    assert_eq!((groups.len(), hosts), (1, found));
    succeed(&fixture.provision(&["destroy", "--yes"]));
}

#[test]
fn what_others_did_to_a_fleets_hosts_is_put_right_or_auto_scaling_replaces_the_host() {
    let fixture = Fixture::start();
    fixture.write_spec(&fixture.spec().replace("count = 2", FLEET));
    fixture.apply();
    let before = workers(&fixture);
    let changed = fixture.boto(&format!(
        "{WORKERS}\n\
         one, two = out\n\
         ec2.modify_instance_metadata_options(InstanceId=one['id'], HttpTokens='optional', HttpPutResponseHopLimit=9)\n\
         ec2.delete_tags(Resources=[one['volumes']['/dev/xvda']['id']], Tags=[{{'Key': 'Project'}}])\n\
         new = ec2.create_volume(Size=8, AvailabilityZone=two['zone'], VolumeType='gp3')['VolumeId']\n\
         ec2.attach_volume(VolumeId=new, InstanceId=two['id'], Device='/dev/sdz')\n\
         out = [one['id'], two['id']]"
    ));
    let [one, two] = [0, 1].map(|index| changed[index].as_str().unwrap());
    let drift = text(&fixture.provision(&["drift"]).stdout);
    for part in [format!("host {one} metadata"), format!("host {one} tags.Project"), format!("host {two} /dev/sdz")] {
        assert!(drift.contains(&part), "no {part}: {drift}");
    }
    assert_eq!(fixture.plan(), ["update auto-scaling-group/worker"]);
    fixture.apply();
    assert_eq!(fixture.plan(), Vec::<String>::new());
    let after = workers(&fixture);
    assert_eq!((after.len(), ids(&before).contains(two)), (2, true));
    assert!(ids(&after).contains(one) && !ids(&after).contains(two), "{after:?}");
    let stayed = after.iter().find(|host| host["id"] == one).unwrap();
    assert_eq!(
        (&stayed["tokens"], &stayed["volumes"]["/dev/xvda"]["tags"]["Project"]),
        (&json!("required"), &json!("contest"))
    );
}
