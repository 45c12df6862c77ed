//! What this machine allows: descriptors, and room in the connection tracking table.

use std::fs;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::Rate;
use crate::target::TargetSet;

/// Raises the soft limit on open files to the hard one, as any process may for itself.
///
/// Returns the soft limit that then holds; `None` is no limit. A refusal leaves it as it was.
pub fn raise_open_files() -> Option<u64> {
    let before = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: before.maximum, ..before };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => raised.current,
        Err(error) => {
            tracing::debug!(%error, "the limit on open files stays as it is");
            before.current
        }
    }
}

/// How many of the `asked` attempts can be under way at once, with `soft_limit` descriptors of
/// which `reserve` are for other uses; at least 1.
pub fn concurrency_that_fits(asked: usize, soft_limit: Option<u64>, reserve: u64) -> usize {
    let room = soft_limit.map_or(u64::MAX, |limit| limit.saturating_sub(reserve));
    asked.min(usize::try_from(room).unwrap_or(usize::MAX)).max(1)
}

/// A warning if a sweep of these targets could fill the kernel's connection tracking table, which
/// would make the whole machine drop new connections. Nothing where there is no such table.
pub fn conntrack_warning(targets: &TargetSet, rate: Rate) -> Option<String> {
    let read = |name| {
        let text = fs::read_to_string(format!("/proc/sys/net/netfilter/nf_conntrack_{name}"));
        text.ok()?.trim().parse::<u64>().ok()
    };
    judge_conntrack(
        targets.probes_off_loopback(),
        rate,
        Conntrack { used: read("count")?, room: read("max")? },
    )
}

#[derive(Clone, Copy, Debug)]
struct Conntrack {
    used: u64,
    room: u64,
}

/// An unanswered SYN stays in the table for this long (`nf_conntrack_tcp_timeout_syn_sent`).
const ENTRY_SECONDS: u64 = 120;

fn judge_conntrack(probes: u64, rate: Rate, table: Conntrack) -> Option<String> {
    let at_once = match rate {
        Rate::Max => probes,
        Rate::PerSecond(rate) => probes.min(u64::from(rate.get()) * ENTRY_SECONDS),
    };
    let free = table.room.saturating_sub(table.used);
    (at_once > free).then(|| {
        format!(
            "this sweep can leave {at_once} entries in the connection tracking table, which has \
             room for {free} more ({used} of {room} used): a full table drops every new \
             connection of this machine; use --rate {fitting} or less, or raise \
             net.netfilter.nf_conntrack_max",
            used = table.used,
            room = table.room,
            fitting = (free / ENTRY_SECONDS).max(1),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::{Ports, TargetList};
    use std::num::NonZeroU32;

    #[test]
    fn the_soft_limit_rises_to_the_hard_one() {
        let limit = raise_open_files();
        assert_eq!(limit, getrlimit(Resource::Nofile).maximum);
        assert_eq!(limit, getrlimit(Resource::Nofile).current);
    }

    #[test]
    fn concurrency_fits_the_descriptors() {
        assert_eq!(concurrency_that_fits(4096, Some(1024), 256), 768);
        assert_eq!(concurrency_that_fits(500, Some(1024), 256), 500);
        assert_eq!(concurrency_that_fits(500, None, 256), 500);
        assert_eq!(concurrency_that_fits(500, Some(100), 256), 1);
        assert_eq!(concurrency_that_fits(0, None, 0), 1);
    }

    #[test]
    fn a_table_that_would_fill_is_a_warning() {
        let table = Conntrack { used: 2144, room: 262_144 };
        assert!(judge_conntrack(131_072, Rate::Max, table).is_none());
        let warning = judge_conntrack(300_000, Rate::Max, table).unwrap();
        assert!(warning.contains("300000 entries"), "{warning}");
        assert!(warning.contains("--rate 2166 or less"), "{warning}");
        let fitting = Rate::PerSecond(NonZeroU32::new(2166).unwrap());
        assert!(judge_conntrack(300_000, fitting, table).is_none());
        assert!(judge_conntrack(1, Rate::Max, Conntrack { used: 9, room: 5 }).is_some());
    }

    #[test]
    fn loopback_takes_no_room() {
        let mut list = TargetList::new();
        list.add("127.0.0.0/8").unwrap();
        let targets = list.into_set(&Ports::new([2375, 2376]).unwrap()).unwrap();
        assert_eq!(conntrack_warning(&targets, Rate::Max), None);
    }
}
