//! Gateways that share one PostgreSQL.

use std::time::{Duration, Instant};

use serde_json::json;
use stormdoor::identity::Standing;
use stormdoor::identity::admin::By;

use crate::server::{self, Server};
use crate::world::{PASSWORD, World};

const APPS: &str = r#"
rate_limits: { default: unlimited, tiers: { free: unlimited, premium: unlimited, admin: unlimited }, auth: { login: unlimited, register: unlimited, refresh: unlimited } }
apps: { whoami: { host: whoami.localhost, upstream: "builtin:whoami", routes: [ { path: /**, access: signed_in } ] } }
"#;

async fn two_nodes() -> (World, World) {
    let (url, schema) = server::place();
    let more = format!("{}{APPS}", server::section(&url, &schema));
    tokio::join!(Box::pin(World::with(&more)), Box::pin(World::with(&more)))
}

async fn whoami(world: &World, token: &str) -> u16 {
    let url = world.url("whoami.localhost", "/x");
    world.client().get(url).bearer_auth(token).send().await.unwrap().status().as_u16()
}

/// Asks until the answer is 401.
async fn refused_within_a_second(world: &World, token: &str) {
    let began = Instant::now();
    while whoami(world, token).await != 401 {
        assert!(began.elapsed() < Duration::from_secs(1), "still let in");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_out_at_one_node_is_felt_at_the_other_within_a_second() {
    let (one, other) = two_nodes().await;
    let token = one.token("ana@example.org", &["viewer"]).await;
    assert_eq!((whoami(&one, &token).await, whoami(&other, &token).await), (200, 200));

    let url = one.url("localhost", "/auth/logout");
    let answer = one.client().post(url).bearer_auth(&token).send().await.unwrap();
    assert!(answer.status().is_success(), "{}", answer.status());

    refused_within_a_second(&other, &token).await;
    assert_eq!(whoami(&one, &token).await, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_at_one_node_is_felt_at_the_other_and_no_longer_than_it_lasts() {
    let (one, other) = two_nodes().await;
    let token = one.token("ana@example.org", &["viewer"]).await;
    assert_eq!(whoami(&other, &token).await, 200);
    let identity = one.gateway.identity();
    let ana = identity.look_up("ana@example.org").await.unwrap().unwrap().id;

    identity.set_standing(ana, Standing::Disabled, &By::Operator).await.unwrap();
    refused_within_a_second(&other, &token).await;

    identity.set_standing(ana, Standing::Active, &By::Operator).await.unwrap();
    // Tokens say when they were issued in whole seconds.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let again = other.sign_in("ana@example.org").await;
    let token = again["access_token"].as_str().unwrap();
    assert_eq!((whoami(&one, token).await, whoami(&other, token).await), (200, 200));
}

#[tokio::test(flavor = "multi_thread")]
async fn signing_out_everywhere_else_spares_the_session_that_is_kept() {
    let (one, other) = two_nodes().await;
    let kept = one.token("ana@example.org", &["viewer"]).await;
    let ended = other.sign_in("ana@example.org").await["access_token"].as_str().unwrap().to_owned();
    assert_eq!((whoami(&other, &kept).await, whoami(&other, &ended).await), (200, 200));

    let url = one.url("localhost", "/auth/sessions");
    let answer = one.client().delete(url).bearer_auth(&kept).send().await.unwrap();
    assert!(answer.status().is_success(), "{}", answer.status());

    refused_within_a_second(&other, &ended).await;
    assert_eq!((whoami(&one, &kept).await, whoami(&other, &kept).await), (200, 200));
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_database_is_down_who_is_signed_in_goes_on_and_nobody_else_signs_in() {
    let server = Server::of_ones_own();
    let more = format!("{}{APPS}", server::section(&server.url(), "door"));
    let world = World::with(&more).await;
    let token = world.token("ana@example.org", &["viewer"]).await;
    assert_eq!(whoami(&world, &token).await, 200);
    let ready = async || {
        let url = format!("http://{}/readyz", world.operations());
        reqwest::get(url).await.unwrap().status().as_u16()
    };
    let sign_in = async || {
        let body = json!({ "email": "ana@example.org", "password": PASSWORD });
        let request = world.client().post(world.url("localhost", "/auth/login")).json(&body);
        request.send().await.unwrap()
    };
    assert_eq!(ready().await, 200);

    server.kill();
    let answer = sign_in().await;
    assert_eq!(answer.status(), 503);
    assert!(answer.headers().contains_key("retry-after"), "{answer:?}");
    assert_eq!(whoami(&world, &token).await, 200);
    let began = Instant::now();
    while ready().await != 503 {
        assert!(began.elapsed() < Duration::from_secs(15), "still ready");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }

    server.start();
    let began = Instant::now();
    while ready().await != 200 {
        assert!(began.elapsed() < Duration::from_secs(15), "not ready");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(sign_in().await.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_starts_before_its_database_waits_for_it() {
    let server = Server::of_ones_own();
    server.kill();
    let more = format!("{}{APPS}", server::section(&server.url(), "door"));
    let starting = tokio::spawn(async move { World::with(&more).await });
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert!(!starting.is_finished());
    server.start();
    let world = tokio::time::timeout(Duration::from_secs(20), starting).await.unwrap().unwrap();
    assert!(!world.token("ana@example.org", &["viewer"]).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_named_sealing_key_is_used_and_must_be_there() {
    let data = tempfile::tempdir().unwrap();
    let yaml = "public_url: https://localhost\nstore: { sealing_key_file: shared.key }\n";
    let config = crate::world::parse(yaml, data.path());
    let open = async || stormdoor::assembly::open_records(&config, data.path()).await;
    let refused = open().await.err().expect("no key");
    assert!(format!("{refused:#}").contains("shared.key; copy sealing.key"), "{refused:#}");
    std::fs::write(data.path().join("shared.key"), [7; 32]).unwrap();
    open().await.unwrap();
    assert!(!data.path().join("sealing.key").exists());
}
