"""Policies are looked at when they are put: a malformed one is refused, and a public one where that is blocked.

moto takes any bytes for a bucket's or a key's policy, and a public policy in spite of BlockPublicPolicy.
https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketPolicy.html
https://docs.aws.amazon.com/kms/latest/APIReference/API_PutKeyPolicy.html
https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-control-block-public-access.html#access-control-block-public-access-policy-status
"""

import ipaddress
import json
from collections.abc import Iterator
from typing import Any

from moto.iam.exceptions import MalformedPolicyDocument
from moto.iam.models import IAMBackend

from ..override import override
from .evaluator import Document, Evaluator
from .refusal import Refusal

BUCKET_LIMIT = 20_480
KEY_LIMIT = 32_768


def apply(evaluator: Evaluator) -> None:
    @override(IAMBackend, "create_role")
    def create_role(
        moto: Any, self: IAMBackend, role_name: str, assume_role_policy_document: str, *rest: Any, **named: Any
    ) -> Any:
        problem = problem_of(evaluator, assume_role_policy_document, "trust")
        if problem is not None:
            raise MalformedPolicyDocument(problem)
        return moto(self, role_name, assume_role_policy_document, *rest, **named)


def check_bucket_policy(evaluator: Evaluator, bucket: str, policy: bytes, block_public: bool) -> None:
    """Raises what S3 refuses a bucket's policy with."""
    problem = problem_of(evaluator, policy, "resource")
    if len(policy) > BUCKET_LIMIT:
        problem = f"Policies must be at most {BUCKET_LIMIT} bytes"
    if problem is not None:
        raise Refusal(400, "MalformedPolicy", problem)
    document = json.loads(policy)
    named = [*_values(document, "Resource"), *_values(document, "NotResource")]
    stray = [arn for arn in named if not _of_bucket(arn, bucket)]
    if stray:
        raise Refusal(400, "MalformedPolicy", f"Policy has invalid resource: {stray[0]}")
    if block_public and is_public(document):
        raise Refusal(403, "AccessDenied", "public policies are blocked by the BlockPublicPolicy setting")


def check_key_policy(evaluator: Evaluator, policy: str) -> None:
    """Raises what KMS refuses a key's policy with."""
    problem = problem_of(evaluator, policy, "resource")
    if len(policy.encode()) > KEY_LIMIT:
        problem = f"Policies must be at most {KEY_LIMIT} bytes"
    if problem is not None:
        raise Refusal(400, "MalformedPolicyDocumentException", problem)


def problem_of(evaluator: Evaluator, text: str | bytes, kind: str) -> str | None:
    """What AWS would refuse a document for."""
    try:
        document = json.loads(text)
    except ValueError as error:
        return f"This policy contains invalid Json: {error}"
    if not isinstance(document, dict):
        return "Policies must be JSON objects"
    problems = evaluator.problems(document, kind)
    # The evaluator's check is for any resource's policy; S3 and KMS want a principal in each statement.
    if kind == "resource" and not problems:
        problems = [
            "Missing required field Principal"
            for s in _statements(document)
            if not {"Principal", "NotPrincipal"} & s.keys()
        ]
    return problems[0] if problems else None


def _of_bucket(arn: str, bucket: str) -> bool:
    path = arn.partition(":::")[2]
    return path == bucket or path.startswith(f"{bucket}/") or (path.endswith("*") and bucket.startswith(path[:-1]))


def _statements(document: Document) -> list[Any]:
    statements = document.get("Statement", [])
    return statements if isinstance(statements, list) else [statements]


def _values(document: Document, element: str) -> Iterator[str]:
    for statement in _statements(document):
        yield from _strings(statement.get(element))


def _strings(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value or [])


# A statement for everybody is not public if it holds only for fixed values of one of these.
_NARROWING = {
    "aws:principalaccount",
    "aws:principalarn",
    "aws:principalorgid",
    "aws:principalorgpaths",
    "aws:sourceaccount",
    "aws:sourcearn",
    "aws:sourceowner",
    "aws:sourcevpc",
    "aws:sourcevpce",
    "aws:userid",
    "s3:dataaccesspointaccount",
    "s3:dataaccesspointarn",
    "s3:x-amz-server-side-encryption-aws-kms-key-id",
}


def is_public(document: Document) -> bool:
    """Whether S3 calls a bucket's policy public."""
    return any(
        statement.get("Effect") == "Allow" and _for_everybody(statement) and not _narrowed(statement)
        for statement in _statements(document)
    )


def _for_everybody(statement: dict[str, Any]) -> bool:
    principal = statement.get("Principal", {})
    if "NotPrincipal" in statement or principal == "*":
        return True
    return "*" in _strings(principal.get("AWS"))


def _narrowed(statement: dict[str, Any]) -> bool:
    for operator, keys in (statement.get("Condition") or {}).items():
        if "Not" in operator or operator.endswith("IfExists") or operator == "Null":
            continue
        for key, values in keys.items():
            fixed = not any("*" in value or "?" in value or "${" in value for value in _strings(values))
            if key.lower() in _NARROWING and fixed:
                return True
            if key.lower() == "aws:sourceip" and all(_narrow_range(value) for value in _strings(values)):
                return True
    return False


def _narrow_range(cidr: str) -> bool:
    """S3 takes a range wider than /8 (IPv6: /32) for the whole Internet."""
    network = ipaddress.ip_network(cidr, strict=False)
    return network.prefixlen >= (8 if network.version == 4 else 32)
