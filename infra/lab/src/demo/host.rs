//! The demo's host: the real agent, run here with the credentials that EC2 would give the estate's first host.
//!
//! The lab boots no machine for an instance yet, so what an image would carry (the configuration, the static sandbox)
//! is laid out in a directory. Everything else is as on a host: the socket, the spool, the role, the trail.

use std::fs;
use std::io;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::control_plane::{Account, ControlPlane, Identity};
use crate::error::LabError;
use crate::programs::Programs;
use crate::run::tail;

/// From exec to a socket that answers takes some tenths of a second.
const START_DEADLINE: Duration = Duration::from_secs(60);

/// A running agent; ends with the value.
pub(super) struct Host {
    agent: Child,
    socket: PathBuf,
    program: PathBuf,
}

impl Host {
    /// Starts the agent as the instance's role; returns when its socket answers.
    pub(super) fn start(
        plane: &ControlPlane,
        programs: &Programs,
        instance: &str,
        directory: &Path,
    ) -> Result<Host, LabError> {
        fs::create_dir_all(directory).map_err(LabError::file("make", directory))?;
        let socket = directory.join("agent.sock");
        let configuration = directory.join("agent.toml");
        let text = configuration_text(plane, programs, directory, &socket);
        fs::write(&configuration, text).map_err(LabError::file("write", &configuration))?;
        let log = directory.join("agent.log");
        let log_file = fs::File::create(&log).map_err(LabError::file("make", &log))?;

        let mut command = Command::new(&programs.agent);
        plane.point(&mut command, Identity::Instance(instance.to_owned()))?;
        command.arg("serve").arg("--config").arg(&configuration);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log_file);
        let agent = command
            .spawn()
            .map_err(|source| LabError::Start { program: programs.agent.display().to_string(), source })?;
        let mut host = Host { agent, socket, program: programs.agent.clone() };
        host.wait_until_it_answers(&log)?;
        Ok(host)
    }

    /// A client command of this host's agent.
    pub(super) fn command(&self, verb: &str) -> Command {
        let mut command = Command::new(&self.program);
        command.arg(verb).arg("--socket").arg(&self.socket);
        command
    }

    /// Ends the agent as systemd would, so that it closes its trail, and waits until it has.
    pub(super) fn stop(mut self) -> Result<(), LabError> {
        self.terminate();
        let status = self.agent.wait().map_err(LabError::file("wait for", &self.program))?;
        if status.success() {
            return Ok(());
        }
        let command = format!("{} serve", self.program.display());
        Err(LabError::Failed { command, status, output: "its log lies in the demo's directory".to_owned() })
    }

    fn wait_until_it_answers(&mut self, log: &Path) -> Result<(), LabError> {
        let deadline = Instant::now() + START_DEADLINE;
        while UnixStream::connect(&self.socket).is_err() {
            let ended = self.agent.try_wait().map_err(LabError::file("wait for", &self.program))?;
            let status = match ended {
                Some(status) => status.to_string(),
                None if Instant::now() > deadline => format!("no answer in {} s", START_DEADLINE.as_secs()),
                None => {
                    thread::sleep(Duration::from_millis(20));
                    continue;
                }
            };
            let output = tail(&fs::read_to_string(log).unwrap_or_default());
            let source = io::Error::other(format!("{status}\n{output}"));
            return Err(LabError::Start { program: self.program.display().to_string(), source });
        }
        Ok(())
    }

    fn terminate(&self) {
        if let Ok(pid) = i32::try_from(self.agent.id()) {
            // It may have ended by itself, which is what is wanted; it isn't reaped yet, so the id is still its own.
            let _gone = kill(Pid::from_raw(pid), Signal::SIGTERM);
        }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        if matches!(self.agent.try_wait(), Ok(None)) {
            self.terminate();
            let _reaped = self.agent.wait();
        }
    }
}

fn configuration_text(plane: &ControlPlane, programs: &Programs, directory: &Path, socket: &Path) -> String {
    let audit = plane.account_id(Account::Audit);
    format!(
        "socket = {socket:?}\nstate = {state:?}\nsandbox = {sandbox:?}\n\n\
         [audit]\nship = \"s3://holdfast-trail-{audit}-{region}\"\norg = {org:?}\nregion = {region:?}\n\
         recipient_account = {audit:?}\n",
        state = directory.join("state"),
        sandbox = programs.sandbox,
        org = plane.organization(),
        region = plane.region(),
    )
}
