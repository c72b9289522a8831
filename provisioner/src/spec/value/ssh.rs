//! Public keys as OpenSSH writes them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::{Refusal, checked_string};
use crate::rule;

checked_string! {
    /// One line of an OpenSSH public key file: type, key, comment (sshd(8), "AUTHORIZED_KEYS FILE FORMAT", without
    /// options; RFC 4253, 6.6 for what the base64 holds).
    SshPublicKey, check
}

/// Types that current OpenSSH takes by default. DSA is gone from it, RSA needs its length checked.
const TYPES: &[&str] = &[
    "ssh-ed25519",
    "sk-ssh-ed25519@openssh.com",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ecdsa-sha2-nistp256@openssh.com",
    "ssh-rsa",
];

/// The shortest RSA modulus in bits (NIST SP 800-131A).
const RSA_BITS: usize = 2048;
const EXPECTED: &str = "one line of a public key file, such as \"ssh-ed25519 AAAA… name\"";

impl SshPublicKey {
    /// The key's type, such as `ssh-ed25519`.
    pub fn key_type(&self) -> &str {
        self.as_str().split(' ').next().unwrap_or_default()
    }

    /// Whose it is, as the line says.
    pub fn comment(&self) -> Option<&str> {
        self.as_str().splitn(3, ' ').nth(2)
    }

    /// Type and key without the comment: what makes two lines the same key.
    pub fn identity(&self) -> &str {
        let comment = self.comment().map_or(0, |comment| comment.len() + 1);
        &self.as_str()[..self.as_str().len() - comment]
    }
}

fn check(text: &str) -> Result<(), Refusal> {
    check_line(text).map_err(|refusal| refusal.under(&rule::SSH_KEYS))
}

fn check_line(text: &str) -> Result<(), Refusal> {
    // The value is never quoted in a message: what stands here by mistake may be a private key.
    if text.contains("PRIVATE KEY") {
        return Err(Refusal::new("this is a private key", EXPECTED)
            .under(&rule::SECRETS)
            .help("take the line in the `.pub` file beside it, and replace the key: it has been in a file to share"));
    }
    if text.contains(['\n', '\r']) {
        return Err(Refusal::new("a public key is one line", EXPECTED).help("write each key as a string of its own"));
    }
    let mut parts = text.splitn(3, ' ');
    let (Some(kind), Some(key)) = (parts.next(), parts.next()) else {
        return Err(
            Refusal::new("this isn't an OpenSSH public key", EXPECTED).help("`cat ~/.ssh/id_ed25519.pub` prints one")
        );
    };
    if !TYPES.contains(&kind) {
        let refusal = Refusal::new("this doesn't begin with a key's type that OpenSSH takes", EXPECTED);
        return Err(refusal.help(format!("the types are {}", TYPES.join(", "))));
    }
    if parts.next().is_some_and(|comment| comment.is_empty() || comment.contains(|c: char| c.is_control())) {
        return Err(Refusal::new("the key's comment is empty or has control characters", EXPECTED));
    }
    let damaged = || {
        Refusal::new(format!("this {kind} key is damaged: its text doesn't hold such a key"), EXPECTED)
            .help("copy the whole line again; `ssh-keygen -lf FILE.pub` tells whether it is whole")
    };
    let blob = STANDARD.decode(key).map_err(|_| damaged())?;
    let fields = fields(&blob).ok_or_else(damaged)?;
    check_fields(kind, &fields).ok_or_else(damaged)?
}

/// Checks what the base64 holds: `None` where it doesn't hold a key of this type.
fn check_fields(kind: &str, fields: &[&[u8]]) -> Option<Result<(), Refusal>> {
    if *fields.first()? != kind.as_bytes() {
        return None;
    }
    let whole = match kind {
        "ssh-ed25519" => fields.len() == 2 && fields[1].len() == 32,
        "sk-ssh-ed25519@openssh.com" => fields.len() == 3 && fields[1].len() == 32,
        "ssh-rsa" => fields.len() == 3,
        "sk-ecdsa-sha2-nistp256@openssh.com" => fields.len() == 4 && fields[2].len() == 65,
        _ => fields.len() == 3 && kind.as_bytes().ends_with(fields[1]),
    };
    if !whole {
        return None;
    }
    if kind == "ssh-rsa" {
        let modulus = fields[2].iter().position(|byte| *byte != 0).map_or(&[][..], |start| &fields[2][start..]);
        let bits = modulus.first().map_or(0, |first| modulus.len() * 8 - first.leading_zeros() as usize);
        if bits < RSA_BITS {
            return Some(Err(Refusal::new(format!("an RSA key of {bits} bits can be broken"), EXPECTED)
                .help("make a new one: `ssh-keygen -t ed25519`")));
        }
    }
    Some(Ok(()))
}

/// Splits a blob into its fields, each a length of four bytes and that many bytes (RFC 4251, 5, "string").
fn fields(mut blob: &[u8]) -> Option<Vec<&[u8]>> {
    let mut fields = Vec::new();
    while !blob.is_empty() {
        let (length, rest) = blob.split_first_chunk::<4>()?;
        let (field, rest) = rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
        fields.push(field);
        blob = rest;
    }
    Some(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(kind: &str, rest: &[&[u8]]) -> String {
        let mut blob = Vec::new();
        for field in std::iter::once(kind.as_bytes()).chain(rest.iter().copied()) {
            blob.extend(u32::try_from(field.len()).unwrap().to_be_bytes());
            blob.extend(field);
        }
        format!("{kind} {}", STANDARD.encode(blob))
    }

    #[test]
    fn whole_keys_pass_with_and_without_comment() {
        let ed25519 = key("ssh-ed25519", &[&[7; 32]]);
        let parsed: SshPublicKey = format!("{ed25519} ops of the night").parse().unwrap();
        assert_eq!(parsed.key_type(), "ssh-ed25519");
        assert_eq!(parsed.comment(), Some("ops of the night"));
        assert_eq!(parsed.identity(), ed25519);
        assert_eq!(ed25519.parse::<SshPublicKey>().unwrap().identity(), ed25519);
        assert!(key("ecdsa-sha2-nistp256", &[b"nistp256", &[4; 65]]).parse::<SshPublicKey>().is_ok());
        assert!(key("ssh-rsa", &[&[1, 0, 1], &[0xff; 384]]).parse::<SshPublicKey>().is_ok());
    }

    #[test]
    fn short_rsa_and_dsa_are_refused() {
        let short = key("ssh-rsa", &[&[1, 0, 1], &[0xff; 128]]).parse::<SshPublicKey>().unwrap_err();
        assert_eq!(short.problem, "an RSA key of 1024 bits can be broken");
        assert!(key("ssh-dss", &[&[1; 64]]).parse::<SshPublicKey>().is_err());
    }

    #[test]
    fn damaged_keys_are_refused() {
        let whole = key("ssh-ed25519", &[&[7; 32]]);
        let other = key("ssh-rsa", &[&[7; 32]]).replace("ssh-rsa", "ssh-ed25519");
        for text in ["", "ssh-ed25519", "ssh-ed25519 AAAA", "AAAA ssh-ed25519", &whole[..whole.len() - 8], &other] {
            assert!(text.parse::<SshPublicKey>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_private_key_is_refused_without_being_shown() {
        let text = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjE\n-----END OPENSSH PRIVATE KEY-----";
        let refusal = text.parse::<SshPublicKey>().unwrap_err();
        assert!(!format!("{refusal:?}").contains("b3Blbn"));
    }
}
