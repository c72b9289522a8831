//! Options that judges and CI need: each does what it says, for root and for others.

#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

mod support;

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use holdfast_sandbox::{EndedBy, LimitKind, Step};
use support::{Fixture, Who, everyone};

/// A root file system: a mark of its own, and places to mount on.
fn make_root(fixture: &Fixture, name: &str) -> PathBuf {
    let root = fixture.path(name);
    for directory in ["", "proc", "dev", "tmp", "usr", "etc"] {
        std::fs::create_dir(root.join(directory)).unwrap();
    }
    for top in ["bin", "lib", "lib64"] {
        symlink(format!("usr/{top}"), root.join(top)).unwrap();
    }
    std::fs::write(root.join("etc/mark"), "own").unwrap();
    root
}

#[test]
fn a_root_of_the_callers_is_the_whole_view_and_stays_as_it_is() {
    let fixture = Fixture::new();
    let root = make_root(&fixture, "root");
    let link = fixture.path("link");
    symlink(&root, &link).unwrap();
    let script = "cat /etc/mark; test ! -e /etc/passwd; test -e /dev/null; test -e /proc/self; echo x >/tmp/x; \
                  for f in /new /etc/new /usr/new /dev/new; do echo x 2>/dev/null >$f && echo wrote $f; done; :";
    for who in everyone() {
        for directory in [&root, &link] {
            let mut command = fixture.sandbox(who);
            command.arg("--root").arg(directory).args(["--ro", "/usr", "--", "sh", "-c", script]);
            let output = command.output().unwrap();
            assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(0), &b"own"[..]), "{who:?}: {output:?}");
        }
    }
    assert_eq!(std::fs::read_dir(root.join("tmp")).unwrap().count(), 0);
}

#[test]
fn a_root_that_cannot_be_one_is_refused_with_its_step() {
    let fixture = Fixture::new();
    let without_proc = make_root(&fixture, "without-proc");
    std::fs::remove_dir(without_proc.join("proc")).unwrap();
    let linked = make_root(&fixture, "linked");
    std::fs::remove_dir(linked.join("tmp")).unwrap();
    symlink("/etc", linked.join("tmp")).unwrap();
    let file = fixture.file("file", "x");
    let none = fixture.path("none");
    let cases: [(&Path, Step, i32); 5] = [
        (&without_proc, Step::Proc, libc::ENOENT),
        (&linked, Step::Tmpfs, libc::ELOOP),
        (&file, Step::HostPath, libc::ENOTDIR),
        (&none, Step::HostPath, libc::ENOENT),
        (Path::new("/"), Step::HostPath, 0),
    ];
    for who in everyone() {
        for (directory, step, errno) in cases {
            let options = ["--ro", "/usr", "--root", directory.to_str().unwrap()];
            let (output, outcome) = fixture.outcome(who, &options, &["true"]);
            let setup = outcome.setup.unwrap();
            assert_eq!((output.status.code(), setup.step, setup.errno), (Some(125), step, errno), "{output:?}");
        }
        let above = format!("{}/../root", fixture.directory.path().display());
        let output = fixture.sandbox(who).args(["--root", &above, "--", "true"]).output().unwrap();
        assert_eq!(output.status.code(), Some(125), "{output:?}");
    }
}

#[test]
fn a_file_is_no_larger_than_its_limit() {
    let fixture = Fixture::new();
    let script = "head -c 2M /dev/zero >/tmp/x; code=$?; stat -c %s /tmp/x >&2; exit $code";
    for who in everyone() {
        for (size, code, says) in [("1M", 153, "1048576\n"), ("2M", 0, "2097152\n")] {
            let (output, outcome) = fixture.outcome(who, &["--file-size", size], &["sh", "-c", script]);
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(outcome.code == Some(code) && said.ends_with(says), "{output:?}");
        }
    }
}

#[test]
fn open_files_and_stack_are_as_asked_for() {
    let fixture = Fixture::new();
    let script = "ulimit -n; ulimit -Hn; ulimit -s; ulimit -Hs";
    for who in everyone() {
        for (options, says) in [
            (&["--open-files", "64", "--stack", "16M"][..], "64\n64\n16384\n16384\n"),
            (&[], "1024\n16384\n8192\n65536\n"),
        ] {
            let output = fixture.sandbox(who).args(options).args(["--", "sh", "-c", script]).output().unwrap();
            assert_eq!(String::from_utf8_lossy(&output.stdout), says, "{output:?}");
        }
    }
}

#[test]
fn a_flood_of_output_ends_at_its_limit_and_no_byte_more_is_passed_on() {
    let fixture = Fixture::new();
    for who in everyone() {
        for to in ["", " >&2"] {
            let result = fixture.file("result", "");
            let script = format!("exec yes{to}");
            let mut command = fixture.sandbox(who);
            command.args(["--output-limit", "100000", "--result", result.to_str().unwrap(), "--", "sh", "-c", &script]);
            let output = command.output().unwrap();
            let outcome: holdfast_sandbox::Outcome = serde_json::from_slice(&std::fs::read(&result).unwrap()).unwrap();
            assert_eq!((outcome.ended_by, outcome.exit_code()), (EndedBy::Output, 137), "{outcome:?}");
            assert_eq!(outcome.limits_hit, [LimitKind::Output]);
            assert!(outcome.wall_us.is_some() && outcome.user_us.is_some(), "{outcome:?}");
            let own = "holdfast-sandbox: ended by its output (--output-limit)\n".len();
            assert_eq!(output.stdout.len() + output.stderr.len(), 100_000 + own);
        }
    }
}

#[test]
fn output_up_to_its_limit_arrives_whole() {
    let fixture = Fixture::new();
    let script = "head -c 150000 /dev/zero; head -c 50000 /dev/zero >&2; exit 3";
    for who in everyone() {
        let mut command = fixture.sandbox(who);
        let output = command.args(["--output-limit", "200000", "--", "sh", "-c", script]).output().unwrap();
        assert_eq!(output.status.code(), Some(3));
        assert_eq!((output.stdout.len(), output.stderr.len()), (150_000, 50_000));
        // It ends by itself, before anybody could end it, and the limit was reached all the same.
        let options = ["--output-limit", "10", "--stdout", "/dev/null"];
        let (_, outcome) = fixture.outcome(who, &options, &["sh", "-c", "echo 0123456789"]);
        assert_eq!(outcome.limits_hit, [LimitKind::Output], "{outcome:?}");
    }
}

#[test]
fn standard_streams_are_the_files_that_were_named() {
    let fixture = Fixture::new();
    let input = fixture.file("in", "question");
    for who in everyone() {
        let (out, err) = (fixture.file("out", "old content"), fixture.file("err", ""));
        let mut command = fixture.sandbox(who);
        command.arg("--stdin").arg(&input).arg("--stdout").arg(&out).arg("--stderr").arg(&err);
        let output = command.args(["--", "sh", "-c", "cat; echo problem >&2"]).stdin(Stdio::null()).output().unwrap();
        assert!(output.status.success() && output.stdout.is_empty() && output.stderr.is_empty(), "{output:?}");
        let read = |path: &Path| std::fs::read_to_string(path).unwrap();
        assert_eq!((read(&out), read(&err)), ("question".to_owned(), "problem\n".to_owned()));

        let mut command = fixture.sandbox(who);
        command.arg("--stdout").arg(&out).arg("--stderr").arg(&out);
        command.args(["--", "sh", "-c", "echo a; echo b >&2; echo c"]).output().unwrap();
        assert_eq!(read(&out), "a\nb\nc\n");
    }
    let output = fixture.sandbox(Who::Caller).args(["--stdin", "/no/such", "--", "true"]).output().unwrap();
    assert_eq!(output.status.code(), Some(125));
}

#[test]
fn a_policy_comes_from_a_file_and_options_change_it() {
    let fixture = Fixture::new();
    let toml = "hostname = 'from-file'\n[limits]\nmode = 'rlimit-only'\nopen_files = 50\n[env]\nA = '1'\nB = '2'\n";
    let json = r#"{"hostname":"from-file","limits":{"mode":"rlimit-only","open_files":50},"env":{"A":"1","B":"2"}}"#;
    for (name, text) in [("policy.toml", toml), ("policy.json", json)] {
        let file = fixture.file(name, text);
        for who in everyone() {
            let mut command = fixture.bare(who);
            command.arg("--policy").arg(&file).args([
                "--env",
                "B=3",
                "--",
                "sh",
                "-c",
                "echo $(hostname) $(ulimit -n) $A $B",
            ]);
            assert_eq!(command.output().unwrap().stdout, b"from-file 50 1 3\n", "{name}");
            let mut command = fixture.bare(who);
            command.arg("--policy").arg(&file).args(["--hostname", "other", "--open-files", "60", "--"]);
            let output = command.args(["sh", "-c", "echo $(hostname) $(ulimit -n)"]).output().unwrap();
            assert_eq!(output.stdout, b"other 60\n", "{name}: {output:?}");
        }
    }
    for text in ["hostnam = 'x'", "[limits]\nmode = 'none'", "[[mounts]]\nsource = 1", "\u{0}", "env = 7"] {
        let file = fixture.file("wrong.toml", text);
        let output = fixture.bare(Who::Caller).arg("--policy").arg(&file).args(["--", "true"]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(125) && said.contains("wrong.toml"), "{text:?}: {output:?}");
    }
}

#[test]
fn check_says_what_is_missing_and_makes_a_sandbox_to_see() {
    let fixture = Fixture::new();
    for who in everyone() {
        let output = fixture.bare(who).arg("check").output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{output:?}");
        for name in ["kernel ", "namespaces ", "seccomp ", "landlock ", "cgroups ", "sandbox "] {
            assert!(text.lines().any(|line| line.starts_with(name)), "{name}: {text}");
        }
        for (call, line, code) in [
            (libc::SYS_landlock_create_ruleset, "landlock    missing", 0),
            (libc::SYS_clone3, "sandbox     missing", 125),
        ] {
            let mut command = fixture.attack_outside(who, &["without", &call.to_string(), "38", "0", "0", "0"]);
            let output = command.arg(fixture.path("sandbox")).arg("check").output().unwrap();
            let text = String::from_utf8_lossy(&output.stdout);
            assert!(output.status.code() == Some(code) && text.contains(line), "{output:?}");
        }
    }
}

#[test]
fn explain_names_every_step_and_runs_nothing() {
    let fixture = Fixture::new();
    let out = fixture.open_directory("out");
    let bind = format!("{}:/out", out.display());
    let options = ["--explain", "--rw", &bind, "--output-limit", "5000", "--", "touch", "/out/ran"];
    let output = fixture.sandbox(Who::Caller).args(options).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{output:?}");
    for said in [&bind.replace(':', " at "), "pivot-root\n", "landlock\n", "seccomp\n", "output 5000", "\"touch\""] {
        assert!(text.contains(said), "{said}: {text}");
    }
    assert_eq!(text.matches("  stops  ").count(), text.matches("  does   ").count());
    assert_eq!(std::fs::read_dir(out).unwrap().count(), 0);
}

#[test]
fn the_network_is_loopback_or_none() {
    let fixture = Fixture::new();
    let script = "import socket\ns = socket.create_server(('127.0.0.1', 0))\nsocket.create_connection(s.getsockname())";
    for who in everyone() {
        for (net, works) in [("loopback", true), ("none", false)] {
            let output = fixture.sandbox(who).args(["--net", net, "--", "python3", "-c", script]).output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success() == works && works != said.contains("unreachable"), "{net}: {output:?}");
        }
    }
}

#[test]
fn a_grace_lets_a_program_clean_up_and_no_more() {
    let fixture = Fixture::new();
    let options = ["--wall", "500ms", "--wall-grace", "300ms"];
    for who in everyone() {
        for (script, says) in [
            ("trap 'echo cleaned; exit 4' TERM; while :; do sleep 0.01; done", "cleaned"),
            ("trap '' TERM; echo stays; while :; do sleep 0.01; done", "stays"),
        ] {
            let (output, outcome) = fixture.outcome(who, &options, &["sh", "-c", script]);
            assert_eq!((outcome.ended_by, output.status.code()), (EndedBy::Wall, Some(124)), "{output:?}");
            assert!(output.stdout.starts_with(says.as_bytes()), "{output:?}");
            assert_eq!(outcome.limits_hit, [LimitKind::Wall]);
        }
    }
    let output = fixture.sandbox(Who::Caller).args(["--wall", "none", "--wall-grace", "1", "--", "true"]).output();
    assert_eq!(output.unwrap().status.code(), Some(125));
}

#[test]
fn a_program_stays_on_its_cpus() {
    let fixture = Fixture::new();
    let script = "import os\nprint(os.sched_getaffinity(0))\ntry:\n  os.sched_setaffinity(0, range(512))\n\
                  except OSError as e:\n  print(e.errno)\nprint(os.sched_getaffinity(0))";
    for who in everyone() {
        let output =
            fixture.sandbox(who).args(["--cpus-allowed", "0", "--", "python3", "-c", script]).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), "{0}\n1\n{0}\n", "{output:?}");
        let (_, outcome) = fixture.outcome(who, &["--cpus-allowed", "1023"], &["true"]);
        let setup = outcome.setup.unwrap();
        assert!(setup.step == Step::Limits && setup.hint.contains("CPUs"), "{setup:?}");
        for wrong in ["1024", "x", "3-1"] {
            let output = fixture.sandbox(who).args(["--cpus-allowed", wrong, "--", "true"]).output().unwrap();
            assert_eq!(output.status.code(), Some(125), "{wrong}: {output:?}");
        }
    }
}

#[test]
fn addresses_are_the_same_only_where_that_is_asked_for() {
    let fixture = Fixture::new();
    for who in everyone() {
        let stacks = |options: &[&str]| {
            let lines = (0..4).map(|_| {
                let output =
                    fixture.sandbox(who).args(options).args(["--", "cat", "/proc/self/maps"]).output().unwrap();
                let maps = String::from_utf8(output.stdout).unwrap();
                maps.lines().find(|line| line.ends_with("[stack]")).unwrap().to_owned()
            });
            lines.collect::<std::collections::BTreeSet<_>>().len()
        };
        assert_eq!(stacks(&["--no-aslr"]), 1);
        assert!(stacks(&[]) > 1);
    }
}

#[test]
fn tracing_is_allowed_among_the_programs_own_and_never_of_init() {
    let fixture = Fixture::new();
    let own = "/attack pause & p=$!; /attack ptrace $p; kill -9 $p";
    let bind = format!("{}:/attack", fixture.path("attack").display());
    for who in everyone() {
        for (options, says) in [(&["--allow", "ptrace"][..], "breached"), (&[], "held: EPERM")] {
            let mut command = fixture.sandbox(who);
            let output = command.args(options).args(["--ro", &bind, "--", "sh", "-c", own]).output().unwrap();
            assert!(output.stdout.starts_with(says.as_bytes()), "{options:?}: {output:?}");
        }
        for attack in ["ptrace", "process-vm", "mem"] {
            let output = fixture.attack_inside(who, &["--allow", "ptrace"], &[attack, "1"]).output().unwrap();
            assert!(output.stdout.starts_with(b"held"), "{attack}: {output:?}");
        }
    }
}

#[test]
fn a_strict_program_computes_and_does_nothing_else() {
    let fixture = Fixture::new();
    let computes = "import threading, time, tempfile, json\n\
                    out = []\n\
                    threads = [threading.Thread(target=lambda n=n: out.append(sum(range(n)))) for n in range(4)]\n\
                    [t.start() for t in threads]; [t.join() for t in threads]\n\
                    open('/tmp/x', 'w').write(json.dumps(sorted(out))); print(open('/tmp/x').read())";
    let others = [
        ("import os; os.fork()", "Operation not permitted"),
        ("import subprocess; subprocess.run(['true'])", "Operation not permitted"),
        ("import socket; socket.socket()", "Address family not supported"),
        ("import os; os.memfd_create('x')", "Operation not permitted"),
        ("import os; os.chmod('/tmp', 0)", "Operation not permitted"),
        ("import os; os.mkfifo('/tmp/f')", "Operation not permitted"),
        (
            "import multiprocessing.shared_memory as m, _posixshmem; import ctypes; l = ctypes.CDLL(None, use_errno=True)\n\
          import os; assert l.shmget(0, 4096, 0o1600) == -1; raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))",
            "Operation not permitted",
        ),
    ];
    for who in everyone() {
        let run = |script: &str| {
            fixture.sandbox(who).args(["--seccomp", "strict", "--", "python3", "-c", script]).output().unwrap()
        };
        let output = run(computes);
        assert_eq!(output.stdout, b"[0, 0, 1, 3]\n", "{output:?}");
        for (script, why) in others {
            let output = run(script);
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.code() == Some(1) && said.contains(why), "{script}: {output:?}");
        }
    }
    let both = fixture.sandbox(Who::Caller).args(["--seccomp", "strict", "--allow", "ptrace", "--", "true"]).output();
    assert_eq!(both.unwrap().status.code(), Some(125));
}

#[test]
fn a_profile_takes_away_and_gives_nothing() {
    let fixture = Fixture::new();
    let narrow = fixture.file(
        "narrow.json",
        r#"{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
            {"names": ["uname"], "action": "SCMP_ACT_ERRNO", "errnoRet": 30},
            {"names": ["chmod", "fchmodat"], "action": "SCMP_ACT_KILL_PROCESS"},
            {"names": ["socket"], "action": "SCMP_ACT_ERRNO", "args": [{"index": 1, "value": 15, "valueTwo": 1, "op": "SCMP_CMP_MASKED_EQ"}]}]}"#,
    );
    let everything = fixture.file("everything.json", r#"{"defaultAction": "SCMP_ACT_ALLOW"}"#);
    for who in everyone() {
        let with = |profile: &Path, program: &[&str]| {
            let profile = profile.to_str().unwrap();
            fixture.outcome(who, &["--seccomp", profile], program)
        };
        let (output, _) = with(&narrow, &["uname"]);
        assert!(String::from_utf8_lossy(&output.stderr).contains("Read-only file system"), "{output:?}");
        let (output, outcome) = with(&narrow, &["chmod", "700", "/tmp"]);
        assert_eq!((outcome.ended_by, output.status.code()), (EndedBy::Seccomp, Some(128 + libc::SIGSYS)));
        let script = "import socket, sys\nsocket.socket(type=socket.SOCK_DGRAM)\nsocket.socket()";
        let (output, _) = with(&narrow, &["python3", "-c", script]);
        assert!(String::from_utf8_lossy(&output.stderr).contains("line 3"), "{output:?}");
        // Threads need the answer that the default filter gives to clone3.
        let script = "import threading; t = threading.Thread(target=print, args=('ran',)); t.start(); t.join()";
        let (output, _) = with(&everything, &["python3", "-c", script]);
        assert!(output.stdout.starts_with(b"ran\n"), "{output:?}");
        let attack = ["--seccomp", everything.to_str().unwrap()];
        let output = fixture.attack_inside(who, &attack, &["ptrace", "1"]).output().unwrap();
        assert!(output.stdout.starts_with(b"held"), "{output:?}");
    }
    // What is allowed beside the profile, the profile can still refuse.
    let untraced =
        r#"{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["ptrace"], "action": "SCMP_ACT_ERRNO"}]}"#;
    let untraced = fixture.file("untraced.json", untraced);
    let own = "/attack pause & p=$!; /attack ptrace $p; kill -9 $p";
    let bind = format!("{}:/attack", fixture.path("attack").display());
    for (profile, says) in [(&untraced, "held: EPERM"), (&everything, "breached")] {
        let mut command = fixture.sandbox(Who::Caller);
        command.args(["--allow", "ptrace", "--ro", &bind, "--seccomp"]).arg(profile).args(["--", "sh", "-c", own]);
        let output = command.output().unwrap();
        assert!(output.stdout.starts_with(says.as_bytes()), "{profile:?}: {output:?}");
    }
    for (text, why) in [
        ("{", "can't be used"),
        (r#"{"defaultAction": "SCMP_ACT_NOTIFY"}"#, "SCMP_ACT_NOTIFY"),
        (
            r#"{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["mont"], "action": "SCMP_ACT_ERRNO"}]}"#,
            "mont",
        ),
    ] {
        let file = fixture.file("wrong.json", text);
        let output = fixture.sandbox(Who::Caller).arg("--seccomp").arg(&file).args(["--", "true"]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(125) && said.contains(why), "{text}: {output:?}");
    }
    let output = fixture.sandbox(Who::Caller).args(["--seccomp", "/no/such", "--", "true"]).output().unwrap();
    assert_eq!(output.status.code(), Some(125));
}

#[test]
fn ids_inside_are_those_that_were_asked_for_and_never_roots() {
    let fixture = Fixture::new();
    let script = "id -u; id -g; id -un; id -gn; stat -Lc %u:%g /proc/self; touch /tmp/x && stat -c %u:%g /tmp/x";
    for who in everyone() {
        let options = ["--uid", "4242", "--gid", "4343", "--", "sh", "-c", script];
        let output = fixture.sandbox(who).args(options).output().unwrap();
        let expected = "4242\n4343\nsandbox\nsandbox\n4242:4343\n4242:4343\n";
        assert_eq!(String::from_utf8_lossy(&output.stdout), expected, "{output:?}");
        for wrong in [["--uid", "0"], ["--gid", "0"], ["--uid", "65534"], ["--gid", "4294967295"], ["--uid", "x"]] {
            let output = fixture.sandbox(who).args(wrong).args(["--", "true"]).output().unwrap();
            assert_eq!(output.status.code(), Some(125), "{wrong:?}: {output:?}");
        }
    }
}

#[test]
fn a_descriptor_is_passed_on_by_its_number_and_no_other_is() {
    let fixture = Fixture::new();
    let input = fixture.file("in", "question");
    let script = "cat <&7; echo answer >&9; ls /proc/self/fd | wc -l; cat /dev/fd/7; echo more 2>&- >/dev/fd/7; :";
    for who in everyone() {
        let out = fixture.file("out", "");
        // Opened by a shell, so that they are where a caller's would be, beside one that isn't passed on.
        let redirect = format!("exec 7<{} 8<{} 9>{}; exec \"$@\"", input.display(), input.display(), out.display());
        let with = |options: &[&str]| {
            let mut command = fixture.wrapped(who, &["sh", "-c", &redirect, "sh"]);
            command.args(["--limits", "rlimit-only"]).args(options).args(["--", "sh", "-c", script]).output().unwrap()
        };
        let output = with(&["--pass-fd", "7", "--pass-fd", "9"]);
        // 0, 1, 2, 7, 9, and the directory that `ls` has open. What is at its end is read anew from its beginning.
        assert_eq!(String::from_utf8_lossy(&output.stdout), "question6\nquestion", "{output:?}");
        assert_eq!(std::fs::read_to_string(&out).unwrap(), "answer\n");
        assert_eq!(std::fs::read_to_string(&input).unwrap(), "question");
        for wrong in ["5", "2", "64", "x"] {
            let output = with(&["--pass-fd", wrong]);
            assert!(output.status.code() == Some(125) && output.stdout.is_empty(), "{wrong}: {output:?}");
        }
        let mut command = fixture.wrapped(who, &["sh", "-c", "exec 7</etc; exec \"$@\"", "sh"]);
        let output =
            command.args(["--limits", "rlimit-only", "--pass-fd", "7", "--", "ls", "/proc/self/fd/7"]).output();
        let output = output.unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(125) && said.contains("descriptor 7"), "{output:?}");
    }
}

#[test]
fn bytes_are_counted_of_all_that_ran_and_nothing_else_is() {
    let fixture = Fixture::new();
    let quiet = ["sh", "-c", ":"];
    let moves = "head -c 3000000 /dev/zero >/tmp/x; (cat /tmp/x >/tmp/y; cat /tmp/y >/tmp/z) & wait; exit 0";
    for who in everyone() {
        let (_, before) = fixture.outcome(who, &[], &quiet);
        let (_, after) = fixture.outcome(who, &[], &["sh", "-c", moves]);
        let (read, written) = (after.read_bytes.unwrap(), after.written_bytes.unwrap());
        // Libraries are read too: some of each program's, which the quiet one shows.
        let own = before.read_bytes.unwrap();
        assert!((9_000_000..9_000_000 + 8 * own.max(20_000)).contains(&read), "{read} bytes, {own} by themselves");
        assert_eq!((before.written_bytes, written), (Some(0), 9_000_000));
        assert!(after.involuntary_switches.is_some());
    }
}
