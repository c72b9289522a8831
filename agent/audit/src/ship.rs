//! Shipping: from the spool into a store in another account, one object at a time, in order.
//!
//! # What an answer means
//! | answer to a put with `If-None-Match: *` | meaning |
//! |---|---|
//! | 200 | confirmed |
//! | 412, and an earlier try may have arrived | confirmed: the key holds the SHA-256 of the bytes, so what is there is ours |
//! | 412 to a first try | a finding: someone put it before us; nothing more is shipped |
//! | 409 | another conditional put was under way: try again |
//! | 401, 403, 404 | refused, or no such bucket: told to whoever waits, tried again at length, since someone may mend it |
//! | anything else, or none | unknown: try again, and from then on a 412 confirms |
//!
//! # Invariants
//! - The cursor moves only on "confirmed". `object_store`'s own retries are off: it would hide whether a try was the first.
//! - Objects go in order, so the store never has a record without all before it.

mod credentials;
mod destination;

use std::sync::Arc;
use std::time::Duration;

use object_store::path::Path;
use object_store::{Error as StoreError, ObjectStore, PutMode, PutOptions, PutPayload};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

pub use destination::Destination;

use crate::error::Error;
use crate::outbox::{Batch, Outbox};
use crate::trail::Trail;

/// The first wait after a failed try; doubled each time.
const FIRST_BACKOFF: Duration = Duration::from_millis(200);
/// The longest wait between tries.
const LONGEST_BACKOFF: Duration = Duration::from_secs(30);

/// Why records did not get into the store.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ShipError {
    /// The address is none that records can be shipped to.
    #[error("{url:?} is no store for the trail: {reason}; s3://bucket or file:///directory is expected")]
    Destination {
        /// What was given.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The client could not be made.
    #[error("can't reach {store}: {reason}")]
    Client {
        /// The store.
        store: String,
        /// What failed.
        reason: String,
    },
    /// The trail's outbox was taken before.
    #[error("this trail is being shipped already")]
    Taken,
    /// The store refuses.
    #[error(
        "{store} refuses records of the trail: {reason}; check that its policy lets this writer put below its own prefix"
    )]
    Refused {
        /// The store.
        store: String,
        /// What it said.
        reason: String,
    },
    /// There is no such store.
    #[error("there is no {store}")]
    Missing {
        /// The store.
        store: String,
    },
    /// An object was there before the first try.
    #[error(
        "{store} had {key} before it was shipped: someone else writes as this writer; look at it with `provision audit verify`"
    )]
    Foreign {
        /// The store.
        store: String,
        /// The object's key.
        key: String,
    },
    /// The store did not confirm in time.
    #[error("{store} has not confirmed record {sequence} within {seconds} s{}", .last.as_ref().map(|last| format!(": {last}")).unwrap_or_default())]
    Unconfirmed {
        /// The store.
        store: String,
        /// The record.
        sequence: u64,
        /// How long it was waited for.
        seconds: u64,
        /// The last failure.
        last: Option<String>,
    },
    /// The spool failed.
    #[error(transparent)]
    Spool(#[from] Error),
    /// The task is gone.
    #[error("the task that ships the trail has ended")]
    Ended,
}

/// What the store has, of the trail's own stream.
#[derive(Clone, Debug, Default)]
pub struct Status {
    /// The last record that the store confirmed.
    pub confirmed: u64,
    /// The failure of the last try, until one succeeds.
    pub failure: Option<ShipError>,
}

/// Ships a trail in the background until it is dropped.
#[derive(Debug)]
pub struct Shipper {
    status: watch::Receiver<Status>,
    hurry: Arc<Notify>,
    task: JoinHandle<()>,
    store: String,
}

impl Shipper {
    /// Starts to ship what is in the trail's spool and all that follows. Records wait up to `linger` for others to share an
    /// object with, unless someone waits for their confirmation or they fill one. Must be called within a tokio runtime.
    pub fn start(trail: &Trail, destination: Destination, linger: Duration) -> Result<Shipper, ShipError> {
        let outbox = trail.outbox().ok_or(ShipError::Taken)?;
        let appended = Arc::new(Notify::new());
        let hurry = Arc::new(Notify::new());
        outbox.on_append({
            let appended = Arc::clone(&appended);
            move || appended.notify_one()
        });
        let (sender, status) = watch::channel(Status::default());
        let name = destination.name().to_owned();
        let ship = Ship {
            store: destination.into_store(),
            name: name.clone(),
            stream: trail.stream().to_owned(),
            status: sender,
            appended,
            hurry: Arc::clone(&hurry),
            linger,
        };
        Ok(Shipper { status, hurry, task: tokio::spawn(ship.run(outbox)), store: name })
    }

    /// Returns once the store has confirmed everything up to the record with this sequence; fails when the store refuses, or
    /// after `within`.
    pub async fn confirm(&self, sequence: u64, within: Duration) -> Result<(), ShipError> {
        let mut status = self.status.clone();
        self.hurry.notify_one();
        let decided = |status: &Status| {
            let refused = matches!(
                status.failure,
                Some(
                    ShipError::Refused { .. }
                        | ShipError::Missing { .. }
                        | ShipError::Foreign { .. }
                        | ShipError::Spool(_)
                )
            );
            status.confirmed >= sequence || refused
        };
        let waited = timeout(within, status.wait_for(decided)).await;
        match waited {
            Ok(Ok(status)) if status.confirmed >= sequence => Ok(()),
            Ok(Ok(status)) => Err(status.failure.clone().unwrap_or(ShipError::Ended)),
            Ok(Err(_)) => Err(ShipError::Ended),
            Err(_) => {
                let last = self.status.borrow().failure.as_ref().map(ToString::to_string);
                Err(ShipError::Unconfirmed { store: self.store.clone(), sequence, seconds: within.as_secs(), last })
            }
        }
    }

    /// Stops shipping and lets go of the spool. What was not confirmed is shipped by the next process.
    pub async fn stop(mut self) {
        self.task.abort();
        // An aborted task ends with an error that says so.
        drop((&mut self.task).await);
    }

    /// What the store has now.
    pub fn status(&self) -> Status {
        self.status.borrow().clone()
    }
}

impl Drop for Shipper {
    fn drop(&mut self) {
        // What it had under way is noted in the spool, and is shipped, byte for byte, by the next.
        self.task.abort();
    }
}

/// The task's own state.
struct Ship {
    store: Arc<dyn ObjectStore>,
    name: String,
    stream: String,
    status: watch::Sender<Status>,
    appended: Arc<Notify>,
    hurry: Arc<Notify>,
    linger: Duration,
}

/// What one try came to.
enum Answer {
    Confirmed,
    /// It may or may not have arrived.
    Unknown(String),
    /// It did not arrive; the store will take it later.
    Conflict(String),
    Refused(String),
    Missing,
    Foreign,
}

impl Ship {
    async fn run(self, mut outbox: Outbox) {
        let mut backoff = FIRST_BACKOFF;
        // When the last object was put, and whether it was full, so that more waits already.
        let mut put: Option<(Instant, bool)> = None;
        loop {
            if let Some((at, false)) = put.take() {
                self.linger_until(at + self.linger).await;
            }
            let next;
            (outbox, next) = match blocking(outbox, Outbox::next).await {
                Some(done) => done,
                None => return,
            };
            match next {
                Ok(None) => self.wait_for_more().await,
                Ok(Some(batch)) => {
                    if !self.deliver(&batch).await {
                        return;
                    }
                    let (stream, last) = (batch.stream.clone(), batch.last);
                    put = Some((Instant::now(), batch.full));
                    let confirmed;
                    (outbox, confirmed) = match blocking(outbox, move |outbox| outbox.confirm(&batch)).await {
                        Some(done) => done,
                        None => return,
                    };
                    match confirmed {
                        Ok(()) => self.confirmed(&stream, last),
                        Err(error) => return self.failed(ShipError::Spool(error)),
                    }
                    backoff = FIRST_BACKOFF;
                }
                Err(error) => {
                    self.failed(ShipError::Spool(error));
                    sleep(jittered(backoff)).await;
                    backoff = (backoff * 2).min(LONGEST_BACKOFF);
                }
            }
        }
    }

    /// Waits until there is something, and then a little for more of it.
    async fn wait_for_more(&self) {
        self.appended.notified().await;
        self.linger_until(Instant::now() + self.linger).await;
    }

    /// Waits, unless someone waits for a confirmation.
    async fn linger_until(&self, until: Instant) {
        tokio::select! {
            () = tokio::time::sleep_until(until) => {}
            () = self.hurry.notified() => {}
        }
    }

    /// Tries until the store has the batch; false if it never may.
    async fn deliver(&self, batch: &Batch) -> bool {
        let (mut repeated, mut backoff) = (batch.repeated, FIRST_BACKOFF);
        loop {
            let (failure, wait) = match self.put(batch, repeated).await {
                Answer::Confirmed => return true,
                Answer::Unknown(reason) => {
                    repeated = true;
                    (self.away(reason), jittered(backoff))
                }
                Answer::Conflict(reason) => (self.away(reason), jittered(backoff)),
                Answer::Refused(reason) => {
                    (ShipError::Refused { store: self.name.clone(), reason }, jittered(LONGEST_BACKOFF))
                }
                Answer::Missing => (ShipError::Missing { store: self.name.clone() }, jittered(LONGEST_BACKOFF)),
                Answer::Foreign => {
                    let key = batch.object.key.clone();
                    self.failed(ShipError::Foreign { store: self.name.clone(), key });
                    return false;
                }
            };
            self.failed(failure);
            sleep(wait).await;
            backoff = (backoff * 2).min(LONGEST_BACKOFF);
        }
    }

    async fn put(&self, batch: &Batch, repeated: bool) -> Answer {
        let path = match Path::parse(&batch.object.key) {
            Ok(path) => path,
            Err(error) => return Answer::Refused(error.to_string()),
        };
        let payload = PutPayload::from(batch.object.bytes.clone());
        let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
        match self.store.put_opts(&path, payload, options).await {
            Ok(_) => Answer::Confirmed,
            Err(error) => classify(error, repeated),
        }
    }

    fn away(&self, reason: String) -> ShipError {
        ShipError::Client { store: self.name.clone(), reason }
    }

    fn confirmed(&self, stream: &str, last: u64) {
        self.status.send_modify(|status| {
            status.failure = None;
            if stream == self.stream {
                status.confirmed = last;
            }
        });
    }

    fn failed(&self, failure: ShipError) {
        self.status.send_modify(|status| {
            // Who waits is told by `confirm`; that a store is away for one try is no news to others.
            if status.failure.replace(failure.clone()).is_some() {
                tracing::warn!(%failure, "records of the trail are still not shipped");
            } else {
                tracing::info!(%failure, "records of the trail are not shipped at the first try");
            }
        });
    }
}

/// The table of the module.
fn classify(error: StoreError, repeated: bool) -> Answer {
    match error {
        StoreError::AlreadyExists { source, path } => {
            // object_store has one variant for 412 (which it wraps in `Precondition`) and 409 (which it does not); the
            // directory says `AlreadyExists` of the system's error.
            let exists = match source.downcast_ref::<StoreError>() {
                Some(StoreError::Precondition { .. } | StoreError::NotModified { .. }) => true,
                Some(_) => false,
                None => source.downcast_ref::<std::io::Error>().is_some(),
            };
            match (exists, repeated) {
                (true, true) => Answer::Confirmed,
                (true, false) => Answer::Foreign,
                (false, _) => Answer::Conflict(format!("a put of {path} was under way already")),
            }
        }
        StoreError::PermissionDenied { .. } | StoreError::Unauthenticated { .. } => Answer::Refused(brief(&error)),
        // A put names no object that could be missing: it is the bucket.
        StoreError::NotFound { .. } => Answer::Missing,
        _ => Answer::Unknown(brief(&error)),
    }
}

/// An error and its causes in one line, without the pages of XML that some answers carry.
fn brief(error: &dyn std::error::Error) -> String {
    let text = error.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
    text.chars().take(400).collect()
}

/// Between half and all of `wait`, so that many hosts don't try in step.
fn jittered(wait: Duration) -> Duration {
    wait.mul_f64(0.5 + rand::random::<f64>() / 2.0)
}

/// Runs what reads and syncs files away from the runtime's threads; `None` if the runtime ends.
async fn blocking<T: Send + 'static>(
    mut outbox: Outbox,
    work: impl FnOnce(&mut Outbox) -> T + Send + 'static,
) -> Option<(Outbox, T)> {
    let task = tokio::task::spawn_blocking(move || {
        let result = work(&mut outbox);
        (outbox, result)
    });
    task.await.ok()
}
