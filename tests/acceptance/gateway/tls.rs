//! Certificates, redirects, and who may use a connection for what.

use crate::world::{World, raw};

#[tokio::test(flavor = "multi_thread")]
async fn plain_http_is_redirected_to_hosts_of_ours_and_nowhere_else() {
    let world = World::from_yaml(
        r#"
public_url: https://localhost:8443
listeners: { https: { address: "127.0.0.1:0" }, http: { address: "127.0.0.1:0" }, operations: { address: off } }
observe: { access_log: off, level: warn }
apps: { whoami: { host: whoami.localhost, upstream: "builtin:whoami", routes: [ { path: /**, access: public } ] } }
"#,
    )
    .await;
    for (host, location) in [
        ("whoami.localhost:8080", Some("https://whoami.localhost:8443/a?b")),
        ("localhost", Some("https://localhost:8443/a?b")),
        ("evil.example", None),
    ] {
        let request = format!("GET /a?b HTTP/1.1\r\nHost: {host}\r\n\r\n");
        let answer =
            String::from_utf8(raw::exchange(world.http(), request.as_bytes()).await).unwrap();
        let found = answer.lines().find_map(|line| line.strip_prefix("Location: "));
        assert_eq!(found, location, "{answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn http_2_and_http_1_are_both_spoken() {
    let world = World::start().await;
    let url = world.url("whoami.localhost", "/public/x");
    let modern = world.client().get(&url).send().await.unwrap();
    assert_eq!(modern.version(), reqwest::Version::HTTP_2);
    let old = world.client_builder().http1_only().build().unwrap().get(&url).send().await.unwrap();
    assert_eq!(old.version(), reqwest::Version::HTTP_11);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_for_one_host_is_not_used_for_another() {
    let world = World::start().await;
    // The URL names the server of the handshake; the header names another host of ours.
    let answer = world
        .client_builder()
        .http1_only()
        .build()
        .unwrap()
        .get(world.url("localhost", "/public/x"))
        .header("host", "whoami.localhost")
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 421);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_carries_the_security_headers_ours_included() {
    let world = World::start().await;
    for (host, path) in
        [("whoami.localhost", "/public/x"), ("whoami.localhost", "/"), ("localhost", "/nowhere")]
    {
        let answer = world.client().get(world.url(host, path)).send().await.unwrap();
        for name in [
            "strict-transport-security",
            "x-content-type-options",
            "x-request-id",
            "x-correlation-id",
        ] {
            assert!(answer.headers().contains_key(name), "{name} at {host}{path}");
        }
        assert!(!answer.headers().contains_key("server"));
    }
}
