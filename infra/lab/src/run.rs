//! Running a program to its end, with what it printed in the error when it fails.

use std::process::{Command, Output, Stdio};

use crate::error::LabError;

/// How many of a failed program's last lines an error shows.
const TAIL_LINES: usize = 20;

/// Runs a command and returns its output; anything but success is an error.
pub(crate) fn run(command: &mut Command) -> Result<Output, LabError> {
    let output = command.output().map_err(|source| LabError::Start { program: program(command), source })?;
    if output.status.success() {
        return Ok(output);
    }
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.push_str(&String::from_utf8_lossy(&output.stderr));
    Err(LabError::Failed { command: command_line(command), status: output.status, output: tail(&text) })
}

/// Runs a command with its output shown, and nothing to read.
pub(crate) fn show(command: &mut Command) -> Result<(), LabError> {
    let status = command
        .stdin(Stdio::null())
        .status()
        .map_err(|source| LabError::Start { program: program(command), source })?;
    if status.success() {
        return Ok(());
    }
    let output = "what it printed is above".to_owned();
    Err(LabError::Failed { command: command_line(command), status, output })
}

/// Whether a command can be started and succeeds.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    command.output().is_ok_and(|output| output.status.success())
}

/// The last lines of a text.
pub(crate) fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.trim_end().lines().collect();
    lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
}

fn program(command: &Command) -> String {
    command.get_program().to_string_lossy().into_owned()
}

fn command_line(command: &Command) -> String {
    let arguments = command.get_args().map(|argument| argument.to_string_lossy().into_owned());
    std::iter::once(program(command)).chain(arguments).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_shows_the_command_and_the_end_of_its_output() {
        let error = run(Command::new("sh").args(["-c", "seq 100; echo why >&2; exit 3"])).unwrap_err().to_string();
        assert!(error.starts_with("`sh -c seq 100; echo why >&2; exit 3` failed (exit status: 3):\n"), "{error}");
        assert!(error.ends_with("\n99\n100\nwhy"), "{error}");
        assert!(!error.contains("\n50\n"), "{error}");
    }

    #[test]
    fn a_program_that_is_not_there_is_named() {
        let error = run(&mut Command::new("/nonexistent/program")).unwrap_err().to_string();
        assert!(error.contains("start /nonexistent/program"), "{error}");
    }
}
