//! `provision apply`: makes an estate what its spec, or a plan that was seen, says.

use std::sync::Arc;

use super::carry_out::{self, Consent, Order};
use super::plan_file::PlanFile;
use super::{CommandError, plan, runtime, spec_file};
use crate::apply::Options;
use crate::cli::{ApplyArguments, Outcome};
use crate::cloud::Cloud;
use crate::plan::Purpose;
use crate::render::Output;

pub(crate) fn run(arguments: &ApplyArguments, output: Output) -> Result<Outcome, CommandError> {
    let consent = Consent { yes: arguments.yes, name: None };
    consent.check_can_ask(Purpose::Apply)?;
    let options = Options { parallelism: arguments.pace.parallelism };
    match &arguments.plan {
        Some(path) => {
            let PlanFile { mut plan, audit } = PlanFile::read(path)?;
            carry_out::check_budget(&mut plan, arguments.over_budget.as_deref())?;
            runtime::block_on(async {
                let cloud = Arc::new(Cloud::connect(&plan.scope.account, &plan.scope.region).await?);
                let order = Order { audit: audit.as_ref(), consent, options };
                Box::pin(carry_out::carry_out(&cloud, &plan, order, output)).await
            })?;
        }
        None => {
            let spec = spec_file::load(&arguments.spec)?;
            runtime::block_on(async {
                let cloud = Arc::new(Cloud::connect(&spec.account, &spec.region).await?);
                let make = async || {
                    let mut plan = Box::pin(plan::make(&cloud, &spec)).await?;
                    carry_out::check_budget(&mut plan, arguments.over_budget.as_deref())?;
                    Ok(plan)
                };
                let order = Order { audit: spec.audit.as_ref(), consent, options };
                Box::pin(carry_out::plan_and_carry_out(&cloud, order, output, make)).await
            })?;
        }
    }
    Ok(Outcome::Done)
}
