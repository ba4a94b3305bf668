//! HTTP/1.1 at the socket, by hand: a stand-in must be able to hang up at any point, to see how a body ended, and to
//! send several lines of one header as they are.
//!
//! A handler gets the head first and asks for the body if it wants it, so that wrong credentials are answered before
//! `100 Continue`.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// The head of a request, as it was sent.
#[derive(Debug, Clone)]
pub(crate) struct Head {
    pub(crate) method: String,
    /// Path and query, still encoded.
    pub(crate) target: String,
    /// In the order of the wire, with the case of the wire.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) peer: IpAddr,
}

impl Head {
    /// The path, still percent-encoded.
    pub(crate) fn raw_path(&self) -> &str {
        self.target.split_once('?').map_or(self.target.as_str(), |(path, _)| path)
    }

    /// What stands behind the `?`, or nothing.
    pub(crate) fn raw_query(&self) -> &str {
        self.target.split_once('?').map_or("", |(_, query)| query)
    }

    /// The first header of this name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let named = |line: &&(String, String)| line.0.eq_ignore_ascii_case(name);
        self.headers.iter().find(named).map(|(_, value)| value.as_str())
    }

    /// Every line of this name.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let named = move |line: &&(String, String)| line.0.eq_ignore_ascii_case(name);
        self.headers.iter().filter(named).map(|(_, value)| value.as_str())
    }
}

/// How a body came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BodyEnd {
    Complete,
    /// The client went away before `Content-Length` bytes had come.
    CutSized,
    /// The client went away before the last chunk.
    CutChunked,
}

/// What goes back.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new() }
    }

    pub(crate) fn typed(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Self { body: body.into(), ..Self::empty(status) }.with("Content-Type", content_type)
    }

    pub(crate) fn html(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self::typed(status, "text/html; charset=UTF-8", body)
    }

    pub(crate) fn json(status: u16, body: &serde_json::Value) -> Self {
        Self::typed(status, "application/json; charset=utf-8", body.to_string())
    }

    pub(crate) fn see_other(location: &str) -> Self {
        Self::empty(303).with("Location", location)
    }

    /// Adds a line; never replaces one.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.headers.iter().any(|(header, _)| header.eq_ignore_ascii_case(name))
    }
}

/// What becomes of the connection.
pub(crate) enum Outcome {
    Answer(Answer),
    /// Close without a word.
    HangUp,
}

/// A program that answers requests.
pub(crate) trait Serve: Send + Sync + 'static {
    fn answer(
        &self,
        head: Head,
        body: &mut Body<'_>,
    ) -> impl std::future::Future<Output = Outcome> + Send;
}

/// Accepts connections for as long as the runtime lives.
pub(crate) async fn serve_all(listener: TcpListener, program: Arc<impl Serve>) {
    loop {
        let Ok((stream, peer)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        let program = Arc::clone(&program);
        tokio::spawn(async move {
            let mut connection = Connection { stream, received: Vec::new() };
            // A connection that breaks concerns nobody but its client.
            let _ended = connection.serve(peer.ip(), &*program).await;
        });
    }
}

struct Connection {
    stream: TcpStream,
    received: Vec<u8>,
}

impl Connection {
    async fn serve(&mut self, peer: IpAddr, program: &impl Serve) -> io::Result<()> {
        while let Some(head) = self.head(peer).await? {
            let is_head = head.method == "HEAD";
            let wants_close =
                head.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
            let mut body = Body::of(&head, self);
            let outcome = program.answer(head, &mut body).await;
            let unread = !body.is_read;
            let Outcome::Answer(answer) = outcome else {
                return Ok(());
            };
            let close = wants_close || unread;
            self.write(&answer, is_head, close).await?;
            if close {
                return self.linger().await;
            }
        }
        Ok(())
    }

    /// The next head, or nothing when the client is done.
    async fn head(&mut self, peer: IpAddr) -> io::Result<Option<Head>> {
        loop {
            let mut lines = [httparse::EMPTY_HEADER; 128];
            let mut parsed = httparse::Request::new(&mut lines);
            match parsed.parse(&self.received) {
                Ok(httparse::Status::Complete(length)) => {
                    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                    let headers = parsed.headers.iter();
                    let headers =
                        headers.map(|line| (line.name.to_owned(), text(line.value))).collect();
                    let head = Head {
                        method: parsed.method.unwrap_or_default().to_owned(),
                        target: parsed.path.unwrap_or_default().to_owned(),
                        headers,
                        peer,
                    };
                    self.received.drain(..length);
                    return Ok(Some(head));
                }
                Ok(httparse::Status::Partial) => {}
                Err(_) => {
                    self.write(&Answer::empty(400), false, true).await?;
                    return Ok(None);
                }
            }
            if self.fill().await? == 0 {
                return Ok(None);
            }
        }
    }

    async fn fill(&mut self) -> io::Result<usize> {
        self.received.reserve(64 * 1024);
        self.stream.read_buf(&mut self.received).await
    }

    async fn write(&mut self, answer: &Answer, is_head: bool, close: bool) -> io::Result<()> {
        let reason = http::StatusCode::from_u16(answer.status).ok();
        let reason = reason.and_then(|status| status.canonical_reason()).unwrap_or("Unknown");
        let mut text = format!("HTTP/1.1 {} {reason}\r\nServer: Apache\r\n", answer.status);
        for (name, value) in &answer.headers {
            text.push_str(name);
            text.push_str(": ");
            text.push_str(value);
            text.push_str("\r\n");
        }
        let bodiless = matches!(answer.status, 204 | 304);
        if !bodiless && !answer.has("content-length") {
            text.push_str("Content-Length: ");
            text.push_str(&answer.body.len().to_string());
            text.push_str("\r\n");
        }
        text.push_str(if close { "Connection: close\r\n\r\n" } else { "\r\n" });
        let mut bytes = text.into_bytes();
        if !bodiless && !is_head {
            bytes.extend_from_slice(&answer.body);
        }
        self.stream.write_all(&bytes).await
    }

    /// Half-closes and reads on for a moment, so that a client that is still sending gets to see the answer.
    async fn linger(&mut self) -> io::Result<()> {
        self.stream.shutdown().await?;
        let drained = async {
            while self.fill().await? > 0 {
                self.received.clear();
            }
            Ok(())
        };
        tokio::time::timeout(Duration::from_secs(2), drained).await.unwrap_or(Ok(()))
    }
}

#[derive(Clone, Copy)]
enum Framing {
    None,
    Sized(usize),
    Chunked,
}

/// The body of the request at hand, still on the wire.
pub(crate) struct Body<'c> {
    connection: &'c mut Connection,
    framing: Framing,
    continue_expected: bool,
    is_read: bool,
    length: usize,
}

impl<'c> Body<'c> {
    fn of(head: &Head, connection: &'c mut Connection) -> Self {
        let is = |name, word| {
            head.header(name).is_some_and(|value| value.to_ascii_lowercase().contains(word))
        };
        let length = head.header("content-length").and_then(|value| value.trim().parse().ok());
        let framing = match length {
            _ if is("transfer-encoding", "chunked") => Framing::Chunked,
            Some(length) if length > 0 => Framing::Sized(length),
            _ => Framing::None,
        };
        let is_read = matches!(framing, Framing::None);
        Self {
            connection,
            framing,
            continue_expected: is("expect", "100-continue"),
            is_read,
            length: 0,
        }
    }

    /// Whether the client named a length. An empty body counts as named.
    pub(crate) fn is_sized(&self) -> bool {
        !matches!(self.framing, Framing::Chunked)
    }

    /// How many bytes have come, without their framing.
    pub(crate) fn length_read(&self) -> usize {
        self.length
    }

    /// Reads what there is.
    pub(crate) async fn read(&mut self) -> (Vec<u8>, BodyEnd) {
        if self.is_read {
            return (Vec::new(), BodyEnd::Complete);
        }
        if self.continue_expected {
            let go_on = self.connection.stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await;
            if go_on.is_err() {
                return (Vec::new(), self.cut());
            }
        }
        let mut body = Vec::new();
        let end = match self.framing {
            Framing::Sized(length) => self.read_sized(length, &mut body).await,
            Framing::Chunked => self.read_chunked(&mut body).await,
            Framing::None => Some(()),
        };
        self.length = body.len();
        match end {
            Some(()) => {
                self.is_read = true;
                (body, BodyEnd::Complete)
            }
            None => (body, self.cut()),
        }
    }

    fn cut(&self) -> BodyEnd {
        if self.is_sized() { BodyEnd::CutSized } else { BodyEnd::CutChunked }
    }

    async fn more(&mut self) -> Option<()> {
        match self.connection.fill().await {
            Ok(0) | Err(_) => None,
            Ok(_) => Some(()),
        }
    }

    async fn read_sized(&mut self, length: usize, body: &mut Vec<u8>) -> Option<()> {
        loop {
            let wanted = (length - body.len()).min(self.connection.received.len());
            body.extend(self.connection.received.drain(..wanted));
            if body.len() == length {
                return Some(());
            }
            self.more().await?;
        }
    }

    async fn read_chunked(&mut self, body: &mut Vec<u8>) -> Option<()> {
        loop {
            let line = self.line().await?;
            let size = line.split(';').next().unwrap_or_default().trim();
            let size = usize::from_str_radix(size, 16).ok()?;
            if size == 0 {
                // Trailers, up to the empty line.
                while !self.line().await?.is_empty() {}
                return Some(());
            }
            let until = body.len() + size;
            self.read_sized(until, body).await?;
            self.line().await?;
        }
    }

    async fn line(&mut self) -> Option<String> {
        loop {
            let received = &mut self.connection.received;
            if let Some(at) = received.windows(2).position(|pair| pair == b"\r\n") {
                let line: Vec<u8> = received.drain(..at + 2).take(at).collect();
                return Some(String::from_utf8_lossy(&line).into_owned());
            }
            self.more().await?;
        }
    }
}
