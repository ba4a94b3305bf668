//! The first administrator, sign-in, and who one is.

use serde_json::{Value, json};

use crate::world::{PASSWORD, World};

#[tokio::test(flavor = "multi_thread")]
async fn the_first_administrator_is_made_once_with_the_printed_code() {
    let world = World::start().await;
    let code = world.gateway.setup_code().expect("a code on the first start");
    let code = code.expose_for_terminal().expose().clone();
    let setup = |code: String, email: &'static str| {
        let body = json!({ "code": code, "email": email, "password": PASSWORD });
        world.client().post(world.url("localhost", "/auth/setup")).json(&body).send()
    };

    let wrong = setup("AAAA-BBBB-CCCC-DDDD".into(), "evil@example.org").await.unwrap();
    let first = setup(code.clone(), "ana@example.org").await.unwrap();
    let second = setup(code, "evil@example.org").await.unwrap();

    assert_eq!(wrong.status().as_u16() / 100, 4);
    assert!(first.status().is_success(), "{}", first.text().await.unwrap());
    assert_eq!(second.status().as_u16() / 100, 4);
    let pair = world.sign_in("ana@example.org").await;
    let me: Value = world
        .client()
        .get(world.url("localhost", "/auth/me"))
        .bearer_auth(pair["access_token"].as_str().unwrap())
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(me["email"], "ana@example.org");
    assert_eq!(me["roles"], json!(["superadmin"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn sign_in_takes_json_and_the_oauth_password_form() {
    let world = World::start().await;
    world.add_user("ana@example.org", &["viewer"]).await;
    let url = world.url("localhost", "/auth/login");

    let json = world.client().post(&url).json(&json!({ "username": "ana", "password": PASSWORD }));
    let form = world
        .client()
        .post(&url)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(format!("grant_type=password&username=ana%40example.org&password={PASSWORD}"));

    for request in [json, form] {
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["cache-control"], "no-store");
        assert!(answer.json::<Value>().await.unwrap()["access_token"].is_string());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_and_an_unknown_name_are_answered_alike() {
    let world = World::start().await;
    world.add_user("ana@example.org", &["viewer"]).await;
    let mut bodies = Vec::new();
    for email in ["ana@example.org", "nobody@example.org"] {
        let answer = world
            .client()
            .post(world.url("localhost", "/auth/login"))
            .json(&json!({ "email": email, "password": "not-the-password-of-anybody" }))
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 401);
        let mut body: Value = answer.json().await.unwrap();
        body["request_id"] = Value::Null;
        bodies.push(body);
    }
    assert_eq!(bodies[0], bodies[1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn registration_is_closed_until_it_is_opened() {
    let closed = World::start().await;
    let answer = closed
        .client()
        .post(closed.url("localhost", "/auth/register"))
        .json(&json!({ "email": "new@example.org", "password": PASSWORD }))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 403);

    let open = World::from_yaml(
        r#"
public_url: https://localhost
listeners: { https: { address: "127.0.0.1:0" }, http: { address: "127.0.0.1:0", redirect: false }, operations: { address: "127.0.0.1:0" } }
accounts: { registration: { mode: open }, password: { argon2: { memory_kib: 64, passes: 1 } } }
apps: { whoami: { host: whoami.localhost, upstream: "builtin:whoami", routes: [ { path: /**, access: signed_in } ] } }
"#,
    )
    .await;
    let register = |email: &'static str, password: &'static str| {
        open.client()
            .post(open.url("localhost", "/auth/register"))
            .json(&json!({ "email": email, "password": password }))
            .send()
    };
    let new = register("new@example.org", PASSWORD).await.unwrap();
    let taken = register("new@example.org", PASSWORD).await.unwrap();
    let weak = register("weak@example.org", "password1234").await.unwrap();

    assert_eq!(new.status(), 202);
    assert_eq!(taken.status(), 202, "the answer does not tell who has an account");
    assert_eq!(weak.status(), 422);
    open.sign_in("new@example.org").await;
}
