//! The agent's side of the audit trail: what is recorded ([`events`]), as whom ([`origin`]), and how it gets away.
//!
//! Invariants:
//! - [`Recorder::record`] returns only when the record is on this host's disk (fdatasync), or says why it isn't.
//! - What has happened already and can't be recorded now (the end of a job while the disk is full) is held and tried again
//!   until it is kept; how many are held is told by `status`.
//! - A spool that failed in a way that only opening it anew can mend ends the daemon, so that it is started again.
//! - Shipping runs in the background and never stands in a job's way, except that a spool which the store does not
//!   empty fills up, and then nothing starts (`on_full = "refuse"`).

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use holdfast_audit::{Error, Event, Trail};
use tokio::sync::watch;

use crate::api::error::{Code, Refusal};
use crate::api::types::{Record, TrailStatus};

pub(crate) mod events;
pub(crate) mod origin;
pub(crate) mod ship;

/// How long a record that can't be kept waits before it is tried again.
const RETRY: Duration = Duration::from_millis(500);

/// Where every producer of this agent records.
pub(crate) struct Recorder {
    trail: Arc<Trail>,
    shipping: Arc<ship::Shipping>,
    recorded: AtomicU64,
    held: watch::Sender<usize>,
    retrying: tokio::sync::Mutex<()>,
    problem: Mutex<Option<String>>,
    is_broken: watch::Sender<bool>,
}

/// An event is not recorded.
#[derive(Debug, thiserror::Error)]
#[error("{refusal}")]
pub(crate) struct NotRecorded {
    refusal: Refusal,
    /// Whether it is sure that no trace of it is on disk.
    pub(crate) is_certain: bool,
}

impl From<NotRecorded> for Refusal {
    fn from(error: NotRecorded) -> Self {
        error.refusal
    }
}

impl Recorder {
    pub(crate) fn new(trail: Arc<Trail>, shipping: Arc<ship::Shipping>) -> Self {
        Self {
            trail,
            shipping,
            // The stream's genesis is its record 1, and on disk once the trail is open.
            recorded: AtomicU64::new(1),
            held: watch::Sender::new(0),
            retrying: tokio::sync::Mutex::default(),
            problem: Mutex::new(None),
            is_broken: watch::Sender::new(false),
        }
    }

    /// Makes an event durable.
    pub(crate) async fn record(&self, event: Event) -> Result<Record, NotRecorded> {
        let trail = self.trail.clone();
        let appended = tokio::task::spawn_blocking(move || trail.append(event)).await;
        let appended = appended.unwrap_or_else(|error| Err(Error::Thread(error.to_string())));
        match appended {
            Ok(receipt) => {
                self.recorded.fetch_max(receipt.sequence, Ordering::AcqRel);
                *self.problem() = None;
                Ok(Record { sequence: receipt.sequence, event_id: receipt.event_id, confirmed: false })
            }
            Err(error) => {
                let is_certain = !matches!(error, Error::Poisoned { .. } | Error::Thread(_));
                let message = error.to_string();
                if self.problem().replace(message.clone()).as_ref() != Some(&message) {
                    tracing::error!(%error, "an event can't be recorded: no job starts until that is put right");
                }
                if !is_certain {
                    self.is_broken.send_replace(true);
                }
                Err(NotRecorded { refusal: Refusal::new(Code::TrailUnavailable, message), is_certain })
            }
        }
    }

    /// Makes an event durable, as soon as that is possible: for what has happened already.
    pub(crate) async fn record_when_possible(&self, event: Event) -> Record {
        self.held.send_modify(|held| *held += 1);
        let record = match self.record(event.clone()).await {
            Ok(record) => record,
            Err(_) => self.record_in_turn(event).await,
        };
        self.held.send_modify(|held| *held -= 1);
        record
    }

    /// Tries until the event is kept; one at a time, or thousands that are held would try twice a second each.
    async fn record_in_turn(&self, event: Event) -> Record {
        let _turn = self.retrying.lock().await;
        loop {
            // At once, so that those who wait follow each other without a pause when there is room again.
            if let Ok(record) = self.record(event.clone()).await {
                return record;
            }
            tokio::time::sleep(RETRY).await;
        }
    }

    /// The newest record of this stream that the store has confirmed.
    pub(crate) fn confirmed(&self) -> Option<u64> {
        self.shipping.confirmed()
    }

    /// How many events are held.
    pub(crate) fn held(&self) -> usize {
        *self.held.borrow()
    }

    /// Returns when the spool takes no more records until it is opened anew.
    pub(crate) async fn wait_for_breakage(&self) {
        // The sender lives as long as `self`.
        let _ = self.is_broken.subscribe().wait_for(|is_broken| *is_broken).await;
    }

    /// Returns when no event is held.
    pub(crate) async fn wait_for_held(&self) {
        // The sender lives as long as `self`.
        let _ = self.held.subscribe().wait_for(|held| *held == 0).await;
    }

    /// How the trail is.
    pub(crate) fn status(&self) -> TrailStatus {
        TrailStatus {
            ship: self.shipping.target().to_owned(),
            stream: self.trail.stream().to_owned(),
            writer: self.trail.origin().writer.clone(),
            recorded: Some(self.recorded.load(Ordering::Acquire)),
            confirmed: self.confirmed(),
            held: self.held(),
            problem: self.problem().clone(),
            shipping_failure: self.shipping.failure(),
        }
    }

    fn problem(&self) -> MutexGuard<'_, Option<String>> {
        self.problem.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::ops::Range;
    use std::path::{Path, PathBuf};
    use std::sync::atomic::AtomicBool;

    use holdfast_audit::filesystem::{Disk, Filesystem, SegmentFile};
    use serde_json::json;

    use super::*;
    use crate::config::Audit;

    /// The machine's disk, until it fails to sync.
    struct Failing(Arc<AtomicBool>);
    struct FailingFile(Box<dyn SegmentFile>, Arc<AtomicBool>);

    impl SegmentFile for FailingFile {
        fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
            self.0.write_at(bytes, offset)
        }
        fn sync(&mut self) -> io::Result<()> {
            if self.1.load(Ordering::Acquire) { Err(io::Error::from_raw_os_error(libc::EIO)) } else { self.0.sync() }
        }
        fn truncate(&mut self, length: u64) -> io::Result<()> {
            self.0.truncate(length)
        }
    }

    impl Filesystem for Failing {
        fn create_directory(&self, path: &Path) -> io::Result<()> {
            Disk.create_directory(path)
        }
        fn list(&self, directory: &Path) -> io::Result<Vec<PathBuf>> {
            Disk.list(directory)
        }
        fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
            Disk.read(path)
        }
        fn read_range(&self, path: &Path, range: Range<u64>) -> io::Result<Vec<u8>> {
            Disk.read_range(path, range)
        }
        fn replace(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
            Disk.replace(path, bytes)
        }
        fn publish(&self, path: &Path, bytes: &[u8]) -> io::Result<bool> {
            Disk.publish(path, bytes)
        }
        fn open(&self, path: &Path) -> io::Result<Box<dyn SegmentFile>> {
            Ok(Box::new(FailingFile(Disk.open(path)?, self.0.clone())))
        }
        fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
            Disk.rename(from, to)
        }
        fn remove(&self, path: &Path) -> io::Result<()> {
            Disk.remove(path)
        }
        fn lock(&self, path: &Path) -> io::Result<Option<Box<dyn Send + Sync>>> {
            Disk.lock(path)
        }
    }

    fn recorder(dir: &Path, max_bytes: u64, fails: Arc<AtomicBool>) -> Recorder {
        let origin = origin::from_config(&Audit::default()).unwrap();
        let config = holdfast_audit::Config {
            max_bytes,
            ..holdfast_audit::Config::new(dir.join("spool"), dir.join("writer.key"), origin)
        };
        let (trail, _) = Trail::open_on(Arc::new(Failing(fails)), config).unwrap();
        Recorder::new(Arc::new(trail), Arc::new(ship::Shipping::nowhere()))
    }

    fn event() -> Event {
        events::start_agent(json!({ "text": "x".repeat(10_000) }))
    }

    #[tokio::test]
    async fn a_failed_sync_leaves_the_record_in_doubt_and_ends_the_daemon() {
        let dir = tempfile::tempdir().unwrap();
        let fails = Arc::new(AtomicBool::new(false));
        let recorder = recorder(dir.path(), 1 << 20, fails.clone());
        recorder.record(event()).await.unwrap();
        fails.store(true, Ordering::Release);
        assert!(!recorder.record(event()).await.unwrap_err().is_certain);
        recorder.wait_for_breakage().await;
        fails.store(false, Ordering::Release);
        recorder.record(event()).await.unwrap_err();
    }

    #[tokio::test]
    async fn a_full_spool_surely_has_no_trace_of_what_it_refused_and_breaks_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let recorder = recorder(dir.path(), 128 << 10, Arc::default());
        let error = loop {
            if let Err(error) = recorder.record(event()).await {
                break error;
            }
        };
        assert!(error.is_certain);
        assert!(!*recorder.is_broken.borrow());
        assert!(recorder.status().problem.unwrap().contains("full"));
    }
}
