//! Who is there on a link.
//!
//! A SYN to a neighbour needs its address on the link. The kernel would ask for it and keep the SYN
//! meanwhile, for every silent address of a range; so it is asked for here, one question a turn of
//! the address in the sweep's order, and within the rate. A probe waits until its neighbour has
//! answered, while others go on; those of an address that nobody has are never sent.

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use super::transmit::Queued;
use crate::sweep::bitmap::Bitmap;
use crate::sweep::links::Mac;
use crate::target::TargetSet;

/// How long a neighbour has for an answer to each question.
const WAIT: Duration = Duration::from_millis(500);

/// Probes that may wait at once; beyond, no further ones are begun.
const MOST_WAITING: usize = 1 << 16;

/// What is known of a neighbour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    At(Mac),
    /// It was asked as often as it is, and did not answer.
    Absent,
    Unasked,
    /// It was asked and may still answer.
    Asked,
}

/// A question that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Question {
    pub(super) way: usize,
    pub(super) address: IpAddr,
}

#[derive(Debug)]
pub(super) struct Neighbours {
    questions: u32,
    found: HashMap<IpAddr, Mac>,
    /// By the number of an address's first probe: a bit, where a list of a silent range would be
    /// long.
    absent: Option<Bitmap>,
    asked: HashMap<IpAddr, Asked>,
    /// What was asked, and when to look again, in the order of that time.
    due: VecDeque<(Instant, IpAddr)>,
    /// Probes whose neighbours have answered.
    ready: VecDeque<Queued>,
    /// How many probes are in `asked`.
    waiting: usize,
    /// Probes of addresses that nobody had, and the first of these.
    given_up: Option<(u64, SocketAddr)>,
}

#[derive(Debug)]
struct Asked {
    way: usize,
    questions: u32,
    waiting: Vec<Queued>,
}

impl Neighbours {
    /// Each neighbour is asked `questions` times before it counts as absent.
    pub(super) fn new(questions: u32) -> Self {
        Self {
            questions,
            found: HashMap::new(),
            absent: None,
            asked: HashMap::new(),
            due: VecDeque::new(),
            ready: VecDeque::new(),
            waiting: 0,
            given_up: None,
        }
    }

    pub(super) fn know(&self, address: IpAddr, targets: &TargetSet) -> Known {
        if let Some(mac) = self.found.get(&address) {
            return Known::At(*mac);
        }
        if self.asked.contains_key(&address) {
            return Known::Asked;
        }
        let bit = first_probe(address, targets);
        let is_absent = self.absent.as_ref().zip(bit).is_some_and(|(all, bit)| all.contains(bit));
        if is_absent { Known::Absent } else { Known::Unasked }
    }

    /// Keeps a probe until its neighbour answers. The question is not sent here.
    pub(super) fn wait(&mut self, way: usize, queued: Queued) {
        let asked = self.asked.entry(queued.target.ip());
        let asked = asked.or_insert(Asked { way, questions: 0, waiting: Vec::new() });
        asked.waiting.push(queued);
        self.waiting += 1;
    }

    /// The question has left.
    pub(super) fn asked(&mut self, address: IpAddr, now: Instant) {
        if let Some(asked) = self.asked.get_mut(&address) {
            asked.questions += 1;
            self.due.push_back((now + WAIT, address));
        }
    }

    /// The question could not leave for now, and comes first when it can.
    pub(super) fn put_off(&mut self, address: IpAddr, now: Instant) {
        self.due.push_front((now, address));
    }

    /// A link was down: what was asked may not have arrived, nor its answer.
    pub(super) fn ask_anew(&mut self) {
        self.asked.values_mut().for_each(|asked| asked.questions = 0);
    }

    /// The question cannot be asked at all. Hands back the probes that waited.
    pub(super) fn cannot_ask(&mut self, address: IpAddr) -> Vec<Queued> {
        let asked = self.asked.remove(&address);
        let waiting = asked.map(|asked| asked.waiting).unwrap_or_default();
        self.waiting -= waiting.len();
        waiting
    }

    /// A neighbour said to have an address. Only who was asked is believed, and only once.
    pub(super) fn answered(
        &mut self,
        address: IpAddr,
        mac: Mac,
        is_link_of: impl Fn(usize) -> bool,
    ) {
        if !self.asked.get(&address).is_some_and(|asked| is_link_of(asked.way)) {
            return;
        }
        self.found.insert(address, mac);
        let waited = self.cannot_ask(address);
        self.ready.extend(waited);
    }

    /// The probes of the next address that has had its time.
    pub(super) fn give_up(&mut self, targets: &TargetSet, now: Instant) -> Option<Vec<Queued>> {
        loop {
            let (at, address) = *self.due.front()?;
            match self.asked.get(&address) {
                // It has answered meanwhile.
                None => drop(self.due.pop_front()),
                Some(asked) if at <= now && asked.questions >= self.questions => {
                    self.due.pop_front();
                    if let Some(bit) = first_probe(address, targets) {
                        let absent = self.absent.get_or_insert_with(|| Bitmap::new(targets.len()));
                        absent.set(bit);
                    }
                    return Some(self.cannot_ask(address));
                }
                Some(_) => return None,
            }
        }
    }

    /// The next question that is due; call after [`Neighbours::give_up`] has nothing left.
    pub(super) fn question(&mut self, now: Instant) -> Option<Question> {
        let (_, address) = *self.due.front().filter(|(at, _)| *at <= now)?;
        let way = self.asked.get(&address)?.way;
        self.due.pop_front();
        Some(Question { way, address })
    }

    pub(super) fn is_question_due(&self, now: Instant) -> bool {
        self.due.front().is_some_and(|(at, _)| *at <= now)
    }

    /// The next probe whose neighbour has answered.
    pub(super) fn ready(&mut self) -> Option<Queued> {
        self.ready.pop_front()
    }

    pub(super) fn is_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    pub(super) const fn is_full(&self) -> bool {
        self.waiting >= MOST_WAITING
    }

    /// How long until there is something to do for those who wait; `None`: nobody does.
    pub(super) fn pause(&self, now: Instant) -> Option<Duration> {
        if self.waiting == 0 && self.ready.is_empty() {
            return None;
        }
        Some(self.due.front().map_or(WAIT, |(at, _)| at.saturating_duration_since(now)))
    }

    /// The probes that were begun, but have not been sent.
    pub(super) fn waiting(&self) -> impl Iterator<Item = &Queued> {
        self.asked.values().flat_map(|asked| &asked.waiting).chain(&self.ready)
    }

    /// A probe is not sent, because nobody has its address.
    pub(super) fn count_absent(&mut self, target: SocketAddr) {
        self.given_up.get_or_insert((0, target)).0 += 1;
    }

    pub(super) fn note(&self) -> Option<String> {
        let (count, example) = self.given_up?;
        let (probes, addresses) =
            if count == 1 { ("probe", "an address") } else { ("probes", "addresses") };
        Some(format!(
            "no neighbour answered for {count} {probes} to {addresses} on this machine's own links, \
             e.g. {example}"
        ))
    }
}

fn first_probe(address: IpAddr, targets: &TargetSet) -> Option<u64> {
    let port = targets.ports(address).first()?;
    targets.index(SocketAddr::new(address, *port))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::{Ports, TargetList};

    const MAC: Mac = [2, 0, 0, 0, 0, 7];

    fn targets() -> TargetSet {
        let mut list = TargetList::new();
        list.add("127.62.3.0/24").unwrap();
        list.into_set(&Ports::new([2375, 2376]).unwrap()).unwrap()
    }

    fn probe(last: u8, port: u16) -> Queued {
        Queued { position: last.into(), target: SocketAddr::from(([127, 62, 3, last], port)) }
    }

    fn ports(probes: impl IntoIterator<Item = Queued>) -> Vec<u16> {
        probes.into_iter().map(|probe| probe.target.port()).collect()
    }

    #[test]
    fn probes_wait_for_their_neighbour_and_go_on_when_it_answers() {
        let (targets, now) = (targets(), Instant::now());
        let mut neighbours = Neighbours::new(2);
        let address = probe(9, 0).target.ip();
        assert_eq!(neighbours.know(address, &targets), Known::Unasked);
        assert_eq!(neighbours.pause(now), None);
        neighbours.wait(0, probe(9, 2375));
        neighbours.asked(address, now);
        assert_eq!(neighbours.know(address, &targets), Known::Asked);
        neighbours.wait(0, probe(9, 2376));
        assert_eq!(neighbours.pause(now), Some(WAIT));
        assert_eq!(neighbours.waiting().count(), 2);

        neighbours.answered(probe(8, 0).target.ip(), MAC, |_| true);
        assert_eq!(neighbours.know(probe(8, 0).target.ip(), &targets), Known::Unasked, "unasked");
        neighbours.answered(address, MAC, |_| false);
        assert!(!neighbours.is_ready(), "it came by another link");
        neighbours.answered(address, MAC, |_| true);
        neighbours.answered(address, [2; 6], |_| true);
        assert_eq!(neighbours.know(address, &targets), Known::At(MAC), "the first counts");
        assert_eq!(ports(std::iter::from_fn(|| neighbours.ready())), [2375, 2376]);
        assert_eq!(neighbours.give_up(&targets, now + WAIT * 9), None);
        assert_eq!((neighbours.pause(now), neighbours.note()), (None, None));
    }

    #[test]
    fn who_does_not_answer_is_asked_again_and_then_absent() {
        let (targets, now) = (targets(), Instant::now());
        let mut neighbours = Neighbours::new(2);
        let address = probe(9, 0).target.ip();
        neighbours.wait(3, probe(9, 2375));
        neighbours.asked(address, now);
        assert!(!neighbours.is_question_due(now));
        assert_eq!(neighbours.give_up(&targets, now + WAIT), None);
        let question = Question { way: 3, address };
        assert_eq!(neighbours.question(now + WAIT), Some(question));
        neighbours.put_off(address, now + WAIT);
        assert_eq!(neighbours.question(now + WAIT), Some(question), "it did not leave");
        neighbours.asked(address, now + WAIT);
        assert_eq!(neighbours.give_up(&targets, now + WAIT), None);
        let waited = neighbours.give_up(&targets, now + WAIT * 2).unwrap();
        assert_eq!(ports(waited), [2375]);
        assert_eq!(neighbours.know(address, &targets), Known::Absent);
        assert_eq!(neighbours.know(probe(10, 0).target.ip(), &targets), Known::Unasked);
        neighbours.answered(address, MAC, |_| true);
        assert_eq!(neighbours.know(address, &targets), Known::Absent, "too late");
        neighbours.count_absent(probe(9, 2375).target);
        let note = neighbours.note().unwrap();
        assert!(note.starts_with("no neighbour answered for 1 probe to"), "{note}");
    }

    #[test]
    fn who_was_asked_while_a_link_was_down_is_asked_anew() {
        let (targets, now) = (targets(), Instant::now());
        let mut neighbours = Neighbours::new(1);
        let address = probe(9, 0).target.ip();
        neighbours.wait(0, probe(9, 2375));
        neighbours.asked(address, now);
        neighbours.ask_anew();
        assert_eq!(neighbours.give_up(&targets, now + WAIT), None);
        assert_eq!(neighbours.question(now + WAIT), Some(Question { way: 0, address }));
        neighbours.asked(address, now + WAIT);
        assert!(neighbours.give_up(&targets, now + WAIT * 2).is_some());
    }

    #[test]
    fn what_cannot_be_asked_is_handed_back() {
        let (targets, now) = (targets(), Instant::now());
        let mut neighbours = Neighbours::new(2);
        neighbours.wait(0, probe(9, 2375));
        neighbours.put_off(probe(9, 0).target.ip(), now);
        assert!(neighbours.is_question_due(now));
        assert_eq!(ports(neighbours.cannot_ask(probe(9, 0).target.ip())), [2375]);
        assert_eq!(neighbours.give_up(&targets, now), None);
        assert_eq!((neighbours.question(now), neighbours.pause(now)), (None, None));
    }
}
