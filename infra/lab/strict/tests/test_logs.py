"""strict.truths.log_groups, flow_logs"""

import json

import pytest

ACCOUNT, REGION = "111111111111", "eu-central-1"


@pytest.fixture
def logs(lab):
    return lab.client("logs")


def key_policy(*services):
    return json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
                    "Action": "kms:*",
                    "Resource": "*",
                },
                *(
                    {
                        "Effect": "Allow",
                        "Principal": {"Service": s},
                        "Action": ["kms:Encrypt", "kms:GenerateDataKey*"],
                        "Resource": "*",
                    }
                    for s in services
                ),
            ],
        }
    )


def test_a_group_has_its_key_retention_and_tags(lab, logs, unique):
    key = lab.client("kms").create_key(Policy=key_policy(f"logs.{REGION}.amazonaws.com"))["KeyMetadata"]["Arn"]
    logs.create_log_group(logGroupName=f"/{unique}", kmsKeyId=key, tags={"Project": "p"})
    logs.put_retention_policy(logGroupName=f"/{unique}", retentionInDays=90)
    group = logs.describe_log_groups(logGroupNamePrefix=f"/{unique}")["logGroups"][0]
    assert group["kmsKeyId"] == key and group["retentionInDays"] == 90
    assert group["arn"] == group["logGroupArn"] + ":*"
    assert logs.list_tags_for_resource(resourceArn=group["logGroupArn"])["tags"] == {"Project": "p"}
    logs.tag_resource(resourceArn=group["logGroupArn"], tags={"more": "1"})
    assert logs.list_tags_for_resource(resourceArn=group["logGroupArn"])["tags"] == {"Project": "p", "more": "1"}


def test_what_a_group_may_not_be(lab, logs, unique, refused):
    logs.create_log_group(logGroupName=unique)
    with refused("ResourceAlreadyExistsException"):
        logs.create_log_group(logGroupName=unique)
    with refused("InvalidParameterException"):
        logs.create_log_group(logGroupName="flow logs")
    with refused("InvalidParameterException"):
        logs.put_retention_policy(logGroupName=unique, retentionInDays=100)
    with refused("ResourceNotFoundException"):
        logs.list_tags_for_resource(resourceArn=f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{unique}-not")


def test_a_group_takes_only_a_key_that_lets_the_service_in(lab, logs, unique, refused):
    key = lab.client("kms").create_key(Policy=key_policy())["KeyMetadata"]
    with refused("InvalidParameterException", "not allowed to be used"):
        logs.create_log_group(logGroupName=unique, kmsKeyId=key["Arn"])
    lab.client("kms").put_key_policy(
        KeyId=key["KeyId"], PolicyName="default", Policy=key_policy(f"logs.{REGION}.amazonaws.com")
    )
    logs.create_log_group(logGroupName=unique)
    logs.associate_kms_key(logGroupName=unique, kmsKeyId=key["Arn"])
    assert logs.describe_log_groups(logGroupNamePrefix=unique)["logGroups"][0]["kmsKeyId"] == key["Arn"]
    logs.disassociate_kms_key(logGroupName=unique)
    assert "kmsKeyId" not in logs.describe_log_groups(logGroupNamePrefix=unique)["logGroups"][0]


@pytest.fixture
def role(lab, unique):
    def role(service):
        trust = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
        return lab.client("iam").create_role(
            RoleName=f"{unique}-{service.split('.')[0]}",
            AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}),
        )["Role"]["Arn"]

    return role


def flow_logs(ec2, group, role, *vpcs, **more):
    return ec2.create_flow_logs(
        ResourceType="VPC",
        ResourceIds=list(vpcs),
        TrafficType="ALL",
        LogGroupName=group,
        DeliverLogsPermissionArn=role,
        **more,
    )


def test_flow_logs_are_one_for_each_token_and_end_with_their_network(ec2, logs, role, unique):
    vpc = ec2.create_vpc(CidrBlock="10.1.0.0/16")["Vpc"]["VpcId"]
    logs.create_log_group(logGroupName=unique)
    more = {
        "ClientToken": unique,
        "TagSpecifications": [{"ResourceType": "vpc-flow-log", "Tags": [{"Key": "which", "Value": unique}]}],
    }
    arn = role("vpc-flow-logs.amazonaws.com")
    made = flow_logs(ec2, unique, arn, vpc, **more)["FlowLogIds"]
    assert flow_logs(ec2, unique, arn, vpc, **more)["FlowLogIds"] == made

    def found():
        return ec2.describe_flow_logs(Filter=[{"Name": "tag:which", "Values": [unique]}])["FlowLogs"]

    assert [(f["FlowLogId"], f["DeliverLogsStatus"], f["ResourceId"]) for f in found()] == [(made[0], "SUCCESS", vpc)]
    ec2.delete_vpc(VpcId=vpc)
    assert found() == []


def test_flow_logs_of_what_is_not_there_are_unsuccessful(ec2, logs, vpc, role, unique):
    logs.create_log_group(logGroupName=unique)
    answer = flow_logs(ec2, unique, role("vpc-flow-logs.amazonaws.com"), vpc, "vpc-00000000000000000")
    assert len(answer["FlowLogIds"]) == 1
    assert [(u["ResourceId"], u["Error"]["Code"]) for u in answer["Unsuccessful"]] == [
        ("vpc-00000000000000000", "InvalidVpcID.NotFound")
    ]


def test_flow_logs_are_not_delivered_until_the_role_trusts_the_service(lab, ec2, logs, vpc, role, unique):
    logs.create_log_group(logGroupName=unique)
    arn = role("ec2.amazonaws.com")
    made = flow_logs(ec2, unique, arn, vpc)["FlowLogIds"]

    def shown():
        return ec2.describe_flow_logs(FlowLogIds=made)["FlowLogs"][0]

    assert (shown()["DeliverLogsStatus"], shown()["DeliverLogsErrorMessage"]) == ("FAILED", "Access error")
    trust = {"Effect": "Allow", "Principal": {"Service": "vpc-flow-logs.amazonaws.com"}, "Action": "sts:AssumeRole"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    lab.client("iam").update_assume_role_policy(RoleName=arn.rpartition("/")[2], PolicyDocument=policy)
    assert shown()["DeliverLogsStatus"] == "SUCCESS"
