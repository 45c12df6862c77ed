//! The map of networks: each /16 as sixteen rows of sixteen /24s, IPv6 by /64.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::cases::Cases;
use super::words::{plural, rank};
use crate::finding::Severity;
use crate::report::v1;

const SIDE: u8 = 16;
/// Maps that are drawn; the networks of the others are listed.
const DRAWN: usize = 64;

#[derive(Debug, Default)]
pub struct Heat {
    pub maps: Vec<Map>,
    /// Networks that are on no map.
    pub listed: Vec<Cell>,
}

/// A /16.
#[derive(Debug)]
pub struct Map {
    pub label: String,
    pub columns: [String; SIDE as usize],
    pub rows: Vec<Row>,
}

#[derive(Debug)]
pub struct Row {
    /// The third number of the first network in it.
    pub first: u8,
    pub cells: Vec<Option<Cell>>,
}

/// A /24 or a /64 with endpoints.
#[derive(Clone, Debug)]
pub struct Cell {
    pub network: String,
    /// Of its first endpoint.
    pub number: usize,
    pub endpoints: usize,
    pub worst: Option<Severity>,
}

impl Heat {
    pub fn of(report: &v1::Report, cases: &Cases<'_>) -> Self {
        let mut networks: BTreeMap<Network, Cell> = BTreeMap::new();
        for (number, endpoint) in report.endpoints.iter().enumerate() {
            let network = Network::of(endpoint.address);
            let cell = networks.entry(network).or_insert_with(|| Cell {
                network: network.to_string(),
                number,
                endpoints: 0,
                worst: None,
            });
            cell.endpoints += 1;
            cell.worst = cell.worst.max(cases.worst(number));
        }
        let mut heat = Self::default();
        let mut sixteens: BTreeMap<[u8; 2], BTreeMap<u8, Cell>> = BTreeMap::new();
        for (network, cell) in networks {
            match network {
                Network::V4([a, b, third])
                    if sixteens.len() < DRAWN || sixteens.contains_key(&[a, b]) =>
                {
                    sixteens.entry([a, b]).or_default().insert(third, cell);
                }
                _ => heat.listed.push(cell),
            }
        }
        heat.maps = sixteens.into_iter().map(|(place, cells)| Map::of(place, &cells)).collect();
        heat
    }
}

impl Map {
    fn of([a, b]: [u8; 2], cells: &BTreeMap<u8, Cell>) -> Self {
        let rows = (0..SIDE).map(|row| {
            let first = row * SIDE;
            let cells = (0..SIDE).map(|column| cells.get(&(first + column)).cloned());
            Row { first, cells: cells.collect() }
        });
        Self {
            label: format!("{a}.{b}.0.0/16"),
            columns: std::array::from_fn(|column| format!("+{column}")),
            rows: rows.collect(),
        }
    }
}

impl Cell {
    pub fn class(&self) -> String {
        self.worst.map_or_else(|| "sn".to_owned(), |worst| format!("s{}", rank(worst)))
    }

    pub fn sentence(&self) -> String {
        let worst = self.worst.map_or("no finding", Severity::name);
        let endpoints = plural(self.endpoints, "endpoint", "endpoints");
        format!("{}: {endpoints}, worst: {worst}", self.network)
    }
}

/// What one cell stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Network {
    V4([u8; 3]),
    V6(u64),
}

impl Network {
    pub fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => {
                let [a, b, c, _] = address.octets();
                Self::V4([a, b, c])
            }
            // The upper half.
            IpAddr::V6(address) => Self::V6(u64::try_from(address.to_bits() >> 64).unwrap_or(0)),
        }
    }
}

impl std::fmt::Display for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match *self {
            Self::V4([a, b, c]) => write!(f, "{}/24", Ipv4Addr::new(a, b, c, 0)),
            Self::V6(upper) => write!(f, "{}/64", Ipv6Addr::from_bits(u128::from(upper) << 64)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn endpoints_fall_into_their_networks() {
        let report = sample::report();
        let heat = Heat::of(&report, &Cases::of(&report));
        assert_eq!(heat.maps.len(), 1);
        let map = &heat.maps[0];
        assert_eq!((map.label.as_str(), map.rows.len()), ("10.0.0.0/16", 16));
        let cell = map.rows[0].cells[0].as_ref().unwrap();
        assert_eq!(cell.sentence(), "10.0.0.0/24: 7 endpoints, worst: critical");
        assert_eq!(map.rows.iter().flat_map(|row| &row.cells).flatten().count(), 1);
        let v6: Vec<String> = heat.listed.iter().map(Cell::sentence).collect();
        assert_eq!(v6, ["2001:db8::/64: 1 endpoint, worst: critical"]);
    }

    #[test]
    fn a_network_stands_in_its_place() {
        let cell = Cell { network: "10.9.37.0/24".into(), number: 0, endpoints: 1, worst: None };
        let map = Map::of([10, 9], &BTreeMap::from([(37, cell)]));
        assert_eq!(map.rows[2].first, 32);
        assert!(map.rows[2].cells[5].is_some());
        assert_eq!(map.rows[2].cells[5].as_ref().unwrap().class(), "sn");
    }

    #[test]
    fn what_is_too_much_to_draw_is_listed() {
        let sample = sample::report();
        let host = sample.endpoints.iter().find(|e| e.address.is_ipv4()).unwrap();
        let endpoints = (0..100u8).map(|n| {
            let mut endpoint = host.clone();
            endpoint.address = Ipv4Addr::new(10, n, 0, 1).into();
            endpoint
        });
        let report = v1::Report::new(sample.tool, sample.scan, Vec::new(), endpoints.collect());
        let heat = Heat::of(&report, &Cases::of(&report));
        assert_eq!((heat.maps.len(), heat.listed.len()), (DRAWN, 100 - DRAWN));
    }
}
