//! Cross-origin requests of browsers, also when we refuse.

use crate::world::World;

const WITH_CORS: &str = r#"
apps:
  api:
    host: api.localhost
    upstream: builtin:whoami
    cors: { origins: ["https://app.example.org"], credentials: true }
    routes:
      - { path: /public/**, access: public }
      - { path: /**, access: signed_in }
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_preflight_needs_no_credentials_and_does_not_reach_the_app() {
    let world = World::with(WITH_CORS).await;

    let answer = world
        .client()
        .request(reqwest::Method::OPTIONS, world.url("api.localhost", "/x"))
        .header("origin", "https://app.example.org")
        .header("access-control-request-method", "PUT")
        .send()
        .await
        .unwrap();

    assert_eq!(answer.status(), 204);
    assert_eq!(answer.headers()["access-control-allow-origin"], "https://app.example.org");
    assert_eq!(answer.headers()["access-control-allow-credentials"], "true");
    assert!(answer.headers()["access-control-allow-methods"].to_str().unwrap().contains("PUT"));
}

#[tokio::test(flavor = "multi_thread")]
async fn our_own_refusals_can_be_read_by_the_allowed_origin_only() {
    let world = World::with(WITH_CORS).await;
    for (origin, allowed) in [("https://app.example.org", true), ("https://evil.example", false)] {
        let answer = world
            .client()
            .get(world.url("api.localhost", "/x"))
            .header("origin", origin)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 401);
        assert_eq!(
            answer.headers().contains_key("access-control-allow-origin"),
            allowed,
            "{origin}"
        );
        assert!(answer.headers()["vary"].to_str().unwrap().contains("Origin"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn options_that_is_no_preflight_is_an_ordinary_request() {
    let world = World::with(WITH_CORS).await;
    for (path, status) in [("/x", 401), ("/public/x", 200)] {
        let answer = world
            .client()
            .request(reqwest::Method::OPTIONS, world.url("api.localhost", path))
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), status, "{path}");
    }
}
