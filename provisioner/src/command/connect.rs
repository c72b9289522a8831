//! `provision connect` and `provision ssh-config`: SSH to a host, through the bastion.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{CommandError, runtime, spec_file};
use crate::access::{Access, Ssh};
use crate::cli::{ConnectArguments, Outcome, SpecFile, SshArguments, SshConfigArguments};
use crate::cloud::Cloud;
use crate::estate::Scope;
use crate::plan::World;
use crate::render::Output;
use crate::trail;

/// `connect`: becomes `ssh`, whose exit code is then this process's.
pub(crate) fn run(arguments: &ConnectArguments) -> Result<Outcome, CommandError> {
    let (scope, access) = look(&arguments.spec)?;
    let machine = access.find(&arguments.host)?;
    let path = write(&scope, &access.ssh_config(&scope, &ssh(&arguments.ssh)?))?;
    let mut command = Command::new("ssh");
    command.arg("-F").arg(&path).arg("--").arg(&machine.alias).args(&arguments.command);
    Err(CommandError::Ssh(command.exec()))
}

/// `ssh-config`: prints what `connect` would use.
pub(crate) fn config(arguments: &SshConfigArguments, output: Output) -> Result<Outcome, CommandError> {
    let (scope, access) = look(&arguments.spec)?;
    if output.is_json() {
        output.json(&access)?;
    } else {
        output.text(&access.ssh_config(&scope, &ssh(&arguments.ssh)?))?;
    }
    Ok(Outcome::Done)
}

fn look(spec: &SpecFile) -> Result<(Scope, Access), CommandError> {
    let spec = spec_file::load(spec)?;
    let scope = Scope::of(&spec);
    let world = runtime::block_on(async {
        let cloud = Cloud::connect(&spec.account, &spec.region).await?;
        Ok(World::discover(&cloud, &scope).await?)
    })?;
    Ok((scope, Access::of(&world)?))
}

fn ssh(arguments: &SshArguments) -> Result<Ssh, CommandError> {
    Ok(Ssh {
        user: arguments.user.clone(),
        identity: arguments.identity.as_deref().map(existing).transpose()?,
        known_hosts: arguments.known_hosts.as_deref().map(existing).transpose()?,
    })
}

/// A file as a path that leads to it from everywhere.
fn existing(path: &Path) -> Result<PathBuf, CommandError> {
    fs::canonicalize(path).map_err(|source| CommandError::ReadFile { path: path.to_owned(), source })
}

/// Keeps the configuration where `ssh` reads it while it runs, and the `ssh` that it starts for the jump.
fn write(scope: &Scope, text: &str) -> Result<PathBuf, CommandError> {
    let directory = trail::state()?.join("ssh");
    let path = directory.join(format!("{}-{}-{}.conf", scope.account, scope.region, scope.estate));
    let failed = |source| CommandError::WriteFile { path: path.clone(), source };
    fs::create_dir_all(&directory).map_err(failed)?;
    // Renamed into place, so that a connection being opened never reads half of it.
    let new = directory.join(format!(".{}.new", std::process::id()));
    fs::write(&new, text).and_then(|()| fs::rename(&new, &path)).map_err(failed)?;
    Ok(path)
}
