"""Flow logs: what is refused goes into the answer, delivery fails where the role can't deliver, they end with the VPC.

https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateFlowLogs.html
https://docs.aws.amazon.com/vpc/latest/userguide/flow-logs-iam-role.html

moto fails for a resource that isn't there (AWS: an unsuccessful item), doesn't look at the role, doesn't know a log
group that is named by its ARN, has no pages, and keeps the flow logs of a deleted VPC.
"""

from typing import Any

from moto.core.responses import ActionResult
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models.flow_logs import FlowLogsBackend
from moto.ec2.models.vpcs import VPCBackend
from moto.ec2.responses.flow_logs import FlowLogs

from strict.override import override
from strict.policies.services import may_assume

DELIVERS = "vpc-flow-logs.amazonaws.com"
GROUP = ":log-group:"


def apply(plane: Any) -> None:
    @override(FlowLogs, "create_flow_logs")
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
        to_logs = (rest.get("log_destination_type") or "cloud-watch-logs") == "cloud-watch-logs"
        if to_logs and log_destination and GROUP in log_destination:
            log_group_name = log_destination.partition(GROUP)[2].removesuffix(":*")
        made, errors = original(self, log_destination=log_destination, log_group_name=log_group_name, **rest)
        for flow_log in made:
            arn = f"arn:{self.partition}:ec2:{self.region_name}:{self.account_id}:vpc-flow-log/{flow_log.id}"
            role = flow_log.deliver_logs_permission_arn
            if to_logs and not may_assume(plane, DELIVERS, self.account_id, role, arn):
                flow_log.deliver_logs_status, flow_log.deliver_logs_error_message = "FAILED", "Access error"
        return made, errors

    @override(VPCBackend, "delete_vpc")
    def delete_vpc(original: Any, self: Any, vpc_id: str) -> Any:
        vpc = original(self, vpc_id)
        for flow_log in [f for f in self.flow_logs.values() if f.resource_id == vpc_id]:
            del self.flow_logs[flow_log.id]
        return vpc


def _missing(response: Any, resource_id: str) -> EC2ClientError | None:
    """What AWS says of a resource that isn't there."""
    backend = response.ec2_backend
    find = {"VPC": backend.get_vpc, "Subnet": backend.get_subnet, "NetworkInterface": backend.get_network_interface}
    try:
        find[response._get_param("ResourceType")](resource_id)
    except EC2ClientError as error:
        return error
    return None
