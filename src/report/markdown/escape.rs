//! Makes text harmless in Markdown.
//!
//! What others chose (names, evidence) goes into code, where nothing is a link, HTML or a mention of
//! somebody: escaped, `@name` would still be one on GitHub. Only the program's own words are prose.

use crate::sanitize;

/// Prose of the program's own: punctuation that could be markup is escaped.
pub fn prose(text: &str) -> String {
    const MARKUP: &str = "\\`*_{}[]<>#|~&!";
    let mut escaped = String::new();
    for c in sanitize::line(text, 2000).chars() {
        if MARKUP.contains(c) {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

/// One line of code within a paragraph. Not for tables, where a `|` would end the cell.
pub fn code(text: &str) -> String {
    let text = sanitize::line(text, 4000);
    // Empty code is no code, but two backticks.
    let text = if text.is_empty() { " ".into() } else { text };
    let fence = "`".repeat(longest_run(&text) + 1);
    let ends_in = |c| text.starts_with(c) || text.ends_with(c);
    // A space at each end is taken off again, unless there is nothing else.
    let pad = if ends_in('`') || (ends_in(' ') && !text.trim().is_empty()) { " " } else { "" };
    format!("{fence}{pad}{text}{pad}{fence}")
}

/// A block of code.
pub fn block(text: &str) -> String {
    let text = sanitize::lines(text, 2000);
    let fence = "`".repeat((longest_run(&text) + 1).max(3));
    format!("{fence}\n{text}\n{fence}\n")
}

fn longest_run(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or_default()
}

/// A link that shows its address; code, if it is none.
pub fn link(address: &str) -> String {
    let plain = |c: char| c.is_ascii_graphic() && !"<>\"`\\^{|}".contains(c);
    let known = address.starts_with("https://") || address.starts_with("http://");
    if known && address.chars().all(plain) { format!("<{address}>") } else { code(address) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_cannot_be_left() {
        assert_eq!(code("a"), "`a`");
        assert_eq!(code("@admin <b> [x](y)"), "`@admin <b> [x](y)`");
        assert_eq!(code("a`b``c"), "```a`b``c```");
        assert_eq!(code("`"), "`` ` ``");
        assert_eq!(code("a\n\n# b"), "`a\\n\\n# b`");
        assert_eq!(code(""), "` `");
        assert_eq!(block("a\n```\n# b"), "````\na\n```\n# b\n````\n");
    }

    #[test]
    fn prose_is_prose() {
        assert_eq!(prose("*a* <b> [c](d) | e_f"), "\\*a\\* \\<b\\> \\[c\\](d) \\| e\\_f");
        assert_eq!(prose("TLS 1.0 is accepted"), "TLS 1.0 is accepted");
    }

    #[test]
    fn only_addresses_of_the_web_are_links() {
        assert_eq!(link("https://docs.docker.com/a?b#c"), "<https://docs.docker.com/a?b#c>");
        assert_eq!(link("javascript:alert(1)"), "`javascript:alert(1)`");
        assert_eq!(link("https://a> <b"), "`https://a> <b`");
    }
}
