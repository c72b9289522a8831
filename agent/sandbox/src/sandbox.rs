//! A running sandbox, as its owner holds it.
//!
//! The owner has a pidfd of init and the reading end of init's result pipe. Killing init ends everything inside (the
//! kernel kills a PID namespace whose init is gone), so dropping a `Sandbox` leaves nothing behind.

use std::collections::BTreeSet;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::sync::Weak;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::pipe2;

use crate::cgroup::{self, Leaf, Stats};
use crate::clone::{Locks, Maker, Started, Told};
use crate::enter::{Door, ExecRequest};
use crate::entered::Entered;
use crate::error::{Context, Error, Result};
use crate::init::TOO_MUCH_OUTPUT;
use crate::outcome::{Outcome, SetupFailure};
use crate::policy::{LimitsMode, PolicyError};
use crate::request::{Request, check_words};
use crate::runtime::{Claim, Name};
use crate::step::Step;
use crate::{ready, record, spawner, sys};

/// The caller's descriptors that become the program's.
#[derive(Debug, Clone, Copy)]
pub struct Stdio<'fd> {
    /// Descriptor 0 of the program.
    pub stdin: BorrowedFd<'fd>,
    /// Descriptor 1.
    pub stdout: BorrowedFd<'fd>,
    /// Descriptor 2.
    pub stderr: BorrowedFd<'fd>,
    /// Others, each with its number in the program: 3 to 63, 16 at most. What the program can do with one is what the
    /// descriptor allows; a directory is refused.
    pub passed: &'fd [(i32, BorrowedFd<'fd>)],
}

/// The highest number that a passed descriptor can have.
pub(crate) const HIGHEST_FD: i32 = 63;
/// How many can be passed.
pub(crate) const MOST_PASSED: usize = 16;

/// A copy of a descriptor that this process was started with, by its number. To be called before anything is opened.
///
/// # Errors
/// Where it is not open, or none that can be passed on.
pub fn inherited(number: i32) -> Result<OwnedFd> {
    check_number(number)?;
    let copied = rustix::io::fcntl_dupfd_cloexec(sys::borrow(number), HIGHEST_FD + 1);
    copied
        .map_err(|error| match Errno::from_raw(error.raw_os_error()) {
            // No number that high can be had.
            Errno::EINVAL => Errno::EMFILE,
            errno => errno,
        })
        .context("a copy of the descriptor, by a number above 63")
}

fn refuse(number: i32, why: &'static str) -> PolicyError {
    PolicyError::Value { what: "the descriptor", value: number.to_string(), why }
}

fn check_number(number: i32) -> std::result::Result<(), PolicyError> {
    if (3..=HIGHEST_FD).contains(&number) { Ok(()) } else { Err(refuse(number, "is not 3 to 63")) }
}

impl<'fd> Stdio<'fd> {
    /// All of them, by their numbers in the program.
    pub(crate) fn all(&self) -> impl Iterator<Item = (i32, BorrowedFd<'fd>)> {
        [self.stdin, self.stdout, self.stderr]
            .into_iter()
            .zip(0..)
            .map(|(fd, number)| (number, fd))
            .chain(self.passed.iter().copied())
    }

    /// Those that came with a message: each one's number, standard input, output and error first.
    pub(crate) fn received(
        numbers: &[u8],
        fds: &'fd [OwnedFd],
        passed: &'fd mut Vec<(i32, BorrowedFd<'fd>)>,
    ) -> Option<Stdio<'fd>> {
        let ([0, 1, 2, numbers @ ..], [stdin, stdout, stderr, rest @ ..]) = (numbers, fds) else { return None };
        if numbers.len() != rest.len() {
            return None;
        }
        passed.extend(numbers.iter().map(|number| i32::from(*number)).zip(rest.iter().map(AsFd::as_fd)));
        let stdio = Stdio { stdin: stdin.as_fd(), stdout: stdout.as_fd(), stderr: stderr.as_fd(), passed };
        stdio.check().is_ok().then_some(stdio)
    }

    pub(crate) fn check(&self) -> std::result::Result<(), PolicyError> {
        let mut numbers = BTreeSet::new();
        for (number, _) in self.passed {
            check_number(*number)?;
            if !numbers.insert(number) {
                return Err(refuse(*number, "is passed twice"));
            }
            if numbers.len() > MOST_PASSED {
                return Err(refuse(*number, "is one more than can be passed, 16"));
            }
        }
        Ok(())
    }
}

/// A sandbox that is ready, without a program: its namespaces, mounts and walls are made, and its init waits. Dropping it
/// ends it. It runs one program; each gets a sandbox of its own.
#[derive(Debug)]
pub struct Prepared {
    pub(crate) sandbox: Sandbox,
    /// Init's has the other end.
    pub(crate) init: OwnedFd,
}

impl Prepared {
    /// Starts the program. The wall clock begins now, and so do all figures of the outcome.
    ///
    /// # Errors
    /// A refused program or descriptor. That the sandbox could not be made, or the program not be started, is told by
    /// [`Sandbox::outcome`].
    pub fn spawn(self, program: &str, args: &[String], stdio: Stdio<'_>) -> Result<Sandbox> {
        check_words(program, args).map_err(Error::Policy)?;
        stdio.check()?;
        ready::send(self.init.as_fd(), program, args, stdio)?;
        Ok(self.sandbox)
    }

    /// A pidfd of its init: readable if it could not be made, or has been killed.
    #[must_use]
    pub fn pidfd(&self) -> BorrowedFd<'_> {
        self.sandbox.pidfd()
    }

    /// As [`Sandbox::warnings`].
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        self.sandbox.warnings()
    }
}

/// A running sandbox. Dropping it kills it.
#[derive(Debug)]
pub struct Sandbox {
    pub(crate) pid: i32,
    pub(crate) pidfd: OwnedFd,
    pub(crate) result: OwnedFd,
    pub(crate) warnings: Vec<String>,
    pub(crate) limits: LimitsMode,
    pub(crate) parent: Parent,
}

/// Who reaps init.
#[derive(Debug)]
pub(crate) enum Parent {
    /// The spawner does, which has the other end of this socket while it lives.
    Spawner(Weak<OwnedFd>),
    /// This process is.
    Own(Box<Own>),
}

/// What this process keeps of a sandbox until init is reaped.
#[derive(Debug)]
pub(crate) struct Own {
    /// Goes before the maker, which removes what the last leaf leaves empty.
    leaf: Option<Leaf>,
    /// Holds the pipe whose end ends init.
    _maker: Maker,
    _locks: Locks,
    /// Where it can be entered.
    door: Option<Door>,
    /// Its name.
    claim: Option<Claim>,
}

impl Sandbox {
    /// Makes a sandbox as a child of this process, which must have one thread; others use a [`crate::Spawner`]. Signals
    /// have to be blocked by the caller if it wants to pass them on. The process leaves its session keyring for an empty
    /// one (keyrings are inherited, and are in no namespace), and no longer ignores SIGCHLD.
    /// A hard limit of core files of 0 becomes 1 if it may (`limits.rs` says why).
    ///
    /// # Errors
    /// A refused request, a process with threads, or a failed step before clone3.
    pub fn start(request: &Request, stdio: Stdio<'_>) -> Result<Sandbox> {
        Sandbox::make(request, stdio, None)
    }

    /// The same, and others of this user can find the sandbox by its name ([`crate::Running`]). It returns when the program has
    /// started, or the sandbox has ended.
    ///
    /// # Errors
    /// As [`Sandbox::start`], or a name that can't be had.
    pub fn start_named(request: &Request, stdio: Stdio<'_>, name: &Name) -> Result<Sandbox> {
        Sandbox::make(request, stdio, Some(name))
    }

    fn make(request: &Request, stdio: Stdio<'_>, name: Option<&Name>) -> Result<Sandbox> {
        request.check()?;
        stdio.check()?;
        refuse_threads()?;
        let claim = name.map(Claim::take).transpose()?;
        let (result, init_result) = pipe2(OFlag::O_CLOEXEC).context("pipe2 for a result")?;
        let mut maker = Maker::new(true)?;
        maker.enterable = claim.is_some();
        let Started { pid, pidfd, locks, leaf, door, warnings } =
            maker.start(request, Told::Now(stdio), init_result.as_fd())?;
        drop(init_result);
        let limits = request.policy.limits.mode;
        let parent = Parent::Own(Box::new(Own { leaf, _maker: maker, _locks: locks, door, claim }));
        let sandbox = Sandbox { pid, pidfd, result, warnings, limits, parent };
        sandbox.publish()?;
        Ok(sandbox)
    }

    /// Writes down how to find the sandbox, if it has a name, when its program runs.
    fn publish(&self) -> Result<()> {
        let Parent::Own(own) = &self.parent else { return Ok(()) };
        let (Some(claim), Some(door)) = (&own.claim, &own.door) else { return Ok(()) };
        let mut fds =
            [PollFd::new(door.ready.as_fd(), PollFlags::POLLIN), PollFd::new(self.pidfd.as_fd(), PollFlags::POLLIN)];
        while poll(&mut fds, PollTimeout::NONE) == Err(Errno::EINTR) {}
        match fds[1].any() == Some(true) {
            // Its outcome says why.
            true => Ok(()),
            false => Ok(claim.publish(self.pid, door)?),
        }
    }

    /// The process id of the sandbox's init, as the spawner sees it.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// A pidfd (pidfd_open(2)) of init: readable when the sandbox has ended.
    #[must_use]
    pub fn pidfd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }

    /// Readable when the outcome is there.
    #[must_use]
    pub fn outcome_fd(&self) -> BorrowedFd<'_> {
        self.result.as_fd()
    }

    /// What the caller should know though it stops nothing: a writable mount that the sandbox's user can't write.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Ends the sandbox because it wrote more than [`crate::Limits::output`]: its outcome says so, and has its figures.
    ///
    /// # Errors
    /// A failed system call. A sandbox that has ended is no error.
    pub fn end_for_output(&self) -> Result<()> {
        self.signal(TOO_MUCH_OUTPUT)
    }

    /// Sends a signal: SIGKILL ends the sandbox at once, others init passes on to the program.
    ///
    /// # Errors
    /// SIGSTOP is refused, since it would stop the wall clock. A sandbox that has ended is no error.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        if signal == Signal::SIGSTOP {
            return Err(Error::StopRefused);
        }
        match sys::pidfd_send_signal(self.pidfd.as_fd(), signal) {
            Err(Errno::ESRCH) => Ok(()),
            sent => sent.context("pidfd_send_signal to a sandbox"),
        }
    }

    /// What it uses now. Nothing where that isn't known: limits are rlimits alone, or the sandbox has ended.
    ///
    /// # Errors
    /// Its cgroup can't be found from here.
    pub fn stats(&self) -> Result<Option<Stats>> {
        let has_ended = || {
            let mut fds = [PollFd::new(self.pidfd.as_fd(), PollFlags::POLLIN)];
            poll(&mut fds, PollTimeout::ZERO).map(|ready| ready > 0).context("poll of a sandbox's pidfd")
        };
        let read = sys::pid_of(self.pidfd.as_fd())
            .ok_or(SetupFailure::new(Step::Cgroup, libc::ESRCH, None))
            .and_then(|pid| cgroup::of_sandbox(pid, self.limits))
            .map(|leaf| leaf.map(|leaf| Stats::read(leaf.as_fd())));
        // As init lives, its number was its own.
        if has_ended()? { Ok(None) } else { Ok(read?) }
    }

    /// Starts another program in it, behind the same walls. It waits for the sandbox's own to start.
    ///
    /// # Errors
    /// A refused request, a failed step before the program's keeper is cloned, or a sandbox that can't be entered: this process
    /// made it, without a name.
    pub fn exec(&self, exec: &ExecRequest, stdio: Stdio<'_>) -> Result<Entered> {
        let own = match &self.parent {
            Parent::Spawner(socket) => return spawner::enter(socket, self, exec, stdio),
            Parent::Own(own) => own,
        };
        let door = own.door.as_ref().ok_or(Error::NotEnterable)?;
        let leaf = own.leaf.as_ref().map(AsFd::as_fd);
        door.open(self.pid, self.pidfd.as_fd(), leaf, |entrance| Entered::start(entrance, exec, stdio))?
    }

    /// Waits until nothing of the sandbox is left, and says how it ended.
    ///
    /// # Errors
    /// Only where a system call on the sandbox's own descriptors fails.
    pub fn outcome(self) -> Result<Outcome> {
        let bytes = read_record(&self.result)?;
        // The pipe ends when init's descriptors are closed; a moment later the last process is gone.
        wait_for_end(self.pidfd.as_fd())?;
        let (record, figures) = record::split(&bytes);
        let figures = match &self.parent {
            Parent::Own(own) => own.leaf.as_ref().map(Leaf::figures),
            Parent::Spawner(_) => figures,
        };
        record::decode(record, self.limits, figures)
    }
}

/// All that comes through a result pipe.
pub(crate) fn read_record(pipe: &OwnedFd) -> Result<Vec<u8>> {
    const MOST: usize = 2 * record::MAX;
    let mut bytes = Vec::with_capacity(record::MAX);
    let mut buffer = [0; record::MAX];
    while bytes.len() <= MOST {
        match nix::unistd::read(pipe, &mut buffer) {
            Ok(0) => break,
            Ok(length) => bytes.extend_from_slice(&buffer[..length]),
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(Error::System { call: "read of a result pipe", errno }),
        }
    }
    Ok(bytes)
}

/// Waits until a process has ended.
pub(crate) fn wait_for_end(pidfd: BorrowedFd<'_>) -> Result<()> {
    loop {
        let mut fds = [PollFd::new(pidfd, PollFlags::POLLIN)];
        match poll(&mut fds, PollTimeout::NONE) {
            Err(Errno::EINTR) => {}
            other => break other.context("poll of a sandbox's pidfd").map(drop),
        }
    }
}

/// A copy of a process with threads has locks that nobody unlocks.
pub(crate) fn refuse_threads() -> Result<()> {
    let threads = std::fs::metadata("/proc/self/task").map_or(1, |it| it.nlink().saturating_sub(2));
    if threads > 1 { Err(Error::Threads(threads)) } else { Ok(()) }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        // A sandbox that has ended already gives ESRCH, which is what is wanted.
        let _ = sys::pidfd_send_signal(self.pidfd.as_fd(), Signal::SIGKILL);
        if let Parent::Own(_) = self.parent {
            while waitid(Id::PIDFd(self.pidfd.as_fd()), WaitPidFlag::WEXITED) == Err(Errno::EINTR) {}
        }
    }
}
