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
