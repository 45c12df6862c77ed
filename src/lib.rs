//! docksweep finds Docker Engine APIs on a network and says which of them a stranger could use.
//!
//! The way data flows: `target` → `sweep` → `probe` → `assess` → `rules` → `report`;
//! `scan` wires it. ARCHITECTURE.md has the map.

pub mod advisories;
pub mod assess;
pub mod baseline;
pub mod certificate;
pub mod checkpoint;
pub mod cipher_suite;
pub mod cli;
pub mod clock;
pub mod command;
pub mod config;
pub mod credentials;
pub mod diff;
pub mod document;
pub mod exit_code;
pub mod finding;
pub mod history;
pub mod lock;
pub mod manual;
pub mod nearest;
pub mod notify;
pub mod observation;
pub mod probe;
pub mod progress;
pub mod report;
pub mod resolve;
pub mod rules;
pub mod sanitize;
pub mod scan;
pub mod schedule;
pub mod settings;
pub mod suppress;
pub mod sweep;
pub mod target;
pub mod trust;
pub mod webhook;
pub mod wrap;
