//! Peers that mean harm or are broken. Each is reported with its reason; none hangs the probe.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use docksweep::assess::{Access, Answer, Assessment, Transport, assess};
use docksweep::certificate::Certificate;
use docksweep::observation::{Observation, TlsVersion};
use docksweep::probe::{ProbeConfig, observe};
use docksweep::rules::Basis;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::recorded::{endpoint, probe_config};
use crate::tls_stub::{
    alert, certificate, certificate_request, record, records, server_hello, server_hello_done,
};

type Served = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Serves every connection with `peer` on a port of the system's choice.
pub async fn serve<F>(peer: F) -> SocketAddr
where
    F: Fn(TcpStream) -> Served + Send + Sync + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let peer = Arc::new(peer);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(peer(stream));
        }
    });
    address
}

/// Waits for the client's first bytes, then sends `reply` and closes.
async fn after_hearing(reply: Vec<u8>) -> SocketAddr {
    serve(move |mut stream| {
        let reply = reply.clone();
        Box::pin(async move {
            let mut heard = [0; 4096];
            if stream.read(&mut heard).await.is_ok_and(|n| n > 0) {
                let _ = stream.write_all(&reply).await;
                let _ = stream.shutdown().await;
                // Closing with unread bytes would reset the connection and lose the reply.
                let _ = stream.read(&mut heard).await;
            }
        })
    })
    .await
}

/// Answers a ClientHello with `reply`, and whatever else in no way at all.
async fn after_a_hello(reply: Vec<u8>) -> SocketAddr {
    serve(move |mut stream| {
        let reply = reply.clone();
        Box::pin(async move {
            let mut heard = [0; 4096];
            match stream.read(&mut heard).await {
                Ok(n) if n > 0 && heard[0] == 22 => {
                    let _ = stream.write_all(&reply).await;
                    let _ = stream.shutdown().await;
                    let _ = stream.read(&mut heard).await;
                }
                _ => {}
            }
        })
    })
    .await
}

async fn http(head_and_body: &[u8]) -> SocketAddr {
    after_hearing(head_and_body.to_vec()).await
}

async fn judged(address: SocketAddr) -> (Observation, Assessment) {
    judged_with(address, &probe_config()).await
}

async fn judged_with(address: SocketAddr, config: &ProbeConfig) -> (Observation, Assessment) {
    let observation =
        tokio::time::timeout(Duration::from_secs(60), observe(endpoint(address), config))
            .await
            .expect("the probe hangs");
    let assessment = assess(&observation);
    (observation, assessment)
}

/// Small enough that waiting for silence does not hold up the suite.
fn impatient() -> ProbeConfig {
    let mut config = probe_config();
    config.dialer.patience = Duration::from_millis(300);
    config.deadline = Duration::from_millis(1500);
    config
}

fn assert_undetermined(assessment: &Assessment, because: &str) {
    assert_eq!(assessment.api.access, Access::Undetermined, "{}", assessment.api.reason);
    assert!(assessment.api.reason.contains(because), "{}", assessment.api.reason);
}

#[tokio::test]
async fn accepts_and_never_speaks() {
    let address = serve(|stream| {
        Box::pin(async move {
            tokio::time::sleep(Duration::from_secs(120)).await;
            drop(stream);
        })
    })
    .await;
    let (_, assessment) = judged_with(address, &impatient()).await;
    assert_eq!(assessment.transport, Transport::Undetermined);
    assert_undetermined(&assessment, "silent for 3");
    assert_eq!(assessment.connections, 2);
}

#[tokio::test]
async fn one_byte_at_a_time_ends_at_the_deadline() {
    for hello_first in [false, true] {
        let address = serve(move |mut stream| {
            Box::pin(async move {
                let mut heard = [0; 4096];
                let _ = stream.read(&mut heard).await;
                let reply = if hello_first && heard[0] == 22 {
                    records(&certificate(&[&[0; 4000]]), 1)
                } else {
                    [b"HTTP/1.1 200 OK\r\nX: ".as_slice(), &[b'y'; 4000]].concat()
                };
                for byte in reply {
                    if stream.write_all(&[byte]).await.is_err() {
                        return;
                    }
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            })
        })
        .await;
        let (observation, assessment) = judged_with(address, &impatient()).await;
        assert_undetermined(&assessment, "");
        assert!(observation.cut_short.is_some());
    }
}

#[tokio::test]
async fn endless_headers() {
    let address = serve(|mut stream| {
        Box::pin(async move {
            let mut heard = [0; 4096];
            let _ = stream.read(&mut heard).await;
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n").await;
            while stream.write_all(b"X-Again: and again\r\n").await.is_ok() {}
        })
    })
    .await;
    assert_undetermined(&judged(address).await.1, "more than 16384 bytes");
}

#[tokio::test]
async fn endless_body() {
    let address = serve(|mut stream| {
        Box::pin(async move {
            let mut heard = [0; 4096];
            let _ = stream.read(&mut heard).await;
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n{\"Version\":\"").await;
            while stream.write_all(&[b'1'; 8192]).await.is_ok() {}
        })
    })
    .await;
    assert_undetermined(&judged(address).await.1, "more than 4194304 bytes");
}

#[tokio::test]
async fn bodies_that_lie_about_themselves() {
    for (reply, reason) in [
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n{}",
            "broke off (connection closed after 2 bytes)",
        ),
        ("HTTP/1.1 200 OK\r\nContent-Length: 1, 2\r\n\r\n{}", "not a number"),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n{}",
            "chunk size is not a number",
        ),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n{}", "transfer coding"),
    ] {
        let (_, assessment) = judged(http(reply.as_bytes()).await).await;
        assert_undetermined(&assessment, reason);
    }
}

#[tokio::test]
async fn json_nested_deep() {
    for nested in ["[".repeat(100_000), "{\"Version\":".repeat(100_000)] {
        let reply = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{nested}", nested.len());
        let (_, assessment) = judged(http(reply.as_bytes()).await).await;
        assert_eq!(assessment.api.access, Access::NotDocker);
        assert!(assessment.api.reason.contains("no JSON"), "{}", assessment.api.reason);
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = serve(|_| panic!("the redirect was followed")).await;
    let reply = format!(
        "HTTP/1.1 302 Found\r\nLocation: http://{elsewhere}/version\r\nContent-Length: 0\r\n\r\n"
    );
    let (_, assessment) = judged(http(reply.as_bytes()).await).await;
    assert_eq!(assessment.api.access, Access::NotDocker);
    assert!(assessment.api.reason.contains(&elsewhere.to_string()), "{}", assessment.api.reason);
}

#[tokio::test]
async fn reset_mid_handshake() {
    let address = serve(|mut stream| {
        Box::pin(async move {
            let mut heard = [0; 16];
            let _ = stream.read(&mut heard).await;
            if heard[0] == 22 {
                let _ = stream.write_all(&record(22, &server_hello(0x0303)[..20])).await;
            }
            // Unread bytes and no linger: the kernel sends a reset.
            stream.set_zero_linger().unwrap();
        })
    })
    .await;
    let (_, assessment) = judged(address).await;
    assert_undetermined(&assessment, "connection reset");
}

#[tokio::test]
async fn alerts_at_every_step() {
    let certified = rcgen::generate_simple_self_signed(vec!["x".to_owned()]).unwrap();
    let der = certified.cert.der().to_vec();
    let steps =
        [server_hello(0x0303), certificate(&[&der]), certificate_request(&[]), server_hello_done()];
    for sent in 0..=steps.len() {
        for description in [0, 40, 42, 70, 80, 112, 116, 255] {
            let mut reply = records(&steps[..sent].concat(), 16_000);
            reply.extend(alert(description));
            let (_, assessment) = judged(after_a_hello(reply).await).await;
            assert_eq!(
                assessment.transport,
                Transport::Tls,
                "{sent} messages, alert {description}"
            );
            let tls = assessment.tls.as_ref().unwrap();
            // An alert is a refusal for want of a certificate only after a CertificateRequest.
            let refused = assessment.api.access == Access::ClientCertificateRequired;
            if sent < 3 {
                assert!(!refused, "{sent} messages, alert {description}");
                assert_eq!(tls.client_auth.required, Answer::Undetermined);
            }
            assert_eq!(tls.chains.is_empty(), sent < 2, "{sent} messages, alert {description}");
        }
    }
}

#[tokio::test]
async fn one_byte_records_many_issuers_and_no_done() {
    let certified = rcgen::generate_simple_self_signed(vec!["x".to_owned()]).unwrap();
    let der = certified.cert.der().to_vec();
    // An empty name is the shortest: 10,000 of them just fit the message's 16-bit length.
    let issuers: Vec<&[u8]> = vec![&[0x30, 0]; 10_000];
    let flight = [
        server_hello(0x0303),
        certificate(&[&der]),
        certificate_request(&issuers),
        server_hello_done(),
    ]
    .concat();
    for size in [1, 16_000] {
        let (_, assessment) = judged(after_a_hello(records(&flight, size)).await).await;
        let tls = assessment.tls.as_ref().unwrap();
        assert_eq!(tls.client_auth.requested, Answer::Yes, "records of {size}");
        assert_eq!(tls.client_auth.acceptable_issuers_total, 10_000, "records of {size}");
        assert!(tls.client_auth.acceptable_issuers.len() < 10_000);
        assert_eq!(tls.chains.len(), 1, "records of {size}");
    }
    let unfinished = records(&flight[..flight.len() - 4], 16_000);
    let (_, assessment) = judged(after_a_hello(unfinished).await).await;
    assert_eq!(assessment.tls.unwrap().client_auth.requested, Answer::Yes);
}

#[tokio::test]
async fn an_empty_certificate_list() {
    let flight = [server_hello(0x0303), certificate(&[]), server_hello_done()].concat();
    let (_, assessment) = judged(after_a_hello(records(&flight, 16_000)).await).await;
    let tls = assessment.tls.unwrap();
    assert!(tls.chains.is_empty());
    assert_eq!(tls.chains_missing.as_deref(), Some("the Certificate message held no certificate"));
}

#[tokio::test]
async fn der_garbage_is_a_fact() {
    for garbage in [vec![0xff; 300], vec![0x30, 0x84, 0xff, 0xff, 0xff, 0xff], vec![0x30; 60_000]] {
        let flight = [server_hello(0x0303), certificate(&[&garbage]), server_hello_done()].concat();
        let (_, assessment) = judged(after_a_hello(records(&flight, 16_000)).await).await;
        let tls = assessment.tls.unwrap();
        let Certificate::Unparsable { because, sha256 } = &tls.chains[0].certificates[0] else {
            panic!("garbage was parsed")
        };
        assert!(!because.is_empty() && sha256.len() == 64);
    }
}

#[tokio::test]
async fn a_flight_past_the_cap_is_cut() {
    let big = vec![0u8; 60_000];
    let mut flight = server_hello(0x0301);
    flight.extend(certificate(&[&big, &big, &big, &big, &big, &big, &big]));
    let (observation, assessment) = judged(after_a_hello(records(&flight, 16_000)).await).await;
    assert!(assessment.tls.unwrap().chains.is_empty());
    let text = serde_json::to_string(&observation).unwrap();
    assert!(text.contains("too-large"), "{text}");
}

#[tokio::test]
async fn a_version_that_does_not_exist() {
    let (_, assessment) = judged(after_a_hello(records(&server_hello(0x7a7a), 16_000)).await).await;
    let versions = assessment.tls.unwrap().versions;
    assert!(TlsVersion::ALL.iter().all(|version| {
        versions[version].status == docksweep::assess::SupportStatus::Undetermined
    }));
}

/// Every kind of character that moves a cursor, hides text or turns its direction.
const EVIL: &str = "evil\u{1b}[2J\u{7}\u{9b}31m\0\r\n\u{202e}gnp\u{200b}\u{2066}\u{e0041}";

#[tokio::test(flavor = "multi_thread")]
async fn names_cannot_move_the_cursor() {
    let tls = tls_server(EVIL).await;
    let page = http(
        format!("HTTP/1.1 302 Found\r\nServer: {0}\r\nLocation: {0}\r\n\r\n", "\u{1b}[2J\u{202e}")
            .as_bytes(),
    )
    .await;
    for format in ["text", "json", "jsonl"] {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_docksweep"))
            .env("XDG_DATA_HOME", "/nonexistent")
            .args(["scan", &tls.to_string(), &page.to_string(), "--format", format])
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let hazard = |c: char| c != '\n' && docksweep::sanitize::is_hazard(c);
        assert_eq!(text.chars().find(|c| hazard(*c)), None, "{format}: {text}");
        assert!(text.contains("evil"), "{format}: the name itself is reported\n{text}");
    }
}

/// TLS with a self-signed certificate whose common name is `name`, and nothing behind it.
async fn tls_server(name: &str) -> SocketAddr {
    let acceptor = acceptor(name);
    serve(move |stream| {
        let acceptor = acceptor.clone();
        Box::pin(async move {
            if let Ok(mut stream) = acceptor.accept(stream).await {
                let mut heard = [0; 4096];
                let _ = stream.read(&mut heard).await;
                let _ =
                    stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n").await;
            }
        })
    })
    .await
}

fn acceptor(name: &str) -> tokio_rustls::TlsAcceptor {
    let mut params = rcgen::CertificateParams::new(Vec::<String>::new()).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap().der().clone();
    let key = rustls::pki_types::PrivatePkcs8KeyDer::from(key.serialize_der());
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key.into())
        .unwrap();
    tokio_rustls::TlsAcceptor::from(Arc::new(config))
}

/// Many peers that never stop sending, at once: the scanner's memory stays bounded.
#[tokio::test(flavor = "multi_thread")]
async fn endless_bodies_at_once_do_not_grow_memory() {
    const PEERS: usize = 64;
    let mut targets = Vec::new();
    for _ in 0..PEERS {
        let address = serve(|mut stream| {
            Box::pin(async move {
                let mut heard = [0; 4096];
                let _ = stream.read(&mut heard).await;
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n[").await;
                while stream.write_all(&[b'['; 16 * 1024]).await.is_ok() {}
            })
        })
        .await;
        targets.push(address.to_string());
    }
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_docksweep"))
        .env("XDG_DATA_HOME", "/nonexistent")
        .arg("scan")
        .args(&targets)
        .args(["--format", "json"])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    let stdout = child.stdout.take().unwrap();
    let report = std::thread::spawn(move || {
        serde_json::from_reader::<_, serde_json::Value>(std::io::BufReader::new(stdout)).unwrap()
    });
    while child.try_wait().unwrap().is_none() {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib: Option<u64> = line.and_then(|l| l.trim().trim_end_matches(" kB").parse().ok());
        peak = peak.max(kib.unwrap_or_default());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let report = report.join().unwrap();
    assert_eq!(report["endpoints"].as_array().unwrap().len(), PEERS);
    // 64 bodies of 4 MiB would be 256 MiB; eight at a time are 32.
    assert!((1..120 * 1024).contains(&peak), "peak memory {peak} KiB");
}

/// A port that takes TLS and plain connections apart by their first byte, with an open Docker API
/// behind one of them and `odd` for the other.
async fn two_faced(docker_in_tls: bool, odd: &'static [u8]) -> SocketAddr {
    let acceptor = acceptor("docker");
    serve(move |mut stream| {
        let acceptor = acceptor.clone();
        Box::pin(async move {
            let mut first = [0; 1];
            let hello = stream.peek(&mut first).await.is_ok() && first == [22];
            match (hello, docker_in_tls) {
                (true, true) => {
                    if let Ok(stream) = acceptor.accept(stream).await {
                        docker(stream).await;
                    }
                }
                (false, false) => docker(stream).await,
                _ => {
                    let mut heard = [0; 4096];
                    let _ = stream.read(&mut heard).await;
                    let _ = stream.write_all(odd).await;
                }
            }
        })
    })
    .await
}

/// The least that is an open Docker API.
async fn docker<S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin>(mut stream: S) {
    let mut heard = [0; 4096];
    while let Ok(length) = stream.read(&mut heard).await {
        let request = String::from_utf8_lossy(&heard[..length]);
        let body = match request.split(' ').nth(1) {
            None => return,
            Some("/version") => r#"{"Version":"28.5.2","ApiVersion":"1.51","GitCommit":"x"}"#,
            Some("/info") => r#"{"ID":"x"}"#,
            Some("/_ping") => "OK",
            Some(_) => "[]",
        };
        let head = format!(
            "HTTP/1.1 200 OK\r\nServer: Docker/28.5.2 (linux)\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        if stream.write_all((head + body).as_bytes()).await.is_err() {
            return;
        }
    }
}

#[tokio::test]
async fn whatever_a_tls_port_says_to_plain_http_the_docker_behind_it_is_found() {
    for odd in [
        "HTTP/1.1 301 Moved\r\nLocation: https://x/\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 426 Upgrade Required\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n",
        "",
    ] {
        let (_, assessment) = judged(two_faced(true, odd.as_bytes()).await).await;
        assert_eq!(assessment.api.access, Access::Open, "{odd}: {}", assessment.api.reason);
        assert_eq!(assessment.transport, Transport::Tls, "{odd}");
    }
}

#[tokio::test]
async fn whatever_a_plain_port_says_to_a_hello_the_docker_behind_it_is_found() {
    // 2376 is where TLS is tried first.
    for (host, odd) in [(1, "<html>what?</html>"), (2, "HTTP/1.1 400 Bad Request\r\n\r\n"), (3, "")]
    {
        let behind = two_faced(false, odd.as_bytes()).await;
        let address: SocketAddr = format!("127.82.0.{host}:2376").parse().unwrap();
        forward(address, behind).await;
        let (_, assessment) = judged(address).await;
        assert_eq!(assessment.api.access, Access::Open, "{odd}: {}", assessment.api.reason);
        assert_eq!(assessment.transport, Transport::Plain, "{odd}");
    }
}

async fn forward(from: SocketAddr, to: SocketAddr) {
    let listener = TcpListener::bind(from).await.unwrap();
    tokio::spawn(async move {
        while let Ok((mut near, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut far = TcpStream::connect(to).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
            });
        }
    });
}

#[tokio::test]
async fn an_endpoint_that_asks_for_tls_and_gives_none_is_undetermined() {
    let reply =
        b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n";
    let address = serve(move |mut stream| {
        Box::pin(async move {
            let mut heard = [0; 4096];
            if stream.read(&mut heard).await.is_ok() && heard[0] != 22 {
                let _ = stream.write_all(reply).await;
            }
        })
    })
    .await;
    assert_undetermined(&judged(address).await.1, "that it wants TLS");
}

/// Answers the paths of an open API, but what `path` says about one of them.
async fn docker_but(path: &'static str, reply: &'static [u8]) -> SocketAddr {
    serve(move |mut stream| {
        Box::pin(async move {
            let mut heard = [0; 4096];
            while let Ok(length) = stream.read(&mut heard).await {
                let request = String::from_utf8_lossy(&heard[..length]).into_owned();
                match request.split(' ').nth(1) {
                    None => return,
                    Some(asked) if asked == path => {
                        let _ = stream.write_all(reply).await;
                        return;
                    }
                    Some(_) => {
                        let (near, mut far) = tokio::io::duplex(8192);
                        let answering = tokio::spawn(docker(near));
                        far.write_all(&heard[..length]).await.unwrap();
                        let length = far.read(&mut heard).await.unwrap();
                        drop(far);
                        answering.await.unwrap();
                        if stream.write_all(&heard[..length]).await.is_err() {
                            return;
                        }
                    }
                }
            }
        })
    })
    .await
}

#[tokio::test]
async fn a_path_that_is_only_lost_is_no_refusal() {
    let address = docker_but("/info", b"").await;
    let (observation, assessment) = judged(address).await;
    assert_eq!(assessment.api.access, Access::Filtered, "{}", assessment.api.reason);
    let judged = docksweep::scan::judge(observation, Basis::embedded().unwrap());
    let undetermined: Vec<&str> =
        judged.rules_undetermined.iter().map(|rule| rule.rule.as_ref()).collect();
    assert!(undetermined.contains(&"api-unauthenticated-plaintext"), "{undetermined:?}");
    assert!(!judged.rules_passed.iter().any(|rule| rule == "api-unauthenticated-plaintext"));
}

#[tokio::test]
async fn a_version_that_breaks_off_is_undetermined_and_private_content_is_not_kept() {
    let broken =
        b"HTTP/1.1 200 OK\r\nServer: Docker/28.5.2 (linux)\r\nContent-Length: 500\r\n\r\n{\"Ver";
    assert_undetermined(&judged(docker_but("/version", broken).await).await.1, "broke off");

    let secret =
        b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n[{\"Command\":\"mysqld -phunter2\"";
    for path in ["/containers/json?limit=1", "/info", "/networks"] {
        let (observation, assessment) = judged(docker_but(path, secret).await).await;
        assert_eq!(assessment.api.access, Access::Filtered, "{path}");
        assert!(!serde_json::to_string(&observation).unwrap().contains("hunter2"), "{path}");
    }
    // A value that is whole lacks nothing, however the stream ended after it.
    let whole = b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n[]";
    let (_, assessment) = judged(docker_but("/networks", whole).await).await;
    assert_eq!(assessment.api.access, Access::Open, "{}", assessment.api.reason);
}
