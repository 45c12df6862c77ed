//! Posts to addresses that were given: bounded in time, and silent about the address.

use std::fmt;

use thiserror::Error;
use ureq::http::Uri;

mod client;
mod heartbeat;
mod proxy;
mod retry;

pub use client::{Client, Undelivered};
pub use heartbeat::Heartbeat;
pub use proxy::proxy_variables;

/// Where to post. Whoever knows such an address can post there, so it is a secret: it shows its
/// scheme and host alone.
#[derive(Clone, PartialEq, Eq)]
pub struct Address(Uri);

/// Why a text is no address. It does not repeat the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum AddressError {
    #[error("it is no URL")]
    Malformed,
    #[error("it begins with neither http:// nor https://")]
    Scheme,
    #[error("it names no host")]
    Host,
}

impl Address {
    /// # Errors
    /// The text is no URL of http or https.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let uri: Uri = text.parse().map_err(|_| AddressError::Malformed)?;
        if !matches!(uri.scheme_str(), Some("http" | "https")) {
            return Err(AddressError::Scheme);
        }
        match uri.host() {
            Some(host) if !host.is_empty() => Ok(Self(uri)),
            _ => Err(AddressError::Host),
        }
    }

    fn uri(&self) -> &Uri {
        &self.0
    }

    fn is_encrypted(&self) -> bool {
        self.0.scheme_str() == Some("https")
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, host) = (self.0.scheme_str(), self.0.host());
        write!(f, "{}://{}", scheme.unwrap_or_default(), host.unwrap_or_default())?;
        if let Some(port) = self.0.port_u16() {
            write!(f, ":{port}")?;
        }
        f.write_str("/…")
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_shows_scheme_and_host_alone() {
        let shown = |text: &str| Address::parse(text).unwrap().to_string();
        assert_eq!(shown("https://hooks.example/services/T0/B0/secret"), "https://hooks.example/…");
        assert_eq!(shown("http://[::1]:8080/x?sig=secret#secret"), "http://[::1]:8080/…");
        assert_eq!(shown("https://me:secret@hooks.example"), "https://hooks.example/…");
        let debug = format!("{:?}", Address::parse("https://h.example/secret?secret").unwrap());
        assert!(!debug.contains("secret"), "{debug}");
    }

    #[test]
    fn what_is_no_address_is_refused() {
        let refused = |text: &str| Address::parse(text).unwrap_err();
        assert_eq!(refused("hooks.example/services"), AddressError::Malformed);
        assert_eq!(refused("/services/T0"), AddressError::Scheme);
        assert_eq!(refused("hooks.example"), AddressError::Scheme);
        assert_eq!(refused("ftp://hooks.example/"), AddressError::Scheme);
        assert_eq!(refused("https://hooks.example/a b"), AddressError::Malformed);
        assert_eq!(refused("https:///services"), AddressError::Malformed);
        assert_eq!(refused(""), AddressError::Malformed);
    }
}
