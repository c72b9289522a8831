//! The command line as a person and a script meet it, through the real binary, without a cloud.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a fixture that fails is a test that fails")]

mod init;
mod schema;
mod spec;
mod usage;

use std::path::Path;
use std::process::{Command, Output, Stdio};

/// `provision` in a directory, with nothing of this process's environment that changes what it says.
fn provision(directory: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_provision"));
    command.current_dir(directory).env_clear().env("HOME", directory).stdin(Stdio::null());
    command
}

/// How a run ended, in one text for a snapshot.
fn shown(output: &Output) -> String {
    format!(
        "exit code {}\n--- stdout\n{}--- stderr\n{}",
        output.status.code().expect("no signal ended it"),
        String::from_utf8(output.stdout.clone()).expect("stdout is UTF-8"),
        String::from_utf8(output.stderr.clone()).expect("stderr is UTF-8"),
    )
}

/// Runs `provision` with these arguments.
fn run(directory: &Path, arguments: &[&str]) -> Output {
    provision(directory).args(arguments).output().expect("provision starts")
}
