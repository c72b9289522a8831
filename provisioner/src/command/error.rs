//! What commands fail with, each with the next step.

use std::io;
use std::path::PathBuf;

use crate::spec::Problems;

/// Why a command ended without its result.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CommandError {
    /// There is no spec.
    #[error("there is no {}", path.display())]
    NoSpec {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// The spec can't be read.
    #[error("{} can't be read: {source}", path.display())]
    ReadSpec {
        /// The spec.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The spec is wrong.
    #[error(transparent)]
    Spec(#[from] Problems),
    /// A file would be overwritten.
    #[error("{} is there already", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// A file can't be written.
    #[error("{} can't be written: {source}", path.display())]
    WriteFile {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A public key file can't be read or holds no such key.
    #[error("{}: {problem}", path.display())]
    SshKey {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
        /// What to do.
        help: Option<String>,
    },
    /// An answer was needed, and there is nobody to ask.
    #[error("this needs {}, and stdin is no terminal to ask at", flags.join(", "))]
    NobodyToAsk {
        /// The flags that answer.
        flags: Vec<&'static str>,
    },
    /// The questions weren't answered.
    #[error("the questions ended at \"{question}\"")]
    Unanswered {
        /// The last question.
        question: String,
    },
    /// The result can't be printed.
    #[error("the result can't be printed: {0}")]
    Print(#[source] io::Error),
    /// The terminal can't be used.
    #[error("the terminal can't be used: {0}")]
    Terminal(#[source] io::Error),
    /// A result can't be made JSON.
    #[error("the result can't be made JSON: {0}")]
    Json(#[source] serde_json::Error),
}

impl CommandError {
    /// The next step.
    pub(crate) fn help(&self) -> Option<String> {
        match self {
            Self::NoSpec { path } => {
                let file = path.display();
                let named = if path.as_os_str() == "estate.toml" { String::new() } else { format!(" -f {file}") };
                Some(format!("`provision init{named}` writes a first one; -f names another"))
            }
            Self::ReadSpec { source, .. } if source.kind() == io::ErrorKind::IsADirectory => {
                Some("name the file in it with -f".to_owned())
            }
            Self::ReadSpec { .. } | Self::WriteFile { .. } => {
                Some("see its directory's permissions and space".to_owned())
            }
            Self::Spec(_) => Some("correct them and run `provision validate`".to_owned()),
            Self::Exists { .. } => Some("name another file with -f, or move that one away".to_owned()),
            Self::SshKey { help, .. } => help.clone(),
            Self::NobodyToAsk { .. } => Some("give them as flags; `--help` says what each is".to_owned()),
            Self::Unanswered { .. } => Some("nothing was written; start again".to_owned()),
            Self::Print(_) | Self::Terminal(_) | Self::Json(_) => None,
        }
    }
}
