//! Whether a post is tried again, and when. Pure: the time that is left is an argument.

use std::time::Duration;

use jiff::Timestamp;

/// Tries of one post.
const TRIES: u32 = 4;
/// Before the second try; doubled before each one after it.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// With less left than this, another try would hardly be one.
const LEAST: Duration = Duration::from_secs(1);

/// What came of one try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Delivered,
    /// Another try would end the same way, or would post twice.
    Final(String),
    /// It may be another way in a moment, or after the time that the server asked for.
    Passing {
        why: String,
        after: Option<Duration>,
    },
}

impl Outcome {
    /// By the answer's status and its Retry-After.
    pub(super) fn of_status(status: u16, retry_after: Option<&str>, now: Timestamp) -> Self {
        let why = match ureq::http::StatusCode::from_u16(status) {
            Ok(code) if code.canonical_reason().is_some() => format!("it answered {code}"),
            _ => format!("it answered {status}"),
        };
        match status {
            200..=299 => Self::Delivered,
            300..=399 => Self::Final(format!("{why}, and redirects are not followed")),
            429 | 500..=599 => {
                Self::Passing { why, after: retry_after.and_then(|text| seconds_of(text, now)) }
            }
            _ => Self::Final(why),
        }
    }
}

/// How long to wait after the try of that number (from 1), or that it was the last.
pub(super) fn wait(tried: u32, after: Option<Duration>, left: Duration) -> Option<Duration> {
    if tried >= TRIES {
        return None;
    }
    let usual = FIRST_WAIT * 2_u32.pow(tried.saturating_sub(1));
    let wait = after.map_or(usual, |after| after.max(FIRST_WAIT));
    (wait + LEAST <= left).then_some(wait)
}

/// Retry-After is a number of seconds or a date.
fn seconds_of(text: &str, now: Timestamp) -> Option<Duration> {
    if let Ok(seconds) = text.trim().parse::<u32>() {
        return Some(Duration::from_secs(seconds.into()));
    }
    let then = jiff::fmt::rfc2822::parse(text.trim()).ok()?.timestamp();
    Some(Duration::try_from(then.duration_since(now)).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    fn now() -> Timestamp {
        "2026-01-02T03:04:05Z".parse().unwrap()
    }

    #[test]
    fn the_waits_grow_and_end() {
        let left = seconds(30);
        let waits: Vec<_> = (1..=4).map(|tried| wait(tried, None, left)).collect();
        assert_eq!(waits, [Some(seconds(1)), Some(seconds(2)), Some(seconds(4)), None]);
    }

    #[test]
    fn what_the_server_asks_for_is_honoured_where_there_is_time() {
        assert_eq!(wait(1, Some(seconds(20)), seconds(30)), Some(seconds(20)));
        assert_eq!(wait(1, Some(seconds(300)), seconds(30)), None);
        assert_eq!(wait(1, Some(seconds(0)), seconds(30)), Some(seconds(1)), "no busy loop");
        assert_eq!(wait(3, None, seconds(4)), None, "no time is left for the try itself");
    }

    #[test]
    fn the_status_decides() {
        let outcome = |status| Outcome::of_status(status, Some("7"), now());
        assert_eq!(outcome(204), Outcome::Delivered);
        assert_eq!(outcome(404), Outcome::Final("it answered 404 Not Found".to_owned()));
        let Outcome::Final(why) = outcome(307) else { panic!("a redirect is final") };
        assert!(why.contains("not followed"), "{why}");
        for status in [429, 500, 503, 599] {
            let Outcome::Passing { after, .. } = outcome(status) else { panic!("{status}") };
            assert_eq!(after, Some(seconds(7)));
        }
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        assert_eq!(seconds_of(" 12 ", now()), Some(seconds(12)));
        assert_eq!(seconds_of("Fri, 02 Jan 2026 03:04:25 GMT", now()), Some(seconds(20)));
        assert_eq!(seconds_of("Thu, 01 Jan 2026 03:04:25 GMT", now()), Some(seconds(0)));
        assert_eq!(seconds_of("soon", now()), None);
        assert_eq!(seconds_of("-5", now()), None);
    }
}
