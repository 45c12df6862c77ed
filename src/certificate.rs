//! DER certificates to facts (RFC 5280), without judgement. Called by `assess`; pure.

pub mod batch_gcd;
mod der;
mod extension;
pub mod issuing;
pub mod key;
mod name;
pub mod public_roots;
mod signature;
#[cfg(test)]
mod tests;

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use x509_parser::certificate::{X509Certificate, X509CertificateParser};
use x509_parser::error::X509Error;
use x509_parser::nom::Parser as _;
use x509_parser::nom::error::ErrorKind;
use x509_parser::time::ASN1Time;

pub use name::{CanonicalName, MAX_NAME_CHARS, name_text};

/// A certificate as the peer sent it: its facts, or why they cannot be read.
#[derive(Clone, Debug, PartialEq)]
pub enum Certificate {
    Parsed(Box<CertificateFacts>),
    Unparsable { sha256: String, because: String },
}

#[derive(Clone, Debug, PartialEq)]
pub struct CertificateFacts {
    /// X.509 version, 1 to 3.
    pub version: u32,
    /// RFC 4514 text, bounded; not safe to print raw.
    pub subject: String,
    pub issuer: String,
    /// DER of the names, for comparison without loss.
    pub subject_der: Vec<u8>,
    pub issuer_der: Vec<u8>,
    /// Lower-case hex without separators; a minus sign before it where the integer is negative.
    pub serial: String,
    pub not_before: Timestamp,
    pub not_after: Timestamp,
    /// Subject and issuer are the same name.
    pub self_issued: bool,
    pub self_signature: SelfSignature,
    pub signature_algorithm: SignatureAlgorithm,
    pub key: KeyFacts,
    pub san: SubjectAltNames,
    /// Basic constraints say CA (or, in version 1, nothing can say it is not: then `false`).
    pub is_ca: bool,
    /// Names as in RFC 5280, section 4.2.1.12, else dotted OIDs.
    /// `None`: no extended key usage extension, so any use is allowed.
    pub extended_key_usage: Option<Vec<String>>,
    /// Of the whole DER, lower-case hex.
    pub sha256: String,
}

/// Kept apart from `self_issued`: verifiers fail on exactly the weak keys one wants to report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SelfSignature {
    Verified,
    /// Checked by a verifier that supports this key and algorithm, and wrong.
    Failed,
    Unverifiable(String),
    NotSelfIssued,
}

/// Whether a certificate carries the signature of a certain key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signature {
    Verified,
    /// Checked by a verifier that supports this key and algorithm, and wrong.
    Failed,
    Unverifiable(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignatureAlgorithm {
    /// `sha256WithRSAEncryption`, or the dotted OID where the name is not known.
    pub name: String,
    /// `None` where the algorithm has no separate hash or is unknown.
    pub hash: Option<HashAlgorithm>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HashAlgorithm {
    Md2,
    Md4,
    Md5,
    Sha1,
    Sha224,
    Sha256,
    Sha384,
    Sha512,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyFacts {
    pub algorithm: KeyAlgorithm,
    /// RSA modulus, DSA prime, EC field or Edwards-curve key size. `None` where the key or its
    /// curve cannot be read.
    pub bits: Option<u32>,
    /// Named curve, `P-256` style where it has such a name, else the dotted OID.
    pub curve: Option<String>,
    /// RSA public exponent, decimal; `None` above 512 bits, where no honest key is.
    pub exponent: Option<String>,
    /// RSA modulus, DSA y, the x of an EC point or the bytes of an Edwards-curve key, big-endian
    /// without zeros before them. `None` where it cannot be read.
    pub public_value: Option<Vec<u8>>,
    /// Of the SubjectPublicKeyInfo's DER, lower-case hex.
    pub spki_sha256: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyAlgorithm {
    Rsa,
    Dsa,
    Ec,
    Ed25519,
    Ed448,
    /// The dotted OID.
    Other(String),
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SubjectAltNames {
    /// The extension is there, even if it holds no name of these kinds.
    pub present: bool,
    pub dns: Vec<String>,
    pub ip: Vec<std::net::IpAddr>,
    /// DNS names and addresses beyond the first `MAX` of the extension, counted and not kept.
    pub more: usize,
}

impl SubjectAltNames {
    /// Bound on the names kept, of both kinds together.
    pub const MAX: usize = 100;
}

impl Certificate {
    /// Never fails: what cannot be parsed is a fact too.
    pub fn from_der(der: &[u8]) -> Self {
        match facts(der) {
            Ok(facts) => Self::Parsed(Box::new(facts)),
            Err(because) => Self::Unparsable { sha256: sha256_hex(der), because },
        }
    }

    pub fn facts(&self) -> Option<&CertificateFacts> {
        match self {
            Self::Parsed(facts) => Some(facts),
            Self::Unparsable { .. } => None,
        }
    }

    /// Of the whole DER, lower-case hex.
    pub fn sha256(&self) -> &str {
        match self {
            Self::Parsed(facts) => &facts.sha256,
            Self::Unparsable { sha256, .. } => sha256,
        }
    }
}

fn facts(der: &[u8]) -> Result<CertificateFacts, String> {
    let outer = der::element(der);
    if let Some((der::Element { tag: der::SEQUENCE, .. }, rest)) = outer
        && !rest.is_empty()
    {
        return Err(format!("{} bytes follow the certificate", rest.len()));
    }
    let truncated = outer.is_none() && matches!(der, [] | [der::SEQUENCE, ..]);
    // Extensions are read one by one below: a broken one that nobody judges costs nothing.
    let (_, x509) = X509CertificateParser::new()
        .with_deep_parse_extensions(false)
        .parse(der)
        .map_err(|error| explain(&X509Error::from(error), truncated))?;
    let parts = Parts::split(der).ok_or("the certificate's fields do not follow each other")?;

    let subject_text = name_text(parts.subject)
        .ok_or("its subject is no distinguished name (RFC 5280, section 4.1.2.6)")?;
    let issuer_text = name_text(parts.issuer)
        .ok_or("its issuer is no distinguished name (RFC 5280, section 4.1.2.4)")?;
    let key = key::facts(&x509.subject_pki, parts.spki);
    let signature_algorithm = signature::algorithm(&x509.signature_algorithm);
    let self_issued = parts.subject == parts.issuer;
    let self_signature = if self_issued {
        signature::verify(&x509, &key, &signature_algorithm, parts.tbs)
    } else {
        SelfSignature::NotSelfIssued
    };
    let extensions = extension::read(x509.extensions())?;

    Ok(CertificateFacts {
        version: version(&x509)?,
        subject: subject_text,
        issuer: issuer_text,
        subject_der: parts.subject.to_vec(),
        issuer_der: parts.issuer.to_vec(),
        serial: der::integer_hex(x509.raw_serial()),
        not_before: timestamp(&x509.validity.not_before),
        not_after: timestamp(&x509.validity.not_after),
        self_issued,
        self_signature,
        signature_algorithm,
        key,
        san: extensions.san,
        is_ca: extensions.is_ca,
        extended_key_usage: extensions.extended_key_usage,
        sha256: sha256_hex(der),
    })
}

/// The exact bytes of the fields that are hashed, verified or compared. x509-parser's own slices
/// end where its parser stopped, which need not be where the field ends.
struct Parts<'a> {
    tbs: &'a [u8],
    issuer: &'a [u8],
    subject: &'a [u8],
    spki: &'a [u8],
}

impl<'a> Parts<'a> {
    /// RFC 5280, section 4.1: the order of the fields of TBSCertificate.
    fn split(certificate: &'a [u8]) -> Option<Self> {
        let tbs = der::elements(der::element(certificate)?.0.content).next()??;
        let mut fields = der::elements(tbs.content).peekable();
        fields.next_if(|field| field.is_some_and(|field| field.tag == der::CONTEXT_0));
        let (_serial, _signature) = (fields.next()??, fields.next()??);
        let issuer = fields.next()??.whole;
        let _validity = fields.next()??;
        let subject = fields.next()??.whole;
        let spki = fields.next()??.whole;
        Some(Self { tbs: tbs.whole, issuer, subject, spki })
    }
}

fn version(x509: &X509Certificate<'_>) -> Result<u32, String> {
    match x509.version.0 {
        number @ 0..=2 => Ok(number + 1),
        number => Err(format!(
            "its version field is {number}; X.509 has 0 to 2 (RFC 5280, section 4.1.2.1)"
        )),
    }
}

/// RFC 5280, section 4.1.2.5, writes "never expires" as 99991231235959Z, two days after the last
/// instant that a `Timestamp` can hold: that and later are the last instant.
fn timestamp(time: &ASN1Time) -> Timestamp {
    Timestamp::from_second(time.timestamp()).unwrap_or(Timestamp::MAX)
}

/// What x509-parser rejects, in words that say where to look.
fn explain(error: &X509Error, truncated: bool) -> String {
    let what = match error {
        X509Error::InvalidVersion => "its version is no small INTEGER",
        X509Error::InvalidSerial => "its serial number is no INTEGER",
        X509Error::InvalidAlgorithmIdentifier => "an algorithm identifier in it is malformed",
        X509Error::InvalidX509Name | X509Error::InvalidAttributes => {
            "its issuer or subject is no distinguished name (RFC 5280, section 4.1.2.4)"
        }
        X509Error::InvalidDate => {
            "its validity holds a time that is neither UTCTime nor GeneralizedTime \
             (RFC 5280, section 4.1.2.5)"
        }
        X509Error::InvalidSPKI => {
            "its public key is no SubjectPublicKeyInfo (RFC 5280, section 4.1.2.7)"
        }
        X509Error::InvalidSubjectUID | X509Error::InvalidIssuerUID => {
            "a unique identifier in it is malformed (RFC 5280, section 4.1.2.8)"
        }
        X509Error::InvalidExtensions | X509Error::DuplicateExtensions => {
            "its list of extensions is malformed (RFC 5280, section 4.2)"
        }
        X509Error::InvalidSignatureValue => "its signature is no BIT STRING",
        X509Error::Der(_) | X509Error::NomError(ErrorKind::Eof) if truncated => {
            "the DER ends before the certificate does"
        }
        _ => "it is not the DER of a certificate (RFC 5280, section 4.1)",
    };
    format!("{what}: {error}")
}

fn sha256_hex(bytes: &[u8]) -> String {
    der::hex(&Sha256::digest(bytes))
}
