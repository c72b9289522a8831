//! Making what has a ClientToken.

use std::future::Future;
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::time::{Instant, sleep};

use super::{KindError, Wanted};
use crate::estate::{ResourceId, Scope};

impl Wanted<'_> {
    /// A ClientToken for making this: a hash of what it is, so that a repeated call is the same call, and other
    /// parameters are another. It is taken for a day after its resource is gone, so `attempt` counts such ghosts.
    pub(crate) fn token(&self, scope: &Scope, detail: &str, attempt: u32) -> String {
        let mut hash = Sha256::new();
        for part in [scope.account.as_str(), scope.region.as_str(), scope.estate.as_str(), self.resource.id.as_str()] {
            hash.update(part);
            hash.update([0]);
        }
        // A group's count is no parameter of the call for one batch of it.
        for (name, value) in self.properties.0.iter().filter(|(name, _)| *name != "count") {
            hash.update(format!("{name}={value}\0"));
        }
        for (name, value) in &self.resource.tags {
            hash.update(format!("{name}={value}\0"));
        }
        hash.update(format!("{detail}\0{attempt}"));
        // EC2 takes 64 ASCII characters.
        hex::encode(&hash.finalize()[..24])
    }
}

/// How often a ClientToken that belongs to something deleted is given up for another.
pub(crate) const GHOSTS: u32 = 20;
/// How long what was just made may be unseen before its ClientToken is taken for a deleted resource's.
pub(crate) const UNSEEN: Duration = Duration::from_secs(20);

/// Makes something by ClientToken and sees that it is there: a token stays taken for a day after its resource is
/// deleted, and until then a repeated call only repeats the old answer.
pub(crate) async fn make_by_token<M, S>(
    what: &ResourceId,
    mut make: impl FnMut(u32) -> M,
    mut seen: impl FnMut(String) -> S,
) -> Result<String, KindError>
where
    M: Future<Output = Result<String, KindError>>,
    S: Future<Output = Result<bool, KindError>>,
{
    for attempt in 0..GHOSTS {
        let id = make(attempt).await?;
        let deadline = Instant::now() + UNSEEN;
        let mut pause = Duration::from_millis(100);
        loop {
            if seen(id.clone()).await? {
                return Ok(id);
            }
            if Instant::now() + pause > deadline {
                break;
            }
            sleep(pause).await;
            pause *= 2;
        }
    }
    let state = "answered for with the ids of deleted ones".to_owned();
    Err(KindError::Deadline { what: what.to_string(), state, seconds: UNSEEN.as_secs() * u64::from(GHOSTS) })
}
