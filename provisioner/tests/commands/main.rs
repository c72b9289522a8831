//! What a person and a script see of an estate's life, through the real binary and against a lab.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a fixture that fails is a test that fails")]

mod bad_circumstances;
mod life;
mod money;
mod permissions;
mod questions;
mod terminal;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::LazyLock;

use holdfast_lab::{Account, Lab};
use serde_json::Value;
use tempfile::TempDir;

/// One lab for all tests that change nothing. It ends with this process.
static LAB: LazyLock<Lab> = LazyLock::new(|| {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("commands-lab");
    fs::create_dir_all(&directory).expect("the lab's directory can be made");
    Lab::start(&directory).expect("the lab starts")
});

/// A person with a spec, in a directory of their own.
struct Person {
    directory: TempDir,
    /// `None` shares the lab of those who change nothing.
    lab: Option<Lab>,
}

impl Person {
    /// With the spec of an estate of this name, to look and change nothing.
    fn with_estate(name: &str) -> Self {
        Self::new(name, None)
    }

    /// With the spec of an estate of this name, and a lab where nobody else makes or deletes anything.
    fn with_own_lab(name: &str) -> Self {
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("commands-lab-{name}"));
        fs::create_dir_all(&directory).expect("the lab's directory can be made");
        Self::new(name, Some(Lab::start(&directory).expect("the lab starts")))
    }

    fn new(name: &str, lab: Option<Lab>) -> Self {
        let person = Self { directory: tempfile::tempdir().expect("a directory can be made"), lab };
        let spec = include_str!("../../../infra/examples/minimal.toml")
            .replace("\"judge\"", &format!("\"{name}\""))
            .replace("111111111111", person.lab().account_id(Account::Workloads))
            .replace("eu-central-1", person.lab().control_plane().region())
            .replace("ami-0123456789abcdef0", person.lab().stock_image());
        // Trails have tests of their own.
        let (spec, _) = spec.split_once("[audit]").expect("the example has a trail");
        person.write(spec);
        person
    }

    fn lab(&self) -> &Lab {
        self.lab.as_ref().unwrap_or(&LAB)
    }

    fn write(&self, spec: &str) {
        fs::write(self.path("estate.toml"), spec).expect("the spec can be written");
    }

    fn edit(&self, from: &str, to: &str) {
        let spec = fs::read_to_string(self.path("estate.toml")).expect("there is a spec");
        assert!(spec.contains(from), "the spec has no {from:?}");
        self.write(&spec.replacen(from, to, 1));
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// `provision` as the workloads account's operator.
    fn provision(&self, arguments: &[&str]) -> Command {
        let mut command = self.outsider(arguments);
        self.lab().point(&mut command, Account::Workloads).expect("the lab gives credentials");
        command
    }

    /// `provision` without anything that leads to a cloud.
    fn outsider(&self, arguments: &[&str]) -> Command {
        let home = self.directory.path();
        let mut command = Command::new(env!("CARGO_BIN_EXE_provision"));
        command.args(arguments).current_dir(home).stdin(Stdio::null());
        command.env_clear().env("HOME", home).env("XDG_STATE_HOME", home.join("state"));
        command
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        Ran::of(self.provision(arguments))
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let ran = self.run(&[arguments, &["--json"]].concat()).ended_with(0);
        serde_json::from_str(&ran.stdout).expect("stdout is one JSON document")
    }
}

/// How a command ended.
struct Ran {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Ran {
    fn of(mut command: Command) -> Self {
        let Output { status, stdout, stderr } = command.output().expect("provision starts");
        let text = |bytes| String::from_utf8(bytes).expect("output is UTF-8");
        Self { code: status.code(), stdout: text(stdout), stderr: text(stderr) }
    }

    #[track_caller]
    fn ended_with(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "--- stdout\n{}--- stderr\n{}", self.stdout, self.stderr);
        self
    }

    #[track_caller]
    fn says(self, what: &str) -> Self {
        assert!(
            self.stdout.contains(what),
            "stdout lacks {what:?}\n--- stdout\n{}--- stderr\n{}",
            self.stdout,
            self.stderr
        );
        self
    }

    #[track_caller]
    fn tells(self, what: &str) -> Self {
        assert!(
            self.stderr.contains(what),
            "stderr lacks {what:?}\n--- stdout\n{}--- stderr\n{}",
            self.stdout,
            self.stderr
        );
        self
    }
}
