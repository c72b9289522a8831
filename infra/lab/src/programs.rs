//! Holdfast's own programs, built from this checkout: in the dev profile, since a release build of the AWS SDKs takes
//! minutes more, but for what is timed.

use std::env::consts::ARCH;
use std::io;
use std::path::PathBuf;
use std::process::Command;

use crate::error::LabError;
use crate::layout::Layout;
use crate::run::show;

/// Where each program lies.
#[derive(Debug, Clone)]
pub struct Programs {
    /// `provision`.
    pub provision: PathBuf,
    /// `holdfast-agent`.
    pub agent: PathBuf,
    /// `holdfast-sandbox`, static: it is executed where no shared library of the host's may be trusted, or be there.
    pub sandbox: PathBuf,
}

impl Programs {
    /// Builds all of them; what cargo says goes to standard error.
    pub fn build(layout: &Layout) -> Result<Programs, LabError> {
        // The whole workspace at once, as `cargo test` builds it: packages alone would ask for other features of the
        // same dependencies, and so for a second build of the AWS SDKs.
        show(cargo(layout, &["build", "--workspace", "--bins"]).stdout(io::stderr()))?;
        let debug = layout.target().join("debug");
        Ok(Programs {
            provision: debug.join("provision"),
            agent: debug.join("holdfast-agent"),
            sandbox: static_sandbox(layout)?,
        })
    }
}

/// Builds `provision` as it is shipped, which takes many minutes once, and returns where it lies.
pub(crate) fn release_provision(layout: &Layout) -> Result<PathBuf, LabError> {
    // With the whole workspace's features, as the other profile is built.
    let arguments = ["build", "--release", "--workspace", "--bin", "provision"];
    show(cargo(layout, &arguments).stdout(io::stderr()))?;
    Ok(layout.target().join("release/provision"))
}

/// Builds the static `holdfast-sandbox` alone: no other package is to be linked so.
pub fn static_sandbox(layout: &Layout) -> Result<PathBuf, LabError> {
    build_static_sandbox(layout, &[], "debug")
}

/// The same as it is shipped.
pub(crate) fn release_static_sandbox(layout: &Layout) -> Result<PathBuf, LabError> {
    build_static_sandbox(layout, &["--release"], "release")
}

fn build_static_sandbox(layout: &Layout, profile: &[&str], profile_directory: &str) -> Result<PathBuf, LabError> {
    let target = format!("{ARCH}-unknown-linux-gnu");
    let directory = layout.lab().join("static");
    // Built for a target by name, so that build scripts and macros, which are loaded as libraries, stay dynamic.
    let arguments = ["build", "--package", "holdfast-sandbox", "--bins", "--target", &target];
    let mut command = cargo(layout, &arguments);
    command.args(profile);
    command.env("RUSTFLAGS", "-C target-feature=+crt-static").env("CARGO_TARGET_DIR", &directory);
    show(command.stdout(io::stderr()))?;
    Ok(directory.join(target).join(profile_directory).join("holdfast-sandbox"))
}

/// A cargo command of this checkout, which builds into its target directory.
pub(crate) fn cargo(layout: &Layout, arguments: &[&str]) -> Command {
    let mut command = Command::new("cargo");
    command.args(arguments).env("CARGO_TARGET_DIR", layout.target()).current_dir(layout.workspace());
    command
}
