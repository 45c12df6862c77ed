use super::super::fixture::*;
use super::*;
use crate::cipher_suite::CipherSuite;
use crate::observation::TlsVersion;

const RULES: [(&Rule, CipherClass, &str); 6] = [
    (&TLS_CIPHER_NULL, CipherClass::Null, "TLS_RSA_WITH_NULL_SHA"),
    (&TLS_CIPHER_ANONYMOUS, CipherClass::Anonymous, "TLS_DH_anon_WITH_AES_128_CBC_SHA"),
    (&TLS_CIPHER_EXPORT, CipherClass::Export, "TLS_RSA_EXPORT_WITH_RC4_40_MD5"),
    (&TLS_CIPHER_RC4, CipherClass::Rc4, "TLS_RSA_WITH_RC4_128_SHA"),
    (&TLS_CIPHER_3DES, CipherClass::SmallBlock, "TLS_RSA_WITH_3DES_EDE_CBC_SHA"),
    (&TLS_RSA_KEY_EXCHANGE, CipherClass::RsaKeyExchange, "TLS_RSA_WITH_AES_128_CBC_SHA"),
];

#[test]
fn each_rule_judges_its_class() {
    for (rule, class, name) in RULES {
        let mut assessment = hardened();
        assert_eq!(verdict(rule, &assessment), Verdict::Passed, "{}", rule.name);
        let support = tls(&mut assessment).ciphers.classes.get_mut(&class).unwrap();
        support.status = SupportStatus::Accepted;
        support.reason = format!("a ServerHello chose TLSv1.2: {name}");
        support.accepted = vec![(TlsVersion::Tls12, CipherSuite::from_name(name).unwrap())];
        let violation = only(rule, &assessment);
        assert!(violation.evidence.contains(name), "{}", violation.evidence);
        assert_eq!(violation.severity, None, "{}", rule.name);
        let support = tls(&mut assessment).ciphers.classes.get_mut(&class).unwrap();
        support.status = SupportStatus::Undetermined;
        support.reason = "connection reset".into();
        assert_eq!(undetermined(rule, &assessment), "connection reset");
        tls(&mut assessment).ciphers.classes.clear();
        undetermined(rule, &assessment);
        assert_eq!(verdict(rule, &open_plain()), Verdict::NotApplicable);
    }
}

#[test]
fn single_des_is_worse_than_3des() {
    let mut assessment = hardened();
    let support = tls(&mut assessment).ciphers.classes.get_mut(&CipherClass::SmallBlock).unwrap();
    support.status = SupportStatus::Accepted;
    let des = CipherSuite::from_name("TLS_RSA_WITH_DES_CBC_SHA").unwrap();
    support.accepted = vec![(TlsVersion::Tls10, des)];
    assert_eq!(only(&TLS_CIPHER_3DES, &assessment).severity, Some(Severity::High));
}

#[test]
fn forward_secrecy_is_found_missing_where_it_is_refused() {
    let rule = &TLS_NO_FORWARD_SECRECY;
    let mut assessment = hardened();
    assert_eq!(verdict(rule, &assessment), Verdict::Passed);
    let support = &mut tls(&mut assessment).ciphers.forward_secrecy;
    support.status = SupportStatus::Refused;
    support.reason = "TLSv1.2: alert 40".into();
    assert!(only(rule, &assessment).evidence.contains("TLSv1.2: alert 40"));
    tls(&mut assessment).ciphers.forward_secrecy.status = SupportStatus::Undetermined;
    assert_eq!(undetermined(rule, &assessment), "TLSv1.2: alert 40");
    assert_eq!(verdict(rule, &open_plain()), Verdict::NotApplicable);
}
