//! DER certificates to facts (RFC 5280), without judgement. Called by `assess`; pure.

use jiff::Timestamp;

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
    /// Lower-case hex without separators.
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
    /// RSA modulus, DSA prime or EC field size.
    pub bits: Option<u32>,
    /// Named curve, `P-256` style where it has such a name, else the dotted OID.
    pub curve: Option<String>,
    /// RSA public exponent, decimal.
    pub exponent: Option<String>,
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
}

impl Certificate {
    /// Never fails: what cannot be parsed is a fact too.
    pub fn from_der(der: &[u8]) -> Self {
        let _ = der;
        Self::Unparsable { sha256: String::new(), because: "not implemented".into() }
    }
}

/// A distinguished name's DER as RFC 4514 text, bounded; `None` where it is not a name.
pub fn name_text(der: &[u8]) -> Option<String> {
    let _ = der;
    None
}
