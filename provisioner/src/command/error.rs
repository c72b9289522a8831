//! What commands fail with, each with the next step.

use std::io;
use std::path::PathBuf;

use crate::access::AccessError;
use crate::apply::ApplyError;
use crate::cloud::CloudError;
use crate::estate::BuildError;
use crate::kind::KindError;
use crate::permission::PermissionError;
use crate::plan::PlanError;
use crate::price::Money;
use crate::spec::Problems;
use crate::trail::TrailError;

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
    /// What the caller needs can't be said.
    #[error(transparent)]
    Permission(#[from] PermissionError),
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
    /// A plan's file can't be read.
    #[error("plan {} can't be read: {source}", path.display())]
    ReadPlan {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A plan's file holds none.
    #[error("{}: {source}", path.display())]
    Plan {
        /// The file.
        path: PathBuf,
        /// Why.
        source: PlanError,
    },
    /// There is no plan from what is there to what is wanted.
    #[error(transparent)]
    NoPlan(#[from] PlanError),
    /// A plan is for another command.
    #[error("{} is a plan to {}", path.display(), purpose)]
    OtherPurpose {
        /// The file.
        path: PathBuf,
        /// What it is for.
        purpose: &'static str,
    },
    /// A call to AWS failed.
    #[error(transparent)]
    Cloud(Box<CloudError>),
    /// The estate can't be read.
    #[error(transparent)]
    Kind(Box<KindError>),
    /// The spec can't be made an estate.
    #[error(transparent)]
    Build(Box<BuildError>),
    /// A plan wasn't carried out.
    #[error(transparent)]
    Apply(Box<ApplyError>),
    /// The trail can't be made, written or read.
    #[error(transparent)]
    Trail(Box<TrailError>),
    /// There is nobody to ask for a yes.
    #[error("{verb} asks before it changes anything, and stdin is no terminal to ask at")]
    NeedsYes {
        /// The command.
        verb: &'static str,
    },
    /// In Prod a yes isn't enough to destroy.
    #[error("estate {estate} is in Prod: destroying it takes its name too, and stdin is no terminal to ask at")]
    NeedsName {
        /// The estate.
        estate: String,
    },
    /// Another estate was meant.
    #[error("--name isn't the name of estate {estate}; nothing was changed")]
    OtherName {
        /// The estate that the spec is of.
        estate: String,
    },
    /// A lock isn't taken away while its holder is at work.
    #[error(
        "the estate's lock is held by {holder}, who renewed it {renewed} s ago: that run is at work, and would stop at \
         once, with what it has begun half done"
    )]
    LiveLock {
        /// Who holds it.
        holder: String,
        /// Seconds since it was renewed.
        renewed: i64,
    },
    /// A file can't be read.
    #[error("{} can't be read: {source}", path.display())]
    ReadFile {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A machine can't be reached.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// OpenSSH didn't start.
    #[error("ssh can't be started: {0}")]
    Ssh(#[source] io::Error),
    /// An output has no such value.
    #[error("there is no {name}: where {part:?} stands there is {known}")]
    NoOutput {
        /// What was asked for.
        name: String,
        /// The part that leads nowhere.
        part: String,
        /// What there is instead.
        known: String,
    },
    /// There is no such rule, kind or resource.
    #[error("there is no rule, kind or resource {what}")]
    NothingToExplain {
        /// What was asked for.
        what: String,
        /// The name that is most like it.
        nearest: String,
    },
    /// The estate would cost more than its budget.
    #[error("the estimate of {estimate} US dollars a month{} passes the budget of {budget}", at_least(*is_lower_bound))]
    OverBudget {
        /// What it would cost in a month.
        estimate: Money,
        /// Whether some of it has no price.
        is_lower_bound: bool,
        /// What it may cost.
        budget: Money,
    },
    /// The answer was no.
    #[error("not confirmed; nothing was changed")]
    NotConfirmed,
    /// There is no runtime for what waits for the network.
    #[error("the process can't start what waits for the network: {0}")]
    Runtime(#[source] io::Error),
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

/// How an estimate is said that lacks something.
fn at_least(is_lower_bound: bool) -> &'static str {
    if is_lower_bound { " or more" } else { "" }
}

/// Errors of other areas are large and rare, so they travel boxed.
macro_rules! boxed {
    ($($variant:ident: $error:ty),+) => {
        $(impl From<$error> for CommandError {
            fn from(error: $error) -> Self {
                Self::$variant(Box::new(error))
            }
        })+
    };
}
boxed!(Cloud: CloudError, Kind: KindError, Build: BuildError, Apply: ApplyError, Trail: TrailError);

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
            Self::ReadPlan { .. } => Some("`provision plan -o FILE` makes one".to_owned()),
            Self::OtherPurpose { .. } => Some("make another with `provision plan -o FILE`".to_owned()),
            Self::NeedsYes { .. } => Some("give --yes, once you have seen what `provision plan` shows".to_owned()),
            Self::NeedsName { estate } => {
                Some(format!("give --yes --name {estate}, once you have seen what `provision status` shows"))
            }
            Self::OtherName { .. } => Some("name the spec that is meant with -f".to_owned()),
            Self::LiveLock { .. } => {
                Some("wait for it, or ask whoever runs it; --force takes the lock away all the same".to_owned())
            }
            Self::ReadFile { .. } => Some("see that it is there, and its permissions".to_owned()),
            Self::Ssh(_) => Some("install OpenSSH's client; `provision ssh-config` serves others".to_owned()),
            Self::NoOutput { .. } => Some("`provision output` shows all that there is".to_owned()),
            Self::NothingToExplain { nearest, .. } => {
                Some(format!("did you mean {nearest}? `provision explain` lists rules and kinds"))
            }
            // Its message has the next step.
            Self::Access(_) => None,
            Self::OverBudget { .. } => Some(
                "make the estate smaller or `budget.monthly_usd` larger, or say why it may cost more for once: \
                 --over-budget REASON, which is recorded"
                    .to_owned(),
            ),
            // These say the next step in their message, which their own area knows best.
            Self::Plan { .. }
            | Self::NoPlan(_)
            | Self::Cloud(_)
            | Self::Kind(_)
            | Self::Build(_)
            | Self::Apply(_)
            | Self::Trail(_) => None,
            Self::NotConfirmed
            | Self::Permission(_)
            | Self::Runtime(_)
            | Self::Print(_)
            | Self::Terminal(_)
            | Self::Json(_) => None,
        }
    }
}
