"""A bucket has the tags of its creation from its first moment.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucketConfiguration.html

moto drops them.
"""

from typing import Any

import xmltodict
from moto.s3.responses import S3Response

from strict.override import override


def apply(_plane: Any) -> None:
    @override(S3Response, "_bucket_response_put")
    def put(original: Any, self: Any, request: Any, bucket_name: str, querystring: dict[str, Any]) -> Any:
        response = original(self, request, bucket_name, querystring)
        if not querystring and self.body:
            tags = _tags(xmltodict.parse(self.body))
            if tags:
                self.backend.put_bucket_tagging(bucket_name, tags)
        return response


def _tags(document: dict[str, Any]) -> dict[str, str]:
    configuration = document.get("CreateBucketConfiguration") or {}
    tags = (configuration.get("Tags") or {}).get("Tag") or []
    return {tag["Key"]: tag.get("Value") or "" for tag in (tags if isinstance(tags, list) else [tags])}
