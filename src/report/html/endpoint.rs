//! One endpoint: a line to scan, and what is behind it.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::alike::Set;
use super::cases::Found;
use super::heat::Network;
use super::kept::KeptSet;
use super::{Page, words};
use crate::observation::TlsVersion;
use crate::report::text::address_of;
use crate::report::text::table::{client_certificate, grade, product, short, tls};
use crate::report::v1;

/// Issuer names that are written out.
const ISSUERS: usize = 8;
/// Alternative names of a certificate that are written out.
const NAMES: usize = 8;
/// Hex digits of a hash, as findings give them.
const HASH: usize = 16;

/// Made when its turn comes and dropped when it is written.
#[derive(Debug)]
pub struct View<'a> {
    pub number: usize,
    pub endpoint: &'a v1::Endpoint,
    pub place: &'a str,
    /// `None` where the address says it: a /24.
    pub network: Option<String>,
    pub access: &'static str,
    pub access_number: usize,
    pub grade: &'static str,
    pub product: String,
    pub findings: String,
    /// Findings that others have too, with the number under which they are written out.
    pub alike: Option<(usize, &'a Set)>,
    /// The other findings.
    pub found: Vec<Found<'a, 'a>>,
    pub facts: Vec<(&'static str, Cow<'a, str>)>,
    pub chains: Vec<ChainView<'a>>,
    pub undetermined: Vec<(String, &'a str)>,
    /// What it keeps, with the number under which that is written out.
    pub kept: Option<(usize, &'a KeptSet<'a>)>,
}

#[derive(Debug)]
pub struct ChainView<'a> {
    pub versions: String,
    pub certificates: Vec<CertificateView<'a>>,
}

#[derive(Debug)]
pub struct CertificateView<'a> {
    pub subject: &'a str,
    pub details: String,
}

impl<'a> View<'a> {
    pub fn new(number: usize, endpoint: &'a v1::Endpoint, page: &'a Page<'a>) -> Self {
        let network = match Network::of(endpoint.address) {
            Network::V4(_) => None,
            network @ Network::V6(_) => Some(network.to_string()),
        };
        let mut found: Vec<Found<'a, 'a>> = page.cases.of_endpoint(number).collect();
        let counted = found.iter().filter(|found| !found.finding.is_suppressed()).count();
        let alike = page.alike.of_endpoint(number);
        if let Some((_, set)) = alike {
            found.retain(|found| !set.contains(found.place));
        }
        Self {
            number,
            endpoint,
            place: address_of(&endpoint.id),
            network,
            access: words::access(endpoint.api.access),
            access_number: words::access_number(endpoint.api.access),
            grade: endpoint.grade.map_or("–", grade),
            product: product(&endpoint.api),
            findings: words::plural(counted, "finding", "findings"),
            alike,
            found,
            facts: facts(endpoint),
            chains: chains(endpoint),
            undetermined: undetermined(endpoint),
            kept: page.kept.of_endpoint(number),
        }
    }
}

fn facts(endpoint: &v1::Endpoint) -> Vec<(&'static str, Cow<'_, str>)> {
    let api = &endpoint.api;
    let mut facts: Vec<(&'static str, Cow<'_, str>)> = Vec::new();
    if is_new(endpoint, &api.reason) {
        facts.push(("Access", api.reason.as_str().into()));
    }
    facts.extend(engine(endpoint).map(|text| ("Engine", text.into())));
    facts.extend(api.intermediary.as_deref().map(|text| ("In front of it", text.into())));
    if let Some(name) = &endpoint.sni {
        facts.push(("Name sent", name.as_str().into()));
    }
    if let Some(seen) = &endpoint.tls {
        facts.push(("TLS", handshake(endpoint, seen).into()));
        facts.push(("Client certificate", client_auth(endpoint, &seen.client_auth).into()));
        facts.extend(seen.chains_missing.as_deref().map(|why| ("No chain", why.into())));
        for (version, suites) in seen.cipher_suites.iter().flatten().rev() {
            facts.push(("Cipher suites", cipher_suites(*version, suites).into()));
        }
    }
    if let Some(audit) = &endpoint.audit {
        facts.push(("With credentials", audited(audit).into()));
    }
    facts
}

/// Whether no finding's evidence has it: a fleet's page is large enough without saying it twice.
fn is_new(endpoint: &v1::Endpoint, text: &str) -> bool {
    !endpoint.findings.iter().any(|finding| finding.evidence.contains(text))
}

fn engine(endpoint: &v1::Endpoint) -> Option<String> {
    let api = &endpoint.api;
    let mut parts = Vec::new();
    if let Some(body) = &api.version {
        parts.extend(body.version.as_ref().map(|it| ("version ", it)));
        parts.extend(body.api_version.as_ref().map(|it| ("API ", it)));
        parts.extend(body.os.as_ref().map(|it| ("", it)));
        parts.extend(body.kernel_version.as_ref().map(|it| ("kernel ", it)));
    } else {
        parts.extend(api.server.as_ref().map(|it| ("Server: ", it)));
    }
    let new = parts.iter().any(|(_, text)| is_new(endpoint, text));
    let parts: Vec<String> = parts.iter().map(|(what, text)| format!("{what}{text}")).collect();
    new.then(|| parts.join(", "))
}

fn handshake(endpoint: &v1::Endpoint, seen: &v1::Tls) -> String {
    let mut text = tls(endpoint);
    if let Some(negotiated) = &seen.negotiated {
        text.push_str(&format!("; {}", negotiated.cipher_suite));
        if let Some(group) = &negotiated.group {
            text.push_str(&format!(", {group}"));
        }
        let key = match negotiated.key_possession {
            v1::KeyPossession::Proved => "key proved",
            v1::KeyPossession::Failed => "KEY NOT PROVED: the signature is wrong",
            v1::KeyPossession::Unverifiable => "key unverifiable",
            v1::KeyPossession::Untested => "key untested",
        };
        text.push_str(&format!(", {key}"));
    }
    text
}

fn client_auth(endpoint: &v1::Endpoint, auth: &v1::ClientAuth) -> String {
    let mut text = client_certificate(endpoint).to_owned();
    if !auth.acceptable_issuers.is_empty() {
        let issuers: Vec<&str> =
            auth.acceptable_issuers.iter().take(ISSUERS).map(String::as_str).collect();
        text.push_str(&format!("; of {}", issuers.join("; ")));
        let listed = u64::try_from(issuers.len()).unwrap_or(u64::MAX);
        if let more @ 1.. = auth.acceptable_issuers_total.saturating_sub(listed) {
            text.push_str(&format!(" and {more} more"));
        }
    }
    text
}

fn cipher_suites(version: TlsVersion, list: &v1::CipherSuites) -> String {
    let names: Vec<&str> = list.suites.iter().map(|suite| suite.name.as_str()).collect();
    let mut text = format!("{}: {}", short(version), names.join(", "));
    if let Some(why) = &list.incomplete_reason {
        text.push_str(&format!("; perhaps more: {why}"));
    }
    text
}

fn audited(audit: &v1::Audit) -> String {
    let what = match audit.status {
        v1::AuditStatus::Served => "let in",
        v1::AuditStatus::Refused => "refused",
        v1::AuditStatus::NotPresented => "not shown",
        v1::AuditStatus::Undetermined => "undetermined",
    };
    format!("{what}: {}", audit.reason)
}

fn chains(endpoint: &v1::Endpoint) -> Vec<ChainView<'_>> {
    let chains = endpoint.tls.iter().flat_map(|tls| &tls.chains);
    chains
        .map(|chain| {
            let versions: Vec<&str> = chain.seen_in.iter().map(|it| short(*it)).collect();
            ChainView {
                versions: versions.join(", "),
                certificates: certificates(&chain.certificates),
            }
        })
        .collect()
}

fn certificates(chain: &[v1::Certificate]) -> Vec<CertificateView<'_>> {
    let views = chain.iter().enumerate().map(|(place, certificate)| match certificate {
        v1::Certificate::Parsed(leaf) if place == 0 => {
            CertificateView { subject: &leaf.subject, details: leaf_details(leaf) }
        }
        v1::Certificate::Parsed(issuer) => {
            CertificateView { subject: &issuer.subject, details: issuer_details(issuer) }
        }
        v1::Certificate::Unparsable(it) => {
            let details = format!("{}; SHA-256 {}", it.unparsable, short_hash(&it.sha256));
            CertificateView { subject: "cannot be read", details }
        }
    });
    views.collect()
}

fn leaf_details(leaf: &v1::ParsedCertificate) -> String {
    let mut parts = vec![
        issuer(leaf),
        key(&leaf.key),
        leaf.signature_algorithm.clone(),
        format!("{} to {}", day(leaf.not_before), day(leaf.not_after)),
    ];
    let dns = leaf.san.dns.iter().cloned();
    let names: Vec<String> = dns.chain(leaf.san.ip.iter().map(ToString::to_string)).collect();
    if !names.is_empty() {
        let more = names.len().saturating_sub(NAMES);
        let shown = names.get(..NAMES.min(names.len())).unwrap_or_default().join(", ");
        let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
        parts.push(format!("for {shown}{rest}"));
    }
    if leaf.is_ca {
        parts.push("CA".to_owned());
    }
    parts.push(format!("SHA-256 {}", short_hash(&leaf.sha256)));
    parts.join("; ")
}

/// Shorter, as many endpoints show the same ones.
fn issuer_details(certificate: &v1::ParsedCertificate) -> String {
    format!(
        "{}; {}; until {}; SHA-256 {}",
        issuer(certificate),
        key(&certificate.key),
        day(certificate.not_after),
        short_hash(&certificate.sha256)
    )
}

fn issuer(certificate: &v1::ParsedCertificate) -> String {
    if certificate.self_issued {
        "self-issued".to_owned()
    } else {
        format!("by {}", certificate.issuer)
    }
}

fn day(time: jiff::Timestamp) -> String {
    time.strftime("%Y-%m-%d").to_string()
}

fn key(key: &v1::Key) -> String {
    match (&key.curve, key.bits) {
        (Some(curve), _) => format!("{} {curve}", key.algorithm),
        (None, Some(bits)) => format!("{} {bits}", key.algorithm),
        (None, None) => key.algorithm.clone(),
    }
}

fn short_hash(sha256: &str) -> &str {
    sha256.get(..HASH).unwrap_or(sha256)
}

/// Rules that could not be answered, with those of one reason together.
fn undetermined(endpoint: &v1::Endpoint) -> Vec<(String, &str)> {
    let mut by_reason: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for v1::UndeterminedRule { rule, reason } in &endpoint.rules_undetermined {
        by_reason.entry(reason).or_default().push(rule);
    }
    by_reason.into_iter().map(|(reason, rules)| (rules.join(", "), reason)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::html::cases::Cases;
    use crate::report::sample;

    fn view(id: &str, check: impl FnOnce(View<'_>)) {
        let report = sample::report();
        let cases = Cases::of(&report);
        let page = Page::new(&report, &cases);
        let number = report.endpoints.iter().position(|endpoint| endpoint.id == id).unwrap();
        check(View::new(number, &report.endpoints[number], &page));
    }

    fn fact<'a>(view: &'a View<'_>, term: &str) -> &'a str {
        &view.facts.iter().find(|(known, _)| *known == term).unwrap().1
    }

    #[test]
    fn an_endpoint_with_certificates_tells_who_comes_in() {
        view("tcp/10.0.0.6:2376", |view| {
            assert_eq!((view.place, view.grade), ("10.0.0.6:2376", "A"));
            assert_eq!(view.access, "client certificate");
            assert_eq!(fact(&view, "Client certificate"), "required; of #dead");
            assert_eq!(fact(&view, "TLS"), "1.2 1.3; TLS_AES_128_GCM_SHA256, X25519, key proved");
            assert!(fact(&view, "With credentials").starts_with("let in: "));
            let chain = &view.chains[0];
            assert_eq!((chain.versions.as_str(), chain.certificates.len()), ("1.2, 1.3", 2));
            assert_eq!(
                chain.certificates[0].details,
                "by CN=Example CA; RSA 2048; sha256WithRSAEncryption; 2025-01-01 to 2027-01-01; \
                 for build.example, 10.0.0.6; SHA-256 6666666666666666"
            );
            assert_eq!(view.kept.unwrap().1.sentence(), "3 rules, 1 of the six");
        });
    }

    #[test]
    fn what_is_not_known_says_why() {
        view("tcp/10.0.0.10:2375", |view| {
            assert_eq!((view.grade, view.access), ("–", "undetermined"));
            assert_eq!(fact(&view, "Access"), "no answer within 5 s");
        });
        view("tcp/10.0.0.7:2376", |view| {
            assert_eq!(
                view.undetermined,
                [("tls-no-version-1.3, cert-expired".to_owned(), "the 1.3 hello was reset")]
            );
            assert!(fact(&view, "TLS").contains("KEY NOT PROVED"));
        });
        view("tcp/[2001:db8::5]:2375", |view| {
            assert_eq!(view.network.as_deref(), Some("2001:db8::/64"));
        });
    }
}
