//! The client certificate that an audit presents, and the roots that a server must lead to first.
//!
//! Read only when asked for, from one place, and checked whole before the first packet. The key is
//! never shown: not by `Debug`, not in an error.

use std::ffi::OsString;
use std::fmt;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use rustls::RootCertStore;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SigningKey};
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use crate::certificate::Certificate;

mod docker_context;
#[cfg(test)]
mod tests;

/// Where to read credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    Files {
        ca: PathBuf,
        certificate: PathBuf,
        key: PathBuf,
    },
    /// The values of `DOCKER_CERT_PATH` and `DOCKER_TLS_VERIFY`.
    Environment {
        cert_path: Option<OsString>,
        tls_verify: Option<OsString>,
    },
    /// A context of Docker's command line, in its configuration directory.
    Context {
        name: String,
        config: PathBuf,
    },
}

/// Why there are no usable credentials. No text holds any part of a key.
#[derive(Debug, Error)]
pub enum CredentialsError {
    #[error("{}: {source}", .path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{} is over {MAX_FILE} bytes, which no certificate or key is", .0.display())]
    TooLarge(PathBuf),
    #[error("{} holds no PEM {what}", .path.display())]
    Absent { path: PathBuf, what: &'static str },
    #[error("{} is no valid PEM", .0.display())]
    Pem(PathBuf),
    #[error("{}: certificate {number} cannot be read: {because}", .path.display())]
    Certificate { path: PathBuf, number: usize, because: String },
    #[error("{}: the key is encrypted, and docksweep asks for no passphrase", .0.display())]
    EncryptedKey(PathBuf),
    #[error("{}: no private key of a kind that this build supports", .0.display())]
    UnsupportedKey(PathBuf),
    #[error("the key {} does not belong to the certificate {}", .key.display(), .certificate.display())]
    KeyMismatch { key: PathBuf, certificate: PathBuf },
    #[error("{}: none of its certificates can serve as a root: {because}", .path.display())]
    NoRoot { path: PathBuf, because: String },
    #[error("--credentials env: DOCKER_CERT_PATH is not set")]
    NoCertPath,
    #[error(
        "--credentials env: DOCKER_TLS_VERIFY is not set, so Docker's client verifies no server and \
         the certificate would go to anyone"
    )]
    VerifyUnset,
    #[error("the context 'default' has no credentials of its own")]
    DefaultContext,
    #[error("there is no context '{name}': {}: {source}", .path.display())]
    NoContext { name: String, path: PathBuf, source: io::Error },
    #[error("context '{name}': {} is no context's meta.json: {because}", .path.display())]
    Meta { name: String, path: PathBuf, because: String },
    #[error(
        "context '{0}' skips the verification of servers (SkipTLSVerify): the certificate would go \
         to anyone"
    )]
    SkipsVerification(String),
}

impl CredentialsError {
    /// What to do instead, where that can be said.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::EncryptedKey(_) => {
                Some("openssl pkey -in KEY -out PLAIN writes it without a passphrase; chmod 600 it")
            }
            Self::VerifyUnset => Some("export DOCKER_TLS_VERIFY=1"),
            Self::DefaultContext => Some("--credentials env reads what it is made from"),
            Self::SkipsVerification(_) => {
                Some("docker context update NAME --docker \"host=…,ca=…,cert=…,key=…\"")
            }
            _ => None,
        }
    }
}

/// A client certificate with its key, and the roots that decide who gets to see it.
#[derive(Clone)]
pub struct Credentials {
    roots: Arc<RootCertStore>,
    ca_name: String,
    chain: Vec<CertificateDer<'static>>,
    key: Arc<dyn SigningKey>,
    warnings: Vec<String>,
}

/// The key stays out of every log.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("ca_name", &self.ca_name)
            .field("roots", &self.roots.len())
            .field("chain", &self.chain.len())
            .finish_non_exhaustive()
    }
}

const MAX_FILE: u64 = 4 * 1024 * 1024;

impl Credentials {
    /// Reads and checks them; `now` only decides on warnings.
    ///
    /// # Errors
    /// The first file that is missing, unreadable or does not fit the others.
    pub fn load(source: &Source, now: Timestamp) -> Result<Self, CredentialsError> {
        match source {
            Source::Files { ca, certificate, key } => {
                Self::read(ca, certificate, key, "--tlscacert".to_owned(), now)
            }
            Source::Environment { cert_path, tls_verify } => {
                let set = |value: &Option<OsString>| {
                    value.clone().filter(|text| !text.is_empty()).map(PathBuf::from)
                };
                let folder = set(cert_path).ok_or(CredentialsError::NoCertPath)?;
                // Docker's client takes any value, even 0, for a yes.
                set(tls_verify).ok_or(CredentialsError::VerifyUnset)?;
                Self::in_folder(&folder, "ca.pem of DOCKER_CERT_PATH".to_owned(), now)
            }
            Source::Context { name, config } => {
                let folder = docker_context::tls_folder(name, config)?;
                Self::in_folder(&folder, format!("ca.pem of the context '{name}'"), now)
            }
        }
    }

    /// SHA-256 in hex over the certificates that are shown and the roots that they are shown to.
    pub fn fingerprint(&self) -> String {
        let mut bytes = Vec::new();
        self.chain.iter().for_each(|certificate| bytes.extend_from_slice(certificate));
        for root in &self.roots.roots {
            bytes.extend_from_slice(&root.subject);
            bytes.extend_from_slice(&root.subject_public_key_info);
        }
        sha256_hex(&bytes)
    }

    fn in_folder(folder: &Path, ca_name: String, now: Timestamp) -> Result<Self, CredentialsError> {
        let path = |name: &str| folder.join(name);
        Self::read(&path("ca.pem"), &path("cert.pem"), &path("key.pem"), ca_name, now)
    }

    fn read(
        ca: &Path,
        certificate: &Path,
        key: &Path,
        ca_name: String,
        now: Timestamp,
    ) -> Result<Self, CredentialsError> {
        let mut warnings = Vec::new();
        let roots = roots(ca, &mut warnings)?;
        let chain = certificates(certificate)?;
        let facts = |der: &CertificateDer<'_>| Certificate::from_der(der);
        let leaf = chain.first().map(facts);
        let leaf = match &leaf {
            Some(Certificate::Parsed(leaf)) => leaf,
            Some(Certificate::Unparsable { because, .. }) => {
                let (path, because) = (certificate.to_owned(), because.clone());
                return Err(CredentialsError::Certificate { path, number: 1, because });
            }
            None => {
                let path = certificate.to_owned();
                return Err(CredentialsError::Absent { path, what: "certificate" });
            }
        };
        let signing_key = private_key(key, &mut warnings)?;
        // Compared here, as rustls would refuse version 1 certificates, which servers do accept.
        let public = signing_key.public_key().map(|spki| sha256_hex(&spki));
        if public.is_some_and(|public| public != leaf.key.spki_sha256) {
            let (key, certificate) = (key.to_owned(), certificate.to_owned());
            return Err(CredentialsError::KeyMismatch { key, certificate });
        }
        let file = certificate.display();
        if leaf.not_after < now {
            warnings.push(format!("{file}: the client certificate expired on {}", leaf.not_after));
        } else if leaf.not_before > now {
            warnings.push(format!(
                "{file}: the client certificate is not valid before {}",
                leaf.not_before
            ));
        }
        Ok(Self { roots: Arc::new(roots), ca_name, chain, key: signing_key, warnings })
    }

    pub fn roots(&self) -> Arc<RootCertStore> {
        Arc::clone(&self.roots)
    }

    /// Where the roots come from, in the user's words.
    pub fn ca_name(&self) -> &str {
        &self.ca_name
    }

    /// The certificate with a key that `wrap` may watch at work.
    pub fn certified_key(
        &self,
        wrap: impl FnOnce(Arc<dyn SigningKey>) -> Arc<dyn SigningKey>,
    ) -> CertifiedKey {
        CertifiedKey::new(self.chain.clone(), wrap(Arc::clone(&self.key)))
    }

    /// What is odd about them, and does not forbid their use.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }
}

fn roots(path: &Path, warnings: &mut Vec<String>) -> Result<RootCertStore, CredentialsError> {
    let mut roots = RootCertStore::empty();
    let mut unusable = Vec::new();
    for (number, der) in certificates(path)?.into_iter().enumerate() {
        if let Err(error) = roots.add(der) {
            unusable.push(format!("certificate {} ({error})", number + 1));
        }
    }
    let because = unusable.join(", ");
    if roots.is_empty() {
        return Err(CredentialsError::NoRoot { path: path.to_owned(), because });
    }
    if !unusable.is_empty() {
        warnings.push(format!("{}: cannot serve as roots: {because}", path.display()));
    }
    Ok(roots)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, CredentialsError> {
    let File { text, .. } = File::read(path)?;
    let found: Result<Vec<_>, pem::Error> = CertificateDer::pem_slice_iter(&text).collect();
    let found = found.map_err(|_| CredentialsError::Pem(path.to_owned()))?;
    if found.is_empty() {
        let path = path.to_owned();
        return Err(CredentialsError::Absent { path, what: "certificate" });
    }
    Ok(found)
}

fn private_key(
    path: &Path,
    warnings: &mut Vec<String>,
) -> Result<Arc<dyn SigningKey>, CredentialsError> {
    let File { text, mode } = File::read(path)?;
    // Before the parser, to which an encrypted key is no key at all.
    let says = |word: &[u8]| text.windows(word.len()).any(|window| window == word);
    if says(b"BEGIN ENCRYPTED PRIVATE KEY") || says(b"Proc-Type: 4,ENCRYPTED") {
        return Err(CredentialsError::EncryptedKey(path.to_owned()));
    }
    let key = PrivateKeyDer::from_pem_slice(&text).map_err(|error| match error {
        pem::Error::NoItemsFound => {
            CredentialsError::Absent { path: path.to_owned(), what: "private key" }
        }
        // The parser's own text may quote the file.
        _ => CredentialsError::Pem(path.to_owned()),
    })?;
    let key = aws_lc_rs::sign::any_supported_type(&key)
        .map_err(|_| CredentialsError::UnsupportedKey(path.to_owned()))?;
    if let Some(mode) = mode.filter(|mode| mode & 0o044 != 0) {
        warnings.push(format!(
            "{}: the key can be read by others than its owner (mode {mode:04o}); chmod 600 it",
            path.display()
        ));
    }
    Ok(key)
}

/// A small file, whole.
struct File {
    text: Vec<u8>,
    /// Permission bits, of a regular file.
    mode: Option<u32>,
}

impl File {
    fn read(path: &Path) -> Result<Self, CredentialsError> {
        use std::os::unix::fs::PermissionsExt as _;
        let read = || -> io::Result<Self> {
            let file = std::fs::File::open(path)?;
            let metadata = file.metadata()?;
            let mut text = Vec::new();
            file.take(MAX_FILE + 1).read_to_end(&mut text)?;
            let mode = metadata.is_file().then(|| metadata.permissions().mode() & 0o7777);
            Ok(Self { text, mode })
        };
        let file =
            read().map_err(|source| CredentialsError::Read { path: path.to_owned(), source })?;
        if file.text.len() as u64 > MAX_FILE {
            return Err(CredentialsError::TooLarge(path.to_owned()));
        }
        Ok(file)
    }
}

fn sha256_hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
