//! Two halves of a piece of work, each on some of the threads that the whole may use.

use std::num::NonZeroUsize;
use std::thread;

/// How many threads a piece of work may use, its own among them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Workers(usize);

impl Workers {
    #[cfg(test)]
    pub(super) const fn new(count: usize) -> Self {
        Self(count)
    }

    pub(super) fn of_machine() -> Self {
        Self(thread::available_parallelism().map_or(1, NonZeroUsize::get))
    }

    pub(super) fn alone(self) -> bool {
        self.0 <= 1
    }
}

/// At the same time where there are threads for it, else one after the other.
pub(super) fn both<A: Send, B: Send>(
    workers: Workers,
    first: impl FnOnce(Workers) -> A + Send,
    second: impl FnOnce(Workers) -> B + Send,
) -> (A, B) {
    if workers.alone() {
        return (first(workers), second(workers));
    }
    let half = workers.0 / 2;
    thread::scope(|scope| {
        let first = scope.spawn(move || first(Workers(half)));
        let second = second(Workers(workers.0 - half));
        match first.join() {
            Ok(first) => (first, second),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}
