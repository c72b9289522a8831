//! How narrowly IAM can allow each call: one table, as the Service Authorization Reference has actions, resources and
//! condition keys (<https://docs.aws.amazon.com/service-authorization/latest/reference/>).
//!
//! Stops: a stolen laptop's session that ends other people's instances. What the estate has is told by its tag, what is
//! made must carry it, and the tag can be given only to what is just being made or has none.

use super::clause::{Clause, When, Which};

/// The resource is the estate's.
const OURS: When = ("StringEquals", "aws:ResourceTag/holdfast:estate", &["{estate}"]);
/// What is made, or tagged, becomes the estate's.
const BECOMES_OURS: When = ("StringEquals", "aws:RequestTag/holdfast:estate", &["{estate}"]);
/// The resource is nobody's yet.
const NOBODYS: When = ("Null", "aws:ResourceTag/holdfast:estate", &["true"]);
const ALL_EC2: &[&str] = &["arn:{partition}:ec2:{region}:{account}:*"];
const LOCKS: &str = "arn:{partition}:s3:::holdfast-{account}-{region}";
const THROUGH_EC2: When = ("StringEquals", "kms:ViaService", &["ec2.{region}.amazonaws.com"]);

macro_rules! made {
    ($($sid:literal $action:literal $($kind:literal)*;)*) => {
        &[$(Clause {
            sid: $sid,
            which: Which::Called(&[$action]),
            on: &[$(concat!("arn:{partition}:ec2:{region}:{account}:", $kind, "/*")),*],
            when: &[BECOMES_OURS],
            only: "",
            because: "what is made carries the estate's tag from its first moment",
        },)*]
    };
}

/// What EC2 makes, and as which kinds of its resources.
pub(super) const MADE: &[Clause] = made! {
    "MakeVpc" "ec2:CreateVpc" "vpc";
    "MakeInternetGateway" "ec2:CreateInternetGateway" "internet-gateway";
    "MakeSubnet" "ec2:CreateSubnet" "subnet";
    "MakeRouteTable" "ec2:CreateRouteTable" "route-table";
    "MakeEndpoint" "ec2:CreateVpcEndpoint" "vpc-endpoint";
    "MakeAddress" "ec2:AllocateAddress" "elastic-ip";
    "MakeNatGateway" "ec2:CreateNatGateway" "natgateway";
    "MakeFlowLog" "ec2:CreateFlowLogs" "vpc-flow-log";
    "MakeSecurityGroup" "ec2:CreateSecurityGroup" "security-group";
    "MakeLaunchTemplate" "ec2:CreateLaunchTemplate" "launch-template";
    "RunInstances" "ec2:RunInstances" "instance" "network-interface" "volume";
};

/// The calls that make what is tagged as it is made, as `ec2:CreateAction` names them.
const CREATE_ACTIONS: &[&str] = &[
    "AllocateAddress",
    "CreateFlowLogs",
    "CreateInternetGateway",
    "CreateLaunchTemplate",
    "CreateNatGateway",
    "CreateRouteTable",
    "CreateSecurityGroup",
    "CreateSubnet",
    "CreateVpc",
    "CreateVpcEndpoint",
    "RunInstances",
];

/// Everything else.
pub(super) const CLAUSES: &[Clause] = &[
    Clause {
        sid: "ReadEc2",
        which: Which::Reads("ec2"),
        on: &["*"],
        when: &[("StringEquals", "aws:RequestedRegion", &["{region}"])],
        only: "",
        because: "EC2's Describe calls know no resources; only this region is asked",
    },
    Clause {
        sid: "ReadWhatAnEstateIsBuiltOn",
        which: Which::Always(&[
            "ec2:DescribeAvailabilityZones",
            "ec2:DescribeImages",
            "ec2:DescribeManagedPrefixLists",
        ]),
        on: &["*"],
        when: &[("StringEquals", "aws:RequestedRegion", &["{region}"])],
        only: "",
        because: "image, zones and S3's addresses are looked up before anything is planned; these calls know no resources",
    },
    Clause {
        sid: "ChangeOwn",
        which: Which::Changes("ec2"),
        on: ALL_EC2,
        when: &[OURS],
        only: "",
        because: "EC2 names what it makes, so the estate's tag says which are the estate's",
    },
    Clause {
        sid: "UseExistingNetwork",
        which: Which::Called(&["ec2:CreateSecurityGroup", "ec2:RunInstances"]),
        on: &["@existing-network"],
        when: &[],
        only: "existing-network",
        because: "the spec names this VPC and these subnets, which aren't the estate's to tag",
    },
    Clause {
        sid: "BootImage",
        which: Which::Called(&["ec2:RunInstances"]),
        on: &["arn:{partition}:ec2:{region}::image/{image}"],
        when: &[],
        only: "",
        because: "hosts boot from the spec's image, whoever owns it",
    },
    Clause {
        sid: "TagWhatIsMade",
        which: Which::Called(&["ec2:CreateTags"]),
        on: ALL_EC2,
        when: &[BECOMES_OURS, ("StringEquals", "ec2:CreateAction", CREATE_ACTIONS)],
        only: "",
        because: "tags are given in the call that makes a resource",
    },
    Clause {
        sid: "TagWhatComesWithAVpc",
        which: Which::Called(&["ec2:CreateTags"]),
        on: &[
            "arn:{partition}:ec2:{region}:{account}:network-acl/*",
            "arn:{partition}:ec2:{region}:{account}:route-table/*",
            "arn:{partition}:ec2:{region}:{account}:security-group/*",
        ],
        when: &[BECOMES_OURS, NOBODYS],
        only: "made-network",
        because: "EC2 makes a VPC's own group and table without tags; those of other estates have some, and stay theirs",
    },
    Clause {
        sid: "Keys",
        which: Which::Called(&["kms:ListAliases", "kms:ListKeys"]),
        on: &["*"],
        when: &[],
        only: "",
        because: "KMS lists keys and names without knowing resources",
    },
    Clause {
        sid: "TagsOfKeys",
        which: Which::Called(&["kms:ListResourceTags"]),
        on: &["arn:{partition}:kms:{region}:{account}:key/*"],
        when: &[],
        only: "",
        because: "which key is the estate's is seen by its tags alone",
    },
    Clause {
        sid: "MakeKey",
        which: Which::Called(&["kms:CreateKey"]),
        on: &["*"],
        when: &[BECOMES_OURS],
        only: "",
        because: "a key has no name before it is made",
    },
    Clause {
        sid: "TagKey",
        which: Which::Called(&["kms:TagResource"]),
        on: &["arn:{partition}:kms:{region}:{account}:key/*"],
        when: &[BECOMES_OURS],
        only: "",
        because: "KMS asks for it when a key is made with tags, and names no key then",
    },
    Clause {
        sid: "ChangeOwnKey",
        which: Which::Changes("kms"),
        on: &["{key}"],
        when: &[OURS],
        only: "",
        because: "KMS names a key as it makes it, so the estate's tag says which is the estate's",
    },
    Clause {
        sid: "NameOfKey",
        which: Which::Called(&["kms:CreateAlias", "kms:DeleteAlias", "kms:UpdateAlias"]),
        on: &["arn:{partition}:kms:{region}:{account}:alias/holdfast/{estate}"],
        when: &[],
        only: "",
        because: "a name is asked for both on itself and on its key",
    },
    Clause {
        sid: "LookAtKey",
        which: Which::Always(&["kms:DescribeKey"]),
        on: &["{key}"],
        when: &[],
        only: "existing-key",
        because: "the spec's key is looked at before anything is planned",
    },
    Clause {
        sid: "EncryptVolumes",
        which: Which::Always(&[
            "kms:Decrypt",
            "kms:GenerateDataKeyWithoutPlaintext",
            "kms:ReEncryptFrom",
            "kms:ReEncryptTo",
        ]),
        on: &["{key}"],
        when: &[OURS, THROUGH_EC2],
        only: "made-key",
        because: "EC2 encrypts volumes on behalf of whoever starts an instance",
    },
    Clause {
        sid: "GrantVolumes",
        which: Which::Always(&["kms:CreateGrant"]),
        on: &["{key}"],
        when: &[OURS, THROUGH_EC2, ("Bool", "kms:GrantIsForAWSResource", &["true"])],
        only: "made-key",
        because: "EC2 keeps a grant of its own for an attached volume",
    },
    Clause {
        sid: "EncryptVolumesByGivenKey",
        which: Which::Always(&[
            "kms:Decrypt",
            "kms:GenerateDataKeyWithoutPlaintext",
            "kms:ReEncryptFrom",
            "kms:ReEncryptTo",
        ]),
        on: &["{key}"],
        when: &[THROUGH_EC2],
        only: "existing-key",
        because: "EC2 encrypts volumes on behalf of whoever starts an instance",
    },
    Clause {
        sid: "GrantVolumesByGivenKey",
        which: Which::Always(&["kms:CreateGrant"]),
        on: &["{key}"],
        when: &[THROUGH_EC2, ("Bool", "kms:GrantIsForAWSResource", &["true"])],
        only: "existing-key",
        because: "EC2 keeps a grant of its own for an attached volume",
    },
    Clause {
        sid: "OpenVault",
        which: Which::Called(&["backup-storage:MountCapsule"]),
        on: &["*"],
        when: &[],
        only: "",
        because: "AWS Backup asks for it when a vault is made, and the action knows no resources",
    },
    Clause {
        sid: "KeyOfVault",
        which: Which::Always(&["kms:CreateGrant", "kms:Decrypt", "kms:GenerateDataKey", "kms:RetireGrant"]),
        on: &["{key}"],
        when: &[("StringEquals", "kms:ViaService", &["backup.{region}.amazonaws.com"])],
        only: "backup",
        because: "AWS Backup takes the vault's key on behalf of whoever makes the vault",
    },
    Clause {
        sid: "ListIam",
        which: Which::Called(&["iam:GetAccountAuthorizationDetails", "iam:ListInstanceProfiles", "iam:ListRoles"]),
        on: &["*"],
        when: &[],
        only: "",
        because: "these calls know no resources: what they list is looked for below the estate's path",
    },
    Clause {
        sid: "AttachBackupsPolicy",
        which: Which::Called(&["iam:AttachRolePolicy"]),
        on: &["arn:{partition}:iam::{account}:role/holdfast/{region}/{estate}/*"],
        when: &[(
            "ArnEquals",
            "iam:PolicyARN",
            &["arn:{partition}:iam::aws:policy/service-role/AWSBackupServiceRolePolicyForBackup"],
        )],
        only: "backup",
        because: "the only policy of AWS's that a role of the estate has",
    },
    Clause {
        sid: "PassRoles",
        which: Which::Called(&["iam:PassRole"]),
        on: &["arn:{partition}:iam::{account}:role/holdfast/{region}/{estate}/*"],
        when: &[(
            "StringEquals",
            "iam:PassedToService",
            &["backup.amazonaws.com", "ec2.amazonaws.com", "vpc-flow-logs.amazonaws.com"],
        )],
        only: "",
        because: "only the estate's roles, and only to the services that work as them",
    },
    Clause {
        sid: "RoleOfAutoScaling",
        which: Which::Called(&["iam:CreateServiceLinkedRole"]),
        on: &["arn:{partition}:iam::{account}:role/aws-service-role/autoscaling.amazonaws.com/*"],
        when: &[("StringEquals", "iam:AWSServiceName", &["autoscaling.amazonaws.com"])],
        only: "fleets",
        because: "the account's first Auto Scaling group makes it",
    },
    Clause {
        sid: "Roles",
        which: Which::Changes("iam"),
        on: &[
            "arn:{partition}:iam::{account}:instance-profile/holdfast/{region}/{estate}/*",
            "arn:{partition}:iam::{account}:role/holdfast/{region}/{estate}/*",
        ],
        when: &[],
        only: "",
        because: "the estate's roles and profiles are below a path of its own",
    },
    Clause {
        sid: "ReadRoles",
        which: Which::Reads("iam"),
        on: &[
            "arn:{partition}:iam::{account}:instance-profile/holdfast/{region}/{estate}/*",
            "arn:{partition}:iam::{account}:role/holdfast/{region}/{estate}/*",
        ],
        when: &[],
        only: "",
        because: "all of a role's policies are compared",
    },
    Clause {
        sid: "Budget",
        which: Which::Changes("budgets"),
        on: &["arn:{partition}:budgets::{account}:budget/holdfast-{estate}-{region}"],
        when: &[],
        only: "",
        because: "the estate's budget has a name of its own",
    },
    Clause {
        sid: "ReadBudget",
        which: Which::Reads("budgets"),
        on: &["arn:{partition}:budgets::{account}:budget/holdfast-{estate}-{region}"],
        when: &[],
        only: "",
        because: "the estate's budget has a name of its own",
    },
    Clause {
        sid: "ReadFleets",
        which: Which::Reads("autoscaling"),
        on: &["*"],
        when: &[("StringEquals", "aws:RequestedRegion", &["{region}"])],
        only: "",
        because: "Auto Scaling's Describe calls know no resources; only this region is asked",
    },
    Clause {
        sid: "Fleets",
        which: Which::Changes("autoscaling"),
        on: &[
            "arn:{partition}:autoscaling:{region}:{account}:autoScalingGroup:*:autoScalingGroupName/holdfast-{estate}-*",
        ],
        when: &[],
        only: "",
        because: "the estate's groups begin with its name",
    },
    Clause {
        sid: "LockBucket",
        which: Which::Always(&[
            "s3:CreateBucket",
            "s3:GetBucketTagging",
            "s3:PutBucketPublicAccessBlock",
            "s3:PutBucketTagging",
            "s3:PutBucketVersioning",
            "s3:PutEncryptionConfiguration",
            "s3:PutLifecycleConfiguration",
        ]),
        on: &[LOCKS],
        when: &[],
        only: "",
        because: "locks are in a bucket of the account's, made at first use",
    },
    Clause {
        sid: "Lock",
        which: Which::Always(&["s3:DeleteObject", "s3:GetObject", "s3:PutObject"]),
        on: &["arn:{partition}:s3:::holdfast-{account}-{region}/locks/{estate}"],
        when: &[],
        only: "",
        because: "the estate's own lock",
    },
    Clause {
        sid: "Organisation",
        which: Which::Always(&["organizations:DescribeOrganization"]),
        on: &["*"],
        when: &[],
        only: "",
        because: "a record says whose organisation it is of; the action knows no resources",
    },
    Clause {
        sid: "PutOwnRecords",
        which: Which::Always(&["s3:PutObject"]),
        on: &["arn:{partition}:s3:::{trail}/Holdfast/*/{account}/????/??/??/${aws:userid}/*"],
        when: &[("StringEquals", "aws:ResourceAccount", &["{trail-account}"])],
        only: "audit",
        because: "a run's own records, below its own user id; the organisation's id isn't in the spec",
    },
    Clause {
        sid: "EncryptOwnRecords",
        which: Which::Always(&["kms:GenerateDataKey"]),
        on: &["arn:{partition}:kms:{trail-region}:{trail-account}:key/*"],
        when: &[
            ("StringEquals", "kms:ViaService", &["s3.{trail-region}.amazonaws.com"]),
            (
                "StringLike",
                "kms:EncryptionContext:aws:s3:arn",
                &["arn:{partition}:s3:::{trail}", "arn:{partition}:s3:::{trail}/Holdfast/*"],
            ),
        ],
        only: "audit",
        because: "the trail's key is the audit account's to name; the conditions leave only what S3 encrypts for its bucket",
    },
];

/// Actions that are their clauses' alone: what makes something has no business with what is there already.
pub(super) const NOT_A_CHANGE: &[&str] = &[
    "ec2:AllocateAddress",
    "ec2:CreateInternetGateway",
    "ec2:CreateLaunchTemplate",
    "ec2:CreateVpc",
    "iam:AttachRolePolicy",
    "iam:CreateServiceLinkedRole",
    "iam:PassRole",
    "kms:CreateKey",
    "kms:ListResourceTags",
    "kms:TagResource",
];
