"""strict.truths.auto_scaling_groups, auto_scaling_instances"""

import json

import pytest

REGION = "eu-central-1"
ROOT = "arn:aws:iam::111111111111:root"
SCALING = "arn:aws:iam::111111111111:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling"
TAGS = [
    {"Key": "Project", "Value": "p", "PropagateAtLaunch": True},
    {"Key": "own", "Value": "1", "PropagateAtLaunch": False},
]


def key_policy(*principals):
    statements = [
        {"Effect": "Allow", "Principal": {"AWS": principal}, "Action": "kms:*", "Resource": "*"}
        for principal in (ROOT, *principals)
    ]
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


@pytest.fixture
def scaling(lab):
    return lab.client("autoscaling")


@pytest.fixture
def subnets(ec2, vpc):
    return [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{n}.0/24", AvailabilityZone=REGION + zone)["Subnet"]["SubnetId"]
        for n, zone in enumerate("ab")
    ]


@pytest.fixture
def template(lab, ec2, vpc, unique):
    key = lab.client("kms").create_key(Policy=key_policy(SCALING))["KeyMetadata"]["Arn"]
    group = ec2.create_security_group(GroupName=unique, Description="hosts", VpcId=vpc)["GroupId"]
    ec2.create_launch_template(
        LaunchTemplateName=unique,
        LaunchTemplateData={
            "ImageId": lab.stock_image,
            "InstanceType": "t3.small",
            "MetadataOptions": {"HttpTokens": "required", "HttpPutResponseHopLimit": 1},
            "BlockDeviceMappings": [
                {"DeviceName": "/dev/xvda", "Ebs": {"Encrypted": True, "KmsKeyId": key, "VolumeType": "gp3"}}
            ],
            "NetworkInterfaces": [{"DeviceIndex": 0, "Groups": [group], "AssociatePublicIpAddress": False}],
            "TagSpecifications": [
                {"ResourceType": kind, "Tags": [{"Key": "Name", "Value": kind}]} for kind in ("instance", "volume")
            ],
        },
    )
    return {"LaunchTemplateName": unique, "Version": "1"}


@pytest.fixture
def make(scaling, subnets, template, unique):
    def make(**changed):
        request = {
            "AutoScalingGroupName": unique,
            "LaunchTemplate": template,
            "MinSize": 0,
            "MaxSize": 6,
            "DesiredCapacity": 4,
            "VPCZoneIdentifier": ",".join(subnets),
            "Tags": TAGS,
        }
        asked = {name: value for name, value in {**request, **changed}.items() if value is not None}
        scaling.create_auto_scaling_group(**asked)
        return unique

    return make


def shown(scaling, name):
    groups = scaling.describe_auto_scaling_groups(AutoScalingGroupNames=[name])["AutoScalingGroups"]
    return groups[0] if groups else None


def settled(scaling, name, count):
    """The group's members once that many are in service; the lab's time passes by looking."""
    for _ in range(60):
        members = shown(scaling, name)["Instances"]
        if [m["LifecycleState"] for m in members] == ["InService"] * count:
            return members
    raise AssertionError(members)


def instances(ec2, members):
    answer = ec2.describe_instances(InstanceIds=[m["InstanceId"] for m in members])
    return [i for reservation in answer["Reservations"] for i in reservation["Instances"]]


def tags(described):
    return {t["Key"]: t["Value"] for t in described.get("Tags", [])}


def test_members_are_what_the_template_says_over_all_zones(ec2, scaling, make, subnets):
    name = make()
    assert {m["LifecycleState"] for m in shown(scaling, name)["Instances"]} == {"Pending"}
    members = settled(scaling, name, 4)
    assert {m["LaunchTemplate"]["Version"] for m in members} == {"1"}
    hosts = instances(ec2, members)
    assert sorted(i["SubnetId"] for i in hosts) == sorted(subnets * 2)
    for host in hosts:
        assert host["InstanceType"] == "t3.small"
        assert host["MetadataOptions"]["HttpTokens"] == "required"
        assert tags(host).items() >= {"aws:autoscaling:groupName": name, "Project": "p", "Name": "instance"}.items()
        assert "own" not in tags(host)
        volume_ids = [m["Ebs"]["VolumeId"] for m in host["BlockDeviceMappings"]]
        volume = ec2.describe_volumes(VolumeIds=volume_ids)["Volumes"][0]
        assert volume["Encrypted"] and tags(volume)["Name"] == "volume"


def test_a_member_that_ends_is_replaced(ec2, scaling, make):
    name = make(DesiredCapacity=2)
    members = settled(scaling, name, 2)
    ec2.terminate_instances(InstanceIds=[members[0]["InstanceId"]])
    for _ in range(20):
        ids = {m["InstanceId"] for m in shown(scaling, name)["Instances"]}
        if members[0]["InstanceId"] not in ids and len(ids) == 2:
            break
    assert members[1]["InstanceId"] in ids and members[0]["InstanceId"] not in ids and len(ids) == 2


def test_capacity_changes_within_the_sizes(scaling, make, refused):
    name = make(DesiredCapacity=1)
    with refused("ValidationError"):
        scaling.set_desired_capacity(AutoScalingGroupName=name, DesiredCapacity=7)
    with refused("ValidationError"):
        scaling.update_auto_scaling_group(AutoScalingGroupName=name, MinSize=7)
    scaling.update_auto_scaling_group(AutoScalingGroupName=name, MinSize=3)
    assert shown(scaling, name)["DesiredCapacity"] == 3
    settled(scaling, name, 3)
    scaling.update_auto_scaling_group(AutoScalingGroupName=name, MinSize=0, DesiredCapacity=1)
    settled(scaling, name, 1)


def test_a_mixed_policy_says_the_types_and_stays_in_an_update(ec2, scaling, make, template):
    policy = {
        "LaunchTemplate": {
            "LaunchTemplateSpecification": template,
            "Overrides": [{"InstanceType": "t3.medium"}, {"InstanceType": "t3.large"}],
        },
        "InstancesDistribution": {"OnDemandPercentageAboveBaseCapacity": 100},
    }
    name = make(LaunchTemplate=None, MixedInstancesPolicy=policy, DesiredCapacity=1)
    assert [i["InstanceType"] for i in instances(ec2, settled(scaling, name, 1))] == ["t3.medium"]
    scaling.update_auto_scaling_group(AutoScalingGroupName=name, MaxSize=5)
    kept = shown(scaling, name)["MixedInstancesPolicy"]["LaunchTemplate"]
    assert [o["InstanceType"] for o in kept["Overrides"]] == ["t3.medium", "t3.large"]
    assert "LaunchTemplate" not in shown(scaling, name)


def test_a_new_version_is_for_new_members(lab, ec2, scaling, make, template):
    name = make(DesiredCapacity=1)
    first = settled(scaling, name, 1)
    ec2.create_launch_template_version(
        LaunchTemplateName=template["LaunchTemplateName"],
        SourceVersion="1",
        LaunchTemplateData={"InstanceType": "t3.medium"},
    )
    scaling.update_auto_scaling_group(
        AutoScalingGroupName=name, LaunchTemplate={**template, "Version": "2"}, DesiredCapacity=2
    )
    members = settled(scaling, name, 2)
    assert [m["LaunchTemplate"]["Version"] for m in members] == ["1", "2"]
    scaling.set_desired_capacity(AutoScalingGroupName=name, DesiredCapacity=1)
    assert settled(scaling, name, 1)[0]["InstanceId"] != first[0]["InstanceId"]


def test_a_group_is_deleted_empty_or_by_force(ec2, scaling, make, refused):
    name = make(DesiredCapacity=1)
    member = settled(scaling, name, 1)[0]["InstanceId"]
    with refused("ResourceInUse"):
        scaling.delete_auto_scaling_group(AutoScalingGroupName=name)
    scaling.delete_auto_scaling_group(AutoScalingGroupName=name, ForceDelete=True)
    assert shown(scaling, name)["Status"] == "Delete in progress"
    with refused("ScalingActivityInProgress"):
        scaling.update_auto_scaling_group(AutoScalingGroupName=name, MaxSize=9)
    for _ in range(10):
        if shown(scaling, name) is None:
            break
    assert shown(scaling, name) is None
    assert instances(ec2, [{"InstanceId": member}])[0]["State"]["Name"] == "terminated"
    with refused("ValidationError", "not found"):
        scaling.delete_auto_scaling_group(AutoScalingGroupName=name)


def test_a_name_is_taken_once_and_what_is_named_is_there(scaling, make, template, refused):
    make(DesiredCapacity=0)
    with refused("AlreadyExists"):
        make(DesiredCapacity=0)
    with refused("ValidationError", "launch template"):
        make(AutoScalingGroupName="other", LaunchTemplate={"LaunchTemplateName": "nowhere", "Version": "1"})
    with refused("ValidationError", "subnet"):
        make(AutoScalingGroupName="other", VPCZoneIdentifier="subnet-00000000")
    with refused("ValidationError"):
        make(AutoScalingGroupName="other", MinSize=3, MaxSize=2, DesiredCapacity=None)


def test_groups_are_found_by_tag_in_pages(scaling, make, unique):
    for n in range(3):
        make(
            AutoScalingGroupName=f"{unique}-{n}",
            DesiredCapacity=0,
            Tags=[{"Key": "which", "Value": unique, "PropagateAtLaunch": False}],
        )
    scaling.create_or_update_tags(
        Tags=[
            {
                "ResourceId": f"{unique}-0",
                "ResourceType": "auto-scaling-group",
                "Key": "more",
                "Value": "1",
                "PropagateAtLaunch": True,
            }
        ]
    )
    paginator = scaling.get_paginator("describe_auto_scaling_groups")
    filters = [{"Name": "tag:which", "Values": [unique]}]
    pages = [p["AutoScalingGroups"] for p in paginator.paginate(Filters=filters, PaginationConfig={"PageSize": 2})]
    assert [len(page) for page in pages] == [2, 1]
    found = {g["AutoScalingGroupName"]: {t["Key"] for t in g["Tags"]} for page in pages for g in page}
    assert found == {f"{unique}-0": {"which", "more"}, f"{unique}-1": {"which"}, f"{unique}-2": {"which"}}


def test_a_launch_that_fails_is_an_activity(ec2, scaling, make, template):
    name = make(DesiredCapacity=0)
    ec2.delete_launch_template(LaunchTemplateName=template["LaunchTemplateName"])
    scaling.set_desired_capacity(AutoScalingGroupName=name, DesiredCapacity=1)
    activity = scaling.describe_scaling_activities(AutoScalingGroupName=name)["Activities"][0]
    assert activity["StatusCode"] == "Failed"
    assert "Launching EC2 instance failed" in activity["StatusMessage"]


def test_a_member_does_not_start_with_a_key_that_is_not_for_auto_scaling(lab, ec2, scaling, make, template):
    described = ec2.describe_launch_template_versions(LaunchTemplateName=template["LaunchTemplateName"])
    data = described["LaunchTemplateVersions"][0]["LaunchTemplateData"]
    key = data["BlockDeviceMappings"][0]["Ebs"]["KmsKeyId"]
    lab.client("kms").put_key_policy(KeyId=key, PolicyName="default", Policy=key_policy())
    name = make(DesiredCapacity=1)

    def failures():
        activities = scaling.describe_scaling_activities(AutoScalingGroupName=name)["Activities"]
        return [a["StatusMessage"] for a in activities if a["StatusCode"] == "Failed"]

    for _ in range(20):
        if failures():
            break
    assert "Client.InternalError" in failures()[0]
    lab.client("kms").put_key_policy(KeyId=key, PolicyName="default", Policy=key_policy(SCALING))
    settled(scaling, name, 1)
