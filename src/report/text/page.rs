//! Lines of text within a width. All of it is made harmless here, so no caller can forget.

use owo_colors::Style;
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use super::{Colour, TextOptions};
use crate::finding::Severity;
use crate::sanitize;

/// Longest text of one line of input: evidence quotes peers, and a peer may be verbose.
const LIMIT: usize = 2000;
/// Narrower pages would break every word.
const NARROWEST: usize = 40;
/// Column at which the values of fields start.
const FIELD: usize = 12;

/// What a text is, from which its colour follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    Plain,
    Heading,
    Alarm,
    Faint,
    Severity(Severity),
}

impl Tone {
    fn style(self) -> Style {
        let style = Style::new();
        match self {
            Self::Plain => style,
            Self::Heading => style.bold(),
            Self::Alarm | Self::Severity(Severity::Critical) => style.bold().red(),
            Self::Faint => style.dimmed(),
            Self::Severity(Severity::High) => style.red(),
            Self::Severity(Severity::Medium) => style.yellow(),
            Self::Severity(Severity::Low) => style.cyan(),
            Self::Severity(Severity::Info) => style.blue(),
        }
    }
}

/// The text as far as it is written.
#[derive(Debug)]
pub struct Page {
    text: String,
    colour: Colour,
    width: usize,
}

impl Page {
    pub fn new(options: TextOptions) -> Self {
        let width = usize::from(options.width).max(NARROWEST);
        Self { text: String::new(), colour: options.colour, width }
    }

    pub fn finish(self) -> String {
        self.text
    }

    pub fn blank(&mut self) {
        self.text.push('\n');
    }

    pub fn heading(&mut self, text: &str) {
        self.paragraph(Tone::Heading, "", text);
    }

    /// `Name        value`, the value wrapped in its own column.
    pub fn field(&mut self, name: &str, value: &str) {
        self.toned_field(Tone::Plain, name, value);
    }

    pub fn toned_field(&mut self, tone: Tone, name: &str, value: &str) {
        self.paragraph(tone, &format!("{name:<FIELD$}"), value);
    }

    /// Wrapped text after `first`; the lines after that are indented as far.
    pub fn paragraph(&mut self, tone: Tone, first: &str, text: &str) {
        self.wrapped(tone, first, &sanitize::line(text, LIMIT));
    }

    /// Like a paragraph, of items that are each bounded, and all shown.
    pub fn list(&mut self, tone: Tone, first: &str, items: &[String]) {
        let items: Vec<_> = items.iter().map(|item| sanitize::line(item, LIMIT)).collect();
        self.wrapped(tone, first, &items.join(", "));
    }

    fn wrapped(&mut self, tone: Tone, first: &str, harmless: &str) {
        let indent = " ".repeat(first.width());
        let room = self.width.saturating_sub(first.width()).max(NARROWEST / 2);
        for (number, line) in wrap(harmless, room).iter().enumerate() {
            self.put(Tone::Plain, if number == 0 { first } else { &indent });
            self.put(tone, line);
            self.end_line();
        }
    }

    /// One line that stays one line: a command to paste, a link, a line of a table.
    pub fn verbatim(&mut self, tone: Tone, indent: &str, text: &str) {
        self.put(Tone::Plain, indent);
        self.put(tone, &sanitize::line(text, LIMIT));
        self.end_line();
    }

    fn put(&mut self, tone: Tone, text: &str) {
        match self.colour {
            Colour::Always if tone != Tone::Plain => {
                self.text.push_str(&tone.style().style(text).to_string());
            }
            Colour::Always | Colour::Never => self.text.push_str(text),
        }
    }

    fn end_line(&mut self) {
        let end = self.text.trim_end_matches(' ').len();
        self.text.truncate(end);
        self.text.push('\n');
    }
}

/// Breaks between words, and inside those that do not fit on a line: left to the terminal, a long
/// word would go on in the first column, where it could pass for a line of ours.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut used = 0;
    for (number, word) in text.split(' ').enumerate() {
        let columns = word.width();
        if number > 0 {
            if used + 1 + columns <= width {
                line.push(' ');
                used += 1;
            } else {
                lines.push(std::mem::take(&mut line));
                used = 0;
            }
        }
        for c in word.chars() {
            let columns = c.width().unwrap_or(0);
            if used + columns > width {
                lines.push(std::mem::take(&mut line));
                used = 0;
            }
            line.push(c);
            used += columns;
        }
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn words_wrap_and_long_ones_break() {
        assert_eq!(wrap("one two three", 8), ["one two", "three"]);
        assert_eq!(wrap("a abcdefghij b", 4), ["a", "abcd", "efgh", "ij b"]);
        assert_eq!(wrap("東京東京", 5), ["東京", "東京"]);
        assert_eq!(wrap("", 5), [""]);
    }

    proptest! {
        #[test]
        fn lines_keep_to_the_width_and_lose_nothing(text in "[a-z東 ]{0,60}", width in 2usize..20) {
            let lines = wrap(&text, width);
            prop_assert!(lines.iter().all(|line| line.width() <= width), "{lines:?}");
            let without_spaces = |text: &str| text.replace(' ', "");
            prop_assert_eq!(without_spaces(&lines.concat()), without_spaces(&text));
        }
    }
}
