//! A box: a directory of the host that is `/box` inside, writable, and kept from one run to the next.
//!
//! ```text
//! DIR         the caller's, mode 0700: nobody else reaches what is below
//! DIR/lock    locked (flock(2)) by the sandbox that has the box: one at a time
//! DIR/files   what is /box inside
//! ```
//!
//! As root, the files belong to ids at rest (`idmap.rs`), which no process and no user of the host has, and each run sees
//! them as its own range's by an idmapped mount. What one run's uid 1000 made is the next run's uid 1000's. Unprivileged
//! they are the caller's.
//!
//! What a run can leave there, and what it is worth:
//! - A set-user-id program: `nosuid` inside; outside, nobody but the caller gets through DIR, which no program can change
//!   since it never sees it.
//! - A top without permissions, or another's: at each start it is the program's own with mode 0700 again. All other files
//!   stay as they were left.
//! - Links: followed inside alone. Holdfast itself looks up three names, `lock`, `files` and `new`, in DIR and never
//!   below, and follows no link.
//! - Devices: `nodev`, and no right to make them. Hard links: to files of the box alone.
//!
//! The lock is a file and not DIR itself: init holds it too, and shall have no descriptor of a host's directory, from which
//! openat(2) walks anywhere (CVE-2024-21626). Like that of an id range it ends with its last holder, init or init's parent,
//! whatever is killed. Whoever dies between two of the steps here leaves a box that the next start completes.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, OpenHow, ResolveFlag, openat, openat2, renameat};
use nix::sys::stat::{FchmodatFlags, Mode, SFlag, fchmod, fchmodat, fstat, mkdirat};
use nix::unistd::{Gid, Uid, fchownat, geteuid};
use rustix::fs::{FlockOperation, flock};

use crate::idmap::{Ids, User};
use crate::outcome::SetupFailure;
use crate::quota;
use crate::step::Step;

const OWN: Mode = Mode::S_IRWXU;
const LOCK: &str = "lock";
const FILES: &str = "files";
/// `files` until it has its owner.
const NEW: &str = "new";

/// A box that this process has locked.
#[derive(Debug)]
pub(crate) struct Kept {
    /// DIR/files.
    pub(crate) path: PathBuf,
    /// The same, opened with O_PATH.
    pub(crate) files: OwnedFd,
    pub(crate) lock: BoxLock,
}

/// Holds a box; dropping it (in every process that has it) frees the box.
#[derive(Debug)]
pub(crate) struct BoxLock(OwnedFd);

impl AsFd for BoxLock {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Kept {
    /// Makes the box if it isn't there, and locks it.
    /// `size` is how much it can hold.
    pub(crate) fn open(directory: &Path, ids: Ids, user: User, size: Option<u64>) -> Result<Kept, SetupFailure> {
        // Without a slash at its end, behind which a link would be followed.
        let directory: PathBuf = directory.components().collect();
        let failed = |step| {
            let subject = directory.display().to_string();
            move |errno: Errno| SetupFailure::new(step, errno as i32, Some(subject.clone()))
        };
        let (top, lock) = top(&directory).map_err(failed(Step::Box))?;
        let files = files(&top, ids, user).map_err(failed(Step::Box))?;
        if let Some(size) = size {
            bound(&top, ids, size).map_err(failed(Step::Disk))?;
        }
        Ok(Kept { path: directory.join(FILES), files, lock })
    }
}

fn bound(top: &OwnedFd, ids: Ids, size: u64) -> Result<(), Errno> {
    if let Ids::Single { .. } = ids {
        return Err(Errno::EPERM);
    }
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let files = openat(top, FILES, flags, Mode::empty())?;
    quota::bound(top, &files, is_empty(&files)?, size)
}

fn top(directory: &Path) -> Result<(OwnedFd, BoxLock), Errno> {
    made(mkdirat(AT_FDCWD, directory, OWN))?;
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let how = OpenHow::new().flags(flags).resolve(ResolveFlag::RESOLVE_NO_MAGICLINKS);
    let top = openat2(AT_FDCWD, directory, how)?;
    if fstat(&top)?.st_uid != geteuid().as_raw() {
        return Err(Errno::EPERM);
    }
    let lock = lock(&top)?;
    fchmod(&top, OWN)?;
    Ok((top, lock))
}

fn made(done: Result<(), Errno>) -> Result<(), Errno> {
    if done == Err(Errno::EEXIST) { Ok(()) } else { done }
}

/// The lock is the first thing in a box, so a directory that has something else and no lock is no box.
fn lock(top: &OwnedFd) -> Result<BoxLock, Errno> {
    let create = if is_empty(top)? { OFlag::O_CREAT } else { OFlag::empty() };
    let flags = OFlag::O_RDWR | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC | create;
    let file = openat(top, LOCK, flags, Mode::S_IRUSR | Mode::S_IWUSR);
    let file = file.map_err(|errno| if errno == Errno::ENOENT { Errno::ENOTEMPTY } else { errno })?;
    if fstat(&file)?.st_mode & SFlag::S_IFMT.bits() != SFlag::S_IFREG.bits() {
        return Err(Errno::ENOTEMPTY);
    }
    let locked = flock(&file, FlockOperation::NonBlockingLockExclusive);
    locked.map_err(|error| Errno::from_raw(error.raw_os_error()))?;
    Ok(BoxLock(file))
}

fn is_empty(top: &OwnedFd) -> Result<bool, Errno> {
    for entry in Dir::from_fd(top.try_clone().map_err(|_| Errno::EMFILE)?)?.iter() {
        if !matches!(entry?.file_name().to_bytes(), b"." | b"..") {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The directory of the files, which appears with its owner or not at all.
fn files(top: &OwnedFd, ids: Ids, user: User) -> Result<OwnedFd, Errno> {
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let open = || openat(top, FILES, flags, Mode::empty());
    let files = match open() {
        Err(Errno::ENOENT) => {
            made(mkdirat(top, NEW, OWN))?;
            give(top, NEW, ids, user)?;
            renameat(top, NEW, top, FILES)?;
            open()?
        }
        files => files?,
    };
    let status = fstat(&files)?;
    if !ids.is_at_rest(User { uid: status.st_uid, gid: status.st_gid }) {
        return Err(Errno::EPERM);
    }
    // Another run's user may have made it, and any may have changed its mode.
    give(top, FILES, ids, user)?;
    fchmodat(top, FILES, OWN, FchmodatFlags::FollowSymlink)?;
    Ok(files)
}

/// To the program's user; where there is one id only, it is that already.
fn give(top: &OwnedFd, name: &str, ids: Ids, user: User) -> Result<(), Errno> {
    let User { uid, gid } = ids.at_rest(user);
    match ids {
        Ids::Range { .. } => {
            fchownat(top, name, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)), AtFlags::AT_SYMLINK_NOFOLLOW)
        }
        Ids::Single { .. } => Ok(()),
    }
}
