//! Opens the trail and ships it: to a bucket in another account, into a directory, or not at all.

use std::sync::Arc;
use std::time::Duration;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use holdfast_audit::ship::{Destination, ShipError};
use holdfast_audit::{Recovery, Shipper, Trail};

use super::origin::{self, OriginError};
use crate::config::Config;

/// How long a record waits for others to share an object with: an object costs a put, a wait costs freshness.
const LINGER: Duration = Duration::from_secs(1);
/// `audit.ship` of a host whose records stay in its spool.
const NONE: &str = "none";

/// An open trail on its way.
pub(crate) struct Opened {
    pub(crate) trail: Arc<Trail>,
    pub(crate) shipping: Arc<Shipping>,
    pub(crate) recovery: Recovery,
}

/// What becomes of records once they are in the spool.
pub(crate) struct Shipping {
    target: String,
    shipper: Option<Shipper>,
}

/// Why there is no trail.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Whose trail it is isn't known.
    #[error(transparent)]
    Origin(#[from] OriginError),
    /// The spool.
    #[error("cannot open the audit trail: {0}")]
    Spool(#[from] holdfast_audit::Error),
    /// The store.
    #[error("audit.ship in the agent's configuration: {0}")]
    Ship(#[from] ShipError),
}

/// Opens the spool below the state directory, recovers what a crash left, and starts to ship.
pub(crate) async fn open(config: &Config) -> Result<Opened, OpenError> {
    let audit = &config.audit;
    let sdk = sdk_config(&audit.region).await;
    let is_aws = audit.ship.starts_with("s3:");
    let origin = if is_aws { origin::from_caller(audit, &sdk).await? } else { origin::from_config(audit)? };
    let destination = (audit.ship != NONE).then(|| Destination::open(&audit.ship, &audit.region, &sdk)).transpose()?;
    let settings = holdfast_audit::Config {
        max_bytes: audit.max_bytes.0,
        ..holdfast_audit::Config::new(config.state.join("spool"), config.state.join("writer.key"), origin)
    };
    let opened = tokio::task::spawn_blocking(move || Trail::open(settings)).await;
    let (trail, recovery) = opened.unwrap_or_else(|error| Err(holdfast_audit::Error::Thread(error.to_string())))?;
    tell(&recovery);
    let shipper = destination.map(|destination| Shipper::start(&trail, destination, LINGER)).transpose()?;
    let shipping = Shipping { target: audit.ship.clone(), shipper };
    Ok(Opened { trail: Arc::new(trail), shipping: Arc::new(shipping), recovery })
}

/// Credentials and endpoint as every AWS tool finds them; on a host, its role's by IMDSv2.
async fn sdk_config(region: &str) -> SdkConfig {
    aws_config::defaults(BehaviorVersion::latest()).region(Region::new(region.to_owned())).load().await
}

fn tell(recovery: &Recovery) {
    let files = |paths: &[std::path::PathBuf]| {
        paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
    };
    if !recovery.torn.is_empty() {
        tracing::warn!(files = files(&recovery.torn), "a write that was never acknowledged was cut from the spool");
    }
    for (path, damage) in &recovery.damaged {
        tracing::error!(file = %path.display(), damage, "a part of the spool is damaged; it is set aside");
    }
    if !recovery.foreign.is_empty() {
        tracing::error!(
            files = files(&recovery.foreign),
            "the spool held records of another writer; they are set aside"
        );
    }
    if let Some(previous) = recovery.previous.as_ref().filter(|previous| !previous.closed) {
        tracing::warn!(stream = previous.stream, last = previous.sequence, "the stream before was not closed: adopted");
    }
}

impl Shipping {
    /// Records stay in the spool.
    #[cfg(test)]
    pub(crate) fn nowhere() -> Self {
        Self { target: NONE.into(), shipper: None }
    }

    /// Where records go.
    pub(crate) fn target(&self) -> &str {
        &self.target
    }

    /// The newest record of this stream that the store has confirmed.
    pub(crate) fn confirmed(&self) -> Option<u64> {
        self.shipper.as_ref().map(|shipper| shipper.status().confirmed).filter(|sequence| *sequence > 0)
    }

    /// Why the last try failed, until one succeeds.
    pub(crate) fn failure(&self) -> Option<String> {
        self.shipper.as_ref().and_then(|shipper| shipper.status().failure).map(|failure| failure.to_string())
    }

    /// Returns when the store has confirmed everything up to `sequence`; at once where nothing is shipped.
    pub(crate) async fn confirm(&self, sequence: u64, within: Duration) -> Result<(), ShipError> {
        match &self.shipper {
            Some(shipper) => shipper.confirm(sequence, within).await,
            None => Ok(()),
        }
    }
}
