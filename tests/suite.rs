//! The integration tests, a module a subject.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod advisories;
mod audit;
mod browser;
mod chromium;
mod ciphers;
mod cli;
mod clock;
mod formats;
mod history;
mod hostile;
mod hostile_engine;
mod imports;
mod merge;
mod mutual_tls;
mod night;
mod package;
mod recorded;
mod refused;
mod rejudge;
mod replay;
mod resume;
mod round_trips;
mod schedule;
mod schema;
mod settings;
mod skip;
mod suppress;
mod syn_bed;
mod syn_responder;
mod syn_sweep;
mod tls_stub;
mod trust;
mod truth;
mod unattended;
mod untrusted;
mod weak_keys;
