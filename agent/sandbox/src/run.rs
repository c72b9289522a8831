//! One run from the command line: this process is the sandbox's parent, passes signals on, and reports.

use std::error::Error;
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::process::ExitCode;

use crate::relay::Relay;
use holdfast_sandbox::{EndedBy, Entered, Limits, Outcome, Sandbox, Stdio};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use crate::cli::{Io, Options};

/// Signals to this process that are meant for the program. Those of job control stop this process, as they should.
const PASSED_ON: [Signal; 6] =
    [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGQUIT, Signal::SIGUSR1, Signal::SIGUSR2];

/// Runs the program, and gives its exit code.
pub(crate) fn run(options: Options) -> Result<ExitCode, Box<dyn Error>> {
    // Before a file of this process takes the number of one that isn't open.
    let passed = inherit(&options.io.pass_fd)?;
    let request = options.request()?;
    request.check()?;
    if options.explain {
        write!(std::io::stdout(), "{}", crate::explain::explain(&request, &options.io.pass_fd))?;
        return Ok(ExitCode::SUCCESS);
    }
    report(&options.io, &passed, &request.policy.limits, |stdio| match &options.name {
        Some(name) => Sandbox::start_named(&request, stdio, name),
        None => Sandbox::start(&request, stdio),
    })
}

/// Starts a program with its files, waits for it, and tells how it ended.
pub(crate) fn report<R: Run>(
    io: &Io,
    passed: &[(i32, OwnedFd)],
    limits: &Limits,
    start: impl FnOnce(Stdio<'_>) -> holdfast_sandbox::Result<R>,
) -> Result<ExitCode, Box<dyn Error>> {
    let files = Files::open(io)?;
    let report = io.result.as_deref().map(Report::open).transpose()?;
    let outcome = match watch(limits, &files, passed, start) {
        Ok(outcome) => outcome,
        Err(Failure::Setup(failure)) => Outcome { limits: limits.mode, ..failure.into() },
        Err(Failure::Other(error)) => return Err(error),
    };
    if let Some(line) = remark(&outcome) {
        crate::say(line);
    }
    report.map_or(Ok(()), |mut report| report.write(&outcome))?;
    Ok(ExitCode::from(outcome.exit_code()))
}

/// What runs.
pub(crate) trait Run {
    fn warnings(&self) -> &[String];
    fn outcome_fd(&self) -> BorrowedFd<'_>;
    fn signal(&self, signal: Signal) -> holdfast_sandbox::Result<()>;
    fn end_for_output(&self) -> holdfast_sandbox::Result<()>;
    fn outcome(self) -> holdfast_sandbox::Result<Outcome>;
}

macro_rules! runs {
    ($kind:ty) => {
        impl Run for $kind {
            fn warnings(&self) -> &[String] {
                self.warnings()
            }

            fn outcome_fd(&self) -> BorrowedFd<'_> {
                self.outcome_fd()
            }

            fn signal(&self, signal: Signal) -> holdfast_sandbox::Result<()> {
                self.signal(signal)
            }

            fn end_for_output(&self) -> holdfast_sandbox::Result<()> {
                self.end_for_output()
            }

            fn outcome(self) -> holdfast_sandbox::Result<Outcome> {
                self.outcome()
            }
        }
    };
}

runs!(Sandbox);
runs!(Entered);

/// The descriptors that are to be passed on. Of 0, 1 and 2 the library says that they aren't to be.
pub(crate) fn inherit(numbers: &[i32]) -> Result<Vec<(i32, OwnedFd)>, String> {
    let inherit = |number: &i32| match holdfast_sandbox::inherited(*number) {
        Ok(fd) => Ok((*number, fd)),
        Err(holdfast_sandbox::Error::System { errno: Errno::EBADF, .. }) => {
            Err(format!("--pass-fd {number}: this process has no such descriptor open"))
        }
        Err(error) => Err(format!("--pass-fd {number}: {error}")),
    };
    numbers.iter().map(inherit).collect()
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

/// What the options put in place of the caller's own standard input, output and error.
struct Files([Option<File>; 3]);

impl Files {
    fn open(options: &Io) -> Result<Files, String> {
        let failed = |path: &Path, error: std::io::Error| format!("{} can't be opened: {error}", path.display());
        let create = |path: &Path| File::create(path).map_err(|error| failed(path, error));
        let stdin = options.stdin.as_deref().map(|path| File::open(path).map_err(|error| failed(path, error)));
        let stdout = options.stdout.as_deref().map(create).transpose()?;
        let stderr = match (&options.stderr, &stdout) {
            // Opened twice, each would overwrite the other.
            (Some(path), Some(file)) if options.stdout.as_ref() == Some(path) => {
                Some(file.try_clone().map_err(|error| failed(path, error))?)
            }
            (path, _) => path.as_deref().map(create).transpose()?,
        };
        Ok(Files([stdin.transpose()?, stdout, stderr]))
    }
}

fn watch<R: Run>(
    limits: &Limits,
    files: &Files,
    passed: &[(i32, OwnedFd)],
    start: impl FnOnce(Stdio<'_>) -> holdfast_sandbox::Result<R>,
) -> Result<Outcome, Failure> {
    let mask: SigSet = PASSED_ON.into_iter().collect();
    mask.thread_block()?;
    let signals = SignalFd::with_flags(&mask, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?;
    let (stdin, stdout, stderr) = (std::io::stdin(), std::io::stdout(), std::io::stderr());
    let [own_stdin, own_stdout, own_stderr] = files.0.each_ref().map(|file| file.as_ref().map(AsFd::as_fd));
    let stdin = own_stdin.unwrap_or(stdin.as_fd());
    let (stdout, stderr) = (own_stdout.unwrap_or(stdout.as_fd()), own_stderr.unwrap_or(stderr.as_fd()));
    let mut relay = limits.output.map(|limit| Relay::new([stdout, stderr], limit)).transpose()?;
    let [stdout, stderr] = relay.as_ref().and_then(Relay::entrances).unwrap_or([stdout, stderr]);
    let passed: Vec<_> = passed.iter().map(|(number, fd)| (*number, fd.as_fd())).collect();
    let sandbox = start(Stdio { stdin, stdout, stderr, passed: &passed })?;
    if let Some(relay) = &mut relay {
        relay.started();
    }
    for warning in sandbox.warnings() {
        crate::say(format_args!("warning: {warning}"));
    }
    loop {
        let mut fds =
            vec![PollFd::new(sandbox.outcome_fd(), PollFlags::POLLIN), PollFd::new(signals.as_fd(), PollFlags::POLLIN)];
        fds.extend(relay.iter().flat_map(Relay::exits).map(|(_, fd)| PollFd::new(fd, PollFlags::POLLIN)));
        match poll(&mut fds, PollTimeout::NONE) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
        let [ended, _, outputs @ ..] = fds.as_slice() else { continue };
        let ready: Vec<bool> = outputs.iter().map(|fd| fd.any() == Some(true)).collect();
        if ended.any() == Some(true) {
            let mut outcome = sandbox.outcome()?;
            if let Some(relay) = relay {
                relay.finish(&mut outcome);
            }
            return Ok(outcome);
        }
        if let Some(relay) = &mut relay
            && relay.carry(&ready)
        {
            sandbox.end_for_output()?;
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
        EndedBy::Output => Some("ended by its output (--output-limit)".to_owned()),
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
