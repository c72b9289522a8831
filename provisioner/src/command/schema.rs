//! `provision schema`: what a spec may say, for editors and for people.

use super::CommandError;
use crate::cli::{Outcome, SchemaArguments};
use crate::render::Output;
use crate::spec;

pub(crate) fn run(arguments: &SchemaArguments, output: Output) -> Result<Outcome, CommandError> {
    if arguments.markdown {
        output.text(&spec::reference())?;
    } else {
        output.json(&spec::schema())?;
    }
    Ok(Outcome::Done)
}
