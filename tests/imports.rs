//! Who may import whom. A probe that judges or a rule that does I/O would show here first.

use std::path::{Path, PathBuf};

/// For each folder or file of a module, what it may use of this crate, and what it must not touch.
const TABLE: &[(&str, &[&str], &[&str])] = &[
    ("target", &["target"], PURE),
    ("cipher_suite", &["cipher_suite", "observation"], PURE),
    ("observation", &["observation", "cipher_suite"], PURE),
    ("certificate", &["certificate"], PURE),
    ("advisories", &["advisories", "finding"], PURE),
    ("finding", &[], PURE),
    ("sanitize", &[], PURE),
    ("assess", &["assess", "observation", "certificate", "cipher_suite"], PURE),
    ("trust", &["trust", "certificate"], PURE),
    (
        "rules",
        &[
            "rules",
            "observation",
            "advisories",
            "assess",
            "certificate",
            "cipher_suite",
            "finding",
            "trust",
        ],
        PURE,
    ),
    (
        "baseline",
        &["baseline", "advisories", "observation", "assess", "certificate", "finding", "rules"],
        PURE,
    ),
    (
        "credentials",
        &["credentials", "certificate"],
        &["tokio", "TcpStream", "Timestamp::now", "Instant", "SystemTime", "env::var"],
    ),
    (
        "probe",
        &["probe", "clock", "observation", "certificate", "cipher_suite", "target", "credentials"],
        &["Timestamp::now", "SystemTime"],
    ),
    ("sweep", &["sweep", "target"], &["Timestamp::now", "SystemTime"]),
    (
        "checkpoint",
        &["checkpoint", "observation", "sweep", "target"],
        &["TcpStream", "UdpSocket", "Timestamp::now", "SystemTime"],
    ),
    ("clock", &[], &["tokio", "TcpStream", "UdpSocket", "std::fs"]),
    ("resolve", &["target"], &[]),
    ("diff", &["diff", "finding", "observation", "report"], PURE),
    (
        "history",
        &["history", "diff", "finding", "observation", "report", "rules"],
        &["tokio", "TcpStream", "UdpSocket", "Timestamp::now", "SystemTime"],
    ),
    (
        "report",
        &[
            "report",
            "advisories",
            "finding",
            "observation",
            "assess",
            "certificate",
            "cipher_suite",
            "rules",
            "baseline",
            "sanitize",
        ],
        &["tokio", "TcpStream", "Timestamp::now", "Instant"],
    ),
    ("exit_code", &[], PURE),
    ("notify", &["notify", "finding", "report", "sanitize"], PURE),
    ("schedule", &["schedule"], PURE),
    ("lock", &[], &["tokio", "TcpStream", "UdpSocket"]),
    ("webhook", &["webhook", "sanitize"], &["tokio", "std::fs"]),
    ("nearest", &[], PURE),
    ("document", &["document", "nearest"], PURE),
    (
        "suppress",
        &["suppress", "document", "finding", "nearest", "report", "rules", "target"],
        PURE,
    ),
    ("wrap", &[], PURE),
    ("settings", &["settings", "document", "sanitize", "suppress", "wrap"], PURE),
    ("manual", &["exit_code", "settings"], PURE),
];

/// No network, no clock, no files.
const PURE: &[&str] =
    &["tokio", "TcpStream", "UdpSocket", "Timestamp::now", "Instant", "SystemTime", "std::fs"];

#[test]
fn the_import_table_holds() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut broken = Vec::new();
    for (module, allowed, forbidden) in TABLE {
        let mut files = rust_files(&src.join(module));
        files.extend(Some(src.join(format!("{module}.rs"))).filter(|path| path.exists()));
        assert!(!files.is_empty(), "{module} has no file");
        for file in files {
            let text = std::fs::read_to_string(&file).unwrap();
            // What tests use is their own affair.
            let code = text.split("#[cfg(test)]").next().unwrap();
            for (number, line) in code.lines().enumerate() {
                let line = line.trim();
                if line.starts_with("//") {
                    continue;
                }
                let place = format!("{}:{}: {line}", file.display(), number + 1);
                let foreign = crate_paths(line).any(|name| !allowed.contains(&name));
                if foreign || forbidden.iter().any(|word| line.contains(word)) {
                    broken.push(place);
                }
            }
        }
    }
    assert!(broken.is_empty(), "imports against the table:\n{}", broken.join("\n"));
}

/// The modules named by `crate::NAME` in a line.
fn crate_paths(line: &str) -> impl Iterator<Item = &str> {
    line.split("crate::").skip(1).map(|rest| {
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
        &rest[..end]
    })
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    entries
        .map(|entry| entry.unwrap().path())
        .flat_map(|path| if path.is_dir() { rust_files(&path) } else { vec![path] })
        .filter(|path| path.extension().is_some_and(|e| e == "rs"))
        .filter(|path| path.file_stem().is_none_or(|stem| stem != "tests" && stem != "fixture"))
        .collect()
}
