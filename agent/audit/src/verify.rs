//! Verification: what the stored objects prove, and where they don't hold.
//!
//! Pure: it is given a listing with all versions, a way to read an object, and the auditor's [`Trust`]; it asks no clock, no
//! network and no file system.
//!
//! # What is found
//! | finding | how |
//! |---|---|
//! | altered | an object does not have the digest in its key; a record is not what the next one, a seal or a checkpoint chained |
//! | removed | a sequence is missing; a stream is missing that another or the trust file names; a delete marker hides an object |
//! | reordered | a sequence comes after a later one |
//! | cut | a stream ends before the record at which another stream adopted it, or before the trust file's checkpoint |
//! | forged | a genesis or seal is signed with another key than the trusted or announced one, or says what is not so |
//! | duplicated | two records have one sequence; an object has two versions |
//! | rolled back | a stream goes on after the record at which another adopted it, or two adopted it |
//! | foreign | an object or record that is not this trail's, writer's or stream's |
//! | unknown writer | a writer whose key the trust file does not have |
//!
//! A stream that is not closed is not a finding: its writer may live. It is a note.
//!
//! # Invariants
//! - Each finding names the first bad record as far as that can be told; where two records could be the one, both.
//! - After a finding the walk goes on from what the records state, so one change does not hide or make others.
//! - The trust file's checkpoints only move when nothing was found.
//!
//! What this can't show: a host that lies from the moment it is taken, and the end of a stream that neither a seal, a checkpoint
//! nor a later stream has vouched for.

mod directory;
mod lineage;
mod stream;
mod trust;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::Serialize;

pub use directory::{list_directory, read_directory};
pub use trust::{Checkpoint, Trust, TrustError};

use crate::chain::Hash;
use crate::object::Key;
use stream::Walk;

/// One version of an object, as the store lists it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StoredObject {
    /// Its key.
    pub key: String,
    /// Its version, where the store has versions.
    pub version: Option<String>,
    /// When the store took it.
    pub modified: Option<Timestamp>,
    /// Whether it only says that the object is gone.
    pub delete_marker: bool,
}

/// What kind of finding.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A record or object was changed.
    Altered,
    /// Records, objects or streams are gone.
    Removed,
    /// Records are not in their order.
    Reordered,
    /// The end of a stream is gone.
    Cut,
    /// Signed with another key, or signed and not true.
    Forged,
    /// There twice.
    Duplicated,
    /// The writer's spool was set back to an earlier state.
    RolledBack,
    /// Not this trail's.
    Foreign,
    /// A writer that the trust file does not know.
    UnknownWriter,
}

/// One finding.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// What kind.
    pub kind: Kind,
    /// The writer's account, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// The writer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub writer: Option<String>,
    /// The stream.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stream: Option<String>,
    /// The first bad record.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sequence: Option<u64>,
    /// The last, where there are more or it can't be told which.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub through: Option<u64>,
    /// The object.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// In words.
    pub detail: String,
}

/// How a stream ends in the store.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// With a signed close.
    Closed,
    /// Unclosed, but a later stream of its spool vouches for its last record.
    Adopted,
    /// Unclosed: its writer lives, or ended without a word.
    Open,
}

/// What is known of one stream.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StreamReport {
    /// The writer's account.
    pub account: String,
    /// The writer.
    pub writer: String,
    /// The stream.
    pub stream: String,
    /// How many records were read.
    pub records: u64,
    /// The last record's sequence.
    pub last: u64,
    /// Up to here the stream is intact: the last record before the first finding, or before what that finding leaves in
    /// doubt. Where a signature or a head doesn't fit, any record that no valid seal covers can be the changed one.
    pub intact_through: u64,
    /// The time of that record.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub intact_time: Option<Timestamp>,
    /// The last record that a valid seal covers.
    pub sealed_through: u64,
    /// How it ends.
    pub ending: Ending,
    /// When the next seal is due, if it is open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_due: Option<Timestamp>,
    /// The chain's value after the last record.
    pub head: Hash,
}

/// The result of a verification.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Whether nothing was found.
    pub intact: bool,
    /// Objects read.
    pub objects: u64,
    /// Records read.
    pub records: u64,
    /// Each stream.
    pub streams: Vec<StreamReport>,
    /// What was found, in the order of the store.
    pub findings: Vec<Finding>,
    /// What is worth knowing and no finding.
    pub notes: Vec<String>,
}

/// How to verify.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Whether writers that the trust file does not know are taken in, by the key that they show now.
    pub trust_new_writers: bool,
}

/// Verifies all objects of a listing. `read` gives the bytes of one version. The trust that comes back is to be kept: it has the
/// new checkpoints if nothing was found, and else is the one that was given.
pub fn verify<E>(
    listing: Vec<StoredObject>,
    mut read: impl FnMut(&StoredObject) -> Result<Vec<u8>, E>,
    trust: &Trust,
    options: Options,
) -> Result<(Report, Trust), E> {
    let mut findings = Vec::new();
    let streams = group(listing, &mut findings);
    let mut report = Report { intact: true, objects: 0, records: 0, streams: vec![], findings: vec![], notes: vec![] };
    let mut trusted = trust.clone();
    let (mut walked, mut taken_in) = (Vec::new(), Vec::new());
    for (id, objects) in streams {
        let mut walk = Walk::new(id.clone(), trust.checkpoint(&id.account, &id.writer, &id.stream));
        for (key, object) in objects {
            let bytes = read(&object)?;
            report.objects += 1;
            walk.object(&key, &bytes);
        }
        let outcome = walk.finish();
        if let Some(genesis) = &outcome.genesis {
            let found = (&mut findings, &mut taken_in);
            trust::check_writer(&id, genesis, &mut trusted, options, found);
        }
        walked.push(outcome);
    }
    lineage::check(&mut walked, &mut findings);
    lineage::check_checkpoints(&mut walked, trust, &mut findings);
    for outcome in &mut walked {
        findings.append(&mut outcome.findings);
    }
    findings.sort_by(|a, b| place(a).cmp(&place(b)));
    findings.dedup();
    for mut outcome in walked {
        outcome.settle(&findings);
        report.records += outcome.report.records;
        report.notes.extend(outcome.report.note());
        report.streams.push(outcome.report);
    }
    report.intact = findings.is_empty();
    report.findings = findings;
    if report.intact {
        report.notes.append(&mut taken_in);
        trusted.advance(&report.streams);
    } else {
        trusted = trust.clone();
    }
    Ok((report, trusted))
}

fn place(finding: &Finding) -> impl Ord + '_ {
    (&finding.account, &finding.writer, &finding.stream, finding.sequence, finding.kind, &finding.detail)
}

impl StreamReport {
    /// What is worth knowing of a stream that may still live.
    fn note(&self) -> Option<String> {
        let StreamReport { writer, stream, last, .. } = self;
        let due = self.next_due.map(|due| format!("; its next seal is due at {due}")).unwrap_or_default();
        let open = self.ending == Ending::Open;
        open.then(|| format!("{writer}: stream {stream} is not closed after record {last}{due}"))
    }
}

/// Names one stream.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct StreamId {
    pub(crate) organization: String,
    pub(crate) account: String,
    pub(crate) writer: String,
    pub(crate) stream: String,
}

impl StreamId {
    pub(crate) fn finding(&self, kind: Kind, sequence: u64, detail: impl Into<String>) -> Finding {
        Finding {
            kind,
            account: Some(self.account.clone()),
            writer: Some(self.writer.clone()),
            stream: Some(self.stream.clone()),
            sequence: Some(sequence),
            through: None,
            key: None,
            detail: detail.into(),
        }
    }
}

type Streams = BTreeMap<StreamId, Vec<(Key, StoredObject)>>;

/// Sorts the listing into streams, each by sequence, and finds what is there twice, hidden, or not the trail's.
fn group(listing: Vec<StoredObject>, findings: &mut Vec<Finding>) -> Streams {
    let mut versions: BTreeMap<String, Vec<StoredObject>> = BTreeMap::new();
    for object in listing {
        versions.entry(object.key.clone()).or_default().push(object);
    }
    let mut streams = Streams::new();
    for (name, mut versions) in versions {
        let Ok(key) = name.parse::<Key>() else {
            findings.push(Finding {
                kind: Kind::Foreign,
                account: None,
                writer: None,
                stream: None,
                sequence: None,
                through: None,
                key: Some(name),
                detail: "the object's key is not one of the trail".into(),
            });
            continue;
        };
        let id = StreamId {
            organization: key.organization.clone(),
            account: key.account.clone(),
            writer: key.writer.clone(),
            stream: key.stream.clone(),
        };
        let mut found = |kind, detail: String| {
            findings.push(Finding { key: Some(name.clone()), ..id.finding(kind, key.first, detail) });
        };
        let markers = versions.len();
        versions.retain(|version| !version.delete_marker);
        if versions.len() < markers {
            found(Kind::Removed, "a delete marker hides the object".into());
        }
        if versions.len() > 1 {
            let ids: BTreeSet<_> = versions.iter().filter_map(|version| version.version.as_deref()).collect();
            let ids = ids.into_iter().collect::<Vec<_>>().join(", ");
            found(Kind::Duplicated, format!("the object has {} versions: {ids}", versions.len()));
        }
        // The first to arrive is what the writer put: later ones can't have been put with If-None-Match. S3 lists the newest
        // first, and its times have whole seconds.
        versions.reverse();
        versions.sort_by_key(|version| version.modified);
        if let Some(oldest) = versions.into_iter().next() {
            streams.entry(id).or_default().push((key, oldest));
        }
    }
    for objects in streams.values_mut() {
        objects.sort_by_key(|(key, _)| (key.first, key.hash));
    }
    streams
}
