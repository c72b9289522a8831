//! Landlock (landlock(7)): a second wall for the file tree, behind the mounts.
//!
//! It allows what the mounts allow, and nothing else: reading and executing below the sandbox's root, writing below each
//! writable mount, the devices of `/dev`. A rule is about an inode and what lies below it, so a file of the host that is
//! reached past the mounts, by a descriptor that was left open or by a bug in them, has no rule, and is refused.
//!
//! Attack stopped here: a regular file as standard input is opened anew for writing by `/proc/self/fd/0`, or a log that
//! was opened for appending is overwritten; the file's modes alone would allow it where the program's user is the
//! caller. What is opened anew has at most the rights of the descriptor that was given.
//!
//! Init makes the rules, when it has moved into the root; the program's process alone is restricted. That also refuses
//! the program to trace init, which is outside of its domain.
//!
//! What it can't do: kernel-internal files (pipes, sockets, memfds) are never restricted, and neither is fchmod(2) of a file
//! that one owns. truncate(2) is, from ABI 3 on (Linux 6.2). With ABI 2 no descriptor's file gets a rule, since to open
//! for reading with O_TRUNC would empty it; and where a regular file is given, the filter refuses truncate(2), which by
//! `/proc/self/fd/0` would empty it too (ftruncate(2) needs a descriptor that is open for writing).

use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::stat::{SFlag, fstat};

use crate::clone::Given;
use crate::outcome::SetupFailure;
use crate::policy::Landlock;
use crate::record::Failed;
use crate::rootfs::{self, Reach};
use crate::sandbox::Stdio;
use crate::step::Step;
use crate::sys;

/// ABI 1 has no LANDLOCK_ACCESS_FS_REFER, and refuses every rename from one directory to another.
const LEAST_ABI: u32 = 2;
/// The first with LANDLOCK_ACCESS_FS_TRUNCATE.
const TRUNCATE_ABI: u32 = 3;

/// LANDLOCK_ACCESS_FS_* of linux/landlock.h.
const EXECUTE: u64 = 1 << 0;
const WRITE_FILE: u64 = 1 << 1;
const READ_FILE: u64 = 1 << 2;
const READ_DIR: u64 = 1 << 3;
const MAKE_CHAR: u64 = 1 << 6;
const MAKE_BLOCK: u64 = 1 << 11;
const REFER: u64 = 1 << 13;
const TRUNCATE: u64 = 1 << 14;
const IOCTL_DEV: u64 = 1 << 15;

/// Those that a rule about a file, and not a directory, can have.
const OF_A_FILE: u64 = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV;

/// What is allowed, made before clone3.
#[derive(Debug)]
pub(crate) struct Rules {
    /// All rights that this kernel knows: what no rule allows is refused.
    handled: u64,
    /// A regular file is given, or may be, and this kernel lets it be emptied by its path.
    pub(crate) leaves_truncate: bool,
}

/// The kernel's version of Landlock: 0 where it has none, or it is not among the boot parameter `lsm=`.
pub(crate) fn abi() -> Result<u32, Errno> {
    match sys::landlock_abi() {
        Err(Errno::ENOSYS | Errno::EOPNOTSUPP) => Ok(0),
        other => other,
    }
}

/// The rules that a policy asks for, and what the caller should know. Without `stdio` it is not known yet what is given.
pub(crate) fn plan(
    asked: Landlock,
    abi: Result<u32, Errno>,
    stdio: Option<Stdio<'_>>,
    warnings: &mut Vec<String>,
) -> Result<Option<Rules>, SetupFailure> {
    if asked == Landlock::Off {
        return Ok(None);
    }
    let abi = abi.map_err(|errno| SetupFailure::new(Step::Landlock, errno as i32, None))?;
    match asked {
        Landlock::Required if abi < LEAST_ABI => {
            return Err(SetupFailure::new(Step::Landlock, libc::ENOSYS, Some(format!("ABI {abi}"))));
        }
        Landlock::Auto if abi < LEAST_ABI => {
            warnings.push(format!(
                "landlock: this kernel has ABI {abi}, and {LEAST_ABI} is needed: the file tree has one wall, its mounts \
                 (Linux 5.19 or later with `landlock` in its boot parameter lsm= has both)"
            ));
            return Ok(None);
        }
        _ => {}
    }
    let mut leaves_truncate = abi < TRUNCATE_ABI && stdio.is_none();
    for (_, fd) in stdio.iter().flat_map(Stdio::all).filter(|_| abi < TRUNCATE_ABI) {
        let (_, regular) = rights_of(fd).map_err(|errno| SetupFailure::new(Step::Stdio, errno as i32, None))?;
        leaves_truncate |= regular;
    }
    if leaves_truncate {
        warnings.push(format!(
            "landlock: this kernel has ABI {abi}, which does not restrict truncate(2): as a file is given, the filter refuses \
             it (Linux 6.2 or later lets programs use it)"
        ));
    }
    Ok(Some(Rules { handled: handled(abi), leaves_truncate }))
}

/// Every right of the file tree that this ABI knows.
fn handled(abi: u32) -> u64 {
    let known = [(TRUNCATE_ABI, TRUNCATE), (5, IOCTL_DEV)];
    let added = known.into_iter().filter(|(since, _)| abi >= *since).fold(0, |all, (_, right)| all | right);
    // LANDLOCK_ACCESS_FS_EXECUTE up to _REFER.
    (REFER | (REFER - 1)) | added
}

/// What a descriptor can do to its file already, so that opening it anew gives nothing more; and whether it is a regular
/// file.
fn rights_of(fd: BorrowedFd<'_>) -> Result<(u64, bool), Errno> {
    let flags = OFlag::from_bits_retain(fcntl(fd, FcntlArg::F_GETFL)?);
    let kind = SFlag::from_bits_truncate(fstat(fd)?.st_mode & SFlag::S_IFMT.bits());
    let (device, regular) = (kind == SFlag::S_IFCHR, kind == SFlag::S_IFREG);
    if flags.contains(OFlag::O_PATH) {
        return Ok((0, regular));
    }
    let mode = flags & OFlag::O_ACCMODE;
    let mut rights = if device { IOCTL_DEV } else { 0 };
    if mode != OFlag::O_WRONLY {
        rights |= READ_FILE;
    }
    // What can only be appended to must not be overwritten; a device has no end.
    if mode != OFlag::O_RDONLY && (device || !flags.contains(OFlag::O_APPEND)) {
        rights |= WRITE_FILE | TRUNCATE;
    }
    Ok((rights, regular))
}

impl Rules {
    /// For each descriptor that the program is given, by its number: what opening it anew may give.
    pub(crate) fn rights(&self, given: &[Given]) -> Result<Vec<u64>, SetupFailure> {
        let right = |given: &Given| {
            let (has, _) = rights_of(sys::borrow(given.from))
                .map_err(|errno| SetupFailure::new(Step::Stdio, errno as i32, None))?;
            Ok(if self.handled & TRUNCATE == 0 { 0 } else { has })
        };
        given.iter().map(right).collect()
    }

    /// The ruleset, made in the sandbox's root: each mount's path from there, the same for messages, and what it allows.
    /// Nothing here allocates.
    pub(crate) fn make<'p>(
        &self,
        reaches: impl Iterator<Item = (&'p CStr, &'p CStr, Reach)>,
    ) -> Result<OwnedFd, Failed<'p>> {
        let ruleset = sys::landlock_ruleset(self.handled).map_err(Failed::of(Step::Landlock))?;
        self.allow(&ruleset, c".", READ_FILE | READ_DIR | EXECUTE).map_err(Failed::of(Step::Landlock))?;
        for (target, shown, reach) in reaches {
            let rights = match reach {
                Reach::Read => continue,
                Reach::Devices => WRITE_FILE | IOCTL_DEV,
                // No mount allows devices to be made.
                Reach::WriteTree => self.handled & !(MAKE_CHAR | MAKE_BLOCK),
                Reach::WriteFile => OF_A_FILE,
            };
            self.allow(&ruleset, target, rights).map_err(Failed::about(Step::Landlock, shown.to_bytes()))?;
        }
        Ok(ruleset)
    }

    /// Allows what is given, each by its [`Rules::rights`]. Nothing here allocates.
    pub(crate) fn allow_given<'p>(&self, ruleset: &OwnedFd, given: &[Given], rights: &[u64]) -> Result<(), Failed<'p>> {
        for (fd, rights) in given.iter().zip(rights) {
            if rights & self.handled == 0 {
                continue;
            }
            match sys::landlock_allow(ruleset.as_fd(), sys::borrow(fd.from), rights & self.handled) {
                // A pipe, a socket, a memfd: Landlock has no rules for them, and does not restrict them.
                Err(Errno::EBADFD) => {}
                done => done.map_err(Failed::of(Step::Landlock))?,
            }
        }
        Ok(())
    }

    fn allow(&self, ruleset: &OwnedFd, path: &CStr, rights: u64) -> Result<(), Errno> {
        let place = rootfs::place(path)?;
        sys::landlock_allow(ruleset.as_fd(), place.as_fd(), rights & self.handled)
    }
}

/// Restricts this thread, and all that it becomes.
pub(crate) fn restrict(ruleset: RawFd) -> Result<(), Errno> {
    sys::landlock_restrict(ruleset)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::OpenOptions;

    #[test]
    fn a_descriptors_rights_are_what_it_can_do_already() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        std::fs::write(&path, "x").unwrap();
        for (options, rights) in [
            (OpenOptions::new().read(true), READ_FILE),
            (OpenOptions::new().write(true), WRITE_FILE | TRUNCATE),
            (OpenOptions::new().append(true), 0),
            (OpenOptions::new().read(true).append(true), READ_FILE),
            (OpenOptions::new().read(true).write(true), READ_FILE | WRITE_FILE | TRUNCATE),
        ] {
            let file = options.open(&path).unwrap();
            assert_eq!(rights_of(file.as_fd()).unwrap(), (rights, true), "{options:?}");
        }
    }

    #[test]
    fn an_old_kernel_is_told_of_or_refused() {
        let file = std::fs::File::open("/dev/null").unwrap();
        let stdio = Stdio { stdin: file.as_fd(), stdout: file.as_fd(), stderr: file.as_fd(), passed: &[] };
        let run = |asked, abi| {
            let mut warnings = Vec::new();
            (
                plan(asked, abi, Some(stdio), &mut warnings).map(|rules| rules.is_some()).map_err(|it| it.step),
                warnings.len(),
            )
        };
        assert_eq!(run(Landlock::Auto, Ok(1)), (Ok(false), 1));
        assert_eq!(run(Landlock::Required, Ok(1)), (Err(Step::Landlock), 0));
        assert_eq!(run(Landlock::Off, Ok(7)), (Ok(false), 0));
        // What can't be asked may be there, and matters to who wants it.
        assert_eq!(run(Landlock::Auto, Err(Errno::EPERM)), (Err(Step::Landlock), 0));
        assert_eq!(run(Landlock::Off, Err(Errno::EPERM)), (Ok(false), 0));
        assert_eq!(run(Landlock::Required, Ok(2)), (Ok(true), 0));
    }

    #[test]
    fn what_an_old_kernel_leaves_open_of_a_regular_file_is_known_and_said() {
        let file = tempfile::tempfile().unwrap();
        let stdio = Stdio { stdin: file.as_fd(), stdout: file.as_fd(), stderr: file.as_fd(), passed: &[] };
        for (abi, leaves, said) in [(2, true, 1), (3, false, 0), (7, false, 0)] {
            for given in [Some(stdio), None] {
                let mut warnings = Vec::new();
                let rules = plan(Landlock::Required, Ok(abi), given, &mut warnings).unwrap().unwrap();
                assert_eq!((rules.leaves_truncate, warnings.len()), (leaves, said), "ABI {abi}");
            }
        }
    }

    #[test]
    fn rights_that_a_kernel_does_not_know_are_not_asked_for() {
        assert_eq!([handled(2), handled(3), handled(5)], [0x3fff, 0x7fff, 0xffff]);
    }
}
