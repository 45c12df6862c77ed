//! The time of day, by one clock for a whole run.

use std::sync::OnceLock;

use jiff::{SignedDuration, Timestamp};
use rustix::time::{ClockId, clock_gettime};

/// The time of day when it was first asked for here, and what has passed since.
///
/// Whoever sets the system's clock meanwhile changes nothing: a report ends after it began, and all
/// its certificates are judged by one idea of the day. Time in which the machine slept counts.
pub fn now() -> Timestamp {
    static BEGIN: OnceLock<(Timestamp, SignedDuration)> = OnceLock::new();
    let up = since_boot();
    let (began, up_then) = *BEGIN.get_or_init(|| (Timestamp::now(), up));
    began.saturating_add(up.saturating_sub(up_then)).unwrap_or(began)
}

fn since_boot() -> SignedDuration {
    let up = clock_gettime(ClockId::Boottime);
    SignedDuration::new(up.tv_sec, i32::try_from(up.tv_nsec).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_goes_on_from_the_time_of_day() {
        let first = now();
        let apart = Timestamp::now().duration_since(first).abs();
        assert!(apart < SignedDuration::from_hours(1), "{apart}");
        assert!(now() >= first);
    }
}
