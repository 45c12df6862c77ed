use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

use super::*;

fn head() -> RequestHead {
    RequestHead { host: "127.0.0.1:2375".into(), user_agent: "test".into() }
}

/// Serves `reply` in pieces of `piece` bytes and then closes.
async fn served(reply: Vec<u8>, piece: usize) -> DuplexStream {
    let (client, mut server) = duplex(64 * 1024);
    tokio::spawn(async move {
        let mut request = [0u8; 1024];
        let _ = server.read(&mut request).await;
        for part in reply.chunks(piece) {
            if server.write_all(part).await.is_err() {
                return;
            }
        }
    });
    client
}

async fn get(reply: &[u8], piece: usize) -> (Result<Answer, StreamEnd>, bool) {
    let limits = HttpLimits::default();
    let head = head();
    let stream = served(reply.to_vec(), piece).await;
    let deadline = Instant::now() + Duration::from_secs(5);
    let mut http = HttpConnection::new(stream, &head, &limits, deadline);
    let answer = http.get("/version").await;
    let reusable = http.is_reusable();
    (answer, reusable)
}

#[tokio::test]
async fn a_length_is_read_and_the_connection_kept() {
    for piece in [1, 3, 1000] {
        let reply = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nServer: x\r\n\r\nOK";
        let (answer, reusable) = get(reply, piece).await;
        let answer = answer.unwrap();
        assert_eq!((answer.status, answer.body.as_slice()), (200, b"OK".as_slice()));
        assert_eq!(answer.header("server"), Some(b"x".as_slice()));
        assert!(answer.body_end.is_none() && reusable);
    }
}

#[tokio::test]
async fn bytes_past_the_body_end_the_connection() {
    let (answer, reusable) = get(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOKHTTP", 1000).await;
    assert_eq!(answer.unwrap().body, b"OK");
    assert!(!reusable);
}

#[tokio::test]
async fn chunks_are_joined() {
    let reply = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
                  3;x=y\r\nabc\r\n1\r\nd\r\n0\r\nTrailer: 1\r\n\r\n";
    for piece in [1, 1000] {
        let (answer, reusable) = get(reply, piece).await;
        let answer = answer.unwrap();
        assert_eq!(answer.body, b"abcd");
        assert!(answer.body_end.is_none() && reusable);
    }
}

#[tokio::test]
async fn chunked_garbage_is_a_fact_and_keeps_what_came() {
    for garbage in ["zz\r\n", "-1\r\n", "fffffffffffffffff\r\n", "3\r\nabcXX", "\r\n"] {
        let reply =
            format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n{garbage}");
        let (answer, reusable) = get(reply.as_bytes(), 1000).await;
        let answer = answer.unwrap();
        assert!(answer.body.starts_with(b"ab"));
        assert!(answer.body_end.is_some() && !reusable, "{garbage:?}");
    }
}

#[tokio::test]
async fn a_lying_content_length_is_noted() {
    let (answer, _) = get(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort", 1000).await;
    assert_eq!(answer.unwrap().body_end, Some(StreamEnd::Closed { received: 5 }));
    for value in ["-1", "1e3", "99999999999999999999999", "", "3\r\nContent-Length: 4"] {
        let reply = format!("HTTP/1.1 200 OK\r\nContent-Length: {value}\r\n\r\nabc");
        let (answer, reusable) = get(reply.as_bytes(), 1000).await;
        let end = answer.unwrap().body_end;
        assert!(matches!(end, Some(StreamEnd::Malformed { .. })), "{value}: {end:?}");
        assert!(!reusable);
    }
}

#[tokio::test]
async fn an_endless_head_and_an_endless_body_are_cut() {
    let mut reply = b"HTTP/1.1 200 OK\r\n".to_vec();
    reply.extend(b"X: y\r\n".repeat(10_000));
    let (answer, _) = get(&reply, 1000).await;
    assert_eq!(answer.unwrap_err(), StreamEnd::TooLarge { limit: 16 * 1024 });

    let mut reply = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
    reply.extend(vec![b'a'; 5 << 20]);
    let (answer, reusable) = get(&reply, 60_000).await;
    let answer = answer.unwrap();
    assert_eq!(answer.body_end, Some(StreamEnd::TooLarge { limit: 4 << 20 }));
    assert_eq!(answer.body.len(), 4 << 20);
    assert!(!reusable);
}

#[tokio::test]
async fn other_protocols_are_recognised_at_once() {
    let (answer, _) = get(b"SSH-2.0-OpenSSH_9.2\r\n", 1000).await;
    let Err(StreamEnd::OtherProtocol { first_bytes }) = answer else { panic!("{answer:?}") };
    assert!(first_bytes.0.starts_with(b"SSH-2.0"));
    let (answer, _) = get(&[0x15, 3, 1, 0, 2, 2, 50], 1000).await;
    assert!(matches!(answer, Err(StreamEnd::OtherProtocol { .. })));
}

#[tokio::test]
async fn interim_answers_are_read_past_but_not_for_ever() {
    let reply = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(get(reply, 1000).await.0.unwrap().status, 200);
    let reply = b"HTTP/1.1 100 Continue\r\n\r\n".repeat(100);
    assert!(matches!(get(&reply, 1000).await.0, Err(StreamEnd::Malformed { .. })));
}

#[tokio::test]
async fn a_silent_close_and_half_a_head_are_told_apart() {
    assert_eq!(get(b"", 1).await.0.unwrap_err(), StreamEnd::Closed { received: 0 });
    assert_eq!(get(b"HTTP/1.1 20", 100).await.0.unwrap_err(), StreamEnd::Closed { received: 11 });
}

#[tokio::test]
async fn http_1_0_and_connection_close_end_the_connection() {
    for reply in [
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nOK".as_slice(),
        b"HTTP/1.1 200 OK\r\nConnection: Close\r\nContent-Length: 2\r\n\r\nOK",
    ] {
        let (answer, reusable) = get(reply, 1000).await;
        assert!(answer.unwrap().body == b"OK" && !reusable);
    }
}

proptest::proptest! {
    #[test]
    fn no_reply_panics(reply in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..400), chunked: bool) {
        let mut whole = if chunked {
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec()
        } else {
            b"HTTP/1.".to_vec()
        };
        whole.extend(reply);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let _ = runtime.block_on(get(&whole, 7));
    }
}
