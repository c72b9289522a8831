//! What each command does, from its arguments to its result: one file a command.

pub(crate) mod error;
pub(crate) mod init;
pub(crate) mod prompt;
pub(crate) mod spec_file;
pub(crate) mod validate;

pub(crate) use error::CommandError;
