//! Reads TLS's presentation language (RFC 8446 section 3) off a slice.

/// The bytes not yet read. Every read gives `None`, and takes nothing, where too few are left.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wire<'a>(&'a [u8]);

impl<'a> Wire<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        let (number, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u16::from_be_bytes(*number))
    }

    /// A vector with a length of one byte in front.
    pub(super) fn vector8(&mut self) -> Option<&'a [u8]> {
        let (&[length], rest) = self.0.split_first_chunk()?;
        self.split(usize::from(length), rest)
    }

    /// A vector with a length of two bytes in front.
    pub(super) fn vector16(&mut self) -> Option<&'a [u8]> {
        let (length, rest) = self.0.split_first_chunk()?;
        self.split(usize::from(u16::from_be_bytes(*length)), rest)
    }

    /// A vector with a length of three bytes in front.
    pub(super) fn vector24(&mut self) -> Option<&'a [u8]> {
        let (&length, rest) = self.0.split_first_chunk()?;
        self.split(u24(length), rest)
    }

    fn split(&mut self, length: usize, after_length: &'a [u8]) -> Option<&'a [u8]> {
        let (vector, rest) = after_length.split_at_checked(length)?;
        self.0 = rest;
        Some(vector)
    }
}

pub(super) fn u24([high, middle, low]: [u8; 3]) -> usize {
    (usize::from(high) << 16) | (usize::from(middle) << 8) | usize::from(low)
}
