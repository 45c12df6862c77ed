//! Which link of a chain fails, and why: the verifier's error, tied to a certificate.

use std::collections::HashSet;

use webpki::{EndEntityCert, Error};

use super::path::{Material, Sent, out_of_date};
use super::{Root, Trust};
use crate::certificate::issuing::{IssuingLimits, signature_by};
use crate::certificate::{CertificateFacts, HashAlgorithm, KeyAlgorithm, KeyFacts, Signature};

/// `CN=server (SHA-256 0123456789abcdef…)`.
pub(super) fn label(facts: &CertificateFacts) -> String {
    let name = if facts.subject.is_empty() { "no subject name" } else { &facts.subject };
    let short: String = facts.sha256.chars().take(16).collect();
    format!("{name} (SHA-256 {short}…)")
}

/// Names lead to no given certificate: where they end.
pub(super) fn missing_issuer(material: &Material<'_>) -> String {
    let leaf = &material.leaf.facts;
    if leaf.self_issued {
        return format!("{} is self-issued, and not among the given certificates", label(leaf));
    }
    let subjects: HashSet<&[u8]> =
        material.between.iter().map(|sent| sent.facts.subject_der.as_slice()).collect();
    let sent = || material.between.iter().map(|sent| &sent.facts).rev().chain([leaf]);
    let Some(last) = sent().find(|facts| !subjects.contains(facts.issuer_der.as_slice())) else {
        return format!(
            "the issuers of {} are issued by one another, and none of them is among the given \
             certificates",
            label(leaf)
        );
    };
    let root = material.sent_roots.iter().find(|root| root.subject_der == last.issuer_der);
    match root {
        Some(root) => format!(
            "the chain ends in the self-signed {}, which is not among the given certificates",
            label(root)
        ),
        None => format!(
            "{} was issued by {}, which was neither sent nor given",
            label(last),
            if last.issuer.is_empty() { "a CA without a name" } else { &last.issuer }
        ),
    }
}

/// The verifier's error as a verdict.
pub(super) fn failure(material: &Material<'_>, error: &Error) -> Trust {
    let undetermined = |why: &str| {
        let beyond = material.beyond_verifier();
        let detail = beyond.map(|detail| format!(" ({detail})")).unwrap_or_default();
        Trust::Undetermined(format!("the verifier cannot judge it: {why}{detail}"))
    };
    // Among several ways one that this verifier cannot follow may be another's.
    let untrusted = |reason: String| match material.beyond_verifier() {
        Some(beyond) if material.has_several_ways() => Trust::Undetermined(format!(
            "{reason}; but there is another way that the verifier cannot judge: {beyond}"
        )),
        _ => Trust::Untrusted(reason),
    };
    match error {
        Error::UnknownIssuer if material.anchors.iter().any(|root| root.anchor.is_err()) => {
            undetermined("a given certificate of which it can make no use")
        }
        Error::UnknownIssuer => untrusted(missing_issuer(material)),
        Error::CertExpired { .. } | Error::CertNotValidYet { .. } => {
            match material.between.iter().find_map(|sent| out_of_date(&sent.facts, material.now)) {
                Some(reason) => untrusted(reason),
                None => Trust::Undetermined(
                    "its certificates were never valid all at the same time".to_owned(),
                ),
            }
        }
        Error::InvalidCertValidity => untrusted("a certificate ends before it begins".to_owned()),
        Error::InvalidSignatureForPublicKey => signatures(material),
        Error::SignatureAlgorithmMismatch => untrusted(
            "a certificate names two different signature algorithms (RFC 5280, section 4.1.1.2)"
                .to_owned(),
        ),
        Error::NameConstraintViolation => {
            let by = material.issuer_with(|limits| limits.constrains_names);
            untrusted(format!(
                "{} is not among the names that {by} may issue to (nameConstraints)",
                label(&material.leaf.facts)
            ))
        }
        Error::PathLenConstraintViolated => {
            let by = material.issuer_with(|limits| limits.path_length.is_some());
            untrusted(format!("{by} allows fewer CAs below it than there are (pathLenConstraint)"))
        }
        Error::EndEntityUsedAsCa => match material.between.iter().find(|sent| !sent.facts.is_ca) {
            Some(sent) => untrusted(format!(
                "{} is no CA (basicConstraints), and issues nevertheless",
                label(&sent.facts)
            )),
            None => untrusted("an issuer is no CA (basicConstraints)".to_owned()),
        },
        Error::CaUsedAsEndEntity => undetermined(
            "the leaf is itself a CA, which some take as a server's certificate and others do not",
        ),
        Error::RequiredEkuNotFoundContext(_) | Error::EmptyEkuExtension => usage(material),
        Error::CertDistrusted => untrusted("one of its keys is known to be compromised".to_owned()),
        Error::UnsupportedCertVersion => undetermined("a certificate of X.509 version 1 or 2"),
        Error::UnsupportedCriticalExtension => {
            undetermined("a critical extension that it does not know")
        }
        Error::UnsupportedSignatureAlgorithmContext(_)
        | Error::UnsupportedSignatureAlgorithmForPublicKeyContext(_) => {
            undetermined("a signature algorithm that it does not support")
        }
        Error::MaximumSignatureChecksExceeded
        | Error::MaximumPathBuildCallsExceeded
        | Error::MaximumPathDepthExceeded
        | Error::MaximumNameConstraintComparisonsExceeded => {
            undetermined(&format!("its bounds were reached, {error}"))
        }
        other => undetermined(&other.to_string()),
    }
}

/// The first certificate that none of its possible issuers signed.
fn signatures(material: &Material<'_>) -> Trust {
    for sent in std::iter::once(&material.leaf).chain(&material.between) {
        let mut failed = None;
        let mut unverifiable = None;
        let mut verified = false;
        for (issuer, der) in material.issuers(&sent.facts.issuer_der) {
            match signature_by(&sent.der, der) {
                Signature::Verified => verified = true,
                Signature::Failed => failed = Some(issuer),
                Signature::Unverifiable(because) => unverifiable = Some(because),
            }
        }
        if verified {
            continue;
        }
        if let Some(because) = unverifiable {
            let label = label(&sent.facts);
            return Trust::Undetermined(format!(
                "the signature of {label} is unverified: {because}"
            ));
        }
        if let Some(issuer) = failed {
            return Trust::Untrusted(format!(
                "the signature of {} does not verify with the key of {}",
                label(&sent.facts),
                label(issuer)
            ));
        }
    }
    let beyond = material.beyond_verifier().unwrap_or_else(|| "a signature that it rejects".into());
    Trust::Undetermined(format!("the verifier cannot judge it: {beyond}"))
}

/// An extKeyUsage that leaves out TLS servers.
fn usage(material: &Material<'_>) -> Trust {
    let has = |facts: &CertificateFacts, wanted: &str| {
        facts.extended_key_usage.as_ref().is_none_or(|uses| uses.iter().any(|name| name == wanted))
    };
    let sent = || std::iter::once(&material.leaf).chain(&material.between);
    match sent().map(|sent| &sent.facts).find(|facts| !has(facts, "serverAuth")) {
        Some(facts) if has(facts, "anyExtendedKeyUsage") => Trust::Undetermined(format!(
            "{} is for any use (anyExtendedKeyUsage), which some take to include TLS servers and \
             others do not",
            label(facts)
        )),
        Some(facts) => Trust::Untrusted(format!(
            "{} has an extKeyUsage without serverAuth, and so is not for TLS servers",
            label(facts)
        )),
        None => Trust::Untrusted("an extKeyUsage leaves out TLS servers".to_owned()),
    }
}

impl Material<'_> {
    /// Sent and given ones of this name.
    fn issuers<'s>(
        &'s self,
        name: &'s [u8],
    ) -> impl Iterator<Item = (&'s CertificateFacts, &'s [u8])> {
        let sent = self.between.iter().map(|Sent { facts, der, .. }| (facts, der.as_ref()));
        let given = self.anchors.iter().map(|root| (&root.facts, root.der.as_ref()));
        sent.chain(given).filter(move |(facts, _)| facts.subject_der == name)
    }

    fn issuer_with(&self, test: impl Fn(&IssuingLimits) -> bool) -> String {
        let sent = self.between.iter().map(|sent| (&sent.facts, &sent.limits));
        let given = self.anchors.iter().map(|Root { facts, limits, .. }| (facts, limits));
        let mut limited = sent.chain(given).filter(|(_, limits)| limits.as_ref().is_ok_and(&test));
        limited.next().map_or_else(|| "an issuer".to_owned(), |(facts, _)| label(facts))
    }

    fn has_several_ways(&self) -> bool {
        let mut names = HashSet::new();
        let sent = self.between.iter().map(|sent| &sent.facts);
        let given = self.anchors.iter().map(|root| &root.facts);
        !sent.chain(given).all(|facts| names.insert(&facts.subject_der))
    }

    /// What the verifier has no means for, in any certificate that could be part of a path.
    fn beyond_verifier(&self) -> Option<String> {
        let signed = std::iter::once(&self.leaf).chain(&self.between);
        let unreadable = |sent: &Sent<'_>| {
            let error = EndEntityCert::try_from(&sent.der).err()?;
            Some(format!("{}: {error}", label(&sent.facts)))
        };
        let signature = |sent: &Sent<'_>| {
            let algorithm = &sent.facts.signature_algorithm;
            let supported = algorithm.name == "Ed25519"
                || matches!(
                    algorithm.hash,
                    Some(HashAlgorithm::Sha256 | HashAlgorithm::Sha384 | HashAlgorithm::Sha512)
                );
            (!supported)
                .then(|| format!("{} is signed with {}", label(&sent.facts), algorithm.name))
        };
        let issuers = self
            .between
            .iter()
            .map(|sent| &sent.facts)
            .chain(self.anchors.iter().map(|root| &root.facts));
        signed
            .clone()
            .find_map(unreadable)
            .or_else(|| signed.clone().find_map(signature))
            .or_else(|| issuers.filter(|facts| !is_supported(&facts.key)).map(key_beyond).next())
    }
}

fn key_beyond(facts: &CertificateFacts) -> String {
    let key = &facts.key;
    let size = key.curve.clone().or(key.bits.map(|bits| format!("{bits} bits")));
    format!("{} has a {:?} key of {}", label(facts), key.algorithm, size.unwrap_or_default())
}

fn is_supported(key: &KeyFacts) -> bool {
    match key.algorithm {
        KeyAlgorithm::Rsa => key.bits.is_some_and(|bits| (2048..=8192).contains(&bits)),
        KeyAlgorithm::Ec => {
            matches!(key.curve.as_deref(), Some("P-256" | "P-384" | "P-521"))
        }
        KeyAlgorithm::Ed25519 => true,
        _ => false,
    }
}
