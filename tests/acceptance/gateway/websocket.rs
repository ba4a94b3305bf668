//! WebSockets through the gateway: they open, carry bytes, and close when their credential ends.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::world::{World, raw};

const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

async fn open(world: &World, token: Option<&str>) -> (TcpStream, Vec<u8>) {
    let credential =
        token.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
    let request = format!(
        "GET /ws HTTP/1.1\r\nHost: whoami.localhost\r\n{credential}Connection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n\r\n"
    );
    let mut stream = TcpStream::connect(world.http()).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && stream.read_exact(&mut byte).await.is_ok() {
        head.push(byte[0]);
    }
    (stream, head)
}

/// A masked text frame "ping", and its unmasked echo.
const PING: &[u8] = &[0x81, 0x84, 1, 2, 3, 4, b'p' ^ 1, b'i' ^ 2, b'n' ^ 3, b'g' ^ 4];
const ECHO: &[u8] = &[0x81, 0x04, b'p', b'i', b'n', b'g'];

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_carries_frames_both_ways_and_needs_a_credential_where_the_route_does() {
    let world = World::start().await;
    let token = world.token("ana@example.org", &["viewer"]).await;

    let (_, refused) = open(&world, None).await;
    assert_eq!(raw::status(&refused), 401);

    let (mut socket, head) = open(&world, Some(&token)).await;
    assert_eq!(raw::status(&head), 101, "{}", String::from_utf8_lossy(&head));
    for _ in 0..3 {
        socket.write_all(PING).await.unwrap();
        let mut echo = [0; 6];
        socket.read_exact(&mut echo).await.unwrap();
        assert_eq!(echo, ECHO);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn signing_out_closes_the_open_socket() {
    let world = World::start().await;
    let token = world.token("ana@example.org", &["viewer"]).await;
    let (mut socket, head) = open(&world, Some(&token)).await;
    assert_eq!(raw::status(&head), 101);

    let url = world.url("localhost", "/auth/logout");
    let answer = world.client().post(url).bearer_auth(&token).send().await.unwrap();
    assert!(answer.status().is_success());

    let mut rest = Vec::new();
    let closed = tokio::time::timeout(Duration::from_secs(5), socket.read_to_end(&mut rest)).await;
    assert!(closed.is_ok(), "the socket is still open");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_upgrades_at_once_all_stay_open() {
    let world = std::sync::Arc::new(World::start().await);
    let token = world.token("ana@example.org", &["superadmin"]).await;
    let mut tasks = Vec::new();
    for _ in 0..8 {
        let (world, token) = (world.clone(), token.clone());
        tasks.push(tokio::spawn(async move {
            let mut broken = 0;
            for _ in 0..50 {
                let (mut socket, head) = open(&world, Some(&token)).await;
                assert_eq!(raw::status(&head), 101);
                let mut echo = [0; 6];
                let sent = socket.write_all(PING).await.is_ok();
                let echoed = sent && socket.read_exact(&mut echo).await.is_ok();
                broken += usize::from(!echoed);
            }
            broken
        }));
    }
    let mut broken = 0;
    for task in tasks {
        broken += task.await.unwrap();
    }
    assert_eq!(broken, 0, "of 400 upgrades");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_complete_handshake_opens_a_tunnel() {
    let world = World::start().await;
    let whole = format!(
        "GET /public/ws HTTP/1.1|Host: whoami.localhost|Connection: Upgrade|Upgrade: websocket|\
         Sec-WebSocket-Version: 13|Sec-WebSocket-Key: {KEY}||"
    );
    for (case, request, status) in [
        ("complete", whole.clone(), 101),
        ("another method", whole.replace("GET", "POST"), 200),
        ("no Connection", whole.replace("Connection: Upgrade|", ""), 200),
        ("another version", whole.replace("Version: 13", "Version: 99"), 200),
        ("no key", whole.replace(&format!("Sec-WebSocket-Key: {KEY}|"), ""), 200),
    ] {
        let answer = raw::exchange(world.http(), request.replace('|', "\r\n").as_bytes()).await;
        assert_eq!(raw::status(&answer), status, "{case}");
    }
}
