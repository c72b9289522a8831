//! Text that becomes tags, descriptions and addresses of alerts.

use super::{Refusal, checked_string, quote};
use crate::rule;
use crate::spec::suggest::nearest;

/// The longest tag value (EC2 User Guide, "Tag restrictions").
const TAG_VALUE: usize = 256;
/// The longest tag key (EC2 User Guide, "Tag restrictions").
const TAG_KEY: usize = 128;
/// The keys that every resource has.
const OWN_KEYS: &[&str] = &["Project", "Department", "Environment", "Name", "Description", "Patch Group", "PatchGroup"];
/// A description is put behind what a resource is for, in a tag (256) and in EC2's own field (255).
const DESCRIPTION: usize = 160;

checked_string! {
    /// A tag's value, as every service of an estate takes it: letters, digits, spaces and `_ . : / = + - @`. That is
    /// IAM's rule, the strictest of them (IAM API Reference, `Tag`), which knows neither apostrophes nor commas.
    TagValue, check_tag
}

checked_string! {
    /// A tag's key beyond those that Holdfast sets itself.
    TagKey, check_tag_key
}

checked_string! {
    /// What an estate is for: a [`TagValue`] in ASCII, since a security group's description takes no other letters
    /// (EC2 API Reference, `CreateSecurityGroup`), of at most 160 characters.
    Description, check_description
}

checked_string! {
    /// An e-mail address, by its shape only.
    Email, check_email
}

/// The kind of environment, which is the tag `Environment`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub enum Environment {
    /// What customers use.
    Prod,
    /// What developers use.
    Dev,
    /// What is made to be ended.
    Test,
}

impl Environment {
    /// Every value, as it is written.
    pub const NAMES: &[&str] = &["Prod", "Dev", "Test"];

    /// The value as it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Prod => "Prod",
            Self::Dev => "Dev",
            Self::Test => "Test",
        }
    }
}

impl std::fmt::Display for Environment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

impl std::str::FromStr for Environment {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        [Self::Prod, Self::Dev, Self::Test].into_iter().find(|value| value.as_str() == text).ok_or_else(|| {
            let refusal =
                Refusal::new(format!("{} isn't an environment", quote(text)), "Prod, Dev or Test").under(&rule::TAGS);
            match nearest(text, Self::NAMES) {
                Some(name) => refusal.help(format!("did you mean \"{name}\"?")),
                None => refusal.help("the tag tells people and budgets how much an estate matters: Prod, Dev or Test"),
            }
        })
    }
}

fn check_tag(text: &str) -> Result<(), Refusal> {
    check_text(text, "a tag's value", TAG_VALUE, |c| c.is_alphanumeric() || is_space_or_mark(c))
        .map_err(|refusal| refusal.under(&rule::TAGS))
}

fn check_tag_key(text: &str) -> Result<(), Refusal> {
    check_text(text, "a tag's key", TAG_KEY, |c| c.is_alphanumeric() || is_space_or_mark(c))?;
    if OWN_KEYS.iter().any(|own| own.eq_ignore_ascii_case(text)) || text.to_lowercase().starts_with("holdfast:") {
        let problem = format!("the tag {} is set by Holdfast itself", quote(text));
        return Err(Refusal::new(problem, "another key")
            .help("[tags] has Project, Department and Environment; the others follow from the spec"));
    }
    Ok(())
}

fn check_description(text: &str) -> Result<(), Refusal> {
    check_text(text, "a description", DESCRIPTION, |c| c.is_ascii_alphanumeric() || is_space_or_mark(c))
}

fn is_space_or_mark(c: char) -> bool {
    matches!(c, ' ' | '_' | '.' | ':' | '/' | '=' | '+' | '-' | '@')
}

fn check_text(text: &str, what: &str, limit: usize, allowed: impl Fn(char) -> bool) -> Result<(), Refusal> {
    let expected = "letters, digits, spaces and _ . : / = + - @";
    if text.trim().is_empty() {
        return Err(Refusal::new(format!("{what} can't be empty"), expected));
    }
    if text.trim() != text {
        return Err(Refusal::new(format!("{what} can't begin or end with a space"), expected)
            .help(format!("write {}", quote(text.trim()))));
    }
    if let Some(odd) = text.chars().find(|c| !allowed(*c)) {
        let name = match odd {
            '\'' | '’' => "an apostrophe".to_owned(),
            ',' => "a comma".to_owned(),
            _ => format!("'{}'", odd.escape_debug()),
        };
        let refusal = Refusal::new(
            format!("AWS takes no {} in {what}", name.trim_start_matches("an ").trim_start_matches("a ")),
            expected,
        );
        let cleaned: String = text.chars().filter(|c| allowed(*c)).collect();
        return Err(refusal.help(format!("without it: {}", quote(cleaned.trim()))));
    }
    // EC2 counts characters, IAM too.
    let length = text.chars().count();
    if length > limit {
        return Err(Refusal::new(format!("{what} has {length} characters, and AWS's fields take {limit}"), expected));
    }
    if text.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("aws:")) {
        return Err(Refusal::new(format!("{} begins with `aws:`, which AWS keeps for itself", quote(text)), expected));
    }
    Ok(())
}

fn check_email(text: &str) -> Result<(), Refusal> {
    let host_is_shaped = |host: &str| {
        let labels: Vec<&str> = host.split('.').collect();
        labels.len() >= 2
            && labels.iter().all(|label| {
                !label.is_empty()
                    && !label.starts_with('-')
                    && !label.ends_with('-')
                    && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            })
    };
    let local_is_shaped = |local: &str| {
        !local.is_empty()
            && !local.starts_with('.')
            && !local.ends_with('.')
            && !local.contains("..")
            && local.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&*+-/=?^_{|}~.".contains(&b))
    };
    // RFC 5321, 4.5.3.1: 64 octets before the @, and 254 in all.
    match text.split_once('@') {
        Some((local, host))
            if text.len() <= 254 && local.len() <= 64 && local_is_shaped(local) && host_is_shaped(host) =>
        {
            Ok(())
        }
        _ => Err(Refusal::new(format!("{} isn't an e-mail address", quote(text)), "name@example.org")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_takes_what_iam_takes() {
        for text in ["contest", "Müller", "a b_c.d:e/f=g+h-i@j", &"x".repeat(256)] {
            assert!(text.parse::<TagValue>().is_ok(), "{text}");
        }
        for text in ["", " ", " x", "x ", "judge's", "a, b", "a\nb", "aws:x", "AWS:x", &"x".repeat(257)] {
            assert!(text.parse::<TagValue>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_tag_key_is_none_of_holdfasts_own() {
        for text in ["team", "cost centre", "app:tier"] {
            assert!(text.parse::<TagKey>().is_ok(), "{text}");
        }
        for text in ["", "Name", "project", "holdfast:id", "Holdfast:x", "aws:x", "a,b", &"x".repeat(129)] {
            assert!(text.parse::<TagKey>().is_err(), "{text}");
        }
    }

    #[test]
    fn an_apostrophe_is_named_and_taken_out() {
        let refusal = "The judge's hosts".parse::<Description>().unwrap_err();
        assert_eq!(refusal.problem, "AWS takes no apostrophe in a description");
        assert_eq!(refusal.help.as_deref(), Some("without it: \"The judges hosts\""));
    }

    #[test]
    fn a_description_is_ascii() {
        assert!("Runs the programs of contestants".parse::<Description>().is_ok());
        assert!("Prüft".parse::<Description>().is_err());
    }

    #[test]
    fn an_environment_is_one_of_three() {
        assert_eq!("Prod".parse(), Ok(Environment::Prod));
        let help = |text: &str| text.parse::<Environment>().unwrap_err().help.unwrap();
        assert_eq!(help("production"), "did you mean \"Prod\"?");
        assert_eq!(help("test"), "did you mean \"Test\"?");
        assert_eq!(help("develop"), "did you mean \"Dev\"?");
        assert!(help("live").contains("Prod, Dev or Test"));
    }

    #[test]
    fn an_address_of_alerts_has_the_shape_of_one() {
        for text in ["ops@example.org", "a.b+c@x-y.example"] {
            assert!(text.parse::<Email>().is_ok(), "{text}");
        }
        for text in ["", "ops", "ops@", "@example.org", "ops@example", "o ps@example.org", "a@b@c.org", "a..b@c.org"] {
            assert!(text.parse::<Email>().is_err(), "{text}");
        }
    }
}
