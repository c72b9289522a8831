"""Flow logs: what is refused goes into the answer, delivery fails where the role can't deliver, they end with the VPC.

https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateFlowLogs.html
https://docs.aws.amazon.com/vpc/latest/userguide/flow-logs-iam-role.html

moto fails for a resource that isn't there (AWS: an unsuccessful item), doesn't look at the role, doesn't know a log
group that is named by its ARN, has no pages, and keeps the flow logs of a deleted VPC.
"""

from typing import Any

from moto.core.responses import ActionResult
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models.flow_logs import FlowLogs, FlowLogsBackend
from moto.ec2.models.vpcs import VPCBackend
from moto.ec2.responses.flow_logs import FlowLogs as FlowLogsResponse

from strict.override import override
from strict.policies.services import may_assume

DELIVERS = "vpc-flow-logs.amazonaws.com"
TO_LOGS = "cloud-watch-logs"
GROUP = ":log-group:"


def apply(plane: Any) -> None:
    @override(FlowLogsResponse, "create_flow_logs")
    def create_flow_logs(original: Any, self: Any) -> Any:
        asked = self._get_param("ResourceIds", [])
        missing = {resource_id: error for resource_id in asked if (error := _missing(self, resource_id))}
        self.params["ResourceIds"] = [resource_id for resource_id in asked if resource_id not in missing]
        unsuccessful = [
            {"ResourceId": resource_id, "Error": {"Code": error.code, "Message": error.message}}
            for resource_id, error in missing.items()
        ]
        if not self.params["ResourceIds"]:
            return ActionResult({"FlowLogIds": [], "Unsuccessful": unsuccessful})
        result = original(self).result
        return ActionResult({**result, "Unsuccessful": result["Unsuccessful"] + unsuccessful})

    @override(FlowLogsBackend, "create_flow_logs")
    def create(
        original: Any, self: Any, *, log_destination: str | None, log_group_name: str | None, **rest: Any
    ) -> Any:
        to_logs = (rest.get("log_destination_type") or TO_LOGS) == TO_LOGS
        if to_logs and log_destination and GROUP in log_destination:
            log_group_name = log_destination.partition(GROUP)[2].removesuffix(":*")
        return original(self, log_destination=log_destination, log_group_name=log_group_name, **rest)

    # Delivery is tried again and again: what the role lacks today, it may have tomorrow.
    FlowLogs.deliver_logs_status = property(lambda self: "FAILED" if _error(plane, self) else "SUCCESS", _drop)
    FlowLogs.deliver_logs_error_message = property(lambda self: _error(plane, self), _drop)

    @override(VPCBackend, "delete_vpc")
    def delete_vpc(original: Any, self: Any, vpc_id: str) -> Any:
        vpc = original(self, vpc_id)
        for flow_log in [f for f in self.flow_logs.values() if f.resource_id == vpc_id]:
            del self.flow_logs[flow_log.id]
        return vpc


def _drop(_flow_log: Any, _value: Any) -> None:
    """What moto sets once is found out each time."""


def _error(plane: Any, flow_log: Any) -> str | None:
    if flow_log.log_destination_type != TO_LOGS:
        return None
    backend = flow_log.ec2_backend
    arn = f"arn:{backend.partition}:ec2:{backend.region_name}:{backend.account_id}:vpc-flow-log/{flow_log.id}"
    trusted = may_assume(plane, DELIVERS, backend.account_id, flow_log.deliver_logs_permission_arn, arn)
    return None if trusted else "Access error"


def _missing(response: Any, resource_id: str) -> EC2ClientError | None:
    """What AWS says of a resource that isn't there."""
    backend = response.ec2_backend
    find = {"VPC": backend.get_vpc, "Subnet": backend.get_subnet, "NetworkInterface": backend.get_network_interface}
    try:
        find[response._get_param("ResourceType")](resource_id)
    except EC2ClientError as error:
        return error
    return None
