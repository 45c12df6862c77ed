//! An engine that answers every path, and lies in the bodies: what is kept stays small, and what
//! cannot be read is unknown, never a setting.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use docksweep::observation::Observation;
use docksweep::probe::docker_api::Depth;
use docksweep::probe::observe;
use docksweep::rules::Basis;
use docksweep::scan::judge;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::hostile::serve;
use crate::recorded::{endpoint, probe_config};

const VERSION: &str = r#"{"Version":"28.5.2","ApiVersion":"1.51","GitCommit":"x"}"#;
const ALL_CONTAINERS: &str = "/containers/json?all=1";

/// Serves these bodies, and for the inspection of any container `inspected`.
async fn engine(bodies: &[(&'static str, String)], inspected: &'static str) -> SocketAddr {
    let mut bodies: HashMap<&'static str, String> = bodies.iter().cloned().collect();
    for (path, usual) in [
        ("/version", VERSION),
        ("/_ping", "OK"),
        ("/info", "{}"),
        ("/networks", "[]"),
        ("/containers/json?limit=1", "[]"),
    ] {
        bodies.entry(path).or_insert_with(|| usual.to_owned());
    }
    let bodies = Arc::new(bodies);
    serve(move |mut stream| {
        let bodies = Arc::clone(&bodies);
        Box::pin(async move {
            let mut heard = [0; 4096];
            while let Ok(length) = stream.read(&mut heard).await {
                let request = String::from_utf8_lossy(&heard[..length]).into_owned();
                let Some(path) = request.split(' ').nth(1) else { return };
                let body = bodies.get(path).map_or(inspected, String::as_str);
                let head = format!(
                    "HTTP/1.1 200 OK\r\nServer: Docker/28.5.2 (linux)\r\nContent-Length: {}\r\n\r\n",
                    body.len()
                );
                if stream.write_all((head + body).as_bytes()).await.is_err() {
                    return;
                }
            }
        })
    })
    .await
}

async fn observed(address: SocketAddr) -> Observation {
    let mut config = probe_config();
    config.depth = Depth::Containers;
    observe(endpoint(address), &config).await
}

fn report(observation: Observation) -> Value {
    serde_json::to_value(judge(observation, Basis::embedded().unwrap())).unwrap()
}

fn size(observation: &Observation) -> usize {
    serde_json::to_string(observation).unwrap().len()
}

fn rules(endpoint: &Value) -> Vec<&str> {
    endpoint["findings"].as_array().unwrap().iter().map(|f| f["rule"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn swapped_types_are_unknown_settings() {
    for wrong in ["null", "7", "\"text\"", "[]", "{}", "[[[]]]", r#"{"a":{"b":[1,{}]}}"#] {
        let info = json!({
            "SecurityOptions": serde_json::from_str::<Value>(wrong).unwrap(),
            "LiveRestoreEnabled": serde_json::from_str::<Value>(wrong).unwrap(),
            "Swarm": serde_json::from_str::<Value>(wrong).unwrap(),
            "Plugins": serde_json::from_str::<Value>(wrong).unwrap(),
            "RegistryConfig": serde_json::from_str::<Value>(wrong).unwrap(),
        });
        let list = format!("[{wrong}]");
        let address = engine(
            &[("/info", info.to_string()), ("/networks", list.clone()), (ALL_CONTAINERS, list)],
            "[]",
        )
        .await;
        let endpoint = report(observed(address).await);
        assert_eq!(endpoint["api"]["access"], "open", "{wrong}: {}", endpoint["api"]["reason"]);
        for check in ["rootless", "userns_remap", "icc_disabled"] {
            let status = &endpoint["baseline"][check]["status"];
            // `SecurityOptions: null` and `[]` are how an engine says that it has none.
            let said = check != "icc_disabled" && matches!(wrong, "null" | "[]" | "[[[]]]");
            assert!(
                status == "unknown" || status == "not-applicable" || said,
                "{wrong}: {check} {status}"
            );
            assert_ne!(status, "pass", "{wrong}: {check}");
        }
        let found = rules(&endpoint);
        assert!(
            !found.iter().any(|rule| rule.starts_with("container-") || rule.starts_with("swarm-")),
            "{found:?}"
        );
    }
}

#[tokio::test]
async fn megabytes_of_text_are_kept_as_a_few_hundred_bytes() {
    let long = "x".repeat(100_000);
    let info = json!({
        "Name": long, "OperatingSystem": long, "ServerVersion": long, "KernelVersion": long,
        "SecurityOptions": [long, long], "DockerRootDir": long,
        "Plugins": {"Authorization": [long]},
    });
    let network = json!({"Name": long, "Driver": "bridge", "Options": {"com.docker.network.bridge.enable_icc": long}});
    let address =
        engine(&[("/info", info.to_string()), ("/networks", json!([network]).to_string())], "{}")
            .await;
    let observation = observed(address).await;
    assert!(size(&observation) < 32 * 1024, "{} bytes kept", size(&observation));
    let endpoint = report(observation);
    assert_eq!(endpoint["api"]["access"], "open", "{}", endpoint["api"]["reason"]);
    assert!(endpoint["api"]["posture"].is_object());

    // Past what is parsed at all, there is no value, and a reason.
    let huge = format!(r#"{{"ID":"x","Name":"{}"}}"#, "x".repeat(2 * 1024 * 1024));
    let endpoint = report(observed(engine(&[("/info", huge)], "{}").await).await);
    assert_eq!(endpoint["api"]["access"], "open", "{}", endpoint["api"]["reason"]);
    assert_eq!(endpoint["baseline"]["rootless"]["status"], "unknown");
}

#[tokio::test]
async fn a_million_containers_are_not_read() {
    let list = format!("[{}]", vec![r#"{"Id":"abc"}"#; 1_000_000].join(","));
    let observation = observed(engine(&[(ALL_CONTAINERS, list)], "{}").await).await;
    assert!(size(&observation) < 32 * 1024, "{} bytes kept", size(&observation));
    let endpoint = report(observation);
    assert_eq!(endpoint["api"]["access"], "open", "{}", endpoint["api"]["reason"]);
    assert_eq!(endpoint["api"]["containers"], Value::Null, "{}", endpoint["api"]["containers"]);
}

#[tokio::test]
async fn of_many_containers_the_first_are_inspected_and_the_rest_are_counted() {
    let ids: Vec<Value> = (0..9_000).map(|n| json!({"Id": format!("c{n}")})).collect();
    let privileged = r#"{"Id":"c","Name":"/n","HostConfig":{"Privileged":true}}"#;
    let address = engine(&[(ALL_CONTAINERS, Value::from(ids).to_string())], privileged).await;
    let observation = observed(address).await;
    let asked = serde_json::to_string(&observation).unwrap().matches("/json\"").count();
    assert_eq!(asked, 256);
    let endpoint = report(observation);
    assert_eq!(endpoint["api"]["containers"]["total"], 9_000, "{}", endpoint["api"]["containers"]);
    assert!(rules(&endpoint).contains(&"container-privileged"));
}

#[tokio::test]
async fn the_default_bridge_is_found_behind_a_thousand_networks() {
    let mut networks: Vec<Value> = (0..1_000)
        .map(|n| json!({"Name": format!("n{n}"), "Driver": "bridge", "Options": {}}))
        .collect();
    networks.push(json!({
        "Name": "bridge", "Driver": "bridge",
        "Options": {"com.docker.network.bridge.default_bridge": "true", "com.docker.network.bridge.enable_icc": "true"},
    }));
    let address = engine(&[("/networks", Value::from(networks).to_string())], "{}").await;
    let endpoint = report(observed(address).await);
    assert_eq!(endpoint["baseline"]["icc_disabled"]["status"], "fail", "{}", endpoint["baseline"]);
}
