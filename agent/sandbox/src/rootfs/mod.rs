//! The root file system: what the program sees, made from nothing.
//!
//! [`plan()`] runs before clone3: it opens the host's paths and writes down every directory, link, file and mount.
//! [`build()`] runs in init: it allocates nothing, and does what the plan says, in this order:
//!
//! 1. Propagation is cut, so that no mount made inside shows outside, or the other way round.
//! 2. The root is a new tmpfs, filled through its descriptor while it is mounted nowhere, then made read-only, then
//!    attached. Every tmpfs is made this way. Or it is a directory of the host that the caller named, read-only: then
//!    nothing is made up in it, and the directories that are mounted on have to be there. Or it is an overlay of an image's
//!    layers (`layers.rs`).
//! 3. All other mounts, parents before children. Mount points are looked up from the new root by openat2(2) with
//!    RESOLVE_BENEATH and without following any link.
//! 4. pivot_root(2), and the host's root is detached: no path, descriptor or working directory leads there.
//!
//! Invariants, and the attacks that they stop:
//! - A host path is opened before anything else, by descriptor, without magic links (`/proc/PID/fd/N`): CVE-2024-21626.
//!   Where init has to open it anew, since an unprivileged parent can't clone a tree, it has to be the same file still: a path
//!   that is swapped after it was looked at is an error.
//! - **Nothing is ever written through a mounted host tree.** Files and mount points are made only in a tmpfs that is not
//!   yet attached, with openat2(2) kept beneath it; a mount point below a bound tree has to exist there (in an overlay that can be written to, they
//!   are made in its upper layer, which is such a tmpfs too). So a symbolic link
//!   planted in a writable directory (CVE-2019-19921, CVE-2021-30465) leads nowhere.
//! - Of the host's trees only a box and an image's layers are idmapped: through such a mount the sandbox's ids own the host's files.
//! - Every bound tree is `nosuid` and `nodev`, and read-only with all that is mounted below it (mount_setattr(2) with
//!   AT_RECURSIVE; a bind remount reaches the top only).
//! - `/proc` is the sandbox's own, without init (`hidepid=ptraceable`), and wholly read-only: `core_pattern`, `sysrq-trigger`, `/proc/1/mem`, `uid_map` can't
//!   be written. Files that tell of the host are masked, each by a null device that was checked to be one before any
//!   code of the program ran (CVE-2025-31133: a `/dev/null` that was a link). Where sandboxes can be made inside, less of
//!   this holds (`nested.rs`).
//! - No `/sys`, but for `/sys/fs/cgroup` where the sandbox has a cgroup: cgroup v2 alone, read-only, from the sandbox's own
//!   leaf down (the cgroup namespace's root), so that programs size themselves by their limits. No `release_agent`, no
//!   `uevent_helper`.

mod build;
mod host;
mod layers;
mod nested;
mod plan;
mod shared;
mod view;

use std::ffi::{CStr, CString};
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use nix::errno::Errno;
use nix::sys::stat::{FileStat, fstat};
use serde::{Deserialize, Serialize};

use crate::idmap::User;
use crate::step::Step;
use crate::sys::MountAttr;

use layers::Layers;

pub(crate) use build::{bounded, build, place};
pub(crate) use plan::plan;
pub(crate) use shared::Shared;

/// The whole tree, as data.
#[derive(Debug)]
pub(crate) struct Root {
    base: Base,
    /// Whose the files are that were sent in.
    user: User,
    /// Whether sandboxes can be made inside.
    nested: bool,
    mounts: Vec<Mount>,
    /// Whether the root itself can be written to.
    writable: bool,
    /// Where what [`crate::Limits::disk`] bounds in memory can be looked at, by its path from the root.
    bounded: Option<&'static CStr>,
}

/// What everything else is mounted on.
#[derive(Debug)]
enum Base {
    /// A tmpfs with the default view of the host in it.
    Memory(Memory),
    /// A root file system of the caller's.
    Tree(Tree),
    /// An image's layers, which init puts together.
    Layers(Layers),
}

/// A tmpfs: its options and what is put into it before it is attached.
#[derive(Debug, PartialEq)]
struct Memory {
    /// Where it will be, for messages.
    at: PathBuf,
    size: CString,
    inodes: CString,
    mode: CString,
    nodes: Vec<Node>,
    attributes: MountAttr,
}

/// Something made in a tmpfs; paths are relative to it, parents come before children.
#[derive(Debug, PartialEq)]
struct Node {
    path: CString,
    /// The whole path, for messages.
    shown: CString,
    kind: NodeKind,
    /// Owned by the program's user, not by the sandbox's root.
    owned: bool,
}

#[derive(Debug, PartialEq)]
enum NodeKind {
    Directory,
    /// A character device that all may read and write.
    Device {
        major: u32,
        minor: u32,
    },
    Link(CString),
    File {
        mode: u32,
        data: Vec<u8>,
    },
}

/// One mount on the root, or on another mount.
#[derive(Debug)]
struct Mount {
    /// Where, relative to the root.
    target: CString,
    /// The whole path, for messages.
    shown: CString,
    /// Whether that is a directory.
    directory: bool,
    /// Whether nobody but this crate has made what its path leads through, so that no link in it leads elsewhere.
    own: bool,
    /// Nothing where it came with the root.
    what: Option<What>,
    reach: Reach,
    /// The step that fails if it does.
    step: Step,
}

/// What a mount allows besides reading and executing, for Landlock's rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Reach {
    Read,
    /// Devices that are there already.
    Devices,
    WriteTree,
    WriteFile,
}

#[derive(Debug)]
enum What {
    Memory(Memory),
    Tree(Tree),
    Proc {
        writable: bool,
    },
    /// A part of /proc again, read-only, by its path from the root.
    ReadOnly(CString),
    /// The sandbox's own cgroup.
    Cgroup,
    Terminals {
        group: bool,
    },
    /// The null device over a file of /proc.
    MaskFile,
    /// An empty read-only tmpfs over a directory of /proc; after the first, a copy of it, by its path.
    MaskDirectory {
        like: Option<CString>,
    },
}

/// A host tree.
#[derive(Debug)]
enum Tree {
    /// Cloned by the parent, which has the right to.
    Cloned(OwnedFd),
    /// To be cloned by init: an unprivileged parent has no right to, and init has the same rights to files. It has to be
    /// what the parent looked at.
    Path { path: CString, attributes: MountAttr, identity: Identity },
}

/// What tells a file from all others: device and inode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Identity {
    device: libc::dev_t,
    inode: libc::ino_t,
}

impl Identity {
    fn of(file: &OwnedFd) -> Result<Identity, Errno> {
        fstat(file).map(Identity::from)
    }
}

impl From<FileStat> for Identity {
    fn from(status: FileStat) -> Identity {
        Identity { device: status.st_dev, inode: status.st_ino }
    }
}

impl Root {
    /// The descriptors that init needs.
    pub(crate) fn descriptors(&self) -> impl Iterator<Item = &OwnedFd> {
        let base = match &self.base {
            Base::Tree(tree) => std::slice::from_ref(tree),
            Base::Layers(layers) => layers.trees(),
            Base::Memory(_) => &[],
        };
        let trees = self.mounts.iter().filter_map(|mount| match &mount.what {
            Some(What::Tree(tree)) => Some(tree),
            _ => None,
        });
        base.iter().chain(trees).filter_map(|tree| match tree {
            Tree::Cloned(fd) => Some(fd),
            Tree::Path { .. } => None,
        })
    }

    /// Each mount's path from the root, the same for messages, and what it allows; the root's own first.
    pub(crate) fn reaches(&self) -> impl Iterator<Item = (&CStr, &CStr, Reach)> {
        let own = (c".", c"/", if self.writable { Reach::WriteTree } else { Reach::Read });
        std::iter::once(own)
            .chain(self.mounts.iter().map(|mount| (mount.target.as_c_str(), mount.shown.as_c_str(), mount.reach)))
    }
}
