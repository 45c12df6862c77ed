//! Distinguished names (RFC 5280, section 4.1.2.4) as text (RFC 4514).

use super::der::{self, Element};

/// Bound on a name's text, the mark of a cut included.
pub const MAX_NAME_CHARS: usize = 512;

/// A distinguished name's DER as RFC 4514 text, bounded; `None` where it is not a name.
///
/// Two liberties: types beyond the table of RFC 4514, section 3, keep their usual short names, and
/// their text is written as text, not as hex. Not safe to print: only what RFC 4514 names is
/// escaped, so control characters come through.
pub fn name_text(der: &[u8]) -> Option<String> {
    let (name, rest) = der::element(der)?;
    if !rest.is_empty() {
        return None;
    }
    let rdns: Vec<Element<'_>> =
        der::elements(name.tagged(der::SEQUENCE)?).collect::<Option<_>>()?;
    let mut text = Bounded::default();
    // RFC 4514, section 2.1: the last RDN comes first.
    for (place, rdn) in rdns.iter().rev().enumerate() {
        if place > 0 {
            text.push(',');
        }
        for (place, attribute) in der::elements(rdn.tagged(der::SET)?).enumerate() {
            if place > 0 {
                text.push('+');
            }
            let mut fields = der::elements(attribute?.tagged(der::SEQUENCE)?);
            let kind = fields.next()??.tagged(der::OBJECT_IDENTIFIER)?;
            let value = fields.next()??;
            // Parsing goes on behind the cut, for what follows may show that this is no name.
            if !text.full {
                write_attribute(&mut text, kind, value);
            }
        }
    }
    Some(text.finish())
}

fn write_attribute(text: &mut Bounded, kind: &[u8], value: Element<'_>) {
    let oid = der::oid_text(kind);
    text.push_str(short_name(&oid).unwrap_or(&oid));
    text.push('=');
    // Cut before decoding: a character takes at most four bytes.
    let cut =
        |content: &[u8]| -> Vec<u8> { content.iter().copied().take(4 * MAX_NAME_CHARS).collect() };
    match decoded(value.tag, &cut(value.content)) {
        Some(string) => write_escaped(text, &string),
        // RFC 4514, section 2.4: what is no string is its BER in hex.
        None => {
            text.push('#');
            text.push_str(&der::hex(&cut(value.whole)));
        }
    }
}

/// The text of a string type; `None` of any other.
fn decoded(tag: u8, bytes: &[u8]) -> Option<String> {
    Some(match tag {
        // UTF8String, NumericString, PrintableString, IA5String, VisibleString.
        0x0c | 0x12 | 0x13 | 0x16 | 0x1a => String::from_utf8_lossy(bytes).into_owned(),
        // TeletexString: T.61 on paper, Latin-1 in practice.
        0x14 => bytes.iter().copied().map(char::from).collect(),
        // BMPString.
        0x1e => {
            let units: Vec<u16> = bytes
                .chunks_exact(2)
                .map(|pair| pair.iter().fold(0u16, |unit, &byte| unit << 8 | u16::from(byte)))
                .collect();
            String::from_utf16_lossy(&units)
        }
        // UniversalString.
        0x1c => bytes
            .chunks_exact(4)
            .map(|four| four.iter().fold(0u32, |unit, &byte| unit << 8 | u32::from(byte)))
            .map(|unit| char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER))
            .collect(),
        _ => return None,
    })
}

/// A distinguished name as it is compared: equal names have equal canonical forms, whatever
/// string types, case and spacing they were written with.
///
/// RFC 5280, section 7.1, simplified: letters are lowered one by one, and no character is mapped
/// to another that looks the same.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CanonicalName(Vec<Vec<Attribute>>);

/// Type and value: folded text, or the DER of what is no text.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Attribute {
    Text(Vec<u8>, String),
    Raw(Vec<u8>, Vec<u8>),
}

impl CanonicalName {
    /// `None` where the DER is no name.
    pub fn from_der(der: &[u8]) -> Option<Self> {
        let (name, rest) = der::element(der)?;
        if !rest.is_empty() {
            return None;
        }
        let rdns = der::elements(name.tagged(der::SEQUENCE)?);
        rdns.map(|rdn| canonical_rdn(rdn?.tagged(der::SET)?)).collect::<Option<_>>().map(Self)
    }
}

fn canonical_rdn(rdn: &[u8]) -> Option<Vec<Attribute>> {
    let mut attributes: Vec<Attribute> = der::elements(rdn)
        .map(|attribute| {
            let mut fields = der::elements(attribute?.tagged(der::SEQUENCE)?);
            let kind = fields.next()??.tagged(der::OBJECT_IDENTIFIER)?.to_vec();
            let value = fields.next()??;
            Some(match decoded(value.tag, value.content) {
                Some(text) => {
                    let words: Vec<&str> = text.split_whitespace().collect();
                    Attribute::Text(kind, words.join(" ").to_lowercase())
                }
                None => Attribute::Raw(kind, value.whole.to_vec()),
            })
        })
        .collect::<Option<_>>()?;
    attributes.sort_unstable();
    Some(attributes)
}

/// RFC 4514, section 2.4.
fn write_escaped(text: &mut Bounded, value: &str) {
    let last = value.chars().count().saturating_sub(1);
    for (place, character) in value.chars().enumerate() {
        match character {
            '\0' => text.push_str("\\00"),
            '"' | '+' | ',' | ';' | '<' | '>' | '\\' => text.push_escaped(character),
            ' ' if place == 0 || place == last => text.push_escaped(character),
            '#' if place == 0 => text.push_escaped(character),
            _ => text.push(character),
        }
        if text.full {
            return;
        }
    }
}

fn short_name(oid: &str) -> Option<&'static str> {
    Some(match oid {
        "2.5.4.3" => "CN",
        "2.5.4.4" => "SN",
        "2.5.4.5" => "serialNumber",
        "2.5.4.6" => "C",
        "2.5.4.7" => "L",
        "2.5.4.8" => "ST",
        "2.5.4.9" => "STREET",
        "2.5.4.10" => "O",
        "2.5.4.11" => "OU",
        "2.5.4.12" => "title",
        "2.5.4.42" => "GN",
        "0.9.2342.19200300.100.1.1" => "UID",
        "0.9.2342.19200300.100.1.25" => "DC",
        "1.2.840.113549.1.9.1" => "emailAddress",
        _ => return None,
    })
}

/// Text of at most `MAX_NAME_CHARS` characters, an ellipsis at its end where it was cut.
#[derive(Default)]
struct Bounded {
    text: String,
    chars: usize,
    full: bool,
}

impl Bounded {
    fn push(&mut self, character: char) {
        if self.chars < MAX_NAME_CHARS - 1 {
            self.text.push(character);
            self.chars += 1;
        } else {
            self.full = true;
        }
    }

    fn push_str(&mut self, text: &str) {
        text.chars().for_each(|character| self.push(character));
    }

    fn push_escaped(&mut self, character: char) {
        self.push('\\');
        self.push(character);
    }

    fn finish(mut self) -> String {
        if self.full {
            self.text.push('…');
        }
        self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
        let mut out = vec![tag];
        match content.len() {
            short @ 0..=127 => out.push(short as u8),
            long => out.extend([0x83, (long >> 16) as u8, (long >> 8) as u8, long as u8]),
        }
        out.extend(content);
        out
    }

    fn attribute(kind: &[u8], tag: u8, value: &[u8]) -> Vec<u8> {
        tlv(der::SEQUENCE, &[tlv(der::OBJECT_IDENTIFIER, kind), tlv(tag, value)].concat())
    }

    fn name(rdns: &[Vec<u8>]) -> Vec<u8> {
        let sets: Vec<u8> = rdns.iter().flat_map(|rdn| tlv(der::SET, rdn)).collect();
        tlv(der::SEQUENCE, &sets)
    }

    const CN: &[u8] = &[0x55, 4, 3];
    const O: &[u8] = &[0x55, 4, 10];

    #[test]
    fn rdns_are_written_last_first() {
        let der = name(&[attribute(O, 0x0c, b"Example"), attribute(CN, 0x13, b"ca")]);
        assert_eq!(name_text(&der).as_deref(), Some("CN=ca,O=Example"));
        assert_eq!(name_text(&[0x30, 0]).as_deref(), Some(""));
    }

    #[test]
    fn multi_valued_rdns_are_joined_with_plus() {
        let der = name(&[[attribute(O, 0x0c, b"a"), attribute(CN, 0x0c, b"b")].concat()]);
        assert_eq!(name_text(&der).as_deref(), Some("O=a+CN=b"));
    }

    #[test]
    fn special_characters_are_escaped() {
        let der = name(&[attribute(CN, 0x0c, b" #a,b+c\0\"d\\ ")]);
        assert_eq!(name_text(&der).as_deref(), Some("CN=\\ #a\\,b\\+c\\00\\\"d\\\\\\ "));
        let der = name(&[attribute(CN, 0x0c, b"#a")]);
        assert_eq!(name_text(&der).as_deref(), Some("CN=\\#a"));
    }

    #[test]
    fn every_string_type_is_decoded() {
        for (tag, bytes) in [
            (0x0c, "é".as_bytes()),
            (0x14, &[0xe9]),
            (0x1e, &[0x00, 0xe9]),
            (0x1c, &[0, 0, 0, 0xe9]),
        ] {
            let der = name(&[attribute(CN, tag, bytes)]);
            assert_eq!(name_text(&der).as_deref(), Some("CN=é"), "{tag:02x}");
        }
        let der = name(&[attribute(CN, 0x0c, &[b'a', 0xff])]);
        assert_eq!(name_text(&der).as_deref(), Some("CN=a\u{fffd}"));
        let der = name(&[attribute(CN, 0x1e, &[0xd8, 0x00])]);
        assert_eq!(name_text(&der).as_deref(), Some("CN=\u{fffd}"));
        let der = name(&[attribute(CN, 0x1c, &[0xff; 4])]);
        assert_eq!(name_text(&der).as_deref(), Some("CN=\u{fffd}"));
    }

    #[test]
    fn what_is_no_string_is_hex() {
        let der = name(&[attribute(&[0x2a, 3], 0x02, &[5])]);
        assert_eq!(name_text(&der).as_deref(), Some("1.2.3=#020105"));
    }

    #[test]
    fn long_names_are_cut() {
        let der = name(&vec![attribute(CN, 0x0c, &[b'a'; 100_000]); 20]);
        let text = name_text(&der).unwrap();
        assert_eq!(text.chars().count(), MAX_NAME_CHARS);
        assert!(text.ends_with("a…"));
    }

    #[test]
    fn names_are_compared_by_what_they_say() {
        let canonical = |rdns: &[Vec<u8>]| CanonicalName::from_der(&name(rdns)).unwrap();
        let reference = canonical(&[attribute(O, 0x13, b"Example CA"), attribute(CN, 0x13, b"r")]);
        let same = canonical(&[attribute(O, 0x0c, b" example  ca "), attribute(CN, 0x0c, b"R")]);
        assert_eq!(reference, same);
        for other in [
            canonical(&[attribute(CN, 0x13, b"r"), attribute(O, 0x13, b"Example CA")]),
            canonical(&[attribute(O, 0x13, b"ExampleCA"), attribute(CN, 0x13, b"r")]),
            canonical(&[attribute(O, 0x13, b"Example CA")]),
            canonical(&[attribute(O, 0x04, b"Example CA"), attribute(CN, 0x13, b"r")]),
            canonical(&[attribute(CN, 0x13, b"Example CA"), attribute(CN, 0x13, b"r")]),
            canonical(&[[attribute(O, 0x13, b"Example CA"), attribute(CN, 0x13, b"r")].concat()]),
        ] {
            assert_ne!(reference, other);
        }
        let (one, other) = (attribute(O, 0x0c, b"a"), attribute(CN, 0x0c, b"b"));
        assert_eq!(
            canonical(&[[one.clone(), other.clone()].concat()]),
            canonical(&[[other, one].concat()])
        );
        assert_eq!(CanonicalName::from_der(b"garbage"), None);
        assert_eq!(CanonicalName::from_der(&[0x30, 0, 0]), None);
    }

    #[test]
    fn what_is_no_name_is_none() {
        let good = name(&[attribute(CN, 0x0c, b"a")]);
        for bytes in [
            vec![],
            vec![0x31, 0],
            vec![0x30, 2, 5, 0],
            [good.clone(), vec![0]].concat(),
            good[..good.len() - 1].to_vec(),
            name(&[tlv(der::SEQUENCE, &tlv(der::OBJECT_IDENTIFIER, CN))]),
        ] {
            assert_eq!(name_text(&bytes), None, "{bytes:02x?}");
        }
    }
}
