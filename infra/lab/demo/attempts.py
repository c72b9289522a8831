"""What a host's role is refused in the trail: tried with the credentials in the environment, one line an attempt.

Arguments: the bucket, an object that is there, and a key below another writer's prefix.
"""

import sys

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

bucket, existing, elsewhere = sys.argv[1:]
s3 = boto3.client("s3", config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 1}))

ATTEMPTS = [
    ("list the trail", lambda: s3.list_objects_v2(Bucket=bucket)),
    ("read its own record", lambda: s3.get_object(Bucket=bucket, Key=existing)),
    ("delete its own record", lambda: s3.delete_object(Bucket=bucket, Key=existing)),
    ("overwrite its own record", lambda: s3.put_object(Bucket=bucket, Key=existing, Body=b"{}")),
    ("write as another host", lambda: s3.put_object(Bucket=bucket, Key=elsewhere, Body=b"{}", IfNoneMatch="*")),
]

succeeded = 0
for name, attempt in ATTEMPTS:
    try:
        attempt()
        succeeded += 1
        print(f"{name}: SUCCEEDED")
    except ClientError as error:
        print(f"{name}: {error.response['Error']['Code']}")
sys.exit(1 if succeeded else 0)
