//! From TOML to [`Spec`]: each table of the file, and the rules between settings.

mod hosts;
mod network;

use std::collections::HashMap;
use std::hash::Hash;
use std::ops::Range;

use super::problem::Problem;
use super::settings::ROOT;
use super::table::{Notes, Placed, Risk, Section, Table};
use super::value::{KeyArn, Schedule, TopicArn};
use super::{
    AccountId, Audit, Backup, Bastion, BastionRange, Budget, Email, Encryption, Environment, EstateName, Image,
    ImageId, InstanceType, Place, Region, Spec, SshPublicKey, TagValue, Tags,
};
use crate::rule;

/// The widest range that may reach a bastion without a reason.
const WIDEST_ALLOWED: u8 = 8;
/// A budget has up to five notifications (Budgets API Reference, `CreateBudget`).
const THRESHOLDS: usize = 5;

/// Reads the whole file for one environment, or for the one that it names itself; `None` only after an error was noted.
pub(super) fn read_spec<'t>(root: Table<'t>, environment: Option<Environment>, notes: &'t Notes) -> Option<Spec> {
    let mut section = Section::new(root, "", &ROOT, notes);
    let name = section.required::<EstateName>("name");
    let region = section.required::<Region>("region");
    let account = section.required::<AccountId>("account");
    let description = section.required("description");
    let tags = section.required_section("tags").and_then(|table| read_tags(table, environment));
    let network = section.defaulted_section("network").and_then(|table| network::read(table, region.as_ref()));
    let bastion = section.required_section("bastion").map(read_bastion);
    let image = section.required_section("image").and_then(read_image);
    let estate = hosts::Estate {
        name: name.as_ref(),
        region: region.as_ref(),
        network: network.as_ref(),
        environment: environment.or(tags.as_ref().map(|tags| tags.environment)),
    };
    let hosts = section.required_sections("hosts").and_then(|tables| hosts::read(tables, &estate, notes));
    let encryption = section.defaulted_section("encryption").and_then(|table| read_encryption(table, region.as_ref()));
    let budget = section.required_section("budget").and_then(read_budget);
    let audit = section.optional_section("audit");
    let audit = audit.and_then(|table| inside(table, |table| read_audit(table, account.as_ref(), region.as_ref())));
    let backup = section.optional_section("backup").and_then(|table| inside(table, read_backup));
    let patch_group = section.either::<TagValue>("patch_group");
    // Read before, for all environments at once.
    section.skip(&["environment"]);
    if let (Some(bastion), Some(network)) = (&bastion, &network) {
        note_own_network(bastion, &network.place, notes);
    }
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
        bastion: bastion?.complete()?,
        image: image?,
        hosts: hosts?,
        encryption: encryption?,
        budget: budget?,
        audit: audit?,
        backup: backup?,
        patch_group: patch_group?.map(|group| group.value),
        accepted: notes.accepted(),
    })
}

/// What is read of a table that may be left out: `None` where it is wrong, `Some(None)` where it isn't there.
fn inside<'t, T>(table: Option<Section<'t>>, read: impl FnOnce(Section<'t>) -> Option<T>) -> Option<Option<T>> {
    match table {
        Some(table) => read(table).map(Some),
        None => Some(None),
    }
}

fn read_tags(mut section: Section<'_>, environment: Option<Environment>) -> Option<Tags> {
    let project = section.required("Project");
    let department = section.required("Department");
    let own = match environment {
        Some(_) => section.optional::<Environment>("Environment"),
        None => section.required("Environment"),
    };
    section.finish();
    let environment = environment.or(own.map(|own| own.value))?;
    Some(Tags { project: project?.value, department: department?.value, environment })
}

/// A bastion's settings, of which some may be wrong.
struct BastionAsRead {
    allow: Option<Vec<Placed<BastionRange>>>,
    keys: Option<Vec<Placed<SshPublicKey>>>,
    instance_type: Option<Placed<InstanceType>>,
}

impl BastionAsRead {
    fn complete(self) -> Option<Bastion> {
        Some(Bastion {
            allow: values(self.allow?),
            ssh_keys: values(self.keys?),
            instance_type: self.instance_type?.value,
        })
    }
}

fn read_bastion(mut section: Section<'_>) -> BastionAsRead {
    let notes = section.notes;
    let allow = section.required_list::<BastionRange>("allow");
    let keys = section.required_list::<SshPublicKey>("ssh_keys");
    let instance_type = section.defaulted("instance_type");
    let ranges = allow.as_deref().unwrap_or_default();
    note_overlapping(ranges, notes);
    section
        .settle(ranges.iter().filter(|range| range.value.net().prefix_len() < WIDEST_ALLOWED).map(too_wide).collect());
    note_whole_internet(ranges, notes);
    section.finish();
    if let Some(keys) = &keys {
        note_repeated("bastion.ssh_keys", "this key", keys, |key| key.identity().to_owned(), notes);
    }
    BastionAsRead { allow, keys, instance_type }
}

fn too_wide(range: &Placed<BastionRange>) -> Risk {
    let net = range.value.net();
    Risk {
        setting: "bastion.allow".to_owned(),
        span: range.span.clone(),
        what: format!("{net} is 1/{} of the internet", 1u64 << net.prefix_len()),
        expected: "a range no wider than /8; `curl https://checkip.amazonaws.com` prints your address".to_owned(),
        rule: &rule::BASTION_RANGE,
    }
}

/// No reason is good enough for the whole internet, in one range or in several.
fn note_whole_internet(ranges: &[Placed<BastionRange>], notes: &Notes) {
    let all: Vec<_> = ranges.iter().map(|range| range.value.net()).collect();
    if let (Some(last), true) = (ranges.last(), ipnet::Ipv4Net::aggregate(&all).iter().any(|net| net.prefix_len() == 0))
    {
        let message = "together these ranges are the whole internet";
        notes.add(
            Problem::new("bastion.allow", last.span.clone(), message, "the ranges that your people come from")
                .under(&rule::BASTION_RANGE)
                .help("no reason makes that acceptable"),
        );
    }
}

/// Notes each range that lies in another.
fn note_overlapping(ranges: &[Placed<BastionRange>], notes: &Notes) {
    for (index, range) in ranges.iter().enumerate() {
        let net = range.value.net();
        let around = ranges.iter().enumerate().find(|(other, wider)| {
            let wider = wider.value.net();
            *other != index && wider.contains(&net) && (wider != net || *other < index)
        });
        let Some((_, wider)) = around else { continue };
        let message = match wider.value == range.value {
            true => "this range is there already".to_owned(),
            false => format!("{net} lies in {}, which is there too", wider.value),
        };
        notes.add(
            Problem::new(&format!("bastion.allow[{index}]"), range.span.clone(), message, "each address once")
                .help("take one of the two out"),
        );
    }
}

/// Notes ranges through which the estate's own hosts could open connections to the bastion.
fn note_own_network(bastion: &BastionAsRead, place: &Place, notes: &Notes) {
    let Place::Made { cidr, .. } = place else { return };
    let own = cidr.net();
    for (index, range) in bastion.allow.iter().flatten().enumerate() {
        let net = range.value.net();
        if net.contains(&own) || own.contains(&net) {
            let message = format!("{net} overlaps the estate's own network {own}");
            notes.add(
                Problem::new(&format!("bastion.allow[{index}]"), range.span.clone(), message, "a range outside of it")
                    .under(&rule::BASTION_RANGE)
                    .help("people come from outside; whoever takes a host must not reach the bastion from it"),
            );
        }
    }
}

fn read_image(mut section: Section<'_>) -> Option<Image> {
    if !section.has("name") && !section.has("channel") && !section.has("owner") {
        let id = section.required::<ImageId>("id");
        section.skip(&["name", "channel", "owner"]);
        section.finish();
        return Some(Image::Id(id?.value));
    }
    let name = section.required("name");
    let channel = section.required("channel");
    let owner = section.either::<AccountId>("owner");
    section.skip(&["id"]);
    section.finish();
    Some(Image::Channel { name: name?.value, channel: channel?.value, owner: owner?.map(|owner| owner.value) })
}

fn read_encryption(section: Section<'_>, region: Option<&Placed<Region>>) -> Option<Encryption> {
    let notes = section.notes;
    let key = section.either::<KeyArn>("key");
    let keep = section.defaulted_flag("keep");
    section.finish();
    if let (Some(Some(key)), Some(region)) = (&key, region) {
        let elsewhere = key.value.as_str().split(':').nth(3).filter(|own| *own != region.value.as_str());
        if let Some(elsewhere) = elsewhere {
            let message = format!("the key is in {elsewhere}, and the estate in {}", region.value);
            let expected = format!("a key in {}", region.value);
            notes.add(
                Problem::new("encryption.key", key.span.clone(), message, expected)
                    .help("EC2 takes keys of its own region alone; leave it out, and one is made"),
            );
        }
    }
    match key? {
        Some(key) => Some(Encryption::Existing(key.value)),
        None => Some(Encryption::Made { keep: keep?.value }),
    }
}

fn read_budget(mut section: Section<'_>) -> Option<Budget> {
    let notes = section.notes;
    let monthly_usd = section.required_number("monthly_usd");
    let (actual, forecast) = (section.defaulted_numbers("actual"), section.defaulted_numbers("forecast"));
    let topic = section.either::<TopicArn>("topic");
    let alert = match section.has("topic") {
        true => section.list::<Email>("alert"),
        false => section.required_list::<Email>("alert"),
    };
    let thresholds = section.span_of("actual");
    section.finish();
    if let Some(alert) = &alert {
        note_repeated("budget.alert", "this address", alert, |email| email.as_str().to_lowercase(), notes);
    }
    for (setting, list) in [("budget.actual", &actual), ("budget.forecast", &forecast)] {
        note_repeated(setting, "this threshold", list.as_deref().unwrap_or_default(), |percent| *percent, notes);
    }
    if let (Some(actual), Some(forecast)) = (&actual, &forecast) {
        let all = actual.len() + forecast.len();
        if all == 0 || all > THRESHOLDS {
            let message = format!("`actual` and `forecast` have {all} thresholds together");
            let expected = format!("one to {THRESHOLDS}, which is what a budget takes");
            notes.add(Problem::new("budget.actual", thresholds, message, expected));
        }
    }
    Some(Budget {
        monthly_usd: monthly_usd?.value,
        actual: values(actual?),
        forecast: values(forecast?),
        alert: values(alert?),
        topic: topic?.map(|topic| topic.value),
    })
}

fn read_audit(
    mut section: Section<'_>,
    estate: Option<&Placed<AccountId>>,
    region: Option<&Placed<Region>>,
) -> Option<Audit> {
    let notes = section.notes;
    let account = section.required::<AccountId>("account");
    let own_region = section.either::<Region>("region");
    section.finish();
    if let (Some(account), Some(estate)) = (&account, estate)
        && account.value == estate.value
    {
        let message = "the trail is in the estate's own account, where whoever takes the estate can reach it";
        notes.add(
            Problem::new("audit.account", account.span.clone(), message, "another account")
                .under(&rule::AUDIT_ACCOUNT)
                .help("name the organisation's audit account; `provision audit init` makes the trail there"),
        );
    }
    if let (Some(Some(trail)), Some(region)) = (&own_region, region)
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
    Some(Audit { account: account?.value, region: own_region?.or_else(|| region.cloned())?.value })
}

fn read_backup(section: Section<'_>) -> Option<Backup> {
    let schedule = section.defaulted::<Schedule>("schedule");
    let retention_days = section.defaulted_number("retention_days");
    let keep = section.defaulted_flag("keep");
    section.finish();
    Some(Backup { schedule: schedule?.value, retention_days: retention_days?.value, keep: keep?.value })
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
