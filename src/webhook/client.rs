//! The HTTP client: verifies by the system's roots, follows nowhere, reads no more than a head.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use rustls::crypto::aws_lc_rs;
use thiserror::Error;
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::{Agent, Timeout};

use super::Address;
use super::proxy::Route;
use super::retry::{self, Outcome};
use crate::sanitize;

/// For one try, from the name's resolution to the answer's head.
const TRY: Duration = Duration::from_secs(10);
const CONNECT: Duration = Duration::from_secs(5);
const LARGEST_HEAD: usize = 16 * 1024;

/// A post that did not arrive, as far as is known.
#[derive(Debug, Error)]
#[error("{address}: {why}{}", tries(*.tried))]
pub struct Undelivered {
    address: Address,
    why: String,
    tried: u32,
}

fn tries(tried: u32) -> String {
    if tried > 1 { format!(" ({tried} tries)") } else { String::new() }
}

#[derive(Debug)]
pub struct Client {
    agent: Agent,
}

impl Client {
    /// For posts to these addresses: the roots are read only where one of them needs them.
    pub fn new<'a>(mut addresses: impl Iterator<Item = &'a Address>) -> Self {
        let mut config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_response_header_size(LARGEST_HEAD)
            .max_idle_connections(0)
            // By scheme, which its own reading of the environment does not tell apart.
            .proxy(None)
            .timeout_connect(Some(CONNECT))
            .user_agent(concat!("docksweep/", env!("CARGO_PKG_VERSION")));
        // A proxy may have to be spoken to by TLS.
        let is_proxied = |address: &Address| !matches!(route(address), Ok(Route::Direct));
        if addresses.any(|address| address.is_encrypted() || is_proxied(address)) {
            config = config.tls_config(
                TlsConfig::builder()
                    .root_certs(roots())
                    .unversioned_rustls_crypto_provider(Arc::new(aws_lc_rs::default_provider()))
                    .build(),
            );
        }
        Self { agent: config.build().into() }
    }

    /// Posts, and tries again what may pass, for no longer than `time` altogether.
    ///
    /// # Errors
    /// The server did not say that it has it.
    pub fn post(
        &self,
        address: &Address,
        content_type: &str,
        body: &[u8],
        time: Duration,
    ) -> Result<(), Undelivered> {
        let end = Instant::now() + time;
        let mut tried = 0;
        let route = route(address).map_err(|variable| Undelivered {
            address: address.clone(),
            why: format!("{variable} names no proxy of http:// or https://"),
            tried,
        })?;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let outcome = self.attempt(address, &route, content_type, body, left.min(TRY));
            tried += 1;
            let undelivered = |why| {
                let why = match &route {
                    Route::Direct => why,
                    Route::Tunnel { variable, .. } => format!("{why}, by way of {variable}"),
                };
                Undelivered { address: address.clone(), why, tried }
            };
            match outcome {
                Outcome::Delivered => return Ok(()),
                Outcome::Final(why) => return Err(undelivered(why)),
                Outcome::Passing { why, after } => {
                    let left = end.saturating_duration_since(Instant::now());
                    let Some(wait) = retry::wait(tried, after, left) else {
                        return Err(undelivered(why));
                    };
                    tracing::debug!(%address, why, ?wait, "trying a post again");
                    std::thread::sleep(wait);
                }
            }
        }
    }

    fn attempt(
        &self,
        address: &Address,
        route: &Route,
        content_type: &str,
        body: &[u8],
        time: Duration,
    ) -> Outcome {
        let proxy = match route {
            Route::Direct => None,
            Route::Tunnel { proxy, .. } => Some(proxy.clone()),
        };
        let sent = self
            .agent
            .post(address.uri())
            .config()
            .timeout_global(Some(time))
            .proxy(proxy)
            .build()
            .content_type(content_type)
            .send(body);
        match sent {
            // Its body is not read: it says nothing that the status does not, and has no end.
            Ok(response) => {
                let after = response.headers().get("retry-after");
                let after = after.and_then(|value| value.to_str().ok());
                Outcome::of_status(response.status().as_u16(), after, Timestamp::now())
            }
            Err(error) => of_error(error, time),
        }
    }
}

fn route(address: &Address) -> Result<Route, &'static str> {
    Route::to(address, |name| std::env::var(name).ok())
}

/// Never the error's own words where they could repeat the address.
fn of_error(error: ureq::Error, time: Duration) -> Outcome {
    let passing = |why: String| Outcome::Passing { why, after: None };
    match error {
        ureq::Error::Timeout(Timeout::Connect | Timeout::Resolve) => {
            passing("there is no connection in time".to_owned())
        }
        // Another try could post it twice.
        ureq::Error::Timeout(_) => Outcome::Final(format!(
            "no answer within {} s, so it may have arrived",
            time.as_secs().max(1)
        )),
        ureq::Error::HostNotFound => passing("its name does not resolve".to_owned()),
        ureq::Error::Io(error) if error.kind() == std::io::ErrorKind::InvalidData => {
            Outcome::Final(sanitize::line(&error.to_string(), 200).into_owned())
        }
        ureq::Error::Io(error) => passing(sanitize::line(&error.to_string(), 200).into_owned()),
        ureq::Error::ConnectionFailed => passing("there is no connection".to_owned()),
        ureq::Error::Rustls(error) => {
            Outcome::Final(sanitize::line(&error.to_string(), 200).into_owned())
        }
        ureq::Error::ConnectProxyFailed(_) => passing("CONNECT was refused".to_owned()),
        ureq::Error::LargeResponseHeader(..) => {
            Outcome::Final(format!("its answer's head is over {LARGEST_HEAD} bytes"))
        }
        ureq::Error::Protocol(_) | ureq::Error::Http(_) => {
            Outcome::Final("its answer cannot be read as HTTP".to_owned())
        }
        _ => Outcome::Final("the request failed".to_owned()),
    }
}

/// The system's roots, since what is posted to is often inside and vouched for by an inside
/// authority; Mozilla's where the system has none, as in a bare container.
fn roots() -> RootCerts {
    let system = rustls_native_certs::load_native_certs().certs;
    if system.is_empty() {
        let public = webpki_root_certs::TLS_SERVER_ROOT_CERTS;
        return public.iter().map(|der| Certificate::from_der(der).to_owned()).into();
    }
    system.iter().map(|der| Certificate::from_der(der).to_owned()).into()
}
