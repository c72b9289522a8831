"""A checksum that comes with an object is checked, and is enough under a bucket's default retention.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html
https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html

moto checks none; under default retention it wants Content-MD5 or x-amz-sdk-checksum-algorithm and refuses a request
with x-amz-checksum-sha256 alone, which S3 takes.
"""

import base64
import binascii
import hashlib
import zlib
from typing import Any

from crc32c import crc32c
from moto.s3.exceptions import MissingUploadObjectWithObjectLockHeaders, S3ClientError
from moto.s3.responses import S3Response
from werkzeug.datastructures import Headers

from strict.override import override

CHECKSUMS = {
    "sha256": lambda body: hashlib.sha256(body).digest(),
    "sha1": lambda body: hashlib.sha1(body).digest(),
    "crc32": lambda body: zlib.crc32(body).to_bytes(4, "big"),
    "crc32c": lambda body: crc32c(body).to_bytes(4, "big"),
}


class BadDigest(S3ClientError):
    code = 400

    def __init__(self, name: str) -> None:
        super().__init__("BadDigest", f"The {name} you specified did not match the calculated checksum.")


class MissingChecksum(S3ClientError):
    code = 400

    def __init__(self) -> None:
        super().__init__(
            "InvalidRequest",
            "Content-MD5 OR x-amz-checksum- HTTP header is required for Put Object requests with Object Lock "
            "parameters",
        )


def apply(_plane: Any) -> None:
    @override(S3Response, "_key_response_put")
    def put(original: Any, self: Any, query: dict[str, Any], key_name: str) -> Any:
        body = self.body if isinstance(self.body, bytes) else self.body.encode()
        given = self.headers.get("Content-MD5")
        if given is not None and _decoded(given) != hashlib.md5(body).digest():
            raise BadDigest("Content-MD5")
        for algorithm, checksum in CHECKSUMS.items():
            given = self.headers.get(f"x-amz-checksum-{algorithm}")
            if given is None:
                continue
            if _decoded(given) != checksum(body):
                raise BadDigest(algorithm.upper())
            # What an SDK sends beside it; moto looks at this one alone.
            self.headers = Headers(list(self.headers.items()))
            self.headers.setdefault("x-amz-sdk-checksum-algorithm", algorithm.upper())
        try:
            return original(self, query, key_name)
        except MissingUploadObjectWithObjectLockHeaders:
            raise MissingChecksum() from None


def _decoded(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        return None
