//! Holds each packet back for 40 to 50 ms, for `benches/sweep/run.sh`.
//!
//! Standard input is a TUN device (`benches/sweep/delay.py` opens it): packets are read from it and
//! written back to it. Ends with its device.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::time::Timespec;

/// One delay a lane, so that each lane's packets stay in order and no heap is needed.
const LANES: u64 = 11;
const SHORTEST: Duration = Duration::from_millis(40);
const LONGEST_PACKET: usize = 2048;

/// Packets, each with the time at which it goes on.
type Lane = VecDeque<(Instant, Box<[u8]>)>;

fn main() -> io::Result<()> {
    let stdin = io::stdin();
    let device = stdin.as_fd();
    rustix::io::ioctl_fionbio(device, true)?;
    let mut lanes: Vec<Lane> = (0..LANES).map(|_| VecDeque::new()).collect();
    let mut next_lane = 0;
    loop {
        read_all(device, &mut lanes, &mut next_lane)?;
        let now = Instant::now();
        let mut earliest: Option<Instant> = None;
        for lane in &mut lanes {
            while let Some((due, packet)) = lane.front() {
                if *due > now {
                    earliest = Some(earliest.map_or(*due, |known| known.min(*due)));
                    break;
                }
                // What the device does not take is lost, as on any network.
                let _ = rustix::io::write(device, packet);
                lane.pop_front();
            }
        }
        let wait = earliest.map(|due| due.saturating_duration_since(Instant::now()));
        let wait = wait.map(|wait| Timespec::try_from(wait).unwrap_or_default());
        match poll(&mut [PollFd::new(&device, PollFlags::IN)], wait.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

fn read_all(device: BorrowedFd<'_>, lanes: &mut [Lane], next_lane: &mut usize) -> io::Result<()> {
    let mut buffer = [0; LONGEST_PACKET];
    for _ in 0..256 {
        let length = match rustix::io::read(device, &mut buffer) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(length) => length,
            Err(Errno::AGAIN | Errno::INTR) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let delay = SHORTEST + Duration::from_millis(*next_lane as u64);
        let packet = buffer.get(..length).unwrap_or_default();
        if let Some(lane) = lanes.get_mut(*next_lane) {
            lane.push_back((Instant::now() + delay, packet.into()));
        }
        *next_lane = (*next_lane + 1) % lanes.len();
    }
    Ok(())
}
