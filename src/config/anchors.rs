//! Reads the certificates that chains should lead to.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::cli::TrustArgs;
use crate::trust::{Anchors, PemError};

/// Why there is nothing to judge trust by.
#[derive(Debug, Error)]
pub enum AnchorsError {
    #[error("--ca {}: {source}", .path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("--ca {} is over {MAX_FILE} bytes", .0.display())]
    TooLarge(PathBuf),
    #[error("--ca {}{}: {source}", .path.display(), line(.source))]
    Pem { path: PathBuf, source: PemError },
    #[error("--system-roots: this machine has none that can be read{0}")]
    NoSystemRoots(String),
}

impl AnchorsError {
    /// What to do instead.
    pub fn hint(&self) -> Option<&'static str> {
        Some(match self {
            Self::Read { .. } => "--ca names a PEM file of certificates, such as Docker's ca.pem",
            Self::Pem { source: PemError::Der, .. } => {
                "openssl x509 -inform DER -in FILE -out ca.pem writes it as PEM"
            }
            Self::TooLarge(_) | Self::Pem { .. } => {
                "a CA file holds blocks from -----BEGIN CERTIFICATE----- to -----END \
                 CERTIFICATE-----; openssl x509 -in FILE -noout -text shows the first"
            }
            Self::NoSystemRoots(_) => {
                "install ca-certificates, or name a bundle: SSL_CERT_FILE=FILE, or --ca FILE"
            }
        })
    }
}

fn line(error: &PemError) -> String {
    error.line().map(|line| format!(":{line}")).unwrap_or_default()
}

const MAX_FILE: u64 = 16 * 1024 * 1024;

/// `None` where no flag asks for any.
///
/// # Errors
/// The first source that holds no usable certificate.
pub(crate) fn anchors(args: &TrustArgs) -> Result<Option<Anchors>, AnchorsError> {
    if args.ca.is_empty() && !args.system_roots {
        return Ok(None);
    }
    let mut anchors = Anchors::default();
    for path in &args.ca {
        let text = read(path)?;
        anchors
            .add_pem(&path.display().to_string(), &text)
            .map_err(|source| AnchorsError::Pem { path: path.clone(), source })?;
    }
    if args.system_roots {
        let system = rustls_native_certs::load_native_certs();
        let certificates = system.certs.into_iter().map(|der| der.to_vec());
        if anchors.add_system(certificates) == 0 {
            let first = system.errors.first().map(|error| format!(": {error}"));
            return Err(AnchorsError::NoSystemRoots(first.unwrap_or_default()));
        }
    }
    Ok(Some(anchors))
}

fn read(path: &Path) -> Result<Vec<u8>, AnchorsError> {
    let read = || -> io::Result<Vec<u8>> {
        let mut text = Vec::new();
        File::open(path)?.take(MAX_FILE + 1).read_to_end(&mut text)?;
        Ok(text)
    };
    let text = read().map_err(|source| AnchorsError::Read { path: path.to_owned(), source })?;
    if text.len() as u64 > MAX_FILE {
        return Err(AnchorsError::TooLarge(path.to_owned()));
    }
    Ok(text)
}
