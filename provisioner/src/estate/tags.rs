//! The tags on everything, which are all the state that an estate has.
//!
//! The user's three say who pays; `Name` and `Description` are for people; those with Holdfast's prefix say whose a
//! resource is. Nobody else writes keys with that prefix, and tags under other keys are left alone.
//!
//! IAM takes the fewest characters in a tag's value (letters, digits, spaces and `_.:/=+-@`, IAM User Guide, "Tags
//! for IAM resources"), so descriptions keep to those for every kind.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use super::{Kind, Properties, ResourceId, Scope};
use crate::spec::Spec;

/// The estate that a resource belongs to.
pub const ESTATE: &str = "holdfast:estate";
/// The resource's id inside the estate.
pub const ID: &str = "holdfast:id";
/// The digest of the properties and tags that it was made or changed for: where it is still the spec's and something
/// differs, somebody else changed that.
pub const SPEC: &str = "holdfast:spec";
/// The same for a security group's rules, which have no tags of their own: on the group.
pub const RULES: &str = "holdfast:rules";
/// The same for how many hosts a group has: on its launch template, since hosts that are gone have no tags.
pub const COUNT: &str = "holdfast:count";
/// The same for what the estate consists of: on its budget, which every estate has.
pub const RESOURCES: &str = "holdfast:resources";
/// The name of the budget that counts what the resource costs.
pub const BUDGET: &str = "holdfast:budget";
/// Which defaults were weakened on purpose and why, or `none`. On every resource, so that whoever looks at any of them
/// finds it; always there, since tags are set and never taken away.
pub const ACCEPTED_RISKS: &str = "holdfast:accepted-risks";
/// Whether a resource stays when the estate goes, `true` or `false`; only where a spec can say so.
pub const KEEP: &str = "holdfast:keep";
/// The most characters of a tag's value (AWS General Reference, "Tag naming limits").
const LONGEST_VALUE: usize = 256;
/// On elastic addresses that a network's gateways have: the VPC.
pub const NETWORK: &str = "holdfast:network";
/// On instances: the digest of what they were started as and can't be changed in.
pub const GENERATION: &str = "holdfast:generation";
/// On instances: the index in its group of the first instance of the call that started them.
pub const FIRST: &str = "holdfast:first";
/// On instances: how far the index of each is from the one before it in that call.
pub const STRIDE: &str = "holdfast:stride";
/// On instances: whether they were protected against their end when that was last set.
pub const PROTECTED: &str = "holdfast:protected";
/// What the estate's backup plan selects by; the value is the estate's name.
pub const BACKUP: &str = "holdfast:backup";

/// All tags of one resource but its digest, which is over them too.
pub(super) fn tags(spec: &Spec, id: &ResourceId, name: &str, description: &str) -> BTreeMap<String, String> {
    let (user, budget) = (&spec.tags, Scope::of(spec).budget_name());
    let pairs = [
        ("Project", user.project.as_str()),
        ("Department", user.department.as_str()),
        ("Environment", user.environment.as_str()),
        ("Name", name),
        ("Description", description),
        (ESTATE, spec.name.as_str()),
        (ID, id.as_str()),
        (BUDGET, budget.as_str()),
        (ACCEPTED_RISKS, &accepted_risks(spec)),
    ];
    pairs.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

/// Every accepted risk with its reason, as far as a tag's value holds them: the plan and the trail have them whole.
fn accepted_risks(spec: &Spec) -> String {
    let risks: Vec<_> = spec.accepted.iter().map(|risk| format!("{}: {}", risk.setting, risk.reason)).collect();
    if risks.is_empty() { "none".to_owned() } else { risks.join(" / ").chars().take(LONGEST_VALUE).collect() }
}

/// The digest of properties and tags for the tags [`SPEC`] and [`RULES`].
///
/// A group's hosts each carry their group's digest, and must not all change when one is added: so a count is no part
/// of it.
pub(super) fn digest(kind: Kind, properties: &Properties, tags: &BTreeMap<String, String>) -> String {
    let properties = properties
        .0
        .iter()
        .filter(|(name, _)| !matches!(kind, Kind::Instances | Kind::AutoScalingGroup) || *name != "count");
    let properties = properties.map(|(name, value)| (name.clone(), value.to_string()));
    digest_of(properties.chain(tags.clone()).flat_map(|(name, value)| [name, value]))
}

/// 16 hexadecimal digits of SHA-256 over texts.
pub(super) fn digest_of(texts: impl Iterator<Item = impl AsRef<[u8]>>) -> String {
    let mut hash = Sha256::new();
    for text in texts {
        hash.update(text);
        hash.update([0]);
    }
    hex::encode(&hash.finalize()[..8])
}
