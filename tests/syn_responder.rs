//! A target made by hand, that answers SYNs as often as a test says.

use std::collections::HashMap;
use std::io::Read as _;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};

use crate::syn_bed::{Bed, SCANNER};

/// A SYN that arrived.
#[derive(Clone, Copy, Debug)]
pub struct Syn {
    pub target: SocketAddrV4,
    /// How many have come for this target, this one included.
    pub nth: u32,
}

/// Runs until dropped.
pub struct Responder {
    stop: Arc<AtomicBool>,
    resets: Arc<AtomicU64>,
    running: Vec<JoinHandle<()>>,
}

impl Responder {
    /// In the targets' namespace; `answers` says how many SYN-ACKs a SYN gets.
    pub fn start(bed: &Bed, answers: impl Fn(&Syn) -> u32 + Send + 'static) -> Self {
        const ETH_P_IP: u16 = 0x0800;
        let stop = Arc::new(AtomicBool::new(false));
        let resets = Arc::new(AtomicU64::new(0));
        let (answering, counting) = (Arc::clone(&stop), Arc::clone(&stop));
        let counted = Arc::clone(&resets);
        let running = bed.in_targets(move || {
            let sender = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::from(255))).unwrap();
            sender.set_header_included_v4(true).unwrap();
            let (mut heard, mut heard_too) = (Wire::new(ETH_P_IP), Wire::new(ETH_P_IP));
            vec![
                thread::spawn(move || {
                    let mut seen: HashMap<SocketAddrV4, u32> = HashMap::new();
                    while !answering.load(Ordering::Relaxed) {
                        let Some(segment) = heard.next().filter(Segment::is_syn) else { continue };
                        let nth = seen.entry(segment.target).or_default();
                        *nth += 1;
                        let Segment { target, source_port, sequence, .. } = segment;
                        let answer = syn_ack(target, source_port, sequence.wrapping_add(1));
                        for _ in 0..answers(&Syn { target, nth: *nth }) {
                            let to = SocketAddr::from((SCANNER, 0)).into();
                            sender.send_to(&answer, &to).unwrap();
                            if answering.load(Ordering::Relaxed) {
                                return;
                            }
                        }
                    }
                }),
                thread::spawn(move || {
                    while !counting.load(Ordering::Relaxed) {
                        let reset = heard_too.next().filter(|segment| segment.flags & 0x04 != 0);
                        counted.fetch_add(u64::from(reset.is_some()), Ordering::Relaxed);
                    }
                }),
            ]
        });
        Self { stop, resets, running }
    }

    /// Resets that have arrived.
    pub fn resets(&self) -> u64 {
        self.resets.load(Ordering::Relaxed)
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for running in self.running.drain(..) {
            running.join().unwrap();
        }
    }
}

/// How often each address is asked for by ARP in the targets' namespace, until asked.
pub struct Questions {
    stop: Arc<AtomicBool>,
    asked: Arc<AtomicUsize>,
    counting: JoinHandle<HashMap<Ipv4Addr, u32>>,
}

impl Questions {
    pub fn listen(bed: &Bed) -> Self {
        const ETH_P_ARP: u16 = 0x0806;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let addresses = Arc::new(AtomicUsize::new(0));
        let seen = Arc::clone(&addresses);
        let counting = bed.in_targets(move || {
            let mut wire = Wire::new(ETH_P_ARP);
            thread::spawn(move || {
                let mut asked: HashMap<Ipv4Addr, u32> = HashMap::new();
                while !stopped.load(Ordering::Relaxed) {
                    let mut buffer = [0; 128];
                    let Ok(length) = wire.0.read(&mut buffer) else { continue };
                    let address: Option<&[u8; 4]> =
                        buffer[..length].get(24..).and_then(|rest| rest.first_chunk());
                    if let Some(address) = address.filter(|_| buffer[7] == 1) {
                        *asked.entry(Ipv4Addr::from(*address)).or_default() += 1;
                        seen.store(asked.len(), Ordering::Relaxed);
                    }
                }
                asked
            })
        });
        Self { stop, asked: addresses, counting }
    }

    /// How many addresses were asked for by now.
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }

    pub fn counts(self) -> HashMap<Ipv4Addr, u32> {
        self.stop.store(true, Ordering::Relaxed);
        self.counting.join().unwrap()
    }
}

/// Hears what arrives in a network namespace.
struct Wire(Socket);

impl Wire {
    fn new(ethertype: u16) -> Self {
        let protocol = Protocol::from(i32::from(ethertype.to_be()));
        let socket = Socket::new(Domain::PACKET, Type::DGRAM, Some(protocol)).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        Self(socket)
    }

    /// `None` for what is no TCP, and now and then.
    fn next(&mut self) -> Option<Segment> {
        let mut buffer = [0; 128];
        let length = self.0.read(&mut buffer).ok()?;
        read(&buffer[..length])
    }
}

struct Segment {
    target: SocketAddrV4,
    source_port: u16,
    sequence: u32,
    flags: u8,
}

impl Segment {
    fn is_syn(&self) -> bool {
        self.flags & 0x12 == 0x02
    }
}

fn read(packet: &[u8]) -> Option<Segment> {
    let u16_at = |at: usize| Some(u16::from_be_bytes(*packet.get(at..)?.first_chunk()?));
    let address: [u8; 4] = *packet.get(16..)?.first_chunk()?;
    let is_tcp = packet.first() == Some(&0x45) && packet.get(9) == Some(&6);
    Some(Segment {
        target: SocketAddrV4::new(Ipv4Addr::from(address), u16_at(22)?),
        source_port: u16_at(20)?,
        sequence: u32::from_be_bytes(*packet.get(24..)?.first_chunk()?),
        flags: *packet.get(33)?,
    })
    .filter(|_| is_tcp)
}

/// Without checksums: who checks the sequence number first needs none.
pub fn syn_ack(from: SocketAddrV4, to: u16, acknowledged: u32) -> [u8; 40] {
    let mut packet = [0; 40];
    packet[..4].copy_from_slice(&[0x45, 0, 0, 40]);
    packet[8..10].copy_from_slice(&[64, 6]);
    packet[12..16].copy_from_slice(&from.ip().octets());
    packet[16..20].copy_from_slice(&SCANNER.octets());
    packet[20..22].copy_from_slice(&from.port().to_be_bytes());
    packet[22..24].copy_from_slice(&to.to_be_bytes());
    packet[28..32].copy_from_slice(&acknowledged.to_be_bytes());
    packet[32..34].copy_from_slice(&[0x50, 0x12]);
    packet
}
