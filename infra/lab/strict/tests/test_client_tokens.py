"""strict.truths.client_tokens"""

import uuid

import pytest


def launch(lab, subnet, token, **changed):
    request = {"ImageId": lab.stock_image, "InstanceType": "t3.micro", "MinCount": 2, "MaxCount": 2, "SubnetId": subnet}
    return lab.client("ec2").run_instances(ClientToken=token, **{**request, **changed})


def test_the_same_launch_twice_is_one(lab, ec2, subnet, unique):
    first = launch(lab, subnet, unique)
    again = launch(lab, subnet, unique)
    assert first["ReservationId"] == again["ReservationId"]
    described = ec2.describe_instances(Filters=[{"Name": "client-token", "Values": [unique]}])["Reservations"]
    instances = [i for reservation in described for i in reservation["Instances"]]
    assert [i["ClientToken"] for i in instances] == [unique, unique]
    assert sorted(i["AmiLaunchIndex"] for i in instances) == [0, 1]


def test_a_token_with_other_parameters_is_refused(lab, subnet, unique, refused):
    launch(lab, subnet, unique)
    with refused("IdempotentParameterMismatch"):
        launch(lab, subnet, unique, InstanceType="t3.small")


def test_a_token_stays_taken_after_termination(lab, ec2, subnet, unique):
    ids = [i["InstanceId"] for i in launch(lab, subnet, unique)["Instances"]]
    ec2.terminate_instances(InstanceIds=ids)
    assert [i["InstanceId"] for i in launch(lab, subnet, unique)["Instances"]] == ids


def test_another_token_is_another_launch(lab, subnet, unique):
    assert launch(lab, subnet, unique)["ReservationId"] != launch(lab, subnet, unique + "x")["ReservationId"]


def test_a_refused_launch_takes_no_token(lab, subnet, unique, refused):
    with refused("InvalidAMIID.NotFound"):
        launch(lab, subnet, unique, ImageId="ami-00000000000000000")
    assert launch(lab, subnet, unique)["Instances"]


@pytest.mark.parametrize("kind", ["route table", "launch template", "endpoint", "volume"])
def test_other_creations_are_idempotent_too(lab, ec2, vpc, subnet, unique, refused, kind):
    def create(token, other=False):
        match kind:
            case "route table":
                tag = [{"ResourceType": "route-table", "Tags": [{"Key": "k", "Value": str(other)}]}]
                return ec2.create_route_table(VpcId=vpc, ClientToken=token, TagSpecifications=tag)["RouteTable"][
                    "RouteTableId"
                ]
            case "launch template":
                data = {"InstanceType": "t3.small" if other else "t3.micro"}
                made = ec2.create_launch_template(LaunchTemplateName=unique, LaunchTemplateData=data, ClientToken=token)
                return made["LaunchTemplate"]["LaunchTemplateId"]
            case "endpoint":
                service = f"com.amazonaws.eu-central-1.{'dynamodb' if other else 's3'}"
                made = ec2.create_vpc_endpoint(VpcId=vpc, ServiceName=service, ClientToken=token)
                return made["VpcEndpoint"]["VpcEndpointId"]
            case "volume":
                size = 2 if other else 1
                return ec2.create_volume(AvailabilityZone="eu-central-1a", Size=size, ClientToken=token)["VolumeId"]

    token = str(uuid.uuid4())
    made = create(token)
    assert create(token) == made
    with refused("IdempotentParameterMismatch"):
        create(token, other=True)
