//! One word of a target list → what it names.

use std::net::IpAddr;

use ipnet::IpNet;
use thiserror::Error;

use super::range::{AddressRange, NoRange};

/// What one word names, with the port it insists on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    Addresses { range: AddressRange, port: Option<u16> },
    Name(NamedTarget),
}

/// A host name that has yet to be resolved, lower case.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NamedTarget {
    pub name: String,
    /// The port given with the name; `None`: the default ports.
    pub port: Option<u16>,
}

/// Why a word or line is no target.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TargetProblem {
    #[error("is empty")]
    Empty,
    #[error("contains control characters")]
    ControlCharacter,
    #[error("is a URL: give HOST or HOST:PORT")]
    Url,
    #[error("has a zone: leave out the part from '%' on, --interface selects the interface")]
    Zone,
    #[error("the port is not a number from 1 to 65535")]
    Port,
    #[error("the part before '/' is not an IP address")]
    NetworkAddress,
    #[error("the prefix length is not a number from 0 to {max}")]
    PrefixLength { max: u8 },
    #[error("the part after '-' is not an IP address, nor a last number from 0 to 255")]
    RangeEnd,
    #[error("the range ends before it begins")]
    ReversedRange,
    #[error("the range begins in one address family and ends in the other")]
    MixedRange,
    #[error("a bracket encloses an IPv6 address, network or range: [ADDRESS]:PORT")]
    Brackets,
    #[error("is not an IPv6 address")]
    Ipv6Address,
    #[error("is not an IPv4 address: it takes four numbers from 0 to 255")]
    Ipv4Address,
    #[error("is not a host name: {0}")]
    Name(&'static str),
    #[error("takes addresses, networks and ranges, not host names")]
    UnwantedName,
    #[error("takes no port")]
    UnwantedPort,
    #[error("an exclude takes addresses, networks and ranges, not host names")]
    ExcludedName,
    #[error("an exclude applies to all ports: leave out the port")]
    ExcludedPort,
    #[error("the line is longer than {limit} bytes")]
    LineTooLong { limit: usize },
    #[error("the line is not UTF-8")]
    NotUtf8,
    #[error("the line looks like a scanner's greppable output, but names no host and port")]
    Greppable,
}

/// `10.0.0.0/24`, `10.0.0.5`, `10.0.0.5-10.0.0.90`, `10.0.0.5-90`, IPv6 alike, or a host name;
/// each also with `:port`, IPv6 then in brackets.
pub(super) fn target(word: &str) -> Result<Target, TargetProblem> {
    if word.is_empty() {
        return Err(TargetProblem::Empty);
    }
    if word.chars().any(char::is_control) {
        return Err(TargetProblem::ControlCharacter);
    }
    if word.contains("://") {
        return Err(TargetProblem::Url);
    }
    if word.contains('%') {
        return Err(TargetProblem::Zone);
    }
    if let Some(rest) = word.strip_prefix('[') {
        return bracketed(rest);
    }
    match word.split_once(':') {
        None => host(word, None),
        Some((_, rest)) if rest.contains(':') => match addresses(word)? {
            Some(range) => Ok(Target::Addresses { range, port: None }),
            None => Err(TargetProblem::Ipv6Address),
        },
        Some((before, port_text)) => host(before, Some(port(port_text)?)),
    }
}

/// A port number, 1 to 65535, in plain digits.
pub(super) fn port(text: &str) -> Result<u16, TargetProblem> {
    match digits::<u16>(text) {
        Some(port) if port > 0 => Ok(port),
        _ => Err(TargetProblem::Port),
    }
}

fn bracketed(rest: &str) -> Result<Target, TargetProblem> {
    let (inside, after) = rest.split_once(']').ok_or(TargetProblem::Brackets)?;
    if !inside.contains(':') {
        return Err(TargetProblem::Brackets);
    }
    let port = match after.strip_prefix(':') {
        Some(text) => Some(port(text)?),
        None if after.is_empty() => None,
        None => return Err(TargetProblem::Brackets),
    };
    let range = addresses(inside)?.ok_or(TargetProblem::Ipv6Address)?;
    Ok(Target::Addresses { range, port })
}

fn host(text: &str, port: Option<u16>) -> Result<Target, TargetProblem> {
    if let Some(range) = addresses(text)? {
        return Ok(Target::Addresses { range, port });
    }
    Ok(Target::Name(NamedTarget { name: name(text)?, port }))
}

/// `None`: nothing in it says that it means addresses, so it may be a name.
fn addresses(text: &str) -> Result<Option<AddressRange>, TargetProblem> {
    if let Some((address, prefix)) = text.split_once('/') {
        return network(address, prefix).map(Some);
    }
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(Some(address.into()));
    }
    // Host names have hyphens too: only an address before it makes a range.
    let Some((first, last)) = text.split_once('-') else { return Ok(None) };
    let Ok(first) = first.parse::<IpAddr>() else { return Ok(None) };
    let last = range_end(first, last).ok_or(TargetProblem::RangeEnd)?;
    match AddressRange::between(first, last) {
        Ok(range) => Ok(Some(range)),
        Err(NoRange::Reversed) => Err(TargetProblem::ReversedRange),
        Err(NoRange::MixedFamilies) => Err(TargetProblem::MixedRange),
    }
}

fn network(address: &str, prefix: &str) -> Result<AddressRange, TargetProblem> {
    let address: IpAddr = address.parse().map_err(|_| TargetProblem::NetworkAddress)?;
    let max = if address.is_ipv4() { 32 } else { 128 };
    let network = digits::<u8>(prefix).and_then(|prefix| IpNet::new(address, prefix).ok());
    network.map(AddressRange::of_network).ok_or(TargetProblem::PrefixLength { max })
}

fn range_end(first: IpAddr, text: &str) -> Option<IpAddr> {
    if let Ok(address) = text.parse() {
        return Some(address);
    }
    let IpAddr::V4(first) = first else { return None };
    let [a, b, c, _] = first.octets();
    digits::<u8>(text).map(|last| IpAddr::from([a, b, c, last]))
}

fn name(text: &str) -> Result<String, TargetProblem> {
    if !text.is_ascii() {
        return Err(TargetProblem::Name("write international names in their xn-- form"));
    }
    let name = text.strip_suffix('.').unwrap_or(text);
    if name.is_empty() {
        return Err(TargetProblem::Name("it is empty"));
    }
    if name.len() > 253 {
        return Err(TargetProblem::Name("it is longer than 253 characters"));
    }
    for label in name.split('.') {
        if label.is_empty() || label.len() > 63 {
            return Err(TargetProblem::Name("between dots there are 1 to 63 characters"));
        }
        if !label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)) {
            return Err(TargetProblem::Name("it has letters, digits, '-', '_' and '.' only"));
        }
        if label.starts_with('-') || label.ends_with('-') {
            return Err(TargetProblem::Name("no part begins or ends with '-'"));
        }
    }
    // Resolvers read `10.1`, `010.0.0.1` and `0x7f000001` as addresses, and not as the writer of
    // a target list would. No top-level domain is a number, so nothing is lost by refusing.
    if name.rsplit('.').next().is_some_and(is_number) {
        return Err(TargetProblem::Ipv4Address);
    }
    Ok(name.to_ascii_lowercase())
}

fn is_number(label: &str) -> bool {
    let hex = label.strip_prefix("0x").or_else(|| label.strip_prefix("0X"));
    label.bytes().all(|byte| byte.is_ascii_digit())
        || hex.is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// Plain digits only: `from_str` also takes a sign.
fn digits<T: std::str::FromStr>(text: &str) -> Option<T> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn accepts_every_form() {
        for (word, shown, port) in [
            ("10.0.0.5", "10.0.0.5", None),
            ("10.0.0.5:2377", "10.0.0.5", Some(2377)),
            ("10.0.0.5/24", "10.0.0.0/24", None),
            ("10.0.0.0/24:2376", "10.0.0.0/24", Some(2376)),
            ("10.0.0.5/32", "10.0.0.5", None),
            ("10.0.0.5-10.0.0.90", "10.0.0.5-10.0.0.90", None),
            ("10.0.0.5-90", "10.0.0.5-10.0.0.90", None),
            ("10.0.0.5-90:1", "10.0.0.5-10.0.0.90", Some(1)),
            ("0.0.0.0/0", "0.0.0.0/0", None),
            ("::1", "::1", None),
            ("[::1]", "::1", None),
            ("[::1]:2376", "::1", Some(2376)),
            ("fd00::/120", "fd00::/120", None),
            ("[fd00::/120]:65535", "fd00::/120", Some(65535)),
            ("fd00::1-fd00::9", "fd00::1-fd00::9", None),
            ("[fd00::1-fd00::9]:7", "fd00::1-fd00::9", Some(7)),
            ("::/0", "::/0", None),
            ("::ffff:10.0.0.1", "10.0.0.1", None),
            ("::ffff:10.0.0.0/120", "10.0.0.0/24", None),
        ] {
            let Ok(Target::Addresses { range, port: found }) = target(word) else {
                panic!("{word}: {:?}", target(word))
            };
            assert_eq!((range.to_string().as_str(), found), (shown, port), "{word}");
        }
    }

    #[test]
    fn accepts_host_names() {
        for (word, name, port) in [
            ("localhost", "localhost", None),
            ("Docker-01.Example.com:2376", "docker-01.example.com", Some(2376)),
            ("host.example.", "host.example", None),
            ("10.example", "10.example", None),
            ("a_b", "a_b", None),
            ("10-0-0-5.rack", "10-0-0-5.rack", None),
        ] {
            let named = NamedTarget { name: name.to_owned(), port };
            assert_eq!(target(word), Ok(Target::Name(named)), "{word}");
        }
    }

    #[test]
    fn says_what_is_wrong() {
        let long = format!("{}.com", "a".repeat(64));
        for (word, problem) in [
            ("", TargetProblem::Empty),
            ("10.0.0.1\u{1b}[2J", TargetProblem::ControlCharacter),
            ("tcp://10.0.0.1:2375", TargetProblem::Url),
            ("fe80::1%eth0", TargetProblem::Zone),
            ("[fe80::1%eth0]:2376", TargetProblem::Zone),
            ("10.0.0.1:0", TargetProblem::Port),
            ("10.0.0.1:65536", TargetProblem::Port),
            ("10.0.0.1:+80", TargetProblem::Port),
            ("10.0.0.1:", TargetProblem::Port),
            ("10.0.0.0/33", TargetProblem::PrefixLength { max: 32 }),
            ("10.0.0.0/", TargetProblem::PrefixLength { max: 32 }),
            ("10.0.0.0/-1", TargetProblem::PrefixLength { max: 32 }),
            ("::/129", TargetProblem::PrefixLength { max: 128 }),
            ("::/999", TargetProblem::PrefixLength { max: 128 }),
            ("host/24", TargetProblem::NetworkAddress),
            ("10.0.0.0/24/24", TargetProblem::PrefixLength { max: 32 }),
            ("10.0.0.9-10.0.0.5", TargetProblem::ReversedRange),
            ("10.0.0.9-5", TargetProblem::ReversedRange),
            ("10.0.0.9-256", TargetProblem::RangeEnd),
            ("10.0.0.9-", TargetProblem::RangeEnd),
            ("10.0.0.9-rack", TargetProblem::RangeEnd),
            ("10.0.0.9-::1", TargetProblem::MixedRange),
            ("::1-10.0.0.9", TargetProblem::MixedRange),
            ("10.0.0.256", TargetProblem::Ipv4Address),
            ("10.0.0", TargetProblem::Ipv4Address),
            ("010.0.0.1", TargetProblem::Ipv4Address),
            ("0x7f000001", TargetProblem::Ipv4Address),
            ("2130706433", TargetProblem::Ipv4Address),
            ("[10.0.0.1]:2375", TargetProblem::Brackets),
            ("[::1", TargetProblem::Brackets),
            ("[::1]2375", TargetProblem::Brackets),
            ("[::1]/64", TargetProblem::Brackets),
            ("[::g]:1", TargetProblem::Ipv6Address),
            ("a:b:c", TargetProblem::Ipv6Address),
            ("1::2::3", TargetProblem::Ipv6Address),
            ("a,b", TargetProblem::Name("it has letters, digits, '-', '_' and '.' only")),
            ("a..b", TargetProblem::Name("between dots there are 1 to 63 characters")),
            (&long, TargetProblem::Name("between dots there are 1 to 63 characters")),
            ("-i", TargetProblem::Name("no part begins or ends with '-'")),
            (":2375", TargetProblem::Name("it is empty")),
            ("höst", TargetProblem::Name("write international names in their xn-- form")),
        ] {
            assert_eq!(target(word), Err(problem), "{word}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(word in "\\PC{0,40}") {
            let _ = target(&word);
        }

        #[test]
        fn never_panics_near_the_grammar(word in "[0-9a-f:./\\[\\]%-]{0,40}") {
            let _ = target(&word);
        }

        #[test]
        fn what_a_range_displays_reads_back(first: u32, second: u32) {
            let (first, last) = (first.min(second), first.max(second));
            let range = AddressRange::between(
                IpAddr::V4(first.into()),
                IpAddr::V4(last.into()),
            ).unwrap();
            let read = target(&range.to_string());
            prop_assert_eq!(read, Ok(Target::Addresses { range, port: None }));
        }
    }
}
