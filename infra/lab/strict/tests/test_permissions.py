"""Identity policies that name resources and tags: strict.policies.resources."""

import json

import pytest
from strict import seed

OWN = f"arn:aws:ec2:{seed.REGION}:{seed.WORKLOADS}"
IAM = f"arn:aws:iam::{seed.WORKLOADS}"


def document(*statements):
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(action, resource="*", **condition):
    statement = {"Effect": "Allow", "Action": action, "Resource": resource}
    return {**statement, "Condition": condition} if condition else statement


def trust(**principal):
    return document({"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"})


@pytest.fixture
def acting(lab, unique):
    """Clients of a role with these statements."""

    def acting(*statements):
        iam = lab.client("iam")
        operators = trust(AWS=f"{IAM}:root")
        arn = iam.create_role(RoleName=unique, AssumeRolePolicyDocument=operators)["Role"]["Arn"]
        iam.put_role_policy(RoleName=unique, PolicyName="p", PolicyDocument=document(*statements))
        credentials = seed.role_session(arn, "session")
        return lambda service: lab.client(service, credentials=credentials)

    return acting


def tagged(kind, **tags):
    return [{"ResourceType": kind, "Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}]


def test_a_creation_is_for_any_new_one_and_its_tags_are_allowed_apart(acting, refused):
    ec2 = acting(allow("ec2:CreateVpc", f"{OWN}:vpc/*"))("ec2")
    ec2.create_vpc(CidrBlock="10.0.0.0/16")
    with refused("UnauthorizedOperation", "ec2:CreateTags"):
        ec2.create_vpc(CidrBlock="10.0.0.0/16", TagSpecifications=tagged("vpc", Project="p"))


def test_tags_are_allowed_with_the_creation_that_sets_them(acting, refused):
    with_creation = {"StringEquals": {"ec2:CreateAction": "CreateVpc", "aws:RequestTag/Project": "p"}}
    ec2 = acting(allow("ec2:CreateVpc"), allow("ec2:CreateTags", f"{OWN}:vpc/*", **with_creation))("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16", TagSpecifications=tagged("vpc", Project="p"))["Vpc"]["VpcId"]
    with refused("UnauthorizedOperation"):
        ec2.create_vpc(CidrBlock="10.0.0.0/16", TagSpecifications=tagged("vpc", Project="other"))
    with refused("UnauthorizedOperation"):
        ec2.create_tags(Resources=[vpc], Tags=[{"Key": "Project", "Value": "p"}])


def test_what_has_the_tag_may_be_deleted_and_nothing_else(ec2, vpc, acting, refused, unique):
    for cidr, owner in (("10.0.0.0/24", unique), ("10.0.1.0/24", "other")):
        ec2.create_subnet(VpcId=vpc, CidrBlock=cidr, TagSpecifications=tagged("subnet", owner=owner))
    subnets = {s["Tags"][0]["Value"]: s["SubnetId"] for s in ec2.describe_subnets()["Subnets"] if s["VpcId"] == vpc}
    only_own = {"StringEquals": {"aws:ResourceTag/owner": unique}}
    restricted = acting(allow("ec2:DeleteSubnet", f"{OWN}:subnet/*", **only_own))("ec2")
    with refused("UnauthorizedOperation", subnets["other"]):
        restricted.delete_subnet(SubnetId=subnets["other"])
    restricted.delete_subnet(SubnetId=subnets[unique])


def test_a_launch_is_allowed_on_all_that_it_stands_on_and_passes_its_role(lab, subnet, acting, refused, unique):
    iam = lab.client("iam")
    iam.create_role(RoleName=f"{unique}-host", AssumeRolePolicyDocument=trust(Service="ec2.amazonaws.com"))
    iam.create_instance_profile(InstanceProfileName=unique)
    iam.add_role_to_instance_profile(InstanceProfileName=unique, RoleName=f"{unique}-host")
    kinds = ("instance/*", "network-interface/*", "security-group/*", f"subnet/{subnet}", "volume/*")
    run = allow("ec2:RunInstances", [*(f"{OWN}:{kind}" for kind in kinds), f"arn:aws:ec2:{seed.REGION}::image/*"])
    client = acting(run)
    request = {"ImageId": lab.stock_image, "InstanceType": "t3.micro", "MinCount": 1, "MaxCount": 1, "SubnetId": subnet}
    client("ec2").run_instances(**request)
    with refused("UnauthorizedOperation", "iam:PassRole"):
        client("ec2").run_instances(**request, IamInstanceProfile={"Name": unique})
    elsewhere = lab.client("ec2").create_subnet(
        VpcId=lab.client("ec2").describe_subnets(SubnetIds=[subnet])["Subnets"][0]["VpcId"], CidrBlock="10.0.9.0/24"
    )["Subnet"]["SubnetId"]
    with refused("UnauthorizedOperation", elsewhere):
        client("ec2").run_instances(**{**request, "SubnetId": elsewhere})


def test_other_services_are_judged_by_name(lab, acting, refused, unique):
    client = acting(
        allow(["iam:CreateRole", "iam:GetRole"], f"{IAM}:role/holdfast/{unique}-*"),
        allow("budgets:ModifyBudget", f"arn:aws:budgets::{seed.WORKLOADS}:budget/{unique}"),
        allow("logs:CreateLogGroup", f"arn:aws:logs:{seed.REGION}:{seed.WORKLOADS}:log-group:/{unique}"),
        allow("backup:DescribeBackupVault", f"arn:aws:backup:{seed.REGION}:{seed.WORKLOADS}:backup-vault:{unique}"),
        allow(
            ["autoscaling:SetDesiredCapacity"],
            f"arn:aws:autoscaling:{seed.REGION}:{seed.WORKLOADS}:autoScalingGroup:*:autoScalingGroupName/{unique}",
        ),
    )
    role = {"Path": "/holdfast/", "AssumeRolePolicyDocument": trust(Service="ec2.amazonaws.com")}
    client("iam").create_role(RoleName=f"{unique}-a", **role)
    client("iam").get_role(RoleName=f"{unique}-a")
    with refused("AccessDenied", "role/holdfast/other"):
        client("iam").create_role(RoleName="other", **role)
    budget = {"BudgetName": unique, "BudgetType": "COST", "TimeUnit": "MONTHLY"}
    budget["BudgetLimit"] = {"Amount": "1", "Unit": "USD"}
    client("budgets").create_budget(AccountId=seed.WORKLOADS, Budget=budget)
    with refused("AccessDeniedException", "budgets:ModifyBudget"):
        client("budgets").create_budget(AccountId=seed.WORKLOADS, Budget={**budget, "BudgetName": "other"})
    client("logs").create_log_group(logGroupName=f"/{unique}")
    with refused("AccessDeniedException", "log-group:other"):
        client("logs").create_log_group(logGroupName="other")
    lab.client("backup").create_backup_vault(BackupVaultName=unique)
    client("backup").describe_backup_vault(BackupVaultName=unique)
    with refused("AccessDeniedException", "backup-vault:other"):
        client("backup").describe_backup_vault(BackupVaultName="other")
    with refused("ValidationError"):  # allowed, and there is none
        client("autoscaling").set_desired_capacity(AutoScalingGroupName=unique, DesiredCapacity=1)
    with refused("AccessDenied", "autoScalingGroupName/other"):
        client("autoscaling").set_desired_capacity(AutoScalingGroupName="other", DesiredCapacity=1)


def test_tags_of_a_creation_are_allowed_apart_in_every_service(acting, refused, unique):
    role = {"RoleName": f"{unique}-tagged", "AssumeRolePolicyDocument": trust(Service="ec2.amazonaws.com")}
    iam = acting(allow("iam:CreateRole", f"{IAM}:role/*"))("iam")
    with refused("AccessDenied", "iam:TagRole"):
        iam.create_role(**role, Tags=[{"Key": "Project", "Value": "p"}])
    iam.create_role(**role)


def test_a_key_is_told_by_its_tags_and_its_name_is_asked_for_beside_it(acting, refused, unique):
    key = f"arn:aws:kms:{seed.REGION}:{seed.WORKLOADS}:key/*"
    alias = f"arn:aws:kms:{seed.REGION}:{seed.WORKLOADS}:alias/{unique}"
    ours = {"StringEquals": {"aws:ResourceTag/owner": unique}}
    becomes_ours = {"StringEquals": {"aws:RequestTag/owner": unique}}
    kms = acting(
        allow("kms:CreateKey", **becomes_ours),
        allow("kms:TagResource", key, **becomes_ours),
        allow(["kms:CreateAlias", "kms:DescribeKey"], key, **ours),
        allow("kms:CreateAlias", alias),
    )("kms")
    with refused("AccessDeniedException", "kms:CreateKey"):
        kms.create_key(Tags=[{"TagKey": "owner", "TagValue": "other"}])
    made = kms.create_key(Tags=[{"TagKey": "owner", "TagValue": unique}])["KeyMetadata"]["KeyId"]
    kms.describe_key(KeyId=made)
    kms.create_alias(AliasName=f"alias/{unique}", TargetKeyId=made)
    with refused("AccessDeniedException", "alias/other"):
        kms.create_alias(AliasName="alias/other", TargetKeyId=made)
