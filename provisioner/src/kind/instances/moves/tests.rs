//! Moves over hosts that were made by hand, and over any that a sequence of crashes can leave.

use proptest::prelude::*;
use serde_json::json;

use super::super::host::{HostVolume, VolumeLike};
use super::*;
use crate::estate::Link;
use crate::kind::launch_template::{Metadata, Volume};

const OUTDATED: Why = Why::Replaced("its image or its user data is another by now");

fn link(text: &str) -> Link {
    Link::Is(text.to_owned())
}

fn group(count: u32) -> Instances {
    Instances {
        template: link("lt-1"),
        version: link("1"),
        generation: "new".into(),
        count,
        subnets: BTreeMap::from([(0, link("subnet-a")), (1, link("subnet-b"))]),
        instance_types: BTreeMap::from([(0, "t3.small".into()), (1, "t3a.small".into())]),
        image: "ami-1".into(),
        profile: link("arn:profile"),
        groups: vec![link("sg-1")],
        volumes: vec![Volume {
            device: "/dev/xvda".into(),
            gib: 8,
            volume_type: "gp3".into(),
            iops: 3000,
            throughput: 125,
            encrypted: true,
            key: link("arn:key"),
            delete_on_termination: true,
        }],
        public_address: false,
        address: None,
        protected: false,
    }
}

fn host(index: u32, generation: &str, launched: i64) -> Host {
    let tags: BTreeMap<String, String> = [("holdfast:id".to_owned(), "instances/worker".to_owned())].into();
    let like = VolumeLike {
        gib: 8,
        volume_type: "gp3".into(),
        iops: 3000,
        throughput: 125,
        key: Some("arn:key".into()),
        tags: tags.clone(),
    };
    let id = format!("vol-{index}");
    Host {
        instance: format!("i-{generation}-{index}-{launched}"),
        index: Some(index),
        generation: generation.into(),
        state: "running".into(),
        image: "ami-1".into(),
        instance_type: "t3.small".into(),
        profile: "arn:profile".into(),
        zone: "eu-central-1a".into(),
        vpc: "vpc-1".into(),
        subnet: "subnet-a".into(),
        groups: vec!["sg-1".into()],
        private_address: None,
        public_address: None,
        metadata: Metadata::HARDENED,
        protected: false,
        volumes: vec![HostVolume { id, device: "/dev/xvda".into(), delete_on_termination: true, like: Some(like) }],
        interfaces: vec![],
        launched,
        tags,
    }
}

fn like(host: &mut Host) -> &mut VolumeLike {
    host.volumes[0].like.as_mut().unwrap()
}

/// Indexes to start, then indexes and reasons to end.
type Expected<'a> = (&'a [u32], &'a [(u32, Why)]);

#[test]
fn every_way_from_some_hosts_to_others() {
    let (is, was) = (|index| host(index, "new", 0), |index| host(index, "old", 0));
    let surplus = |index| (index, Why::Surplus);
    let table: &[(&str, u32, Vec<Host>, Expected<'_>)] = &[
        ("nothing wanted, nothing there", 0, vec![], (&[], &[])),
        ("a new group", 3, vec![], (&[0, 1, 2], &[])),
        ("as it shall be", 2, vec![is(0), is(1)], (&[], &[])),
        ("grows", 4, vec![is(0), is(1)], (&[2, 3], &[])),
        ("shrinks from the highest", 1, vec![is(0), is(1), is(2)], (&[], &[surplus(2), surplus(1)])),
        ("one died in the middle", 3, vec![is(0), is(2)], (&[1], &[])),
        ("one died and it shrinks", 2, vec![is(0), is(2)], (&[1], &[surplus(2)])),
        ("replaced", 2, vec![was(0), was(1)], (&[0, 1], &[(0, OUTDATED), (1, OUTDATED)])),
        ("replaced by half", 2, vec![is(0), was(0), was(1)], (&[1], &[(0, OUTDATED), (1, OUTDATED)])),
        ("replaced and shrinks", 1, vec![was(0), was(1)], (&[0], &[(0, OUTDATED), surplus(1)])),
        ("doubled", 1, vec![host(0, "new", 9), host(0, "new", 5)], (&[], &[(0, Why::Duplicate)])),
    ];
    for (what, count, hosts, (launch, ended)) in table {
        let group = group(*count);
        let moves = moves(&group, &BTreeMap::new(), hosts);
        assert_eq!(moves.started().collect::<Vec<_>>(), *launch, "{what}");
        let gone: Vec<_> = moves.ended().map(|ended| (ended.host.index.unwrap(), ended.why)).collect();
        assert_eq!(gone, *ended, "{what}");
    }
}

#[test]
fn of_two_with_one_identity_the_older_stays() {
    let hosts = [host(0, "new", 9), host(0, "new", 5)];
    assert_eq!(moves(&group(1), &BTreeMap::new(), &hosts).end[0].host.launched, 9);
}

#[test]
fn a_tenth_is_replaced_at_once_and_at_least_one() {
    for (count, sizes) in [(3, vec![1, 1, 1]), (25, vec![2; 12].into_iter().chain([1]).collect()), (100, vec![10; 10])]
    {
        let hosts: Vec<_> = (0..count).map(|index| host(index, "old", 0)).collect();
        let moves = moves(&group(count), &BTreeMap::new(), &hosts);
        assert_eq!(moves.rounds.iter().map(|round| round.end.len()).collect::<Vec<_>>(), sizes, "{count}");
    }
}

#[test]
fn batches_have_one_subnet_each_and_few_are_enough() {
    let all: Vec<_> = (0..1000).collect();
    assert_eq!(batches(&all, 3).len(), 12);
    let of = |indexes: &[u32], subnets| {
        batches(indexes, subnets).iter().map(|batch| (batch.first, batch.stride, batch.count)).collect::<Vec<_>>()
    };
    assert_eq!(of(&[0, 1, 2, 3, 4], 2), [(0, 2, 3), (1, 2, 2)]);
    assert_eq!(of(&[0, 2, 3, 6], 2), [(0, 2, 2), (6, 2, 1), (3, 2, 1)]);
    assert_eq!(of(&[5], 1), [(5, 1, 1)]);
}

/// What is done to a host, the flaw's property, and what puts it right.
type Damage = (&'static str, fn(&mut Host), Option<Remedy>);

#[test]
fn what_others_did_to_a_host_is_named_with_what_puts_it_right() {
    let table: &[Damage] = &[
        ("generation", |host| host.generation = "old".into(), None),
        ("image", |host| host.image = "ami-2".into(), None),
        ("type", |host| host.instance_type = "t3.nano".into(), None),
        ("subnet", |host| host.subnet = "subnet-c".into(), None),
        ("profile", |host| host.profile = "arn:admin".into(), None),
        ("public address", |host| host.public_address = Some("203.0.113.9".into()), None),
        ("/dev/xvda", |host| host.volumes.clear(), None),
        ("/dev/xvda", |host| like(host).tags.clear(), None),
        ("/dev/xvda encryption", |host| like(host).key = None, None),
        ("/dev/xvda key", |host| like(host).key = Some("arn:other".into()), None),
        ("/dev/xvda size", |host| like(host).gib = 9, None),
        ("/dev/xvda size", |host| like(host).gib = 7, Some(Remedy::Volume)),
        ("/dev/xvda type", |host| like(host).volume_type = "gp2".into(), Some(Remedy::Volume)),
        ("/dev/xvda iops", |host| like(host).iops = 4000, Some(Remedy::Volume)),
        ("/dev/xvda throughput", |host| like(host).throughput = 250, Some(Remedy::Volume)),
        (
            "/dev/xvda delete on termination",
            |host| host.volumes[0].delete_on_termination = false,
            Some(Remedy::DeleteOnTermination),
        ),
        ("security groups", |host| host.groups.push("sg-2".into()), Some(Remedy::Groups)),
        ("metadata", |host| host.metadata.tokens_required = false, Some(Remedy::Metadata)),
        ("metadata", |host| host.metadata.hop_limit = 64, Some(Remedy::Metadata)),
        ("metadata", |host| host.metadata.tags = true, Some(Remedy::Metadata)),
        ("state", |host| host.state = "stopped".into(), Some(Remedy::Start)),
        ("protection", |host| host.protected = true, Some(Remedy::Protection)),
    ];
    for (property, damage, remedy) in table {
        let mut damaged = host(0, "new", 0);
        damage(&mut damaged);
        let found = flaws(&group(1), &damaged);
        assert_eq!(found.iter().map(|flaw| flaw.property.as_str()).collect::<Vec<_>>(), [*property]);
        let replaces = matches!(found[0].remedy, Remedy::Replace(_));
        assert_eq!((!replaces).then_some(found[0].remedy), *remedy, "{property}");
    }
    let mut more = host(0, "new", 0);
    more.volumes.push(HostVolume { device: "/dev/sdz".into(), ..more.volumes[0].clone() });
    assert_eq!(flaws(&group(1), &more)[0].property, "/dev/sdz");
}

#[test]
fn what_the_spec_allows_is_no_flaw() {
    let mut other = host(0, "new", 0);
    other.instance_type = "t3a.small".into();
    other.subnet = "subnet-b".into();
    assert_eq!(flaws(&group(1), &other), []);
    // A volume that EC2 doesn't show yet is no other one.
    other.volumes[0].like = None;
    assert_eq!(flaws(&group(1), &other), []);
}

#[test]
fn a_missing_tag_of_a_host_or_a_volume_is_set() {
    let tags: BTreeMap<String, String> = [("holdfast:id".to_owned(), "instances/worker".to_owned())].into();
    let right = host(0, "new", 0);
    let wanted: BTreeMap<_, _> = tags.into_iter().chain([("Project".to_owned(), "x".to_owned())]).collect();
    let mut tagged = host(1, "new", 0);
    tagged.tags = wanted.clone();
    let mut whole = host(2, "new", 0);
    whole.tags = wanted.clone();
    like(&mut whole).tags = wanted.clone();
    let hosts = [right, tagged, whole];
    let moves = moves(&group(3), &wanted, &hosts);
    assert_eq!(moves.retag.iter().map(|host| host.index).collect::<Vec<_>>(), [Some(0), Some(1)]);
    assert_eq!(json!(moves.repair.len()), json!(0));
}

/// Carries moves out as `reconcile` does, and stops after `steps` calls, as a crash would. Says how many hosts ran at least.
fn carry_out(group: &Instances, hosts: &mut Vec<Host>, mut steps: usize, clock: &mut i64) -> usize {
    let before = hosts.clone();
    let moves = moves(group, &BTreeMap::new(), &before);
    let mut fewest = hosts.len();
    let mut start = |indexes: &[u32], hosts: &mut Vec<Host>, steps: &mut usize| {
        for batch in batches(indexes, 2) {
            if *steps == 0 {
                return;
            }
            *steps -= 1;
            *clock += 1;
            hosts.extend((0..batch.count).map(|place| host(batch.first + place * batch.stride, "new", *clock)));
        }
    };
    let mut end = |ended: &[Ended<'_>], hosts: &mut Vec<Host>, steps: &mut usize| {
        if ended.is_empty() || *steps == 0 {
            return;
        }
        *steps -= 1;
        hosts.retain(|host| !ended.iter().any(|ended| ended.host.instance == host.instance));
        fewest = fewest.min(hosts.len());
    };
    start(&moves.launch, hosts, &mut steps);
    for round in &moves.rounds {
        start(&round.launch, hosts, &mut steps);
        end(&round.end, hosts, &mut steps);
    }
    end(&moves.end, hosts, &mut steps);
    fewest
}

proptest! {
    /// Whatever hosts there are, and wherever runs are killed: the next run that isn't makes the group whole, and at no
    /// moment do fewer hosts run than the group shall have, or had if that is less.
    #[test]
    fn any_sequence_of_crashes_converges_and_keeps_service(
        there in proptest::collection::vec((0..30u32, any::<bool>(), 0..5i64), 0..40),
        runs in proptest::collection::vec((0..30u32, 0..12usize), 0..4),
        count in 0..30u32,
    ) {
        let mut hosts: Vec<Host> = Vec::new();
        for (number, (index, new, launched)) in there.into_iter().enumerate() {
            let mut one = host(index, if new { "new" } else { "old" }, launched - 10);
            one.instance = format!("i-{number}");
            hosts.push(one);
        }
        let mut clock = 0;
        for (count, steps) in runs.into_iter().chain([(count, usize::MAX)]) {
            let group = group(count);
            let distinct = |hosts: &[Host]| {
                hosts.iter().filter_map(|host| host.index).filter(|index| *index < count).collect::<BTreeSet<_>>().len()
            };
            let enough = distinct(&hosts).min(count as usize);
            let fewest = carry_out(&group, &mut hosts, steps, &mut clock);
            prop_assert!(fewest >= enough, "{fewest} of {enough}");
        }
        let mut left: Vec<_> = hosts.iter().map(|host| (host.index.unwrap(), host.generation.as_str())).collect();
        left.sort_unstable();
        prop_assert_eq!(left, (0..count).map(|index| (index, "new")).collect::<Vec<_>>());
        prop_assert_eq!(moves(&group(count), &BTreeMap::new(), &hosts), Moves::default());
    }
}
