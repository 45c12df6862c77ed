use std::collections::BTreeSet;

use jiff::civil::date;

use super::*;
use crate::report::output::memory::{Failing, Memory};
use crate::report::sample;
use crate::sanitize;

pub fn suppression() -> v1::Suppression {
    v1::Suppression {
        reason: "a <b>honeypot</b>".to_owned(),
        expires: date(2027, 1, 31),
        source: "docksweep.toml:3".to_owned(),
    }
}

pub fn changes() -> v1::Changes {
    v1::Changes {
        since: "4a1b".to_owned(),
        since_finished_at: "2026-01-01T03:05:00Z".parse().unwrap(),
        new: 4,
        fixed: 1002,
        changed: 3,
        gone: 2,
        not_reached: 1,
    }
}

/// The sample with all that it has not by itself.
fn full_report() -> v1::Report {
    let mut report = sample::report();
    report.changes = Some(changes());
    let endpoint = report.endpoints.iter_mut().find(|e| e.id == "tcp/10.0.0.8:2376").unwrap();
    endpoint.findings[1].suppressed = Some(suppression());
    v1::Report { summary: v1::Summary::of(&report.fleet_findings, &report.endpoints), ..report }
}

fn render(report: &v1::Report) -> String {
    let memory = Memory::default();
    Box::new(Html::new(Box::new(memory.clone()))).finish(report).unwrap();
    memory.text()
}

/// What stands between the tags of that name, the first time.
fn inside<'a>(page: &'a str, tag: &str) -> &'a str {
    let (_, rest) = page.split_once(&format!("<{tag}>")).unwrap();
    rest.split_once(&format!("</{tag}>")).unwrap().0
}

#[test]
fn a_report() {
    let page = render(&full_report());
    // Style and script have files of their own.
    let text = page.replacen(STYLE, "…", 1).replacen(SCRIPT, "…", 1);
    let policy = policy();
    sample::assert_snapshot("html", &text.replacen(&policy, "…", 1));
}

#[test]
fn an_empty_scan_says_so() {
    let page = render(&sample::empty_report());
    assert!(page.contains("No open port was found."));
    assert!(page.contains("No rule is broken."));
    assert_eq!(unbalanced(&page), None);
}

#[test]
fn the_policy_allows_this_style_and_this_script_alone() {
    let page = render(&full_report());
    assert_eq!(page.matches("<style>").count(), 1);
    assert_eq!(page.matches("<script").count(), 1);
    for (tag, directive) in [("style", "style-src"), ("script", "script-src")] {
        let hash = BASE64.encode(Sha256::digest(inside(&page, tag)));
        assert!(page.contains(&format!("{directive} 'sha256-{hash}';")), "{directive}");
    }
    assert!(page.contains("content=\"default-src 'none'; "));
    // What the policy would refuse is not tried.
    let markup = page.replacen(STYLE, "", 1).replacen(SCRIPT, "", 1);
    for (_, attributes) in tags(&markup) {
        for (name, _) in attributes {
            assert!(name != "style" && !name.starts_with("on") && name != "src", "{name}");
        }
    }
    assert!(!SCRIPT.contains("innerHTML") && !SCRIPT.contains("setAttribute('style'"));
    assert!(!SCRIPT.contains("</") && !STYLE.contains("</") && !STYLE.contains("url("));
}

#[test]
fn hostile_names_stay_text() {
    let mut report = full_report();
    let attack =
        format!("\"><script>alert(1)</script><img src=x onerror=alert(2)>'{}", sample::HOSTILE);
    report.scan.command = attack.clone();
    report.scan.targets.push(attack.clone());
    report.scan.notes.push(attack.clone());
    report.scan.vantage.label = Some(attack.clone());
    report.scan.incomplete_reason = Some(attack.clone());
    report.scan.unresolved[0].name = attack.clone();
    report.tool.data_date = Some(attack.clone());
    report.fleet_findings[0].endpoints.push(attack.clone());
    for endpoint in &mut report.endpoints {
        endpoint.id = attack.clone();
        endpoint.names = vec![attack.clone()];
        endpoint.sni = Some(attack.clone());
        endpoint.api.reason = attack.clone();
        endpoint.api.server = Some(attack.clone());
        endpoint.api.intermediary = Some(attack.clone());
        endpoint.rules_passed.push(attack.clone().into());
        for finding in &mut endpoint.findings {
            finding.rule = attack.clone().into();
            finding.title = attack.clone().into();
            finding.evidence = attack.clone();
            finding.subject = Some(format!("{attack}!"));
            finding.remediation = format!("{attack}\n  {attack}").into();
            finding.references = v1::References::Read(vec![
                "javascript:alert(3)".to_owned(),
                format!("https://example.org/{attack}"),
            ]);
        }
        if let Some(rule) = endpoint.rules_undetermined.first_mut() {
            rule.reason = attack.clone();
        }
    }
    let page = render(&report);
    assert_eq!(page.matches("<script").count(), 1);
    assert_eq!(page.matches("<img").count(), 0);
    assert!(!page.contains("href=\"javascript:"));
    let acting = page.chars().find(|c| *c != '\n' && sanitize::is_hazard(*c));
    assert_eq!(acting, None);
    assert_eq!(unbalanced(&page), None);
    let names = |page: &str| -> BTreeSet<String> {
        let markup = page.replacen(STYLE, "", 1).replacen(SCRIPT, "", 1);
        tags(&markup)
            .into_iter()
            .flat_map(|(tag, attributes)| {
                let names = attributes.into_iter().map(|(name, _)| name.to_owned());
                names.chain([tag.to_owned()]).collect::<Vec<_>>()
            })
            .collect()
    };
    let known = names(&render(&full_report()));
    let new: Vec<String> = names(&page).difference(&known).cloned().collect();
    assert_eq!(new, [] as [String; 0], "tags or attributes that came from a text");
}

#[test]
fn every_picture_has_its_table() {
    let page = render(&full_report());
    let pictures: Vec<&str> =
        page.split("<figure").skip(1).map(|it| it.split_once("</figure>").unwrap().0).collect();
    let drawn = pictures.iter().filter(|it| it.contains("<svg")).count();
    assert_eq!(drawn, page.matches("<svg").count());
    assert_eq!(drawn, 3);
    for picture in pictures {
        assert!(picture.contains("<table"), "{picture}");
        assert!(
            picture.matches("<svg").count()
                == picture.matches("<svg role=\"img\" aria-label=\"").count()
        );
    }
}

#[test]
fn what_points_somewhere_arrives() {
    let page = render(&full_report());
    let markup = page.replacen(STYLE, "", 1).replacen(SCRIPT, "", 1);
    let mut ids = Vec::new();
    let mut wanted = BTreeSet::new();
    for (_, attributes) in tags(&markup) {
        for (name, value) in attributes {
            match name {
                "id" => ids.push(value),
                "href" => wanted.extend(value.strip_prefix('#')),
                "aria-labelledby" => wanted.extend([value]),
                _ => {}
            }
        }
    }
    let distinct: BTreeSet<&str> = ids.iter().copied().collect();
    assert_eq!(ids.len(), distinct.len(), "an id is there once");
    let lost: Vec<_> = wanted.difference(&distinct).collect();
    assert!(lost.is_empty(), "{lost:?}");
}

#[test]
fn the_page_is_well_formed() {
    assert_eq!(unbalanced(&render(&full_report())), None);
    assert_eq!(unbalanced("<ul><li>a<li>b</ul><br><svg><rect/></svg>"), None);
    assert_eq!(unbalanced("a</p>").as_deref(), Some("</p> after nothing"));
    assert_eq!(unbalanced("<div><b>a</div>").as_deref(), Some("</div> closes <b>"));
    assert_eq!(unbalanced("<div>").as_deref(), Some("<div> stays open"));
}

/// Open hosts with the same two findings, from 10.9.0.0 on.
pub fn twins(count: u16) -> v1::Report {
    let sample = sample::report();
    let host = sample.endpoints.iter().find(|e| e.id == "tcp/10.0.0.5:2375").unwrap();
    let endpoints = (0..count).map(|number| {
        let mut endpoint = host.clone();
        let [third, last] = number.to_be_bytes();
        endpoint.address = [10, 9, third, last].into();
        endpoint.id = format!("tcp/10.9.{third}.{last}:2375");
        endpoint.names.clear();
        endpoint.findings.truncate(2);
        endpoint
    });
    v1::Report::new(sample.tool, sample.scan, Vec::new(), endpoints.collect())
}

#[test]
fn what_many_share_is_written_once() {
    let report = twins(3000);
    let rule = &report.endpoints[0].findings[0].rule;
    let page = render(&report);
    assert_eq!(page.matches("each answered 200 without any credentials").count(), 1);
    assert_eq!(page.matches("dockerd -H unix").count(), 2, "once a rule");
    assert_eq!(page.matches("<details class=e ").count(), 3000);
    assert_eq!(page.matches(&format!("<a href=#c0>{rule}</a>")).count(), 1, "in the set");
    assert_eq!(page.matches("<a href=#g0>").count(), 3000);
    assert!(page.len() / 3000 < 500, "{} bytes an endpoint", page.len() / 3000);
}

/// Hosts of which each has evidence of its own: nothing of it is lost, and it is there once.
#[test]
fn what_is_of_one_alone_stands_with_it() {
    let mut report = twins(500);
    for (number, endpoint) in report.endpoints.iter_mut().enumerate() {
        endpoint.findings[0].evidence = format!("evidence of {number:04}.");
    }
    let page = render(&report);
    for number in 0..500 {
        assert_eq!(page.matches(&format!("… {number:04}.")).count(), 1, "{number}");
    }
    assert_eq!(page.matches("<q>evidence of </q>…<q></q>").count(), 1);
    assert_eq!(page.matches("<tr id=c").count(), 2);
}

#[test]
fn a_full_disk_is_an_error() {
    let output = Box::new(Failing(io::ErrorKind::StorageFull));
    let error = Box::new(Html::new(output)).finish(&sample::report()).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
}

type Tag<'a> = (&'a str, Vec<(&'a str, &'a str)>);

/// Tags with their attributes. Only numbers and words of the program's own stand without quotes.
fn tags(page: &str) -> Vec<Tag<'_>> {
    let mut tags = Vec::new();
    for piece in page.split('<').skip(1) {
        let (tag, _) = piece.split_once('>').unwrap();
        let name = tag.split([' ', '/']).find(|it| !it.is_empty()).unwrap();
        let mut attributes = Vec::new();
        let mut rest = tag.trim_end_matches('/').split_once(' ').map_or("", |(_, rest)| rest);
        while let Some(start) = rest.find(|c: char| c != ' ') {
            rest = &rest[start..];
            let end = rest.find([' ', '=']).unwrap_or(rest.len());
            let attribute = &rest[..end];
            rest = &rest[end..];
            match rest.strip_prefix("=\"") {
                Some(quoted) => {
                    let (value, after) = quoted.split_once('"').unwrap();
                    attributes.push((attribute, value));
                    rest = after;
                }
                None if rest.starts_with('=') => {
                    let end = rest.find(' ').unwrap_or(rest.len());
                    let value = &rest[1..end];
                    let plain = |c: char| c.is_ascii_alphanumeric() || "#–".contains(c);
                    assert!(!value.is_empty() && value.chars().all(plain), "{tag}");
                    attributes.push((attribute, value));
                    rest = &rest[end..];
                }
                None => attributes.push((attribute, "")),
            }
        }
        tags.push((name, attributes));
    }
    tags
}

/// The first tag that does not fit, by the rules of HTML for the elements that may be left open.
fn unbalanced(page: &str) -> Option<String> {
    const EMPTY: [&str; 5] = ["!doctype", "meta", "input", "br", "link"];
    const MAY_STAY_OPEN: [&str; 4] = ["li", "dt", "dd", "p"];
    let page = page.replacen(STYLE, "", 1).replacen(SCRIPT, "", 1);
    let mut open: Vec<String> = Vec::new();
    for piece in page.split('<').skip(1) {
        let (tag, _) = piece.split_once('>').unwrap();
        let name = tag.split(' ').next().unwrap().trim_end_matches('/');
        if let Some(name) = tag.strip_prefix('/') {
            loop {
                match open.pop() {
                    Some(last) if last == name => break,
                    Some(last) if MAY_STAY_OPEN.contains(&last.as_str()) => {}
                    Some(last) => return Some(format!("</{name}> closes <{last}>")),
                    None => return Some(format!("</{name}> after nothing")),
                }
            }
        } else if !tag.ends_with('/') && !EMPTY.contains(&name) {
            let siblings: &[&str] = match name {
                "dt" | "dd" => &["dt", "dd"],
                "p" => &["p"],
                _ => &["li"],
            };
            if MAY_STAY_OPEN.contains(&name)
                && open.last().is_some_and(|last| siblings.contains(&last.as_str()))
            {
                open.pop();
            }
            open.push(name.to_owned());
        }
    }
    open.pop().map(|last| format!("<{last}> stays open"))
}
