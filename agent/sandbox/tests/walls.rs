//! What a hostile program tries against the host. Each attack is first made without the sandbox, where it has to work.

#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

mod support;

use std::net::TcpListener;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::process::{Command, Stdio};

use holdfast_sandbox::Step;
use support::{Ended, Fixture, Who, breached, everyone};

/// A process of the host that is the caller's own.
fn victim() -> Ended {
    Ended(Command::new("sleep").arg("1000").spawn().unwrap())
}

#[test]
fn a_program_sees_and_reaches_no_process_of_the_host() {
    let fixture = Fixture::new();
    let victim = victim();
    let pid = victim.0.id().to_string();
    for attack in ["see", "mem", "exe", "cmdline", "ptrace", "process-vm", "prlimit", "renice", "idle", "signal"] {
        fixture.wall_holds(&[], &[attack, &pid]);
    }
}

#[test]
fn a_program_does_not_reach_its_own_init() {
    let fixture = Fixture::new();
    // What works against a process of the same user without the wall is refused against init, which has that user.
    for attack in ["mem", "exe", "cmdline", "ptrace", "process-vm", "prlimit", "renice", "idle"] {
        let victim = victim();
        breached(&mut fixture.attack_outside(Who::Caller, &[attack, &victim.0.id().to_string()]), &[attack]);
        fixture.held(&[], &[attack, "1"]);
    }
    // All processes of a user are meant: nobody's, rather than all that root has on this machine.
    breached(&mut fixture.attack_outside(*everyone().last().unwrap(), &["renice-user"]), &["renice-user"]);
    fixture.held(&[], &["renice-user"]);
}

/// What hides and guards init inside is taken away here: the attacker is outside, as the very user that init has.
#[test]
fn init_guards_itself_against_its_own_user() {
    let fixture = Fixture::new();
    let who = *everyone().last().unwrap();
    let mut command = fixture.sandbox(who);
    command.args(["--", "sh", "-c", "echo up; exec sleep 1000"]).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut runner = Ended(command.spawn().unwrap());
    let mut line = String::new();
    let mut output = std::io::BufReader::new(runner.0.stdout.as_mut().unwrap());
    std::io::BufRead::read_line(&mut output, &mut line).unwrap();
    let init = support::init_of(runner.0.id().cast_signed());
    let workload = support::init_of(init).to_string();
    for attack in ["mem", "exe", "ptrace", "process-vm"] {
        // The program has no such guard of its own: its user's other processes may look into it.
        breached(&mut fixture.attack_outside(who, &[attack, &workload]), &[attack]);
        let output = fixture.attack_outside(who, &[attack, &init.to_string()]).output().unwrap();
        assert_eq!(output.status.code(), Some(10), "{attack}: {output:?}");
    }
    support::until("init has its own filter", || status_of(init, "Seccomp") == "2");
    for (field, value) in
        [("CapEff", "0000000000000000"), ("CapPrm", "0000000000000000"), ("CapBnd", "0000000000000000")]
    {
        assert_eq!(status_of(init, field), value, "{field}");
    }
    assert_eq!(status_of(init, "NoNewPrivs"), "1");
}

/// A field of /proc/PID/status.
fn status_of(pid: i32, field: &str) -> String {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.split(':').next() == Some(field)).unwrap();
    line.split_whitespace().nth(1).unwrap().to_owned()
}

#[test]
fn signals_from_inside_end_no_init() {
    let fixture = Fixture::new();
    let mut victim = victim();
    breached(&mut fixture.attack_outside(Who::Caller, &["signal", &victim.0.id().to_string()]), &["signal"]);
    assert!(!victim.0.wait().unwrap().success());
    for who in everyone() {
        let program = "for s in 1 2 3 6 9 11 15 19 20 24 31; do kill -$s 1; done; exit 7";
        let (output, outcome) = fixture.outcome(who, &[], &["sh", "-c", program]);
        assert_eq!(outcome.code, Some(7), "{output:?}");
    }
}

#[test]
fn a_program_sees_no_file_of_the_host() {
    let fixture = Fixture::new();
    let secret = fixture.file("secret", "x");
    let secret = secret.to_str().unwrap();
    for attack in ["read", "write", "create"] {
        fixture.wall_holds(&[], &[attack, secret]);
    }
    for path in ["/etc/hostname", "/etc/machine-id", "/etc/shadow", "/sys/kernel", "/root", "/home", "/run", "/var/lib"]
    {
        let inside = fixture.attack_inside(Who::Caller, &[], &["read", path]).output().unwrap();
        let own = path == "/etc/hostname";
        assert_eq!(inside.status.success(), own, "{path}: {inside:?}");
    }
}

#[test]
fn a_read_only_tree_and_all_that_is_mounted_in_it_stays_as_it_is() {
    let fixture = Fixture::new();
    let tree = fixture.open_directory("tree");
    std::fs::write(tree.join("file"), "x").unwrap();
    let option = format!("{}:/tree", tree.display());
    for (attack, name) in [("write", "file"), ("create", "new")] {
        let outside = tree.join(name);
        breached(&mut fixture.attack_outside(Who::Caller, &[attack, outside.to_str().unwrap()]), &[attack]);
        fixture.held(&["--ro", &option], &[attack, &format!("/tree/{name}")]);
    }
    // A file system mounted below it: made in a mount namespace of the test's own, which the sandbox copies.
    let sub = tree.join("sub");
    std::fs::create_dir(&sub).unwrap();
    let script = "mount -t tmpfs none \"$1\" && chmod 777 \"$1\" && touch \"$1/outside\" && shift && exec \"$@\"";
    for who in everyone() {
        let inside = fixture.attack_inside(who, &["--ro", &option], &["create", "/tree/sub/new"]);
        let mut nested = unshare("m", who);
        nested.args(["sh", "-c", script, "sh"]).arg(&sub).arg(inside.get_program()).args(inside.get_args());
        let output = nested.output().unwrap();
        assert!(String::from_utf8_lossy(&output.stdout).starts_with("held: EROFS"), "{who:?}: {output:?}");
    }
    for own in ["/usr/new", "/etc/new", "/dev/new", "/proc/new", "/new", "/bin/new"] {
        fixture.held(&[], &["create", own]);
    }
}

#[test]
fn no_name_and_no_tree_leads_to_the_hosts_processes() {
    let fixture = Fixture::new();
    let link = fixture.path("link");
    std::os::unix::fs::symlink("/proc", &link).unwrap();
    for source in [link.to_str().unwrap(), "/dev/fd", "/"] {
        for who in everyone() {
            let (output, outcome) = fixture.outcome(who, &["--ro", &format!("{source}:/data")], &["ls", "/data"]);
            let setup = outcome.setup.unwrap();
            assert_eq!((output.status.code(), setup.step), (Some(125), Step::HostPath), "{source}: {output:?}");
        }
    }
    let link = fixture.path("link-to-sys");
    std::os::unix::fs::symlink("/sys/kernel", &link).unwrap();
    for (option, code) in [("--ro", 0), ("--rw", 125)] {
        let option = [option, &format!("{}:/data", link.display())];
        let output = fixture.sandbox(Who::Caller).args(option).args(["--", "true"]).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{option:?}: {output:?}");
    }
}

#[test]
fn a_directory_of_the_host_is_no_standard_input_or_output() {
    let fixture = Fixture::new();
    let root = || Stdio::from(std::fs::File::open("/").unwrap());
    breached(fixture.attack_outside(Who::Caller, &["fd", "0"]).stdin(root()), &["fd", "0"]);
    for who in everyone() {
        for descriptor in 0..3 {
            let mut inside = fixture.attack_inside(who, &[], &["fd", &descriptor.to_string()]);
            inside.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            match descriptor {
                0 => inside.stdin(root()),
                1 => inside.stdout(root()),
                _ => inside.stderr(root()),
            };
            assert_eq!(inside.status().unwrap().code(), Some(125), "descriptor {descriptor}");
        }
    }
}

/// What is taken away here is Landlock; the file's modes and the mounts let the attack through.
#[test]
fn a_file_given_as_standard_input_is_not_opened_with_more_rights() {
    let fixture = Fixture::new();
    let file = fixture.file("input", "content");
    let read_only = || Stdio::from(std::fs::File::open(&file).unwrap());
    let append = || Stdio::from(std::fs::OpenOptions::new().append(true).open(&file).unwrap());
    let run = |who, options: &[&str], attack: &[&str], input| {
        fixture.attack_inside(who, options, attack).stdin(input).output().unwrap()
    };
    for who in everyone() {
        for (attack, appending) in
            [("write", false), ("truncate", false), ("read", true), ("write", true), ("truncate", true)]
        {
            let input = || if appending { append() } else { read_only() };
            let attack = [attack, "/proc/self/fd/0"];
            let output = run(who, &["--landlock", "off"], &attack, input());
            assert!(output.status.success(), "{attack:?} does not work without the wall: {output:?}");
            std::fs::write(&file, "content").unwrap();
            let output = run(who, &["--landlock", "required"], &attack, input());
            assert!(output.stdout.starts_with(b"held: EACCES"), "{attack:?} as {who:?}: {output:?}");
            assert_eq!(std::fs::read_to_string(&file).unwrap(), "content");
        }
        // What the descriptor can do already, it can do by its name too.
        let output = run(who, &[], &["read", "/proc/self/fd/0"], read_only());
        assert!(output.status.success(), "{output:?}");
    }
}

#[test]
fn landlock_allows_what_the_mounts_allow() {
    let fixture = Fixture::new();
    let directory = fixture.open_directory("out");
    let file = fixture.file("single", "x");
    let options = [format!("{}:/out", directory.display()), format!("{}:/single", file.display())];
    let script = "set -e\n\
                  mkdir -p /tmp/a /tmp/b /out/a /out/b; echo x >/tmp/a/f; mv /tmp/a/f /tmp/b/g; ln /tmp/b/g /tmp/a/h\n\
                  echo y >/out/a/f; mv /out/a/f /out/b/g; mv /out/b /out/c; rm -r /out/a /out/c\n\
                  echo z >/single; echo >/dev/null; echo s >/dev/shm/s; cp /usr/bin/true /tmp/true; /tmp/true\n\
                  mkfifo /tmp/p; ln -s g /tmp/b/l; cat /tmp/b/l; echo done >&2; ls / /usr >/dev/null";
    for who in everyone() {
        let mut command = fixture.sandbox(who);
        command.args(["--landlock", "required", "--rw", &options[0], "--rw", &options[1], "--", "sh", "-c", script]);
        let output = command.stdin(Stdio::null()).output().unwrap();
        assert!(
            output.status.success() && output.stdout == b"x\n" && output.stderr == b"done\n",
            "{who:?}: {output:?}"
        );
    }
}

#[test]
fn a_kernel_without_landlock_is_told_of_or_refused() {
    let fixture = Fixture::new();
    for who in everyone() {
        for (asked, code, says) in
            [("auto", 0, "warning: landlock: "), ("required", 125, "landlock (ABI 0)"), ("off", 0, "")]
        {
            let inner = fixture.path("sandbox");
            let call = libc::SYS_landlock_create_ruleset.to_string();
            let mut command = fixture.attack_outside(who, &["without", &call, "38", "0", "0", "0"]);
            command.arg(inner).args(["--limits", "rlimit-only", "--landlock", asked, "--", "true"]);
            let output = command.output().unwrap();
            let stderr = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(code), "{asked}: {output:?}");
            assert!(stderr.contains(says) && says.is_empty() == stderr.is_empty(), "{asked}: {output:?}");
        }
    }
}

/// The kernel starts the helper of `core_pattern` outside, as root, unless RLIMIT_CORE is 1.
#[test]
fn a_crash_starts_no_helper_on_the_host() {
    Fixture::new().wall_holds(&[], &["core-limit"]);
}

#[test]
fn a_program_reaches_no_listener_of_the_host() {
    let fixture = Fixture::new();
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = tcp.local_addr().unwrap().port().to_string();
    fixture.wall_holds(&[], &["tcp", "127.0.0.1", &port]);
    let name = format!("holdfast-test-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    let _listener = UnixListener::bind_addr(&address).unwrap();
    fixture.wall_holds(&[], &["abstract", &name]);
}

#[test]
fn a_program_reaches_no_metadata_service() {
    let fixture = Fixture::new();
    // A network namespace that has the address, and a listener on it; the sandbox is started in it.
    let script = "ip link set lo up && ip address add 169.254.169.254/32 dev lo && exec \"$@\"";
    let listen = "import socket,subprocess,sys\n\
                  s=socket.create_server(('169.254.169.254',80))\n\
                  sys.exit(subprocess.run(sys.argv[1:]).returncode)";
    let attack = ["tcp", "169.254.169.254", "80"];
    for who in everyone() {
        let around = |command: Command| {
            let mut nested = unshare("n", who);
            nested.args(["sh", "-c", script, "sh", "/usr/bin/python3", "-c", listen]);
            nested.arg(command.get_program()).args(command.get_args());
            nested
        };
        breached(&mut around(fixture.attack_outside(who, &attack)), &attack);
        let output = around(fixture.attack_inside(who, &[], &attack)).output().unwrap();
        assert!(String::from_utf8_lossy(&output.stdout).starts_with("held: ENETUNREACH"), "{who:?}: {output:?}");
    }
}

/// unshare(1) into a namespace of one kind: root does it as itself, others as the root of a user namespace.
fn unshare(kind: &str, who: Who) -> Command {
    let root = who == Who::Caller && support::is_root();
    let mut command = support::as_who(Command::new("unshare"), who);
    command.arg(if root { format!("-{kind}") } else { format!("-r{kind}") });
    command
}

#[test]
fn a_program_shares_no_memory_with_the_host() {
    let fixture = Fixture::new();
    let made = Command::new("ipcmk").args(["-M", "1", "-p", "666"]).output().unwrap();
    let text = String::from_utf8(made.stdout).unwrap();
    let id = text.trim().rsplit(' ').next().unwrap().to_owned();
    let segment = Segment { id };
    fixture.wall_holds(&[], &["shm", &segment.key()]);
}

/// A System V segment, removed with the test.
struct Segment {
    id: String,
}

impl Segment {
    fn key(&self) -> String {
        let table = std::fs::read_to_string("/proc/sysvipc/shm").unwrap();
        let row = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>()).find(|row| row[1] == self.id);
        row.unwrap()[0].to_owned()
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        let _ = Command::new("ipcrm").args(["-m", &self.id]).status();
    }
}

#[test]
fn a_program_has_no_keys() {
    let fixture = Fixture::new();
    fixture.wall_holds(&[], &["keyring"]);
    fixture.wall_holds(&[], &["add-key"]);
    fixture.wall_holds(&[], &["content", "/proc/key-users"]);
}

#[test]
fn a_program_has_nothing_of_the_callers_environment_and_descriptors() {
    let fixture = Fixture::new();
    let mut outside = fixture.attack_outside(Who::Caller, &["env", "HOLDFAST_SECRET"]);
    breached(outside.env("HOLDFAST_SECRET", "x"), &["env"]);
    let mut inside = fixture.attack_inside(Who::Caller, &[], &["env", "HOLDFAST_SECRET"]);
    let output = inside.env("HOLDFAST_SECRET", "x").output().unwrap();
    assert_eq!(output.status.code(), Some(10), "{output:?}");

    // CVE-2024-21626: a directory of the host, left open by the runner.
    let with_directory = |command: Command| {
        let mut shell = Command::new("sh");
        shell.args(["-c", "exec 9< /; exec \"$@\"", "sh"]).arg(command.get_program()).args(command.get_args());
        shell
    };
    breached(&mut with_directory(fixture.attack_outside(Who::Caller, &["fd", "9"])), &["fd"]);
    for number in 3..32 {
        let attack = ["fd", &number.to_string()];
        let output = with_directory(fixture.attack_inside(Who::Caller, &[], &attack)).output().unwrap();
        assert_eq!(output.status.code(), Some(10), "descriptor {number}: {output:?}");
    }
}

#[test]
fn a_program_does_not_learn_the_hosts_name_and_boot() {
    let fixture = Fixture::new();
    let name = nix::unistd::gethostname().unwrap().into_string().unwrap();
    fixture.wall_holds(&[], &["host-name", &name]);
    for file in ["/proc/cmdline", "/proc/kallsyms", "/proc/interrupts"] {
        fixture.wall_holds(&[], &["content", file]);
    }
}

#[test]
fn a_program_gains_no_privilege_and_no_namespace() {
    let fixture = Fixture::new();
    for attack in ["userns", "clone-userns", "clone-bit-32", "clone3", "personality"] {
        fixture.wall_holds(&[], &[attack]);
    }
    for attack in [&["setuid"][..], &["setns"], &["chroot"], &["write", "/proc/sys/kernel/core_pattern"]] {
        privileged_breach(&fixture, attack);
        fixture.held(&[], attack);
    }
    let mount_point = fixture.open_directory("mount");
    privileged_breach(&fixture, &["mount", mount_point.to_str().unwrap()]);
    fixture.held(&[], &["mount", "/tmp"]);
}

/// Attacks that root alone can make: without the wall they are made as root, in a mount namespace of their own.
fn privileged_breach(fixture: &Fixture, attack: &[&str]) {
    support::need_root("without the wall, too, only root can make this attack");
    let outside = fixture.attack_outside(Who::Caller, attack);
    let mut nested = unshare("m", Who::Caller);
    nested.arg(outside.get_program()).args(outside.get_args());
    breached(&mut nested, attack);
}

#[test]
fn a_set_user_id_program_gains_nothing() {
    use std::os::unix::fs::PermissionsExt;
    support::need_root("a set-user-id file has to be root's to mean anything");
    let fixture = Fixture::new();
    let program = fixture.path("id");
    std::fs::copy("/usr/bin/id", &program).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o4755)).unwrap();
    let option = format!("{}:/id", program.display());
    let mut outside = Command::new("setpriv");
    outside.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(&program).arg("-u");
    let outside = outside.output().unwrap();
    assert_eq!(outside.stdout, b"0\n", "{outside:?}");
    for who in everyone() {
        let output = fixture.sandbox(who).args(["--ro", &option, "--", "/id", "-u"]).output().unwrap();
        assert_eq!(output.stdout, b"1000\n", "{output:?}");
    }
}

#[test]
fn the_kernels_dangerous_interfaces_are_refused() {
    let fixture = Fixture::new();
    for attack in [&["io-uring"][..], &["aio"], &["uevent"]] {
        fixture.wall_holds(&[], attack);
    }
    for attack in [&["userfaultfd"][..], &["perf"], &["bpf"], &["handle", "/usr"], &["packet"]] {
        privileged_breach(&fixture, attack);
        fixture.held(&[], attack);
    }
}

#[test]
fn another_entry_to_the_kernel_kills() {
    let fixture = Fixture::new();
    breached(&mut fixture.attack_outside(Who::Caller, &["i386"]), &["i386"]);
    let option = format!("{}:/attack", fixture.path("attack").display());
    for who in everyone() {
        for attack in ["i386", "x32"] {
            let (output, outcome) = fixture.outcome(who, &["--ro", &option], &["/attack", attack]);
            assert_eq!(outcome.ended_by, holdfast_sandbox::EndedBy::Seccomp, "{output:?}");
            assert_eq!(output.status.code(), Some(159));
        }
    }
}

#[test]
fn a_program_types_nothing_into_the_callers_terminal() {
    support::need_root("newer kernels let only root type into a terminal at all");
    let fixture = Fixture::new();
    for attack in ["tiocsti", "tiocsti-bit-32"] {
        let terminal = nix::pty::openpty(None, None).unwrap();
        let mut outside = fixture.attack_outside(Who::Caller, &[attack]);
        breached(outside.stdin(Stdio::from(terminal.slave.try_clone().unwrap())), &[attack]);
        for who in everyone() {
            let mut inside = fixture.attack_inside(who, &[], &[attack]);
            let output = inside.stdin(Stdio::from(terminal.slave.try_clone().unwrap())).output().unwrap();
            assert!(String::from_utf8_lossy(&output.stdout).starts_with("held: EPERM"), "{output:?}");
        }
    }
}

#[test]
fn a_program_makes_and_opens_no_device() {
    support::need_root("only root makes devices");
    let fixture = Fixture::new();
    let directory = fixture.open_directory("devices");
    let device = directory.join("zero");
    let made = Command::new("mknod").arg(&device).args(["-m", "666", "c", "1", "5"]).status().unwrap();
    assert!(made.success());
    let option = format!("{}:/devices", directory.display());
    breached(&mut fixture.attack_outside(Who::Caller, &["device", device.to_str().unwrap()]), &["device"]);
    fixture.held(&["--rw", &option], &["device", "/devices/zero"]);
    let new = directory.join("mem");
    breached(&mut fixture.attack_outside(Who::Caller, &["mknod", new.to_str().unwrap()]), &["mknod"]);
    fixture.held(&["--rw", &option], &["mknod", "/devices/mem-2"]);
    fixture.held(&[], &["mknod", "/tmp/mem"]);
}
