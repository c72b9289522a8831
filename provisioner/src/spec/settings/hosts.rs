//! The settings of a group of hosts.

use super::{Bounds, Field, Length, Presence, Shape, TableShape, Written, number, text, texts};
use crate::spec::value::{
    Action, AgentArguments, AgentLimits, ByteSize, Device, GroupName, HostMode, InstanceType, ResourceArn, TagKey,
    TagValue, TimeSpan, VolumeName,
};

/// More than a network has addresses for, or an account's quotas take unasked.
const MOST_HOSTS: u32 = 100_000;
/// The largest gp3 volume that every region has.
const LARGEST_VOLUME_GIB: u32 = 16_384;
/// gp3's I/O operations per second and MiB per second in every region (EBS User Guide, "General Purpose SSD volumes").
const IOPS: Bounds = Bounds { least: 3_000, most: 16_000 };
const THROUGHPUT: Bounds = Bounds { least: 125, most: 1_000 };
/// Devices from `/dev/sdf` to `/dev/sdp`.
const VOLUMES: usize = 11;
/// A launch template's overrides, one for each type (Auto Scaling API Reference, `LaunchTemplate`).
const ALTERNATIVES: usize = 19;
/// A resource takes 50 tags (EC2 User Guide, "Tag restrictions"), of which the estate's own are up to 20.
const TAGS: usize = 30;
/// A role's inline policies have 10,240 characters together (IAM User Guide, "IAM and AWS STS quotas").
const STATEMENTS: Length = Length { least: 0, most: 20 };

pub(super) static HOSTS: TableShape = TableShape {
    about: "Hosts that are alike. A group has a launch template, a role and a security group of its own.",
    fields: &[
        Field {
            key: "name",
            about: "The group's name, unique in the estate: lower-case letters, digits and single hyphens. Its role \
                    `holdfast-<estate>-<region>-<group>` must fit IAM's 64 characters.",
            shape: text::<GroupName>(),
            presence: Presence::Required,
            example: "name = \"worker\"",
        },
        Field {
            key: "was",
            about: "The name that it had before: its hosts are renamed and stay. Take it out once it was applied.",
            shape: text::<GroupName>(),
            presence: Presence::Optional("a new name is a new group"),
            example: "was = \"runner\"",
        },
        Field {
            key: "mode",
            about: "\"instances\" are plain instances, each with an index: the same host comes back under the same \
                    index. A \"fleet\" is an Auto Scaling group, which replaces and scales by itself.",
            shape: text::<HostMode>(),
            presence: Presence::Default("\"instances\""),
            example: "mode = \"fleet\"",
        },
        Field {
            key: "count",
            about: "How many hosts it has; may be 0. A fleet begins with so many, and is then left alone between `min` \
                    and `max`.",
            shape: number(0, MOST_HOSTS),
            presence: Presence::Required,
            example: "count = 2",
        },
        Field {
            key: "min",
            about: "The fewest hosts of a fleet.",
            shape: number(0, MOST_HOSTS),
            presence: Presence::Optional("it is `count`"),
            example: "min = 2",
        },
        Field {
            key: "max",
            about: "The most hosts of a fleet.",
            shape: number(0, MOST_HOSTS),
            presence: Presence::Optional("it is `count`"),
            example: "max = 10",
        },
        Field {
            key: "instance_type",
            about: "The type that is wanted.",
            shape: text::<InstanceType>(),
            presence: Presence::Default("\"t3.small\""),
            example: "instance_type = \"t3.small\"",
        },
        Field {
            key: "alternatives",
            about: "Types that do as well, in order, where AWS has no capacity for the first.",
            shape: texts::<InstanceType>(0, ALTERNATIVES),
            presence: Presence::Default("[]"),
            example: "alternatives = [\"t3a.small\"]",
        },
        Field {
            key: "root_gib",
            about: "The root volume's size in GiB.",
            shape: number(1, LARGEST_VOLUME_GIB),
            presence: Presence::Optional("it is the image's own"),
            example: "root_gib = 20",
        },
        Field {
            key: "volumes",
            about: "Volumes beside those of the image, each host one of each.",
            shape: Shape::Tables(&DATA_VOLUME, Length { least: 0, most: VOLUMES }),
            presence: Presence::Optional("there are none"),
            example: "[[volumes]]\nname = \"data\"\ndevice = \"/dev/sdf\"\ngib = 100",
        },
        Field {
            key: "tags",
            about: "Tags on its hosts, volumes and interfaces beyond the estate's.",
            shape: Shape::Map { keys: TagKey::FORM, values: TagValue::FORM, most: TAGS },
            presence: Presence::Optional("there are none"),
            example: "tags = { team = \"judges\" }",
        },
        Field {
            key: "permissions",
            about: "What its role may do beyond what every host may, which is to write its own records, read its own \
                    parameters, and talk to Systems Manager.",
            shape: Shape::Tables(&PERMISSION, STATEMENTS),
            presence: Presence::Optional("nothing more"),
            example: "[[permissions]]\nactions = [\"sqs:ReceiveMessage\"]\n\
                      resources = [\"arn:aws:sqs:eu-central-1:111111111111:jobs\"]",
        },
        Field {
            key: "agent",
            about: "Settings of its agent, for `/etc/holdfast/agent.toml`. Paths and who the host is are decided for it.",
            shape: Shape::Table(&AGENT),
            presence: Presence::Optional("the agent's own defaults hold"),
            example: "[agent.jobs]\nmax = 16",
        },
        Field {
            key: "termination_protection",
            about: "Whether EC2 refuses to end its hosts until that is taken back. Turning it off in Prod needs \
                    `accept_risk`; a fleet, which ends hosts by itself, can't have it.",
            shape: Shape::Flag,
            presence: Presence::Optional("it is on in Prod, but for a fleet"),
            example: "termination_protection = true",
        },
        Field {
            key: "accept_risk",
            about: "Why its hosts aren't protected from termination in Prod.",
            shape: text::<TagValue>(),
            presence: Presence::Optional("`termination_protection` can't be false in Prod"),
            example: "accept_risk = \"Hosts hold nothing and are replaced each night\"",
        },
    ],
    alternatives: &[],
};

static DATA_VOLUME: TableShape = TableShape {
    about: "A gp3 volume under the estate's key.",
    fields: &[
        Field {
            key: "name",
            about: "Its name in the group.",
            shape: text::<VolumeName>(),
            presence: Presence::Required,
            example: "name = \"data\"",
        },
        Field {
            key: "device",
            about: "The device that it is attached as, `/dev/sdf` to `/dev/sdp`.",
            shape: text::<Device>(),
            presence: Presence::Required,
            example: "device = \"/dev/sdf\"",
        },
        Field {
            key: "gib",
            about: "Its size in GiB. It can grow, and not shrink.",
            shape: number(1, LARGEST_VOLUME_GIB),
            presence: Presence::Required,
            example: "gib = 100",
        },
        Field {
            key: "iops",
            about: "I/O operations per second, at most 500 for each GiB.",
            shape: Shape::Number(IOPS),
            presence: Presence::Optional("it is gp3's own 3000"),
            example: "iops = 6000",
        },
        Field {
            key: "throughput",
            about: "MiB per second, at most a quarter of `iops`.",
            shape: Shape::Number(THROUGHPUT),
            presence: Presence::Optional("it is gp3's own 125"),
            example: "throughput = 250",
        },
        Field {
            key: "keep",
            about: "Whether it stays when its host goes, and when the estate is destroyed. Not in a fleet, whose hosts \
                    come and go.",
            shape: Shape::Flag,
            presence: Presence::Default("false"),
            example: "keep = true",
        },
    ],
    alternatives: &[],
};

static PERMISSION: TableShape = TableShape {
    about: "A statement of the role's policy, which allows.",
    fields: &[
        Field {
            key: "actions",
            about: "IAM actions. One with `*` or `?` needs `accept_risk`.",
            shape: texts::<Action>(1, 50),
            presence: Presence::Required,
            example: "actions = [\"s3:GetObject\"]",
        },
        Field {
            key: "resources",
            about: "ARNs that they are allowed on. One with `*` or `?` needs `accept_risk`.",
            shape: texts::<ResourceArn>(1, 50),
            presence: Presence::Required,
            example: "resources = [\"arn:aws:s3:::tasks/current.tar\"]",
        },
        Field {
            key: "accept_risk",
            about: "Why a wildcard is needed.",
            shape: text::<TagValue>(),
            presence: Presence::Optional("there can be no `*` and no `?`"),
            example: "accept_risk = \"Tasks are named by their date\"",
        },
    ],
    alternatives: &[],
};

static AGENT: TableShape = TableShape {
    about: "The tables of the agent's own file that an operator decides.",
    fields: &[
        Field {
            key: "jobs",
            about: "Bounds on jobs.",
            shape: Shape::Table(&AGENT_JOBS),
            presence: Presence::Optional("the agent's own defaults hold"),
            example: "[jobs]\nmax = 16",
        },
        Field {
            key: "audit",
            about: "What is recorded.",
            shape: Shape::Table(&AGENT_AUDIT),
            presence: Presence::Optional("the agent's own defaults hold"),
            example: "[audit]\nmax_bytes = \"4G\"",
        },
    ],
    alternatives: &[],
};

static AGENT_JOBS: TableShape = TableShape {
    about: "Sizes are bytes with a suffix (64K, 512M, 2G), times have their unit (250ms, 10s, 2m, 1h).",
    fields: &[
        Field {
            key: "max",
            about: "Jobs at once. One more is refused, not queued.",
            shape: number(1, 4_096),
            presence: Presence::Optional("it is 64"),
            example: "max = 16",
        },
        Field {
            key: "keep",
            about: "Ended jobs that are remembered; the oldest goes first.",
            shape: number(0, 100_000),
            presence: Presence::Optional("it is 256"),
            example: "keep = 256",
        },
        Field {
            key: "log_bytes",
            about: "Output kept for each job, stdout and stderr together.",
            shape: text::<ByteSize>(),
            presence: Presence::Optional("it is 1M"),
            example: "log_bytes = \"4M\"",
        },
        Field {
            key: "request_bytes",
            about: "The largest request, input files included.",
            shape: text::<ByteSize>(),
            presence: Presence::Optional("it is 16M"),
            example: "request_bytes = \"64M\"",
        },
        Field {
            key: "limits",
            about: "What a job gets that says nothing about its limits: \"required\" is cgroup v2 or no run, \
                    \"rlimit-only\" bounds each process and not the job.",
            shape: text::<AgentLimits>(),
            presence: Presence::Optional("it is \"required\""),
            example: "limits = \"required\"",
        },
        Field {
            key: "wall",
            about: "The wall-clock time of a job that asks for none.",
            shape: text::<TimeSpan>(),
            presence: Presence::Optional("it is 1m"),
            example: "wall = \"10s\"",
        },
        Field {
            key: "max_wall",
            about: "The most wall-clock time that a job may ask for.",
            shape: text::<TimeSpan>(),
            presence: Presence::Optional("it is 1h"),
            example: "max_wall = \"10m\"",
        },
        Field {
            key: "stop",
            about: "How long a stopping agent waits for its jobs before it kills them.",
            shape: text::<TimeSpan>(),
            presence: Presence::Optional("it is 30s"),
            example: "stop = \"30s\"",
        },
    ],
    alternatives: &[],
};

static AGENT_AUDIT: TableShape = TableShape {
    about: "Where records go is decided by `[audit]` of the estate.",
    fields: &[
        Field {
            key: "max_bytes",
            about: "The most that records may take that the trail has not confirmed, at least 256K. When it is reached, \
                    nothing starts.",
            shape: text::<ByteSize>(),
            presence: Presence::Optional("it is 1G"),
            example: "max_bytes = \"4G\"",
        },
        Field {
            key: "arguments",
            about: "\"omit\" records how many arguments a program has, \"record\" the arguments themselves: a secret \
                    may be among them.",
            shape: text::<AgentArguments>(),
            presence: Presence::Optional("it is \"omit\""),
            example: "arguments = \"omit\"",
        },
    ],
    alternatives: &[],
};
