//! The port that all SYNs come from.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use rustix::io::Errno;
use socket2::{Domain, Socket, Type};

/// Ports to try that are taken in one family only.
const PORT_TRIES: usize = 64;

/// A local port that no other socket gets while this lives. Nothing listens on it, so that the
/// kernel resets what answers.
pub(super) struct ReservedPort {
    pub(super) port: u16,
    /// Only held.
    sockets: Vec<Socket>,
}

impl ReservedPort {
    /// # Errors
    /// The system's.
    pub(super) fn take() -> io::Result<Self> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.bind(&SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)).into())?;
        let port = socket.local_addr()?.as_socket().map_or(0, |address| address.port());
        Ok(Self { port, sockets: vec![socket] })
    }

    /// One that is free in IPv4 and IPv6.
    ///
    /// # Errors
    /// The system's.
    pub(super) fn take_in_both() -> io::Result<Self> {
        // What was taken in vain is kept until the end, so that another is tried each time.
        let mut in_vain = Vec::new();
        loop {
            let mut reserved = Self::take()?;
            let socket = match Socket::new(Domain::IPV6, Type::STREAM, None) {
                Ok(socket) => socket,
                // Nothing can leave by it then, and each probe will say so.
                Err(error) if Errno::from_io_error(&error) == Some(Errno::AFNOSUPPORT) => {
                    return Ok(reserved);
                }
                Err(error) => return Err(error),
            };
            socket.set_only_v6(true)?;
            match socket.bind(&SocketAddr::from((Ipv6Addr::UNSPECIFIED, reserved.port)).into()) {
                Ok(()) => {
                    reserved.sockets.push(socket);
                    return Ok(reserved);
                }
                Err(error) if in_vain.len() >= PORT_TRIES => return Err(error),
                Err(_) => in_vain.push(reserved),
            }
        }
    }
}
