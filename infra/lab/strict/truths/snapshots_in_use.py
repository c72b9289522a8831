"""A snapshot that an image is made of stays until the image is deregistered.

https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DeleteSnapshot.html

moto knows it of the snapshots that it made up for an image, not of those that RegisterImage was given.
"""

from typing import Any

from moto.ec2.exceptions import InvalidSnapshotInUse
from moto.ec2.models.elastic_block_store import EBSBackend

from strict.override import override


def apply(_plane: Any) -> None:
    @override(EBSBackend, "delete_snapshot")
    def delete_snapshot(original: Any, self: Any, snapshot_id: str) -> Any:
        for image in self.amis.values():
            if any(m.get("Ebs", {}).get("SnapshotId") == snapshot_id for m in image.block_device_mappings):
                raise InvalidSnapshotInUse(snapshot_id, image.id)
        return original(self, snapshot_id)
