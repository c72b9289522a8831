//! An image's layers as the root: directories that an overlay shows as one (Documentation/filesystems/overlayfs.rst).
//!
//! ```text
//! staging, a tmpfs over `/` of a mount namespace that ends with its process
//!   0, 1, ...   the layers, the uppermost first, each read-only
//!   +           what is written: a tmpfs of the size asked for
//!     u         the upper layer, with a /tmp for everybody
//!     w         the overlay's own
//! ```
//!
//! The overlay is made from there by paths relative to it: a kernel before 6.13 takes layers by path only, and before 6.15
//! only from mounts that are attached. What is attached elsewhere stays with the overlay when the staging is gone.
//!
//! **As root** the host's root makes it, in a process of its own: an overlay that is made in the sandbox's user namespace
//! doesn't heed `trusted.overlay.opaque`, by which layers say that a directory hides those below. The layers are
//! idmapped: the image's ids 0 to 65,535 are the sandbox's, so its root's files belong to the sandbox's root, and the program,
//! which is never root, reads what their modes allow. **Unprivileged**, init makes it, of layers that are the caller's, and
//! they say the same by `user.overlay.opaque`.
//!
//! Attacks stopped here: layers that name files outside themselves (`redirect_dir`, `metacopy`); set-user-id files and devices
//! in them; a layer with the host's /proc in it, or swapped while a sandbox starts (as for every host tree); a link in an image
//! where something is to be mounted: no link is followed, and what is made, is made in the upper layer alone.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, OpenHow, ResolveFlag, openat, openat2};
use nix::sys::stat::{FchmodatFlags, Mode, fchmodat, mkdirat, umask};
use nix::unistd::{Gid, Uid, fchdir, fchownat};

use super::{Base, Identity, Memory, NodeKind, Tree, build, host, plan};
use crate::idmap::{self, Ids, User};
use crate::outcome::SetupFailure;
use crate::policy::{Access, Bind, TMP};
use crate::record::Failed;
use crate::step::Step;
use crate::sys::{self, MountAttr};

/// Names of layers: one character each while they last, since the kernel takes 255 of them with their colons.
const NAMES: &[u8] = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
const WRITTEN: &str = "+";
const UPPER: &str = "u";
const WORK: &str = "w";

/// Layers that are open, and what is to be put over them.
#[derive(Debug)]
pub(super) struct Layers {
    ids: Ids,
    user: User,
    trees: Vec<Tree>,
    /// Where each tree is in the staging.
    names: Vec<CString>,
    staging: Memory,
    /// The names, as the overlay takes them.
    lower: CString,
    written: Option<Memory>,
}

impl Layers {
    /// Opens the layers; `size` is how much can be written.
    pub(super) fn open(
        directories: &[PathBuf],
        ids: Ids,
        user: User,
        size: Option<u64>,
    ) -> Result<Layers, SetupFailure> {
        let namespace = match ids {
            Ids::Range { base } => Some(idmap::from_image(base).map_err(failed(Path::new("the id map")))?),
            Ids::Single { .. } => None,
        };
        let trees = directories.iter().map(|directory| tree(directory, namespace.as_ref()));
        let trees = trees.collect::<Result<Vec<_>, _>>()?;
        let names: Vec<String> = (0..trees.len()).map(name).collect();
        let mut staging = Memory::new(Path::new("/"), 0, MountAttr::MOUNT_ATTR_NOEXEC);
        for name in names.iter().map(String::as_str).chain([WRITTEN]) {
            staging.add(Path::new(name), NodeKind::Directory, false)?;
        }
        let written = size.map(|size| {
            let mut written = Memory::new(Path::new("/"), size, MountAttr::empty());
            written.add(Path::new(WORK), NodeKind::Directory, false)?;
            written.directories(&in_upper(Path::new(TMP)), false)?;
            Ok(written)
        });
        let c_names = names.iter().map(|name| plan::c_string(Path::new(name))).collect::<Result<_, _>>()?;
        let lower = plan::c_string(Path::new(&names.join(":")))?;
        Ok(Layers { ids, user, trees, names: c_names, staging, lower, written: written.transpose()? })
    }

    pub(super) fn trees(&self) -> &[Tree] {
        &self.trees
    }

    /// Whether the root can be written to.
    pub(super) fn is_writable(&self) -> bool {
        self.written.is_some()
    }

    /// Puts a file into the upper layer; it has to be below /tmp, which no layer can have made a link. False where the root
    /// can't be written to.
    pub(super) fn file(&mut self, path: &Path, mode: u32, data: &[u8]) -> Result<bool, SetupFailure> {
        match &mut self.written {
            Some(written) if path.starts_with(TMP) => {
                written.file(&in_upper(path), mode, data.to_vec(), true).map(|()| true)
            }
            _ => Ok(false),
        }
    }

    /// As the host's root, the overlay; else what init makes it from. A single layer that can't be written to needs none.
    pub(super) fn base(mut self) -> Result<Base, SetupFailure> {
        if self.trees.len() == 1 && !self.is_writable() {
            return Ok(self.trees.pop().map_or(Base::Layers(self), Base::Tree));
        }
        if let Ids::Single { .. } = self.ids {
            return Ok(Base::Layers(self));
        }
        let mut aside = Aside { layers: &self, made: Err(Failed::of(Step::Layers)(Errno::EINTR)) };
        sys::aside(stack_aside, &mut aside).map_err(failed(Path::new("overlay")))?;
        let made = aside.made.map_err(|failed| {
            let subject = (!failed.subject.is_empty()).then(|| String::from_utf8_lossy(failed.subject).into_owned());
            SetupFailure::new(failed.step, failed.errno, subject)
        });
        Ok(Base::Tree(Tree::Cloned(made?)))
    }
}

fn failed(path: &Path) -> impl Fn(Errno) -> SetupFailure {
    move |errno| SetupFailure::new(Step::Layers, errno as i32, Some(path.display().to_string()))
}

/// The path in the tmpfs of what is written.
fn in_upper(path: &Path) -> PathBuf {
    Path::new(UPPER).join(path.strip_prefix("/").unwrap_or(path))
}

fn name(number: usize) -> String {
    let digit = |number: usize| char::from(NAMES[number % NAMES.len()]);
    let first = number.checked_sub(NAMES.len()).map(|rest| digit(rest / NAMES.len()));
    first.into_iter().chain([digit(number)]).collect()
}

fn tree(directory: &Path, namespace: Option<&OwnedFd>) -> Result<Tree, SetupFailure> {
    let bind = Bind { source: directory.to_owned(), target: PathBuf::from("/"), mode: Access::Ro };
    let source = host::open_directory(&bind)?;
    let attributes = MountAttr::MOUNT_ATTR_NOSUID | MountAttr::MOUNT_ATTR_NODEV | MountAttr::MOUNT_ATTR_RDONLY;
    match namespace {
        Some(namespace) => {
            let mount = sys::clone_mount(source.as_fd()).map_err(failed(directory))?;
            sys::map_ids(mount.as_fd(), attributes, namespace.as_fd()).map_err(failed(directory))?;
            Ok(Tree::Cloned(mount))
        }
        None => {
            let identity = Identity::of(&source).map_err(failed(directory))?;
            Ok(Tree::Path { path: plan::c_string(directory)?, attributes, identity })
        }
    }
}

struct Aside<'l> {
    layers: &'l Layers,
    made: Result<OwnedFd, Failed<'l>>,
}

/// In a process of its own, with a copy of the mount namespace.
fn stack_aside(aside: &mut Aside<'_>) {
    umask(Mode::empty());
    aside.made = sys::cut_propagation().map_err(Failed::of(Step::Propagation)).and_then(|()| stack(aside.layers));
}

/// The overlay, mounted nowhere. Nothing here allocates.
pub(super) fn stack(layers: &Layers) -> Result<OwnedFd, Failed<'_>> {
    let failed = Failed::of(Step::Layers);
    let staging = build::memory(&layers.staging, layers.user, Step::Layers)?;
    let root = nix::fcntl::open(c"/", OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty()).map_err(&failed)?;
    sys::attach(staging.as_fd(), root.as_fd()).map_err(&failed)?;
    for (tree, name) in layers.trees.iter().zip(&layers.names) {
        let (tree, place) = (build::given(tree).map_err(&failed)?, build::mount_point(staging.as_fd(), name));
        sys::attach(tree.as_fd(), place.map_err(&failed)?.as_fd()).map_err(&failed)?;
    }
    fchdir(&staging).map_err(&failed)?;
    let mut attributes = MountAttr::MOUNT_ATTR_NOSUID | MountAttr::MOUNT_ATTR_NODEV;
    match &layers.written {
        Some(written) => {
            let memory = writable(layers, written)?;
            let place = build::mount_point(staging.as_fd(), c"+").map_err(&failed)?;
            sys::attach(memory.as_fd(), place.as_fd()).map_err(&failed)?;
        }
        None => attributes |= MountAttr::MOUNT_ATTR_RDONLY,
    }
    let lower = (c"lowerdir", layers.lower.as_c_str());
    let [upper, work] = [(c"upperdir", c"+/u"), (c"workdir", c"+/w")];
    // No attribute of a layer says where other content is to be found.
    let by_root = [(c"redirect_dir", c"nofollow"), (c"metacopy", c"off"), lower, upper, work];
    let by_init = [(c"userxattr", c""), lower, upper, work];
    let options = match layers.ids {
        Ids::Range { .. } => by_root.as_slice(),
        Ids::Single { .. } => by_init.as_slice(),
    };
    let read_only = options.strip_suffix(&[upper, work]).unwrap_or(options);
    let options = if layers.is_writable() { options } else { read_only };
    let overlay = sys::new_mount(c"overlay", options, attributes).map_err(&failed)?;
    // It lies over the host's root, and would be taken for it when that is to be detached.
    sys::detach_working_directory().map_err(&failed)?;
    Ok(overlay)
}

/// The tmpfs of what is written; all in it belongs to the sandbox's root but what is the program's.
fn writable<'l>(layers: &'l Layers, written: &'l Memory) -> Result<OwnedFd, Failed<'l>> {
    let inside = matches!(layers.ids, Ids::Single { .. });
    let user = if inside { layers.user } else { layers.ids.on_host(layers.user) };
    let memory = build::memory(written, user, Step::Layers)?;
    let User { uid, gid } = layers.ids.on_host(User::ROOT);
    for node in written.nodes.iter().filter(|node| !inside && !node.owned) {
        let (uid, gid) = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
        fchownat(&memory, node.path.as_c_str(), uid, gid, AtFlags::AT_SYMLINK_NOFOLLOW)
            .map_err(Failed::of(Step::Layers))?;
    }
    let everybodys = Mode::from_bits_truncate(0o1777);
    fchmodat(&memory, c"u/tmp", everybodys, FchmodatFlags::FollowSymlink).map_err(Failed::of(Step::Layers))?;
    Ok(memory)
}

/// Makes a mount point in a writable root, where no layer has one: through no link, and in no other mount. Nothing here
/// allocates.
pub(super) fn make_place(root: BorrowedFd<'_>, path: &CStr, directory: bool) -> Result<(), Errno> {
    match build::mount_point(root, path) {
        Err(Errno::ENOENT) => {}
        other => return other.map(drop),
    }
    let mut above: Option<OwnedFd> = None;
    let mut names = path.to_bytes().split(|byte| *byte == b'/').peekable();
    while let Some(name) = names.next() {
        let here = above.as_ref().map_or(root, AsFd::as_fd);
        let next = match inner(here, name) {
            Err(Errno::ENOENT) if directory || names.peek().is_some() => {
                mkdirat(here, name, Mode::from_bits_truncate(0o755))?;
                inner(here, name)
            }
            Err(Errno::ENOENT) => {
                let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_CLOEXEC;
                openat(here, name, flags, Mode::from_bits_truncate(0o444))
            }
            other => other,
        };
        above = Some(next?);
    }
    Ok(())
}

fn inner(here: BorrowedFd<'_>, name: &[u8]) -> Result<OwnedFd, Errno> {
    let resolve = ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_SYMLINKS | ResolveFlag::RESOLVE_NO_XDEV;
    let found = openat2(here, name, OpenHow::new().flags(OFlag::O_PATH | OFlag::O_CLOEXEC).resolve(resolve));
    // In a mount nothing is made: there the path is missing.
    found.map_err(|errno| if errno == Errno::EXDEV { Errno::ENOENT } else { errno })
}
