//! Which word was meant.

/// The word most like `typed`, if any is like enough to be what was meant.
pub fn nearest<'a>(typed: &str, words: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    const ALIKE: f64 = 0.8;
    words
        .into_iter()
        .map(|word| (strsim::jaro_winkler(typed, word), word))
        .filter(|(likeness, _)| *likeness >= ALIKE)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, word)| word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_understood_and_nonsense_is_not() {
        let words = ["api-exposed", "cert-expired", "cert-expiring"];
        assert_eq!(nearest("api-exposd", words), Some("api-exposed"));
        assert_eq!(nearest("cert-expird", words), Some("cert-expired"));
        assert_eq!(nearest("x", words), None);
        assert_eq!(nearest("", words), None);
    }
}
