//! What can go wrong for a caller of the library.

use std::path::PathBuf;

use nix::errno::Errno;

use crate::outcome::SetupFailure;
use crate::policy::PolicyError;
use crate::runtime::RuntimeError;
use crate::step;

/// What a caller gets instead of a sandbox.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The policy or the request is refused; nothing was tried.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// A step of making the sandbox failed; nothing of the program ran. It converts into an [`crate::Outcome`].
    #[error(transparent)]
    Setup(#[from] SetupFailure),
    /// A sandbox's name.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// A sandbox that this process made itself, and that has no name, has nothing that leads into it.
    #[error("this sandbox can't be entered: start it with a name, or by a Spawner")]
    NotEnterable,
    /// The spawner could not be started.
    #[error("the spawner {} could not be started: {source}; it is the static `holdfast-sandbox` command", .binary.display())]
    Start {
        /// The binary that was tried.
        binary: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// The spawner has ended, and with it every sandbox that it had started.
    #[error("the spawner has ended ({0}): its sandboxes ended with it; start another")]
    SpawnerGone(Errno),
    /// A request or an answer can't be understood.
    #[error("a message between the spawner and its caller is not understood ({0}): both must be of the same version")]
    Protocol(String),
    /// A sandbox was to be made by this process itself, which has threads.
    #[error("this process has {0} threads: only one with a single thread can make sandboxes itself; use a Spawner")]
    Threads(u64),
    /// SIGSTOP would stop init, which keeps the wall clock.
    #[error("SIGSTOP would stop the sandbox's init, and the wall clock with it: a sandbox can be ended, not paused")]
    StopRefused,
    /// A system call on a sandbox's descriptors failed.
    #[error("{call}: {errno}{}", advice(*errno))]
    System {
        /// The call and what it was for.
        call: &'static str,
        /// The system's error.
        errno: Errno,
    },
}

fn advice(errno: Errno) -> String {
    step::descriptors(errno as i32).map_or_else(String::new, |text| format!("; {text}"))
}

/// What functions of this library return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Names the call that an error number came from.
pub(crate) trait Context<T> {
    fn context(self, call: &'static str) -> Result<T>;
}

impl<T> Context<T> for nix::Result<T> {
    fn context(self, call: &'static str) -> Result<T> {
        self.map_err(|errno| Error::System { call, errno })
    }
}
