//! Jobs: admitted, recorded, started, watched to their end.
//!
//! A job's way, each step before the next:
//! 1. [`admission`] checks it against configuration and caller; a slot is taken, or it is refused.
//! 2. Its marker is written ([`leftovers`]), then its start is recorded: that it may run is on disk, acknowledged, before
//!    its sandbox is asked for. Where that record can't be kept nothing runs.
//! 3. The spawner ([`keeper`]) makes the sandbox ([`contain`]); bytes move ([`streams`]); signals reach it.
//! 4. Its outcome is recorded, the marker removed, and only then its result told. If the trail can't take the record
//!    now, the result is told and the record tried until it is kept; the job's slot stays taken as long, so what is not
//!    recorded is bounded too.
//!
//! Invariants: from step 2 on a job is a task of its own, so a caller who goes away can't leave a start without an end;
//! every start in the trail has an end in the trail, if need be by the next agent.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use holdfast_sandbox::Request;
use jiff::Timestamp;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::block_in_place;

use crate::api::caller::Caller;
use crate::api::error::{Code, Refusal};
use crate::api::types::{JobResult, JobSpec};
use crate::config::Config;
use crate::trail::{Recorder, events};
use admission::Admitted;
use job::{Job, NewJob};
use keeper::Keeper;
use leftovers::Markers;
use streams::{Input, Streams};

pub(crate) mod admission;
mod contain;
pub(crate) mod job;
pub(crate) mod keeper;
pub(crate) mod leftovers;
pub(crate) mod log;
pub(crate) mod streams;

/// Every job of this agent.
pub(crate) struct Supervisor {
    config: Arc<Config>,
    recorder: Arc<Recorder>,
    keeper: Arc<Keeper>,
    markers: Markers,
    slots: Arc<Semaphore>,
    jobs: Mutex<Jobs>,
}

#[derive(Default)]
struct Jobs {
    /// In the order in which they were asked for.
    all: Vec<Arc<Job>>,
    is_stopping: bool,
}

/// A job that has a slot and whose start is about to be recorded.
struct Ready {
    job: Arc<Job>,
    request: Request,
    streams: Streams,
    signals: mpsc::Receiver<i32>,
    slot: OwnedSemaphorePermit,
}

impl Supervisor {
    /// Takes over the state directory: jobs that an agent before this one left get their ends recorded.
    pub(crate) async fn new(
        config: Arc<Config>,
        recorder: Arc<Recorder>,
        keeper: Arc<Keeper>,
    ) -> std::io::Result<Self> {
        let markers = Markers::open(Path::new(&config.state))?;
        for (id, marker) in markers.left()? {
            tracing::warn!(job = id, "the agent before this one died while this job ran");
            match recorder.record(events::end_lost_job(&id, marker.as_ref())).await {
                Ok(_) => markers.remove(&id),
                Err(error) => {
                    tracing::error!(job = id, %error, "its end can't be recorded now: the next start tries again")
                }
            }
        }
        let slots = Arc::new(Semaphore::new(config.jobs.max));
        Ok(Self { config, recorder, keeper, markers, slots, jobs: Mutex::default() })
    }

    /// Admits, records and starts a job. It runs on when the caller's future is dropped.
    pub(crate) async fn start(
        self: &Arc<Self>,
        caller: Caller,
        spec: JobSpec,
        streams: Option<Streams>,
    ) -> Result<Arc<Job>, Refusal> {
        let supervisor = self.clone();
        let start = tokio::spawn(async move { supervisor.start_now(&caller, spec, streams).await });
        start
            .await
            .unwrap_or_else(|error| Err(Refusal::new(Code::Internal, format!("starting the job failed: {error}"))))
    }

    async fn start_now(
        self: &Arc<Self>,
        caller: &Caller,
        spec: JobSpec,
        streams: Option<Streams>,
    ) -> Result<Arc<Job>, Refusal> {
        let id = new_id();
        let mut parameters = events::job_parameters(&spec, self.config.audit.arguments);
        let ready = match self.prepare(caller, &id, spec, streams) {
            Ok(ready) => ready,
            Err(refusal) => {
                let event = events::start_job(caller, &id, parameters, Some(&refusal));
                if let Err(error) = self.recorder.record(event).await {
                    tracing::error!(uid = caller.owner.uid, %refusal, %error, "a refusal could not be recorded");
                }
                return Err(refusal);
            }
        };
        parameters["limits"] = serde_json::json!(ready.job.limits());
        if let Err(refusal) = self.record_start(caller, &ready.job, parameters).await {
            // A stop of the agent may wait for it already.
            ready.job.ended(contain::lost(refusal.clone()), Timestamp::now());
            self.forget(&id);
            return Err(refusal);
        }
        let job = ready.job.clone();
        let supervisor = self.clone();
        tokio::spawn(async move { supervisor.run(ready).await });
        Ok(job)
    }

    fn prepare(
        &self,
        caller: &Caller,
        id: &str,
        mut spec: JobSpec,
        streams: Option<Streams>,
    ) -> Result<Ready, Refusal> {
        let stdin = spec.stdin.take();
        if streams.is_some() && stdin.is_some() {
            return Err(Refusal::new(Code::InvalidRequest, "stdin is either in the request or streamed, not both"));
        }
        let remove = spec.remove;
        let streams =
            streams.unwrap_or_else(|| Streams { input: Input::Whole(stdin.unwrap_or_default().0), client: None });
        let Admitted { request, limits } = admission::admit(spec, caller.role, &self.config)?;
        self.keeper.spawner()?;
        let slot = self.slots.clone().try_acquire_owned().map_err(|_| {
            let message = format!(
                "{} jobs run, as many as jobs.max in the agent's configuration allows: try again when one has ended",
                self.config.jobs.max
            );
            Refusal::new(Code::TooManyJobs, message)
        })?;
        let (job, signals) = Job::new(NewJob {
            id: id.to_owned(),
            program: request.program.clone(),
            args: request.args.clone(),
            owner: caller.owner.clone(),
            limits,
            remove,
            log_bytes: usize::try_from(self.config.jobs.log_bytes.0).unwrap_or(usize::MAX),
        });
        let job = Arc::new(job);
        self.put_marker(&job)?;
        if !self.add(&job) {
            block_in_place(|| self.markers.remove(id));
            return Err(Refusal::new(Code::Stopping, "the agent is stopping and takes no more jobs"));
        }
        Ok(Ready { job, request, streams, signals, slot })
    }

    fn put_marker(&self, job: &Job) -> Result<(), Refusal> {
        block_in_place(|| self.markers.put(&job.marker())).map_err(|error| {
            let dir = self.config.state.display();
            let message =
                format!("nothing was started, since its marker can't be kept in {dir}: {error}; make room there");
            Refusal::new(Code::TrailUnavailable, message)
        })
    }

    /// Lists the job, unless the agent is stopping.
    fn add(&self, job: &Arc<Job>) -> bool {
        let mut jobs = self.jobs();
        if !jobs.is_stopping {
            jobs.all.push(job.clone());
        }
        !jobs.is_stopping
    }

    async fn record_start(&self, caller: &Caller, job: &Job, parameters: serde_json::Value) -> Result<(), Refusal> {
        let recorded = self.recorder.record(events::start_job(caller, job.id(), parameters, None)).await;
        match recorded {
            Ok(record) => {
                job.start_recorded(record);
                Ok(())
            }
            Err(error) => {
                // A start that may be on disk after all keeps its marker, and gets its end from the next agent.
                if error.is_certain {
                    block_in_place(|| self.markers.remove(job.id()));
                }
                Err(error.into())
            }
        }
    }

    /// A started job's life.
    async fn run(self: Arc<Self>, ready: Ready) {
        let Ready { job, request, streams, signals, slot } = ready;
        let result = contain::contain(&self.keeper, &job, request, streams, signals).await;
        let ended = Timestamp::now();
        let event = events::end_job(job.id(), job.owner(), &result);
        match self.recorder.record(event.clone()).await {
            Ok(record) => {
                job.end_recorded(record);
                block_in_place(|| self.markers.remove(job.id()));
                // Before the result is told: who waits for it may start the next job at once.
                drop(slot);
                self.settle(&job, result, ended);
            }
            Err(error) => {
                tracing::error!(job = job.id(), %error, "the job's end can't be recorded yet");
                self.settle(&job, result, ended);
                job.end_recorded(self.recorder.record_when_possible(event).await);
                block_in_place(|| self.markers.remove(job.id()));
                drop(slot);
            }
        }
    }

    fn settle(&self, job: &Arc<Job>, result: JobResult, at: Timestamp) {
        job.ended(result, at);
        let mut jobs = self.jobs();
        if job.is_to_be_removed() {
            jobs.all.retain(|other| !Arc::ptr_eq(other, job));
        }
        let mut surplus = jobs.all.iter().filter(|job| job.has_ended()).count().saturating_sub(self.config.jobs.keep);
        jobs.all.retain(|job| {
            let goes = surplus > 0 && job.has_ended();
            surplus -= usize::from(goes);
            !goes
        });
    }

    /// The job of that id, if the caller may touch it.
    pub(crate) fn find(&self, caller: &Caller, id: &str) -> Result<Arc<Job>, Refusal> {
        let jobs = self.jobs();
        let job = jobs.all.iter().find(|job| job.id() == id && caller.may_touch(job.owner())).cloned();
        // One answer for both: whether another's job exists is not told.
        job.ok_or_else(|| {
            Refusal::new(
                Code::NoSuchJob,
                format!("there is no job {id} of yours: `holdfast-agent ps --all` lists them"),
            )
        })
    }

    /// The jobs that the caller may touch, oldest first.
    pub(crate) fn list(&self, caller: &Caller) -> Vec<Arc<Job>> {
        self.jobs().all.iter().filter(|job| caller.may_touch(job.owner())).cloned().collect()
    }

    /// Forgets an ended job.
    pub(crate) fn remove(&self, job: &Job) -> Result<(), Refusal> {
        if !job.has_ended() {
            let message = format!("job {} has not ended: `holdfast-agent kill {}` ends it", job.id(), job.id());
            return Err(Refusal::new(Code::WrongState, message));
        }
        self.forget(job.id());
        Ok(())
    }

    /// How many jobs have not ended.
    pub(crate) fn running(&self) -> usize {
        self.jobs().all.iter().filter(|job| !job.has_ended()).count()
    }

    /// Takes no more jobs.
    pub(crate) fn refuse_more(&self) {
        self.jobs().is_stopping = true;
    }

    /// Returns when every job has ended.
    pub(crate) async fn wait_for_all(&self) {
        let jobs = self.jobs().all.clone();
        for job in jobs {
            job.wait().await;
        }
    }

    /// Ends every job that has not ended; gives their number.
    pub(crate) fn kill_all(&self) -> usize {
        let jobs = self.jobs();
        jobs.all.iter().filter(|job| job.signal(libc::SIGKILL).is_ok()).count()
    }

    fn forget(&self, id: &str) {
        self.jobs().all.retain(|job| job.id() != id);
    }

    fn jobs(&self) -> MutexGuard<'_, Jobs> {
        // Each change of the list is complete or did not begin.
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// 48 random bits: no two of the jobs that an agent remembers are alike.
fn new_id() -> String {
    format!("{:012x}", rand::random::<u64>() >> 16)
}
