//! Whose ids a sandbox has: a range of its own (run by root), or the caller's one id.
//!
//! **Root.** Each sandbox gets 65,536 host ids that no other live sandbox has, so that two sandboxes share no file, no
//! process limit and no right to signal or trace each other. The range is never one that has the host's uid 0: the
//! kernel does not enforce RLIMIT_NPROC for it, and a file that leaks would be root's. The ranges lie between
//! 0x70000000 and 0x7ffdffff, which systemd's assignment of uids leaves free, and not in what /etc/subuid and
//! /etc/subgid give to others.
//!
//! What is kept on a disk between runs belongs to ids that stay the same: [`AT_REST`]. A mount shows them as those of
//! the sandbox that has it (`MOUNT_ATTR_IDMAP` of mount_setattr(2), by the map of a user namespace made for it).
//!
//! A range is owned by an open-file-description lock (fcntl_locking(2)) on one byte of `/run/holdfast/id-ranges`. The
//! descriptor is held by init, and by init's parent until it has reaped init: whatever is killed, the kernel frees the
//! range when the last holder is gone. Nothing is to be cleaned up.
//!
//! **Unprivileged.** One id is mapped, and setgroups(2) is denied, as user_namespaces(7) demands. The root of a user
//! namespace that hasn't those ranges (a rootless container's) is an unprivileged user, and is treated as one.
//!
//! Inside, programs run as uid and gid 1000, or as the policy says. They are never uid 0, not even a namespaced one, so files of the sandbox's
//! root are not theirs to change.

use std::fs::{DirBuilder, File, OpenOptions};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::stat::Mode;
use nix::sys::wait::waitpid;
use nix::unistd::{Pid, Uid, getegid, geteuid, pipe2};

use crate::outcome::SetupFailure;
use crate::policy::Policy;
use crate::step::Step;
use crate::sys;

/// The program's ids inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct User {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

impl User {
    pub(crate) const ROOT: User = User { uid: 0, gid: 0 };

    pub(crate) fn of(policy: &Policy) -> User {
        User { uid: policy.uid, gid: policy.gid }
    }
}

const RANGE: u32 = 65_536;
const FIRST: u32 = 0x7000_0000;
/// Up to 0x7ffdffff.
const RANGES: u32 = 4094;
/// The first of 65,536 ids that own files at rest and that no process has: what systemd calls the foreign range, made
/// for trees that are used under other ids (<https://systemd.io/UIDS-GIDS/>).
const AT_REST: u32 = 0x7ffe_0000;
pub(crate) const RUNTIME_DIRECTORY: &str = "/run/holdfast";

/// The ids of one sandbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ids {
    /// 0 to 65,535 inside are `base` and the following outside.
    Range { base: u32 },
    /// The program's ids inside are the caller's outside.
    Single { uid: u32, gid: u32 },
}

impl Ids {
    /// The program's ids as the host sees them.
    pub(crate) fn on_host(self, user: User) -> User {
        match self {
            Ids::Range { base } => User { uid: base + user.uid, gid: base + user.gid },
            Ids::Single { uid, gid } => User { uid, gid },
        }
    }

    /// The ids that own the program's files on a disk.
    pub(crate) fn at_rest(self, user: User) -> User {
        match self {
            Ids::Range { .. } => User { uid: AT_REST + user.uid, gid: AT_REST + user.gid },
            Ids::Single { uid, gid } => User { uid, gid },
        }
    }

    /// Whether a file on a disk can be the program's, or another program's before it.
    pub(crate) fn is_at_rest(self, owner: User) -> bool {
        match self {
            Ids::Range { .. } => [owner.uid, owner.gid].into_iter().all(|id| (AT_REST..AT_REST + RANGE).contains(&id)),
            Ids::Single { uid, .. } => owner.uid == uid,
        }
    }

    /// Writes the maps of the process `pid`, a child that has not been reaped, so that the number is its own.
    pub(crate) fn write(self, pid: i32, user: User) -> Result<(), Errno> {
        match self {
            Ids::Range { base } => write_maps(pid, &range(0, base), &range(0, base)),
            Ids::Single { uid, gid } => {
                write_of(pid, "setgroups", "deny")?;
                write_maps(pid, &format!("{} {uid} 1", user.uid), &format!("{} {gid} 1", user.gid))
            }
        }
    }
}

/// A line of a map: 65,536 ids from `inside` on are those from `outside` on.
fn range(inside: u32, outside: u32) -> String {
    format!("{inside} {outside} {RANGE}")
}

fn write_maps(pid: i32, uids: &str, gids: &str) -> Result<(), Errno> {
    write_of(pid, "uid_map", uids)?;
    write_of(pid, "gid_map", gids)
}

fn write_of(pid: i32, file: &str, text: &str) -> Result<(), Errno> {
    let flags = OFlag::O_WRONLY | OFlag::O_CLOEXEC;
    let fd = nix::fcntl::open(format!("/proc/{pid}/{file}").as_str(), flags, Mode::empty())?;
    nix::unistd::write(&fd, text.as_bytes()).map(drop)
}

/// A user namespace by whose map a mount shows what is owned by ids at rest as owned by the range from `base` on.
pub(crate) fn from_rest(base: u32) -> Result<OwnedFd, Errno> {
    mapping(AT_REST, base)
}

/// The same for an image's files, which are owned by ids 0 to 65,535.
pub(crate) fn from_image(base: u32) -> Result<OwnedFd, Errno> {
    mapping(0, base)
}

/// Only a process can have its map written, so one lives as long as that takes.
fn mapping(owners: u32, base: u32) -> Result<OwnedFd, Errno> {
    let (wait, go) = pipe2(OFlag::O_CLOEXEC)?;
    let keep = [wait.as_raw_fd()];
    let child = || {
        // With a copy of the writing end it would wait for itself.
        if sys::close_all_but(&keep).is_ok() {
            let _ = nix::unistd::read(sys::borrow(keep[0]), &mut [0]);
        }
    };
    let (pid, _) = sys::clone3(libc::CLONE_NEWUSER, None, child)?;
    let map = range(owners, base);
    let namespace = write_maps(pid, &map, &map).and_then(|()| {
        let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC;
        nix::fcntl::open(format!("/proc/{pid}/ns/user").as_str(), flags, Mode::empty())
    });
    drop(go);
    waitpid(Pid::from_raw(pid), None)?;
    namespace
}

/// Holds one range; dropping it (in every process that has it) frees the range.
#[derive(Debug)]
pub(crate) struct RangeLock(File);

impl AsFd for RangeLock {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Gives out ids; one for a process that makes sandboxes.
#[derive(Debug)]
pub(crate) struct IdSource {
    /// Where ranges are locked; none where the process is unprivileged.
    ranges: Option<Ranges>,
}

#[derive(Debug)]
struct Ranges {
    file: PathBuf,
    taken: Vec<(u32, u32)>,
    next: u32,
}

impl IdSource {
    /// Root gets ranges, everybody else a single id.
    pub(crate) fn new() -> Result<IdSource, SetupFailure> {
        let map = Path::new("/proc/self/uid_map");
        let own_map = std::fs::read_to_string(map).map_err(|error| failure(&error, map))?;
        if !Uid::is_root(geteuid()) || is_another(&own_map) {
            return Ok(IdSource { ranges: None });
        }
        Ok(IdSource { ranges: Some(Ranges::new(Path::new(RUNTIME_DIRECTORY))?) })
    }

    /// Whether they are ranges.
    pub(crate) fn is_ranged(&self) -> bool {
        self.ranges.is_some()
    }

    /// The ids of one more sandbox.
    pub(crate) fn take(&mut self) -> Result<(Ids, Option<RangeLock>), SetupFailure> {
        match &mut self.ranges {
            None => Ok((Ids::Single { uid: geteuid().as_raw(), gid: getegid().as_raw() }, None)),
            Some(ranges) => ranges.take().map(|(base, lock)| (Ids::Range { base }, Some(lock))),
        }
    }
}

impl Ranges {
    fn new(directory: &Path) -> Result<Ranges, SetupFailure> {
        DirBuilder::new().recursive(true).mode(0o755).create(directory).map_err(|error| failure(&error, directory))?;
        let mut taken = Vec::new();
        for file in ["/etc/subuid", "/etc/subgid"] {
            match std::fs::read_to_string(file) {
                Ok(text) => taken.extend(text.lines().filter_map(subordinate)),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(failure(&error, Path::new(file))),
            }
        }
        // Begin elsewhere than others do, and come back late: a range is rarely used again at once.
        let next = std::process::id().wrapping_mul(0x9e37_79b1) % RANGES;
        Ok(Ranges { file: directory.join("id-ranges"), taken, next })
    }

    fn take(&mut self) -> Result<(u32, RangeLock), SetupFailure> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600).custom_flags(libc::O_NOFOLLOW);
        let file = options.open(&self.file).map_err(|error| failure(&error, &self.file))?;
        for _ in 0..RANGES {
            let number = self.next;
            self.next = (number + 1) % RANGES;
            let base = FIRST + number * RANGE;
            if self.taken.iter().any(|&(first, last)| first < base + RANGE && base <= last) {
                continue;
            }
            match lock_byte(&file, number) {
                Ok(()) => return Ok((base, RangeLock(file))),
                Err(Errno::EAGAIN | Errno::EACCES) => {}
                Err(errno) => return Err(failure(&errno.into(), &self.file)),
            }
        }
        Err(failure(&Errno::EAGAIN.into(), &self.file))
    }
}

/// Takes an open-file-description lock on one byte, if nobody has it.
pub(crate) fn lock_byte(file: &File, byte: u32) -> Result<(), Errno> {
    let lock = libc::flock {
        l_type: libc::F_WRLCK as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: libc::off_t::from(byte),
        l_len: 1,
        l_pid: 0,
    };
    fcntl(file, FcntlArg::F_OFD_SETLK(&lock)).map(drop)
}

fn failure(error: &std::io::Error, path: &Path) -> SetupFailure {
    SetupFailure::new(Step::IdRange, error.raw_os_error().unwrap_or(0), Some(path.display().to_string()))
}

/// Whether this namespace's uid 0 is another uid of its parent, by its uid_map.
fn is_another(own_map: &str) -> bool {
    own_map.lines().any(|line| {
        let mut ids = line.split_whitespace();
        ids.next() == Some("0") && ids.next().is_some_and(|outside| outside != "0")
    })
}

/// First and last id of a line `name:first:count` of subuid(5).
fn subordinate(line: &str) -> Option<(u32, u32)> {
    let mut fields = line.trim().split(':').skip(1);
    let first: u32 = fields.next()?.parse().ok()?;
    let count: u32 = fields.next()?.parse().ok()?;
    Some((first, first.saturating_add(count.checked_sub(1)?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn ranges(directory: &Path, taken: Vec<(u32, u32)>) -> Ranges {
        Ranges { file: directory.join("id-ranges"), taken, next: RANGES - 3 }
    }

    #[test]
    fn no_two_live_sandboxes_share_a_range_and_a_dropped_one_is_free() {
        let directory = tempfile::tempdir().unwrap();
        let (mut one, mut other) = (ranges(directory.path(), vec![]), ranges(directory.path(), vec![]));
        let held: Vec<_> = (0..20).flat_map(|_| [one.take().unwrap(), other.take().unwrap()]).collect();
        assert_eq!(held.iter().map(|(base, _)| base).collect::<BTreeSet<_>>().len(), held.len());
        let freed = held[0].0;
        drop(held);
        assert_eq!(ranges(directory.path(), vec![]).take().unwrap().0, freed);
    }

    #[test]
    fn the_root_of_a_rootless_container_is_another_user() {
        assert!(!is_another("         0          0 4294967295\n"));
        assert!(is_another("         0       1000          1\n         1     100000      65536\n"));
        assert!(!is_another("      1000       1000          1\n"));
    }

    proptest! {
        #[test]
        fn a_range_overlaps_no_subordinate_ids(first in FIRST..FIRST + RANGE * 6, count in 1u32..RANGE * 3) {
            let directory = tempfile::tempdir().unwrap();
            let taken = subordinate(&format!("user:{first}:{count}")).unwrap();
            let mut ranges = Ranges { next: 0, ..ranges(directory.path(), vec![taken]) };
            for _ in 0..8 {
                let (base, _lock) = ranges.take().unwrap();
                prop_assert!(base >= FIRST && base + (RANGE - 1) <= 0x7fff_ffff);
                prop_assert!(base + (RANGE - 1) < first || base > first + (count - 1));
            }
        }

        #[test]
        fn whoever_takes_and_lets_go_no_two_have_the_same(steps in proptest::collection::vec((0usize..3, any::<usize>()), 1..80)) {
            let directory = tempfile::tempdir().unwrap();
            let mut makers = [0, 1, 2].map(|number| Ranges { next: number * 2, ..ranges(directory.path(), vec![]) });
            let mut held: Vec<(u32, RangeLock)> = Vec::new();
            for (maker, which) in steps {
                if which % 3 == 0 && !held.is_empty() {
                    held.swap_remove(which % held.len());
                } else {
                    held.push(makers[maker].take().unwrap());
                }
                let bases: BTreeSet<u32> = held.iter().map(|(base, _)| *base).collect();
                prop_assert_eq!(bases.len(), held.len());
                prop_assert!(bases.iter().all(|base| (base - FIRST).is_multiple_of(RANGE)));
            }
        }

        #[test]
        fn noise_in_subuid_is_no_panic(line in "\\PC*") {
            let _ = subordinate(&line);
        }
    }
}
