"""What the lines of `changes.rs` call: an estate's resources in AWS by their ids inside the estate, read by boto3."""

logs, autoscaling, backup, budgets = map(client, ("logs", "autoscaling", "backup", "budgets"))


def pages(service, operation, key, **parameters):
    for page in service.get_paginator(operation).paginate(**parameters):
        yield from page[key]


# What DescribeTags doesn't list everywhere, by the call that does.
OTHERS = {
    "address": lambda tagged: [found["AllocationId"] for found in ec2.describe_addresses(Filters=tagged)["Addresses"]],
    "flow-log": lambda tagged: [found["FlowLogId"] for found in ec2.describe_flow_logs(Filter=tagged)["FlowLogs"]],
    "nat-gateway": lambda tagged: [found["NatGatewayId"] for found in ec2.describe_nat_gateways(Filter=tagged)["NatGateways"]
                                   if found["State"] == "available"],
}


def of(kind, id):
    """The AWS ids of what EC2 has under an id, of one kind."""
    if kind in OTHERS:
        return OTHERS[kind]([{"Name": "tag:holdfast:id", "Values": [id]}])
    wanted = {"key": "holdfast:id", "value": id, "resource-type": kind}
    filters = [{"Name": name, "Values": [value]} for name, value in wanted.items()]
    return sorted(tag["ResourceId"] for tag in pages(ec2, "describe_tags", "Tags", Filters=filters))


def one(kind, id):
    (found,) = of(kind, id)
    return found


def key():
    aliases = pages(kms, "list_aliases", "Aliases")
    return next(alias["TargetKeyId"] for alias in aliases if alias["AliasName"] == "alias/holdfast/judge")


def arn_of_key():
    return kms.describe_key(KeyId=key())["KeyMetadata"]["Arn"]


def role(name):
    return next(role for role in pages(iam, "list_roles", "Roles") if role["RoleName"].endswith(f"-{name}"))["RoleName"]


def profile(name):
    profiles = pages(iam, "list_instance_profiles", "InstanceProfiles")
    return next(found for found in profiles if found["InstanceProfileName"].endswith(f"-{name}"))


def budget(**changes):
    budgets_ = budgets.describe_budgets(AccountId=account)["Budgets"]
    (found,) = [one for one in budgets_ if "judge" in one["BudgetName"]]
    if changes:
        kept = ("BudgetName", "BudgetLimit", "CostFilters", "TimeUnit", "BudgetType")
        found = {name: value for name, value in found.items() if name in kept} | changes
        budgets.update_budget(AccountId=account, NewBudget=found)
    return found["BudgetName"]


def plan_of_backups():
    (found,) = pages(backup, "list_backup_plans", "BackupPlansList")
    return found


def vault():
    (found,) = pages(backup, "list_backup_vaults", "BackupVaultList")
    return found["BackupVaultArn"]


def log_group():
    (found,) = [group["logGroupName"] for group in logs.describe_log_groups()["logGroups"] if "judge" in group["logGroupName"]]
    return found


def fleet(name):
    groups = autoscaling.describe_auto_scaling_groups()["AutoScalingGroups"]
    return next(group for group in groups if group["AutoScalingGroupName"].endswith(f"-{name}"))


def template(name, **changes):
    """Makes a version of a launch template the default that is like the one that is, but for these fields."""
    id = one("launch-template", f"launch-template/{name}")
    versions = ec2.describe_launch_template_versions(LaunchTemplateId=id, Versions=["$Default"])
    data = versions["LaunchTemplateVersions"][0]["LaunchTemplateData"] | changes
    made = ec2.create_launch_template_version(LaunchTemplateId=id, LaunchTemplateData=data)
    version = str(made["LaunchTemplateVersion"]["VersionNumber"])
    ec2.modify_launch_template(LaunchTemplateId=id, DefaultVersion=version)


def data_of(name):
    id = one("launch-template", f"launch-template/{name}")
    versions = ec2.describe_launch_template_versions(LaunchTemplateId=id, Versions=["$Default"])
    return versions["LaunchTemplateVersions"][0]["LaunchTemplateData"]


def hosts(group):
    """A group's running hosts, by index where they have one."""
    filters = [{"Name": "tag:holdfast:id", "Values": [group]}, {"Name": "instance-state-name", "Values": ["running"]}]
    found = [host for reservation in pages(ec2, "describe_instances", "Reservations", Filters=filters)
             for host in reservation["Instances"]]

    return sorted(found, key=index_of)


def index_of(host):
    tags = {tag["Key"]: tag["Value"] for tag in host["Tags"]}
    return int(tags.get("holdfast:first", 0)) + int(tags.get("holdfast:stride", 1)) * host["AmiLaunchIndex"]


def host(index, group="instances/worker"):
    return hosts(group)[index]["InstanceId"]


def volume(index, device):
    mappings = hosts("instances/worker")[index]["BlockDeviceMappings"]
    return next(mapping["Ebs"]["VolumeId"] for mapping in mappings if mapping["DeviceName"] == device)


def another_group():
    """A security group that isn't the estate's, in its VPC."""
    vpc = one("vpc", "vpc")
    found = ec2.describe_security_groups(Filters=[{"Name": "group-name", "Values": ["another"]}])["SecurityGroups"]
    if found:
        return found[0]["GroupId"]
    return ec2.create_security_group(GroupName="another", Description="Not of the estate", VpcId=vpc)["GroupId"]


def allow_all(**principal):
    statement = {"Effect": "Allow", "Action": "*", "Resource": "*", **principal}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def untag(kind, id):
    """Takes the tag `Project` from a resource, by the API of its service."""
    name = id.partition("/")[2]
    tag = ["Project"]
    if kind == "budget":
        arn = f"arn:aws:budgets::{account}:budget/{budget()}"
        budgets.untag_resource(ResourceARN=arn, ResourceTagKeys=tag)
    elif kind == "key":
        kms.untag_resource(KeyId=key(), TagKeys=tag)
    elif kind == "role":
        iam.untag_role(RoleName=role(name), TagKeys=tag)
    elif kind == "instance-profile":
        iam.untag_instance_profile(InstanceProfileName=profile(name)["InstanceProfileName"], TagKeys=tag)
    elif kind == "backup-vault":
        backup.untag_resource(ResourceArn=vault(), TagKeyList=tag)
    elif kind == "backup-plan":
        backup.untag_resource(ResourceArn=plan_of_backups()["BackupPlanArn"], TagKeyList=tag)
    elif kind == "log-group":
        arn = f"arn:aws:logs:eu-central-1:{account}:log-group:{log_group()}"
        logs.untag_resource(resourceArn=arn, tagKeys=tag)
    elif kind == "auto-scaling-group":
        group = fleet(name)["AutoScalingGroupName"]
        autoscaling.delete_tags(Tags=[
            {"ResourceId": group, "ResourceType": "auto-scaling-group", "Key": "Project"}])
    elif kind == "instances":
        ec2.delete_tags(Resources=[hosts(id)[0]["InstanceId"]], Tags=[{"Key": "Project"}])
    else:
        ec2.delete_tags(Resources=of(kind, id), Tags=[{"Key": "Project"}])


failures = []


def attempt(what, lines):
    """Runs lines of a change; one that fails doesn't keep others from being tried."""
    try:
        exec(compile(lines, what, "exec"), globals())
    except Exception as error:
        failures.append(f"{what}: {error!r}")


def done():
    """Fails if any attempt did."""
    if failures:
        raise SystemExit("\n".join(failures))
