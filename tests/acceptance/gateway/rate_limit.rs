//! Limits: who is counted together, and what a client is told.

use crate::world::World;

const LIMITED: &str = r"
rate_limits: { default: 3/min, tiers: { free: 5/min, premium: 1000/min, admin: unlimited }, auth: { login: 2/min } }
apps:
  whoami:
    host: whoami.localhost
    upstream: builtin:whoami
    routes:
      - { path: /public/**, access: public }
      - { path: /tight/**, access: public, rate_limit: 1/min }
      - { path: /**, access: signed_in }
";

#[tokio::test(flavor = "multi_thread")]
async fn the_request_after_the_limit_is_told_when_to_come_back() {
    let world = World::with(LIMITED).await;
    let url = world.url("whoami.localhost", "/public/x");

    for left in ["2", "1", "0"] {
        let answer = world.client().get(&url).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["x-ratelimit-limit"], "3");
        assert_eq!(answer.headers()["x-ratelimit-remaining"], left);
        assert!(answer.headers().contains_key("ratelimit"));
        assert!(answer.headers().contains_key("ratelimit-policy"));
    }
    let refused = world.client().get(&url).send().await.unwrap();

    assert_eq!(refused.status(), 429);
    let wait: u64 = refused.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=120).contains(&wait), "{wait}");
    assert_eq!(refused.headers()["content-type"], "application/problem+json");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_routes_own_limit_applies_beside_the_general_one() {
    let world = World::with(LIMITED).await;
    let url = world.url("whoami.localhost", "/tight/x");

    assert_eq!(world.client().get(&url).send().await.unwrap().status(), 200);
    assert_eq!(world.client().get(&url).send().await.unwrap().status(), 429);
    let other = world.url("whoami.localhost", "/public/x");
    assert_eq!(world.client().get(&other).send().await.unwrap().status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn sign_in_attempts_are_limited_before_the_password_is_looked_at() {
    let world = World::with(LIMITED).await;
    let attempt = || async {
        world
            .client()
            .post(world.url("localhost", "/auth/login"))
            .json(&serde_json::json!({ "email": "nobody@example.org", "password": "wrong-password-x" }))
            .send()
            .await
            .unwrap()
            .status()
            .as_u16()
    };
    assert_eq!([attempt().await, attempt().await, attempt().await], [401, 401, 429]);
}

#[tokio::test(flavor = "multi_thread")]
async fn looking_for_paths_is_limited_and_spends_nothing_else() {
    let world =
        World::with(&LIMITED.replace("/**, access: signed_in", "/in/**, access: signed_in")).await;
    let missing = world.url("whoami.localhost", "/.env");
    for status in [404, 404, 404, 429] {
        assert_eq!(world.client().get(&missing).send().await.unwrap().status(), status);
    }
    let there = world.url("whoami.localhost", "/public/x");
    assert_eq!(world.client().get(&there).send().await.unwrap().status(), 200);
}
