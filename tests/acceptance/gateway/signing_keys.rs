//! A signing key that the operator makes beside running gateways.

use std::process::Command;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::Value;

use crate::server;
use crate::world::World;

const APPS: &str = r#"
rate_limits: { default: unlimited, tiers: { free: unlimited, premium: unlimited, admin: unlimited }, auth: { login: unlimited, register: unlimited, refresh: unlimited } }
apps: { whoami: { host: whoami.localhost, upstream: "builtin:whoami", routes: [ { path: /**, access: signed_in } ] } }
"#;

/// `stormdoor key rotate`; returns the new key's name.
fn rotate(world: &World, more: &str) -> String {
    let config = world.data.path().join("beside.yaml");
    std::fs::write(&config, format!("public_url: https://localhost\n{more}")).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_stormdoor"))
        .args(["key", "rotate", "--config"])
        .arg(config)
        .arg("--data")
        .arg(world.data.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Signs in again and again until the token is signed by the key `kid`.
async fn signed_by(world: &World, kid: &str, within: Duration) -> (String, Value) {
    let began = Instant::now();
    loop {
        let answer = world.sign_in("ana@example.org").await;
        let token = answer["access_token"].as_str().unwrap().to_owned();
        let head = BASE64_URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap()).unwrap();
        let head: Value = serde_json::from_slice(&head).unwrap();
        if head["kid"] == kid {
            return (token, head);
        }
        assert!(began.elapsed() < within, "still signed by {head}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn whoami(world: &World, token: &str) -> u16 {
    let url = world.url("whoami.localhost", "/x");
    world.client().get(url).bearer_auth(token).send().await.unwrap().status().as_u16()
}

#[tokio::test(flavor = "multi_thread")]
async fn of_several_nodes_all_take_a_new_key_within_a_second() {
    let (url, schema) = server::place();
    let more = format!("{}{APPS}", server::section(&url, &schema));
    let (one, other) = tokio::join!(Box::pin(World::with(&more)), Box::pin(World::with(&more)));
    let before = one.token("ana@example.org", &["viewer"]).await;
    assert_eq!(whoami(&other, &before).await, 200);

    let kid = rotate(&one, &more);
    let made = Instant::now();
    let (token, _) = signed_by(&one, &kid, Duration::from_secs(1)).await;
    while whoami(&other, &token).await != 200 {
        assert!(made.elapsed() < Duration::from_secs(1), "still refused");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    signed_by(&other, &kid, Duration::from_secs(1)).await;
    assert_eq!((whoami(&one, &before).await, whoami(&other, &before).await), (200, 200));
}

/// The file of SQLite tells nobody, so that a gateway looks every two seconds. What it then reads, it reads by the
/// configuration of now.
#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_with_a_file_follows_its_command_line_also_after_a_reload() {
    let world = World::with(APPS).await;
    let before = world.token("ana@example.org", &["viewer"]).await;
    let more = format!("tokens: {{ algorithm: ES256 }}\n{APPS}");
    world.reload(&more).await;

    let kid = rotate(&world, &more);
    let (token, head) = signed_by(&world, &kid, Duration::from_secs(4)).await;
    assert_eq!(head["alg"], "ES256");
    assert_eq!((whoami(&world, &token).await, whoami(&world, &before).await), (200, 200));

    let url = world.url("localhost", "/.well-known/jwks.json");
    let published: Value = world.client().get(url).send().await.unwrap().json().await.unwrap();
    assert_eq!(published["keys"].as_array().unwrap().len(), 3, "{published}");
}
