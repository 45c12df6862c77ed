//! What stands between any text and the page: askama.toml names it as the templates' escaper.

use std::fmt::{self, Write};

use askama::filters::Escaper;

use crate::sanitize;

/// Makes text that is neither markup nor able to reorder, hide or imitate what stands around it.
///
/// In a page too a right-to-left override turns what follows it, so what `sanitize` calls a hazard
/// becomes a visible escape here as well. Line feeds are among them: a text of several lines is
/// given to a template line by line.
#[derive(Clone, Copy, Debug, Default)]
pub struct Harmless;

impl Escaper for Harmless {
    fn write_escaped_str<W: Write>(&self, mut page: W, text: &str) -> fmt::Result {
        let mut rest = text;
        while let Some(at) = rest.find(needs_escape) {
            let (plain, from) = rest.split_at(at);
            page.write_str(plain)?;
            let mut characters = from.chars();
            if let Some(c) = characters.next() {
                escape(&mut page, c)?;
            }
            rest = characters.as_str();
        }
        page.write_str(rest)
    }
}

fn needs_escape(c: char) -> bool {
    matches!(c, '<' | '>' | '&' | '"' | '\'') || sanitize::is_hazard(c)
}

fn escape(page: &mut impl Write, c: char) -> fmt::Result {
    match c {
        '<' => page.write_str("&lt;"),
        '>' => page.write_str("&gt;"),
        '&' => page.write_str("&amp;"),
        '"' => page.write_str("&#34;"),
        '\'' => page.write_str("&#39;"),
        // Longer than any escape.
        _ => page.write_str(&sanitize::line(c.encode_utf8(&mut [0; 4]), 16)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::report::sample::HOSTILE;

    fn escaped(text: &str) -> String {
        let mut page = String::new();
        Harmless.write_escaped_str(&mut page, text).unwrap();
        page
    }

    #[test]
    fn markup_and_hazards_become_text() {
        assert_eq!(
            escaped("<script>\"a\" & 'b'</script>"),
            "&lt;script&gt;&#34;a&#34; &amp; &#39;b&#39;&lt;/script&gt;"
        );
        assert_eq!(escaped("a\u{202e}b\r\n\x1b[2J"), "a\\u{202e}b\\r\\n\\x1b[2J");
        assert_eq!(escaped("Zürich 東京"), "Zürich 東京");
        assert!(!escaped(HOSTILE).chars().any(sanitize::is_hazard));
    }

    proptest! {
        #[test]
        fn nothing_that_acts_is_left(text in prop::collection::vec(any::<char>(), 0..60)) {
            let text: String = text.into_iter().collect();
            let page = escaped(&text);
            prop_assert!(!page.chars().any(|c| sanitize::is_hazard(c) || "<>\"'".contains(c)));
            // What a browser makes of it is what `sanitize` would have printed.
            let shown = page
                .replace("&lt;", "<")
                .replace("&gt;", ">")
                .replace("&#34;", "\"")
                .replace("&#39;", "'")
                .replace("&amp;", "&");
            prop_assert_eq!(shown, sanitize::line(&text, usize::MAX));
        }
    }
}
