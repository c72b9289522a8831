//! Money: US dollars as whole millionths, so that sums are exact.

use std::fmt;
use std::iter::Sum;
use std::ops::Add;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Millionths of a dollar in a dollar.
const DOLLAR: u64 = 1_000_000;

/// An amount of US dollars. As text it is rounded to cents; in JSON it is a string with all its decimals, at least two
/// and at most six.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Money(u64);

/// Not an amount of money.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no amount of US dollars: a number with at most six decimals is")]
pub struct NoMoney(String);

impl Money {
    /// So many whole dollars.
    pub fn dollars(dollars: u32) -> Self {
        Self(u64::from(dollars) * DOLLAR)
    }

    /// This amount, so many times. What no bill reaches stays at the most that there is.
    pub fn times(self, quantity: u64) -> Self {
        Self(self.0.saturating_mul(quantity))
    }

    /// How many per cent of `whole` it is, rounded up, so that 100 is never less than the whole; `None` of nothing.
    pub fn percent_of(self, whole: Self) -> Option<u64> {
        let percent = (u128::from(self.0) * 100).div_ceil(u128::from(whole.0).max(1));
        (whole.0 > 0).then(|| u64::try_from(percent).unwrap_or(u64::MAX))
    }
}

impl Add for Money {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl Sum for Money {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), Add::add)
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Half a cent is rounded up.
        let cents = self.0 / 10_000 + u64::from(self.0 % 10_000 >= 5_000);
        f.pad(&format!("{}.{:02}", cents / 100, cents % 100))
    }
}

impl FromStr for Money {
    type Err = NoMoney;

    fn from_str(text: &str) -> Result<Self, NoMoney> {
        let wrong = || NoMoney(text.to_owned());
        let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(whole) || !digits(fraction) || fraction.len() > 6 {
            return Err(wrong());
        }
        let millionths: u64 = format!("{fraction:0<6}").parse().map_err(|_| wrong())?;
        let whole = whole.parse::<u64>().ok().and_then(|whole| whole.checked_mul(DOLLAR));
        whole.and_then(|whole| whole.checked_add(millionths)).map(Self).ok_or_else(wrong)
    }
}

impl Serialize for Money {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let millionths = format!("{:06}", self.0 % DOLLAR);
        let (cents, rest) = millionths.split_at(2);
        serializer.collect_str(&format_args!("{}.{cents}{}", self.0 / DOLLAR, rest.trim_end_matches('0')))
    }
}

impl<'de> Deserialize<'de> for Money {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn amounts_are_read_exactly_and_shown_in_cents() {
        for (text, shown) in [
            ("0", "0.00"),
            ("0.005", "0.01"),
            ("0.004999", "0.00"),
            ("12.345678", "12.35"),
            ("0.10185", "0.10"),
            ("10000000", "10000000.00"),
        ] {
            assert_eq!(text.parse::<Money>().unwrap().to_string(), shown, "{text}");
        }
    }

    #[test]
    fn what_is_no_amount_is_refused() {
        for text in ["", ".", "1.", ".5", "-1", "+1", "1e3", "1.2345678", "1,5", "99999999999999999999", " 1"] {
            assert!(text.parse::<Money>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_share_never_looks_smaller_than_it_is() {
        let hundred = Money::dollars(100);
        for (amount, percent) in [("0", 0), ("100", 100), ("100.000001", 101), ("99.5", 100), ("250", 250)] {
            assert_eq!(amount.parse::<Money>().unwrap().percent_of(hundred), Some(percent), "{amount}");
        }
        assert_eq!(hundred.percent_of(Money::default()), None);
    }

    proptest! {
        #[test]
        fn sums_lose_nothing(parts in prop::collection::vec(0u64..1_000_000_000_000, 0..200)) {
            let sum: Money = parts.iter().map(|part| Money(*part)).sum();
            prop_assert_eq!(sum.0, parts.iter().sum::<u64>());
        }

        #[test]
        fn json_gives_back_the_same_amount(millionths in any::<u64>()) {
            let text = serde_json::to_string(&Money(millionths)).unwrap();
            prop_assert_eq!(serde_json::from_str::<Money>(&text).unwrap(), Money(millionths));
        }

        #[test]
        fn a_product_is_a_sum(amount in 0u64..1_000_000_000, quantity in 0u64..500) {
            let sum: Money = (0..quantity).map(|_| Money(amount)).sum();
            prop_assert_eq!(Money(amount).times(quantity), sum);
        }

        #[test]
        fn what_is_shown_is_within_half_a_cent(millionths in 0u64..10_000_000_000) {
            let shown: Money = Money(millionths).to_string().parse().unwrap();
            prop_assert!(shown.0.abs_diff(millionths) <= 5_000);
        }
    }
}
