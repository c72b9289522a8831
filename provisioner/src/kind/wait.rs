//! Waiting for what takes AWS minutes: an instance, a gateway, an endpoint.

use std::future::Future;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::KindError;

/// How something is waited for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// For how long.
    pub(crate) longest: Duration,
    /// Between the first two looks; each pause is twice the one before it.
    pub(crate) first_pause: Duration,
    /// Between two looks at most.
    pub(crate) longest_pause: Duration,
}

impl Patience {
    /// For what AWS's pages say takes some minutes.
    pub(crate) const MINUTES: Self = Self {
        longest: Duration::from_secs(600),
        first_pause: Duration::from_millis(250),
        longest_pause: Duration::from_secs(5),
    };
}

/// What isn't yet as it is waited for.
pub(crate) struct NotYet {
    /// What.
    pub(crate) what: String,
    /// What it is instead.
    pub(crate) state: String,
    /// What is said while it is waited for.
    pub(crate) progress: String,
}

impl NotYet {
    /// Of a single thing, its state says all.
    pub(crate) fn one(what: &str, state: impl ToString) -> Self {
        let state = state.to_string();
        let progress = format!("{what} is {state}");
        Self { what: what.to_owned(), state, progress }
    }
}

/// Looks again and again until nothing is left to wait for, or patience ends.
pub(crate) async fn wait<F>(
    waiting: &(dyn Fn(String) + Sync),
    patience: Patience,
    mut look: impl FnMut() -> F,
) -> Result<(), KindError>
where
    F: Future<Output = Result<Option<NotYet>, KindError>>,
{
    let deadline = Instant::now() + patience.longest;
    let mut pause = patience.first_pause;
    loop {
        let Some(NotYet { what, state, progress }) = look().await? else { return Ok(()) };
        if Instant::now() + pause > deadline {
            return Err(KindError::Deadline { what, state, seconds: patience.longest.as_secs() });
        }
        waiting(progress);
        sleep(pause).await;
        pause = (pause * 2).min(patience.longest_pause);
    }
}
