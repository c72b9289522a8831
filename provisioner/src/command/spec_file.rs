//! Reads a spec's file: the edge that the pure `spec` leaves to others.

use std::fs;
use std::io;
use std::path::Path;

use super::CommandError;
use crate::render;
use crate::spec::{self, Checked, Spec};

/// Reads and checks a spec.
pub(super) fn read(path: &Path) -> Result<Checked, CommandError> {
    let bytes = fs::read(path).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => CommandError::NoSpec { path: path.to_owned() },
        _ => CommandError::ReadSpec { path: path.to_owned(), source },
    })?;
    Ok(spec::parse(&bytes, &path.display().to_string())?)
}

/// Reads a spec to use it; what is odd in it is said on stderr.
pub(super) fn load(path: &Path) -> Result<Spec, CommandError> {
    let Checked { spec, warnings } = read(path)?;
    render::problem::print(&warnings);
    Ok(spec)
}
