//! Two network namespaces of a test's own, joined by a veth pair, without a way out. Needs root and
//! `ip`; says so where either is missing.

use std::collections::BTreeSet;
use std::fs::File;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::AsFd as _;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use docksweep::sweep::{
    Engine, SweepConfig, SweepOutcome, SweepProgress, SweepState, Swept, sweep,
};
use docksweep::target::{Ports, TargetList, TargetSet};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use socket2::{Domain, Socket, Type};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

/// Every address of it is the targets' namespace's own: open where something listens, else closed.
pub const ALIVE: &str = "198.18.0.0/24";
pub const SILENT: &str = "198.18.1.0/24";
/// A router in between refuses it. Linux says so a few times a second to one peer.
pub const PROHIBITED: &str = "198.18.2.0";
/// On the link itself, with five hosts from .10 on.
pub const ON_LINK: &str = "198.18.5.0/24";
pub const ALIVE_V6: &str = "fd00:6473:2::/120";
pub const SILENT_V6: &str = "fd00:6473:2:1::/122";
pub const PROHIBITED_V6: &str = "fd00:6473:2:2::9";
/// On the link itself, with five hosts from ::10 on.
pub const ON_LINK_V6: &str = "fd00:6473:5::/122";
pub const SCANNER: Ipv4Addr = Ipv4Addr::new(198, 19, 0, 1);

pub fn config() -> SweepConfig {
    SweepConfig { engine: Engine::Syn, ..SweepConfig::default() }
}

pub struct Bed {
    scanner: String,
    targets: String,
}

impl Bed {
    pub fn new() -> Option<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = |what| format!("dsyn-{what}-{}-{number}", std::process::id());
        let bed = Self { scanner: name("scanner"), targets: name("targets") };
        if !ip(&["netns", "add", &bed.scanner]) || !ip(&["netns", "add", &bed.targets]) {
            crate::skip::lacking("network namespaces need root and iproute2");
            return None;
        }
        let (scanner, targets) = (bed.scanner.as_str(), bed.targets.as_str());
        let link = format!("link add ds0 netns {scanner} type veth peer name ds1 netns {targets}");
        assert!(ip(&link.split(' ').collect::<Vec<_>>()), "ip {link}");
        for step in [
            "address add 198.19.0.1/30 dev ds0",
            "address add 198.18.5.1/24 dev ds0",
            "address add fd00:6473:1::1/64 dev ds0 nodad",
            "address add fd00:6473:5::1/64 dev ds0 nodad",
            "link set lo up",
            "link set ds0 up",
            "route add 198.18.0.0/16 via 198.19.0.2 dev ds0",
            "route add fd00:6473:2::/48 via fe80::6473 dev ds0",
        ] {
            bed.ip_in_scanner(step);
        }
        // Only a router says that a way is prohibited.
        for (setting, value) in [
            ("ipv4/ip_forward", "1"),
            ("ipv4/icmp_ratelimit", "0"),
            ("ipv6/conf/all/forwarding", "1"),
            ("ipv6/icmp/ratelimit", "0"),
        ] {
            let file = format!("/proc/sys/net/{setting}");
            bed.in_targets(|| std::fs::write(file, value).unwrap());
        }
        for step in [
            "address add 198.19.0.2/30 dev ds1",
            "address add fd00:6473:1::2/64 dev ds1 nodad",
            "-6 address add fe80::6473/64 dev ds1 nodad",
            "link set lo up",
            "link set ds1 up",
            "route add local 198.18.0.0/24 dev lo",
            "route add blackhole 198.18.1.0/24",
            "route add blackhole 198.18.3.0/24",
            "route add blackhole 198.18.4.0/24",
            "route add prohibit 198.18.2.0",
            "route add 198.18.5.1 dev ds1",
            "route add local fd00:6473:2::/120 dev lo",
            "route add blackhole fd00:6473:2:1::/122",
            "route add prohibit fd00:6473:2:2::9",
            "route add fd00:6473:5::1 dev ds1",
        ] {
            bed.ip_in_targets(step);
        }
        for host in bed.on_link().chain(bed.on_link_v6()) {
            let rest = if host.is_ipv4() { "/32 dev ds1" } else { "/128 dev ds1 nodad" };
            bed.ip_in_targets(&format!("address add {host}{rest}"));
        }
        Some(bed)
    }

    pub fn on_link(&self) -> impl Iterator<Item = IpAddr> {
        (10..15).map(|last| IpAddr::from([198, 18, 5, last]))
    }

    pub fn on_link_v6(&self) -> impl Iterator<Item = IpAddr> {
        (0x10..0x15).map(|last| Ipv6Addr::new(0xfd00, 0x6473, 5, 0, 0, 0, 0, last).into())
    }

    /// On every address of the targets' namespace, port 2375.
    pub fn listen(&self) -> [Socket; 2] {
        self.in_targets(|| {
            [IpAddr::from(Ipv4Addr::UNSPECIFIED), Ipv6Addr::UNSPECIFIED.into()].map(|any| {
                let domain = if any.is_ipv4() { Domain::IPV4 } else { Domain::IPV6 };
                let socket = Socket::new(domain, Type::STREAM, None).unwrap();
                if any.is_ipv6() {
                    socket.set_only_v6(true).unwrap();
                }
                socket.bind(&SocketAddr::new(any, 2375).into()).unwrap();
                socket.listen(4096).unwrap();
                socket
            })
        })
    }

    /// What is open of [`ALIVE`].
    pub fn open(&self) -> BTreeSet<SocketAddr> {
        (0..=255).map(|last| SocketAddr::from(([198, 18, 0, last], 2375))).collect()
    }

    /// Sweeps ports 2375 and 9 from the scanner's namespace; `meanwhile` runs beside it.
    pub fn sweep(
        &self,
        words: &[&str],
        config: SweepConfig,
        meanwhile: impl FnOnce(&SweepProgress),
    ) -> (SweepOutcome, BTreeSet<SocketAddr>) {
        let (may_read, reading) = oneshot::channel();
        may_read.send(()).unwrap();
        self.sweep_held_up(words, config, reading, meanwhile)
    }

    /// The same, but the open ports are not taken before `reading` says so.
    pub fn sweep_held_up(
        &self,
        words: &[&str],
        config: SweepConfig,
        reading: oneshot::Receiver<()>,
        meanwhile: impl FnOnce(&SweepProgress),
    ) -> (SweepOutcome, BTreeSet<SocketAddr>) {
        let (outcome, found, _) = self.sweep_and_keep(words, config, reading, meanwhile);
        (outcome, found)
    }

    /// The same, with the states that it said.
    pub fn sweep_and_keep(
        &self,
        words: &[&str],
        config: SweepConfig,
        reading: oneshot::Receiver<()>,
        meanwhile: impl FnOnce(&SweepProgress),
    ) -> (SweepOutcome, BTreeSet<SocketAddr>, Vec<SweepState>) {
        let targets = targets(words);
        let progress = Arc::new(SweepProgress::default());
        let watched = Arc::clone(&progress);
        thread::scope(|scope| {
            let sweeping = scope.spawn(|| {
                enter(&self.scanner);
                let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                runtime.block_on(sweep_all(targets, config, progress, reading))
            });
            meanwhile(&watched);
            sweeping.join().unwrap()
        })
    }

    pub fn in_targets<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        within(&self.targets, work)
    }

    pub fn in_scanner<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        within(&self.scanner, work)
    }

    pub fn ip_in_scanner(&self, arguments: &str) {
        ip_in(&self.scanner, arguments);
    }

    pub fn ip_in_targets(&self, arguments: &str) {
        ip_in(&self.targets, arguments);
    }

    /// A program, to be run in the scanner's namespace.
    pub fn command_in_scanner(&self, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.scanner, program]);
        command
    }

    /// Runs a program in the scanner's namespace; whether it was there and went well.
    pub fn run_in_scanner(&self, program: &str) -> bool {
        let words = ["netns", "exec", &self.scanner].into_iter().chain(program.split(' '));
        ip(&words.collect::<Vec<_>>())
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
    reading: oneshot::Receiver<()>,
) -> (SweepOutcome, BTreeSet<SocketAddr>, Vec<SweepState>) {
    let (sender, mut receiver) = mpsc::channel(16);
    let sweeping = sweep(targets, config, progress, CancellationToken::new(), sender);
    let receiving = async {
        reading.await.unwrap();
        let (mut found, mut states) = (BTreeSet::new(), Vec::new());
        while let Some(swept) = receiver.recv().await {
            match swept {
                Swept::Open(open) => {
                    assert!(found.insert(open.address), "{} twice", open.address);
                }
                Swept::Reached(state) => states.push(*state),
            }
        }
        (found, states)
    };
    let (outcome, (found, states)) = tokio::join!(sweeping, receiving);
    let outcome = outcome.unwrap();
    let counts = outcome.counts;
    assert_eq!(
        counts.open + counts.closed + counts.unreachable + counts.silent + counts.not_probed,
        counts.probes,
        "{outcome:?}"
    );
    (outcome, found, states)
}

fn targets(words: &[&str]) -> Arc<TargetSet> {
    let mut list = TargetList::new();
    words.iter().for_each(|word| list.add(word).unwrap());
    Arc::new(list.into_set(&Ports::new([9, 2375]).unwrap()).unwrap())
}

fn ip_in(namespace: &str, arguments: &str) {
    let all = ["-n", namespace].into_iter().chain(arguments.split(' '));
    assert!(ip(&all.collect::<Vec<_>>()), "ip {arguments}");
}

fn ip(arguments: &[&str]) -> bool {
    let mut command = Command::new("ip");
    command.args(arguments).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

fn within<T: Send>(namespace: &str, work: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| {
        let working = scope.spawn(|| {
            enter(namespace);
            work()
        });
        working.join().unwrap()
    })
}

/// Moves the calling thread, and those that it starts, into a network namespace.
fn enter(namespace: &str) {
    let file = File::open(format!("/run/netns/{namespace}")).unwrap();
    move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
}
