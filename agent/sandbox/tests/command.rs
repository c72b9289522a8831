//! The command: what it says, what it writes, and how it exits.

#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

mod support;

use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use holdfast_sandbox::{EndedBy, LimitsMode, Outcome, Step};
use support::{Fixture, Who, everyone, is_root};

fn stderr_of(output: &std::process::Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn wrong_options_exit_125_and_run_nothing() {
    let fixture = Fixture::new();
    let touched = fixture.open_directory("out");
    let bind = format!("{}:/out", touched.display());
    for options in [
        &["--no-such-option"][..],
        &["--memory", "lots"],
        &["--memory", "0"],
        &["--pids", "0"],
        &["--wall", "-1"],
        &["--wall", "0"],
        &["--tmpfs", "/scratch"],
        &["--tmpfs", "/scratch=0"],
        &["--tmpfs", "scratch=1M"],
        &["--tmpfs", "/scratch=18446744073709551615"],
        &["--env", "NAME"],
        &["--env", "=x"],
        &["--cwd", "relative"],
        &["--hostname", "a b"],
        &["--rw", "/"],
        &["--rw", "/:/host"],
        &["--ro", "/"],
        &["--ro", "/proc:/data"],
        &["--ro", "/tmp:/proc/data"],
        &["--ro", "/tmp:/dev"],
        &["--ro", "/tmp:data"],
        &["--ro", "/tmp:/a/../b"],
        &["--ro", "/tmp/../etc:/b"],
        &["--ro", "/tmp:/a", "--rw", "/tmp:/a"],
        &["--ro", "/no/such/path"],
        &["--ro", "/proc/self/root/etc:/data"],
        &["--result", "/no/such/directory/file"],
    ] {
        let mut command = fixture.sandbox(Who::Caller);
        let output = command.args(options).args(["--rw", &bind, "--", "touch", "/out/ran"]).output().unwrap();
        assert_eq!(output.status.code(), Some(125), "{options:?}: {output:?}");
        assert!(!output.stderr.is_empty() && !stderr_of(&output).contains("panicked"), "{options:?}: {output:?}");
    }
    for arguments in [&[][..], &["true"], &["--limits", "rlimit-only"], &["--limits", "rlimit-only", "--"]] {
        let output = fixture.bare(Who::Caller).args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(125), "{arguments:?}: {output:?}");
    }
    assert_eq!(std::fs::read_dir(touched).unwrap().count(), 0, "something ran");
}

#[test]
fn a_program_has_a_network_of_its_own_and_the_command_keeps_the_hosts() {
    let fixture = Fixture::new();
    for who in everyone() {
        let script = "readlink /proc/self/ns/net; read -r _";
        let mut command = fixture.sandbox(who);
        command.args(["--", "sh", "-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let inside = BufReader::new(child.stdout.take().unwrap()).lines().next().unwrap().unwrap();
        let network = |pid: &str| std::fs::read_link(format!("/proc/{pid}/ns/net")).unwrap();
        assert_ne!(inside, network("self").to_str().unwrap());
        assert_eq!(network(&child.id().to_string()), network("self"), "{who:?}");
        child.stdin.take().unwrap().write_all(b"\n").unwrap();
        assert!(child.wait().unwrap().success());
    }
}

#[test]
fn limits_are_required_unless_told_otherwise() {
    let fixture = Fixture::new();
    for options in [&["--"][..], &["--limits", "required", "--"]] {
        let mut command = std::process::Command::new(fixture.without_cgroups());
        let output = command.args(options).args(["echo", "ran"]).output().unwrap();
        assert_eq!((output.status.code(), output.stdout.len()), (Some(125), 0), "{output:?}");
        let said = stderr_of(&output);
        assert!(
            said.contains("no cgroup v2") && said.contains("--limits rlimit-only") && said.lines().count() == 1,
            "{said}"
        );
    }
}

#[test]
fn help_has_examples_and_exit_codes() {
    let output = Fixture::new().bare(Who::Caller).arg("--help").output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success());
    for part in ["--ro", "--rw", "--tmpfs", "--cpu-time", "--wall", "Examples:", "Exit codes:", "125", "127"] {
        assert!(text.contains(part), "{part} is not in the help");
    }
    assert!(!text.contains(holdfast_sandbox::SPAWNER_ARGUMENT), "the hidden mode is in the help");
}

#[test]
fn the_exit_code_is_the_programs_own_or_a_shells() {
    let fixture = Fixture::new();
    let script = fixture.path("script");
    std::fs::write(&script, "no interpreter line").unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    let plain = fixture.file("plain", "x");
    let (script, plain) = (format!("{}:/script", script.display()), format!("{}:/plain", plain.display()));
    for who in everyone() {
        for (program, code, step) in [
            (&["true"][..], 0, None),
            (&["sh", "-c", "exit 200"], 200, None),
            (&["sh", "-c", "kill -TERM $$"], 143, None),
            (&["no-such-program"], 127, Some(Step::Exec)),
            (&["/no/such/program"], 127, Some(Step::Exec)),
            (&["/plain"], 126, Some(Step::Exec)),
            (&["/script"], 126, Some(Step::Exec)),
            (&["/usr"], 126, Some(Step::Exec)),
        ] {
            let (output, outcome) = fixture.outcome(who, &["--ro", &script, "--ro", &plain], program);
            assert_eq!(output.status.code(), Some(code), "{program:?}: {output:?}");
            assert_eq!(outcome.setup.map(|setup| setup.step), step);
        }
    }
}

#[test]
fn a_failed_setup_is_one_line_with_step_errno_and_hint_and_the_same_in_json() {
    let fixture = Fixture::new();
    for who in everyone() {
        let (output, outcome) = fixture.outcome(who, &["--cwd", "/no/such"], &["echo", "ran"]);
        assert_eq!((output.status.code(), outcome.ended_by), (Some(125), EndedBy::SetupFailed));
        let setup = outcome.setup.unwrap();
        assert_eq!((setup.step, setup.errno, setup.subject.as_deref()), (Step::Cwd, libc::ENOENT, Some("/no/such")));
        let said = stderr_of(&output);
        assert_eq!(said.trim(), format!("holdfast-sandbox: {setup}"));
        assert!(said.contains("cwd") && said.contains("ENOENT") && said.contains("--cwd") && !said.contains("ran"));
    }
}

#[test]
fn the_result_is_json_in_the_file_that_was_named() {
    let fixture = Fixture::new();
    let directory = fixture.open_directory("results");
    for who in everyone() {
        let file = directory.join(format!("{who:?}.json"));
        let mut command = fixture.sandbox(who);
        command.arg("--result").arg(&file).args(["--", "sh", "-c", "echo out; exit 3"]);
        let output = command.output().unwrap();
        assert_eq!(output.stdout, b"out\n");
        let text = std::fs::read_to_string(file).unwrap();
        let outcome: Outcome = serde_json::from_str(&text).unwrap();
        assert_eq!(
            (outcome.ended_by, outcome.code, outcome.limits),
            (EndedBy::Exited, Some(3), LimitsMode::RlimitOnly)
        );
        // What rlimits can't know is not there.
        assert!(!text.contains("peak") && !text.contains("null"), "{text}");
    }
}

#[test]
fn the_inside_is_what_the_options_say() {
    let fixture = Fixture::new();
    let data = fixture.file("data", "content\n");
    let data = format!("{}:/a/new/place", data.display());
    let script = "cat /a/new/place; hostname; cat /etc/hostname; pwd; echo $A $B; id -un; \
                  stat -f -c %T /scratch; ls -A /tmp | wc -l; cat /proc/sys/kernel/domainname; echo $0 $PATH $HOME";
    for who in everyone() {
        let mut command = fixture.sandbox(who);
        command.args(["--ro", &data, "--hostname", "judge", "--cwd", "/scratch", "--env", "A=1", "--env", "B=x=y"]);
        command.args(["--tmpfs", "/scratch=1M", "--", "sh", "-c", script]).env("C", "outside");
        let output = command.output().unwrap();
        let expected = "content\njudge\njudge\n/scratch\n1 x=y\nsandbox\ntmpfs\n0\n(none)\n\
                        sh /usr/local/bin:/usr/bin:/bin /tmp\n";
        assert_eq!(String::from_utf8_lossy(&output.stdout), expected, "{who:?}: {output:?}");
    }
}

#[test]
fn a_made_up_file_and_a_part_of_the_default_view_can_be_replaced() {
    let fixture = Fixture::new();
    let hosts = fixture.file("hosts", "own\n");
    let etc = fixture.open_directory("etc");
    std::fs::write(etc.join("issue"), "mine\n").unwrap();
    let (hosts, etc) = (format!("{}:/etc/hosts", hosts.display()), format!("{}:/etc", etc.display()));
    for who in everyone() {
        let output =
            fixture.sandbox(who).args(["--ro", &hosts, "--", "cat", "/etc/hosts", "/etc/hostname"]).output().unwrap();
        assert_eq!(output.stdout, b"own\nsandbox\n", "{output:?}");
        let output =
            fixture.sandbox(who).args(["--ro", &etc, "--", "sh", "-c", "ls /etc; cat /etc/issue"]).output().unwrap();
        assert_eq!(output.stdout, b"issue\nmine\n", "{output:?}");
    }
}

#[test]
fn a_writable_directory_is_written_and_one_that_cannot_be_is_named() {
    let fixture = Fixture::new();
    let open = fixture.open_directory("open");
    let closed = fixture.path("closed");
    std::fs::create_dir(&closed).unwrap();
    std::fs::set_permissions(&closed, std::fs::Permissions::from_mode(0o755)).unwrap();
    for who in everyone() {
        let write = |directory: &std::path::Path| {
            let option = format!("{}:/out", directory.display());
            let mut command = fixture.sandbox(who);
            command.args(["--rw", &option, "--", "sh", "-c", "echo x > /out/file && rm /out/file"]).output().unwrap()
        };
        let output = write(&open);
        assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
        if is_root() {
            let output = write(&closed);
            let said = stderr_of(&output);
            assert!(!output.status.success(), "{output:?}");
            assert!(
                said.contains("warning") && said.contains(closed.to_str().unwrap()) && said.contains("0:0"),
                "{said}"
            );
        }
    }
}

#[test]
fn arguments_and_variables_arrive_as_they_are() {
    let fixture = Fixture::new();
    let long = "x".repeat(10_000);
    for who in everyone() {
        let mut command = fixture.sandbox(who);
        command.args(["--env", "LINES=a\nb", "--", "printf", "%s|", &long, "", "a b", "new\nline", "$HOME", "--wall"]);
        let output = command.output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), format!("{long}||a b|new\nline|$HOME|--wall|"));
    }
}

#[test]
fn standard_input_and_output_are_the_callers() {
    let fixture = Fixture::new();
    for who in everyone() {
        let mut command = fixture.sandbox(who);
        command
            .args(["--", "sh", "-c", "cat; echo err >&2"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(b"through").unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!((output.stdout.as_slice(), output.stderr.as_slice()), (&b"through"[..], &b"err\n"[..]));
    }
}

#[test]
fn output_ends_when_the_program_ends_though_descriptors_are_swapped_or_closed() {
    let fixture = Fixture::new();
    for who in everyone() {
        for redirection in
            ["exec 0>&- 1>&- ; exec \"$@\"", "exec 3>&1 1>&2 2>&3 3>&- ; exec \"$@\"", "exec 0<&- ; exec \"$@\""]
        {
            let inner = fixture.sandbox(who);
            let mut shell = support::as_who(std::process::Command::new("sh"), who);
            shell.args(["-c", redirection, "sh"]).arg(inner.get_program()).args(inner.get_args());
            let output = shell.args(["--", "sh", "-c", "exit 6"]).output().unwrap();
            assert_eq!(output.status.code(), Some(6), "{redirection}: {output:?}");
        }
    }
}

#[test]
fn a_caller_that_ignores_the_end_of_its_children_learns_how_the_program_ended() {
    let fixture = Fixture::new();
    for who in everyone() {
        let inner = fixture.sandbox(who);
        let mut command = support::as_who(std::process::Command::new("env"), who);
        command.arg("--ignore-signal=CHLD").arg(inner.get_program()).args(inner.get_args());
        let output = command.args(["--", "sh", "-c", "exit 6"]).output().unwrap();
        assert_eq!(output.status.code(), Some(6), "{output:?}");
    }
}

#[test]
fn a_full_standard_error_costs_no_result_and_no_exit_code() {
    let fixture = Fixture::new();
    let full = || Stdio::from(std::fs::File::options().write(true).open("/dev/full").unwrap());
    for who in everyone() {
        for (options, code) in [(&["--wall", "100ms"][..], 124), (&["--ro", "/no/such"], 125)] {
            let mut command = fixture.sandbox(who);
            command.args(options).args(["--result", "-", "--", "sleep", "1000"]).stderr(full());
            let output = command.output().unwrap();
            let outcome: Outcome = serde_json::from_slice(&output.stdout).unwrap();
            assert_eq!((output.status.code(), outcome.exit_code()), (Some(code), code as u8), "{output:?}");
        }
        let status = fixture.sandbox(who).args(["--result", "/dev/full", "--", "true"]).stderr(full()).status();
        assert_eq!(status.unwrap().code(), Some(125));
    }
}
