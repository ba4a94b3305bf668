//! One person's account from the first mail to a lost password, over real sockets and real SMTP.

use std::time::Duration;

use serde_json::json;
use stormdoor::clock::{Clock, ManualClock, SystemClock};

use crate::world::World;
use crate::world::api::Api;
use crate::world::authenticator::code;
use crate::world::mailbox::Mailbox;

const FIRST: &str = "correct horse battery staple";
const SECOND: &str = "another horse, another battery";

const OPEN: &str = r"
accounts: { registration: { mode: open }, password: { argon2: { memory_kib: 64, passes: 1 } } }
apps:
  whoami:
    host: whoami.localhost
    upstream: builtin:whoami
    routes:
      - { path: /vault/**, access: signed_in, second_factor: 15m }
      - { path: /**, access: signed_in }
";

fn token_of(link: &str) -> String {
    link.split_once("token=").expect("a link with a token").1.to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_signs_up_enrols_a_second_factor_and_comes_back_after_losing_the_password() {
    let (mailbox, clock) = (Mailbox::start().await, ManualClock::at(SystemClock.now()));
    let world = World::with_mail_at(OPEN, &mailbox, clock.clone()).await;
    let nobody = Api::of(&world);

    // Register: nothing works until the address is proven, by the link and the password.
    let new = json!({ "email": "ada@example.org", "password": FIRST, "full_name": "Ada" });
    nobody.post("/auth/register", new).await.expect(202);
    nobody.login("ada", FIRST).await.expect(401);
    let mail = mailbox.next_to("ada@example.org").await;
    let token = token_of(mail.link());
    let verify = |password: &str| {
        nobody.post("/auth/verify-email", json!({ "token": token, "password": password }))
    };
    assert_eq!(verify(SECOND).await.expect(403).problem(), "wrong-password");
    let verified = verify(FIRST).await.expect(200);
    assert_eq!(verified.text_of("standing"), "active");
    assert_eq!(verify(FIRST).await.expect(410).problem(), "link-spent");

    // Sign in, and enrol an authenticator app.
    let signed_in = nobody.login("ada@example.org", FIRST).await.expect(200);
    let ada = nobody.with_token(&signed_in.text_of("access_token"));
    let offer = ada.post("/auth/second-factor/totp/enrol", json!({})).await.expect(200);
    assert!(offer.text_of("uri").starts_with("otpauth://totp/localhost:ada"));
    let secret = offer.text_of("secret");
    let confirm =
        |code: String| ada.post("/auth/second-factor/totp/confirm", json!({ "code": code }));
    assert_eq!(confirm("000000".into()).await.expect(401).problem(), "wrong-second-factor");
    let confirmed = confirm(code(&secret, clock.now())).await.expect(200);
    let recovery: Vec<String> =
        serde_json::from_value(confirmed.body["recovery_codes"].clone()).unwrap();
    assert_eq!(recovery.len(), 10);
    assert!(mailbox.next_to("ada@example.org").await.text.to_lowercase().contains("second factor"));

    // From now on the password alone opens nothing.
    clock.advance(Duration::from_secs(30));
    let pending = nobody.login("ada", FIRST).await.expect(202);
    assert_eq!(pending.body["second_factor_required"], json!(["totp", "recovery_code"]));
    assert!(pending.body.get("access_token").is_none());
    let pending_token = pending.text_of("pending_token");
    let give = |factor: (&'static str, String)| {
        let mut body = json!({ "pending_token": pending_token });
        body[factor.0] = factor.1.into();
        nobody.post("/auth/login/second-factor", body)
    };
    assert_eq!(give(("code", "123456".into())).await.expect(401).problem(), "wrong-second-factor");
    let signed_in = give(("code", code(&secret, clock.now()))).await.expect(200);
    let again = give(("code", code(&secret, clock.now()))).await.expect(401);
    assert_eq!(again.problem(), "sign-in-over", "one sign-in, one session");
    let phone = nobody.with_token(&signed_in.text_of("access_token"));

    // The sessions of both, and the end of the first one.
    let sessions = phone.get("/auth/sessions").await.expect(200);
    let sessions = sessions.body["sessions"].as_array().unwrap();
    assert_eq!(sessions.len(), 2);
    let other = sessions.iter().find(|session| session["current"] == false).unwrap();
    let path = format!("/auth/sessions/{}", other["id"].as_str().unwrap());
    phone.delete(&path).await.expect(204);
    ada.get("/auth/me").await.expect(401);
    phone.get("/auth/me").await.expect(200);

    // A route that asks for a fresh second factor.
    let vault = |api: &Api| {
        let token = api.clone();
        let url = world.url("whoami.localhost", "/vault/x");
        async move { token.raw_get(&url).await }
    };
    assert_eq!(vault(&phone).await.status, 200);
    clock.advance(Duration::from_mins(14));
    let refreshed = nobody
        .post("/auth/refresh", json!({ "refresh_token": signed_in.text_of("refresh_token") }))
        .await
        .expect(200);
    let phone = nobody.with_token(&refreshed.text_of("access_token"));
    clock.advance(Duration::from_mins(2));
    let stale = vault(&phone).await.expect(401);
    assert!(stale.text.contains("second-factor"), "{}", stale.text);
    let given = phone
        .post("/auth/second-factor/verify", json!({ "recovery_code": recovery[0] }))
        .await
        .expect(200);
    let phone = nobody.with_token(&given.text_of("access_token"));
    assert_eq!(vault(&phone).await.status, 200);
    phone
        .post("/auth/second-factor/verify", json!({ "recovery_code": recovery[0] }))
        .await
        .expect(401);

    // The password is lost: a link, once, and every session ends.
    for email in ["ada@example.org", "nobody@example.org"] {
        nobody.post("/auth/password/forgot", json!({ "email": email })).await.expect(202);
    }
    let token = token_of(mailbox.next_to("ada@example.org").await.link());
    let reset = |password: &str| {
        nobody.post("/auth/password/reset", json!({ "token": token, "password": password }))
    };
    assert_eq!(reset("password1234").await.expect(422).problem(), "weak-password");
    reset(SECOND).await.expect(204);
    assert_eq!(reset(FIRST).await.expect(410).problem(), "link-spent");
    phone.get("/auth/me").await.expect(401);
    nobody.login("ada", FIRST).await.expect(401);

    // The second factor is still asked for.
    clock.advance(Duration::from_mins(1));
    let pending = nobody.login("ada", SECOND).await.expect(202);
    let code = code(&secret, clock.now());
    let body = json!({ "pending_token": pending.text_of("pending_token"), "code": code });
    nobody.post("/auth/login/second-factor", body).await.expect(200);
}
