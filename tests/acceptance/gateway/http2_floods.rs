//! Floods that HTTP/2 makes cheap for a client: they end their own connection, if anything, and nobody else notices.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use crate::world::{World, tls};

const OPEN: &str = r#"
rate_limits: { default: unlimited }
apps: { whoami: { host: whoami.localhost, upstream: "builtin:whoami", routes: [ { path: /**, access: public } ] } }
"#;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// The types of frames that are sent (RFC 9113 §6).
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const CONTINUATION: u8 = 9;

const END_HEADERS: u8 = 4;
const END_STREAM: u8 = 1;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let [_, length @ ..] = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// `GET https://whoami.localhost/`, by the static table (RFC 7541, appendix A).
fn head() -> Vec<u8> {
    let host = b"whoami.localhost";
    [&[0x82, 0x84, 0x87, 0x41, u8::try_from(host.len()).unwrap()][..], host].concat()
}

fn streams() -> impl Iterator<Item = u32> {
    (1..).step_by(2)
}

/// Streams that are given up as soon as they are open (CVE-2023-44487).
fn rapid_resets() -> Vec<Vec<u8>> {
    let cancel = 8_u32.to_be_bytes();
    let opened = |stream| frame(HEADERS, END_HEADERS | END_STREAM, stream, &head());
    streams()
        .take(10_000)
        .map(|stream| [opened(stream), frame(RST_STREAM, 0, stream, &cancel)].concat())
        .collect()
}

/// A head that never ends (CVE-2024-27316).
fn endless_head() -> Vec<Vec<u8>> {
    // A literal without indexing: `x` and 100 bytes, again and again.
    let line = [&[0x00, 1, b'x', 100][..], &[b'y'; 100]].concat();
    let more = frame(CONTINUATION, 0, 1, &line.repeat(100));
    [vec![frame(HEADERS, END_STREAM, 1, &head())], vec![more; 2_000]].concat()
}

/// Frames that have to be answered, by a client that reads no answers.
fn to_be_answered(kind: u8, payload: &[u8]) -> Vec<Vec<u8>> {
    vec![frame(kind, 0, 0, payload).repeat(1000); 200]
}

#[tokio::test(flavor = "multi_thread")]
async fn floods_end_their_own_connection_and_nobody_else_notices() {
    let floods = [
        ("rapid resets", true, rapid_resets()),
        ("an endless head", true, endless_head()),
        // Not cut off: it is read only as fast as its answers are.
        ("pings", false, to_be_answered(PING, b"12345678")),
        ("settings", false, to_be_answered(SETTINGS, b"")),
    ];
    let world = World::with(OPEN).await;
    for (flood, cut_off, frames) in floods {
        let trusted = tls::trust(&world);
        let stream = tls::connect(world.https(), &trusted, "whoami.localhost", b"h2").await;
        let (mut answers, mut stream) = tokio::io::split(stream.unwrap());
        let flooding = tokio::spawn(async move {
            stream.write_all(PREFACE).await?;
            for frame in frames {
                stream.write_all(&frame).await?;
            }
            stream.flush().await?;
            // Kept open: whoever ends it is the gateway.
            Ok::<_, std::io::Error>(stream)
        });
        for _ in 0..50 {
            let canary = world.client().get(world.url("whoami.localhost", "/canary")).send();
            let canary = timeout(Duration::from_secs(5), canary).await.expect(flood);
            assert_eq!(canary.unwrap().status(), 200, "{flood}");
        }
        if cut_off {
            let mut rest = Vec::new();
            let ended = timeout(Duration::from_secs(10), answers.read_to_end(&mut rest)).await;
            assert!(ended.is_ok(), "{flood}: still open");
        }
        flooding.abort();
    }
}
