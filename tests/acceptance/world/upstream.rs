//! Upstreams that behave: one that remembers the bytes it was sent, one that is slow.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Answers every request with 200 and remembers the raw heads.
pub(crate) struct Recorder {
    pub(crate) address: SocketAddr,
    heads: Arc<Mutex<Vec<Vec<u8>>>>,
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
        let remembered = Arc::clone(&heads);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, response.clone(), delay, Arc::clone(&remembered)));
            }
        });
        Self { address, heads }
    }

    /// All heads so far, as text.
    pub(crate) fn heads(&self) -> Vec<String> {
        let heads = self.heads.lock().unwrap();
        heads.iter().map(|head| String::from_utf8_lossy(head).into_owned()).collect()
    }

    /// Takes the only head seen since the last call.
    pub(crate) fn only_head(&self) -> String {
        let heads: Vec<_> = std::mem::take(&mut *self.heads.lock().unwrap());
        assert_eq!(heads.len(), 1, "exactly one request reached the upstream");
        String::from_utf8_lossy(&heads[0]).into_owned()
    }
}

async fn serve(
    mut stream: TcpStream,
    response: Vec<u8>,
    delay: Duration,
    heads: Arc<Mutex<Vec<Vec<u8>>>>,
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
        heads.lock().unwrap().push(head);
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
        if chunked {
            buffer.clear();
        } else {
            buffer.drain(..length);
        }
        tokio::time::sleep(delay).await;
        if stream.write_all(&response).await.is_err() {
            return;
        }
    }
}
