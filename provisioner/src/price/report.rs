//! What an estate costs as it is: estimated, and as Budgets has counted.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Estimate, Money, Table};
use crate::estate::Scope;
use crate::plan::{Spend, Status, World};

/// The tags that bills are read by.
const TAGS: [&str; 3] = ["Project", "Department", "Environment"];
/// What stands for a tag that a resource lacks.
const NONE: &str = "(none)";

/// What an estate costs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// Which estate it is and where.
    pub scope: Scope,
    /// The date of the prices.
    pub prices_as_of: String,
    /// Where the prices are from.
    pub source: String,
    /// What it costs in a month as it is.
    pub estimate: Estimate,
    /// The same by tag and by that tag's values.
    pub tags: BTreeMap<String, BTreeMap<String, Money>>,
    /// What Budgets has counted; none where there is no budget.
    pub spend: Option<Spend>,
}

impl Report {
    /// What an estate costs that was found.
    pub fn of(world: &World) -> Self {
        let table = Table::built_in();
        let estimate = Estimate::of_world(world);
        let mut tags: BTreeMap<String, BTreeMap<String, Money>> = BTreeMap::new();
        for line in &estimate.lines {
            let resource = world.resources.iter().find(|resource| resource.id == line.id);
            for key in TAGS {
                let value = resource.and_then(|resource| resource.tags.get(key)).map_or(NONE, String::as_str);
                let sum = tags.entry(key.to_owned()).or_default().entry(value.to_owned()).or_default();
                *sum = *sum + line.usd.unwrap_or_default();
            }
        }
        Self {
            scope: world.scope.clone(),
            prices_as_of: table.as_of.clone(),
            source: table.source.clone(),
            estimate,
            tags,
            spend: Status::of(world).spend,
        }
    }
}
