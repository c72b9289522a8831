//! The lab of a person: `up` starts it, it goes on by itself, `down` ends it. One for each target directory.
//!
//! `state.json` (0600: it holds credentials) is written before the control plane is told to go on alone, so at no
//! point is there one that `down` can't find. All of it under a lock, so that two `up`s at once are one lab.

use std::fs;
use std::io::ErrorKind;

use serde::{Deserialize, Serialize};

use crate::certificates::write;
use crate::control_plane::ControlPlane;
use crate::error::LabError;
use crate::layout::Layout;
use crate::process::ProcessIdentity;
use crate::server::{Server, Toolchain};
use crate::{trust, venv};

/// What `state.json` holds.
#[derive(Serialize, Deserialize)]
struct State {
    process: ProcessIdentity,
    control_plane: ControlPlane,
}

/// Whether `up` started something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Up {
    /// A new lab.
    Started,
    /// It was up already.
    AlreadyUp,
}

/// Whether `down` ended something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Down {
    /// The lab was up.
    Ended,
    /// The control plane had ended by itself or was killed; what it left is removed.
    CleanedUp,
    /// There was none.
    NotUp,
}

/// Makes sure that the lab is up.
pub fn up(layout: &Layout) -> Result<(ControlPlane, Up), LabError> {
    let _lock = venv::lock(layout, "up.lock")?;
    if let Some(state) = read(layout)? {
        if state.process.is_alive() {
            return Ok((state.control_plane, Up::AlreadyUp));
        }
        remove(layout)?;
    }
    let tools = Toolchain::prepare(layout)?;
    let (server, announcement, certificates) = Server::start(&tools, &layout.control_plane())?;
    let process = ProcessIdentity::of(announcement.pid).ok_or(LabError::NotUp)?;
    let trust = trust::bundle(&certificates.authority)?;
    let state = State { process, control_plane: ControlPlane { announcement, trust } };
    let path = layout.state_file();
    let text = serde_json::to_string_pretty(&state).map_err(|source| LabError::State { path: path.clone(), source })?;
    write(&path, 0o600, &text)?;
    server.keep()?;
    Ok((state.control_plane, Up::Started))
}

/// The lab that is up.
pub fn current(layout: &Layout) -> Result<ControlPlane, LabError> {
    match read(layout)? {
        Some(state) if state.process.is_alive() => Ok(state.control_plane),
        _ => Err(LabError::NotUp),
    }
}

/// Ends the lab that `up` started, and nothing else.
pub fn down(layout: &Layout) -> Result<Down, LabError> {
    let _lock = venv::lock(layout, "up.lock")?;
    let Some(state) = read(layout)? else { return Ok(Down::NotUp) };
    let ended = state.process.end()?;
    remove(layout)?;
    Ok(if ended { Down::Ended } else { Down::CleanedUp })
}

fn read(layout: &Layout) -> Result<Option<State>, LabError> {
    let path = layout.state_file();
    match fs::read_to_string(&path) {
        Ok(text) => serde_json::from_str(&text).map(Some).map_err(|source| LabError::State { path, source }),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(LabError::file("read", &path)(error)),
    }
}

/// The state goes last: while it is there, `down` can be run again.
fn remove(layout: &Layout) -> Result<(), LabError> {
    let directory = layout.control_plane();
    match fs::remove_dir_all(&directory) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(LabError::file("remove", &directory)(error)),
        _ => {}
    }
    let path = layout.state_file();
    fs::remove_file(&path).map_err(LabError::file("remove", &path))
}
