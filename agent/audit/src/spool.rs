//! The spool: a directory of segments between the producers and the store.
//!
//! # Layout
//! ```text
//! lock                        held by the one process that has the spool open
//! cursor.json                 what the store has confirmed, see cursor
//! 00000000000000000001.segment …
//! set-aside/                  what could not be trusted, kept for a person to look at
//! ```
//!
//! # Opening
//! 1. The lock is taken, or [`Error::Locked`].
//! 2. What belongs to another writer (a restored snapshot, another identity) is set aside: it can't be shipped under this one's
//!    prefix, and its chain is not this one's.
//! 3. Each segment is read by the frame rule ([`crate::frame`]). A torn tail of the newest is cut. Damage is never cut: the
//!    records before it are shipped, then the file is set aside; a file without a readable header is set aside at once.
//! 4. What the store has confirmed is removed.
//! 5. The last stream's head is handed to the genesis of the new one.
//!
//! # Invariants
//! - A segment is removed only after the cursor that says so is durable.
//! - Segments leave in the order in which they came.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::chain::Hash;
use crate::cursor::{self, Cursor, Position};
use crate::error::{Error, Result};
use crate::filesystem::{Filesystem, STAGED};
use crate::frame::{Salt, Tail};
use crate::record::Origin;
use crate::seal::Ended;
use crate::segment::{self, End, Found};

const SET_ASIDE: &str = "set-aside";
const LOCK: &str = "lock";

/// What was found when the spool was opened.
#[derive(Clone, Debug, Default)]
pub struct Recovery {
    /// The new stream.
    pub stream: String,
    /// The stream before; not closed if its process was killed, and then adopted.
    pub previous: Option<Ended>,
    /// Files whose unfinished last batch was cut: nothing in it had been acknowledged.
    pub torn: Vec<PathBuf>,
    /// Files with damage, and what it is. They are kept.
    pub damaged: Vec<(PathBuf, String)>,
    /// Files of another writer, where they are now.
    pub foreign: Vec<PathBuf>,
    /// Records that wait to be shipped.
    pub pending: u64,
}

/// A segment in the spool.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    pub(crate) ordinal: u64,
    pub(crate) path: PathBuf,
    pub(crate) salt: Salt,
    pub(crate) stream: String,
    pub(crate) origin: Arc<Origin>,
    /// The last durable record, and the chain's value after it.
    pub(crate) last: u64,
    pub(crate) head: Hash,
    /// Where the durable frames end.
    pub(crate) end: u64,
    /// Whether nothing more will be appended.
    pub(crate) finished: bool,
    /// Whether the stream ended here with a signed close.
    pub(crate) closed: bool,
    /// Whether the file is kept after it was shipped.
    pub(crate) damaged: bool,
    /// The first record that was not confirmed, and where its frame starts.
    pub(crate) next: u64,
    pub(crate) offset: u64,
}

impl Stored {
    pub(crate) fn ended(&self) -> Ended {
        Ended { stream: self.stream.clone(), sequence: self.last, head: self.head, closed: self.closed }
    }
}

/// What the writer's thread and the outbox share.
pub(crate) struct Shared {
    pub(crate) filesystem: Arc<dyn Filesystem>,
    pub(crate) directory: PathBuf,
    pub(crate) segments: Mutex<VecDeque<Stored>>,
    wake: Mutex<Option<Box<dyn Fn() + Send + Sync>>>,
    _lock: Box<dyn Send + Sync>,
}

impl Shared {
    pub(crate) fn segments(&self) -> MutexGuard<'_, VecDeque<Stored>> {
        // The list is only ever changed in whole steps, so a panic elsewhere leaves it right.
        self.segments.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes that the store has not confirmed.
    pub(crate) fn used(&self) -> u64 {
        self.segments().iter().map(|segment| segment.end).sum()
    }

    pub(crate) fn set_wake(&self, wake: Box<dyn Fn() + Send + Sync>) {
        *self.wake.lock().unwrap_or_else(PoisonError::into_inner) = Some(wake);
    }

    pub(crate) fn wake(&self) {
        if let Some(wake) = &*self.wake.lock().unwrap_or_else(PoisonError::into_inner) {
            wake();
        }
    }

    /// Removes a segment that was shipped, or sets it aside if it is damaged.
    pub(crate) fn retire(&self, segment: &Stored) -> Result<()> {
        if segment.damaged {
            set_aside(&*self.filesystem, &self.directory, &segment.path).map(drop)
        } else {
            self.filesystem.remove(&segment.path).map_err(Error::io("remove", &segment.path))
        }
    }
}

/// A spool that was opened and has no stream yet.
pub(crate) struct Opened {
    pub(crate) shared: Arc<Shared>,
    pub(crate) cursor: Cursor,
    pub(crate) recovery: Recovery,
    /// The ordinal for the next segment.
    pub(crate) next_ordinal: u64,
}

/// Opens the spool of `origin` in `directory`, as the module says.
pub(crate) fn open(filesystem: Arc<dyn Filesystem>, directory: &Path, origin: &Origin) -> Result<Opened> {
    filesystem.create_directory(directory).map_err(Error::io("make", directory))?;
    let lock_path = directory.join(LOCK);
    let lock = filesystem
        .lock(&lock_path)
        .map_err(Error::io("lock", lock_path))?
        .ok_or_else(|| Error::Locked { path: directory.into() })?;
    let mut recovery = Recovery::default();
    let owner = [origin.organization.clone(), origin.account.clone(), origin.writer.clone()];
    let mut cursor = own_cursor(&*filesystem, directory, &owner, &mut recovery)?;
    let files = list(&*filesystem, directory)?;
    let mut next_ordinal = cursor.confirmed.map_or(0, |position| position.segment) + 1;
    let mut found = Vec::new();
    for path in files {
        let Some(ordinal) = segment::ordinal(&path) else { continue };
        next_ordinal = next_ordinal.max(ordinal + 1);
        if let Some(segment) = admit(&*filesystem, directory, &path, &owner, &mut recovery)? {
            found.push((ordinal, path, segment));
        }
    }
    let mut segments = judge(&*filesystem, found, cursor.confirmed, &mut recovery)?;
    recovery.previous = segments.back().map(Stored::ended).or(cursor.ended.clone());
    drop_confirmed(&*filesystem, directory, &mut segments, &mut cursor)?;
    recovery.pending = segments.iter().map(|segment| segment.last + 1 - segment.next).sum();
    cursor.write(&*filesystem, directory)?;
    let shared = Shared {
        filesystem,
        directory: directory.into(),
        segments: Mutex::new(segments),
        wake: Mutex::new(None),
        _lock: lock,
    };
    Ok(Opened { shared: Arc::new(shared), cursor, recovery, next_ordinal })
}

/// The spool's cursor, or a new one; another writer's is set aside.
fn own_cursor(
    filesystem: &dyn Filesystem,
    directory: &Path,
    owner: &[String; 3],
    recovery: &mut Recovery,
) -> Result<Cursor> {
    match Cursor::read(filesystem, directory)? {
        Some(cursor) if cursor.owner == *owner => Ok(cursor),
        Some(_) => {
            recovery.foreign.push(set_aside(filesystem, directory, &directory.join(cursor::FILE))?);
            Cursor::new(owner.clone())
        }
        None => Cursor::new(owner.clone()),
    }
}

/// The files in the spool, sorted; those that a crash left half made are removed.
fn list(filesystem: &dyn Filesystem, directory: &Path) -> Result<Vec<PathBuf>> {
    let mut files = filesystem.list(directory).map_err(Error::io("list", directory))?;
    files.sort();
    for path in &files {
        if path.as_os_str().as_encoded_bytes().ends_with(STAGED.as_bytes()) {
            filesystem.remove(path).map_err(Error::io("remove", path))?;
        }
    }
    Ok(files)
}

/// Reads one segment; `None` if it was set aside or is empty.
fn admit(
    filesystem: &dyn Filesystem,
    directory: &Path,
    path: &Path,
    owner: &[String; 3],
    recovery: &mut Recovery,
) -> Result<Option<Found>> {
    let Some(found) = Found::read(filesystem, path)? else {
        let kept = set_aside(filesystem, directory, path)?;
        recovery.damaged.push((kept, "its header does not read".into()));
        return Ok(None);
    };
    let origin = &found.header.meta.origin;
    if [&origin.organization, &origin.account, &origin.writer] != [&owner[0], &owner[1], &owner[2]] {
        recovery.foreign.push(set_aside(filesystem, directory, path)?);
        return Ok(None);
    }
    if found.scan.frames.is_empty() && !found.is_corrupt() {
        // Made for a batch that was never acknowledged.
        filesystem.remove(path).map_err(Error::io("remove", path))?;
        return Ok(None);
    }
    Ok(Some(found))
}

/// Tells torn from damaged, cuts what is torn, and lists what is left.
fn judge(
    filesystem: &dyn Filesystem,
    found: Vec<(u64, PathBuf, Found)>,
    confirmed: Option<Position>,
    recovery: &mut Recovery,
) -> Result<VecDeque<Stored>> {
    let mut segments = VecDeque::with_capacity(found.len());
    let count = found.len();
    let mut before: Option<(String, u64, Hash)> = None;
    for (index, (ordinal, path, segment)) in found.into_iter().enumerate() {
        let newest = index + 1 == count;
        let damage = damage(&segment, newest, before.as_ref());
        if let Some(damage) = &damage {
            tracing::error!(path = %path.display(), damage, "a segment of the audit spool is damaged and kept");
            recovery.damaged.push((path.clone(), damage.clone()));
        } else if segment.scan.tail == Tail::Torn {
            let mut file = filesystem.open(&path).map_err(Error::io("open", &path))?;
            file.truncate(segment.scan.end as u64).map_err(Error::io("cut", &path))?;
            recovery.torn.push(path.clone());
        }
        let meta = segment.header.meta;
        // What follows a segment that the store has may be gone already: removals can fail.
        let gone = confirmed >= Some(Position { segment: ordinal, sequence: segment.last });
        before = (!gone).then(|| (meta.stream.clone(), segment.last, segment.head));
        segments.push_back(Stored {
            ordinal,
            path,
            salt: segment.header.salt,
            stream: meta.stream,
            origin: Arc::new(meta.origin),
            last: segment.last,
            head: segment.head,
            end: segment.scan.end as u64,
            finished: true,
            closed: segment.end == End::Closed,
            damaged: damage.is_some(),
            next: meta.first,
            offset: segment.header.length as u64,
        });
    }
    Ok(segments)
}

/// What is wrong with a segment, beyond a tail that a crash may leave.
fn damage(segment: &Found, newest: bool, before: Option<&(String, u64, Hash)>) -> Option<String> {
    if let Tail::Corrupt(offset) = segment.scan.tail {
        let last = segment.last;
        return Some(format!("the frame at byte {offset}, after record {last}, does not read, and later ones do"));
    }
    // An older segment was whole once: sealed, or cut and adopted.
    if segment.scan.tail == Tail::Torn && !newest && segment.end == End::Open {
        return Some(format!("what follows record {} does not read", segment.last));
    }
    let meta = &segment.header.meta;
    match before {
        Some((stream, last, head)) if *stream == meta.stream && (last + 1, *head) != (meta.first, meta.previous) => {
            Some(format!("it starts with record {} and does not continue record {last}", meta.first))
        }
        _ => None,
    }
}

/// Removes what the store has, and notes where to go on.
fn drop_confirmed(
    filesystem: &dyn Filesystem,
    directory: &Path,
    segments: &mut VecDeque<Stored>,
    cursor: &mut Cursor,
) -> Result<()> {
    let Some(confirmed) = cursor.confirmed else { return Ok(()) };
    while let Some(segment) = segments.front() {
        let end = Position { segment: segment.ordinal, sequence: segment.last };
        if end > confirmed {
            break;
        }
        cursor.ended = Some(segment.ended());
        cursor.write(filesystem, directory)?;
        if segment.damaged {
            set_aside(filesystem, directory, &segment.path)?;
        } else {
            filesystem.remove(&segment.path).map_err(Error::io("remove", &segment.path))?;
        }
        segments.pop_front();
    }
    if let Some(segment) = segments.front_mut().filter(|segment| segment.ordinal == confirmed.segment) {
        skip_to(filesystem, segment, confirmed.sequence + 1)?;
    }
    Ok(())
}

/// Moves a segment's reading place to record `next`.
fn skip_to(filesystem: &dyn Filesystem, segment: &mut Stored, next: u64) -> Result<()> {
    let bytes = filesystem.read_range(&segment.path, 0..segment.end).map_err(Error::io("read", &segment.path))?;
    while segment.next < next {
        let frame = usize::try_from(segment.offset)
            .ok()
            .and_then(|offset| crate::frame::decode(&bytes, offset, &segment.salt))
            .ok_or_else(|| Error::damaged(&segment.path, format!("record {} does not read", segment.next)))?;
        segment.offset = frame.payload.end as u64;
        segment.next += 1;
    }
    Ok(())
}

/// Moves a file out of the way, never over another.
fn set_aside(filesystem: &dyn Filesystem, directory: &Path, path: &Path) -> Result<PathBuf> {
    let aside = directory.join(SET_ASIDE);
    filesystem.create_directory(&aside).map_err(Error::io("make", &aside))?;
    let taken = filesystem.list(&aside).map_err(Error::io("list", &aside))?;
    let name = path.file_name().unwrap_or_default();
    let mut target = aside.join(name);
    let mut number = 1;
    while taken.contains(&target) {
        let mut numbered = name.to_owned();
        numbered.push(format!(".{number}"));
        target = aside.join(numbered);
        number += 1;
    }
    filesystem.rename(path, &target).map_err(Error::io("set aside", path))?;
    Ok(target)
}
