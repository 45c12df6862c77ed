//! The hand-built ClientHello: asks for TLS versions and suites that no library here still speaks.
//!
//! Building is pure. The handshake is never finished, so no suite offered here has to be
//! implemented: offering it is enough to see whether the server takes it.

mod ask;
#[cfg(test)]
mod tests;

pub use ask::{Wanted, ask};

use std::net::IpAddr;

use rustls::pki_types::DnsName;

use crate::observation::{HelloAnswer, HelloConnection, HelloForm, TlsVersion};

/// Which versions one hello offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Offer {
    /// One version and nothing else: what comes back tells whether it is supported.
    Only(TlsVersion),
    /// TLS 1.3 and 1.2 with wide suites, for servers on which a TLS library's own hello failed for
    /// another reason than the version.
    Tls13And12,
    /// TLS 1.1, 1.0 and SSL 3.0, each by name in `supported_versions`, which binds a server that
    /// has TLS 1.3 (RFC 8446 section 4.2.1): one answer settles them all.
    BelowTls12,
    /// TLS 1.0, 1.1 or 1.2 at most, without any extension (RFC 5246 section 7.4.1.2): for servers
    /// that fail on every hello that has one.
    Bare(TlsVersion),
    /// TLS 1.2 or older with nothing but the suites that `Only` leaves out: for servers that have
    /// no other.
    Rare(TlsVersion),
    /// SSL 3.0 with a server name, for servers that look at the name before the version. Other
    /// servers have to ignore what follows the compression methods (RFC 6101 section 5.6.1.2).
    Ssl3Named,
}

impl Offer {
    /// Every offer there is.
    pub const ALL: [Self; 15] = [
        Self::Only(TlsVersion::Ssl3),
        Self::Only(TlsVersion::Tls10),
        Self::Only(TlsVersion::Tls11),
        Self::Only(TlsVersion::Tls12),
        Self::Only(TlsVersion::Tls13),
        Self::Tls13And12,
        Self::BelowTls12,
        Self::Bare(TlsVersion::Tls10),
        Self::Bare(TlsVersion::Tls11),
        Self::Bare(TlsVersion::Tls12),
        Self::Rare(TlsVersion::Ssl3),
        Self::Rare(TlsVersion::Tls10),
        Self::Rare(TlsVersion::Tls11),
        Self::Rare(TlsVersion::Tls12),
        Self::Ssl3Named,
    ];

    pub fn versions(self) -> Vec<TlsVersion> {
        match self {
            Self::Only(version) | Self::Bare(version) | Self::Rare(version) => vec![version],
            Self::Ssl3Named => vec![TlsVersion::Ssl3],
            Self::Tls13And12 => vec![TlsVersion::Tls13, TlsVersion::Tls12],
            Self::BelowTls12 => vec![TlsVersion::Tls11, TlsVersion::Tls10, TlsVersion::Ssl3],
        }
    }

    pub fn form(self) -> HelloForm {
        match self {
            Self::Only(_) | Self::Tls13And12 | Self::BelowTls12 => HelloForm::Usual,
            Self::Bare(_) => HelloForm::WithoutExtensions,
            Self::Rare(_) => HelloForm::RareSuites,
            Self::Ssl3Named => HelloForm::Ssl3WithName,
        }
    }
}

/// A ClientHello in its record, ready to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientHello {
    offer: Offer,
    record: Vec<u8>,
}

impl ClientHello {
    /// `server_name` is sent if it is a DNS name: RFC 6066 section 3 permits no address there.
    /// SSL 3.0 has no extensions and hence no name.
    pub fn for_versions(offer: Offer, server_name: Option<&str>, random: [u8; 32]) -> Self {
        let suites: Vec<u16> = cipher_suites(offer).collect();
        Self::with_suites(offer, &suites, server_name, random)
    }

    /// Offers one version with these suites alone, of which at most `MAX_SUITES` are sent.
    pub fn for_suites(
        version: TlsVersion,
        suites: &[u16],
        server_name: Option<&str>,
        random: [u8; 32],
    ) -> Self {
        let offer = Offer::Only(version);
        let suites = suites.iter().take(MAX_SUITES).chain(renegotiation_suite(offer));
        Self::with_suites(offer, &suites.copied().collect::<Vec<_>>(), server_name, random)
    }

    fn with_suites(
        offer: Offer,
        suites: &[u16],
        server_name: Option<&str>,
        random: [u8; 32],
    ) -> Self {
        let mut message = hello_message(offer, suites, server_name, random, Padding::None);
        if MISHANDLED_SIZES.contains(&message.len()) && has_extensions(offer) {
            let padding = padding_for(message.len());
            message = hello_message(offer, suites, server_name, random, padding);
        }

        let mut record = vec![CONTENT_TYPE_HANDSHAKE];
        record.extend(record_version(offer).to_be_bytes());
        vector16(&mut record, |fragment| fragment.extend(message));
        Self { offer, record }
    }

    /// The record as it goes on the wire.
    pub fn bytes(&self) -> &[u8] {
        &self.record
    }

    pub fn offered(&self) -> Vec<TlsVersion> {
        self.offer.versions()
    }

    /// The observation of a connection on which this hello was asked.
    pub fn answered(&self, answer: HelloAnswer) -> HelloConnection {
        let form = self.offer.form();
        HelloConnection { form, ..HelloConnection::new(self.offered(), self.record.len(), answer) }
    }
}

/// More suites than any version has.
pub const MAX_SUITES: usize = 512;

const CONTENT_TYPE_HANDSHAKE: u8 = 22;
const MESSAGE_CLIENT_HELLO: u8 = 1;

/// Sizes of handshake message that some servers hang on (RFC 7685 section 1). Only a long server
/// name or a long list of suites gets a hello of ours there.
const MISHANDLED_SIZES: std::ops::RangeInclusive<usize> = 256..=511;

/// Whether a padding extension (RFC 7685) ends the hello.
#[derive(Clone, Copy)]
enum Padding {
    None,
    Bytes(usize),
}

/// Lifts a message of `size` bytes over the mishandled sizes; the extension's head takes four.
fn padding_for(size: usize) -> Padding {
    Padding::Bytes((MISHANDLED_SIZES.end() + 1).saturating_sub(size).saturating_sub(4))
}

/// RFC 8446 section 5.1: an initial hello may say 1.0 for the sake of old servers, whatever it
/// offers. SSL 3.0 servers are older still.
fn record_version(offer: Offer) -> u16 {
    match offer {
        Offer::Only(TlsVersion::Ssl3) | Offer::Rare(TlsVersion::Ssl3) | Offer::Ssl3Named => {
            TlsVersion::Ssl3.wire()
        }
        _ => TlsVersion::Tls10.wire(),
    }
}

/// RFC 8446 section 4.1.2: TLS 1.3 says 1.2 here and the truth in `supported_versions`.
fn legacy_version(offer: Offer) -> u16 {
    match offer {
        Offer::Only(version) | Offer::Bare(version) | Offer::Rare(version) => {
            version.wire().min(TlsVersion::Tls12.wire())
        }
        Offer::Ssl3Named => TlsVersion::Ssl3.wire(),
        // GnuTLS looks no further where this says 1.1.
        Offer::Tls13And12 | Offer::BelowTls12 => TlsVersion::Tls12.wire(),
    }
}

fn hello_message(
    offer: Offer,
    suites: &[u16],
    server_name: Option<&str>,
    random: [u8; 32],
    padding: Padding,
) -> Vec<u8> {
    let mut message = vec![MESSAGE_CLIENT_HELLO];
    vector24(&mut message, |body| {
        body.extend(legacy_version(offer).to_be_bytes());
        body.extend(random);
        // No session to resume. A made-up one would ask for TLS 1.3's middlebox compatibility mode
        // (RFC 8446 appendix D.4), which only matters beyond the first flight.
        body.push(0);
        vector16(body, |list| extend_u16(list, suites.iter().copied()));
        // One compression method: null.
        body.extend([1, 0]);
        if has_extensions(offer) {
            vector16(body, |extensions| {
                push_extensions(extensions, offer, server_name);
                push_padding(extensions, padding);
            });
        }
    });
    message
}

fn has_extensions(offer: Offer) -> bool {
    !matches!(offer, Offer::Bare(_) | Offer::Only(TlsVersion::Ssl3) | Offer::Rare(TlsVersion::Ssl3))
}

fn cipher_suites(offer: Offer) -> impl Iterator<Item = u16> {
    let parts: &[&[u16]] = match offer {
        Offer::Only(TlsVersion::Ssl3) | Offer::Ssl3Named => &[AES_CBC_SUITES, OLD_SUITES],
        Offer::Only(TlsVersion::Tls10 | TlsVersion::Tls11)
        | Offer::Bare(TlsVersion::Ssl3 | TlsVersion::Tls10 | TlsVersion::Tls11)
        | Offer::BelowTls12 => &[
            ELLIPTIC_AES_CBC_SUITES,
            AES_CBC_SUITES,
            OLD_ELLIPTIC_SUITES,
            OLD_SUITES,
            RARE_CBC_SUITES,
        ],
        Offer::Only(TlsVersion::Tls12) | Offer::Bare(TlsVersion::Tls12 | TlsVersion::Tls13) => {
            &[TLS12_SUITES, RARE_TLS12_SUITES, ELLIPTIC_AES_CBC_SUITES, AES_CBC_SUITES, OLD_SUITES]
        }
        Offer::Only(TlsVersion::Tls13) => &[TLS13_SUITES],
        Offer::Tls13And12 => &[TLS13_SUITES, TLS12_SUITES, ELLIPTIC_AES_CBC_SUITES, AES_CBC_SUITES],
        Offer::Rare(TlsVersion::Ssl3) => &[UNAUTHENTICATED_SUITES, EXPORT_SUITES],
        Offer::Rare(TlsVersion::Tls10 | TlsVersion::Tls11) => {
            &[UNAUTHENTICATED_SUITES, UNAUTHENTICATED_ELLIPTIC_SUITES, EXPORT_SUITES]
        }
        Offer::Rare(TlsVersion::Tls12 | TlsVersion::Tls13) => {
            &[UNAUTHENTICATED_TLS12_SUITES, UNAUTHENTICATED_SUITES, UNAUTHENTICATED_ELLIPTIC_SUITES]
        }
    };
    parts.iter().copied().flatten().chain(renegotiation_suite(offer)).copied()
}

/// RFC 5746 section 3.3: a server may insist on secure renegotiation, and the signalling suite is
/// made to be harmless where it is unknown, also in SSL 3.0. TLS 1.3 knows no renegotiation.
/// TLS_FALLBACK_SCSV (RFC 7507) is never sent: it asks the server to refuse old versions.
fn renegotiation_suite(offer: Offer) -> &'static [u16] {
    match offer {
        Offer::Only(TlsVersion::Tls13) => &[],
        _ => &[0x00ff],
    }
}

// The order of these lists is a modern client's, so that the suite chosen is one that such a client
// would get. Export and NULL suites are left out, as they say nothing about a version that the
// others do not, other than of a server that has no more than those; anonymous ones too, which would
// hide the chain.

const TLS13_SUITES: &[u16] = &[
    0x1301, // TLS_AES_128_GCM_SHA256
    0x1302, // TLS_AES_256_GCM_SHA384
    0x1303, // TLS_CHACHA20_POLY1305_SHA256
    0x1304, // TLS_AES_128_CCM_SHA256
    0x1305, // TLS_AES_128_CCM_8_SHA256
];

/// What TLS 1.2 brought.
const TLS12_SUITES: &[u16] = &[
    0xc02b, // TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
    0xc02f, // TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256
    0xc02c, // TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384
    0xc030, // TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384
    0xcca9, // TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256
    0xcca8, // TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256
    0x009e, // TLS_DHE_RSA_WITH_AES_128_GCM_SHA256
    0x009f, // TLS_DHE_RSA_WITH_AES_256_GCM_SHA384
    0xccaa, // TLS_DHE_RSA_WITH_CHACHA20_POLY1305_SHA256
    0x009c, // TLS_RSA_WITH_AES_128_GCM_SHA256
    0x009d, // TLS_RSA_WITH_AES_256_GCM_SHA384
    0xc023, // TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256
    0xc024, // TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384
    0xc027, // TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256
    0xc028, // TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384
    0x0067, // TLS_DHE_RSA_WITH_AES_128_CBC_SHA256
    0x003c, // TLS_RSA_WITH_AES_128_CBC_SHA256
];

/// What a few servers are restricted to; asked of 1.2 alone, where there is room for them.
const RARE_TLS12_SUITES: &[u16] = &[
    0x003d, // TLS_RSA_WITH_AES_256_CBC_SHA256
    0x006b, // TLS_DHE_RSA_WITH_AES_256_CBC_SHA256
    0x00a2, // TLS_DHE_DSS_WITH_AES_128_GCM_SHA256
    0x00a3, // TLS_DHE_DSS_WITH_AES_256_GCM_SHA384
    0xc09c, // TLS_RSA_WITH_AES_128_CCM
    0xc09d, // TLS_RSA_WITH_AES_256_CCM
    0xc09e, // TLS_DHE_RSA_WITH_AES_128_CCM
    0xc09f, // TLS_DHE_RSA_WITH_AES_256_CCM
    0xc0ac, // TLS_ECDHE_ECDSA_WITH_AES_128_CCM
    0xc0ad, // TLS_ECDHE_ECDSA_WITH_AES_256_CCM
    0xc0ae, // TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8
    0xc076, // TLS_ECDHE_RSA_WITH_CAMELLIA_128_CBC_SHA256
    0x0041, // TLS_RSA_WITH_CAMELLIA_128_CBC_SHA
    0x0084, // TLS_RSA_WITH_CAMELLIA_256_CBC_SHA
    0xc060, // TLS_ECDHE_RSA_WITH_ARIA_128_GCM_SHA256
    0xc050, // TLS_RSA_WITH_ARIA_128_GCM_SHA256
];

/// The same below TLS 1.2.
const RARE_CBC_SUITES: &[u16] = &[
    0x0041, // TLS_RSA_WITH_CAMELLIA_128_CBC_SHA
    0x0084, // TLS_RSA_WITH_CAMELLIA_256_CBC_SHA
    0x0045, // TLS_DHE_RSA_WITH_CAMELLIA_128_CBC_SHA
    0x0088, // TLS_DHE_RSA_WITH_CAMELLIA_256_CBC_SHA
    0x0096, // TLS_RSA_WITH_SEED_CBC_SHA
];

/// From TLS 1.0 on: elliptic curves need extensions (RFC 8422), which SSL 3.0 has not.
const ELLIPTIC_AES_CBC_SUITES: &[u16] = &[
    0xc009, // TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA
    0xc013, // TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA
    0xc00a, // TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA
    0xc014, // TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA
];

const OLD_ELLIPTIC_SUITES: &[u16] = &[
    0xc008, // TLS_ECDHE_ECDSA_WITH_3DES_EDE_CBC_SHA
    0xc012, // TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA
    0xc007, // TLS_ECDHE_ECDSA_WITH_RC4_128_SHA
    0xc011, // TLS_ECDHE_RSA_WITH_RC4_128_SHA
];

/// From SSL 3.0 on.
const AES_CBC_SUITES: &[u16] = &[
    0x0033, // TLS_DHE_RSA_WITH_AES_128_CBC_SHA
    0x0039, // TLS_DHE_RSA_WITH_AES_256_CBC_SHA
    0x002f, // TLS_RSA_WITH_AES_128_CBC_SHA
    0x0035, // TLS_RSA_WITH_AES_256_CBC_SHA
];

const OLD_SUITES: &[u16] = &[
    0x0032, // TLS_DHE_DSS_WITH_AES_128_CBC_SHA
    0x0038, // TLS_DHE_DSS_WITH_AES_256_CBC_SHA
    0x0016, // TLS_DHE_RSA_WITH_3DES_EDE_CBC_SHA
    0x0013, // TLS_DHE_DSS_WITH_3DES_EDE_CBC_SHA
    0x000a, // TLS_RSA_WITH_3DES_EDE_CBC_SHA
    0x0005, // TLS_RSA_WITH_RC4_128_SHA
    0x0004, // TLS_RSA_WITH_RC4_128_MD5
];

// Without a certificate, without encryption, or by a key shared beforehand, which the ServerHello
// that chooses such a suite does not need yet.

/// From SSL 3.0 on.
const UNAUTHENTICATED_SUITES: &[u16] = &[
    0x0034, // TLS_DH_anon_WITH_AES_128_CBC_SHA
    0x003a, // TLS_DH_anon_WITH_AES_256_CBC_SHA
    0x001b, // TLS_DH_anon_WITH_3DES_EDE_CBC_SHA
    0x0018, // TLS_DH_anon_WITH_RC4_128_MD5
    0x0002, // TLS_RSA_WITH_NULL_SHA
    0x0001, // TLS_RSA_WITH_NULL_MD5
    0x008c, // TLS_PSK_WITH_AES_128_CBC_SHA
    0x008d, // TLS_PSK_WITH_AES_256_CBC_SHA
    0x008b, // TLS_PSK_WITH_3DES_EDE_CBC_SHA
    0x0090, // TLS_DHE_PSK_WITH_AES_128_CBC_SHA
    0x0091, // TLS_DHE_PSK_WITH_AES_256_CBC_SHA
    0x0094, // TLS_RSA_PSK_WITH_AES_128_CBC_SHA
    0x0095, // TLS_RSA_PSK_WITH_AES_256_CBC_SHA
    0x002c, // TLS_PSK_WITH_NULL_SHA
];

const UNAUTHENTICATED_ELLIPTIC_SUITES: &[u16] = &[
    0xc018, // TLS_ECDH_anon_WITH_AES_128_CBC_SHA
    0xc019, // TLS_ECDH_anon_WITH_AES_256_CBC_SHA
    0xc010, // TLS_ECDHE_RSA_WITH_NULL_SHA
    0xc006, // TLS_ECDHE_ECDSA_WITH_NULL_SHA
    0xc035, // TLS_ECDHE_PSK_WITH_AES_128_CBC_SHA
    0xc036, // TLS_ECDHE_PSK_WITH_AES_256_CBC_SHA
];

const UNAUTHENTICATED_TLS12_SUITES: &[u16] = &[
    0x00a6, // TLS_DH_anon_WITH_AES_128_GCM_SHA256
    0x00a7, // TLS_DH_anon_WITH_AES_256_GCM_SHA384
    0x006c, // TLS_DH_anon_WITH_AES_128_CBC_SHA256
    0x003b, // TLS_RSA_WITH_NULL_SHA256
    0x00a8, // TLS_PSK_WITH_AES_128_GCM_SHA256
    0x00a9, // TLS_PSK_WITH_AES_256_GCM_SHA384
    0x00ae, // TLS_PSK_WITH_AES_128_CBC_SHA256
    0x00af, // TLS_PSK_WITH_AES_256_CBC_SHA384
    0x00aa, // TLS_DHE_PSK_WITH_AES_128_GCM_SHA256
    0x00ac, // TLS_RSA_PSK_WITH_AES_128_GCM_SHA256
    0xc0a4, // TLS_PSK_WITH_AES_128_CCM
    0xc0a8, // TLS_PSK_WITH_AES_128_CCM_8
    0xccab, // TLS_PSK_WITH_CHACHA20_POLY1305_SHA256
    0xccac, // TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256
    0xd001, // TLS_ECDHE_PSK_WITH_AES_128_GCM_SHA256
];

const EXPORT_SUITES: &[u16] = &[
    0x0003, // TLS_RSA_EXPORT_WITH_RC4_40_MD5
    0x0008, // TLS_RSA_EXPORT_WITH_DES40_CBC_SHA
    0x0014, // TLS_DHE_RSA_EXPORT_WITH_DES40_CBC_SHA
    0x0009, // TLS_RSA_WITH_DES_CBC_SHA
];

const EXTENSION_SERVER_NAME: u16 = 0;
const EXTENSION_SUPPORTED_GROUPS: u16 = 10;
const EXTENSION_EC_POINT_FORMATS: u16 = 11;
const EXTENSION_SIGNATURE_ALGORITHMS: u16 = 13;
const EXTENSION_PADDING: u16 = 21;
const EXTENSION_EXTENDED_MASTER_SECRET: u16 = 23;
const EXTENSION_SUPPORTED_VERSIONS: u16 = 43;
const EXTENSION_KEY_SHARE: u16 = 51;

fn push_extensions(extensions: &mut Vec<u8>, offer: Offer, server_name: Option<&str>) {
    push_server_name(extensions, server_name);
    if offer == Offer::Ssl3Named {
        return;
    }
    push_extension(extensions, EXTENSION_SUPPORTED_GROUPS, |data| {
        vector16(data, |groups| extend_u16(groups, supported_groups(offer)));
    });
    if let Some(algorithms) = signature_algorithms(offer) {
        push_extension(extensions, EXTENSION_SIGNATURE_ALGORITHMS, |data| {
            vector16(data, |list| extend_u16(list, algorithms));
        });
    }
    let versions = offer.versions();
    if versions.contains(&TlsVersion::Tls12) {
        // RFC 7627 section 5.3: a server may refuse clients without it.
        push_extension(extensions, EXTENSION_EXTENDED_MASTER_SECRET, |_| {});
    }
    if versions.contains(&TlsVersion::Tls13) || offer == Offer::BelowTls12 {
        push_extension(extensions, EXTENSION_SUPPORTED_VERSIONS, |data| {
            vector8(data, |list| extend_u16(list, versions.iter().map(|v| v.wire())));
        });
    }
    if versions.contains(&TlsVersion::Tls13) {
        // RFC 8446 section 4.2.8: an empty list asks for a HelloRetryRequest, which names the
        // version without a key of ours. Left out altogether, it draws alert 109.
        push_extension(extensions, EXTENSION_KEY_SHARE, |data| vector16(data, |_| {}));
    }
    if offer != Offer::Only(TlsVersion::Tls13) {
        // Also the compressed formats that RFC 8422 section 5.1.2 deprecates: a server whose key is
        // encoded so must see them. Not the last extension: some old servers fail on a hello that
        // ends in an empty one, and none here does.
        push_extension(extensions, EXTENSION_EC_POINT_FORMATS, |data| {
            vector8(data, |formats| formats.extend([0, 1, 2]));
        });
    }
}

fn push_server_name(extensions: &mut Vec<u8>, server_name: Option<&str>) {
    // RFC 6066 section 3: without the trailing dot, in ASCII.
    let name = server_name.map(|name| name.strip_suffix('.').unwrap_or(name));
    let Some(name) = name.filter(|name| name.parse::<IpAddr>().is_err()) else { return };
    let Ok(name) = DnsName::try_from(name) else { return };
    push_extension(extensions, EXTENSION_SERVER_NAME, |data| {
        vector16(data, |names| {
            // Name type host_name.
            names.push(0);
            vector16(names, |host| host.extend(name.as_ref().bytes()));
        });
    });
}

fn push_padding(extensions: &mut Vec<u8>, padding: Padding) {
    if let Padding::Bytes(count) = padding {
        push_extension(extensions, EXTENSION_PADDING, |data| {
            data.extend(std::iter::repeat_n(0, count));
        });
    }
}

fn supported_groups(offer: Offer) -> impl Iterator<Item = u16> {
    let rest: &[&[u16]] = match offer {
        Offer::Only(TlsVersion::Tls13) => &[HYBRID_GROUPS, FINITE_FIELD_GROUPS],
        Offer::Tls13And12 => &[HYBRID_GROUPS, OLD_CURVES],
        _ => &[OLD_CURVES],
    };
    COMMON_GROUPS.iter().chain(rest.iter().copied().flatten()).copied()
}

const COMMON_GROUPS: &[u16] = &[
    0x001d, // x25519
    0x0017, // secp256r1
    0x0018, // secp384r1
    0x0019, // secp521r1
    0x001e, // x448
];

/// After the classical groups, so that few servers choose a large key exchange.
const HYBRID_GROUPS: &[u16] = &[
    0x11ec, // X25519MLKEM768
    0x11eb, // SecP256r1MLKEM768
];

/// Only where TLS 1.2 is not offered: there, a server with parameters of its own would have to
/// refuse DHE (RFC 7919 section 4).
const FINITE_FIELD_GROUPS: &[u16] = &[
    0x0100, // ffdhe2048
    0x0101, // ffdhe3072
    0x0102, // ffdhe4096
    0x0103, // ffdhe6144
    0x0104, // ffdhe8192
];

/// Up to TLS 1.2 a server may only show an ECDSA certificate whose curve is listed (RFC 8422
/// section 5.1), so that without the weak curves a weak certificate would not be seen.
const OLD_CURVES: &[u16] = &[
    0x0016, // secp256k1
    0x0015, // secp224r1
    0x0013, // secp192r1
    0x001a, // brainpoolP256r1
    0x001b, // brainpoolP384r1
    0x001c, // brainpoolP512r1
];

/// Before TLS 1.2 there is no such extension (RFC 5246 section 7.4.1.4.1).
fn signature_algorithms(offer: Offer) -> Option<impl Iterator<Item = u16>> {
    let rest: &[u16] = match offer {
        Offer::Only(TlsVersion::Tls12) | Offer::Rare(TlsVersion::Tls12) => TLS12_SIGNATURES,
        Offer::Only(TlsVersion::Tls13) => TLS13_SIGNATURES,
        Offer::Tls13And12 => &[],
        _ => return None,
    };
    Some(COMMON_SIGNATURES.iter().chain(rest).copied())
}

/// In TLS 1.3 the PKCS #1 and SHA-1 ones stand for signatures in certificates (RFC 8446 section
/// 4.2.3).
const COMMON_SIGNATURES: &[u16] = &[
    0x0403, // ecdsa_secp256r1_sha256
    0x0503, // ecdsa_secp384r1_sha384
    0x0603, // ecdsa_secp521r1_sha512
    0x0807, // ed25519
    0x0808, // ed448
    0x0804, // rsa_pss_rsae_sha256
    0x0805, // rsa_pss_rsae_sha384
    0x0806, // rsa_pss_rsae_sha512
    0x0809, // rsa_pss_pss_sha256
    0x0401, // rsa_pkcs1_sha256
    0x0501, // rsa_pkcs1_sha384
    0x0601, // rsa_pkcs1_sha512
    0x0203, // ecdsa_sha1
    0x0201, // rsa_pkcs1_sha1
];

const TLS12_SIGNATURES: &[u16] = &[
    0x080b, // rsa_pss_pss_sha512
    0x0301, // rsa_pkcs1_sha224
    0x0402, // dsa_sha256
    0x0202, // dsa_sha1
];

const TLS13_SIGNATURES: &[u16] = &[
    0x080a, // rsa_pss_pss_sha384
    0x080b, // rsa_pss_pss_sha512
    0x0904, // mldsa44
    0x0905, // mldsa65
    0x0906, // mldsa87
];

fn push_extension(extensions: &mut Vec<u8>, number: u16, data: impl FnOnce(&mut Vec<u8>)) {
    extensions.extend(number.to_be_bytes());
    vector16(extensions, data);
}

fn extend_u16(out: &mut Vec<u8>, numbers: impl IntoIterator<Item = u16>) {
    out.extend(numbers.into_iter().flat_map(u16::to_be_bytes));
}

/// A vector with a length of one byte in front (RFC 8446 section 3.4).
fn vector8(out: &mut Vec<u8>, fill: impl FnOnce(&mut Vec<u8>)) {
    vector::<1>(out, fill);
}

fn vector16(out: &mut Vec<u8>, fill: impl FnOnce(&mut Vec<u8>)) {
    vector::<2>(out, fill);
}

fn vector24(out: &mut Vec<u8>, fill: impl FnOnce(&mut Vec<u8>)) {
    vector::<3>(out, fill);
}

/// No vector here can outgrow its length: the parts of a hello that the caller chooses are a DNS
/// name, which has at most 253 bytes, and at most `MAX_SUITES` suites.
fn vector<const LENGTH_BYTES: usize>(out: &mut Vec<u8>, fill: impl FnOnce(&mut Vec<u8>)) {
    let mut content = Vec::new();
    fill(&mut content);
    let length = content.len().to_be_bytes();
    out.extend(length.last_chunk::<LENGTH_BYTES>().into_iter().flatten());
    out.extend(content);
}
