//! `provision completions`: what a shell completes commands and options by.

use clap::CommandFactory;
use clap_complete::Shell;

use super::CommandError;
use crate::cli::{Cli, Outcome};
use crate::render::Output;

pub(crate) fn run(shell: Shell, output: Output) -> Result<Outcome, CommandError> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "provision", &mut script);
    output.text(&String::from_utf8_lossy(&script))?;
    Ok(Outcome::Done)
}
