//! What this machine refuses to send is tried again, by the same run and by one that goes on.
//! In network namespaces; skipped where there are none.

use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use docksweep::sweep::{Counts, Engine, Rate, Resume, StopReason, SweepConfig};
use serde_json::Value;
use tokio::sync::oneshot;

use crate::syn_bed::{ALIVE, Bed};

const BOTH: [Engine; 2] = [Engine::Connect, Engine::Syn];

fn config(engine: Engine) -> SweepConfig {
    SweepConfig { engine, checkpoint_every: Some(Duration::from_millis(1)), ..Default::default() }
}

fn at_once() -> oneshot::Receiver<()> {
    let (may_read, reading) = oneshot::channel();
    may_read.send(()).unwrap();
    reading
}

#[test]
fn a_route_that_is_lost_and_found_while_connections_are_made_costs_nothing() {
    let Some(bed) = Bed::new() else { return };
    let _listener = bed.listen();
    let rate = Rate::PerSecond(200.try_into().unwrap());
    let config = SweepConfig { rate, engine: Engine::Connect, ..SweepConfig::default() };
    let (may_read, reading) = oneshot::channel();
    let (outcome, found, _) = bed.sweep_and_keep(&[ALIVE], config, reading, |progress| {
        // Nobody takes what is found, so the sweep stands still once the channel is full.
        while progress.counts().open < 17 {
            thread::yield_now();
        }
        bed.ip_in_scanner("route del 198.18.0.0/16");
        may_read.send(()).unwrap();
        while progress.counts().unreachable < 20 {
            thread::yield_now();
        }
        bed.ip_in_scanner("route add 198.18.0.0/16 via 198.19.0.2 dev ds0");
    });
    assert!(outcome.complete() && outcome.notes.is_empty(), "{outcome:?}");
    assert_eq!(found, bed.open(), "{outcome:?}");
    assert_eq!((outcome.counts.closed, outcome.counts.unreachable), (256, 0), "{outcome:?}");
}

#[test]
fn from_any_state_what_had_no_route_is_found_once_there_is_one() {
    let Some(bed) = Bed::new() else { return };
    let _listener = bed.listen();
    for engine in BOTH {
        let (whole, _) = bed.sweep(&[ALIVE], SweepConfig { engine, ..Default::default() }, |_| {});
        bed.ip_in_scanner("route add prohibit 198.18.0.128/25");
        let rate = Rate::PerSecond(2000.try_into().unwrap());
        let config = SweepConfig { rate, ..config(engine) };
        let (outcome, found, states) =
            bed.sweep_and_keep(&[ALIVE], config.clone(), at_once(), |_| {});
        assert_eq!((found.len(), outcome.counts.unreachable), (128, 256), "{outcome:?}");
        assert!(outcome.complete() && outcome.refused == 0, "{outcome:?}");
        assert!(outcome.notes[0].contains("refused 256 probes"), "{outcome:?}");
        bed.ip_in_scanner("route del prohibit 198.18.0.128/25");
        for state in states.iter().step_by(states.len().div_ceil(4)).chain(states.last()) {
            // What was found after the state, as a journal has it.
            let open = found.iter().copied().collect();
            let resume = Some(Arc::new(Resume { state: state.clone(), open }));
            let config = SweepConfig { resume, ..config.clone() };
            let (outcome, rest, _) = bed.sweep_and_keep(&[ALIVE], config, at_once(), |_| {});
            assert_eq!(found.union(&rest).count(), 256, "{engine:?}: {state:?} {outcome:?}");
            assert!(found.is_disjoint(&rest), "{engine:?}: {outcome:?}");
            let lasting = |counts| Counts { sent: 0, duplicates: 0, ..counts };
            assert_eq!(lasting(outcome.counts), lasting(whole.counts), "{engine:?}: {state:?}");
            assert!(outcome.notes.is_empty(), "{outcome:?}");
        }
    }
}

#[test]
fn broken_off_while_it_tries_again_it_tries_all_again() {
    let Some(bed) = Bed::new() else { return };
    let _listener = bed.listen();
    for engine in BOTH {
        bed.ip_in_scanner("route add prohibit 198.18.0.128/25");
        let (_, found, states) = bed.sweep_and_keep(&[ALIVE], config(engine), at_once(), |_| {});
        bed.ip_in_scanner("route del prohibit 198.18.0.128/25");
        let resumed = |state, open, rate| {
            let resume = Some(Arc::new(Resume { state, open }));
            let rate = Rate::PerSecond(u32::try_from(rate).unwrap().try_into().unwrap());
            let config = SweepConfig { resume, rate, ..config(engine) };
            bed.sweep_and_keep(&[ALIVE], config, at_once(), |_| {})
        };
        let open: Vec<_> = found.iter().copied().collect();
        let (_, second, states) = resumed(states.last().unwrap().clone(), open.clone(), 500);
        assert_eq!(second.len(), 128);
        assert!(states.len() > 4, "{}", states.len());
        let state = &states[states.len() / 2];
        let settled = state.counts().open + state.counts().closed;
        assert!((257..512).contains(&settled), "{state:?}");
        let both: Vec<_> = open.iter().chain(&second).copied().collect();
        let known = both.into_iter().take(usize::try_from(state.counts().open).unwrap()).collect();
        let (outcome, _, _) = resumed(state.clone(), known, 100_000);
        assert_eq!((outcome.counts.open, outcome.counts.closed), (256, 256), "{outcome:?}");
    }
}

#[test]
fn a_sweep_that_can_send_nothing_is_not_complete_and_stays_where_it_is() {
    let Some(bed) = Bed::new() else { return };
    bed.ip_in_scanner("route del 198.18.0.0/16");
    for engine in BOTH {
        let (outcome, _, states) = bed.sweep_and_keep(&[ALIVE], config(engine), at_once(), |_| {});
        assert_eq!(outcome.stopped, Some(StopReason::NoWay), "{outcome:?}");
        assert_eq!(outcome.counts.unreachable, 512, "{outcome:?}");
        assert!(outcome.notes[0].starts_with("no route for 512 probes"), "{outcome:?}");
        assert_eq!(states.last().unwrap().counts(), Counts { probes: 512, ..Counts::default() });
    }
}

fn docksweep(bed: &Bed, folder: &Path, arguments: &[&str]) -> Output {
    let mut command: Command = bed.command_in_scanner(env!("CARGO_BIN_EXE_docksweep"));
    command.env("XDG_DATA_HOME", "/nonexistent").current_dir(folder);
    command.arg("scan").args(arguments).output().unwrap()
}

#[test]
fn a_scan_without_a_route_keeps_its_checkpoint_and_goes_on_once_there_is_one() {
    let Some(bed) = Bed::new() else { return };
    let folder = tempfile::tempdir().unwrap();
    let report = |name: &str| -> Value {
        let bytes = std::fs::read(folder.path().join(name)).unwrap();
        serde_json::from_slice(&bytes).unwrap()
    };
    let scan = ["--seed", "3", "-p", "9", ALIVE, "-o"];
    let run = |more: &[&str]| docksweep(&bed, folder.path(), more);
    assert_eq!(run(&[&scan[..], &["whole.json"]].concat()).status.code(), Some(0));
    bed.ip_in_scanner("route del 198.18.0.0/16");
    let output = run(&[&scan[..], &["cut.json", "--checkpoint", "place"]].concat());
    for output in [output, run(&["--resume", "place"]), run(&["--resume", "place"])] {
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(11), "{text}");
        assert!(text.contains("hint: docksweep scan --resume place goes on"), "{text}");
        let reason = &report("cut.json")["scan"]["incomplete_reason"];
        assert_eq!(reason, "no probe could leave this machine");
    }
    bed.ip_in_scanner("route add 198.18.0.0/16 via 198.19.0.2 dev ds0");
    let output = run(&["--resume", "place"]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let counts = |name| {
        let mut counts = report(name)["scan"]["counts"].clone();
        // A slow machine asks some again.
        counts.as_object_mut().unwrap().remove("sent");
        counts
    };
    assert_eq!(counts("cut.json"), counts("whole.json"));
    assert!(!folder.path().join("place").exists());
}
