"""Describe calls answer in pages: at most 1,000 at once, fewer where MaxResults says so, NextToken leads on.

https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-pagination.html

moto counts reservations instead of instances, ignores MaxResults in most calls, drops what is beyond the fifteenth
launch template or version, and answers with all authorization details at once. A client that reads the first page alone passes there.
"""

import base64
import binascii
import copy
from typing import Any

from moto.core.responses import ActionResult
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.responses import EC2Response
from moto.iam.responses import IamResponse

from strict.override import override

# Action → the list in its answer, and how many a page has at most.
PAGED = {
    "describe_flow_logs": ("FlowLogs", 1000),
    "describe_images": ("Images", 1000),
    "describe_internet_gateways": ("InternetGateways", 1000),
    "describe_launch_templates": ("LaunchTemplates", 200),
    "describe_launch_template_versions": ("LaunchTemplateVersions", 200),
    "describe_nat_gateways": ("NatGateways", 1000),
    "describe_network_interfaces": ("NetworkInterfaces", 1000),
    "describe_route_tables": ("RouteTables", 100),
    "describe_security_groups": ("SecurityGroups", 1000),
    "describe_security_group_rules": ("SecurityGroupRules", 1000),
    "describe_snapshots": ("Snapshots", 1000),
    "describe_subnets": ("Subnets", 1000),
    "describe_tags": ("Tags", 1000),
    "describe_volumes": ("Volumes", 1000),
    "describe_vpc_endpoints": ("VpcEndpoints", 1000),
    "describe_vpcs": ("Vpcs", 1000),
}
# The same for IAM, whose pages are asked for by MaxItems and Marker. moto has the others.
PAGED_BY_MARKER = {
    "list_instance_profiles": "InstanceProfiles",
    "list_instance_profiles_for_role": "InstanceProfiles",
    "list_role_policies": "PolicyNames",
}
# The lists of GetAccountAuthorizationDetails, whose pages count what is in any of them.
DETAILS = ("UserDetailList", "GroupDetailList", "RoleDetailList", "Policies")
INSTANCES_AT_MOST = 1000
FEWEST = 5
# For calls in which moto limits by itself.
EVERYTHING = 1_000_000


def apply(_plane: Any) -> None:
    for action, (name, most) in PAGED.items():
        _page(action, name, most)

    for action, name in PAGED_BY_MARKER.items():
        _page_by_marker(action, name)

    @override(IamResponse, "get_account_authorization_details")
    def get_account_authorization_details(original: Any, self: Any) -> Any:
        size, marker = int(self._get_param("MaxItems", 100)), self._get_param("Marker")
        result = original(self).result
        details = [(name, detail) for name in DETAILS for detail in result[name]]
        page, token = _cut(details, _start(marker) if marker else 0, size)
        lists = {name: [detail for of, detail in page if of == name] for name in DETAILS}
        return ActionResult({**lists, "IsTruncated": token is not None, "Marker": token})

    @override(EC2Response, "describe_instances")
    def describe_instances(original: Any, self: Any) -> Any:
        if "MaxResults" in self.params and "InstanceIds" in self.params:
            return original(self)  # moto refuses it as AWS does
        size, start = _asked(self, INSTANCES_AT_MOST)
        reservations = original(self).result["Reservations"]
        instances = [(reservation, instance) for reservation in reservations for instance in reservation.instances]
        page, token = _cut(instances, start, size)
        return ActionResult({"Reservations": _grouped(page), "NextToken": token})


def _page(action: str, name: str, most: int) -> None:
    @override(EC2Response, action)
    def describe(original: Any, self: Any) -> Any:
        size, start = _asked(self, most)
        result = original(self).result
        page, token = _cut(list(result[name]), start, size)
        return ActionResult({**result, name: page, "NextToken": token})


def _page_by_marker(action: str, name: str) -> None:
    @override(IamResponse, action)
    def listed(original: Any, self: Any) -> Any:
        size, marker = int(self._get_param("MaxItems", 100)), self._get_param("Marker")
        page, token = _cut(list(original(self).result[name]), _start(marker) if marker else 0, size)
        return ActionResult({name: page, "IsTruncated": token is not None, "Marker": token})


def _asked(response: Any, most: int) -> tuple[int, int]:
    """The page's size and where it starts. moto is asked for everything."""
    size = int(response.params.pop("MaxResults", most))
    token = response.params.pop("NextToken", None)
    response.params["MaxResults"] = EVERYTHING
    if size < FEWEST:
        raise EC2ClientError(
            "InvalidParameterValue",
            f"Value ( {size} ) for parameter maxResults is invalid. Expecting a value greater than or equal to "
            f"{FEWEST}.",
        )
    if token is None:
        return min(size, most), 0
    return min(size, most), _start(token)


def _start(token: str) -> int:
    try:
        return int(base64.b64decode(token, validate=True).decode())
    except (binascii.Error, ValueError):
        raise EC2ClientError("InvalidNextToken", "The token is not valid") from None


def _cut(items: list[Any], start: int, size: int) -> tuple[list[Any], str | None]:
    end = start + size
    return items[start:end], base64.b64encode(str(end).encode()).decode() if end < len(items) else None


def _grouped(page: list[tuple[Any, Any]]) -> list[Any]:
    """Reservations again, one of which may go on in the next page."""
    reservations: dict[str, Any] = {}
    for reservation, instance in page:
        if reservation.id not in reservations:
            reservations[reservation.id] = copy.copy(reservation)
            reservations[reservation.id].instances = []
        reservations[reservation.id].instances.append(instance)
    return list(reservations.values())
