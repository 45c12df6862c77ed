//! A private key that notes when it signs: that is when the certificate goes out.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use rustls::pki_types::SubjectPublicKeyInfoDer;
use rustls::sign::{Signer, SigningKey};
use rustls::{Error, SignatureAlgorithm, SignatureScheme};

pub(super) struct WatchedKey {
    key: Arc<dyn SigningKey>,
    signed: Arc<AtomicBool>,
}

impl WatchedKey {
    /// `signed` becomes true with the first signature.
    pub(super) fn new(key: Arc<dyn SigningKey>, signed: Arc<AtomicBool>) -> Self {
        Self { key, signed }
    }
}

impl fmt::Debug for WatchedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WatchedKey")
    }
}

impl SigningKey for WatchedKey {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        let signer = self.key.choose_scheme(offered)?;
        Some(Box::new(WatchedSigner { signer, signed: Arc::clone(&self.signed) }))
    }

    fn public_key(&self) -> Option<SubjectPublicKeyInfoDer<'_>> {
        self.key.public_key()
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        self.key.algorithm()
    }
}

struct WatchedSigner {
    signer: Box<dyn Signer>,
    signed: Arc<AtomicBool>,
}

impl fmt::Debug for WatchedSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WatchedSigner")
    }
}

impl Signer for WatchedSigner {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        self.signed.store(true, SeqCst);
        self.signer.sign(message)
    }

    fn scheme(&self) -> SignatureScheme {
        self.signer.scheme()
    }
}
