//! Starting the control plane's process and hearing that it listens.
//!
//! Its standard input is a pipe that this process holds: when that ends, however this process ends, so does the
//! control plane, unless it was told to `keep` going first. Its first line of output is its announcement.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use crate::certificates::{self, Certificates};
use crate::control_plane::Announcement;
use crate::error::LabError;
use crate::evaluator::{self, Evaluator};
use crate::layout::Layout;
use crate::run::tail;
use crate::venv;

/// From exec to the announcement takes 2 to 3 s; a machine that compiles on every core needs many times as much.
const START_DEADLINE: Duration = Duration::from_secs(120);

/// The command that checks every truth of the control plane through boto3; what it needs is installed first.
pub(crate) fn truths_tests(layout: &Layout) -> Result<Command, LabError> {
    let tools = Toolchain::prepare(layout)?;
    let mut command = tools.python_command();
    command.args(["-m", "pytest", "-q", "-p", "no:cacheprovider", "strict/tests"]);
    tools.name_evaluator(&mut command);
    Ok(command)
}

/// A control plane that ends with this value.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    stdin: Option<ChildStdin>,
}

/// What a start needs that outlives it: interpreters and packages.
#[derive(Debug, Clone)]
pub(crate) struct Toolchain {
    python: PathBuf,
    evaluator: Evaluator,
    sources: PathBuf,
}

impl Toolchain {
    /// Installs what isn't there.
    pub(crate) fn prepare(layout: &Layout) -> Result<Toolchain, LabError> {
        let python = venv::python(layout)?;
        let evaluator = evaluator::evaluator(layout, &python)?;
        Ok(Toolchain { python, evaluator, sources: layout.sources() })
    }

    /// Python where the package `strict` is found.
    fn python_command(&self) -> Command {
        let mut command = Command::new(&self.python);
        // Byte code goes where it doesn't dirty the checkout.
        command.env("PYTHONPYCACHEPREFIX", self.evaluator.directory.with_file_name("pycache"));
        command.env("PYTHONUNBUFFERED", "1").current_dir(&self.sources);
        command
    }

    fn name_evaluator(&self, command: &mut Command) {
        command.arg("--node").arg(&self.evaluator.node).arg("--evaluator").arg(&self.evaluator.directory);
    }
}

/// Installs what every lab needs and shares, where it isn't there: interpreters and packages.
pub fn prepare(layout: &Layout) -> Result<(), LabError> {
    Toolchain::prepare(layout).map(drop)
}

impl Server {
    /// Starts one with certificates and a log in a directory; returns when it answers.
    pub(crate) fn start(tools: &Toolchain, directory: &Path) -> Result<(Server, Announcement, Certificates), LabError> {
        fs::create_dir_all(directory).map_err(LabError::file("make", directory))?;
        let certificates = certificates::make(directory)?;
        let log = directory.join("control-plane.log");
        let log_file = File::create(&log).map_err(LabError::file("make", &log))?;
        let mut command = tools.python_command();
        command.args(["-m", "strict"]);
        command.arg("--certificate").arg(&certificates.server).arg("--key").arg(&certificates.server_key);
        tools.name_evaluator(&mut command);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log_file)
            .spawn()
            .map_err(|source| LabError::Start { program: tools.python.display().to_string(), source })?;
        let stdin = child.stdin.take();
        let stdout = child.stdout.take();
        let server = Server { child, stdin };
        let announced = match stdout {
            Some(stdout) => announcement(BufReader::new(stdout)),
            None => Err("its output is not a pipe".to_owned()),
        };
        match announced {
            Ok(announcement) => Ok((server, announcement, certificates)),
            Err(reason) => {
                let tail = tail(&fs::read_to_string(&log).unwrap_or_default());
                Err(LabError::ControlPlane { reason, log, tail })
            }
        }
    }

    /// Lets it go on after this process.
    pub(crate) fn keep(mut self) -> Result<(), LabError> {
        let told = match self.stdin.as_mut() {
            Some(stdin) => stdin.write_all(b"keep\n"),
            None => Ok(()),
        };
        told.map_err(LabError::file("write", Path::new("the control plane's standard input")))?;
        // Not dropped: that would end it. It becomes init's child when this process ends.
        std::mem::forget(self);
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stdin.take());
        // A closed standard input ends it; the signal is for one that is stuck before it reads there. Both may find it
        // gone already, which is what they want.
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// The first line of output, or what came instead.
fn announcement(mut stdout: impl BufRead + Send + 'static) -> Result<Announcement, String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut line = String::new();
        let read = stdout.read_line(&mut line).map(|_| line);
        // Nobody listens any more when the deadline has passed.
        let _late = sender.send(read);
    });
    match receiver.recv_timeout(START_DEADLINE) {
        Ok(Ok(line)) if line.is_empty() => Err("it ended".to_owned()),
        Ok(Ok(line)) => serde_json::from_str(&line).map_err(|error| format!("it said {line:?}: {error}")),
        Ok(Err(error)) => Err(error.to_string()),
        Err(RecvTimeoutError::Timeout) => Err(format!("it said nothing for {} s", START_DEADLINE.as_secs())),
        Err(RecvTimeoutError::Disconnected) => Err("its output could not be read".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_control_plane_that_ends_at_once_is_told_from_one_that_speaks_nonsense() {
        assert_eq!(announcement(&b""[..]).err(), Some("it ended".to_owned()));
        assert!(announcement(&b"hello\n"[..]).err().unwrap().starts_with("it said \"hello\\n\""));
    }
}
