"""Which actions a request is judged for, on which resources, with which tags in the context.

https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/supported-iam-actions-tagging.html
https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_passrole.html

The reference says which types of resources an action knows (the evaluator has it). Of each type those that the request
names are judged, all of them; of a type that is always judged and that the request doesn't name, the new one, whose
name nobody knows yet. Tags of a creation are an action of their own (``ec2:CreateTags``, ``iam:TagRole``), and a role
that a service is to take is an ``iam:PassRole``. A group by a launch template is a launch as well.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import unquote

from moto.autoscaling.models import autoscaling_backends
from moto.backup.models import backup_backends
from moto.core.request import Request
from moto.ec2.models import ec2_backends
from moto.iam.models import iam_backends

from .caller import PARTITION, Caller
from .evaluator import Evaluator
from .kms import wanted_through
from .request import form_of, region_of
from .verdict import Wanted

# Where an action isn't the operation's own name.
# https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsbudgetservice.html
_BUDGETS = {"Create": "ModifyBudget", "Update": "ModifyBudget", "Delete": "ModifyBudget", "Describe": "ViewBudget"}
# The prefix of an id → the type of its resource.
_TYPES = {
    "acl": "network-acl",
    "ami": "image",
    "eipalloc": "elastic-ip",
    "eni": "network-interface",
    "fl": "vpc-flow-log",
    "i": "instance",
    "igw": "internet-gateway",
    "lt": "launch-template",
    "nat": "natgateway",
    "pl": "prefix-list",
    "rtb": "route-table",
    "sg": "security-group",
    "sgr": "security-group-rule",
    "snap": "snapshot",
    "subnet": "subnet",
    "vol": "volume",
    "vpc": "vpc",
    "vpce": "vpc-endpoint",
}
_ID = re.compile(r"(?P<prefix>[a-z]+)-[0-9a-f]{8,17}")
# Operation → the service that takes the role that it is given.
_PASSES = {
    "AddRoleToInstanceProfile": "ec2.amazonaws.com",
    "AssociateIamInstanceProfile": "ec2.amazonaws.com",
    "CreateAutoScalingGroup": "ec2.amazonaws.com",
    "CreateBackupSelection": "backup.amazonaws.com",
    "CreateFlowLogs": "vpc-flow-logs.amazonaws.com",
    "RunInstances": "ec2.amazonaws.com",
    "UpdateAutoScalingGroup": "ec2.amazonaws.com",
}
# Operation → the action that its tags are, and the parameter that they are in.
# https://docs.aws.amazon.com/IAM/latest/UserGuide/id_tags.html#permissions-to-tag-resources
_TAGGING = {
    "CreateBackupPlan": ("backup:TagResource", "BackupPlanTags"),
    "CreateBackupVault": ("backup:TagResource", "BackupVaultTags"),
    "CreateBudget": ("budgets:TagResource", "ResourceTags"),
    "CreateInstanceProfile": ("iam:TagInstanceProfile", "Tags.member.1.Key"),
    "CreateLogGroup": ("logs:TagResource", "tags"),
    "CreateRole": ("iam:TagRole", "Tags.member.1.Key"),
}
# What making a vault asks of its key, in the caller's name.
# https://docs.aws.amazon.com/aws-backup/latest/devguide/create-a-vault.html#vault-creation-permissions
_KEY_OF_VAULT = ("kms:CreateGrant", "kms:Decrypt", "kms:GenerateDataKey", "kms:RetireGrant")
NEW = "new"


@dataclass(frozen=True)
class Asked:
    """A request, taken apart."""

    service: str
    operation: str
    region: str
    account: str
    path: list[str]
    #: A query's parameters by their dotted names, or none.
    form: dict[str, str]
    #: A JSON body, or nothing.
    body: dict[str, Any]

    def strings(self) -> set[str]:
        found = {*self.path, *self.form.values(), *_strings_of(self.body)}
        return found | {part for text in found for part in text.split(",")}

    def arn(self, service: str, resource: str, region: str | None = None, account: str | None = None) -> str:
        region = self.region if region is None else region
        account = self.account if account is None else account
        return f"arn:{PARTITION}:{service}:{region}:{account}:{resource}"

    def tags(self) -> dict[str, dict[str, str]]:
        """Tags that EC2 is asked to set, by type; those of CreateTags under no type."""
        tags: dict[str, dict[str, str]] = {}
        for name, key in self.form.items():
            found = re.fullmatch(r"(?:TagSpecification\.(\d+)\.)?Tag\.(\d+)\.Key", name)
            if found:
                type_ = self.form.get(f"TagSpecification.{found[1]}.ResourceType", "") if found[1] else ""
                tags.setdefault(type_, {})[key] = self.form.get(f"{name.removesuffix('Key')}Value", "")
        return tags


def wanted_by(
    evaluator: Evaluator, service: str, operation: str, request: Request, body: bytes, caller: Caller
) -> list[Wanted]:
    """Everything that must be allowed for a request to be."""
    is_json = body[:1] == b"{"
    asked = Asked(
        service=service,
        operation=operation,
        region=region_of(request),
        account=caller.account,
        path=[unquote(part) for part in request.path.split("/") if part],
        form={} if is_json else form_of(body),
        body=json.loads(body) if is_json else {},
    )
    wanted = _judged(evaluator, asked)
    if operation in _TAGGING:
        action, parameter = _TAGGING[operation]
        tagged = asked.body.get(parameter) or asked.form.get(parameter)
        wanted += [replace(one, action=action) for one in wanted if tagged]
    if service == "autoscaling" and _template(asked) is not None:
        wanted += _launch_of_group(evaluator, asked)
    if operation == "CreateBackupVault":
        wanted += _vault(asked, caller)
    return wanted + list(_passed(asked, caller))


def _judged(evaluator: Evaluator, asked: Asked) -> list[Wanted]:
    """The operation itself, and the tags of what EC2 makes."""
    action, service = _action(asked.service, asked.operation), asked.service
    tags = asked.tags() if service == "ec2" else {}
    if action == "ec2:RunInstances":
        tags = _tags_of_template(asked) | tags
        of_group = _tags_of_group(asked)
        if of_group:
            tags["instance"] = tags.get("instance", {}) | of_group
    wanted = []
    for type_, required in evaluator.resources_of(action) or []:
        named = list(_NAMED[service](asked, type_)) if service in _NAMED else []
        if not named and required and service in _NEW:
            named = [(_NEW[service](asked, type_), {})]
        for arn, has in named:
            context = _tag_context(tags.get(type_) or tags.get("") or {}, has)
            if "PolicyArn" in asked.form:
                context["iam:PolicyARN"] = asked.form["PolicyArn"]
            wanted.append(Wanted(action, arn, asked.account, context))
    if not wanted:  # an action that knows no resources, or is asked for all
        wanted.append(Wanted(action, "*", asked.account))
    wanted += [
        Wanted(
            "ec2:CreateTags",
            asked.arn("ec2", f"{type_}/{NEW}"),
            asked.account,
            {**_tag_context(of_type, {}), "ec2:CreateAction": asked.operation},
        )
        for type_, of_type in tags.items()
        if type_
    ]
    return wanted


def _tags_of_template(asked: Asked) -> dict[str, dict[str, str]]:
    template = _template(asked)
    specifications = template.versions[-1].data.get("TagSpecifications") or [] if template else []
    return {
        specification["ResourceType"]: {tag["Key"]: tag.get("Value") or "" for tag in specification["Tags"]}
        for specification in specifications
    }


def _tags_of_group(asked: Asked) -> dict[str, str]:
    """The tags that an Auto Scaling group gives its instances as it launches them."""
    name = asked.form.get("AutoScalingGroupName")
    group = autoscaling_backends[asked.account][asked.region].autoscaling_groups.get(name)
    tags = {tag["Key"]: tag.get("Value") or "" for tag in group.tags} if group else {}
    for parameter, key in asked.form.items():
        if re.fullmatch(r"Tags\.member\.\d+\.Key", parameter):
            tags[key] = asked.form.get(f"{parameter.removesuffix('Key')}Value", "")
    return tags


def _launch_of_group(evaluator: Evaluator, asked: Asked) -> list[Wanted]:
    """Who makes a group by a template must be allowed to launch by it, and at first to make the service's role.

    https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-launch-template-permissions.html
    https://docs.aws.amazon.com/autoscaling/ec2/userguide/autoscaling-service-linked-role.html
    """
    wanted = _judged(evaluator, replace(asked, service="ec2", operation="RunInstances"))
    name = "aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling"
    arn = asked.arn("iam", f"role/{name}", region="")
    roles = list(iam_backends[asked.account][PARTITION].roles.values())
    if not any(role.arn == arn for role in roles):
        context: dict[str, str | list[str]] = {"iam:AWSServiceName": "autoscaling.amazonaws.com"}
        wanted.append(Wanted("iam:CreateServiceLinkedRole", arn, asked.account, context))
    return wanted


def _vault(asked: Asked, caller: Caller) -> list[Wanted]:
    wanted = [Wanted("backup-storage:MountCapsule", "*", asked.account)]
    if "EncryptionKeyArn" in asked.body:
        for action in _KEY_OF_VAULT:
            through = wanted_through("backup", asked.region, action, asked.body["EncryptionKeyArn"], {}, caller)
            through.context["kms:GrantIsForAWSResource"] = "true"
            wanted.append(through)
    return wanted


def _action(service: str, operation: str) -> str:
    if service == "budgets" and "Tag" not in operation:
        verb = next((verb for verb in _BUDGETS if operation.startswith(verb)), None)
        return f"budgets:{_BUDGETS[verb]}" if verb else f"budgets:{operation}"
    return f"{service}:{operation}"


def _tag_context(requested: dict[str, str], has: dict[str, str]) -> dict[str, str | list[str]]:
    context: dict[str, str | list[str]] = {f"aws:RequestTag/{key}": value for key, value in requested.items()}
    if requested:
        context["aws:TagKeys"] = list(requested)
    for key, value in has.items():
        context |= {f"aws:ResourceTag/{key}": value, f"ec2:ResourceTag/{key}": value}
    return context


Named = Iterator[tuple[str, dict[str, str]]]


def _in_ec2(asked: Asked, type_: str) -> Named:
    backend = ec2_backends[asked.account][asked.region]
    names = asked.strings()
    template = _template(asked)
    if template is not None:
        names |= {template.id, *_strings_of(template.versions[-1].data)}
    for table in list(backend.route_tables.values()):  # an association is of a table and a subnet
        for association, subnet in list(table._associations.items()):
            if association in names:
                names |= {table.id, subnet}
    for name in sorted(names):
        found = _ID.fullmatch(name)
        if found and _TYPES.get(found["prefix"]) == type_:
            account = "" if type_ in ("image", "snapshot") else asked.account
            yield asked.arn("ec2", f"{type_}/{name}", account=account), dict(backend.tags.get(name, {}))


def _template(asked: Asked) -> Any | None:
    """The launch template that a launch is by, whose data are parameters of it."""
    backend = ec2_backends[asked.account][asked.region]
    given = {key.rpartition(".")[2]: value for key, value in asked.form.items() if ".LaunchTemplate" in f".{key}"}
    id_, name = (given.get(f"LaunchTemplate{by}") for by in ("Id", "Name"))
    template_id = id_ or backend.launch_template_name_to_ids.get(name)
    return backend.launch_templates.get(template_id)


def _new_in_ec2(asked: Asked, type_: str) -> str:
    return asked.arn("ec2", f"{type_}/{NEW}")


# Type → the parameter that names it, and the collection of those that there are.
_IAM = {
    "role": ("RoleName", "roles"),
    "policy": ("PolicyName", "managed_policies"),
    "instance-profile": ("InstanceProfileName", "instance_profiles"),
    "user": ("UserName", "users"),
    "group": ("GroupName", "groups"),
}


def _in_iam(asked: Asked, type_: str) -> Named:
    if type_ not in _IAM:
        return
    parameter, collection = _IAM[type_]
    entries = list(getattr(iam_backends[asked.account][PARTITION], collection).values())
    if type_ == "policy" and "PolicyArn" in asked.form:
        yield asked.form["PolicyArn"], {}
    elif parameter in asked.form and (type_ != "policy" or asked.operation == "CreatePolicy"):
        name = asked.form[parameter]
        arns = [entry.arn for entry in entries if entry.name == name]
        path = asked.form.get("Path", "/")
        yield (arns[0] if arns else asked.arn("iam", f"{type_}{path}{name}", region="")), {}


def _in_budgets(asked: Asked, type_: str) -> Named:
    name = asked.body.get("BudgetName") or (asked.body.get("Budget") or asked.body.get("NewBudget") or {}).get(
        "BudgetName"
    )
    if type_ == "budget" and name:
        yield asked.arn("budgets", f"budget/{name}", region=""), {}
    elif type_ == "budget" and "ResourceARN" in asked.body:
        yield asked.body["ResourceARN"], {}


def _in_auto_scaling(asked: Asked, type_: str) -> Named:
    if type_ != "autoScalingGroup":
        return
    names = {asked.form.get("AutoScalingGroupName")}
    names |= {value for name, value in asked.form.items() if re.fullmatch(r"Tags\.member\.\d+\.ResourceId", name)}
    groups = autoscaling_backends[asked.account][asked.region].autoscaling_groups
    for name in sorted(filter(None, names)):
        group = groups.get(name)
        new = asked.arn("autoscaling", f"autoScalingGroup:{NEW}:autoScalingGroupName/{name}")
        tags = {tag["Key"]: tag.get("Value") or "" for tag in group.tags} if group else {}
        yield (group.arn if group else new), tags


def _in_logs(asked: Asked, type_: str) -> Named:
    arn = asked.body.get("resourceArn")
    name = asked.body.get("logGroupName") or (arn or "").partition(":log-group:")[2]
    if type_ == "log-group" and name:
        yield asked.arn("logs", f"log-group:{name}"), {}


def _in_backup(asked: Asked, type_: str) -> Named:
    backend = backup_backends[asked.account][asked.region]
    kind = {"backupVault": "backup-vault", "backupPlan": "backup-plan"}.get(type_)
    if kind is None:
        return
    ids = {plan.backup_plan_id: plan for plan in list(backend.plans.values())}
    for part in asked.path:
        if part.startswith("arn:") and f":{kind}:" in part:
            yield part, {}
        elif kind == "backup-plan" and part in ids:
            yield ids[part].backup_plan_arn, {}
    if kind == "backup-vault" and len(asked.path) > 1 and asked.path[0] == "backup-vaults":
        yield asked.arn("backup", f"backup-vault:{asked.path[1]}"), {}


_NAMED = {
    "autoscaling": _in_auto_scaling,
    "backup": _in_backup,
    "budgets": _in_budgets,
    "ec2": _in_ec2,
    "iam": _in_iam,
    "logs": _in_logs,
}
# What is to be made, or is asked for as a whole: only who may do it to any is allowed it.
_NEW = {
    "backup": lambda asked, type_: asked.arn("backup", f"{'backup-plan' if type_ == 'backupPlan' else type_}:{NEW}"),
    "budgets": lambda asked, _type: asked.arn("budgets", f"budget/{NEW}", region=""),
    "ec2": _new_in_ec2,
    "logs": lambda asked, _type: asked.arn("logs", f"log-group:{NEW}"),
}


def _passed(asked: Asked, caller: Caller) -> Iterator[Wanted]:
    service = _PASSES.get(asked.operation)
    if service is None:
        return
    iam = iam_backends[asked.account][PARTITION]
    names = asked.strings()
    template = _template(asked)
    if template is not None:
        names |= set(_strings_of(template.versions[-1].data))
    launches = asked.service in ("autoscaling", "ec2")
    profiles = [p for p in list(iam.instance_profiles.values()) if launches and names & {p.name, p.arn}]
    roles = {role.arn for profile in profiles for role in profile.roles}
    roles |= {name for name in names if re.fullmatch(r"arn:[a-z-]+:iam::\d{12}:role/.+", name)}
    if asked.operation == "AddRoleToInstanceProfile":
        roles |= {role.arn for role in list(iam.roles.values()) if role.name == asked.form.get("RoleName")}
    for role in sorted(roles):
        yield Wanted("iam:PassRole", role, caller.account, {"iam:PassedToService": service})


def _strings_of(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _strings_of(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _strings_of(inner)
