//! A process whose binary nobody can write to: a sealed copy in memory, executed in its place.
//!
//! Attack stopped here (CVE-2019-5736): what enters a sandbox shows its binary to what runs there, by `/proc/PID/exe`, if it can
//! be brought to execute `/proc/self/exe`. Where the sandbox's user is the binary's owner, he opens it for writing as soon
//! as nobody executes it, or changes its mode, and the next run outside is his. A memfd with its seals takes no write. So `exec`
//! runs from one, and the spawner of who is not root.

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};

use crate::error::{Error, Result};

const SEALS: SealFlag =
    SealFlag::F_SEAL_SEAL.union(SealFlag::F_SEAL_SHRINK).union(SealFlag::F_SEAL_GROW).union(SealFlag::F_SEAL_WRITE);
/// Of linux/memfd.h, since Linux 6.3: without it, vm.memfd_noexec=1 makes what can't be executed.
const MFD_EXEC: MFdFlags = MFdFlags::from_bits_retain(0x10);

/// Returns in a process that executes a sealed copy; in another it executes one, with the same arguments.
///
/// # Errors
/// The copy can't be made or executed.
pub fn execute_sealed_copy() -> Result<()> {
    let own = File::open("/proc/self/exe").map_err(|error| failed(&error))?;
    // Only a memfd has seals.
    let seals = fcntl(own.as_fd(), FcntlArg::F_GET_SEALS).unwrap_or(0);
    if SealFlag::from_bits_truncate(seals).contains(SEALS) {
        return Ok(());
    }
    let copy = copy_of(own).map_err(|error| failed(&error))?;
    let mut words = std::env::args_os();
    let mut command = Command::new(format!("/proc/self/fd/{}", copy.as_raw_fd()));
    if let Some(name) = words.next() {
        command.arg0(name);
    }
    Err(failed(&command.args(words).exec()))
}

fn copy_of(mut own: File) -> std::io::Result<File> {
    let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
    let fd = match memfd_create(c"holdfast-sandbox", flags | MFD_EXEC) {
        // An older kernel, where each can be executed.
        Err(Errno::EINVAL) => memfd_create(c"holdfast-sandbox", flags),
        other => other,
    }?;
    let mut copy = File::from(fd);
    std::io::copy(&mut own, &mut copy)?;
    fcntl(copy.as_fd(), FcntlArg::F_ADD_SEALS(SEALS))?;
    Ok(copy)
}

fn failed(error: &std::io::Error) -> Error {
    let errno = error.raw_os_error().map_or(Errno::EIO, Errno::from_raw);
    Error::System { call: "executing a sealed copy of this program (vm.memfd_noexec must not be 2)", errno }
}
