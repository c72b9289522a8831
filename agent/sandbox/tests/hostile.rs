//! The hostile set: named attacks, each with the wall that stops it, and shown to succeed with that wall taken away.
//!
//! Each runs inside as root and as nobody. The same attacks are then made under `bwrap --unshare-all --ro-bind / /` by
//! nobody and under crun with the configuration of `crun spec` by root, and a table says which of them hold there too:
//! `hostile.md`, written into the build's directory. The copy beside this file has to name the same attacks and walls.

#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

mod support;

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use holdfast_sandbox::{EndedBy, LimitKind};
use support::{Ended, Fixture, Who, breached, everyone};

/// How the wall is taken away.
#[derive(Clone, Copy)]
enum Without {
    /// The attack is made outside, by root, in a mount namespace of its own so that nothing stays.
    Outside,
    /// The sandbox gets these options instead.
    Options(&'static [&'static str]),
}
use Without::{Options, Outside};

struct Attack {
    name: &'static str,
    /// What the attacking program does. `{victim}` is a process of the host, `{secret}` a file and `{out}` a directory of it.
    does: &'static str,
    /// The wall that stops it.
    wall: &'static str,
    options: &'static [&'static str],
    without: Without,
    input: Input,
}

/// Standard input.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Input {
    Null,
    Terminal,
    /// The secret, open for reading, or for appending.
    Secret,
    Append,
}

const fn row(name: &'static str, does: &'static str, wall: &'static str) -> Attack {
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
const ATTACKS: &[Attack] = &[
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
struct Scene<'f> {
    fixture: &'f Fixture,
    victim: Ended,
    terminal: nix::pty::OpenptyResult,
}

impl Scene<'_> {
    fn new(fixture: &Fixture) -> Scene<'_> {
        let victim = Ended(Command::new("sleep").arg("1000").stdin(Stdio::null()).spawn().unwrap());
        fixture.file("secret", "content");
        Scene { fixture, victim, terminal: nix::pty::openpty(None, None).unwrap() }
    }

    /// The words with the places put in; inside, init is process 1, and temporary files are in /tmp.
    fn words(&self, text: &str, is_inside: bool) -> Vec<String> {
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

    fn run(&self, mut command: Command, input: Input) -> Output {
        let secret = self.fixture.path("secret");
        command.stdin(match input {
            Input::Null => Stdio::null(),
            Input::Terminal => Stdio::from(self.terminal.slave.try_clone().unwrap()),
            Input::Secret => Stdio::from(std::fs::File::open(secret).unwrap()),
            Input::Append => Stdio::from(std::fs::OpenOptions::new().append(true).open(secret).unwrap()),
        });
        command.output().unwrap()
    }

    fn inside(&self, who: Who, attack: &Attack, options: &[&str]) -> Output {
        let words = self.words(attack.does, true);
        let options: Vec<String> = options.iter().map(|option| self.words(option, false).remove(0)).collect();
        let (words, options): (Vec<&str>, Vec<&str>) =
            (words.iter().map(String::as_str).collect(), options.iter().map(String::as_str).collect());
        self.run(self.fixture.attack_inside(who, &options, &words), attack.input)
    }
}

/// A refusal, or a death by the filter's hand.
fn is_held(output: &Output) -> bool {
    let killed =
        output.status.code() == Some(159) || std::os::unix::process::ExitStatusExt::signal(&output.status) == Some(31);
    killed || (output.status.code() == Some(10) && output.stdout.starts_with(b"held"))
}

fn is_breached(output: &Output) -> bool {
    output.status.success() && output.stdout.starts_with(b"breached")
}

fn fixture() -> Fixture {
    let fixture = Fixture::new();
    fixture.open_directory("out");
    fixture.open_directory("tmp");
    fixture
}

fn fresh(fixture: &Fixture) -> Scene<'_> {
    for name in ["out", "tmp"] {
        std::fs::remove_dir_all(fixture.path(name)).unwrap();
        fixture.open_directory(name);
    }
    Scene::new(fixture)
}

#[test]
fn every_attack_is_stopped_by_its_wall_and_succeeds_without_it() {
    support::need_root("without the walls, only root can make many of these attacks");
    let fixture = fixture();
    assert!(ATTACKS.len() >= 60);
    let mut failed = Vec::new();
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
        if !is_breached(&without) {
            failed.push(format!("{}: does not work without its wall: {without:?}", attack.name));
        }
        for who in everyone() {
            let scene = fresh(&fixture);
            let inside = scene.inside(who, attack, attack.options);
            if !is_held(&inside) {
                failed.push(format!("{} as {who:?}: {inside:?}", attack.name));
            }
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

/// crun's own default configuration, with /usr shown read-only on a root of its own.
fn bundle(fixture: &Fixture) -> std::path::PathBuf {
    let bundle = fixture.path("bundle");
    let root = bundle.join("rootfs");
    for directory in ["", "usr", "proc", "dev", "sys", "tmp", "etc"] {
        std::fs::create_dir_all(root.join(directory)).unwrap();
    }
    for top in ["bin", "lib", "lib64"] {
        std::os::unix::fs::symlink(format!("usr/{top}"), root.join(top)).unwrap();
    }
    std::fs::copy(fixture.path("attack"), root.join("attack")).unwrap();
    assert!(Command::new("crun").arg("spec").current_dir(&bundle).status().unwrap().success());
    bundle
}

/// The configuration for one attack, as far as this differs from the default: what is run, and no cgroup, which a
/// machine with cgroup v1 can't give.
fn configure(bundle: &Path, words: &[String]) {
    let path = bundle.join("config.json");
    let mut config: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    let args: Vec<&str> = std::iter::once("/attack").chain(words.iter().map(String::as_str)).collect();
    config["process"]["args"] = serde_json::json!(args);
    config["process"]["terminal"] = serde_json::json!(false);
    config["linux"].as_object_mut().unwrap().remove("resources");
    let mounts = config["mounts"].as_array_mut().unwrap();
    mounts.retain(|mount| mount["type"] != "cgroup" && mount["destination"] != "/usr");
    mounts
        .push(serde_json::json!({"destination": "/usr", "type": "bind", "source": "/usr", "options": ["rbind", "ro"]}));
    std::fs::write(path, serde_json::to_vec(&config).unwrap()).unwrap();
}

fn bwrap(scene: &Scene<'_>, attack: &Attack) -> Output {
    // A peer that an attack leaves hanging is one without an answer.
    let mut command = support::as_who(Command::new("timeout"), Who::Nobody);
    command
        .args(["-s", "KILL", "20", "bwrap", "--unshare-all", "--ro-bind", "/", "/"])
        .arg(scene.fixture.path("attack"));
    // The host's root is its view, so temporary files are where they are on the host.
    command.args(scene.words(&attack.does.replace("{init}", "1"), false));
    scene.run(command, attack.input)
}

fn crun(scene: &Scene<'_>, attack: &Attack, bundle: &Path) -> Output {
    configure(bundle, &scene.words(attack.does, true));
    let script =
        "mount -t cgroup2 none /sys/fs/cgroup && exec crun --cgroup-manager=disabled run --bundle \"$1\" \"$2\"";
    let mut command = Command::new("timeout");
    command
        .args(["-s", "KILL", "20", "unshare", "-m", "sh", "-c", script, "sh"])
        .arg(bundle)
        .arg(format!("hostile-{}", std::process::id()));
    scene.run(command, attack.input)
}

/// What a peer's run shows. Limits are options of ours, so those attacks are compared only with what a peer does unasked.
fn verdict(output: &Output) -> &'static str {
    match (is_held(output), is_breached(output)) {
        (true, _) => "holds",
        (_, true) => "**breached**",
        _ => "no answer",
    }
}

#[test]
fn a_table_says_what_others_hold() {
    support::need_root("crun is measured as root");
    let fixture = fixture();
    let bundle = bundle(&fixture);
    let mut probe = crun(&fresh(&fixture), &row("probe", "pid", ""), &bundle);
    assert_eq!(probe.status.code(), Some(2), "crun does not start: {probe:?}");
    probe = bwrap(&fresh(&fixture), &row("probe", "pid", ""));
    assert_eq!(probe.status.code(), Some(2), "bwrap does not start: {probe:?}");
    let mut table = String::from(HEADING);
    for attack in ATTACKS {
        let ours = match everyone().into_iter().all(|who| is_held(&fresh(&fixture).inside(who, attack, attack.options)))
        {
            true => "holds",
            false => "**breached**",
        };
        let scene = fresh(&fixture);
        let bwrap = verdict(&bwrap(&scene, attack));
        let scene = fresh(&fixture);
        // crun runs the program as process 1: it would attack itself.
        let crun =
            if attack.does.contains("{init}") { "is process 1" } else { verdict(&crun(&scene, attack, &bundle)) };
        writeln!(table, "| {} | {} | {ours} | {bwrap} | {crun} |", attack.name, attack.wall).unwrap();
    }
    print!("{table}");
    std::fs::write(Path::new(env!("CARGO_TARGET_TMPDIR")).join("hostile.md"), &table).unwrap();
    let kept = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hostile.md")).unwrap();
    let rows = |text: &str| -> Vec<String> {
        let ours = |line: &str| line.splitn(5, '|').take(4).map(str::trim).collect::<Vec<_>>().join("|");
        text.lines().filter(|line| line.starts_with("| ")).map(ours).collect()
    };
    assert_eq!(rows(&table), rows(&kept), "tests/hostile.md is not of this set: copy the one that was printed");
}

const HEADING: &str = "\
# The hostile set

Made by `cargo test --workspace --test hostile`, all in one run: ours by root and by nobody with the default policy (the
limits that an attack is about made small), `bwrap --unshare-all --ro-bind / /` by nobody, and crun by root with the
configuration of `crun spec`, without cgroups. Every attack was shown to succeed with its wall taken away.

\"holds\": refused, or killed. For calls of the kernel's surface, \"breached\" says that the kernel's code is reached, not that
harm was done. Neither of the others has a system call filter, or limits, unless it is given them, and `/` is what bwrap was
told to show.

| attack | wall | holdfast | bwrap | crun |
|---|---|---|---|---|
";

/// These kernel calls may not be built in; inside it is the filter that answers, before the kernel could.
#[test]
fn calls_of_the_kernels_owner_are_refused_whether_or_not_it_has_them() {
    let fixture = Fixture::new();
    for attack in ["kexec", "init-module", "finit-module", "delete-module", "iopl", "ioperm"] {
        for who in everyone() {
            let output = fixture.attack_inside(who, &[], &[attack]).output().unwrap();
            assert_eq!(output.stdout, b"held: EPERM\n", "{attack}: {output:?}");
        }
    }
}

#[test]
fn a_program_that_will_not_end_is_ended_by_the_limit_that_is_there() {
    let fixture = Fixture::new();
    let bind = format!("{}:/attack", fixture.path("attack").display());
    for who in everyone() {
        for (attack, options, ended_by, limit) in [
            ("spin", &["--cpu-time", "1s"][..], EndedBy::CpuTime, LimitKind::CpuTime),
            // The wall before taken away, the next one ends it.
            ("spin", &["--wall", "1s"], EndedBy::Wall, LimitKind::Wall),
            ("ignore", &["--wall", "1s"], EndedBy::Wall, LimitKind::Wall),
            ("stop", &["--wall", "1s"], EndedBy::Wall, LimitKind::Wall),
        ] {
            let options = [&["--ro", &bind], options].concat();
            let (_, outcome) = fixture.outcome(who, &options, &["/attack", attack]);
            assert_eq!((outcome.ended_by, outcome.limits_hit), (ended_by, vec![limit]), "{attack}");
        }
    }
}

/// What the runner is given to be confused by: each has one clear outcome.
#[test]
fn the_runner_is_not_confused_by_what_it_is_given() {
    let fixture = Fixture::new();
    let long = "x".repeat(10_000);
    for who in everyone() {
        let (output, _) = fixture.outcome(who, &[], &["sh", "-c", "echo ${#1}", "sh", &long]);
        assert!(output.stdout.starts_with(b"10000\n"), "{output:?}");
        // A quarter of the stack is for arguments.
        let word = "x".repeat(100_000);
        let (output, outcome) = fixture.outcome(who, &["--stack", "256K"], &["true", &word, &word]);
        let setup = outcome.setup.unwrap();
        assert_eq!((output.status.code(), setup.errno), (Some(126), libc::E2BIG), "{setup:?}");
        let variable = "A=1\nB=2";
        let output =
            fixture.sandbox(who).args(["--env", variable, "--", "sh", "-c", "echo \"$A|$B\""]).output().unwrap();
        assert_eq!(output.stdout, b"1\nB=2|\n");
    }
}

#[test]
fn a_runner_without_descriptors_says_so_and_runs_nothing() {
    let fixture = Fixture::new();
    for who in everyone() {
        let mut seen_to_run = false;
        for most in [3, 4, 5, 6, 8, 10, 12, 16, 20, 30, 64] {
            let mut shell = support::as_who(Command::new("sh"), who);
            shell.args(["-c", "ulimit -n $1; shift; exec \"$@\"", "sh", &most.to_string()]);
            let inner = fixture.sandbox(who);
            let output =
                shell.arg(inner.get_program()).args(inner.get_args()).args(["--", "echo", "ran"]).output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            match output.status.code() {
                Some(0) => seen_to_run = output.stdout == b"ran\n",
                Some(125 | 127) => assert!(!said.is_empty() && output.stdout.is_empty(), "{most}: {output:?}"),
                _ => panic!("{most}: {output:?}"),
            }
        }
        assert!(seen_to_run, "with 64 descriptors it runs");
    }
}

#[test]
fn closed_standard_descriptors_are_no_way_to_others() {
    let fixture = Fixture::new();
    for who in everyone() {
        for closed in ["0<&-", "1>&-", "2>&-", "0<&- 1>&- 2>&-"] {
            let result = fixture.file("result", "");
            let mut shell = support::as_who(Command::new("sh"), who);
            shell.args(["-c", &format!("exec \"$@\" {closed}"), "sh"]);
            let inner = fixture.sandbox(who);
            shell.arg(inner.get_program()).args(inner.get_args()).arg("--result").arg(&result);
            let script = "for n in 0 1 2; do test -d /proc/self/fd/$n && exit 9; done; exit 7";
            let output = shell.args(["--", "sh", "-c", script]).output().unwrap();
            assert_eq!(output.status.code(), Some(7), "{closed}: {output:?}");
        }
    }
}

#[test]
fn a_full_disk_for_the_result_is_told_and_exits_as_a_failure() {
    let fixture = Fixture::new();
    for who in everyone() {
        let output = fixture.sandbox(who).args(["--result", "/dev/full", "--", "true"]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(125) && said.contains("/dev/full"), "{output:?}");
    }
}

#[test]
fn a_program_that_deletes_all_it_sees_deletes_only_what_is_its_own() {
    let fixture = fixture();
    let kept = fixture.file("kept", "content");
    let tree = fixture.path("out");
    std::fs::write(tree.join("file"), "content").unwrap();
    let options = [
        "--ro".to_owned(),
        format!("{}:/tree", tree.display()),
        "--ro".to_owned(),
        format!("{}:/kept", kept.display()),
    ];
    for who in everyone() {
        let mut command = fixture.sandbox(who);
        command.args(&options).args([
            "--",
            "sh",
            "-c",
            "rm -rf --no-preserve-root / 2>/dev/null; rm -rf /tree/* /kept; exit 5",
        ]);
        assert_eq!(command.output().unwrap().status.code(), Some(5));
        assert_eq!(
            std::fs::read_to_string(tree.join("file")).unwrap() + &std::fs::read_to_string(&kept).unwrap(),
            "contentcontent"
        );
    }
    let mut outside = fixture.attack_outside(Who::Caller, &["truncate", kept.to_str().unwrap()]);
    breached(&mut outside, &["truncate"]);
}
