//! A small fleet of Docker endpoints in this process, on loopback addresses of its own, and the
//! real `docksweep scan` over it. Nothing leaves the machine.
//!
//!     cargo run --example demo

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

#[expect(clippy::unwrap_used, reason = "lengths of what it builds itself")]
#[path = "../tests/tls_stub.rs"]
#[expect(dead_code, reason = "the tests use the rest of it")]
mod tls_stub;

type AnyError = Box<dyn std::error::Error + Send + Sync>;

const REPORT: &str = "target/demo/report.json";

fn main() -> Result<ExitCode, AnyError> {
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(start())?;
    std::fs::create_dir_all("target/demo")?;
    let arguments = ["docksweep", "scan", "127.99.0.0/28", "--vantage", "demo", "-o", REPORT];
    println!("$ {}\n", arguments.join(" "));
    let code = docksweep::command::main(arguments);
    println!("\nThe whole report, for programs: {REPORT}");
    Ok(code.into())
}

/// How much of the API a stranger gets.
#[derive(Clone, Copy)]
enum Api {
    Whole,
    VersionOnly,
    WebPage,
}

async fn start() -> Result<(), AnyError> {
    let authority = Authority::new()?;
    listen("127.99.0.1:2375", |stream| serve(stream, Api::Whole)).await?;
    listen("127.99.0.2:2375", |stream| serve(stream, Api::VersionOnly)).await?;
    listen("127.99.0.3:2375", |stream| serve(stream, Api::WebPage)).await?;
    listen("127.99.0.4:2375", banner).await?;
    listen("127.99.0.5:2375", silence).await?;

    let own = authority.self_signed("127.99.0.6", Age::Fresh)?;
    tls("127.99.0.6:2376", own, None).await?;
    let issued = authority.issue("127.99.0.7")?;
    tls("127.99.0.7:2376", issued, Some(authority.client_verifier()?)).await?;
    let expired = authority.self_signed("127.99.0.8", Age::Expired)?;
    tls("127.99.0.8:2376", expired, None).await?;
    let legacy = authority.self_signed("127.99.0.9", Age::Fresh)?;
    let der = legacy.0.to_vec();
    listen("127.99.0.9:2376", move |stream| tls_1_0(stream, der.clone())).await?;
    Ok(())
}

async fn listen<F, Fut>(address: &str, peer: F) -> Result<(), AnyError>
where
    F: Fn(TcpStream) -> Fut + Send + 'static,
    Fut: Future<Output = std::io::Result<()>> + Send + 'static,
{
    let address: SocketAddr = address.parse()?;
    let listener = TcpListener::bind(address)
        .await
        .map_err(|error| format!("the demo needs {address} for itself: {error}"))?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(peer(stream));
        }
    });
    Ok(())
}

async fn tls(
    address: &str,
    (certificate, key): Identity,
    clients: Option<Arc<dyn rustls::server::danger::ClientCertVerifier>>,
) -> Result<(), AnyError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder =
        ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let builder = match clients {
        Some(verifier) => builder.with_client_cert_verifier(verifier),
        None => builder.with_no_client_auth(),
    };
    let acceptor = TlsAcceptor::from(Arc::new(builder.with_single_cert(vec![certificate], key)?));
    listen(address, move |stream| {
        let acceptor = acceptor.clone();
        async move { serve(acceptor.accept(stream).await?, Api::Whole).await }
    })
    .await
}

/// An engine's answers, reduced to what tells it.
async fn serve<S: AsyncRead + AsyncWrite + Unpin>(stream: S, api: Api) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if stream.read_line(&mut head).await? == 0 {
                return Ok(());
            }
        }
        let path = head.split(' ').nth(1).unwrap_or_default();
        let engine = "Server: Docker/24.0.7 (linux)\r\nApi-Version: 1.43\r\n";
        let (status, headers, body) = match (api, path) {
            (Api::WebPage, _) => ("200 OK", "Server: demo\r\n", "<html>It works</html>"),
            (_, "/_ping") => ("200 OK", engine, "OK"),
            (_, "/version") => ("200 OK", engine, VERSION),
            (Api::VersionOnly, _) => ("403 Forbidden", "", "<html>Forbidden</html>"),
            (_, "/info") => ("200 OK", engine, r#"{"ID":"demo"}"#),
            (_, "/networks" | "/containers/json?limit=1") => ("200 OK", engine, "[]"),
            _ => ("404 Not Found", engine, r#"{"message":"page not found"}"#),
        };
        let reply =
            format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len());
        stream.write_all(reply.as_bytes()).await?;
    }
}

const VERSION: &str = r#"{"Version":"24.0.7","ApiVersion":"1.43","MinAPIVersion":"1.12","GitCommit":"demo","GoVersion":"go1.20.10","Os":"linux","Arch":"amd64","Components":[{"Name":"Engine","Version":"24.0.7"}]}"#;

async fn banner(mut stream: TcpStream) -> std::io::Result<()> {
    stream.write_all(b"SSH-2.0-demo\r\n").await?;
    tokio::time::sleep(Duration::from_secs(5)).await;
    Ok(())
}

async fn silence(stream: TcpStream) -> std::io::Result<()> {
    tokio::time::sleep(Duration::from_secs(60)).await;
    drop(stream);
    Ok(())
}

/// A server of 1999: whatever TLS is asked for, it has 1.0, and asks for no certificate.
async fn tls_1_0(mut stream: TcpStream, certificate: Vec<u8>) -> std::io::Result<()> {
    let mut hello = [0; 2048];
    let length = stream.read(&mut hello).await?;
    let client_version = hello.get(9..11).unwrap_or_default();
    let knows_only_newer = hello.get(..length).is_some_and(|h| h.windows(2).any(|w| w == [0, 43]));
    let reply = if client_version >= [3, 1].as_slice() && !knows_only_newer {
        let flight = [
            tls_stub::server_hello(0x0301),
            tls_stub::certificate(&[&certificate]),
            tls_stub::server_hello_done(),
        ];
        tls_stub::records(&flight.concat(), 16_000)
    } else {
        tls_stub::alert(70)
    };
    stream.write_all(&reply).await?;
    stream.shutdown().await
}

type Identity = (CertificateDer<'static>, PrivateKeyDer<'static>);

enum Age {
    Fresh,
    Expired,
}

struct Authority {
    issuer: Issuer<'static, KeyPair>,
    root: CertificateDer<'static>,
}

impl Authority {
    fn new() -> Result<Self, AnyError> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(Vec::<String>::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, "demo CA");
        let root = params.self_signed(&key)?.der().clone();
        Ok(Self { issuer: Issuer::new(params, key), root })
    }

    fn client_verifier(
        &self,
    ) -> Result<Arc<dyn rustls::server::danger::ClientCertVerifier>, AnyError> {
        let mut roots = RootCertStore::empty();
        roots.add(self.root.clone())?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        Ok(WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build()?)
    }

    fn issue(&self, name: &str) -> Result<Identity, AnyError> {
        let key = KeyPair::generate()?;
        let certificate = Self::params(name, &Age::Fresh)?.signed_by(&key, &self.issuer)?;
        Ok((certificate.der().clone(), PrivatePkcs8KeyDer::from(key.serialize_der()).into()))
    }

    fn self_signed(&self, name: &str, age: Age) -> Result<Identity, AnyError> {
        let key = KeyPair::generate()?;
        let certificate = Self::params(name, &age)?.self_signed(&key)?;
        Ok((certificate.der().clone(), PrivatePkcs8KeyDer::from(key.serialize_der()).into()))
    }

    fn params(name: &str, age: &Age) -> Result<CertificateParams, AnyError> {
        let mut params = CertificateParams::new(vec![name.to_owned()])?;
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        const DAY: Duration = Duration::from_secs(86_400);
        let now = SystemTime::now();
        let (from, to) = match age {
            Age::Fresh => (now - DAY, now + 200 * DAY),
            Age::Expired => (now - 400 * DAY, now - DAY),
        };
        (params.not_before, params.not_after) = (from.into(), to.into());
        Ok(params)
    }
}
