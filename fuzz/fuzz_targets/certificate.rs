//! A certificate's DER, and the same bytes as a name.
#![no_main]

use docksweep::certificate::{Certificate, name_text};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = Certificate::from_der(bytes);
    let _ = name_text(bytes);
});
