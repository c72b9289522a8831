//! Changes → steps: which act must wait for which.
//!
//! - A resource is made or changed after what it refers to and needs was.
//! - A resource is deleted after whatever referred to it was deleted or changed. So where a replacement makes the new one
//!   first, whatever uses the old one has moved before that ends.
//! - A replacement that must delete first only waits for deletions: what refers to it can be changed once the new one is
//!   there, not before.

use std::collections::{BTreeMap, BTreeSet};

use super::settle::{Settled, refers};
use super::{Action, Operation, Order, Plan, World};
use crate::estate::{Estate, Resource, ResourceId};
use crate::kind::{Observed, operations};

/// One act, and what it waits for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Step {
    /// The change that it belongs to, by its place in the plan.
    pub(crate) change: usize,
    /// What is done.
    pub(crate) operation: Operation,
    /// The resource as it was found; none where it is made.
    pub(crate) current: Option<Observed>,
    /// The steps that must be done before.
    pub(crate) after: BTreeSet<usize>,
}

/// Why steps couldn't be made.
#[derive(Debug, PartialEq, thiserror::Error)]
pub enum StepError {
    /// Two changes wait for each other.
    #[error("these changes wait for each other: {0}; please report this, with the plan")]
    Cycle(String),
    /// A change of something that isn't there.
    #[error("{0} is to be changed and isn't there; make the plan again")]
    Missing(ResourceId),
}

/// The steps of a plan in the world that it was made against.
pub(crate) fn steps(plan: &Plan, world: &World) -> Result<Vec<Step>, StepError> {
    let settled = Settled::of(world, plan.estate.as_ref());
    let mut steps = Vec::new();
    for (index, change) in plan.changes.iter().enumerate() {
        let found = settled.kept.values().chain(&settled.surplus);
        let current =
            found.into_iter().find(|found| found.id == change.id && Some(&found.physical) == change.physical.as_ref());
        let existing =
            || current.map(|found| Observed::clone(found)).ok_or_else(|| StepError::Missing(change.id.clone()));
        let mut step = |operation, current| {
            steps.push(Step { change: index, operation, current, after: BTreeSet::new() });
        };
        match change.action {
            Action::Create => step(Operation::Create, None),
            Action::Update => step(Operation::Change, Some(existing()?)),
            Action::Replace if change.order == Some(Order::ByMembers) => step(Operation::Change, Some(existing()?)),
            Action::Replace => {
                step(Operation::Delete, Some(existing()?));
                step(Operation::Create, None);
            }
            Action::Delete => step(Operation::Delete, Some(existing()?)),
        }
    }
    order(plan, &mut steps);
    check(plan, &steps)?;
    Ok(steps)
}

fn order(plan: &Plan, steps: &mut [Step]) {
    let makers: BTreeMap<&ResourceId, usize> = steps
        .iter()
        .enumerate()
        .filter(|(_, step)| step.operation != Operation::Delete)
        .map(|(place, step)| (&plan.changes[step.change].id, place))
        .collect();
    let mut edges: Vec<BTreeSet<usize>> = vec![BTreeSet::new(); steps.len()];
    for (place, step) in steps.iter().enumerate() {
        let change = &plan.changes[step.change];
        if step.operation == Operation::Delete {
            let Some(current) = &step.current else { continue };
            for (other_place, other) in steps.iter().enumerate().filter(|(other, _)| *other != place) {
                let Some(other_current) = &other.current else { continue };
                let uses = refers(other_current, current)
                    || operations(current.kind).deleted_after().contains(&other_current.kind);
                let first = match other.operation {
                    Operation::Delete => uses,
                    Operation::Change => uses && change.order != Some(Order::OldFirst),
                    Operation::Create => false,
                };
                if first {
                    edges[place].insert(other_place);
                }
            }
            continue;
        }
        if let Some(estate) = &plan.estate {
            edges[place].extend(makers_of_needs(estate, &change.id, &makers));
        }
        if step.operation == Operation::Create && change.order == Some(Order::OldFirst) {
            // Its own deletion stands right before it.
            edges[place].insert(place - 1);
        }
    }
    for (step, after) in steps.iter_mut().zip(edges) {
        step.after = after;
    }
}

/// Which steps make or change what a resource needs, also by way of what stays as it is: a host whose address is there
/// already can be given it only once the gateway that leads to the address is attached again.
fn makers_of_needs(estate: &Estate, id: &ResourceId, makers: &BTreeMap<&ResourceId, usize>) -> BTreeSet<usize> {
    let needs = |id: &ResourceId| estate.get(id).map(Resource::prerequisites).unwrap_or_default();
    let (mut found, mut seen) = (BTreeSet::new(), BTreeSet::new());
    let mut open: Vec<_> = needs(id).into_iter().collect();
    while let Some(id) = open.pop() {
        match makers.get(&id) {
            Some(place) => drop(found.insert(*place)),
            None => open.extend(needs(&id).into_iter().filter(|next| !seen.contains(next))),
        }
        seen.insert(id);
    }
    found
}

/// Every step can come to its turn.
fn check(plan: &Plan, steps: &[Step]) -> Result<(), StepError> {
    let mut done = BTreeSet::new();
    loop {
        let ready: Vec<_> =
            (0..steps.len()).filter(|place| !done.contains(place) && steps[*place].after.is_subset(&done)).collect();
        if ready.is_empty() {
            break;
        }
        done.extend(ready);
    }
    if done.len() == steps.len() {
        return Ok(());
    }
    let stuck = steps.iter().enumerate().filter(|(place, _)| !done.contains(place));
    let stuck: Vec<_> = stuck.map(|(_, step)| plan.changes[step.change].id.to_string()).collect();
    Err(StepError::Cycle(stuck.join(", ")))
}
