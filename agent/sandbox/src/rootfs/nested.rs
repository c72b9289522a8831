//! What lets a sandbox be made inside this one: the file tree's part.
//!
//! - The kernel lets a new user namespace mount a procfs only where one without masks is mounted already
//!   (`mount_too_revealing` in fs/namespace.c), wherever that is. So there is a second one, and the program can't reach
//!   it: it is mounted in a small tmpfs at `/proc`, and the /proc that the program sees covers both. What is copied into
//!   another user namespace can't be unmounted there (mount_namespaces(7)), so the cover stays.
//! - Whoever makes a user namespace writes `/proc/PID/uid_map`, so /proc is writable: the files of its own processes are,
//!   by their modes (an unprivileged caller's program can take back that it is killed first when the host is out of
//!   memory). `/proc/sys` and `/proc/sysrq-trigger` stay read-only, whatever their modes allow.
//! - Namespaces are counted for the user on the host who made the first one, so a program that makes them without end would
//!   leave that user's other programs none: the sandbox has a bound of its own.

use std::os::fd::{AsFd, BorrowedFd};

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::{Mode, mkdirat};
use nix::unistd::write;

use super::build::{HIDING, mount_point};
use crate::sys::{self, MountAttr};

/// What its caller should know.
pub(super) const WARNING: &str = "nested: there is no Landlock, namespaces and mounts are not filtered, and the program can mount \
                                  a /proc without masks for processes of its own: files, and the kernel, have one wall less";

/// What of /proc is read-only all the same.
pub(super) const READ_ONLY: &[&str] = &["/proc/sys", "/proc/sysrq-trigger"];

/// The bounds of namespaces, files below `/proc/sys/user` (namespaces(7)).
const BOUNDS: &[&std::ffi::CStr] = &[
    c"sys/user/max_cgroup_namespaces",
    c"sys/user/max_ipc_namespaces",
    c"sys/user/max_mnt_namespaces",
    c"sys/user/max_net_namespaces",
    c"sys/user/max_pid_namespaces",
    c"sys/user/max_time_namespaces",
    c"sys/user/max_user_namespaces",
    c"sys/user/max_uts_namespaces",
];
/// As many of each kind as the default allows processes.
const BOUND: &[u8] = b"256";

/// Before the program's /proc is mounted. Nothing here allocates.
pub(super) fn prepare(root: BorrowedFd<'_>) -> Result<(), Errno> {
    let closed = MountAttr::MOUNT_ATTR_NOSUID | MountAttr::MOUNT_ATTR_NODEV | MountAttr::MOUNT_ATTR_NOEXEC;
    let below = sys::new_mount(c"tmpfs", &[(c"size", c"4096"), (c"nr_inodes", c"3"), (c"mode", c"000")], closed)?;
    mkdirat(&below, c"unmasked", Mode::empty())?;
    sys::attach(below.as_fd(), mount_point(root, c"proc")?.as_fd())?;
    let unmasked = sys::new_mount(c"proc", HIDING, closed)?;
    for bound in BOUNDS {
        let file = openat(&unmasked, *bound, OFlag::O_WRONLY | OFlag::O_CLOEXEC, Mode::empty())?;
        write(&file, BOUND)?;
    }
    sys::attach(unmasked.as_fd(), mount_point(root, c"proc/unmasked")?.as_fd())
}
