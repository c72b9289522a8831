"""Deletions that AWS refuses: strict.truths.security_groups, networks_in_use, snapshots_in_use, iam_in_use."""

import json

import pytest


@pytest.fixture
def group(ec2, vpc, unique):
    return ec2.create_security_group(GroupName=unique, Description="hosts", VpcId=vpc)["GroupId"]


@pytest.fixture
def gateway(ec2, vpc):
    made = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=made, VpcId=vpc)
    return made


def start(lab, ec2, **parameters):
    request = {"ImageId": lab.stock_image, "InstanceType": "t3.micro", "MinCount": 1, "MaxCount": 1, **parameters}
    return ec2.run_instances(**request)["Instances"][0]["InstanceId"]


def end(ec2, instance):
    ec2.terminate_instances(InstanceIds=[instance])


def groups_of(ec2, vpc):
    return ec2.describe_security_groups(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["SecurityGroups"]


def test_the_default_group_lets_its_members_in_and_stays(ec2, vpc, refused):
    (default,) = groups_of(ec2, vpc)
    (ingress,) = default["IpPermissions"]
    assert ingress["IpProtocol"] == "-1"
    assert [pair["GroupId"] for pair in ingress["UserIdGroupPairs"]] == [default["GroupId"]]
    assert [r["CidrIp"] for r in default["IpPermissionsEgress"][0]["IpRanges"]] == ["0.0.0.0/0"]
    with refused("CannotDelete"):
        ec2.delete_security_group(GroupId=default["GroupId"])


def test_the_default_group_can_be_emptied(ec2, vpc):
    (default,) = groups_of(ec2, vpc)
    ec2.revoke_security_group_ingress(GroupId=default["GroupId"], IpPermissions=default["IpPermissions"])
    ec2.revoke_security_group_egress(GroupId=default["GroupId"], IpPermissions=default["IpPermissionsEgress"])
    (default,) = groups_of(ec2, vpc)
    assert (default["IpPermissions"], default["IpPermissionsEgress"]) == ([], [])


def test_a_group_in_use_is_kept(lab, ec2, subnet, group, refused):
    instance = start(lab, ec2, SubnetId=subnet, SecurityGroupIds=[group])
    with refused("DependencyViolation"):
        ec2.delete_security_group(GroupId=group)
    end(ec2, instance)
    ec2.delete_security_group(GroupId=group)


def test_a_group_that_another_names_is_kept(ec2, vpc, group, unique, refused):
    other = ec2.create_security_group(GroupName=f"{unique}-2", Description="x", VpcId=vpc)["GroupId"]
    rule = [{"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "UserIdGroupPairs": [{"GroupId": group}]}]
    ec2.authorize_security_group_ingress(GroupId=other, IpPermissions=rule)
    with refused("DependencyViolation"):
        ec2.delete_security_group(GroupId=group)
    ec2.revoke_security_group_ingress(GroupId=other, IpPermissions=rule)
    ec2.delete_security_group(GroupId=group)


def test_permissions_of_one_call_are_added_all_or_none(ec2, group, refused):
    def permission(port):
        return {"IpProtocol": "tcp", "FromPort": port, "ToPort": port, "IpRanges": [{"CidrIp": "10.0.0.0/8"}]}

    added = ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[permission(22), permission(80)])
    assert sorted(rule["FromPort"] for rule in added["SecurityGroupRules"]) == [22, 80]
    with refused("InvalidPermission.Duplicate"):
        ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[permission(443), permission(22)])
    (described,) = ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"]
    assert sorted(p["FromPort"] for p in described["IpPermissions"]) == [22, 80]


@pytest.mark.parametrize("text", ["the judge's hosts", "été", 'a "quote"', "x" * 256])
def test_a_description_with_other_characters_is_refused(ec2, vpc, group, unique, refused, text):
    with refused("InvalidParameterValue"):
        ec2.create_security_group(GroupName=f"{unique}-d", Description=text, VpcId=vpc)
    rule = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22}
    with refused("InvalidParameterValue"):
        ec2.authorize_security_group_ingress(
            GroupId=group, IpPermissions=[{**rule, "IpRanges": [{"CidrIp": "10.0.0.0/8", "Description": text}]}]
        )


def test_a_subnet_with_an_instance_is_kept(lab, ec2, subnet, refused):
    instance = start(lab, ec2, SubnetId=subnet)
    with refused("DependencyViolation"):
        ec2.delete_subnet(SubnetId=subnet)
    end(ec2, instance)
    ec2.delete_subnet(SubnetId=subnet)


def test_a_subnets_association_goes_with_it(ec2, vpc, subnet, refused):
    table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    ec2.associate_route_table(RouteTableId=table, SubnetId=subnet)
    with refused("DependencyViolation"):
        ec2.delete_route_table(RouteTableId=table)
    ec2.delete_subnet(SubnetId=subnet)
    ec2.delete_route_table(RouteTableId=table)


def test_the_main_route_table_is_kept(ec2, vpc, refused):
    (table,) = ec2.describe_route_tables(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["RouteTables"]
    with refused("DependencyViolation"):
        ec2.delete_route_table(RouteTableId=table["RouteTableId"])


def test_an_interface_in_use_is_kept(lab, ec2, subnet, refused):
    instance = start(lab, ec2, SubnetId=subnet)
    filters = [{"Name": "attachment.instance-id", "Values": [instance]}]
    (interface,) = ec2.describe_network_interfaces(Filters=filters)["NetworkInterfaces"]
    with refused("InvalidParameterValue", says="currently in use"):
        ec2.delete_network_interface(NetworkInterfaceId=interface["NetworkInterfaceId"])


def test_an_attached_gateway_is_kept(lab, ec2, vpc, subnet, gateway, refused):
    with refused("DependencyViolation"):
        ec2.delete_internet_gateway(InternetGatewayId=gateway)
    public = [{"DeviceIndex": 0, "SubnetId": subnet, "AssociatePublicIpAddress": True}]
    instance = start(lab, ec2, NetworkInterfaces=public)
    with refused("DependencyViolation", says="mapped public address"):
        ec2.detach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    end(ec2, instance)
    ec2.detach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    ec2.delete_internet_gateway(InternetGatewayId=gateway)


def test_an_address_in_use_is_kept(lab, ec2, subnet, gateway, refused):
    address = ec2.allocate_address(Domain="vpc")["AllocationId"]
    instance = start(lab, ec2, SubnetId=subnet)
    association = ec2.associate_address(AllocationId=address, InstanceId=instance)["AssociationId"]
    with refused("InvalidIPAddress.InUse"):
        ec2.release_address(AllocationId=address)
    ec2.disassociate_address(AssociationId=association)
    ec2.release_address(AllocationId=address)


@pytest.mark.parametrize("stands", ["group", "gateway", "endpoint", "subnet", "route table"])
def test_a_vpc_in_use_is_kept(ec2, vpc, unique, refused, stands):
    match stands:
        case "group":
            made = ec2.create_security_group(GroupName=unique, Description="x", VpcId=vpc)["GroupId"]
            remove = lambda: ec2.delete_security_group(GroupId=made)  # noqa: E731
        case "gateway":
            made = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
            ec2.attach_internet_gateway(InternetGatewayId=made, VpcId=vpc)
            remove = lambda: ec2.detach_internet_gateway(InternetGatewayId=made, VpcId=vpc)  # noqa: E731
        case "endpoint":
            service = "com.amazonaws.eu-central-1.s3"
            tables = [
                t["RouteTableId"]
                for t in ec2.describe_route_tables(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["RouteTables"]
            ]
            made = ec2.create_vpc_endpoint(VpcId=vpc, ServiceName=service, RouteTableIds=tables)
            endpoint = made["VpcEndpoint"]["VpcEndpointId"]
            remove = lambda: ec2.delete_vpc_endpoints(VpcEndpointIds=[endpoint])  # noqa: E731
        case "subnet":
            made = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.1.0/24")["Subnet"]["SubnetId"]
            remove = lambda: ec2.delete_subnet(SubnetId=made)  # noqa: E731
        case "route table":
            made = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
            remove = lambda: ec2.delete_route_table(RouteTableId=made)  # noqa: E731
    with refused("DependencyViolation"):
        ec2.delete_vpc(VpcId=vpc)
    remove()
    ec2.delete_vpc(VpcId=vpc)


def test_an_images_snapshot_is_kept(ec2, unique, refused):
    volume = ec2.create_volume(AvailabilityZone="eu-central-1a", Size=1)["VolumeId"]
    snapshot = ec2.create_snapshot(VolumeId=volume)["SnapshotId"]
    image = ec2.register_image(
        Name=unique,
        RootDeviceName="/dev/xvda",
        BlockDeviceMappings=[{"DeviceName": "/dev/xvda", "Ebs": {"SnapshotId": snapshot}}],
    )["ImageId"]
    with refused("InvalidSnapshot.InUse"):
        ec2.delete_snapshot(SnapshotId=snapshot)
    ec2.deregister_image(ImageId=image)
    ec2.delete_snapshot(SnapshotId=snapshot)


def test_iam_keeps_what_is_in_use(lab, unique, refused):
    iam = lab.client("iam")
    statement = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
    trust = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    document = json.dumps(
        {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "*"}]}
    )
    iam.create_role(RoleName=unique, AssumeRolePolicyDocument=trust)
    iam.create_instance_profile(InstanceProfileName=unique, Tags=[{"Key": "k", "Value": "v"}])
    iam.add_role_to_instance_profile(InstanceProfileName=unique, RoleName=unique)
    iam.put_role_policy(RoleName=unique, PolicyName="p", PolicyDocument=document)
    policy = iam.create_policy(PolicyName=unique, PolicyDocument=document)["Policy"]["Arn"]
    iam.attach_role_policy(RoleName=unique, PolicyArn=policy)

    tags = iam.list_instance_profile_tags(InstanceProfileName=unique)["Tags"]
    assert tags == [{"Key": "k", "Value": "v"}]

    with refused("DeleteConflict"):
        iam.delete_policy(PolicyArn=policy)
    with refused("DeleteConflict"):
        iam.delete_instance_profile(InstanceProfileName=unique)
    with refused("DeleteConflict"):
        iam.delete_role(RoleName=unique)
    iam.remove_role_from_instance_profile(InstanceProfileName=unique, RoleName=unique)
    with refused("DeleteConflict"):
        iam.delete_role(RoleName=unique)
    iam.detach_role_policy(RoleName=unique, PolicyArn=policy)
    with refused("DeleteConflict"):
        iam.delete_role(RoleName=unique)
    iam.delete_role_policy(RoleName=unique, PolicyName="p")
    iam.delete_role(RoleName=unique)
    iam.delete_policy(PolicyArn=policy)
    iam.delete_instance_profile(InstanceProfileName=unique)


def test_the_default_network_acl_goes_with_its_vpc(ec2):
    made = ec2.create_vpc(CidrBlock="10.8.0.0/16")["Vpc"]["VpcId"]
    of_vpc = [{"Name": "vpc-id", "Values": [made]}]
    (acl,) = ec2.describe_network_acls(Filters=of_vpc)["NetworkAcls"]
    assert acl["IsDefault"]
    ec2.delete_vpc(VpcId=made)
    assert ec2.describe_network_acls(Filters=of_vpc)["NetworkAcls"] == []
