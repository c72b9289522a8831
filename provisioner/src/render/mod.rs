//! How results look: text for people, JSON for programs. No decisions are made here.
//!
//! Colour only underlines what the words say already. It is written always and taken out by `anstream` where the
//! stream is no terminal or `NO_COLOR` is set. Lines fit [`WIDTH`] columns, names of the user's own aside.

pub(crate) mod cost;
pub(crate) mod drift;
pub(crate) mod error;
pub(crate) mod explain;
pub(crate) mod lock;
pub(crate) mod permissions;
pub(crate) mod plan;
pub(crate) mod problem;
pub(crate) mod progress;
pub(crate) mod spec;
pub(crate) mod status;
pub(crate) mod text;
pub(crate) mod value;

use std::io::Write;

use serde::Serialize;

use crate::command::CommandError;

/// The columns that a line of text may take.
pub(crate) const WIDTH: usize = 100;

/// Where results go, and in which form.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    json: bool,
}

impl Output {
    /// Text, or one JSON document.
    pub(crate) fn new(json: bool) -> Self {
        Self { json }
    }

    /// Whether the result is wanted as JSON.
    pub(crate) fn is_json(self) -> bool {
        self.json
    }

    /// Prints the result as JSON.
    pub(crate) fn json(self, value: &impl Serialize) -> Result<(), CommandError> {
        let mut text = serde_json::to_string_pretty(value).map_err(CommandError::Json)?;
        text.push('\n');
        self.text(&text)
    }

    /// Prints the result as text, which ends its own lines.
    pub(crate) fn text(self, text: &str) -> Result<(), CommandError> {
        let mut stdout = anstream::stdout().lock();
        stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).map_err(CommandError::Print)
    }
}

/// Prints to stderr what isn't the result. Nothing is done where stderr is gone: there is nobody to tell.
pub(crate) fn note(text: &str) {
    let mut stderr = anstream::stderr().lock();
    let _ = stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush());
}
