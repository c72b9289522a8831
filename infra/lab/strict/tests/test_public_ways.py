"""The ways out of a network: strict.truths.addresses, nat_gateways, vpc_endpoints."""

import json

import pytest

REGION = "eu-central-1"


@pytest.fixture
def gateway(ec2, vpc):
    made = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=made, VpcId=vpc)
    return made


@pytest.fixture
def address(ec2):
    return ec2.allocate_address(
        Domain="vpc",
        TagSpecifications=[{"ResourceType": "elastic-ip", "Tags": [{"Key": "Name", "Value": "bastion"}]}],
    )["AllocationId"]


@pytest.fixture
def launch(lab, ec2, subnet):
    def launch():
        request = {"ImageId": lab.stock_image, "InstanceType": "t3.micro", "MinCount": 1, "MaxCount": 1}
        return ec2.run_instances(SubnetId=subnet, **request)["Instances"][0]["InstanceId"]

    return launch


def described(ec2, allocation):
    return ec2.describe_addresses(AllocationIds=[allocation])["Addresses"][0]


def test_an_address_keeps_its_tags_and_is_found_by_them(ec2, address, unique):
    ec2.create_tags(Resources=[address], Tags=[{"Key": "which", "Value": unique}])
    found = ec2.describe_addresses(Filters=[{"Name": "tag:which", "Values": [unique]}])["Addresses"]
    assert [a["AllocationId"] for a in found] == [address]
    assert {"Key": "Name", "Value": "bastion"} in found[0]["Tags"]


def test_an_address_moves_to_another_instance_and_stays_when_that_ends(ec2, gateway, address, launch):
    first, second = launch(), launch()
    association = ec2.associate_address(AllocationId=address, InstanceId=first)["AssociationId"]
    assert ec2.associate_address(AllocationId=address, InstanceId=first)["AssociationId"] == association
    ec2.associate_address(AllocationId=address, InstanceId=second)
    assert described(ec2, address)["InstanceId"] == second
    shown = ec2.describe_instances(InstanceIds=[first])["Reservations"][0]["Instances"][0]
    assert shown.get("PublicIpAddress") != described(ec2, address)["PublicIp"]
    ec2.terminate_instances(InstanceIds=[second])
    assert "AssociationId" not in described(ec2, address)
    ec2.release_address(AllocationId=address)


def test_an_address_in_use_stays_where_it_is_told_to(ec2, gateway, address, launch, refused):
    first, second = launch(), launch()
    ec2.associate_address(AllocationId=address, InstanceId=first)
    with refused("Resource.AlreadyAssociated"):
        ec2.associate_address(AllocationId=address, InstanceId=second, AllowReassociation=False)
    with refused("InvalidIPAddress.InUse"):
        ec2.release_address(AllocationId=address)


def test_an_address_wants_a_living_instance_in_a_network_with_a_way_out(ec2, vpc, address, launch, refused):
    instance = launch()
    with refused("Gateway.NotAttached"):
        ec2.associate_address(AllocationId=address, InstanceId=instance)
    ec2.terminate_instances(InstanceIds=[instance])
    with refused("InvalidInstanceID"):
        ec2.associate_address(AllocationId=address, InstanceId=instance)


def nat(ec2, gateway_id):
    return ec2.describe_nat_gateways(NatGatewayIds=[gateway_id])["NatGateways"][0]


def until(look, wanted):
    """Looks until what is wanted is seen; the lab's time passes by looking."""
    seen = [look()]
    while seen[-1] != wanted:
        assert len(seen) < 20, seen
        seen.append(look())
    return seen


def test_a_nat_gateway_takes_its_time_and_holds_what_it_stands_on(ec2, gateway, subnet, address, unique, refused):
    request = {"SubnetId": subnet, "AllocationId": address, "ClientToken": unique}
    request["TagSpecifications"] = [{"ResourceType": "natgateway", "Tags": [{"Key": "which", "Value": unique}]}]
    made = ec2.create_nat_gateway(**request)["NatGateway"]
    assert made["State"] == "pending"
    assert ec2.create_nat_gateway(**request)["NatGateway"]["NatGatewayId"] == made["NatGatewayId"]
    assert "pending" in until(lambda: nat(ec2, made["NatGatewayId"])["State"], "available")
    found = ec2.describe_nat_gateways(Filter=[{"Name": "tag:which", "Values": [unique]}])["NatGateways"]
    assert [g["NatGatewayId"] for g in found] == [made["NatGatewayId"]]
    assert found[0]["NatGatewayAddresses"][0]["AllocationId"] == address
    assert found[0]["NatGatewayAddresses"][0]["PrivateIp"].startswith("10.0.0.")

    with refused("AuthFailure"):
        ec2.disassociate_address(AssociationId=described(ec2, address)["AssociationId"])
    with refused("InvalidIPAddress.InUse"):
        ec2.release_address(AllocationId=address)
    ec2.delete_nat_gateway(NatGatewayId=made["NatGatewayId"])
    with refused("DependencyViolation"):
        ec2.delete_subnet(SubnetId=subnet)
    assert "deleting" in until(lambda: nat(ec2, made["NatGatewayId"])["State"], "deleted")
    ec2.release_address(AllocationId=address)
    ec2.delete_subnet(SubnetId=subnet)
    with refused("NatGatewayNotFound"):
        ec2.delete_nat_gateway(NatGatewayId=made["NatGatewayId"])


def test_a_nat_gateway_fails_without_a_way_out_and_with_an_address_in_use(ec2, vpc, subnet, address, launch):
    lonely = ec2.create_nat_gateway(SubnetId=subnet, AllocationId=address)["NatGateway"]["NatGatewayId"]
    until(lambda: nat(ec2, lonely)["State"], "failed")
    assert nat(ec2, lonely)["FailureCode"] == "Gateway.NotAttached"

    way_out = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=way_out, VpcId=vpc)
    ec2.associate_address(AllocationId=address, InstanceId=launch())
    late = ec2.create_nat_gateway(SubnetId=subnet, AllocationId=address)["NatGateway"]["NatGatewayId"]
    until(lambda: nat(ec2, late)["State"], "failed")
    assert nat(ec2, late)["FailureCode"] == "Resource.AlreadyAssociated"


def test_a_nat_gateway_fails_where_that_is_asked_for(lab, ec2, gateway, subnet, address):
    lab.own_call("failing-nat-gateways", count=1, reason="InternalError")
    failing = ec2.create_nat_gateway(SubnetId=subnet, AllocationId=address)["NatGateway"]["NatGatewayId"]
    assert until(lambda: nat(ec2, failing)["State"], "failed")[0] == "pending"
    assert nat(ec2, failing)["FailureCode"] == "InternalError"
    another = ec2.create_nat_gateway(SubnetId=subnet, AllocationId=address)["NatGateway"]["NatGatewayId"]
    until(lambda: nat(ec2, another)["State"], "available")


@pytest.fixture
def names(ec2, vpc):
    ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsSupport={"Value": True})
    ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsHostnames={"Value": True})


@pytest.fixture
def group(ec2, vpc, unique):
    return ec2.create_security_group(GroupName=unique, Description="endpoints", VpcId=vpc)["GroupId"]


def endpoint(ec2, endpoint_id):
    return ec2.describe_vpc_endpoints(VpcEndpointIds=[endpoint_id])["VpcEndpoints"][0]


def interface_endpoint(ec2, vpc, service="ssm", **more):
    return ec2.create_vpc_endpoint(
        VpcId=vpc, ServiceName=f"com.amazonaws.{REGION}.{service}", VpcEndpointType="Interface", **more
    )["VpcEndpoint"]


def test_an_interface_endpoint_stands_in_its_subnets_with_its_groups(ec2, vpc, subnet, names, group, unique, refused):
    made = interface_endpoint(
        ec2,
        vpc,
        SubnetIds=[subnet],
        SecurityGroupIds=[group],
        TagSpecifications=[{"ResourceType": "vpc-endpoint", "Tags": [{"Key": "which", "Value": unique}]}],
    )
    endpoint_id = made["VpcEndpointId"]
    assert made["State"] == "pending"
    until(lambda: endpoint(ec2, endpoint_id)["State"], "available")
    found = ec2.describe_vpc_endpoints(Filters=[{"Name": "tag:which", "Values": [unique]}])["VpcEndpoints"]
    assert [e["VpcEndpointId"] for e in found] == [endpoint_id]
    assert found[0]["PrivateDnsEnabled"] is True
    assert [g["GroupId"] for g in found[0]["Groups"]] == [group]
    interface = ec2.describe_network_interfaces(NetworkInterfaceIds=found[0]["NetworkInterfaceIds"])
    assert interface["NetworkInterfaces"][0]["PrivateIpAddress"].startswith("10.0.0.")
    assert [g["GroupId"] for g in interface["NetworkInterfaces"][0]["Groups"]] == [group]

    with refused("DependencyViolation"):
        ec2.delete_security_group(GroupId=group)
    with refused("InvalidParameterValue"):
        ec2.delete_network_interface(NetworkInterfaceId=found[0]["NetworkInterfaceIds"][0])
    assert ec2.delete_vpc_endpoints(VpcEndpointIds=[endpoint_id])["Unsuccessful"] == []
    with refused("DependencyViolation"):
        ec2.delete_subnet(SubnetId=subnet)
    with refused("InvalidVpcEndpointId.NotFound"):
        until(lambda: endpoint(ec2, endpoint_id)["State"], "gone")
    ec2.delete_security_group(GroupId=group)
    ec2.delete_subnet(SubnetId=subnet)
    again = ec2.delete_vpc_endpoints(VpcEndpointIds=[endpoint_id])["Unsuccessful"]
    assert [u["Error"]["Code"] for u in again] == ["InvalidVpcEndpoint.NotFound"]


def test_private_names_want_dns_and_are_had_once(ec2, vpc, subnet, refused, request):
    with refused("InvalidParameter", "enableDnsHostnames"):
        interface_endpoint(ec2, vpc, SubnetIds=[subnet])
    request.getfixturevalue("names")
    interface_endpoint(ec2, vpc, SubnetIds=[subnet])
    with refused("InvalidParameter", "conflicting DNS domain"):
        interface_endpoint(ec2, vpc, SubnetIds=[subnet])
    interface_endpoint(ec2, vpc, SubnetIds=[subnet], PrivateDnsEnabled=False)


def test_an_endpoint_wants_a_service_a_policy_and_a_subnet_for_each_zone(ec2, vpc, subnet, names, refused):
    with refused("InvalidServiceName"):
        interface_endpoint(ec2, vpc, service="ssn", SubnetIds=[subnet])
    with refused("InvalidPolicyDocument"):
        interface_endpoint(ec2, vpc, SubnetIds=[subnet], PolicyDocument="{}")
    other = ec2.create_subnet(
        VpcId=vpc,
        CidrBlock="10.0.1.0/24",
        AvailabilityZone=ec2.describe_subnets(SubnetIds=[subnet])["Subnets"][0]["AvailabilityZone"],
    )["Subnet"]["SubnetId"]
    with refused("DuplicateSubnetsInSameZone"):
        interface_endpoint(ec2, vpc, SubnetIds=[subnet, other])


def test_a_changed_endpoint_moves_its_interfaces_and_its_routes(ec2, vpc, subnet, names, group):
    other = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.1.0/24", AvailabilityZone=REGION + "b")["Subnet"]["SubnetId"]
    made = interface_endpoint(ec2, vpc, SubnetIds=[subnet])["VpcEndpointId"]
    policy = json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "ssm:*", "Resource": "*"}],
        }
    )
    ec2.modify_vpc_endpoint(
        VpcEndpointId=made,
        AddSubnetIds=[other],
        RemoveSubnetIds=[subnet],
        AddSecurityGroupIds=[group],
        PolicyDocument=policy,
    )
    shown = endpoint(ec2, made)
    assert shown["SubnetIds"] == [other]
    assert json.loads(shown["PolicyDocument"]) == json.loads(policy)
    interfaces = ec2.describe_network_interfaces(NetworkInterfaceIds=shown["NetworkInterfaceIds"])["NetworkInterfaces"]
    assert [i["SubnetId"] for i in interfaces] == [other]
    assert group in [g["GroupId"] for g in interfaces[0]["Groups"]]

    table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    way = ec2.create_vpc_endpoint(VpcId=vpc, ServiceName=f"com.amazonaws.{REGION}.s3")["VpcEndpoint"]["VpcEndpointId"]
    ec2.modify_vpc_endpoint(VpcEndpointId=way, AddRouteTableIds=[table])

    def targets():
        routes = ec2.describe_route_tables(RouteTableIds=[table])["RouteTables"][0]["Routes"]
        return [route.get("GatewayId") for route in routes]

    assert way in targets()
    ec2.modify_vpc_endpoint(VpcEndpointId=way, RemoveRouteTableIds=[table])
    assert way not in targets()
