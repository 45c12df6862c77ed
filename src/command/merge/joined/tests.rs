use serde_json::json;

use super::*;
use crate::report::v1::Counts;

fn part(name: &str, shard: Option<&str>) -> Part {
    let scan = json!({
        "id": "x", "started_at": "2026-06-01T00:00:00Z", "finished_at": "2026-06-01T00:00:01Z",
        "command": "docksweep scan", "vantage": {"label": null, "source_addresses": []},
        "targets": ["10.0.0.0/24"], "excluded": ["10.0.0.1"], "ports": [2375, 2376],
        "engine": "connect", "seed": 7, "shard": shard, "addresses": 100,
        "counts": Counts { sent: 10, open: 1, silent: 4, ..Counts::default() },
        "complete": true, "incomplete_reason": null, "unresolved": [], "notes": [],
    });
    let scan = serde_json::from_value(scan).unwrap();
    Part { name: name.to_owned(), scan }
}

fn join(parts: &[Part]) -> Result<Scan, JoinError> {
    scan(parts, "docksweep merge".to_owned())
}

#[test]
fn all_shards_are_the_whole() {
    let parts = [part("c", Some("3/3")), part("a", Some("1/3")), part("b", Some("2/3"))];
    let joined = join(&parts).unwrap();
    assert!(joined.complete);
    assert_eq!((joined.incomplete_reason, joined.shard, joined.seed), (None, None, Some(7)));
    assert_eq!((joined.addresses, joined.counts.sent, joined.counts.open), (100, 30, 3));
    assert_eq!((joined.counts.answered, joined.counts.duplicates), (Some(3), None));
}

/// What is kept of runs goes by their id and place.
#[test]
fn the_order_of_the_files_makes_no_other_run() {
    let mut parts = ["1/3", "2/3", "3/3"].map(|shard| {
        let mut part = part(shard, Some(shard));
        part.scan.id = format!("x-{}", &shard[..1]);
        part.scan.vantage.label = Some(format!("rack {}", &shard[..1]));
        part
    });
    parts[1].scan.started_at = "2026-05-31T23:59:59Z".parse().unwrap();
    let joined = join(&parts).unwrap();
    assert_eq!(joined.id, "x-2-joined");
    assert_eq!(joined.vantage.label.as_deref(), Some("rack 1, rack 2, rack 3"));
    parts.reverse();
    let again = join(&parts).unwrap();
    assert_eq!((again.id, again.vantage.label), (joined.id, joined.vantage.label));
}

#[test]
fn missing_shards_are_named() {
    for (present, expected) in [
        (&["2/3", "3/3"][..], "shard 1 of 3 is missing"),
        (&["2/3"], "shards 1, 3 of 3 are missing"),
        (&["1/9", "5/9"], "shards 2-4, 6-9 of 9 are missing"),
        (&["1/18446744073709551615"], "shards 2-18446744073709551615 of 18446744073709551615"),
    ] {
        let parts: Vec<Part> = present.iter().map(|shard| part(shard, Some(shard))).collect();
        let joined = join(&parts).unwrap();
        let reason = joined.incomplete_reason.unwrap();
        assert!(!joined.complete && reason.starts_with(expected), "{reason}");
    }
}

#[test]
fn a_shard_that_was_cut_short_is_made_good_by_another_run_of_it() {
    let mut cut = part("cut", Some("1/2"));
    cut.scan.complete = false;
    cut.scan.incomplete_reason = Some("interrupted".to_owned());
    let other = part("other", Some("2/2"));
    let joined = join(&[cut.clone(), other.clone()]).unwrap();
    assert_eq!(joined.incomplete_reason.as_deref(), Some("cut: interrupted"));
    let joined = join(&[part("again", Some("1/2")), cut, other]).unwrap();
    assert!(joined.complete);
    assert_eq!(joined.counts.sent, 20);
    assert!(joined.notes.iter().any(|note| note.contains("1 of them repeat")));
}

#[test]
fn shards_of_another_scan_are_refused() {
    type Change = fn(&mut Scan);
    let changes: [(Change, &str); 6] = [
        (|scan| scan.shard = Some("2/4".to_owned()), "number of shards"),
        (|scan| scan.seed = Some(8), "seed"),
        (|scan| scan.targets.push("10.9.0.0/16".to_owned()), "targets"),
        (|scan| scan.excluded.clear(), "excludes"),
        (|scan| scan.ports.push(1), "ports"),
        (|scan| scan.addresses += 1, "number of addresses"),
    ];
    for (change, expected) in changes {
        let mut other = part("b", Some("2/3"));
        change(&mut other.scan);
        let error = join(&[part("a", Some("1/3")), other]).unwrap_err();
        assert!(matches!(error, JoinError::OtherSet { what, .. } if what == expected), "{error}");
    }
    let digests = |mine: &str, theirs: &str| {
        let (mut a, mut b) = (part("a", Some("1/3")), part("b", Some("2/3")));
        a.scan.targets_digest = Some(mine.to_owned());
        b.scan.targets_digest = Some(theirs.to_owned());
        b.scan.targets = vec!["10.0.0.0-10.0.0.255".to_owned()];
        join(&[a, b])
    };
    let joined = digests("1f", "1f").unwrap();
    assert_eq!((joined.targets_digest.as_deref(), joined.addresses), (Some("1f"), 100));
    let error = digests("1f", "2f").unwrap_err();
    assert!(matches!(error, JoinError::OtherSet { what: "targets", .. }), "{error}");
    let error = join(&[part("a", Some("4/3"))]).unwrap_err();
    assert!(matches!(error, JoinError::Shard { .. }), "{error}");
    assert_eq!(join(&[]), Err(JoinError::Nothing));
}

#[test]
fn scans_of_other_ranges_are_added_and_the_same_scan_is_refused() {
    let mut other = part("b", None);
    other.scan.targets = vec!["10.9.0.0/16".to_owned()];
    other.scan.excluded.clear();
    let joined = join(&[part("a", None), other]).unwrap();
    assert_eq!((joined.addresses, joined.counts.sent), (200, 20));
    assert!(joined.excluded.is_empty());
    assert!(joined.notes.iter().any(|note| note.ends_with("scans only: 10.0.0.1")));
    let error = join(&[part("a", None), part("b", None)]).unwrap_err();
    assert!(matches!(error, JoinError::SameScan { .. }), "{error}");
}
