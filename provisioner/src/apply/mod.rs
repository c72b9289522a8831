//! Apply: a plan, carried out.
//!
//! In this order, and each step only after the one before:
//!
//! 1. the witness has recorded what is intended;
//! 2. the estate's lock is held;
//! 3. the world is read again, and is the one that the plan was made against;
//! 4. the plan's steps run, as many at once as [`Options::parallelism`] allows and their order permits; each act is
//!    told to the witness before and after, and the lock is seen to be held before;
//! 5. the lock is given back, and the witness has recorded the end.
//!
//! A failure, and a request to stop, let what is under way end and begin nothing more; a lost lock and a witness that
//! can't record drop what is under way too. Either way the next plan says what is left to do: there is nothing to
//! resume from but the world itself.

mod lock;
mod progress;
mod run;
pub mod witness;

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::sync::Arc;

pub use lock::{Holder, LockState, SECONDS as LOCK_SECONDS};
pub use progress::{Event, Progress, Silent};
use serde::Serialize;
use tokio_util::sync::CancellationToken;
use witness::{Close, Witness, WitnessError};

use crate::cloud::{Cloud, CloudError};
use crate::estate::{ResourceId, Scope};
use crate::kind::{KindError, Left};
use crate::plan::{Plan, Purpose, StepError, World};

/// How a plan is carried out.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How many acts are under way at once.
    pub parallelism: NonZeroUsize,
}

impl Default for Options {
    fn default() -> Self {
        Self { parallelism: NonZeroUsize::new(8).unwrap_or(NonZeroUsize::MIN) }
    }
}

/// What an apply is watched and stopped by.
#[derive(Clone, Copy)]
pub struct Watch<'a> {
    /// Who records.
    pub witness: &'a dyn Witness,
    /// Who looks on.
    pub progress: &'a dyn Progress,
    /// Cancelled when somebody asks to stop.
    pub stop: &'a CancellationToken,
}

/// What was done.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Summary {
    /// Changes that were carried out.
    pub done: usize,
    /// What is there and stays, by design.
    pub left: Vec<Left>,
    /// How many calls to AWS it took.
    pub calls: u64,
}

/// Why a plan wasn't carried out, or not to its end.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// A call to AWS.
    #[error(transparent)]
    Cloud(#[from] CloudError),
    /// The world couldn't be read.
    #[error(transparent)]
    Kind(#[from] KindError),
    /// The plan makes no sense.
    #[error(transparent)]
    Step(#[from] StepError),
    /// It couldn't be recorded.
    #[error(transparent)]
    Witness(#[from] WitnessError),
    /// The world isn't the one that the plan was made against.
    #[error("the world moved since the plan was made: {0}; make the plan again")]
    Moved(String),
    /// Somebody else is at it.
    #[error("{}", locked(holder.as_ref().as_ref(), bucket, key, *renewed, *left))]
    Locked {
        /// Who; `None` where the object says nothing that can be read.
        holder: Box<Option<Holder>>,
        /// The bucket.
        bucket: String,
        /// The object.
        key: String,
        /// How many seconds ago it was taken or renewed, by S3's clock.
        renewed: i64,
        /// In how many seconds it expires unless it is renewed.
        left: i64,
    },
    /// The lock came and went faster than it could be taken.
    #[error("the lock s3://{bucket}/{key} is taken and released by others all the time; try again")]
    LockRace {
        /// The bucket.
        bucket: String,
        /// The object.
        key: String,
    },
    /// Somebody took the lock over.
    #[error("the estate's lock was taken over by {by}: stopped at once; wait for them, then apply again")]
    LockLost {
        /// Who.
        by: String,
    },
    /// Acts failed.
    #[error("{}\n{}; correct that and apply again to go on", failed(failures), so_far(done, not_begun))]
    Failed {
        /// Which, and why.
        failures: Vec<(ResourceId, KindError)>,
        /// Acts that were done, such as `create vpc`.
        done: Vec<String>,
        /// Acts that weren't begun.
        not_begun: Vec<String>,
    },
    /// Somebody asked to stop.
    #[error("stopped. {}; apply again to go on", so_far(done, not_begun))]
    Stopped {
        /// Acts that were done, such as `create vpc`.
        done: Vec<String>,
        /// Acts that weren't begun.
        not_begun: Vec<String>,
    },
}

fn locked(holder: Option<&Holder>, bucket: &str, key: &str, renewed: i64, left: i64) -> String {
    let who = match holder {
        Some(holder) => format!("{} holds it since {:.0} to {}", holder.holder, holder.since, holder.reason),
        None => "its object can't be read".to_owned(),
    };
    format!(
        "the estate is locked (s3://{bucket}/{key}): {who}; renewed {renewed} s ago, it expires in {left} s unless it is \
         renewed again: wait, or end that run; `provision unlock` takes away one that nobody renews"
    )
}

/// What failed, and below it each next step once: with the network away, all that was under way failed alike.
fn failed(failures: &[(ResourceId, KindError)]) -> String {
    let mut lines = Vec::new();
    let mut next_steps = BTreeSet::new();
    for (id, error) in failures {
        if let KindError::Cloud(error) = error {
            lines.push(format!("{id}: {}", error.what()));
            next_steps.extend(error.next());
        } else {
            lines.push(format!("{id}: {error}"));
        }
    }
    lines.extend(next_steps.into_iter().map(str::to_owned));
    lines.join("\n")
}

fn so_far(done: &[String], not_begun: &[String]) -> String {
    let list = |acts: &[String]| if acts.is_empty() { "nothing".to_owned() } else { acts.join(", ") };
    format!("Done: {}. Not begun: {}", list(done), list(not_begun))
}

/// The estate's lock as it is; `None` where nobody holds it.
pub async fn look_at_lock(cloud: &Cloud, scope: &Scope) -> Result<Option<LockState>, ApplyError> {
    Ok(lock::look(cloud, scope).await?)
}

/// Takes a lock away, unless it isn't any more as it was seen; whether it did.
pub async fn break_lock(
    cloud: &Cloud,
    scope: &Scope,
    seen: &LockState,
    witness: &dyn Witness,
) -> Result<bool, ApplyError> {
    witness.note(&witness::Note::LockBroken { holder: seen.who(), expired: seen.expired }).await?;
    let result = lock::remove(cloud, scope, seen).await;
    let (done, error) =
        (usize::from(*result.as_ref().unwrap_or(&false)), result.as_ref().err().map(ToString::to_string));
    witness.close(&Close { done, error, ..Close::default() }).await?;
    Ok(result?)
}

/// Carries a plan out.
pub async fn apply(cloud: &Arc<Cloud>, plan: &Plan, watch: Watch<'_>, options: Options) -> Result<Summary, ApplyError> {
    if plan.is_empty() {
        return Ok(Summary { left: plan.left.clone(), calls: cloud.calls(), ..Summary::default() });
    }
    watch.witness.plan_intent(plan).await?;
    let mut close = Close { not_begun: plan.changes.len(), ..Close::default() };
    let result = locked_run(cloud, plan, watch, options, &mut close).await;
    close.error = result.as_ref().err().map(ToString::to_string);
    let closed = watch.witness.close(&close).await;
    let summary = result?;
    closed?;
    Ok(summary)
}

async fn locked_run(
    cloud: &Arc<Cloud>,
    plan: &Plan,
    watch: Watch<'_>,
    options: Options,
    close: &mut Close,
) -> Result<Summary, ApplyError> {
    let reason = match plan.purpose {
        Purpose::Apply => format!("apply {}", plan.scope.estate),
        Purpose::Destroy => format!("destroy {}", plan.scope.estate),
    };
    let lock = lock::Lock::take(cloud, &plan.scope, &reason, watch.witness).await?;
    watch.progress.event(Event::Locked);
    let result = async {
        watch.progress.event(Event::Discovering);
        let world = World::discover(cloud, &plan.scope).await?;
        check_unmoved(plan, &world)?;
        run::Run::new(cloud, plan, &world, watch)?.all(&lock, options, close).await
    }
    .await;
    let released = lock.release().await;
    let mut left = result?;
    released?;
    if plan.purpose == Purpose::Destroy {
        let what = format!("bucket {}", lock::bucket::name(&plan.scope));
        left.push(Left { what, why: "it holds the locks of all estates of this account in this region".to_owned() });
    }
    Ok(Summary { done: plan.changes.len(), left, calls: cloud.calls() })
}

/// The same changes must come out of the world as it is now.
fn check_unmoved(plan: &Plan, world: &World) -> Result<(), ApplyError> {
    if world.digest() == plan.world {
        return Ok(());
    }
    let now = match &plan.estate {
        Some(estate) => Plan::make(estate, world),
        None => Plan::destroy(world),
    };
    let changed: Vec<_> = now
        .changes
        .iter()
        .filter(|change| !plan.changes.contains(change))
        .chain(plan.changes.iter().filter(|change| !now.changes.contains(change)))
        .map(|change| change.id.to_string())
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect();
    if changed.is_empty() { Ok(()) } else { Err(ApplyError::Moved(changed.join(", "))) }
}
