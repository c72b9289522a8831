"""Whoever names what isn't there is refused, in every call that an estate is made with."""

import pytest

NOWHERE = "0" * 17
VPC, SUBNET, GROUP, TABLE = f"vpc-{NOWHERE}", f"subnet-{NOWHERE}", f"sg-{NOWHERE}", f"rtb-{NOWHERE}"
GATEWAY, INSTANCE, ADDRESS = f"igw-{NOWHERE}", f"i-{NOWHERE}", f"eipalloc-{NOWHERE}"
S3 = "com.amazonaws.eu-central-1.s3"
SSM = "com.amazonaws.eu-central-1.ssm"

# Operation, parameters (a callable gets what there is), code.
EC2 = [
    ("create_subnet", {"VpcId": VPC, "CidrBlock": "10.0.0.0/24"}, "InvalidVpcID.NotFound"),
    ("create_security_group", {"VpcId": VPC, "GroupName": "g", "Description": "d"}, "InvalidVpcID.NotFound"),
    ("create_route_table", {"VpcId": VPC}, "InvalidVpcID.NotFound"),
    ("create_vpc_endpoint", {"VpcId": VPC, "ServiceName": S3}, "InvalidVpcID.NotFound"),
    ("modify_vpc_attribute", {"VpcId": VPC, "EnableDnsSupport": {"Value": True}}, "InvalidVpcID.NotFound"),
    ("delete_vpc", {"VpcId": VPC}, "InvalidVpcID.NotFound"),
    (
        "attach_internet_gateway",
        lambda has: {"InternetGatewayId": has["gateway"], "VpcId": VPC},
        "InvalidVpcID.NotFound",
    ),
    (
        "attach_internet_gateway",
        lambda has: {"InternetGatewayId": GATEWAY, "VpcId": has["vpc"]},
        "InvalidInternetGatewayID.NotFound",
    ),
    ("delete_internet_gateway", {"InternetGatewayId": GATEWAY}, "InvalidInternetGatewayID.NotFound"),
    (
        "associate_route_table",
        lambda has: {"RouteTableId": has["table"], "SubnetId": SUBNET},
        "InvalidSubnetID.NotFound",
    ),
    (
        "associate_route_table",
        lambda has: {"RouteTableId": TABLE, "SubnetId": has["subnet"]},
        "InvalidRouteTableID.NotFound",
    ),
    (
        "create_route",
        lambda has: {"RouteTableId": TABLE, "DestinationCidrBlock": "0.0.0.0/0", "GatewayId": has["gateway"]},
        "InvalidRouteTableID.NotFound",
    ),
    (
        "create_route",
        lambda has: {"RouteTableId": has["table"], "DestinationCidrBlock": "0.0.0.0/0", "GatewayId": GATEWAY},
        "InvalidInternetGatewayID.NotFound",
    ),
    (
        "create_route",
        lambda has: {
            "RouteTableId": has["table"],
            "DestinationCidrBlock": "0.0.0.0/0",
            "NatGatewayId": f"nat-{NOWHERE}",
        },
        "InvalidNatGatewayID.NotFound",
    ),
    ("delete_route_table", {"RouteTableId": TABLE}, "InvalidRouteTableID.NotFound"),
    ("delete_subnet", {"SubnetId": SUBNET}, "InvalidSubnetID.NotFound"),
    (
        "authorize_security_group_ingress",
        {"GroupId": GROUP, "IpPermissions": [{"IpProtocol": "-1", "IpRanges": [{"CidrIp": "10.0.0.0/8"}]}]},
        "InvalidGroup.NotFound",
    ),
    (
        "authorize_security_group_ingress",
        lambda has: {
            "GroupId": has["group"],
            "IpPermissions": [{"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": GROUP}]}],
        },
        "InvalidGroup.NotFound",
    ),
    ("delete_security_group", {"GroupId": GROUP}, "InvalidGroup.NotFound"),
    (
        "create_vpc_endpoint",
        lambda has: {
            "VpcId": has["vpc"],
            "ServiceName": SSM,
            "VpcEndpointType": "Interface",
            "SubnetIds": [SUBNET],
            "PrivateDnsEnabled": False,
        },
        "InvalidSubnetID.NotFound",
    ),
    (
        "create_vpc_endpoint",
        lambda has: {"VpcId": has["vpc"], "ServiceName": S3, "RouteTableIds": [TABLE]},
        "InvalidRouteTableID.NotFound",
    ),
    (
        "create_nat_gateway",
        lambda has: {"SubnetId": has["subnet"], "AllocationId": ADDRESS},
        "InvalidAllocationID.NotFound",
    ),
    ("create_nat_gateway", {"SubnetId": SUBNET, "ConnectivityType": "private"}, "InvalidSubnetID.NotFound"),
    ("associate_address", {"AllocationId": ADDRESS, "InstanceId": INSTANCE}, "InvalidAllocationID.NotFound"),
    ("release_address", {"AllocationId": ADDRESS}, "InvalidAllocationID.NotFound"),
    ("terminate_instances", {"InstanceIds": [INSTANCE]}, "InvalidInstanceID.NotFound"),
    (
        "modify_instance_attribute",
        {"InstanceId": INSTANCE, "DisableApiTermination": {"Value": True}},
        "InvalidInstanceID.NotFound",
    ),
    (
        "modify_instance_metadata_options",
        {"InstanceId": INSTANCE, "HttpTokens": "required"},
        "InvalidInstanceID.NotFound",
    ),
    ("modify_volume", {"VolumeId": f"vol-{NOWHERE}", "Size": 9}, "InvalidVolume.NotFound"),
    ("create_tags", {"Resources": [VPC], "Tags": [{"Key": "a", "Value": "b"}]}, "InvalidVpcID.NotFound"),
    ("create_tags", {"Resources": [INSTANCE], "Tags": [{"Key": "a", "Value": "b"}]}, "InvalidInstanceID.NotFound"),
    ("create_tags", {"Resources": [GROUP], "Tags": [{"Key": "a", "Value": "b"}]}, "InvalidGroup.NotFound"),
    (
        "create_tags",
        {"Resources": [f"fl-{NOWHERE}"], "Tags": [{"Key": "a", "Value": "b"}]},
        "InvalidFlowLogId.NotFound",
    ),
    (
        "create_tags",
        {"Resources": [f"nat-{NOWHERE}"], "Tags": [{"Key": "a", "Value": "b"}]},
        "InvalidNatGatewayID.NotFound",
    ),
    ("create_tags", {"Resources": [ADDRESS], "Tags": [{"Key": "a", "Value": "b"}]}, "InvalidAllocationID.NotFound"),
    (
        "create_launch_template_version",
        {"LaunchTemplateName": "nowhere", "LaunchTemplateData": {"InstanceType": "t3.micro"}},
        "InvalidLaunchTemplateName.NotFoundException",
    ),
    (
        "delete_launch_template",
        {"LaunchTemplateName": "nowhere"},
        "InvalidLaunchTemplateName.NotFoundException",
    ),
]


@pytest.fixture(scope="session")
def has(ec2):
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    return {
        "vpc": vpc,
        "subnet": ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/24")["Subnet"]["SubnetId"],
        "table": ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"],
        "group": ec2.create_security_group(VpcId=vpc, GroupName="g", Description="d")["GroupId"],
        "gateway": ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"],
    }


@pytest.mark.parametrize(("operation", "parameters", "code"), EC2, ids=[f"{o}-{c}" for o, _, c in EC2])
def test_what_is_not_there_is_refused(ec2, has, refused, operation, parameters, code):
    with refused(code):
        getattr(ec2, operation)(**(parameters(has) if callable(parameters) else parameters))
