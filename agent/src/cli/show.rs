//! The commands that look: `ps`, `logs`, `inspect`, `status`; and `kill`.

use std::io::Write as _;
use std::path::Path;

use axum::body::Bytes;
use hyper::Method;
use jiff::Timestamp;
use serde::Serialize;

use super::CliError;
use super::client::{Client, ClientError};
use crate::api::frame::Frame;
use crate::api::types::{Job, SignalRequest, State, Status};

/// Lists jobs.
pub(crate) async fn ps(socket: &Path, ended_too: bool, as_json: bool) -> Result<u8, CliError> {
    let mut jobs: Vec<Job> = Client::new(socket).json(Method::GET, "/v1/jobs", Bytes::new()).await?;
    jobs.retain(|job| ended_too || job.state != State::Ended);
    if as_json {
        return print_json(&jobs);
    }
    let header = ["JOB", "STATE", "AGE", "USER", "RESULT", "PROGRAM"].map(str::to_owned);
    let rows: Vec<[String; 6]> = std::iter::once(header).chain(jobs.iter().map(row)).collect();
    let widths: Vec<usize> =
        (0..5).map(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0)).collect();
    let mut out = anstream::stdout().lock();
    for row in &rows {
        for (cell, width) in row.iter().zip(&widths) {
            write!(out, "{cell:width$}  ")?;
        }
        writeln!(out, "{}", row[5])?;
    }
    Ok(0)
}

fn row(job: &Job) -> [String; 6] {
    let state = match job.state {
        State::Starting => "starting",
        State::Running => "running",
        State::Ended => "ended",
    };
    let result = job.result.as_ref().map(|result| match (&result.outcome, &result.error) {
        (_, Some(error)) => error.code.as_str().to_owned(),
        (Some(outcome), None) => ended_by(outcome),
        (None, None) => format!("exit {}", result.exit_code),
    });
    [
        job.id.clone(),
        state.into(),
        age(job.created),
        job.owner.user.clone().unwrap_or_else(|| job.owner.uid.to_string()),
        result.unwrap_or_else(|| "-".into()),
        printable(&job.program),
    ]
}

fn ended_by(outcome: &holdfast_sandbox::Outcome) -> String {
    use holdfast_sandbox::EndedBy;
    match outcome.ended_by {
        EndedBy::Exited => format!("exit {}", outcome.exit_code()),
        EndedBy::Signaled => format!("signal {}", outcome.signal.unwrap_or_default()),
        EndedBy::Wall => "wall time".into(),
        EndedBy::CpuTime => "CPU time".into(),
        EndedBy::Memory => "memory".into(),
        EndedBy::Seccomp => "seccomp".into(),
        EndedBy::SetupFailed => "not started".into(),
        EndedBy::Killed => "killed".into(),
        _ => "ended".into(),
    }
}

/// Whole units, the largest that fits.
fn age(since: Timestamp) -> String {
    let seconds = since.duration_until(Timestamp::now()).as_secs().max(0);
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3_600 => format!("{}m", seconds / 60),
        3_600..86_400 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// A caller chose this text: it must not move the cursor of the terminal that lists it.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// Prints what is kept of a job's output, each stream to its own.
pub(crate) async fn logs(socket: &Path, job: &str) -> Result<u8, CliError> {
    let bytes = Client::new(socket).bytes(Method::GET, &job_path(job, "/logs")?, Bytes::new()).await?;
    let mut rest: &[u8] = &bytes;
    let (mut stdout, mut stderr) = (std::io::stdout().lock(), std::io::stderr().lock());
    while let Some(frame) = Frame::read(&mut rest).await.map_err(|error| ClientError::Answer(error.to_string()))? {
        match frame {
            Frame::Stdout(bytes) => stdout.write_all(&bytes)?,
            Frame::Stderr(bytes) => stderr.write_all(&bytes)?,
            other => return Err(ClientError::Answer(format!("{other:?} in a log")).into()),
        }
    }
    stdout.flush()?;
    Ok(0)
}

/// Prints all that is known of a job.
pub(crate) async fn inspect(socket: &Path, job: &str) -> Result<u8, CliError> {
    let job: Job = Client::new(socket).json(Method::GET, &job_path(job, "")?, Bytes::new()).await?;
    print_json(&job)
}

/// Sends a job's program a signal.
pub(crate) async fn kill(socket: &Path, job: &str, signal: u8) -> Result<u8, CliError> {
    let body = serde_json::to_vec(&SignalRequest { signal }).map_err(|error| ClientError::Answer(error.to_string()))?;
    Client::new(socket).bytes(Method::POST, &job_path(job, "/signal")?, body.into()).await?;
    Ok(0)
}

/// Tells how the agent is.
pub(crate) async fn status(socket: &Path, as_json: bool) -> Result<u8, CliError> {
    let status: Status = Client::new(socket).json(Method::GET, "/v1/status", Bytes::new()).await?;
    if as_json {
        return print_json(&status);
    }
    let trail = &status.trail;
    let sequence = |number: Option<u64>| number.map_or("none".into(), |number| number.to_string());
    let mut out = anstream::stdout().lock();
    writeln!(out, "agent      {} (process {})", status.version, status.pid)?;
    writeln!(out, "spawner    {}", if status.spawner { "there" } else { "being started anew" })?;
    writeln!(out, "jobs       {} of {}", status.jobs, status.max_jobs)?;
    writeln!(out, "trail      {} to {}", trail.stream, trail.ship)?;
    writeln!(out, "writer     {}", trail.writer)?;
    writeln!(out, "recorded   up to {}", sequence(trail.recorded))?;
    writeln!(out, "confirmed  up to {}", sequence(trail.confirmed))?;
    if trail.held > 0 {
        writeln!(out, "held       {} records can't be kept yet", trail.held)?;
    }
    if let Some(problem) = &trail.problem {
        writeln!(out, "problem    {problem}")?;
    }
    if let Some(failure) = &trail.shipping_failure {
        writeln!(out, "shipping   {failure}")?;
    }
    Ok(0)
}

/// An id is looked at before it becomes part of a path.
fn job_path(job: &str, rest: &str) -> Result<String, CliError> {
    if job.is_empty() || !job.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Err(CliError::Usage {
            option: "JOB",
            value: job.to_owned(),
            problem: "is no job's id: `holdfast-agent ps --all` lists them".into(),
        });
    }
    Ok(format!("/v1/jobs/{job}{rest}"))
}

fn print_json(value: &impl Serialize) -> Result<u8, CliError> {
    let json = serde_json::to_string_pretty(value).map_err(|error| ClientError::Answer(error.to_string()))?;
    writeln!(anstream::stdout().lock(), "{json}")?;
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_cannot_reach_another_path() {
        for id in ["", "a/b", "..", "a?x=y", "a b"] {
            assert!(job_path(id, "").is_err(), "{id}");
        }
        assert_eq!(job_path("3f9a", "/logs").unwrap(), "/v1/jobs/3f9a/logs");
    }

    #[test]
    fn a_programs_name_cannot_move_the_terminals_cursor() {
        assert_eq!(printable("a\x1b[2Jb\n"), "a\u{fffd}[2Jb\u{fffd}");
    }
}
