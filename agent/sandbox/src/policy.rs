//! What a sandbox shows and allows: the caller's words, checked before anything is done.
//!
//! `Policy::default()` is the safest policy that runs ordinary programs: a read-only view of the host's `/usr`, a
//! small `/tmp`, no network but loopback, 256 processes, 1 GiB of data for each, one minute of wall clock.
//!
//! Attacks stopped here: a mount over `/proc`, `/dev` or the root that would hide or replace the sandbox's own; `..` and
//! relative paths that mean different things outside and inside; a host's `/proc` bound in (its processes, their
//! memory and environment; where a name leads is looked at in `rootfs/host.rs`); a newline in a host name that forges a line of `/etc/hosts`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use rustix::thread::CpuSet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::seccomp::SeccompProfile;

/// Where programs start and what `/tmp` is, unless the policy says otherwise.
pub(crate) const TMP: &str = "/tmp";

/// Where the box is.
pub(crate) const BOX: &str = "/box";

/// Their names have to fit the 255 bytes that fsconfig(2) takes.
const MOST_LAYERS: usize = 100;

/// What ids that aren't mapped show as, overflowuid of proc_sys_kernel(5).
const NOBODY: u32 = 65_534;

/// Everything that a sandbox is made from, except the program itself ([`crate::Request`]).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Policy {
    /// A directory of the host that is the root inside, read-only, instead of the default view of the host. It needs
    /// directories `proc`, `dev` and `tmp` to mount on (`tmp` alone where `proc` and `dev` are `none`), and one or a file for
    /// each other mount.
    pub root: Option<PathBuf>,
    /// Directories that are layers of an image, the uppermost first as overlayfs has them: together they are the root inside,
    /// read-only, or, with [`Limits::disk`], writable in memory. Whiteouts and opaque directories are overlayfs's. As root
    /// an image's ids 0 to 65,535 are the sandbox's; else the layers are the caller's. Where the root can't be written to
    /// it needs directories to mount on, as `root` does.
    pub image_layers: Vec<PathBuf>,
    /// A directory of the host that is `/box` inside, writable, and is kept: what one run makes there, the next one has.
    /// It is made if it isn't there; one that is has to be empty, or a box, and the caller's own. The files themselves lie
    /// in `files` in it. One sandbox at a time has it.
    #[serde(rename = "box")]
    pub box_directory: Option<PathBuf>,
    /// Host trees shown inside, besides the default view of `/usr`.
    pub mounts: Vec<Bind>,
    /// Empty, writable, size-limited file systems; `/tmp` (64 MiB) and `/dev/shm` (64 MiB) are there unless named here.
    pub tmpfs: Vec<Tmpfs>,
    /// What of `/proc` is there.
    pub proc: Proc,
    /// What of `/dev` is there.
    pub dev: Dev,
    /// Variables added to (or replacing) `PATH`, `HOME`, `LANG`. Nothing of the caller's environment is passed on.
    pub env: BTreeMap<String, String>,
    /// The working directory, a path inside. `None` is `/box` where there is one, else `/tmp`.
    pub cwd: Option<PathBuf>,
    /// The program's user id inside, 1 to 65533. As root it is one of the sandbox's own range outside; else the caller's.
    pub uid: u32,
    /// Its group id inside, 1 to 65533.
    pub gid: u32,
    /// The host name inside (UTS namespace and `/etc/hostname`).
    pub hostname: String,
    /// What of the network is there.
    pub net: Network,
    /// Which system calls the program may make.
    pub seccomp: Seccomp,
    /// What the default system call filter refuses and this program needs.
    pub allow: Vec<Allow>,
    /// Whether addresses are randomised (personality(2)): off, runs are alike, and bugs are easier to use.
    pub aslr: bool,
    /// Whether Landlock is a second wall for the file tree.
    pub landlock: Landlock,
    /// Whether the program may make sandboxes of its own inside. This takes walls away, and a warning names them: Landlock,
    /// since it forbids mounts; the filter's refusal of namespaces and mounts; and, in a namespace that the program
    /// makes, the masks of `/proc`. What the host's namespaces, ids, capabilities and limits hold, they hold still.
    pub nested: bool,
    /// What the program may use.
    pub limits: Limits,
}

/// `/proc` inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Proc {
    /// The sandbox's own, masked.
    #[default]
    Own,
    /// None: a program that only computes needs none. `/dev/fd`, thread names and many languages' start-up do.
    None,
}

/// `/dev` inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Dev {
    /// null, zero, full, random, urandom, tty, pts, shm, and links to the standard streams.
    #[default]
    Minimal,
    /// None.
    None,
}

/// The network inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Network {
    /// No interface is up: not even 127.0.0.1 can be reached.
    None,
    /// The sandbox's own 127.0.0.1 and ::1.
    #[default]
    Loopback,
}

/// The filter of system calls.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Seccomp {
    /// What ordinary programs need.
    #[default]
    Default,
    /// What a program needs that only computes: threads, files and memory, but no other process, socket, System V
    /// object or memfd, and no change of a file's mode, owner or attributes.
    Strict,
    /// The default, less what this profile refuses.
    Profile(Box<SeccompProfile>),
}

/// A part of the kernel that the default filter keeps from programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Allow {
    /// ptrace(2) and process_vm_readv(2) among the sandbox's own processes: debuggers, LeakSanitizer.
    Ptrace,
}

/// Landlock, behind the mounts: what they don't allow is refused once more, also for files that are reached past them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Landlock {
    /// Where the kernel has ABI 2 or later (Linux 5.19); elsewhere a warning says that it is absent.
    #[default]
    Auto,
    /// Nothing runs without it.
    Required,
    /// Not used.
    Off,
}

/// A host tree shown inside. It is always `nosuid` and `nodev`, and so is everything mounted below it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Bind {
    /// An absolute path on the host: a directory or a file.
    pub source: PathBuf,
    /// An absolute path inside; made there if it does not exist.
    pub target: PathBuf,
    /// Whether the program may write. It grants no ownership: the host's file modes still apply.
    #[serde(default)]
    pub mode: Access,
}

/// Whether a bound tree may be written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Access {
    /// Read-only, recursively.
    #[default]
    Ro,
    /// Writable, as far as the files' own modes allow.
    Rw,
}

/// An empty writable file system in memory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tmpfs {
    /// An absolute path inside.
    pub target: PathBuf,
    /// Its size in bytes.
    pub size: u64,
}

/// What a program may use. `None` is no limit, unless it is said to be another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Bytes: of all memory of the sandbox, files in its tmpfs too (memory.max, without swap); with
    /// [`LimitsMode::RlimitOnly`], of private writable memory of each process (RLIMIT_DATA, setrlimit(2)).
    pub memory: Option<u64>,
    /// Processes and threads of the sandbox together (pids.max; or RLIMIT_NPROC in its own user namespace).
    pub pids: Option<u32>,
    /// CPU time in each 0.1 s of wall clock, in thousandths of a processor: 1500 is one and a half (cpu.max). Needs
    /// [`LimitsMode::Required`].
    pub millicpus: Option<u32>,
    /// The share of the processors among those who want them, 1 to 10,000; others have 100 (cpu.weight). Needs
    /// [`LimitsMode::Required`].
    pub cpu_weight: Option<u16>,
    /// CPU time of each process (RLIMIT_CPU), rounded up to whole seconds.
    #[serde(rename = "cpu_time_ms", with = "millis")]
    #[schemars(with = "Option<u64>")]
    pub cpu_time: Option<Duration>,
    /// Wall clock from the program's start; at its end every process of the sandbox gets SIGKILL.
    #[serde(rename = "wall_ms", with = "millis")]
    #[schemars(with = "Option<u64>")]
    pub wall: Option<Duration>,
    /// Between SIGTERM at the end of the wall clock and SIGKILL. `None`: SIGKILL at once.
    #[serde(rename = "wall_grace_ms", with = "millis")]
    #[schemars(with = "Option<u64>")]
    pub wall_grace: Option<Duration>,
    /// The CPUs that the program may run on, by number; empty is all that the caller may. It can't change them.
    pub cpus_allowed: Vec<u16>,
    /// Bytes of each file that is written (RLIMIT_FSIZE); what would be more gives SIGXFSZ. `None` is 4 GiB.
    pub file_size: Option<u64>,
    /// Bytes in what is like a disk: `/tmp`, and with image layers the root, which can be written to then, both together.
    /// It is memory, a part of [`Limits::memory`]. As much again the box can hold, by a project quota of its file system, which
    /// only root can set. `None` is 64 MiB for `/tmp`, and no bound on the box beyond what it had. What the caller mounts,
    /// and `/dev/shm`, have sizes of their own.
    pub disk: Option<u64>,
    /// Open files of each process (RLIMIT_NOFILE). `None` is 1,024, which a program can raise to 16,384.
    pub open_files: Option<u32>,
    /// Bytes of each process's stack (RLIMIT_STACK). `None` is 8 MiB, which a program can raise to 64 MiB.
    pub stack: Option<u64>,
    /// Bytes of standard output and error together. Whoever carries the output counts them, and ends the sandbox by
    /// [`crate::Sandbox::end_for_output`]: the command does, and a caller of the library that sets this has to.
    pub output: Option<u64>,
    /// Whether limits on the whole sandbox are demanded.
    pub mode: LimitsMode,
}

/// How limits are enforced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LimitsMode {
    /// The whole sandbox is limited, by cgroup v2, or nothing runs: nobody runs with less without having said so.
    #[default]
    Required,
    /// rlimits alone: memory and CPU time bound each process and not their sum, and memfds are not counted.
    RlimitOnly,
}

impl Default for Policy {
    fn default() -> Self {
        Policy {
            root: None,
            image_layers: Vec::new(),
            box_directory: None,
            mounts: Vec::new(),
            tmpfs: Vec::new(),
            proc: Proc::default(),
            dev: Dev::default(),
            env: BTreeMap::new(),
            cwd: None,
            uid: 1000,
            gid: 1000,
            hostname: "sandbox".to_owned(),
            net: Network::default(),
            seccomp: Seccomp::default(),
            allow: Vec::new(),
            aslr: true,
            landlock: Landlock::default(),
            nested: false,
            limits: Limits::default(),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            memory: Some(1 << 30),
            pids: Some(256),
            millicpus: None,
            cpu_weight: None,
            cpu_time: None,
            wall: Some(Duration::from_secs(60)),
            wall_grace: None,
            cpus_allowed: Vec::new(),
            file_size: None,
            disk: None,
            open_files: None,
            stack: None,
            output: None,
            mode: LimitsMode::default(),
        }
    }
}

/// Why a policy or a request is refused before anything is tried.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// A path that has to be absolute and plain is not.
    #[error("{what} `{}` {why}", .path.display())]
    Path {
        /// What the path is for.
        what: &'static str,
        /// The path as given.
        path: PathBuf,
        /// What is wrong with it, and what to write instead.
        why: &'static str,
    },
    /// A profile of system calls.
    #[error("the seccomp profile {0}")]
    Seccomp(String),
    /// Something other than a path.
    #[error("{what} {value:?} {why}")]
    Value {
        /// What the value is for.
        what: &'static str,
        /// The value as given.
        value: String,
        /// What is wrong with it, and what to write instead.
        why: &'static str,
    },
}

impl Policy {
    /// Refuses what can't work or would undo the sandbox; nothing of the host is looked at.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check(&self) -> Result<(), PolicyError> {
        if let Some(root) = &self.root {
            check_source(&Bind { source: root.clone(), target: PathBuf::from("/"), mode: Access::Ro })?;
        }
        self.check_layers()?;
        let mut targets = BTreeSet::new();
        if let Some(directory) = &self.box_directory {
            inside("the box", directory)?;
            check_target(Path::new(BOX), &mut targets)?;
        }
        for bind in &self.mounts {
            check_source(bind)?;
            check_target(&bind.target, &mut targets)?;
        }
        for tmpfs in &self.tmpfs {
            check_target(&tmpfs.target, &mut targets)?;
            check_size("the size of a tmpfs", tmpfs.size)?;
        }
        inside("the working directory", self.working_directory())?;
        self.check_names()?;
        self.check_calls()?;
        self.limits.check()
    }

    fn check_layers(&self) -> Result<(), PolicyError> {
        for layer in &self.image_layers {
            check_source(&Bind { source: layer.clone(), target: PathBuf::from("/"), mode: Access::Ro })?;
        }
        if self.image_layers.len() > MOST_LAYERS {
            let why = "are more than 100, which is all that every kernel takes: put some of them together";
            return Err(value("the image's layers", &self.image_layers.len().to_string(), why));
        }
        if self.root.is_some() && !self.image_layers.is_empty() {
            return Err(value("the root directory", "", "and image layers are both the root: name one of the two"));
        }
        Ok(())
    }

    /// Where the program starts, a path inside.
    #[must_use]
    pub fn working_directory(&self) -> &Path {
        let default = || Path::new(if self.box_directory.is_some() { BOX } else { TMP });
        self.cwd.as_deref().unwrap_or_else(default)
    }

    fn check_calls(&self) -> Result<(), PolicyError> {
        if self.nested && self.landlock == Landlock::Required {
            let why = "forbids the mounts that a nested sandbox is made of: take one of the two";
            return Err(value("Landlock", "required", why));
        }
        if self.nested && self.proc == Proc::None {
            let why = "has no processes for a nested sandbox to write the id maps of: take one of the two";
            return Err(value("/proc", "none", why));
        }
        if self.nested && self.proc == Proc::None {
            let why = "leaves nowhere to write the ids of a nested sandbox: take one of the two";
            return Err(value("/proc", "none", why));
        }
        if self.nested && self.seccomp == Seccomp::Strict {
            let why = "refuses the namespaces that a nested sandbox is made of: take one of the two";
            return Err(value("the filter of system calls", "strict", why));
        }
        match &self.seccomp {
            Seccomp::Profile(profile) => profile.check().map_err(PolicyError::Seccomp),
            Seccomp::Strict if !self.allow.is_empty() => {
                let why = "is refused by the strict filter, whatever else is said: take one of the two";
                Err(value("what is allowed", "ptrace", why))
            }
            Seccomp::Strict | Seccomp::Default => Ok(()),
        }
    }

    fn check_names(&self) -> Result<(), PolicyError> {
        for (what, id) in [("the user id inside", self.uid), ("the group id inside", self.gid)] {
            if !(1..NOBODY).contains(&id) {
                let why = "is not 1 to 65533: 0 would own the sandbox's files, and 65534 is what others' show as";
                return Err(value(what, &id.to_string(), why));
            }
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
        if self.hostname.is_empty() || self.hostname.len() > 64 || !self.hostname.chars().all(plain) {
            let why = "is not 1 to 64 letters, digits, `-` and `.`";
            return Err(value("the host name", &self.hostname, why));
        }
        for (name, content) in &self.env {
            if name.is_empty() || name.contains(['=', '\0']) {
                return Err(value("the variable's name", name, "is empty, or has `=` or a NUL in it"));
            }
            if content.contains('\0') {
                return Err(value("the value of the variable", name, "has a NUL in it, where it would end"));
            }
        }
        Ok(())
    }
}

impl Limits {
    fn check(&self) -> Result<(), PolicyError> {
        let zero = |what, is_zero| match is_zero {
            true => Err(value(what, "0", "lets nothing run: give a larger one, or none")),
            false => Ok(()),
        };
        zero("the memory limit", self.memory == Some(0))?;
        zero("the limit of processes", self.pids == Some(0))?;
        if let Some(cpu) = self.cpus_allowed.iter().find(|cpu| usize::from(**cpu) >= CpuSet::MAX_CPU) {
            return Err(value("the CPU", &cpu.to_string(), "is above the last that can be named, 1023"));
        }
        if self.wall_grace.is_some() && self.wall.is_none() {
            return Err(value("the grace after the wall clock", "", "means nothing without a wall clock: give one"));
        }
        zero("the number of open files", self.open_files == Some(0))?;
        self.disk.map_or(Ok(()), |size| check_size("the size of the disk", size))?;
        zero("the stack", self.stack == Some(0))?;
        if self.cpu_weight.is_some_and(|weight| !(1..=10_000).contains(&weight)) {
            let why = "is not 1 to 10000, which cgroup v2 takes";
            return Err(value("the CPU weight", &self.cpu_weight.unwrap_or_default().to_string(), why));
        }
        if self.millicpus.is_some_and(|millicpus| millicpus < 10) {
            let why = "thousandths of a processor are less than the kernel takes: give 0.01 processors (10) or more";
            return Err(value("the CPU quota", &self.millicpus.unwrap_or_default().to_string(), why));
        }
        if self.mode == LimitsMode::RlimitOnly && (self.millicpus.is_some() || self.cpu_weight.is_some()) {
            let why = "can't bound processors: leave quota and weight out, or require cgroup limits";
            return Err(value("the kind of limits", "rlimit-only", why));
        }
        zero("the CPU time", self.cpu_time.is_some_and(|time| time.is_zero()))?;
        zero("the wall clock", self.wall.is_some_and(|time| time.is_zero()))
    }
}

fn value(what: &'static str, value: &str, why: &'static str) -> PolicyError {
    PolicyError::Value { what, value: value.to_owned(), why }
}

fn check_size(what: &'static str, size: u64) -> Result<(), PolicyError> {
    if size == 0 {
        // The kernel takes size=0 for "no limit".
        return Err(value(what, "0", "is no size: give bytes, or K, M, G after a number"));
    }
    if i64::try_from(size).is_err() {
        let why = "is more bytes than a file system can have: give what the program needs";
        return Err(value(what, &size.to_string(), why));
    }
    Ok(())
}

fn check_source(bind: &Bind) -> Result<(), PolicyError> {
    let refuse = |why| Err(PolicyError::Path { what: "the host's path", path: bind.source.clone(), why });
    let source = inside("the host's path", &bind.source)?;
    if source.starts_with("/proc") {
        return refuse("shows the host's processes: the sandbox has a /proc of its own");
    }
    let writable = bind.mode == Access::Rw;
    if writable && source == Path::new("/") {
        return refuse("would be the whole host, writable: name the directory that is meant");
    }
    if writable && source.starts_with("/sys") {
        return refuse("would let the program configure the host: it can only be bound read-only");
    }
    Ok(())
}

fn check_target(target: &Path, seen: &mut BTreeSet<PathBuf>) -> Result<(), PolicyError> {
    let refuse = |why| Err(PolicyError::Path { what: "the path inside", path: target.to_owned(), why });
    let clean = inside("the path inside", target)?;
    if clean == Path::new("/") {
        return refuse("is the sandbox's own root: name a path below it");
    }
    if clean.starts_with("/proc") || (clean.starts_with("/dev") && clean != Path::new("/dev/shm")) {
        return refuse("is the sandbox's own /proc or /dev: name another path");
    }
    if clean.starts_with("/sys/fs/cgroup") {
        return refuse("is where the sandbox shows its own limits: name another path");
    }
    if !seen.insert(clean) {
        return refuse("is named twice: one mount would hide the other");
    }
    Ok(())
}

/// `path` without `.` and doubled slashes; it must be absolute, without `..`, NUL and newlines.
pub(crate) fn inside(what: &'static str, path: &Path) -> Result<PathBuf, PolicyError> {
    let refuse = |why| Err(PolicyError::Path { what, path: path.to_owned(), why });
    if !path.is_absolute() {
        return refuse("is not absolute: begin it with `/`");
    }
    let bytes = path.as_os_str().as_encoded_bytes();
    if bytes.contains(&0) || bytes.contains(&b'\n') {
        return refuse("has a NUL or a newline in it");
    }
    if path.to_str().is_none() {
        return refuse("is not UTF-8, and requests travel as JSON: rename it, or bind a directory above it");
    }
    if bytes.len() > 4000 {
        return refuse("is longer than the kernel takes (4,096 bytes with what is put before it)");
    }
    if path.components().any(|part| part == Component::ParentDir) {
        return refuse("has `..` in it, which means one thing outside and another inside: write it out");
    }
    Ok(path.components().collect())
}

/// Durations in JSON are whole milliseconds.
mod millis {
    use super::Duration;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(time: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
        time.map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX)).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
        Ok(Option::<u64>::deserialize(deserializer)?.map(Duration::from_millis))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy() -> Policy {
        Policy { limits: Limits { mode: LimitsMode::RlimitOnly, ..Limits::default() }, ..Policy::default() }
    }

    fn bind(source: &str, target: &str, mode: Access) -> Policy {
        Policy { mounts: vec![Bind { source: source.into(), target: target.into(), mode }], ..policy() }
    }

    #[test]
    fn the_default_demands_limits_on_the_whole_and_rlimits_alone_bound_no_processor() {
        assert_eq!(Policy::default().limits.mode, LimitsMode::Required);
        assert_eq!((Policy::default().check(), policy().check()), (Ok(()), Ok(())));
        let quota = |mode, millicpus, cpu_weight| Policy {
            limits: Limits { mode, millicpus, cpu_weight, ..Limits::default() },
            ..Policy::default()
        };
        assert_eq!(quota(LimitsMode::Required, Some(1500), Some(10_000)).check(), Ok(()));
        for (mode, millicpus, weight) in [
            (LimitsMode::RlimitOnly, Some(1500), None),
            (LimitsMode::RlimitOnly, None, Some(100)),
            (LimitsMode::Required, Some(9), None),
            (LimitsMode::Required, None, Some(0)),
            (LimitsMode::Required, None, Some(10_001)),
        ] {
            assert!(quota(mode, millicpus, weight).check().is_err(), "{mode:?} {millicpus:?} {weight:?}");
        }
    }

    #[test]
    fn mounts_that_would_undo_the_sandbox_are_refused() {
        for (source, target, mode) in [
            ("/", "/host", Access::Rw),
            ("/proc", "/data", Access::Ro),
            ("/proc/1/root", "/data", Access::Ro),
            ("/sys/kernel", "/data", Access::Rw),
            ("/data", "/", Access::Ro),
            ("/data", "/proc/sys", Access::Rw),
            ("/data", "/dev", Access::Ro),
            ("/data", "/sys/fs/cgroup", Access::Ro),
            ("/data", "relative", Access::Ro),
            ("relative", "/data", Access::Ro),
            ("/data/../etc", "/data", Access::Ro),
            ("/data", "/a/../../b", Access::Ro),
            ("/data\n", "/data", Access::Ro),
            ("/data", "/a\0b", Access::Ro),
        ] {
            assert!(bind(source, target, mode).check().is_err(), "{source:?} at {target:?} was taken");
        }
        assert_eq!(bind("/", "/host", Access::Ro).check(), Ok(()));
        assert_eq!(bind("/data", "/data", Access::Rw).check(), Ok(()));
    }

    #[test]
    fn one_path_inside_is_one_mount() {
        let mut policy = bind("/a", "/data", Access::Ro);
        policy.tmpfs = vec![Tmpfs { target: "/data/.".into(), size: 1 }];
        assert!(policy.check().is_err());
    }

    #[test]
    fn names_that_could_forge_another_line_or_variable_are_refused() {
        for hostname in ["", "a b", "a\n127.0.0.1 bank", &"x".repeat(65)] {
            assert!(Policy { hostname: hostname.to_owned(), ..policy() }.check().is_err(), "{hostname:?}");
        }
        for (name, content) in [("", "x"), ("A=B", "x"), ("A", "x\0y")] {
            let env = BTreeMap::from([(name.to_owned(), content.to_owned())]);
            assert!(Policy { env, ..policy() }.check().is_err(), "{name:?}");
        }
        let env = BTreeMap::from([("A".to_owned(), "a newline\nis data".to_owned())]);
        assert_eq!(Policy { env, ..policy() }.check(), Ok(()));
    }

    #[test]
    fn a_policy_survives_json_and_unknown_keys_do_not() {
        let policy = Policy { tmpfs: vec![Tmpfs { target: "/scratch".into(), size: 4096 }], ..policy() };
        let text = serde_json::to_string(&policy).unwrap();
        assert!(text.contains("\"wall_ms\":60000"), "{text}");
        assert_eq!(serde_json::from_str::<Policy>(&text).unwrap(), policy);
        assert!(serde_json::from_str::<Policy>("{\"mount\":[]}").is_err());
    }
}
