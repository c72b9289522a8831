"""What isn't there can't be tagged, nor a route lead there; a route to what is gone is a black hole.

https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html (Invalid….NotFound)
https://docs.aws.amazon.com/vpc/latest/userguide/route-tables.html

moto keeps tags of instances, NAT gateways, addresses and others that never were, makes routes to a NAT gateway that
isn't there, and shows every route as active.
"""

from typing import Any

from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models.route_tables import Route, RouteBackend
from moto.ec2.responses.tags import TagResponse

from strict.override import override

# Prefix of an id → how to find it, and the code that says that it isn't there. moto looks for the others itself.
TAGGED = {
    "eipalloc": (lambda backend, id_: any(a.allocation_id == id_ for a in backend.addresses), "InvalidAllocationID"),
    "eni": (lambda backend, id_: id_ in backend.enis, "InvalidNetworkInterfaceID"),
    "acl": (lambda backend, id_: id_ in backend.network_acls, "InvalidNetworkAclID"),
    "fl": (lambda backend, id_: id_ in backend.flow_logs, "InvalidFlowLogId"),
    "i": (lambda backend, id_: backend.get_instance_by_id(id_) is not None, "InvalidInstanceID"),
    "nat": (lambda backend, id_: id_ in backend.nat_gateways, "InvalidNatGatewayID"),
    "vpce": (lambda backend, id_: id_ in backend.vpc_end_points, "InvalidVpcEndpointId"),
}


def apply(_plane: Any) -> None:
    for action in ("create_tags", "delete_tags"):

        @override(TagResponse, action)
        def tag(original: Any, self: Any) -> Any:
            for resource_id in self._get_param("Resources", []):
                is_there, code = TAGGED.get(resource_id.rpartition("-")[0], (None, ""))
                if is_there is not None and not is_there(self.ec2_backend, resource_id):
                    raise EC2ClientError(f"{code}.NotFound", f"The ID '{resource_id}' does not exist")
            return original(self)

    for action in ("create_route", "replace_route"):

        @override(RouteBackend, action)
        def route(original: Any, self: Any, *args: Any, **kwargs: Any) -> Any:
            nat = kwargs.get("nat_gateway_id")
            if nat and (nat not in self.nat_gateways or self.nat_gateways[nat].state == "deleted"):
                raise EC2ClientError("InvalidNatGatewayID.NotFound", f"The natGateway ID '{nat}' does not exist")
            return original(self, *args, **kwargs)

    Route.state = property(lambda self: "blackhole" if _leads_nowhere(self) else "active")


def _leads_nowhere(route: Any) -> bool:
    if route.nat_gateway is not None:
        return bool(route.nat_gateway.state == "deleted")
    gateway = route.gateway
    return hasattr(gateway, "vpc") and gateway.vpc is None
