//! The agent's side of the audit trail: what is recorded ([`events`]), as whom ([`origin`]), and how it gets away.
//!
//! Invariants:
//! - [`Recorder::record`] returns only when the record is on this host's disk (fdatasync), or says why it isn't.
//! - What has happened already and can't be recorded now (the end of a job while the disk is full) is held and tried again
//!   until it is kept; how many are held is told by `status`.
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
    problem: Mutex<Option<String>>,
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
            problem: Mutex::new(None),
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
                Err(NotRecorded { refusal: Refusal::new(Code::TrailUnavailable, message), is_certain })
            }
        }
    }

    /// Makes an event durable, as soon as that is possible: for what has happened already.
    pub(crate) async fn record_when_possible(&self, event: Event) -> Record {
        self.held.send_modify(|held| *held += 1);
        loop {
            match self.record(event.clone()).await {
                Ok(record) => {
                    self.held.send_modify(|held| *held -= 1);
                    return record;
                }
                Err(_) => tokio::time::sleep(RETRY).await,
            }
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
