//! The writer: the one place where records get their sequence, their place in the chain and their way to the disk.
//!
//! # One commit
//! 1. Lines are made for all that waits, on a copy of the chain's state.
//! 2. If the segment is large enough, or its seal is due, the seal is the last line.
//! 3. All go into one batch of frames, one write, one `fdatasync`.
//! 4. Only then the state moves on and the producers are answered.
//!
//! # Invariants
//! - A batch that was not acknowledged left no trace in the chain: the next one takes its sequences and its batch number.
//! - A write that found no room may be tried again; any other failed write, and any failed sync, ends the writer for good.
//! - A segment's key is gone once its seal is durable.
//! - A part of the spool's bound is kept for seals, so a full spool can still be closed.

use std::fmt;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::chain::Hash;
use crate::error::{Error, Result};
use crate::filesystem::SegmentFile;
use crate::frame::{self, HEADER};
use crate::key::{SegmentKey, Sign, WriterKey};
use crate::record::{Event, FORMAT, Identity, Link, Origin, Rendered, TRAIL};
use crate::seal::{self, Ended, Genesis, Reason, Seal};
use crate::segment::{self, End, Header, Meta};
use crate::spool::{Shared, Stored};
use crate::trail::Receipt;

/// Room that is written ahead with zeros, so that a commit does not change the file's size.
const ALLOCATE: usize = 256 * 1024;
/// Bytes of the spool's bound that only the trail's own records may use.
const RESERVE: u64 = 64 * 1024;

/// How the writer was set up.
pub(crate) struct Setup {
    pub(crate) origin: Origin,
    pub(crate) stream: String,
    pub(crate) spool: String,
    pub(crate) max_bytes: u64,
    pub(crate) segment_bytes: u64,
    pub(crate) seal_every: Duration,
    pub(crate) next_ordinal: u64,
}

/// The chain as it stands after the last commit.
#[derive(Clone, Copy)]
struct State {
    sequence: u64,
    head: Hash,
    /// The first record that no seal covers.
    unsealed: u64,
    /// The record that announced the present key.
    previous_seal: u64,
    oldest: Option<Timestamp>,
    newest: Option<Timestamp>,
}

/// The segment that is written to.
struct Active {
    file: Box<dyn SegmentFile>,
    path: PathBuf,
    header: Header,
    ordinal: u64,
    batch: u64,
    end: u64,
    allocated: u64,
}

pub(crate) struct Writer {
    setup: Setup,
    origin: Arc<Origin>,
    shared: Arc<Shared>,
    state: State,
    active: Option<Active>,
    /// Signs the next seal; none after the close.
    key: Option<SegmentKey>,
    due: Timestamp,
    poisoned: Option<String>,
}

/// The lines of one commit, and the state after it.
struct Draft {
    state: State,
    lines: Vec<String>,
}

impl Writer {
    /// A writer whose stream has its signed genesis on disk.
    pub(crate) fn start(
        setup: Setup,
        shared: Arc<Shared>,
        writer_key: &WriterKey,
        previous: Option<Ended>,
    ) -> Result<Writer> {
        let key = SegmentKey::generate()?;
        let due = later(setup.seal_every);
        let genesis = Genesis {
            spool: setup.spool.clone(),
            boot: boot_id(),
            writer_key: writer_key.public(),
            next_key: key.public(),
            next_due: due,
            previous,
        };
        let state = State { sequence: 0, head: Hash::ZERO, unsealed: 1, previous_seal: 1, oldest: None, newest: None };
        let origin = Arc::new(setup.origin.clone());
        let mut writer = Writer { setup, origin, shared, state, active: None, key: Some(key), due, poisoned: None };
        let mut draft = writer.draft();
        let rendered = writer.own(seal::START)?;
        writer.add(&mut draft, &rendered, |link| link.genesis = Some(genesis), Some(writer_key))?;
        writer.commit(draft, End::Open)?;
        Ok(writer)
    }

    /// When the next seal is due.
    pub(crate) fn due(&self) -> Timestamp {
        self.due
    }

    /// Asks for the next seal later, whether this one could be written or not.
    pub(crate) fn postpone(&mut self) {
        self.due = self.due.max(later(self.setup.seal_every));
    }

    /// Makes the events durable; one answer for each.
    pub(crate) fn append(&mut self, events: &[Rendered]) -> Vec<Result<Receipt>> {
        if let Err(error) = self.usable() {
            return events.iter().map(|_| Err(error.clone())).collect();
        }
        let mut draft = self.draft();
        let mut answers = Vec::with_capacity(events.len());
        for event in events {
            let added = self.add(&mut draft, event, |_| {}, None);
            answers.push(added.map(|sequence| Receipt { sequence, event_id: event.event_id.clone() }));
        }
        if draft.lines.is_empty() {
            return answers;
        }
        let committed = self.within_bound(&draft).and_then(|()| self.commit_and_seal_if_large(draft));
        if let Err(error) = committed {
            for answer in answers.iter_mut().filter(|answer| answer.is_ok()) {
                *answer = Err(error.clone());
            }
        }
        answers
    }

    /// Seals the segment because its time has come.
    pub(crate) fn seal(&mut self) -> Result<()> {
        self.usable()?;
        let draft = self.draft();
        self.commit_sealed(draft, Reason::Time).map(drop)
    }

    /// Ends the stream with a signed close.
    pub(crate) fn close(&mut self) -> Result<Receipt> {
        self.usable()?;
        let draft = self.draft();
        self.commit_sealed(draft, Reason::Close)
    }

    fn usable(&self) -> Result<()> {
        match &self.poisoned {
            Some(reason) => Err(Error::Poisoned { path: self.shared.directory.clone(), reason: reason.clone() }),
            None if self.key.is_none() => Err(Error::Closed),
            None => Ok(()),
        }
    }

    fn draft(&self) -> Draft {
        Draft { state: self.state, lines: Vec::new() }
    }

    /// One of the trail's own records.
    fn own(&self, name: &str) -> Result<Rendered> {
        Event::from_part(TRAIL, name.into(), Identity::program(&self.origin.program)).render(&self.origin)
    }

    /// Adds one record to the draft, signed if there is a key; its sequence.
    fn add(
        &self,
        draft: &mut Draft,
        event: &Rendered,
        fill: impl FnOnce(&mut Link),
        key: Option<&dyn Sign>,
    ) -> Result<u64> {
        let origin = &*self.origin;
        let sequence = draft.state.sequence + 1;
        let mut link = Link {
            format: FORMAT,
            stream: self.setup.stream.clone(),
            sequence,
            previous: draft.state.head,
            time: event.time,
            boot_micros: event.boot_micros,
            organization: origin.organization.clone(),
            account: origin.account.clone(),
            writer: origin.writer.clone(),
            host: origin.host.clone(),
            image: origin.image.clone(),
            launch: origin.launch.clone(),
            genesis: None,
            seal: None,
        };
        fill(&mut link);
        let mut line = event.line(&link)?;
        if let Some(key) = key {
            line = seal::sign(line, key);
        }
        let state = &mut draft.state;
        state.sequence = sequence;
        state.head = state.head.after(line.as_bytes());
        state.oldest = Some(state.oldest.map_or(event.time, |oldest| oldest.min(event.time)));
        state.newest = Some(state.newest.map_or(event.time, |newest| newest.max(event.time)));
        draft.lines.push(line);
        Ok(sequence)
    }

    fn within_bound(&self, draft: &Draft) -> Result<()> {
        let (used, size, max) = (self.shared.used(), draft.size() as u64, self.setup.max_bytes);
        if used + size + RESERVE > max {
            return Err(Error::Full { path: self.shared.directory.clone(), used, max });
        }
        Ok(())
    }

    fn commit_and_seal_if_large(&mut self, draft: Draft) -> Result<()> {
        let end = self.active.as_ref().map_or(0, |active| active.end) + draft.size() as u64;
        if end >= self.setup.segment_bytes {
            self.commit_sealed(draft, Reason::Size).map(drop)
        } else {
            self.commit(draft, End::Open)
        }
    }

    /// Commits with a seal as the last record: the key signs, the next is announced, the segment is finished.
    fn commit_sealed(&mut self, mut draft: Draft, reason: Reason) -> Result<Receipt> {
        let Some(key) = self.key.take() else { return Err(Error::Closed) };
        let sealed = self.add_seal(&mut draft, reason, &key).and_then(|(receipt, next, due)| {
            let sequence = receipt.sequence;
            draft.state =
                State { unsealed: sequence + 1, previous_seal: sequence, oldest: None, newest: None, ..draft.state };
            self.commit(draft, if reason == Reason::Close { End::Closed } else { End::Sealed })?;
            Ok((receipt, next, due))
        });
        match sealed {
            Ok((receipt, next, due)) => {
                (self.key, self.due) = (next, due);
                Ok(receipt)
            }
            Err(error) => {
                self.key = Some(key);
                Err(error)
            }
        }
    }

    fn add_seal(
        &self,
        draft: &mut Draft,
        reason: Reason,
        key: &SegmentKey,
    ) -> Result<(Receipt, Option<SegmentKey>, Timestamp)> {
        let closes = reason == Reason::Close;
        let next = if closes { None } else { Some(SegmentKey::generate()?) };
        let due = later(self.setup.seal_every);
        let state = &draft.state;
        let seal = Seal {
            reason,
            first: state.unsealed,
            last: state.sequence,
            count: state.sequence + 1 - state.unsealed,
            head: state.head,
            previous_seal: state.previous_seal,
            oldest: state.oldest,
            newest: state.newest,
            key: key.public(),
            next_key: next.as_ref().map(Sign::public),
            next_due: next.is_some().then_some(due),
        };
        let rendered = self.own(if closes { seal::CLOSE } else { seal::SEAL })?;
        let sequence = self.add(draft, &rendered, |link| link.seal = Some(seal), Some(key))?;
        Ok((Receipt { sequence, event_id: rendered.event_id }, next, due))
    }

    /// Makes a draft durable as one batch.
    fn commit(&mut self, draft: Draft, end: End) -> Result<()> {
        let Draft { state, lines } = draft;
        self.activate()?;
        let Some(active) = self.active.as_mut() else { return Err(Error::Closed) };
        let mut buffer = Vec::with_capacity(lines.iter().map(|line| line.len() + HEADER).sum());
        for (index, line) in lines.iter().enumerate() {
            let last = index + 1 == lines.len();
            frame::encode(&mut buffer, &active.header.salt, active.batch + 1, last, line.as_bytes());
        }
        if let Err(error) = active.write(&buffer) {
            let path = self.shared.directory.clone();
            if is_full(&error) {
                return Err(Error::DiskFull { path, source: Arc::new(error) });
            }
            return Err(self.poison(error.to_string()));
        }
        if let Err(error) = active.file.sync() {
            return Err(self.poison(error.to_string()));
        }
        active.batch += 1;
        active.end += buffer.len() as u64;
        self.state = state;
        self.publish(end);
        self.shared.wake();
        Ok(())
    }

    /// Opens the next segment if the last was finished.
    fn activate(&mut self) -> Result<()> {
        if self.active.is_some() {
            return Ok(());
        }
        let ordinal = self.setup.next_ordinal;
        let path = segment::path(&self.shared.directory, ordinal);
        let meta = Meta {
            stream: self.setup.stream.clone(),
            first: self.state.sequence + 1,
            previous: self.state.head,
            origin: self.setup.origin.clone(),
        };
        let filesystem = &*self.shared.filesystem;
        // Should this fail after the file is there, the next try takes the next name, and the empty one goes at the next open.
        self.setup.next_ordinal += 1;
        let header = Header::create(filesystem, &path, meta).map_err(|error| match error {
            Error::Io { source, .. } if is_full(&source) => {
                Error::DiskFull { path: self.shared.directory.clone(), source }
            }
            other => other,
        })?;
        let file = filesystem.open(&path).map_err(Error::io("open", &path))?;
        let length = header.length as u64;
        self.active = Some(Active { file, path, header, ordinal, batch: 0, end: length, allocated: length });
        Ok(())
    }

    /// Tells the outbox what is durable now.
    fn publish(&mut self, end: End) {
        let Some(active) = self.active.as_mut() else { return };
        let finishes = end != End::Open;
        if finishes && let Err(error) = active.file.truncate(active.end) {
            // The zeros after the end mean nothing to a reader; they only take room.
            tracing::warn!(path = %active.path.display(), %error, "can't cut the room written ahead");
        }
        let mut segments = self.shared.segments();
        if segments.back().is_none_or(|segment| segment.ordinal != active.ordinal) {
            segments.push_back(Stored {
                ordinal: active.ordinal,
                path: active.path.clone(),
                salt: active.header.salt,
                stream: self.setup.stream.clone(),
                origin: Arc::clone(&self.origin),
                last: active.header.meta.first - 1,
                head: active.header.meta.previous,
                end: active.header.length as u64,
                finished: false,
                closed: false,
                damaged: false,
                next: active.header.meta.first,
                offset: active.header.length as u64,
            });
        }
        if let Some(segment) = segments.back_mut() {
            (segment.last, segment.head, segment.end) = (self.state.sequence, self.state.head, active.end);
            segment.finished = finishes;
            segment.closed = end == End::Closed;
        }
        drop(segments);
        if finishes {
            self.active = None;
        }
    }

    fn poison(&mut self, reason: String) -> Error {
        tracing::error!(reason, "the audit spool failed and takes no more records");
        self.poisoned = Some(reason.clone());
        Error::Poisoned { path: self.shared.directory.clone(), reason }
    }
}

impl Active {
    /// Writes at the end of the frames, with room for more where there is none.
    fn write(&mut self, buffer: &[u8]) -> std::io::Result<()> {
        let end = self.end + buffer.len() as u64;
        if end > self.allocated {
            let room = (end - self.allocated).next_multiple_of(ALLOCATE as u64);
            let zeros = vec![0; usize::try_from(room).unwrap_or(ALLOCATE)];
            self.file.write_at(&zeros, self.allocated)?;
            self.allocated += zeros.len() as u64;
        }
        self.file.write_at(buffer, self.end)
    }
}

impl Draft {
    /// Its size in a segment.
    fn size(&self) -> usize {
        self.lines.iter().map(|line| line.len() + HEADER).sum()
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (stream, sequence) = (&self.setup.stream, self.state.sequence);
        f.debug_struct("Writer").field("stream", stream).field("sequence", &sequence).finish_non_exhaustive()
    }
}

fn is_full(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded)
}

/// `after` from now, in whole seconds.
fn later(after: Duration) -> Timestamp {
    let now = Timestamp::now();
    let seconds = i64::try_from(after.as_secs()).unwrap_or(i64::MAX);
    Timestamp::from_second(now.as_second().saturating_add(seconds)).unwrap_or(now)
}

/// The id that Linux gives each boot: `random(4)`.
fn boot_id() -> Option<String> {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(id.trim().to_owned())
}
