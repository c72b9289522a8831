//! Sandboxes that have a name, and how they are found: a file for each, `NAME`, in a directory of its owner's.
//!
//! ```text
//! /run/holdfast/sandboxes           root's
//! $XDG_RUNTIME_DIR/holdfast/sandboxes   everybody else's
//! ```
//!
//! - **Whose name.** The runner holds an open-file-description lock (fcntl_locking(2)) on the file while the sandbox lives,
//!   so the name can't be had twice, and the kernel gives it back when the runner is gone, in whatever way. A file that
//!   nobody has locked is stale: whoever takes a name removes it. A lock on a file that was removed meanwhile is told by the inode.
//! - **What is in it.** JSON ([`Record`]): the ids of runner and init, when init was started (a reused process id has another
//!   time), the policy, what Landlock's rules are about, and, where the runner isn't root, by which of its descriptors init's
//!   namespaces are reached: init is not dumpable, and the kernel then lets root alone open them. It is written when
//!   the program has started, since nobody may enter before.
//! - **Who can read it.** Its owner: the directory has mode 0700, the file 0600. None is reached through a link, and one that
//!   another user owns is refused: whoever writes there chooses what the next `exec` enters.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd, RawFd};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, FcntlArg, Flock, FlockArg, OFlag, fcntl, openat};
use nix::sys::stat::{FileStat, Mode, SFlag, fstat, fstatat, mkdirat};
use nix::unistd::{UnlinkatFlags, geteuid, unlinkat};
use serde::{Deserialize, Serialize};

use crate::enter::{Door, Namespaces, Place};
use crate::idmap::{self, RUNTIME_DIRECTORY};
use crate::policy::{Policy, PolicyError};
use crate::rootfs::Reach;
use crate::{cgroup, sys};

const SANDBOXES: &str = "sandboxes";
const LONGEST_NAME: usize = 64;
/// How often a file that was removed meanwhile is made anew.
const TRIES: u32 = 64;
/// More than any policy has: a seccomp profile is the largest part.
const MOST: u64 = 16 << 20;

/// The name of a sandbox: 1 to 64 ASCII letters, digits, `-`, `_` and `.`, no `.` at its beginning, not digits alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name(String);

/// Why a sandbox has no name, or can't be found by one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RuntimeError {
    /// Who isn't root has no runtime directory.
    #[error(
        "XDG_RUNTIME_DIR is not set to an absolute path: names need it where one is not root (systemd-logind sets it)"
    )]
    NoDirectory,
    /// The runtime directory can't be used.
    #[error("the runtime directory {}: {errno}", .path.display())]
    Directory {
        /// The directory, or what is in it.
        path: PathBuf,
        /// The system's error.
        errno: Errno,
    },
    /// Somebody else could say which sandbox is entered.
    #[error("the runtime directory {} belongs to another user, or others can write to it: remove it, or chmod 700", .0.display())]
    Exposed(PathBuf),
    /// The name is taken.
    #[error("a sandbox with the name {0} runs already: end it, or choose another name")]
    InUse(String),
    /// There is none.
    #[error("no sandbox {name} runs: {} has those with a name (--name)", .directory.display())]
    NotFound {
        /// The name or process id that was asked for.
        name: String,
        /// Where it was looked for.
        directory: PathBuf,
    },
    /// It is on its way.
    #[error("the sandbox {0} is being made: its program has not started")]
    Starting(String),
    /// What is written there can't be understood.
    #[error(
        "the record of the sandbox {name} can't be used ({why}): the command that made it must be of the same version"
    )]
    Record {
        /// Its name.
        name: String,
        /// What is wrong with it.
        why: String,
    },
    /// Its namespaces can't be reached.
    #[error(
        "the sandbox {name} can't be reached: {errno}; root needs CAP_SYS_PTRACE, and others the runner's own user"
    )]
    Unreachable {
        /// Its name.
        name: String,
        /// The system's error.
        errno: Errno,
    },
}

impl Name {
    /// As it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Name {
    type Err = PolicyError;

    fn from_str(text: &str) -> Result<Name, PolicyError> {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let why = match text {
            _ if text.is_empty() || text.len() > LONGEST_NAME || !text.chars().all(plain) => {
                "is not 1 to 64 letters, digits, `-`, `_` and `.`"
            }
            _ if text.starts_with('.') => "begins with `.`",
            _ if text.chars().all(|c| c.is_ascii_digit()) => "would be taken for a process id: add a letter",
            _ => return Ok(Name(text.to_owned())),
        };
        Err(PolicyError::Value { what: "the sandbox's name", value: text.to_owned(), why })
    }
}

/// What is kept of a running sandbox.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    runner: i32,
    init: i32,
    /// When init was started, in clock ticks since boot (field 22 of proc_pid_stat(5)).
    started: u64,
    /// The runner's descriptors.
    namespaces: Option<Vec<RawFd>>,
    places: Vec<(String, Reach)>,
    policy: Policy,
}

/// A name that this process has. Dropping it gives it back.
#[derive(Debug)]
pub(crate) struct Claim {
    directory: Directory,
    name: Name,
    file: File,
}

impl Claim {
    /// Takes a name.
    pub(crate) fn take(name: &Name) -> Result<Claim, RuntimeError> {
        let directory = Directory::open(true)?.ok_or(RuntimeError::NoDirectory)?;
        let _alone = directory.lock()?;
        directory.sweep(name)?;
        let flags = OFlag::O_RDWR | OFlag::O_CREAT | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        for _ in 0..TRIES {
            let file = openat(&directory.fd, name.as_str(), flags, Mode::S_IRUSR | Mode::S_IWUSR);
            let file = File::from(file.map_err(directory.failed(name.as_str()))?);
            let status = directory.own_file(&file, name.as_str())?;
            match idmap::lock_byte(&file, 0) {
                Ok(()) => {}
                Err(Errno::EAGAIN | Errno::EACCES) => return Err(RuntimeError::InUse(name.as_str().to_owned())),
                Err(errno) => return Err(directory.failed(name.as_str())(errno)),
            }
            // Its last owner may have removed it just before it was locked.
            let there = fstatat(&directory.fd, name.as_str(), AtFlags::AT_SYMLINK_NOFOLLOW);
            if there.is_ok_and(|there| there.st_ino == status.st_ino) {
                nix::unistd::ftruncate(&file, 0).map_err(directory.failed(name.as_str()))?;
                return Ok(Claim { directory, name: name.clone(), file });
            }
        }
        Err(directory.failed(name.as_str())(Errno::EAGAIN))
    }

    /// Writes down what is needed to enter the sandbox, whose program has started.
    pub(crate) fn publish(&self, init: i32, door: &Door) -> Result<(), RuntimeError> {
        let failed = |errno| self.directory.failed(self.name.as_str())(errno);
        let record = Record {
            runner: std::process::id().cast_signed(),
            init,
            started: start_time(init).ok_or_else(|| failed(Errno::ESRCH))?,
            namespaces: door.namespaces.as_ref().map(Namespaces::numbers),
            places: door.places.iter().map(Place::to_record).collect(),
            policy: door.policy.clone(),
        };
        let io = |error: std::io::Error| failed(Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO)));
        let json = serde_json::to_vec(&record).map_err(|error| io(error.into()))?;
        (&self.file).write_all(&json).map_err(io)
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        // Nobody else can have replaced it: that takes the lock. A file that stays is stale.
        let _ = unlinkat(&self.directory.fd, self.name.as_str(), UnlinkatFlags::NoRemoveDir);
    }
}

/// A running sandbox that was found.
#[derive(Debug)]
pub(crate) struct Found {
    /// A pidfd of its init.
    pub(crate) init: OwnedFd,
    pub(crate) namespaces: Namespaces,
    pub(crate) policy: Policy,
    pub(crate) places: Vec<Place>,
    /// Its cgroup, where it has one.
    pub(crate) leaf: Option<OwnedFd>,
}

/// Finds a sandbox by its name, or by the process id of its init or its runner.
pub(crate) fn find(target: &str) -> crate::error::Result<Found> {
    let nothing =
        |directory: &Directory| RuntimeError::NotFound { name: target.to_owned(), directory: directory.path.clone() };
    let pid = target.chars().all(|c| c.is_ascii_digit()).then(|| target.parse::<i32>().ok()).flatten();
    let name = if pid.is_some() { None } else { Some(target.parse::<Name>()?) };
    let Some(directory) = Directory::open(false)? else {
        let directory = Directory::root()?.1;
        return Err(RuntimeError::NotFound { name: target.to_owned(), directory }.into());
    };
    let names = match name {
        Some(name) => vec![name],
        None => directory.names()?,
    };
    for name in names {
        let Some((file, record)) = directory.read(&name, pid.is_none())? else { continue };
        if pid.is_none_or(|pid| pid == record.init || pid == record.runner) {
            return directory.reach(&name, &file, record)?.ok_or_else(|| nothing(&directory).into());
        }
    }
    Err(nothing(&directory).into())
}

/// Where the names of this user's sandboxes are.
#[derive(Debug)]
struct Directory {
    fd: OwnedFd,
    path: PathBuf,
}

impl Directory {
    /// What is there already, and the whole path.
    fn root() -> Result<(PathBuf, PathBuf), RuntimeError> {
        let holdfast = Path::new(RUNTIME_DIRECTORY);
        let there = match (geteuid().is_root(), holdfast.parent()) {
            (true, Some(run)) => run.to_owned(),
            _ => match std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from) {
                Some(path) if path.is_absolute() => path,
                _ => return Err(RuntimeError::NoDirectory),
            },
        };
        let whole = there.join(holdfast.file_name().unwrap_or_default()).join(SANDBOXES);
        Ok((there, whole))
    }

    /// Nothing where it is not there and is not to be made.
    fn open(make: bool) -> Result<Option<Directory>, RuntimeError> {
        let (there, whole) = Directory::root()?;
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let failed = |path: &Path, errno| RuntimeError::Directory { path: path.to_owned(), errno };
        let fd = nix::fcntl::open(&there, flags, Mode::empty()).map_err(|errno| failed(&there, errno))?;
        let mut directory = Directory { fd, path: there };
        directory.refuse_others(Mode::S_IWGRP | Mode::S_IWOTH)?;
        for part in whole.strip_prefix(&directory.path).unwrap_or(Path::new("")).iter() {
            let path = directory.path.join(part);
            // The lock of id ranges is in root's too.
            let mode = if part == SANDBOXES || !geteuid().is_root() { 0o700 } else { 0o755 };
            if make {
                match mkdirat(&directory.fd, Path::new(part), Mode::from_bits_truncate(mode)) {
                    Ok(()) | Err(Errno::EEXIST) => {}
                    Err(errno) => return Err(failed(&path, errno)),
                }
            }
            let fd = match openat(&directory.fd, Path::new(part), flags | OFlag::O_NOFOLLOW, Mode::empty()) {
                Err(Errno::ENOENT) if !make => return Ok(None),
                other => other.map_err(|errno| failed(&path, errno))?,
            };
            directory = Directory { fd, path };
            directory.refuse_others(Mode::S_IWGRP | Mode::S_IWOTH)?;
        }
        directory.refuse_others(Mode::S_IRWXG | Mode::S_IRWXO)?;
        Ok(Some(directory))
    }

    /// Refuses a directory of another user's, or with one of these rights for others.
    fn refuse_others(&self, rights: Mode) -> Result<(), RuntimeError> {
        let status = fstat(&self.fd).map_err(|errno| RuntimeError::Directory { path: self.path.clone(), errno })?;
        match status.st_uid == geteuid().as_raw() && status.st_mode & rights.bits() == 0 {
            true => Ok(()),
            false => Err(RuntimeError::Exposed(self.path.clone())),
        }
    }

    fn failed(&self, name: &str) -> impl Fn(Errno) -> RuntimeError {
        let path = self.path.join(name);
        move |errno| RuntimeError::Directory { path: path.clone(), errno }
    }

    /// The status of a regular file of this user's.
    fn own_file(&self, file: &File, name: &str) -> Result<FileStat, RuntimeError> {
        let status = fstat(file).map_err(self.failed(name))?;
        let regular = SFlag::from_bits_truncate(status.st_mode & SFlag::S_IFMT.bits()) == SFlag::S_IFREG;
        match regular && status.st_uid == geteuid().as_raw() {
            true => Ok(status),
            false => Err(RuntimeError::Exposed(self.path.join(name))),
        }
    }

    fn names(&self) -> Result<Vec<Name>, RuntimeError> {
        let open = || Dir::openat(&self.fd, ".", OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty());
        let mut names = Vec::new();
        for entry in open().map_err(self.failed("."))?.iter() {
            let entry = entry.map_err(self.failed("."))?;
            names.extend(entry.file_name().to_str().ok().and_then(|name| name.parse().ok()));
        }
        Ok(names)
    }

    /// Until it is dropped, nobody else takes a name or removes a stale one.
    fn lock(&self) -> Result<Flock<OwnedFd>, RuntimeError> {
        let again = openat(&self.fd, ".", OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty());
        let again = again.map_err(self.failed("."))?;
        Flock::lock(again, FlockArg::LockExclusive).map_err(|(_, errno)| self.failed(".")(errno))
    }

    /// Removes what runners that were killed have left, but for a name that is about to be used again.
    fn sweep(&self, but: &Name) -> Result<(), RuntimeError> {
        let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
        for name in self.names()?.iter().filter(|name| *name != but) {
            // What can't be opened or removed is nobody's sandbox, and hinders none.
            let file = openat(&self.fd, name.as_str(), flags, Mode::empty()).map(File::from);
            if file.is_ok_and(|file| is_held(&file) == Ok(false)) {
                let _ = unlinkat(&self.fd, name.as_str(), UnlinkatFlags::NoRemoveDir);
            }
        }
        Ok(())
    }

    /// The record of a sandbox that lives. `alone`: that it is on its way, or can't be read, is an error.
    fn read(&self, name: &Name, alone: bool) -> Result<Option<(File, Record)>, RuntimeError> {
        let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
        let file = match openat(&self.fd, name.as_str(), flags, Mode::empty()) {
            Err(Errno::ENOENT) => return Ok(None),
            other => File::from(other.map_err(self.failed(name.as_str()))?),
        };
        self.own_file(&file, name.as_str())?;
        if !is_held(&file).map_err(self.failed(name.as_str()))? {
            return Ok(None);
        }
        let mut text = Vec::new();
        let read = (&file).take(MOST).read_to_end(&mut text);
        read.map_err(|error| self.failed(name.as_str())(Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO))))?;
        let record = match text.as_slice() {
            [] => Err(RuntimeError::Starting(name.as_str().to_owned())),
            text => serde_json::from_slice(text)
                .map_err(|error| RuntimeError::Record { name: name.as_str().to_owned(), why: error.to_string() }),
        };
        match record {
            Ok(record) => Ok(Some((file, record))),
            Err(error) if alone => Err(error),
            Err(_) => Ok(None),
        }
    }

    /// Opens all that leads into the sandbox. Its runner holds the lock before and after: so all is the sandbox's own, and
    /// no number was another process's meanwhile. Nothing where it has ended.
    fn reach(&self, name: &Name, file: &File, record: Record) -> crate::error::Result<Option<Found>> {
        let Ok(init) = sys::pidfd_open(record.init) else { return Ok(None) };
        if start_time(record.init) != Some(record.started) {
            return Ok(None);
        }
        let namespaces = match &record.namespaces {
            Some(numbers) => Namespaces::held_by(record.runner, numbers),
            None => Namespaces::of(record.init),
        };
        let leaf = cgroup::of_sandbox(record.init, record.policy.limits.mode);
        if !is_held(file).map_err(self.failed(name.as_str()))? {
            return Ok(None);
        }
        let namespaces =
            namespaces.map_err(|errno| RuntimeError::Unreachable { name: name.as_str().to_owned(), errno })?;
        let places = record.places.into_iter().map(Place::from_record).collect::<Option<_>>();
        let places = places.ok_or_else(|| RuntimeError::Record {
            name: name.as_str().to_owned(),
            why: "a path with a NUL in it".to_owned(),
        })?;
        record.policy.check()?;
        Ok(Some(Found { init, namespaces, policy: record.policy, places, leaf: leaf? }))
    }
}

/// Whether somebody has the lock.
fn is_held(file: &File) -> Result<bool, Errno> {
    let mut lock = libc::flock {
        l_type: libc::F_WRLCK as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: 0,
        l_len: 1,
        l_pid: 0,
    };
    fcntl(file.as_fd(), FcntlArg::F_OFD_GETLK(&mut lock))?;
    Ok(lock.l_type != libc::F_UNLCK as libc::c_short)
}

/// When a process was started, in clock ticks since boot.
fn start_time(pid: i32) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is a name in parentheses, which may have any character in it.
    text.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_plain_file_name_and_no_process_id() {
        let longest = "x".repeat(64);
        for name in ["a", "a.b", "-", "_x", "Judge-1", "1a", &longest] {
            assert!(name.parse::<Name>().is_ok(), "{name}");
        }
        for name in ["", ".", "..", ".a", "a/b", "a b", "é", "a\n", "a\0", "123", &"x".repeat(65)] {
            assert!(name.parse::<Name>().is_err(), "{name:?}");
        }
    }

    #[test]
    fn a_process_has_a_start_time_whatever_its_name() {
        let own = start_time(std::process::id().cast_signed()).unwrap();
        assert!(own > start_time(1).unwrap());
        assert_eq!(start_time(0), None);
    }
}
