//! Cipher suites of real servers: OpenSSL, whose own list says what it would take.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use docksweep::assess::{Assessment, ServerOrder, SupportStatus, TlsAssessment, assess};
use docksweep::cipher_suite::CipherClass;
use docksweep::observation::{Connection, Observation, SuitesAsked, TlsVersion};
use docksweep::probe::observe;
use rcgen::{CertificateParams, KeyPair};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::hostile::serve;
use crate::recorded::{endpoint, probe_config};
use crate::tls_stub::{alert, server_hello_with};

use CipherClass::{Anonymous, Null, RsaKeyExchange};
use TlsVersion::{Tls10, Tls12, Tls13};

/// An `openssl s_server` on a port of the system's choice, which dies with this value.
struct Openssl(Child, SocketAddr);

impl Openssl {
    fn start(host: &str, folder: &Path, options: &[&str]) -> Self {
        let mut process = Command::new("openssl")
            .args(["s_server", "-www", "-accept", &format!("{host}:0")])
            .arg("-cert")
            .arg(folder.join("rsa.crt"))
            .arg("-key")
            .arg(folder.join("rsa.key"))
            .arg("-dcert")
            .arg(folder.join("ec.crt"))
            .arg("-dkey")
            .arg(folder.join("ec.key"))
            .args(options)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("this test needs the openssl command");
        let output = BufReader::new(process.stdout.take().unwrap());
        let address = output
            .lines()
            .map_while(Result::ok)
            .find_map(|line| line.strip_prefix("ACCEPT ")?.trim().parse().ok());
        let Some(address) = address else {
            process.kill().ok();
            panic!("openssl did not say where it listens");
        };
        Self(process, address)
    }
}

impl Drop for Openssl {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// An RSA and an EC key with certificates.
fn keys() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let rsa: PathBuf = folder.path().join("rsa.key");
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=a"])
        .arg("-keyout")
        .arg(&rsa)
        .arg("-out")
        .arg(folder.path().join("rsa.crt"))
        .stderr(Stdio::null())
        .status()
        .expect("this test needs the openssl command");
    assert!(made.success());
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(["docker.example".to_owned()]).unwrap();
    let certificate = certificate.self_signed(&key).unwrap();
    std::fs::write(folder.path().join("ec.crt"), certificate.pem()).unwrap();
    std::fs::write(folder.path().join("ec.key"), key.serialize_pem()).unwrap();
    folder
}

async fn asked(address: SocketAddr, suites: SuitesAsked) -> (Observation, Assessment) {
    let mut config = probe_config();
    config.suites = suites;
    config.deadline = std::time::Duration::from_secs(60);
    let observation = observe(endpoint(address), &config).await;
    let assessment = assess(&observation);
    (observation, assessment)
}

fn tls(assessment: &Assessment) -> &TlsAssessment {
    assessment.tls.as_ref().unwrap()
}

fn accepted(tls: &TlsAssessment) -> Vec<CipherClass> {
    let accepted = |(class, support): (&CipherClass, &docksweep::assess::ClassSupport)| {
        assert_ne!(support.status, SupportStatus::Undetermined, "{class:?}: {}", support.reason);
        (support.status == SupportStatus::Accepted).then_some(*class)
    };
    tls.ciphers.classes.iter().filter_map(accepted).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn classes_are_those_of_the_configuration() {
    let folder = keys();
    let forward = SupportStatus::Accepted;
    let none = SupportStatus::Refused;
    for (options, classes, forward_secrecy, connections) in [
        (&["-cipher", "ECDHE+AESGCM"][..], &[][..], forward, 5),
        (&["-tls1_3"], &[], forward, 3),
        (&["-tls1_2", "-cipher", "DEFAULT"], &[RsaKeyExchange], forward, 6),
        (&["-tls1_2", "-cipher", "kRSA:!eNULL"], &[RsaKeyExchange], none, 6),
        (&["-tls1_2", "-cipher", "AES128-SHA"], &[RsaKeyExchange], none, 6),
        (&["-cipher", "ALL:@SECLEVEL=0"], &[Anonymous, RsaKeyExchange], forward, 12),
        (
            &["-cipher", "ALL:eNULL:!ADH:@SECLEVEL=0"],
            &[Null, Anonymous, RsaKeyExchange],
            forward,
            12,
        ),
        (&["-tls1", "-cipher", "NULL-SHA:@SECLEVEL=0"], &[Null, RsaKeyExchange], none, 12),
        (&["-tls1_2", "-cipher", "ADH:@SECLEVEL=0"], &[Anonymous], none, 12),
    ] {
        let server = Openssl::start("127.32.9.1", folder.path(), options);
        let (observation, assessment) = asked(server.1, SuitesAsked::Classes).await;
        let in_plain = |c: &&Connection| matches!(c, Connection::Plain(_));
        let in_tls =
            assessment.connections - observation.connections.iter().filter(in_plain).count();
        let found = tls(&assessment);
        let open = |class| found.ciphers.classes[class].status == SupportStatus::Undetermined;
        let classes_found: Vec<CipherClass> = found
            .ciphers
            .classes
            .iter()
            .filter(|(_, support)| support.status == SupportStatus::Accepted)
            .map(|(class, _)| *class)
            .collect();
        assert_eq!(classes_found, classes, "{options:?}");
        // A server without any suite that clients offer hides which versions it has.
        let hidden = options.iter().any(|o| o.starts_with("NULL-SHA") || o.starts_with("ADH"));
        assert!(hidden || !CipherClass::ALL.iter().any(open), "{options:?}");
        let secrecy = &found.ciphers.forward_secrecy;
        assert!(hidden || secrecy.status == forward_secrecy, "{options:?}: {}", secrecy.reason);
        assert!(in_tls <= connections, "{options:?}: {in_tls}");
    }
}

/// OpenSSL's list for this version and these keys, by code point.
fn listed(version: &str, ciphers: &str) -> BTreeSet<u16> {
    let output = Command::new("openssl")
        .args(["ciphers", "-s", "-V", version, ciphers])
        .output()
        .expect("this test needs the openssl command");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines()
        .map(|line| line.split_whitespace().next().unwrap().replace("0x", "").replace(',', ""))
        .map(|code| u16::from_str_radix(&code, 16).unwrap())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_suite_is_listed_in_the_order_of_the_server() {
    let folder = keys();
    let ciphers = "ALL:COMPLEMENTOFALL:!DSS:@SECLEVEL=0";
    for (options, order) in
        [(&["-serverpref"][..], ServerOrder::Server), (&[], ServerOrder::Client)]
    {
        let options = [&["-cipher", ciphers], options].concat();
        let server = Openssl::start("127.32.9.2", folder.path(), &options);
        let (observation, assessment) = asked(server.1, SuitesAsked::All).await;
        assert_eq!(accepted(tls(&assessment)), [Null, Anonymous, RsaKeyExchange]);
        let lists = tls(&assessment).ciphers.suites.as_ref().unwrap();
        for (version, flag) in [(Tls10, "-tls1"), (Tls12, "-tls1_2"), (Tls13, "-tls1_3")] {
            let list = &lists[&version];
            assert_eq!((list.order, &list.incomplete), (order, &None), "{version}");
            let found: BTreeSet<u16> = list.suites.iter().map(|suite| suite.id).collect();
            let expected = listed(flag, ciphers);
            assert_eq!(found, expected, "{version}: {:?}", found.symmetric_difference(&expected));
        }
        // What was recorded says the same when it is judged again.
        let stored = serde_json::to_string(&observation).unwrap();
        let again: Observation = serde_json::from_str(&stored).unwrap();
        assert_eq!(assess(&again), assessment);
    }
}

/// A ServerHello of TLS 1.2 for whichever suite of the hello comes first, and an alert where there
/// is none.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_takes_everything_is_asked_a_bounded_number_of_times() {
    let address = serve(|mut stream| {
        Box::pin(async move {
            let mut heard = [0; 4096];
            let Ok(read) = stream.read(&mut heard).await else { return };
            // Record, message head, version and random, no session, the length of the suites.
            let suite = match heard.get(..read) {
                Some(hello) if hello.first() == Some(&22) => hello.get(46..48),
                _ => return,
            };
            let reply = match suite {
                Some(&[high, low]) => server_hello_with(0x0303, [high, low]),
                _ => alert(40),
            };
            let _ = stream.write_all(&reply).await;
            let _ = stream.shutdown().await;
            let _ = stream.read(&mut heard).await;
        })
    })
    .await;
    let (_, assessment) = asked(address, SuitesAsked::Classes).await;
    assert!(assessment.connections <= 13, "{}", assessment.connections);
    let (_, assessment) = asked(address, SuitesAsked::All).await;
    assert!(assessment.connections <= 1013, "{}", assessment.connections);
    let lists = tls(&assessment).ciphers.suites.as_ref().unwrap();
    assert!(lists[&Tls12].suites.len() > 300, "{}", lists[&Tls12].suites.len());
}

/// Whatever is asked, the answer is a suite that was not.
#[tokio::test]
async fn a_suite_that_was_not_offered_is_accepted_by_nobody() {
    let address = serve(|mut stream| {
        Box::pin(async move {
            let mut heard = [0; 4096];
            if stream.read(&mut heard).await.is_ok_and(|n| n > 0) && heard[0] == 22 {
                // TLS_RSA_WITH_NULL_SHA to hellos for versions, and to the others an SRP suite.
                let suite = if heard.get(46) == Some(&0xc0) { [0, 2] } else { [0xc0, 0x1d] };
                let _ = stream.write_all(&server_hello_with(0x0303, suite)).await;
                let _ = stream.shutdown().await;
                let _ = stream.read(&mut heard).await;
            }
        })
    })
    .await;
    let (_, assessment) = asked(address, SuitesAsked::Classes).await;
    for class in CipherClass::ALL {
        let support = &tls(&assessment).ciphers.classes[&class];
        assert_ne!(support.status, SupportStatus::Accepted, "{class:?}: {}", support.reason);
    }
}

/// What a stranger cannot use, it can still see: the ServerHello comes before any key is needed.
#[tokio::test(flavor = "multi_thread")]
async fn rare_suites_show_the_versions_of_a_server_that_has_no_others() {
    let folder = keys();
    let psk = ["-nocert", "-psk", "00112233445566778899aabbccddeeff", "-cipher", "PSK:@SECLEVEL=0"];
    for (flag, options, served) in [
        ("-tls1_2", &psk[..], Tls12),
        ("-tls1_2", &["-cipher", "aNULL:@SECLEVEL=0"], Tls12),
        ("-tls1", &["-cipher", "aNULL:@SECLEVEL=0"], Tls10),
        ("-tls1_2", &["-cipher", "eNULL:@SECLEVEL=0"], Tls12),
    ] {
        let options = [&[flag], options].concat();
        let server = Openssl::start("127.61.3.1", folder.path(), &options);
        let (observation, assessment) = asked(server.1, SuitesAsked::Classes).await;
        for (version, support) in &tls(&assessment).versions {
            let expected = match *version == served {
                true => SupportStatus::Accepted,
                false => SupportStatus::Refused,
            };
            assert_eq!(support.status, expected, "{options:?} {version}: {}", support.reason);
        }
        let plain = observation.connections.iter().filter(|c| matches!(c, Connection::Plain(_)));
        assert!(assessment.connections - plain.count() <= 12, "{options:?}");
    }
}
