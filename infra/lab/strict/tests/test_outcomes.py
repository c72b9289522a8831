"""What becomes of instances and volumes: strict.truths.launch_outcomes, quotas, termination, volume_changes."""

import pytest

ZONE = "eu-central-1a"


@pytest.fixture
def place(ec2, vpc):
    return ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/24", AvailabilityZone=ZONE)["Subnet"]["SubnetId"]


@pytest.fixture
def run(lab, ec2, place):
    def run(least=1, most=None, **more):
        request = {"ImageId": lab.stock_image, "InstanceType": "c5.large", "SubnetId": place, **more}
        started = ec2.run_instances(MinCount=least, MaxCount=most or least, **request)["Instances"]
        return [i["InstanceId"] for i in started]

    return run


def instance(ec2, instance_id):
    return ec2.describe_instances(InstanceIds=[instance_id])["Reservations"][0]["Instances"][0]


def until(ec2, instance_id, state):
    seen = []
    while state not in seen:
        assert len(seen) < 20, seen
        seen.append(instance(ec2, instance_id)["State"]["Name"])
    return seen


def test_a_launch_starts_as_many_as_it_can(lab, run, refused):
    assert len(run(2, 5)) == 5
    lab.own_call("capacity", type="c5.large", zone=ZONE, left=3)
    try:
        assert len(run(2, 5)) == 3
        with refused("InsufficientInstanceCapacity", ZONE):
            run()
        assert len(run(InstanceType="c5.xlarge")) == 1
    finally:
        lab.own_call("capacity", type="c5.large", zone=ZONE, left=1_000_000)


def test_an_instance_starts_late(lab, ec2, run):
    lab.own_call("slow-launches", count=1, requests=5)
    late, punctual = run(2)
    assert instance(ec2, punctual)["State"]["Name"] == "running"
    assert until(ec2, late, "running")[0] == "pending"


def test_an_instance_fails_with_a_reason(lab, ec2, run):
    lab.own_call("failing-launches", count=1, reason="Server.InternalError")
    failing = run()[0]
    assert until(ec2, failing, "terminated")[0] == "pending"
    assert instance(ec2, failing)["StateReason"]["Code"] == "Server.InternalError"


def test_quotas_hold_where_they_are_set(lab, ec2, run, refused):
    lab.own_call("quota", name="vcpus", value=1)
    lab.own_call("quota", name="addresses", value=0)
    try:
        with refused("VcpuLimitExceeded"):
            run()
        with refused("AddressLimitExceeded"):
            ec2.allocate_address()
    finally:
        lab.own_call("quota", name="vcpus", value=1_000_000)
        lab.own_call("quota", name="addresses", value=1_000_000)


def test_a_protected_instance_stays_with_those_of_its_zone(ec2, vpc, run, refused):
    elsewhere = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.1.0/24", AvailabilityZone="eu-central-1b")
    near, protected = run(2)
    far = run(SubnetId=elsewhere["Subnet"]["SubnetId"])[0]
    ec2.modify_instance_attribute(InstanceId=protected, DisableApiTermination={"Value": True})
    with refused("OperationNotPermitted", protected):
        ec2.terminate_instances(InstanceIds=[near, far, protected])
    states = {i: instance(ec2, i)["State"]["Name"] for i in (near, far, protected)}
    assert states == {near: "running", far: "terminated", protected: "running"}
    ec2.modify_instance_attribute(InstanceId=protected, DisableApiTermination={"Value": False})
    ec2.terminate_instances(InstanceIds=[near, protected])


def test_a_type_changes_when_stopped(ec2, run, refused):
    host = run()[0]
    with refused("IncorrectInstanceState"):
        ec2.modify_instance_attribute(InstanceId=host, InstanceType={"Value": "c5.xlarge"})
    ec2.stop_instances(InstanceIds=[host])
    ec2.modify_instance_attribute(InstanceId=host, InstanceType={"Value": "c5.xlarge"})
    assert instance(ec2, host)["InstanceType"] == "c5.xlarge"


def test_a_volume_grows_and_changes_its_type(ec2, refused):
    volume = ec2.create_volume(AvailabilityZone=ZONE, Size=10, VolumeType="gp2")["VolumeId"]
    with refused("InvalidParameterValue", "smaller"):
        ec2.modify_volume(VolumeId=volume, Size=9)
    with refused("InvalidParameterValue"):
        ec2.modify_volume(VolumeId=volume, VolumeType="gp3", Iops=100)
    with refused("InvalidParameterCombination"):
        ec2.modify_volume(VolumeId=volume, Throughput=200)
    ec2.modify_volume(VolumeId=volume, Size=20, VolumeType="gp3")

    def shown():
        described = ec2.describe_volumes(VolumeIds=[volume])["Volumes"][0]
        return [described[name] for name in ("Size", "VolumeType", "Iops", "Throughput")]

    assert shown() == [20, "gp3", 3000, 125]
    ec2.modify_volume(VolumeId=volume, Iops=4000, Throughput=250)
    assert shown() == [20, "gp3", 4000, 250]
    for size in (21, 22):
        ec2.modify_volume(VolumeId=volume, Size=size)
    with refused("VolumeModificationRateExceeded"):
        ec2.modify_volume(VolumeId=volume, Size=23)
