"""Object lock: nobody shortens COMPLIANCE, GOVERNANCE only with the bypass asked for, a locked bucket stays versioned.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock.html
https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectRetention.html
https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketVersioning.html

moto lets any retention be replaced, has no GetObjectRetention, lets versioning of a locked bucket be suspended, and
refuses to change the default retention of a bucket that holds objects, which S3 allows.
"""

import datetime
from typing import Any

from moto.s3.exceptions import S3ClientError
from moto.s3.models import S3Backend
from moto.s3.responses import S3Response

from strict.override import override


class Protected(S3ClientError):
    code = 403

    def __init__(self) -> None:
        super().__init__("AccessDenied", "Access Denied because object protected by object lock.")


class InvalidBucketState(S3ClientError):
    code = 409

    def __init__(self) -> None:
        super().__init__(
            "InvalidBucketState",
            "An Object Lock configuration is present on this bucket, so the versioning state cannot be changed.",
        )


class NoRetention(S3ClientError):
    code = 404

    def __init__(self) -> None:
        super().__init__(
            "NoSuchObjectLockConfiguration", "The specified object does not have a ObjectLock configuration"
        )


class InvalidRetention(S3ClientError):
    code = 400

    def __init__(self, message: str) -> None:
        super().__init__("InvalidArgument", message)


def apply(_plane: Any) -> None:
    _retention_of_objects()
    _buckets()


def _retention_of_objects() -> None:
    @override(S3Response, "_key_response_get")
    def get(original: Any, self: Any, query: dict[str, Any], key_name: str) -> Any:
        if "retention" not in query:
            return original(self, query, key_name)
        key = self.backend.get_object(self.bucket_name, self.parse_key_name(), version_id=self._get_param("versionId"))
        if key is None:
            return original(self, {k: v for k, v in query.items() if k != "retention"}, key_name)
        if not key.lock_mode:
            raise NoRetention()
        body = (
            '<Retention xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
            f"<Mode>{key.lock_mode}</Mode><RetainUntilDate>{key.lock_until}</RetainUntilDate></Retention>"
        )
        return 200, {"content-type": "application/xml"}, body

    @override(S3Response, "put_object_retention")
    def put_object_retention(original: Any, self: Any) -> Any:
        key = self.backend.get_object(self.bucket_name, self.parse_key_name(), version_id=self._get_param("versionId"))
        mode, until = self._mode_until_from_body()
        if until is not None and _time(until) <= datetime.datetime.now(datetime.UTC):
            raise InvalidRetention("The retain until date must be in the future!")
        if key is not None and key.lock_mode and _time(key.lock_until) > datetime.datetime.now(datetime.UTC):
            weakened = mode is None or until is None or _time(until) < _time(key.lock_until)
            weakened = weakened or (key.lock_mode == "COMPLIANCE" and mode != "COMPLIANCE")
            bypass = self.headers.get("x-amz-bypass-governance-retention", "").lower() == "true"
            if weakened and (key.lock_mode == "COMPLIANCE" or not bypass):
                raise Protected()
        return original(self)


def _time(text: str) -> datetime.datetime:
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


def _buckets() -> None:
    @override(S3Backend, "put_bucket_versioning")
    def put_bucket_versioning(original: Any, self: Any, bucket_name: str, status: str) -> None:
        if self.get_bucket(bucket_name).object_lock_enabled and status != "Enabled":
            raise InvalidBucketState()
        original(self, bucket_name, status)

    @override(S3Backend, "get_object_lock_configuration")
    def get_object_lock_configuration(original: Any, self: Any, bucket_name: str) -> Any:
        enabled, mode, days, years = original(self, bucket_name)
        return enabled, mode, days or None, years or None  # one of the two; moto says 0 of the other

    @override(S3Backend, "put_object_lock_configuration")
    def put_object_lock_configuration(original: Any, self: Any, bucket_name: str, *args: Any, **kwargs: Any) -> None:
        bucket = self.get_bucket(bucket_name)
        kept, bucket.keys = bucket.keys, type(bucket.keys)()  # moto asks for an empty bucket
        try:
            original(self, bucket_name, *args, **kwargs)
        finally:
            bucket.keys = kept
