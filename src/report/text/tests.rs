use unicode_width::UnicodeWidthStr as _;

use super::*;
use crate::report::output::memory::Memory;
use crate::report::sample;
use crate::sanitize;

fn options() -> TextOptions {
    TextOptions::default()
}

#[test]
fn a_report() {
    let memory = Memory::default();
    let reporter = Box::new(Text::new(Box::new(memory.clone()), options()));
    reporter.finish(&sample::report()).unwrap();
    sample::assert_snapshot("text", &memory.text());
}

#[test]
fn a_coloured_report() {
    let coloured = TextOptions { colour: Colour::Always, ..options() };
    let text = render(&sample::report(), coloured);
    sample::assert_snapshot("text-coloured", &text.replace('\x1b', "␛"));
    assert_eq!(
        anstream::adapter::strip_str(&text).to_string(),
        render(&sample::report(), options()),
        "colour changes nothing else"
    );
}

#[test]
fn a_narrow_report_of_what_matters_most() {
    let narrow = TextOptions { width: 60, minimum: Severity::High, ..options() };
    sample::assert_snapshot("text-narrow-high", &render(&sample::report(), narrow));
}

#[test]
fn an_empty_scan_says_so() {
    sample::assert_snapshot("text-empty", &render(&sample::empty_report(), options()));
}

#[test]
fn hostile_names_stay_text() {
    for width in [0, 40, 100, u16::MAX] {
        let text = render(&sample::report(), TextOptions { width, ..options() });
        let hazard = text.chars().find(|c| *c != '\n' && sanitize::is_hazard(*c));
        assert_eq!(hazard, None, "at width {width}");
        assert!(text.lines().all(|line| !line.starts_with("critical")), "{text}");
    }
}

#[test]
fn lines_keep_to_the_width() {
    for width in [70, 80, 100, 160] {
        let text = render(&sample::report(), TextOptions { width, ..options() });
        for line in text.lines().filter(|line| !line.contains("https://")) {
            assert!(line.width() <= usize::from(width), "{width}: {line}");
        }
    }
}

/// 300 hosts with one finding: every host is named, the fix once.
#[test]
fn what_many_share_is_said_once() {
    let sample = sample::report();
    let host = sample.endpoints.first().unwrap();
    let endpoints = (0..300u16).map(|n| {
        let mut endpoint = host.clone();
        endpoint.id = format!("tcp/10.9.{}.{}:2375", n / 256, n % 256);
        endpoint.names.clear();
        endpoint
    });
    let report = v1::Report::new(sample.tool, sample.scan, Vec::new(), endpoints.collect());
    let text = render(&report, options());
    assert_eq!(text.matches("Docker API open to anyone over plain HTTP").count(), 1);
    assert_eq!(text.matches("dockerd -H unix").count(), 2, "once a rule");
    // In the table, with each of its two findings, and with the rule that is undetermined.
    assert_eq!(text.matches("10.9.1.43:2375").count(), 4);
}

#[test]
fn suppressed_findings_are_counted_and_not_shown() {
    let mut report = sample::report();
    for endpoint in &mut report.endpoints {
        for finding in &mut endpoint.findings {
            finding.suppressed = Some(v1::Suppression {
                reason: "accepted".to_owned(),
                expires: jiff::civil::date(2027, 1, 31),
                source: "docksweep.toml:3".to_owned(),
            });
        }
    }
    let text = render(&report, options());
    assert!(text.contains("Not shown: 10 findings, suppressed."), "{text}");
    assert!(!text.contains("api-exposed"), "{text}");
}

#[test]
fn none_open_is_said_with_as_much_certainty_as_there_is() {
    let mut report = sample::report();
    report.endpoints.retain(|endpoint| endpoint.id == "tcp/10.0.0.6:2376");
    report.scan.complete = true;
    let report = v1::Report::new(report.tool, report.scan, Vec::new(), report.endpoints);
    let open = |report: &v1::Report| {
        let text = render(report, options());
        text.lines().find(|line| line.starts_with("Open ")).unwrap().to_owned()
    };
    assert_eq!(open(&report), "Open        none to strangers");
    let mut cut_short = report;
    cut_short.scan.complete = false;
    assert_eq!(open(&cut_short), "Open        none to strangers, as far as could be determined");
}
