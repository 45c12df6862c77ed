//! XML as the formats here write it: indented, and without a character that XML 1.0 forbids.

use std::io::{self, Write};

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesEnd, BytesStart, BytesText, Event};

use crate::sanitize;

/// Longer than any line that a report holds.
const LINE: usize = 100_000;
/// Characters of a peer's words.
const WORDS: usize = 4000;

/// What a peer said, as one line among others.
pub fn line(text: &str) -> String {
    sanitize::line(text, WORDS).into_owned()
}

/// Writes elements; whatever text it is given is made harmless and escaped.
pub struct Xml<'a>(Writer<&'a mut dyn Write>);

impl<'a> Xml<'a> {
    /// Writes the declaration.
    pub fn new(output: &'a mut dyn Write) -> io::Result<Self> {
        let mut writer = Writer::new_with_indent(output, b' ', 2);
        writer.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
        Ok(Self(writer))
    }

    /// `<!DOCTYPE name>`.
    pub fn document_type(&mut self, name: &str) -> io::Result<()> {
        self.0.write_event(Event::DocType(BytesText::from_escaped(name)))
    }

    pub fn start(&mut self, name: &str, attributes: &[(&str, &str)]) -> io::Result<()> {
        self.0.write_event(Event::Start(element(name, attributes)))
    }

    pub fn end(&mut self, name: &str) -> io::Result<()> {
        self.0.write_event(Event::End(BytesEnd::new(name)))
    }

    pub fn empty(&mut self, name: &str, attributes: &[(&str, &str)]) -> io::Result<()> {
        self.0.write_event(Event::Empty(element(name, attributes)))
    }

    /// An element with text and nothing else in it.
    pub fn text(&mut self, name: &str, attributes: &[(&str, &str)], text: &str) -> io::Result<()> {
        self.start(name, attributes)?;
        self.0.write_event(Event::Text(BytesText::new(&sanitize::lines(text, LINE))))?;
        self.end(name)
    }

    /// The last line's end.
    pub fn finish(self) -> io::Result<()> {
        self.0.into_inner().write_all(b"\n")
    }
}

fn element<'a>(name: &'a str, attributes: &[(&str, &str)]) -> BytesStart<'a> {
    let mut start = BytesStart::new(name);
    for (key, value) in attributes {
        start.push_attribute((*key, sanitize::lines(value, LINE).as_str()));
    }
    start
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_text_stays_text() {
        let mut bytes: Vec<u8> = Vec::new();
        let mut xml = Xml::new(&mut bytes).unwrap();
        xml.start("a", &[("b", "\"><x>&\u{0}\n\u{ffff}'")]).unwrap();
        xml.text("c", &[], "]]><x>\u{1b}&amp;").unwrap();
        xml.empty("d", &[]).unwrap();
        xml.end("a").unwrap();
        xml.finish().unwrap();
        assert_eq!(String::from_utf8(bytes).unwrap(), {
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
             <a b=\"&quot;&gt;&lt;x&gt;&amp;\\x00&#10;\\u{ffff}&apos;\">\n  \
               <c>]]&gt;&lt;x&gt;\\x1b&amp;amp;</c>\n  <d/>\n</a>\n"
        });
    }
}
