//! Sends SYNs by the batch, each way by a socket of its own.
//!
//! On Ethernet it is a packet socket: it leaves no entries in the connection tracking table. Packet
//! sockets have no loopback and know no tunnels' headers, so there it is a raw IP socket.

use std::io::{self, IoSlice};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::AsRawFd as _;

use rustix::io::Errno;
use rustix::net::addr::SocketAddrArg as _;
use rustix::net::{MMsgHdr, SendAncillaryBuffer, SendFlags, SocketAddrAny, sendmmsg};
use socket2::{Domain, Protocol, Socket, Type};

use super::packet::{self, ETHERNET_LEN, SYN_LEN, SynTemplate};
use super::route::{Next, Way};

/// Packets that leave with one system call.
pub(super) const BATCH: usize = 64;

/// One way out, and what waits to leave by it.
pub(super) struct Lane {
    socket: Socket,
    source: Ipv4Addr,
    source_port: u16,
    template: SynTemplate,
    ethernet: Option<[u8; ETHERNET_LEN]>,
    frame_len: usize,
    /// `frame_len` bytes for each of `queued`.
    frames: Vec<u8>,
    queued: Vec<Queued>,
    /// How many of `queued` have left.
    gone: usize,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Queued {
    pub(super) position: u64,
    pub(super) target: SocketAddrV4,
}

impl Lane {
    /// # Errors
    /// The system's: no CAP_NET_RAW, or the interface has gone.
    pub(super) fn open(way: &Way, source_port: u16, interface: Option<&str>) -> io::Result<Self> {
        let (socket, ethernet) = match &way.next {
            Next::Router { link, own, router } => {
                // Protocol 0: it receives nothing.
                let socket = Socket::new(Domain::PACKET, Type::RAW, None)?;
                nix::sys::socket::bind(socket.as_raw_fd(), link)?;
                (socket, Some(packet::ethernet(*router, *own)))
            }
            Next::Kernel => {
                const IPPROTO_RAW: i32 = 255;
                let protocol = Protocol::from(IPPROTO_RAW);
                let socket = Socket::new(Domain::IPV4, Type::RAW, Some(protocol))?;
                socket.set_header_included_v4(true)?;
                socket.bind_device(interface.map(str::as_bytes))?;
                (socket, None)
            }
        };
        // What the sender may have under way at once; the default is a few hundred packets.
        socket.set_send_buffer_size(1 << 20)?;
        let frame_len = SYN_LEN + ethernet.map_or(0, |header| header.len());
        Ok(Self {
            socket,
            source: way.source,
            source_port,
            template: SynTemplate::new(way.source, source_port),
            ethernet,
            frame_len,
            frames: Vec::with_capacity(frame_len * BATCH),
            queued: Vec::with_capacity(BATCH),
            gone: 0,
        })
    }

    /// Adds a SYN. There is room for [`BATCH`] between two times that all have left.
    pub(super) fn push(&mut self, queued: Queued, sequence: u32) {
        let mut syn = [0; SYN_LEN];
        self.template.write(&mut syn, queued.target, sequence);
        self.frames.extend(self.ethernet.iter().flatten());
        self.frames.extend(syn);
        self.queued.push(queued);
    }

    /// Sends as many as the system takes, and says how many; 0 if there are none.
    ///
    /// # Errors
    /// The first that waits did not leave.
    pub(super) fn send(&mut self) -> Result<usize, Errno> {
        let waiting = self.queued.get(self.gone..).unwrap_or_default();
        let frames = self.frames.get(self.gone * self.frame_len..).unwrap_or_default();
        if waiting.is_empty() {
            return Ok(0);
        }
        let slices: Vec<[IoSlice<'_>; 1]> =
            frames.chunks(self.frame_len).map(|frame| [IoSlice::new(frame)]).collect();
        let mut controls: Vec<SendAncillaryBuffer<'_, '_, '_>> =
            waiting.iter().map(|_| SendAncillaryBuffer::default()).collect();
        let addresses: Vec<SocketAddrAny> = match self.ethernet {
            Some(_) => Vec::new(),
            None => waiting.iter().map(|queued| queued.target.as_any()).collect(),
        };
        let parts = slices.iter().zip(&mut controls);
        let mut messages: Vec<MMsgHdr<'_>> = match self.ethernet {
            Some(_) => parts.map(|(frame, control)| MMsgHdr::new(frame, control)).collect(),
            None => parts
                .zip(&addresses)
                .map(|((frame, control), to)| MMsgHdr::new_with_addr(to, frame, control))
                .collect(),
        };
        let sent = sendmmsg(&self.socket, &mut messages, SendFlags::DONTWAIT)?;
        self.pass(sent);
        Ok(sent)
    }

    /// Takes the first that waits out of the queue.
    pub(super) fn skip(&mut self) -> Option<Queued> {
        let skipped = self.queued.get(self.gone).copied()?;
        self.pass(1);
        Some(skipped)
    }

    pub(super) fn waiting(&self) -> &[Queued] {
        self.queued.get(self.gone..).unwrap_or_default()
    }

    /// Ends a connection that `target` holds half open; in vain, if the system has no room.
    pub(super) fn reset(&self, target: SocketAddrV4, sequence: u32) {
        let reset = packet::reset(self.source, self.source_port, target, sequence);
        let result = match self.ethernet {
            Some(header) => {
                let frame = [&header[..], &reset].concat();
                rustix::net::send(&self.socket, &frame, SendFlags::DONTWAIT)
            }
            None => rustix::net::sendto(&self.socket, &reset, SendFlags::DONTWAIT, &target),
        };
        if let Err(error) = result {
            tracing::debug!(%target, %error, "a half-open connection stays until the target gives up");
        }
    }

    fn pass(&mut self, count: usize) {
        self.gone += count;
        if self.gone >= self.queued.len() {
            self.queued.clear();
            self.frames.clear();
            self.gone = 0;
        }
    }
}
