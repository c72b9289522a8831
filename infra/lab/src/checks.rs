//! `cargo lab test`: every check of the project, in the order in which they are cheap.
//!
//! A check that fails doesn't end the run: whoever waited for it wants to know the rest too. What each one prints is
//! shown as it comes; a table at the end says how each ended. No check is left out for want of a tool: tools are
//! installed at the versions named here, into the lab's own directory.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use crate::error::LabError;
use crate::fuzz::Fuzzing;
use crate::layout::Layout;
use crate::packages;
use crate::programs::{cargo, static_sandbox};
use crate::run::{run, show};
use crate::server::truths_tests;
use crate::venv::judges;
use crate::vm::install_vm;

/// Tools that cargo doesn't bring: name and version.
const TOOLS: [(&str, &str); 3] = [("cargo-deny", "0.20.2"), ("cargo-fuzz", "0.13.2"), ("cargo-machete", "0.9.2")];

/// A check's name, and what it runs.
type Check = (&'static str, fn(&Layout, Deaths) -> Result<(), LabError>);

/// At which calls tests kill `provision`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deaths {
    /// At every one that changes something, and at one read of each kind.
    Some,
    /// At every one.
    All,
}

const CHECKS: [Check; 8] = [
    ("formatting", |layout, _| {
        show(&mut cargo(layout, &["fmt", "--all", "--check"]))?;
        show(&mut cargo(layout, &["fmt", "--manifest-path", "agent/sandbox/fuzz/Cargo.toml", "--check"]))
    }),
    ("lints", |layout, _| {
        show(&mut cargo(layout, &["clippy", "--workspace", "--all-targets", "--quiet", "--", "--deny", "warnings"]))
    }),
    ("dependencies", |layout, _| dependencies(layout)),
    ("documentation", |layout, _| documentation(layout)),
    ("others judge the policies", |layout, _| judged_policies(layout)),
    ("the lab is as strict as AWS", |layout, _| show(&mut truths_tests(layout)?)),
    ("tests", tests),
    ("the demo", |layout, _| demo(layout)),
];

/// Runs all checks; returns how many failed.
pub fn run_checks(layout: &Layout, deaths: Deaths) -> usize {
    let mut table = String::new();
    let mut failed = 0;
    for (name, check) in CHECKS {
        eprintln!("\n=== {name}");
        let start = Instant::now();
        let result = check(layout, deaths);
        let seconds = start.elapsed().as_secs();
        let word = match result {
            Ok(()) => "passed",
            Err(error) => {
                eprintln!("error: {error}");
                failed += 1;
                "FAILED"
            }
        };
        // Writing into a String can't fail.
        let _infallible = writeln!(table, "  {word}  {seconds:>5} s  {name}");
    }
    println!("\n{table}{} passed, {failed} failed", CHECKS.len() - failed);
    failed
}

fn dependencies(layout: &Layout) -> Result<(), LabError> {
    let path = tools(layout)?;
    // Advisories want a database from the network; everything else is judged from what is here.
    let deny = ["deny", "--config", ".cargo/deny.toml", "check", "bans", "licenses", "sources"];
    show(cargo(layout, &deny).env("PATH", &path))?;
    // Called by its own name: started by cargo below another cargo, it takes its name for a directory.
    show(Command::new("cargo-machete").env("PATH", &path).current_dir(layout.workspace()))
}

fn documentation(layout: &Layout) -> Result<(), LabError> {
    let doc = ["doc", "--workspace", "--no-deps", "--document-private-items", "--quiet"];
    // These pages are for who works on Holdfast: a module's design may point at its private parts.
    let flags = "--deny warnings --allow rustdoc::private-intra-doc-links";
    show(cargo(layout, &doc).env("RUSTDOCFLAGS", flags))
}

fn judged_policies(layout: &Layout) -> Result<(), LabError> {
    let script = layout.sources().join("judges/policies.py");
    show(Command::new(judges(layout)?).arg(script).arg(layout.workspace().join("policies/rendered")))
}

fn tests(layout: &Layout, deaths: Deaths) -> Result<(), LabError> {
    ssh()?;
    install_vm(layout)?;
    peers()?;
    ordinary_programs()?;
    let sandbox = static_sandbox(layout)?;
    let mut command = cargo(layout, &["test", "--workspace", "--no-fail-fast"]);
    command.env("HOLDFAST_SANDBOX", sandbox);
    if deaths == Deaths::All {
        command.env("HOLDFAST_DEATHS", "all");
    }
    // Beside the tests, which wait a good part of their time.
    let fuzzing = Fuzzing::start(layout, &tools(layout)?);
    let tests = show(&mut command);
    fuzzing.finish().and(tests)
}

/// What the sandbox's tests measure beside it.
fn peers() -> Result<(), LabError> {
    let is_there = |program: &&str| Command::new(program).arg("--version").output().is_ok();
    if ["bwrap", "crun"].iter().all(is_there) {
        return Ok(());
    }
    packages::install("sandboxes to compare with", &["bubblewrap", "crun"])
}

/// What the sandbox's tests run in it. Only what lies in /usr is seen inside: a version in somebody's home doesn't count.
fn ordinary_programs() -> Result<(), LabError> {
    const FILES: [(&str, &str); 6] = [
        ("bin/gcc", "gcc"),
        ("bin/git", "git"),
        ("bin/javac", "default-jdk-headless"),
        ("bin/node", "nodejs"),
        ("bin/sqlite3", "sqlite3"),
        ("share/i18n/locales/de_DE", "locales"),
    ];
    let is_there = |file: &str| ["/usr/local", "/usr"].iter().any(|it| Path::new(it).join(file).exists());
    let missing = FILES.iter().filter(|(file, _)| !is_there(file)).map(|(_, package)| (*package).to_owned());
    let mut packages: Vec<String> = missing.collect();
    let python = |arguments: &[&str]| run(Command::new("/usr/bin/python3").args(arguments));
    if python(&["-m", "pip", "--version"]).is_err() {
        packages.push("python3-pip".to_owned());
    }
    // CPython's own tests, of the version that is there.
    if python(&["-c", "import test.test_os"]).is_err() {
        let version = python(&["-c", "import sys; print('%d.%d' % sys.version_info[:2])"]);
        let version = String::from_utf8_lossy(&version?.stdout).trim().to_owned();
        packages.push(format!("libpython{version}-testsuite"));
    }
    if packages.is_empty() {
        return Ok(());
    }
    packages::install("programs that run in a sandbox", &packages.iter().map(String::as_str).collect::<Vec<_>>())
}

/// What the test of `connect` runs: real sshd processes, in network namespaces.
fn ssh() -> Result<(), LabError> {
    let programs = [("/usr/sbin/sshd", "-V"), ("ssh", "-V"), ("ip", "-V")];
    // Older ones know no -V: that it can be started is what is asked.
    let is_there = |(program, version)| Command::new(program).arg(version).output().is_ok();
    if programs.into_iter().all(is_there) {
        return Ok(());
    }
    packages::install("tests of SSH", &["openssh-server", "openssh-client", "iproute2"])
}

fn demo(layout: &Layout) -> Result<(), LabError> {
    show(&mut cargo(layout, &["lab", "demo"]))
}

/// Installs the tools that aren't there; returns a `PATH` that has them first.
fn tools(layout: &Layout) -> Result<std::ffi::OsString, LabError> {
    let root = layout.lab().join("tools");
    for (name, version) in TOOLS {
        if !is_installed(&root, name, version) {
            // A debug build of a tool that runs for a second is the sooner done.
            let wanted = format!("{name}@{version}");
            let arguments = ["install", "--debug", "--locked", "--quiet", &wanted, "--root"];
            show(Command::new("cargo").args(arguments).arg(&root).env_remove("CARGO_TARGET_DIR"))?;
        }
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let directories = std::iter::once(root.join("bin")).chain(std::env::split_paths(&path));
    std::env::join_paths(directories).map_err(|source| LabError::File {
        action: "put into PATH",
        path: root,
        source: std::io::Error::other(source),
    })
}

fn is_installed(root: &Path, name: &str, version: &str) -> bool {
    fs::read_to_string(root.join(".crates.toml")).is_ok_and(|text| text.contains(&format!("\"{name} {version} (")))
}
