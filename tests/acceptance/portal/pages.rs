//! The web pages, through a browser without scripts.

use ring::hmac;

use crate::world::browser::{Browser, Page};
use crate::world::{PASSWORD, World};

const SESSION: &str = "__Host-stormdoor";

const SIGN_IN: &[(&str, &str)] = &[("username", "ana"), ("password", PASSWORD)];

/// A gateway where admins need a second factor.
async fn world() -> World {
    World::from_yaml(
        r#"
public_url: https://localhost
listeners: { https: { address: "127.0.0.1:0" }, http: { address: "127.0.0.1:0", redirect: false }, operations: { address: "127.0.0.1:0" } }
observe: { access_log: off, level: warn }
rate_limits: { default: unlimited, tiers: { free: unlimited, premium: unlimited, admin: unlimited }, auth: { login: unlimited, register: unlimited, refresh: unlimited } }
accounts: { registration: { mode: open }, password: { argon2: { memory_kib: 64, passes: 1 } } }
roles: { keeper: { permissions: ["files:read"], second_factor: required } }
apps:
  whoami:
    host: whoami.localhost
    upstream: builtin:whoami
    routes:
      - { path: /**, access: signed_in }
"#,
    )
    .await
}

async fn signed_in(world: &World) -> Browser {
    let mut browser = world.browser();
    let page = browser.open("localhost", "/auth/sign-in").await;
    let page = browser.submit(&page, SIGN_IN).await;
    assert_eq!(page.status, 200, "{page:?}");
    assert!(browser.cookie("localhost", SESSION).is_some());
    browser
}

/// The code that an authenticator app with this secret shows, so many steps from now.
fn code_of(secret: &str, steps: u64) -> String {
    let mut bits = String::new();
    for character in secret.chars().filter(|character| *character != ' ') {
        let value = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".find(character).expect("base32");
        bits.push_str(&format!("{value:05b}"));
    }
    let bytes = bits
        .as_bytes()
        .chunks_exact(8)
        .map(|bits| bits.iter().fold(0_u8, |byte, bit| byte << 1 | (bit - b'0')));
    let key: Vec<u8> = bytes.collect();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let step = now.as_secs() / 30 + steps;
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &key);
    let tag = hmac::sign(&key, &step.to_be_bytes());
    let tag = tag.as_ref();
    let offset = usize::from(tag[19] & 15);
    let four: [u8; 4] = tag[offset..offset + 4].try_into().unwrap();
    format!("{:06}", (u32::from_be_bytes(four) & 0x7fff_ffff) % 1_000_000)
}

fn secret_on(page: &Page) -> String {
    page.between("<p class=\"secret\"><code>", "</code>").remove(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_who_goes_to_an_app_signs_in_on_the_way_and_arrives() {
    let world = world().await;
    world.add_user("ana@example.org", &["viewer"]).await;
    let mut browser = world.browser();

    let page = browser.open("whoami.localhost", "/report?year=2026").await;
    assert_eq!(page.url.host_str(), Some("localhost"));
    assert!(page.path().starts_with("/auth/sign-in?flow="), "{}", page.path());
    let page = browser.submit(&page, SIGN_IN).await;

    assert_eq!(page.status, 200, "{page:?}");
    assert_eq!(page.url.host_str(), Some("whoami.localhost"));
    assert_eq!(page.path(), "/report?year=2026");
    assert!(page.text.contains("ana"), "{}", page.text);
    assert!(browser.cookie("whoami.localhost", SESSION).is_some());
    assert_ne!(
        browser.cookie("whoami.localhost", SESSION),
        browser.cookie("localhost", SESSION),
        "each host has a cookie of its own"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn two_tabs_each_arrive_where_they_were_going() {
    let world = world().await;
    world.add_user("ana@example.org", &["viewer"]).await;
    let mut browser = world.browser();
    let first = browser.open("whoami.localhost", "/first").await;
    let second = browser.open("whoami.localhost", "/second").await;

    let second = browser.submit(&second, SIGN_IN).await;
    let first = browser.submit(&first, SIGN_IN).await;

    assert_eq!((first.path().as_str(), first.status), ("/first", 200));
    assert_eq!((second.path().as_str(), second.status), ("/second", 200));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_keeps_the_name_and_not_the_password() {
    let world = world().await;
    world.add_user("ana@example.org", &["viewer"]).await;
    let mut browser = world.browser();
    let page = browser.open("localhost", "/auth/sign-in?next=/auth/account/password").await;

    let typed = [("username", "ana"), ("password", "not-the-password-of-ana")];
    let page = browser.submit(&page, &typed).await;

    assert_eq!(page.status, 401);
    assert!(page.text.contains("value=\"ana\""), "{}", page.text);
    assert!(page.text.contains("role=\"alert\""), "{}", page.text);
    assert!(!page.text.contains("not-the-password"), "{}", page.text);
    assert!(browser.cookie("localhost", SESSION).is_none());
    let page = browser.submit(&page, SIGN_IN).await;
    assert_eq!(page.path(), "/auth/account/password", "where one was going is not forgotten");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_types_is_never_markup() {
    let world = world().await;
    let mut browser = world.browser();
    let page = browser.open("localhost", "/auth/sign-in").await;
    let evil = "\"><script>alert(1)</script>'";

    let page = browser.submit(&page, &[("username", evil), ("password", "x")]).await;

    assert!(!page.text.contains("<script"), "{}", page.text);
    assert!(page.text.contains("&#60;script"), "{}", page.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_of_another_site_or_without_our_token_signs_nobody_in() {
    let world = world().await;
    world.add_user("ana@example.org", &["viewer"]).await;
    let mut browser = world.browser();
    let page = browser.open("localhost", "/auth/sign-in").await;

    for site in ["cross-site", "same-site"] {
        let refused = browser.submit_from(site, &page, SIGN_IN).await;
        assert_eq!(refused.status, 403, "{site}");
        assert!(browser.cookie("localhost", SESSION).is_none(), "{site}");
    }
    browser.forget("localhost", "__Host-stormdoor-form");
    let again = browser.submit(&page, SIGN_IN).await;
    assert_eq!(again.status, 403);
    assert!(again.text.contains("value=\"ana\""), "it is shown again");
    let done = browser.submit(&again, SIGN_IN).await;
    assert_eq!(done.status, 200);
    assert!(browser.cookie("localhost", SESSION).is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_led_to_another_site_after_signing_in() {
    let world = world().await;
    world.add_user("ana@example.org", &["viewer"]).await;
    for next in ["https://evil.example/", "//evil.example/", "/%5Cevil.example"] {
        let mut browser = world.browser();
        let page = browser.open("localhost", &format!("/auth/sign-in?next={next}")).await;
        let page = browser.submit(&page, SIGN_IN).await;
        assert_eq!(page.path(), "/auth/account", "{next}");
        assert_eq!(page.url.host_str(), Some("localhost"), "{next}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn signing_out_asks_first_and_ends_the_session_everywhere() {
    let world = world().await;
    world.add_user("ana@example.org", &["viewer"]).await;
    let mut browser = world.browser();
    let page = browser.open("whoami.localhost", "/").await;
    browser.submit(&page, SIGN_IN).await;

    let page = browser.open("localhost", "/auth/sign-out").await;
    assert_eq!(browser.open("whoami.localhost", "/").await.path(), "/", "looking ends nothing");
    let page = browser.submit(&page, &[]).await;

    assert_eq!(page.path(), "/auth/sign-out");
    assert!(page.text.contains("You are signed out"), "{}", page.text);
    assert!(browser.cookie("localhost", SESSION).is_none());
    let page = browser.open("whoami.localhost", "/").await;
    assert!(page.path().starts_with("/auth/sign-in"), "{}", page.path());
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_run_no_scripts_and_cannot_be_framed() {
    let world = world().await;
    let mut browser = world.browser();
    let page = browser.open("localhost", "/auth/sign-in").await;
    let policy = page.header("content-security-policy");
    for part in ["default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'"] {
        assert!(policy.contains(part), "{policy}");
    }
    assert!(!policy.contains("unsafe") && !policy.contains("script-src"), "{policy}");
    assert_eq!(page.header("cache-control"), "no-store");

    let style = page.between("<link rel=\"stylesheet\" href=\"", "\"").remove(0);
    for host in ["localhost", "whoami.localhost"] {
        let style = browser.open(host, &style).await;
        assert_eq!(style.status, 200, "{host}");
        assert_eq!(style.header("content-type"), "text/css; charset=utf-8");
        assert!(style.header("cache-control").contains("immutable"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn browsers_get_error_pages_and_programs_get_problems() {
    let world = world().await;
    let mut browser = world.browser();
    for (host, path, status) in [
        ("localhost", "/no-such-page", 404),
        ("whoami.localhost", "/.stormdoor/callback?ticket=x&slot=1&path=/", 410),
    ] {
        let page = browser.open(host, path).await;
        assert_eq!(page.status, status, "{path}");
        assert!(page.header("content-type").starts_with("text/html"), "{path}");
        assert!(page.text.contains(page.header("x-request-id")), "{path}: {}", page.text);
        let answer = world.client().get(world.url(host, path)).send().await.unwrap();
        assert_eq!(answer.headers()["content-type"], "application/problem+json", "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_start_is_a_page_for_browsers_and_json_for_programs() {
    let world = world().await;
    let page = world.browser().open("localhost", "/").await;
    assert!(page.text.contains("href=\"/auth/sign-in\""), "{}", page.text);
    let answer = world.client().get(world.url("localhost", "/")).send().await.unwrap();
    assert_eq!(answer.headers()["content-type"], "application/json");
}
