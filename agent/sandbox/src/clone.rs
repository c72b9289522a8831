//! One sandbox, from a request to a running init: the parent's side, in order.
//!
//! Everything is prepared before clone3, since after it the child may not allocate: host paths opened, strings and
//! arrays made, filters compiled, the cgroup. Then clone3 into it and into all namespaces at once, but for a network that
//! is there already (`network.rs`); the id maps; and one byte that lets init go on.

use std::collections::HashMap;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::stat::{SFlag, fstat};
use nix::sys::wait::waitpid;
use nix::unistd::{Pid, pipe2, write};

use crate::cgroup::{Groups, Leaf};
use crate::enter::{self, Door};
use crate::exec::{Surroundings, Workload};
use crate::idmap::{IdSource, Ids, RangeLock, User};
use crate::init::{self, Descriptors};
use crate::kept::{BoxLock, Kept};
use crate::network::Networks;
use crate::outcome::SetupFailure;
use crate::policy::{Allow, Landlock, Limits, LimitsMode, Network, Policy, Seccomp};
use crate::request::Request;
use crate::rootfs::{self, Root, Shared};
use crate::sandbox::Stdio;
use crate::seccomp::{self, Changes, Program};
use crate::step::Step;
use crate::{landlock, limits, sys};

const NAMESPACES: libc::c_int = libc::CLONE_NEWUSER
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNS
    | libc::CLONE_NEWNET
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWCGROUP;

/// The program's stack until it executes: a few calls deep. So large that it comes from the kernel zeroed, and what is
/// not used of it is never touched.
const STACK: usize = 256 * 1024;

/// What one sandbox is made from; init only reads it.
pub(crate) struct Plan {
    pub(crate) root: Root,
    pub(crate) user: User,
    pub(crate) surroundings: Surroundings,
    pub(crate) runs: Runs,
    pub(crate) filters: Filters,
    pub(crate) landlock: Option<landlock::Rules>,
    pub(crate) hostname: Vec<u8>,
    /// Whether init brings the loopback interface up: in a network that was there already it is.
    pub(crate) loopback: bool,
    pub(crate) wall: Option<Duration>,
    pub(crate) wall_grace: Option<Duration>,
    pub(crate) cpu_seconds: Option<u64>,
    /// Whether init is in a cgroup of its own, and sees it.
    pub(crate) in_leaf: bool,
    /// The signals that the maker ignores.
    pub(crate) ignored: Arc<[i32]>,
}

/// What is run.
pub(crate) enum Runs {
    Now(Box<Command>),
    /// What comes over this socket, when it comes.
    Later(RawFd),
}

/// A program, and what it is given.
pub(crate) struct Command {
    pub(crate) workload: Workload,
    /// By the number that each gets, from 0 on.
    pub(crate) given: Vec<Given>,
    /// For each of them, Landlock's.
    pub(crate) rights: Vec<u64>,
}

impl Command {
    pub(crate) fn plan(
        surroundings: &Surroundings,
        program: &str,
        args: &[String],
        stdio: Stdio<'_>,
        rules: Option<&landlock::Rules>,
    ) -> Result<Command, SetupFailure> {
        refuse_directories(stdio)?;
        let given = given(stdio);
        let rights = rules.map_or(Ok(Vec::new()), |rules| rules.rights(&given))?;
        Ok(Command { workload: Workload::plan(surroundings, program, args)?, given, rights })
    }
}

/// Where a maker is told what to run: in the request, or later, by this socket.
#[derive(Clone, Copy)]
pub(crate) enum Told<'fd> {
    Now(Stdio<'fd>),
    Later(BorrowedFd<'fd>),
}

/// A descriptor that the program is given.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Given {
    /// Its number here, and in init.
    pub(crate) from: RawFd,
    /// Its number in the program.
    pub(crate) to: RawFd,
}

/// The filters.
#[derive(Debug, Clone)]
pub(crate) struct Filters {
    pub(crate) workload: Arc<Program>,
    /// Whether it allows all that init and the program's process have still to do before that executes, but to set the
    /// limit of core files, which it ignores.
    pub(crate) lets_start: bool,
    /// Of the caller's profile, behind the workload's.
    pub(crate) own: Option<Program>,
    pub(crate) init: Arc<Program>,
}

impl Filters {
    /// What a process attaches that has none of them. The caller's comes last, since it may refuse to attach another.
    pub(crate) fn all(&self) -> [Option<&Program>; 2] {
        [Some(&self.workload), self.own.as_ref()]
    }
}

/// A process that makes sandboxes: single-threaded, and their parent.
#[derive(Debug)]
pub(crate) struct Maker {
    pub(crate) ids: IdSource,
    /// Each is compiled once.
    workload_filters: HashMap<Changes, Arc<Program>>,
    init_filter: Arc<Program>,
    /// The kernel's, or why it can't be asked: of who wants none it is no concern.
    landlock_abi: Result<u32, Errno>,
    /// None before the first sandbox with limits on the whole.
    groups: Option<Groups>,
    pub(crate) networks: Networks,
    /// File systems that all sandboxes may have.
    pub(crate) shared: Shared,
    /// See [`Plan::ignored`].
    pub(crate) ignored: Arc<[i32]>,
    /// Where each program's process begins, in its init's copy of this memory.
    pub(crate) stack: Vec<u8>,
    /// Inits hold the reading end, and end when the writing end does.
    pub(crate) alive: (OwnedFd, OwnedFd),
    /// Whether what it makes can be entered.
    pub(crate) enterable: bool,
}

/// An init that is on its way.
pub(crate) struct Started {
    pub(crate) pid: i32,
    pub(crate) pidfd: OwnedFd,
    pub(crate) locks: Locks,
    /// To be kept until init is reaped, and its figures are read.
    pub(crate) leaf: Option<Leaf>,
    /// Where it can be entered.
    pub(crate) door: Option<Door>,
    pub(crate) warnings: Vec<String>,
}

/// To be held until init is reaped.
#[derive(Debug)]
pub(crate) struct Locks {
    _range: Option<RangeLock>,
    _kept: Option<BoxLock>,
}

fn own(errno: Errno) -> SetupFailure {
    SetupFailure::new(Step::Request, errno as i32, None)
}

impl Maker {
    /// Also leaves the caller's session keyring, since keyrings are not namespaced, and heeds SIGCHLD if the caller
    /// was started with it ignored: its children would vanish unseen.
    ///
    /// `once`: it makes one sandbox only.
    pub(crate) fn new(once: bool) -> Result<Maker, SetupFailure> {
        sys::heed_children().map_err(own)?;
        sys::leave_session_keyring()
            .map_err(|errno| SetupFailure::new(Step::Process, errno as i32, Some("keyring".to_owned())))?;
        let (workload_filters, init_filter) = (HashMap::new(), Arc::new(seccomp::init()));
        let alive = pipe2(OFlag::O_CLOEXEC).map_err(own)?;
        let ids = IdSource::new()?;
        let networks = if ids.is_ranged() && !once { Networks::Ahead { is_made: false } } else { Networks::Cloned };
        Ok(Maker {
            ids,
            workload_filters,
            init_filter,
            landlock_abi: landlock::abi(),
            groups: None,
            networks,
            shared: Shared::new(once),
            ignored: sys::ignored_signals().into(),
            stack: vec![0; STACK],
            alive,
            enterable: false,
        })
    }

    /// Starts one sandbox. `result` is the writing end of its result pipe.
    pub(crate) fn start(
        &mut self,
        request: &Request,
        told: Told<'_>,
        result: BorrowedFd<'_>,
    ) -> Result<Started, SetupFailure> {
        let (ids, lock) = self.ids.take()?;
        let user = User::of(&request.policy);
        let directory = request.policy.box_directory.as_deref();
        let size = request.policy.limits.disk;
        let kept_box = directory.map(|directory| Kept::open(directory, ids, user, size)).transpose()?;
        let (root, mut warnings) = rootfs::plan(request, ids, kept_box.as_ref(), &mut self.shared)?;
        limits::let_core_be_one()?;
        let leaf = self.leaf(&request.policy.limits)?;
        let stdio = match told {
            Told::Now(stdio) => Some(stdio),
            Told::Later(_) => None,
        };
        let landlock = self.second_wall(&request.policy, stdio, &mut warnings)?;
        let Request { policy, program, args, .. } = request;
        let surroundings = Surroundings::plan(policy)?;
        let runs = match told {
            Told::Now(stdio) => {
                Runs::Now(Box::new(Command::plan(&surroundings, program, args, stdio, landlock.as_ref())?))
            }
            Told::Later(socket) => Runs::Later(socket.as_raw_fd()),
        };
        let untruncated = landlock.as_ref().is_some_and(|rules| rules.leaves_truncate);
        let filters = self.filters(&request.policy, untruncated)?;
        let ready = self.enterable.then(enter::ready).transpose().map_err(own)?;
        let (mapped, map_written) = pipe2(OFlag::O_CLOEXEC).map_err(own)?;
        let loopback = request.policy.net == Network::Loopback;
        let is_born_there = loopback && self.networks.take();
        let namespaces = if is_born_there { NAMESPACES & !libc::CLONE_NEWNET } else { NAMESPACES };
        let plan = Plan {
            root,
            user,
            surroundings,
            runs,
            filters,
            landlock,
            hostname: request.policy.hostname.clone().into_bytes(),
            loopback: loopback && !is_born_there,
            wall: request.policy.limits.wall,
            wall_grace: request.policy.limits.wall_grace,
            cpu_seconds: limits::cpu_seconds(&request.policy.limits),
            in_leaf: leaf.is_some(),
            ignored: Arc::clone(&self.ignored),
        };
        let fds = Descriptors {
            mapped: mapped.as_raw_fd(),
            alive: self.alive.0.as_raw_fd(),
            result: result.as_raw_fd(),
            lock: lock.as_ref().map(|lock| lock.as_fd().as_raw_fd()),
            box_lock: kept_box.as_ref().map(|kept| kept.lock.as_fd().as_raw_fd()),
            ready: ready.as_ref().map(|ready| ready.as_fd().as_raw_fd()),
        };
        let keep = kept(&fds, &plan);
        let stack = &mut self.stack;
        let cloned = sys::clone3(namespaces, leaf.as_ref().map(AsFd::as_fd), || init::run(&plan, fds, &keep, stack));
        let (pid, pidfd) = cloned.map_err(|errno| SetupFailure::new(Step::Clone, errno as i32, None))?;
        let door = ready.map(|ready| Door::of(pid, lock.is_some(), &request.policy, &plan.root, ready)).transpose();
        match door.map_err(own).and_then(|door| admit(pid, ids, user, &map_written).map(|()| door)) {
            Ok(door) => {
                let locks = Locks { _range: lock, _kept: kept_box.map(|kept| kept.lock) };
                Ok(Started { pid, pidfd, locks, leaf, door, warnings })
            }
            Err(failure) => {
                // Init sees the pipe end, and exits.
                drop(map_written);
                waitpid(Pid::from_raw(pid), None).map_err(own)?;
                Err(failure)
            }
        }
    }

    fn leaf(&mut self, limits: &Limits) -> Result<Option<Leaf>, SetupFailure> {
        if limits.mode == LimitsMode::RlimitOnly {
            return Ok(None);
        }
        let groups = match &mut self.groups {
            Some(groups) => groups,
            none => none.insert(Groups::new(limits)?),
        };
        groups.leaf(limits).map(Some)
    }

    /// Landlock's rules, where the policy has them.
    pub(crate) fn second_wall(
        &self,
        policy: &Policy,
        stdio: Option<Stdio<'_>>,
        warnings: &mut Vec<String>,
    ) -> Result<Option<landlock::Rules>, SetupFailure> {
        // A program in a domain of Landlock can mount nothing.
        let asked = if policy.nested { Landlock::Off } else { policy.landlock };
        landlock::plan(asked, self.landlock_abi, stdio, warnings)
    }

    pub(crate) fn filters(&mut self, policy: &Policy, untruncated: bool) -> Result<Filters, SetupFailure> {
        let changes = Changes {
            tracing: policy.allow.contains(&Allow::Ptrace),
            pinned: !policy.limits.cpus_allowed.is_empty(),
            strict: policy.seccomp == Seccomp::Strict,
            nested: policy.nested,
            untruncated,
        };
        let own = match &policy.seccomp {
            Seccomp::Profile(profile) => {
                let failed = |why| SetupFailure::new(Step::Seccomp, 0, Some(why));
                Some(seccomp::own(profile, changes).map_err(failed)?)
            }
            Seccomp::Default | Seccomp::Strict => None,
        };
        let workload = self.workload_filters.entry(changes).or_insert_with(|| Arc::new(seccomp::workload(changes)));
        let lets_start = !changes.strict && !changes.pinned && policy.aslr;
        Ok(Filters { workload: Arc::clone(workload), lets_start, own, init: Arc::clone(&self.init_filter) })
    }
}

pub(crate) fn given(stdio: Stdio<'_>) -> Vec<Given> {
    let mut given: Vec<_> = stdio.all().map(|(to, fd)| Given { from: fd.as_raw_fd(), to }).collect();
    given.sort_unstable_by_key(|given| given.to);
    given
}

/// A directory is a way out: openat(2) with `..` walks from it over the host's files.
pub(crate) fn refuse_directories(stdio: Stdio<'_>) -> Result<(), SetupFailure> {
    for (number, fd) in stdio.all() {
        let name = || match number {
            0 => "standard input".to_owned(),
            1 => "standard output".to_owned(),
            2 => "standard error".to_owned(),
            number => format!("descriptor {number}"),
        };
        let failed = |errno: Errno| SetupFailure::new(Step::Stdio, errno as i32, Some(name()));
        if SFlag::from_bits_truncate(fstat(fd).map_err(failed)?.st_mode & SFlag::S_IFMT.bits()) == SFlag::S_IFDIR {
            return Err(failed(Errno::EISDIR));
        }
    }
    Ok(())
}

/// What the parent does for a new init.
fn admit(pid: i32, ids: Ids, user: User, map_written: &OwnedFd) -> Result<(), SetupFailure> {
    // Should the host run out of memory, it takes a sandbox's processes first. Set before the ids change hands.
    std::fs::write(format!("/proc/{pid}/oom_score_adj"), "1000").map_err(|error| {
        SetupFailure::new(Step::Limits, error.raw_os_error().unwrap_or(0), Some("oom_score_adj".to_owned()))
    })?;
    ids.write(pid, user).map_err(|errno| SetupFailure::new(Step::IdMap, errno as i32, None))?;
    write(map_written, &[1]).map(drop).map_err(own)
}

/// The numbers of all descriptors that init keeps, sorted.
fn kept(fds: &Descriptors, plan: &Plan) -> Vec<RawFd> {
    let mut keep: Vec<RawFd> = plan.root.descriptors().map(AsRawFd::as_raw_fd).collect();
    match &plan.runs {
        Runs::Now(program) => keep.extend(program.given.iter().map(|given| given.from)),
        Runs::Later(socket) => keep.push(*socket),
    }
    keep.extend([fds.mapped, fds.alive, fds.result]);
    keep.extend(fds.lock);
    keep.extend(fds.box_lock);
    keep.extend(fds.ready);
    keep.sort_unstable();
    keep
}
