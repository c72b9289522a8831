//! How long a call is waited for, and how often it is tried.

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_ec2::operation::run_instances::RunInstancesError;
use aws_smithy_runtime_api::client::interceptors::context::InterceptorContext;
use aws_smithy_runtime_api::client::retries::classifiers::{ClassifyRetry, RetryAction};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

/// Attempts of a call, the first included. Adaptive mode waits up to 20 s between two.
const ATTEMPTS: u32 = 8;
/// The first call fails fast: with no network nothing is gained by patience.
const FIRST_ATTEMPTS: u32 = 3;
/// How long one attempt may take; EC2's slowest calls answer within some seconds.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(60);
const FIRST_ATTEMPT_TIMEOUT: Duration = Duration::from_secs(20);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// What every AWS tool reads it from.
const ATTEMPTS_VARIABLE: &str = "AWS_MAX_ATTEMPTS";

/// Of every call.
pub(super) fn retries() -> RetryConfig {
    RetryConfig::adaptive().with_max_attempts(attempts(ATTEMPTS))
}

/// Of the call that asks who is calling.
pub(super) fn first_retries() -> RetryConfig {
    RetryConfig::standard().with_max_attempts(attempts(FIRST_ATTEMPTS))
}

pub(super) fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder().connect_timeout(CONNECT_TIMEOUT).operation_attempt_timeout(ATTEMPT_TIMEOUT).build()
}

pub(super) fn first_timeouts() -> TimeoutConfig {
    TimeoutConfig::builder().connect_timeout(CONNECT_TIMEOUT).operation_attempt_timeout(FIRST_ATTEMPT_TIMEOUT).build()
}

fn attempts(otherwise: u32) -> u32 {
    let wanted = std::env::var(ATTEMPTS_VARIABLE).ok().and_then(|text| text.parse().ok());
    wanted.filter(|attempts| *attempts > 0).unwrap_or(otherwise)
}

/// EC2 answers with status 500 where a zone has no room for an instance, and the SDK would ask eight times for what
/// minutes don't bring. Whoever asked knows other zones and types, or says so at once.
/// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html>
#[derive(Debug)]
pub(super) struct NoRoom;

/// Codes of EC2's that another try soon won't change.
const NO_ROOM: &[&str] = &["InsufficientInstanceCapacity", "InsufficientHostCapacity", "InsufficientCapacity"];

impl ClassifyRetry for NoRoom {
    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        let error = context.output_or_error().and_then(Result::err).and_then(|error| error.as_operation_error());
        let code = error.and_then(|error| error.downcast_ref::<RunInstancesError>()).and_then(|error| error.code());
        match code {
            Some(code) if NO_ROOM.contains(&code) => RetryAction::RetryForbidden,
            _ => RetryAction::NoActionIndicated,
        }
    }

    fn name(&self) -> &'static str {
        "no room for an instance"
    }
}
