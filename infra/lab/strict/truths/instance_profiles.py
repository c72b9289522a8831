"""An instance profile named at launch is that of every instance of the reservation, and keeps its own id.

https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_RunInstances.html
https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_IamInstanceProfile.html

moto gives it to the first instance alone, doesn't tell an instance that it was given another, and reports the
association's id as the profile's; a profile that isn't there is IAM's NoSuchEntity instead of EC2's
InvalidParameterValue.
"""

from typing import Any

from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models.iam_instance_profile import (
    IamInstanceProfileAssociation,
    IamInstanceProfileAssociationBackend,
)
from moto.ec2.responses.instances import InstanceResponse
from moto.iam.models import iam_backends

from strict.override import override


class InvalidProfile(EC2ClientError):
    def __init__(self, field: str, value: str) -> None:
        super().__init__(
            "InvalidParameterValue",
            f"Value ({value}) for parameter iamInstanceProfile.{field} is invalid. "
            f"Invalid IAM Instance Profile {field}",
        )


def apply(_plane: Any) -> None:
    @override(InstanceResponse, "run_instances")
    def run_instances(original: Any, self: Any) -> Any:
        profile = self._get_param("IamInstanceProfile", {})
        name, arn = profile.get("Name"), profile.get("Arn")
        profiles = iam_backends[self.current_account][self.partition].instance_profiles.values()
        if name and not any(known.name == name for known in profiles):
            raise InvalidProfile("name", name)
        if arn and not any(known.arn == arn for known in profiles):
            raise InvalidProfile("arn", arn)
        result = original(self)
        if profile:
            for instance in result.result.instances[1:]:
                self.ec2_backend.associate_iam_instance_profile(
                    instance_id=instance.id, iam_instance_profile_name=name, iam_instance_profile_arn=arn
                )
        return result

    @override(IamInstanceProfileAssociation, "__init__")
    def associate(original: Any, self: Any, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        self.instance.iam_instance_profile = {"Arn": self.iam_instance_profile.arn, "Id": self.iam_instance_profile.id}

    @override(IamInstanceProfileAssociationBackend, "replace_iam_instance_profile_association")
    def replace(original: Any, self: Any, *args: Any, **kwargs: Any) -> Any:
        association = original(self, *args, **kwargs)
        profile = association.iam_instance_profile
        association.instance.iam_instance_profile = {"Arn": profile.arn, "Id": profile.id}
        return association
