//! The finished set of probes: disjoint address ranges, each with its ports.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, SocketAddr};

use thiserror::Error;

use super::range::{AddressRange, Family, LOOPBACK, NO_HOST, routed_parts};
use super::{Ports, TargetDigest};

/// All the (address, port) pairs of one scan, each exactly once, numbered from 0 by address and
/// then port. It takes memory by the ranges it was made of, not by the addresses in them.
#[derive(Clone, Debug)]
pub struct TargetSet {
    segments: Vec<Segment>,
    /// The distinct port lists that segments refer to.
    port_lists: Vec<Vec<u16>>,
    probes: u64,
    addresses: u64,
    notes: Vec<String>,
    names: BTreeMap<IpAddr, Vec<String>>,
}

#[derive(Clone, Copy, Debug)]
struct Segment {
    range: AddressRange,
    /// Index into `port_lists`.
    ports: usize,
    /// The number of its first probe.
    start: u64,
}

/// Why there is no set.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TargetSetError {
    #[error(
        "the targets make {} probes, one run takes at most {max} (its state is one bit a probe): \
         split the ranges over several runs, or give fewer ports",
        Magnitude(*.probes),
        max = TargetSet::MAX_PROBES
    )]
    TooMany { probes: u128 },
}

impl TargetSet {
    /// The most (address, port) pairs in one set.
    pub const MAX_PROBES: u64 = 1 << 32;

    /// How many (address, port) pairs.
    pub const fn len(&self) -> u64 {
        self.probes
    }

    /// Nothing is left to scan.
    pub const fn is_empty(&self) -> bool {
        self.probes == 0
    }

    /// How many distinct addresses.
    pub const fn addresses(&self) -> u64 {
        self.addresses
    }

    /// The pair with this number; `None` from `len()` on. Logarithmic in the number of ranges.
    pub fn probe(&self, index: u64) -> Option<SocketAddr> {
        let after = self.segments.partition_point(|segment| segment.start <= index);
        let segment = self.segments.get(after.checked_sub(1)?)?;
        let ports = self.ports_of(segment);
        let offset = index - segment.start;
        let width = u64::try_from(ports.len()).ok()?;
        let (host, nth) = (offset.checked_div(width)?, offset.checked_rem(width)?);
        let address = (u128::from(host) < segment.range.len())
            .then(|| segment.range.address(u128::from(host)))?;
        Some(SocketAddr::new(address, *ports.get(usize::try_from(nth).ok()?)?))
    }

    /// The index of a pair: the inverse of [`TargetSet::probe`].
    pub fn index(&self, pair: SocketAddr) -> Option<u64> {
        let wanted = AddressRange::from(pair.ip());
        let after = self.segments.partition_point(|segment| {
            (segment.range.family, segment.range.first) <= (wanted.family, wanted.first)
        });
        let segment = self.segments.get(after.checked_sub(1)?)?;
        if !segment.range.contains(pair.ip()) {
            return None;
        }
        let ports = self.ports_of(segment);
        let nth = u64::try_from(ports.binary_search(&pair.port()).ok()?).ok()?;
        let host = u64::try_from(wanted.first - segment.range.first).ok()?;
        Some(segment.start + host * u64::try_from(ports.len()).ok()? + nth)
    }

    /// All pairs in order.
    pub fn iter(&self) -> impl Iterator<Item = SocketAddr> + '_ {
        self.ranges().flat_map(|(range, ports)| {
            (0..range.len()).flat_map(move |host| {
                let address = range.address(host);
                ports.iter().map(move |port| SocketAddr::new(address, *port))
            })
        })
    }

    pub fn contains(&self, pair: SocketAddr) -> bool {
        self.ports(pair.ip()).binary_search(&pair.port()).is_ok()
    }

    /// The ports on which this address is probed, ascending; none if it is no target.
    pub fn ports(&self, address: IpAddr) -> &[u16] {
        let wanted = AddressRange::from(address);
        let after = self.segments.partition_point(|segment| {
            (segment.range.family, segment.range.first) <= (wanted.family, wanted.first)
        });
        match after.checked_sub(1).and_then(|index| self.segments.get(index)) {
            Some(segment) if segment.range.contains(address) => self.ports_of(segment),
            _ => &[],
        }
    }

    /// The disjoint ranges in ascending order, each with its ports, ascending.
    pub fn ranges(&self) -> impl Iterator<Item = (AddressRange, &[u16])> + '_ {
        self.segments.iter().map(|segment| (segment.range, self.ports_of(segment)))
    }

    /// The parts of the set that the Internet routes: not private, loopback, link-local, unique
    /// local, carrier-grade NAT, benchmarking, documentation or reserved space. Ascending.
    pub fn public_ranges(&self) -> Vec<AddressRange> {
        let mut parts: Vec<AddressRange> = Vec::new();
        for part in self.segments.iter().flat_map(|segment| routed_parts(&segment.range)) {
            match parts.last_mut() {
                Some(last) if touches(last, &part) => last.last = part.last,
                _ => parts.push(part),
            }
        }
        parts
    }

    /// What tells this set of pairs from others.
    pub fn digest(&self) -> TargetDigest {
        TargetDigest::of(self)
    }

    /// How many pairs are not on this machine's loopback addresses.
    pub fn probes_off_loopback(&self) -> u64 {
        let on_loopback: u128 = self
            .ranges()
            .flat_map(|(range, ports)| {
                let shared = LOOPBACK.iter().filter_map(move |block| block.intersection(&range));
                shared.map(|shared| probes_in(&shared, ports))
            })
            .sum();
        self.probes.saturating_sub(u64::try_from(on_loopback).unwrap_or(u64::MAX))
    }

    /// What was left out of the set, in words; empty as a rule.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// The host names of the target list that led to this address, in the order given.
    pub fn names(&self, address: IpAddr) -> &[String] {
        self.names.get(&address.to_canonical()).map_or(&[], Vec::as_slice)
    }

    /// # Errors
    /// More than `MAX_PROBES` pairs.
    pub(super) fn assemble(
        items: impl IntoIterator<Item = (AddressRange, Role)>,
        default_ports: &Ports,
        names: BTreeMap<IpAddr, Vec<String>>,
    ) -> Result<Self, TargetSetError> {
        let mut boundaries = Vec::new();
        let special = NO_HOST.iter().enumerate();
        let special = special.map(|(index, (_, range))| (*range, Role::NoHost(index)));
        for (range, role) in items.into_iter().chain(special) {
            boundaries.push(Boundary { family: range.family, at: range.first, role, step: 1 });
            // A range up to the last IPv6 address ends with its family instead.
            if let Some(at) = range.last.checked_add(1) {
                boundaries.push(Boundary { family: range.family, at, role, step: -1 });
            }
        }
        boundaries.sort_unstable_by_key(|boundary| (boundary.family, boundary.at));

        let mut builder = Builder::new(default_ports);
        for family in boundaries.chunk_by(|a, b| a.family == b.family) {
            let mut active = Active::default();
            let mut groups = family.chunk_by(|a, b| a.at == b.at).peekable();
            while let Some(group) = groups.next() {
                group.iter().for_each(|boundary| active.apply(boundary));
                let Some(Boundary { family, at: first, .. }) = group.first().copied() else {
                    continue;
                };
                let next = groups.peek().and_then(|group| group.first());
                let last = next.map_or(u128::MAX, |boundary| boundary.at - 1);
                builder.cover(AddressRange { family, first, last }, &active);
            }
        }
        builder.finish(names)
    }

    fn ports_of(&self, segment: &Segment) -> &[u16] {
        self.port_lists.get(segment.ports).map_or(&[], Vec::as_slice)
    }
}

/// What a range in the list means for the addresses in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    DefaultPorts,
    Port(u16),
    Excluded,
    /// Index into `NO_HOST`.
    NoHost(usize),
}

#[derive(Clone, Copy, Debug)]
struct Boundary {
    family: Family,
    at: u128,
    role: Role,
    /// Whether ranges begin (1) or end (-1) here.
    step: i64,
}

/// How many ranges of each role cover the place that the sweep over the boundaries has reached.
#[derive(Debug, Default)]
struct Active {
    default_ports: i64,
    ports: BTreeMap<u16, i64>,
    excluded: i64,
    no_host: [i64; NO_HOST.len()],
}

impl Active {
    fn apply(&mut self, boundary: &Boundary) {
        match boundary.role {
            Role::DefaultPorts => self.default_ports += boundary.step,
            Role::Excluded => self.excluded += boundary.step,
            Role::NoHost(index) => {
                if let Some(count) = self.no_host.get_mut(index) {
                    *count += boundary.step;
                }
            }
            Role::Port(port) => {
                let count = self.ports.entry(port).or_insert(0);
                *count += boundary.step;
                if *count == 0 {
                    self.ports.remove(&port);
                }
            }
        }
    }

    fn is_target(&self) -> bool {
        self.excluded == 0 && (self.default_ports > 0 || !self.ports.is_empty())
    }
}

struct Builder<'a> {
    default_ports: &'a Ports,
    segments: Vec<Segment>,
    port_lists: Vec<Vec<u16>>,
    known_lists: HashMap<Vec<u16>, usize>,
    probes: u128,
    addresses: u128,
    no_host: [u128; NO_HOST.len()],
}

impl<'a> Builder<'a> {
    fn new(default_ports: &'a Ports) -> Self {
        Self {
            default_ports,
            segments: Vec::new(),
            port_lists: Vec::new(),
            known_lists: HashMap::new(),
            probes: 0,
            addresses: 0,
            no_host: [0; NO_HOST.len()],
        }
    }

    fn cover(&mut self, range: AddressRange, active: &Active) {
        if !active.is_target() {
            return;
        }
        if let Some(index) = active.no_host.iter().position(|count| *count > 0) {
            if let Some(skipped) = self.no_host.get_mut(index) {
                *skipped = skipped.saturating_add(range.len());
            }
            return;
        }
        let mut ports: Vec<u16> = active.ports.keys().copied().collect();
        if active.default_ports > 0 {
            ports.extend(self.default_ports.as_slice());
            ports.sort_unstable();
            ports.dedup();
        }
        let probes = probes_in(&range, &ports);
        let start = u64::try_from(self.probes).unwrap_or(u64::MAX);
        self.probes = self.probes.saturating_add(probes);
        self.addresses = self.addresses.saturating_add(range.len());
        let next = self.port_lists.len();
        let list = *self.known_lists.entry(ports).or_insert_with_key(|ports| {
            self.port_lists.push(ports.clone());
            next
        });
        match self.segments.last_mut() {
            Some(last) if last.ports == list && touches(&last.range, &range) => {
                last.range.last = range.last;
            }
            _ => self.segments.push(Segment { range, ports: list, start }),
        }
    }

    fn finish(self, names: BTreeMap<IpAddr, Vec<String>>) -> Result<TargetSet, TargetSetError> {
        let probes = u64::try_from(self.probes).ok().filter(|n| *n <= TargetSet::MAX_PROBES);
        let (Some(probes), Ok(addresses)) = (probes, u64::try_from(self.addresses)) else {
            return Err(TargetSetError::TooMany { probes: self.probes });
        };
        let skipped = NO_HOST.iter().zip(self.no_host).filter(|(_, count)| *count > 0);
        let notes = skipped
            .map(|((kind, block), count)| {
                let noun = if count == 1 { "address" } else { "addresses" };
                format!("left out {} {kind} {noun} ({block})", Magnitude(count))
            })
            .collect();
        let Self { segments, port_lists, .. } = self;
        Ok(TargetSet { segments, port_lists, probes, addresses, notes, names })
    }
}

fn probes_in(range: &AddressRange, ports: &[u16]) -> u128 {
    range.len().saturating_mul(u128::try_from(ports.len()).unwrap_or(u128::MAX))
}

/// Whether `next` begins right after `range`.
fn touches(range: &AddressRange, next: &AddressRange) -> bool {
    range.family == next.family && range.last.checked_add(1) == Some(next.first)
}

/// A count that nobody would read digit by digit beyond 64 bits.
struct Magnitude(u128);

impl std::fmt::Display for Magnitude {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.0 > u128::from(u64::MAX) {
            return write!(f, "over 2^{}", self.0.ilog2());
        }
        write!(f, "{}", self.0)
    }
}
