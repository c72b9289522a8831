//! The next sandbox's network, made while a program runs: of all namespaces it takes the kernel longest.
//!
//! Whoever makes many sandboxes moves into a network namespace that has nothing but loopback. The next sandbox is born
//! there: clone3(2) without CLONE_NEWNET leaves a child in its parent's. It is given once ([`Ahead::take`]), and the maker
//! moves into another before it gives one again, so no two sandboxes have the same.
//!
//! It belongs to the user namespace of its maker, so that not even a capability of the sandbox's would be one over it.

use nix::sched::{CloneFlags, unshare};

use crate::sys;

/// What a maker has ahead.
#[derive(Debug)]
pub(crate) struct Ahead {
    /// Whether this process makes any: it may, and makes more than one sandbox.
    makes: bool,
    /// Whether it is in one that nobody was given.
    is_made: bool,
}

impl Ahead {
    pub(crate) fn new(makes: bool) -> Ahead {
        Ahead { makes, is_made: false }
    }

    /// Whether one could be made.
    pub(crate) fn is_due(&self) -> bool {
        self.makes && !self.is_made
    }

    /// Makes one. Where that fails, the next sandbox's is made by clone3, which tells why if it fails there too.
    pub(crate) fn make(&mut self) {
        if self.is_due() {
            self.is_made = unshare(CloneFlags::CLONE_NEWNET).and_then(|()| sys::loopback_up()).is_ok();
        }
    }

    /// Whether the next child, and no other, has a network of its own without CLONE_NEWNET.
    pub(crate) fn take(&mut self) -> bool {
        std::mem::take(&mut self.is_made)
    }
}
