//! The record layer in clear: where records begin and end (RFC 8446 section 5.1).

use thiserror::Error;

/// Takes records apart without holding any of their payload: what is there of it is handed on, so
/// that a record cut short still gives the messages that were whole.
#[derive(Debug, Default)]
pub(super) struct RecordReader {
    header: Vec<u8>,
    /// The record whose payload is being read.
    current: Option<(ContentType, usize)>,
    records: u64,
}

/// A part of one record's payload.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fragment<'a> {
    pub(super) content_type: ContentType,
    pub(super) payload: &'a [u8],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ContentType {
    ChangeCipherSpec,
    Alert,
    Handshake,
    ApplicationData,
    /// RFC 6520.
    Heartbeat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(super) enum RecordError {
    #[error("the stream does not begin with a record")]
    NotTls,
    #[error("record of content type {0}")]
    UnknownType(u8),
    #[error("record of protocol version {0}")]
    UnknownVersion(u8),
    #[error("record of {0} bytes")]
    TooLong(usize),
}

impl RecordReader {
    /// RFC 5246 section 6.2.3 grants encrypted records 2,048 bytes over 2^14; a record in clear
    /// that uses them breaks the rules, but can be read.
    pub(super) const MAX_PAYLOAD: usize = (1 << 14) + 2048;

    /// Takes the next part of a payload off `input`; `None` when all of it is used up.
    pub(super) fn next<'a>(
        &mut self,
        input: &mut &'a [u8],
    ) -> Result<Option<Fragment<'a>>, RecordError> {
        loop {
            if let Some((content_type, remaining)) = self.current {
                let (payload, rest) = input.split_at(remaining.min(input.len()));
                if payload.is_empty() && remaining > 0 {
                    return Ok(None);
                }
                *input = rest;
                let remaining = remaining - payload.len();
                self.current = (remaining > 0).then_some((content_type, remaining));
                return Ok(Some(Fragment { content_type, payload }));
            }
            let Some((&byte, rest)) = input.split_first() else { return Ok(None) };
            *input = rest;
            self.push_header(byte)?;
        }
    }

    /// Judges the header byte by byte: a peer that speaks another protocol may send fewer bytes
    /// than a header has and then wait.
    fn push_header(&mut self, byte: u8) -> Result<(), RecordError> {
        self.header.push(byte);
        match *self.header.as_slice() {
            [number] => {
                ContentType::from_wire(number)
                    .ok_or_else(|| self.blame(RecordError::UnknownType(number)))?;
            }
            // SSL 3.0 to TLS 1.3 all have major version 3. The minor one means nothing: RFC 8446
            // section 5.1 has it ignored.
            [_, major] if major != 3 => {
                return Err(self.blame(RecordError::UnknownVersion(major)));
            }
            [number, _, _, high, low] => {
                let length = usize::from(u16::from_be_bytes([high, low]));
                if length > Self::MAX_PAYLOAD {
                    return Err(RecordError::TooLong(length));
                }
                self.current = ContentType::from_wire(number).map(|kind| (kind, length));
                self.records += 1;
                self.header.clear();
            }
            _ => {}
        }
        Ok(())
    }

    /// Before the first record the peer may be speaking another protocol.
    fn blame(&self, error: RecordError) -> RecordError {
        if self.records == 0 { RecordError::NotTls } else { error }
    }
}

impl ContentType {
    fn from_wire(number: u8) -> Option<Self> {
        match number {
            20 => Some(Self::ChangeCipherSpec),
            21 => Some(Self::Alert),
            22 => Some(Self::Handshake),
            23 => Some(Self::ApplicationData),
            24 => Some(Self::Heartbeat),
            _ => None,
        }
    }
}
