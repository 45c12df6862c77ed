//! Which paths of the Docker Engine API to ask, and what is kept of the answers.
//!
//! Only GET, only paths that change nothing and hold no secret. Whether an answer means that the
//! API is open is for `assess` to say.

use std::borrow::Cow;
use std::sync::Arc;

use serde::de::IgnoredAny;
use serde_json::Value;

use crate::observation::{
    Body, Component, Exchange, ExchangeResult, HttpAnswer, JsonShape, StreamEnd, VersionBody,
};
use crate::probe::http::Answer;

mod posture;

pub const VERSION: &str = "/version";
pub const PING: &str = "/_ping";
pub const INFO: &str = "/info";
pub const NETWORKS: &str = "/networks";
pub const CONTAINERS: &str = "/containers/json?limit=1";
const ALL_CONTAINERS: &str = "/containers/json?all=1";

/// The paths that a Docker API is asked, unversioned: newer engines refuse old version prefixes.
/// `/version` first, since it alone settles most endpoints.
const ORDER: [&str; 5] = [VERSION, PING, INFO, NETWORKS, CONTAINERS];

/// What the next request would cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cost {
    /// It goes down the connection already open.
    Request,
    /// A connection must be opened for it.
    Connection,
}

/// How much of an API that is open to us is read. Access always takes the four paths.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Depth {
    /// Who gets in, and the version; nothing else of the answers is kept
    Version,
    /// Also the engine's security settings, from /info and /networks
    #[default]
    Posture,
    /// Also the security settings of each container
    Containers,
}

/// The next path worth asking after these exchanges; `None` when nothing more can be learned.
pub fn next_path(exchanges: &[Exchange], cost: Cost, depth: Depth) -> Option<Cow<'static, str>> {
    // A path that an API left unanswered is asked once more: one lost connection should not
    // decide what a stranger may do.
    let done = |path: &str| {
        let mut results = exchanges.iter().filter(|exchange| exchange.path == path);
        let lost = |exchange: &Exchange| {
            matches!(
                exchange.result,
                ExchangeResult::Unanswered(
                    StreamEnd::TimedOut { .. }
                        | StreamEnd::Closed { .. }
                        | StreamEnd::Reset
                        | StreamEnd::LocalShortage { .. }
                )
            )
        };
        match (results.next(), results.next()) {
            (None, _) => false,
            (Some(first), None) => path == VERSION || !lost(first),
            (Some(_), Some(_)) => true,
        }
    };
    let Some(next) = ORDER.into_iter().find(|path| !done(path)) else {
        return (depth == Depth::Containers).then(|| next_container(exchanges, done)).flatten();
    };
    let Some(version) = exchanges.iter().find(|exchange| exchange.path == VERSION) else {
        return Some(next.into());
    };
    let ExchangeResult::Answered(answer) = &version.result else { return None };
    let named_itself = exchanges.iter().any(|exchange| match &exchange.result {
        ExchangeResult::Answered(answer) => shows_docker(answer),
        ExchangeResult::Unanswered(_) => false,
    });
    // A refusal may hide a Docker API, and `/_ping` may tell; any other answer without a trace
    // of Docker is worth one more request, but not a connection.
    let refusal = matches!(answer.status, 401 | 403 | 404 | 405 | 429 | 500..);
    match (named_itself, cost, next) {
        (true, _, _) | (false, Cost::Request, PING) => Some(next.into()),
        (false, Cost::Connection, PING) if refusal => Some(next.into()),
        _ => None,
    }
}

/// Where the list of containers is open: all of them, then each.
fn next_container(
    exchanges: &[Exchange],
    done: impl Fn(&str) -> bool,
) -> Option<Cow<'static, str>> {
    let body = |path: &str| {
        exchanges.iter().rev().find(|exchange| exchange.path == path).and_then(|exchange| {
            match &exchange.result {
                ExchangeResult::Answered(answer) if answer.status == 200 => Some(&answer.body),
                _ => None,
            }
        })
    };
    body(CONTAINERS)?;
    if !done(ALL_CONTAINERS) {
        return Some(ALL_CONTAINERS.into());
    }
    let list = body(ALL_CONTAINERS)?.container_list.as_ref()?;
    list.ids.iter().map(|id| inspect_path(id)).find(|path| !done(path)).map(Cow::Owned)
}

fn inspect_path(id: &str) -> String {
    format!("/containers/{id}/json")
}

/// Whether this answer carries a mark that only a Docker-compatible API sends.
pub fn shows_docker(answer: &HttpAnswer) -> bool {
    answer.headers.get("api-version").is_some()
        || answer.headers.get("libpod-api-version").is_some()
        || answer
            .headers
            .get("server")
            .is_some_and(|server| server.starts_with("Docker/") || server.starts_with("Libpod/"))
        || answer
            .body
            .excerpt
            .as_deref()
            .is_some_and(|text| text.starts_with(r#"{"message":"authorization denied by plugin"#))
        || answer.body.version.as_ref().is_some_and(|version| version.api_version.is_some())
}

/// The headers that identify a product; others are not kept.
const KEPT_HEADERS: [&str; 9] = [
    "server",
    "api-version",
    "libpod-api-version",
    "docker-experimental",
    "ostype",
    "swarm",
    "content-type",
    "location",
    "www-authenticate",
];

const MAX_TEXT: usize = 256;
const MAX_EXCERPT: usize = 200;
const MAX_COMPONENTS: usize = 32;
/// Real `/version` and `/info` answers are below 20 KiB; the lists of networks and containers are
/// longer on busy hosts.
const MAX_PARSED: usize = 1024 * 1024;

/// Reduces an answer to what is stored.
pub fn keep(path: &str, result: Result<Answer, StreamEnd>, depth: Depth) -> Exchange {
    let result = match result {
        Ok(answer) => ExchangeResult::Answered(Box::new(kept_answer(path, &answer, depth))),
        Err(end) => ExchangeResult::Unanswered(end),
    };
    Exchange { path: path.to_owned(), result }
}

fn kept_answer(path: &str, answer: &Answer, depth: Depth) -> HttpAnswer {
    let headers = KEPT_HEADERS
        .into_iter()
        .filter_map(|name| Some((name, bounded_bytes(answer.header(name)?, MAX_TEXT))))
        .collect();
    let json = json_shape(&answer.body);
    let mut body = Body {
        bytes: answer.body.len() as u64,
        end: answer.body_end.clone(),
        json,
        ..Body::default()
    };
    if answer.status == 200 && json != JsonShape::NotJson {
        keep_json(path, &answer.body, depth, &mut body);
    }
    // What the API serves may be private; what refuses or is no Docker API identifies itself.
    // Also a body that broke off, which is no JSON any more.
    let private = (200..300).contains(&answer.status) && !matches!(path, VERSION | PING);
    body.excerpt = (!private && body.version.is_none() && !answer.body.is_empty())
        .then(|| bounded_bytes(&answer.body, MAX_EXCERPT));
    HttpAnswer { status: answer.status, headers, body }
}

/// Of what each path serves, the fields that are kept.
fn keep_json(path: &str, bytes: &[u8], depth: Depth, body: &mut Body) {
    if path == CONTAINERS {
        return;
    }
    let Some(value) = small_json(bytes) else { return };
    match path {
        VERSION if value.is_object() => body.version = Some(Arc::new(version_body(&value))),
        INFO if value.is_object() => {
            body.engine_id = text_at(&value, "ID");
            body.info = (depth != Depth::Version).then(|| Box::new(posture::info(&value)));
        }
        NETWORKS if depth != Depth::Version => {
            body.networks = posture::networks(&value).map(Box::new)
        }
        ALL_CONTAINERS => body.container_list = posture::container_list(&value).map(Box::new),
        inspect if inspect.starts_with("/containers/") && value.is_object() => {
            body.container = Some(Box::new(posture::container(&value)));
        }
        _ => {}
    }
}

/// The kind of the whole body as JSON; anything after the value makes it not JSON. The body is
/// read through without being built up in memory.
fn json_shape(body: &[u8]) -> JsonShape {
    if serde_json::from_slice::<IgnoredAny>(body).is_err() {
        return JsonShape::NotJson;
    }
    match body.trim_ascii_start().first() {
        Some(b'{') => JsonShape::Object,
        Some(b'[') => JsonShape::Array,
        _ => JsonShape::Scalar,
    }
}

/// Builds the value of a body of ordinary size; parsed JSON takes many times its text.
fn small_json(body: &[u8]) -> Option<Value> {
    (body.len() <= MAX_PARSED).then(|| serde_json::from_slice(body).ok()).flatten()
}

/// A field of another type than expected counts as absent.
fn version_body(value: &Value) -> VersionBody {
    let text = |name: &str| text_at(value, name);
    let components = value.get("Components").and_then(Value::as_array);
    VersionBody {
        platform_name: value.get("Platform").and_then(|platform| text_at(platform, "Name")),
        version: text("Version"),
        api_version: text("ApiVersion"),
        min_api_version: text("MinAPIVersion"),
        git_commit: text("GitCommit"),
        go_version: text("GoVersion"),
        os: text("Os"),
        arch: text("Arch"),
        kernel_version: text("KernelVersion"),
        build_time: text("BuildTime"),
        experimental: value.get("Experimental").and_then(Value::as_bool),
        components: components
            .into_iter()
            .flatten()
            .take(MAX_COMPONENTS)
            .filter_map(component)
            .collect(),
    }
}

fn component(value: &Value) -> Option<Component> {
    Some(Component {
        name: text_at(value, "Name")?,
        version: text_at(value, "Version")?,
        git_commit: value.get("Details").and_then(|details| text_at(details, "GitCommit")),
    })
}

fn text_at(value: &Value, name: &str) -> Option<String> {
    value.get(name).and_then(Value::as_str).map(|text| bounded(text, MAX_TEXT))
}

fn bounded_bytes(bytes: &[u8], limit: usize) -> String {
    bounded(&String::from_utf8_lossy(bytes.get(..limit * 4).unwrap_or(bytes)), limit)
}

fn bounded(text: &str, limit: usize) -> String {
    text.chars().take(limit).collect()
}

#[cfg(test)]
mod tests;
