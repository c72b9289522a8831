//! Genesis and seals: the signed records that hold a stream together.
//!
//! # Format
//! Both are records like the others, with `eventSource` `trail.holdfast`:
//! - `StartStream`, sequence 1, carries `holdfast.genesis` ([`Genesis`]) and is signed with the writer's lasting key.
//! - `SealSegment` and `CloseStream` carry `holdfast.seal` ([`Seal`]), end a segment, and are signed with the key that the
//!   genesis or the seal before announced as `nextKey`. A `CloseStream` announces none: nothing may follow it.
//!
//! The line of a signed record ends in
//! ```text
//! ,"signature":"<128 hexadecimal digits>"}}}
//! ```
//! and the signature is Ed25519 (RFC 8032, verified strictly) over
//! ```text
//! "holdfast-seal-v1" 0x00 ‖ the line's bytes before  ,"signature"
//! ```
//! so it covers every byte of the record: who, when, `previous` (the head of the chain) and what the seal says of its segment.
//! Nothing is parsed to check it.
//!
//! # Invariants
//! - A segment's key signs once and is gone. The lasting key signs only that a stream starts, with which key, and after what.
//! - A stream that ended without a close (a crash, a power cut) is *adopted*: the genesis of the next names its head as it was
//!   found on disk. A cut of the tail that no seal covered shows, once there is a next stream.
//!
//! Stops: who takes a host at noon holds no key with which the morning's segments could be sealed anew.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::chain::Hash;
use crate::key::{PublicKey, Sign};
use crate::record::LINE_CLOSES;

const TAG: &[u8] = b"holdfast-seal-v1\0";
const SIGNATURE_OPENS: &str = r#","signature":""#;
const SUFFIX: usize = SIGNATURE_OPENS.len() + 128 + 1 + LINE_CLOSES.len();

/// The `eventName` of a genesis.
pub const START: &str = "StartStream";
/// The `eventName` of a seal.
pub const SEAL: &str = "SealSegment";
/// The `eventName` of a seal after which the stream is over.
pub const CLOSE: &str = "CloseStream";

/// What a stream's first record says.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Genesis {
    /// The spool that the stream was written to; a writer may have several, each with its own line of streams.
    pub spool: String,
    /// The machine's boot id, where it has one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub boot: Option<String>,
    /// The writer's lasting key, which signs this record.
    pub writer_key: PublicKey,
    /// The key that signs the first segment's seal.
    pub next_key: PublicKey,
    /// When the first seal is due.
    pub next_due: Timestamp,
    /// The stream before in the same spool, as it was found.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub previous: Option<Ended>,
}

/// How a stream ended.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Ended {
    /// Which stream.
    pub stream: String,
    /// Its last record.
    pub sequence: u64,
    /// The chain's value after that.
    pub head: Hash,
    /// Whether that was a signed close; if not, the tail is adopted as it stood.
    pub closed: bool,
}

/// Why a segment was sealed.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Reason {
    /// It was large enough.
    Size,
    /// It was due.
    Time,
    /// The writer ends.
    Close,
}

/// What a segment's last record says of it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Seal {
    /// Why now.
    pub reason: Reason,
    /// The segment's first sequence.
    pub first: u64,
    /// Its last, the one before the seal.
    pub last: u64,
    /// How many records that is; none if the seal follows a seal.
    pub count: u64,
    /// The chain's value after the last: the same as the record's `previous`.
    pub head: Hash,
    /// The sequence of the seal or genesis that announced this seal's key.
    pub previous_seal: u64,
    /// The earliest time of a record in the segment.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub oldest: Option<Timestamp>,
    /// The latest.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub newest: Option<Timestamp>,
    /// The key that signs this record.
    pub key: PublicKey,
    /// The key that will sign the next seal; none after a close.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub next_key: Option<PublicKey>,
    /// When the next seal is due; none after a close.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub next_due: Option<Timestamp>,
}

/// Appends the signature to an unsigned line.
pub(crate) fn sign(mut line: String, key: &dyn Sign) -> String {
    line.truncate(line.len() - LINE_CLOSES.len());
    let signature = key.sign(&message(line.as_bytes()));
    line.push_str(SIGNATURE_OPENS);
    line.push_str(&hex::encode(signature));
    line.push('"');
    line.push_str(LINE_CLOSES);
    line
}

/// Whether the line ends in a signature that `key` made over all before it.
pub(crate) fn is_signed_by(line: &str, key: &PublicKey) -> bool {
    let Some((signed, suffix)) = line.len().checked_sub(SUFFIX).and_then(|at| line.split_at_checked(at)) else {
        return false;
    };
    let digits = suffix
        .strip_prefix(SIGNATURE_OPENS)
        .and_then(|rest| rest.strip_suffix(LINE_CLOSES))
        .and_then(|rest| rest.strip_suffix('"'))
        // One signature has one spelling.
        .filter(|digits| !digits.bytes().any(|byte| byte.is_ascii_uppercase()));
    let mut signature = [0; 64];
    match digits {
        Some(digits) if hex::decode_to_slice(digits, &mut signature).is_ok() => {
            key.verifies(&message(signed.as_bytes()), &signature)
        }
        _ => false,
    }
}

fn message(signed: &[u8]) -> Vec<u8> {
    [TAG, signed].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::SegmentKey;

    const UNSIGNED: &str = r#"{"eventName":"SealSegment","additionalEventData":{"holdfast":{"sequence":7}}}"#;

    #[test]
    fn a_signed_line_is_json_and_verifies() {
        let key = SegmentKey::generate().unwrap();
        let line = sign(UNSIGNED.into(), &key);
        assert!(serde_json::from_str::<serde_json::Value>(&line).is_ok());
        assert!(is_signed_by(&line, &key.public()));
    }

    #[test]
    fn no_byte_of_a_signed_line_can_change() {
        let key = SegmentKey::generate().unwrap();
        let line = sign(UNSIGNED.into(), &key);
        for at in 0..line.len() {
            for bit in 0..7 {
                let mut bytes = line.clone().into_bytes();
                bytes[at] ^= 1 << bit;
                let Ok(changed) = String::from_utf8(bytes) else { continue };
                assert!(!is_signed_by(&changed, &key.public()), "byte {at}, bit {bit}");
            }
        }
    }

    #[test]
    fn another_key_does_not_verify() {
        let line = sign(UNSIGNED.into(), &SegmentKey::generate().unwrap());
        assert!(!is_signed_by(&line, &SegmentKey::generate().unwrap().public()));
        assert!(!is_signed_by(UNSIGNED, &SegmentKey::generate().unwrap().public()));
        assert!(!is_signed_by("", &SegmentKey::generate().unwrap().public()));
    }
}
