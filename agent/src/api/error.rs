//! What the API answers when it doesn't do what was asked.
//!
//! The body is `{"error": {"code": "…", "message": "…"}}`. Codes are stable and are what records carry as
//! `errorCode`; messages are for people and say the next step.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

/// A refusal's code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Code {
    /// The caller may not do this.
    AccessDenied,
    /// The request makes no sense, or asks for what policy doesn't allow.
    InvalidRequest,
    /// No such job, or not the caller's.
    NoSuchJob,
    /// The job isn't in a state in which that can be done.
    WrongState,
    /// As many jobs run as this host allows.
    TooManyJobs,
    /// A record of this can't be kept, so it isn't done.
    TrailUnavailable,
    /// The spawner isn't there; it is being started anew.
    SpawnerUnavailable,
    /// The spawner died while the job ran, and the job with it.
    SpawnerDied,
    /// The agent is stopping.
    Stopping,
    /// The sandbox could not be made.
    SandboxFailed,
    /// A fault of the agent.
    Internal,
}

impl Code {
    fn status(self) -> StatusCode {
        match self {
            Self::AccessDenied => StatusCode::FORBIDDEN,
            Self::InvalidRequest => StatusCode::BAD_REQUEST,
            Self::NoSuchJob => StatusCode::NOT_FOUND,
            Self::WrongState => StatusCode::CONFLICT,
            Self::TooManyJobs => StatusCode::TOO_MANY_REQUESTS,
            Self::TrailUnavailable | Self::SpawnerUnavailable | Self::Stopping => StatusCode::SERVICE_UNAVAILABLE,
            Self::SandboxFailed | Self::SpawnerDied | Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The code as it is written in answers and records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AccessDenied => "AccessDenied",
            Self::InvalidRequest => "InvalidRequest",
            Self::NoSuchJob => "NoSuchJob",
            Self::WrongState => "WrongState",
            Self::TooManyJobs => "TooManyJobs",
            Self::TrailUnavailable => "TrailUnavailable",
            Self::SpawnerUnavailable => "SpawnerUnavailable",
            Self::SpawnerDied => "SpawnerDied",
            Self::Stopping => "Stopping",
            Self::SandboxFailed => "SandboxFailed",
            Self::Internal => "Internal",
        }
    }
}

/// Why something was not done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// For programs.
    pub code: Code,
    /// For people.
    pub message: String,
}

/// The body of an answer that is a refusal.
#[derive(Debug, Serialize, Deserialize)]
pub struct ErrorBody {
    /// The refusal.
    pub error: Refusal,
}

impl Refusal {
    /// A refusal with its message.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.code.status(), Json(ErrorBody { error: self })).into_response()
    }
}
