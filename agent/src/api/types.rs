//! The JSON that the API takes and gives. Unknown keys in a request are errors.
//!
//! Times are RFC 3339 in UTC, lengths of time are milliseconds, sizes are bytes, binary data is base64.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use holdfast_sandbox::Outcome;
use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::error::Refusal;
use crate::supervisor::log::LogSizes;

/// What is to run, and how it is contained: the body of `POST /v1/jobs`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JobSpec {
    /// The program: a path inside the sandbox, or a name that is looked for in its PATH.
    pub program: String,
    /// Its arguments, without its own name.
    #[serde(default)]
    pub args: Vec<String>,
    /// Variables beside the sandbox's own few.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// The directory inside in which it starts.
    #[serde(default)]
    pub cwd: Option<String>,
    /// Its host name.
    #[serde(default)]
    pub hostname: Option<String>,
    /// Directories and files of the host that are seen inside.
    #[serde(default)]
    pub mounts: Vec<Mount>,
    /// Writable directories in memory.
    #[serde(default)]
    pub tmpfs: Vec<Tmpfs>,
    /// Bounds.
    #[serde(default)]
    pub limits: Limits,
    /// Which system calls it may make.
    #[serde(default)]
    pub seccomp: Seccomp,
    /// Files made inside before the program starts.
    #[serde(default)]
    pub files: Vec<File>,
    /// The whole of its stdin, for a job whose stdin isn't streamed; nothing if absent.
    #[serde(default)]
    pub stdin: Option<Base64>,
    /// Forget the job when it has ended.
    #[serde(default)]
    pub remove: bool,
}

/// A host directory or file that is seen inside.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mount {
    /// The absolute path on the host.
    pub source: String,
    /// The absolute path inside.
    pub target: String,
    /// Whether it may be written.
    #[serde(default)]
    pub writable: bool,
}

/// A directory in memory.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tmpfs {
    /// The absolute path inside.
    pub target: String,
    /// The most that it holds, in bytes.
    pub size: u64,
}

/// Bounds on a job.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Memory, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<u64>,
    /// Processes and threads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pids: Option<u64>,
    /// Processors at once, in thousandths; with [`LimitsMode::Required`] alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub millicpus: Option<u32>,
    /// The share of busy processors, 1 to 10,000 (others have 100); with [`LimitsMode::Required`] alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_weight: Option<u16>,
    /// CPU time, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_time_ms: Option<u64>,
    /// Wall-clock time, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wall_ms: Option<u64>,
    /// How strictly; the agent's configuration decides if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<LimitsMode>,
}

/// Which system calls a job may make.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Seccomp {
    /// What ordinary programs need.
    #[default]
    Default,
    /// What a program needs that only computes: threads, but no other process and no socket.
    Strict,
}

/// How strictly limits are enforced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum LimitsMode {
    /// By cgroup v2 for the job as a whole, or it doesn't start.
    Required,
    /// By rlimits, which bound each process: a job of many processes can use more.
    RlimitOnly,
}

/// A file made inside the sandbox.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// The absolute path inside.
    pub path: String,
    /// Permission bits, 0644 if absent.
    #[serde(default)]
    pub mode: Option<u32>,
    /// What is in it.
    pub data: Base64,
}

/// A job as callers see it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Job {
    /// Its id.
    pub id: String,
    /// Where it is in its life.
    pub state: State,
    /// What runs.
    pub program: String,
    /// Its arguments.
    pub args: Vec<String>,
    /// Who started it.
    pub owner: Owner,
    /// When it was asked for.
    pub created: Timestamp,
    /// When its sandbox was there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started: Option<Timestamp>,
    /// When it had ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended: Option<Timestamp>,
    /// The bounds that hold for it.
    pub limits: Limits,
    /// What its sandbox's init is to the host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pid: Option<i32>,
    /// What its caller should know though it stopped nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// How it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result: Option<JobResult>,
    /// How much of its output is kept.
    pub log: LogSizes,
    /// Its records in the audit trail.
    pub records: Records,
}

/// Where a job is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Asked for; its program doesn't run yet.
    Starting,
    /// Its sandbox is there.
    Running,
    /// It ended, or could not start.
    Ended,
}

/// Who started a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// As the kernel said when he connected.
    pub uid: u32,
    /// As the host's user database calls him.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
}

/// How a job ended.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct JobResult {
    /// What `holdfast-agent run` ends with.
    pub exit_code: u8,
    /// What the sandbox's init said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// Why nothing is known of its end, or why it did not start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<Refusal>,
}

/// A job's records.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Records {
    /// Of its start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<Record>,
    /// Of its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end: Option<Record>,
}

/// Where a record is in the audit trail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Its place in the stream.
    pub sequence: u64,
    /// Its `eventID`.
    pub event_id: String,
    /// Whether the central store has it.
    #[serde(default)]
    pub confirmed: bool,
}

/// The agent itself: the answer to `GET /v1/status`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Status {
    /// The agent's version.
    pub version: String,
    /// Its process.
    pub pid: u32,
    /// Whether the spawner is there; while it is started anew, starts are refused.
    pub spawner: bool,
    /// Jobs that have not ended.
    pub jobs: usize,
    /// How many there may be.
    pub max_jobs: usize,
    /// The audit trail.
    pub trail: TrailStatus,
}

/// The agent's audit trail.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TrailStatus {
    /// Where records go: a bucket, a directory, or `none`.
    pub ship: String,
    /// The stream's id.
    pub stream: String,
    /// Who writes it.
    pub writer: String,
    /// The newest record that is on this host's disk.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recorded: Option<u64>,
    /// The newest record that the central store has confirmed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub confirmed: Option<u64>,
    /// Records of what has happened that could not be written yet.
    pub held: usize,
    /// Why starts are refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// Why the store doesn't get records now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shipping_failure: Option<String>,
}

/// The body of `POST /v1/jobs/{id}/signal`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignalRequest {
    /// The signal's number.
    pub signal: u8,
}

/// Bytes, as base64 in JSON.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Base64(pub Vec<u8>);

/// The length only: what jobs are given may be secret.
impl std::fmt::Debug for Base64 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

impl Serialize for Base64 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&BASE64_STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Base64 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        BASE64_STANDARD.decode(text).map(Self).map_err(de::Error::custom)
    }
}
