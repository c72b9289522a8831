"""A NAT gateway is made and deleted in steps, fails where AWS's does, and holds its address and subnet till it is gone.

https://docs.aws.amazon.com/vpc/latest/userguide/nat-gateway-troubleshooting.html
https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateNatGateway.html
https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeNatGateways.html

moto's is available at once and deleted at once, leaves its interface and its address's association behind, is made in a
network without an internet gateway or with an address in use, can't be filtered by tag, has no pages, and its address
is outside its subnet. What AWS does now and then is done when asked for: ``failing-nat-gateways?count=N&reason=CODE``,
the next N gateways fail with that code.
"""

from typing import Any

from moto.ec2.exceptions import EC2ClientError, MissingParameterError
from moto.ec2.models.nat_gateways import NatGateway, NatGatewayBackend
from moto.ec2.responses.nat_gateways import NatGateways
from moto.ec2.utils import generic_filter
from werkzeug.wrappers import Request

from strict.override import override
from strict.truths.addresses import has_gateway

# How many requests each step takes.
PENDING = 3
DELETING = 3


class Outcomes:
    """What was asked for."""

    def __init__(self) -> None:
        self.failing = 0
        self.reason = ""

    def next(self) -> tuple[str, str] | None:
        """Code and message of the next gateway's failure, if it shall fail."""
        if not self.failing:
            return None
        self.failing -= 1
        return self.reason, "the lab was asked for this"


def apply(plane: Any) -> None:
    outcomes = Outcomes()
    _create(plane, outcomes)
    _route(plane, outcomes)
    _delete(plane)
    _describe()


def _create(plane: Any, outcomes: Outcomes) -> None:
    @override(NatGateways, "create_nat_gateway")
    def create_nat_gateway(original: Any, self: Any) -> Any:
        public = (self._get_param("ConnectivityType") or "public") == "public"
        allocation = self._get_param("AllocationId")
        if public and not allocation:
            raise MissingParameterError("AllocationId")
        if not public and allocation:
            raise EC2ClientError("InvalidParameter", "AllocationId can't be specified for a private NAT gateway.")
        if allocation:
            self.ec2_backend.address_by_allocation([allocation])
        return original(self)

    @override(NatGatewayBackend, "create_nat_gateway")
    def create(
        original: Any, self: Any, subnet_id: str, allocation_id: str | None, tags: Any, connectivity_type: str | None
    ) -> Any:
        connectivity_type = connectivity_type or "public"
        failure = _failure(self, subnet_id, allocation_id) or outcomes.next()
        gateway = original(self, subnet_id, None if failure else allocation_id, tags, connectivity_type)
        gateway.state = "pending"
        plane.after(PENDING, lambda: _settle(self, gateway, failure))
        return gateway

    @override(NatGateway, "__init__")
    def make(original: Any, self: Any, backend: Any, subnet_id: str, *args: Any, **kwargs: Any) -> None:
        original(self, backend, subnet_id, *args, **kwargs)
        # moto's own address is anywhere, and so would be the interface's.
        backend.enis.pop(self._eni.id)
        former = self._eni
        self._eni = backend.create_network_interface(
            backend.get_subnet(subnet_id), None, description=f"Interface for NAT Gateway {self.id}"
        )
        self._eni.interface_type, self._eni.requester_managed, self._eni.status = "nat_gateway", True, "in-use"
        self._eni._group_set = []  # it has none
        self._eni.public_ip = former.public_ip
        for address in backend.addresses:
            if address.eni is former:
                address.eni = self._eni


def _failure(backend: Any, subnet_id: str, allocation_id: str | None) -> tuple[str, str] | None:
    """Code and message of a gateway that AWS takes, and that fails then."""
    if allocation_id is None:
        return None
    vpc_id = backend.get_subnet(subnet_id).vpc_id
    if not has_gateway(backend, vpc_id):
        return "Gateway.NotAttached", f"Network {vpc_id} has no Internet gateway attached"
    if backend.address_by_allocation([allocation_id])[0].association_id:
        return "Resource.AlreadyAssociated", f"Elastic IP address [{allocation_id}] is already associated"
    return None


def _route(plane: Any, outcomes: Outcomes) -> None:
    @plane.route("failing-nat-gateways")
    def failing_nat_gateways(request: Request) -> dict[str, object]:
        outcomes.failing, outcomes.reason = int(request.args["count"]), request.args["reason"]
        return {"count": outcomes.failing, "reason": outcomes.reason}


def _settle(backend: Any, gateway: Any, failure: tuple[str, str] | None) -> None:
    if gateway.state != "pending":
        return  # deleted meanwhile
    if failure is None:
        gateway.state = "available"
        return
    gateway.state = "failed"
    gateway.failure_code, gateway.failure_message = failure
    backend.enis.pop(gateway._eni.id, None)


def _delete(plane: Any) -> None:
    @override(NatGatewayBackend, "delete_nat_gateway")
    def delete_nat_gateway(original: Any, self: Any, nat_gateway_id: str) -> Any:
        gateway = self.nat_gateways.get(nat_gateway_id)
        if gateway is None or gateway.state == "deleted":
            raise _unknown(nat_gateway_id)
        if gateway.state == "failed":
            return original(self, nat_gateway_id)
        if gateway.state != "deleting":
            gateway.state = "deleting"
            plane.after(DELETING, lambda: _end(self, gateway))
        return gateway


def _end(backend: Any, gateway: Any) -> None:
    for address in backend.addresses:
        if address.eni is gateway._eni and address.association_id:
            backend.disassociate_address(association_id=address.association_id)
    backend.enis.pop(gateway._eni.id, None)
    gateway.state = "deleted"


def _describe() -> None:
    @override(NatGatewayBackend, "describe_nat_gateways")
    def describe_nat_gateways(original: Any, self: Any, filters: Any, nat_gateway_ids: list[str] | None) -> Any:
        for nat_gateway_id in nat_gateway_ids or []:
            if nat_gateway_id not in self.nat_gateways:
                raise _unknown(nat_gateway_id)
        return generic_filter(filters or {}, original(self, None, nat_gateway_ids))

    @override(NatGateway, "get_filter_value")
    def get_filter_value(original: Any, self: Any, name: str, method_name: str | None = None) -> Any:
        return self.id if name == "nat-gateway-id" else original(self, name, method_name)


def _unknown(nat_gateway_id: str) -> EC2ClientError:
    return EC2ClientError("NatGatewayNotFound", f"The Nat Gateway {nat_gateway_id} was not found")
