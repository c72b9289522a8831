"""Prints all that an account has in a region, as JSON, read by boto3 and not by Holdfast.

AWS's ids differ from run to run, so each is replaced by its resource's `holdfast:id` tag (or by its name): two accounts
with the same estate print the same. What carries no such tag and isn't AWS's own is printed under its real id, so
nothing that was left over goes unnoticed. With `--ids` nothing is replaced, for looking at what happened to one resource.
"""

import json
import sys
from collections import Counter

import boto3

raw = "--ids" in sys.argv
region = sys.argv[1]
session = boto3.Session(region_name=region)
ec2, iam, kms, s3, logs = (session.client(name) for name in ("ec2", "iam", "kms", "s3", "logs"))
budgets, backup = session.client("budgets"), session.client("backup")
account = session.client("sts").get_caller_identity()["Account"]

names = {}
seen = Counter()


def tags(found, key="Key", value="Value"):
    own = {tag[key]: tag[value] for tag in found or []}
    # The digest of rules is over ids of AWS's prefix lists too, which moto makes anew for each lab.
    return own if raw or "holdfast:rules" not in own else {**own, "holdfast:rules": "a digest"}


def name(physical, own, fallback=None):
    """Remembers the name of an id; the second of one name is another."""
    label = own.get("holdfast:id") or fallback
    if label and not raw:
        if "holdfast:generation" in own:
            label += f" generation {own['holdfast:generation']} from {own['holdfast:first']}"
        seen[label] += 1
        names[physical] = label if seen[label] == 1 else f"{label} #{seen[label]}"
    return physical


def pages(client, operation, key, **parameters):
    for page in client.get_paginator(operation).paginate(**parameters):
        yield from page[key]


out = {}


def add(kind, physical, own, **properties):
    out.setdefault(kind, []).append({"id": physical, "tags": own, **properties})


for prefixes in pages(ec2, "describe_managed_prefix_lists", "PrefixLists"):
    names[prefixes["PrefixListId"]] = prefixes["PrefixListName"]

# The account's default VPC and what is in it is AWS's own.
default = {vpc["VpcId"] for vpc in pages(ec2, "describe_vpcs", "Vpcs") if vpc["IsDefault"]}

for vpc in pages(ec2, "describe_vpcs", "Vpcs"):
    if vpc["VpcId"] not in default:
        own = tags(vpc.get("Tags"))
        dns = {
            key: ec2.describe_vpc_attribute(VpcId=vpc["VpcId"], Attribute=attribute)[key]["Value"]
            for key, attribute in (("EnableDnsSupport", "enableDnsSupport"), ("EnableDnsHostnames", "enableDnsHostnames"))
        }
        add("vpc", name(vpc["VpcId"], own), own, cidr=vpc["CidrBlock"], **dns)
for subnet in pages(ec2, "describe_subnets", "Subnets"):
    if subnet["VpcId"] not in default:
        own = tags(subnet.get("Tags"))
        add("subnet", name(subnet["SubnetId"], own), own, vpc=subnet["VpcId"], cidr=subnet["CidrBlock"],
            public=subnet["MapPublicIpOnLaunch"])
for gateway in pages(ec2, "describe_internet_gateways", "InternetGateways"):
    vpcs = [attachment["VpcId"] for attachment in gateway["Attachments"]]
    if not default.intersection(vpcs):
        own = tags(gateway.get("Tags"))
        add("internet gateway", name(gateway["InternetGatewayId"], own), own, vpcs=vpcs)
for acl in pages(ec2, "describe_network_acls", "NetworkAcls"):
    if acl["VpcId"] not in default:
        own = tags(acl.get("Tags"))
        # The last rule of each direction can't be changed.
        entries = [entry for entry in acl["Entries"] if entry["RuleNumber"] < 32767]
        add("network acl", name(acl["NetworkAclId"], own), own, vpc=acl["VpcId"], default=acl["IsDefault"],
            entries=entries)
for address in ec2.describe_addresses()["Addresses"]:
    own = tags(address.get("Tags"))
    add("address", name(address["AllocationId"], own), own, instance=address.get("InstanceId") or None,
        used="AssociationId" in address)
for gateway in pages(ec2, "describe_nat_gateways", "NatGateways"):
    if gateway["State"] != "deleted":
        own = tags(gateway.get("Tags"))
        add("nat gateway", name(gateway["NatGatewayId"], own), own, vpc=gateway["VpcId"], subnet=gateway["SubnetId"],
            state=gateway["State"], addresses=[held["AllocationId"] for held in gateway["NatGatewayAddresses"]])
for log in pages(ec2, "describe_flow_logs", "FlowLogs"):
    own = tags(log.get("Tags"))
    add("flow log", name(log["FlowLogId"], own), own, network=log["ResourceId"], traffic=log["TrafficType"],
        group=log["LogGroupName"], role=log["DeliverLogsPermissionArn"], interval=log["MaxAggregationInterval"])
for endpoint in pages(ec2, "describe_vpc_endpoints", "VpcEndpoints"):
    if endpoint["State"].lower() not in ("deleted", "deleting"):
        own = tags(endpoint.get("Tags"))
        add("endpoint", name(endpoint["VpcEndpointId"], own), own, vpc=endpoint["VpcId"],
            type=endpoint["VpcEndpointType"], service=endpoint["ServiceName"], subnets=endpoint.get("SubnetIds", []),
            groups=[group["GroupId"] for group in endpoint.get("Groups", [])],
            private=endpoint.get("PrivateDnsEnabled"), tables=sorted(endpoint["RouteTableIds"]), policy=json.loads(endpoint["PolicyDocument"]))
for table in pages(ec2, "describe_route_tables", "RouteTables"):
    if table["VpcId"] not in default:
        own = tags(table.get("Tags"))
        # A route to an endpoint names it, or AWS's list; the endpoint itself says which tables lead to it.
        routes = {
            route.get("DestinationCidrBlock"): route.get("GatewayId") or route.get("NatGatewayId")
            for route in table["Routes"]
            if route.get("DestinationCidrBlock") and not str(route.get("GatewayId")).startswith("vpce-")
        }
        add("route table", name(table["RouteTableId"], own), own, vpc=table["VpcId"], routes=routes,
            main=any(association.get("Main") for association in table["Associations"]),
            subnets=[association.get("SubnetId") for association in table["Associations"] if "SubnetId" in association])
for group in pages(ec2, "describe_security_groups", "SecurityGroups"):
    if group.get("VpcId") not in default:
        own = tags(group.get("Tags"))
        add("security group", name(group["GroupId"], own), own, vpc=group["VpcId"], name=group["GroupName"],
            description=group["Description"], ingress=group["IpPermissions"], egress=group["IpPermissionsEgress"])
for template in pages(ec2, "describe_launch_templates", "LaunchTemplates"):
    own = tags(template.get("Tags"))
    version = ec2.describe_launch_template_versions(
        LaunchTemplateId=template["LaunchTemplateId"], Versions=["$Default"])["LaunchTemplateVersions"][0]
    add("launch template", name(template["LaunchTemplateId"], own), own, name=template["LaunchTemplateName"],
        version=version["VersionNumber"], data=version["LaunchTemplateData"])
for reservation in pages(ec2, "describe_instances", "Reservations"):
    for instance in reservation["Instances"]:
        if instance["State"]["Name"] in ("terminated", "shutting-down"):
            continue
        own = tags(instance.get("Tags"))
        own["index"] = str(int(own.get("holdfast:first", 0))
                           + int(own.pop("holdfast:stride", 1)) * instance["AmiLaunchIndex"])
        fallback = f"{own.get('holdfast:id')} {own['index']} generation {own.get('holdfast:generation')}"
        name(instance["InstanceId"], {}, fallback)
        # Whether one call started two hosts or two calls one each is no difference between estates.
        own.pop("holdfast:first", None)
        for interface in instance["NetworkInterfaces"]:
            name(interface["NetworkInterfaceId"], {}, f"interface of {fallback}")
        add("instance", instance["InstanceId"], own, image=instance["ImageId"], type=instance["InstanceType"],
            state=instance["State"]["Name"], subnet=instance["SubnetId"], public="PublicIpAddress" in instance,
            groups=[group["GroupId"] for group in instance["SecurityGroups"]],
            metadata={key: instance["MetadataOptions"].get(key) for key in ("HttpTokens", "HttpPutResponseHopLimit")},
            profile=instance.get("IamInstanceProfile", {}).get("Arn"))
for volume in pages(ec2, "describe_volumes", "Volumes"):
    own = tags(volume.get("Tags"))
    own.pop("holdfast:first", None)
    own.pop("holdfast:stride", None)
    hosts = sorted(attachment["InstanceId"] for attachment in volume["Attachments"])
    name(volume["VolumeId"], {}, f"volume of {hosts}")
    add("volume", volume["VolumeId"], own, encrypted=volume["Encrypted"], key=volume.get("KmsKeyId"),
        hosts=hosts, gib=volume["Size"])
for interface in pages(ec2, "describe_network_interfaces", "NetworkInterfaces"):
    # Those of endpoints and NAT gateways are theirs.
    if interface.get("VpcId") not in default and not interface.get("RequesterManaged"):
        own = tags(interface.get("TagSet"))
        own.pop("holdfast:first", None)
        own.pop("holdfast:stride", None)
        add("interface", name(interface["NetworkInterfaceId"], {}, None), own, subnet=interface["SubnetId"])

for group in pages(logs, "describe_log_groups", "logGroups"):
    arn = group["arn"].removesuffix(":*")
    own = logs.list_tags_for_resource(resourceArn=arn)["tags"]
    add("log group", group["logGroupName"], own, days=group.get("retentionInDays"), key=group.get("kmsKeyId"))

for role in pages(iam, "list_roles", "Roles"):
    full = iam.get_role(RoleName=role["RoleName"])["Role"]
    if full["RoleName"] == "OrganizationAccountAccessRole":
        continue
    policies = {
        policy: iam.get_role_policy(RoleName=role["RoleName"], PolicyName=policy)["PolicyDocument"]
        for policy in iam.list_role_policies(RoleName=role["RoleName"])["PolicyNames"]
    }
    attached = iam.list_attached_role_policies(RoleName=role["RoleName"])["AttachedPolicies"]
    add("role", role["RoleName"], tags(full.get("Tags")), path=role["Path"], trust=role["AssumeRolePolicyDocument"],
        policies=policies, attached=[policy["PolicyArn"] for policy in attached])
for profile in pages(iam, "list_instance_profiles", "InstanceProfiles"):
    full = iam.get_instance_profile(InstanceProfileName=profile["InstanceProfileName"])["InstanceProfile"]
    add("instance profile", profile["InstanceProfileName"], tags(full.get("Tags")), path=profile["Path"],
        roles=[role["RoleName"] for role in profile["Roles"]])

for key in pages(kms, "list_keys", "Keys"):
    meta = kms.describe_key(KeyId=key["KeyId"])["KeyMetadata"]
    if meta["KeyManager"] == "AWS":
        continue
    own = tags(kms.list_resource_tags(KeyId=key["KeyId"]).get("Tags"), "TagKey", "TagValue")
    name(key["KeyId"], own)
    names[meta["Arn"]] = names.get(key["KeyId"], meta["Arn"])
    going = meta["KeyState"] == "PendingDeletion"
    add("key", key["KeyId"], own, state=meta["KeyState"], description=meta["Description"],
        rotation=not going and kms.get_key_rotation_status(KeyId=key["KeyId"])["KeyRotationEnabled"],
        policy=json.loads(kms.get_key_policy(KeyId=key["KeyId"], PolicyName="default")["Policy"]))
for alias in pages(kms, "list_aliases", "Aliases"):
    if not alias["AliasName"].startswith("alias/aws/"):
        add("alias", alias["AliasName"], {}, key=alias.get("TargetKeyId"))

for vault in pages(backup, "list_backup_vaults", "BackupVaultList"):
    own = backup.list_tags(ResourceArn=vault["BackupVaultArn"])["Tags"]
    add("backup vault", vault["BackupVaultName"], own, key=vault.get("EncryptionKeyArn"),
        points=vault["NumberOfRecoveryPoints"])
for listed in pages(backup, "list_backup_plans", "BackupPlansList"):
    if "DeletionDate" in listed:
        continue
    own = backup.list_tags(ResourceArn=listed["BackupPlanArn"])["Tags"]
    of = {"BackupPlanId": listed["BackupPlanId"]}
    rules = [
        {"name": rule["RuleName"], "vault": rule["TargetBackupVaultName"], "schedule": rule["ScheduleExpression"],
         "days": rule.get("Lifecycle", {}).get("DeleteAfterDays")}
        for rule in backup.get_backup_plan(**of)["BackupPlan"]["Rules"]
    ]
    selections = [
        {"name": selection["SelectionName"], "role": selection["IamRoleArn"].rpartition("/")[2],
         "tags": {tag["ConditionKey"]: tag["ConditionValue"] for tag in selection.get("ListOfTags", [])}}
        for selection in (
            backup.get_backup_selection(**of, SelectionId=found["SelectionId"])["BackupSelection"]
            for found in pages(backup, "list_backup_selections", "BackupSelectionsList", **of)
        )
    ]
    add("backup plan", name(listed["BackupPlanId"], own), own, rules=rules, selections=selections)

for budget in budgets.describe_budgets(AccountId=account).get("Budgets", []):
    of = {"AccountId": account, "BudgetName": budget["BudgetName"]}
    notifications = [
        {**notification, "subscribers": budgets.describe_subscribers_for_notification(
            **of, Notification={key: notification[key] for key in
                                ("NotificationType", "ComparisonOperator", "Threshold", "ThresholdType")
                                if key in notification})["Subscribers"]}
        for notification in budgets.describe_notifications_for_budget(**of).get("Notifications", [])
    ]
    for notification in notifications:
        notification.pop("NotificationState", None)
    arn = f"arn:aws:budgets::{account}:budget/{budget['BudgetName']}"
    own = tags(budgets.list_tags_for_resource(ResourceARN=arn).get("ResourceTags"))
    add("budget", budget["BudgetName"], own, limit=float(budget["BudgetLimit"]["Amount"]),
        filters=budget.get("CostFilters"), notifications=notifications)

for bucket in s3.list_buckets()["Buckets"]:
    try:
        keys = [found["Key"] for found in pages(s3, "list_objects_v2", "Contents", Bucket=bucket["Name"])]
    except KeyError:
        keys = []
    add("bucket", bucket["Name"], tags(s3.get_bucket_tagging(Bucket=bucket["Name"])["TagSet"]), objects=keys,
        versioning=s3.get_bucket_versioning(Bucket=bucket["Name"]).get("Status"),
        public_access=s3.get_public_access_block(Bucket=bucket["Name"])["PublicAccessBlockConfiguration"])


def replace(value):
    if isinstance(value, dict):
        return {key: replace(item) for key, item in value.items()}
    if isinstance(value, list):
        return sorted((replace(item) for item in value), key=lambda item: json.dumps(item, sort_keys=True))
    return names.get(value, value) if isinstance(value, str) else value


# Names of volumes hold ids themselves, so two rounds.
names = {physical: replace(label) for physical, label in names.items()}
for physical, label in names.items():
    for other, short in names.items():
        if other != physical and other in label:
            names[physical] = names[physical].replace(other, short)
print(json.dumps(replace(out), indent=1, sort_keys=True))
