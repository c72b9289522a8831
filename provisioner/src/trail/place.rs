//! Where this machine keeps what the trail needs of it.
//!
//! ```text
//! $XDG_STATE_HOME/holdfast/                       0700; ~/.local/state where the variable is unset
//!   writer.key                                    the machine's lasting key, 0600
//!   ssh/                                          configurations that `connect` wrote, one for each estate
//!   trust.json                                    what its auditor believes, 0600
//!   spool/<trail>/<account>/<user id>/0, 1, …     one for each run at a time; `unshipped` for those without a trail
//! ```

use std::ffi::OsString;
use std::path::PathBuf;

use holdfast_audit::filesystem::{Disk, Filesystem};

use super::TrailError;

/// The directory of all that is kept; made where it is missing.
pub(crate) fn state() -> Result<PathBuf, TrailError> {
    let directory = state_of(std::env::var_os("XDG_STATE_HOME"), std::env::var_os("HOME"))?;
    Disk.create_directory(&directory).map_err(TrailError::io("make", &directory))?;
    Ok(directory)
}

/// By the XDG Base Directory Specification: a relative path counts as none.
fn state_of(state: Option<OsString>, home: Option<OsString>) -> Result<PathBuf, TrailError> {
    let absolute = |path: Option<OsString>| path.map(PathBuf::from).filter(|path| path.is_absolute());
    absolute(state)
        .or_else(|| absolute(home).map(|home| home.join(".local/state")))
        .map(|state| state.join("holdfast"))
        .ok_or(TrailError::NoHome)
}

/// The auditor's trust file.
pub(super) fn trust() -> Result<PathBuf, TrailError> {
    Ok(state()?.join("trust.json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_is_where_the_specification_says() {
        let of = |state: Option<&str>, home: Option<&str>| state_of(state.map(Into::into), home.map(Into::into)).ok();
        assert_eq!(of(Some("/s"), Some("/h")), Some("/s/holdfast".into()));
        assert_eq!(of(Some("relative"), Some("/h")), Some("/h/.local/state/holdfast".into()));
        assert_eq!(of(None, Some("/h")), Some("/h/.local/state/holdfast".into()));
        assert_eq!(of(None, None), None);
    }
}
