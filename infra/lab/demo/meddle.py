"""What others do behind an estate's back: a wall opened, metadata weakened, a tag gone, a host ended."""

import boto3

ec2 = boto3.client("ec2")

ours = [{"Name": "tag:holdfast:estate", "Values": ["judge"]}]
bastion = [*ours, {"Name": "tag:holdfast:id", "Values": ["security-group/bastion"]}]
group = ec2.describe_security_groups(Filters=bastion)["SecurityGroups"][0]["GroupId"]
world = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[world])
print(f"opened SSH of {group} to the world")

workers = [*ours, {"Name": "tag:holdfast:id", "Values": ["instances/worker"]}]
reservations = ec2.describe_instances(Filters=workers)["Reservations"]
first, second = (instance["InstanceId"] for one in reservations for instance in one["Instances"])
ec2.modify_instance_metadata_options(InstanceId=first, HttpTokens="optional")
print(f"let the metadata of {first} answer without a token")

vpc = ec2.describe_vpcs(Filters=ours)["Vpcs"][0]["VpcId"]
ec2.delete_tags(Resources=[vpc], Tags=[{"Key": "Department"}])
print(f"took the tag Department from {vpc}")

ec2.terminate_instances(InstanceIds=[second])
print(f"ended {second}")
