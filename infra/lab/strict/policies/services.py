"""What a service of AWS may do in its own name: use a key, take a role. Truths ask before they let a service do it.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html#principal-services
"""

import json
from typing import Any

from ..plane import ControlPlane
from .caller import role_of
from .evaluator import Question, evaluator_of


def may_use_key(plane: ControlPlane, service: str, key: Any, action: str, context: dict[str, str]) -> bool:
    """Whether a key is enabled and its policy lets the service use it. Context has the encryption context's keys."""
    asked = {
        "aws:PrincipalIsAWSService": "true",
        "aws:SourceAccount": key.account_id,
        "kms:CallerAccount": key.account_id,
        **context,
    }
    question = Question(
        principal=service,
        action=action,
        resource=key.arn,
        owner=key.account_id,
        context=asked,
        identity_policies={},
        resource_policy=json.loads(key.policy),
    )
    return key.key_state == "Enabled" and evaluator_of(plane).judge(question) == "Allowed"


def may_assume(plane: ControlPlane, service: str, account: str, role_arn: str, source_arn: str) -> bool:
    """Whether a role of the account is there and trusts the service when it acts for the source."""
    role = role_of(account, role_arn)
    if role is None:
        return False
    question = Question(
        principal=service,
        action="sts:AssumeRole",
        resource=role.arn,
        owner=account,
        context={"aws:SourceAccount": account, "aws:SourceArn": source_arn, "aws:PrincipalIsAWSService": "true"},
        identity_policies={},
        resource_policy=json.loads(role.assume_role_policy_document),
    )
    return evaluator_of(plane).judge(question) == "Allowed"
