//! Against certificates that OpenSSL made (testdata/certificates/make.sh), and against garbage.

use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use proptest::prelude::*;

use super::*;

mod properties;

fn der(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("testdata/certificates")
        .join(format!("{name}.pem"));
    let pem = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    BASE64.decode(pem.lines().filter(|line| !line.starts_with("---")).collect::<String>()).unwrap()
}

/// Of every certificate in testdata, in order.
fn every_name() -> Vec<String> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("testdata/certificates");
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .filter_map(|entry| {
            entry.unwrap().file_name().to_str()?.strip_suffix(".pem").map(str::to_owned)
        })
        .collect();
    names.sort();
    names
}

fn parse(name: &str) -> CertificateFacts {
    parsed(&der(name)).unwrap_or_else(|because| panic!("{name}: {because}"))
}

fn parsed(der: &[u8]) -> Result<CertificateFacts, String> {
    match Certificate::from_der(der) {
        Certificate::Parsed(facts) => Ok(*facts),
        Certificate::Unparsable { because, .. } => Err(because),
    }
}

fn because(der: &[u8]) -> String {
    parsed(der).expect_err("parsed")
}

/// The certificate with its only (or every) occurrence of some bytes replaced, same length.
fn patched(name: &str, from: &[u8], to: &[u8]) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut bytes = der(name);
    let places: Vec<usize> =
        bytes.windows(from.len()).enumerate().filter(|w| w.1 == from).map(|w| w.0).collect();
    assert!(!places.is_empty(), "{name} does not contain {from:02x?}");
    for place in places {
        bytes[place..place + to.len()].copy_from_slice(to);
    }
    bytes
}

#[test]
fn keys() {
    use KeyAlgorithm::{Dsa, Ec, Ed448, Ed25519, Rsa};
    for (name, algorithm, bits, curve, exponent) in [
        ("rsa-512-sha256", Rsa, Some(512), None, Some("65537")),
        ("rsa-1024-sha256", Rsa, Some(1024), None, Some("65537")),
        ("rsa-2048-sha256", Rsa, Some(2048), None, Some("65537")),
        ("rsa-2048-e3", Rsa, Some(2048), None, Some("3")),
        ("rsa-pss-key", Rsa, Some(2048), None, Some("65537")),
        ("dsa-1024", Dsa, Some(1024), None, None),
        ("ec-prime192v1-sha256", Ec, Some(192), Some("P-192"), None),
        ("ec-secp224r1-sha256", Ec, Some(224), Some("P-224"), None),
        ("ec-prime256v1-sha256", Ec, Some(256), Some("P-256"), None),
        ("ec-secp384r1-sha384", Ec, Some(384), Some("P-384"), None),
        ("ec-secp521r1-sha512", Ec, Some(521), Some("P-521"), None),
        ("ec-secp256k1-sha256", Ec, Some(256), Some("secp256k1"), None),
        ("ec-brainpoolP256r1-sha256", Ec, Some(256), Some("brainpoolP256r1"), None),
        ("ed25519", Ed25519, Some(256), None, None),
        ("ed448", Ed448, Some(456), None, None),
        ("ec-explicit", KeyAlgorithm::Other("1.2.840.10045.2.1".into()), None, None, None),
    ] {
        let key = parse(name).key;
        assert_eq!(key.algorithm, algorithm, "{name}");
        assert_eq!(key.bits, bits, "{name}");
        assert_eq!(key.curve.as_deref(), curve, "{name}");
        assert_eq!(key.exponent.as_deref(), exponent, "{name}");
        assert_eq!(key.spki_sha256.len(), 64);
    }
}

/// Every one of these is genuine: none may be called forged.
#[test]
fn self_signatures_of_genuine_certificates() {
    for name in [
        "rsa-1024-sha1",
        "rsa-1024-sha256",
        "rsa-2048-sha1",
        "rsa-2048-sha256",
        "rsa-2048-sha384",
        "rsa-2048-sha512",
        "rsa-2048-e3",
        "rsa-2048-pss-sha256",
        "rsa-pss-key",
        "ec-prime256v1-sha1",
        "ec-prime256v1-sha256",
        "ec-prime256v1-sha512",
        "ec-secp384r1-sha256",
        "ec-secp384r1-sha384",
        "ec-secp521r1-sha256",
        "ec-secp521r1-sha512",
        "ec-secp256k1-sha256",
        "ed25519",
        "root",
        "bidi-name",
        "expired",
    ] {
        let facts = parse(name);
        assert!(facts.self_issued, "{name}");
        assert_eq!(facts.self_signature, SelfSignature::Verified, "{name}");
    }
    for (name, reason) in [
        ("rsa-512-sha256", "this one has 512"),
        ("rsa-1024-sha384", "sha384WithRSAEncryption with a key of RSA 1024"),
        ("rsa-2048-md5", "md5WithRSAEncryption with a key of RSA 2048"),
        ("rsa-2048-sha224", "sha224WithRSAEncryption with a key of RSA 2048"),
        ("rsa-2048-pss-salt-20", "this salt has 20 bytes"),
        ("ec-prime192v1-sha256", "key of EC P-192"),
        ("ec-secp224r1-sha256", "key of EC P-224"),
        ("ec-brainpoolP256r1-sha256", "key of EC brainpoolP256r1"),
        ("ec-explicit", "key of algorithm 1.2.840.10045.2.1"),
        ("ed448", "Ed448 with a key of Ed448"),
        ("dsa-1024", "dsa-with-sha256 with a key of DSA"),
    ] {
        let facts = parse(name);
        assert!(facts.self_issued, "{name}");
        match facts.self_signature {
            SelfSignature::Unverifiable(because) => {
                assert!(because.contains(reason), "{name}: {because}");
            }
            other => panic!("{name}: {other:?}"),
        }
    }
    assert_eq!(parse("server").self_signature, SelfSignature::NotSelfIssued);
}

#[test]
fn self_signatures_of_changed_certificates() {
    for name in [
        "rsa-1024-sha1",
        "rsa-1024-sha256",
        "rsa-2048-sha256",
        "rsa-2048-sha384",
        "rsa-2048-pss-sha256",
        "rsa-2048-e3",
        "ec-prime256v1-sha256",
        "ec-secp384r1-sha384",
        "ec-secp521r1-sha512",
        "ec-secp256k1-sha256",
        "ed25519",
    ] {
        let changed = patched(name, b"docker.example", b"socket.example");
        assert_eq!(parsed(&changed).unwrap().self_signature, SelfSignature::Failed, "{name}");
    }
    for name in ["rsa-512-sha256", "rsa-2048-md5", "ed448", "dsa-1024", "ec-explicit"] {
        let changed = patched(name, b"docker.example", b"socket.example");
        let facts = parsed(&changed).unwrap();
        assert!(matches!(facts.self_signature, SelfSignature::Unverifiable(_)), "{name}");
    }
}

#[test]
fn signature_algorithms() {
    use HashAlgorithm::*;
    for (name, algorithm, hash) in [
        ("rsa-2048-md5", "md5WithRSAEncryption", Some(Md5)),
        ("rsa-2048-sha1", "sha1WithRSAEncryption", Some(Sha1)),
        ("rsa-2048-sha224", "sha224WithRSAEncryption", Some(Sha224)),
        ("rsa-2048-sha512", "sha512WithRSAEncryption", Some(Sha512)),
        ("rsa-2048-pss-sha256", "rsassaPss", Some(Sha256)),
        ("ec-prime256v1-sha1", "ecdsa-with-SHA1", Some(Sha1)),
        ("ec-secp384r1-sha384", "ecdsa-with-SHA384", Some(Sha384)),
        ("dsa-1024", "dsa-with-sha256", Some(Sha256)),
        ("ed25519", "Ed25519", None),
        ("ed448", "Ed448", None),
    ] {
        let found = parse(name).signature_algorithm;
        assert_eq!((found.name.as_str(), found.hash), (algorithm, hash), "{name}");
    }
}

#[test]
fn an_issued_server_certificate() {
    let facts = parse("server");
    let root = parse("root");
    assert_eq!(facts.version, 3);
    assert_eq!(facts.subject, "CN=server");
    assert_eq!(facts.issuer, "CN=Example CA,O=Example");
    assert_eq!(facts.issuer_der, root.subject_der);
    assert_eq!(facts.serial, "1234");
    assert!(!facts.self_issued && !facts.is_ca);
    assert!(root.self_issued && root.is_ca);
    assert_eq!(facts.extended_key_usage, Some(vec!["serverAuth".to_owned()]));
    assert_eq!(root.extended_key_usage, None);
    assert!(facts.san.present && !root.san.present);
    assert_eq!(facts.san.dns, ["docker.example", "*.docker.example"]);
    assert_eq!(facts.san.ip.len(), 2);
    assert_eq!(facts.san.ip[0].to_string(), "192.0.2.7");
    assert_eq!(facts.san.ip[1].to_string(), "2001:db8::7");
    assert_eq!(facts.sha256, sha256_hex(&der("server")));
    assert_eq!(facts.key.spki_sha256, parse("expired").key.spki_sha256, "the same key");
}

#[test]
fn odd_but_readable_certificates() {
    let facts = parse("server-and-client");
    assert_eq!(facts.serial, "-3d");
    assert_eq!(facts.extended_key_usage.unwrap(), ["serverAuth", "clientAuth", "1.2.3.4"]);
    assert!(facts.san.present && facts.san.dns.is_empty());

    let facts = parse("version-1");
    assert_eq!(facts.version, 1);
    assert!(!facts.is_ca && !facts.san.present && facts.extended_key_usage.is_none());

    let facts = parse("never-expires");
    assert_eq!(facts.not_before.to_string(), "2020-01-01T00:00:00Z");
    assert_eq!(facts.not_after, Timestamp::MAX);
    assert_eq!(parse("expired").not_after.to_string(), "2021-01-01T00:00:00Z");
}

#[test]
fn hostile_names_stay_what_they_are() {
    assert_eq!(parse("bidi-name").subject, "CN=evil\u{202e}txt.exe,O=Exämple 日本");
    assert_eq!(
        parse("escape-name").subject,
        "CN=a\u{1b}[31mred\u{1b}[0m\\, \\\"quoted\\\"\\; #xend"
    );
    let facts = parse("nul-in-name");
    assert_eq!(facts.subject, "CN=tampered\\00example");
    assert_eq!(facts.self_signature, SelfSignature::Failed);
}

#[test]
fn what_cannot_be_parsed_says_why() {
    let good = der("server");
    for end in [0, 1, 3, 200, good.len() - 1] {
        let because = because(&good[..end]);
        assert!(because.starts_with("the DER ends before the certificate does"), "{because}");
    }
    assert_eq!(because(&[&good[..], &[0; 3]].concat()), "3 bytes follow the certificate");
    assert!(because(b"HTTP/1.1 400 Bad Request").contains("not the DER of a certificate"));

    let year_13 = patched("expired", b"200101000000Z", b"201301000000Z");
    assert!(because(&year_13).contains("4.1.2.5"), "{}", because(&year_13));
    let version_8 = patched("server", &[0xa0, 3, 2, 1, 2], &[0xa0, 3, 2, 1, 7]);
    assert!(because(&version_8).contains("its version field is 7"));
    // Two of the same: subjectAltName renamed to extKeyUsage.
    let twice = patched("server", &[0x55, 0x1d, 0x11], &[0x55, 0x1d, 0x25]);
    assert!(because(&twice).contains("more than once"));

    let unparsable = Certificate::from_der(b"x");
    assert_eq!(unparsable.sha256(), sha256_hex(b"x"));
    assert!(unparsable.facts().is_none());
}

fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len() as u32;
    let mut out = vec![tag];
    match length {
        0..=127 => out.push(length as u8),
        _ => out.extend([&[0x84][..], &length.to_be_bytes()].concat()),
    }
    [out, content.to_vec()].concat()
}

/// A self-issued certificate around any key and any extensions, with a signature of zeros.
fn built(spki: &[u8], extensions: &[u8]) -> Vec<u8> {
    let sha256_rsa = tlv(0x30, &[0x06, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 0x0b, 0x05, 0]);
    let time = tlv(0x17, b"260101000000Z");
    let tbs = [
        vec![0xa0, 3, 2, 1, 2, 2, 1, 1],
        sha256_rsa.clone(),
        tlv(0x30, &[]),
        tlv(0x30, &[time.clone(), time].concat()),
        tlv(0x30, &[]),
        spki.to_vec(),
        tlv(0xa3, &tlv(0x30, extensions)),
    ];
    tlv(0x30, &[tlv(0x30, &tbs.concat()), sha256_rsa, tlv(0x03, &[0; 257])].concat())
}

fn rsa_spki(modulus: &[u8], exponent: &[u8]) -> Vec<u8> {
    let key = tlv(0x30, &[tlv(0x02, modulus), tlv(0x02, exponent)].concat());
    let algorithm = tlv(0x30, &[0x06, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1, 0x05, 0]);
    tlv(0x30, &[algorithm, tlv(0x03, &[vec![0], key].concat())].concat())
}

fn extension(oid: &[u8], value: &[u8]) -> Vec<u8> {
    tlv(0x30, &[tlv(0x06, oid), tlv(0x04, value)].concat())
}

#[test]
fn hostile_rsa_numbers() {
    let odd = |bytes: usize| [vec![0, 0xff], vec![0xff; bytes - 1]].concat();
    for (modulus, exponent, bits, decimal, reason) in [
        (vec![0], vec![3], Some(0), Some("3"), "this one has 0"),
        (vec![0x80; 256], vec![3], None, Some("3"), "negative"),
        (vec![0; 40], vec![3], Some(0), Some("3"), "this one has 0"),
        ([vec![0], vec![0xfe; 256]].concat(), vec![3], Some(2048), Some("3"), "even"),
        (odd(256), vec![1], Some(2048), Some("1"), "exponent"),
        (odd(256), vec![2], Some(2048), Some("2"), "exponent"),
        (odd(256), vec![0xff], Some(2048), None, "exponent"),
        (odd(256), vec![0x7f; 300], Some(2048), None, "exponent"),
        (odd(60_000), vec![1, 0, 1], Some(480_000), Some("65537"), "this one has 480000"),
        ([vec![0; 50], odd(256)].concat(), vec![3], Some(2048), Some("3"), ""),
    ] {
        let facts = parsed(&built(&rsa_spki(&modulus, &exponent), &[])).unwrap();
        assert_eq!(facts.key.algorithm, KeyAlgorithm::Rsa);
        assert_eq!(facts.key.bits, bits);
        assert_eq!(facts.key.exponent.as_deref(), decimal);
        match facts.self_signature {
            SelfSignature::Unverifiable(because) => assert!(because.contains(reason), "{because}"),
            other => assert!(reason.is_empty(), "{other:?} for a modulus of {bits:?} bits"),
        }
    }
    let algorithm = tlv(0x30, &[0x06, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1, 0x05, 0]);
    let spki = tlv(0x30, &[algorithm, tlv(0x03, &[0, 1, 2, 3])].concat());
    let facts = parsed(&built(&spki, &[])).unwrap();
    assert_eq!((facts.key.algorithm, facts.key.bits), (KeyAlgorithm::Rsa, None));
}

#[test]
fn unknown_curves_and_algorithms_keep_their_oid() {
    let ec = |parameters: &[u8]| {
        let algorithm = [&[0x06, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1][..], parameters].concat();
        tlv(0x30, &[tlv(0x30, &algorithm), tlv(0x03, &[0, 4, 1, 2])].concat())
    };
    let key = parsed(&built(&ec(&[0x06, 3, 0x2a, 3, 4]), &[])).unwrap().key;
    assert_eq!(key.algorithm, KeyAlgorithm::Ec);
    assert_eq!((key.curve.as_deref(), key.bits), (Some("1.2.3.4"), None));
    for implicit in [&[0x05, 0][..], &[]] {
        let key = parsed(&built(&ec(implicit), &[])).unwrap().key;
        assert_eq!(key.algorithm, KeyAlgorithm::Other("1.2.840.10045.2.1".into()));
    }
    let other = tlv(0x30, &[tlv(0x30, &[0x06, 3, 0x2a, 3, 4]), tlv(0x03, &[0, 1])].concat());
    let key = parsed(&built(&other, &[])).unwrap().key;
    assert_eq!(key.algorithm, KeyAlgorithm::Other("1.2.3.4".into()));
}

#[test]
fn lists_of_names_and_uses_are_bounded_and_counted() {
    let spki = rsa_spki(&[1; 256], &[3]);
    let names: Vec<u8> = (0..5000).flat_map(|_| tlv(0x82, &[b'a'; 600])).collect();
    let san = extension(&[0x55, 0x1d, 0x11], &tlv(0x30, &names));
    let client = tlv(0x06, &[0x2b, 6, 1, 5, 5, 7, 3, 2]);
    let purposes: Vec<u8> = (0..5000u16)
        .flat_map(|n| tlv(0x06, &[0x2a, 3, (n >> 7) as u8 | 0x80, n as u8 & 0x7f]))
        .collect();
    let eku = extension(&[0x55, 0x1d, 0x25], &tlv(0x30, &[purposes, client].concat()));
    let facts = parsed(&built(&spki, &[san, eku].concat())).unwrap();
    assert_eq!((facts.san.dns.len(), facts.san.more), (SubjectAltNames::MAX, 4900));
    assert!(facts.san.dns.iter().all(|name| name.chars().count() == 512));
    let uses = facts.extended_key_usage.unwrap();
    assert_eq!(uses.len(), 51);
    assert_eq!(uses[50], "clientAuth");
}

#[test]
fn alternative_names_that_are_no_names_are_left_out() {
    let spki = rsa_spki(&[1; 256], &[3]);
    let names = [
        tlv(0x87, b"10.0.0.1"),
        tlv(0x87, &[10, 0, 0, 1]),
        tlv(0x82, &[b'a', 0, 0xff]),
        tlv(0xa0, &[]),
        tlv(0x86, b"https://example.org"),
    ];
    let san = extension(&[0x55, 0x1d, 0x11], &tlv(0x30, &names.concat()));
    let facts = parsed(&built(&spki, &san)).unwrap();
    assert_eq!(facts.san.ip.len(), 1);
    assert_eq!(facts.san.dns, ["a\0\u{fffd}"]);
    let broken = extension(&[0x55, 0x1d, 0x11], &[0x30, 2, 0x82, 9]);
    assert!(because(&built(&spki, &broken)).contains("subjectAltName extension is malformed"));
}

#[test]
fn basic_constraints() {
    let spki = rsa_spki(&[1; 256], &[3]);
    let with = |value: &[u8]| parsed(&built(&spki, &extension(&[0x55, 0x1d, 0x13], value)));
    assert!(!with(&[0x30, 0]).unwrap().is_ca);
    assert!(with(&[0x30, 3, 1, 1, 0xff]).unwrap().is_ca);
    assert!(with(&[0x30, 6, 1, 1, 0xff, 2, 1, 0]).unwrap().is_ca);
    assert!(!with(&[0x30, 3, 1, 1, 0]).unwrap().is_ca);
    assert!(!with(&[0x30, 3, 2, 1, 0]).unwrap().is_ca);
    assert!(with(&[0x31, 0]).is_err());
    assert!(with(&[0x30, 1, 1]).is_err());
}

fn samples() -> Vec<Vec<u8>> {
    ["server", "rsa-1024-sha1", "rsa-2048-pss-sha256", "ec-explicit", "dsa-1024", "bidi-name"]
        .map(der)
        .to_vec()
}

proptest! {
    #[test]
    fn garbage_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
        let _ = Certificate::from_der(&bytes);
        let _ = name_text(&bytes);
    }

    #[test]
    fn truncated_is_unparsable(which in 0..6usize, share in 0.0..1.0f64) {
        let der = &samples()[which];
        let end = (der.len() as f64 * share) as usize;
        prop_assert!(parsed(&der[..end]).is_err());
    }

    #[test]
    fn concatenated_is_unparsable(first in 0..6usize, second in 0..6usize) {
        let samples = samples();
        prop_assert!(parsed(&[&samples[first][..], &samples[second][..]].concat()).is_err());
    }

    #[test]
    fn mutated_never_panics(
        which in 0..6usize,
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut der = samples().swap_remove(which);
        for (place, byte) in changes {
            *place.get_mut(&mut der) = byte;
        }
        if let Ok(facts) = parsed(&der) {
            prop_assert!(facts.subject.chars().count() <= MAX_NAME_CHARS);
            prop_assert!(facts.issuer.chars().count() <= MAX_NAME_CHARS);
            prop_assert_eq!(facts.sha256, sha256_hex(&der));
        }
    }

    #[test]
    fn any_time_is_a_time_or_a_reason(time in "[0-9+.Z-]{13}", generalized in "[0-9]{14}[Z0-9]") {
        let _ = parsed(&patched("expired", b"200101000000Z", time.as_bytes()));
        let _ = parsed(&patched("never-expires", b"99991231235959Z", generalized.as_bytes()));
    }
}
