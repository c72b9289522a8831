//! What goes wrong with the trail, each with the next step.

use std::path::PathBuf;

use holdfast_audit::ship::ShipError;
use holdfast_audit::verify::TrustError;
use holdfast_policies::PolicyError;

use crate::cloud::CloudError;
use crate::spec::Problems;

/// Why the trail couldn't be made, written or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrailError {
    /// A call to AWS.
    #[error(transparent)]
    Cloud(#[from] CloudError),
    /// The spool.
    #[error(transparent)]
    Spool(#[from] holdfast_audit::Error),
    /// The way to the store.
    #[error(transparent)]
    Ship(#[from] ShipError),
    /// The trust file.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// A policy couldn't be made.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// The spec that should name the trail is wrong.
    #[error(transparent)]
    Spec(#[from] Problems),
    /// The spec names a trail that isn't there.
    #[error(
        "the spec names the trail s3://{bucket}, which isn't there, and nothing is changed unrecorded; make it with the audit \
         account's credentials: `provision audit init --account {account} --region {region}`"
    )]
    NoTrail {
        /// The bucket.
        bucket: String,
        /// The audit account.
        account: String,
        /// The region.
        region: String,
    },
    /// There is nowhere to keep state.
    #[error(
        "neither XDG_STATE_HOME nor HOME names an absolute path, so there is no place for records; set one of them"
    )]
    NoHome,
    /// Everything that a run could record into is taken.
    #[error("{count} runs of `provision` under this identity record into {} already; wait for one to end", .directory.display())]
    Busy {
        /// Where the spools are.
        directory: PathBuf,
        /// How many there are.
        count: u32,
    },
    /// The account is in no organisation.
    #[error(
        "account {0} is in no organisation, and the trail takes records of an organisation's accounts alone; create one or join it"
    )]
    NoOrganization(String),
    /// A file or directory.
    #[error("can't {action} {}: {source}; check that it is there and that you may use it", .path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The path.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Where the trail is isn't known.
    #[error("which trail? name it with --from (s3://holdfast-trail-ACCOUNT-REGION, or file:///directory), or have [audit] in {}", .spec.display())]
    NoSource {
        /// The spec that doesn't name it.
        spec: PathBuf,
    },
    /// The address is none of a trail.
    #[error("{url:?} is no address of a trail: {reason}; s3://bucket or file:///directory is expected")]
    Address {
        /// The address.
        url: String,
        /// What is wrong.
        reason: String,
    },
    /// A time isn't one.
    #[error("{0:?} is no time; give one such as 2026-11-24, 2026-11-24T09:00:00Z, 90m or 7d")]
    Time(String),
    /// An event isn't there.
    #[error("no record in {from} has the event id {id}; `provision audit list --json` shows the ids")]
    NoSuchEvent {
        /// Where was looked.
        from: String,
        /// The id.
        id: String,
    },
    /// An object can't be read, so what it holds isn't known.
    #[error(
        "{count} objects in {from} can't be read, {key} first: {reason}; `provision audit verify` says what is wrong"
    )]
    Unreadable {
        /// Where.
        from: String,
        /// How many.
        count: usize,
        /// The first.
        key: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The bucket is there and isn't what a trail needs.
    #[error("bucket {bucket} {what}, so it can't become a trail; {next}")]
    Bucket {
        /// The bucket.
        bucket: String,
        /// What it is.
        what: &'static str,
        /// What to do.
        next: &'static str,
    },
    /// A retention that can't be undone wasn't wanted after all.
    #[error("not confirmed; nothing was changed")]
    NotConfirmed,
    /// There is nobody to ask.
    #[error("compliance retention can't be undone, not by AWS either, and asks twice: run it at a terminal")]
    NobodyToAsk,
    /// The terminal failed.
    #[error("the terminal can't be used: {0}")]
    Terminal(String),
    /// A value can't be made JSON.
    #[error("the result can't be made JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// A task of the runtime is gone.
    #[error("a task of the runtime ended early: {0}")]
    Task(#[from] tokio::task::JoinError),
}

impl TrailError {
    pub(super) fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> TrailError {
        let path = path.into();
        move |source| TrailError::Io { action, path, source }
    }
}
