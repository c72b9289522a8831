//! `provision status`: what there is of an estate, its hosts, and its spend against its budget.

use super::{CommandError, runtime, spec_file};
use crate::cli::{Outcome, SpecFile};
use crate::cloud::Cloud;
use crate::estate::Scope;
use crate::plan::{Status, World};
use crate::render::{self, Output};

pub(crate) fn run(arguments: &SpecFile, output: Output) -> Result<Outcome, CommandError> {
    let spec = spec_file::load(arguments)?;
    let world = runtime::block_on(async {
        let cloud = Cloud::connect(&spec.account, &spec.region).await?;
        Ok(World::discover(&cloud, &Scope::of(&spec)).await?)
    })?;
    let status = Status::of(&world);
    if output.is_json() {
        output.json(&status)?;
    } else {
        output.text(&render::status::text(&status))?;
    }
    Ok(Outcome::Done)
}
