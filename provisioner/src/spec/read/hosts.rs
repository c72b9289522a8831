//! `[[hosts]]`: each group's settings, and the rules inside and between groups.

use std::ops::Range;

use super::{inside, note_repeated, values};
use crate::rule;
use crate::spec::problem::Problem;
use crate::spec::table::{Notes, Placed, Risk, Section};
use crate::spec::value::HostMode;
use crate::spec::{
    Action, Agent, AgentAudit, AgentJobs, ByteSize, DataVolume, Device, Egress, Environment, EstateName, GroupName,
    HostGroup, InstanceType, Mode, Network, Permission, Place, Region, ResourceArn, TagKey, TagValue, TimeSpan,
    VolumeName, Zones,
};

/// IAM's limit for a role's name (IAM User Guide, "IAM and AWS STS quotas").
const ROLE_NAME: usize = 64;
/// gp3 takes 500 I/O operations per second for each GiB (EBS User Guide, "General Purpose SSD volumes").
const IOPS_FOR_A_GIB: u32 = 500;
const IOPS_DEFAULT: u32 = 3_000;
/// And a quarter MiB per second for each of those.
const IOPS_FOR_A_MIB: u32 = 4;
/// The agent's own least size of a spool.
const LEAST_SPOOL: u64 = 256 << 10;
/// Addresses of a private subnet that interface endpoints take, one for each service, with some to spare.
const ENDPOINTS: u32 = 8;

/// What a group's rules look at of the rest of the spec, where it is right.
pub(super) struct Estate<'a> {
    pub(super) name: Option<&'a Placed<EstateName>>,
    pub(super) region: Option<&'a Placed<Region>>,
    pub(super) network: Option<&'a Network>,
    pub(super) environment: Option<Environment>,
}

pub(super) fn read(groups: Vec<Section<'_>>, estate: &Estate<'_>, notes: &Notes) -> Option<Vec<HostGroup>> {
    let groups: Vec<_> = groups.into_iter().map(|section| read_group(section, estate)).collect();
    let names: Vec<Placed<_>> = groups.iter().filter_map(|group| group.name.clone()).collect();
    note_repeated("hosts", "a group of this name", &names, Clone::clone, notes);
    note_renames(&groups, &names, notes);
    note_too_many(&groups, estate, notes);
    groups.into_iter().map(|group| group.group).collect()
}

/// What rules between groups look at; the group itself only where nothing in it is wrong.
struct GroupAsRead {
    path: String,
    name: Option<Placed<GroupName>>,
    was: Option<Placed<GroupName>>,
    /// The most hosts that it may come to have.
    most: Option<Placed<u32>>,
    group: Option<HostGroup>,
}

fn read_group(mut section: Section<'_>, estate: &Estate<'_>) -> GroupAsRead {
    let (path, notes) = (section.path.clone(), section.notes);
    let name = section.required::<GroupName>("name");
    let was = section.either::<GroupName>("was");
    let count = section.required_number("count");
    let (mode, most) = read_mode(&section, count.as_ref()).unzip();
    let instance_type = section.defaulted::<InstanceType>("instance_type");
    let alternatives = section.list::<InstanceType>("alternatives");
    let root_gib = section.optional_number("root_gib");
    let volumes = read_volumes(&section, mode.as_ref());
    let tags = section.map::<TagKey, TagValue>("tags");
    let label = name.as_ref().map_or_else(|| path.clone(), |name| format!("hosts.{}", name.value));
    let permissions = read_permissions(&section, &label);
    let agent = read_agent(&section);
    let protection = read_protection(&section, &label, mode.as_ref(), estate.environment);
    section.finish();

    if let (Some(name), Some(estate_name), Some(region)) = (&name, estate.name, estate.region) {
        note_long_role(&path, name, &estate_name.value, &region.value, notes);
    }
    if let (Some(wanted), Some(others)) = (&instance_type, &alternatives) {
        let all = [std::slice::from_ref(wanted), others.as_slice()].concat();
        note_repeated(&format!("{path}.alternatives"), "this type", &all, Clone::clone, notes);
    }
    let group = || {
        Some(HostGroup {
            name: name.clone()?.value,
            was: was.clone()?.map(|was| was.value),
            mode: mode?,
            count: count?.value,
            instance_type: instance_type?.value,
            alternatives: values(alternatives?),
            root_gib: root_gib?.map(|gib| gib.value),
            volumes: volumes?,
            tags: tags?.into_iter().map(|(key, value)| (key.value, value.value)).collect(),
            permissions: permissions?,
            agent: agent?,
            termination_protection: protection?,
        })
    };
    let group = group();
    GroupAsRead { path, name, was: was.flatten(), most, group }
}

/// How a group's hosts are run, and the most that there may come to be.
fn read_mode(section: &Section<'_>, count: Option<&Placed<u32>>) -> Option<(Mode, Placed<u32>)> {
    let notes = section.notes;
    let mode = section.defaulted::<HostMode>("mode");
    let (min, max) = (section.optional_number("min"), section.optional_number("max"));
    let mode = mode?;
    if mode.value == HostMode::Instances {
        for (key, bound) in [("min", &min), ("max", &max)] {
            let Some(Some(bound)) = bound else { continue };
            let message = format!("plain instances have no `{key}`: there are always `count` of them");
            notes.add(
                Problem::new(&section.at(key), bound.span.clone(), message, "no such setting")
                    .help("take it out, or write mode = \"fleet\""),
            );
        }
        return Some((Mode::Instances, count?.clone()));
    }
    let (min, max, count) = (min?, max?, count?);
    let (least, most) = (min.as_ref().unwrap_or(count), max.as_ref().unwrap_or(count));
    if least.value <= count.value && count.value <= most.value {
        return Some((Mode::Fleet { min: least.value, max: most.value }, most.clone()));
    }
    let (key, wrong) = if least.value > count.value { ("min", least) } else { ("max", most) };
    let message = format!("`min` is {}, `count` {}, and `max` {}", least.value, count.value, most.value);
    notes.add(
        Problem::new(&section.at(key), wrong.span.clone(), message, "min ≤ count ≤ max")
            .help("`count` is how many hosts the fleet begins with"),
    );
    None
}

fn read_volumes(section: &Section<'_>, mode: Option<&Mode>) -> Option<Vec<DataVolume>> {
    let notes = section.notes;
    let volumes: Vec<_> = section.sections("volumes")?.into_iter().map(|volume| read_volume(volume, mode)).collect();
    let names: Vec<_> = volumes.iter().filter_map(|volume| volume.name.clone()).collect();
    note_repeated(&section.at("volumes"), "a volume of this name", &names, Clone::clone, notes);
    let devices: Vec<_> = volumes.iter().filter_map(|volume| volume.device.clone()).collect();
    note_repeated(&section.at("volumes"), "this device", &devices, Clone::clone, notes);
    volumes.into_iter().map(VolumeAsRead::complete).collect()
}

/// A volume's settings, of which some may be wrong.
struct VolumeAsRead {
    name: Option<Placed<VolumeName>>,
    device: Option<Placed<Device>>,
    gib: Option<Placed<u32>>,
    iops: Option<Option<Placed<u32>>>,
    throughput: Option<Option<Placed<u32>>>,
    keep: Option<Placed<bool>>,
}

impl VolumeAsRead {
    fn complete(self) -> Option<DataVolume> {
        Some(DataVolume {
            name: self.name?.value,
            device: self.device?.value,
            gib: self.gib?.value,
            iops: self.iops?.map(|iops| iops.value),
            throughput: self.throughput?.map(|throughput| throughput.value),
            keep: self.keep?.value,
        })
    }
}

fn read_volume(mut section: Section<'_>, mode: Option<&Mode>) -> VolumeAsRead {
    let notes = section.notes;
    let volume = VolumeAsRead {
        name: section.required("name"),
        device: section.required("device"),
        gib: section.required_number("gib"),
        iops: section.optional_number("iops"),
        throughput: section.optional_number("throughput"),
        keep: section.defaulted_flag("keep"),
    };
    if let (Some(gib), Some(Some(iops))) = (&volume.gib, &volume.iops)
        && iops.value > gib.value.saturating_mul(IOPS_FOR_A_GIB)
    {
        let message =
            format!("{} GiB have at most {} I/O operations per second", gib.value, gib.value * IOPS_FOR_A_GIB);
        let expected = format!("at most {IOPS_FOR_A_GIB} for each GiB");
        let least = iops.value.div_ceil(IOPS_FOR_A_GIB);
        notes.add(
            Problem::new(&section.at("iops"), iops.span.clone(), message, expected)
                .help(format!("make it smaller, or the volume at least {least} GiB")),
        );
    }
    if let (Some(iops), Some(Some(throughput))) = (&volume.iops, &volume.throughput) {
        let iops = iops.as_ref().map_or(IOPS_DEFAULT, |iops| iops.value);
        if throughput.value > iops / IOPS_FOR_A_MIB {
            let message = format!("{iops} I/O operations per second carry at most {} MiB", iops / IOPS_FOR_A_MIB);
            let expected = "at most a quarter of `iops`";
            let least = throughput.value * IOPS_FOR_A_MIB;
            notes.add(
                Problem::new(&section.at("throughput"), throughput.span.clone(), message, expected)
                    .help(format!("make it smaller, or write iops = {least}")),
            );
        }
    }
    if let (Some(keep), Some(Mode::Fleet { .. })) = (&volume.keep, mode)
        && keep.value
    {
        let message = "a fleet's hosts come and go, and each would leave a volume behind";
        notes.add(
            Problem::new(&section.at("keep"), keep.span.clone(), message, "keep = false")
                .help("keep data in S3, or write mode = \"instances\""),
        );
    }
    section.finish();
    volume
}

fn read_permissions(section: &Section<'_>, label: &str) -> Option<Vec<Permission>> {
    let read = |mut section: Section<'_>| {
        let actions = section.required_list::<Action>("actions");
        let resources = section.required_list::<ResourceArn>("resources");
        let wide = |span: &Range<usize>, what: String, expected: &str| Risk {
            setting: format!("{label}.permissions"),
            span: span.clone(),
            what,
            expected: expected.to_owned(),
            rule: &rule::ROLE_PERMISSIONS,
        };
        let actions_wide = actions.iter().flatten().filter(|action| action.value.has_wildcard());
        let actions_wide = actions_wide.map(|action| {
            wide(&action.span, format!("{} allows more than one action", action.value), "actions by their names")
        });
        let resources_wide = resources.iter().flatten().filter(|resource| resource.value.has_wildcard());
        let resources_wide = resources_wide.map(|resource| {
            wide(&resource.span, format!("{} is more than one resource", resource.value), "resources by their names")
        });
        section.settle(actions_wide.chain(resources_wide).collect());
        section.finish();
        Some(Permission { actions: values(actions?), resources: values(resources?) })
    };
    // All are looked at, so that each that is wrong is noted.
    section.sections("permissions")?.into_iter().map(read).collect::<Vec<_>>().into_iter().collect()
}

fn read_agent(section: &Section<'_>) -> Option<Agent> {
    let Some(agent) = section.optional_section("agent")? else { return Some(Agent::default()) };
    let jobs = agent.optional_section("jobs").and_then(|table| inside(table, read_agent_jobs));
    let audit = agent.optional_section("audit").and_then(|table| inside(table, read_agent_audit));
    agent.finish();
    Some(Agent { jobs: jobs?.unwrap_or_default(), audit: audit?.unwrap_or_default() })
}

fn read_agent_jobs(section: Section<'_>) -> Option<AgentJobs> {
    let notes = section.notes;
    let max = section.optional_number("max");
    let keep = section.optional_number("keep");
    let log_bytes = section.either("log_bytes");
    let request_bytes = section.either("request_bytes");
    let limits = section.either("limits");
    let (wall, max_wall) = (section.either::<TimeSpan>("wall"), section.either::<TimeSpan>("max_wall"));
    let stop = section.either("stop");
    if let (Some(Some(wall)), Some(Some(max_wall))) = (&wall, &max_wall)
        && wall.value.micros() > max_wall.value.micros()
    {
        let message =
            format!("a job that asks for no time would get {}, and may ask for {}", wall.value, max_wall.value);
        notes.add(Problem::new(&section.at("wall"), wall.span.clone(), message, "at most `max_wall`"));
    }
    section.finish();
    Some(AgentJobs {
        max: value(max?),
        keep: value(keep?),
        log_bytes: value(log_bytes?),
        request_bytes: value(request_bytes?),
        limits: value(limits?),
        wall: value(wall?),
        max_wall: value(max_wall?),
        stop: value(stop?),
    })
}

fn read_agent_audit(section: Section<'_>) -> Option<AgentAudit> {
    let notes = section.notes;
    let max_bytes = section.either::<ByteSize>("max_bytes");
    let arguments = section.either("arguments");
    if let Some(Some(size)) = &max_bytes
        && size.value.bytes() < LEAST_SPOOL
    {
        let message = format!("{} is too small for the records of a few jobs", size.value);
        notes.add(Problem::new(&section.at("max_bytes"), size.span.clone(), message, "at least \"256K\""));
    }
    section.finish();
    Some(AgentAudit { max_bytes: value(max_bytes?), arguments: value(arguments?) })
}

/// Whether a group's hosts are protected from termination.
fn read_protection(
    section: &Section<'_>,
    label: &str,
    mode: Option<&Mode>,
    environment: Option<Environment>,
) -> Option<bool> {
    let notes = section.notes;
    let given = section.optional_flag("termination_protection");
    let is_fleet = matches!(mode, Some(Mode::Fleet { .. }));
    let is_prod = environment == Some(Environment::Prod);
    let unprotected = given.iter().flatten().filter(|given| !given.value && is_prod && !is_fleet);
    let risks = unprotected.map(|given| Risk {
        setting: format!("{label}.termination_protection"),
        span: given.span.clone(),
        what: "in Prod, a slip of the hand would end hosts that customers use".to_owned(),
        expected: "termination_protection = true, which is the default in Prod".to_owned(),
        rule: &rule::TERMINATION_PROTECTION,
    });
    section.settle(risks.collect());
    match given? {
        Some(given) if given.value && is_fleet => {
            let message = "an Auto Scaling group ends hosts by itself, which protection would forbid";
            notes.add(
                Problem::new(&section.at("termination_protection"), given.span, message, "no such setting in a fleet")
                    .help("take it out, or write mode = \"instances\""),
            );
            None
        }
        Some(given) => Some(given.value),
        None => Some(is_prod && !is_fleet),
    }
}

fn note_long_role(path: &str, name: &Placed<GroupName>, estate: &EstateName, region: &Region, notes: &Notes) {
    let role = format!("holdfast-{estate}-{region}-{}", name.value);
    if role.len() <= ROLE_NAME {
        return;
    }
    let (own, most) = (name.value.as_str().len(), ROLE_NAME.saturating_sub(role.len() - name.value.as_str().len()));
    let message = format!("the group's role {role} has {} characters, and IAM takes {ROLE_NAME}", role.len());
    notes.add(
        Problem::new(&format!("{path}.name"), name.span.clone(), message, format!("at most {most} characters"))
            .under(&rule::NAMES)
            .help(format!("this name has {own} characters, and the estate's {}; shorten one", estate.as_str().len())),
    );
}

/// Notes renames that can't be meant.
fn note_renames(groups: &[GroupAsRead], names: &[Placed<GroupName>], notes: &Notes) {
    let renamed: Vec<_> = groups.iter().filter_map(|group| group.was.clone()).collect();
    note_repeated("hosts", "a group that was called this", &renamed, Clone::clone, notes);
    for group in groups {
        let Some(was) = &group.was else { continue };
        if names.iter().any(|name| name.value == was.value) {
            let message = format!("there is a group {} in the spec, so none was renamed from it", was.value);
            notes.add(
                Problem::new(&format!("{}.was", group.path), was.span.clone(), message, "a name that is gone")
                    .help("take it out, or the other group"),
            );
        }
    }
}

/// Notes the first group whose hosts the private subnets have no addresses for.
fn note_too_many(groups: &[GroupAsRead], estate: &Estate<'_>, notes: &Notes) {
    let Some(Network { place: Place::Made { cidr, zones }, egress, .. }) = estate.network else { return };
    let zones = match zones {
        Zones::Count(number) => *number,
        Zones::Named(zones) => u32::try_from(zones.len()).unwrap_or(u32::MAX),
    };
    let taken = if *egress == Egress::Endpoints { ENDPOINTS } else { 0 };
    let capacity = cidr.host_capacity().saturating_sub(taken);
    // A group is spread over the zones, and its odd hosts are in the first ones.
    let (mut hosts, mut all) = (0u32, 0u32);
    for group in groups {
        let Some(most) = &group.most else { continue };
        let before = hosts;
        all = all.saturating_add(most.value);
        hosts = hosts.saturating_add(most.value.div_ceil(zones.max(1)));
        if hosts <= capacity {
            continue;
        }
        let subnets = match zones {
            1 => format!("whose private subnet has {capacity} addresses"),
            _ => format!("whose {zones} private subnets have {capacity} addresses each"),
        };
        let message = format!("{all} hosts don't fit network {cidr}, {subnets}");
        let room = capacity.saturating_sub(before) * zones;
        notes.add(
            Problem::new(&format!("{}.count", group.path), most.span.clone(), message, format!("at most {room}"))
                .under(&rule::NETWORK_RANGE)
                .help("ask for fewer hosts, or for a wider `network.cidr`: it can't be widened once hosts are in it"),
        );
        return;
    }
}

fn value<T>(setting: Option<Placed<T>>) -> Option<T> {
    setting.map(|setting| setting.value)
}
