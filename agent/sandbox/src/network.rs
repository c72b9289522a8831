//! Where a sandbox's network comes from. Of all namespaces it is the one that takes the kernel longest, so a spawner that
//! may, which is the host's root's, makes the next one while a program runs.
//!
//! It moves into a network namespace with nothing but loopback in it, and what it clones there without CLONE_NEWNET is
//! a sandbox's init, born there. Where that can't be, clone3 makes the network with the other namespaces, and tells why if
//! it can't either.
//!
//! No two sandboxes have the same: a spawner stays in the one that it has given, but leaves it before it clones another's
//! init. Its other children are born there too. Of these only a keeper ever runs a program, and it joins its own sandbox's
//! network before (`enter.rs`), or ends.
//!
//! It belongs to the user namespace of its maker: no capability of the sandbox's could be one over it.
//!
//! A single sandbox's, made by a thread while all else is planned, was tried: it took no less time, as the scheduler lets
//! the thread begin when its maker waits for it.

use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};

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
}

impl Networks {
    /// Whether the next one could be made now.
    pub(crate) fn is_due(&self) -> bool {
        matches!(self, Networks::Ahead { is_made: false })
    }

    /// Makes the next one. What fails is tried again when it is needed.
    pub(crate) fn make_ahead(&mut self) {
        if self.is_due() {
            match unshare(CloneFlags::CLONE_NEWNET).and_then(|()| sys::loopback_up()) {
                Ok(()) => *self = Networks::Ahead { is_made: true },
                // A root that has not the right never gets it.
                Err(Errno::EPERM) => *self = Networks::Cloned,
                Err(_) => {}
            }
        }
    }

    /// Whether this process is in a network that no other sandbox has, which the next child gets, and no other.
    pub(crate) fn take(&mut self) -> bool {
        self.make_ahead();
        match self {
            Networks::Cloned => false,
            Networks::Ahead { is_made } => std::mem::take(is_made),
        }
    }
}
