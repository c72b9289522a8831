//! What there is of an estate, as text.

use std::collections::BTreeMap;
use std::fmt::Write;

use owo_colors::OwoColorize;

use super::plan::title;
use super::text::{labelled, table};
use crate::estate::tags;
use crate::kind::instances::Host;
use crate::plan::{Spend, Status, StatusRow};

/// Tags that a resource has a value of its own for.
const OWN: &[&str] = &[
    "Name",
    "Description",
    tags::ID,
    tags::SPEC,
    tags::RULES,
    tags::COUNT,
    tags::RESOURCES,
    tags::GENERATION,
    tags::FIRST,
    tags::STRIDE,
    tags::NETWORK,
    tags::PROTECTED,
];

/// Whether a tag could be shared by all resources: neither one of each resource's own, nor one that AWS sets itself.
fn is_shared_sort(key: &str) -> bool {
    !OWN.contains(&key) && !key.starts_with("aws:")
}

/// The whole status.
pub(crate) fn text(status: &Status) -> String {
    let mut shown = format!("{}\n", capital(&title(&status.scope)).bold());
    if status.resources.is_empty() {
        shown.push_str("\nThere is nothing of it. `provision apply` makes it\n");
        return shown;
    }
    shown.push_str(&hosts(status));
    shown.push_str(&resources(&status.resources));
    shown.push_str(&shared_tags(&status.resources));
    shown.push_str(&spend(status.spend.as_ref()));
    for note in &status.notes {
        // Writing to a string can't fail.
        let _ = writeln!(shown, "{}", labelled("note:", 6, note));
    }
    shown
}

fn hosts(status: &Status) -> String {
    let head = ["host", "instance", "state", "type", "address", "public address"].map(str::to_owned);
    let rows = status.hosts.iter().flat_map(|(id, hosts)| hosts.iter().map(move |host| host_row(id.name(), host)));
    let rows: Vec<_> = std::iter::once(head).chain(rows).collect();
    if rows.len() == 1 {
        return "\nNo hosts are running\n".to_owned();
    }
    format!("\n{}\n{}", "Hosts".bold(), table(&rows))
}

fn host_row(group: Option<&str>, host: &Host) -> [String; 6] {
    [
        format!("{} {}", group.unwrap_or_default(), host.label()),
        host.instance.clone(),
        host.state.clone(),
        host.instance_type.clone(),
        host.private_address.clone().unwrap_or_default(),
        host.public_address.clone().unwrap_or_else(|| "-".to_owned()),
    ]
}

fn resources(rows: &[StatusRow]) -> String {
    let cells: Vec<_> = rows
        .iter()
        .map(|row| {
            let is_news = row.physical != row.name && row.physical != row.id.as_str();
            let physical = if is_news { row.physical.clone() } else { String::new() };
            [row.id.to_string(), row.name.clone(), physical]
        })
        .collect();
    let mut shown = format!("\n{}\n{}", "Resources".bold(), table(&cells));
    for row in rows {
        if let Some(state) = &row.state {
            let _ = writeln!(shown, "{}", labelled("  note:", 8, &format!("{} is {state}", row.id)));
        }
    }
    shown
}

/// Tags that most resources share, once; then what a resource has otherwise.
fn shared_tags(rows: &[StatusRow]) -> String {
    let tagged: Vec<_> = rows.iter().filter(|row| row.tags.contains_key(tags::ESTATE)).collect();
    let mut values: BTreeMap<&str, BTreeMap<&str, usize>> = BTreeMap::new();
    for (key, value) in tagged.iter().flat_map(|row| &row.tags).filter(|(key, _)| is_shared_sort(key)) {
        *values.entry(key).or_default().entry(value).or_default() += 1;
    }
    let shared: Vec<_> = values
        .iter()
        .filter_map(|(key, counts)| {
            counts.iter().find(|(_, count)| **count * 2 > tagged.len()).map(|(value, _)| (*key, *value))
        })
        .collect();
    let mut shown = format!("\n{} on {}\n", "Tags".bold(), all_of(tagged.len()));
    let pairs: Vec<_> = shared.iter().map(|(key, value)| [(*key).to_owned(), (*value).to_owned()]).collect();
    shown.push_str(&table(&pairs));
    for row in tagged {
        let other = row
            .tags
            .iter()
            .filter(|(key, value)| is_shared_sort(key) && !shared.contains(&(key.as_str(), value.as_str())));
        let other: Vec<_> = other.map(|(key, value)| format!("{key}={value}")).collect();
        let lacking = shared.iter().filter(|(key, _)| !row.tags.contains_key(*key));
        let lacking: Vec<_> = lacking.map(|(key, _)| format!("no {key}")).collect();
        let all = [other, lacking].concat();
        if !all.is_empty() {
            let _ = writeln!(shown, "{}", labelled(&format!("  {}:", row.id), 6, &all.join(", ")));
        }
    }
    shown
}

fn all_of(number: usize) -> String {
    if number == 1 { "the one resource".to_owned() } else { format!("all {number} resources that take tags") }
}

pub(super) fn spend(spend: Option<&Spend>) -> String {
    let Some(spend) = spend else {
        return format!("\n{}\n  none: `provision apply` makes it\n", "Budget".bold());
    };
    let actual = spend.actual_usd.as_deref().unwrap_or("0");
    let share = match (actual.parse::<f64>(), spend.limit_usd.parse::<f64>()) {
        (Ok(actual), Ok(limit)) if limit > 0.0 => format!(" ({:.0} %)", actual / limit * 100.0),
        _ => String::new(),
    };
    let forecast =
        spend.forecast_usd.as_ref().filter(|usd| *usd != "0").map(|usd| format!(", {usd} forecast for all of it"));
    let mut shown = format!(
        "\n{}\n  {actual} of {} US dollars spent this month{share}{}\n",
        "Budget".bold(),
        spend.limit_usd,
        forecast.unwrap_or_default()
    );
    if spend.nothing_counted {
        let advice = "AWS counts nothing until the payer's account activates the cost allocation tag holdfast:estate \
                      (Billing, Cost allocation tags), which takes up to a day; alerts stay silent until then";
        let _ = writeln!(shown, "{}", labelled("  note:", 8, advice));
    }
    shown
}

/// A sentence's beginning.
fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;
    use crate::estate::{Kind, ResourceId, Scope};

    fn scope() -> Scope {
        Scope {
            estate: "judge".parse().unwrap(),
            account: "111111111111".parse().unwrap(),
            region: "eu-central-1".parse().unwrap(),
            vpc: None,
        }
    }

    fn row(id: ResourceId, kind: Kind, physical: &str, project: &str) -> StatusRow {
        let tags = [
            ("Project", project),
            ("Department", "engineering"),
            ("Environment", "Test"),
            ("holdfast:estate", "judge"),
        ];
        let tags: BTreeMap<_, _> = tags.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        StatusRow { name: format!("holdfast-judge-{id}"), id, kind, physical: physical.to_owned(), state: None, tags }
    }

    fn host(index: u32, public: Option<&str>) -> Host {
        serde_json::from_value(json!({
            "instance": format!("i-0123456789abcdef{index}"), "index": index, "generation": "1", "state": "running",
            "image": "ami-0123456789abcdef0", "instance_type": "t3.small", "vpc": "vpc-1", "subnet": "subnet-1",
            "groups": [], "private_address": format!("10.0.64.{}", 10 + index), "public_address": public,
            "profile": "", "zone": "", "protected": false, "volumes": [], "interfaces": [],
            "metadata": {"enabled": true, "tokens_required": true, "hop_limit": 1, "tags": false}, "launched": 0, "tags": {},
        }))
        .unwrap()
    }

    #[test]
    fn an_estate_is_told_by_hosts_resources_tags_and_spend() {
        let mut lost = row(ResourceId::named(Kind::Subnet, "private"), Kind::Subnet, "subnet-0a", "finals");
        lost.tags.remove("Department");
        let status = Status {
            scope: scope(),
            resources: vec![
                row(ResourceId::only(Kind::Vpc), Kind::Vpc, "vpc-0a", "contest"),
                row(ResourceId::only(Kind::InternetGateway), Kind::InternetGateway, "igw-0a", "contest"),
                lost,
            ],
            hosts: BTreeMap::from([
                (ResourceId::named(Kind::Instances, "bastion"), vec![host(0, Some("203.0.113.9"))]),
                (ResourceId::named(Kind::Instances, "worker"), vec![host(0, None), host(1, None)]),
            ]),
            spend: Some(Spend {
                budget: "holdfast-judge-eu-central-1".to_owned(),
                limit_usd: "200".to_owned(),
                actual_usd: Some("0".to_owned()),
                forecast_usd: None,
                tag: "user:holdfast:estate$judge".to_owned(),
                nothing_counted: true,
            }),
            notes: Vec::new(),
        };
        let shown = anstream::adapter::strip_str(&text(&status)).to_string();
        assert!(shown.lines().all(|line| line.chars().count() <= super::super::WIDTH), "{shown}");
        insta::assert_snapshot!(shown);
    }

    #[test]
    fn an_estate_that_is_not_there_says_how_to_make_it() {
        let nothing =
            Status { scope: scope(), resources: Vec::new(), hosts: BTreeMap::new(), spend: None, notes: Vec::new() };
        assert!(text(&nothing).contains("`provision apply` makes it"));
    }
}
