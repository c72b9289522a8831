//! Segments: the spool's files. One holds the records from one seal to the next, the seal last.
//!
//! # Format
//! Little-endian, then frames as [`crate::frame`] says, then zeros (room that was written ahead, so that a commit changes no
//! metadata of the file).
//! ```text
//! "HFSPOOL1" | salt (16 bytes) | length u32 | meta (length bytes of JSON) | crc u32 | frames …
//! ```
//! `crc` is CRC32C over all before it. `meta` is a [`Meta`]. A frame's payload is one record's line, without line feed.
//!
//! # Invariants
//! - A segment appears whole: its header is written beside it, synced, and put in place by name. So a header that does not read
//!   is damage, never an interrupted start.
//! - Files are named by an ordinal that only grows, 20 digits, over all streams of the spool: names sort as they were written.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::chain::Hash;
use crate::error::{Error, Result};
use crate::filesystem::Filesystem;
use crate::frame::{self, Salt, Scan, Tail};
use crate::key::random;
use crate::record::{Origin, Record};

const MAGIC: &[u8; 8] = b"HFSPOOL1";
const BEFORE_META: usize = 8 + 16 + 4;
const MAX_META: usize = 16 * 1024;
const EXTENSION: &str = "segment";

/// What a segment is part of.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Meta {
    /// Which chain.
    pub stream: String,
    /// The sequence of the first record.
    pub first: u64,
    /// The chain's value before it.
    pub previous: Hash,
    /// Whose.
    pub origin: Origin,
}

/// The file's header: what it is part of, and its salt.
#[derive(Clone, Debug)]
pub struct Header {
    /// What it is part of.
    pub meta: Meta,
    /// Its salt.
    pub salt: Salt,
    /// Where the frames start.
    pub length: usize,
}

impl Header {
    /// Makes the file with its header, and nothing after it.
    pub(crate) fn create(filesystem: &dyn Filesystem, path: &Path, meta: Meta) -> Result<Header> {
        let mut salt = Salt::default();
        random(&mut salt)?;
        let text = serde_json::to_vec(&meta).map_err(|error| Error::damaged(path, error))?;
        let length = u32::try_from(text.len())
            .ok()
            .filter(|_| text.len() <= MAX_META)
            .ok_or_else(|| Error::damaged(path, "its origin is too long"))?;
        let mut bytes = Vec::with_capacity(BEFORE_META + text.len() + 4);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&salt);
        bytes.extend_from_slice(&length.to_le_bytes());
        bytes.extend_from_slice(&text);
        bytes.extend_from_slice(&crc32c::crc32c(&bytes).to_le_bytes());
        match filesystem.publish(path, &bytes) {
            Ok(true) => {}
            Ok(false) => return Err(Error::damaged(path, "a file of that name is there already")),
            Err(error) => return Err(Error::io("write", path)(error)),
        }
        Ok(Header { meta, salt, length: bytes.len() })
    }

    /// Reads a header; `None` if there is none whole.
    pub fn decode(bytes: &[u8]) -> Option<Header> {
        let rest = bytes.strip_prefix(MAGIC)?;
        let (salt, rest) = rest.split_first_chunk::<16>()?;
        let (length, rest) = rest.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_le_bytes(*length)).ok().filter(|length| *length <= MAX_META)?;
        let (text, rest) = rest.split_at_checked(length)?;
        let (crc, _) = rest.split_first_chunk::<4>()?;
        if u32::from_le_bytes(*crc) != crc32c::crc32c(bytes.get(..BEFORE_META + length)?) {
            return None;
        }
        let meta = serde_json::from_slice(text).ok()?;
        Some(Header { meta, salt: *salt, length: BEFORE_META + length + 4 })
    }
}

/// A segment as it was found on disk.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) header: Header,
    pub(crate) scan: Scan,
    /// The last whole record's sequence; `first - 1` if there is none.
    pub(crate) last: u64,
    /// The chain's value after it.
    pub(crate) head: Hash,
    /// Whether the last record is a seal, and whether that closes the stream.
    pub(crate) end: End,
}

/// How a segment's records end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum End {
    Open,
    Sealed,
    Closed,
}

impl Found {
    /// Reads a segment; `None` if its header is damaged.
    pub(crate) fn read(filesystem: &dyn Filesystem, path: &Path) -> Result<Option<Found>> {
        let bytes = filesystem.read(path).map_err(Error::io("read", path))?;
        let Some(header) = Header::decode(&bytes) else { return Ok(None) };
        let scan = frame::scan(&bytes, header.length, &header.salt);
        let lines = || scan.frames.iter().map(|frame| &bytes[frame.payload.clone()]);
        let head = lines().fold(header.meta.previous, Hash::after);
        let last = header.meta.first - 1 + scan.frames.len() as u64;
        let end = match lines().next_back().map(seal_of) {
            Some(Some(true)) => End::Closed,
            Some(Some(false)) => End::Sealed,
            _ => End::Open,
        };
        Ok(Some(Found { header, scan, last, head, end }))
    }

    pub(crate) fn is_corrupt(&self) -> bool {
        matches!(self.scan.tail, Tail::Corrupt(_))
    }
}

/// Whether a line is a seal, and then whether it closes the stream.
fn seal_of(line: &[u8]) -> Option<bool> {
    let record = Record::parse(std::str::from_utf8(line).ok()?).ok()?;
    record.link().seal.as_ref().map(|seal| seal.next_key.is_none())
}

/// The file of the segment with this ordinal.
pub(crate) fn path(directory: &Path, ordinal: u64) -> PathBuf {
    directory.join(format!("{ordinal:020}.{EXTENSION}"))
}

/// The ordinal in a segment's name; `None` for other files.
pub(crate) fn ordinal(path: &Path) -> Option<u64> {
    let digits = path.file_stem()?.to_str().filter(|digits| digits.len() == 20)?;
    if path.extension()? != EXTENSION { None } else { digits.parse().ok() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filesystem::Disk;

    fn meta() -> Meta {
        let origin = Origin {
            organization: "o-1".into(),
            account: "111111111111".into(),
            recipient_account: "111111111111".into(),
            region: "eu-central-1".into(),
            writer: "AROAX:i-1".into(),
            program: "test/1".into(),
            host: None,
            image: None,
            launch: None,
        };
        Meta { stream: "s".into(), first: 1, previous: Hash::ZERO, origin }
    }

    #[test]
    fn no_byte_of_a_header_can_change() {
        let directory = tempfile::tempdir().unwrap();
        let path = path(directory.path(), 1);
        let header = Header::create(&Disk, &path, meta()).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        let read = Header::decode(&bytes).unwrap();
        assert_eq!((read.meta, read.salt, read.length), (header.meta, header.salt, bytes.len()));
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert!(Header::decode(&changed).is_none(), "byte {at}");
        }
    }

    #[test]
    fn segments_are_told_from_other_files_by_name() {
        assert_eq!(ordinal(&path(Path::new("/spool"), 42)), Some(42));
        assert_eq!(ordinal(Path::new("/spool/42.segment")), None);
        assert_eq!(ordinal(Path::new("/spool/cursor.json")), None);
    }
}
