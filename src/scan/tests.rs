use jiff::Timestamp;

use super::*;
use crate::observation::{Exchange, OBSERVATION_VERSION, PlainConnection};
use crate::sweep::Counts;

fn endpoint_at(last: u8, connection: Connection) -> v1::Endpoint {
    let observation = Observation {
        version: OBSERVATION_VERSION,
        endpoint: Endpoint {
            address: [198, 18, 7, last].into(),
            port: 2375,
            names: Vec::new(),
            sni: None,
        },
        observed_at: Timestamp::UNIX_EPOCH,
        connections: vec![connection],
        certificates: Vec::new(),
        cut_short: None,
        audit: None,
        cipher_suites: None,
        untrusted: None,
    };
    judge(observation, Basis::embedded().unwrap())
}

fn unanswered(end: StreamEnd) -> Connection {
    let result = ExchangeResult::Unanswered(end);
    Connection::Plain(PlainConnection {
        connect_error: None,
        exchanges: vec![Exchange { path: "/version".to_owned(), result }],
    })
}

fn refused() -> Connection {
    let error = "Connection refused (os error 111)".to_owned();
    Connection::Plain(PlainConnection {
        connect_error: Some(StreamEnd::ConnectFailed { error }),
        exchanges: Vec::new(),
    })
}

fn swept(counts: Counts) -> SweepOutcome {
    SweepOutcome {
        counts,
        left_out: 0,
        refused: 0,
        local_errors: Vec::new(),
        notes: Vec::new(),
        stopped: None,
    }
}

/// The outcome of `count` endpoints of one network, and how many were announced as judged.
fn collect(count: u8, connection: impl Fn() -> Connection) -> (ScanOutcome, usize) {
    let mut announced = 0;
    let mut collected = Collected::default();
    for last in 1..=count {
        collected.take(endpoint_at(last, connection()), &mut |_| announced += 1);
    }
    let outcome = collected.outcome(swept(Counts::default()), None, &mut |_| announced += 1);
    (outcome, announced)
}

#[test]
fn many_mute_ports_of_a_network_become_one_note_everywhere() {
    let silent = || unanswered(StreamEnd::TimedOut { waited_ms: 3000 });
    let (outcome, announced) = collect(32, silent);
    assert_eq!((outcome.endpoints.len(), announced, outcome.notes.len()), (32, 32, 0));
    let (outcome, announced) = collect(33, silent);
    assert_eq!((outcome.endpoints.len(), announced), (0, 0), "as in the report, so in the stream");
    assert!(
        outcome.notes[0].starts_with("33 ports in 198.18.7.0/24 accept"),
        "{:?}",
        outcome.notes
    );
}

#[test]
fn ports_that_answered_or_could_not_be_reached_are_not_mute() {
    let banner = StreamEnd::OtherProtocol { first_bytes: crate::observation::Der(b"SSH".to_vec()) };
    let (outcome, _) = collect(40, || unanswered(banner.clone()));
    assert_eq!((outcome.endpoints.len(), outcome.notes.len()), (40, 0));
    let (outcome, _) = collect(40, refused);
    assert_eq!((outcome.endpoints.len(), outcome.notes.len()), (40, 0));
}

#[test]
fn probes_that_were_not_made_leave_the_scan_incomplete() {
    let counts = Counts { probes: 3, closed: 1, not_probed: 2, ..Counts::default() };
    let outcome = Collected::default().outcome(swept(counts), None, &mut |_| {});
    assert_eq!(outcome.incomplete_reason.as_deref(), Some("2 probes could not be made"));
    let counts = Counts { probes: 3, closed: 1, not_probed: 2, ..Counts::default() };
    let swept_with_less = SweepOutcome { left_out: 2, ..swept(counts) };
    let outcome = Collected::default().outcome(swept_with_less, None, &mut |_| {});
    assert_eq!(outcome.incomplete_reason, None, "nothing is missing of what names no host");
    let counts = Counts { probes: 1, closed: 1, ..Counts::default() };
    let outcome = Collected::default().outcome(swept(counts), None, &mut |_| {});
    assert_eq!((outcome.incomplete_reason, outcome.left_over), (None, false));
    let counts = Counts { probes: 1, not_probed: 1, ..Counts::default() };
    let swept_in_part = SweepOutcome { refused: 1, ..swept(counts) };
    let outcome = Collected::default().outcome(swept_in_part, None, &mut |_| {});
    assert!(outcome.left_over, "another run may send it");
}
