//! What the agent records of each kind of event.
//!
//! Rule: *no secret in a record*. So values of variables, stdin, output and the contents of files are never recorded;
//! arguments are only counted, unless `audit.arguments = "record"` says that this host's programs take no secrets that
//! way (`argumentCount` is always there). What is recorded instead: names of variables; path, mode and size of files, and
//! the SHA-256 of those that are executable, since they are programs and not data (a digest of a short secret could be
//! guessed).
//!
//! | event | when | acknowledged before |
//! |---|---|---|
//! | `StartAgent`, `StopAgent` | the daemon's life | |
//! | `StartJob` | a job was asked for; with an error code where it was refused | its program starts |
//! | `EndJob` | it ended, or its end can't be known | its result is told |
//! | `SignalJob`, `RemoveJob` | somebody asked for that | |
//! | `ListJobs`, `GetJob`, `GetJobLogs` | somebody looked (`readOnly`) | it is answered |
//! | `EndSpawner`, `StartSpawner` | the spawner died; another is there | |

use holdfast_audit::{Event, Identity, Source};
use holdfast_sandbox::EndedBy;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::api::caller::Caller;
use crate::api::error::Refusal;
use crate::api::types::{JobResult, JobSpec, Owner};
use crate::config::Arguments;
use crate::supervisor::leftovers::Marker;

/// The `resources` type of a job.
const JOB: &str = "Holdfast::Job";
/// The agent, where no caller asked.
const AGENT: &str = "holdfast-agent";

fn by_agent(name: &str) -> Event {
    Event::new(Source::Agent, name, Identity::program(AGENT))
}

fn by_caller(name: &str, caller: &Caller) -> Event {
    let user = caller.owner.user.as_deref();
    Event::new(Source::Agent, name, Identity::local_user(caller.owner.uid, user)).source_address("localhost")
}

fn with_refusal(event: Event, refusal: Option<&Refusal>) -> Event {
    match refusal {
        Some(refusal) => event.failed(refusal.code.as_str(), &refusal.message),
        None => event,
    }
}

/// The daemon is there.
pub(crate) fn start_agent(config: Value) -> Event {
    by_agent("StartAgent").response(config)
}

/// The daemon goes. `killed` jobs did not end by themselves in time.
pub(crate) fn stop_agent(killed: usize) -> Event {
    by_agent("StopAgent").response(json!({ "jobsKilled": killed }))
}

/// A spawner died, and its sandboxes with it.
pub(crate) fn end_spawner() -> Event {
    by_agent("EndSpawner").failed(
        "SpawnerDied",
        "the spawner ended by itself or was killed; every sandbox that it had made ended with it",
    )
}

/// Another spawner is there.
pub(crate) fn start_spawner() -> Event {
    by_agent("StartSpawner")
}

/// What a caller asked to run, before the request is taken apart.
pub(crate) fn job_parameters(spec: &JobSpec, arguments: Arguments) -> Value {
    let files = spec.files.iter().map(|file| {
        let mode = file.mode.unwrap_or(0o644);
        let is_program = mode & 0o111 != 0;
        json!({
            "path": file.path,
            "mode": format!("{mode:04o}"),
            "bytes": file.data.0.len(),
            "sha256": is_program.then(|| digest(&file.data.0)),
        })
    });
    let mut parameters = json!({
        "program": spec.program,
        "argumentCount": spec.args.len(),
        "environment": spec.env.keys().collect::<Vec<_>>(),
        "mounts": spec.mounts,
        "tmpfs": spec.tmpfs,
        "files": files.collect::<Vec<_>>(),
        "stdinBytes": spec.stdin.as_ref().map(|stdin| stdin.0.len()),
        "limits": spec.limits,
    });
    if arguments == Arguments::Record {
        parameters["arguments"] = json!(spec.args);
    }
    parameters
}

/// A job may start, or may not.
pub(crate) fn start_job(caller: &Caller, id: &str, parameters: Value, refusal: Option<&Refusal>) -> Event {
    let event = by_caller("StartJob", caller).request(parameters).request_id(id).resource(JOB, None);
    match refusal {
        Some(_) => with_refusal(event, refusal),
        None => event.response(json!({ "jobId": id })),
    }
}

/// A job ended.
pub(crate) fn end_job(id: &str, owner: &Owner, result: &JobResult) -> Event {
    let event = by_agent("EndJob")
        .request_id(id)
        .resource(JOB, None)
        .request(json!({ "jobId": id, "uid": owner.uid, "userName": owner.user }))
        .response(json!({ "exitCode": result.exit_code, "outcome": result.outcome }));
    match (&result.error, &result.outcome) {
        (Some(error), _) => with_refusal(event, Some(error)),
        (None, Some(outcome)) if outcome.ended_by == EndedBy::SetupFailed => {
            let message = outcome.setup.as_ref().map(ToString::to_string).unwrap_or_default();
            event.failed("SandboxFailed", message)
        }
        _ => event,
    }
}

/// A job's agent died before its end was recorded.
pub(crate) fn end_lost_job(id: &str, marker: Option<&Marker>) -> Event {
    let owner = marker.map(|marker| &marker.owner);
    by_agent("EndJob")
        .request_id(id)
        .resource(JOB, None)
        .request(json!({
            "jobId": id,
            "program": marker.map(|marker| &marker.program),
            "uid": owner.map(|owner| owner.uid),
            "userName": owner.and_then(|owner| owner.user.as_ref()),
        }))
        .failed(
            "AgentDied",
            "the agent ended before this job's end was settled: the job ended with it at the latest, and how is not known; \
             a record of its start, or of its end, may be missing or exist besides this one",
        )
}

/// A caller did something to a job.
pub(crate) fn changed_job(name: &str, caller: &Caller, parameters: Value, refusal: Option<&Refusal>) -> Event {
    with_refusal(by_caller(name, caller).request(parameters).resource(JOB, None), refusal)
}

/// A caller looked at jobs.
pub(crate) fn looked(name: &str, caller: &Caller, parameters: Value, refusal: Option<&Refusal>) -> Event {
    with_refusal(by_caller(name, caller).request(parameters).read_only(true), refusal)
}

/// Somebody without any right spoke to the socket.
pub(crate) fn turned_away(caller: &Caller, method: &str, path: &str, refusal: &Refusal) -> Event {
    let parameters = json!({ "method": method, "path": path });
    with_refusal(by_caller("CallApi", caller).request(parameters), Some(refusal))
}

fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::types::{Base64, File};

    #[test]
    fn no_secret_of_a_job_gets_into_its_record() {
        let spec = JobSpec {
            program: "psql".into(),
            args: vec!["--password=SECRET-ARG".into()],
            env: [("TOKEN".into(), "SECRET-ENV".into())].into(),
            stdin: Some(Base64(b"SECRET-STDIN".to_vec())),
            files: vec![File { path: "/tmp/key".into(), mode: Some(0o600), data: Base64(b"SECRET-FILE".to_vec()) }],
            ..JobSpec::default()
        };
        let recorded = job_parameters(&spec, Arguments::Omit).to_string();
        assert!(!recorded.contains("SECRET"), "{recorded}");
        assert!(!recorded.contains(&digest(b"SECRET-FILE")), "a short secret can be guessed from its digest");
        assert!(recorded.contains("TOKEN") && recorded.contains("\"argumentCount\":1"), "{recorded}");
        assert!(job_parameters(&spec, Arguments::Record).to_string().contains("SECRET-ARG"));
    }

    #[test]
    fn a_program_that_is_sent_in_is_recorded_by_its_digest() {
        let program = File { path: "/tmp/a".into(), mode: Some(0o755), data: Base64(b"#!/bin/sh\n".to_vec()) };
        let spec = JobSpec { files: vec![program], ..JobSpec::default() };
        let recorded = job_parameters(&spec, Arguments::Omit).to_string();
        assert!(recorded.contains(&digest(b"#!/bin/sh\n")), "{recorded}");
    }
}
