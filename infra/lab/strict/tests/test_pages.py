"""strict.truths.pages"""

import json


def test_instances_are_counted_not_reservations(lab, ec2, subnet):
    request = {"ImageId": lab.stock_image, "InstanceType": "t3.micro", "SubnetId": subnet}
    ids = {
        instance["InstanceId"]
        for _ in range(2)
        for instance in ec2.run_instances(MinCount=6, MaxCount=6, **request)["Instances"]
    }
    filters = [{"Name": "subnet-id", "Values": [subnet]}]
    first = ec2.describe_instances(Filters=filters, MaxResults=5)
    assert sum(len(r["Instances"]) for r in first["Reservations"]) == 5
    pages = ec2.get_paginator("describe_instances").paginate(Filters=filters, PaginationConfig={"PageSize": 5})
    seen = [i["InstanceId"] for page in pages for r in page["Reservations"] for i in r["Instances"]]
    assert len(seen) == 12
    assert set(seen) == ids


def test_volumes_come_in_pages(ec2, unique):
    tags = [{"ResourceType": "volume", "Tags": [{"Key": "Name", "Value": unique}]}]
    for _ in range(7):
        ec2.create_volume(AvailabilityZone="eu-central-1a", Size=1, TagSpecifications=tags)
    filters = [{"Name": "tag:Name", "Values": [unique]}]
    first = ec2.describe_volumes(Filters=filters, MaxResults=5)
    second = ec2.describe_volumes(Filters=filters, MaxResults=5, NextToken=first["NextToken"])
    assert (len(first["Volumes"]), len(second["Volumes"])) == (5, 2)
    assert "NextToken" not in second


def test_a_page_that_nobody_gave_out_is_refused(ec2, refused):
    with refused("InvalidNextToken"):
        ec2.describe_volumes(NextToken="made up")
    with refused("InvalidParameterValue"):
        ec2.describe_volumes(MaxResults=4)


def test_every_version_of_a_template_is_listed(ec2, unique):
    data = {"InstanceType": "t3.micro"}
    ec2.create_launch_template(LaunchTemplateName=unique, LaunchTemplateData=data)
    for _ in range(17):
        ec2.create_launch_template_version(LaunchTemplateName=unique, LaunchTemplateData=data)
    versions = ec2.describe_launch_template_versions(LaunchTemplateName=unique)["LaunchTemplateVersions"]
    assert len(versions) == 18


def test_a_role_s_policies_and_profiles_come_in_pages(lab, unique):
    iam = lab.client("iam")
    trust = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    iam.create_role(RoleName=unique, AssumeRolePolicyDocument=document)
    allow = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
    for n in range(3):
        iam.put_role_policy(RoleName=unique, PolicyName=f"p{n}", PolicyDocument=policy)
        iam.create_instance_profile(InstanceProfileName=f"{unique}-{n}")
    size = {"PageSize": 2}
    pages = iam.get_paginator("list_role_policies").paginate(RoleName=unique, PaginationConfig=size)
    assert [page["PolicyNames"] for page in pages] == [["p0", "p1"], ["p2"]]
    pages = [p["InstanceProfiles"] for p in iam.get_paginator("list_instance_profiles").paginate(PaginationConfig=size)]
    assert all(len(page) <= 2 for page in pages)
    names = {profile["InstanceProfileName"] for page in pages for profile in page}
    assert names >= {f"{unique}-{n}" for n in range(3)}


def test_the_details_of_roles_come_in_pages_and_whole(lab, unique):
    iam = lab.client("iam")
    trust = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
    allow = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}
    assumed, allowed = ({"Version": "2012-10-17", "Statement": [statement]} for statement in (trust, allow))
    arn = "arn:aws:iam::aws:policy/service-role/AWSBackupServiceRolePolicyForBackup"
    names = {f"{unique}-{n}" for n in range(3)}
    for name in names:
        iam.create_role(
            RoleName=name,
            Path="/details/",
            AssumeRolePolicyDocument=json.dumps(assumed),
            Tags=[{"Key": "Name", "Value": name}],
        )
        iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=json.dumps(allowed))
        iam.attach_role_policy(RoleName=name, PolicyArn=arn)
    paginator = iam.get_paginator("get_account_authorization_details")
    pages = list(paginator.paginate(Filter=["Role"], PaginationConfig={"PageSize": 2}))
    assert all(len(page["RoleDetailList"]) <= 2 for page in pages)
    assert not any(page["UserDetailList"] or page["GroupDetailList"] or page["Policies"] for page in pages)
    roles = [role for page in pages for role in page["RoleDetailList"] if role["RoleName"] in names]
    assert {role["RoleName"] for role in roles} == names and len(roles) == len(names)
    for role in roles:
        assert role["Path"] == "/details/" and role["AssumeRolePolicyDocument"] == assumed
        assert role["Tags"] == [{"Key": "Name", "Value": role["RoleName"]}]
        assert role["RolePolicyList"] == [{"PolicyName": "p", "PolicyDocument": allowed}]
        assert [policy["PolicyArn"] for policy in role["AttachedManagedPolicies"]] == [arn]


def test_the_default_versions_of_all_templates_are_listed_at_once(ec2, unique):
    data = {"InstanceType": "t3.micro"}
    names = {f"{unique}-{n}" for n in range(6)}
    for name in names:
        ec2.create_launch_template(LaunchTemplateName=name, LaunchTemplateData=data)
        ec2.create_launch_template_version(LaunchTemplateName=name, LaunchTemplateData={"InstanceType": "t3.small"})
    paginator = ec2.get_paginator("describe_launch_template_versions")
    pages = list(paginator.paginate(Versions=["$Default"], PaginationConfig={"PageSize": 5}))
    assert all(len(page["LaunchTemplateVersions"]) <= 5 for page in pages)
    versions = [version for page in pages for version in page["LaunchTemplateVersions"]]
    ours = [version for version in versions if version["LaunchTemplateName"] in names]
    assert len(ours) == len(names) and all(version["VersionNumber"] == 1 for version in ours)


def test_aws_s_own_policies_are_there(lab, unique, refused):
    iam = lab.client("iam")
    trust = {"Effect": "Allow", "Principal": {"Service": "backup.amazonaws.com"}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    iam.create_role(RoleName=unique, AssumeRolePolicyDocument=document)
    arn = "arn:aws:iam::aws:policy/service-role/AWSBackupServiceRolePolicyForBackup"
    iam.attach_role_policy(RoleName=unique, PolicyArn=arn)
    assert [p["PolicyArn"] for p in iam.list_attached_role_policies(RoleName=unique)["AttachedPolicies"]] == [arn]
    with refused("NoSuchEntity"):
        iam.attach_role_policy(RoleName=unique, PolicyArn="arn:aws:iam::aws:policy/NoSuchPolicy")
