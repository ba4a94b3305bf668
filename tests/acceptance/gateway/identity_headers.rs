//! What an upstream learns about the caller, and that nobody else can tell it.

use serde_json::Value;

use crate::world::World;
use crate::world::upstream::Recorder;

const FORGED: [(&str, &str); 14] = [
    ("X-Auth-Subject", "forged"),
    ("X-Auth-User", "forged"),
    ("X-Auth-Email", "forged"),
    ("X-Auth-Roles", "forged"),
    ("X-Auth-Groups", "forged"),
    ("X-Auth-Tier", "forged"),
    ("X-Auth-Session", "forged"),
    ("X-Auth-Anything", "forged"),
    ("X-Forwarded-For", "203.0.113.66"),
    ("X-Forwarded-Host", "forged.example"),
    ("X-Real-IP", "203.0.113.66"),
    ("Forwarded", "for=203.0.113.66"),
    ("X-Original-URL", "/forged"),
    ("CF-Connecting-IP", "203.0.113.66"),
];

#[tokio::test(flavor = "multi_thread")]
async fn the_upstream_learns_who_is_calling() {
    let world = World::start().await;
    let token = world.token("ana@example.org", &["viewer", "admin"]).await;

    let url = world.url("whoami.localhost", "/x");
    let seen: Value =
        world.client().get(url).bearer_auth(&token).send().await.unwrap().json().await.unwrap();

    let headers = &seen["headers"];
    assert_eq!(headers["x-auth-email"], "ana@example.org");
    assert_eq!(headers["x-auth-user"], "ana");
    assert_eq!(headers["x-auth-roles"], "viewer,admin");
    assert_eq!(headers["x-auth-subject"].as_str().unwrap().len(), 36);
    assert_eq!(headers["x-auth-session"].as_str().unwrap().len(), 36);
    assert_eq!(headers["x-forwarded-for"], "127.0.0.1");
    assert_eq!(headers["x-forwarded-proto"], "https");
    assert!(headers.get("authorization").is_none(), "our token must not reach the app");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forged_identity_never_arrives_on_public_or_protected_routes() {
    let world = World::start().await;
    let token = world.token("ana@example.org", &["viewer"]).await;

    for path in ["/public/x", "/x"] {
        let mut request =
            world.client().get(world.url("whoami.localhost", path)).bearer_auth(&token);
        for (name, value) in FORGED {
            request = request.header(name, value);
        }
        let seen = request.send().await.unwrap().text().await.unwrap();
        assert!(!seen.contains("forged") && !seen.contains("203.0.113.66"), "{path}: {seen}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hop_by_hop_cannot_remove_an_identity() {
    let world = World::start().await;
    let token = world.token("ana@example.org", &["viewer"]).await;
    for nominated in ["X-Auth-Subject", "x-auth-roles", "X-Forwarded-For", "authorization"] {
        let request = format!(
            "GET /x HTTP/1.1\r\nHost: whoami.localhost\r\nAuthorization: Bearer {token}\r\nConnection: close, {nominated}\r\n\r\n"
        );
        let answer = crate::world::raw::exchange(world.http(), request.as_bytes()).await;
        assert_eq!(crate::world::raw::status(&answer), 400, "{nominated}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn mode_jwt_gives_the_app_a_token_of_its_own_and_mode_pass_leaves_the_clients() {
    let upstream = Recorder::start().await;
    let world = World::with(&format!(
        r#"
apps:
  signed:
    host: api.localhost
    upstream: "http://{0}"
    identity: {{ mode: jwt, audience: api }}
    routes: [ {{ path: /**, access: signed_in }} ]
  passed:
    host: dav.localhost
    upstream: "http://{0}"
    identity: pass
    routes: [ {{ path: /**, access: public }} ]
"#,
        upstream.address
    ))
    .await;
    let token = world.token("ana@example.org", &["viewer"]).await;

    let url = world.url("api.localhost", "/x");
    assert_eq!(world.client().get(url).bearer_auth(&token).send().await.unwrap().status(), 200);
    let head = upstream.only_head().to_ascii_lowercase();
    let sent = head.lines().find_map(|line| line.strip_prefix("authorization: bearer ")).unwrap();
    assert_ne!(sent, token.to_ascii_lowercase(), "a token for this app, not the caller's own");
    assert_eq!(sent.split('.').count(), 3);

    let url = world.url("dav.localhost", "/x");
    let answer =
        world.client().get(url).basic_auth("ana", Some("app-password")).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert!(upstream.only_head().contains("Basic YW5hOmFwcC1wYXNzd29yZA=="));
}

#[tokio::test(flavor = "multi_thread")]
async fn cookie_crumbs_arrive_as_one_line_and_ours_do_not_arrive() {
    let upstream = Recorder::start().await;
    let world = World::with(&format!(
        "apps: {{ api: {{ host: api.localhost, upstream: \"http://{}\", routes: [ {{ path: /**, access: public }} ] }} }}",
        upstream.address
    ))
    .await;

    let answer = world
        .client()
        .get(world.url("api.localhost", "/x"))
        .header("cookie", "a=1")
        .header("cookie", "__Host-stormdoor=secret")
        .header("cookie", "b=2")
        .send()
        .await
        .unwrap();

    assert_eq!(answer.status(), 200);
    let head = upstream.only_head();
    let cookies: Vec<_> =
        head.lines().filter(|line| line.to_ascii_lowercase().starts_with("cookie:")).collect();
    assert_eq!(cookies.len(), 1, "{head}");
    assert!(cookies[0].ends_with("a=1; b=2"), "{head}");
}
