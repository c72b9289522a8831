"""RunInstances refuses what isn't there and what is out of bounds; a bad key ends the instance after the 200.

https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html
https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_InstanceMetadataOptionsRequest.html
https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/troubleshooting-launch.html

moto takes any image, type, key pair and hop limit, and an instance runs whose volume's key is gone, or isn't for who
starts it.
"""

from typing import Any

from moto.ec2.exceptions import (
    EC2ClientError,
    InvalidAMIIdError,
    InvalidInstanceTypeError,
    MalformedAMIIdError,
    MissingParameterError,
)
from moto.ec2.models.instance_types import INSTANCE_TYPES
from moto.ec2.models.instances import StateReason
from moto.ec2.responses.instances import InstanceResponse
from moto.ec2.responses.launch_templates import LaunchTemplates

from strict import keys
from strict.override import override
from strict.policies.caller import caller_of
from strict.policies.volumes import may_encrypt

HOP_LIMITS = range(1, 65)
CHOICES = {"HttpTokens": ("optional", "required"), "HttpEndpoint": ("enabled", "disabled")}


def apply(plane: Any) -> None:
    @override(InstanceResponse, "run_instances")
    def run_instances(original: Any, self: Any) -> Any:
        _check_image(self.ec2_backend, self._get_param("ImageId"))
        _check_type(self._get_param("InstanceType"))
        _check_key_pair(self.ec2_backend, self._get_param("KeyName"))
        _check_metadata_options(self._get_param("MetadataOptions", {}))
        result = original(self)
        request = self.normalized_request
        caller = caller_of(request) if request is not None else None
        for instance in result.result.instances:
            _end_without_key(plane, self.ec2_backend, instance, caller)
        return result

    @override(InstanceResponse, "modify_instance_metadata_options")
    def modify_instance_metadata_options(original: Any, self: Any) -> Any:
        _check_metadata_options(self.params)
        return original(self)

    for action in ("create_launch_template", "create_launch_template_version"):

        @override(LaunchTemplates, action)
        def create(original: Any, self: Any) -> Any:
            _check_metadata_options(self._get_param("LaunchTemplateData", {}).get("MetadataOptions", {}))
            return original(self)


def _check_image(backend: Any, image_id: str | None) -> None:
    if not image_id:
        raise MissingParameterError("ImageId")
    if not image_id.startswith("ami-"):
        raise MalformedAMIIdError([image_id])
    if image_id not in backend.amis:
        raise InvalidAMIIdError(image_id)
    if backend.amis[image_id].state != "available":
        raise EC2ClientError("InvalidAMIID.Unavailable", f"The image ID '{image_id}' is not available")


def _check_type(instance_type: str | None) -> None:
    if instance_type is not None and instance_type not in INSTANCE_TYPES:
        raise InvalidInstanceTypeError(instance_type, error_type="InvalidParameterValue")


def _check_key_pair(backend: Any, name: str | None) -> None:
    if name is not None and name not in backend.key_pairs:
        raise EC2ClientError("InvalidKeyPair.NotFound", f"The key pair '{name}' does not exist")


def _check_metadata_options(options: dict[str, Any]) -> None:
    limit = options.get("HttpPutResponseHopLimit")
    if limit is not None and int(limit) not in HOP_LIMITS:
        raise EC2ClientError(
            "InvalidParameterValue",
            f"Value ({limit}) for parameter HttpPutResponseHopLimit is invalid. The hop limit must be between "
            f"{HOP_LIMITS.start} and {HOP_LIMITS.stop - 1}.",
        )
    for name, values in CHOICES.items():
        if options.get(name) not in (None, *values):
            raise EC2ClientError("InvalidParameterValue", f"Value ({options[name]}) for parameter {name} is invalid.")


def _end_without_key(plane: Any, backend: Any, instance: Any, caller: Any | None) -> None:
    """EC2 finds out when it attaches the volumes, after it has answered."""
    named = {backend.volumes[device.volume_id].kms_key_id for device in instance.block_device_mapping.values()}
    for name in named - {None, ""}:
        key = keys.find(backend.account_id, backend.region_name, name)
        if key is not None and key.key_state != "Enabled":
            code, why = "Client.InvalidKMSKey.InvalidState", "The KMS key provided is in an incorrect state"
        elif key is None or not may_encrypt(plane, caller, backend.account_id, backend.region_name, key):
            code, why = "Client.InternalError", "Client error on launch"
        else:
            continue
        instance.terminate()
        instance.state_reason = StateReason(f"{code}: {why}", code)
        return
