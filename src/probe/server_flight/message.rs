//! The handshake messages of a server's first flight that are read, as far as they are needed.
//!
//! tls-parser reads the ServerHello. The lists are read here: tls-parser ends a list silently at
//! the first entry it cannot read, and tells a CertificateRequest's version by trial, while the
//! entries before a mistake and the mistake itself are both worth knowing.

use thiserror::Error;
use tls_parser::parse_tls_handshake_server_hello;

use super::wire::{Wire, u24};
use crate::observation::TlsVersion;

/// A handshake message's type and body (RFC 8446 section 4).
#[derive(Clone, Copy, Debug)]
pub(super) struct Message<'a> {
    pub(super) kind: u8,
    pub(super) body: &'a [u8],
}

pub(super) const HELLO_REQUEST: u8 = 0;
pub(super) const SERVER_HELLO: u8 = 2;
pub(super) const NEW_SESSION_TICKET: u8 = 4;
pub(super) const CERTIFICATE: u8 = 11;
pub(super) const SERVER_KEY_EXCHANGE: u8 = 12;
pub(super) const CERTIFICATE_REQUEST: u8 = 13;
pub(super) const SERVER_HELLO_DONE: u8 = 14;
pub(super) const CERTIFICATE_STATUS: u8 = 22;
pub(super) const SUPPLEMENTAL_DATA: u8 = 23;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ServerHello {
    pub(super) version: u16,
    pub(super) cipher_suite: u16,
    pub(super) retry_request: bool,
    pub(super) downgrade_sentinel: bool,
}

/// The entries before the first that could not be read, and that one's mistake.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct List<'a> {
    pub(super) entries: Vec<&'a [u8]>,
    pub(super) error: Option<MessageError>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(super) enum MessageError {
    #[error("server hello of version {0:#06x}")]
    ServerHelloVersion(u16),
    #[error("server hello that ends early")]
    ServerHelloShort,
    #[error("server hello with extensions that cannot be read")]
    ServerHelloExtensions,
    #[error("hello retry request without a version")]
    RetryRequestVersion,
    #[error("certificate message that cannot be read after {0} certificates")]
    Certificate(usize),
    #[error("certificate request whose issuers cannot be found")]
    CertificateRequestHead,
    #[error("certificate request that cannot be read after {0} issuers")]
    Issuers(usize),
}

impl<'a> Message<'a> {
    /// The type and the length of the body that `bytes` announce.
    pub(super) fn head(bytes: &[u8]) -> Option<(u8, usize)> {
        let &[kind, high, middle, low] = bytes.first_chunk()?;
        Some((kind, u24([high, middle, low])))
    }

    /// Takes a message off `bytes`, where it is there in full.
    pub(super) fn take(bytes: &mut &'a [u8]) -> Option<Self> {
        let (kind, length) = Self::head(bytes)?;
        let (body, rest) = bytes.get(HEADER_BYTES..)?.split_at_checked(length)?;
        *bytes = rest;
        Some(Self { kind, body })
    }
}

pub(super) fn server_hello(body: &[u8]) -> Result<ServerHello, MessageError> {
    let legacy_version = Wire::new(body).u16().ok_or(MessageError::ServerHelloShort)?;
    if !(TlsVersion::Ssl3.wire()..=TlsVersion::Tls12.wire()).contains(&legacy_version) {
        return Err(MessageError::ServerHelloVersion(legacy_version));
    }
    let (rest, hello) =
        parse_tls_handshake_server_hello(body).map_err(|_| MessageError::ServerHelloShort)?;
    // Extensions that cannot be cut out are left over by the parser, as are all of SSL 3.0, where a
    // server may answer the renegotiation suite with one (RFC 5746 section 3.6).
    if !rest.is_empty() && legacy_version != TlsVersion::Ssl3.wire() {
        return Err(MessageError::ServerHelloExtensions);
    }
    let selected = supported_version(hello.ext.unwrap_or_default())?;
    let retry_request = hello.random == RETRY_REQUEST_RANDOM;
    if retry_request && selected.is_none() {
        return Err(MessageError::RetryRequestVersion);
    }
    Ok(ServerHello {
        version: selected.unwrap_or(legacy_version),
        cipher_suite: hello.cipher.0,
        retry_request,
        downgrade_sentinel: DOWNGRADE_SENTINELS.iter().any(|end| hello.random.ends_with(end)),
    })
}

/// The certificates of a Certificate message up to TLS 1.2 (RFC 5246 section 7.4.2), leaf first.
pub(super) fn certificates(body: &[u8]) -> List<'_> {
    let mut message = Wire::new(body);
    let Some(list) = message.vector24().filter(|_| message.is_empty()) else {
        return List { entries: Vec::new(), error: Some(MessageError::Certificate(0)) };
    };
    let mut list = Wire::new(list);
    let mut entries = Vec::new();
    while !list.is_empty() {
        match list.vector24() {
            Some(certificate) if !certificate.is_empty() => entries.push(certificate),
            _ => {
                let error = Some(MessageError::Certificate(entries.len()));
                return List { entries, error };
            }
        }
    }
    List { entries, error: None }
}

/// The issuer names of a CertificateRequest of `version`, which is at most TLS 1.2.
pub(super) fn acceptable_issuers(body: &[u8], version: u16) -> List<'_> {
    let Some(list) = issuer_list(body, version) else {
        return List { entries: Vec::new(), error: Some(MessageError::CertificateRequestHead) };
    };
    let mut list = Wire::new(list);
    let mut entries = Vec::new();
    while !list.is_empty() {
        let Some(name) = list.vector16() else {
            let error = Some(MessageError::Issuers(entries.len()));
            return List { entries, error };
        };
        entries.push(name);
    }
    List { entries, error: None }
}

/// Type and length, in front of a body.
const HEADER_BYTES: usize = 4;

/// RFC 8446 section 4.1.3: the SHA-256 of "HelloRetryRequest".
const RETRY_REQUEST_RANDOM: [u8; 32] = [
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91,
    0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
];

/// RFC 8446 section 4.1.3: a server that could do better says so here, for TLS 1.2 and for less.
const DOWNGRADE_SENTINELS: [&[u8]; 2] = [b"DOWNGRD\x01", b"DOWNGRD\x00"];

const EXTENSION_SUPPORTED_VERSIONS: u16 = 43;

/// What the extension of that name in a ServerHello selects (RFC 8446 section 4.2.1).
fn supported_version(extensions: &[u8]) -> Result<Option<u16>, MessageError> {
    let mut extensions = Wire::new(extensions);
    let mut selected = None;
    while !extensions.is_empty() {
        let number = extensions.u16().ok_or(MessageError::ServerHelloExtensions)?;
        let data = extensions.vector16().ok_or(MessageError::ServerHelloExtensions)?;
        if number == EXTENSION_SUPPORTED_VERSIONS {
            let version = data.try_into().map_err(|_| MessageError::ServerHelloExtensions)?;
            selected = Some(u16::from_be_bytes(version));
        }
    }
    Ok(selected)
}

fn issuer_list(body: &[u8], version: u16) -> Option<&[u8]> {
    let mut message = Wire::new(body);
    let _certificate_types = message.vector8()?;
    // The field that TLS 1.2 added (RFC 5246 section 7.4.4).
    if version >= TlsVersion::Tls12.wire() {
        message.vector16()?;
    }
    message.vector16().filter(|_| message.is_empty())
}
