//! What several scans come to as one: shards of a scan, or scans of different ranges.

use std::collections::{BTreeMap, BTreeSet};

use crate::report::v1::{Absent, Scan, Vantage};
use crate::target::order::{Shard, ShardError};

#[cfg(test)]
mod tests;

/// A report to be joined with others.
#[derive(Clone, Debug)]
pub(super) struct Part {
    /// What errors and notes call it: its file, made harmless.
    pub(super) name: String,
    pub(super) scan: Scan,
}

/// Why reports cannot be joined.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum JoinError {
    #[error("there is no report to join")]
    Nothing,
    #[error("{name}: its shard '{shard}' is {source}")]
    Shard { name: String, shard: String, source: ShardError },
    #[error(
        "{name} and {other} are shards that do not belong together: they differ in their {what}"
    )]
    OtherSet { name: String, other: String, what: &'static str },
    #[error("{name} and {other} are the same scan")]
    SameScan { name: String, other: String },
}

/// The joined scan: counts are added, and what is missing makes it incomplete.
///
/// All shards must be of one scan, which the seed and the digest of the targets tell, or, where a
/// report has none, their words: targets, excludes, ports and the number of addresses. Of a shard that is there several times, the counts are those of one: of a complete one,
/// or else of the one that ended last. Reports that are no shards may stand beside.
///
/// # Errors
/// Shards of different scans, the same scan twice, or nothing to join.
pub(super) fn scan(parts: &[Part], command: String) -> Result<Scan, JoinError> {
    let first = parts.first().ok_or(JoinError::Nothing)?;
    let (shards, wholes) = sorted(parts)?;
    let counted: Vec<&Part> = shards.values().copied().chain(wholes).collect();
    let scans = || counted.iter().map(|part| &part.scan);

    let mut reasons = Vec::new();
    reasons.extend(missing(&shards));
    for part in &counted {
        if !part.scan.complete {
            let reason = part.scan.incomplete_reason.as_deref().unwrap_or("it was cut short");
            reasons.push(format!("{}: {reason}", part.name));
        }
    }
    let mut notes = distinct(parts.iter().flat_map(|part| &part.scan.notes));
    notes.push(format!("joined from {} reports", parts.len()));
    let repeated = parts.len() - counted.len();
    if repeated > 0 {
        notes.push(format!("{repeated} of them repeat a shard: its counts are those of one"));
    }
    let excluded = distinct(scans().flat_map(|scan| &scan.excluded));
    let (everywhere, here_and_there): (Vec<String>, Vec<String>) =
        excluded.into_iter().partition(|word| scans().all(|scan| scan.excluded.contains(word)));
    if !here_and_there.is_empty() {
        notes.push(format!("left out of some of the scans only: {}", here_and_there.join(", ")));
    }
    let engines = distinct(scans().map(|scan| &scan.engine));
    if engines.len() > 1 {
        notes.push("open ports were looked for in several ways, and one is named".to_owned());
    }
    let started_at = scans().map(|scan| scan.started_at).min().unwrap_or(first.scan.started_at);
    let finished_at = scans().map(|scan| scan.finished_at).max().unwrap_or(first.scan.finished_at);
    let mut labels = distinct(scans().filter_map(|scan| scan.vantage.label.as_ref()));
    // In whatever order the files are given, it is the same run, of the same place.
    labels.sort();
    let id = scans().min_by_key(|scan| (scan.started_at, &scan.id)).map_or("", |scan| &scan.id);
    let mut ports: Vec<u16> = distinct(scans().flat_map(|scan| &scan.ports));
    ports.sort_unstable();
    Ok(Scan {
        id: format!("{id}-joined"),
        started_at,
        finished_at,
        command,
        vantage: Vantage {
            label: (!labels.is_empty()).then(|| labels.join(", ")),
            source_addresses: distinct(scans().flat_map(|scan| &scan.vantage.source_addresses)),
        },
        targets: distinct(scans().flat_map(|scan| &scan.targets)),
        targets_digest: first
            .scan
            .targets_digest
            .clone()
            .filter(|digest| scans().all(|scan| scan.targets_digest.as_ref() == Some(digest))),
        excluded: everywhere,
        ports,
        engine: first.scan.engine,
        seed: first.scan.seed.filter(|seed| scans().all(|scan| scan.seed == Some(*seed))),
        shard: None,
        addresses: addresses(&counted),
        counts: scans()
            .map(|scan| scan.counts)
            .reduce(|sum, counts| sum.plus(&counts))
            .unwrap_or_default(),
        complete: reasons.is_empty(),
        incomplete_reason: (!reasons.is_empty()).then(|| reasons.join("; ")),
        unresolved: distinct(scans().flat_map(|scan| &scan.unresolved)),
        notes,
        absent: absent(scans().flat_map(|scan| &scan.absent)),
    })
}

/// Of several words on one endpoint that of whoever asked it counts, and closed before silent.
fn absent<'a>(all: impl Iterator<Item = &'a Absent>) -> Vec<Absent> {
    let mut absent: Vec<Absent> = Vec::new();
    let mut places: BTreeMap<&str, usize> = BTreeMap::new();
    for one in all {
        match places.get(one.id.as_str()).and_then(|place| absent.get_mut(*place)) {
            Some(known) if one.state < known.state => *known = one.clone(),
            Some(_) => {}
            None => {
                places.insert(&one.id, absent.len());
                absent.push(one.clone());
            }
        }
    }
    absent
}

/// Shards by number, and the reports that are none.
type Sorted<'a> = (BTreeMap<ShardOrder, &'a Part>, Vec<&'a Part>);

/// A shard in the order of their numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct ShardOrder {
    number: u64,
    count: u64,
}

fn sorted(parts: &[Part]) -> Result<Sorted<'_>, JoinError> {
    let mut shards: BTreeMap<ShardOrder, &Part> = BTreeMap::new();
    let mut wholes: Vec<&Part> = Vec::new();
    for part in parts {
        let Some(text) = &part.scan.shard else {
            if let Some(other) = wholes.iter().find(|other| same_scan(&other.scan, &part.scan)) {
                let (name, other) = (part.name.clone(), other.name.clone());
                return Err(JoinError::SameScan { name, other });
            }
            wholes.push(part);
            continue;
        };
        let shard: Shard = text.parse().map_err(|source| JoinError::Shard {
            name: part.name.clone(),
            shard: text.chars().take(80).collect(),
            source,
        })?;
        let place = ShardOrder { number: shard.number(), count: shard.count() };
        if let Some((known, other)) = shards.first_key_value()
            && let Some(what) = difference(*known, &other.scan, place, &part.scan)
        {
            let (name, other) = (part.name.clone(), other.name.clone());
            return Err(JoinError::OtherSet { name, other, what });
        }
        let better = |known: &&Part| rank(&known.scan) < rank(&part.scan);
        if shards.get(&place).is_none_or(better) {
            shards.insert(place, part);
        }
    }
    Ok((shards, wholes))
}

fn rank(scan: &Scan) -> (bool, jiff::Timestamp) {
    (scan.complete, scan.finished_at)
}

fn same_scan(a: &Scan, b: &Scan) -> bool {
    // Two scans that were given one seed may have started in the same second.
    a.id == b.id && a.started_at == b.started_at && a.targets == b.targets
}

/// In what two shards show that they are not of one scan.
fn difference(a: ShardOrder, scan: &Scan, b: ShardOrder, other: &Scan) -> Option<&'static str> {
    let numbers = [(a.count == b.count, "number of shards"), (scan.seed == other.seed, "seed")];
    let in_words = [
        (scan.targets == other.targets, "targets"),
        (scan.excluded == other.excluded, "excludes"),
        (scan.ports == other.ports, "ports"),
        (scan.addresses == other.addresses, "number of addresses"),
    ];
    let digests = match (&scan.targets_digest, &other.targets_digest) {
        (Some(mine), Some(theirs)) => Some([(mine == theirs, "targets")]),
        _ => None,
    };
    let targets = digests.as_ref().map_or(&in_words[..], |digests| &digests[..]);
    numbers.iter().chain(targets).find_map(|(same, what)| (!same).then_some(*what))
}

/// Ranges of missing shards that are named one by one.
const NAMED: usize = 20;

/// `shards 3, 7-9 of 16 are missing`.
fn missing(shards: &BTreeMap<ShardOrder, &Part>) -> Option<String> {
    let count = shards.first_key_value()?.0.count;
    let mut gaps = Vec::new();
    let mut covered = 0;
    for number in shards.keys().map(|shard| shard.number) {
        if covered + 1 < number {
            gaps.push((covered + 1, number - 1));
        }
        covered = number;
    }
    if covered < count {
        gaps.push((covered + 1, count));
    }
    let (first, last) = *gaps.first()?;
    if gaps.len() == 1 && first == last {
        return Some(format!("shard {first} of {count} is missing"));
    }
    let range = |(first, last): &(u64, u64)| match first == last {
        true => first.to_string(),
        false => format!("{first}-{last}"),
    };
    let mut named: Vec<String> = gaps.iter().take(NAMED).map(range).collect();
    if gaps.len() > NAMED {
        named.push("and more".to_owned());
    }
    Some(format!("shards {} of {count} are missing", named.join(", ")))
}

/// Those of one target list once.
fn addresses(parts: &[&Part]) -> u64 {
    let lists: BTreeSet<(List<'_>, u64)> = parts
        .iter()
        .map(|Part { scan, .. }| match &scan.targets_digest {
            Some(digest) => (List::Digest(digest), scan.addresses),
            None => (List::Words(&scan.targets, &scan.excluded), scan.addresses),
        })
        .collect();
    lists.into_iter().fold(0, |sum, (_, addresses)| sum.saturating_add(addresses))
}

/// What tells a target list from others.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum List<'a> {
    Digest(&'a str),
    Words(&'a [String], &'a [String]),
}

/// In the order in which they first come.
fn distinct<'a, T: Clone + PartialEq + 'a>(items: impl Iterator<Item = &'a T>) -> Vec<T> {
    let mut known: Vec<T> = Vec::new();
    for item in items {
        if !known.contains(item) {
            known.push(item.clone());
        }
    }
    known
}
