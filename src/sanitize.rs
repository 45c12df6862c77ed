//! Makes text from the network safe to print: one line, bounded, and unable to move a cursor.
//!
//! A peer chooses its certificate's names and its headers, and people read them in terminals.
//! Whatever could act there (control and escape characters), reorder its neighbours (bidi) or
//! hide (zero-width, unassigned, blanks other than the space) becomes a visible escape.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Ends a text that was cut.
const ELLIPSIS: char = '…';

/// `text` as at most `limit` characters of one harmless line; borrowed where nothing changes.
///
/// ASCII controls become `\x1b`, all else `\u{202e}`. A backslash stays as it is: RFC 4514 names
/// are full of them, and an escape that the peer spelt out itself does no harm.
pub fn line(text: &str, limit: usize) -> Cow<'_, str> {
    if text.chars().nth(limit).is_none() && !text.chars().any(is_hazard) {
        return Cow::Borrowed(text);
    }
    let mut safe = Bounded::new(limit);
    for c in text.chars() {
        if !safe.push(c) {
            break;
        }
    }
    Cow::Owned(safe.finish())
}

/// Like [`line()`], for bytes that should be UTF-8: what is not becomes `\xff`.
pub fn bytes(bytes: &[u8], limit: usize) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return line(text, limit);
    }
    let mut safe = Bounded::new(limit);
    'chunks: for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            if !safe.push(c) {
                break 'chunks;
            }
        }
        for byte in chunk.invalid() {
            if !safe.push_byte(*byte) {
                break 'chunks;
            }
        }
    }
    Cow::Owned(safe.finish())
}

/// Like [`line()`], for text that has line breaks of its own: they stay, and each line is made
/// harmless and bounded by itself. A peer's words belong in one line, or they could forge another.
pub fn lines(text: &str, limit: usize) -> String {
    text.lines().map(|each| line(each, limit)).collect::<Vec<_>>().join("\n")
}

/// Whether `c` could act on a terminal or mislead the eye.
///
/// `char::escape_debug` is the standard library's table of what is not printable: controls,
/// format characters (bidi, zero-width, tags), separators, private use and unassigned. It also
/// escapes marks that draw over the character before them, which suits us. Added here are the
/// blanks that Unicode counts as letters or symbols.
pub fn is_hazard(c: char) -> bool {
    match c {
        ' '..='~' => false,
        '\u{115f}' | '\u{1160}' | '\u{2800}' | '\u{3164}' | '\u{ffa0}' => true,
        _ => c.escape_debug().len() > 1,
    }
}

/// Text that grows up to a limit and never ends inside an escape.
struct Bounded {
    text: String,
    characters: usize,
    limit: usize,
    /// Byte length of the longest prefix that leaves room for the ellipsis.
    cut: usize,
}

impl Bounded {
    fn new(limit: usize) -> Self {
        Self { text: String::new(), characters: 0, limit, cut: 0 }
    }

    /// Appends `c` or its escape; `false` when the text is full.
    #[must_use]
    fn push(&mut self, c: char) -> bool {
        if !is_hazard(c) {
            self.text.push(c);
            return self.appended(1);
        }
        let before = self.text.len();
        // Writing to a String cannot fail.
        let _ = match c {
            '\n' => self.text.write_str("\\n"),
            '\r' => self.text.write_str("\\r"),
            '\t' => self.text.write_str("\\t"),
            c if c.is_ascii() => write!(self.text, "\\x{:02x}", u32::from(c)),
            c => write!(self.text, "\\u{{{:x}}}", u32::from(c)),
        };
        self.appended(self.text.len() - before)
    }

    #[must_use]
    fn push_byte(&mut self, byte: u8) -> bool {
        let _ = write!(self.text, "\\x{byte:02x}");
        self.appended(4)
    }

    fn appended(&mut self, characters: usize) -> bool {
        self.characters += characters;
        if self.characters < self.limit {
            self.cut = self.text.len();
        }
        self.characters <= self.limit
    }

    fn finish(mut self) -> String {
        if self.characters > self.limit {
            self.text.truncate(self.cut);
            if self.limit > 0 {
                self.text.push(ELLIPSIS);
            }
        }
        self.text
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Spelt out rather than taken from `is_hazard`, which is what is being tested.
    fn acts_on_a_terminal(c: char) -> bool {
        c.is_control()
            || matches!(c,
                '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{ad}' | '\u{180e}'
                | '\u{fe00}'..='\u{fe0f}' | '\u{e000}'..='\u{f8ff}' | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{10ffff}')
    }

    fn hostile_char() -> impl Strategy<Value = char> {
        prop_oneof![
            any::<char>(),
            prop::char::range('\0', '\u{ff}'),
            prop::char::range('\u{2000}', '\u{206f}'),
            prop::char::range('\u{e0000}', '\u{e01ef}'),
        ]
    }

    proptest! {
        #[test]
        fn a_line_holds_nothing_that_acts(
            text in prop::collection::vec(hostile_char(), 0..80),
            limit in 0usize..120,
        ) {
            let text: String = text.into_iter().collect();
            let safe = line(&text, limit);
            prop_assert!(!safe.chars().any(acts_on_a_terminal), "{safe:?}");
            prop_assert!(safe.chars().count() <= limit);
            prop_assert_eq!(line(&safe, limit), safe.as_ref(), "cleaning twice changes nothing");
        }

        #[test]
        fn bytes_hold_nothing_that_acts(
            raw in prop::collection::vec(any::<u8>(), 0..80),
            limit in 0usize..120,
        ) {
            let safe = bytes(&raw, limit);
            prop_assert!(!safe.chars().any(acts_on_a_terminal), "{safe:?}");
            prop_assert!(safe.chars().count() <= limit);
        }

        #[test]
        fn printable_ascii_is_borrowed(text in "[ -~]{0,40}") {
            prop_assert!(matches!(line(&text, 40), Cow::Borrowed(same) if same == text));
        }
    }

    #[test]
    fn escapes_are_visible() {
        assert_eq!(line("a\x1b[2Jb", 80), "a\\x1b[2Jb");
        assert_eq!(line("one\r\n\ttwo\0", 80), "one\\r\\n\\ttwo\\x00");
        assert_eq!(line("\u{9b}31m\u{7f}", 80), "\\u{9b}31m\\x7f");
        assert_eq!(line("gpj\u{202e}exe", 80), "gpj\\u{202e}exe");
        assert_eq!(line("pay\u{200b}pal\u{a0}\u{3164}", 80), "pay\\u{200b}pal\\u{a0}\\u{3164}");
        assert_eq!(line("\u{e0041}\u{2028}\u{e000}\u{378}", 80), {
            "\\u{e0041}\\u{2028}\\u{e000}\\u{378}"
        });
    }

    #[test]
    fn line_breaks_stay_where_they_are_ones_own() {
        assert_eq!(lines("run:\n    docker\t\x1b[2J\r\nthen\n", 80), {
            "run:\n    docker\\t\\x1b[2J\nthen"
        });
        assert_eq!(lines("abcdefg\n12", 6), "abcde…\n12");
    }

    #[test]
    fn other_scripts_stay_readable() {
        for text in ["Zürich", "東京", "Ελλάδα", "CN=a\\,b", "\"quoted\" it's"] {
            assert!(matches!(line(text, 80), Cow::Borrowed(_)), "{text}");
        }
    }

    #[test]
    fn invalid_bytes_are_shown_as_bytes() {
        assert_eq!(bytes(b"ok\xff\xc3(\n", 80), "ok\\xff\\xc3(\\n");
        assert!(matches!(bytes("Zürich".as_bytes(), 80), Cow::Borrowed("Zürich")));
    }

    #[test]
    fn a_long_text_ends_in_an_ellipsis_and_never_inside_an_escape() {
        assert_eq!(line("abcdef", 6), "abcdef");
        assert_eq!(line("abcdefg", 6), "abcde…");
        assert_eq!(line("abc\u{202e}", 6), "abc…");
        assert_eq!(line("abc", 0), "");
        assert_eq!(bytes(b"abc\xff\xff", 6), "abc…");
    }
}
