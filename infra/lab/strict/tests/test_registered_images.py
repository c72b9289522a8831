"""strict.truths.registered_images"""

import pytest


@pytest.fixture
def snapshot(ec2):
    volume = ec2.create_volume(AvailabilityZone="eu-central-1a", Size=3)
    return ec2.create_snapshot(VolumeId=volume["VolumeId"])["SnapshotId"]


def register(ec2, name, snapshot, **changed):
    request = {
        "Name": name,
        "Description": "golden",
        "Architecture": "x86_64",
        "BootMode": "uefi",
        "EnaSupport": True,
        "ImdsSupport": "v2.0",
        "TpmSupport": "v2.0",
        "VirtualizationType": "hvm",
        "RootDeviceName": "/dev/xvda",
        "BlockDeviceMappings": [
            {"DeviceName": "/dev/xvda", "Ebs": {"SnapshotId": snapshot, "VolumeType": "gp3"}},
            {"DeviceName": "/dev/xvdb", "Ebs": {"VolumeSize": 5, "Encrypted": True, "DeleteOnTermination": False}},
        ],
        "TagSpecifications": [{"ResourceType": "image", "Tags": [{"Key": "version", "Value": "1"}]}],
    }
    return ec2.register_image(**{**request, **changed})["ImageId"]


def test_an_image_keeps_what_it_is_given(ec2, snapshot, unique):
    image = register(ec2, unique, snapshot)
    (described,) = ec2.describe_images(ImageIds=[image])["Images"]
    expected = {
        "Name": unique,
        "Architecture": "x86_64",
        "BootMode": "uefi",
        "EnaSupport": True,
        "ImdsSupport": "v2.0",
        "TpmSupport": "v2.0",
        "VirtualizationType": "hvm",
        "RootDeviceName": "/dev/xvda",
        "RootDeviceType": "ebs",
        "State": "available",
        "Tags": [{"Key": "version", "Value": "1"}],
    }
    assert {name: described[name] for name in expected} == expected
    first, second = described["BlockDeviceMappings"]
    assert first["Ebs"]["SnapshotId"] == snapshot
    assert (first["Ebs"]["VolumeSize"], first["Ebs"]["DeleteOnTermination"]) == (3, True)
    assert (second["Ebs"]["VolumeSize"], second["Ebs"]["DeleteOnTermination"]) == (5, False)


def test_a_name_is_taken_once(ec2, snapshot, unique, refused):
    register(ec2, unique, snapshot)
    with refused("InvalidAMIName.Duplicate"):
        register(ec2, unique, snapshot)


def test_what_makes_no_image_is_refused(ec2, snapshot, unique, refused):
    with refused("InvalidBlockDeviceMapping"):
        register(ec2, unique, snapshot, RootDeviceName="/dev/sda1")
    with refused("InvalidSnapshot.NotFound"):
        register(
            ec2,
            unique,
            snapshot,
            BlockDeviceMappings=[{"DeviceName": "/dev/xvda", "Ebs": {"SnapshotId": "snap-00000000000000000"}}],
        )
    with refused("InvalidAMIName.Malformed"):
        register(ec2, "a*b", snapshot)
