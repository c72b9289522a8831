//! Python environments: the control plane's, shared by all labs on the machine, and that of judges which others wrote.
//!
//! Invariants: it is made and changed under a lock, so that several tests may start at once; the copy of
//! `requirements.txt` in it is written last, so that an interrupted installation is begun anew; it is never changed
//! while that copy equals the requirements, so a running lab keeps what it imported.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::LabError;
use crate::layout::Layout;
use crate::packages;
use crate::run::{run, succeeds};

/// The interpreter of the control plane's environment, made or renewed when it must be.
pub(crate) fn python(layout: &Layout) -> Result<PathBuf, LabError> {
    environment(layout, &layout.venv(), &layout.sources().join("requirements.txt"))
}

/// The interpreter of an environment with judges that others wrote, such as `jsonschema`.
pub fn judges(layout: &Layout) -> Result<PathBuf, LabError> {
    environment(layout, &layout.lab().join("judges"), &layout.sources().join("judges/requirements.txt"))
}

fn environment(layout: &Layout, venv: &Path, requirements: &Path) -> Result<PathBuf, LabError> {
    let interpreter = venv.join("bin/python");
    let wanted = fs::read_to_string(requirements).map_err(LabError::file("read", requirements))?;
    let installed = venv.join("requirements.txt");
    let _lock = lock(layout, "venv.lock")?;
    if interpreter.exists() && fs::read_to_string(&installed).is_ok_and(|text| text == wanted) {
        return Ok(interpreter);
    }

    eprintln!("installing Python packages into {}", venv.display());
    if !succeeds(Command::new("python3").args(["-c", "import ensurepip, venv"])) {
        packages::install("the lab", &["python3", "python3-venv"])?;
    }
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(venv))?;
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"];
    run(Command::new(&interpreter).args(pip).arg(requirements))?;
    fs::write(&installed, wanted).map_err(LabError::file("write", &installed))?;
    Ok(interpreter)
}

/// Takes a lock file in the lab's directory; dropping the file lets it go.
pub(crate) fn lock(layout: &Layout, name: &str) -> Result<File, LabError> {
    let directory = layout.lab();
    fs::create_dir_all(&directory).map_err(LabError::file("make", &directory))?;
    let path = directory.join(name);
    let file = File::create(&path).map_err(LabError::file("open", &path))?;
    file.lock().map_err(LabError::file("lock", &path))?;
    Ok(file)
}
