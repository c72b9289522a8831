//! What `apply` and `destroy` share: showing a plan, asking, carrying it out.

use std::sync::Arc;

use serde::Serialize;

use super::{CommandError, interrupt, prompt};
use crate::apply::{self, Options, Summary, Watch};
use crate::cloud::Cloud;
use crate::kind::Left;
use crate::plan::{Counts, Plan, Purpose};
use crate::render::plan::Detail;
use crate::render::progress::Reporter;
use crate::render::{self, Output};
use crate::spec::Audit;
use crate::trail;

/// The command that a plan is carried out by.
fn verb(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Apply => "apply",
        Purpose::Destroy => "destroy",
    }
}

/// Refuses early where a yes is needed and there is nobody to give it.
pub(super) fn check_can_ask(purpose: Purpose, yes: bool) -> Result<(), CommandError> {
    if yes || prompt::terminal().is_some() { Ok(()) } else { Err(CommandError::NeedsYes { verb: verb(purpose) }) }
}

/// Asks whether the plan that was just shown shall be carried out.
fn confirm(plan: &Plan, yes: bool) -> Result<(), CommandError> {
    if yes {
        return Ok(());
    }
    let mut prompt = prompt::terminal().ok_or(CommandError::NeedsYes { verb: verb(plan.purpose) })?;
    let name = plan.scope.estate.as_str();
    let title = render::plan::title(&plan.scope);
    let confirmed = match plan.purpose {
        Purpose::Apply => prompt.confirm(&format!("Make these changes to {title}? [yes/no] "), "yes")?,
        // More is lost by a mistake here, so the hand must write which estate it means.
        Purpose::Destroy => prompt.confirm(&format!("Delete all this of {title}? Its name to go on: "), name)?,
    };
    if confirmed { Ok(()) } else { Err(CommandError::NotConfirmed) }
}

/// The result as JSON.
#[derive(Serialize)]
struct Applied<'a> {
    estate: &'a str,
    account: &'a str,
    region: &'a str,
    changes: Counts,
    unchanged: usize,
    #[serde(flatten)]
    summary: &'a Summary,
}

/// Shows a plan, asks, carries it out, and says what was done.
pub(super) async fn carry_out(
    cloud: &Arc<Cloud>,
    plan: &Plan,
    audit: Option<&Audit>,
    yes: bool,
    output: Output,
) -> Result<(), CommandError> {
    // The plan isn't the result: what was done is.
    render::note(&render::plan::text(plan, Detail::Brief));
    let mut summary = Summary { left: plan.left.clone(), calls: cloud.calls(), ..Summary::default() };
    if !plan.is_empty() {
        confirm(plan, yes)?;
        let witness = trail::Recorder::open(cloud, audit).await?;
        let reporter = Reporter::new(plan);
        let stop = interrupt::stop_token();
        let watch = Watch { witness: &witness, progress: &reporter, stop: &stop };
        let applied = Box::pin(apply::apply(cloud, plan, watch, Options::default())).await;
        reporter.finish();
        summary = applied?;
    }
    summary.left.extend(audit.filter(|_| plan.purpose == Purpose::Destroy).map(kept_trail));
    if output.is_json() {
        let scope = &plan.scope;
        output.json(&Applied {
            estate: scope.estate.as_str(),
            account: scope.account.as_str(),
            region: scope.region.as_str(),
            changes: plan.counts(),
            unchanged: plan.unchanged,
            summary: &summary,
        })
    } else {
        output.text(&render::plan::done(plan, &summary))
    }
}

/// The trail outlives the estates that it tells of.
fn kept_trail(audit: &Audit) -> Left {
    Left {
        what: format!("trail s3://{} in account {}", audit.bucket(), audit.account),
        why: "records are kept, and locked until their retention ends".to_owned(),
    }
}
