//! Packages of the system that the lab needs: installed where that needs no question, else named.

use std::path::Path;
use std::process::Command;

use nix::unistd::Uid;

use crate::error::LabError;
use crate::run::{run, succeeds};

/// Installs packages by apt as root, or through a sudo that asks for no password.
pub(crate) fn install(need: &'static str, packages: &[&str]) -> Result<(), LabError> {
    let Some(apt) = apt() else {
        return Err(LabError::SystemPackages { need, packages: packages.join(" ") });
    };
    eprintln!("installing {} for {need}", packages.join(" "));
    let mut install = vec!["install", "--yes", "--no-install-recommends"];
    install.extend(packages);
    if run(&mut apt_get(&apt, &install)).is_err() {
        // A fresh machine has no lists of packages yet, or old ones.
        run(&mut apt_get(&apt, &["update"]))?;
        run(&mut apt_get(&apt, &install))?;
    }
    Ok(())
}

/// Downloads the package that a package of another name stands for, into a directory; nothing is installed, so this
/// needs no rights. `name` is a package with one dependency, as those of Debian's newest kernels are.
pub(crate) fn download_what_stands_behind(
    need: &'static str,
    name: &'static str,
    directory: &Path,
) -> Result<(), LabError> {
    if dependency(name).is_none()
        && let Some(apt) = apt()
    {
        run(&mut apt_get(&apt, &["update"]))?;
    }
    let package = dependency(name).ok_or(LabError::NoPackage { need, package: name })?;
    run(Command::new("apt-get").args(["download", &package]).current_dir(directory))?;
    Ok(())
}

fn dependency(name: &str) -> Option<String> {
    let output = run(Command::new("apt-cache").args(["depends", name])).ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().find_map(|line| line.trim().strip_prefix("Depends: ")).map(str::to_owned)
}

/// The words before `apt-get`'s arguments; none where it would have to ask.
fn apt() -> Option<Vec<&'static str>> {
    if !succeeds(Command::new("apt-get").arg("--version")) {
        return None;
    }
    let quiet = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get"];
    if Uid::effective().is_root() {
        return Some(quiet.to_vec());
    }
    succeeds(Command::new("sudo").args(["-n", "true"])).then(|| ["sudo", "-n"].into_iter().chain(quiet).collect())
}

fn apt_get(apt: &[&str], arguments: &[&str]) -> Command {
    let mut command = Command::new(apt[0]);
    command.args(&apt[1..]).args(arguments);
    command
}
