//! `provision validate`: says everything that is wrong with a spec, in every environment, without any call to AWS.

use serde::Serialize;

use super::{CommandError, spec_file};
use crate::cli::{Outcome, SpecFile};
use crate::render::{self, Output};
use crate::spec::{Problems, Spec};

/// The result as JSON, of a spec that can be used.
#[derive(Serialize)]
struct Validation<'a> {
    valid: bool,
    /// That of the environment that was chosen, or that the file is for; absent where it is for several.
    #[serde(skip_serializing_if = "Option::is_none")]
    spec: Option<&'a Spec>,
    /// Those of all environments.
    environments: Vec<&'a Spec>,
    warnings: &'a Problems,
}

pub(crate) fn run(file: &SpecFile, output: Output) -> Result<Outcome, CommandError> {
    let all = spec_file::read_all(file)?;
    // An environment that was asked for must be there.
    let chosen = match (file.environment, all.specs.as_slice()) {
        (Some(_), _) => Some(spec_file::read(file)?.spec),
        (None, [only]) => Some(only.clone()),
        (None, _) => None,
    };
    if output.is_json() {
        let environments = all.specs.iter().collect();
        output.json(&Validation { valid: true, spec: chosen.as_ref(), environments, warnings: &all.warnings })?;
    } else {
        render::problem::print(&all.warnings);
        let shown: Vec<&Spec> = chosen.as_ref().map_or_else(|| all.specs.iter().collect(), |spec| vec![spec]);
        output.text(&render::spec::summary(&shown, &file.file))?;
    }
    Ok(Outcome::Done)
}
