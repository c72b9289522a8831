//! The plan becomes mounts, in init. Nothing here allocates.

use std::ffi::CStr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, OpenHow, ResolveFlag, openat2};
use nix::sys::stat::{Mode, SFlag, mkdirat, mknodat};
use nix::unistd::{Gid, Uid, fchdir, fchown, symlinkat, write};

use super::{Base, Identity, Memory, Mount, Node, NodeKind, Root, Tree, What, layers, nested};
use crate::idmap::User;
use crate::record::Failed;
use crate::step::Step;
use crate::sys::{self, MountAttr};

/// Makes the root and moves into it.
pub(crate) fn build(root: &Root) -> Result<(), Failed<'_>> {
    sys::cut_propagation().map_err(Failed::of(Step::Propagation))?;
    let new_root = match &root.base {
        Base::Memory(it) => Made::Own(memory(it, root.user, Step::Root)?),
        Base::Tree(it) => given(it).map_err(Failed::of(Step::Root))?,
        Base::Layers(it) => Made::Own(layers::stack(it)?),
    };
    let host_root = nix::fcntl::open(c"/", OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty());
    let host_root = host_root.map_err(Failed::of(Step::Root))?;
    sys::attach(new_root.as_fd(), host_root.as_fd()).map_err(Failed::of(Step::Root))?;
    let make_place = |path, directory| match root.writable {
        true => layers::make_place(new_root.as_fd(), path, directory),
        false => Ok(()),
    };
    if root.nested {
        make_place(c"proc", true).map_err(Failed::of(Step::Proc))?;
        nested::prepare(new_root.as_fd()).map_err(Failed::of(Step::Proc))?;
    }
    for mount in &root.mounts {
        let Some(what) = &mount.what else { continue };
        let made = make(mount, what, root.user, new_root.as_fd())?;
        let failed = Failed::about(mount.step, mount.shown.to_bytes());
        make_place(&mount.target, mount.directory).map_err(&failed)?;
        attach(made.as_fd(), new_root.as_fd(), mount).map_err(&failed)?;
    }
    fchdir(new_root.as_fd()).and_then(|()| sys::pivot_to_working_directory()).map_err(Failed::of(Step::PivotRoot))
}

/// Onto its place, which is looked up without following a link where others may have made one.
fn attach(made: BorrowedFd<'_>, root: BorrowedFd<'_>, mount: &Mount) -> Result<(), Errno> {
    if mount.own {
        return sys::attach_at(made, root, &mount.target);
    }
    sys::attach(made, mount_point(root, &mount.target)?.as_fd())
}

/// A place in the root that was moved into.
pub(crate) fn place(path: &CStr) -> Result<OwnedFd, Errno> {
    mount_point(AT_FDCWD, path)
}

/// The place that init looks at when the program has ended, to see whether it is full.
pub(crate) fn bounded(root: &Root) -> Result<Option<OwnedFd>, Failed<'_>> {
    root.bounded.map(|path| place(path).map_err(Failed::about(Step::Tmpfs, path.to_bytes()))).transpose()
}

/// Options of a procfs: who may not trace a process does not see it.
pub(super) const HIDING: &[(&CStr, &CStr)] = &[(c"hidepid", c"ptraceable")];

/// A place below the root, reached through no link and no `..`.
pub(super) fn mount_point(root: BorrowedFd<'_>, path: &CStr) -> Result<OwnedFd, Errno> {
    let resolve = ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_SYMLINKS | ResolveFlag::RESOLVE_NO_MAGICLINKS;
    openat2(root, path, OpenHow::new().flags(OFlag::O_PATH | OFlag::O_CLOEXEC).resolve(resolve))
}

/// A mount that is not attached yet; a tree that the parent cloned is borrowed.
pub(super) enum Made {
    Own(OwnedFd),
    Given(BorrowedFd<'static>),
}

impl AsFd for Made {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Made::Own(fd) => fd.as_fd(),
            Made::Given(fd) => *fd,
        }
    }
}

fn make<'p>(mount: &'p Mount, what: &'p What, user: User, root: BorrowedFd<'_>) -> Result<Made, Failed<'p>> {
    let closed = MountAttr::MOUNT_ATTR_NOSUID | MountAttr::MOUNT_ATTR_NODEV | MountAttr::MOUNT_ATTR_NOEXEC;
    let read_only = closed | MountAttr::MOUNT_ATTR_RDONLY;
    let made = match what {
        What::Memory(it) => return memory(it, user, mount.step).map(Made::Own),
        What::Tree(it) => return given(it).map_err(Failed::about(mount.step, mount.shown.to_bytes())),
        // Init, whose command line tells of the host, is not there.
        What::Proc { writable } => sys::new_mount(c"proc", HIDING, if *writable { closed } else { read_only }),
        What::ReadOnly(path) => {
            sys::clone_tree(root, path).and_then(|tree| sys::restrict_tree(tree.as_fd(), read_only).map(|()| tree))
        }
        What::Cgroup => sys::new_mount(c"cgroup2", &[], read_only),
        // devpts makes its own nodes, so this one mount is not nodev.
        What::Terminals { group } => {
            let options: &[(&CStr, &CStr)] = &[(c"ptmxmode", c"0666"), (c"mode", c"0620"), (c"gid", c"5")];
            // Without a range, group 5 is nobody's here.
            let options = if *group { options } else { &options[..2] };
            sys::new_mount(c"devpts", options, MountAttr::MOUNT_ATTR_NOSUID | MountAttr::MOUNT_ATTR_NOEXEC)
        }
        What::MaskFile => sys::clone_tree(root, c"dev/null"),
        What::MaskDirectory { like: Some(first) } => sys::clone_tree(root, first),
        What::MaskDirectory { like: None } => {
            sys::new_mount(c"tmpfs", &[(c"size", c"4096"), (c"nr_inodes", c"2"), (c"mode", c"555")], read_only)
        }
    };
    made.map(Made::Own).map_err(Failed::about(mount.step, mount.shown.to_bytes()))
}

/// A host tree, as far as the parent could make it.
pub(super) fn given(it: &Tree) -> Result<Made, Errno> {
    match it {
        Tree::Cloned(fd) => Ok(Made::Given(sys::borrow(fd.as_raw_fd()))),
        Tree::Path { path, attributes, identity } => tree(path, *attributes, *identity).map(Made::Own),
    }
}

fn tree(path: &CStr, attributes: MountAttr, identity: Identity) -> Result<OwnedFd, Errno> {
    let how = OpenHow::new().flags(OFlag::O_PATH | OFlag::O_CLOEXEC).resolve(ResolveFlag::RESOLVE_NO_MAGICLINKS);
    let source = openat2(AT_FDCWD, path, how)?;
    if Identity::of(&source)? != identity {
        return Err(Errno::ESTALE);
    }
    let tree = sys::clone_tree(source.as_fd(), c"")?;
    sys::restrict_tree(tree.as_fd(), attributes)?;
    Ok(tree)
}

/// A tmpfs with all that belongs into it, mounted nowhere yet.
pub(super) fn memory(memory: &Memory, user: User, step: Step) -> Result<OwnedFd, Failed<'_>> {
    let options: &[(&CStr, &CStr)] = &[
        (c"size", memory.size.as_c_str()),
        (c"nr_inodes", memory.inodes.as_c_str()),
        (c"mode", memory.mode.as_c_str()),
    ];
    let writable = memory.attributes.difference(MountAttr::MOUNT_ATTR_RDONLY);
    let mount = sys::new_mount(c"tmpfs", options, writable).map_err(Failed::of(step))?;
    for node in &memory.nodes {
        fill(mount.as_fd(), node, user).map_err(Failed::about(Step::Files, node.shown.to_bytes()))?;
    }
    if writable != memory.attributes {
        sys::restrict_tree(mount.as_fd(), memory.attributes).map_err(Failed::of(Step::ReadOnly))?;
    }
    Ok(mount)
}

/// Makes one node. Nothing else is in this tmpfs than what the plan put there, and openat2 stays beneath it.
fn fill(memory: BorrowedFd<'_>, node: &Node, user: User) -> Result<(), Errno> {
    let resolve = ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_SYMLINKS | ResolveFlag::RESOLVE_NO_XDEV;
    match &node.kind {
        &NodeKind::Device { major, minor } => {
            let mode = Mode::from_bits_truncate(0o666);
            mknodat(memory, node.path.as_c_str(), SFlag::S_IFCHR, mode, libc::makedev(major, minor))
        }
        NodeKind::Link(to) => symlinkat(to.as_c_str(), memory, node.path.as_c_str()),
        NodeKind::Directory => {
            mkdirat(memory, node.path.as_c_str(), Mode::from_bits_truncate(0o755))?;
            if !node.owned {
                return Ok(());
            }
            let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
            own(&openat2(memory, node.path.as_c_str(), OpenHow::new().flags(flags).resolve(resolve))?, user)
        }
        NodeKind::File { mode, data } => {
            let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_CLOEXEC;
            let mode = Mode::from_bits_truncate(*mode);
            let file = openat2(memory, node.path.as_c_str(), OpenHow::new().flags(flags).mode(mode).resolve(resolve))?;
            let mut rest = data.as_slice();
            while !rest.is_empty() {
                let written = write(&file, rest)?;
                rest = rest.get(written..).unwrap_or_default();
            }
            if node.owned { own(&file, user) } else { Ok(()) }
        }
    }
}

/// To the program's user; where there is one id only, it is that already.
fn own(file: &OwnedFd, user: User) -> Result<(), Errno> {
    fchown(file, Some(Uid::from_raw(user.uid)), Some(Gid::from_raw(user.gid)))
}
