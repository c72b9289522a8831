//! Where a batch may start: types in the spec's order in the subnet that its indexes are of, then in the next subnets.

use super::Instances;
use super::moves::Batch;

/// A subnet and a type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place<'a> {
    /// The subnet.
    pub(super) subnet: &'a str,
    /// The instance type.
    pub(super) instance_type: &'a str,
}

impl std::fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} in {}", self.instance_type, self.subnet)
    }
}

/// What EC2 says where another place may do: no capacity, a type that the zone doesn't have, a subnet that is full.
pub(super) const ELSEWHERE: &[&str] =
    &["InsufficientInstanceCapacity", "InsufficientHostCapacity", "Unsupported", "InsufficientFreeAddressesInSubnet"];

/// The places for a batch, in the order in which they are tried.
pub(super) fn places<'a>(group: &'a Instances<String>, batch: Batch) -> Vec<Place<'a>> {
    let subnets: Vec<_> = group.subnets.values().collect();
    let own = batch.first as usize % subnets.len().max(1);
    let in_order = subnets.iter().cycle().skip(own).take(subnets.len());
    in_order
        .flat_map(|subnet| group.instance_types.values().map(move |name| Place { subnet, instance_type: name }))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn types_are_tried_before_zones_and_a_batch_begins_in_its_own() {
        let group: Instances<String> = Instances {
            template: String::new(),
            version: String::new(),
            generation: String::new(),
            count: 4,
            subnets: BTreeMap::from([(0, "a".into()), (1, "b".into())]),
            instance_types: BTreeMap::from([(0, "t3.small".into()), (1, "t3a.small".into())]),
            image: String::new(),
            profile: String::new(),
            groups: vec![],
            volumes: vec![],
            public_address: false,
            address: None,
            protected: false,
        };
        let of = |first| {
            let places = places(&group, Batch { first, stride: 2, count: 2 });
            places.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(of(0), ["t3.small in a", "t3a.small in a", "t3.small in b", "t3a.small in b"]);
        assert_eq!(of(1)[..2], ["t3.small in b", "t3a.small in b"]);
    }
}
