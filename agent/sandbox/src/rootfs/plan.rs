//! The plan of the root, made by the parent: host paths opened, everything else written down.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::stat::{FileStat, SFlag, fstat};
use nix::unistd::{AccessFlags, faccessat};

use super::{
    Base, Identity, Layers, Memory, Mount, Node, NodeKind, Reach, Root, Shared, Tree, What, host, nested, view,
};
use crate::idmap::{self, Ids, User};
use crate::kept::Kept;
use crate::outcome::SetupFailure;
use crate::policy::{Access, BOX, Bind, Dev, LimitsMode, Proc, TMP};
use crate::request::{InputFile, Request};
use crate::step::Step;
use crate::sys::{self, MountAttr};

/// The size of `/tmp` and `/dev/shm`, unless the policy names them.
const DEFAULT_MEMORY: u64 = 64 << 20;
/// What directories, links and small files of the root and of /dev may take.
pub(super) const ROOT_MEMORY: u64 = 1 << 20;
/// Inodes of the root besides those that are planned: its own directory.
const ROOT_INODES: usize = 16;
const PAGE: u64 = 4096;

/// The plan, and what the caller should know though it stops nothing.
pub(crate) fn plan(
    request: &Request,
    ids: Ids,
    kept: Option<&Kept>,
    shared: &mut Shared,
) -> Result<(Root, Vec<String>), SetupFailure> {
    let privileged = matches!(ids, Ids::Range { .. });
    let user = User::of(&request.policy);
    let nested = request.policy.nested;
    let mut planner = Planner {
        privileged,
        user,
        nested,
        base: None,
        layers: None,
        bounded: None,
        drafts: Vec::new(),
        links: Vec::new(),
    };
    let mut warnings = Vec::from_iter(nested.then(|| nested::WARNING.to_owned()));
    if let Some(directory) = &request.policy.root {
        planner.base(directory)?;
    }
    let disk = request.policy.limits.disk;
    if !request.policy.image_layers.is_empty() {
        planner.layers = Some(Layers::open(&request.policy.image_layers, ids, user, disk)?);
    }
    if let Some(kept) = kept {
        planner.kept(kept, ids)?;
    }
    for bind in &request.policy.mounts {
        planner.user_tree(bind, ids, &mut warnings)?;
    }
    for tmpfs in &request.policy.tmpfs {
        planner.user_memory(&tmpfs.target, tmpfs.size);
    }
    if planner.base.is_none() && planner.layers.is_none() {
        planner.default_view(shared)?;
    }
    if request.policy.dev == Dev::Minimal {
        planner.devices(shared)?;
        planner.default_memory("/dev/shm", DEFAULT_MEMORY);
    }
    if request.policy.proc == Proc::Own {
        planner.processes(request.policy.dev, shared)?;
    }
    if request.policy.limits.mode == LimitsMode::Required {
        planner.add("/sys/fs/cgroup", What::Cgroup, Step::Cgroup, true);
    }
    // What the caller mounts there has a size of its own, or none.
    let is_own = planner.is_mounted(TMP);
    // A root that can be written to has one for everybody.
    if !planner.layers.as_ref().is_some_and(Layers::is_writable) {
        planner.default_memory(TMP, disk.unwrap_or(DEFAULT_MEMORY));
    }
    planner.bounded = (disk.is_some() && !is_own).then_some(c"tmp");
    let root = planner.finish(&request.files, &request.policy.hostname, shared)?;
    Ok((root, warnings))
}

/// A mount before its parents are known.
struct Draft {
    target: PathBuf,
    what: Sketch,
    reach: Reach,
    step: Step,
    directory: bool,
}

/// What is to be mounted, before it is known who mounts it.
pub(super) enum Sketch {
    /// Init does.
    Init(What),
    /// A tree of the default view, which this process has the right to clone.
    View(Host),
    /// What [`Shared`] keeps as `/dev`.
    Devices,
}

/// A host tree that was opened, and looked at.
pub(super) struct Host {
    source: OwnedFd,
    path: PathBuf,
    directory: bool,
    pub(super) identity: Identity,
    pub(super) attributes: MountAttr,
}

impl Host {
    fn new(source: OwnedFd, path: &Path, attributes: MountAttr) -> Result<Host, SetupFailure> {
        let status = stat(&source, path)?;
        let (directory, identity) = (is_kind(&status, SFlag::S_IFDIR), Identity::from(status));
        Ok(Host { source, path: path.to_owned(), directory, identity, attributes })
    }

    fn reach(&self) -> Reach {
        match (self.attributes.contains(MountAttr::MOUNT_ATTR_RDONLY), self.directory) {
            (true, _) => Reach::Read,
            (false, true) => Reach::WriteTree,
            (false, false) => Reach::WriteFile,
        }
    }

    /// For init: cloned where this process has the right to.
    fn tree(self, privileged: bool) -> Result<Tree, SetupFailure> {
        match privileged {
            true => self.cloned().map(Tree::Cloned),
            false => {
                Ok(Tree::Path { path: c_string(&self.path)?, attributes: self.attributes, identity: self.identity })
            }
        }
    }

    pub(super) fn cloned(&self) -> Result<OwnedFd, SetupFailure> {
        let tree = sys::clone_tree(self.source.as_fd(), c"").map_err(host::failed(&self.path))?;
        sys::restrict_tree(tree.as_fd(), self.attributes).map_err(host::failed(&self.path))?;
        Ok(tree)
    }
}

impl Sketch {
    fn what(self, shared: &mut Shared) -> Result<What, SetupFailure> {
        match self {
            Sketch::Init(what) => Ok(what),
            Sketch::View(host) => host.tree(true).map(What::Tree),
            Sketch::Devices => shared.devices().map(|tree| What::Tree(Tree::Cloned(tree))),
        }
    }
}

struct Planner {
    privileged: bool,
    user: User,
    nested: bool,
    /// The caller's root file system.
    base: Option<Tree>,
    /// Or those of an image.
    layers: Option<Layers>,
    /// See [`Root::bounded`].
    bounded: Option<&'static CStr>,
    drafts: Vec<Draft>,
    /// Links that are made up: path and target.
    links: Vec<(PathBuf, PathBuf)>,
}

impl Planner {
    /// A mount that can't be written to.
    fn add(&mut self, target: impl Into<PathBuf>, what: What, step: Step, directory: bool) {
        let what = Sketch::Init(what);
        self.drafts.push(Draft { target: target.into(), what, reach: Reach::Read, step, directory });
    }

    /// Whether a mount of the caller's is there or above; then it replaces what the default view has.
    fn is_covered(&self, target: &Path) -> bool {
        self.drafts.iter().any(|draft| target.starts_with(&draft.target))
    }

    fn base(&mut self, directory: &Path) -> Result<(), SetupFailure> {
        let bind = Bind { source: directory.to_owned(), target: PathBuf::from("/"), mode: Access::Ro };
        let source = host::open_directory(&bind)?;
        let attributes = MountAttr::MOUNT_ATTR_NOSUID | MountAttr::MOUNT_ATTR_NODEV | MountAttr::MOUNT_ATTR_RDONLY;
        self.base = Some(Host::new(source, directory, attributes)?.tree(self.privileged)?);
        Ok(())
    }

    fn user_tree(&mut self, bind: &Bind, ids: Ids, warnings: &mut Vec<String>) -> Result<(), SetupFailure> {
        let source = host::open(&bind.source)?;
        host::refuse_what_undoes_the_sandbox(&source, bind)?;
        if bind.mode == Access::Rw {
            warnings.extend(unwritable(&source, bind, ids, self.user)?);
        }
        let mut attributes = MountAttr::MOUNT_ATTR_NOSUID | MountAttr::MOUNT_ATTR_NODEV;
        if bind.mode == Access::Ro {
            attributes |= MountAttr::MOUNT_ATTR_RDONLY;
        }
        let host = Host::new(source, &bind.source, attributes)?;
        let (target, reach, directory) = (bind.target.components().collect(), host.reach(), host.directory);
        let what = Sketch::Init(What::Tree(host.tree(self.privileged)?));
        self.drafts.push(Draft { target, what, reach, step: Step::Bind, directory });
        Ok(())
    }

    /// The box: the one tree of the host whose files are the program's.
    fn kept(&mut self, kept: &Kept, ids: Ids) -> Result<(), SetupFailure> {
        let failed = |errno: Errno| SetupFailure::new(Step::Box, errno as i32, Some(kept.path.display().to_string()));
        let attributes = MountAttr::MOUNT_ATTR_NOSUID | MountAttr::MOUNT_ATTR_NODEV;
        let tree = match ids {
            Ids::Range { base } => {
                let mount = sys::clone_mount(kept.files.as_fd()).map_err(failed)?;
                let namespace = idmap::from_rest(base).map_err(failed)?;
                sys::map_ids(mount.as_fd(), attributes, namespace.as_fd()).map_err(failed)?;
                Tree::Cloned(mount)
            }
            Ids::Single { .. } => {
                let identity = Identity::of(&kept.files).map_err(failed)?;
                Tree::Path { path: c_string(&kept.path)?, attributes, identity }
            }
        };
        let (target, what, reach) = (PathBuf::from(BOX), Sketch::Init(What::Tree(tree)), Reach::WriteTree);
        self.drafts.push(Draft { target, what, reach, step: Step::Box, directory: true });
        Ok(())
    }

    fn user_memory(&mut self, target: &Path, size: u64) {
        let target: PathBuf = target.components().collect();
        let memory = Memory::new(&target, size, MountAttr::empty());
        let (what, reach) = (Sketch::Init(What::Memory(memory)), Reach::WriteTree);
        self.drafts.push(Draft { target, what, reach, step: Step::Tmpfs, directory: true });
    }

    fn is_mounted(&self, target: &str) -> bool {
        self.drafts.iter().any(|draft| draft.target == Path::new(target))
    }

    fn default_memory(&mut self, target: &str, size: u64) {
        if !self.is_mounted(target) {
            self.user_memory(Path::new(target), size);
        }
    }

    fn default_view(&mut self, shared: &mut Shared) -> Result<(), SetupFailure> {
        let mut trees: Vec<PathBuf> = view::TREES.iter().map(PathBuf::from).collect();
        trees.extend(shared.etc()?);
        for top in view::TOPS.iter().chain([&view::LOCALTIME]).map(Path::new) {
            match std::fs::read_link(top) {
                Ok(to) if !self.is_covered(top) => self.links.push((top.to_owned(), to)),
                Ok(_) => {}
                // Not a link, or not there.
                Err(_) => trees.push(top.to_owned()),
            }
        }
        let attributes = MountAttr::MOUNT_ATTR_NOSUID | MountAttr::MOUNT_ATTR_NODEV | MountAttr::MOUNT_ATTR_RDONLY;
        for path in trees {
            if self.is_covered(&path) {
                continue;
            }
            let source = match host::open(&path) {
                Err(failure) if failure.errno == libc::ENOENT && path != Path::new("/usr") => continue,
                source => source?,
            };
            let host = Host::new(source, &path, attributes)?;
            let (reach, directory) = (host.reach(), host.directory);
            let what = match self.privileged {
                true => Sketch::View(host),
                false => Sketch::Init(What::Tree(host.tree(false)?)),
            };
            self.drafts.push(Draft { target: path, what, reach, step: Step::Bind, directory });
        }
        Ok(())
    }

    fn devices(&mut self, shared: &mut Shared) -> Result<(), SetupFailure> {
        self.add("/dev/pts", What::Terminals { group: self.privileged }, Step::Dev, true);
        if self.privileged && shared.has_devices()? {
            let (target, what) = (PathBuf::from("/dev"), Sketch::Devices);
            self.drafts.push(Draft { target, what, reach: Reach::Devices, step: Step::Dev, directory: true });
            return Ok(());
        }
        let mut memory = Memory::new(
            Path::new("/dev"),
            ROOT_MEMORY,
            MountAttr::MOUNT_ATTR_NOEXEC | MountAttr::MOUNT_ATTR_NODEV | MountAttr::MOUNT_ATTR_RDONLY,
        );
        memory.mode = c"755".to_owned();
        let (target, what, reach) = (PathBuf::from("/dev"), Sketch::Init(What::Memory(memory)), Reach::Devices);
        self.drafts.push(Draft { target, what, reach, step: Step::Dev, directory: true });
        for &device in view::DEVICES {
            let tree = Planner::device(device)?.tree(self.privileged)?;
            self.add(Path::new("/dev").join(device.0), What::Tree(tree), Step::Dev, false);
        }
        let links = view::DEVICE_LINKS.iter().map(|(name, to)| (Path::new("/dev").join(name), PathBuf::from(to)));
        self.links.extend(links);
        Ok(())
    }

    /// The host's, which a container around this may have replaced by something else.
    fn device((name, major, minor): (&str, u32, u32)) -> Result<Host, SetupFailure> {
        let path = Path::new("/dev").join(name);
        let source = host::open(&path).map_err(|failure| SetupFailure { step: Step::Dev, ..failure })?;
        let status = stat(&source, &path)?;
        if !is_kind(&status, SFlag::S_IFCHR) || status.st_rdev != libc::makedev(major, minor) {
            return Err(SetupFailure::new(Step::Dev, libc::ENODEV, Some(path.display().to_string())));
        }
        let attributes = MountAttr::MOUNT_ATTR_NOSUID | MountAttr::MOUNT_ATTR_NOEXEC | MountAttr::MOUNT_ATTR_RDONLY;
        Host::new(source, &path, attributes)
    }

    fn processes(&mut self, dev: Dev, shared: &mut Shared) -> Result<(), SetupFailure> {
        self.add("/proc", What::Proc { writable: self.nested }, Step::Proc, true);
        let again = if self.nested { nested::READ_ONLY } else { &[] };
        // Not every kernel has all of them.
        for path in again.iter().map(Path::new).filter(|path| path.exists()) {
            let relative = c_string(path.strip_prefix("/").unwrap_or(path))?;
            self.add(path, What::ReadOnly(relative), Step::Proc, path.is_dir());
        }
        let mut first_directory = None;
        for &(name, directory) in shared.masked()? {
            let relative = Path::new("proc").join(name);
            let mask = match directory {
                false if dev == Dev::Minimal => What::MaskFile,
                false => What::Tree(Planner::device(view::NULL)?.tree(self.privileged)?),
                true => {
                    let like = first_directory.clone();
                    first_directory.get_or_insert(c_string(&relative)?);
                    What::MaskDirectory { like }
                }
            };
            self.add(Path::new("/").join(relative), mask, Step::Proc, directory);
        }
        Ok(())
    }

    /// Orders the mounts, and finds for each mount point and file the tmpfs that it is made in.
    fn finish(mut self, files: &[InputFile], hostname: &str, shared: &mut Shared) -> Result<Root, SetupFailure> {
        self.drafts.sort_by_key(|draft| depth(&draft.target));
        let mut root = Memory::new(Path::new("/"), ROOT_MEMORY, MountAttr::MOUNT_ATTR_RDONLY);
        root.mode = c"755".to_owned();
        let mut forest = Forest { root, made: self.base.is_none() && self.layers.is_none(), drafts: self.drafts };
        forest.default_files(hostname, self.user)?;
        for (path, to) in &self.links {
            forest.link(path, to)?;
        }
        for at in 0..forest.drafts.len() {
            forest.mount_point(at)?;
        }
        for file in files {
            let path: PathBuf = file.path.components().collect();
            if let Some(layers) = self.layers.as_mut().filter(|_| !forest.is_covered(&path))
                && layers.file(&path, file.mode, &file.data)?
            {
                continue;
            }
            forest.file(&path, file.mode, file.data.clone(), true)?;
        }
        // What was sent in comes on top. Directories and links take an inode each, and no page.
        let content = |node: &Node| match &node.kind {
            NodeKind::File { data, .. } if node.owned => (data.len() as u64).next_multiple_of(PAGE) + PAGE,
            _ => 0,
        };
        let size = ROOT_MEMORY + forest.root.nodes.iter().map(content).sum::<u64>();
        forest.root.size = digits(size);
        forest.root.inodes = digits((ROOT_INODES + forest.root.nodes.len()) as u64);
        let own = forest.own();
        let (mut mounts, mut sketches) = (Vec::with_capacity(own.len()), Vec::with_capacity(own.len()));
        for (Draft { target, what, reach, step, directory }, own) in forest.drafts.into_iter().zip(own) {
            let shown = c_string(&target)?;
            let target = c_string(target.strip_prefix("/").unwrap_or(&target))?;
            mounts.push(Mount { target, shown, directory, own, what: None, reach, step });
            sketches.push(Some(what));
        }
        let writable = self.layers.as_ref().is_some_and(Layers::is_writable);
        let root = forest.root;
        let base = match (self.base, self.layers) {
            (Some(tree), _) => Base::Tree(tree),
            (None, Some(layers)) => layers.base()?,
            // What the caller sent in is this sandbox's alone.
            (None, None) if self.privileged && !root.nodes.iter().any(|node| node.owned) => {
                Base::Tree(Tree::Cloned(shared.root(root, &mounts, &mut sketches)?))
            }
            (None, None) => Base::Memory(root),
        };
        for (mount, sketch) in mounts.iter_mut().zip(sketches) {
            mount.what = sketch.map(|sketch| sketch.what(shared)).transpose()?;
        }
        Ok(Root { base, user: self.user, nested: self.nested, mounts, writable, bounded: self.bounded })
    }
}

/// The root's tmpfs and the mounts on it.
struct Forest {
    root: Memory,
    /// Whether the root is that tmpfs, and not a tree of the caller's.
    made: bool,
    drafts: Vec<Draft>,
}

/// The mount that `path` lies in, the last of those in order, and the rest of the path. Both are without `.` and doubled
/// slashes, so that their bytes can be compared.
fn above<'p>(drafts: &[Draft], path: &'p Path) -> Option<(usize, &'p Path)> {
    let path = path.as_os_str().as_bytes();
    drafts.iter().enumerate().rev().find_map(|(at, draft)| {
        let rest = path.strip_prefix(draft.target.as_os_str().as_bytes())?.strip_prefix(b"/")?;
        Some((at, Path::new(std::ffi::OsStr::from_bytes(rest))))
    })
}

/// How many names a path has.
fn depth(path: &Path) -> usize {
    path.as_os_str().as_bytes().iter().filter(|byte| **byte == b'/').count()
}

impl Forest {
    fn is_covered(&self, path: &Path) -> bool {
        self.drafts.iter().any(|draft| path.starts_with(&draft.target))
    }

    /// The tmpfs that `path` lies in, and the rest of the path; nothing where it lies in a host tree or in /proc.
    fn memory_of<'p>(&mut self, path: &'p Path) -> Option<(&mut Memory, &'p Path)> {
        match above(&self.drafts, path) {
            None => self.made.then(|| (&mut self.root, path.strip_prefix("/").unwrap_or(path))),
            Some((at, rest)) => match &mut self.drafts[at].what {
                Sketch::Init(What::Memory(memory)) => Some((memory, rest)),
                _ => None,
            },
        }
    }

    /// For each mount, whether its path leads only through what this crate has made, or the kernel.
    fn own(&self) -> Vec<bool> {
        let mut own: Vec<bool> = Vec::with_capacity(self.drafts.len());
        for draft in &self.drafts {
            own.push(match above(&self.drafts, &draft.target) {
                None => self.made,
                Some((at, _)) => {
                    let Draft { what, reach, .. } = &self.drafts[at];
                    let ours = matches!(what, Sketch::Init(What::Memory(_) | What::Proc { .. }));
                    let made = ours || *reach == Reach::Devices;
                    made && own.get(at) == Some(&true)
                }
            });
        }
        own
    }

    fn mount_point(&mut self, at: usize) -> Result<(), SetupFailure> {
        let (target, directory) = (self.drafts[at].target.clone(), self.drafts[at].directory);
        let Some((memory, rest)) = self.memory_of(&target) else { return Ok(()) };
        let links_there = memory.nodes.iter().filter(|node| matches!(node.kind, NodeKind::Link(_)));
        let through = |node: &Node| rest.starts_with(Path::new(std::ffi::OsStr::from_bytes(node.path.as_bytes())));
        if links_there.into_iter().any(through) {
            return Err(SetupFailure::new(Step::Bind, libc::ELOOP, Some(target.display().to_string())));
        }
        match directory {
            true => memory.directories(rest, false),
            // A file that is made up there anyway, such as /etc/hosts, can be mounted on.
            false if memory.has(rest) => Ok(()),
            false => memory.file(rest, 0o444, Vec::new(), false),
        }
    }

    fn default_files(&mut self, hostname: &str, user: User) -> Result<(), SetupFailure> {
        let fixed = view::FILES.iter().map(|&(path, text)| (path, text.to_owned()));
        for (path, text) in view::named_files(hostname, user).into_iter().chain(fixed) {
            self.file(&Path::new("/").join(path), 0o644, text.into_bytes(), false)?;
        }
        Ok(())
    }

    fn file(&mut self, path: &Path, mode: u32, data: Vec<u8>, owned: bool) -> Result<(), SetupFailure> {
        match self.memory_of(path) {
            Some((memory, rest)) => memory.file(rest, mode, data, owned),
            // The caller's own tree is mounted over what would have been made up there.
            None if !owned => Ok(()),
            None => Err(SetupFailure::new(Step::Files, libc::EROFS, Some(path.display().to_string()))),
        }
    }

    fn link(&mut self, path: &Path, to: &Path) -> Result<(), SetupFailure> {
        let (path_in, to) = (path, c_string(to)?);
        match self.memory_of(path_in) {
            Some((memory, rest)) => {
                if let Some(parent) = rest.parent().filter(|it| !it.as_os_str().is_empty()) {
                    memory.directories(parent, false)?;
                }
                memory.add(rest, NodeKind::Link(to), false)
            }
            None => Ok(()),
        }
    }
}

impl Memory {
    pub(super) fn new(at: &Path, size: u64, attributes: MountAttr) -> Memory {
        // Inodes are kernel memory that the size does not count: a million empty files would be free.
        let inodes = (size / PAGE).clamp(256, 1 << 20);
        Memory {
            at: at.to_owned(),
            size: digits(size.max(1).next_multiple_of(PAGE)),
            inodes: digits(inodes),
            mode: c"1777".to_owned(),
            nodes: Vec::new(),
            attributes: attributes | MountAttr::MOUNT_ATTR_NOSUID | MountAttr::MOUNT_ATTR_NODEV,
        }
    }

    /// A directory and those above it that are not there yet.
    pub(super) fn directories(&mut self, path: &Path, owned: bool) -> Result<(), SetupFailure> {
        let mut above: Vec<&Path> = path.ancestors().filter(|it| !it.as_os_str().is_empty()).collect();
        above.reverse();
        for path in above {
            if !self.has(path) {
                self.add(path, NodeKind::Directory, owned)?;
            }
        }
        Ok(())
    }

    pub(super) fn file(&mut self, path: &Path, mode: u32, data: Vec<u8>, owned: bool) -> Result<(), SetupFailure> {
        if let Some(parent) = path.parent() {
            self.directories(parent, owned)?;
        }
        self.add(path, NodeKind::File { mode, data }, owned)
    }

    fn has(&self, path: &Path) -> bool {
        self.nodes.iter().any(|node| node.path.as_bytes() == path.as_os_str().as_bytes())
    }

    pub(super) fn add(&mut self, path: &Path, kind: NodeKind, owned: bool) -> Result<(), SetupFailure> {
        self.nodes.push(Node { path: c_string(path)?, shown: c_string(&self.at.join(path))?, kind, owned });
        Ok(())
    }
}

fn digits(number: u64) -> CString {
    CString::new(number.to_string()).unwrap_or_default()
}

fn stat(fd: &OwnedFd, path: &Path) -> Result<FileStat, SetupFailure> {
    fstat(fd).map_err(host::failed(path))
}

fn is_kind(status: &FileStat, kind: SFlag) -> bool {
    status.st_mode & SFlag::S_IFMT.bits() == kind.bits()
}

pub(super) fn c_string(path: &Path) -> Result<CString, SetupFailure> {
    CString::new(path.as_os_str().as_bytes())
        .map_err(|_| SetupFailure::new(Step::Request, libc::EINVAL, Some(path.display().to_string())))
}

/// A warning if the program's user can't write to a writable tree.
fn unwritable(source: &OwnedFd, bind: &Bind, ids: Ids, user: User) -> Result<Option<String>, SetupFailure> {
    let status = stat(source, &bind.source)?;
    let User { uid, gid } = ids.on_host(user);
    let writable = match ids {
        Ids::Single { .. } => {
            faccessat(source, c"", AccessFlags::W_OK, nix::fcntl::AtFlags::AT_EACCESS | EMPTY_PATH).is_ok()
        }
        Ids::Range { .. } if status.st_uid == uid => status.st_mode & 0o200 != 0,
        Ids::Range { .. } if status.st_gid == gid => status.st_mode & 0o020 != 0,
        Ids::Range { .. } => status.st_mode & 0o002 != 0,
    };
    if writable {
        return Ok(None);
    }
    let advice = match ids {
        Ids::Range { .. } => "let others write there (chmod o+w), or run this unprivileged, as the owner",
        Ids::Single { .. } => "let the caller write there",
    };
    Ok(Some(format!(
        "{} is owned by {}:{} with mode {:04o}, so the program (host uid {uid}) can't write to it though it is bound \
         writable: {advice}",
        bind.source.display(),
        status.st_uid,
        status.st_gid,
        status.st_mode & 0o7777
    )))
}

const EMPTY_PATH: nix::fcntl::AtFlags = nix::fcntl::AtFlags::AT_EMPTY_PATH;
