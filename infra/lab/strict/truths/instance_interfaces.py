"""An instance's groups are those of its primary interface, however they were given; interfaces die with it.

https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_InstanceNetworkInterfaceSpecification.html
https://docs.aws.amazon.com/vpc/latest/userguide/default-security-group.html

moto shows no groups for an instance that was started with NetworkInterfaces, none for one that was given none (AWS:
the VPC's default group), drops the interfaces' tags, and leaves interfaces behind when their instance is terminated,
since they don't say DeleteOnTermination. It makes up a group for an id that isn't there.
"""

from typing import Any

from moto.ec2.exceptions import EC2ClientError, InvalidSecurityGroupNotFoundError
from moto.ec2.models.elastic_network_interfaces import NetworkInterface
from moto.ec2.models.instances import Instance, InstanceBackend
from moto.ec2.responses.instances import InstanceResponse

from strict.override import override


class InvalidGroupVpc(EC2ClientError):
    def __init__(self, group_id: str, vpc_id: str) -> None:
        super().__init__(
            "InvalidParameter", f"Security group {group_id} and subnet belong to different networks ({vpc_id})."
        )


def apply(_plane: Any) -> None:
    @override(InstanceResponse, "run_instances")
    def run_instances(original: Any, self: Any) -> Any:
        interfaces = self._get_param("NetworkInterfaces", [])
        if interfaces and (self._get_param("SecurityGroupIds") or self._get_param("SecurityGroups")):
            raise EC2ClientError(
                "InvalidParameterCombination",
                "Network interfaces and an instance-level security groups may not be specified on the same request",
            )
        result = original(self)
        tags = self._parse_tag_specification().get("network-interface", {})
        for instance in result.result.instances:
            for interface in instance.nics.values():
                interface.add_tags(tags)
        return result

    @override(Instance, "prep_nics")
    def prep_nics(original: Any, self: Any, nic_spec: list[dict[str, Any]], *args: Any, **kwargs: Any) -> None:
        existing = [spec.get("NetworkInterfaceId") for spec in nic_spec]
        for spec in nic_spec:
            spec.setdefault("DeleteOnTermination", "NetworkInterfaceId" not in spec)
        original(self, nic_spec, *args, **kwargs)
        for interface in self.nics.values():
            if interface.id not in existing and not nic_spec:
                interface.delete_on_termination = True
        self.security_groups = list(self.nics[0]._group_set)

    @override(InstanceBackend, "modify_instance_security_groups")
    def modify_instance_security_groups(original: Any, self: Any, instance_id: str, groups: list[str]) -> Any:
        instance = original(self, instance_id, groups)
        instance.nics[0]._group_set = list(instance.security_groups)
        return instance

    @override(NetworkInterface, "__init__")
    def create(original: Any, self: Any, ec2_backend: Any, subnet: Any, *args: Any, **kwargs: Any) -> None:
        vpc_id = ec2_backend.get_subnet(subnet).vpc_id if isinstance(subnet, str) else subnet.vpc_id
        for group_id in kwargs.get("group_ids") or []:
            group = ec2_backend.get_security_group_from_id(group_id)
            if group is None:
                raise InvalidSecurityGroupNotFoundError(group_id)
            if group.vpc_id != vpc_id:
                raise InvalidGroupVpc(group_id, vpc_id)
        original(self, ec2_backend, subnet, *args, **kwargs)

    # moto adds the instance's groups to those of every interface of it.
    NetworkInterface.group_set = property(lambda self: self._group_set)
