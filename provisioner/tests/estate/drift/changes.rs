//! What others can do to each property of each kind, as lines of boto3 (`boto.py` has what they call).
//!
//! A kind's property without a line here fails the test that goes through all kinds.

/// One way to change one property behind Holdfast's back, or why there is none.
pub(super) struct Line {
    /// The kind.
    pub(super) kind: &'static str,
    /// Its property.
    pub(super) property: &'static str,
    /// How.
    pub(super) way: Way,
}

/// How a property is changed.
pub(super) enum Way {
    /// These lines change it in the resource of this id, and `drift` says so under this name.
    By {
        /// The resource's id inside the estate.
        id: &'static str,
        /// What `drift` calls it.
        named: &'static str,
        /// What changes it.
        lines: &'static str,
    },
    /// Nobody can, and why.
    Fixed(&'static str),
    /// `drift` doesn't look at it, and says so under this name.
    Uncompared(&'static str),
}

const fn by(kind: &'static str, property: &'static str, id: &'static str, lines: &'static str) -> Line {
    Line { kind, property, way: Way::By { id, named: property, lines } }
}

/// A property of a group's hosts, which `drift` names for each host.
const fn host(property: &'static str, named: &'static str, lines: &'static str) -> Line {
    Line { kind: "instances", property, way: Way::By { id: "instances/worker", named, lines } }
}

const fn fixed(kind: &'static str, property: &'static str, why: &'static str) -> Line {
    Line { kind, property, way: Way::Fixed(why) }
}

const fn uncompared(kind: &'static str, property: &'static str, named: &'static str) -> Line {
    Line { kind, property, way: Way::Uncompared(named) }
}

/// In this order: hosts before the templates and the network that they are of.
#[rustfmt::skip]
pub(super) const LINES: &[Line] = &[
    // Each host once: one that is replaced for one thing isn't asked for another.
    host("groups", "host 0 security groups",
        "ec2.modify_instance_attribute(InstanceId=host(0), Groups=[another_group()])"),
    host("metadata", "host 0 metadata",
        "ec2.modify_instance_metadata_options(InstanceId=host(0), HttpTokens='optional', HttpPutResponseHopLimit=9)"),
    host("volumes", "host 0 /dev/xvda iops",
        "ec2.modify_volume(VolumeId=volume(0, '/dev/xvda'), Iops=4000)"),
    host("volumes", "host 0 /dev/sdf delete on termination",
        "ec2.modify_instance_attribute(InstanceId=host(0), BlockDeviceMappings=[\n\
         \x20   {'DeviceName': '/dev/sdf', 'Ebs': {'DeleteOnTermination': False}}])"),
    host("profile", "host 1 profile",
        "(found,) = ec2.describe_iam_instance_profile_associations(\n\
         \x20   Filters=[{'Name': 'instance-id', 'Values': [host(1)]}])['IamInstanceProfileAssociations']\n\
         ec2.replace_iam_instance_profile_association(AssociationId=found['AssociationId'],\n\
         \x20   IamInstanceProfile={'Name': profile('bastion')['InstanceProfileName']})"),
    host("generation", "host 2 generation",
        "ec2.create_tags(Resources=[host(2)], Tags=[{'Key': 'holdfast:generation', 'Value': 'another'}])"),
    host("public_address", "host 3 public address",
        "made = ec2.allocate_address(Domain='vpc')['AllocationId']\n\
         ec2.associate_address(AllocationId=made, InstanceId=host(3))"),
    host("instance_types", "host 4 type",
        "changed = host(4)\n\
         ec2.stop_instances(InstanceIds=[changed])\n\
         ec2.modify_instance_attribute(InstanceId=changed, InstanceType={'Value': 't3.large'})\n\
         ec2.start_instances(InstanceIds=[changed])"),
    host("state", "host 5 state", "ec2.stop_instances(InstanceIds=[host(5)])"),
    // Gone while others of its group are to be replaced.
    host("count", "host 6", "ec2.terminate_instances(InstanceIds=[\n\
        \x20   next(one['InstanceId'] for one in hosts('instances/worker') if index_of(one) == 6)])"),
    fixed("instances", "template", "EC2 keeps it as a tag of its own, which nobody can change"),
    fixed("instances", "version", "EC2 keeps it as a tag of its own, which nobody can change"),
    fixed("instances", "image", "an instance's image can't be changed"),
    fixed("instances", "subnets", "an instance's first interface can't be in another subnet"),

    by("auto-scaling-group", "version", "auto-scaling-group/builder",
        "group = fleet('builder')\n\
         own = one('launch-template', 'launch-template/builder')\n\
         ec2.create_launch_template_version(LaunchTemplateId=own, LaunchTemplateData=data_of('builder'))\n\
         autoscaling.update_auto_scaling_group(AutoScalingGroupName=group['AutoScalingGroupName'],\n\
         \x20   LaunchTemplate={'LaunchTemplateId': own, 'Version': '2'})"),
    by("auto-scaling-group", "template", "auto-scaling-group/builder",
        "template('worker')\n\
         group = fleet('builder')\n\
         other = one('launch-template', 'launch-template/worker')\n\
         autoscaling.update_auto_scaling_group(AutoScalingGroupName=group['AutoScalingGroupName'],\n\
         \x20   LaunchTemplate={'LaunchTemplateId': other, 'Version': '2'})"),
    by("auto-scaling-group", "instance_types", "auto-scaling-group/builder",
        "group = fleet('builder')\n\
         used = {key: group['LaunchTemplate'][key] for key in ('LaunchTemplateId', 'Version')}\n\
         autoscaling.update_auto_scaling_group(AutoScalingGroupName=group['AutoScalingGroupName'],\n\
         \x20   MixedInstancesPolicy={'LaunchTemplate': {'LaunchTemplateSpecification': used,\n\
         \x20       'Overrides': [{'InstanceType': 't3.large'}]}})"),
    by("auto-scaling-group", "min", "auto-scaling-group/builder",
        "autoscaling.update_auto_scaling_group(\n\
         \x20   AutoScalingGroupName=fleet('builder')['AutoScalingGroupName'], MinSize=0)"),
    by("auto-scaling-group", "max", "auto-scaling-group/builder",
        "autoscaling.update_auto_scaling_group(\n\
         \x20   AutoScalingGroupName=fleet('builder')['AutoScalingGroupName'], MaxSize=90)"),
    by("auto-scaling-group", "subnets", "auto-scaling-group/builder",
        "group = fleet('builder')\n\
         autoscaling.update_auto_scaling_group(AutoScalingGroupName=group['AutoScalingGroupName'],\n\
         \x20   VPCZoneIdentifier=group['VPCZoneIdentifier'].split(',')[0])"),
    Line { kind: "auto-scaling-group", property: "groups", way: Way::By {
        id: "auto-scaling-group/builder",
        named: " security groups",
        lines: "ec2.modify_instance_attribute(\n\
                \x20   InstanceId=host(0, 'auto-scaling-group/builder'), Groups=[another_group()])",
    } },
    Line { kind: "auto-scaling-group", property: "metadata", way: Way::By {
        id: "auto-scaling-group/builder",
        named: " metadata",
        lines: "ec2.modify_instance_metadata_options(\n\
                \x20   InstanceId=host(0, 'auto-scaling-group/builder'), HttpTokens='optional')",
    } },
    Line { kind: "auto-scaling-group", property: "profile", way: Way::By {
        id: "auto-scaling-group/builder",
        named: " profile",
        lines: "(found,) = ec2.describe_iam_instance_profile_associations(\n\
                \x20   Filters=[{'Name': 'instance-id', 'Values': [host(0, 'auto-scaling-group/builder')]}]\n\
                )['IamInstanceProfileAssociations']\n\
                ec2.replace_iam_instance_profile_association(AssociationId=found['AssociationId'],\n\
                \x20   IamInstanceProfile={'Name': profile('bastion')['InstanceProfileName']})",
    } },
    fixed("auto-scaling-group", "key", "a volume's key stays; another volume is a swapped one"),
    uncompared("instances", "protected", "protection against a host's end"),
    uncompared("auto-scaling-group", "count", "desired capacity"),

    by("launch-template", "image", "launch-template/worker", "template('worker', ImageId='ami-00000000000000000')"),
    by("launch-template", "instance_type", "launch-template/worker", "template('worker', InstanceType='t3.large')"),
    by("launch-template", "profile", "launch-template/worker",
        "template('worker', IamInstanceProfile={'Arn': profile('bastion')['Arn']})"),
    by("launch-template", "groups", "launch-template/worker",
        "(interface,) = data_of('worker')['NetworkInterfaces']\n\
         template('worker', NetworkInterfaces=[interface | {'Groups': [another_group()]}])"),
    by("launch-template", "public_address", "launch-template/worker",
        "(interface,) = data_of('worker')['NetworkInterfaces']\n\
         template('worker', NetworkInterfaces=[interface | {'AssociatePublicIpAddress': True}])"),
    by("launch-template", "volumes", "launch-template/worker",
        "first, *others = data_of('worker')['BlockDeviceMappings']\n\
         template('worker', BlockDeviceMappings=[first | {'Ebs': first['Ebs'] | {'VolumeSize': 99}}, *others])"),
    by("launch-template", "metadata", "launch-template/worker",
        "template('worker', MetadataOptions={'HttpTokens': 'optional', 'HttpPutResponseHopLimit': 9})"),
    by("launch-template", "protected", "launch-template/worker", "template('worker', DisableApiTermination=True)"),
    by("launch-template", "volume_tags", "launch-template/worker", "template('worker', TagSpecifications=[\n\
         \x20   {'ResourceType': 'volume', 'Tags': [{'Key': 'Team', 'Value': 'another'}]}])"),
    by("launch-template", "interface_tags", "launch-template/worker",
        "of_interfaces = {'ResourceType': 'network-interface', 'Tags': [{'Key': 'Team', 'Value': 'another'}]}\n\
         template('worker', TagSpecifications=[*data_of('worker')['TagSpecifications'], of_interfaces])"),
    by("launch-template", "user_data", "launch-template/worker", "template('worker', UserData='IyEvYmluL3NoCg==')"),

    by("budget", "monthly_usd", "budget", "budget(BudgetLimit={'Amount': '9999', 'Unit': 'USD'})"),
    by("budget", "tag", "budget", "budget(CostFilters={'TagKeyValue': ['user:Project$another']})"),
    by("budget", "notifications", "budget",
        "name = {'AccountId': account, 'BudgetName': budget()}\n\
         found = budgets.describe_notifications_for_budget(**name)['Notifications'][0]\n\
         found.pop('NotificationState', None)\n\
         budgets.delete_notification(**name, Notification=found)"),
    by("key", "description", "key", "kms.update_key_description(KeyId=key(), Description='Another')"),
    // Its policy lets nobody end its rotation, so that goes first.
    by("key", "policy", "key",
        "kms.put_key_policy(KeyId=key(), PolicyName='default', Policy=allow_all(Principal={'AWS': '*'}))"),
    by("key", "rotation", "key", "kms.disable_key_rotation(KeyId=key())"),
    by("key", "enabled", "key", "kms.disable_key(KeyId=key())"),
    // After the key, which the lines above find by its name.
    by("alias", "key", "alias",
        "kms.update_alias(AliasName='alias/holdfast/judge', TargetKeyId=kms.create_key()['KeyMetadata']['KeyId'])"),

    by("vpc", "dns_hostnames", "vpc",
        "ec2.modify_vpc_attribute(VpcId=one('vpc', 'vpc'), EnableDnsHostnames={'Value': False})"),
    by("vpc", "dns_support", "vpc",
        "ec2.modify_vpc_attribute(VpcId=one('vpc', 'vpc'), EnableDnsSupport={'Value': False})"),
    fixed("vpc", "cidr", "a VPC's first range can't be changed"),
    by("network-acl", "ingress", "network-acl",
        "ec2.create_network_acl_entry(NetworkAclId=one('network-acl', 'network-acl'), RuleNumber=7, Protocol='-1',\n\
         \x20   RuleAction='deny', Egress=False, CidrBlock='10.0.0.0/16')"),
    by("network-acl", "egress", "network-acl",
        "ec2.create_network_acl_entry(NetworkAclId=one('network-acl', 'network-acl'), RuleNumber=7, Protocol='-1',\n\
         \x20   RuleAction='deny', Egress=True, CidrBlock='10.0.0.0/16')"),
    fixed("network-acl", "vpc", "a network ACL stays in its VPC"),
    by("subnet", "public_addresses", "subnet/private-a",
        "ec2.modify_subnet_attribute(SubnetId=one('subnet', 'subnet/private-a'), MapPublicIpOnLaunch={'Value': True})"),
    fixed("subnet", "vpc", "a subnet stays in its VPC"),
    fixed("subnet", "cidr", "a subnet's range can't be changed"),
    fixed("subnet", "zone", "a subnet stays in its zone"),
    fixed("address", "vpc", "it is a tag of Holdfast's own, beside those that every resource loses in turn"),
    fixed("nat-gateway", "vpc", "a NAT gateway stays in its VPC"),
    fixed("nat-gateway", "subnet", "a NAT gateway stays in its subnet"),
    fixed("nat-gateway", "address", "a NAT gateway keeps the address that it was made with"),
    by("route-table", "routes", "route-table/public",
        "ec2.create_route(RouteTableId=one('route-table', 'route-table/public'), DestinationCidrBlock='198.51.100.0/24',\n\
         \x20   NetworkInterfaceId=hosts('instances/bastion')[0]['NetworkInterfaces'][0]['NetworkInterfaceId'])"),
    by("route-table", "subnets", "route-table/private-a",
        "(table,) = ec2.describe_route_tables(RouteTableIds=[one('route-table', 'route-table/private-a')])['RouteTables']\n\
         (found,) = [one['RouteTableAssociationId'] for one in table['Associations'] if 'SubnetId' in one]\n\
         ec2.disassociate_route_table(AssociationId=found)"),
    by("route-table", "main", "route-table/main",
        "(table,) = ec2.describe_route_tables(RouteTableIds=[one('route-table', 'route-table/main')])['RouteTables']\n\
         (found,) = [one['RouteTableAssociationId'] for one in table['Associations'] if one['Main']]\n\
         other = ec2.create_route_table(VpcId=table['VpcId'])['RouteTable']['RouteTableId']\n\
         ec2.replace_route_table_association(AssociationId=found, RouteTableId=other)"),
    fixed("route-table", "vpc", "a route table stays in its VPC"),
    fixed("security-group", "vpc", "a security group stays in its VPC"),
    fixed("security-group", "group_name", "a security group's name can't be changed"),
    fixed("security-group", "description", "a security group's description can't be changed"),
    by("security-group-rules", "ingress", "security-group-rules/hosts",
        "ec2.authorize_security_group_ingress(GroupId=one('security-group', 'security-group/hosts'), IpPermissions=[\n\
         \x20   {'IpProtocol': 'tcp', 'FromPort': 22, 'ToPort': 22, 'IpRanges': [{'CidrIp': '0.0.0.0/0'}]}])"),
    by("security-group-rules", "egress", "security-group-rules/hosts",
        "ec2.authorize_security_group_egress(GroupId=one('security-group', 'security-group/hosts'), IpPermissions=[\n\
         \x20   {'IpProtocol': '-1', 'IpRanges': [{'CidrIp': '0.0.0.0/0'}]}])"),
    fixed("security-group-rules", "group", "rules belong to their group"),
    by("vpc-endpoint", "route_tables", "vpc-endpoint/s3",
        "ec2.modify_vpc_endpoint(VpcEndpointId=one('vpc-endpoint', 'vpc-endpoint/s3'),\n\
         \x20   RemoveRouteTableIds=[one('route-table', 'route-table/public')])"),
    by("vpc-endpoint", "policy", "vpc-endpoint/s3",
        "ec2.modify_vpc_endpoint(VpcEndpointId=one('vpc-endpoint', 'vpc-endpoint/s3'), PolicyDocument=allow_all(Principal='*'))"),
    by("vpc-endpoint", "groups", "vpc-endpoint/ssm",
        "ec2.modify_vpc_endpoint(VpcEndpointId=one('vpc-endpoint', 'vpc-endpoint/ssm'), AddSecurityGroupIds=[another_group()])"),
    by("vpc-endpoint", "private_dns", "vpc-endpoint/ssm",
        "ec2.modify_vpc_endpoint(VpcEndpointId=one('vpc-endpoint', 'vpc-endpoint/ssm'), PrivateDnsEnabled=False)"),
    by("vpc-endpoint", "subnets", "vpc-endpoint/ssm",
        "ec2.modify_vpc_endpoint(VpcEndpointId=one('vpc-endpoint', 'vpc-endpoint/ssm'),\n\
         \x20   RemoveSubnetIds=[one('subnet', 'subnet/private-a')])"),
    fixed("vpc-endpoint", "vpc", "an endpoint stays in its VPC"),
    fixed("vpc-endpoint", "service", "an endpoint stays with its service"),
    fixed("vpc-endpoint", "type", "a gateway doesn't become an interface"),

    by("role", "description", "role/worker", "iam.update_role(RoleName=role('worker'), Description='Another')"),
    by("role", "trust", "role/worker",
        "iam.update_assume_role_policy(RoleName=role('worker'), PolicyDocument=json.dumps({'Version': '2012-10-17',\n\
         \x20   'Statement': [{'Effect': 'Allow', 'Action': 'sts:AssumeRole', 'Principal': {'AWS': '*'}}]}))"),
    by("role", "policies", "role/worker",
        "iam.put_role_policy(RoleName=role('worker'), PolicyName='more', PolicyDocument=allow_all())"),
    by("role", "attached", "role/worker",
        "iam.attach_role_policy(RoleName=role('worker'), PolicyArn='arn:aws:iam::aws:policy/AdministratorAccess')"),
    by("instance-profile", "role", "instance-profile/builder",
        "found = profile('builder')['InstanceProfileName']\n\
         iam.remove_role_from_instance_profile(InstanceProfileName=found, RoleName=role('builder'))\n\
         iam.add_role_to_instance_profile(InstanceProfileName=found, RoleName=role('bastion'))"),
    fixed("backup-vault", "key", "a vault can't be given another key"),
    by("backup-plan", "rules", "backup-plan",
        "id = plan_of_backups()['BackupPlanId']\n\
         plan = backup.get_backup_plan(BackupPlanId=id)['BackupPlan']\n\
         (rule,) = plan['Rules']\n\
         rule.pop('RuleId', None)\n\
         rule['Lifecycle'] = {'DeleteAfterDays': 1}\n\
         backup.update_backup_plan(BackupPlanId=id, BackupPlan={'BackupPlanName': plan['BackupPlanName'], 'Rules': [rule]})"),
    by("backup-plan", "selections", "backup-plan",
        "id = plan_of_backups()['BackupPlanId']\n\
         (found,) = backup.list_backup_selections(BackupPlanId=id)['BackupSelectionsList']\n\
         backup.delete_backup_selection(BackupPlanId=id, SelectionId=found['SelectionId'])"),
    by("log-group", "key", "log-group/flow-logs", "logs.disassociate_kms_key(logGroupName=log_group())"),
    by("log-group", "retention_days", "log-group/flow-logs", "logs.delete_retention_policy(logGroupName=log_group())"),
    fixed("flow-log", "vpc", "a flow log can't be changed"),
    fixed("flow-log", "log_group", "a flow log can't be changed"),
    fixed("flow-log", "role", "a flow log can't be changed"),
    fixed("flow-log", "traffic", "a flow log can't be changed"),
    fixed("flow-log", "interval", "a flow log can't be changed"),
];

/// What is changed once all of that is put right: a gateway goes only from a network without public addresses.
#[rustfmt::skip]
pub(super) const LATER: &[Line] = &[
    Line { kind: "instances", property: "address", way: Way::By {
        id: "instances/bastion",
        named: "host 0 public address",
        lines: "(found,) = [address for address in ec2.describe_addresses()['Addresses']\n\
                \x20   if address.get('InstanceId') == host(0, 'instances/bastion')]\n\
                ec2.disassociate_address(AssociationId=found['AssociationId'])",
    } },
    by("internet-gateway", "vpc", "internet-gateway",
        "ec2.detach_internet_gateway(InternetGatewayId=one('internet-gateway', 'internet-gateway'), VpcId=one('vpc', 'vpc'))"),
];
