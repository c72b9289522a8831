//! `provision unlock`: takes away the lock of a run that ended without giving it back.

use serde::Serialize;

use super::{CommandError, prompt, runtime, spec_file};
use crate::apply::{self, LockState};
use crate::cli::{Outcome, UnlockArguments};
use crate::cloud::Cloud;
use crate::estate::Scope;
use crate::render::{self, Output};
use crate::trail;

/// The result as JSON.
#[derive(Serialize)]
struct Unlocked<'a> {
    estate: &'a str,
    /// The lock as it was found, if there was one.
    lock: Option<&'a LockState>,
    /// Whether it was taken away by this run.
    removed: bool,
}

pub(crate) fn run(arguments: &UnlockArguments, output: Output) -> Result<Outcome, CommandError> {
    if !arguments.yes && prompt::terminal().is_none() {
        return Err(CommandError::NeedsYes { verb: "unlock" });
    }
    let spec = spec_file::load(&arguments.spec)?;
    let scope = Scope::of(&spec);
    let (lock, removed) = runtime::block_on(async {
        let cloud = Cloud::connect(&spec.account, &spec.region).await?;
        let Some(lock) = apply::look_at_lock(&cloud, &scope).await? else { return Ok((None, false)) };
        render::note(&render::lock::text(&scope, &lock));
        if !lock.expired && !arguments.force {
            return Err(CommandError::LiveLock { holder: lock.who(), renewed: lock.renewed_seconds_ago });
        }
        confirm(arguments, &scope, &lock)?;
        let witness = trail::Recorder::open(&cloud, spec.audit.as_ref()).await?;
        let removed = Box::pin(apply::break_lock(&cloud, &scope, &lock, &witness)).await?;
        Ok((Some(lock), removed))
    })?;
    if output.is_json() {
        output.json(&Unlocked { estate: scope.estate.as_str(), lock: lock.as_ref(), removed })?;
    } else {
        output.text(&render::lock::removed(&scope, lock.is_some(), removed))?;
    }
    Ok(Outcome::Done)
}

fn confirm(arguments: &UnlockArguments, scope: &Scope, lock: &LockState) -> Result<(), CommandError> {
    if arguments.yes {
        return Ok(());
    }
    let mut prompt = prompt::terminal().ok_or(CommandError::NeedsYes { verb: "unlock" })?;
    let harm = if lock.expired { "" } else { " Its run is at work, and stops at once." };
    let question = format!("Take away the lock of {}?{harm} [yes/no] ", render::plan::title(scope));
    if prompt.confirm(&question, "yes")? { Ok(()) } else { Err(CommandError::NotConfirmed) }
}
