//! The store of contexts that Docker's command line keeps in its configuration directory.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{CredentialsError, File, sha256_hex};

/// Of a context's `meta.json`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Meta {
    endpoints: Endpoints,
}

#[derive(Deserialize)]
struct Endpoints {
    docker: Docker,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Docker {
    #[serde(default, rename = "SkipTLSVerify")]
    skip_tls_verify: bool,
}

/// The folder of the context's `ca.pem`, `cert.pem` and `key.pem`.
pub(super) fn tls_folder(name: &str, config: &Path) -> Result<PathBuf, CredentialsError> {
    // Docker makes it up from the environment; it is in no store.
    if name == "default" {
        return Err(CredentialsError::DefaultContext);
    }
    let store = config.join("contexts");
    let id = sha256_hex(name.as_bytes());
    let path = store.join("meta").join(&id).join("meta.json");
    let file = File::read(&path).map_err(|error| match error {
        CredentialsError::Read { path, source } => {
            CredentialsError::NoContext { name: name.to_owned(), path, source }
        }
        other => other,
    })?;
    let meta: Meta = serde_json::from_slice(&file.text).map_err(|error| {
        CredentialsError::Meta { name: name.to_owned(), path, because: error.to_string() }
    })?;
    if meta.endpoints.docker.skip_tls_verify {
        return Err(CredentialsError::SkipsVerification(name.to_owned()));
    }
    Ok(store.join("tls").join(id).join("docker"))
}
