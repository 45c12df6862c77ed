//! What binds a certificate to the one that issued it, and what an issuer may issue: asked only
//! where a path is to be explained.

use x509_parser::certificate::{X509Certificate, X509CertificateParser};
use x509_parser::nom::Parser as _;

use super::signature;
use super::{Parts, Signature, key};

/// What a certificate says of itself as an issuer (RFC 5280, sections 4.2.1.3, 4.2.1.9, 4.2.1.10).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IssuingLimits {
    /// Whether keyUsage has keyCertSign. `None`: no keyUsage extension, so nothing is forbidden.
    pub signs_certificates: Option<bool>,
    /// How many CAs may stand between it and a leaf. `None`: no limit.
    pub path_length: Option<u32>,
    /// It limits the names below it.
    pub constrains_names: bool,
}

/// # Errors
/// Why the DER, or one of these extensions, cannot be read.
pub fn issuing_limits(der: &[u8]) -> Result<IssuingLimits, String> {
    let x509 = parse(der).ok_or("it is not the DER of a certificate")?;
    let key_usage = x509.key_usage().map_err(|error| format!("its keyUsage: {error}"))?;
    let constraints =
        x509.basic_constraints().map_err(|error| format!("its basicConstraints: {error}"))?;
    let names = x509.name_constraints().map_err(|error| format!("its nameConstraints: {error}"))?;
    Ok(IssuingLimits {
        signs_certificates: key_usage.map(|usage| usage.value.key_cert_sign()),
        path_length: constraints.and_then(|constraints| constraints.value.path_len_constraint),
        constrains_names: names.is_some(),
    })
}

/// Whether the key of `issuer` made the signature of `certificate`; names are not compared.
pub fn signature_by(certificate: &[u8], issuer: &[u8]) -> Signature {
    let unreadable = || Signature::Unverifiable("one of the two cannot be read".to_owned());
    let (Some(x509), Some(issuer_x509)) = (parse(certificate), parse(issuer)) else {
        return unreadable();
    };
    let (Some(parts), Some(issuer_parts)) = (Parts::split(certificate), Parts::split(issuer))
    else {
        return unreadable();
    };
    let key = key::facts(&issuer_x509.subject_pki, issuer_parts.spki);
    let algorithm = signature::algorithm(&x509.signature_algorithm);
    let public_key: &[u8] = &issuer_x509.subject_pki.subject_public_key.data;
    signature::verify_by(&x509, parts.tbs, &algorithm, &key, public_key)
}

fn parse(der: &[u8]) -> Option<X509Certificate<'_>> {
    let parsed = X509CertificateParser::new().with_deep_parse_extensions(true).parse(der);
    parsed.ok().map(|(_, x509)| x509)
}
