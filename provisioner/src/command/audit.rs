//! `provision audit`: what `trail` answers, asked and printed.

use super::{CommandError, prompt, runtime};
use crate::cli::Outcome;
use crate::render::Output;
use crate::trail::{self, AuditCommand, TrailError};

pub(crate) fn run(command: &AuditCommand, output: Output) -> Result<Outcome, CommandError> {
    let answer = runtime::block_on(async { Ok(trail::run(command, &mut ask).await?) })?;
    if output.is_json() {
        output.json(&answer.json)?;
    } else {
        output.text(&answer.text)?;
    }
    Ok(if answer.differences { Outcome::Differences } else { Outcome::Done })
}

fn ask(question: &str, yes: &str) -> Result<bool, TrailError> {
    let mut prompt = prompt::terminal().ok_or(TrailError::NobodyToAsk)?;
    prompt.confirm(question, yes).map_err(|error| TrailError::Terminal(error.to_string()))
}
