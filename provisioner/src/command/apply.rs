//! `provision apply`: makes an estate what its spec, or a plan that was seen, says.

use std::sync::Arc;

use super::plan_file::PlanFile;
use super::{CommandError, carry_out, plan, runtime, spec_file};
use crate::cli::{ApplyArguments, Outcome};
use crate::cloud::Cloud;
use crate::plan::Purpose;
use crate::render::Output;

pub(crate) fn run(arguments: &ApplyArguments, output: Output) -> Result<Outcome, CommandError> {
    carry_out::check_can_ask(Purpose::Apply, arguments.yes)?;
    match &arguments.plan {
        Some(path) => {
            let PlanFile { plan, audit } = PlanFile::read(path)?;
            runtime::block_on(async {
                let cloud = Arc::new(Cloud::connect(&plan.scope.account, &plan.scope.region).await?);
                Box::pin(carry_out::carry_out(&cloud, &plan, audit.as_ref(), arguments.yes, output)).await
            })?;
        }
        None => {
            let spec = spec_file::load(&arguments.spec)?;
            runtime::block_on(async {
                let cloud = Arc::new(Cloud::connect(&spec.account, &spec.region).await?);
                let plan = Box::pin(plan::make(&cloud, &spec)).await?;
                Box::pin(carry_out::carry_out(&cloud, &plan, spec.audit.as_ref(), arguments.yes, output)).await
            })?;
        }
    }
    Ok(Outcome::Done)
}
