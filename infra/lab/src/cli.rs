//! The command line of the lab.

use clap::{Args, Parser, Subcommand, ValueEnum};
use holdfast_lab::{Account, Identity};

const EXAMPLES: &str = "\
Examples:
  cargo lab up                              start it, or say that it is up
  eval \"$(cargo lab env)\"                   point this shell at it, as the workloads account
  eval \"$(cargo lab env --account audit)\"   … as the audit account
  cargo lab env --instance i-0123456789abcdef0 --json
  cargo lab down                            end it

Exit codes: 0 done, 1 error.";

/// The cloud in a box: a strict control plane on this machine, and what runs against it.
#[derive(Debug, Parser)]
#[command(name = "cargo lab", bin_name = "cargo lab", version, after_help = EXAMPLES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start the control plane, installing what it needs; twice is one lab.
    Up(UpArguments),
    /// End the control plane that `up` started; all that was made in it is gone.
    Down,
    /// Print the variables that point any AWS SDK or the AWS CLI at the lab.
    Env(EnvArguments),
    /// Show all that Holdfast does, once, in a lab of the demo's own: launch, contain, prove.
    Demo,
    /// Run every check of the project: formatting, lints, dependencies, documentation, tests, the demo.
    Test,
}

#[derive(Debug, Args)]
pub(crate) struct UpArguments {
    /// Hide what is made, changed and deleted from N requests after it, as AWS's eventual consistency does; 0 ends it.
    #[arg(long, value_name = "N")]
    pub(crate) eventual: Option<u32>,
}

#[derive(Debug, Args)]
pub(crate) struct EnvArguments {
    /// Act as the operator in this account.
    #[arg(long, value_enum, default_value_t = AccountName::Workloads, conflicts_with = "instance")]
    account: AccountName,
    /// Act as this instance, with the credentials of its profile's role.
    #[arg(long, value_name = "ID")]
    instance: Option<String>,
    /// Print a JSON object instead of `export` lines.
    #[arg(long)]
    pub(crate) json: bool,
}

impl EnvArguments {
    /// Whom the variables act as.
    pub(crate) fn identity(&self) -> Identity {
        match (&self.instance, self.account) {
            (Some(id), _) => Identity::Instance(id.clone()),
            (None, AccountName::Workloads) => Account::Workloads.into(),
            (None, AccountName::Audit) => Account::Audit.into(),
        }
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum AccountName {
    Workloads,
    Audit,
}
