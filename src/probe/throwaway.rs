//! A client certificate that nobody vouches for, made once a run and never written down.

use std::fmt;
use std::sync::Arc;

use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::SigningKey;

/// A self-signed certificate for client authentication, with its key: EC P-256, which more
/// servers take than any other kind.
pub struct Throwaway {
    certificate: CertificateDer<'static>,
    key: Arc<dyn SigningKey>,
}

/// The key stays out of every log.
impl fmt::Debug for Throwaway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Throwaway").finish_non_exhaustive()
    }
}

/// No certificate could be made.
#[derive(Debug, thiserror::Error)]
#[error("no throwaway certificate could be made: {0}")]
pub struct ThrowawayError(String);

impl Throwaway {
    /// What the certificate is called in the servers' logs.
    pub const NAME: &str = "docksweep untrusted certificate test";

    /// # Errors
    /// The system has no randomness for a key.
    pub fn new() -> Result<Self, ThrowawayError> {
        let failed = |error: &dyn fmt::Display| ThrowawayError(error.to_string());
        let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).map_err(|e| failed(&e))?;
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, Self::NAME);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        // Dates that no clock is outside of: what is tried is the issuer.
        params.not_before = rcgen::date_time_ymd(2000, 1, 1);
        params.not_after = rcgen::date_time_ymd(2049, 12, 31);
        let certificate = params.self_signed(&key).map_err(|e| failed(&e))?;
        let der = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let key = aws_lc_rs::sign::any_supported_type(&der).map_err(|e| failed(&e))?;
        Ok(Self { certificate: certificate.der().clone(), key })
    }

    pub(super) fn certificate(&self) -> CertificateDer<'static> {
        self.certificate.clone()
    }

    pub(super) fn key(&self) -> Arc<dyn SigningKey> {
        Arc::clone(&self.key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::certificate::{Certificate, SelfSignature};

    #[test]
    fn each_is_another_self_signed_client_certificate() {
        let facts = |throwaway: &Throwaway| match Certificate::from_der(&throwaway.certificate) {
            Certificate::Parsed(facts) => facts,
            Certificate::Unparsable { because, .. } => panic!("{because}"),
        };
        let (one, other) = (Throwaway::new().unwrap(), Throwaway::new().unwrap());
        let (one, other) = (facts(&one), facts(&other));
        assert_ne!(one.key.spki_sha256, other.key.spki_sha256);
        assert_eq!(one.self_signature, SelfSignature::Verified);
        assert_eq!(one.key.curve.as_deref(), Some("P-256"));
        assert_eq!(one.extended_key_usage.as_deref(), Some(&["clientAuth".to_owned()][..]));
        assert!(!one.is_ca);
    }
}
