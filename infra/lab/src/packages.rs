//! Packages of the system that the lab needs: installed where that needs no question, else named.

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
