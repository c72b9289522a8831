"""An instance's volumes are those of its image, changed by the request's mappings.

https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/block-device-mapping-concepts.html
https://docs.aws.amazon.com/ebs/latest/userguide/ebs-encryption.html

moto looks at the request alone: volumes have no snapshot, a mapping of the root device without a size fails, one of
another device loses the root; encryption by default is ignored at launch; a key stays as it was named.
"""

from copy import deepcopy
from typing import Any

from moto.ec2.exceptions import EC2ClientError, InvalidParameterDependency
from moto.ec2.models.elastic_block_store import EBSBackend, VolumeAttachment
from moto.ec2.responses.elastic_block_store import ElasticBlockStore
from moto.ec2.responses.instances import InstanceResponse

from strict import keys
from strict.override import override


class InvalidBlockDeviceMapping(EC2ClientError):
    def __init__(self, message: str) -> None:
        super().__init__("InvalidBlockDeviceMapping", message)


def apply(_plane: Any) -> None:
    @override(InstanceResponse, "run_instances")
    def run_instances(original: Any, self: Any) -> Any:
        image = self.ec2_backend.amis[self._get_param("ImageId")]
        mappings = effective(self.ec2_backend, image, self._get_param("BlockDeviceMappings", []))
        self.params["BlockDeviceMappings"] = mappings
        result = original(self)
        for instance in result.result.instances:
            for mapping in mappings:
                _complete(self.ec2_backend, instance, mapping)
        return result

    # moto leaves it out of DescribeVolumes.
    VolumeAttachment.delete_on_termination = property(_delete_on_termination)

    @override(EBSBackend, "create_snapshot")
    def create_snapshot(original: Any, self: Any, volume_id: str, *args: Any, **kwargs: Any) -> Any:
        snapshot = original(self, volume_id, *args, **kwargs)
        snapshot.kms_key_id = self.volumes[volume_id].kms_key_id  # moto keeps that it is encrypted, not by which key
        return snapshot

    @override(ElasticBlockStore, "create_volume")
    def create_volume(original: Any, self: Any) -> Any:
        encrypt(self.ec2_backend, self.params, self.ec2_backend.snapshots.get(self._get_param("SnapshotId")))
        return original(self)


def _delete_on_termination(attachment: VolumeAttachment) -> bool:
    # The answer to DetachVolume shows an attachment that its instance has no more.
    device = attachment.instance.block_device_mapping.get(attachment.device)
    return device is not None and bool(device.delete_on_termination)


def effective(backend: Any, image: Any, requested: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The image's mappings with the request's over them, each with its size and encryption settled."""
    devices = {mapping["DeviceName"]: deepcopy(mapping) for mapping in image.block_device_mappings}
    for mapping in requested:
        name = mapping["DeviceName"]
        if "NoDevice" in mapping:
            devices.pop(name, None)
        elif "Ebs" in mapping:
            of_image = devices.get(name, {}).get("Ebs", {"DeleteOnTermination": False})
            devices[name] = {"DeviceName": name, "Ebs": {**of_image, **mapping["Ebs"]}}
    for mapping in devices.values():
        _settle(backend, mapping)
    return list(devices.values())


def _settle(backend: Any, mapping: dict[str, Any]) -> None:
    ebs = mapping["Ebs"]
    snapshot = backend.get_snapshot(ebs["SnapshotId"]) if ebs.get("SnapshotId") else None
    if snapshot is not None:
        ebs.setdefault("VolumeSize", snapshot.volume_size)
        if int(ebs["VolumeSize"]) < snapshot.volume_size:
            raise InvalidBlockDeviceMapping(
                f"Volume of size {ebs['VolumeSize']}GB is smaller than snapshot '{snapshot.id}', "
                f"expect size >= {snapshot.volume_size}GB"
            )
    encrypt(backend, ebs, snapshot)


def encrypt(backend: Any, ebs: dict[str, Any], snapshot: Any) -> None:
    """Settles what a volume is encrypted with: what was asked, the snapshot's, or the account's default."""
    must = backend.ebs_encryption_by_default or (snapshot is not None and snapshot.encrypted)
    if must:
        ebs["Encrypted"] = True  # AWS: "Encrypted" can't be false then
    if ebs.get("KmsKeyId"):
        if not ebs.get("Encrypted"):
            raise InvalidParameterDependency("KmsKeyId", "Encrypted")
        ebs["KmsKeyId"] = keys.arn(backend.account_id, backend.region_name, ebs["KmsKeyId"])
    elif must and snapshot is not None and snapshot.kms_key_id:
        ebs["KmsKeyId"] = snapshot.kms_key_id


def _complete(backend: Any, instance: Any, mapping: dict[str, Any]) -> None:
    """moto hands size, type, snapshot and key to the volume, not these."""
    device = instance.block_device_mapping.get(mapping["DeviceName"])
    if device is None:
        return
    volume = backend.volumes[device.volume_id]
    ebs = mapping["Ebs"]
    for name in ("iops", "throughput"):
        value = ebs.get(name.capitalize())
        if value is not None:
            setattr(volume, name, int(value))
