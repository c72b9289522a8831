"""What may stand in a tag: nobody writes `aws:`, lengths and characters are bounded, a name comes once.

https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_Tags.html#tag-restrictions
https://docs.aws.amazon.com/IAM/latest/UserGuide/id_tags.html#id_tags_naming-conventions
https://docs.aws.amazon.com/kms/latest/APIReference/API_Tag.html

moto takes any, except that IAM's keys have their characters checked; values of IAM's tags (no apostrophe) have not.
CreateTags without a value fails (AWS: an empty one). For the tags of one resource it looks through those of all, so that
a look at a thousand instances takes minutes.
"""

import re
from collections.abc import Iterable
from typing import Any

from moto.core.exceptions import JsonRESTError
from moto.core.utils import camelcase_to_underscores, get_service_model
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models.tags import TagBackend
from moto.ec2.responses import EC2Response
from moto.ec2.responses.tags import TagResponse
from moto.ec2.utils import EC2_PREFIX_TO_RESOURCE, get_prefix
from moto.iam.exceptions import ValidationError
from moto.iam.responses import IamResponse
from moto.kms.responses import KmsResponse

from strict.override import override

RESERVED = "aws:"
KEY_LENGTH = 128
VALUE_LENGTH = 256
# What makes a filter's value a pattern.
WILDCARDS = re.compile(r"[*?\[\\]")
# Letters, separators and numbers of any script, and these: IAM's and KMS's pattern for values.
CHARACTERS = re.compile(r"[\w\s.:/=+\-@]*")


def apply(_plane: Any) -> None:
    @override(TagResponse, "create_tags")
    def create_tags(original: Any, self: Any) -> Any:
        for tag in self._get_param("Tags", []):
            tag.setdefault("Value", "")
        return original(self)

    @override(TagBackend, "describe_tags")
    def describe_tags(original: Any, self: Any, filters: dict[str, list[str]] | None = None) -> Any:
        ids = dict.fromkeys((filters or {}).get("resource-id", []))
        if set(filters or {}) != {"resource-id"} or any(WILDCARDS.search(resource) for resource in ids):
            return original(self, filters)
        return [
            {
                "resource_id": resource,
                "key": key,
                "value": value,
                "resource_type": EC2_PREFIX_TO_RESOURCE.get(get_prefix(resource), ""),
            }
            for resource in ids
            for key, value in self.tags.get(resource, {}).copy().items()
        ]

    for operation in get_service_model("ec2").operation_names:
        action = camelcase_to_underscores(operation)
        if hasattr(EC2Response, action) and (action.startswith(("create", "run", "register", "copy", "allocate"))):
            _check_ec2(action)

    for action in (
        "create_role",
        "create_policy",
        "create_user",
        "create_instance_profile",
        "tag_role",
        "tag_policy",
        "tag_user",
        "tag_instance_profile",
    ):
        _check_iam(action)
    for action in ("create_key", "tag_resource"):
        _check_kms(action)


def _problem(tags: Iterable[tuple[str, str]]) -> str | None:
    """What AWS would say against any of the tags."""
    seen = set()
    for key, value in tags:
        if key.lower().startswith(RESERVED):
            return f"Tag keys starting with '{RESERVED}' are reserved for internal use"
        if not 1 <= len(key) <= KEY_LENGTH:
            return f"Tag key must be between 1 and {KEY_LENGTH} characters"
        if len(value) > VALUE_LENGTH:
            return f"Tag value exceeds the maximum length of {VALUE_LENGTH} characters"
        if key in seen:
            return f"Duplicate tag key '{key}' specified."
        seen.add(key)
    return None


def _check_ec2(action: str) -> None:
    @override(EC2Response, action)
    def call(original: Any, self: Any) -> Any:
        groups = [self._get_param("Tags", [])] if action == "create_tags" else []
        groups += [s.get("Tags", []) for s in self._get_param("TagSpecifications") or [] if isinstance(s, dict)]
        for tags in groups:
            problem = _problem((tag.get("Key", ""), tag.get("Value") or "") for tag in tags)
            if problem:
                raise EC2ClientError("InvalidParameterValue", problem)
        return original(self)


def _check_iam(action: str) -> None:
    @override(IamResponse, action)
    def call(original: Any, self: Any) -> Any:
        tags = [(tag.get("Key", ""), tag.get("Value") or "") for tag in self._get_param("Tags") or []]
        problem = _problem(tags)
        for _, value in tags:
            if not CHARACTERS.fullmatch(value):
                problem = (
                    f"1 validation error detected: Value '{value}' at 'tags.member.value' failed to satisfy "
                    "constraint: "
                    r"Member must satisfy regular expression pattern: [\p{L}\p{Z}\p{N}_.:/=+\-@]*"
                )
        if problem:
            raise ValidationError(problem)
        return original(self)


def _check_kms(action: str) -> None:
    @override(KmsResponse, action)
    def call(original: Any, self: Any) -> Any:
        tags = [(tag.get("TagKey", ""), tag.get("TagValue") or "") for tag in self._get_param("Tags") or []]
        problem = _problem(tags)
        if problem is None and not all(
            CHARACTERS.fullmatch(key) and CHARACTERS.fullmatch(value) for key, value in tags
        ):
            problem = "A tag contains characters that are not allowed"
        if problem:
            raise JsonRESTError("TagException", problem)
        return original(self)
