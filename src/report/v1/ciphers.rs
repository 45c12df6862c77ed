//! Cipher suites as the report says them.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{SupportStatus, VersionSupport};
use crate::assess::{self, CipherAssessment, ClassSupport};
use crate::cipher_suite::{self, CipherClass};
use crate::observation::TlsVersion;

/// Whether any suite of a class is accepted, at any version. One suite can be in several classes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct CipherClasses {
    /// No encryption.
    pub null: VersionSupport,
    /// Nobody is authenticated.
    pub anonymous: VersionSupport,
    /// Keys of 40 or 56 bits.
    pub export: VersionSupport,
    pub rc4: VersionSupport,
    /// Block ciphers of 64 bits: 3DES, DES, IDEA, RC2.
    #[serde(rename = "3des")]
    pub small_block: VersionSupport,
    /// The secret is encrypted to the certificate's RSA key.
    pub rsa_key_exchange: VersionSupport,
    /// Suites with authentication whose secret comes from keys made for one handshake.
    pub forward_secrecy: VersionSupport,
}

/// The suites of one accepted version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CipherSuites {
    /// In the server's order, if `order` says that it has one, else by number.
    pub suites: Vec<CipherSuite>,
    pub order: Order,
    /// False where there may be more.
    pub complete: bool,
    pub incomplete_reason: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CipherSuite {
    /// The number on the wire, `0xc02f`.
    pub id: String,
    /// IANA's, or the draft's where IANA has none.
    pub name: String,
    /// As the name has it: `ECDHE`, `DHE`, `RSA`, `PSK`, …, `TLS 1.3`.
    pub key_exchange: String,
    /// `RSA`, `ECDSA`, `DSS`, `PSK`, …, `none`, `TLS 1.3`.
    pub authentication: String,
    /// `AES_128_GCM`, `NULL`.
    pub encryption: String,
    pub forward_secrecy: bool,
    /// Keys of `cipher_classes` that it is in.
    pub classes: Vec<String>,
}

/// By whose list the server chooses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    Server,
    Client,
    /// Fewer than two suites, or choices that fit neither.
    Undetermined,
}

impl From<&CipherAssessment> for CipherClasses {
    fn from(ciphers: &CipherAssessment) -> Self {
        let of = |class| match ciphers.classes.get(&class) {
            Some(support) => VersionSupport::from(support),
            None => VersionSupport {
                status: SupportStatus::Undetermined,
                reason: "not judged".to_owned(),
            },
        };
        Self {
            null: of(CipherClass::Null),
            anonymous: of(CipherClass::Anonymous),
            export: of(CipherClass::Export),
            rc4: of(CipherClass::Rc4),
            small_block: of(CipherClass::SmallBlock),
            rsa_key_exchange: of(CipherClass::RsaKeyExchange),
            forward_secrecy: (&ciphers.forward_secrecy).into(),
        }
    }
}

impl From<&ClassSupport> for VersionSupport {
    fn from(support: &ClassSupport) -> Self {
        Self { status: support.status.into(), reason: support.reason.clone() }
    }
}

impl From<&assess::SuiteList> for CipherSuites {
    fn from(list: &assess::SuiteList) -> Self {
        Self {
            suites: list.suites.iter().copied().map(CipherSuite::from).collect(),
            order: match list.order {
                assess::ServerOrder::Server => Order::Server,
                assess::ServerOrder::Client => Order::Client,
                assess::ServerOrder::Undetermined => Order::Undetermined,
            },
            complete: list.incomplete.is_none(),
            incomplete_reason: list.incomplete.clone(),
        }
    }
}

impl From<cipher_suite::CipherSuite> for CipherSuite {
    fn from(suite: cipher_suite::CipherSuite) -> Self {
        Self {
            id: format!("{:#06x}", suite.id),
            name: suite.name.to_owned(),
            key_exchange: suite.key_exchange().to_owned(),
            authentication: suite.authentication().to_owned(),
            encryption: suite.encryption().to_owned(),
            forward_secrecy: suite.has_forward_secrecy(),
            classes: suite.classes().map(|class| class.name().to_owned()).collect(),
        }
    }
}

pub(super) fn by_version(
    lists: &BTreeMap<TlsVersion, assess::SuiteList>,
) -> BTreeMap<TlsVersion, CipherSuites> {
    lists.iter().map(|(version, list)| (*version, list.into())).collect()
}
