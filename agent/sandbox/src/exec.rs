//! The program's process, from its start to execve(2).
//!
//! It starts as a vfork of init: it has init's memory until it executes, so whatever fails it writes there, and no
//! descriptor for errors has to be given to it. What enters a running sandbox (`enter.rs`) starts in the same way, from its
//! keeper. The first is process 2: as process 1 it would lose the default actions of
//! signals (abort(3), SIGTERM), and its verdicts would be wrong.
//!
//! Attacks stopped here: a descriptor of the runner left open (CVE-2024-21626: `/proc/self/fd/7` was a directory of the
//! host; a directory as standard input is the same, and refused in `clone.rs`); the caller's terminal, by a session of its own; the caller's ignored and blocked signals.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::os::fd::RawFd;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::stat::{Mode, umask};
use nix::unistd::{chdir, setsid};
use rustix::thread::CpuSet;

use crate::clone::Given;
use crate::landlock;
use crate::limits::{self, Rlimits};
use crate::outcome::SetupFailure;
use crate::policy::Policy;
use crate::record::Failed;
use crate::sandbox::MOST_PASSED;
use crate::seccomp::Program;
use crate::step::Step;
use crate::sys::{self, Pointers};

const PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// What every program of a policy starts with, made before clone3.
#[derive(Debug)]
pub(crate) struct Surroundings {
    /// Where a program without a directory is looked for.
    path: String,
    envp: Pointers,
    cwd: CString,
    pub(crate) limits: Rlimits,
    aslr: bool,
    cpus: Option<CpuSet>,
}

impl Surroundings {
    pub(crate) fn plan(policy: &Policy) -> Result<Surroundings, SetupFailure> {
        let mut env = BTreeMap::from([("PATH", PATH), ("HOME", "/tmp"), ("LANG", "C.UTF-8")]);
        env.extend(policy.env.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        let envp = env.iter().map(|(name, value)| c_string(&format!("{name}={value}")));
        Ok(Surroundings {
            envp: Pointers::new(envp.collect::<Result<_, _>>()?),
            path: env.get("PATH").copied().unwrap_or_default().to_owned(),
            cwd: c_string(&policy.working_directory().to_string_lossy())?,
            limits: Rlimits::plan(&policy.limits)?,
            aslr: policy.aslr,
            cpus: limits::cpus(&policy.limits),
        })
    }
}

/// The program itself.
#[derive(Debug)]
pub(crate) struct Workload {
    program: CString,
    /// Paths to try, in order.
    candidates: Vec<CString>,
    argv: Pointers,
}

impl Workload {
    pub(crate) fn plan(surroundings: &Surroundings, program: &str, args: &[String]) -> Result<Workload, SetupFailure> {
        let directories = || surroundings.path.split(':').filter(|directory| !directory.is_empty());
        let candidates = match program.contains('/') {
            true => vec![c_string(program)?],
            false => {
                let paths = directories().map(|directory| c_string(&format!("{directory}/{program}")));
                paths.collect::<Result<_, _>>()?
            }
        };
        let argv = std::iter::once(program).chain(args.iter().map(String::as_str)).map(c_string);
        let argv = Pointers::new(argv.collect::<Result<_, _>>()?);
        Ok(Workload { program: c_string(program)?, candidates, argv })
    }
}

fn c_string(text: &str) -> Result<CString, SetupFailure> {
    CString::new(text)
        .map_err(|_| SetupFailure::new(Step::Request, libc::EINVAL, Some(Path::new(text).display().to_string())))
}

/// What init shares with the starting process.
pub(crate) struct Start<'p> {
    pub(crate) surroundings: &'p Surroundings,
    pub(crate) workload: &'p Workload,
    /// The filters that it does not have from its parent.
    pub(crate) filters: [Option<&'p Program>; 2],
    /// Landlock's, if the program is to be restricted by it.
    pub(crate) ruleset: Option<RawFd>,
    /// What become its descriptors.
    pub(crate) given: &'p [Given],
    /// Both ends of a pipe that ends with the parent, where it isn't init, whose end ends all.
    pub(crate) parent: Option<[RawFd; 2]>,
    /// Why the program did not start.
    pub(crate) failed: Option<Failed<'p>>,
}

/// What the process does first, and last unless it executes the program.
pub(crate) fn main(start: &mut Start<'_>) {
    start.failed = Some(run(start));
}

/// Returns only the failure.
fn run<'p>(start: &Start<'p>) -> Failed<'p> {
    let program = start.workload.program.to_bytes();
    match prepare(start) {
        Ok(()) => Failed::about(Step::Exec, program)(execute(start)),
        Err(failed) => failed,
    }
}

fn prepare<'p>(start: &Start<'p>) -> Result<(), Failed<'p>> {
    let surroundings = start.surroundings;
    if let Some(ends) = start.parent {
        end_with(ends).map_err(Failed::of(Step::Process))?;
    }
    sys::set_personality(surroundings.aslr).map_err(Failed::of(Step::Process))?;
    setsid().map_err(Failed::of(Step::Session))?;
    // Before `connect` closes the ruleset; what comes after it opens no file.
    if let Some(ruleset) = start.ruleset {
        landlock::restrict(ruleset).map_err(Failed::of(Step::Landlock))?;
    }
    connect(start.given).map_err(Failed::of(Step::Stdio))?;
    umask(Mode::from_bits_truncate(0o022));
    let cwd = surroundings.cwd.as_c_str();
    chdir(cwd).map_err(Failed::about(Step::Cwd, cwd.to_bytes()))?;
    surroundings.limits.set().map_err(Failed::of(Step::Limits))?;
    if let Some(cpus) = &surroundings.cpus {
        sys::stay_on(cpus).map_err(Failed::about(Step::Limits, b"CPUs"))?;
    }
    SigSet::empty().thread_set_mask().map_err(Failed::of(Step::Process))?;
    start.filters.iter().flatten().try_for_each(|filter| sys::attach_filter(filter)).map_err(Failed::of(Step::Seccomp))
}

/// Ends this process when its parent ends, which may be now.
fn end_with([reader, writer]: [RawFd; 2]) -> Result<(), Errno> {
    nix::sys::prctl::set_pdeathsig(Signal::SIGKILL)?;
    // The parent alone has the other copy.
    sys::close_range(writer, writer)?;
    let mut fds = [PollFd::new(sys::borrow(reader), PollFlags::POLLIN)];
    match poll(&mut fds, PollTimeout::ZERO)? {
        0 => Ok(()),
        _ => Err(Errno::ESRCH),
    }
}

/// Moves them first away, since one may be where another has to go, then into place; closes all else.
fn connect(given: &[Given]) -> Result<(), Errno> {
    // No higher than it must be: the caller's limit of descriptors may be low.
    let above = given.last().map_or(0, |last| last.to + 1);
    let mut moved = [0; 3 + MOST_PASSED];
    for (away, given) in moved.iter_mut().zip(given) {
        *away = fcntl(sys::borrow(given.from), FcntlArg::F_DUPFD_CLOEXEC(above))?;
    }
    let mut next = 0;
    for (away, Given { to, .. }) in moved.into_iter().zip(given) {
        if next < *to {
            sys::close_range(next, to - 1)?;
        }
        sys::dup2(sys::borrow(away), *to)?;
        next = to + 1;
    }
    sys::close_range(next, RawFd::MAX)
}

/// Tries the candidates as execvp(3) does: not there is the next one's turn; not allowed too, but is remembered.
fn execute(start: &Start<'_>) -> Errno {
    let Start { surroundings, workload, .. } = start;
    let mut result = Errno::ENOENT;
    for candidate in &workload.candidates {
        match sys::execve(candidate, &workload.argv, &surroundings.envp) {
            Errno::ENOENT | Errno::ENOTDIR => {}
            Errno::EACCES => result = Errno::EACCES,
            other => return other,
        }
    }
    result
}
