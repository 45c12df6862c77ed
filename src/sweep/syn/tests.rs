//! On loopback, by the raw IP socket. They need CAP_NET_RAW and say so where it is missing.

use std::collections::BTreeSet;
use std::net::{Ipv6Addr, TcpListener};
use std::num::NonZeroU64;
use std::sync::Arc;

use super::*;
use crate::sweep::{Counts, Engine, sweep};
use crate::target::order::Shard;
use crate::target::{Ports, TargetList};

fn targets(words: &[String]) -> Arc<TargetSet> {
    let mut list = TargetList::new();
    words.iter().for_each(|word| list.add(word).unwrap());
    Arc::new(list.into_set(&Ports::new([2375]).unwrap()).unwrap())
}

fn config() -> SweepConfig {
    SweepConfig { engine: Engine::Syn, ..SweepConfig::default() }
}

fn is_permitted() -> bool {
    match check() {
        Ok(()) => true,
        Err(SweepError::NotPermitted { .. }) => {
            eprintln!("skipped: sending SYNs needs CAP_NET_RAW");
            false
        }
        Err(error) => panic!("{error}"),
    }
}

async fn sweep_all(words: &[String], config: SweepConfig) -> (SweepOutcome, BTreeSet<SocketAddr>) {
    let (sender, mut receiver) = mpsc::channel(1);
    let sweeping = sweep(targets(words), config, Arc::default(), CancellationToken::new(), sender);
    let receiving = async {
        let mut found = BTreeSet::new();
        while let Some(Swept::Open(open)) = receiver.recv().await {
            assert!(found.insert(open.address), "{} twice", open.address);
        }
        found
    };
    let (outcome, found) = tokio::join!(sweeping, receiving);
    let outcome = outcome.unwrap();
    let Counts { probes, open, closed, unreachable, silent, not_probed, .. } = outcome.counts;
    assert_eq!(open + closed + unreachable + silent + not_probed, probes, "{outcome:?}");
    (outcome, found)
}

#[tokio::test]
async fn finds_every_open_port_and_only_those() {
    if !is_permitted() {
        return;
    }
    let listeners: Vec<TcpListener> =
        (1..=40).map(|n| TcpListener::bind((format!("127.42.0.{n}"), 0)).unwrap()).collect();
    let open: BTreeSet<SocketAddr> =
        listeners.iter().map(|listener| listener.local_addr().unwrap()).collect();
    let mut words: Vec<String> = open.iter().map(ToString::to_string).collect();
    words.push("127.42.1.0/24:9".to_owned());
    let (outcome, found) = sweep_all(&words, config()).await;
    assert_eq!(found, open);
    assert!(outcome.complete());
    assert_eq!((outcome.counts.open, outcome.counts.closed), (40, 256));
    assert_eq!(outcome.counts.silent, 0);
}

#[tokio::test]
async fn nothing_is_accepted_by_the_target() {
    if !is_permitted() {
        return;
    }
    let listener = TcpListener::bind("127.42.2.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (_, found) = sweep_all(&[address.to_string()], config()).await;
    assert_eq!(found, BTreeSet::from([address]));
    listener.set_nonblocking(true).unwrap();
    assert_eq!(listener.accept().unwrap_err().kind(), io::ErrorKind::WouldBlock);
}

#[tokio::test]
async fn shards_find_their_own_parts() {
    if !is_permitted() {
        return;
    }
    let listeners: Vec<TcpListener> =
        (1..=20).map(|n| TcpListener::bind((format!("127.42.3.{n}"), 0)).unwrap()).collect();
    let open: BTreeSet<SocketAddr> =
        listeners.iter().map(|listener| listener.local_addr().unwrap()).collect();
    let words: Vec<String> = open.iter().map(ToString::to_string).collect();
    let mut all = BTreeSet::new();
    for index in 0..3 {
        let shard = Shard::new(index, NonZeroU64::new(3).unwrap()).unwrap();
        let (outcome, found) = sweep_all(&words, SweepConfig { shard, ..config() }).await;
        assert_eq!(outcome.counts.probes, shard.share(20));
        assert!(found.iter().all(|address| all.insert(*address)));
    }
    assert_eq!(all, open);
}

#[tokio::test]
async fn ipv6_loopback_is_swept_in_the_same_run() {
    if !is_permitted() {
        return;
    }
    let v6 = TcpListener::bind("[::1]:0").unwrap();
    let v4 = TcpListener::bind("127.62.5.1:0").unwrap();
    let open = BTreeSet::from([v4.local_addr().unwrap(), v6.local_addr().unwrap()]);
    let mut words: Vec<String> = open.iter().map(ToString::to_string).collect();
    words.push("[::1]:9".to_owned());
    let (outcome, found) = sweep_all(&words, config()).await;
    assert_eq!(found, open);
    assert_eq!((outcome.counts.open, outcome.counts.closed), (2, 1), "{outcome:?}");
}

#[tokio::test]
async fn a_source_address_is_of_one_family() {
    if !is_permitted() {
        return;
    }
    let v6 = TcpListener::bind("[::1]:0").unwrap();
    let v4 = TcpListener::bind("127.62.5.2:0").unwrap();
    let open = [v4.local_addr().unwrap(), v6.local_addr().unwrap()];
    let words = open.map(|address| address.to_string());
    for own in open {
        let config = SweepConfig { source_ip: Some(own.ip()), ..config() };
        let (outcome, found) = sweep_all(&words, config).await;
        assert_eq!(found, BTreeSet::from([own]));
        assert_eq!(outcome.counts.not_probed, 1, "{outcome:?}");
    }
}

#[tokio::test]
async fn an_address_that_names_no_host_is_left_out() {
    let words = ["127.255.255.254/31:9".to_owned()];
    for engine in [Engine::Connect, Engine::Syn] {
        if engine == Engine::Syn && !is_permitted() {
            return;
        }
        let (outcome, _) = sweep_all(&words, SweepConfig { engine, ..config() }).await;
        assert!(outcome.complete());
        assert_eq!((outcome.counts.closed, outcome.counts.not_probed), (1, 1), "{outcome:?}");
        assert_eq!((outcome.left_out, outcome.local_errors.len()), (1, 0), "{outcome:?}");
        assert!(outcome.notes[0].starts_with("left out 1 probe to an address"), "{outcome:?}");
    }
}

#[test]
fn a_port_is_reserved_in_both_families() {
    let reserved = ReservedPort::take_in_both().unwrap();
    for address in ["127.62.4.1", "::1"] {
        let address = SocketAddr::new(address.parse().unwrap(), reserved.port);
        let taken = TcpListener::bind(address).unwrap_err();
        assert_eq!(taken.kind(), io::ErrorKind::AddrInUse);
    }
}

#[test]
fn the_reserved_port_is_nobody_elses() {
    let reserved = ReservedPort::take().unwrap();
    let address = SocketAddr::from(([127, 42, 4, 1], reserved.port));
    let taken = TcpListener::bind(address).unwrap_err();
    assert_eq!(taken.kind(), io::ErrorKind::AddrInUse);
}

#[test]
fn each_refusal_means_one_thing() {
    assert_eq!(refusal(Errno::NOBUFS), None);
    assert_eq!(refusal(Errno::NETDOWN), None);
    assert_eq!(refusal(Errno::PERM), Some(Refusal::NoWay));
    assert_eq!(refusal(Errno::MSGSIZE), Some(Refusal::Impossible));
}

#[test]
fn codes_mean_what_their_family_says() {
    let v4 = IpAddr::from([127, 0, 0, 1]);
    let v6 = IpAddr::from(Ipv6Addr::LOCALHOST);
    assert_eq!((meaning(3, v4), meaning(3, v6)), (Errno::CONNREFUSED, Errno::HOSTUNREACH));
    assert_eq!((meaning(0, v4), meaning(0, v6)), (Errno::NETUNREACH, Errno::NETUNREACH));
    assert_eq!((meaning(13, v4), meaning(1, v6)), (Errno::HOSTUNREACH, Errno::HOSTUNREACH));
    assert_eq!(meaning(4, v6), Errno::CONNREFUSED);
}
