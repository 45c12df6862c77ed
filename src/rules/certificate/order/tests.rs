use super::super::super::fixture::*;
use super::*;
use crate::assess::Assessment;

/// A certificate by the name of one who is issued by the other.
fn issued(name: &str, by: &str) -> CertificateFacts {
    CertificateFacts {
        subject: format!("CN={name}"),
        issuer: format!("CN={by}"),
        subject_der: name.as_bytes().to_vec(),
        issuer_der: by.as_bytes().to_vec(),
        self_issued: name == by,
        is_ca: name != "leaf",
        sha256: format!("{name} by {by}"),
        ..leaf()
    }
}

/// `leaf<a<root root<root` is a chain of three.
fn sent(chain: &str) -> Assessment {
    let mut assessment = hardened();
    tls(&mut assessment).chains[0].certificates = chain
        .split_whitespace()
        .map(|link| {
            let (name, by) = link.split_once('<').unwrap();
            Certificate::Parsed(Box::new(issued(name, by)))
        })
        .collect();
    assessment
}

fn letters(chain: &str) -> String {
    let assessment = sent(chain);
    [&CERT_CHAIN_INCOMPLETE, &CERT_CHAIN_MISORDERED, &CERT_CHAIN_SUPERFLUOUS]
        .map(|rule| match verdict(rule, &assessment) {
            Verdict::Passed => '.',
            Verdict::Found(violations) => {
                assert_eq!(violations.len(), 1);
                'x'
            }
            Verdict::Undetermined { .. } => '?',
            Verdict::NotApplicable => '-',
        })
        .iter()
        .collect()
}

#[test]
fn incomplete_misordered_and_superfluous_are_told_apart() {
    for (chain, expected) in [
        ("leaf<a a<root root<root", "..."),
        ("leaf<root root<root", "..."),
        ("leaf<leaf", "..."),
        // Whether what is not sent is a root cannot be seen.
        ("leaf<root", "-.."),
        ("leaf<a a<root", "-.."),
        // A gap.
        ("leaf<a root<root", "x.?"),
        ("leaf<a b<root root<root", "x.?"),
        ("leaf<b b<a root<root", "x.?"),
        // Out of order.
        ("leaf<b a<root b<a", "-x."),
        ("leaf<b root<root a<root b<a", ".x."),
        ("a<root leaf<a", "?x?"),
        ("root<root leaf<root", "?x?"),
        // Too much.
        ("leaf<a a<root root<root stranger<x", "..x"),
        ("leaf<a stranger<x a<root root<root", "..x"),
        ("leaf<a a<root root<root a<root", "..x"),
        ("leaf<leaf other<other", "..x"),
        ("leaf<b stranger<x root<root a<root b<a", ".xx"),
        // Cross-signed, in any order, is neither.
        ("leaf<a a<root root<old old<old root<root", "..."),
        ("leaf<a a<old a<root root<root old<old", "..."),
        // A loop.
        ("leaf<a a<b b<a", ".x."),
    ] {
        assert_eq!(letters(chain), expected, "{chain}");
    }
    assert_eq!(verdict(&CERT_CHAIN_INCOMPLETE, &open_plain()), Verdict::NotApplicable);
    let mut assessment = sent("leaf<a a<root");
    tls(&mut assessment).chains[0].certificates.push(unparsable());
    undetermined(&CERT_CHAIN_MISORDERED, &assessment);
}

#[test]
fn evidence_names_places_and_certificates() {
    let text = |rule, chain: &str| only(rule, &sent(chain)).evidence;
    let evidence = text(&CERT_CHAIN_INCOMPLETE, "leaf<a root<root");
    assert_eq!(
        evidence,
        "CN=leaf (SHA-256 leaf by a) was issued by CN=a, which is not sent, while others are: 2 \
         CN=root (SHA-256 root by root)"
    );
    let evidence = text(&CERT_CHAIN_MISORDERED, "leaf<b a<root b<a");
    assert!(evidence.starts_with("Certificate 3 of 3 was issued by what stands before it: 2 CN=a"));
    let evidence = text(&CERT_CHAIN_MISORDERED, "root<root leaf<root");
    assert!(evidence.starts_with("The first certificate, CN=root"), "{evidence}");
    let evidence = text(&CERT_CHAIN_SUPERFLUOUS, "leaf<a stranger<x a<root root<root a<root");
    assert!(evidence.contains("no names lead from the leaf to 2 CN=stranger"), "{evidence}");
    assert!(evidence.ends_with("sent more than once: 5 CN=a (SHA-256 a by root)"), "{evidence}");
}

#[test]
fn a_long_chain_takes_no_time_and_little_text() {
    let strangers: Vec<String> = (0..127).map(|n| format!("s{n}<t{n}")).collect();
    let chain = format!("leaf<root root<root {}", strangers.join(" "));
    let evidence = only(&CERT_CHAIN_SUPERFLUOUS, &sent(&chain)).evidence;
    assert!(evidence.ends_with("122 more"), "{evidence}");
    let same: Vec<String> = (0..127).map(|_| "a<a".to_owned()).collect();
    assert_eq!(letters(&format!("leaf<a {}", same.join(" "))), "..x");
}
