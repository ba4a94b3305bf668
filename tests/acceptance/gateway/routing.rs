//! Which requests go where, and what nobody gets through.

use serde_json::Value;

use crate::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn nobody_signed_in_is_refused_with_a_challenge_and_a_problem() {
    let world = World::start().await;

    let answer = world.client().get(world.url("whoami.localhost", "/")).send().await.unwrap();

    assert_eq!(answer.status(), 401);
    assert!(answer.headers()["www-authenticate"].to_str().unwrap().starts_with("Bearer"));
    assert_eq!(answer.headers()["content-type"], "application/problem+json");
    let id = answer.headers()["x-request-id"].to_str().unwrap().to_owned();
    let problem: Value = answer.json().await.unwrap();
    assert_eq!(problem["status"], 401);
    assert_eq!(problem["request_id"], id.as_str());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_public_route_needs_nobody() {
    let world = World::start().await;
    let url = world.url("whoami.localhost", "/public/hello?a=1");

    let answer = world.client().get(url).send().await.unwrap();

    assert_eq!(answer.status(), 200);
    let seen: Value = answer.json().await.unwrap();
    assert_eq!((&seen["path"], &seen["query"]), (&"/public/hello".into(), &"a=1".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_permission_opens_its_route_and_no_other() {
    let world = World::start().await;
    let viewer = world.token("viewer@example.org", &["viewer"]).await;
    let admin = world.token("admin@example.org", &["superadmin"]).await;

    for (token, path, status) in [
        (&viewer, "/anything", 200),
        (&viewer, "/admin/x", 403),
        (&viewer, "/admin", 403),
        (&admin, "/admin/x", 200),
    ] {
        let url = world.url("whoami.localhost", path);
        let answer = world.client().get(url).bearer_auth(token).send().await.unwrap();
        assert_eq!(answer.status(), status, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_public_prefix_does_not_leak_into_protected_paths() {
    let world = World::start().await;
    for target in [
        "/public/../admin/x",
        "/public/%2e%2e/admin/x",
        "/public/%2E%2E/admin/x",
        "/public/..%2fadmin",
        "/public/%5c../admin",
        "//admin/x",
        "/public//x",
        "/public/..;/admin",
        "/admin;x=/public/y",
        "/admin?x=/public/",
        "/admin%3f/public/",
        "/admin%23/public/",
        "/%2e/admin",
        "/public/%252e%252e/admin",
        "/public/%c0%ae%c0%ae/admin",
        "/public/%00",
    ] {
        let request = format!("GET {target} HTTP/1.1\r\nHost: whoami.localhost\r\n\r\n");
        let answer = crate::world::raw::exchange(world.http(), request.as_bytes()).await;
        let status = crate::world::raw::status(&answer);
        assert!(matches!(status, 400 | 401), "{target} was answered with {status}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_spelling_of_a_host_is_the_same_app_or_nobody() {
    let world = World::start().await;
    for (host, status) in [
        ("whoami.localhost", 200),
        ("WhoAmI.LocalHost", 200),
        ("whoami.localhost.", 200),
        ("whoami.localhost:8443", 200),
        ("whoami.localhost.evil.example", 404),
        ("xwhoami.localhost", 404),
        ("whoami.localhost:99999", 400),
        ("whoami.localhost/", 400),
        ("user@whoami.localhost", 400),
        ("", 400),
    ] {
        let request =
            format!("GET /public/x HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        let answer = crate::world::raw::exchange(world.http(), request.as_bytes()).await;
        assert_eq!(crate::world::raw::status(&answer), status, "{host:?}");
    }
}
