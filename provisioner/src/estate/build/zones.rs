//! Which zones an estate is in, and which part of its network each has.
//!
//! A zone keeps its part of the range for as long as it has subnets: another order of names, a zone more, and zones that
//! AWS opens move no address. Which part that is can be read from the subnets that are there, so nothing else remembers
//! it.

use std::collections::BTreeMap;

use super::BuildError;
use crate::spec::{NetworkRange, Region, Zones};

/// A zone of a network that is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ZonePlace {
    /// AWS's name, such as `eu-central-1a`.
    pub(super) zone: String,
    /// What tells it from the region's others, such as `a`.
    pub(super) name: String,
    /// Its part of the network's range.
    pub(super) place: u32,
}

/// The zones that a spec asks for, by their place. `used` are those that have subnets already, with their places.
pub(super) fn zones(
    asked: &Zones,
    region: &Region,
    available: &[String],
    used: &BTreeMap<String, u32>,
) -> Result<Vec<ZonePlace>, BuildError> {
    let names = match asked {
        Zones::Named(zones) => zones.iter().map(ToString::to_string).collect(),
        Zones::Count(count) => first(*count, region, available, used)?,
    };
    let mut free = (0..NetworkRange::ZONES).filter(|place| !used.values().any(|taken| taken == place));
    let mut sorted = names;
    sorted.sort_unstable();
    sorted.dedup();
    let mut places = Vec::new();
    for zone in sorted {
        let place = used.get(&zone).copied().or_else(|| free.next());
        let Some(place) = place else {
            let gone = used.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
            return Err(BuildError::NoRoom { zone, used: gone });
        };
        let name = zone.strip_prefix(region.as_str()).unwrap_or(&zone).trim_start_matches('-').to_owned();
        places.push(ZonePlace { zone, name, place });
    }
    places.sort_by_key(|zone| zone.place);
    Ok(places)
}

/// As many zones as are asked for: those in use first, by their place, then AWS's others by name.
fn first(
    count: u32,
    region: &Region,
    available: &[String],
    used: &BTreeMap<String, u32>,
) -> Result<Vec<String>, BuildError> {
    let mut names: Vec<_> = used.keys().collect();
    names.sort_by_key(|zone| used[*zone]);
    let mut others: Vec<_> = available.iter().filter(|zone| !used.contains_key(*zone)).collect();
    others.sort_unstable();
    names.extend(others);
    if names.len() < count as usize {
        return Err(BuildError::Zones { count, region: region.to_string(), available: available.join(", ") });
    }
    Ok(names.into_iter().take(count as usize).cloned().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn region() -> Region {
        "eu-central-1".parse().unwrap()
    }

    fn places(asked: &Zones, available: &str, used: &[(&str, u32)]) -> String {
        let available: Vec<_> = available.chars().map(|name| format!("eu-central-1{name}")).collect();
        let used = used.iter().map(|(name, place)| (format!("eu-central-1{name}"), *place)).collect();
        match zones(asked, &region(), &available, &used) {
            Ok(places) => {
                let all: Vec<_> = places.iter().map(|zone| format!("{}{}", zone.name, zone.place)).collect();
                all.join(" ")
            }
            Err(error) => error.to_string(),
        }
    }

    fn named(names: &str) -> Zones {
        Zones::Named(names.chars().map(|name| format!("eu-central-1{name}").parse().unwrap()).collect())
    }

    /// Zones by their letter, with their places.
    type Used = &'static [(&'static str, u32)];

    #[test]
    fn a_zone_keeps_its_place_whatever_else_changes() {
        let table: &[(Zones, &str, Used, &str)] = &[
            (Zones::Count(2), "abc", &[], "a0 b1"),
            // AWS opens a zone that sorts before those in use.
            (Zones::Count(2), "abc", &[("b", 0), ("c", 1)], "b0 c1"),
            (Zones::Count(3), "abc", &[("b", 0), ("c", 1)], "b0 c1 a2"),
            // A zone in use that isn't available for a while is still in use.
            (Zones::Count(2), "bc", &[("a", 0), ("b", 1)], "a0 b1"),
            (Zones::Count(1), "abc", &[("a", 0), ("b", 1)], "a0"),
            (named("ba"), "abc", &[], "a0 b1"),
            (named("ba"), "abc", &[("a", 0), ("b", 1)], "a0 b1"),
            (named("ba"), "abc", &[("b", 0)], "b0 a1"),
            // The old one's part isn't free until it has gone.
            (named("ac"), "abc", &[("a", 0), ("b", 1)], "a0 c2"),
        ];
        for (asked, available, used, expected) in table {
            assert_eq!(places(asked, available, used), *expected, "{asked:?} of {available} where {used:?}");
        }
    }

    #[test]
    fn what_cannot_be_placed_is_refused_with_the_way_out() {
        let full = [("a", 0), ("b", 1), ("c", 2)];
        let error = places(&named("abd"), "abcd", &full);
        assert!(error.contains("eu-central-1d") && error.contains("apply that first"), "{error}");
        let error = places(&Zones::Count(3), "ab", &[]);
        assert!(error.contains("eu-central-1a, eu-central-1b"), "{error}");
    }

    #[test]
    fn a_local_zone_has_a_name_of_its_own() {
        let asked = Zones::Named(vec!["us-west-2-lax-1a".parse().unwrap()]);
        let places = zones(&asked, &"us-west-2".parse().unwrap(), &[], &BTreeMap::new()).unwrap();
        assert_eq!(places[0].name, "lax-1a");
    }
}
