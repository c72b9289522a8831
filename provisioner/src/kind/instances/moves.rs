//! What leads from the hosts that are there to those that shall be; pure.
//!
//! The order keeps service: indexes that nobody has are started first, hosts that must be replaced end a batch at a time,
//! each batch once the new hosts of its indexes run and have been seen to be right, and what is over goes last. So
//! there are never fewer hosts than the group shall have, if it had them before, and at most one batch more.

use std::collections::{BTreeMap, BTreeSet};

use super::Instances;
use super::flaws::{Flaw, Remedy, flaws};
use super::host::Host;

/// Most instances that one RunInstances asks for. EC2's page on RunInstances recommends to ask for 100 five times
/// rather than for 500 once; each call is all or nothing.
const LARGEST_BATCH: u32 = 100;
/// A tenth of a group is replaced at once.
const ROUNDS: u32 = 10;

/// Indexes to start with one call: `first`, `first + stride`, ….
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Batch {
    /// The first index.
    pub first: u32,
    /// From one to the next: how many subnets the group has, so that all of a batch are in one.
    pub stride: u32,
    /// How many.
    pub count: u32,
}

/// Why a host ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// Its index is beyond the group's count.
    Surplus,
    /// It can't be made what it shall be.
    Replaced(&'static str),
    /// An older host has its index.
    Duplicate,
}

impl std::fmt::Display for Why {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Surplus => f.write_str("ended: the group has fewer hosts"),
            Self::Replaced(why) => write!(f, "replaced: {why}"),
            Self::Duplicate => f.write_str("ended: another host has its index"),
        }
    }
}

/// A host that ends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ended<'a> {
    /// Which.
    pub host: &'a Host,
    /// Why.
    pub why: Why,
}

/// Hosts that are replaced together.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Round<'a> {
    /// The indexes that are replaced.
    pub indexes: Vec<u32>,
    /// Those of them that have no new host yet.
    pub launch: Vec<u32>,
    /// The hosts that end once the new ones run.
    pub end: Vec<Ended<'a>>,
}

/// What is to be done with a group.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Moves<'a> {
    /// Hosts that stay, with what is put right of them.
    pub repair: Vec<(&'a Host, Vec<Flaw>)>,
    /// Hosts that stay, whose tags are set.
    pub retag: Vec<&'a Host>,
    /// Indexes that nobody has.
    pub launch: Vec<u32>,
    /// Hosts that are replaced, a batch at a time.
    pub rounds: Vec<Round<'a>>,
    /// Hosts that end without a successor, the highest index first.
    pub end: Vec<Ended<'a>>,
}

impl<'a> Moves<'a> {
    /// All hosts that end, in the order in which they do.
    pub fn ended(&self) -> impl Iterator<Item = &Ended<'a>> {
        self.rounds.iter().flat_map(|round| &round.end).chain(&self.end)
    }

    /// All indexes that are started.
    pub fn started(&self) -> impl Iterator<Item = u32> {
        self.launch.iter().chain(self.rounds.iter().flat_map(|round| &round.launch)).copied()
    }
}

/// Says what to do.
pub fn moves<'a>(group: &Instances, tags: &BTreeMap<String, String>, hosts: &'a [Host]) -> Moves<'a> {
    let mut oldest_first: Vec<_> = hosts.iter().collect();
    oldest_first.sort_by_key(|host| (host.launched, &host.instance));
    let mut moves = Moves::default();
    let mut taken = BTreeSet::new();
    let mut outdated: BTreeMap<u32, Vec<Ended<'a>>> = BTreeMap::new();
    for host in oldest_first {
        let Some(index) = host.index.filter(|index| *index < group.count) else {
            moves.end.push(Ended { host, why: Why::Surplus });
            continue;
        };
        let flaws = flaws(group, host);
        let replace = flaws.iter().find_map(|flaw| match flaw.remedy {
            Remedy::Replace(why) => Some(why),
            _ => None,
        });
        if let Some(why) = replace {
            outdated.entry(index).or_default().push(Ended { host, why: Why::Replaced(why) });
        } else if !taken.insert(index) {
            moves.end.push(Ended { host, why: Why::Duplicate });
        } else {
            if is_tagged_otherwise(host, tags) {
                moves.retag.push(host);
            }
            if !flaws.is_empty() {
                moves.repair.push((host, flaws));
            }
        }
    }
    moves.repair.sort_by_key(|(host, _)| host.index);
    moves.retag.sort_by_key(|host| host.index);
    moves.end.sort_by_key(|ended| std::cmp::Reverse(ended.host.index));
    moves.launch = (0..group.count).filter(|index| !taken.contains(index) && !outdated.contains_key(index)).collect();
    moves.rounds = rounds(group.count, outdated, &taken);
    moves
}

fn is_tagged_otherwise(host: &Host, wanted: &BTreeMap<String, String>) -> bool {
    let others = host.volumes.iter().filter_map(|volume| volume.like.as_ref()).map(|like| &like.tags);
    let mut all = std::iter::once(&host.tags).chain(others);
    all.any(|tags| wanted.iter().any(|(key, value)| tags.get(key) != Some(value)))
}

/// How many hosts are replaced at once.
pub fn batch_size(count: u32) -> u32 {
    (count / ROUNDS).max(1)
}

fn rounds<'a>(count: u32, outdated: BTreeMap<u32, Vec<Ended<'a>>>, taken: &BTreeSet<u32>) -> Vec<Round<'a>> {
    let mut rounds: Vec<Round<'a>> = Vec::new();
    for (index, end) in outdated {
        match rounds.last_mut() {
            Some(last) if last.indexes.len() < batch_size(count) as usize => {
                last.indexes.push(index);
                last.end.extend(end);
            }
            _ => rounds.push(Round { indexes: vec![index], launch: Vec::new(), end }),
        }
        if let Some(last) = rounds.last_mut().filter(|_| !taken.contains(&index)) {
            last.launch.push(index);
        }
    }
    rounds
}

/// The calls that start these indexes in so many subnets: index i is in subnet i modulo `subnets`.
pub fn batches(indexes: &[u32], subnets: u32) -> Vec<Batch> {
    let stride = subnets.max(1);
    let mut batches: Vec<Batch> = Vec::new();
    for subnet in 0..stride {
        let mut open: Option<Batch> = None;
        for index in indexes.iter().copied().filter(|index| index % stride == subnet) {
            open = match open.take() {
                Some(batch) if batch.first + batch.count * stride == index && batch.count < LARGEST_BATCH => {
                    Some(Batch { count: batch.count + 1, ..batch })
                }
                full => {
                    batches.extend(full);
                    Some(Batch { first: index, stride, count: 1 })
                }
            };
        }
        batches.extend(open);
    }
    batches
}

#[cfg(test)]
mod tests;
