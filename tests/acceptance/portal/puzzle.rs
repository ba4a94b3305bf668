//! The puzzle before public forms.

use reqwest::StatusCode;
use ring::digest;
use serde_json::{Value, json};

use crate::world::api::Api;
use crate::world::mailbox::Mailbox;
use crate::world::{PASSWORD, World};

const PUZZLED: &str = r"
accounts: { proof_of_work: 8, registration: { mode: open }, password: { argon2: { memory_kib: 64, passes: 1 } } }
apps:
  whoami:
    host: whoami.localhost
    upstream: builtin:whoami
    routes: [{ path: /**, access: signed_in }]
";

/// As a program does it: counts until the hash begins with a zero byte.
fn solve(puzzle: &str) -> String {
    let hash =
        |count: &u32| digest::digest(&digest::SHA256, format!("{puzzle}:{count}").as_bytes());
    (0..1_000_000).find(|count| hash(count).as_ref()[0] == 0).unwrap().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_public_form_is_taken_with_one_puzzle_each() {
    let mailbox = Mailbox::start().await;
    let world = World::with_mail(PUZZLED, &mailbox).await;
    let nobody = Api::of(&world);
    let offer = nobody.get("/auth/puzzle").await.expect(200);
    assert_eq!((&offer.body["bits"], &offer.body["expires_in"]), (&json!(8), &json!(600)));
    let puzzle = offer.text_of("puzzle");
    let register = |more: Value| {
        let mut body = json!({ "email": "ada@example.org", "password": PASSWORD });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        nobody.post("/auth/register", body)
    };
    let wrong = (0..1_000).map(|n| format!("x{n}")).find(|text| {
        digest::digest(&digest::SHA256, format!("{puzzle}:{text}").as_bytes()).as_ref()[0] != 0
    });
    for not_solved in [
        json!({}),
        json!({ "puzzle": puzzle, "solution": wrong.unwrap() }),
        json!({ "puzzle": "1.2.3", "solution": solve("1.2.3") }),
    ] {
        let refused = register(not_solved).await.expect(428);
        assert_eq!(refused.problem(), "puzzle-unsolved");
    }
    let solved = json!({ "puzzle": puzzle, "solution": solve(&puzzle) });
    register(solved.clone()).await.expect(202);
    register(solved).await.expect(428);
    let forgot = nobody.post("/auth/password/forgot", json!({ "email": "ada@example.org" })).await;
    assert_eq!(forgot.expect(428).problem(), "puzzle-unsolved");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_asks_its_script_to_solve_the_puzzle() {
    let mailbox = Mailbox::start().await;
    let world = World::with_mail(PUZZLED, &mailbox).await;
    let mut browser = world.browser();
    let page = browser.open("localhost", "/auth/forgot-password").await;
    assert!(page.text.contains("data-puzzle-bits=\"8\""), "{}", page.text);
    let script = page.between("<script src=\"", "\"").remove(0);
    let script = browser.open("localhost", &script).await;
    assert!(script.text.contains("data-puzzle-bits"), "{}", script.text);

    // Without the script, the form comes back and says why.
    let mut again = browser.submit(&page, &[("email", "ada@example.org")]).await;
    assert_eq!(again.status, StatusCode::PRECONDITION_REQUIRED.as_u16());
    assert!(again.text.contains("Your browser did not finish its part"), "{}", again.text);
    let puzzle = again.between("name=\"puzzle\" value=\"", "\"").remove(0);
    // With it: it fills in the hidden field.
    let solution = format!("name=\"solution\" value=\"{}\"", solve(&puzzle));
    again.text = again.text.replace("name=\"solution\" value=\"\"", &solution);
    let sent = browser.submit(&again, &[("email", "ada@example.org")]).await;
    assert_eq!(sent.path(), "/auth/forgot-password?done=yes");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_option_there_is_no_puzzle() {
    let world = World::start().await;
    let offer = Api::of(&world).get("/auth/puzzle").await.expect(200);
    assert_eq!(offer.body, json!({ "puzzle": null, "bits": 0, "expires_in": 0 }));
}
