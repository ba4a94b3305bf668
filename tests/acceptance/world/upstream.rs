//! Upstreams that behave: one that remembers the bytes it was sent, one that is slow.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What came in, one entry for each request.
type Seen = Arc<Mutex<Vec<Vec<u8>>>>;

/// Answers every request with 200 and remembers the raw heads, and the bodies as they were framed, of all but health checks.
pub(crate) struct Recorder {
    pub(crate) address: SocketAddr,
    heads: Seen,
    bodies: Seen,
    connections: Arc<AtomicUsize>,
}

impl Recorder {
    pub(crate) async fn start() -> Self {
        Self::answering(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".to_vec(), Duration::ZERO)
            .await
    }

    /// Answers with `response` after `delay`.
    pub(crate) async fn answering(response: Vec<u8>, delay: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let heads = Arc::new(Mutex::new(Vec::new()));
        let bodies = Arc::new(Mutex::new(Vec::new()));
        let connections = Arc::new(AtomicUsize::new(0));
        let remembered = (Arc::clone(&heads), Arc::clone(&bodies));
        let counted = Arc::clone(&connections);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(serve(stream, response.clone(), delay, remembered.clone()));
            }
        });
        Self { address, heads, bodies, connections }
    }

    /// How often somebody has connected.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// Takes the head and the body, without its framing, of the only request since the last call.
    pub(crate) fn only_request(&self) -> (String, Vec<u8>) {
        let head = self.only_head();
        let bodies = std::mem::take(&mut *self.bodies.lock().unwrap());
        assert_eq!(bodies.len(), 1, "one whole body reached the upstream");
        let chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
        (head, if chunked { unchunked(&bodies[0]) } else { bodies[0].clone() })
    }

    /// Forgets what came so far.
    pub(crate) fn take(&self) {
        self.heads.lock().unwrap().clear();
        self.bodies.lock().unwrap().clear();
    }

    /// All heads so far, as text.
    pub(crate) fn heads(&self) -> Vec<String> {
        let heads = self.heads.lock().unwrap();
        heads.iter().map(|head| String::from_utf8_lossy(head).into_owned()).collect()
    }

    /// Takes the only head seen since the last call.
    pub(crate) fn only_head(&self) -> String {
        let heads: Vec<_> = std::mem::take(&mut *self.heads.lock().unwrap());
        let texts: Vec<_> = heads.iter().map(|head| String::from_utf8_lossy(head)).collect();
        assert_eq!(heads.len(), 1, "exactly one request reached the upstream: {texts:?}");
        String::from_utf8_lossy(&heads[0]).into_owned()
    }
}

fn unchunked(mut framed: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    loop {
        let line = framed.windows(2).position(|window| window == b"\r\n").unwrap();
        let length = std::str::from_utf8(&framed[..line]).unwrap();
        let length = usize::from_str_radix(length, 16).unwrap();
        if length == 0 {
            assert_eq!(&framed[line..], b"\r\n\r\n", "it ends once");
            return body;
        }
        body.extend_from_slice(&framed[line + 2..line + 2 + length]);
        framed = &framed[line + 2 + length + 2..];
    }
}

async fn serve(
    mut stream: TcpStream,
    response: Vec<u8>,
    delay: Duration,
    (heads, bodies): (Seen, Seen),
) {
    let mut buffer = Vec::new();
    loop {
        let end = loop {
            if let Some(at) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
                break at + 4;
            }
            let mut chunk = [0; 4096];
            match stream.read(&mut chunk).await {
                Ok(0) | Err(_) => return,
                Ok(read) => buffer.extend_from_slice(&chunk[..read]),
            }
        };
        let head: Vec<u8> = buffer.drain(..end).collect();
        let text = String::from_utf8_lossy(&head).to_ascii_lowercase();
        let length = text
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "))
            .map_or(0, |length| length.parse::<usize>().unwrap());
        let chunked = text.contains("transfer-encoding: chunked");
        let is_check = text.contains("user-agent: stormdoor-health");
        if !is_check {
            heads.lock().unwrap().push(head);
        }
        let done = |buffer: &Vec<u8>| {
            if chunked { buffer.ends_with(b"0\r\n\r\n") } else { buffer.len() >= length }
        };
        while !done(&buffer) {
            let mut chunk = [0; 4096];
            match stream.read(&mut chunk).await {
                Ok(0) | Err(_) => return,
                Ok(read) => buffer.extend_from_slice(&chunk[..read]),
            }
        }
        let length = if chunked { buffer.len() } else { length };
        let body = buffer.drain(..length).collect();
        if !is_check {
            bodies.lock().unwrap().push(body);
        }
        tokio::time::sleep(delay).await;
        if stream.write_all(&response).await.is_err() {
            return;
        }
    }
}
