//! The values that policies are made from, parsed once.
//!
//! Stops: injection by a parameter. A `*`, `?`, `$` or `"` in an account or a role's name would widen a policy or break
//! out of its JSON; none of these types can hold one.

use std::fmt;
use std::str::FromStr;

use crate::PolicyError;

/// An AWS account: twelve digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountId(String);

impl FromStr for AccountId {
    type Err = PolicyError;

    fn from_str(text: &str) -> Result<Self, PolicyError> {
        if text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit()) {
            Ok(AccountId(text.to_owned()))
        } else {
            Err(PolicyError::AccountId(text.to_owned()))
        }
    }
}

/// An organisation's id: `o-` and 10 to 32 lower-case letters or digits
/// (<https://docs.aws.amazon.com/organizations/latest/APIReference/API_Organization.html>).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrgId(String);

impl FromStr for OrgId {
    type Err = PolicyError;

    fn from_str(text: &str) -> Result<Self, PolicyError> {
        let tail = text.strip_prefix("o-").unwrap_or_default();
        let plain = tail.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        if (10..=32).contains(&tail.len()) && plain {
            Ok(OrgId(text.to_owned()))
        } else {
            Err(PolicyError::OrgId(text.to_owned()))
        }
    }
}

/// A region of the commercial or the GovCloud partition.
///
/// China and the isolated partitions are refused: their service principals and endpoints end otherwise, and a policy
/// that names the wrong ones denies without saying why.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Region(String);

impl Region {
    /// The partition, as ARNs have it: `aws` or `aws-us-gov`.
    pub fn partition(&self) -> &'static str {
        if self.0.starts_with("us-gov-") { "aws-us-gov" } else { "aws" }
    }
}

impl FromStr for Region {
    type Err = PolicyError;

    fn from_str(text: &str) -> Result<Self, PolicyError> {
        let parts: Vec<&str> = text.split('-').collect();
        let elsewhere = text.starts_with("cn-") || text.contains("-iso");
        let (place, number) = match parts.as_slice() {
            [place @ .., number] if place.len() == 2 || (place.len() == 3 && place[1] == "gov") => (place, number),
            _ => return Err(PolicyError::Region(text.to_owned())),
        };
        let lettered = place.iter().all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase()));
        let numbered = !number.is_empty() && number.len() <= 2 && number.bytes().all(|byte| byte.is_ascii_digit());
        if lettered && numbered && !elsewhere {
            Ok(Region(text.to_owned()))
        } else {
            Err(PolicyError::Region(text.to_owned()))
        }
    }
}

/// The name of an estate or of a group of its machines, as it stands in ARNs: lower-case letters, digits and hyphens.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PlainName(String);

impl FromStr for PlainName {
    type Err = PolicyError;

    fn from_str(text: &str) -> Result<Self, PolicyError> {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        // 64 is IAM's limit for a role's name, which such a name is part of.
        if (1..=64).contains(&text.len()) && text.bytes().all(plain) {
            Ok(PlainName(text.to_owned()))
        } else {
            Err(PolicyError::PlainName(text.to_owned()))
        }
    }
}

/// The ARN of one KMS key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KmsKeyArn(String);

impl FromStr for KmsKeyArn {
    type Err = PolicyError;

    fn from_str(text: &str) -> Result<Self, PolicyError> {
        let wrong = || PolicyError::KmsKeyArn(text.to_owned());
        let ["arn", partition, "kms", region, account, resource] = split_arn(text).ok_or_else(wrong)? else {
            return Err(wrong());
        };
        let region: Region = region.parse().map_err(|_| wrong())?;
        account.parse::<AccountId>().map_err(|_| wrong())?;
        let id = resource.strip_prefix("key/").ok_or_else(wrong)?;
        let plain = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if partition == region.partition() && plain { Ok(KmsKeyArn(text.to_owned())) } else { Err(wrong()) }
    }
}

/// A user, a role or an account's root, as `aws:PrincipalArn` gives it: for a session the role, not the session.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PrincipalArn(String);

impl PrincipalArn {
    /// The role of that name, without a path.
    ///
    /// # Errors
    /// [`PolicyError::PrincipalArn`] when the name isn't one that IAM takes.
    pub fn role(region: &Region, account: &AccountId, name: &str) -> Result<PrincipalArn, PolicyError> {
        format!("arn:{}:iam::{account}:role/{name}", region.partition()).parse()
    }

    /// The account that it belongs to, as text.
    pub(crate) fn account(&self) -> &str {
        self.0.split(':').nth(4).unwrap_or_default()
    }
}

impl FromStr for PrincipalArn {
    type Err = PolicyError;

    fn from_str(text: &str) -> Result<Self, PolicyError> {
        let wrong = || PolicyError::PrincipalArn(text.to_owned());
        let ["arn", "aws" | "aws-us-gov", "iam", "", account, resource] = split_arn(text).ok_or_else(wrong)? else {
            return Err(wrong());
        };
        account.parse::<AccountId>().map_err(|_| wrong())?;
        let name = match resource.split_once('/') {
            Some(("role" | "user", name)) => name,
            None if resource == "root" => return Ok(PrincipalArn(text.to_owned())),
            _ => return Err(wrong()),
        };
        // IAM's names are [\w+=,.@-], its paths are made of printable ASCII between slashes; the narrower set will do.
        let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_+=,.@-/".contains(&byte));
        if plain && !name.is_empty() && !name.ends_with('/') { Ok(PrincipalArn(text.to_owned())) } else { Err(wrong()) }
    }
}

/// The trail's bucket: `holdfast-trail-<audit account>-<region>`, one for each audit account and region.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TrailBucketName {
    account: AccountId,
    region: Region,
}

impl TrailBucketName {
    /// The bucket that `account` keeps its trail of `region` in.
    pub fn new(account: &AccountId, region: &Region) -> TrailBucketName {
        TrailBucketName { account: account.clone(), region: region.clone() }
    }

    /// The bucket's ARN.
    pub fn arn(&self) -> String {
        format!("arn:{}:s3:::{self}", self.region.partition())
    }

    /// The account that owns it.
    pub fn account(&self) -> &AccountId {
        &self.account
    }

    /// Where it is.
    pub fn region(&self) -> &Region {
        &self.region
    }
}

impl fmt::Display for TrailBucketName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "holdfast-trail-{}-{}", self.account, self.region)
    }
}

macro_rules! displays_as_its_text {
    ($($name:ident),*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }
    )*};
}

displays_as_its_text!(AccountId, OrgId, Region, PlainName, KmsKeyArn, PrincipalArn);

/// The six parts of an ARN; the last may hold more colons, which none of the ARNs here do.
fn split_arn(text: &str) -> Option<[&str; 6]> {
    text.split(':').collect::<Vec<_>>().try_into().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_aws_would_take_is_taken() {
        for region in ["eu-central-1", "ap-southeast-4", "us-gov-west-1"] {
            assert_eq!(region.parse::<Region>().unwrap().to_string(), region);
        }
        assert!("o-holdfast01".parse::<OrgId>().is_ok());
        assert!("111111111111".parse::<AccountId>().is_ok());
        let key = "arn:aws:kms:eu-central-1:222222222222:key/1234abcd-12ab-34cd-56ef-1234567890ab";
        assert!(key.parse::<KmsKeyArn>().is_ok());
        assert!("arn:aws:kms:eu-central-1:222222222222:key/mrk-1234abcd".parse::<KmsKeyArn>().is_ok());
        for principal in
            ["root", "role/holdfast-auditor", "role/aws-reserved/sso.amazonaws.com/Auditor_1", "user/ops@x"]
        {
            assert!(format!("arn:aws:iam::222222222222:{principal}").parse::<PrincipalArn>().is_ok(), "{principal}");
        }
    }

    #[test]
    fn other_partitions_and_other_kinds_of_arn_are_refused() {
        for region in ["cn-north-1", "us-iso-east-1", "us-isob-east-1", "eu-central", "eu--1", "eu-central-one", ""] {
            assert_eq!(region.parse::<Region>(), Err(PolicyError::Region(region.to_owned())));
        }
        for key in [
            "arn:aws:kms:eu-central-1:222222222222:alias/trail",
            "arn:aws-us-gov:kms:eu-central-1:222222222222:key/1234abcd",
            "arn:aws:kms:eu-central-1:222222222222:key/*",
            "1234abcd-12ab-34cd-56ef-1234567890ab",
        ] {
            assert!(key.parse::<KmsKeyArn>().is_err(), "{key}");
        }
        for principal in [
            "arn:aws:sts::222222222222:assumed-role/auditor/me",
            "arn:aws:iam::222222222222:role/",
            "arn:aws:iam::222222222222:group/ops",
            "222222222222",
        ] {
            assert!(principal.parse::<PrincipalArn>().is_err(), "{principal}");
        }
    }

    proptest! {
        #[test]
        fn no_value_can_widen_a_policy_or_leave_its_json(text in ".*[*?$\"\\\\{}].*") {
            prop_assert!(text.parse::<AccountId>().is_err());
            prop_assert!(text.parse::<OrgId>().is_err());
            prop_assert!(text.parse::<Region>().is_err());
            prop_assert!(text.parse::<PlainName>().is_err());
            prop_assert!(text.parse::<KmsKeyArn>().is_err());
            prop_assert!(text.parse::<PrincipalArn>().is_err());
            let role = format!("arn:aws:iam::222222222222:role/{text}");
            prop_assert!(role.parse::<PrincipalArn>().is_err());
            let key = format!("arn:aws:kms:eu-central-1:222222222222:key/{text}");
            prop_assert!(key.parse::<KmsKeyArn>().is_err());
        }
    }
}
