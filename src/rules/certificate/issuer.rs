//! Who vouches for the server.

use std::collections::HashSet;

use super::{Outcome, chains, each_leaf, issue_server_certificate, key_label, label};
use crate::certificate::public_roots::is_public_root;
use crate::certificate::{Certificate, CertificateFacts, SelfSignature};
use crate::finding::Severity;
use crate::rules::{Rule, Subject, Verdict, Violation};

pub static CERT_SELF_SIGNED: Rule = Rule {
    name: "cert-self-signed",
    severity: Severity::Medium,
    title: "Self-signed certificate",
    why: "Nobody but the server vouches for the server. Clients that did not get this very \
          certificate by another way cannot tell it from one that someone on the path made a \
          minute ago, so in practice they do not verify at all.",
    detection: "Subject and issuer of the leaf are the same name. Whether it carries its own \
                key's signature is said apart, for not every key can be verified.",
    remediation: concat!(
        "Make a small CA of your own, keep its key off the Docker hosts, and issue a certificate \
         for each of them:\
         \n\n    openssl req -x509 -new -newkey ec -pkeyopt ec_paramgen_curve:secp384r1 -sha384 \\\
         \n      -days 3650 -subj '/CN=Docker CA' -addext keyUsage=critical,keyCertSign,cRLSign \\\
         \n      -keyout ca-key.pem -out ca.pem",
        issue_server_certificate!()
    ),
    cwe: None,
    references: &[
        "RFC 5280, section 3.2 (self-signed and self-issued)",
        "https://docs.docker.com/engine/security/protect-access/",
    ],
    check: |subject| each_leaf(subject, self_signed),
};

fn self_signed(facts: &CertificateFacts) -> Outcome {
    let signature = match &facts.self_signature {
        _ if !facts.self_issued => return Outcome::Passed,
        SelfSignature::Verified => "its signature is its own key's".to_owned(),
        SelfSignature::Failed => {
            "its signature is not its own key's, so it was issued by another key under the same \
             name, or changed"
                .to_owned()
        }
        SelfSignature::Unverifiable(because) => {
            format!("its signature was not verified: {because}")
        }
        SelfSignature::NotSelfIssued => "its signature was not verified".to_owned(),
    };
    Outcome::found(format!(
        "Subject and issuer are the same name; {signature}. Valid from {} to {}, {} key: {}",
        facts.not_before,
        facts.not_after,
        key_label(&facts.key),
        label(facts)
    ))
}

pub static CERT_PRIVATE_ROOT: Rule = Rule {
    name: "cert-private-root",
    severity: Severity::Info,
    title: "Chain ends in a root that it brings along",
    why: "For a Docker daemon a CA of one's own is the right thing. What it is worth depends on \
          two things that the wire does not show: whether clients have this root from elsewhere, \
          and where its key is kept.",
    detection: "More than one certificate is sent, the last is self-issued, and its name and key \
                are those of no public root and of none that was given with --ca.",
    remediation: "See that clients verify against their own copy of the root, that the copy is \
                  this one, and that the root's key is on none of the Docker hosts:\n\
                  \n    docker --tlsverify --tlscacert ca.pem -H tcp://docker.example:2376 version\
                  \n    openssl x509 -in ca.pem -noout -fingerprint -sha256\n\
                  \nThe server need not send the root: clients have it or cannot use it.",
    cwe: None,
    references: &[
        "RFC 8446, section 4.4.2 (the root may be left out)",
        "https://docs.docker.com/engine/security/protect-access/",
    ],
    check: private_root,
};

fn private_root(subject: &Subject<'_>) -> Verdict {
    let chains = match chains(subject) {
        Ok(chains) => chains,
        Err(verdict) => return verdict,
    };
    let mut known = HashSet::new();
    let (mut found, mut unknown) = (Vec::new(), Vec::new());
    for chain in chains {
        let (Some(leaf), Some(last)) = (chain.certificates.first(), chain.certificates.last())
        else {
            continue;
        };
        if leaf.sha256() == last.sha256() || !known.insert(last.sha256()) {
            continue;
        }
        let given = |facts| subject.anchors.is_some_and(|anchors| anchors.stands_for(facts));
        match last {
            Certificate::Parsed(facts) if given(facts) => {}
            Certificate::Parsed(facts) if facts.self_issued && !is_public_root(facts) => {
                let short: String = facts.sha256.chars().take(16).collect();
                let evidence = format!(
                    "The chain of {} certificates ends in the self-issued {}, valid from {} to \
                     {}, {} key. No public root has this name and key",
                    chain.certificates.len(),
                    label(facts),
                    facts.not_before,
                    facts.not_after,
                    key_label(&facts.key)
                );
                found.push(Violation::new(evidence).subject(format!("root {short}")));
            }
            Certificate::Parsed(_) => {}
            Certificate::Unparsable { because, .. } => {
                unknown
                    .push(format!("the last certificate of the chain cannot be read: {because}"));
            }
        }
    }
    match (found.is_empty(), unknown.is_empty()) {
        (false, _) => Verdict::Found(found),
        (true, false) => Verdict::undetermined(unknown.join("; ")),
        (true, true) => Verdict::Passed,
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::fixture::*;
    use super::*;

    #[test]
    fn a_self_issued_leaf() {
        let rule = &CERT_SELF_SIGNED;
        for (signature, text) in [
            (SelfSignature::Verified, "its signature is its own key's"),
            (SelfSignature::Failed, "not its own key's"),
            (SelfSignature::Unverifiable("Ed448".into()), "not verified: Ed448"),
        ] {
            let facts = CertificateFacts { self_signature: signature, ..root() };
            let violation = only(rule, &with_chain([facts]));
            assert!(violation.evidence.contains(text), "{}", violation.evidence);
            assert!(violation.evidence.contains("RSA 2048 key"));
        }
        assert_eq!(verdict(rule, &hardened()), Verdict::Passed);
        let mut assessment = hardened();
        tls(&mut assessment).chains[0].certificates[0] = unparsable();
        undetermined(rule, &assessment);
    }

    #[test]
    fn a_root_that_is_sent() {
        let rule = &CERT_PRIVATE_ROOT;
        let violation = only(rule, &hardened());
        assert_eq!(violation.subject.as_deref(), Some("root 2020202020202020"));
        assert!(violation.evidence.contains("chain of 2 certificates"));
        assert!(violation.evidence.contains("No public root has this name and key"));
        for chain in [vec![leaf()], vec![root()], vec![leaf(), intermediate()]] {
            let mut assessment = hardened();
            tls(&mut assessment).chains[0].certificates =
                chain.into_iter().map(|facts| Certificate::Parsed(Box::new(facts))).collect();
            assert_eq!(verdict(rule, &assessment), Verdict::Passed);
        }
        let mut assessment = hardened();
        tls(&mut assessment).chains.push(chain([intermediate(), root()]));
        only(rule, &assessment);
        let mut assessment = with_chain([leaf()]);
        tls(&mut assessment).chains[0].certificates.push(unparsable());
        undetermined(rule, &assessment);
        assert_eq!(verdict(rule, &open_plain()), Verdict::NotApplicable);
    }
}
