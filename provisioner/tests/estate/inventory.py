"""Reads all that accounts have in a region, by boto3 and not by Holdfast: one line of JSON asks, one answers.

A line names an endpoint, credentials and a region by the variables of AWS's SDKs; the answer is `{"found": …}`, or
`{"failed": …}` with a traceback. One process answers for many accounts, since boto3 takes a second to start.

AWS's ids differ from run to run, so each is replaced by its resource's `holdfast:id` tag (or by its name): two accounts
with the same estate print the same. What carries no such tag and isn't AWS's own is printed under its real id, so
nothing that was left over goes unnoticed.
"""

import json
import re
import sys
import traceback
from collections import Counter

import boto3

SERVICES = ("ec2", "iam", "kms", "s3", "sts", "budgets", "logs", "backup", "autoscaling")
ID = re.compile(r"\b[a-z]+-[0-9a-f]{17}\b|\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")
# Tags by which a host is found that depend on which call started it, and not on what it is.
OF_THE_CALL = ("holdfast:first", "holdfast:stride")


def pages(client, operation, key, **parameters):
    for page in client.get_paginator(operation).paginate(**parameters):
        yield from page.get(key, [])


def tags(found, key="Key", value="Value"):
    own = {tag[key]: tag[value] for tag in found or []}
    # The digest of rules is over ids of AWS's prefix lists too, which moto makes anew for each lab.
    return own if "holdfast:rules" not in own else {**own, "holdfast:rules": "a digest"}


def without_the_call(own):
    return {key: value for key, value in own.items() if key not in OF_THE_CALL}


class Inventory:
    def __init__(self, session, variables):
        where = {
            "endpoint_url": variables["AWS_ENDPOINT_URL"],
            "region_name": variables["AWS_REGION"],
            "aws_access_key_id": variables["AWS_ACCESS_KEY_ID"],
            "aws_secret_access_key": variables["AWS_SECRET_ACCESS_KEY"],
            "aws_session_token": variables["AWS_SESSION_TOKEN"],
        }
        for service in SERVICES:
            setattr(self, service, session.client(service, **where))
        self.account = self.sts.get_caller_identity()["Account"]
        self.names = {}
        self.seen = Counter()
        self.out = {}

    def name(self, physical, own, fallback=None):
        """Remembers the name of an id; the second of one name is another."""
        label = own.get("holdfast:id") or fallback
        if label:
            if "holdfast:generation" in own:
                label += f" generation {own['holdfast:generation']} from {own['holdfast:first']}"
            self.seen[label] += 1
            self.names[physical] = label if self.seen[label] == 1 else f"{label} #{self.seen[label]}"
        return physical

    def add(self, kind, physical, own, **properties):
        self.out.setdefault(kind, []).append({"id": physical, "tags": own, **properties})

    def replace(self, value):
        """Names for ids, wherever they are in a text, and lists in order."""
        if isinstance(value, dict):
            return {self.replace(key): self.replace(item) for key, item in value.items()}
        if isinstance(value, list):
            return sorted((self.replace(item) for item in value), key=lambda item: json.dumps(item, sort_keys=True))
        if isinstance(value, str):
            return ID.sub(lambda found: self.names.get(found[0], found[0]), value)
        return value

    def read(self):
        self.network()
        self.reachability()
        self.machines()
        self.fleets()
        self.volumes_and_interfaces()
        self.roles()
        self.keys()
        self.money()
        self.buckets()
        self.records()
        self.backups()
        # Names of volumes hold the ids of their hosts, and those of a fleet's hosts the ids of their subnets.
        for _ in range(2):
            self.names = {physical: self.replace(label) for physical, label in self.names.items()}
        return self.replace(self.out)

    def network(self):
        for prefixes in pages(self.ec2, "describe_managed_prefix_lists", "PrefixLists"):
            self.names[prefixes["PrefixListId"]] = prefixes["PrefixListName"]

        # The account's default VPC and what is in it is AWS's own.
        self.default = {vpc["VpcId"] for vpc in pages(self.ec2, "describe_vpcs", "Vpcs") if vpc["IsDefault"]}

        for vpc in pages(self.ec2, "describe_vpcs", "Vpcs"):
            if vpc["VpcId"] not in self.default:
                own = tags(vpc.get("Tags"))
                dns = {
                    key: self.ec2.describe_vpc_attribute(VpcId=vpc["VpcId"], Attribute=attribute)[key]["Value"]
                    for key, attribute in (("EnableDnsSupport", "enableDnsSupport"), ("EnableDnsHostnames", "enableDnsHostnames"))
                }
                self.add("vpc", self.name(vpc["VpcId"], own), own, cidr=vpc["CidrBlock"], **dns)
        for subnet in pages(self.ec2, "describe_subnets", "Subnets"):
            if subnet["VpcId"] not in self.default:
                own = tags(subnet.get("Tags"))
                self.add("subnet", self.name(subnet["SubnetId"], own), own, vpc=subnet["VpcId"], cidr=subnet["CidrBlock"],
                    public=subnet["MapPublicIpOnLaunch"])
        for gateway in pages(self.ec2, "describe_internet_gateways", "InternetGateways"):
            vpcs = [attachment["VpcId"] for attachment in gateway["Attachments"]]
            if not self.default.intersection(vpcs):
                own = tags(gateway.get("Tags"))
                self.add("internet gateway", self.name(gateway["InternetGatewayId"], own), own, vpcs=vpcs)
        for acl in pages(self.ec2, "describe_network_acls", "NetworkAcls"):
            if acl["VpcId"] not in self.default:
                own = tags(acl.get("Tags"))
                # The last rule of each direction can't be changed.
                entries = [entry for entry in acl["Entries"] if entry["RuleNumber"] < 32767]
                self.add("network acl", self.name(acl["NetworkAclId"], own), own, vpc=acl["VpcId"], default=acl["IsDefault"],
                    entries=entries)
        for address in self.ec2.describe_addresses()["Addresses"]:
            own = tags(address.get("Tags"))
            self.add("address", self.name(address["AllocationId"], own), own, instance=address.get("InstanceId") or None,
                used="AssociationId" in address)
        for gateway in pages(self.ec2, "describe_nat_gateways", "NatGateways"):
            if gateway["State"] != "deleted":
                own = tags(gateway.get("Tags"))
                self.add("nat gateway", self.name(gateway["NatGatewayId"], own), own, vpc=gateway["VpcId"], subnet=gateway["SubnetId"],
                    state=gateway["State"], addresses=[held["AllocationId"] for held in gateway["NatGatewayAddresses"]])
        for log in pages(self.ec2, "describe_flow_logs", "FlowLogs"):
            own = tags(log.get("Tags"))
            self.add("flow log", self.name(log["FlowLogId"], own), own, network=log["ResourceId"], traffic=log["TrafficType"],
                group=log["LogGroupName"], role=log["DeliverLogsPermissionArn"], interval=log["MaxAggregationInterval"])

    def reachability(self):
        for endpoint in pages(self.ec2, "describe_vpc_endpoints", "VpcEndpoints"):
            if endpoint["State"].lower() not in ("deleted", "deleting"):
                own = tags(endpoint.get("Tags"))
                self.add("endpoint", self.name(endpoint["VpcEndpointId"], own), own, vpc=endpoint["VpcId"],
                    type=endpoint["VpcEndpointType"], service=endpoint["ServiceName"], subnets=endpoint.get("SubnetIds", []),
                    groups=[group["GroupId"] for group in endpoint.get("Groups", [])],
                    private=endpoint.get("PrivateDnsEnabled"), tables=endpoint.get("RouteTableIds", []),
                    policy=json.loads(endpoint["PolicyDocument"]))
        for table in pages(self.ec2, "describe_route_tables", "RouteTables"):
            if table["VpcId"] not in self.default:
                own = tags(table.get("Tags"))
                # A route to an endpoint names it, or AWS's list; the endpoint itself says which tables lead to it.
                routes = {
                    route["DestinationCidrBlock"]: [route.get("GatewayId") or route.get("NatGatewayId"), route["State"]]
                    for route in table["Routes"]
                    if route.get("DestinationCidrBlock") and not str(route.get("GatewayId")).startswith("vpce-")
                }
                self.add("route table", self.name(table["RouteTableId"], own), own, vpc=table["VpcId"], routes=routes,
                    main=any(association.get("Main") for association in table["Associations"]),
                    subnets=[association.get("SubnetId") for association in table["Associations"] if "SubnetId" in association])
        for group in pages(self.ec2, "describe_security_groups", "SecurityGroups"):
            if group.get("VpcId") not in self.default:
                own = tags(group.get("Tags"))
                self.add("security group", self.name(group["GroupId"], own), own, vpc=group["VpcId"], name=group["GroupName"],
                    description=group["Description"], ingress=group["IpPermissions"], egress=group["IpPermissionsEgress"])

    def machines(self):
        for template in pages(self.ec2, "describe_launch_templates", "LaunchTemplates"):
            own = tags(template.get("Tags"))
            version = self.ec2.describe_launch_template_versions(
                LaunchTemplateId=template["LaunchTemplateId"], Versions=["$Default"])["LaunchTemplateVersions"][0]
            self.add("launch template", self.name(template["LaunchTemplateId"], own), own, name=template["LaunchTemplateName"],
                version=version["VersionNumber"], data=version["LaunchTemplateData"])
        for reservation in pages(self.ec2, "describe_instances", "Reservations"):
            for instance in reservation["Instances"]:
                if instance["State"]["Name"] in ("terminated", "shutting-down"):
                    continue
                own = tags(instance.get("Tags"))
                own["index"] = str(int(own.get("holdfast:first", 0))
                                   + int(own.pop("holdfast:stride", 1)) * instance["AmiLaunchIndex"])
                fallback = f"{own.get('holdfast:id')} {own['index']} generation {own.get('holdfast:generation')}"
                if "aws:autoscaling:groupName" in own:
                    # Members of a fleet are alike but for where they are.
                    fallback = f"{own['aws:autoscaling:groupName']} in {instance['SubnetId']}"
                self.name(instance["InstanceId"], {}, fallback)
                # Whether one call started two hosts or two calls one each is no difference between estates.
                own.pop("holdfast:first", None)
                for interface in instance["NetworkInterfaces"]:
                    self.name(interface["NetworkInterfaceId"], {}, f"interface of {fallback}")
                self.add("instance", instance["InstanceId"], own, image=instance["ImageId"], type=instance["InstanceType"],
                    state=instance["State"]["Name"], subnet=instance["SubnetId"], public="PublicIpAddress" in instance,
                    groups=[group["GroupId"] for group in instance["SecurityGroups"]],
                    metadata={key: instance["MetadataOptions"].get(key) for key in ("HttpTokens", "HttpPutResponseHopLimit")},
                    profile=instance.get("IamInstanceProfile", {}).get("Arn"))

    def fleets(self):
        for group in pages(self.autoscaling, "describe_auto_scaling_groups", "AutoScalingGroups"):
            own = tags(group.get("Tags"))
            self.add("fleet", group["AutoScalingGroupName"], own, min=group["MinSize"], max=group["MaxSize"],
                     wanted=group["DesiredCapacity"], subnets=sorted(group["VPCZoneIdentifier"].split(",")),
                     template=group.get("LaunchTemplate") or group.get("MixedInstancesPolicy"),
                     hosts=[member["InstanceId"] for member in group["Instances"]])

    def volumes_and_interfaces(self):
        for volume in pages(self.ec2, "describe_volumes", "Volumes"):
            own = without_the_call(tags(volume.get("Tags")))
            hosts = sorted(attachment["InstanceId"] for attachment in volume["Attachments"])
            self.name(volume["VolumeId"], {}, f"volume of {hosts}")
            self.add("volume", volume["VolumeId"], own, encrypted=volume["Encrypted"], key=volume.get("KmsKeyId"),
                hosts=hosts, gib=volume["Size"])
        for interface in pages(self.ec2, "describe_network_interfaces", "NetworkInterfaces"):
            if interface.get("VpcId") not in self.default:
                if interface["NetworkInterfaceId"] not in self.names:
                    # Not an instance's: a gateway's or an endpoint's, which its description names.
                    what = f"interface in {interface['SubnetId']}: {interface['Description']}"
                    self.name(interface["NetworkInterfaceId"], {}, what)
                self.add("interface", interface["NetworkInterfaceId"], without_the_call(tags(interface.get("TagSet"))),
                         subnet=interface["SubnetId"])

    def roles(self):
        for role in pages(self.iam, "list_roles", "Roles"):
            full = self.iam.get_role(RoleName=role["RoleName"])["Role"]
            if full["RoleName"] == "OrganizationAccountAccessRole":
                continue
            policies = {
                policy: self.iam.get_role_policy(RoleName=role["RoleName"], PolicyName=policy)["PolicyDocument"]
                for policy in self.iam.list_role_policies(RoleName=role["RoleName"])["PolicyNames"]
            }
            attached = self.iam.list_attached_role_policies(RoleName=role["RoleName"])["AttachedPolicies"]
            self.add("role", role["RoleName"], tags(full.get("Tags")), path=role["Path"], trust=role["AssumeRolePolicyDocument"],
                policies=policies, attached=[policy["PolicyArn"] for policy in attached])
        for profile in pages(self.iam, "list_instance_profiles", "InstanceProfiles"):
            full = self.iam.get_instance_profile(InstanceProfileName=profile["InstanceProfileName"])["InstanceProfile"]
            self.add("instance profile", profile["InstanceProfileName"], tags(full.get("Tags")), path=profile["Path"],
                roles=[role["RoleName"] for role in profile["Roles"]])

    def keys(self):
        for key in pages(self.kms, "list_keys", "Keys"):
            meta = self.kms.describe_key(KeyId=key["KeyId"])["KeyMetadata"]
            if meta["KeyManager"] == "AWS":
                continue
            own = tags(self.kms.list_resource_tags(KeyId=key["KeyId"]).get("Tags"), "TagKey", "TagValue")
            self.name(key["KeyId"], own)
            self.names[meta["Arn"]] = self.names.get(key["KeyId"], meta["Arn"])
            going = meta["KeyState"] == "PendingDeletion"
            self.add("key", key["KeyId"], own, state=meta["KeyState"], description=meta["Description"],
                rotation=not going and self.kms.get_key_rotation_status(KeyId=key["KeyId"])["KeyRotationEnabled"],
                policy=json.loads(self.kms.get_key_policy(KeyId=key["KeyId"], PolicyName="default")["Policy"]))
        for alias in pages(self.kms, "list_aliases", "Aliases"):
            if not alias["AliasName"].startswith("alias/aws/"):
                self.add("alias", alias["AliasName"], {}, key=alias.get("TargetKeyId"))

    def money(self):
        for budget in self.budgets.describe_budgets(AccountId=self.account).get("Budgets", []):
            of = {"AccountId": self.account, "BudgetName": budget["BudgetName"]}
            notifications = [
                {**notification, "subscribers": self.budgets.describe_subscribers_for_notification(
                    **of, Notification={key: notification[key] for key in
                                        ("NotificationType", "ComparisonOperator", "Threshold", "ThresholdType")
                                        if key in notification})["Subscribers"]}
                for notification in self.budgets.describe_notifications_for_budget(**of).get("Notifications", [])
            ]
            for notification in notifications:
                notification.pop("NotificationState", None)
            arn = f"arn:aws:budgets::{self.account}:budget/{budget['BudgetName']}"
            own = tags(self.budgets.list_tags_for_resource(ResourceARN=arn).get("ResourceTags"))
            self.add("budget", budget["BudgetName"], own, limit=float(budget["BudgetLimit"]["Amount"]),
                filters=budget.get("CostFilters"), notifications=notifications)

    def buckets(self):
        for bucket in self.s3.list_buckets()["Buckets"]:
            keys = [found["Key"] for found in pages(self.s3, "list_objects_v2", "Contents", Bucket=bucket["Name"])]
            self.add("bucket", bucket["Name"], tags(self.s3.get_bucket_tagging(Bucket=bucket["Name"])["TagSet"]), objects=keys,
                versioning=self.s3.get_bucket_versioning(Bucket=bucket["Name"]).get("Status"),
                public_access=self.s3.get_public_access_block(Bucket=bucket["Name"])["PublicAccessBlockConfiguration"])

    def records(self):
        for group in pages(self.logs, "describe_log_groups", "logGroups"):
            arn = group["arn"].removesuffix(":*")
            own = self.logs.list_tags_for_resource(resourceArn=arn).get("tags", {})
            self.add("log group", group["logGroupName"], own, days=group.get("retentionInDays"),
                     key=group.get("kmsKeyId"))

    def backups(self):
        for vault in pages(self.backup, "list_backup_vaults", "BackupVaultList"):
            own = self.backup.list_tags(ResourceArn=vault["BackupVaultArn"]).get("Tags", {})
            self.add("backup vault", vault["BackupVaultName"], own, key=vault.get("EncryptionKeyArn"))
        for found in pages(self.backup, "list_backup_plans", "BackupPlansList"):
            of = {"BackupPlanId": found["BackupPlanId"]}
            plan = self.backup.get_backup_plan(**of)["BackupPlan"]
            own = self.backup.list_tags(ResourceArn=found["BackupPlanArn"]).get("Tags", {})
            self.name(found["BackupPlanId"], own, plan["BackupPlanName"])
            rules = [{key: value for key, value in rule.items() if key != "RuleId"} for rule in plan["Rules"]]
            selections = [
                self.backup.get_backup_selection(**of, SelectionId=selection["SelectionId"])["BackupSelection"]
                for selection in pages(self.backup, "list_backup_selections", "BackupSelectionsList", **of)
            ]
            self.add("backup plan", found["BackupPlanId"], own, name=plan["BackupPlanName"], rules=rules,
                     selections=selections)


def main():
    session = boto3.Session()
    for line in sys.stdin:
        try:
            answer = {"found": Inventory(session, json.loads(line)).read()}
        except Exception:
            answer = {"failed": traceback.format_exc()}
        print(json.dumps(answer, sort_keys=True), flush=True)


main()
