//! The sweep itself: non-blocking connects on one thread, with epoll.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::epoll;
use rustix::io::Errno;
use rustix::time::Timespec;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::distances::{Distances, Round, Wait, Waits};
use super::in_flight::{Attempt, Family, Idle, InFlight, Watch};
use super::ledger::{Ledger, Refusal, add};
use super::links::Links;
use super::outbox::Outbox;
use super::pace::Pace;
use super::patience::Patience;
use super::shortage::{Held, Room};
use super::socket::{self, Answer, Origin, Shortage, State};
use super::state::{Place, Timer};
use super::subnet_pace::SubnetPace;
use super::{
    OpenPort, StopReason, SweepConfig, SweepError, SweepOutcome, SweepProgress, SweepState, Swept,
};
use crate::target::TargetSet;

/// Launches between two looks at what has been answered.
const BATCH: usize = 64;

/// The longest sleep, so that cancellation and a drained channel are noticed.
const TICK: Duration = Duration::from_millis(50);

/// While the receiver is behind, how often it is asked again.
const BACKLOG_TICK: Duration = Duration::from_millis(2);

/// Sweeps on the calling thread, which must not be one of an asynchronous runtime.
///
/// # Errors
/// As [`super::sweep`].
pub(super) fn run(
    targets: &TargetSet,
    config: &SweepConfig,
    progress: &SweepProgress,
    cancel: &CancellationToken,
    open: mpsc::Sender<Swept>,
) -> Result<SweepOutcome, SweepError> {
    let origin = Origin { source_ip: config.source_ip, interface: config.interface.clone() };
    check_origin(config)?;
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)
        .map_err(|error| SweepError::Epoll { source: error.into() })?;
    // Where the system does not tell its links, connections to such addresses fail by themselves.
    let no_hosts = Links::look_up().map_or_else(unknown_links, |links| links.no_hosts());
    let ceiling = config.concurrency.max(1);
    let ledger = Ledger::new(targets, config, progress)?;
    let narrowest = config.resume.as_deref().and_then(|resume| resume.state.narrowest);
    let sweep = Sweep {
        config,
        progress,
        cancel,
        origin,
        epoll,
        events: Vec::with_capacity(1024),
        ledger,
        in_flight: InFlight::new(),
        outbox: Outbox::new(open),
        pace: Pace::new(config.rate, Instant::now()),
        subnet_pace: SubnetPace::new(config.subnet_rate, Instant::now()),
        patience: Patience::new(config.timeout),
        distances: Distances::default(),
        room: Room::new(ceiling, narrowest),
        shortage: None,
        no_hosts,
        stopped: None,
        timer: Timer::new(config.checkpoint_every, Instant::now()),
    };
    Ok(sweep.run())
}

struct Sweep<'a> {
    config: &'a SweepConfig,
    progress: &'a SweepProgress,
    cancel: &'a CancellationToken,
    origin: Origin,
    epoll: OwnedFd,
    events: Vec<epoll::Event>,
    ledger: Ledger<'a>,
    in_flight: InFlight,
    outbox: Outbox,
    pace: Pace,
    subnet_pace: SubnetPace,
    patience: Patience,
    distances: Distances,
    room: Room,
    shortage: Option<Held>,
    /// Addresses of this machine's links that name no host, ascending.
    no_hosts: Vec<Ipv4Addr>,
    stopped: Option<StopReason>,
    timer: Timer,
}

/// Why launching paused.
enum Pause {
    /// Not at all: only to look at the answers.
    Batch,
    /// Until something that is under way ends.
    Full,
    For(Duration),
    RoundOver,
}

impl Sweep<'_> {
    fn run(mut self) -> SweepOutcome {
        while self.stopped.is_none()
            && let Some(round) = self.ledger.next_round()
        {
            self.round(round);
        }
        if self.stopped.is_none() && self.ledger.had_no_way() {
            self.stopped = Some(StopReason::NoWay);
        }
        if self.timer.is_asked() {
            let state = self.ledger.last_state(self.stopped, self.place());
            self.say(state);
        }
        if self.outbox.deliver_rest().is_err() {
            self.stopped = Some(StopReason::ReceiverGone);
        }
        self.finish()
    }

    fn round(&mut self, round: u8) {
        loop {
            self.look_for_a_reason_to_stop();
            if self.stopped == Some(StopReason::ReceiverGone) {
                return;
            }
            let pause = self.launch();
            if matches!(pause, Pause::RoundOver) && self.in_flight.is_empty() {
                return;
            }
            let waits = self.waits(round);
            let nap = self.nap(&pause, waits);
            let before = Instant::now();
            self.reap(nap);
            self.expire(waits, before);
            self.outbox.deliver();
            self.say_how_far();
        }
    }

    fn waits(&self, round: u8) -> Waits {
        let (long, round) = if round == self.config.retries {
            (self.patience.last_timeout(), Round::Last)
        } else {
            (self.patience.timeout(), Round::ThereIsAnother)
        };
        Waits::new(long, round)
    }

    fn look_for_a_reason_to_stop(&mut self) {
        if self.outbox.is_closed() {
            self.stopped = Some(StopReason::ReceiverGone);
        } else if self.stopped.is_none() && self.cancel.is_cancelled() {
            self.stopped = Some(StopReason::Cancelled);
        }
    }

    /// Sends a batch of probes, as far as there is room and leave for it.
    fn launch(&mut self) -> Pause {
        for _ in 0..BATCH {
            if self.stopped.is_some() {
                return Pause::RoundOver;
            }
            if !self.outbox.is_empty() {
                return Pause::For(BACKLOG_TICK);
            }
            let now = Instant::now();
            if let Some(held) = self.shortage.filter(|held| held.until > now) {
                return Pause::For(held.until - now);
            }
            let held = self.shortage.and_then(|held| held.position);
            let Some(position) = held.or_else(|| self.ledger.next()) else {
                return Pause::RoundOver;
            };
            self.room.recover(now);
            if self.in_flight.len() >= self.room.limit() {
                return Pause::Full;
            }
            let Some(address) = self.ledger.target(position) else { return Pause::RoundOver };
            let wait = self.subnet_pace.wait(address.ip(), now);
            if !wait.is_zero() {
                return Pause::For(wait);
            }
            if !self.pace.take(now) {
                return Pause::For(self.pace.wait(now));
            }
            self.subnet_pace.spend(address.ip(), now);
            if held.is_none() {
                self.ledger.begin(position);
            }
            self.attempt(position, address, now);
        }
        Pause::Batch
    }

    fn attempt(&mut self, position: u64, address: SocketAddr, now: Instant) {
        if self.names_no_host(address.ip()) {
            return self.ledger.left_out(position, address);
        }
        let family = Family::of(&address);
        let idle = self.in_flight.take_idle(family).map_or_else(
            || {
                self.origin.socket(&address).map(|socket| Idle {
                    socket,
                    watch: Watch::Off,
                    family,
                })
            },
            Ok,
        );
        let Idle { socket, watch, .. } = match idle {
            Ok(idle) => idle,
            Err(error) => {
                return self.not_sent(position, address, socket::classify_setup(error), now);
            }
        };
        let mut state = socket::connect(socket.as_fd(), &address);
        if let State::Answered(Answer::Unreachable(error)) = state {
            // So soon that nothing has left.
            self.shortage = None;
            return self.ledger.refused(position, address, (Refusal::NoWay, error));
        }
        if state == State::Pending && address.ip().is_loopback() {
            // There the answer is there before the call returns. Asking at once instead of by
            // epoll halves the time of such a sweep.
            state = socket::connect(socket.as_fd(), &address);
        }
        if state == State::Pending
            && watch == Watch::Off
            && let Err(error) = self.watch(&socket)
        {
            state = socket::classify_setup(error);
        }
        match state {
            State::Short(_) | State::Impossible(_) => {
                return self.not_sent(position, address, state, now);
            }
            State::Pending => {
                let wait = self.distances.wait_for(address.ip());
                self.in_flight.insert(Attempt { socket, address, position, started: now, wait });
            }
            State::Silent => {}
            State::Answered(answer) => {
                self.settle(position, address, answer, now);
                if socket::is_reusable(state) {
                    self.in_flight.keep_idle(Idle { socket, watch, family });
                }
            }
        }
        add(&self.progress.sent, 1);
        self.shortage = None;
    }

    fn names_no_host(&self, address: IpAddr) -> bool {
        matches!(address, IpAddr::V4(address) if self.no_hosts.binary_search(&address).is_ok())
    }

    fn watch(&self, socket: &OwnedFd) -> Result<(), Errno> {
        let data = epoll::EventData::new_u64(self.in_flight.next_slot().into());
        // Edge-triggered: an event is a hint to ask the socket, never the answer itself.
        let flags = epoll::EventFlags::OUT | epoll::EventFlags::ET;
        epoll::add(&self.epoll, socket, data, flags)
    }

    /// Keeps a probe that met a shortage for another try; gives up on one that cannot be made.
    fn not_sent(&mut self, position: u64, address: SocketAddr, state: State, now: Instant) {
        let held = self.shortage.unwrap_or(Held::new(now));
        match state {
            State::Short(Shortage::Descriptors) if !self.in_flight.is_empty() => {
                self.in_flight.close_idle();
                // What is under way holds descriptors that will come free: a pause has no use.
                self.room.narrow(self.in_flight.len(), now);
                self.shortage = Some(held.at_once(position, now));
            }
            State::Short(shortage) => {
                if let Some(again) = held.again(position, now) {
                    self.shortage = Some(again);
                    return;
                }
                self.give_up(position, address, shortage.errno());
                self.shortage = Some(held.without_probe(now));
                if held.has_lasted_too_long(now) {
                    self.stopped = Some(StopReason::LocalShortage);
                }
            }
            State::Impossible(error) => {
                self.give_up(position, address, error);
                self.shortage = None;
            }
            State::Pending | State::Answered(_) | State::Silent => {}
        }
    }

    fn give_up(&mut self, position: u64, address: SocketAddr, error: Errno) {
        self.ledger.refused(position, address, (Refusal::Impossible, error));
    }

    fn settle(&mut self, position: u64, address: SocketAddr, answer: Answer, started: Instant) {
        let rtt = started.elapsed();
        match answer {
            Answer::Open => {
                self.observe(address, rtt);
                self.ledger.open(position);
                self.outbox.push(Swept::Open(OpenPort { address, rtt }));
                self.outbox.deliver();
            }
            Answer::Closed | Answer::MetItself => {
                self.observe(address, rtt);
                self.ledger.closed(position);
            }
            Answer::Unreachable(error) => self.ledger.unreachable(position, address, error),
        }
    }

    /// Only what the address itself answered tells how far it is.
    fn observe(&mut self, address: SocketAddr, rtt: Duration) {
        self.patience.observe(rtt);
        self.distances.observe(address.ip(), rtt);
    }

    /// How long there is nothing to do but wait for an answer.
    fn nap(&self, pause: &Pause, waits: Waits) -> Duration {
        let mut nap = match pause {
            Pause::Batch => return Duration::ZERO,
            Pause::For(time) => TICK.min(*time),
            Pause::Full | Pause::RoundOver => TICK,
        };
        for wait in Wait::BOTH {
            if let Some((_, attempt)) = self.in_flight.oldest(wait) {
                nap = nap.min(waits.of(wait).saturating_sub(attempt.started.elapsed()));
            }
        }
        nap
    }

    /// Takes in all answers that were there when it was called, and those that come within `nap`.
    fn reap(&mut self, nap: Duration) {
        if nap.is_zero() && self.in_flight.is_empty() {
            return;
        }
        let mut events = std::mem::take(&mut self.events);
        let mut nap = Timespec::try_from(whole_millis(nap)).ok();
        loop {
            events.clear();
            let room = events.capacity();
            // An interrupted wait is a short one. The kernel has no other error for a valid epoll.
            let _ =
                epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut events), nap.as_ref());
            for event in &events {
                let data = event.data;
                if let Ok(slot) = u32::try_from(data.u64()) {
                    self.ask(slot);
                }
            }
            if events.len() < room {
                break;
            }
            nap = Timespec::try_from(Duration::ZERO).ok();
        }
        self.events = events;
    }

    /// Ends the attempts whose time was up at `before`. Whatever answered them by then was taken in
    /// since, so a program that was held up loses no answer.
    fn expire(&mut self, waits: Waits, before: Instant) {
        for wait in Wait::BOTH {
            while let Some((slot, attempt)) = self.in_flight.oldest(wait)
                && before.saturating_duration_since(attempt.started) >= waits.of(wait)
            {
                self.end(slot, State::Pending);
            }
        }
    }

    /// Looks what has become of an attempt, and ends it if it is over.
    fn ask(&mut self, slot: u32) {
        let Some(attempt) = self.in_flight.get(slot) else { return };
        let state = socket::connect(attempt.socket.as_fd(), &attempt.address);
        if state != State::Pending {
            self.end(slot, state);
        }
    }

    fn end(&mut self, slot: u32, state: State) {
        let Some(attempt) = self.in_flight.remove(slot) else { return };
        let Attempt { socket, position, address, started, .. } = attempt;
        match state {
            State::Answered(answer) => self.settle(position, address, answer, started),
            State::Impossible(error) => self.give_up(position, address, error),
            State::Pending | State::Silent | State::Short(_) => {}
        }
        if socket::is_reusable(state) || state == State::Pending && socket::abandon(&socket) {
            let family = Family::of(&address);
            self.in_flight.keep_idle(Idle { socket, watch: Watch::On, family });
        }
    }

    fn say_how_far(&mut self) {
        if !self.timer.is_asked() || !self.outbox.is_empty() {
            return;
        }
        let began = Instant::now();
        if self.timer.is_due(began) {
            self.say(self.ledger.state(self.place()));
            self.outbox.deliver();
            self.timer.made(began, Instant::now());
        }
    }

    /// All before it is answered, or has been silent for its time.
    fn place(&self) -> Place {
        // Attempts begin in the order of their positions, and a round ends with its last attempt.
        let oldest = |wait| self.in_flight.oldest(wait).map(|(_, attempt)| attempt.position);
        let [short, long] = Wait::BOTH.map(oldest);
        let held = self.shortage.and_then(|held| held.position);
        let first = [short, long, held].into_iter().flatten().min();
        let here = self.ledger.here();
        Place { cursor: first.unwrap_or(u64::MAX).min(here.cursor), ..here }
    }

    fn say(&mut self, state: SweepState) {
        let state = SweepState { narrowest: self.room.narrowest(), ..state };
        self.outbox.push(Swept::Reached(Box::new(state)));
    }

    fn finish(self) -> SweepOutcome {
        // Only a stopped sweep still holds a probe.
        let held = self.shortage.and_then(|held| held.position);
        let short = self.room.narrowest().map(|narrowest| {
            format!(
                "descriptors ran short: at times only {narrowest} probes were under way at once"
            )
        });
        self.ledger.outcome(held.iter().count() as u64, short, self.stopped)
    }
}

/// A socket as the probes' are made, to fail now and with the reason.
pub(super) fn check_origin(config: &SweepConfig) -> Result<(), SweepError> {
    let origin = Origin { source_ip: config.source_ip, interface: config.interface.clone() };
    let like = match origin.source_ip {
        Some(IpAddr::V6(_)) => IpAddr::V6(Ipv6Addr::LOCALHOST),
        _ => IpAddr::V4(Ipv4Addr::LOCALHOST),
    };
    let check = |origin: Origin| origin.socket(&SocketAddr::new(like, 1)).map(drop);
    if let Some(name) = &origin.interface {
        check(Origin { source_ip: None, ..origin.clone() })
            .map_err(|error| SweepError::Interface { name: name.clone(), source: error.into() })?;
    }
    match origin.source_ip {
        Some(address) => check(origin.clone())
            .map_err(|error| SweepError::SourceIp { address, source: error.into() }),
        None => Ok(()),
    }
}

fn unknown_links(error: io::Error) -> Vec<Ipv4Addr> {
    tracing::debug!(%error, "the links of this machine are not known");
    Vec::new()
}

/// Rounded up: a wait of less than a millisecond would be none at all to older systems, and the
/// caller would spin.
fn whole_millis(nap: Duration) -> Duration {
    Duration::from_millis(u64::try_from(nap.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX))
}
