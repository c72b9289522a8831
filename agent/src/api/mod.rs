//! The API: HTTP/1.1 and JSON on a UNIX socket.
//!
//! | method and path | what |
//! |---|---|
//! | `POST /v1/jobs` | start a job ([`types::JobSpec`]); answers 201 with the job, or 101 and its streams (`frame`) if upgraded |
//! | `GET /v1/jobs` | list the caller's jobs, or everybody's for an operator |
//! | `GET /v1/jobs/{id}` | one job ([`types::Job`]) |
//! | `GET /v1/jobs/{id}/wait` | the same, answered when it has ended |
//! | `GET /v1/jobs/{id}/logs` | what is kept of its output, as frames of kind 1 and 2 |
//! | `POST /v1/jobs/{id}/signal` | send its program a signal ([`types::SignalRequest`]) |
//! | `DELETE /v1/jobs/{id}` | forget an ended job |
//! | `GET /v1/status` | the agent and its trail ([`types::Status`]); the one call that isn't recorded, as it tells of no job |
//!
//! ```sh
//! curl --unix-socket /run/holdfast/agent.sock http://agent/v1/jobs --json '{"program": "id", "limits": {"mode": "rlimit-only"}}'
//! ```
//!
//! Every other call is recorded (`trail::events`). A look that can't be recorded isn't answered; a signal or a
//! removal is done all the same, since an operator must be able to end what runs, and recorded as soon as that is possible.
//! How much so waits in memory is bounded: then callers but root are refused these too.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use holdfast_audit::Event;
use nix::unistd::Gid;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::sync::{Semaphore, mpsc};

use crate::config::Config;
use crate::supervisor::Supervisor;
use crate::supervisor::job::Job;
use crate::supervisor::keeper::Keeper;
use crate::supervisor::log::Stream;
use crate::trail::{Recorder, events};
use caller::Caller;
use error::{Code, Refusal};
use frame::Frame;
use peer::Role;

mod attach;
pub(crate) mod caller;
pub mod error;
pub(crate) mod frame;
pub(crate) mod peer;
pub mod types;

/// The most events of what callers did that are held while the trail takes none; beyond it only root changes anything.
const MAX_HELD: usize = 4_096;

/// How many requests that bring input are read at once.
pub(crate) const TURNS: usize = 8;
/// How long a request's body may take, so that a slow caller keeps others waiting no longer.
const BODY_TIME: Duration = Duration::from_secs(30);
/// The largest request to signal a job.
const SIGNAL_BYTES: usize = 4_096;

/// What every request needs.
pub(crate) struct App {
    pub(crate) config: Arc<Config>,
    /// The group whose members may run, if the host has it.
    pub(crate) group: Option<Gid>,
    pub(crate) recorder: Arc<Recorder>,
    pub(crate) keeper: Arc<Keeper>,
    pub(crate) supervisor: Arc<Supervisor>,
    /// For requests that bring input, [`TURNS`] at first.
    pub(crate) turns: Semaphore,
    /// Held by every attached connection; the receiver ends when the last is gone.
    pub(crate) attached: mpsc::Sender<std::convert::Infallible>,
}

/// The whole API.
pub(crate) fn router(app: Arc<App>) -> Router {
    let most = usize::try_from(app.config.jobs.request_bytes.0).unwrap_or(usize::MAX);
    Router::new()
        .route("/v1/jobs", post(start_job).layer(from_fn_with_state(app.clone(), take_turn)).get(list_jobs))
        .route("/v1/jobs/{id}", get(get_job).delete(remove_job))
        .route("/v1/jobs/{id}/wait", get(wait_for_job))
        .route("/v1/jobs/{id}/logs", get(get_logs))
        .route("/v1/jobs/{id}/signal", post(signal_job).layer(DefaultBodyLimit::max(SIGNAL_BYTES)))
        .route("/v1/status", get(status))
        .fallback(no_such_path)
        .method_not_allowed_fallback(no_such_path)
        .layer(DefaultBodyLimit::max(most))
        .with_state(app)
}

/// Lets few requests that bring input be read at once: each may take `jobs.request_bytes` of the host's memory, and a caller
/// may open many connections.
async fn take_turn(State(app): State<Arc<App>>, request: axum::extract::Request, next: Next) -> Response {
    // The semaphore is never closed.
    let _turn = app.turns.acquire().await;
    next.run(request).await
}

/// A request's body, parsed here so that what is wrong with it is told as every refusal is.
struct Parsed<T>(T);

impl<T: DeserializeOwned> axum::extract::FromRequest<Arc<App>> for Parsed<T> {
    type Rejection = Refusal;

    async fn from_request(request: axum::extract::Request, app: &Arc<App>) -> Result<Self, Refusal> {
        let refuse = |message: String| Refusal::new(Code::InvalidRequest, message);
        let most = app.config.jobs.request_bytes;
        let body = tokio::time::timeout(BODY_TIME, Bytes::from_request(request, app)).await;
        let body = body.map_err(|_| refuse(format!("the request's body did not come within {BODY_TIME:?}")))?;
        let body = body.map_err(|rejection| match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => refuse(format!(
                "the request is larger than this call takes; for a job that is the {most} that jobs.request_bytes in the agent's configuration allows; input files count, in base64"
            )),
            _ => refuse(format!("the request's body can't be read: {rejection}")),
        })?;
        serde_json::from_slice(&body).map(Self).map_err(|error| {
            // serde's message may quote a value, and a value may be a secret: where and of which kind is enough.
            let (line, column) = (error.line(), error.column());
            let kind = match error.classify() {
                serde_json::error::Category::Data => "has a key or a value that this call does not take",
                _ => "is not JSON",
            };
            refuse(format!("the request {kind} at line {line}, column {column}"))
        })
    }
}

async fn start_job(
    State(app): State<Arc<App>>,
    caller: Caller,
    headers: HeaderMap,
    upgrade: Option<attach::Upgrade>,
    spec: Result<Parsed<types::JobSpec>, Refusal>,
) -> Result<Response, Refusal> {
    let spec = match spec {
        Ok(Parsed(spec)) => spec,
        Err(refusal) => {
            record_refusal(&app, events::changed_job("StartJob", &caller, Value::Null, Some(&refusal))).await;
            return Err(refusal);
        }
    };
    let Some(upgrade) = upgrade else {
        if headers.contains_key(header::UPGRADE) {
            let message = format!("this call can be upgraded to {} only", frame::PROTOCOL);
            let refusal = Refusal::new(Code::InvalidRequest, message);
            record_refusal(&app, events::changed_job("StartJob", &caller, Value::Null, Some(&refusal))).await;
            return Err(refusal);
        }
        let job = app.supervisor.start(caller, spec, None).await?;
        return Ok((StatusCode::CREATED, Json(view(&app, &job))).into_response());
    };
    attach::start(app, caller, spec, upgrade).await
}

async fn list_jobs(State(app): State<Arc<App>>, caller: Caller) -> Result<Json<Vec<types::Job>>, Refusal> {
    app.recorder.record(events::looked("ListJobs", &caller, Value::Null, None)).await?;
    Ok(Json(app.supervisor.list(&caller).iter().map(|job| view(&app, job)).collect()))
}

async fn get_job(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<types::Job>, Refusal> {
    let job = look_at(&app, "GetJob", &caller, &id).await?;
    Ok(Json(view(&app, &job)))
}

async fn wait_for_job(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<types::Job>, Refusal> {
    let job = look_at(&app, "GetJob", &caller, &id).await?;
    job.wait().await;
    Ok(Json(view(&app, &job)))
}

async fn get_logs(State(app): State<Arc<App>>, caller: Caller, Path(id): Path<String>) -> Result<Response, Refusal> {
    let job = look_at(&app, "GetJobLogs", &caller, &id).await?;
    let frames: Vec<Bytes> = job
        .log()
        .chunks()
        .map(|(stream, bytes)| match stream {
            Stream::Stdout => Frame::Stdout(bytes).encode(),
            Stream::Stderr => Frame::Stderr(bytes).encode(),
        })
        .collect();
    Ok(([(header::CONTENT_TYPE, "application/vnd.holdfast.stream")], Body::from(frames.concat())).into_response())
}

async fn signal_job(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
    request: Result<Parsed<types::SignalRequest>, Refusal>,
) -> Result<StatusCode, Refusal> {
    let parameters = json!({ "jobId": id, "signal": request.as_ref().ok().map(|request| request.0.signal) });
    let result = request.and_then(|Parsed(request)| {
        check_signal(request.signal)?;
        check_room(&app, &caller)?;
        app.supervisor.find(&caller, &id)?.signal(request.signal.into())
    });
    record_change(&app, events::changed_job("SignalJob", &caller, parameters, result.as_ref().err()), &result).await;
    result.map(|()| StatusCode::NO_CONTENT)
}

fn check_signal(number: u8) -> Result<(), Refusal> {
    match nix::sys::signal::Signal::try_from(i32::from(number)) {
        Ok(nix::sys::signal::Signal::SIGSTOP) => Err(Refusal::new(
            Code::InvalidRequest,
            "SIGSTOP would stop the job's wall clock: send SIGTSTP (20) or nothing",
        )),
        Ok(_) => Ok(()),
        Err(_) => Err(Refusal::new(Code::InvalidRequest, format!("{number} is no signal: `kill -l` lists them"))),
    }
}

async fn remove_job(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<StatusCode, Refusal> {
    let result = check_room(&app, &caller)
        .and_then(|()| app.supervisor.find(&caller, &id))
        .and_then(|job| app.supervisor.remove(&job));
    let event = events::changed_job("RemoveJob", &caller, json!({ "jobId": id }), result.as_ref().err());
    record_change(&app, event, &result).await;
    result.map(|()| StatusCode::NO_CONTENT)
}

async fn status(State(app): State<Arc<App>>, _caller: Caller) -> Json<types::Status> {
    Json(types::Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        pid: std::process::id(),
        spawner: app.keeper.is_there(),
        jobs: app.supervisor.running(),
        max_jobs: app.config.jobs.max,
        trail: app.recorder.status(),
    })
}

async fn no_such_path(_caller: Caller, method: Method, uri: Uri) -> Response {
    let message = format!("there is no {method} {} in this API", uri.path());
    (StatusCode::NOT_FOUND, Refusal::new(Code::InvalidRequest, message)).into_response()
}

/// Finds a job and records that somebody looked at it, found or not.
async fn look_at(app: &App, name: &str, caller: &Caller, id: &str) -> Result<Arc<Job>, Refusal> {
    let found = app.supervisor.find(caller, id);
    app.recorder.record(events::looked(name, caller, json!({ "jobId": id }), found.as_ref().err())).await?;
    found
}

/// Bounds what one caller can make the agent hold in memory while the trail takes nothing. Root may always end what runs.
fn check_room(app: &App, caller: &Caller) -> Result<(), Refusal> {
    if caller.role == Role::Operator || app.recorder.held() < MAX_HELD {
        return Ok(());
    }
    Err(Refusal::new(
        Code::TrailUnavailable,
        "too many events wait for the audit trail: `holdfast-agent status` tells why it takes none; root can still do this",
    ))
}

/// Records what was done whatever the trail's state, now or as soon as that is possible.
async fn record_change(app: &App, event: Event, result: &Result<(), Refusal>) {
    match result {
        Ok(()) => {
            let recorder = app.recorder.clone();
            tokio::spawn(async move { recorder.record_when_possible(event).await });
        }
        Err(_) => record_refusal(app, event).await,
    }
}

/// Records what was refused, or logs that it couldn't be: nothing happened, so nothing is held.
async fn record_refusal(app: &App, event: Event) {
    if let Err(error) = app.recorder.record(event).await {
        tracing::error!(%error, "a refusal could not be recorded");
    }
}

fn view(app: &App, job: &Job) -> types::Job {
    job.view(app.recorder.confirmed())
}
