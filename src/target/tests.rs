use std::collections::BTreeSet;
use std::net::SocketAddr;

use proptest::prelude::*;

use super::*;

fn ports() -> Ports {
    Ports::new([2375, 2376]).unwrap()
}

fn list(targets: &[&str], excludes: &[&str]) -> TargetList {
    let mut list = TargetList::new();
    targets.iter().for_each(|word| list.add(word).unwrap());
    excludes.iter().for_each(|word| list.exclude(word).unwrap());
    list
}

fn set(targets: &[&str], excludes: &[&str]) -> TargetSet {
    list(targets, excludes).into_set(&ports()).unwrap()
}

fn pairs(set: &TargetSet) -> Vec<String> {
    set.iter().map(|pair| pair.to_string()).collect()
}

#[test]
fn overlaps_are_scanned_once() {
    let set = set(&["10.0.0.0/30", "10.0.0.2-10.0.0.5", "10.0.0.0", "10.0.0.6"], &[]);
    assert_eq!((set.addresses(), set.len()), (7, 14));
    assert_eq!(set.ranges().count(), 1);
}

#[test]
fn an_explicit_port_stands_alone_or_adds_to_the_default_ones() {
    assert_eq!(pairs(&set(&["10.0.0.1:99"], &[])), ["10.0.0.1:99"]);
    assert_eq!(
        pairs(&set(&["10.0.0.1:99", "10.0.0.1", "10.0.0.1:2375"], &[])),
        ["10.0.0.1:99", "10.0.0.1:2375", "10.0.0.1:2376"]
    );
    assert_eq!(
        pairs(&set(&["10.0.0.0/31:99", "10.0.0.1"], &[])),
        ["10.0.0.0:99", "10.0.0.1:99", "10.0.0.1:2375", "10.0.0.1:2376"]
    );
}

#[test]
fn excludes_win_on_every_port() {
    let set = set(&["10.0.0.0/24", "10.0.0.7:99", "fd00::/126"], &["10.0.0.0-9", "fd00::1"]);
    assert_eq!(set.addresses(), 246 + 3);
    assert!(!set.contains("10.0.0.7:99".parse().unwrap()));
    assert!(set.contains("10.0.0.10:2375".parse().unwrap()));
    assert!(!set.contains("[fd00::1]:2375".parse().unwrap()));
    assert!(set.contains("[fd00::2]:2376".parse().unwrap()));
}

#[test]
fn everything_excluded_is_empty() {
    let set = set(&["10.0.0.0/24"], &["10.0.0.0/8"]);
    assert!(set.is_empty());
    assert_eq!(set.probe(0), None);
    assert!(TargetList::new().into_set(&ports()).unwrap().is_empty());
}

#[test]
fn network_and_broadcast_addresses_of_a_network_are_targets() {
    let set = set(&["10.0.0.9/24"], &[]);
    assert!(set.contains("10.0.0.0:2375".parse().unwrap()));
    assert!(set.contains("10.0.0.255:2375".parse().unwrap()));
}

#[test]
fn addresses_of_no_host_are_left_out_with_a_note() {
    let set = set(&["223.255.255.255-224.0.0.1", "0.0.0.0-1", "ff02::1", "255.255.255.255"], &[]);
    assert_eq!(
        pairs(&set),
        ["0.0.0.1:2375", "0.0.0.1:2376", "223.255.255.255:2375", "223.255.255.255:2376"]
    );
    assert_eq!(
        set.notes(),
        [
            "left out 2 multicast addresses (224.0.0.0/4)",
            "left out 1 broadcast address (255.255.255.255)",
            "left out 1 unspecified address (0.0.0.0)",
            "left out 1 multicast address (ff00::/8)",
        ]
    );
    let excluded = list(&["224.0.0.1"], &["224.0.0.0/4"]).into_set(&ports()).unwrap();
    assert!(excluded.notes().is_empty());
}

#[test]
fn what_one_run_cannot_hold_is_an_error_with_a_way_out() {
    for word in ["fd00::/64", "::/0", "0.0.0.0/0", "[2000::/3]:2376"] {
        let error = list(&[word], &[]).into_set(&ports()).unwrap_err().to_string();
        assert!(error.contains("split the ranges"), "{error}");
    }
    let error = list(&["::/0"], &[]).into_set(&ports()).unwrap_err().to_string();
    assert!(error.contains("over 2^127"), "{error}");
    let largest = list(&["128.0.0.0/1", "0.0.0.0/1:99"], &["224.0.0.0/3"]);
    let whole = largest.into_set(&Ports::new([1]).unwrap()).unwrap();
    assert_eq!(whole.len(), (1 << 32) - (1 << 29) - 1);
}

#[test]
fn a_large_network_costs_one_range() {
    let set = set(&["10.0.0.0/8"], &["10.1.2.3"]);
    assert_eq!(set.ranges().count(), 2);
    assert_eq!(set.len(), 2 * ((1 << 24) - 1));
    assert_eq!(set.probe(set.len() - 1), Some("10.255.255.255:2376".parse().unwrap()));
    assert_eq!(set.probe(set.len()), None);
}

#[test]
fn public_ranges_are_told_apart() {
    let set = set(&["10.0.0.0/8", "8.8.8.0/24", "8.8.9.0/24:99", "2606:4700::1", "::1"], &[]);
    let public: Vec<String> = set.public_ranges().iter().map(ToString::to_string).collect();
    assert_eq!(public, ["8.8.8.0/23", "2606:4700::1"]);
    assert_eq!(set.probes_off_loopback(), set.len() - 2);
    assert_eq!(self::set(&["127.0.0.0/8", "::1"], &[]).probes_off_loopback(), 0);
}

#[test]
fn names_lead_to_addresses() {
    let mut list = list(&["localhost", "LOCALHOST:99", "alias"], &[]);
    let named = list.names().to_vec();
    assert_eq!(named[0], NamedTarget { name: "localhost".to_owned(), port: None });
    for named in &named {
        list.add_resolved(named, "127.0.0.1".parse().unwrap());
    }
    let set = list.into_set(&ports()).unwrap();
    assert_eq!(pairs(&set), ["127.0.0.1:99", "127.0.0.1:2375", "127.0.0.1:2376"]);
    assert_eq!(set.names("127.0.0.1".parse().unwrap()), ["localhost", "alias"]);
    assert!(set.names("127.0.0.2".parse().unwrap()).is_empty());
}

#[test]
fn errors_name_their_place_and_escape_what_they_quote() {
    let mut list = TargetList::new();
    let message = |result: Result<(), TargetError>| result.unwrap_err().to_string();
    assert_eq!(
        message(list.add("10.0.0.0/33")),
        "TARGET '10.0.0.0/33': the prefix length is not a number from 0 to 32"
    );
    assert_eq!(
        message(list.exclude("10.0.0.1:80")),
        "--exclude '10.0.0.1:80': an exclude applies to all ports: leave out the port"
    );
    assert_eq!(
        message(list.read("targets.txt", &b"ok\n10.0.0.1 \x1b[2J\n"[..])),
        "targets.txt:2: '\\u{1b}[2J': contains control characters"
    );
    assert_eq!(
        message(list.read_excludes("-", &b"10.0.0.1\n\nhost\n"[..])),
        "-:3: 'host': an exclude takes addresses, networks and ranges, not host names"
    );
    assert!(message(list.add(&"\u{202e}".repeat(500))).len() < 1000);
    assert_eq!(message(list.read("t", &b"\xff"[..])), "t:1: the line is not UTF-8");
}

#[test]
fn ports_are_read_and_sorted() {
    assert_eq!(
        "2376,2375, 4000-4002,4001".parse::<Ports>().unwrap().as_slice(),
        [2375, 2376, 4000, 4001, 4002]
    );
    assert_eq!("1-65535".parse::<Ports>().unwrap().as_slice().len(), 65_535);
    for bad in ["", "0", "0-5", "5-4", "1,,2", "65536", "http", "-5"] {
        assert!(bad.parse::<Ports>().is_err(), "{bad}");
    }
    assert_eq!(Ports::new([]), None);
}

/// A range within two neighbouring /28s with the boundary between IPv4 and IPv6 left out.
fn small_range() -> impl Strategy<Value = (u8, u8)> {
    (0u8..32, 0u8..32).prop_map(|(a, b)| (a.min(b), a.max(b)))
}

fn address(last: u8) -> IpAddr {
    IpAddr::from([10, 0, 0, last])
}

proptest! {
    #[test]
    fn agrees_with_a_set_of_addresses(
        bare in proptest::collection::vec(small_range(), 0..4),
        with_port in proptest::collection::vec((small_range(), 2374u16..2378), 0..4),
        excluded in proptest::collection::vec(small_range(), 0..4),
    ) {
        let mut list = TargetList::new();
        let mut naive: BTreeSet<SocketAddr> = BTreeSet::new();
        for (first, last) in &bare {
            list.add(&format!("{}-{}", address(*first), address(*last))).unwrap();
            naive.extend((*first..=*last).flat_map(|host| {
                [2375, 2376].map(|port| SocketAddr::new(address(host), port))
            }));
        }
        for ((first, last), port) in &with_port {
            list.add(&format!("{}-{}:{port}", address(*first), address(*last))).unwrap();
            naive.extend((*first..=*last).map(|host| SocketAddr::new(address(host), *port)));
        }
        for (first, last) in &excluded {
            list.exclude(&format!("{}-{}", address(*first), address(*last))).unwrap();
            naive.retain(|pair| !(*first..=*last).any(|host| address(host) == pair.ip()));
        }
        let set = list.into_set(&ports()).unwrap();
        let naive: Vec<SocketAddr> = naive.into_iter().collect();
        prop_assert_eq!(set.iter().collect::<Vec<_>>(), naive.clone());
        prop_assert_eq!(set.len(), naive.len() as u64);
        let by_index: Vec<SocketAddr> = (0..set.len()).filter_map(|i| set.probe(i)).collect();
        prop_assert_eq!(&by_index, &naive);
        let addresses: BTreeSet<IpAddr> = naive.iter().map(SocketAddr::ip).collect();
        prop_assert_eq!(set.addresses(), addresses.len() as u64);
        for host in 0..40 {
            for port in 2373..2379 {
                let pair = SocketAddr::new(address(host), port);
                prop_assert_eq!(set.contains(pair), naive.contains(&pair));
            }
        }
    }
}
