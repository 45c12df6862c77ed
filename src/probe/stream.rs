//! A TCP stream that cannot be made to wait or swallow without bound. Every probe reads through it.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Instant, Sleep, sleep, sleep_until, timeout_at};

use crate::observation::StreamEnd;

/// How a connection is made and how long its peer may take.
#[derive(Clone, Debug)]
pub struct Dialer {
    pub connect_timeout: Duration,
    /// The longest silence of a peer that has not yet answered anything.
    pub patience: Duration,
    pub source_ip: Option<IpAddr>,
    pub interface: Option<String>,
}

impl Dialer {
    /// Opens a connection; waits through passing shortages of this machine, within `deadline`.
    pub async fn dial(
        &self,
        address: SocketAddr,
        patience: Duration,
        deadline: Instant,
    ) -> Result<PatientStream, StreamEnd> {
        let mut pause = Duration::from_millis(50);
        loop {
            let give_up = deadline.min(Instant::now() + self.connect_timeout);
            let started = Instant::now();
            let error = match timeout_at(give_up, self.connect(address)).await {
                Ok(Ok(stream)) => {
                    return Ok(PatientStream::new(stream, patience, deadline));
                }
                Ok(Err(error)) => error,
                Err(_) => return Err(StreamEnd::TimedOut { waited_ms: millis(started.elapsed()) }),
            };
            if error.kind() == io::ErrorKind::ConnectionReset {
                return Err(StreamEnd::Reset);
            }
            if !is_local_shortage(&error) {
                return Err(StreamEnd::ConnectFailed { error: error.to_string() });
            }
            if Instant::now() + pause >= deadline {
                return Err(StreamEnd::LocalShortage { error: error.to_string() });
            }
            sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(1));
        }
    }

    /// One attempt, with the system's own patience.
    pub async fn connect(&self, address: SocketAddr) -> io::Result<TcpStream> {
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        if let Some(interface) = &self.interface {
            socket.bind_device(Some(interface.as_bytes()))?;
        }
        if let Some(source) = self.source_ip {
            socket.bind(SocketAddr::new(source, 0))?;
        }
        let stream = socket.connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}

/// Errors that this machine's limits cause: they say nothing about the peer.
fn is_local_shortage(error: &io::Error) -> bool {
    use rustix::io::Errno;
    [
        Errno::MFILE,
        Errno::NFILE,
        Errno::NOBUFS,
        Errno::NOMEM,
        Errno::ADDRNOTAVAIL,
        Errno::ADDRINUSE,
        Errno::AGAIN,
    ]
    .iter()
    .any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}

/// A stream with an idle timeout, a deadline and, until it is lifted, a cap on bytes received.
#[derive(Debug)]
pub struct PatientStream {
    inner: TcpStream,
    patience: Duration,
    idle: Pin<Box<Sleep>>,
    deadline: Pin<Box<Sleep>>,
    last_read: Instant,
    received: u64,
    cap: u64,
    /// The first bytes received, to tell protocols apart and to read a ServerHello again.
    opening: Vec<u8>,
}

impl PatientStream {
    const OPENING: usize = 1024;

    fn new(inner: TcpStream, patience: Duration, deadline: Instant) -> Self {
        Self {
            inner,
            patience,
            idle: Box::pin(sleep(patience)),
            deadline: Box::pin(sleep_until(deadline)),
            last_read: Instant::now(),
            received: 0,
            cap: u64::MAX,
            opening: Vec::new(),
        }
    }

    /// Fails reads after `bytes` more than were received so far.
    pub fn cap_received(&mut self, bytes: u64) {
        self.cap = self.received.saturating_add(bytes);
    }

    pub fn lift_cap(&mut self) {
        self.cap = u64::MAX;
    }

    pub fn received(&self) -> u64 {
        self.received
    }

    pub fn opening(&self) -> &[u8] {
        &self.opening
    }

    fn silent(&self) -> io::Error {
        io::Error::new(io::ErrorKind::TimedOut, Silent { waited: self.last_read.elapsed() })
    }
}

/// What a read error means.
pub fn stream_end(error: &io::Error) -> StreamEnd {
    match error.kind() {
        io::ErrorKind::TimedOut => {
            let silent = error.get_ref().and_then(|inner| inner.downcast_ref::<Silent>());
            StreamEnd::TimedOut { waited_ms: silent.map_or(0, |silent| millis(silent.waited)) }
        }
        io::ErrorKind::UnexpectedEof => StreamEnd::Closed { received: 0 },
        io::ErrorKind::ConnectionReset
        | io::ErrorKind::BrokenPipe
        | io::ErrorKind::ConnectionAborted => StreamEnd::Reset,
        _ => StreamEnd::Malformed { reason: error.to_string() },
    }
}

/// Set on the error of a wait that was given up, with how long it really was.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("silent for {waited:?}")]
struct Silent {
    waited: Duration,
}

/// Set on the error of a read past the cap, to tell it from the peer's own errors.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("more than {limit} bytes")]
pub struct CapReached {
    pub limit: u64,
}

impl AsyncRead for PatientStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.received >= self.cap {
            let limit = self.cap;
            return Poll::Ready(Err(io::Error::other(CapReached { limit })));
        }
        if self.deadline.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(self.silent()));
        }
        let before = buf.filled().len();
        match Pin::new(&mut self.inner).poll_read(cx, buf) {
            Poll::Ready(result) => {
                result?;
                let new = buf.filled().get(before..).unwrap_or_default();
                self.received = self.received.saturating_add(new.len() as u64);
                let room = Self::OPENING.saturating_sub(self.opening.len());
                self.opening.extend(new.iter().take(room));
                self.last_read = Instant::now();
                let next = self.last_read + self.patience;
                self.idle.as_mut().reset(next);
                Poll::Ready(Ok(()))
            }
            Poll::Pending => {
                ready!(self.idle.as_mut().poll(cx));
                Poll::Ready(Err(self.silent()))
            }
        }
    }
}

impl AsyncWrite for PatientStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        // A peer with a closed window would hold a write for ever.
        if self.deadline.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(self.silent()));
        }
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

pub fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
