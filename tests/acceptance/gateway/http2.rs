//! HTTP/2 connections from their first byte to their last.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::world::{World, tls};

const IMPATIENT: &str = r#"
public_url: https://localhost
listeners:
  https: { address: "127.0.0.1:0" }
  http: { address: off }
  operations: { address: off }
  limits: { handshake_timeout: 1s, keepalive: 3s }
observe: { access_log: off, level: warn }
apps: { whoami: { host: whoami.localhost, upstream: "builtin:whoami", routes: [ { path: /**, access: public } ] } }
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_shakes_hands_and_is_silent_is_let_go() {
    let world = World::from_yaml(IMPATIENT).await;
    for said in [b"".as_slice(), b"PRI * HTTP/2.0\r\n"] {
        let trusted = tls::trust(&world);
        let mut stream =
            tls::connect(world.https(), &trusted, "whoami.localhost", b"h2").await.unwrap();
        stream.write_all(said).await.unwrap();
        let began = Instant::now();
        let mut rest = Vec::new();
        let closed =
            tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut rest)).await;
        assert!(closed.is_ok(), "still open after {said:?}");
        assert!(began.elapsed() < Duration::from_millis(2500), "{:?}", began.elapsed());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_has_begun_has_the_idle_timeout() {
    let world = World::from_yaml(IMPATIENT).await;
    let stream =
        tls::connect(world.https(), &tls::trust(&world), "whoami.localhost", b"h2").await.unwrap();
    let (mut client, connection) = h2::client::handshake(stream).await.unwrap();
    let connection = tokio::spawn(connection);
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let request = Request::get("https://whoami.localhost/x").body(()).unwrap();
    client = client.ready().await.unwrap();
    let (answer, _body) = client.send_request(request, true).unwrap();
    assert_eq!(answer.await.unwrap().status(), 200);
    let closed = tokio::time::timeout(Duration::from_secs(6), connection).await;
    assert!(closed.is_ok(), "idle for longer than `keepalive`");
}

/// The type of a frame (RFC 9113 §6.8).
const GOAWAY: u8 = 7;

#[tokio::test(flavor = "multi_thread")]
async fn a_handshake_that_ends_while_we_leave_is_told_to_go_away() {
    let world = World::start().await;
    let trusted = tls::trust(&world);
    let stream = TcpStream::connect(world.https()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    let stopping = tokio::spawn(async move { world.gateway.stop(Duration::from_secs(20)).await });
    tokio::time::sleep(Duration::from_millis(100)).await;

    let mut stream = tls::shake_hands(stream, &trusted, "whoami.localhost", b"h2").await.unwrap();
    // By hand, for a client that closes in order would not tell why it does: the preface and empty settings.
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
    let goes_away = async {
        loop {
            let mut head = [0; 9];
            stream.read_exact(&mut head).await.expect("a frame");
            let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
            stream.read_exact(&mut payload).await.expect("its payload");
            if head[3] == GOAWAY {
                return;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(1), goes_away).await.expect("a GOAWAY");
    drop(stream);
    assert!(stopping.await.unwrap());
}

/// An upstream like one of gRPC: a head, a message, and the verdict in the trailers.
async fn trailing_upstream() -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut connection = h2::server::handshake(stream).await.unwrap();
                while let Some(Ok((mut request, mut respond))) = connection.accept().await {
                    tokio::spawn(async move {
                        let mut message = Vec::new();
                        while let Some(Ok(data)) = request.body_mut().data().await {
                            let _more =
                                request.body_mut().flow_control().release_capacity(data.len());
                            message.extend_from_slice(&data);
                        }
                        let head =
                            Response::builder().header("content-type", "application/grpc").body(());
                        let mut body = respond.send_response(head.unwrap(), false).unwrap();
                        body.send_data(Bytes::from(message), false).unwrap();
                        let mut trailers = HeaderMap::new();
                        trailers.insert("grpc-status", "7".parse().unwrap());
                        trailers.insert("grpc-message", "no".parse().unwrap());
                        body.send_trailers(trailers).unwrap();
                    });
                }
            });
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread")]
async fn trailers_of_an_http_2_upstream_reach_an_http_2_client() {
    let address = trailing_upstream().await;
    let world = World::with(&format!(
        r#"
apps:
  api:
    host: api.localhost
    upstream: {{ servers: ["http://{address}"], protocol: http2 }}
    routes: [ {{ path: /**, access: public }} ]
"#
    ))
    .await;
    let stream =
        tls::connect(world.https(), &tls::trust(&world), "api.localhost", b"h2").await.unwrap();
    let (client, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    let mut client = client.ready().await.unwrap();
    let request = Request::post("https://api.localhost/pkg.Service/Method")
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(())
        .unwrap();
    let (answer, mut sending) = client.send_request(request, false).unwrap();
    sending.send_data(Bytes::from_static(b"\0\0\0\0\x02hi"), true).unwrap();
    let mut answer = answer.await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-type"], "application/grpc");
    let mut message = Vec::new();
    while let Some(data) = answer.body_mut().data().await {
        message.extend_from_slice(&data.unwrap());
    }
    assert_eq!(message, b"\0\0\0\0\x02hi");
    let trailers = answer.body_mut().trailers().await.unwrap().expect("trailers");
    assert_eq!(trailers["grpc-status"], "7");
    assert_eq!(trailers["grpc-message"], "no");
}
