//! The charts: how long each bar is, and the table that says the same.

use std::collections::HashMap;

use jiff::Timestamp;

use super::words::{count, rank, thousands};
use crate::finding::Severity;
use crate::report::v1;

/// The drawings' own unit, about a pixel where the page is wide.
const WIDTH: f64 = 600.0;
const GRADES_WIDTH: f64 = 263.0;
const EXPIRY_WIDTH: f64 = 460.0;
const HEIGHT: f64 = 96.0;
/// Space above a column, for its figure.
const HEADROOM: f64 = 14.0;
/// Share of its place that a column takes.
const COLUMN: f64 = 0.72;
/// A bar that stands for something is seen.
const SMALLEST: f64 = 2.0;
/// Of the timeline; the first is what `cert-expiring` warns of.
const STEP_DAYS: i64 = 30;
const STEPS: i64 = 12;
/// Those with a mark below them: there is no room for all.
const MARKED: [i64; 4] = [0, 2, 5, 8];

#[derive(Debug)]
pub struct Chart {
    pub id: &'static str,
    pub title: &'static str,
    /// Heading of the table's first column.
    pub what: &'static str,
    /// Heading of its second.
    pub of: &'static str,
    /// All of it in one sentence.
    pub sentence: String,
    pub width: f64,
    pub bars: Vec<Bar>,
}

#[derive(Debug)]
pub struct Bar {
    /// Below the column, where it must be short.
    pub mark: String,
    pub label: String,
    pub count: String,
    /// Chooses the colour.
    pub class: &'static str,
    pub empty: bool,
    pub x: String,
    pub y: String,
    pub width: String,
    pub height: String,
    pub middle: String,
    pub above: String,
}

impl Chart {
    /// One bar that is divided by severity.
    pub fn severities(summary: &v1::Summary) -> Self {
        let counts: Vec<Counted> = Severity::WORST_FIRST
            .iter()
            .map(|severity| Counted {
                mark: severity.name().to_owned(),
                label: severity.name().to_owned(),
                count: summary.by_severity.of(*severity),
                class: SEVERITY_CLASS.get(rank(*severity)).copied().unwrap_or_default(),
            })
            .collect();
        Self {
            id: "severity",
            title: "Findings by severity",
            what: "Severity",
            of: "Findings",
            sentence: sentence(&counts),
            width: WIDTH,
            bars: side_by_side(counts),
        }
    }

    pub fn grades(by: v1::ByGrade) -> Self {
        let counts = [
            ("A", by.a, "ga"),
            ("B", by.b, "gb"),
            ("C", by.c, "gc"),
            ("D", by.d, "gd"),
            ("F", by.f, "gf"),
            ("none", by.ungraded, "gn"),
        ];
        let counts: Vec<Counted> = counts
            .into_iter()
            .map(|(grade, count, class)| Counted {
                mark: grade.to_owned(),
                label: grade.to_owned(),
                count,
                class,
            })
            .collect();
        Self {
            id: "grades",
            title: "Endpoints by grade",
            what: "Grade",
            of: "Endpoints",
            sentence: sentence(&counts),
            width: GRADES_WIDTH,
            bars: columns(counts, GRADES_WIDTH),
        }
    }

    /// When the certificates that servers show run out. `None` where none was seen.
    pub fn expiry(expiries: &Expiries) -> Option<Self> {
        if expiries.total() == 0 {
            return None;
        }
        let mut counts = vec![Counted {
            mark: "past".to_owned(),
            label: "expired".to_owned(),
            count: expiries.expired,
            class: "s3",
        }];
        for (step, count) in (0..).zip(&expiries.steps) {
            let (from, to) = (step * STEP_DAYS, (step + 1) * STEP_DAYS);
            let label = if step == 0 {
                format!("within {to} days")
            } else {
                format!("{from} to {to} days")
            };
            let class = if step == 0 { "s2" } else { "later" };
            let mark = if MARKED.contains(&step) { format!("{to} d") } else { String::new() };
            counts.push(Counted { mark, label, count: *count, class });
        }
        counts.push(Counted {
            mark: "later".to_owned(),
            label: "later".to_owned(),
            count: expiries.later,
            class: "later",
        });
        Some(Self {
            id: "expiry",
            title: "Server certificates by expiry",
            what: "Expires",
            of: "Certificates",
            sentence: sentence(&counts),
            width: EXPIRY_WIDTH,
            bars: columns(counts, EXPIRY_WIDTH),
        })
    }
}

/// Class names by rank.
const SEVERITY_CLASS: [&str; 5] = ["s0", "s1", "s2", "s3", "s4"];

/// Distinct certificates of servers, by when they run out as seen from the judgement.
#[derive(Debug, Default)]
pub struct Expiries {
    pub expired: u64,
    steps: [u64; STEPS as usize],
    later: u64,
}

impl Expiries {
    pub fn of(report: &v1::Report) -> Self {
        let mut leaves: HashMap<&str, (Timestamp, Timestamp)> = HashMap::new();
        for endpoint in &report.endpoints {
            for chain in endpoint.tls.iter().flat_map(|tls| &tls.chains) {
                if let Some(v1::Certificate::Parsed(leaf)) = chain.certificates.first() {
                    leaves.insert(&leaf.sha256, (leaf.not_after, endpoint.judged_at));
                }
            }
        }
        let mut expiries = Self::default();
        for (not_after, now) in leaves.into_values() {
            expiries.add(not_after, now);
        }
        expiries
    }

    fn add(&mut self, not_after: Timestamp, now: Timestamp) {
        if not_after < now {
            self.expired += 1;
            return;
        }
        let seconds = not_after.as_second().saturating_sub(now.as_second());
        // A certificate that has 30 days to go is one of the first step, as the rule has it.
        let step = seconds.saturating_sub(1).max(0) / (STEP_DAYS * 86_400);
        match usize::try_from(step).ok().and_then(|step| self.steps.get_mut(step)) {
            Some(count) => *count += 1,
            None => self.later += 1,
        }
    }

    pub fn soon(&self) -> u64 {
        self.steps.first().copied().unwrap_or_default()
    }

    pub fn total(&self) -> u64 {
        self.expired + self.steps.iter().sum::<u64>() + self.later
    }
}

struct Counted {
    mark: String,
    label: String,
    count: u64,
    class: &'static str,
}

/// `2 critical, 1 high`, without the zeros.
fn sentence(counts: &[Counted]) -> String {
    let parts: Vec<String> = counts
        .iter()
        .filter(|counted| counted.count > 0)
        .map(|counted| format!("{} {}", thousands(counted.count), counted.label))
        .collect();
    if parts.is_empty() { "none".to_owned() } else { parts.join(", ") }
}

/// Figures of this size lose nothing as floating-point numbers that a picture could show.
fn share(count: u64, of: u64) -> f64 {
    if of == 0 { 0.0 } else { count as f64 / of as f64 }
}

fn side_by_side(counts: Vec<Counted>) -> Vec<Bar> {
    let total = counts.iter().map(|counted| counted.count).sum();
    let mut x = 0.0;
    counts
        .into_iter()
        .map(|counted| {
            let width = share(counted.count, total) * WIDTH;
            let bar = bar(counted, (x, 0.0), (width, 1.0));
            x += width;
            bar
        })
        .collect()
}

fn columns(counts: Vec<Counted>, width: f64) -> Vec<Bar> {
    let most = counts.iter().map(|counted| counted.count).max().unwrap_or_default();
    let place = width / share(count(counts.len()), 1);
    let mut x = place * (1.0 - COLUMN) / 2.0;
    counts
        .into_iter()
        .map(|counted| {
            let full = share(counted.count, most) * (HEIGHT - HEADROOM);
            let height = if counted.count > 0 { full.max(SMALLEST) } else { 0.0 };
            let bar = bar(counted, (x, HEIGHT - height), (place * COLUMN, height));
            x += place;
            bar
        })
        .collect()
}

fn bar(counted: Counted, (x, y): (f64, f64), (width, height): (f64, f64)) -> Bar {
    let Counted { mark, label, count, class } = counted;
    Bar {
        mark,
        label,
        count: thousands(count),
        class,
        empty: count == 0,
        x: number(x),
        y: number(y),
        width: number(width),
        height: number(height),
        middle: number(x + width / 2.0),
        above: number(y - 4.0),
    }
}

fn number(value: f64) -> String {
    format!("{value:.1}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn the_severity_bar_is_as_wide_as_its_parts() {
        let report = sample::report();
        let chart = Chart::severities(&report.summary);
        let width = |bar: &Bar| bar.width.parse::<f64>().unwrap();
        let total: f64 = chart.bars.iter().map(width).sum();
        assert!((total - WIDTH).abs() < 1.0, "{total}");
        assert_eq!(chart.bars[0].label, "critical");
        assert_eq!(chart.sentence, "3 critical, 1 high, 3 medium, 3 low, 1 info");
        let nothing = Chart::severities(&v1::Summary::default());
        assert!(nothing.bars.iter().all(|bar| bar.empty));
        assert_eq!(nothing.sentence, "none");
    }

    #[test]
    fn a_rare_grade_is_still_seen() {
        let by = v1::ByGrade { a: 1_000_000, f: 1, ..v1::ByGrade::default() };
        let chart = Chart::grades(by);
        let height = |grade: &str| {
            let bar = chart.bars.iter().find(|bar| bar.label == grade).unwrap();
            bar.height.parse::<f64>().unwrap()
        };
        assert!(height("F") >= SMALLEST);
        assert!(height("C") == 0.0);
        assert!((height("A") - (HEIGHT - HEADROOM)).abs() < 0.1);
    }

    #[test]
    fn certificates_fall_into_steps_of_thirty_days() {
        let now: Timestamp = "2026-01-02T00:00:00Z".parse().unwrap();
        let mut expiries = Expiries::default();
        for not_after in [
            "2026-01-01T23:59:59Z",
            "2026-01-02T00:00:00Z",
            "2026-02-01T00:00:00Z",
            "2026-02-01T00:00:01Z",
            "2026-12-28T00:00:00Z",
            "2026-12-28T00:00:01Z",
            "9999-12-30T00:00:00Z",
        ] {
            expiries.add(not_after.parse().unwrap(), now);
        }
        assert_eq!((expiries.expired, expiries.soon(), expiries.later), (1, 2, 2));
        assert_eq!((expiries.steps[1], expiries.steps[11]), (1, 1));
        assert_eq!(expiries.total(), 7);
        let chart = Chart::expiry(&expiries).unwrap();
        assert_eq!(chart.bars.len(), 14);
        assert!(chart.bars.iter().all(|bar| !bar.label.is_empty()));
        assert!(Chart::expiry(&Expiries::default()).is_none());
    }

    #[test]
    fn one_certificate_on_many_endpoints_is_one() {
        let report = sample::report();
        let expiries = Expiries::of(&report);
        assert_eq!(expiries.total(), 1, "the sample's leaves all have one hash");
    }
}
