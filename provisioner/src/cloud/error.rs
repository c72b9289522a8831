//! What a call to AWS can fail with, and what to do about it.

use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use super::Service;

/// Where a call failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The service answered that it won't.
    Refused,
    /// There are no credentials, or they can't be had.
    Credentials,
    /// Nothing answered.
    Unreachable,
    /// No answer in time.
    Timeout,
    /// The answer made no sense.
    Answer,
    /// The credentials are of another account.
    WrongAccount,
}

/// A call to AWS that failed.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{}", self.render())]
pub struct CloudError {
    /// Where it failed.
    pub failure: Failure,
    service: Service,
    operation: &'static str,
    code: Option<String>,
    message: String,
    request_id: Option<String>,
    next: Option<String>,
}

const LOG_IN_AGAIN: &str =
    "log in again (`aws sso login`, or new keys) and repeat the command: it goes on where it ended";
const REGION_OR_KEY: &str = "check the access key or the profile (`aws sts get-caller-identity`), and that the region is enabled in the account";
const KEY_OR_CLOCK: &str = "check the secret key, and that this machine's clock is right (`timedatectl`)";
const QUOTA: &str = "raise that quota in Service Quotas, or ask for less in the spec, and apply again";
const THROTTLED: &str = "others in the account call AWS a lot just now: repeat the command later";
const AWS_FAILED: &str =
    "AWS failed at this itself: repeat the command, and see https://health.aws.amazon.com if it goes on";

/// How services say that they are called too often.
const THROTTLES: &[&str] = &[
    "RequestLimitExceeded",
    "SlowDown",
    "Throttling",
    "ThrottlingException",
    "ThrottledException",
    "TooManyRequestsException",
];

/// Next steps for codes whose message names none.
const NEXT: &[(&str, &str)] = &[
    ("AccessDenied", "let an administrator allow this call to who `aws sts get-caller-identity` shows"),
    ("AccessDeniedException", "let an administrator allow this call to who `aws sts get-caller-identity` shows"),
    ("UnauthorizedOperation", "let an administrator allow this call to who `aws sts get-caller-identity` shows"),
    ("AuthFailure", REGION_OR_KEY),
    ("ExpiredToken", LOG_IN_AGAIN),
    ("ExpiredTokenException", LOG_IN_AGAIN),
    (
        "RequestExpired",
        "log in again, or set this machine's clock right, and repeat the command: it goes on where it ended",
    ),
    ("InvalidClientTokenId", REGION_OR_KEY),
    ("UnrecognizedClientException", REGION_OR_KEY),
    ("SignatureDoesNotMatch", KEY_OR_CLOCK),
    ("InvalidSignatureException", KEY_OR_CLOCK),
    ("RequestTimeTooSkewed", "set this machine's clock right (`timedatectl`) and repeat the command"),
    ("RequestInTheFuture", "set this machine's clock right (`timedatectl`) and repeat the command"),
    ("OptInRequired", "enable the region or the service for the account"),
    ("VpcLimitExceeded", "raise the quota \"VPCs per Region\" in Service Quotas, or use another region"),
    (
        "AddressLimitExceeded",
        "raise the quota \"EC2-VPC Elastic IPs\" in Service Quotas, or release those that nobody uses",
    ),
    ("VpcEndpointLimitExceeded", "raise the quota \"Interface VPC endpoints per VPC\" in Service Quotas"),
    ("InstanceLimitExceeded", "raise the quota of running instances in Service Quotas"),
    ("VcpuLimitExceeded", "raise the quota of running On-Demand instances in Service Quotas"),
    ("InsufficientInstanceCapacity", "wait, or name another zone or instance type in the spec"),
    ("Unsupported", "name an instance type that the zone offers"),
    ("VolumeModificationRateExceeded", "AWS changes a volume again some hours after its last change: apply again then"),
    ("IncorrectModificationState", "the volume's last change isn't done: apply again when it is"),
    (
        "OperationNotPermitted",
        "somebody protected the instance: take its termination protection back, then apply again",
    ),
    ("InvalidAMIID.NotFound", "name an image of this region that the account may use"),
    ("EntityAlreadyExists", "something of this name isn't this estate's: rename the estate, or remove it"),
];

impl CloudError {
    pub(super) fn from_sdk<E>(service: Service, operation: &'static str, error: SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        use aws_types::request_id::RequestId;
        let code = error.code().map(str::to_owned);
        let request_id = error.request_id().map(str::to_owned);
        let (failure, message) = match &error {
            SdkError::ServiceError(_) => {
                let message = error.message().map_or_else(|| "no message".to_owned(), str::to_owned);
                (Failure::Refused, message)
            }
            SdkError::TimeoutError(_) => (Failure::Timeout, "no answer in time".to_owned()),
            SdkError::DispatchFailure(dispatch) if dispatch.is_timeout() => {
                (Failure::Timeout, "no connection in time".to_owned())
            }
            SdkError::DispatchFailure(dispatch) if dispatch.is_io() => (Failure::Unreachable, chain(&error)),
            // Credentials are had while a request is built: the SDK has no variant of its own for them.
            SdkError::DispatchFailure(_) if is_of_credentials(&error) => (Failure::Credentials, chain(&error)),
            SdkError::ConstructionFailure(_) => (Failure::Credentials, chain(&error)),
            // A connection that ended before the answer came, among others.
            SdkError::DispatchFailure(_) => (Failure::Unreachable, chain(&error)),
            _ => (Failure::Answer, chain(&error)),
        };
        let next = match failure {
            Failure::Refused => {
                let status = error.raw_response().map_or(0, |response| response.status().as_u16());
                next(code.as_deref().unwrap_or_default(), status).map(str::to_owned)
            }
            Failure::Credentials => Some(
                "log in (`aws sso login`), set AWS_PROFILE, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY".into(),
            ),
            Failure::Unreachable | Failure::Timeout => {
                Some("check the network, the region's name and AWS_ENDPOINT_URL".into())
            }
            Failure::Answer | Failure::WrongAccount => None,
        };
        Self { failure, service, operation, code, message, request_id, next }
    }

    pub(super) fn wrong_account(wanted: &str, found: &str, arn: &str) -> Self {
        Self {
            failure: Failure::WrongAccount,
            service: Service::Sts,
            operation: "GetCallerIdentity",
            code: None,
            message: format!("the spec is for account {wanted}, and the credentials are {arn} of account {found}"),
            request_id: None,
            next: Some(format!("use credentials of {wanted}, or a spec for {found}")),
        }
    }

    /// An answer that lacks what it must have.
    pub(crate) fn incomplete(service: Service, operation: &'static str, what: &str) -> Self {
        Self {
            failure: Failure::Answer,
            service,
            operation,
            code: None,
            message: format!("the answer has no {what}"),
            request_id: None,
            next: None,
        }
    }

    /// An error of AWS's code that a look at an answer shows.
    pub(crate) fn coded(service: Service, operation: &'static str, code: &str, what: &str) -> Self {
        Self {
            failure: Failure::Refused,
            service,
            operation,
            code: Some(code.to_owned()),
            message: format!("{what} isn't there"),
            request_id: None,
            next: None,
        }
    }

    /// An error that only a look at several answers shows.
    pub(crate) fn found(service: Service, operation: &'static str, message: String, next: &str) -> Self {
        Self {
            failure: Failure::Refused,
            service,
            operation,
            code: None,
            message,
            request_id: None,
            next: Some(next.to_owned()),
        }
    }

    /// The same error under a code that is told apart.
    pub(crate) fn with_code(mut self, code: &str) -> Self {
        self.code = Some(code.to_owned());
        self
    }

    /// Names the endpoint that was asked, where it was set by hand.
    pub(super) fn at(mut self, endpoint: Option<&str>) -> Self {
        if let (Failure::Unreachable | Failure::Timeout, Some(endpoint)) = (self.failure, endpoint) {
            self.next = Some(format!("AWS_ENDPOINT_URL is {endpoint}: see that it is up, or unset the variable"));
        }
        self
    }

    /// AWS's code, such as `VpcLimitExceeded`; empty where the service gave none.
    pub fn code(&self) -> &str {
        self.code.as_deref().unwrap_or_default()
    }

    /// AWS's message.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The request's id, for AWS's support.
    pub fn request_id(&self) -> Option<&str> {
        self.request_id.as_deref()
    }

    /// Whether the code is one of these.
    pub fn is(&self, codes: &[&str]) -> bool {
        self.code.as_deref().is_some_and(|code| codes.contains(&code))
    }

    /// What to do about it, where that is known.
    pub fn next(&self) -> Option<&str> {
        self.next.as_deref()
    }

    /// What failed, without what to do about it.
    pub fn what(&self) -> String {
        let mut text = format!("{} {}: ", self.service, self.operation);
        if let Some(code) = &self.code {
            text.push_str(code);
            text.push_str(": ");
        }
        text.push_str(self.message.trim_end_matches('.'));
        if let Some(id) = &self.request_id {
            text.push_str(&format!(" (request {id})"));
        }
        text
    }

    fn render(&self) -> String {
        match &self.next {
            Some(next) => format!("{}; {next}", self.what()),
            None => self.what(),
        }
    }
}

/// The next step after a refusal with a code of AWS's and a status of HTTP's.
fn next(code: &str, status: u16) -> Option<&'static str> {
    if let Some((_, next)) = NEXT.iter().find(|(known, _)| *known == code) {
        return Some(next);
    }
    if THROTTLES.contains(&code) {
        return Some(THROTTLED);
    }
    // Quotas have a code each: AddressLimitExceeded, NatGatewayLimitExceeded, LimitExceededException, …
    let of_quota = ["LimitExceeded", "LimitExceededException", "QuotaExceeded", "QuotaExceededException"];
    if of_quota.iter().any(|end| code.ends_with(end)) {
        return Some(QUOTA);
    }
    (status >= 500).then_some(AWS_FAILED)
}

/// Whether credentials are among an error's causes.
fn is_of_credentials(error: &(dyn std::error::Error + 'static)) -> bool {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.into_iter().any(|cause| cause.is::<CredentialsError>())
}

/// An error with its causes, on one line.
fn chain(error: &(impl std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.ends_with(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = error.source();
    }
    text
}

/// A call that found nothing of that name: `None` instead of an error.
pub(crate) fn found<T>(answer: Result<T, CloudError>, codes: &[&str]) -> Result<Option<T>, CloudError> {
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.is(codes) => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_that_no_table_has_still_gets_a_next_step_by_its_kind() {
        assert_eq!(next("NatGatewayLimitExceeded", 400), Some(QUOTA));
        assert_eq!(next("LimitExceededException", 400), Some(QUOTA));
        assert_eq!(next("RequestLimitExceeded", 503), Some(THROTTLED));
        assert_eq!(next("InternalError", 500), Some(AWS_FAILED));
        assert_eq!(next("InvalidParameterValue", 400), None);
        assert!(next("VpcLimitExceeded", 400).is_some_and(|next| next.contains("VPCs per Region")));
    }
}
