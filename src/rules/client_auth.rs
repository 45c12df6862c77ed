//! Whether a TLS server asks its clients who they are.

use super::{Rule, Subject, Verdict};
use crate::assess::{Answer, ClientAuth, Verified};
use crate::certificate::name_text;
use crate::certificate::public_roots::is_public_root_name;
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
    cwe: None,
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
    cwe: None,
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

pub static CLIENT_CERT_UNVERIFIED: Rule = Rule {
    name: "client-cert-unverified",
    severity: Severity::Critical,
    title: "Any client certificate is let in",
    why: "The server wants to see a certificate and does not look who issued it. Everybody can \
          make one in a second, so behind this door stands whoever knocks, and root on the host \
          is one request away.",
    detection: "Only with --try-untrusted-cert: a self-signed certificate made for this scan was \
                presented, and GET /version was answered as no stranger without a certificate is \
                answered. Nothing but that was asked, and writing was not tried.",
    remediation: "Name the CA that issues your clients' certificates, and let the server verify \
                  against it. dockerd, in /etc/docker/daemon.json, and restart it:\n\
                  \n    \"tlsverify\": true, \"tlscacert\": \"/etc/docker/tls/ca.pem\"\n\
                  \nIn front of it:\n\
                  \n    nginx      ssl_client_certificate /etc/nginx/ca.pem;\
                  \n               ssl_verify_client on;   # not optional_no_ca\
                  \n    HAProxy    bind … ca-file ca.pem verify required\
                  \n               (no ca-ignore-err, no crt-ignore-err)\
                  \n    OpenSSL    s_server … -CAfile ca.pem -Verify 1 -verify_return_error\n\
                  \nThen see that a certificate of your own making is refused:\n\
                  \n    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes \\\
                  \n      -subj /CN=nobody -keyout key.pem -out cert.pem\
                  \n    curl -k --cert cert.pem --key key.pem https://HOST:2376/version",
    cwe: Some(295),
    references: &[
        PROTECT,
        CIS_TLS,
        "RFC 5280, section 6 (path validation)",
        "https://nginx.org/en/docs/http/ngx_http_ssl_module.html#ssl_verify_client",
    ],
    check: unverified,
};

fn unverified(subject: &Subject<'_>) -> Verdict {
    let Some(auth) = asked(subject) else {
        return Verdict::NotApplicable;
    };
    match auth.verified {
        Verified::Untested => Verdict::NotApplicable,
        Verified::Yes => Verdict::Passed,
        Verified::No => Verdict::found(format!(
            "{}. Without one: {}",
            capitalised(&auth.verified_reason),
            auth.reason
        )),
        Verified::Undetermined => Verdict::undetermined(&auth.verified_reason),
    }
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

pub static CLIENT_CA_PUBLIC: Rule = Rule {
    name: "client-ca-public",
    severity: Severity::High,
    title: "Client certificates of public CAs are accepted",
    why: "A daemon that verifies clients against the system's bundle lets in whoever has a \
          certificate of any public CA. Such certificates are sold, and given away, to anyone who \
          controls a name: what they prove is not who may rule this host.",
    detection: "The CertificateRequest lists the issuers that are accepted, and at least one of \
                them bears the name of a root in Mozilla's list. A list that is empty tells \
                nothing.",
    remediation: "Let the server trust one CA only, which issues nothing but your clients' \
                  certificates. dockerd, in /etc/docker/daemon.json, and restart it:\n\
                  \n    \"tlsverify\": true, \"tlscacert\": \"/etc/docker/tls/ca.pem\"\n\
                  \n(without tlscacert it falls back to ~/.docker/ca.pem; a system bundle such as \
                  /etc/ssl/certs/ca-certificates.crt is never right here). Then read the list:\n\
                  \n    openssl s_client -connect HOST:2376 </dev/null \\\
                  \n      | sed -n '/Acceptable client certificate CA names/,/^Requested/p'",
    cwe: None,
    references: &[
        PROTECT,
        "RFC 8446, section 4.2.4 (certificate_authorities)",
        "RFC 5246, section 7.4.4 (certificate_authorities)",
        "RFC 5280, section 7.1 (comparing names)",
    ],
    check: ca_public,
};

fn ca_public(subject: &Subject<'_>) -> Verdict {
    let Some(auth) = asked(subject) else {
        return Verdict::NotApplicable;
    };
    match auth.requested {
        Answer::No => return Verdict::NotApplicable,
        Answer::Undetermined => return Verdict::undetermined(&auth.reason),
        Answer::Yes => {}
    }
    let (kept, total) = (auth.acceptable_issuers.len(), auth.acceptable_issuers_total);
    let public: Vec<&Vec<u8>> =
        auth.acceptable_issuers.iter().filter(|name| is_public_root_name(name)).collect();
    let Some(first) = public.first() else {
        return match total {
            0 => Verdict::undetermined(
                "the CertificateRequest names no issuer, which leaves open whom the server trusts",
            ),
            _ if kept < total => Verdict::undetermined(format!(
                "the first {kept} of {total} issuers in the CertificateRequest are no public \
                 roots, and the others were not kept"
            )),
            _ => Verdict::Passed,
        };
    };
    let name = name_text(first).unwrap_or_default();
    let cut = if kept < total { format!(" ({kept} were kept)") } else { String::new() };
    Verdict::found(format!(
        "{} of {total} issuers in the CertificateRequest{cut} bear the name of a public root, the \
         first of them {name}",
        public.len()
    ))
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
    fn a_certificate_that_is_not_verified() {
        let rule = &CLIENT_CERT_UNVERIFIED;
        let verified = |verified, reason: &str| {
            let mut assessment = hardened();
            let auth = client_auth(&mut assessment);
            (auth.verified, auth.verified_reason) = (verified, reason.to_owned());
            assessment
        };
        let let_in = verified(Verified::No, "gET /version was answered 200");
        let violation = only(rule, &let_in);
        assert_eq!(
            violation.evidence,
            "GET /version was answered 200. Without one: alert 116 certificate_required"
        );
        assert_eq!(verdict(rule, &verified(Verified::Yes, "refused")), Verdict::Passed);
        assert_eq!(verdict(rule, &hardened()), Verdict::NotApplicable);
        assert_eq!(undetermined(rule, &verified(Verified::Undetermined, "RSA only")), "RSA only");
        assert_eq!(verdict(rule, &open_plain()), Verdict::NotApplicable);
    }

    #[test]
    fn a_ca_that_issues_to_anyone() {
        let rule = &CLIENT_CA_PUBLIC;
        let listing = |issuers: Vec<Vec<u8>>, total| {
            let mut assessment = hardened();
            let auth = client_auth(&mut assessment);
            (auth.acceptable_issuers, auth.acceptable_issuers_total) = (issuers, total);
            assessment
        };
        let public = crate::certificate::Certificate::from_der(
            webpki_root_certs::TLS_SERVER_ROOT_CERTS.first().unwrap(),
        );
        let public = public.facts().unwrap();
        let ours = b"ours".to_vec();
        let violation = only(rule, &listing(vec![ours.clone(), public.subject_der.clone()], 300));
        assert!(violation.evidence.starts_with("1 of 300 issuers"), "{}", violation.evidence);
        assert!(violation.evidence.contains("(2 were kept)"));
        assert!(violation.evidence.ends_with(&public.subject), "{}", violation.evidence);
        assert_eq!(verdict(rule, &hardened()), Verdict::Passed);
        undetermined(rule, &listing(vec![], 0));
        assert!(undetermined(rule, &listing(vec![ours], 9)).contains("first 1 of 9"));
        undetermined(rule, &with(Answer::Undetermined, Answer::Undetermined));
        assert_eq!(verdict(rule, &open_tls()), Verdict::NotApplicable);
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
