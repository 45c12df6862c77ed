use std::collections::BTreeSet;
use std::process::Command;

use super::*;

fn suite(name: &str) -> CipherSuite {
    CipherSuite::from_name(name).unwrap_or_else(|| panic!("no {name}"))
}

#[test]
fn the_registry_is_whole_and_without_signals() {
    let all = CipherSuite::all();
    assert!(all.len() > 360, "{}", all.len());
    assert!(all.windows(2).all(|pair| pair[0].id < pair[1].id));
    let names: BTreeSet<_> = all.iter().map(|suite| suite.name).collect();
    assert_eq!(names.len(), all.len());
    for id in [0x0000, 0x00ff, 0x5600] {
        assert_eq!(CipherSuite::from_id(id), None, "{id:#06x} is no suite");
    }
    for suite in all {
        assert_eq!(CipherSuite::from_id(suite.id), Some(*suite));
    }
}

#[test]
fn a_name_says_what_a_suite_does() {
    for (name, key_exchange, authentication, encryption, forward) in [
        ("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "ECDHE", "RSA", "AES_128_GCM", true),
        ("TLS_ECDHE_ECDSA_WITH_AES_256_CCM_8", "ECDHE", "ECDSA", "AES_256_CCM_8", true),
        ("TLS_DHE_DSS_WITH_3DES_EDE_CBC_SHA", "DHE", "DSS", "3DES_EDE_CBC", true),
        ("TLS_DH_RSA_WITH_AES_128_CBC_SHA", "DH", "RSA", "AES_128_CBC", false),
        ("TLS_ECDH_ECDSA_WITH_RC4_128_SHA", "ECDH", "ECDSA", "RC4_128", false),
        ("TLS_RSA_WITH_AES_256_CBC_SHA256", "RSA", "RSA", "AES_256_CBC", false),
        ("TLS_RSA_EXPORT_WITH_RC2_CBC_40_MD5", "RSA", "RSA", "RC2_CBC_40", false),
        ("TLS_RSA_EXPORT1024_WITH_RC4_56_SHA", "RSA", "RSA", "RC4_56", false),
        ("TLS_DH_anon_EXPORT_WITH_DES40_CBC_SHA", "DH", "none", "DES40_CBC", false),
        ("TLS_ECDH_anon_WITH_NULL_SHA", "ECDH", "none", "NULL", false),
        ("TLS_RSA_PSK_WITH_NULL_SHA384", "RSA", "PSK", "NULL", false),
        ("TLS_DHE_PSK_WITH_AES_128_CCM", "DHE", "PSK", "AES_128_CCM", true),
        ("TLS_PSK_DHE_WITH_AES_128_CCM_8", "DHE", "PSK", "AES_128_CCM_8", true),
        ("TLS_KRB5_EXPORT_WITH_DES_CBC_40_MD5", "KRB5", "KRB5", "DES_CBC_40", false),
        ("TLS_SRP_SHA_WITH_AES_128_CBC_SHA", "SRP", "SRP", "AES_128_CBC", false),
        ("TLS_SRP_SHA_DSS_WITH_AES_128_CBC_SHA", "SRP", "DSS", "AES_128_CBC", false),
        ("TLS_GOSTR341001_WITH_NULL_GOSTR3411", "GOST", "GOST", "NULL", false),
        ("SSL_RSA_FIPS_WITH_DES_CBC_SHA", "RSA", "RSA", "DES_CBC", false),
        ("TLS_AES_128_CCM_8_SHA256", "TLS 1.3", "TLS 1.3", "AES_128_CCM_8", true),
        ("TLS_SHA256_SHA256", "TLS 1.3", "TLS 1.3", "NULL", false),
    ] {
        let suite = suite(name);
        assert_eq!(suite.key_exchange(), key_exchange, "{name}");
        assert_eq!(suite.authentication(), authentication, "{name}");
        assert_eq!(suite.encryption(), encryption, "{name}");
        assert_eq!(suite.has_forward_secrecy(), forward, "{name}");
    }
}

#[test]
fn a_suite_is_in_every_class_that_it_deserves() {
    use CipherClass::{Anonymous, Export, Null, Rc4, RsaKeyExchange, SmallBlock};
    for (name, expected) in [
        ("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", &[][..]),
        ("TLS_ECDHE_RSA_WITH_NULL_SHA", &[Null]),
        ("TLS_DH_anon_WITH_AES_128_CBC_SHA", &[Anonymous]),
        ("TLS_DH_anon_EXPORT_WITH_RC4_40_MD5", &[Anonymous, Export, Rc4]),
        ("TLS_DH_anon_EXPORT_WITH_DES40_CBC_SHA", &[Anonymous, Export, SmallBlock]),
        ("TLS_RSA_EXPORT1024_WITH_RC4_56_SHA", &[Export, Rc4, RsaKeyExchange]),
        ("TLS_RSA_WITH_RC4_128_MD5", &[Rc4, RsaKeyExchange]),
        ("TLS_RSA_WITH_3DES_EDE_CBC_SHA", &[SmallBlock, RsaKeyExchange]),
        ("TLS_RSA_WITH_IDEA_CBC_SHA", &[SmallBlock, RsaKeyExchange]),
        ("TLS_RSA_WITH_CAMELLIA_128_CBC_SHA", &[RsaKeyExchange]),
        ("TLS_RSA_WITH_SEED_CBC_SHA", &[RsaKeyExchange]),
        ("TLS_RSA_PSK_WITH_AES_128_CBC_SHA", &[]),
        ("TLS_ECDH_RSA_WITH_AES_128_CBC_SHA", &[]),
    ] {
        assert_eq!(suite(name).classes().collect::<Vec<_>>(), expected, "{name}");
    }
    for single in ["TLS_RSA_WITH_DES_CBC_SHA", "SSL_RSA_FIPS_WITH_DES_CBC_SHA"] {
        assert!(suite(single).is_single_des());
    }
    for other in [
        "TLS_RSA_WITH_3DES_EDE_CBC_SHA",
        "TLS_RSA_EXPORT_WITH_DES40_CBC_SHA",
        "TLS_KRB5_EXPORT_WITH_DES_CBC_40_SHA",
    ] {
        assert!(!suite(other).is_single_des());
    }
}

#[test]
fn every_suite_exists_in_some_version_and_only_tls_1_3s_in_tls_1_3() {
    for suite in CipherSuite::all() {
        let versions: Vec<_> =
            TlsVersion::ALL.into_iter().filter(|version| suite.exists_in(*version)).collect();
        let contiguous = versions.windows(2).all(|pair| pair[0].wire() + 1 == pair[1].wire());
        assert!(!versions.is_empty() && contiguous, "{}: {versions:?}", suite.name);
        assert_eq!(versions == [TlsVersion::Tls13], versions.contains(&TlsVersion::Tls13));
    }
    for (name, first) in [
        ("TLS_RSA_WITH_RC4_128_MD5", TlsVersion::Ssl3),
        ("TLS_PSK_WITH_AES_128_CBC_SHA256", TlsVersion::Tls10),
        ("TLS_RSA_WITH_NULL_SHA256", TlsVersion::Tls12),
        ("TLS_SM4_GCM_SM3", TlsVersion::Tls13),
        ("TLS_GOSTR341112_256_WITH_MAGMA_MGM_S", TlsVersion::Tls13),
    ] {
        let lowest = TlsVersion::ALL.into_iter().find(|version| suite(name).exists_in(*version));
        assert_eq!(lowest, Some(first), "{name}");
    }
}

/// OpenSSL has a table of its own, made by other people from the same RFCs.
#[test]
fn openssl_agrees_on_key_exchange_authentication_and_version() {
    let output = Command::new("openssl")
        .args(["ciphers", "-V", "ALL:COMPLEMENTOFALL:@SECLEVEL=0"])
        .output()
        .expect("this test needs the openssl command");
    let text = String::from_utf8(output.stdout).unwrap();
    let mut compared = 0;
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [code, "-", _, version, key_exchange, authentication, encryption, ..] = words[..]
        else {
            panic!("{line}")
        };
        let code = code.replace("0x", "").replace(',', "");
        let suite = CipherSuite::from_id(u16::from_str_radix(&code, 16).unwrap()).expect(line);
        let lowest = TlsVersion::ALL.into_iter().find(|version| suite.exists_in(*version)).unwrap();
        match version {
            "TLSv1.3" => assert_eq!(lowest, TlsVersion::Tls13, "{line}"),
            "TLSv1.2" => assert_eq!(lowest, TlsVersion::Tls12, "{line}"),
            "TLSv1" => assert!(lowest <= TlsVersion::Tls10, "{line}"),
            "SSLv3" => assert_eq!(lowest, TlsVersion::Ssl3, "{line}"),
            other => panic!("{other}"),
        }
        let key_exchange = key_exchange.trim_start_matches("Kx=");
        let ephemeral = matches!(key_exchange, "ECDH" | "DH" | "DHEPSK" | "ECDHEPSK" | "any");
        let anonymous = authentication == "Au=None" && !suite.needs_secret();
        assert_eq!(suite.is(CipherClass::Anonymous), anonymous, "{line}");
        let encrypted = encryption != "Enc=None";
        let forward_secrecy = ephemeral && !anonymous && encrypted;
        assert_eq!(suite.has_forward_secrecy(), forward_secrecy, "{line}");
        assert_eq!(suite.is(CipherClass::RsaKeyExchange), key_exchange == "RSA", "{line}");
        assert_eq!(suite.needs_secret(), key_exchange.contains("PSK") || key_exchange == "SRP");
        assert_eq!(suite.is(CipherClass::Null), encryption == "Enc=None", "{line}");
        compared += 1;
    }
    assert!(compared > 100, "{compared}");
}
