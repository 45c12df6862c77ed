//! The sweep by SYNs alone: no connection, no state a probe but one bit.
//!
//! What answers proves by its sequence number that it answers a probe ([`cookie`]), and leads back
//! to its place in the order by arithmetic. One thread sends and judges, one receives. The answer
//! to a SYN-ACK, a reset, comes from the kernel, which knows of no such connection; only where a
//! target repeats its SYN-ACK, because a packet filter kept one of the two from arriving, it is
//! sent from here.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::ledger::{Ledger, Refusal, add};
use super::outbox::Outbox;
use super::pace::Pace;
use super::patience::Patience;
use super::state::{Timer, Trail};
use super::subnet_pace::SubnetPace;
use super::{
    OpenPort, StopReason, SweepConfig, SweepError, SweepOutcome, SweepProgress, SweepState, Swept,
};
use crate::target::TargetSet;

mod account;
mod ask;
mod cookie;
mod errands;
mod filter;
mod loss;
mod neighbours;
mod packet;
mod receive;
mod reserved_port;
mod rtnetlink;
mod send_log;
mod transmit;
mod ways;

use cookie::Cookie;
use errands::LEAST_QUESTIONS;
use loss::{LossWatch, Throttle};
use neighbours::Neighbours;
use packet::Kind;
use receive::{Letter, Mailbox, Presence, Receiver};
use reserved_port::ReservedPort;
use send_log::SendLog;
use transmit::{BATCH, Lane, Queued};
use ways::{Lead, Ways};

/// The longest sleep, so that cancellation and a drained channel are noticed.
const TICK: Duration = Duration::from_millis(50);

/// While the receiver of open ports is behind, how often it is asked again.
const BACKLOG_TICK: Duration = Duration::from_millis(2);

const SHORTAGE_PAUSE: Duration = Duration::from_millis(1);
const SHORTAGE_LONGEST_PAUSE: Duration = Duration::from_millis(250);

/// A shortage that lasts this long without a single packet ends the sweep.
const SHORTAGE_END: Duration = Duration::from_secs(10);

/// When a server repeats a SYN-ACK that nothing came back for (RFC 6298 section 2).
const SYN_ACK_REPEATED: Duration = Duration::from_secs(1);

/// Whether this process may do it at all.
///
/// # Errors
/// Why not.
pub(super) fn check() -> Result<(), SweepError> {
    receive::check().map_err(|source| match source.kind() {
        io::ErrorKind::PermissionDenied => SweepError::NotPermitted { source },
        _ => SweepError::PacketSocket { source },
    })
}

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
    check()?;
    super::connect::check_origin(config)?;
    let failed = |source| SweepError::PacketSocket { source };
    let has_v6 = targets.ranges().any(|(range, _)| range.first().is_ipv6());
    let reserved =
        if has_v6 { ReservedPort::take_in_both() } else { ReservedPort::take() }.map_err(failed)?;
    let cookie = Cookie::new(reserved.port);
    let ways = Ways::find(targets, config).map_err(failed)?;
    let interface = config.interface.as_deref();
    let lanes = ways.all().iter().map(|way| Lane::open(way, reserved.port, interface));
    let lanes: Vec<Lane> = lanes.collect::<io::Result<_>>().map_err(failed)?;
    let receiver = Receiver::open(&ways, reserved.port).map_err(failed)?;
    let mailbox = Mailbox::default();
    let ledger = Ledger::new(targets, config, progress)?;
    let earlier = config.resume.as_deref().map(|resume| &resume.state);
    let sweep = Sweep {
        targets,
        config,
        progress,
        cancel,
        cookie: &cookie,
        ways: &ways,
        lanes,
        mailbox: &mailbox,
        letters: Vec::new(),
        present: Vec::new(),
        neighbours: Neighbours::new(LEAST_QUESTIONS.max(u32::from(config.retries) + 1)),
        resets_due: VecDeque::new(),
        is_reset_next: true,
        log: SendLog::default(),
        last_sent: None,
        resets_owed: 0,
        found_in_round: earlier.map_or(0, |state| state.found_in_round),
        outbox: Outbox::new(open),
        pace: Pace::new(config.rate, Instant::now()),
        subnet_pace: SubnetPace::new(config.subnet_rate, Instant::now()),
        loss: LossWatch::new(Instant::now()),
        throttle: Throttle::new(config.rate),
        measured_from: (Instant::now(), 0),
        leave: Leave::Used,
        patience: Patience::new(config.timeout),
        shortage: None,
        stopped: None,
        timer: Timer::new(config.checkpoint_every, Instant::now()),
        trail: Trail::new(ledger.here(), config.timeout + SYN_ACK_REPEATED),
        lost_before: earlier.map_or(0, |state| state.lost),
        ledger,
    };
    std::thread::scope(|scope| {
        let receiving = std::thread::Builder::new().name("sweep-receive".to_owned());
        receiving
            .spawn_scoped(scope, || mailbox.fill(&receiver, &cookie, reserved.port))
            .map_err(|source| SweepError::Thread { source })?;
        let outcome = sweep.run();
        mailbox.close();
        Ok(outcome)
    })
}

struct Sweep<'a> {
    targets: &'a TargetSet,
    config: &'a SweepConfig,
    progress: &'a SweepProgress,
    cancel: &'a CancellationToken,
    cookie: &'a Cookie,
    ways: &'a Ways,
    /// One for each way.
    lanes: Vec<Lane>,
    mailbox: &'a Mailbox,
    letters: Vec<Letter>,
    present: Vec<Presence>,
    neighbours: Neighbours,
    /// Who holds a connection half open that the kernel's reset did not end.
    resets_due: VecDeque<SocketAddr>,
    /// Resets and all else take turns, so that no target holds up the sweep by what it sends.
    is_reset_next: bool,
    ledger: Ledger<'a>,
    log: SendLog,
    last_sent: Option<Instant>,
    /// Resets that have left, or will, and count in the rate.
    resets_owed: u64,
    found_in_round: u64,
    outbox: Outbox,
    pace: Pace,
    subnet_pace: SubnetPace,
    loss: LossWatch,
    throttle: Throttle,
    /// From when on, and from which count of packets, the present rate is measured.
    measured_from: (Instant, u64),
    leave: Leave,
    patience: Patience,
    shortage: Option<Shortage>,
    stopped: Option<StopReason>,
    timer: Timer,
    /// So old that also a SYN-ACK that was lost once has come again.
    trail: Trail,
    /// Answers that an earlier run of this sweep could not read in time.
    lost_before: u64,
}

/// This machine takes no packets for the moment.
#[derive(Clone, Copy)]
struct Shortage {
    pause: Duration,
    until: Instant,
    since: Instant,
}

/// What became of the last leave to send a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leave {
    Used,
    /// There was nothing to send after all: the next packet has it.
    Unused,
}

/// Why sending paused.
enum Pause {
    /// Not at all: only to look at the answers.
    Batch,
    For(Duration),
    RoundOver,
}

impl Sweep<'_> {
    fn run(mut self) -> SweepOutcome {
        let mut found_before = self.found_in_round;
        while self.stopped.is_none()
            && let Some(round) = self.ledger.next_round()
        {
            self.found_in_round = std::mem::take(&mut found_before);
            self.log.next_round();
            self.measured_from = (Instant::now(), self.progress.sent.load(Ordering::Relaxed));
            self.send_round();
            self.wait_for_answers(round);
        }
        if self.stopped.is_none() && self.ledger.had_no_way() {
            self.stopped = Some(StopReason::NoWay);
        }
        if self.timer.is_asked() {
            let place = self.place();
            let state = self.ledger.last_state(self.stopped, place);
            self.say(state);
        }
        if self.outbox.deliver_rest().is_err() {
            self.stopped = Some(StopReason::ReceiverGone);
        }
        self.finish()
    }

    fn send_round(&mut self) {
        loop {
            self.look_for_a_reason_to_stop();
            if self.stopped.is_some() {
                return;
            }
            let nap = match self.send() {
                Pause::Batch => Duration::ZERO,
                Pause::For(time) => TICK.min(time),
                Pause::RoundOver => return,
            };
            self.read_answers(nap);
        }
    }

    /// Until the round trips seen say that nothing more can come.
    fn wait_for_answers(&mut self, round: u8) {
        while self.stopped != Some(StopReason::ReceiverGone) && self.ledger.left() > 0 {
            self.look_for_a_reason_to_stop();
            let Some(last_sent) = self.last_sent else { return };
            let left = self.wait_after(round).saturating_sub(last_sent.elapsed());
            if left.is_zero() {
                return;
            }
            self.send_resets();
            self.read_answers(TICK.min(left));
        }
    }

    /// How long after its probe of this round a target is asked again at the earliest, if the next
    /// round begins at once: it comes to a target as late as this round did, but for what is
    /// answered by now and will be left out.
    fn round_away(&self) -> Duration {
        let Some(last_sent) = self.last_sent else { return Duration::ZERO };
        let took = last_sent.saturating_duration_since(self.measured_from.0);
        took.mul_f64(self.ledger.share_left())
    }

    fn wait_after(&self, round: u8) -> Duration {
        if round < self.config.retries && self.stopped.is_none() {
            return self.patience.timeout().saturating_sub(self.round_away());
        }
        let wait = match round {
            0 => self.patience.last_timeout(),
            // Answers to the first round were taken in all through this one, however late.
            _ => self.patience.last_timeout_after_all_came_in(),
        };
        // Where packets are lost, so were some SYN-ACKs, and their senders will repeat them.
        if round > 0 && self.found_in_round > 0 { wait + SYN_ACK_REPEATED } else { wait }
    }

    fn look_for_a_reason_to_stop(&mut self) {
        if self.outbox.is_closed() {
            self.stopped = Some(StopReason::ReceiverGone);
        } else if self.stopped.is_none() && self.cancel.is_cancelled() {
            self.stopped = Some(StopReason::Cancelled);
        }
    }

    /// Sends a batch of probes, as far as there is leave for it.
    fn send(&mut self) -> Pause {
        if !self.outbox.is_empty() {
            return Pause::For(BACKLOG_TICK);
        }
        let now = Instant::now();
        if let Some(held) = self.shortage.filter(|held| held.until > now) {
            return Pause::For(held.until - now);
        }
        if let Some(pause) = self.flush(now) {
            return pause;
        }
        self.watch_for_loss(now);
        if self.timer.is_asked() {
            self.trail.note(self.ledger.here(), now);
        }
        let begun = self.ledger.cursor();
        let pause = self.queue_batch(now);
        if self.ledger.cursor() > begun {
            self.log.note(begun, now, self.config.timeout);
        }
        self.flush(now).unwrap_or(pause)
    }

    fn queue_batch(&mut self, now: Instant) -> Pause {
        for _ in 0..BATCH {
            self.ask_a_witness(now);
            if !self.spend_on_resets(now) {
                return Pause::For(self.pace.wait(now));
            }
            self.give_up_on_neighbours(now);
            let errand = self.has_errand(now);
            let position = match errand {
                true => None,
                false if self.neighbours.is_full() => return Pause::For(BACKLOG_TICK),
                false => self.ledger.next(),
            };
            if !errand && position.is_none() {
                return self.neighbours.pause(now).map_or(Pause::RoundOver, Pause::For);
            }
            let next =
                position.and_then(|position| Some((position, self.ledger.target(position)?)));
            let wait = next.map(|(_, target)| self.subnet_pace.wait(target.ip(), now));
            if let Some(wait) = wait.filter(|wait| !wait.is_zero()) {
                return Pause::For(wait);
            }
            if self.leave == Leave::Used && !self.pace.take(now) {
                return Pause::For(self.pace.wait(now));
            }
            self.leave = Leave::Used;
            self.is_reset_next = true;
            let Some((position, target)) = next else {
                self.run_errand(now);
                continue;
            };
            self.subnet_pace.spend(target.ip(), now);
            self.ledger.begin(position);
            self.leave = self.queue(Queued { position, target }, now);
            if let Some(held) = self.shortage.filter(|held| held.until > now) {
                return Pause::For(held.until - now);
            }
        }
        Pause::Batch
    }

    fn queue(&mut self, queued: Queued, now: Instant) -> Leave {
        let Queued { position, target } = queued;
        match self.ways.to(target.ip()) {
            Lead::Way(way) => return self.queue_by(way, queued, now),
            Lead::NoHost => self.ledger.left_out(position, target),
            // Such a reason does not pass while the sweep runs.
            Lead::Nowhere(error) => {
                let refusal = refusal(error).unwrap_or(Refusal::NoWay);
                self.ledger.refused(position, target, (refusal, error));
            }
        }
        Leave::Unused
    }

    /// Sends what is queued; says how long to wait if the system does not take it.
    fn flush(&mut self, now: Instant) -> Option<Pause> {
        for index in 0..self.lanes.len() {
            while let Some(lane) = self.lanes.get_mut(index) {
                match lane.send() {
                    Ok(0) => break,
                    Ok(sent) => {
                        add(&self.progress.sent, sent as u64);
                        self.last_sent = Some(now);
                        self.shortage = None;
                    }
                    Err(error) => match refusal(error) {
                        None => return Some(self.hold(now)),
                        Some(refusal) => {
                            if let Some(queued) = lane.skip() {
                                self.refused(queued, (refusal, error));
                            }
                        }
                    },
                }
            }
        }
        None
    }

    fn hold(&mut self, now: Instant) -> Pause {
        let held =
            self.shortage.unwrap_or(Shortage { pause: SHORTAGE_PAUSE, until: now, since: now });
        if now.duration_since(held.since) >= SHORTAGE_END {
            self.stopped = Some(StopReason::LocalShortage);
        }
        self.shortage = Some(Shortage {
            pause: (held.pause * 2).min(SHORTAGE_LONGEST_PAUSE),
            until: now + held.pause,
            since: held.since,
        });
        Pause::For(held.pause)
    }

    /// Waits for answers, no longer than `wait`, and settles them.
    fn read_answers(&mut self, wait: Duration) {
        let mut letters = std::mem::take(&mut self.letters);
        self.mailbox.take(&mut letters, wait);
        for letter in letters.drain(..) {
            self.settle(letter);
        }
        self.letters = letters;
        self.meet_neighbours();
        self.outbox.deliver();
        self.say_how_far();
    }

    fn settle(&mut self, letter: Letter) {
        let Letter { target, kind, at } = letter;
        let Some(position) = self.ledger.position(target) else { return };
        if self.ledger.is_done(position) {
            if kind == Kind::Reset && self.loss.answered(target) {
                return;
            }
            add(&self.progress.duplicates, 1);
            if kind == Kind::SynAck {
                self.end_repeated(target);
            }
            return;
        }
        self.resets_owed += u64::from(kind == Kind::SynAck);
        let cursor = self.ledger.cursor();
        let resent = self.log.resent(position, cursor);
        let rtt = self.log.time_since(position, cursor, at).unwrap_or_default();
        if !resent && !matches!(kind, Kind::Unreachable(_)) {
            self.patience.observe(rtt);
        }
        match kind {
            Kind::SynAck => {
                self.ledger.open(position);
                // A late answer to an earlier probe is nothing that this round found.
                self.found_in_round += u64::from(resent);
                self.outbox.push(Swept::Open(OpenPort { address: target, rtt }));
            }
            Kind::Reset => {
                self.ledger.closed(position);
                self.loss.reset_by(target);
            }
            Kind::Unreachable(code) => {
                self.ledger.unreachable(position, target, meaning(code, target.ip()));
            }
        }
    }

    fn refused(&mut self, queued: Queued, why: (Refusal, Errno)) {
        let Queued { position, target } = queued;
        // It may be one that had answered, asked again.
        if !self.ledger.is_done(position) {
            self.ledger.refused(position, target, why);
        }
    }
}

/// What it means that the system did not take a packet; `None`: it may take the same one in a moment.
fn refusal(error: Errno) -> Option<Refusal> {
    match error {
        Errno::AGAIN
        | Errno::NOBUFS
        | Errno::NOMEM
        | Errno::INTR
        | Errno::NETDOWN
        | Errno::NXIO
        | Errno::NODEV => None,
        Errno::PERM | Errno::ACCESS | Errno::HOSTUNREACH | Errno::NETUNREACH => {
            Some(Refusal::NoWay)
        }
        _ => Some(Refusal::Impossible),
    }
}

/// The error by which Linux would report a code of ICMP or ICMPv6 on a connection.
fn meaning(code: u8, target: IpAddr) -> Errno {
    // What Linux calls ACCESS is HOSTUNREACH here: it comes from elsewhere, not from this machine's
    // own packet filter.
    match (target, code) {
        (IpAddr::V4(_), 0 | 6 | 11) | (IpAddr::V6(_), 0) => Errno::NETUNREACH,
        (IpAddr::V4(_), 2) => Errno::NOPROTOOPT,
        (IpAddr::V4(_), 3) | (IpAddr::V6(_), 4) => Errno::CONNREFUSED,
        _ => Errno::HOSTUNREACH,
    }
}

#[cfg(test)]
mod tests;
