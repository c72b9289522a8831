//! `provision validate`: says everything that is wrong with a spec, without any call to AWS.

use serde::Serialize;

use super::{CommandError, spec_file};
use crate::cli::{Outcome, SpecFile};
use crate::render::{self, Output};
use crate::spec::{Checked, Problems, Spec};

/// The result as JSON, of a spec that can be used.
#[derive(Serialize)]
struct Validation<'a> {
    valid: bool,
    spec: &'a Spec,
    warnings: &'a Problems,
}

pub(crate) fn run(file: &SpecFile, output: Output) -> Result<Outcome, CommandError> {
    let Checked { spec, warnings } = spec_file::read(file)?;
    if output.is_json() {
        output.json(&Validation { valid: true, spec: &spec, warnings: &warnings })?;
    } else {
        render::problem::print(&warnings);
        output.text(&render::spec::summary(&spec, &file.file))?;
    }
    Ok(Outcome::Done)
}
