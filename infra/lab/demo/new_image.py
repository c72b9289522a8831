"""Registers the image IMAGE anew, as a build of the golden image would, and prints the new one's id."""

import sys

import boto3

ec2 = boto3.client("ec2")

old = ec2.describe_images(ImageIds=[sys.argv[1]])["Images"][0]
devices = [
    {"DeviceName": device["DeviceName"], "Ebs": {"SnapshotId": device["Ebs"]["SnapshotId"], "VolumeSize": device["Ebs"]["VolumeSize"]}}
    for device in old["BlockDeviceMappings"]
    if "Ebs" in device
]
new = ec2.register_image(
    Name="golden-2",
    RootDeviceName=old["RootDeviceName"],
    BlockDeviceMappings=devices,
    Architecture=old["Architecture"],
    VirtualizationType="hvm",
    ImdsSupport="v2.0",
    EnaSupport=True,
)
print(new["ImageId"])
