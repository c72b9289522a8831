//! `provision validate`: says everything that is wrong with a spec, without any call to AWS.

use std::path::Path;

use serde::Serialize;

use super::{CommandError, spec_file};
use crate::cli::Outcome;
use crate::render::{self, Output};
use crate::spec::{Checked, Problems, Spec};

/// The result as JSON, of a spec that can be used.
#[derive(Serialize)]
struct Validation<'a> {
    valid: bool,
    spec: &'a Spec,
    warnings: &'a Problems,
}

pub(crate) fn run(path: &Path, output: Output) -> Result<Outcome, CommandError> {
    let Checked { spec, warnings } = spec_file::read(path)?;
    if output.is_json() {
        output.json(&Validation { valid: true, spec: &spec, warnings: &warnings })?;
    } else {
        render::problem::print(&warnings);
        output.text(&render::spec::summary(&spec, path))?;
    }
    Ok(Outcome::Done)
}
