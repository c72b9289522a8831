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

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::sync::Mutex;

    use super::*;

    #[tokio::test]
    async fn what_becomes_ready_is_looked_at_until_it_is_and_said_meanwhile() {
        let (looks, said) = (Cell::new(0), Mutex::new(Vec::new()));
        let waiting = |text| said.lock().unwrap().push(text);
        let look = async || {
            looks.set(looks.get() + 1);
            Ok((looks.get() < 3).then(|| NotYet::one("nat-1", "pending")))
        };
        let patience = Patience { first_pause: Duration::from_millis(1), ..Patience::MINUTES };
        wait(&waiting, patience, look).await.unwrap();
        assert_eq!((looks.get(), said.into_inner().unwrap()), (3, vec!["nat-1 is pending".to_owned(); 2]));
    }

    #[tokio::test]
    async fn what_is_not_ready_when_patience_ends_is_named_with_what_to_do() {
        let impatient = Patience { longest: Duration::ZERO, ..Patience::MINUTES };
        let error = wait(&|_| (), impatient, async || Ok(Some(NotYet::one("nat-1", "pending")))).await.unwrap_err();
        let expected = "nat-1 was still pending after 0 s; look at it in the console, then apply again";
        assert_eq!(error.to_string(), expected);
    }
}
