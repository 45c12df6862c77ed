//! Address ranges, and the ranges that have a meaning of their own.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

/// An inclusive range of addresses of one family; it holds at least one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AddressRange {
    pub(super) family: Family,
    pub(super) first: u128,
    pub(super) last: u128,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Family {
    V4,
    V6,
}

/// Why two addresses are no range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoRange {
    Reversed,
    MixedFamilies,
}

impl AddressRange {
    /// IPv4 addresses written in the IPv6-mapped form count as IPv4: they are the same hosts.
    pub(super) fn between(first: IpAddr, last: IpAddr) -> Result<Self, NoRange> {
        // Only as a pair: a range that merely begins or ends in the mapped block is an IPv6 one.
        let ends = match (first.to_canonical(), last.to_canonical()) {
            (IpAddr::V4(first), IpAddr::V4(last)) => (IpAddr::V4(first), IpAddr::V4(last)),
            _ => (first, last),
        };
        let (family, first, last) = match ends {
            (IpAddr::V4(first), IpAddr::V4(last)) => {
                (Family::V4, u128::from(u32::from(first)), u128::from(u32::from(last)))
            }
            (IpAddr::V6(first), IpAddr::V6(last)) => {
                (Family::V6, u128::from(first), u128::from(last))
            }
            _ => return Err(NoRange::MixedFamilies),
        };
        if first > last { Err(NoRange::Reversed) } else { Ok(Self { family, first, last }) }
    }

    /// The network that `network`'s address lies in: host bits are ignored.
    pub(super) fn of_network(network: IpNet) -> Self {
        Self::between(network.network(), network.broadcast())
            .unwrap_or_else(|_| Self::from(network.addr()))
    }

    pub fn first(&self) -> IpAddr {
        self.address(0)
    }

    pub fn last(&self) -> IpAddr {
        self.address(self.last - self.first)
    }

    /// How many addresses; `u128::MAX` also for all of IPv6, which holds one more.
    pub const fn len(&self) -> u128 {
        (self.last - self.first).saturating_add(1)
    }

    /// Never: a range holds at least one address.
    pub const fn is_empty(&self) -> bool {
        false
    }

    pub fn contains(&self, address: IpAddr) -> bool {
        let Self { family, first, .. } = Self::from(address);
        family == self.family && (self.first..=self.last).contains(&first)
    }

    pub(super) fn address(&self, offset: u128) -> IpAddr {
        let value = self.first.wrapping_add(offset);
        match self.family {
            // Both ends of a V4 range come from a u32.
            Family::V4 => IpAddr::V4(Ipv4Addr::from(u32::try_from(value).unwrap_or(u32::MAX))),
            Family::V6 => IpAddr::V6(Ipv6Addr::from(value)),
        }
    }

    pub(super) fn intersection(&self, other: &Self) -> Option<Self> {
        let (first, last) = (self.first.max(other.first), self.last.min(other.last));
        (self.family == other.family && first <= last).then_some(Self { first, last, ..*self })
    }

    const fn v4(a: u8, b: u8, c: u8, d: u8, prefix: u32) -> Self {
        let first = u32::from_be_bytes([a, b, c, d]);
        let host = match u32::MAX.checked_shr(prefix) {
            Some(host) => host,
            None => 0,
        };
        Self { family: Family::V4, first: first as u128, last: (first | host) as u128 }
    }

    const fn v6(segments: [u16; 8], prefix: u32) -> Self {
        let [a, b, c, d, e, f, g, h] = segments;
        let first = Ipv6Addr::new(a, b, c, d, e, f, g, h).to_bits();
        let host = match u128::MAX.checked_shr(prefix) {
            Some(host) => host,
            None => 0,
        };
        Self { family: Family::V6, first, last: first | host }
    }
}

impl From<IpAddr> for AddressRange {
    fn from(address: IpAddr) -> Self {
        let (family, value) = match address.to_canonical() {
            IpAddr::V4(address) => (Family::V4, u128::from(u32::from(address))),
            IpAddr::V6(address) => (Family::V6, u128::from(address)),
        };
        Self { family, first: value, last: value }
    }
}

impl fmt::Display for AddressRange {
    /// An address, a CIDR where the range is exactly one, else `first-last`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last {
            return write!(f, "{}", self.first());
        }
        let host = self.last - self.first;
        if host & host.wrapping_add(1) == 0 && self.first & host == 0 {
            let bits = if self.family == Family::V4 { 32 } else { 128 };
            return write!(f, "{}/{}", self.first(), bits - host.count_ones());
        }
        write!(f, "{}-{}", self.first(), self.last())
    }
}

/// Addresses that name no single host: a TCP connection to them cannot mean anything. The
/// unspecified address is among them because the system would connect to this machine instead.
pub(super) const NO_HOST: [(&str, AddressRange); 5] = [
    ("multicast", AddressRange::v4(224, 0, 0, 0, 4)),
    ("broadcast", AddressRange::v4(255, 255, 255, 255, 32)),
    ("unspecified", AddressRange::v4(0, 0, 0, 0, 32)),
    ("multicast", AddressRange::v6([0xff00, 0, 0, 0, 0, 0, 0, 0], 8)),
    ("unspecified", AddressRange::v6([0; 8], 128)),
];

pub(super) const LOOPBACK: [AddressRange; 2] =
    [AddressRange::v4(127, 0, 0, 0, 8), AddressRange::v6([0, 0, 0, 0, 0, 0, 0, 1], 128)];

/// What the Internet routes: all of IPv4, IPv6's global unicast block and NAT64's well-known one…
pub(super) const ROUTED: [AddressRange; 3] = [
    AddressRange::v4(0, 0, 0, 0, 0),
    AddressRange::v6([0x64, 0xff9b, 0, 0, 0, 0, 0, 0], 96),
    AddressRange::v6([0x2000, 0, 0, 0, 0, 0, 0, 0], 3),
];

/// …except these, in ascending order (RFC 6890 and its successors).
pub(super) const NOT_ROUTED: [AddressRange; 15] = [
    AddressRange::v4(0, 0, 0, 0, 8),
    AddressRange::v4(10, 0, 0, 0, 8),
    AddressRange::v4(100, 64, 0, 0, 10),
    AddressRange::v4(127, 0, 0, 0, 8),
    AddressRange::v4(169, 254, 0, 0, 16),
    AddressRange::v4(172, 16, 0, 0, 12),
    AddressRange::v4(192, 0, 0, 0, 24),
    AddressRange::v4(192, 0, 2, 0, 24),
    AddressRange::v4(192, 168, 0, 0, 16),
    AddressRange::v4(198, 18, 0, 0, 15),
    AddressRange::v4(198, 51, 100, 0, 24),
    AddressRange::v4(203, 0, 113, 0, 24),
    AddressRange::v4(224, 0, 0, 0, 3),
    AddressRange::v6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32),
    AddressRange::v6([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20),
];

/// The parts of `range` that the Internet routes, ascending.
pub(super) fn routed_parts(range: &AddressRange) -> Vec<AddressRange> {
    let mut parts = Vec::new();
    for block in ROUTED.iter().filter_map(|block| block.intersection(range)) {
        let mut rest = Some(block);
        for hole in &NOT_ROUTED {
            let Some(part) = rest else { break };
            let Some(cut) = hole.intersection(&part) else { continue };
            if cut.first > part.first {
                parts.push(AddressRange { last: cut.first - 1, ..part });
            }
            rest = (cut.last < part.last).then(|| AddressRange { first: cut.last + 1, ..part });
        }
        parts.extend(rest);
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(first: &str, last: &str) -> AddressRange {
        AddressRange::between(first.parse().unwrap(), last.parse().unwrap()).unwrap()
    }

    #[test]
    fn displays_the_shortest_form() {
        for (first, last, shown) in [
            ("10.0.0.5", "10.0.0.5", "10.0.0.5"),
            ("10.0.0.0", "10.0.0.255", "10.0.0.0/24"),
            ("10.0.0.1", "10.0.0.2", "10.0.0.1-10.0.0.2"),
            ("0.0.0.0", "255.255.255.255", "0.0.0.0/0"),
            ("::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "::/0"),
            ("fd00::", "fd00::ff", "fd00::/120"),
            ("fd00::1", "fd00::ff", "fd00::1-fd00::ff"),
        ] {
            assert_eq!(range(first, last).to_string(), shown);
        }
    }

    #[test]
    fn mapped_addresses_are_ipv4() {
        assert_eq!(range("::ffff:10.0.0.1", "::ffff:10.0.0.9"), range("10.0.0.1", "10.0.0.9"));
        assert_eq!(range("10.0.0.1", "::ffff:10.0.0.9"), range("10.0.0.1", "10.0.0.9"));
        assert!(range("10.0.0.1", "10.0.0.9").contains("::ffff:10.0.0.5".parse().unwrap()));
    }

    #[test]
    fn all_of_ipv6_has_a_length() {
        let all = range("::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
        assert_eq!(all.len(), u128::MAX);
    }

    #[test]
    fn the_tables_are_in_order() {
        assert!(NOT_ROUTED.is_sorted());
        assert!(ROUTED.is_sorted());
        assert_eq!(NO_HOST[0].1.to_string(), "224.0.0.0/4");
        assert_eq!(LOOPBACK[1].to_string(), "::1");
    }

    #[test]
    fn routed_parts_leave_holes_out() {
        let parts = |first, last| {
            routed_parts(&range(first, last)).iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(parts("10.0.0.0", "10.0.0.255"), Vec::<String>::new());
        assert_eq!(parts("8.0.0.0", "11.0.0.0"), ["8.0.0.0/7", "11.0.0.0"]);
        assert_eq!(parts("192.0.0.0", "192.0.3.0"), ["192.0.1.0/24", "192.0.3.0"]);
        assert_eq!(parts("fd00::", "fd00::9"), Vec::<String>::new());
        assert_eq!(parts("2001:db7::", "2001:db7::1"), ["2001:db7::/127"]);
        assert_eq!(parts("2001:db8::", "2001:db8::1"), Vec::<String>::new());
        assert_eq!(parts("198.18.0.0", "198.19.255.255"), Vec::<String>::new());
        let whole = routed_parts(&range("0.0.0.0", "255.255.255.255"));
        let routed: u128 = whole.iter().map(AddressRange::len).sum();
        let held_back: u128 = NOT_ROUTED[..13].iter().map(AddressRange::len).sum();
        assert_eq!(routed + held_back, 1 << 32);
    }
}
