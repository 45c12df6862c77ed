//! docksweep finds Docker Engine APIs on a network and says which of them a stranger could use.
//!
//! The way data flows: `target` → `sweep` → `probe` → `assess` → `rules` → `report`;
//! `scan` wires it. ARCHITECTURE.md has the map.

pub mod assess;
pub mod certificate;
pub mod finding;
pub mod observation;
pub mod resolve;
pub mod rules;
pub mod sweep;
pub mod target;
