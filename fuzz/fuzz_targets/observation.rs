//! A stored observation from anywhere, judged.
#![no_main]

use docksweep::rules::Basis;
use docksweep::observation::Observation;
use docksweep::scan::judge;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(observation) = serde_json::from_slice::<Observation>(bytes) {
        let basis = Basis::embedded().expect("a test reads it");
        let endpoint = judge(observation, basis);
        assert!(serde_json::to_string(&endpoint).is_ok());
    }
});
