//! The SYN engine over a link, in network namespaces; skipped where there are none.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use docksweep::sweep::{Counts, Engine, Rate, SweepConfig};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::syn_bed::{
    ALIVE, ALIVE_V6, Bed, ON_LINK, ON_LINK_V6, PROHIBITED, PROHIBITED_V6, SCANNER, SILENT,
    SILENT_V6, config,
};
use crate::syn_responder::{Questions, Responder, Syn, syn_ack};

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
fn over_a_link_ipv6_is_found_as_ipv4_is() {
    let Some(bed) = Bed::new() else { return };
    let _listener = bed.listen();
    let (outcome, found) = bed.sweep(&[ALIVE_V6, SILENT_V6, PROHIBITED_V6], config(), |_| {});
    assert_eq!((found.len(), found.iter().all(SocketAddr::is_ipv6)), (256, true));
    let Counts { probes, sent, open, closed, unreachable, silent, not_probed, duplicates } =
        outcome.counts;
    assert_eq!((open, closed, unreachable, silent), (256, 256, 2, 128), "{outcome:?}");
    assert_eq!((not_probed, duplicates), (0, 0), "{outcome:?}");
    assert_eq!(sent, probes + silent, "only the silent are asked again: {outcome:?}");
}

#[test]
fn neighbours_are_asked_before_anything_is_sent_to_them() {
    let Some(bed) = Bed::new() else { return };
    let _listener = bed.listen();
    let questions = Questions::listen(&bed);
    let (outcome, found) = bed.sweep(&[ON_LINK, ALIVE], config(), |_| {});
    let questions = questions.counts();
    let on_link = bed.on_link().map(|host| SocketAddr::new(host, 2375));
    assert_eq!(found, on_link.chain(bed.open()).collect(), "{outcome:?}");
    assert!(outcome.complete(), "{outcome:?}");
    // Of 256 addresses on the link, one is the scanner's own, five are hosts' and two name none.
    let Counts { open, closed, unreachable, silent, not_probed, sent, .. } = outcome.counts;
    assert_eq!((open, closed), (5 + 256, 5 + 2 + 256), "{outcome:?}");
    assert_eq!((unreachable, silent, not_probed), (2 * (256 - 8), 0, 2 * 2), "{outcome:?}");
    assert_eq!(sent, 2 * (5 + 1 + 256), "{outcome:?}");
    assert!(outcome.local_errors.is_empty(), "{outcome:?}");
    assert!(outcome.notes[0].starts_with("left out 4 probes to addresses"), "{outcome:?}");
    assert!(outcome.notes[1].starts_with("no neighbour answered for 496 probes"), "{outcome:?}");
    let absent = (2..=254).filter(|last| !(10..15).contains(last));
    for address in absent.map(|last| Ipv4Addr::new(198, 18, 5, last)) {
        assert_eq!(questions.get(&address), Some(&2), "{address}: {questions:?}");
    }
    // The kernel knows of those only that it has answered or that have asked it.
    let table = bed.in_scanner(|| std::fs::read_to_string("/proc/thread-self/net/arp").unwrap());
    assert!(table.lines().count() <= 1 + 5 + 1, "{table}");
}

#[test]
fn neighbours_by_ipv6_are_asked_too() {
    let Some(bed) = Bed::new() else { return };
    let _listener = bed.listen();
    let (outcome, found) = bed.sweep(&[ON_LINK_V6], config(), |_| {});
    let on_link = bed.on_link_v6().map(|host| SocketAddr::new(host, 2375));
    assert_eq!(found, on_link.collect(), "{outcome:?}");
    let Counts { open, closed, unreachable, silent, not_probed, .. } = outcome.counts;
    assert_eq!((open, closed, unreachable), (5, 5 + 2, 2 * (64 - 6)), "{outcome:?}");
    assert_eq!((silent, not_probed), (0, 0), "{outcome:?}");
}

#[test]
fn a_link_that_goes_down_while_neighbours_are_asked_costs_none_of_them() {
    let Some(bed) = Bed::new() else { return };
    let _listener = bed.listen();
    // Nobody answers until the link was down; a slow machine has time for that.
    let answers = |how| {
        bed.in_targets(|| std::fs::write("/proc/sys/net/ipv4/conf/ds1/arp_ignore", how).unwrap());
    };
    answers("8");
    let questions = Questions::listen(&bed);
    let config = SweepConfig { retries: 60, ..config() };
    let (outcome, found) = bed.sweep(&["198.18.5.10-198.18.5.14"], config, |_| {
        while questions.asked() < 5 {
            thread::yield_now();
        }
        bed.ip_in_scanner("link set ds0 down");
        answers("0");
        bed.ip_in_scanner("link set ds0 up");
    });
    let on_link = bed.on_link().map(|host| SocketAddr::new(host, 2375));
    assert_eq!(found, on_link.collect(), "{outcome:?}");
    assert_eq!((outcome.counts.closed, outcome.counts.unreachable), (5, 0), "{outcome:?}");
    assert!(outcome.complete() && outcome.notes.is_empty(), "{outcome:?}");
}

/// What arrives over the whole run, by the time that it took: a slow machine is only slower.
#[test]
fn a_subnet_gets_no_more_than_its_rate_retries_included() {
    const RATE: u32 = 400;
    let Some(bed) = Bed::new() else { return };
    for engine in [Engine::Syn, Engine::Connect] {
        let arrived: [_; 2] = std::array::from_fn(|_| Arc::new(AtomicU64::new(0)));
        let counting = arrived.clone();
        let responder = Responder::start(&bed, move |syn| {
            let third = usize::from(syn.target.ip().octets()[2]);
            counting[third - 3].fetch_add(1, Ordering::Relaxed);
            0
        });
        let subnet_rate = Rate::PerSecond(RATE.try_into().unwrap());
        let config = SweepConfig { engine, subnet_rate, ..config() };
        let begun = Instant::now();
        let targets = ["198.18.3.0/25", "198.18.4.0/25"];
        let (outcome, _) = bed.sweep(&targets, config, |_| {});
        let took = begun.elapsed().as_secs_f64();
        drop(responder);
        assert_eq!((outcome.counts.silent, outcome.counts.sent), (512, 1024), "{outcome:?}");
        let most = took * f64::from(RATE) + f64::from(RATE) / 10.0 + 1.0;
        for (subnet, arrived) in [3, 4].into_iter().zip(&arrived) {
            let arrived = arrived.load(Ordering::Relaxed);
            let kept = arrived > 0 && arrived as f64 <= most;
            assert!(kept, "{engine:?}: {arrived} for .{subnet}.0 in {took} s");
        }
        assert!(outcome.counts.sent as f64 <= 2.0 * most, "{engine:?}: {took} s");
    }
}

#[test]
fn connections_leave_out_the_same_addresses() {
    let Some(bed) = Bed::new() else { return };
    let _listener = bed.listen();
    let config = SweepConfig { engine: Engine::Connect, ..SweepConfig::default() };
    let words = ["198.18.5.0", "198.18.5.10", "198.18.5.255"];
    let (outcome, found) = bed.sweep(&words, config, |_| {});
    assert_eq!(found.len(), 1, "{outcome:?}");
    assert_eq!((outcome.counts.closed, outcome.counts.not_probed), (1, 4), "{outcome:?}");
    assert!(outcome.notes[0].starts_with("left out 4 probes to addresses"), "{outcome:?}");
}

#[test]
fn rules_of_routing_are_followed() {
    let Some(bed) = Bed::new() else { return };
    let _listener = bed.listen();
    bed.ip_in_scanner("rule add to 198.18.0.128/25 prohibit");
    bed.ip_in_scanner("rule add to 198.18.0.64/26 table 100");
    bed.ip_in_scanner("route add 198.18.0.0/16 via 198.19.0.2 dev ds0 src 198.18.5.1 table 100");
    let (outcome, found) = bed.sweep(&[ALIVE], config(), |_| {});
    assert_eq!(found, bed.open().into_iter().take(128).collect(), "{outcome:?}");
    assert_eq!((outcome.counts.closed, outcome.counts.unreachable), (128, 256), "{outcome:?}");
}

#[test]
fn the_interface_and_source_asked_for_are_used() {
    let Some(bed) = Bed::new() else { return };
    let _listener = bed.listen();
    let source = "fd00:6473:5::1".parse().unwrap();
    let config =
        SweepConfig { source_ip: Some(source), interface: Some("ds0".to_owned()), ..config() };
    let (outcome, found) = bed.sweep(&[ALIVE_V6], config, |_| {});
    assert_eq!(found.len(), 256, "{outcome:?}");
    assert_eq!(outcome.counts.closed, 256, "{outcome:?}");
}

#[test]
fn repeated_and_late_answers_count_once() {
    let Some(bed) = Bed::new() else { return };
    // .8 repeats each answer; .9 answers the first SYN when the second comes.
    let responder = Responder::start(&bed, |syn| {
        match (syn.target.port(), syn.target.ip().octets()[3], syn.nth) {
            (2375, 8, _) => 4,
            (2375, 9, 2) => 1,
            _ => 0,
        }
    });
    let (outcome, found) = bed.sweep(&["198.18.1.8/31"], config(), |_| {});
    drop(responder);
    let open = [8, 9].map(|last| SocketAddr::from(([198, 18, 1, last], 2375)));
    assert_eq!(found, BTreeSet::from(open), "{outcome:?}");
    assert_eq!((outcome.counts.open, outcome.counts.duplicates), (2, 3), "{outcome:?}");
}

/// The target knows its own number, so that each of these is genuine; it sends them until the end.
#[test]
fn a_flood_of_genuine_answers_is_one_endpoint_and_few_packets() {
    let Some(bed) = Bed::new() else { return };
    // The kernel's resets are as many as the flood's packets, and no affair of the sweep's.
    let rules = "nft add table ip dsyn; add chain ip dsyn out { type filter hook output priority 0 ; } ; \
                 add rule ip dsyn out tcp flags rst drop";
    if !bed.run_in_scanner(rules) {
        crate::skip::lacking("dropping the kernel's resets needs nft");
        return;
    }
    let is_flooder =
        |syn: &Syn| *syn.target.ip() == Ipv4Addr::new(198, 18, 1, 7) && syn.target.port() == 2375;
    let flood = move |syn: &Syn| {
        if is_flooder(syn) && syn.nth == 1 { u32::MAX } else { 0 }
    };
    let responder = Responder::start(&bed, flood);
    let rate = 500;
    let config = SweepConfig { rate: Rate::PerSecond(rate.try_into().unwrap()), ..config() };
    let begun = Instant::now();
    let (outcome, found) = bed.sweep(&["198.18.1.0/27"], config, |_| {});
    let took = begun.elapsed();
    let resets = responder.resets();
    drop(responder);
    assert_eq!(found, BTreeSet::from([SocketAddr::from(([198, 18, 1, 7], 2375))]));
    let Counts { open, silent, sent, duplicates, .. } = outcome.counts;
    assert_eq!((open, silent), (1, 63), "{outcome:?}");
    assert_eq!(sent, 64 + 63, "the others are asked all the same: {outcome:?}");
    assert!(duplicates > 0 && resets > 0, "{resets} resets, {outcome:?}");
    let most = took.as_secs_f64() * f64::from(rate) * 1.05 + 8.0;
    assert!((sent + resets) as f64 <= most, "{sent} SYNs and {resets} resets in {took:?}");
}

#[test]
fn a_link_that_takes_few_packets_slows_the_sweep_and_loses_nothing() {
    let Some(bed) = Bed::new() else { return };
    let _listener = bed.listen();
    if !bed.run_in_scanner("tc qdisc add dev ds0 root tbf rate 1mbit burst 1600 limit 1600") {
        crate::skip::lacking("a short queue needs tc and the kernel's tbf");
        return;
    }
    let config = SweepConfig { retries: 0, ..config() };
    let (outcome, found) = bed.sweep(&[ALIVE], config, |_| {});
    assert!(outcome.complete(), "{outcome:?}");
    assert_eq!(found, bed.open(), "{outcome:?}");
    assert_eq!((outcome.counts.closed, outcome.counts.sent), (256, 512), "{outcome:?}");
}

#[test]
fn a_link_that_goes_down_and_comes_back_loses_nothing() {
    let Some(bed) = Bed::new() else { return };
    let _listener = bed.listen();
    let rate = Rate::PerSecond(200.try_into().unwrap());
    let config = SweepConfig { retries: 2, rate, ..config() };
    let (may_read, reading) = oneshot::channel();
    let (outcome, found) = bed.sweep_held_up(&[ALIVE], config, reading, |progress| {
        // Nobody takes what is found, so the sweep stands still once the channel is full.
        while progress.counts().open < 17 {
            thread::yield_now();
        }
        let begun = progress.round().begun;
        bed.ip_in_scanner("link set ds0 down");
        may_read.send(()).unwrap();
        // It goes on, into a link that takes nothing.
        while progress.round().begun == begun {
            thread::yield_now();
        }
        bed.ip_in_scanner("link set ds0 up");
        bed.ip_in_scanner("route add 198.18.0.0/16 via 198.19.0.2 dev ds0");
    });
    assert!(outcome.complete(), "{outcome:?}");
    assert_eq!(found, bed.open(), "{outcome:?}");
}
