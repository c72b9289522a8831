//! Every change to what is stored is found, and the record that was changed is named.

#![allow(clippy::unwrap_used, reason = "a test that can't go on fails")]

mod support;

use std::collections::BTreeMap;
use std::sync::OnceLock;

use holdfast_audit::object::{Key, decode, encode};
use holdfast_audit::verify::{Ending, Kind, Options, Report, StoredObject, Trust, verify};
use holdfast_audit::{Record, Trail};
use proptest::prelude::*;
use support::{Store, check, config, event, listing, origin, ship, stream};

/// A store with three streams of one writer, the middle one killed, and the trust of who verified it.
fn fixture() -> &'static (Store, Trust) {
    static FIXTURE: OnceLock<(Store, Trust)> = OnceLock::new();
    FIXTURE.get_or_init(|| {
        let directory = tempfile::tempdir().unwrap();
        let mut store = Store::new();
        stream(directory.path(), 30, 7, &mut store);
        {
            let (trail, _) = Trail::open(config(directory.path())).unwrap();
            let mut outbox = trail.outbox().unwrap();
            (1..=5).for_each(|number| drop(trail.append(event(number)).unwrap()));
            ship(&mut outbox, &mut store);
        }
        stream(directory.path(), 4, 2, &mut store);
        let (report, trust) = check(&store, &Trust::new());
        assert!(report.intact, "{report:#?}");
        (store, trust)
    })
}

/// An object by its place in the store, and its key taken apart.
fn nth(store: &Store, index: &prop::sample::Index) -> (String, Key) {
    let key = index.get(&store.keys().cloned().collect::<Vec<_>>()).clone();
    let parsed = key.parse().unwrap();
    (key, parsed)
}

fn names(report: &Report, key: &Key, sequence: u64) -> bool {
    report
        .findings
        .iter()
        .any(|finding| finding.stream.as_deref() == Some(key.stream.as_str()) && finding.sequence == Some(sequence))
}

fn replaced(store: &Store, key: &str, change: impl FnOnce(&mut Vec<String>)) -> Store {
    let mut lines = decode(&store[key]).unwrap();
    change(&mut lines);
    let parsed: Key = key.parse().unwrap();
    let object = encode(&origin(), &parsed.stream, parsed.first, &lines).unwrap();
    let mut store = store.clone();
    store.remove(key);
    // Under a key that fits: whoever could write the bucket would see to that.
    store.insert(Key { hash: object.key.parse::<Key>().unwrap().hash, ..parsed }.to_string(), object.bytes);
    store
}

#[test]
fn an_untouched_store_is_intact_up_to_its_last_record() {
    let (store, trust) = fixture();
    let (report, _) = check(store, trust);
    assert!(report.intact);
    assert_eq!(report.streams.len(), 3);
    let endings: Vec<_> = report.streams.iter().map(|stream| stream.ending).collect();
    assert_eq!(endings.iter().filter(|ending| **ending == Ending::Adopted).count(), 1);
    for stream in &report.streams {
        assert_eq!((stream.intact_through, stream.records), (stream.last, stream.last));
        assert!(stream.intact_time.is_some());
        if stream.ending == Ending::Closed {
            assert_eq!(stream.sealed_through, stream.last);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn a_changed_byte_in_an_object_is_found_in_that_object(
        object in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), change in 1u8..
    ) {
        let (store, _) = fixture();
        let (key, parsed) = nth(store, &object);
        let mut changed = store.clone();
        let bytes = changed.get_mut(&key).unwrap();
        let at = at.index(bytes.len());
        bytes[at] ^= change;
        // Also without a trust file: the chain and the key's digest suffice.
        let (report, _) = check(&changed, &Trust::new());
        let count = decode(&store[&key]).unwrap().len() as u64;
        let named = (parsed.first..parsed.first + count).any(|sequence| names(&report, &parsed, sequence));
        prop_assert!(!report.intact && named, "{:?}", report.findings);
    }

    #[test]
    fn a_changed_byte_in_a_record_is_found_at_that_record_also_under_a_fitting_key(
        object in any::<prop::sample::Index>(), line in any::<prop::sample::Index>(),
        at in any::<prop::sample::Index>(), change in 1u8..128
    ) {
        let (store, trust) = fixture();
        let (key, parsed) = nth(store, &object);
        let line = line.index(decode(&store[&key]).unwrap().len());
        let mut possible = true;
        let changed = replaced(store, &key, |lines| {
            let mut bytes = lines[line].clone().into_bytes();
            let at = at.index(bytes.len());
            bytes[at] ^= change;
            match String::from_utf8(bytes) {
                Ok(text) if !text.contains('\n') && (line > 0 || Record::parse(&text).is_ok()) => lines[line] = text,
                _ => possible = false,
            }
        });
        prop_assume!(possible);
        let (report, _) = check(&changed, trust);
        let sequence = parsed.first + line as u64;
        prop_assert!(!report.intact);
        prop_assert!(names(&report, &parsed, sequence), "record {sequence}: {:#?}", report.findings);
        let first = report.findings.iter().filter_map(|finding| finding.sequence).min().unwrap();
        prop_assert_eq!(first, sequence, "{:#?}", report.findings);
        let intact = report.streams.iter().find(|stream| stream.stream == parsed.stream).unwrap();
        prop_assert!(intact.intact_through < sequence);
    }

    #[test]
    fn a_removed_record_is_named(object in any::<prop::sample::Index>(), line in any::<prop::sample::Index>()) {
        let (store, trust) = fixture();
        let (key, parsed) = nth(store, &object);
        let count = decode(&store[&key]).unwrap().len();
        prop_assume!(count > 1);
        let line = line.index(count);
        let changed = replaced(store, &key, |lines| drop(lines.remove(line)));
        let (report, _) = check(&changed, trust);
        prop_assert!(names(&report, &parsed, parsed.first + line as u64), "{:#?}", report.findings);
    }

    #[test]
    fn records_out_of_order_are_named(object in any::<prop::sample::Index>(), line in any::<prop::sample::Index>()) {
        let (store, trust) = fixture();
        let (key, parsed) = nth(store, &object);
        let count = decode(&store[&key]).unwrap().len();
        prop_assume!(count > 1);
        let line = line.index(count - 1);
        let changed = replaced(store, &key, |lines| lines.swap(line, line + 1));
        let (report, _) = check(&changed, trust);
        prop_assert!(report.findings.iter().any(|finding| finding.kind == Kind::Reordered), "{:#?}", report.findings);
        prop_assert!(names(&report, &parsed, parsed.first + line as u64), "{:#?}", report.findings);
    }

    #[test]
    fn a_doubled_record_is_named(object in any::<prop::sample::Index>(), line in any::<prop::sample::Index>()) {
        let (store, trust) = fixture();
        let (key, parsed) = nth(store, &object);
        let line = line.index(decode(&store[&key]).unwrap().len());
        let changed = replaced(store, &key, |lines| lines.insert(line, lines[line].clone()));
        let (report, _) = check(&changed, trust);
        prop_assert!(report.findings.iter().any(|finding| finding.kind == Kind::Duplicated), "{:#?}", report.findings);
        prop_assert!(names(&report, &parsed, parsed.first + line as u64), "{:#?}", report.findings);
    }

    #[test]
    fn any_missing_object_is_named_by_its_first_record(object in any::<prop::sample::Index>()) {
        let (store, trust) = fixture();
        let (key, parsed) = nth(store, &object);
        let mut changed = store.clone();
        changed.remove(&key);
        let (report, _) = check(&changed, trust);
        prop_assert!(names(&report, &parsed, parsed.first), "{:#?}", report.findings);
    }

    #[test]
    fn any_cut_end_is_found_by_the_checkpoint(keep in any::<prop::sample::Index>()) {
        let (store, trust) = fixture();
        let keep = keep.index(store.len());
        let changed: Store = store.iter().take(keep).map(|(key, bytes)| (key.clone(), bytes.clone())).collect();
        let (report, kept) = check(&changed, trust);
        prop_assert!(!report.intact);
        prop_assert!(report.findings.iter().any(|finding| matches!(finding.kind, Kind::Cut | Kind::Removed)));
        prop_assert_eq!(&kept, trust, "a finding must not move the checkpoints");
    }

    #[test]
    fn a_changed_character_in_a_key_is_found(
        object in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), other in "[a-z0-9/:-]"
    ) {
        let (store, trust) = fixture();
        let (key, _) = nth(store, &object);
        let at = at.index(key.len());
        prop_assume!(key[at..=at] != other);
        let mut changed = store.clone();
        let bytes = changed.remove(&key).unwrap();
        let mut renamed = key;
        renamed.replace_range(at..=at, &other);
        prop_assume!(!changed.contains_key(&renamed));
        changed.insert(renamed, bytes);
        prop_assert!(!check(&changed, trust).0.intact);
    }
}

#[test]
fn an_unsealed_tail_that_was_cut_is_found_by_the_stream_after_it_without_a_trust_file() {
    let (store, trust) = fixture();
    let adopted = check(store, trust).0.streams.into_iter().find(|stream| stream.ending == Ending::Adopted).unwrap();
    let changed = replaced(store, store.keys().find(|key| key.contains(&adopted.stream)).unwrap(), |lines| {
        lines.pop();
    });
    let (report, _) = check(&changed, &Trust::new());
    let cut = report.findings.iter().find(|finding| finding.kind == Kind::Cut).unwrap();
    assert_eq!((cut.sequence, cut.stream.as_deref()), (Some(adopted.last), Some(adopted.stream.as_str())));
}

#[test]
fn a_segment_that_was_chained_anew_is_not_vouched_for() {
    let (store, trust) = fixture();
    // Each stream's first: of sealed streams a seal tells, of the killed one the stream after it and the trust file.
    let firsts: Vec<_> = store.keys().filter(|key| key.parse::<Key>().unwrap().first == 1).collect();
    assert_eq!(firsts.len(), 3);
    for key in firsts {
        // What a thief of the bucket could do at best: change a record and chain all up to the next seal anew.
        let changed = replaced(store, key, |lines| {
            let mut head = holdfast_audit::Hash::ZERO;
            for (index, line) in lines.iter_mut().enumerate() {
                let stated = Record::parse(line).unwrap().link().previous;
                *line = line.replacen(&stated.to_string(), &head.to_string(), 1);
                if index == 2 {
                    *line = line.replacen("\"judge\"", "\"nobody\"", 1);
                }
                head = head.after(line.as_bytes());
            }
        });
        let parsed: Key = key.parse().unwrap();
        for trust in [trust, &Trust::new()] {
            let (report, _) = check(&changed, trust);
            let stream = report.streams.iter().find(|stream| stream.stream == parsed.stream).unwrap();
            assert!(!report.intact);
            assert!(stream.intact_through < 3, "{report:#?}");
        }
    }
}

#[test]
fn another_writers_key_is_a_forgery() {
    let (_, trust) = fixture();
    let directory = tempfile::tempdir().unwrap();
    let mut forged = Store::new();
    stream(directory.path(), 3, 1, &mut forged);
    let (store, _) = fixture();
    forged.extend(store.clone());
    let (report, _) = check(&forged, trust);
    assert!(report.findings.iter().any(|finding| finding.kind == Kind::Forged && finding.sequence == Some(1)));
}

#[test]
fn a_writer_that_nobody_vouched_for_is_a_finding_unless_taken_in() {
    let (store, _) = fixture();
    let read = |object: &StoredObject| Ok::<_, std::convert::Infallible>(store[&object.key].clone());
    let (report, _) = verify(listing(store), read, &Trust::new(), Options::default()).unwrap();
    assert!(report.findings.iter().all(|finding| finding.kind == Kind::UnknownWriter));
    assert_eq!(report.findings.len(), 3);
}

#[test]
fn a_second_version_and_a_delete_marker_are_named() {
    let (store, trust) = fixture();
    let (key, bytes) = store.iter().next().unwrap();
    let version = |id: &str, second: i64, delete_marker| StoredObject {
        key: key.clone(),
        version: Some(id.into()),
        modified: Some(jiff::Timestamp::from_second(second).unwrap()),
        delete_marker,
    };
    let contents = BTreeMap::from([("v1", bytes.clone()), ("v2", b"other".to_vec())]);
    let read = |object: &StoredObject| {
        let version = object.version.as_deref().and_then(|version| contents.get(version)).cloned();
        Ok::<_, std::convert::Infallible>(version.unwrap_or_else(|| store[&object.key].clone()))
    };
    let mut objects = Vec::new();
    // Later, and in the same second.
    for second in [20, 10] {
        objects = listing(store);
        objects.retain(|object| object.key != *key);
        objects.extend([version("v2", second, false), version("v1", 10, false)]);
        let (report, _) = verify(objects.clone(), read, trust, Options::default()).unwrap();
        assert_eq!(report.findings.iter().map(|finding| finding.kind).collect::<Vec<_>>(), [Kind::Duplicated]);
    }
    objects.retain(|object| object.version.as_deref() != Some("v2"));
    objects.push(version("m", 30, true));
    let (report, _) = verify(objects, read, trust, Options::default()).unwrap();
    assert_eq!(report.findings.iter().map(|finding| finding.kind).collect::<Vec<_>>(), [Kind::Removed]);
    assert_eq!(report.findings[0].sequence, Some(1));
}

#[test]
fn an_object_of_someone_else_is_named() {
    let (store, trust) = fixture();
    let mut changed = store.clone();
    changed.insert("AWSLogs/111111111111/CloudTrail/x.json.gz".into(), Vec::new());
    let (report, _) = check(&changed, trust);
    assert_eq!(report.findings.iter().map(|finding| finding.kind).collect::<Vec<_>>(), [Kind::Foreign]);
}

#[test]
fn a_spool_that_was_set_back_is_found() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = Store::new();
    stream(directory.path(), 3, 1, &mut store);
    let copy = tempfile::tempdir().unwrap();
    std::fs::create_dir(copy.path().join("spool")).unwrap();
    for name in ["spool/cursor.json", "writer.key"] {
        std::fs::copy(directory.path().join(name), copy.path().join(name)).unwrap();
    }
    stream(directory.path(), 3, 1, &mut store);
    stream(copy.path(), 3, 1, &mut store);
    let (report, _) = check(&store, &Trust::new());
    assert!(report.findings.iter().any(|finding| finding.kind == Kind::RolledBack), "{report:#?}");
}
