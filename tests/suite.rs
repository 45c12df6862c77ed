//! The integration tests, a module a subject.

mod cli;
mod hostile;
mod recorded;
mod replay;
mod schema;
mod tls_stub;
mod truth;
