//! Markers of running jobs, so that a job's end is recorded even where the agent did not live to see it.
//!
//! A marker is the file `<state>/jobs/<id>`, JSON, made before the job's start is recorded and removed after its end
//! was. An agent that starts finds the markers of the agent before it: those jobs ended with their spawner, which ends
//! with its agent's socket, and nobody knows how. Each gets an end's record that says so.
//!
//! Markers aren't synced: they are there after any death of the agent. After a power cut the last seconds' may be
//! missing; then the stream's missing close says that its last jobs' ends are unknown. A crash between the record of an
//! end and the removal of its marker makes a second record of that end, which says that the first may exist.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::api::types::Owner;

/// The directory of markers.
#[derive(Debug)]
pub(crate) struct Markers {
    dir: PathBuf,
}

/// What is known of a job whose agent died.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Marker {
    pub(crate) id: String,
    pub(crate) program: String,
    pub(crate) owner: Owner,
    pub(crate) created: Timestamp,
}

impl Markers {
    /// Makes the directory if need be.
    pub(crate) fn open(state: &Path) -> io::Result<Self> {
        let dir = state.join("jobs");
        match fs::create_dir(&dir) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
        Ok(Self { dir })
    }

    pub(crate) fn put(&self, marker: &Marker) -> io::Result<()> {
        let path = self.dir.join(&marker.id);
        fs::write(&path, serde_json::to_vec(marker)?).inspect_err(|_| {
            // On a full disk an empty file is left. Where it can't be removed it makes a record too many, not too few.
            let _ = fs::remove_file(&path);
        })
    }

    pub(crate) fn remove(&self, id: &str) {
        if let Err(error) = fs::remove_file(self.dir.join(id)) {
            tracing::warn!(job = id, %error, "the job's marker can't be removed: its end will be recorded again");
        }
    }

    /// The jobs whose agent died. A marker that was cut while it was written names its job all the same.
    pub(crate) fn left(&self) -> io::Result<Vec<(String, Option<Marker>)>> {
        let mut left = Vec::new();
        for entry in fs::read_dir(&self.dir)? {
            let entry = entry?;
            let id = entry.file_name().to_string_lossy().into_owned();
            left.push((id, serde_json::from_slice(&fs::read(entry.path())?).ok()));
        }
        left.sort_by(|(one, _), (other, _)| one.cmp(other));
        Ok(left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marker_is_there_until_it_is_removed_and_a_cut_one_still_names_its_job() {
        let state = tempfile::tempdir().unwrap();
        let markers = Markers::open(state.path()).unwrap();
        let marker = Marker {
            id: "a1".into(),
            program: "true".into(),
            owner: Owner { uid: 7, user: None },
            created: Timestamp::UNIX_EPOCH,
        };
        markers.put(&marker).unwrap();
        fs::write(state.path().join("jobs/b2"), b"{\"id\":").unwrap();
        let again = Markers::open(state.path()).unwrap();
        assert_eq!(again.left().unwrap(), [("a1".into(), Some(marker)), ("b2".into(), None)]);
        again.remove("a1");
        assert_eq!(again.left().unwrap(), [("b2".into(), None)]);
    }
}
