//! What counts as new, fixed, changed and gone, and what must not.

use std::collections::HashMap;
use std::path::Path;

use schemars::generate::SchemaSettings;

use super::side::{Facts, FindingSeen, FleetSeen, TlsSeen};
use super::*;
use crate::observation::TlsVersion;
use crate::report::v1::{Absent, AbsentState, Access, Grade, Suppression, UndeterminedRule};
use crate::report::{TextOptions, json};

const SCHEMA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/schema/diff-v1.json");

fn run(id: &str, at: &str) -> Run {
    Run {
        id: id.to_owned(),
        started_at: at.parse().unwrap(),
        finished_at: at.parse().unwrap(),
        vantage: None,
        targets: vec!["10.0.0.0/24".to_owned()],
        complete: true,
    }
}

fn side(run: Run) -> Side {
    Side {
        run,
        excluded: Vec::new(),
        ports: vec![2375, 2376],
        targets_digest: Some("d1".to_owned()),
        rules_version: Some("1".to_owned()),
        data_date: Some("2026-11-01".to_owned()),
        absent: HashMap::new(),
        fleet: Some(Vec::new()),
    }
}

fn monday() -> Side {
    side(run("mon", "2026-11-30T02:00:00Z"))
}

fn tuesday() -> Side {
    side(run("tue", "2026-12-01T02:00:00Z"))
}

/// An endpoint whose rules all passed.
fn seen(last: u8) -> Seen {
    Seen {
        id: format!("tcp/10.0.0.{last}:2376"),
        address: [10, 0, 0, last].into(),
        port: 2376,
        last_seen: None,
        facts: Facts {
            plain: false,
            access: Access::Open,
            access_reason: "all four answer".to_owned(),
            version: Some("docker-engine 28.5.2".to_owned()),
            certificate: Some("aa".to_owned()),
            tls: Some(TlsSeen {
                accepted: vec![TlsVersion::Tls12, TlsVersion::Tls13],
                undetermined: vec![TlsVersion::Tls10],
                key_proved: true,
            }),
            grade: Some(Grade::A),
        },
        findings: Vec::new(),
        passed: ["api-open", "cert-expired", "cert-self-signed"].map(str::to_owned).into(),
        undetermined: Vec::new(),
    }
}

fn finding(rule: &str, severity: Severity, subject: Option<&str>) -> FindingSeen {
    FindingSeen {
        id: format!("{rule}/{}", subject.unwrap_or_default()),
        rule: rule.to_owned(),
        severity,
        subject: subject.map(str::to_owned),
        title: format!("Title of {rule}"),
        evidence: "GET /version: 200".to_owned(),
        suppressed: None,
    }
}

/// With a finding, whose rule then did not pass.
fn with(mut seen: Seen, finding: FindingSeen) -> Seen {
    seen.passed.retain(|rule| *rule != finding.rule);
    seen.findings.push(finding);
    seen
}

fn undetermined(mut seen: Seen, rule: &str) -> Seen {
    seen.passed.retain(|passed| passed != rule);
    let reason = "the handshake timed out".to_owned();
    seen.undetermined.push(UndeterminedRule { rule: rule.to_owned().into(), reason });
    seen
}

fn compare(before: (Side, Vec<Seen>), after: (Side, Vec<Seen>)) -> Difference {
    let mut comparison = Comparison::new(before.0, after.0);
    let ok = |seen| Ok::<Seen, NotInOrder>(seen);
    join(before.1.into_iter().map(ok), after.1.into_iter().map(ok), |before, after| {
        comparison.endpoint(before, after);
    })
    .unwrap();
    comparison.finish()
}

fn nights(before: Vec<Seen>, after: Vec<Seen>) -> Difference {
    compare((monday(), before), (tuesday(), after))
}

fn rules(list: &[FindingChange]) -> Vec<&str> {
    list.iter().map(|finding| finding.rule.as_str()).collect()
}

/// Lengths of new, fixed, changed, gone, not reached, appeared.
fn shape(difference: &Difference) -> [usize; 6] {
    let Difference { new, fixed, changed, gone, not_reached, appeared, .. } = difference;
    [new.len(), fixed.len(), changed.len(), gone.len(), not_reached.len(), appeared.len()]
}

fn open_api() -> FindingSeen {
    finding("api-open", Severity::Critical, None)
}

#[test]
fn the_same_run_twice_is_no_difference() {
    let fleet = || vec![with(seen(5), open_api()), seen(6)];
    let difference = nights(fleet(), fleet());
    assert!(difference.is_empty(), "{difference:?}");
    assert_eq!(difference.notes, Vec::<String>::new());
    assert!(!difference.reaches(Severity::Info));
    assert!(text::render(&difference, TextOptions::default()).contains("No difference."));
}

#[test]
fn a_finding_comes_and_goes_by_the_word_of_its_rule() {
    let came = nights(vec![seen(5)], vec![with(seen(5), open_api())]);
    assert_eq!(shape(&came), [1, 0, 0, 0, 0, 0]);
    assert_eq!(came.new[0].because, "its rule was kept then");
    assert!(came.reaches(Severity::Critical));
    let went = nights(vec![with(seen(5), open_api())], vec![seen(5)]);
    assert_eq!(shape(&went), [0, 1, 0, 0, 0, 0]);
    assert_eq!(went.fixed[0].because, "its rule is kept now");
    assert!(!went.reaches(Severity::Info));
}

#[test]
fn what_cannot_be_judged_any_more_is_not_fixed() {
    let before = || vec![with(seen(5), open_api())];
    let difference = nights(before(), vec![undetermined(seen(5), "api-open")]);
    assert_eq!(shape(&difference), [0, 0, 0, 0, 1, 0]);
    let open = &difference.not_reached[0];
    assert_eq!(open.scope, Scope::Findings);
    assert_eq!(open.findings[0].because, "undetermined: the handshake timed out");

    // No rule says a word where access is undetermined.
    let mut mute = seen(5);
    mute.passed.clear();
    mute.facts = Facts {
        access: Access::Undetermined,
        access_reason: "no answer in 3 s".to_owned(),
        version: None,
        certificate: None,
        tls: None,
        grade: None,
        ..mute.facts
    };
    let difference = nights(before(), vec![mute.clone()]);
    assert_eq!(shape(&difference), [0, 0, 0, 0, 1, 0], "{difference:?}");
    assert!(difference.not_reached[0].because.contains("no answer in 3 s"));
    // Also where there was nothing to find.
    assert_eq!(shape(&nights(vec![seen(5)], vec![mute.clone()])), [0, 0, 0, 0, 1, 0]);
    // And the other way round it is new, and says what was known then.
    let difference = nights(vec![mute], before());
    assert_eq!(rules(&difference.new), ["api-open"]);
    assert!(difference.new[0].because.contains("undetermined then"), "{difference:?}");
    let was_undetermined = vec![undetermined(seen(5), "api-open")];
    let difference = nights(was_undetermined, before());
    assert!(difference.new[0].because.starts_with("undetermined then: "), "{difference:?}");
}

#[test]
fn a_rule_that_does_not_apply_any_more_takes_its_finding_along() {
    let mut plain = seen(5);
    plain.passed.retain(|rule| rule != "cert-expired");
    plain.facts.plain = true;
    plain.facts.tls = None;
    plain.facts.certificate = None;
    let expired = finding("cert-expired", Severity::High, Some("leaf aa"));
    let difference = nights(vec![with(seen(5), expired)], vec![plain]);
    assert_eq!(shape(&difference), [0, 1, 0, 0, 0, 0]);
    assert_eq!(difference.fixed[0].because, "its rule does not apply any more");
}

/// A rule that says no word because nobody looked has fixed nothing.
#[test]
fn what_was_not_looked_at_is_not_fixed() {
    let silent = |rule: &str, change: &dyn Fn(&mut Seen)| {
        let mut after = seen(5);
        change(&mut after);
        let found = finding(rule, Severity::High, Some("it"));
        let difference = nights(vec![with(seen(5), found)], vec![after]);
        let [_, fixed, _, _, open, _] = shape(&difference);
        assert_eq!(fixed + open, 1, "{rule}: {difference:?}");
        fixed == 1
    };
    let as_it_was = &|_: &mut Seen| {};
    let behind_a_certificate =
        &|seen: &mut Seen| seen.facts.access = Access::ClientCertificateRequired;
    let other_service = &|seen: &mut Seen| seen.facts.access = Access::NotDocker;
    let plain = &|seen: &mut Seen| (seen.facts.plain, seen.facts.tls) = (true, None);
    let no_tls = &|seen: &mut Seen| seen.facts.tls = None;
    let audited = &|seen: &mut Seen| {
        behind_a_certificate(seen);
        seen.passed.push("engine-rootful".to_owned());
    };
    // Without the option by which it was found, or without what it was read from.
    assert!(!silent("client-cert-unverified", as_it_was));
    assert!(!silent("cert-untrusted", as_it_was));
    assert!(!silent("cert-chain-incomplete", as_it_was));
    assert!(!silent("container-privileged", as_it_was));
    assert!(!silent("container-privileged", behind_a_certificate));
    assert!(!silent("engine-rootful", behind_a_certificate));
    assert!(!silent("engine-advisory", behind_a_certificate));
    assert!(!silent("swarm-autolock-off", behind_a_certificate));
    assert!(!silent("cert-no-san", no_tls));
    assert!(!silent("of-tomorrow", as_it_was));
    // With it, the endpoint has nothing more of the kind.
    assert!(silent("client-cert-unverified", plain));
    assert!(silent("client-cert-optional", as_it_was));
    assert!(silent("cert-name-mismatch", as_it_was));
    assert!(silent("tls-version-1.0", plain));
    assert!(silent("container-privileged", other_service));
    assert!(silent("engine-rootful", other_service));
    assert!(silent("swarm-autolock-off", audited));
    assert!(silent("api-filtered", behind_a_certificate));
}

#[test]
fn a_container_that_could_not_be_read_is_not_fixed() {
    let container = |id: &str| {
        finding("container-privileged", Severity::High, Some(&format!("container {id}")))
    };
    let before = vec![with(with(seen(5), container("1")), container("2"))];
    let read = vec![with(seen(5), container("2"))];
    assert_eq!(shape(&nights(before.clone(), read.clone())), [0, 1, 0, 0, 0, 0]);
    let in_part = read.into_iter().map(|seen| undetermined(seen, "container-host-mount"));
    let difference = nights(before, in_part.collect());
    assert_eq!(shape(&difference), [0, 0, 0, 0, 1, 0]);
    let because = &difference.not_reached[0].findings[0].because;
    assert_eq!(because, "not all containers were read");
}

#[test]
fn a_grade_is_better_only_by_what_was_judged_again() {
    let graded = |seen: Seen, grade| {
        let facts = Facts { grade: Some(grade), ..seen.facts.clone() };
        Seen { facts, ..seen }
    };
    let before = || vec![graded(with(seen(5), open_api()), Grade::F)];
    let unknown = |grade| vec![graded(undetermined(seen(5), "api-open"), grade)];
    assert_eq!(shape(&nights(before(), unknown(Grade::A))), [0, 0, 0, 0, 1, 0]);
    let worse = nights(unknown(Grade::A), before());
    assert_eq!(shape(&worse), [1, 0, 1, 0, 0, 0]);
    assert_eq!(shape(&nights(before(), vec![seen(5)])), [0, 1, 1, 0, 0, 0]);
}

fn absent(mut side: Side, id: &str, state: AbsentState) -> Side {
    side.absent.insert(id.to_owned(), (state, "so it said".to_owned()));
    side
}

#[test]
fn only_a_closed_port_is_gone() {
    let before = || (monday(), vec![with(seen(5), open_api())]);
    let id = "tcp/10.0.0.5:2376";
    let closed = compare(before(), (absent(tuesday(), id, AbsentState::Closed), vec![]));
    assert_eq!(shape(&closed), [0, 1, 0, 1, 0, 0]);
    assert_eq!((closed.gone[0].access.as_str(), closed.gone[0].findings), ("open", 1));
    assert_eq!(closed.fixed[0].because, "its port is closed: so it said");
    let states = [
        (AbsentState::Silent, "does not answer"),
        (AbsentState::Unreachable, "no way leads to it"),
        (AbsentState::NotProbed, "not asked"),
        (AbsentState::NotInTargets, "not among the targets"),
        (AbsentState::NotListed, "says nothing"),
    ];
    for (state, words) in states {
        let away = compare(before(), (absent(tuesday(), id, state), vec![]));
        assert_eq!(shape(&away), [0, 0, 0, 0, 1, 0], "{state:?}");
        let not_reached = &away.not_reached[0];
        assert!(not_reached.because.contains(words), "{}", not_reached.because);
        assert_eq!(not_reached.scope, Scope::Endpoint);
        assert_eq!(rules(&not_reached.findings), ["api-open"]);
    }
    // A report that does not say is taken by its word.
    let unsaid = compare(before(), (tuesday(), vec![]));
    assert_eq!(shape(&unsaid), [0, 0, 0, 0, 1, 0]);
    assert!(unsaid.not_reached[0].because.contains("nor say whether"));
    let mut cut = tuesday();
    cut.run.complete = false;
    let cut = compare(before(), (cut, vec![]));
    assert!(cut.not_reached[0].because.contains("cut short"));
    assert_eq!(cut.notes, ["the later run was cut short"]);
}

#[test]
fn what_was_away_and_comes_back_is_compared_with_what_was_last_seen() {
    let mut away = with(seen(5), open_api());
    away.last_seen = Some("2026-11-28T02:00:00Z".parse().unwrap());
    // Back with what it had: nothing is new.
    let back = nights(vec![away.clone()], vec![with(seen(5), open_api())]);
    assert!(back.is_empty(), "{back:?}");
    // Still away: the later run knows it from others alone.
    let still = nights(vec![away.clone()], vec![away.clone()]);
    assert_eq!(shape(&still), [0, 0, 0, 0, 1, 0]);
    assert!(still.not_reached[0].because.ends_with("last seen 2026-11-28 02:00 UTC"));
    // A file that has not seen it says so.
    let id = "tcp/10.0.0.5:2376";
    let silent = absent(monday(), id, AbsentState::Silent);
    let appeared = compare((silent, vec![]), (tuesday(), vec![with(seen(5), open_api())]));
    assert_eq!(shape(&appeared), [1, 0, 0, 0, 0, 1]);
    assert!(appeared.new[0].because.starts_with("not reached then: it does not answer"));
}

#[test]
fn facts_change_only_between_what_is_known() {
    let mut after = seen(5);
    after.facts.access = Access::ClientCertificateRequired;
    after.facts.version = Some("docker-engine 29.0.1".to_owned());
    after.facts.certificate = Some("bb".to_owned());
    after.facts.grade = Some(Grade::B);
    after.facts.tls.as_mut().unwrap().accepted = vec![TlsVersion::Tls13];
    let difference = nights(vec![seen(5)], vec![after.clone()]);
    assert_eq!(shape(&difference), [0, 0, 1, 0, 0, 0]);
    let facts: Vec<_> = difference.changed[0]
        .facts
        .iter()
        .map(|change| (change.fact, change.before.as_deref(), change.after.as_deref()))
        .collect();
    assert_eq!(
        facts,
        [
            (Fact::Access, Some("open"), Some("client-certificate-required")),
            (Fact::Version, Some("docker-engine 28.5.2"), Some("docker-engine 29.0.1")),
            (Fact::Certificate, Some("aa"), Some("bb")),
            (Fact::TlsVersions, Some("TLSv1.2, TLSv1.3"), Some("TLSv1.3")),
            (Fact::Grade, Some("A"), Some("B")),
        ]
    );
    // TLS 1.0 was undetermined then: that it is accepted now is no change that anyone saw.
    let mut after = seen(5);
    after.facts.version = None;
    after.facts.certificate = None;
    let tls = after.facts.tls.as_mut().unwrap();
    tls.undetermined.clear();
    tls.accepted.insert(0, TlsVersion::Tls10);
    assert!(nights(vec![seen(5)], vec![after]).is_empty());
}

#[test]
fn a_renewed_certificate_with_the_same_flaw_is_neither_fixed_nor_new() {
    let flawed = |certificate: &str, rule, severity| {
        let mut seen = seen(5);
        seen.facts.certificate = Some(certificate.to_owned());
        with(seen, finding(rule, severity, Some(&format!("leaf {certificate}"))))
    };
    let rule = "cert-self-signed";
    let renewed = nights(
        vec![flawed("aa", rule, Severity::Medium)],
        vec![flawed("bb", rule, Severity::Medium)],
    );
    assert_eq!(shape(&renewed), [0, 0, 1, 0, 0, 0], "{renewed:?}");
    assert_eq!(renewed.changed[0].facts[0].fact, Fact::Certificate);
    // Another container with the same flaw is another flaw.
    let container =
        |id: &str| with(seen(5), finding("container-privileged", Severity::High, Some(id)));
    let other = nights(vec![container("container 1")], vec![container("container 2")]);
    assert_eq!(shape(&other), [1, 1, 0, 0, 0, 0]);
    assert!(other.fixed[0].because.contains("finds other things now"));
}

#[test]
fn suppressed_findings_are_not_new_until_they_count_again() {
    let accepted = |mut finding: FindingSeen| {
        finding.suppressed = Some(Suppression {
            reason: "lab".to_owned(),
            expires: "2026-12-24".parse().unwrap(),
            source: "docksweep.toml:3".to_owned(),
        });
        finding
    };
    let active = || vec![with(seen(5), open_api())];
    let suppressed = || vec![with(seen(5), accepted(open_api()))];
    assert!(nights(vec![seen(5)], suppressed()).is_empty());
    assert!(nights(suppressed(), vec![seen(5)]).is_empty());
    let expired = nights(suppressed(), active());
    assert_eq!(shape(&expired), [1, 0, 0, 0, 0, 0]);
    assert_eq!(expired.new[0].because, "it is no longer suppressed (lab)");
    let taken = nights(active(), suppressed());
    assert_eq!(shape(&taken), [0, 0, 1, 0, 0, 0]);
    assert_eq!(taken.changed[0].facts[0].fact, Fact::Suppression);
}

#[test]
fn what_became_worse_counts_as_new_for_the_threshold() {
    let advisory =
        |severity| vec![with(seen(5), finding("engine-advisory", severity, Some("runc")))];
    let worse = nights(advisory(Severity::Medium), advisory(Severity::High));
    assert_eq!(shape(&worse), [0, 0, 1, 0, 0, 0]);
    assert!(worse.reaches(Severity::High) && !worse.reaches(Severity::Critical));
    assert!(!worse.reaches(Severity::Medium), "it was as bad before");
    let better = nights(advisory(Severity::High), advisory(Severity::Medium));
    assert!(!better.reaches(Severity::Info));
}

fn reused(endpoints: &[&str]) -> Option<Vec<FleetSeen>> {
    let endpoints = endpoints.iter().map(|id| (*id).to_owned()).collect();
    Some(vec![FleetSeen {
        finding: finding("key-reused", Severity::High, Some("key aa")),
        endpoints,
    }])
}

#[test]
fn a_reused_key_is_fixed_only_where_all_showed_theirs() {
    let ids = ["tcp/10.0.0.5:2376", "tcp/10.0.0.6:2376"];
    let before = || (Side { fleet: reused(&ids), ..monday() }, vec![seen(5), seen(6)]);
    let fixed = compare(before(), (tuesday(), vec![seen(5), seen(6)]));
    assert_eq!(shape(&fixed), [0, 1, 0, 0, 0, 0]);
    assert_eq!(fixed.fixed[0].endpoint, "fleet");
    let one_closed = absent(tuesday(), ids[1], AbsentState::Closed);
    let fixed = compare(before(), (one_closed, vec![seen(5)]));
    assert_eq!(shape(&fixed), [0, 1, 0, 1, 0, 0]);

    let one_silent = absent(tuesday(), ids[1], AbsentState::Silent);
    let open = compare(before(), (one_silent, vec![seen(5)]));
    assert_eq!(shape(&open), [0, 0, 0, 0, 2, 0], "the endpoint and the finding: {open:?}");
    let mut unproved = seen(6);
    unproved.facts.tls.as_mut().unwrap().key_proved = false;
    let open = compare(before(), (tuesday(), vec![seen(5), unproved]));
    assert_eq!(shape(&open), [0, 0, 0, 0, 1, 0]);
    assert!(open.not_reached[0].because.contains("10.0.0.6:2376 did not show its key"));

    let new = compare(
        (monday(), vec![seen(5), seen(6)]),
        (Side { fleet: reused(&ids), ..tuesday() }, vec![seen(5), seen(6)]),
    );
    assert_eq!(rules(&new.new), ["key-reused"]);
    // What is accepted across endpoints counts again as anywhere else.
    let accepted = |fleet: Option<Vec<FleetSeen>>| {
        let mut fleet = fleet.unwrap();
        fleet[0].finding.suppressed = Some(Suppression {
            reason: "lab".to_owned(),
            expires: "2026-12-24".parse().unwrap(),
            source: "docksweep.toml:3".to_owned(),
        });
        Some(fleet)
    };
    let both = || vec![seen(5), seen(6)];
    let suppressed = || Side { fleet: accepted(reused(&ids)), ..monday() };
    let active = || Side { fleet: reused(&ids), ..tuesday() };
    let expired = compare((suppressed(), both()), (active(), both()));
    assert_eq!(shape(&expired), [1, 0, 0, 0, 0, 0]);
    assert_eq!(expired.new[0].because, "it is no longer suppressed (lab)");
    let taken = compare((active(), both()), (suppressed(), both()));
    assert_eq!(shape(&taken), [0, 0, 1, 0, 0, 0]);
    assert_eq!(taken.changed[0].endpoint, "fleet");
    // A report that does not say is no witness.
    let unsaid = compare(before(), (Side { fleet: None, ..tuesday() }, vec![seen(5), seen(6)]));
    assert_eq!(shape(&unsaid), [0; 6]);
    assert!(unsaid.notes[0].contains("across endpoints"), "{:?}", unsaid.notes);
}

#[test]
fn runs_that_are_not_alike_are_said_to_be() {
    let mut other = tuesday();
    other.targets_digest = Some("d2".to_owned());
    other.run.vantage = Some("oslo".to_owned());
    other.rules_version = Some("2".to_owned());
    other.data_date = None;
    let notes = compare((monday(), vec![]), (other, vec![])).notes;
    assert_eq!(notes.len(), 4, "{notes:?}");
    assert!(notes[3].contains("different advisories (2026-11-01 and unknown)"), "{notes:?}");
    let notes = compare((tuesday(), vec![]), (monday(), vec![])).notes;
    assert!(notes[0].contains("the other way round"), "{notes:?}");
}

#[test]
fn endpoints_out_of_order_are_refused() {
    let ok = |seen| Ok::<Seen, NotInOrder>(seen);
    for wrong in [[seen(6), seen(5)], [seen(5), seen(5)]] {
        assert!(join(wrong.clone().map(ok), [], |_, _| {}).is_err());
        assert!(join([], wrong.map(ok), |_, _| {}).is_err());
    }
    let mut pairs = Vec::new();
    let id = |seen: Option<Seen>| seen.map(|seen| seen.address.to_string());
    join([seen(1), seen(3)].map(ok), [seen(2), seen(3)].map(ok), |before, after| {
        pairs.push((id(before), id(after)));
    })
    .unwrap();
    let at = |last: u8| Some(format!("10.0.0.{last}"));
    assert_eq!(pairs, [(at(1), None), (None, at(2)), (at(3), at(3))]);
}

/// One of everything.
fn eventful() -> Difference {
    let mut changed = seen(6);
    changed.facts.grade = Some(Grade::F);
    let before = vec![
        with(seen(5), finding("cert-expired", Severity::High, Some("leaf aa"))),
        seen(6),
        with(seen(7), open_api()),
        with(seen(8), open_api()),
    ];
    let hostile =
        FindingSeen { evidence: "Server: \u{1b}[2Jnobody\u{202e}".to_owned(), ..open_api() };
    let after = absent(tuesday(), "tcp/10.0.0.7:2376", AbsentState::Closed);
    let after = absent(after, "tcp/10.0.0.8:2376", AbsentState::Silent);
    compare((monday(), before), (after, vec![seen(5), changed, with(seen(9), hostile)]))
}

#[test]
fn the_text_says_it_all_and_nothing_acts_on_the_terminal() {
    let text = text::render(&eventful(), TextOptions::default());
    assert!(!text.contains('\u{1b}') && !text.contains('\u{202e}'));
    insta::assert_snapshot!(text);
}

#[test]
fn the_counts_are_those_of_the_lists() {
    let difference = eventful();
    let counts = difference.counts();
    assert_eq!((counts.new, counts.fixed, counts.changed), (1, 2, 1));
    assert_eq!((counts.gone, counts.not_reached), (1, 1));
    assert_eq!(counts.since, "mon");
}

/// The published schema is that of the types, and what is written keeps to it.
#[test]
fn the_json_keeps_to_the_published_schema() {
    let schema = SchemaSettings::draft2020_12()
        .for_serialize()
        .into_generator()
        .into_root_schema_for::<Difference>();
    let generated = format!("{}\n", serde_json::to_string_pretty(&schema).unwrap());
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        std::fs::write(SCHEMA, &generated).unwrap();
    }
    let published = std::fs::read_to_string(Path::new(SCHEMA)).unwrap_or_default();
    assert!(published == generated, "`UPDATE_SCHEMA=1 cargo test` rewrites schema/diff-v1.json");
    let validator = jsonschema::validator_for(&serde_json::from_str(&published).unwrap()).unwrap();
    let mut bytes = Vec::new();
    json::write_pretty(&mut bytes, &eventful()).unwrap();
    let mut value: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
    assert!(validator.is_valid(&value));
    assert_eq!(serde_json::from_slice::<Difference>(&bytes).unwrap(), eventful());
    value["new"][0]["severity"] = "dreadful".into();
    assert!(!validator.is_valid(&value));
}

/// A stored report, read in part, says the same as the report itself.
#[test]
fn a_stored_endpoint_is_the_endpoint() {
    let report = crate::report::sample::report();
    let mut bytes = Vec::new();
    json::write_pretty(&mut bytes, &report).unwrap();
    let mut stored = Vec::new();
    crate::report::stored::endpoints(bytes.as_slice(), |endpoint: StoredEndpoint| {
        stored.push(Seen::from(endpoint));
        std::ops::ControlFlow::Continue(())
    })
    .unwrap();
    assert_eq!(stored, report.endpoints.iter().map(Seen::from).collect::<Vec<_>>());
    let head = crate::report::stored::head(bytes.as_slice()).unwrap();
    let side = Side::new(&head.scan.unwrap(), head.tool.as_ref())
        .with_fleet(&head.fleet_findings.unwrap());
    let Absent { id, state, .. } = &report.scan.absent[0];
    assert_eq!(side.absent[id].0, *state);
    assert_eq!(side.fleet.unwrap().len(), 1);
}
