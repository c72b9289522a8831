//! One run from the command line: this process is the sandbox's parent, passes signals on, and reports.

use std::error::Error;
use std::fs::File;
use std::io::Write;
use std::os::fd::AsFd;
use std::path::Path;
use std::process::ExitCode;

use holdfast_sandbox::{EndedBy, Outcome, Sandbox, Stdio};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use crate::cli::Options;

/// Signals to this process that are meant for the program. Those of job control stop this process, as they should.
const PASSED_ON: [Signal; 6] =
    [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGQUIT, Signal::SIGUSR1, Signal::SIGUSR2];

/// Runs the program, and gives its exit code.
pub(crate) fn run(options: Options) -> Result<ExitCode, Box<dyn Error>> {
    let request = options.request()?;
    request.check()?;
    let report = options.result.as_deref().map(Report::open).transpose()?;
    let outcome = match watch(&request) {
        Ok(outcome) => outcome,
        Err(Failure::Setup(failure)) => Outcome { limits: request.policy.limits.mode, ..failure.into() },
        Err(Failure::Other(error)) => return Err(error),
    };
    if let Some(line) = remark(&outcome) {
        crate::say(line);
    }
    report.map_or(Ok(()), |mut report| report.write(&outcome))?;
    Ok(ExitCode::from(outcome.exit_code()))
}

/// A sandbox that could not be made has an outcome too.
enum Failure {
    Setup(holdfast_sandbox::SetupFailure),
    Other(Box<dyn Error>),
}

impl From<holdfast_sandbox::Error> for Failure {
    fn from(error: holdfast_sandbox::Error) -> Self {
        match error {
            holdfast_sandbox::Error::Setup(failure) => Failure::Setup(failure),
            other => Failure::Other(other.into()),
        }
    }
}

impl From<Errno> for Failure {
    fn from(errno: Errno) -> Self {
        Failure::Other(format!("waiting for the sandbox: {errno}").into())
    }
}

fn watch(request: &holdfast_sandbox::Request) -> Result<Outcome, Failure> {
    let mask: SigSet = PASSED_ON.into_iter().collect();
    mask.thread_block()?;
    let signals = SignalFd::with_flags(&mask, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?;
    let (stdin, stdout, stderr) = (std::io::stdin(), std::io::stdout(), std::io::stderr());
    let stdio = Stdio { stdin: stdin.as_fd(), stdout: stdout.as_fd(), stderr: stderr.as_fd() };
    let sandbox = Sandbox::start(request, stdio)?;
    for warning in sandbox.warnings() {
        crate::say(format_args!("warning: {warning}"));
    }
    loop {
        let mut fds =
            [PollFd::new(sandbox.outcome_fd(), PollFlags::POLLIN), PollFd::new(signals.as_fd(), PollFlags::POLLIN)];
        match poll(&mut fds, PollTimeout::NONE) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
        if fds[0].any() == Some(true) {
            return Ok(sandbox.outcome()?);
        }
        while let Some(info) = signals.read_signal()? {
            if let Ok(signal) = Signal::try_from(info.ssi_signo as i32) {
                sandbox.signal(signal)?;
            }
        }
    }
}

/// What a person should read besides the program's own output; nothing where it ended by itself.
fn remark(outcome: &Outcome) -> Option<String> {
    match outcome.ended_by {
        EndedBy::Wall => Some("ended by the wall clock (--wall)".to_owned()),
        EndedBy::CpuTime => Some("ended by its CPU time (--cpu-time)".to_owned()),
        EndedBy::Memory => Some("ended by its memory limit (--memory)".to_owned()),
        EndedBy::Seccomp => Some("ended by the system call filter (SIGSYS)".to_owned()),
        EndedBy::Killed => Some("the sandbox was killed from outside".to_owned()),
        EndedBy::SetupFailed => outcome.setup.as_ref().map(ToString::to_string),
        _ => None,
    }
}

/// Where the result goes. It is opened before the run: a path that can't be written is no reason to lose a result.
struct Report {
    to: Box<dyn Write>,
    name: String,
}

impl Report {
    fn open(path: &Path) -> Result<Report, String> {
        let name = path.display().to_string();
        if path == Path::new("-") {
            return Ok(Report { to: Box::new(std::io::stdout()), name: "standard output".to_owned() });
        }
        let file = File::create(path).map_err(|error| format!("the result can't be written to {name}: {error}"))?;
        Ok(Report { to: Box::new(file), name })
    }

    fn write(&mut self, outcome: &Outcome) -> Result<(), String> {
        let failed = |error: &dyn Error| format!("the result can't be written to {}: {error}", self.name);
        let json = serde_json::to_string(outcome).map_err(|error| failed(&error))?;
        writeln!(self.to, "{json}").and_then(|()| self.to.flush()).map_err(|error| failed(&error))
    }
}
