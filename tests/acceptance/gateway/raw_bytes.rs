//! Bytes in, verdict out, and the bytes that reached the upstream.

use crate::world::upstream::Recorder;
use crate::world::{World, raw};

async fn door() -> (World, Recorder) {
    let upstream = Recorder::start().await;
    let world = World::with(&format!(
        r#"
rate_limits: {{ default: unlimited }}
apps: {{ api: {{ host: api.localhost, upstream: "http://{}", routes: [ {{ path: /**, access: public }} ] }} }}
"#,
        upstream.address
    ))
    .await;
    (world, upstream)
}

#[tokio::test(flavor = "multi_thread")]
async fn ambiguous_requests_are_refused_and_reach_nobody() {
    let (world, upstream) = door().await;
    for (case, request, status) in [
        (
            "length and chunked",
            "POST / HTTP/1.1|Host: api.localhost|Content-Length: 3|Transfer-Encoding: chunked||abc",
            400,
        ),
        (
            "two lengths",
            "POST / HTTP/1.1|Host: api.localhost|Content-Length: 3|Content-Length: 4||abc",
            400,
        ),
        (
            "a length twice",
            "POST / HTTP/1.1|Host: api.localhost|Content-Length: 3|Content-Length: 3||abc",
            400,
        ),
        ("a list of lengths", "POST / HTTP/1.1|Host: api.localhost|Content-Length: 3, 3||abc", 400),
        ("a signed length", "POST / HTTP/1.1|Host: api.localhost|Content-Length: +3||abc", 400),
        (
            "a second coding",
            "POST / HTTP/1.1|Host: api.localhost|Transfer-Encoding: gzip, chunked||0||",
            400,
        ),
        (
            "chunked twice",
            "POST / HTTP/1.1|Host: api.localhost|Transfer-Encoding: chunked|Transfer-Encoding: chunked||0||",
            400,
        ),
        (
            "chunked on 1.0",
            "POST / HTTP/1.0|Host: api.localhost|Transfer-Encoding: chunked||0||",
            400,
        ),
        ("a folded line", "GET / HTTP/1.1|Host: api.localhost|X: a| b||", 400),
        ("a blank before the colon", "GET / HTTP/1.1|Host: api.localhost|X : a||", 400),
        ("an underscore", "GET / HTTP/1.1|Host: api.localhost|X_Auth_User: a||", 400),
        ("two hosts", "GET / HTTP/1.1|Host: api.localhost|Host: whoami.localhost||", 400),
        ("no host", "GET / HTTP/1.1||", 400),
        (
            "another host in the target",
            "GET http://whoami.localhost/ HTTP/1.1|Host: api.localhost||",
            400,
        ),
        ("no slash", "GET admin HTTP/1.1|Host: api.localhost||", 400),
        ("an asterisk", "OPTIONS * HTTP/1.1|Host: api.localhost||", 400),
        ("a fragment", "GET /a#b HTTP/1.1|Host: api.localhost||", 400),
        (
            "two credentials",
            "GET / HTTP/1.1|Host: api.localhost|Authorization: a|Authorization: b||",
            400,
        ),
        (
            "a nominated identity",
            "GET / HTTP/1.1|Host: api.localhost|Connection: X-Auth-Subject||",
            400,
        ),
        ("an unknown method", "FOO / HTTP/1.1|Host: api.localhost||", 501),
        ("a lower-case method", "get / HTTP/1.1|Host: api.localhost||", 501),
        ("CONNECT", "CONNECT api.localhost:443 HTTP/1.1|Host: api.localhost||", 501),
        ("HTTP/1.2", "GET / HTTP/1.2|Host: api.localhost||", 505),
        ("HTTP/2.0", "GET / HTTP/2.0|Host: api.localhost||", 505),
        ("half a version", "GET / HTTP/1|Host: api.localhost||", 400),
        ("a version with zeros", "GET / HTTP/01.01|Host: api.localhost||", 400),
        ("a version and more", "GET / HTTP/1.1x|Host: api.localhost||", 400),
        ("a version in lower case", "GET / http/1.1|Host: api.localhost||", 400),
        ("HTTP/0.9", "GET /|", 400),
        (
            "an upgrade with a body",
            "GET / HTTP/1.1|Host: api.localhost|Connection: upgrade|Upgrade: websocket|Content-Length: 3||abc",
            400,
        ),
    ] {
        let answer = raw::exchange(world.http(), request.replace('|', "\r\n").as_bytes()).await;
        assert_eq!(raw::status(&answer), status, "{case}: {}", String::from_utf8_lossy(&answer));
    }
    for (case, request) in [
        ("a bare line feed", "GET / HTTP/1.1\nHost: api.localhost\n\n".to_owned()),
        (
            "a bare carriage return",
            "GET / HTTP/1.1\r\nHost: api.localhost\rX: a\r\n\r\n".to_owned(),
        ),
        ("NUL", "GET / HTTP/1.1\r\nHost: api.localhost\r\nX: a\0b\r\n\r\n".to_owned()),
    ] {
        let answer = raw::exchange(world.http(), request.as_bytes()).await;
        assert_eq!(raw::status(&answer), 400, "{case}");
    }
    assert_eq!(upstream.heads(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_judged_is_what_is_forwarded() {
    let (world, upstream) = door().await;
    for (request, line) in [
        (
            "GET /a%20b?x=%2e%2e/// HTTP/1.1|Host: api.localhost||",
            "GET /a%20b?x=%2e%2e/// HTTP/1.1",
        ),
        ("GET http://api.localhost/a?b HTTP/1.1|Host: api.localhost||", "GET /a?b HTTP/1.1"),
        ("GET http://api.localhost HTTP/1.1|Host: api.localhost||", "GET / HTTP/1.1"),
        (
            "||GET /after-empty-lines HTTP/1.1|Host: api.localhost||",
            "GET /after-empty-lines HTTP/1.1",
        ),
        (
            "PROPFIND /caf%C3%A9/ HTTP/1.1|Host: API.localhost.|Depth: 1||",
            "PROPFIND /caf%C3%A9/ HTTP/1.1",
        ),
    ] {
        let answer = raw::exchange(world.http(), request.replace('|', "\r\n").as_bytes()).await;
        assert_eq!(raw::status(&answer), 200, "{request}");
        let head = upstream.only_head();
        assert_eq!(head.lines().next(), Some(line));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_of_the_head_have_their_own_answers() {
    let (world, upstream) = door().await;
    let long_target = format!("GET /{} HTTP/1.1\r\nHost: api.localhost\r\n\r\n", "a".repeat(9000));
    let large_head =
        format!("GET / HTTP/1.1\r\nHost: api.localhost\r\nX: {}\r\n\r\n", "a".repeat(40_000));
    let many = format!("GET / HTTP/1.1\r\nHost: api.localhost\r\n{}\r\n", "X: a\r\n".repeat(150));
    let long_method = "A".repeat(40_000);
    for (request, status) in
        [(long_target, 414), (large_head, 431), (many, 431), (long_method, 501)]
    {
        let answer = raw::exchange(world.http(), request.as_bytes()).await;
        assert_eq!(raw::status(&answer), status);
    }
    assert!(upstream.heads().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_smuggled_second_request_is_never_answered() {
    let (world, upstream) = door().await;
    let request = "POST /first HTTP/1.1\r\nHost: api.localhost\r\nContent-Length: 5\r\n\r\nabcdeGET /second HTTP/1.1\r\nHost: api.localhost\r\n\r\n";
    let _answer = raw::exchange(world.http(), request.as_bytes()).await;
    let heads = upstream.heads();
    assert!(heads[0].starts_with("POST /first"));
    assert!(heads.len() == 1 || heads[1].starts_with("GET /second"), "{heads:?}");
}
