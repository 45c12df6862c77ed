//! What the server's key may do beside being a server's.

use super::{Outcome, each_leaf, issue_server_certificate, label};
use crate::assess::{Answer, ClientAuth};
use crate::certificate::CertificateFacts;
use crate::finding::Severity;
use crate::rules::{Rule, Violation};

pub static CERT_IS_CA: Rule = Rule {
    name: "cert-is-ca",
    severity: Severity::Medium,
    title: "Server certificate is a CA",
    why: "The key that the server has on its disk can issue certificates. Where this certificate \
          is trusted as a CA, whoever takes the host can make client certificates for every other \
          host that trusts it.",
    detection: "The leaf has the extension basicConstraints, with cA set.",
    remediation: concat!(
        "Take the CA's key off the host, and let the server use a certificate that is none. \
         openssl req -x509 sets cA by itself, so issue with CA:FALSE:",
        issue_server_certificate!()
    ),
    cwe: None,
    references: &["RFC 5280, section 4.2.1.9 (basicConstraints)"],
    check: |subject| {
        each_leaf(subject, |facts| {
            if !facts.is_ca {
                return Outcome::Passed;
            }
            let issuer = if facts.self_issued { "self-issued" } else { "issued by another CA" };
            Outcome::found(format!(
                "basicConstraints says cA=TRUE, and it is the server's own certificate, {issuer}: {}",
                label(facts)
            ))
        })
    },
};

pub static CERT_ALSO_CLIENT_AUTH: Rule = Rule {
    name: "cert-also-client-auth",
    severity: Severity::Info,
    title: "Server certificate could log in as a client",
    why: "Its issuer's certificates are what a Docker daemon lets in. So whoever takes one host \
          has with its server key a client certificate for every host under the same CA.",
    detection: "extKeyUsage of the leaf is missing, or has clientAuth or anyExtendedKeyUsage. \
                Medium where the CertificateRequest of this server names the leaf's issuer.",
    remediation: concat!(
        "Issue server certificates for serverAuth only, and client certificates for clientAuth \
         only; best of all from two CAs, with \"tlscacert\" naming the clients' one:",
        issue_server_certificate!()
    ),
    cwe: None,
    references: &[
        "RFC 5280, section 4.2.1.12 (extKeyUsage)",
        "https://docs.docker.com/engine/security/protect-access/",
    ],
    check: |subject| {
        let auth = subject.assessment.tls.as_ref().map(|tls| &tls.client_auth);
        each_leaf(subject, |facts| also_client(facts, auth))
    },
};

fn also_client(facts: &CertificateFacts, auth: Option<&ClientAuth>) -> Outcome {
    let permits = |name: &&String| matches!(name.as_str(), "clientAuth" | "anyExtendedKeyUsage");
    let uses = match &facts.extended_key_usage {
        None => "no extKeyUsage, so any use".to_owned(),
        Some(uses) => match uses.iter().find(permits) {
            Some(name) => format!("extKeyUsage has {name}"),
            None => return Outcome::Passed,
        },
    };
    let (severity, accepted) = match auth {
        Some(auth) if auth.acceptable_issuers.contains(&facts.issuer_der) => {
            (Severity::Medium, "the CertificateRequest of this server names its issuer".to_owned())
        }
        Some(auth) if auth.requested == Answer::Yes => {
            let (kept, total) = (auth.acceptable_issuers.len(), auth.acceptable_issuers_total);
            let which = if kept < total {
                format!("the first {kept} of {total} issuers in the CertificateRequest are others")
            } else if total == 0 {
                "the CertificateRequest of this server names no issuers".to_owned()
            } else {
                "the CertificateRequest of this server names other issuers".to_owned()
            };
            (Severity::Info, which)
        }
        Some(auth) if auth.requested == Answer::No => {
            (Severity::Info, "this server asks for no client certificate".to_owned())
        }
        _ => (Severity::Info, "which issuers this server accepts is not known".to_owned()),
    };
    Outcome::Found(
        Violation::new(format!("{uses}; issued by {}; {accepted}: {}", facts.issuer, label(facts)))
            .severity(severity),
    )
}

#[cfg(test)]
mod tests {
    use super::super::super::fixture::*;
    use super::*;
    use crate::rules::Verdict;

    #[test]
    fn a_ca_as_server() {
        let violation = only(&CERT_IS_CA, &with_chain([root()]));
        assert!(violation.evidence.contains("cA=TRUE"));
        assert_eq!(verdict(&CERT_IS_CA, &hardened()), Verdict::Passed, "the root may be one");
        let mut assessment = hardened();
        tls(&mut assessment).chains.clear();
        undetermined(&CERT_IS_CA, &assessment);
    }

    fn usable_for(uses: Option<&[&str]>) -> CertificateFacts {
        let uses = uses.map(|uses| uses.iter().map(|name| (*name).to_owned()).collect());
        CertificateFacts { extended_key_usage: uses, ..leaf() }
    }

    #[test]
    fn a_server_that_could_be_a_client() {
        let rule = &CERT_ALSO_CLIENT_AUTH;
        for uses in [None, Some(&["serverAuth", "clientAuth"][..]), Some(&["anyExtendedKeyUsage"])]
        {
            let violation = only(rule, &with_chain([usable_for(uses)]));
            assert_eq!(violation.severity, Some(Severity::Medium));
            assert!(violation.evidence.contains("names its issuer"));
        }
        assert_eq!(verdict(rule, &hardened()), Verdict::Passed);
        assert_eq!(verdict(rule, &with_chain([usable_for(Some(&[]))])), Verdict::Passed);
        let mut assessment = hardened();
        tls(&mut assessment).chains[0].certificates[0] = unparsable();
        undetermined(rule, &assessment);
    }

    #[test]
    fn is_an_info_where_its_issuer_is_not_named() {
        let evidence = |change: fn(&mut ClientAuth)| {
            let mut assessment = with_chain([usable_for(None)]);
            change(client_auth(&mut assessment));
            let violation = only(&CERT_ALSO_CLIENT_AUTH, &assessment);
            assert_eq!(violation.severity, Some(Severity::Info));
            violation.evidence
        };
        assert!(
            evidence(|auth| auth.acceptable_issuers[0] = b"x".to_vec()).contains("names other")
        );
        assert!(
            evidence(|auth| {
                auth.acceptable_issuers[0] = b"x".to_vec();
                auth.acceptable_issuers_total = 9;
            })
            .contains("the first 1 of 9")
        );
        assert!(
            evidence(|auth| {
                auth.acceptable_issuers.clear();
                auth.acceptable_issuers_total = 0;
            })
            .contains("names no issuers")
        );
        assert!(
            evidence(|auth| {
                auth.acceptable_issuers.clear();
                auth.requested = Answer::No;
            })
            .contains("asks for no client certificate")
        );
        assert!(
            evidence(|auth| {
                auth.acceptable_issuers.clear();
                auth.requested = Answer::Undetermined;
            })
            .contains("is not known")
        );
    }
}
