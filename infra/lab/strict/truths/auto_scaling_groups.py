"""Auto Scaling groups: what may be asked, what stays as it was in an update, when one can be deleted, pages.

https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_CreateAutoScalingGroup.html
https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_UpdateAutoScalingGroup.html
https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_DeleteAutoScalingGroup.html
https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_DescribeAutoScalingGroups.html

moto replaces a group of the same name, takes any sizes, drops the mixed instances policy in an update that doesn't
name it, fails by KeyError for a group or a template that isn't there, deletes a group with its instances whether forced
or not and at once, and pages the groups alone.
"""

import base64
import binascii
import json
from typing import Any

from moto.autoscaling.exceptions import AutoscalingClientError, ValidationError
from moto.autoscaling.models import AutoScalingBackend, FakeAutoScalingGroup
from moto.autoscaling.responses import AutoScalingResponse
from moto.core.responses import ActionResult
from moto.ec2.exceptions import EC2ClientError

from strict.override import override
from strict.truths.auto_scaling_instances import end, reconcile

DELETING = 3
NAME_LENGTH = 255
# Action → the list in its answer, and how many a page has at most, and where nothing is said.
PAGED = {
    "describe_auto_scaling_groups": ("AutoScalingGroups", 100, 50),
    "describe_auto_scaling_instances": ("AutoScalingInstances", 50, 50),
    "describe_scaling_activities": ("Activities", 100, 100),
    "describe_tags": ("Tags", 100, 50),
}
# What an update sets as it is given.
SETTINGS = {
    "CapacityRebalance": "capacity_rebalance",
    "DefaultCooldown": "default_cooldown",
    "DefaultInstanceWarmup": "default_instance_warmup",
    "MaxInstanceLifetime": "max_instance_lifetime",
    "TerminationPolicies": "termination_policies",
}
# Calls that name a group by AutoScalingGroupName.
NAMING = (
    "delete_auto_scaling_group",
    "detach_instances",
    "attach_instances",
    "enable_metrics_collection",
    "resume_processes",
    "set_desired_capacity",
    "set_instance_protection",
    "suspend_processes",
    "update_auto_scaling_group",
)


def apply(plane: Any) -> None:
    _create()
    _change(plane)
    _delete(plane)
    _tags()
    _describe()


def _create() -> None:
    @override(AutoScalingResponse, "create_auto_scaling_group")
    def create_auto_scaling_group(original: Any, self: Any) -> Any:
        name = self._get_param("AutoScalingGroupName")
        if not 1 <= len(name) <= NAME_LENGTH or ":" in name:
            raise ValidationError(f"{name!r} is not a group's name: 1 to {NAME_LENGTH} characters without a colon")
        if name in self.autoscaling_backend.autoscaling_groups:
            raise AutoscalingClientError(
                "AlreadyExists",
                f"AutoScalingGroup by this name already exists - A group with the name {name} already exists",
            )
        _check_sizes(self._get_param("MinSize"), self._get_param("MaxSize"), self._get_param("DesiredCapacity"))
        _check_tags(self._get_param("Tags", []))
        _check_places(self)
        original(self)
        _apply_settings(self)
        return ActionResult({})

    # moto says nothing of the version for a mixed policy, and fails over that when it shows the group.
    FakeAutoScalingGroup.launch_template = property(_launch_template)


def _launch_template(group: Any) -> dict[str, Any] | None:
    if group.ec2_launch_template is None or group.mixed_instances_policy:
        return None
    return {
        "LaunchTemplateId": group.ec2_launch_template.id,
        "LaunchTemplateName": group.ec2_launch_template.name,
        "Version": group.provided_launch_template_version,
    }


def _apply_settings(response: Any) -> None:
    group = response.autoscaling_backend.autoscaling_groups[response._get_param("AutoScalingGroupName")]
    for parameter, attribute in SETTINGS.items():
        if response._get_param(parameter) is not None:
            setattr(group, attribute, response._get_param(parameter))


def _check_sizes(smallest: int, largest: int, desired: int | None) -> None:
    if smallest < 0 or largest < smallest:
        raise ValidationError(f"Max bound, {largest}, must be greater than or equal to min bound, {smallest}")
    if desired is not None and not smallest <= desired <= largest:
        raise ValidationError(
            f"Desired capacity:{desired} must be between the specified min size:{smallest} and max size:{largest}"
        )


def _check_tags(tags: list[dict[str, Any]]) -> None:
    seen = set()
    for tag in tags:
        if tag["Key"].lower().startswith("aws:"):
            raise ValidationError("Tag keys starting with 'aws:' are reserved for internal use")
        if not 1 <= len(tag["Key"]) <= 128 or len(tag.get("Value") or "") > 256:
            raise ValidationError(f"Tag {tag['Key']!r} is too long: 128 characters for a key, 256 for a value")
        if tag["Key"] in seen:
            raise ValidationError(f"Duplicate tag key '{tag['Key']}' specified.")
        seen.add(tag["Key"])


def _check_places(response: Any) -> None:
    """Subnets and templates that are named are there, in a form that Auto Scaling takes."""
    ec2 = response.autoscaling_backend.ec2_backend
    named = response._get_param("VPCZoneIdentifier")
    try:
        for subnet_id in (named or "").split(",") if named else []:
            ec2.get_subnet(subnet_id)
    except EC2ClientError as error:
        raise ValidationError(error.message) from error
    policy = response._get_param("MixedInstancesPolicy") or {}
    template = response._get_param("LaunchTemplate") or (policy.get("LaunchTemplate") or {}).get(
        "LaunchTemplateSpecification"
    )
    if template:
        try:
            ec2._get_template_from_args({"Version": "$Default", **template})
        except EC2ClientError as error:
            raise ValidationError(f"You must use a valid fully-formed launch template. {error.message}") from error


def _change(plane: Any) -> None:
    for action in NAMING:

        @override(AutoScalingResponse, action)
        def named(original: Any, self: Any, action: str = action) -> Any:
            name = self._get_param("AutoScalingGroupName")
            group = self.autoscaling_backend.autoscaling_groups.get(name)
            if group is None:
                raise ValidationError(f"AutoScalingGroup name not found - AutoScalingGroup '{name}' not found")
            if getattr(group, "status", None) and action != "delete_auto_scaling_group":
                raise AutoscalingClientError("ScalingActivityInProgress", f"AutoScalingGroup {name} is being deleted")
            return original(self)

    @override(AutoScalingResponse, "update_auto_scaling_group")
    def update_auto_scaling_group(original: Any, self: Any) -> Any:
        group = self.autoscaling_backend.autoscaling_groups.get(self._get_param("AutoScalingGroupName"))
        if group is None:
            return original(self)
        smallest = self._get_param("MinSize", group.min_size)
        largest = self._get_param("MaxSize", group.max_size)
        desired = self._get_param("DesiredCapacity")
        _check_sizes(smallest, largest, desired)
        _check_places(self)
        if desired is None:  # a group never has fewer or more than its sizes say
            self.params["DesiredCapacity"] = min(max(group.desired_capacity, smallest), largest)
        if not self._get_param("MixedInstancesPolicy") and not self._get_param("LaunchTemplate"):
            self.params["MixedInstancesPolicy"] = _as_given(group.mixed_instances_policy)
        result = original(self)
        _apply_settings(self)
        return result

    @override(AutoScalingBackend, "set_desired_capacity")
    def set_desired_capacity(original: Any, self: Any, group_name: str, desired: int | None) -> None:
        group = self.autoscaling_groups[group_name]
        bounds = ((desired > group.max_size, f"above max value {group.max_size}"),)
        bounds += ((desired < group.min_size, f"below min value {group.min_size}"),)
        for past, what in bounds:
            if past:
                raise ValidationError(f"New SetDesiredCapacity value {desired} is {what} for the AutoScalingGroup.")
        original(self, group_name, desired)

    @override(AutoScalingBackend, "resume_processes")
    def resume_processes(original: Any, self: Any, group_name: str, processes: list[str]) -> None:
        original(self, group_name, processes)
        reconcile(plane, self.autoscaling_groups[group_name])


def _as_given(policy: dict[str, Any] | None) -> dict[str, Any] | None:
    """moto adds the template's name to its id, and refuses both."""
    if policy is None:
        return None
    specification = policy["LaunchTemplate"]["LaunchTemplateSpecification"]
    by_id = {name: value for name, value in specification.items() if name != "LaunchTemplateName"}
    return {**policy, "LaunchTemplate": {**policy["LaunchTemplate"], "LaunchTemplateSpecification": by_id}}


def _delete(plane: Any) -> None:
    @override(AutoScalingResponse, "delete_auto_scaling_group")
    def delete_auto_scaling_group(original: Any, self: Any) -> Any:
        backend, name = self.autoscaling_backend, self._get_param("AutoScalingGroupName")
        group = backend.autoscaling_groups.get(name)
        if group is None:
            return original(self)
        if getattr(group, "status", None):
            raise AutoscalingClientError("ScalingActivityInProgress", f"AutoScalingGroup {name} is being deleted")
        if group.instance_states and not self._get_param("ForceDelete", False):
            if group.active_instances():
                raise AutoscalingClientError(
                    "ResourceInUse",
                    "You cannot delete an AutoScalingGroup while there are instances or pending Spot instance "
                    "request(s) still in the group.",
                )
            raise AutoscalingClientError(
                "ScalingActivityInProgress",
                "You cannot delete an AutoScalingGroup while there are scaling activities in progress for that group.",
            )
        group.status = "Delete in progress"
        for state in list(group.instance_states):
            end(plane, group, state, "the group's deletion")
        plane.after(DELETING, lambda: backend.autoscaling_groups.pop(name, None))
        return ActionResult({})


def _tags() -> None:
    for action in ("create_or_update_tags", "delete_tags"):

        @override(AutoScalingResponse, action)
        def tag(original: Any, self: Any) -> Any:
            tags = self._get_param("Tags", [])
            for name in {tag["ResourceId"] for tag in tags}:
                if name not in self.autoscaling_backend.autoscaling_groups:
                    raise ValidationError(f"AutoScalingGroup name not found - AutoScalingGroup '{name}' not found")
            _check_tags(tags)
            return original(self)


def _describe() -> None:
    @override(AutoScalingResponse, "describe_scaling_activities")
    def describe_scaling_activities(_original: Any, self: Any) -> Any:
        name = self._get_param("AutoScalingGroupName")
        groups = self.autoscaling_backend.autoscaling_groups.values()
        shown = [group for group in groups if name in (None, group.name)]
        return ActionResult({"Activities": [a for group in shown for a in getattr(group, "activities", [])]})

    for action, (name, most, default) in PAGED.items():
        _page(action, name, most, default)


def _page(action: str, name: str, most: int, default: int) -> None:
    @override(AutoScalingResponse, action)
    def describe(original: Any, self: Any) -> Any:
        size, token = int(self.params.pop("MaxRecords", default)), self.params.pop("NextToken", None)
        if not 1 <= size <= most:
            raise ValidationError(f"MaxRecords must be between 1 and {most}")
        try:
            start = int(json.loads(base64.b64decode(token, validate=True))) if token else 0
        except (binascii.Error, ValueError):
            raise AutoscalingClientError("InvalidNextToken", "The token is not valid") from None
        items = []
        while True:  # moto has pages of its own in one of these
            result = original(self).result
            items += result[name]
            if not result.get("NextToken"):
                break
            self.params["NextToken"] = result["NextToken"]
        end_ = start + size
        more = base64.b64encode(json.dumps(end_).encode()).decode() if end_ < len(items) else None
        return ActionResult({name: items[start:end_], "NextToken": more})
