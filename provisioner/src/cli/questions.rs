//! Arguments of the commands that only ask.

use std::path::PathBuf;

use clap::Args;

use super::SpecFile;

/// Arguments of `explain`.
#[derive(Debug, Args)]
pub struct ExplainArguments {
    /// A rule, or a resource: its id in the estate, its kind, its name or its id in AWS. Without it, what there is
    pub what: Option<String>,

    /// Which spec.
    #[command(flatten)]
    pub spec: SpecFile,
}

/// Arguments of `output`.
#[derive(Debug, Args)]
pub struct OutputArguments {
    /// Only this value, raw: `bastion.public_address`, `hosts.worker.0.instance`, `resources.vpc.id`
    pub name: Option<String>,

    /// Which spec.
    #[command(flatten)]
    pub spec: SpecFile,
}

/// How SSH shall connect.
#[derive(Clone, Debug, Args)]
pub struct SshArguments {
    /// Whom to log in as: the image's default user, to whom the spec's SSH keys are given
    #[arg(long, value_name = "NAME", default_value = "admin", value_parser = user)]
    pub user: String,

    /// The private key to log in with, and no other; by default OpenSSH's own and its agent's
    #[arg(short, long, value_name = "FILE")]
    pub identity: Option<PathBuf>,

    /// Host keys, by instance id; by default OpenSSH's own file
    #[arg(long, value_name = "FILE")]
    pub known_hosts: Option<PathBuf>,
}

/// Arguments of `connect`.
#[derive(Debug, Args)]
pub struct ConnectArguments {
    /// The host: worker-3, worker/3, an instance id, a private address, or bastion
    pub host: String,

    /// How.
    #[command(flatten)]
    pub ssh: SshArguments,

    /// Which spec.
    #[command(flatten)]
    pub spec: SpecFile,

    /// A command to run there instead of a shell; its words are joined by spaces, as ssh does
    #[arg(last = true)]
    pub command: Vec<String>,
}

/// Arguments of `ssh-config`.
#[derive(Debug, Args)]
pub struct SshConfigArguments {
    /// How.
    #[command(flatten)]
    pub ssh: SshArguments,

    /// Which spec.
    #[command(flatten)]
    pub spec: SpecFile,
}

/// A user's name as Linux takes it (useradd(8)): nothing that a line of ssh_config(5) could be broken by.
fn user(text: &str) -> Result<String, &'static str> {
    let begins = text.starts_with(|first: char| first.is_ascii_lowercase() || first == '_');
    let rest = text.chars().all(|one| one.is_ascii_lowercase() || one.is_ascii_digit() || "_-".contains(one));
    if begins && rest && text.len() <= 32 { Ok(text.to_owned()) } else { Err("a user's name is like `admin`") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_a_name_and_nothing_else() {
        for good in ["admin", "_apt", "ci-runner2"] {
            assert!(user(good).is_ok(), "{good}");
        }
        for bad in ["", "-oProxyCommand=id", "a b", "a\nProxyCommand id", "Admin", "x%h"] {
            assert!(user(bad).is_err(), "{bad:?}");
        }
    }
}
