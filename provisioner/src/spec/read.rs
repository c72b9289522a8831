//! From TOML to [`Spec`]: the settings that there are, and the rules between them.

use std::collections::HashMap;
use std::hash::Hash;
use std::ops::Range;

use toml::de::DeTable;

use super::problem::Problem;
use super::table::{Field, Notes, Placed, Section};
use super::{
    AccountId, Audit, Bastion, BastionRange, Budget, Email, HostGroup, Image, InstanceType, Network, NetworkRange,
    Region, Spec, SshPublicKey, Tags, Zone,
};

/// One RunInstances call asks for a whole group, and takes at most this many (EC2 API Reference, `RunInstances`).
const HOSTS_IN_A_GROUP: u32 = 1_000;
/// The largest gp3 volume that every region has.
const LARGEST_VOLUME_GIB: u32 = 16_384;
/// The largest budget, beyond which a slip of the hand is likelier than a need.
const LARGEST_BUDGET_USD: u32 = 10_000_000;
/// A security group takes 60 rules in each direction unless its quota is raised (VPC User Guide, "Amazon VPC quotas").
const RANGES: usize = 60;
/// User data holds the keys, and is 16 KiB (EC2 User Guide, "Run commands when you launch an EC2 instance").
const SSH_KEYS: usize = 20;
/// A budget's notification takes ten addresses (Budgets API Reference, `NotificationWithSubscribers`).
const ALERTS: usize = 10;

const SPEC: &[Field] = &[
    Field { key: "name", example: "name = \"judge\"" },
    Field { key: "region", example: "region = \"eu-central-1\"" },
    Field { key: "account", example: "account = \"111111111111\"" },
    Field { key: "description", example: "description = \"Runs the programs of contestants\"" },
    Field {
        key: "tags",
        example: "[tags]\nProject = \"contest\"\nDepartment = \"engineering\"\nEnvironment = \"Test\"",
    },
    Field { key: "network", example: "[network]\ncidr = \"10.0.0.0/16\"" },
    Field {
        key: "bastion",
        example: "[bastion]\nallow = [\"203.0.113.0/24\"]\nssh_keys = [\"ssh-ed25519 AAAA… ops\"]",
    },
    Field { key: "image", example: "[image]\nid = \"ami-0123456789abcdef0\"" },
    Field { key: "hosts", example: "[[hosts]]\nname = \"worker\"\ncount = 2" },
    Field { key: "budget", example: "[budget]\nmonthly_usd = 200\nalert = [\"ops@example.org\"]" },
    Field { key: "audit", example: "[audit]\naccount = \"222222222222\"" },
];
const TAGS: &[Field] = &[
    Field { key: "Project", example: "Project = \"contest\"" },
    Field { key: "Department", example: "Department = \"engineering\"" },
    Field { key: "Environment", example: "Environment = \"Test\"" },
];
const NETWORK: &[Field] = &[
    Field { key: "cidr", example: "cidr = \"10.0.0.0/16\"" },
    Field { key: "zone", example: "zone = \"eu-central-1a\"" },
];
const BASTION: &[Field] = &[
    Field { key: "allow", example: "allow = [\"203.0.113.0/24\"]" },
    Field { key: "ssh_keys", example: "ssh_keys = [\"ssh-ed25519 AAAA… ops\"]" },
    Field { key: "instance_type", example: "instance_type = \"t3.micro\"" },
];
const IMAGE: &[Field] = &[Field { key: "id", example: "id = \"ami-0123456789abcdef0\"" }];
const HOSTS: &[Field] = &[
    Field { key: "name", example: "name = \"worker\"" },
    Field { key: "count", example: "count = 2" },
    Field { key: "instance_type", example: "instance_type = \"t3.small\"" },
    Field { key: "root_gib", example: "root_gib = 20" },
];
const BUDGET: &[Field] = &[
    Field { key: "monthly_usd", example: "monthly_usd = 200" },
    Field { key: "alert", example: "alert = [\"ops@example.org\"]" },
];
const AUDIT: &[Field] = &[
    Field { key: "account", example: "account = \"222222222222\"" },
    Field { key: "region", example: "region = \"eu-central-1\"" },
];

impl Network {
    /// A network that is made, in one zone.
    fn made(cidr: NetworkRange, zone: Option<Zone>) -> Self {
        let zones = zone.map_or(super::Zones::Count(1), |zone| super::Zones::Named(vec![zone]));
        let place = super::Place::Made { cidr, zones };
        Self { place, egress: super::Egress::None, flow_logs_days: None }
    }
}

type Table<'t> = Placed<&'t DeTable<'t>>;

/// Reads the whole file; `None` only after an error was noted.
pub(super) fn read_spec<'t>(root: Table<'t>, notes: &'t Notes) -> Option<Spec> {
    let mut section = Section::new(root, "", SPEC, notes);
    let name = section.required("name");
    let region = section.required::<Region>("region");
    let account = section.required::<AccountId>("account");
    let description = section.required("description");
    let tags = section.required_table("tags").and_then(|table| read_tags(table, notes));
    let network = section.optional_table("network").map(|table| read_network(table, region.as_ref(), notes));
    let network = network.unwrap_or(Some(Network::made(NetworkRange::DEFAULT, None)));
    let bastion = section.required_table("bastion").and_then(|table| read_bastion(table, notes));
    let image = section.required_table("image").and_then(|table| read_image(table, notes));
    let hosts = section.required_tables("hosts");
    let hosts = hosts.and_then(|tables| read_hosts(tables, network.as_ref(), notes));
    let budget = section.required_table("budget").and_then(|table| read_budget(table, notes));
    let audit = section.optional_table("audit");
    let audit = audit.map(|table| read_audit(table, account.as_ref(), region.as_ref(), notes));
    section.finish();

    let region = region?;
    warn_of_unknown_region("region", &region, notes);
    Some(Spec {
        name: name?.value,
        region: region.value,
        account: account?.value,
        description: description?.value,
        tags: tags?,
        network: network?,
        bastion: bastion?,
        image: image?,
        hosts: hosts?,
        encryption: super::Encryption::Made { keep: false },
        budget: budget?,
        audit: audit.map_or(Some(None), |audit| audit.map(Some))?,
        backup: None,
        patch_group: None,
        accepted: Vec::new(),
    })
}

fn read_tags<'t>(table: Table<'t>, notes: &'t Notes) -> Option<Tags> {
    let mut section = Section::new(table, "tags", TAGS, notes);
    let project = section.required("Project");
    let department = section.required("Department");
    let environment = section.required("Environment");
    section.finish();
    Some(Tags { project: project?.value, department: department?.value, environment: environment?.value })
}

fn read_network<'t>(table: Table<'t>, region: Option<&Placed<Region>>, notes: &'t Notes) -> Option<Network> {
    let section = Section::new(table, "network", NETWORK, notes);
    let cidr = section.optional_or("cidr", NetworkRange::DEFAULT);
    let zone = section.optional::<Zone>("zone");
    section.finish();
    if let (Some(zone), Some(region)) = (&zone, region)
        && !zone.value.is_in(&region.value)
    {
        let message = format!("zone {} isn't in region {}", zone.value, region.value);
        let expected = format!("a zone of the region, such as \"{}a\"", region.value);
        notes.add(Problem::new("network.zone", zone.span.clone(), message, expected));
    }
    Some(Network::made(cidr?.value, zone.map(|zone| zone.value)))
}

fn read_bastion<'t>(table: Table<'t>, notes: &'t Notes) -> Option<Bastion> {
    let mut section = Section::new(table, "bastion", BASTION, notes);
    let allow = section.required_list::<BastionRange>("allow", RANGES);
    let keys = section.required_list::<SshPublicKey>("ssh_keys", SSH_KEYS);
    let instance_type = section.optional_or("instance_type", InstanceType::bastion_default());
    section.finish();
    if let Some(allow) = &allow {
        note_repeated("bastion.allow", "this range", allow, |range| *range, notes);
    }
    if let Some(keys) = &keys {
        note_repeated("bastion.ssh_keys", "this key", keys, |key| key.identity().to_owned(), notes);
    }
    Some(Bastion { allow: values(allow?), ssh_keys: values(keys?), instance_type: instance_type?.value })
}

fn read_image<'t>(table: Table<'t>, notes: &'t Notes) -> Option<Image> {
    let mut section = Section::new(table, "image", IMAGE, notes);
    let id = section.required("id");
    section.finish();
    Some(Image::Id(id?.value))
}

fn read_hosts<'t>(
    tables: Placed<Vec<Table<'t>>>,
    network: Option<&Network>,
    notes: &'t Notes,
) -> Option<Vec<HostGroup>> {
    let groups: Vec<_> = tables.value.into_iter().enumerate().map(|(index, t)| read_group(index, t, notes)).collect();
    let names: Vec<Placed<_>> = groups.iter().filter_map(|group| group.name.clone()).collect();
    note_repeated("hosts", "a group of this name", &names, Clone::clone, notes);
    if let Some(super::Place::Made { cidr, .. }) = network.map(|network| &network.place) {
        note_too_many(&groups, *cidr, notes);
    }
    groups.into_iter().map(GroupAsRead::complete).collect()
}

/// A group's settings, of which some may be wrong: the rules between groups look at those that aren't.
struct GroupAsRead {
    path: String,
    name: Option<Placed<super::GroupName>>,
    count: Option<Placed<u32>>,
    instance_type: Option<Placed<InstanceType>>,
    /// `None` where it is wrong, `Some(None)` where it is left out.
    root_gib: Option<Option<u32>>,
}

impl GroupAsRead {
    fn complete(self) -> Option<HostGroup> {
        Some(HostGroup {
            name: self.name?.value,
            was: None,
            mode: super::Mode::Instances,
            count: self.count?.value,
            instance_type: self.instance_type?.value,
            alternatives: Vec::new(),
            root_gib: self.root_gib?,
            volumes: Vec::new(),
            tags: std::collections::BTreeMap::new(),
            permissions: Vec::new(),
            agent: super::Agent::default(),
            termination_protection: false,
        })
    }
}

fn read_group<'t>(index: usize, table: Table<'t>, notes: &'t Notes) -> GroupAsRead {
    let path = format!("hosts[{index}]");
    let mut section = Section::new(table, path.clone(), HOSTS, notes);
    let group = GroupAsRead {
        name: section.required("name"),
        count: section.required_number("count", 0..HOSTS_IN_A_GROUP + 1),
        instance_type: section.optional_or("instance_type", InstanceType::host_default()),
        root_gib: section.optional_number("root_gib", 1..LARGEST_VOLUME_GIB + 1),
        path,
    };
    section.finish();
    group
}

/// Notes the first group whose hosts the private subnet has no addresses for.
fn note_too_many(groups: &[GroupAsRead], cidr: NetworkRange, notes: &Notes) {
    let capacity = cidr.host_capacity();
    let mut hosts = 0;
    for group in groups {
        let Some(count) = &group.count else { continue };
        hosts += count.value;
        if hosts > capacity {
            let message =
                format!("{hosts} hosts don't fit network {cidr}, whose private subnet has {capacity} addresses");
            let room = capacity.saturating_sub(hosts - count.value);
            notes.add(
                Problem::new(&format!("{}.count", group.path), count.span.clone(), message, format!("at most {room}"))
                    .help(
                        "ask for fewer hosts, or for a wider `network.cidr`: it can't be widened once hosts are in it",
                    ),
            );
            return;
        }
    }
}

fn read_budget<'t>(table: Table<'t>, notes: &'t Notes) -> Option<Budget> {
    let mut section = Section::new(table, "budget", BUDGET, notes);
    let monthly_usd = section.required_number("monthly_usd", 1..LARGEST_BUDGET_USD + 1);
    let alert = section.required_list::<Email>("alert", ALERTS);
    section.finish();
    if let Some(alert) = &alert {
        note_repeated("budget.alert", "this address", alert, |email| email.as_str().to_lowercase(), notes);
    }
    Some(Budget {
        monthly_usd: monthly_usd?.value,
        actual: vec![80, 100],
        forecast: vec![100],
        alert: values(alert?),
        topic: None,
    })
}

fn read_audit<'t>(
    table: Table<'t>,
    estate: Option<&Placed<AccountId>>,
    region: Option<&Placed<Region>>,
    notes: &'t Notes,
) -> Option<Audit> {
    let mut section = Section::new(table, "audit", AUDIT, notes);
    let account = section.required::<AccountId>("account");
    let own_region = section.optional::<Region>("region");
    let region_is_wrong = own_region.is_none() && section.has("region");
    section.finish();
    if let (Some(account), Some(estate)) = (&account, estate)
        && account.value == estate.value
    {
        let message = "the trail is in the estate's own account, where whoever takes the estate can reach it";
        notes.add(
            Problem::new("audit.account", account.span.clone(), message, "another account")
                .help("name the organisation's audit account; `provision audit init` makes the trail there"),
        );
    }
    if let (Some(trail), Some(region)) = (&own_region, region)
        && trail.value != region.value
    {
        // Hosts have no way to S3 but a gateway endpoint, which serves its own region alone.
        let message = format!("hosts in {} can't reach a trail in {}", region.value, trail.value);
        let expected = format!("\"{}\"", region.value);
        notes.add(
            Problem::new("audit.region", trail.span.clone(), message, expected)
                .help("make a trail in the estate's region, and leave this out"),
        );
    }
    if region_is_wrong {
        return None;
    }
    Some(Audit { account: account?.value, region: own_region.or_else(|| region.cloned())?.value })
}

fn warn_of_unknown_region(setting: &str, region: &Placed<Region>, notes: &Notes) {
    if region.value.is_known() {
        return;
    }
    let message = format!("this program doesn't know region {}", region.value);
    let problem = Problem::new(setting, region.span.clone(), message, "a region that your account has").warning();
    notes.add(match region.value.nearest_known() {
        Some(near) => {
            problem.help(format!("did you mean \"{near}\"? A region that has opened lately works all the same"))
        }
        None => problem.help("a region that has opened lately works all the same"),
    });
}

/// Notes each item that an earlier one makes needless, or that AWS would refuse as a duplicate.
fn note_repeated<T, K: Eq + Hash>(
    setting: &str,
    what: &str,
    items: &[Placed<T>],
    key: impl Fn(&T) -> K,
    notes: &Notes,
) {
    let mut seen: HashMap<K, Range<usize>> = HashMap::new();
    for item in items {
        if seen.insert(key(&item.value), item.span.clone()).is_some() {
            let message = format!("{what} is there already");
            notes.add(Problem::new(setting, item.span.clone(), message, "each once").help("take one of them out"));
        }
    }
}

fn values<T>(items: Vec<Placed<T>>) -> Vec<T> {
    items.into_iter().map(|item| item.value).collect()
}
