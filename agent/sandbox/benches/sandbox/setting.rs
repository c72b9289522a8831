//! What is there to be measured, as `cargo lab bench sandbox` has prepared it.

use std::path::{Path, PathBuf};

use serde::Deserialize;

/// Where everything lies.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Setting {
    /// The static `holdfast-sandbox`, as it is shipped.
    pub(crate) sandbox: PathBuf,
    /// `floor.c`, built.
    pub(crate) floor: PathBuf,
    /// `load.c`, built.
    pub(crate) load: PathBuf,
    /// The floor's root directory.
    pub(crate) root: PathBuf,
    /// How many runs one spawner is to bear.
    pub(crate) runs: usize,
    /// Commands that run `/bin/true`, each in its own way.
    pub(crate) peers: Vec<Peer>,
}

/// A whole process that is compared with ours.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Peer {
    pub(crate) name: String,
    pub(crate) command: Vec<String>,
    /// Whether it takes so long that fewer rounds must do.
    pub(crate) slow: bool,
}

impl Setting {
    pub(crate) fn read(path: &Path) -> Setting {
        serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
    }

    /// The command of a peer.
    pub(crate) fn peer(&self, name: &str) -> Vec<String> {
        self.peers.iter().find(|peer| peer.name == name).unwrap().command.clone()
    }
}
