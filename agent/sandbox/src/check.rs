//! `check`: what this machine can do for a sandbox, and a sandbox made to see.

use std::error::Error;
use std::fs::File;
use std::io::Write;
use std::os::fd::AsFd;
use std::process::ExitCode;

use holdfast_sandbox::{EndedBy, Limits, LimitsMode, Outcome, Policy, Request, Sandbox, Stdio, examine};

/// One line for each thing that was looked at, with a line of advice below those that are missing.
pub(crate) fn check() -> Result<ExitCode, Box<dyn Error>> {
    let mut out = std::io::stdout();
    for finding in examine() {
        let state = if finding.advice.is_some() { "missing" } else { "ok" };
        writeln!(out, "{:<11} {state:<8} {}", finding.name, finding.found)?;
        if let Some(advice) = finding.advice {
            writeln!(out, "{:<11} {advice}", "")?;
        }
    }
    let outcome = trial()?;
    let made = outcome.ended_by == EndedBy::Exited && outcome.code == Some(0);
    let (state, found) = match (&outcome.setup, made) {
        (_, true) => ("ok", "one was made, and a program ran in it".to_owned()),
        (Some(failure), _) => ("missing", failure.to_string()),
        (None, _) => ("missing", format!("one was made, but `true` exited with {}", outcome.exit_code())),
    };
    writeln!(out, "{:<11} {state:<8} {found}", "sandbox")?;
    Ok(if made { ExitCode::SUCCESS } else { ExitCode::from(crate::SETUP) })
}

fn trial() -> Result<Outcome, Box<dyn Error>> {
    let limits = Limits { mode: LimitsMode::RlimitOnly, ..Limits::default() };
    let policy = Policy { limits, ..Policy::default() };
    let request = Request { policy, program: "true".to_owned(), args: Vec::new(), files: Vec::new() };
    let null = File::options().read(true).write(true).open("/dev/null")?;
    let stdio = Stdio { stdin: null.as_fd(), stdout: null.as_fd(), stderr: null.as_fd(), passed: &[] };
    match Sandbox::start(&request, stdio) {
        Ok(sandbox) => Ok(sandbox.outcome()?),
        Err(holdfast_sandbox::Error::Setup(failure)) => Ok(failure.into()),
        Err(error) => Err(error.into()),
    }
}
