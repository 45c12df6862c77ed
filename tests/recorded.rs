//! What recorded answers of real engines amount to, through the real probe.

use std::time::Duration;

use docksweep::assess::{Access, Product, Transport, assess};
use docksweep::observation::{Endpoint, SuitesAsked};
use docksweep::probe::docker_api::Depth;
use docksweep::probe::http::HttpLimits;
use docksweep::probe::stream::Dialer;
use docksweep::probe::{ProbeConfig, observe};

use crate::replay;

pub fn probe_config() -> ProbeConfig {
    ProbeConfig {
        dialer: Dialer {
            connect_timeout: Duration::from_secs(2),
            patience: Duration::from_secs(3),
            source_ip: None,
            interface: None,
        },
        deadline: Duration::from_secs(10),
        user_agent: "docksweep-test".to_owned(),
        depth: Depth::Posture,
        suites: SuitesAsked::Classes,
        limits: HttpLimits::default(),
        credentials: None,
        throwaway: None,
    }
}

pub fn endpoint(address: std::net::SocketAddr) -> Endpoint {
    Endpoint { address: address.ip(), port: address.port(), names: Vec::new(), sni: None }
}

#[tokio::test]
async fn recorded_engines_are_told_apart() {
    use Access::{Filtered, Open};
    use Product::{DockerEngine, Podman};
    let table = [
        ("d1-plain-bridge-none", Open, DockerEngine, "20.10.24+dfsg1", None),
        ("d2010-plain-20.10.5", Open, DockerEngine, "20.10.5+dfsg1", None),
        ("d26-plain-26.1.5", Open, DockerEngine, "26.1.5+dfsg1", None),
        ("d28-plain-28.5.2", Open, DockerEngine, "28.5.2+dfsg4", None),
        ("d28-tls-noverify", Open, DockerEngine, "28.5.2+dfsg4", None),
        ("d5-icc-false", Open, DockerEngine, "20.10.24+dfsg1", None),
        ("d6-default-bridge", Open, DockerEngine, "20.10.24+dfsg1", None),
        ("rootless-20.10.24", Open, DockerEngine, "20.10.24+dfsg1", None),
        ("swarm-manager-20.10.24", Open, DockerEngine, "20.10.24+dfsg1", None),
        (
            "d7-authz-plugin",
            Filtered,
            DockerEngine,
            "20.10.24+dfsg1",
            Some("authorization plugin denyplug"),
        ),
        (
            "socketproxy-like-haproxy",
            Filtered,
            DockerEngine,
            "20.10.24+dfsg1",
            Some("filtering proxy: its own 403 where the engine answers JSON"),
        ),
        ("podman-4.3.1", Open, Podman, "4.3.1", None),
        ("podman-5.4.2", Open, Podman, "5.4.2", None),
        // Its /networks fails: what cannot be read is not called open.
        ("podman-3.0.1", Filtered, Podman, "3.0.1", None),
    ];
    for (name, access, product, version, intermediary) in table {
        let address = replay::serve(name).await;
        let observation = observe(endpoint(address), &probe_config()).await;
        let assessment = assess(&observation);
        let api = &assessment.api;
        assert_eq!(api.access, access, "{name}: {}", api.reason);
        assert_eq!(api.product, Some(product), "{name}");
        assert_eq!(
            api.version.as_ref().and_then(|v| v.version.as_deref()),
            Some(version),
            "{name}"
        );
        assert_eq!(api.intermediary.as_deref(), intermediary, "{name}");
        assert_eq!(api.engine_id.is_some(), access == Open && product != Podman, "{name}");
        assert_eq!((assessment.transport, assessment.connections), (Transport::Plain, 1), "{name}");
    }
}
