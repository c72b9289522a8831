//! Settings that there could be, and that there are not on purpose.

use crate::rule::{self, Rule};

/// Why a setting doesn't exist.
pub(in crate::spec) struct Refused {
    /// The names under which it is looked for.
    pub(in crate::spec) keys: &'static [&'static str],
    /// Why, as a sentence without a full stop.
    pub(in crate::spec) why: &'static str,
    /// What to do instead.
    pub(in crate::spec) instead: &'static str,
    /// The rule behind it, where there is one.
    pub(in crate::spec) rule: Option<&'static Rule>,
}

/// All of them.
pub(in crate::spec) const REFUSED: &[Refused] = &[
    Refused {
        keys: &["encrypted", "encryption", "unencrypted", "encrypt", "kms_key_id", "kms_key"],
        why: "every volume and log is encrypted, and nothing turns that off",
        instead: "take it out; `[encryption] key` names a key of your own",
        rule: Some(&rule::ENCRYPTION),
    },
    Refused {
        keys: &[
            "imds",
            "imds_version",
            "imdsv1",
            "imdsv2",
            "http_tokens",
            "http_endpoint",
            "http_put_response_hop_limit",
            "metadata_options",
        ],
        why: "hosts answer only IMDSv2, since IMDSv1 gives a role's credentials to whoever makes a host send a request",
        instead: "take it out; nothing turns IMDSv1 on",
        rule: Some(&rule::IMDSV2),
    },
    Refused {
        keys: &[
            "public",
            "public_address",
            "public_ip",
            "public_ip_address",
            "public_ipv4",
            "associate_public_ip",
            "associate_public_ip_address",
            "assign_public_ip",
            "map_public_ip_on_launch",
            "elastic_ip",
        ],
        why: "no host has a public address; the bastion alone has one, and keeps it",
        instead: "take it out; `provision connect HOST` goes through the bastion",
        rule: Some(&rule::PRIVATE_HOSTS),
    },
    Refused {
        keys: &["user_data", "userdata", "cloud_init", "startup_script"],
        why: "what runs on a host is in its image, where it is tested, and not in the spec",
        instead: "put it into the image; `agent` of a group has the settings that differ",
        rule: None,
    },
    Refused {
        keys: &["key_name", "key_pair", "keypair"],
        why: "there are no EC2 key pairs: whoever may log in is in `bastion.ssh_keys`",
        instead: "list public keys there",
        rule: Some(&rule::SSH_KEYS),
    },
    Refused {
        keys: &["security_groups", "security_group", "ingress", "ports", "open_ports"],
        why: "hosts take SSH from the bastion alone, and the bastion from `bastion.allow`",
        instead: "take it out; who needs a port of a host forwards it with `ssh -L`",
        rule: Some(&rule::PRIVATE_HOSTS),
    },
    Refused {
        keys: &["accept_risk", "accept_risks", "insecure"],
        why: "there is no risk to accept here",
        instead: "take it out; it exists beside the settings that can be weakened",
        rule: None,
    },
];

/// Why there is no setting of this name, where there is none on purpose.
pub(in crate::spec) fn refused(key: &str) -> Option<&'static Refused> {
    let key = key.to_ascii_lowercase().replace('-', "_");
    REFUSED.iter().find(|refused| refused.keys.contains(&key.as_str()))
}
