//! The cursor: what the store has confirmed.
//!
//! # Format
//! `cursor.json` in the spool, one JSON object, put in place atomically and synced at each move. Losing the last move is
//! harmless: the same object is made again, byte for byte, and the store answers that it has it.
//!
//! # Invariants
//! - It moves only when the store has confirmed, and before the segment behind it is removed.
//! - What is about to be shipped is noted before the first try (`inflight`), so that after a crash the very same records go into
//!   the very same object, and a refusal because it exists is known for the answer to a repeated try.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::filesystem::Filesystem;
use crate::key::random;
use crate::seal::Ended;

/// The cursor's file.
pub(crate) const FILE: &str = "cursor.json";

#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Cursor {
    pub(crate) format: u32,
    /// The spool's id, in each genesis.
    pub(crate) spool: String,
    /// Whose spool: organisation, account, writer.
    pub(crate) owner: [String; 3],
    /// Up to where the store has all.
    pub(crate) confirmed: Option<Position>,
    /// What is being shipped.
    pub(crate) inflight: Option<Inflight>,
    /// The stream whose last segment was removed last.
    pub(crate) ended: Option<Ended>,
}

/// A record's place in the spool.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
pub(crate) struct Position {
    /// The segment's ordinal.
    pub(crate) segment: u64,
    /// The record's sequence.
    pub(crate) sequence: u64,
}

/// An object that may be in the store already.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct Inflight {
    /// The segment's ordinal.
    pub(crate) segment: u64,
    /// The first record's sequence.
    pub(crate) first: u64,
    /// The last's.
    pub(crate) last: u64,
    /// The object's key.
    pub(crate) key: String,
}

impl Cursor {
    pub(crate) fn new(owner: [String; 3]) -> Result<Cursor> {
        let mut id = [0; 16];
        random(&mut id)?;
        Ok(Cursor { format: 1, spool: hex::encode(id), owner, confirmed: None, inflight: None, ended: None })
    }

    /// Reads the spool's cursor; `None` if there is none yet.
    pub(crate) fn read(filesystem: &dyn Filesystem, directory: &Path) -> Result<Option<Cursor>> {
        let path = directory.join(FILE);
        let bytes = match filesystem.read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::io("read", path)(error)),
        };
        let cursor: Cursor = serde_json::from_slice(&bytes).map_err(|error| Error::damaged(&path, error))?;
        if cursor.format != 1 {
            return Err(Error::damaged(&path, format!("its format {} is not known here", cursor.format)));
        }
        Ok(Some(cursor))
    }

    pub(crate) fn write(&self, filesystem: &dyn Filesystem, directory: &Path) -> Result<()> {
        let path = directory.join(FILE);
        let bytes = serde_json::to_vec(self).map_err(|error| Error::damaged(&path, error))?;
        filesystem.replace(&path, &bytes).map_err(Error::io("write", path))
    }
}
