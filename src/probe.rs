//! Asks one endpoint and records what it answered; judges nothing.

pub mod certificate_store;
pub mod client_hello;
pub mod server_flight;
