//! Finds what looks like a secret in a spec: it is a file to be shared, reviewed and kept in version control.
//!
//! Stops: a private key pasted where the public one belongs, cloud credentials in a comment, a password in a setting
//! of the user's own invention. What is found is named by its kind and its place, and never shown. The search reads
//! raw text, so that it works in a file that isn't TOML, and decoded strings, so that escapes hide nothing.

use std::ops::Range;

/// What a secret looks like where its first characters say so: kind, beginning, least length in all.
const BEGINNINGS: &[(&str, &str, usize)] = &[
    ("an AWS access key id", "AKIA", 16),
    ("an AWS session's access key id", "ASIA", 16),
    ("a GitHub token", "ghp_", 20),
    ("a GitHub token", "gho_", 20),
    ("a GitHub token", "ghs_", 20),
    ("a GitHub token", "ghu_", 20),
    ("a GitHub token", "github_pat_", 20),
    ("a GitLab token", "glpat-", 20),
    ("a Slack token", "xoxb-", 15),
    ("a Slack token", "xoxp-", 15),
    ("a Stripe key", "sk_live_", 16),
    ("a Google API key", "AIza", 35),
    ("an npm token", "npm_", 30),
    ("an age identity", "AGE-SECRET-KEY-1", 20),
    ("a HashiCorp Vault token", "hvs.", 20),
    ("a private key", "b3BlbnNzaC1rZXktdjE", 19), // base64 of openssh-key-v1
    ("a JSON web token", "eyJ", 60),
];

/// Words in a setting's name after which a value is a secret.
const NAMES: &[&str] =
    &["password", "passwd", "passphrase", "secret", "token", "private_key", "privatekey", "api_key", "apikey"];

const KEY_BEGIN: &str = "-----BEGIN ";
const KEY_END: &str = "-----END ";

/// Something that looks like a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Secret {
    /// What it looks like, such as `a private key`.
    pub(super) kind: &'static str,
    /// Its bytes.
    pub(super) span: Range<usize>,
}

/// Every secret in `text`, in its order, without overlaps.
pub(super) fn find(text: &str) -> Vec<Secret> {
    let mut found = private_keys(text);
    found.extend(tokens(text));
    found.extend(named_values(text));
    merge(found)
}

/// Whether a setting of this name holds a secret.
pub(super) fn is_secret_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase().replace('-', "_");
    NAMES.iter().any(|word| name.contains(word))
}

/// `text` with each secret's bytes, but for line ends, made asterisks; as long as before.
pub(super) fn blot(text: &str, secrets: &[Secret]) -> String {
    let mut blotted = String::with_capacity(text.len());
    let mut done = 0;
    for Secret { span, .. } in secrets {
        blotted.push_str(&text[done..span.start]);
        blotted.extend(text[span.clone()].bytes().map(|byte| if byte == b'\n' { '\n' } else { '*' }));
        done = span.end;
    }
    blotted.push_str(&text[done..]);
    blotted
}

/// Sorts by place and joins what overlaps; of two kinds the one that begins first names both.
pub(super) fn merge(mut found: Vec<Secret>) -> Vec<Secret> {
    found.sort_by_key(|secret| (secret.span.start, std::cmp::Reverse(secret.span.end)));
    let mut merged: Vec<Secret> = Vec::with_capacity(found.len());
    for secret in found {
        match merged.last_mut() {
            Some(last) if secret.span.start < last.span.end => last.span.end = last.span.end.max(secret.span.end),
            _ => merged.push(secret),
        }
    }
    merged
}

/// PEM blocks, from their first line to their last, or to the end of the text where the last is lacking.
fn private_keys(text: &str) -> Vec<Secret> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(begin) = text[at..].find(KEY_BEGIN).map(|offset| at + offset) {
        let line_end = text[begin..].find('\n').map_or(text.len(), |offset| begin + offset);
        at = begin + KEY_BEGIN.len();
        if !text[begin..line_end].contains("PRIVATE KEY") {
            continue;
        }
        let end = match text[at..].find(KEY_END).map(|offset| at + offset) {
            Some(last) => text[last + KEY_END.len()..]
                .find("-----")
                .map_or(text.len(), |offset| last + KEY_END.len() + offset + "-----".len()),
            None => text.len(),
        };
        found.push(Secret { kind: "a private key", span: begin..end });
        at = end;
    }
    found
}

/// Runs of characters that keys are made of, where the run itself looks like a key.
fn tokens(text: &str) -> Vec<Secret> {
    let is_token = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '+' | '/' | '=' | '.');
    let mut found = Vec::new();
    let mut at = 0;
    for piece in text.split_inclusive(|c: char| !is_token(c)) {
        let run = piece.trim_end_matches(|c: char| !is_token(c));
        let start = at;
        at += piece.len();
        // `key=AKIA…` and `s3/AKIA…` are one run: each beginning that follows a mark is looked at.
        for (offset, _) in run.char_indices().filter(|(offset, _)| is_boundary(run, *offset)) {
            let rest = &run[offset..];
            // An SSH key's base64 has slashes of its own, so only a whole run can be a key that has no beginning.
            let stands_alone = offset == 0 || run[..offset].ends_with('=');
            let kind = listed_kind(rest).or_else(|| secret_access_key(rest).filter(|_| stands_alone));
            if let Some(kind) = kind {
                found.push(Secret { kind, span: start + offset..start + run.len() });
                break;
            }
        }
    }
    found.extend(passwords_in_urls(text));
    found
}

fn is_boundary(run: &str, offset: usize) -> bool {
    offset == 0 || run[..offset].ends_with(['=', '/', '.', '-'])
}

fn listed_kind(run: &str) -> Option<&'static str> {
    let (kind, beginning, _) =
        BEGINNINGS.iter().find(|(_, beginning, least)| run.starts_with(beginning) && run.len() >= *least)?;
    // Access key ids are capitals and digits throughout, and a JSON web token has three parts.
    let whole = match *beginning {
        "AKIA" | "ASIA" => run.bytes().take(16).all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit()),
        "eyJ" => run.matches('.').count() == 2,
        _ => true,
    };
    whole.then_some(kind)
}

/// An AWS secret access key: 40 characters of base64. A digest in hexadecimal has as many, but no capitals.
fn secret_access_key(run: &str) -> Option<&'static str> {
    let body = run.trim_end_matches(['=', '.']);
    let classes: [fn(&u8) -> bool; 3] = [u8::is_ascii_uppercase, u8::is_ascii_lowercase, u8::is_ascii_digit];
    let mixed = classes.iter().all(|class| body.bytes().any(|byte| class(&byte)));
    (body.len() == 40 && mixed && !body.contains(['-', '_', '.', '='])).then_some("an AWS secret access key")
}

/// `scheme://user:password@host`.
fn passwords_in_urls(text: &str) -> Vec<Secret> {
    let mut found = Vec::new();
    for (scheme_end, mark) in text.match_indices("://") {
        let authority = scheme_end + mark.len();
        let length = text[authority..]
            .find(|c: char| c.is_whitespace() || matches!(c, '/' | '"' | '\''))
            .unwrap_or(text.len() - authority);
        let Some((login, _)) = text[authority..authority + length].rsplit_once('@') else { continue };
        if let Some((user, password)) = login.split_once(':').filter(|(_, password)| !password.is_empty()) {
            let start = authority + user.len() + 1;
            found.push(Secret { kind: "a password in a URL", span: start..start + password.len() });
        }
    }
    found
}

/// `password = …` to the end of its line, also in a comment.
fn named_values(text: &str) -> Vec<Secret> {
    let mut found = Vec::new();
    let mut line_start = 0;
    for line in text.split_inclusive('\n') {
        let start = line_start;
        line_start += line.len();
        let Some((name, value)) = line.split_once('=') else { continue };
        let name = name.trim_end().trim_end_matches(['"', '\'']);
        let word_start = name
            .rfind(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '-')))
            .map_or(0, |at| at + name[at..].chars().next().map_or(1, char::len_utf8));
        let shown = value.trim();
        if is_secret_name(&name[word_start..]) && !shown.is_empty() && !shown.starts_with('[') {
            let value_start = start + line.len() - value.trim_start().len();
            found.push(Secret { kind: "a password or key, by its name", span: value_start..value_start + shown.len() });
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn kinds(text: &str) -> Vec<&'static str> {
        find(text).into_iter().map(|secret| secret.kind).collect()
    }

    /// Put together here, so that a scanner of this repository finds no keys in it.
    fn access_key() -> String {
        ["AKIA", "IOSFODNN7EXAMPLE"].concat()
    }

    fn secret_key() -> String {
        ["wJalrXUtnFEMI/K7MDENG", "/bPxRfiCYEXAMPLEKEY"].concat()
    }

    #[test]
    fn keys_and_tokens_are_found_wherever_they_stand() {
        for text in [
            format!("# {}", access_key()),
            format!("name = \"{}\"", access_key()),
            format!("id={}", access_key()),
            format!("x = \"{}\"", secret_key()),
            format!("t = \"ghp_{}\"", "a1B2".repeat(9)),
            "url = \"https://user:hunter2@example.org/\"".to_owned(),
            "password = \"hunter2\"".to_owned(),
            "# db-password = hunter2".to_owned(),
            "\"api_key\" = 'hunter2'".to_owned(),
            "k = \"\"\"\n-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n\"\"\""
                .to_owned(),
            "-----BEGIN RSA PRIVATE KEY-----\nnever ended hunter2".to_owned(),
        ] {
            assert_eq!(find(&text).len(), 1, "{text}: {:?}", find(&text));
            let blotted = blot(&text, &find(&text));
            assert_eq!(blotted.len(), text.len());
            for shown in ["hunter2", "AKIAIOS", "wJalr", "AAAA", "ghp_a"] {
                assert!(!blotted.contains(shown), "{blotted}");
            }
        }
    }

    #[test]
    fn ordinary_text_is_no_secret() {
        for text in [
            "ssh_keys = [\"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGVZ2ycKG0wKIUQp4t6tEtIEQ0CHXGFm4HYAKRQrt1hG ops\"]",
            "id = \"ami-0123456789abcdef0\"",
            "digest = \"da39a3ee5e6b4b0d3255bfef95601890afd80709\"",
            "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----",
            "# the key file is /home/ops/.ssh/id_ed25519_contest_2026.pub",
            "see https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/using-regions.html",
            "description = \"Hosts of AKIA and ASIA\"",
        ] {
            assert_eq!(kinds(text), Vec::<&str>::new(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_searched_and_blotted_in_place(text in "\\PC*|(.|\n|=|://|@|:|-----BEGIN PRIVATE KEY|password = |AKIA){0,40}") {
            let secrets = find(&text);
            let blotted = blot(&text, &secrets);
            prop_assert_eq!(blotted.len(), text.len());
            prop_assert!(secrets.windows(2).all(|pair| pair[0].span.end <= pair[1].span.start));
            prop_assert_eq!(blotted.matches('\n').count(), text.matches('\n').count());
        }
    }
}
