//! One job: what is known of it, from the request to the end.
//!
//! A job's state only goes forward, starting → running → ended, and whoever waits is told by a watch channel. The
//! sandbox itself belongs to the task that supervises it; others reach it through the job's queue of signals.

use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use tokio::sync::{mpsc, watch};

use super::leftovers::Marker;
use super::log::JobLog;
use crate::api::error::{Code, Refusal};
use crate::api::types::{self, JobResult, Limits, Owner, Record, Records, State};

/// Signals that wait for a sandbox; more than these can't be told apart by any program.
const MAX_SIGNALS: usize = 16;

/// A job that the agent remembers.
pub(crate) struct Job {
    id: String,
    program: String,
    args: Vec<String>,
    owner: Owner,
    limits: Limits,
    remove: bool,
    created: Timestamp,
    changing: Mutex<Changing>,
    state: watch::Sender<State>,
    log: Mutex<JobLog>,
    signals: mpsc::Sender<i32>,
}

#[derive(Default)]
struct Changing {
    started: Option<Timestamp>,
    ended: Option<Timestamp>,
    pid: Option<i32>,
    warnings: Vec<String>,
    result: Option<JobResult>,
    records: Records,
}

/// What is fixed when a job is asked for.
pub(crate) struct NewJob {
    pub(crate) id: String,
    pub(crate) program: String,
    pub(crate) args: Vec<String>,
    pub(crate) owner: Owner,
    pub(crate) limits: Limits,
    pub(crate) remove: bool,
    pub(crate) log_bytes: usize,
}

impl Job {
    /// A job that is starting, and the queue of signals for who supervises it.
    pub(crate) fn new(new: NewJob) -> (Self, mpsc::Receiver<i32>) {
        let (signals, queue) = mpsc::channel(MAX_SIGNALS);
        let job = Self {
            id: new.id,
            program: new.program,
            args: new.args,
            owner: new.owner,
            limits: new.limits,
            remove: new.remove,
            created: Timestamp::now(),
            changing: Mutex::default(),
            state: watch::Sender::new(State::Starting),
            log: Mutex::new(JobLog::new(new.log_bytes)),
            signals,
        };
        (job, queue)
    }

    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    pub(crate) fn owner(&self) -> &Owner {
        &self.owner
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// What the next agent should know if this one dies.
    pub(crate) fn marker(&self) -> Marker {
        Marker { id: self.id.clone(), program: self.program.clone(), owner: self.owner.clone(), created: self.created }
    }

    /// Whether it is to be forgotten when it has ended.
    pub(crate) fn is_to_be_removed(&self) -> bool {
        self.remove
    }

    pub(crate) fn has_ended(&self) -> bool {
        *self.state.borrow() == State::Ended
    }

    pub(crate) fn log(&self) -> MutexGuard<'_, JobLog> {
        // A panic while the lock was held left no half-made log: each push is complete or did not begin.
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn changing(&self) -> MutexGuard<'_, Changing> {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The sandbox is there.
    pub(crate) fn started(&self, pid: i32, warnings: Vec<String>) {
        {
            let mut changing = self.changing();
            changing.started = Some(Timestamp::now());
            changing.pid = Some(pid);
            changing.warnings = warnings;
        }
        self.state.send_replace(State::Running);
    }

    /// It is over.
    pub(crate) fn ended(&self, result: JobResult, at: Timestamp) {
        {
            let mut changing = self.changing();
            changing.ended = Some(at);
            changing.pid = None;
            changing.result = Some(result);
        }
        self.state.send_replace(State::Ended);
    }

    pub(crate) fn start_recorded(&self, record: Record) {
        self.changing().records.start = Some(record);
    }

    pub(crate) fn end_recorded(&self, record: Record) {
        self.changing().records.end = Some(record);
    }

    /// Queues a signal for the program.
    pub(crate) fn signal(&self, number: i32) -> Result<(), Refusal> {
        let refuse = |message: &str| Err(Refusal::new(Code::WrongState, format!("job {}: {message}", self.id)));
        if self.has_ended() {
            return refuse("it has ended");
        }
        match self.signals.try_send(number) {
            Ok(()) => Ok(()),
            Err(mpsc::error::TrySendError::Full(_)) => refuse("too many signals wait for it; try again"),
            Err(mpsc::error::TrySendError::Closed(_)) => refuse("it has ended"),
        }
    }

    /// Queues SIGKILL behind whatever waits for the program; false if it has ended.
    pub(crate) async fn kill(&self) -> bool {
        self.signals.send(libc::SIGKILL).await.is_ok()
    }

    /// Returns when the job has ended.
    pub(crate) async fn wait(&self) {
        // The sender lives as long as `self`.
        let _ = self.state.subscribe().wait_for(|state| *state == State::Ended).await;
    }

    /// The job as callers see it. `confirmed` is the newest record that the store has.
    pub(crate) fn view(&self, confirmed: Option<u64>) -> types::Job {
        let log = self.log().sizes();
        let state = *self.state.borrow();
        let changing = self.changing();
        let confirm = |record: &Option<Record>| {
            record.clone().map(|record| Record {
                confirmed: confirmed.is_some_and(|confirmed| record.sequence <= confirmed),
                ..record
            })
        };
        types::Job {
            id: self.id.clone(),
            state,
            program: self.program.clone(),
            args: self.args.clone(),
            owner: self.owner.clone(),
            created: self.created,
            started: changing.started,
            ended: changing.ended,
            limits: self.limits.clone(),
            pid: changing.pid,
            warnings: changing.warnings.clone(),
            result: changing.result.clone(),
            log,
            records: Records { start: confirm(&changing.records.start), end: confirm(&changing.records.end) },
        }
    }
}
