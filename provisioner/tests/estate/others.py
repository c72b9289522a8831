"""Resources of others that look like an estate's, one for each kind, and what each is like.

`wanted` has, by its id inside the estate, the name and the tags that the estate gives a resource. A maker in `BESIDE`
makes one that may be there beside the estate's: with all the same tags in another VPC, or, where no VPC matters, with
the name and the two tags that are looked for. A maker in `TAKEN` takes a name that there is once. Each returns what the
looker of the same kind finds it by.
"""

autoscaling, backup, budgets, logs = map(client, ("autoscaling", "backup", "budgets", "logs"))
BESIDE, TAKEN, LOOK, END = {}, {}, {}, {}
TRUST = json.dumps({"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": ["ec2.amazonaws.com", "vpc-flow-logs.amazonaws.com"]}}]})


def into(makers, kind):
    return lambda maker: makers.setdefault(kind, maker)


def all_tags(id):
    return wanted[id]["tags"]


def two_tags(id):
    return {key: wanted[id]["tags"][key] for key in ("holdfast:estate", "holdfast:id")}


def pairs(tags, key="Key", value="Value"):
    return [{key: name, value: text} for name, text in tags.items()]


def tagged(type, tags):
    return [{"ResourceType": type, "Tags": pairs(tags)}]


# Beside the estate's.


@into(BESIDE, "vpc")
def vpc(made):
    return ec2.create_vpc(CidrBlock="10.0.0.0/16", TagSpecifications=tagged("vpc", two_tags("vpc")))["Vpc"]["VpcId"]


@into(BESIDE, "internet-gateway")
def internet_gateway(made):
    specification = tagged("internet-gateway", all_tags("internet-gateway"))
    id = ec2.create_internet_gateway(TagSpecifications=specification)["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=id, VpcId=made["vpc"])
    return id


@into(BESIDE, "network-acl")
def network_acl(made):
    (acl,) = ec2.describe_network_acls(Filters=[{"Name": "vpc-id", "Values": [made["vpc"]]}])["NetworkAcls"]
    ec2.create_tags(Resources=[acl["NetworkAclId"]], Tags=pairs(all_tags("network-acl")))
    ec2.create_network_acl_entry(NetworkAclId=acl["NetworkAclId"], RuleNumber=7, Protocol="-1", RuleAction="deny",
                                 Egress=False, CidrBlock="198.51.100.0/24")
    return acl["NetworkAclId"]


@into(BESIDE, "subnet")
def subnet(made):
    specification = tagged("subnet", all_tags("subnet/private-a"))
    return ec2.create_subnet(VpcId=made["vpc"], CidrBlock="10.0.64.0/18", AvailabilityZone="eu-central-1a",
                             TagSpecifications=specification)["Subnet"]["SubnetId"]


@into(BESIDE, "address")
def address(made):
    specification = tagged("elastic-ip", two_tags("address/bastion"))
    return ec2.allocate_address(Domain="vpc", TagSpecifications=specification)["AllocationId"]


@into(BESIDE, "nat-gateway")
def nat_gateway(made):
    # Its address is the nat gateway's in another network.
    tags = all_tags("address/nat-a") | {"holdfast:network": made["vpc"]}
    address = ec2.allocate_address(Domain="vpc", TagSpecifications=tagged("elastic-ip", tags))["AllocationId"]
    return ec2.create_nat_gateway(SubnetId=made["subnet"], AllocationId=address,
                                  TagSpecifications=tagged("natgateway", all_tags("nat-gateway/a")))["NatGateway"]["NatGatewayId"]


@into(BESIDE, "route-table")
def route_table(made):
    specification = tagged("route-table", all_tags("route-table/private-a"))
    id = ec2.create_route_table(VpcId=made["vpc"], TagSpecifications=specification)["RouteTable"]["RouteTableId"]
    ec2.create_route(RouteTableId=id, DestinationCidrBlock="0.0.0.0/0", GatewayId=made["internet-gateway"])
    ec2.associate_route_table(RouteTableId=id, SubnetId=made["subnet"])
    return id


@into(BESIDE, "security-group")
def security_group(made):
    return ec2.create_security_group(
        VpcId=made["vpc"], GroupName=wanted["security-group/hosts"]["name"], Description="another",
        TagSpecifications=tagged("security-group", all_tags("security-group/hosts")))["GroupId"]


@into(BESIDE, "security-group-rules")
def security_group_rules(made):
    ec2.authorize_security_group_ingress(GroupId=made["security-group"], IpPermissions=[
        {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}])
    return made["security-group"]


@into(BESIDE, "vpc-endpoint")
def vpc_endpoint(made):
    return ec2.create_vpc_endpoint(
        VpcId=made["vpc"], ServiceName="com.amazonaws.eu-central-1.s3", VpcEndpointType="Gateway",
        RouteTableIds=[made["route-table"]],
        TagSpecifications=tagged("vpc-endpoint", all_tags("vpc-endpoint/s3")))["VpcEndpoint"]["VpcEndpointId"]


@into(BESIDE, "flow-log")
def flow_log(made):
    logs.create_log_group(logGroupName="theirs")
    role = iam.create_role(RoleName="their-flow-logs", AssumeRolePolicyDocument=TRUST)["Role"]["Arn"]
    (id,) = ec2.create_flow_logs(
        ResourceIds=[made["vpc"]], ResourceType="VPC", TrafficType="REJECT", LogGroupName="theirs",
        DeliverLogsPermissionArn=role, TagSpecifications=tagged("vpc-flow-log", all_tags("flow-log")))["FlowLogIds"]
    return id


@into(BESIDE, "instances")
def instances(made):
    tags = all_tags("instances/worker") | {"holdfast:first": "0", "holdfast:stride": "1", "holdfast:generation": "1"}
    (host,) = ec2.run_instances(
        ImageId=image, MinCount=1, MaxCount=1, SubnetId=made["subnet"],
        TagSpecifications=tagged("instance", tags) + tagged("volume", tags))["Instances"]
    return host["InstanceId"]


@into(BESIDE, "key")
def key(made):
    return kms.create_key(Description="another", Tags=pairs(two_tags("key"), "TagKey", "TagValue"))["KeyMetadata"]["KeyId"]


@into(BESIDE, "backup-plan")
def backup_plan(made):
    backup.create_backup_vault(BackupVaultName="theirs")
    rule = {"RuleName": "theirs", "TargetBackupVaultName": "theirs", "ScheduleExpression": "cron(0 5 ? * * *)"}
    return backup.create_backup_plan(
        BackupPlan={"BackupPlanName": wanted["backup-plan"]["name"], "Rules": [rule]},
        BackupPlanTags=two_tags("backup-plan"))["BackupPlanId"]


# In the place of the estate's.


@into(TAKEN, "budget")
def budget(made):
    name = wanted["budget"]["name"]
    budgets.create_budget(AccountId=account, Budget={
        "BudgetName": name, "BudgetLimit": {"Amount": "9", "Unit": "USD"}, "TimeUnit": "MONTHLY", "BudgetType": "COST"})
    return name


@into(TAKEN, "alias")
def alias(made):
    name = wanted["alias"]["name"]
    kms.create_alias(AliasName=name, TargetKeyId=kms.create_key(Description="theirs")["KeyMetadata"]["KeyId"])
    return name


@into(TAKEN, "role")
def role(made):
    name = wanted["role/worker"]["name"]
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=TRUST)
    return name


@into(TAKEN, "instance-profile")
def instance_profile(made):
    name = wanted["instance-profile/worker"]["name"]
    iam.create_instance_profile(InstanceProfileName=name)
    return name


@into(TAKEN, "backup-vault")
def backup_vault(made):
    name = wanted["backup-vault"]["name"]
    backup.create_backup_vault(BackupVaultName=name)
    return name


@into(TAKEN, "log-group")
def log_group(made):
    name = wanted["log-group/flow-logs"]["name"]
    logs.create_log_group(logGroupName=name)
    return name


@into(TAKEN, "launch-template")
def launch_template(made):
    name = wanted["launch-template/worker"]["name"]
    ec2.create_launch_template(LaunchTemplateName=name, LaunchTemplateData={"InstanceType": "t3.nano"})
    return name


@into(TAKEN, "auto-scaling-group")
def auto_scaling_group(made):
    name = wanted["auto-scaling-group/builder"]["name"]
    vpc = ec2.create_vpc(CidrBlock="10.8.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.8.0.0/24")["Subnet"]["SubnetId"]
    template = ec2.create_launch_template(
        LaunchTemplateName="theirs", LaunchTemplateData={"ImageId": image, "InstanceType": "t3.nano"})
    autoscaling.create_auto_scaling_group(
        AutoScalingGroupName=name, MinSize=0, MaxSize=1, DesiredCapacity=0, VPCZoneIdentifier=subnet,
        LaunchTemplate={"LaunchTemplateId": template["LaunchTemplate"]["LaunchTemplateId"], "Version": "1"})
    return name


# What each is like.


def described(kind, operation, parameter, key):
    LOOK[kind] = lambda id: getattr(ec2, operation)(**{parameter: [id]})[key]


described("vpc", "describe_vpcs", "VpcIds", "Vpcs")
described("internet-gateway", "describe_internet_gateways", "InternetGatewayIds", "InternetGateways")
described("network-acl", "describe_network_acls", "NetworkAclIds", "NetworkAcls")
described("subnet", "describe_subnets", "SubnetIds", "Subnets")
described("address", "describe_addresses", "AllocationIds", "Addresses")
described("route-table", "describe_route_tables", "RouteTableIds", "RouteTables")
described("security-group", "describe_security_groups", "GroupIds", "SecurityGroups")
described("vpc-endpoint", "describe_vpc_endpoints", "VpcEndpointIds", "VpcEndpoints")
described("flow-log", "describe_flow_logs", "FlowLogIds", "FlowLogs")


@into(LOOK, "nat-gateway")
def look(id):
    (gateway,) = ec2.describe_nat_gateways(NatGatewayIds=[id])["NatGateways"]
    used = [address["AllocationId"] for address in gateway["NatGatewayAddresses"]]
    return [gateway, ec2.describe_addresses(AllocationIds=used)["Addresses"]]


@into(LOOK, "security-group-rules")
def look(id):
    return ec2.describe_security_group_rules(Filters=[{"Name": "group-id", "Values": [id]}])["SecurityGroupRules"]


@into(LOOK, "instances")
def look(id):
    volumes = ec2.describe_volumes(Filters=[{"Name": "attachment.instance-id", "Values": [id]}])["Volumes"]
    return [ec2.describe_instances(InstanceIds=[id])["Reservations"][0]["Instances"], volumes]


@into(LOOK, "key")
def look(id):
    policy = kms.get_key_policy(KeyId=id, PolicyName="default")["Policy"]
    rotation = kms.get_key_rotation_status(KeyId=id)["KeyRotationEnabled"]
    return [kms.describe_key(KeyId=id)["KeyMetadata"], kms.list_resource_tags(KeyId=id)["Tags"], policy, rotation]


@into(LOOK, "backup-plan")
def look(id):
    found = backup.get_backup_plan(BackupPlanId=id)
    selections = backup.list_backup_selections(BackupPlanId=id)["BackupSelectionsList"]
    return [found["BackupPlan"], backup.list_tags(ResourceArn=found["BackupPlanArn"])["Tags"], selections]


@into(LOOK, "budget")
def look(name):
    of = {"AccountId": account, "BudgetName": name}
    tags = budgets.list_tags_for_resource(ResourceARN=f"arn:aws:budgets::{account}:budget/{name}")["ResourceTags"]
    return [budgets.describe_budget(**of)["Budget"], tags,
            budgets.describe_notifications_for_budget(**of).get("Notifications", [])]


@into(LOOK, "alias")
def look(name):
    return [alias for alias in kms.list_aliases()["Aliases"] if alias["AliasName"] == name]


@into(LOOK, "role")
def look(name):
    policies = iam.list_role_policies(RoleName=name)["PolicyNames"]
    attached = iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]
    return [iam.get_role(RoleName=name)["Role"], iam.list_role_tags(RoleName=name)["Tags"], policies, attached]


@into(LOOK, "instance-profile")
def look(name):
    return iam.get_instance_profile(InstanceProfileName=name)["InstanceProfile"]


@into(LOOK, "backup-vault")
def look(name):
    vault = backup.describe_backup_vault(BackupVaultName=name)
    vault.pop("ResponseMetadata")
    return [vault, backup.list_tags(ResourceArn=vault["BackupVaultArn"]).get("Tags", {})]


@into(LOOK, "log-group")
def look(name):
    (group,) = logs.describe_log_groups(logGroupNamePrefix=name)["logGroups"]
    return [group, logs.list_tags_for_resource(resourceArn=group["arn"].removesuffix(":*")).get("tags", {})]


@into(LOOK, "launch-template")
def look(name):
    versions = ec2.describe_launch_template_versions(LaunchTemplateName=name)["LaunchTemplateVersions"]
    return [ec2.describe_launch_templates(LaunchTemplateNames=[name])["LaunchTemplates"], versions]


@into(LOOK, "auto-scaling-group")
def look(name):
    return autoscaling.describe_auto_scaling_groups(AutoScalingGroupNames=[name])["AutoScalingGroups"]


# How a name is given back.

END["budget"] = lambda name: budgets.delete_budget(AccountId=account, BudgetName=name)
END["alias"] = lambda name: kms.delete_alias(AliasName=name)
END["role"] = lambda name: iam.delete_role(RoleName=name)
END["instance-profile"] = lambda name: iam.delete_instance_profile(InstanceProfileName=name)
END["backup-vault"] = lambda name: backup.delete_backup_vault(BackupVaultName=name)
END["log-group"] = lambda name: logs.delete_log_group(logGroupName=name)
END["launch-template"] = lambda name: ec2.delete_launch_template(LaunchTemplateName=name)
END["auto-scaling-group"] = lambda name: autoscaling.delete_auto_scaling_group(AutoScalingGroupName=name)


def make(makers):
    """Makes one of each kind, in this order, and says what each is found by."""
    made = {}
    for kind, maker in makers.items():
        made[kind] = maker(made)
    return made
