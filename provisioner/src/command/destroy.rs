//! `provision destroy`: deletes all of an estate and nothing else, and says what stays.

use std::sync::Arc;

use super::carry_out::{self, Consent, Order};
use super::{CommandError, runtime, spec_file};
use crate::apply::Options;
use crate::cli::{DestroyArguments, Outcome};
use crate::cloud::Cloud;
use crate::estate::Scope;
use crate::plan::{Plan, Purpose, World};
use crate::render::Output;

pub(crate) fn run(arguments: &DestroyArguments, output: Output) -> Result<Outcome, CommandError> {
    let consent = Consent { yes: arguments.yes, name: arguments.name.as_ref() };
    consent.check_can_ask(Purpose::Destroy)?;
    let options = Options { parallelism: arguments.pace.parallelism };
    let spec = spec_file::load(&arguments.spec)?;
    runtime::block_on(async {
        let cloud = Arc::new(Cloud::connect(&spec.account, &spec.region).await?);
        let make = async || Ok(Plan::destroy(&World::discover(&cloud, &Scope::of(&spec)).await?));
        let order = Order { audit: spec.audit.as_ref(), consent, options };
        Box::pin(carry_out::plan_and_carry_out(&cloud, order, output, make)).await
    })?;
    Ok(Outcome::Done)
}
