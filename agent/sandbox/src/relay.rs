//! Carries the program's output where there is a limit on it, and counts it.
//!
//! Attack stopped here: a program that fills the caller's disk, or memory, through the descriptors that it was given. What is
//! more than the limit is read, so that nobody blocks, and goes nowhere.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use holdfast_sandbox::{LimitKind, Outcome};
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::{pipe2, read, write};

const BUFFER: usize = 64 * 1024;

/// Two pipes, for standard output and error.
pub(crate) struct Relay<'fd> {
    entrances: Option<[OwnedFd; 2]>,
    exits: [Option<OwnedFd>; 2],
    to: [BorrowedFd<'fd>; 2],
    left: u64,
    is_over: bool,
}

impl<'fd> Relay<'fd> {
    pub(crate) fn new(to: [BorrowedFd<'fd>; 2], limit: u64) -> Result<Relay<'fd>, Errno> {
        let (out, out_entrance) = pipe2(OFlag::O_CLOEXEC)?;
        let (err, err_entrance) = pipe2(OFlag::O_CLOEXEC)?;
        let (entrances, exits) = (Some([out_entrance, err_entrance]), [Some(out), Some(err)]);
        Ok(Relay { entrances, exits, to, left: limit, is_over: false })
    }

    /// What the program is to write to, until [`Relay::started`].
    pub(crate) fn entrances(&self) -> Option<[BorrowedFd<'_>; 2]> {
        self.entrances.as_ref().map(|pair| pair.each_ref().map(AsFd::as_fd))
    }

    /// The sandbox has the entrances: a pipe ends when it does.
    pub(crate) fn started(&mut self) {
        self.entrances = None;
    }

    /// What is to be polled, in the order that [`Relay::carry`] takes.
    pub(crate) fn exits(&self) -> impl Iterator<Item = (usize, BorrowedFd<'_>)> {
        self.exits.iter().enumerate().filter_map(|(at, exit)| exit.as_ref().map(|fd| (at, fd.as_fd())))
    }

    /// Carries what can be read. True when the limit is passed, once.
    pub(crate) fn carry(&mut self, ready: &[bool]) -> bool {
        let was_over = self.is_over;
        let open: Vec<usize> = self.exits().map(|(at, _)| at).collect();
        for (at, _) in open.into_iter().zip(ready).filter(|(_, ready)| **ready) {
            self.carry_once(at);
        }
        self.is_over && !was_over
    }

    /// Carries the rest, after the sandbox's end.
    pub(crate) fn finish(mut self, outcome: &mut Outcome) {
        for at in 0..self.exits.len() {
            while self.exits[at].is_some() {
                self.carry_once(at);
            }
        }
        // It may have ended by itself before it was ended.
        if self.is_over && !outcome.limits_hit.contains(&LimitKind::Output) {
            outcome.limits_hit.push(LimitKind::Output);
        }
    }

    /// An exit is closed at its end, and when nobody takes the output any more: then the program gets SIGPIPE, as it
    /// would without a relay.
    fn carry_once(&mut self, at: usize) {
        let Some(exit) = &self.exits[at] else { return };
        let mut buffer = [0; BUFFER];
        let length = match read(exit, &mut buffer) {
            Err(Errno::EINTR) => return,
            Ok(length) if length > 0 => length,
            _ => return self.exits[at] = None,
        };
        let allowed = usize::try_from(self.left).map_or(length, |left| left.min(length));
        self.left -= allowed as u64;
        self.is_over |= allowed < length;
        if write_all(self.to[at], &buffer[..allowed]).is_err() {
            self.exits[at] = None;
        }
    }
}

/// Waits for a reader that is slow, also where the caller's descriptor is a non-blocking one.
fn write_all(to: BorrowedFd<'_>, mut bytes: &[u8]) -> Result<(), Errno> {
    while !bytes.is_empty() {
        match write(to, bytes) {
            Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
            Err(Errno::EINTR) => {}
            Err(Errno::EAGAIN) => {
                poll(&mut [PollFd::new(to, PollFlags::POLLOUT)], PollTimeout::NONE)?;
            }
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}
