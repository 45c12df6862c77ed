//! Whether a chain leads to certificates that somebody trusts (RFC 5280, section 6), and where it
//! fails if not.
//!
//! Pure: the anchors are an argument, and so is the time. rustls-webpki builds and verifies the
//! path; what it does not look at (dates and limits of the anchors themselves, keyUsage) is
//! checked here, and what it cannot judge is undetermined, never untrusted.

use std::collections::{HashMap, HashSet};

use rustls::pki_types::{CertificateDer, TrustAnchor};

use crate::certificate::issuing::{IssuingLimits, issuing_limits};
use crate::certificate::{Certificate, CertificateFacts};

mod explain;
mod path;
mod pem;

pub use path::verify;
pub use pem::PemError;

/// Certificates that paths may end in: given ones, or a system's.
#[derive(Debug, Default)]
pub struct Anchors {
    roots: Vec<Root>,
    by_subject: HashMap<Vec<u8>, Vec<usize>>,
    /// SHA-256 of each, lower-case hex.
    known: HashSet<String>,
    sources: Vec<String>,
}

#[derive(Debug)]
struct Root {
    facts: CertificateFacts,
    limits: Result<IssuingLimits, String>,
    der: CertificateDer<'static>,
    /// `Err`: the verifier cannot make use of it.
    anchor: Result<TrustAnchor<'static>, webpki::Error>,
}

impl Anchors {
    /// Takes every certificate of a PEM file; other blocks are passed over. `source` is what
    /// reports call the file.
    ///
    /// # Errors
    /// The first line that is not right, or that there is no certificate at all.
    pub fn add_pem(&mut self, source: &str, text: &[u8]) -> Result<(), PemError> {
        let mut certificates = Vec::new();
        for block in pem::certificates(text)? {
            match Certificate::from_der(&block.der) {
                Certificate::Parsed(facts) => certificates.push((*facts, block.der)),
                Certificate::Unparsable { because, .. } => {
                    return Err(PemError::Certificate { line: block.line, because });
                }
            }
        }
        self.note(source, certificates.len());
        certificates.into_iter().for_each(|(facts, der)| self.add(facts, der));
        Ok(())
    }

    /// Takes what can be read of a system's certificates; returns how many that were.
    pub fn add_system(&mut self, certificates: impl IntoIterator<Item = Vec<u8>>) -> usize {
        let readable: Vec<_> = certificates
            .into_iter()
            .filter_map(|der| match Certificate::from_der(&der) {
                Certificate::Parsed(facts) => Some((*facts, der)),
                Certificate::Unparsable { .. } => None,
            })
            .collect();
        let count = readable.len();
        self.note("the system's roots", count);
        readable.into_iter().for_each(|(facts, der)| self.add(facts, der));
        count
    }

    fn note(&mut self, source: &str, count: usize) {
        let noun = if count == 1 { "certificate" } else { "certificates" };
        self.sources.push(format!("{source} ({count} {noun})"));
    }

    fn add(&mut self, facts: CertificateFacts, der: Vec<u8>) {
        if !self.known.insert(facts.sha256.clone()) {
            return;
        }
        let limits = issuing_limits(&der);
        let der = CertificateDer::from(der);
        let anchor = webpki::anchor_from_trusted_cert(&der).map(|anchor| anchor.to_owned());
        self.by_subject.entry(facts.subject_der.clone()).or_default().push(self.roots.len());
        self.roots.push(Root { facts, limits, der, anchor });
    }

    /// Where they come from, for a reader of the report.
    pub fn sources(&self) -> String {
        self.sources.join(" and ")
    }

    /// This very certificate is among them.
    pub fn holds(&self, facts: &CertificateFacts) -> bool {
        self.known.contains(&facts.sha256)
    }

    /// One of them bears the same name and the same key, in whichever edition.
    pub fn stands_for(&self, facts: &CertificateFacts) -> bool {
        self.named(&facts.subject_der)
            .any(|root| root.facts.key.spki_sha256 == facts.key.spki_sha256)
    }

    /// What is known of those with this name, in DER.
    pub fn facts_of<'a>(
        &'a self,
        subject: &[u8],
    ) -> impl Iterator<Item = &'a CertificateFacts> + use<'a> {
        self.named(subject).map(|root| &root.facts)
    }

    fn named<'a>(&'a self, subject: &[u8]) -> impl Iterator<Item = &'a Root> + use<'a> {
        let indices = self.by_subject.get(subject).map(Vec::as_slice).unwrap_or_default();
        indices.iter().filter_map(|index| self.roots.get(*index))
    }
}

/// What became of a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trust {
    /// With the certificate that it leads to.
    Trusted(String),
    /// With the link that fails, and why.
    Untrusted(String),
    Undetermined(String),
}

#[cfg(test)]
mod tests;
