"""All other services: what a caller's own policies allow it to do, to what the request names.

``resources`` says what that is, for the services that it knows. Of others (Organizations, …) resources aren't told
apart: an action is allowed if it is for any (``Resource: "*"``), which is stricter than AWS for a policy that names
resources, and never laxer.
https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
"""

from collections.abc import Mapping

from moto.core.request import Request

from .caller import Caller
from .evaluator import Document, Evaluator
from .refusal import Refusal
from .request import operation_of
from .resources import wanted_by
from .verdict import permit


def judge(evaluator: Evaluator, service: str, request: Request, body: bytes, caller: Caller | None) -> None:
    if caller is None:
        raise Refusal(403, "MissingAuthenticationToken", "Request is missing Authentication Token")
    if _administrator(caller):
        return  # what most calls are; the evaluator would say the same
    operation = operation_of(service, request, body)
    if operation is None:
        raise Refusal(403, "AccessDenied", "the lab can't tell what is wanted, so it lets nobody do it")
    for wanted in wanted_by(evaluator, service, operation, request, body, caller):
        permit(evaluator, request, caller, wanted)


def _administrator(caller: Caller) -> bool:
    """Whether everything is allowed and nothing denied, as by AdministratorAccess."""
    if caller.session_policy is not None or caller.boundary is not None:
        return False
    statements = [statement for policy in caller.policies.values() for statement in _statements(policy)]
    everything = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    denies = any(statement.get("Effect") != "Allow" for statement in statements)
    return not denies and any(
        {**statement, **everything} == statement and _plain(statement) for statement in statements
    )


def _plain(statement: Mapping[str, object]) -> bool:
    return "Condition" not in statement


def _statements(policy: Document) -> list[Mapping[str, object]]:
    statements = policy.get("Statement", [])
    return statements if isinstance(statements, list) else [statements]
