//! A sandbox inside a sandbox: it can be made where the policy lets it, the outer one's other walls hold, and elsewhere
//! one line says what to ask for.

#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

mod attacks;
mod support;

use std::process::Command;

use attacks::{ATTACKS, fixture, fresh, is_breached, is_held};
use support::{Fixture, Who, breached, everyone};

/// What `--nested` opens, and the rows that Landlock alone stops, which it takes away.
const OPENED: &[&str] = &["new-user-namespace", "clone-user-namespace", "clone-with-bit-32", "clone3-user-namespace"];
const BY_LANDLOCK: &str = "Landlock";

/// The command with itself shown inside, at /sandbox.
fn with_itself(fixture: &Fixture, who: Who, options: &[&str]) -> Command {
    let mut command = fixture.sandbox(who);
    command.arg("--ro").arg(format!("{}:/sandbox", fixture.path("sandbox").display())).args(options).arg("--");
    command
}

const INNER: [&str; 3] = ["/sandbox", "--limits", "rlimit-only"];

#[test]
fn sandboxes_of_both_kinds_run_in_one_that_lets_them() {
    let fixture = Fixture::new();
    let script = "test $$ = 2 && test ! -e /sandbox && id -u && exit 7";
    for who in everyone() {
        let mut one = with_itself(&fixture, who, &["--nested"]);
        one.args(INNER).args(["--", "sh", "-c", script]);
        let mut two = with_itself(&fixture, who, &["--nested"]);
        two.args(INNER).args(["--nested", "--ro", "/sandbox", "--"]).args(INNER).args(["--", "sh", "-c", script]);
        let mut other = with_itself(&fixture, who, &["--nested"]);
        other.args(["bwrap", "--unshare-all", "--ro-bind", "/usr", "/usr", "--symlink", "usr/bin", "/bin"]);
        other.args([
            "--symlink",
            "usr/lib",
            "/lib",
            "--symlink",
            "usr/lib64",
            "/lib64",
            "--proc",
            "/proc",
            "--dev",
            "/dev",
        ]);
        other.args(["sh", "-c", &script.replace("$$ = 2", "-d /proc/self")]);
        for command in [&mut one, &mut two, &mut other] {
            let output = command.output().unwrap();
            assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(7), &b"1000\n"[..]), "{output:?}");
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(said.lines().next().is_some_and(|line| line.contains("warning: nested")), "{output:?}");
        }
    }
}

#[test]
fn without_it_the_inner_one_says_in_one_line_what_to_ask_for() {
    let fixture = Fixture::new();
    for who in everyone() {
        let output = with_itself(&fixture, who, &[]).args(INNER).args(["--", "true"]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(125), "{output:?}");
        assert!(said.lines().count() == 1 && said.contains("--nested"), "{output:?}");
    }
}

#[test]
fn options_that_contradict_it_are_refused() {
    let fixture = Fixture::new();
    for (options, says) in [
        (["--landlock", "required"], "Landlock \"required\""),
        (["--seccomp", "strict"], "\"strict\""),
        (["--proc", "none"], "\"none\""),
    ] {
        let output = with_itself(&fixture, Who::Caller, &[&["--nested"], &options[..]].concat()).arg("true").output();
        let output = output.unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(125) && said.contains(says), "{output:?}");
    }
}

#[test]
fn every_other_wall_holds() {
    let fixture = fixture();
    let mut failed = Vec::new();
    // Nobody's sandboxes have fewer walls than root's, who has ids for them.
    let who = *everyone().last().unwrap();
    for attack in ATTACKS.iter().filter(|attack| attack.wall != BY_LANDLOCK) {
        let output = fresh(&fixture).inside(who, attack, &[attack.options, &["--nested"]].concat());
        // Where it is opened that shows, so the list says no more than it has to.
        let as_it_should = if OPENED.contains(&attack.name) { is_breached(&output) } else { is_held(&output) };
        if !as_it_should {
            failed.push(format!("{}: {output:?}", attack.name));
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

/// The same from namespaces that the program made, in which it has every capability.
#[test]
fn the_root_of_a_namespace_made_inside_reaches_nothing_more_of_the_host() {
    let fixture = Fixture::new();
    let secret = fixture.file("secret", "x");
    let victim = support::Ended(Command::new("sleep").arg("1000").spawn().unwrap());
    let (secret, victim) = (secret.to_str().unwrap(), victim.0.id().to_string());
    let all =
        ["unshare", "--user", "--map-root-user", "--mount", "--pid", "--net", "--fork", "--mount-proc", "/attack"];
    let same = ["unshare", "--user", "--map-root-user", "--mount", "/attack"];
    for who in everyone() {
        let run = |by: &[&str], attack: &[&str]| {
            let mut command = fixture.sandbox(who);
            command.arg("--ro").arg(format!("{}:/attack", fixture.path("attack").display()));
            command.args(["--nested", "--pids", "20", "--"]).args(by).args(attack).output().unwrap()
        };
        for attack in [
            &["see", &victim][..],
            &["signal", &victim],
            &["read", secret],
            &["read", "/etc/shadow"],
            &["write", "/proc/sys/kernel/core_pattern"],
            &["keyring"],
            &["bpf"],
            &["kmsg"],
            &["socket", "40", "1", "0"],
            &["packet"],
            &["settime"],
            &["processes", "40"],
        ] {
            let output = run(&all, attack);
            assert!(is_held(&output), "{attack:?} as {who:?}: {output:?}");
        }
        // Init, its file tree, its network, and the second /proc behind the program's, by one who shares them.
        for attack in
            [&["mem", "1"][..], &["exe", "1"], &["umount"], &["low-port", "81"], &["content", "/proc/unmasked/uptime"]]
        {
            let output = run(&same, attack);
            assert!(is_held(&output), "{attack:?} as {who:?}: {output:?}");
        }
        let output = run(&["grep", "-c", " /proc/sys ro,"], &["/proc/self/mountinfo"]);
        assert_eq!(output.stdout, b"1\n", "{output:?}");
        let many = ["many-namespaces", "300"];
        breached(&mut fixture.attack_outside(who, &many), &many);
        let output = run(&["/attack"], &many);
        assert_eq!(output.stdout, b"held: ENOSPC\n", "{output:?}");
    }
}
