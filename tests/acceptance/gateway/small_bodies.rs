//! Small bodies with rules: judged before the upstream hears of the request, and delivered as they were sent.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body::Frame;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::world::upstream::Recorder;
use crate::world::{World, raw};

const KIBIBYTE: usize = 1024;

/// A gateway whose `api.localhost` looks into JSON and whose `dav.localhost` does not.
async fn world(upstream: &Recorder) -> World {
    let address = upstream.address;
    World::with(&format!(
        r#"
rate_limits: {{ default: unlimited }}
apps:
  api:
    host: api.localhost
    upstream: "http://{address}"
    limits: {{ json: {{ depth: 3, array: 100000, string: 1MiB }}, body_idle: 1s }}
    routes: [ {{ path: /**, access: public }} ]
  dav:
    host: dav.localhost
    upstream: "http://{address}"
    limits: {{ body_idle: 5s }}
    routes: [ {{ path: /**, access: public }} ]
"#
    ))
    .await
}

/// A body in parts, without a length. Its end comes a moment after its last part, in a frame of its own.
struct Parts {
    parts: std::vec::IntoIter<Bytes>,
    moment: Pin<Box<tokio::time::Sleep>>,
}

impl Parts {
    fn of(body: &[u8], length: usize) -> reqwest::Body {
        let parts: Vec<_> = body.chunks(length).map(Bytes::copy_from_slice).collect();
        let moment = Box::pin(tokio::time::sleep(Duration::from_millis(30)));
        reqwest::Body::wrap(Self { parts: parts.into_iter(), moment })
    }
}

impl http_body::Body for Parts {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if let Some(part) = self.parts.next() {
            return Poll::Ready(Some(Ok(Frame::data(part))));
        }
        std::task::ready!(self.moment.as_mut().poll(context));
        Poll::Ready(None)
    }
}

/// A JSON array of this many bytes.
fn json(bytes: usize) -> Vec<u8> {
    let mut body = b"[\"".to_vec();
    body.extend((0..bytes - 4).map(|at| b"abcdefghijklmnopqrstuvwxyz0123456789"[at % 36]));
    body.extend(b"\"]");
    body
}

async fn post(world: &World, http1: bool, body: reqwest::Body) -> reqwest::Response {
    let client = world.client_builder();
    let client = if http1 { client.http1_only() } else { client };
    let request = client.build().unwrap().post(world.url("api.localhost", "/x"));
    request.header("content-type", "application/json").body(body).send().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_breach_in_a_small_body_never_reaches_the_upstream() {
    let upstream = Recorder::start().await;
    let world = world(&upstream).await;
    let late = |bytes| [json(bytes), b"]".to_vec()].concat();
    for http1 in [true, false] {
        // Without a length, an HTTP/2 body is known to be small a frame earlier.
        let longest = late(if http1 { 63 } else { 47 } * KIBIBYTE);
        for body in [b"[[[[1]]]]".to_vec(), b"[1,".to_vec(), late(5000), longest] {
            let tiny = body.len() / 50 + 1;
            for sent in [body.clone().into(), Parts::of(&body, 5000), Parts::of(&body, tiny)] {
                let answer = post(&world, http1, sent).await;
                assert_eq!(answer.status(), 422, "http1: {http1}, {} bytes", body.len());
            }
        }
        let longest = late(63 * KIBIBYTE);
        assert_eq!(post(&world, http1, longest.into()).await.status(), 422);
    }
    assert_eq!(upstream.connections(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_good_body_arrives_byte_for_byte() {
    let upstream = Recorder::start().await;
    let world = world(&upstream).await;
    let limit = 64 * KIBIBYTE;
    for http1 in [true, false] {
        for length in [5, 1000, 48 * KIBIBYTE, limit - 1, limit, limit + 1, 70_000, 300_000] {
            let body = json(length);
            let in_parts =
                [1000, 16 * KIBIBYTE, 50_000, 1 << 20].map(|part| Parts::of(&body, part));
            let whole: reqwest::Body = body.clone().into();
            for sent in in_parts.into_iter().chain([whole]) {
                let answer = post(&world, http1, sent).await;
                assert_eq!(answer.status(), 200, "http1: {http1}, {length} bytes");
                let (_, arrived) = upstream.only_request();
                assert!(arrived == body, "http1: {http1}, {length} bytes: {}", arrived.len());
            }
        }
        let answer = post(&world, http1, Parts::of(b"", 1)).await;
        assert_eq!(answer.status(), 200);
        assert_eq!(upstream.only_request().1, b"");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_body_is_still_streamed() {
    let upstream = Recorder::start().await;
    let world = world(&upstream).await;
    let body = json(200 * KIBIBYTE);
    let (first, last) = body.split_at(100 * KIBIBYTE);
    for (framing, before, after, end) in [
        (format!("Content-Length: {}", body.len()), String::new(), String::new(), ""),
        (
            "Transfer-Encoding: chunked".into(),
            format!("{:x}\r\n", first.len()),
            format!("\r\n{:x}\r\n", last.len()),
            "\r\n0\r\n\r\n",
        ),
    ] {
        let head = format!(
            "POST /x HTTP/1.1\r\nHost: api.localhost\r\nContent-Type: application/json\r\n{framing}\r\n\r\n{before}"
        );
        let mut stream = TcpStream::connect(world.http()).await.unwrap();
        stream.write_all(&[head.as_bytes(), first].concat()).await.unwrap();
        let began = Instant::now();
        while upstream.heads().is_empty() && began.elapsed() < Duration::from_millis(900) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(upstream.heads().len(), 1, "{framing}: on its way before its end was sent");
        stream.write_all(&[after.as_bytes(), last, end.as_bytes()].concat()).await.unwrap();
        let answer = raw::read_until_quiet(&mut stream, Duration::from_millis(500)).await;
        assert_eq!(raw::status(&answer), 200);
        assert!(upstream.only_request().1 == body);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_rules_nothing_is_held_back() {
    let upstream = Recorder::start().await;
    let world = world(&upstream).await;
    for (host, kind) in [("dav.localhost", "application/json"), ("api.localhost", "text/plain")] {
        let head = format!(
            "POST /x HTTP/1.1\r\nHost: {host}\r\nContent-Type: {kind}\r\nContent-Length: 2\r\n\r\n["
        );
        let mut stream = TcpStream::connect(world.http()).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        let began = Instant::now();
        while upstream.heads().is_empty() && began.elapsed() < Duration::from_millis(900) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(upstream.heads().len(), 1, "{host}");
        stream.write_all(b"]").await.unwrap();
        raw::read_until_quiet(&mut stream, Duration::from_millis(300)).await;
        assert_eq!(upstream.only_request().1, b"[]");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_pauses_is_given_up_on() {
    let upstream = Recorder::start().await;
    let world = world(&upstream).await;
    for framing in ["Content-Length: 5\r\n\r\n[", "Transfer-Encoding: chunked\r\n\r\n1\r\n[\r\n"] {
        let head = format!(
            "POST /x HTTP/1.1\r\nHost: api.localhost\r\nContent-Type: application/json\r\n{framing}"
        );
        let mut stream = TcpStream::connect(world.http()).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let closed =
            tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut answer)).await;
        assert!(closed.is_ok(), "{framing:?}: still open");
        assert_eq!(raw::status(&answer), 408, "{framing:?}");
    }
    let silent = reqwest::Body::wrap(Silent);
    let answer = tokio::time::timeout(Duration::from_secs(5), post(&world, false, silent)).await;
    assert_eq!(answer.expect("an answer over HTTP/2, too").status(), 408);
    assert_eq!(upstream.connections(), 0);
}

/// A body that never comes.
struct Silent;

impl http_body::Body for Silent {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Pending
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_waits_to_be_invited_is() {
    let upstream = Recorder::start().await;
    let world = world(&upstream).await;
    let head = "POST /x HTTP/1.1\r\nHost: api.localhost\r\nContent-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n";
    let mut stream = TcpStream::connect(world.http()).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    let invitation = raw::read_until_quiet(&mut stream, Duration::from_millis(300)).await;
    assert_eq!(raw::status(&invitation), 100);
    stream.write_all(b"[1]").await.unwrap();
    let answer = raw::read_until_quiet(&mut stream, Duration::from_millis(500)).await;
    assert_eq!(raw::status(&answer), 200);
    let (head, body) = upstream.only_request();
    assert_eq!(body, b"[1]");
    assert!(!head.to_ascii_lowercase().contains("expect:"), "{head}");

    let request = world.client().post(world.url("api.localhost", "/x"));
    let request =
        request.header("content-type", "application/json").header("expect", "100-continue");
    let answer = request.body("[2]").send().await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.version()), (200, http::Version::HTTP_2));
    assert_eq!(upstream.only_request().1, b"[2]");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_body_of_known_length_leaves_the_connection_usable() {
    let upstream = Recorder::start().await;
    let world = world(&upstream).await;
    let request = |body: &str| {
        let length = body.len();
        format!(
            "POST /x HTTP/1.1\r\nHost: api.localhost\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        )
    };
    let mut stream = TcpStream::connect(world.http()).await.unwrap();
    for (body, status) in [("[[[[1]]]]", 422), ("[1]", 200)] {
        stream.write_all(request(body).as_bytes()).await.unwrap();
        let answer = raw::read_until_quiet(&mut stream, Duration::from_millis(300)).await;
        assert_eq!(raw::status(&answer), status, "{body}");
    }
    assert_eq!(upstream.only_request().1, b"[1]");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_http2_body_with_an_empty_last_frame_ends_once() {
    let upstream = Recorder::start().await;
    let world = world(&upstream).await;
    let client = world.client();
    for (host, kind) in [("api.localhost", "application/json"), ("dav.localhost", "text/plain")] {
        for length in [5, 70_000] {
            let body = json(length);
            let request = client.post(world.url(host, "/x")).header("content-type", kind);
            let answer = request.body(Parts::of(&body, 10_000)).send().await.unwrap();
            assert_eq!((answer.status().as_u16(), answer.version()), (200, http::Version::HTTP_2));
            // What comes after the end would be taken for the head of a second request.
            tokio::time::sleep(Duration::from_millis(50)).await;
            assert!(upstream.only_request().1 == body, "{host}, {length} bytes");
        }
    }
}
