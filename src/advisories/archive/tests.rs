use proptest::prelude::*;

use super::*;

fn fixture(name: &str) -> Vec<u8> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/osv").join(name);
    std::fs::read(path).unwrap()
}

const LIMIT: usize = 4 * 1024 * 1024;
const MOST: usize = 100;

fn names(archive: &Archive<'_>) -> Vec<String> {
    (0..archive.len()).map(|index| archive.name(index).unwrap()).collect()
}

fn read(bytes: &[u8], name: &str) -> Result<Vec<u8>, ArchiveError> {
    let mut archive = Archive::open(bytes, MOST).unwrap();
    let index = names(&archive).iter().position(|other| other.ends_with(name)).unwrap();
    archive.read(index, LIMIT)
}

#[test]
fn every_kind_of_block_is_unpacked() {
    let bytes = fixture("database.zip");
    for number in 0..4 {
        let text = read(&bytes, &format!("GO-2099-010{number}.json")).unwrap();
        let value: serde_json::Value = serde_json::from_slice(&text).unwrap();
        assert_eq!(value["id"], format!("GO-2099-010{number}"));
    }
    assert!(read(&bytes, "0103.json").unwrap().len() > 100_000, "over several blocks and windows");
}

#[test]
fn a_bomb_is_stopped_at_the_limit() {
    let bytes = fixture("bomb.zip");
    assert!(bytes.len() < 64 * 1024);
    assert_eq!(read(&bytes, "bomb.json"), Err(ArchiveError::TooLarge(LIMIT)));
    assert!(read(&bytes, "0105.json").is_ok());
    let stored = fixture("database.zip");
    let mut archive = Archive::open(&stored, MOST).unwrap();
    let index = names(&archive).iter().position(|name| name.ends_with("0100.json")).unwrap();
    assert_eq!(archive.read(index, 10), Err(ArchiveError::TooLarge(10)), "not compressed at all");
}

#[test]
fn entries_are_counted_before_their_table_is_kept() {
    let bytes = fixture("database.zip");
    let count = Archive::open(&bytes, MOST).unwrap().len();
    assert!(Archive::open(&bytes, count).is_ok());
    assert_eq!(Archive::open(&bytes, count - 1).unwrap_err(), ArchiveError::TooMany(count - 1));
}

#[test]
fn entries_that_lie_are_refused_one_by_one() {
    let bytes = fixture("damaged.zip");
    let result = |name| read(&bytes, name).map(|text| text.len());
    assert_eq!(result("0100.json"), Err(ArchiveError::Damaged), "not as long as it says");
    assert_eq!(result("0101.json"), Err(ArchiveError::Damaged));
    assert_eq!(result("0102.json"), Err(ArchiveError::Encrypted));
    assert_eq!(result("0103.json"), Err(ArchiveError::Method));
    assert!(result("vulns.json").is_ok());
}

#[test]
fn what_is_no_archive_is_said_to_be_none() {
    let bytes = fixture("database.zip");
    let cut = &bytes[..bytes.len() - 40];
    for bytes in [b"", &b"{\"id\": 1}"[..], cut] {
        assert_eq!(Archive::open(bytes, MOST).unwrap_err(), ArchiveError::NoArchive);
    }
}

proptest! {
    #[test]
    fn a_mutated_archive_is_read_or_refused(at in 0..usize::MAX, value: u8) {
        let mut bytes = fixture("database.zip");
        let length = bytes.len();
        bytes[at % length] = value;
        if let Ok(mut archive) = Archive::open(&bytes, MOST) {
            for index in 0..archive.len() {
                if let Ok(text) = archive.read(index, LIMIT) {
                    prop_assert!(text.len() <= LIMIT);
                }
            }
        }
    }

    #[test]
    fn any_end_of_an_archive_is_read_or_refused(bytes: Vec<u8>) {
        let mut archive = fixture("bomb.zip");
        archive.truncate(archive.len() - bytes.len().min(200));
        archive.extend(&bytes);
        let _ = Archive::open(&archive, MOST);
    }
}
