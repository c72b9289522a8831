//! `holdfast-sandbox`: runs one program in a sandbox of its own, without any daemon.
//!
//! The same binary, started by [`holdfast_sandbox::Spawner`] with a hidden argument, is the spawner.

#![forbid(unsafe_code)]

mod check;
mod cli;
mod enter_command;
mod explain;
mod relay;
mod run;
mod units;

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;
use holdfast_sandbox::Policy;

/// The exit code where the sandbox could not be made, or was not asked for rightly.
const SETUP: u8 = 125;

fn main() -> ExitCode {
    let mut words = std::env::args_os().skip(1);
    if words.next().is_some_and(|word| word == holdfast_sandbox::SPAWNER_ARGUMENT) {
        return match holdfast_sandbox::serve() {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => complain(&error),
        };
    }
    match cli::Options::try_parse() {
        Ok(cli::Options { verb: Some(cli::Verb::Check), .. }) => {
            check::check().unwrap_or_else(|error| complain(&*error))
        }
        Ok(cli::Options { verb: Some(cli::Verb::Schema), .. }) => schema().unwrap_or_else(|error| complain(&error)),
        Ok(cli::Options { verb: Some(cli::Verb::Exec(options)), .. }) => {
            enter_command::exec(&options).unwrap_or_else(|error| complain(&*error))
        }
        Ok(options) => run::run(options).unwrap_or_else(|error| complain(&*error)),
        Err(error) => {
            let wanted = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
            // A closed standard error takes no message.
            let _ = error.print();
            if wanted { ExitCode::SUCCESS } else { ExitCode::from(SETUP) }
        }
    }
}

/// Prints the JSON Schema of policies.
fn schema() -> std::io::Result<ExitCode> {
    writeln!(std::io::stdout(), "{:#}", Policy::schema())?;
    Ok(ExitCode::SUCCESS)
}

/// Tells a person. A standard error that is closed or full takes no message; what follows is done all the same.
fn say(what: impl std::fmt::Display) {
    let _ = writeln!(std::io::stderr(), "holdfast-sandbox: {what}");
}

fn complain(error: &dyn std::error::Error) -> ExitCode {
    say(error);
    ExitCode::from(SETUP)
}
