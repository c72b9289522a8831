//! Sizes, times and limits of a host's agent, in the words of its own `/etc/holdfast/agent.toml`.

use super::{Refusal, checked_string, quote};

checked_string! {
    /// A number of bytes: digits with a binary suffix, such as `64K`, `512M` or `2G`.
    ByteSize, check_size
}

checked_string! {
    /// A length of time: digits with their unit, such as `250ms`, `10s`, `2m` or `1h`.
    TimeSpan, check_span
}

/// Bytes for each suffix, as the agent reads them.
const SIZES: &[(&str, u64)] = &[("", 1), ("K", 1 << 10), ("M", 1 << 20), ("G", 1 << 30), ("T", 1 << 40)];
/// Microseconds for each unit, as the agent reads them.
const SPANS: &[(&str, u64)] =
    &[("us", 1), ("ms", 1_000), ("s", 1_000_000), ("m", 60_000_000), ("h", 3_600_000_000), ("d", 86_400_000_000)];

impl ByteSize {
    /// The number of bytes.
    pub fn bytes(&self) -> u64 {
        scaled(&self.0, SIZES).unwrap_or_default()
    }
}

impl TimeSpan {
    /// The length in microseconds.
    pub fn micros(&self) -> u64 {
        scaled(&self.0, SPANS).unwrap_or_default()
    }
}

/// The number of units of `text`, where it is a whole number with one of the suffixes and fits 64 bits.
fn scaled(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, suffix) = text.split_at(digits);
    let (_, unit) = units.iter().find(|(name, _)| *name == suffix)?;
    number.parse::<u64>().ok()?.checked_mul(*unit)
}

fn check_size(text: &str) -> Result<(), Refusal> {
    match scaled(text, SIZES) {
        Some(1..) => Ok(()),
        _ => Err(Refusal::new(format!("{} isn't a size", quote(text)), "a number and K, M, G or T, such as \"512M\"")),
    }
}

fn check_span(text: &str) -> Result<(), Refusal> {
    match scaled(text, SPANS) {
        Some(1..) => Ok(()),
        _ => Err(Refusal::new(
            format!("{} isn't a length of time", quote(text)),
            "a number and ms, s, m, h or d, such as \"90s\"",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_the_agents() {
        for (text, bytes) in [("65536", 65_536), ("64K", 65_536), ("512M", 512 << 20), ("2G", 2 << 30)] {
            assert_eq!(text.parse::<ByteSize>().unwrap().bytes(), bytes, "{text}");
        }
        for text in ["", "0", "K", "-1K", "64 K", "64k", "1.5G", "99999999999T", "much"] {
            assert!(text.parse::<ByteSize>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_time_needs_its_unit() {
        for (text, micros) in [("250ms", 250_000), ("10s", 10_000_000), ("2m", 120_000_000), ("1h", 3_600_000_000)] {
            assert_eq!(text.parse::<TimeSpan>().unwrap().micros(), micros, "{text}");
        }
        for text in ["", "10", "0s", "s", "10 s", "1.5h", "10S", "99999999999999d", "soon"] {
            assert!(text.parse::<TimeSpan>().is_err(), "{text}");
        }
    }
}
