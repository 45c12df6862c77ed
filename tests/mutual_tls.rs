//! TLS servers in this process that record what a client shows them.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{
    DigitallySignedStruct, DistinguishedName, Error, RootCertStore, ServerConfig, SignatureScheme,
    SupportedProtocolVersion,
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};

/// An authority that issues certificates.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: rcgen::Certificate,
}

/// A certificate and its key.
pub struct Identity {
    pub certificate: rcgen::Certificate,
    pub key: KeyPair,
}

fn named(name: &str, san: &[&str]) -> CertificateParams {
    let san: Vec<String> = san.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(san).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

impl Authority {
    pub fn new(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = named(name, &[]);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).unwrap();
        Self { issuer: Issuer::new(params, key), certificate }
    }

    pub fn issue(&self, name: &str, san: &[&str]) -> Identity {
        let key = KeyPair::generate().unwrap();
        let certificate = named(name, san).signed_by(&key, &self.issuer).unwrap();
        Identity { certificate, key }
    }

    pub fn pem(&self) -> String {
        self.certificate.pem()
    }
}

impl Identity {
    pub fn self_signed(name: &str, san: &[&str], is_ca: IsCa) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = named(name, san);
        params.is_ca = is_ca;
        Self { certificate: params.self_signed(&key).unwrap(), key }
    }

    fn certified(&self, key: &KeyPair) -> SingleCertAndKey {
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let key = aws_lc_rs::sign::any_supported_type(&key).unwrap();
        CertifiedKey::new(vec![self.certificate.der().clone()], key).into()
    }
}

/// Three files as the flags want them, in a folder that goes away with this.
pub struct Files {
    pub folder: tempfile::TempDir,
}

impl Files {
    pub fn new(ca: &str, client: &Identity) -> Self {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        write_pems(folder.path(), ca, client);
        let key = folder.path().join("key.pem");
        std::fs::set_permissions(key, std::fs::Permissions::from_mode(0o600)).unwrap();
        Self { folder }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn flags(&self) -> Vec<String> {
        [("--tlscacert", "ca.pem"), ("--tlscert", "cert.pem"), ("--tlskey", "key.pem")]
            .iter()
            .flat_map(|(flag, name)| {
                [(*flag).to_owned(), self.path(name).to_str().unwrap().to_owned()]
            })
            .collect()
    }
}

/// `ca.pem`, `cert.pem` and `key.pem`, the names that Docker gives them.
pub fn write_pems(folder: &Path, ca: &str, client: &Identity) {
    std::fs::create_dir_all(folder).unwrap();
    std::fs::write(folder.join("ca.pem"), ca).unwrap();
    std::fs::write(folder.join("cert.pem"), client.certificate.pem()).unwrap();
    std::fs::write(folder.join("key.pem"), client.key.serialize_pem()).unwrap();
}

/// How a server treats client certificates.
pub enum Wanted<'a> {
    Nothing,
    /// One of this authority, or none at all.
    Optional(&'a Authority),
    Required(&'a Authority),
    /// One is demanded, of this authority by the request, and any is let in.
    Any(&'a Authority),
}

/// What a server was shown.
#[derive(Debug, Default)]
pub struct Heard {
    pub connections: AtomicUsize,
    /// Certificate messages that held one.
    pub certificates: AtomicUsize,
    /// Every byte received, of all connections: up to TLS 1.2 a Certificate is among them in clear.
    bytes: Mutex<Vec<u8>>,
}

impl Heard {
    pub fn certificates(&self) -> usize {
        self.certificates.load(SeqCst)
    }

    pub fn holds(&self, der: &[u8]) -> bool {
        self.bytes.lock().unwrap().windows(der.len()).any(|window| window == der)
    }
}

/// Serves in TLS what `backend` serves without. `key` signs the handshake.
pub async fn serve(
    identity: &Identity,
    key: &KeyPair,
    wanted: Wanted<'_>,
    version: &'static SupportedProtocolVersion,
    backend: SocketAddr,
) -> (SocketAddr, Arc<Heard>) {
    let heard = Arc::new(Heard::default());
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[version])
        .unwrap();
    let verifier = |authority: &Authority| {
        let mut roots = RootCertStore::empty();
        roots.add(authority.certificate.der().clone()).unwrap();
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
    };
    let lenient = matches!(wanted, Wanted::Any(_));
    let inner = match wanted {
        Wanted::Nothing => None,
        Wanted::Optional(authority) => {
            Some(verifier(authority).allow_unauthenticated().build().unwrap())
        }
        Wanted::Required(authority) | Wanted::Any(authority) => {
            Some(verifier(authority).build().unwrap())
        }
    };
    let builder = match inner {
        None => builder.with_no_client_auth(),
        Some(inner) => builder.with_client_cert_verifier(Arc::new(Listening {
            inner,
            lenient,
            heard: Arc::clone(&heard),
        })),
    };
    let config = builder.with_cert_resolver(Arc::new(identity.certified(key)));
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = Arc::clone(&heard);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            server.connections.fetch_add(1, SeqCst);
            let tee = Tee { stream, heard: Arc::clone(&server) };
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut tls) = acceptor.accept(tee).await else { return };
                let mut backend = TcpStream::connect(backend).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut tls, &mut backend).await;
            });
        }
    });
    (address, heard)
}

/// Counts what `inner` is asked about.
#[derive(Debug)]
struct Listening {
    inner: Arc<dyn ClientCertVerifier>,
    /// Lets in whoever shows a certificate.
    lenient: bool,
    heard: Arc<Heard>,
}

impl ClientCertVerifier for Listening {
    fn client_auth_mandatory(&self) -> bool {
        self.inner.client_auth_mandatory()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.inner.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.heard.certificates.fetch_add(1, SeqCst);
        if self.lenient {
            return Ok(ClientCertVerified::assertion());
        }
        self.inner.verify_client_cert(end_entity, intermediates, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

/// Keeps a copy of what is received.
struct Tee {
    stream: TcpStream,
    heard: Arc<Heard>,
}

impl AsyncRead for Tee {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        self.heard.bytes.lock().unwrap().extend(&buf.filled()[before..]);
        polled
    }
}

impl AsyncWrite for Tee {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
