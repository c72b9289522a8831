//! The command line of `provision audit`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::cli::SpecFile;
use crate::spec::{AccountId, Region};

/// Make, read and verify the audit trail in its central account
#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// Make the trail's bucket and key, or set them right; with the audit account's credentials
    #[command(after_help = "\
Examples:
  provision audit init --account 222222222222 --region eu-central-1
  provision audit init --account 222222222222 --region eu-central-1 \\
      --reader arn:aws:iam::222222222222:role/auditor --retention-days 365")]
    Init(InitArguments),

    /// List records, oldest first; with an auditor's credentials
    #[command(after_help = "\
Examples:
  provision audit list                             the trail that estate.toml names
  provision audit list --from s3://holdfast-trail-222222222222-eu-central-1 --since 7d --event RunInstances
  provision audit list --json | jq -r '.[].userIdentity.arn' | sort | uniq -c")]
    List(ListArguments),

    /// Show one record whole
    #[command(after_help = "\
Examples:
  provision audit show 0c5fd1a3-6d0c-4a8e-9a0e-1f1f3f0f8a11")]
    Show(ShowArguments),

    /// Verify that nothing was changed, removed or put in
    #[command(after_help = "\
Examples:
  provision audit verify                           ends with 2 where something was found
  provision audit verify --from file:///mnt/copy --trust /secure/trust.json

The first verification trusts each writer by the key that it shows, and says so; later ones hold writers to that, and the trail to
where it stood. Keep one trust file for each trail, outside both accounts.")]
    Verify(VerifyArguments),
}

/// Arguments of `audit init`.
#[derive(Clone, Debug, Args)]
pub struct InitArguments {
    /// The central account; the credentials must be of it
    #[arg(long, value_name = "ID")]
    pub account: AccountId,

    /// Where the trail is kept
    #[arg(long)]
    pub region: Region,

    /// Who may read: a role or user of the central account, repeatable; the caller if there is none yet
    #[arg(long, value_name = "ARN")]
    pub reader: Vec<String>,

    /// How long a record can't be deleted, in days; 30 unless it is set already
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(1..=36_500))]
    pub retention_days: Option<i32>,

    /// Lock records so that nobody, AWS included, can delete them early; can't be undone and asks twice
    #[arg(long)]
    pub compliance: bool,
}

/// Where a trail is read from.
#[derive(Clone, Debug, Args)]
pub struct SourceArguments {
    /// The trail or a copy of it: s3://bucket or file:///directory; what the spec names, unless given
    #[arg(long, value_name = "URL")]
    pub from: Option<String>,

    /// The spec that names the trail.
    #[command(flatten)]
    pub spec: SpecFile,
}

/// Arguments of `audit list`.
#[derive(Clone, Debug, Args)]
pub struct ListArguments {
    /// Where from.
    #[command(flatten)]
    pub source: SourceArguments,

    /// Only records since a time, such as 2026-11-24 or 2026-11-24T09:00:00Z, or for the last 90m, 12h or 7d
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,

    /// Only what a writer wrote: a part of its user id is enough, such as an instance's id
    #[arg(long, value_name = "ID")]
    pub writer: Option<String>,

    /// Only events of this name, such as RunInstances
    #[arg(long, value_name = "NAME")]
    pub event: Option<String>,
}

/// Arguments of `audit show`.
#[derive(Clone, Debug, Args)]
pub struct ShowArguments {
    /// The record's event id
    #[arg(value_name = "EVENT-ID")]
    pub id: String,

    /// Where from.
    #[command(flatten)]
    pub source: SourceArguments,
}

/// Arguments of `audit verify`.
#[derive(Clone, Debug, Args)]
pub struct VerifyArguments {
    /// Where from.
    #[command(flatten)]
    pub source: SourceArguments,

    /// What is believed and how far it was verified; kept outside both accounts
    /// [default: $XDG_STATE_HOME/holdfast/trust.json]
    #[arg(long, value_name = "FILE")]
    pub trust: Option<PathBuf>,

    /// Trust writers that the trust file does not know, by the key that they show now
    #[arg(long)]
    pub trust_new_writers: bool,
}
