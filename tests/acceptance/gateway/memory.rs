//! What the process holds: measured from outside, with the build under test, so the bounds leave room for a debug build.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::world::program::Program;
use crate::world::tls;

const WHOAMI: &str = r#"
apps: { whoami: { host: whoami.localhost, upstream: "builtin:whoami", routes: [ { path: /**, access: public } ] } }
"#;

#[tokio::test(flavor = "multi_thread")]
async fn five_hundred_idle_tls_connections_stay_open_and_are_small() {
    const CONNECTIONS: usize = 500;
    let gateway = Program::start(WHOAMI).await;
    let trusted = gateway.trust();
    let connect = || tls::connect(gateway.https, &trusted, "whoami.localhost", b"http/1.1");
    // The first fill what was freed at the start, and allocate what all use.
    let mut open = Vec::new();
    for _ in 0..200 {
        open.push(connect().await.unwrap());
    }
    let before = gateway.resident();
    for _ in 0..CONNECTIONS {
        open.push(connect().await.unwrap());
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    let each = gateway.resident().saturating_sub(before) / CONNECTIONS;
    assert!(each < 60 << 10, "{each} bytes for each");
    for stream in &mut open {
        let request = b"GET /x HTTP/1.1\r\nHost: whoami.localhost\r\n\r\n";
        stream.write_all(request).await.unwrap();
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).await.expect("it is still open");
        assert_eq!(&answer, b"HTTP/1.1 200");
    }
}

/// Answers everything with a gigabyte, a megabyte at a time.
async fn generous_upstream() -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let _request = stream.read(&mut [0; 4096]).await;
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", 1 << 30);
                stream.write_all(head.as_bytes()).await.unwrap();
                let megabyte = vec![b'a'; 1 << 20];
                for _ in 0..1024 {
                    if stream.write_all(&megabyte).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gigabyte_is_downloaded_with_flat_memory() {
    let upstream = generous_upstream().await;
    let gateway = Program::start(&format!(
        r#"
apps: {{ api: {{ host: api.localhost, upstream: "http://{upstream}", routes: [ {{ path: /**, access: public }} ] }} }}
"#
    ))
    .await;
    let before = gateway.resident();
    let mut stream = TcpStream::connect(gateway.http).await.unwrap();
    let request = b"GET /x HTTP/1.1\r\nHost: api.localhost\r\nConnection: close\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut chunk = vec![0; 1 << 20];
    let (mut received, mut most) = (0, before);
    let all = async {
        loop {
            let read = stream.read(&mut chunk).await.unwrap();
            if read == 0 {
                return;
            }
            // A client that is slow at first: what it does not take must not pile up.
            if received < 4 << 20 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            if received >> 24 != (received + read) >> 24 {
                most = most.max(gateway.resident());
            }
            received += read;
        }
    };
    tokio::time::timeout(Duration::from_mins(2), all).await.expect("in time");
    assert!(received > 1 << 30, "{received} bytes");
    let grown = most - before;
    assert!(grown < 40 << 20, "grew by {} MiB", grown >> 20);
}
