//! A server's first flight, in pieces as it comes. The first byte chooses their size.
#![no_main]

use docksweep::probe::certificate_store::CertificateStore;
use docksweep::probe::server_flight::FlightReader;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((size, flight)) = bytes.split_first() else { return };
    let mut reader = FlightReader::new();
    let mut certificates = CertificateStore::new();
    for piece in flight.chunks(usize::from(*size).max(1)) {
        reader.feed(piece, &mut certificates);
    }
    reader.into_answer();
});
