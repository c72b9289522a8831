//! `provision plan`: shows what `apply` would do, and does nothing.

use super::plan_file::PlanFile;
use super::{CommandError, runtime, spec_file};
use crate::cli::{Outcome, PlanArguments};
use crate::cloud::Cloud;
use crate::estate::{Estate, Scope};
use crate::plan::{Plan, World, check_renames};
use crate::render::plan::Detail;
use crate::render::{self, Output};
use crate::spec::Spec;

pub(crate) fn run(arguments: &PlanArguments, output: Output) -> Result<Outcome, CommandError> {
    let spec = spec_file::load(&arguments.spec)?;
    let plan = runtime::block_on(async {
        let cloud = Cloud::connect(&spec.account, &spec.region).await?;
        Box::pin(make(&cloud, &spec)).await
    })?;
    let file = PlanFile { plan, audit: spec.audit };
    if let Some(path) = &arguments.out {
        file.write(path)?;
        render::note(&format!("wrote {0}; `provision apply --plan {0}` does exactly this\n", path.display()));
    }
    if output.is_json() {
        output.json(&file.seal()?)?;
    } else {
        let detail = if arguments.full { Detail::Full } else { Detail::Brief };
        output.text(&render::plan::text(&file.plan, detail))?;
    }
    let differs = arguments.detailed_exitcode && !file.plan.is_empty();
    Ok(if differs { Outcome::Differences } else { Outcome::Done })
}

/// The plan from the world as it is to the spec.
pub(super) async fn make(cloud: &Cloud, spec: &Spec) -> Result<Plan, CommandError> {
    let (estate, world) = look(cloud, spec).await?;
    check_renames(&estate, &world)?;
    Ok(Plan::make(&estate, &world))
}

/// The estate as the spec wants it, and the world as it is.
pub(super) async fn look(cloud: &Cloud, spec: &Spec) -> Result<(Estate, World), CommandError> {
    let scope = Scope::of(spec);
    let (named, world) = tokio::join!(cloud.named(spec), World::discover(cloud, &scope));
    let world = world?;
    let facts = cloud.facts(spec, named?, world.shown()).await?;
    Ok((Estate::build(spec, &facts)?, world))
}
