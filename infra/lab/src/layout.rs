//! Where things of the lab lie: all that it makes below `<target dir>/lab`, its sources beside this crate.

use std::env;
use std::path::{Path, PathBuf};

/// The lab's directory and the paths in it.
#[derive(Debug, Clone)]
pub struct Layout {
    workspace: PathBuf,
    target: PathBuf,
}

impl Layout {
    /// The layout of this checkout: `$CARGO_TARGET_DIR`, else `target` in the workspace.
    pub fn of_this_workspace() -> Layout {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let workspace = workspace.canonicalize().unwrap_or(workspace);
        let target = match env::var_os("CARGO_TARGET_DIR") {
            Some(directory) => workspace.join(directory),
            None => workspace.join("target"),
        };
        Layout { workspace, target }
    }

    /// The workspace's root.
    pub fn workspace(&self) -> &Path {
        &self.workspace
    }

    /// Cargo's target directory.
    pub fn target(&self) -> &Path {
        &self.target
    }

    /// `<target dir>/lab`.
    pub fn lab(&self) -> PathBuf {
        self.target.join("lab")
    }

    /// What `up` remembers; there while a lab is up.
    pub fn state_file(&self) -> PathBuf {
        self.lab().join("state.json")
    }

    /// Certificates and log of the lab that `up` started.
    pub fn control_plane(&self) -> PathBuf {
        self.lab().join("control-plane")
    }

    /// The Python environment that every lab on this machine shares.
    pub fn venv(&self) -> PathBuf {
        self.lab().join("venv")
    }

    /// The policy evaluator's scripts and node modules.
    pub fn evaluator(&self) -> PathBuf {
        self.lab().join("evaluator")
    }

    /// The virtual machine's kernel, and what is known of this machine's KVM.
    pub fn vm(&self) -> PathBuf {
        self.lab().join("vm")
    }

    /// `infra/lab`, with the Python package `strict`, its requirements and the evaluator's sources.
    pub fn sources(&self) -> PathBuf {
        self.workspace.join("infra/lab")
    }
}
