//! What `apply` and `destroy` share: showing a plan, asking, carrying it out.

use std::sync::{Arc, OnceLock};

use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::{CommandError, interrupt, prompt};
use crate::apply::{self, ApplyError, Options, Summary, Watch};
use crate::cloud::Cloud;
use crate::kind::Left;
use crate::plan::{Counts, Plan, Purpose};
use crate::render::plan::Detail;
use crate::render::progress::Reporter;
use crate::render::{self, Output};
use crate::spec::{Audit, Environment, EstateName};
use crate::trail;

/// How many plans are made at most: a world that moves longer than that is somebody else's work.
const PLANS: u32 = 5;

/// The command that a plan is carried out by.
fn verb(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Apply => "apply",
        Purpose::Destroy => "destroy",
    }
}

/// What was agreed to before anything was seen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Consent<'a> {
    /// Whether nothing shall be asked.
    pub(super) yes: bool,
    /// The estate that is meant.
    pub(super) name: Option<&'a EstateName>,
}

impl Consent<'_> {
    /// Refuses early where a yes is needed and there is nobody to give it.
    pub(super) fn check_can_ask(self, purpose: Purpose) -> Result<(), CommandError> {
        let can = self.yes || prompt::terminal().is_some();
        if can { Ok(()) } else { Err(CommandError::NeedsYes { verb: verb(purpose) }) }
    }

    /// Asks whether the plan that was just shown shall be carried out.
    fn confirm(self, plan: &Plan) -> Result<(), CommandError> {
        let estate = &plan.scope.estate;
        if self.name.is_some_and(|name| name != estate) {
            return Err(CommandError::OtherName { estate: estate.to_string() });
        }
        // What customers use isn't ended by a flag that stands in a script for every estate.
        let needs_name = plan.purpose == Purpose::Destroy && plan.environment.contains(Environment::Prod.as_str());
        if self.yes && (self.name.is_some() || !needs_name) {
            return Ok(());
        }
        let nobody = || match self.yes {
            true => CommandError::NeedsName { estate: estate.to_string() },
            false => CommandError::NeedsYes { verb: verb(plan.purpose) },
        };
        let mut prompt = prompt::terminal().ok_or_else(nobody)?;
        let title = format!("{}, environment {}", render::plan::title(&plan.scope), plan.environment);
        let confirmed = match plan.purpose {
            Purpose::Apply => prompt.confirm(&format!("Make these changes to {title}? [yes/no] "), "yes")?,
            // More is lost by a mistake here, so the hand must write which estate it means.
            Purpose::Destroy => {
                prompt.confirm(&format!("Delete all this of {title}? Its name to go on: "), estate.as_str())?
            }
        };
        if confirmed { Ok(()) } else { Err(CommandError::NotConfirmed) }
    }
}

/// Refuses a plan after which the estate would cost more than its budget, unless a reason is given; the plan keeps it,
/// and so does its record in the trail.
pub(super) fn check_budget(plan: &mut Plan, reason: Option<&str>) -> Result<(), CommandError> {
    let Some(budget) = plan.cost.passed_budget().filter(|_| !plan.is_empty()) else { return Ok(()) };
    let Some(reason) = reason else {
        render::note(&render::plan::text(plan, Detail::Brief));
        let after = &plan.cost.after;
        let is_lower_bound = !after.unpriced().is_empty();
        return Err(CommandError::OverBudget { estimate: after.total_usd, is_lower_bound, budget });
    };
    plan.over_budget = Some(reason.to_owned());
    Ok(())
}

/// How a plan is carried out.
#[derive(Clone, Copy, Debug)]
pub(super) struct Order<'a> {
    /// Where it is recorded.
    pub(super) audit: Option<&'a Audit>,
    /// What was agreed to.
    pub(super) consent: Consent<'a>,
    /// How much at once.
    pub(super) options: Options,
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

/// Makes a plan and carries it out. Where whoever gave the order agreed to whatever the plan is, and the world has moved
/// by the time that nobody else can change it, another is made: after a run that died, AWS may show some of what that
/// did a while later.
pub(super) async fn plan_and_carry_out(
    cloud: &Arc<Cloud>,
    order: Order<'_>,
    output: Output,
    mut make: impl AsyncFnMut() -> Result<Plan, CommandError>,
) -> Result<(), CommandError> {
    let stop = OnceLock::new();
    let mut made = 0;
    loop {
        let plan = make().await?;
        made += 1;
        match Box::pin(once(cloud, &plan, order, &stop, output)).await {
            Err(CommandError::Apply(error)) if order.consent.yes && made < PLANS => match *error {
                ApplyError::Moved(what) => {
                    render::note(&format!("the world moved since the plan was made: {what}; planning again\n"));
                }
                error => return Err(error.into()),
            },
            done => return done,
        }
    }
}

/// Shows a plan, asks, carries it out, and says what was done.
pub(super) async fn carry_out(
    cloud: &Arc<Cloud>,
    plan: &Plan,
    order: Order<'_>,
    output: Output,
) -> Result<(), CommandError> {
    once(cloud, plan, order, &OnceLock::new(), output).await
}

async fn once(
    cloud: &Arc<Cloud>,
    plan: &Plan,
    Order { audit, consent, options }: Order<'_>,
    stop: &OnceLock<CancellationToken>,
    output: Output,
) -> Result<(), CommandError> {
    // The plan isn't the result: what was done is.
    render::note(&render::plan::text(plan, Detail::Brief));
    let mut summary = Summary { left: plan.left.clone(), calls: cloud.calls(), ..Summary::default() };
    if !plan.is_empty() {
        consent.confirm(plan)?;
        let witness = trail::Recorder::open(cloud, audit).await?;
        let reporter = Reporter::new(plan);
        let watch = Watch { witness: &witness, progress: &reporter, stop: stop.get_or_init(interrupt::stop_token) };
        let applied = Box::pin(apply::apply(cloud, plan, watch, options)).await;
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
