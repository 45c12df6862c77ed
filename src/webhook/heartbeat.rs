//! A heartbeat's address, in which the exit code has a place.

use super::{Address, AddressError};

/// Where in the address the exit code goes; at the end of its path, where this is not in it.
const CODE: &str = "{code}";

/// An address to which every run says that it is over, and how.
#[derive(Clone, PartialEq, Eq)]
pub struct Heartbeat(String);

impl Heartbeat {
    /// # Errors
    /// With a code in it, the text is no URL of http or https.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let heartbeat = Self(text.to_owned());
        heartbeat.address(0).map(|_| heartbeat)
    }

    /// Where a run with this exit code is posted.
    ///
    /// # Errors
    /// None that [`Self::parse`] has not had.
    pub fn address(&self, code: u8) -> Result<Address, AddressError> {
        let code = code.to_string();
        if self.0.contains(CODE) {
            return Address::parse(&self.0.replace(CODE, &code));
        }
        let path = self.0.find(['?', '#']).unwrap_or(self.0.len());
        let (path, rest) = self.0.split_at(path);
        Address::parse(&format!("{}/{code}{rest}", path.trim_end_matches('/')))
    }
}

impl std::fmt::Debug for Heartbeat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Heartbeat").field(&self.address(0)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn posted(text: &str, code: u8) -> String {
        Heartbeat::parse(text).unwrap().address(code).unwrap().uri().to_string()
    }

    #[test]
    fn the_code_ends_the_path_or_takes_its_place() {
        assert_eq!(posted("https://hc.example/uuid", 10), "https://hc.example/uuid/10");
        assert_eq!(posted("https://hc.example/uuid/", 0), "https://hc.example/uuid/0");
        assert_eq!(posted("https://hc.example", 0), "https://hc.example/0");
        assert_eq!(posted("https://hc.example/u?a=b", 1), "https://hc.example/u/1?a=b");
        assert_eq!(posted("https://k.example/p?code={code}&m=x", 11), {
            "https://k.example/p?code=11&m=x"
        });
    }

    #[test]
    fn what_is_no_address_is_refused() {
        assert_eq!(Heartbeat::parse("hc.example/uuid"), Err(AddressError::Malformed));
        assert_eq!(Heartbeat::parse("ftp://hc.example/"), Err(AddressError::Scheme));
        assert!(!format!("{:?}", Heartbeat::parse("http://h.example/secret")).contains("secret"));
    }
}
