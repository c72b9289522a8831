//! The caller's side of the spawner: the static `holdfast-sandbox` executed anew, which makes sandboxes on request.
//!
//! Why a process of its own: `clone3` in a program with threads leaves the child with locks that nobody unlocks, and
//! its cost grows with the memory of the caller. Why executed and not forked: it starts small, and stays small.
//!
//! - Its only tie is a SOCK_SEQPACKET socketpair on its descriptor 0; nobody else can connect, so there are no peers to
//!   check. When the socket closes (this process ended, in whatever way), it kills all that it has and ends.
//! - A request is one message. Its head: a byte for the protocol's version, one for what it asks for, one for the number of
//!   each descriptor that the program gets (0, 1 and 2 first). Its body: the request (`request.rs`). The descriptors: the
//!   result pipe, a socket for the answer, and the program's; or the socket by which the program comes later; or a pidfd of
//!   the sandbox that is to be entered, and the program's. Each request has an answer socket of its own, so threads share a
//!   `Spawner` without a lock, and no answer reaches the wrong caller.
//! - Its death (`pidfd()` becomes readable) ends its sandboxes: each init gets SIGKILL by its parent-death signal, and
//!   sees its liveness pipe close.

mod serve;

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio as Redirect};
use std::sync::{Arc, Mutex, Weak};

use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
use serde::{Deserialize, Serialize};

use crate::channel;
use crate::enter::ExecRequest;
use crate::entered::Entered;
use crate::error::{Context, Error, Result};
use crate::outcome::SetupFailure;
use crate::policy::Policy;
use crate::request::{InputFile, Request};
use crate::sandbox::{Parent, Prepared, Sandbox, Stdio};
use crate::sys;

pub use serve::serve;

/// The argument that makes the command a spawner. It takes no other.
pub const SPAWNER_ARGUMENT: &str = "--spawner-on-stdin";

/// The version of the messages between caller and spawner.
const VERSION: u8 = 5;
/// What a message asks for: a sandbox with a program, whose descriptors' numbers follow.
const START: u8 = 0;
/// A sandbox whose program comes later, by the socket that is sent.
const PREPARE: u8 = 1;
/// A program more in one, behind the walls that the spawner knows of.
const ENTER: u8 = 2;

/// A spawner process. Dropping it ends it, and every sandbox that it has started.
#[derive(Debug)]
pub struct Spawner {
    /// A sandbox has it too, while a program is started in it.
    socket: Option<Arc<OwnedFd>>,
    pidfd: OwnedFd,
    child: Mutex<Child>,
}

/// What the spawner answers; the pidfd travels beside it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Answer {
    /// The sandbox is being made by the init with this process id.
    Started { pid: i32, warnings: Vec<String> },
    /// Nothing was started: a step before clone3 failed.
    Failed(SetupFailure),
    /// Nothing was started: the request was refused.
    Refused(String),
}

impl Spawner {
    /// Executes `binary`, the static `holdfast-sandbox`, as a spawner with an empty environment.
    ///
    /// # Errors
    /// [`Error::Start`] where it can't be executed.
    pub fn start(binary: &Path) -> Result<Spawner> {
        let (ours, theirs) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)
            .context("socketpair for the spawner")?;
        let mut child = Command::new(binary)
            .arg0("holdfast-spawner")
            .arg(SPAWNER_ARGUMENT)
            .env_clear()
            .current_dir("/")
            .stdin(Redirect::from(theirs))
            .stdout(Redirect::null())
            .stderr(Redirect::inherit())
            .spawn()
            .map_err(|source| Error::Start { binary: binary.to_owned(), source })?;
        match sys::pidfd_open(child.id().cast_signed()) {
            Ok(pidfd) => Ok(Spawner { socket: Some(Arc::new(ours)), pidfd, child: Mutex::new(child) }),
            Err(errno) => {
                drop(ours);
                child.wait().map_err(|source| Error::Start { binary: binary.to_owned(), source })?;
                Err(Error::System { call: "pidfd_open of the spawner", errno })
            }
        }
    }

    /// A pidfd of the spawner: readable when it has ended.
    #[must_use]
    pub fn pidfd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }

    /// Starts one sandbox. It returns when the sandbox's init exists: that setup failed inside is told by
    /// [`Sandbox::outcome`]; that it failed before, by [`Error::Setup`].
    ///
    /// # Errors
    /// A refused request, a failed step before clone3, or a spawner that has ended.
    pub fn spawn(&self, request: &Request, stdio: Stdio<'_>) -> Result<Sandbox> {
        request.check()?;
        stdio.check()?;
        let mut head = vec![VERSION, START];
        head.extend(stdio.all().map(|(number, _)| number as u8));
        self.make(request, head, stdio.all().map(|(_, fd)| fd).collect())
    }

    /// Makes a sandbox ahead, for a program that is not known yet: what takes longest is done when it comes. With it come
    /// the `files` that are to be made inside. It returns as [`Spawner::spawn`] does.
    ///
    /// # Errors
    /// A refused policy or file, a failed step before clone3, or a spawner that has ended.
    pub fn prepare(&self, policy: &Policy, files: &[InputFile]) -> Result<Prepared> {
        let (program, args) = (String::new(), Vec::new());
        let request = Request { policy: policy.clone(), program, args, files: files.to_vec() };
        request.check_sandbox()?;
        let (init, inits) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)
            .context("socketpair for a program")?;
        let sandbox = self.make(&request, vec![VERSION, PREPARE], vec![inits.as_fd()])?;
        Ok(Prepared { sandbox, init })
    }

    /// Sends the request, and waits until the sandbox's init exists.
    fn make(&self, request: &Request, head: Vec<u8>, more: Vec<BorrowedFd<'_>>) -> Result<Sandbox> {
        let socket = self.socket.as_ref().ok_or(Error::SpawnerGone(Errno::EBADF))?;
        let asked = ask(socket, &head, request, &more)?;
        let Asked { pid, pidfd, result, warnings } = asked;
        let limits = request.policy.limits.mode;
        Ok(Sandbox { pid, pidfd, result, warnings, limits, parent: Parent::Spawner(Arc::downgrade(socket)) })
    }
}

/// Starts a program in a sandbox that a spawner has made.
pub(crate) fn enter(
    socket: &Weak<OwnedFd>,
    sandbox: &Sandbox,
    exec: &ExecRequest,
    stdio: Stdio<'_>,
) -> Result<Entered> {
    exec.check()?;
    stdio.check()?;
    let socket = socket.upgrade().ok_or(Error::SpawnerGone(Errno::EBADF))?;
    // The policy is the sandbox's, which the spawner has.
    let (program, args) = (exec.program.clone(), exec.args.clone());
    let request = Request { policy: Policy::default(), program, args, files: Vec::new() };
    let mut head = vec![VERSION, ENTER];
    head.extend(stdio.all().map(|(number, _)| number as u8));
    let more: Vec<_> = std::iter::once(sandbox.pidfd()).chain(stdio.all().map(|(_, fd)| fd)).collect();
    let Asked { pid, pidfd, result, warnings } = ask(&socket, &head, &request, &more)?;
    Ok(Entered { pid, pidfd, result, warnings, limits: sandbox.limits, maker: None })
}

/// What a spawner has started.
struct Asked {
    pid: i32,
    pidfd: OwnedFd,
    result: OwnedFd,
    warnings: Vec<String>,
}

/// Sends one message, and waits for its answer.
fn ask(socket: &OwnedFd, head: &[u8], request: &Request, more: &[BorrowedFd<'_>]) -> Result<Asked> {
    let header = request.header()?;
    let (result, init_result) = nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC).context("pipe2 for a result")?;
    let (answers, reply) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)
        .context("socketpair for an answer")?;
    let mut fds = vec![init_result.as_fd(), reply.as_fd()];
    fds.extend(more);
    channel::send(socket.as_fd(), head, &request.parts(&header), &fds).map_err(gone)?;
    drop((init_result, reply));
    let message = channel::receive(answers.as_fd()).map_err(gone)?.ok_or(Error::SpawnerGone(Errno::EPIPE))?;
    let mut fds = message.fds.into_iter();
    match serde_json::from_slice(&message.body.read()?).map_err(|error| Error::Protocol(error.to_string()))? {
        Answer::Started { pid, warnings } => {
            let pidfd = fds.next().ok_or_else(|| Error::Protocol("no pidfd came".to_owned()))?;
            Ok(Asked { pid, pidfd, result, warnings })
        }
        Answer::Failed(failure) => Err(Error::Setup(failure)),
        Answer::Refused(why) => Err(Error::Protocol(why)),
    }
}

/// A socket whose other end is closed says so in several ways.
fn gone(errno: Errno) -> Error {
    match errno {
        Errno::EPIPE | Errno::ECONNRESET | Errno::ENOTCONN => Error::SpawnerGone(errno),
        errno => Error::System { call: "message to or from the spawner", errno },
    }
}

impl Drop for Spawner {
    fn drop(&mut self) {
        // Its end of the socket sees this, and the spawner kills what it has and exits.
        self.socket = None;
        if let Ok(child) = self.child.get_mut() {
            // Nothing can be done about a child that can't be waited for.
            let _ = child.wait();
        }
    }
}
