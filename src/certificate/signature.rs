//! Signature algorithms by name, and whether a self-issued certificate signed itself.
//!
//! A verifier that does not support a key says "wrong" as readily as one that does, and the keys
//! it does not support are the weak ones. So `Failed` is said only of a key and an algorithm that
//! the verifier is known to support; everything else is `Unverifiable`, with the reason.

use aws_lc_rs::signature::{self as lc, ParsedPublicKey, VerificationAlgorithm};
use x509_parser::certificate::X509Certificate;
use x509_parser::signature_algorithm::RsaSsaPssParams;
use x509_parser::x509::AlgorithmIdentifier;

use super::HashAlgorithm::{self, Md2, Md4, Md5, Sha1, Sha224, Sha256, Sha384, Sha512};
use super::{KeyAlgorithm, KeyFacts, SelfSignature, Signature, SignatureAlgorithm, der, key};

const PSS_NAME: &str = "rsassaPss";

pub(super) fn algorithm(identifier: &AlgorithmIdentifier<'_>) -> SignatureAlgorithm {
    let oid = der::oid_text(identifier.algorithm.as_bytes());
    if oid == "1.2.840.113549.1.1.10" {
        // The hash is in the parameters (RFC 4055, section 3.1). Without it the name would promise
        // more than is known, so the OID stays.
        return match pss(identifier).and_then(|parameters| hash_of(&parameters)) {
            Some(hash) => SignatureAlgorithm { name: PSS_NAME.to_owned(), hash: Some(hash) },
            None => SignatureAlgorithm { name: oid, hash: None },
        };
    }
    match NAMES.iter().find(|row| row.0 == oid) {
        Some(&(_, name, hash)) => SignatureAlgorithm { name: name.to_owned(), hash },
        None => SignatureAlgorithm { name: oid, hash: None },
    }
}

/// Whether `tbs` carries the signature of the certificate's own key.
pub(super) fn verify(
    x509: &X509Certificate<'_>,
    key: &KeyFacts,
    algorithm: &SignatureAlgorithm,
    tbs: &[u8],
) -> SelfSignature {
    let public_key: &[u8] = &x509.subject_pki.subject_public_key.data;
    match verify_by(x509, tbs, algorithm, key, public_key) {
        Signature::Verified => SelfSignature::Verified,
        Signature::Failed => SelfSignature::Failed,
        Signature::Unverifiable(because) => SelfSignature::Unverifiable(because),
    }
}

/// Whether `tbs`, of the certificate `x509`, carries the signature of this key.
pub(super) fn verify_by(
    x509: &X509Certificate<'_>,
    tbs: &[u8],
    algorithm: &SignatureAlgorithm,
    key: &KeyFacts,
    public_key: &[u8],
) -> Signature {
    let verifier = match verifier(x509, key, algorithm, public_key) {
        Ok(verifier) => verifier,
        Err(because) => return Signature::Unverifiable(because),
    };
    let Ok(parsed) = ParsedPublicKey::new(verifier, public_key) else {
        return Signature::Unverifiable("the verifier rejects the public key itself".into());
    };
    match parsed.verify_sig(tbs, &x509.signature_value.data) {
        Ok(()) => Signature::Verified,
        Err(_) => Signature::Failed,
    }
}

fn verifier(
    x509: &X509Certificate<'_>,
    key: &KeyFacts,
    algorithm: &SignatureAlgorithm,
    public_key: &[u8],
) -> Result<&'static dyn VerificationAlgorithm, String> {
    let name = algorithm.name.as_str();
    let verifier = match &key.algorithm {
        KeyAlgorithm::Rsa => {
            check_rsa_key(key, public_key)?;
            match name {
                PSS_NAME => {
                    check_pss_parameters(&x509.signature_algorithm, algorithm.hash)?;
                    rsa_pss(key, algorithm.hash)
                }
                _ if name.ends_with("WithRSAEncryption") => rsa_pkcs1(key, algorithm.hash),
                _ => None,
            }
        }
        KeyAlgorithm::Ec if name.starts_with("ecdsa-with-") => {
            ecdsa(key.curve.as_deref(), algorithm.hash)
        }
        KeyAlgorithm::Ed25519 if name == "Ed25519" => {
            Some(&lc::ED25519 as &'static dyn VerificationAlgorithm)
        }
        _ => None,
    };
    verifier.ok_or_else(|| format!("no verifier here for {name} with a key of {}", describe(key)))
}

/// The limits of the verifier, so that a key outside them is not called forged.
fn check_rsa_key(key: &KeyFacts, public_key: &[u8]) -> Result<(), String> {
    let Some((modulus, exponent)) = key::rsa_numbers(public_key) else {
        return Err("the RSA key is no RSAPublicKey (RFC 8017, appendix A.1.1)".into());
    };
    let odd = |number: &[u8]| number.last().is_some_and(|byte| byte & 1 == 1);
    match (key.bits, der::unsigned_bits(exponent)) {
        (None, _) => Err("the RSA modulus is negative".into()),
        (Some(bits @ (..1024 | 8193..)), _) => {
            Err(format!("RSA keys are verified from 1024 to 8192 bits; this one has {bits}"))
        }
        _ if !odd(modulus) => Err("the RSA modulus is even".into()),
        (_, Some(2..=33)) if odd(exponent) => Ok(()),
        _ => Err("the RSA exponent is not odd, between 3 and 2^33".into()),
    }
}

fn rsa_pkcs1(
    key: &KeyFacts,
    hash: Option<HashAlgorithm>,
) -> Option<&'static dyn VerificationAlgorithm> {
    Some(match hash? {
        Sha1 => &lc::RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY,
        Sha256 => &lc::RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY,
        Sha512 => &lc::RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY,
        Sha384 if key.bits? >= 2048 => &lc::RSA_PKCS1_2048_8192_SHA384,
        _ => return None,
    })
}

fn rsa_pss(
    key: &KeyFacts,
    hash: Option<HashAlgorithm>,
) -> Option<&'static dyn VerificationAlgorithm> {
    if key.bits? < 2048 {
        return None;
    }
    Some(match hash? {
        Sha256 => &lc::RSA_PSS_2048_8192_SHA256,
        Sha384 => &lc::RSA_PSS_2048_8192_SHA384,
        Sha512 => &lc::RSA_PSS_2048_8192_SHA512,
        _ => return None,
    })
}

fn ecdsa(
    curve: Option<&str>,
    hash: Option<HashAlgorithm>,
) -> Option<&'static dyn VerificationAlgorithm> {
    Some(match (curve?, hash?) {
        ("P-256", Sha1) => &lc::ECDSA_P256_SHA1_ASN1,
        ("P-256", Sha256) => &lc::ECDSA_P256_SHA256_ASN1,
        ("P-256", Sha384) => &lc::ECDSA_P256_SHA384_ASN1,
        ("P-256", Sha512) => &lc::ECDSA_P256_SHA512_ASN1,
        ("P-384", Sha256) => &lc::ECDSA_P384_SHA256_ASN1,
        ("P-384", Sha384) => &lc::ECDSA_P384_SHA384_ASN1,
        ("P-384", Sha512) => &lc::ECDSA_P384_SHA512_ASN1,
        ("P-521", Sha1) => &lc::ECDSA_P521_SHA1_ASN1,
        ("P-521", Sha224) => &lc::ECDSA_P521_SHA224_ASN1,
        ("P-521", Sha256) => &lc::ECDSA_P521_SHA256_ASN1,
        ("P-521", Sha384) => &lc::ECDSA_P521_SHA384_ASN1,
        ("P-521", Sha512) => &lc::ECDSA_P521_SHA512_ASN1,
        ("secp256k1", Sha256) => &lc::ECDSA_P256K1_SHA256_ASN1,
        _ => return None,
    })
}

/// The verifier takes the salt to be as long as the hash and the mask to use the same hash, as
/// RFC 4055, section 3.1, recommends; another choice is valid, and not verified here.
fn check_pss_parameters(
    identifier: &AlgorithmIdentifier<'_>,
    hash: Option<HashAlgorithm>,
) -> Result<(), String> {
    let parameters = pss(identifier).ok_or("the RSASSA-PSS parameters cannot be read")?;
    let salt = parameters.salt_length();
    let expected = match hash {
        Some(Sha256) => 32,
        Some(Sha384) => 48,
        Some(Sha512) => 64,
        _ => return Ok(()),
    };
    let mask = parameters
        .mask_gen_algorithm()
        .ok()
        .and_then(|mask| hash_by_oid(&der::oid_text(mask.hash.as_bytes())));
    if salt != expected || mask != hash || parameters.trailer_field() != 1 {
        return Err(format!(
            "RSASSA-PSS is verified with a salt and a mask of the hash's size; \
             this salt has {salt} bytes"
        ));
    }
    Ok(())
}

fn pss<'a>(identifier: &'a AlgorithmIdentifier<'_>) -> Option<RsaSsaPssParams<'a>> {
    RsaSsaPssParams::try_from(identifier.parameters.as_ref()?).ok()
}

fn hash_of(parameters: &RsaSsaPssParams<'_>) -> Option<HashAlgorithm> {
    hash_by_oid(&der::oid_text(parameters.hash_algorithm_oid().as_bytes()))
}

fn hash_by_oid(oid: &str) -> Option<HashAlgorithm> {
    Some(match oid {
        "1.2.840.113549.2.2" => Md2,
        "1.2.840.113549.2.4" => Md4,
        "1.2.840.113549.2.5" => Md5,
        "1.3.14.3.2.26" => Sha1,
        "2.16.840.1.101.3.4.2.4" => Sha224,
        "2.16.840.1.101.3.4.2.1" => Sha256,
        "2.16.840.1.101.3.4.2.2" => Sha384,
        "2.16.840.1.101.3.4.2.3" => Sha512,
        _ => return None,
    })
}

fn describe(key: &KeyFacts) -> String {
    match (&key.algorithm, &key.curve, key.bits) {
        (KeyAlgorithm::Ec, Some(curve), _) => format!("EC {curve}"),
        (KeyAlgorithm::Ec, None, _) => "EC".into(),
        (KeyAlgorithm::Rsa, _, Some(bits)) => format!("RSA {bits}"),
        (KeyAlgorithm::Rsa, _, None) => "RSA".into(),
        (KeyAlgorithm::Dsa, ..) => "DSA".into(),
        (KeyAlgorithm::Ed25519, ..) => "Ed25519".into(),
        (KeyAlgorithm::Ed448, ..) => "Ed448".into(),
        (KeyAlgorithm::Other(oid), ..) => format!("algorithm {oid}"),
    }
}

/// RFC 3279, 4055, 5758, 8410, 9881; the OIDs under 1.3.14.3.2 are from the OIW, and old.
const NAMES: &[(&str, &str, Option<HashAlgorithm>)] = &[
    ("1.2.840.113549.1.1.2", "md2WithRSAEncryption", Some(Md2)),
    ("1.2.840.113549.1.1.3", "md4WithRSAEncryption", Some(Md4)),
    ("1.2.840.113549.1.1.4", "md5WithRSAEncryption", Some(Md5)),
    ("1.2.840.113549.1.1.5", "sha1WithRSAEncryption", Some(Sha1)),
    ("1.2.840.113549.1.1.14", "sha224WithRSAEncryption", Some(Sha224)),
    ("1.2.840.113549.1.1.11", "sha256WithRSAEncryption", Some(Sha256)),
    ("1.2.840.113549.1.1.12", "sha384WithRSAEncryption", Some(Sha384)),
    ("1.2.840.113549.1.1.13", "sha512WithRSAEncryption", Some(Sha512)),
    ("1.3.14.3.2.3", "md5WithRSA", Some(Md5)),
    ("1.3.14.3.2.29", "sha1WithRSA", Some(Sha1)),
    ("1.3.14.3.2.27", "dsaWithSHA1", Some(Sha1)),
    ("1.2.840.10040.4.3", "dsa-with-sha1", Some(Sha1)),
    ("2.16.840.1.101.3.4.3.1", "dsa-with-sha224", Some(Sha224)),
    ("2.16.840.1.101.3.4.3.2", "dsa-with-sha256", Some(Sha256)),
    ("2.16.840.1.101.3.4.3.3", "dsa-with-sha384", Some(Sha384)),
    ("2.16.840.1.101.3.4.3.4", "dsa-with-sha512", Some(Sha512)),
    ("1.2.840.10045.4.1", "ecdsa-with-SHA1", Some(Sha1)),
    ("1.2.840.10045.4.3.1", "ecdsa-with-SHA224", Some(Sha224)),
    ("1.2.840.10045.4.3.2", "ecdsa-with-SHA256", Some(Sha256)),
    ("1.2.840.10045.4.3.3", "ecdsa-with-SHA384", Some(Sha384)),
    ("1.2.840.10045.4.3.4", "ecdsa-with-SHA512", Some(Sha512)),
    ("1.3.101.112", "Ed25519", None),
    ("1.3.101.113", "Ed448", None),
    ("2.16.840.1.101.3.4.3.17", "id-ml-dsa-44", None),
    ("2.16.840.1.101.3.4.3.18", "id-ml-dsa-65", None),
    ("2.16.840.1.101.3.4.3.19", "id-ml-dsa-87", None),
];
