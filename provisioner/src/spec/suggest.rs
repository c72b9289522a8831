//! The nearest right word for a wrong one.

/// Below this likeness (1.0 is equal) a suggestion confuses more than it helps.
const LIKE_ENOUGH: f64 = 0.78;

/// The word of `words` that was most likely meant by `given`, if any is near.
pub(crate) fn nearest<'w>(given: &str, words: &[&'w str]) -> Option<&'w str> {
    let given = given.trim().to_lowercase();
    if given.is_empty() {
        return None;
    }
    let likeness = |word: &str| {
        let word = word.to_lowercase();
        // `production` means Prod and `dept` means department, though few letters agree.
        if given.len() >= 3 && word.len() >= 3 && (given.starts_with(&word) || word.starts_with(&given)) {
            return 0.99;
        }
        strsim::jaro_winkler(&given, &word).max(strsim::normalized_damerau_levenshtein(&given, &word))
    };
    words
        .iter()
        .map(|word| (likeness(word), *word))
        .filter(|(likeness, _)| *likeness >= LIKE_ENOUGH)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, word)| word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typing_errors_find_their_word() {
        let words =
            ["account", "audit", "bastion", "budget", "description", "hosts", "image", "name", "region", "tags"];
        for (given, meant) in
            [("acount", "account"), ("Region", "region"), ("host", "hosts"), ("budgte", "budget"), ("nmae", "name")]
        {
            assert_eq!(nearest(given, &words), Some(meant), "{given}");
        }
        for given in ["", "zzz", "colour", "日本"] {
            assert_eq!(nearest(given, &words), None, "{given}");
        }
    }
}
