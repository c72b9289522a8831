//! The spawner's own side: a loop over its socket and its children, in one thread.
//!
//! It holds as little as it can: for each sandbox, the locks of its id range and its box, until init is reaped; with cgroup limits, its leaf, and
//! the result pipe, to write behind init's record what the leaf counted. What it is told is
//! checked again here; a request that can't be used is answered, and ends nothing.

use std::collections::HashMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::socket::{SockType, getsockopt, sockopt};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, geteuid, write};

use super::{Answer, ENTER, PREPARE, START, VERSION};
use crate::cgroup::Leaf;
use crate::channel::{self, Body, Message};
use crate::clone::{Locks, Maker, Started, Told};
use crate::enter::{Door, Entering, ExecRequest};
use crate::error::{Context, Error, Result};
use crate::outcome::SetupFailure;
use crate::record;
use crate::request::{self, Request};
use crate::sandbox::Stdio;
use crate::sealed::execute_sealed_copy;
use crate::step::Step;
use crate::sys;

/// Serves requests from the socket on standard input until it closes; then nothing of the sandboxes is left.
///
/// # Errors
/// Where standard input is not a spawner's socket, or this process can't make sandboxes at all.
pub fn serve() -> Result<()> {
    let socket = sys::borrow(0);
    match getsockopt(&socket, sockopt::SockType) {
        Ok(SockType::SeqPacket) => {}
        _ => return Err(Error::Protocol("standard input is no spawner's socket".to_owned())),
    }
    // Root's binary is not the sandboxes' users'.
    if !geteuid().is_root() {
        execute_sealed_copy()?;
    }
    // What the caller's other threads had open and not marked close-on-exec.
    sys::close_range(3, i32::MAX).context("close_range in the spawner")?;
    let all = SigSet::all();
    all.thread_set_mask().context("sigprocmask in the spawner")?;
    let signals = SignalFd::with_flags(&all, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK).context("signalfd")?;
    // Each sandbox has several here. What it runs has limits of its own.
    if let Ok((_, most)) = getrlimit(Resource::RLIMIT_NOFILE) {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, most, most);
    }
    let mut maker = Maker::new(false);
    if let Ok(maker) = &mut maker {
        maker.enterable = true;
    }
    let mut spawner = Serving { maker, live: HashMap::new(), network: Due::Now };
    let served = spawner.serve(socket, &signals);
    spawner.end_all();
    served
}

struct Serving {
    /// Why no sandbox can be made is told to each who asks for one.
    maker: std::result::Result<Maker, SetupFailure>,
    live: HashMap<i32, Live>,
    /// When the next sandbox's network is to be made.
    network: Due,
}

enum Due {
    /// It is there, or isn't made ahead.
    Not,
    /// When that sandbox's program has started: before, it would be in its init's way, on the same processors.
    AtStart(i32),
    /// As soon as there is nothing else to do.
    Now,
}

/// What is held for a sandbox until its init is reaped.
struct Live {
    _locks: Locks,
    door: Option<Door>,
    /// With where its figures go.
    leaf: Option<(Leaf, OwnedFd)>,
}

impl Live {
    /// When init is reaped. Who reads the result sees its end when the leaf is gone.
    fn end(self) {
        if let Some((leaf, result)) = self.leaf {
            // A reader that has gone away wants no figures; with SIGPIPE blocked this is EPIPE.
            let _ = write(&result, &record::figures(&leaf.figures()));
            drop(leaf);
        }
    }
}

impl Serving {
    fn serve(&mut self, socket: BorrowedFd<'_>, signals: &SignalFd) -> Result<()> {
        loop {
            let mounts = self.maker.as_ref().ok().and_then(|maker| maker.shared.watch());
            let mut fds = vec![PollFd::new(socket, PollFlags::POLLIN), PollFd::new(signals.as_fd(), PollFlags::POLLIN)];
            let mounts = mounts.map(|mounts| also(&mut fds, PollFd::new(mounts, PollFlags::POLLPRI)));
            let started = self.started().map(|started| also(&mut fds, PollFd::new(started, PollFlags::POLLIN)));
            let timeout = if matches!(self.network, Due::Now) { PollTimeout::ZERO } else { PollTimeout::NONE };
            match poll(&mut fds, timeout) {
                Ok(_) | Err(Errno::EINTR) => {}
                Err(errno) => return Err(Error::System { call: "poll in the spawner", errno }),
            }
            let is_ready = |place: usize| fds.get(place).is_some_and(|fd| fd.any() == Some(true));
            let (request, ended) = (is_ready(0), is_ready(1));
            let (mounted, started) = (mounts.is_some_and(is_ready), started.is_some_and(is_ready));
            // The kernel tells of a change once.
            if let (true, Ok(maker)) = (mounted, &mut self.maker) {
                maker.shared.let_go();
            }
            if ended {
                while let Ok(Some(_)) = signals.read_signal() {}
                self.reap();
            }
            if !request {
                if started || matches!(self.network, Due::Now) {
                    self.make_network();
                }
                continue;
            }
            match channel::receive(socket) {
                Ok(None) | Err(Errno::ECONNRESET) => return Ok(()),
                Ok(Some(message)) => self.answer(message),
                // Out of descriptors, too long, or no message: that message is lost, and its sender sees its answer socket close.
                Err(Errno::EMFILE | Errno::ENFILE | Errno::EMSGSIZE | Errno::ENOBUFS | Errno::EBADMSG) => {}
                Err(errno) => return Err(Error::System { call: "recvmsg in the spawner", errno }),
            }
        }
    }

    /// Readable from the start of that program on.
    fn started(&self) -> Option<BorrowedFd<'_>> {
        let Due::AtStart(pid) = self.network else { return None };
        let door = self.live.get(&pid)?.door.as_ref()?;
        Some(door.ready.as_fd())
    }

    fn make_network(&mut self) {
        self.network = Due::Not;
        if let Ok(maker) = &mut self.maker {
            maker.networks.make_ahead();
        }
    }

    fn reap(&mut self) {
        loop {
            match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::Exited(pid, _) | WaitStatus::Signaled(pid, ..)) => {
                    if matches!(self.network, Due::AtStart(awaited) if awaited == pid.as_raw()) {
                        self.network = Due::Now;
                    }
                    if let Some(live) = self.live.remove(&pid.as_raw()) {
                        live.end();
                    }
                }
                Ok(WaitStatus::StillAlive) | Err(_) => return,
                Ok(_) => {}
            }
        }
    }

    fn answer(&mut self, message: Message) {
        let Message { head, body, fds } = message;
        let mut fds = fds.into_iter();
        let (Some(result), Some(reply)) = (fds.next(), fds.next()) else { return };
        let given: Vec<OwnedFd> = fds.collect();
        let mut passed = Vec::new();
        let (answer, pidfd) = match (head.as_slice(), given.as_slice()) {
            ([VERSION, START, numbers @ ..], given) => match Stdio::received(numbers, given, &mut passed) {
                Some(stdio) => self.start(body, result, Told::Now(stdio)),
                None => refused("descriptors that can't be used"),
            },
            ([VERSION, PREPARE], [init]) => self.start(body, result, Told::Later(init.as_fd())),
            ([VERSION, ENTER, numbers @ ..], [init, given @ ..]) => {
                match Stdio::received(numbers, given, &mut passed) {
                    Some(stdio) => self.enter(body, &result, init, stdio),
                    None => refused("descriptors that can't be used"),
                }
            }
            _ => refused("another version"),
        };
        let fds: Vec<BorrowedFd<'_>> = pidfd.iter().map(AsFd::as_fd).collect();
        if channel::send(reply.as_fd(), &[], &[&encode(&answer)], &fds).is_err()
            && let Answer::Started { pid, .. } = answer
        {
            // Nobody is there to own it.
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
    }

    fn start(&mut self, body: Body, result: OwnedFd, told: Told<'_>) -> (Answer, Option<OwnedFd>) {
        let check = |request: &Request| match told {
            Told::Now(_) => request.check(),
            Told::Later(_) => request.check_sandbox(),
        };
        let request = match received(body).and_then(|it| check(&it).map(|()| it).map_err(Error::Policy)) {
            Ok(request) => request,
            Err(error) => return (Answer::Refused(error.to_string()), None),
        };
        let maker = match &mut self.maker {
            Ok(maker) => maker,
            Err(failure) => return (Answer::Failed(failure.clone()), None),
        };
        match maker.start(&request, told, result.as_fd()) {
            Ok(Started { pid, pidfd, locks, leaf, door, warnings }) => {
                self.network = match told {
                    _ if !maker.networks.is_due() => Due::Not,
                    Told::Now(_) => Due::AtStart(pid),
                    // Its program may be long in coming.
                    Told::Later(_) => Due::Now,
                };
                self.live.insert(pid, Live { _locks: locks, door, leaf: leaf.map(|leaf| (leaf, result)) });
                (Answer::Started { pid, warnings }, Some(pidfd))
            }
            Err(failure) => {
                if matches!(self.network, Due::Not) && maker.networks.is_due() {
                    self.network = Due::Now;
                }
                (Answer::Failed(failure), None)
            }
        }
    }

    /// The walls are those of the sandbox's own policy, which the sender does not name. A keeper needs no place among what
    /// lives: it ends with its sandbox, or with this process.
    fn enter(&mut self, body: Body, result: &OwnedFd, init: &OwnedFd, stdio: Stdio<'_>) -> (Answer, Option<OwnedFd>) {
        let exec = match received(body) {
            Ok(Request { program, args, .. }) => ExecRequest { program, args },
            Err(error) => return refused(&error.to_string()),
        };
        if let Err(error) = exec.check() {
            return refused(&error.to_string());
        }
        // What lives is not reaped, so its number is its own.
        let found = sys::pid_of(init.as_fd()).and_then(|pid| Some((pid, self.live.get(&pid)?)));
        let (Some((pid, Live { door: Some(door), leaf, .. })), Ok(maker)) = (found, &mut self.maker) else {
            let ended = SetupFailure::new(Step::Enter, libc::ESRCH, None);
            return (Answer::Failed(ended), None);
        };
        let leaf = leaf.as_ref().map(|(leaf, _)| leaf.as_fd());
        let entered =
            door.open(pid, init.as_fd(), leaf, |entrance| maker.enter(entrance, &exec, stdio, result.as_fd()));
        match entered.and_then(|entered| entered) {
            Ok(Entering { pid, pidfd, warnings }) => (Answer::Started { pid, warnings }, Some(pidfd)),
            Err(failure) => (Answer::Failed(failure), None),
        }
    }

    /// The children are not reaped yet, so their numbers are theirs.
    fn end_all(&mut self) {
        for pid in self.live.keys() {
            let _ = kill(Pid::from_raw(*pid), Signal::SIGKILL);
        }
        for (pid, live) in std::mem::take(&mut self.live) {
            while waitpid(Pid::from_raw(pid), None) == Err(Errno::EINTR) {}
            live.end();
        }
    }
}

/// Its place among them.
fn also<'fd>(fds: &mut Vec<PollFd<'fd>>, fd: PollFd<'fd>) -> usize {
    fds.push(fd);
    fds.len() - 1
}

fn refused(why: &str) -> (Answer, Option<OwnedFd>) {
    (Answer::Refused(why.to_owned()), None)
}

fn received(body: Body) -> Result<Request> {
    request::decode(&body.read()?).map_err(Error::Protocol)
}

fn encode(answer: &Answer) -> Vec<u8> {
    // Strings and numbers always encode; were it not so, the empty answer is one that is not understood.
    serde_json::to_vec(answer).unwrap_or_default()
}
