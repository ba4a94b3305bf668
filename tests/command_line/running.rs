//! What the command line changes is in force in a running gateway within seconds.

use serde_json::json;

use crate::gateway::Gateway;
use crate::world::{PASSWORD, World};

#[tokio::test(flavor = "multi_thread")]
async fn somebody_who_is_locked_is_out_and_who_is_unlocked_is_in() {
    let world = World::new();
    world.add("ada@example.org", "viewer");
    let gateway = Gateway::start(&world);
    let (access, refresh) = gateway.sign_in("ada@example.org").await;
    assert_eq!(gateway.status("/", &access).await, 200);

    world.ok(&["user", "lock", "ada"]);
    gateway.soon("/", &access, 401).await;
    let refreshed = gateway.post("/auth/refresh", &json!({ "refresh_token": refresh })).await;
    assert_eq!(refreshed.status(), 401);
    assert_eq!(gateway.try_password("ada@example.org", PASSWORD).await, 401);

    world.ok(&["user", "unlock", "ada"]);
    gateway.soon_password("ada@example.org", PASSWORD, 200).await;
    // One from before the lock stays dead.
    assert_eq!(gateway.status("/", &access).await, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_loses_a_role_loses_the_tokens_that_tell_of_it_also_over_a_restart() {
    let world = World::new();
    world.add("ada@example.org", "superadmin");
    world.add("ben@example.org", "superadmin");
    let gateway = Gateway::start(&world);
    let (access, refresh) = gateway.sign_in("ada@example.org").await;
    assert_eq!(gateway.status("/admin/x", &access).await, 200);

    world.ok(&["user", "role", "ada", "--set", "viewer"]);
    gateway.soon("/admin/x", &access, 401).await;
    let pair = gateway.post("/auth/refresh", &json!({ "refresh_token": refresh })).await;
    let pair: serde_json::Value = pair.json().await.unwrap();
    let fresh = pair["access_token"].as_str().unwrap();
    gateway.soon("/admin/x", fresh, 403).await;

    gateway.stop();
    let gateway = Gateway::start(&world);
    assert_eq!(gateway.status("/admin/x", &access).await, 401);
    gateway.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_while_the_gateway_is_down_is_in_force_when_it_is_up() {
    let world = World::new();
    world.add("ada@example.org", "superadmin");
    world.add("ben@example.org", "superadmin");
    let gateway = Gateway::start(&world);
    let (access, _) = gateway.sign_in("ada@example.org").await;
    gateway.stop();

    world.ok(&["user", "role", "ada", "--remove", "superadmin"]);

    let gateway = Gateway::start(&world);
    assert_eq!(gateway.status("/admin/x", &access).await, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_session_ends_and_the_other_goes_on() {
    let world = World::new();
    let id = world.add("ada@example.org", "viewer");
    let gateway = Gateway::start(&world);
    let (first, _) = gateway.sign_in("ada@example.org").await;
    let listed = world.json(&["session", "list", &id, "--format", "json"]);
    let session = listed["items"][0]["id"].as_str().unwrap();
    let (second, _) = gateway.sign_in("ada@example.org").await;

    world.ok(&["session", "end", session]);
    gateway.soon("/", &first, 401).await;
    assert_eq!(gateway.status("/", &second).await, 200);
    assert_eq!(world.ok(&["session", "list", "ada"]).lines().count(), 2);

    assert_eq!(world.ok(&["user", "sign-out", "ada"]), "ada is signed out; sessions ended: 1\n");
    gateway.soon("/", &second, 401).await;
    let complaint = world.refused(65, &["session", "end", session]);
    assert!(complaint.contains("session list"), "{complaint}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_after_wrong_passwords_is_lifted() {
    let world = World::new();
    world.add("ada@example.org", "viewer");
    let gateway = Gateway::start(&world);
    while gateway.try_password("ada@example.org", "wrong").await != 429 {}

    world.ok(&["user", "unlock", "ada"]);
    gateway.soon_password("ada@example.org", PASSWORD, 200).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_password_counts_at_once_and_ends_what_the_old_one_began() {
    let world = World::new();
    world.add("ada@example.org", "viewer");
    let gateway = Gateway::start(&world);
    let (access, _) = gateway.sign_in("ada@example.org").await;

    let other = "another-horse-battery-staple-43";
    let said = world.run_with(&["user", "password", "ada", "--password-stdin"], other);
    assert_eq!(said.code, 0, "{said:?}");

    assert_eq!(gateway.try_password("ada@example.org", other).await, 200);
    assert_eq!(gateway.try_password("ada@example.org", PASSWORD).await, 401);
    gateway.soon("/", &access, 401).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_token_works_until_it_is_removed() {
    let world = World::new();
    world.add("ada@example.org", "viewer");
    world.ok(&["user", "grant", "ada", "files:read", "--for", "8h"]);
    let gateway = Gateway::start(&world);

    let token = world.ok(&["device", "add", "ada", "nightly", "--permissions", "files:read"]);
    let token = token.trim();
    assert!(token.starts_with("sdt_"), "{token}");
    assert_eq!(gateway.status("/tokens/x", token).await, 200);

    let listed = world.json(&["device", "list", "ada", "--format", "json"]);
    assert_eq!(listed["items"][0]["name"], "nightly");
    world.ok(&["device", "remove", "ada", listed["items"][0]["id"].as_str().unwrap()]);
    gateway.soon("/tokens/x", token, 401).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_who_is_erased_is_gone_from_memory_too() {
    let world = World::new();
    let id = world.add("ada@example.org", "viewer");
    let gateway = Gateway::start(&world);
    let (access, _) = gateway.sign_in("ada@example.org").await;

    world.ok(&["user", "delete", "ada"]);
    world.ok(&["user", "erase", "ada", "--yes"]);
    gateway.soon("/", &access, 401).await;

    world.refused(65, &["user", "show", "ada"]);
    let log = world.ok(&["audit", "list", "--user", &id]);
    assert!(log.contains("user_erased") && log.contains("operator"), "{log}");
}
