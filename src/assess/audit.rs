//! What the given client certificate brought. It changes nothing of what strangers may do.

use std::sync::Arc;

use super::api::{Answers, engine_id, problems, product, why_denied};
use super::client_auth::{is_refusal, refuses_without_certificate};
use super::{Audit, AuditStatus};
use crate::observation::versions::describe;
use crate::observation::{AuditObservation, ExchangeResult, StreamEnd, TlsConnection, TlsVersion};

pub(super) fn assess(seen: &AuditObservation) -> Audit {
    let answers = Answers::new(seen.connections.iter().flat_map(|tls| &tls.exchanges));
    let (status, reason) = match &seen.not_presented {
        Some(why) => (AuditStatus::NotPresented, why.clone()),
        None => presented(&answers, &seen.connections),
    };
    let served = status == AuditStatus::Served;
    let version = answers.real_version().filter(|_| served);
    let product = Some(product(&answers, version.map(Arc::as_ref)));
    Audit {
        status,
        reason,
        product: product.filter(|_| served),
        version: version.cloned(),
        engine_id: engine_id(&answers, product).filter(|_| served),
        paths: answers.paths(),
        posture: answers.posture(product).filter(|_| served),
        containers: answers.containers().filter(|_| served),
    }
}

fn presented(answers: &Answers<'_>, connections: &[TlsConnection]) -> (AuditStatus, String) {
    if answers.real_version().is_some() {
        let problems = problems(answers);
        let reason = if problems.is_empty() {
            "the four read-only paths all answered 200 to the certificate".to_owned()
        } else {
            format!("/version was answered, but {}", problems.join("; "))
        };
        return (AuditStatus::Served, reason);
    }
    match answers.exchange("/version").map(|exchange| &exchange.result) {
        Some(ExchangeResult::Answered(answer)) => {
            let denied = matches!(answer.status, 401 | 403) || refuses_without_certificate(answer);
            let status = if denied { AuditStatus::Refused } else { AuditStatus::Undetermined };
            let what = match answer.status {
                200 => " with what is no version of Docker's".to_owned(),
                _ => why_denied(answer),
            };
            (
                status,
                format!("GET /version with the certificate was answered {}{what}", answer.status),
            )
        }
        Some(ExchangeResult::Unanswered(end)) => {
            let how = describe(end);
            // Up to TLS 1.2 a completed handshake has been past the check: only an alert refuses.
            let checked_late = connections
                .first()
                .and_then(|tls| tls.negotiated.as_ref())
                .is_none_or(|negotiated| negotiated.version == TlsVersion::Tls13);
            if matches!(end, StreamEnd::Alert { .. }) || (checked_late && is_refusal(end)) {
                (AuditStatus::Refused, format!("refused at the first read after it: {how}"))
            } else {
                (AuditStatus::Undetermined, format!("GET /version with the certificate: {how}"))
            }
        }
        None => match connections.first().and_then(|tls| tls.handshake_end.as_ref()) {
            Some(end) if is_refusal(end) => {
                (AuditStatus::Refused, format!("refused in the handshake: {}", describe(end)))
            }
            Some(end) => (
                AuditStatus::Undetermined,
                format!("the handshake with it did not complete: {}", describe(end)),
            ),
            None => (AuditStatus::Undetermined, "no time was left for a request".to_owned()),
        },
    }
}

#[cfg(test)]
mod tests;
