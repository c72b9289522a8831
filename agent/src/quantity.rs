//! Sizes, times and processors as people write them: `64M`, `1.5G`, `250ms`, `10s`, `2m`.
//!
//! One grammar for the configuration file and for the command line. A size is a number of bytes with a binary suffix
//! (`K`, `M`, `G`, `T`; `KiB` and the like are taken too); a time needs its unit, since a bare `10` reads as
//! seconds to some and as milliseconds to others.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, de};

/// A number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub u64);

/// A length of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);

/// Processors, in thousandths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Processors(pub u32);

/// What is wrong with a size, a time, or a number of processors.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum QuantityError {
    /// Not a number with one of the suffixes.
    #[error("`{0}` is not a size: write a number of bytes with an optional suffix, such as 65536, 64K, 512M or 2G")]
    Size(String),
    /// Not a number with a unit.
    #[error("`{0}` is not a time: write a number with its unit, such as 250ms, 10s, 2m or 1h")]
    Span(String),
    /// Not a number with at most three decimals.
    #[error("`{0}` is not a number of processors: write one with at most three decimals, such as 1.5")]
    Processors(String),
    /// More than 64 bits hold.
    #[error("`{0}` is too large")]
    TooLarge(String),
}

const SIZE_UNITS: &[(&str, u64)] = &[("", 1), ("K", 1 << 10), ("M", 1 << 20), ("G", 1 << 30), ("T", 1 << 40)];

/// Nanoseconds for each unit.
const SPAN_UNITS: &[(&str, u64)] = &[
    ("us", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
    ("d", 86_400_000_000_000),
];

impl FromStr for Size {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || QuantityError::Size(text.to_owned());
        let (number, suffix) = split_number(text).ok_or_else(wrong)?;
        let suffix = suffix.to_ascii_uppercase();
        let suffix = suffix.strip_suffix("IB").or_else(|| suffix.strip_suffix('B')).unwrap_or(&suffix);
        let unit = SIZE_UNITS.iter().find(|(name, _)| *name == suffix).ok_or_else(wrong)?.1;
        scale(number, unit, text).map(Self)
    }
}

impl FromStr for Span {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || QuantityError::Span(text.to_owned());
        let (number, suffix) = split_number(text).ok_or_else(wrong)?;
        let unit = SPAN_UNITS.iter().find(|(name, _)| *name == suffix).ok_or_else(wrong)?.1;
        scale(number, unit, text).map(|nanos| Self(Duration::from_nanos(nanos)))
    }
}

impl FromStr for Processors {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || QuantityError::Processors(text.to_owned());
        let (number, _) = split_number(text).filter(|(_, suffix)| suffix.is_empty()).ok_or_else(wrong)?;
        let thousandths = scale(number, 1_000, text)?;
        u32::try_from(thousandths).map(Self).map_err(|_| QuantityError::TooLarge(text.to_owned()))
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, unit) = SIZE_UNITS
            .iter()
            .rev()
            .find(|(_, unit)| self.0 >= *unit && self.0.is_multiple_of(*unit))
            .unwrap_or(&("", 1));
        write!(f, "{}{name}", self.0 / unit)
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "expected a size, such as 65536 or \"64M\"")]
        enum Form {
            Bytes(u64),
            Text(String),
        }
        match Form::deserialize(deserializer)? {
            Form::Bytes(bytes) => Ok(Self(bytes)),
            Form::Text(text) => text.parse().map_err(de::Error::custom),
        }
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// Splits `1.5G` into the digits, as (whole, thousandths), and the suffix.
fn split_number(text: &str) -> Option<((u64, u64), &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    if whole.is_empty() || fraction.is_empty() || fraction.len() > 3 {
        return None;
    }
    let thousandths = format!("{fraction:0<3}").parse().ok()?;
    Some(((whole.parse().ok()?, thousandths), suffix))
}

fn scale((whole, thousandths): (u64, u64), unit: u64, text: &str) -> Result<u64, QuantityError> {
    let value = u128::from(whole) * u128::from(unit) + u128::from(thousandths) * u128::from(unit) / 1_000;
    u64::try_from(value).map_err(|_| QuantityError::TooLarge(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_take_binary_suffixes_and_fractions() {
        for (text, bytes) in
            [("0", 0), ("512", 512), ("64K", 65_536), ("1.5M", 1_572_864), ("2GiB", 2 << 30), ("7b", 7)]
        {
            assert_eq!(text.parse(), Ok(Size(bytes)), "{text}");
        }
    }

    #[test]
    fn times_need_their_unit() {
        assert_eq!("250ms".parse(), Ok(Span(Duration::from_millis(250))));
        assert_eq!("1.5s".parse(), Ok(Span(Duration::from_millis(1_500))));
        assert_eq!("2m".parse(), Ok(Span(Duration::from_secs(120))));
        assert_eq!("10".parse::<Span>(), Err(QuantityError::Span("10".into())));
    }

    #[test]
    fn processors_are_plain_numbers() {
        assert_eq!(
            ["1.5", "2", "0.01"].map(str::parse),
            [Ok(Processors(1500)), Ok(Processors(2000)), Ok(Processors(10))]
        );
        for text in ["", "1.5K", "1s", "-1", "1.2345"] {
            assert_eq!(text.parse::<Processors>(), Err(QuantityError::Processors(text.into())), "{text}");
        }
        assert_eq!("99999999".parse::<Processors>(), Err(QuantityError::TooLarge("99999999".into())));
    }

    #[test]
    fn nonsense_is_named_and_nothing_overflows() {
        for text in ["", "M", "-1", "1..5", "1.5.5K", "12X", " 3", "1.23456K"] {
            assert_eq!(text.parse::<Size>(), Err(QuantityError::Size(text.into())), "{text}");
        }
        assert_eq!("99999999999999999T".parse::<Size>(), Err(QuantityError::TooLarge("99999999999999999T".into())));
    }

    #[test]
    fn a_size_prints_as_it_is_written() {
        for text in ["0", "513", "64K", "3M", "2G"] {
            assert_eq!(text.parse::<Size>().unwrap().to_string(), text);
        }
    }
}
