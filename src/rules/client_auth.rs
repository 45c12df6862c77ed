//! Whether a TLS server asks its clients who they are.

use super::{Rule, Subject, Verdict};
use crate::assess::{Answer, ClientAuth};
use crate::finding::Severity;

const PROTECT: &str = "https://docs.docker.com/engine/security/protect-access/";
const CIS_TLS: &str =
    "CIS Docker Benchmark: Ensure TLS authentication for Docker daemon is configured";

pub static CLIENT_CERT_NOT_REQUESTED: Rule = Rule {
    name: "client-cert-not-requested",
    severity: Severity::Info,
    title: "No client certificate requested",
    why: "A server that sends no CertificateRequest lets everyone finish the handshake; who may \
          do what is then up to what is spoken inside TLS. In front of a Docker API that is \
          usually nothing.",
    detection: "The server's part of the handshake came to its end without a CertificateRequest.",
    remediation: "Let dockerd ask, in /etc/docker/daemon.json, and restart it:\n\
                  \n    \"tlsverify\": true, \"tlscacert\": \"/etc/docker/tls/ca.pem\"\n\
                  \nOr in what ends TLS in front of it (nginx: ssl_client_certificate \
                  /etc/nginx/ca.pem; ssl_verify_client on;). Then look for the request:\n\
                  \n    openssl s_client -connect HOST:2376 </dev/null | grep -A3 'client certificate CA'",
    references: &[PROTECT, CIS_TLS, "RFC 8446, section 4.3.2", "RFC 5246, section 7.4.4"],
    check: not_requested,
};

fn not_requested(subject: &Subject<'_>) -> Verdict {
    let Some(auth) = asked(subject) else {
        return Verdict::NotApplicable;
    };
    match auth.requested {
        Answer::Yes => Verdict::Passed,
        Answer::No => Verdict::found(format!("No CertificateRequest: {}", auth.reason)),
        Answer::Undetermined => Verdict::undetermined(&auth.reason),
    }
}

pub static CLIENT_CERT_OPTIONAL: Rule = Rule {
    name: "client-cert-optional",
    severity: Severity::Info,
    title: "Client certificate requested but not required",
    why: "A CertificateRequest that may go unanswered looks like protection to whoever inspects \
          the handshake, and keeps nobody out.",
    detection: "The server sent a CertificateRequest, got no certificate, and served requests \
                nevertheless.",
    remediation: "Require the certificate, not only ask for it. dockerd: \"tlsverify\": true, and \
                  no --tlsverify=false on its command line. In front of it:\n\
                  \n    nginx      ssl_verify_client on;          # not optional\
                  \n    HAProxy    bind … ca-file ca.pem verify required\
                  \n    stunnel    verifyChain = yes\n\
                  \nThen see that a client without a certificate is refused:\n\
                  \n    curl -k https://HOST:2376/version",
    references: &[PROTECT, CIS_TLS, "RFC 8446, section 4.4.2.4", "RFC 5246, section 7.4.6"],
    check: optional,
};

fn optional(subject: &Subject<'_>) -> Verdict {
    let Some(auth) = asked(subject) else {
        return Verdict::NotApplicable;
    };
    match (auth.requested, auth.required) {
        (Answer::No, _) => Verdict::NotApplicable,
        (_, Answer::Yes) => Verdict::Passed,
        (Answer::Yes, Answer::No) => {
            let listed = match auth.acceptable_issuers_total {
                0 => "no issuer".to_owned(),
                1 => "1 issuer".to_owned(),
                many => format!("{many} issuers"),
            };
            Verdict::found(format!(
                "CertificateRequest naming {listed}, not enforced: {}",
                auth.reason
            ))
        }
        (Answer::Undetermined, _) | (_, Answer::Undetermined) => {
            Verdict::undetermined(&auth.reason)
        }
    }
}

fn asked<'a>(subject: &Subject<'a>) -> Option<&'a ClientAuth> {
    subject.assessment.tls.as_ref().map(|tls| &tls.client_auth)
}

#[cfg(test)]
mod tests {
    use super::super::fixture::*;
    use super::*;
    use crate::assess::Assessment;

    fn with(requested: Answer, required: Answer) -> Assessment {
        let mut assessment = hardened();
        let auth = client_auth(&mut assessment);
        (auth.requested, auth.required) = (requested, required);
        assessment
    }

    #[test]
    fn a_certificate_that_is_not_asked_for() {
        let rule = &CLIENT_CERT_NOT_REQUESTED;
        let violation = only(rule, &open_tls());
        assert!(violation.evidence.contains("before ServerHelloDone"));
        assert_eq!(verdict(rule, &hardened()), Verdict::Passed);
        undetermined(rule, &with(Answer::Undetermined, Answer::Undetermined));
        assert_eq!(verdict(rule, &open_plain()), Verdict::NotApplicable);
    }

    #[test]
    fn a_certificate_that_is_asked_for_and_not_needed() {
        let rule = &CLIENT_CERT_OPTIONAL;
        let violation = only(rule, &with(Answer::Yes, Answer::No));
        assert!(violation.evidence.contains("naming 1 issuer, not enforced"));
        assert_eq!(verdict(rule, &hardened()), Verdict::Passed);
        assert_eq!(verdict(rule, &open_tls()), Verdict::NotApplicable);
        undetermined(rule, &with(Answer::Yes, Answer::Undetermined));
        undetermined(rule, &with(Answer::Undetermined, Answer::No));
        assert_eq!(verdict(rule, &open_plain()), Verdict::NotApplicable);
    }
}
