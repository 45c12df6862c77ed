//! The handshake with servers that rustls cannot speak to: TLS 1.1 and older, SSLv3, suites
//! without forward secrecy or with CBC. Called by `probe` after the hellos, in builds with the
//! feature `legacy-tls`.
//!
//! OpenSSL finishes the handshake and trusts nothing. What the server shows is read from its own
//! bytes, as for the hand-built hellos: up to TLS 1.2 they come in clear.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use openssl::error::ErrorStack;
use openssl::ssl::{Ssl, SslContext, SslMethod, SslOptions, SslVerifyMode, SslVersion};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_openssl::SslStream;

use crate::observation::versions::{Settled, adopted_name, settle};
use crate::observation::{
    Connection, Endpoint, HelloAnswer, KeyPossession, StreamEnd, TlsConnection, TlsVersion,
};
use crate::probe::certificate_store::CertificateStore;
use crate::probe::handshake::{MAX_FLIGHT, handshake_end, negotiated_by, nothing_seen};
use crate::probe::server_flight::FlightReader;
use crate::probe::stream::PatientStream;

/// How many versions are tried; each is one that a hello showed to be accepted.
const MAX_ATTEMPTS: usize = 2;
/// Everything, the anonymous and the unencrypted too: nothing secret is sent.
const CIPHER_LIST: &str = "ALL:COMPLEMENTOFALL:@SECLEVEL=0";
const GROUPS: &str =
    "X25519:P-256:P-384:P-521:P-224:P-192:secp256k1:brainpoolP256r1:brainpoolP384r1";

/// The next version worth a handshake: accepted, below TLS 1.3, and not tried so. `None` where
/// another handshake completed or was refused for want of a client certificate, and where only a
/// made-up name was answered: a handshake would be with whoever has that name.
pub(super) fn next_version(connections: &[Connection]) -> Option<TlsVersion> {
    let handshakes = || {
        connections.iter().filter_map(|connection| match connection {
            Connection::Tls(tls) => Some(tls),
            Connection::Plain(_) | Connection::Hello(_) => None,
        })
    };
    if handshakes().any(|tls| tls.handshake_end.is_none() || tls.certificate_request.is_some()) {
        return None;
    }
    if adopted_name(connections).is_some() {
        return None;
    }
    let tried: Vec<TlsVersion> = handshakes().filter_map(offered_alone).collect();
    if tried.len() >= MAX_ATTEMPTS {
        return None;
    }
    let settled = settle(connections);
    TlsVersion::ALL.into_iter().rev().find(|version| {
        *version < TlsVersion::Tls13
            && matches!(settled.get(version), Some(Settled::Accepted(_)))
            && !tried.contains(version)
    })
}

/// The version of a handshake of this module's: rustls offers two.
fn offered_alone(tls: &TlsConnection) -> Option<TlsVersion> {
    match tls.offered.as_slice() {
        [version] => Some(*version),
        _ => None,
    }
}

/// Shakes hands over `stream` in this one version. The stream comes back only when the handshake
/// completed.
pub(super) async fn shake_hands(
    mut stream: PatientStream,
    version: TlsVersion,
    endpoint: &Endpoint,
    certificates: &mut CertificateStore,
) -> (TlsConnection, Option<LegacyStream>) {
    let mut seen = TlsConnection { offered: vec![version], ..nothing_seen() };
    stream.cap_received(MAX_FLIGHT);
    let overheard = Overheard { inner: stream, heard: Some(Vec::new()) };
    let mut tls = match client(version, endpoint).and_then(|ssl| SslStream::new(ssl, overheard)) {
        Ok(tls) => tls,
        Err(errors) => {
            seen.handshake_end = Some(StreamEnd::Incompatible { reason: text(&errors) });
            return (seen, None);
        }
    };
    let outcome = Pin::new(&mut tls).connect().await.map_err(into_io_error);
    let heard = tls.get_mut().heard.take().unwrap_or_default();
    read_flight(&heard, &mut seen, certificates);
    match outcome {
        Ok(()) => {
            // The server has signed its key exchange or decrypted ours, and knows the secret: its
            // Finished message was verified.
            if seen.chain.as_ref().is_some_and(|chain| !chain.is_empty()) {
                seen.key_possession = KeyPossession::Proved;
            }
            tls.get_mut().inner.lift_cap();
            (seen, Some(LegacyStream { tls }))
        }
        Err(error) => {
            seen.handshake_end = Some(handshake_end(&error, &tls.get_ref().inner));
            (seen, None)
        }
    }
}

/// The TLS alert inside a stream error, if that is what ended the stream.
pub(super) fn alert_of(error: &io::Error) -> Option<StreamEnd> {
    /// OpenSSL numbers the reasons of alerts received from here (`SSL_AD_REASON_OFFSET`).
    const ALERTS: i32 = 1000;
    let reasons = ssl_error(error)?.ssl_error()?.errors().iter().map(|error| error.reason_code());
    let description = reasons.filter_map(|reason| u8::try_from(reason - ALERTS).ok()).next()?;
    Some(StreamEnd::Alert { level: 2, description })
}

/// What OpenSSL itself objected to, in its words.
pub(super) fn objection(error: &io::Error) -> Option<String> {
    let errors = ssl_error(error)?.ssl_error()?;
    let reason = errors.errors().iter().find_map(|error| error.reason());
    Some(reason.map_or_else(|| text(errors), str::to_owned))
}

fn ssl_error(error: &io::Error) -> Option<&openssl::ssl::Error> {
    error.get_ref()?.downcast_ref()
}

fn text(errors: &ErrorStack) -> String {
    errors.to_string().chars().take(256).collect()
}

fn client(version: TlsVersion, endpoint: &Endpoint) -> Result<Ssl, ErrorStack> {
    /// `SSL_OP_LEGACY_SERVER_CONNECT`: servers older than RFC 5746 are what this is for.
    const LEGACY_SERVER_CONNECT: u64 = 1 << 2;
    let wire = match version {
        TlsVersion::Ssl3 => SslVersion::SSL3,
        TlsVersion::Tls10 => SslVersion::TLS1,
        TlsVersion::Tls11 => SslVersion::TLS1_1,
        TlsVersion::Tls12 | TlsVersion::Tls13 => SslVersion::TLS1_2,
    };
    let mut context = SslContext::builder(SslMethod::tls_client())?;
    context.set_security_level(0);
    context.set_cipher_list(CIPHER_LIST)?;
    context.set_groups_list(GROUPS)?;
    context.set_min_proto_version(Some(wire))?;
    context.set_max_proto_version(Some(wire))?;
    context.set_verify(SslVerifyMode::NONE);
    context.set_options(SslOptions::from_bits_retain(LEGACY_SERVER_CONNECT));
    let mut ssl = Ssl::new(&context.build())?;
    // SSLv3 has no extensions.
    if version != TlsVersion::Ssl3 {
        ssl.set_alpn_protos(b"\x08http/1.1")?;
        if let Some(name) = &endpoint.sni {
            ssl.set_hostname(name)?;
        }
    }
    Ok(ssl)
}

fn read_flight(heard: &[u8], seen: &mut TlsConnection, certificates: &mut CertificateStore) {
    let mut reader = FlightReader::new();
    reader.feed(heard, certificates);
    let HelloAnswer::ServerHello(flight) = reader.into_answer() else { return };
    seen.negotiated = negotiated_by(&flight);
    seen.chain = flight.chain;
    seen.certificate_request = flight.certificate_request;
}

/// A stream whose bytes are kept, until they are taken.
#[derive(Debug)]
pub(super) struct Overheard {
    inner: PatientStream,
    heard: Option<Vec<u8>>,
}

impl AsyncRead for Overheard {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(cx, buf))?;
        if let Some(heard) = &mut self.heard {
            heard.extend_from_slice(buf.filled().get(before..).unwrap_or_default());
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Overheard {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

/// An established connection whose errors are those of the stream below, where it had one.
#[derive(Debug)]
pub(super) struct LegacyStream {
    tls: SslStream<Overheard>,
}

impl AsyncRead for LegacyStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tls).poll_read(cx, buf).map_err(as_end_of_file)
    }
}

impl AsyncWrite for LegacyStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tls).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tls).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tls).poll_shutdown(cx)
    }
}

fn into_io_error(error: openssl::ssl::Error) -> io::Error {
    as_end_of_file(error.into_io_error().unwrap_or_else(io::Error::other))
}

/// A peer that closes without a close_notify is one that closed, whatever it meant to say.
fn as_end_of_file(error: io::Error) -> io::Error {
    /// `SSL_R_UNEXPECTED_EOF_WHILE_READING`.
    const UNEXPECTED_EOF: i32 = 294;
    let closed = ssl_error(&error).is_some_and(|ssl| match ssl.ssl_error() {
        Some(errors) => errors.errors().iter().any(|e| e.reason_code() == UNEXPECTED_EOF),
        // An end of file that OpenSSL met on the stream has no error of its own.
        None => ssl.io_error().is_none(),
    });
    if closed { io::ErrorKind::UnexpectedEof.into() } else { error }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::{HelloConnection, ServerHelloFlight};

    fn hello(version: TlsVersion) -> Connection {
        Connection::Hello(HelloConnection::new(
            vec![version],
            100,
            HelloAnswer::ServerHello(ServerHelloFlight {
                version: version.wire(),
                cipher_suite: 0x002f,
                retry_request: false,
                downgrade_sentinel: false,
                chain: None,
                certificate_request: None,
                complete: true,
                end: None,
            }),
        ))
    }

    fn handshake(offered: &[TlsVersion], end: Option<StreamEnd>) -> Connection {
        Connection::Tls(TlsConnection {
            offered: offered.to_vec(),
            handshake_end: end,
            ..nothing_seen()
        })
    }

    #[test]
    fn the_highest_accepted_version_is_tried_then_the_next() {
        use TlsVersion::{Ssl3, Tls10, Tls11, Tls12, Tls13};
        let rustls =
            handshake(&[Tls13, Tls12], Some(StreamEnd::Alert { level: 2, description: 40 }));
        let mut connections = vec![rustls, hello(Tls11), hello(Tls10), hello(Ssl3)];
        assert_eq!(next_version(&connections), Some(Tls11));
        connections.push(handshake(&[Tls11], Some(StreamEnd::Reset)));
        assert_eq!(next_version(&connections), Some(Tls10));
        connections.push(handshake(&[Tls10], Some(StreamEnd::Reset)));
        assert_eq!(next_version(&connections), None, "the bound");
    }

    #[test]
    fn a_completed_handshake_leaves_nothing_to_do() {
        use TlsVersion::{Tls12, Tls13};
        assert_eq!(next_version(&[handshake(&[Tls13, Tls12], None), hello(Tls12)]), None);
        assert_eq!(next_version(&[]), None);
    }
}
