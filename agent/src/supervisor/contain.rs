//! One sandbox, from the spawner's answer to its outcome.
//!
//! Every way out of [`contain`] is an end with a result: the program's own, a step of setup that failed, or why nothing is
//! known. That a sandbox ended because its spawner did is told apart from a kill that was asked for, since its init looks
//! the same to the agent in both cases: its pipe ends without a word.

use std::fmt::Display;
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use holdfast_sandbox::{EndedBy, Error, Outcome, Request, Sandbox, Stdio};
use nix::sys::signal::Signal;
use tokio::sync::mpsc;

use super::job::Job;
use super::keeper::Keeper;
use super::streams::{self, Streams};
use crate::api::error::{Code, Refusal};
use crate::api::types::JobResult;
use crate::sys;

/// How long after a sandbox's unexplained end its spawner's own death is waited for.
const SPAWNER_DEATH: Duration = Duration::from_millis(200);
/// The exit code of a job of which nothing else is known.
const EXIT_LOST: u8 = 125;

/// Runs the program and gives its result.
pub(super) async fn contain(
    keeper: &Keeper,
    job: &Arc<Job>,
    request: Request,
    streams: Streams,
    signals: mpsc::Receiver<i32>,
) -> JobResult {
    match spawn(keeper, job, request, streams).await {
        Ok(started) => watch(job, started, signals).await,
        Err(NotStarted::Setup(outcome)) => ended(*outcome),
        Err(NotStarted::Lost(refusal)) => lost(refusal),
    }
}

async fn spawn(keeper: &Keeper, job: &Arc<Job>, request: Request, streams: Streams) -> Result<Started, NotStarted> {
    let spawner = keeper.spawner().map_err(NotStarted::Lost)?;
    let internal =
        |what: &str, error: &dyn Display| NotStarted::Lost(Refusal::new(Code::Internal, format!("{what}: {error}")));
    let (ends, sandbox_ends) = streams::pipes().map_err(|error| internal("pipes for the job", &error))?;
    let spawner_fd = spawner.pidfd().try_clone_to_owned().map_err(|error| internal("dup of a pidfd", &error))?;
    let spawned = tokio::task::spawn_blocking(move || {
        let stdio = Stdio {
            stdin: sandbox_ends.stdin.as_fd(),
            stdout: sandbox_ends.stdout.as_fd(),
            stderr: sandbox_ends.stderr.as_fd(),
            passed: &[],
        };
        spawner.spawn(&request, stdio)
    });
    let sandbox = match spawned.await.map_err(|error| internal("asking the spawner", &error))? {
        Ok(sandbox) => sandbox,
        Err(Error::Setup(failure)) => return Err(NotStarted::Setup(Box::new(failure.into()))),
        Err(error @ Error::SpawnerGone(_)) => {
            return Err(NotStarted::Lost(Refusal::new(Code::SpawnerDied, error.to_string())));
        }
        Err(error) => return Err(NotStarted::Lost(Refusal::new(Code::SandboxFailed, error.to_string()))),
    };
    job.started(sandbox.pid(), sandbox.warnings().to_vec());
    let job = job.clone();
    tokio::spawn(async move { streams::pump(ends, streams, &job).await });
    Ok(Started { sandbox, spawner: spawner_fd })
}

/// Passes signals on until the sandbox has ended.
async fn watch(job: &Job, started: Started, mut signals: mpsc::Receiver<i32>) -> JobResult {
    let Started { sandbox, spawner } = started;
    let mut was_killed = false;
    let cannot_watch =
        |error: std::io::Error| lost(Refusal::new(Code::Internal, format!("the sandbox can't be watched: {error}")));
    let outcome_fd = match sys::watch(sandbox.outcome_fd()) {
        Ok(outcome_fd) => outcome_fd,
        Err(error) => return cannot_watch(error),
    };
    let readable = loop {
        tokio::select! {
            readable = outcome_fd.readable() => break readable.map(|mut guard| guard.retain_ready()),
            Some(number) = signals.recv() => {
                was_killed |= number == libc::SIGKILL;
                if let Err(error) = send(&sandbox, number) {
                    tracing::warn!(job = job.id(), number, error, "a signal was not sent");
                }
            }
        }
    };
    drop(outcome_fd);
    if let Err(error) = readable {
        return cannot_watch(error);
    }
    let outcome = tokio::task::spawn_blocking(move || sandbox.outcome()).await;
    match outcome {
        Ok(Ok(outcome)) if outcome.ended_by == EndedBy::Killed && !was_killed && died(&spawner).await => JobResult {
            exit_code: EXIT_LOST,
            outcome: Some(outcome),
            error: Some(Refusal::new(Code::SpawnerDied, "the spawner died, and the job with it: start it again")),
        },
        Ok(Ok(outcome)) => ended(outcome),
        Ok(Err(error)) => lost(Refusal::new(Code::Internal, format!("the job's outcome can't be read: {error}"))),
        Err(error) => lost(Refusal::new(Code::Internal, format!("the job's outcome can't be read: {error}"))),
    }
}

/// A sandbox, and a pidfd of the spawner that made it.
struct Started {
    sandbox: Sandbox,
    spawner: OwnedFd,
}

/// Why there is no sandbox.
enum NotStarted {
    /// A step of making it failed.
    Setup(Box<Outcome>),
    /// It could not even be tried.
    Lost(Refusal),
}

fn ended(outcome: Outcome) -> JobResult {
    JobResult { exit_code: outcome.exit_code(), outcome: Some(outcome), error: None }
}

/// A job of which nothing is known but this.
pub(super) fn lost(error: Refusal) -> JobResult {
    JobResult { exit_code: EXIT_LOST, outcome: None, error: Some(error) }
}

/// Whether the spawner is dead: its sandboxes can be gone a moment before the kernel says so of itself.
async fn died(spawner: &OwnedFd) -> bool {
    let Ok(spawner) = sys::watch(spawner.as_fd()) else { return false };
    tokio::time::timeout(SPAWNER_DEATH, spawner.readable()).await.is_ok()
}

fn send(sandbox: &Sandbox, number: i32) -> Result<(), String> {
    let signal = Signal::try_from(number).map_err(|error| error.to_string())?;
    sandbox.signal(signal).map_err(|error| error.to_string())
}
