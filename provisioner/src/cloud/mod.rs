//! The cloud: the only maker of AWS clients, and the one way that calls go out.
//!
//! - Credentials, region, endpoints and certificates are found as every AWS tool finds them (`aws-config`), so any
//!   profile, SSO session or `AWS_ENDPOINT_URL` that works for the AWS CLI works here.
//! - [`Cloud::connect`] asks STS who is calling, and refuses any account but the spec's: a wrong profile ends before
//!   the first read.
//! - Every call is made through [`Cloud::call`], which takes a token of its service's bucket, counts, and turns an
//!   SDK's error into a [`CloudError`] with code, message, request id and next step. Retries of throttling and of
//!   failed connections are the SDK's adaptive mode (`AWS_MAX_ATTEMPTS` says how many, as everywhere).
//! - [`Cloud::patiently`] is for calls that AWS refuses for a while: what was just made isn't seen everywhere at once,
//!   what was just deleted is in use for some seconds more.

mod error;
mod lookup;
mod network;
mod patience;
mod throttle;

use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use aws_config::{BehaviorVersion, Region as AwsRegion, SdkConfig};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
pub(crate) use error::found;
pub use error::{CloudError, Failure};
pub use lookup::Named;
use serde::{Deserialize, Serialize};
pub use throttle::Service;
use throttle::Throttle;
use tokio::time::{Instant, sleep};

use crate::spec::{AccountId, Region};

/// Between two tries of [`Cloud::patiently`]: first, and at most.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Who is calling, as STS says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The account, twelve digits.
    pub account: String,
    /// The user's or session's ARN.
    pub arn: String,
    /// `aws:userid`: a user's id, or `AROA…:session`.
    pub user_id: String,
}

/// Clients of one account and region.
#[derive(Debug)]
pub struct Cloud {
    /// Auto Scaling.
    pub autoscaling: aws_sdk_autoscaling::Client,
    /// AWS Backup.
    pub backup: aws_sdk_backup::Client,
    /// EC2.
    pub ec2: aws_sdk_ec2::Client,
    /// IAM.
    pub iam: aws_sdk_iam::Client,
    /// KMS.
    pub kms: aws_sdk_kms::Client,
    /// S3.
    pub s3: aws_sdk_s3::Client,
    /// CloudWatch Logs.
    pub logs: aws_sdk_cloudwatchlogs::Client,
    /// Budgets.
    pub budgets: aws_sdk_budgets::Client,
    organizations: aws_sdk_organizations::Client,
    identity: Identity,
    config: SdkConfig,
    throttle: Throttle,
    calls: AtomicU64,
}

impl Cloud {
    /// Finds credentials and makes clients for `region`; refuses an account that isn't `account`.
    pub async fn connect(account: &AccountId, region: &Region) -> Result<Self, CloudError> {
        let cloud = Self::connect_any(region).await?;
        if cloud.identity.account != account.as_str() {
            return Err(CloudError::wrong_account(account.as_str(), &cloud.identity.account, &cloud.identity.arn));
        }
        Ok(cloud)
    }

    /// Finds credentials and makes clients for `region`, in whatever account the credentials are of.
    pub async fn connect_any(region: &Region) -> Result<Self, CloudError> {
        let config = aws_config::defaults(BehaviorVersion::latest())
            .region(AwsRegion::new(region.as_str().to_owned()))
            .retry_config(patience::retries())
            .timeout_config(patience::timeouts())
            .load()
            .await;
        let throttle = Throttle::new();
        let identity = who(&config, &throttle).await?;
        // AWS serves both path and virtual-hosted addresses. Path style also works through endpoints that have no
        // wildcard in DNS and certificate (a VPC's interface endpoint, a proxy, a test's server), and one style
        // everywhere means that what was tested is what runs.
        let ec2 = aws_sdk_ec2::config::Builder::from(&config).retry_classifier(patience::NoRoom).build();
        let s3 = aws_sdk_s3::config::Builder::from(&config).force_path_style(true).build();
        Ok(Self {
            autoscaling: aws_sdk_autoscaling::Client::new(&config),
            backup: aws_sdk_backup::Client::new(&config),
            ec2: aws_sdk_ec2::Client::from_conf(ec2),
            iam: aws_sdk_iam::Client::new(&config),
            kms: aws_sdk_kms::Client::new(&config),
            s3: aws_sdk_s3::Client::from_conf(s3),
            logs: aws_sdk_cloudwatchlogs::Client::new(&config),
            budgets: aws_sdk_budgets::Client::new(&config),
            organizations: aws_sdk_organizations::Client::new(&config),
            identity,
            config,
            throttle,
            calls: AtomicU64::new(1),
        })
    }

    /// Who is calling.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The configuration that the clients were made from: credentials, region, endpoint.
    pub fn config(&self) -> &SdkConfig {
        &self.config
    }

    /// How many calls were made so far, retries not counted.
    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    /// Makes one call: waits for its service's token, then for the answer.
    ///
    /// The SDK's futures are some 16 KiB each, so the call is put on the heap here, once for all callers.
    pub fn call<T, E>(
        &self,
        service: Service,
        operation: &'static str,
        request: impl Future<Output = Result<T, SdkError<E, HttpResponse>>> + Send,
    ) -> impl Future<Output = Result<T, CloudError>> + Send
    where
        T: Send,
        E: ProvideErrorMetadata + std::error::Error + Send + 'static,
    {
        let request = Box::pin(request);
        async move {
            self.throttle.take(service, operation).await;
            self.calls.fetch_add(1, Ordering::Relaxed);
            let answer = request.await.map_err(|error| CloudError::from_sdk(service, operation, error));
            tracing::debug!(%service, operation, failed = answer.as_ref().err().map(|error| error.code()), "call");
            answer
        }
    }

    /// Makes a call again and again while it fails with one of `codes`, until `patience` is over.
    ///
    /// The caller sees to it that a repeated call is harmless.
    pub async fn patiently<T, F>(
        &self,
        patience: Duration,
        codes: &[&str],
        mut call: impl FnMut() -> F,
    ) -> Result<T, CloudError>
    where
        F: Future<Output = Result<T, CloudError>>,
    {
        let deadline = Instant::now() + patience;
        let mut pause = FIRST_PAUSE;
        loop {
            match call().await {
                Err(error) if error.is(codes) && Instant::now() + pause < deadline => {
                    tracing::debug!(code = error.code(), "not yet; trying again in {pause:?}");
                    sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
                answer => return answer,
            }
        }
    }
}

async fn who(config: &SdkConfig, throttle: &Throttle) -> Result<Identity, CloudError> {
    let sts = aws_sdk_sts::config::Builder::from(config)
        .retry_config(patience::first_retries())
        .timeout_config(patience::first_timeouts())
        .build();
    throttle.take(Service::Sts, "GetCallerIdentity").await;
    let caller =
        aws_sdk_sts::Client::from_conf(sts).get_caller_identity().send().await.map_err(|error| {
            CloudError::from_sdk(Service::Sts, "GetCallerIdentity", error).at(config.endpoint_url())
        })?;
    match (caller.account, caller.arn, caller.user_id) {
        (Some(account), Some(arn), Some(user_id)) => Ok(Identity { account, arn, user_id }),
        _ => Err(CloudError::incomplete(Service::Sts, "GetCallerIdentity", "account, ARN or user id")),
    }
}
