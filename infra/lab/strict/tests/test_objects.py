"""Buckets and objects: strict.truths.object_lock, object_checksums, bucket_tags."""

import base64
import datetime
import hashlib

import pytest

REGION = {"LocationConstraint": "eu-central-1"}


@pytest.fixture
def s3(lab):
    return lab.client("s3")


@pytest.fixture
def locked(s3, unique):
    """A bucket with object lock and a default retention."""
    s3.create_bucket(Bucket=unique, CreateBucketConfiguration=REGION, ObjectLockEnabledForBucket=True)
    retain(s3, unique, "GOVERNANCE", 30)
    return unique


def retain(s3, bucket, mode, days):
    rule = {"DefaultRetention": {"Mode": mode, "Days": days}}
    s3.put_object_lock_configuration(
        Bucket=bucket, ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", "Rule": rule}
    )


def days_ahead(days):
    return datetime.datetime.now(datetime.UTC).replace(microsecond=0) + datetime.timedelta(days=days)


def test_retention_is_read_back(s3, locked, refused):
    s3.put_object(Bucket=locked, Key="k", Body=b"x")
    retention = s3.get_object_retention(Bucket=locked, Key="k")["Retention"]
    assert retention["Mode"] == "GOVERNANCE"
    assert abs(retention["RetainUntilDate"] - days_ahead(30)) < datetime.timedelta(minutes=5)
    with refused("NoSuchKey"):
        s3.get_object_retention(Bucket=locked, Key="gone")


def test_governance_is_shortened_only_with_the_bypass(s3, locked, refused):
    s3.put_object(Bucket=locked, Key="k", Body=b"x")
    shorter = {"Mode": "GOVERNANCE", "RetainUntilDate": days_ahead(1)}
    with refused("AccessDenied"):
        s3.put_object_retention(Bucket=locked, Key="k", Retention=shorter)
    s3.put_object_retention(Bucket=locked, Key="k", Retention=shorter, BypassGovernanceRetention=True)
    assert s3.get_object_retention(Bucket=locked, Key="k")["Retention"] == shorter


def test_compliance_is_never_shortened(s3, locked, refused):
    s3.put_object(Bucket=locked, Key="k", Body=b"x")
    longer = {"Mode": "COMPLIANCE", "RetainUntilDate": days_ahead(60)}
    s3.put_object_retention(Bucket=locked, Key="k", Retention=longer)
    for weaker in (
        {"Mode": "COMPLIANCE", "RetainUntilDate": days_ahead(59)},
        {"Mode": "GOVERNANCE", "RetainUntilDate": days_ahead(90)},
    ):
        with refused("AccessDenied"):
            s3.put_object_retention(Bucket=locked, Key="k", Retention=weaker, BypassGovernanceRetention=True)
    longest = {"Mode": "COMPLIANCE", "RetainUntilDate": days_ahead(90)}
    s3.put_object_retention(Bucket=locked, Key="k", Retention=longest)
    assert s3.get_object_retention(Bucket=locked, Key="k")["Retention"] == longest


def test_a_locked_version_stays(s3, locked, refused):
    version = s3.put_object(Bucket=locked, Key="k", Body=b"x")["VersionId"]
    with refused("AccessDenied"):
        s3.delete_object(Bucket=locked, Key="k", VersionId=version)


def test_a_locked_bucket_stays_versioned(s3, locked, refused):
    with refused("InvalidBucketState"):
        s3.put_bucket_versioning(Bucket=locked, VersioningConfiguration={"Status": "Suspended"})
    assert s3.get_bucket_versioning(Bucket=locked)["Status"] == "Enabled"


def test_the_versioning_of_a_bucket_is_in_the_element_that_s3_names(s3, locked):
    answers = []
    s3.meta.events.register("after-call.s3.GetBucketVersioning", lambda http_response, **_: answers.append(http_response))
    s3.get_bucket_versioning(Bucket=locked)
    assert b"<VersioningConfiguration xmlns=" in answers[0].content


def test_the_default_retention_of_a_bucket_in_use_can_be_changed(s3, locked):
    s3.put_object(Bucket=locked, Key="k", Body=b"x")
    retain(s3, locked, "GOVERNANCE", 60)
    rule = s3.get_object_lock_configuration(Bucket=locked)["ObjectLockConfiguration"]["Rule"]
    assert rule["DefaultRetention"] == {"Mode": "GOVERNANCE", "Days": 60}
    assert s3.get_object(Bucket=locked, Key="k")["Body"].read() == b"x"


def plain_put(s3, bucket, key, body, headers):
    """A put with these headers and none that the SDK adds about checksums."""

    def only(params, **_):
        for name in [n for n in params["headers"] if n.lower().startswith(("x-amz-checksum", "x-amz-sdk-checksum"))]:
            del params["headers"][name]
        params["headers"].update(headers)

    s3.meta.events.register("before-call.s3.PutObject", only)
    try:
        return s3.put_object(Bucket=bucket, Key=key, Body=body)
    finally:
        s3.meta.events.unregister("before-call.s3.PutObject", only)


def sha256(body):
    return base64.b64encode(hashlib.sha256(body).digest()).decode()


def test_a_checksum_alone_is_enough_under_default_retention(lab, locked, refused):
    s3 = lab.client("s3", checksums="when_required")
    plain_put(s3, locked, "k", b"x", {"x-amz-checksum-sha256": sha256(b"x")})
    head = s3.head_object(Bucket=locked, Key="k", ChecksumMode="ENABLED")
    assert head["ChecksumSHA256"] == sha256(b"x")
    with refused("InvalidRequest"):
        plain_put(s3, locked, "none", b"x", {})


def test_a_wrong_checksum_is_refused(lab, locked, refused):
    s3 = lab.client("s3", checksums="when_required")
    md5 = base64.b64encode(hashlib.md5(b"y").digest()).decode()
    for headers in ({"x-amz-checksum-sha256": sha256(b"y")}, {"Content-MD5": md5}):
        with refused("BadDigest"):
            plain_put(s3, locked, "k", b"x", headers)
    with refused("404"):
        s3.head_object(Bucket=locked, Key="k")


def test_a_bucket_has_the_tags_of_its_creation(s3, unique):
    tags = [{"Key": "Project", "Value": "contest"}, {"Key": "Name", "Value": "trail"}]
    s3.create_bucket(Bucket=unique, CreateBucketConfiguration={**REGION, "Tags": tags})
    assert s3.get_bucket_tagging(Bucket=unique)["TagSet"] == tags


def test_a_put_without_encryption_of_its_own_takes_the_buckets(lab, s3, unique):
    key = lab.client("kms").create_key()["KeyMetadata"]["Arn"]
    s3.create_bucket(Bucket=unique, CreateBucketConfiguration=REGION)
    default = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}
    s3.put_bucket_encryption(
        Bucket=unique,
        ServerSideEncryptionConfiguration={"Rules": [{"ApplyServerSideEncryptionByDefault": default}]},
    )
    put = s3.put_object(Bucket=unique, Key="k", Body=b"x")
    head = s3.head_object(Bucket=unique, Key="k")
    for answer in (put, head):
        assert (answer["ServerSideEncryption"], answer["SSEKMSKeyId"]) == ("aws:kms", key)
