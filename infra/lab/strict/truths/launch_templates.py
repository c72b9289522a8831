"""A launch template's data are the parameters of RunInstances that the request doesn't name itself.

https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/create-launch-template.html
https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateLaunchTemplateVersion.html

moto takes some of them (type, key pair, groups) and forgets others: metadata options, profile, network interfaces,
termination protection, tags of volumes. It also mixes the template's own tags into its data, drops the user data's
encoding in later versions, ignores SourceVersion, and never shows a template's later tags. It fails over a template
that isn't there.
"""

from copy import deepcopy
from typing import Any

from moto.core.types import Base64EncodedString
from moto.ec2.models.instances import InstanceBackend
from moto.ec2.models.launch_templates import LaunchTemplate, LaunchTemplateBackend
from moto.ec2.responses.instances import InstanceResponse
from moto.ec2.responses.launch_templates import LaunchTemplates
from moto.ec2.utils import parse_user_data

from strict.override import override

OWN_TAGS = "launch-template"


def apply(_plane: Any) -> None:
    _apply_to_instances()
    _keep_own_tags_out_of_the_data()
    _make_versions_from_versions()
    _show_later_tags()
    _say_what_is_missing()


def _apply_to_instances() -> None:
    @override(InstanceResponse, "run_instances")
    def run_instances(original: Any, self: Any) -> Any:
        template = self._get_param("LaunchTemplate", {})
        if template:
            data = self.ec2_backend._get_template_from_args(template).data
            self.params = merge(data, self.params)
        result = original(self)
        for instance in result.result.instances:
            instance.disable_api_termination = self._get_param("DisableApiTermination") or False
        return result


def merge(data: dict[str, Any], request: dict[str, Any]) -> dict[str, Any]:
    """The request's parameters over the template's; mappings and tags are merged by device and by key."""
    merged = {**deepcopy(data), **request}
    if "UserData" not in request and "UserData" in merged:
        merged["UserData"] = str(merged["UserData"])
    if "NetworkInterfaces" in merged:
        # Groups and subnet belong to the interface then: those of the template give way.
        for name in ("SecurityGroupIds", "SecurityGroups"):
            if name not in request:
                merged.pop(name, None)
    devices = {m["DeviceName"]: deepcopy(m) for m in data.get("BlockDeviceMappings") or []}
    for mapping in request.get("BlockDeviceMappings", []):
        devices[mapping["DeviceName"]] = mapping
    if devices:
        merged["BlockDeviceMappings"] = list(devices.values())
    tags: dict[str, dict[str, str]] = {}
    for specification in [*(data.get("TagSpecifications") or []), *request.get("TagSpecifications", [])]:
        if specification["ResourceType"] != OWN_TAGS:
            of_type = tags.setdefault(specification["ResourceType"], {})
            of_type.update({tag["Key"]: tag.get("Value", "") for tag in specification.get("Tags", [])})
    if tags:
        merged["TagSpecifications"] = [
            {"ResourceType": type_, "Tags": [{"Key": k, "Value": v} for k, v in of_type.items()]}
            for type_, of_type in tags.items()
        ]
    return merged


def _keep_own_tags_out_of_the_data() -> None:
    @override(LaunchTemplate, "create_version")
    def create_version(original: Any, self: Any, data: dict[str, Any], description: str) -> Any:
        data = {name: value for name, value in data.items() if value is not None}
        if "UserData" in data and not isinstance(data["UserData"], Base64EncodedString):
            data["UserData"] = parse_user_data(data["UserData"])
        specifications = [s for s in data.get("TagSpecifications", []) if s["ResourceType"] != OWN_TAGS]
        data.pop("TagSpecifications", None)
        if specifications:
            data["TagSpecifications"] = specifications
        return original(self, data, description)


def _make_versions_from_versions() -> None:
    @override(LaunchTemplates, "create_launch_template_version")
    def create_launch_template_version(original: Any, self: Any) -> Any:
        source = self._get_param("SourceVersion")
        if source is not None:
            name, template_id = self._get_param("LaunchTemplateName"), self._get_param("LaunchTemplateId")
            backend = self.ec2_backend
            template = backend.get_launch_template_by_name(name) if name else backend.get_launch_template(template_id)
            given = self._get_param("LaunchTemplateData", {})
            self.params["LaunchTemplateData"] = {**deepcopy(template.get_version(source).data), **given}
        return original(self)


def _show_later_tags() -> None:
    # moto keeps the tags of the creation; a property can't be set, so what moto sets is dropped.
    LaunchTemplate.tags = property(lambda self: self.get_tags(), lambda self, _value: None)


def _say_what_is_missing() -> None:
    @override(InstanceBackend, "_get_template_from_args")
    def template_version(original: Any, self: Any, template: dict[str, Any]) -> Any:
        if "LaunchTemplateId" in template:
            self.get_launch_template(template["LaunchTemplateId"])
        else:
            self.get_launch_template_by_name(template["LaunchTemplateName"])
        return original(self, template)

    @override(LaunchTemplateBackend, "delete_launch_template")
    def delete_launch_template(original: Any, self: Any, name: str | None, template_id: str | None) -> Any:
        if name:
            self.get_launch_template_by_name(name)
        elif template_id:
            self.get_launch_template(template_id)
        return original(self, name, template_id)
