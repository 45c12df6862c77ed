//! The subject's public key (RFC 5280, section 4.1.2.7).

pub mod close_primes;
pub mod known;
pub mod recovered;
pub mod roca;
pub mod small_factor;

use num_bigint::BigUint;
use x509_parser::x509::SubjectPublicKeyInfo;

use super::der;
use super::{KeyAlgorithm, KeyFacts, sha256_hex};

/// Keys above this many bits of modulus are not examined: none are in use, and the cost grows.
pub const MAX_EXAMINED_BITS: u32 = 16_384;

impl KeyFacts {
    /// Modulus and exponent of an RSA key that can be examined.
    ///
    /// # Errors
    /// Why it cannot, in words. `None` where it is no RSA key.
    pub fn rsa(&self) -> Option<Result<RsaKey, String>> {
        if self.algorithm != KeyAlgorithm::Rsa {
            return None;
        }
        let examined = match (&self.public_value, self.bits) {
            (None, _) | (_, None) => Err("its modulus is missing or negative".to_owned()),
            (_, Some(0)) => Err("its modulus is zero".to_owned()),
            (_, Some(bits)) if bits > MAX_EXAMINED_BITS => {
                Err(format!("its modulus has {bits} bits, and {MAX_EXAMINED_BITS} are examined"))
            }
            (Some(modulus), _) => Ok(RsaKey {
                modulus: BigUint::from_bytes_be(modulus),
                exponent: self.exponent.as_deref().and_then(|text| text.parse().ok()),
            }),
        };
        Some(examined)
    }
}

/// The numbers of an RSA public key, not zero and not too long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RsaKey {
    pub modulus: BigUint,
    /// `None` where it is missing, negative or above 512 bits.
    pub exponent: Option<BigUint>,
}

/// `raw` is the SubjectPublicKeyInfo's whole DER.
pub(super) fn facts(spki: &SubjectPublicKeyInfo<'_>, raw: &[u8]) -> KeyFacts {
    let oid = der::oid_text(spki.algorithm.algorithm.as_bytes());
    let key: &[u8] = &spki.subject_public_key.data;
    let mut facts = KeyFacts {
        algorithm: KeyAlgorithm::Other(oid.clone()),
        bits: None,
        curve: None,
        exponent: None,
        public_value: None,
        spki_sha256: sha256_hex(raw),
    };
    match oid.as_str() {
        // rsaEncryption and, restricted to PSS, id-RSASSA-PSS (RFC 4055, section 1.2).
        "1.2.840.113549.1.1.1" | "1.2.840.113549.1.1.10" => {
            facts.algorithm = KeyAlgorithm::Rsa;
            if let Some((modulus, exponent)) = rsa_numbers(key) {
                facts.bits = der::unsigned_bits(modulus);
                facts.exponent = der::integer_decimal(exponent);
                facts.public_value = natural(modulus);
            }
        }
        "1.2.840.10040.4.1" => {
            facts.algorithm = KeyAlgorithm::Dsa;
            facts.bits = parameters(raw).and_then(dsa_prime).and_then(der::unsigned_bits);
            let value = der::element(key).and_then(|(element, _)| element.tagged(der::INTEGER));
            facts.public_value = value.and_then(natural);
        }
        "1.2.840.10045.2.1" => {
            // RFC 5480, section 2.1.1: only named curves. A curve that is spelled out stays an
            // "other" key, for what is spelled out could be any curve at all (CVE-2020-0601).
            if let Some(curve) = parameters(raw).and_then(named_curve) {
                facts.algorithm = KeyAlgorithm::Ec;
                let known = CURVES.iter().find(|known| known.0 == curve);
                facts.bits = known.map(|known| known.2);
                facts.curve = Some(known.map_or(curve, |known| known.1.to_owned()));
                facts.public_value = point_abscissa(key);
            }
        }
        // Their public keys have one size, the `b` of RFC 8032, section 5.
        "1.3.101.112" => {
            facts.algorithm = KeyAlgorithm::Ed25519;
            facts.bits = Some(256);
            facts.public_value = Some(der::strip_zeros(key).to_vec());
        }
        "1.3.101.113" => {
            facts.algorithm = KeyAlgorithm::Ed448;
            facts.bits = Some(456);
            facts.public_value = Some(der::strip_zeros(key).to_vec());
        }
        _ => {}
    }
    facts
}

/// RFC 8017, appendix A.1.1: `RSAPublicKey ::= SEQUENCE { modulus, publicExponent }`.
pub(super) fn rsa_numbers(key: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut numbers = der::elements(der::element(key)?.0.tagged(der::SEQUENCE)?);
    let modulus = numbers.next()??.tagged(der::INTEGER)?;
    let exponent = numbers.next()??.tagged(der::INTEGER)?;
    Some((modulus, exponent))
}

/// The bytes of an INTEGER that is not negative, without zeros before them.
fn natural(integer: &[u8]) -> Option<Vec<u8>> {
    der::unsigned_bits(integer)?;
    Some(der::strip_zeros(integer).to_vec())
}

/// SEC 1, section 2.3.3: 04 and both coordinates, or 02 or 03 and x alone.
fn point_abscissa(point: &[u8]) -> Option<Vec<u8>> {
    let (form, coordinates) = point.split_first()?;
    let x = match form {
        2 | 3 => coordinates,
        4 if coordinates.len().is_multiple_of(2) => coordinates.get(..coordinates.len() / 2)?,
        _ => return None,
    };
    Some(der::strip_zeros(x).to_vec())
}

/// The AlgorithmIdentifier's parameters, where there are any.
fn parameters(spki: &[u8]) -> Option<der::Element<'_>> {
    let identifier = der::elements(der::element(spki)?.0.content).next()??;
    der::elements(identifier.tagged(der::SEQUENCE)?).nth(1)?
}

/// RFC 3279, section 2.3.2: `Dss-Parms ::= SEQUENCE { p, q, g }`; absent where inherited.
fn dsa_prime(parameters: der::Element<'_>) -> Option<&[u8]> {
    der::elements(parameters.tagged(der::SEQUENCE)?).next()??.tagged(der::INTEGER)
}

fn named_curve(parameters: der::Element<'_>) -> Option<String> {
    parameters.tagged(der::OBJECT_IDENTIFIER).map(der::oid_text)
}

/// OID, name, field size in bits (RFC 5480, SEC 2, RFC 5639).
const CURVES: &[(&str, &str, u32)] = &[
    ("1.2.840.10045.3.1.1", "P-192", 192),
    ("1.3.132.0.33", "P-224", 224),
    ("1.2.840.10045.3.1.7", "P-256", 256),
    ("1.3.132.0.34", "P-384", 384),
    ("1.3.132.0.35", "P-521", 521),
    ("1.3.132.0.6", "secp112r1", 112),
    ("1.3.132.0.28", "secp128r1", 128),
    ("1.3.132.0.8", "secp160r1", 160),
    ("1.3.132.0.9", "secp160k1", 160),
    ("1.3.132.0.30", "secp160r2", 160),
    ("1.3.132.0.31", "secp192k1", 192),
    ("1.3.132.0.32", "secp224k1", 224),
    ("1.3.132.0.10", "secp256k1", 256),
    ("1.3.132.0.1", "sect163k1", 163),
    ("1.3.132.0.15", "sect163r2", 163),
    ("1.3.132.0.26", "sect233k1", 233),
    ("1.3.132.0.27", "sect233r1", 233),
    ("1.3.132.0.16", "sect283k1", 283),
    ("1.3.132.0.17", "sect283r1", 283),
    ("1.3.36.3.3.2.8.1.1.1", "brainpoolP160r1", 160),
    ("1.3.36.3.3.2.8.1.1.3", "brainpoolP192r1", 192),
    ("1.3.36.3.3.2.8.1.1.5", "brainpoolP224r1", 224),
    ("1.3.36.3.3.2.8.1.1.7", "brainpoolP256r1", 256),
    ("1.3.36.3.3.2.8.1.1.9", "brainpoolP320r1", 320),
    ("1.3.36.3.3.2.8.1.1.11", "brainpoolP384r1", 384),
    ("1.3.36.3.3.2.8.1.1.13", "brainpoolP512r1", 512),
    ("1.2.156.10197.1.301", "SM2", 256),
];
