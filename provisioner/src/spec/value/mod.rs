//! Values that a spec is made of, each parsed once: whoever holds an `AccountId` holds twelve digits.
//!
//! A value that AWS would refuse half an hour into an `apply` is refused here instead, with AWS's own rule as the
//! reason. Limits name the service that sets them.

mod address;
mod aws;
mod name;
mod quantity;
mod schedule;
mod ssh;
mod text;
mod word;

pub use address::{BastionRange, NetworkRange};
pub use aws::{
    AccountId, Action, Device, ImageId, InstanceType, KeyArn, Region, ResourceArn, SubnetId, TopicArn, VpcId, Zone,
};
pub use name::{EstateName, GroupName, VolumeName};
pub use quantity::{ByteSize, TimeSpan};
pub use schedule::Schedule;
pub use ssh::SshPublicKey;
pub use text::{Description, Email, Environment, TagKey, TagValue};
pub use word::{AgentArguments, AgentLimits, Egress, HostMode};

use crate::rule::Rule;

/// Why a value was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem}; expected {expected}")]
pub struct Refusal {
    /// What is wrong with the value, as a sentence without a full stop.
    pub problem: String,
    /// What belongs there instead: the label under the caret.
    pub expected: String,
    /// The next step, where there is one to name.
    pub help: Option<String>,
    /// The rule that it follows from, where it is more than a slip.
    pub rule: Option<&'static Rule>,
}

impl Refusal {
    fn new(problem: impl Into<String>, expected: impl Into<String>) -> Self {
        Self { problem: problem.into(), expected: expected.into(), help: None, rule: None }
    }

    fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Follows from this rule, unless from a closer one.
    fn under(mut self, rule: &'static Rule) -> Self {
        self.rule.get_or_insert(rule);
        self
    }
}

/// Declares a checked string: `struct Name` whose only way in is its `check` function.
macro_rules! checked_string {
    ($(#[$doc:meta])* $name:ident, $check:path) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The value as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::spec::value::Refusal;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                $check(text)?;
                Ok(Self(text.to_owned()))
            }
        }

        impl TryFrom<String> for $name {
            type Error = $crate::spec::value::Refusal;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                $check(&text)?;
                Ok(Self(text))
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.0
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(&self.0)
            }
        }
    };
}
use checked_string;

/// `text` as a message quotes it: control characters escaped, and cut so that a message stays one line.
fn quote(text: &str) -> String {
    const SHOWN: usize = 60;
    let mut shown: String = text.chars().take(SHOWN).flat_map(char::escape_debug).collect();
    if text.chars().nth(SHOWN).is_some() {
        shown.push('…');
    }
    format!("\"{shown}\"")
}
