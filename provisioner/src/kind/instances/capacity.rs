//! Where a batch may start: types in the spec's order in the subnet that its indexes are of, then in the next subnets.
//!
//! EC2 answers "no capacity" with a status that the SDK takes for a passing fault and repeats for a minute; the next place
//! is the better answer, so such an answer isn't repeated.

use aws_sdk_ec2::operation::run_instances::RunInstancesError;
use aws_smithy_runtime_api::client::interceptors::context::InterceptorContext;
use aws_smithy_runtime_api::client::orchestrator::OrchestratorError;
use aws_smithy_runtime_api::client::retries::classifiers::{ClassifyRetry, RetryAction, RetryClassifierPriority};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use super::Instances;
use super::moves::Batch;

/// A subnet and a type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place<'a> {
    /// The subnet.
    pub(super) subnet: &'a str,
    /// The instance type.
    pub(super) instance_type: &'a str,
}

impl std::fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} in {}", self.instance_type, self.subnet)
    }
}

/// What EC2 says where another place may do: no capacity, a type that the zone doesn't have, a subnet that is full.
pub(super) const ELSEWHERE: &[&str] =
    &["InsufficientInstanceCapacity", "InsufficientHostCapacity", "Unsupported", "InsufficientFreeAddressesInSubnet"];

/// The places for a batch, in the order in which they are tried.
pub(super) fn places<'a>(group: &'a Instances<String>, batch: Batch) -> Vec<Place<'a>> {
    let subnets: Vec<_> = group.subnets.values().collect();
    let own = batch.first as usize % subnets.len().max(1);
    let in_order = subnets.iter().cycle().skip(own).take(subnets.len());
    in_order
        .flat_map(|subnet| group.instance_types.values().map(move |name| Place { subnet, instance_type: name }))
        .collect()
}

/// Keeps the SDK from repeating what the next place answers.
#[derive(Debug)]
pub(super) struct NotHere;

impl ClassifyRetry for NotHere {
    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        let error = context.output_or_error().and_then(Result::err).and_then(OrchestratorError::as_operation_error);
        let code = error.and_then(|error| error.downcast_ref::<RunInstancesError>()).and_then(|error| error.code());
        if code.is_some_and(|code| ELSEWHERE.contains(&code)) {
            RetryAction::RetryForbidden
        } else {
            RetryAction::NoActionIndicated
        }
    }

    fn name(&self) -> &'static str {
        "no capacity here"
    }

    fn priority(&self) -> RetryClassifierPriority {
        // After the one that looks at the status, whose answer this overrules.
        RetryClassifierPriority::run_after(RetryClassifierPriority::transient_error_classifier())
    }
}
