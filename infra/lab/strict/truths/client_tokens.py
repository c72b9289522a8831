"""A ClientToken makes a creation idempotent: the same request again gets the same resource, another one is refused.

https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-idempotency.html

moto ignores tokens, so a retried call makes everything twice; it also reports the token ``ABCDE`` for instances that
were started without one, and can't filter by it.
"""

import json
from typing import Any

from moto.ec2 import utils
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.responses.elastic_block_store import ElasticBlockStore
from moto.ec2.responses.flow_logs import FlowLogs
from moto.ec2.responses.instances import InstanceResponse
from moto.ec2.responses.launch_templates import LaunchTemplates
from moto.ec2.responses.nat_gateways import NatGateways
from moto.ec2.responses.route_tables import RouteTables
from moto.ec2.responses.vpcs import VPCs

from strict.override import override

TOKENED = (
    (FlowLogs, "create_flow_logs"),
    (InstanceResponse, "run_instances"),
    (LaunchTemplates, "create_launch_template"),
    (LaunchTemplates, "create_launch_template_version"),
    (NatGateways, "create_nat_gateway"),
    (RouteTables, "create_route_table"),
    (ElasticBlockStore, "create_volume"),
    (VPCs, "create_vpc_endpoint"),
)


class IdempotentParameterMismatch(EC2ClientError):
    def __init__(self) -> None:
        super().__init__(
            "IdempotentParameterMismatch",
            "Arguments on this idempotent request are inconsistent with arguments used in previous request(s).",
        )


def apply(_plane: Any) -> None:
    # (account, region, action, token) → (what was asked, what was made). A result refers to the resource itself, so
    # the answer to a repeated request shows the resource's present state.
    taken: dict[tuple[str, str, str, str], tuple[str, Any]] = {}

    for owner, action in TOKENED:
        _make_idempotent(owner, action, taken)

    @override(InstanceResponse, "run_instances")
    def run_instances(original: Any, self: Any) -> Any:
        self.params.setdefault("ClientToken", "")
        return original(self)

    utils.filter_dict_attribute_mapping["client-token"] = "client_token"


def _make_idempotent(owner: type, action: str, taken: dict[Any, Any]) -> None:
    @override(owner, action)
    def create(original: Any, self: Any) -> Any:
        token = self._get_param("ClientToken")
        if not token or self._get_param("DryRun", False):
            return original(self)
        asked = json.dumps({k: v for k, v in self.params.items() if k != "ClientToken"}, sort_keys=True, default=str)
        key = (self.current_account, self.region, action, token)
        if key in taken:
            asked_before, result = taken[key]
            if asked != asked_before:
                raise IdempotentParameterMismatch()
            return result
        result = original(self)
        taken[key] = (asked, result)
        return result
