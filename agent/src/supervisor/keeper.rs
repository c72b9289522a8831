//! The spawner, kept alive.
//!
//! The daemon never forks a workload itself: a fork's cost grows with a process's memory, and a process with threads
//! can't safely do what a sandbox needs between clone3 and exec. The static `holdfast-sandbox`, executed anew, does
//! it. It is the parent of every sandbox, so its death ends them all; this module notices it through its pidfd,
//! tells the supervisor, and starts another.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use holdfast_sandbox::Spawner;

use crate::api::error::{Code, Refusal};
use crate::sys;

/// The longest pause before a spawner that does not stay alive is started again.
const MAX_PAUSE: Duration = Duration::from_secs(10);
const FIRST_PAUSE: Duration = Duration::from_millis(20);
/// A spawner that lived longer than this died of something new.
const SETTLED: Duration = Duration::from_secs(60);

/// The one spawner of this agent, or its absence.
pub(crate) struct Keeper {
    binary: PathBuf,
    current: RwLock<Option<Arc<Spawner>>>,
}

/// How long to wait before another spawner is started: longer each time, until one stays alive.
pub(crate) struct Pause {
    next: Duration,
    since: Instant,
}

impl Pause {
    pub(crate) fn new() -> Self {
        Self { next: FIRST_PAUSE, since: Instant::now() }
    }

    /// The pause after an attempt that lasted until now.
    fn take(&mut self, now: Instant) -> Duration {
        if now.duration_since(self.since) > SETTLED {
            self.next = FIRST_PAUSE;
        }
        let pause = self.next;
        self.next = MAX_PAUSE.min(pause * 2);
        self.since = now + pause;
        pause
    }
}

impl Keeper {
    /// Starts the first spawner.
    pub(crate) fn start(binary: &Path) -> Result<Self, holdfast_sandbox::Error> {
        let spawner = Spawner::start(binary)?;
        Ok(Self { binary: binary.to_owned(), current: RwLock::new(Some(Arc::new(spawner))) })
    }

    /// The spawner that new jobs use.
    pub(crate) fn spawner(&self) -> Result<Arc<Spawner>, Refusal> {
        self.get().ok_or_else(|| {
            Refusal::new(Code::SpawnerUnavailable, "the spawner ended and is being started anew: try again in a moment")
        })
    }

    /// Whether there is a spawner.
    pub(crate) fn is_there(&self) -> bool {
        self.get().is_some()
    }

    /// Returns when the current spawner has died; from then on there is none.
    pub(crate) async fn wait_for_death(&self) -> io::Result<()> {
        let Some(spawner) = self.get() else { return Err(io::Error::other("there is no spawner to wait for")) };
        let pidfd = sys::watch(spawner.pidfd())?;
        // Waiting must not be what keeps its socket open.
        drop(spawner);
        pidfd.readable().await?.retain_ready();
        self.set(None);
        Ok(())
    }

    /// Starts another spawner, as often as it takes.
    pub(crate) async fn restart(&self, pause: &mut Pause) {
        loop {
            tokio::time::sleep(pause.take(Instant::now())).await;
            let binary = self.binary.clone();
            match tokio::task::spawn_blocking(move || Spawner::start(&binary)).await {
                Ok(Ok(spawner)) => {
                    self.set(Some(spawner));
                    return;
                }
                Ok(Err(error)) => tracing::error!(%error, "no job can start: the spawner could not be started"),
                Err(error) => tracing::error!(%error, "no job can start: starting the spawner panicked"),
            }
        }
    }

    /// Lets the spawner go: its socket closes, and it ends with all that it has.
    pub(crate) fn stop(&self) {
        self.set(None);
    }

    fn get(&self) -> Option<Arc<Spawner>> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, spawner: Option<Spawner>) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = spawner.map(Arc::new);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spawner_that_does_not_stay_alive_is_started_ever_more_rarely() {
        let mut pause = Pause::new();
        let mut now = Instant::now();
        let mut pauses = Vec::new();
        for _ in 0..12 {
            let next = pause.take(now);
            pauses.push(next);
            now += next + Duration::from_millis(1);
        }
        assert_eq!(pauses[..3], [FIRST_PAUSE, FIRST_PAUSE * 2, FIRST_PAUSE * 4]);
        assert_eq!(pauses.last(), Some(&MAX_PAUSE));
        assert_eq!(pause.take(now + SETTLED), FIRST_PAUSE, "one that lived long is followed at once");
    }
}
