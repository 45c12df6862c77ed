//! Whether a client certificate that nobody vouches for was let in.
//!
//! Let in is only who gets what a stranger without a certificate does not get: content, or an
//! answer in the daemon's own words. Refused is only who was seen to have sent the certificate.

use super::client_auth::{is_refusal, refuses_without_certificate};
use super::{Answer, ClientAuth, EnforcedBy, Verified, api, tls_exchanges};
use crate::observation::versions::describe;
use crate::observation::{
    ExchangeResult, HttpAnswer, Observation, StreamEnd, TlsConnection, TlsVersion,
    UntrustedObservation,
};

/// The answer and what it rests on; `auth` is what the stranger met.
pub(super) fn verified(observation: &Observation, auth: &ClientAuth) -> (Verified, String) {
    let Some(untrusted) = &observation.untrusted else {
        return (Verified::Untested, "no untrusted certificate was tried".to_owned());
    };
    match (auth.requested, auth.required) {
        (Answer::No, _) => {
            return (Verified::Untested, "no client certificate is asked for".to_owned());
        }
        (_, Answer::No) => {
            return (
                Verified::Untested,
                "strangers are served without a certificate, so none tells anything".to_owned(),
            );
        }
        _ => {}
    }
    match untrusted {
        UntrustedObservation { not_presented: Some(why), .. } => {
            (Verified::Undetermined, format!("no untrusted certificate could be tried: {why}"))
        }
        UntrustedObservation { connection: None, .. } => {
            (Verified::Undetermined, "the record of the trial is missing".to_owned())
        }
        UntrustedObservation { connection: Some(tls), .. } => presented(observation, auth, tls),
    }
}

fn presented(
    observation: &Observation,
    auth: &ClientAuth,
    tls: &TlsConnection,
) -> (Verified, String) {
    if let Some(end) = &tls.handshake_end {
        let how = describe(end);
        return if is_about_its_form(end) {
            (Verified::Undetermined, about_its_form(&how))
        } else if is_refusal(end) {
            let text = format!("an untrusted certificate was refused in the handshake: {how}");
            (Verified::Yes, text)
        } else {
            let text = format!("the handshake with an untrusted certificate did not end: {how}");
            (Verified::Undetermined, text)
        };
    }
    match tls.exchanges.first().map(|exchange| &exchange.result) {
        None => (
            Verified::Undetermined,
            "no time was left for a request behind an untrusted certificate".to_owned(),
        ),
        Some(ExchangeResult::Unanswered(end)) => unanswered(tls, end),
        Some(ExchangeResult::Answered(answer)) => answered(observation, auth, answer),
    }
}

/// In TLS 1.3 the client is done before the server has looked at its certificate; up to 1.2 a
/// completed handshake has been past the check, so that then only an alert refuses.
fn unanswered(tls: &TlsConnection, end: &StreamEnd) -> (Verified, String) {
    let how = describe(end);
    if is_about_its_form(end) {
        return (Verified::Undetermined, about_its_form(&how));
    }
    let checked_late = tls.negotiated.as_ref().is_none_or(|n| n.version == TlsVersion::Tls13);
    if matches!(end, StreamEnd::Alert { .. }) || (checked_late && is_refusal(end)) {
        let text =
            format!("an untrusted certificate was refused at the first read after it: {how}");
        return (Verified::Yes, text);
    }
    let text = format!("TLS completed with an untrusted certificate, and then: {how}");
    (Verified::Undetermined, text)
}

/// Alerts by which a server says that it cannot deal with what it got, not that it does not trust
/// it (RFC 8446, section 6.2): unexpected_message, illegal_parameter, decode_error,
/// insufficient_security, internal_error, unsupported_certificate.
fn is_about_its_form(end: &StreamEnd) -> bool {
    matches!(end, StreamEnd::Alert { description: 10 | 43 | 47 | 50 | 71 | 80, .. })
}

fn about_its_form(how: &str) -> String {
    format!(
        "an untrusted certificate was turned away with {how}, which may be for its kind and not \
         for its issuer"
    )
}

fn answered(
    observation: &Observation,
    auth: &ClientAuth,
    answer: &HttpAnswer,
) -> (Verified, String) {
    let status = answer.status;
    let said = format!("GET /version with an untrusted certificate was answered {status}");
    if refuses_without_certificate(answer) {
        let names_it = !matches!(status, 401 | 403) || names_certificate(answer);
        // A bare 403 may be about the path: only where strangers met the same is it the refusal.
        return if names_it
            || (auth.enforced_by == Some(EnforcedBy::Http) && met(observation, status))
        {
            (Verified::Yes, said)
        } else {
            (
                Verified::Undetermined,
                format!("{said}, which does not tell whether the certificate was the reason"),
            )
        };
    }
    let content = (200..300).contains(&status);
    if auth.required != Answer::Yes {
        let text = format!("{said}, and what strangers would get was not learnt");
        return (Verified::Undetermined, text);
    }
    if content || api::in_dockers_words(answer) {
        let by = match answer.body.version.as_deref().and_then(|body| body.version.as_deref()) {
            Some(version) => format!(" by an engine of version {version}"),
            None if content => String::new(),
            None => " in Docker's words".to_owned(),
        };
        let text = format!("{said}{by}, and without any certificate strangers are refused");
        return (Verified::No, text);
    }
    (Verified::Undetermined, format!("{said}, which is neither a refusal nor an API's answer"))
}

fn names_certificate(answer: &HttpAnswer) -> bool {
    let text = answer.body.excerpt.as_deref().unwrap_or_default();
    text.to_ascii_lowercase().contains("certificate")
}

/// Whether a stranger's request was answered with this status.
fn met(observation: &Observation, status: u16) -> bool {
    tls_exchanges(observation).any(|exchange| match &exchange.result {
        ExchangeResult::Answered(answer) => answer.status == status,
        ExchangeResult::Unanswered(_) => false,
    })
}

#[cfg(test)]
mod tests;
