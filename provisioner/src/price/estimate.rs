//! What an estate costs in a month: as it is wanted, and as it was found.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Money, Table};
use crate::estate::{Estate, Kind, Properties, ResourceId};
use crate::kind::budget::Budget;
use crate::kind::{Priced, operations};
use crate::plan::World;
use crate::spec::Region;

/// What an estate costs in a month.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Estimate {
    /// What is priced; a lower bound where [`Self::unpriced`] has something.
    pub total_usd: Money,
    /// By group of hosts, and by kind for what belongs to none.
    pub groups: BTreeMap<String, Money>,
    /// Every charge.
    pub lines: Vec<Line>,
}

/// One charge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// For which resource.
    pub id: ResourceId,
    /// For what.
    pub of: String,
    /// How much of it.
    pub quantity: u64,
    /// What that costs in a month; `None` where the price isn't known.
    pub usd: Option<Money>,
}

/// What a plan does to an estate's cost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cost {
    /// The date of the prices.
    pub prices_as_of: String,
    /// Where the prices are from.
    pub source: String,
    /// What the estate may cost in a month, once the plan is carried out.
    pub budget_usd: Option<Money>,
    /// The estate as it is.
    pub before: Estimate,
    /// The estate as it will be.
    pub after: Estimate,
}

impl Estimate {
    /// Of an estate as it is wanted.
    pub fn of_estate(estate: &Estate) -> Self {
        let all = estate.resources.iter().map(|one| (one.id.clone(), one.properties.clone())).collect();
        let parts = estate.resources.iter().map(|one| (one.kind, &one.id, &one.properties, &[][..]));
        Self::of(&estate.scope.region, parts, &all)
    }

    /// Of an estate as it was found. What only waits for its deletion isn't charged for.
    pub fn of_world(world: &World) -> Self {
        let charged = || world.resources.iter().filter(|one| operations(one.kind).deletable(one));
        let all = charged().map(|one| (one.id.clone(), one.properties.clone())).collect();
        let parts = charged().map(|one| (one.kind, &one.id, &one.properties, &one.hosts[..]));
        Self::of(&world.scope.region, parts, &all)
    }

    fn of<'a>(
        region: &Region,
        parts: impl Iterator<Item = (Kind, &'a ResourceId, &'a Properties, &'a [crate::kind::instances::Host])>,
        all: &BTreeMap<ResourceId, Properties>,
    ) -> Self {
        let table = Table::built_in();
        let mut estimate = Self { total_usd: Money::default(), groups: BTreeMap::new(), lines: Vec::new() };
        for (kind, id, properties, hosts) in parts {
            for usage in operations(kind).usage(&Priced { id, properties, hosts, all }) {
                let usd = table.monthly(region, &usage.sku).map(|each| each.times(usage.quantity));
                let amount = usd.unwrap_or_default();
                let group = estimate.groups.entry(group(kind, id)).or_default();
                *group = *group + amount;
                estimate.total_usd = estimate.total_usd + amount;
                let (of, quantity) = (usage.sku.to_string(), usage.quantity);
                estimate.lines.push(Line { id: id.clone(), of, quantity, usd });
            }
        }
        estimate
    }

    /// What costs, and isn't in the total.
    pub fn unpriced(&self) -> Vec<String> {
        let lines = self.lines.iter().filter(|line| line.usd.is_none());
        lines.map(|line| format!("{} × {} ({})", line.quantity, line.of, line.id)).collect()
    }
}

impl Cost {
    /// What leads from a world to an estate, or to none.
    pub fn between(world: &World, estate: Option<&Estate>) -> Self {
        let table = Table::built_in();
        let nothing = Estimate { total_usd: Money::default(), groups: BTreeMap::new(), lines: Vec::new() };
        Self {
            prices_as_of: table.as_of.clone(),
            source: table.source.clone(),
            budget_usd: estate.and_then(budget),
            before: Estimate::of_world(world),
            after: estate.map_or(nothing, Estimate::of_estate),
        }
    }

    /// The budget, where the estimate afterwards is above it.
    pub fn passed_budget(&self) -> Option<Money> {
        self.budget_usd.filter(|budget| self.after.total_usd > *budget)
    }
}

/// The monthly amount of an estate's budget.
fn budget(estate: &Estate) -> Option<Money> {
    let budget: Budget = estate.get(&ResourceId::only(Kind::Budget))?.properties.parse().ok()?;
    budget.monthly_usd.parse().ok()
}

/// What a charge is counted under: a group of hosts, else the kind.
fn group(kind: Kind, id: &ResourceId) -> String {
    match (kind, id.name()) {
        (Kind::Instances | Kind::AutoScalingGroup, Some(name)) => name.to_owned(),
        _ => kind.to_string(),
    }
}
