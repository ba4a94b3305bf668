//! Refresh, sign-out, and what they end.

use serde_json::{Value, json};

use crate::world::World;

async fn refresh(world: &World, token: &str) -> reqwest::Response {
    world
        .client()
        .post(world.url("localhost", "/auth/refresh"))
        .json(&json!({ "refresh_token": token }))
        .send()
        .await
        .unwrap()
}

async fn whoami(world: &World, token: &str) -> u16 {
    let url = world.url("whoami.localhost", "/x");
    world.client().get(url).bearer_auth(token).send().await.unwrap().status().as_u16()
}

fn text<'a>(answer: &'a Value, key: &str) -> &'a str {
    answer[key].as_str().unwrap_or_else(|| panic!("{key} in {answer}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_gives_the_next_pair_and_a_lost_answer_can_be_asked_again() {
    let world = World::start().await;
    world.add_user("ana@example.org", &["viewer"]).await;
    let first = world.sign_in("ana@example.org").await;
    assert_eq!(first["token_type"], "Bearer");
    assert_eq!(first["expires_in"], 900);
    assert_eq!(first["refresh_expires_in"], 604_800);

    let second: Value = refresh(&world, text(&first, "refresh_token")).await.json().await.unwrap();
    let again: Value = refresh(&world, text(&first, "refresh_token")).await.json().await.unwrap();

    assert_ne!(text(&first, "refresh_token"), text(&second, "refresh_token"));
    assert_eq!(text(&second, "refresh_token"), text(&again, "refresh_token"));
    assert_eq!(whoami(&world, text(&second, "access_token")).await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn signing_out_ends_the_access_token_and_the_refresh_token_at_once() {
    let world = World::start().await;
    world.add_user("ana@example.org", &["viewer"]).await;
    let pair = world.sign_in("ana@example.org").await;
    let access = text(&pair, "access_token");
    assert_eq!(whoami(&world, access).await, 200);

    let url = world.url("localhost", "/auth/logout");
    let answer = world.client().post(url).bearer_auth(access).send().await.unwrap();

    assert!(answer.status().is_success(), "{}", answer.status());
    assert_eq!(whoami(&world, access).await, 401);
    assert_eq!(refresh(&world, text(&pair, "refresh_token")).await.status(), 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn signing_out_everywhere_ends_every_session_of_this_person_only() {
    let world = World::start().await;
    let mut tokens = Vec::new();
    for name in ["ana", "ben"] {
        world.add_user(&format!("{name}@example.org"), &["viewer"]).await;
    }
    for name in ["ana", "ana", "ben"] {
        let pair = world.sign_in(&format!("{name}@example.org")).await;
        tokens.push(text(&pair, "access_token").to_owned());
    }
    let answer = world
        .client()
        .post(world.url("localhost", "/auth/logout"))
        .bearer_auth(&tokens[0])
        .json(&serde_json::json!({ "everywhere": true }))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 204);
    for (token, status) in tokens.iter().zip([401, 401, 200]) {
        assert_eq!(whoami(&world, token).await, status);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn neither_kind_of_token_is_taken_for_the_other() {
    let world = World::start().await;
    world.add_user("ana@example.org", &["viewer"]).await;
    let pair = world.sign_in("ana@example.org").await;

    assert_eq!(refresh(&world, text(&pair, "access_token")).await.status(), 401);
    assert_eq!(whoami(&world, text(&pair, "refresh_token")).await, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_simultaneous_refreshes_all_get_the_same_successor() {
    let world = World::start().await;
    world.add_user("ana@example.org", &["viewer"]).await;
    let pair = world.sign_in("ana@example.org").await;
    let token = text(&pair, "refresh_token");

    let answers = futures::future::join_all((0..20).map(|_| refresh(&world, token))).await;

    let mut successors = std::collections::HashSet::new();
    for answer in answers {
        assert_eq!(answer.status(), 200);
        let pair: Value = answer.json().await.unwrap();
        successors.insert(text(&pair, "refresh_token").to_owned());
    }
    assert_eq!(successors.len(), 1);
}
