//! Clients that are slow, silent, or too many.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::world::{World, raw};

const IMPATIENT: &str = r#"
public_url: https://localhost
listeners:
  https: { address: "127.0.0.1:0" }
  http: { address: "127.0.0.1:0", redirect: false }
  operations: { address: off }
  limits: { head_timeout: 1s, keepalive: 1s, connections_per_client: 5, handshake_timeout: 1s }
observe: { access_log: off, level: warn }
apps: { whoami: { host: whoami.localhost, upstream: "builtin:whoami", routes: [ { path: /**, access: public } ] } }
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_drips_in_is_cut_off_at_the_deadline() {
    let world = World::from_yaml(IMPATIENT).await;
    let mut stream = TcpStream::connect(world.http()).await.unwrap();
    let began = Instant::now();
    let mut answer = Vec::new();
    for byte in
        b"GET / HTTP/1.1\r\nHost: whoami.localhost\r\nX-Long: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
    {
        if stream.write_all(&[*byte]).await.is_err() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        if began.elapsed() > Duration::from_secs(3) {
            break;
        }
    }
    let _closed =
        tokio::time::timeout(Duration::from_secs(3), stream.read_to_end(&mut answer)).await;
    assert_eq!(raw::status(&answer), 408);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_connection_is_closed_and_a_silent_handshake_too() {
    let world = World::from_yaml(IMPATIENT).await;
    for address in [world.http(), world.https()] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let mut rest = Vec::new();
        let closed =
            tokio::time::timeout(Duration::from_secs(4), stream.read_to_end(&mut rest)).await;
        assert!(closed.is_ok(), "{address} is still open");
    }
    let mut kept = TcpStream::connect(world.http()).await.unwrap();
    kept.write_all(b"GET /x HTTP/1.1\r\nHost: whoami.localhost\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    let closed = tokio::time::timeout(Duration::from_secs(5), kept.read_to_end(&mut answer)).await;
    assert!(closed.is_ok(), "still open after an answer");
    assert_eq!(raw::status(&answer), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_client_cannot_hold_more_than_its_share_of_connections() {
    let world = World::from_yaml(IMPATIENT).await;
    let mut held = Vec::new();
    for _ in 0..5 {
        held.push(TcpStream::connect(world.http()).await.unwrap());
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    let request = b"GET /x HTTP/1.1\r\nHost: whoami.localhost\r\nConnection: close\r\n\r\n";
    let refused = raw::exchange(world.http(), request).await;
    assert!(refused.is_empty(), "the sixth is closed at once");
    drop(held);
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(raw::status(&raw::exchange(world.http(), request).await), 200);
}
