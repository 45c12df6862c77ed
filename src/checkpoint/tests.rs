use super::*;

fn snapshot() -> Snapshot {
    let options = [("--depth".to_owned(), "posture".to_owned())];
    let header = Header {
        id: "x".to_owned(),
        program: "1".to_owned(),
        targets_digest: "1f".repeat(32),
        seed: u64::MAX,
        shard: "1/2".to_owned(),
        engine: "connect".to_owned(),
        options: options.into(),
        started_at: Timestamp::UNIX_EPOCH,
        resumed_at: vec![Timestamp::UNIX_EPOCH],
        arguments: Some(vec!["10.0.0.0/24".to_owned()]),
        names: Vec::new(),
        unresolved: Vec::new(),
    };
    let pending = vec!["10.0.0.1:2375".parse().unwrap(), "[fd00::1]:1".parse().unwrap()];
    Snapshot { header, state: SweepState::unbegun(512), pending, journaled: 7 }
}

#[test]
fn what_is_written_is_read_and_one_wrong_byte_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("place");
    state_file::write(&path, &snapshot()).unwrap();
    assert_eq!(state_file::read(&path).unwrap(), snapshot());
    let good = std::fs::read(&path).unwrap();
    for at in 0..good.len() {
        for wrong in [0x01, 0x80] {
            let mut bytes = good.clone();
            bytes[at] ^= wrong;
            std::fs::write(&path, &bytes).unwrap();
            assert!(state_file::read(&path).is_err(), "byte {at}");
        }
        std::fs::write(&path, &good[..at]).unwrap();
        assert!(state_file::read(&path).is_err(), "cut off at {at}");
    }
    std::fs::write(&path, [&good[..], b"x"].concat()).unwrap();
    assert!(state_file::read(&path).is_err());
    let names = std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(names, 1, "nothing is left of the writing");
}

#[test]
fn a_scan_differs_in_the_first_thing_that_differs() {
    let header = snapshot().header;
    assert_eq!(header.difference(&header), None);
    let mut other = header.clone();
    // What a later run has of its own.
    other.started_at = Timestamp::MAX;
    other.arguments = None;
    assert_eq!(header.difference(&other), None);
    other.options.insert("--ciphers".to_owned(), "given".to_owned());
    let difference = header.difference(&other).unwrap().to_string();
    assert_eq!(difference, "--ciphers is unknown there and given here");
    other.targets_digest = "2f".repeat(32);
    assert_eq!(header.difference(&other).unwrap().what, "the digest of the targets");
}

#[test]
fn one_run_at_a_time_has_the_endpoints() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("place.endpoints");
    assert!(!journal::holds_endpoints(&path));
    let journal = Journal::create(&path, "x").unwrap();
    assert!(!journal::holds_endpoints(&path), "its first line is no endpoint");
    assert!(matches!(Journal::open(&path), Err(CheckpointError::Locked(_))));
    drop(journal);
    let mut journal = Journal::open(&path).unwrap();
    assert_eq!(journal.read("x", 0).unwrap(), []);
    let error = journal.read("y", 0).unwrap_err().to_string();
    assert!(error.contains("of another scan"), "{error}");
    journal.append(b"half").unwrap();
    assert!(journal::holds_endpoints(&path));
    assert_eq!(journal.read("x", 10).unwrap(), []);
    journal.trim().unwrap();
    assert!(!journal::holds_endpoints(&path));
}
