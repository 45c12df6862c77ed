//! A target file in any of the formats that are read.
#![no_main]

use docksweep::target::{Ports, TargetList};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut list = TargetList::new();
    if list.read("fuzz", bytes).is_ok()
        && let Some(ports) = Ports::new([2375, 2376])
        && let Ok(set) = list.into_set(&ports)
    {
        assert!(set.iter().take(64).all(|pair| set.contains(pair)));
    }
});
