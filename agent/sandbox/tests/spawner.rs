//! The library: sandboxes by way of the spawner, from threads, with files and signals.

#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

mod support;

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::path::Path;

use holdfast_sandbox::{
    Access, Allow, Bind, EndedBy, Error, ExecRequest, InputFile, Limits, LimitsMode, Network, Outcome, Policy,
    Prepared, Request, Sandbox, Seccomp, Spawner, Stdio, Step, Tmpfs,
};
use nix::sys::signal::Signal;
use support::{Fixture, Who, breached, is_root, need_root, uid_of, until};

fn spawner() -> Spawner {
    Spawner::start(env!("CARGO_BIN_EXE_holdfast-sandbox").as_ref()).unwrap()
}

fn pid_of(spawner: &Spawner) -> String {
    pid_behind(spawner.pidfd())
}

fn pid_behind(pidfd: BorrowedFd<'_>) -> String {
    let told = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", pidfd.as_raw_fd())).unwrap();
    told.lines().find_map(|line| line.strip_prefix("Pid:")).unwrap().trim().to_owned()
}

fn policy() -> Policy {
    Policy { limits: Limits { mode: LimitsMode::RlimitOnly, ..Limits::default() }, ..Policy::default() }
}

fn shell(script: &str) -> Request {
    Request {
        policy: policy(),
        program: "sh".to_owned(),
        args: vec!["-c".to_owned(), script.to_owned()],
        files: vec![],
    }
}

/// Runs to the end and gives what the program wrote to its output.
fn run(spawner: &Spawner, request: &Request) -> (Outcome, String) {
    let (sandbox, mut output) = start(spawner, request);
    let mut text = String::new();
    output.read_to_string(&mut text).unwrap();
    (sandbox.outcome().unwrap(), text)
}

fn start(spawner: &Spawner, request: &Request) -> (Sandbox, File) {
    let (reader, writer): (OwnedFd, OwnedFd) = nix::unistd::pipe().unwrap();
    let null = File::open("/dev/null").unwrap();
    let stdio = Stdio { stdin: null.as_fd(), stdout: writer.as_fd(), stderr: writer.as_fd(), passed: &[] };
    (spawner.spawn(request, stdio).unwrap(), reader.into())
}

#[test]
fn a_program_runs_and_its_outcome_comes_back() {
    let spawner = spawner();
    let (outcome, text) = run(&spawner, &shell("id -u; exit 5"));
    assert_eq!((outcome.ended_by, outcome.code, text.as_str()), (EndedBy::Exited, Some(5), "1000\n"));
    assert!(outcome.wall_us.is_some() && outcome.user_us.is_some() && outcome.system_us.is_some());
    assert_eq!(outcome.limits, LimitsMode::RlimitOnly);
}

#[test]
fn threads_share_a_spawner_and_each_gets_its_own_answer() {
    let spawner = spawner();
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let spawner = &spawner;
            scope.spawn(move || {
                for round in 0..10 {
                    let word = format!("{thread}-{round}");
                    let (outcome, text) = run(spawner, &shell(&format!("echo {word}; exit {thread}")));
                    assert_eq!((outcome.code, text.trim()), (Some(thread), word.as_str()));
                }
            });
        }
    });
}

#[test]
fn live_sandboxes_of_root_have_different_ids() {
    let spawner = spawner();
    let live: Vec<_> = (0..10).map(|_| start(&spawner, &shell("echo up; sleep 1000"))).collect();
    let mut uids = Vec::new();
    for (sandbox, output) in &live {
        let mut line = [0; 3];
        output.try_clone().unwrap().read_exact(&mut line).unwrap();
        uids.push(uid_of(sandbox.pid()).unwrap());
    }
    let all = uids.len();
    uids.sort_unstable();
    uids.dedup();
    if is_root() {
        assert_eq!(uids.len(), all);
        assert!(uids.iter().all(|uid| (0x7000_0000..0x8000_0000).contains(uid)), "{uids:?}");
    } else {
        assert_eq!(uids, [nix::unistd::geteuid().as_raw()]);
    }
}

/// Which network a program has, and whether its loopback is up; then it stays until it is ended.
const NETWORK: &str =
    "readlink /proc/self/ns/net; grep -q 127.0.0.1 /proc/net/fib_trie && echo up || echo down; exec sleep 60";

fn network(output: File) -> (String, String) {
    let mut lines = BufReader::new(output).lines().map(Result::unwrap);
    (lines.next().unwrap(), lines.next().unwrap())
}

#[test]
fn no_two_sandboxes_have_the_same_network() {
    let spawner = spawner();
    let none = Request { policy: Policy { net: Network::None, ..policy() }, ..shell(NETWORK) };
    let prepare = || spawner.prepare(&policy(), &[]).unwrap();
    let mut seen = vec![network_of("self")];
    let mut live = Vec::new();
    let mut add = |(sandbox, output): (Sandbox, File), expected: &str| {
        let (name, loopback) = network(output);
        assert_eq!(loopback, expected);
        assert!(!seen.contains(&name), "{name} again: {seen:?}");
        seen.push(name);
        live.push(sandbox);
    };
    for _ in 0..4 {
        // Each after the one before has started, when a network may be ready, and then all at once.
        add(start(&spawner, &shell(NETWORK)), "up");
        add(start(&spawner, &none), "down");
        add(start_prepared(prepare(), NETWORK), "up");
        let (ahead, at_once) = (prepare(), [(); 3].map(|()| start(&spawner, &shell(NETWORK))));
        at_once.into_iter().for_each(|started| add(started, "up"));
        add(start_prepared(ahead, NETWORK), "up");
    }
}

fn network_of(pid: &str) -> String {
    std::fs::read_link(format!("/proc/{pid}/ns/net")).unwrap().to_string_lossy().into_owned()
}

#[test]
fn what_enters_a_sandbox_has_its_network() {
    let spawner = spawner();
    let (first, output) = start(&spawner, &shell(NETWORK));
    let (its, _) = network(output);
    // The spawner is in another's by now, or will be.
    let (_second, output) = start(&spawner, &shell(NETWORK));
    assert_ne!(network(output).0, its);
    let (reader, writer) = nix::unistd::pipe().unwrap();
    let null = File::open("/dev/null").unwrap();
    let stdio = Stdio { stdin: null.as_fd(), stdout: writer.as_fd(), stderr: writer.as_fd(), passed: &[] };
    let exec = ExecRequest { program: "readlink".to_owned(), args: vec!["/proc/self/ns/net".to_owned()] };
    let entered = first.exec(&exec, stdio).unwrap();
    drop(writer);
    let said = std::io::read_to_string(File::from(reader)).unwrap();
    assert_eq!((entered.outcome().unwrap().code, said.trim()), (Some(0), its.as_str()));
}

/// Root's spawner goes ahead into the network of its next sandbox, and out of it when that has ended, whatever else comes.
#[test]
fn a_network_is_there_before_its_sandbox_and_not_kept_behind_it() {
    need_root("nobody else's makes a network ahead");
    let spawner = spawner();
    let pid = pid_of(&spawner);
    until("the first network is made", || network_of(&pid) != network_of("self"));
    let fails = Request { policy: Policy { root: Some("/no/such/root".into()), ..policy() }, ..shell("") };
    for _ in 0..40 {
        let ready = network_of(&pid);
        let (sandbox, mut output) = start(&spawner, &shell("readlink /proc/self/ns/net"));
        let null = File::open("/dev/null").unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for _ in 0..20 {
                    spawner.spawn(&fails, null_stdio(&null)).unwrap_err();
                }
            });
            assert_eq!(sandbox.outcome().unwrap().code, Some(0));
        });
        let mut said = String::new();
        output.read_to_string(&mut said).unwrap();
        assert_eq!(said.trim(), ready);
        until("the spawner has left it", || network_of(&pid) != ready);
    }
}

#[test]
fn a_sandbox_of_a_spawner_reaches_no_listener_of_the_host_nor_of_another() {
    let fixture = Fixture::new();
    let spawner = spawner();
    let attack = |words: &[&str]| {
        let bind = Bind { source: fixture.path("attack"), target: "/attack".into(), mode: Access::Ro };
        let args = words.iter().map(|&word| word.to_owned()).collect();
        Request {
            policy: Policy { mounts: vec![bind], ..policy() },
            program: "/attack".to_owned(),
            args,
            files: vec![],
        }
    };
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = tcp.local_addr().unwrap().port().to_string();
    let name = format!("holdfast-spawner-{}", std::process::id());
    let _listener = UnixListener::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
    let listen = "import socket\nt=socket.create_server(('127.0.0.1',7777))\n\
                  u=socket.socket(socket.AF_UNIX);u.bind('\\0other');u.listen()\nprint('up',flush=True)\nt.accept()";
    let (_other, output) = start(
        &spawner,
        &Request { program: "python3".to_owned(), args: vec!["-c".to_owned(), listen.to_owned()], ..shell("") },
    );
    assert_eq!(BufReader::new(output).lines().next().unwrap().unwrap(), "up");
    let hosts: [&[&str]; 2] = [&["tcp", "127.0.0.1", &port], &["abstract", &name]];
    for words in hosts {
        breached(&mut fixture.attack_outside(Who::Caller, words), words);
    }
    for words in hosts.into_iter().chain([&["tcp", "127.0.0.1", "7777"][..], &["abstract", "other"]]) {
        let (outcome, said) = run(&spawner, &attack(words));
        assert!(outcome.code == Some(10) && said.starts_with("held"), "{words:?}: {outcome:?} {said}");
    }
}

#[test]
fn files_are_made_inside_and_belong_to_the_program() {
    let mut request =
        shell("cat /tmp/in/a /input/b /scratch/c; stat -c '%U %a' /tmp/in/a /input /input/b; echo more >> /tmp/in/a");
    request.policy.tmpfs = vec![Tmpfs { target: "/scratch".into(), size: 1 << 20 }];
    let file = |path: &str, mode, data: &[u8]| InputFile { path: path.into(), mode, data: data.to_vec() };
    let big = vec![b'x'; 3 << 20];
    request.files = vec![
        file("/tmp/in/a", 0o640, b"one\n"),
        file("/input/b", 0o755, b"two\n"),
        file("/scratch/c", 0o600, b"three\n"),
        file("/input/big", 0o600, &big),
    ];
    let (outcome, text) = run(&spawner(), &request);
    assert_eq!(text, "one\ntwo\nthree\nsandbox 640\nsandbox 755\nsandbox 755\n");
    assert_eq!(outcome.code, Some(0));
}

#[test]
fn many_files_each_in_directories_of_its_own_fit() {
    let mut request = shell("find /in -type f | wc -l");
    let file = |number| InputFile { path: format!("/in/{number}/a/b/c/d/e").into(), mode: 0o600, data: vec![] };
    request.files = (0..500).map(file).collect();
    let (outcome, text) = run(&spawner(), &request);
    assert_eq!(text, "500\n", "{outcome:?}");
}

#[test]
fn a_file_that_does_not_fit_is_told() {
    let mut request = shell("true");
    request.policy.tmpfs = vec![Tmpfs { target: "/scratch".into(), size: 4096 }];
    request.files = vec![InputFile { path: "/scratch/big".into(), mode: 0o600, data: vec![0; 1 << 20] }];
    let (outcome, _) = run(&spawner(), &request);
    let setup = outcome.setup.unwrap();
    assert_eq!((setup.step, setup.errno, setup.subject.as_deref()), (Step::Files, libc::ENOSPC, Some("/scratch/big")));
}

#[test]
fn no_file_and_no_mount_point_is_made_through_a_link_in_a_writable_tree() {
    let fixture = Fixture::new();
    let tree = fixture.open_directory("tree");
    let target = fixture.open_directory("target");
    std::os::unix::fs::symlink(&target, tree.join("link")).unwrap();
    let spawner = spawner();
    let tree_bind = Bind { source: tree.clone(), target: "/tree".into(), mode: Access::Rw };
    for inner in ["/tree/link", "/tree/link/new", "/tree/new"] {
        let mut request = shell("true");
        let inner = Bind { source: target.clone(), target: inner.into(), mode: Access::Ro };
        request.policy.mounts = vec![inner, tree_bind.clone()];
        let (outcome, _) = run(&spawner, &request);
        let setup = outcome.setup.unwrap();
        assert_eq!(setup.step, Step::Bind, "{setup}");
    }
    let mut request = shell("true");
    request.policy.mounts = vec![tree_bind];
    request.files = vec![InputFile { path: "/tree/link/new".into(), mode: 0o600, data: vec![] }];
    assert!(matches!(spawner.spawn(&request, null_stdio(&File::open("/dev/null").unwrap())), Err(Error::Policy(_))));
    assert_eq!(std::fs::read_dir(&target).unwrap().count(), 0, "something was made through the link");
    assert_eq!(std::fs::read_dir(&tree).unwrap().count(), 1, "something was made in the host's tree");
}

fn null_stdio(file: &File) -> Stdio<'_> {
    Stdio { stdin: file.as_fd(), stdout: file.as_fd(), stderr: file.as_fd(), passed: &[] }
}

#[test]
fn a_signal_reaches_the_program_and_sigkill_ends_everything() {
    let spawner = spawner();
    let (sandbox, mut output) =
        start(&spawner, &shell("trap 'echo got; exit 9' TERM; echo up; while :; do sleep 0.05; done"));
    let mut up = [0; 3];
    output.read_exact(&mut up).unwrap();
    assert!(matches!(sandbox.signal(Signal::SIGSTOP), Err(Error::StopRefused)));
    sandbox.signal(Signal::SIGTERM).unwrap();
    let mut text = String::new();
    output.read_to_string(&mut text).unwrap();
    assert_eq!((text.as_str(), sandbox.outcome().unwrap().code), ("got\n", Some(9)));

    let (sandbox, mut output) = start(&spawner, &shell("trap '' TERM; echo up; sleep 1000; sleep 1000"));
    output.read_exact(&mut up).unwrap();
    sandbox.signal(Signal::SIGKILL).unwrap();
    assert_eq!(sandbox.outcome().unwrap().ended_by, EndedBy::Killed);
}

#[test]
fn setup_that_fails_before_and_after_clone3_is_told_by_step() {
    let spawner = spawner();
    let null = File::open("/dev/null").unwrap();
    let mut request = shell("true");
    request.policy.mounts = vec![Bind { source: "/no/such".into(), target: "/data".into(), mode: Access::Ro }];
    match spawner.spawn(&request, null_stdio(&null)) {
        Err(Error::Setup(failure)) => assert_eq!((failure.step, failure.errno), (Step::HostPath, libc::ENOENT)),
        other => panic!("{other:?}"),
    }
    let (outcome, _) = run(&spawner, &Request { program: "/no/such".to_owned(), ..shell("") });
    assert_eq!((outcome.ended_by, outcome.exit_code()), (EndedBy::SetupFailed, 127));
    // And the spawner goes on.
    assert_eq!(run(&spawner, &shell("exit 4")).0.code, Some(4));
}

#[test]
fn a_request_that_demands_cgroup_limits_is_refused_where_there_are_none() {
    let fixture = Fixture::new();
    let spawner = Spawner::start(&fixture.without_cgroups()).unwrap();
    let mut request = shell("true");
    request.policy.limits.mode = LimitsMode::Required;
    match spawner.spawn(&request, null_stdio(&File::open("/dev/null").unwrap())) {
        Err(Error::Setup(failure)) => {
            assert_eq!(failure.step, Step::Cgroup);
            assert!(failure.to_string().contains("rlimit-only"), "{failure}");
        }
        other => panic!("{other:?}"),
    }
}

/// Runs a shell in a sandbox that was made ahead.
fn run_prepared(prepared: Prepared, script: &str) -> (Outcome, String) {
    let (sandbox, mut output) = start_prepared(prepared, script);
    let mut text = String::new();
    output.read_to_string(&mut text).unwrap();
    (sandbox.outcome().unwrap(), text)
}

fn start_prepared(prepared: Prepared, script: &str) -> (Sandbox, File) {
    let (reader, writer): (OwnedFd, OwnedFd) = nix::unistd::pipe().unwrap();
    let null = File::open("/dev/null").unwrap();
    let stdio = Stdio { stdin: null.as_fd(), stdout: writer.as_fd(), stderr: writer.as_fd(), passed: &[] };
    (prepared.spawn("sh", &["-c".to_owned(), script.to_owned()], stdio).unwrap(), reader.into())
}

#[test]
fn a_sandbox_made_ahead_is_as_one_that_is_made_for_its_program() {
    let script = "grep -Ev '^(Vm|Rss|Hugetlb|voluntary|nonvoluntary|SigQ)' /proc/self/status; ls -l /proc/self/fd | cut -d' ' -f1-4; \
        cut -d' ' -f4-7 /proc/self/mountinfo; ulimit -a; env; pwd; cat /tmp/in; hostname";
    let files = [InputFile { path: "/tmp/in".into(), mode: 0o640, data: b"sent\n".to_vec() }];
    let spawner = spawner();
    let (outcome, text) = run(&spawner, &Request { files: files.to_vec(), ..shell(script) });
    let (ahead, text_ahead) = run_prepared(spawner.prepare(&policy(), &files).unwrap(), script);
    assert_eq!(text, text_ahead);
    assert!(text.contains("Seccomp:\t2") && text.contains("sent"), "{text}");
    assert_eq!((outcome.ended_by, outcome.code), (ahead.ended_by, ahead.code));
}

/// Whatever of its walls stands before its program is known.
#[test]
fn a_sandbox_made_ahead_has_the_walls_of_each_policy() {
    let spawner = spawner();
    let script = "exec grep -Ev 'Vm|Rss|Hugetlb|voluntary|SigQ|pending' \
        /proc/self/status /proc/self/limits /proc/self/personality";
    let strict = Policy { seccomp: Seccomp::Strict, ..policy() };
    let own =
        r#"{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["seccomp"], "action": "SCMP_ACT_ERRNO"}]}"#;
    let own = Policy { seccomp: Seccomp::Profile(serde_json::from_str(own).unwrap()), ..policy() };
    let pinned = Policy { limits: Limits { cpus_allowed: vec![0], ..policy().limits }, ..policy() };
    let predictable = Policy { aslr: false, ..policy() };
    let tracing = Policy { allow: vec![Allow::Ptrace], ..policy() };
    let nested = Policy { nested: true, ..policy() };
    let waiting = spawner.prepare(&policy(), &[]).unwrap();
    let init = pid_behind(waiting.pidfd());
    let status = || std::fs::read_to_string(format!("/proc/{init}/status")).unwrap();
    until("the filter is there before the program", || status().contains("Seccomp_filters:\t1"));
    let filters = |text: &str| text.matches("Seccomp_filters:\t2").count();
    for (policy, expected) in
        [(policy(), 0), (strict, 0), (own, 1), (pinned, 0), (predictable, 0), (tracing, 0), (nested, 0)]
    {
        let (outcome, text) = run(&spawner, &Request { policy: policy.clone(), ..shell(script) });
        let (ahead, text_ahead) = run_prepared(spawner.prepare(&policy, &[]).unwrap(), script);
        assert_eq!(text, text_ahead, "{policy:?}");
        assert_eq!((outcome.code, ahead.code), (Some(0), Some(0)), "{policy:?}: {text}");
        // At 1, and at no other number, the host starts no helper for a crash.
        assert!(text.contains("Max core file size        1                    1 "), "{text}");
        assert_eq!(filters(&text), expected, "{policy:?}: {text}");
    }
}

#[test]
fn the_clock_of_a_sandbox_made_ahead_begins_with_its_program() {
    let wall = std::time::Duration::from_millis(700);
    let limits = Limits { wall: Some(wall), ..policy().limits };
    let prepared = spawner().prepare(&Policy { limits, ..policy() }, &[]);
    // The spawner has ended, and everything with it.
    until("its end", || nix::poll::poll(&mut [readable(&prepared.as_ref().unwrap().pidfd())], 0u8) == Ok(1));
    let (outcome, _) = run_prepared(prepared.unwrap(), "exit 3");
    assert_eq!(outcome.ended_by, EndedBy::Killed);

    let spawner = spawner();
    let limits = Limits { wall: Some(wall), ..policy().limits };
    let prepared = spawner.prepare(&Policy { limits, ..policy() }, &[]).unwrap();
    // Time that passes is what this is about.
    std::thread::sleep(wall);
    let (outcome, _) = run_prepared(prepared, "exit 3");
    assert_eq!((outcome.ended_by, outcome.code), (EndedBy::Exited, Some(3)));
}

fn readable<'fd>(fd: &'fd BorrowedFd<'fd>) -> nix::poll::PollFd<'fd> {
    nix::poll::PollFd::new(fd.as_fd(), nix::poll::PollFlags::POLLIN)
}

#[test]
fn what_can_not_be_run_in_a_sandbox_made_ahead_is_told_as_elsewhere() {
    let spawner = spawner();
    let null = File::open("/dev/null").unwrap();
    let prepare = || spawner.prepare(&policy(), &[]).unwrap();
    let ended = |sandbox: Sandbox| sandbox.outcome().unwrap();
    assert!(matches!(prepare().spawn("", &[], null_stdio(&null)), Err(Error::Policy(_))));
    assert_eq!(ended(prepare().spawn("/no/such", &[], null_stdio(&null)).unwrap()).exit_code(), 127);
    let directory = File::open("/").unwrap();
    let setup = ended(prepare().spawn("true", &[], null_stdio(&directory)).unwrap()).setup.unwrap();
    assert_eq!(
        (setup.step, setup.errno, setup.subject.as_deref()),
        (Step::Stdio, libc::EISDIR, Some("standard input"))
    );
    let long = "x".repeat(100_000);
    assert_eq!(ended(prepare().spawn("true", &vec![long; 10], null_stdio(&null)).unwrap()).code, Some(0));
    // One that could not be made says so when it is used.
    let file = InputFile { path: "/dev/shm/big".into(), mode: 0o600, data: vec![0; 65 << 20] };
    let prepared = spawner.prepare(&policy(), &[file]).unwrap();
    let setup = ended(prepared.spawn("true", &[], null_stdio(&null)).unwrap()).setup.unwrap();
    assert_eq!((setup.step, setup.errno), (Step::Files, libc::ENOSPC));
}

#[test]
fn a_sandbox_made_ahead_that_nobody_uses_goes_with_its_handle() {
    let spawner = spawner();
    let prepared = spawner.prepare(&policy(), &[]).unwrap();
    let pidfd = prepared.pidfd().try_clone_to_owned().unwrap();
    drop(prepared);
    until("its end", || nix::poll::poll(&mut [readable(&pidfd.as_fd())], 0u8) == Ok(1));
}

#[test]
fn more_warnings_than_a_message_holds_come_all_the_same() {
    let mut request = shell("exit 3");
    // Nobody inside may write there.
    let bind =
        |number| Bind { source: "/usr/share".into(), target: format!("/data/{number}").into(), mode: Access::Rw };
    request.policy.mounts = (0..120).map(bind).collect();
    let (sandbox, _output) = start(&spawner(), &request);
    let of_binds = sandbox.warnings().iter().filter(|warning| warning.contains("bound writable")).count();
    assert_eq!(of_binds, 120);
}

#[test]
fn what_is_mounted_on_the_host_later_is_seen_in_the_next_sandbox() {
    use nix::mount::{MsFlags, mount, umount};
    if !is_root() {
        return;
    }
    // This thread's own mounts, which its spawner starts with.
    nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNS).unwrap();
    let none = None::<&str>;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).unwrap();
    let (spawner, request) = (spawner(), shell("ls /usr/local; stat -c %i /etc/ld.so.cache"));
    let seen = || run(&spawner, &request).1;
    let before = seen();
    assert_eq!(seen(), before);
    mount(Some("tmpfs"), "/usr/local", Some("tmpfs"), MsFlags::empty(), none).unwrap();
    File::create("/usr/local/later").unwrap();
    mount(Some("/usr/local/later"), "/etc/ld.so.cache", none, MsFlags::MS_BIND, none).unwrap();
    let later = seen();
    assert!(later.starts_with("later\n") && later.lines().last() != before.lines().last(), "{before} {later}");
    umount("/etc/ld.so.cache").unwrap();
    umount("/usr/local").unwrap();
    // What was unmounted does not stay busy until somebody asks for a sandbox.
    let pid = pid_of(&spawner);
    let keeps_a_root = || {
        let files = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().flatten();
        files.filter_map(|file| file.path().read_link().ok()).any(|to| to.ends_with("mountinfo"))
    };
    until("the kept root is let go of", || !keeps_a_root());
    assert_eq!(seen(), before);
}

#[test]
fn a_binary_that_is_not_there_is_named() {
    let error = Spawner::start(Path::new("/no/such/sandbox")).unwrap_err().to_string();
    assert!(error.contains("/no/such/sandbox") && error.contains("No such file"), "{error}");
}

#[test]
fn a_spawner_survives_noise_on_its_socket_and_ends_with_it() {
    use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, send, socketpair};
    let (ours, theirs) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC).unwrap();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_holdfast-sandbox"));
    let mut child = command.arg(holdfast_sandbox::SPAWNER_ARGUMENT).stdin(theirs).spawn().unwrap();
    for noise in [&b"x"[..], &[1], &[0; 4096], &[0; 5000]] {
        send(ours.as_raw_fd(), noise, MsgFlags::empty()).unwrap();
    }
    let many = [ours.as_raw_fd(); 100];
    let rights = [nix::sys::socket::ControlMessage::ScmRights(&many)];
    let part = [std::io::IoSlice::new(&[1])];
    let raw = ours.as_raw_fd();
    nix::sys::socket::sendmsg::<()>(raw, &part, &rights, MsgFlags::empty(), None).unwrap();
    until("the noise is read", || unread(&ours) == 0);
    assert!(child.try_wait().unwrap().is_none(), "noise ended it");
    drop(ours);
    assert!(child.wait().unwrap().success());
}

#[test]
fn descriptors_of_a_message_that_was_cut_are_closed() {
    use nix::sys::socket::{AddressFamily, ControlMessage, MsgFlags, SockFlag, SockType, sendmsg, socketpair};
    let (ours, theirs) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC).unwrap();
    let mut command = std::process::Command::new("sh");
    command.args(["-c", "ulimit -n 40; exec \"$0\" \"$1\"", env!("CARGO_BIN_EXE_holdfast-sandbox")]);
    let mut child = command.arg(holdfast_sandbox::SPAWNER_ARGUMENT).stdin(theirs).spawn().unwrap();
    let many = [ours.as_raw_fd(); 100];
    let part = [std::io::IoSlice::new(&[0, 0])];
    for _ in 0..3 {
        sendmsg::<()>(ours.as_raw_fd(), &part, &[ControlMessage::ScmRights(&many)], MsgFlags::empty(), None).unwrap();
    }
    // The answer to the last one says that all are read.
    let (answers, reply) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC).unwrap();
    let last = [ours.as_raw_fd(), reply.as_raw_fd()];
    sendmsg::<()>(ours.as_raw_fd(), &part, &[ControlMessage::ScmRights(&last)], MsgFlags::empty(), None).unwrap();
    until("the answer", || nix::poll::poll(&mut [readable(&answers.as_fd())], 0u8) == Ok(1));
    let mut answer = [0; 100];
    assert!(nix::unistd::read(&answers, &mut answer).unwrap() > 0);
    assert!(String::from_utf8_lossy(&answer).contains("another version"), "{answer:?}");
    let open = std::fs::read_dir(format!("/proc/{}/fd", child.id())).unwrap().count();
    assert!(open < 20, "{open} descriptors are open");
    drop(ours);
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_kept_root_is_as_one_that_is_made_for_its_sandbox() {
    let script = "cut -d ' ' -f 5,6 /proc/self/mountinfo | sort";
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_holdfast-sandbox"));
    let made = command.args(["--limits", "rlimit-only", "--", "sh", "-c", script]).output().unwrap();
    let made = String::from_utf8(made.stdout).unwrap();
    assert!(made.lines().any(|line| line.starts_with("/usr ro,nosuid,nodev")), "{made}");
    let spawner = spawner();
    for _ in 0..3 {
        assert_eq!(run(&spawner, &shell(script)).1, made);
    }
}

/// Bytes that the other end has not read yet (SIOCOUTQ would need an ioctl: a message that fits is a buffer with room).
fn unread(socket: &OwnedFd) -> usize {
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    let mut fds = [PollFd::new(socket.as_fd(), PollFlags::POLLOUT)];
    usize::from(poll(&mut fds, PollTimeout::ZERO).unwrap() == 0)
}

#[test]
fn the_hidden_mode_refuses_anything_but_its_socket() {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_holdfast-sandbox"));
    let output = command.arg(holdfast_sandbox::SPAWNER_ARGUMENT).stdin(std::process::Stdio::null()).output().unwrap();
    assert_eq!(output.status.code(), Some(125));
    assert!(String::from_utf8_lossy(&output.stderr).contains("spawner's socket"), "{output:?}");
    let _ = std::io::stderr().flush();
}

#[test]
fn a_process_with_threads_makes_no_sandbox_itself() {
    let null = File::open("/dev/null").unwrap();
    // The test harness has a thread for this test, besides its own.
    let refused = Sandbox::start(&shell("true"), null_stdio(&null));
    assert!(matches!(refused, Err(Error::Threads(2..))), "{refused:?}");
}

#[test]
fn a_spawner_does_not_grow() {
    let spawner = spawner();
    let parent = pid_of(&spawner);
    let resident = || {
        let status = std::fs::read_to_string(format!("/proc/{parent}/status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap().trim().to_owned();
        line.trim_end_matches(" kB").parse::<u64>().unwrap()
    };
    let descriptors = || std::fs::read_dir(format!("/proc/{parent}/fd")).unwrap().count();
    for _ in 0..20 {
        run(&spawner, &shell("true"));
    }
    let (memory, open) = (resident(), descriptors());
    for _ in 0..100 {
        run(&spawner, &shell("true"));
    }
    until("the last sandbox is reaped", || descriptors() <= open);
    assert!(resident() < memory + 256, "{memory} kB became {} kB", resident());
}
