//! `provision destroy`: deletes all of an estate and nothing else, and says what stays.

use std::sync::Arc;

use super::{CommandError, carry_out, runtime, spec_file};
use crate::cli::{DestroyArguments, Outcome};
use crate::cloud::Cloud;
use crate::estate::Scope;
use crate::plan::{Plan, Purpose, World};
use crate::render::Output;

pub(crate) fn run(arguments: &DestroyArguments, output: Output) -> Result<Outcome, CommandError> {
    carry_out::check_can_ask(Purpose::Destroy, arguments.yes)?;
    let spec = spec_file::load(&arguments.spec)?;
    runtime::block_on(async {
        let cloud = Arc::new(Cloud::connect(&spec.account, &spec.region).await?);
        let world = World::discover(&cloud, &Scope::of(&spec)).await?;
        let plan = Plan::destroy(&world);
        Box::pin(carry_out::carry_out(&cloud, &plan, spec.audit.as_ref(), arguments.yes, output)).await
    })?;
    Ok(Outcome::Done)
}
