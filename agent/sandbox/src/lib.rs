//! One program, contained: namespaces, an init, limits, no way out.
//!
//! ```no_run
//! # use std::os::fd::AsFd;
//! # use holdfast_sandbox::{Limits, LimitsMode, Policy, Request, Spawner, Stdio};
//! let spawner = Spawner::start("/usr/lib/holdfast/holdfast-sandbox".as_ref())?;
//! let limits = Limits { mode: LimitsMode::RlimitOnly, ..Limits::default() };
//! let policy = Policy { limits, ..Policy::default() };
//! let request = Request { policy, program: "id".into(), args: vec![], files: vec![] };
//! let (stdin, stdout, stderr) = (std::io::stdin(), std::io::stdout(), std::io::stderr());
//! let stdio = Stdio { stdin: stdin.as_fd(), stdout: stdout.as_fd(), stderr: stderr.as_fd() };
//! let outcome = spawner.spawn(&request, stdio)?.outcome()?;
//! assert_eq!(outcome.exit_code(), 0);
//! # Ok::<(), holdfast_sandbox::Error>(())
//! ```

#![deny(clippy::unwrap_used, clippy::expect_used)]

mod clone;
mod error;
mod exec;
mod idmap;
mod init;
mod limits;
mod outcome;
mod policy;
mod record;
mod request;
mod rootfs;
mod sandbox;
mod seccomp;
mod spawner;
mod step;
mod sys;

pub use error::{Error, Result};
pub use outcome::{EndedBy, LimitKind, Outcome, SetupFailure};
pub use policy::{Access, Bind, Limits, LimitsMode, Policy, PolicyError, Tmpfs};
pub use request::{InputFile, Request};
pub use sandbox::{Sandbox, Stdio};
pub use spawner::{SPAWNER_ARGUMENT, Spawner, serve};
pub use step::Step;
