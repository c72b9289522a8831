//! Closed on failure: each call of the kernel that makes a protection is taken away, as an older kernel lacks it (ENOSYS) and as
//! a container around this refuses it (EPERM); each namespace is, by its limit. Then nothing runs, nothing is left, and one line
//! says which step failed, why, and what to do, naming the option that allows it where there is one. And a runner that is out
//! of descriptors, processes or memory says so.
//!
//! A seccomp filter around the command takes calls away (`attack without`): that the step still succeeds without the filter all
//! other tests show.

#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

mod support;

use std::process::{Command, Output, Stdio};

use support::{Fixture, Who, as_who, everyone, is_root, marked};

/// A call, or one that has a value in an argument; the step that fails as root, and as another (none: it isn't used; two: what
/// root makes ahead where it may, init makes elsewhere); and what the line says of an option by which it is done without.
struct Taken {
    call: libc::c_long,
    value: Option<(u8, i32)>,
    steps: (Option<&'static str>, Option<&'static str>),
    option: &'static str,
}

const fn taken(call: libc::c_long, step: &'static str) -> Taken {
    Taken { call, value: None, steps: (Some(step), Some(step)), option: "" }
}

const fn by_root(call: libc::c_long, step: &'static str) -> Taken {
    Taken { steps: (Some(step), None), ..taken(call, "") }
}

const fn elsewhere(call: libc::c_long, root: &'static str, other: &'static str) -> Taken {
    Taken { steps: (Some(root), Some(other)), ..taken(call, "") }
}

const fn prctl(option: i32, step: &'static str) -> Taken {
    Taken { value: Some((0, option)), ..taken(libc::SYS_prctl, step) }
}

const fn done_without(taken: Taken, option: &'static str) -> Taken {
    Taken { option, ..taken }
}

const TAKEN: &[Taken] = &[
    taken(libc::SYS_clone3, "clone"),
    taken(libc::SYS_clone, "workload"),
    taken(libc::SYS_openat2, "host-path"),
    elsewhere(libc::SYS_open_tree, "host-path", "bind"),
    elsewhere(libc::SYS_mount_setattr, "read-only/host-path", "read-only"),
    elsewhere(libc::SYS_fsopen, "dev/root", "root"),
    elsewhere(libc::SYS_fsconfig, "dev/root", "root"),
    elsewhere(libc::SYS_fsmount, "dev/root", "root"),
    taken(libc::SYS_move_mount, "root"),
    taken(libc::SYS_mount, "propagation"),
    taken(libc::SYS_pivot_root, "pivot-root"),
    taken(libc::SYS_umount2, "pivot-root"),
    taken(libc::SYS_fchdir, "pivot-root"),
    taken(libc::SYS_mkdirat, "files"),
    taken(libc::SYS_symlinkat, "files"),
    taken(libc::SYS_sethostname, "hostname"),
    taken(libc::SYS_setdomainname, "hostname"),
    done_without(taken(libc::SYS_socket, "loopback"), "--net none"),
    done_without(taken(libc::SYS_ioctl, "loopback"), "--net none"),
    taken(libc::SYS_setsid, "session"),
    taken(libc::SYS_close_range, "init-descriptors"),
    taken(libc::SYS_capset, "capabilities"),
    by_root(libc::SYS_setgroups, "identity"),
    by_root(libc::SYS_setresgid, "identity"),
    by_root(libc::SYS_setresuid, "identity"),
    // The lock on a range of ids: F_OFD_SETLK.
    Taken { value: Some((1, 37)), ..by_root(libc::SYS_fcntl, "id-range") },
    prctl(libc::PR_SET_PDEATHSIG, "process"),
    prctl(libc::PR_SET_DUMPABLE, "process"),
    prctl(libc::PR_SET_NO_NEW_PRIVS, "process"),
    prctl(libc::PR_CAPBSET_DROP, "capabilities"),
    prctl(libc::PR_SET_SECUREBITS, "capabilities"),
    prctl(libc::PR_CAP_AMBIENT, "capabilities"),
    taken(libc::SYS_personality, "process"),
    taken(libc::SYS_prlimit64, "limits"),
    taken(libc::SYS_dup2, "stdio"),
    done_without(taken(libc::SYS_landlock_add_rule, "landlock"), "--landlock"),
    done_without(taken(libc::SYS_landlock_restrict_self, "landlock"), "--landlock"),
    taken(libc::SYS_seccomp, "seccomp"),
];

/// A command without a call, and with a mark by which what it leaves is found.
fn without(fixture: &Fixture, who: Who, taken: &Taken, errno: i32, options: &[&str]) -> (Output, String) {
    let mark = format!("features-{}-{}-{errno}-{who:?}", std::process::id(), taken.call);
    let (argument, mask, value) = taken.value.map_or((0, 0, 0), |(argument, value)| (argument, -1, value));
    let numbers = [taken.call, errno.into(), argument.into(), mask, value.into()].map(|number| number.to_string());
    let words: Vec<&str> = std::iter::once("without").chain(numbers.iter().map(String::as_str)).collect();
    let mut command = fixture.attack_outside(who, &words);
    command.arg(fixture.path("sandbox")).args(["--limits", "rlimit-only", "--wall", "20s"]).args(options);
    (command.args(["--", "echo", &mark]).stdin(Stdio::null()).output().unwrap(), mark)
}

/// Nothing ran, nothing is left, and one line names the step and what to do.
fn is_closed(output: &Output, mark: &str, step: &str) -> Result<String, String> {
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let named = said.strip_prefix("holdfast-sandbox: ").and_then(|said| said.split([':', ' ']).next());
    let begins = named.is_some_and(|named| step.split('/').any(|step| step == named));
    let is_one = said.lines().count() == 1 && said.contains("; ") && !said.contains("strace");
    let ran = !output.stdout.is_empty() || !marked(mark).is_empty();
    match output.status.code() == Some(125) && begins && is_one && !ran {
        true => Ok(said),
        false => Err(format!("{step} was to fail: {output:?}")),
    }
}

#[test]
fn without_any_of_the_kernels_calls_nothing_runs_and_one_line_says_why() {
    let fixture = Fixture::new();
    let mut wrong = Vec::new();
    for (at, taken) in TAKEN.iter().enumerate() {
        for who in everyone() {
            let step = if who == Who::Caller && is_root() { taken.steps.0 } else { taken.steps.1 };
            for errno in [libc::ENOSYS, libc::EPERM] {
                let (output, mark) = without(&fixture, who, taken, errno, &[]);
                let closed = step.map_or_else(
                    || if output.status.success() { Ok(taken.option.to_owned()) } else { Err(format!("{output:?}")) },
                    |step| is_closed(&output, &mark, step),
                );
                match closed {
                    Ok(said) if said.contains(taken.option) => {}
                    Ok(said) => wrong.push(format!("row {at}: {} is not in {said}", taken.option)),
                    Err(why) => wrong.push(format!("row {at}, errno {errno}, {who:?}: {why}")),
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_a_kernel_can_lack_is_done_without_where_that_is_stated_and_said() {
    let fixture = Fixture::new();
    let (landlock, keys) = (taken(libc::SYS_landlock_create_ruleset, ""), taken(libc::SYS_keyctl, ""));
    for who in everyone() {
        // Not built in, and not switched on.
        for errno in [libc::ENOSYS, libc::EOPNOTSUPP] {
            let (output, mark) = without(&fixture, who, &landlock, errno, &[]);
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), mark);
            assert!(said.lines().count() == 1 && said.contains("warning: landlock"), "{output:?}");
            let (output, mark) = without(&fixture, who, &landlock, errno, &["--landlock", "required"]);
            let said = is_closed(&output, &mark, "landlock").unwrap();
            assert!(said.contains("--landlock auto"), "{said}");
        }
        // Refused, it may be there: that is for the caller to decide.
        let (output, mark) = without(&fixture, who, &landlock, libc::EPERM, &[]);
        let said = is_closed(&output, &mark, "landlock").unwrap();
        assert!(said.contains("--landlock off"), "{said}");
        let (output, mark) = without(&fixture, who, &landlock, libc::EPERM, &["--landlock", "off"]);
        assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), mark, "{output:?}");
        // Who has no keys has none to leave.
        let (output, mark) = without(&fixture, who, &keys, libc::ENOSYS, &[]);
        assert!(String::from_utf8_lossy(&output.stdout).trim() == mark && output.stderr.is_empty(), "{output:?}");
        let (output, mark) = without(&fixture, who, &keys, libc::EPERM, &[]);
        is_closed(&output, &mark, "process").unwrap();
    }
}

/// In namespaces that an ordinary user makes, so that limits and mounts are its own.
fn in_own_namespaces(fixture: &Fixture, before: &str, mark: &str) -> Output {
    let who = if is_root() { Who::Nobody } else { Who::Caller };
    let mut command = as_who(Command::new("unshare"), who);
    command.args(["--user", "--map-root-user", "--mount", "sh", "-c", &format!("{before} && exec \"$0\" \"$@\"")]);
    command.arg(fixture.path("sandbox")).args(["--limits", "rlimit-only", "--", "echo", mark]);
    command.stdin(Stdio::null()).output().unwrap()
}

#[test]
fn without_one_of_the_namespaces_nothing_runs() {
    let fixture = Fixture::new();
    let mark = format!("namespaces-{}", std::process::id());
    for kind in ["user", "pid", "mnt", "net", "ipc", "uts", "cgroup"] {
        let output = in_own_namespaces(&fixture, &format!("echo 0 >/proc/sys/user/max_{kind}_namespaces"), &mark);
        let said = is_closed(&output, &mark, "clone").unwrap();
        assert!(said.contains("user.max_"), "{kind}: {said}");
    }
    let output = in_own_namespaces(&fixture, "true", &mark);
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), mark, "{output:?}");
}

#[test]
fn a_proc_that_is_masked_around_it_is_named() {
    let fixture = Fixture::new();
    let mark = format!("masked-{}", std::process::id());
    let output = in_own_namespaces(&fixture, "mount -t tmpfs none /proc/sys", &mark);
    let said = is_closed(&output, &mark, "proc").unwrap();
    assert!(said.contains("unmasked /proc"), "{said}");
}

#[test]
fn a_runner_without_descriptors_says_so() {
    let fixture = Fixture::new();
    for who in everyone() {
        let (mut ran, mut refused) = (0, 0);
        // Fewer, and its loader has none.
        for limit in 4..=40 {
            let nofile = format!("--nofile={limit}:{limit}");
            let mut command = fixture.wrapped(who, &["prlimit", &nofile]);
            command.args(["--limits", "rlimit-only", "--", "echo", "ran"]).stdin(Stdio::null());
            let output = command.output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            match output.status.code() {
                Some(0) if output.stdout == b"ran\n" && said.is_empty() => ran += 1,
                Some(125) if output.stdout.is_empty() && said.lines().count() == 1 && said.contains("ulimit -n") => {
                    refused += 1;
                }
                _ => panic!("{limit} descriptors: {output:?}"),
            }
        }
        assert!(ran > 0 && refused > 0, "{ran} {refused}");
        let mut command =
            fixture.wrapped(who, &["prlimit", "--nofile=64:64", "sh", "-c", "exec \"$@\" 7</dev/null", "sh"]);
        let output = command.args(["--limits", "rlimit-only", "--pass-fd", "7", "--", "true"]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.code() == Some(125) && said.contains("--pass-fd 7") && said.contains("ulimit -n"),
            "{said}"
        );
    }
}

#[test]
fn a_runner_whose_user_has_no_process_left_says_so() {
    let fixture = Fixture::new();
    let who = if is_root() { Who::Nobody } else { Who::Caller };
    let mark = format!("processes-{}", std::process::id());
    let mut command = fixture.wrapped(who, &["prlimit", "--nproc=1:1"]);
    let output = command.args(["--limits", "rlimit-only", "--", "echo", &mark]).output().unwrap();
    let said = is_closed(&output, &mark, "clone").unwrap();
    assert!(said.contains("EAGAIN") && said.contains("ulimit -u"), "{said}");
}

#[test]
fn a_runner_without_memory_runs_nothing_or_all() {
    let fixture = Fixture::new();
    for who in everyone() {
        let (mut ran, mut refused) = (0, 0);
        for limit in (16..=40).map(|quarters| quarters << 18) {
            let mark = format!("memory-{}-{limit}", std::process::id());
            let space = format!("--as={limit}:{limit}");
            let mut command = fixture.wrapped(who, &["prlimit", &space]);
            command.args(["--limits", "rlimit-only", "--", "echo", &mark]).stdin(Stdio::null());
            let output = command.output().unwrap();
            let whole = String::from_utf8_lossy(&output.stdout).trim() == mark;
            assert!(whole == output.status.success() && (whole || output.stdout.is_empty()), "{limit}: {output:?}");
            assert_eq!(marked(&mark), [0; 0], "{limit}: {output:?}");
            if whole { ran += 1 } else { refused += 1 }
        }
        assert!(ran > 0 && refused > 0, "{ran} {refused}");
    }
}
