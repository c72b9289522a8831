//! The outbox: the spool as the shipper sees it, one object at a time.
//!
//! # Invariants
//! - There is one outbox for a trail, and it alone moves the cursor.
//! - What [`Outbox::next`] hands out is noted on disk first, and handed out again, byte for byte, until it is confirmed: also
//!   after a crash.
//! - An object's records are consecutive and of one segment.

use std::sync::Arc;

use crate::cursor::{Cursor, Inflight, Position};
use crate::error::{Error, Result};
use crate::frame;
use crate::object::{self, Encoded};
use crate::spool::{Shared, Stored};

/// The most bytes of lines in one object, unless one line is larger.
const MAX_BYTES: usize = 4 * 1024 * 1024;
/// The most records in one object.
const MAX_RECORDS: u64 = 10_000;

/// Records to be put into the store as one object.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Key and bytes.
    pub object: Encoded,
    /// Whether it may have been put before, so that its being there already is an answer and not a finding.
    pub repeated: bool,
    /// The stream.
    pub stream: String,
    /// The first record's sequence.
    pub first: u64,
    /// The last's.
    pub last: u64,
    /// Whether it holds as much as an object may, or ends its segment, so that more may wait already.
    pub full: bool,
    segment: u64,
    /// Where the frame after the last starts.
    end: u64,
}

/// What waits to be shipped.
pub struct Outbox {
    shared: Arc<Shared>,
    cursor: Cursor,
}

impl Outbox {
    pub(crate) fn new(shared: Arc<Shared>, cursor: Cursor) -> Outbox {
        Outbox { shared, cursor }
    }

    /// Calls `wake` after each commit, from the trail's thread.
    pub fn on_append(&self, wake: impl Fn() + Send + Sync + 'static) {
        self.shared.set_wake(Box::new(wake));
    }

    /// The next records that the store has not confirmed, as an object; `None` if it has all.
    #[expect(clippy::should_implement_trait, reason = "reads files and may be called again after `None`")]
    pub fn next(&mut self) -> Result<Option<Batch>> {
        let Some(segment) = self.shared.segments().iter().find(|segment| segment.next <= segment.last).cloned() else {
            return Ok(None);
        };
        let noted = self
            .cursor
            .inflight
            .clone()
            .filter(|inflight| (inflight.segment, inflight.first) == (segment.ordinal, segment.next));
        let (lines, end) = self.lines(&segment, noted.as_ref().map(|inflight| inflight.last))?;
        let object = object::encode(&segment.origin, &segment.stream, segment.next, &lines)
            .map_err(|error| Error::damaged(&segment.path, error))?;
        let last = segment.next + lines.len() as u64 - 1;
        let repeated = noted.as_ref().is_some_and(|inflight| inflight.key == object.key);
        if noted.is_some() && !repeated {
            tracing::warn!(key = object.key, "these records may be in the store already under another name");
        }
        if !repeated {
            let (first, key) = (segment.next, object.key.clone());
            let inflight = Some(Inflight { segment: segment.ordinal, first, last, key });
            let cursor = Cursor { inflight, ..self.cursor.clone() };
            cursor.write(&*self.shared.filesystem, &self.shared.directory)?;
            self.cursor = cursor;
        }
        let full = last < segment.last || segment.finished;
        let (stream, first) = (segment.stream, segment.next);
        Ok(Some(Batch { object, repeated, stream, first, last, full, segment: segment.ordinal, end }))
    }

    /// The lines from the segment's next record, at most through `last`, and where the frame after them starts.
    fn lines(&self, segment: &Stored, last: Option<u64>) -> Result<(Vec<String>, u64)> {
        let (mut offset, mut lines, mut size) = (0, Vec::new(), 0);
        // Twice the limit holds the headers of any number of frames that the limit lets in.
        let end = segment.end.min(segment.offset + 2 * (MAX_BYTES + frame::MAX_PAYLOAD) as u64);
        let bytes = self
            .shared
            .filesystem
            .read_range(&segment.path, segment.offset..end)
            .map_err(Error::io("read", &segment.path))?;
        let damaged =
            |sequence: u64| Error::damaged(&segment.path, format!("record {sequence} does not read any more"));
        loop {
            let sequence = segment.next + lines.len() as u64;
            let over = match last {
                Some(last) => sequence > last,
                None => size >= MAX_BYTES || lines.len() as u64 >= MAX_RECORDS,
            };
            if over || sequence > segment.last {
                break;
            }
            let frame = frame::decode(&bytes, offset, &segment.salt).ok_or_else(|| damaged(sequence))?;
            offset = frame.payload.end;
            let line = String::from_utf8(bytes[frame.payload].to_vec()).map_err(|_| damaged(sequence))?;
            size += line.len();
            lines.push(line);
        }
        Ok((lines, segment.offset + offset as u64))
    }

    /// Notes that the store has the batch, and removes what is no longer needed. May be tried again if it fails.
    pub fn confirm(&mut self, batch: &Batch) -> Result<()> {
        let mut cursor = self.cursor.clone();
        cursor.confirmed = Some(Position { segment: batch.segment, sequence: batch.last });
        cursor.inflight = None;
        let is_done = |segment: &Stored| {
            let next = if segment.ordinal == batch.segment { batch.last + 1 } else { segment.next };
            segment.finished && next > segment.last
        };
        let done: Vec<Stored> = self.shared.segments().iter().take_while(|segment| is_done(segment)).cloned().collect();
        if let Some(segment) = done.last() {
            cursor.ended = Some(segment.ended());
        }
        cursor.write(&*self.shared.filesystem, &self.shared.directory)?;
        self.cursor = cursor;
        let mut segments = self.shared.segments();
        if let Some(segment) = segments.iter_mut().find(|segment| segment.ordinal == batch.segment) {
            (segment.next, segment.offset) = (batch.last + 1, batch.end);
        }
        segments.drain(..done.len());
        drop(segments);
        done.iter().try_for_each(|segment| self.shared.retire(segment))
    }
}
