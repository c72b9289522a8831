//! The auditor's trust file: whose keys count, and what was seen before. Kept outside both accounts.
//!
//! # Format
//! One JSON object, format 1: `writers` maps `<account>/<writer>` to its lasting keys, `streams` maps
//! `<account>/<writer>/<stream>` to the last record that was verified and the chain's value there. Mode 0600: whoever writes it
//! decides what is believed.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Finding, Kind, Options, StreamId, StreamReport};
use crate::chain::Hash;
use crate::filesystem::{Disk, Filesystem};
use crate::key::PublicKey;
use crate::seal::Genesis;

const FORMAT: u32 = 1;

/// Why a trust file can't be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrustError {
    /// It could not be read or written.
    #[error("can't {action} the trust file {path}: {source}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It does not read.
    #[error("the trust file {path} does not read: {reason}; restore it from a copy, or name another with --trust")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

/// What an auditor believes.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Trust {
    format: u32,
    writers: BTreeMap<String, BTreeSet<PublicKey>>,
    streams: BTreeMap<String, Checkpoint>,
}

/// How far a stream was verified.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Checkpoint {
    /// The last record.
    pub sequence: u64,
    /// The chain's value after it.
    pub head: Hash,
}

impl Default for Trust {
    fn default() -> Trust {
        Trust::new()
    }
}

impl Trust {
    /// A trust that knows nobody.
    pub fn new() -> Trust {
        Trust { format: FORMAT, writers: BTreeMap::new(), streams: BTreeMap::new() }
    }

    /// Reads a trust file; `None` if there is none yet.
    pub fn load(path: &Path) -> Result<Option<Trust>, TrustError> {
        let bytes = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(TrustError::Io { action: "read", path: path.into(), source }),
        };
        let damaged = |reason: String| TrustError::Damaged { path: path.into(), reason };
        let trust: Trust = serde_json::from_slice(&bytes).map_err(|error| damaged(error.to_string()))?;
        if trust.format != FORMAT {
            return Err(damaged(format!("its format {} is not known here", trust.format)));
        }
        Ok(Some(trust))
    }

    /// Writes it, whole or not at all, mode 0600.
    pub fn save(&self, path: &Path) -> Result<(), TrustError> {
        let failed = |source| TrustError::Io { action: "write", path: path.into(), source };
        let text = serde_json::to_vec_pretty(self).map_err(|error| failed(error.into()))?;
        if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            Disk.create_directory(parent).map_err(failed)?;
        }
        Disk.replace(path, &text).map_err(failed)
    }

    /// Believes that this key is the writer's.
    pub fn add_writer(&mut self, account: &str, writer: &str, key: PublicKey) {
        self.writers.entry(format!("{account}/{writer}")).or_default().insert(key);
    }

    /// The writers that are known, as `<account>/<writer>`, with their keys.
    pub fn writers(&self) -> impl Iterator<Item = (&str, &BTreeSet<PublicKey>)> {
        self.writers.iter().map(|(name, keys)| (name.as_str(), keys))
    }

    /// How far a stream was verified before.
    pub fn checkpoint(&self, account: &str, writer: &str, stream: &str) -> Option<&Checkpoint> {
        self.streams.get(&format!("{account}/{writer}/{stream}"))
    }

    pub(super) fn checkpoints(&self) -> impl Iterator<Item = (&str, &str, &str, &Checkpoint)> {
        self.streams.iter().filter_map(|(name, checkpoint)| {
            let mut parts = name.splitn(3, '/');
            Some((parts.next()?, parts.next()?, parts.next()?, checkpoint))
        })
    }

    pub(super) fn advance(&mut self, streams: &[StreamReport]) {
        for StreamReport { account, writer, stream, last, head, .. } in streams {
            let checkpoint = Checkpoint { sequence: *last, head: *head };
            self.streams.insert(format!("{account}/{writer}/{stream}"), checkpoint);
        }
    }
}

/// Whether the key that signed a stream's genesis is the writer's.
pub(super) fn check_writer(
    id: &StreamId,
    genesis: &Genesis,
    trusted: &mut Trust,
    options: Options,
    (findings, taken_in): (&mut Vec<Finding>, &mut Vec<String>),
) {
    let (name, key) = (format!("{}/{}", id.account, id.writer), genesis.writer_key);
    match trusted.writers.get(&name) {
        Some(keys) if keys.contains(&key) => {}
        Some(_) => {
            let detail = format!("the stream starts under the key {}, which is not the writer's", key.fingerprint());
            findings.push(id.finding(Kind::Forged, 1, detail));
        }
        None if options.trust_new_writers => {
            taken_in.push(format!("{name} is trusted from now on, by its key {}", key.fingerprint()));
            trusted.add_writer(&id.account, &id.writer, key);
        }
        None => {
            let detail = format!("the trust file knows no key of this writer; it shows {}", key.fingerprint());
            findings.push(id.finding(Kind::UnknownWriter, 1, detail));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trust_file_is_read_as_it_was_written_and_is_its_owners_alone() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state/trust.json");
        assert!(Trust::load(&path).unwrap().is_none());
        let mut trust = Trust::new();
        let key = format!("ed25519:{}", "ab".repeat(32)).parse().unwrap();
        trust.add_writer("111111111111", "AROAX:i-1", key);
        trust.save(&path).unwrap();
        assert_eq!(Trust::load(&path).unwrap(), Some(trust));
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_damaged_trust_file_is_an_error_and_not_an_empty_one() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("trust.json");
        for text in ["", "{}", r#"{"format":2,"writers":{},"streams":{}}"#] {
            std::fs::write(&path, text).unwrap();
            assert!(matches!(Trust::load(&path), Err(TrustError::Damaged { .. })), "{text}");
        }
    }
}
