//! Bytes behind a request: the next request, or the rest of an upload that was refused.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::world::upstream::Recorder;
use crate::world::{World, raw};

async fn door(delay: Duration) -> (World, Recorder) {
    let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".to_vec();
    let upstream = Recorder::answering(answer, delay).await;
    let world = World::with(&format!(
        r#"
rate_limits: {{ default: unlimited }}
apps:
  api: {{ host: api.localhost, upstream: "http://{}", limits: {{ body: 1MiB }}, routes: [ {{ path: /in/**, access: signed_in }}, {{ path: /**, access: public }} ] }}
"#,
        upstream.address
    ))
    .await;
    (world, upstream)
}

fn head(line: &str, more: &str) -> String {
    format!("{line} HTTP/1.1\r\nHost: api.localhost\r\n{more}\r\n")
}

fn answers(bytes: &[u8]) -> usize {
    String::from_utf8_lossy(bytes).matches("HTTP/1.1 200 ").count()
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_sent_ahead_are_answered_in_order() {
    let (world, upstream) = door(Duration::ZERO).await;
    let length = "Content-Length: 5\r\n";
    let chunked = "Transfer-Encoding: chunked\r\n";
    let requests = [
        head("GET /1", ""),
        head("GET /2", ""),
        head("POST /3", length) + "abcde",
        head("GET /4", ""),
        head("POST /5", chunked) + "3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nX-Trailer: z\r\n\r\n",
        head("POST /6", "Content-Length: 0\r\n"),
        head("GET /7", ""),
    ];
    let all = requests.concat();
    for piece in [all.len(), 100, 7] {
        let mut stream = TcpStream::connect(world.http()).await.unwrap();
        stream.set_nodelay(true).unwrap();
        for bytes in all.as_bytes().chunks(piece) {
            stream.write_all(bytes).await.unwrap();
            if piece < all.len() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
        let answer = raw::read_until_quiet(&mut stream, Duration::from_secs(1)).await;
        assert_eq!(answers(&answer), 7, "{piece}: {}", String::from_utf8_lossy(&answer));
    }
    let targets: Vec<_> =
        upstream.heads().iter().map(|head| head.split(' ').nth(1).unwrap().to_owned()).collect();
    assert_eq!(targets, ["/1", "/2", "/3", "/4", "/5", "/6", "/7"].repeat(3));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_comes_while_another_is_answered_does_not_abort_it() {
    let (world, _upstream) = door(Duration::from_millis(300)).await;
    let mut stream = TcpStream::connect(world.http()).await.unwrap();
    for request in [head("GET /1", ""), head("POST /2", "Content-Length: 1\r\n") + "a"] {
        stream.write_all(request.as_bytes()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    stream.write_all(head("GET /3", "Connection: close\r\n").as_bytes()).await.unwrap();
    let answer = raw::read_until_quiet(&mut stream, Duration::from_secs(2)).await;
    assert_eq!(answers(&answer), 3, "{}", String::from_utf8_lossy(&answer));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_goes_away_is_noticed_while_its_request_is_answered() {
    let (world, _upstream) = door(Duration::from_secs(20)).await;
    let mut stream = TcpStream::connect(world.http()).await.unwrap();
    stream.write_all(head("GET /1", "").as_bytes()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    drop(stream);
    let began = Instant::now();
    assert!(world.gateway.stop(Duration::from_secs(10)).await);
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn chunks_with_two_readings_are_refused_and_nothing_behind_them_is_answered() {
    let (world, upstream) = door(Duration::ZERO).await;
    let next = head("GET /smuggled", "");
    for (case, chunks) in [
        ("a bare line feed behind the size", "5\nhello\r\n0\r\n\r\n"),
        ("a bare line feed in an extension", "5;a\nhello\r\n0\r\n\r\n"),
        ("NUL in an extension", "5;\0\r\nhello\r\n0\r\n\r\n"),
        ("no size", "\r\n\r\n"),
        ("no line end behind the data", "5\r\nhello0\r\n\r\n"),
        ("a prefix", "0x5\r\nhello\r\n0\r\n\r\n"),
        ("a sign", "+5\r\nhello\r\n0\r\n\r\n"),
        ("a blank before the size", " 5\r\nhello\r\n0\r\n\r\n"),
        ("a blank behind the size", "5 \r\nhello\r\n0\r\n\r\n"),
        ("an overflow", "10000000000000005\r\nhello\r\n0\r\n\r\n"),
        ("a bare line feed at the end", "0\r\n\n"),
        ("a bare line feed in a trailer", "0\r\nX: y\n\r\n"),
    ] {
        let request = head("POST /x", "Transfer-Encoding: chunked\r\n") + chunks + &next;
        let answer = raw::exchange(world.http(), request.as_bytes()).await;
        assert_eq!(raw::status(&answer), 400, "{case}: {}", String::from_utf8_lossy(&answer));
        assert_eq!(String::from_utf8_lossy(&answer).matches("HTTP/1.1 ").count(), 1, "{case}");
    }
    assert!(!upstream.heads().concat().contains("smuggled"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_answer_to_an_upload_that_is_refused_early_is_not_lost_to_a_reset() {
    let (world, _upstream) = door(Duration::ZERO).await;
    let body = vec![b'a'; 3 << 20];
    let length = format!("Content-Length: {}\r\n", body.len());
    let chunked = "Transfer-Encoding: chunked\r\n";
    let chunks = [b"300000\r\n".as_slice(), &body, b"\r\n0\r\n\r\n"].concat();
    for (line, framing, bytes, status) in [
        ("POST /in/x", length.as_str(), &body, 401),
        ("POST /in/x", chunked, &chunks, 401),
        ("POST /x", length.as_str(), &body, 413),
        ("POST /x", chunked, &chunks, 413),
    ] {
        let mut stream = TcpStream::connect(world.http()).await.unwrap();
        stream.write_all(head(line, framing).as_bytes()).await.unwrap();
        // A client that reads nothing before it has sent everything, and is not as fast as the gateway: whatever it
        // sends behind a reset fails.
        for part in bytes.chunks(64 * 1024) {
            stream.write_all(part).await.expect("the gateway still reads");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let answer = raw::read_until_quiet(&mut stream, Duration::from_secs(2)).await;
        assert_eq!(raw::status(&answer), status, "{line} {framing}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_upload_without_end_is_cut_off() {
    let (world, _upstream) = door(Duration::ZERO).await;
    let mut stream = TcpStream::connect(world.http()).await.unwrap();
    let (mut reading, mut writing) = stream.split();
    let request = head("POST /in/x", "Content-Length: 9000\r\n");
    writing.write_all(request.as_bytes()).await.unwrap();
    let dripping = async {
        while writing.write_all(b"a").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let began = Instant::now();
    let mut answer = Vec::new();
    let ended = async {
        tokio::select! {
            _closed = reading.read_to_end(&mut answer) => {}
            () = dripping => {}
        }
    };
    tokio::time::timeout(Duration::from_secs(10), ended).await.expect("closed");
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    assert_eq!(raw::status(&answer), 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_waits_for_a_client_that_could_still_send() {
    let (world, _upstream) = door(Duration::ZERO).await;
    let mut polite = TcpStream::connect(world.http()).await.unwrap();
    polite.write_all(head("GET /in/x", "Connection: close\r\n").as_bytes()).await.unwrap();
    let began = Instant::now();
    let answer = raw::read_until_quiet(&mut polite, Duration::from_secs(3)).await;
    assert_eq!(raw::status(&answer), 401);
    assert!(began.elapsed() < Duration::from_millis(700), "closed at once: {:?}", began.elapsed());

    let mut silent = TcpStream::connect(world.http()).await.unwrap();
    silent.write_all(head("POST /in/x", "Content-Length: 9000\r\n").as_bytes()).await.unwrap();
    let answer = raw::read_until_quiet(&mut silent, Duration::from_millis(500)).await;
    assert_eq!(raw::status(&answer), 401);
    let began = Instant::now();
    assert!(world.gateway.stop(Duration::from_secs(30)).await);
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expectation_of_http_1_0_draws_no_100() {
    let world = World::start().await;
    for host in ["whoami.localhost", "localhost"] {
        let request = format!(
            "POST /public/x HTTP/1.0\r\nHost: {host}\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nok"
        );
        let answer = raw::exchange(world.http(), request.as_bytes()).await;
        assert!(raw::status(&answer) >= 200, "{}", String::from_utf8_lossy(&answer));
        assert!(!String::from_utf8_lossy(&answer).contains("100 Continue"), "{host}");
    }
    let request = "POST /public/x HTTP/1.1\r\nHost: whoami.localhost\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n";
    let answer = raw::exchange(world.http(), request.as_bytes()).await;
    assert_eq!(raw::status(&answer), 100, "and one of HTTP/1.1 does");
}
