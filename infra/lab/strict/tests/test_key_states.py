"""strict.truths.key_states"""

import datetime

import pytest


@pytest.fixture
def kms(lab):
    return lab.client("kms")


@pytest.fixture
def key(kms):
    return kms.create_key()["KeyMetadata"]["Arn"]


@pytest.mark.parametrize("days", [1, 6, 31])
def test_a_wait_out_of_bounds_is_refused(kms, key, refused, days):
    with refused("ValidationException"):
        kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=days)
    assert kms.describe_key(KeyId=key)["KeyMetadata"]["KeyState"] == "Enabled"


def test_a_key_waits_and_can_be_saved(kms, key, refused):
    scheduled = kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=30)
    wait = scheduled["DeletionDate"] - datetime.datetime.now(datetime.UTC)
    assert datetime.timedelta(days=29) < wait <= datetime.timedelta(days=30)
    assert scheduled["KeyId"] == key
    with refused("KMSInvalidStateException", says="is pending deletion"):
        kms.schedule_key_deletion(KeyId=key)
    assert kms.cancel_key_deletion(KeyId=key)["KeyId"] == key
    assert kms.describe_key(KeyId=key)["KeyMetadata"]["KeyState"] == "Disabled"
    with refused("KMSInvalidStateException", says="is not pending deletion"):
        kms.cancel_key_deletion(KeyId=key)
    with refused("DisabledException"):
        kms.encrypt(KeyId=key, Plaintext=b"x")
    kms.enable_key(KeyId=key)
    assert kms.encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]


def test_a_pending_key_takes_no_alias_tag_or_use(kms, key, unique, refused):
    kms.create_alias(AliasName=f"alias/{unique}", TargetKeyId=key)
    kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
    for call in (
        lambda: kms.create_alias(AliasName=f"alias/{unique}-2", TargetKeyId=key),
        lambda: kms.tag_resource(KeyId=key, Tags=[{"TagKey": "k", "TagValue": "v"}]),
        lambda: kms.enable_key(KeyId=key),
        lambda: kms.encrypt(KeyId=f"alias/{unique}", Plaintext=b"x"),
        lambda: kms.generate_data_key(KeyId=key, KeySpec="AES_256"),
        lambda: kms.enable_key_rotation(KeyId=key),
    ):
        with refused("KMSInvalidStateException"):
            call()
    kms.delete_alias(AliasName=f"alias/{unique}")
    assert kms.describe_key(KeyId=key)["KeyMetadata"]["KeyState"] == "PendingDeletion"
