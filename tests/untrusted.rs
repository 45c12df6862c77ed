//! A client certificate that nobody vouches for: who is shown it, and who lets it in.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;

use docksweep::assess::{Access, ClientAuth, Verified, assess};
use docksweep::observation::Observation;
use docksweep::probe::observe;
use docksweep::probe::throwaway::Throwaway;
use rustls::version::{TLS12, TLS13};

use crate::mutual_tls::{Authority, Heard, Identity, Wanted, serve};
use crate::recorded::{endpoint, probe_config};
use crate::{hostile, replay};

const ENGINE: &str = "d1-plain-bridge-none";

async fn tried(address: SocketAddr) -> (Observation, ClientAuth) {
    let mut config = probe_config();
    config.throwaway = Some(Arc::new(Throwaway::new().unwrap()));
    let observation = observe(endpoint(address), &config).await;
    let auth = assess(&observation).tls.unwrap().client_auth;
    (observation, auth)
}

/// A server of this kind, and whom it was shown.
async fn server(
    wanted: impl Fn(&Authority) -> Wanted<'_>,
    version: &'static rustls::SupportedProtocolVersion,
) -> (SocketAddr, Arc<Heard>) {
    let ca = Authority::new("the servers' CA");
    let identity: Identity = ca.issue("server", &["127.0.0.1"]);
    let backend = replay::serve(ENGINE).await;
    serve(&identity, &identity.key, wanted(&ca), version, backend).await
}

#[tokio::test]
async fn is_refused_by_who_verifies() {
    for version in [&TLS12, &TLS13] {
        let (address, heard) = server(|ca| Wanted::Required(ca), version).await;
        let (observation, auth) = tried(address).await;
        assert_eq!(auth.verified, Verified::Yes, "{}", auth.verified_reason);
        assert!(auth.verified_reason.contains("alert 48"), "{}", auth.verified_reason);
        assert_eq!(heard.certificates(), 1, "it was shown once");
        let connections = assess(&observation).connections;
        assert_eq!(connections, heard.connections.load(SeqCst), "each connection is counted");
    }
}

#[tokio::test]
async fn is_let_in_by_who_does_not() {
    for version in [&TLS12, &TLS13] {
        let (address, heard) = server(|ca| Wanted::Any(ca), version).await;
        let (observation, auth) = tried(address).await;
        assert_eq!(auth.verified, Verified::No, "{}", auth.verified_reason);
        assert!(auth.verified_reason.contains("answered 200 by an engine"), "{auth:?}");
        assert_eq!(heard.certificates(), 1);
        let access = assess(&observation).api.access;
        assert_eq!(access, Access::ClientCertificateRequired, "of a stranger without one");
        let trial = observation.untrusted.unwrap().connection.unwrap();
        let paths: Vec<_> = trial.exchanges.iter().map(|e| e.path.as_str()).collect();
        assert_eq!(paths, ["/version"], "nothing else is asked");
    }
}

#[tokio::test]
async fn is_shown_to_nobody_who_does_not_need_it() {
    let (address, heard) = server(|_| Wanted::Nothing, &TLS13).await;
    let (observation, auth) = tried(address).await;
    assert_eq!(auth.verified, Verified::Untested, "{}", auth.verified_reason);
    assert!(observation.untrusted.unwrap().connection.is_none());
    assert_eq!(heard.certificates(), 0);

    let (address, heard) = server(|ca| Wanted::Optional(ca), &TLS13).await;
    let (observation, auth) = tried(address).await;
    assert_eq!(auth.verified, Verified::Untested, "{}", auth.verified_reason);
    assert!(auth.verified_reason.contains("strangers are served"), "{}", auth.verified_reason);
    assert!(observation.untrusted.unwrap().connection.is_none());
    assert_eq!(heard.certificates(), 0);

    // Off unless it is asked for.
    let (address, heard) = server(|ca| Wanted::Any(ca), &TLS13).await;
    let observation = observe(endpoint(address), &probe_config()).await;
    let auth = assess(&observation).tls.unwrap().client_auth;
    assert_eq!(auth.verified, Verified::Untested, "{}", auth.verified_reason);
    assert_eq!(observation.untrusted, None);
    assert_eq!(heard.certificates(), 0);
}

#[tokio::test]
async fn is_shown_to_nobody_without_tls() {
    let address = replay::serve(ENGINE).await;
    let mut config = probe_config();
    config.throwaway = Some(Arc::new(Throwaway::new().unwrap()));
    let untrusted = observe(endpoint(address), &config).await.untrusted.unwrap();
    assert_eq!(untrusted.not_presented.as_deref(), Some("plain HTTP: it is sent inside TLS only"));
    assert_eq!(untrusted.connection, None);
    let address = hostile::serve(|stream| Box::pin(async move { drop(stream) })).await;
    let untrusted = observe(endpoint(address), &config).await.untrusted.unwrap();
    assert!(untrusted.not_presented.is_some());
}
