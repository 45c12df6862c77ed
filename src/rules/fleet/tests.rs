use proptest::prelude::*;

use super::*;
use crate::rules::fixture;

fn place(address: &str, engine_id: Option<&str>) -> Place {
    let address: IpAddr = address.parse().unwrap();
    Place {
        endpoint: format!("tcp/{}", std::net::SocketAddr::new(address, 2376)),
        address,
        port: 2376,
        engine_id: engine_id.map(str::to_owned),
        last_seen: None,
    }
}

fn holder(address: &str, engine_id: Option<&str>, key: &str) -> EndpointKeys {
    let proved = Some((key.repeat(32), "CN=docker".to_owned()));
    EndpointKeys { place: place(address, engine_id), proved, rsa: vec![] }
}

fn mersenne(exponent: u32) -> BigUint {
    (BigUint::from(1u8) << exponent) - 1u8
}

fn rsa(address: &str, modulus: BigUint) -> EndpointKeys {
    let key = RsaKey { modulus, exponent: Some(BigUint::from(65537u32)) };
    EndpointKeys { place: place(address, None), proved: None, rsa: vec![key] }
}

fn judged(keys: impl IntoIterator<Item = EndpointKeys>) -> Vec<FleetFinding> {
    let mut fleet = Fleet::default();
    keys.into_iter().for_each(|keys| fleet.add(keys));
    fleet.judge()
}

#[test]
fn texts_are_whole() {
    for rule in FLEET {
        assert!(super::super::ALL.iter().all(|other| other.name != rule.name));
        for text in [rule.why, rule.detection] {
            assert!(text.len() > 40 && text.ends_with('.') && !text.contains("  "), "{text}");
        }
        assert!(!rule.references.is_empty() && rule.remediation.contains("openssl"));
    }
}

#[test]
fn a_key_on_two_hosts() {
    let found = judged([
        holder("10.0.0.9", Some("B"), "aa"),
        holder("10.0.0.5", None, "aa"),
        holder("10.0.0.6", None, "bb"),
    ]);
    let [FleetFinding { finding, endpoints }] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!((finding.rule, finding.severity), ("key-reused", Severity::High));
    assert_eq!(endpoints, &["tcp/10.0.0.5:2376", "tcp/10.0.0.9:2376"]);
    assert_eq!(finding.subject.as_deref(), Some("key aaaaaaaaaaaaaaaa"));
    assert!(finding.evidence.starts_with("2 hosts proved"), "{}", finding.evidence);
    assert!(finding.evidence.ends_with(
        "1 of them do not show an engine ID, by which two \
                                        addresses of one host could be told"
    ));
}

#[test]
fn one_host_may_have_its_key_on_many_ports_and_addresses() {
    let mut other_port = holder("10.0.0.5", None, "aa");
    other_port.place.port = 2377;
    assert_eq!(judged([holder("10.0.0.5", None, "aa"), other_port]), []);
    let one = [
        holder("10.0.0.5", Some("A"), "aa"),
        holder("10.0.0.6", Some("A"), "aa"),
        holder("fd00::6", Some("A"), "aa"),
    ];
    assert_eq!(judged(one), []);
    let mut unproved = holder("10.0.0.7", None, "aa");
    unproved.proved = None;
    assert_eq!(judged([holder("10.0.0.5", None, "aa"), unproved]), []);
}

#[test]
fn an_evidence_is_bounded_and_the_endpoints_are_all_there() {
    let many = (0..250).map(|last| holder(&format!("10.0.0.{last}"), None, "aa"));
    let found = judged(many);
    assert_eq!(found[0].endpoints.len(), 250);
    assert!(found[0].finding.evidence.contains("tcp/10.0.0.19:2376 and 230 more"));
}

#[test]
fn a_prime_in_common_opens_both_keys() {
    let (p, q, r) = (mersenne(1279), mersenne(2203), mersenne(607));
    let found = judged([
        rsa("10.0.0.1", &p * &q),
        rsa("10.0.0.2", mersenne(521) * mersenne(127)),
        rsa("10.0.0.3", &p * &r),
        // The same modulus again is no third key.
        rsa("10.0.0.4", &p * &r),
    ]);
    let [FleetFinding { finding, endpoints }] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!((finding.rule, finding.severity), ("key-shared-prime", Severity::Critical));
    assert_eq!(endpoints, &["tcp/10.0.0.1:2376", "tcp/10.0.0.3:2376", "tcp/10.0.0.4:2376"]);
    assert!(
        finding.evidence.starts_with("2 RSA moduli, of tcp/10.0.0.1:2376, ")
            && finding.evidence.ends_with(
                "of 1279 bits in common; the private keys of 2 were \
                                           rebuilt from it, and what they sign verifies"
            ),
        "{}",
        finding.evidence
    );
    assert!(!finding.evidence.contains(&p.to_string()));
}

#[test]
fn the_same_modulus_is_no_shared_prime() {
    let n = mersenne(1279) * mersenne(607);
    assert_eq!(judged([rsa("10.0.0.1", n.clone()), rsa("10.0.0.2", n)]), []);
}

#[test]
fn moduli_that_share_both_primes_are_told_apart() {
    let primes = [521, 607, 1279, 2203].map(mersenne);
    let ring = (0..4).map(|at| rsa(&format!("10.0.0.{at}"), &primes[at] * &primes[(at + 1) % 4]));
    let found = judged(ring);
    assert_eq!(found.len(), 4);
    for FleetFinding { finding, endpoints } in found {
        assert_eq!(endpoints.len(), 2);
        assert!(finding.evidence.contains("the private keys of 2 were"), "{}", finding.evidence);
    }
}

#[test]
fn too_many_to_separate_are_said_to_be() {
    // All products of two of 25 numbers: 300 moduli that share both factors with 23 others each.
    let primes: Vec<BigUint> = (0..25u32).map(|at| mersenne(127) + 2u32 * at * (at + 7)).collect();
    let all = (0..25u8).flat_map(|a| (0..a).map(move |b| (a, b)));
    let found = judged(all.map(|(a, b)| {
        rsa(&format!("10.0.{a}.{b}"), &primes[usize::from(a)] * &primes[usize::from(b)])
    }));
    let open =
        found.iter().find(|found| found.finding.subject.as_deref() == Some("several primes"));
    let evidence = &open.unwrap().finding.evidence;
    assert!(evidence.contains("share all their factors with other moduli"), "{evidence}");
    assert!(found.len() > 1);
}

#[test]
fn what_is_no_key_shares_no_prime() {
    let (p, q) = (mersenne(521), mersenne(607));
    let found = judged([
        rsa("10.0.0.1", &p * 2u8),
        rsa("10.0.0.2", &p * 4u8),
        rsa("10.0.0.3", BigUint::from(0u8)),
        rsa("10.0.0.4", BigUint::from(1u8)),
        // Divides another modulus: nobody's factor is proper.
        rsa("10.0.0.5", &q * 9u8),
        rsa("10.0.0.6", mersenne(1279) * 3u8),
    ]);
    assert_eq!(found, []);
}

#[test]
fn a_factor_that_opens_nothing_is_said_to() {
    // 2^523 - 1 and 2^601 - 1 are composite.
    let p = mersenne(1279);
    let found = judged([rsa("10.0.0.1", &p * mersenne(523)), rsa("10.0.0.2", &p * mersenne(601))]);
    assert_eq!(found[0].finding.severity, Severity::High);
    let evidence = &found[0].finding.evidence;
    assert!(evidence.contains("the private keys of 0 were"), "{evidence}");
    assert!(
        evidence.ends_with(
            "; 2 not: signing does not undo verifying, so the factors are not \
                                both prime"
        ),
        "{evidence}"
    );
}

#[test]
fn an_endpoint_without_tls_has_no_keys() {
    let keys = EndpointKeys::of(&fixture::observation(), &fixture::open_plain());
    assert_eq!((keys.proved, keys.rsa), (None, vec![]));
    let keys = EndpointKeys::of(&fixture::observation(), &fixture::hardened());
    // Leaf and root of the fixture have one key, and no handshake was recorded.
    assert_eq!((keys.proved, keys.rsa.len()), (None, 1));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_numbers_are_judged(
        moduli in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 0..20),
        exponent in any::<u64>(),
    ) {
        let keys = moduli.iter().enumerate().map(|(at, bytes)| {
            let mut keys = rsa(&format!("10.0.0.{at}"), BigUint::from_bytes_be(bytes));
            keys.rsa[0].exponent = Some(BigUint::from(exponent));
            keys
        });
        for found in judged(keys) {
            prop_assert!(found.endpoints.len() > 1);
        }
    }
}

/// A holder of the key that `holder` gives for "aa", known from day to day of a month.
fn past(address: &str, days: (i8, i8)) -> PastHolder {
    let at = |day: i8| format!("2026-11-{day:02}T02:00:00Z").parse::<Timestamp>().unwrap();
    let place = place(address, None);
    PastHolder {
        key: "aa".repeat(32),
        subject: Some("CN=docker".to_owned()),
        endpoint: place.endpoint,
        address: place.address,
        port: place.port,
        engine_id: None,
        first_seen: at(days.0),
        last_seen: at(days.1),
        current: true,
        in_company: false,
        asked: false,
    }
}

fn judged_with(holders: Vec<PastHolder>, moduli: Vec<PastModulus>) -> Vec<FleetFinding> {
    let mut fleet = Fleet::default();
    fleet.add(holder("10.0.0.5", None, "aa"));
    fleet.add(rsa("10.0.0.7", mersenne(521) * mersenne(607)));
    fleet.remember(Past { holders, moduli });
    fleet.judge()
}

#[test]
fn a_key_that_moved_is_not_reused() {
    // Seen here for the first time, after it was last seen there: it moved, for all anyone knows.
    assert_eq!(judged_with(vec![past("10.0.0.9", (1, 20))], vec![]), []);
    let here_before = || past("10.0.0.5", (10, 21));
    // There while it was here, too, and not asked now.
    let found = judged_with(vec![here_before(), past("10.0.0.9", (1, 20))], vec![]);
    let [FleetFinding { finding, endpoints }] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!(finding.rule, "key-reused");
    assert!(
        finding.evidence.contains("tcp/10.0.0.5:2376, tcp/10.0.0.9:2376 (last seen 2026-11-20)"),
        "{}",
        finding.evidence
    );
    assert_eq!(endpoints, &["tcp/10.0.0.5:2376"], "those of this run");
    // It was asked now, and is not there: leases come and go.
    let asked = PastHolder { asked: true, ..past("10.0.0.9", (1, 20)) };
    assert_eq!(judged_with(vec![here_before(), asked.clone()], vec![]), []);
    // Unless the two were once found together.
    let together = PastHolder { in_company: true, ..asked };
    assert_eq!(judged_with(vec![together.clone()], vec![]).len(), 1);
    // Another key or a closed port since then.
    let over = PastHolder { current: false, ..together };
    assert_eq!(judged_with(vec![here_before(), over], vec![]), []);
    // One host by its engine ID.
    let mut fleet = Fleet::default();
    fleet.add(holder("10.0.0.5", Some("A"), "aa"));
    let engine_id = Some("A".to_owned());
    let same = PastHolder { in_company: true, engine_id, ..past("10.0.0.9", (1, 20)) };
    fleet.remember(Past { holders: vec![same], moduli: vec![] });
    assert_eq!(fleet.judge(), []);
}

#[test]
fn primes_are_compared_with_keys_of_earlier_runs() {
    let earlier = |modulus| PastModulus {
        modulus,
        exponent: Some(BigUint::from(65537u32)),
        endpoint: "tcp/10.0.9.9:2376 from oslo".to_owned(),
        address: "10.0.9.9".parse().unwrap(),
        port: 2376,
        last_seen: "2026-11-20T02:00:00Z".parse().unwrap(),
    };
    let found = judged_with(vec![], vec![earlier(mersenne(521) * mersenne(1279))]);
    let [FleetFinding { finding, endpoints }] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!((finding.rule, finding.severity), ("key-shared-prime", Severity::Critical));
    assert!(
        finding.evidence.contains("tcp/10.0.9.9:2376 from oslo (last seen 2026-11-20)"),
        "{}",
        finding.evidence
    );
    assert_eq!(endpoints, &["tcp/10.0.0.7:2376"]);
    // What shows among earlier runs alone is none of this one's affair.
    let among_them = [mersenne(1279) * mersenne(2203), mersenne(1279) * mersenne(2281)];
    assert_eq!(judged_with(vec![], among_them.map(earlier).into()), []);
    // The same modulus then and now is one key.
    assert_eq!(judged_with(vec![], vec![earlier(mersenne(521) * mersenne(607))]), []);
}
