//! Who sees what an apply does: the seam to the audit trail.
//!
//! Every method is awaited. What is about to be done is told first, and done only once the witness has said `Ok`, so
//! nothing changes unwitnessed; an error of the witness ends the apply with nothing more changed.

use std::collections::BTreeMap;

use futures::future::BoxFuture;
use serde::Serialize;

use crate::kind::Left;
use crate::plan::{Change, Operation, Plan};

/// Why a witness couldn't record.
#[derive(Debug, thiserror::Error)]
#[error("the audit trail: {0}")]
pub struct WitnessError(#[source] pub Box<dyn std::error::Error + Send + Sync>);

/// One thing that is done with one resource.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Act<'a> {
    /// What is done; a replacement is two acts, a deletion and a creation.
    pub operation: Operation,
    /// The change that it belongs to.
    pub change: &'a Change,
}

/// How an act ended.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// As it was meant to.
    Done {
        /// The resource's attributes, such as `id` and `arn`; none after a deletion.
        attributes: BTreeMap<String, String>,
        /// What of it stays by design.
        left: Option<Left>,
    },
    /// Not, or not wholly.
    Failed {
        /// AWS's code; empty where the failure isn't AWS's.
        code: String,
        /// What went wrong.
        message: String,
        /// AWS's id of the request.
        request_id: Option<String>,
    },
}

/// What else there is to record.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", tag = "note")]
pub enum Note {
    /// The bucket for locks is about to be made or set right.
    LockBucket {
        /// Its name.
        bucket: String,
    },
    /// The lock of another run, which ended without releasing it, was taken over.
    LockTakenOver {
        /// Who held it.
        holder: String,
        /// What for.
        reason: String,
    },
    /// A lock is about to be taken away by hand.
    LockBroken {
        /// Who holds it.
        holder: String,
        /// Whether it had expired.
        expired: bool,
    },
}

/// How the whole ended.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Close {
    /// Acts that were done.
    pub done: usize,
    /// Acts that failed.
    pub failed: usize,
    /// Acts that weren't begun.
    pub not_begun: usize,
    /// What ended it early, if something did.
    pub error: Option<String>,
}

/// Somebody who records.
pub trait Witness: Send + Sync {
    /// A plan is about to be carried out. `Ok` says that this is recorded where nobody here can take it back.
    fn plan_intent<'a>(&'a self, plan: &'a Plan) -> BoxFuture<'a, Result<(), WitnessError>>;

    /// An act is about to begin.
    fn act_intent<'a>(&'a self, act: Act<'a>) -> BoxFuture<'a, Result<(), WitnessError>>;

    /// An act has ended.
    fn act_outcome<'a>(&'a self, act: Act<'a>, outcome: &'a Outcome) -> BoxFuture<'a, Result<(), WitnessError>>;

    /// Something else is about to happen, or has. A broken lock isn't part of a plan: `Ok` says that it is recorded as
    /// a plan's intent is.
    fn note<'a>(&'a self, note: &'a Note) -> BoxFuture<'a, Result<(), WitnessError>>;

    /// The end. Called once after a `plan_intent` or a broken lock's note that was `Ok`, however it ended.
    fn close<'a>(&'a self, close: &'a Close) -> BoxFuture<'a, Result<(), WitnessError>>;
}
