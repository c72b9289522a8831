"""GetBucketVersioning answers with the element VersioningConfiguration.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketVersioning.html

moto names it after the call, GetBucketVersioningResponse. boto3 doesn't look; AWS's SDK for Rust refuses what isn't S3's.
"""

from typing import Any

from moto.s3.responses import S3Response

from strict.override import override


def apply(_plane: Any) -> None:
    @override(S3Response, "get_bucket_versioning")
    def get_bucket_versioning(original: Any, self: Any) -> Any:
        status, headers, body = original(self)
        text = body.decode() if isinstance(body, bytes) else body
        return status, headers, text.replace("GetBucketVersioningResponse", "VersioningConfiguration")
