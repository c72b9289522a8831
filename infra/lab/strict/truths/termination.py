"""Termination: a protected instance stays, and so do those named with it in its zone.

https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_TerminateInstances.html
https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_ChangingDisableAPITermination.html
https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ModifyInstanceAttribute.html

moto ends those that it is given before the protected one and leaves those after it, wherever they are; it changes the
type and the user data of a running instance.
"""

from typing import Any

from moto.ec2.exceptions import EC2ClientError
from moto.ec2.responses.instances import InstanceResponse

from strict.override import override

MOST = 1000
ONLY_WHEN_STOPPED = ("InstanceType", "UserData", "EnaSupport", "EbsOptimized")


def apply(_plane: Any) -> None:
    @override(InstanceResponse, "terminate_instances")
    def terminate_instances(original: Any, self: Any) -> Any:
        asked = self._get_param("InstanceIds", [])
        if len(asked) > MOST:
            raise EC2ClientError("InvalidParameterValue", f"At most {MOST} instances may be named in one request")
        instances = self.ec2_backend.get_multi_instances_by_id(asked)
        protected = [i for i in instances if i.disable_api_termination and i.state != "terminated"]
        if not protected:
            return original(self)
        zones = {instance.availability_zone for instance in protected}
        self.params["InstanceIds"] = [i.id for i in instances if i.availability_zone not in zones]
        if self.params["InstanceIds"]:
            original(self)
        raise EC2ClientError(
            "OperationNotPermitted",
            f"The instance '{protected[0].id}' may not be terminated. Modify its 'disableApiTermination' instance "
            "attribute and try again.",
        )

    @override(InstanceResponse, "modify_instance_attribute")
    def modify_instance_attribute(original: Any, self: Any) -> Any:
        instance = self.ec2_backend.get_instance(self._get_param("InstanceId"))
        if instance.state == "terminated":
            raise EC2ClientError(
                "IncorrectInstanceState", f"The instance '{instance.id}' is in the 'terminated' state."
            )
        attribute = self._get_param("Attribute") or ""
        named = {*self.params, attribute[:1].upper() + attribute[1:]}
        if instance.state != "stopped" and any(name in named for name in ONLY_WHEN_STOPPED):
            raise EC2ClientError(
                "IncorrectInstanceState", f"The instance '{instance.id}' is not in the 'stopped' state."
            )
        return original(self)
