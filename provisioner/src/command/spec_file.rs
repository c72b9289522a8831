//! Reads a spec's file: the edge that the pure `spec` leaves to others.

use std::fs;
use std::io;

use super::CommandError;
use crate::cli::SpecFile;
use crate::render;
use crate::spec::{self, AllChecked, Checked, Spec};

/// Reads and checks a spec, for the environment that was chosen.
pub(super) fn read(file: &SpecFile) -> Result<Checked, CommandError> {
    Ok(spec::parse_for(&bytes(file)?, &file.file.display().to_string(), file.environment)?)
}

/// Reads and checks a spec for every environment that it describes.
pub(super) fn read_all(file: &SpecFile) -> Result<AllChecked, CommandError> {
    Ok(spec::parse_all(&bytes(file)?, &file.file.display().to_string())?)
}

fn bytes(SpecFile { file: path, .. }: &SpecFile) -> Result<Vec<u8>, CommandError> {
    fs::read(path).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => CommandError::NoSpec { path: path.to_owned() },
        _ => CommandError::ReadSpec { path: path.to_owned(), source },
    })
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
