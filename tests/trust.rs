//! `--ca`: chains are judged by certificates that the user gives, in a scan and afterwards.

use std::process::{Command, Output};

use rustls::version::TLS13;
use serde_json::Value;

use crate::mutual_tls::{Authority, Wanted, serve};
use crate::replay;

fn docksweep(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_docksweep")).args(args).output().unwrap()
}

fn report(output: &Output) -> Value {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    crate::schema::assert_valid(&report);
    report
}

fn untrusted(report: &Value) -> Vec<String> {
    report["endpoints"][0]["findings"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|finding| finding["rule"] == "cert-untrusted")
        .map(|finding| finding["evidence"].as_str().unwrap().to_owned())
        .collect()
}

fn passed(report: &Value) -> bool {
    let passed = report["endpoints"][0]["rules_passed"].as_array().unwrap();
    passed.iter().any(|rule| rule == "cert-untrusted")
}

fn note(report: &Value) -> Vec<String> {
    let notes = report["scan"]["notes"].as_array().unwrap().iter();
    let notes = notes.map(|note| note.as_str().unwrap().to_owned());
    notes.filter(|note| note.contains("trusted")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn chains_are_judged_by_what_is_given_then_or_later() {
    let (ca, other) = (Authority::new("ours"), Authority::new("another"));
    let server = ca.issue("server", &["127.0.0.1"]);
    let backend = replay::serve("d1-plain-bridge-none").await;
    let (address, _) = serve(&server, &server.key, Wanted::Nothing, &TLS13, backend).await;
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (ours, others, stored) = (path("ours.pem"), path("others.pem"), path("scan.json"));
    std::fs::write(&ours, ca.pem()).unwrap();
    std::fs::write(&others, other.pem()).unwrap();
    let address = address.to_string();

    let output = docksweep(&["scan", &address, "--format", "json", "--ca", &others]);
    let scanned = report(&output);
    std::fs::write(&stored, &output.stdout).unwrap();
    let evidence = untrusted(&scanned);
    assert_eq!(evidence.len(), 1, "{evidence:?}");
    assert!(evidence[0].contains("was issued by CN=ours, which was neither sent"), "{evidence:?}");
    assert_eq!(note(&scanned).len(), 1);

    let both = ["report", &stored, "--format", "json", "--ca", &others, "--ca", &ours];
    let judged = report(&docksweep(&both));
    assert!(passed(&judged), "{:?}", untrusted(&judged));
    let notes = note(&judged);
    assert_eq!(notes.len(), 1, "the earlier one is gone: {notes:?}");
    assert!(notes[0].contains(&format!("{others} (1 certificate) and {ours} (1")), "{notes:?}");

    let judged = report(&docksweep(&["report", &stored, "--format", "json"]));
    assert!(!passed(&judged) && untrusted(&judged).is_empty(), "nothing was given");
    assert_eq!(note(&judged), [""; 0]);

    let judged = report(&docksweep(&["scan", &address, "--format", "json", "--ca", &ours]));
    assert!(passed(&judged), "{:?}", untrusted(&judged));
}

#[test]
fn a_ca_file_that_is_none_is_exit_2_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ca.pem").to_str().unwrap().to_owned();
    let begin = "-----BEGIN CERTIFICATE-----";
    let end = "-----END CERTIFICATE-----";
    for (content, place, what) in [
        (String::new(), ":", "no PEM certificate"),
        ("-----BEGIN PRIVATE KEY-----\nAAAA\n".to_owned(), ":", "no PEM certificate"),
        ("0\u{3}\u{2}\u{1}\u{1}".to_owned(), ":", "it is DER"),
        (format!("# ours\n{begin}\nAAAA\n"), ":2:", "no END line"),
        (format!("{begin}\nAA*A\n{end}\n"), ":2:", "no base64"),
        (format!("\n\n{begin}\nMAA=\n{end}\n"), ":3:", "cannot be read"),
    ] {
        std::fs::write(&path, &content).unwrap();
        for command in [["scan", "127.0.0.1"], ["report", "x.json"]] {
            let output = docksweep(&[&command[..], &["--ca", &path]].concat());
            let text = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(2), "{content}: {text}");
            assert!(text.starts_with(&format!("error: --ca {path}{place}")), "{content}: {text}");
            assert!(text.contains(what) && text.contains("\nhint: "), "{content}: {text}");
        }
    }
    let output = docksweep(&["scan", "127.0.0.1", "--ca", "/nonexistent/ca.pem"]);
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.contains("/nonexistent/ca.pem: No such file") && text.contains("hint: "));
}
