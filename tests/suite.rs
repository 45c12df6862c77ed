//! The integration tests, a module a subject.

mod hostile;
mod recorded;
mod replay;
mod tls_stub;
