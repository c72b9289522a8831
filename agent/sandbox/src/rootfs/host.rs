//! Host paths that are to be shown inside: opened once, and looked at as what they are, not as what they are called.
//!
//! The policy refuses `/proc` by name ([`crate::Policy::check`]). Attack stopped here: a name that leads there all the same
//! (a link, `/dev/fd`), or a tree with a procfs somewhere in it (the host's root, a chroot), which would show the
//! host's processes.

use std::fs::read_to_string;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, OpenHow, ResolveFlag, openat2};
use nix::sys::stat::{SFlag, fstat};

use crate::outcome::SetupFailure;
use crate::policy::{Access, Bind};
use crate::step::Step;

/// Opens a host path without using it: links are followed, but not those of /proc, which lead anywhere.
pub(super) fn open(path: &Path) -> Result<OwnedFd, SetupFailure> {
    let how = OpenHow::new().flags(OFlag::O_PATH | OFlag::O_CLOEXEC);
    openat2(AT_FDCWD, path, how.resolve(ResolveFlag::RESOLVE_NO_MAGICLINKS)).map_err(failed(path))
}

/// Opens a directory that is to be the root, or a part of it.
pub(super) fn open_directory(bind: &Bind) -> Result<OwnedFd, SetupFailure> {
    let source = open(&bind.source)?;
    refuse_what_undoes_the_sandbox(&source, bind)?;
    let status = fstat(&source).map_err(failed(&bind.source))?;
    match status.st_mode & SFlag::S_IFMT.bits() == SFlag::S_IFDIR.bits() {
        true => Ok(source),
        false => Err(failed(&bind.source)(Errno::ENOTDIR)),
    }
}

/// That a host path can't be had.
pub(super) fn failed(path: &Path) -> impl Fn(Errno) -> SetupFailure {
    move |errno| SetupFailure::new(Step::HostPath, errno as i32, Some(path.display().to_string()))
}

/// Refuses what the policy refuses by name, wherever the name leads, and trees in which a procfs is mounted.
pub(super) fn refuse_what_undoes_the_sandbox(source: &OwnedFd, bind: &Bind) -> Result<(), SetupFailure> {
    let io = |error: std::io::Error| failed(&bind.source)(Errno::from_raw(error.raw_os_error().unwrap_or(0)));
    let real = std::fs::read_link(format!("/proc/self/fd/{}", source.as_raw_fd())).map_err(io)?;
    let writable = bind.mode == Access::Rw && (real == Path::new("/") || real.starts_with("/sys"));
    let mounts = read_to_string("/proc/self/mountinfo").map_err(io)?;
    if writable || shows_processes(&mounts, &real) {
        return Err(SetupFailure::new(Step::HostPath, 0, Some(bind.source.display().to_string())));
    }
    Ok(())
}

/// Whether a procfs is mounted at, above or below `path`, by proc_pid_mountinfo(5).
fn shows_processes(mountinfo: &str, path: &Path) -> bool {
    mountinfo.lines().any(|line| {
        let Some((mount, file_system)) = line.split_once(" - ") else { return false };
        let Some(point) = mount.split(' ').nth(4).map(unescape) else { return false };
        let point = Path::new(std::ffi::OsStr::from_bytes(&point));
        file_system.starts_with("proc ") && (point.starts_with(path) || path.starts_with(point))
    })
}

/// Bytes that would end a field are written as a backslash and three octal digits.
fn unescape(field: &str) -> Vec<u8> {
    let (mut bytes, mut rest) = (Vec::new(), field.as_bytes());
    while let Some((&first, after)) = rest.split_first() {
        let code = after.get(..3).filter(|_| first == b'\\').and_then(|digits| std::str::from_utf8(digits).ok());
        match code.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[3..];
            }
            None => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "20 1 254:0 / / rw - ext4 /dev/vda rw\n\
                          21 20 0:21 / /proc rw,nosuid shared:5 - proc proc rw\n\
                          22 20 0:22 / /srv/a\\040b/proc rw - proc none rw\n\
                          23 20 0:23 / /data rw - tmpfs proc rw\n";

    #[test]
    fn a_tree_with_a_procfs_at_above_or_below_it_shows_processes() {
        for (path, shows) in [
            ("/", true),
            ("/proc", true),
            ("/proc/7/fd", true),
            ("/srv", true),
            ("/srv/a b", true),
            ("/srv/a", false),
            ("/processes", false),
            ("/data", false),
        ] {
            assert_eq!(shows_processes(MOUNTS, Path::new(path)), shows, "{path}");
        }
    }
}
