"""What a KMS key pending deletion refuses, and the bounds of the wait.

https://docs.aws.amazon.com/kms/latest/developerguide/key-state.html
https://docs.aws.amazon.com/kms/latest/APIReference/API_ScheduleKeyDeletion.html

moto lets a pending key be used, tagged, aliased and enabled; a wait out of bounds is dropped without a word; several
calls fail for a key that is named by its ARN.
"""

import json
from typing import Any

from moto.core.exceptions import JsonRESTError
from moto.kms.models import KmsBackend
from moto.kms.responses import KmsResponse

from strict.override import override

WAIT_DAYS = range(7, 31)
# The column "Pending deletion" of AWS's table, where it says no.
REFUSED_WHILE_PENDING = (
    "create_alias",
    "create_grant",
    "decrypt",
    "disable_key",
    "disable_key_rotation",
    "enable_key",
    "enable_key_rotation",
    "encrypt",
    "generate_data_key",
    "generate_data_key_without_plaintext",
    "re_encrypt",
    "schedule_key_deletion",
    "tag_resource",
    "untag_resource",
    "update_alias",
    "update_key_description",
)
REFUSED_WHILE_DISABLED = (
    "decrypt",
    "encrypt",
    "generate_data_key",
    "generate_data_key_without_plaintext",
    "re_encrypt",
)
BY_ID_ALONE = ("enable_key", "disable_key", "cancel_key_deletion", "schedule_key_deletion")


def apply(_plane: Any) -> None:
    for action in REFUSED_WHILE_PENDING:
        _refuse(action)
    for action in BY_ID_ALONE:

        @override(KmsBackend, action)
        def by_any_name(original: Any, self: Any, key_id: str, *args: Any) -> Any:
            return original(self, self.any_id_to_key_id(key_id), *args)

    @override(KmsResponse, "cancel_key_deletion")
    def cancel_key_deletion(original: Any, self: Any) -> str:
        key = _key(self, self._get_param("KeyId"))
        if key is not None and key.key_state != "PendingDeletion":
            raise JsonRESTError("KMSInvalidStateException", f"{key.arn} is not pending deletion.")
        return _with_arn(original(self), key)

    @override(KmsResponse, "schedule_key_deletion")
    def schedule_key_deletion(original: Any, self: Any) -> str:
        days = self._get_param("PendingWindowInDays")
        if days is not None and days not in WAIT_DAYS:
            raise JsonRESTError(
                "ValidationException",
                f"PendingWindowInDays must be between {WAIT_DAYS.start} and {WAIT_DAYS.stop - 1} days.",
            )
        return _with_arn(original(self), _key(self, self._get_param("KeyId")))


def _refuse(action: str) -> None:
    @override(KmsResponse, action)
    def call(original: Any, self: Any) -> Any:
        key = _key(self, self._get_param("TargetKeyId") or self._get_param("KeyId"))
        if key is not None and key.key_state == "PendingDeletion":
            raise JsonRESTError("KMSInvalidStateException", f"{key.arn} is pending deletion.")
        if key is not None and key.key_state == "Disabled" and action in REFUSED_WHILE_DISABLED:
            raise JsonRESTError("DisabledException", f"{key.arn} is disabled.")
        return original(self)


def _key(response: Any, name: str | None) -> Any | None:
    """None where the call names no key, or one that isn't there: moto says so."""
    if not name:
        return None
    backend = response.kms_backend
    name = backend.get_alias_name(name)
    if name.startswith("alias/"):
        name = backend.get_key_id_from_alias(name)
    return backend.keys.get(backend.get_key_id(name)) if name else None


def _with_arn(body: str, key: Any) -> str:
    return json.dumps({**json.loads(body), "KeyId": key.arn, "KeyState": key.key_state})
