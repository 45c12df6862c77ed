//! Whether a client certificate is asked for, and whether anything happens without one.
//!
//! The test is "refused after a CertificateRequest", never an alert's number: those differ by
//! implementation, and TLS 1.3 may lose them to a reset.

use super::tls_exchanges;
use super::{Answer, ClientAuth, EnforcedBy, Verified};
use crate::observation::versions::describe;
use crate::observation::{
    CertificateRequest, Connection, Exchange, ExchangeResult, HelloAnswer, HttpAnswer, Observation,
    StreamEnd, TlsVersion,
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
            "the server's flight was read whole and held no CertificateRequest".to_owned(),
        ),
        None => (
            Answer::Undetermined,
            Answer::Undetermined,
            None,
            "no handshake got far enough for a CertificateRequest".to_owned(),
        ),
    };
    ClientAuth {
        requested,
        required,
        enforced_by,
        verified: Verified::Untested,
        reason,
        acceptable_issuers: request
            .map(|request| request.issuers.iter().map(|name| name.0.clone()).collect())
            .unwrap_or_default(),
        acceptable_issuers_total: request.map_or(0, |request| request.issuers_total),
    }
}

/// Whether this answer is how a server refuses over HTTP what it asked for in TLS: 401 and 403,
/// nginx's 400, and the statuses 495 and 496 that it uses within. An answer in Docker's own words
/// has passed whoever checks certificates.
pub(super) fn refuses_without_certificate(answer: &HttpAnswer) -> bool {
    matches!(answer.status, 400 | 401 | 403 | 495 | 496)
        && !super::api::in_dockers_words(answer)
        // It names the credential that it wants, which is no certificate.
        && !(answer.status == 401 && answer.headers.contains_key("www-authenticate"))
}

fn certificate_request(observation: &Observation) -> Option<&CertificateRequest> {
    observation.connections.iter().find_map(|connection| match connection {
        Connection::Plain(_) => None,
        Connection::Tls(tls) => tls.certificate_request.as_ref(),
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
        Connection::Hello(hello) => match &hello.answer {
            HelloAnswer::ServerHello(flight) => flight.complete,
            _ => false,
        },
    })
}

fn enforcement(observation: &Observation) -> (Answer, Option<EnforcedBy>, String) {
    // One request served to a stranger settles it: what a later connection came to is no refusal.
    if let Some((path, status)) = tls_exchanges(observation).find_map(|e| match &e.result {
        ExchangeResult::Answered(answer) if !refuses_without_certificate(answer) => {
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
    // What was answered, if anything, refuses: whatever serves was found above.
    let refusal = tls_exchanges(observation).find_map(|exchange| match &exchange.result {
        ExchangeResult::Answered(answer) => Some((&exchange.path, answer.status)),
        ExchangeResult::Unanswered(_) => None,
    });
    match refusal {
        Some((path, status)) => (
            Answer::Yes,
            Some(EnforcedBy::Http),
            format!("TLS completed without a certificate, and GET {path} was answered {status}"),
        ),
        None => (
            Answer::Undetermined,
            None,
            "a CertificateRequest came, and nothing after it shows whether it is enforced"
                .to_owned(),
        ),
    }
}

pub(super) fn is_refusal(end: &StreamEnd) -> bool {
    matches!(end, StreamEnd::Alert { .. } | StreamEnd::Closed { .. } | StreamEnd::Reset)
}
