//! The chain: what binds each record to all before it.
//!
//! # Format
//! The value after a record is
//! ```text
//! h(0) = 32 zero bytes
//! h(n) = SHA-256( "holdfast-chain-v1" 0x00 ‖ h(n-1) ‖ SHA-256(line n) )
//! ```
//! where `line n` is the stored line of the record with sequence `n`, without its line feed. Sequences start at 1 with the
//! stream's genesis. Each line states `h(n-1)` as its `previous`, so a changed line is named by the one after it.
//!
//! # Invariants
//! - The stored line is what is hashed. Nothing parses and writes it again: RFC 8785's canonical JSON would round integers
//!   above 2^53, and two serializers would have to agree for years.
//! - The line enters as its digest, so that a line may later be redacted to that digest with the chain still whole.
//! - The tag keeps a chain value from being taken for another SHA-256 of the same bytes.
//!
//! Stops: who changes, removes, inserts or reorders stored records has to recompute every value up to the next seal, and
//! that seal is signed with a key that no longer exists.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};

const TAG: &[u8] = b"holdfast-chain-v1\0";

/// A SHA-256 value: of a line, an object, or the chain. Written as 64 hexadecimal digits.
#[derive(Clone, Copy, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Hash(pub [u8; 32]);

impl Hash {
    /// The value before the first record of a stream.
    pub const ZERO: Hash = Hash([0; 32]);

    /// The digest of some bytes.
    pub fn of(bytes: &[u8]) -> Hash {
        Hash(Sha256::digest(bytes).into())
    }

    /// The chain's value after `line`, whose predecessor's value is `self`.
    #[must_use]
    pub fn after(self, line: &[u8]) -> Hash {
        self.after_digest(Hash::of(line))
    }

    /// The same for a line of which only the digest is known.
    #[must_use]
    pub fn after_digest(self, line: Hash) -> Hash {
        let mut hasher = Sha256::new();
        hasher.update(TAG);
        hasher.update(self.0);
        hasher.update(line.0);
        Hash(hasher.finalize().into())
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Not 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("not a SHA-256 value: 64 lower-case hexadecimal digits are expected")]
pub struct NotAHash;

impl FromStr for Hash {
    type Err = NotAHash;

    fn from_str(text: &str) -> Result<Hash, NotAHash> {
        // One value has one spelling, or a flipped case bit in a key would pass unseen.
        if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Err(NotAHash);
        }
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| NotAHash)?;
        Ok(Hash(bytes))
    }
}

impl Serialize for Hash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Hash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Hash, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Computed with Python's hashlib from the format above: the format may not drift.
    #[test]
    fn the_chain_is_what_its_format_says() {
        let first = Hash::ZERO.after(b"{}");
        assert_eq!(first.to_string(), "ccad16cabe5d3eb8089214da4908d1b4f715ad7e3f4c1b8126f7bc45edc601f0");
    }

    #[test]
    fn a_hash_has_one_spelling() {
        let text = Hash::of(b"x").to_string();
        assert_eq!(text.parse::<Hash>().unwrap(), Hash::of(b"x"));
        assert!(text.to_uppercase().parse::<Hash>().is_err());
        assert!(text[1..].parse::<Hash>().is_err());
    }
}
