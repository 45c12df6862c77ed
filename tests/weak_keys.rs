//! Keys that others have or can work out, in a stored report that is judged again.

use std::path::Path;
use std::process::{Command, Output};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use docksweep::observation::{
    Connection, Der, Endpoint, HelloAnswer, HelloConnection, OBSERVATION_VERSION, Observation,
    ServerHelloFlight, TlsVersion,
};
use docksweep::report::v1;
use docksweep::rules::Basis;
use serde_json::{Value, json};

/// Each certificate on an address of its own, 127.31.0.1 and on, as a TLS 1.2 server shows it.
fn stored(folder: &Path, certificates: &[&str]) -> String {
    let path = folder.join("stored.json");
    store(&path, None, 1, certificates);
    path.to_str().unwrap().to_owned()
}

/// The report of a scan, or of one shard of it, that saw them on 127.31.0.`first` and on.
pub fn store(path: &Path, shard: Option<&str>, first: u8, certificates: &[&str]) {
    let endpoints = certificates
        .iter()
        .zip(first..)
        .map(|(name, last)| {
            docksweep::scan::judge(observation(last, der(name)), Basis::embedded().unwrap())
        })
        .collect();
    let scan = json!({
        "id": "x", "started_at": "2026-06-01T00:00:00Z", "finished_at": "2026-06-01T00:00:01Z",
        "command": "docksweep scan", "vantage": {"label": null, "source_addresses": []},
        "targets": [], "excluded": [], "ports": [2376], "engine": "connect", "seed": null,
        "shard": shard, "addresses": 1, "counts": v1::Counts::default(), "complete": true,
        "incomplete_reason": null, "unresolved": [], "notes": [],
    });
    let scan = serde_json::from_value(scan).unwrap();
    let basis = Basis::embedded().unwrap();
    let report = v1::Report::new(
        v1::Tool::current("x", basis.advisories.date()),
        scan,
        Vec::new(),
        endpoints,
    );
    std::fs::write(path, serde_json::to_vec(&report).unwrap()).unwrap();
}

fn der(name: &str) -> Vec<u8> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/certificates");
    let pem = std::fs::read_to_string(format!("{folder}/{name}.pem")).unwrap();
    BASE64.decode(pem.lines().filter(|line| !line.starts_with("---")).collect::<String>()).unwrap()
}

fn observation(last: u8, der: Vec<u8>) -> Observation {
    let flight = ServerHelloFlight {
        version: 0x0303,
        cipher_suite: 0xc02f,
        retry_request: false,
        downgrade_sentinel: false,
        chain: Some(vec![0]),
        certificate_request: None,
        complete: true,
        end: None,
    };
    Observation {
        version: OBSERVATION_VERSION,
        endpoint: Endpoint {
            address: [127, 31, 0, last].into(),
            port: 2376,
            names: Vec::new(),
            sni: None,
        },
        observed_at: "2026-06-01T00:00:00Z".parse().unwrap(),
        connections: vec![Connection::Hello(HelloConnection::new(
            vec![TlsVersion::Tls12],
            100,
            HelloAnswer::ServerHello(flight),
        ))],
        certificates: vec![Der(der)],
        cut_short: None,
        audit: None,
        cipher_suites: None,
        untrusted: None,
    }
}

fn judged_again(path: &str, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_docksweep"))
        .args(["report", path, "--format", "json"])
        .args(arguments)
        .output()
        .unwrap()
}

fn report(output: &Output) -> Value {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report = serde_json::from_slice(&output.stdout).unwrap();
    crate::schema::assert_valid(&report);
    report
}

/// The rules about private keys that the endpoint breaks.
fn broken(endpoint: &Value) -> Vec<&str> {
    let findings = endpoint["findings"].as_array().unwrap().iter();
    let rules = findings.map(|finding| finding["rule"].as_str().unwrap());
    rules.filter(|rule| rule.starts_with("key-")).collect()
}

#[test]
fn each_weak_key_is_named_and_a_shared_prime_joins_two_hosts() {
    let folder = tempfile::tempdir().unwrap();
    let certificates = [
        ("weak-roca", vec!["key-roca"]),
        ("weak-close-primes", vec!["key-close-primes"]),
        ("weak-small-factor", vec!["key-small-factor"]),
        ("weak-modulus-even", vec!["key-small-factor"]),
        ("weak-exponent-1", vec!["key-small-exponent"]),
        ("weak-exponent-3", vec!["key-small-exponent"]),
        ("weak-exponent-0", vec![]),
        ("weak-modulus-0", vec![]),
        ("weak-shared-prime-1", vec![]),
        ("weak-shared-prime-2", vec![]),
        ("weak-shared-prime-2", vec![]),
        ("rsa-2048-sha256", vec![]),
    ];
    let path = stored(folder.path(), &certificates.each_ref().map(|(name, _)| *name));
    let report = report(&judged_again(&path, &[]));
    for (endpoint, (name, expected)) in
        report["endpoints"].as_array().unwrap().iter().zip(&certificates)
    {
        assert_eq!(broken(endpoint), *expected, "{name}");
    }
    let [found] = report["fleet_findings"].as_array().unwrap().as_slice() else {
        panic!("{:#}", report["fleet_findings"])
    };
    assert_eq!(
        (&found["rule"], &found["severity"]),
        (&json!("key-shared-prime"), &json!("critical"))
    );
    let hosts = ["tcp/127.31.0.9:2376", "tcp/127.31.0.10:2376", "tcp/127.31.0.11:2376"];
    assert_eq!(found["endpoints"], json!(hosts));
    let evidence = found["evidence"].as_str().unwrap();
    assert!(evidence.contains("the private keys of 2 were rebuilt"), "{evidence}");
    assert_eq!(report["summary"]["by_severity"]["critical"], 6);

    let strict = judged_again(&path, &["--fail-on", "critical"]);
    assert_eq!(strict.status.code(), Some(10));
}

#[test]
fn a_list_of_keys_is_read_and_a_broken_one_names_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = stored(folder.path(), &["rsa-2048-sha256", "ed25519"]);
    let before = report(&judged_again(&path, &[]));
    assert!(before["endpoints"].as_array().unwrap().iter().all(|one| broken(one).is_empty()));
    let leaf = &before["endpoints"][1]["tls"]["chains"][0]["certificates"][0];
    let list = folder.path().join("mine.txt").to_str().unwrap().to_owned();
    let hash = leaf["key"]["spki_sha256"].as_str().unwrap();
    std::fs::write(&list, format!("# stolen in May\n{hash}\n")).unwrap();
    let after = report(&judged_again(&path, &["--key-blocklist", &list]));
    let endpoints = after["endpoints"].as_array().unwrap();
    assert!(broken(&endpoints[0]).is_empty());
    assert_eq!(broken(&endpoints[1]), ["key-known-compromised"]);

    std::fs::write(&list, format!("{hash}\n{hash}0\n")).unwrap();
    for arguments in [["report", &path], ["scan", "127.31.0.1"]] {
        let output = Command::new(env!("CARGO_BIN_EXE_docksweep"))
            .args(arguments)
            .args(["--key-blocklist", &list])
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2));
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(error.contains("mine.txt: line 2 is no SHA-256 in hex"), "{error}");
    }
}
