use std::os::unix::fs::PermissionsExt as _;

use rcgen::{CertificateParams, Issuer, KeyPair};
use tempfile::TempDir;

use super::*;

const NAMES: [&str; 3] = ["ca.pem", "cert.pem", "key.pem"];

fn now() -> Timestamp {
    "2026-06-01T00:00:00Z".parse().unwrap()
}

fn params(from: i32, to: i32) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.not_before = rcgen::date_time_ymd(from, 1, 1);
    params.not_after = rcgen::date_time_ymd(to, 1, 1);
    params
}

/// `ca.pem`, `cert.pem` and `key.pem`, valid in these years.
fn write(folder: &Path, from: i32, to: i32) {
    let ca_key = KeyPair::generate().unwrap();
    let mut ca = params(2000, 2090);
    ca.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let ca_pem = ca.clone().self_signed(&ca_key).unwrap().pem();
    let key = KeyPair::generate().unwrap();
    let cert = params(from, to).signed_by(&key, &Issuer::new(ca, ca_key)).unwrap().pem();
    std::fs::create_dir_all(folder).unwrap();
    for (name, text) in NAMES.iter().zip([ca_pem, cert, key.serialize_pem()]) {
        std::fs::write(folder.join(name), text).unwrap();
    }
    allow(&folder.join("key.pem"), 0o600);
}

fn allow(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), 2020, 2040);
    folder
}

fn files(folder: &Path) -> Result<Credentials, CredentialsError> {
    let [ca, certificate, key] = NAMES.map(|name| folder.join(name));
    Credentials::load(&Source::Files { ca, certificate, key }, now())
}

/// The error's text, which must name the file.
fn refused(folder: &Path, file: &str) -> String {
    let text = files(folder).unwrap_err().to_string();
    assert!(text.contains(file), "{text}");
    text
}

#[test]
fn three_files_that_fit_are_taken_without_a_word() {
    let credentials = files(folder().path()).unwrap();
    assert!(credentials.warnings().is_empty(), "{:?}", credentials.warnings());
    assert_eq!(credentials.roots().len(), 1);
    assert_eq!(credentials.ca_name(), "--tlscacert");
}

#[test]
fn a_ca_file_may_hold_several_roots_and_text() {
    let (one, two) = (folder(), folder());
    let path = one.path().join("ca.pem");
    let text = format!(
        "# the old one\n{}\n# the new one\n{}",
        std::fs::read_to_string(&path).unwrap(),
        std::fs::read_to_string(two.path().join("ca.pem")).unwrap()
    );
    std::fs::write(&path, text).unwrap();
    assert_eq!(files(one.path()).unwrap().roots().len(), 2);
}

#[test]
fn a_key_of_another_certificate_is_refused() {
    let (one, two) = (folder(), folder());
    std::fs::copy(two.path().join("key.pem"), one.path().join("key.pem")).unwrap();
    assert!(refused(one.path(), "key.pem").contains("does not belong"));
}

#[test]
fn what_is_no_pem_is_refused_and_not_quoted() {
    for name in NAMES {
        let one = folder();
        let path = one.path().join(name);
        std::fs::write(&path, "c2VjcmV0 only").unwrap();
        assert!(refused(one.path(), name).contains("holds no PEM"));
        let broken = "-----BEGIN PRIVATE KEY-----\nc2VjcmV0!\n-----END PRIVATE KEY-----\n";
        std::fs::write(
            &path,
            broken.replace(
                "PRIVATE KEY",
                if name == "key.pem" { "PRIVATE KEY" } else { "CERTIFICATE" },
            ),
        )
        .unwrap();
        let text = refused(one.path(), name);
        assert!(text.contains("no valid PEM") && !text.contains("c2Vj"), "{text}");
        std::fs::remove_file(&path).unwrap();
        refused(one.path(), name);
    }
}

#[test]
fn encrypted_keys_are_named_as_such() {
    let one = folder();
    let path = one.path().join("key.pem");
    for text in [
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
        "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\n\
         AAAA\n-----END RSA PRIVATE KEY-----\n",
    ] {
        std::fs::write(&path, text).unwrap();
        assert!(refused(one.path(), "key.pem").contains("encrypted"));
        assert!(files(one.path()).unwrap_err().hint().unwrap().contains("openssl pkey"));
    }
}

#[test]
fn a_certificate_out_of_its_dates_draws_a_warning() {
    for (from, to, word) in [(2010, 2020, "expired on 2020"), (2030, 2040, "not valid before 2030")]
    {
        let one = tempfile::tempdir().unwrap();
        write(one.path(), from, to);
        let credentials = files(one.path()).unwrap();
        assert_eq!(credentials.warnings().len(), 1);
        assert!(credentials.warnings()[0].contains(word), "{:?}", credentials.warnings());
    }
}

#[test]
fn a_key_that_others_can_read_draws_a_warning_with_its_mode() {
    let one = folder();
    let path = one.path().join("key.pem");
    for (mode, warned) in
        [(0o644, true), (0o640, true), (0o604, true), (0o600, false), (0o400, false)]
    {
        allow(&path, mode);
        let credentials = files(one.path()).unwrap();
        assert_eq!(!credentials.warnings().is_empty(), warned, "{mode:o}");
        if warned {
            assert!(credentials.warnings()[0].contains(&format!("{mode:04o}")));
        }
    }
}

#[test]
fn debug_shows_no_key() {
    let one = folder();
    let credentials = files(one.path()).unwrap();
    let key = std::fs::read_to_string(one.path().join("key.pem")).unwrap();
    let shown = format!("{credentials:?} {credentials:#?}");
    assert!(!shown.to_lowercase().contains("key"), "{shown}");
    assert!(key.lines().all(|line| !shown.contains(line)), "{shown}");
}

#[test]
fn the_environment_is_read_as_dockers_client_reads_it() {
    let one = folder();
    let path = Some(one.path().as_os_str().to_owned());
    let load = |cert_path: Option<OsString>, tls_verify: Option<&str>| {
        let tls_verify = tls_verify.map(OsString::from);
        Credentials::load(&Source::Environment { cert_path, tls_verify }, now())
    };
    assert_eq!(load(path.clone(), Some("1")).unwrap().ca_name(), "ca.pem of DOCKER_CERT_PATH");
    assert!(load(path.clone(), Some("0")).is_ok());
    for unset in [None, Some("")] {
        let error = load(path.clone(), unset).unwrap_err();
        assert!(matches!(error, CredentialsError::VerifyUnset), "{error}");
    }
    for unset in [None, Some(OsString::new())] {
        let error = load(unset, Some("1")).unwrap_err();
        assert!(matches!(error, CredentialsError::NoCertPath), "{error}");
    }
}

/// `printf lab | sha256sum`
const LAB: &str = "a51146d38077ff992eba84cf1d5e9b249073503eb74868699016153b031a38f7";

fn context(meta: &str) -> (TempDir, Result<Credentials, CredentialsError>) {
    let config = tempfile::tempdir().unwrap();
    let id = sha256_hex(b"lab");
    let folder = config.path().join("contexts/meta").join(&id);
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("meta.json"), meta).unwrap();
    write(&config.path().join("contexts/tls").join(&id).join("docker"), 2020, 2040);
    let source = Source::Context { name: "lab".into(), config: config.path().to_owned() };
    let loaded = Credentials::load(&source, now());
    (config, loaded)
}

#[test]
fn a_context_is_found_by_the_hash_of_its_name() {
    let meta = r#"{"Name":"lab","Metadata":{},"Endpoints":{"docker":{"Host":"tcp://10.0.0.5:2376","SkipTLSVerify":false}}}"#;
    let (config, loaded) = context(meta);
    assert_eq!(loaded.unwrap().ca_name(), "ca.pem of the context 'lab'");
    assert!(config.path().join("contexts/meta").join(LAB).exists(), "{}", sha256_hex(b"lab"));
}

#[test]
fn a_context_that_verifies_nobody_is_refused() {
    let meta = r#"{"Name":"lab","Endpoints":{"docker":{"SkipTLSVerify":true}}}"#;
    let error = context(meta).1.unwrap_err();
    assert!(error.to_string().contains("would go to anyone"), "{error}");
}

#[test]
fn contexts_that_are_none_say_so() {
    let error = context("[]").1.unwrap_err();
    assert!(matches!(error, CredentialsError::Meta { .. }), "{error}");
    let (config, _) = context("{}");
    for (name, word) in
        [("other", "no context 'other'"), ("default", "of its own"), ("../..", "no context")]
    {
        let source = Source::Context { name: name.into(), config: config.path().to_owned() };
        let error = Credentials::load(&source, now()).unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
    }
}
