"""What an instance is made of: strict.truths.launch_templates, instance_volumes, instance_interfaces,
instance_profiles, launch_validation."""

import base64
import json

import pytest

TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}],
    }
)


@pytest.fixture
def key(lab):
    return lab.client("kms").create_key()["KeyMetadata"]["Arn"]


@pytest.fixture
def group(ec2, vpc, unique):
    return ec2.create_security_group(GroupName=unique, Description="hosts", VpcId=vpc)["GroupId"]


@pytest.fixture
def profile(lab, unique):
    iam = lab.client("iam")
    iam.create_role(RoleName=unique, AssumeRolePolicyDocument=TRUST)
    made = iam.create_instance_profile(InstanceProfileName=unique)["InstanceProfile"]
    iam.add_role_to_instance_profile(InstanceProfileName=unique, RoleName=unique)
    return made


@pytest.fixture
def run(lab, ec2):
    """Starts instances and returns them as DescribeInstances shows them."""

    def run(count=1, **parameters):
        request = {"ImageId": lab.stock_image, "InstanceType": "t3.micro", "MinCount": count, "MaxCount": count}
        started = ec2.run_instances(**{**request, **parameters})["Instances"]
        described = ec2.describe_instances(InstanceIds=[i["InstanceId"] for i in started])["Reservations"]
        return [i for reservation in described for i in reservation["Instances"]]

    return run


def volumes(ec2, instance):
    filters = [{"Name": "attachment.instance-id", "Values": [instance["InstanceId"]]}]
    return {v["Attachments"][0]["Device"]: v for v in ec2.describe_volumes(Filters=filters)["Volumes"]}


def tags(described):
    return {t["Key"]: t["Value"] for t in described.get("Tags", []) + described.get("TagSet", [])}


def test_a_launch_template_gives_all_that_the_request_does_not(ec2, run, subnet, group, key, profile, unique):
    script = base64.b64encode(b"#!/bin/sh\n").decode()
    ec2.create_launch_template(
        LaunchTemplateName=unique,
        LaunchTemplateData={
            "InstanceType": "t3.small",
            "UserData": script,
            "IamInstanceProfile": {"Arn": profile["Arn"]},
            "MetadataOptions": {"HttpTokens": "required", "HttpPutResponseHopLimit": 1, "HttpEndpoint": "enabled"},
            "DisableApiTermination": True,
            "BlockDeviceMappings": [
                {"DeviceName": "/dev/xvda", "Ebs": {"Encrypted": True, "KmsKeyId": key, "VolumeType": "gp3"}}
            ],
            "NetworkInterfaces": [
                {"DeviceIndex": 0, "SubnetId": subnet, "Groups": [group], "AssociatePublicIpAddress": True}
            ],
            "TagSpecifications": [
                {"ResourceType": kind, "Tags": [{"Key": "Name", "Value": kind}, {"Key": "Project", "Value": "p"}]}
                for kind in ("instance", "volume", "network-interface")
            ],
        },
        TagSpecifications=[{"ResourceType": "launch-template", "Tags": [{"Key": "own", "Value": "1"}]}],
    )
    one, two = run(
        2,
        LaunchTemplate={"LaunchTemplateName": unique, "Version": "1"},
        TagSpecifications=[{"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": "changed"}]}],
    )
    for instance in (one, two):
        assert instance["InstanceType"] == "t3.micro"
        assert instance["MetadataOptions"]["HttpTokens"] == "required"
        assert instance["MetadataOptions"]["HttpPutResponseHopLimit"] == 1
        assert instance["IamInstanceProfile"] == {"Arn": profile["Arn"], "Id": profile["InstanceProfileId"]}
        assert [g["GroupId"] for g in instance["SecurityGroups"]] == [group]
        assert instance["PublicIpAddress"]
        of_instance = tags(instance)
        assert (of_instance["Name"], of_instance["Project"]) == ("changed", "p")
        assert of_instance["aws:ec2launchtemplate:version"] == "1"
        assert "own" not in of_instance
        attributes = {
            name: ec2.describe_instance_attribute(InstanceId=instance["InstanceId"], Attribute=name)
            for name in ("userData", "disableApiTermination")
        }
        assert attributes["userData"]["UserData"]["Value"] == script
        assert attributes["disableApiTermination"]["DisableApiTermination"]["Value"] is True
        (volume,) = volumes(ec2, instance).values()
        assert (volume["Encrypted"], volume["KmsKeyId"], volume["VolumeType"]) == (True, key, "gp3")
        assert tags(volume) == {"Name": "volume", "Project": "p"}
        (interface,) = instance["NetworkInterfaces"]
        described = ec2.describe_network_interfaces(NetworkInterfaceIds=[interface["NetworkInterfaceId"]])
        assert tags(described["NetworkInterfaces"][0]) == {"Name": "network-interface", "Project": "p"}


def test_a_protected_instance_is_not_terminated(ec2, run, subnet, unique, refused):
    ec2.create_launch_template(LaunchTemplateName=unique, LaunchTemplateData={"DisableApiTermination": True})
    (instance,) = run(LaunchTemplate={"LaunchTemplateName": unique}, SubnetId=subnet)
    with refused("OperationNotPermitted"):
        ec2.terminate_instances(InstanceIds=[instance["InstanceId"]])


def test_templates_are_described_as_they_are(ec2, unique):
    data = {"InstanceType": "t3.micro", "UserData": base64.b64encode(b"one").decode()}
    own = [{"ResourceType": "launch-template", "Tags": [{"Key": "own", "Value": "1"}]}]
    made = ec2.create_launch_template(LaunchTemplateName=unique, LaunchTemplateData=data, TagSpecifications=own)
    template = made["LaunchTemplate"]["LaunchTemplateId"]
    ec2.create_tags(Resources=[template], Tags=[{"Key": "later", "Value": "2"}])
    (described,) = ec2.describe_launch_templates(LaunchTemplateIds=[template])["LaunchTemplates"]
    assert tags(described) == {"own": "1", "later": "2"}

    second = ec2.create_launch_template_version(
        LaunchTemplateId=template,
        SourceVersion="1",
        LaunchTemplateData={"InstanceType": "t3.small"},
    )["LaunchTemplateVersion"]
    assert second["LaunchTemplateData"] == {**data, "InstanceType": "t3.small"}
    versions = ec2.describe_launch_template_versions(LaunchTemplateId=template)["LaunchTemplateVersions"]
    assert [v["LaunchTemplateData"] for v in versions] == [data, {**data, "InstanceType": "t3.small"}]


def test_more_than_fifteen_templates_are_listed(ec2, unique):
    for index in range(17):
        ec2.create_launch_template(
            LaunchTemplateName=f"{unique}-{index}", LaunchTemplateData={"InstanceType": "t3.micro"}
        )
    listed = ec2.describe_launch_templates()["LaunchTemplates"]
    assert sum(t["LaunchTemplateName"].startswith(unique) for t in listed) == 17


def test_volumes_are_those_of_the_image(lab, ec2, run, subnet, unique, key):
    snapshots = []
    for size, encrypted in ((3, False), (5, True)):
        extra = {"KmsKeyId": key} if encrypted else {}
        volume = ec2.create_volume(AvailabilityZone="eu-central-1a", Size=size, Encrypted=encrypted, **extra)
        snapshots.append(ec2.create_snapshot(VolumeId=volume["VolumeId"])["SnapshotId"])
    image = ec2.register_image(
        Name=unique,
        RootDeviceName="/dev/xvda",
        BlockDeviceMappings=[
            {"DeviceName": "/dev/xvda", "Ebs": {"SnapshotId": snapshots[0], "VolumeType": "gp3"}},
            {"DeviceName": "/dev/xvdb", "Ebs": {"SnapshotId": snapshots[1], "VolumeSize": 7}},
        ],
    )["ImageId"]

    plain = volumes(ec2, run(ImageId=image, SubnetId=subnet)[0])
    assert {d: (v["SnapshotId"], v["Size"], v["Encrypted"]) for d, v in plain.items()} == {
        "/dev/xvda": (snapshots[0], 3, False),
        "/dev/xvdb": (snapshots[1], 7, True),
    }
    assert plain["/dev/xvdb"]["KmsKeyId"] == key

    changed = volumes(
        ec2,
        run(
            ImageId=image,
            SubnetId=subnet,
            BlockDeviceMappings=[
                {"DeviceName": "/dev/xvda", "Ebs": {"Encrypted": True, "KmsKeyId": key, "Iops": 4000}},
                {"DeviceName": "/dev/xvdb", "NoDevice": ""},
                {"DeviceName": "/dev/xvdc", "Ebs": {"VolumeSize": 2}},
            ],
        )[0],
    )
    assert set(changed) == {"/dev/xvda", "/dev/xvdc"}
    root = changed["/dev/xvda"]
    assert (root["SnapshotId"], root["Size"], root["Encrypted"]) == (snapshots[0], 3, True)
    assert (root["KmsKeyId"], root["VolumeType"], root["Iops"]) == (key, "gp3", 4000)
    assert root["Attachments"][0]["DeleteOnTermination"] is True
    assert changed["/dev/xvdc"]["Attachments"][0]["DeleteOnTermination"] is False


def test_a_volume_is_not_smaller_than_its_snapshot(run, subnet, refused):
    with refused("InvalidBlockDeviceMapping"):
        run(SubnetId=subnet, BlockDeviceMappings=[{"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 7}}])


def test_an_alias_is_reported_as_its_keys_arn(lab, ec2, run, subnet, unique, key):
    lab.client("kms").create_alias(AliasName=f"alias/{unique}", TargetKeyId=key)
    mapping = [{"DeviceName": "/dev/xvda", "Ebs": {"Encrypted": True, "KmsKeyId": f"alias/{unique}"}}]
    (volume,) = volumes(ec2, run(SubnetId=subnet, BlockDeviceMappings=mapping)[0]).values()
    assert volume["KmsKeyId"] == key


def test_encryption_by_default_holds_at_launch(lab, ec2, run):
    other = lab.client("ec2", region="eu-north-1")
    other.enable_ebs_encryption_by_default()
    volume = other.create_volume(AvailabilityZone="eu-north-1a", Size=1)
    assert volume["Encrypted"] is True


def test_an_instance_with_no_group_has_the_default_one(ec2, run, vpc, subnet):
    (instance,) = run(SubnetId=subnet)
    default = ec2.describe_security_groups(
        Filters=[{"Name": "vpc-id", "Values": [vpc]}, {"Name": "group-name", "Values": ["default"]}]
    )["SecurityGroups"][0]["GroupId"]
    assert [g["GroupId"] for g in instance["SecurityGroups"]] == [default]
    assert [g["GroupId"] for g in instance["NetworkInterfaces"][0]["Groups"]] == [default]


def test_an_instance_has_the_groups_and_the_address_choice_of_its_interface(ec2, run, subnet, group):
    public = {"DeviceIndex": 0, "SubnetId": subnet, "Groups": [group], "AssociatePublicIpAddress": True}
    (instance,) = run(NetworkInterfaces=[public])
    assert [g["GroupId"] for g in instance["SecurityGroups"]] == [group]
    assert instance["PublicIpAddress"]
    (instance,) = run(NetworkInterfaces=[{**public, "AssociatePublicIpAddress": False}])
    assert "PublicIpAddress" not in instance


def test_an_interface_ends_with_its_instance(ec2, run, subnet):
    (instance,) = run(SubnetId=subnet)
    (interface,) = instance["NetworkInterfaces"]
    ec2.terminate_instances(InstanceIds=[instance["InstanceId"]])
    filters = [{"Name": "network-interface-id", "Values": [interface["NetworkInterfaceId"]]}]
    assert ec2.describe_network_interfaces(Filters=filters)["NetworkInterfaces"] == []


def test_a_group_of_another_network_is_refused(ec2, run, subnet, unique, refused):
    other = ec2.create_vpc(CidrBlock="10.1.0.0/16")["Vpc"]["VpcId"]
    group = ec2.create_security_group(GroupName=unique, Description="x", VpcId=other)["GroupId"]
    with refused("InvalidParameter"):
        run(SubnetId=subnet, SecurityGroupIds=[group])
    with refused("InvalidGroup.NotFound"):
        run(SubnetId=subnet, SecurityGroupIds=["sg-00000000000000000"])


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"ImageId": "ami-00000000000000000"}, "InvalidAMIID.NotFound"),
        ({"ImageId": "debian"}, "InvalidAMIID.Malformed"),
        ({"InstanceType": "t3.enormous"}, "InvalidParameterValue"),
        ({"KeyName": "nobody"}, "InvalidKeyPair.NotFound"),
        ({"MetadataOptions": {"HttpPutResponseHopLimit": 65}}, "InvalidParameterValue"),
        ({"MetadataOptions": {"HttpPutResponseHopLimit": 0}}, "InvalidParameterValue"),
        ({"IamInstanceProfile": {"Name": "nobody"}}, "InvalidParameterValue"),
    ],
)
def test_a_launch_is_validated(ec2, run, subnet, refused, changed, code):
    with refused(code):
        run(SubnetId=subnet, **changed)


def test_a_key_that_cannot_be_used_ends_the_instance_after_the_launch(lab, ec2, run, subnet, key):
    lab.client("kms").schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
    gone = "arn:aws:kms:eu-central-1:111111111111:key/00000000-0000-0000-0000-000000000000"
    for bad, code in ((gone, "Client.InternalError"), (key, "Client.InvalidKMSKey.InvalidState")):
        mapping = [{"DeviceName": "/dev/xvda", "Ebs": {"Encrypted": True, "KmsKeyId": bad}}]
        (instance,) = run(SubnetId=subnet, BlockDeviceMappings=mapping)
        assert instance["State"]["Name"] == "terminated"
        assert instance["StateReason"]["Code"] == code


def test_an_instance_tells_the_profile_that_took_the_place_of_its_first(ec2, lab, run, profile, unique):
    (instance,) = run(IamInstanceProfile={"Arn": profile["Arn"]})
    another = lab.client("iam").create_instance_profile(InstanceProfileName=f"{unique}-another")["InstanceProfile"]
    filters = [{"Name": "instance-id", "Values": [instance["InstanceId"]]}]
    (association,) = ec2.describe_iam_instance_profile_associations(Filters=filters)["IamInstanceProfileAssociations"]
    ec2.replace_iam_instance_profile_association(
        AssociationId=association["AssociationId"], IamInstanceProfile={"Arn": another["Arn"]}
    )
    (reservation,) = ec2.describe_instances(InstanceIds=[instance["InstanceId"]])["Reservations"]
    (instance,) = reservation["Instances"]
    assert instance["IamInstanceProfile"] == {"Arn": another["Arn"], "Id": another["InstanceProfileId"]}
