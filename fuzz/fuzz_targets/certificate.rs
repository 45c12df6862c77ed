//! A certificate's DER, what it says as an issuer, and the same bytes as a name.
#![no_main]

use docksweep::certificate::issuing::{issuing_limits, signature_by};
use docksweep::certificate::{CanonicalName, Certificate, name_text};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = Certificate::from_der(bytes);
    let _ = name_text(bytes);
    let _ = CanonicalName::from_der(bytes);
    let _ = issuing_limits(bytes);
    let _ = signature_by(bytes, bytes);
});
