use std::process::Command;

use super::*;

fn version(text: &str) -> Version {
    Version::parse(text).unwrap()
}

fn ids(component: &str, text: &str) -> Vec<&'static str> {
    let found = Advisories::embedded().affecting(component, &version(text));
    found.into_iter().map(|advisory| advisory.id.as_str()).collect()
}

#[test]
fn the_embedded_data_is_read_whole() {
    let data = Advisories::embedded();
    assert!(data.date() > Date::MIN);
    assert!(data.all().len() > 90 && data.cycles().len() == 26, "{}", data.all().len());
    assert!(data.all().iter().all(|advisory| !advisory.ranges.is_empty()));
}

#[test]
fn the_embedded_data_is_what_the_script_makes() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/make-advisories");
    match Command::new("python3").args([script, "--check"]).output() {
        Ok(output) => {
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        }
        Err(error) => {
            use std::io::Write as _;
            let _ = writeln!(std::io::stderr(), "SKIPPED the check of the data: python3: {error}");
        }
    }
}

#[test]
fn several_ranges_of_one_advisory() {
    for (text, affected) in [
        ("23.0.14", true),
        ("23.0.15", false),
        ("24.0.9", true),
        ("25.0.5", true),
        ("25.0.6", false),
        ("27.1.0", true),
        ("27.1.1", false),
        ("29.0.0", false),
    ] {
        assert_eq!(ids("docker", text).contains(&"CVE-2024-41110"), affected, "{text}");
    }
}

#[test]
fn pre_releases_are_before_their_release() {
    assert!(ids("docker", "26.0.0-rc2").contains(&"CVE-2024-29018"));
    assert!(!ids("docker", "26.0.0-rc3").contains(&"CVE-2024-29018"));
    assert!(!ids("docker", "26.0.0").contains(&"CVE-2024-29018"));
    // 29.3.1 was fixed as v2.0.0-beta.8 of the Go module.
    assert!(ids("docker", "29.3.0").contains(&"CVE-2026-34040"));
    assert!(!ids("docker", "29.3.1").contains(&"CVE-2026-34040"));
}

#[test]
fn numbers_written_with_zeros_are_the_same() {
    assert_eq!(ids("docker", "19.03.15"), ids("docker", "19.3.15"));
    assert!(ids("docker", "19.03.0").contains(&"CVE-2019-14271"));
    assert!(!ids("docker", "19.03.1").contains(&"CVE-2019-14271"));
}

#[test]
fn kubernetes_interface_is_left_out_and_buildkit_comes_with_the_engine() {
    let all = Advisories::embedded().all();
    assert!(!all.iter().any(|a| a.component == "containerd" && a.id == "CVE-2024-25621"));
    assert!(ids("docker", "25.0.1").contains(&"CVE-2024-23652"), "by the engine's own range");
    assert!(!ids("docker", "25.0.2").contains(&"CVE-2024-23652"));
}

#[test]
fn a_distributions_runc_is_judged_as_runc() {
    assert!(ids("docker", "24.0.7").contains(&"CVE-2024-21626"));
    assert!(!ids("docker", "24.0.7+dfsg1").contains(&"CVE-2024-21626"));
    assert!(ids("runc", "1.1.5+ds1").contains(&"CVE-2024-21626"));
}

#[test]
fn the_worst_comes_first() {
    let found = Advisories::embedded().affecting("docker", &version("24.0.0"));
    let order: Vec<_> = found.iter().map(|advisory| advisory.rated()).collect();
    assert!(order.windows(2).all(|pair| pair[0] >= pair[1]), "{order:?}");
    assert_eq!(found[0].rated(), Severity::Critical);
}

#[test]
fn cycles_and_tags() {
    let data = Advisories::embedded();
    assert_eq!(data.cycle(&version("20.10.24+dfsg1")).unwrap().name, "20.10");
    assert_eq!(data.cycle(&version("26.1.5")).unwrap().name, "26.1");
    assert_eq!(data.cycle(&version("29.7.2")).unwrap().end_of_support, None);
    assert!(data.cycle(&version("1.13.1")).is_none() && data.predates_all(&version("1.13.1")));
    assert!(data.is_tagged(&version("19.3.15")) && !data.is_tagged(&version("19.3.99")));
}

#[test]
fn old_data_and_an_early_clock_are_said() {
    let data = Advisories::embedded();
    let later =
        |days: i64| data.date().checked_add(jiff::SignedDuration::from_hours(24 * days)).unwrap();
    assert_eq!(data.age_note(data.date()), None);
    assert_eq!(data.age_note(later(30)), None);
    assert!(data.age_note(later(31)).unwrap().contains("31 days old"));
    assert!(data.age_note(later(-1)).unwrap().contains("the clock is before"));
}
