"""strict.truths.dry_run"""


def test_nothing_is_made(lab, ec2, subnet, refused):
    vpcs = len(ec2.describe_vpcs()["Vpcs"])
    gateways = len(ec2.describe_internet_gateways()["InternetGateways"])
    with refused("DryRunOperation"):
        ec2.create_vpc(CidrBlock="10.9.0.0/16", DryRun=True)
    with refused("DryRunOperation"):
        ec2.create_internet_gateway(DryRun=True)
    with refused("DryRunOperation"):
        ec2.run_instances(ImageId=lab.stock_image, MinCount=1, MaxCount=1, SubnetId=subnet, DryRun=True)
    assert len(ec2.describe_vpcs()["Vpcs"]) == vpcs
    assert len(ec2.describe_internet_gateways()["InternetGateways"]) == gateways


def test_what_would_fail_fails(ec2, subnet, refused):
    with refused("InvalidAMIID.NotFound"):
        ec2.run_instances(ImageId="ami-00000000000000000", MinCount=1, MaxCount=1, SubnetId=subnet, DryRun=True)


def test_nothing_is_removed(ec2, vpc, subnet, refused):
    with refused("DryRunOperation"):
        ec2.delete_subnet(SubnetId=subnet, DryRun=True)
    with refused("DryRunOperation"):
        ec2.delete_vpc(VpcId=vpc, DryRun=True)
    assert ec2.describe_subnets(SubnetIds=[subnet])["Subnets"]
