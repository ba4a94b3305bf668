//! Who is calling, behind proxies and without.

use serde_json::Value;

use crate::world::{World, raw};

async fn seen_by_the_app(world: &World, lines: &str, prefix: &str) -> (u16, Value) {
    let request = format!(
        "{prefix}GET /public/x HTTP/1.1\r\nHost: whoami.localhost\r\n{lines}Connection: close\r\n\r\n"
    );
    let answer = raw::exchange(world.http(), request.as_bytes()).await;
    let text = String::from_utf8_lossy(&answer).into_owned();
    let body = text.find('{').map(|at| &text[at..=text.rfind('}').unwrap()]);
    (
        raw::status(&answer),
        body.and_then(|body| serde_json::from_str(body).ok()).unwrap_or_default(),
    )
}

const APPS: &str = r#"
apps: { whoami: { host: whoami.localhost, upstream: "builtin:whoami", routes: [ { path: /public/**, access: public } ] } }
"#;

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_believed_until_listed() {
    let world = World::with(APPS).await;
    let lines = "X-Forwarded-For: 203.0.113.9\r\nForwarded: for=203.0.113.9\r\nX-Real-IP: 203.0.113.9\r\nX-Request-ID: theirs\r\n";
    let (status, seen) = seen_by_the_app(&world, lines, "").await;
    assert_eq!(status, 200);
    assert_eq!(seen["headers"]["x-forwarded-for"], "127.0.0.1");
    assert_ne!(seen["headers"]["x-request-id"], "theirs");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listed_proxy_names_the_client_and_garbage_from_it_is_refused() {
    let world = World::with(&format!("trusted_proxies: [127.0.0.1]\n{APPS}")).await;
    let lines = "X-Forwarded-For: 198.51.100.1, 203.0.113.9\r\nX-Request-ID: theirs\r\nX-Forwarded-Proto: https\r\n";
    let (_, seen) = seen_by_the_app(&world, lines, "").await;
    assert_eq!(seen["headers"]["x-forwarded-for"], "203.0.113.9");
    assert_eq!(seen["headers"]["x-forwarded-proto"], "https");
    assert_eq!(seen["headers"]["x-request-id"], "theirs");

    let (status, _) = seen_by_the_app(&world, "X-Forwarded-For: garbage\r\n", "").await;
    assert_eq!(status, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listed_load_balancer_speaks_the_proxy_protocol_and_must() {
    let yaml = format!(
        r#"
public_url: https://localhost
listeners:
  https: {{ address: "127.0.0.1:0" }}
  http: {{ address: "127.0.0.1:0", redirect: false, proxy_protocol: [127.0.0.1] }}
  operations: {{ address: off }}
observe: {{ access_log: off, level: warn }}
{APPS}"#
    );
    let world = World::from_yaml(&yaml).await;

    let v1 = "PROXY TCP4 203.0.113.9 10.0.0.1 4711 443\r\n";
    let (_, seen) = seen_by_the_app(&world, "", v1).await;
    assert_eq!(seen["headers"]["x-forwarded-for"], "203.0.113.9");

    let (status, _) = seen_by_the_app(&world, "", "").await;
    assert_eq!(status, 0, "a connection without the header is closed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listed_load_balancer_may_speak_the_second_version() {
    let yaml = format!(
        r#"
public_url: https://localhost
listeners:
  https: {{ address: off }}
  http: {{ address: "127.0.0.1:0", redirect: false, proxy_protocol: [127.0.0.1] }}
  operations: {{ address: off }}
observe: {{ access_log: off, level: warn }}
{APPS}"#
    );
    let world = World::from_yaml(&yaml).await;
    let request = b"GET /public/x HTTP/1.1\r\nHost: whoami.localhost\r\nConnection: close\r\n\r\n";
    let ipv4 = [203, 0, 113, 9, 10, 0, 0, 1, 0x12, 0x67, 1, 0xbb].to_vec();
    let mut ipv6 = "2001:db8::9".parse::<std::net::Ipv6Addr>().unwrap().octets().to_vec();
    ipv6.extend([0; 16]);
    ipv6.extend([0x12, 0x67, 1, 0xbb]);
    // A type-length-value behind the addresses, as load balancers like to add: a comment.
    let with_more = [ipv4.as_slice(), &[0x04, 0, 3, 1, 2, 3]].concat();
    for (case, command, family, rest, seen) in [
        ("IPv4", 0x21, 0x11, &ipv4, Some("203.0.113.9")),
        ("IPv4 and more", 0x21, 0x11, &with_more, Some("203.0.113.9")),
        ("IPv6", 0x21, 0x21, &ipv6, Some("2001:db8::9")),
        ("its own health check", 0x20, 0x00, &Vec::new(), Some("127.0.0.1")),
        ("UDP", 0x21, 0x12, &ipv4, None),
        ("version 3", 0x31, 0x11, &ipv4, None),
        ("too short for its family", 0x21, 0x21, &ipv4, None),
    ] {
        let mut bytes = b"\r\n\r\n\0\r\nQUIT\n".to_vec();
        bytes.extend([command, family]);
        bytes.extend(u16::try_from(rest.len()).unwrap().to_be_bytes());
        bytes.extend(rest);
        bytes.extend(request);
        let answer = raw::exchange(world.http(), &bytes).await;
        let text = String::from_utf8_lossy(&answer);
        let forwarded = seen.map(|address| format!(r#""x-forwarded-for": "{address}""#));
        assert_eq!(raw::status(&answer), if seen.is_some() { 200 } else { 0 }, "{case}: {text}");
        assert!(forwarded.is_none_or(|forwarded| text.contains(&forwarded)), "{case}: {text}");
    }
}
