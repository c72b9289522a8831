"""What tests do to the trail's bucket past Holdfast, with the credentials in the environment.

copy BUCKET DIRECTORY            copies all objects
settings BUCKET                  prints the bucket's settings as JSON
overwrite|hide BUCKET KEY        as whoever may change the bucket's policy: puts a second version, or a delete marker
attempt BUCKET KEY ELSEWHERE     prints, for each thing that a host may not do, what came of it
"""

import json
import pathlib
import sys

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

verb, bucket, *rest = sys.argv[1:]
s3 = boto3.client("s3", config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 1}))


def copy(directory):
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
        for entry in page.get("Contents", []):
            path = pathlib.Path(directory, entry["Key"])
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(s3.get_object(Bucket=bucket, Key=entry["Key"])["Body"].read())


def settings():
    rule = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"][0]
    lock = s3.get_object_lock_configuration(Bucket=bucket)["ObjectLockConfiguration"]
    print(json.dumps({
        "versioning": s3.get_bucket_versioning(Bucket=bucket).get("Status"),
        "public": s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"],
        "algorithm": rule["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"],
        "bucketKey": rule.get("BucketKeyEnabled"),
        "retention": lock["Rule"]["DefaultRetention"],
        "ownership": s3.get_bucket_ownership_controls(Bucket=bucket)["OwnershipControls"]["Rules"][0]["ObjectOwnership"],
        "policy": json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"]),
    }))


def without_policy(work):
    policy = s3.get_bucket_policy(Bucket=bucket)["Policy"]
    s3.delete_bucket_policy(Bucket=bucket)
    try:
        work()
    finally:
        s3.put_bucket_policy(Bucket=bucket, Policy=policy)


def overwrite(key):
    body = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    without_policy(lambda: s3.put_object(Bucket=bucket, Key=key, Body=body + b"\0", ChecksumAlgorithm="SHA256"))


def hide(key):
    without_policy(lambda: s3.delete_object(Bucket=bucket, Key=key))


def attempt(key, elsewhere):
    put = {"Bucket": bucket, "Body": b"{}", "ChecksumAlgorithm": "SHA256"}
    attempts = {
        "list": lambda: s3.list_objects_v2(Bucket=bucket),
        "read": lambda: s3.get_object(Bucket=bucket, Key=key),
        "delete": lambda: s3.delete_object(Bucket=bucket, Key=key),
        "overwrite": lambda: s3.put_object(Key=key, **put),
        "write elsewhere": lambda: s3.put_object(Key=elsewhere, IfNoneMatch="*", **put),
        # The one thing that it may do, to show that the others fail for what they are.
        "write below its own prefix": lambda: s3.put_object(Key=key.replace(".json.gz", ".new"), IfNoneMatch="*", **put),
    }
    for name, work in attempts.items():
        try:
            work()
            print(f"{name}: done")
        except ClientError as error:
            print(f"{name}: {error.response['Error']['Code']}")


{"copy": copy, "settings": settings, "overwrite": overwrite, "hide": hide, "attempt": attempt}[verb](*rest)
