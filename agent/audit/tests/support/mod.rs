//! What the integration tests share: an origin, events, and a store in memory.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::path::Path;

use holdfast_audit::verify::{Options, Report, StoredObject, Trust, verify};
use holdfast_audit::{Config, Event, Identity, Origin, Outbox, Source, Trail};
use serde_json::json;

pub(crate) fn origin() -> Origin {
    Origin {
        organization: "o-exampleorg".into(),
        account: "111111111111".into(),
        recipient_account: "111111111111".into(),
        region: "eu-central-1".into(),
        writer: "AROAEXAMPLE:i-0123456789abcdef0".into(),
        program: "holdfast-test/1".into(),
        host: Some("i-0123456789abcdef0".into()),
        image: Some("ami-0123456789abcdef0".into()),
        launch: None,
    }
}

pub(crate) fn config(directory: &Path) -> Config {
    Config::new(directory.join("spool"), directory.join("writer.key"), origin())
}

pub(crate) fn event(number: u64) -> Event {
    Event::new(Source::Agent, "StartJob", Identity::local_user(1000, Some("judge")))
        .request(json!({ "number": number }))
}

/// Objects by key.
pub(crate) type Store = BTreeMap<String, Vec<u8>>;

/// Puts all that waits into the store.
pub(crate) fn ship(outbox: &mut Outbox, store: &mut Store) {
    while let Some(batch) = outbox.next().unwrap() {
        store.insert(batch.object.key.clone(), batch.object.bytes.clone());
        outbox.confirm(&batch).unwrap();
    }
}

/// A stream of `events` in small segments, closed, shipped after every `every` events.
pub(crate) fn stream(directory: &Path, events: u64, every: u64, store: &mut Store) -> String {
    let config = Config { segment_bytes: 6000, ..config(directory) };
    let (trail, recovery) = Trail::open(config).unwrap();
    let mut outbox = trail.outbox().unwrap();
    for number in 1..=events {
        trail.append(event(number)).unwrap();
        if number % every == 0 {
            ship(&mut outbox, store);
        }
    }
    trail.close().unwrap();
    ship(&mut outbox, store);
    recovery.stream
}

pub(crate) fn listing(store: &Store) -> Vec<StoredObject> {
    let object = |key: &String| StoredObject { key: key.clone(), version: None, modified: None, delete_marker: false };
    store.keys().map(object).collect()
}

pub(crate) fn check(store: &Store, trust: &Trust) -> (Report, Trust) {
    let options = Options { trust_new_writers: true };
    let read = |object: &StoredObject| Ok::<_, Infallible>(store[&object.key].clone());
    verify(listing(store), read, trust, options).unwrap()
}
