//! The web pages, through a browser without scripts.

use std::time::Duration;

use stormdoor::clock::{Clock, ManualClock, SystemClock};
use stormdoor::identity::second_factor::passkey::example::Authenticator;

use crate::world::authenticator;
use crate::world::browser::{Browser, Page};
use crate::world::mailbox::Mailbox;
use crate::world::{PASSWORD, World};

const SESSION: &str = "__Host-stormdoor";

const SIGN_IN: &[(&str, &str)] = &[("username", "ana"), ("password", PASSWORD)];

/// Who signs up proves the address by mail, if there is any; keepers need a second factor.
const APP: &str = r#"
accounts: { registration: { mode: open }, password: { argon2: { memory_kib: 64, passes: 1 } } }
roles: { keeper: { permissions: ["files:read"], second_factor: required } }
apps:
  whoami:
    host: whoami.localhost
    upstream: builtin:whoami
    routes:
      - { path: /api/**, allow: ["conversation:read"], accept: [api_token] }
      - { path: /**, access: signed_in }
"#;

async fn world() -> World {
    World::with(APP).await
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
    let at = SystemClock.now() + Duration::from_secs(30 * steps);
    authenticator::code(&secret.replace(' ', ""), at)
}

/// The path of the link in a mail.
fn link_in(text: &str) -> String {
    let (_, rest) = text.split_once("https://localhost").expect("a link");
    rest.split_whitespace().next().expect("a path").to_owned()
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
async fn several_tabs_each_arrive_where_they_were_going() {
    let world = world().await;
    world.add_user("ana@example.org", &["viewer"]).await;
    let mut browser = world.browser();
    let mut tabs = Vec::new();
    for number in 0..8 {
        let path = format!("/{number}");
        tabs.push((browser.open("whoami.localhost", &path).await, path));
    }

    for (tab, path) in tabs.iter().rev() {
        let page = browser.submit(tab, SIGN_IN).await;
        assert_eq!((page.path().as_str(), page.status), (path.as_str(), 200));
    }
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

    assert!(!page.text.contains("<script>"), "{}", page.text);
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
async fn pages_run_no_script_but_ours_and_cannot_be_framed() {
    let world = world().await;
    let mut browser = world.browser();
    let page = browser.open("localhost", "/auth/sign-in").await;
    let policy = page.header("content-security-policy");
    for part in
        ["default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"]
    {
        assert!(policy.contains(part), "{policy}");
    }
    assert!(!policy.contains("unsafe"), "{policy}");
    assert_eq!(page.text.matches("<script").count(), 1, "the one for passkeys");
    let script = page.between("<script src=\"", "\"").remove(0);
    let script = browser.open("localhost", &script).await;
    assert_eq!(script.header("content-type"), "text/javascript; charset=utf-8");
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

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_demands_a_second_factor_has_it_enrolled_on_the_way() {
    let world = world().await;
    world.add_user("ana@example.org", &["keeper"]).await;
    let mut browser = world.browser();
    let page = browser.open("whoami.localhost", "/report").await;
    let page = browser.submit(&page, SIGN_IN).await;
    assert!(page.path().starts_with("/auth/sign-in/enrol?flow="), "{}", page.path());
    assert!(browser.cookie("localhost", SESSION).is_none(), "not signed in yet");

    let page = browser.submit(&page, &[]).await;
    let secret = secret_on(&page);
    assert!(page.text.contains("<svg") && !page.text.contains("<?xml"), "{}", page.text);
    let page = browser.submit(&page, &[("code", "000000")]).await;
    assert_eq!(page.status, 401);
    assert_eq!(secret_on(&page), secret, "the app has scanned this one");
    let page = browser.submit(&page, &[("code", &code_of(&secret, 0))]).await;

    assert_eq!(page.status, 200, "{page:?}");
    assert_eq!(page.between("<li><code>", "</code>").len(), 10);
    assert!(browser.cookie("localhost", SESSION).is_some());
    let onward = page.between("class=\"button\" href=\"", "\"").remove(0);
    let page = browser.open("localhost", &onward).await;
    assert_eq!((page.path().as_str(), page.status), ("/report", 200));
}

/// Somebody with an authenticator app, its secret, and recovery codes.
async fn with_app(world: &World) -> (String, Vec<String>) {
    world.add_user("ana@example.org", &["viewer"]).await;
    let mut browser = signed_in(world).await;
    let page = browser.open("localhost", "/auth/account/second-factor").await;
    let page = browser.submit(&page, &[]).await;
    let secret = secret_on(&page);
    let page = browser.submit(&page, &[("code", &code_of(&secret, 0))]).await;
    assert_eq!(page.status, 200, "{page:?}");
    (secret, page.between("<li><code>", "</code>"))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_second_factor_is_asked_for_after_the_password_and_before_the_session() {
    let world = world().await;
    let (secret, codes) = with_app(&world).await;
    let mut browser = world.browser();
    let page = browser.open("localhost", "/auth/sign-in?next=/auth/account/sessions").await;
    let page = browser.submit(&page, SIGN_IN).await;
    assert_eq!(page.path(), "/auth/sign-in/second-factor?next=/auth/account/sessions");
    assert!(browser.cookie("localhost", SESSION).is_none());

    let page = browser.submit(&page, &[("code", "000000")]).await;
    assert_eq!(page.status, 401);
    assert!(page.text.contains("id=\"code-error\" role=\"alert\""), "{}", page.text);
    let page = browser.submit(&page, &[("code", &code_of(&secret, 1))]).await;
    assert_eq!(page.path(), "/auth/account/sessions");
    assert!(browser.cookie("localhost", "__Host-stormdoor-pending").is_none());

    let mut without_phone = world.browser();
    let page = without_phone.open("localhost", "/auth/sign-in").await;
    without_phone.submit(&page, SIGN_IN).await;
    let page = without_phone.open("localhost", "/auth/sign-in/second-factor?recovery=1").await;
    let page = without_phone.submit(&page, &[("recovery_code", &codes[0])]).await;
    assert_eq!(page.path(), "/auth/account");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_factor_without_a_password_before_it_leads_back_to_the_beginning() {
    let world = world().await;
    let mut browser = world.browser();
    for path in ["/auth/sign-in/second-factor", "/auth/sign-in/enrol"] {
        let page = browser.open("localhost", path).await;
        assert_eq!(page.path(), "/auth/sign-in?done=over", "{path}");
        assert!(page.text.contains("role=\"status\""), "{}", page.text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_proves_it_again_gets_another_cookie_and_goes_on() {
    let world = world().await;
    let (secret, _) = with_app(&world).await;
    let mut browser = world.browser();
    let page = browser.open("localhost", "/auth/sign-in").await;
    let page = browser.submit(&page, SIGN_IN).await;
    browser.submit(&page, &[("code", &code_of(&secret, 1))]).await;
    let before = browser.cookie("localhost", SESSION).unwrap().to_owned();
    // The next step's code cannot be waited for here: a wrong one shows the form again.
    let page = browser.open("localhost", "/auth/step-up?next=/auth/account/erase").await;
    let page = browser.submit(&page, &[("code", "000000")]).await;
    assert_eq!(page.status, 401);
    assert_eq!(browser.cookie("localhost", SESSION), Some(before.as_str()));

    let (_, codes) = with_codes(&mut browser).await;
    let page = browser.open("localhost", "/auth/step-up?recovery=1&next=/auth/account/erase").await;
    let page = browser.submit(&page, &[("recovery_code", &codes[0])]).await;

    assert_eq!((page.path().as_str(), page.status), ("/auth/account/erase", 200));
    assert_ne!(browser.cookie("localhost", SESSION), Some(before.as_str()));
    let after = browser.cookie("localhost", SESSION).unwrap().to_owned();
    let old = world
        .client()
        .get(world.url("localhost", "/auth/me"))
        .header("cookie", format!("{SESSION}={before}"));
    assert_eq!(old.send().await.unwrap().status(), 401, "the one before is worth nothing");
    assert_ne!(before, after);
}

/// New recovery codes for whoever is signed in.
async fn with_codes(browser: &mut Browser) -> (Page, Vec<String>) {
    let page = browser.open("localhost", "/auth/account/second-factor").await;
    let page = browser.submit_step(&page, "renew").await;
    let codes = page.between("<li><code>", "</code>");
    assert_eq!(codes.len(), 10, "{page:?}");
    (page, codes)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_protects_the_account_is_changed_by_whoever_proved_it_lately_only() {
    let clock = ManualClock::at(SystemClock.now());
    let mailbox = Mailbox::start().await;
    let world = World::with_mail_at(APP, &mailbox, clock.clone()).await;
    world.add_user("ana@example.org", &["viewer"]).await;
    let mut browser = signed_in(&world).await;
    let proved = ["/auth/account/email", "/auth/account/tokens/new", "/auth/account/devices/new"];
    for path in proved {
        assert_eq!(browser.open("localhost", path).await.status, 200, "{path}");
    }

    clock.advance(Duration::from_mins(16));
    for path in proved {
        let page = browser.open("localhost", path).await;
        assert_eq!(page.path(), format!("/auth/sign-in?again=1&next={path}"));
    }
    let page = browser.open("localhost", "/auth/account/email").await;

    assert_eq!(page.path(), "/auth/sign-in?again=1&next=/auth/account/email");
    let before = browser.cookie("localhost", SESSION).unwrap().to_owned();
    let page = browser.submit(&page, SIGN_IN).await;
    assert_eq!((page.path().as_str(), page.status), ("/auth/account/email", 200));
    assert_ne!(browser.cookie("localhost", SESSION), Some(before.as_str()));
    let page = browser.open("localhost", "/auth/account/sessions").await;
    assert_eq!(page.text.matches("this browser").count(), 1);
    assert_eq!(page.between("<li>\n<h2>", "</h2>").len(), 1, "one browser, one session");
}

#[tokio::test(flavor = "multi_thread")]
async fn looking_at_a_mailed_link_does_nothing_and_sending_its_form_does() {
    let mailbox = Mailbox::start().await;
    let world = World::with_mail(APP, &mailbox).await;
    let mut browser = world.browser();
    let page = browser.open("localhost", "/auth/sign-up").await;
    let typed = [
        ("email", "ana@example.org"),
        ("new_username", "ana"),
        ("full_name", "<b>Ana</b>"),
        ("new_password", PASSWORD),
    ];
    let page = browser.submit(&page, &typed).await;
    assert_eq!(page.path(), "/auth/sign-up?done=yes");
    let link = link_in(&mailbox.next_to("ana@example.org").await.text);

    for _ in 0..3 {
        assert_eq!(browser.open("localhost", &link).await.status, 200);
    }
    let page = browser.open("localhost", "/auth/sign-in").await;
    assert_eq!(browser.submit(&page, SIGN_IN).await.status, 401, "not proven by looking");
    let page = browser.open("localhost", &link).await;
    let wrong = browser.submit(&page, &[("password", "not-the-password")]).await;
    assert_eq!(wrong.status, 403);
    let page = browser.submit(&wrong, &[("password", PASSWORD)]).await;
    assert_eq!(page.status, 200, "{page:?}");

    let mut browser = signed_in(&world).await;
    let page = browser.open("localhost", "/auth/account").await;
    assert!(page.text.contains("value=\"&#60;b&#62;Ana&#60;/b&#62;\""), "{}", page.text);
    let page = browser.open("localhost", "/auth/account/email").await;
    let page = browser.submit(&page, &[("email", "lovelace@example.org")]).await;
    assert_eq!(page.path(), "/auth/account/email?done=email-asked");
    let asked = mailbox.next_to("ana@example.org").await.text;
    let agree = link_in(&asked);
    let cancel = agree.replace("agree-email", "cancel-email");
    assert!(asked.contains(&cancel), "{asked}");
    let page = browser.open("localhost", &agree).await;
    assert!(browser.open("localhost", "/auth/account").await.text.contains("ana@example.org"));
    let page = browser.submit(&page, &[]).await;
    assert_eq!(page.status, 200, "{page:?}");
    let confirm = link_in(&mailbox.next_to("lovelace@example.org").await.text);
    for link in [&confirm, &cancel] {
        assert_eq!(browser.open("localhost", link).await.status, 200, "{link}");
    }
    assert!(browser.open("localhost", "/auth/account").await.text.contains("ana@example.org"));
    let page = browser.open("localhost", &confirm).await;
    let page = browser.submit(&page, &[]).await;
    assert_eq!(page.status, 200, "{page:?}");
    assert!(browser.open("localhost", "/auth/account").await.text.contains("lovelace@example.org"));
    let page = browser.open("localhost", &cancel).await;
    let page = browser.submit(&page, &[]).await;
    assert_eq!(page.status, 200, "{page:?}");
    let page = browser.open("localhost", "/auth/account").await;
    assert_eq!(page.path(), "/auth/sign-in?next=/auth/account", "every session ended");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forgotten_password_is_set_anew_by_mail() {
    let mailbox = Mailbox::start().await;
    let world = World::with_mail(APP, &mailbox).await;
    world.add_user("ana@example.org", &["viewer"]).await;
    let mut browser = world.browser();
    let forgot = browser.open("localhost", "/auth/forgot-password").await;
    let nobody = browser.submit(&forgot, &[("email", "nobody@example.org")]).await;
    let somebody = browser.submit(&forgot, &[("email", "ana@example.org")]).await;
    assert_eq!(nobody.text, somebody.text, "it does not tell who has an account");

    let link = link_in(&mailbox.next_to("ana@example.org").await.text);
    let page = browser.open("localhost", &link).await;
    let weak = browser.submit(&page, &[("new_password", "password")]).await;
    assert_eq!(weak.status, 422);
    assert!(weak.text.contains("id=\"new_password-error\""), "{}", weak.text);
    let fresh = "another-horse-battery-staple-43";
    let page = browser.submit(&weak, &[("new_password", fresh)]).await;

    assert_eq!(page.path(), "/auth/sign-in?done=password-reset");
    let page = browser.submit(&page, &[("username", "ana"), ("password", fresh)]).await;
    assert_eq!(page.path(), "/auth/account");
    let page = browser.open("localhost", &link).await;
    let page = browser.submit(&page, &[("new_password", "a third horse battery 44")]).await;
    assert_eq!(page.status, 410, "a link works once");
}

#[tokio::test(flavor = "multi_thread")]
async fn people_look_after_their_account() {
    let world = world().await;
    world.add_user("ana@example.org", &["viewer"]).await;
    let mut other = signed_in(&world).await;
    let mut browser = signed_in(&world).await;

    let page = browser.open("localhost", "/auth/account").await;
    let page = browser.submit(&page, &[("full_name", "Ana Lovelace")]).await;
    assert!(page.text.contains("Saved.") && page.text.contains("Ana Lovelace"), "{}", page.text);
    assert!(page.text.contains(" UTC</time>"), "{}", page.text);
    let script = page.between("<script src=\"", "\"").remove(0);
    let script = browser.open("localhost", &script).await;
    assert_eq!(script.header("content-type"), "text/javascript; charset=utf-8");

    let page = browser.open("localhost", "/auth/account/devices/new").await;
    let evil = "<img src=x onerror=alert(1)>";
    let page = browser.submit(&page, &[("device_name", evil)]).await;
    assert_eq!(page.status, 200, "{page:?}");
    let secret = secret_on(&page);
    let page = browser.open("localhost", "/auth/account/devices").await;
    assert!(!page.text.contains(&secret), "it is shown once");
    assert!(!page.text.contains("<img"), "{}", page.text);
    let page = browser.submit(&page, &[]).await;
    assert!(page.text.contains("The device is removed."), "{}", page.text);

    let page = browser.open("localhost", "/auth/account/sessions").await;
    assert_eq!(page.between("<li>\n<h2>", "</h2>").len(), 2);
    let page = browser.submit(&page, &[]).await;
    assert_eq!(page.path(), "/auth/account/sessions?done=ended");
    let ended = other.open("localhost", "/auth/account").await;
    assert!(ended.path().starts_with("/auth/sign-in?next="), "{}", ended.path());

    let page = browser.open("localhost", "/auth/account/password").await;
    let typed = [("password", PASSWORD), ("new_password", "another-horse-battery-staple-43")];
    let page = browser.submit(&page, &typed).await;
    assert_eq!(page.path(), "/auth/account/password?done=password");

    let page = browser.open("localhost", "/auth/account/erase").await;
    let page = browser.submit(&page, &[("word", "yes")]).await;
    assert_eq!(page.status, 422);
    let page = browser.submit(&page, &[("word", "erase")]).await;
    assert_eq!(page.status, 200, "{page:?}");
    assert!(browser.cookie("localhost", SESSION).is_none());
}

/// What an app answers to a program with this token.
async fn status_with(world: &World, token: &str) -> u16 {
    let request = world.client().get(world.url("whoami.localhost", "/api/x"));
    request.bearer_auth(token).send().await.unwrap().status().as_u16()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_token_is_made_for_what_its_owner_may_and_taken_away_again() {
    let world = world().await;
    world.add_user("ana@example.org", &["viewer"]).await;
    let mut browser = signed_in(&world).await;
    let new = browser.open("localhost", "/auth/account/tokens/new").await;
    let offered = new.between("name=\"permission\" value=\"", "\"");
    assert_eq!(offered, ["conversation:read", "message:read"], "what viewers may");

    let typed = [("device_name", "backup"), ("days", "30")];
    let refused = browser.submit(&new, &typed).await;
    assert_eq!(refused.status, 422, "for nothing at all");
    assert!(refused.text.contains("id=\"permission-error\" role=\"alert\""), "{}", refused.text);
    assert!(refused.text.contains("value=\"backup\""), "{}", refused.text);
    assert!(refused.text.contains("<option value=\"30\" selected>"), "{}", refused.text);
    let beyond = [("device_name", "backup"), ("days", "30"), ("permission", "user:write")];
    assert_eq!(browser.submit(&new, &beyond).await.status, 403, "what the page does not offer");
    let wrong = [("device_name", "backup"), ("days", "1"), ("permission", "message:read")];
    assert_eq!(browser.submit(&new, &wrong).await.status, 422, "nor this");

    let typed = [
        ("device_name", "backup"),
        ("days", "30"),
        ("permission", "conversation:read"),
        ("permission", "message:read"),
    ];
    let forged = browser.submit_from("cross-site", &new, &typed).await;
    assert_eq!(forged.status, 403);
    let made = browser.submit(&new, &typed).await;
    assert_eq!(made.status, 200, "{made:?}");
    let token = secret_on(&made);
    assert!(token.starts_with("sdt_"), "{token}");
    assert_eq!(status_with(&world, &token).await, 200);

    let list = browser.open("localhost", "/auth/account/tokens").await;
    assert!(!list.text.contains(&token), "it is shown once");
    assert_eq!(list.between("<li>\n<h2>", "</h2>"), ["backup"], "of them all, one was made");
    assert!(list.text.contains("<dd>conversation:read, message:read</dd>"), "{}", list.text);
    assert!(list.text.contains("<dt>Ends</dt><dd><time datetime="), "{}", list.text);
    let devices = browser.open("localhost", "/auth/account/devices").await;
    assert!(!devices.text.contains("backup"), "{}", devices.text);
    let list = browser.submit(&list, &[]).await;
    assert!(list.text.contains("The token is removed."), "{}", list.text);
    assert_eq!(status_with(&world, &token).await, 401, "at once");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_token_of_the_page_ends_on_its_day() {
    let clock = ManualClock::at(SystemClock.now());
    let world = World::with_clock(APP, clock.clone()).await;
    world.add_user("ana@example.org", &["viewer"]).await;
    let mut browser = signed_in(&world).await;
    let page = browser.open("localhost", "/auth/account/tokens/new").await;
    let typed = [("device_name", "backup"), ("days", "7"), ("permission", "conversation:read")];
    let token = secret_on(&browser.submit(&page, &typed).await);
    for (days, status) in [(6, 200), (1, 401)] {
        clock.advance(Duration::from_hours(24 * days));
        assert_eq!(status_with(&world, &token).await, status);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_may_everything_can_make_a_token_that_may_little() {
    let world = world().await;
    world.add_user("ana@example.org", &["superadmin"]).await;
    let mut browser = signed_in(&world).await;
    let page = browser.open("localhost", "/auth/account/tokens/new").await;
    let offered = page.between("name=\"permission\" value=\"", "\"");
    for one in ["*:*", "files:read", "user:*"] {
        assert!(offered.iter().any(|text| text == one), "{one} in {offered:?}");
    }
    let typed = |others| [("device_name", "report"), ("days", ""), ("other_permissions", others)];
    let refused = browser.submit(&page, &typed("report")).await;
    assert_eq!(refused.status, 422);
    assert!(refused.text.contains("id=\"other_permissions-error\""), "{}", refused.text);
    let made = browser.submit(&refused, &typed("report:read  report:list")).await;
    assert_eq!(made.status, 200, "{made:?}");
    let list = browser.open("localhost", "/auth/account/tokens").await;
    assert!(list.text.contains("<dd>report:list, report:read</dd>"), "{}", list.text);
    assert!(list.text.contains("<dd>when not used for"), "{}", list.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_of_the_account_from_another_site_changes_nothing() {
    let world = world().await;
    world.add_user("ana@example.org", &["viewer"]).await;
    let mut browser = signed_in(&world).await;
    let page = browser.open("localhost", "/auth/account").await;
    let typed = [("full_name", "Mallory")];

    let refused = browser.submit_from("cross-site", &page, &typed).await;

    assert_eq!(refused.status, 403);
    assert!(refused.header("content-type").starts_with("text/html"), "{refused:?}");
    let mut page = browser.open("localhost", "/auth/account").await;
    assert!(!page.text.contains("Mallory"));
    page.text = page.text.replace("name=\"form_token\" value=\"", "name=\"form_token\" value=\"x");
    assert_eq!(browser.submit(&page, &typed).await.status, 403);
    let page = browser.open("localhost", "/auth/account").await;
    assert!(!page.text.contains("Mallory"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_administrator_is_made_in_the_browser() {
    let world = world().await;
    let code = world.gateway.setup_code().expect("a code on the first start");
    let code = code.expose_for_terminal().expose().clone();
    let mut browser = world.browser();
    let page = browser.open("localhost", "/auth/setup").await;
    let typed =
        |code| [("setup_code", code), ("email", "ana@example.org"), ("new_password", PASSWORD)];
    let wrong = browser.submit(&page, &typed("AAAA-BBBB")).await;
    assert!(wrong.text.contains("id=\"setup_code-error\""), "{}", wrong.text);
    let page = browser.submit(&wrong, &typed(&code)).await;
    assert_eq!(page.path(), "/auth/sign-in?done=set-up");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_passkey_is_added_and_then_opens_the_door_alone_or_after_the_password() {
    const ORIGIN: &str = "https://localhost";
    let world = world().await;
    world.add_user("ana@example.org", &["viewer"]).await;
    let mut browser = signed_in(&world).await;
    let mut authenticator = Authenticator::es256();
    let page = browser.open("localhost", "/auth/account/second-factor").await;
    let without = ["Without a second factor", "<noscript>"];
    assert!(without.iter().all(|text| page.text.contains(text)), "{}", page.text);
    let made = authenticator.create(&page.passkey_options("create"), ORIGIN).json();
    let typed = [("name", "blue key")];
    let codes = browser.submit_passkey(&page, "create", made, &typed).await;
    assert_eq!(codes.between("<li><code>", "</code>").len(), 10, "{codes:?}");
    let page = browser.open("localhost", "/auth/account/second-factor").await;
    assert!(page.text.contains("blue key"));
    assert!(!page.text.contains("Without a second factor"), "a passkey is one: {}", page.text);

    // Alone: no name, no password.
    let mut browser = world.browser();
    let page = browser.open("localhost", "/auth/sign-in").await;
    let answer = authenticator.get(&page.passkey_options("get"), ORIGIN).json();
    let page = browser.submit_passkey(&page, "get", answer.clone(), &[]).await;
    assert_eq!((page.status, page.path().as_str()), (200, "/auth/account"));

    // The answer to a challenge is good once.
    let mut thief = world.browser();
    let page = thief.open("localhost", "/auth/sign-in").await;
    let page = thief.submit_passkey(&page, "get", answer, &[]).await;
    assert_eq!(page.status, 401);
    assert!(thief.cookie("localhost", SESSION).is_none());

    // After the password, and again for what asks for a fresh one.
    let mut browser = world.browser();
    let page = browser.open("localhost", "/auth/sign-in").await;
    let page = browser.submit(&page, SIGN_IN).await;
    assert!(page.path().starts_with("/auth/sign-in/second-factor"), "{page:?}");
    let answer = authenticator.get(&page.passkey_options("get"), ORIGIN).json();
    let page = browser.submit_passkey(&page, "get", answer, &[]).await;
    assert_eq!((page.status, page.path().as_str()), (200, "/auth/account"));
    let before = browser.cookie("localhost", SESSION).map(str::to_owned);
    let page = browser.open("localhost", "/auth/step-up").await;
    let answer = authenticator.get(&page.passkey_options("get"), ORIGIN).json();
    browser.submit_passkey(&page, "get", answer, &[]).await;
    assert_ne!(browser.cookie("localhost", SESSION).map(str::to_owned), before);
}
