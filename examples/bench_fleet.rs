//! Docker-like endpoints by the thousand, for `benches/run.sh` and `benches/sweep/run.sh` to scan.
//!
//!     bench_fleet COUNT [FIRST_ADDRESS]
//!     bench_fleet COUNT --over NETWORK
//!
//! Each has a loopback address of its own from 127.31.0.1 or FIRST_ADDRESS on, or they are spread
//! over NETWORK, which must be this machine's. Of four in a row two are plain HTTP
//! on 2375, one is TLS on 2376, and one is TLS that demands a client certificate. They answer with
//! what a real engine answered. Prints the endpoints, one a line, then READY, and serves until its
//! input ends.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

type AnyError = Box<dyn std::error::Error + Send + Sync>;

const ANSWERS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/answers/d28-plain-28.5.2");
const PATHS: [(&str, &str); 5] = [
    ("/version", "version.http"),
    ("/_ping", "ping.http"),
    ("/info", "info.http"),
    ("/networks", "networks.http"),
    ("/containers/json?limit=1", "containers.http"),
];

fn main() -> Result<(), AnyError> {
    let mut arguments = std::env::args().skip(1);
    let count: u32 = arguments.next().ok_or("usage: bench_fleet COUNT [FIRST_ADDRESS]")?.parse()?;
    let place = match (arguments.next().as_deref(), arguments.next()) {
        (None, _) => Place { first: Ipv4Addr::new(127, 31, 0, 1), step: 1 },
        (Some("--over"), Some(network)) => Place::over(network.parse()?, count),
        (Some(address), _) => Place { first: address.parse()?, step: 1 },
    };
    allow_many_descriptors()?;
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(start(count, &place))?;
    println!("READY");
    std::io::copy(&mut std::io::stdin(), &mut std::io::sink())?;
    Ok(())
}

/// Where the endpoints are.
struct Place {
    first: Ipv4Addr,
    step: u32,
}

impl Place {
    fn over(network: ipnet::Ipv4Net, count: u32) -> Self {
        let addresses = u32::MAX >> network.prefix_len();
        Self {
            first: Ipv4Addr::from_bits(network.network().to_bits() + 1),
            step: addresses / count.max(1),
        }
    }

    fn of(&self, number: u32) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.first.to_bits() + number * self.step)
    }
}

async fn start(count: u32, place: &Place) -> Result<(), AnyError> {
    let answers = Answers::read()?;
    let authority = Authority::new()?;
    for number in 0..count {
        let address = place.of(number);
        let guard = match number % 4 {
            0 | 1 => None,
            2 => Some(authority.tls(address, false)?),
            _ => Some(authority.tls(address, true)?),
        };
        let port = if guard.is_some() { 2376 } else { 2375 };
        let address = SocketAddr::from((address, port));
        let listener = TcpListener::bind(address)
            .await
            .map_err(|error| format!("cannot listen on {address}: {error}"))?;
        tokio::spawn(accept(listener, guard, Arc::new(answers.of_engine(number))));
        println!("{address}");
    }
    Ok(())
}

fn allow_many_descriptors() -> Result<(), AnyError> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit })?;
    Ok(())
}

async fn accept(listener: TcpListener, guard: Option<TlsAcceptor>, answers: Arc<Answers>) {
    while let Ok((stream, _)) = listener.accept().await {
        let (guard, answers) = (guard.clone(), Arc::clone(&answers));
        tokio::spawn(async move {
            match guard {
                Some(tls) => serve(tls.accept(stream).await?, &answers).await,
                None => serve(stream, &answers).await,
            }
        });
    }
}

async fn serve<S>(stream: S, answers: &Answers) -> std::io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut stream = BufReader::new(stream);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if stream.read_line(&mut head).await? == 0 {
                return Ok(());
            }
        }
        let path = head.split(' ').nth(1).unwrap_or_default();
        stream.write_all(answers.to(path)).await?;
        stream.flush().await?;
    }
}

/// A recorded engine's answers, whole as they go out.
#[derive(Clone)]
struct Answers(Vec<(&'static str, Vec<u8>)>);

impl Answers {
    fn read() -> Result<Self, AnyError> {
        let read = |(path, file)| {
            let recorded = std::fs::read_to_string(format!("{ANSWERS}/{file}"))?;
            let (head, body) = recorded.split_once("\r\n\r\n").ok_or("an answer without a body")?;
            Ok((path, with_length(head, body)))
        };
        Ok(Self(PATHS.into_iter().map(read).collect::<Result<_, AnyError>>()?))
    }

    /// The same with an engine ID of its own, so that no two endpoints are the same engine.
    fn of_engine(&self, number: u32) -> Self {
        const ID: &[u8] = br#""ID":"404ca3cc"#;
        let own = format!(r#""ID":"{number:08x}"#);
        let mut answers = self.clone();
        for (_, answer) in &mut answers.0 {
            if let Some(at) = answer.windows(ID.len()).position(|bytes| bytes == ID) {
                answer.splice(at..at + ID.len(), own.bytes());
            }
        }
        answers
    }

    fn to(&self, path: &str) -> &[u8] {
        const NOT_FOUND: &[u8] = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
        self.0.iter().find(|(known, _)| *known == path).map_or(NOT_FOUND, |(_, answer)| answer)
    }
}

/// Recordings hold the bodies as they are after chunked decoding.
fn with_length(head: &str, body: &str) -> Vec<u8> {
    let mut answer = String::new();
    for line in head.lines() {
        let name = line.split(':').next().unwrap_or_default();
        if !name.eq_ignore_ascii_case("content-length")
            && !name.eq_ignore_ascii_case("transfer-encoding")
        {
            answer.push_str(line);
            answer.push_str("\r\n");
        }
    }
    answer.push_str(&format!("Content-Length: {}\r\n\r\n{body}", body.len()));
    answer.into_bytes()
}

/// Every TLS endpoint has a key and a certificate of its own, and shows its CA's with it.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    root: CertificateDer<'static>,
}

impl Authority {
    fn new() -> Result<Self, AnyError> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(Vec::<String>::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, "bench CA");
        let root = params.self_signed(&key)?.der().clone();
        Ok(Self { issuer: Issuer::new(params, key), root })
    }

    fn tls(&self, address: Ipv4Addr, demands_certificate: bool) -> Result<TlsAcceptor, AnyError> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(vec![IpAddr::from(address).to_string()])?;
        params.distinguished_name.push(rcgen::DnType::CommonName, format!("engine {address}"));
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let chain = vec![params.signed_by(&key, &self.issuer)?.der().clone(), self.root.clone()];
        let key = PrivatePkcs8KeyDer::from(key.serialize_der()).into();

        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()?;
        let builder = if demands_certificate {
            let mut roots = RootCertStore::empty();
            roots.add(self.root.clone())?;
            let verifier =
                WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build()?;
            builder.with_client_cert_verifier(verifier)
        } else {
            builder.with_no_client_auth()
        };
        Ok(TlsAcceptor::from(Arc::new(builder.with_single_cert(chain, key)?)))
    }
}
