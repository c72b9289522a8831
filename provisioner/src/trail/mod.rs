//! The audit trail as `provision` makes, writes and reads it.
//!
//! - [`init`](mod@init) makes the trail's bucket and key in the central account, and sets them right again.
//! - [`Recorder`] witnesses what an apply does: records go to this machine's spool, and to the trail where a spec names one.
//! - [`list`](mod@list), [`show`](list::show) and [`verify`](mod@verify) read the trail alone: the bucket or a copy of it, never
//!   an estate.
//!
//! [`AuditCommand`] is the command line of `provision audit`, and [`run`] its answer; printing is the caller's.

mod arguments;
mod error;
pub mod init;
pub mod list;
mod place;
mod recorder;
mod source;
pub mod verify;

pub use arguments::{AuditCommand, InitArguments, ListArguments, ShowArguments, SourceArguments, VerifyArguments};
pub use error::TrailError;
pub(crate) use place::state;
pub use recorder::Recorder;

/// What a command of `provision audit` comes to.
#[derive(Debug)]
pub struct Answer {
    /// For people.
    pub text: String,
    /// For programs.
    pub json: serde_json::Value,
    /// Whether something was found: exit code 2.
    pub differences: bool,
}

/// Asks a person a question whose only yes is the second text.
pub type Ask<'a> = &'a mut (dyn FnMut(&str, &str) -> Result<bool, TrailError> + Send);

/// Runs a command of `provision audit`.
pub async fn run(command: &AuditCommand, ask: Ask<'_>) -> Result<Answer, TrailError> {
    match command {
        AuditCommand::Init(arguments) => init::run(arguments, ask).await,
        AuditCommand::List(arguments) => list::run(arguments).await,
        AuditCommand::Show(arguments) => list::show(arguments).await,
        AuditCommand::Verify(arguments) => verify::run(arguments).await,
    }
}
