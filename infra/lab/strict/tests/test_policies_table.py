"""Every row of the policies' table as a live request: the lab answers as the evaluator does.

The table and the policies are `policies/tests/table.toml` and `policies/rendered/`; `policies/tests/table` puts the
same rows to the evaluator itself. Principals have the table's own unique ids here, and the keys theirs.
"""

import json
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from moto.iam.models import iam_backends
from moto.kms.models import kms_backends
from moto.organizations.models import FakeAccount, organizations_backends
from strict import seed
from strict.policies.s3_actions import HEADER_KEYS

POLICIES = Path(__file__).parents[4] / "policies"
TABLE = tomllib.loads((POLICIES / "tests/table.toml").read_text())
LIVE = [row for row in TABLE["row"] if "unlike_live" not in row]
BUCKET = "holdfast-trail-222222222222-eu-central-1"
ATTACKERS_BUCKET = "the-attackers-bucket"
COMPUTE = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "ec2:*", "Resource": "*"}]}
EVERYTHING = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
HEADERS = {key: header for header, key in HEADER_KEYS.items()}


def expand(text: str) -> str:
    for name, value in TABLE["names"].items():
        if "{" + name + "}" in text:
            return expand(text.replace("{" + name + "}", value))
    return text


def policy(name: str) -> str:
    made_up = {"everything": EVERYTHING, "compute": COMPUTE}
    return json.dumps(made_up[name]) if name in made_up else (POLICIES / f"rendered/{name}.json").read_text()


@pytest.fixture(scope="module")
def world(lab: Any) -> Iterator["World"]:
    """The organisation that the table speaks of."""
    yield World(lab)


class World:
    def __init__(self, lab: Any) -> None:
        self.lab = lab
        self._join("444444444444", seed.MANAGEMENT)
        _another_organisation("333333333333", "o-strangers1")
        people = {name: principal for name, principal in TABLE["principals"].items() if "role" in principal}
        self._sessions = {name: self._session(**principal) for name, principal in people.items()}
        self._key(expand("{trail_key}"), policy("trail-key"))
        self._key(expand("{estate_key}"), policy("estate-key"))
        self._key(expand("{other_key}"), None)
        self._trail()
        attacker = self.client("s3", "stranger")
        attacker.create_bucket(Bucket=ATTACKERS_BUCKET, CreateBucketConfiguration={"LocationConstraint": seed.REGION})
        other_host = seed.role_session(expand("{host_role}"), "i-0bbbbbbbbbbbbbbbb")
        self.versions = {
            expand("{own}"): self._put(self.client("s3", "host"), expand("{own}")),
            expand("{anothers}"): self._put(lab.client("s3", credentials=other_host), expand("{anothers}")),
        }

    def client(self, service: str, principal: str, plain: bool = False) -> Any:
        return self.lab.client(service, credentials=self._sessions[principal], plain=plain)

    @staticmethod
    def _join(account: str, management: str) -> None:
        backend = organizations_backends[management][seed.PARTITION]
        member = FakeAccount(backend.org, AccountName=account, Email=f"{account}@example.org")
        member.id = account
        backend.accounts.append(member)

    @staticmethod
    def _session(role: str, account: str, user_id: str, policy: str, **_: str) -> seed.Credentials:
        iam = iam_backends[account][seed.PARTITION]
        trust = (POLICIES / "rendered/host-trust.json").read_text()
        if role not in [existing.name for existing in iam.roles.values()]:
            iam.create_role(role, trust, "/", None, "", [], 3600)
        found = iam.get_role(role)
        iam.roles.pop(found.id)
        found.id, _, session_name = user_id.partition(":")
        iam.roles[found.id] = found
        iam.put_role_policy(role, "table", globals()["policy"](policy))
        return seed.role_session(found.arn, session_name)

    @staticmethod
    def _key(arn: str, document: str | None) -> None:
        _, _, _, region, account, path = arn.split(":")
        backend = kms_backends[account][region]
        key = backend.create_key(document, "ENCRYPT_DECRYPT", "SYMMETRIC_DEFAULT", "", [])
        del backend.keys[key.id]
        key.id = path.removeprefix("key/")
        key.arn = arn
        backend.keys[key.id] = key

    def _trail(self) -> None:
        s3 = self.client("s3", "audit_administrator")
        s3.create_bucket(
            Bucket=BUCKET,
            ObjectLockEnabledForBucket=True,
            CreateBucketConfiguration={"LocationConstraint": seed.REGION},
        )
        s3.put_public_access_block(
            Bucket=BUCKET,
            PublicAccessBlockConfiguration={
                "BlockPublicAcls": True,
                "IgnorePublicAcls": True,
                "BlockPublicPolicy": True,
                "RestrictPublicBuckets": True,
            },
        )
        default = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": expand("{trail_key}")}
        rule = {"ApplyServerSideEncryptionByDefault": default, "BucketKeyEnabled": True}
        s3.put_bucket_encryption(Bucket=BUCKET, ServerSideEncryptionConfiguration={"Rules": [rule]})
        s3.put_bucket_policy(Bucket=BUCKET, Policy=policy("trail-bucket"))

    @staticmethod
    def _put(s3: Any, arn: str) -> str:
        key = arn.partition("/")[2]
        return str(s3.put_object(Bucket=BUCKET, Key=key, Body=b"a record", IfNoneMatch="*")["VersionId"])


def _another_organisation(account: str, organisation: str) -> None:
    backend = organizations_backends[account][seed.PARTITION]
    if backend.org is None:
        backend.create_organization(region=seed.REGION, FeatureSet="ALL")
    backend.org.id = organisation


class Row:
    """A row as a request."""

    def __init__(self, world: World, row: dict[str, Any], index: int) -> None:
        given = TABLE["context"].get(row["action"], {}) | row.get("context", {})
        self.context = {key: expand(value) for key, value in given.items() if key not in row.get("without", [])}
        self.service, _, self.action = row["action"].partition(":")
        plain = self.context.get("aws:SecureTransport") == "false"
        self.client = world.client(self.service, row["principal"], plain)
        self.account = TABLE["principals"][row["principal"]]["account"]
        self.arn = expand(row["resource"])
        self.version = world.versions.get(self.arn, "null")
        bucket, _, key = self.arn.partition(":::")[2].partition("/")
        # A put that is allowed must not meet another row's object.
        self.object = {"Bucket": bucket, "Key": f"{key}.{index}" if self.action == "PutObject" else key}
        self.bucket = {"Bucket": bucket}

    def send(self) -> None:
        REQUESTS[f"{self.service}:{self.action}"](self)

    def put(self) -> None:
        headers = {HEADERS[key]: value for key, value in self.context.items() if key in HEADERS}

        def add_headers(request: Any, **_: Any) -> None:
            for name, value in headers.items():
                if name not in request.headers:
                    request.headers[name] = value

        self.client.meta.events.register("before-sign.s3", add_headers)
        if self.context["s3:ObjectCreationOperation"] == "false":
            self.client.create_multipart_upload(**self.object)
        elif "s3:x-amz-copy-source" in self.context:
            self.client.copy_object(**self.object, CopySource=self.context["s3:x-amz-copy-source"])
        else:
            self.client.put_object(**self.object, Body=b"a record")

    def key_name(self) -> str:
        """The key's id where the caller's account has it: moto schedules no deletion by an ARN."""
        return self.arn.rpartition("/")[2] if f":{self.account}:" in self.arn else self.arn

    def key(self) -> dict[str, Any]:
        prefix = "kms:EncryptionContext:"
        context = {name.removeprefix(prefix): value for name, value in self.context.items() if name.startswith(prefix)}
        return {"KeyId": self.arn, "EncryptionContext": context}


LOCK = {"ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 1}}}
RETENTION = {"Mode": "GOVERNANCE", "RetainUntilDate": "2030-01-01T00:00:00Z"}
LIFECYCLE = {"Rules": [{"ID": "all", "Status": "Enabled", "Filter": {"Prefix": ""}, "Expiration": {"Days": 1}}]}
ACCOUNT_POLICY = json.dumps(EVERYTHING)

REQUESTS: dict[str, Callable[[Row], Any]] = {
    "kms:CreateGrant": lambda row: row.client.create_grant(
        KeyId=row.arn, GranteePrincipal="arn:aws:iam::111111111111:role/ci", Operations=["Decrypt"]
    ),
    "kms:Decrypt": lambda row: row.client.decrypt(**row.key(), CiphertextBlob=b"0" * 80),
    "kms:GenerateDataKey": lambda row: row.client.generate_data_key(**row.key(), KeySpec="AES_256"),
    "kms:PutKeyPolicy": lambda row: row.client.put_key_policy(
        KeyId=row.key_name(),
        PolicyName="default",
        Policy=policy(f"{'trail' if row.arn == expand('{trail_key}') else 'estate'}-key"),
        BypassPolicyLockoutSafetyCheck=row.context["kms:BypassPolicyLockoutSafetyCheck"] == "true",
    ),
    "kms:DescribeKey": lambda row: row.client.describe_key(KeyId=row.arn),
    "kms:ScheduleKeyDeletion": lambda row: row.client.schedule_key_deletion(
        KeyId=row.key_name(), PendingWindowInDays=int(row.context["kms:ScheduleKeyDeletionPendingWindowInDays"])
    ),
    "s3:BypassGovernanceRetention": lambda row: row.client.put_object_retention(
        **row.object, VersionId=row.version, Retention={}, BypassGovernanceRetention=True
    ),
    "s3:DeleteObject": lambda row: row.client.delete_object(**row.object),
    "s3:DeleteObjectVersion": lambda row: row.client.delete_object(**row.object, VersionId=row.version),
    "s3:GetObject": lambda row: row.client.get_object(**row.object),
    "s3:GetObjectVersion": lambda row: row.client.get_object(**row.object, VersionId=row.version),
    "s3:ListBucket": lambda row: row.client.list_objects_v2(**row.bucket),
    "s3:ListBucketVersions": lambda row: row.client.list_object_versions(**row.bucket),
    "s3:PutBucketObjectLockConfiguration": lambda row: row.client.put_object_lock_configuration(
        **row.bucket, ObjectLockConfiguration=LOCK
    ),
    "s3:PutBucketPolicy": lambda row: row.client.put_bucket_policy(**row.bucket, Policy=ACCOUNT_POLICY),
    "s3:PutBucketVersioning": lambda row: row.client.put_bucket_versioning(
        **row.bucket, VersioningConfiguration={"Status": "Suspended"}
    ),
    "s3:PutLifecycleConfiguration": lambda row: row.client.put_bucket_lifecycle_configuration(
        **row.bucket, LifecycleConfiguration=LIFECYCLE
    ),
    "s3:PutObject": Row.put,
    "s3:PutObjectAcl": lambda row: row.client.put_object_acl(**row.object, ACL="public-read"),
    "s3:PutObjectLegalHold": lambda row: row.client.put_object_legal_hold(**row.object, LegalHold={"Status": "ON"}),
    "s3:PutObjectRetention": lambda row: row.client.put_object_retention(**row.object, Retention=RETENTION),
    "s3:PutObjectTagging": lambda row: row.client.put_object_tagging(
        **row.object, Tagging={"TagSet": [{"Key": "a", "Value": "b"}]}
    ),
    "sts:AssumeRole": lambda row: row.client.assume_role(
        RoleArn=row.arn, RoleSessionName=row.context["sts:RoleSessionName"]
    ),
}
BECAUSE = {
    "implicitly denied": "because no policy allows the action",
    "explicitly denied": "because an explicit deny in a policy",
}


@pytest.mark.parametrize(("index", "row"), list(enumerate(LIVE)), ids=[row["name"] for row in LIVE])
def test_the_lab_answers_as_the_evaluator_does(world: World, index: int, row: dict[str, Any]) -> None:
    request = Row(world, row, index)
    if row["expect"] == "allowed":
        request.send()
        return
    with pytest.raises(ClientError) as refused:
        request.send()
    error = refused.value.response["Error"]
    assert error["Code"] in ("AccessDenied", "AccessDeniedException"), error
    assert f"perform: {row['action']} on" in error["Message"], error
    assert BECAUSE[row["expect"]] in error["Message"], error


def test_most_rows_are_live() -> None:
    assert len(LIVE) >= 70, f"only {len(LIVE)} of {len(TABLE['row'])} rows are put to the lab"
