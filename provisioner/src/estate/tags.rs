//! The tags on everything, which are all the state that an estate has.
//!
//! The user's three say who pays; `Name` and `Description` are for people; those with Holdfast's prefix say whose a
//! resource is. Nobody else writes keys with that prefix, and tags under other keys are left alone.
//!
//! IAM takes the fewest characters in a tag's value (letters, digits, spaces and `_.:/=+-@`, IAM User Guide, "Tags
//! for IAM resources"), so descriptions keep to those for every kind.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use super::{Kind, Properties, ResourceId};
use crate::spec::{EstateName, Tags};

/// The estate that a resource belongs to.
pub const ESTATE: &str = "holdfast:estate";
/// The resource's id inside the estate.
pub const ID: &str = "holdfast:id";
/// The digest of the properties that it was made or changed for.
pub const SPEC: &str = "holdfast:spec";
/// On instances: the version of the launch template that they were started from.
pub const GENERATION: &str = "holdfast:generation";
/// On instances: the index in its group of the first instance of the call that started them.
pub const FIRST: &str = "holdfast:first";

/// All tags of one resource.
pub(super) fn tags(
    estate: &EstateName,
    user: &Tags,
    id: &ResourceId,
    name: &str,
    description: &str,
) -> BTreeMap<String, String> {
    let pairs = [
        ("Project", user.project.as_str()),
        ("Department", user.department.as_str()),
        ("Environment", user.environment.as_str()),
        ("Name", name),
        ("Description", description),
        (ESTATE, estate.as_str()),
        (ID, id.as_str()),
    ];
    pairs.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

/// The digest of properties for the tag [`SPEC`]: 16 hexadecimal digits of SHA-256 over their JSON.
///
/// A group's hosts each carry their group's digest, and must not all change when one is added: so a count is no part
/// of it.
pub(super) fn digest(kind: Kind, properties: &Properties) -> String {
    let mut hash = Sha256::new();
    for (name, value) in properties.0.iter().filter(|(name, _)| kind != Kind::Instances || *name != "count") {
        hash.update(name.as_bytes());
        hash.update([0]);
        hash.update(value.to_string().as_bytes());
        hash.update([0]);
    }
    hex::encode(&hash.finalize()[..8])
}
