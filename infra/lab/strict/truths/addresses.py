"""Elastic addresses: what they can be associated with, what moving one does, when they are let go.

https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_AssociateAddress.html
https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DisassociateAddress.html
https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ReleaseAddress.html

moto associates an address with an instance that has ended and in a network without a way out, refuses to move one
unless asked to (AWS moves it unless told not to), shows it at the old interface too, lets anybody take that of a NAT
gateway, and keeps it with an instance that has ended. Its new ones are loopback's.
"""

from typing import Any

from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models.elastic_ip_addresses import ElasticAddress, ElasticAddressBackend
from moto.ec2.models.instances import Instance
from moto.ec2.responses.elastic_ip_addresses import ElasticIPAddresses
from moto.ec2.utils import random_public_ip

from strict.override import override

TAKES_AN_ADDRESS = ("running", "stopped")


def apply(_plane: Any) -> None:
    _allocate()
    _associate()
    _let_go()
    ElasticAddress.tags = property(lambda self: self.get_tags())  # moto's answer has none


def _allocate() -> None:
    @override(ElasticAddressBackend, "allocate_address")
    def allocate_address(
        original: Any, self: Any, domain: str, address: str | None = None, tags: dict[str, str] | None = None
    ) -> Any:
        return original(self, domain, address or random_public_ip(), tags)


def _associate() -> None:
    @override(ElasticIPAddresses, "associate_address")
    def associate_address(original: Any, self: Any) -> Any:
        backend = self.ec2_backend
        address = _named(backend, self._get_param("AllocationId"), self._get_param("PublicIp"))
        interface = _target(backend, self._get_param("InstanceId"), self._get_param("NetworkInterfaceId"))
        if interface is None:
            return original(self)  # moto says what is missing
        if not has_gateway(backend, interface.subnet.vpc_id):
            raise EC2ClientError(
                "Gateway.NotAttached", f"Network {interface.subnet.vpc_id} is not attached to any internet gateway"
            )
        has = next((other for other in backend.addresses if other.eni is interface and other is not address), None)
        if self._get_param("AllowReassociation", True) is False:
            if address.association_id and address.eni is not interface:
                raise EC2ClientError(
                    "Resource.AlreadyAssociated",
                    f"resource {address.allocation_id} is already associated with associate-id "
                    f"{address.association_id}",
                )
            if has is not None:
                raise EC2ClientError(
                    "Resource.AlreadyAssociated",
                    f"resource {interface.id} is already associated with associate-id {has.association_id}",
                )
        if address.eni is interface:
            return original(self)
        _refuse_gateways(backend, address)
        for former in filter(None, (address if address.association_id else None, has)):
            backend.disassociate_address(association_id=former.association_id)
        self.params["AllowReassociation"] = True
        return original(self)

    @override(ElasticAddressBackend, "associate_address")
    def keep_association(original: Any, self: Any, *args: Any, **kwargs: Any) -> Any:
        # The same association again is the same one: moto gives it another id.
        before = {address.id: (address.eni, address.association_id) for address in self.addresses}
        address = original(self, *args, **kwargs)
        interface, association_id = before[address.id]
        if interface is not None and interface is address.eni:
            address.association_id = association_id
        return address


def _let_go() -> None:
    @override(ElasticIPAddresses, "disassociate_address")
    def disassociate_address(original: Any, self: Any) -> Any:
        association = self._get_param("AssociationId")
        for address in self.ec2_backend.addresses:
            if association and address.association_id == association:
                _refuse_gateways(self.ec2_backend, address)
        return original(self)

    @override(ElasticIPAddresses, "release_address")
    def release_address(original: Any, self: Any) -> Any:
        allocation = self._get_param("AllocationId")
        for address in self.ec2_backend.addresses:
            if allocation and address.allocation_id == allocation and address.association_id:
                raise EC2ClientError("InvalidIPAddress.InUse", f"Address {address.public_ip} is in use.")
        return original(self)

    @override(Instance, "terminate")
    def terminate(original: Any, self: Any) -> Any:
        interfaces = list(self.nics.values())
        for address in [a for a in self.ec2_backend.addresses if a.eni in interfaces and a.association_id]:
            self.ec2_backend.disassociate_address(association_id=address.association_id)
        return original(self)


def has_gateway(backend: Any, vpc_id: str) -> bool:
    """Whether an internet gateway is attached to the VPC."""
    return any(gateway.vpc and gateway.vpc.id == vpc_id for gateway in backend.internet_gateways.values())


def _named(backend: Any, allocation: str | None, public_ip: str | None) -> Any:
    if allocation:
        return backend.address_by_allocation([allocation])[0]
    return backend.address_by_ip([public_ip])[0]


def _target(backend: Any, instance_id: str | None, interface_id: str | None) -> Any | None:
    """The interface that an association is for: the instance's primary one where an instance is named."""
    if interface_id:
        return backend.get_network_interface(interface_id)
    if not instance_id:
        return None
    instance = backend.get_instance(instance_id)
    if instance.state not in TAKES_AN_ADDRESS:
        raise EC2ClientError(
            "InvalidInstanceID",
            f"The {instance.state} instance '{instance_id}' is not in a valid state for this operation.",
        )
    return instance.nics[0]


def _refuse_gateways(backend: Any, address: Any) -> None:
    """The address of a NAT gateway is the gateway's until it is gone."""
    if any(g.state != "deleted" and g._eni is address.eni and address.eni for g in backend.nat_gateways.values()):
        raise EC2ClientError("AuthFailure", "You do not have permission to access the specified resource.")
