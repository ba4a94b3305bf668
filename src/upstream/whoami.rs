//! The built-in app `builtin:whoami`: a real HTTP/1.1 server on a loopback port that answers with what it saw.
//!
//! Every path and method: JSON with `method`, `path`, `query` (or null), `headers` (a name's value, or a list of
//! them) and `body_bytes`. Bodies of any length are counted as they stream by, and not kept. A WebSocket upgrade
//! (RFC 6455) is accepted, and every message echoed.

use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::{Buf as _, Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use pingora_core::Result;
use pingora_core::apps::{HttpPersistentSettings, HttpServerApp, ReusedHttpStream, ServerApp as _};
use pingora_core::protocols::Stream;
use pingora_core::protocols::http::ServerSession;
use pingora_core::protocols::l4::stream::Stream as L4Stream;
use pingora_core::server::ShutdownWatch;
use pingora_http::{RequestHeader, ResponseHeader};
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// How long a connection may be idle, in seconds.
const KEEPALIVE: u64 = 75;
/// How long a WebSocket may be silent.
const WEBSOCKET_IDLE: Duration = Duration::from_hours(1);
/// The longest WebSocket frame that is echoed.
const LONGEST_FRAME: usize = 1 << 20;

/// Binds a free loopback port. The address is known before anything runs.
pub fn bind() -> io::Result<std::net::TcpListener> {
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Serves the app on `listener` (from [`bind`]) until `shutdown` turns true or its sender is gone.
pub async fn serve(listener: std::net::TcpListener, mut shutdown: ShutdownWatch) -> io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    let app = Arc::new(Whoami);
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    // Small answers must not wait for an acknowledgement; without the option they are only later.
                    let _ = stream.set_nodelay(true);
                    let (app, shutdown) = (Arc::clone(&app), shutdown.clone());
                    connections.spawn(async move {
                        let mut next: Option<Stream> = Some(Box::new(L4Stream::from(stream)));
                        while let Some(stream) = next {
                            next = app.process_new(stream, &shutdown).await;
                        }
                    });
                }
                // Out of descriptors, most likely: later may be better.
                Err(error) => {
                    tracing::warn!(%error, "builtin:whoami cannot accept a connection");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            },
            Some(_) = connections.join_next() => {}
            changed = shutdown.changed() => {
                if changed.is_err() || *shutdown.borrow() {
                    return Ok(());
                }
            }
        }
    }
}

#[derive(Debug)]
struct Whoami;

#[async_trait]
impl HttpServerApp for Whoami {
    async fn process_new_http(
        self: &Arc<Self>,
        mut session: ServerSession,
        shutdown: &ShutdownWatch,
    ) -> Option<ReusedHttpStream> {
        match session.read_request().await {
            Ok(true) => {}
            Ok(false) => return None,
            Err(_) => {
                // Nobody may be there to read it.
                let _ = session.respond_error(400).await;
                return None;
            }
        }
        let keepalive = (!*shutdown.borrow()).then_some(KEEPALIVE);
        session.set_keepalive(keepalive);
        let answered = match accept_key(session.req_header()) {
            Some(key) if session.is_upgrade_req() => echo(&mut session, &key).await,
            _ => answer(&mut session).await,
        };
        if let Err(error) = answered {
            tracing::debug!(%error, "builtin:whoami could not answer");
            return None;
        }
        let settings = HttpPersistentSettings::for_session(&session);
        let reusable = session.finish().await.ok().flatten()?;
        Some(ReusedHttpStream::from_reusable_stream(reusable, settings))
    }
}

async fn answer(session: &mut ServerSession) -> Result<()> {
    let continues = session
        .get_header(header::EXPECT)
        .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"));
    if continues {
        session.write_continue_response().await?;
    }
    let mut body_bytes = 0_u64;
    while let Some(chunk) = session.read_request_body().await? {
        body_bytes = body_bytes.saturating_add(u64::try_from(chunk.len()).unwrap_or(u64::MAX));
    }
    let head = session.req_header();
    let is_head = head.method == Method::HEAD;
    let mut body = format!("{:#}", describe(head, body_bytes));
    body.push('\n');

    let mut response = ResponseHeader::build(StatusCode::OK, Some(3))?;
    response.insert_header(header::CONTENT_TYPE, "application/json")?;
    response.insert_header(header::CACHE_CONTROL, "no-store")?;
    response.insert_header(header::CONTENT_LENGTH, HeaderValue::from(body.len()))?;
    session.write_response_header(Box::new(response)).await?;
    if !is_head {
        session.write_response_body(Bytes::from(body), true).await?;
    }
    Ok(())
}

/// What was seen of a request.
fn describe(head: &RequestHeader, body_bytes: u64) -> Value {
    let target = String::from_utf8_lossy(head.raw_path());
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (&*target, None),
    };
    json!({
        "method": head.method.as_str(),
        "path": path,
        "query": query,
        "headers": describe_headers(&head.headers),
        "body_bytes": body_bytes,
    })
}

fn describe_headers(headers: &HeaderMap) -> Map<String, Value> {
    let text = |value: &HeaderValue| Value::from(String::from_utf8_lossy(value.as_bytes()));
    let described = headers.keys().map(|name| {
        let mut values: Vec<Value> = headers.get_all(name).iter().map(text).collect();
        let value = if values.len() == 1 { values.swap_remove(0) } else { Value::from(values) };
        (name.as_str().to_owned(), value)
    });
    described.collect()
}

/// `Sec-WebSocket-Accept` for a request that asks for a WebSocket (RFC 6455 §4.2.2).
fn accept_key(head: &RequestHeader) -> Option<String> {
    const MAGIC: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    let key = head.headers.get(header::SEC_WEBSOCKET_KEY)?;
    let upgrade = head.headers.get(header::UPGRADE)?;
    if !upgrade.as_bytes().eq_ignore_ascii_case(b"websocket") {
        return None;
    }
    let mut context = ring::digest::Context::new(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY);
    context.update(key.as_bytes());
    context.update(MAGIC);
    Some(BASE64.encode(context.finish()))
}

/// Becomes a WebSocket and sends every message back, until it is closed.
async fn echo(session: &mut ServerSession, key: &str) -> Result<()> {
    let mut response = ResponseHeader::build(StatusCode::SWITCHING_PROTOCOLS, Some(3))?;
    response.insert_header(header::UPGRADE, "websocket")?;
    response.insert_header(header::CONNECTION, "Upgrade")?;
    response.insert_header(header::SEC_WEBSOCKET_ACCEPT, key)?;
    session.set_read_timeout(Some(WEBSOCKET_IDLE));
    session.write_response_header(Box::new(response)).await?;

    let mut received = BytesMut::new();
    while let Some(bytes) = session.read_request_body().await? {
        received.extend_from_slice(&bytes);
        loop {
            match Frame::take(&mut received) {
                Taken::Frame(frame) => {
                    let closes = frame.opcode() == Frame::CLOSE;
                    if let Some(reply) = frame.reply() {
                        session.write_response_body(reply, false).await?;
                    }
                    if closes {
                        return Ok(());
                    }
                }
                Taken::Incomplete => break,
                // Too long, or not masked: a client must mask (RFC 6455 §5.1).
                Taken::Broken => return Ok(()),
            }
        }
    }
    Ok(())
}

/// One frame from a client, unmasked (RFC 6455 §5.2).
#[derive(Debug, Eq, PartialEq)]
struct Frame {
    /// FIN, reserved bits and opcode, as sent.
    first: u8,
    payload: BytesMut,
}

#[derive(Debug, Eq, PartialEq)]
enum Taken {
    Broken,
    Frame(Frame),
    Incomplete,
}

impl Frame {
    const CLOSE: u8 = 8;
    const PING: u8 = 9;
    const PONG: u8 = 10;

    /// Takes the first frame off `received`, when it is complete.
    fn take(received: &mut BytesMut) -> Taken {
        let (Some(&first), Some(&second)) = (received.first(), received.get(1)) else {
            return Taken::Incomplete;
        };
        if second & 0x80 == 0 {
            return Taken::Broken;
        }
        let extended = |range: std::ops::Range<usize>| {
            let bytes = received.get(range)?;
            Some(bytes.iter().fold(0_u64, |length, &byte| length << 8 | u64::from(byte)))
        };
        let (length, mask_at) = match second & 0x7f {
            126 => (extended(2..4), 4),
            127 => (extended(2..10), 10),
            short => (Some(u64::from(short)), 2),
        };
        let Some(length) = length else {
            return Taken::Incomplete;
        };
        let Some(length) = usize::try_from(length).ok().filter(|&length| length <= LONGEST_FRAME)
        else {
            return Taken::Broken;
        };
        let payload_at = mask_at + 4;
        let Some(&mask) = received.get(mask_at..).and_then(<[u8]>::first_chunk::<4>) else {
            return Taken::Incomplete;
        };
        if received.len() < payload_at + length {
            return Taken::Incomplete;
        }
        received.advance(payload_at);
        let mut payload = received.split_to(length);
        for (byte, key) in payload.iter_mut().zip(mask.iter().cycle()) {
            *byte ^= key;
        }
        Taken::Frame(Self { first, payload })
    }

    fn opcode(&self) -> u8 {
        self.first & 0x0f
    }

    /// The frame to answer with: the same for messages and for closing, a pong for a ping, none for a pong.
    fn reply(&self) -> Option<Bytes> {
        let first = match self.opcode() {
            Self::PONG => return None,
            Self::PING => 0x80 | Self::PONG,
            _ => self.first,
        };
        let length = self.payload.len();
        let mut frame = BytesMut::with_capacity(length + 10);
        frame.extend_from_slice(&[first]);
        match (u8::try_from(length), u16::try_from(length)) {
            (Ok(short), _) if short < 126 => frame.extend_from_slice(&[short]),
            (_, Ok(medium)) => {
                frame.extend_from_slice(&[126]);
                frame.extend_from_slice(&medium.to_be_bytes());
            }
            _ => {
                frame.extend_from_slice(&[127]);
                frame.extend_from_slice(&(length as u64).to_be_bytes());
            }
        }
        frame.extend_from_slice(&self.payload);
        Some(frame.freeze())
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use proptest::prelude::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpStream;
    use tokio::sync::watch;

    use super::*;

    fn serving() -> (SocketAddr, watch::Sender<bool>) {
        let listener = bind().expect("a port");
        let address = listener.local_addr().expect("bound");
        let (stop, shutdown) = watch::channel(false);
        tokio::spawn(serve(listener, shutdown));
        (address, stop)
    }

    /// Sends `request`, whose last line asks to close, and reads all of the response.
    async fn exchange(address: SocketAddr, request: &[u8]) -> (String, String) {
        let mut stream = TcpStream::connect(address).await.expect("connected");
        stream.write_all(request).await.expect("sent");
        let mut response = String::new();
        stream.read_to_string(&mut response).await.expect("a response");
        let (head, body) = response.split_once("\r\n\r\n").expect("a head");
        (head.to_owned(), body.to_owned())
    }

    #[tokio::test]
    async fn it_tells_what_it_saw() {
        let (address, _stop) = serving();
        let (head, body) = exchange(
            address,
            b"POST /a%20b?c=d&e HTTP/1.1\r\nHost: app\r\nX-Two: 1\r\nX-Two: 2\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello",
        )
        .await;
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        let seen: Value = serde_json::from_str(&body).expect("JSON");
        assert_eq!(seen["method"], "POST");
        assert_eq!(seen["path"], "/a%20b");
        assert_eq!(seen["query"], "c=d&e");
        assert_eq!(seen["headers"]["host"], "app");
        assert_eq!(seen["headers"]["x-two"], json!(["1", "2"]));
        assert_eq!(seen["body_bytes"], 5);
    }

    #[tokio::test]
    async fn a_chunked_body_is_counted() {
        let (address, _stop) = serving();
        let (_, body) = exchange(
            address,
            b"PUT / HTTP/1.1\r\nHost: app\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n",
        )
        .await;
        let seen: Value = serde_json::from_str(&body).expect("JSON");
        assert_eq!(seen["body_bytes"], 7);
        assert_eq!(seen["query"], Value::Null);
    }

    #[tokio::test]
    async fn a_large_body_is_counted() {
        let (address, _stop) = serving();
        let length = 4_000_000;
        let mut request = format!(
            "PUT / HTTP/1.1\r\nHost: app\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
        )
        .into_bytes();
        request.resize(request.len() + length, b'x');
        let (_, body) = exchange(address, &request).await;
        let seen: Value = serde_json::from_str(&body).expect("JSON");
        assert_eq!(seen["body_bytes"], length);
    }

    #[tokio::test]
    async fn an_answer_to_head_has_no_body() {
        let (address, _stop) = serving();
        let request = b"HEAD / HTTP/1.1\r\nHost: app\r\nConnection: close\r\n\r\n";
        let (head, body) = exchange(address, request).await;
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        assert!(head.to_ascii_lowercase().contains("content-length: "), "{head}");
        assert_eq!(body, "");
    }

    #[tokio::test]
    async fn a_connection_serves_several_requests() {
        let (address, _stop) = serving();
        let client = TcpStream::connect(address).await.expect("connected");
        let (mut reader, mut writer) = client.into_split();
        for _ in 0..3 {
            writer.write_all(b"HEAD / HTTP/1.1\r\nHost: app\r\n\r\n").await.expect("sent");
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(reader.read_u8().await.expect("more of the head"));
            }
            assert!(head.starts_with(b"HTTP/1.1 200"));
        }
    }

    #[tokio::test]
    async fn it_stops_when_told_to() {
        let (stop, shutdown) = watch::channel(false);
        let served = tokio::spawn(serve(bind().expect("a port"), shutdown));
        stop.send(true).expect("it listens");
        served.await.expect("no panic").expect("no error");
    }

    #[tokio::test]
    async fn a_websocket_echoes_messages_and_closes() {
        let (address, _stop) = serving();
        let mut stream = TcpStream::connect(address).await.expect("connected");
        stream
            .write_all(b"GET /ws HTTP/1.1\r\nHost: app\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
            .await
            .expect("sent");
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.expect("more of the head"));
        }
        let head = String::from_utf8(head).expect("text");
        assert!(head.starts_with("HTTP/1.1 101"), "{head}");
        // The example of RFC 6455 §1.3.
        assert!(head.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{head}");

        stream.write_all(&masked(0x81, b"hello")).await.expect("sent");
        let mut reply = [0; 7];
        stream.read_exact(&mut reply).await.expect("an echo");
        assert_eq!(&reply, b"\x81\x05hello");

        stream.write_all(&masked(0x89, b"x")).await.expect("sent");
        let mut reply = [0; 3];
        stream.read_exact(&mut reply).await.expect("a pong");
        assert_eq!(&reply, b"\x8a\x01x");

        stream.write_all(&masked(0x88, b"\x03\xe8")).await.expect("sent");
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).await.expect("the end");
        assert_eq!(rest, b"\x88\x02\x03\xe8");
    }

    fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
        let mask = [1, 2, 3, 4];
        let mut frame = vec![first];
        match payload.len() {
            short @ 0..126 => frame.push(0x80 | u8::try_from(short).expect("short")),
            long => {
                frame.push(0x80 | 127);
                frame.extend((long as u64).to_be_bytes());
            }
        }
        frame.extend(mask);
        frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, key)| byte ^ key));
        frame
    }

    proptest! {
        #[test]
        fn a_frame_is_taken_whole_however_it_arrives(
            payload in proptest::collection::vec(any::<u8>(), 0..70_000),
            cut in any::<proptest::sample::Index>(),
        ) {
            let bytes = masked(0x82, &payload);
            let cut = cut.index(bytes.len());
            let mut received = BytesMut::from(&bytes[..cut]);
            prop_assert_eq!(Frame::take(&mut received), Taken::Incomplete);
            received.extend_from_slice(&bytes[cut..]);
            let Taken::Frame(frame) = Frame::take(&mut received) else {
                return Err(TestCaseError::fail("it is complete"));
            };
            prop_assert_eq!(&frame.payload[..], &payload[..]);
            prop_assert!(received.is_empty());
            let reply = frame.reply().expect("an echo");
            prop_assert!(reply.ends_with(&payload));
        }

        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let mut received = BytesMut::from(&bytes[..]);
            while let Taken::Frame(frame) = Frame::take(&mut received) {
                let _ = frame.reply();
            }
        }
    }
}
