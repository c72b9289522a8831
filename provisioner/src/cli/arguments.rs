//! Commands and their arguments.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{ArgAction, Args, Parser, Subcommand};
use clap_complete::Shell;

use super::{ConnectArguments, ExplainArguments, OutputArguments, SshConfigArguments};
use crate::apply::Options;
use crate::spec::{AccountId, BastionRange, Description, Email, Environment, EstateName, ImageId, Region, TagValue};
use crate::trail::AuditCommand;

const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  an error, wrong usage too
  2  differences found (`plan --detailed-exitcode`, `drift`, `audit verify`)";

/// Makes, changes and ends an AWS estate of isolation hosts, and reads its audit trail.
///
/// An estate is described by a file, estate.toml. There is no other state: what belongs to an estate is known by its
/// tags in AWS.
#[derive(Debug, Parser)]
#[command(name = "provision", version, max_term_width = 100, after_help = EXIT_CODES, subcommand_required = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,

    /// Log more to stderr; -vv logs each call to AWS. RUST_LOG chooses finer
    #[arg(short, long, action = ArgAction::Count, global = true)]
    pub verbose: u8,

    /// Print one JSON document to stdout instead of text
    #[arg(long, global = true)]
    pub json: bool,
}

/// What can be done.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Write a first spec, with comments
    #[command(after_help = "\
Examples:
  provision init                                   asks for what it needs, on a terminal
  provision init --name judge --region eu-central-1 --account 111111111111 \\
      --description 'Runs the programs of contestants' --project contest --department engineering \\
      --environment Test --allow 203.0.113.0/24 --ssh-key ~/.ssh/id_ed25519.pub \\
      --image ami-0123456789abcdef0 --alert ops@example.org --audit-account 222222222222")]
    Init(Box<InitArguments>),

    /// Check a spec in all of its environments, without any call to AWS
    #[command(after_help = "\
Examples:
  provision validate                               checks estate.toml
  provision validate -f prod.toml --json           prints every problem with its place")]
    Validate(SpecFile),

    /// Print what a spec may say: as JSON Schema, by which editors complete it
    #[command(after_help = "\
Examples:
  provision schema > estate.schema.json            what the line `#:schema ./estate.schema.json` of a spec names
  provision schema --markdown                      the reference, for people")]
    Schema(SchemaArguments),

    /// Show what apply would do, and do nothing
    #[command(after_help = "\
Examples:
  provision plan                                   what would change, and why
  provision plan -o plan.json                      keeps it: `provision apply --plan plan.json` does exactly that
  provision plan --detailed-exitcode               ends with 2 where something would change")]
    Plan(PlanArguments),

    /// Make the estate what its spec says, after asking
    #[command(after_help = "\
Examples:
  provision apply                                  shows the plan, asks, and carries it out
  provision apply --plan plan.json                 carries out what was seen, or refuses since the world moved
  provision apply --yes --json                     asks nothing; prints what was done as JSON

Ctrl-C stops once what is under way has ended; apply again goes on from there.")]
    Apply(ApplyArguments),

    /// Show what there is of the estate: resources, tags, hosts, spend against the budget
    #[command(after_help = "\
Examples:
  provision status
  provision status --json | jq -r '.hosts[][].private_address'")]
    Status(SpecFile),

    /// Show what changed behind the estate's back since the last apply, property by property
    #[command(after_help = "\
Examples:
  provision drift                                  ends with 2 where something changed, with 0 where nothing did
  provision drift --json | jq -r '.resources[].id'

`provision apply` puts it right. What can't be seen is listed, with why.")]
    Drift(SpecFile),

    /// Delete all of the estate, and nothing else, after asking for its name
    #[command(after_help = "\
Examples:
  provision destroy                                shows what goes, asks for the estate's name, deletes
  provision destroy -f test.toml --yes             asks nothing
  provision destroy -f prod.toml --yes --name judge
                                                   in Prod a yes isn't enough: the name must be given too

What stays is named: the key until its deletion is due, and the audit trail.")]
    Destroy(DestroyArguments),

    /// Take away the lock that a run left behind which ended without giving it back
    #[command(after_help = "\
Examples:
  provision unlock                                 shows who holds it and until when, and asks
  provision unlock --yes --force                   takes away a lock that is still renewed: its run stops at once

An apply takes over an expired lock by itself; this is for whoever wants it gone without one.")]
    Unlock(UnlockArguments),

    /// Show the least IAM policy that whoever runs these commands needs, without any call to AWS
    #[command(after_help = "\
Examples:
  provision permissions                            each managed policy as JSON, and why its statements are there
  provision permissions --json | jq '.policies[0].document' > policy.json")]
    Permissions(SpecFile),

    /// Show what the estate costs: an estimate by group and tag, and what AWS Budgets has counted
    #[command(after_help = "\
Examples:
  provision cost
  provision cost --json | jq -r .estimate.total_usd

Prices are AWS's list prices of the date that is shown; `provision plan` shows what a change would cost.")]
    Cost(SpecFile),

    /// Say why a resource is there and why it is as it is, or what a rule says
    #[command(after_help = "\
Examples:
  provision explain                                lists rules and kinds of resources
  provision explain imdsv2                         a rule, the practice behind it, what to do instead
  provision explain security-group-rules/bastion   a resource: the spec's line, what needs it, what it costs
  provision explain vpc-0123456789abcdef0          the same, by its id in AWS")]
    Explain(ExplainArguments),

    /// Print addresses, ids and names as JSON, for other tools
    #[command(after_help = "\
Examples:
  provision output                                 all: bastion, hosts by group, resources by id
  provision output bastion.public_address          one value, raw
  provision output hosts.worker.0.private_address
  provision output resources.vpc.id")]
    Output(OutputArguments),

    /// Open a shell on a host, or run a command there, by SSH through the bastion
    #[command(after_help = "\
Examples:
  provision connect worker-0                       a shell on the first host of group worker
  provision connect bastion
  provision connect i-0123456789abcdef0 -- journalctl -u holdfast-agent -n 20
  provision connect worker-3 --known-hosts hosts.pub --user ana

Host keys must be known under the instance's id; an unknown one is refused. No agent is forwarded. The exit code is
that of ssh, which is that of the command.")]
    Connect(ConnectArguments),

    /// Print OpenSSH's configuration for all machines of the estate
    #[command(after_help = "\
Examples:
  provision ssh-config > ~/.ssh/judge.conf         with `Include judge.conf` in ~/.ssh/config:
  ssh judge-worker-0
  scp judge-worker-0:/var/log/syslog .
  provision ssh-config --json | jq -r '.machines[].alias'")]
    SshConfig(SshConfigArguments),

    /// Print what a shell completes commands and options by
    #[command(after_help = "\
Examples:
  provision completions bash > ~/.local/share/bash-completion/completions/provision
  provision completions zsh > ~/.zfunc/_provision
  provision completions fish > ~/.config/fish/completions/provision.fish")]
    Completions {
        /// The shell
        shell: Shell,
    },

    /// Make, read and verify the audit trail in its central account
    Audit {
        /// What to do with it.
        #[command(subcommand)]
        command: AuditCommand,
    },
}

/// Arguments of `schema`.
#[derive(Debug, Args)]
pub struct SchemaArguments {
    /// Print the reference of all settings as Markdown
    #[arg(long, conflicts_with = "json")]
    pub markdown: bool,
}

/// Arguments of `plan`.
#[derive(Debug, Args)]
pub struct PlanArguments {
    /// Which spec.
    #[command(flatten)]
    pub spec: SpecFile,

    /// Keep the plan in a file, for apply --plan
    #[arg(short, long, value_name = "FILE")]
    pub out: Option<PathBuf>,

    /// Show every property of what would be made
    #[arg(long)]
    pub full: bool,

    /// End with 2 where something would change
    #[arg(long)]
    pub detailed_exitcode: bool,
}

/// Arguments of `apply`.
#[derive(Debug, Args)]
pub struct ApplyArguments {
    /// Which spec.
    #[command(flatten)]
    pub spec: SpecFile,

    /// Carry out this plan instead of making one from the spec
    #[arg(long, value_name = "FILE", conflicts_with_all = ["file", "environment"])]
    pub plan: Option<PathBuf>,

    /// Go on though the estimate passes the budget; the reason is recorded
    #[arg(long, value_name = "REASON", value_parser = reason)]
    pub over_budget: Option<String>,

    /// Don't ask
    #[arg(short, long)]
    pub yes: bool,

    /// How much is done at once.
    #[command(flatten)]
    pub pace: Pace,
}

/// A reason in somebody's words.
fn reason(text: &str) -> Result<String, &'static str> {
    let text = text.trim();
    if text.is_empty() { Err("a reason has words") } else { Ok(text.to_owned()) }
}

/// Arguments of `destroy`.
#[derive(Debug, Args)]
pub struct DestroyArguments {
    /// Which spec.
    #[command(flatten)]
    pub spec: SpecFile,

    /// Don't ask; in Prod it takes --name too
    #[arg(short, long)]
    pub yes: bool,

    /// The estate's name, instead of typing it where it is asked for
    #[arg(long, value_name = "ESTATE", requires = "yes")]
    pub name: Option<EstateName>,

    /// How much is done at once.
    #[command(flatten)]
    pub pace: Pace,
}

/// Arguments of `unlock`.
#[derive(Debug, Args)]
pub struct UnlockArguments {
    /// Which spec.
    #[command(flatten)]
    pub spec: SpecFile,

    /// Don't ask
    #[arg(short, long)]
    pub yes: bool,

    /// Also a lock that hasn't expired
    #[arg(long)]
    pub force: bool,
}

/// How much is done at once.
#[derive(Clone, Copy, Debug, Args)]
pub struct Pace {
    /// How many resources are made, changed or deleted at once
    #[arg(long, value_name = "N", default_value_t = Options::default().parallelism)]
    pub parallelism: NonZeroUsize,
}

/// Which spec.
#[derive(Clone, Debug, Args)]
pub struct SpecFile {
    /// The estate's spec
    #[arg(short, long, value_name = "FILE", default_value = "estate.toml")]
    pub file: PathBuf,

    /// Which of the spec's environments: Prod, Dev or Test
    #[arg(short, long, value_name = "NAME")]
    pub environment: Option<Environment>,
}

/// What `init` asks for where it isn't given.
#[derive(Clone, Debug, Default, Args)]
pub struct InitArguments {
    /// Where to write the spec; a file that is there is left as it is
    #[arg(short, long, value_name = "FILE", default_value = "estate.toml")]
    pub file: PathBuf,

    /// The estate's name, which is in its resources' names
    #[arg(long)]
    pub name: Option<EstateName>,

    /// Where it shall be, such as eu-central-1
    #[arg(long)]
    pub region: Option<Region>,

    /// The only account that it may be made in
    #[arg(long, value_name = "ID")]
    pub account: Option<AccountId>,

    /// What it is for
    #[arg(long, value_name = "TEXT")]
    pub description: Option<Description>,

    /// The tag Project on everything
    #[arg(long, value_name = "TAG")]
    pub project: Option<TagValue>,

    /// The tag Department on everything
    #[arg(long, value_name = "TAG")]
    pub department: Option<TagValue>,

    /// The tag Environment on everything: Prod, Dev or Test
    #[arg(long, value_name = "TAG")]
    pub environment: Option<Environment>,

    /// The range that may open SSH connections to the bastion, no wider than /8
    #[arg(long, value_name = "CIDR")]
    pub allow: Option<BastionRange>,

    /// A public key file, whose key may log in at the bastion
    #[arg(long, value_name = "FILE.pub")]
    pub ssh_key: Option<PathBuf>,

    /// The image that bastion and hosts boot from
    #[arg(long, value_name = "AMI")]
    pub image: Option<ImageId>,

    /// How many hosts the first group has
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=1000))]
    pub hosts: Option<u32>,

    /// What it may cost in a month, in US dollars
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub monthly_usd: Option<u32>,

    /// Who is told when the money runs out
    #[arg(long, value_name = "E-MAIL")]
    pub alert: Option<Email>,

    /// The account that keeps the audit trail; another than the estate's
    #[arg(long, value_name = "ID")]
    pub audit_account: Option<AccountId>,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_has_no_contradictions() {
        Cli::command().debug_assert();
    }
}
