//! What the sweep sends besides the next probe of its order: questions to neighbours, the probes
//! that waited for these, and resets. All of it within the rate.

use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::time::Instant;

use rustix::io::Errno;

use super::neighbours::{Known, Question};
use super::receive::Presence;
use super::transmit::{BATCH, Queued};
use super::ways::Lead;
use super::{Leave, Sweep, refusal};

/// Neighbours are asked as often as probes are sent, and at least this often.
pub(super) const LEAST_QUESTIONS: u32 = 2;

/// Resets of ours that may wait for leave to go; a target that gets none asks again.
const MOST_RESETS_DUE: usize = 256;

impl Sweep<'_> {
    /// Says what became of the leave to send.
    pub(super) fn queue_by(&mut self, way: usize, queued: Queued, now: Instant) -> Leave {
        let sequence = self.cookie.sequence(queued.target);
        let Some(lane) = self.lanes.get_mut(way) else { return Leave::Unused };
        if !self.ways.is_on_link(way) {
            lane.push(queued, sequence);
            return Leave::Used;
        }
        let address = queued.target.ip();
        match self.neighbours.know(address, self.targets) {
            Known::At(mac) => lane.push_to(mac, queued, sequence),
            Known::Absent => {
                self.no_neighbour(queued);
                return Leave::Unused;
            }
            Known::Asked => {
                self.neighbours.wait(way, queued);
                return Leave::Unused;
            }
            Known::Unasked => {
                self.neighbours.wait(way, queued);
                self.ask(Question { way, address }, now);
            }
        }
        Leave::Used
    }

    /// A packet, other than the next probe of the order, that waits for leave to go.
    pub(super) fn has_errand(&self, now: Instant) -> bool {
        self.neighbours.is_ready() || self.neighbours.is_question_due(now)
    }

    pub(super) fn run_errand(&mut self, now: Instant) {
        if let Some(queued) = self.neighbours.ready() {
            if let Lead::Way(way) = self.ways.to(queued.target.ip()) {
                self.queue_by(way, queued, now);
            }
        } else if let Some(question) = self.neighbours.question(now) {
            self.ask(question, now);
        }
    }

    fn ask(&mut self, question: Question, now: Instant) {
        let Question { way, address } = question;
        let asked = self.lanes.get(way).map_or(Err(Errno::NODEV), |lane| lane.ask(address));
        match asked {
            Ok(()) => {
                self.shortage = None;
                self.neighbours.asked(address, now);
            }
            Err(error) => match refusal(error) {
                None => {
                    self.neighbours.put_off(address, now);
                    self.hold(now);
                }
                Some(refusal) => {
                    for queued in self.neighbours.cannot_ask(address) {
                        self.refused(queued, (refusal, error));
                    }
                }
            },
        }
    }

    pub(super) fn give_up_on_neighbours(&mut self, now: Instant) {
        if self.mailbox.link_fell() {
            self.neighbours.ask_anew();
        }
        while let Some(waited) = self.neighbours.give_up(self.targets, now) {
            waited.into_iter().for_each(|queued| self.no_neighbour(queued));
        }
    }

    /// As the kernel says of a connection to such an address.
    fn no_neighbour(&mut self, queued: Queued) {
        let Queued { position, target } = queued;
        // It may be one that had answered, asked again.
        if !self.ledger.is_done(position) {
            self.neighbours.count_absent(target);
            self.ledger.unreachable(position, target, Errno::HOSTUNREACH);
        }
    }

    /// The kernel has sent a reset for this SYN-ACK too, and ours is to follow. A target may repeat
    /// it without end; then not all are paid for.
    pub(super) fn end_repeated(&mut self, target: SocketAddr) {
        if self.resets_owed < BATCH as u64 {
            self.resets_owed += 1;
        }
        if self.resets_due.len() < MOST_RESETS_DUE && !self.resets_due.contains(&target) {
            self.resets_due.push_back(target);
        }
    }

    fn reset(&self, target: SocketAddr) {
        let Lead::Way(way) = self.ways.to(target.ip()) else { return };
        let neighbour = match self.neighbours.know(target.ip(), self.targets) {
            _ if !self.ways.is_on_link(way) => None,
            Known::At(mac) => Some(mac),
            _ => return,
        };
        if let Some(lane) = self.lanes.get(way) {
            lane.reset(target, neighbour, self.cookie.sequence(target));
        }
    }

    /// Sends slower where asking again what is known to answer was in vain.
    pub(super) fn watch_for_loss(&mut self, now: Instant) {
        if let Some(loss) = self.loss.verdict() {
            let (since, before) = self.measured_from;
            let sent = self.progress.sent.load(Ordering::Relaxed);
            let seconds = now.saturating_duration_since(since).as_secs_f64();
            let measured = (sent - before) as f64 / seconds.max(0.001);
            self.measured_from = (now, sent);
            if let Some(rate) = self.throttle.adapt(loss, measured as u32, now) {
                tracing::debug!(?loss, measured, ?rate, "another rate");
                self.pace.change(rate, now);
            }
        }
    }

    pub(super) fn ask_a_witness(&mut self, now: Instant) {
        if let Some(target) = self.loss.due(now, self.patience.timeout())
            && self.pace.take(now)
            && let Some(position) = self.ledger.position(target)
            && let Lead::Way(way) = self.ways.to(target.ip())
        {
            self.loss.asked(target, now);
            self.queue_by(way, Queued { position, target }, now);
        }
    }

    /// What the loss was that slowed the sweep down.
    pub(super) fn loss_note(&self) -> Option<String> {
        let slowest = self.throttle.slowest()?;
        let (asks, lost) = self.loss.totals();
        Some(format!(
            "the network lost {lost} of {asks} packets to addresses that had answered before, or \
             their answers: the sweep slowed down, to {slowest} packets a second at the slowest"
        ))
    }

    pub(super) fn meet_neighbours(&mut self) {
        let mut present = std::mem::take(&mut self.present);
        self.mailbox.take_present(&mut present);
        for Presence { link, address, mac } in present.drain(..) {
            let ways = self.ways;
            self.neighbours.answered(address, mac, |way| ways.link(way) == Some(link));
        }
        self.present = present;
    }

    /// Takes leave for one reset, if it is their turn and one is owed or due; false: there is none.
    pub(super) fn spend_on_resets(&mut self, now: Instant) -> bool {
        if !self.is_reset_next || self.resets_owed == 0 && self.resets_due.is_empty() {
            return true;
        }
        if !self.pace.take(now) {
            return false;
        }
        self.is_reset_next = false;
        self.end_one();
        true
    }

    /// Those that come after the last probe of a round.
    pub(super) fn send_resets(&mut self) {
        let now = Instant::now();
        while (self.resets_owed > 0 || !self.resets_due.is_empty()) && self.pace.take(now) {
            self.end_one();
        }
    }

    /// Those that are still to be sent come first: under a flood, the kernel's have no end.
    fn end_one(&mut self) {
        if let Some(target) = self.resets_due.pop_front() {
            self.reset(target);
        } else {
            self.resets_owed = self.resets_owed.saturating_sub(1);
        }
    }
}
