//! What each command does, from its arguments to its result: one file a command.

pub(crate) mod apply;
pub(crate) mod audit;
mod carry_out;
pub(crate) mod completions;
pub(crate) mod connect;
pub(crate) mod cost;
pub(crate) mod destroy;
pub(crate) mod drift;
pub(crate) mod error;
pub(crate) mod explain;
pub(crate) mod init;
mod interrupt;
pub(crate) mod output;
pub(crate) mod permissions;
pub(crate) mod plan;
mod plan_file;
mod prompt;
mod runtime;
pub(crate) mod schema;
mod spec_file;
pub(crate) mod status;
pub(crate) mod unlock;
pub(crate) mod validate;

pub(crate) use error::CommandError;
