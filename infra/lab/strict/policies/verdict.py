"""One question to the evaluator about one action on one resource, and the refusal that comes of it."""

import datetime
from dataclasses import dataclass, field
from typing import Any

from moto.core.request import Request

from .caller import Caller, organization_of
from .evaluator import Document, Evaluator, Question
from .refusal import Refusal
from .request import region_of, service_of


@dataclass(frozen=True)
class Wanted:
    """An action on a resource, as the service sees it."""

    action: str
    resource: str
    #: The account that the resource is in.
    owner: str
    context: dict[str, str | list[str]] = field(default_factory=dict)
    resource_policy: Document | None = None
    settings: dict[str, Any] = field(default_factory=dict)


def decide(evaluator: Evaluator, request: Request, caller: Caller | None, wanted: Wanted) -> str:
    """``Allowed``, ``ImplicitlyDenied`` or ``ExplicitlyDenied``."""
    return evaluator.judge(
        Question(
            principal=caller.arn if caller else None,
            action=wanted.action,
            resource=wanted.resource,
            owner=wanted.owner,
            context=_request_context(request, wanted) | (caller.context() if caller else {}) | wanted.context,
            identity_policies=caller.policies if caller else {},
            session_policy=caller.session_policy if caller else None,
            boundary=caller.boundary if caller else None,
            resource_policy=wanted.resource_policy,
            settings=wanted.settings,
        )
    )


def permit(evaluator: Evaluator, request: Request, caller: Caller | None, wanted: Wanted) -> None:
    """Returns if the action is allowed, and raises the service's refusal if not."""
    decision = decide(evaluator, request, caller, wanted)
    if decision != "Allowed":
        # In the words of the service that was asked: S3's, when KMS refused S3.
        who = caller.arn if caller else "anonymous"
        raise Refusal.denied(service_of(request), who, wanted.action, wanted.resource, decision)


def _request_context(request: Request, wanted: Wanted) -> dict[str, str | list[str]]:
    """The keys of conditions that every request has.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html
    """
    now = datetime.datetime.now(datetime.UTC)
    context: dict[str, str | list[str]] = {
        "aws:CurrentTime": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "aws:EpochTime": str(int(now.timestamp())),
        "aws:RequestedRegion": region_of(request),
        "aws:ResourceAccount": wanted.owner,
        "aws:SecureTransport": "true" if request.scheme == "https" else "false",
        "aws:SourceIp": request.remote_addr or "127.0.0.1",
        "aws:UserAgent": request.headers.get("User-Agent", ""),
    }
    if (organization := organization_of(wanted.owner)) is not None:
        context["aws:ResourceOrgID"] = organization
    return context
