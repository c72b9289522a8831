"""STS: a role is assumed only if it is there, and its trust policy and the caller's own policies allow.

moto lets anybody assume any role, also one that doesn't exist, and by any web identity.
https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
"""

import json

from moto.core.request import Request

from .caller import Caller, role_of
from .evaluator import Evaluator
from .refusal import Refusal
from .request import form_of
from .verdict import Wanted, permit

# Allowed to everybody who is somebody, whatever a policy says.
_ALWAYS = {"GetCallerIdentity", "GetAccessKeyInfo"}


def judge(evaluator: Evaluator, service: str, request: Request, body: bytes, caller: Caller | None) -> None:
    parameters = form_of(body) or dict(request.args)
    operation = parameters.get("Action", "")
    if operation not in {*_ALWAYS, "AssumeRole"}:
        raise Refusal(403, "AccessDenied", f"the lab has no rule for sts:{operation}, so it lets nobody do it")
    if caller is None:
        raise Refusal(403, "MissingAuthenticationToken", "Request is missing Authentication Token")
    if operation in _ALWAYS:
        return
    arn = parameters.get("RoleArn", "")
    context: dict[str, str | list[str]] = {"sts:RoleSessionName": parameters.get("RoleSessionName", "")}
    if "ExternalId" in parameters:
        context["sts:ExternalId"] = parameters["ExternalId"]
    account = arn.split(":")[4] if arn.count(":") == 5 else ""
    role = role_of(account, arn)
    if role is None:
        # Not "there is no such role": whoever may not assume it may not learn that.
        raise Refusal.denied("sts", caller.arn, "sts:AssumeRole", arn, "ImplicitlyDenied")
    trust = json.loads(role.assume_role_policy_document)
    permit(evaluator, request, caller, Wanted("sts:AssumeRole", role.arn, account, context, trust))
