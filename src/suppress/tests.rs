use jiff::civil::date;

use super::*;
use crate::report::sample;

const TODAY: Date = date(2027, 3, 31);

fn parsed(text: &str) -> Suppressions {
    Suppressions::parse("accepted.toml", text).unwrap()
}

/// The sample report's endpoint that is open over plain HTTP: critical, and low.
fn open_endpoint() -> v1::Endpoint {
    let endpoints = sample::report().endpoints;
    endpoints.into_iter().find(|endpoint| endpoint.id == "tcp/10.0.0.5:2375").unwrap()
}

fn after(text: &str, mut endpoint: v1::Endpoint) -> v1::Endpoint {
    Suppressing::new(&parsed(text), TODAY).endpoint(&mut endpoint);
    endpoint
}

fn suppressed(endpoint: &v1::Endpoint) -> Vec<&str> {
    let findings = endpoint.findings.iter().filter(|finding| finding.is_suppressed());
    findings.map(|finding| finding.rule.as_ref()).collect()
}

fn entry(condition: &str) -> String {
    format!("[[suppress]]\n{condition}\nreason = \"why\"\nexpires = 2027-03-31\n")
}

#[test]
fn a_rule_an_address_or_both() {
    let all: Vec<String> =
        open_endpoint().findings.iter().map(|finding| finding.rule.to_string()).collect();
    assert_eq!(all, ["api-unauthenticated-plaintext", "engine-rootful"]);
    let everything: Vec<&str> = all.iter().map(String::as_str).collect();
    for (condition, expected) in [
        ("rule = \"engine-rootful\"", vec!["engine-rootful"]),
        ("rule = \"cert-expired\"", vec![]),
        ("address = \"10.0.0.0/24\"", everything.clone()),
        ("address = \"10.0.0.5\"", everything.clone()),
        ("address = \"10.0.0.1-10.0.0.4\"", vec![]),
        ("address = \"10.0.0.5\"\nport = 2375", everything.clone()),
        ("address = \"10.0.0.5\"\nport = 2376", vec![]),
        ("rule = \"engine-rootful\"\naddress = \"10.0.0.5-9\"", vec!["engine-rootful"]),
        ("rule = \"engine-rootful\"\naddress = \"10.0.1.0/24\"", vec![]),
        ("rule = \"engine-rootful\"\nsubject = \"a certificate\"", vec![]),
    ] {
        let endpoint = after(&entry(condition), open_endpoint());
        assert_eq!(suppressed(&endpoint), expected, "{condition}");
    }
}

#[test]
fn what_is_accepted_is_marked_and_grades_no_more_but_stays_in_the_baseline() {
    let before = open_endpoint();
    assert_eq!(before.grade, Some(v1::Grade::F));
    let endpoint = after(&entry("rule = \"api-unauthenticated-plaintext\""), before.clone());
    assert_eq!(endpoint.grade, Some(v1::Grade::B), "of engine-rootful");
    assert_eq!(endpoint.baseline, before.baseline);
    assert_eq!(endpoint.findings.len(), before.findings.len());
    let suppression = endpoint.findings[0].suppressed.clone().unwrap();
    assert_eq!(suppression.reason, "why");
    assert_eq!(suppression.expires, TODAY, "the last day counts");
    assert_eq!(suppression.source, "accepted.toml:1");
    let endpoint = after(&entry("address = \"10.0.0.5\""), before);
    assert_eq!(endpoint.grade, Some(v1::Grade::A));
    let summary = v1::Summary::of(&[], std::slice::from_ref(&endpoint));
    assert_eq!(summary.by_severity, v1::BySeverity::default());
}

#[test]
fn no_grade_becomes_none_by_accepting() {
    let endpoints = sample::report().endpoints;
    let unknown = endpoints.into_iter().find(|endpoint| endpoint.grade.is_none()).unwrap();
    assert_eq!(after(&entry("address = \"0.0.0.0/0\""), unknown).grade, None);
}

#[test]
fn what_expired_counts_again_and_is_said() {
    let text = "\n[[suppress]]\nrule = \"engine-rootful\"\naddress = \"10.0.0.0/8\"\n\
                reason = \"why\"\nexpires = 2027-03-30\n";
    let endpoint = after(text, open_endpoint());
    assert!(suppressed(&endpoint).is_empty());
    assert_eq!(endpoint.grade, Some(v1::Grade::F));
    let notes = parsed(text).expired(TODAY);
    assert_eq!(
        notes,
        ["accepted.toml:2: expired on 2027-03-30, so it counts again: engine-rootful on \
          10.0.0.0/8"]
    );
    assert!(is_note(&notes[0]));
    assert_eq!(parsed(text).expired(date(2027, 3, 30)), Vec::<String>::new());
}

#[test]
fn what_is_about_nothing_is_told() {
    let text = [
        entry("rule = \"engine-rootful\""),
        entry("rule = \"cert-expired\"\naddress = \"::1\"\nport = 2376"),
    ]
    .concat();
    let suppressions = parsed(&text);
    let mut suppressing = Suppressing::new(&suppressions, TODAY);
    suppressing.endpoint(&mut open_endpoint());
    let idle = suppressing.idle();
    assert_eq!(
        idle,
        ["accepted.toml:5: suppresses nothing in this report: cert-expired on ::1 port 2376"]
    );
    assert!(is_note(&idle[0]));
}

#[test]
fn a_finding_of_the_fleet_needs_one_entry_about_all_of_its_endpoints() {
    let mut found = sample::report().fleet_findings.remove(0);
    found.finding.rule = "key-reused".into();
    assert!(found.endpoints.len() > 1);
    let address = |id: &str| id.trim_start_matches("tcp/").parse::<SocketAddr>().unwrap().ip();
    let first = address(&found.endpoints[0]);
    let one_by_one: String = found
        .endpoints
        .iter()
        .map(|id| entry(&format!("rule = \"key-reused\"\naddress = \"{}\"", address(id))))
        .collect();
    for (text, expected) in [
        (entry("rule = \"key-reused\""), true),
        (entry(&format!("rule = \"key-reused\"\naddress = \"{first}\"")), false),
        (one_by_one, false),
        (entry("address = \"10.0.0.0/24\""), true),
    ] {
        let mut found = found.clone();
        Suppressing::new(&parsed(&text), TODAY).fleet(&mut found);
        assert_eq!(found.finding.is_suppressed(), expected, "{text}");
    }
}

#[test]
fn mistakes_are_placed_and_say_what_to_write() {
    let of = |line: &str| format!("# ours\n[[suppress]]\n{line}\n");
    let whole = "reason = \"r\"\nexpires = 2027-01-01";
    for (text, message, hint) in [
        ("[[supress]]\n".to_owned(), "f:1:3: unknown key 'supress'", "did you mean 'suppress'?"),
        ("suppress = 3\n".to_owned(), "f:1:12: suppressions are tables", "begin with [[suppress]]"),
        ("suppress = [3]\n".to_owned(), "f:1:13: suppressions are tables", "begin with"),
        (of("ruel = \"engine-rootful\""), "f:3:1: unknown key 'ruel'", "did you mean 'rule'?"),
        (
            of(&format!("{whole}\nrule = \"engine-rootfull\"")),
            "f:5:8: no rule is called 'engine-rootfull'",
            "did you mean 'engine-rootful'?",
        ),
        (of("rule = \"zzz\""), "f:3:8: no rule is called 'zzz'", "docksweep rules lists them"),
        (of("rule = 3"), "f:3:8: rule must be a string, and is a number", ""),
        (of(whole), "f:2:1: it names neither a rule nor an address", "not accepting a risk"),
        (
            of("rule = \"engine-rootful\"\nexpires = 2027-01-01"),
            "f:2:1: it has no reason",
            "add reason = ...",
        ),
        (
            of("rule = \"engine-rootful\"\nreason = \" \"\nexpires = 2027-01-01"),
            "f:4:10: reason is empty",
            "",
        ),
        (
            of("rule = \"engine-rootful\"\nreason = \"r\""),
            "f:2:1: it has no expires",
            "the last day",
        ),
        (
            of("rule = \"engine-rootful\"\nreason = \"r\"\nexpires = \"2027-01-01\""),
            "f:5:11: expires must be a day, and is a string",
            "without quotes",
        ),
        (
            of("rule = \"engine-rootful\"\nreason = \"r\"\nexpires = 2027-01-01T00:00:00Z"),
            "f:5:11: expires must be a day, and is a date or time",
            "without quotes",
        ),
        (
            of("address = \"10.0.0.0/33\""),
            "f:3:11: address '10.0.0.0/33': the prefix length is not a number from 0 to 32",
            "10.0.0.5",
        ),
        (of("address = \"host.lan\""), "f:3:11: address 'host.lan': takes addresses", ""),
        (of("address = \"10.0.0.5:2375\""), "address '10.0.0.5:2375': takes no port", "a key of"),
        (of("address = \"::1\"\nport = 0"), "f:4:8: port must be a number from 1 to 65535", ""),
        (of("address = \"::1\"\nport = \"1\""), "f:4:8: port must be a number", ""),
        (of("rule = "), "f:3:8: ", ""),
    ] {
        let mistake = Suppressions::parse("f", &text).unwrap_err();
        assert!(mistake.to_string().contains(message), "{text}\n{mistake}");
        let found = mistake.hint.clone().unwrap_or_default();
        assert!(found.contains(hint), "{text}\n{mistake}\n{found}");
    }
}

#[test]
fn a_day_that_is_none_is_no_toml() {
    let text = entry("rule = \"engine-rootful\"").replace("2027-03-31", "2027-02-30");
    let mistake = Suppressions::parse("f", &text).unwrap_err();
    assert_eq!(mistake.place.line(), "f:4", "{mistake}");
}
