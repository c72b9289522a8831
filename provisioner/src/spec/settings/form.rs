//! How each type of value is written: what a schema tells an editor, and the reference a reader.
//!
//! A type's own `FromStr` is the judge. A pattern here takes all that the type takes, and may take more.

use crate::spec::value::{
    AccountId, Action, AgentArguments, AgentLimits, BastionRange, ByteSize, Description, Device, Egress, Email,
    Environment, EstateName, GroupName, HostMode, ImageId, InstanceType, KeyArn, NetworkRange, Refusal, Region,
    ResourceArn, Schedule, SshPublicKey, SubnetId, TagKey, TagValue, TimeSpan, TopicArn, VolumeName, VpcId, Zone,
};

/// How a type of text is written.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::spec) struct Form {
    /// What it is, as a noun with its article.
    pub(in crate::spec) what: &'static str,
    /// All that it can be, as an ECMA 262 regular expression; empty where `words` are all.
    pub(in crate::spec) pattern: &'static str,
    /// The words that are all it can be.
    pub(in crate::spec) words: &'static [&'static str],
}

/// A type that a spec holds as text.
pub(in crate::spec) trait Written: std::str::FromStr<Err = Refusal> {
    /// How it is written.
    const FORM: &'static Form;
}

macro_rules! forms {
    ($($type:ty: $what:literal, $pattern:literal;)+) => {
        $(impl Written for $type {
            const FORM: &'static Form = &Form { what: $what, pattern: $pattern, words: &[] };
        })+

        /// What each type makes of a text, and what its pattern is.
        #[cfg(test)]
        const JUDGES: &[(&str, &str, fn(&str) -> bool)] =
            &[$((stringify!($type), $pattern, |text| text.parse::<$type>().is_ok())),+];
    };
}

forms! {
    EstateName: "a name", "^[a-z][a-z0-9]*(-[a-z0-9]+)*$";
    GroupName: "a name", "^[a-z][a-z0-9]*(-[a-z0-9]+)*$";
    VolumeName: "a name", "^[a-z][a-z0-9]*(-[a-z0-9]+)*$";
    AccountId: "an account", "^[0-9]{12}$";
    Region: "a region", "^[a-z]{2,}(-[a-z]+)+-[0-9]$";
    Zone: "an availability zone", "^[a-z][a-z0-9-]*-[a-z0-9-]*[0-9][a-z]$";
    NetworkRange: "a private CIDR range", "^[0-9.]+/(1[6-9]|2[0-4])$";
    BastionRange: "a CIDR range", "^[0-9.]+/([1-9]|[12][0-9]|3[0-2])$";
    SshPublicKey: "a public key", "^(ssh|ecdsa|sk-ssh|sk-ecdsa)-\\S+ [A-Za-z0-9+/]+=*( .*)?$";
    ImageId: "an image's id", "^ami-([0-9a-f]{8}|[0-9a-f]{17})$";
    VpcId: "a VPC's id", "^vpc-([0-9a-f]{8}|[0-9a-f]{17})$";
    SubnetId: "a subnet's id", "^subnet-([0-9a-f]{8}|[0-9a-f]{17})$";
    InstanceType: "an instance type", "^[a-z][a-z0-9-]*\\.[a-z0-9][a-z0-9-]*$";
    Device: "a device", "^/dev/sd[f-p]$";
    KeyArn: "a KMS key's ARN", "^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9._-]+$";
    TopicArn: "an SNS topic's ARN", "^arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9._-]+$";
    Action: "an IAM action", "^[a-z0-9-]+:[A-Za-z0-9*?]+$";
    ResourceArn: "an ARN", "^(\\*|arn:[^ \"]+)$";
    Description: "text in ASCII", "^[A-Za-z0-9 _.:/=+@-]{1,160}$";
    TagKey: "a tag's key", "^[^\\s,'\"][^,'\"]{0,127}$";
    TagValue: "a tag's value", "^[^\\s,'\"][^,'\"]{0,255}$";
    Email: "an e-mail address", "^[^@\\s]+@[A-Za-z0-9.-]+$";
    Schedule: "a schedule", "^(daily|weekly|cron\\(.+\\))$";
    ByteSize: "a size", "^[0-9]+[KMGT]?$";
    TimeSpan: "a length of time", "^[0-9]+(us|ms|s|m|h|d)$";
}

macro_rules! words {
    ($($type:ty: $what:literal;)+) => {
        $(impl Written for $type {
            const FORM: &'static Form = &Form { what: $what, pattern: "", words: <$type>::NAMES };
        })+
    };
}

words! {
    AgentArguments: "a word";
    AgentLimits: "a word";
    Egress: "a word";
    Environment: "an environment";
    HostMode: "a word";
}

#[cfg(test)]
mod tests {
    use regex_lite::Regex;

    use super::*;

    /// Values of every kind, right and nearly right.
    const TEXTS: &[&str] = &[
        "judge",
        "a",
        "contest-2026",
        "111111111111",
        "eu-central-1",
        "eu-central-1a",
        "us-west-2-lax-1a",
        "10.0.0.0/16",
        "192.168.4.0/24",
        "203.0.113.7/32",
        "8.0.0.0/8",
        "0.0.0.0/1",
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGVZ2ycKG0wKIUQp4t6tEtIEQ0CHXGFm4HYAKRQrt1hG ops",
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGVZ2ycKG0wKIUQp4t6tEtIEQ0CHXGFm4HYAKRQrt1hG",
        "ami-12345678",
        "ami-0123456789abcdef0",
        "vpc-0123456789abcdef0",
        "subnet-12345678",
        "t3.micro",
        "u-6tb1.metal",
        "m7i-flex.large",
        "/dev/sdf",
        "arn:aws:kms:eu-central-1:111111111111:key/0a1b-2c3d",
        "arn:aws:sns:us-west-2:111111111111:alerts",
        "s3:GetObject",
        "s3:*",
        "*",
        "arn:aws:s3:::results/*",
        "Runs the programs of contestants",
        "Müller",
        "cost centre",
        "a b_c.d:e/f=g+h-i@j",
        "ops@example.org",
        "a.b+c@x-y.example",
        "daily",
        "weekly",
        "cron(30 3 ? * * *)",
        "65536",
        "64K",
        "250ms",
        "1h",
    ];

    #[test]
    fn a_pattern_takes_all_that_its_type_takes() {
        for (name, pattern, takes) in JUDGES {
            let pattern = Regex::new(pattern).unwrap();
            let taken: Vec<_> = TEXTS.iter().filter(|text| takes(text)).collect();
            assert!(!taken.is_empty(), "no text here is a {name}");
            for text in taken {
                assert!(pattern.is_match(text), "{name} takes {text:?}, and {pattern} doesn't");
            }
            assert!(!pattern.is_match("") && !pattern.is_match("\"\n\""), "{pattern}");
        }
    }
}
