//! The rules that every estate keeps, which a spec can't undo, or only by saying why.
//!
//! Diagnostics of a spec name the rule that they follow from, and `explain` says what is behind it.

use serde::Serialize;

/// A rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Rule {
    /// Its name.
    pub name: &'static str,
    /// What it says.
    pub what: &'static str,
    /// The practice behind it.
    pub why: &'static str,
    /// What to do where it is in the way.
    pub instead: &'static str,
    /// The page that says so.
    pub source: &'static str,
}

/// Declares the rules and the list of them.
macro_rules! rules {
    ($($rule:ident = $name:literal { $($field:ident: $text:literal,)+ })+) => {
        $(
            #[doc = concat!("Rule `", $name, "`.")]
            pub static $rule: Rule = Rule { name: $name, $($field: $text),+ };
        )+

        /// All rules, by name.
        pub static RULES: &[&Rule] = &[$(&$rule),+];
    };
}

rules! {
    ACCOUNT = "account" {
        what: "An estate is made in the account that its spec names, and in no other",
        why: "A wrong profile or an expired session of another account is noticed before the first change",
        instead: "Log in to the account in `account`, or correct it",
        source: "https://docs.aws.amazon.com/wellarchitected/latest/security-pillar/sec_securely_operate_multi_accounts.html",
    }
    AUDIT_ACCOUNT = "audit-account" {
        what: "The trail is kept in another account than the estate's",
        why: "Who takes over the estate's account must not be able to rewrite what is recorded of it",
        instead: "Name the central account in `audit.account`",
        source: "https://docs.aws.amazon.com/prescriptive-guidance/latest/security-reference-architecture/log-archive.html",
    }
    BASTION_RANGE = "bastion-range" {
        what: "Ranges that may open SSH to the bastion are named, and none is wider than /8",
        why: "A port that the whole internet reaches is tried by the whole internet",
        instead: "Name your offices' and VPN's ranges in `bastion.allow`",
        source: "https://docs.aws.amazon.com/securityhub/latest/userguide/ec2-controls.html#ec2-13",
    }
    BUDGET = "budget" {
        what: "A plan whose estimate passes the budget isn't applied, unless somebody says why",
        why: "Cost is seen before it is made, and who decided for more is on record",
        instead: "Raise `budget.monthly_usd`, or give `apply --over-budget REASON`",
        source: "https://docs.aws.amazon.com/wellarchitected/latest/cost-optimization-pillar/welcome.html",
    }
    ENCRYPTION = "encryption" {
        what: "Every volume is encrypted with a key of the customer's own, which turns every year",
        why: "Snapshots and disks that leave the account are ciphertext, and whoever may use the key is on record",
        instead: "Nothing: there is no setting for it. `encryption` names a key that is there already",
        source: "https://docs.aws.amazon.com/securityhub/latest/userguide/ec2-controls.html#ec2-3",
    }
    FLOW_LOGS = "flow-logs" {
        what: "Who talks to whom in the estate's network is logged and kept",
        why: "After an incident it is the only record of what else a host has reached",
        instead: "Keep them for fewer days with `network.flow_logs_days`; 0 takes `accept_risk`",
        source: "https://docs.aws.amazon.com/securityhub/latest/userguide/ec2-controls.html#ec2-6",
    }
    IMDSV2 = "imdsv2" {
        what: "The metadata service answers only to a session's token, one hop away",
        why: "A request that a program is tricked into can't fetch the role's credentials, nor can a container",
        instead: "Nothing: there is no setting for it; update programs that speak IMDSv1",
        source: "https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/configuring-instance-metadata-service.html",
    }
    NAMES = "names" {
        what: "Names are lower-case letters, digits and hyphens, short enough for every resource that has them in it",
        why: "IAM takes 64 characters for a role, and an estate's roles have its name and region in theirs",
        instead: "Choose a shorter name",
        source: "https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html",
    }
    NETWORK_RANGE = "network-range" {
        what: "The network's range is private, and has room for all hosts in all zones",
        why: "A subnet can't grow, and five of its addresses are AWS's own",
        instead: "Choose a wider `network.cidr`, up to /16, or fewer hosts",
        source: "https://docs.aws.amazon.com/vpc/latest/userguide/subnet-sizing.html",
    }
    PRIVATE_HOSTS = "private-hosts" {
        what: "Hosts have no public address; the bastion is the only way to them",
        why: "What can't be reached can't be attacked from outside, and one way is easily watched",
        instead: "Nothing: there is no setting for it; `provision connect` leads through the bastion",
        source: "https://docs.aws.amazon.com/securityhub/latest/userguide/ec2-controls.html#ec2-9",
    }
    ROLE_PERMISSIONS = "role-permissions" {
        what: "What a group's hosts may do is named action by action and resource by resource",
        why: "Whoever takes a host has its role, and with a wildcard everything that is made later too",
        instead: "Name actions and ARNs in `permissions`; a wildcard takes `accept_risk`",
        source: "https://docs.aws.amazon.com/IAM/latest/UserGuide/best-practices.html#grant-least-privilege",
    }
    SECRETS = "secrets" {
        what: "Nothing that looks like a secret is in a spec",
        why: "A spec is shared, kept in version control, and its texts become tags and user data",
        instead: "Keep it in Secrets Manager or Parameter Store, and let the group's role read it; replace the one that was here",
        source: "https://docs.aws.amazon.com/wellarchitected/latest/security-pillar/sec_identities_secrets.html",
    }
    SSH_KEYS = "ssh-keys" {
        what: "Logging in takes one of the spec's public keys; there are no passwords, and root doesn't log in",
        why: "Passwords are guessed, and a person's own key says who it was",
        instead: "Name public keys in `bastion.ssh_keys`; RSA from 3072 bits",
        source: "https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ec2-key-pairs.html",
    }
    TAGS = "tags" {
        what: "Everything carries Project, Department, Environment, a name and what it is for",
        why: "Bills, owners and alarms are found by tags, and what has none belongs to nobody",
        instead: "Fill in [tags] and `description`",
        source: "https://docs.aws.amazon.com/whitepapers/latest/tagging-best-practices/tagging-best-practices.html",
    }
    TERMINATION_PROTECTION = "termination-protection" {
        what: "In Prod no host is terminated before its protection is taken away",
        why: "A slip of the hand in a console ends nothing that customers use",
        instead: "Leave `termination_protection` out: Prod has it, and `apply` takes it away where a host is replaced",
        source: "https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_ChangingDisableAPITermination.html",
    }
}

impl Rule {
    /// The rule of this name.
    pub fn find(name: &str) -> Option<&'static Self> {
        RULES.iter().copied().find(|rule| rule.name == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kind::{KINDS, operations};

    #[test]
    fn rules_are_in_order_and_each_says_all_that_it_should() {
        assert!(RULES.is_sorted_by(|a, b| a.name < b.name));
        for rule in RULES {
            let texts = [rule.what, rule.why, rule.instead];
            assert!(texts.iter().all(|text| text.len() > 10 && !text.ends_with('.')), "{}", rule.name);
            assert!(rule.source.starts_with("https://docs.aws.amazon.com/"), "{}", rule.name);
            assert_eq!(Rule::find(rule.name), Some(*rule));
        }
    }

    #[test]
    fn every_kind_says_what_it_is_for_and_where_that_is_from() {
        for kind in KINDS {
            let practice = operations(*kind).practice();
            assert!(practice.what.len() > 10 && practice.why.len() > 10, "{kind}");
            assert!(practice.source.starts_with("https://"), "{kind}");
            assert!(Rule::find(kind.as_str()).is_none_or(|_| *kind == Kind::Budget), "{kind} names a rule too");
        }
    }

    use crate::kind::Kind;
}
