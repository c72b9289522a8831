//! What can go wrong in the trail, named after what failed.
//!
//! Errors are `Clone` because one failed `fdatasync` answers every producer of its batch.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// A result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Why the trail refused or failed.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or directory of the spool could not be read or written.
    #[error("can't {action} {path}: {source}; check that the directory is there, writable, and not full")]
    Io {
        /// What was tried, as a verb: `write`, `open`, `lock`.
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: Arc<io::Error>,
    },
    /// The spool holds as much as it may, or the disk is full.
    #[error(
        "the audit spool {path} is full ({used} of {max} bytes wait to be shipped): nothing new is recorded, so nothing \
         new may be done; restore the way to the trail's store or give the spool more room"
    )]
    Full {
        /// The spool's directory.
        path: PathBuf,
        /// Bytes in it that the store has not confirmed.
        used: u64,
        /// How many it may hold.
        max: u64,
    },
    /// The disk under the spool has no room left.
    #[error("no space for the audit spool {path}: {source}; nothing new is recorded until there is room")]
    DiskFull {
        /// The spool's directory.
        path: PathBuf,
        /// What the system said.
        source: Arc<io::Error>,
    },
    /// A write or sync failed earlier. The kernel may have dropped the pages, so trying again would prove nothing.
    #[error("the audit spool {path} failed earlier ({reason}) and takes no more records; start again to recover it")]
    Poisoned {
        /// The spool's directory.
        path: PathBuf,
        /// The first failure.
        reason: String,
    },
    /// Another process has the spool open.
    #[error("the audit spool {path} is in use by another process; wait for it to end")]
    Locked {
        /// The spool's directory.
        path: PathBuf,
    },
    /// The stream was closed; a new one starts with the next open.
    #[error("the audit stream is closed; open the trail again to record more")]
    Closed,
    /// One record is larger than a record may be.
    #[error("the record of {event} has {bytes} bytes, at most {max} are allowed; record less of the request")]
    TooLarge {
        /// The event's name.
        event: String,
        /// Its size as a line.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// A field of the origin would not be safe in an object's key.
    #[error("{field} {value:?} can't be part of an object's key; {expected}")]
    Origin {
        /// Which field.
        field: &'static str,
        /// What it was.
        value: String,
        /// What it may be.
        expected: &'static str,
    },
    /// The writer's lasting key could not be read.
    #[error("the writer's key {path} is not usable: {reason}; move it away to make a new one, and trust that one anew")]
    Key {
        /// The key file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A file of the spool does not read as what it should be.
    #[error("{path} is damaged: {reason}; it was left as it is, move it away to go on")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The system gave no random bytes.
    #[error("the system's random generator failed: {0}")]
    Random(String),
    /// A record could not be written as JSON.
    #[error("the record of {event} can't be written as JSON: {reason}")]
    Render {
        /// The event's name.
        event: String,
        /// What the serializer said.
        reason: String,
    },
    /// The writer thread could not be started, or ended unexpectedly.
    #[error("the audit writer's thread is gone: {0}; start again to recover the spool")]
    Thread(String),
}

impl Error {
    pub(crate) fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Error {
        let path = path.into();
        move |source| Error::Io { action, path, source: Arc::new(source) }
    }

    pub(crate) fn damaged(path: impl Into<PathBuf>, reason: impl ToString) -> Error {
        Error::Damaged { path: path.into(), reason: reason.to_string() }
    }
}
