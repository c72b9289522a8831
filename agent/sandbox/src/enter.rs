//! Entering a sandbox that runs: one program more in it, behind the same walls.
//!
//! ```text
//! who enters: the command, or the spawner
//!   └ keeper: cloned into the sandbox's cgroup, joins its namespaces, waits, reports     outside the PID namespace
//!       └ the program, started by `exec.rs` as the first one was                         inside
//! ```
//!
//! What runs inside is hostile and has the same ids. It must neither trace, read nor write what enters, nor get a
//! descriptor of the host from it:
//! - The keeper joins the PID namespace for its child only, so nobody inside can name it, signal it or see it. What can be
//!   named is the program's process, from its clone on. By then it has the program's ids, no capability and no
//!   descriptor of the host's tree, its root and working directory are the sandbox's, and it is not dumpable, so that
//!   ptrace(2), `/proc/PID/mem`, `/proc/PID/fd` and `/proc/PID/exe` are refused (CVE-2016-9962, CVE-2024-21626). It
//!   becomes dumpable when it executes, with its own memory and no descriptor but those given.
//! - A program `#!/proc/self/exe` executes the binary of who enters, and another process could then open that by
//!   `/proc/PID/exe`, and write to it when it runs no more (CVE-2019-5736). It is a sealed copy (`sealed.rs`), which
//!   nobody can write to; Landlock refuses to execute it at all.
//! - The mounts of a sandbox that is being made are the host's: nobody enters before its program has started.
//! - A reused process id is never taken for the sandbox: its namespaces are held by descriptors, or opened while its init
//!   is known to live.
//!
//! Why the keeper: a process's parent alone learns how it ended, and must be there to reap it, or the kernel can't end
//! the PID namespace. It is in the cgroup from its start, so a sandbox whose limit of processes is reached can't be
//! entered, and it counts as one more process. Like init it is not dumpable, has no capabilities and init's filter.
//!
//! What ends with what: the program's end ends the keeper, and what it left running stays until the sandbox ends. The
//! sandbox's end ends the program. When who entered ends, a pipe tells the keeper, which kills the program.
//!
//! Landlock's domains are inherited and can't be joined: what enters has the same rules in a domain of its own. So where
//! Landlock is on, it signals the sandbox's other processes but does not see them in `/proc`, nor do they see it.
//!
//! After clone3 nothing allocates.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::time::Instant;

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::{CloneFlags, setns};
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::stat::Mode;
use nix::unistd::{Pid, pipe2, write};
use serde::{Deserialize, Serialize};

use crate::clone::{Command, Filters, Maker};
use crate::exec::{self, Start, Surroundings};
use crate::idmap::User;
use crate::init::{self, TOO_MUCH_OUTPUT};
use crate::landlock::Rules;
use crate::outcome::SetupFailure;
use crate::policy::{Policy, PolicyError};
use crate::record::{Ended, Failed, Transfer};
use crate::request::check_words;
use crate::rootfs::{Reach, Root};
use crate::sandbox::Stdio;
use crate::step::Step;
use crate::{limits, sys};

/// To a keeper: kill the program. The kernel sends this signal for CPU time that is used up, and a keeper uses none.
pub(crate) const END: Signal = Signal::SIGXCPU;

/// The namespaces of a sandbox, in the order in which root joins them: some may belong to a user namespace above the
/// sandbox's, so that one is last. Who is not root has rights to the others by the user namespace only, and joins it
/// first.
const KINDS: [(&CStr, CloneFlags); 7] = [
    (c"cgroup", CloneFlags::CLONE_NEWCGROUP),
    (c"ipc", CloneFlags::CLONE_NEWIPC),
    (c"uts", CloneFlags::CLONE_NEWUTS),
    (c"net", CloneFlags::CLONE_NEWNET),
    (c"pid", CloneFlags::CLONE_NEWPID),
    (c"mnt", CloneFlags::CLONE_NEWNS),
    (c"user", CloneFlags::CLONE_NEWUSER),
];

/// What is to run in a sandbox that runs already. All else is as its policy says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExecRequest {
    /// The program: a path inside, or a name that is looked up in the inside's `PATH`.
    pub program: String,
    /// Its arguments, without its name.
    pub args: Vec<String>,
}

impl ExecRequest {
    /// Refuses what can't work.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check(&self) -> Result<(), PolicyError> {
        check_words(&self.program, &self.args)
    }
}

/// One descriptor for each of [`KINDS`].
#[derive(Debug)]
pub(crate) struct Namespaces(Vec<OwnedFd>);

impl Namespaces {
    /// Those of a process. Who is not root can open init's only before it is not dumpable.
    pub(crate) fn of(pid: i32) -> Result<Namespaces, Errno> {
        Namespaces::open(KINDS.iter().map(|(name, _)| format!("/proc/{pid}/ns/{}", name.to_string_lossy())))
    }

    /// Those that another process of this user holds.
    pub(crate) fn held_by(pid: i32, numbers: &[RawFd]) -> Result<Namespaces, Errno> {
        if numbers.len() != KINDS.len() {
            return Err(Errno::EINVAL);
        }
        Namespaces::open(numbers.iter().map(|number| format!("/proc/{pid}/fd/{number}")))
    }

    fn open(paths: impl Iterator<Item = String>) -> Result<Namespaces, Errno> {
        // What a number of another process leads to may be a pipe.
        let flags = OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
        paths.map(|path| open(path.as_str(), flags, Mode::empty())).collect::<Result<_, _>>().map(Namespaces)
    }

    pub(crate) fn numbers(&self) -> Vec<RawFd> {
        self.0.iter().map(AsRawFd::as_raw_fd).collect()
    }

    fn in_order(&self, ranged: bool) -> Vec<(RawFd, CloneFlags, &'static CStr)> {
        let mut all: Vec<_> = self.0.iter().zip(KINDS).map(|(fd, (name, kind))| (fd.as_raw_fd(), kind, name)).collect();
        if !ranged {
            all.rotate_right(1);
        }
        all
    }
}

/// A mount that Landlock has a rule about: its path from the root.
#[derive(Debug)]
pub(crate) struct Place {
    path: CString,
    shown: CString,
    reach: Reach,
}

impl Place {
    fn all_of(root: &Root) -> Vec<Place> {
        let writable = root.reaches().filter(|(.., reach)| *reach != Reach::Read);
        writable.map(|(path, shown, reach)| Place { path: path.into(), shown: shown.into(), reach }).collect()
    }

    /// As a record has it.
    pub(crate) fn to_record(&self) -> (String, Reach) {
        (self.path.to_string_lossy().into_owned(), self.reach)
    }

    pub(crate) fn from_record((path, reach): (String, Reach)) -> Option<Place> {
        let shown = CString::new(format!("/{path}")).ok()?;
        Some(Place { path: CString::new(path).ok()?, shown, reach })
    }
}

/// What init's parent keeps, so that the sandbox can be entered.
#[derive(Debug)]
pub(crate) struct Door {
    pub(crate) policy: Policy,
    pub(crate) places: Vec<Place>,
    /// Where root opens them when they are needed: none.
    pub(crate) namespaces: Option<Namespaces>,
    /// Readable from the program's start on.
    pub(crate) ready: EventFd,
}

impl Door {
    /// `pid` is an init that waits for its id maps.
    pub(crate) fn of(pid: i32, ranged: bool, policy: &Policy, root: &Root, ready: EventFd) -> Result<Door, Errno> {
        let namespaces = (!ranged).then(|| Namespaces::of(pid)).transpose()?;
        Ok(Door { policy: policy.clone(), places: Place::all_of(root), namespaces, ready })
    }
}

impl Door {
    /// Enters. `pid` is the sandbox's init, which is not reaped yet, and `init` a pidfd of it.
    pub(crate) fn open<T>(
        &self,
        pid: i32,
        init: BorrowedFd<'_>,
        leaf: Option<BorrowedFd<'_>>,
        enter: impl FnOnce(&Entrance<'_>) -> T,
    ) -> Result<T, SetupFailure> {
        let opened;
        let namespaces = match &self.namespaces {
            Some(held) => held,
            None => {
                let failed = |errno| SetupFailure::new(Step::Enter, errno as i32, None);
                opened = Namespaces::of(pid).map_err(failed)?;
                &opened
            }
        };
        let (policy, places, ready) = (&self.policy, self.places.as_slice(), Some(self.ready.as_fd()));
        Ok(enter(&Entrance { policy, places, namespaces, init, ready, leaf }))
    }
}

/// A sandbox, as who enters it needs it.
pub(crate) struct Entrance<'s> {
    pub(crate) policy: &'s Policy,
    pub(crate) places: &'s [Place],
    pub(crate) namespaces: &'s Namespaces,
    /// A pidfd of its init.
    pub(crate) init: BorrowedFd<'s>,
    /// Readable from the program's start on; none where that is known.
    pub(crate) ready: Option<BorrowedFd<'s>>,
    /// Its cgroup, where it has one.
    pub(crate) leaf: Option<BorrowedFd<'s>>,
}

/// A keeper that is on its way.
pub(crate) struct Entering {
    pub(crate) pid: i32,
    pub(crate) pidfd: OwnedFd,
    pub(crate) warnings: Vec<String>,
}

/// What the keeper is made from; it only reads it.
struct Plan<'s> {
    surroundings: Surroundings,
    command: Command,
    filters: Filters,
    landlock: Option<Rules>,
    places: &'s [Place],
    /// In the order in which they are joined.
    namespaces: Vec<(RawFd, CloneFlags, &'static CStr)>,
    user: User,
    ranged: bool,
    cpu_seconds: Option<u64>,
    /// See `clone.rs`.
    ignored: Arc<[i32]>,
    init: RawFd,
    ready: Option<RawFd>,
    /// Ends when who enters does.
    alive: RawFd,
    /// Where the record goes.
    result: RawFd,
    /// Both ends of a pipe that ends with the keeper.
    own: [RawFd; 2],
}

pub(crate) fn ready() -> Result<EventFd, Errno> {
    EventFd::from_value_and_flags(0, EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)
}

impl Maker {
    /// Starts a keeper, a child of this process, which makes the rest. `result` is the writing end of its result pipe.
    pub(crate) fn enter(
        &mut self,
        entrance: &Entrance<'_>,
        exec: &ExecRequest,
        stdio: Stdio<'_>,
        result: BorrowedFd<'_>,
    ) -> Result<Entering, SetupFailure> {
        let failed = |errno: Errno| SetupFailure::new(Step::Request, errno as i32, None);
        let policy = entrance.policy;
        let mut warnings = Vec::new();
        limits::let_core_be_one()?;
        let landlock = self.second_wall(policy, Some(stdio), &mut warnings)?;
        let untruncated = landlock.as_ref().is_some_and(|rules| rules.leaves_truncate);
        let ranged = self.ids.is_ranged();
        // Held by this process until the keeper is cloned, and by the keeper for good.
        let (reader, writer) = pipe2(OFlag::O_CLOEXEC).map_err(failed)?;
        let surroundings = Surroundings::plan(policy)?;
        let plan = Plan {
            command: Command::plan(&surroundings, &exec.program, &exec.args, stdio, landlock.as_ref())?,
            surroundings,
            filters: self.filters(policy, untruncated)?,
            landlock,
            places: entrance.places,
            namespaces: entrance.namespaces.in_order(ranged),
            user: User::of(policy),
            ranged,
            cpu_seconds: limits::cpu_seconds(&policy.limits),
            ignored: Arc::clone(&self.ignored),
            init: entrance.init.as_raw_fd(),
            ready: entrance.ready.map(|fd| fd.as_raw_fd()),
            alive: self.alive.0.as_raw_fd(),
            result: result.as_raw_fd(),
            own: [reader.as_raw_fd(), writer.as_raw_fd()],
        };
        let (first, then) = (plan.kept_first(), plan.kept_then());
        let stack = &mut self.stack;
        let cloned = sys::clone3(0, entrance.leaf, || run(&plan, &first, &then, stack));
        let (pid, pidfd) = cloned.map_err(|errno| match (entrance.leaf, errno) {
            (Some(_), Errno::EACCES | Errno::EPERM | Errno::ENODEV | Errno::EBUSY | Errno::EOPNOTSUPP) => {
                SetupFailure::new(Step::Cgroup, errno as i32, Some("joining the sandbox's cgroup".to_owned()))
            }
            _ => SetupFailure::new(Step::Enter, errno as i32, None),
        })?;
        Ok(Entering { pid, pidfd, warnings })
    }
}

impl Plan<'_> {
    /// What the keeper keeps when it has started, sorted.
    fn kept_first(&self) -> Vec<RawFd> {
        let mut keep = self.kept_then();
        keep.extend(self.namespaces.iter().map(|(fd, ..)| *fd));
        keep.push(self.init);
        keep.extend(self.ready);
        keep.sort_unstable();
        keep
    }

    /// What it keeps when it is in the namespaces, besides what it opens there.
    fn kept_then(&self) -> Vec<RawFd> {
        let mut keep: Vec<RawFd> = self.command.given.iter().map(|given| given.from).collect();
        keep.extend([self.alive, self.result]);
        keep.extend(self.own);
        keep.sort_unstable();
        keep
    }
}

/// Everything that the keeper does.
fn run(plan: &Plan<'_>, first: &[RawFd], then: &[RawFd], stack: &mut [u8]) -> ! {
    let record = join(plan, first).and_then(|transfers| keep(plan, then, transfers, stack));
    let record = record.map_or_else(|failed| failed.encode(), |ended| ended.encode());
    init::tell(plan.result, &record);
    sys::exit(0)
}

/// Joins the namespaces. Gives the keeper's own proc_pid_io(5), as the kernel counts there what its child has moved.
fn join<'p>(plan: &'p Plan<'_>, first: &[RawFd]) -> Result<Option<OwnedFd>, Failed<'p>> {
    sys::heed(&plan.ignored);
    SigSet::all().thread_set_mask().map_err(Failed::of(Step::Process))?;
    sys::close_all_but(first).map_err(Failed::of(Step::InitDescriptors))?;
    // Both while the file is this process's own. Should the host run out of memory, it takes a sandbox's processes first.
    let transfers = open(c"/proc/self/io", OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty()).ok();
    be_first_to_go().map_err(Failed::about(Step::Limits, b"oom_score_adj"))?;
    nix::sys::prctl::set_dumpable(false).map_err(Failed::of(Step::Process))?;
    wait_for_the_first(plan)?;
    for (fd, kind, name) in &plan.namespaces {
        setns(sys::borrow(*fd), *kind).map_err(Failed::about(Step::Enter, name.to_bytes()))?;
    }
    Ok(transfers)
}

fn be_first_to_go() -> Result<(), Errno> {
    let file = open(c"/proc/self/oom_score_adj", OFlag::O_WRONLY | OFlag::O_CLOEXEC, Mode::empty())?;
    write(&file, b"1000").map(drop)
}

/// Returns when the sandbox is made and its first program runs. Before, its mounts are the host's.
fn wait_for_the_first<'p>(plan: &Plan<'_>) -> Result<(), Failed<'p>> {
    let mut fds = [
        PollFd::new(sys::borrow(plan.init), PollFlags::POLLIN),
        PollFd::new(sys::borrow(plan.alive), PollFlags::POLLIN),
        PollFd::new(sys::borrow(plan.ready.unwrap_or(plan.init)), PollFlags::POLLIN),
    ];
    let timeout = if plan.ready.is_some() { PollTimeout::NONE } else { PollTimeout::ZERO };
    while poll(&mut fds, timeout) == Err(Errno::EINTR) {}
    let [has_ended, is_alone, is_ready] = fds.map(|fd| fd.any() == Some(true));
    if is_alone {
        sys::exit(1);
    }
    match has_ended || (plan.ready.is_some() && !is_ready) {
        true => Err(Failed::of(Step::Enter)(Errno::ESRCH)),
        false => Ok(()),
    }
}

/// Becomes as unprivileged as the program, starts it and stays until it has ended.
fn keep<'p>(
    plan: &'p Plan<'_>,
    then: &[RawFd],
    transfers: Option<OwnedFd>,
    stack: &mut [u8],
) -> Result<Ended, Failed<'p>> {
    // Nothing is left of the host's tree; the namespaces' descriptors are no use any more.
    let mut keep = [0; 80];
    let keep = with(&mut keep, then, transfers.as_ref()).map_err(Failed::of(Step::InitDescriptors))?;
    sys::close_all_but(keep).map_err(Failed::of(Step::InitDescriptors))?;
    if plan.ranged {
        sys::become_ids(User::ROOT, true).map_err(Failed::of(Step::Identity))?;
    }
    let places = || plan.places.iter().map(|it| (it.path.as_c_str(), it.shown.as_c_str(), it.reach));
    let ruleset = plan.landlock.as_ref().map(|rules| rules.make(places())).transpose()?;
    let Command { workload, given, rights } = &plan.command;
    if let (Some(rules), Some(ruleset)) = (&plan.landlock, &ruleset) {
        rules.allow_given(ruleset, given, rights)?;
    }
    nix::unistd::setsid().map_err(Failed::of(Step::Session))?;
    init::drop_bounding_set()?;
    init::give_up(plan.user, plan.ranged)?;
    let signals = SignalFd::with_flags(&SigSet::all(), SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)
        .map_err(Failed::of(Step::Process))?;
    let before = transfers.as_ref().and_then(init::transferred);
    let ruleset_fd = ruleset.as_ref().map(AsRawFd::as_raw_fd);
    let (surroundings, filters, parent) = (&plan.surroundings, plan.filters.all(), Some(plan.own));
    let mut start = Start { surroundings, workload, filters, ruleset: ruleset_fd, given, parent, failed: None };
    let begin = Instant::now();
    let pid = sys::vfork(stack, exec::main, &mut start).map_err(Failed::of(Step::Workload))?;
    if let Some(failed) = start.failed {
        return Err(failed);
    }
    drop(ruleset);
    sys::give_back(stack);
    // The keeper keeps no descriptor of the program's input and output: their readers see its end.
    let or_result = |fd: Option<RawFd>| fd.unwrap_or(plan.result);
    let counted = or_result(transfers.as_ref().map(AsRawFd::as_raw_fd));
    let mut kept = [plan.alive, plan.result, plan.own[0], plan.own[1], signals.as_fd().as_raw_fd(), counted];
    kept.sort_unstable();
    let closed = sys::close_all_but(&kept).map_err(Failed::of(Step::InitDescriptors));
    // Unguarded it shall not go on; the program ends with it.
    closed.and_then(|()| sys::attach_filter(&plan.filters.init).map_err(Failed::of(Step::Seccomp)))?;
    let ended = wait(pid, &signals, plan, begin);
    let after = transfers.as_ref().and_then(init::transferred);
    let transfer = before.zip(after).map(|(before, after)| Transfer {
        read: after.read.saturating_sub(before.read),
        written: after.written.saturating_sub(before.written),
    });
    Ok(Ended { transfer, ..ended })
}

/// `sorted` with one more, in `buffer`.
fn with<'b>(buffer: &'b mut [RawFd], sorted: &[RawFd], more: Option<&OwnedFd>) -> Result<&'b [RawFd], Errno> {
    let length = sorted.len() + usize::from(more.is_some());
    let used = buffer.get_mut(..length).ok_or(Errno::EMFILE)?;
    used[..sorted.len()].copy_from_slice(sorted);
    if let (Some(last), Some(more)) = (used.last_mut(), more) {
        *last = more.as_raw_fd();
    }
    used.sort_unstable();
    Ok(used)
}

/// Waits for the program, and does what is asked from outside meanwhile.
fn wait(pid: i32, signals: &SignalFd, plan: &Plan<'_>, begin: Instant) -> Ended {
    let end = || {
        let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
    };
    let mut output = false;
    let (status, usage) = loop {
        if let Ok(Some((_, status, usage))) = sys::wait_any(libc::WNOHANG) {
            break (status, usage);
        }
        let mut fds =
            [PollFd::new(signals.as_fd(), PollFlags::POLLIN), PollFd::new(sys::borrow(plan.alive), PollFlags::POLLIN)];
        // Whatever it returns, the next round looks at everything.
        let _ = poll(&mut fds, PollTimeout::NONE);
        if fds[1].any() == Some(true) {
            end();
            let _ = sys::wait_any(0);
            sys::exit(1);
        }
        while let Ok(Some(info)) = signals.read_signal() {
            match Signal::try_from(info.ssi_signo as i32) {
                Ok(TOO_MUCH_OUTPUT) => {
                    output = true;
                    end();
                }
                Ok(END) => end(),
                Ok(Signal::SIGCHLD) | Err(_) => {}
                Ok(signal) => {
                    let _ = kill(Pid::from_raw(pid), signal);
                }
            }
        }
    };
    let micros = |time: libc::timeval| init::micros(time.tv_sec, time.tv_usec);
    let cpu_time = !output && plan.cpu_seconds.is_some_and(|limit| init::used_up(status, init::cpu(&usage), limit));
    Ended {
        status,
        output,
        cpu_time,
        wall_us: u64::try_from(begin.elapsed().as_micros()).unwrap_or(u64::MAX),
        user_us: micros(usage.ru_utime),
        system_us: micros(usage.ru_stime),
        involuntary_switches: u64::try_from(usage.ru_nivcsw).unwrap_or(0),
        ..Ended::default()
    }
}
