//! A sandbox that is ready before it is known what will run in it: how the program reaches its init.
//!
//! The owner and init have a SOCK_SEQPACKET socketpair. One message comes: the number of each descriptor that the program
//! gets (0, 1 and 2 first), the program and its arguments, and the descriptors. Nobody else has the owner's end, and what
//! init does with a message is no more than the policy allows. Where the owner closes its end, or its spawner ends, nothing
//! runs.
//!
//! This is the one part of init that allocates. It may: who makes sandboxes has one thread, so no lock was held when init
//! was cloned.

use std::os::fd::{BorrowedFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::channel;
use crate::clone::{Command, Plan};
use crate::error::{Context, Error, Result};
use crate::outcome::SetupFailure;
use crate::record::Failed;
use crate::sandbox::Stdio;
use crate::step::Step;
use crate::sys;

/// To init: run this.
pub(crate) fn send(init: BorrowedFd<'_>, program: &str, args: &[String], stdio: Stdio<'_>) -> Result<()> {
    let words = serde_json::to_vec(&(program, args)).map_err(|error| Error::Protocol(error.to_string()))?;
    let (numbers, fds): (Vec<u8>, Vec<_>) = stdio.all().map(|(number, fd)| (number as u8, fd)).unzip();
    match channel::send(init, &numbers, &[&words], &fds) {
        // It has ended; its outcome says why.
        Err(Errno::EPIPE | Errno::ECONNRESET) => Ok(()),
        sent => sent.context("message to a sandbox's init"),
    }
}

/// In init: waits for the program. It does not return where nobody is there to send one.
pub(crate) fn receive<'p>(plan: &Plan, init: RawFd, alive: RawFd) -> std::result::Result<Command, Failed<'p>> {
    wait(init, alive);
    match channel::receive(sys::borrow(init)) {
        Ok(Some(message)) => program(plan, message).map_err(|failure| told(&failure)),
        Ok(None) | Err(Errno::ECONNRESET) => sys::exit(1),
        Err(errno) => Err(Failed::of(Step::Request)(errno)),
    }
}

fn wait(init: RawFd, alive: RawFd) {
    loop {
        let mut fds = [init, alive].map(|fd| PollFd::new(sys::borrow(fd), PollFlags::POLLIN));
        // Whatever else it returns, the next round looks again.
        let _ = poll(&mut fds, PollTimeout::NONE);
        match (fds[0].any(), fds[1].any()) {
            (_, Some(true)) => sys::exit(1),
            (Some(true), _) => return,
            _ => {}
        }
    }
}

fn program(plan: &Plan, message: channel::Message) -> std::result::Result<Command, SetupFailure> {
    let refused = |errno: Errno| SetupFailure::new(Step::Request, errno as i32, None);
    let bytes = message.body.read().map_err(|_| refused(Errno::EINVAL))?;
    let (program, args): (String, Vec<String>) = serde_json::from_slice(&bytes).map_err(|_| refused(Errno::EINVAL))?;
    let given: Vec<OwnedFd> = message.fds;
    let mut passed = Vec::new();
    let stdio = Stdio::received(&message.head, &given, &mut passed).ok_or_else(|| refused(Errno::EINVAL))?;
    let program = Command::plan(&plan.surroundings, &program, &args, stdio, plan.landlock.as_ref())?;
    // From here on they are known by their numbers.
    std::mem::forget(given);
    Ok(program)
}

/// Init ends with the record, so its memory may stay.
fn told<'p>(failure: &SetupFailure) -> Failed<'p> {
    let subject = failure.subject.clone().unwrap_or_default().into_bytes();
    Failed { step: failure.step, errno: failure.errno, subject: subject.leak() }
}
