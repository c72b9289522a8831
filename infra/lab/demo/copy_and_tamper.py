"""Copies the trail into a directory, and alters one record of the copy as whoever holds the disk could.

Arguments: the bucket, the directory, the eventName of the record to alter. The forger is careful: the object stays valid gzip and
JSON, and the hash in its name is made right again. Prints what was altered.
"""

import gzip
import hashlib
import json
import pathlib
import re
import sys

import boto3
from botocore.config import Config

bucket, directory, event = sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3]
s3 = boto3.client("s3", config=Config(s3={"addressing_style": "path"}))

for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
    for entry in page.get("Contents", []):
        path = directory / entry["Key"]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(s3.get_object(Bucket=bucket, Key=entry["Key"])["Body"].read())

for path in sorted(directory.rglob("*.json.gz")):
    text = gzip.decompress(path.read_bytes()).decode()
    line = next((line for line in text.split("\n") if f'"eventName":"{event}"' in line), None)
    if line is None:
        continue
    record = json.loads(line.rstrip(","))
    forged = line.replace(record["userIdentity"]["arn"], record["userIdentity"]["arn"].replace("ops", "eve"))
    if forged == line:
        continue
    data = gzip.compress(text.replace(line, forged).encode(), mtime=0)
    digest = hashlib.sha256(data).hexdigest()
    path.unlink()
    path.with_name(re.sub(r"-([0-9a-f]+)\.json\.gz$", lambda old: f"-{digest[: len(old[1])]}.json.gz", path.name)).write_bytes(data)
    sequence = record["additionalEventData"]["holdfast"]["sequence"]
    print(f"altered in the copy: who made record {sequence}, {event}: ops became eve")
    sys.exit(0)
sys.exit(f"no {event} by ops in the trail")
