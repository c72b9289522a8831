//! Money as text: what a plan does to an estate's cost.

use std::collections::BTreeSet;
use std::fmt::Write;

use owo_colors::OwoColorize;

use super::text::{figures, labelled};
use crate::price::{Cost, Estimate, Money, Report};

/// What every estimate leaves out.
const LEFT_OUT: &str = "traffic, logs, requests, snapshots and backups";

/// What an estate costs before and after a plan, by group, and against its budget.
pub(crate) fn change(cost: &Cost, over_budget: Option<&str>) -> String {
    let groups: BTreeSet<_> = cost.before.groups.keys().chain(cost.after.groups.keys()).collect();
    if groups.is_empty() {
        return String::new();
    }
    let mut rows = vec![["".to_owned(), "now".to_owned(), "then".to_owned()]];
    let amount = |estimate: &Estimate, group: &str| estimate.groups.get(group).copied().unwrap_or_default().to_string();
    rows.extend(groups.iter().map(|group| [(*group).clone(), amount(&cost.before, group), amount(&cost.after, group)]));
    rows.push(["total".to_owned(), cost.before.total_usd.to_string(), cost.after.total_usd.to_string()]);
    let mut shown = format!("\n{}\n{}", "Estimate in US dollars a month".bold(), figures(&rows));
    if let Some(budget) = cost.budget_usd {
        shown.push_str(&against(cost.after.total_usd, budget));
    }
    if let Some(reason) = over_budget {
        // Writing to a string can't fail.
        let _ = writeln!(shown, "{}", labelled("  over budget:", 15, reason));
    }
    shown.push_str(&unpriced(&cost.after));
    shown.push_str(&basis(&cost.prices_as_of));
    shown
}

/// What an estate costs as it is.
pub(crate) fn report(report: &Report) -> String {
    let row = |(name, usd): (&String, &Money)| [name.clone(), usd.to_string()];
    let mut rows: Vec<_> = report.estimate.groups.iter().map(row).collect();
    rows.push(["total".to_owned(), report.estimate.total_usd.to_string()]);
    let mut shown = format!("Cost of {}\n", super::plan::title(&report.scope)).bold().to_string();
    // Writing to a string can't fail.
    let _ = write!(shown, "\n{}\n{}", "Estimate in US dollars a month".bold(), figures(&rows));
    let budget = report.spend.as_ref().and_then(|spend| spend.limit_usd.parse().ok());
    if let Some(budget) = budget {
        shown.push_str(&against(report.estimate.total_usd, budget));
    }
    shown.push_str(&unpriced(&report.estimate));
    shown.push_str(&basis(&report.prices_as_of));
    let tagged = report
        .tags
        .iter()
        .flat_map(|(tag, values)| values.iter().map(move |(value, usd)| [format!("{tag}={value}"), usd.to_string()]));
    let tagged: Vec<_> = tagged.collect();
    if !tagged.is_empty() {
        let _ = write!(shown, "\n{}\n{}", "The same by tag".bold(), figures(&tagged));
    }
    shown + &super::status::spend(report.spend.as_ref())
}

/// A share of the budget.
pub(crate) fn against(total: Money, budget: Money) -> String {
    match total.percent_of(budget) {
        Some(percent) if total > budget => format!("  {percent} % of the budget of {budget}: above it\n"),
        Some(percent) => format!("  {percent} % of the budget of {budget}\n"),
        None => String::new(),
    }
}

/// What costs, and isn't in a total.
pub(crate) fn unpriced(estimate: &Estimate) -> String {
    let unpriced = estimate.unpriced();
    if unpriced.is_empty() {
        return String::new();
    }
    let text = format!("{}; the total is a lower bound", unpriced.join(", "));
    format!("{}\n", labelled("  not priced:", 14, &text))
}

/// What an estimate rests on.
pub(crate) fn basis(as_of: &str) -> String {
    let text = format!("On-Demand list prices of {as_of}, all month, without {LEFT_OUT}; see https://calculator.aws");
    format!("{}\n", labelled(" ", 2, &text))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::estate::{Kind, ResourceId};
    use crate::price::Line;

    fn estimate(groups: &[(&str, &str)], unpriced: bool) -> Estimate {
        let groups: BTreeMap<_, Money> =
            groups.iter().map(|(group, usd)| ((*group).to_owned(), usd.parse().unwrap())).collect();
        let line = |of: &str, usd| Line {
            id: ResourceId::named(Kind::Instances, "worker"),
            of: of.to_owned(),
            quantity: 2,
            usd,
        };
        let lines = if unpriced { vec![line("instance x99.large", None)] } else { vec![] };
        Estimate { total_usd: groups.values().copied().sum(), groups, lines }
    }

    fn cost(budget: u32, unpriced: bool) -> Cost {
        Cost {
            prices_as_of: "2025-03-02".to_owned(),
            source: "AWS".to_owned(),
            budget_usd: Some(Money::dollars(budget)),
            before: estimate(&[("bastion", "8.76"), ("builder", "75")], false),
            after: estimate(&[("bastion", "8.76"), ("worker", "1234.565"), ("key", "1")], unpriced),
        }
    }

    #[test]
    fn a_plan_tells_what_it_costs_by_group_and_against_the_budget() {
        let shown = anstream::adapter::strip_str(&change(&cost(2000, false), None)).to_string();
        assert!(shown.lines().all(|line| line.chars().count() <= super::super::WIDTH), "{shown}");
        insta::assert_snapshot!(shown);
    }

    #[test]
    fn a_passed_budget_its_reason_and_what_has_no_price_are_told() {
        let shown = change(&cost(200, true), Some("the finals are on Saturday"));
        insta::assert_snapshot!(anstream::adapter::strip_str(&shown).to_string());
    }
}
