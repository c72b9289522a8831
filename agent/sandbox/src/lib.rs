//! One program, contained: namespaces, an init, limits, no way out.
//!
//! ```text
//! caller (threads, any size)
//!   └ Spawner: the static command executed anew, one thread      a command line is its own spawner
//!       └ init, process 1: makes the sandbox, waits, reports     new user, PID, mount, network, IPC, UTS, cgroup ns
//!           └ the program, process 2, and all that it starts     uid 1000, no capabilities, filtered
//! ```
//!
//! A request ([`Policy`], program, arguments, files) goes down, an [`Outcome`] comes up, and when it has come nothing
//! of the sandbox is left. What happens in which order is one function each: before clone3 (`clone.rs`, `Maker::start`),
//! in init (`init.rs`, `prepare`), in the program's process (`exec.rs`, `prepare`). Each step has a [`Step`] by which
//! its failure is told; a step that fails ends the sandbox before one byte of the program runs.
//!
//! Where the program is not known yet, the sandbox can be: [`Spawner::prepare`] makes it ahead, and its init waits for the
//! program (`ready.rs`). A pool of them makes the start of each shorter than the kernel needs for the namespaces alone; it
//! makes no more starts in a second, for the work is the same.
//!
//! A running sandbox can be entered by another program, behind the same walls (`enter.rs`): by its handle ([`Sandbox::exec`]),
//! or by a name from another process ([`Running`]).
//!
//! What is promised: the program sees and reaches nothing of the host but the trees that it was given, the kernel's
//! system calls that its filter allows, and the machine's time. What is not: a kernel bug behind an allowed call, side
//! channels of shared hardware, and, with [`LimitsMode::RlimitOnly`], a bound on the memory of all its processes
//! together. A file that the caller gives as standard input, output or error is what its
//! descriptor makes of it: opened anew through `/proc/self/fd` it has no right that the descriptor has not (Landlock), but
//! unprivileged, where the program's user is the file's owner, its mode can be changed. A memfd that is given should be
//! sealed. A pipe gives nothing but itself.
//!
//! ```no_run
//! # use std::os::fd::AsFd;
//! # use holdfast_sandbox::{Policy, Request, Spawner, Stdio};
//! let spawner = Spawner::start("/usr/lib/holdfast/holdfast-sandbox".as_ref())?;
//! let request = Request { policy: Policy::default(), program: "id".into(), args: vec![], files: vec![] };
//! let (stdin, stdout, stderr) = (std::io::stdin(), std::io::stdout(), std::io::stderr());
//! let stdio = Stdio { stdin: stdin.as_fd(), stdout: stdout.as_fd(), stderr: stderr.as_fd(), passed: &[] };
//! let outcome = spawner.spawn(&request, stdio)?.outcome()?;
//! assert_eq!(outcome.exit_code(), 0);
//! # Ok::<(), holdfast_sandbox::Error>(())
//! ```

#![deny(clippy::unwrap_used, clippy::expect_used, unsafe_code)]

mod cgroup;
mod channel;
mod clone;
mod enter;
mod entered;
mod error;
mod exec;
#[cfg(fuzzing)]
pub mod fuzzing;
mod idmap;
mod init;
mod kept;
mod kernel;
mod landlock;
mod limits;
mod network;
mod outcome;
mod policy;
mod quota;
mod ready;
mod record;
mod request;
mod rootfs;
mod runtime;
mod sandbox;
mod schema;
mod sealed;
mod seccomp;
mod spawner;
mod step;
#[expect(unsafe_code, reason = "the one room for it")]
mod sys;

pub use cgroup::Stats;
pub use enter::ExecRequest;
pub use entered::{Entered, Running};
pub use error::{Error, Result};
pub use kernel::{Finding, examine};
pub use outcome::{EndedBy, LimitKind, Outcome, SetupFailure, Source};
pub use policy::{
    Access, Allow, Bind, Dev, Landlock, Limits, LimitsMode, Network, Policy, PolicyError, Proc, Seccomp, Tmpfs,
};
pub use request::{InputFile, Request};
pub use runtime::{Name, RuntimeError};
pub use sandbox::{Prepared, Sandbox, Stdio, inherited};
pub use sealed::execute_sealed_copy;
pub use seccomp::{
    ArchitectureMap, Comparison, Conditions, SeccompAction, SeccompArgument, SeccompEntry, SeccompProfile,
};
pub use spawner::{SPAWNER_ARGUMENT, Spawner, serve};
pub use step::Step;
