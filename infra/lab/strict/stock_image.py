"""The lab's stock image: what Debian's own AMI looks like to one who may launch it."""

from moto.ec2.models import ec2_backends
from moto.ec2.models.amis import Ami

IMAGE_ID = "ami-0123456789abcdef0"
# https://wiki.debian.org/Cloud/AmazonEC2Image: the account that publishes Debian's images.
DEBIAN = "136693071363"
ROOT_DEVICE = "/dev/xvda"
SIZE_GIB = 8


def register(account: str, region: str) -> str:
    """Registers the image as one that another account has made public."""
    backend = ec2_backends[account][region]
    image = Ami(
        backend,
        IMAGE_ID,
        name="debian-12-amd64-20261101-2300",
        description="Debian 12 (20261101-2300)",
        owner_id=DEBIAN,
        public=True,
        virtualization_type="hvm",
        architecture="x86_64",
        hypervisor="xen",
        root_device_type="ebs",
        root_device_name=ROOT_DEVICE,
        image_location="amazon/debian-12-amd64-20261101-2300",
        region_name=f"{region}a",
        boot_mode="uefi-preferred",
    )
    image.ebs_snapshot.volume.size = SIZE_GIB
    image.ena_support = True
    image.given_mappings = [
        {
            "DeviceName": ROOT_DEVICE,
            "Ebs": {
                "SnapshotId": image.ebs_snapshot.id,
                "VolumeSize": SIZE_GIB,
                "VolumeType": "gp3",
                "DeleteOnTermination": True,
                "Encrypted": False,
            },
        }
    ]
    backend.amis[IMAGE_ID] = image
    return IMAGE_ID
