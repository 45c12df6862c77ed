//! Serves recorded answers over a socket, byte for byte but for the transfer coding that the
//! recording took off. It proves what is read from real answers, not that a daemon sends them.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

const FILES: [(&str, &str); 5] = [
    ("/version", "version.http"),
    ("/_ping", "ping.http"),
    ("/info", "info.http"),
    ("/networks", "networks.http"),
    ("/containers/json?limit=1", "containers.http"),
];

/// Serves `testdata/answers/NAME` on a loopback port of the system's choice.
pub async fn serve(name: &str) -> SocketAddr {
    serve_at(name, ([127, 0, 0, 1], 0).into()).await
}

/// The same where it is wanted.
pub async fn serve_at(name: &str, address: SocketAddr) -> SocketAddr {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/answers").join(name);
    let answers: HashMap<&str, Vec<u8>> = FILES
        .iter()
        .filter_map(|(path, file)| Some((*path, framed(&std::fs::read(folder.join(file)).ok()?))))
        .collect();
    assert!(!answers.is_empty(), "no recorded answers in {}", folder.display());
    let listener = TcpListener::bind(address).await.unwrap();
    let address = listener.local_addr().unwrap();
    let answers = Arc::new(answers);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer(stream, Arc::clone(&answers)));
        }
    });
    address
}

async fn answer(stream: TcpStream, answers: Arc<HashMap<&str, Vec<u8>>>) {
    let mut stream = BufReader::new(stream);
    loop {
        let mut head = String::new();
        loop {
            let before = head.len();
            match stream.read_line(&mut head).await {
                Ok(0) | Err(_) => return,
                Ok(_) if head[before..].trim().is_empty() => break,
                Ok(_) => {}
            }
        }
        let path = head.split(' ').nth(1).unwrap_or_default();
        let missing = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_vec();
        let reply = answers.get(path).unwrap_or(&missing);
        if stream.write_all(reply).await.is_err() {
            return;
        }
    }
}

/// Puts the chunks back where the head announces them.
fn framed(recorded: &[u8]) -> Vec<u8> {
    let split = recorded.windows(4).position(|w| w == b"\r\n\r\n").unwrap() + 4;
    let (head, body) = recorded.split_at(split);
    let lower = String::from_utf8_lossy(head).to_ascii_lowercase();
    let chunked = lower.contains("transfer-encoding: chunked");
    let mut whole = head.to_vec();
    if chunked {
        for chunk in body.chunks(1000) {
            whole.extend(format!("{:x}\r\n", chunk.len()).bytes());
            whole.extend(chunk);
            whole.extend(b"\r\n");
        }
        whole.extend(b"0\r\n\r\n");
    } else {
        let length = lower.split("content-length: ").nth(1).and_then(|rest| rest.lines().next());
        let length: usize = length.unwrap().trim().parse().unwrap();
        whole.extend(&body[..length]);
    }
    whole
}
