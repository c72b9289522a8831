//! `provision drift`: what changed since the last apply, and not by it.

use super::{CommandError, plan, runtime, spec_file};
use crate::cli::{Outcome, SpecFile};
use crate::cloud::Cloud;
use crate::plan::Drift;
use crate::render::{self, Output};

pub(crate) fn run(arguments: &SpecFile, output: Output) -> Result<Outcome, CommandError> {
    let spec = spec_file::load(arguments)?;
    let plan = runtime::block_on(async {
        let cloud = Cloud::connect(&spec.account, &spec.region).await?;
        Box::pin(plan::make(&cloud, &spec)).await
    })?;
    let drift = Drift::of(&plan);
    if output.is_json() {
        output.json(&drift)?;
    } else {
        output.text(&render::drift::text(&drift))?;
    }
    Ok(if drift.is_empty() { Outcome::Done } else { Outcome::Differences })
}
