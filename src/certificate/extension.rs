//! The extensions that rules ask about (RFC 5280, section 4.2.1); all others are skipped unread.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use x509_parser::extensions::X509Extension;

use super::{SubjectAltNames, der};

/// Longest DNS name kept, in characters; the longest valid one has 253.
const MAX_DNS_CHARS: usize = 512;
/// Bound on the uses kept, far above the number of uses that have a name.
const MAX_USES: usize = 50;

#[derive(Debug, Default)]
pub(super) struct Extensions {
    pub is_ca: bool,
    pub san: SubjectAltNames,
    pub extended_key_usage: Option<Vec<String>>,
}

/// `Err` says which of the three is malformed or there twice: then nobody can say what it means,
/// and verifiers reject the certificate (RFC 5280, section 4.2).
pub(super) fn read(extensions: &[X509Extension<'_>]) -> Result<Extensions, String> {
    let mut read = Extensions::default();
    if let Some(value) = unique(extensions, "2.5.29.19", "basicConstraints")? {
        read.is_ca = is_ca(value).ok_or_else(|| malformed("basicConstraints", "4.2.1.9"))?;
    }
    if let Some(value) = unique(extensions, "2.5.29.17", "subjectAltName")? {
        read.san = alt_names(value).ok_or_else(|| malformed("subjectAltName", "4.2.1.6"))?;
    }
    if let Some(value) = unique(extensions, "2.5.29.37", "extKeyUsage")? {
        let uses = uses(value).ok_or_else(|| malformed("extKeyUsage", "4.2.1.12"))?;
        read.extended_key_usage = Some(uses);
    }
    Ok(read)
}

fn unique<'a>(
    extensions: &[X509Extension<'a>],
    oid: &str,
    name: &str,
) -> Result<Option<&'a [u8]>, String> {
    let mut found =
        extensions.iter().filter(|extension| der::oid_text(extension.oid.as_bytes()) == oid);
    match (found.next(), found.next()) {
        (_, Some(_)) => Err(format!("its {name} extension is there more than once")),
        (first, None) => Ok(first.map(|extension| extension.value)),
    }
}

fn malformed(name: &str, section: &str) -> String {
    format!("its {name} extension is malformed (RFC 5280, section {section})")
}

/// `BasicConstraints ::= SEQUENCE { cA BOOLEAN DEFAULT FALSE, pathLenConstraint … }`
fn is_ca(value: &[u8]) -> Option<bool> {
    match der::elements(sequence(value)?).next() {
        None => Some(false),
        Some(first) => match first? {
            der::Element { tag: der::BOOLEAN, content: [flag], .. } => Some(*flag != 0),
            der::Element { tag: der::INTEGER, .. } => Some(false),
            _ => None,
        },
    }
}

/// `SubjectAltName ::= SEQUENCE OF GeneralName`; DNS names are `[2]`, addresses `[7]`.
fn alt_names(value: &[u8]) -> Option<SubjectAltNames> {
    let mut names = SubjectAltNames { present: true, ..SubjectAltNames::default() };
    for name in der::elements(sequence(value)?) {
        let name = name?;
        let kept = names.dns.len() + names.ip.len();
        match name.tag {
            0x82 | 0x87 if kept >= SubjectAltNames::MAX => names.more += 1,
            0x82 => names.dns.push(dns_name(name.content)),
            // Other lengths are no addresses: some tools put the text of one here, which no
            // verifier accepts as one.
            0x87 => names.ip.extend(address(name.content)),
            _ => {}
        }
    }
    Some(names)
}

fn dns_name(bytes: &[u8]) -> String {
    let bytes = bytes.get(..4 * MAX_DNS_CHARS).unwrap_or(bytes);
    String::from_utf8_lossy(bytes).chars().take(MAX_DNS_CHARS).collect()
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(four) = <[u8; 4]>::try_from(bytes) {
        return Some(Ipv4Addr::from(four).into());
    }
    <[u8; 16]>::try_from(bytes).ok().map(|sixteen| Ipv6Addr::from(sixteen).into())
}

/// `ExtKeyUsageSyntax ::= SEQUENCE OF KeyPurposeId`
fn uses(value: &[u8]) -> Option<Vec<String>> {
    let mut uses: Vec<String> = Vec::new();
    for purpose in der::elements(sequence(value)?) {
        let oid = der::oid_text(purpose?.tagged(der::OBJECT_IDENTIFIER)?);
        let known = use_name(&oid);
        let name = known.map_or(oid, str::to_owned);
        // A use that has a name is never crowded out by a list of inventions.
        if (known.is_some() || uses.len() < MAX_USES) && !uses.contains(&name) {
            uses.push(name);
        }
    }
    Some(uses)
}

fn use_name(oid: &str) -> Option<&'static str> {
    Some(match oid {
        "2.5.29.37.0" => "anyExtendedKeyUsage",
        "1.3.6.1.5.5.7.3.1" => "serverAuth",
        "1.3.6.1.5.5.7.3.2" => "clientAuth",
        "1.3.6.1.5.5.7.3.3" => "codeSigning",
        "1.3.6.1.5.5.7.3.4" => "emailProtection",
        "1.3.6.1.5.5.7.3.8" => "timeStamping",
        "1.3.6.1.5.5.7.3.9" => "OCSPSigning",
        _ => return None,
    })
}

fn sequence(value: &[u8]) -> Option<&[u8]> {
    let (outer, rest) = der::element(value)?;
    if rest.is_empty() { outer.tagged(der::SEQUENCE) } else { None }
}
