//! File systems that are the same in many sandboxes, and that none can write to: made once by the host's root, and
//! cloned for each. The root comes with the default view of the host already mounted on it, so a sandbox's whole tree, but
//! for what is its own, is one open_tree(2). What the caller names is never kept: it would stay busy when its sandbox is
//! gone.
//!
//! Kept mounts are those of the moment when they were made. So each sandbox's plan looks at the host's files anew, and a
//! root is used again only where they are the same files, and nothing was mounted or unmounted on the host since. When
//! something is, the spawner lets go of it at once: what is unmounted on the host shall not stay busy.
//!
//! Their files belong to the host's root, which is nobody's id inside. Two sandboxes that have the same one share with
//! each other what they share by the host's `/usr` already, file locks on what they can read, and nothing else.

use std::ffi::{CString, OsStr};
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::stat::{Mode, umask};

use super::plan::Sketch;
use super::{Identity, Memory, Mount, Node, NodeKind, build, host, plan, view};
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
    root: Option<Planted>,
    /// Before Linux 6.15 what is mounted nowhere can be neither cloned nor mounted on: each sandbox has its own root made.
    no_plants: bool,
    /// The directories of `/etc` that are shown, and when it was last changed.
    etc: Option<(SystemTime, Vec<PathBuf>)>,
}

#[derive(Debug)]
enum Devices {
    Made(OwnedFd),
    /// Not by this root: it has no CAP_MKNOD on the host.
    Refused,
}

/// The root of the last sandbox: mounted nowhere, with what is mounted on it.
#[derive(Debug)]
struct Planted {
    memory: Memory,
    plants: Vec<Plant>,
    /// Tells of changes of this process's mounts.
    watch: File,
    tree: OwnedFd,
}

impl Planted {
    /// Whether anything was mounted or unmounted since it was made: a host tree has what was mounted in it then.
    fn is_stale(&self) -> bool {
        // By proc_pid_mounts(5) a change is an error; what can't be asked may have changed.
        let mut fds = [PollFd::new(self.watch.as_fd(), PollFlags::POLLPRI)];
        let told = poll(&mut fds, PollTimeout::ZERO);
        told.is_err()
            || fds[0].revents().is_none_or(|events| events.intersects(PollFlags::POLLPRI | PollFlags::POLLERR))
    }
}

/// A mount that a root can come with.
#[derive(Debug, PartialEq)]
struct Plant {
    target: CString,
    /// Which tree of the host; nothing for `/dev`.
    host: Option<(Identity, MountAttr)>,
}

/// Which of the mounts can come with the root: trees of the view whose places are in the root or in another of them, and
/// lead through nothing that others have made.
fn plants(mounts: &[Mount], sketches: &[Option<Sketch>]) -> (Vec<usize>, Vec<Plant>) {
    let (mut numbers, mut plants, mut others) = (Vec::new(), Vec::new(), Vec::new());
    for (number, (mount, sketch)) in mounts.iter().zip(sketches).enumerate() {
        let place = Path::new(OsStr::from_bytes(mount.target.to_bytes()));
        let host = match sketch {
            Some(Sketch::View(host)) => Some((host.identity, host.attributes)),
            Some(Sketch::Devices) => None,
            Some(Sketch::Init(_)) | None => {
                others.push(place);
                continue;
            }
        };
        if !mount.own || others.iter().any(|other| place.starts_with(other)) {
            others.push(place);
            continue;
        }
        numbers.push(number);
        plants.push(Plant { target: mount.target.clone(), host });
    }
    (numbers, plants)
}

fn failed(step: Step) -> impl Fn(Errno) -> SetupFailure {
    move |errno| SetupFailure::new(step, errno as i32, None)
}

fn errno_of(error: &std::io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or(0))
}

impl Shared {
    /// For one sandbox, or for many.
    pub(crate) fn new(once: bool) -> Shared {
        Shared { once, ..Shared::default() }
    }

    /// What becomes ready (POLLPRI) when the host's mounts change, if anything of them is kept.
    pub(crate) fn watch(&self) -> Option<BorrowedFd<'_>> {
        self.root.as_ref().map(|kept| kept.watch.as_fd())
    }

    /// Lets go of what is kept of the host's mounts: a file system that was unmounted there stays busy as long.
    pub(crate) fn let_go(&mut self) {
        self.root = None;
    }

    /// Whether there is a `/dev` with nodes of its own; else they can't be made.
    pub(super) fn has_devices(&mut self) -> Result<bool, SetupFailure> {
        if self.devices.is_none() {
            self.devices = match make(&devices(), Step::Dev) {
                Ok(tree) => Some(Devices::Made(tree)),
                Err(failure) if failure.errno == libc::EPERM => Some(Devices::Refused),
                Err(failure) => return Err(failure),
            };
        }
        Ok(matches!(self.devices, Some(Devices::Made(_))))
    }

    /// That, for one sandbox.
    pub(super) fn devices(&mut self) -> Result<OwnedFd, SetupFailure> {
        let tree = match self.devices.take() {
            Some(Devices::Made(tree)) => tree,
            Some(Devices::Refused) => return Err(SetupFailure::new(Step::Dev, libc::EPERM, None)),
            None => make(&devices(), Step::Dev)?,
        };
        if self.once {
            return Ok(tree);
        }
        match sys::clone_tree(tree.as_fd(), c"") {
            Ok(copy) => {
                self.devices = Some(Devices::Made(tree));
                Ok(copy)
            }
            Err(Errno::EINVAL) => Ok(tree),
            Err(errno) => Err(SetupFailure::new(Step::Dev, errno as i32, None)),
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

    /// A root with this in it. What of the mounts can come with it is there too, and is taken out of `sketches`.
    pub(super) fn root(
        &mut self,
        wanted: Memory,
        mounts: &[Mount],
        sketches: &mut [Option<Sketch>],
    ) -> Result<OwnedFd, SetupFailure> {
        if self.once || self.no_plants {
            return make(&wanted, Step::Root);
        }
        let (numbers, plants) = plants(mounts, sketches);
        let kept = match self.root.take() {
            Some(kept) if kept.memory == wanted && kept.plants == plants && !kept.is_stale() => kept,
            _ => match self.plant(&wanted, &numbers, mounts, sketches)? {
                Some((watch, tree)) => Planted { memory: wanted, plants, watch, tree },
                None => {
                    self.no_plants = true;
                    return make(&wanted, Step::Root);
                }
            },
        };
        for number in numbers {
            sketches[number] = None;
        }
        match sys::clone_tree(kept.tree.as_fd(), c"") {
            Ok(copy) => {
                self.root = Some(kept);
                Ok(copy)
            }
            // An older kernel, which had no plant to refuse.
            Err(Errno::EINVAL) => Ok(kept.tree),
            Err(errno) => Err(failed(Step::Root)(errno)),
        }
    }

    /// Makes one to be kept, with what tells when it is stale; nothing where this kernel can't.
    fn plant(
        &mut self,
        memory: &Memory,
        plants: &[usize],
        mounts: &[Mount],
        sketches: &[Option<Sketch>],
    ) -> Result<Option<(File, OwnedFd)>, SetupFailure> {
        // What is mounted from now on makes it stale.
        let watch = File::open("/proc/self/mountinfo");
        let watch = watch.map_err(|error| failed(Step::Root)(errno_of(&error)))?;
        let tree = make(memory, Step::Root)?;
        for &number in plants {
            let made = match &sketches[number] {
                Some(Sketch::View(host)) => host.cloned()?,
                _ => self.devices()?,
            };
            let mount = &mounts[number];
            match sys::attach_at(made.as_fd(), tree.as_fd(), &mount.target) {
                Ok(()) => {}
                Err(Errno::EINVAL) => return Ok(None),
                Err(errno) => {
                    let shown = mount.shown.to_string_lossy().into_owned();
                    return Err(SetupFailure::new(mount.step, errno as i32, Some(shown)));
                }
            }
        }
        Ok(Some((watch, tree)))
    }

    /// The directories of `/etc` whose names begin as [`view::ETC_PREFIXES`] say. To read it is dear, so it is read again
    /// only when it has changed.
    pub(super) fn etc(&mut self) -> Result<Vec<PathBuf>, SetupFailure> {
        let etc = Path::new("/etc");
        let failed = |error: std::io::Error| host::failed(etc)(errno_of(&error));
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
