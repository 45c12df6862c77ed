//! The registry of cipher suites, and what a suite's name says of it.
//!
//! tls-parser carries IANA's table. A registered name is built by a grammar (RFC 5246 appendix A.5,
//! RFC 8446 appendix B.4), and everything that is asked of a suite here stands in its name.

use std::sync::LazyLock;

use crate::observation::TlsVersion;

/// A suite by its number on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CipherSuite {
    pub id: u16,
    /// IANA's, or for suites that never got there the draft's.
    pub name: &'static str,
    facts: Facts,
}

/// What is asked of hundreds of suites for every endpoint, read from the name once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Facts {
    classes: [bool; CipherClass::ALL.len()],
    versions: [bool; TlsVersion::ALL.len()],
    forward_secrecy: bool,
    needs_secret: bool,
}

/// What is wrong with a suite. One suite can be in several classes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CipherClass {
    /// No encryption.
    Null,
    /// Nobody is authenticated.
    Anonymous,
    /// Keys of 40 or 56 bits, by the export law of the 1990s.
    Export,
    Rc4,
    /// Block ciphers of 64 bits: 3DES, DES, IDEA, RC2.
    SmallBlock,
    /// The client encrypts the secret to the certificate's RSA key.
    RsaKeyExchange,
}

impl CipherClass {
    pub const ALL: [Self; 6] = [
        Self::Null,
        Self::Anonymous,
        Self::Export,
        Self::Rc4,
        Self::SmallBlock,
        Self::RsaKeyExchange,
    ];

    /// As reports and rules call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Anonymous => "anonymous",
            Self::Export => "export",
            Self::Rc4 => "rc4",
            Self::SmallBlock => "3des",
            Self::RsaKeyExchange => "rsa-key-exchange",
        }
    }
}

impl CipherSuite {
    pub fn from_id(id: u16) -> Option<Self> {
        let position = REGISTRY.binary_search_by_key(&id, |suite| suite.id).ok()?;
        REGISTRY.get(position).copied()
    }

    pub fn from_name(name: &str) -> Option<Self> {
        REGISTRY.iter().find(|suite| suite.name == name).copied()
    }

    /// Every suite that can be negotiated, by number.
    pub fn all() -> &'static [Self] {
        &REGISTRY
    }

    /// How the secret is agreed on, in the words of the name: `ECDHE`, `RSA`, `PSK`. TLS 1.3 agrees
    /// on it outside the suite.
    pub fn key_exchange(self) -> &'static str {
        let Some(head) = self.head() else { return "TLS 1.3" };
        match head.split('_').next().unwrap_or(head) {
            // The registry's way to write DHE_PSK with CCM_8 (RFC 6655).
            "PSK" if head.ends_with("_DHE") => "DHE",
            first if first.starts_with("GOST") => "GOST",
            first => first,
        }
    }

    /// Who vouches for the server: `RSA`, `ECDSA`, `DSS`, `PSK`, `none`. In TLS 1.3 the certificate
    /// says it.
    pub fn authentication(self) -> &'static str {
        let Some(head) = self.head() else { return "TLS 1.3" };
        let mut words = head.rsplit('_').filter(|word| !word.starts_with("EXPORT"));
        match words.next().unwrap_or(head) {
            "anon" => "none",
            "DHE" => "PSK",
            "FIPS" => "RSA",
            "SHA" => "SRP",
            _ if head.starts_with("GOST") => "GOST",
            last => last,
        }
    }

    /// The cipher with its mode and without the hash: `AES_128_GCM`, `3DES_EDE_CBC`, `NULL`.
    pub fn encryption(self) -> &'static str {
        let tail = self.tail();
        ["_SHA256", "_SHA384", "_SHA512", "_SHA", "_MD5", "_SM3", "_GOSTR3411"]
            .iter()
            .find_map(|hash| tail.strip_suffix(hash))
            // TLS_SHA256_SHA256 (RFC 9150): a hash in the place of a cipher.
            .map_or(tail, |cipher| if cipher.starts_with("SHA") { "NULL" } else { cipher })
    }

    /// What is recorded today stays secret after the server's key is lost: the secret comes from
    /// keys made for one handshake, the server is authenticated, and something is encrypted.
    pub fn has_forward_secrecy(self) -> bool {
        self.facts.forward_secrecy
    }

    pub fn is(self, class: CipherClass) -> bool {
        CipherClass::ALL.iter().zip(self.facts.classes).any(|(of, is)| *of == class && is)
    }

    pub fn classes(self) -> impl Iterator<Item = CipherClass> {
        CipherClass::ALL.into_iter().filter(move |class| self.is(*class))
    }

    /// DES with its own 56 bits, which anyone can search through.
    pub fn is_single_des(self) -> bool {
        self.encryption() == "DES_CBC"
    }

    /// Client and server must share a secret, or Kerberos, before they meet: no stranger gets in by
    /// such a suite.
    pub fn needs_secret(self) -> bool {
        self.facts.needs_secret
    }

    /// Whether the suite is defined for this version. A suite of an old version is counted as one
    /// of the newer ones up to TLS 1.2, also where their RFCs withdraw it: servers do not.
    pub fn exists_in(self, version: TlsVersion) -> bool {
        TlsVersion::ALL.iter().zip(self.facts.versions).any(|(of, is)| *of == version && is)
    }

    fn named(id: u16, name: &'static str) -> Self {
        let mut suite = Self { id, name, facts: Facts::default() };
        let needs_secret = suite.head().is_some_and(|head| {
            head.split('_').any(|part| matches!(part, "PSK" | "KRB5" | "SRP" | "ECCPWD"))
        });
        suite.facts.needs_secret = needs_secret;
        suite.facts.classes = CipherClass::ALL.map(|class| suite.is_by_name(class));
        suite.facts.versions = TlsVersion::ALL.map(|version| suite.exists_by_name(version));
        suite.facts.forward_secrecy =
            matches!(suite.key_exchange(), "ECDHE" | "DHE" | "ECCPWD" | "TLS 1.3")
                && !suite.is(CipherClass::Anonymous)
                && !suite.is(CipherClass::Null);
        suite
    }

    fn is_by_name(self, class: CipherClass) -> bool {
        let cipher = self.encryption();
        match class {
            CipherClass::Null => cipher == "NULL",
            CipherClass::Anonymous => self.name.contains("_anon_"),
            CipherClass::Export => self.name.contains("_EXPORT"),
            CipherClass::Rc4 => cipher.starts_with("RC4_"),
            CipherClass::SmallBlock => {
                ["3DES_", "DES_", "DES40_", "IDEA_", "RC2_"].iter().any(|c| cipher.starts_with(c))
            }
            CipherClass::RsaKeyExchange => self.key_exchange() == "RSA" && !self.needs_secret(),
        }
    }

    fn exists_by_name(self, version: TlsVersion) -> bool {
        if self.head().is_none() {
            return version == TlsVersion::Tls13;
        }
        match version {
            TlsVersion::Tls13 => false,
            TlsVersion::Tls12 => true,
            TlsVersion::Tls10 | TlsVersion::Tls11 => !self.needs_tls12(),
            // Also with curves, though SSL 3.0 has no extensions to agree on one.
            TlsVersion::Ssl3 => !self.needs_tls12() && !self.is_later_psk(),
        }
    }

    /// Authenticated encryption, and a hash other than MD5 and SHA-1, came with TLS 1.2.
    fn needs_tls12(self) -> bool {
        let aead = ["_GCM", "_CCM", "_POLY1305", "_OMAC"].iter().any(|m| self.name.contains(m));
        let later_hash = ["_SHA256", "_SHA384"].iter().any(|hash| self.name.ends_with(hash));
        aead || (later_hash && !self.is_later_psk())
    }

    /// RFC 5487 section 3 allows these before TLS 1.2.
    fn is_later_psk(self) -> bool {
        self.name.contains("PSK_WITH_")
            && (self.name.contains("_CBC_SHA") || self.name.contains("_NULL_SHA"))
            && (self.name.ends_with("256") || self.name.ends_with("384"))
    }

    /// What stands before `_WITH_`: key exchange and authentication. `None` for TLS 1.3, also where
    /// RFC 9367 names its suites in the older way.
    fn head(self) -> Option<&'static str> {
        let (head, tail) = self.name.split_once("_WITH_")?;
        let (_, head) = head.split_once('_')?;
        (!tail.contains("_MGM_")).then_some(head)
    }

    fn tail(self) -> &'static str {
        match self.name.split_once("_WITH_") {
            Some((_, tail)) => tail,
            None => self.name.strip_prefix("TLS_").unwrap_or(self.name),
        }
    }
}

static REGISTRY: LazyLock<Vec<CipherSuite>> = LazyLock::new(|| {
    let registered = tls_parser::CIPHERS.values().map(|suite| (suite.id.0, suite.name));
    let mut suites: Vec<CipherSuite> = registered
        .chain(UNKNOWN_TO_THE_PARSER.iter().copied())
        .map(|(id, name)| CipherSuite::named(id, name))
        // The state before any negotiation, and signals, are no suites.
        .filter(|suite| suite.id != 0 && !suite.name.ends_with("_SCSV"))
        .collect();
    suites.sort_unstable();
    suites.dedup_by_key(|suite| suite.id);
    suites
});

const UNKNOWN_TO_THE_PARSER: &[(u16, &str)] = &[
    // RFC 9189 and 9367.
    (0xc100, "TLS_GOSTR341112_256_WITH_KUZNYECHIK_CTR_OMAC"),
    (0xc101, "TLS_GOSTR341112_256_WITH_MAGMA_CTR_OMAC"),
    (0xc102, "TLS_GOSTR341112_256_WITH_28147_CNT_IMIT"),
    (0xc103, "TLS_GOSTR341112_256_WITH_KUZNYECHIK_MGM_L"),
    (0xc104, "TLS_GOSTR341112_256_WITH_MAGMA_MGM_L"),
    (0xc105, "TLS_GOSTR341112_256_WITH_KUZNYECHIK_MGM_S"),
    (0xc106, "TLS_GOSTR341112_256_WITH_MAGMA_MGM_S"),
    // Of drafts that never became RFCs, and in use all the same.
    (0x0060, "TLS_RSA_EXPORT1024_WITH_RC4_56_MD5"),
    (0x0061, "TLS_RSA_EXPORT1024_WITH_RC2_CBC_56_MD5"),
    (0x0062, "TLS_RSA_EXPORT1024_WITH_DES_CBC_SHA"),
    (0x0063, "TLS_DHE_DSS_EXPORT1024_WITH_DES_CBC_SHA"),
    (0x0064, "TLS_RSA_EXPORT1024_WITH_RC4_56_SHA"),
    (0x0065, "TLS_DHE_DSS_EXPORT1024_WITH_RC4_56_SHA"),
    (0x0066, "TLS_DHE_DSS_WITH_RC4_128_SHA"),
    (0x0080, "TLS_GOSTR341094_WITH_28147_CNT_IMIT"),
    (0x0081, "TLS_GOSTR341001_WITH_28147_CNT_IMIT"),
    (0x0082, "TLS_GOSTR341094_WITH_NULL_GOSTR3411"),
    (0x0083, "TLS_GOSTR341001_WITH_NULL_GOSTR3411"),
    (0xcc13, "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_OLD_SHA256"),
    (0xcc14, "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_OLD_SHA256"),
    (0xcc15, "TLS_DHE_RSA_WITH_CHACHA20_POLY1305_OLD_SHA256"),
    (0xfefe, "SSL_RSA_FIPS_WITH_DES_CBC_SHA"),
    (0xfeff, "SSL_RSA_FIPS_WITH_3DES_EDE_CBC_SHA"),
    (0xff85, "TLS_GOSTR341112_256_WITH_28147_CNT_IMIT_OLD"),
];

#[cfg(test)]
mod tests;
