"""KMS keys as other services see them: named by id, ARN, alias or alias's ARN, in any account."""

from typing import Any

from moto.kms.models import kms_backends


def arn(account: str, region: str, name: str) -> str:
    """The ARN that a service reports for a key that was named in any way. A name of nothing stays as it is."""
    found = find(account, region, name)
    return found.arn if found is not None else name


def find(account: str, region: str, name: str) -> Any | None:
    """moto's key; None where there is none of that name."""
    if name.startswith("arn:"):
        _, _, _, region, account, name = name.split(":", 5)
        name = name.removeprefix("key/")
    backend = kms_backends[account][region]
    if name.startswith("alias/"):
        name = backend.get_key_id_from_alias(name) or name
    return backend.keys.get(name)
