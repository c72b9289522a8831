"""Log groups: what a name, a retention and a key may be, and tags by the group's ARN.

https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_CreateLogGroup.html
https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html
https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_ListTagsForResource.html
https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/logs/encrypt-log-data-kms.html

moto takes any name, any number of days and any key, also one that isn't there or whose policy doesn't let the service
in; it lists no tags, rather than none such, for an ARN that isn't a group's; AssociateKmsKey and DisassociateKmsKey
are missing.
"""

import re
from typing import Any

from moto.logs.exceptions import InvalidParameterException, ResourceNotFoundException
from moto.logs.models import LogsBackend
from moto.logs.responses import LogsResponse

from strict import keys
from strict.override import override, provide
from strict.policies.services import may_use_key

NAME = re.compile(r"[.\-_/#A-Za-z0-9]{1,512}")
RETENTIONS = (
    *(1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731),
    *(1096, 1827, 2192, 2557, 2922, 3288, 3653),
)


def apply(plane: Any) -> None:
    _create(plane)
    _keys(plane)
    _tags()

    @override(LogsResponse, "put_retention_policy")
    def put_retention_policy(original: Any, self: Any) -> Any:
        days = self._get_param("retentionInDays")
        if days not in RETENTIONS:
            raise InvalidParameterException(f"Invalid retention value {days}. Valid values are: {list(RETENTIONS)}")
        return original(self)


def _create(plane: Any) -> None:
    @override(LogsResponse, "create_log_group")
    def create_log_group(original: Any, self: Any) -> Any:
        name = self._get_param("logGroupName")
        if not NAME.fullmatch(name) or name.startswith("aws/"):
            raise InvalidParameterException(
                f"1 validation error detected: Value '{name}' at 'logGroupName' failed to satisfy constraint: Member "
                r"must satisfy regular expression pattern: [\.\-_/#A-Za-z0-9]+"
            )
        if self._get_param("kmsKeyId"):
            _check_key(plane, self.logs_backend, name, self._get_param("kmsKeyId"))
        return original(self)


def _keys(plane: Any) -> None:
    @provide(LogsResponse, "associate_kms_key")
    def associate_kms_key(self: Any) -> str:
        group = _group(self)
        _check_key(plane, self.logs_backend, group.name, self._get_param("kmsKeyId"))
        group.kms_key_id = self._get_param("kmsKeyId")
        return ""

    @provide(LogsResponse, "disassociate_kms_key")
    def disassociate_kms_key(self: Any) -> str:
        _group(self).kms_key_id = None
        return ""


def _group(response: Any) -> Any:
    name = response._get_param("logGroupName")
    if name not in response.logs_backend.groups:
        raise ResourceNotFoundException("The specified log group does not exist.")
    return response.logs_backend.groups[name]


def _check_key(plane: Any, backend: Any, name: str, key_arn: str) -> None:
    group = f"arn:{backend.partition}:logs:{backend.region_name}:{backend.account_id}:log-group:{name}"
    key = keys.find(backend.account_id, backend.region_name, key_arn) if key_arn.startswith("arn:") else None
    service = f"logs.{backend.region_name}.amazonaws.com"
    context = {"kms:EncryptionContext:aws:logs:arn": group, "aws:SourceArn": group}
    if key is None or not may_use_key(plane, service, key, "kms:GenerateDataKey", context):
        raise InvalidParameterException(
            f"The specified KMS Key Id could not be found or is not allowed to be used with Arn '{group}'."
        )


def _tags() -> None:
    for action in ("list_tags_for_resource", "tag_resource", "untag_resource"):

        @override(LogsBackend, action)
        def by_arn(original: Any, self: Any, arn: str, *args: Any) -> Any:
            if ":log-group:" in arn and not any(group.arn == arn for group in self.groups.values()):
                raise ResourceNotFoundException("The specified resource does not exist.")
            return original(self, arn, *args)
