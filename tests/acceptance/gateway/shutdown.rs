//! Leaving without cutting anybody off, and without waiting for nobody.

use std::time::{Duration, Instant};

use crate::world::World;
use crate::world::upstream::Recorder;

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_gateway_stops_at_once_and_closes_idle_connections() {
    let world = World::start().await;
    let url = world.url("whoami.localhost", "/public/x");
    let client = world.client();
    client.get(&url).send().await.unwrap();
    let began = Instant::now();
    assert!(world.gateway.stop(Duration::from_secs(30)).await);
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    assert!(client.get(&url).send().await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_in_flight_is_finished_before_the_gateway_stops() {
    let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nslow".to_vec();
    let upstream = Recorder::answering(answer, Duration::from_secs(1)).await;
    let world = World::with(&format!(
        r#"apps: {{ api: {{ host: api.localhost, upstream: "http://{}", routes: [ {{ path: /**, access: public }} ] }} }}"#,
        upstream.address
    ))
    .await;
    let request = world.client().get(world.url("api.localhost", "/x")).send();
    let request = tokio::spawn(request);
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(world.gateway.stop(Duration::from_secs(10)).await);
    let answer = request.await.unwrap().unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.text().await.unwrap(), "slow");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_upstream_does_wrong_is_told_apart() {
    let slow =
        Recorder::answering(b"HTTP/1.1 200 OK\r\n\r\n".to_vec(), Duration::from_secs(5)).await;
    let garbage = Recorder::answering(b"this is not HTTP\r\n\r\n".to_vec(), Duration::ZERO).await;
    let nobody = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap()
    };
    let app = |name: &str, address| {
        format!(
            "  {name}: {{ host: {name}.localhost, upstream: {{ servers: [\"http://{address}\"], timeouts: {{ read: 500ms, connect: 1s }} }}, routes: [ {{ path: /**, access: public }} ] }}\n"
        )
    };
    let world = World::with(&format!(
        "apps:\n{}{}{}",
        app("api", slow.address),
        app("dav", garbage.address),
        app("whoami", nobody)
    ))
    .await;
    for (host, status) in
        [("api.localhost", 504), ("dav.localhost", 502), ("whoami.localhost", 502)]
    {
        let answer = world.client().get(world.url(host, "/x")).send().await.unwrap();
        assert_eq!(answer.status(), status, "{host}");
        assert_eq!(answer.headers()["content-type"], "application/problem+json");
        assert!(answer.headers().contains_key("x-request-id"));
    }
}
