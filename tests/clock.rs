//! The system's clock is set while a scan runs: nothing is lost, and the report knows of one day.

use std::path::PathBuf;
use std::process::Command;

use jiff::{SignedDuration, Timestamp};

use crate::resume::{Fleet, answered, can_send_syns, lasting, report, stderr};
use crate::skip;

/// The library that `faketime` puts before a program, to be told by a file what time it is.
fn library() -> Option<String> {
    let output = Command::new("faketime").args(["-f", "+0", "env"]).output().ok()?;
    let environment = String::from_utf8(output.stdout).ok()?;
    environment.lines().find_map(|line| line.strip_prefix("LD_PRELOAD=")).map(str::to_owned)
}

/// The clock of a program that was started with it.
struct Clock(PathBuf);

impl Clock {
    fn set(&self, offset: &str) {
        // Replaced whole: it is read at every look at the clock.
        let new = self.0.with_extension("new");
        std::fs::write(&new, offset).unwrap();
        std::fs::rename(new, &self.0).unwrap();
    }

    fn give_to(&self, command: &mut Command, library: &str) {
        command
            .env("LD_PRELOAD", library)
            .env("FAKETIME_TIMESTAMP_FILE", &self.0)
            .env("FAKETIME_NO_CACHE", "1")
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
            .env("DONT_FAKE_MONOTONIC", "1");
    }
}

async fn a_day_ahead_and_two_back(engine: &str, network: u8) {
    let Some(library) = library() else {
        return skip::said("setting a program's clock needs faketime");
    };
    let fleet = Fleet::start(network).await;
    let output = fleet.scan(engine, "whole.json").output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));

    let clock = Clock(fleet.path("clock"));
    clock.set("+0");
    // So slow that a disk has seconds for the checkpoints that this waits for.
    let mut command = fleet.checkpoint_at("200", engine, "set.json");
    clock.give_to(&mut command, &library);
    let before = Timestamp::now();
    let mut child = command.spawn().unwrap();
    let place = fleet.path("place");
    for (after, offset) in [(100, "+1d"), (300, "-1d")] {
        // Only a checkpoint that is written after the clock was set lets the second turn begin.
        while answered(&place) < after {
            assert!(child.try_wait().unwrap().is_none(), "it ended before it counted {after}");
            std::thread::yield_now();
        }
        clock.set(offset);
    }
    let output = child.wait_with_output().unwrap();
    let after = Timestamp::now();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(!place.exists());

    let report_of = |name: &str| report(&fleet.path(name));
    let set = report_of("set.json");
    assert_eq!(lasting(&set), lasting(&report_of("whole.json")));
    let scan = &set["scan"];
    let endpoints = set["endpoints"].as_array().unwrap();
    let observed = endpoints.iter().map(|endpoint| &endpoint["observation"]["observed_at"]);
    let judged = endpoints.iter().map(|endpoint| &endpoint["judged_at"]);
    let second = SignedDuration::from_secs(1);
    for time in
        [&scan["started_at"], &scan["finished_at"]].into_iter().chain(observed).chain(judged)
    {
        let time: Timestamp = time.as_str().unwrap().parse().unwrap();
        assert!((before - second..=after + second).contains(&time), "{time}: {scan}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_do_not_care_what_day_it_is() {
    a_day_ahead_and_two_back("connect", 90).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nor_do_syns() {
    if !can_send_syns() {
        return skip::said("the SYN engine needs CAP_NET_RAW");
    }
    a_day_ahead_and_two_back("syn", 100).await;
}
