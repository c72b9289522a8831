//! The pipes between the agent and a sandbox, and what moves bytes through them.
//!
//! Invariants:
//! - The agent holds its own ends only: the sandbox's ends are closed here as soon as the spawner has them, so the end
//!   of the sandbox is the end of the file.
//! - Output goes into the job's log and, for an attached job, to its client, whose slowness stops the reading and so,
//!   in the end, the program. Nothing is dropped on that way; the log alone is bounded.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use axum::body::Bytes;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::unix::pipe;
use tokio::sync::mpsc;

use super::job::Job;
use super::log::Stream;
use crate::api::frame::{Frame, STDIN_WINDOW};

/// What a program reads.
pub(crate) enum Input {
    /// These bytes, which may be none.
    Whole(Vec<u8>),
    /// What a client sends, within its window.
    Streamed(StdinReceiver),
}

/// Where a job's streams come from and go to.
pub(crate) struct Streams {
    pub(crate) input: Input,
    /// The attached client.
    pub(crate) client: Option<mpsc::Sender<Frame>>,
}

/// A client's stdin on its way to the program. The window is what keeps the queue short, not the channel.
pub(crate) struct StdinReceiver {
    bytes: mpsc::UnboundedReceiver<Bytes>,
    window: Arc<AtomicI64>,
}

/// The other end: the attached connection.
pub(crate) struct StdinSender {
    bytes: mpsc::UnboundedSender<Bytes>,
    window: Arc<AtomicI64>,
}

/// The client sent more than it was granted.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct WindowExceeded;

/// A channel with the first window open.
pub(crate) fn stdin_channel() -> (StdinSender, StdinReceiver) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let window = Arc::new(AtomicI64::new(STDIN_WINDOW.into()));
    (StdinSender { bytes: sender, window: window.clone() }, StdinReceiver { bytes: receiver, window })
}

impl StdinSender {
    /// Queues bytes; those of a program that no longer reads go nowhere, and are never granted again.
    pub(crate) fn send(&self, bytes: Bytes) -> Result<(), WindowExceeded> {
        let length = i64::try_from(bytes.len()).map_err(|_| WindowExceeded)?;
        if self.window.fetch_sub(length, Ordering::AcqRel) < length {
            return Err(WindowExceeded);
        }
        // An error says that the program closed its stdin, as programs may.
        let _ = self.bytes.send(bytes);
        Ok(())
    }
}

/// The sandbox's ends of its three pipes.
pub(crate) struct SandboxEnds {
    pub(crate) stdin: OwnedFd,
    pub(crate) stdout: OwnedFd,
    pub(crate) stderr: OwnedFd,
}

/// The agent's ends.
pub(crate) struct AgentEnds {
    stdin: pipe::Sender,
    stdout: pipe::Receiver,
    stderr: pipe::Receiver,
}

/// Three pipes.
pub(crate) fn pipes() -> io::Result<(AgentEnds, SandboxEnds)> {
    let (stdin_read, stdin_write) = io::pipe()?;
    let (stdout_read, stdout_write) = io::pipe()?;
    let (stderr_read, stderr_write) = io::pipe()?;
    let agent = AgentEnds {
        stdin: pipe::Sender::from_owned_fd(stdin_write.into())?,
        stdout: pipe::Receiver::from_owned_fd(stdout_read.into())?,
        stderr: pipe::Receiver::from_owned_fd(stderr_read.into())?,
    };
    let sandbox = SandboxEnds { stdin: stdin_read.into(), stdout: stdout_write.into(), stderr: stderr_write.into() };
    Ok((agent, sandbox))
}

/// Moves bytes until the job has ended, and all that it wrote is read.
pub(crate) async fn pump(ends: AgentEnds, streams: Streams, job: &Job) {
    let AgentEnds { stdin, stdout, stderr } = ends;
    let Streams { input, client } = streams;
    let outputs = async {
        tokio::join!(
            pump_output(stdout, Stream::Stdout, job, client.as_ref()),
            pump_output(stderr, Stream::Stderr, job, client.as_ref())
        );
        // A program that closed both, or writes elsewhere, may still read.
        job.wait().await;
    };
    // A client that keeps its stdin open doesn't keep the job.
    tokio::select! {
        () = outputs => {}
        () = async { pump_input(stdin, input, client.as_ref()).await; std::future::pending().await } => {}
    }
}

async fn pump_output(mut from: pipe::Receiver, stream: Stream, job: &Job, client: Option<&mpsc::Sender<Frame>>) {
    let mut buffer = vec![0; 64 << 10];
    loop {
        let bytes = match from.read(&mut buffer).await {
            Ok(0) => return,
            Ok(read) => &buffer[..read],
            Err(error) => {
                tracing::error!(job = job.id(), %error, "a job's output can't be read any more");
                return;
            }
        };
        job.log().push(stream, bytes);
        if let Some(client) = client {
            let bytes = Bytes::copy_from_slice(bytes);
            let frame = match stream {
                Stream::Stdout => Frame::Stdout(bytes),
                Stream::Stderr => Frame::Stderr(bytes),
            };
            // An error says that the client is gone: the attached connection kills the job.
            let _ = client.send(frame).await;
        }
    }
}

/// Writes the program's stdin until it, or the program's interest in it, ends.
async fn pump_input(mut to: pipe::Sender, input: Input, client: Option<&mpsc::Sender<Frame>>) {
    match input {
        Input::Whole(bytes) => {
            // EPIPE: the program closed its stdin, as programs may.
            let _ = to.write_all(&bytes).await;
        }
        Input::Streamed(mut receiver) => {
            while let Some(bytes) = receiver.bytes.recv().await {
                if to.write_all(&bytes).await.is_err() {
                    return;
                }
                receiver.window.fetch_add(i64::try_from(bytes.len()).unwrap_or(0), Ordering::AcqRel);
                if let (Some(client), Ok(more)) = (client, u32::try_from(bytes.len())) {
                    let _ = client.send(Frame::Window(more)).await;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_that_sends_more_than_its_window_is_found_out() {
        let (sender, mut receiver) = stdin_channel();
        let window = STDIN_WINDOW as usize;
        sender.send(vec![0; window].into()).unwrap();
        assert_eq!(sender.send(vec![0; 1].into()), Err(WindowExceeded));
        assert_eq!(receiver.bytes.try_recv().unwrap().len(), window);
        assert!(receiver.bytes.try_recv().is_err(), "what exceeds the window is not queued");
    }
}
