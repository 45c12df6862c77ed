use serde_json::json;

use super::*;

const TODAY: &str = "2026-11-24";

fn import(known: &Advisories) -> Import<'_> {
    Import::new(known, None, TODAY.parse().unwrap())
}

fn embedded() -> Advisories {
    Advisories::embedded().unwrap().clone()
}

fn fixture(name: &str) -> Vec<u8> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/osv").join(name);
    std::fs::read(path).unwrap()
}

fn places(imported: &Imported) -> Vec<&str> {
    imported.problems.iter().map(|problem| problem.place.as_str()).collect()
}

#[test]
fn what_is_relevant_is_kept_and_the_rest_is_only_counted() {
    let known = embedded();
    let mut import = import(&known);
    for name in ["runc", "elsewhere", "withdrawn"] {
        import.document(name, &fixture(&format!("records/{name}.json")));
    }
    let imported = import.finish();
    assert_eq!((imported.documents, imported.relevant, imported.new), (3, 1, 1));
    assert_eq!(imported.problems, []);
    let [record] = &imported.file.advisories[..] else { panic!("{:?}", imported.file) };
    assert_eq!(record.id, "GO-2099-0001");
    assert_eq!(record.affected.len(), 1, "other packages are left out");
}

#[test]
fn broken_documents_are_named_with_their_line_and_the_rest_loads() {
    let known = embedded();
    let mut import = import(&known);
    for name in ["cut-off", "no-version", "runc"] {
        import.document(name, &fixture(&format!("records/{name}.json")));
    }
    import.document("text", b"not json");
    import.document("list", b"[]");
    let imported = import.finish();
    assert_eq!(imported.relevant, 1);
    assert_eq!(places(&imported), ["cut-off:5", "no-version", "text:1", "list:1"]);
    assert_eq!(imported.problems[1].message, "GO-2099-0005: 'tomorrow' is no version");
    for problem in &imported.problems {
        assert!(!problem.message.contains(" at line "), "{problem:?}");
    }
}

#[test]
fn archives_are_read_entry_by_entry() {
    let known = embedded();
    let mut import = import(&known);
    import.archive("database.zip", &fixture("database.zip"));
    import.archive("bomb.zip", &fixture("bomb.zip"));
    import.archive("text.zip", b"no archive");
    let imported = import.finish();
    assert_eq!(imported.relevant, 4, "three and the bomb's neighbour");
    assert_eq!(
        places(&imported),
        ["database.zip!ID/GO-2099-0104.json:1", "bomb.zip!ID/bomb.json", "text.zip"]
    );
    assert!(imported.problems[1].message.contains("larger than 4194304 bytes"));
}

#[test]
fn a_document_over_the_limit_is_not_read() {
    let known = embedded();
    let mut import = import(&known);
    import.document("large", &vec![b' '; MAX_DOCUMENT + 1]);
    import.unpacked = MAX_UNPACKED;
    import.document("one more", &fixture("records/runc.json"));
    import.document("and another", &fixture("records/runc.json"));
    let imported = import.finish();
    assert_eq!(imported.relevant, 0);
    assert_eq!(places(&imported), ["large", "one more"], "said once");
}

/// Every record of the embedded data, as a database would hold them later.
fn database(modified: &str) -> Vec<Vec<u8>> {
    let file: Value = serde_json::from_str(include_str!("../../../data/advisories.json")).unwrap();
    let records = file["advisories"].as_array().unwrap();
    let of = |record: &Value| {
        let mut record = record.clone();
        record["modified"] = modified.into();
        record.to_string().into_bytes()
    };
    records.iter().map(of).collect()
}

#[test]
fn only_a_database_dates_the_data() {
    let known = embedded();
    let mut few = import(&known);
    few.document("runc", &fixture("records/runc.json"));
    let few = few.finish();
    assert!(!few.is_database);
    assert_eq!(few.file.date, known.date());

    let mut all = import(&known);
    for record in database("2026-11-01T00:00:00Z") {
        all.document("record", &record);
    }
    let all = all.finish();
    assert!(all.is_database);
    assert_eq!(all.file.date.to_string(), "2026-11-01");

    let mut future = import(&known);
    for record in database("2999-01-01T00:00:00Z") {
        future.document("record", &record);
    }
    assert_eq!(future.finish().file.date, known.date(), "nothing is known of the future");
}

#[test]
fn what_was_imported_before_stays() {
    let known = embedded();
    let mut first = import(&known);
    first.document("runc", &fixture("records/runc.json"));
    let former = first.finish().file;
    let known = known.with(former.clone()).unwrap();
    let mut second = Import::new(&known, Some(former), TODAY.parse().unwrap());
    second.archive("database.zip", &fixture("database.zip"));
    let imported = second.finish();
    assert_eq!((imported.relevant, imported.new), (3, 3));
    assert_eq!(imported.file.advisories.len(), 4);
}

#[test]
fn of_two_records_of_one_id_the_later_stays() {
    let known = embedded();
    let record = |modified: &str, summary: &str| {
        json!({"id": "GO-1", "modified": modified, "summary": summary, "affected": [
            {"package": {"ecosystem": "Go", "name": "github.com/moby/moby"},
             "ranges": [{"type": "SEMVER", "events": [{"introduced": "0"}]}]}]})
        .to_string()
    };
    let mut import = import(&known);
    import.document("new", record("2026-10-02T00:00:00Z", "new").as_bytes());
    import.document("old", record("2026-10-01T00:00:00Z", "old").as_bytes());
    let imported = import.finish();
    assert_eq!(imported.file.advisories[0].summary.as_deref(), Some("new"));
}

#[test]
fn a_newer_list_of_releases_is_taken_and_an_older_one_is_not() {
    let known = embedded();
    let list = |date: &str| {
        json!({"date": date, "cycles": [{"cycle": "30", "released": "2026-11-01",
            "end_of_support": null, "latest": "30.0.1"}],
            "tags": [{"version": "30.0.1", "released": "2026-11-02"}]})
        .to_string()
    };
    let mut newer = import(&known);
    newer.document("releases.json", list("2026-11-20").as_bytes());
    let newer = newer.finish();
    assert!(newer.took_releases);
    let after = embedded().with(newer.file).unwrap();
    assert_eq!(after.releases().date().to_string(), "2026-11-20");
    for date in ["2026-10-01", "2027-01-01"] {
        let mut import = import(&known);
        import.document("releases.json", list(date).as_bytes());
        assert!(!import.finish().took_releases, "{date}");
    }
}

#[test]
fn an_index_is_no_record() {
    for (name, expected) in [
        ("ID/GO-2099-0001.json", true),
        ("GHSA-1.json", true),
        ("index/vulns.json", false),
        ("a/index/b.json", false),
        ("ID/.hidden.json", false),
        ("ID/GO-2099-0001.json.gz", false),
        ("LICENSE", false),
    ] {
        assert_eq!(is_record_name(name), expected, "{name}");
    }
}

#[test]
fn nesting_of_a_megabyte_is_refused_and_the_rest_loads() {
    let known = embedded();
    let mut import = import(&known);
    import.document("arrays", &vec![b'['; 1 << 20]);
    import.document("objects", "{\"a\":".repeat(1 << 18).as_bytes());
    let inside = format!(
        "{{\"id\": \"GO-1\", \"modified\": \"2026-10-20T00:00:00Z\", \"database_specific\": {}",
        "[".repeat(1 << 20)
    );
    import.document("inside", inside.as_bytes());
    import.document("runc", &fixture("records/runc.json"));
    let imported = import.finish();
    assert_eq!(imported.relevant, 1);
    assert_eq!(places(&imported), ["arrays:1", "objects:1", "inside:1"]);
    for problem in &imported.problems {
        assert_eq!(problem.message, "recursion limit exceeded");
    }
}

#[test]
fn a_withdrawn_record_withdraws_what_was_imported_of_it_alone() {
    let known = embedded();
    let mut first = import(&known);
    let record = String::from_utf8(fixture("records/runc.json")).unwrap();
    first.document("runc", record.as_bytes());
    let former = first.finish().file;
    let known = known.with(former.clone()).unwrap();
    let mut second = Import::new(&known, Some(former), TODAY.parse().unwrap());
    let withdrawn = record.replacen('{', "{\"withdrawn\": \"2026-11-01T00:00:00Z\",", 1);
    second.document("runc", withdrawn.as_bytes());
    // It shares a name with a flaw that others vouch for.
    let duplicate =
        withdrawn.replace("CVE-2099-0001", "CVE-2024-21626").replace("GO-2099", "GO-2098");
    second.document("duplicate", duplicate.as_bytes());
    let imported = second.finish();
    assert_eq!((imported.relevant, imported.file.advisories.len()), (0, 0));
    assert!(imported.changed(), "to be written, though it brings nothing");
    assert!(embedded().with(imported.file).unwrap().knows("CVE-2024-21626"));
}

#[test]
fn a_withdrawn_record_in_a_file_of_ours_is_not_judged_by() {
    let record: Value = serde_json::from_slice(&fixture("records/withdrawn.json")).unwrap();
    let file = json!({"date": "2026-11-01", "advisories": [record]});
    let after = embedded().with(serde_json::from_value(file).unwrap()).unwrap();
    assert!(!after.knows("GO-2099-0003"));
}

#[test]
fn what_is_unpacked_in_vain_counts_too() {
    let known = embedded();
    let mut import = import(&known);
    import.unpacked = MAX_UNPACKED - MAX_DOCUMENT;
    import.archive("bomb.zip", &fixture("bomb.zip"));
    import.archive("bomb.zip", &fixture("bomb.zip"));
    let imported = import.finish();
    assert_eq!(imported.relevant, 0);
    let last = imported.problems.last().unwrap();
    assert!(last.message.contains("bytes in all"), "{last:?}");
}
