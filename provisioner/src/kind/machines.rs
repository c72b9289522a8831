//! What machines are charged for: those of a group are alike, as its launch template says.

use serde::Deserialize;

use super::{Priced, Sku, Usage};
use crate::estate::{Kind, ResourceId};

/// What every gp3 volume has without a charge (EBS User Guide, "General Purpose SSD volumes").
const GP3_IOPS: u64 = 3_000;
const GP3_MIB_PER_SECOND: u64 = 125;

/// What of a launch template is charged for.
#[derive(Deserialize)]
struct Template {
    instance_type: String,
    volumes: Vec<Volume>,
}

#[derive(Deserialize)]
struct Volume {
    gib: u32,
    volume_type: String,
    #[serde(default)]
    iops: Option<u32>,
    #[serde(default)]
    throughput: Option<u32>,
}

/// What `count` machines of a group are charged for, or those that were found of it.
pub(super) fn usage(priced: &Priced<'_>, count: u64) -> Vec<Usage> {
    let count = if priced.hosts.is_empty() { count } else { priced.hosts.len() as u64 };
    if count == 0 {
        return Vec::new();
    }
    let template = priced.id.name().map(|name| ResourceId::named(Kind::LaunchTemplate, name));
    let template = template.and_then(|id| priced.all.get(&id)?.parse::<Template>().ok());
    let mut all = Vec::new();
    match (&template, priced.hosts) {
        (Some(template), []) => all.push(Usage::of(Sku::Instance(template.instance_type.clone()), count)),
        (None, []) => all.push(Usage::of(Sku::Unknown("instances without a launch template".to_owned()), count)),
        (_, hosts) => all.extend(hosts.iter().map(|host| Usage::of(Sku::Instance(host.instance_type.clone()), 1u64))),
    }
    match template {
        Some(template) => all.extend(template.volumes.iter().flat_map(|volume| of_volume(volume, count))),
        None => all.push(Usage::of(Sku::Unknown("volumes of hosts without a launch template".to_owned()), count)),
    }
    sum(all)
}

fn of_volume(volume: &Volume, count: u64) -> Vec<Usage> {
    let beyond = |has: Option<u32>, free: u64| u64::from(has.unwrap_or_default()).saturating_sub(free) * count;
    vec![
        Usage::of(Sku::Volume(volume.volume_type.clone()), u64::from(volume.gib) * count),
        Usage::of(Sku::VolumeIops, beyond(volume.iops, GP3_IOPS)),
        Usage::of(Sku::VolumeThroughput, beyond(volume.throughput, GP3_MIB_PER_SECOND)),
    ]
}

/// One usage for each SKU, without those of nothing, in the order of their first.
fn sum(all: Vec<Usage>) -> Vec<Usage> {
    let mut sums: Vec<Usage> = Vec::new();
    for usage in all.into_iter().filter(|usage| usage.quantity > 0) {
        match sums.iter_mut().find(|sum| sum.sku == usage.sku) {
            Some(sum) => sum.quantity += usage.quantity,
            None => sums.push(usage),
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;
    use crate::estate::Properties;

    fn priced(template: Option<Properties>, hosts: serde_json::Value) -> Vec<Usage> {
        let id = ResourceId::named(Kind::Instances, "worker");
        let template = template.map(|template| (ResourceId::named(Kind::LaunchTemplate, "worker"), template));
        let all: BTreeMap<_, _> = template.into_iter().collect();
        let hosts: Vec<_> = serde_json::from_value(hosts).unwrap();
        usage(&Priced { id: &id, properties: &Properties::default(), hosts: &hosts, all: &all }, 3)
    }

    fn template() -> Properties {
        let volumes = json!([
            {"gib": 20, "volume_type": "gp3"},
            {"gib": 100, "volume_type": "gp3", "iops": 4000, "throughput": 250},
        ]);
        Properties::of(&json!({"instance_type": "t3.small", "volumes": volumes})).unwrap()
    }

    fn host(of: &str) -> serde_json::Value {
        json!({
            "instance": "i-1", "index": 0, "generation": "1", "state": "running", "image": "ami-1",
            "instance_type": of, "vpc": "vpc-1", "subnet": "subnet-1", "groups": [], "tokens_required": true,
            "hop_limit": 1, "parts": [], "launched": 0, "tags": {},
        })
    }

    #[test]
    fn wanted_machines_are_counted_with_their_volumes() {
        let expected = [
            Usage::of(Sku::Instance("t3.small".to_owned()), 3u64),
            Usage::of(Sku::Volume("gp3".to_owned()), 360u64),
            Usage::of(Sku::VolumeIops, 3000u64),
            Usage::of(Sku::VolumeThroughput, 375u64),
        ];
        assert_eq!(priced(Some(template()), json!([])), expected);
    }

    #[test]
    fn found_machines_are_counted_by_the_type_that_they_have() {
        let usage = priced(Some(template()), json!([host("t3.small"), host("m7i.large")]));
        assert!(usage.contains(&Usage::of(Sku::Instance("m7i.large".to_owned()), 1u64)), "{usage:?}");
        assert!(usage.contains(&Usage::of(Sku::Volume("gp3".to_owned()), 240u64)), "{usage:?}");
    }

    #[test]
    fn what_cannot_be_known_is_not_free() {
        let usage = priced(None, json!([]));
        assert!(usage.iter().all(|usage| matches!(usage.sku, Sku::Unknown(_)) && usage.quantity == 3), "{usage:?}");
        assert_eq!(usage.len(), 2);
    }
}
