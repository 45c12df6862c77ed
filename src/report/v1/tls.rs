//! What an endpoint's TLS is, as the report says it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Chain, CipherClasses, CipherSuites};
use crate::observation::TlsVersion;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Tls {
    /// All five, always.
    pub versions: BTreeMap<TlsVersion, VersionSupport>,
    /// Of the one handshake that a modern client makes.
    pub negotiated: Option<Negotiated>,
    pub client_auth: ClientAuth,
    /// Of each accepted version, where all suites were asked for (`--ciphers`); else null.
    pub cipher_suites: Option<BTreeMap<TlsVersion, CipherSuites>>,
    /// Every distinct chain, with the versions that showed it.
    pub chains: Vec<Chain>,
    /// Why there are none, if there are none.
    pub chains_missing: Option<String>,
    pub cipher_classes: CipherClasses,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct VersionSupport {
    pub status: SupportStatus,
    pub reason: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SupportStatus {
    Accepted,
    Refused,
    Undetermined,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Negotiated {
    pub version: TlsVersion,
    /// IANA name.
    pub cipher_suite: String,
    pub alpn: Option<String>,
    /// Whether the handshake showed that the server holds the certificate's key.
    pub key_possession: KeyPossession,
    /// Why it is unverifiable.
    pub key_possession_reason: Option<String>,
    /// Named group of the key exchange, IANA name.
    pub group: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum KeyPossession {
    /// The handshake's signature was checked and is right.
    Proved,
    /// Checked by a verifier that supports this key and scheme, and wrong.
    Failed,
    /// No verifier here supports this key, scheme or certificate version.
    Unverifiable,
    /// No signed handshake message was reached.
    Untested,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ClientAuth {
    pub requested: Answer,
    pub required: Answer,
    /// Where it is enforced, if it is.
    pub enforced_by: Option<EnforcedBy>,
    /// Whether a certificate from nowhere is turned away.
    pub verified: Verified,
    /// Distinguished names (RFC 4514); what is no name is `#` and its bytes in hex.
    pub acceptable_issuers: Vec<String>,
    /// How many the server listed, also those not kept.
    pub acceptable_issuers_total: u64,
    /// What the answers rest on.
    pub reason: String,
    /// What the answer on verification rests on, or why there is none.
    #[serde(default)]
    pub verified_reason: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    Yes,
    No,
    Undetermined,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum EnforcedBy {
    /// The handshake is refused.
    Tls,
    /// TLS completes, and every request is answered with an error.
    Http,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Verified {
    /// It was refused.
    Yes,
    /// It was let in, where a stranger without a certificate is not.
    No,
    /// Nobody tried, or there is nothing to try.
    Untested,
    /// It was to be tried, and what came of it tells neither.
    Undetermined,
}
