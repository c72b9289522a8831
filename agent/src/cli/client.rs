//! The client commands' side of the API: HTTP/1.1 over the agent's socket, and nothing else.

use std::io;
use std::path::{Path, PathBuf};

use axum::body::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper::header::{CONNECTION, CONTENT_TYPE, HOST, UPGRADE};
use hyper::upgrade::Upgraded;
use hyper::{Method, Request, Response, StatusCode, body::Incoming};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;

use crate::api::error::{ErrorBody, Refusal};
use crate::api::frame::PROTOCOL;

/// The largest answer that is read: a full list of jobs, or a job's whole log.
const MAX_ANSWER: usize = 1 << 30;

/// Why the agent could not be asked, or didn't do it.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No socket, or nobody listens on it.
    #[error(
        "no agent answers on {socket} ({error}): is it running? `systemctl start holdfast-agent` starts it; --socket names another socket"
    )]
    NotRunning {
        /// The socket.
        socket: PathBuf,
        /// What connect(2) said.
        error: io::Error,
    },
    /// The socket's mode doesn't let this user in.
    #[error(
        "you may not use {socket}: only root and members of its group may; `usermod --append --groups holdfast {user}` as root, then log in again"
    )]
    NotAllowed {
        /// The socket.
        socket: PathBuf,
        /// Who asked.
        user: String,
    },
    /// Another failure of connect(2).
    #[error("cannot connect to {socket}: {error}")]
    Connect {
        /// The socket.
        socket: PathBuf,
        /// What connect(2) said.
        error: io::Error,
    },
    /// The connection broke.
    #[error("the connection to the agent broke ({0}): `journalctl -u holdfast-agent` tells why")]
    Broken(String),
    /// The agent's answer makes no sense to this client.
    #[error("the agent's answer isn't understood ({0}): are this command and the agent of one version?")]
    Answer(String),
    /// The agent said no.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

/// A way to the agent.
pub(crate) struct Client {
    socket: PathBuf,
}

/// What a started job's client holds: the job's id and its stream of frames.
pub(crate) struct Attached {
    pub(crate) job: String,
    pub(crate) stream: TokioIo<Upgraded>,
}

impl Client {
    pub(crate) fn new(socket: &Path) -> Self {
        Self { socket: socket.to_owned() }
    }

    /// Asks for `path` and reads the answer as JSON.
    pub(crate) async fn json<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<T, ClientError> {
        let bytes = self.bytes(method, path, body).await?;
        serde_json::from_slice(&bytes).map_err(|error| ClientError::Answer(error.to_string()))
    }

    /// Asks for `path` and reads the answer's bytes.
    pub(crate) async fn bytes(&self, method: Method, path: &str, body: Bytes) -> Result<Bytes, ClientError> {
        let request =
            request(method, path).body(Full::new(body)).map_err(|error| ClientError::Broken(error.to_string()))?;
        let response = self.send(request).await?;
        let response = refusal_if_any(response).await?;
        read(response).await
    }

    /// Posts `body` to `path` and takes over the connection.
    pub(crate) async fn attach(&self, path: &str, body: Bytes) -> Result<Attached, ClientError> {
        let request = request(Method::POST, path)
            .header(CONNECTION, "upgrade")
            .header(UPGRADE, PROTOCOL)
            .body(Full::new(body))
            .map_err(|error| ClientError::Broken(error.to_string()))?;
        let response = self.send(request).await?;
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            let status = response.status();
            refusal_if_any(response).await?;
            return Err(ClientError::Answer(format!("{status} instead of a stream")));
        }
        let job = response.headers().get("holdfast-job").and_then(|id| id.to_str().ok()).unwrap_or_default().to_owned();
        let upgraded = hyper::upgrade::on(response).await.map_err(|error| ClientError::Broken(error.to_string()))?;
        Ok(Attached { job, stream: TokioIo::new(upgraded) })
    }

    async fn send(&self, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, ClientError> {
        let stream = UnixStream::connect(&self.socket).await.map_err(|error| self.connect_error(error))?;
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|error| ClientError::Broken(error.to_string()))?;
        // Its error reaches this side as the request's own.
        tokio::spawn(connection.with_upgrades());
        sender.send_request(request).await.map_err(|error| ClientError::Broken(error.to_string()))
    }

    fn connect_error(&self, error: io::Error) -> ClientError {
        let socket = self.socket.clone();
        match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => ClientError::NotRunning { socket, error },
            io::ErrorKind::PermissionDenied => {
                let uid = nix::unistd::geteuid();
                let user = nix::unistd::User::from_uid(uid).ok().flatten().map_or(uid.to_string(), |user| user.name);
                ClientError::NotAllowed { socket, user }
            }
            _ => ClientError::Connect { socket, error },
        }
    }
}

fn request(method: Method, path: &str) -> hyper::http::request::Builder {
    Request::builder().method(method).uri(path).header(HOST, "holdfast-agent").header(CONTENT_TYPE, "application/json")
}

async fn refusal_if_any(response: Response<Incoming>) -> Result<Response<Incoming>, ClientError> {
    if response.status().is_success() {
        return Ok(response);
    }
    let status = response.status();
    let body = read(response).await?;
    match serde_json::from_slice::<ErrorBody>(&body) {
        Ok(body) => Err(body.error.into()),
        Err(_) => Err(ClientError::Answer(format!("{status}: {}", String::from_utf8_lossy(&body)))),
    }
}

async fn read(response: Response<Incoming>) -> Result<Bytes, ClientError> {
    let body = Limited::new(response.into_body(), MAX_ANSWER).collect().await;
    body.map(http_body_util::Collected::to_bytes).map_err(|error| ClientError::Broken(error.to_string()))
}
