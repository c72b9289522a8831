//! Frames: how lines lie in a segment's file, and how a torn tail is told from rot.
//!
//! # Format
//! All integers are little-endian.
//! ```text
//! frame:  length u32 | crc u32 | batch u64 | flags u32 | payload (length bytes)
//! ```
//! - `length` is of the payload, 1 to [`MAX_PAYLOAD`]. Zero means that nothing was written here yet.
//! - `crc` is CRC32C over the segment's salt, `length`, `batch`, `flags` and the payload. The salt (16 random bytes for each
//!   segment) keeps what lay on the disk before, or a frame quoted in a payload, from passing for a frame.
//! - `batch` counts the group commits of the segment from 1. The next batch is written only after the one before was synced.
//! - `flags` bit 0 marks the last frame of its batch; the others are zero.
//!
//! # The rule on open
//! Frames are read up to the first that is not whole and in order. Then every later offset is tried:
//! - no valid frame of a *later* batch follows: the tail is **torn**. Its batch was never acknowledged; it is cut.
//! - one follows: that batch was written only after the bad one had been synced, so the bad one was whole once. This is
//!   **corruption**: nothing is cut, the file is kept.
//!
//! "Cut at the first bad frame" would throw acknowledged records away after one rotten byte; "skip to the next good frame"
//! would take half a batch for a whole one.
//!
//! A frame counts only if all of its batch is there: records of an unfinished batch were never acknowledged.

use std::ops::Range;

use crate::record::MAX_LINE;

/// Bytes before the payload.
pub const HEADER: usize = 20;
/// The largest payload: a line and the signature that may follow it.
pub const MAX_PAYLOAD: usize = MAX_LINE + 1024;

const LAST_OF_BATCH: u32 = 1;

/// A segment's salt.
pub type Salt = [u8; 16];

/// Appends one frame to `buffer`.
pub fn encode(buffer: &mut Vec<u8>, salt: &Salt, batch: u64, last: bool, payload: &[u8]) {
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
    debug_assert!((1..=MAX_PAYLOAD).contains(&payload.len()));
    let flags = if last { LAST_OF_BATCH } else { 0 };
    let crc = checksum(salt, length, batch, flags, payload);
    buffer.extend_from_slice(&length.to_le_bytes());
    buffer.extend_from_slice(&crc.to_le_bytes());
    buffer.extend_from_slice(&batch.to_le_bytes());
    buffer.extend_from_slice(&flags.to_le_bytes());
    buffer.extend_from_slice(payload);
}

/// One whole frame.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Frame {
    /// Where its payload lies.
    pub payload: Range<usize>,
    /// Its batch.
    pub batch: u64,
    /// Whether it ends its batch.
    pub last: bool,
}

/// Reads the frame at `offset`; `None` if none whole is there.
pub fn decode(bytes: &[u8], offset: usize, salt: &Salt) -> Option<Frame> {
    let header = bytes.get(offset..offset.checked_add(HEADER)?)?;
    let (length, rest) = header.split_first_chunk::<4>()?;
    let (crc, rest) = rest.split_first_chunk::<4>()?;
    let (batch, rest) = rest.split_first_chunk::<8>()?;
    let (flags, _) = rest.split_first_chunk::<4>()?;
    let (length, flags) = (u32::from_le_bytes(*length), u32::from_le_bytes(*flags));
    let size = usize::try_from(length).ok().filter(|size| (1..=MAX_PAYLOAD).contains(size))?;
    if flags & !LAST_OF_BATCH != 0 {
        return None;
    }
    let start = offset + HEADER;
    let payload = start..start.checked_add(size)?;
    let batch = u64::from_le_bytes(*batch);
    let found = checksum(salt, length, batch, flags, bytes.get(payload.clone())?);
    (found == u32::from_le_bytes(*crc)).then_some(Frame { payload, batch, last: flags == LAST_OF_BATCH })
}

fn checksum(salt: &Salt, length: u32, batch: u64, flags: u32, payload: &[u8]) -> u32 {
    let mut head = [0; 32];
    head[..16].copy_from_slice(salt);
    head[16..20].copy_from_slice(&length.to_le_bytes());
    head[20..28].copy_from_slice(&batch.to_le_bytes());
    head[28..].copy_from_slice(&flags.to_le_bytes());
    crc32c::crc32c_append(crc32c::crc32c(&head), payload)
}

/// How a segment's frames end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Tail {
    /// With zeros or the end of the file.
    Clean,
    /// With a batch that was not finished.
    Torn,
    /// With damage at this offset, although later batches follow.
    Corrupt(usize),
}

/// What lies in a segment's file.
#[derive(Clone, Debug)]
pub struct Scan {
    /// The frames of all whole batches before the end or the damage, in order.
    pub frames: Vec<Frame>,
    /// The last whole batch; 0 if there is none.
    pub batch: u64,
    /// Where the next batch goes.
    pub end: usize,
    /// What follows.
    pub tail: Tail,
}

/// Reads all frames from `start`, by the rule above.
pub fn scan(bytes: &[u8], start: usize, salt: &Salt) -> Scan {
    let mut whole = Scan { frames: Vec::new(), batch: 0, end: start.min(bytes.len()), tail: Tail::Clean };
    let mut open = Vec::new();
    let mut offset = start;
    while let Some(frame) = decode(bytes, offset, salt).filter(|frame| frame.batch == whole.batch + 1) {
        offset = frame.payload.end;
        let last = frame.last;
        open.push(frame);
        if last {
            whole.frames.append(&mut open);
            whole.batch += 1;
            whole.end = offset;
        }
    }
    // The batch that is not whole is the next one; only one after that proves that it was synced.
    whole.tail = if later_batch(bytes, offset, salt, whole.batch + 1) {
        Tail::Corrupt(offset)
    } else if bytes.get(whole.end..).is_none_or(|rest| rest.iter().all(|byte| *byte == 0)) {
        Tail::Clean
    } else {
        Tail::Torn
    };
    whole
}

/// Whether a valid frame of a batch after `batch` lies anywhere from `offset`.
fn later_batch(bytes: &[u8], offset: usize, salt: &Salt, batch: u64) -> bool {
    (offset..bytes.len()).any(|at| decode(bytes, at, salt).is_some_and(|frame| frame.batch > batch))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SALT: Salt = [7; 16];

    fn written(batches: &[Vec<Vec<u8>>]) -> (Vec<u8>, Vec<usize>) {
        let (mut bytes, mut ends) = (Vec::new(), Vec::new());
        for (index, batch) in batches.iter().enumerate() {
            for (at, payload) in batch.iter().enumerate() {
                encode(&mut bytes, &SALT, index as u64 + 1, at + 1 == batch.len(), payload);
            }
            ends.push(bytes.len());
        }
        (bytes, ends)
    }

    fn batches() -> impl Strategy<Value = Vec<Vec<Vec<u8>>>> {
        let payload = prop::collection::vec(any::<u8>(), 1..60);
        prop::collection::vec(prop::collection::vec(payload, 1..5), 1..8)
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(batches in batches(), zeros in 0usize..100) {
            let (mut bytes, ends) = written(&batches);
            bytes.extend(std::iter::repeat_n(0, zeros));
            let scan = scan(&bytes, 0, &SALT);
            let read: Vec<_> = scan.frames.iter().map(|frame| bytes[frame.payload.clone()].to_vec()).collect();
            prop_assert_eq!(read, batches.concat());
            prop_assert_eq!(scan.end, *ends.last().unwrap());
            prop_assert_eq!(scan.tail, Tail::Clean);
        }

        #[test]
        fn a_torn_last_batch_is_cut_whole(batches in batches(), cut in any::<prop::sample::Index>()) {
            let (bytes, ends) = written(&batches);
            let start = ends.iter().rev().nth(1).copied().unwrap_or(0);
            let length = start + cut.index(bytes.len() - start);
            let scan = scan(&bytes[..length], 0, &SALT);
            prop_assert_eq!(scan.end, start);
            prop_assert_eq!(scan.batch, batches.len() as u64 - 1);
            prop_assert!(scan.tail != Tail::Corrupt(start));
        }

        #[test]
        fn a_changed_byte_before_the_last_batch_is_corruption(
            batches in batches(), at in any::<prop::sample::Index>(), change in 1u8..
        ) {
            prop_assume!(batches.len() > 1);
            let (mut bytes, ends) = written(&batches);
            let at = at.index(ends[ends.len() - 2]);
            bytes[at] ^= change;
            let found = scan(&bytes, 0, &SALT);
            let whole = ends.iter().rev().find(|end| **end <= at).copied().unwrap_or(0);
            prop_assert_eq!(found.end, whole);
            // The damage in the batch before the last is proven by the last one, and so on.
            prop_assert!(matches!(found.tail, Tail::Corrupt(_)), "{:?}", found.tail);
        }

        #[test]
        fn anything_can_be_scanned(bytes in prop::collection::vec(any::<u8>(), 0..400), start in 0usize..500) {
            let scan = scan(&bytes, start, &SALT);
            prop_assert!(scan.end <= bytes.len());
        }
    }

    #[test]
    fn a_frame_quoted_in_a_payload_is_not_a_frame_of_another_segment() {
        let mut quoted = Vec::new();
        encode(&mut quoted, &[8; 16], 9, true, b"old");
        let mut bytes = Vec::new();
        encode(&mut bytes, &SALT, 1, true, b"first");
        bytes.extend_from_slice(&quoted);
        let scan = scan(&bytes, 0, &SALT);
        assert_eq!((scan.frames.len(), scan.tail), (1, Tail::Torn));
    }
}
