"""A launch starts as many instances as there is capacity for, from MinCount to MaxCount; some start late, some never.

https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_RunInstances.html
https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/troubleshooting-launch.html
https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html (InsufficientInstanceCapacity)

moto starts MinCount, whatever MaxCount says, and never fails. What AWS does now and then is done here when asked for:

* ``capacity?type=T&zone=Z&left=N``: N more instances of the type can be started in the zone; either may be left out;
* ``slow-launches?count=N&requests=M``: the next N instances stay pending for M requests;
* ``failing-launches?count=N&reason=CODE``: the next N instances go from pending to terminated, with that reason.
"""

from typing import Any

from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models.instances import StateReason
from moto.ec2.responses.instances import InstanceResponse
from werkzeug.wrappers import Request

from strict.override import override

# How many requests an instance that fails is pending.
FAILS_AFTER = 2


class Outcomes:
    """What was asked for."""

    def __init__(self) -> None:
        #: (type, zone) → how many more; an empty string stands for any.
        self.capacity: dict[tuple[str, str], int] = {}
        self.slow = 0
        self.slow_for = 0
        self.failing = 0
        self.reason = ""

    def left(self, type_: str, zone: str) -> tuple[tuple[str, str], int] | None:
        """The most exact limit that there is for a type in a zone."""
        for pool in ((type_, zone), (type_, ""), ("", zone), ("", "")):
            if pool in self.capacity:
                return pool, self.capacity[pool]
        return None


def apply(plane: Any) -> None:
    outcomes = Outcomes()

    @override(InstanceResponse, "run_instances")
    def run_instances(original: Any, self: Any) -> Any:
        least, most = int(self._get_param("MinCount", 1)), int(self._get_param("MaxCount", 1))
        if not 1 <= least <= most:
            raise EC2ClientError(
                "InvalidParameterValue", f"Value ({least}) for parameter minCount is invalid. maxCount is {most}."
            )
        type_, zone = self._get_param("InstanceType") or "m1.small", _zone(self)
        limit = outcomes.left(type_, zone)
        count = most if limit is None else min(most, limit[1])
        if count < least:
            raise EC2ClientError(
                "InsufficientInstanceCapacity",
                f"We currently do not have sufficient {type_} capacity in the Availability Zone you requested "
                f"({zone}). Our system will be working on provisioning additional capacity. You can currently get "
                f"{type_} capacity by not specifying an Availability Zone in your request or choosing another one.",
            )
        self.params["MinCount"] = count
        result = original(self)
        if limit is not None:
            outcomes.capacity[limit[0]] = limit[1] - count
        for instance in result.result.instances:
            _bring_about(plane, outcomes, instance)
        return result

    _routes(plane, outcomes)


def _zone(response: Any) -> str:
    """Where the instances would be."""
    interfaces = response._get_param("NetworkInterfaces", [])
    subnet_id = response._get_param("SubnetId") or next((i["SubnetId"] for i in interfaces if "SubnetId" in i), None)
    if subnet_id is not None:
        return str(response.ec2_backend.get_subnet(subnet_id).availability_zone)
    return response._get_param("Placement.AvailabilityZone") or f"{response.region}a"


def _bring_about(plane: Any, outcomes: Outcomes, instance: Any) -> None:
    if instance.state != "running":
        return
    if outcomes.failing:
        outcomes.failing -= 1
        reason = outcomes.reason
        instance._state.name, instance._state.code = "pending", 0
        plane.after(FAILS_AFTER, lambda: _fail(instance, reason))
    elif outcomes.slow:
        outcomes.slow -= 1
        instance._state.name, instance._state.code = "pending", 0
        plane.after(outcomes.slow_for, lambda: _run(instance))


def _fail(instance: Any, reason: str) -> None:
    if instance.state == "pending":
        instance.terminate()
        instance.state_reason = StateReason(f"{reason}: the lab was asked for this", reason)


def _run(instance: Any) -> None:
    if instance.state == "pending":
        instance._state.name, instance._state.code = "running", 16


def _routes(plane: Any, outcomes: Outcomes) -> None:
    @plane.route("capacity")
    def capacity(request: Request) -> dict[str, int]:
        left = int(request.args["left"])
        outcomes.capacity[(request.args.get("type", ""), request.args.get("zone", ""))] = left
        return {"left": left}

    @plane.route("slow-launches")
    def slow_launches(request: Request) -> dict[str, int]:
        outcomes.slow, outcomes.slow_for = int(request.args["count"]), int(request.args["requests"])
        return {"count": outcomes.slow, "requests": outcomes.slow_for}

    @plane.route("failing-launches")
    def failing_launches(request: Request) -> dict[str, object]:
        outcomes.failing, outcomes.reason = int(request.args["count"]), request.args["reason"]
        return {"count": outcomes.failing, "reason": outcomes.reason}
