//! Section 2: app passwords and login flow v2.

use std::time::Duration;

use crate::caller::{ADMIN, Ask, PASSWORD, started};
use crate::nextcloud_stand_in::NextcloudStandIn;
use crate::nextcloud_stand_in::settings::Generation::V34;

const STRONG: &str = "a long enough word";

async fn with_alice() -> NextcloudStandIn {
    let stand_in = started(V34).await;
    stand_in.add_user("alice", STRONG);
    stand_in
}

async fn works(stand_in: &NextcloudStandIn, password: &str) -> u16 {
    Ask::api(stand_in, "GET", "v2.php/cloud/user").basic("alice", password).send().await.status
}

async fn fetch(stand_in: &NextcloudStandIn, password: &str) -> (u16, String) {
    let ask = Ask::api(stand_in, "GET", "v2.php/core/getapppassword").with("User-Agent", "a phone");
    let said = ask.basic("alice", password).send().await;
    (said.status, said.data()["apppassword"].as_str().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn the_real_password_fetches_an_app_password_and_an_app_password_does_not() {
    let stand_in = with_alice().await;
    let (status, token) = fetch(&stand_in, STRONG).await;
    assert_eq!((status, token.len()), (200, 72));
    assert_eq!(stand_in.app_passwords_of("alice"), ["a phone"]);
    assert_eq!(works(&stand_in, &token).await, 200);
    assert_eq!(fetch(&stand_in, &token).await.0, 403);
}

#[tokio::test]
async fn an_app_password_deletes_itself_and_the_real_password_has_none_to_delete() {
    let stand_in = with_alice().await;
    let (_, token) = fetch(&stand_in, STRONG).await;
    let delete = |password: &str| {
        Ask::api(&stand_in, "DELETE", "v2.php/core/apppassword").basic("alice", password)
    };
    assert_eq!(delete(STRONG).send().await.status, 403);
    assert_eq!(delete(&token).send().await.status, 200);
    assert_eq!(works(&stand_in, &token).await, 401);
}

#[tokio::test]
async fn a_rotated_app_password_lives_on_for_ten_seconds() {
    let stand_in = with_alice().await;
    let (_, token) = fetch(&stand_in, STRONG).await;
    let ask = Ask::api(&stand_in, "POST", "v2.php/core/apppassword/rotate").basic("alice", &token);
    let fresh = ask.send().await.data()["apppassword"].as_str().unwrap().to_owned();
    assert_eq!(works(&stand_in, &token).await, 200);
    stand_in.advance(Duration::from_secs(11));
    assert_eq!(works(&stand_in, &token).await, 401);
    assert_eq!(works(&stand_in, &fresh).await, 200);
}

#[tokio::test]
async fn a_changed_password_stops_app_passwords_after_five_minutes_until_it_is_used_once() {
    let stand_in = with_alice().await;
    let (_, token) = fetch(&stand_in, STRONG).await;
    let fields = [("key", "password"), ("value", "a quite different word")];
    Ask::ocs(&stand_in, "PUT", "v2.php/cloud/users/alice").form(&fields).send().await;
    stand_in.advance(Duration::from_secs(286));
    assert_eq!(works(&stand_in, &token).await, 200, "at 4:46");
    stand_in.advance(Duration::from_secs(74));
    assert_eq!(works(&stand_in, &token).await, 401, "at 6:00");
    assert_eq!(works(&stand_in, "a quite different word").await, 200);
    assert_eq!(works(&stand_in, &token).await, 200);
}

#[tokio::test]
async fn disabling_for_a_moment_leaves_app_passwords_and_the_check_while_disabled_ends_them() {
    let stand_in = with_alice().await;
    let (_, token) = fetch(&stand_in, STRONG).await;
    let set = |enabled| stand_in.change_user("alice", |alice| alice.enabled = enabled);
    set(false);
    assert_eq!(works(&stand_in, &token).await, 401);
    set(true);
    assert_eq!(works(&stand_in, &token).await, 200);
    set(false);
    stand_in.advance(Duration::from_secs(301));
    assert_eq!(works(&stand_in, &token).await, 401);
    set(true);
    assert_eq!(works(&stand_in, &token).await, 401);
}

#[tokio::test]
async fn the_settings_page_makes_an_app_password_of_five_words() {
    let stand_in = with_alice().await;
    let page =
        Ask::new(&stand_in, "GET", "/index.php/apps/files/").basic("alice", STRONG).send().await;
    let token = page.text.split("data-requesttoken=\"").nth(1).unwrap().split('"').next().unwrap();
    let ask = Ask::new(&stand_in, "POST", "/index.php/settings/personal/authtokens");
    let ask = ask.with("Cookie", &page.cookies()).with("requesttoken", token);
    let said = ask.form(&[("name", "a phone")]).send().await.json();
    assert_eq!(said["loginName"], "alice");
    let word = said["token"].as_str().unwrap();
    assert_eq!(word.split('-').map(str::len).collect::<Vec<_>>(), [5, 5, 5, 5, 5]);
    assert_eq!(works(&stand_in, word).await, 200);
}

#[tokio::test]
async fn login_flow_v2_hands_an_app_password_to_the_one_who_polls_once() {
    let stand_in = with_alice().await;
    let proxied = |ask: Ask| {
        ask.with("X-Forwarded-Proto", "https").with("X-Forwarded-Host", "127.0.0.1:8443")
    };
    let start = Ask::new(&stand_in, "POST", "/index.php/login/v2").with("User-Agent", "a desktop");
    let start = proxied(start).send().await.json();
    assert_eq!(start["poll"]["endpoint"], "https://127.0.0.1:8443/index.php/login/v2/poll");
    let login = start["login"].as_str().unwrap();
    let login = login.strip_prefix("https://127.0.0.1:8443").unwrap();
    let poll = || {
        let ask = proxied(Ask::new(&stand_in, "POST", "/index.php/login/v2/poll"));
        ask.form(&[("token", start["poll"]["token"].as_str().unwrap())])
    };
    assert_eq!(poll().send().await.status, 404);

    // A browser that is signed in opens the page, and grants.
    let page = proxied(Ask::new(&stand_in, "GET", "/index.php/apps/files/"))
        .basic("alice", STRONG)
        .send()
        .await;
    let cookies = page.cookies();
    let browser = |method: &str, target: &str| {
        proxied(Ask::new(&stand_in, method, target)).with("Cookie", &cookies)
    };
    let opened = browser("GET", login).send().await;
    assert_eq!((opened.status, opened.header("location")), (303, "/index.php/login/v2/flow"));
    let picker = browser("GET", opened.header("location")).send().await;
    let state = picker.text.split("stateToken=").nth(1).unwrap().split('"').next().unwrap();
    let token =
        picker.text.split("data-requesttoken=\"").nth(1).unwrap().split('"').next().unwrap();
    let granted = browser("POST", "/index.php/login/v2/grant")
        .form(&[("stateToken", state), ("requesttoken", token)]);
    assert_eq!(granted.send().await.status, 200);

    let done = poll().send().await;
    assert_eq!(done.status, 200);
    assert_eq!(done.json()["server"], "https://127.0.0.1:8443");
    assert_eq!(done.json()["loginName"], "alice");
    assert_eq!(works(&stand_in, done.json()["appPassword"].as_str().unwrap()).await, 200);
    assert_eq!(stand_in.app_passwords_of("alice"), ["a desktop"]);
    assert_eq!(poll().send().await.status, 404);
}

#[tokio::test]
async fn login_flow_v2_takes_an_app_password_that_is_given() {
    let stand_in = with_alice().await;
    let given = stand_in.add_app_password("alice", "given");
    let start = Ask::new(&stand_in, "POST", "/index.php/login/v2").send().await.json();
    let login = start["login"].as_str().unwrap().strip_prefix(&stand_in.url()).unwrap().to_owned();
    let opened = Ask::new(&stand_in, "GET", &login).send().await;
    let cookies = opened.cookies();
    let picker =
        Ask::new(&stand_in, "GET", opened.header("location")).with("Cookie", &cookies).send().await;
    let state = picker.text.split("stateToken=").nth(1).unwrap().split('"').next().unwrap();
    let token =
        picker.text.split("data-requesttoken=\"").nth(1).unwrap().split('"').next().unwrap();
    let fields =
        [("stateToken", state), ("requesttoken", token), ("user", "alice"), ("password", &given)];
    let ask = Ask::new(&stand_in, "POST", "/index.php/login/v2/apptoken").with("Cookie", &cookies);
    assert_eq!(ask.form(&fields).send().await.status, 200);
    let poll = Ask::new(&stand_in, "POST", "/index.php/login/v2/poll");
    let done = poll.form(&[("token", start["poll"]["token"].as_str().unwrap())]).send().await;
    assert_eq!(done.json()["appPassword"], given);
}

#[tokio::test]
async fn a_session_confirms_a_password_for_writes_of_users() {
    let stand_in = with_alice().await;
    let token = stand_in.add_app_password(ADMIN, "browser");
    let page =
        Ask::new(&stand_in, "GET", "/index.php/apps/files/").basic(ADMIN, &token).send().await;
    let disable = || {
        Ask::api(&stand_in, "PUT", "v2.php/cloud/users/alice/disable")
            .with("Cookie", &page.cookies())
    };
    assert_eq!(disable().send().await.status, 403);
    let confirm = Ask::api(&stand_in, "PUT", "v2.php/core/apppassword/confirm")
        .with("Cookie", &page.cookies());
    assert_eq!(confirm.form(&[("password", PASSWORD)]).send().await.status, 200);
    assert_eq!(disable().send().await.status, 200);
    stand_in.advance(Duration::from_mins(31));
    assert_eq!(disable().send().await.status, 403);
}
