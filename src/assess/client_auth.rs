//! Whether a client certificate is asked for, and whether anything happens without one.
//!
//! The test is "refused after a CertificateRequest", never an alert's number: those differ by
//! implementation, and TLS 1.3 may lose them to a reset.

use super::{Answer, ClientAuth, EnforcedBy, Verified, tls_exchanges, untrusted};
use crate::observation::versions::describe;
use crate::observation::{
    CertificateRequest, Connection, Exchange, ExchangeResult, HelloAnswer, HelloForm, HttpAnswer,
    Observation, StreamEnd, TlsVersion,
};

pub(super) fn assess(observation: &Observation) -> ClientAuth {
    let request = certificate_request(observation);
    let (requested, required, enforced_by, reason) = match request {
        Some(_) => {
            let (required, enforced_by, how) = enforcement(observation);
            (Answer::Yes, required, enforced_by, how)
        }
        None if request_was_possible(observation) => (
            Answer::No,
            Answer::No,
            None,
            "the server's first flight was read whole and held no CertificateRequest".to_owned(),
        ),
        None => (
            Answer::Undetermined,
            Answer::Undetermined,
            None,
            "no handshake got far enough for a CertificateRequest".to_owned(),
        ),
    };
    let mut auth = ClientAuth {
        requested,
        required,
        enforced_by,
        verified: Verified::Untested,
        verified_reason: String::new(),
        reason,
        acceptable_issuers: request
            .map(|request| request.issuers.iter().map(|name| name.0.clone()).collect())
            .unwrap_or_default(),
        acceptable_issuers_total: request.map_or(0, |request| request.issuers_total),
    };
    (auth.verified, auth.verified_reason) = untrusted::verified(observation, &auth);
    auth
}

/// Whether this answer is how a server refuses over HTTP what it asked for in TLS: 401 and 403,
/// nginx's 400, and the statuses 495 and 496 that it uses within. An answer in Docker's own words
/// has passed whoever checks certificates.
pub(super) fn refuses_without_certificate(answer: &HttpAnswer) -> bool {
    let explained = || {
        let text = answer.body.excerpt.as_deref().unwrap_or_default();
        text.to_ascii_lowercase().contains("certificate")
    };
    (matches!(answer.status, 401 | 403 | 495 | 496) || (answer.status == 400 && explained()))
        && !super::api::in_dockers_words(answer)
        // It names the credential that it wants, which is no certificate.
        && !(answer.status == 401 && answer.headers.get("www-authenticate").is_some())
}

fn certificate_request(observation: &Observation) -> Option<&CertificateRequest> {
    observation.connections.iter().find_map(|connection| match connection {
        Connection::Plain(_) => None,
        Connection::Tls(tls) => tls.certificate_request.as_ref(),
        Connection::Hello(hello) if hello.made_up_name.is_some() => None,
        Connection::Hello(hello) => match &hello.answer {
            HelloAnswer::ServerHello(flight) => flight.certificate_request.as_ref(),
            _ => None,
        },
    })
}

/// A flight was read to where a CertificateRequest would have stood.
fn request_was_possible(observation: &Observation) -> bool {
    observation.connections.iter().any(|connection| match connection {
        Connection::Plain(_) => false,
        Connection::Tls(tls) => tls.handshake_end.is_none(),
        // Under its own name the server may be another.
        Connection::Hello(hello) if hello.made_up_name.is_some() => false,
        Connection::Hello(hello) => match &hello.answer {
            // Who is anonymous may ask nobody for a certificate (RFC 5246 section 7.4.4).
            HelloAnswer::ServerHello(flight) => {
                flight.complete && (hello.form != HelloForm::RareSuites || flight.chain.is_some())
            }
            _ => false,
        },
    })
}

fn enforcement(observation: &Observation) -> (Answer, Option<EnforcedBy>, String) {
    // One request served to a stranger settles it: what a later connection came to is no refusal.
    if let Some((path, status)) = tls_exchanges(observation).find_map(|e| match &e.result {
        ExchangeResult::Answered(answer) if is_served(answer) => {
            Some((e.path.as_str(), answer.status))
        }
        _ => None,
    }) {
        let how = format!(
            "a CertificateRequest came, and GET {path} without a certificate was answered {status}"
        );
        return (Answer::No, None, how);
    }
    for connection in &observation.connections {
        let Connection::Tls(tls) = connection else { continue };
        if tls.certificate_request.is_none() {
            continue;
        }
        if let Some(end) = tls.handshake_end.as_ref().filter(|end| is_refusal(end)) {
            let how = format!("refused after a CertificateRequest: {}", describe(end));
            return (Answer::Yes, Some(EnforcedBy::Tls), how);
        }
        // In TLS 1.3 the client is done before the server has looked at its certificate.
        if let Some(Exchange { result: ExchangeResult::Unanswered(end), .. }) =
            tls.exchanges.first()
            && is_refusal(end)
            // Up to TLS 1.2 a completed handshake has been past the check: only an alert refuses.
            && (matches!(end, StreamEnd::Alert { .. })
                || tls.negotiated.as_ref().is_none_or(|n| n.version == TlsVersion::Tls13))
        {
            let how =
                format!("refused at the first read after a CertificateRequest: {}", describe(end));
            return (Answer::Yes, Some(EnforcedBy::Tls), how);
        }
    }
    let mut first = tls_exchanges(observation).map(|exchange| (&exchange.path, &exchange.result));
    match first.next() {
        Some((path, ExchangeResult::Answered(answer))) => {
            let how = format!(
                "TLS completed without a certificate, and GET {path} was answered {}",
                answer.status
            );
            if refuses_without_certificate(answer) {
                return (Answer::Yes, Some(EnforcedBy::Http), how);
            }
            // Behind a certificate or not, a site may have no such page.
            let how = format!("{how}, which does not tell whether a certificate would change it");
            (Answer::Undetermined, None, how)
        }
        Some((_, ExchangeResult::Unanswered(end))) => (
            Answer::Undetermined,
            None,
            format!("TLS completed after a CertificateRequest, and then: {}", describe(end)),
        ),
        None => (
            Answer::Undetermined,
            None,
            "a CertificateRequest came, and nothing after it shows whether it is enforced"
                .to_owned(),
        ),
    }
}

/// Content for a stranger, or an answer in the daemon's own words.
fn is_served(answer: &HttpAnswer) -> bool {
    (200..300).contains(&answer.status) || super::api::in_dockers_words(answer)
}

pub(super) fn is_refusal(end: &StreamEnd) -> bool {
    matches!(end, StreamEnd::Alert { .. } | StreamEnd::Closed { .. } | StreamEnd::Reset)
}
