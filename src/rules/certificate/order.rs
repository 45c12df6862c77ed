//! Whether a server sends the certificates that it should, in the order in which it should.

use std::collections::{HashMap, HashSet};

use super::{chains, label};
use crate::assess::Chain;
use crate::certificate::public_roots::is_public_root_name;
use crate::certificate::{Certificate, CertificateFacts};
use crate::finding::Severity;
use crate::rules::{Rule, Subject, Verdict, Violation};
use crate::trust::Anchors;

const MESSAGE: &str = "RFC 8446, section 4.4.2 (the Certificate message)";
const MESSAGE_1_2: &str = "RFC 5246, section 7.4.2 (each certificate certifies the one before it)";

/// How to put the file in order that dockerd sends.
macro_rules! chain_file {
    () => {
        "Let the file that tlscert names hold the leaf first, then each issuer after the \
         certificate that it issued; the root may be left out:\
         \n\n    cat server-cert.pem intermediate.pem > chain.pem\
         \n    openssl crl2pkcs7 -nocrl -certfile chain.pem | openssl pkcs7 -print_certs -noout\
         \n    systemctl restart docker"
    };
}

pub static CERT_CHAIN_INCOMPLETE: Rule = Rule {
    name: "cert-chain-incomplete",
    severity: Severity::Low,
    title: "Chain of certificates has a gap",
    why: "A client that has only the root cannot build the path, and refuses. It works on machines \
          that happen to know the missing certificate, which makes the fault hard to find.",
    detection: "The issuer of the leaf or of an intermediate is not sent, although other issuers \
                are, or although what --ca gives under its name is no root. Without --ca, a chain \
                without a gap that ends at an issuer unknown here is not judged: it may be a \
                root, which may be left out.",
    remediation: chain_file!(),
    cwe: None,
    references: &[MESSAGE, MESSAGE_1_2],
    check: |subject| each_chain(subject, incomplete),
};

pub static CERT_CHAIN_MISORDERED: Rule = Rule {
    name: "cert-chain-misordered",
    severity: Severity::Info,
    title: "Chain of certificates is out of order",
    why: "Up to TLS 1.2 each certificate must certify the one before it. Most clients sort the \
          chain themselves; those that do not refuse it.",
    detection: "A certificate's issuer is sent before it, or a CA is sent in the leaf's place and \
                a certificate that it issued behind it.",
    remediation: chain_file!(),
    cwe: None,
    references: &[MESSAGE, MESSAGE_1_2],
    check: |subject| each_chain(subject, misordered),
};

pub static CERT_CHAIN_SUPERFLUOUS: Rule = Rule {
    name: "cert-chain-superfluous",
    severity: Severity::Info,
    title: "Certificates are sent that belong to no chain of the leaf",
    why: "They cost every handshake bytes, and are often what a renewal left behind: a sign that \
          nobody looks at the file.",
    detection: "No names lead from the leaf to the certificate, or it is sent twice. Roots and \
                cross-signed certificates of a CA in the chain are not counted.",
    remediation: chain_file!(),
    cwe: None,
    references: &[MESSAGE, MESSAGE_1_2],
    check: |subject| each_chain(subject, superfluous),
};

/// A chain, read by its names.
struct Sent<'a> {
    certificates: Vec<&'a CertificateFacts>,
    /// Places of the first of equal ones.
    by_subject: HashMap<&'a [u8], Vec<usize>>,
    /// Places of what was sent before.
    twice: Vec<usize>,
    anchors: Option<&'a Anchors>,
}

enum Shape {
    /// Nothing that was sent or given tells.
    NotApplicable,
    Sound,
    Undetermined(String),
    Flawed(String),
}

fn each_chain(subject: &Subject<'_>, check: impl Fn(&Sent<'_>) -> Shape) -> Verdict {
    let chains = match chains(subject) {
        Ok(chains) => chains,
        Err(verdict) => return verdict,
    };
    let mut known = HashSet::new();
    let (mut found, mut unknown, mut sound) = (Vec::new(), Vec::new(), false);
    for chain in chains {
        let Some(leaf) = chain.certificates.first() else { continue };
        let shape = match Sent::read(chain, subject.anchors) {
            Ok(sent) => check(&sent),
            Err(because) => Shape::Undetermined(because),
        };
        match shape {
            Shape::NotApplicable => {}
            Shape::Sound => sound = true,
            Shape::Undetermined(because) => unknown.push(because),
            Shape::Flawed(evidence) if known.insert(leaf.sha256()) => {
                let short: String = leaf.sha256().chars().take(16).collect();
                found.push(Violation::new(evidence).subject(format!("leaf {short}")));
            }
            Shape::Flawed(_) => {}
        }
    }
    unknown.dedup();
    match (found.is_empty(), unknown.is_empty()) {
        (false, _) => Verdict::Found(found),
        (true, false) => Verdict::undetermined(unknown.join("; ")),
        (true, true) if sound => Verdict::Passed,
        (true, true) => Verdict::NotApplicable,
    }
}

impl<'a> Sent<'a> {
    fn read(chain: &'a Chain, anchors: Option<&'a Anchors>) -> Result<Self, String> {
        let mut certificates = Vec::new();
        let mut by_subject: HashMap<&[u8], Vec<usize>> = HashMap::new();
        let (mut known, mut twice) = (HashSet::new(), Vec::new());
        for (place, certificate) in chain.certificates.iter().enumerate() {
            match certificate {
                Certificate::Parsed(facts) => {
                    certificates.push(facts.as_ref());
                    if known.insert(&facts.sha256) {
                        by_subject.entry(&facts.subject_der).or_default().push(place);
                    } else {
                        twice.push(place);
                    }
                }
                Certificate::Unparsable { because, .. } => {
                    let place = place + 1;
                    return Err(format!(
                        "certificate {place} of the chain cannot be read: {because}"
                    ));
                }
            }
        }
        Ok(Self { certificates, by_subject, twice, anchors })
    }

    fn issuers(&self, facts: &CertificateFacts) -> &[usize] {
        self.by_subject.get(facts.issuer_der.as_slice()).map(Vec::as_slice).unwrap_or_default()
    }

    /// The places that names lead to from the first certificate, in that order, itself included.
    fn connected(&self) -> Vec<usize> {
        let mut connected = Vec::new();
        let mut followed = HashSet::new();
        let mut next = vec![0];
        while let Some(place) = next.pop() {
            let Some(facts) = self.certificates.get(place) else { continue };
            connected.push(place);
            if followed.insert(facts.issuer_der.as_slice()) {
                next.extend(self.issuers(facts).iter().filter(|issuer| **issuer != 0));
            }
        }
        connected
    }

    /// The last certificate on the way from the leaf that is not self-issued and whose issuer is
    /// not sent.
    fn open_end(&self) -> Option<&'a CertificateFacts> {
        let connected = self.connected();
        let facts = connected.iter().rev().filter_map(|place| self.certificates.get(*place));
        facts.copied().find(|facts| !facts.self_issued && self.issuers(facts).is_empty())
    }

    /// Places beside the way from the leaf, those of repetitions aside.
    fn unconnected(&self) -> Vec<usize> {
        let connected: HashSet<usize> = self.connected().into_iter().collect();
        let beside = |place: &usize| !connected.contains(place) && !self.twice.contains(place);
        (0..self.certificates.len()).filter(beside).collect()
    }

    fn labels(&self, places: &[usize]) -> String {
        const LISTED: usize = 5;
        let mut labels: Vec<String> = places
            .iter()
            .take(LISTED)
            .filter_map(|place| {
                Some(format!("{} {}", place + 1, label(self.certificates.get(*place)?)))
            })
            .collect();
        if places.len() > LISTED {
            labels.push(format!("{} more", places.len() - LISTED));
        }
        labels.join(", ")
    }
}

fn incomplete(sent: &Sent<'_>) -> Shape {
    if leads_with_a_ca(sent).is_some() {
        return Shape::Undetermined("the leaf is not sent first".to_owned());
    }
    let Some(end) = sent.open_end() else { return Shape::Sound };
    if sent.anchors.is_some_and(|anchors| anchors.holds(end)) {
        return Shape::Sound;
    }
    let missing = format!("{} was issued by {}, which is not sent", label(end), end.issuer);
    let mut given = sent.anchors.into_iter().flat_map(|anchors| anchors.facts_of(&end.issuer_der));
    match given.next() {
        Some(root) if root.self_issued => return Shape::Sound,
        Some(_) => {
            return Shape::Flawed(format!(
                "{missing}; what was given under that name is no root, so clients that have only \
                 the root lack it"
            ));
        }
        None => {}
    }
    if is_public_root_name(&end.issuer_der) {
        return Shape::Sound;
    }
    let rest = sent.unconnected();
    if rest.is_empty() && sent.anchors.is_none() {
        return Shape::NotApplicable;
    }
    if rest.is_empty() {
        return Shape::Undetermined(format!(
            "{missing}, nor given; whether it is a root, which may be left out, cannot be told"
        ));
    }
    Shape::Flawed(format!("{missing}, while others are: {}", sent.labels(&rest)))
}

fn misordered(sent: &Sent<'_>) -> Shape {
    if let Some((ca, issued)) = leads_with_a_ca(sent) {
        return Shape::Flawed(format!(
            "The first certificate, {}, is a CA, and the leaf that it issued stands behind it: {}",
            label(ca),
            label(issued)
        ));
    }
    // A cross-signed issuer may stand anywhere, as long as one of its name follows.
    for place in sent.connected() {
        let Some(facts) = sent.certificates.get(place).filter(|facts| !facts.self_issued) else {
            continue;
        };
        let issuers = sent.issuers(facts);
        if let Some(first) = issuers.first()
            && issuers.iter().all(|issuer| *issuer < place)
        {
            return Shape::Flawed(format!(
                "Certificate {} of {} was issued by what stands before it: {}",
                place + 1,
                sent.certificates.len(),
                sent.labels(&[*first, place])
            ));
        }
    }
    Shape::Sound
}

fn superfluous(sent: &Sent<'_>) -> Shape {
    if leads_with_a_ca(sent).is_some() {
        return Shape::Undetermined("the leaf is not sent first".to_owned());
    }
    let rest = sent.unconnected();
    // With a gap it is not known what lies behind it.
    if !rest.is_empty() && matches!(incomplete(sent), Shape::Flawed(_)) {
        return Shape::Undetermined(
            "the chain has a gap, so what belongs to it is open".to_owned(),
        );
    }
    let mut flaws = Vec::new();
    if !rest.is_empty() {
        flaws.push(format!("no names lead from the leaf to {}", sent.labels(&rest)));
    }
    if !sent.twice.is_empty() {
        flaws.push(format!("sent more than once: {}", sent.labels(&sent.twice)));
    }
    if flaws.is_empty() {
        return Shape::Sound;
    }
    Shape::Flawed(format!("Of {} certificates {}", sent.certificates.len(), flaws.join("; ")))
}

/// A CA in the leaf's place, and a certificate that it issued and that is none.
fn leads_with_a_ca<'a>(sent: &Sent<'a>) -> Option<(&'a CertificateFacts, &'a CertificateFacts)> {
    let first = sent.certificates.first().filter(|facts| facts.is_ca)?;
    let issued = |facts: &&&CertificateFacts| {
        facts.issuer_der == first.subject_der && !facts.is_ca && facts.sha256 != first.sha256
    };
    sent.certificates.iter().find(issued).map(|issued| (*first, *issued))
}

#[cfg(test)]
mod tests;
