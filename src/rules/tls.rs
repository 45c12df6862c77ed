//! Which TLS versions a server accepts.

use super::{Rule, Subject, Verdict};
use crate::assess::SupportStatus;
use crate::finding::Severity;
use crate::observation::TlsVersion;

macro_rules! raise_minimum {
    () => {
        "A current dockerd accepts nothing below TLS 1.2, so either the engine is years old \
         (update it) or something in front of it ends TLS. Set the minimum there; for example:\n\
         \n    nginx      ssl_protocols TLSv1.2 TLSv1.3;\
         \n    HAProxy    bind :2376 ssl crt /etc/haproxy/docker.pem ssl-min-ver TLSv1.2\
         \n    stunnel    sslVersionMin = TLSv1.2\n\
         \nThen see that it is refused:\n\n    "
    };
}

pub static TLS_VERSION_SSL3: Rule = Rule {
    name: "tls-version-ssl3",
    severity: Severity::High,
    title: "SSL 3.0 accepted",
    why: "SSL 3.0 does not authenticate its padding: whoever is on the path and can make a client \
          repeat a request reads secrets out of it byte by byte (POODLE). No current client \
          needs it.",
    detection: "A ClientHello for SSL 3.0 only is answered by a ServerHello that chooses it.",
    remediation: concat!(
        raise_minimum!(),
        "docksweep scan HOST:2376    # most openssl builds cannot speak SSL 3.0 any more"
    ),
    cwe: Some(327),
    references: &["RFC 7568 (SSL 3.0 must not be used)", "CVE-2014-3566"],
    check: |subject| accepted(subject, TlsVersion::Ssl3),
};

pub static TLS_VERSION_1_0: Rule = Rule {
    name: "tls-version-1.0",
    severity: Severity::Medium,
    title: "TLS 1.0 accepted",
    why: "TLS 1.0 rests on MD5 and SHA-1 and chains its CBC blocks predictably (BEAST). It is \
          deprecated, and no client of Docker needs it.",
    detection: "A ClientHello for TLS 1.0 only is answered by a ServerHello that chooses it.",
    remediation: concat!(
        raise_minimum!(),
        "openssl s_client -tls1 -cipher ALL:@SECLEVEL=0 -connect HOST:2376 </dev/null"
    ),
    cwe: Some(327),
    references: &["RFC 8996 (TLS 1.0 and 1.1 must not be used)", "CVE-2011-3389"],
    check: |subject| accepted(subject, TlsVersion::Tls10),
};

pub static TLS_VERSION_1_1: Rule = Rule {
    name: "tls-version-1.1",
    severity: Severity::Medium,
    title: "TLS 1.1 accepted",
    why: "TLS 1.1 knows no authenticated encryption and signs its handshake over MD5 and SHA-1. \
          It is deprecated, and no client of Docker needs it.",
    detection: "A ClientHello for TLS 1.1 at most is answered by a ServerHello that chooses it.",
    remediation: concat!(
        raise_minimum!(),
        "openssl s_client -tls1_1 -cipher ALL:@SECLEVEL=0 -connect HOST:2376 </dev/null"
    ),
    cwe: Some(327),
    references: &["RFC 8996 (TLS 1.0 and 1.1 must not be used)"],
    check: |subject| accepted(subject, TlsVersion::Tls11),
};

fn accepted(subject: &Subject<'_>, version: TlsVersion) -> Verdict {
    judge(subject, version, SupportStatus::Accepted)
}

pub static TLS_NO_VERSION_1_3: Rule = Rule {
    name: "tls-no-version-1.3",
    severity: Severity::Info,
    title: "TLS 1.3 refused",
    why: "TLS 1.3 leaves out what made earlier versions fragile, and it alone encrypts the \
          certificates of both sides: under TLS 1.2 whoever is on the path reads which client \
          certificate logs in.",
    detection: "A ClientHello that offers TLS 1.3 is refused or answered with an earlier version.",
    remediation: "Engines since 20.10 offer TLS 1.3 by themselves: update, or allow it in what \
                  ends TLS in front of the engine (nginx: ssl_protocols TLSv1.2 TLSv1.3;). Then:\n\
                  \n    openssl s_client -tls1_3 -connect HOST:2376 </dev/null",
    cwe: None,
    references: &["RFC 8446, section 1.2 (differences from TLS 1.2)", "RFC 9325, section 3.1.1"],
    check: |subject| judge(subject, TlsVersion::Tls13, SupportStatus::Refused),
};

/// Found where the version has the unwanted status.
fn judge(subject: &Subject<'_>, version: TlsVersion, unwanted: SupportStatus) -> Verdict {
    let Some(tls) = &subject.assessment.tls else {
        return Verdict::NotApplicable;
    };
    match tls.versions.get(&version) {
        None => Verdict::undetermined(format!("{version} was not asked for")),
        Some(support) if support.status == SupportStatus::Undetermined => {
            Verdict::undetermined(&support.reason)
        }
        Some(support) if support.status == unwanted => {
            let word = if unwanted == SupportStatus::Accepted { "accepted" } else { "refused" };
            Verdict::found(format!("{version} {word}: {}", support.reason))
        }
        Some(_) => Verdict::Passed,
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::*;
    use super::*;

    #[test]
    fn each_rule_judges_its_version() {
        for (rule, version, unwanted) in [
            (&TLS_VERSION_SSL3, TlsVersion::Ssl3, SupportStatus::Accepted),
            (&TLS_VERSION_1_0, TlsVersion::Tls10, SupportStatus::Accepted),
            (&TLS_VERSION_1_1, TlsVersion::Tls11, SupportStatus::Accepted),
            (&TLS_NO_VERSION_1_3, TlsVersion::Tls13, SupportStatus::Refused),
        ] {
            let mut assessment = hardened();
            assert_eq!(verdict(rule, &assessment), Verdict::Passed, "{}", rule.name);
            let support = tls(&mut assessment).versions.get_mut(&version).unwrap();
            support.status = unwanted;
            support.reason = "record 16 03 00".into();
            let violation = only(rule, &assessment);
            assert!(violation.evidence.contains("record 16 03 00"), "{}", violation.evidence);
            assert!(violation.evidence.contains(version.name()));
            tls(&mut assessment).versions.get_mut(&version).unwrap().status =
                SupportStatus::Undetermined;
            assert_eq!(undetermined(rule, &assessment), "record 16 03 00");
            tls(&mut assessment).versions.clear();
            undetermined(rule, &assessment);
            assert_eq!(verdict(rule, &open_plain()), Verdict::NotApplicable);
        }
    }
}
