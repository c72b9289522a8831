"""A volume grows and never shrinks; its type, IOPS and throughput change within bounds, four times a day at most.

https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ModifyVolume.html
https://docs.aws.amazon.com/ebs/latest/userguide/ebs-modify-volume.html
https://docs.aws.amazon.com/ebs/latest/userguide/ebs-volume-types.html

moto takes any size, type and number, as often as asked, and shows no IOPS for a gp3 volume of which none were said.
"""

from typing import Any

from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models.elastic_block_store import Volume
from moto.ec2.responses.elastic_block_store import ElasticBlockStore

from strict.override import override

# Type → sizes in GiB, IOPS, throughput in MiB/s; none where it can't be chosen.
BOUNDS = {
    "gp2": (range(1, 16385), None, None),
    "gp3": (range(1, 65537), range(3000, 80001), range(125, 2001)),
    "io1": (range(4, 16385), range(100, 64001), None),
    "io2": (range(4, 65537), range(100, 256001), None),
    "sc1": (range(125, 16385), None, None),
    "st1": (range(125, 16385), None, None),
    "standard": (range(1, 1025), None, None),
}
IN_A_DAY = 4
GP3_IOPS = 3000
GP3_THROUGHPUT = 125


def apply(_plane: Any) -> None:
    @override(ElasticBlockStore, "modify_volume")
    def modify_volume(original: Any, self: Any) -> Any:
        volume = self.ec2_backend.get_volume(self._get_param("VolumeId"))
        size, type_ = self._get_param("Size"), self._get_param("VolumeType")
        if size is not None and int(size) < volume.size:
            raise EC2ClientError(
                "InvalidParameterValue", f"New size cannot be smaller than existing size: {volume.size} GiB"
            )
        chosen = {name: self._get_param(name.capitalize()) for name in ("iops", "throughput")}
        _check(type_ or volume.volume_type, int(size or volume.size), chosen)
        if len(volume.modifications) >= IN_A_DAY:
            raise EC2ClientError(
                "VolumeModificationRateExceeded",
                f"You've reached the maximum modification rate per volume limit: {IN_A_DAY} in 24 hours.",
            )
        result = original(self)
        _fill_in(volume)
        return result

    @override(Volume, "__init__")
    def make(original: Any, self: Any, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        _fill_in(self)


def _fill_in(volume: Any) -> None:
    """A gp3 volume has the least of both where nothing is said, and shows it; others have no throughput to show."""
    if volume.volume_type == "gp3":
        volume.iops = volume.iops or GP3_IOPS
        volume.throughput = volume.throughput or GP3_THROUGHPUT
    else:
        volume.throughput = None


def _check(type_: str, size: int, chosen: dict[str, Any]) -> None:
    if type_ not in BOUNDS:
        raise EC2ClientError("InvalidParameterValue", f"Invalid volume type: {type_}")
    sizes, iops, throughput = BOUNDS[type_]
    if size not in sizes:
        raise EC2ClientError(
            "InvalidParameterValue",
            f"Volume of {size}GiB is not supported: {type_} volumes are {sizes.start} to {sizes.stop - 1} GiB",
        )
    for name, bounds in (("iops", iops), ("throughput", throughput)):
        value = chosen[name]
        if value is None:
            continue
        if bounds is None:
            raise EC2ClientError(
                "InvalidParameterCombination", f"The parameter {name} is not supported for {type_} volumes"
            )
        if int(value) not in bounds:
            raise EC2ClientError(
                "InvalidParameterValue",
                f"Volume {name} of {value} is not supported: {bounds.start} to {bounds.stop - 1} for {type_}",
            )
