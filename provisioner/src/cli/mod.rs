//! The command line: what can be asked, what is answered where, and with which exit code.
//!
//! Results go to stdout, progress and errors to stderr. With `--json`, stdout holds one JSON document, also where a
//! command fails: `{"error": {"message": …, "help": …}}`. Exit codes are the same for all commands: 0 done, 1 an
//! error (wrong usage too), 2 differences found.

mod arguments;
mod logging;
mod questions;

use std::process::ExitCode;

pub use arguments::{
    ApplyArguments, Cli, Command, DestroyArguments, InitArguments, PlanArguments, SchemaArguments, SpecFile,
    UnlockArguments,
};
use clap::Parser;
use clap::error::ErrorKind;
pub use questions::{ConnectArguments, ExplainArguments, OutputArguments, SshArguments, SshConfigArguments};

use crate::command::{self, CommandError};
use crate::render::{self, Output};

/// How a command ended that didn't fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All is well, or was done.
    Done,
    /// A plan has changes, something drifted, or a trail has findings.
    Differences,
}

/// Runs the command line that the process was started with.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return print_usage(&error),
    };
    logging::start(cli.verbose);
    let output = Output::new(cli.json);
    match run(&cli.command, output) {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::Differences) => ExitCode::from(2),
        // Whoever read the output has read enough: `provision status | head -1` is no failure.
        Err(CommandError::Print(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            render::error::print(&error, output);
            ExitCode::FAILURE
        }
    }
}

fn run(command: &Command, output: Output) -> Result<Outcome, CommandError> {
    match command {
        Command::Init(arguments) => command::init::run(arguments, output),
        Command::Validate(spec) => command::validate::run(spec, output),
        Command::Schema(arguments) => command::schema::run(arguments, output),
        Command::Plan(arguments) => command::plan::run(arguments, output),
        Command::Apply(arguments) => command::apply::run(arguments, output),
        Command::Cost(spec) => command::cost::run(spec, output),
        Command::Explain(arguments) => command::explain::run(arguments, output),
        Command::Output(arguments) => command::output::run(arguments, output),
        Command::Connect(arguments) => command::connect::run(arguments),
        Command::SshConfig(arguments) => command::connect::config(arguments, output),
        Command::Completions { shell } => command::completions::run(*shell, output),
        Command::Drift(spec) => command::drift::run(spec, output),
        Command::Unlock(arguments) => command::unlock::run(arguments, output),
        Command::Status(spec) => command::status::run(spec, output),
        Command::Destroy(arguments) => command::destroy::run(arguments, output),
        Command::Permissions(spec) => command::permissions::run(spec, output),
        Command::Audit { command } => command::audit::run(command, output),
    }
}

/// Prints help, a version or a usage error. clap's own exit code for the last is 2, which here means differences.
fn print_usage(error: &clap::Error) -> ExitCode {
    let asked_for = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
    match error.print() {
        Ok(()) if asked_for => ExitCode::SUCCESS,
        Err(failure) if asked_for && failure.kind() == std::io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}
