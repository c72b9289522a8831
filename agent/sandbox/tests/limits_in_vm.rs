//! Limits by cgroup v2, in one boot of the lab's virtual machine: each attack is stopped by a limit on the whole
//! sandbox, told as what it is, and works where that limit is taken away.
//!
//! This program is all three: the test, which boots the machine; with `--inside`, what runs the cases in it, a line
//! each; with `--attack`, the hostile program in the sandbox.

#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

mod attacks;
mod kept_box;
mod support;
mod workloads;

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use holdfast_lab::{Layout, Vm, VmEnded};
use holdfast_sandbox::{
    Bind, EndedBy, ExecRequest, LimitKind, Limits, LimitsMode, Outcome, Policy, Request, Source, Spawner,
};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::resource::{Resource, UsageWho, getrusage, setrlimit};
use nix::sys::time::TimeValLike;

const SANDBOX: &str = env!("CARGO_BIN_EXE_holdfast-sandbox");
const NOBODY: u32 = 65_534;
const TREE: &str = "/sys/fs/cgroup";
const MIB: usize = 1 << 20;
/// Of the whole sandbox, for attacks that want twice as much.
const MEMORY: [&str; 2] = ["--memory", "64M"];
const TWICE: &str = "128";

const CASES: [(&str, fn()); 21] = [
    ("a_fork_bomb_gets_no_more_than_its_limit_and_it_is_told", fork_bomb),
    ("memory_beyond_the_limit_ends_the_sandbox_and_nothing_else", memory_hog),
    ("memory_that_belongs_to_no_process_counts", memfd_hog),
    ("the_memory_of_all_processes_counts_together", many_hogs),
    ("files_in_tmp_count", full_tmp),
    ("a_quota_of_processors_holds", cpu_quota),
    ("figures_are_the_programs_and_not_the_setups", figures),
    ("results_are_those_of_the_work_that_was_done", results),
    ("the_program_sees_its_own_limits_and_can_not_change_them", own_limits),
    ("a_caller_without_core_files_is_given_one_byte_or_nothing_runs", no_core),
    ("a_killed_runner_leaves_a_cgroup_that_the_next_one_removes", killed_runner),
    ("who_is_killed_at_any_system_call_leaves_no_cgroup_that_the_next_one_does_not_remove", killed_anywhere),
    ("a_spawner_tells_the_same_and_leaves_nothing", spawner),
    ("what_enters_counts_to_the_limits_of_its_sandbox", entered),
    ("a_service_that_was_given_its_cgroup_divides_it", service),
    ("who_is_not_root_needs_a_cgroup_that_was_given_to_him", unprivileged),
    ("a_controller_that_is_missing_is_named_and_nothing_runs", missing_controller),
    ("the_hostile_set_holds_on_this_kernel_too", hostile_set),
    ("a_box_holds_no_more_than_its_quota", kept_box::quota),
    ("a_box_is_kept_where_ids_can_be_mapped_and_refused_elsewhere", kept_box::kept),
    ("layers_are_one_root_on_this_kernel_too", kept_box::layers),
];

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["--inside"] => inside(),
        ["--attack", attack @ ..] => run_attack(attack),
        ["--no-core", program @ ..] => {
            setrlimit(Resource::RLIMIT_CORE, 0, 0).unwrap();
            panic!("{program:?}: {}", Command::new(program[0]).args(&program[1..]).exec());
        }
        ["--join", group, program @ ..] => enter(group, &mut Command::new(program[0]), &program[1..]),
        ["--enter", group, program @ ..] => {
            enter(group, Command::new(program[0]).uid(NOBODY).gid(NOBODY), &program[1..]);
        }
        _ => boot(),
    }
}

// ---- outside -------------------------------------------------------------------------------------------------------

fn boot() {
    let mut vm = Vm::of_command(&std::env::current_exe().unwrap(), vec!["--inside".into()]).unwrap();
    vm.files = vec![
        SANDBOX.into(),
        support::c_program("attack"),
        support::c_program("tracer"),
        support::c_program("workload"),
        "/usr/bin/unshare".into(),
    ];
    vm.modules = kept_box::MODULES.to_vec();
    let disk = kept_box::disk();
    vm.disk = Some(disk.path().to_owned());
    vm.limit = Some(Duration::from_secs(1200));
    let (ended, printed) = vm.output(&Layout::of_this_workspace()).unwrap();
    print!("{printed}");
    for (name, _) in CASES {
        assert!(printed.lines().any(|line| line == format!("test {name} ... ok")), "{name} failed: see above");
    }
    assert_eq!(ended, VmEnded::Exited(0), "see above");
}

// ---- in the machine ------------------------------------------------------------------------------------------------

fn inside() {
    let mut failed = 0;
    for (name, case) in CASES {
        let held = catch_unwind(case).is_ok() && !sandboxes(TREE).exists();
        failed += usize::from(!held);
        println!("test {name} ... {}", if held { "ok" } else { "FAILED" });
    }
    std::process::exit(i32::from(failed > 0));
}

/// Where leaves are; gone when the last one is.
fn sandboxes(parent: &str) -> PathBuf {
    Path::new(parent).join("holdfast-sandboxes")
}

/// Runs an attack in the sandbox: what it printed, and the result.
fn attack(options: &[&str], attack: &[&str]) -> (String, Outcome) {
    let mut command = Command::new(SANDBOX);
    let output = with_attack(&mut command, options, attack).output().unwrap();
    result(&output)
}

fn with_attack<'c>(command: &'c mut Command, options: &[&str], attack: &[&str]) -> &'c mut Command {
    let program = std::env::current_exe().unwrap();
    command.arg("--ro").arg(format!("{}:/attack", program.display())).args(["--wall", "120s", "--result", "-"]);
    command.args(options).args(["--", "/attack", "--attack"]).args(attack).stdin(Stdio::null())
}

fn result(output: &Output) -> (String, Outcome) {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let (printed, json) = text.trim_end().rsplit_once('\n').unwrap_or(("", text.trim_end()));
    (printed.to_owned(), serde_json::from_str(json).unwrap_or_else(|error| panic!("{error}: {output:?}")))
}

/// With rlimits alone, an attack does all that it wants, and nobody can say that it did.
fn succeeds_without(options: &[&str], words: &[&str], wanted: &str) {
    let (printed, outcome) = attack(&[&["--limits", "rlimit-only"], options].concat(), words);
    assert_eq!((printed.as_str(), outcome.ended_by, outcome.code), (wanted, EndedBy::Exited, Some(0)), "{outcome:?}");
    assert_eq!((outcome.limits, outcome.limits_hit.as_slice()), (LimitsMode::RlimitOnly, &[][..]));
    assert_eq!((outcome.peak_memory, outcome.peak_pids, outcome.times_from), (None, None, Some(Source::Rusage)));
}

fn runs_out_of_memory(words: &[&str]) {
    let (printed, outcome) = attack(&MEMORY, words);
    assert_eq!((outcome.ended_by, outcome.exit_code()), (EndedBy::Memory, 137), "{printed}: {outcome:?}");
    assert_eq!(outcome.limits_hit, [LimitKind::Memory]);
    let peak = outcome.peak_memory.unwrap();
    assert!((48 << 20..=64 << 20).contains(&peak), "{peak}");
}

fn fork_bomb() {
    let (printed, outcome) = attack(&["--pids", "10"], &["bomb", "30"]);
    // The bomb itself is one of the ten; that a call failed did not end it.
    assert_eq!((printed.as_str(), outcome.ended_by, outcome.code), ("9", EndedBy::Exited, Some(0)), "{outcome:?}");
    assert_eq!((outcome.limits_hit, outcome.peak_pids), (vec![LimitKind::Pids], Some(10)));
    succeeds_without(&["--pids", "none"], &["bomb", "30"], "30");
}

fn memory_hog() {
    runs_out_of_memory(&["hog", TWICE]);
    succeeds_without(&["--memory", "none"], &["hog", TWICE], TWICE);
}

fn memfd_hog() {
    runs_out_of_memory(&["memfd", TWICE]);
    succeeds_without(&MEMORY, &["memfd", TWICE], TWICE);
}

fn many_hogs() {
    runs_out_of_memory(&["hogs", "4", "32"]);
    succeeds_without(&MEMORY, &["hogs", "4", "32"], "4");
}

fn full_tmp() {
    let tmp = ["--tmpfs", "/tmp=200M"];
    let (_, outcome) = attack(&[&MEMORY[..], &tmp].concat(), &["file", TWICE]);
    assert_eq!((outcome.ended_by, outcome.limits_hit), (EndedBy::Memory, vec![LimitKind::Memory]));
    succeeds_without(&[&MEMORY[..], &tmp].concat(), &["file", TWICE], TWICE);
}

/// The attack prints how often the kernel made it wait.
fn cpu_quota() {
    let (waits, outcome) = attack(&["--cpu", "0.2", "--cpu-weight", "50"], &["spin", "300"]);
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    assert!(waits.parse::<u32>().unwrap() >= 10, "{waits}");
    let (waits, outcome) = attack(&[], &["spin", "300"]);
    assert_eq!((waits.as_str(), outcome.code), ("0", Some(0)), "{outcome:?}");
}

fn figures() {
    let (_, outcome) = attack(&[], &["spin", "500"]);
    let cpu = outcome.user_us.unwrap() + outcome.system_us.unwrap();
    assert!(cpu >= 500_000, "{outcome:?}");
    assert_eq!((outcome.times_from, outcome.peak_pids), (Some(Source::Cgroup), Some(1)));
    let peak = |words: &[&str]| attack(&[], words).1.peak_memory.unwrap();
    let (little, much) = (peak(&["hog", "0"]), peak(&["hog", "40"]));
    let more = much.checked_sub(little).unwrap();
    // To within the batches in which each processor charges.
    assert!((39 << 20..42 << 20).contains(&more), "{little} {much}");
    assert!(little < 8 << 20, "{little}");
}

fn results() {
    let program = format!("{}:/workload", support::c_program("workload").display());
    let run = |options: &[&str], work: &[&str]| {
        let mut command = Command::new(SANDBOX);
        command.args(["--wall", "120s", "--result", "-", "--ro", &program]).args(options).args(["--", "/workload"]);
        let ran = workloads::read(&command.args(work).stdin(Stdio::null()).output().unwrap());
        assert_eq!(ran.outcome.times_from, Some(Source::Cgroup));
        ran
    };
    // An emulated processor is slow, and its time goes on while the host does something else.
    workloads::check(workloads::Scale { millis: 400, tolerance_us: 400_000 }, &run);
    for mebibytes in [1, 40] {
        let peak = run(&[], &["memory", &mebibytes.to_string()]).outcome.peak_memory.unwrap();
        assert!((mebibytes << 20..=(mebibytes + 2) << 20).contains(&peak), "{mebibytes} MiB: {peak}");
    }
    assert_eq!(run(&[], &["children", "7", "1"]).outcome.peak_pids, Some(8));
}

fn own_limits() {
    let (printed, outcome) = attack(&["--memory", "64M", "--pids", "10", "--cpu", "1.5"], &["limits"]);
    assert_eq!(outcome.code, Some(0), "{printed}: {outcome:?}");
    assert_eq!(printed.lines().collect::<Vec<_>>(), ["67108864", "0", "11", "150000 100000", "0::/", "EACCES", "fs"]);
}

/// Root can raise its hard limit, and the kernel starts no helper; nobody can't.
fn no_core() {
    let fixture = support::Fixture::new();
    fs::write("/proc/sys/kernel/core_pattern", "|/no/such/helper").unwrap();
    let own = std::env::current_exe().unwrap();
    for (who, is_held) in [(support::Who::Caller, true), (support::Who::Nobody, false)] {
        let mut command = fixture.wrapped(who, &[own.to_str().unwrap(), "--no-core"]);
        command.args(["--limits", "rlimit-only", "--ro"]).arg(format!("{}:/attack", fixture.path("attack").display()));
        let output = command.args(["--", "/attack", "core-limit"]).output().unwrap();
        let is_told = String::from_utf8_lossy(&output.stderr).contains("core_pattern");
        let expected = if is_held { (Some(10), false) } else { (Some(125), true) };
        assert_eq!((output.status.code(), is_told), expected, "{output:?}");
    }
    fs::write("/proc/sys/kernel/core_pattern", "core").unwrap();
}

fn killed_runner() {
    let mut command = Command::new(SANDBOX);
    let mut runner = with_attack(&mut command, &[], &["stay"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(runner.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "up\n");
    let leaves = || fs::read_dir(sandboxes(TREE)).unwrap().flatten().filter(|it| it.path().is_dir()).count();
    // A second sandbox leaves that of a living runner alone.
    assert_eq!(attack(&[], &["hog", "1"]).1.code, Some(0));
    assert_eq!(leaves(), 1);
    runner.kill().unwrap();
    runner.wait().unwrap();
    assert_eq!(leaves(), 1, "nobody was there to remove it");
    assert_eq!(attack(&[], &["hog", "1"]).1.code, Some(0));
    assert!(!sandboxes(TREE).exists());
}

/// As `killed.rs` does it at each call, with a cgroup: here at every thirteenth, as the machine is slow, from another call on for
/// each process.
fn killed_anywhere() {
    const STEP: usize = 13;
    let fixture = support::Fixture::with_tracer();
    for (which, first) in [("0", 1), ("1", 3)] {
        let mut kills = 0;
        for nth in (first..).step_by(STEP) {
            let mut command = fixture
                .wrapped(support::Who::Caller, &[fixture.path("tracer").to_str().unwrap(), which, &nth.to_string()]);
            let output = with_attack(&mut command, &MEMORY, &["hog", "1"]).output().unwrap();
            match output.status.code() {
                Some(0) => kills += 1,
                Some(1) => break,
                _ => panic!("process {which} at call {nth}: {output:?}"),
            }
        }
        println!("process {which} was killed at {kills} calls");
        assert!(kills > 10, "process {which} was killed at {kills} calls only");
    }
    assert_eq!(attack(&[], &["hog", "1"]).1.code, Some(0));
    assert!(!sandboxes(TREE).exists());
}

fn spawner() {
    let spawner = Spawner::start(Path::new(SANDBOX)).unwrap();
    let run = |attack: &[&str], ahead: bool| {
        let program = std::env::current_exe().unwrap();
        let mounts = vec![Bind { source: program, target: "/attack".into(), mode: Default::default() }];
        let limits = Limits { memory: Some(64 << 20), pids: Some(10), ..Limits::default() };
        let policy = Policy { mounts, limits, ..Policy::default() };
        let args = ["--attack"].iter().chain(attack).map(|&word| word.to_owned()).collect();
        let request = Request { policy, program: "/attack".into(), args, files: vec![] };
        let null = File::options().read(true).write(true).open("/dev/null").unwrap();
        let stdio =
            holdfast_sandbox::Stdio { stdin: null.as_fd(), stdout: null.as_fd(), stderr: null.as_fd(), passed: &[] };
        let sandbox = match ahead {
            true => spawner.prepare(&request.policy, &[]).unwrap().spawn(&request.program, &request.args, stdio),
            false => spawner.spawn(&request, stdio),
        };
        let outcome = sandbox.unwrap().outcome().unwrap();
        let left = fs::read_dir(sandboxes(TREE)).unwrap().flatten().filter(|it| it.path().is_dir()).count();
        assert_eq!(left, 0, "an outcome came before the cgroup was gone");
        outcome
    };
    for ahead in [false, true] {
        let outcome = run(&["hog", TWICE], ahead);
        assert_eq!((outcome.ended_by, outcome.limits_hit), (EndedBy::Memory, vec![LimitKind::Memory]), "{ahead}");
        let outcome = run(&["bomb", "30"], ahead);
        assert_eq!((outcome.ended_by, outcome.limits_hit), (EndedBy::Exited, vec![LimitKind::Pids]), "{ahead}");
        assert_eq!((outcome.peak_pids, outcome.limits), (Some(10), LimitsMode::Required), "{ahead}");
    }
    drop(spawner);
}

/// By name, and by the handle of a sandbox; what is used now is told by the same cgroup.
fn entered() {
    let mut command = Command::new(SANDBOX);
    let options = ["--name", "vm", "--pids", "12", "--memory", "64M"];
    let mut runner = with_attack(&mut command, &options, &["stay"]).stdout(Stdio::piped()).spawn().unwrap();
    let up = |child: &mut std::process::Child| {
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "up\n");
    };
    up(&mut runner);
    let record = Path::new("/run/holdfast/sandboxes/vm");
    while !fs::read(record).is_ok_and(|text| !text.is_empty()) {
        std::thread::yield_now();
    }
    let exec = |words: &[&str]| {
        let mut exec = Command::new(SANDBOX);
        exec.args(["exec", "--result", "-", "vm", "--", "/attack", "--attack"]).args(words).stdin(Stdio::null());
        exec
    };
    let leaf = fs::read_dir(sandboxes(TREE)).unwrap().flatten().find(|it| it.path().is_dir()).unwrap().path();
    let mut stays = exec(&["stay"]).stdout(Stdio::piped()).spawn().unwrap();
    up(&mut stays);
    // Init, the first program, the keeper, its program.
    assert_eq!(fs::read_to_string(leaf.join("cgroup.procs")).unwrap().lines().count(), 4);
    stays.kill().unwrap();
    stays.wait().unwrap();
    while fs::read_to_string(leaf.join("cgroup.procs")).unwrap().lines().count() > 2 {
        std::thread::yield_now();
    }
    // The first program, the keeper, the bomb itself, and nine more, which it leaves running.
    let (printed, outcome) = result(&exec(&["bomb", "30"]).stderr(Stdio::null()).output().unwrap());
    assert_eq!((printed.as_str(), outcome.code), ("9", Some(0)), "{outcome:?}");
    // What enters next has no place for another.
    assert_eq!(result(&exec(&["bomb", "30"]).output().unwrap()).0, "0");
    runner.kill().unwrap();
    runner.wait().unwrap();

    let spawner = Spawner::start(Path::new(SANDBOX)).unwrap();
    let program = std::env::current_exe().unwrap();
    let mounts = vec![Bind { source: program, target: "/attack".into(), mode: Default::default() }];
    let limits = Limits { memory: Some(64 << 20), ..Limits::default() };
    let policy = Policy { mounts, limits, ..Policy::default() };
    let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
    let args = words(&["--attack", "stay"]);
    let request = Request { policy, program: "/attack".into(), args, files: vec![] };
    let (reader, writer) = nix::unistd::pipe().unwrap();
    let null = File::options().read(true).write(true).open("/dev/null").unwrap();
    let stdio = |out| holdfast_sandbox::Stdio { stdin: null.as_fd(), stdout: out, stderr: null.as_fd(), passed: &[] };
    let sandbox = spawner.spawn(&request, stdio(writer.as_fd())).unwrap();
    let mut lines = BufReader::new(File::from(reader)).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "up");
    let before = sandbox.stats().unwrap().unwrap();
    assert_eq!(before.pids, Some(1));
    let exec = ExecRequest { program: "/attack".into(), args: words(&["--attack", "stay"]) };
    let entered = sandbox.exec(&exec, stdio(writer.as_fd())).unwrap();
    assert_eq!(lines.next().unwrap().unwrap(), "up");
    let now = sandbox.stats().unwrap().unwrap();
    assert_eq!(now.pids, Some(3));
    assert!(now.memory > before.memory && now.user_us >= before.user_us && now.system_us > before.system_us, "{now:?}");
    drop(entered);
    let spin = ExecRequest { program: "/attack".into(), args: words(&["--attack", "spin", "300"]) };
    assert_eq!(sandbox.exec(&spin, stdio(null.as_fd())).unwrap().outcome().unwrap().code, Some(0));
    let cpu = |stats: holdfast_sandbox::Stats| stats.user_us.unwrap() + stats.system_us.unwrap();
    assert!(cpu(sandbox.stats().unwrap().unwrap()) >= cpu(now) + 300_000);
    // Too much memory of what entered ends the sandbox, as its own would.
    let hog = ExecRequest { program: "/attack".into(), args: words(&["--attack", "hog", TWICE]) };
    assert_eq!(sandbox.exec(&hog, stdio(null.as_fd())).unwrap().outcome().unwrap().exit_code(), 137);
    let outcome = sandbox.outcome().unwrap();
    assert_eq!((outcome.ended_by, outcome.limits_hit), (EndedBy::Memory, vec![LimitKind::Memory]));
}

/// As systemd starts a service of root's with `Delegate=yes`: its cgroup has a mark, and more processes than the runner.
fn service() {
    let group = format!("{TREE}/service");
    fs::write(format!("{TREE}/cgroup.subtree_control"), "+memory +pids +cpu").unwrap();
    fs::create_dir(&group).unwrap();
    let joined = |program: &str| {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--join", &group, program]);
        command
    };
    let own = std::env::current_exe().unwrap();
    let mut other = joined(own.to_str().unwrap());
    let mut other = other.args(["--attack", "stay"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(other.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    let runs = || result(&with_attack(&mut joined(SANDBOX), &MEMORY, &["memfd", TWICE]).output().unwrap()).1;
    // Without the mark it is somebody else's to divide, and root takes a cgroup at the top.
    assert_eq!(runs().ended_by, EndedBy::Memory);
    assert!(fs::read_to_string(format!("{group}/cgroup.procs")).unwrap().contains(&other.id().to_string()));
    rustix::fs::setxattr(&group, "trusted.delegate", b"1", rustix::fs::XattrFlags::empty()).unwrap();
    assert_eq!(runs().ended_by, EndedBy::Memory);
    assert_eq!(fs::read_to_string(format!("{group}/cgroup.procs")).unwrap(), "");
    let moved = fs::read_to_string(format!("{group}/holdfast-runner/cgroup.procs")).unwrap();
    assert_eq!(moved.trim(), other.id().to_string());
    other.kill().unwrap();
    other.wait().unwrap();
    take(&group);
}

/// Makes a cgroup with these controllers, and gives it to nobody.
fn give(name: &str, controllers: &str) -> String {
    let group = format!("{TREE}/{name}");
    fs::write(format!("{TREE}/cgroup.subtree_control"), controllers).unwrap();
    fs::create_dir(&group).unwrap();
    for file in ["", "/cgroup.procs", "/cgroup.subtree_control"] {
        chown(format!("{group}{file}"), Some(NOBODY), Some(NOBODY)).unwrap();
    }
    group
}

/// Takes it back, with what the runner moved itself into.
fn take(group: &str) {
    for child in fs::read_dir(group).unwrap().flatten().filter(|it| it.path().is_dir()) {
        assert_eq!(child.file_name(), "holdfast-runner", "a leaf is left");
        fs::remove_dir(child.path()).unwrap();
    }
    fs::remove_dir(group).unwrap();
}

fn as_nobody_in(group: &str, words: &[&str]) -> Output {
    // After the first run the cgroup takes processes in its children alone, as that of a service does.
    let runner = format!("{group}/holdfast-runner");
    let entered = if Path::new(&runner).exists() { &runner } else { group };
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--enter", entered, SANDBOX]);
    with_attack(&mut command, &MEMORY, words).output().unwrap()
}

fn unprivileged() {
    let group = give("given", "+memory +pids +cpu");
    let (_, outcome) = result(&as_nobody_in(&group, &["memfd", TWICE]));
    assert_eq!((outcome.ended_by, outcome.limits_hit), (EndedBy::Memory, vec![LimitKind::Memory]));
    let (printed, outcome) = result(&as_nobody_in(&group, &["bomb", "3"]));
    assert_eq!((printed.as_str(), outcome.code, outcome.peak_pids), ("3", Some(0), Some(4)), "{outcome:?}");
    // Here the files are the program's own: the mount is what keeps it from them.
    let (printed, outcome) = result(&as_nobody_in(&group, &["limits"]));
    assert_eq!(outcome.code, Some(0), "{printed}: {outcome:?}");
    assert_eq!(printed.lines().skip(5).collect::<Vec<_>>(), ["EROFS", "fs"]);
    take(&group);
    let output = as_nobody_in(TREE, &["bomb", "3"]);
    let (printed, outcome) = result(&output);
    assert_eq!((printed.as_str(), outcome.ended_by, output.status.code()), ("", EndedBy::SetupFailed, Some(125)));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("EACCES") && said.contains("Delegate=yes") && said.contains("rlimit-only"), "{said}");
}

fn missing_controller() {
    let group = give("poor", "+pids -memory");
    let output = as_nobody_in(&group, &["bomb", "3"]);
    let (printed, outcome) = result(&output);
    assert_eq!((printed.as_str(), outcome.ended_by, output.status.code()), ("", EndedBy::SetupFailed, Some(125)));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("/poor has no controller memory)"), "{said}");
    take(&group);
}

/// Moves into a cgroup and executes a program there.
fn enter(group: &str, program: &mut Command, args: &[&str]) {
    fs::write(format!("{group}/cgroup.procs"), "0").unwrap();
    let error = program.args(args).exec();
    panic!("{program:?}: {error}");
}

// ---- in the sandbox ------------------------------------------------------------------------------------------------

fn run_attack(words: &[&str]) {
    let number = |at: usize| words[at].parse::<usize>().unwrap();
    match words {
        ["bomb", _] => println!("{}", children(number(1), &["stay"]).len()),
        ["hog", _] => {
            let taken: Vec<Vec<u8>> = (0..number(1)).map(|_| vec![1; MIB]).collect();
            println!("{}", std::hint::black_box(&taken).len());
        }
        ["hogs", ..] => println!("{}", children(number(1), &["hold", words[2]]).len()),
        ["hold", _] => {
            let taken: Vec<Vec<u8>> = (0..number(1)).map(|_| vec![1; MIB]).collect();
            stay();
            drop(std::hint::black_box(taken));
        }
        ["stay"] => stay(),
        ["memfd", _] => fill(memfd_create(c"hog", MFdFlags::empty()).unwrap(), number(1)),
        ["own", ..] => kept_box::run_attack(&words[1..]),
        ["file", _] => fill(File::create("/tmp/hog").unwrap().into(), number(1)),
        ["spin", _] => spin(number(1)),
        ["limits"] => limits(),
        _ => panic!("{words:?}"),
    }
}

/// Says that it is there, and is there until it is killed.
fn stay() {
    println!("up");
    nix::unistd::pause();
}

/// Starts up to a number of processes, each of which has done its part when this returns.
fn children(most: usize, attack: &[&str]) -> Vec<std::process::Child> {
    let mut children = Vec::new();
    while children.len() < most {
        let mut command = Command::new("/attack");
        command.arg("--attack").args(attack).stdin(Stdio::null()).stdout(Stdio::piped());
        let Ok(mut child) = command.spawn() else { break };
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        children.push(child);
    }
    children
}

fn fill(fd: OwnedFd, mebibytes: usize) {
    let mut file = File::from(fd);
    for _ in 0..mebibytes {
        file.write_all(&vec![1; MIB]).unwrap();
    }
    println!("{mebibytes}");
}

/// Uses that much CPU time; prints in how many periods it had to wait for its quota.
fn spin(millis: usize) {
    let used = || {
        let usage = getrusage(UsageWho::RUSAGE_SELF).unwrap();
        (usage.user_time() + usage.system_time()).num_milliseconds()
    };
    while used() < i64::try_from(millis).unwrap() {
        std::hint::black_box((0..10_000u64).sum::<u64>());
    }
    let stat = fs::read_to_string(format!("{TREE}/cpu.stat")).unwrap();
    println!("{}", stat.lines().find_map(|line| line.strip_prefix("nr_throttled ")).unwrap());
}

fn limits() {
    for file in ["memory.max", "memory.swap.max", "pids.max", "cpu.max"] {
        print!("{}", fs::read_to_string(format!("{TREE}/{file}")).unwrap());
    }
    print!("{}", fs::read_to_string("/proc/self/cgroup").unwrap());
    let error = File::options().write(true).open(format!("{TREE}/memory.max")).unwrap_err();
    println!("{:?}", nix::errno::Errno::from_raw(error.raw_os_error().unwrap()));
    for entry in fs::read_dir("/sys").unwrap() {
        println!("{}", entry.unwrap().file_name().display());
    }
}

/// Every attack of `hostile.rs`, on another kernel, by root and by nobody. Some find nothing to attack on it: it has no modules.
fn hostile_set() {
    let (mut failed, mut breached, mut all) = (Vec::new(), 0, 0);
    attacks::each(|attack, without, inside| {
        all += 1;
        breached += usize::from(attacks::is_breached(without));
        for (who, inside) in inside.iter().filter(|(_, inside)| !attacks::is_held(inside)) {
            failed.push(format!("{} as {who:?}: {inside:?}", attack.name));
        }
    });
    println!("{all} attacks, of which {breached} work without their walls");
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    assert!(breached > all * 3 / 4, "only {breached} of {all} attacks work without their walls");
}
