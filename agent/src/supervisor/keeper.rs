//! The spawner, kept alive.
//!
//! The daemon never forks a workload itself: a fork's cost grows with a process's memory, and a process with threads
//! can't safely do what a sandbox needs between clone3 and exec. The static `holdfast-sandbox`, executed anew, does
//! it. It is the parent of every sandbox, so its death ends them all; this module notices it through its pidfd,
//! tells the supervisor, and starts another.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use holdfast_sandbox::Spawner;

use crate::api::error::{Code, Refusal};
use crate::sys;

/// The longest pause before a spawner that does not stay alive is started again.
const MAX_PAUSE: Duration = Duration::from_secs(10);
const FIRST_PAUSE: Duration = Duration::from_millis(20);

/// The one spawner of this agent, or its absence.
pub(crate) struct Keeper {
    binary: PathBuf,
    current: RwLock<Option<Arc<Spawner>>>,
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
    pub(crate) async fn restart(&self) {
        let mut pause = FIRST_PAUSE;
        loop {
            tokio::time::sleep(pause).await;
            let binary = self.binary.clone();
            match tokio::task::spawn_blocking(move || Spawner::start(&binary)).await {
                Ok(Ok(spawner)) => {
                    self.set(Some(spawner));
                    return;
                }
                Ok(Err(error)) => tracing::error!(%error, "no job can start: the spawner could not be started"),
                Err(error) => tracing::error!(%error, "no job can start: starting the spawner panicked"),
            }
            pause = MAX_PAUSE.min(pause * 2);
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
