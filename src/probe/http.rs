//! HTTP/1.1 GET over any stream, bounded, seeing exactly what the peer sent (RFC 9112).
//!
//! A client library would follow, decode and forgive; here every departure is a fact.

use std::io;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

use crate::observation::{Der, StreamEnd};
use crate::probe::stream::stream_end;

/// Caps on what one answer may cost.
#[derive(Clone, Debug)]
pub struct HttpLimits {
    pub head_bytes: usize,
    pub body_bytes: usize,
    /// Each `BODY_UNIT` of a body, past the first, waits for one of these: all bodies at once cost
    /// no more memory than this, and a peer holds only as much of it as it has sent.
    pub body_units: Arc<Semaphore>,
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self {
            head_bytes: 16 * 1024,
            body_bytes: 4 * 1024 * 1024,
            body_units: Arc::new(Semaphore::new(MAX_BODY_UNITS)),
        }
    }
}

const BODY_UNIT: usize = 64 * 1024;
/// 48 MiB.
const MAX_BODY_UNITS: usize = 768;
const MAX_HEADERS: usize = 128;
/// Interim (1xx) answers that are read past.
const MAX_INTERIM: usize = 4;
/// Of a peer that speaks something else.
pub const FIRST_BYTES: usize = 64;

/// What was answered, unjudged.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    /// Names in lower case, in the order received.
    pub headers: Vec<(String, Vec<u8>)>,
    pub body: Vec<u8>,
    /// How the body ended early.
    pub body_end: Option<StreamEnd>,
    /// Held while the body is in memory.
    units: Option<OwnedSemaphorePermit>,
}

impl Answer {
    /// An answer that was received whole.
    pub fn whole(status: u16, headers: Vec<(String, Vec<u8>)>, body: Vec<u8>) -> Self {
        Self { status, headers, body, body_end: None, units: None }
    }

    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_slice())
    }
}

/// The fixed parts of every request to one endpoint.
#[derive(Clone, Debug)]
pub struct RequestHead {
    pub host: String,
    pub user_agent: String,
}

/// A connection on which requests are sent one after another.
#[derive(Debug)]
pub struct HttpConnection<'a, S> {
    stream: S,
    head: &'a RequestHead,
    limits: &'a HttpLimits,
    deadline: Instant,
    /// Received and not yet consumed.
    buffer: Vec<u8>,
    reuse: Reuse,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reuse {
    Possible,
    Over,
}

impl<'a, S: AsyncRead + AsyncWrite + Unpin> HttpConnection<'a, S> {
    pub fn new(
        stream: S,
        head: &'a RequestHead,
        limits: &'a HttpLimits,
        deadline: Instant,
    ) -> Self {
        Self { stream, head, limits, deadline, buffer: Vec::new(), reuse: Reuse::Possible }
    }

    /// Whether another request may follow.
    pub fn is_reusable(&self) -> bool {
        self.reuse == Reuse::Possible
    }

    /// Sends one GET and reads the answer.
    ///
    /// # Errors
    /// How the stream ended before a whole head was read.
    pub async fn get(&mut self, path: &str) -> Result<Answer, StreamEnd> {
        let reuse = std::mem::replace(&mut self.reuse, Reuse::Over);
        if reuse == Reuse::Over {
            return Err(StreamEnd::Closed { received: 0 });
        }
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {}\r\nUser-Agent: {}\r\nAccept: application/json, */*\r\n\r\n",
            self.head.host, self.head.user_agent
        );
        // A peer that refuses may have answered before it closed: what it said is still read.
        let written = async {
            self.stream.write_all(request.as_bytes()).await?;
            self.stream.flush().await
        }
        .await;
        match (self.answer().await, written) {
            (Err(StreamEnd::Closed { received: 0 }), Err(error)) => Err(self.end_of(&error)),
            (answer, _) => answer,
        }
    }

    async fn answer(&mut self) -> Result<Answer, StreamEnd> {
        let mut interim = 0;
        let (status, http11, headers) = loop {
            let head = self.read_head().await?;
            if !(100..200).contains(&head.0) {
                break head;
            }
            interim += 1;
            if interim > MAX_INTERIM || head.0 == 101 {
                return Err(malformed("interim answers without end"));
            }
        };
        let mut answer = Answer::whole(status, headers, Vec::new());
        let framing = match Framing::of(&answer) {
            Ok(framing) => framing,
            Err(reason) => {
                answer.body_end = Some(malformed(reason));
                return Ok(answer);
            }
        };
        let end = match framing {
            Framing::Empty => None,
            Framing::Length(length) => self.read_length(&mut answer, length).await.err(),
            Framing::Chunked => self.read_chunked(&mut answer).await.err(),
            Framing::UntilClose => self.read_until_close(&mut answer).await.err(),
        };
        let close = answer.header("connection").is_some_and(|value| has_token(value, "close"));
        // Bytes past the body would be taken for the next answer.
        let clean = end.is_none() && self.buffer.is_empty();
        if http11 && clean && !close && !matches!(framing, Framing::UntilClose) {
            self.reuse = Reuse::Possible;
        }
        answer.body_end = end;
        Ok(answer)
    }

    /// Reads up to the empty line: status, whether HTTP/1.1, headers.
    async fn read_head(&mut self) -> Result<(u16, bool, Vec<(String, Vec<u8>)>), StreamEnd> {
        let mut searched = 0usize;
        let head_len = loop {
            if let Some(len) = end_of_head(&self.buffer, searched) {
                break len;
            }
            if !could_be_http(&self.buffer) {
                return Err(StreamEnd::OtherProtocol { first_bytes: self.first_bytes() });
            }
            if self.buffer.len() >= self.limits.head_bytes {
                return Err(StreamEnd::TooLarge { limit: self.limits.head_bytes as u64 });
            }
            searched = self.buffer.len().saturating_sub(3);
            let room = self.limits.head_bytes - self.buffer.len();
            if self.fill(room).await? == 0 {
                return Err(StreamEnd::Closed { received: self.buffer.len() as u64 });
            }
        };
        let mut slots = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut response = httparse::Response::new(&mut slots);
        let head = self.buffer.get(..head_len).unwrap_or_default();
        let parsed = match response.parse(head) {
            Ok(httparse::Status::Complete(_)) => response.code.map(|status| {
                let headers = response
                    .headers
                    .iter()
                    .map(|h| (h.name.to_ascii_lowercase(), h.value.to_vec()))
                    .collect();
                (status, response.version == Some(1), headers)
            }),
            Ok(httparse::Status::Partial) => None,
            Err(error) => return Err(malformed(format!("http head: {error}"))),
        };
        self.buffer.drain(..head_len);
        parsed.ok_or_else(|| malformed("http head: incomplete"))
    }

    async fn read_length(&mut self, answer: &mut Answer, length: u64) -> Result<(), StreamEnd> {
        let cap = self.limits.body_bytes as u64;
        let wanted = usize::try_from(length.min(cap)).unwrap_or(self.limits.body_bytes);
        self.take(answer, wanted).await?;
        if length > cap { Err(StreamEnd::TooLarge { limit: cap }) } else { Ok(()) }
    }

    async fn read_until_close(&mut self, answer: &mut Answer) -> Result<(), StreamEnd> {
        let cap = self.limits.body_bytes;
        loop {
            let wanted = self.buffer.len().min(cap - answer.body.len());
            self.take(answer, wanted).await?;
            if answer.body.len() >= cap {
                return Err(StreamEnd::TooLarge { limit: cap as u64 });
            }
            if self.fill(cap - answer.body.len()).await? == 0 {
                return Ok(());
            }
        }
    }

    async fn read_chunked(&mut self, answer: &mut Answer) -> Result<(), StreamEnd> {
        let cap = self.limits.body_bytes as u64;
        loop {
            let line = self.line().await?;
            let size = chunk_size(&line).ok_or_else(|| malformed("chunk size is not a number"))?;
            if size == 0 {
                break;
            }
            if size > cap.saturating_sub(answer.body.len() as u64) {
                return Err(StreamEnd::TooLarge { limit: cap });
            }
            let wanted = usize::try_from(size).unwrap_or(usize::MAX);
            self.take(answer, wanted).await?;
            if !self.line().await?.is_empty() {
                return Err(malformed("chunk does not end in a line break"));
            }
        }
        let mut trailer_bytes = 0;
        loop {
            let line = self.line().await?;
            if line.is_empty() {
                return Ok(());
            }
            trailer_bytes += line.len();
            if trailer_bytes > self.limits.head_bytes {
                return Err(StreamEnd::TooLarge { limit: self.limits.head_bytes as u64 });
            }
        }
    }

    /// One line without its line break, at most 4 KiB.
    async fn line(&mut self) -> Result<Vec<u8>, StreamEnd> {
        const MAX_LINE: usize = 4096;
        let mut searched = 0;
        loop {
            let rest = self.buffer.get(searched..).unwrap_or_default();
            if let Some(at) = rest.iter().position(|byte| *byte == b'\n') {
                let mut line: Vec<u8> = self.buffer.drain(..=searched + at).collect();
                line.pop();
                if line.last() == Some(&b'\r') {
                    line.pop();
                }
                return Ok(line);
            }
            searched = self.buffer.len();
            if searched >= MAX_LINE {
                return Err(malformed("line in a chunked body is too long"));
            }
            if self.fill(MAX_LINE).await? == 0 {
                return Err(StreamEnd::Closed { received: self.buffer.len() as u64 });
            }
        }
    }

    /// Moves exactly `wanted` body bytes to the answer.
    async fn take(&mut self, answer: &mut Answer, wanted: usize) -> Result<(), StreamEnd> {
        let mut left = wanted;
        loop {
            let now = left.min(self.buffer.len());
            self.reserve(answer, answer.body.len() + now).await?;
            answer.body.extend(self.buffer.drain(..now));
            left -= now;
            if left == 0 {
                return Ok(());
            }
            if self.fill(left).await? == 0 {
                return Err(StreamEnd::Closed { received: answer.body.len() as u64 });
            }
        }
    }

    /// Waits until a body of `size` has its share of the memory for bodies.
    async fn reserve(&self, answer: &mut Answer, size: usize) -> Result<(), StreamEnd> {
        loop {
            let held = answer.units.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
            if size <= (held + 1) * BODY_UNIT {
                return Ok(());
            }
            let unit = Arc::clone(&self.limits.body_units).acquire_owned();
            let Ok(Ok(unit)) = timeout_at(self.deadline, unit).await else {
                let error = "too many large bodies at once".to_owned();
                return Err(StreamEnd::LocalShortage { error });
            };
            match &mut answer.units {
                Some(units) => units.merge(unit),
                None => answer.units = Some(unit),
            }
        }
    }

    /// Reads once, at most `room` bytes; 0 at the end of the stream.
    async fn fill(&mut self, room: usize) -> Result<usize, StreamEnd> {
        let room = room.clamp(1, 16 * 1024);
        let mut limited = (&mut self.stream).take(room as u64);
        match limited.read_buf(&mut self.buffer).await {
            Ok(read) => Ok(read),
            Err(error) => Err(self.end_of(&error)),
        }
    }

    fn end_of(&self, error: &io::Error) -> StreamEnd {
        if let Some(alert) = crate::probe::handshake::alert_of(error) {
            return alert;
        }
        match stream_end(error) {
            StreamEnd::Closed { .. } => StreamEnd::Closed { received: self.buffer.len() as u64 },
            other => other,
        }
    }

    fn first_bytes(&self) -> Der {
        Der(self.buffer.iter().copied().take(FIRST_BYTES).collect())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    Empty,
    Length(u64),
    Chunked,
    UntilClose,
}

impl Framing {
    /// RFC 9112, section 6.3.
    fn of(answer: &Answer) -> Result<Self, String> {
        if matches!(answer.status, 204 | 304) {
            return Ok(Self::Empty);
        }
        if let Some(encoding) = answer.header("transfer-encoding") {
            if has_token(encoding, "chunked") {
                return Ok(Self::Chunked);
            }
            return Err("transfer coding other than chunked".to_owned());
        }
        let mut lengths = answer.headers.iter().filter(|(name, _)| name == "content-length");
        let Some((_, first)) = lengths.next() else { return Ok(Self::UntilClose) };
        if lengths.any(|(_, other)| other != first) {
            return Err("content-length given twice, differently".to_owned());
        }
        std::str::from_utf8(first)
            .ok()
            .map(str::trim)
            .filter(|text| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()))
            .and_then(|text| text.parse().ok())
            .map(Self::Length)
            .ok_or_else(|| "content-length is not a number".to_owned())
    }
}

fn end_of_head(buffer: &[u8], from: usize) -> Option<usize> {
    let rest = buffer.get(from..)?;
    rest.windows(4)
        .position(|w| w == b"\r\n\r\n")
        .map(|at| from + at + 4)
        // Bare line feeds are tolerated, as RFC 9112 section 2.2 allows.
        .or_else(|| rest.windows(2).position(|w| w == b"\n\n").map(|at| from + at + 2))
}

fn could_be_http(start: &[u8]) -> bool {
    start.iter().zip(b"HTTP/1.").all(|(got, want)| got == want)
}

fn has_token(value: &[u8], token: &str) -> bool {
    value
        .split(|byte| *byte == b',')
        .any(|part| part.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
}

fn chunk_size(line: &[u8]) -> Option<u64> {
    let digits = line.split(|byte| *byte == b';').next()?.trim_ascii();
    if digits.is_empty() || digits.len() > 16 || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

fn malformed(reason: impl Into<String>) -> StreamEnd {
    StreamEnd::Malformed { reason: reason.into() }
}

#[cfg(test)]
mod tests;
