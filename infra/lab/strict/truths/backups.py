"""AWS Backup: vaults, plans and what they select, made and deleted in the right order.

https://docs.aws.amazon.com/aws-backup/latest/devguide/API_CreateBackupSelection.html
https://docs.aws.amazon.com/aws-backup/latest/devguide/API_CreateBackupPlan.html
https://docs.aws.amazon.com/aws-backup/latest/devguide/API_DeleteBackupVault.html
https://docs.aws.amazon.com/aws-backup/latest/devguide/API_DeleteBackupPlan.html

moto has no selections, no UpdateBackupPlan and no pages; it takes any name and key, refuses a second plan of one name
(AWS: one of the same document) and a repeated request, deletes a vault with recovery points and, without a word, one
that isn't there, and lists no tags rather than none such for what isn't there.
"""

import base64
import binascii
import json
import re
from typing import Any
from urllib.parse import unquote

from moto.backup.exceptions import (
    AlreadyExistsException,
    InvalidParameterValueException,
    InvalidRequestException,
    ResourceNotFoundException,
)
from moto.backup.models import BackupBackend, Plan, backup_backends
from moto.backup.responses import BackupResponse
from moto.core.utils import unix_time
from moto.moto_api._internal import mock_random
from werkzeug.wrappers import Request

from strict import keys
from strict.override import override, provide
from strict.plane import LabError
from strict.policies.services import may_assume

VAULT_NAME = re.compile(r"[a-zA-Z0-9\-_]{2,50}")
NAME = re.compile(r"[a-zA-Z0-9\-_.]{1,50}")
SCHEDULE = re.compile(r"cron\(\S+( \S+){5}\)|rate\(\d+ \w+\)")
COLD_STORAGE_DAYS = 90
PAGE = 1000


def apply(plane: Any) -> None:
    _vaults(plane)
    _plans()
    _selections(plane)
    _tags()
    for action, name in (("list_backup_plans", "BackupPlansList"), ("list_backup_vaults", "BackupVaultList")):

        @override(BackupResponse, action)
        def listed(original: Any, self: Any, name: str = name) -> str:
            return json.dumps(_page(self, name, json.loads(original(self))[name]))


def _page(response: Any, name: str, items: list[Any]) -> dict[str, Any]:
    parameters = response._get_params()
    size, token = int(parameters.get("maxResults", PAGE)), parameters.get("nextToken")
    if not 1 <= size <= PAGE:
        raise InvalidParameterValueException(f"MaxResults must be between 1 and {PAGE}")
    try:
        start = int(base64.b64decode(token, validate=True)) if token else 0
    except (binascii.Error, ValueError):
        raise InvalidParameterValueException("Provided NextToken is not valid") from None
    end = start + size
    more = {"NextToken": base64.b64encode(str(end).encode()).decode()} if end < len(items) else {}
    return {name: items[start:end], **more}


def _vaults(plane: Any) -> None:
    @override(BackupBackend, "create_backup_vault")
    def create_backup_vault(original: Any, self: Any, **request: Any) -> Any:
        name, key = request["backup_vault_name"], request["encryption_key_arn"]
        if not VAULT_NAME.fullmatch(name):
            raise InvalidParameterValueException("Invalid vault name. It must be 2 to 50 letters, digits, - or _")
        if key is not None:
            found = keys.find(self.account_id, self.region_name, key) if key.startswith("arn:") else None
            if found is None or found.key_state != "Enabled":
                raise InvalidParameterValueException(f"The KMS key {key} does not exist or can't be used")
        known = self.vaults.get(name)
        if known is not None and request["creator_request_id"] and known.encryption_key_arn == key:
            if known.creator_request_id == request["creator_request_id"]:
                return known
        return original(self, **request)

    @override(BackupBackend, "delete_backup_vault")
    def delete_backup_vault(original: Any, self: Any, name: str) -> None:
        vault = self.describe_backup_vault(name)
        if vault.num_of_recovery_points:
            raise InvalidRequestException(
                f"Backup vault cannot be deleted (contains {vault.num_of_recovery_points} recovery points)"
            )
        self.tagger.delete_all_tags_for_resource(vault.backup_vault_arn)
        original(self, name)

    @plane.route("recovery-point")
    def recovery_point(request: Request) -> dict[str, int]:
        """As if a backup had run: the vault has one recovery point more."""
        for _, _, backend in backup_backends.iter_backends():
            if (vault := backend.vaults.get(request.args["vault"])) is not None:
                vault.num_of_recovery_points += 1
                return {"recovery_points": vault.num_of_recovery_points}
        raise LabError(f"there is no backup vault {request.args['vault']}")


def _plans() -> None:
    @override(BackupBackend, "create_backup_plan")
    def create_backup_plan(_original: Any, self: Any, backup_plan: Any, backup_plan_tags: Any, **rest: Any) -> Any:
        asked = json.dumps(backup_plan, sort_keys=True)
        request_id = rest["creator_request_id"]
        for plan in self.plans.values():
            if plan.deletion_date is None and request_id and plan.creator_request_id == request_id:
                return plan
        if any(plan.deletion_date is None and plan.document == asked for plan in self.plans.values()):
            raise AlreadyExistsException("Backup plan with the same plan document already exists")
        _check_plan(self, backup_plan)
        plan = Plan(backup_plan=backup_plan, creator_request_id=request_id, backend=self)
        plan.document, plan.selections = asked, {}
        if backup_plan_tags:
            self.tag_resource(plan.backup_plan_arn, backup_plan_tags)
        self.plans[plan.backup_plan_id] = plan
        return plan

    @provide(BackupResponse, "update_backup_plan")
    def update_backup_plan(self: Any) -> str:
        backend, plan = self.backup_backend, _plan(self)
        document = json.loads(self.body)["BackupPlan"]
        asked = json.dumps(document, sort_keys=True)
        _check_plan(backend, document)
        # The constructor fills in what a rule leaves out, and draws ids and a version.
        updated = Plan(backup_plan=document, creator_request_id=plan.creator_request_id, backend=backend)
        plan.document, plan.backup_plan, plan.version_id = asked, updated.backup_plan, updated.version_id
        return json.dumps(plan.to_dict())

    @override(BackupBackend, "delete_backup_plan")
    def delete_backup_plan(original: Any, self: Any, backup_plan_id: str) -> Any:
        plan = self.plans.get(backup_plan_id)
        if plan is not None and plan.selections:
            raise InvalidRequestException(
                "Related backup plan selections must be deleted prior to backup plan deletion"
            )
        if plan is not None and plan.deletion_date is not None:
            raise ResourceNotFoundException(f"Cannot find Backup plan with ID {backup_plan_id}")
        return original(self, backup_plan_id)


def _check_plan(backend: Any, document: dict[str, Any]) -> None:
    if not NAME.fullmatch(document["BackupPlanName"]):
        raise InvalidParameterValueException("Invalid plan name. It must be 1 to 50 letters, digits, -, _ or .")
    if not document["Rules"]:
        raise InvalidParameterValueException("Backup plan must contain at least one rule")
    for rule in document["Rules"]:
        _check_rule(backend, rule)


def _check_rule(backend: Any, rule: dict[str, Any]) -> None:
    if not NAME.fullmatch(rule["RuleName"]):
        raise InvalidParameterValueException("Invalid rule name. It must be 1 to 50 letters, digits, -, _ or .")
    if rule["TargetBackupVaultName"] not in backend.vaults:
        raise InvalidParameterValueException(f"Backup vault {rule['TargetBackupVaultName']} does not exist")
    schedule = rule.get("ScheduleExpression")
    if schedule is not None and not SCHEDULE.fullmatch(schedule):
        raise InvalidParameterValueException(f"Invalid schedule expression: {schedule}")
    start = rule.get("StartWindowMinutes", 480)
    if start < 60 or rule.get("CompletionWindowMinutes", 10080) < start + 60:
        raise InvalidParameterValueException(
            "StartWindowMinutes must be at least 60 and CompletionWindowMinutes at least 60 more"
        )
    lifecycle = rule.get("Lifecycle", {})
    cold, delete = lifecycle.get("MoveToColdStorageAfterDays"), lifecycle.get("DeleteAfterDays")
    if cold is not None and delete is not None and delete < cold + COLD_STORAGE_DAYS:
        raise InvalidParameterValueException(
            f"DeleteAfterDays cannot be less than {COLD_STORAGE_DAYS} days apart from MoveToColdStorageAfterDays"
        )


def _plan(response: Any) -> Any:
    """The plan that the path names; one that was deleted is shown, and no more."""
    plan_id = response.path.split("/plans/")[1].split("/")[0]
    plan = response.backup_backend.plans.get(plan_id)
    if plan is None or plan.deletion_date is not None:
        raise ResourceNotFoundException(f"Cannot find Backup plan with ID {plan_id}")
    return plan


def _selections(plane: Any) -> None:
    @provide(BackupResponse, "create_backup_selection")
    def create_backup_selection(self: Any) -> str:
        plan, body = _plan(self), json.loads(self.body)
        selection, request_id = body["BackupSelection"], body.get("CreatorRequestId")
        for known in plan.selections.values():
            if request_id and known["CreatorRequestId"] == request_id:
                return json.dumps(_made(known))
        if any(s["BackupSelection"]["SelectionName"] == selection["SelectionName"] for s in plan.selections.values()):
            raise AlreadyExistsException("Backup selection with the same name already exists")
        _check_selection(plane, self.backup_backend, plan, selection)
        made = {
            "BackupPlanId": plan.backup_plan_id,
            "SelectionId": str(mock_random.uuid4()),
            "CreationDate": unix_time(),
            "CreatorRequestId": request_id,
            "BackupSelection": selection,
        }
        plan.selections[made["SelectionId"]] = made
        return json.dumps(_made(made))

    @provide(BackupResponse, "get_backup_selection")
    def get_backup_selection(self: Any) -> str:
        return json.dumps(_selection(self))

    @provide(BackupResponse, "list_backup_selections")
    def list_backup_selections(self: Any) -> str:
        listed = [
            {
                **{k: v for k, v in selection.items() if k != "BackupSelection" and v is not None},
                "SelectionName": selection["BackupSelection"]["SelectionName"],
                "IamRoleArn": selection["BackupSelection"]["IamRoleArn"],
            }
            for selection in _plan(self).selections.values()
        ]
        return json.dumps(_page(self, "BackupSelectionsList", listed))

    @provide(BackupResponse, "delete_backup_selection")
    def delete_backup_selection(self: Any) -> str:
        del _plan(self).selections[_selection(self)["SelectionId"]]
        return "{}"


def _made(selection: dict[str, Any]) -> dict[str, Any]:
    return {name: selection[name] for name in ("SelectionId", "BackupPlanId", "CreationDate")}


def _selection(response: Any) -> dict[str, Any]:
    selection_id = response.path.rstrip("/").rpartition("/")[2]
    found: dict[str, Any] | None = _plan(response).selections.get(selection_id)
    if found is None:
        raise ResourceNotFoundException(f"Cannot find Backup selection with ID {selection_id}")
    return found


def _check_selection(plane: Any, backend: Any, plan: Any, selection: dict[str, Any]) -> None:
    if not NAME.fullmatch(selection["SelectionName"]):
        raise InvalidParameterValueException("Invalid selection name. It must be 1 to 50 letters, digits, -, _ or .")
    role = selection["IamRoleArn"]
    if not may_assume(plane, "backup.amazonaws.com", backend.account_id, role, plan.backup_plan_arn):
        raise InvalidParameterValueException(f"IAM Role {role} does not exist or can't be assumed by AWS Backup")
    if not any(selection.get(name) for name in ("Resources", "ListOfTags", "Conditions")):
        raise InvalidParameterValueException("A selection must name resources, tags or conditions")
    for tag in selection.get("ListOfTags") or []:
        if tag["ConditionType"] != "STRINGEQUALS":
            raise InvalidParameterValueException(f"Invalid condition type {tag['ConditionType']}")


def _tags() -> None:
    for action in ("list_tags", "tag_resource", "untag_resource"):

        @override(BackupResponse, action)
        def by_arn(original: Any, self: Any, action: str = action) -> Any:
            arn = unquote(self.path.split("/tags/" if "/tags/" in self.path else "/untag/")[1].rstrip("/"))
            _check_there(self.backup_backend, arn)
            if action == "list_tags":
                # Not moto's own answer: it finds the ARN only where the path ends in a slash, and not every SDK's does.
                tags = list(self.backup_backend.list_tags(arn).items())
                page = _page(self, "Tags", tags)
                return json.dumps({**page, "Tags": dict(page["Tags"])})
            return original(self)


def _check_there(backend: Any, arn: str) -> None:
    vaults = [vault.backup_vault_arn for vault in backend.vaults.values()]
    plans = [plan.backup_plan_arn for plan in backend.plans.values() if plan.deletion_date is None]
    if arn not in vaults + plans:
        raise ResourceNotFoundException(f"Resource {arn} does not exist")
