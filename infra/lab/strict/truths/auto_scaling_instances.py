"""The instances of an Auto Scaling group: started as its template says, over its zones, counted, replaced, ended.

https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-lifecycle.html
https://docs.aws.amazon.com/autoscaling/ec2/userguide/auto-scaling-benefits.html
https://docs.aws.amazon.com/autoscaling/ec2/userguide/CHAP_Troubleshooting.html
https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_DescribeScalingActivities.html

moto starts them by a way of its own, which loses the template's metadata options, profile, volumes, encryption and
interfaces, takes the template's default version whatever the group says, and puts all into one subnet. They are in
service at once and gone at once; one that can't be started fails the group's creation; activities are never shown; a
member that another call ends is not replaced.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from moto.autoscaling.exceptions import ValidationError
from moto.autoscaling.models import ASG_NAME_TAG, Activity, AutoScalingBackend, FakeAutoScalingGroup, InstanceState
from moto.core.utils import utcnow
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models.instances import Instance

from strict.launch import run_instances
from strict.override import override

# How many requests it takes until a new one is in service, until one that ends is gone, until a missing one is noticed.
PENDING = 2
TERMINATING = 2
NOTICED = 2
# … and until a launch that failed is tried again; twice as many after each failure.
RETRY = 10
RETRY_AT_MOST = 320


def apply(plane: Any) -> None:
    _count(plane)
    _end(plane)
    # Where each came from; moto says the template's default version of today.
    InstanceState.launch_template = property(lambda self: self.launched_from)

    @override(Instance, "terminate")
    def terminate(original: Any, self: Any) -> Any:
        previous = original(self)
        group = getattr(self, "autoscaling_group", None)
        if group is not None:
            plane.after(NOTICED, lambda: reconcile(plane, group))
        return previous


def _count(plane: Any) -> None:
    @override(FakeAutoScalingGroup, "active_instances")
    def active_instances(_original: Any, self: Any) -> list[Any]:
        return [s for s in self.instance_states if s.lifecycle_state in ("Pending", "InService") and _lives(s.instance)]

    @override(FakeAutoScalingGroup, "set_desired_capacity")
    def set_desired_capacity(_original: Any, self: Any, new_capacity: int | None) -> None:
        self.desired_capacity = self.min_size if new_capacity is None else new_capacity
        reconcile(plane, self)

    @override(AutoScalingBackend, "notify_terminate_instances")
    def notify_terminate_instances(_original: Any, _self: Any, _instance_ids: list[str]) -> None:
        """Instance.terminate says it, whoever called that."""


def _end(plane: Any) -> None:
    @override(AutoScalingBackend, "terminate_instance")
    def terminate_instance(_original: Any, self: Any, instance_id: str, should_decrement: bool) -> Any:
        for group in self.autoscaling_groups.values():
            for state in group.instance_states:
                if state.instance.id == instance_id:
                    if should_decrement and group.desired_capacity <= group.min_size:
                        raise ValidationError(
                            "Currently, desiredSize equals minSize. Terminating instance without replacement will "
                            "violate group's min size constraint."
                        )
                    group.desired_capacity -= 1 if should_decrement else 0
                    return end(plane, group, state, "a user request")
        raise ValidationError(f"Instance Id not found - No managed instance found for instance ID: {instance_id}")


def reconcile(plane: Any, group: Any) -> None:
    """Starts what is missing and ends what is too many, as the group is now."""
    for state in [s for s in group.instance_states if not _lives(s.instance) and s.lifecycle_state != "Terminating"]:
        _forget(plane, group, state)
    if getattr(group, "status", None) is not None:
        return  # it is being deleted
    suspended = {process["ProcessName"] for process in group.suspended_processes}
    surplus = len(group.active_instances()) - _wanted(group)
    if surplus > 0 and "Terminate" not in suspended:
        for state in _victims(group, surplus):
            end(plane, group, state, "a difference between desired and actual capacity")
    if surplus < 0 and "Launch" not in suspended and plane.time >= getattr(group, "not_before", 0):
        _launch(plane, group, -surplus)


def end(plane: Any, group: Any, state: Any, cause: str) -> Activity:
    """Ends a member; it is shown as going for a while."""
    state.lifecycle_state = "Terminating"
    activity = note(group, f"Terminating EC2 instance: {state.instance.id}", cause)
    if _lives(state.instance):
        state.instance.terminate()  # termination protection doesn't bind Auto Scaling

    def gone() -> None:
        if state in group.instance_states:
            group.instance_states.remove(state)

    plane.after(TERMINATING, gone)
    return activity


def note(group: Any, description: str, cause: str, failure: str | None = None) -> Activity:
    """Writes an activity into the group's history, newest first."""
    activity = Activity(description, f"At {utcnow():%Y-%m-%dT%H:%M:%SZ} {cause}.", group)
    activity.status_code, activity.progress = ("Failed" if failure else "Successful"), 100
    activity.status_message = failure
    history = group.__dict__.setdefault("activities", [])
    history.insert(0, activity)
    return activity


def _lives(instance: Any) -> bool:
    return instance.state not in ("shutting-down", "terminated")


def _wanted(group: Any) -> int:
    """Desired capacity in instances: with weights it is in their units."""
    overrides = ((group.mixed_instances_policy or {}).get("LaunchTemplate") or {}).get("Overrides") or [{}]
    weight = int(overrides[0].get("WeightedCapacity") or 1)
    return -(-(group.desired_capacity or 0) // weight)


def _forget(plane: Any, group: Any, state: Any) -> None:
    """Drops a member that has ended by itself or by another call."""
    group.instance_states.remove(state)
    if state.lifecycle_state == "Pending":
        reason = state.instance.state_reason.message or "Instance became unhealthy while waiting to be in service."
        _failed(plane, group, reason)
    else:
        note(group, f"Terminating EC2 instance: {state.instance.id}", "an instance was taken out of service")


def _victims(group: Any, surplus: int) -> Iterator[Any]:
    """From the zone that has most; of the oldest template version there; not what is protected."""
    candidates = [s for s in group.active_instances() if not s.protected_from_scale_in]
    for _ in range(min(surplus, len(candidates))):
        zones = Counter(state.availability_zone for state in candidates)
        chosen = min(
            candidates, key=lambda s: (-zones[s.availability_zone], int((s.launched_from or {"Version": 0})["Version"]))
        )
        candidates.remove(chosen)
        yield chosen


def _launch(plane: Any, group: Any, missing: int) -> None:
    """Each goes to the zone that has fewest. Where one can't be had, other zones and types are tried."""
    subnets = (group.vpc_zone_identifier or "").split(",")
    members = Counter(state.instance.subnet_id for state in group.active_instances())
    for subnet, share in _shares(subnets, members, missing).items():
        failure = None
        for type_ in _types(group):
            for place in [subnet, *(other for other in subnets if other != subnet)]:
                try:
                    _start(plane, group, share, place, type_)
                    failure = None
                    break
                except EC2ClientError as error:
                    failure = error
            if failure is None:
                break
        if failure is not None:
            _failed(plane, group, f"{failure.message} Launching EC2 instance failed.")


def _shares(subnets: list[str], members: Counter[str], missing: int) -> dict[str, int]:
    shares: Counter[str] = Counter()
    for _ in range(missing):
        shares[min(subnets, key=lambda subnet: members[subnet] + shares[subnet])] += 1
    return dict(shares)


def _types(group: Any) -> list[str | None]:
    """The types in order of preference; none where the template says it."""
    overrides = ((group.mixed_instances_policy or {}).get("LaunchTemplate") or {}).get("Overrides") or []
    return [override["InstanceType"] for override in overrides if override.get("InstanceType")] or [None]


def _start(plane: Any, group: Any, number: int, subnet: str, type_: str | None) -> None:
    template, version, request = group.ec2_launch_template, None, {}
    if template is not None:
        version = template.get_version(group.launch_template_version)
        request["LaunchTemplate"] = {"LaunchTemplateId": template.id, "Version": str(version.number)}
    else:
        request |= _of_configuration(group.launch_config)
    interfaces = version.data.get("NetworkInterfaces") if version else None
    if interfaces and subnet:
        request["NetworkInterfaces"] = [
            {**interface, "SubnetId": subnet} if int(interface.get("DeviceIndex", 0)) == 0 else interface
            for interface in interfaces
        ]
    elif subnet:
        request["SubnetId"] = subnet
    else:
        request["Placement.AvailabilityZone"] = group.availability_zones[0]
    if type_ is not None:
        request["InstanceType"] = type_
    tags = [{"Key": tag["Key"], "Value": tag.get("Value") or ""} for tag in group.tags if tag["PropagateAtLaunch"]]
    if tags:
        request["TagSpecifications"] = [{"ResourceType": "instance", "Tags": tags}]
    request |= {"MinCount": number, "MaxCount": number}
    launched_from = version and {
        "LaunchTemplateId": template.id,
        "LaunchTemplateName": template.name,
        "Version": str(version.number),
    }
    for instance in run_instances(group.account_id, group.region, request):
        _join(plane, group, instance, launched_from)


def _of_configuration(configuration: Any) -> dict[str, Any]:
    return {
        "ImageId": configuration.image_id,
        "InstanceType": configuration.instance_type,
        "SecurityGroupIds": list(configuration.security_groups),
    }


def _join(plane: Any, group: Any, instance: Any, launched_from: dict[str, str] | None) -> None:
    instance.add_tags({ASG_NAME_TAG: group.name})
    instance.autoscaling_group = group
    protected = group.new_instances_protected_from_scale_in
    state = InstanceState(instance, lifecycle_state="Pending", protected_from_scale_in=protected)
    state.launched_from = launched_from
    group.instance_states.append(state)

    def in_service() -> None:
        if state in group.instance_states and state.lifecycle_state == "Pending":
            if not _lives(instance):
                reconcile(plane, group)
            elif instance.state == "running":
                state.lifecycle_state = "InService"
                group.failures = 0
                note(group, f"Launching a new EC2 instance: {instance.id}", "an instance was started")
            else:
                plane.after(PENDING, in_service)

    plane.after(PENDING, in_service)


def _failed(plane: Any, group: Any, why: str) -> None:
    note(group, "Launching a new EC2 instance", "an instance was to be started", failure=why)
    group.failures = getattr(group, "failures", 0) + 1
    wait = min(RETRY * 2 ** (group.failures - 1), RETRY_AT_MOST)
    group.not_before = plane.time + wait
    plane.after(wait, lambda: reconcile(plane, group))
