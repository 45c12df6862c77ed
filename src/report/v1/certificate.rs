//! Chains, certificates and their keys, as the report says them.

use std::net::IpAddr;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::observation::TlsVersion;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Chain {
    pub seen_in: Vec<TlsVersion>,
    /// Leaf first, as sent.
    pub certificates: Vec<Certificate>,
}

/// A certificate, or why it cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Certificate {
    Parsed(Box<ParsedCertificate>),
    Unparsable(UnparsableCertificate),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ParsedCertificate {
    /// RFC 4514 text.
    pub subject: String,
    pub issuer: String,
    /// Lower-case hex.
    pub serial: String,
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub not_before: Timestamp,
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub not_after: Timestamp,
    /// Subject and issuer are the same name.
    pub self_issued: bool,
    pub self_signature: SelfSignature,
    pub signature_algorithm: String,
    pub key: Key,
    pub san: SubjectAltNames,
    pub is_ca: bool,
    /// Null: the certificate does not limit its use.
    pub extended_key_usage: Option<Vec<String>>,
    /// Of the whole DER, lower-case hex.
    pub sha256: String,
    /// Why the self signature is unverifiable.
    pub self_signature_reason: Option<String>,
    /// 1 to 3.
    pub x509_version: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UnparsableCertificate {
    /// Of the whole DER, lower-case hex.
    pub sha256: String,
    /// Why it cannot be read.
    pub unparsable: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SelfSignature {
    /// The certificate's own key made its signature.
    Verified,
    /// Checked by a verifier that supports this key and algorithm, and wrong.
    Failed,
    /// No verifier here supports this key or algorithm.
    Unverifiable,
    /// Another key signed it.
    NotSelfIssued,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Key {
    /// `RSA`, `DSA`, `EC`, `Ed25519`, `Ed448`, or a dotted OID.
    pub algorithm: String,
    pub bits: Option<u32>,
    pub curve: Option<String>,
    /// RSA public exponent, decimal.
    pub exponent: Option<String>,
    /// Of the SubjectPublicKeyInfo, lower-case hex.
    pub spki_sha256: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SubjectAltNames {
    pub dns: Vec<String>,
    pub ip: Vec<IpAddr>,
    /// The extension is there, even if it holds no name of these kinds.
    pub present: bool,
}
