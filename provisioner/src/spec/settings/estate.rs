//! The settings of the file itself, and of all of its tables but the groups of hosts.

use super::hosts::HOSTS;
use super::{Bounds, Field, Length, Presence, Shape, TableShape, Written, number, text, texts};
use crate::spec::value::{
    AccountId, BastionRange, Description, Egress, Email, Environment, EstateName, ImageId, InstanceType, KeyArn,
    NetworkRange, Region, Schedule, SshPublicKey, SubnetId, TagValue, TopicArn, VpcId, Zone,
};

/// The largest budget, beyond which a slip of the hand is likelier than a need.
const LARGEST_BUDGET_USD: u32 = 10_000_000;
/// A security group takes 60 rules in each direction unless its quota is raised (VPC User Guide, "Amazon VPC quotas").
const RANGES: usize = 60;
/// User data holds the keys, and is 16 KiB (EC2 User Guide, "Run commands when you launch an EC2 instance").
const SSH_KEYS: usize = 20;
/// A budget's notification takes ten addresses (Budgets API Reference, `NotificationWithSubscribers`).
const ALERTS: usize = 10;
/// A budget has up to five notifications (the same page), which `actual` and `forecast` share.
const THRESHOLDS: Length = Length { least: 0, most: 5 };
/// What a threshold may be: beyond ten times the budget it is no alert any more.
const PERCENT: Bounds = Bounds { least: 1, most: 1_000 };
/// Zones that an estate may be spread over: the network is cut for three.
const ZONES: usize = 3;
/// Subnets that are there already, and are used: more than any region has zones.
const SUBNETS: usize = 12;
/// Groups of hosts, each with a launch template: a tenth of what a region takes.
const GROUPS: usize = 100;
/// How long CloudWatch Logs can be told to keep what it has (CloudWatch Logs API Reference, `PutRetentionPolicy`);
/// 0 stands for no flow logs at all.
const RETENTIONS: &[u32] =
    &[0, 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653];
/// AWS Backup keeps a backup for up to a hundred years (AWS Backup API Reference, `Lifecycle`).
const BACKUP_DAYS: u32 = 36_500;

/// A whole spec.
pub(in crate::spec) static ROOT: TableShape = TableShape {
    about: "",
    fields: &[
        Field {
            key: "name",
            about: "The estate's name, which is in the names of its resources: lower-case letters, digits and single \
                    hyphens, at most 32. It can't be changed: another name is another estate.",
            shape: text::<EstateName>(),
            presence: Presence::Required,
            example: "name = \"judge\"",
        },
        Field {
            key: "region",
            about: "The AWS region that it is in.",
            shape: text::<Region>(),
            presence: Presence::Required,
            example: "region = \"eu-central-1\"",
        },
        Field {
            key: "account",
            about: "The only account that it is ever made in: `provision` stops when its credentials are another's.",
            shape: text::<AccountId>(),
            presence: Presence::Required,
            example: "account = \"111111111111\"",
        },
        Field {
            key: "description",
            about: "What it is for; in the description of its resources. At most 160 characters, without apostrophes \
                    and commas, which IAM doesn't take.",
            shape: text::<Description>(),
            presence: Presence::Required,
            example: "description = \"Runs the programs of contestants\"",
        },
        Field {
            key: "tags",
            about: "The tags on every resource, by which bills, owners and alarms are found.",
            shape: Shape::Table(&TAGS),
            presence: Presence::Required,
            example: "[tags]\nProject = \"contest\"\nDepartment = \"engineering\"\nEnvironment = \"Test\"",
        },
        Field {
            key: "network",
            about: "The network, which is made for the estate, or is there already.",
            shape: Shape::Table(&NETWORK),
            presence: Presence::Optional("a network is made with the defaults below"),
            example: "[network]\ncidr = \"10.0.0.0/16\"",
        },
        Field {
            key: "bastion",
            about: "The one host that is reachable from outside, by SSH alone.",
            shape: Shape::Table(&BASTION),
            presence: Presence::Required,
            example: "[bastion]\nallow = [\"203.0.113.0/24\"]\nssh_keys = [\"ssh-ed25519 AAAA… ops\"]",
        },
        Field {
            key: "image",
            about: "What bastion and hosts boot from: one image by its id, or the newest of a channel.",
            shape: Shape::Table(&IMAGE),
            presence: Presence::Required,
            example: "[image]\nid = \"ami-0123456789abcdef0\"",
        },
        Field {
            key: "hosts",
            about: "Groups of hosts in the private subnets. None has a public address; each is reached through the \
                    bastion.",
            shape: Shape::Tables(&HOSTS, Length { least: 1, most: GROUPS }),
            presence: Presence::Required,
            example: "[[hosts]]\nname = \"worker\"\ncount = 2",
        },
        Field {
            key: "encryption",
            about: "What encrypts volumes and logs. Nothing is ever without it.",
            shape: Shape::Table(&ENCRYPTION),
            presence: Presence::Optional("a key is made for the estate"),
            example: "[encryption]\nkeep = true",
        },
        Field {
            key: "budget",
            about: "What it may cost. `apply` refuses a plan whose estimate passes it.",
            shape: Shape::Table(&BUDGET),
            presence: Presence::Required,
            example: "[budget]\nmonthly_usd = 200\nalert = [\"ops@example.org\"]",
        },
        Field {
            key: "audit",
            about: "Where every change is recorded: an account that those who can change this one can't reach.",
            shape: Shape::Table(&AUDIT),
            presence: Presence::Optional("records stay on the machine that runs `provision`"),
            example: "[audit]\naccount = \"222222222222\"",
        },
        Field {
            key: "backup",
            about: "When the hosts' volumes are backed up, by a plan that finds them by the estate's tag.",
            shape: Shape::Table(&BACKUP),
            presence: Presence::Optional("nothing is backed up"),
            example: "[backup]\nschedule = \"daily\"\nretention_days = 35",
        },
        Field {
            key: "patch_group",
            about: "The patch group of its machines, as Systems Manager's Patch Manager knows it.",
            shape: text::<TagValue>(),
            presence: Presence::Optional("machines are in none"),
            example: "patch_group = \"weekly\"",
        },
        Field {
            key: "environment",
            about: "What differs in an environment. `-e Prod` chooses `[environment.Prod]`, which is laid over the rest \
                    of the file: tables are joined key by key, groups and volumes by their name, and all else is \
                    replaced. The tag Environment follows.",
            shape: Shape::Table(&ENVIRONMENTS),
            presence: Presence::Optional("the file is for the one environment that `tags.Environment` names"),
            example: "[environment.Prod]\naccount = \"333333333333\"",
        },
    ],
    alternatives: &[],
};

static TAGS: TableShape = TableShape {
    about: "The three tags that every resource has beside Holdfast's own.",
    fields: &[
        Field {
            key: "Project",
            about: "Whose costs they are: what the estate is a part of.",
            shape: text::<TagValue>(),
            presence: Presence::Required,
            example: "Project = \"contest\"",
        },
        Field {
            key: "Department",
            about: "Who is asked about it.",
            shape: text::<TagValue>(),
            presence: Presence::Required,
            example: "Department = \"engineering\"",
        },
        Field {
            key: "Environment",
            about: "How much it matters. In Prod hosts are protected from termination, and `destroy` asks for the name. \
                    Where `[environment]` describes several, this is the one without `-e`, and may be left out.",
            shape: text::<Environment>(),
            presence: Presence::Required,
            example: "Environment = \"Test\"",
        },
    ],
    alternatives: &[],
};

static NETWORK: TableShape = TableShape {
    about: "A network is made from a range and a number of zones. Or one that is there is named by its ids and stays as \
            it is.",
    fields: &[
        Field {
            key: "cidr",
            about: "Its range, /16 to /24 and private. A quarter is each zone's private subnet; the first quarter holds \
                    the public ones. It can't be changed.",
            shape: text::<NetworkRange>(),
            presence: Presence::Default("\"10.0.0.0/16\""),
            example: "cidr = \"10.0.0.0/16\"",
        },
        Field {
            key: "zones",
            about: "How many availability zones it is spread over, the first ones by name; or the zones themselves.",
            shape: Shape::NumberOrTexts(
                Bounds { least: 1, most: ZONES as u32 },
                Zone::FORM,
                Length { least: 1, most: ZONES },
            ),
            presence: Presence::Default("2"),
            example: "zones = [\"eu-central-1a\", \"eu-central-1b\"]",
        },
        Field {
            key: "vpc",
            about: "A VPC that is there, and is used instead of made. It and its subnets and routes stay as they are.",
            shape: text::<VpcId>(),
            presence: Presence::Optional("one is made"),
            example: "vpc = \"vpc-0123456789abcdef0\"",
        },
        Field {
            key: "public_subnets",
            about: "With `vpc`: subnets for the bastion, with a route to an internet gateway.",
            shape: texts::<SubnetId>(1, SUBNETS),
            presence: Presence::Optional("they are made"),
            example: "public_subnets = [\"subnet-0123456789abcdef0\"]",
        },
        Field {
            key: "private_subnets",
            about: "With `vpc`: subnets for the hosts, without such a route.",
            shape: texts::<SubnetId>(1, SUBNETS),
            presence: Presence::Optional("they are made"),
            example: "private_subnets = [\"subnet-0123456789abcdef1\"]",
        },
        Field {
            key: "egress",
            about: "How hosts reach what is outside: \"none\" leaves S3 alone through its gateway endpoint, \
                    \"endpoints\" adds Systems Manager, KMS, EC2, STS and CloudWatch Logs through interface endpoints, \
                    \"nat\" opens the internet through a NAT gateway in each zone.",
            shape: text::<Egress>(),
            presence: Presence::Default("\"none\""),
            example: "egress = \"endpoints\"",
        },
        Field {
            key: "flow_logs_days",
            about: "How many days the network's flow logs are kept, one of CloudWatch's own numbers. 0 keeps none, and \
                    needs `accept_risk`.",
            shape: Shape::Choice(RETENTIONS),
            presence: Presence::Default("365"),
            example: "flow_logs_days = 365",
        },
        Field {
            key: "accept_risk",
            about: "Why there are no flow logs.",
            shape: text::<TagValue>(),
            presence: Presence::Optional("`flow_logs_days` can't be 0"),
            example: "accept_risk = \"Flow logs of this VPC are kept by the network team\"",
        },
    ],
    alternatives: &[&["cidr", "zones"], &["vpc", "public_subnets", "private_subnets"]],
};

static BASTION: TableShape = TableShape {
    about: "It passes SSH connections on, and holds nothing.",
    fields: &[
        Field {
            key: "allow",
            about: "The ranges that may open a connection to it: never 0.0.0.0/0, and wider than /8 only with \
                    `accept_risk`.",
            shape: texts::<BastionRange>(1, RANGES),
            presence: Presence::Required,
            example: "allow = [\"203.0.113.0/24\"]",
        },
        Field {
            key: "ssh_keys",
            about: "The public keys that log in, at the bastion and through it at the hosts, as lines of `.pub` files.",
            shape: texts::<SshPublicKey>(1, SSH_KEYS),
            presence: Presence::Required,
            example: "ssh_keys = [\"ssh-ed25519 AAAA… ops\"]",
        },
        Field {
            key: "instance_type",
            about: "Its instance type.",
            shape: text::<InstanceType>(),
            presence: Presence::Default("\"t3.micro\""),
            example: "instance_type = \"t3.micro\"",
        },
        Field {
            key: "accept_risk",
            about: "Why a range wider than /8 may reach it.",
            shape: text::<TagValue>(),
            presence: Presence::Optional("no range may be wider than /8"),
            example: "accept_risk = \"The carrier gives addresses out of all of 16.0.0.0/7\"",
        },
    ],
    alternatives: &[],
};

static IMAGE: TableShape = TableShape {
    about: "By its id, or by its name and the channel that it was promoted to. A newer image in the channel is a \
            difference: hosts are replaced a batch at a time.",
    fields: &[
        Field {
            key: "id",
            about: "An image in the estate's region.",
            shape: text::<ImageId>(),
            presence: Presence::Optional("`name` and `channel` say which"),
            example: "id = \"ami-0123456789abcdef0\"",
        },
        Field {
            key: "name",
            about: "The image's tag `holdfast:image`.",
            shape: text::<TagValue>(),
            presence: Presence::Optional("`id` says which"),
            example: "name = \"host\"",
        },
        Field {
            key: "channel",
            about: "With `name`: the image's tag `holdfast:channel`. The newest that carries both is taken.",
            shape: text::<TagValue>(),
            presence: Presence::Optional("`id` says which"),
            example: "channel = \"stable\"",
        },
        Field {
            key: "owner",
            about: "With `name`: the account that owns the image.",
            shape: text::<AccountId>(),
            presence: Presence::Optional("it is the estate's own"),
            example: "owner = \"444444444444\"",
        },
    ],
    alternatives: &[&["id"], &["name", "channel", "owner"]],
};

static ENCRYPTION: TableShape = TableShape {
    about: "A key is made and rotates each year, or one that is there is used.",
    fields: &[
        Field {
            key: "key",
            about: "The ARN of a KMS key in the estate's region. It and its policy stay as they are: it must let the \
                    account's EC2 and Auto Scaling use it.",
            shape: text::<KeyArn>(),
            presence: Presence::Optional("one is made"),
            example: "key = \"arn:aws:kms:eu-central-1:111111111111:key/01234567-89ab-cdef-0123-456789abcdef\"",
        },
        Field {
            key: "keep",
            about: "Whether the key that is made stays when the estate is destroyed, as kept volumes and backups need.",
            shape: Shape::Flag,
            presence: Presence::Default("false"),
            example: "keep = true",
        },
    ],
    alternatives: &[&["key"], &["keep"]],
};

static BUDGET: TableShape = TableShape {
    about: "AWS tells of it by mail or SNS; `actual` and `forecast` have five thresholds together.",
    fields: &[
        Field {
            key: "monthly_usd",
            about: "US dollars in a month.",
            shape: number(1, LARGEST_BUDGET_USD),
            presence: Presence::Required,
            example: "monthly_usd = 200",
        },
        Field {
            key: "actual",
            about: "Percentages of what was spent at which somebody is told.",
            shape: Shape::Numbers(PERCENT, THRESHOLDS),
            presence: Presence::Default("[80, 100]"),
            example: "actual = [50, 80, 100]",
        },
        Field {
            key: "forecast",
            about: "Percentages of what the month is forecast to cost at which somebody is told.",
            shape: Shape::Numbers(PERCENT, THRESHOLDS),
            presence: Presence::Default("[100]"),
            example: "forecast = [100]",
        },
        Field {
            key: "alert",
            about: "Who is told by mail.",
            shape: texts::<Email>(1, ALERTS),
            presence: Presence::Optional("`topic` says who is told"),
            example: "alert = [\"ops@example.org\"]",
        },
        Field {
            key: "topic",
            about: "The SNS topic that is told. Its policy must let `budgets.amazonaws.com` publish.",
            shape: text::<TopicArn>(),
            presence: Presence::Optional("`alert` says who is told"),
            example: "topic = \"arn:aws:sns:eu-central-1:111111111111:alerts\"",
        },
    ],
    alternatives: &[],
};

static AUDIT: TableShape = TableShape {
    about: "`provision audit init` makes the trail there.",
    fields: &[
        Field {
            key: "account",
            about: "The central account, never the estate's own.",
            shape: text::<AccountId>(),
            presence: Presence::Required,
            example: "account = \"222222222222\"",
        },
        Field {
            key: "region",
            about: "The region of the trail's bucket: the estate's, since hosts reach no other.",
            shape: text::<Region>(),
            presence: Presence::Optional("it is the estate's"),
            example: "region = \"eu-central-1\"",
        },
    ],
    alternatives: &[],
};

static BACKUP: TableShape = TableShape {
    about: "Backups are in a vault of the estate's own, under its key.",
    fields: &[
        Field {
            key: "schedule",
            about: "When: \"daily\" and \"weekly\" (on Sunday) at 05:00 UTC, or an expression of six fields in UTC.",
            shape: text::<Schedule>(),
            presence: Presence::Default("\"daily\""),
            example: "schedule = \"cron(30 3 ? * * *)\"",
        },
        Field {
            key: "retention_days",
            about: "After how many days a backup is deleted.",
            shape: number(1, BACKUP_DAYS),
            presence: Presence::Default("35"),
            example: "retention_days = 35",
        },
        Field {
            key: "keep",
            about: "Whether the vault and its backups stay when the estate is destroyed.",
            shape: Shape::Flag,
            presence: Presence::Default("false"),
            example: "keep = true",
        },
    ],
    alternatives: &[],
};

static ENVIRONMENTS: TableShape = TableShape {
    about: "Each takes every setting of the file but `environment` and `tags.Environment`. Two environments can't be \
            the same estate: they differ in `name`, `account` or `region`.",
    fields: &[
        Field {
            key: "Prod",
            about: "What differs where customers use it.",
            shape: Shape::Overlay,
            presence: Presence::Optional("there is no such environment"),
            example: "[environment.Prod]\naccount = \"333333333333\"",
        },
        Field {
            key: "Dev",
            about: "What differs where developers use it.",
            shape: Shape::Overlay,
            presence: Presence::Optional("there is no such environment"),
            example: "[environment.Dev]\nname = \"judge-dev\"",
        },
        Field {
            key: "Test",
            about: "What differs where it is made to be ended.",
            shape: Shape::Overlay,
            presence: Presence::Optional("there is no such environment"),
            example: "[environment.Test]\nname = \"judge-test\"",
        },
    ],
    alternatives: &[],
};
