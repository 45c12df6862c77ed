//! The lab's truth table, whole, against the real program: real daemons, proxies and TLS servers.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// One scan over every endpoint of the table.
#[test]
fn the_truth_table_holds() {
    let Some(truth) = running_lab() else { return };
    let report = scan(&truth, &[]);

    let mut wrong = Vec::new();
    for server in &truth {
        let name = server["name"].as_str().unwrap();
        let id = format!("tcp/{}", target(server));
        let endpoints = report["endpoints"].as_array().unwrap();
        let Some(endpoint) = endpoints.iter().find(|endpoint| endpoint["id"] == id) else {
            wrong.push(format!("{name}: not in the report"));
            continue;
        };
        wrong
            .extend(differences(&server["expect"], endpoint).map(|text| format!("{name}: {text}")));
    }
    for endpoint in report["endpoints"].as_array().unwrap() {
        // Where the one build cannot go on, it names the one that can.
        let old_tls_only = endpoint["tls"]["versions"].as_object().is_some_and(|versions| {
            ["SSLv3", "TLSv1.0", "TLSv1.1"].iter().any(|v| versions[*v]["status"] == "accepted")
        });
        if old_tls_only && endpoint["api"]["access"] == "undetermined" {
            let reason = endpoint["api"]["reason"].as_str().unwrap();
            let helpless = reason.contains("legacy-tls") && cfg!(not(feature = "legacy-tls"));
            let nameless = reason.contains("; --sni NAME asks") && endpoint["sni"].is_null();
            assert!(helpless || nameless, "{}: {reason}", endpoint["id"]);
        }
    }
    assert_eq!(report["endpoints"].as_array().unwrap().len(), truth.len(), "no more, no less");
    assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.join("\n"));
}

/// What `--depth containers` adds, by the container's name.
#[test]
fn each_container_has_its_own_findings() {
    let Some(truth) = running_lab() else { return };
    let mut compared = 0;
    for server in truth.iter().filter(|server| server["expect"].get("containers").is_some()) {
        let report = scan(std::slice::from_ref(server), &["--depth", "containers"]);
        let endpoint = &report["endpoints"][0];
        let expected = server["expect"]["containers"].as_object().unwrap();
        let containers = endpoint["api"]["containers"]["inspected"].as_array().unwrap();
        assert_eq!(containers.len(), expected.len());
        for (name, rules) in expected {
            let seen: Vec<&Value> = endpoint["findings"]
                .as_array()
                .unwrap()
                .iter()
                .filter(|finding| {
                    // Names may hold one another.
                    let evidence = finding["evidence"].as_str().unwrap();
                    evidence.starts_with(&format!("Container {name} "))
                })
                .map(|finding| &finding["rule"])
                .collect();
            assert_eq!(Value::from_iter(seen.into_iter().cloned()), *rules, "{name}");
            compared += 1;
        }
        let stored = report.to_string();
        assert!(!stored.contains("Env") && !stored.contains("\"Cmd\""));
    }
    assert!(compared > 0, "the table has no engine with containers");
}

/// Servers that ask for a client certificate, shown one that nobody vouches for.
#[test]
fn a_throwaway_certificate_tells_who_verifies() {
    let Some(truth) = running_lab() else { return };
    let asking: Vec<Value> =
        truth.into_iter().filter(|server| server["expect"]["untrusted_cert"].is_string()).collect();
    assert!(asking.len() > 10, "the table says so of {} only", asking.len());
    let report = scan(&asking, &["--try-untrusted-cert"]);
    for server in &asking {
        let name = &server["name"];
        let id = format!("tcp/{}", target(server));
        let endpoint =
            report["endpoints"].as_array().unwrap().iter().find(|e| e["id"] == id).unwrap();
        let auth = &endpoint["tls"]["client_auth"];
        let wanted = &server["expect"]["untrusted_cert"];
        assert_eq!(auth["verified"], *wanted, "{name}: {}", auth["verified_reason"]);
        let found = rules(endpoint, |rule| rule == "client-cert-unverified");
        let let_in = wanted == "no";
        assert_eq!(found.as_array().unwrap().len(), usize::from(let_in), "{name}");
        if let_in {
            assert_eq!(endpoint["baseline"]["socket_not_exposed"]["status"], "fail", "{name}");
            assert_eq!(endpoint["grade"], "F", "{name}");
        }
    }
}

fn scan(servers: &[Value], options: &[&str]) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_docksweep"))
        .env("XDG_DATA_HOME", "/nonexistent")
        .args(["scan", "--format", "json", "--rate", "max"])
        .args(options)
        .args(servers.iter().map(target))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    crate::schema::assert_valid(&report);
    report
}

/// The table, if the lab runs. Otherwise a line in the output says that it does not, and under
/// `make test` that is a failure.
pub fn running_lab() -> Option<Vec<Value>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let status = Command::new(root.join("tests/lab/lab.sh")).arg("status").output().unwrap();
    if !status.status.success() {
        let why = String::from_utf8_lossy(&status.stderr);
        crate::skip::said(&format!("the lab's truth table: no lab is running {}", why.trim()));
        return None;
    }
    let table: PathBuf = root.join("tests/lab/truth.json");
    let mut truth: Vec<Value> = serde_json::from_slice(&std::fs::read(table).unwrap()).unwrap();
    if cfg!(feature = "legacy-tls") {
        for server in &mut truth {
            let Some(seen_by_it) = server["expect"].get("with_legacy_tls").cloned() else {
                continue;
            };
            for (key, value) in seen_by_it.as_object().unwrap() {
                server["expect"][key] = value.clone();
            }
        }
    }
    let ipv6 = std::net::TcpListener::bind("[::1]:0").is_ok();
    if !ipv6 {
        crate::skip::lacking("the lab's IPv6 servers: no ::1 here");
    }
    Some(truth.into_iter().filter(|server| ipv6 || server["address"] != "::1").collect())
}

fn target(server: &Value) -> String {
    let address: std::net::IpAddr = server["address"].as_str().unwrap().parse().unwrap();
    let port = u16::try_from(server["port"].as_u64().unwrap()).unwrap();
    std::net::SocketAddr::new(address, port).to_string()
}

fn differences<'a>(expect: &'a Value, endpoint: &'a Value) -> impl Iterator<Item = String> + 'a {
    let tls = &endpoint["tls"];
    let mut pairs: Vec<(String, Value, Value)> = vec![
        ("transport".into(), expect["transport"].clone(), endpoint["transport"].clone()),
        ("access".into(), expect["access"].clone(), endpoint["api"]["access"].clone()),
        ("product".into(), expect["product"].clone(), endpoint["api"]["product"].clone()),
        ("findings".into(), expect["findings"].clone(), rules(endpoint, |r| !of_the_engine(r))),
    ];
    if let Some(expected) = expect.get("engine_rules") {
        let mut expected = expected.clone();
        if confined_by_the_machine() {
            expected.as_array_mut().unwrap().retain(|rule| rule != "engine-no-mac");
        }
        let seen = rules(endpoint, |r| of_the_engine(r) && !BY_VERSION.contains(&r));
        pairs.push(("engine rules".into(), expected, seen));
    }
    for (check, status) in expect["baseline"].as_object().into_iter().flatten() {
        let seen = &endpoint["baseline"][check];
        let what = format!("baseline.{check} ({})", seen["reason"]);
        pairs.push((what, status.clone(), seen["status"].clone()));
    }
    for (rule, severity) in expect["severities"].as_object().into_iter().flatten() {
        let found = endpoint["findings"].as_array().unwrap().iter().find(|f| f["rule"] == *rule);
        let found = found.map_or(Value::Null, |finding| finding["severity"].clone());
        pairs.push((format!("severity of {rule}"), severity.clone(), found));
    }
    for (key, value) in expect["client_auth"].as_object().into_iter().flatten() {
        pairs.push((format!("client_auth.{key}"), value.clone(), tls["client_auth"][key].clone()));
    }
    for (version, status) in expect["versions"].as_object().into_iter().flatten() {
        let seen = &tls["versions"][version];
        pairs.push((
            format!("{version} ({})", seen["reason"]),
            status.clone(),
            seen["status"].clone(),
        ));
    }
    let leaf = &tls["chains"][0]["certificates"][0];
    for (key, value) in expect["leaf"].as_object().into_iter().flatten() {
        let seen = match key.as_str() {
            "key_algorithm" => &leaf["key"]["algorithm"],
            "key_bits" => &leaf["key"]["bits"],
            other => &leaf[other],
        };
        pairs.push((format!("leaf.{key}"), value.clone(), seen.clone()));
    }
    if let Some(length) = expect.get("chain_length") {
        let chain = tls["chains"][0]["certificates"].as_array().map_or(0, Vec::len);
        pairs.push(("chain length".into(), length.clone(), chain.into()));
    }
    let bound = expect["max_connections"]
        .as_u64()
        .filter(|bound| endpoint["connections"].as_u64().unwrap() > *bound);
    pairs
        .into_iter()
        .filter(|(_, expected, seen)| expected != seen)
        .map(|(what, expected, seen)| format!("{what}: expected {expected}, got {seen}"))
        .chain(
            bound.map(|bound| format!("{} connections, promised {bound}", endpoint["connections"])),
        )
}

/// Rules that depend on the advisory data of the day.
const BY_VERSION: [&str; 3] = ["engine-end-of-life", "engine-advisory", "engine-outdated"];

/// Where AppArmor is on, engines use it without being told.
fn confined_by_the_machine() -> bool {
    std::fs::read_to_string("/sys/module/apparmor/parameters/enabled")
        .is_ok_and(|enabled| enabled.trim() == "Y")
}

fn of_the_engine(rule: &str) -> bool {
    ["engine-", "swarm-", "container-"].iter().any(|prefix| rule.starts_with(prefix))
}

fn rules(endpoint: &Value, wanted: impl Fn(&str) -> bool) -> Value {
    let mut rules: Vec<&str> = endpoint["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|finding| finding["rule"].as_str().unwrap())
        .filter(|rule| wanted(rule))
        .collect();
    rules.sort_unstable();
    rules.dedup();
    rules.into()
}
