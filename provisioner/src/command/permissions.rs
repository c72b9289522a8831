//! `provision permissions`: the least that whoever runs it must be allowed, without any call to AWS.

use super::{CommandError, spec_file};
use crate::cli::{Outcome, SpecFile};
use crate::permission::Permissions;
use crate::render::{self, Output};

pub(crate) fn run(arguments: &SpecFile, output: Output) -> Result<Outcome, CommandError> {
    let permissions = Permissions::of(&spec_file::load(arguments)?)?;
    if output.is_json() {
        output.json(&permissions)?;
    } else {
        output.text(&render::permissions::text(&permissions)?)?;
    }
    Ok(Outcome::Done)
}
