"""Whose a request is: the account, the principal, its unique id and its policies.

moto falls back to a default account for an access key that it doesn't know. AWS refuses it, and a session's key with
another session's token.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html#principaltable
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from moto.core.request import Request
from moto.iam.models import iam_backends
from moto.organizations.models import organizations_backends
from moto.sts.models import sts_backends

from .evaluator import Document
from .request import scope_of, session_token_of

PARTITION = "aws"


class Unknown(Exception):
    """Credentials that nobody has. ``token`` tells a session token that isn't the key's."""

    def __init__(self, access_key: str, token: bool) -> None:
        super().__init__(access_key)
        self.access_key = access_key
        self.token = token


@dataclass(frozen=True)
class Caller:
    """A principal that has signed a request."""

    account: str
    #: A session's or a user's ARN, as errors and trust policies have it.
    arn: str
    #: What ``aws:PrincipalArn`` is: for a session its role.
    principal_arn: str
    user_id: str
    kind: str
    #: What its requests are signed with.
    secret: str = field(repr=False)
    policies: Mapping[str, Document]
    session_policy: Document | None = None
    boundary: Document | None = None
    user_name: str | None = None

    def context(self) -> dict[str, str | list[str]]:
        """The keys of conditions that are the principal's."""
        context: dict[str, str | list[str]] = {
            "aws:PrincipalAccount": self.account,
            "aws:PrincipalArn": self.principal_arn,
            "aws:PrincipalType": self.kind,
            "aws:PrincipalIsAWSService": "false",
            "aws:userid": self.user_id,
        }
        if self.user_name is not None:
            context["aws:username"] = self.user_name
        if (organization := organization_of(self.account)) is not None:
            context["aws:PrincipalOrgID"] = organization
        return context


def caller_of(request: Request) -> Caller | None:
    """The principal that signed the request; none where nobody did."""
    scope = scope_of(request)
    if scope is None:
        return None
    for account in list(iam_backends):
        if (caller := _session(account, scope["key"], session_token_of(request))) is not None:
            return caller
        if (caller := _user(account, scope["key"], session_token_of(request))) is not None:
            return caller
    raise Unknown(scope["key"], token=False)


def organization_of(account: str) -> str | None:
    """The organisation that an account is in."""
    backend: Any
    for backend in [backend for there in list(organizations_backends.values()) for backend in list(there.values())]:
        if backend.org is not None and any(member.id == account for member in list(backend.accounts)):
            return str(backend.org.id)
    return None


def role_of(account: str, arn: str) -> Any | None:
    """The role of that ARN. (moto's own search walks a dictionary that another request may be growing.)"""
    roles = list(iam_backends[account][PARTITION].roles.values()) if account in iam_backends else []
    return next((role for role in roles if role.arn == arn), None)


def _session(account: str, access_key: str, token: str | None) -> Caller | None:
    session = sts_backends[account][PARTITION].get_assumed_role_from_access_key(access_key)
    if session is None:
        return None
    if token != session.session_token:
        raise Unknown(access_key, token=True)
    role = role_of(account, session.role_arn)
    if role is None:
        # A role that was deleted: its sessions go on, with no policy that would allow them anything.
        return Caller(
            account=account,
            arn=session.arn,
            principal_arn=session.role_arn,
            user_id=f"deleted:{session.session_name}",
            kind="AssumedRole",
            secret=session.secret_access_key,
            policies={},
        )
    return Caller(
        account=account,
        arn=session.arn,
        principal_arn=role.arn,
        user_id=f"{role.id}:{session.session_name}",
        kind="AssumedRole",
        secret=session.secret_access_key,
        policies=_policies(role),
        session_policy=json.loads(session.policy) if session.policy else None,
        boundary=_boundary(account, role.permissions_boundary_arn),
    )


def _user(account: str, access_key: str, token: str | None) -> Caller | None:
    backend = iam_backends[account][PARTITION]
    owned = ((user, key) for user in list(backend.users.values()) for key in list(user.access_keys))
    user, key = next(((user, key) for user, key in owned if key.access_key_id == access_key), (None, None))
    if user is None or key is None:
        return None
    if token is not None:
        raise Unknown(access_key, token=True)
    policies = _policies(user)
    for group in [group for group in list(backend.groups.values()) if user in group.users]:
        policies |= {f"{group.name}/{name}": document for name, document in _policies(group).items()}
    return Caller(
        account=account,
        arn=user.arn,
        principal_arn=user.arn,
        user_id=user.id,
        kind="User",
        secret=key.secret_access_key,
        policies=policies,
        user_name=user.name,
    )


def _policies(identity: Any) -> dict[str, Document]:
    """Inline and attached policies of a role, a user or a group."""
    inline = {name: json.loads(document) for name, document in list(identity.policies.items())}
    return inline | {policy.arn: _in_force(policy) for policy in list(identity.managed_policies.values())}


def _in_force(policy: Any) -> Document:
    """A managed policy's default version."""
    document: Document = json.loads(next(version.document for version in policy.versions if version.is_default))
    return document


def _boundary(account: str, arn: str | None) -> Document | None:
    if not arn:
        return None
    return _in_force(iam_backends[account][PARTITION].get_policy(arn))
