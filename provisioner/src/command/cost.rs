//! `provision cost`: what the estate costs as it is: an estimate by group and tag, and what Budgets has counted.

use super::{CommandError, runtime, spec_file};
use crate::cli::{Outcome, SpecFile};
use crate::cloud::Cloud;
use crate::estate::Scope;
use crate::plan::World;
use crate::price::Report;
use crate::render::{self, Output};

pub(crate) fn run(arguments: &SpecFile, output: Output) -> Result<Outcome, CommandError> {
    let spec = spec_file::load(arguments)?;
    let world = runtime::block_on(async {
        let cloud = Cloud::connect(&spec.account, &spec.region).await?;
        Ok(World::discover(&cloud, &Scope::of(&spec)).await?)
    })?;
    let report = Report::of(&world);
    if output.is_json() {
        output.json(&report)?;
    } else {
        output.text(&render::cost::report(&report))?;
    }
    Ok(Outcome::Done)
}
