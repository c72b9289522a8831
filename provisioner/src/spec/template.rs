//! The first spec that `provision init` writes: short, with a comment for each thing that a newcomer asks.

use std::fmt::Write;

use super::{
    AccountId, BastionRange, Description, Email, Environment, EstateName, ImageId, Region, SshPublicKey, TagValue,
};

/// What a first spec needs to know.
#[derive(Clone, Debug)]
pub struct Answers {
    /// The estate's name.
    pub name: EstateName,
    /// Its region.
    pub region: Region,
    /// Its account.
    pub account: AccountId,
    /// What it is for.
    pub description: Description,
    /// The tag `Project`.
    pub project: TagValue,
    /// The tag `Department`.
    pub department: TagValue,
    /// The tag `Environment`.
    pub environment: Environment,
    /// The range that the people who run it come from.
    pub allow: BastionRange,
    /// The key that logs in at the bastion.
    pub ssh_key: SshPublicKey,
    /// The image of bastion and hosts.
    pub image: ImageId,
    /// The hosts in the first group.
    pub hosts: u32,
    /// US dollars in a month.
    pub monthly_usd: u32,
    /// Who is told when the money runs out.
    pub alert: Email,
    /// The account that keeps the audit trail.
    pub audit: Option<AccountId>,
}

/// The text of a spec with these answers.
pub fn first_spec(answers: &Answers) -> String {
    let Answers { name, region, account, description, project, department, environment, .. } = answers;
    let Answers { allow, ssh_key, image, hosts, monthly_usd, alert, .. } = answers;
    let ssh_key = quoted(ssh_key.as_str());
    let mut text = format!(
        r#"#:schema ./estate.schema.json
# An estate of isolation hosts behind a bastion. `provision plan` shows what it would make, and makes nothing.
# `provision schema > estate.schema.json` makes what the first line names, by which editors complete this file.

name = "{name}"
region = "{region}"
account = "{account}" # the only account that it is ever made in
description = "{description}"

# On every resource: bills, owners and alarms are found by these.
[tags]
Project = "{project}"
Department = "{department}"
Environment = "{environment}" # Prod, Dev or Test

# The one host that is reachable from outside, by SSH alone.
[bastion]
allow = ["{allow}"] # where your people come from; never the whole internet
ssh_keys = [{ssh_key}] # lines of .pub files

# What bastion and hosts boot from, by its id in the region.
[image]
id = "{image}"

# A group of hosts without public addresses. Add groups by further [[hosts]].
[[hosts]]
name = "worker"
count = {hosts}

# What it may cost: `apply` refuses a plan that passes it. Alerts at 80 and 100 percent, and by forecast.
[budget]
monthly_usd = {monthly_usd}
alert = ["{alert}"]
"#
    );
    // Writing to a string can't fail.
    let _ = match &answers.audit {
        Some(account) => write!(
            text,
            "\n# Where every change is recorded: an account that those who can change this one can't reach.\n\
             [audit]\naccount = \"{account}\"\n"
        ),
        None => write!(
            text,
            "\n# Where every change is recorded. Without it, records stay on the machine that runs `provision`.\n\
             # [audit]\n# account = \"222222222222\" # another account; `provision audit init` makes the trail there\n"
        ),
    };
    text
}

/// A TOML string, for a value that may hold quotes.
fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::parse;

    fn answers() -> Answers {
        Answers {
            name: "judge".parse().unwrap(),
            region: "eu-central-1".parse().unwrap(),
            account: "111111111111".parse().unwrap(),
            description: "Runs the programs of contestants".parse().unwrap(),
            project: "contest".parse().unwrap(),
            department: "engineering".parse().unwrap(),
            environment: Environment::Test,
            allow: "203.0.113.0/24".parse().unwrap(),
            ssh_key:
                "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGVZ2ycKG0wKIUQp4t6tEtIEQ0CHXGFm4HYAKRQrt1hG \"quoted\" \\ ops"
                    .parse()
                    .unwrap(),
            image: "ami-0123456789abcdef0".parse().unwrap(),
            hosts: 2,
            monthly_usd: 200,
            alert: "ops@example.org".parse().unwrap(),
            audit: Some("222222222222".parse().unwrap()),
        }
    }

    #[test]
    fn the_first_spec_says_what_was_answered() {
        let answers = answers();
        let spec = parse(first_spec(&answers).as_bytes(), "estate.toml").unwrap().spec;
        assert_eq!(spec.name, answers.name);
        assert_eq!(spec.bastion.ssh_keys, [answers.ssh_key]);
        assert_eq!(spec.hosts[0].count, 2);
        assert_eq!(spec.audit.unwrap().account.as_str(), "222222222222");
    }

    #[test]
    fn the_first_spec_without_a_trail_is_whole_and_the_commented_trail_too() {
        let text = first_spec(&Answers { audit: None, ..answers() });
        assert_eq!(parse(text.as_bytes(), "estate.toml").unwrap().spec.audit, None);
        let with = text.replace("# [audit]", "[audit]").replace("# account =", "account =");
        assert!(parse(with.as_bytes(), "estate.toml").unwrap().spec.audit.is_some());
    }
}
