//! Whose trail this is: fixed for a stream, and in each object's key.
//!
//! On a host of the cloud the writer is the caller's `aws:userid` as STS tells it (`AROA…:i-…`), which EC2 sets and
//! the host can't choose: the bucket's policy lets it put below that name only. Where records go into a directory,
//! or stay in the spool, the configuration or the host's name says who writes.

use std::time::Duration;

use aws_config::SdkConfig;
use holdfast_audit::Origin;

use crate::config::Audit;

/// Of STS's answer; a host that has no way to it should say so and not hang.
const TIMEOUT: Duration = Duration::from_secs(30);
/// The most that is told of an error, in characters.
const MAX_CAUSES: usize = 600;
/// CloudTrail's own stand-in for an account that isn't known.
const NO_ACCOUNT: &str = "000000000000";

/// Why it isn't known whose trail this is.
#[derive(Debug, thiserror::Error)]
pub enum OriginError {
    /// STS did not answer, or refused.
    #[error(
        "cannot ask STS who this host is ({0}): the trail ships to S3 as the host's own role; check the instance profile, or \
         the credentials in the environment, and the way to sts"
    )]
    Caller(String),
    /// STS's answer lacks a part.
    #[error("STS did not say the caller's {0}")]
    Incomplete(&'static str),
    /// There is no host name, and no `audit.writer`.
    #[error("this host's name can't be read ({0}): name the writer in the agent's configuration, audit.writer")]
    HostName(nix::errno::Errno),
}

/// The origin of a trail that goes to S3.
pub(crate) async fn from_caller(config: &Audit, sdk: &SdkConfig) -> Result<Origin, OriginError> {
    let asked = tokio::time::timeout(TIMEOUT, aws_sdk_sts::Client::new(sdk).get_caller_identity().send()).await;
    let identity = asked
        .map_err(|_| OriginError::Caller(format!("no answer within {TIMEOUT:?}")))?
        .map_err(|error| OriginError::Caller(causes(&error)))?;
    let writer = identity.user_id.ok_or(OriginError::Incomplete("user id"))?;
    let account = identity.account.ok_or(OriginError::Incomplete("account"))?;
    // A host's session is named after its instance.
    let host = writer.split_once(':').map(|(_, session)| session).filter(|session| session.starts_with("i-"));
    let host = host.map(str::to_owned);
    Ok(origin(config, account, writer, host))
}

/// The origin of a trail that needs no cloud.
pub(crate) fn from_config(config: &Audit) -> Result<Origin, OriginError> {
    let writer = match &config.writer {
        Some(writer) => writer.clone(),
        None => nix::unistd::gethostname().map_err(OriginError::HostName)?.to_string_lossy().into_owned(),
    };
    let account = config.account.clone().unwrap_or_else(|| NO_ACCOUNT.into());
    let host = config.writer.is_none().then(|| writer.clone());
    Ok(origin(config, account, writer, host))
}

fn origin(config: &Audit, account: String, writer: String, host: Option<String>) -> Origin {
    Origin {
        organization: config.org.clone(),
        recipient_account: config.recipient_account.clone().unwrap_or_else(|| account.clone()),
        account,
        region: config.region.clone(),
        writer,
        program: concat!("holdfast-agent/", env!("CARGO_PKG_VERSION")).into(),
        host,
        image: config.image.clone(),
        launch: config.launch.clone(),
    }
}

/// An error and what caused it in one line: the SDK's own words for it are "dispatch failure", and its context is pages long.
fn causes(error: &dyn std::error::Error) -> String {
    let mut words: Vec<String> = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let text = error.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
        // Some errors repeat their cause in their own text.
        if words.last().is_none_or(|last| !last.contains(&text)) {
            words.push(text);
        }
        next = error.source();
    }
    words.join(": ").chars().take(MAX_CAUSES).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("outer")]
    struct Outer(#[source] std::io::Error);

    #[test]
    fn an_error_is_told_with_its_causes_in_one_line() {
        assert_eq!(causes(&Outer(std::io::Error::other("not\n  there"))), "outer: not there");
    }

    #[test]
    fn a_trail_without_a_cloud_is_the_hosts_own() {
        let origin = from_config(&Audit::default()).unwrap();
        assert_eq!(Some(&origin.writer), origin.host.as_ref());
        origin.check().unwrap();
        let named = from_config(&Audit { writer: Some("ci-7".into()), ..Audit::default() }).unwrap();
        assert_eq!((named.writer.as_str(), named.host), ("ci-7", None));
    }
}
