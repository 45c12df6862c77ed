//! One non-blocking TCP connection attempt, and what the system's answers to it mean.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType};
use socket2::SockRef;

/// What there is to know about an attempt by now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Pending,
    Answered(Answer),
    /// The system's own attempts ended without an answer.
    Silent,
    /// Nothing was sent for want of something on this machine.
    Short(Shortage),
    /// This machine cannot make this attempt at all.
    Impossible(Errno),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Open,
    Closed,
    /// The connection met itself, which it can only on a closed port of this machine.
    MetItself,
    Unreachable(Errno),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shortage {
    /// No descriptor is left to this process or system.
    Descriptors,
    /// No buffer, memory or local port.
    Resources(Errno),
}

impl Shortage {
    pub(super) const fn errno(self) -> Errno {
        match self {
            Self::Descriptors => Errno::MFILE,
            Self::Resources(error) => error,
        }
    }
}

/// How sockets are made: where they send from.
#[derive(Clone, Debug)]
pub(super) struct Origin {
    pub(super) source_ip: Option<IpAddr>,
    pub(super) interface: Option<String>,
}

impl Origin {
    /// A socket that can connect to `target`.
    ///
    /// # Errors
    /// The system's; `EAFNOSUPPORT` if the source address is of the other family.
    pub(super) fn socket(&self, target: &SocketAddr) -> Result<OwnedFd, Errno> {
        let family = if target.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let socket = rustix::net::socket_with(family, SocketType::STREAM, flags, None)?;
        if let Some(name) = &self.interface {
            SockRef::from(&socket).bind_device(Some(name.as_bytes())).map_err(errno)?;
        }
        if let Some(source) = self.source_ip {
            if source.is_ipv4() != target.is_ipv4() {
                return Err(Errno::AFNOSUPPORT);
            }
            // Attempts to different hosts may then share a local port, of which there are fewer
            // than there can be attempts.
            rustix::net::sockopt::set_socket_reuseaddr(&socket, true)?;
            rustix::net::bind(&socket, &SocketAddr::new(source, 0))?;
        }
        Ok(socket)
    }
}

/// Begins to connect, and on the next call says what came of it: an attempt's state is always
/// asked for with the call that began it, whose result is unambiguous while `SO_ERROR` shows 0
/// both before and after a success.
pub(super) fn connect(socket: BorrowedFd<'_>, target: &SocketAddr) -> State {
    let Err(error) = rustix::net::connect(socket, target) else {
        return if is_self_connected(socket, target) {
            State::Answered(Answer::MetItself)
        } else {
            State::Answered(Answer::Open)
        };
    };
    classify(error)
}

/// Whether a refused socket's descriptor can be used for another attempt: Linux puts it back to
/// unconnected when `connect()` itself reports the refusal.
pub(super) const fn is_reusable(state: State) -> bool {
    matches!(state, State::Answered(Answer::Closed))
}

/// Takes back an attempt that was not answered: the socket is unconnected afterwards, and whatever
/// still comes for the attempt is refused by the system. Says whether it is.
pub(super) fn abandon(socket: &OwnedFd) -> bool {
    rustix::net::connect_unspec(socket).is_ok()
}

/// A connection to a local port that nobody listens on can meet itself, if the system picks that
/// very port as its source.
fn is_self_connected(socket: BorrowedFd<'_>, target: &SocketAddr) -> bool {
    rustix::net::getsockname(socket.as_fd())
        .ok()
        .and_then(|name| SocketAddr::try_from(name).ok())
        .is_some_and(|name| name == *target)
}

fn classify(error: Errno) -> State {
    match error {
        Errno::INPROGRESS | Errno::ALREADY | Errno::INTR => State::Pending,
        // A reset in answer to a SYN reads as a refusal. These two need an established connection
        // that the peer then tore down, so the port was open.
        Errno::CONNRESET | Errno::PIPE => State::Answered(Answer::Open),
        Errno::CONNREFUSED => State::Answered(Answer::Closed),
        // What routers, neighbours and packet filters say, by ICMP or on this machine.
        Errno::HOSTUNREACH
        | Errno::NETUNREACH
        | Errno::HOSTDOWN
        | Errno::NETDOWN
        | Errno::NONET
        | Errno::NOPROTOOPT
        | Errno::PROTO
        | Errno::OPNOTSUPP
        | Errno::ACCESS
        | Errno::PERM => State::Answered(Answer::Unreachable(error)),
        Errno::TIMEDOUT | Errno::CONNABORTED => State::Silent,
        Errno::MFILE | Errno::NFILE => State::Short(Shortage::Descriptors),
        Errno::NOBUFS
        | Errno::NOMEM
        | Errno::NOSPC
        | Errno::ADDRNOTAVAIL
        | Errno::ADDRINUSE
        | Errno::AGAIN => State::Short(Shortage::Resources(error)),
        _ => State::Impossible(error),
    }
}

/// As `connect`'s, for the calls before it.
pub(super) fn classify_setup(error: Errno) -> State {
    match classify(error) {
        state @ (State::Short(_) | State::Impossible(_)) => state,
        _ => State::Impossible(error),
    }
}

fn errno(error: io::Error) -> Errno {
    Errno::from_io_error(&error).unwrap_or(Errno::INVAL)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    const ANYWHERE: Origin = Origin { source_ip: None, interface: None };

    #[test]
    fn each_error_says_one_thing() {
        for (errors, state) in [
            (&[Errno::INPROGRESS, Errno::ALREADY][..], State::Pending),
            (&[Errno::CONNREFUSED], State::Answered(Answer::Closed)),
            (&[Errno::CONNRESET, Errno::PIPE], State::Answered(Answer::Open)),
            (&[Errno::TIMEDOUT], State::Silent),
            (&[Errno::MFILE, Errno::NFILE], State::Short(Shortage::Descriptors)),
        ] {
            for error in errors {
                assert_eq!(classify(*error), state, "{error}");
            }
        }
        for error in [Errno::HOSTUNREACH, Errno::NETUNREACH, Errno::ACCESS, Errno::PERM] {
            assert_eq!(classify(error), State::Answered(Answer::Unreachable(error)));
        }
        for error in [Errno::NOBUFS, Errno::NOMEM, Errno::ADDRNOTAVAIL, Errno::AGAIN] {
            assert_eq!(classify(error), State::Short(Shortage::Resources(error)));
        }
        for error in [Errno::INVAL, Errno::AFNOSUPPORT, Errno::BADF, Errno::FAULT] {
            assert_eq!(classify(error), State::Impossible(error));
        }
    }

    #[test]
    fn a_failed_preparation_is_never_an_answer() {
        for error in [Errno::CONNREFUSED, Errno::ACCESS, Errno::PERM, Errno::TIMEDOUT] {
            assert_eq!(classify_setup(error), State::Impossible(error));
        }
        assert_eq!(classify_setup(Errno::MFILE), State::Short(Shortage::Descriptors));
    }

    #[test]
    fn a_refused_socket_serves_again() {
        let listener = TcpListener::bind("127.40.0.1:0").unwrap();
        let open = listener.local_addr().unwrap();
        let closed: SocketAddr = "127.40.0.2:1".parse().unwrap();
        let socket = ANYWHERE.socket(&closed).unwrap();
        for _ in 0..3 {
            let mut state = connect(socket.as_fd(), &closed);
            while state == State::Pending {
                state = connect(socket.as_fd(), &closed);
            }
            assert_eq!(state, State::Answered(Answer::Closed));
            assert!(is_reusable(state));
        }
        let mut state = connect(socket.as_fd(), &open);
        while state == State::Pending {
            state = connect(socket.as_fd(), &open);
        }
        assert_eq!(state, State::Answered(Answer::Open));
    }

    #[test]
    fn the_source_address_is_used() {
        let listener = TcpListener::bind("127.40.0.1:0").unwrap();
        let target = listener.local_addr().unwrap();
        let source: IpAddr = "127.40.9.9".parse().unwrap();
        let origin = Origin { source_ip: Some(source), interface: None };
        let socket = origin.socket(&target).unwrap();
        connect(socket.as_fd(), &target);
        assert_eq!(listener.accept().unwrap().1.ip(), source);
        assert_eq!(origin.socket(&"[::1]:1".parse().unwrap()).unwrap_err(), Errno::AFNOSUPPORT);
    }

    #[test]
    fn the_interface_is_bound() {
        let target: SocketAddr = "127.40.0.1:1".parse().unwrap();
        let on = |name: &str| {
            Origin { source_ip: None, interface: Some(name.to_owned()) }.socket(&target)
        };
        assert!(on("lo").is_ok());
        assert_eq!(on("no-such-device").unwrap_err(), Errno::NODEV);
    }
}
