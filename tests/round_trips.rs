//! How many round trips of waiting an endpoint costs, counted by a clock that ticks only when the
//! probe has nothing left to do: no time is measured.
//!
//! A relay before a real server holds back what comes from the server, and for each connection what
//! the client sends, until the next tick: so a connection, a hello and its answer, and a request and
//! its answer cost one each, and what is under way at the same time shares them.

use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use docksweep::assess::{SupportStatus, TlsAssessment, assess};
use docksweep::observation::{Connection, Endpoint};
use docksweep::probe::docker_api::Depth;
use docksweep::probe::observe;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::recorded::probe_config;
use crate::truth::running_lab;

/// A pause after which nothing more is on its way, on a machine that has other work.
const QUIET: Duration = Duration::from_millis(200);

struct Clock {
    ticks: watch::Sender<usize>,
    held: AtomicUsize,
    last_activity: Mutex<Instant>,
}

impl Clock {
    fn start() -> Arc<Self> {
        let clock = Arc::new(Self {
            ticks: watch::Sender::new(0),
            held: AtomicUsize::new(0),
            last_activity: Mutex::new(Instant::now()),
        });
        let ticking = Arc::downgrade(&clock);
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(QUIET / 10).await;
                let Some(clock) = ticking.upgrade() else { return };
                let quiet = clock.last_activity.lock().unwrap().elapsed() > QUIET;
                if quiet && clock.held.load(SeqCst) > 0 {
                    clock.active();
                    clock.ticks.send_modify(|ticks| *ticks += 1);
                }
            }
        });
        clock
    }

    fn active(&self) {
        *self.last_activity.lock().unwrap() = Instant::now();
    }

    /// What is held waits for the next tick.
    async fn tick(&self) {
        struct Held<'a>(&'a AtomicUsize);
        impl Drop for Held<'_> {
            fn drop(&mut self) {
                self.0.fetch_sub(1, SeqCst);
            }
        }
        let mut ticks = self.ticks.subscribe();
        self.held.fetch_add(1, SeqCst);
        let _held = Held(&self.held);
        ticks.changed().await.ok();
    }
}

/// A relay at this address before `server`.
async fn relay(address: SocketAddr, server: SocketAddr, clock: Arc<Clock>) {
    let listener = TcpListener::bind(address).await.unwrap();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            clock.active();
            let clock = Arc::clone(&clock);
            tokio::spawn(async move {
                // The handshake of TCP.
                clock.tick().await;
                if let Ok(server) = TcpStream::connect(server).await {
                    pass(client, server, &clock).await;
                }
            });
        }
    });
}

async fn pass(client: TcpStream, server: TcpStream, clock: &Clock) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let there = async {
        let mut buffer = [0; 16384];
        while let Ok(count @ 1..) = from_client.read(&mut buffer).await {
            clock.active();
            if to_server.write_all(&buffer[..count]).await.is_err() {
                // What the server said last is still to be heard.
                std::future::pending::<()>().await;
            }
        }
        clock.active();
    };
    let back = async {
        let mut buffer = [0; 16384];
        let mut held = Vec::new();
        let mut open = true;
        while open {
            // All until the tick that follows the first byte, or the end.
            let mut tick = std::pin::pin!(clock.tick());
            let mut begun = false;
            loop {
                tokio::select! {
                    read = from_server.read(&mut buffer), if open => {
                        clock.active();
                        begun = true;
                        match read {
                            Ok(count @ 1..) => held.extend_from_slice(&buffer[..count]),
                            _ => open = false,
                        }
                    }
                    () = tick.as_mut(), if begun => break,
                }
            }
            if to_client.write_all(&held).await.is_err() {
                return;
            }
            held.clear();
        }
        to_client.shutdown().await.ok();
        std::future::pending::<()>().await;
    };
    // The client's end ends it all: what was held for it is waited for by nobody.
    tokio::select! { () = there => {}, () = back => {} }
}

/// What a scan through a relay came to.
struct Cost {
    round_trips: usize,
    connections: usize,
    tls: TlsAssessment,
}

async fn cost(run: u8, place: u8, server: SocketAddr) -> Cost {
    let clock = Clock::start();
    let address = SocketAddr::new(format!("127.61.{}.{place}", 10 + run).parse().unwrap(), 2376);
    relay(address, server, Arc::clone(&clock)).await;
    let mut config = probe_config();
    config.deadline = Duration::from_secs(120);
    config.dialer.patience = Duration::from_secs(20);
    config.depth = Depth::Version;
    let endpoint = Endpoint { address: address.ip(), port: 2376, names: Vec::new(), sni: None };
    let observation = observe(endpoint, &config).await;
    let assessment = assess(&observation);
    let plain = |c: &&Connection| matches!(c, Connection::Plain(_));
    let round_trips = *clock.ticks.borrow();
    Cost {
        round_trips,
        connections: assessment.connections - observation.connections.iter().filter(plain).count(),
        tls: assessment.tls.expect("a TLS server"),
    }
}

/// nginx with one server for each of these lists of versions, with the suites that it has by default.
struct Nginx(Child, tempfile::TempDir);

impl Nginx {
    fn start(servers: &[(&str, &str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        let made = Command::new("openssl")
            .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=a"])
            .args(["-keyout", &path("key"), "-out", &path("crt")])
            .stderr(Stdio::null())
            .status()
            .unwrap();
        assert!(made.success());
        let mut text = format!(
            "daemon off; worker_processes 1; pid {}; error_log {}; user root;\nevents {{}}\n\
             http {{ access_log off; ssl_certificate {}; ssl_certificate_key {};\n",
            path("pid"),
            path("log"),
            path("crt"),
            path("key"),
        );
        for kind in ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"] {
            text += &format!("{kind}_temp_path {};\n", path(kind));
        }
        for (address, versions, more) in servers {
            text += &format!(
                "server {{ listen {address}:2376 ssl; ssl_protocols {versions}; {more} return 404; }}\n"
            );
        }
        std::fs::write(path("conf"), text + "}\n").unwrap();
        let process = Command::new("nginx")
            .args(["-p", &path(""), "-e", &path("log"), "-c", &path("conf")])
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        Self(process, folder)
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // nginx ends its workers only when it is asked to end.
        Command::new("kill").arg(self.0.id().to_string()).status().ok();
        self.0.wait().ok();
        let _kept_until_here = self.1.path();
    }
}

async fn listening(server: SocketAddr) {
    while TcpStream::connect(server).await.is_err() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn settled(tls: &TlsAssessment) -> bool {
    let open = |status| status == SupportStatus::Undetermined;
    !tls.versions.values().any(|support| open(support.status))
        && !tls.ciphers.classes.values().any(|support| open(support.status))
}

/// The bound for servers as they are commonly set up is eight round trips. Those that drop hellos
/// without a word, or have many kinds of weak suites, need more, each by its own bound. What is slow
/// on a busy machine can only add to the count, so the fewest of three runs holds.
#[tokio::test(flavor = "multi_thread")]
async fn round_trips_of_waiting_are_bounded() {
    let Some(truth) = running_lab() else { return };
    let own = [
        ("127.61.2.1", "TLSv1.2 TLSv1.3", ""),
        ("127.61.2.2", "TLSv1.2", ""),
        ("127.61.2.3", "TLSv1.3", ""),
        ("127.61.2.4", "TLSv1 TLSv1.1 TLSv1.2", "ssl_ciphers ECDHE:@SECLEVEL=0;"),
        ("127.61.2.5", "TLSv1 TLSv1.1 TLSv1.2 TLSv1.3", "ssl_ciphers ECDHE:@SECLEVEL=0;"),
        ("127.61.2.6", "TLSv1.2 TLSv1.3", "ssl_ciphers ECDHE+AESGCM;"),
    ];
    let _nginx = Nginx::start(&own);
    let mut servers: Vec<(String, SocketAddr, usize)> = Vec::new();
    for (address, versions, suites) in own {
        let address: SocketAddr = format!("{address}:2376").parse().unwrap();
        listening(address).await;
        servers.push((format!("nginx {versions} {suites}"), address, 8));
    }
    for (name, bound) in LAB {
        let server = truth.iter().find(|server| server["name"] == *name).expect(name);
        let address = server["address"].as_str().unwrap();
        servers.push(((*name).to_owned(), format!("{address}:2376").parse().unwrap(), *bound));
    }
    let mut table = String::new();
    let mut beyond = Vec::new();
    let costs: Vec<_> = (1..)
        .zip(&servers)
        .map(|(place, (_, address, _))| tokio::spawn(cost(0, place, *address)))
        .collect();
    for ((place, counting), (name, address, bound)) in (1..).zip(costs).zip(&servers) {
        let mut fewest = counting.await.unwrap();
        for run in 1..=2 {
            if fewest.round_trips <= *bound {
                break;
            }
            let again = cost(run, place, *address).await;
            fewest = if again.round_trips < fewest.round_trips { again } else { fewest };
        }
        let Cost { round_trips, connections, tls } = fewest;
        let mark = if settled(&tls) { "" } else { ", not all settled" };
        table += &format!("{round_trips:>3} {connections:>3} {name}{mark}\n");
        if round_trips > *bound || connections > 12 {
            beyond.push(format!("{name}: {round_trips} round trips, {connections} connections"));
        }
    }
    println!("round trips, connections in TLS:\n{table}");
    assert!(beyond.is_empty(), "beyond their bound: {beyond:?}\n{table}");
}

/// Servers of the lab that take several connections at a time, and their bounds. Java closes on what
/// it refuses, and has up to four kinds of weak suites here.
const LAB: &[(&str, usize)] = &[
    ("docker-tls-noverify", 8),
    ("docker-tlsverify", 8),
    ("docker-authz-deny-all-tls", 8),
    ("nginx-verify-on", 8),
    ("nginx-verify-optional", 8),
    ("haproxy-verify-required", 8),
    ("nginx-public-client-ca", 8),
    ("nginx-legacy-versions", 8),
    ("haproxy-tls10", 8),
    ("haproxy-tls11-client-cert", 8),
    ("haproxy-rsa-key-exchange", 8),
    ("stunnel-tls10-tls11", 8),
    ("stunnel-tls11-tls13", 8),
    ("java-client-cert", 14),
    ("java-all-versions", 16),
    ("java-ssl3", 18),
    ("cipher-rc4-3des", 14),
    ("cipher-export", 18),
    ("gate-closes-on-tls13", 18),
    ("gate-alert-70-on-tls13", 18),
    ("gate-wants-a-name", 12),
];
