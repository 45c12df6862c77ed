//! Whether chains lead to what the user trusts.

use std::collections::{HashMap, HashSet};

use sha2::{Digest as _, Sha256};

use super::{chains, issue_server_certificate};
use crate::finding::Severity;
use crate::rules::{Rule, Subject, Verdict, Violation};
use crate::trust::{Trust, verify};

pub static CERT_UNTRUSTED: Rule = Rule {
    name: "cert-untrusted",
    severity: Severity::Medium,
    title: "Certificate is not trusted",
    why: "Clients that verify refuse to connect, and the way out that is found first is to verify \
          no more. Where a chain does not lead to the CA that it should, it may also be another's \
          server that answers.",
    detection: "Only with --ca or --system-roots: no path leads from the leaf over the \
                certificates sent to a given one (RFC 5280, section 6). The dates of the leaf \
                itself are left to cert-expired and cert-not-yet-valid. What the verifier has no \
                means to judge is undetermined.",
    remediation: concat!(
        "See which link fails, with the same CA file:\
         \n\n    openssl s_client -connect HOST:2376 -CAfile ca.pem -showcerts </dev/null\
         \n\nIf an intermediate is missing, append it to the file that tlscert names, leaf first. \
         If the CA is another one, or a link has expired or may not issue, issue the certificate \
         anew:",
        issue_server_certificate!()
    ),
    cwe: None,
    references: &[
        "RFC 5280, section 6 (path validation)",
        "https://docs.docker.com/engine/security/protect-access/",
    ],
    check: untrusted,
};

fn untrusted(subject: &Subject<'_>) -> Verdict {
    let Some(anchors) = subject.anchors else {
        return Verdict::NotApplicable;
    };
    let chains = match chains(subject) {
        Ok(chains) => chains,
        Err(verdict) => return verdict,
    };
    let by_hash = by_hash(subject);
    let mut judged = HashSet::new();
    let (mut found, mut unknown) = (Vec::new(), Vec::new());
    for chain in chains {
        let hashes: Vec<&str> = chain.certificates.iter().map(|sent| sent.sha256()).collect();
        let Some(leaf) = hashes.first().map(|hash| hash.chars().take(16).collect::<String>())
        else {
            continue;
        };
        if !judged.insert(hashes.clone()) {
            continue;
        }
        let sent: Option<Vec<&[u8]>> =
            hashes.iter().map(|hash| by_hash.get(*hash).copied()).collect();
        let Some(sent) = sent else {
            unknown.push("the observation lacks a certificate of the chain".to_owned());
            continue;
        };
        match verify(&sent, anchors, subject.now) {
            Trust::Trusted(_) => {}
            Trust::Undetermined(because) => unknown.push(because),
            Trust::Untrusted(reason) => {
                let versions: Vec<&str> = chain.seen_in.iter().map(|v| v.name()).collect();
                let count = sent.len();
                let noun = if count == 1 { "certificate" } else { "certificates" };
                let evidence = format!(
                    "The chain of {count} {noun} sent in {} does not lead to {}: {reason}",
                    versions.join(" and "),
                    anchors.sources()
                );
                found.push(Violation::new(evidence).subject(format!("leaf {leaf}")));
            }
        }
    }
    // One finding a leaf: two chains of it fail for one cause, mostly.
    let mut leaves = HashSet::new();
    found.retain(|violation| leaves.insert(violation.subject.clone()));
    match (found.is_empty(), unknown.is_empty()) {
        (false, _) => Verdict::Found(found),
        (true, false) => Verdict::undetermined(unknown.join("; ")),
        (true, true) => Verdict::Passed,
    }
}

/// The certificates' DER by SHA-256 in lower-case hex.
fn by_hash<'a>(subject: &Subject<'a>) -> HashMap<String, &'a [u8]> {
    let hex = |der: &[u8]| -> String {
        Sha256::digest(der).iter().map(|byte| format!("{byte:02x}")).collect()
    };
    let certificates = &subject.observation.certificates;
    certificates.iter().map(|der| (hex(&der.0), der.0.as_slice())).collect()
}

#[cfg(test)]
mod tests {
    use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

    use super::super::super::fixture::{
        self, hardened, judged_by, only, open_plain, tls, unparsable, verdict,
    };
    use super::super::{issuer, order};
    use super::*;
    use crate::assess::Assessment;
    use crate::certificate::Certificate;
    use crate::observation::{Der, Observation};
    use crate::trust::Anchors;

    struct Pki {
        root: rcgen::Certificate,
        between: rcgen::Certificate,
        leaf: rcgen::Certificate,
    }

    fn pki() -> Pki {
        let named = |name: &str| {
            let mut params = CertificateParams::default();
            params.distinguished_name.push(DnType::CommonName, name);
            params
        };
        let authority = |name: &str| {
            let mut params = named(name);
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            params
        };
        let key = || KeyPair::generate().unwrap();
        let (root_key, between_key) = (key(), key());
        let root = authority("root").self_signed(&root_key).unwrap();
        let root_issuer = Issuer::new(authority("root"), root_key);
        let between = authority("between").signed_by(&between_key, &root_issuer).unwrap();
        let between_issuer = Issuer::new(authority("between"), between_key);
        let leaf = named("server").signed_by(&key(), &between_issuer).unwrap();
        Pki { root, between, leaf }
    }

    fn anchors(certificate: &rcgen::Certificate) -> Anchors {
        let mut anchors = Anchors::default();
        anchors.add_pem("ca.pem", certificate.pem().as_bytes()).unwrap();
        anchors
    }

    fn observed(sent: &[&rcgen::Certificate]) -> (Observation, Assessment) {
        let mut observation = fixture::observation();
        observation.certificates = sent.iter().map(|c| Der(c.der().to_vec())).collect();
        let mut assessment = hardened();
        tls(&mut assessment).chains[0].certificates =
            sent.iter().map(|certificate| Certificate::from_der(certificate.der())).collect();
        (observation, assessment)
    }

    #[test]
    fn a_chain_is_judged_by_what_is_given() {
        let Pki { root, between, leaf } = pki();
        let judged = |sent: &[&rcgen::Certificate], given: &Anchors| {
            let (observation, assessment) = observed(sent);
            judged_by(&CERT_UNTRUSTED, &observation, &assessment, Some(given))
        };
        let given = anchors(&root);
        assert_eq!(judged(&[&leaf, &between], &given), Verdict::Passed);
        let Verdict::Found(found) = judged(&[&leaf], &given) else { panic!() };
        let [violation] = found.as_slice() else { panic!("{found:?}") };
        let parts = [
            "The chain of 1 certificate sent in TLSv1.3",
            "does not lead to ca.pem (1 certificate)",
            "was issued by CN=between",
        ];
        parts.iter().for_each(|part| assert!(violation.evidence.contains(part), "{violation:?}"));
        assert!(violation.subject.as_ref().unwrap().starts_with("leaf "));

        let (mut observation, mut assessment) = observed(&[&leaf]);
        assert_eq!(
            judged_by(&CERT_UNTRUSTED, &observation, &assessment, None),
            Verdict::NotApplicable
        );
        observation.certificates.clear();
        let lacking = judged_by(&CERT_UNTRUSTED, &observation, &assessment, Some(&given));
        assert!(matches!(lacking, Verdict::Undetermined { .. }), "{lacking:?}");
        tls(&mut assessment).chains.clear();
        let hidden = judged_by(&CERT_UNTRUSTED, &observation, &assessment, Some(&given));
        assert!(matches!(hidden, Verdict::Undetermined { .. }), "{hidden:?}");
        let plain = judged_by(&CERT_UNTRUSTED, &observation, &open_plain(), Some(&given));
        assert_eq!(plain, Verdict::NotApplicable);
        let mut assessment = hardened();
        tls(&mut assessment).chains[0].certificates = vec![unparsable()];
        assert_eq!(verdict(&CERT_UNTRUSTED, &assessment), Verdict::NotApplicable);
    }

    #[test]
    fn a_given_root_is_no_stranger_and_a_given_intermediate_is_no_root() {
        let Pki { root, between, leaf } = pki();
        let rule = &issuer::CERT_PRIVATE_ROOT;
        let (observation, assessment) = observed(&[&leaf, &between, &root]);
        only(rule, &assessment);
        let given = anchors(&root);
        assert_eq!(judged_by(rule, &observation, &assessment, Some(&given)), Verdict::Passed);
        let others = anchors(&pki().root);
        let judged = judged_by(rule, &observation, &assessment, Some(&others));
        assert!(matches!(judged, Verdict::Found(_)));

        let rule = &order::CERT_CHAIN_INCOMPLETE;
        let (observation, assessment) = observed(&[&leaf]);
        assert_eq!(verdict(rule, &assessment), Verdict::NotApplicable);
        let judged = judged_by(rule, &observation, &assessment, Some(&others));
        assert!(matches!(judged, Verdict::Undetermined { .. }), "{judged:?}");
        let given = anchors(&between);
        let Verdict::Found(found) = judged_by(rule, &observation, &assessment, Some(&given)) else {
            panic!()
        };
        assert!(found[0].evidence.contains("given under that name is no root"), "{found:?}");
        let (observation, assessment) = observed(&[&leaf, &between]);
        let given = anchors(&root);
        assert_eq!(judged_by(rule, &observation, &assessment, Some(&given)), Verdict::Passed);
    }
}
