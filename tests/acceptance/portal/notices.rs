//! What people learn by mail about their own account, and what waits for their answer.

use reqwest::header::{HeaderMap, HeaderValue, USER_AGENT};
use serde_json::json;
use stormdoor::clock::{Clock, ManualClock, SystemClock};

use crate::world::api::Api;
use crate::world::mailbox::Mailbox;
use crate::world::{PASSWORD, World};

const OPEN: &str = r"
accounts: { registration: { mode: open }, password: { argon2: { memory_kib: 64, passes: 1 } } }
apps:
  whoami:
    host: whoami.localhost
    upstream: builtin:whoami
    routes: [{ path: /**, access: signed_in }]
";

/// What follows `token=` in the link of `text` to the page `page`.
fn token_for(page: &str, text: &str) -> String {
    let link = text.split_whitespace().find(|word| word.contains(page)).expect(page);
    link.split_once("token=").unwrap().1.to_owned()
}

/// Somebody whose address is proven.
async fn ada(nobody: &Api, mailbox: &Mailbox) -> Api {
    let new = json!({ "email": "ada@example.org", "password": PASSWORD });
    nobody.post("/auth/register", new).await.expect(202);
    let token = token_for("verify-email", &mailbox.next_to("ada@example.org").await.text);
    let proof = json!({ "token": token, "password": PASSWORD });
    nobody.post("/auth/verify-email", proof).await.expect(200);
    nobody.signed_in("ada").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proven_address_agrees_before_another_takes_its_place() {
    let (mailbox, clock) = (Mailbox::start().await, ManualClock::at(SystemClock.now()));
    let world = World::with_mail_at(OPEN, &mailbox, clock.clone()).await;
    let nobody = Api::of(&world);
    let ada = ada(&nobody, &mailbox).await;
    let email = async || ada.get("/auth/me").await.expect(200).text_of("email");
    let say = |path: &'static str, token: &str| nobody.post(path, json!({ "token": token }));

    ada.put("/auth/me/email", json!({ "email": "lovelace@example.org" })).await.expect(202);
    let asked = mailbox.next_to("ada@example.org").await.text;
    assert!(!asked.contains("lovelace@"), "the new address is masked: {asked}");
    let agree = token_for("agree-email", &asked);
    assert_eq!(say("/auth/email/confirm", &agree).await.expect(410).problem(), "link-spent");
    say("/auth/email/agree", &agree).await.expect(202);
    assert_eq!(email().await, "ada@example.org", "one of two has agreed");
    let first = token_for("confirm-email", &mailbox.next_to("lovelace@example.org").await.text);

    // Agreeing again sends another link, and voids the one before.
    say("/auth/email/agree", &agree).await.expect(202);
    let second = token_for("confirm-email", &mailbox.next_to("lovelace@example.org").await.text);
    assert_eq!(say("/auth/email/confirm", &first).await.expect(410).problem(), "link-spent");
    say("/auth/email/confirm", &second).await.expect(204);
    assert_eq!(email().await, "lovelace@example.org");
    assert_eq!(say("/auth/email/agree", &agree).await.expect(410).problem(), "link-spent");

    // Somebody else was in the account: the old address takes it back.
    say("/auth/email/cancel", &token_for("cancel-email", &asked)).await.expect(204);
    ada.get("/auth/me").await.expect(401);
    let back = nobody.login("ada@example.org", PASSWORD).await;
    back.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn agreeing_to_another_address_is_possible_for_an_hour() {
    let (mailbox, clock) = (Mailbox::start().await, ManualClock::at(SystemClock.now()));
    let world = World::with_mail_at(OPEN, &mailbox, clock.clone()).await;
    let nobody = Api::of(&world);
    let ada = ada(&nobody, &mailbox).await;
    ada.put("/auth/me/email", json!({ "email": "lovelace@example.org" })).await.expect(202);
    let agree = token_for("agree-email", &mailbox.next_to("ada@example.org").await.text);
    clock.advance(std::time::Duration::from_mins(61));
    let late = nobody.post("/auth/email/agree", json!({ "token": agree })).await.expect(410);
    assert_eq!(late.problem(), "link-spent");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_from_a_new_client_is_told_by_mail_once() {
    let mailbox = Mailbox::start().await;
    let world = World::with_mail(OPEN, &mailbox).await;
    // The first sign-in of all is no news, and a later version of the same program is none either.
    for (agent, told) in [
        ("Mozilla/5.0 (X11; Linux x86_64; rv:139.0) Firefox/139.0", false),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:141.0) Firefox/141.0", false),
        ("Nextcloud-android/30.1", true),
        ("Nextcloud-android/31.0", false),
        ("Thunderbird/141.0", true),
    ] {
        let headers = HeaderMap::from_iter([(USER_AGENT, HeaderValue::from_static(agent))]);
        let client = world.client_builder().default_headers(headers).build().unwrap();
        let api = Api::at(client, &world.url("localhost", ""));
        if mailbox.attempted() == 0 {
            ada(&api, &mailbox).await;
        } else {
            api.login("ada", PASSWORD).await.expect(200);
        }
        if told {
            let mail = mailbox.next_to("ada@example.org").await;
            assert!(mail.text.contains(agent), "{}", mail.text);
        }
    }
    assert_eq!(mailbox.attempted(), 3, "one to prove the address, two about new clients");
}
