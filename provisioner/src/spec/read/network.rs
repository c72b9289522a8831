//! `[network]`: made or there already, and how hosts leave it.

use super::{note_repeated, values};
use crate::rule;
use crate::spec::problem::Problem;
use crate::spec::table::{Notes, NumberOrList, Placed, Risk, Section};
use crate::spec::{Egress, Network, NetworkRange, Place, Region, SubnetId, VpcId, Zone, Zones};

/// What only a network that is there already has.
const EXISTING: [&str; 3] = ["vpc", "public_subnets", "private_subnets"];

pub(super) fn read(mut section: Section<'_>, region: Option<&Placed<Region>>) -> Option<Network> {
    let notes = section.notes;
    let place = match EXISTING.iter().any(|key| section.has(key)) {
        true => read_existing(&mut section, notes),
        false => read_made(&section, region, notes),
    };
    let egress = section.defaulted::<Egress>("egress");
    let days = section.defaulted_choice("flow_logs_days");
    let no_logs = days.iter().filter(|days| days.value == 0).map(|days| Risk {
        setting: "network.flow_logs_days".to_owned(),
        span: days.span.clone(),
        what: "without flow logs nobody can tell later who talked to whom".to_owned(),
        expected: "days to keep them, such as 365".to_owned(),
        rule: &rule::FLOW_LOGS,
    });
    section.settle(no_logs.collect());
    section.finish();
    let flow_logs_days = Some(days?.value).filter(|days| *days > 0);
    Some(Network { place: place?, egress: egress?.value, flow_logs_days })
}

fn read_made(section: &Section<'_>, region: Option<&Placed<Region>>, notes: &Notes) -> Option<Place> {
    let cidr = section.defaulted::<NetworkRange>("cidr");
    let zones = section.number_or_list::<Zone>("zones");
    section.skip(&EXISTING);
    if let Some(NumberOrList::List(zones)) = &zones {
        note_repeated("network.zones", "this zone", zones, Clone::clone, notes);
        for zone in zones.iter().filter(|zone| region.is_some_and(|region| !zone.value.is_in(&region.value))) {
            let region = region.map_or("", |region| region.value.as_str());
            let message = format!("zone {} isn't in region {region}", zone.value);
            let expected = format!("a zone of the region, such as \"{region}a\"");
            notes.add(Problem::new("network.zones", zone.span.clone(), message, expected));
        }
    }
    let zones = match zones? {
        NumberOrList::Number(number) => Zones::Count(number.value),
        NumberOrList::List(zones) => Zones::Named(values(zones)),
    };
    Some(Place::Made { cidr: cidr?.value, zones })
}

fn read_existing(section: &mut Section<'_>, notes: &Notes) -> Option<Place> {
    let vpc = section.required::<VpcId>("vpc");
    let public = section.required_list::<SubnetId>("public_subnets");
    let private = section.required_list::<SubnetId>("private_subnets");
    section.skip(&["cidr", "zones"]);
    let all = [public.as_deref().unwrap_or_default(), private.as_deref().unwrap_or_default()].concat();
    note_repeated("network", "this subnet", &all, Clone::clone, notes);
    Some(Place::Existing { vpc: vpc?.value, public: values(public?), private: values(private?) })
}
