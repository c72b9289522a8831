//! The trail: what producers call, from any thread.
//!
//! One thread owns the [writer](crate::writer). Producers leave rendered events in a queue and wait; the thread takes all that
//! wait as one batch, so that one `fdatasync` answers many (group commit).
//!
//! # Invariants
//! - [`Trail::append`] returns `Ok` only after the record is on disk.
//! - Dropping a trail without [`Trail::close`] is a crash to whoever reads it: the stream ends unclosed, and the next adopts it.

use std::collections::VecDeque;
use std::fmt;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use jiff::Timestamp;

use crate::error::{Error, Result};
use crate::filesystem::{Disk, Filesystem};
use crate::key::{Sign, WriterKey, random};
use crate::outbox::Outbox;
use crate::record::{Event, Origin, Rendered};
use crate::spool::{self, Recovery};
use crate::writer::{Setup, Writer};

/// The most events of one commit, which bounds how long the last of them waits.
const MAX_BATCH: usize = 4096;
/// The most events that wait; further producers wait to get in.
const MAX_QUEUE: usize = 16 * 1024;

/// How a trail is set up.
#[derive(Clone, Debug)]
pub struct Config {
    /// The spool's directory; made where it is missing, mode 0700.
    pub directory: PathBuf,
    /// The file of the writer's lasting key; made where it is missing, mode 0600. Its directory must be there.
    pub key: PathBuf,
    /// Whose trail it is.
    pub origin: Origin,
    /// Bytes that may wait for the store; beyond them appending fails with [`Error::Full`].
    pub max_bytes: u64,
    /// Bytes after which a segment is sealed.
    pub segment_bytes: u64,
    /// How long after one seal the next is due.
    pub seal_every: Duration,
}

impl Config {
    /// A spool in `directory` with the key at `key`, and bounds that suit a host.
    pub fn new(directory: impl Into<PathBuf>, key: impl Into<PathBuf>, origin: Origin) -> Config {
        Config {
            directory: directory.into(),
            key: key.into(),
            origin,
            max_bytes: 256 * 1024 * 1024,
            segment_bytes: 8 * 1024 * 1024,
            seal_every: Duration::from_secs(600),
        }
    }
}

/// That a record is on disk.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Receipt {
    /// Its place in the stream.
    pub sequence: u64,
    /// Its `eventID`.
    pub event_id: String,
}

/// A record on its way to the disk.
#[derive(Debug)]
#[must_use = "the record is on disk only when `wait` says so"]
pub struct Pending(Receiver<Result<Receipt>>);

impl Pending {
    /// Blocks until the record is on disk, or it is known that it isn't.
    pub fn wait(self) -> Result<Receipt> {
        self.0.recv().unwrap_or_else(|_| Err(Error::Thread("it ended without an answer".into())))
    }
}

/// An open stream of records. Shared between threads by reference.
pub struct Trail {
    queue: Arc<Queue>,
    origin: Arc<Origin>,
    stream: String,
    outbox: Mutex<Option<Outbox>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    fingerprint: String,
}

impl Trail {
    /// Opens the spool, recovers what a crash left, and starts a new stream, whose genesis is on disk when this returns.
    pub fn open(config: Config) -> Result<(Trail, Recovery)> {
        Trail::open_on(Arc::new(Disk), config)
    }

    /// The same on another file system.
    pub fn open_on(filesystem: Arc<dyn Filesystem>, config: Config) -> Result<(Trail, Recovery)> {
        config.origin.check()?;
        let opened = spool::open(Arc::clone(&filesystem), &config.directory, &config.origin)?;
        let key = WriterKey::open(&*filesystem, &config.key)?;
        let stream = new_stream()?;
        let setup = Setup {
            origin: config.origin.clone(),
            stream: stream.clone(),
            spool: opened.cursor.spool.clone(),
            max_bytes: config.max_bytes,
            segment_bytes: config.segment_bytes,
            seal_every: config.seal_every,
            next_ordinal: opened.next_ordinal,
        };
        let previous = opened.recovery.previous.clone();
        let writer = Writer::start(setup, Arc::clone(&opened.shared), &key, previous)?;
        let queue = Arc::new(Queue::default());
        let thread = {
            let queue = Arc::clone(&queue);
            std::thread::Builder::new()
                .name("audit-writer".into())
                .spawn(move || queue.serve(writer))
                .map_err(|error| Error::Thread(error.to_string()))?
        };
        let trail = Trail {
            queue,
            origin: Arc::new(config.origin),
            stream: stream.clone(),
            outbox: Mutex::new(Some(Outbox::new(opened.shared, opened.cursor))),
            thread: Mutex::new(Some(thread)),
            fingerprint: key.public().fingerprint(),
        };
        Ok((trail, Recovery { stream, ..opened.recovery }))
    }

    /// Records an event; returns once it is on disk.
    pub fn append(&self, event: Event) -> Result<Receipt> {
        self.submit(event)?.wait()
    }

    /// Hands an event over without waiting for the disk. Blocks only while very many wait.
    pub fn submit(&self, event: Event) -> Result<Pending> {
        let rendered = event.render(&self.origin)?;
        let (reply, pending) = sync_channel(1);
        self.queue.push(Item::Append(rendered, reply))?;
        Ok(Pending(pending))
    }

    /// Ends the stream with a signed close, after all that was handed over before.
    pub fn close(&self) -> Result<Receipt> {
        let (reply, pending) = sync_channel(1);
        self.queue.push(Item::Close(reply))?;
        Pending(pending).wait()
    }

    /// What waits to be shipped. There is one; `None` once it was taken.
    pub fn outbox(&self) -> Option<Outbox> {
        self.outbox.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// The stream's id.
    pub fn stream(&self) -> &str {
        &self.stream
    }

    /// Whose trail it is.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The fingerprint of the writer's lasting key, to compare with a trust file.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }
}

impl Drop for Trail {
    fn drop(&mut self) {
        self.queue.end();
        if let Some(thread) = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // A panic there was answered to each producer as `Error::Thread`.
            drop(thread.join());
        }
    }
}

impl fmt::Debug for Trail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trail").field("stream", &self.stream).field("key", &self.fingerprint).finish_non_exhaustive()
    }
}

enum Item {
    Append(Rendered, SyncSender<Result<Receipt>>),
    Close(SyncSender<Result<Receipt>>),
}

#[derive(Default)]
struct Waiting {
    items: VecDeque<Item>,
    ended: bool,
}

/// Between the producers and the writer's thread.
#[derive(Default)]
struct Queue {
    waiting: Mutex<Waiting>,
    filled: Condvar,
    drained: Condvar,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, item: Item) -> Result<()> {
        let mut waiting = self
            .drained
            .wait_while(self.lock(), |waiting| waiting.items.len() >= MAX_QUEUE && !waiting.ended)
            .unwrap_or_else(PoisonError::into_inner);
        if waiting.ended {
            return Err(Error::Thread("it has ended".into()));
        }
        waiting.items.push_back(item);
        self.filled.notify_one();
        Ok(())
    }

    fn end(&self) {
        self.lock().ended = true;
        self.filled.notify_all();
        self.drained.notify_all();
    }

    /// The writer's thread: until the trail is dropped and nothing waits.
    fn serve(&self, mut writer: Writer) {
        // However this thread ends, nobody may wait for it.
        let _ends = Ends(self);
        loop {
            let items = match self.take(until(writer.due())) {
                Taken::Items(items) => items,
                Taken::Nothing => Vec::new(),
                Taken::Ended => return,
            };
            handle(&mut writer, items);
            if Timestamp::now() >= writer.due() {
                match writer.seal() {
                    Ok(()) | Err(Error::Closed | Error::Poisoned { .. }) => {}
                    Err(error) => tracing::error!(%error, "a seal is due and can't be written"),
                }
                writer.postpone();
            }
        }
    }

    fn take(&self, timeout: Duration) -> Taken {
        let (mut waiting, _) = self
            .filled
            .wait_timeout_while(self.lock(), timeout, |waiting| waiting.items.is_empty() && !waiting.ended)
            .unwrap_or_else(PoisonError::into_inner);
        if waiting.items.is_empty() {
            return if waiting.ended { Taken::Ended } else { Taken::Nothing };
        }
        let count = waiting.items.len().min(MAX_BATCH);
        let items = waiting.items.drain(..count).collect();
        self.drained.notify_all();
        Taken::Items(items)
    }
}

enum Taken {
    Items(Vec<Item>),
    Nothing,
    Ended,
}

/// Ends the queue when the thread does, also by a panic: then the replies that it held are dropped, which answers them.
struct Ends<'a>(&'a Queue);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.end();
        self.0.lock().items.clear();
    }
}

/// Commits what was taken, in order: all up to a close as one batch.
fn handle(writer: &mut Writer, items: Vec<Item>) {
    let (mut events, mut replies) = (Vec::new(), Vec::new());
    for item in items {
        match item {
            Item::Append(event, reply) => {
                events.push(event);
                replies.push(reply);
            }
            Item::Close(reply) => {
                commit(writer, &mut events, &mut replies);
                answer(&reply, writer.close());
            }
        }
    }
    commit(writer, &mut events, &mut replies);
}

fn commit(writer: &mut Writer, events: &mut Vec<Rendered>, replies: &mut Vec<SyncSender<Result<Receipt>>>) {
    if events.is_empty() {
        return;
    }
    for (reply, result) in replies.drain(..).zip(writer.append(events)) {
        answer(&reply, result);
    }
    events.clear();
}

/// A producer may have gone away; its record stays all the same.
fn answer(reply: &SyncSender<Result<Receipt>>, result: Result<Receipt>) {
    drop(reply.try_send(result));
}

fn until(due: Timestamp) -> Duration {
    Duration::try_from(due.duration_since(Timestamp::now())).unwrap_or(Duration::ZERO)
}

/// A stream's id: sorts by time, and can't be guessed or met twice.
fn new_stream() -> Result<String> {
    let mut nonce = [0; 8];
    random(&mut nonce)?;
    Ok(format!("{}-{}", Timestamp::now().strftime("%Y%m%dT%H%M%SZ"), hex::encode(nonce)))
}
