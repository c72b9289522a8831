//! A program that was started in a running sandbox, as its owner holds it.
//!
//! The owner has a pidfd of the program's keeper (`enter.rs`) and the reading end of its result pipe, as it has init's for a
//! sandbox. SIGKILL of the keeper would leave the program to the sandbox, so what is asked for is passed on by it.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::pipe2;

use crate::clone::Maker;
use crate::enter::{END, Entering, Entrance, ExecRequest};
use crate::error::{Context, Error, Result};
use crate::init::TOO_MUCH_OUTPUT;
use crate::outcome::Outcome;
use crate::policy::{LimitsMode, Policy};
use crate::runtime::{self, Found};
use crate::sandbox::{Stdio, read_record, refuse_threads, wait_for_end};
use crate::{record, sys};

/// How long a keeper may take to end its program, which may have stopped itself before it executed.
const PATIENCE_MS: u16 = 1000;

/// A sandbox that another process of this user runs, and that has a name.
#[derive(Debug)]
pub struct Running(Found);

impl Running {
    /// Finds it by its name, or by the process id of its init or its runner.
    ///
    /// # Errors
    /// There is none, or it is not this user's.
    pub fn find(target: &str) -> Result<Running> {
        runtime::find(target).map(Running)
    }

    /// What it shows and allows.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.0.policy
    }

    /// Starts a program in it, by a child of this process, which must have one thread (as for [`crate::Sandbox::start`]).
    ///
    /// # Errors
    /// A refused request, a process with threads, or a failed step before the program's keeper is cloned.
    pub fn exec(&self, exec: &ExecRequest, stdio: Stdio<'_>) -> Result<Entered> {
        let Found { init, namespaces, policy, places, leaf } = &self.0;
        let entrance = Entrance {
            policy,
            places,
            namespaces,
            init: init.as_fd(),
            ready: None,
            leaf: leaf.as_ref().map(AsFd::as_fd),
        };
        Entered::start(&entrance, exec, stdio)
    }
}

/// A program in a running sandbox. Dropping it kills the program.
#[derive(Debug)]
pub struct Entered {
    pub(crate) pid: i32,
    pub(crate) pidfd: OwnedFd,
    pub(crate) result: OwnedFd,
    pub(crate) warnings: Vec<String>,
    pub(crate) limits: LimitsMode,
    /// Where this process is the keeper's parent: holds the pipe whose end ends the keeper.
    pub(crate) maker: Option<Maker>,
}

impl Entered {
    pub(crate) fn start(entrance: &Entrance<'_>, exec: &ExecRequest, stdio: Stdio<'_>) -> Result<Entered> {
        exec.check()?;
        stdio.check()?;
        refuse_threads()?;
        let (result, keepers) = pipe2(OFlag::O_CLOEXEC).context("pipe2 for a result")?;
        let mut maker = Maker::new(true)?;
        let Entering { pid, pidfd, warnings } = maker.enter(entrance, exec, stdio, keepers.as_fd())?;
        let limits = entrance.policy.limits.mode;
        Ok(Entered { pid, pidfd, result, warnings, limits, maker: Some(maker) })
    }

    /// The process id of the program's keeper, as its parent sees it.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// Readable when the outcome is there.
    #[must_use]
    pub fn outcome_fd(&self) -> BorrowedFd<'_> {
        self.result.as_fd()
    }

    /// What the caller should know though it stops nothing.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Ends the program because it wrote more than [`crate::Limits::output`]: its outcome says so.
    ///
    /// # Errors
    /// A failed system call. A program that has ended is no error.
    pub fn end_for_output(&self) -> Result<()> {
        self.send(TOO_MUCH_OUTPUT)
    }

    /// Sends a signal to the program.
    ///
    /// # Errors
    /// SIGSTOP is refused: it would stop who waits for the program. A program that has ended is no error.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        match signal {
            Signal::SIGSTOP => Err(Error::StopRefused),
            Signal::SIGKILL => self.send(END),
            other => self.send(other),
        }
    }

    fn send(&self, signal: Signal) -> Result<()> {
        match sys::pidfd_send_signal(self.pidfd.as_fd(), signal) {
            Err(Errno::ESRCH) => Ok(()),
            sent => sent.context("pidfd_send_signal to a program in a sandbox"),
        }
    }

    /// Waits until the program has ended, and says how. Its figures are those of getrusage(2) and proc_pid_io(5).
    ///
    /// # Errors
    /// Only where a system call on its own descriptors fails.
    pub fn outcome(self) -> Result<Outcome> {
        let bytes = read_record(&self.result)?;
        wait_for_end(self.pidfd.as_fd())?;
        record::decode(&bytes, self.limits, None)
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        let _ = self.send(END);
        let mut fds = [PollFd::new(self.pidfd.as_fd(), PollFlags::POLLIN)];
        if poll(&mut fds, PollTimeout::from(PATIENCE_MS)) != Ok(1) {
            // The program has not executed yet, and ends with its keeper.
            let _ = sys::pidfd_send_signal(self.pidfd.as_fd(), Signal::SIGKILL);
        }
        if self.maker.is_some() {
            while waitid(Id::PIDFd(self.pidfd.as_fd()), WaitPidFlag::WEXITED) == Err(Errno::EINTR) {}
        }
    }
}
