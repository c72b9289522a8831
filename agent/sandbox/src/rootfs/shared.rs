//! File systems that are the same in many sandboxes, and that none can write to: made once by the host's root, and
//! cloned for each.
//!
//! Their files belong to the host's root, which is nobody's id inside. Two sandboxes that have the same one share with
//! each other what they share by the host's `/usr` already, file locks on what they can read, and nothing else.

use std::ffi::CString;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use nix::errno::Errno;
use nix::sys::stat::{Mode, umask};

use super::{Memory, Node, NodeKind, build, host, plan, view};
use crate::idmap::User;
use crate::outcome::SetupFailure;
use crate::step::Step;
use crate::sys::{self, MountAttr};

/// What a maker keeps from one sandbox to the next.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    /// There will be one sandbox only: it gets what is made, and no copy. To close a file system that was never attached
    /// waits for all processors.
    once: bool,
    devices: Option<Devices>,
    /// What is masked in `/proc`, as this kernel has it.
    masked: Option<Vec<(&'static str, bool)>>,
    /// The root of the last sandbox, and what is in it.
    root: Option<(Memory, OwnedFd)>,
    /// The directories of `/etc` that are shown, and when it was last changed.
    etc: Option<(SystemTime, Vec<PathBuf>)>,
}

#[derive(Debug)]
enum Devices {
    Made(OwnedFd),
    /// Not by this root: it has no CAP_MKNOD on the host.
    Refused,
}

impl Shared {
    /// For one sandbox, or for many.
    pub(crate) fn new(once: bool) -> Shared {
        Shared { once, ..Shared::default() }
    }

    /// The file system for a sandbox, and what is kept for others.
    fn share(&self, tree: OwnedFd, step: Step) -> Result<(OwnedFd, Option<OwnedFd>), SetupFailure> {
        if self.once {
            return Ok((tree, None));
        }
        match sys::clone_tree(tree.as_fd(), c"") {
            Ok(copy) => Ok((copy, Some(tree))),
            // Before Linux 6.15 what is mounted nowhere can't be cloned: each sandbox has its own made.
            Err(Errno::EINVAL) => Ok((tree, None)),
            Err(errno) => Err(SetupFailure::new(step, errno as i32, None)),
        }
    }

    /// A `/dev` with nodes of its own, or none where they can't be made.
    pub(super) fn devices(&mut self) -> Result<Option<OwnedFd>, SetupFailure> {
        let tree = match self.devices.take() {
            Some(Devices::Made(tree)) => Ok(tree),
            Some(Devices::Refused) => Err(SetupFailure::new(Step::Dev, libc::EPERM, None)),
            None => make(&devices(), Step::Dev),
        };
        match tree {
            Ok(tree) => {
                let (given, kept) = self.share(tree, Step::Dev)?;
                self.devices = kept.map(Devices::Made);
                Ok(Some(given))
            }
            Err(failure) if failure.errno == libc::EPERM => {
                self.devices = Some(Devices::Refused);
                Ok(None)
            }
            Err(failure) => Err(failure),
        }
    }

    /// What is to be masked in `/proc`, and whether it is a directory. What this kernel hasn't needs no mask.
    pub(super) fn masked(&mut self) -> Result<&[(&'static str, bool)], SetupFailure> {
        if self.masked.is_none() {
            let mut masked = Vec::new();
            for &name in view::MASKED {
                let path = Path::new("/proc").join(name);
                match std::fs::symlink_metadata(&path) {
                    Ok(status) => masked.push((name, status.is_dir())),
                    Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                    Err(error) => {
                        let errno = error.raw_os_error().unwrap_or(0);
                        return Err(SetupFailure::new(Step::Proc, errno, Some(path.display().to_string())));
                    }
                }
            }
            self.masked = Some(masked);
        }
        Ok(self.masked.as_deref().unwrap_or_default())
    }

    /// A root with this in it.
    pub(super) fn root(&mut self, wanted: Memory) -> Result<OwnedFd, SetupFailure> {
        let tree = match self.root.take() {
            Some((memory, tree)) if memory == wanted => tree,
            _ => make(&wanted, Step::Root)?,
        };
        let (given, kept) = self.share(tree, Step::Root)?;
        self.root = kept.map(|tree| (wanted, tree));
        Ok(given)
    }

    /// The directories of `/etc` whose names begin as [`view::ETC_PREFIXES`] say. To read it is dear, so it is read again
    /// only when it has changed.
    pub(super) fn etc(&mut self) -> Result<Vec<PathBuf>, SetupFailure> {
        let etc = Path::new("/etc");
        let failed = |error: std::io::Error| host::failed(etc)(Errno::from_raw(error.raw_os_error().unwrap_or(0)));
        let changed = std::fs::metadata(etc).and_then(|it| it.modified()).map_err(failed)?;
        match &self.etc {
            Some((then, found)) if *then == changed => Ok(found.clone()),
            _ => {
                let mut found = Vec::new();
                for entry in std::fs::read_dir(etc).map_err(failed)? {
                    let name = entry.map_err(failed)?.file_name();
                    if view::ETC_PREFIXES.iter().any(|prefix| name.as_encoded_bytes().starts_with(prefix.as_bytes())) {
                        found.push(etc.join(name));
                    }
                }
                Ok(self.etc.insert((changed, found)).1.clone())
            }
        }
    }
}

/// Makes it in the host's user namespace, mounted nowhere.
fn make(memory: &Memory, step: Step) -> Result<OwnedFd, SetupFailure> {
    // Modes are as they are said; this process has one thread.
    let mask = umask(Mode::empty());
    let made = build::memory(memory, User::ROOT, step);
    umask(mask);
    made.map_err(|failed| {
        let subject = (!failed.subject.is_empty()).then(|| String::from_utf8_lossy(failed.subject).into_owned());
        SetupFailure::new(failed.step, failed.errno, subject)
    })
}

/// `/dev`: the devices of [`view::DEVICES`], its links, and where terminals and shared memory are mounted. It is the one
/// file system inside whose devices can be opened, so it is read-only, and nobody inside has the right to make more.
fn devices() -> Memory {
    let name = |name: &str| CString::new(name).unwrap_or_default();
    let node = |path: &str, kind| Node { path: name(path), shown: name(&format!("/dev/{path}")), kind, owned: false };
    let mut memory =
        Memory::new(Path::new("/dev"), plan::ROOT_MEMORY, MountAttr::MOUNT_ATTR_NOEXEC | MountAttr::MOUNT_ATTR_RDONLY);
    memory.mode = c"755".to_owned();
    memory.attributes.remove(MountAttr::MOUNT_ATTR_NODEV);
    let devices = view::DEVICES.iter().map(|&(name, major, minor)| node(name, NodeKind::Device { major, minor }));
    let links = view::DEVICE_LINKS.iter().map(|&(path, to)| node(path, NodeKind::Link(name(to))));
    let directories = ["pts", "shm"].into_iter().map(|path| node(path, NodeKind::Directory));
    memory.nodes = devices.chain(links).chain(directories).collect();
    memory
}
