//! As much of DER (X.690) as is needed to cut fields out exactly, without recursion or copies.

use std::fmt::Write as _;

pub(super) const BOOLEAN: u8 = 0x01;
pub(super) const INTEGER: u8 = 0x02;
pub(super) const OBJECT_IDENTIFIER: u8 = 0x06;
pub(super) const SEQUENCE: u8 = 0x30;
pub(super) const SET: u8 = 0x31;
/// `[0]`, constructed.
pub(super) const CONTEXT_0: u8 = 0xa0;

/// Longest integer or OID, in bytes, that is written out in full.
const MAX_WRITTEN: usize = 64;

#[derive(Clone, Copy, Debug)]
pub(super) struct Element<'a> {
    pub tag: u8,
    pub content: &'a [u8],
    /// With tag and length.
    pub whole: &'a [u8],
}

impl<'a> Element<'a> {
    pub(super) fn tagged(self, tag: u8) -> Option<&'a [u8]> {
        (self.tag == tag).then_some(self.content)
    }
}

/// The first element and what follows it. `None` where there is none: too short, of indefinite
/// length, or with a tag of several bytes, which X.509 does not use.
pub(super) fn element(input: &[u8]) -> Option<(Element<'_>, &[u8])> {
    let (&tag, rest) = input.split_first()?;
    if tag & 0x1f == 0x1f {
        return None;
    }
    let (&first, mut rest) = rest.split_first()?;
    let mut length = usize::from(first);
    if first & 0x80 != 0 {
        let (bytes, after) = match first & 0x7f {
            count @ 1..=4 => rest.split_at_checked(usize::from(count))?,
            _ => return None,
        };
        length = bytes.iter().try_fold(0usize, |length, &byte| {
            length.checked_mul(256)?.checked_add(usize::from(byte))
        })?;
        rest = after;
    }
    let (content, rest) = rest.split_at_checked(length)?;
    let (whole, _) = input.split_at_checked(input.len().checked_sub(rest.len())?)?;
    Some((Element { tag, content, whole }, rest))
}

/// The elements one after another; a `None` where the rest is no element, and then the end.
pub(super) fn elements(input: &[u8]) -> impl Iterator<Item = Option<Element<'_>>> {
    let mut rest = input;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let Some((next, after)) = element(rest) else {
            rest = &[];
            return Some(None);
        };
        rest = after;
        Some(Some(next))
    })
}

/// Bits of the absolute value of an INTEGER that must not be negative.
pub(super) fn unsigned_bits(integer: &[u8]) -> Option<u32> {
    let first = integer.first()?;
    if first & 0x80 != 0 {
        return None;
    }
    let magnitude = strip_zeros(integer);
    let bytes = u32::try_from(magnitude.len()).ok()?;
    let spare = magnitude.first().map_or(0, |byte| byte.leading_zeros());
    bytes.checked_mul(8).map(|bits| bits - spare)
}

/// An INTEGER's value in hex, `-` before it where it is negative, cut at 64 bytes.
pub(super) fn integer_hex(integer: &[u8]) -> String {
    let (kept, cut) = match integer.split_at_checked(MAX_WRITTEN) {
        Some((kept, rest)) if !rest.is_empty() => (kept, "…"),
        _ => (integer, ""),
    };
    let negative = kept.first().is_some_and(|byte| byte & 0x80 != 0);
    let mut magnitude = kept.to_vec();
    if negative {
        // Two's complement: invert, and add one from the end on.
        let mut carry = cut.is_empty();
        for byte in magnitude.iter_mut().rev() {
            (*byte, carry) = (!*byte).overflowing_add(u8::from(carry));
        }
    }
    let digits = match strip_zeros(&magnitude) {
        [] => "00".to_owned(),
        bytes => hex(bytes),
    };
    format!("{}{digits}{cut}", if negative { "-" } else { "" })
}

/// A non-negative INTEGER in decimal; `None` where it is negative or above 512 bits, where the
/// schoolbook conversion would begin to cost.
pub(super) fn integer_decimal(integer: &[u8]) -> Option<String> {
    unsigned_bits(integer)?;
    let magnitude = strip_zeros(integer);
    if magnitude.len() > MAX_WRITTEN {
        return None;
    }
    // Little-endian digits of base 10^9.
    let mut digits: Vec<u64> = vec![0];
    for &byte in magnitude {
        let mut carry = u64::from(byte);
        for digit in &mut digits {
            let value = *digit * 256 + carry;
            (*digit, carry) = (value % 1_000_000_000, value / 1_000_000_000);
        }
        if carry > 0 {
            digits.push(carry);
        }
    }
    let mut text = String::new();
    for (place, digit) in digits.iter().rev().enumerate() {
        let _ = if place == 0 { write!(text, "{digit}") } else { write!(text, "{digit:09}") };
    }
    Some(text)
}

/// An OID's content, dotted; in hex where an arc is unfinished or above 64 bits.
pub(super) fn oid_text(oid: &[u8]) -> String {
    let short = oid.get(..MAX_WRITTEN.min(oid.len())).unwrap_or_default();
    if short.len() == oid.len()
        && let Some(text) = dotted(oid)
    {
        return text;
    }
    format!("0x{}{}", hex(short), if short.len() < oid.len() { "…" } else { "" })
}

/// X.690, section 8.19: base 128, and the first two arcs share a number.
fn dotted(oid: &[u8]) -> Option<String> {
    let mut arcs: Vec<u64> = Vec::new();
    let mut arc = 0u64;
    for &byte in oid {
        arc = arc.checked_mul(128)?.checked_add(u64::from(byte & 0x7f))?;
        if byte & 0x80 == 0 {
            if arcs.is_empty() {
                let root = (arc / 40).min(2);
                arcs.push(root);
                arc -= root * 40;
            }
            arcs.push(std::mem::take(&mut arc));
        }
    }
    let finished = oid.last().is_some_and(|byte| byte & 0x80 == 0);
    finished.then(|| arcs.iter().map(u64::to_string).collect::<Vec<_>>().join("."))
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

pub(super) fn strip_zeros(bytes: &[u8]) -> &[u8] {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    bytes.get(zeros..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_cut_exactly() {
        let (first, rest) = element(&[0x02, 0x01, 0x05, 0xff]).unwrap();
        assert_eq!((first.tag, first.content, first.whole), (2, &[5][..], &[2, 1, 5][..]));
        assert_eq!(rest, [0xff]);
        let long = [&[0x04, 0x82, 0x01, 0x00][..], &[7; 256]].concat();
        assert_eq!(element(&long).unwrap().0.content.len(), 256);
    }

    #[test]
    fn what_is_no_element_is_none() {
        for bytes in [
            &[][..],
            &[0x30],
            &[0x30, 0x80, 0, 0],
            &[0x30, 0x05, 0],
            &[0x1f, 0x81, 0x00, 0x00],
            &[0x30, 0x84, 0xff, 0xff, 0xff, 0xff],
            &[0x30, 0x85, 0, 0, 0, 0, 0],
        ] {
            assert!(element(bytes).is_none(), "{bytes:02x?}");
        }
        assert_eq!(elements(&[5, 0, 0x30]).map(|e| e.is_some()).collect::<Vec<_>>(), [true, false]);
    }

    #[test]
    fn integers_are_written_as_values() {
        assert_eq!(integer_hex(&[0x00, 0xc3, 0x01]), "c301");
        assert_eq!(integer_hex(&[0xff]), "-01");
        assert_eq!(integer_hex(&[0xff, 0x00]), "-0100");
        assert_eq!(integer_hex(&[0x80]), "-80");
        assert_eq!(integer_hex(&[0]), "00");
        assert_eq!(integer_hex(&[]), "00");
        assert_eq!(integer_hex(&[1; 65]).chars().count(), 129);
        assert_eq!(integer_decimal(&[1, 0, 1]).as_deref(), Some("65537"));
        assert_eq!(integer_decimal(&[0]).as_deref(), Some("0"));
        assert_eq!(integer_decimal(&[0x3b, 0x9a, 0xca, 0x00]).as_deref(), Some("1000000000"));
        assert_eq!(
            integer_decimal(&[0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]).as_deref(),
            Some("18446744073709551615")
        );
        assert_eq!(integer_decimal(&[0x80]), None);
        assert_eq!(integer_decimal(&[1; 65]), None);
    }

    #[test]
    fn bits_are_counted_without_leading_zeros() {
        assert_eq!(unsigned_bits(&[0, 0x80, 0]), Some(16));
        assert_eq!(unsigned_bits(&[0, 0, 1]), Some(1));
        assert_eq!(unsigned_bits(&[0]), Some(0));
        assert_eq!(unsigned_bits(&[0x80]), None);
        assert_eq!(unsigned_bits(&[]), None);
    }

    #[test]
    fn oids_are_dotted_or_hex() {
        assert_eq!(oid_text(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d]), "1.2.840.113549");
        assert_eq!(oid_text(&[0x88, 0x37, 0x03]), "2.999.3");
        assert_eq!(oid_text(&[0x2a, 0x86]), "0x2a86");
        assert_eq!(oid_text(&[]), "0x");
        assert_eq!(oid_text(&[0xff; 11]), format!("0x{}", "ff".repeat(11)));
        assert!(oid_text(&[1; 10_000]).chars().count() < 140);
    }
}
