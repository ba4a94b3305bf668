//! Login flow v2 from both sides: the program that polls, and the browser that agrees.

use reqwest::Response;
use serde_json::{Value, json};

use super::path_classes::{basic, cloud};
use crate::world::browser::{Browser, Page};
use crate::world::upstream::Recorder;
use crate::world::{PASSWORD, World};

async fn begin(world: &World, path: &str, user_agent: &str) -> Value {
    let request = world.client().post(world.url("dav.localhost", path));
    let answer = request.header("user-agent", user_agent).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    answer.json().await.unwrap()
}

async fn poll(world: &World, begun: &Value) -> Response {
    let request = world.client().post(begun["poll"]["endpoint"].as_str().unwrap());
    let token = begun["poll"]["token"].as_str().unwrap();
    let form = request.header("content-type", "application/x-www-form-urlencoded");
    form.body(format!("token={token}")).send().await.unwrap()
}

/// Path of the page that the program opens.
fn page_of(world: &World, begun: &Value) -> String {
    let login = begun["login"].as_str().unwrap();
    login.strip_prefix(&world.url("dav.localhost", "")).expect("on the public host").to_owned()
}

/// Opens the page, and signs in on the way.
async fn open(browser: &mut Browser, path: &str, name: &str) -> Page {
    let page = browser.open("dav.localhost", path).await;
    assert_eq!(page.url.host_str(), Some("localhost"), "it begins with our sign-in");
    browser.submit(&page, &[("username", name), ("password", PASSWORD)]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_gets_a_device_password_of_ours_once_its_user_agreed() {
    let upstream = Recorder::start().await;
    let world = World::with(&cloud(upstream.address, "")).await;
    world.add_user("ada@example.org", &["viewer"]).await;
    for path in ["/login/v2", "/index.php/login/v2"] {
        let begun = begin(&world, path, "Mozilla/5.0 (Linux) mirall/3.7.3 <b>").await;
        assert_eq!(poll(&world, &begun).await.status(), 404, "nobody has agreed");
        let at = page_of(&world, &begun);
        let mut browser = world.browser();
        let page = open(&mut browser, &at, "ada").await;
        assert_eq!((page.status, page.path()), (200, at.clone()), "{page:?}");
        assert!(page.text.contains("mirall/3.7.3 &#60;b&#62;"), "{}", page.text);
        assert_eq!(poll(&world, &begun).await.status(), 404, "the page was only looked at");

        let done = browser.submit(&page, &[]).await;
        assert_eq!(done.status, 200, "{done:?}");
        let got = poll(&world, &begun).await;
        assert_eq!(got.status(), 200);
        assert_eq!(got.headers()["cache-control"], "no-store");
        let got: Value = got.json().await.unwrap();
        assert_eq!(got["server"], json!(world.url("dav.localhost", "")));
        assert_eq!(got["loginName"], json!("ada"));
        assert_eq!(poll(&world, &begun).await.status(), 404, "it is handed over once");
        assert!(!done.text.contains(got["appPassword"].as_str().unwrap()));

        let credential = basic("ada", got["appPassword"].as_str().unwrap());
        let dav = world.url("dav.localhost", "/remote.php/dav/files/ada/");
        let request = world.client().request("PROPFIND".parse().unwrap(), dav);
        assert_eq!(request.header("authorization", credential).send().await.unwrap().status(), 200);

        // Used: neither shown nor agreed to again.
        assert_eq!(browser.open("dav.localhost", &at).await.status, 410);
        assert_eq!(browser.submit(&page, &[]).await.status, 410);
        assert_eq!(poll(&world, &begun).await.status(), 404);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn neither_another_site_nor_a_forged_token_lets_a_program_in() {
    let upstream = Recorder::start().await;
    let world = World::with(&cloud(upstream.address, "")).await;
    world.add_user("ada@example.org", &["viewer"]).await;
    let begun = begin(&world, "/login/v2", "phone").await;
    let at = page_of(&world, &begun);
    let mut browser = world.browser();
    let page = open(&mut browser, &at, "ada").await;
    assert_eq!(browser.submit_from("cross-site", &page, &[]).await.status, 403);
    assert_eq!(poll(&world, &begun).await.status(), 404);

    // Somebody else's form, in this browser: it is shown again, and nothing happens.
    let mut other = world.browser();
    let stolen = open(&mut other, &at, "ada").await;
    let again = browser.submit(&stolen, &[]).await;
    assert_eq!(again.status, 403, "{again:?}");
    assert_eq!(poll(&world, &begun).await.status(), 404);

    // The address of the page is no poll token, and no other text is a flow.
    let token = at.rsplit('/').next().unwrap();
    let wrong = json!({ "poll": { "endpoint": begun["poll"]["endpoint"], "token": token } });
    assert_eq!(poll(&world, &wrong).await.status(), 404);
    assert_eq!(browser.open("dav.localhost", "/login/v2/flow/AAAA").await.status, 410);
    assert_eq!(browser.submit(&page, &[]).await.status, 200, "it is still good");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_nobody_in_nextcloud_lets_nothing_in() {
    let upstream = Recorder::start().await;
    let more = "nextcloud: { reserved: [ada] }\n";
    let world = World::with(&(cloud(upstream.address, "") + more)).await;
    world.add_user("ada@example.org", &["viewer"]).await;
    let begun = begin(&world, "/login/v2", "phone").await;
    let mut browser = world.browser();
    let page = open(&mut browser, &page_of(&world, &begun), "ada").await;
    assert_eq!(page.status, 403);
    assert!(page.text.contains("You have no account there"), "{}", page.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_factor_is_asked_for_where_it_is_configured() {
    let upstream = Recorder::start().await;
    let more = "    nextcloud: { login_flow_second_factor: 15m }\n";
    let world = World::with(&cloud(upstream.address, more)).await;
    world.add_user("ada@example.org", &["viewer"]).await;
    let begun = begin(&world, "/login/v2", "phone").await;
    let mut browser = world.browser();
    let page = open(&mut browser, &page_of(&world, &begun), "ada").await;
    assert_eq!(page.url.host_str(), Some("localhost"), "not before that: {page:?}");
    assert!(!page.text.contains("Let it in"));
}

#[tokio::test(flavor = "multi_thread")]
async fn beginning_is_limited_and_small() {
    let upstream = Recorder::start().await;
    let world = World::with(&cloud(upstream.address, "")).await;
    let big = world.client().post(world.url("dav.localhost", "/login/v2")).body("x".repeat(5000));
    assert_eq!(big.send().await.unwrap().status(), 413);
    let mut statuses = Vec::new();
    for path in ["/login/v2", "/index.php/login/v2"].repeat(6) {
        let request = world.client().post(world.url("dav.localhost", path));
        statuses.push(request.send().await.unwrap().status().as_u16());
    }
    assert_eq!(statuses.iter().filter(|status| **status == 429).count(), 3, "{statuses:?}");
}
