//! Sizes and times as people write them.

use std::time::Duration;

/// A limit, or `none`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limit<T>(pub(crate) Option<T>);

impl<T> Limit<T> {
    /// A parser for clap that also takes `none`.
    pub(crate) fn parse_with(
        parse: impl Fn(&str) -> Result<T, String> + Clone,
    ) -> impl Fn(&str) -> Result<Limit<T>, String> + Clone {
        move |text| if text == "none" { Ok(Limit(None)) } else { parse(text).map(|it| Limit(Some(it))) }
    }
}

/// Bytes: `4096`, `64K`, `64M`, `1G`.
pub(crate) fn size(text: &str) -> Result<u64, String> {
    let bad = || "a size in bytes, or a number with K, M or G".to_owned();
    let (number, unit) = split(text);
    let factor: u64 = match unit {
        "" => 1,
        "K" | "k" => 1 << 10,
        "M" | "m" => 1 << 20,
        "G" | "g" => 1 << 30,
        _ => return Err(bad()),
    };
    number.parse::<u64>().ok().and_then(|number| number.checked_mul(factor)).ok_or_else(bad)
}

/// A time: `10`, `1.5`, `500ms`, `10s`, `2m`, `1h`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let bad = || "a time in seconds, or a number with ms, s, m or h".to_owned();
    let (number, unit) = split(text);
    let factor = match unit {
        "ms" => 0.001,
        "" | "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return Err(bad()),
    };
    let number: f64 = number.parse().map_err(|_| bad())?;
    Duration::try_from_secs_f64(number * factor).map_err(|_| bad())
}

/// Numbers and ranges of them: `0`, `0-3`, `0,2-3`.
pub(crate) fn cpus(text: &str) -> Result<Vec<u16>, String> {
    let bad = || "numbers and ranges of them, such as 0,2-3".to_owned();
    let number = |text: &str| text.parse::<u16>().map_err(|_| bad());
    let mut all = Vec::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (number(first)?, number(last)?);
        if first > last {
            return Err(bad());
        }
        all.extend(first..=last);
    }
    Ok(all)
}

/// A number with up to three decimals, in thousandths: `1.5` is 1500.
pub(crate) fn thousandths(text: &str) -> Result<u32, String> {
    let bad = || "a number with at most three decimals, such as 1.5".to_owned();
    let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |text: &str| (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())).then_some(());
    digits(whole).and_then(|()| digits(decimals)).filter(|()| decimals.len() <= 3).ok_or_else(bad)?;
    format!("{whole}{decimals:0<3}").parse().map_err(|_| bad())
}

fn split(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sizes_and_times_are_read_as_written() {
        assert_eq!([size("4096"), size("64K"), size("2G")], [Ok(4096), Ok(65536), Ok(2 << 30)]);
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!([duration("1.5"), duration("2m")], [Ok(Duration::from_millis(1500)), Ok(Duration::from_secs(120))]);
        for bad in ["", "M", "-1", "1T", "1.5K", "99999999999G", "1 M", "inf", "nan"] {
            assert!(size(bad).is_err(), "{bad}");
        }
        assert_eq!([cpus("0"), cpus("0,2-4")], [Ok(vec![0]), Ok(vec![0, 2, 3, 4])]);
        for bad in ["", ",", "1-", "3-1", "-1", "0,", "65536", "a"] {
            assert!(cpus(bad).is_err(), "{bad}");
        }
        for bad in ["", "s", "-1", "1d", "1..5", "inf", "nan", "1e9"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn processors_are_read_to_a_thousandth() {
        for (text, number) in [("1", 1000), ("1.5", 1500), ("0.25", 250), ("0.001", 1), ("64", 64_000)] {
            assert_eq!(thousandths(text), Ok(number), "{text}");
        }
        for bad in ["", ".", "1.", ".5", "-1", "+1", "1.0001", "1e3", "99999999", "1.5.0", " 1"] {
            assert!(thousandths(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn noise_is_an_error_and_no_panic(text in "\\PC{0,12}") {
            let _ = (size(&text), duration(&text), thousandths(&text));
        }
    }
}
