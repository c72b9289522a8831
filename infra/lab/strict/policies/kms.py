"""KMS: a key's own policy, which must allow as well as the caller's, or alone, as it says.

moto keeps key policies and asks none of them.
https://docs.aws.amazon.com/kms/latest/developerguide/policy-evaluation.html
"""

import base64
import binascii
import json
from typing import Any

from moto.core.request import Request
from moto.kms.models import Key, kms_backends

from .caller import PARTITION, Caller
from .documents import check_key_policy
from .evaluator import Evaluator
from .refusal import Refusal
from .request import region_of
from .verdict import Wanted, permit

# Operations that are about no key, or about none yet.
_WITHOUT_KEY = {"CreateKey", "ListKeys", "ListAliases", "GenerateRandom"}
# Where an operation's actions aren't its own name alone.
_ACTIONS = {"ReEncrypt": ["kms:ReEncryptFrom", "kms:ReEncryptTo"]}
# A name is judged beside its key.
# https://docs.aws.amazon.com/kms/latest/developerguide/alias-access.html
_OF_ALIAS = {"CreateAlias", "DeleteAlias", "UpdateAlias"}
# The key id at the head of what moto's KMS encrypts: a UUID's text.
_KEY_ID_LENGTH = 36


def judge(evaluator: Evaluator, service: str, request: Request, body: bytes, caller: Caller | None) -> None:
    if caller is None:
        raise Refusal(400, "MissingAuthenticationTokenException", "Missing Authentication Token")
    operation = request.headers.get("X-Amz-Target", "").rpartition(".")[2]
    parameters: dict[str, Any] = json.loads(body or b"{}")
    if operation in _WITHOUT_KEY:
        permit(evaluator, request, caller, Wanted(f"kms:{operation}", "*", caller.account, _requested_tags(parameters)))
    else:
        _judge_key(evaluator, request, caller, operation, parameters)
    if operation in _OF_ALIAS:
        name = f"arn:{PARTITION}:kms:{region_of(request)}:{caller.account}:{parameters.get('AliasName', '')}"
        permit(evaluator, request, caller, Wanted(f"kms:{operation}", name, caller.account))
    if operation in ("CreateKey", "PutKeyPolicy") and "Policy" in parameters:
        check_key_policy(evaluator, parameters["Policy"])
    if operation == "CreateKey" and parameters.get("Tags"):
        permit(evaluator, request, caller, _tags_of_new(region_of(request), caller, parameters))


def _judge_key(
    evaluator: Evaluator, request: Request, caller: Caller, operation: str, parameters: dict[str, Any]
) -> None:
    for action in _ACTIONS.get(operation, [f"kms:{operation}"]):
        named = _key_named(action, parameters)
        found = _find(named, region_of(request), caller.account)
        if found is not None:  # else moto says what is missing
            permit(evaluator, request, caller, _wanted(action, found, _context(caller, parameters)))


def wanted_through(
    service: str, region: str, action: str, key: str, encryption_context: dict[str, str], caller: Caller | None
) -> Wanted:
    """What a service asks of KMS on a caller's behalf."""
    found = _find(key, region, caller.account if caller else "")
    if found is None:
        raise Refusal(400, "KMS.NotFoundException", f"Key '{key}' does not exist")
    context = _context(caller, {"EncryptionContext": encryption_context})
    context["kms:ViaService"] = f"{service}.{region}.amazonaws.com"
    return _wanted(action, found, context)


def _wanted(action: str, key: Key, context: dict[str, str | list[str]]) -> Wanted:
    return Wanted(action, key.arn, key.account_id, tags_of(key) | context, json.loads(key.policy))


def tags_of(key: Key) -> dict[str, str | list[str]]:
    """The tags of a key, as conditions know them."""
    tags = kms_backends[key.account_id][key.region].tagger.get_tag_dict_for_resource(key.id)
    return {f"aws:ResourceTag/{name}": value or "" for name, value in tags.items()}


def _requested_tags(parameters: dict[str, Any]) -> dict[str, str | list[str]]:
    tags = {tag["TagKey"]: tag["TagValue"] for tag in parameters.get("Tags") or []}
    context: dict[str, str | list[str]] = {f"aws:RequestTag/{name}": value for name, value in tags.items()}
    return context | ({"aws:TagKeys": list(tags)} if tags else {})


def _tags_of_new(region: str, caller: Caller, parameters: dict[str, Any]) -> Wanted:
    """A key is made with tags only by who may tag keys.

    https://docs.aws.amazon.com/kms/latest/developerguide/tag-permissions.html
    """
    arn = f"arn:{PARTITION}:kms:{region}:{caller.account}:key/new"
    # It has no policy to ask yet: the caller's own decide.
    root = {"AWS": f"arn:{PARTITION}:iam::{caller.account}:root"}
    statement = {"Effect": "Allow", "Principal": root, "Action": "kms:TagResource", "Resource": "*"}
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    return Wanted("kms:TagResource", arn, caller.account, _requested_tags(parameters), policy)


def _context(caller: Caller | None, parameters: dict[str, Any]) -> dict[str, str | list[str]]:
    """https://docs.aws.amazon.com/kms/latest/developerguide/conditions-kms.html"""
    context = _requested_tags(parameters)
    if caller is not None:
        context["kms:CallerAccount"] = caller.account
    for name, value in (parameters.get("EncryptionContext") or {}).items():
        context[f"kms:EncryptionContext:{name}"] = value
    if "PendingWindowInDays" in parameters:
        context["kms:ScheduleKeyDeletionPendingWindowInDays"] = str(parameters["PendingWindowInDays"])
    if "BypassPolicyLockoutSafetyCheck" in parameters:
        context["kms:BypassPolicyLockoutSafetyCheck"] = str(parameters["BypassPolicyLockoutSafetyCheck"]).lower()
    return context


def _key_named(action: str, parameters: dict[str, Any]) -> str:
    """The key that an operation is about: named, or in what it is to decrypt."""
    if action == "kms:ReEncryptTo":
        return str(parameters.get("DestinationKeyId", ""))
    named = parameters.get("KeyId") or parameters.get("TargetKeyId") or parameters.get("AliasName")
    if named:
        return str(named)
    try:
        blob = base64.b64decode(parameters.get("CiphertextBlob", ""))
        return blob[:_KEY_ID_LENGTH].decode("ascii")
    except (binascii.Error, UnicodeDecodeError):
        return ""


def _find(named: str, region: str, account: str) -> Key | None:
    """A key by its id, ARN, alias or alias's ARN; ids and aliases are the caller's account's."""
    if named.startswith("arn:"):
        _, _, _, region, account, _ = named.split(":", 5)
        named = named.split(":", 5)[5].removeprefix("key/")
    if account not in kms_backends:
        return None
    backend = kms_backends[account][region]
    for key in list(backend.keys.values()):
        if named == key.id or named in list(key.aliases):
            return key
    return None
