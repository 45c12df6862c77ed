//! What a stranger may do with the API, and whose API it is.

use std::sync::Arc;

use super::posture::Posture;
use super::{
    Access, ApiAssessment, Containers, DockerApi, EnforcedBy, PathStatus, Product, TlsAssessment,
    Transport, plain_exchanges, tls_exchanges,
};
use crate::observation::versions::{Settled, adopted_name, describe, settle};
use crate::observation::{
    Connection, Exchange, ExchangeResult, HttpAnswer, JsonShape, Observation, StreamEnd,
    TlsVersion, VersionBody,
};

const VERSION: &str = "/version";
const PING: &str = "/_ping";
/// The read-only paths that must all answer a stranger before access is called open, with what
/// Docker sends there.
const OPEN_PATHS: [(&str, JsonShape); 4] = [
    (VERSION, JsonShape::Object),
    ("/info", JsonShape::Object),
    ("/networks", JsonShape::Array),
    ("/containers/json?limit=1", JsonShape::Array),
];

pub(super) fn assess(
    observation: &Observation,
    transport: Transport,
    tls: Option<&TlsAssessment>,
) -> ApiAssessment {
    let answers = match transport {
        Transport::Tls => Answers::new(tls_exchanges(observation)),
        Transport::Plain | Transport::Undetermined => Answers::new(plain_exchanges(observation)),
    };
    let version = answers.real_version();
    let seen = version.is_some() || answers.any(shows_docker);
    let (access, reason) = access(observation, transport, tls, &answers, seen);
    let docker = if seen {
        DockerApi::Seen
    } else if access == Access::ClientCertificateRequired {
        DockerApi::Probable(
            "a client certificate is demanded, as a guarded Docker API does; \
             what is behind it was not seen"
                .to_owned(),
        )
    } else {
        DockerApi::NotSeen
    };
    let product = match (&docker, access) {
        (DockerApi::Seen, _) => Some(product(&answers, version.map(Arc::as_ref))),
        // Something guards a door here; what is behind it does not show.
        (_, Access::ClientCertificateRequired | Access::Denied) => Some(Product::Unknown),
        _ => None,
    };
    ApiAssessment {
        access,
        reason,
        product,
        engine_id: engine_id(&answers, product),
        intermediary: if seen {
            intermediary(&answers, version.map(Arc::as_ref), product)
        } else {
            None
        },
        server: answers.server(),
        paths: answers.paths(),
        version: version.cloned(),
        posture: answers.posture(product).filter(|_| seen),
        containers: answers.containers().filter(|_| seen),
        docker,
    }
}

pub(super) fn engine_id(answers: &Answers<'_>, product: Option<Product>) -> Option<String> {
    let answer = answers.answer("/info")?;
    // Podman makes up a new ID for every answer.
    answer.body.engine_id.clone().filter(|_| product != Some(Product::Podman))
}

/// An error in Docker's own form: `{"message": …}`, or under its `Server` header.
pub(super) fn in_dockers_words(answer: &HttpAnswer) -> bool {
    shows_docker(answer)
        || (answer.body.json == JsonShape::Object
            && answer
                .body
                .excerpt
                .as_deref()
                .is_some_and(|text| text.trim_start().starts_with("{\"message\":")))
}

pub(super) struct Answers<'a> {
    exchanges: Vec<&'a Exchange>,
}

impl<'a> Answers<'a> {
    /// A path may have been asked again after it was left unanswered.
    pub(super) fn new(exchanges: impl Iterator<Item = &'a Exchange>) -> Self {
        let mut kept: Vec<&Exchange> = Vec::new();
        for exchange in exchanges {
            match kept.iter_mut().find(|known| known.path == exchange.path) {
                Some(known) if matches!(known.result, ExchangeResult::Unanswered(_)) => {
                    *known = exchange;
                }
                Some(_) => {}
                None => kept.push(exchange),
            }
        }
        Self { exchanges: kept }
    }

    pub(super) fn exchange(&self, path: &str) -> Option<&'a Exchange> {
        self.exchanges.iter().find(|exchange| exchange.path == path).copied()
    }

    pub(super) fn answer(&self, path: &str) -> Option<&'a HttpAnswer> {
        match &self.exchange(path)?.result {
            ExchangeResult::Answered(answer) => Some(answer),
            ExchangeResult::Unanswered(_) => None,
        }
    }

    fn all(&self) -> impl Iterator<Item = &'a HttpAnswer> {
        self.exchanges.iter().filter_map(|exchange| match &exchange.result {
            ExchangeResult::Answered(answer) => Some(answer.as_ref()),
            ExchangeResult::Unanswered(_) => None,
        })
    }

    fn any(&self, test: impl Fn(&HttpAnswer) -> bool) -> bool {
        self.all().any(test)
    }

    pub(super) fn real_version(&self) -> Option<&'a Arc<VersionBody>> {
        self.answer(VERSION)?.body.version.as_ref().filter(|version| is_real(version))
    }

    /// Without the containers that were inspected: they say nothing of who gets in.
    pub(super) fn paths(&self) -> Vec<PathStatus> {
        let is_inspection =
            |path: &str| path.starts_with("/containers/") && path.ends_with("/json");
        self.exchanges
            .iter()
            .filter(|exchange| !is_inspection(&exchange.path))
            .map(|exchange| path_status(exchange))
            .collect()
    }

    pub(super) fn posture(&self, product: Option<Product>) -> Option<Posture> {
        let networks = self.answer("/networks").and_then(|answer| answer.body.networks.as_deref());
        let info = self.answer("/info")?.body.info.as_deref()?;
        Some(Posture::new(info, networks, product))
    }

    pub(super) fn containers(&self) -> Option<Containers> {
        let list = self.all().find_map(|answer| answer.body.container_list.as_deref())?;
        let inspected = self.all().filter_map(|answer| answer.body.container.as_deref());
        Some(Containers { total: list.total, inspected: inspected.cloned().collect() })
    }

    fn server(&self) -> Option<String> {
        self.all().find_map(|answer| answer.headers.get("server").map(str::to_owned))
    }
}

/// Docker's shape: an API version that is one, an engine version, and one more field that every
/// engine since API 1.12 has sent.
fn is_real(version: &VersionBody) -> bool {
    let api_version = version.api_version.as_deref().and_then(|text| text.split_once('.'));
    let numeric = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    api_version.is_some_and(|(major, minor)| numeric(major) && numeric(minor))
        && version.version.as_deref().is_some_and(|text| !text.trim().is_empty())
        && (version.git_commit.is_some()
            || version.min_api_version.is_some()
            || version.go_version.is_some()
            || !version.components.is_empty())
}

/// Whether this is how a TLS server answers a request without TLS; each has words of its own.
pub(super) fn asks_for_tls(answer: &HttpAnswer) -> bool {
    let text = answer.body.excerpt.as_deref().unwrap_or_default().to_ascii_lowercase();
    matches!(answer.status, 400 | 426 | 497)
        && ["https", "ssl port", "plain http", "ssl-enabled"].iter().any(|word| text.contains(word))
}

/// A mark that only a Docker-compatible API sends.
fn shows_docker(answer: &HttpAnswer) -> bool {
    denying_plugin(answer).is_some()
        || answer.headers.get("api-version").is_some()
        || answer.headers.get("libpod-api-version").is_some()
        || answer
            .headers
            .get("server")
            .is_some_and(|server| server.starts_with("Docker/") || server.starts_with("Libpod/"))
}

fn access(
    observation: &Observation,
    transport: Transport,
    tls: Option<&TlsAssessment>,
    answers: &Answers<'_>,
    seen: bool,
) -> (Access, String) {
    if let Some(tls) = tls
        && let Some(by) = tls.client_auth.enforced_by
    {
        let layer = match by {
            EnforcedBy::Tls => "in TLS",
            EnforcedBy::Http => "by HTTP status",
        };
        return (
            Access::ClientCertificateRequired,
            format!("enforced {layer}: {}", tls.client_auth.reason),
        );
    }
    if answers.real_version().is_some() {
        return served(answers);
    }
    let Some(exchange) = answers.exchange(VERSION) else {
        return unasked(observation, transport);
    };
    match &exchange.result {
        ExchangeResult::Answered(answer) => not_served(answer, answers, transport, seen),
        ExchangeResult::Unanswered(end) => unanswered(end),
    }
}

/// What keeps the four read-only paths from all having been served.
pub(super) fn problems(answers: &Answers<'_>) -> Vec<String> {
    OPEN_PATHS
        .iter()
        .filter_map(|(path, _)| {
            let problem = match answers.exchange(path) {
                Some(exchange) => path_status(exchange).problem?,
                None => "not asked".to_owned(),
            };
            Some(format!("GET {path}: {problem}"))
        })
        .collect()
}

fn served(answers: &Answers<'_>) -> (Access, String) {
    let problems = problems(answers);
    if problems.is_empty() {
        let reason = "the four read-only paths /version, /info, /networks and /containers/json \
                      all answer 200 without a credential";
        return (Access::Open, reason.to_owned());
    }
    (Access::Filtered, format!("/version answers anyone, but {}", problems.join("; ")))
}

/// `/version` was answered, but not with a Docker version.
fn not_served(
    answer: &HttpAnswer,
    answers: &Answers<'_>,
    transport: Transport,
    seen: bool,
) -> (Access, String) {
    let status = answer.status;
    let open: Vec<&str> = OPEN_PATHS
        .iter()
        .filter(|(path, shape)| {
            answers.answer(path).is_some_and(|a| a.status == 200 && a.body.json == *shape)
        })
        .map(|(path, _)| *path)
        .collect();
    match status {
        _ if seen && status != 200 && !open.is_empty() => (
            Access::Filtered,
            format!("GET /version was answered {status}, but {} answer anyone", open.join(", ")),
        ),
        401 | 403 => {
            (Access::Denied, format!("GET /version was answered {status}{}", why_denied(answer)))
        }
        _ if transport == Transport::Undetermined => (
            Access::Undetermined,
            format!("GET /version was answered {status}, that it wants TLS, and no TLS was heard"),
        ),
        500.. => (
            Access::Undetermined,
            format!(
                "GET /version was answered {status}: whoever answered may have an API behind it"
            ),
        ),
        200 if seen || answer.body.end.is_some() => (
            Access::Undetermined,
            format!(
                "GET /version was answered 200, but its body {}",
                answer.body.end.as_ref().map_or_else(
                    || "is no version that this build can read".to_owned(),
                    |end| format!("broke off ({})", describe(end)),
                )
            ),
        ),
        _ if seen && answers.answer(PING).is_some_and(shows_docker) => (
            Access::Denied,
            format!("/_ping is a Docker API's, but GET /version was answered {status}"),
        ),
        300..=399 => {
            let to = answer.headers.get("location").unwrap_or("nowhere");
            (
                Access::NotDocker,
                format!("GET /version was answered {status} to {to}, which was not followed"),
            )
        }
        200 => (Access::NotDocker, {
            let what = match (&answer.body.end, answer.body.json) {
                (Some(end), _) => format!("a body that broke off ({})", describe(end)),
                (None, JsonShape::Object) => "JSON that is no Docker version".to_owned(),
                (None, JsonShape::Array | JsonShape::Scalar) => "other JSON".to_owned(),
                (None, JsonShape::NotJson) => "no JSON".to_owned(),
            };
            format!("GET /version was answered 200 with {what}")
        }),
        _ => (Access::NotDocker, format!("GET /version was answered {status}")),
    }
}

/// What a refusal says of itself, to follow its status.
pub(super) fn why_denied(answer: &HttpAnswer) -> String {
    let scheme = answer.headers.get("www-authenticate");
    scheme
        .map(|scheme| format!(" (WWW-Authenticate: {scheme})"))
        .or_else(|| {
            let text = answer.body.excerpt.as_deref()?;
            in_dockers_words(answer).then(|| format!(": {}", text.trim()))
        })
        .unwrap_or_default()
}

fn unanswered(end: &StreamEnd) -> (Access, String) {
    let how = describe(end);
    match end {
        StreamEnd::OtherProtocol { .. } => {
            (Access::NotDocker, format!("GET /version was answered in {how}"))
        }
        _ => (Access::Undetermined, format!("GET /version: {how}")),
    }
}

/// No request was sent, or none that anyone heard.
fn unasked(observation: &Observation, transport: Transport) -> (Access, String) {
    let handshake_end = observation.connections.iter().find_map(|connection| match connection {
        Connection::Tls(tls) => tls.handshake_end.as_ref(),
        _ => None,
    });
    let connect_error = observation.connections.iter().find_map(|connection| match connection {
        Connection::Plain(plain) => plain.connect_error.as_ref(),
        _ => None,
    });
    match (transport, handshake_end) {
        (Transport::Tls, end) => (Access::Undetermined, unfinished(observation, end)),
        (_, Some(end @ StreamEnd::OtherProtocol { .. })) => {
            (Access::NotDocker, format!("it speaks {}", describe(end)))
        }
        (_, end) => {
            let how =
                connect_error.or(end).map_or_else(|| "nothing was asked".to_owned(), describe);
            (Access::Undetermined, how)
        }
    }
}

/// Why no handshake with a TLS server was finished.
fn unfinished(observation: &Observation, end: Option<&StreamEnd>) -> String {
    let how = end.map_or_else(|| "it did not complete".to_owned(), describe);
    if adopted_name(&observation.connections).is_some() {
        return format!(
            "the TLS handshake could not be finished without a server name ({how}), so no request was \
             sent; --sni NAME asks the server by its own"
        );
    }
    let legacy = observation.connections.iter().rev().find_map(|connection| match connection {
        // rustls offers two versions; one alone was OpenSSL's.
        Connection::Tls(tls) => match tls.offered.as_slice() {
            [version] => Some((version, tls.handshake_end.as_ref()?)),
            _ => None,
        },
        _ => None,
    });
    if let Some((version, end)) = legacy {
        return format!(
            "no TLS handshake could be finished, neither a modern one ({how}) nor one of {version} \
             ({}), so no request was sent",
            describe(end)
        );
    }
    let old = settle(&observation.connections).into_iter().any(|(version, settled)| {
        version < TlsVersion::Tls13 && matches!(settled, Settled::Accepted(_))
    });
    let advice = if old { "; a build with the feature legacy-tls may finish it" } else { "" };
    format!(
        "the TLS handshake of this build could not be finished ({how}), so no request was sent{advice}"
    )
}

fn path_status(exchange: &Exchange) -> PathStatus {
    let (status, problem) = match &exchange.result {
        ExchangeResult::Unanswered(end) => (None, Some(describe(end))),
        ExchangeResult::Answered(answer) => (Some(answer.status), problem(&exchange.path, answer)),
    };
    PathStatus { path: exchange.path.clone(), status, problem }
}

fn problem(path: &str, answer: &HttpAnswer) -> Option<String> {
    if answer.status != 200 {
        return Some(format!("status {}", answer.status));
    }
    let wanted = OPEN_PATHS.iter().find(|(open, _)| *open == path).map(|(_, shape)| *shape);
    // A JSON value that is whole lacks nothing, however the stream ended after it.
    if wanted.is_some_and(|wanted| answer.body.json == wanted) {
        return None;
    }
    if let Some(end) = &answer.body.end {
        return Some(format!("the body broke off: {}", describe(end)));
    }
    wanted.is_some().then(|| "status 200, but not what Docker sends".to_owned())
}

pub(super) fn product(answers: &Answers<'_>, version: Option<&VersionBody>) -> Product {
    let component =
        |name: &str| version.is_some_and(|v| v.components.iter().any(|c| c.name == name));
    let server = |prefix: &str| {
        answers.any(|answer| answer.headers.get("server").is_some_and(|s| s.starts_with(prefix)))
    };
    if component("Podman Engine")
        || server("Libpod/")
        || answers.any(|answer| answer.headers.get("libpod-api-version").is_some())
    {
        return Product::Podman;
    }
    // Engines before 18.06 send no components, but always what they were built from.
    let built = version.is_some_and(|v| v.git_commit.is_some() && v.go_version.is_some());
    let engine = component("Engine")
        || server("Docker/")
        || answers.all().any(|answer| denying_plugin(answer).is_some())
        || (version.is_some_and(|v| v.components.is_empty()) && built);
    if engine { Product::DockerEngine } else { Product::Unknown }
}

/// The plugin that the engine names when it passes on a denial; the daemon sends it without any
/// header of its own.
fn denying_plugin(answer: &HttpAnswer) -> Option<String> {
    let text = answer.body.excerpt.as_deref().filter(|_| answer.status == 403)?;
    let rest = text.trim_start().strip_prefix(r#"{"message":"authorization denied by plugin "#)?;
    Some(rest.chars().take_while(|c| c.is_ascii_alphanumeric() || "-_./".contains(*c)).collect())
}

/// Who answers in the engine's stead, where it shows.
fn intermediary(
    answers: &Answers<'_>,
    version: Option<&VersionBody>,
    product: Option<Product>,
) -> Option<String> {
    if let Some(name) = answers.all().find_map(denying_plugin) {
        return Some(format!("authorization plugin {name}"));
    }
    let foreign = answers.all().find(|answer| {
        let server = answer.headers.get("server");
        let own = server.is_none_or(|s| s.starts_with("Docker/") || s.starts_with("Libpod/"));
        !own || (answer.status >= 400 && !in_dockers_words(answer))
    })?;
    // Engines before API 1.24 sent no Server header, which alone shows nobody in between.
    let name = foreign.headers.get("server").filter(|s| !s.starts_with("Docker/"));
    match (name, version, product) {
        (Some(name), ..) => Some(format!("proxy that calls itself {name}")),
        (None, ..) if foreign.status >= 400 => Some(format!(
            "filtering proxy: its own {} where the engine answers JSON",
            foreign.status
        )),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
