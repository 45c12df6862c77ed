//! Whether the certificate is for the host that was asked.

use std::net::IpAddr;

use super::{Outcome, each_leaf, issue_server_certificate, label};
use crate::certificate::{CertificateFacts, SubjectAltNames};
use crate::finding::Severity;
use crate::observation::Endpoint;
use crate::rules::{Rule, Violation};

const IDENTITY: &str = "RFC 9525, section 6 (verifying service identity)";
/// Names shown of a long list.
const SHOWN: usize = 10;

macro_rules! reissue {
    () => {
        concat!(
            "Issue the certificate again with every name and address in subjectAltName by which \
             clients connect:",
            issue_server_certificate!()
        )
    };
}

pub static CERT_NO_SAN: Rule = Rule {
    name: "cert-no-san",
    severity: Severity::Low,
    title: "Certificate without subjectAltName",
    why: "Clients look for the host's name in subjectAltName only, and the docker client has not \
          looked at the common name for years. So no client can verify this server by its name.",
    detection: "The leaf has no subjectAltName extension.",
    remediation: reissue!(),
    cwe: None,
    references: &[IDENTITY, "RFC 5280, section 4.2.1.6 (subjectAltName)"],
    check: |subject| {
        each_leaf(subject, |facts| {
            if facts.san.present {
                return Outcome::Passed;
            }
            Outcome::found(format!(
                "X.509 version {}, no extension: {}",
                facts.version,
                label(facts)
            ))
        })
    },
};

pub static CERT_NAME_MISMATCH: Rule = Rule {
    name: "cert-name-mismatch",
    severity: Severity::Low,
    title: "Certificate for another name",
    why: "A client that verifies refuses the server under this name. If it connects all the same \
          it verifies nothing, and anyone on the path can pose as the server.",
    detection: "The name asked for (the server name sent, else the names of the target) is in no \
                DNS entry of the leaf's subjectAltName, wildcards as in RFC 9525. Where there is \
                only an address and it is in no IP entry, that is an info: clients may have a name.",
    remediation: reissue!(),
    cwe: None,
    references: &[IDENTITY, "RFC 5280, section 4.2.1.6 (subjectAltName)"],
    check: |subject| each_leaf(subject, |facts| mismatch(facts, &subject.observation.endpoint)),
};

fn mismatch(facts: &CertificateFacts, endpoint: &Endpoint) -> Outcome {
    if !facts.san.present {
        return Outcome::NotApplicable;
    }
    let asked: Vec<&str> = match &endpoint.sni {
        Some(name) => vec![name],
        None => endpoint.names.iter().map(String::as_str).collect(),
    };
    let missing: Vec<&str> =
        asked.iter().copied().filter(|name| !covers(&facts.san, name)).collect();
    let bare = asked.is_empty() && !covers_address(&facts.san, endpoint.address);
    if missing.is_empty() && !bare {
        return Outcome::Passed;
    }
    if facts.san.more > 0 {
        return Outcome::Undetermined(format!(
            "{} more names than were kept: {}",
            facts.san.more,
            label(facts)
        ));
    }
    let listed = listed(&facts.san);
    if bare {
        let evidence = format!(
            "{} is not among its names ({listed}), and no name is known to ask for: {}",
            endpoint.address,
            label(facts)
        );
        return Outcome::Found(Violation::new(evidence).severity(Severity::Info));
    }
    Outcome::found(format!(
        "{} not among its names ({listed}): {}",
        missing.join(", "),
        label(facts)
    ))
}

fn listed(san: &SubjectAltNames) -> String {
    let names = san.dns.iter().cloned().chain(san.ip.iter().map(IpAddr::to_string));
    let mut shown: Vec<String> = names.take(SHOWN).collect();
    match (san.dns.len() + san.ip.len()).saturating_sub(SHOWN) {
        _ if shown.is_empty() => return "no host name or address".to_owned(),
        0 => {}
        more => shown.push(format!("and {more} more")),
    }
    shown.join(", ")
}

fn covers(san: &SubjectAltNames, asked: &str) -> bool {
    match asked.parse() {
        Ok(address) => covers_address(san, address),
        Err(_) => san.dns.iter().any(|pattern| matches(pattern, asked)),
    }
}

fn covers_address(san: &SubjectAltNames, address: IpAddr) -> bool {
    san.ip.iter().any(|listed| listed.to_canonical() == address.to_canonical())
}

/// RFC 9525, section 6.3: a wildcard is the whole first label and stands for one label.
fn matches(pattern: &str, name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    let pattern = pattern.strip_suffix('.').unwrap_or(pattern);
    match pattern.strip_prefix("*.") {
        None => pattern.eq_ignore_ascii_case(name),
        Some(parent) => name
            .split_once('.')
            .is_some_and(|(label, rest)| !label.is_empty() && rest.eq_ignore_ascii_case(parent)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::fixture::*;
    use super::*;
    use crate::observation::Observation;
    use crate::rules::{Subject, Verdict};

    fn asked(observation: &Observation, facts: CertificateFacts) -> Verdict {
        let assessment = with_chain([facts]);
        let subject = Subject::new(observation, &assessment, basis(), now());
        (CERT_NAME_MISMATCH.check)(&subject)
    }

    #[test]
    fn no_alternative_name() {
        let without = CertificateFacts { san: SubjectAltNames::default(), ..leaf() };
        only(&CERT_NO_SAN, &with_chain([without.clone()]));
        assert_eq!(verdict(&CERT_NO_SAN, &hardened()), Verdict::Passed);
        assert_eq!(verdict(&CERT_NAME_MISMATCH, &with_chain([without])), Verdict::NotApplicable);
        let mut assessment = hardened();
        tls(&mut assessment).chains[0].certificates = vec![unparsable()];
        undetermined(&CERT_NO_SAN, &assessment);
    }

    #[test]
    fn a_name_that_is_not_covered() {
        let mut observation = observation();
        observation.endpoint.names = vec!["docker.example".into(), "other.example".into()];
        let Verdict::Found(found) = asked(&observation, leaf()) else { panic!() };
        assert_eq!(found[0].severity, None);
        assert!(found[0].evidence.starts_with("other.example not among its names"));
        assert!(found[0].evidence.contains("*.apps.example, 10.0.0.5"));
        observation.endpoint.sni = Some("Docker.Example.".into());
        assert_eq!(asked(&observation, leaf()), Verdict::Passed, "only this name was asked for");
    }

    #[test]
    fn a_bare_address_that_is_not_covered_is_an_info() {
        assert_eq!(asked(&observation(), leaf()), Verdict::Passed);
        let mut observation = observation();
        observation.endpoint.address = "10.0.0.6".parse().unwrap();
        let Verdict::Found(found) = asked(&observation, leaf()) else { panic!() };
        assert_eq!(found[0].severity, Some(Severity::Info));
        let mut long = leaf();
        long.san.dns = (0..100).map(|n| format!("{n}.example")).collect();
        let Verdict::Found(found) = asked(&observation, long.clone()) else { panic!() };
        assert!(found[0].evidence.contains("9.example, and 91 more"), "{}", found[0].evidence);
        long.san.more = 7;
        assert!(matches!(asked(&observation, long), Verdict::Undetermined { .. }));
    }

    #[test]
    fn names_match_as_in_rfc_9525() {
        for (pattern, name) in [
            ("a.example", "A.EXAMPLE"),
            ("a.example", "a.example."),
            ("*.example", "a.example"),
            ("*.b.example", "a.B.example"),
        ] {
            assert!(matches(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [
            ("*.example", "a.b.example"),
            ("*.example", "example"),
            ("*.example", ".example"),
            ("*", "localhost"),
            ("a*.example", "ab.example"),
            ("b.*.example", "b.a.example"),
            ("a.example\0.evil", "a.example"),
            ("", "a"),
        ] {
            assert!(!matches(pattern, name), "{pattern} {name}");
        }
        let san = SubjectAltNames {
            present: true,
            dns: vec!["10.0.0.9".into()],
            ip: vec!["::ffff:10.0.0.1".parse().unwrap()],
            more: 0,
        };
        assert!(covers(&san, "10.0.0.1"));
        assert!(!covers(&san, "10.0.0.9"), "an address is looked for among the addresses");
    }
}
