//! Base scores of CVSS 3 vectors (first.org, CVSS 3.1 specification, section 7). Version 4 scores
//! by a table of 270 equivalence classes; those advisories say their level in words as well.

use std::collections::HashMap;

/// The score in tenths; `None` for another version or an incomplete vector.
pub fn base_score(vector: &str) -> Option<u8> {
    let metrics = vector.strip_prefix("CVSS:3.1/").or_else(|| vector.strip_prefix("CVSS:3.0/"))?;
    let metrics: HashMap<&str, &str> =
        metrics.split('/').map(|metric| metric.split_once(':')).collect::<Option<_>>()?;
    let value = |name: &str| metrics.get(name).copied();

    let changed = match value("S")? {
        "C" => true,
        "U" => false,
        _ => return None,
    };
    let vector = match value("AV")? {
        "N" => 0.85,
        "A" => 0.62,
        "L" => 0.55,
        "P" => 0.2,
        _ => return None,
    };
    let complexity = match value("AC")? {
        "L" => 0.77,
        "H" => 0.44,
        _ => return None,
    };
    let privileges = match (value("PR")?, changed) {
        ("N", _) => 0.85,
        ("L", true) => 0.68,
        ("L", false) => 0.62,
        ("H", true) => 0.5,
        ("H", false) => 0.27,
        _ => return None,
    };
    let interaction = match value("UI")? {
        "N" => 0.85,
        "R" => 0.62,
        _ => return None,
    };
    let mut kept: f64 = 1.0;
    for name in ["C", "I", "A"] {
        kept *= match value(name)? {
            "H" => 1.0 - 0.56,
            "L" => 1.0 - 0.22,
            "N" => 1.0,
            _ => return None,
        };
    }
    let lost = 1.0 - kept;
    let impact =
        if changed { 7.52 * (lost - 0.029) - 3.25 * (lost - 0.02).powi(15) } else { 6.42 * lost };
    if impact <= 0.0 {
        return Some(0);
    }
    let reach = 8.22 * vector * complexity * privileges * interaction;
    let scope = if changed { 1.08 } else { 1.0 };
    Some(round_up((scope * (impact + reach)).min(10.0)))
}

/// To the next tenth, on integers, as the specification's appendix A asks for.
fn round_up(score: f64) -> u8 {
    let whole = (score * 100_000.0).round() as u32;
    u8::try_from(whole.div_ceil(10_000)).unwrap_or(100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_are_those_that_were_published() {
        for (vector, tenths) in [
            ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", Some(98)),
            ("CVSS:3.1/AV:N/AC:L/PR:L/UI:N/S:C/C:H/I:H/A:H", Some(99)),
            ("CVSS:3.1/AV:L/AC:L/PR:N/UI:R/S:C/C:H/I:H/A:H", Some(86)),
            ("CVSS:3.1/AV:A/AC:L/PR:L/UI:N/S:C/C:N/I:H/A:N", Some(68)),
            ("CVSS:3.0/AV:N/AC:L/PR:N/UI:R/S:U/C:N/I:N/A:H", Some(65)),
            ("CVSS:3.1/AV:N/AC:H/PR:N/UI:N/S:C/C:H/I:N/A:L", Some(75)),
            ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:N", Some(0)),
            ("CVSS:3.1/AV:N/AC:L", None),
            ("CVSS:3.1/AV:X/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:N", None),
            ("CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N", None),
            ("nonsense", None),
            ("", None),
        ] {
            assert_eq!(base_score(vector), tenths, "{vector}");
        }
    }
}
