//! The authenticated audit: who is shown the client certificate, and what comes of it.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;

use docksweep::assess::{Access, Assessment, Audit, AuditStatus, assess};
use docksweep::credentials::{Credentials, Source};
use docksweep::observation::{KeyPossession, Observation};
use docksweep::probe::observe;
use rcgen::{BasicConstraints, IsCa};
use rustls::version::{TLS12, TLS13};
use serde_json::Value;

use crate::mutual_tls::{Authority, Files, Heard, Identity, Wanted, serve, write_pems};
use crate::recorded::{endpoint, probe_config};
use crate::{hostile, replay};

/// As recorded from a real engine.
const ENGINE: &str = "d1-plain-bridge-none";
const VERSION: &str = "20.10.24+dfsg1";

/// An authority, its server for 127.0.0.1 and its client.
struct Fleet {
    ca: Authority,
    server: Identity,
    client: Identity,
}

impl Fleet {
    fn new() -> Self {
        let ca = Authority::new("the fleet's CA");
        let server = ca.issue("server", &["127.0.0.1"]);
        let client = ca.issue("client", &["client"]);
        Self { ca, server, client }
    }

    fn files(&self) -> Files {
        Files::new(&self.ca.pem(), &self.client)
    }

    async fn serve(&self) -> (SocketAddr, Arc<Heard>) {
        let backend = replay::serve(ENGINE).await;
        let wanted = Wanted::Required(&self.ca);
        serve(&self.server, &self.server.key, wanted, &TLS13, backend).await
    }
}

async fn audited(address: SocketAddr, files: &Files) -> (Observation, Assessment) {
    let source = Source::Files {
        ca: files.path("ca.pem"),
        certificate: files.path("cert.pem"),
        key: files.path("key.pem"),
    };
    let mut config = probe_config();
    let credentials = Credentials::load(&source, jiff::Timestamp::now()).unwrap();
    config.credentials = Some(Arc::new(credentials));
    let observation = observe(endpoint(address), &config).await;
    let assessment = assess(&observation);
    (observation, assessment)
}

fn audit(assessment: &Assessment) -> &Audit {
    assessment.audit.as_ref().unwrap()
}

/// No certificate went out, by the server's own account, and the reason says this.
fn assert_withheld(assessment: &Assessment, heard: &Heard, client: &Identity, because: &str) {
    let audit = audit(assessment);
    assert_eq!(audit.status, AuditStatus::NotPresented, "{}", audit.reason);
    assert!(audit.reason.contains(because), "{}", audit.reason);
    assert_eq!(heard.certificates(), 0);
    assert!(!heard.holds(client.certificate.der()));
    assert!(audit.version.is_none() && audit.paths.is_empty());
}

#[tokio::test]
async fn a_server_that_verifies_is_audited_and_strangers_stay_strangers() {
    for version in [&TLS12, &TLS13] {
        let fleet = Fleet::new();
        let backend = replay::serve(ENGINE).await;
        let wanted = Wanted::Required(&fleet.ca);
        let (address, heard) =
            serve(&fleet.server, &fleet.server.key, wanted, version, backend).await;
        let (observation, assessment) = audited(address, &fleet.files()).await;

        let audit = audit(&assessment);
        assert_eq!(audit.status, AuditStatus::Served, "{}", audit.reason);
        let seen = audit.version.as_ref().and_then(|body| body.version.as_deref());
        assert_eq!(seen, Some(VERSION));
        assert_eq!(audit.paths.len(), 5);
        assert!(audit.engine_id.is_some() && audit.posture.is_some());
        assert_eq!(assessment.posture(), audit.posture.as_ref());
        assert!(assessment.api.posture.is_none(), "a stranger saw nothing of it");

        assert_eq!(assessment.api.access, Access::ClientCertificateRequired);
        assert!(assessment.api.version.is_none());
        assert_eq!(heard.certificates(), 1, "on the audit's one connection, not on a stranger's");
        assert_eq!(heard.connections.load(SeqCst), assessment.connections);
        // The control of what the tests below look for.
        assert_eq!(heard.holds(fleet.client.certificate.der()), *version == TLS12);

        let seen = &observation.audit.as_ref().unwrap().connections;
        assert_eq!(seen.len(), 1);
        assert_eq!(seen[0].key_possession, KeyPossession::Proved);
        assert!(seen[0].certificate_request.is_some() && seen[0].chain.is_some());
    }
}

#[tokio::test]
async fn a_chain_that_does_not_verify_gets_no_certificate() {
    for version in [&TLS12, &TLS13] {
        let (fleet, other) = (Fleet::new(), Authority::new("another CA"));
        // It would take the client's certificate gladly.
        let wanted = Wanted::Required(&fleet.ca);
        let server = other.issue("server", &["127.0.0.1"]);
        let backend = replay::serve(ENGINE).await;
        let (address, heard) = serve(&server, &server.key, wanted, version, backend).await;
        let (observation, assessment) = audited(address, &fleet.files()).await;
        let because = "the chain does not verify to --tlscacert: none of its certificates";
        assert_withheld(&assessment, &heard, &fleet.client, because);
        assert_eq!(heard.connections.load(SeqCst), assessment.connections);
        assert_eq!(observation.audit.unwrap().connections.len(), 1);
        assert!(assessment.posture().is_none());
    }
}

#[tokio::test]
async fn a_chain_for_another_name_gets_no_certificate() {
    for version in [&TLS12, &TLS13] {
        let fleet = Fleet::new();
        let server = fleet.ca.issue("server", &["127.0.0.9", "elsewhere.example"]);
        let wanted = Wanted::Required(&fleet.ca);
        let backend = replay::serve(ENGINE).await;
        let (address, heard) = serve(&server, &server.key, wanted, version, backend).await;
        let (_, assessment) = audited(address, &fleet.files()).await;
        assert_withheld(&assessment, &heard, &fleet.client, "not valid for name");
        assert!(audit(&assessment).reason.contains("127.0.0.1"), "{:?}", assessment.audit);
    }
}

#[tokio::test]
async fn a_copied_certificate_without_its_key_gets_no_certificate() {
    for version in [&TLS12, &TLS13] {
        let fleet = Fleet::new();
        let impostor = Fleet::new();
        let wanted = Wanted::Required(&fleet.ca);
        let backend = replay::serve(ENGINE).await;
        let (address, heard) =
            serve(&fleet.server, &impostor.server.key, wanted, version, backend).await;
        let (_, assessment) = audited(address, &fleet.files()).await;
        assert_withheld(&assessment, &heard, &fleet.client, "did not prove");
    }
}

#[tokio::test]
async fn a_name_that_was_asked_for_is_the_name_that_counts() {
    let fleet = Fleet::new();
    let server = fleet.ca.issue("server", &["docker.example"]);
    let backend = replay::serve(ENGINE).await;
    let wanted = Wanted::Required(&fleet.ca);
    let (address, _) = serve(&server, &server.key, wanted, &TLS13, backend).await;
    let files = fleet.files();
    for (name, status) in [("docker.example", "served"), ("other.example", "not-presented")] {
        let mut args = files.flags();
        args.extend(["--sni".to_owned(), name.to_owned()]);
        let report = json(&scan(address, &args, &[]).await);
        assert_eq!(report["endpoints"][0]["audit"]["status"], status, "{report}");
    }
}

#[tokio::test]
async fn a_certificate_that_the_server_refuses_is_refused_with_its_reason() {
    for version in [&TLS12, &TLS13] {
        let (fleet, other) = (Fleet::new(), Authority::new("another CA"));
        let wanted = Wanted::Required(&other);
        let backend = replay::serve(ENGINE).await;
        let (address, heard) =
            serve(&fleet.server, &fleet.server.key, wanted, version, backend).await;
        let (_, assessment) = audited(address, &fleet.files()).await;
        let audit = audit(&assessment);
        assert_eq!(audit.status, AuditStatus::Refused, "{}", audit.reason);
        assert!(audit.reason.contains("alert"), "{}", audit.reason);
        assert_eq!(heard.certificates(), 1);
        assert_eq!(assessment.api.access, Access::ClientCertificateRequired);
    }
}

#[tokio::test]
async fn a_certificate_that_http_refuses_is_refused_with_its_status() {
    let fleet = Fleet::new();
    let backend = hostile::serve(|mut stream| {
        Box::pin(async move {
            use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
            let mut heard = [0; 4096];
            while stream.read(&mut heard).await.is_ok_and(|n| n > 0) {
                let reply = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n";
                let _ = stream.write_all(reply).await;
            }
        })
    })
    .await;
    let wanted = Wanted::Optional(&fleet.ca);
    let (address, heard) = serve(&fleet.server, &fleet.server.key, wanted, &TLS13, backend).await;
    let (_, assessment) = audited(address, &fleet.files()).await;
    let audit = audit(&assessment);
    assert_eq!(audit.status, AuditStatus::Refused, "{}", audit.reason);
    assert!(audit.reason.contains("403"), "{}", audit.reason);
    assert_eq!(heard.certificates(), 1);
}

#[tokio::test]
async fn a_server_that_asks_for_none_is_not_asked_again() {
    let fleet = Fleet::new();
    let backend = replay::serve(ENGINE).await;
    let server = &fleet.server;
    let (address, heard) = serve(server, &server.key, Wanted::Nothing, &TLS13, backend).await;
    let (observation, assessment) = audited(address, &fleet.files()).await;
    assert_withheld(&assessment, &heard, &fleet.client, "asks for no client certificate");
    assert_eq!(assessment.api.access, Access::Open);
    assert!(
        assessment.posture().is_some() && assessment.posture() == assessment.api.posture.as_ref()
    );
    assert_eq!(assessment.connections, observation.connections.len());
}

#[tokio::test]
async fn plain_http_gets_no_certificate_and_no_connection_more() {
    let fleet = Fleet::new();
    let address = replay::serve(ENGINE).await;
    let (observation, assessment) = audited(address, &fleet.files()).await;
    let audit = audit(&assessment);
    assert_eq!(audit.status, AuditStatus::NotPresented);
    assert!(audit.reason.contains("plain HTTP"), "{}", audit.reason);
    assert_eq!((observation.connections.len(), assessment.connections), (1, 1));
    assert!(
        assessment.posture().is_some() && assessment.posture() == assessment.api.posture.as_ref()
    );
}

/// As Docker users do who have no CA.
#[tokio::test]
async fn a_self_signed_server_may_be_its_own_root_unless_it_is_a_ca() {
    let clients = Authority::new("for clients");
    let client = clients.issue("client", &["client"]);
    let table = [
        (IsCa::NoCa, AuditStatus::Served, "200"),
        (IsCa::Ca(BasicConstraints::Unconstrained), AuditStatus::NotPresented, "CA:TRUE"),
    ];
    for (is_ca, status, because) in table {
        let server = Identity::self_signed("server", &["127.0.0.1"], is_ca);
        let backend = replay::serve(ENGINE).await;
        let wanted = Wanted::Required(&clients);
        let (address, heard) = serve(&server, &server.key, wanted, &TLS13, backend).await;
        let files = Files::new(&server.certificate.pem(), &client);
        let (_, assessment) = audited(address, &files).await;
        let audit = audit(&assessment);
        assert_eq!(audit.status, status, "{}", audit.reason);
        assert!(audit.reason.contains(because), "{}", audit.reason);
        assert_eq!(heard.certificates() > 0, status == AuditStatus::Served);
    }
}

#[tokio::test]
async fn an_observation_without_an_audit_can_still_be_read() {
    let address = replay::serve(ENGINE).await;
    let observation = observe(endpoint(address), &probe_config()).await;
    let mut old = serde_json::to_value(&observation).unwrap();
    assert_eq!(old.as_object_mut().unwrap().remove("audit"), Some(Value::Null));
    let read: Observation = serde_json::from_value(old).unwrap();
    assert_eq!(read, observation);
    assert!(assess(&read).audit.is_none());
}

fn docksweep() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_docksweep"));
    command.env("XDG_DATA_HOME", "/nonexistent");
    for name in ["DOCKER_CERT_PATH", "DOCKER_TLS_VERIFY", "DOCKER_CONFIG", "NO_COLOR"] {
        command.env_remove(name);
    }
    command.stdin(Stdio::null());
    command
}

/// Scans one endpoint; the server in this process goes on meanwhile.
async fn scan(address: SocketAddr, args: &[String], env: &[(&str, &Path)]) -> Output {
    let mut command = docksweep();
    command.args(["scan", &address.to_string(), "--format", "json"]).args(args);
    command.envs(env.iter().copied());
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

fn json(output: &Output) -> Value {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    let report = serde_json::from_slice(&output.stdout).unwrap();
    crate::schema::assert_valid(&report);
    report
}

#[tokio::test]
async fn the_environment_and_contexts_are_read_only_when_asked() {
    let fleet = Fleet::new();
    let (address, heard) = fleet.serve().await;
    let folder = tempfile::tempdir().unwrap();
    let certs = folder.path().join("certs");
    write_pems(&certs, &fleet.ca.pem(), &fleet.client);
    // `printf lab | sha256sum`
    let id = "a51146d38077ff992eba84cf1d5e9b249073503eb74868699016153b031a38f7";
    let config = folder.path().join("docker");
    let meta = config.join("contexts/meta").join(id);
    std::fs::create_dir_all(&meta).unwrap();
    let text = r#"{"Name":"lab","Endpoints":{"docker":{"Host":"tcp://x:2376"}}}"#;
    std::fs::write(meta.join("meta.json"), text).unwrap();
    write_pems(
        &config.join("contexts/tls").join(id).join("docker"),
        &fleet.ca.pem(),
        &fleet.client,
    );
    let home = folder.path().join("home");
    std::fs::create_dir_all(&home).unwrap();
    std::os::unix::fs::symlink(&config, home.join(".docker")).unwrap();
    let env = [
        ("DOCKER_CERT_PATH", certs.as_path()),
        ("DOCKER_TLS_VERIFY", Path::new("1")),
        ("DOCKER_CONFIG", config.as_path()),
        ("HOME", home.as_path()),
    ];
    let args = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();

    let report = json(&scan(address, &[], &env).await);
    assert_eq!(report["endpoints"][0]["audit"], Value::Null);
    assert_eq!(heard.certificates(), 0);

    for (flags, env) in [
        ("--credentials env", &env[..2]),
        ("--context lab", &env[2..3]),
        ("--context lab", &env[3..]),
    ] {
        let report = json(&scan(address, &args(flags), env).await);
        let endpoint = &report["endpoints"][0];
        assert_eq!(endpoint["audit"]["status"], "served", "{flags}: {}", endpoint["audit"]);
        assert_eq!(endpoint["audit"]["version"]["version"], VERSION);
        assert_eq!(endpoint["api"]["access"], "client-certificate-required");
    }
    assert_eq!(heard.certificates(), 3);
}

#[tokio::test]
async fn the_key_appears_nowhere() {
    let fleet = Fleet::new();
    let (address, _) = fleet.serve().await;
    let files = fleet.files();
    let mut args = files.flags();
    args.push("-vvv".to_owned());
    for name in ["r.txt", "r.jsonl"] {
        args.extend(["-o".to_owned(), files.path(name).to_str().unwrap().to_owned()]);
    }
    let output = scan(address, &args, &[]).await;
    let report = json(&output);
    assert_eq!(report["endpoints"][0]["audit"]["status"], "served");
    let text = std::fs::read_to_string(files.path("r.txt")).unwrap();
    assert!(text.contains("Audited with credentials") && text.contains(VERSION), "{text}");
    let log = String::from_utf8(output.stderr).unwrap();
    assert!(log.contains("TRACE") && log.contains("audit"), "{log}");

    let key = fleet.client.key.serialize_pem();
    let secret: Vec<&str> = key.lines().filter(|line| !line.starts_with("-----")).collect();
    assert!(secret.len() >= 2);
    let der = fleet.client.key.serialize_der();
    let numbers = der[40..56].iter().map(u8::to_string).collect::<Vec<_>>().join(", ");
    let lines = std::fs::read_to_string(files.path("r.jsonl")).unwrap();
    for written in [&text, &log, &lines, &report.to_string()] {
        assert!(secret.iter().all(|line| !written.contains(line)));
        assert!(!written.contains(&numbers));
        assert!(!written.contains("PRIVATE KEY"));
    }
}

#[tokio::test]
async fn a_readable_key_is_used_with_a_warning() {
    use std::os::unix::fs::PermissionsExt as _;
    let fleet = Fleet::new();
    let (address, _) = fleet.serve().await;
    let files = fleet.files();
    let key = files.path("key.pem");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    let output = scan(address, &files.flags(), &[]).await;
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(stderr.starts_with("warning: ") && stderr.contains("mode 0644"), "{stderr}");
    assert_eq!(json(&output)["endpoints"][0]["audit"]["status"], "served");
}

#[tokio::test]
async fn credentials_that_make_no_sense_stop_before_the_first_packet() {
    let fleet = Fleet::new();
    let (address, heard) = fleet.serve().await;
    let (files, others) = (fleet.files(), Fleet::new().files());
    let path = |files: &Files, name: &str| files.path(name).to_str().unwrap().to_owned();
    let (ca, cert, key) =
        (path(&files, "ca.pem"), path(&files, "cert.pem"), path(&files, "key.pem"));
    let other_key = path(&others, "key.pem");
    let cases: &[(&[&str], &str)] = &[
        (&["--tlscacert", &ca], "--tlscacert needs --tlscert and --tlskey too"),
        (&["--tlscert", &cert, "--tlskey", &key], "--tlscert and --tlskey needs --tlscacert too"),
        (
            &["--tlscert", &cert, "--context", "lab"],
            "'--tlscert <FILE>' cannot be used with '--context",
        ),
        (
            &["--credentials", "env", "--context", "lab"],
            "'--credentials <FROM>' cannot be used with '--context",
        ),
        (&["--credentials", "env"], "DOCKER_CERT_PATH is not set"),
        (&["--credentials", "keyring"], "--credentials"),
        (&["--context", "nowhere"], "there is no context 'nowhere'"),
        (&["--tlscacert", &ca, "--tlscert", &cert, "--tlskey", &other_key], "does not belong"),
        (&["--tlscacert", &key, "--tlscert", &cert, "--tlskey", &key], "no PEM certificate"),
        (&["--tlscacert", &ca, "--tlscert", &cert, "--tlskey", "/nowhere"], "/nowhere"),
    ];
    for (args, expected) in cases {
        let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
        let output = scan(address, &args, &[("HOME", files.folder.path())]).await;
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{args:?}: {text}");
        assert!(text.starts_with("error: ") && text.contains(expected), "{args:?}: {text}");
        assert!(output.stdout.is_empty(), "{args:?}");
    }
    assert_eq!(heard.connections.load(SeqCst), 0);
}

/// A real daemon under `--tlsverify`, and the lab's own client certificate.
#[test]
fn the_labs_guarded_daemon_is_audited() {
    if crate::truth::running_lab().is_none() {
        return;
    }
    let state = std::env::var_os("DOCKSWEEP_LAB_DIR").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("target/lab"),
        std::path::PathBuf::from,
    );
    let cert = |name: &str| state.join("certs").join(name);
    let output = docksweep()
        .args(["scan", "127.20.0.3:2376", "127.20.0.2:2376", "127.20.0.1:2375"])
        .args(["--format", "json", "--tlscacert"])
        .arg(cert("root.crt"))
        .arg("--tlscert")
        .arg(cert("client.crt"))
        .arg("--tlskey")
        .arg(cert("client.key"))
        .output()
        .unwrap();
    let report = json(&output);
    let endpoint =
        |id: &str| report["endpoints"].as_array().unwrap().iter().find(|e| e["id"] == id).unwrap();
    let guarded = endpoint("tcp/127.20.0.3:2376");
    assert_eq!(guarded["audit"]["status"], "served", "{}", guarded["audit"]);
    assert_eq!(guarded["audit"]["version"]["version"], VERSION);
    assert_eq!(guarded["api"]["access"], "client-certificate-required");
    assert_eq!(guarded["api"]["version"], Value::Null);
    assert_eq!(guarded["connections"], 5, "four as a stranger, one with the certificate");
    for id in ["tcp/127.20.0.2:2376", "tcp/127.20.0.1:2375"] {
        assert_eq!(endpoint(id)["audit"]["status"], "not-presented", "{id}");
        assert_eq!(endpoint(id)["api"]["access"], "open", "{id}");
    }
}
