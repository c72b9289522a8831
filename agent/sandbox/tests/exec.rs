//! Names, and entering a running sandbox by `exec`: the same place, the same walls, and no way from inside to what enters.

#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

mod support;

use std::fs;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::PathBuf;
use std::process::{ChildStdin, ChildStdout, Command, Output, Stdio};

use holdfast_sandbox::{
    EndedBy, Entered, Error, ExecRequest, Limits, LimitsMode, Outcome, Policy, Request, Sandbox, Spawner, Step,
};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use support::{Ended, Fixture, Who, everyone, init_of, is_root, marked, until};

/// A sandbox with a name whose program does as it is told, line by line.
struct Named {
    fixture: Fixture,
    who: Who,
    name: String,
    runner: Ended,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

/// Where names are; for root the system's directory, in which others' names are too.
fn runtime(fixture: &Fixture, who: Who) -> PathBuf {
    let directory = fixture.path("runtime");
    fs::create_dir_all(&directory).unwrap();
    fs::set_permissions(&directory, fs::Permissions::from_mode(0o700)).unwrap();
    if who == Who::Nobody {
        chown(&directory, Some(65_534), Some(65_534)).unwrap();
    }
    directory
}

fn records(fixture: &Fixture, who: Who) -> PathBuf {
    let of_root = is_root() && who == Who::Caller;
    let directory = if of_root { PathBuf::from("/run") } else { runtime(fixture, who) };
    directory.join("holdfast/sandboxes")
}

/// The command as this user, who has a runtime directory.
fn command(fixture: &Fixture, who: Who) -> Command {
    let mut command = fixture.bare(who);
    command.env("XDG_RUNTIME_DIR", runtime(fixture, who)).stdin(Stdio::null());
    command
}

/// The options of a sandbox with a name.
fn named<'c>(command: &'c mut Command, name: &str, options: &[&str]) -> &'c mut Command {
    command.args(["--limits", "rlimit-only", "--wall", "60s", "--name", name]).args(options)
}

fn name_of(fixture: &Fixture) -> String {
    fixture.directory.path().file_name().unwrap().to_str().unwrap().to_owned()
}

/// What the program says that it is told lines by: each is a command, and a line `end` follows what it prints.
const OBEY: &str = "echo up; while read -r line; do eval \"$line\"; echo end; done";

impl Named {
    fn start(who: Who, options: &[&str]) -> Named {
        Named::with(Fixture::with_tracer(), who, options)
    }

    fn with(fixture: Fixture, who: Who, options: &[&str]) -> Named {
        let name = name_of(&fixture);
        let mut command = command(&fixture, who);
        let attack = format!("{}:/attack", fixture.path("attack").display());
        named(&mut command, &name, options).args(["--ro", &attack, "--", "bash", "-c", OBEY]);
        let mut runner = Ended(command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap());
        let to = runner.0.stdin.take().unwrap();
        let mut from = BufReader::new(runner.0.stdout.take().unwrap());
        let mut line = String::new();
        from.read_line(&mut line).unwrap();
        assert_eq!(line, "up\n");
        let named = Named { fixture, who, name, runner, to, from };
        until("it is written down", || fs::read(named.record()).is_ok_and(|text| !text.is_empty()));
        named
    }

    fn record(&self) -> PathBuf {
        records(&self.fixture, self.who).join(&self.name)
    }

    /// Has the first program do something, and gives what it printed.
    fn tell(&mut self, line: &str) -> String {
        writeln!(self.to, "{line}").unwrap();
        let mut text = String::new();
        loop {
            let before = text.len();
            assert!(self.from.read_line(&mut text).unwrap() > 0, "it has ended: {text}");
            if &text[before..] == "end\n" {
                text.truncate(before);
                return text;
            }
        }
    }

    fn exec(&self, options: &[&str], program: &[&str]) -> Command {
        let mut command = command(&self.fixture, self.who);
        command.arg("exec").args(options).arg(&self.name).arg("--").args(program);
        command
    }

    fn output(&self, program: &[&str]) -> Output {
        self.exec(&[], program).output().unwrap()
    }

    /// `exec` under the tracer, its program's process stopped after that call: its process id outside and inside. Nothing
    /// where it makes fewer.
    fn held(&self, nth: usize, sandbox: &str, program: &[&str]) -> Option<(Ended, i32, String)> {
        let tracer = self.fixture.path("tracer");
        let mut command = support::as_who(Command::new(tracer), self.who);
        command.env("XDG_RUNTIME_DIR", runtime(&self.fixture, self.who)).stdin(Stdio::null()).stderr(Stdio::null());
        command.args(["hold", "2", &nth.to_string()]).arg(self.fixture.path(sandbox));
        command.args(["exec", &self.name, "--"]).args(program);
        let mut tracer = Ended(command.stdout(Stdio::piped()).spawn().unwrap());
        let mut line = String::new();
        BufReader::new(tracer.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let pid = line.trim().parse::<i32>().ok()?;
        until("it is stopped or gone", || !status(pid, "State").starts_with(['R', 'S', 'D', 't']));
        // Its last call is its exit.
        if !status(pid, "State").starts_with('T') {
            return None;
        }
        Some((tracer, pid, status(pid, "NSpid").split_whitespace().last().unwrap().to_owned()))
    }
}

/// A field of /proc/PID/status.
fn status(pid: i32, field: &str) -> String {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    line.unwrap_or_default().trim().to_owned()
}

fn complains(output: &Output, of: &str) {
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(125) && text.contains(of) && text.lines().count() == 1, "{of}: {output:?}");
}

/// All that a program can see of its walls and of its place.
const LOOK: &str = "id; hostname; pwd; umask; env | grep -v ^_= | sort; ulimit -Ha; ulimit -Sa; nproc
    grep -vE '^[0-9-]+ |ptrace' /proc/self/mountinfo; cat /proc/self/oom_score_adj /proc/self/uid_map /proc/self/gid_map
    grep -E '^(Uid|Gid|Groups|Umask|Cap|NoNewPrivs|Seccomp|SigBlk|SigIgn|Cpus_allowed)' /proc/self/status
    readlink /proc/self/ns/* /proc/self/root; cat /proc/self/cgroup /proc/self/personality; cat /tmp/first";

#[test]
fn what_enters_is_in_the_same_place_behind_the_same_walls() {
    for who in everyone() {
        let options = ["--env", "A=b", "--open-files", "100", "--uid", "1234", "--hostname", "inside", "--cwd", "/usr"];
        let mut sandbox = Named::start(who, &options);
        sandbox.tell("echo hello >/tmp/first");
        let first = sandbox.tell(&LOOK.replace('\n', ";"));
        let output = sandbox.output(&["bash", "-c", LOOK]);
        assert!(output.status.success() && first.contains("hello"), "{output:?}");
        assert_eq!(String::from_utf8(output.stdout).unwrap(), first);
        // The same processes: the first is process 2, whoever asks.
        let output = sandbox.output(&["sh", "-c", "echo $PPID; ls /proc/self/fd; kill -USR1 2"]);
        assert_eq!(String::from_utf8_lossy(&output.stdout), "0\n0\n1\n2\n3\n", "{output:?}");
        assert!(!sandbox.runner.0.wait().unwrap().success(), "the first program did not get the signal");
    }
}

#[test]
fn attacks_are_refused_to_what_enters_too() {
    for who in everyone() {
        let sandbox = Named::start(who, &[]);
        for attack in [
            &["mem", "1"][..],
            &["ptrace", "1"],
            &["ptrace", "2"],
            &["prlimit", "1"],
            &["userns"],
            &["mount", "/tmp"],
            &["umount"],
            &["pivot-root"],
            &["setns", "2"],
            &["clone3"],
            &["keyring"],
            &["io-uring"],
            &["bpf"],
            &["setuid"],
            &["chroot", "/tmp"],
            &["mknod", "/tmp/device"],
            &["write", "/usr/bin/env"],
            &["create", "/usr/new"],
            &["read", "/proc/kcore"],
            &["bounding-set"],
            &["new-privs"],
            &["core-limit"],
            &["packet"],
        ] {
            let output = sandbox.output(&[&["/attack"], attack].concat());
            let text = String::from_utf8_lossy(&output.stdout);
            assert!(output.status.code() == Some(10) && text.starts_with("held"), "{attack:?}, {who:?}: {output:?}");
        }
    }
}

#[test]
fn its_end_its_input_and_its_output_are_told_as_a_runs_are() {
    for who in everyone() {
        let sandbox = Named::start(who, &["--cpu-time", "1s", "--output-limit", "1K"]);
        let run = |options: &[&str], program: &[&str]| {
            let output = sandbox.exec(options, program).output().unwrap();
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            let json = text.lines().last().unwrap_or_else(|| panic!("{output:?}"));
            let outcome: Outcome = serde_json::from_str(json).unwrap_or_else(|error| panic!("{error}: {output:?}"));
            (output.status.code().unwrap(), outcome)
        };
        let result = ["--result", "-"];
        let (code, outcome) = run(&result, &["sh", "-c", "exit 7"]);
        assert_eq!((code, outcome.ended_by, outcome.code), (7, EndedBy::Exited, Some(7)));
        assert!(outcome.wall_us.is_some() && outcome.user_us.is_some() && outcome.read_bytes.is_some());
        assert_eq!((outcome.peak_memory, outcome.peak_pids), (None, None));
        let (code, outcome) = run(&result, &["sh", "-c", "kill -TERM $$"]);
        assert_eq!((code, outcome.ended_by, outcome.signal), (143, EndedBy::Signaled, Some(15)));
        let (code, outcome) = run(&result, &["sh", "-c", "while :; do :; done"]);
        assert_eq!((code, outcome.ended_by), (124, EndedBy::CpuTime));
        let (code, outcome) = run(&result, &["/no/such"]);
        assert_eq!((code, outcome.ended_by), (127, EndedBy::SetupFailed));
        let out = sandbox.fixture.file("out", "");
        let to = [&result[..], &["--stdout", out.to_str().unwrap()]].concat();
        let (code, outcome) = run(&to, &["yes"]);
        assert_eq!((code, outcome.ended_by), (137, EndedBy::Output));
        assert_eq!(fs::metadata(&out).unwrap().len(), 1024);
        let input = sandbox.fixture.file("in", "from a file\n");
        let output = sandbox.exec(&["--stdin", input.to_str().unwrap()], &["cat"]).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), "from a file\n");
        let mut waits = sandbox.exec(&[], &["sh", "-c", "trap 'exit 9' TERM; echo up; while :; do sleep 0.05; done"]);
        let mut waits = Ended(waits.stdout(Stdio::piped()).spawn().unwrap());
        let mut line = String::new();
        BufReader::new(waits.0.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        kill(Pid::from_raw(waits.0.id().cast_signed()), Signal::SIGTERM).unwrap();
        assert_eq!(waits.0.wait().unwrap().code(), Some(9));
    }
}

#[test]
fn who_entered_and_was_killed_takes_the_program_along_and_so_does_the_sandbox() {
    for who in everyone() {
        let sandbox = Named::start(who, &[]);
        let mark = format!("entered-{}-{who:?}", sandbox.name);
        let wait = |mark: &str| {
            let script = "trap '' TERM HUP; echo up; sleep 1000; sleep 1000";
            let mut child = sandbox.exec(&[], &["sh", "-c", script, mark]).stdout(Stdio::piped()).spawn().unwrap();
            let mut line = String::new();
            BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
            assert_eq!(line, "up\n");
            Ended(child)
        };
        let mut first = wait(&mark);
        first.0.kill().unwrap();
        first.0.wait().unwrap();
        until("the program has ended", || marked(&mark).is_empty());
        assert!(sandbox.output(&["true"]).status.success(), "the sandbox ended too");
        let mut second = wait(&mark);
        kill(Pid::from_raw(init_of(sandbox.runner.0.id().cast_signed())), Signal::SIGKILL).unwrap();
        assert_eq!(second.0.wait().unwrap().code(), Some(137));
        until("nothing is left", || marked(&mark).is_empty());
    }
}

#[test]
fn a_name_is_ones_own_while_the_sandbox_lives_and_free_again_after_any_end() {
    for who in everyone() {
        let mut sandbox = Named::start(who, &[]);
        let fixture = &sandbox.fixture;
        let again = || named(&mut command(fixture, who), &sandbox.name, &[]).args(["--", "true"]).output().unwrap();
        complains(&again(), "runs already");
        let mode = |path: PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(sandbox.record()), mode(records(fixture, who))), (0o600, 0o700));
        // By the process ids of the runner and of init.
        let runner = sandbox.runner.0.id().cast_signed();
        let by = |target: &str| command(fixture, who).args(["exec", target, "--", "true"]).output().unwrap();
        for pid in [runner, init_of(runner)] {
            assert!(by(&pid.to_string()).status.success());
        }
        complains(&by(&std::process::id().to_string()), "no sandbox");
        complains(&by("1"), "no sandbox");
        complains(&by("no-such-name"), "no sandbox");
        complains(&by("../x"), "letters, digits");
        sandbox.runner.0.kill().unwrap();
        sandbox.runner.0.wait().unwrap();
        complains(&sandbox.output(&["true"]), "no sandbox");
        let after = again();
        assert!(after.status.success(), "{after:?}");
        assert!(!sandbox.record().exists());
        complains(&sandbox.output(&["true"]), "no sandbox");
        // What a killed runner left is removed by who takes another name.
        let stale = records(fixture, who).join(format!("{}-stale", sandbox.name));
        fs::write(&stale, "{}").unwrap();
        assert!(again().status.success() && !stale.exists());
    }
}

#[test]
fn what_others_could_have_written_is_not_entered() {
    let fixture = Fixture::new();
    let who = *everyone().last().unwrap();
    let run = |options: &[&str]| command(&fixture, who).args(options).output().unwrap();
    let start = ["--limits", "rlimit-only", "--name", "x", "--", "true"];
    assert!(run(&start).status.success());
    let (directory, elsewhere) = (records(&fixture, who), fixture.open_directory("elsewhere"));
    fs::set_permissions(&directory, fs::Permissions::from_mode(0o770)).unwrap();
    complains(&run(&start), "chmod 700");
    complains(&run(&["exec", "x", "--", "true"]), "chmod 700");
    fs::set_permissions(&directory, fs::Permissions::from_mode(0o700)).unwrap();
    symlink(fixture.file("target", "precious"), directory.join("x")).unwrap();
    complains(&run(&start), "ELOOP");
    complains(&run(&["exec", "x", "--", "true"]), "ELOOP");
    assert_eq!(fs::read_to_string(fixture.path("target")).unwrap(), "precious");
    fs::remove_dir_all(&directory).unwrap();
    symlink(elsewhere, &directory).unwrap();
    complains(&run(&start), "ENOTDIR");
    let mut without = command(&fixture, who);
    if !is_root() || who == Who::Nobody {
        complains(&without.env_remove("XDG_RUNTIME_DIR").args(start).output().unwrap(), "XDG_RUNTIME_DIR");
    }
}

#[test]
fn nobody_enters_before_the_sandbox_is_made() {
    for who in everyone() {
        let fixture = Fixture::with_tracer();
        let name = name_of(&fixture);
        let mut tracer = support::as_who(Command::new(fixture.path("tracer")), who);
        tracer.env("XDG_RUNTIME_DIR", runtime(&fixture, who)).stdin(Stdio::null()).stdout(Stdio::piped());
        // Init is held where its mounts are still the host's: its 64 signals are reset, and not much more.
        tracer.args(["hold", "1", "75"]).arg(fixture.path("sandbox"));
        let mut tracer = Ended(named(&mut tracer, &name, &[]).args(["--", "sleep", "1000"]).spawn().unwrap());
        let mut line = String::new();
        BufReader::new(tracer.0.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let init = line.trim().parse::<i32>().unwrap();
        let output = command(&fixture, who).args(["exec", &name, "--", "true"]).output().unwrap();
        complains(&output, "has not started");
        kill(Pid::from_raw(init), Signal::SIGKILL).unwrap();
        tracer.0.wait().unwrap();
    }
}

/// The model is CVE-2016-9962. What enters is held at one call after another, and the program inside, which may trace, and
/// on which Landlock has no hold, tries all that it can; once the program has been executed, it may.
#[test]
fn the_program_inside_does_not_reach_what_enters() {
    const ATTACKS: [&str; 9] = [
        "exe",
        "ptrace",
        "process-vm",
        "process-fd",
        "process-environ",
        "process-cwd",
        "process-root",
        "process-maps",
        "process-ns",
    ];
    for who in everyone() {
        let mut sandbox = Named::start(who, &["--landlock", "off", "--allow", "ptrace"]);
        let (mut before, mut after) = (0, 0);
        for nth in (1..).step_by(3) {
            let Some((mut tracer, pid, inside)) = sandbox.held(nth, "sandbox", &["true"]) else { break };
            let executed = fs::read_link(format!("/proc/{pid}/exe")).unwrap().starts_with("/usr");
            let mut refused = Vec::new();
            for attack in ATTACKS {
                let text = sandbox.tell(&format!("/attack {attack} {inside}"));
                if executed {
                    refused.extend(text.starts_with("held").then_some(attack));
                } else {
                    assert!(text.starts_with("held"), "{attack} at call {nth} as {who:?}: {text}");
                }
            }
            assert_eq!(refused, [""; 0], "refused after the program was executed too, so they show nothing");
            (before, after) = (before + usize::from(!executed), after + usize::from(executed));
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
            tracer.0.wait().unwrap();
        }
        assert!(before >= 10 && after >= 1, "held at {before} calls before the program was executed, {after} after");
    }
}

/// The model is CVE-2019-5736, where the sandbox's user owns the binary that enters, which is another than the runner's.
#[test]
fn the_binary_that_enters_is_not_shown_to_the_sandbox() {
    let fixture = Fixture::with_tracer();
    let who = *everyone().last().unwrap();
    let copy = fixture.path("another");
    fs::copy(fixture.path("sandbox"), &copy).unwrap();
    if who == Who::Nobody {
        chown(&copy, Some(65_534), Some(65_534)).unwrap();
    }
    fs::set_permissions(&copy, fs::Permissions::from_mode(0o755)).unwrap();
    let original = fs::read(&copy).unwrap();
    let mut sandbox = Named::with(fixture, who, &["--landlock", "off"]);
    sandbox.tell("echo '#!/proc/self/exe' >/tmp/evil; chmod 755 /tmp/evil");
    let (nth, mut tracer, inside) = (1..)
        .step_by(3)
        .find_map(|nth| {
            let (tracer, pid, inside) = sandbox.held(nth, "another", &["/tmp/evil"])?;
            // It executes when it is no child of a vfork any more: its own memory, without the keeper's stack.
            let words = fs::read(format!("/proc/{pid}/cmdline")).unwrap();
            let executed =
                words.windows(9).any(|part| part == b"/tmp/evil") && !words.windows(4).any(|it| it == b"exec");
            if !executed {
                kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
            }
            executed.then_some((nth, tracer, inside))
        })
        .unwrap();
    let text = sandbox.tell(&format!("/attack overwrite-exe {inside}"));
    assert_eq!(text, "held: EPERM\n", "at call {nth}");
    tracer.0.wait().unwrap();
    assert!(fs::read(&copy).unwrap() == original, "the binary was written to");
    assert_eq!(fs::metadata(&copy).unwrap().permissions().mode() & 0o777, 0o755);
}

/// The model is CVE-2024-21626: a working directory that leads to a descriptor of who enters.
#[test]
fn a_working_directory_leads_to_no_descriptor_of_who_enters() {
    for who in everyone() {
        let fixture = Fixture::with_tracer();
        let shared = format!("{}:/shared", fixture.open_directory("shared").display());
        // There must be one for the first program.
        fixture.open_directory("shared/at");
        let mut sandbox = Named::with(fixture, who, &["--rw", &shared, "--tmpfs", "/work=1M", "--cwd", "/shared/at"]);
        sandbox.tell("rmdir /shared/at");
        for number in 3..24 {
            sandbox.tell(&format!("ln -sfn /proc/self/fd/{number} /shared/at"));
            complains(&sandbox.output(&["ls"]), "cwd");
        }
        sandbox.tell("ln -sfn /work /shared/at");
        assert_eq!(String::from_utf8_lossy(&sandbox.output(&["pwd", "-P"]).stdout), "/work\n");
    }
}

fn shell(script: &str) -> ExecRequest {
    ExecRequest { program: "sh".to_owned(), args: vec!["-c".to_owned(), script.to_owned()] }
}

/// Starts something with its output in a pipe.
fn with_output<T>(start: impl FnOnce(holdfast_sandbox::Stdio<'_>) -> T) -> (T, File) {
    let (reader, writer): (OwnedFd, OwnedFd) = nix::unistd::pipe().unwrap();
    let null = File::open("/dev/null").unwrap();
    let stdio =
        holdfast_sandbox::Stdio { stdin: null.as_fd(), stdout: writer.as_fd(), stderr: writer.as_fd(), passed: &[] };
    (start(stdio), reader.into())
}

fn policy() -> Policy {
    Policy { limits: Limits { mode: LimitsMode::RlimitOnly, ..Limits::default() }, ..Policy::default() }
}

fn spawned(spawner: &Spawner, script: &str) -> (Sandbox, File) {
    let ExecRequest { program, args } = shell(script);
    let request = Request { policy: policy(), program, args, files: vec![] };
    let (sandbox, output) = with_output(|stdio| spawner.spawn(&request, stdio));
    (sandbox.unwrap(), output)
}

fn entered(sandbox: &Sandbox, script: &str) -> (Entered, File) {
    let (entered, output) = with_output(|stdio| sandbox.exec(&shell(script), stdio));
    (entered.unwrap(), output)
}

fn text(mut output: File) -> String {
    let mut text = String::new();
    output.read_to_string(&mut text).unwrap();
    text
}

#[test]
fn threads_enter_the_sandboxes_of_a_spawner_and_each_gets_its_own_answer() {
    let spawner = Spawner::start(env!("CARGO_BIN_EXE_holdfast-sandbox").as_ref()).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let spawner = &spawner;
            scope.spawn(move || {
                let (sandbox, _output) = spawned(spawner, &format!("echo {thread} >/tmp/own; exec sleep 1000"));
                let wait = "while ! cat /tmp/own 2>/dev/null | grep .; do sleep 0.01; done";
                for round in 0..5 {
                    let (entered, output) = entered(&sandbox, &format!("{wait}; id -u; exit {round}"));
                    assert_eq!(text(output), format!("{thread}\n1000\n"));
                    assert_eq!(entered.outcome().unwrap().code, Some(round));
                }
                // What rlimits can't tell is not guessed.
                assert_eq!(sandbox.stats().unwrap(), None);
            });
        }
    });
}

#[test]
fn what_entered_by_a_spawner_can_be_ended_and_ends_with_its_sandbox() {
    let spawner = Spawner::start(env!("CARGO_BIN_EXE_holdfast-sandbox").as_ref()).unwrap();
    let (sandbox, _output) = spawned(&spawner, "exec sleep 1000");
    let up = |output: &mut File| {
        let mut line = [0; 3];
        output.read_exact(&mut line).unwrap();
    };
    let stubborn = "trap '' TERM; echo up; sleep 1000; sleep 1000";
    let (killed, mut output) = entered(&sandbox, stubborn);
    up(&mut output);
    assert!(matches!(killed.signal(Signal::SIGSTOP), Err(Error::StopRefused)));
    killed.signal(Signal::SIGKILL).unwrap();
    let outcome = killed.outcome().unwrap();
    assert_eq!((outcome.ended_by, outcome.signal), (EndedBy::Signaled, Some(9)));
    let (dropped, mut output) = entered(&sandbox, "echo up; exec sleep 1000");
    up(&mut output);
    drop(dropped);
    assert_eq!(text(output), "");
    let (left, mut output) = entered(&sandbox, "echo up; exec sleep 1000");
    up(&mut output);
    sandbox.signal(Signal::SIGKILL).unwrap();
    assert_eq!(left.outcome().unwrap().exit_code(), 137);
    until("the spawner has seen its end", || match with_output(|stdio| sandbox.exec(&shell("true"), stdio)).0 {
        Err(Error::Setup(failure)) => failure.step == Step::Enter,
        Err(other) => panic!("{other}"),
        Ok(_) => false,
    });
    assert_eq!(sandbox.stats().unwrap(), None);
    // One that was made ahead is entered when its program runs, and no sooner.
    let prepared = spawner.prepare(&policy(), &[]).unwrap();
    let sandbox = with_output(|stdio| prepared.spawn("sleep", &["1000".to_owned()], stdio)).0.unwrap();
    let (last, output) = entered(&sandbox, "kill -0 2 && hostname");
    assert_eq!((text(output).as_str(), last.outcome().unwrap().code), ("sandbox\n", Some(0)));
    drop(spawner);
    let (gone, _) = with_output(|stdio| sandbox.exec(&shell("true"), stdio));
    assert!(matches!(gone, Err(Error::SpawnerGone(_))), "{gone:?}");
}
