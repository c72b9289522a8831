//! Reads a spec's file: the edge that the pure `spec` leaves to others.

use std::fs;
use std::io;

use super::CommandError;
use crate::cli::SpecFile;
use crate::render;
use crate::spec::{self, Checked, Spec};

/// Reads and checks a spec, for the environment that was chosen.
pub(super) fn read(SpecFile { file: path, environment }: &SpecFile) -> Result<Checked, CommandError> {
    let bytes = fs::read(path).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => CommandError::NoSpec { path: path.to_owned() },
        _ => CommandError::ReadSpec { path: path.to_owned(), source },
    })?;
    Ok(spec::parse_for(&bytes, &path.display().to_string(), *environment)?)
}

/// Reads a spec to use it and to point into its text.
pub(super) fn load_with_text(file: &SpecFile) -> Result<(Spec, String), CommandError> {
    let spec = load(file)?;
    let path = &file.file;
    let text = fs::read_to_string(path).map_err(|source| CommandError::ReadSpec { path: path.clone(), source })?;
    Ok((spec, text))
}

/// Reads a spec to use it; what is odd in it is said on stderr.
pub(super) fn load(file: &SpecFile) -> Result<Spec, CommandError> {
    let Checked { spec, warnings } = read(file)?;
    render::problem::print(&warnings);
    Ok(spec)
}
