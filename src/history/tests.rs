//! What goes in comes out; what is not ours, newer or damaged is refused and left alone.

use std::ops::ControlFlow;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use jiff::{SignedDuration, Timestamp};

use super::read::State;
use super::*;
use crate::assess::assess;
use crate::diff::Seen;
use crate::report::sample;
use crate::report::v1::{Absent, AbsentState, Report};
use crate::rules::fleet::EndpointKeys;

struct Bed {
    folder: tempfile::TempDir,
}

impl Bed {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("nights.db")
    }

    fn open(&self) -> History {
        History::open(&self.path(), Missing::Create).unwrap()
    }
}

/// A complete run of the sample's endpoints, that many nights after the first.
fn night(number: i64) -> Report {
    let mut report = sample::report();
    let start: Timestamp = "2026-01-02T03:04:05Z".parse().unwrap();
    report.scan.id = format!("night-{number}");
    report.scan.started_at = start + SignedDuration::from_hours(24 * number);
    report.scan.finished_at = report.scan.started_at;
    report.scan.complete = true;
    report.scan.absent.clear();
    report
}

/// `Err` within: it was kept before.
fn record(history: &mut History, report: &Report) -> Result<Result<i64, i64>, HistoryError> {
    let Report { scan, tool, fleet_findings, .. } = report;
    let mut recording = match history.begin(scan, tool)? {
        Begun::New(recording) => recording,
        Begun::Before(run) => return Ok(Err(run)),
    };
    for endpoint in &report.endpoints {
        let observation = &endpoint.observation;
        recording.add(endpoint, &EndpointKeys::of(observation, &assess(observation)))?;
    }
    recording.finish(scan, fleet_findings).map(Ok)
}

fn kept(history: &mut History, report: &Report) -> i64 {
    record(history, report).unwrap().unwrap()
}

fn endpoints(history: &History, run: i64) -> Vec<Seen> {
    let mut seen = Vec::new();
    let each = |endpoint| {
        seen.push(endpoint);
        ControlFlow::Continue(())
    };
    history.endpoints(run, each).unwrap();
    seen
}

fn count(history: &History, table: &str) -> i64 {
    let query = format!("SELECT count(*) FROM {table}");
    history.connection.query_row(&query, [], |row| row.get(0)).unwrap()
}

#[test]
fn what_goes_in_comes_out() {
    let bed = Bed::new();
    let mut history = bed.open();
    let report = night(0);
    let run = kept(&mut history, &report);
    let expected: Vec<Seen> = report.endpoints.iter().map(Seen::from).collect();
    let mut read = endpoints(&history, run);
    // What proved a key in the report's words need not be in the sample's observation.
    for (read, expected) in read.iter_mut().zip(&expected) {
        if let (Some(read), Some(expected)) = (&mut read.facts.tls, &expected.facts.tls) {
            read.key_proved = expected.key_proved;
        }
    }
    assert_eq!(read, expected);
    let side = history.side(run).unwrap();
    assert_eq!(side.run.id, "night-0");
    assert_eq!(side.fleet.unwrap().len(), report.fleet_findings.len());
    let runs = history.runs().unwrap();
    assert_eq!(runs.len(), 1);
    assert_eq!((&runs[0].scan, runs[0].summary), (&report.scan, report.summary));
    assert_eq!(runs[0].worst.as_deref(), Some("critical"));
    assert_eq!(std::fs::metadata(bed.path()).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn what_is_seen_again_unchanged_is_stored_once() {
    let bed = Bed::new();
    let mut history = bed.open();
    kept(&mut history, &night(0));
    let tables = ["endpoint", "observation", "finding", "rule", "modulus"];
    let before = tables.map(|table| count(&history, table));
    let second = kept(&mut history, &night(1));
    assert_eq!(tables.map(|table| count(&history, table)), before);
    assert_eq!(count(&history, "seen"), 2 * before[0]);
    let mut changed = night(2);
    changed.endpoints[0].api.reason = "another one".to_owned();
    kept(&mut history, &changed);
    assert_eq!(count(&history, "observation"), before[1] + 1);
    assert_eq!(endpoints(&history, second).len(), changed.endpoints.len());
    let known = history.address(changed.endpoints[0].address).unwrap();
    let [Known { periods, .. }] = known.as_slice() else { panic!("{known:?}") };
    assert_eq!(periods.iter().map(|it| it.runs).collect::<Vec<_>>(), [2, 1]);
    assert_eq!(periods[0].numbers, (1, 2));
    assert!(history.address("192.0.2.1".parse().unwrap()).unwrap().is_empty());
}

#[test]
fn a_run_is_there_once_and_one_that_was_cut_short_gives_way() {
    let bed = Bed::new();
    let mut history = bed.open();
    let mut cut = night(0);
    cut.scan.complete = false;
    cut.endpoints.truncate(2);
    kept(&mut history, &cut);
    let run = kept(&mut history, &night(0));
    assert_eq!(history.runs().unwrap().len(), 1);
    assert_eq!(endpoints(&history, run).len(), night(0).endpoints.len());
    assert_eq!(record(&mut history, &night(0)).unwrap(), Err(run));
    assert_eq!(history.run("night-0").unwrap(), run);
    assert_eq!(history.run(&run.to_string()).unwrap(), run);
    let error = history.run("night-9").unwrap_err().to_string();
    assert!(error.ends_with("nights.db has no run 'night-9'"), "{error}");
}

#[test]
fn runs_are_compared_with_the_last_complete_one_of_their_targets() {
    let bed = Bed::new();
    let mut history = bed.open();
    assert_eq!(history.last_two().unwrap(), None);
    let first = kept(&mut history, &night(0));
    assert_eq!(history.last_two().unwrap(), None);
    assert_eq!(history.previous(&night(0).scan).unwrap(), None, "not with itself");
    let mut cut = night(1);
    cut.scan.complete = false;
    kept(&mut history, &cut);
    let mut elsewhere = night(2);
    elsewhere.scan.vantage.label = Some("oslo".to_owned());
    kept(&mut history, &elsewhere);
    let mut shard = night(2);
    (shard.scan.id, shard.scan.shard) = ("shard".to_owned(), Some("1/2".to_owned()));
    kept(&mut history, &shard);
    let mut other = night(2);
    other.scan.id = "other".to_owned();
    (other.scan.targets, other.scan.targets_digest) = (vec!["10.9.0.0/16".to_owned()], None);
    kept(&mut history, &other);
    assert_eq!(history.previous(&night(3).scan).unwrap(), Some(first));
    // The same pairs in other words, and the same words that lead elsewhere.
    let mut worded = night(3);
    worded.scan.targets = vec!["10.0.0.0-10.0.0.255".to_owned()];
    assert_eq!(history.previous(&worded.scan).unwrap(), Some(first));
    let mut moved = night(3);
    moved.scan.targets_digest = Some("00".repeat(32));
    assert_eq!(history.previous(&moved.scan).unwrap(), Some(first));
    let fourth = kept(&mut history, &night(4));
    assert_eq!(history.last_two().unwrap(), Some((first, fourth)));
    // One that is brought in late is no run before an earlier one.
    assert_eq!(history.previous(&night(3).scan).unwrap(), Some(first));
}

#[test]
fn who_is_away_is_not_forgotten_until_the_port_is_closed() {
    let bed = Bed::new();
    let mut history = bed.open();
    let away = |number, state| {
        let mut report = night(number);
        let id = report.endpoints.remove(0).id;
        report.scan.absent = vec![Absent { id, state, reason: String::new() }];
        report
    };
    let all = night(0).endpoints.len();
    kept(&mut history, &night(0));
    let second = kept(&mut history, &away(1, AbsentState::Silent));
    let third = kept(&mut history, &away(2, AbsentState::Silent));
    for run in [second, third] {
        let carried = &endpoints(&history, run)[0];
        assert_eq!(carried.last_seen, Some(night(0).scan.started_at));
        assert_eq!(endpoints(&history, run).len(), all);
    }
    let recalled = history.recall(&night(3).scan, |_| true).unwrap();
    assert_eq!(recalled.expected.len(), all);
    // After a month it is not asked for any more.
    let recalled = history.recall(&night(32).scan, |_| true).unwrap();
    assert_eq!(recalled.expected.len(), all - 1);
    let fourth = kept(&mut history, &away(3, AbsentState::Closed));
    assert_eq!(endpoints(&history, fourth).len(), all - 1);
    let known = history.address(night(0).endpoints[0].address).unwrap();
    let states: Vec<_> = known[0].periods.iter().map(|it| (it.runs, &it.state)).collect();
    let [(1, State::Seen(_)), (2, State::Absent(silent)), (1, State::Absent(closed))] =
        states.as_slice()
    else {
        panic!("{states:?}")
    };
    assert_eq!((*silent, *closed), (AbsentState::Silent, AbsentState::Closed));
}

/// A report that knew of no history does not say what became of the others: they are carried along
/// as those are that did not answer.
#[test]
fn who_is_not_mentioned_is_not_forgotten() {
    let bed = Bed::new();
    let mut history = bed.open();
    let without = |number| {
        let mut report = night(number);
        report.endpoints.remove(0);
        report
    };
    let all = night(0).endpoints.len();
    kept(&mut history, &night(0));
    let second = kept(&mut history, &without(1));
    let third = kept(&mut history, &without(2));
    for run in [second, third] {
        let known = endpoints(&history, run);
        assert_eq!(known.len(), all);
        assert_eq!(known[0].last_seen, Some(night(0).scan.started_at));
        assert!(known[1..].iter().all(|seen| seen.last_seen.is_none()));
    }
    assert_eq!(history.recall(&night(3).scan, |_| true).unwrap().expected.len(), all);
    let known = history.address(night(0).endpoints[0].address).unwrap();
    let states: Vec<_> = known[0].periods.iter().map(|it| (it.runs, &it.state)).collect();
    assert!(matches!(states.as_slice(), [(1, State::Seen(_)), (2, State::Unsaid)]), "{states:?}");
    // A run that was cut short says nothing of anybody.
    let mut cut = without(3);
    cut.scan.complete = false;
    let cut = kept(&mut history, &cut);
    assert_eq!(endpoints(&history, cut).len(), all - 1);
    // After a month nobody waits for it.
    let late = kept(&mut history, &without(40));
    assert_eq!(endpoints(&history, late).len(), all - 1);
}

/// Of an earlier run that is brought in late: what was known then, not what is known today.
#[test]
fn a_run_that_comes_late_takes_its_place() {
    let bed = Bed::new();
    let mut history = bed.open();
    kept(&mut history, &night(0));
    let mut changed = night(4);
    changed.endpoints[0].api.reason = "of later".to_owned();
    kept(&mut history, &changed);
    let last = kept(&mut history, &night(5));
    let mut late = night(2);
    let id = late.endpoints.remove(0).id;
    late.scan.absent = vec![Absent { id, state: AbsentState::Silent, reason: String::new() }];
    let late = kept(&mut history, &late);
    let carried = endpoints(&history, late).remove(0);
    assert_eq!(carried.facts.access_reason, night(0).endpoints[0].api.reason);
    assert_eq!(carried.last_seen, Some(night(0).scan.started_at));
    assert_eq!(history.last_two().unwrap().unwrap().1, last);
}

/// What the merge of two reports or a faulty one may hold: the same endpoint both ways.
#[test]
fn who_is_listed_is_not_absent() {
    let bed = Bed::new();
    let mut history = bed.open();
    kept(&mut history, &night(0));
    let mut both = night(1);
    let id = both.endpoints[0].id.clone();
    both.scan.absent = vec![Absent { id, state: AbsentState::Silent, reason: String::new() }];
    let run = kept(&mut history, &both);
    assert_eq!(endpoints(&history, run).len(), both.endpoints.len());
    assert_eq!(count(&history, "absent"), 0);
}

#[test]
fn old_runs_go_with_all_that_only_they_saw() {
    let bed = Bed::new();
    let mut history = bed.open();
    let mut first = night(0);
    first.endpoints[0].api.reason = "seen once".to_owned();
    kept(&mut history, &first);
    let mut cut = night(1);
    cut.scan.complete = false;
    kept(&mut history, &cut);
    // Away since the second night, known from the first.
    let mut away = night(2);
    away.endpoints.truncate(1);
    let second = kept(&mut history, &away);
    let mut other = night(2);
    (other.scan.id, other.scan.targets) = ("other".to_owned(), vec!["10.9.0.0/16".to_owned()]);
    (other.scan.targets_digest, other.endpoints) = (None, Vec::new());
    kept(&mut history, &other);
    let known = endpoints(&history, second);
    assert_eq!(history.prune(night(2).scan.started_at).unwrap(), 2);
    assert_eq!(endpoints(&history, second), known, "also who is away");
    assert_eq!(count(&history, "observation"), i64::try_from(known.len()).unwrap());
    // The last complete run of each target list stays, however old.
    let late = night(99).scan.started_at;
    assert_eq!(history.prune(late).unwrap(), 0);
    let mut moved = night(50);
    moved.endpoints.truncate(1);
    let last = kept(&mut history, &moved);
    assert_eq!(history.prune(late).unwrap(), 1);
    history.compact().unwrap();
    let numbers: Vec<i64> = history.runs().unwrap().iter().map(|run| run.number).collect();
    assert_eq!(numbers, [4, last]);
    assert_eq!(["endpoint", "observation", "seen"].map(|it| count(&history, it)), [1; 3]);
    let findings = i64::try_from(moved.endpoints[0].findings.len()).unwrap();
    assert_eq!((count(&history, "finding"), count(&history, "absent")), (findings, 0));
    assert_eq!(count(&history, "pragma_foreign_key_check"), 0);
}

/// A file that the first version wrote, with a run in it.
#[test]
fn an_older_history_is_brought_up_to_date() {
    let bed = Bed::new();
    kept(&mut bed.open(), &night(0));
    let older = Connection::open(bed.path()).unwrap();
    older.execute_batch("DROP INDEX absent_by_observation; PRAGMA user_version = 1").unwrap();
    let tables = "SELECT count(*), sum(length(sql)) FROM sqlite_schema WHERE sql NOT NULL";
    let shape = |connection: &Connection| -> (i64, i64) {
        connection.query_row(tables, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap()
    };
    let first = Connection::open_in_memory().unwrap();
    first.execute_batch(include_str!("schema-1.sql")).unwrap();
    assert_eq!(shape(&older), shape(&first));
    drop(older);
    let mut history = bed.open();
    assert_eq!(shape(&history.connection), shape(&Bed::new().open().connection));
    assert_eq!(history.runs().unwrap().len(), 1);
    kept(&mut history, &night(1));
    assert!(history.last_two().unwrap().is_some());
}

/// Opening `bytes` fails with `expected` in its words and leaves every byte as it is.
#[track_caller]
fn assert_refused(bytes: &[u8], expected: &str) {
    let bed = Bed::new();
    std::fs::write(bed.path(), bytes).unwrap();
    let error = match History::open(&bed.path(), Missing::Create) {
        Ok(history) => record(&mut { history }, &night(9)).unwrap_err(),
        Err(error) => error,
    };
    let text = format!("{error}: {:?}", std::error::Error::source(&error));
    assert!(text.contains("nights.db") && text.contains(expected), "{text}");
    assert!(error.hint().is_some(), "{text}");
    assert!(std::fs::read(bed.path()).unwrap() == bytes, "{expected}: the file was changed");
}

fn database() -> Vec<u8> {
    let bed = Bed::new();
    kept(&mut bed.open(), &night(0));
    std::fs::read(bed.path()).unwrap()
}

#[test]
fn what_is_no_history_is_refused_and_left_alone() {
    assert_refused(
        b"my notes, more than a hundred bytes of them, at the end of the day\n",
        "no SQLite",
    );
    let bed = Bed::new();
    let other = Connection::open(bed.path()).unwrap();
    other.execute_batch("CREATE TABLE bookmark (url TEXT)").unwrap();
    drop(other);
    assert_refused(&std::fs::read(bed.path()).unwrap(), "another program's database");
    let other = Connection::open(bed.path()).unwrap();
    other.pragma_update(None, "application_id", 17).unwrap();
    drop(other);
    assert_refused(&std::fs::read(bed.path()).unwrap(), "another program's database");
}

#[test]
fn a_newer_history_is_refused_with_its_version() {
    let bed = Bed::new();
    kept(&mut bed.open(), &night(0));
    let newer = Connection::open(bed.path()).unwrap();
    newer.pragma_update(None, "user_version", 7).unwrap();
    drop(newer);
    assert_refused(
        &std::fs::read(bed.path()).unwrap(),
        "a history of version 7, and this program knows versions up to 2",
    );
}

#[test]
fn a_damaged_history_is_named_and_left_alone() {
    let whole = database();
    assert_refused(&whole[..60], "cut off");
    assert_refused(&whole[..whole.len() / 2], "is damaged");
    assert_refused(&whole[..whole.len() - 4096], "is damaged");
    // A page of nonsense in the middle.
    let mut broken = whole.clone();
    let middle = broken.len() / 4096 / 2 * 4096;
    broken[middle..middle + 4096].fill(0xa5);
    assert_refused(&broken, "is damaged");
}

#[test]
fn where_nothing_is_to_be_made_nothing_is_made() {
    let bed = Bed::new();
    assert!(History::open(&bed.path(), Missing::Refuse).is_err());
    assert!(!bed.path().exists());
    // A pipe would keep us waiting for who writes to it.
    let pipe = bed.folder.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    for path in [bed.folder.path(), &pipe, "/dev/null".as_ref()] {
        let error = History::open(path, Missing::Create).unwrap_err();
        assert!(error.to_string().contains("it is no file"), "{error}");
    }
    // A symbolic link is followed, and must lead somewhere.
    let link = bed.folder.path().join("link");
    std::os::unix::fs::symlink(bed.path(), &link).unwrap();
    let error = History::open(&link, Missing::Create).unwrap_err();
    assert!(matches!(error, HistoryError::Io { .. }), "{error:?}");
    kept(&mut bed.open(), &night(0));
    assert_eq!(History::open(&link, Missing::Refuse).unwrap().runs().unwrap().len(), 1);
}

#[test]
fn half_a_run_is_no_run() {
    let bed = Bed::new();
    let mut history = bed.open();
    let report = night(0);
    let Begun::New(mut recording) = history.begin(&report.scan, &report.tool).unwrap() else {
        panic!("it was kept before")
    };
    let observation = &report.endpoints[0].observation;
    let keys = EndpointKeys::of(observation, &assess(observation));
    recording.add(&report.endpoints[0], &keys).unwrap();
    drop(recording);
    assert_eq!(["run", "endpoint", "observation", "seen"].map(|it| count(&history, it)), [0; 4]);
}
