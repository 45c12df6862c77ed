//! One rustls handshake that accepts any certificate and records everything the peer shows.
//!
//! Nothing is trusted: the verifier notes the chain and checks only the handshake's signature,
//! the resolver notes a CertificateRequest and answers it with no certificate.

use std::io;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ResolvesClientCert, Resumption};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, aws_lc_rs};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::sign::CertifiedKey;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, ProtocolVersion, SignatureScheme,
};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::certificate::{Certificate, KeyAlgorithm};
use crate::cipher_suite::CipherSuite;
use crate::observation::{
    CertificateRequest, Der, Endpoint, HelloAnswer, KeyPossession, Negotiated, ServerHelloFlight,
    StreamEnd, TlsConnection, TlsVersion,
};
use crate::probe::certificate_store::CertificateStore;
use crate::probe::http::FIRST_BYTES;
use crate::probe::server_flight::{FlightReader, looks_like_tls};
use crate::probe::stream::{CapReached, PatientStream, stream_end};

/// What a peer may send before the handshake is over.
pub(super) const MAX_FLIGHT: u64 = 256 * 1024;

/// Shakes hands over `stream`. The stream comes back only when the handshake completed.
pub async fn shake_hands(
    stream: PatientStream,
    endpoint: &Endpoint,
    certificates: &mut CertificateStore,
) -> (TlsConnection, Option<TlsStream<PatientStream>>) {
    let record = Arc::new(Record::default());
    let config = client_config(
        Arc::clone(&record) as Arc<dyn ServerCertVerifier>,
        Arc::clone(&record) as Arc<dyn ResolvesClientCert>,
    );
    recorded(stream, endpoint, config, &record, certificates).await
}

/// Shakes hands by `config`, whose verifier and resolver note in `record` what they are shown.
pub(super) async fn recorded(
    mut stream: PatientStream,
    endpoint: &Endpoint,
    config: Result<ClientConfig, Error>,
    record: &Record,
    certificates: &mut CertificateStore,
) -> (TlsConnection, Option<TlsStream<PatientStream>>) {
    let mut seen = nothing_seen();
    let config = match config {
        Ok(config) => config,
        Err(error) => {
            seen.handshake_end = Some(StreamEnd::Incompatible { reason: error.to_string() });
            return (seen, None);
        }
    };
    let name = server_name(endpoint);
    stream.cap_received(MAX_FLIGHT);
    let connecting = TlsConnector::from(Arc::new(config)).connect(name, stream).into_fallible();
    let outcome = connecting.await;
    record.fill(&mut seen, certificates);
    match outcome {
        Ok(mut tls) => {
            seen.negotiated = negotiated(&tls);
            tls.get_mut().0.lift_cap();
            (seen, Some(tls))
        }
        Err((error, stream)) => {
            seen.negotiated = chosen(stream.opening());
            seen.handshake_end = Some(handshake_end(&error, &stream));
            (seen, None)
        }
    }
}

/// The record of a handshake for which no connection was made.
pub fn unconnected(end: StreamEnd) -> TlsConnection {
    TlsConnection { handshake_end: Some(end), ..nothing_seen() }
}

/// The record of a handshake before its first byte.
pub(super) fn nothing_seen() -> TlsConnection {
    TlsConnection {
        offered: vec![TlsVersion::Tls13, TlsVersion::Tls12],
        negotiated: None,
        chain: None,
        key_possession: KeyPossession::Untested,
        certificate_request: None,
        handshake_end: None,
        exchanges: Vec::new(),
    }
}

/// The TLS alert inside a stream error, if that is what ended the stream.
pub fn alert_of(error: &io::Error) -> Option<StreamEnd> {
    #[cfg(feature = "legacy-tls")]
    if let Some(alert) = super::legacy::alert_of(error) {
        return Some(alert);
    }
    match rustls_error(error)? {
        // rustls does not keep the level; an alert that ends a stream is fatal (RFC 8446, 6.2).
        Error::AlertReceived(description) => {
            Some(StreamEnd::Alert { level: 2, description: u8::from(*description) })
        }
        _ => None,
    }
}

fn rustls_error(error: &io::Error) -> Option<&Error> {
    error.get_ref()?.downcast_ref::<Error>()
}

/// Why a handshake over `stream` failed.
pub(super) fn handshake_end(error: &io::Error, stream: &PatientStream) -> StreamEnd {
    if let Some(alert) = alert_of(error) {
        return alert;
    }
    if let Some(cap) = error.get_ref().and_then(|inner| inner.downcast_ref::<CapReached>()) {
        return StreamEnd::TooLarge { limit: cap.limit };
    }
    let opening = stream.opening();
    if !opening.is_empty() && !looks_like_tls(opening) {
        let first_bytes = Der(opening.iter().copied().take(FIRST_BYTES).collect());
        return StreamEnd::OtherProtocol { first_bytes };
    }
    #[cfg(feature = "legacy-tls")]
    if let Some(reason) = super::legacy::objection(error) {
        return StreamEnd::Incompatible { reason };
    }
    match rustls_error(error) {
        Some(
            incompatible @ (Error::PeerIncompatible(_)
            | Error::PeerMisbehaved(_)
            | Error::NoCertificatesPresented
            | Error::InvalidCertificate(_)
            | Error::UnsupportedNameType),
        ) => StreamEnd::Incompatible { reason: incompatible.to_string() },
        Some(other) => StreamEnd::Malformed { reason: other.to_string() },
        None => match stream_end(error) {
            StreamEnd::Closed { .. } => StreamEnd::Closed { received: stream.received() },
            other => other,
        },
    }
}

fn negotiated(tls: &TlsStream<PatientStream>) -> Option<Negotiated> {
    let connection = tls.get_ref().1;
    let version = match connection.protocol_version()? {
        ProtocolVersion::TLSv1_2 => TlsVersion::Tls12,
        ProtocolVersion::TLSv1_3 => TlsVersion::Tls13,
        _ => return None,
    };
    let suite = connection.negotiated_cipher_suite()?.suite();
    Some(Negotiated {
        version,
        cipher_suite: cipher_suite_name(u16::from(suite)),
        alpn: connection
            .alpn_protocol()
            .map(|name| String::from_utf8_lossy(name).chars().take(32).collect()),
        group: connection
            .negotiated_key_exchange_group()
            .and_then(|group| group.name().as_str().map(str::to_owned)),
    })
}

/// What a ServerHello chose, read from the bytes: rustls keeps nothing of a failed handshake.
fn chosen(opening: &[u8]) -> Option<Negotiated> {
    let mut reader = FlightReader::new();
    reader.feed(opening, &mut CertificateStore::new());
    let HelloAnswer::ServerHello(flight) = reader.into_answer() else { return None };
    negotiated_by(&flight)
}

/// What a ServerHello chose.
pub(super) fn negotiated_by(flight: &ServerHelloFlight) -> Option<Negotiated> {
    Some(Negotiated {
        version: TlsVersion::from_wire(flight.version)?,
        cipher_suite: cipher_suite_name(flight.cipher_suite),
        alpn: None,
        group: None,
    })
}

fn cipher_suite_name(id: u16) -> String {
    CipherSuite::from_id(id).map_or_else(|| format!("{id:#06x}"), |suite| suite.name.to_owned())
}

/// For a hand-built hello; nothing secret depends on it.
pub fn random() -> [u8; 32] {
    let mut bytes = [0; 32];
    // Should the system have no randomness, a fixed random is still a valid hello.
    let _ = provider().secure_random.fill(&mut bytes);
    bytes
}

/// Without a name asked for, the address: rustls then sends no server name indication.
fn server_name(endpoint: &Endpoint) -> ServerName<'static> {
    endpoint
        .sni
        .clone()
        .and_then(|name| ServerName::try_from(name).ok())
        .unwrap_or_else(|| ServerName::IpAddress(endpoint.address.into()))
}

pub(super) fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    Arc::clone(PROVIDER.get_or_init(|| {
        let mut provider = aws_lc_rs::default_provider();
        // Classical groups first: a hello that carries an ML-KEM share is over 1,400 bytes, and
        // old servers fail on it. The sort is stable, so the provider's order stands otherwise.
        provider
            .kx_groups
            .sort_by_key(|group| group.name().as_str().is_none_or(|name| name.contains("MLKEM")));
        Arc::new(provider)
    }))
}

pub(super) fn client_config(
    verifier: Arc<dyn ServerCertVerifier>,
    resolver: Arc<dyn ResolvesClientCert>,
) -> Result<ClientConfig, Error> {
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_client_cert_resolver(resolver);
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    // Each handshake must be whole: a resumed one shows neither chain nor CertificateRequest.
    config.resumption = Resumption::disabled();
    Ok(config)
}

/// What rustls showed during one handshake.
#[derive(Debug, Default)]
pub(super) struct Record {
    shown: Mutex<Shown>,
}

#[derive(Debug, Default)]
struct Shown {
    chain: Option<Vec<Vec<u8>>>,
    key_possession: Option<KeyPossession>,
    certificate_request: Option<CertificateRequest>,
}

impl Record {
    fn note(&self, change: impl FnOnce(&mut Shown)) {
        change(&mut self.shown.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn fill(&self, seen: &mut TlsConnection, certificates: &mut CertificateStore) {
        self.note(|shown| {
            seen.chain = shown
                .chain
                .take()
                .map(|chain| chain.iter().filter_map(|der| certificates.intern(der)).collect());
            seen.certificate_request = shown.certificate_request.take();
            if let Some(possession) = shown.key_possession.take() {
                seen.key_possession = possession;
            }
        });
    }

    pub(super) fn note_signature(
        &self,
        result: &Result<HandshakeSignatureValid, Error>,
        leaf: &CertificateDer<'_>,
        scheme: SignatureScheme,
    ) {
        let possession = match result {
            Ok(_) => KeyPossession::Proved,
            Err(Error::InvalidCertificate(CertificateError::BadSignature))
                if verifier_supports(leaf) =>
            {
                KeyPossession::Failed
            }
            Err(error) => KeyPossession::Unverifiable(format!("{scheme:?}: {error}")),
        };
        self.note(|shown| shown.key_possession = Some(possession));
    }

    pub(super) fn note_chain(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
    ) {
        let chain =
            std::iter::once(end_entity).chain(intermediates).map(|der| der.to_vec()).collect();
        self.note(|shown| shown.chain = Some(chain));
    }

    pub(super) fn note_request(&self, issuers: &[&[u8]]) {
        let request = CertificateRequest::from_names(issuers.iter().copied());
        self.note(|shown| shown.certificate_request = Some(request));
    }
}

/// Keys whose signatures the provider verifies. It reports smaller RSA keys as a bad signature.
fn verifier_supports(leaf: &CertificateDer<'_>) -> bool {
    let Certificate::Parsed(facts) = Certificate::from_der(leaf) else { return false };
    facts.version == 3
        && match facts.key.algorithm {
            // A public exponent of more than 33 bits is refused, and reported as a bad signature.
            KeyAlgorithm::Rsa => {
                facts.key.bits.is_some_and(|bits| (2048..=8192).contains(&bits))
                    && facts
                        .key
                        .exponent
                        .as_deref()
                        .and_then(|exponent| exponent.parse::<u64>().ok())
                        .is_some_and(|exponent| exponent < 1 << 33)
            }
            KeyAlgorithm::Ec => {
                matches!(facts.key.curve.as_deref(), Some("P-256" | "P-384" | "P-521"))
            }
            KeyAlgorithm::Ed25519 => true,
            _ => false,
        }
}

impl ServerCertVerifier for Record {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.note_chain(end_entity, intermediates);
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let result = rustls::crypto::verify_tls12_signature(message, cert, dss, &algorithms());
        self.note_signature(&result, cert, dss.scheme);
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let result = rustls::crypto::verify_tls13_signature(message, cert, dss, &algorithms());
        self.note_signature(&result, cert, dss.scheme);
        Ok(HandshakeSignatureValid::assertion())
    }

    /// Also schemes that nothing here can verify: an old server must still be able to finish.
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let mut schemes = algorithms().supported_schemes();
        for scheme in [
            SignatureScheme::ED448,
            SignatureScheme::ECDSA_SHA1_Legacy,
            SignatureScheme::RSA_PKCS1_SHA1,
        ] {
            if !schemes.contains(&scheme) {
                schemes.push(scheme);
            }
        }
        schemes
    }
}

fn algorithms() -> WebPkiSupportedAlgorithms {
    provider().signature_verification_algorithms
}

impl ResolvesClientCert for Record {
    fn resolve(&self, issuers: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.note_request(issuers);
        None
    }

    fn has_certs(&self) -> bool {
        true
    }
}
