//! What the system refused, counted by kind, for the notes of the outcome.

use std::fmt;
use std::net::SocketAddr;

use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use super::LocalError;

/// A handful of kinds at most, so that a list is the quickest map.
#[derive(Debug, Default)]
pub(super) struct Tally(Vec<(Errno, u64, SocketAddr)>);

/// One kind of refusal, to be kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// The system's number of the error.
    errno: i32,
    probes: u64,
    /// The first target that met it.
    example: SocketAddr,
}

/// Linux keeps its error numbers below this.
const ERRNO_END: i32 = 4096;

impl Tally {
    /// What `refused` gave; `None` if it holds what is no error's number.
    pub(super) fn of(refused: &[Refused]) -> Option<Self> {
        let entry = |entry: &Refused| {
            let valid = (1..ERRNO_END).contains(&entry.errno);
            let error = valid.then(|| Errno::from_raw_os_error(entry.errno))?;
            Some((error, entry.probes, entry.example))
        };
        refused.iter().map(entry).collect::<Option<_>>().map(Self)
    }

    pub(super) fn refused(&self) -> Vec<Refused> {
        let entry = |(error, probes, example): &(Errno, u64, SocketAddr)| Refused {
            errno: error.raw_os_error(),
            probes: *probes,
            example: *example,
        };
        self.0.iter().map(entry).collect()
    }

    pub(super) fn add(&mut self, error: Errno, target: SocketAddr) {
        match self.0.iter_mut().find(|(known, ..)| *known == error) {
            Some((_, count, _)) => *count += 1,
            None => self.0.push((error, 1, target)),
        }
    }

    /// Adds what another has counted.
    pub(super) fn merge(&mut self, other: &Self) {
        for (error, count, example) in &other.0 {
            match self.0.iter_mut().find(|(known, ..)| known == error) {
                Some((_, known, _)) => *known += count,
                None => self.0.push((*error, *count, *example)),
            }
        }
    }

    /// Of all kinds.
    pub(super) fn probes(&self) -> u64 {
        self.0.iter().fold(0, |sum, (_, count, _)| sum.saturating_add(*count))
    }

    pub(super) fn local_errors(&self) -> Vec<LocalError> {
        let entries = self.0.iter();
        entries
            .map(|(error, probes, example)| LocalError {
                error: text(*error),
                probes: *probes,
                example: *example,
            })
            .collect()
    }

    /// Notes on probes that were not made.
    pub(super) fn not_probed_notes(&self) -> impl Iterator<Item = String> + '_ {
        self.0.iter().map(|(error, count, example)| {
            let probes = Probes(*count);
            format!("{probes} could not be made, e.g. to {example}: {}", text(*error))
        })
    }

    /// Notes on probes whose failure says more about this machine than about the target. A router
    /// that knows no such host is an answer as any other.
    pub(super) fn unreachable_notes(&self) -> impl Iterator<Item = String> + '_ {
        self.0.iter().filter_map(|(error, count, example)| match (*error, Probes(*count)) {
            (Errno::NETUNREACH, probes) => {
                Some(format!("no route for {probes}, e.g. to {example}"))
            }
            (Errno::ACCESS | Errno::PERM, probes) => Some(format!(
                "a packet filter, maybe this machine's own, refused {probes}, e.g. to \
                 {example}: {}",
                text(*error)
            )),
            (Errno::NETDOWN, probes) => {
                Some(format!("the network was down for {probes}, e.g. to {example}"))
            }
            _ => None,
        })
    }
}

struct Probes(u64);

impl fmt::Display for Probes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.0, if self.0 == 1 { "probe" } else { "probes" })
    }
}

fn text(error: Errno) -> String {
    std::io::Error::from(error).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_count_and_name_the_first_target() {
        let mut tally = Tally::default();
        let target = |last| SocketAddr::from(([127, 0, 0, last], 2375));
        tally.add(Errno::NETUNREACH, target(1));
        tally.add(Errno::HOSTUNREACH, target(2));
        tally.add(Errno::NETUNREACH, target(3));
        assert_eq!(
            tally.unreachable_notes().collect::<Vec<_>>(),
            ["no route for 2 probes, e.g. to 127.0.0.1:2375"]
        );
        let mut kept = tally.refused();
        assert_eq!(Tally::of(&kept).unwrap().refused(), kept);
        kept[0].errno = 0;
        assert!(Tally::of(&kept).is_none());
        let errors = tally.local_errors();
        assert_eq!((errors.len(), errors[0].probes, errors[0].example), (2, 2, target(1)));
        let mut other = Tally::default();
        other.add(Errno::HOSTUNREACH, target(4));
        other.add(Errno::PERM, target(5));
        tally.merge(&other);
        assert_eq!((tally.probes(), tally.refused().len()), (5, 3));
        assert_eq!(tally.refused()[1].example, target(2), "the first stays");
        assert!(errors[0].error.contains("unreachable"), "{}", errors[0].error);
    }
}
