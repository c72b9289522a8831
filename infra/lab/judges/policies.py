"""What others find wrong with the policies in a directory: parliament, and cfn-lint over the same in a template.

Usage: python policies.py DIRECTORY

Ends with 1 if there is a finding that isn't explained below, or an explanation of what is no longer found. Before that
each judge is given a policy with a misspelt action: one that doesn't see it isn't judging.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from parliament import analyze_policy_string

Document = dict[str, Any]
Finding = tuple[str, str]

# Policy and finding → why it is as it is.
EXPLAINED: dict[Finding, str] = {
    ("backup-trust", "parliament MALFORMED"): "parliament wants a resource in each statement; trust policies have none",
    ("host-trust", "parliament MALFORMED"): "parliament wants a resource in each statement; trust policies have none",
    ("flow-log-trust", "parliament MALFORMED"): "parliament wants a resource in each statement; trust policies have none",
    ("estate-key", "parliament RESOURCE_STAR"): "in a key's policy * is that key and nothing else",
    ("trail-key", "parliament RESOURCE_STAR"): "in a key's policy * is that key and nothing else",
    ("estate-key", "parliament MISMATCHED_TYPE"): (
        "CloudWatch Logs documents ArnLike for its encryption context, which IAM's reference has as a string"
    ),
    ("trail-bucket", "parliament MISMATCHED_TYPE_BUT_USABLE"): (
        "S3 documents string operators for the ARN of the key that a put asks for"
    ),
}
MISSPELT: Document = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "s3:GetObjekt", "Resource": "arn:aws:s3:::bucket/*"}],
}


def main(directory: Path) -> int:
    policies = {path.stem: json.loads(path.read_text()) for path in sorted(directory.glob("*.json"))}
    if not policies:
        sys.exit(f"{directory} holds no policies")
    for judge in (by_parliament, by_cfn_lint):
        if not list(judge({"misspelt": MISSPELT})):
            sys.exit(f"{judge.__name__} doesn't see that s3:GetObjekt is no action")
    found = {finding: said for judge in (by_parliament, by_cfn_lint) for finding, said in judge(policies)}
    unexplained = sorted(found.keys() - EXPLAINED.keys())
    gone = sorted(EXPLAINED.keys() - found.keys())
    for policy, finding in unexplained:
        print(f"{policy}: {finding}: {found[policy, finding]}")
    for policy, finding in gone:
        print(f"{policy}: {finding} is explained and no longer found: take the explanation out")
    print(f"{len(policies)} policies, {len(found)} kinds of findings, {len(unexplained)} of them unexplained")
    return 1 if unexplained or gone else 0


def by_parliament(policies: dict[str, Document]) -> Iterator[tuple[Finding, str]]:
    for name, document in policies.items():
        # As it stands in its file: parliament names lines.
        for finding in analyze_policy_string(json.dumps(document, indent=2)).findings:
            yield (name, f"parliament {finding.issue}"), f"{finding.detail} at {finding.location}"


def by_cfn_lint(policies: dict[str, Document]) -> Iterator[tuple[Finding, str]]:
    """cfn-lint judges templates, so each policy becomes the property of a resource that has such a one."""
    names = {f"Policy{index}": name for index, name in enumerate(policies)}
    resources = {logical: resource(name, policies[name]) for logical, name in names.items()}
    with tempfile.TemporaryDirectory() as directory:
        template = Path(directory, "template.json")
        template.write_text(json.dumps({"AWSTemplateFormatVersion": "2010-09-09", "Resources": resources}))
        command = [Path(sys.executable).with_name("cfn-lint"), "--format", "json", "--regions", "eu-central-1"]
        judged = subprocess.run([*command, "--template", template], stdout=subprocess.PIPE, text=True, check=False)
    for match in json.loads(judged.stdout or "[]"):
        logical = match["Location"]["Path"][1]
        yield (names[logical], f"cfn-lint {match['Rule']['Id']}"), match["Message"]


def resource(name: str, document: Document) -> Document:
    if name.endswith("-trust"):
        return {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": document}}
    if name.endswith("-key"):
        return {"Type": "AWS::KMS::Key", "Properties": {"KeyPolicy": document}}
    if name.endswith("-bucket"):
        return {"Type": "AWS::S3::BucketPolicy", "Properties": {"Bucket": name, "PolicyDocument": document}}
    if "-endpoint" in name:
        where = {"VpcId": "vpc-0123456789abcdef0", "ServiceName": "com.amazonaws.eu-central-1.s3"}
        return {"Type": "AWS::EC2::VPCEndpoint", "Properties": {**where, "PolicyDocument": document}}
    whose = {"RoleName": "role", "PolicyName": name}
    return {"Type": "AWS::IAM::RolePolicy", "Properties": {**whose, "PolicyDocument": document}}


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
