"""S3: identity policies and the bucket's policy, with conditions and variables; the KMS key behind SSE-KMS.

moto evaluates a bucket policy without its conditions and asks nothing else. A put under SSE-KMS needs a data key and a
get its decryption, both asked of KMS by S3 on the caller's behalf (``kms:ViaService``).
https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-control-auth-workflow-object-operation.html
https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html
"""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import xmltodict
from moto.core.request import Request
from moto.core.routing import get_service_router
from moto.iam.access_control import PermissionResult
from moto.s3.exceptions import S3ClientError
from moto.s3.models import FakeBucket, s3_backends
from werkzeug.exceptions import NotFound

from ..override import override
from . import kms
from .caller import PARTITION, Caller
from .documents import check_bucket_policy
from .evaluator import Evaluator
from .refusal import Refusal
from .s3_actions import ACCOUNT, BUCKET, BY_HEADER, CREATES_AN_OBJECT, HEADER_KEYS, OPERATIONS, QUERY_KEYS, VERSIONED
from .verdict import Wanted, decide, permit

# Objects of a DeleteObjects that may not be deleted: told to moto, which answers for each object, in the same thread.
_refused = threading.local()


@dataclass(frozen=True)
class _Call:
    """A request to S3, taken apart."""

    request: Request
    caller: Caller | None
    operation: str
    bucket: str
    key: str

    @property
    def bucket_arn(self) -> str:
        return f"arn:{PARTITION}:s3:::{self.bucket}"

    @property
    def resource(self) -> str:
        return f"{self.bucket_arn}/{self.key}" if self.key else self.bucket_arn


def apply() -> None:
    """moto's own look at bucket policies is told what was judged here."""

    @override(FakeBucket, "get_permission")
    def get_permission(_: Any, self: FakeBucket, action: str, resource: str) -> PermissionResult:
        refused: set[str] = getattr(_refused, "resources", set())
        return PermissionResult.DENIED if resource in refused else PermissionResult.PERMITTED


def judge(evaluator: Evaluator, _: str, request: Request, body: bytes, caller: Caller | None) -> None:
    _refused.resources = set()
    call = _call(request, caller)
    if call.operation == "DeleteObjects":
        _judge_deletes(evaluator, call, body)
        return
    for wanted in _wanted(call):
        permit(evaluator, request, caller, wanted)
    for wanted in _keys_wanted(call):
        permit(evaluator, request, caller, wanted)
    if call.operation == "PutBucketPolicy" and (bucket := _bucket(call.bucket)) is not None:
        block = bucket.public_access_block
        check_bucket_policy(evaluator, call.bucket, body, bool(block and block.block_public_policy))


def _call(request: Request, caller: Caller | None) -> _Call:
    try:
        operation, parameters = get_service_router("s3").match(request)
    except (NotFound, NotImplementedError):
        raise Refusal(405, "MethodNotAllowed", "the lab knows no operation of S3 like this one") from None
    bucket = parameters.get("Bucket", "")
    # The key as it was sent: the router's has lost a slash at its end, which is part of a key.
    _, _, key = unquote(request.raw_path).lstrip("/").partition("/")
    return _Call(request, caller, operation.name, bucket, key if "Key" in parameters else "")


def _wanted(call: _Call) -> Iterator[Wanted]:
    """The actions that an operation needs: its own, those that headers ask for, those on a copy's source."""
    if call.operation not in OPERATIONS:
        raise Refusal(403, "AccessDenied", f"the lab has no rule for {call.operation}, so it lets nobody do it")
    kind, action = OPERATIONS[call.operation]
    if kind == ACCOUNT:
        account = call.caller.account if call.caller else ""
        yield Wanted(action, "*", account)
        return
    if kind == BUCKET and call.operation == "CreateBucket" and not _exists(call.bucket):
        yield Wanted(action, call.bucket_arn, call.caller.account if call.caller else "")
        return
    if "versionId" in call.request.args:
        action = VERSIONED.get(action, action)
    headers = {BY_HEADER[name] for name in BY_HEADER if name in call.request.headers} if kind != BUCKET else set()
    for needed in [*sorted(headers - {action}), action]:
        yield _on(call, needed, call.resource)
    if "x-amz-copy-source" in call.request.headers and call.operation in ("CopyObject", "UploadPartCopy"):
        yield _copy_source(call)


def _on(call: _Call, action: str, resource: str) -> Wanted:
    bucket = _bucket(call.bucket)
    context: dict[str, str | list[str]] = {
        key: call.request.headers[header] for header, key in HEADER_KEYS.items() if header in call.request.headers
    }
    context |= {key: call.request.args[name] for name, key in QUERY_KEYS.items() if name in call.request.args}
    context["s3:signatureversion"] = "AWS4-HMAC-SHA256"
    context["s3:authType"] = "REST-HEADER" if "Authorization" in call.request.headers else "REST-QUERY-STRING"
    if action == "s3:PutObject":
        context["s3:ObjectCreationOperation"] = "true" if CREATES_AN_OBJECT[call.operation] else "false"
    if bucket is None:
        # Nobody's: moto says so to whom an identity policy allows to ask.
        return Wanted(action, resource, call.caller.account if call.caller else "", context)
    context["s3:ResourceAccount"] = bucket.account_id
    block = bucket.public_access_block
    return Wanted(
        action,
        resource,
        bucket.account_id,
        context,
        resource_policy=json.loads(bucket.policy) if bucket.policy else None,
        settings={"s3": {"blockPublicAccess": bool(block and block.restrict_public_buckets)}},
    )


def _copy_source(call: _Call) -> Wanted:
    """A copy reads its source: ``bucket/key``, with or without a slash before it and a version behind it."""
    source = urlsplit(call.request.headers["x-amz-copy-source"].lstrip("/"))
    bucket, _, key = unquote(source.path).partition("/")
    version = "versionId" in parse_qs(source.query)
    there = replace(call, bucket=bucket, key=key)
    wanted = _on(there, "s3:GetObjectVersion" if version else "s3:GetObject", there.resource)
    # The headers are about what is written, not about what is read.
    return replace(wanted, context={"s3:ResourceAccount": wanted.owner})


def _keys_wanted(call: _Call) -> Iterator[Wanted]:
    """What S3 asks of KMS on the caller's behalf."""
    bucket = _bucket(call.bucket)
    if bucket is None or not call.key:
        return
    if call.operation in CREATES_AN_OBJECT:
        key, bucket_key = _encryption_of_a_put(call, bucket)
        actions = ["kms:GenerateDataKey"] if call.operation in ("PutObject", "CopyObject") else _MULTIPART
    elif call.operation in ("GetObject", "HeadObject", "GetObjectAttributes", "SelectObjectContent"):
        key, bucket_key = _encryption_of_an_object(call, bucket)
        actions = ["kms:Decrypt"] if call.operation != "HeadObject" else []
    else:
        return
    if key is None:
        return
    # One data key for many objects has the bucket for its context; one for each object, the object.
    # https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-key.html
    encryption_context = {"aws:s3:arn": call.bucket_arn if bucket_key else call.resource}
    for action in actions:
        yield kms.wanted_through("s3", bucket.region_name, action, key, encryption_context, call.caller)


# Parts are encrypted under the data key of the upload's start, which S3 has to decrypt each time.
_MULTIPART = ["kms:GenerateDataKey", "kms:Decrypt"]


def _encryption_of_a_put(call: _Call, bucket: FakeBucket) -> tuple[str | None, bool]:
    """The KMS key that a put is encrypted under, if any, and whether by a bucket key."""
    rule = (bucket.encryption or {}).get("Rule", {})
    default = rule.get("ApplyServerSideEncryptionByDefault", {})
    bucket_key = str(rule.get("BucketKeyEnabled", "false")).lower() == "true"
    headers = call.request.headers
    if "x-amz-server-side-encryption-customer-algorithm" in headers:
        return None, False
    algorithm = headers.get("x-amz-server-side-encryption")
    if algorithm is None:
        algorithm, key = default.get("SSEAlgorithm", "AES256"), default.get("KMSMasterKeyID")
    else:
        key = headers.get("x-amz-server-side-encryption-aws-kms-key-id")
    if not algorithm.startswith("aws:kms"):
        return None, False
    return _full_key(key, call, bucket), bucket_key


def _encryption_of_an_object(call: _Call, bucket: FakeBucket) -> tuple[str | None, bool]:
    version = call.request.args.get("versionId")
    try:
        found = s3_backends[bucket.account_id][PARTITION].get_object(bucket.name, call.key, version_id=version)
    except S3ClientError:
        return None, False  # moto says what is missing
    if found is None or not str(getattr(found, "encryption", None) or "").startswith("aws:kms"):
        return None, False
    return _full_key(found.kms_key_id, call, bucket), bool(found.bucket_key_enabled)


def _full_key(key: str | None, call: _Call, bucket: FakeBucket) -> str | None:
    """A key as a put names it, as an ARN; none for the account's own aws/s3, which all of the account may use."""
    account = call.caller.account if call.caller else ""
    if key is None or key.endswith("alias/aws/s3"):
        if account != bucket.account_id:
            message = "a bucket of another account can't be used under the AWS managed key aws/s3"
            raise Refusal(403, "AccessDenied", message)
        return None
    if key.startswith("arn:"):
        return key
    path = key if key.startswith("alias/") else f"key/{key}"
    return f"arn:{PARTITION}:kms:{bucket.region_name}:{account}:{path}"


def _judge_deletes(evaluator: Evaluator, call: _Call, body: bytes) -> None:
    """DeleteObjects answers for each object by itself, so it isn't refused as a whole.

    https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html
    """
    objects = (xmltodict.parse(body, force_list=("Object",)).get("Delete") or {}).get("Object") or []
    for entry in objects:
        there = replace(call, key=entry["Key"])
        actions = ["s3:DeleteObjectVersion" if entry.get("VersionId") else "s3:DeleteObject"]
        if "x-amz-bypass-governance-retention" in call.request.headers:
            actions.append("s3:BypassGovernanceRetention")
        for action in actions:
            wanted = _on(there, action, there.resource)
            if entry.get("VersionId"):
                wanted.context["s3:versionid"] = entry["VersionId"]
            if decide(evaluator, call.request, call.caller, wanted) != "Allowed":
                _refused.resources.add(there.resource)


def _exists(name: str) -> bool:
    return _bucket(name) is not None


def _bucket(name: str) -> FakeBucket | None:
    """The bucket of that name, whoever's it is."""
    if name not in s3_backends.bucket_accounts:
        return None
    partition, account = s3_backends.bucket_accounts[name]
    bucket: FakeBucket | None = s3_backends[account][partition].buckets.get(name)
    return bucket
