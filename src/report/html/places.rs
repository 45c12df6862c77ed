//! Which endpoints a row is about, in as few words as say it.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use super::cases::Cases;
use super::heat::Network;
use super::words;
use crate::report::text::address_of;
use crate::report::v1;

/// Endpoints that are listed in a line.
const FEW: usize = 6;
/// Endpoints of each /24, on average, that are worth a line of their own.
const SPARSE: usize = 3;

/// The list of one row.
#[derive(Debug)]
pub enum Places<'a> {
    /// Numbers and names.
    Few(Vec<(usize, &'a str)>),
    /// The same ones as that row has.
    AsRow(usize),
    Many(Vec<Group>),
}

/// The endpoints of one network and port.
#[derive(Debug, PartialEq, Eq)]
pub struct Group {
    /// The number of the first.
    pub first: usize,
    /// `10.0.3.… :2375`.
    pub prefix: String,
    /// What follows the prefix: `0–255` or whole addresses.
    pub rest: String,
}

/// For each row the first one that has the same endpoints.
#[derive(Debug)]
pub struct Lists<'a> {
    endpoints: &'a [v1::Endpoint],
    first_with: Vec<usize>,
}

impl<'a> Lists<'a> {
    pub fn of(report: &'a v1::Report, cases: &Cases<'_>) -> Self {
        let mut known: HashMap<(&[usize], &[&str]), usize> = HashMap::new();
        let all = cases.all.iter().enumerate();
        let first_with =
            all.map(|(row, case)| *known.entry((&case.endpoints, &case.elsewhere)).or_insert(row));
        Self { first_with: first_with.collect(), endpoints: &report.endpoints }
    }

    pub fn of_row(&self, row: &usize, cases: &Cases<'_>) -> Places<'a> {
        let Some(case) = cases.at(*row) else { return Places::Few(Vec::new()) };
        if case.count() <= FEW {
            let named = case
                .endpoints
                .iter()
                .filter_map(|number| Some((*number, address_of(&self.endpoints.get(*number)?.id))));
            return Places::Few(named.collect());
        }
        match self.first_with.get(*row) {
            Some(first) if first != row => Places::AsRow(*first),
            _ => Places::Many(self.groups(&case.endpoints)),
        }
    }

    /// The accesses that they have.
    pub fn accesses(&self, numbers: &[usize]) -> String {
        let of = |number: &usize| self.endpoints.get(*number).map(|it| it.api.access);
        let seen: Vec<v1::Access> = numbers.iter().filter_map(of).collect();
        let names = words::ACCESSES.iter().filter(|(access, _)| seen.contains(access));
        names.map(|(_, name)| *name).collect::<Vec<_>>().join(", ")
    }

    fn groups(&self, numbers: &[usize]) -> Vec<Group> {
        let mut groups: BTreeMap<(Network, u16), Vec<usize>> = BTreeMap::new();
        for number in numbers {
            if let Some(endpoint) = self.endpoints.get(*number) {
                let group = (Network::of(endpoint.address), endpoint.port);
                groups.entry(group).or_default().push(*number);
            }
        }
        if groups.len() * SPARSE > numbers.len() {
            return self.sixteens(groups);
        }
        let groups = groups.into_iter().map(|((network, port), numbers)| Group {
            first: numbers.first().copied().unwrap_or_default(),
            prefix: match network {
                Network::V4([a, b, c]) => format!("{a}.{b}.{c}.… :{port}"),
                Network::V6(_) => format!("{network} :{port}"),
            },
            rest: self.rest(&numbers),
        });
        groups.collect()
    }

    /// Those of each /16 together, for lists that have few of each /24.
    fn sixteens(&self, groups: BTreeMap<(Network, u16), Vec<usize>>) -> Vec<Group> {
        let mut sixteens: BTreeMap<(String, u16), Group> = BTreeMap::new();
        for ((network, port), numbers) in groups {
            let (place, rest) = match network {
                Network::V4([a, b, c]) => {
                    let last = self.rest(&numbers);
                    let rest = last.split(", ").map(|last| format!("{c}.{last}"));
                    (format!("{a}.{b}.…"), rest.collect::<Vec<_>>().join(", "))
                }
                Network::V6(_) => (network.to_string(), self.rest(&numbers)),
            };
            let prefix = format!("{place} :{port}");
            let first = numbers.first().copied().unwrap_or_default();
            match sixteens.get_mut(&(place.clone(), port)) {
                Some(group) => group.rest.push_str(&format!(", {rest}")),
                None => {
                    sixteens.insert((place, port), Group { first, prefix, rest });
                }
            }
        }
        let mut sixteens: Vec<Group> = sixteens.into_values().collect();
        sixteens.sort_by_key(|group| group.first);
        sixteens
    }

    /// Of endpoints of one network.
    fn rest(&self, numbers: &[usize]) -> String {
        let mut last_numbers = Vec::new();
        let mut addresses = Vec::new();
        for endpoint in numbers.iter().filter_map(|number| self.endpoints.get(*number)) {
            match endpoint.address {
                IpAddr::V4(address) => {
                    let [.., last] = address.octets();
                    last_numbers.push(last);
                }
                IpAddr::V6(address) => addresses.push(address.to_string()),
            }
        }
        addresses.extend(runs(last_numbers));
        addresses.join(", ")
    }
}

/// `1–3`, `7`.
fn runs(mut numbers: Vec<u8>) -> Vec<String> {
    numbers.sort_unstable();
    let mut runs: Vec<(u8, u8)> = Vec::new();
    for number in numbers {
        match runs.last_mut() {
            Some((_, to)) if to.checked_add(1) == Some(number) => *to = number,
            _ => runs.push((number, number)),
        }
    }
    let texts = runs.into_iter().map(|(from, to)| match to - from {
        0 => from.to_string(),
        1 => format!("{from}, {to}"),
        _ => format!("{from}–{to}"),
    });
    texts.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::html::tests::twins;

    #[test]
    fn endpoints_of_a_network_are_runs() {
        assert_eq!(runs(vec![7, 1, 2, 3, 255, 254]), ["1–3", "7", "254, 255"]);
        assert_eq!(runs((0..=255).collect()), ["0–255"]);
        assert_eq!(runs(Vec::new()), [] as [&str; 0]);
    }

    #[test]
    fn a_list_is_written_once() {
        let mut report = twins(300);
        report.endpoints[299].address = "2001:db8::5".parse().unwrap();
        let cases = Cases::of(&report);
        let lists = Lists::of(&report, &cases);
        let Places::Many(groups) = lists.of_row(&0, &cases) else { panic!("they are many") };
        let group = |first, prefix: &str, rest: &str| Group {
            first,
            prefix: prefix.to_owned(),
            rest: rest.to_owned(),
        };
        assert_eq!(
            groups,
            [
                group(0, "10.9.0.… :2375", "0–255"),
                group(256, "10.9.1.… :2375", "0–42"),
                group(299, "2001:db8::/64 :2375", "2001:db8::5"),
            ]
        );
        assert!(matches!(lists.of_row(&1, &cases), Places::AsRow(0)));
        assert_eq!(lists.accesses(&[0, 299]), "open");
        let few = twins(2);
        let cases = Cases::of(&few);
        let Places::Few(few) = Lists::of(&few, &cases).of_row(&1, &cases) else {
            panic!("they are few")
        };
        assert_eq!(few, [(0, "10.9.0.0:2375"), (1, "10.9.0.1:2375")]);
    }

    #[test]
    fn sparse_networks_are_told_by_sixteens() {
        let mut report = twins(20);
        for (endpoint, third) in report.endpoints.iter_mut().zip(0u8..) {
            endpoint.address = [10, 9 + third / 10, third, 7].into();
        }
        report.endpoints[19].address = [10, 10, 18, 8].into();
        let cases = Cases::of(&report);
        let Places::Many(groups) = Lists::of(&report, &cases).of_row(&0, &cases) else {
            panic!("they are many")
        };
        let told: Vec<_> = groups.iter().map(|it| (it.first, &*it.prefix, &*it.rest)).collect();
        assert_eq!(
            told,
            [
                (0, "10.9.… :2375", "0.7, 1.7, 2.7, 3.7, 4.7, 5.7, 6.7, 7.7, 8.7, 9.7"),
                (10, "10.10.… :2375", "10.7, 11.7, 12.7, 13.7, 14.7, 15.7, 16.7, 17.7, 18.7, 18.8"),
            ]
        );
    }
}
