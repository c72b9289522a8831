//! What is allowed, as data.
//!
//! The program's profile is at most docker's default, minus what has no use in a sandbox and much for an attacker:
//!
//! | refused | because |
//! |---|---|
//! | `io_uring_*` | calls made by the kernel's threads pass no filter; a long row of escapes |
//! | `io_setup` and the rest of the old asynchronous kind | `fs.aio-max-nr` is one number for the whole host: one call here leaves its databases none |
//! | `userfaultfd`, `fanotify_*` | hold the kernel in the middle of a copy: the tool that makes races winnable |
//! | `perf_event_open`, `bpf` | large attack surface, side channels |
//! | `add_key`, `keyctl`, `request_key` | keyrings are not namespaced: the caller's keys, and its quota |
//! | `ptrace`, `process_vm_*`, `process_madvise`, `pidfd_getfd`, `kcmp` | reach into other processes, init first |
//! | namespaces (`unshare`, `setns`, `clone` with their flags), `clone3` | a new user namespace has every capability again. clone3's flags lie in memory where a filter can't look: ENOSYS makes libraries use clone |
//! | `mount` and the new mount API, `pivot_root`, `chroot` | the way around masks and read-only views |
//! | `open_by_handle_at` | opens files of a mount by number, past its root (shocker) |
//! | `ioctl` TIOCSTI, TIOCLINUX | types into the caller's terminal (CVE-2017-5226) |
//! | sockets but UNIX, INET, INET6, NETLINK/ROUTE | AF_VSOCK reaches the hypervisor past the network namespace; AF_ALG, AF_PACKET and odd families are where kernel bugs live |
//! | `personality` | turns off address randomisation |
//! | `prlimit64`, `setpriority`, `sched_set*`, `ioprio_set` of process 1 or of a whole user | init has the program's uid: the program could take the CPU from the process that keeps the wall clock, or have it killed by a limit |
//! | `setrlimit`, `prlimit64` of RLIMIT_CORE: no effect, though they succeed (refused for another process) | at 1 the kernel starts no `core_pattern` helper; at 0 it would (`limits.rs`). Programs that turn cores off, as they should, may take a refusal for a reason to end |
//!
//! Arguments that the kernel takes as `int` are compared by their low 32 bits: the kernel ignores the upper half, and a
//! 64-bit comparison is passed by setting bit 32.

use std::collections::HashMap;

use foldhash::fast::FixedState;
use nix::errno::Errno;

use super::Action;

/// What a process may call; the rest gives EPERM.
#[derive(Clone, Copy)]
pub(super) struct Profile {
    /// Calls that are always allowed.
    pub(super) allowed: &'static [&'static str],
    /// Calls whose answer depends on their arguments, or isn't the usual EPERM.
    pub(super) rules: &'static [Named],
}

/// A call and its answer.
pub(super) type Named = (&'static str, Rule<'static>);

/// How a call is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rule<'a> {
    /// The first case whose checks all hold decides.
    pub(super) cases: &'a [Case<'a>],
    /// What happens if none does.
    pub(super) otherwise: Action,
}

/// Checks that must all hold, and what then happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Case<'a> {
    pub(super) checks: &'a [Check],
    pub(super) then: Action,
}

/// Half an argument, masked, compared with `value`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Check {
    /// Twice the argument's number for its low 32 bits, and one more for its high ones.
    pub(super) word: u8,
    pub(super) mask: u32,
    pub(super) is: Is,
    pub(super) value: u32,
}

/// How a word is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Is {
    Equal,
    NotEqual,
    AtLeast,
    Below,
}

const fn masked(argument: u8, mask: u32, value: u32) -> Check {
    Check { word: 2 * argument, mask, is: Is::Equal, value }
}

const fn is(argument: u8, value: u32) -> Check {
    masked(argument, u32::MAX, value)
}

const fn high_is(argument: u8, value: u32) -> Check {
    Check { word: 2 * argument + 1, ..is(argument, value) }
}

const ALLOW: Action = Action::Allow;
const EPERM: Action = Action::Errno(Errno::EPERM);

const fn allow(checks: &'static [Check]) -> Case<'static> {
    Case { checks, then: ALLOW }
}

const fn deny(checks: &'static [Check]) -> Case<'static> {
    Case { checks, then: EPERM }
}

/// The CLONE_NEW* flags of clone(2).
const NAMESPACES: u32 = (libc::CLONE_NEWNS
    | libc::CLONE_NEWCGROUP
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUSER
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET) as u32;

const UNIX: u32 = libc::AF_UNIX as u32;
const INET: u32 = libc::AF_INET as u32;
const INET6: u32 = libc::AF_INET6 as u32;
const NETLINK: u32 = libc::AF_NETLINK as u32;
const ROUTE: u32 = libc::NETLINK_ROUTE as u32;
const TIOCSTI: u32 = libc::TIOCSTI as u32;
const TIOCLINUX: u32 = 0x541c;
/// IOPRIO_WHO_PROCESS and IOPRIO_WHO_PGRP of ioprio_set(2).
const IOPRIO_PROCESS: u32 = 1;
const IOPRIO_GROUP: u32 = 2;
const THREAD: u32 = libc::CLONE_THREAD as u32;
const CORE: u32 = nix::sys::resource::Resource::RLIMIT_CORE as u32;
/// Init's process id inside.
const INIT_PID: u32 = 1;

/// As a kernel without the family answers, so that libraries go on without it.
const NO_FAMILY: Action = Action::Errno(Errno::EAFNOSUPPORT);
/// Refused where the first argument names init.
const NOT_OF_INIT: Rule<'static> = Rule { cases: &[deny(&[is(0, INIT_PID)])], otherwise: ALLOW };

/// The rules of the program's profile.
#[rustfmt::skip]
const RULES: &[Named] = &[
    ("clone", Rule { cases: &[allow(&[masked(0, NAMESPACES, 0)])], otherwise: EPERM }),
    ("clone3", Rule { cases: &[], otherwise: Action::Errno(Errno::ENOSYS) }),
    ("ioctl", Rule { cases: &[deny(&[is(1, TIOCSTI)]), deny(&[is(1, TIOCLINUX)])], otherwise: ALLOW }),
    // Reading it (0xffffffff), and setting what every program has.
    ("personality", Rule { cases: &[allow(&[is(0, 0)]), allow(&[is(0, u32::MAX)])], otherwise: EPERM }),
    ("socket", Rule { cases: &[allow(&[is(0, UNIX)]), allow(&[is(0, INET)]), allow(&[is(0, INET6)]),
                               allow(&[is(0, NETLINK), is(2, ROUTE)])], otherwise: NO_FAMILY }),
    ("socketpair", Rule { cases: &[allow(&[is(0, UNIX)])], otherwise: NO_FAMILY }),
    ("prlimit64", Rule { cases: &[deny(&[is(0, INIT_PID)]),
                                  // Without a new value it reads.
                                  allow(&[is(1, CORE), is(2, 0), high_is(2, 0)]),
                                  Case { checks: &[is(0, 0), is(1, CORE)], then: Action::Ignore },
                                  deny(&[is(1, CORE)])], otherwise: ALLOW }),
    ("setrlimit", Rule { cases: &[Case { checks: &[is(0, CORE)], then: Action::Ignore }], otherwise: ALLOW }),
    ("io_setup", Rule { cases: &[], otherwise: Action::Errno(Errno::ENOSYS) }),
    ("sched_setaffinity", NOT_OF_INIT),
    ("sched_setattr", NOT_OF_INIT),
    ("sched_setparam", NOT_OF_INIT),
    ("sched_setscheduler", NOT_OF_INIT),
    ("setpriority", Rule { cases: &[deny(&[is(1, INIT_PID)]), allow(&[is(0, libc::PRIO_PROCESS)]),
                                    allow(&[is(0, libc::PRIO_PGRP)])], otherwise: EPERM }),
    ("ioprio_set", Rule { cases: &[deny(&[is(1, INIT_PID)]), allow(&[is(0, IOPRIO_PROCESS)]),
                                   allow(&[is(0, IOPRIO_GROUP)])], otherwise: EPERM }),
];

/// The program's profile.
pub(super) const WORKLOAD: Profile = Profile { allowed: ALLOWED, rules: RULES };

const ALWAYS: Rule<'static> = Rule { cases: &[], otherwise: ALLOW };
const NEVER: Rule<'static> = Rule { cases: &[], otherwise: EPERM };

/// For debuggers and sanitizers. Init is not dumpable and in no Landlock domain of the program's: it stays out of reach.
pub(super) const TRACING: &[Named] = &[("ptrace", ALWAYS), ("process_vm_readv", ALWAYS), ("process_vm_writev", ALWAYS)];
/// For a program that is held on some CPUs: it could let itself go.
pub(super) const PINNED: &[Named] = &[("sched_setaffinity", NEVER)];

/// For a program that makes sandboxes. Each of these calls needs a capability in the namespace that it is about, which the
/// program has in those alone that it made. Keyrings stay refused, in the words of a kernel that has none.
#[rustfmt::skip]
pub(super) const NESTED: &[Named] = &[
    ("clone", ALWAYS), ("clone3", ALWAYS), ("unshare", ALWAYS), ("setns", ALWAYS),
    ("mount", ALWAYS), ("umount2", ALWAYS), ("pivot_root", ALWAYS), ("chroot", ALWAYS),
    ("fsopen", ALWAYS), ("fsconfig", ALWAYS), ("fsmount", ALWAYS), ("fspick", ALWAYS), ("move_mount", ALWAYS),
    ("open_tree", ALWAYS), ("open_tree_attr", ALWAYS), ("mount_setattr", ALWAYS),
    ("sethostname", ALWAYS), ("setdomainname", ALWAYS),
    ("keyctl", Rule { cases: &[], otherwise: Action::Errno(Errno::ENOSYS) }),
];

/// Where Landlock doesn't restrict it, and a file is given that shall not be emptied.
pub(super) const UNTRUNCATED: &[Named] = &[("truncate", NEVER)];

/// For a program that only computes: threads, files, memory, clocks, and pipes that it was given. It starts no other
/// process, speaks to none, and leaves modes, owners and attributes of files as they are.
#[rustfmt::skip]
pub(super) const STRICT: &[Named] = &[
    // A thread, and nothing else that clone(2) makes. Old libraries ask for one by CLONE_THREAD too.
    ("clone", Rule { cases: &[allow(&[masked(0, NAMESPACES, 0), masked(0, THREAD, THREAD)])], otherwise: EPERM }),
    ("fork", NEVER), ("vfork", NEVER),
    ("socket", Rule { cases: &[], otherwise: NO_FAMILY }), ("socketpair", Rule { cases: &[], otherwise: NO_FAMILY }),
    ("accept", NEVER), ("accept4", NEVER), ("bind", NEVER), ("connect", NEVER), ("listen", NEVER), ("sendto", NEVER),
    ("sendmsg", NEVER), ("sendmmsg", NEVER), ("recvfrom", NEVER), ("recvmsg", NEVER), ("recvmmsg", NEVER),
    ("mq_open", NEVER), ("mq_unlink", NEVER), ("msgget", NEVER), ("semget", NEVER), ("shmget", NEVER), ("shmat", NEVER),
    ("memfd_create", NEVER), ("memfd_secret", NEVER), ("pidfd_open", NEVER), ("pidfd_send_signal", NEVER),
    ("name_to_handle_at", NEVER), ("inotify_init", NEVER), ("inotify_init1", NEVER), ("mknod", NEVER), ("mknodat", NEVER),
    ("chmod", NEVER), ("fchmod", NEVER), ("fchmodat", NEVER), ("fchmodat2", NEVER), ("chown", NEVER), ("fchown", NEVER),
    ("fchownat", NEVER), ("lchown", NEVER), ("setxattr", NEVER), ("setxattrat", NEVER), ("lsetxattr", NEVER),
    ("fsetxattr", NEVER), ("removexattr", NEVER), ("removexattrat", NEVER), ("lremovexattr", NEVER), ("fremovexattr", NEVER),
    ("ptrace", NEVER), ("process_vm_readv", NEVER), ("process_vm_writev", NEVER), ("vmsplice", NEVER), ("adjtimex", NEVER),
    ("landlock_create_ruleset", NEVER), ("landlock_add_rule", NEVER), ("landlock_restrict_self", NEVER), ("seccomp", NEVER),
    ("setsid", NEVER), ("setpgid", NEVER), ("sched_setscheduler", NEVER), ("sched_setattr", NEVER), ("sched_setparam", NEVER),
];

/// Init's profile, from the program's start on.
pub(super) const INIT: Profile = Profile {
    allowed: &[
        "clock_gettime",
        "close",
        "exit",
        "exit_group",
        // What is bounded like a disk is looked at once.
        "fstatfs",
        "getrusage",
        "kill",
        // proc_pid_io(5) is read twice.
        "lseek",
        // What is not needed any more is given back.
        "madvise",
        "poll",
        "ppoll",
        "read",
        "restart_syscall",
        "rt_sigreturn",
        "wait4",
        "write",
    ],
    rules: &[],
};

/// Always allowed; a name that an architecture hasn't is left out there.
#[rustfmt::skip]
const ALLOWED: &[&str] = &[
    // Files.
    "access", "chdir", "chmod", "chown", "close", "close_range", "copy_file_range", "creat", "dup", "dup2", "dup3",
    "faccessat", "faccessat2", "fadvise64", "fallocate", "fchdir", "fchmod", "fchmodat", "fchmodat2", "fchown", "fchownat",
    "fcntl", "fdatasync", "fgetxattr", "flistxattr", "flock", "fremovexattr", "fsetxattr", "fstat", "fstatfs", "fsync",
    "ftruncate", "futimesat", "getcwd", "getdents", "getdents64", "getxattr", "getxattrat", "inotify_add_watch",
    "inotify_init", "inotify_init1", "inotify_rm_watch", "lchown", "lgetxattr", "link", "linkat", "listxattr",
    "listxattrat", "llistxattr", "lremovexattr", "lseek", "lsetxattr", "lstat", "mkdir", "mkdirat", "mknod", "mknodat",
    "name_to_handle_at", "newfstatat", "open", "openat", "openat2", "pread64", "preadv", "preadv2", "pwrite64",
    "pwritev", "pwritev2", "read", "readahead", "readlink", "readlinkat", "readv", "removexattr", "removexattrat",
    "rename", "renameat", "renameat2", "rmdir", "sendfile", "setxattr", "setxattrat", "splice", "stat", "statfs",
    "statx", "symlink", "symlinkat", "sync", "sync_file_range", "syncfs", "tee", "truncate", "umask", "unlink",
    "unlinkat", "utime", "utimensat", "utimes", "vmsplice", "write", "writev", "cachestat",
    // Waiting.
    "epoll_create", "epoll_create1", "epoll_ctl", "epoll_ctl_old", "epoll_pwait", "epoll_pwait2", "epoll_wait",
    "epoll_wait_old", "eventfd", "eventfd2", "pipe", "pipe2", "poll", "ppoll", "pselect6", "select", "signalfd",
    "signalfd4", "timerfd_create", "timerfd_gettime", "timerfd_settime",
    // Memory.
    "brk", "madvise", "map_shadow_stack", "membarrier", "memfd_create", "memfd_secret", "mincore", "mlock", "mlock2",
    "mlockall", "mmap", "mprotect", "mremap", "mseal", "msync", "munlock", "munlockall", "munmap", "pkey_alloc",
    "pkey_free", "pkey_mprotect", "remap_file_pages",
    // Processes and threads.
    "arch_prctl", "capget", "capset", "execve", "execveat", "exit", "exit_group", "fork", "futex", "futex_requeue",
    "futex_wait", "futex_waitv", "futex_wake", "get_robust_list", "get_thread_area", "getcpu", "getpgid", "getpgrp",
    "getpid", "getppid", "getpriority", "getrlimit", "getrusage", "getsid", "gettid", "ioprio_get", "kill",
    "pidfd_open", "pidfd_send_signal", "prctl", "restart_syscall", "rseq", "sched_get_priority_max",
    "sched_get_priority_min", "sched_getaffinity", "sched_getattr", "sched_getparam", "sched_getscheduler",
    "sched_rr_get_interval", "sched_yield", "set_robust_list", "set_thread_area", "set_tid_address", "setpgid",
    "setsid", "tgkill", "times", "tkill", "vfork", "wait4", "waitid",
    // The program's own ids: without capabilities these change nothing.
    "getegid", "geteuid", "getgid", "getgroups", "getresgid", "getresuid", "getuid", "setfsgid", "setfsuid", "setgid",
    "setgroups", "setregid", "setresgid", "setresuid", "setreuid", "setuid",
    // The program's own walls.
    "landlock_add_rule", "landlock_create_ruleset", "landlock_restrict_self", "seccomp",
    // Signals and timers.
    "alarm", "clock_getres", "clock_gettime", "clock_nanosleep", "getitimer", "gettimeofday", "nanosleep", "pause",
    "rt_sigaction", "rt_sigpending", "rt_sigprocmask", "rt_sigqueueinfo", "rt_sigreturn", "rt_sigsuspend",
    "rt_sigtimedwait", "rt_tgsigqueueinfo", "setitimer", "sigaltstack", "time", "timer_create", "timer_delete",
    "timer_getoverrun", "timer_gettime", "timer_settime", "adjtimex",
    // Sockets, of the families that the rule of `socket` lets through.
    "accept", "accept4", "bind", "connect", "getpeername", "getsockname", "getsockopt", "listen", "recvfrom", "recvmmsg",
    "recvmsg", "sendmmsg", "sendmsg", "sendto", "setsockopt", "shutdown",
    // System V and POSIX IPC, in the sandbox's own namespace.
    "mq_getsetattr", "mq_notify", "mq_open", "mq_timedreceive", "mq_timedsend", "mq_unlink", "msgctl", "msgget",
    "msgrcv", "msgsnd", "semctl", "semget", "semop", "semtimedop", "shmat", "shmctl", "shmdt", "shmget",
    // The system.
    "getrandom", "sysinfo", "uname",
];

impl Profile {
    /// The answers with a policy's changes, of which a later one goes before an earlier.
    pub(super) fn answers(&self, changes: &[&[Named]]) -> Answers<'static> {
        let always = self.allowed.iter().map(|name| (*name, ALWAYS));
        let changed = changes.iter().flat_map(|named| named.iter().copied());
        let mut named = ByName::with_capacity_and_hasher(self.allowed.len() + self.rules.len(), FixedState::default());
        named.extend(always.chain(self.rules.iter().copied()).chain(changed));
        Answers { named, otherwise: NEVER, no_call: Action::Errno(Errno::ENOSYS), foreign: Action::Kill }
    }
}

/// The answer to every call there can be.
pub(super) struct Answers<'a> {
    /// By name.
    pub(super) named: ByName<'a>,
    /// To a call that the architecture has, and nobody names.
    pub(super) otherwise: Rule<'a>,
    /// To a number that is no call.
    pub(super) no_call: Action,
    /// To a call by another architecture's entry.
    pub(super) foreign: Action,
}

/// Each process makes its filters anew, and nobody chooses the names, so the quickest hash is the right one.
pub(super) type ByName<'a> = HashMap<&'a str, Rule<'a>, FixedState>;
