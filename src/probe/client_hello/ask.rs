//! Sends a hello and reads what comes back.

use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, timeout_at};

use super::ClientHello;
use crate::observation::{HelloAnswer, StreamEnd};
use crate::probe::certificate_store::CertificateStore;
use crate::probe::server_flight::{FlightReader, Progress};

/// How much of the server's first flight is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// The version and suite that it chooses.
    ServerHello,
    /// Also what it shows in clear: chain, CertificateRequest.
    Flight,
}

/// Sends `hello` and reads the server's first flight.
///
/// Waits for at most `patience` between two arrivals and until `deadline` in all; what was read by
/// then is in the answer. The caller drops the stream: the handshake cannot be finished.
pub async fn ask<S>(
    stream: &mut S,
    hello: &ClientHello,
    patience: Duration,
    deadline: Instant,
    wanted: Wanted,
    certificates: &Mutex<CertificateStore>,
) -> HelloAnswer
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let begun = Instant::now();
    // A server may refuse and close before it has read the hello. Then writing fails, and the
    // reason may be waiting to be read.
    let _unsent = timeout_at(next_limit(patience, deadline), send(stream, hello.bytes())).await;

    let mut reader = FlightReader::new();
    let mut buffer = [0; 4096];
    let end = loop {
        let limit = next_limit(patience, deadline);
        match timeout_at(limit, stream.read(&mut buffer)).await {
            Ok(Ok(0)) => break StreamEnd::Closed { received: reader.received_bytes() },
            Ok(Ok(count)) => {
                let arrived = buffer.get(..count).unwrap_or_default();
                let progress = {
                    let mut store = certificates.lock().unwrap_or_else(PoisonError::into_inner);
                    reader.feed(arrived, &mut store)
                };
                let enough = wanted == Wanted::ServerHello && reader.has_server_hello();
                if progress == Progress::Finished || enough {
                    return reader.into_answer();
                }
            }
            Ok(Err(error)) => break broken(&error, begun),
            Err(_elapsed) => break timed_out(begun),
        }
    };
    reader.stream_ended(end);
    reader.into_answer()
}

fn next_limit(patience: Duration, deadline: Instant) -> Instant {
    Instant::now().checked_add(patience).map_or(deadline, |limit| limit.min(deadline))
}

async fn send<S: AsyncWrite + Unpin>(stream: &mut S, bytes: &[u8]) -> io::Result<()> {
    stream.write_all(bytes).await?;
    stream.flush().await
}

fn broken(error: &io::Error, begun: Instant) -> StreamEnd {
    use io::ErrorKind::{
        BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected, OutOfMemory, TimedOut,
    };
    match error.kind() {
        ConnectionReset | ConnectionAborted | BrokenPipe | NotConnected => StreamEnd::Reset,
        // The system's own: what was sent was never acknowledged.
        TimedOut => timed_out(begun),
        OutOfMemory => StreamEnd::LocalShortage { error: error.to_string() },
        // Such as a route that is gone.
        _ => StreamEnd::ConnectFailed { error: error.to_string() },
    }
}

fn timed_out(begun: Instant) -> StreamEnd {
    let waited_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    StreamEnd::TimedOut { waited_ms }
}
