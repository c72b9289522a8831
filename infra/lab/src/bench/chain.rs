//! What calls took by themselves.

use std::time::Duration;

/// When a call began and ended.
type Span = (Duration, Duration);

/// How long at least one call was under way.
pub(super) fn under_way(spans: &[Span]) -> Duration {
    let mut sorted = spans.to_vec();
    sorted.sort_unstable();
    let mut total = Duration::ZERO;
    let mut until = Duration::ZERO;
    for (began, ended) in sorted {
        total += ended.saturating_sub(began.max(until));
        until = until.max(ended);
    }
    total
}

/// The longest chain of calls of which each began after the one before had ended: the sum of their times, and how many
/// they are.
///
/// Nothing says which call waited for which, so the chain may have links that were none: it is never shorter than the
/// longest dependent one.
pub(super) fn longest(spans: &[Span]) -> (Duration, usize) {
    let mut sorted = spans.to_vec();
    sorted.sort_unstable_by_key(|(_, ended)| *ended);
    // The best chain that ends with each call; `best[i]` of all that have ended by then.
    let mut best: Vec<(Duration, usize)> = Vec::with_capacity(sorted.len());
    for (began, ended) in &sorted {
        let before = sorted.partition_point(|(_, earlier)| earlier <= began).min(best.len());
        let (time, count) = before.checked_sub(1).map_or((Duration::ZERO, 0), |last| best[last]);
        let own = (time + ended.saturating_sub(*began), count + 1);
        best.push(best.last().copied().map_or(own, |so_far| so_far.max(own)));
    }
    best.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(began: u64, ended: u64) -> Span {
        (Duration::from_millis(began), Duration::from_millis(ended))
    }

    #[test]
    fn calls_at_once_count_once() {
        assert_eq!(under_way(&[ms(0, 10), ms(5, 12), ms(20, 30)]), Duration::from_millis(22));
        assert_eq!(under_way(&[]), Duration::ZERO);
    }

    #[test]
    fn a_chain_has_no_two_calls_at_once() {
        let calls = [ms(0, 10), ms(0, 40), ms(10, 25), ms(41, 50), ms(26, 39)];
        assert_eq!(longest(&calls), (Duration::from_millis(49), 2));
        assert_eq!(longest(&calls[..1]), (Duration::from_millis(10), 1));
        assert_eq!(longest(&[]), (Duration::ZERO, 0));
    }
}
