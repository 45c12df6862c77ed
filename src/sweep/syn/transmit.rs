//! Sends SYNs by the batch, each way by a socket of its own.
//!
//! On Ethernet it is a packet socket: it leaves no entries in the connection tracking table. Packet
//! sockets have no loopback and know no tunnels' headers, so there it is a raw IP socket.

use std::io::{self, IoSlice};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsRawFd as _;

use rustix::io::Errno;
use rustix::net::addr::SocketAddrArg as _;
use rustix::net::{MMsgHdr, SendAncillaryBuffer, SendFlags, SocketAddrAny, sendmmsg};
use socket2::{Domain, Protocol, Socket, Type};

use super::ask;
use super::packet::neighbour::{self, ETHERTYPE_V4, ETHERTYPE_V6};
use super::packet::{self, ETHERNET_LEN, SYN_LEN, SynTemplate, v6};
use super::ways::{Next, Way};
use crate::sweep::links::Mac;

/// Packets that leave with one system call.
pub(super) const BATCH: usize = 64;

/// One way out, and what waits to leave by it.
pub(super) struct Lane {
    socket: Socket,
    source: IpAddr,
    source_port: u16,
    template: Template,
    ethernet: Option<Ethernet>,
    frame_len: usize,
    /// `frame_len` bytes for each of `queued`.
    frames: Vec<u8>,
    queued: Vec<Queued>,
    /// How many of `queued` have left.
    gone: usize,
}

enum Template {
    V4(SynTemplate),
    V6(v6::SynTemplate),
}

#[derive(Clone, Copy)]
struct Ethernet {
    /// To the router; to neighbours, each has its own.
    header: [u8; ETHERNET_LEN],
    own: Mac,
    /// From which address neighbours are asked.
    asking: IpAddr,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Queued {
    pub(super) position: u64,
    pub(super) target: SocketAddr,
}

impl Lane {
    /// # Errors
    /// The system's: no CAP_NET_RAW, or the interface has gone.
    pub(super) fn open(way: &Way, source_port: u16, interface: Option<&str>) -> io::Result<Self> {
        let (template, syn_len, ethertype) = match way.source {
            IpAddr::V4(source) => {
                (Template::V4(SynTemplate::new(source, source_port)), SYN_LEN, ETHERTYPE_V4)
            }
            IpAddr::V6(source) => {
                (Template::V6(v6::SynTemplate::new(source, source_port)), v6::SYN_LEN, ETHERTYPE_V6)
            }
        };
        let ethernet = match way.next {
            Next::Router { own, router, .. } => Some((own, router, way.source)),
            Next::Neighbours { own, asking, .. } => Some((own, [0; 6], asking)),
            Next::Kernel => None,
        };
        let ethernet = ethernet.map(|(own, to, asking)| Ethernet {
            header: neighbour::ethernet(to, own, ethertype),
            own,
            asking,
        });
        let socket = match &way.next {
            Next::Router { link, .. } | Next::Neighbours { link, .. } => {
                // Protocol 0: it receives nothing.
                let socket = Socket::new(Domain::PACKET, Type::RAW, None)?;
                nix::sys::socket::bind(socket.as_raw_fd(), link)?;
                socket
            }
            Next::Kernel => raw(way.source, interface)?,
        };
        // What the sender may have under way at once; the default is a few hundred packets.
        socket.set_send_buffer_size(1 << 20)?;
        let frame_len = syn_len + ethernet.map_or(0, |ethernet| ethernet.header.len());
        Ok(Self {
            socket,
            source: way.source,
            source_port,
            template,
            ethernet,
            frame_len,
            frames: Vec::with_capacity(frame_len * BATCH),
            queued: Vec::with_capacity(BATCH),
            gone: 0,
        })
    }

    /// Adds a SYN. There is room for [`BATCH`] between two times that all have left.
    pub(super) fn push(&mut self, queued: Queued, sequence: u32) {
        if let Some(ethernet) = &self.ethernet {
            self.frames.extend(ethernet.header);
        }
        self.push_packet(queued, sequence);
    }

    /// Adds a SYN to a neighbour.
    pub(super) fn push_to(&mut self, mac: Mac, queued: Queued, sequence: u32) {
        if let Some(ethernet) = &self.ethernet {
            self.frames.extend(ethernet.header_to(mac));
        }
        self.push_packet(queued, sequence);
    }

    fn push_packet(&mut self, queued: Queued, sequence: u32) {
        match (&self.template, queued.target) {
            (Template::V4(template), SocketAddr::V4(target)) => {
                let mut syn = [0; SYN_LEN];
                template.write(&mut syn, target, sequence);
                self.frames.extend(syn);
            }
            (Template::V6(template), SocketAddr::V6(target)) => {
                let mut syn = [0; v6::SYN_LEN];
                template.write(&mut syn, target, sequence);
                self.frames.extend(syn);
            }
            // A way is of one family. A frame that was begun would shift all after it.
            _ => return self.frames.truncate(self.queued.len() * self.frame_len),
        }
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
            None => waiting.iter().map(|queued| raw_address(queued.target).as_any()).collect(),
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

    /// Asks a neighbour for its address on the link.
    ///
    /// # Errors
    /// The system did not take the question.
    pub(super) fn ask(&self, address: IpAddr) -> Result<(), Errno> {
        let ethernet = self.ethernet.as_ref().ok_or(Errno::AFNOSUPPORT)?;
        let question = ask::question(ethernet.own, ethernet.asking, address);
        let question = question.ok_or(Errno::AFNOSUPPORT)?;
        rustix::net::send(&self.socket, &question, SendFlags::DONTWAIT).map(drop)
    }

    /// Ends a connection that `target` holds half open, `neighbour` being its address where it is
    /// on the link; in vain, if the system has no room.
    pub(super) fn reset(&self, target: SocketAddr, neighbour: Option<Mac>, sequence: u32) {
        let reset = match (self.source, target) {
            (IpAddr::V4(source), SocketAddr::V4(target)) => {
                packet::reset(source, self.source_port, target, sequence).to_vec()
            }
            (IpAddr::V6(source), SocketAddr::V6(target)) => {
                v6::reset(source, self.source_port, target, sequence).to_vec()
            }
            _ => return,
        };
        let result = match &self.ethernet {
            Some(ethernet) => {
                let header = neighbour.map_or(ethernet.header, |mac| ethernet.header_to(mac));
                let frame = [&header[..], &reset].concat();
                rustix::net::send(&self.socket, &frame, SendFlags::DONTWAIT)
            }
            None => {
                rustix::net::sendto(&self.socket, &reset, SendFlags::DONTWAIT, &raw_address(target))
            }
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

impl Ethernet {
    fn header_to(&self, mac: Mac) -> [u8; ETHERNET_LEN] {
        let mut header = self.header;
        let (to, _) = header.split_at_mut(mac.len());
        to.copy_from_slice(&mac);
        header
    }
}

/// A raw IP socket whose packets come with their headers.
fn raw(source: IpAddr, interface: Option<&str>) -> io::Result<Socket> {
    const IPPROTO_RAW: i32 = 255;
    let domain = if source.is_ipv4() { Domain::IPV4 } else { Domain::IPV6 };
    let socket = Socket::new(domain, Type::RAW, Some(Protocol::from(IPPROTO_RAW)))?;
    // For IPv6 the protocol alone says so.
    if source.is_ipv4() {
        socket.set_header_included_v4(true)?;
    }
    socket.bind_device(interface.map(str::as_bytes))?;
    Ok(socket)
}

/// On raw IPv6 sockets the port would be a protocol.
fn raw_address(target: SocketAddr) -> SocketAddr {
    SocketAddr::new(target.ip(), 0)
}
