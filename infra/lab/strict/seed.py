"""What the lab starts with: an organisation of three accounts, a way into each of two, a stock image.

Made in the process by moto's own functions, so that a start costs no calls. Ids are fixed and readable: they appear
in specs, policies and documents.
"""

import functools
import json
from dataclasses import dataclass
from typing import Any
from unittest import mock

from moto.iam.aws_managed_policies import aws_managed_policies_data
from moto.iam.models import AWSManagedPolicy, IAMBackend, iam_backends
from moto.organizations.models import organizations_backends
from moto.sts.models import sts_backends

from . import stock_image

REGION = "eu-central-1"
PARTITION = "aws"

MANAGEMENT = "999999999999"
WORKLOADS = "111111111111"
AUDIT = "222222222222"
ORGANIZATION = "o-holdfast01"

# A person's session is named after the person.
OPERATOR = "ops"
ACCESS_ROLE = "OrganizationAccountAccessRole"
ADMINISTRATOR = "AdministratorAccess"
# One day: moto ends no session, and a lab outlives an hour.
SESSION_SECONDS = 86_400


@dataclass(frozen=True)
class Credentials:
    access_key_id: str
    secret_access_key: str
    session_token: str


def organization() -> None:
    """Makes the organisation. moto draws ids at random and offers no other way to choose them."""
    utils = "moto.organizations.models.utils."
    backend = organizations_backends[MANAGEMENT][PARTITION]
    with mock.patch(utils + "make_random_org_id", return_value=ORGANIZATION):
        backend.create_organization(region=REGION, FeatureSet="ALL")
    for account, name in ((WORKLOADS, "workloads"), (AUDIT, "audit")):
        with mock.patch(utils + "make_random_account_id", return_value=account):
            backend.create_account(AccountName=name, Email=f"{name}@example.org")
        _let_administrate(account)


def _let_administrate(account: str) -> None:
    """AWS gives the role that it makes in a new account all rights; moto makes the role alone.

    https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_accounts_access.html
    """
    iam = iam_backends[account][PARTITION]
    load_managed(iam, ADMINISTRATOR)
    iam.attach_role_policy(f"arn:{PARTITION}:iam::aws:policy/{ADMINISTRATOR}", ACCESS_ROLE)


def load_managed(iam: IAMBackend, name: str) -> None:
    """Gives an account one of AWS's thousand managed policies; none where there is none of that name."""
    data = _managed_policies().get(name)
    if data is not None:
        policy = AWSManagedPolicy.from_data(name, iam.account_id, REGION, data)
        iam.aws_managed_policies.append(policy)
        iam.managed_policies[policy.arn] = policy


@functools.cache
def _managed_policies() -> dict[str, Any]:
    policies: dict[str, Any] = json.loads(aws_managed_policies_data)
    return policies


def operator(account: str) -> Credentials:
    """The operator's session in an account: the organisation's access role, assumed from the management account."""
    return role_session(f"arn:{PARTITION}:iam::{account}:role/{ACCESS_ROLE}", OPERATOR)


def role_session(role_arn: str, session_name: str) -> Credentials:
    """Credentials of a role's session, made by the service itself: nobody's AssumeRole, so no trust is asked."""
    session = sts_backends[MANAGEMENT][PARTITION].assume_role(
        region_name=REGION,
        role_session_name=session_name,
        role_arn=role_arn,
        policy="",
        duration=SESSION_SECONDS,
        external_id="",
    )
    return Credentials(session.access_key_id, session.secret_access_key, session.session_token)


def image() -> str:
    """Registers the stock image in the workloads account."""
    return stock_image.register(WORKLOADS, REGION)
