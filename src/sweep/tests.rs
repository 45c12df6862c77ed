use std::collections::BTreeSet;
use std::net::TcpListener;
use std::num::{NonZeroU32, NonZeroU64};
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Instant;

use super::*;
use crate::target::order::Permutation;
use crate::target::{Ports, TargetList};

fn targets(words: &[String]) -> Arc<TargetSet> {
    let mut list = TargetList::new();
    words.iter().for_each(|word| list.add(word).unwrap());
    Arc::new(list.into_set(&Ports::new([2375]).unwrap()).unwrap())
}

/// Sweeps to the end and returns what was found, in order.
async fn sweep_all(words: &[String], config: SweepConfig) -> (SweepOutcome, BTreeSet<SocketAddr>) {
    let (sender, mut receiver) = mpsc::channel(1);
    let sweeping = sweep(targets(words), config, Arc::default(), CancellationToken::new(), sender);
    let receiving = async {
        let mut found = BTreeSet::new();
        while let Some(Swept::Open(open)) = receiver.recv().await {
            assert!(found.insert(open.address), "{} twice", open.address);
        }
        found
    };
    let (outcome, found) = tokio::join!(sweeping, receiving);
    let outcome = outcome.unwrap();
    assert_balanced(&outcome.counts);
    (outcome, found)
}

fn assert_balanced(counts: &Counts) {
    let Counts { probes, open, closed, unreachable, silent, not_probed, .. } = *counts;
    assert_eq!(open + closed + unreachable + silent + not_probed, probes, "{counts:?}");
}

/// For sweeps that meet silence. Long enough for loopback to answer on a busy machine.
fn quick() -> SweepConfig {
    SweepConfig { timeout: Duration::from_millis(200), ..SweepConfig::default() }
}

/// A port of all loopback addresses whose backlog is full: the system drops further SYNs.
struct Mute {
    listener: TcpListener,
    port: u16,
    _filling: Vec<OwnedFd>,
}

impl Mute {
    fn new() -> Self {
        use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, connect, listen};
        let stream = |flags| {
            rustix::net::socket_with(AddressFamily::INET, SocketType::STREAM, flags, None).unwrap()
        };
        let socket = stream(SocketFlags::CLOEXEC);
        socket2::SockRef::from(&socket).bind_device(Some(b"lo")).unwrap();
        bind(&socket, &SocketAddr::from(([0, 0, 0, 0], 0))).unwrap();
        listen(&socket, 0).unwrap();
        let listener = TcpListener::from(socket);
        let port = listener.local_addr().unwrap().port();
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let first = stream(SocketFlags::CLOEXEC);
        connect(&first, &address).unwrap();
        let more = (0..2).map(|_| {
            let socket = stream(SocketFlags::NONBLOCK | SocketFlags::CLOEXEC);
            let _ = connect(&socket, &address);
            socket
        });
        Self { listener, port, _filling: std::iter::once(first).chain(more).collect() }
    }
}

#[tokio::test]
async fn finds_every_open_port_and_only_those() {
    let listeners: Vec<TcpListener> =
        (1..=40).map(|n| TcpListener::bind((format!("127.41.0.{n}"), 0)).unwrap()).collect();
    let open: BTreeSet<SocketAddr> =
        listeners.iter().map(|listener| listener.local_addr().unwrap()).collect();
    let mut words: Vec<String> = open.iter().map(ToString::to_string).collect();
    words.extend(["127.41.1.0/24:1".to_owned(), "127.41.0.0/28:2".to_owned()]);
    let (outcome, found) = sweep_all(&words, SweepConfig::default()).await;
    assert_eq!(found, open);
    assert_eq!((outcome.counts.open, outcome.counts.closed), (40, 256 + 16));
    assert_eq!(outcome.counts.sent, 40 + 256 + 16);
    assert!(outcome.complete() && outcome.notes.is_empty(), "{outcome:?}");
}

#[tokio::test]
async fn ipv6_is_swept_alike_and_between_ipv4() {
    let listener = TcpListener::bind("[::1]:0").unwrap();
    let open = listener.local_addr().unwrap();
    let words = [open.to_string(), "[::1]:1".to_owned(), "127.41.2.0/26:1".to_owned()];
    let (outcome, found) = sweep_all(&words, SweepConfig::default()).await;
    assert_eq!(found, BTreeSet::from([open]));
    assert_eq!((outcome.counts.open, outcome.counts.closed), (1, 65));
}

#[tokio::test]
async fn only_the_silent_are_asked_again() {
    let mute = Mute::new();
    let words = [format!("127.42.0.0/28:{}", mute.port), "127.42.0.0/28:1".to_owned()];
    let (outcome, found) = sweep_all(&words, SweepConfig { retries: 2, ..quick() }).await;
    assert!(found.is_empty());
    assert_eq!((outcome.counts.silent, outcome.counts.closed), (16, 16));
    assert_eq!(outcome.counts.sent, 16 * 3 + 16);
    assert!(outcome.complete());
}

#[tokio::test]
async fn what_answers_only_later_is_found_by_a_retry() {
    let mute = Mute::new();
    let progress = Arc::new(SweepProgress::default());
    let (sender, mut receiver) = mpsc::channel(1);
    let sweeping = tokio::spawn(sweep(
        targets(&[format!("127.42.1.1:{}", mute.port)]),
        SweepConfig { retries: 50, ..quick() },
        Arc::clone(&progress),
        CancellationToken::new(),
        sender,
    ));
    while progress.round().round == 0 {
        tokio::task::yield_now().await;
    }
    let accepting = std::thread::spawn(move || {
        // What filled the backlog, then the sweep's own connection.
        while mute.listener.accept().unwrap().0.local_addr().unwrap().ip()
            != IpAddr::from([127, 42, 1, 1])
        {}
    });
    let Some(Swept::Open(found)) = receiver.recv().await else { panic!("nothing was found") };
    assert_eq!(found.address.ip(), IpAddr::from([127, 42, 1, 1]));
    let outcome = sweeping.await.unwrap().unwrap();
    assert_eq!((outcome.counts.open, outcome.counts.silent), (1, 0));
    assert!(outcome.counts.sent > 1);
    accepting.join().unwrap();
}

#[tokio::test]
async fn concurrency_bounds_what_is_under_way_and_loses_nothing() {
    let mute = Mute::new();
    let words = [format!("127.42.2.0/28:{}", mute.port), "127.42.2.0/24:1".to_owned()];
    let config = SweepConfig { concurrency: 4, retries: 0, ..quick() };
    let begun = Instant::now();
    let (outcome, _) = sweep_all(&words, config).await;
    assert_eq!((outcome.counts.silent, outcome.counts.closed), (16, 256));
    // Sixteen silent probes, four at a time, take four timeouts at least.
    assert!(begun.elapsed() >= Duration::from_millis(800));
}

#[tokio::test]
async fn a_full_channel_stops_the_launching_and_loses_nothing() {
    let listener = TcpListener::bind("127.43.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let more: Vec<TcpListener> =
        (2..60).map(|n| TcpListener::bind((format!("127.43.0.{n}"), 0)).unwrap()).collect();
    let mut words: Vec<String> =
        more.iter().map(|listener| listener.local_addr().unwrap().to_string()).collect();
    words.push(address.to_string());
    let progress = Arc::new(SweepProgress::default());
    let (sender, mut receiver) = mpsc::channel(2);
    let sweeping = tokio::spawn(sweep(
        targets(&words),
        SweepConfig { concurrency: 4, ..SweepConfig::default() },
        Arc::clone(&progress),
        CancellationToken::new(),
        sender,
    ));
    while progress.counts().open < 3 {
        tokio::task::yield_now().await;
    }
    // Two are in the channel and one did not fit. Time to go on, if it wrongly would.
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(progress.counts().sent <= 3 + 4, "{:?}", progress.counts());
    let mut found = BTreeSet::new();
    while let Some(Swept::Open(open)) = receiver.recv().await {
        found.insert(open.address);
    }
    assert_eq!(found.len(), 59);
    assert_eq!(sweeping.await.unwrap().unwrap().counts.open, 59);
}

#[tokio::test]
async fn cancelling_keeps_what_was_found_and_says_so() {
    let mute = Mute::new();
    let open = TcpListener::bind("127.44.0.1:0").unwrap();
    let words = [format!("127.44.0.0/16:{}", mute.port), open.local_addr().unwrap().to_string()];
    let progress = Arc::new(SweepProgress::default());
    let cancel = CancellationToken::new();
    let (sender, mut receiver) = mpsc::channel(1);
    let config = SweepConfig { concurrency: 32, retries: 3, ..quick() };
    let sweeping =
        tokio::spawn(sweep(targets(&words), config, Arc::clone(&progress), cancel.clone(), sender));
    while progress.counts().sent < 40 {
        tokio::task::yield_now().await;
    }
    cancel.cancel();
    while receiver.recv().await.is_some() {}
    let outcome = sweeping.await.unwrap().unwrap();
    assert_eq!(outcome.stopped, Some(StopReason::Cancelled));
    assert!(!outcome.complete());
    assert_balanced(&outcome.counts);
    assert!(outcome.counts.silent >= 32, "{outcome:?}");
    assert!(outcome.counts.not_probed > 60_000, "{outcome:?}");
    assert_eq!(outcome.counts.silent + outcome.counts.open, outcome.counts.sent);
}

#[tokio::test]
async fn a_lost_receiver_ends_the_sweep() {
    let (sender, receiver) = mpsc::channel(1);
    drop(receiver);
    let words = ["127.44.0.0/16:1".to_owned()];
    let outcome = sweep(
        targets(&words),
        SweepConfig::default(),
        Arc::default(),
        CancellationToken::new(),
        sender,
    )
    .await;
    let outcome = outcome.unwrap();
    assert_eq!(outcome.stopped, Some(StopReason::ReceiverGone));
    assert_balanced(&outcome.counts);
    assert_eq!(outcome.counts.not_probed, 65_536);
}

#[tokio::test]
async fn shards_share_the_work() {
    let listeners: Vec<TcpListener> =
        (1..=20).map(|n| TcpListener::bind((format!("127.45.0.{n}"), 0)).unwrap()).collect();
    let open: BTreeSet<SocketAddr> =
        listeners.iter().map(|listener| listener.local_addr().unwrap()).collect();
    let mut words: Vec<String> = open.iter().map(ToString::to_string).collect();
    words.push("127.45.0.0/24:1".to_owned());
    let (mut found, mut sent) = (BTreeSet::new(), 0);
    for index in 0..3 {
        let shard = Shard::new(index, NonZeroU64::new(3).unwrap()).unwrap();
        let (outcome, part) =
            sweep_all(&words, SweepConfig { shard, seed: 9, ..SweepConfig::default() }).await;
        assert_eq!(outcome.counts.probes, 92);
        sent += outcome.counts.sent;
        found.extend(part);
    }
    assert_eq!((found, sent), (open, 276));
}

#[tokio::test]
async fn nothing_to_sweep_is_over_at_once() {
    let (outcome, found) = sweep_all(&[], quick()).await;
    assert!(found.is_empty() && outcome.complete());
    assert_eq!(outcome.counts, Counts::default());
}

#[tokio::test]
async fn a_rate_is_kept() {
    let rate = Rate::PerSecond(NonZeroU32::new(500).unwrap());
    let begun = Instant::now();
    let (outcome, _) =
        sweep_all(&["127.45.1.0/25:1".to_owned()], SweepConfig { rate, ..SweepConfig::default() })
            .await;
    assert_eq!(outcome.counts.closed, 128);
    // 128 probes at 500 a second, less the first and a burst of two.
    assert!(begun.elapsed() >= Duration::from_millis(248));
}

#[tokio::test]
async fn a_source_address_or_interface_that_is_not_ours_is_an_error_at_once() {
    let attempt = |config| {
        let (sender, _receiver) = mpsc::channel(1);
        sweep(
            targets(&["127.45.2.1:1".to_owned()]),
            config,
            Arc::default(),
            CancellationToken::new(),
            sender,
        )
    };
    let source_ip = Some("192.0.2.1".parse().unwrap());
    let error = attempt(SweepConfig { source_ip, ..quick() }).await.unwrap_err();
    assert_eq!(error.to_string(), "cannot send from 192.0.2.1");
    let interface = Some("no-such\n".to_owned());
    let error = attempt(SweepConfig { interface, ..quick() }).await.unwrap_err();
    assert_eq!(error.to_string(), "cannot send through interface 'no-such\\n'");
}

#[tokio::test]
async fn targets_of_the_other_family_are_not_probed_and_noted() {
    let words = ["127.45.3.1:1".to_owned(), "[::1]:1".to_owned()];
    let source_ip = Some("127.45.9.9".parse().unwrap());
    let (outcome, _) = sweep_all(&words, SweepConfig { source_ip, ..SweepConfig::default() }).await;
    assert_eq!((outcome.counts.closed, outcome.counts.not_probed), (1, 1));
    assert_eq!(outcome.refused, 0, "no later run can send it either");
    assert_eq!(outcome.local_errors[0].example, "[::1]:1".parse().unwrap());
    assert!(outcome.notes[0].contains("1 probe"), "{:?}", outcome.notes);
}

/// The limit on descriptors is the whole process's, so a test that lowers it runs itself again in
/// a child process, and only there does what it is for.
fn in_a_process_of_its_own(test: &str, body: fn()) {
    const CHILD: &str = "DOCKSWEEP_TEST_CHILD";
    if std::env::var_os(CHILD).is_some() {
        return body();
    }
    let child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--test-threads=1", &format!("sweep::tests::{test}")])
        .env(CHILD, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success() && said.contains("1 passed"), "{said}");
}

fn sweep_with_descriptors(
    limit: u64,
    words: &[String],
    config: SweepConfig,
) -> (SweepOutcome, BTreeSet<SocketAddr>) {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    // The lowest descriptor that is free; the limit is on numbers, not on how many are in use.
    let free = std::fs::File::open("/dev/null").unwrap().as_raw_fd();
    let current = Some(u64::try_from(free).unwrap() + limit);
    setrlimit(Resource::Nofile, Rlimit { current, ..getrlimit(Resource::Nofile) }).unwrap();
    runtime.block_on(sweep_all(words, config))
}

#[test]
fn a_shortage_of_descriptors_slows_the_sweep_and_loses_nothing() {
    let name = "a_shortage_of_descriptors_slows_the_sweep_and_loses_nothing";
    in_a_process_of_its_own(name, with_few_descriptors);
}

fn with_few_descriptors() {
    let mute = Mute::new();
    let listener = TcpListener::bind("127.46.0.1:0").unwrap();
    let open = listener.local_addr().unwrap();
    let words =
        [format!("127.46.0.0/25:{}", mute.port), "127.46.0.0/24:1".to_owned(), open.to_string()];
    let config = SweepConfig { concurrency: 1000, retries: 0, ..quick() };
    let (outcome, found) = sweep_with_descriptors(24, &words, config);
    assert_eq!(found, BTreeSet::from([open]));
    assert_eq!((outcome.counts.silent, outcome.counts.closed), (128, 256), "{outcome:?}");
    assert!(outcome.notes.iter().any(|note| note.contains("ran short")), "{outcome:?}");
}

#[test]
fn a_probe_that_no_descriptor_is_left_for_is_not_called_closed() {
    let name = "a_probe_that_no_descriptor_is_left_for_is_not_called_closed";
    in_a_process_of_its_own(name, without_descriptors);
}

fn without_descriptors() {
    // The one that is left is for epoll.
    let words = ["127.46.1.1:1".to_owned()];
    let (outcome, _) = sweep_with_descriptors(1, &words, SweepConfig::default());
    assert_eq!(outcome.counts, Counts { probes: 1, not_probed: 1, ..Counts::default() });
    assert_eq!((outcome.local_errors[0].probes, outcome.refused), (1, 1));
    assert!(outcome.notes[0].starts_with("1 probe could not be made"), "{outcome:?}");
}

/// All that a sweep says, in order.
async fn said(targets: &Arc<TargetSet>, config: &SweepConfig) -> (SweepOutcome, Vec<Swept>) {
    let (sender, mut receiver) = mpsc::channel(1);
    let cancel = CancellationToken::new();
    let sweeping = sweep(Arc::clone(targets), config.clone(), Arc::default(), cancel, sender);
    let receiving = async {
        let mut said = Vec::new();
        while let Some(swept) = receiver.recv().await {
            said.push(swept);
        }
        said
    };
    let (outcome, said) = tokio::join!(sweeping, receiving);
    (outcome.unwrap(), said)
}

fn addresses(said: &[Swept]) -> Vec<SocketAddr> {
    let open = said.iter().filter_map(|swept| match swept {
        Swept::Open(open) => Some(open.address),
        Swept::Reached(_) => None,
    });
    open.collect()
}

#[tokio::test]
async fn from_any_state_on_the_rest_is_found_and_all_is_counted_once() {
    let mute = Mute::new();
    let listeners: Vec<TcpListener> =
        (1..=30).map(|n| TcpListener::bind((format!("127.63.40.{n}"), 2375)).unwrap()).collect();
    let words = ["127.63.40.0/23".to_owned(), format!("127.63.43.1:{0}", mute.port)];
    let targets = targets(&words);
    for engine in [Engine::Connect, Engine::Syn] {
        let shard = Shard::new(1, NonZeroU64::new(2).unwrap()).unwrap();
        for shard in [Shard::WHOLE, shard] {
            let config = SweepConfig {
                engine,
                shard,
                rate: Rate::PerSecond(NonZeroU32::new(4000).unwrap()),
                checkpoint_every: Some(Duration::from_millis(1)),
                seed: 5,
                ..quick()
            };
            if engine == Engine::Syn && syn::check().is_err() {
                eprintln!("skipped: the SYN engine needs CAP_NET_RAW");
                continue;
            }
            let (whole, all) = said(&targets, &config).await;
            let mut expected = addresses(&all);
            expected.sort_unstable();
            let states: Vec<usize> =
                (0..all.len()).filter(|at| matches!(all[*at], Swept::Reached(_))).collect();
            assert!(states.len() > 10, "{}", states.len());
            for at in states.iter().step_by(states.len() / 3).chain(states.last()) {
                let Swept::Reached(state) = &all[*at] else { panic!() };
                let before = addresses(&all[..*at]);
                assert_eq!(state.counts().open, before.len() as u64);
                // One that was found after the state, as a journal may hold.
                let later: Vec<SocketAddr> = addresses(&all[*at..]).into_iter().take(1).collect();
                let open = [&before[..], &later].concat();
                let resume =
                    Some(Arc::new(Resume { state: (**state).clone(), open: open.clone() }));
                let (outcome, rest) =
                    said(&targets, &SweepConfig { resume, ..config.clone() }).await;
                let mut found = [open, addresses(&rest)].concat();
                found.sort_unstable();
                assert_eq!(found, expected, "from state {at} of {}", all.len());
                let same = |counts: Counts| Counts { sent: 0, ..counts };
                assert_eq!(same(outcome.counts), same(whole.counts));
                assert_balanced(&outcome.counts);
            }
        }
    }
    drop(listeners);
}

#[tokio::test]
async fn a_state_of_other_targets_is_refused() {
    let config =
        SweepConfig { checkpoint_every: Some(Duration::from_secs(9)), ..SweepConfig::default() };
    let (_, all) = said(&targets(&["127.63.42.0/28".to_owned()]), &config).await;
    let Some(Swept::Reached(state)) = all.last() else { panic!("no state at the end") };
    let (sender, _receiver) = mpsc::channel(1);
    let resume = Some(Arc::new(Resume { state: (**state).clone(), open: Vec::new() }));
    let config = SweepConfig { resume, ..config };
    let others = targets(&["127.63.42.0/27".to_owned()]);
    let error = sweep(others, config, Arc::default(), CancellationToken::new(), sender).await;
    assert!(matches!(error, Err(SweepError::State(_))), "{error:?}");
}

#[tokio::test]
async fn what_is_under_way_counts_as_not_sent() {
    let mute = Mute::new();
    let targets = targets(&["127.63.42.0/24".to_owned(), format!("127.63.43.2:{}", mute.port)]);
    let index = targets.index(SocketAddr::from(([127, 63, 43, 2], mute.port))).unwrap();
    let order = Permutation::new(targets.len(), 5);
    let position = order.position(index).unwrap();
    for engine in [Engine::Connect, Engine::Syn] {
        let config = SweepConfig {
            engine,
            seed: 5,
            timeout: Duration::from_secs(600),
            checkpoint_every: Some(Duration::from_millis(1)),
            ..SweepConfig::default()
        };
        if engine == Engine::Syn && syn::check().is_err() {
            eprintln!("skipped: the SYN engine needs CAP_NET_RAW");
            continue;
        }
        let (sender, mut receiver) = mpsc::channel(1);
        let cancel = CancellationToken::new();
        tokio::spawn(sweep(Arc::clone(&targets), config, Arc::default(), cancel, sender));
        loop {
            let Some(Swept::Reached(state)) = receiver.recv().await else { panic!("no state") };
            if state.counts().closed == 256 {
                assert!(state.place.round == 0 && state.place.cursor <= position, "{state:?}");
                break;
            }
        }
    }
}
