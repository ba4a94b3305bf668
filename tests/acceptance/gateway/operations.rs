//! What an operator sees.

use serde_json::Value;

use crate::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn health_and_metrics_are_on_a_listener_of_their_own() {
    let world = World::start().await;
    let url = world.url("whoami.localhost", "/public/x");
    world.client().get(&url).send().await.unwrap();
    let get = |path: &'static str| {
        let url = format!("http://{}{path}", world.operations());
        async move { reqwest::get(url).await.unwrap() }
    };

    for path in ["/healthz", "/health", "/readyz", "/ready"] {
        assert_eq!(get(path).await.status(), 200, "{path}");
    }
    let ready: Value = get("/readyz").await.json().await.unwrap();
    assert_eq!(ready["checks"]["store"]["status"], "ok");
    let metrics = get("/metrics").await.text().await.unwrap();
    let counted = metrics.lines().find(|line| {
        line.starts_with("stormdoor_http_requests_total{")
            && line.contains(r#"app="whoami""#)
            && line.contains(r#"code="200""#)
    });
    assert!(counted.is_some_and(|line| line.ends_with(" 1")), "{counted:?}");
    assert_eq!(
        world.client().get(world.url("localhost", "/metrics")).send().await.unwrap().status(),
        404
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_reaches_the_access_log() {
    let log = tempfile::tempdir().unwrap();
    let path = log.path().join("access.log");
    let world = World::from_yaml(&format!(
        r#"
public_url: https://localhost
listeners: {{ https: {{ address: "127.0.0.1:0" }}, http: {{ address: off }}, operations: {{ address: off }} }}
accounts: {{ password: {{ argon2: {{ memory_kib: 64, passes: 1 }} }} }}
observe: {{ access_log: "{}", level: trace }}
apps: {{ whoami: {{ host: whoami.localhost, upstream: "builtin:whoami", routes: [ {{ path: /**, access: signed_in }} ] }} }}
"#,
        path.display()
    ))
    .await;
    let token = world.token("ana@example.org", &["viewer"]).await;
    let url = world.url("whoami.localhost", "/visible?canary-query=1");
    let answer = world
        .client()
        .get(url)
        .bearer_auth(&token)
        .header("cookie", "canary-cookie=1")
        .header("x-custom", "canary-header")
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    world.gateway.stop(std::time::Duration::from_secs(5)).await;

    let lines = std::fs::read_to_string(&path).unwrap();
    assert!(lines.contains("/visible"), "{lines}");
    for secret in ["canary", crate::world::PASSWORD, &token] {
        assert!(!lines.contains(secret), "{secret} in {lines}");
    }
    for line in lines.lines() {
        let parsed: Value = serde_json::from_str(line).unwrap();
        assert!(parsed["http.response.status_code"].is_u64(), "{line}");
    }
}
