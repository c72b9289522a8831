//! The one room for unsafe code: what nix and tokio have no safe form of.

#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd, OwnedFd};

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Linux's own bound on supplementary groups (`NGROUPS_MAX`).
const MAX_GROUPS: usize = 65_536;

/// A descriptor of its own for the same thing, whose `readable` returns when there is something to read, or an end.
pub(crate) fn watch(fd: BorrowedFd<'_>) -> io::Result<AsyncFd<OwnedFd>> {
    let fd = fd.try_clone_to_owned()?;
    // SAFETY: an `OwnedFd` is open until it is dropped, `AsyncFd` owns it, and it always gives the same number.
    Ok(unsafe { AsyncFd::register_with_interest(fd, Interest::READABLE) }?)
}

/// The peer's supplementary groups (`SO_PEERGROUPS`, Linux 4.13), which nix doesn't wrap.
pub(crate) fn peer_groups(stream: BorrowedFd<'_>) -> io::Result<Vec<u32>> {
    let mut groups: Vec<libc::gid_t> = vec![0; 64];
    loop {
        let mut bytes = libc::socklen_t::try_from(size_of_val(groups.as_slice())).map_err(io::Error::other)?;
        // SAFETY: the descriptor is open for the call's length, `groups` has `bytes` writable bytes, and the kernel
        // writes no more than that and sets `bytes` to what it wrote, or to what it would need.
        let result = unsafe {
            libc::getsockopt(
                stream.as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_PEERGROUPS,
                groups.as_mut_ptr().cast(),
                &raw mut bytes,
            )
        };
        let count = bytes as usize / size_of::<libc::gid_t>();
        if result == 0 {
            groups.truncate(count);
            return Ok(groups);
        }
        let error = io::Error::last_os_error();
        if error.raw_os_error() != Some(libc::ERANGE) || count > MAX_GROUPS {
            return Err(error);
        }
        groups.resize(count, 0);
    }
}
