//! The top of the page: figures at a glance, and what the scan was.

use super::charts::Expiries;
use super::words::{count, thousands};
use crate::report::text::{address_of, duration};
use crate::report::v1::{self, Counts, Engine};

/// One figure.
#[derive(Debug)]
pub struct Card {
    pub label: &'static str,
    pub figure: String,
    pub note: String,
    /// Chooses the colour: a class of severity where there is something to do.
    pub class: &'static str,
}

pub fn cards(report: &v1::Report, expiries: &Expiries) -> Vec<Card> {
    let v1::Report { scan, summary, endpoints, changes, .. } = report;
    let access = summary.by_access;
    let docker = |status| endpoints.iter().filter(|e| e.api.docker.status == status).count();
    let seen = count(docker(v1::DockerApiStatus::Seen));
    let probable = count(docker(v1::DockerApiStatus::Probable));
    let mut cards = vec![
        Card::plain("addresses swept", scan.addresses, ports(scan)),
        Card::plain(
            "Docker endpoints",
            seen + probable,
            match probable {
                0 => format!("of {} open ports", thousands(summary.endpoints)),
                _ => format!("{} of them probable", thousands(probable)),
            },
        ),
        Card::alarming(
            "open to strangers",
            access.open,
            match access.filtered {
                0 => "whole API, no credentials".to_owned(),
                partly => format!("and {} partly open", thousands(partly)),
            },
            "s4",
        ),
        Card::plain(
            "client certificates enforced",
            access.client_certificate_required,
            format!("{} denied otherwise", thousands(access.denied)),
        ),
        Card::alarming(
            "certificates expiring within 30 days",
            expiries.soon(),
            format!("{} expired already", thousands(expiries.expired)),
            "s2",
        ),
    ];
    if let Some(changes) = changes {
        let since = changes.since_finished_at.strftime("since %Y-%m-%d %H:%M UTC").to_string();
        cards.push(Card::alarming("new findings", changes.new, since.clone(), "s3"));
        cards.push(Card::plain("fixed findings", changes.fixed, since));
    }
    cards
}

impl Card {
    fn plain(label: &'static str, figure: u64, note: String) -> Self {
        Self { label, figure: thousands(figure), note, class: "" }
    }

    fn alarming(label: &'static str, figure: u64, note: String, class: &'static str) -> Self {
        let class = if figure > 0 { class } else { "" };
        Self { class, ..Self::plain(label, figure, note) }
    }
}

fn ports(scan: &v1::Scan) -> String {
    let word = if scan.ports.len() == 1 { "port" } else { "ports" };
    match scan.ports.as_slice() {
        few if few.len() <= 4 => {
            let ports: Vec<String> = few.iter().map(u16::to_string).collect();
            format!("{word} {}", ports.join(", "))
        }
        many => format!("{} ports", many.len()),
    }
}

/// A line of what is said of the scan: a list that can be as long as the user's input.
#[derive(Debug)]
pub struct Fact {
    pub term: &'static str,
    pub items: Vec<String>,
}

pub fn facts(report: &v1::Report) -> Vec<Fact> {
    let v1::Report { scan, tool, changes, .. } = report;
    let one = |term, text: String| Fact { term, items: vec![text] };
    let list = |term, items: Vec<String>| Fact { term, items };
    let time = |it: jiff::Timestamp| it.strftime("%Y-%m-%d %H:%M:%S UTC").to_string();
    let mut facts = vec![
        list("Targets", scan.targets.clone()),
        list("Excluded", scan.excluded.clone()),
        list("Ports", scan.ports.iter().map(u16::to_string).collect()),
        one("Seen from", vantage(scan)),
        one("When", format!("{}, for {}", time(scan.started_at), duration(scan))),
        one("Complete", complete(scan)),
        one("Probes", probes(&scan.counts)),
        one("How", how(scan)),
        one("Command", scan.command.clone()),
        one("Judged by", format!("{} {}, rules {}", tool.name, tool.version, tool.rules_version)),
        one(
            "Advisory data of",
            tool.data_date.clone().unwrap_or_else(|| "no date is recorded".to_owned()),
        ),
    ];
    if let Some(changes) = changes {
        facts.push(one("Since the run before", changed(changes)));
    }
    facts.push(one("Scan", scan.id.clone()));
    facts.extend(scan.targets_digest.clone().map(|digest| one("Targets' SHA-256", digest)));
    let unresolved = scan.unresolved.iter().map(|it| format!("{}: {}", it.name, it.reason));
    facts.push(list("Names without an address", unresolved.collect()));
    let absent = scan.absent.iter().map(|it| {
        format!("{}: {}, {}", address_of(&it.id), it.state.name().replace('-', " "), it.reason)
    });
    facts.push(list("Known before, not found now", absent.collect()));
    facts.push(list("Notes", scan.notes.clone()));
    facts.retain(|fact| fact.items.iter().any(|item| !item.is_empty()));
    facts
}

fn vantage(scan: &v1::Scan) -> String {
    let from: Vec<String> = scan.vantage.source_addresses.iter().map(ToString::to_string).collect();
    match (&scan.vantage.label, from.as_slice()) {
        (Some(label), []) => label.clone(),
        (Some(label), from) => format!("{label} ({})", from.join(", ")),
        (None, from) => from.join(", "),
    }
}

fn complete(scan: &v1::Scan) -> String {
    if scan.complete {
        return "yes: every address and port was asked".to_owned();
    }
    let reason = scan.incomplete_reason.as_deref().unwrap_or("no reason was recorded");
    format!("no: {reason}; {} probes are missing", thousands(scan.counts.not_probed))
}

fn probes(counts: &Counts) -> String {
    let parts = [
        (counts.open, "open"),
        (counts.closed, "closed"),
        (counts.unreachable, "unreachable"),
        (counts.silent, "silent"),
        (counts.not_probed, "not asked"),
    ];
    let parts: Vec<String> = parts
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{} {what}", thousands(count)))
        .collect();
    let sent = thousands(counts.sent);
    if parts.is_empty() {
        format!("{sent} sent")
    } else {
        format!("{sent} sent: {}", parts.join(", "))
    }
}

fn how(scan: &v1::Scan) -> String {
    let mut text = match scan.engine {
        Engine::Connect => "by connections".to_owned(),
        Engine::Syn => "by SYN packets".to_owned(),
    };
    if let Some(seed) = scan.seed {
        text.push_str(&format!(", order by seed {seed}"));
    }
    if let Some(shard) = &scan.shard {
        text.push_str(&format!(", shard {shard}"));
    }
    text
}

fn changed(changes: &v1::Changes) -> String {
    let v1::Changes { since, new, fixed, changed, gone, not_reached, .. } = changes;
    format!(
        "{new} findings new, {fixed} fixed; {changed} endpoints changed, {gone} gone, \
         {not_reached} not reached (against scan {since})"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    fn figure(cards: &[Card], label: &str) -> Option<String> {
        cards.iter().find(|card| card.label == label).map(|card| card.figure.clone())
    }

    #[test]
    fn the_cards_count_what_they_say() {
        let mut report = sample::report();
        let figures = cards(&report, &Expiries::of(&report));
        let figures: Vec<_> = figures.iter().map(|card| (card.label, &*card.figure)).collect();
        assert_eq!(
            figures,
            [
                ("addresses swept", "511"),
                ("Docker endpoints", "5"),
                ("open to strangers", "3"),
                ("client certificates enforced", "2"),
                ("certificates expiring within 30 days", "0"),
            ]
        );
        report.changes = Some(crate::report::html::tests::changes());
        let cards = cards(&report, &Expiries::default());
        assert_eq!(figure(&cards, "new findings").as_deref(), Some("4"));
        assert_eq!(figure(&cards, "fixed findings").as_deref(), Some("1,002"));
    }

    #[test]
    fn the_scan_is_told_whole() {
        let report = sample::report();
        let facts = facts(&report);
        let of = |term: &str| facts.iter().find(|fact| fact.term == term).unwrap().items.join("|");
        assert_eq!(of("Targets"), "10.0.0.0/24|2001:db8::/120");
        assert_eq!(of("Seen from"), "office (10.0.0.200)");
        assert_eq!(of("Complete"), "no: interrupted by a signal; 12 probes are missing");
        assert_eq!(of("Names without an address"), "gone.example: no such name");
        assert_eq!(of("Known before, not found now"), "10.0.0.40:2375: closed, Connection refused");
        assert_eq!(of("Advisory data of"), "no date is recorded");
        assert!(facts.iter().all(|fact| fact.term != "Since the run before"));
    }
}
