//! A job started over an upgraded connection: the server's side of [`super::frame`].

use std::sync::Arc;

use axum::body::Body;
use axum::extract::OptionalFromRequestParts;
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::response::Response;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncWriteExt as _, ReadHalf, WriteHalf};
use tokio::sync::mpsc;

use super::caller::Caller;
use super::error::{Code, Refusal};
use super::frame::{Frame, PROTOCOL};
use super::types::JobSpec;
use super::{App, view};
use crate::supervisor::job::Job;
use crate::supervisor::streams::{Input, StdinSender, Streams, stdin_channel};

/// Frames on their way to the client: few, so that a slow client is felt by the program.
const QUEUE: usize = 8;

/// A request that asks for the connection itself.
pub(crate) struct Upgrade(OnUpgrade);

impl<S: Send + Sync> OptionalFromRequestParts<S> for Upgrade {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Option<Self>, Self::Rejection> {
        let asks = parts.headers.get(header::UPGRADE).is_some_and(|protocol| protocol == PROTOCOL);
        Ok(asks.then(|| parts.extensions.remove::<OnUpgrade>().map(Self)).flatten())
    }
}

/// Starts the job and answers 101; the streams follow as soon as the connection is ours.
pub(crate) async fn start(app: Arc<App>, caller: Caller, spec: JobSpec, upgrade: Upgrade) -> Result<Response, Refusal> {
    let (stdin, stdin_of_job) = stdin_channel();
    let (frames, outgoing) = mpsc::channel(QUEUE);
    let streams = Streams { input: Input::Streamed(stdin_of_job), client: Some(frames) };
    let attached = app.attached.clone();
    let job = app.supervisor.start(caller, spec, Some(streams)).await?;
    let response = Response::builder()
        .status(StatusCode::SWITCHING_PROTOCOLS)
        .header(header::CONNECTION, "upgrade")
        .header(header::UPGRADE, PROTOCOL)
        .header("holdfast-job", job.id())
        .body(Body::empty())
        .map_err(|error| Refusal::new(Code::Internal, error.to_string()));
    tokio::spawn(async move {
        match upgrade.0.await {
            Ok(connection) => serve(&app, &job, connection, stdin, outgoing).await,
            Err(error) => tracing::warn!(job = job.id(), %error, "the client went before its job's streams began"),
        }
        kill(&job).await;
        drop(attached);
    });
    response
}

/// Serves the streams until the end is told, or the client is gone.
async fn serve(app: &App, job: &Job, connection: Upgraded, stdin: StdinSender, outgoing: mpsc::Receiver<Frame>) {
    let (from_client, to_client) = tokio::io::split(TokioIo::new(connection));
    tokio::select! {
        () = receive(job, from_client, stdin) => {}
        sent = send(app, job, to_client, outgoing) => if let Err(error) = sent {
            tracing::info!(job = job.id(), %error, "the client does not take its job's streams any more");
        }
    }
}

/// Takes what the client sends. Returns when it is gone, or breaks the protocol.
async fn receive(job: &Job, mut from: ReadHalf<TokioIo<Upgraded>>, stdin: StdinSender) {
    let mut stdin = Some(stdin);
    loop {
        match Frame::read(&mut from).await {
            Ok(Some(Frame::Stdin(bytes))) if bytes.is_empty() => stdin = None,
            Ok(Some(Frame::Stdin(bytes))) => {
                // The window bounds bytes, so empty frames must not be queued, as often as a client may send them.
                if stdin.as_ref().is_none_or(|stdin| stdin.send(bytes).is_err()) {
                    tracing::warn!(job = job.id(), "the client sent more stdin than it was granted, or after its end");
                    return;
                }
            }
            Ok(Some(Frame::Signal(number))) => {
                if let Err(refusal) = super::check_signal(number).and_then(|()| job.signal(number.into())) {
                    tracing::info!(job = job.id(), number, %refusal, "a client's signal was not sent");
                }
            }
            Ok(Some(_)) => {
                tracing::warn!(job = job.id(), "the client sent a frame that only the agent sends");
                return;
            }
            Ok(None) => return,
            Err(error) => {
                tracing::info!(job = job.id(), %error, "the client is gone");
                return;
            }
        }
    }
}

/// Sends the job's output, and when that has ended, the job's end.
async fn send(
    app: &App,
    job: &Job,
    mut to: WriteHalf<TokioIo<Upgraded>>,
    mut outgoing: mpsc::Receiver<Frame>,
) -> std::io::Result<()> {
    while let Some(frame) = outgoing.recv().await {
        to.write_all(&frame.encode()).await?;
        to.flush().await?;
    }
    job.wait().await;
    let json = serde_json::to_vec(&view(app, job))?;
    to.write_all(&Frame::Ended(json.into()).encode()).await?;
    to.shutdown().await
}

/// An attached job lives as long as its connection.
async fn kill(job: &Job) {
    if !job.has_ended() && job.kill().await {
        tracing::info!(job = job.id(), "killed, since its client is gone");
    }
}
