"""strict.truths.tags"""

import json

import pytest

BAD = [
    {"Key": "aws:mine", "Value": "x"},
    {"Key": "AWS:mine", "Value": "x"},
    {"Key": "", "Value": "x"},
    {"Key": "k" * 129, "Value": "x"},
    {"Key": "k", "Value": "v" * 257},
]


@pytest.mark.parametrize("tag", BAD)
def test_ec2_refuses_it_at_creation_and_later(ec2, vpc, refused, tag):
    with refused("InvalidParameterValue"):
        ec2.create_tags(Resources=[vpc], Tags=[tag])
    with refused("InvalidParameterValue"):
        ec2.create_vpc(CidrBlock="10.0.0.0/16", TagSpecifications=[{"ResourceType": "vpc", "Tags": [tag]}])


def test_ec2_takes_others(ec2, vpc):
    ec2.create_tags(Resources=[vpc], Tags=[{"Key": "Owner's", "Value": "it's \u00e9"}, {"Key": "empty", "Value": ""}])
    tags = ec2.describe_vpcs(VpcIds=[vpc])["Vpcs"][0]["Tags"]
    assert {t["Key"]: t["Value"] for t in tags} == {"Owner's": "it's \u00e9", "empty": ""}


def test_iam_takes_no_apostrophe(lab, unique, refused):
    iam = lab.client("iam")
    statement = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
    trust = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    with refused("ValidationError"):
        iam.create_role(
            RoleName=unique, AssumeRolePolicyDocument=trust, Tags=[{"Key": "d", "Value": "the judge's hosts"}]
        )
    iam.create_role(RoleName=unique, AssumeRolePolicyDocument=trust, Tags=[{"Key": "d", "Value": "h\u00f4tes + 1"}])
    with refused("ValidationError"):
        iam.tag_role(RoleName=unique, Tags=[{"Key": "aws:d", "Value": "x"}])


def test_kms_refuses_reserved_ones(lab, refused):
    kms = lab.client("kms")
    with refused("TagException"):
        kms.create_key(Tags=[{"TagKey": "aws:d", "TagValue": "x"}])
    key = kms.create_key(Tags=[{"TagKey": "d", "TagValue": "x"}])["KeyMetadata"]["KeyId"]
    with refused("TagException"):
        kms.tag_resource(KeyId=key, Tags=[{"TagKey": "d", "TagValue": "it's"}])


def test_tags_are_found_by_resource_by_pattern_and_by_key(ec2, unique):
    vpcs = [ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"] for _ in range(2)]
    for vpc, name in zip(vpcs, ("one", "two"), strict=True):
        ec2.create_tags(Resources=[vpc], Tags=[{"Key": unique, "Value": name}])

    def values(**filters):
        named = [{"Name": name.replace("_", "-"), "Values": values} for name, values in filters.items()]
        found = ec2.describe_tags(Filters=named)["Tags"]
        return sorted(tag["Value"] for tag in found if tag["Key"] == unique and tag["ResourceType"] == "vpc")

    assert values(resource_id=vpcs[:1]) == ["one"]
    assert values(resource_id=[*vpcs, vpcs[0]]) == ["one", "two"]
    assert values(resource_id=[vpcs[1][:-1] + "?"]) == ["two"]
    assert values(resource_id=["vpc-*"], key=[unique]) == ["one", "two"]
    assert values(resource_id=["vpc-0"]) == []
