//! What leads from the hosts that are there to those that shall be; pure.

use std::collections::{BTreeMap, BTreeSet};

use super::Host;

/// Most instances that one RunInstances asks for: it is all or nothing, and a smaller batch finds capacity sooner.
const LARGEST_BATCH: u32 = 50;

/// Indexes to start with one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Batch {
    /// The first index.
    pub first: u32,
    /// How many.
    pub count: u32,
}

/// Why a host ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// Its index is beyond the group's count.
    Surplus,
    /// It runs an older version of the launch template.
    Outdated,
    /// An older host has its identity.
    Duplicate,
}

impl std::fmt::Display for Why {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Surplus => "ended: the group has fewer hosts",
            Self::Outdated => "replaced: its launch template changed",
            Self::Duplicate => "ended: another host has its index",
        })
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

/// What is to be done with a group.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Moves<'a> {
    /// What to start.
    pub launch: Vec<Batch>,
    /// What to end.
    pub terminate: Vec<Ended<'a>>,
    /// Whose tags to set.
    pub retag: Vec<&'a Host>,
    /// Whose metadata service to harden again.
    pub harden: Vec<&'a Host>,
}

/// Says what to do. `generation` is `None` while it isn't known since the launch template itself is to be changed.
pub fn moves<'a>(
    count: u32,
    generation: Option<&str>,
    tags: &BTreeMap<String, String>,
    hosts: &'a [Host],
) -> Moves<'a> {
    let mut oldest_first: Vec<_> = hosts.iter().collect();
    oldest_first.sort_by_key(|host| (host.launched, &host.instance));
    let mut moves = Moves::default();
    let mut taken = BTreeSet::new();
    for host in oldest_first {
        let why = if Some(host.generation.as_str()) != generation {
            Some(if host.index < count { Why::Outdated } else { Why::Surplus })
        } else if host.index >= count {
            Some(Why::Surplus)
        } else if !taken.insert(host.index) {
            Some(Why::Duplicate)
        } else {
            None
        };
        match why {
            Some(why) => moves.terminate.push(Ended { host, why }),
            None => {
                if tags.iter().any(|(key, value)| host.tags.get(key) != Some(value)) {
                    moves.retag.push(host);
                }
                if !host.tokens_required || host.hop_limit != 1 {
                    moves.harden.push(host);
                }
            }
        }
    }
    moves.terminate.sort_by_key(|ended| std::cmp::Reverse(ended.host.index));
    moves.launch = batches((0..count).filter(|index| !taken.contains(index)));
    moves
}

/// Runs of successive indexes, none longer than a call may be.
fn batches(indexes: impl Iterator<Item = u32>) -> Vec<Batch> {
    let mut batches: Vec<Batch> = Vec::new();
    for index in indexes {
        match batches.last_mut() {
            Some(last) if last.first + last.count == index && last.count < LARGEST_BATCH => last.count += 1,
            _ => batches.push(Batch { first: index, count: 1 }),
        }
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(index: u32, generation: &str, launched: i64) -> Host {
        Host {
            instance: format!("i-{generation}-{index}-{launched}"),
            index,
            generation: generation.into(),
            state: "running".into(),
            image: "ami-1".into(),
            instance_type: "t3.small".into(),
            vpc: "vpc-1".into(),
            subnet: "subnet-1".into(),
            groups: vec![],
            private_address: None,
            public_address: None,
            tokens_required: true,
            hop_limit: 1,
            parts: vec![],
            launched,
            tags: BTreeMap::new(),
        }
    }

    /// First indexes and counts to start, then indexes and reasons to end.
    type Expected<'a> = (&'a [(u32, u32)], &'a [(u32, Why)]);

    #[test]
    fn every_way_from_some_hosts_to_others() {
        let (g1, g2) = (|index| host(index, "1", 0), |index| host(index, "2", 0));
        let table: &[(&str, u32, Vec<Host>, Expected<'_>)] = &[
            ("nothing wanted, nothing there", 0, vec![], (&[], &[])),
            ("a new group", 3, vec![], (&[(0, 3)], &[])),
            ("as it shall be", 2, vec![g1(0), g1(1)], (&[], &[])),
            ("grows", 4, vec![g1(0), g1(1)], (&[(2, 2)], &[])),
            ("shrinks from the highest", 1, vec![g1(0), g1(1), g1(2)], (&[], &[(2, Why::Surplus), (1, Why::Surplus)])),
            ("one died in the middle", 3, vec![g1(0), g1(2)], (&[(1, 1)], &[])),
            ("several died", 5, vec![g1(1), g1(3)], (&[(0, 1), (2, 1), (4, 1)], &[])),
            ("one died and it shrinks", 2, vec![g1(0), g1(2)], (&[(1, 1)], &[(2, Why::Surplus)])),
            ("replaced", 2, vec![g2(0), g2(1)], (&[(0, 2)], &[(1, Why::Outdated), (0, Why::Outdated)])),
            ("replaced by half", 2, vec![g1(0), g2(0), g2(1)], (&[(1, 1)], &[(1, Why::Outdated), (0, Why::Outdated)])),
            ("replaced and shrinks", 1, vec![g2(0), g2(1)], (&[(0, 1)], &[(1, Why::Surplus), (0, Why::Outdated)])),
            ("doubled", 1, vec![host(0, "1", 9), host(0, "1", 5)], (&[], &[(0, Why::Duplicate)])),
        ];
        for (what, count, hosts, (launch, ended)) in table {
            let moves = moves(*count, Some("1"), &BTreeMap::new(), hosts);
            let started: Vec<_> = moves.launch.iter().map(|batch| (batch.first, batch.count)).collect();
            assert_eq!(started, *launch, "{what}");
            let gone: Vec<_> = moves.terminate.iter().map(|ended| (ended.host.index, ended.why)).collect();
            assert_eq!(gone, *ended, "{what}");
        }
    }

    #[test]
    fn of_two_with_one_identity_the_older_stays() {
        let hosts = [host(0, "1", 9), host(0, "1", 5)];
        let moves = moves(1, Some("1"), &BTreeMap::new(), &hosts);
        assert_eq!(moves.terminate[0].host.launched, 9);
    }

    #[test]
    fn many_hosts_are_started_in_batches() {
        let sizes: Vec<_> = batches(0..120).iter().map(|batch| (batch.first, batch.count)).collect();
        assert_eq!(sizes, [(0, 50), (50, 50), (100, 20)]);
    }

    #[test]
    fn a_weakened_host_is_hardened_and_a_tag_set() {
        let hosts = [Host { hop_limit: 64, ..host(0, "1", 0) }, Host { tokens_required: false, ..host(1, "1", 0) }];
        let tags = BTreeMap::from([("Project".to_owned(), "x".to_owned())]);
        let moves = moves(2, Some("1"), &tags, &hosts);
        assert_eq!((moves.harden.len(), moves.retag.len(), moves.terminate.len()), (2, 2, 0));
    }
}
