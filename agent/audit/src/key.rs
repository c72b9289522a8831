//! Keys: the writer's lasting one on disk, the segments' in memory.
//!
//! # Invariants
//! - A segment's key ([`SegmentKey`]) is made from the system's generator, signs one seal, and is wiped when dropped. It is never
//!   written anywhere: whoever takes the host afterwards finds nothing with which to sign the morning anew.
//! - The lasting key ([`WriterKey`]) signs only the genesis of each stream. It is made once, in a file of mode 0600, put in
//!   place by rename, so a crash leaves either no key or a whole one.
//! - `Debug` shows a fingerprint, never a secret.
//!
//! # Format
//! The file holds one line: `holdfast-writer-key-v1 ` and the 64 hexadecimal digits of the Ed25519 secret key (RFC 8032).
//! Public keys are written `ed25519:` and 64 hexadecimal digits.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use rand::TryRng;
use rand::rngs::SysRng;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

use crate::chain::Hash;
use crate::error::{Error, Result};
use crate::filesystem::Filesystem;

const FILE_TAG: &str = "holdfast-writer-key-v1 ";
const PREFIX: &str = "ed25519:";

/// A public key, as announced in seals and kept in trust files.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// Sixteen hexadecimal digits of the key's SHA-256: enough for a person to compare.
    pub fn fingerprint(&self) -> String {
        hex::encode(&Hash::of(&self.0).0[..8])
    }

    /// Whether `signature` over `message` was made with this key's secret part. Strict: weak keys and the malleable
    /// signatures that some libraries take are refused.
    pub fn verifies(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        VerifyingKey::from_bytes(&self.0)
            .is_ok_and(|key| key.verify_strict(message, &Signature::from_bytes(signature)).is_ok())
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}", hex::encode(self.0))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Not a public key as Holdfast writes it.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("not a public key: `ed25519:` and 64 lower-case hexadecimal digits are expected")]
pub struct NotAKey;

impl FromStr for PublicKey {
    type Err = NotAKey;

    fn from_str(text: &str) -> std::result::Result<PublicKey, NotAKey> {
        let digits = text.strip_prefix(PREFIX).ok_or(NotAKey)?;
        digits.parse::<Hash>().map(|bytes| PublicKey(bytes.0)).map_err(|_| NotAKey)
    }
}

impl Serialize for PublicKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PublicKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<PublicKey, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// What signs: a lasting key or a segment's.
pub(crate) trait Sign {
    fn public(&self) -> PublicKey;
    fn sign(&self, message: &[u8]) -> [u8; 64];
}

/// The key of one segment, in memory only. `SigningKey` wipes itself when dropped.
pub(crate) struct SegmentKey(SigningKey);

impl SegmentKey {
    pub(crate) fn generate() -> Result<SegmentKey> {
        Ok(SegmentKey(generate()?))
    }
}

impl Sign for SegmentKey {
    fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key().to_bytes())
    }

    fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message).to_bytes()
    }
}

impl fmt::Debug for SegmentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SegmentKey({})", self.public().fingerprint())
    }
}

/// The writer's lasting key.
pub(crate) struct WriterKey(SigningKey);

impl WriterKey {
    /// Reads the key, or makes it where there is none yet.
    pub(crate) fn open(filesystem: &dyn Filesystem, path: &Path) -> Result<WriterKey> {
        match filesystem.read(path) {
            Ok(bytes) => WriterKey::parse(&Zeroizing::new(bytes))
                .ok_or_else(|| Error::Key { path: path.into(), reason: "it holds no key".into() }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => WriterKey::create(filesystem, path),
            Err(error) => Err(Error::io("read", path)(error)),
        }
    }

    fn create(filesystem: &dyn Filesystem, path: &Path) -> Result<WriterKey> {
        let key = generate()?;
        let secret = Zeroizing::new(hex::encode(key.as_bytes()));
        let text = Zeroizing::new(format!("{FILE_TAG}{}\n", secret.as_str()));
        // Where two processes make the key at once, the first to arrive wins and the other reads it.
        filesystem.publish(path, text.as_bytes()).map_err(Error::io("write", path))?;
        match filesystem.read(path) {
            Ok(bytes) => WriterKey::parse(&Zeroizing::new(bytes))
                .ok_or_else(|| Error::Key { path: path.into(), reason: "it does not read as written".into() }),
            Err(error) => Err(Error::io("read", path)(error)),
        }
    }

    fn parse(bytes: &[u8]) -> Option<WriterKey> {
        let digits = std::str::from_utf8(bytes).ok()?.strip_prefix(FILE_TAG)?.strip_suffix('\n')?;
        let mut secret = Zeroizing::new([0; 32]);
        hex::decode_to_slice(digits, secret.as_mut()).ok()?;
        Some(WriterKey(SigningKey::from_bytes(&secret)))
    }
}

impl Sign for WriterKey {
    fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key().to_bytes())
    }

    fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message).to_bytes()
    }
}

impl fmt::Debug for WriterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WriterKey({})", self.public().fingerprint())
    }
}

fn generate() -> Result<SigningKey> {
    let mut secret = Zeroizing::new([0; 32]);
    random(secret.as_mut())?;
    Ok(SigningKey::from_bytes(&secret))
}

/// Fills `bytes` from the system's generator.
pub(crate) fn random(bytes: &mut [u8]) -> Result<()> {
    SysRng.try_fill_bytes(bytes).map_err(|error| Error::Random(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filesystem::Disk;

    #[test]
    fn the_lasting_key_is_made_once_and_only_its_owner_may_read_it() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("writer.key");
        let first = WriterKey::open(&Disk, &path).unwrap();
        let again = WriterKey::open(&Disk, &path).unwrap();
        assert_eq!(first.public(), again.public());
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn debug_shows_no_secret() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("writer.key");
        let key = WriterKey::open(&Disk, &path).unwrap();
        let secret = hex::encode(key.0.as_bytes());
        assert!(!format!("{key:?}").contains(&secret));
        assert!(format!("{key:?}").contains(&key.public().fingerprint()));
    }

    #[test]
    fn a_damaged_key_file_is_refused_and_kept() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("writer.key");
        std::fs::write(&path, "holdfast-writer-key-v1 zz\n").unwrap();
        assert!(matches!(WriterKey::open(&Disk, &path), Err(Error::Key { .. })));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "holdfast-writer-key-v1 zz\n");
    }
}
