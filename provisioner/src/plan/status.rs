//! What there is of an estate, for people.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Serialize;

use super::World;
use super::settle::Settled;
use crate::estate::{Kind, ResourceId, Scope};
use crate::kind::budget::Budget;
use crate::kind::instances::Host;

/// What there is of an estate.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Status {
    /// Which estate it is and where.
    pub scope: Scope,
    /// Its resources, in the order in which they were built.
    pub resources: Vec<StatusRow>,
    /// Its hosts, by group.
    pub hosts: BTreeMap<ResourceId, Vec<Host>>,
    /// What it may cost and has cost; none where it has no budget.
    pub spend: Option<Spend>,
    /// What looks like the estate's and isn't.
    pub notes: Vec<String>,
}

/// One resource.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StatusRow {
    /// Its id inside the estate.
    pub id: ResourceId,
    /// What it is.
    pub kind: Kind,
    /// Its name in AWS.
    pub name: String,
    /// Its id in AWS.
    pub physical: String,
    /// What AWS says of it besides.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// Its own tags; empty where it takes none.
    pub tags: BTreeMap<String, String>,
}

/// Money, in US dollars, as Budgets writes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Spend {
    /// The budget's name.
    pub budget: String,
    /// What the estate may cost in a month.
    pub limit_usd: String,
    /// What it has cost this month, as far as Budgets has counted.
    pub actual_usd: Option<String>,
    /// What it will have cost at the month's end.
    pub forecast_usd: Option<String>,
    /// The tag that Budgets counts by. Until the payer's account activates it for cost allocation, Budgets counts
    /// nothing.
    pub tag: String,
    /// Whether nothing has been counted, which a tag that isn't active would explain.
    pub nothing_counted: bool,
}

impl Status {
    /// What there is of an estate.
    pub fn of(world: &World) -> Self {
        let settled = Settled::of(world, None);
        let mut kept: Vec<_> = settled.kept.into_values().map(Cow::into_owned).collect();
        kept.sort_by(|a, b| (a.kind, &a.id).cmp(&(b.kind, &b.id)));
        let spend = kept.iter().find(|one| one.kind == Kind::Budget).and_then(|budget| {
            let properties: Budget = budget.properties.parse().ok()?;
            let actual = budget.attributes.get("actual_usd").cloned();
            Some(Spend {
                budget: budget.name.clone(),
                limit_usd: properties.monthly_usd,
                nothing_counted: actual.as_deref().is_none_or(|actual| actual == "0"),
                actual_usd: actual,
                forecast_usd: budget.attributes.get("forecast_usd").cloned(),
                tag: properties.tag,
            })
        });
        let hosts = kept.iter().filter(|one| !one.hosts.is_empty()).map(|one| (one.id.clone(), one.hosts.clone()));
        let hosts = hosts.collect();
        let resources = kept
            .into_iter()
            .map(|one| StatusRow {
                id: one.id,
                kind: one.kind,
                name: one.name,
                physical: one.physical,
                state: one.state,
                // A group's rules leave their digest on the group, whose row has all of its tags.
                tags: if one.kind == Kind::SecurityGroupRules { BTreeMap::new() } else { one.tags },
            })
            .collect();
        Self { scope: world.scope.clone(), resources, hosts, spend, notes: settled.notes }
    }
}
