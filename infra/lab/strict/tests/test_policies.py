"""Policies are evaluated, and looked at when they are put; what can't be judged is refused."""

import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from botocore import UNSIGNED
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from strict import policies, seed
from strict.policies.documents import is_public
from strict.policies.evaluator import Evaluator, Question, Unanswered
from werkzeug.test import EnvironBuilder
from werkzeug.wrappers import Request


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(action: str | list[str], resource: str = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def trust(principal: dict[str, str]) -> str:
    return document({"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"})


OPERATORS = {"AWS": f"arn:aws:iam::{seed.WORKLOADS}:root"}


@pytest.fixture
def role(lab, unique) -> Callable[..., seed.Credentials]:
    """Makes a role with these statements, and a session of it."""
    iam = lab.client("iam")

    def make(*statements: dict[str, Any]) -> seed.Credentials:
        arn = iam.create_role(RoleName=unique, AssumeRolePolicyDocument=trust(OPERATORS))["Role"]["Arn"]
        if statements:
            iam.put_role_policy(RoleName=unique, PolicyName="p", PolicyDocument=document(*statements))
        return seed.role_session(arn, "session")

    return make


@pytest.fixture
def bucket(lab, unique) -> str:
    """A bucket of the audit account, with an object ``a``."""
    s3 = lab.client("s3", account="audit")
    s3.create_bucket(Bucket=unique, CreateBucketConfiguration={"LocationConstraint": seed.REGION})
    s3.put_object(Bucket=unique, Key="a", Body=b"a")
    return unique


def attach(lab, bucket: str, *statements: dict[str, Any]) -> None:
    lab.client("s3", account="audit").put_bucket_policy(Bucket=bucket, Policy=document(*statements))


# --- Whose a request is ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("service", "call", "code"),
    [
        ("s3", "list_buckets", "InvalidAccessKeyId"),
        ("sts", "get_caller_identity", "InvalidClientTokenId"),
        ("iam", "list_roles", "InvalidClientTokenId"),
        ("ec2", "describe_vpcs", "AuthFailure"),
    ],
)
def test_an_access_key_that_nobody_has_is_refused(lab, refused, service, call, code):
    nobody = seed.Credentials("ASIA0000000000000000", "secret", "token")
    with refused(code):
        getattr(lab.client(service, credentials=nobody), call)()


def test_a_session_with_anothers_token_is_refused(lab, refused):
    mixed = replace(seed.operator(seed.WORKLOADS), session_token=seed.operator(seed.AUDIT).session_token)
    with refused("InvalidToken"):
        lab.client("s3", credentials=mixed).list_buckets()


@pytest.mark.parametrize("service", ["s3", "sts", "kms"])
def test_a_request_signed_with_anothers_secret_is_refused(lab, refused, service):
    calls = {"s3": "list_buckets", "sts": "get_caller_identity", "kms": "list_keys"}
    forged = replace(seed.operator(seed.WORKLOADS), secret_access_key="not the secret")
    with refused("SignatureDoesNotMatch"):
        getattr(lab.client(service, credentials=forged), calls[service])()


def test_what_was_not_signed_is_refused(lab, refused, bucket):
    s3 = lab.client("s3", account="audit")

    def rename(request: Any, **_: Any) -> None:
        request.url = request.url.replace("/b?", "/c?").replace("/b", "/c")

    s3.put_object(Bucket=bucket, Key="b", Body=b"")
    s3.meta.events.register("before-send.s3", rename)
    with refused("SignatureDoesNotMatch"):
        s3.put_object(Bucket=bucket, Key="b", Body=b"")


@pytest.mark.parametrize("key", ["plain", "a b+c/ä~", "x:i-0/=&%?", "tail/", "a//b"])
def test_any_name_can_be_signed(lab, bucket, key):
    s3 = lab.client("s3", account="audit")
    s3.put_object(Bucket=bucket, Key=key, Body=b"x", ContentType="text/plain;  charset=utf-8")
    assert s3.list_objects_v2(Bucket=bucket, Prefix=key, StartAfter="+ &=")["KeyCount"] == 1
    assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == b"x"


def test_a_presigned_url_is_its_signers(lab, bucket):
    url = lab.client("s3", account="audit").generate_presigned_url("get_object", {"Bucket": bucket, "Key": "a"})
    context = ssl.create_default_context(cafile=lab._trust)
    assert urllib.request.urlopen(url, context=context).read() == b"a"
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(url.replace("/a?", "/b?"), context=context)
    assert refused.value.code == 403


def test_a_request_that_nobody_signed_is_refused(lab, refused, bucket):
    s3 = lab.client("s3", account="audit")
    s3.meta.events.register("choose-signer.s3", lambda **_: UNSIGNED)
    with refused("AccessDenied", "User: anonymous"):
        s3.get_object(Bucket=bucket, Key="a")


# --- Identity policies -----------------------------------------------------------------------------------------------


def test_a_role_without_a_policy_may_nothing(lab, role, refused):
    credentials = role()
    with refused("AccessDenied", "s3:ListAllMyBuckets"):
        lab.client("s3", credentials=credentials).list_buckets()
    with refused("UnauthorizedOperation", "ec2:DescribeInstances"):
        lab.client("ec2", credentials=credentials).describe_instances()
    with refused("AccessDeniedException", "kms:ListKeys"):
        lab.client("kms", credentials=credentials).list_keys()
    assert lab.client("sts", credentials=credentials).get_caller_identity()["Account"] == seed.WORKLOADS


def test_a_role_may_what_its_policy_says_and_no_more(lab, role, refused):
    credentials = role(allow("ec2:DescribeInstances"), allow("s3:ListAllMyBuckets"))
    assert lab.client("ec2", credentials=credentials).describe_instances()["Reservations"] is not None
    assert lab.client("s3", credentials=credentials).list_buckets()["Buckets"] is not None
    with refused("UnauthorizedOperation", "ec2:DescribeVpcs"):
        lab.client("ec2", credentials=credentials).describe_vpcs()


def test_a_users_name_is_put_into_its_policy(lab, unique, refused):
    iam, s3 = lab.client("iam"), lab.client("s3")
    s3.create_bucket(Bucket=unique, CreateBucketConfiguration={"LocationConstraint": seed.REGION})
    iam.create_user(UserName=unique)
    own = allow("s3:PutObject", f"arn:aws:s3:::{unique}/${{aws:username}}/*")
    arn = iam.create_policy(PolicyName=unique, PolicyDocument=document(own))["Policy"]["Arn"]
    iam.attach_user_policy(UserName=unique, PolicyArn=arn)
    key = iam.create_access_key(UserName=unique)["AccessKey"]
    user = lab.client("s3", credentials=seed.Credentials(key["AccessKeyId"], key["SecretAccessKey"], None))
    user.put_object(Bucket=unique, Key=f"{unique}/a", Body=b"")
    with refused("AccessDenied"):
        user.put_object(Bucket=unique, Key="another/a", Body=b"")


def test_a_session_policy_narrows(lab, role, unique, refused):
    sts = lab.client("sts")
    role(allow("s3:*"))
    arn = f"arn:aws:iam::{seed.WORKLOADS}:role/{unique}"
    narrow = document(allow("s3:ListAllMyBuckets"))
    narrowed = sts.assume_role(RoleArn=arn, RoleSessionName="narrow", Policy=narrow)["Credentials"]
    session = seed.Credentials(narrowed["AccessKeyId"], narrowed["SecretAccessKey"], narrowed["SessionToken"])
    s3 = lab.client("s3", credentials=session)
    assert s3.list_buckets()["Buckets"] is not None
    with refused("AccessDenied", "s3:CreateBucket"):
        s3.create_bucket(Bucket="narrowed-away", CreateBucketConfiguration={"LocationConstraint": seed.REGION})


# --- Bucket policies -------------------------------------------------------------------------------------------------


def test_across_accounts_both_sides_are_asked(lab, bucket, role, refused):
    everything, nothing = lab.client("s3"), lab.client("s3", credentials=role())
    with refused("AccessDenied", "s3:GetObject"):
        everything.get_object(Bucket=bucket, Key="a")
    attach(lab, bucket, allow("s3:GetObject", f"arn:aws:s3:::{bucket}/*", Principal=OPERATORS))
    assert everything.get_object(Bucket=bucket, Key="a")["Body"].read() == b"a"
    with refused("AccessDenied", "s3:GetObject"):
        nothing.get_object(Bucket=bucket, Key="a")


def test_an_allow_whose_condition_is_false_allows_nothing(lab, bucket, refused):
    elsewhere = {"StringEquals": {"aws:PrincipalOrgID": "o-elsewhere1"}}
    attach(lab, bucket, allow("s3:GetObject", f"arn:aws:s3:::{bucket}/*", Principal="*", Condition=elsewhere))
    with refused("AccessDenied"):
        lab.client("s3").get_object(Bucket=bucket, Key="a")


def test_a_deny_of_plain_http_denies_only_plain_http(lab, bucket, refused):
    deny = {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": f"arn:aws:s3:::{bucket}/*"}
    attach(lab, bucket, {**deny, "Condition": {"Bool": {"aws:SecureTransport": "false"}}})
    assert lab.client("s3", account="audit").get_object(Bucket=bucket, Key="a")["Body"].read() == b"a"
    with refused("AccessDenied", "an explicit deny"):
        lab.client("s3", account="audit", plain=True).get_object(Bucket=bucket, Key="a")


def test_several_deletes_are_answered_one_by_one(lab, bucket):
    s3 = lab.client("s3", account="audit")
    s3.put_object(Bucket=bucket, Key="b", Body=b"b")
    deny = {"Effect": "Deny", "Principal": "*", "Action": "s3:DeleteObject", "Resource": f"arn:aws:s3:::{bucket}/a"}
    attach(lab, bucket, deny)
    answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "a"}, {"Key": "b"}]})
    assert [(error["Key"], error["Code"]) for error in answer["Errors"]] == [("a", "AccessDenied")]
    assert [deleted["Key"] for deleted in answer["Deleted"]] == ["b"]
    assert s3.get_object(Bucket=bucket, Key="a")["Body"].read() == b"a"


def test_a_header_that_asks_for_more_needs_more(lab, bucket, refused):
    puts = allow("s3:PutObject", f"arn:aws:s3:::{bucket}/*", Principal=OPERATORS)
    attach(lab, bucket, puts)
    s3 = lab.client("s3")
    s3.put_object(Bucket=bucket, Key="b", Body=b"")
    for header, action in [
        ({"ACL": "public-read"}, "s3:PutObjectAcl"),
        ({"Tagging": "a=b"}, "s3:PutObjectTagging"),
        ({"ObjectLockLegalHoldStatus": "ON"}, "s3:PutObjectLegalHold"),
    ]:
        with refused("AccessDenied", action):
            s3.put_object(Bucket=bucket, Key="c", Body=b"", **header)


def test_a_copy_reads_its_source(lab, bucket, refused):
    attach(lab, bucket, allow("s3:PutObject", f"arn:aws:s3:::{bucket}/*", Principal=OPERATORS))
    with refused("AccessDenied", "s3:GetObject"):
        lab.client("s3").copy_object(Bucket=bucket, Key="b", CopySource={"Bucket": bucket, "Key": "a"})


# --- Keys ------------------------------------------------------------------------------------------------------------


def test_a_put_under_a_key_needs_the_key(lab, bucket, refused):
    kms = lab.client("kms", account="audit")
    key = kms.create_key()["KeyMetadata"]["Arn"]
    attach(lab, bucket, allow(["s3:PutObject", "s3:GetObject"], f"arn:aws:s3:::{bucket}/*", Principal=OPERATORS))
    default = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}}
    lab.client("s3", account="audit").put_bucket_encryption(
        Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": [default]}
    )
    s3 = lab.client("s3")
    with refused("AccessDenied", f"kms:GenerateDataKey on resource: {key}"):
        s3.put_object(Bucket=bucket, Key="b", Body=b"b")

    root = {"AWS": f"arn:aws:iam::{seed.AUDIT}:root"}
    through_s3 = {"StringEquals": {"kms:ViaService": f"s3.{seed.REGION}.amazonaws.com"}}
    puts = allow("kms:GenerateDataKey", Principal=OPERATORS, Condition=through_s3)
    kms.put_key_policy(KeyId=key, PolicyName="default", Policy=document(allow("kms:*", Principal=root), puts))
    s3.put_object(Bucket=bucket, Key="b", Body=b"b")
    with refused("AccessDenied", f"kms:Decrypt on resource: {key}"):
        s3.get_object(Bucket=bucket, Key="b")
    with refused("AccessDeniedException", "kms:GenerateDataKey"):
        lab.client("kms").generate_data_key(KeyId=key, KeySpec="AES_256")
    assert lab.client("s3", account="audit").get_object(Bucket=bucket, Key="b")["Body"].read() == b"b"


def test_a_key_that_is_not_there_encrypts_nothing(lab, bucket, refused):
    missing = f"arn:aws:kms:{seed.REGION}:{seed.AUDIT}:key/00000000-0000-0000-0000-000000000000"
    with refused("KMS.NotFoundException"):
        lab.client("s3", account="audit").put_object(
            Bucket=bucket, Key="b", Body=b"", ServerSideEncryption="aws:kms", SSEKMSKeyId=missing
        )


# --- Roles -----------------------------------------------------------------------------------------------------------


def test_a_role_is_assumed_only_by_whom_it_trusts(lab, unique, refused):
    iam, sts = lab.client("iam"), lab.client("sts")
    ec2 = iam.create_role(RoleName=unique, AssumeRolePolicyDocument=trust({"Service": "ec2.amazonaws.com"}))
    with refused("AccessDenied", "sts:AssumeRole"):
        sts.assume_role(RoleArn=ec2["Role"]["Arn"], RoleSessionName="i-0123456789abcdef0")
    with refused("AccessDenied", "sts:AssumeRole"):
        sts.assume_role(RoleArn=f"arn:aws:iam::{seed.WORKLOADS}:role/there-is-none", RoleSessionName="alice")
    people = iam.create_role(RoleName=f"{unique}-people", AssumeRolePolicyDocument=trust(OPERATORS))
    assert sts.assume_role(RoleArn=people["Role"]["Arn"], RoleSessionName="alice")["Credentials"]
    with refused("AccessDenied", "sts:AssumeRole"):
        lab.client("sts", account="audit").assume_role(RoleArn=people["Role"]["Arn"], RoleSessionName="alice")


def test_a_web_identity_that_nobody_vouches_for_assumes_nothing(lab, refused):
    with refused("AccessDenied"):
        lab.client("sts").assume_role_with_web_identity(
            RoleArn=f"arn:aws:iam::{seed.AUDIT}:role/{seed.ACCESS_ROLE}",
            RoleSessionName="alice",
            WebIdentityToken="token",
        )


# --- Documents -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "policy",
    [
        "not JSON",
        "[]",
        document({"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::{bucket}/*"}),
        document({"Effect": "Perhaps", "Principal": "*", "Action": "s3:*", "Resource": "arn:aws:s3:::{bucket}/*"}),
        document({"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "arn:aws:s3:::another/*"}),
    ],
)
def test_a_malformed_bucket_policy_is_refused(lab, bucket, refused, policy):
    with refused("MalformedPolicy"):
        lab.client("s3", account="audit").put_bucket_policy(Bucket=bucket, Policy=policy.replace("{bucket}", bucket))


def test_a_public_policy_is_refused_where_that_is_blocked(lab, bucket, refused):
    s3 = lab.client("s3", account="audit")
    public = allow("s3:GetObject", f"arn:aws:s3:::{bucket}/*", Principal="*")
    attach(lab, bucket, public)
    block = {"BlockPublicPolicy": True}
    s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=block)
    with refused("AccessDenied", "BlockPublicPolicy"):
        attach(lab, bucket, public)
    attach(lab, bucket, {**public, "Condition": {"StringEquals": {"aws:PrincipalOrgID": seed.ORGANIZATION}}})


@pytest.mark.parametrize(
    ("condition", "public"),
    [
        ({}, True),
        ({"Bool": {"aws:SecureTransport": "true"}}, True),
        ({"StringLike": {"aws:PrincipalOrgID": "o-*"}}, True),
        ({"StringNotEquals": {"aws:PrincipalOrgID": "o-elsewhere1"}}, True),
        ({"StringEqualsIfExists": {"aws:PrincipalOrgID": "o-elsewhere1"}}, True),
        ({"StringEquals": {"aws:PrincipalOrgID": "o-elsewhere1"}}, False),
        ({"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::111111111111:role/a"}}, False),
        ({"IpAddress": {"aws:SourceIp": "0.0.0.0/1"}}, True),
        ({"IpAddress": {"aws:SourceIp": ["203.0.113.0/24"]}}, False),
    ],
)
def test_a_policy_for_everybody_is_public_unless_a_fixed_value_narrows_it(condition, public):
    statement = allow("s3:GetObject", "arn:aws:s3:::b/*", Principal={"AWS": "*"}, Condition=condition)
    assert is_public({"Statement": [statement]}) is public
    assert not is_public({"Statement": {**statement, "Effect": "Deny"}})


def test_a_malformed_key_policy_is_refused(lab, refused):
    kms = lab.client("kms")
    for policy in ["not JSON", document(allow("kms:*"))]:
        with refused("MalformedPolicyDocumentException"):
            kms.create_key(Policy=policy)
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    with refused("MalformedPolicyDocumentException"):
        kms.put_key_policy(KeyId=key, PolicyName="default", Policy=document(allow("kms:*")))


def test_a_malformed_trust_policy_is_refused(lab, unique, refused):
    with refused("MalformedPolicyDocument"):
        lab.client("iam").create_role(RoleName=unique, AssumeRolePolicyDocument=document(allow("sts:AssumeRole")))


# --- What can't be judged --------------------------------------------------------------------------------------------


def test_an_evaluator_that_is_gone_lets_nothing_through(lab, tmp_path):
    gone = policies.guard(Evaluator(Path("/bin/true"), tmp_path))
    operator = seed.operator(seed.WORKLOADS)
    signed = AWSRequest("GET", "http://localhost/bucket/key")
    S3SigV4Auth(Credentials(*vars(operator).values()), "s3", seed.REGION).add_auth(signed)
    builder = EnvironBuilder("/bucket/key", base_url="http://localhost", headers=dict(signed.headers))
    response = gone(Request(builder.get_environ()))
    assert response is not None and response.status_code == 500
    assert b"InternalError" in response.get_data()


def test_an_object_named_with_a_star_is_not_taken_for_a_pattern(lab, bucket):
    with pytest.raises(ClientError) as refused:
        lab.client("s3", account="audit").put_object(Bucket=bucket, Key="a*", Body=b"")
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 500


def test_the_evaluator_says_when_it_cannot_judge(request):
    evaluator = Evaluator(request.config.getoption("--node"), request.config.getoption("--evaluator"))
    question = Question("arn:aws:iam::111111111111:role/a", "s3:NoSuchAction", "*", "111111111111", {}, {})
    with pytest.raises(Unanswered, match="invalid.action"):
        evaluator.judge(question)
