//! The hostile set: named attacks, each with the wall that stops it, and shown to succeed with that wall taken away.
//!
//! Each runs inside as root and as nobody. The same attacks are then made under `bwrap --unshare-all --ro-bind / /` by
//! nobody and under crun with the configuration of `crun spec` by root, and a table says which of them hold there too:
//! `hostile.md`, written into the build's directory. The copy beside this file has to name the same attacks and walls.

#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

mod attacks;
mod support;

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Output};

use attacks::{ATTACKS, Attack, Scene, each, fixture, fresh, is_breached, is_held, row};
use holdfast_sandbox::{EndedBy, LimitKind};
use support::{Fixture, Who, breached, everyone};

#[test]
fn every_attack_is_stopped_by_its_wall_and_succeeds_without_it() {
    support::need_root("without the walls, only root can make many of these attacks");
    assert!(ATTACKS.len() >= 60);
    let mut failed = Vec::new();
    each(|attack, without, inside| {
        if !is_breached(without) {
            failed.push(format!("{}: does not work without its wall: {without:?}", attack.name));
        }
        for (who, inside) in inside.iter().filter(|(_, inside)| !is_held(inside)) {
            failed.push(format!("{} as {who:?}: {inside:?}", attack.name));
        }
    });
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
