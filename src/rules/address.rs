//! Which addresses the whole internet can route to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// By the IANA special-purpose address registries (RFC 6890); when in doubt, not public, so that
/// nobody is told that the internet can reach what it cannot.
pub(super) fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let special = address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_documentation()
        || a == 0
        // Shared address space of carriers (RFC 6598).
        || (a == 100 && (64..128).contains(&b))
        // IETF protocol assignments, and the relays that 6to4 no longer has (RFC 7526).
        || (a, b, c) == (192, 0, 0)
        || (a, b, c) == (192, 88, 99)
        // Benchmarks (RFC 2544).
        || (a == 198 && (18..20).contains(&b))
        // Reserved, and broadcast.
        || a >= 240;
    !special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let [a, b, c, d, e, f, g, h] = address.segments();
    let low_v4 = || {
        let [x, y] = [g.to_be_bytes(), h.to_be_bytes()];
        Ipv4Addr::from([x, y].concat().try_into().unwrap_or([0; 4]))
    };
    match (a, b) {
        // IPv4-mapped, and translated by a well-known NAT64 prefix (RFC 6052): as the address within.
        (0, 0) if (c, d, e, f) == (0, 0, 0, 0xffff) => is_public_v4(low_v4()),
        (0x64, 0xff9b) if (c, d, e, f) == (0, 0, 0, 0) => is_public_v4(low_v4()),
        // Documentation (RFC 3849, 9637), protocol assignments (RFC 2928) and 6to4.
        (0x2001, 0x0db8) | (0x3fff, 0..=0x0fff) | (0x2001, 0..=0x01ff) | (0x2002, _) => false,
        // What IANA has opened for global unicast so far (RFC 4291, section 2.4).
        _ => a & 0xe000 == 0x2000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for address in [
            "1.1.1.1",
            "93.184.216.34",
            "100.63.0.1",
            "172.32.0.1",
            "2606:4700::1",
            "::ffff:8.8.8.8",
            "64:ff9b::8.8.8.8",
        ] {
            assert!(is_public(address.parse().unwrap()), "{address}");
        }
        for address in [
            "10.0.0.5",
            "172.16.0.1",
            "192.168.1.1",
            "127.0.0.1",
            "169.254.1.1",
            "100.64.0.1",
            "192.0.2.1",
            "198.18.0.1",
            "203.0.113.9",
            "224.0.0.1",
            "240.0.0.1",
            "0.1.2.3",
            "255.255.255.255",
            "192.0.0.8",
            "::1",
            "::",
            "fe80::1",
            "fd00::1",
            "ff02::1",
            "2001:db8::1",
            "2001::1",
            "3fff::1",
            "::ffff:10.0.0.5",
            "64:ff9b::10.0.0.1",
            "64:ff9b:1::1",
        ] {
            assert!(!is_public(address.parse().unwrap()), "{address}");
        }
    }
}
