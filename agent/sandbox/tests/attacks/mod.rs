//! The attacks as data, and how one is made inside and outside.

#![allow(dead_code, reason = "each test binary uses its part")]

use std::process::{Command, Output, Stdio};

use crate::support::{Ended, Fixture, Who, everyone};

/// How the wall is taken away.
#[derive(Clone, Copy)]
pub(crate) enum Without {
    /// The attack is made outside, by root, in a mount namespace of its own so that nothing stays.
    Outside,
    /// The sandbox gets these options instead.
    Options(&'static [&'static str]),
}
use Without::{Options, Outside};

pub(crate) struct Attack {
    pub(crate) name: &'static str,
    /// What the attacking program does. `{victim}` is a process of the host, `{secret}` a file and `{out}` a directory of it.
    pub(crate) does: &'static str,
    /// The wall that stops it.
    pub(crate) wall: &'static str,
    pub(crate) options: &'static [&'static str],
    without: Without,
    pub(crate) input: Input,
}

/// Standard input.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Input {
    Null,
    Terminal,
    /// The secret, open for reading, or for appending.
    Secret,
    Append,
}

pub(crate) const fn row(name: &'static str, does: &'static str, wall: &'static str) -> Attack {
    Attack { name, does, wall, options: &[], without: Outside, input: Input::Null }
}

const fn bounded(
    name: &'static str,
    does: &'static str,
    wall: &'static str,
    options: &'static [&'static str],
    without: &'static [&'static str],
) -> Attack {
    Attack { name, does, wall, options, without: Options(without), input: Input::Null }
}

const fn with_input(name: &'static str, does: &'static str, wall: &'static str, input: Input) -> Attack {
    Attack { name, does, wall, options: &[], without: Options(&["--landlock", "off"]), input }
}

const PIDS: &str = "PID namespace";
const GUARD: &str = "init: not dumpable, hidden";
const INIT_RULE: &str = "seccomp: not of process 1";
const VIEW: &str = "mount view";
const READ_ONLY: &str = "read-only mounts";
const MASK: &str = "masks of /proc";
const SECCOMP: &str = "seccomp";
const NO_CAPABILITY: &str = "no capabilities";
const IDS: &str = "id map";
const LANDLOCK: &str = "Landlock";

#[rustfmt::skip]
pub(crate) const ATTACKS: &[Attack] = &[
    // The host's processes.
    row("see-process", "see {victim}", PIDS),
    row("signal-process", "signal {victim}", PIDS),
    row("trace-process", "ptrace {victim}", PIDS),
    row("write-process-memory", "mem {victim}", PIDS),
    row("read-process-memory", "process-vm {victim}", PIDS),
    row("process-executable", "exe {victim}", PIDS),
    row("process-command-line", "cmdline {victim}", PIDS),
    row("process-environment", "process-environ {victim}", PIDS),
    row("process-descriptor", "process-fd {victim}", PIDS),
    row("process-working-directory", "process-cwd {victim}", PIDS),
    row("process-root", "process-root {victim}", PIDS),
    row("process-maps", "process-maps {victim}", PIDS),
    row("process-namespace", "process-ns {victim}", PIDS),
    row("take-descriptor", "pidfd-getfd {victim}", PIDS),
    row("compare-processes", "kcmp {victim}", PIDS),
    row("advise-process-memory", "process-madvise {victim}", PIDS),
    row("move-process-pages", "move-pages {victim}", PIDS),
    row("limit-process", "prlimit {victim}", PIDS),
    row("slow-process", "renice {victim}", PIDS),
    row("idle-process", "idle {victim}", PIDS),
    row("idle-process-io", "ioprio {victim}", PIDS),
    row("place-process", "affinity {victim}", PIDS),
    // The sandbox's own init: the same calls, which work on a process of one's own.
    row("trace-init", "ptrace {init}", GUARD),
    row("write-init-memory", "mem {init}", GUARD),
    row("read-init-memory", "process-vm {init}", SECCOMP),
    row("init-executable", "exe {init}", GUARD),
    row("init-command-line", "cmdline {init}", GUARD),
    row("init-environment", "process-environ {init}", GUARD),
    row("init-descriptor", "process-fd {init}", GUARD),
    row("init-root", "process-root {init}", GUARD),
    row("limit-init", "prlimit {init}", INIT_RULE),
    row("slow-init", "renice {init}", INIT_RULE),
    row("idle-init", "idle {init}", INIT_RULE),
    row("idle-init-io", "ioprio {init}", INIT_RULE),
    row("place-init", "affinity {init}", INIT_RULE),
    // The host's files.
    row("read-host-file", "read {secret}", VIEW),
    row("write-host-file", "write {secret}", VIEW),
    row("empty-host-file", "truncate {secret}", VIEW),
    row("create-host-file", "create {out}/new", VIEW),
    row("read-shadow", "read /etc/shadow", VIEW),
    row("kernel-tunables", "write /proc/sys/kernel/core_pattern", READ_ONLY),
    row("drop-caches", "write /proc/sys/vm/drop_caches", READ_ONLY),
    row("kernel-command-line", "content /proc/cmdline", MASK),
    row("kernel-symbols", "content /proc/kallsyms", MASK),
    row("interrupt-counts", "content /proc/interrupts", MASK),
    row("key-users", "content /proc/key-users", MASK),
    row("kernel-log-device", "kmsg", VIEW),
    row("sysfs", "read /sys/kernel/notes", VIEW),
    Attack { options: &["--ro", "{out}:/tree"], without: Options(&["--rw", "{out}:/tree"]), ..row("write-read-only-tree", "create /tree/new", READ_ONLY) },
    with_input("reopen-input-to-write", "write /proc/self/fd/0", LANDLOCK, Input::Secret),
    with_input("empty-input", "truncate /proc/self/fd/0", LANDLOCK, Input::Secret),
    with_input("read-appended-log", "read /proc/self/fd/0", LANDLOCK, Input::Append),
    with_input("overwrite-appended-log", "write /proc/self/fd/0", LANDLOCK, Input::Append),
    row("make-device", "mknod {tmp}/device", NO_CAPABILITY),
    row("give-file-away", "chown {tmp}/given", NO_CAPABILITY),
    row("open-by-handle", "handle /usr", SECCOMP),
    // Ids, namespaces, mounts.
    row("become-root", "setuid", IDS),
    row("keep-capabilities", "bounding-set", NO_CAPABILITY),
    row("new-privileges", "new-privs", "no_new_privs"),
    row("new-user-namespace", "userns", SECCOMP),
    row("clone-user-namespace", "clone-userns", SECCOMP),
    row("clone-with-bit-32", "clone-bit-32", SECCOMP),
    row("clone3-user-namespace", "clone3", SECCOMP),
    row("new-mount-namespace", "unshare-mount", SECCOMP),
    row("new-network-namespace", "unshare-net", SECCOMP),
    row("enter-namespace", "setns", SECCOMP),
    row("mount", "mount {tmp}", SECCOMP),
    row("bind-mount", "bind-mount {tmp}", SECCOMP),
    row("unmount", "umount", SECCOMP),
    row("pivot-root", "pivot-root", SECCOMP),
    row("change-root", "chroot", SECCOMP),
    row("fsopen", "fsopen", SECCOMP),
    row("fspick", "fspick", SECCOMP),
    row("open-tree", "open-tree", SECCOMP),
    row("mount-setattr", "mount-setattr", SECCOMP),
    row("set-host-name", "sethostname", SECCOMP),
    // The kernel's surface.
    row("io-uring", "io-uring", SECCOMP),
    row("asynchronous-io", "aio", SECCOMP),
    row("userfaultfd", "userfaultfd", SECCOMP),
    row("bpf", "bpf", SECCOMP),
    row("perf-events", "perf", SECCOMP),
    row("fanotify", "fanotify", SECCOMP),
    row("session-keyring", "keyring", SECCOMP),
    row("add-key", "add-key", SECCOMP),
    row("request-key", "request-key", SECCOMP),
    row("no-randomisation", "personality", SECCOMP),
    row("memory-policy", "mempolicy", SECCOMP),
    row("kernel-log", "syslog", SECCOMP),
    row("swap", "swapon", SECCOMP),
    row("restart-machine", "reboot", SECCOMP),
    row("set-clock", "settime", SECCOMP),
    row("process-accounting", "acct", SECCOMP),
    row("quotas", "quotactl", SECCOMP),
    row("quotas-by-descriptor", "quotactl-fd", SECCOMP),
    row("free-memory-of-dying", "mrelease", SECCOMP),
    row("old-sysfs-call", "sysfs", SECCOMP),
    #[cfg(target_arch = "x86_64")]
    row("local-descriptor-table", "modify-ldt", SECCOMP),
    #[cfg(target_arch = "x86_64")]
    row("i386-entry", "i386", SECCOMP),
    row("vsock", "socket 40 1 0", SECCOMP),
    row("packet-socket", "packet", SECCOMP),
    row("raw-socket", "raw", NO_CAPABILITY),
    row("uevent-socket", "uevent", SECCOMP),
    row("audit-socket", "socket 16 3 9", SECCOMP),
    row("netfilter-socket", "socket 16 3 12", SECCOMP),
    row("privileged-port", "low-port 81", NO_CAPABILITY),
    Attack { input: Input::Terminal, ..row("type-into-terminal", "tiocsti", SECCOMP) },
    Attack { input: Input::Terminal, ..row("type-with-bit-32", "tiocsti-bit-32", SECCOMP) },
    row("real-time-priority", "real-time", NO_CAPABILITY),
    row("raise-priority", "nice", NO_CAPABILITY),
    row("core-helper", "core-limit", SECCOMP),
    // Resources.
    bounded("fork-bomb", "processes 40", "RLIMIT_NPROC", &["--pids", "20"], &["--pids", "60"]),
    bounded("descriptors", "descriptors 60", "RLIMIT_NOFILE", &["--open-files", "50"], &["--open-files", "90"]),
    bounded("huge-file", "large-file /tmp/f 6000000000", "RLIMIT_FSIZE", &[], &["--file-size", "8G"]),
    bounded("many-files", "many-files /tmp 20000", "tmpfs inodes", &[], &["--tmpfs", "/tmp=100M"]),
    bounded("full-tmp", "fill /tmp/f 3", "tmpfs size", &["--tmpfs", "/tmp=2M"], &["--tmpfs", "/tmp=8M"]),
    bounded("full-shm", "fill /dev/shm/f 3", "tmpfs size", &["--tmpfs", "/dev/shm=2M"], &["--tmpfs", "/dev/shm=8M"]),
    bounded("map-all-memory", "map 600", "RLIMIT_DATA", &["--memory", "500M"], &["--memory", "none"]),
];

/// Places and processes of the host for one attack.
pub(crate) struct Scene<'f> {
    pub(crate) fixture: &'f Fixture,
    victim: Ended,
    terminal: nix::pty::OpenptyResult,
}

impl Scene<'_> {
    fn new(fixture: &Fixture) -> Scene<'_> {
        let mut victim = Command::new(fixture.path("attack"));
        let victim = Ended(victim.arg("pause").stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap());
        fixture.file("secret", "content");
        Scene { fixture, victim, terminal: nix::pty::openpty(None, None).unwrap() }
    }

    /// The words with the places put in; inside, init is process 1, and temporary files are in /tmp.
    pub(crate) fn words(&self, text: &str, is_inside: bool) -> Vec<String> {
        let victim = self.victim.0.id().to_string();
        let (tmp, out) =
            (self.fixture.path("tmp").display().to_string(), self.fixture.path("out").display().to_string());
        let text = text
            .replace("{init}", if is_inside { "1" } else { &victim })
            .replace("{victim}", &victim)
            .replace("{secret}", &self.fixture.path("secret").display().to_string())
            .replace("{out}", &out)
            .replace("{tmp}", if is_inside { "/tmp" } else { &tmp });
        text.split(' ').map(str::to_owned).collect()
    }

    pub(crate) fn run(&self, mut command: Command, input: Input) -> Output {
        let secret = self.fixture.path("secret");
        command.stdin(match input {
            Input::Null => Stdio::null(),
            Input::Terminal => Stdio::from(self.terminal.slave.try_clone().unwrap()),
            Input::Secret => Stdio::from(std::fs::File::open(secret).unwrap()),
            Input::Append => Stdio::from(std::fs::OpenOptions::new().append(true).open(secret).unwrap()),
        });
        command.output().unwrap()
    }

    pub(crate) fn inside(&self, who: Who, attack: &Attack, options: &[&str]) -> Output {
        let words = self.words(attack.does, true);
        let options: Vec<String> = options.iter().map(|option| self.words(option, false).remove(0)).collect();
        let (words, options): (Vec<&str>, Vec<&str>) =
            (words.iter().map(String::as_str).collect(), options.iter().map(String::as_str).collect());
        self.run(self.fixture.attack_inside(who, &options, &words), attack.input)
    }
}

/// A refusal, or a death by the filter's hand.
pub(crate) fn is_held(output: &Output) -> bool {
    let killed =
        output.status.code() == Some(159) || std::os::unix::process::ExitStatusExt::signal(&output.status) == Some(31);
    killed || (output.status.code() == Some(10) && output.stdout.starts_with(b"held"))
}

pub(crate) fn is_breached(output: &Output) -> bool {
    output.status.success() && output.stdout.starts_with(b"breached")
}

pub(crate) fn fixture() -> Fixture {
    let fixture = Fixture::new();
    fixture.open_directory("out");
    fixture.open_directory("tmp");
    fixture
}

pub(crate) fn fresh(fixture: &Fixture) -> Scene<'_> {
    for name in ["out", "tmp"] {
        std::fs::remove_dir_all(fixture.path(name)).unwrap();
        fixture.open_directory(name);
    }
    Scene::new(fixture)
}

/// Makes each attack without its wall, by root, and inside by everybody.
pub(crate) fn each(mut judge: impl FnMut(&Attack, &Output, &[(Who, Output)])) {
    let fixture = fixture();
    for attack in ATTACKS {
        let scene = fresh(&fixture);
        let without = match attack.without {
            Outside => {
                let mut command = Command::new("unshare");
                command.args(["-m", "-u"]).arg(fixture.path("attack")).args(scene.words(attack.does, false));
                scene.run(command, attack.input)
            }
            Options(options) => scene.inside(Who::Caller, attack, options),
        };
        let inside = everyone().into_iter().map(|who| (who, fresh(&fixture).inside(who, attack, attack.options)));
        judge(attack, &without, &inside.collect::<Vec<_>>());
    }
}
