"""VPC endpoints: interfaces in subnets with their groups, private names, routes of a gateway's, and what is refused.

https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateVpcEndpoint.html
https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ModifyVpcEndpoint.html
https://docs.aws.amazon.com/vpc/latest/privatelink/create-interface-endpoint.html

moto takes any service, subnets of another network or two in one zone, private names in a network without DNS support
and twice for one service; an endpoint's interfaces have the default group and addresses outside their subnets; a change
moves neither interfaces nor routes; a deleted endpoint is shown for ever.
"""

import re
from typing import Any

from moto.core.responses import ActionResult
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models.vpcs import VPCBackend, VPCEndPoint
from moto.ec2.responses.vpcs import VPCs

from strict.override import override
from strict.policies.documents import problem_of
from strict.policies.evaluator import evaluator_of

# How many requests an interface endpoint is pending, and deleting. A gateway endpoint is made and deleted at once.
PENDING = 3
DELETING = 3
GATEWAYS = ("dynamodb", "s3")
# https://docs.aws.amazon.com/vpc/latest/privatelink/aws-services-privatelink-support.html: those that hosts may want.
INTERFACES = (
    "autoscaling",
    "backup",
    "cloudformation",
    "ebs",
    "ec2",
    "ec2messages",
    "ecr.api",
    "ecr.dkr",
    "elasticloadbalancing",
    "events",
    "guardduty-data",
    "inspector2",
    "kms",
    "logs",
    "monitoring",
    "s3",
    "secretsmanager",
    "sns",
    "sqs",
    "ssm",
    "ssmmessages",
    "sts",
    "xray",
)


def apply(plane: Any) -> None:
    _create(plane)
    _modify(plane)
    _delete(plane)


def _invalid(code: str, message: str) -> EC2ClientError:
    return EC2ClientError(code, message)


def _create(plane: Any) -> None:
    @override(VPCs, "create_vpc_endpoint")
    def create_vpc_endpoint(original: Any, self: Any) -> Any:
        kind = self._get_param("VpcEndpointType") or "Gateway"
        _check_service(self.region, self._get_param("ServiceName"), kind)
        _check_policy(plane, self._get_param("PolicyDocument"))
        self.params["VpcEndpointType"] = kind
        if kind == "Interface":
            # What isn't said is true for a service of AWS.
            self.params.setdefault("PrivateDnsEnabled", True)
            _check_interface_endpoint(self.ec2_backend, self.params)
        else:
            self.params["PrivateDnsEnabled"] = False
            _check_routes(self.ec2_backend, self._get_param("ServiceName"), self._get_param("RouteTableIds", []))
        return original(self)

    @override(VPCBackend, "create_vpc_endpoint")
    def create(original: Any, self: Any, **request: Any) -> Any:
        interface = request["endpoint_type"] == "Interface"
        subnets = request["subnet_ids"] if interface else []
        # moto would make the interfaces with no regard for subnet or groups.
        endpoint = original(self, **{**request, "subnet_ids": []})
        if interface:
            endpoint.subnet_ids = []
            if not endpoint.security_group_ids:
                endpoint.security_group_ids = [self.get_default_security_group(endpoint.vpc_id).id]
            for subnet_id in subnets:
                _add_interface(self, endpoint, subnet_id)
            endpoint.state = "pending"
            plane.after(PENDING, lambda: _settle(endpoint))
        return endpoint


def _settle(endpoint: Any) -> None:
    if endpoint.state == "pending":
        endpoint.state = "available"


def _check_service(region: str, service: str, kind: str) -> None:
    known = re.fullmatch(rf"com\.amazonaws\.{re.escape(region)}\.(?P<name>[a-z0-9.-]+)", service or "")
    if known is None or known["name"] not in {"Gateway": GATEWAYS, "Interface": INTERFACES}[kind]:
        raise _invalid("InvalidServiceName", f"The Vpc Endpoint Service '{service}' does not exist")


def _check_policy(plane: Any, policy: str | None) -> None:
    if policy is None:
        return
    problem = problem_of(evaluator_of(plane), policy, "endpoint")
    if problem is not None:
        raise _invalid("InvalidPolicyDocument", f"The policy document is not valid: {problem}")


def _check_interface_endpoint(backend: Any, request: Any) -> None:
    vpc = backend.get_vpc(request["VpcId"])
    if request.get("RouteTableIds"):
        raise _invalid("InvalidParameter", "Route table IDs are only supported for Gateway type VPC Endpoint.")
    _check_subnets(backend, vpc.id, request.get("SubnetIds", []), {})
    _check_groups(backend, vpc.id, request.get("SecurityGroupIds", []))
    if request["PrivateDnsEnabled"]:
        _check_private_dns(backend, vpc, request["ServiceName"], None)


def _check_subnets(backend: Any, vpc_id: str, subnet_ids: list[str], taken: dict[str, str]) -> None:
    zones = dict(taken)
    for subnet_id in subnet_ids:
        subnet = backend.get_subnet(subnet_id)
        if subnet.vpc_id != vpc_id:
            raise _invalid("InvalidParameter", f"Subnet {subnet_id} does not belong to the VPC {vpc_id}.")
        if subnet.availability_zone in zones:
            raise _invalid(
                "DuplicateSubnetsInSameZone",
                f"Found another VPC endpoint subnet in the availability zone of {subnet_id}. VPC endpoint subnets "
                "should be in different availability zones supported by the VPC endpoint service.",
            )
        zones[subnet.availability_zone] = subnet_id


def _check_groups(backend: Any, vpc_id: str, group_ids: list[str]) -> None:
    for group_id in group_ids:
        group = backend.get_security_group_from_id(group_id)
        if group is None:
            raise _invalid("InvalidGroup.NotFound", f"The security group '{group_id}' does not exist")
        if group.vpc_id != vpc_id:
            raise _invalid("InvalidParameter", f"Security group {group_id} does not belong to the VPC {vpc_id}.")


def _check_private_dns(backend: Any, vpc: Any, service: str, endpoint: Any | None) -> None:
    if not (vpc.enable_dns_support and vpc.enable_dns_hostnames):
        raise _invalid(
            "InvalidParameter",
            "Enabling private DNS requires both enableDnsSupport and enableDnsHostnames VPC attributes set to true "
            f"for {vpc.id}",
        )
    for other in backend.vpc_end_points.values():
        same = other.vpc_id == vpc.id and other.service_name == service and other is not endpoint
        if same and other.vpc_endpoint_type == "Interface" and other.private_dns_enabled:
            raise _invalid(
                "InvalidParameter",
                "private-dns-enabled cannot be set because there is already a conflicting DNS domain for "
                f"{service.rpartition('.')[2]} in the VPC {vpc.id}",
            )


def _check_routes(backend: Any, service: str, table_ids: list[str]) -> None:
    for table_id in table_ids:
        backend.get_route_table(table_id)
        for other in backend.vpc_end_points.values():
            if other.service_name == service and table_id in other.route_table_ids:
                raise _invalid(
                    "RouteAlreadyExists",
                    f"route table {table_id} already has a route with destination-prefix-list-id "
                    f"{other.destination_prefix_list_id}",
                )


def _add_interface(backend: Any, endpoint: Any, subnet_id: str) -> None:
    interface = backend.create_network_interface(
        backend.get_subnet(subnet_id),
        None,
        group_ids=list(endpoint.security_group_ids),
        description=f"VPC Endpoint Interface {endpoint.id}",
    )
    interface.interface_type, interface.requester_managed, interface.status = "vpc_endpoint", True, "in-use"
    endpoint.subnet_ids.append(subnet_id)
    endpoint.network_interface_ids.append(interface.id)


def _remove_interface(backend: Any, endpoint: Any, subnet_id: str) -> None:
    endpoint.subnet_ids.remove(subnet_id)
    for interface_id in list(endpoint.network_interface_ids):
        if backend.enis[interface_id].subnet.id == subnet_id:
            endpoint.network_interface_ids.remove(interface_id)
            backend.enis.pop(interface_id)


def _modify(plane: Any) -> None:
    @override(VPCs, "modify_vpc_endpoint")
    def modify_vpc_endpoint(_original: Any, self: Any) -> Any:
        backend = self.ec2_backend
        endpoint = backend.get_vpc_end_point(self._get_param("VpcEndpointId"))
        _check_policy(plane, self._get_param("PolicyDocument"))
        if endpoint.vpc_endpoint_type == "Interface":
            _modify_interface_endpoint(backend, endpoint, self.params)
        else:
            _modify_gateway_endpoint(backend, endpoint, self.params)
        if self._get_param("ResetPolicy"):
            endpoint.policy_document = VPCEndPoint(backend, endpoint.id, "", "", None, None, []).policy_document
        elif self._get_param("PolicyDocument"):
            endpoint.policy_document = self._get_param("PolicyDocument")
        return ActionResult({"Return": True})


def _modify_interface_endpoint(backend: Any, endpoint: Any, request: Any) -> None:
    if request.get("AddRouteTableIds") or request.get("RemoveRouteTableIds"):
        raise _invalid("InvalidParameter", "Route tables can only be modified for Gateway type VPC Endpoint.")
    removed = request.get("RemoveSubnetIds", [])
    kept = [subnet_id for subnet_id in endpoint.subnet_ids if subnet_id not in removed]
    added = [subnet_id for subnet_id in request.get("AddSubnetIds", []) if subnet_id not in kept]
    _check_subnets(backend, endpoint.vpc_id, added, {backend.get_subnet(s).availability_zone: s for s in kept})
    groups = [g for g in endpoint.security_group_ids if g not in request.get("RemoveSecurityGroupIds", [])]
    _check_groups(backend, endpoint.vpc_id, request.get("AddSecurityGroupIds", []))
    groups += [g for g in request.get("AddSecurityGroupIds", []) if g not in groups]
    if not groups:
        raise _invalid("InvalidParameter", "An interface endpoint must have at least one security group.")
    if request.get("PrivateDnsEnabled"):
        _check_private_dns(backend, backend.get_vpc(endpoint.vpc_id), endpoint.service_name, endpoint)
    if request.get("PrivateDnsEnabled") is not None:
        endpoint.private_dns_enabled = request["PrivateDnsEnabled"]
    endpoint.security_group_ids = groups
    for subnet_id in [s for s in endpoint.subnet_ids if s in removed]:
        _remove_interface(backend, endpoint, subnet_id)
    for subnet_id in added:
        _add_interface(backend, endpoint, subnet_id)
    for interface_id in endpoint.network_interface_ids:
        backend.enis[interface_id]._group_set = [backend.get_security_group_from_id(g) for g in groups]


def _modify_gateway_endpoint(backend: Any, endpoint: Any, request: Any) -> None:
    for name in ("AddSubnetIds", "RemoveSubnetIds", "AddSecurityGroupIds", "RemoveSecurityGroupIds"):
        if request.get(name):
            raise _invalid(
                "InvalidParameter", "Subnets and groups can only be modified for Interface type VPC Endpoint."
            )
    added = [table for table in request.get("AddRouteTableIds", []) if table not in endpoint.route_table_ids]
    _check_routes(backend, endpoint.service_name, added)
    for table in [t for t in endpoint.route_table_ids if t in request.get("RemoveRouteTableIds", [])]:
        backend.delete_route(table, endpoint.destination_prefix_list_id)
        endpoint.route_table_ids.remove(table)
    for table in added:
        backend.create_route(
            table, None, gateway_id=endpoint.id, destination_prefix_list_id=endpoint.destination_prefix_list_id
        )
        endpoint.route_table_ids.append(table)


def _delete(plane: Any) -> None:
    @override(VPCs, "delete_vpc_endpoints")
    def delete_vpc_endpoints(original: Any, self: Any) -> Any:
        backend = self.ec2_backend
        unsuccessful = []
        for endpoint_id in self._get_param("VpcEndpointIds", []):
            endpoint = backend.vpc_end_points.get(endpoint_id)
            if endpoint is None:
                error = {
                    "Code": "InvalidVpcEndpoint.NotFound",
                    "Message": f"The Vpc Endpoint Id '{endpoint_id}' does not exist",
                }
                unsuccessful.append({"ResourceId": endpoint_id, "Error": error})
            elif endpoint.vpc_endpoint_type == "Interface":
                if endpoint.state != "deleting":
                    endpoint.state = "deleting"
                    plane.after(DELETING, lambda gone=endpoint: _end(backend, gone))
            else:
                backend.delete_vpc_endpoints([endpoint_id])
                del backend.vpc_end_points[endpoint_id]
        return ActionResult({"Unsuccessful": unsuccessful})


def _end(backend: Any, endpoint: Any) -> None:
    for interface_id in endpoint.network_interface_ids:
        backend.enis.pop(interface_id, None)
    backend.vpc_end_points.pop(endpoint.id, None)
