//! Settings that are one of a few words.

use super::{Refusal, quote};
use crate::spec::suggest::nearest;

/// Declares an enum whose variants are words of a spec.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident: $what:literal {
        $($(#[$variant_doc:meta])* $variant:ident = $word:literal),+ $(,)?
    }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        pub enum $name {
            $($(#[$variant_doc])* #[serde(rename = $word)] $variant),+
        }

        impl $name {
            /// Every value, as it is written.
            pub const NAMES: &[&str] = &[$($word),+];

            /// The value as it is written.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word),+
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = Refusal;

            fn from_str(text: &str) -> Result<Self, Refusal> {
                match text {
                    $($word => Ok(Self::$variant),)+
                    _ => Err(refuse(text, $what, Self::NAMES)),
                }
            }
        }
    };
}

words! {
    /// How hosts reach what is outside of the network.
    Egress: "a way out of the network" {
        /// Not at all, but for S3 through its gateway endpoint.
        None = "none",
        /// AWS's services alone, through interface endpoints in the network.
        Endpoints = "endpoints",
        /// Everything, through a NAT gateway in each zone.
        Nat = "nat",
    }
}

words! {
    /// How a group's hosts are run, as a word.
    HostMode: "a way to run hosts" {
        /// Plain instances.
        Instances = "instances",
        /// An Auto Scaling group.
        Fleet = "fleet",
    }
}

words! {
    /// What a host's agent gives a job that says nothing about its limits.
    AgentLimits: "a way to limit jobs" {
        /// Limits by cgroup v2, or the job doesn't start.
        Required = "required",
        /// Limits by rlimits, which bound each process and not the job.
        RlimitOnly = "rlimit-only",
    }
}

words! {
    /// Whether a host's records hold the arguments of programs.
    AgentArguments: "a way to record arguments" {
        /// Their number only.
        Omit = "omit",
        /// Every argument: only where no secret is ever passed that way.
        Record = "record",
    }
}

fn refuse(text: &str, what: &str, words: &[&str]) -> Refusal {
    let expected: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
    let refusal = Refusal::new(format!("{} isn't {what}", quote(text)), expected.join(" or "));
    match nearest(text, words) {
        Some(word) => refusal.help(format!("did you mean \"{word}\"?")),
        None => refusal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_written_as_it_is_read() {
        for name in Egress::NAMES {
            assert_eq!(name.parse::<Egress>().unwrap().as_str(), *name);
            assert_eq!(serde_json::from_str::<Egress>(&format!("\"{name}\"")).unwrap().as_str(), *name);
        }
        let refusal = "endpoint".parse::<Egress>().unwrap_err();
        assert_eq!(refusal.help.as_deref(), Some("did you mean \"endpoints\"?"));
        assert_eq!(refusal.expected, "\"none\" or \"endpoints\" or \"nat\"");
    }
}
