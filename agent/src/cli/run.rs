//! `run`: one program in a sandbox, as if it ran here.

use std::collections::BTreeMap;
use std::io::{IsTerminal as _, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use holdfast_sandbox::{EndedBy, Outcome};
use hyper::Method;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, ReadHalf, WriteHalf};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Semaphore, mpsc};

use super::client::{Client, ClientError};
use super::{CliError, Run};
use crate::api::frame::{Frame, STDIN_WINDOW};
use crate::api::types::{Base64, File, Job, JobSpec, Limits, Mount, Tmpfs};
use crate::quantity::Size;

/// Signals that end this command reach the program instead; a second one ends it for good, a third this command.
const FORWARDED: &[SignalKind] =
    &[SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup(), SignalKind::quit()];
const SIGKILL: u8 = 9;
/// The most that is read of one `--file`, so that a wrong name doesn't fill this host's memory. The agent's own bound,
/// `jobs.request_bytes`, is smaller unless root raised it.
const MAX_FILE: Size = Size(256 << 20);

/// Starts the job, passes its streams on, and gives its exit code.
pub(crate) async fn run(socket: &Path, options: Run) -> Result<u8, CliError> {
    let client = Client::new(socket);
    let detach = options.detach;
    let with_stdin = options.interactive || !std::io::stdin().is_terminal();
    let spec = job_spec(options)?;
    let body = Bytes::from(serde_json::to_vec(&spec).map_err(|error| ClientError::Answer(error.to_string()))?);
    if detach {
        let job: Job = client.json(Method::POST, "/v1/jobs", body).await?;
        writeln!(anstream::stdout(), "{}", job.id)?;
        return Ok(0);
    }
    // Handlers first: a Ctrl-C between start and stream must not leave this command without its job's end.
    let mut signals = signals()?;
    let attached = tokio::select! {
        attached = client.attach("/v1/jobs", body) => attached?,
        // The job, if there is one already, ends with the connection.
        Some(number) = signals.recv() => return Ok(128 + number),
    };
    let (from_agent, to_agent) = tokio::io::split(attached.stream);
    let (frames, outgoing) = mpsc::channel(4);
    let window = Arc::new(Semaphore::new(STDIN_WINDOW as usize));
    tokio::spawn(send_frames(to_agent, outgoing));
    if with_stdin {
        tokio::spawn(forward_stdin(frames.clone(), window.clone()));
    } else {
        let _ = frames.send(Frame::Stdin(Bytes::new())).await;
    }
    let job = tokio::select! {
        job = receive(from_agent, &window) => job?,
        () = forward_signals(signals, frames) => {
            super::tell("the agent doesn't answer; the job is killed when it finds this command gone");
            return Ok(128 + SIGKILL);
        }
    };
    for warning in &job.warnings {
        super::tell(format_args!("warning: {warning}"));
    }
    let Some(result) = job.result else {
        return Err(ClientError::Answer(format!("job {} is said to have ended, without a result", attached.job)).into());
    };
    if let Some(error) = result.error {
        return Err(CliError::Lost(error.message));
    }
    if let Some(reason) = result.outcome.as_ref().and_then(|outcome| why(outcome, &job.limits)) {
        super::tell(reason);
    }
    Ok(result.exit_code)
}

/// What an exit code alone does not say.
fn why(outcome: &Outcome, limits: &Limits) -> Option<String> {
    let time = |millis: Option<u64>| millis.map(Duration::from_millis).unwrap_or_default();
    match outcome.ended_by {
        EndedBy::SetupFailed => outcome.setup.as_ref().map(ToString::to_string),
        EndedBy::Wall => {
            Some(format!("ended after {:?} by the wall clock: --wall asks for more", time(limits.wall_ms)))
        }
        EndedBy::CpuTime => {
            Some(format!("ended after {:?} of CPU time: --cpu-time asks for more", time(limits.cpu_time_ms)))
        }
        EndedBy::Memory => Some("ended by its memory limit: --memory asks for more".into()),
        EndedBy::Seccomp => Some("ended by a system call that the sandbox kills (SIGSYS)".into()),
        _ => None,
    }
}

/// Prints output as it comes, until the job's end comes.
async fn receive(mut from: ReadHalf<TokioIo<Upgraded>>, window: &Semaphore) -> Result<Job, CliError> {
    let (mut stdout, mut stderr) = (tokio::io::stdout(), tokio::io::stderr());
    loop {
        match Frame::read(&mut from).await.map_err(|error| ClientError::Broken(error.to_string()))? {
            Some(Frame::Stdout(bytes)) => {
                stdout.write_all(&bytes).await?;
                stdout.flush().await?;
            }
            Some(Frame::Stderr(bytes)) => {
                stderr.write_all(&bytes).await?;
                stderr.flush().await?;
            }
            Some(Frame::Window(more)) => window.add_permits(more as usize),
            Some(Frame::Ended(json)) => {
                return serde_json::from_slice(&json).map_err(|error| ClientError::Answer(error.to_string()).into());
            }
            Some(frame @ (Frame::Stdin(_) | Frame::Signal(_))) => {
                return Err(ClientError::Answer(format!("{frame:?} from the agent")).into());
            }
            None => return Err(ClientError::Broken("it was closed before the job's end".into()).into()),
        }
    }
}

/// Writes frames; what can't be written is told by the reading side.
async fn send_frames(mut to: WriteHalf<TokioIo<Upgraded>>, mut frames: mpsc::Receiver<Frame>) {
    while let Some(frame) = frames.recv().await {
        if to.write_all(&frame.encode()).await.is_err() || to.flush().await.is_err() {
            return;
        }
    }
}

/// Sends stdin as far as the agent's window goes.
async fn forward_stdin(frames: mpsc::Sender<Frame>, window: Arc<Semaphore>) {
    let mut stdin = tokio::io::stdin();
    let mut buffer = vec![0; 64 << 10];
    loop {
        let read = match stdin.read(&mut buffer).await {
            Ok(read) => read,
            Err(error) => {
                super::tell(format_args!("stdin ends here for the program: {error}"));
                0
            }
        };
        let permits = window.acquire_many(u32::try_from(read).unwrap_or(u32::MAX)).await;
        let Ok(permits) = permits else { return };
        permits.forget();
        let sent = frames.send(Frame::Stdin(Bytes::copy_from_slice(&buffer[..read]))).await;
        if read == 0 || sent.is_err() {
            return;
        }
    }
}

/// The numbers of signals that would end this command.
fn signals() -> std::io::Result<mpsc::Receiver<u8>> {
    let (numbers, receiver) = mpsc::channel(4);
    for kind in FORWARDED {
        let (mut stream, numbers) = (signal(*kind)?, numbers.clone());
        let number = u8::try_from(kind.as_raw_value()).unwrap_or(SIGKILL);
        tokio::spawn(async move { while stream.recv().await.is_some() && numbers.send(number).await.is_ok() {} });
    }
    Ok(receiver)
}

/// Passes the first signal on as it is, and the second as SIGKILL. Returns at the third, which says that an agent that
/// doesn't answer is no longer waited for; the job ends with the connection.
async fn forward_signals(mut signals: mpsc::Receiver<u8>, frames: mpsc::Sender<Frame>) {
    let mut received = 0;
    while let Some(number) = signals.recv().await {
        received += 1;
        if received > 2 {
            return;
        }
        let (frame, frames) = (Frame::Signal(if received == 1 { number } else { SIGKILL }), frames.clone());
        // Not waited for, since an agent that hangs takes nothing.
        tokio::spawn(async move { frames.send(frame).await });
    }
    std::future::pending().await
}

/// The request that the options make.
fn job_spec(options: Run) -> Result<JobSpec, CliError> {
    let mut command = options.command.into_iter();
    let readonly = options.ro.iter().map(|value| mount("--ro", value, false));
    let writable = options.rw.iter().map(|value| mount("--rw", value, true));
    Ok(JobSpec {
        program: command.next().unwrap_or_default(),
        args: command.collect(),
        env: options.env.iter().map(|value| variable(value)).collect::<Result<BTreeMap<_, _>, _>>()?,
        cwd: options.cwd,
        hostname: options.hostname,
        mounts: readonly.chain(writable).collect::<Result<_, _>>()?,
        tmpfs: options.tmpfs.iter().map(|value| tmpfs(value)).collect::<Result<_, _>>()?,
        limits: Limits {
            memory: options.memory.map(|size| size.0),
            pids: options.pids,
            millicpus: options.cpu.map(|processors| processors.0),
            cpu_weight: options.cpu_weight,
            cpu_time_ms: options.cpu_time.map(millis),
            wall_ms: options.wall.map(millis),
            mode: options.limits,
        },
        seccomp: options.seccomp,
        files: options.file.iter().map(|value| file(value)).collect::<Result<_, _>>()?,
        stdin: None,
        remove: options.rm,
    })
}

fn usage(option: &'static str, value: &str, problem: impl Into<String>) -> CliError {
    CliError::Usage { option, value: value.to_owned(), problem: problem.into() }
}

fn millis(span: crate::quantity::Span) -> u64 {
    // Rounded up: `--wall 1us` is not "no time at all".
    u64::try_from(span.0.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}

fn mount(option: &'static str, value: &str, writable: bool) -> Result<Mount, CliError> {
    let (source, target) = value.split_once(':').unwrap_or((value, value));
    for path in [source, target] {
        if !path.starts_with('/') {
            return Err(usage(option, value, "both paths must be absolute: HOST[:INSIDE], such as /srv/data:/data"));
        }
    }
    Ok(Mount { source: source.into(), target: target.into(), writable })
}

fn tmpfs(value: &str) -> Result<Tmpfs, CliError> {
    let (target, size) =
        value.split_once('=').ok_or_else(|| usage("--tmpfs", value, "write PATH=SIZE, such as /scratch=64M"))?;
    let size: Size = size.parse().map_err(|error| usage("--tmpfs", value, format!("{error}")))?;
    Ok(Tmpfs { target: target.into(), size: size.0 })
}

fn variable(value: &str) -> Result<(String, String), CliError> {
    if let Some((name, value)) = value.split_once('=') {
        return Ok((name.into(), value.into()));
    }
    // The name alone in the message: what follows a mistyped separator may be a secret.
    let own = std::env::var(value).map_err(|_| usage("--env", value, "is not set here: write NAME=VALUE"))?;
    Ok((value.into(), own))
}

fn file(value: &str) -> Result<File, CliError> {
    let (source, target) = value
        .split_once(':')
        .filter(|(source, target)| !source.is_empty() && target.starts_with('/'))
        .ok_or_else(|| usage("--file", value, "write HOST:INSIDE, INSIDE absolute, such as main.py:/tmp/main.py"))?;
    let path = PathBuf::from(source);
    let read = || {
        let file = std::fs::File::open(&path)?;
        let mode = file.metadata()?.permissions().mode() & 0o777;
        let mut data = Vec::new();
        file.take(MAX_FILE.0 + 1).read_to_end(&mut data)?;
        Ok((data, mode))
    };
    let (data, mode) = read().map_err(|error| CliError::File { path: path.clone(), error })?;
    if data.len() as u64 > MAX_FILE.0 {
        return Err(CliError::LargeFile { path, most: MAX_FILE });
    }
    Ok(File { path: target.into(), mode: Some(mode), data: Base64(data) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_needs_absolute_paths_and_defaults_to_the_same_place() {
        let same = mount("--ro", "/srv/data", false).unwrap();
        assert_eq!((same.source.as_str(), same.target.as_str()), ("/srv/data", "/srv/data"));
        let other = mount("--rw", "/srv/data:/data", true).unwrap();
        assert_eq!((other.target.as_str(), other.writable), ("/data", true));
        assert!(mount("--ro", "data", false).is_err());
    }

    #[test]
    fn a_variable_may_hold_the_separator() {
        assert_eq!(variable("A=b=c").unwrap(), ("A".into(), "b=c".into()));
        assert!(variable("HOLDFAST_SURELY_NOT_SET").is_err());
    }

    #[test]
    fn a_time_below_a_millisecond_is_not_no_time() {
        assert_eq!(millis("1us".parse().unwrap()), 1);
    }
}
