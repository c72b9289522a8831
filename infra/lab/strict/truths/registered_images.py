"""RegisterImage keeps what it is given.

https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_RegisterImage.html

moto replaces the block device mappings by a stock device of 15 GiB with a snapshot of its own, and drops root device,
boot mode, IMDS and TPM support, architecture and tags; it takes a name twice.
"""

import re
from copy import deepcopy
from typing import Any

from moto.core.responses import ActionResult
from moto.ec2.exceptions import EC2ClientError, MissingParameterError
from moto.ec2.models.amis import Ami
from moto.ec2.responses.amis import AmisResponse

from strict.override import override

NAME = re.compile(r"[A-Za-z0-9()\[\]. /'@_-]{3,128}")

# Parameter → attribute of moto's image, default.
GIVEN = {
    "Architecture": ("architecture", "i386"),
    "BootMode": ("boot_mode", None),
    "EnaSupport": ("ena_support", False),
    "ImdsSupport": ("imds_support", None),
    "SriovNetSupport": ("sriov_net_support", None),
    "TpmSupport": ("tpm_support", None),
    "VirtualizationType": ("virtualization_type", "paravirtual"),
    "RootDeviceName": ("root_device_name", None),
}


def apply(_plane: Any) -> None:
    stock = Ami.block_device_mappings
    Ami.block_device_mappings = property(
        lambda self: deepcopy(self.given_mappings) if hasattr(self, "given_mappings") else stock.fget(self)
    )

    @override(AmisResponse, "register_image")
    def register_image(original: Any, self: Any) -> ActionResult:
        name = self._get_param("Name")
        _check_name(self.ec2_backend, name)
        mappings = _mappings(self.ec2_backend, self._get_param("BlockDeviceMappings", []))
        root = self._get_param("RootDeviceName")
        if root is None:
            raise MissingParameterError("rootDeviceName")
        if not any(m["DeviceName"] == root and m.get("Ebs", {}).get("SnapshotId") for m in mappings):
            raise EC2ClientError(
                "InvalidBlockDeviceMapping", f"The device mapping for the root device {root} must have a snapshot"
            )
        result = original(self)
        image = self.ec2_backend.amis[result.result["ImageId"]]
        self.ec2_backend.snapshots.pop(image.ebs_snapshot.id)  # the one that moto made up
        image.given_mappings = mappings
        image.root_device_type = "ebs"
        image.hypervisor = "xen"
        image.image_location = f"{self.current_account}/{name}"
        for parameter, (attribute, default) in GIVEN.items():
            setattr(image, attribute, self._get_param(parameter, default))
        image.add_tags(self._parse_tag_specification().get("image", {}))
        return result


def _check_name(backend: Any, name: str | None) -> None:
    if not name:
        raise MissingParameterError("name")
    if not NAME.fullmatch(name):
        raise EC2ClientError(
            "InvalidAMIName.Malformed",
            "AMI names must be between 3 and 128 characters long, and may contain letters, numbers, and "
            "'(', ')', '[', ']', '.', ' ', '/', ''', '@', '_' and '-'",
        )
    for image in backend.amis.values():
        if image.name == name and image.owner_id == backend.account_id:
            raise EC2ClientError("InvalidAMIName.Duplicate", f"AMI name {name} is already in use by AMI {image.id}")


def _mappings(backend: Any, given: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """As DescribeImages shows them: size and encryption are the snapshot's where nothing else was said."""
    mappings = deepcopy(given)
    for mapping in mappings:
        ebs = mapping.get("Ebs")
        if ebs is None:
            continue
        ebs.setdefault("DeleteOnTermination", True)
        ebs.setdefault("VolumeType", "standard")
        if ebs.get("SnapshotId"):
            snapshot = backend.get_snapshot(ebs["SnapshotId"])
            ebs.setdefault("VolumeSize", snapshot.volume_size)
            ebs["Encrypted"] = snapshot.encrypted
    return mappings
