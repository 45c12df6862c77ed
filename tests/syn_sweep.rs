//! The SYN engine over a link: two network namespaces of this test's own, joined by a veth pair,
//! without a way out. Needs root and `ip`; says so where either is missing.

use std::collections::BTreeSet;
use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener};
use std::os::fd::AsFd as _;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use docksweep::sweep::{
    Counts, Engine, Rate, SweepConfig, SweepOutcome, SweepProgress, Swept, sweep,
};
use docksweep::target::{Ports, TargetList, TargetSet};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Every address of it is the targets' namespace's own: open where something listens, else closed.
const ALIVE: &str = "198.18.0.0/24";
const SILENT: &str = "198.18.1.0/24";
/// A router in between refuses it. Linux says so a few times a second to one peer.
const PROHIBITED: &str = "198.18.2.0";
const SCANNER: Ipv4Addr = Ipv4Addr::new(198, 19, 0, 1);

#[test]
fn over_a_link_all_is_found_once_and_counted_right() {
    let Some(bed) = Bed::new() else { return };
    let _listener = bed.listen();
    let (outcome, found) = bed.sweep(&[ALIVE, SILENT, PROHIBITED], config(), |_| {});
    assert_eq!(found, bed.open());
    assert!(outcome.complete(), "{outcome:?}");
    let Counts { probes, sent, open, closed, unreachable, silent, not_probed, duplicates } =
        outcome.counts;
    assert_eq!((open, closed, unreachable, silent), (256, 256, 2, 512), "{outcome:?}");
    assert_eq!((not_probed, duplicates), (0, 0), "{outcome:?}");
    assert_eq!(sent, probes + silent, "only the silent are asked again: {outcome:?}");
}

#[test]
fn forged_answers_find_nothing() {
    let Some(bed) = Bed::new() else { return };
    let flooding = CancellationToken::new();
    let flood = {
        let flooding = flooding.clone();
        bed.in_targets(move || {
            let protocol = Some(Protocol::from(255));
            let socket = Socket::new(Domain::IPV4, Type::RAW, protocol).unwrap();
            socket.set_header_included_v4(true).unwrap();
            let to = SocketAddr::from((SCANNER, 0)).into();
            thread::spawn(move || {
                let mut acknowledged = 0x9e37_79b9_u32;
                // Whatever the port that the scanner chose, it is among these.
                for port in (32_768..=61_000).cycle() {
                    acknowledged = acknowledged.wrapping_mul(0x0019_660d).wrapping_add(1);
                    let target = SocketAddrV4::new(Ipv4Addr::new(198, 18, 1, 7), 2375);
                    let _ = socket.send_to(&syn_ack(target, port, acknowledged), &to);
                    if flooding.is_cancelled() {
                        return;
                    }
                }
            })
        })
    };
    let (outcome, found) = bed.sweep(&["198.18.1.0/28"], config(), |_| {});
    flooding.cancel();
    flood.join().unwrap();
    assert_eq!(found, BTreeSet::new());
    assert_eq!((outcome.counts.open, outcome.counts.silent), (0, 32), "{outcome:?}");
}

#[test]
fn a_link_that_goes_down_and_comes_back_loses_nothing() {
    let Some(bed) = Bed::new() else { return };
    let _listener = bed.listen();
    let config =
        SweepConfig { rate: Rate::PerSecond(1000.try_into().unwrap()), retries: 2, ..config() };
    let (outcome, found) = bed.sweep(&[ALIVE], config, |progress| {
        while progress.counts().sent < 100 {
            thread::yield_now();
        }
        bed.ip_in_scanner(&["link", "set", "ds0", "down"]);
        bed.ip_in_scanner(&["link", "set", "ds0", "up"]);
        bed.ip_in_scanner(&["route", "add", "198.18.0.0/16", "via", "198.19.0.2", "dev", "ds0"]);
    });
    assert!(outcome.complete(), "{outcome:?}");
    assert_eq!(found, bed.open(), "{outcome:?}");
}

fn config() -> SweepConfig {
    SweepConfig { engine: Engine::Syn, ..SweepConfig::default() }
}

struct Bed {
    scanner: String,
    targets: String,
}

impl Bed {
    fn new() -> Option<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = |what| format!("docksweep-{what}-{}-{number}", std::process::id());
        let bed = Self { scanner: name("scanner"), targets: name("targets") };
        if !ip(&["netns", "add", &bed.scanner]) || !ip(&["netns", "add", &bed.targets]) {
            eprintln!("skipped: network namespaces need root and iproute2");
            return None;
        }
        let (scanner, targets) = (bed.scanner.as_str(), bed.targets.as_str());
        let steps: &[&[&str]] = &[
            &[
                "link", "add", "ds0", "netns", scanner, "type", "veth", "peer", "name", "ds1",
                "netns", targets,
            ],
            &["-n", scanner, "address", "add", "198.19.0.1/30", "dev", "ds0"],
            &["-n", targets, "address", "add", "198.19.0.2/30", "dev", "ds1"],
            &["-n", scanner, "link", "set", "ds0", "up"],
            &["-n", targets, "link", "set", "lo", "up"],
            &["-n", targets, "link", "set", "ds1", "up"],
            &["-n", scanner, "route", "add", "198.18.0.0/16", "via", "198.19.0.2", "dev", "ds0"],
            &["-n", targets, "route", "add", "local", ALIVE, "dev", "lo"],
            &["-n", targets, "route", "add", "blackhole", SILENT],
            &["-n", targets, "route", "add", "prohibit", PROHIBITED],
        ];
        for step in steps {
            assert!(ip(step), "ip {}", step.join(" "));
        }
        // Only a router says that a way is prohibited.
        for (setting, value) in [("ip_forward", "1"), ("icmp_ratelimit", "0")] {
            let file = format!("/proc/sys/net/ipv4/{setting}");
            bed.in_targets(|| std::fs::write(file, value).unwrap());
        }
        Some(bed)
    }

    /// On every address of [`ALIVE`], port 2375.
    fn listen(&self) -> TcpListener {
        self.in_targets(|| TcpListener::bind((Ipv4Addr::UNSPECIFIED, 2375)).unwrap())
    }

    fn open(&self) -> BTreeSet<SocketAddr> {
        (0..=255).map(|last| SocketAddr::from(([198, 18, 0, last], 2375))).collect()
    }

    /// Sweeps ports 2375 and 9 from the scanner's namespace; `meanwhile` runs beside it.
    fn sweep(
        &self,
        words: &[&str],
        config: SweepConfig,
        meanwhile: impl FnOnce(&SweepProgress),
    ) -> (SweepOutcome, BTreeSet<SocketAddr>) {
        let targets = targets(words);
        let progress = Arc::new(SweepProgress::default());
        let watched = Arc::clone(&progress);
        thread::scope(|scope| {
            let sweeping = scope.spawn(|| {
                enter(&self.scanner);
                let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                runtime.block_on(sweep_all(targets, config, progress))
            });
            meanwhile(&watched);
            sweeping.join().unwrap()
        })
    }

    fn in_targets<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        thread::scope(|scope| {
            let working = scope.spawn(|| {
                enter(&self.targets);
                work()
            });
            working.join().unwrap()
        })
    }

    fn ip_in_scanner(&self, arguments: &[&str]) {
        let all = [&["-n", &self.scanner], arguments].concat();
        assert!(ip(&all), "ip {}", all.join(" "));
    }
}

impl Drop for Bed {
    fn drop(&mut self) {
        ip(&["netns", "delete", &self.scanner]);
        ip(&["netns", "delete", &self.targets]);
    }
}

async fn sweep_all(
    targets: Arc<TargetSet>,
    config: SweepConfig,
    progress: Arc<SweepProgress>,
) -> (SweepOutcome, BTreeSet<SocketAddr>) {
    let (sender, mut receiver) = mpsc::channel(16);
    let sweeping = sweep(targets, config, progress, CancellationToken::new(), sender);
    let receiving = async {
        let mut found = BTreeSet::new();
        while let Some(Swept::Open(open)) = receiver.recv().await {
            assert!(found.insert(open.address), "{} twice", open.address);
        }
        found
    };
    let (outcome, found) = tokio::join!(sweeping, receiving);
    (outcome.unwrap(), found)
}

fn targets(words: &[&str]) -> Arc<TargetSet> {
    let mut list = TargetList::new();
    words.iter().for_each(|word| list.add(word).unwrap());
    Arc::new(list.into_set(&Ports::new([9, 2375]).unwrap()).unwrap())
}

fn ip(arguments: &[&str]) -> bool {
    let mut command = Command::new("ip");
    command.args(arguments).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// Moves the calling thread, and those that it starts, into a network namespace.
fn enter(namespace: &str) {
    let file = File::open(format!("/run/netns/{namespace}")).unwrap();
    move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
}

/// Without checksums: who checks the sequence number first needs none.
fn syn_ack(from: SocketAddrV4, to: u16, acknowledged: u32) -> [u8; 40] {
    let mut packet = [0; 40];
    packet[..4].copy_from_slice(&[0x45, 0, 0, 40]);
    packet[8..10].copy_from_slice(&[64, 6]);
    packet[12..16].copy_from_slice(&from.ip().octets());
    packet[16..20].copy_from_slice(&SCANNER.octets());
    packet[20..22].copy_from_slice(&from.port().to_be_bytes());
    packet[22..24].copy_from_slice(&to.to_be_bytes());
    packet[28..32].copy_from_slice(&acknowledged.to_be_bytes());
    packet[32..34].copy_from_slice(&[0x50, 0x12]);
    packet
}
