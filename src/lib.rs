//! docksweep finds Docker Engine APIs on a network and says which of them a stranger could use.
//!
//! The way data flows: `target` → `sweep` → `probe` → `assess` → `rules` → `report`;
//! `scan` wires it. ARCHITECTURE.md has the map.

pub mod assess;
pub mod baseline;
pub mod certificate;
//SWEEP pub mod cli;
//SWEEP pub mod command;
//SWEEP pub mod config;
pub mod exit_code;
pub mod finding;
pub mod observation;
pub mod probe;
//SWEEP pub mod progress;
pub mod report;
//SWEEP pub mod resolve;
pub mod rules;
pub mod sanitize;
//SWEEP pub mod scan;
//SWEEP pub mod sweep;
//SWEEP pub mod target;
