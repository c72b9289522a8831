//! A bound on what a box can hold: a project quota of its file system (ext4, xfs).
//!
//! The directory of the box's files is given a project of its own, which all that is made in it inherits, and the project
//! a limit of bytes and of files. A program can't leave its project: that is for the initial user namespace alone
//! (`fileattr_set_prepare` in fs/ioctl.c), and so is going beyond a limit (CAP_SYS_RESOURCE).
//!
//! What was made in the box before it had a project isn't counted, so such a box is refused.

use std::os::fd::{AsFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::stat::fstat;

use crate::sys;

/// Projects of boxes begin here, far from those that people number.
const FIRST: u32 = 0x4000_0000;
/// How many are tried until one is found that nobody has.
const TRIES: u32 = 1000;
const PAGE: u64 = 4096;

/// Bounds what `files`, a directory in `top`, can hold; `is_empty` says whether anything is in it.
pub(crate) fn bound(top: &OwnedFd, files: &OwnedFd, is_empty: bool, size: u64) -> Result<(), Errno> {
    if !sys::enforces_projects(files.as_fd())? {
        return Err(Errno::EOPNOTSUPP);
    }
    let (above, project) = (sys::project(top.as_fd())?, sys::project(files.as_fd())?);
    if project != above {
        return limit(files, project, size);
    }
    if !is_empty {
        return Err(Errno::EEXIST);
    }
    let project = free(files)?;
    limit(files, project, size)?;
    sys::set_project(files.as_fd(), project)
}

/// As many files as a tmpfs of that size would have.
fn limit(files: &OwnedFd, project: u32, size: u64) -> Result<(), Errno> {
    sys::limit_project(files.as_fd(), project, size, (size / PAGE).clamp(256, 1 << 20))
}

/// A project that owns nothing. One box's directory begins where no other's does, so two at once take different ones.
fn free(files: &OwnedFd) -> Result<u32, Errno> {
    let first = fstat(files)?.st_ino as u32 % FIRST;
    for number in (first..FIRST).chain(0..first).take(TRIES as usize) {
        if !sys::owns_files(files.as_fd(), FIRST + number)? {
            return Ok(FIRST + number);
        }
    }
    Err(Errno::EAGAIN)
}
