//! Objects: records as they lie in the store.
//!
//! # Format
//! The bytes are gzip (RFC 1952) of
//! ```text
//! {"Records":[
//! <line>,
//! <line>
//! ]}
//! ```
//! with a line feed after each of these lines: the shape that CloudTrail's readers take, and a line of it is a record's line,
//! byte for byte. The key is
//! ```text
//! Holdfast/<organisation>/<account>/<yyyy>/<mm>/<dd>/<writer>/<stream>/<first sequence, 20 digits>-<SHA-256 of the bytes>.json.gz
//! ```
//! the date being the first record's `eventTime`. Not below `AWSLogs/`: what a host writes must not be taken for CloudTrail's.
//!
//! # Invariants
//! - The same records make the same bytes and the same key (no time, no name, no host's system in the gzip header), so a repeated
//!   try can't add a second object.
//! - The key names its content: a changed byte, also in the gzip header or trailer, does not fit its key.
//! - Decoding is bounded ([`MAX_DECODED`]), so a small object that unpacks without end is refused, not read.

use std::fmt;
use std::io::{Read, Write};
use std::str::FromStr;

use flate2::bufread::GzDecoder;
use flate2::{Compression, GzBuilder};

use crate::chain::Hash;
use crate::record::{Origin, Record};

/// The most bytes that an object may unpack to.
pub const MAX_DECODED: u64 = 64 * 1024 * 1024;
/// What every key starts with.
pub const PREFIX: &str = "Holdfast/";

const OPENS: &str = "{\"Records\":[\n";
const CLOSES: &str = "\n]}\n";
const SUFFIX: &str = ".json.gz";
/// RFC 1952: 255 is "unknown".
const UNKNOWN_SYSTEM: u8 = 255;

/// Why an object can't be made or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ObjectError {
    /// There is no record to put in.
    #[error("an object needs at least one record")]
    Empty,
    /// The first line is not a record.
    #[error("the first line is no record: {0}")]
    Record(serde_json::Error),
    /// The bytes are not one gzip member.
    #[error("not readable as gzip: {0}")]
    Gzip(std::io::Error),
    /// Something follows the gzip member.
    #[error("{0} bytes follow the compressed records")]
    Trailing(usize),
    /// It unpacks to more than may be.
    #[error("it unpacks to more than {MAX_DECODED} bytes")]
    TooLarge,
    /// The text does not have the shape of the format.
    #[error("not of the form {{\"Records\":[ … ]}} with one record a line")]
    Shape,
}

/// An object to be put.
#[derive(Clone, Eq, PartialEq)]
pub struct Encoded {
    /// Its key.
    pub key: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

impl fmt::Debug for Encoded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Encoded").field("key", &self.key).field("bytes", &self.bytes.len()).finish()
    }
}

/// Makes the object of consecutive lines, the first with sequence `first`.
pub fn encode(origin: &Origin, stream: &str, first: u64, lines: &[String]) -> Result<Encoded, ObjectError> {
    let record = Record::parse(lines.first().ok_or(ObjectError::Empty)?).map_err(ObjectError::Record)?;
    let mut gzip = GzBuilder::new().mtime(0).operating_system(UNKNOWN_SYSTEM).write(Vec::new(), Compression::new(6));
    let mut write = |text: &str| gzip.write_all(text.as_bytes());
    let written = write(OPENS)
        .and_then(|()| {
            lines.iter().enumerate().try_for_each(|(index, line)| {
                write(if index == 0 { "" } else { ",\n" })?;
                write(line)
            })
        })
        .and_then(|()| write(CLOSES));
    let bytes = written.and_then(|()| gzip.finish()).map_err(ObjectError::Gzip)?;
    let key = Key {
        organization: origin.organization.clone(),
        account: origin.account.clone(),
        date: record.event_time.strftime("%Y/%m/%d").to_string(),
        writer: origin.writer.clone(),
        stream: stream.into(),
        first,
        hash: Hash::of(&bytes),
    };
    Ok(Encoded { key: key.to_string(), bytes })
}

/// The lines of an object.
pub fn decode(bytes: &[u8]) -> Result<Vec<String>, ObjectError> {
    let mut gzip = GzDecoder::new(bytes);
    let mut text = String::new();
    gzip.by_ref().take(MAX_DECODED + 1).read_to_string(&mut text).map_err(ObjectError::Gzip)?;
    if text.len() as u64 > MAX_DECODED {
        return Err(ObjectError::TooLarge);
    }
    let rest = gzip.into_inner();
    if !rest.is_empty() {
        return Err(ObjectError::Trailing(rest.len()));
    }
    let body = text.strip_prefix(OPENS).and_then(|rest| rest.strip_suffix(CLOSES)).ok_or(ObjectError::Shape)?;
    let mut lines: Vec<String> = body.split('\n').map(Into::into).collect();
    let (_, others) = lines.split_last_mut().ok_or(ObjectError::Shape)?;
    for line in others {
        if line.pop() != Some(',') {
            return Err(ObjectError::Shape);
        }
    }
    Ok(lines)
}

/// An object's key, taken apart.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Key {
    /// The organisation's id.
    pub organization: String,
    /// The writer's account.
    pub account: String,
    /// `yyyy/mm/dd`.
    pub date: String,
    /// The writer.
    pub writer: String,
    /// The stream.
    pub stream: String,
    /// The first record's sequence.
    pub first: u64,
    /// The SHA-256 of the object's bytes.
    pub hash: Hash,
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Key { organization, account, date, writer, stream, first, hash } = self;
        write!(f, "{PREFIX}{organization}/{account}/{date}/{writer}/{stream}/{first:020}-{hash}{SUFFIX}")
    }
}

/// Not the key of an object of the trail.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error(
    "not a key of the trail: Holdfast/<org>/<account>/<yyyy>/<mm>/<dd>/<writer>/<stream>/<sequence>-<hash>.json.gz"
)]
pub struct NotATrailKey;

impl FromStr for Key {
    type Err = NotATrailKey;

    fn from_str(text: &str) -> Result<Key, NotATrailKey> {
        let parts: Vec<&str> = text.strip_prefix(PREFIX).ok_or(NotATrailKey)?.split('/').collect();
        let [organization, account, year, month, day, writer, stream, name] = parts[..] else {
            return Err(NotATrailKey);
        };
        let (first, hash) = name.strip_suffix(SUFFIX).and_then(|name| name.split_once('-')).ok_or(NotATrailKey)?;
        let key = Key {
            organization: organization.into(),
            account: account.into(),
            date: format!("{year}/{month}/{day}"),
            writer: writer.into(),
            stream: stream.into(),
            first: first.parse().map_err(|_| NotATrailKey)?,
            hash: hash.parse().map_err(|_| NotATrailKey)?,
        };
        // One key has one spelling: no sign, no missing zero.
        if key.to_string() == text { Ok(key) } else { Err(NotATrailKey) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::record::{Event, Identity, Link, Source};

    fn origin() -> Origin {
        Origin {
            organization: "o-1".into(),
            account: "111111111111".into(),
            recipient_account: "111111111111".into(),
            region: "eu-central-1".into(),
            writer: "AROAX:i-1".into(),
            program: "test/1".into(),
            host: None,
            image: None,
            launch: None,
        }
    }

    /// A record's line with any text in it.
    fn line(sequence: u64, text: &str) -> String {
        let event = Event::new(Source::Agent, "StartJob", Identity::program("test")).request(text.into());
        let rendered = event.render(&origin()).unwrap();
        let link = Link {
            format: 1,
            stream: "s".into(),
            sequence,
            previous: Hash::ZERO,
            time: rendered.time,
            boot_micros: 0,
            organization: "o-1".into(),
            account: "111111111111".into(),
            writer: "AROAX:i-1".into(),
            host: None,
            image: None,
            launch: None,
            genesis: None,
            seal: None,
        };
        rendered.line(&link).unwrap()
    }

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut gzip = GzBuilder::new().write(Vec::new(), Compression::fast());
        gzip.write_all(text).unwrap();
        gzip.finish().unwrap()
    }

    proptest! {
        #[test]
        fn what_was_put_in_comes_out_and_a_second_try_makes_the_same_object(
            texts in prop::collection::vec(any::<String>(), 1..20), first in 1u64..
        ) {
            let lines: Vec<_> = texts.iter().map(|text| line(first, text)).collect();
            let object = encode(&origin(), "s", first, &lines).unwrap();
            prop_assert_eq!(decode(&object.bytes).unwrap(), lines.clone());
            prop_assert_eq!(&encode(&origin(), "s", first, &lines).unwrap(), &object);
            let key: Key = object.key.parse().unwrap();
            prop_assert_eq!((key.first, key.hash), (first, Hash::of(&object.bytes)));
            prop_assert_eq!(key.to_string(), object.key);
        }

        #[test]
        fn any_bytes_and_any_key_are_decoded_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300), key in any::<String>()) {
            let _ = decode(&bytes);
            let _ = decode(&gzip(&bytes));
            if let Ok(parsed) = key.parse::<Key>() {
                prop_assert_eq!(parsed.to_string(), key);
            }
        }
    }

    #[test]
    fn an_object_that_unpacks_without_end_is_refused() {
        let bomb = gzip(&vec![b' '; usize::try_from(MAX_DECODED).unwrap() + 1]);
        assert!(bomb.len() < 1_000_000);
        assert!(matches!(decode(&bomb), Err(ObjectError::TooLarge)));
    }

    #[test]
    fn nothing_may_follow_the_records() {
        let mut object = encode(&origin(), "s", 1, &[line(1, "x")]).unwrap().bytes;
        object.extend_from_slice(&gzip(b"more"));
        assert!(matches!(decode(&object), Err(ObjectError::Trailing(_))));
        assert!(matches!(decode(&gzip(b"{\"Records\":[]}")), Err(ObjectError::Shape)));
        assert!(matches!(encode(&origin(), "s", 1, &[]), Err(ObjectError::Empty)));
    }
}
