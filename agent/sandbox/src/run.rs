//! One run from the command line: this process is the sandbox's parent, passes signals on, and reports.

use std::error::Error;
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::process::ExitCode;

use crate::relay::Relay;
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
    // Before a file of this process takes the number of one that isn't open.
    let passed = inherit(&options.pass_fd)?;
    let request = options.request()?;
    request.check()?;
    if options.explain {
        write!(std::io::stdout(), "{}", crate::explain::explain(&request, &options.pass_fd))?;
        return Ok(ExitCode::SUCCESS);
    }
    let files = Files::open(&options)?;
    let report = options.result.as_deref().map(Report::open).transpose()?;
    let outcome = match watch(&request, &files, &passed) {
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

/// The descriptors that are to be passed on. Of 0, 1 and 2 the library says that they aren't to be.
fn inherit(numbers: &[i32]) -> Result<Vec<(i32, OwnedFd)>, String> {
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
    fn open(options: &Options) -> Result<Files, String> {
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

fn watch(request: &holdfast_sandbox::Request, files: &Files, passed: &[(i32, OwnedFd)]) -> Result<Outcome, Failure> {
    let mask: SigSet = PASSED_ON.into_iter().collect();
    mask.thread_block()?;
    let signals = SignalFd::with_flags(&mask, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?;
    let (stdin, stdout, stderr) = (std::io::stdin(), std::io::stdout(), std::io::stderr());
    let [own_stdin, own_stdout, own_stderr] = files.0.each_ref().map(|file| file.as_ref().map(AsFd::as_fd));
    let stdin = own_stdin.unwrap_or(stdin.as_fd());
    let (stdout, stderr) = (own_stdout.unwrap_or(stdout.as_fd()), own_stderr.unwrap_or(stderr.as_fd()));
    let mut relay = request.policy.limits.output.map(|limit| Relay::new([stdout, stderr], limit)).transpose()?;
    let [stdout, stderr] = relay.as_ref().and_then(Relay::entrances).unwrap_or([stdout, stderr]);
    let passed: Vec<_> = passed.iter().map(|(number, fd)| (*number, fd.as_fd())).collect();
    let sandbox = Sandbox::start(request, Stdio { stdin, stdout, stderr, passed: &passed })?;
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
