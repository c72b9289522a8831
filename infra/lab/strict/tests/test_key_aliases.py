"""strict.truths.key_aliases"""


def test_an_alias_keeps_the_date_that_it_was_made_on(lab, unique):
    kms = lab.client("kms")
    one, other = (kms.create_key()["KeyMetadata"]["KeyId"] for _ in range(2))
    kms.create_alias(AliasName=f"alias/{unique}", TargetKeyId=one)

    def made():
        (alias,) = (alias for alias in kms.list_aliases()["Aliases"] if alias["AliasName"] == f"alias/{unique}")
        return alias["CreationDate"]

    date = made()
    assert date >= kms.describe_key(KeyId=one)["KeyMetadata"]["CreationDate"]
    kms.update_alias(AliasName=f"alias/{unique}", TargetKeyId=other)
    assert made() == date
