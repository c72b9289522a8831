"""What stands before moto."""

import json
import urllib.error
import urllib.request

import pytest

from strict import seed


def test_an_instance_gets_its_roles_session_named_after_itself(lab, ec2, subnet, unique):
    iam = lab.client("iam")
    trust = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}],
    }
    role = iam.create_role(RoleName=unique, AssumeRolePolicyDocument=json.dumps(trust))["Role"]
    iam.create_instance_profile(InstanceProfileName=unique)
    iam.add_role_to_instance_profile(InstanceProfileName=unique, RoleName=unique)
    instance = ec2.run_instances(
        ImageId=lab.stock_image,
        InstanceType="t3.micro",
        MinCount=1,
        MaxCount=1,
        SubnetId=subnet,
        IamInstanceProfile={"Name": unique},
    )["Instances"][0]["InstanceId"]

    request = urllib.request.Request(f"{lab.plain_endpoint}/_holdfast/instance-credentials?instance={instance}")
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request)
    assert refused.value.code == 403
    request.add_header("x-holdfast-lab", lab.plane.secret)
    credentials = json.load(urllib.request.urlopen(request))
    identity = lab.client("sts", credentials=seed.Credentials(**credentials)).get_caller_identity()
    assert identity["UserId"] == f"{role['RoleId']}:{instance}"
    assert identity["Arn"] == f"arn:aws:sts::{seed.WORKLOADS}:assumed-role/{unique}/{instance}"


def test_accounts_are_apart(lab):
    ids = {name: lab.client("sts", account=name).get_caller_identity()["Account"] for name in ("workloads", "audit")}
    assert ids == {"workloads": "111111111111", "audit": "222222222222"}
    organization = lab.client("organizations").describe_organization()["Organization"]
    assert organization["Id"] == "o-holdfast01"


def test_no_header_chooses_the_account(lab):
    sts = lab.client("sts")

    def choose(request, **_):
        request.headers["x-moto-account-id"] = "222222222222"

    sts.meta.events.register("before-send", choose)
    assert sts.get_caller_identity()["Account"] == "111111111111"
