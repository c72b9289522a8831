"""What is in the workloads account, asked of AWS's APIs and not of Holdfast: its id and what it is."""

import boto3
from botocore.config import Config

ec2, iam, kms, s3, budgets, sts, logs = (
    boto3.client(name, config=Config(s3={"addressing_style": "path"}))
    for name in ("ec2", "iam", "kms", "s3", "budgets", "sts", "logs")
)

for reservation in ec2.describe_instances()["Reservations"]:
    for instance in reservation["Instances"]:
        if instance["State"]["Name"] != "terminated":
            print(instance["InstanceId"], "instance", instance["State"]["Name"])
for name, call, key in [
    ("volume", ec2.describe_volumes, "VolumeId"),
    ("network interface", ec2.describe_network_interfaces, "NetworkInterfaceId"),
    ("launch template", ec2.describe_launch_templates, "LaunchTemplateId"),
    ("VPC endpoint", ec2.describe_vpc_endpoints, "VpcEndpointId"),
    ("elastic address", ec2.describe_addresses, "AllocationId"),
    ("flow log", ec2.describe_flow_logs, "FlowLogId"),
]:
    answer = call()
    for entries in (value for value in answer.values() if isinstance(value, list)):
        for entry in entries:
            if entry.get("State") != "deleted":  # endpoints stay listed for a while
                print(entry[key], name)
for vpc in ec2.describe_vpcs()["Vpcs"]:
    if not vpc["IsDefault"]:
        print(vpc["VpcId"], "VPC")
for group in logs.describe_log_groups()["logGroups"]:
    print(group["logGroupName"], "log group")
for profile in iam.list_instance_profiles()["InstanceProfiles"]:
    print(profile["InstanceProfileName"], "instance profile")
for role in iam.list_roles()["Roles"]:
    if "holdfast" in role["RoleName"]:
        print(role["RoleName"], "role")
for key in kms.list_keys()["Keys"]:
    metadata = kms.describe_key(KeyId=key["KeyId"])["KeyMetadata"]
    if metadata["KeyManager"] == "CUSTOMER":
        until = f" on {metadata['DeletionDate']:%Y-%m-%d}" if "DeletionDate" in metadata else ""
        print(key["KeyId"], "KMS key", metadata["KeyState"] + until)
for bucket in s3.list_buckets()["Buckets"]:
    print(bucket["Name"], "bucket")
for budget in budgets.describe_budgets(AccountId=sts.get_caller_identity()["Account"]).get("Budgets", []):
    print(budget["BudgetName"], "budget")
