use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::task::{Context, Poll};
use std::time::Duration;

use proptest::prelude::*;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use tls_parser::{
    TlsClientHelloContents, TlsExtension, TlsMessage, TlsMessageHandshake, parse_tls_plaintext,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Instant;
use x509_parser::prelude::FromDer;

use super::*;
use crate::observation::{ServerHelloFlight, StreamEnd};
use crate::probe::certificate_store::CertificateStore;

const RANDOM: [u8; 32] = [0x5a; 32];

#[test]
fn every_hello_is_small() {
    for offer in Offer::ALL {
        let bare = ClientHello::for_versions(offer, None, RANDOM).bytes().len();
        let named = ClientHello::for_versions(offer, Some("docker-17.example.net"), RANDOM);
        println!("| {offer:?} | {bare} | {} |", named.bytes().len());
        // The record's head has five bytes; the message stays below the mishandled sizes.
        assert!(bare <= 235, "{offer:?}: {bare} bytes");
        assert!(named.bytes().len() < 5 + 256, "{offer:?} with a name: {}", named.bytes().len());
    }
}

#[test]
fn no_name_puts_a_hello_into_the_sizes_that_some_servers_hang_on() {
    for offer in Offer::ALL {
        for length in 1..=250 {
            let label_dots = |i: usize| if i % 50 == 49 { '.' } else { 'a' };
            let name: String = (0..length).map(label_dots).collect();
            let hello = ClientHello::for_versions(offer, Some(&name), RANDOM);
            let message = hello.bytes().len() - 5;
            assert!(!(256..=511).contains(&message), "{offer:?}, name of {length}: {message}");
            assert!(message <= 600);
        }
    }
}

#[test]
fn another_parser_reads_back_what_each_hello_offers() {
    for offer in Offer::ALL {
        let hello = ClientHello::for_versions(offer, Some("docker.example"), RANDOM);
        with_parsed(hello.bytes(), |contents, extensions| {
            assert_eq!(contents.random, RANDOM);
            assert_eq!(contents.comp.len(), 1);
            let suites: Vec<u16> = contents.ciphers.iter().map(|suite| suite.0).collect();
            let mut distinct = suites.clone();
            distinct.sort_unstable();
            distinct.dedup();
            assert_eq!(distinct.len(), suites.len(), "{offer:?} repeats a suite");
            assert!(!suites.contains(&0x5600), "{offer:?} sends TLS_FALLBACK_SCSV");

            let supported = extensions.iter().find_map(|extension| match extension {
                TlsExtension::SupportedVersions(list) => Some(list.iter().map(|v| v.0).collect()),
                _ => None,
            });
            let name_sent = extensions.iter().any(|extension| {
                matches!(extension, TlsExtension::SNI(names) if names[0].1 == b"docker.example")
            });
            let (record, legacy, versions) = match offer {
                Offer::Only(TlsVersion::Ssl3) => (0x0300, 0x0300, None),
                Offer::Only(TlsVersion::Tls10) => (0x0301, 0x0301, None),
                Offer::Only(TlsVersion::Tls11) => (0x0301, 0x0302, None),
                Offer::Only(TlsVersion::Tls12) => (0x0301, 0x0303, None),
                Offer::Only(TlsVersion::Tls13) => (0x0301, 0x0303, Some(vec![0x0304])),
                Offer::Tls13And12 => (0x0301, 0x0303, Some(vec![0x0304, 0x0303])),
                Offer::BelowTls12 => (0x0301, 0x0303, Some(vec![0x0302, 0x0301, 0x0300])),
                Offer::Bare(version) => (0x0301, version.wire(), None),
                Offer::Rare(TlsVersion::Ssl3) | Offer::Ssl3Named => (0x0300, 0x0300, None),
                Offer::Rare(version) => (0x0301, version.wire(), None),
            };
            let bare = matches!(
                offer,
                Offer::Bare(_) | Offer::Only(TlsVersion::Ssl3) | Offer::Rare(TlsVersion::Ssl3)
            );
            assert_eq!(hello.bytes()[1..3], u16::to_be_bytes(record));
            assert_eq!(contents.version.0, legacy);
            assert_eq!(supported, versions);
            assert_eq!(name_sent, !bare);
            assert_eq!(contents.ext.is_none(), bare);
            assert!(offer != Offer::Ssl3Named || extensions.len() == 1);
        });
    }
}

#[test]
fn a_tls_1_3_hello_has_a_key_share_list_that_is_empty() {
    let key_share = [0, 51, 0, 2, 0, 0];
    for offer in Offer::ALL {
        let hello = ClientHello::for_versions(offer, None, RANDOM);
        let sent = hello.bytes().windows(key_share.len()).any(|window| window == key_share);
        assert_eq!(sent, hello.offered().contains(&TlsVersion::Tls13), "{offer:?}");
    }
}

#[test]
fn only_dns_names_are_sent_and_without_a_trailing_dot() {
    let offer = Offer::Only(TlsVersion::Tls12);
    let hello_for = |name| ClientHello::for_versions(offer, name, RANDOM);
    let bare = hello_for(None);
    for refused in
        ["", ".", "192.0.2.7", "2001:db8::1", "[::1]", "a b", "a..b", "b\u{fc}ro.example"]
    {
        assert_eq!(hello_for(Some(refused)), bare, "{refused:?}");
    }
    assert_eq!(hello_for(Some("a.example.")), hello_for(Some("a.example")));
    assert_ne!(hello_for(Some("a.example")), bare);
}

#[test]
fn an_answer_becomes_an_observed_connection() {
    let hello = ClientHello::for_versions(Offer::Tls13And12, None, RANDOM);
    let answer = HelloAnswer::Alert { level: 2, description: 70 };
    let connection = hello.answered(answer.clone());
    assert_eq!(connection.offered, [TlsVersion::Tls13, TlsVersion::Tls12]);
    assert_eq!(connection.hello_bytes, hello.bytes().len());
    assert_eq!(connection.answer, answer);
}

proptest! {
    #[test]
    fn whatever_the_name_the_record_is_well_formed(name in ".{0,300}", random: [u8; 32]) {
        for offer in Offer::ALL {
            let hello = ClientHello::for_versions(offer, Some(&name), random);
            with_parsed(hello.bytes(), |contents, _| assert_eq!(contents.random, random));
        }
    }
}

#[tokio::test]
async fn an_alert_is_read() {
    let answer = asked_of(|mut peer| async move {
        read_hello(&mut peer).await;
        peer.write_all(&[21, 3, 3, 0, 2, 2, 70]).await.unwrap();
        peer
    });
    assert_eq!(answer.await, HelloAnswer::Alert { level: 2, description: 70 });
}

#[tokio::test]
async fn a_close_says_how_much_came_before_it() {
    let answer = asked_of(|mut peer| async move {
        read_hello(&mut peer).await;
        peer.write_all(&[22, 3, 3]).await.unwrap();
        peer.shutdown().await.unwrap();
        peer
    });
    let end = StreamEnd::Closed { received: 3 };
    assert_eq!(answer.await, HelloAnswer::NoAnswer { end });
}

#[tokio::test]
async fn silence_ends_after_the_patience_and_a_trickle_at_the_deadline() {
    let silent = asked_of(|peer| async move { peer });
    assert!(matches!(
        silent.await,
        HelloAnswer::NoAnswer { end: StreamEnd::TimedOut { waited_ms: 200..1000 } }
    ));

    let trickle = asked_of(|mut peer| async move {
        while peer.write_all(&[20, 3, 3, 0, 1, 1]).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        peer
    });
    assert!(matches!(
        trickle.await,
        HelloAnswer::NoAnswer { end: StreamEnd::TimedOut { waited_ms: 1000.. } }
    ));
}

#[tokio::test]
async fn what_was_read_by_the_deadline_is_kept() {
    let answer = asked_of(|mut peer| async move {
        read_hello(&mut peer).await;
        // A ServerHello and the beginning of a Certificate message.
        let mut flight = vec![22, 3, 3, 0, 46, 2, 0, 0, 38, 3, 3];
        flight.extend([7; 32]);
        flight.extend([0, 0xc0, 0x2f, 0]);
        flight.extend([11, 0, 1, 0]);
        peer.write_all(&flight).await.unwrap();
        peer
    });
    let flight = server_hello(answer.await);
    assert_eq!((flight.version, flight.cipher_suite), (0x0303, 0xc02f));
    assert!(matches!(flight.end, Some(StreamEnd::TimedOut { .. })));
    assert!(!flight.complete);
}

#[tokio::test]
async fn an_alert_is_read_also_when_the_hello_cannot_be_written() {
    let mut stream = Broken { readable: &[21, 3, 1, 0, 2, 2, 40] };
    let answer = ask_quickly(&mut stream, Offer::Only(TlsVersion::Tls10)).await;
    assert_eq!(answer, HelloAnswer::Alert { level: 2, description: 40 });
    let answer = ask_quickly(&mut stream, Offer::Only(TlsVersion::Tls10)).await;
    assert_eq!(answer, HelloAnswer::NoAnswer { end: StreamEnd::Reset });
}

#[tokio::test]
async fn a_reset_is_told_from_a_close() {
    let listener = tokio::net::TcpListener::bind("127.21.0.9:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        let (socket, _) = listener.accept().await.unwrap();
        // Closing with the hello unread makes the system send a reset.
        socket.readable().await.unwrap();
    });
    let mut stream = TcpStream::connect(address).await.unwrap();
    let answer = ask_quickly(&mut stream, Offer::Only(TlsVersion::Tls12)).await;
    server.await.unwrap();
    assert_eq!(answer, HelloAnswer::NoAnswer { end: StreamEnd::Reset });
}

#[tokio::test]
async fn openssl_accepts_exactly_the_hello_of_its_version() {
    let directory = tempfile::tempdir().unwrap();
    let files = Files::write(directory.path(), &rcgen::PKCS_ECDSA_P256_SHA256);
    for (host, flag, served) in [
        ("127.21.0.1", "-tls1", TlsVersion::Tls10),
        ("127.21.0.2", "-tls1_1", TlsVersion::Tls11),
        ("127.21.0.3", "-tls1_2", TlsVersion::Tls12),
        ("127.21.0.4", "-tls1_3", TlsVersion::Tls13),
    ] {
        let server = OpensslServer::start(host, &files, &[flag]);
        // This server has no rare suite, and signs nothing that TLS 1.2 has without extensions.
        let unusual = [HelloForm::RareSuites, HelloForm::WithoutExtensions];
        for offer in Offer::ALL.into_iter().filter(|offer| !unusual.contains(&offer.form())) {
            let (answer, chain) = server.ask(offer).await;
            if !offer.versions().contains(&served) {
                // RFC 5246 appendix E.1: a server may answer with a lower version than asked for.
                match answer {
                    HelloAnswer::ServerHello(flight) => {
                        assert_eq!(flight.version, served.wire(), "{flag} {offer:?}");
                        assert!(offer.versions().iter().all(|version| *version > served));
                    }
                    refusal => {
                        let alert = matches!(refusal, HelloAnswer::Alert { level: 2, .. });
                        assert!(alert, "{flag} {offer:?}: {refusal:?}");
                    }
                }
                continue;
            }
            let flight = server_hello(answer);
            assert_eq!(flight.version, served.wire(), "{flag} {offer:?}");
            assert_eq!(flight.end, None, "{flag} {offer:?}");
            assert_eq!(flight.certificate_request, None);
            if served == TlsVersion::Tls13 {
                assert!(flight.retry_request);
                assert_eq!((flight.chain, flight.complete), (None, false));
            } else {
                assert!(flight.complete && !flight.retry_request);
                assert_eq!(flight.chain, Some(vec![0, 1]));
                assert_eq!(chain, [files.leaf_der.clone(), files.root_der.clone()]);
            }
        }
    }
}

#[tokio::test]
async fn openssl_asks_for_a_client_certificate_in_clear() {
    let directory = tempfile::tempdir().unwrap();
    let files = Files::write(directory.path(), &rcgen::PKCS_RSA_SHA256);
    let root = files.root.to_str().unwrap();
    for (host, flag, served) in [
        ("127.21.0.5", "-tls1", TlsVersion::Tls10),
        ("127.21.0.6", "-tls1_1", TlsVersion::Tls11),
        ("127.21.0.7", "-tls1_2", TlsVersion::Tls12),
    ] {
        let server = OpensslServer::start(host, &files, &[flag, "-Verify", "1", "-CAfile", root]);
        let (answer, _) = server.ask(Offer::Only(served)).await;
        let flight = server_hello(answer);
        assert_eq!((flight.version, flight.complete, flight.end), (served.wire(), true, None));
        let request = flight.certificate_request.expect("a CertificateRequest");
        assert_eq!(request.issuers_total, 1);
        let (_, name) = x509_parser::x509::X509Name::from_der(&request.issuers[0].0).unwrap();
        assert_eq!(name.to_string(), "CN=docksweep test root");
    }
}

#[tokio::test]
async fn hundreds_of_issuers_in_several_records_are_read() {
    let directory = tempfile::tempdir().unwrap();
    let files = Files::write(directory.path(), &rcgen::PKCS_ECDSA_P256_SHA256);
    let key = KeyPair::generate().unwrap();
    let bundle: String = (0..400)
        .map(|number| {
            let mut params = CertificateParams::default();
            let name = format!("docksweep test authority with a rather long name, number {number}");
            params.distinguished_name.push(DnType::CommonName, name);
            params.self_signed(&key).unwrap().pem()
        })
        .collect();
    let path = directory.path().join("bundle.pem");
    std::fs::write(&path, bundle).unwrap();
    let options = ["-tls1_2", "-Verify", "1", "-CAfile", path.to_str().unwrap()];
    let server = OpensslServer::start("127.21.0.10", &files, &options);

    let flight = server_hello(server.ask(Offer::Only(TlsVersion::Tls12)).await.0);
    let request = flight.certificate_request.expect("a CertificateRequest");
    assert_eq!(request.issuers_total, 400);
    assert!(request.issuers.iter().map(|name| name.0.len()).sum::<usize>() > 1 << 14);
    assert_eq!((flight.complete, flight.end), (true, None));
}

#[tokio::test]
async fn openssl_marks_the_downgrade_and_answers_the_wide_hello() {
    let directory = tempfile::tempdir().unwrap();
    let files = Files::write(directory.path(), &rcgen::PKCS_ECDSA_P256_SHA256);
    let server = OpensslServer::start("127.21.0.8", &files, &[]);
    for (offer, version, sentinel) in [
        (Offer::Only(TlsVersion::Tls10), 0x0301, true),
        (Offer::Only(TlsVersion::Tls11), 0x0302, true),
        (Offer::Only(TlsVersion::Tls12), 0x0303, true),
        (Offer::Only(TlsVersion::Tls13), 0x0304, false),
        (Offer::Tls13And12, 0x0304, false),
    ] {
        let flight = server_hello(server.ask(offer).await.0);
        assert_eq!((flight.version, flight.downgrade_sentinel), (version, sentinel), "{offer:?}");
    }
}

/// The ClientHello and its extensions as tls-parser reads them.
fn with_parsed(record: &[u8], check: impl Fn(&TlsClientHelloContents<'_>, &[TlsExtension<'_>])) {
    let (rest, plaintext) = parse_tls_plaintext(record).unwrap();
    assert!(rest.is_empty());
    let [TlsMessage::Handshake(TlsMessageHandshake::ClientHello(hello))] = plaintext.msg.as_slice()
    else {
        panic!("not one ClientHello: {:?}", plaintext.msg);
    };
    let (rest, extensions) =
        tls_parser::parse_tls_client_hello_extensions(hello.ext.unwrap_or_default()).unwrap();
    assert!(rest.is_empty(), "unread extensions: {rest:?}");
    check(hello, &extensions);
}

fn server_hello(answer: HelloAnswer) -> ServerHelloFlight {
    match answer {
        HelloAnswer::ServerHello(flight) => flight,
        other => panic!("no ServerHello: {other:?}"),
    }
}

/// Asks a peer that does `behaviour` and keeps its end of the stream as long as the asking lasts.
async fn asked_of<F, B>(behaviour: B) -> HelloAnswer
where
    B: FnOnce(tokio::io::DuplexStream) -> F,
    F: Future<Output = tokio::io::DuplexStream> + Send + 'static,
{
    let (mut stream, peer) = tokio::io::duplex(16 * 1024);
    let peer = tokio::spawn(behaviour(peer));
    let answer = ask_quickly(&mut stream, Offer::Only(TlsVersion::Tls12)).await;
    drop(stream);
    drop(peer.await.unwrap());
    answer
}

async fn read_hello(peer: &mut tokio::io::DuplexStream) {
    let mut header = [0; 5];
    peer.read_exact(&mut header).await.unwrap();
    let mut message = vec![0; usize::from(u16::from_be_bytes([header[3], header[4]]))];
    peer.read_exact(&mut message).await.unwrap();
}

async fn ask_quickly<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    offer: Offer,
) -> HelloAnswer {
    let hello = ClientHello::for_versions(offer, None, RANDOM);
    let deadline = Instant::now() + Duration::from_millis(1000);
    let patience = Duration::from_millis(200);
    let store = Mutex::new(CertificateStore::new());
    ask(stream, &hello, patience, deadline, Wanted::Flight, &store).await
}

/// A connection that the peer has closed for writing, with something left to be read.
struct Broken {
    readable: &'static [u8],
}

impl AsyncRead for Broken {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        if self.readable.is_empty() {
            return Poll::Ready(Err(std::io::ErrorKind::ConnectionReset.into()));
        }
        buffer.put_slice(std::mem::take(&mut self.readable));
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Broken {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Poll::Ready(Err(std::io::ErrorKind::BrokenPipe.into()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// A leaf, its key and its root, as files for openssl.
struct Files {
    leaf: std::path::PathBuf,
    key: std::path::PathBuf,
    root: std::path::PathBuf,
    leaf_der: Vec<u8>,
    root_der: Vec<u8>,
}

impl Files {
    fn write(directory: &Path, algorithm: &'static rcgen::SignatureAlgorithm) -> Self {
        let root_key = KeyPair::generate().unwrap();
        let mut root_params = CertificateParams::default();
        root_params.distinguished_name.push(DnType::CommonName, "docksweep test root");
        root_params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let root = root_params.self_signed(&root_key).unwrap();
        let issuer = Issuer::from_params(&root_params, &root_key);

        let leaf_key = KeyPair::generate_for(algorithm).unwrap();
        let leaf_params = CertificateParams::new(["docker.example".to_owned()]).unwrap();
        let leaf = leaf_params.signed_by(&leaf_key, &issuer).unwrap();

        let write = |name: &str, text: String| {
            let path = directory.join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        Self {
            leaf: write("leaf.pem", leaf.pem()),
            key: write("key.pem", leaf_key.serialize_pem()),
            root: write("root.pem", root.pem()),
            leaf_der: leaf.der().to_vec(),
            root_der: root.der().to_vec(),
        }
    }
}

/// An `openssl s_server` that speaks what OpenSSL still can, and dies with this value.
struct OpensslServer {
    process: Child,
    address: SocketAddr,
}

impl OpensslServer {
    fn start(host: &str, files: &Files, options: &[&str]) -> Self {
        let mut process = Command::new("openssl")
            .args(["s_server", "-www", "-accept", &format!("{host}:0")])
            .args(["-cipher", "ALL:@SECLEVEL=0"])
            .arg("-cert")
            .arg(&files.leaf)
            .arg("-key")
            .arg(&files.key)
            .arg("-cert_chain")
            .arg(&files.root)
            .args(options)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("this test needs the openssl command");
        let output = BufReader::new(process.stdout.take().unwrap());
        let address = output
            .lines()
            .map_while(Result::ok)
            .find_map(|line| line.strip_prefix("ACCEPT ")?.trim().parse().ok());
        let Some(address) = address else {
            process.kill().ok();
            panic!("openssl did not say where it listens");
        };
        Self { process, address }
    }

    async fn ask(&self, offer: Offer) -> (HelloAnswer, Vec<Vec<u8>>) {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let hello = ClientHello::for_versions(offer, Some("docker.example"), RANDOM);
        let store = Mutex::new(CertificateStore::new());
        let deadline = Instant::now() + Duration::from_secs(20);
        let patience = Duration::from_secs(10);
        let answer = ask(&mut stream, &hello, patience, deadline, Wanted::Flight, &store).await;
        (
            answer,
            store.into_inner().unwrap().into_certificates().into_iter().map(|der| der.0).collect(),
        )
    }
}

impl Drop for OpensslServer {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}
