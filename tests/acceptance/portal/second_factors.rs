//! Second factors: passkeys, enrolment on demand, failures that count over every door, and races.

use std::time::Duration;

use futures::future;
use serde_json::{Value, json};
use stormdoor::clock::{Clock, ManualClock, SystemClock};
use stormdoor::identity::second_factor::passkey::example::Authenticator;

use crate::world::api::Api;
use crate::world::authenticator::code;
use crate::world::{PASSWORD, World};

const WORLD: &str = r#"
roles:
  careful: { permissions: ["conversation:read"], second_factor: required }
apps:
  whoami: { host: whoami.localhost, upstream: "builtin:whoami", routes: [ { path: /**, access: signed_in } ] }
"#;

const ORIGIN: &str = "https://localhost";

/// Somebody with an authenticator app, and its secret.
async fn enrolled(world: &World, name: &str) -> (Api, String) {
    world.add_user(&format!("{name}@example.org"), &["viewer"]).await;
    let api = Api::of(world).signed_in(name).await;
    let offer = api.post("/auth/second-factor/totp/enrol", json!({})).await.expect(200);
    let secret = offer.text_of("secret");
    let first = code(&secret, world.clock.now());
    api.post("/auth/second-factor/totp/confirm", json!({ "code": first })).await.expect(200);
    (api, secret)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_demands_a_second_factor_lets_nobody_in_without_one() {
    let world = World::with(WORLD).await;
    world.add_user("ada@example.org", &["careful"]).await;
    let nobody = Api::of(&world);
    let pending = nobody.login("ada", PASSWORD).await.expect(202);
    assert_eq!(pending.body["enrolment_required"], true);
    let token = pending.text_of("pending_token");
    // What is pending is no credential for anything else.
    nobody.with_token(&token).get("/auth/me").await.expect(401);
    let code_now = json!({ "pending_token": token, "code": "123456" });
    let skipped = nobody.post("/auth/login/second-factor", code_now).await.expect(401);
    assert_eq!(skipped.problem(), "sign-in-over");

    let offer = nobody.post("/auth/login/enrol", json!({ "pending_token": token })).await;
    let secret = offer.expect(200).text_of("secret");
    let confirm = |code: String| {
        nobody.post("/auth/login/confirm", json!({ "pending_token": token, "code": code }))
    };
    confirm("000000".into()).await.expect(401);
    let done = confirm(code(&secret, world.clock.now())).await.expect(200);
    assert_eq!(done.body["recovery_codes"].as_array().map(Vec::len), Some(10));
    let ada = nobody.with_token(&done.text_of("access_token"));
    ada.get("/auth/me").await.expect(200);
    let removed = ada.post("/auth/second-factor/totp/disable", json!({})).await.expect(409);
    assert_eq!(removed.problem(), "second-factor-required");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_passkey_is_enrolled_and_then_signs_in_alone_or_beside_the_password() {
    let world = World::with(WORLD).await;
    world.add_user("ada@example.org", &["viewer"]).await;
    let nobody = Api::of(&world);
    let ada = nobody.signed_in("ada").await;
    let mut authenticator = Authenticator::es256();

    let ceremony = ada.post("/auth/second-factor/passkeys/options", json!({})).await.expect(200);
    let made = authenticator.create(&ceremony.body["options"], ORIGIN).json();
    let response: Value = serde_json::from_str(&made).unwrap();
    let token = ceremony.text_of("token");
    let add = |origin_response: Value| {
        let body = json!({ "name": "laptop", "token": token, "response": origin_response });
        ada.post("/auth/second-factor/passkeys", body)
    };
    let added = add(response.clone()).await.expect(201);
    assert_eq!(added.body["recovery_codes"].as_array().map(Vec::len), Some(10));
    // From now on a password alone changes nothing about it.
    assert_eq!(add(response).await.expect(401).problem(), "prove-it-is-you");

    // Alone: it says who it is and verified its user.
    let ask = nobody.post("/auth/login/passkey/options", json!({})).await.expect(200);
    let answer = authenticator.get(&ask.body["options"], ORIGIN).json();
    let answer: Value = serde_json::from_str(&answer).unwrap();
    let body = json!({ "token": ask.text_of("token"), "response": answer });
    let alone = nobody.post("/auth/login/passkey", body.clone()).await.expect(200);
    let me = nobody.with_token(&alone.text_of("access_token")).get("/auth/me").await.expect(200);
    assert_eq!(me.text_of("username"), "ada");
    nobody.post("/auth/login/passkey", body).await.expect(401);

    // Beside the password; not from a page of somebody else.
    for (origin, status) in [("https://evil.example", 401), (ORIGIN, 200)] {
        let pending = nobody.login("ada", PASSWORD).await.expect(202);
        assert_eq!(pending.body["second_factor_required"], json!(["passkey", "recovery_code"]));
        let token = pending.text_of("pending_token");
        let ask = json!({ "pending_token": token });
        let ask = nobody.post("/auth/login/passkey/options", ask).await.expect(200);
        let answer = authenticator.get(&ask.body["options"], origin).json();
        let answer: Value = serde_json::from_str(&answer).unwrap();
        let passkey = json!({ "token": ask.text_of("token"), "response": answer });
        let body = json!({ "pending_token": token, "passkey": passkey });
        nobody.post("/auth/login/second-factor", body).await.expect(status);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_knows_the_password_cannot_guess_second_factors_for_ever() {
    let world = World::with(WORLD).await;
    let (_, _secret) = enrolled(&world, "ada").await;
    let nobody = Api::of(&world);
    let mut wrong = 0;
    // A right password before each guess must not wash the guesses off.
    let locked = loop {
        let pending = nobody.login("ada", PASSWORD).await;
        if pending.status == 429 {
            break pending;
        }
        let token = pending.expect(202).text_of("pending_token");
        let body = json!({ "pending_token": token, "code": "000000" });
        let guess = nobody.post("/auth/login/second-factor", body).await;
        if guess.status == 429 {
            break guess;
        }
        guess.expect(401);
        wrong += 1;
        assert!(wrong <= 5, "nothing stops it");
    };
    assert_eq!((locked.problem(), wrong), ("locked", 5));
}

#[tokio::test(flavor = "multi_thread")]
async fn once_a_lock_is_over_password_and_code_let_its_owner_in() {
    let clock = ManualClock::at(SystemClock.now());
    let mailbox = crate::world::mailbox::Mailbox::start().await;
    let world = World::with_mail_at(WORLD, &mailbox, clock.clone()).await;
    let (_, secret) = enrolled(&world, "ada").await;
    let nobody = Api::of(&world);
    for _ in 0..5 {
        nobody.login("ada", "wrong").await.expect(401);
    }
    assert_eq!(nobody.login("ada", PASSWORD).await.expect(429).problem(), "locked");
    clock.advance(Duration::from_secs(31));
    let token = nobody.login("ada", PASSWORD).await.expect(202).text_of("pending_token");
    let body = json!({ "pending_token": token, "code": code(&secret, clock.now()) });
    nobody.post("/auth/login/second-factor", body).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_fifty_submissions_of_one_code_one_signs_in() {
    let clock = ManualClock::at(SystemClock.now());
    let mailbox = crate::world::mailbox::Mailbox::start().await;
    let lenient = format!(
        "{WORLD}\naccounts: {{ lockout: {{ after: 100 }}, password: {{ argon2: {{ memory_kib: 64, passes: 1 }} }} }}\n"
    );
    let world = World::with_mail_at(&lenient, &mailbox, clock.clone()).await;
    let (_, secret) = enrolled(&world, "ada").await;
    clock.advance(Duration::from_secs(30));
    let nobody = Api::of(&world);
    let mut tokens = Vec::new();
    for _ in 0..50 {
        tokens.push(nobody.login("ada", PASSWORD).await.expect(202).text_of("pending_token"));
    }
    let code = code(&secret, clock.now());
    let attempts = tokens.iter().map(|token| {
        nobody.post("/auth/login/second-factor", json!({ "pending_token": token, "code": code }))
    });
    let answers = future::join_all(attempts).await;
    let won = answers.iter().filter(|answer| answer.status == 200).count();
    assert_eq!(won, 1, "{:?}", answers.iter().map(|a| a.status).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_protects_an_account_is_changed_only_after_proving_who_one_is() {
    let clock = ManualClock::at(SystemClock.now());
    let mailbox = crate::world::mailbox::Mailbox::start().await;
    let world = World::with_mail_at(WORLD, &mailbox, clock.clone()).await;
    let (ada, secret) = enrolled(&world, "ada").await;
    let renew = || ada.post("/auth/second-factor/recovery-codes", json!({}));
    // The password that began this session could be a thief's.
    assert_eq!(renew().await.expect(401).problem(), "prove-it-is-you");
    clock.advance(Duration::from_secs(30));
    let body = json!({ "code": code(&secret, clock.now()) });
    ada.post("/auth/second-factor/verify", body).await.expect(200);
    assert_eq!(renew().await.expect(200).body["recovery_codes"].as_array().unwrap().len(), 10);
}
