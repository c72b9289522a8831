//! The steps that make a sandbox, about in their order, and what to do when one fails.
//!
//! A step travels from init as one byte; people read its name. The hints are data: one row for each cause that users
//! of such sandboxes meet.

use serde::{Deserialize, Serialize};

/// A step of making a sandbox. The names are those in messages and in the result's JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[repr(u8)]
pub enum Step {
    /// Reading the request, and resources of the runner itself (descriptors, memory).
    Request,
    /// Opening a host path that is to be shown inside.
    HostPath,
    /// Finding a range of ids that no other sandbox has.
    IdRange,
    /// The layers of an image, and the overlay of them.
    Layers,
    /// The box: the directory that is kept between runs.
    Box,
    /// A bound on what the box can hold.
    Disk,
    /// A cgroup with the limits of the whole sandbox.
    Cgroup,
    /// clone3(2) into the new namespaces.
    Clone,
    /// Writing the id maps.
    IdMap,
    /// Closing what init must not hold.
    InitDescriptors,
    /// Taking the namespace's ids.
    Identity,
    /// Cutting mount propagation from and to the host.
    Propagation,
    /// The root file system.
    Root,
    /// The files that were sent in, and those that are made up (passwd, hosts, ...).
    Files,
    /// Mounting a host tree inside.
    Bind,
    /// A writable file system in memory.
    Tmpfs,
    /// /proc and its masks.
    Proc,
    /// /dev.
    Dev,
    /// pivot_root(2) and detaching the host's root.
    PivotRoot,
    /// Making the root read-only.
    ReadOnly,
    /// The host name.
    Hostname,
    /// The loopback interface.
    Loopback,
    /// Giving up capabilities.
    Capabilities,
    /// no_new_privs, dumpable, the parent-death signal.
    Process,
    /// Starting the workload's process.
    Workload,
    /// A new session without a terminal.
    Session,
    /// Standard input, output and error, and closing all else.
    Stdio,
    /// The working directory.
    Cwd,
    /// Resource limits.
    Limits,
    /// Landlock's rules for the file tree.
    Landlock,
    /// The seccomp filter.
    Seccomp,
    /// Executing the program.
    Exec,
    /// Joining the namespaces of a running sandbox.
    Enter,
}

/// All steps, in order; a step's byte is its place here.
const ALL: [Step; 33] = [
    Step::Request,
    Step::HostPath,
    Step::IdRange,
    Step::Layers,
    Step::Box,
    Step::Disk,
    Step::Cgroup,
    Step::Clone,
    Step::IdMap,
    Step::InitDescriptors,
    Step::Identity,
    Step::Propagation,
    Step::Root,
    Step::Files,
    Step::Bind,
    Step::Tmpfs,
    Step::Proc,
    Step::Dev,
    Step::PivotRoot,
    Step::ReadOnly,
    Step::Hostname,
    Step::Loopback,
    Step::Capabilities,
    Step::Process,
    Step::Workload,
    Step::Session,
    Step::Stdio,
    Step::Cwd,
    Step::Limits,
    Step::Landlock,
    Step::Seccomp,
    Step::Exec,
    Step::Enter,
];

impl Step {
    /// The step that a byte of init's record stands for.
    pub(crate) fn from_byte(byte: u8) -> Option<Step> {
        ALL.get(usize::from(byte)).copied()
    }

    /// The name in messages.
    fn name(self) -> &'static str {
        match self {
            Step::Request => "request",
            Step::HostPath => "host-path",
            Step::IdRange => "id-range",
            Step::Layers => "layers",
            Step::Box => "box",
            Step::Disk => "disk",
            Step::Cgroup => "cgroup",
            Step::Clone => "clone",
            Step::IdMap => "id-map",
            Step::InitDescriptors => "init-descriptors",
            Step::Identity => "identity",
            Step::Propagation => "propagation",
            Step::Root => "root",
            Step::Files => "files",
            Step::Bind => "bind",
            Step::Tmpfs => "tmpfs",
            Step::Proc => "proc",
            Step::Dev => "dev",
            Step::PivotRoot => "pivot-root",
            Step::ReadOnly => "read-only",
            Step::Hostname => "hostname",
            Step::Loopback => "loopback",
            Step::Capabilities => "capabilities",
            Step::Process => "process",
            Step::Workload => "workload",
            Step::Session => "session",
            Step::Stdio => "stdio",
            Step::Cwd => "cwd",
            Step::Limits => "limits",
            Step::Landlock => "landlock",
            Step::Seccomp => "seccomp",
            Step::Exec => "exec",
            Step::Enter => "enter",
        }
    }
}

impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// One cause: the step, the errors it shows as (none: any), and what to do.
type Row = (Step, &'static [i32], &'static str);

#[rustfmt::skip]
const HINTS: &[Row] = &[
    (Step::Request, &[libc::EINVAL], "it has a NUL in it, where it would end"),
    (Step::HostPath, &[0], "it leads to the host's /proc, has a procfs mounted in it, or would make the host's root or /sys writable: name only the directory that is meant"),
    (Step::HostPath, &[libc::ENOENT, libc::ENOTDIR], "there is no such path on the host: make it, or leave the option out"),
    (Step::HostPath, &[libc::EACCES], "the caller may not look there: check the directories' modes, also those above it"),
    (Step::HostPath, &[libc::ELOOP], "the path leads through a link of /proc, or through too many links: name the real path"),
    (Step::HostPath, &[libc::ENOSPC], NAMESPACES),
    (Step::HostPath, &[libc::EPERM], "mounts need CAP_SYS_ADMIN here: run as root with it, or as a normal user"),
    (Step::IdRange, &[libc::EAGAIN, libc::EACCES], "all ranges of ids are in use: let sandboxes end, or run fewer at once"),
    (Step::IdRange, &[], "/run/holdfast must be a directory that root can write: it holds the lock of the id ranges"),
    (Step::Layers, &[libc::EINVAL], "a layer's file system can't be one, or can't show files under other ids (idmapped mounts): put layers on ext4, xfs or btrfs, \
        with nothing mounted in them"),
    (Step::Layers, &[libc::ELOOP], "a layer is named twice, or lies in another: name each once"),
    (Step::Layers, &[libc::ENODEV], "the kernel has no overlayfs: load it (`modprobe overlay`), or put the layers together into one directory"),
    (Step::Box, &[libc::EAGAIN], "another sandbox has this box: let it end, or give each a box of its own"),
    (Step::Box, &[libc::EPERM], "a box must be owned by who runs this, and so must what is in it: name one of your own, or a path that isn't there yet"),
    (Step::Box, &[libc::ENOTEMPTY], "it has something else in it, and is no box: name an empty directory, or a path that isn't there yet"),
    (Step::Box, &[libc::ENOTDIR, libc::ELOOP], "a box must be a real directory, and no link to one: name the directory itself"),
    (Step::Box, &[libc::ENOENT], "the directory above it isn't there, or the root directory has no directory box to mount on: make it"),
    (Step::Box, &[libc::EACCES], "the caller may not make or enter it: check the directories' modes, also those above it"),
    (Step::Box, &[libc::EINVAL], "its file system can't show files under other ids (idmapped mounts): put the box on ext4, xfs or btrfs (a tmpfs can since Linux 6.3, \
        an overlay can't), or run this unprivileged"),
    (Step::Disk, &[libc::EPERM], "only the host's root can set a quota: run this as root, or leave --disk or --box out"),
    (Step::Disk, &[libc::EOPNOTSUPP, libc::ENOTTY, libc::ENOSYS], "its file system has no project quota that holds: make an ext4 with `mkfs.ext4 -O project,quota` \
        or an xfs for boxes and mount it with `-o prjquota`; or leave --disk or --box out"),
    (Step::Disk, &[libc::EEXIST], "what is in it was made without --disk, and isn't counted: take a new box"),
    (Step::Cgroup, &[0], "limits on the whole sandbox need cgroup v2 with its controllers: boot the host with systemd.unified_cgroup_hierarchy=1, \
        or have them delegated (`Delegate=yes`); or `--limits rlimit-only` (limits.mode = \"rlimit-only\") bounds each process alone"),
    (Step::Cgroup, &[libc::EACCES, libc::EPERM, libc::EROFS], "limits on the whole sandbox need a cgroup that is given to it: run this under \
        `systemd-run --scope -p Delegate=yes` (with --user where you are not root); or `--limits rlimit-only` (limits.mode = \"rlimit-only\") bounds each process alone"),
    (Step::Cgroup, &[], "see cgroup.events and cgroup.procs there; or `--limits rlimit-only` (limits.mode = \"rlimit-only\") bounds each process alone"),
    (Step::Clone, &[libc::ENOSPC, libc::EUSERS], NAMESPACES),
    (Step::Clone, &[libc::EPERM], "the kernel refuses new user namespaces: see the sysctls kernel.unprivileged_userns_clone and \
        kernel.apparmor_restrict_unprivileged_userns, or the seccomp profile of the container around this"),
    (Step::Clone, &[libc::ENOSYS, libc::EINVAL], "the kernel lacks clone3 or a namespace type: Linux 6.1 or later is needed; \
        or a sandbox around this refuses it: give that one --nested"),
    (Step::Clone, &[libc::EAGAIN, libc::ENOMEM], PROCESSES),
    (Step::IdMap, &[libc::EPERM], "the ids are not ours to map: root needs CAP_SETUID and the range in its own /proc/self/uid_map"),
    (Step::Root, &[libc::EPERM], "mounts are refused in new user namespaces: look for an AppArmor or SELinux rule (audit log), or a container's profile"),
    (Step::Propagation, &[libc::EPERM, libc::EACCES], "mounts are refused in new user namespaces: look for an AppArmor or SELinux rule (audit log)"),
    (Step::Hostname, &[libc::EPERM], "new user namespaces come without capabilities here: look for an AppArmor or SELinux rule (audit log), or a container's profile"),
    (Step::Files, &[libc::ENOSPC], "the file system is full: the files sent in must fit the tmpfs that they are put into"),
    (Step::Files, &[libc::EEXIST, libc::EISDIR, libc::ENOTDIR], "another file or a directory has that name: name each file once"),
    (Step::Bind, &[libc::ENOENT], "there is no such path inside the host's tree it lies in, and none is made there: make it on the host, or choose another path"),
    (Step::Bind, &[libc::ELOOP], "the path inside leads through a symbolic link: name the real path"),
    (Step::Bind, &[libc::ENOTDIR, libc::EISDIR], "a directory can be mounted on a directory only, and a file on a file"),
    (Step::Bind, &[libc::EACCES], "the caller may not look there: check the directories' modes, also those above it"),
    (Step::Proc, &[libc::ENOENT], "the root directory has no directory proc to mount on: make an empty one there"),
    (Step::Tmpfs, &[libc::ENOENT], "there is no such directory in the root directory or host tree that it lies in, and none is made there: make it on the host"),
    (Step::Tmpfs, &[libc::ELOOP], "the path inside leads through a symbolic link: name the real path"),
    (Step::Proc, &[libc::EPERM], "the /proc around this is masked (a container's is): give that container an unmasked /proc"),
    (Step::Dev, &[libc::ENOENT], "the host's /dev lacks a device that every program expects, or the root directory has no directory dev to mount on"),
    (Step::PivotRoot, &[libc::EINVAL], "the host's root is the initial ramfs, which pivot_root can't leave: switch to a real root first"),
    (Step::Loopback, &[], "the loopback interface can't be brought up: `--net none` (net = \"none\") runs without one"),
    (Step::Stdio, &[libc::EISDIR], "from a directory the program could walk over the host's files: give a file, a pipe or /dev/null"),
    (Step::Cwd, &[], "the working directory does not exist inside, or can't be entered: name another by --cwd"),
    (Step::Limits, &[0], "the caller's hard limit is 0, at which the kernel hands a program that crashes to the host's core_pattern: have it raised to 1 by who \
        has CAP_SYS_RESOURCE (`prlimit --core=0:1`, or limits.conf)"),
    (Step::Limits, &[libc::EINVAL], "none of those CPUs is there, or the caller may not use them: see /sys/devices/system/cpu/online"),
    (Step::Limits, &[libc::EPERM], "a limit is above the caller's own hard limit: ask for less (see `ulimit -Ha`)"),
    (Step::Landlock, &[libc::ENOSYS], "the kernel lacks Landlock of ABI 2: Linux 5.19 or later with `landlock` in its boot parameter lsm= has it; \
        `--landlock auto` (landlock = \"auto\") runs without this second wall where the kernel has none"),
    (Step::Landlock, &[], "something around this refuses it, such as a container's seccomp profile: let that allow the landlock_* calls; \
        `--landlock off` (landlock = \"off\") runs without this second wall"),
    (Step::Seccomp, &[0], "write the profile as OCI's specification has it, for this architecture"),
    (Step::Seccomp, &[libc::ENOSYS, libc::EINVAL], "the kernel lacks seccomp filters (CONFIG_SECCOMP_FILTER), without which nothing is run"),
    (Step::Workload, &[libc::EAGAIN, libc::ENOMEM], PROCESSES),
    (Step::Exec, &[libc::ENOENT, libc::ENOTDIR], "no such program inside, or its interpreter is missing there: show it by --ro, or give a path below /usr"),
    (Step::Exec, &[libc::EACCES], "the file is not executable for the sandbox's user, or lies on a noexec mount: check its mode"),
    (Step::Exec, &[libc::ENOEXEC], "the file is no program for this machine, or a script without a `#!` line"),
    (Step::Exec, &[libc::E2BIG], "the arguments and variables are too long together"),
    (Step::Enter, &[libc::ESRCH], "the sandbox has ended, or its program has not started"),
    (Step::Enter, &[libc::EAGAIN], "the sandbox has reached its limit of processes (--pids), or the host its own"),
    (Step::Enter, &[libc::EPERM, libc::EACCES], "only who runs a sandbox can enter it; root needs CAP_SYS_ADMIN and CAP_SYS_PTRACE"),
];

const NAMESPACES: &str = "a limit of namespaces is reached: see the sysctls user.max_*_namespaces";
const PROCESSES: &str =
    "the host is out of processes or memory, or the caller has as many processes as it may (`ulimit -u`)";

/// Causes that are the same in each step, if the step has no row for them.
#[rustfmt::skip]
const GENERAL: &[(i32, &str)] = &[
    (libc::ENOSYS, "the kernel lacks a call that this needs (Linux 6.1 or later has them all), or the seccomp profile of a container around this hides it"),
    (libc::EPERM, "something around this refuses it: give a sandbox of Holdfast's around this --nested, and a container a seccomp profile and \
        capabilities that allow namespaces; or see the audit log for AppArmor's or SELinux's"),
    (libc::ENOMEM, "the host is out of memory, or this process may have no more (`ulimit -v`)"),
];

/// What to do about `errno` in `step`.
pub(crate) fn hint(step: Step, errno: i32) -> &'static str {
    if let Some(text) = descriptors(errno) {
        return text;
    }
    if errno == libc::ESTALE {
        return "the path led to something else a moment before: nobody may change it while a sandbox starts; start it again";
    }
    let own = HINTS.iter().find(|(of, errnos, _)| *of == step && (errnos.is_empty() || errnos.contains(&errno)));
    let general = || GENERAL.iter().find(|(of, _)| *of == errno).map(|(_, text)| *text);
    own.map(|(.., text)| *text)
        .or_else(general)
        .unwrap_or("see the manual page of the step's system call; `strace -f` shows it")
}

/// What to do where a process has no descriptor left, whatever it was about to do.
pub(crate) fn descriptors(errno: i32) -> Option<&'static str> {
    matches!(errno, libc::EMFILE | libc::ENFILE)
        .then_some("the runner is out of descriptors: raise `ulimit -n`, or run fewer sandboxes at once")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_survives_its_byte_and_its_name_is_the_same_in_json() {
        for (place, step) in ALL.into_iter().enumerate() {
            assert_eq!(step as usize, place);
            assert_eq!(Step::from_byte(step as u8), Some(step));
            assert_eq!(serde_json::to_string(&step).unwrap(), format!("\"{step}\""));
        }
        assert_eq!(Step::from_byte(ALL.len() as u8), None);
    }

    #[test]
    fn a_missing_program_and_a_full_namespace_limit_have_their_own_hints() {
        assert!(hint(Step::Exec, libc::ENOENT).contains("no such program"));
        assert!(hint(Step::Clone, libc::ENOSPC).contains("user.max_"));
        assert!(hint(Step::Root, libc::EIO).contains("strace"));
        // What is the same everywhere doesn't hide what a step says of it.
        assert!(hint(Step::Clone, libc::ENOSYS).contains("clone3") && hint(Step::Root, libc::ENOSYS).contains("6.1"));
    }
}
