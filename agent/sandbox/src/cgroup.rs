//! Limits on a whole sandbox: a leaf of its own in the cgroup v2 tree, see the kernel's `admin-guide/cgroup-v2.rst`.
//!
//! Attacks stopped here, which rlimits let through: memory that belongs to no process (memfds, tmpfs, pipes), many
//! processes of which each stays below its limit, a fork bomb counted by uid, more than a share of the processors.
//!
//! ```text
//! parent                 the tree's root, or a cgroup that is delegated to this process
//!   ├ holdfast-runner      where that is not the root: what was in it, since a cgroup with limited children has no processes
//!   └ holdfast-sandboxes   gone with the last leaf
//!       └ PID-N            one sandbox: init is cloned into it, so that nothing of the sandbox was ever outside
//! ```
//!
//! - **Which tree.** systemd owns the tree, and gives parts of it away (`Delegate=yes`): the own cgroup if it is such a part,
//!   told by its owner, or by the mark that systemd sets for root, or by being the root of a cgroup namespace. Root
//!   without one takes a cgroup at the top, as container engines without systemd do. Else there is no tree, and nothing runs.
//! - **Whose leaf.** Its maker holds a lock (flock(2)) on the leaf's directory. A maker that was killed left its leaf
//!   unlocked; the next one kills what is in there, and removes it. A lock taken on a leaf that was removed meanwhile is told by
//!   the inode.
//! - **Memory.** No swap, and an out-of-memory kill ends all that is in the leaf (`memory.oom.group`): half a program has no
//!   verdict. Init ends too, so its record is missing, and the counters here tell why.
//! - **What is counted.** From init's clone on. What init took before the program started is in its record, to be taken off.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg, OFlag, openat};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::stat::Mode;
use nix::sys::statfs::{CGROUP2_SUPER_MAGIC, statfs};
use nix::unistd::{AccessFlags, access, geteuid};
use serde::{Deserialize, Serialize};

use crate::outcome::SetupFailure;
use crate::policy::{Limits, LimitsMode};
use crate::step::Step;

const RUNNER: &str = "holdfast-runner";
const SANDBOXES: &str = "holdfast-sandboxes";
/// The period of cpu.max, the kernel's own default.
const PERIOD_US: u64 = 100_000;
/// How often a name or a directory that was taken away meanwhile is tried anew.
const TRIES: u32 = 64;
/// How long the end of what is killed may take before it is left to the next sweep: a process in an uninterruptible wait.
const EMPTY_WAIT_MS: u16 = 2000;
/// Enabled where the tree has them.
const CONTROLLERS: [&str; 3] = ["memory", "pids", "cpu"];

/// What the leaf's files said when nothing ran in it any more.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Figures {
    /// Processes that the kernel killed for want of memory.
    pub(crate) oom_kills: u64,
    /// Allocations that were about to fail for want of memory.
    pub(crate) oom: u64,
    /// Calls of fork and clone that failed.
    pub(crate) forks_refused: u64,
    /// Bytes.
    pub(crate) peak_memory: Option<u64>,
    pub(crate) peak_pids: Option<u64>,
    pub(crate) user_us: Option<u64>,
    pub(crate) system_us: Option<u64>,
}

/// What a sandbox uses now, by its cgroup: its program, what the program started and what has entered it, and init. A figure
/// whose file the kernel lacks is absent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stats {
    /// Bytes, with what setup was charged.
    pub memory: Option<u64>,
    /// Processes and threads, without init.
    pub pids: Option<u64>,
    /// Microseconds of user time since the sandbox was made.
    pub user_us: Option<u64>,
    /// Microseconds of system time, setup's among them.
    pub system_us: Option<u64>,
}

impl Stats {
    /// Of a leaf that is open.
    pub(crate) fn read(leaf: BorrowedFd<'_>) -> Stats {
        let text = |file: &str| {
            let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC;
            io::read_to_string(File::from(openat(leaf, file, flags, Mode::empty()).ok()?)).ok()
        };
        let number = |file: &str| text(file)?.trim().parse::<u64>().ok();
        let cpu = text("cpu.stat");
        let entry = |key| cpu.as_deref().and_then(|text| keyed(text, key));
        Stats {
            memory: number("memory.current"),
            pids: number("pids.current").map(|pids| pids.saturating_sub(1)),
            user_us: entry("user_usec"),
            system_us: entry("system_usec"),
        }
    }
}

/// The place for leaves.
#[derive(Debug)]
pub(crate) struct Groups {
    parent: PathBuf,
    sandboxes: PathBuf,
    next: u32,
}

/// One sandbox's cgroup. Dropping it ends what is in it, and removes it.
#[derive(Debug)]
pub(crate) struct Leaf {
    path: PathBuf,
    directory: Flock<File>,
}

impl AsFd for Leaf {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.directory.as_fd()
    }
}

impl Groups {
    /// Finds the tree, makes the place for leaves, and removes the leaves of makers that were killed.
    pub(crate) fn new(limits: &Limits) -> Result<Groups, SetupFailure> {
        let parent = parent()?;
        // Before anything is made in a tree that can't serve.
        demand(limits, &parent)?;
        let sandboxes = parent.join(SANDBOXES);
        let groups = Groups { parent, sandboxes, next: 0 };
        groups.prepare()?;
        groups.sweep();
        Ok(groups)
    }

    /// A leaf with the limits set, and nothing in it.
    pub(crate) fn leaf(&mut self, limits: &Limits) -> Result<Leaf, SetupFailure> {
        demand(limits, &self.parent)?;
        for _ in 0..TRIES {
            let path = self.sandboxes.join(format!("{}-{}", std::process::id(), self.next));
            self.next = self.next.wrapping_add(1);
            match fs::create_dir(&path) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::AlreadyExists => continue,
                // The last leaf's owner has just removed the place for them.
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    self.prepare()?;
                    continue;
                }
                Err(error) => return Err(failure(&error, &path)),
            }
            if let Some(leaf) = lock(path) {
                leaf.set(limits)?;
                return Ok(leaf);
            }
        }
        Err(failure(&Errno::EAGAIN.into(), &self.sandboxes))
    }

    fn prepare(&self) -> Result<(), SetupFailure> {
        if !is_top(&self.parent) {
            self.empty_the_parent()?;
        }
        enable(&self.parent)?;
        make(&self.sandboxes)?;
        enable(&self.sandboxes)
    }

    /// Moves what is in the parent, this process among it, into a child: the parent was given to us with all that is in it.
    fn empty_the_parent(&self) -> Result<(), SetupFailure> {
        let processes = self.parent.join("cgroup.procs");
        let runner = self.parent.join(RUNNER);
        for _ in 0..TRIES {
            let text = fs::read_to_string(&processes).map_err(|error| failure(&error, &processes))?;
            if text.is_empty() {
                return Ok(());
            }
            make(&runner)?;
            for pid in text.lines() {
                match write(&runner.join("cgroup.procs"), pid) {
                    Err(error) if error.raw_os_error() != Some(libc::ESRCH) => {
                        return Err(failure(&error, &runner.join("cgroup.procs")));
                    }
                    // It has ended.
                    _ => {}
                }
            }
        }
        Err(failure(&Errno::EBUSY.into(), &processes))
    }

    /// A leaf that can't be removed is the next one's to try.
    fn sweep(&self) {
        let leaves = fs::read_dir(&self.sandboxes).into_iter().flatten().filter_map(Result::ok);
        for entry in leaves.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
            drop(lock(entry.path()));
        }
    }
}

impl Drop for Groups {
    fn drop(&mut self) {
        // Another maker's leaves keep it.
        let _ = fs::remove_dir(&self.sandboxes);
    }
}

impl Leaf {
    fn set(&self, limits: &Limits) -> Result<(), SetupFailure> {
        let set = |file: &str, value: &str| {
            let path = self.path.join(file);
            write(&path, value).map_err(|error| failure(&error, &path))
        };
        if let Some(bytes) = limits.memory {
            set("memory.max", &bytes.to_string())?;
            // A kernel without swap has no such file, and nothing to limit.
            if fs::exists(self.path.join("memory.swap.max")).unwrap_or(true) {
                set("memory.swap.max", "0")?;
            }
            set("memory.oom.group", "1")?;
        }
        if let Some(pids) = limits.pids {
            // Init is one more.
            set("pids.max", &(u64::from(pids) + 1).to_string())?;
        }
        if let Some(millicpus) = limits.millicpus {
            set("cpu.max", &format!("{} {PERIOD_US}", u64::from(millicpus) * PERIOD_US / 1000))?;
        }
        if let Some(weight) = limits.cpu_weight {
            set("cpu.weight", &weight.to_string())?;
        }
        Ok(())
    }

    /// To be read when all in it has ended, and before it is dropped.
    pub(crate) fn figures(&self) -> Figures {
        // A figure whose file this kernel lacks is not known.
        let text = |file: &str| fs::read_to_string(self.path.join(file)).ok();
        let number = |file: &str| text(file).and_then(|text| text.trim().parse().ok());
        let entry = |file: &str, key: &str| text(file).and_then(|text| keyed(&text, key));
        Figures {
            oom_kills: entry("memory.events", "oom_kill").unwrap_or(0),
            oom: entry("memory.events", "oom").unwrap_or(0),
            forks_refused: entry("pids.events", "max").unwrap_or(0),
            peak_memory: number("memory.peak"),
            peak_pids: number("pids.peak"),
            user_us: entry("cpu.stat", "user_usec"),
            system_us: entry("cpu.stat", "system_usec"),
        }
    }

    /// Waits until nothing runs in it: `populated 0` in cgroup.events, whose change poll(2) tells.
    fn wait_until_empty(&self) -> io::Result<()> {
        for _ in 0..TRIES {
            let path = self.path.join("cgroup.events");
            let events = File::open(&path)?;
            let text = io::read_to_string(&events)?;
            if keyed(&text, "populated") == Some(0) {
                return Ok(());
            }
            let mut fds = [PollFd::new(events.as_fd(), PollFlags::POLLPRI)];
            if poll(&mut fds, PollTimeout::from(EMPTY_WAIT_MS))? == 0 {
                break;
            }
        }
        Err(Errno::EBUSY.into())
    }
}

impl Drop for Leaf {
    fn drop(&mut self) {
        // Whatever fails here leaves a leaf that nobody holds: the next maker tries again.
        let removed = fs::remove_dir(&self.path);
        if removed.is_err() && write(&self.path.join("cgroup.kill"), "1").is_ok() && self.wait_until_empty().is_ok() {
            let _ = fs::remove_dir(&self.path);
        }
    }
}

/// Takes a leaf, if nobody has it and it is still there.
fn lock(path: PathBuf) -> Option<Leaf> {
    let directory = Flock::lock(File::open(&path).ok()?, FlockArg::LockExclusiveNonblock).ok()?;
    let (locked, there) = (directory.metadata().ok()?, fs::metadata(&path).ok()?);
    (locked.ino() == there.ino()).then_some(Leaf { path, directory })
}

/// The leaf of a sandbox that runs, by its init; none where its limits are rlimits alone.
pub(crate) fn of_sandbox(init: i32, mode: LimitsMode) -> Result<Option<OwnedFd>, SetupFailure> {
    if mode == LimitsMode::RlimitOnly {
        return Ok(None);
    }
    let read = |path: &str| fs::read_to_string(path).map_err(|error| failure(&error, Path::new(path)));
    let (mounts, groups) = (read("/proc/self/mountinfo")?, read(&format!("/proc/{init}/cgroup"))?);
    let leaf = mount(&mounts).and_then(|(mounted, point)| {
        let path = Path::new(groups.lines().find_map(|line| line.strip_prefix("0::"))?);
        let in_place = path.parent()?.file_name().is_some_and(|name| name == SANDBOXES);
        in_place.then(|| Some(point.join(path.strip_prefix(mounted).ok()?))).flatten()
    });
    let Some(leaf) = leaf else {
        return Err(failure(&Errno::ENOENT.into(), Path::new(groups.trim())));
    };
    File::open(&leaf).map(|file| Some(file.into())).map_err(|error| failure(&error, &leaf))
}

/// Where our cgroups may be.
fn parent() -> Result<PathBuf, SetupFailure> {
    let read = |path: &str| fs::read_to_string(path).map_err(|error| failure(&error, Path::new(path)));
    let mounts = read("/proc/self/mountinfo")?;
    let Some((mounted, point)) = mount(&mounts) else {
        return Err(SetupFailure::new(Step::Cgroup, 0, Some("no cgroup v2 is mounted".to_owned())));
    };
    let groups = read("/proc/self/cgroup")?;
    let path = groups.lines().find_map(|line| line.strip_prefix("0::")).unwrap_or("/");
    let own = point.join(Path::new(path).strip_prefix(mounted).unwrap_or(Path::new("")));
    // Something else may be mounted over it.
    if !statfs(&own).is_ok_and(|it| it.filesystem_type() == CGROUP2_SUPER_MAGIC) {
        return Err(SetupFailure::new(Step::Cgroup, 0, Some(format!("no cgroup v2 at {}", own.display()))));
    }
    // The root of a cgroup namespace is what its maker gave away.
    let given = |group: &Path| group == point || is_delegated(group);
    let above = own.parent().filter(|_| own.file_name().is_some_and(|name| name == RUNNER));
    let parent = match above.filter(|above| given(above)) {
        Some(above) => above.to_owned(),
        None if given(&own) => own,
        None if geteuid().is_root() && is_top(&point) => point,
        None => return Err(failure(&Errno::EACCES.into(), &own)),
    };
    if access(&parent.join("cgroup.subtree_control"), AccessFlags::W_OK).is_err() {
        return Err(failure(&Errno::EACCES.into(), &parent));
    }
    Ok(parent)
}

/// The first cgroup2 mount: which cgroup it shows, and where (proc_pid_mountinfo(5)).
fn mount(mountinfo: &str) -> Option<(&str, PathBuf)> {
    mountinfo.lines().find_map(|line| {
        let (mount, file_system) = line.split_once(" - ")?;
        let mut fields = mount.split(' ').skip(3);
        let (root, point) = (fields.next()?, fields.next()?);
        file_system.starts_with("cgroup2 ").then(|| (root, PathBuf::from(point)))
    })
}

/// The kernel's root cgroup alone has no type; it may have processes beside limited children.
fn is_top(group: &Path) -> bool {
    !fs::exists(group.join("cgroup.type")).unwrap_or(true)
}

/// Whether a cgroup is ours to divide: who is not root can write only what was given to him; for root, systemd marks it
/// (`Delegate=` in systemd.resource-control(5)).
fn is_delegated(group: &Path) -> bool {
    if !geteuid().is_root() {
        let writable = |file: &str| access(&group.join(file), AccessFlags::W_OK).is_ok();
        return writable("cgroup.procs") && writable("cgroup.subtree_control");
    }
    ["trusted.delegate", "user.delegate"].into_iter().any(|mark| {
        let mut value = [0; 1];
        rustix::fs::getxattr(group, mark, &mut value).is_ok_and(|_| value == *b"1")
    })
}

fn controllers(group: &Path) -> Result<BTreeSet<String>, SetupFailure> {
    let path = group.join("cgroup.controllers");
    let text = fs::read_to_string(&path).map_err(|error| failure(&error, &path))?;
    Ok(text.split_whitespace().map(str::to_owned).collect())
}

fn demand(limits: &Limits, group: &Path) -> Result<(), SetupFailure> {
    let missing = missing(limits, &controllers(group)?);
    if missing.is_empty() {
        return Ok(());
    }
    let subject = format!("cgroup v2 at {} has no controller {}", group.display(), missing.join(", "));
    Err(SetupFailure::new(Step::Cgroup, 0, Some(subject)))
}

/// What the limits need and the tree lacks. Memory and processes are counted in any case.
fn missing(limits: &Limits, there: &BTreeSet<String>) -> Vec<&'static str> {
    let cpu = limits.millicpus.is_some() || limits.cpu_weight.is_some();
    CONTROLLERS.into_iter().filter(|it| (*it != "cpu" || cpu) && !there.contains(*it)).collect()
}

/// Gives a cgroup's children the controllers that it has itself.
fn enable(group: &Path) -> Result<(), SetupFailure> {
    let there = controllers(group)?;
    let path = group.join("cgroup.subtree_control");
    for controller in CONTROLLERS.into_iter().filter(|it| there.contains(*it)) {
        write(&path, &format!("+{controller}")).map_err(|error| failure(&error, &path))?;
    }
    Ok(())
}

fn make(group: &Path) -> Result<(), SetupFailure> {
    match fs::create_dir(group) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(failure(&error, group)),
        _ => Ok(()),
    }
}

/// One write to a file that is there.
fn write(path: &Path, value: &str) -> io::Result<()> {
    OpenOptions::new().write(true).open(path)?.write_all(value.as_bytes())
}

/// The number beside a key, in the "flat keyed" format.
fn keyed(text: &str, key: &str) -> Option<u64> {
    text.lines().filter_map(|line| line.split_once(' ')).find(|(name, _)| *name == key)?.1.trim().parse().ok()
}

fn failure(error: &io::Error, path: &Path) -> SetupFailure {
    SetupFailure::new(Step::Cgroup, error.raw_os_error().unwrap_or(0), Some(format!("cgroup v2, {}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tree_is_found_where_it_is_mounted() {
        let hybrid = "30 1 0:26 / /sys/fs/cgroup ro - tmpfs tmpfs ro\n\
                      31 30 0:27 / /sys/fs/cgroup/unified rw shared:9 - cgroup2 cgroup2 rw,nsdelegate\n\
                      32 30 0:28 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n";
        assert_eq!(mount(hybrid), Some(("/", PathBuf::from("/sys/fs/cgroup/unified"))));
        assert_eq!(mount("31 30 0:27 / /sys/fs/cgroup rw - cgroup cgroup rw,name=cgroup2 \n"), None);
    }

    #[test]
    fn a_limit_needs_its_controller() {
        let there = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        let plain = Limits::default();
        assert_eq!(missing(&plain, &there(&["memory", "pids"])), [""; 0]);
        assert_eq!(missing(&plain, &there(&["cpu", "memory"])), ["pids"]);
        let quota = Limits { millicpus: Some(1500), ..plain };
        assert_eq!(missing(&quota, &there(&[])), ["memory", "pids", "cpu"]);
    }

    #[test]
    fn a_key_is_a_whole_word() {
        let events = "low 0\nmax 7\noom 2\noom_kill 1\n";
        assert_eq!([keyed(events, "oom"), keyed(events, "max"), keyed(events, "o")], [Some(2), Some(7), None]);
    }
}
