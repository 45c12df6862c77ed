//! The handshake that shows a client certificate, and only to a server that has proved itself.
//!
//! Here rustls verifies in earnest: chain, name, dates and the handshake's signature. In every TLS
//! version it sends the client's Certificate after that, so a server that fails gets none.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ResolvesClientCert, WebPkiServerVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::sign::CertifiedKey;
use rustls::{CertificateError, DigitallySignedStruct, Error, SignatureScheme};
use tokio_rustls::client::TlsStream;

use crate::credentials::Credentials;
use crate::observation::versions::describe;
use crate::observation::{
    Connection, Endpoint, ExchangeResult, HelloAnswer, TlsConnection, TlsVersion,
};
use crate::probe::certificate_store::CertificateStore;
use crate::probe::handshake::{Record, client_config, provider, recorded};
use crate::probe::stream::PatientStream;
use crate::probe::watched_key::WatchedKey;

/// A handshake in which the certificate was to be presented.
pub(super) struct Shaken {
    pub seen: TlsConnection,
    /// Why the certificate was not sent; `None` where it was.
    pub withheld: Option<String>,
    /// Set only when the handshake completed.
    pub stream: Option<TlsStream<PatientStream>>,
}

/// Why the stranger's connections already rule out an audit.
pub(super) fn precluded(connections: &[Connection]) -> Option<&'static str> {
    let handshakes = || {
        connections.iter().filter_map(|connection| match connection {
            Connection::Tls(tls) => Some(tls),
            _ => None,
        })
    };
    let of_this_build = |tls: &TlsConnection| {
        tls.negotiated
            .as_ref()
            .is_some_and(|n| matches!(n.version, TlsVersion::Tls12 | TlsVersion::Tls13))
    };
    if handshakes().any(of_this_build) {
        let mut completed = handshakes().filter(|tls| tls.handshake_end.is_none()).peekable();
        let unasked =
            completed.peek().is_some() && completed.all(|tls| tls.certificate_request.is_none());
        return unasked.then_some("the server asks for no client certificate");
    }
    let in_plain = connections.iter().any(|connection| match connection {
        Connection::Plain(plain) => plain
            .exchanges
            .iter()
            .any(|exchange| matches!(exchange.result, ExchangeResult::Answered(_))),
        _ => false,
    });
    let old_tls = connections.iter().any(|connection| match connection {
        Connection::Hello(hello) => matches!(hello.answer, HelloAnswer::ServerHello(_)),
        _ => false,
    });
    Some(if old_tls {
        "the server and this build have no way of TLS in common"
    } else if in_plain {
        "plain HTTP: it is sent inside TLS only"
    } else {
        "no TLS server answered"
    })
}

/// Shakes hands over `stream`; the certificate goes out if the server leads to the given roots and
/// asks for one.
pub(super) async fn shake_hands(
    stream: PatientStream,
    endpoint: &Endpoint,
    credentials: &Credentials,
    certificates: &mut CertificateStore,
) -> Shaken {
    let record = Record::default();
    let audit = Arc::new(Audit { record, progress: Mutex::default(), sent: Arc::default() });
    let config = WebPkiServerVerifier::builder_with_provider(credentials.roots(), provider())
        .build()
        .map_err(|error| Error::General(error.to_string()))
        .and_then(|webpki| {
            let verifier = Verifier { webpki, audit: Arc::clone(&audit) };
            let key = credentials
                .certified_key(|key| Arc::new(WatchedKey::new(key, Arc::clone(&audit.sent))));
            let resolver = Resolver { key: Arc::new(key), audit: Arc::clone(&audit) };
            client_config(Arc::new(verifier), Arc::new(resolver))
        });
    let (seen, stream) = recorded(stream, endpoint, config, &audit.record, certificates).await;
    let withheld = audit.withheld(&seen, credentials);
    Shaken { seen, withheld, stream }
}

/// How far one handshake got.
#[derive(Debug)]
struct Audit {
    record: Record,
    progress: Mutex<Progress>,
    /// The key has signed: the certificate is on its way.
    sent: Arc<AtomicBool>,
}

#[derive(Debug, Default)]
struct Progress {
    chain: Chain,
    /// Why the server's signature does not show that it holds the key of its certificate.
    possession_failed: Option<String>,
    request: Request,
}

#[derive(Debug, Default)]
enum Chain {
    #[default]
    NotShown,
    Verified,
    Refused(String),
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Request {
    #[default]
    None,
    Answerable,
    /// It allows no signature that our key can make.
    Unanswerable,
}

impl Audit {
    fn note(&self, change: impl FnOnce(&mut Progress)) {
        change(&mut self.progress.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn withheld(&self, seen: &TlsConnection, credentials: &Credentials) -> Option<String> {
        if self.sent.load(SeqCst) {
            return None;
        }
        let end = || match &seen.handshake_end {
            Some(end) => format!(": {}", describe(end)),
            None => String::new(),
        };
        let progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        Some(match (&progress.chain, &progress.possession_failed, progress.request) {
            (Chain::Refused(why), ..) => {
                format!("the chain does not verify to {}: {why}", credentials.ca_name())
            }
            (_, Some(why), _) => {
                format!("the server did not prove that it holds its certificate's key: {why}")
            }
            (Chain::NotShown, ..) => {
                format!("the handshake ended before a certificate could be verified{}", end())
            }
            (Chain::Verified, None, Request::None) if seen.handshake_end.is_none() => {
                "the server asks for no client certificate".to_owned()
            }
            (Chain::Verified, None, Request::Unanswerable) => {
                "the server accepts no signature that this key can make".to_owned()
            }
            (Chain::Verified, None, Request::None | Request::Answerable) => {
                format!("the handshake ended before it was time for it{}", end())
            }
        })
    }
}

#[derive(Debug)]
struct Verifier {
    webpki: Arc<WebPkiServerVerifier>,
    audit: Arc<Audit>,
}

impl Verifier {
    fn signature(
        &self,
        result: Result<HandshakeSignatureValid, Error>,
        cert: &CertificateDer<'_>,
        scheme: SignatureScheme,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.audit.record.note_signature(&result, cert, scheme);
        if let Err(error) = &result {
            let why = reason(error);
            self.audit.note(|progress| progress.possession_failed = Some(why));
        }
        result
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.audit.record.note_chain(end_entity, intermediates);
        let result = self.webpki.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        );
        let chain = match &result {
            Ok(_) => Chain::Verified,
            Err(error) => Chain::Refused(reason(error)),
        };
        self.audit.note(|progress| progress.chain = chain);
        result
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let result = self.webpki.verify_tls12_signature(message, cert, dss);
        self.signature(result, cert, dss.scheme)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let result = self.webpki.verify_tls13_signature(message, cert, dss);
        self.signature(result, cert, dss.scheme)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.webpki.supported_verify_schemes()
    }
}

#[derive(Debug)]
struct Resolver {
    key: Arc<CertifiedKey>,
    audit: Arc<Audit>,
}

impl ResolvesClientCert for Resolver {
    /// Called when the request comes, which is before the server is verified.
    fn resolve(&self, issuers: &[&[u8]], schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.audit.record.note_request(issuers);
        let can_sign = self.key.key.choose_scheme(schemes).is_some();
        let request = if can_sign { Request::Answerable } else { Request::Unanswerable };
        self.audit.note(|progress| progress.request = request);
        can_sign.then(|| Arc::clone(&self.key))
    }

    fn has_certs(&self) -> bool {
        true
    }
}

/// Why rustls refuses, for a person who holds the CA file. Names in it are the server's.
fn reason(error: &Error) -> String {
    const MAX_TEXT: usize = 256;
    let text = match error {
        Error::InvalidCertificate(CertificateError::UnknownIssuer) => {
            "none of its certificates issued what the server shows".to_owned()
        }
        Error::InvalidCertificate(CertificateError::Other(other))
            if other.to_string().contains("CaUsedAsEndEntity") =>
        {
            "the server's own certificate is a CA (basicConstraints CA:TRUE), which is not \
             accepted as a server's, not even if it is the given root itself"
                .to_owned()
        }
        Error::InvalidCertificate(CertificateError::BadEncoding) => {
            "the server's certificate is malformed".to_owned()
        }
        Error::InvalidCertificate(CertificateError::Other(other)) => other.to_string(),
        Error::InvalidCertificate(problem) => problem.to_string(),
        other => other.to_string(),
    };
    text.chars().take(MAX_TEXT).collect()
}
