//! On loopback, by the raw IP socket. They need CAP_NET_RAW and say so where it is missing.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::num::NonZeroU64;
use std::sync::Arc;

use super::*;
use crate::sweep::{Counts, Engine, EngineChoice, sweep};
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
    match check(&targets(&["127.42.0.1".to_owned()]), &config()) {
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
async fn ipv6_is_refused_with_a_way_out() {
    let words = ["[::1]:2375".to_owned()];
    let error = check(&targets(&words), &config()).unwrap_err();
    assert!(error.to_string().contains("--engine connect"), "{error}");
    let chosen = EngineChoice::Auto.settle(&targets(&words), &config()).unwrap();
    assert_eq!(chosen, Engine::Connect);
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
    assert_eq!(verdict(Errno::NOBUFS), Refusal::Passing);
    assert_eq!(verdict(Errno::NETDOWN), Refusal::Passing);
    assert_eq!(verdict(Errno::PERM), Refusal::NoWay);
    assert_eq!(verdict(Errno::MSGSIZE), Refusal::Impossible);
}
