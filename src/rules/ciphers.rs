//! Which cipher suites a server accepts.

use super::{Rule, Subject, Verdict, Violation};
use crate::assess::SupportStatus;
use crate::cipher_suite::CipherClass;
use crate::finding::Severity;

macro_rules! sound_suites {
    () => {
        "A dockerd takes none of these: something in front of it ends TLS. Give that suites \
             with forward secrecy and authenticated encryption only; for example:\n\
             \n    nginx      ssl_ciphers ECDHE+AESGCM:ECDHE+CHACHA20;\
             \n    HAProxy    bind :2376 ssl crt /etc/haproxy/docker.pem ciphers ECDHE+AESGCM:ECDHE+CHACHA20\
             \n    stunnel    ciphers = ECDHE+AESGCM:ECDHE+CHACHA20\
             \n    Java       jdk.tls.disabledAlgorithms in java.security as it was delivered\n\
             \nThen see what is left:\n\
             \n    docksweep scan --ciphers HOST:2376"
    };
}

pub static TLS_CIPHER_NULL: Rule = Rule {
    name: "tls-cipher-null",
    severity: Severity::High,
    title: "Cipher suites without encryption accepted",
    why: "With a NULL cipher everything goes over the wire in clear, behind a handshake that looks \
          like TLS.",
    detection: "A ClientHello is answered by a ServerHello that chooses a suite with a NULL cipher.",
    remediation: sound_suites!(),
    cwe: Some(319),
    references: &["RFC 9325, section 4.1 (NULL must not be negotiated)"],
    check: |subject| class(subject, CipherClass::Null),
};

pub static TLS_CIPHER_ANONYMOUS: Rule = Rule {
    name: "tls-cipher-anonymous",
    severity: Severity::High,
    title: "Cipher suites without authentication accepted",
    why: "An anonymous key exchange shows no certificate: whoever is on the path can take the \
          server's place, and a client that allows it will not notice.",
    detection: "A ClientHello is answered by a ServerHello that chooses a DH_anon or ECDH_anon \
                suite.",
    remediation: sound_suites!(),
    cwe: Some(322),
    references: &["RFC 5246, appendix F.1.1.1 (anonymous key exchange)", "RFC 9325, section 4.1"],
    check: |subject| class(subject, CipherClass::Anonymous),
};

pub static TLS_CIPHER_EXPORT: Rule = Rule {
    name: "tls-cipher-export",
    severity: Severity::High,
    title: "Export cipher suites accepted",
    why: "Keys of 40 or 56 bits can be searched through in hours, and a server that still has them \
          lets an attacker weaken the connections of other clients (FREAK, Logjam).",
    detection: "A ClientHello is answered by a ServerHello that chooses an EXPORT suite.",
    remediation: sound_suites!(),
    cwe: Some(326),
    references: &["CVE-2015-0204 (FREAK)", "CVE-2015-4000 (Logjam)", "RFC 9325, section 4.1"],
    check: |subject| class(subject, CipherClass::Export),
};

pub static TLS_CIPHER_RC4: Rule = Rule {
    name: "tls-cipher-rc4",
    severity: Severity::Medium,
    title: "RC4 accepted",
    why: "RC4's output is biased: a secret that is sent often enough, such as a header, can be read \
          from its ciphertexts.",
    detection: "A ClientHello is answered by a ServerHello that chooses a suite with RC4.",
    remediation: sound_suites!(),
    cwe: Some(327),
    references: &["RFC 7465 (RC4 must not be negotiated)", "CVE-2015-2808"],
    check: |subject| class(subject, CipherClass::Rc4),
};

pub static TLS_CIPHER_3DES: Rule = Rule {
    name: "tls-cipher-3des",
    severity: Severity::Medium,
    title: "64-bit block ciphers accepted",
    why: "3DES, DES, IDEA and RC2 work on blocks of 64 bits: after some gigabytes of one connection \
          blocks repeat, and what repeats gives text away (Sweet32). Single DES moreover has a key \
          of 56 bits, which can be searched through.",
    detection: "A ClientHello is answered by a ServerHello that chooses a suite with 3DES, DES, \
                IDEA or RC2; with single DES it is of high severity.",
    remediation: sound_suites!(),
    cwe: Some(327),
    references: &["CVE-2016-2183 (Sweet32)", "RFC 5469 (DES and IDEA)", "RFC 9325, section 4.1"],
    check: |subject| class(subject, CipherClass::SmallBlock),
};

pub static TLS_NO_FORWARD_SECRECY: Rule = Rule {
    name: "tls-no-forward-secrecy",
    severity: Severity::Medium,
    title: "No cipher suite with forward secrecy",
    why: "Whoever records connections today and gets hold of the server's key in some years reads \
          them all, with the registry passwords and environments that went over the API.",
    detection: "TLS 1.3 is refused, and at no other version is a suite with an authenticated \
                ephemeral key exchange (ECDHE, DHE) and a cipher accepted.",
    remediation: sound_suites!(),
    cwe: None,
    references: &["RFC 9325, section 4.1 (forward secrecy)", "RFC 9325, section 7.3"],
    check: no_forward_secrecy,
};

pub static TLS_RSA_KEY_EXCHANGE: Rule = Rule {
    name: "tls-rsa-key-exchange",
    severity: Severity::Info,
    title: "RSA key transport accepted",
    why: "A client that chooses it gets no forward secrecy, and the decryption that it needs on the \
          server is what Bleichenbacher's attack and its many descendants (ROBOT) ask questions of.",
    detection: "A ClientHello is answered by a ServerHello that chooses a suite in which the \
                client encrypts the secret to the certificate's RSA key.",
    remediation: "A dockerd takes none of these suites: something in front of it ends TLS. Allow \
                  ephemeral key exchange only there (nginx: ssl_ciphers \
                  ECDHE+AESGCM:ECDHE+CHACHA20;). Then see that it is refused:\n\
                  \n    openssl s_client -tls1_2 -cipher kRSA -connect HOST:2376 </dev/null",
    cwe: None,
    references: &["RFC 9325, section 4.1 (RSA key transport)", "https://robotattack.org/"],
    check: |subject| class(subject, CipherClass::RsaKeyExchange),
};

fn class(subject: &Subject<'_>, class: CipherClass) -> Verdict {
    let Some(tls) = &subject.assessment.tls else {
        return Verdict::NotApplicable;
    };
    let Some(support) = tls.ciphers.classes.get(&class) else {
        return Verdict::undetermined("no hello asked for it");
    };
    match support.status {
        SupportStatus::Refused => Verdict::Passed,
        SupportStatus::Undetermined => Verdict::undetermined(&support.reason),
        SupportStatus::Accepted => {
            let violation = Violation::new(format!("Accepted: {}.", support.reason));
            let single_des = class == CipherClass::SmallBlock
                && support.accepted.iter().any(|(_, suite)| suite.is_single_des());
            Verdict::Found(vec![if single_des {
                violation.severity(Severity::High)
            } else {
                violation
            }])
        }
    }
}

fn no_forward_secrecy(subject: &Subject<'_>) -> Verdict {
    let Some(tls) = &subject.assessment.tls else {
        return Verdict::NotApplicable;
    };
    let support = &tls.ciphers.forward_secrecy;
    match support.status {
        SupportStatus::Accepted => Verdict::Passed,
        SupportStatus::Undetermined => Verdict::undetermined(&support.reason),
        SupportStatus::Refused => Verdict::found(format!(
            "Every suite with forward secrecy is refused: {}.",
            support.reason
        )),
    }
}

#[cfg(test)]
mod tests;
