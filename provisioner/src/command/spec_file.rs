//! Reads a spec's file: the edge that the pure `spec` leaves to others.

use std::fs;
use std::io;
use std::path::Path;

use super::CommandError;
use crate::spec::{self, Checked};

/// Reads and checks a spec.
pub(crate) fn read(path: &Path) -> Result<Checked, CommandError> {
    let bytes = fs::read(path).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => CommandError::NoSpec { path: path.to_owned() },
        _ => CommandError::ReadSpec { path: path.to_owned(), source },
    })?;
    Ok(spec::parse(&bytes, &path.display().to_string())?)
}
