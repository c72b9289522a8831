//! What an apply tells whoever looks on. Nothing depends on it.

use std::time::Duration;

use crate::plan::{Change, Operation};

/// Something that happened.
#[derive(Clone, Debug)]
pub enum Event<'a> {
    /// The cloud is read.
    Discovering,
    /// The estate's lock is held.
    Locked,
    /// An act begins.
    Started {
        /// Of which change.
        change: &'a Change,
        /// Which act.
        operation: Operation,
    },
    /// An act waits for something.
    Waiting {
        /// Of which change.
        change: &'a Change,
        /// For what.
        what: String,
    },
    /// An act has ended.
    Finished {
        /// Of which change.
        change: &'a Change,
        /// Which act.
        operation: Operation,
        /// How long it took.
        took: Duration,
        /// What went wrong, if something did.
        error: Option<String>,
    },
    /// No more is begun, since somebody asked to stop or something failed.
    Stopping {
        /// How many acts are still under way.
        under_way: usize,
    },
}

/// Somebody who looks on.
pub trait Progress: Send + Sync {
    /// Takes an event; returns at once.
    fn event(&self, event: Event<'_>);
}

/// Nobody.
#[derive(Clone, Copy, Debug)]
pub struct Silent;

impl Progress for Silent {
    fn event(&self, _event: Event<'_>) {}
}
