"""strict.consistency: what was made isn't seen yet, what was deleted still is."""

import json

import pytest


@pytest.fixture
def eventual(lab):
    """Hides changes for this many requests."""

    def eventual(requests):
        lab.own_call("eventual", requests=requests)

    yield eventual
    eventual(0)


def seen_after(look, most=20):
    """How many looks it takes until there is something to see."""
    for looks in range(most):
        if look():
            return looks
    raise AssertionError(f"nothing in {most} looks")


def test_a_new_resource_is_seen_after_so_many_requests(ec2, unique, eventual):
    eventual(4)
    tags = [{"ResourceType": "vpc", "Tags": [{"Key": "which", "Value": unique}]}]
    made = ec2.create_vpc(CidrBlock="10.0.0.0/16", TagSpecifications=tags)["Vpc"]["VpcId"]

    def look():
        return ec2.describe_vpcs(Filters=[{"Name": "tag:which", "Values": [unique]}])["Vpcs"]

    assert seen_after(look) == 4
    tables = ec2.describe_route_tables(Filters=[{"Name": "vpc-id", "Values": [made]}])["RouteTables"]
    assert len(tables) == 1


def test_who_names_a_new_resource_is_refused(ec2, lab, eventual, unique, refused):
    eventual(3)
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    with refused("InvalidVpcID.NotFound"):
        ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/24")
    with refused("InvalidVpcID.NotFound"):
        ec2.describe_vpcs(VpcIds=[vpc])
    with refused("InvalidVpcID.NotFound"):
        ec2.create_security_group(GroupName=unique, Description="x", VpcId=vpc)
    ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/24")


def test_a_name_is_taken_from_the_first_moment_on(lab, ec2, vpc, eventual, unique, refused):
    iam = lab.client("iam")
    trust = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
    role = {
        "RoleName": unique,
        "AssumeRolePolicyDocument": json.dumps({"Version": "2012-10-17", "Statement": [trust]}),
    }
    eventual(5)
    iam.create_role(**role)
    with refused("NoSuchEntity"):
        iam.get_role(RoleName=unique)
    with refused("NoSuchEntity"):
        iam.put_role_policy(RoleName=unique, PolicyName="p", PolicyDocument=role["AssumeRolePolicyDocument"])
    with refused("EntityAlreadyExists"):
        iam.create_role(**role)
    ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/24")
    with refused("InvalidSubnet.Conflict"):
        ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/24")


def test_a_token_s_second_request_is_answered(ec2, vpc, eventual, unique):
    eventual(5)
    made = [ec2.create_route_table(VpcId=vpc, ClientToken=unique)["RouteTable"]["RouteTableId"] for _ in range(2)]
    assert made[0] == made[1]


def test_a_deleted_resource_is_still_shown_and_can_not_be_deleted_again(ec2, vpc, subnet, eventual, refused):
    eventual(4)
    ec2.delete_subnet(SubnetId=subnet)
    assert len(ec2.describe_subnets(SubnetIds=[subnet])["Subnets"]) == 1
    with refused("InvalidSubnetID.NotFound"):
        ec2.delete_subnet(SubnetId=subnet)

    def look():
        return not ec2.describe_subnets(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["Subnets"]

    seen_after(look)
    ec2.delete_vpc(VpcId=vpc)


def test_instances_and_their_volumes_come_later_and_hold_their_subnet_all_the_same(
    lab, ec2, subnet, eventual, unique, refused
):
    eventual(6)
    request = {"ImageId": lab.stock_image, "InstanceType": "t3.micro", "SubnetId": subnet, "ClientToken": unique}
    made = ec2.run_instances(MinCount=2, MaxCount=2, **request)["Instances"]
    with refused("InvalidInstanceID.NotFound"):
        ec2.terminate_instances(InstanceIds=[made[0]["InstanceId"]])
    assert ec2.run_instances(MinCount=2, MaxCount=2, **request)["Instances"][0]["InstanceId"] == made[0]["InstanceId"]
    with refused("DependencyViolation"):
        ec2.delete_subnet(SubnetId=subnet)

    def look():
        found = ec2.describe_instances(Filters=[{"Name": "client-token", "Values": [unique]}])["Reservations"]
        return [i for reservation in found for i in reservation["Instances"]]

    seen_after(look)
    assert {i["InstanceId"] for i in look()} == {i["InstanceId"] for i in made}


def test_tags_come_and_go_later(ec2, vpc, eventual, unique):
    ec2.create_tags(Resources=[vpc], Tags=[{"Key": "a", "Value": "old"}])
    eventual(3)
    ec2.create_tags(Resources=[vpc], Tags=[{"Key": "a", "Value": "new"}, {"Key": "b", "Value": unique}])

    def tags():
        return {t["Key"]: t["Value"] for t in ec2.describe_vpcs(VpcIds=[vpc])["Vpcs"][0].get("Tags", [])}

    assert tags() == {"a": "old"}
    seen_after(lambda: tags() == {"a": "new", "b": unique})
    ec2.delete_tags(Resources=[vpc], Tags=[{"Key": "b"}])
    assert tags() == {"a": "new", "b": unique}
    seen_after(lambda: tags() == {"a": "new"})


def test_every_service_is_late(lab, eventual, unique, refused):
    kms, logs, backup, scaling = (lab.client(s) for s in ("kms", "logs", "backup", "autoscaling"))
    eventual(3)
    key = kms.create_key(Tags=[{"TagKey": "a", "TagValue": "b"}])["KeyMetadata"]["KeyId"]
    with refused("NotFoundException"):
        kms.create_alias(AliasName=f"alias/{unique}", TargetKeyId=key)
    eventual(0)
    eventual(2)
    logs.create_log_group(logGroupName=unique)
    with refused("ResourceNotFoundException"):
        logs.put_retention_policy(logGroupName=unique, retentionInDays=7)
    assert logs.describe_log_groups(logGroupNamePrefix=unique)["logGroups"] == []
    assert len(logs.describe_log_groups(logGroupNamePrefix=unique)["logGroups"]) == 1
    backup.create_backup_vault(BackupVaultName=unique)
    with refused("ResourceNotFoundException"):
        backup.describe_backup_vault(BackupVaultName=unique)
    with refused("AlreadyExistsException"):
        backup.create_backup_vault(BackupVaultName=unique)
    assert backup.describe_backup_vault(BackupVaultName=unique)["BackupVaultName"] == unique
    assert scaling.describe_auto_scaling_groups(AutoScalingGroupNames=[unique])["AutoScalingGroups"] == []


def test_a_switch_that_is_off_hides_nothing(ec2, eventual):
    eventual(5)
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    eventual(0)
    assert ec2.describe_vpcs(VpcIds=[vpc])["Vpcs"][0]["VpcId"] == vpc


def test_a_changed_rule_is_seen_late_and_the_others_at_once(ec2, vpc, eventual, unique, refused):
    group = ec2.create_security_group(GroupName=unique, Description="x", VpcId=vpc)["GroupId"]

    def rule(port):
        return {"IpProtocol": "tcp", "FromPort": port, "ToPort": port, "IpRanges": [{"CidrIp": "192.0.2.0/24"}]}

    def ports():
        answer = ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"][0]
        return {permission["FromPort"] for permission in answer["IpPermissions"]}

    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[rule(1), rule(2)])
    eventual(3)
    ec2.revoke_security_group_ingress(GroupId=group, IpPermissions=[rule(1)])
    assert [ports() for _ in range(4)] == [{1, 2}, {1, 2}, {1, 2}, {2}]
    with refused("InvalidPermission.Duplicate"):
        ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[rule(2), rule(3)])
    assert ports() == {2}
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[rule(3)])
    ec2.revoke_security_group_ingress(GroupId=group, IpPermissions=[rule(2)])
    assert ports() == {2}
    assert seen_after(lambda: ports() == {3}) == 2
