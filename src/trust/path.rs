//! Builds and verifies the path, with bounds on what a hostile chain can make of it.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::time::Duration;

use jiff::Timestamp;
use rustls::pki_types::{CertificateDer, TrustAnchor, UnixTime};
use webpki::{EndEntityCert, KeyUsage, VerifiedPath};

use super::explain;
use super::{Anchors, Root, Trust};
use crate::certificate::issuing::{IssuingLimits, issuing_limits};
use crate::certificate::{Certificate, CertificateFacts, SelfSignature};

/// The verifier follows every way from name to name: with this many certificates of one name, and
/// its own bound of seven certificates a path, there are a few thousand at most.
const MAX_OF_ONE_NAME: usize = 4;
/// Bound on the certificates that could stand between the leaf and an anchor.
const MAX_BETWEEN: usize = 32;

/// A certificate that the server sent.
pub(super) struct Sent<'a> {
    pub der: CertificateDer<'a>,
    pub facts: CertificateFacts,
    pub limits: Result<IssuingLimits, String>,
}

/// All that could make a path.
pub(super) struct Material<'a> {
    pub leaf: Sent<'a>,
    /// Those to which names lead from the leaf, in the order in which they lead there.
    pub between: Vec<Sent<'a>>,
    /// Self-signed ones, which are no links but ends.
    pub sent_roots: Vec<CertificateFacts>,
    /// Anchors to which names lead.
    pub anchors: Vec<&'a Root>,
    pub now: Timestamp,
}

/// Judges a chain as a TLS server's, `sent` being the DER of its certificates, leaf first.
///
/// The leaf's own dates are left out, for they are a matter of their own: an expired leaf is
/// judged as it was on its last day, its issuers as they are at `now`.
pub fn verify(sent: &[&[u8]], anchors: &Anchors, now: Timestamp) -> Trust {
    let Some((leaf, others)) = sent.split_first() else {
        return Trust::Undetermined("there is no certificate".to_owned());
    };
    let facts = match Certificate::from_der(leaf) {
        Certificate::Parsed(facts) => *facts,
        Certificate::Unparsable { because, .. } => {
            return Trust::Undetermined(format!("the leaf cannot be read: {because}"));
        }
    };
    if anchors.holds(&facts) {
        return Trust::Trusted("itself, which is among the given certificates".to_owned());
    }
    let limits = issuing_limits(leaf);
    let leaf = Sent { der: CertificateDer::from(*leaf), facts, limits };
    let material = Material::gather(leaf, others, anchors, now);
    if material.anchors.is_empty() {
        return Trust::Untrusted(explain::missing_issuer(&material));
    }
    if let Some(because) = material.excess() {
        return Trust::Undetermined(because);
    }
    material.verify()
}

impl<'a> Material<'a> {
    /// Follows names, each once: linear in what was sent.
    fn gather(leaf: Sent<'a>, others: &[&'a [u8]], anchors: &'a Anchors, now: Timestamp) -> Self {
        let mut by_subject: HashMap<Vec<u8>, Vec<Sent<'a>>> = HashMap::new();
        let mut sent_roots = Vec::new();
        let mut known = HashSet::from([leaf.facts.sha256.clone()]);
        for der in others {
            let Certificate::Parsed(facts) = Certificate::from_der(der) else { continue };
            if !known.insert(facts.sha256.clone()) {
                continue;
            }
            if facts.self_signature == SelfSignature::Verified {
                sent_roots.push(*facts);
                continue;
            }
            let limits = issuing_limits(der);
            let sent = Sent { der: CertificateDer::from(*der), facts: *facts, limits };
            by_subject.entry(sent.facts.subject_der.clone()).or_default().push(sent);
        }
        let mut names = vec![leaf.facts.issuer_der.clone()];
        let (mut between, mut roots) = (Vec::new(), Vec::new());
        let mut followed = HashSet::new();
        while let Some(name) = names.pop() {
            if !followed.insert(name.clone()) {
                continue;
            }
            roots.extend(anchors.named(&name));
            for sent in by_subject.remove(&name).unwrap_or_default() {
                names.push(sent.facts.issuer_der.clone());
                between.push(sent);
            }
        }
        Self { leaf, between, sent_roots, anchors: roots, now }
    }

    fn excess(&self) -> Option<String> {
        if self.between.len() > MAX_BETWEEN {
            return Some(format!(
                "{} of the certificates sent could stand between the leaf and a trusted one, and \
                 at most {MAX_BETWEEN} are tried",
                self.between.len()
            ));
        }
        let mut of_name: HashMap<&[u8], usize> = HashMap::new();
        self.between.iter().find_map(|sent| {
            let count = of_name.entry(&sent.facts.subject_der).or_default();
            *count += 1;
            (*count > MAX_OF_ONE_NAME).then(|| {
                format!(
                    "more than {MAX_OF_ONE_NAME} of the certificates sent bear the name {}, and no \
                     more are tried",
                    sent.facts.subject
                )
            })
        })
    }

    fn verify(&self) -> Trust {
        let leaf = match EndEntityCert::try_from(&self.leaf.der) {
            Ok(leaf) => leaf,
            Err(error) => return explain::failure(self, &error),
        };
        let usable: Vec<TrustAnchor<'_>> =
            self.anchors.iter().filter_map(|root| root.anchor.clone().ok()).collect();
        if usable.is_empty() {
            let error = self.anchors.iter().find_map(|root| root.anchor.as_ref().err());
            let why = error.map(ToString::to_string).unwrap_or_default();
            return Trust::Undetermined(format!(
                "the verifier can make no use of the given certificate that it leads to: {why}"
            ));
        }
        let Some(time) = self.time() else {
            return Trust::Undetermined("the leaf's dates lie before 1970".to_owned());
        };
        let between: Vec<CertificateDer<'_>> =
            self.between.iter().map(|sent| sent.der.clone()).collect();
        let objections = RefCell::new(Vec::new());
        let check = |path: &VerifiedPath<'_>| match self.objection(path) {
            None => Ok(()),
            Some(objection) => {
                objections.borrow_mut().push(objection);
                Err(webpki::Error::UnknownIssuer)
            }
        };
        let verified = leaf.verify_for_usage(
            webpki::ALL_VERIFICATION_ALGS,
            &usable,
            &between,
            time,
            KeyUsage::server_auth(),
            None,
            Some(&check),
        );
        let end = match verified {
            Ok(path) => self.ends(path.anchor()).next().map(|root| explain::label(&root.facts)),
            Err(error) => {
                // A path that verified but for this came closest.
                return match objections.into_inner().into_iter().next() {
                    Some(objection) => Trust::Untrusted(objection),
                    None => explain::failure(self, &error),
                };
            }
        };
        Trust::Trusted(end.unwrap_or_else(|| "a given certificate".to_owned()))
    }

    /// A moment at which the leaf's own dates are in order, as near to now as there is one.
    fn time(&self) -> Option<UnixTime> {
        let facts = &self.leaf.facts;
        let time = self.now.min(facts.not_after).max(facts.not_before);
        let seconds = u64::try_from(time.as_second()).ok()?;
        Some(UnixTime::since_unix_epoch(Duration::from_secs(seconds)))
    }

    /// What the verifier does not look at.
    fn objection(&self, path: &VerifiedPath<'_>) -> Option<String> {
        let mut links = 0;
        for certificate in path.intermediate_certificates() {
            let der = certificate.der();
            let Some(sent) = self.between.iter().find(|sent| sent.der == der) else { continue };
            if let Some(objection) = out_of_date(&sent.facts, self.now)
                .or_else(|| may_not_sign(&sent.facts, &sent.limits))
            {
                return Some(objection);
            }
            links += u32::from(!sent.facts.self_issued);
        }
        let mut objections = self.ends(path.anchor()).map(|root| self.root_objection(root, links));
        // Of several editions of a root one that is in order is enough.
        let first = objections.next()?;
        if objections.any(|objection| objection.is_none()) { None } else { first }
    }

    fn ends(&self, anchor: &TrustAnchor<'_>) -> impl Iterator<Item = &'a Root> {
        let roots = self.anchors.iter().copied();
        roots.filter(move |root| root.anchor.as_ref().is_ok_and(|known| known == anchor))
    }

    fn root_objection(&self, root: &Root, links: u32) -> Option<String> {
        let facts = &root.facts;
        let given = |objection: String| format!("the given {objection}");
        // As Docker's client has it; to OpenSSL a keyUsage with keyCertSign is enough.
        if facts.version == 3 && !facts.is_ca {
            let why = "is no CA, and issues nothing that could be verified";
            return Some(given(format!("{} {why}", explain::label(facts))));
        }
        let limit = root.limits.as_ref().ok().and_then(|limits| limits.path_length);
        if let Some(limit) = limit.filter(|limit| links > *limit) {
            return Some(given(format!(
                "{} allows {limit} CAs below it (pathLenConstraint), and there are {links}",
                explain::label(facts)
            )));
        }
        out_of_date(facts, self.now).or_else(|| may_not_sign(facts, &root.limits)).map(given)
    }
}

pub(super) fn out_of_date(facts: &CertificateFacts, now: Timestamp) -> Option<String> {
    let label = explain::label(facts);
    if facts.not_after < now {
        return Some(format!("{label} expired on {}", facts.not_after));
    }
    (facts.not_before > now).then(|| format!("{label} is not valid before {}", facts.not_before))
}

fn may_not_sign(
    facts: &CertificateFacts,
    limits: &Result<IssuingLimits, String>,
) -> Option<String> {
    let label = explain::label(facts);
    match limits {
        Ok(limits) if limits.signs_certificates == Some(false) => {
            Some(format!("{label} has a keyUsage without keyCertSign, and issues nevertheless"))
        }
        Ok(_) => None,
        Err(because) => Some(format!("{label} cannot be read: {because}")),
    }
}
