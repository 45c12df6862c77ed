//! Reads a server's first flight as it arrives: ServerHello to ServerHelloDone, or to the point
//! from which on it is encrypted.
//!
//! Pure: bytes in, facts out. The peer may be hostile, so bytes, messages and lists are bounded, a
//! message is read once and only when all of it is there, and nothing is trusted to be well formed.

mod message;
mod record;
#[cfg(test)]
mod tests;
mod wire;

use thiserror::Error;

use self::message::{Message, MessageError};
use self::record::{ContentType, RecordError, RecordReader};
use super::certificate_store::CertificateStore;
use crate::observation::{
    CertificateRequest, Der, HelloAnswer, ServerHelloFlight, StreamEnd, TlsVersion,
};

/// Bound on the bytes of a flight, and so on each of its messages. Chains with a whole CA bundle
/// and lists of hundreds of issuers fit.
pub const MAX_FLIGHT: usize = 256 * 1024;
/// Bound on one certificate.
pub const MAX_CERTIFICATE: usize = 64 * 1024;
/// Bound on the certificates of one chain.
pub const MAX_CHAIN: usize = 128;

/// Whether these bytes begin a TLS record: a known content type, and major version 3.
pub fn looks_like_tls(opening: &[u8]) -> bool {
    matches!(opening, [20..=23, 3, ..] | [20..=23])
}

/// Takes a flight in pieces of any size.
///
/// A chain that exceeds a bound is cut: the certificates before it are kept, reading goes on, and
/// the flight's `end` says `TooLarge` even if the flight is complete.
#[derive(Debug, Default)]
pub struct FlightReader {
    received: u64,
    /// The first bytes of the stream, for a peer that speaks something else.
    head: Vec<u8>,
    protocol: Protocol,
    records: RecordReader,
    /// Handshake bytes of a message that is not complete yet.
    pending: Vec<u8>,
    /// The first byte of an alert whose second has not arrived.
    alert_level: Option<u8>,
    warning: Option<(u8, u8)>,
    flight: Option<ServerHelloFlight>,
    chain_cut: Option<StreamEnd>,
    finished: Option<Finish>,
}

/// Whether more bytes can change the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    NeedMore,
    Finished,
}

impl FlightReader {
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next bytes of the stream; the certificates among them go to `certificates`.
    pub fn feed(&mut self, bytes: &[u8], certificates: &mut CertificateStore) -> Progress {
        if self.finished.is_none() {
            let room = MAX_FLIGHT.saturating_sub(self.received());
            let (within, beyond) = bytes.split_at(room.min(bytes.len()));
            let result = self.take(within, certificates);
            self.finished = match result {
                Err(finish) => Some(finish),
                Ok(()) if !beyond.is_empty() => Some(too_large(MAX_FLIGHT).into()),
                Ok(()) => None,
            };
        }
        match self.finished {
            Some(_) => Progress::Finished,
            None => Progress::NeedMore,
        }
    }

    /// Bytes taken so far, as the stream's end counts them.
    pub fn received_bytes(&self) -> u64 {
        self.received
    }

    pub fn has_server_hello(&self) -> bool {
        self.flight.is_some()
    }

    /// Records how the stream ended. A flight that had finished before stays as it is.
    pub fn stream_ended(&mut self, end: StreamEnd) {
        self.finished.get_or_insert(Finish::End(end));
    }

    /// What is known; a flight that did not finish counts as closed by the peer.
    pub fn into_answer(self) -> HelloAnswer {
        let received = self.received;
        let end = match self.finished {
            Some(Finish::FlightRead) => None,
            Some(Finish::End(end)) => Some(end),
            None => Some(StreamEnd::Closed { received }),
        };
        if let Some(mut flight) = self.flight {
            flight.end = end.or(self.chain_cut);
            return HelloAnswer::ServerHello(flight);
        }
        if self.protocol == Protocol::Other {
            return HelloAnswer::NoAnswer { end: other_protocol(self.head) };
        }
        match (end.unwrap_or(StreamEnd::Closed { received }), self.warning) {
            (StreamEnd::Alert { level, description }, _) => {
                HelloAnswer::Alert { level, description }
            }
            // A warning was the peer's last word.
            (StreamEnd::Closed { .. } | StreamEnd::Reset, Some((level, description))) => {
                HelloAnswer::Alert { level, description }
            }
            (end, _) => HelloAnswer::NoAnswer { end },
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Protocol {
    #[default]
    Tls,
    Other,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Finish {
    /// All that can be read in clear was read.
    FlightRead,
    End(StreamEnd),
}

/// What breaks the rules, above the single record or message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
enum FlightError {
    #[error("handshake message of type {0} instead of a server hello")]
    NoServerHello(u8),
    #[error("unexpected handshake message of type {0}")]
    UnexpectedMessage(u8),
    #[error("change cipher spec before the end of the flight")]
    ChangeCipherSpec,
    #[error("application data before the end of the flight")]
    ApplicationData,
    #[error("heartbeat before the end of the flight")]
    Heartbeat,
    #[error("SSL 2.0 record")]
    Ssl2,
}

impl FlightReader {
    fn received(&self) -> usize {
        usize::try_from(self.received).unwrap_or(usize::MAX)
    }

    fn take(
        &mut self,
        mut bytes: &[u8],
        certificates: &mut CertificateStore,
    ) -> Result<(), Finish> {
        self.received = self.received.saturating_add(bytes.len() as u64);
        let room = MAX_FIRST_BYTES.saturating_sub(self.head.len());
        self.head.extend(bytes.iter().take(room));

        while self.protocol == Protocol::Tls {
            match self.records.next(&mut bytes) {
                Ok(Some(fragment)) => {
                    self.take_fragment(fragment.content_type, fragment.payload, certificates)?;
                }
                Ok(None) => return Ok(()),
                // What it is shows in its first bytes, which may still be on their way.
                Err(RecordError::NotTls) => self.protocol = Protocol::Other,
                Err(error) => return Err(malformed(error).into()),
            }
        }
        if self.head.len() < MAX_FIRST_BYTES {
            return Ok(());
        }
        Err(other_protocol(self.head.clone()).into())
    }

    fn take_fragment(
        &mut self,
        content_type: ContentType,
        payload: &[u8],
        certificates: &mut CertificateStore,
    ) -> Result<(), Finish> {
        match content_type {
            ContentType::Handshake => self.take_handshake(payload, certificates),
            ContentType::Alert => self.take_alerts(payload),
            // In TLS 1.3 one may come at any time (RFC 8446 section 5). In an older version's
            // flight it would begin encryption, with no key agreed.
            ContentType::ChangeCipherSpec if self.flight.is_none() => Ok(()),
            ContentType::ChangeCipherSpec => Err(malformed(FlightError::ChangeCipherSpec).into()),
            ContentType::ApplicationData => Err(malformed(FlightError::ApplicationData).into()),
            ContentType::Heartbeat => Err(malformed(FlightError::Heartbeat).into()),
        }
    }

    fn take_alerts(&mut self, payload: &[u8]) -> Result<(), Finish> {
        for &byte in payload {
            let Some(level) = self.alert_level.take() else {
                self.alert_level = Some(byte);
                continue;
            };
            if level != ALERT_WARNING || byte == ALERT_CLOSE_NOTIFY {
                return Err(StreamEnd::Alert { level, description: byte }.into());
            }
            // Such as unrecognized_name, after which the server goes on (RFC 6066 section 3).
            self.warning = Some((level, byte));
        }
        Ok(())
    }

    fn take_handshake(
        &mut self,
        payload: &[u8],
        certificates: &mut CertificateStore,
    ) -> Result<(), Finish> {
        self.pending.extend(payload);
        let pending = std::mem::take(&mut self.pending);
        let mut rest = pending.as_slice();
        while let Some(message) = Message::take(&mut rest) {
            self.take_message(message, certificates)?;
        }
        self.check_announced(rest)?;
        self.pending = if rest.len() == pending.len() { pending } else { rest.to_vec() };
        Ok(())
    }

    /// Refuses a message that will never be read before all of it has been waited for.
    fn check_announced(&self, bytes: &[u8]) -> Result<(), Finish> {
        if let Some(&kind) = bytes.first() {
            self.check_order(kind).map_err(malformed)?;
        }
        match Message::head(bytes) {
            Some((_, length)) if length > MAX_FLIGHT => Err(too_large(MAX_FLIGHT).into()),
            _ => Ok(()),
        }
    }

    fn check_order(&self, kind: u8) -> Result<(), FlightError> {
        match (kind, &self.flight) {
            (message::HELLO_REQUEST, _) | (message::SERVER_HELLO, None) => Ok(()),
            (_, None) => Err(FlightError::NoServerHello(kind)),
            (message::CERTIFICATE, Some(flight)) if flight.chain.is_none() => Ok(()),
            (message::CERTIFICATE_REQUEST, Some(flight))
                if flight.certificate_request.is_none() =>
            {
                Ok(())
            }
            (
                message::NEW_SESSION_TICKET
                | message::SERVER_KEY_EXCHANGE
                | message::CERTIFICATE_STATUS
                | message::SUPPLEMENTAL_DATA
                | message::SERVER_HELLO_DONE,
                Some(_),
            ) => Ok(()),
            (_, Some(_)) => Err(FlightError::UnexpectedMessage(kind)),
        }
    }

    fn take_message(
        &mut self,
        message: Message<'_>,
        certificates: &mut CertificateStore,
    ) -> Result<(), Finish> {
        self.check_order(message.kind).map_err(malformed)?;
        match (message.kind, &mut self.flight) {
            (message::SERVER_HELLO, None) => self.take_server_hello(message.body),
            (message::CERTIFICATE, Some(flight)) => {
                let list = message::certificates(message.body);
                let (chain, cut) = intern_chain(&list.entries, certificates);
                flight.chain = Some(chain);
                self.chain_cut = cut;
                refuse(list.error)
            }
            (message::CERTIFICATE_REQUEST, Some(flight)) => {
                let issuers = message::acceptable_issuers(message.body, flight.version);
                // Also of a request that cannot be read to its end: that it was made is the fact.
                flight.certificate_request = Some(CertificateRequest::from_names(issuers.entries));
                refuse(issuers.error)
            }
            (message::SERVER_HELLO_DONE, Some(flight)) => {
                flight.complete = true;
                Err(Finish::FlightRead)
            }
            // A HelloRequest is to be ignored during a handshake (RFC 5246 section 7.4.1.1); the
            // rest is of no interest here.
            _ => Ok(()),
        }
    }

    fn take_server_hello(&mut self, body: &[u8]) -> Result<(), Finish> {
        let hello = message::server_hello(body).map_err(malformed)?;
        self.flight = Some(ServerHelloFlight {
            version: hello.version,
            cipher_suite: hello.cipher_suite,
            retry_request: hello.retry_request,
            downgrade_sentinel: hello.downgrade_sentinel,
            chain: None,
            certificate_request: None,
            complete: false,
            end: None,
        });
        // All that follows is encrypted (RFC 8446 section 2), or the answer to a second hello.
        if hello.retry_request || hello.version >= TlsVersion::Tls13.wire() {
            return Err(Finish::FlightRead);
        }
        Ok(())
    }
}

/// As much of a foreign protocol as `StreamEnd::OtherProtocol` holds.
const MAX_FIRST_BYTES: usize = 64;

const ALERT_WARNING: u8 = 1;
const ALERT_CLOSE_NOTIFY: u8 = 0;

/// Indices of the chain, and the bound at which it was cut.
fn intern_chain(
    chain: &[&[u8]],
    certificates: &mut CertificateStore,
) -> (Vec<usize>, Option<StreamEnd>) {
    let mut indices = Vec::new();
    for (position, certificate) in chain.iter().enumerate() {
        if position >= MAX_CHAIN {
            return (indices, Some(too_large(MAX_CHAIN)));
        }
        if certificate.len() > MAX_CERTIFICATE {
            return (indices, Some(too_large(MAX_CERTIFICATE)));
        }
        match certificates.intern(certificate) {
            Some(index) => indices.push(index),
            None => return (indices, Some(too_large(CertificateStore::MAX_BYTES))),
        }
    }
    (indices, None)
}

/// The end of a stream that is not SSL 3.0 or later.
fn other_protocol(head: Vec<u8>) -> StreamEnd {
    match head.as_slice() {
        // A two-byte header with its top bit set, then ERROR or SERVER-HELLO.
        [0x80..=0xff, _, 0 | 4, ..] => malformed(FlightError::Ssl2),
        _ => StreamEnd::OtherProtocol { first_bytes: Der(head) },
    }
}

fn refuse(error: Option<MessageError>) -> Result<(), Finish> {
    error.map_or(Ok(()), |error| Err(malformed(error).into()))
}

fn malformed(error: impl std::error::Error) -> StreamEnd {
    StreamEnd::Malformed { reason: error.to_string() }
}

fn too_large(limit: usize) -> StreamEnd {
    StreamEnd::TooLarge { limit: limit as u64 }
}

impl From<StreamEnd> for Finish {
    fn from(end: StreamEnd) -> Self {
        Self::End(end)
    }
}
