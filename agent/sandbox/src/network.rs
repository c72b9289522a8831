//! Where a sandbox's network comes from. Of all namespaces it is the one that takes the kernel longest, so whoever may,
//! which is the host's root, has it made while something else is done.
//!
//! A maker enters a network namespace with nothing but loopback in it, and what it clones there without CLONE_NEWNET is
//! a sandbox's init, born there. Where that can't be, clone3 makes the network with the other namespaces, and tells why if
//! it can't either.
//!
//! No two sandboxes have the same: what a maker has entered for one it leaves before it clones another's init. A spawner
//! stays until then, and its other children are born there too. Of these only a keeper ever runs a program, and it joins
//! its own sandbox's network before (`enter.rs`), or ends.
//!
//! It belongs to the user namespace of its maker: no capability of the sandbox's could be one over it.

use std::fs::File;
use std::path::Path;
use std::thread::JoinHandle;

use nix::errno::Errno;
use nix::sched::{CloneFlags, setns, unshare};
use nix::unistd::{Pid, gettid};

use crate::sys;

/// What a maker does for the networks of its sandboxes.
#[derive(Debug)]
pub(crate) enum Networks {
    /// Nothing: clone3 makes them.
    Cloned,
    /// Makes each itself, and the next one ahead.
    Ahead {
        /// Whether it is in one that nobody was given.
        is_made: bool,
    },
    /// Has the only one made by a thread.
    Beside(Thread),
}

/// It is gone when it has been asked for its network, or is dropped: who makes a sandbox has one thread.
#[derive(Debug)]
pub(crate) struct Thread(Option<JoinHandle<(Pid, Result<File, Errno>)>>);

/// This process is in a network that its next child is to have.
#[must_use]
pub(crate) struct Entered {
    /// Where it comes from, if it goes back.
    home: Option<File>,
}

impl Networks {
    /// Begins to make one, in a thread.
    pub(crate) fn beside() -> Networks {
        let network = || {
            make()?;
            File::open("/proc/thread-self/ns/net").map_err(|error| Errno::from_raw(error.raw_os_error().unwrap_or(0)))
        };
        let thread = std::thread::Builder::new().spawn(move || (gettid(), network()));
        Networks::Beside(Thread(thread.ok()))
    }

    /// Whether the next one could be made now.
    pub(crate) fn is_due(&self) -> bool {
        matches!(self, Networks::Ahead { is_made: false })
    }

    /// Makes the next one. What fails is tried again when it is needed.
    pub(crate) fn make_ahead(&mut self) {
        if self.is_due() {
            match make() {
                Ok(()) => *self = Networks::Ahead { is_made: true },
                // A root that has not the right never gets it.
                Err(Errno::EPERM) => *self = Networks::Cloned,
                Err(_) => {}
            }
        }
    }

    /// Enters a network that no other sandbox has, if that is how they are made.
    pub(crate) fn enter(&mut self) -> Option<Entered> {
        self.make_ahead();
        match self {
            Networks::Cloned => None,
            Networks::Ahead { is_made } => std::mem::take(is_made).then_some(Entered { home: None }),
            Networks::Beside(thread) => visit(&thread.network()?),
        }
    }
}

impl Thread {
    fn network(&mut self) -> Option<File> {
        let (id, network) = self.0.take()?.join().ok()?;
        // The C library is done with it a moment before the kernel is.
        while Path::new(&format!("/proc/self/task/{id}")).exists() {
            std::thread::yield_now();
        }
        network.ok()
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        self.network();
    }
}

impl Entered {
    /// Goes back to where it was, if it was to.
    pub(crate) fn leave(self) -> Result<(), Errno> {
        self.home.map_or(Ok(()), |home| setns(home, CloneFlags::CLONE_NEWNET))
    }
}

/// This thread is in a new one from here on.
fn make() -> Result<(), Errno> {
    unshare(CloneFlags::CLONE_NEWNET)?;
    sys::loopback_up()
}

fn visit(network: &File) -> Option<Entered> {
    let home = File::open("/proc/self/ns/net").ok()?;
    // Who has no right to come back, because its own belongs to another user namespace, doesn't go.
    setns(&home, CloneFlags::CLONE_NEWNET).ok()?;
    setns(network, CloneFlags::CLONE_NEWNET).ok()?;
    Some(Entered { home: Some(home) })
}
