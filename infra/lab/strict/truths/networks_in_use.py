"""Nothing of a network is deleted while something stands on it.

https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html (DependencyViolation)
https://docs.aws.amazon.com/vpc/latest/userguide/delete-vpc.html
https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DetachInternetGateway.html

moto deletes a subnet with interfaces in it (and leaves its route table's association behind), the main route table,
a VPC with groups, gateways and endpoints, an attached interface or one of a service's; it detaches a gateway that
public addresses depend on.
"""

from typing import Any

from moto.ec2.exceptions import DependencyViolationError, EC2ClientError
from moto.ec2.models.elastic_network_interfaces import NetworkInterface
from moto.ec2.models.internet_gateways import InternetGatewayBackend
from moto.ec2.models.subnets import SubnetBackend
from moto.ec2.models.vpcs import VPCBackend
from moto.ec2.responses.elastic_network_interfaces import ElasticNetworkInterfaces
from moto.ec2.responses.route_tables import RouteTables

from strict.override import override


def apply(_plane: Any) -> None:
    _subnets()
    _route_tables()
    _gateways()
    _vpcs()
    _interfaces()


def _violation(kind: str, resource_id: str) -> DependencyViolationError:
    return DependencyViolationError(f"The {kind} '{resource_id}' has dependencies and cannot be deleted.")


def _subnets() -> None:
    @override(SubnetBackend, "delete_subnet")
    def delete_subnet(original: Any, self: Any, subnet_id: str) -> Any:
        if any(interface.subnet.id == subnet_id for interface in self.enis.values()):
            raise _violation("subnet", subnet_id)
        if any(g.subnet_id == subnet_id and g.state != "deleted" for g in self.nat_gateways.values()):
            raise _violation("subnet", subnet_id)
        subnet = original(self, subnet_id)
        for table in self.route_tables.values():
            for association in [a for a, target in table._associations.items() if target == subnet_id]:
                del table._associations[association]
        return subnet


def _route_tables() -> None:
    # The call, not the backend's method: DeleteVpc deletes the main table by that one.
    @override(RouteTables, "delete_route_table")
    def delete_route_table(original: Any, self: Any) -> Any:
        table = self.ec2_backend.get_route_table(self._get_param("RouteTableId"))
        if table.main_association_id is not None:
            raise _violation("routeTable", table.id)
        return original(self)


def _gateways() -> None:
    @override(InternetGatewayBackend, "detach_internet_gateway")
    def detach_internet_gateway(original: Any, self: Any, internet_gateway_id: str, vpc_id: str) -> None:
        if any(interface.public_ip and interface.subnet.vpc_id == vpc_id for interface in self.enis.values()):
            raise DependencyViolationError(
                f"Network {vpc_id} has some mapped public address(es). Please unmap those public address(es) before "
                "detaching the gateway."
            )
        return original(self, internet_gateway_id, vpc_id)


def _vpcs() -> None:
    @override(VPCBackend, "delete_vpc")
    def delete_vpc(original: Any, self: Any, vpc_id: str) -> Any:
        stands = (
            any(not group.is_default for group in self.groups[vpc_id].values()),
            any(gateway.vpc and gateway.vpc.id == vpc_id for gateway in self.internet_gateways.values()),
            any(e.vpc_id == vpc_id and e.state != "deleted" for e in self.vpc_end_points.values()),
            any(interface.subnet.vpc_id == vpc_id for interface in self.enis.values()),
            any(not acl.default and acl.vpc_id == vpc_id for acl in self.network_acls.values()),
        )
        if any(stands):
            raise _violation("vpc", vpc_id)
        gone = original(self, vpc_id)
        for acl in [acl_id for acl_id, acl in self.network_acls.items() if acl.vpc_id == vpc_id]:
            del self.network_acls[acl]
        return gone


def _interfaces() -> None:
    @override(ElasticNetworkInterfaces, "delete_network_interface")
    def delete_network_interface(original: Any, self: Any) -> Any:
        interface: NetworkInterface | None = self.ec2_backend.enis.get(self._get_param("NetworkInterfaceId"))
        if interface is not None and (interface.attachment_id or interface.requester_managed):
            raise EC2ClientError("InvalidParameterValue", f"Network interface '{interface.id}' is currently in use.")
        return original(self)
