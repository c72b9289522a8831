"""EC2's use of a key for encrypted volumes: in the name of who launches, or of Auto Scaling's own role.

https://docs.aws.amazon.com/ebs/latest/userguide/ebs-encryption-requirements.html
https://docs.aws.amazon.com/autoscaling/ec2/userguide/key-policy-requirements-EBS-encryption.html
https://docs.aws.amazon.com/kms/latest/developerguide/conditions-kms.html
"""

import json
from typing import Any

from ..plane import ControlPlane
from .caller import PARTITION, Caller
from .evaluator import Question, evaluator_of
from .kms import tags_of

# What starting an instance with an encrypted volume takes.
ACTIONS = ("kms:GenerateDataKeyWithoutPlaintext", "kms:CreateGrant", "kms:Decrypt")


def may_encrypt(plane: ControlPlane, caller: Caller | None, account: str, region: str, key: Any) -> bool:
    """Whether the key may be used for a volume; ``caller`` is none where Auto Scaling launches."""
    role = (
        f"arn:{PARTITION}:iam::{account}:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling"
    )
    if caller is None and any(grant.grantee_principal == role for grant in list(key.grants.values())):
        return True
    context: dict[str, str | list[str]] = tags_of(key) | {
        "kms:CallerAccount": account,
        "kms:GrantIsForAWSResource": "true",
        "kms:ViaService": f"ec2.{region}.amazonaws.com",
        "aws:PrincipalAccount": account,
        "aws:PrincipalArn": role,
        "aws:PrincipalIsAWSService": "false",
        "aws:SecureTransport": "true",
    }
    return all(
        evaluator_of(plane).judge(
            Question(
                principal=caller.arn if caller else role,
                action=action,
                resource=key.arn,
                owner=key.account_id,
                context=context | (caller.context() if caller else {}),
                identity_policies=caller.policies if caller else {},
                session_policy=caller.session_policy if caller else None,
                boundary=caller.boundary if caller else None,
                resource_policy=json.loads(key.policy),
            )
        )
        == "Allowed"
        for action in ACTIONS
    )
