//! Init: process 1 of a sandbox. It makes the sandbox from inside, starts the program, waits, and tells the outcome.
//!
//! It is part of the wall, for it has the program's uid. What keeps the program out of it:
//! - It is not dumpable for life, so `/proc/1/mem`, ptrace(2) and process_vm_writev(2) are refused, and `/proc/1/exe` does
//!   not lead to the runner's binary (CVE-2019-5736). It never executes anything, so nothing makes it dumpable again. setresuid(2) resets this and the parent-death signal: both are set
//!   after it.
//! - It has no capabilities, and a filter of its own, which allows what it needs to wait, kill, measure and tell.
//! - Signals from inside can't end it (pid_namespaces(7)); it reads them from a signalfd, a bounded number between two
//!   looks at the clock, and passes on only those that come from outside.
//! - The program's filter refuses to change init's limits and priority.
//!
//! What ends with what: init's end ends every process inside (the kernel's rule). Init ends when its parent does: by
//! the parent-death signal, and by the end of a pipe whose other end the parent alone holds.
//!
//! At the deadline every process gets SIGKILL at once, or, where the policy gives it a grace, SIGTERM, and SIGKILL when that
//! is over: a program that ignores SIGTERM, or is stopped, ends all the same.
//!
//! Nothing here allocates: it runs after clone3.

use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::stat::{Mode, umask};
use nix::sys::statfs::fstatfs;
use nix::sys::time::TimeSpec;
use nix::unistd::{Pid, Whence, lseek};

use crate::clone::{Command, Plan, Runs};
use crate::exec::{self, Start};
use crate::idmap::User;
use crate::record::{Bytes, Ended, Failed, Transfer};
use crate::seccomp::Program;
use crate::step::Step;
use crate::{ready, rootfs, sys};

/// The descriptors that init starts with, by number: it has a copy of its parent's table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Descriptors {
    /// One byte comes when the id maps are written.
    pub(crate) mapped: RawFd,
    /// Ends when the parent does.
    pub(crate) alive: RawFd,
    /// Where the record goes.
    pub(crate) result: RawFd,
    /// Holds the id range.
    pub(crate) lock: Option<RawFd>,
    /// Holds the box.
    pub(crate) box_lock: Option<RawFd>,
    /// An eventfd that tells that the program has started.
    pub(crate) ready: Option<RawFd>,
}

/// From the owner: the program has written more than it may. The kernel sends this signal for a file's size, to the
/// process that writes and never to init.
pub(crate) const TOO_MUCH_OUTPUT: Signal = Signal::SIGXFSZ;
/// How many signals are read before init looks at its clock and its children again.
const SIGNALS_A_ROUND: u32 = 64;

/// Everything that init does. `keep` is sorted: [`Descriptors`] and the plan's own. `stack` is the program's until it
/// executes.
pub(crate) fn run(plan: &Plan, fds: Descriptors, keep: &[RawFd], stack: &mut [u8]) -> ! {
    let later;
    let record = match prepare(plan, fds, keep) {
        Ok(mut prepared) => match &plan.runs {
            Runs::Now(program) => start(plan, program, fds, prepared, stack),
            Runs::Later(socket) => {
                let told = filter_ahead(plan, &mut prepared);
                match told.and_then(|()| ready::receive(plan, *socket, fds.alive)) {
                    Ok(program) => {
                        later = program;
                        start(plan, &later, fds, prepared, stack)
                    }
                    Err(failed) => Err(failed),
                }
            }
        },
        Err(failed) => Err(failed),
    };
    let record = record.map_or_else(|failed| failed.encode(), |ended| ended.encode());
    tell(fds.result, &record);
    sys::exit(0)
}

/// One write, smaller than PIPE_BUF, is whole or not at all. A reader that has gone away wants no answer.
pub(crate) fn tell(result: RawFd, record: &Bytes) {
    while nix::unistd::write(sys::borrow(result), record.as_slice()) == Err(Errno::EINTR) {}
}

/// What the program's start needs.
struct Prepared<'p> {
    /// What the program's process attaches.
    filters: [Option<&'p Program>; 2],
    /// Where signals are read.
    signals: SignalFd,
    /// What the program's process is to be restricted by.
    ruleset: Option<OwnedFd>,
    /// What is bounded like a disk, in memory.
    bounded: Option<OwnedFd>,
    /// Init's own proc_pid_io(5), in which whoever it waits for is counted when it has ended.
    transfers: Option<OwnedFd>,
}

/// The sandbox, from inside; it ends without a capability.
fn prepare<'p>(plan: &'p Plan, fds: Descriptors, keep: &[RawFd]) -> Result<Prepared<'p>, Failed<'p>> {
    // The program would ignore what the caller ignores (nohup(1)), and SIGPIPE, which Rust's start-up does.
    sys::heed(&plan.ignored);
    let all = SigSet::all();
    all.thread_set_mask().map_err(Failed::of(Step::Process))?;
    // A failure is told when the parent has done its part, which an init that has ended would make fail too, and seem the
    // cause.
    let begun = begin(plan, keep);
    // Before it is not dumpable: later the file is the host's root's. A kernel that doesn't count has no such file.
    let transfers = nix::fcntl::open(c"/proc/self/io", OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty()).ok();
    wait_for_maps(fds.mapped);
    begun?;
    let ranged = fds.lock.is_some();
    if ranged {
        sys::become_ids(User::ROOT, true).map_err(Failed::of(Step::Identity))?;
        die_with_parent()?;
    }
    umask(Mode::empty());
    rootfs::build(&plan.root)?;
    let bounded = rootfs::bounded(&plan.root)?;
    let ruleset = plan.landlock.as_ref().map(|rules| rules.make(plan.root.reaches())).transpose()?;
    if plan.loopback {
        sys::loopback_up().map_err(Failed::of(Step::Loopback))?;
    }
    give_up(plan.user, ranged)?;
    die_with_parent()?;
    let signals = SignalFd::with_flags(&all, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK);
    let signals = signals.map_err(Failed::of(Step::Process))?;
    Ok(Prepared { filters: plan.filters.all(), signals, ruleset, bounded, transfers })
}

/// What needs no id, while the parent writes the maps.
fn begin<'p>(plan: &'p Plan, keep: &[RawFd]) -> Result<(), Failed<'p>> {
    // For a parent that dies during setup; setresuid clears it.
    die_with_parent()?;
    sys::close_all_but(keep).map_err(Failed::of(Step::InitDescriptors))?;
    sys::set_names(&plan.hostname).map_err(Failed::of(Step::Hostname))?;
    setsid()?;
    drop_bounding_set()
}

/// Nothing that is executed from here on can get a capability.
pub(crate) fn drop_bounding_set<'p>() -> Result<(), Failed<'p>> {
    sys::drop_bounding_set().map_err(Failed::of(Step::Capabilities))
}

/// Takes the program's ids, and gives up whatever they would not have: what is left can't be traced by who has them too.
pub(crate) fn give_up<'p>(user: User, ranged: bool) -> Result<(), Failed<'p>> {
    if ranged {
        sys::become_ids(user, false).map_err(Failed::of(Step::Identity))?;
    }
    sys::drop_capabilities().map_err(Failed::of(Step::Capabilities))?;
    nix::sys::prctl::set_dumpable(false).map_err(Failed::of(Step::Process))?;
    nix::sys::prctl::set_no_new_privs().map_err(Failed::of(Step::Process))
}

/// A session of its own, so that no terminal's hang-up or key reaches it.
fn setsid<'p>() -> Result<(), Failed<'p>> {
    nix::unistd::setsid().map(drop).map_err(Failed::of(Step::Session))
}

fn die_with_parent<'p>() -> Result<(), Failed<'p>> {
    nix::sys::prctl::set_pdeathsig(Signal::SIGKILL).map_err(Failed::of(Step::Process))
}

/// The pipe ends without its byte if the parent gave up or is gone: then nobody is there to be told.
fn wait_for_maps(mapped: RawFd) {
    let mut byte = [0];
    loop {
        match nix::unistd::read(sys::borrow(mapped), &mut byte) {
            Ok(1) => return,
            Err(Errno::EINTR) => {}
            _ => sys::exit(1),
        }
    }
}

/// What waits for its program has that program's filter meanwhile, if it can go on with it: the kernel takes long to
/// attach one.
fn filter_ahead<'p>(plan: &'p Plan, prepared: &mut Prepared<'p>) -> Result<(), Failed<'p>> {
    if plan.filters.lets_start {
        plan.surroundings.limits.set_core().map_err(Failed::of(Step::Limits))?;
        sys::attach_filter(&plan.filters.workload).map_err(Failed::of(Step::Seccomp))?;
        prepared.filters[0] = None;
    }
    Ok(())
}

/// Starts the program and stays until nothing is left of it.
fn start<'p>(
    plan: &'p Plan,
    program: &'p Command,
    fds: Descriptors,
    prepared: Prepared<'p>,
    stack: &mut [u8],
) -> Result<Ended, Failed<'p>> {
    let Prepared { filters, signals, ruleset, bounded, transfers } = prepared;
    let before = transfers.as_ref().and_then(transferred);
    if let (Some(rules), Some(ruleset)) = (&plan.landlock, &ruleset) {
        rules.allow_given(ruleset, &program.given, &program.rights)?;
    }
    let (surroundings, workload) = (&plan.surroundings, &program.workload);
    let given = program.given.as_slice();
    let ruleset_fd = ruleset.as_ref().map(AsRawFd::as_raw_fd);
    let mut start = Start { surroundings, workload, filters, ruleset: ruleset_fd, given, parent: None, failed: None };
    let setup_memory = if plan.in_leaf { memory_in_use().map_err(Failed::of(Step::Cgroup))? } else { 0 };
    let begin = Instant::now();
    let pid = sys::vfork(stack, exec::main, &mut start).map_err(Failed::of(Step::Workload))?;
    if let Some(failed) = start.failed {
        return Err(failed);
    }
    drop(ruleset);
    sys::give_back(stack);
    if let Some(ready) = fds.ready {
        // An eventfd that nobody has counted up takes it.
        let _ = nix::unistd::write(sys::borrow(ready), &1u64.to_ne_bytes());
    }
    // The program runs from here on. Init keeps no descriptor of its input and output, so that their readers see the
    // end when the program ends.
    let or_result = |fd: Option<RawFd>| fd.unwrap_or(fds.result);
    let counted = or_result(transfers.as_ref().map(AsRawFd::as_raw_fd));
    let signals_fd = signals.as_fd().as_raw_fd();
    let (range, kept) = (or_result(fds.lock), or_result(fds.box_lock));
    let disk = or_result(bounded.as_ref().map(AsRawFd::as_raw_fd));
    let mut keep = [fds.alive, fds.result, signals_fd, range, kept, counted, disk];
    keep.sort_unstable();
    let closed = sys::close_all_but(&keep).map_err(Failed::of(Step::InitDescriptors));
    // A failure here ends the program with init; it has run by then, but unguarded it shall not go on.
    closed.and_then(|()| sys::attach_filter(&plan.filters.init).map_err(Failed::of(Step::Seccomp)))?;
    // What is read from here on lies on the stack, as the plan's own numbers do.
    sys::give_back_heap();
    let mut watch = Watch {
        pid,
        begin,
        deadline: plan.wall.and_then(|wall| begin.checked_add(wall)),
        grace: plan.wall_grace,
        is_over: false,
        alive: fds.alive,
    };
    let ended = watch.until_all_are_gone(&signals, plan.cpu_seconds);
    let after = transfers.as_ref().and_then(transferred);
    let transfer = before.zip(after).map(|(before, after)| Transfer {
        read: after.read.saturating_sub(before.read),
        written: after.written.saturating_sub(before.written),
    });
    let disk = bounded.as_ref().is_some_and(is_full);
    Ok(Ended { setup_memory, transfer, disk, ..ended })
}

/// Whether no byte more, or no file more, can be written there.
fn is_full(place: &OwnedFd) -> bool {
    fstatfs(place).is_ok_and(|it| it.blocks_free() == 0 || (it.files() > 0 && it.files_free() == 0))
}

/// What init and all for whom it waited have read and written.
pub(crate) fn transferred(file: &OwnedFd) -> Option<Transfer> {
    let mut text = [0; 256];
    lseek(file, 0, Whence::SeekSet).ok()?;
    let length = nix::unistd::read(file, &mut text).ok()?;
    let field = |name: &[u8]| {
        let line = text[..length].split(|byte| *byte == b'\n').find_map(|line| line.strip_prefix(name))?;
        Some(number(line))
    };
    Some(Transfer { read: field(b"rchar: ")?, written: field(b"wchar: ")? })
}

/// The digits at the beginning.
fn number(text: &[u8]) -> u64 {
    let digits = text.iter().take_while(|digit| digit.is_ascii_digit());
    digits.fold(0, |sum, digit| sum.saturating_mul(10).saturating_add(u64::from(digit - b'0')))
}

/// What the sandbox is charged for before its program starts: memory.current of its cgroup.
fn memory_in_use() -> Result<u64, Errno> {
    let file = nix::fcntl::open(c"/sys/fs/cgroup/memory.current", OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty())?;
    let mut digits = [0; 20];
    let length = nix::unistd::read(&file, &mut digits)?;
    Ok(number(&digits[..length]))
}

/// What init looks at while the program runs.
struct Watch {
    pid: i32,
    begin: Instant,
    deadline: Option<Instant>,
    /// How long after the deadline SIGKILL comes; none, at once.
    grace: Option<Duration>,
    /// The wall clock has run out, and SIGTERM was sent.
    is_over: bool,
    alive: RawFd,
}

/// Why init stopped waiting.
enum Cause {
    /// The program has ended.
    Own(End),
    Wall,
    /// Its owner asked for it.
    Output,
}

/// How the program itself ended.
struct End {
    status: i32,
    cpu: Duration,
    at: Instant,
}

impl Watch {
    fn until_all_are_gone(&mut self, signals: &SignalFd, cpu_seconds: Option<u64>) -> Ended {
        let (mut end, wall, output) = match self.until_the_end(signals) {
            // A program that ends at SIGTERM was ended by the clock all the same.
            Cause::Own(end) => (Some(end), self.is_over, false),
            Cause::Wall => (None, true, false),
            Cause::Output => (None, false, true),
        };
        // What the program left running ends with it.
        let _ = kill(Pid::from_raw(-1), Signal::SIGKILL);
        while let Ok(Some((pid, status, usage))) = sys::wait_any(0) {
            if pid == self.pid {
                end = Some(End { status, cpu: cpu(&usage), at: Instant::now() });
            }
        }
        let (user_us, system_us, involuntary_switches) = usage(UsageWho::RUSAGE_CHILDREN);
        let (init_user_us, init_system_us, _) = usage(UsageWho::RUSAGE_SELF);
        let End { status, cpu, at } =
            end.unwrap_or(End { status: libc::SIGKILL, cpu: Duration::ZERO, at: Instant::now() });
        let cpu_time = !wall && !output && cpu_seconds.is_some_and(|limit| used_up(status, cpu, limit));
        Ended {
            status,
            wall,
            output,
            cpu_time,
            wall_us: u64::try_from(at.duration_since(self.begin).as_micros()).unwrap_or(u64::MAX),
            user_us,
            system_us,
            init_user_us,
            init_system_us,
            setup_memory: 0,
            transfer: None,
            disk: false,
            involuntary_switches,
        }
    }

    /// Returns when the program has ended, or is to be ended.
    fn until_the_end(&mut self, signals: &SignalFd) -> Cause {
        loop {
            if let Some(end) = self.reap() {
                return Cause::Own(end);
            }
            let left = self.left();
            if left == Some(Duration::ZERO) {
                let Some(grace) = self.grace.take() else { return Cause::Wall };
                self.is_over = true;
                self.deadline = Instant::now().checked_add(grace);
                let _ = kill(Pid::from_raw(-1), Signal::SIGTERM);
                continue;
            }
            let mut fds = [
                PollFd::new(signals.as_fd(), PollFlags::POLLIN),
                PollFd::new(sys::borrow(self.alive), PollFlags::POLLIN),
            ];
            // Whatever it returns, the next round looks at everything.
            let _ = ppoll(&mut fds, left.map(TimeSpec::from_duration), None);
            if fds[1].any() == Some(true) {
                sys::exit(1);
            }
            if self.pass_on(signals) {
                return Cause::Output;
            }
        }
    }

    /// Waits for whoever has ended, adopted processes too. A stream of orphans that ends later than the deadline is left
    /// to it.
    fn reap(&self) -> Option<End> {
        while let Ok(Some((pid, status, usage))) = sys::wait_any(libc::WNOHANG) {
            if pid == self.pid {
                return Some(End { status, cpu: cpu(&usage), at: Instant::now() });
            }
            if self.left() == Some(Duration::ZERO) {
                break;
            }
        }
        None
    }

    /// The time to the deadline, if there is one.
    fn left(&self) -> Option<Duration> {
        self.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()))
    }

    /// Signals from outside (the sender has no process id here) go to the program. Those from inside are the
    /// program's own affair; were one forged (rt_sigqueueinfo), the program would signal itself.
    ///
    /// A program that sends faster than init reads must not keep it from its clock: what is not read in this round makes
    /// the next one begin at once.
    ///
    /// True where the owner says that there was too much output.
    fn pass_on(&self, signals: &SignalFd) -> bool {
        for _ in 0..SIGNALS_A_ROUND {
            let Ok(Some(info)) = signals.read_signal() else { return false };
            let Ok(signal) = Signal::try_from(info.ssi_signo as i32) else { continue };
            if signal != Signal::SIGCHLD && info.ssi_pid == 0 {
                if signal == TOO_MUCH_OUTPUT {
                    return true;
                }
                // It may have ended just now.
                let _ = kill(Pid::from_raw(self.pid), signal);
            }
        }
        false
    }
}

/// Whether a signal that RLIMIT_CPU sends ended the program, and it had used about that much. For the limit the kernel
/// counts ticks, and for rusage exact time; on a busy or virtual machine they differ by a good part. SIGXCPU comes
/// at the limit, SIGKILL a second of CPU time later.
pub(crate) fn used_up(status: i32, cpu: Duration, limit: u64) -> bool {
    let part = |percent: u64| Duration::from_millis(limit.saturating_mul(10 * percent));
    match libc::WIFSIGNALED(status).then(|| libc::WTERMSIG(status)) {
        Some(libc::SIGXCPU) => cpu >= part(50),
        Some(libc::SIGKILL) => cpu >= part(80),
        _ => false,
    }
}

/// User and system time in microseconds, and involuntary context switches.
fn usage(who: UsageWho) -> (u64, u64, u64) {
    let micros = |time: nix::sys::time::TimeVal| micros(time.tv_sec(), time.tv_usec());
    getrusage(who).map_or((0, 0, 0), |usage| {
        let switches = u64::try_from(usage.involuntary_context_switches()).unwrap_or(0);
        (micros(usage.user_time()), micros(usage.system_time()), switches)
    })
}

pub(crate) fn micros(seconds: i64, micros: i64) -> u64 {
    u64::try_from(seconds.saturating_mul(1_000_000).saturating_add(micros)).unwrap_or(0)
}

pub(crate) fn cpu(usage: &libc::rusage) -> Duration {
    let of = |time: libc::timeval| Duration::from_micros(micros(time.tv_sec, time.tv_usec));
    of(usage.ru_utime) + of(usage.ru_stime)
}
