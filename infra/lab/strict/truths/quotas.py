"""What an account may have at most, where a number was set: ``quota?name=NAME&value=N``.

https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html (…LimitExceeded)
https://docs.aws.amazon.com/vpc/latest/userguide/amazon-vpc-limits.html
https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ec2-on-demand-instances.html#ec2-on-demand-instances-limits

moto has no quotas. None is set at the start: a lab holds more estates than an account would.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models.instance_types import INSTANCE_TYPES
from moto.ec2.responses.elastic_ip_addresses import ElasticIPAddresses
from moto.ec2.responses.instances import InstanceResponse
from moto.ec2.responses.internet_gateways import InternetGateways
from moto.ec2.responses.nat_gateways import NatGateways
from moto.ec2.responses.vpcs import VPCs
from werkzeug.wrappers import Request

from strict.override import override
from strict.plane import LabError

ENDED = ("shutting-down", "terminated")


@dataclass(frozen=True)
class Quota:
    """A number of things that a creation adds one to."""

    owner: type
    action: str
    code: str
    message: str
    count: Callable[[Any], int]


# Name → what it counts, in a region.
QUOTAS = {
    "addresses": Quota(
        ElasticIPAddresses,
        "allocate_address",
        "AddressLimitExceeded",
        "The maximum number of addresses has been reached.",
        lambda backend: len(backend.addresses),
    ),
    "internet-gateways": Quota(
        InternetGateways,
        "create_internet_gateway",
        "InternetGatewayLimitExceeded",
        "The maximum number of internet gateways has been reached.",
        lambda backend: len(backend.internet_gateways),
    ),
    "nat-gateways": Quota(
        NatGateways,
        "create_nat_gateway",
        "NatGatewayLimitExceeded",
        "The maximum number of NAT gateways has been reached.",
        lambda backend: sum(g.state not in ("deleted", "failed") for g in backend.nat_gateways.values()),
    ),
    "vpc-endpoints": Quota(
        VPCs,
        "create_vpc_endpoint",
        "VpcEndpointLimitExceeded",
        "The maximum number of VPC endpoints has been reached.",
        lambda backend: len(backend.vpc_end_points),
    ),
    "vpcs": Quota(
        VPCs,
        "create_vpc",
        "VpcLimitExceeded",
        "The maximum number of VPCs has been reached.",
        lambda backend: len(backend.vpcs),
    ),
}
VCPUS = "vcpus"


def apply(plane: Any) -> None:
    limits: dict[str, int] = {}
    for name, quota in QUOTAS.items():
        _limit(limits, name, quota)
    _limit_vcpus(limits)

    @plane.route("quota")
    def set_quota(request: Request) -> dict[str, int]:
        name = request.args["name"]
        if name not in (*QUOTAS, VCPUS):
            raise LabError(f"there is no quota {name}: {', '.join((*QUOTAS, VCPUS))}")
        limits[name] = int(request.args["value"])
        return {name: limits[name]}


def _limit(limits: dict[str, int], name: str, quota: Quota) -> None:
    @override(quota.owner, quota.action)
    def create(original: Any, self: Any) -> Any:
        if name in limits and quota.count(self.ec2_backend) >= limits[name]:
            raise EC2ClientError(quota.code, quota.message)
        return original(self)


def _limit_vcpus(limits: dict[str, int]) -> None:
    @override(InstanceResponse, "run_instances")
    def run_instances(original: Any, self: Any) -> Any:
        if VCPUS in limits:
            least = int(self._get_param("MinCount", 1))
            used = sum(_vcpus(i.instance_type) for i in self.ec2_backend.all_instances() if i.state not in ENDED)
            if used + least * _vcpus(self._get_param("InstanceType")) > limits[VCPUS]:
                raise EC2ClientError(
                    "VcpuLimitExceeded",
                    f"You have requested more vCPU capacity than your current vCPU limit of {limits[VCPUS]} allows for "
                    "the instance bucket that the specified instance type belongs to. Please visit "
                    "http://aws.amazon.com/contact-us/ec2-request to request an adjustment to this limit.",
                )
        return original(self)


def _vcpus(instance_type: str) -> int:
    return int(INSTANCE_TYPES[instance_type]["VCpuInfo"]["DefaultVCpus"])
