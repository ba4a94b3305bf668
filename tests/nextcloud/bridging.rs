//! Section 3.1: whom an injected credential acts as, what it leaves behind, and that a session cookie wins.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::caller::{Ask, Said, started};
use crate::nextcloud_stand_in::NextcloudStandIn;
use crate::nextcloud_stand_in::settings::Generation::{V29, V34};
use crate::nextcloud_stand_in::settings::Settings;
use crate::nextcloud_stand_in::state::Means;

const STRONG: &str = "a long enough word";

async fn with_two_users() -> NextcloudStandIn {
    let settings = Settings {
        app_api: Some(("door".to_owned(), "app secret".to_owned())),
        ..Settings::default()
    };
    let stand_in = NextcloudStandIn::start(V34, settings).await.unwrap();
    stand_in.add_user("alice", STRONG);
    stand_in.add_user("bob", STRONG);
    stand_in
}

fn app_api(ask: Ask, user: &str, secret: &str) -> Ask {
    let pair = STANDARD.encode(format!("{user}:{secret}"));
    ask.with("EX-APP-ID", "door").with("EX-APP-VERSION", "1.0").with("AUTHORIZATION-APP-API", &pair)
}

/// What puts a credential on a request.
type Credential<'a> = dyn Fn(Ask) -> Ask + 'a;

/// A page, an API call and a WebDAV request with this credential.
async fn everywhere(stand_in: &NextcloudStandIn, credential: impl Fn(Ask) -> Ask) -> Vec<Said> {
    let mut answers = Vec::new();
    for (method, target) in [
        ("GET", "/ocs/v2.php/cloud/user?format=json"),
        ("PROPFIND", "/remote.php/dav/"),
        ("GET", "/index.php/apps/files/"),
    ] {
        let ask = Ask::new(stand_in, method, target).with("OCS-APIRequest", "true");
        answers.push(credential(ask).send().await);
    }
    answers
}

#[tokio::test]
async fn every_means_works_everywhere_and_answers_tell_the_user() {
    let stand_in = with_two_users().await;
    let token = stand_in.add_app_password("alice", "test");
    let checks: [(&str, Box<Credential<'_>>); 4] = [
        ("Basic, app password", Box::new(|ask| ask.basic("alice", &token))),
        ("Basic, real password", Box::new(|ask| ask.basic("alice", STRONG))),
        ("Bearer, app password", Box::new(|ask| ask.bearer(&token))),
        ("AppAPI", Box::new(|ask| app_api(ask, "alice", "app secret"))),
    ];
    for (means, credential) in checks {
        for said in everywhere(&stand_in, credential).await {
            assert!(said.status < 300, "{means}: {said:?}");
            assert_eq!(said.header("x-user-id"), "alice", "{means}");
        }
    }
}

#[tokio::test]
async fn passwords_leave_a_session_and_an_external_app_leaves_none() {
    let stand_in = with_two_users().await;
    let token = stand_in.add_app_password("alice", "test");
    let page = || Ask::new(&stand_in, "GET", "/index.php/apps/files/");
    for (said, left) in [
        (page().basic("alice", &token).send().await, 200),
        (page().basic("alice", STRONG).send().await, 200),
        (page().bearer(&token).send().await, 200),
        (app_api(page(), "alice", "app secret").send().await, 401),
    ] {
        assert_eq!(said.status, 200);
        assert_eq!(page().with("Cookie", &said.cookies()).send().await.status, left);
    }
}

#[tokio::test]
async fn a_session_cookie_of_one_user_wins_over_any_header_of_another() {
    for generation in [V34, V29] {
        let settings = Settings {
            app_api: Some(("door".to_owned(), "app secret".to_owned())),
            ..Settings::default()
        };
        let stand_in = NextcloudStandIn::start(generation, settings).await.unwrap();
        stand_in.add_user("alice", STRONG);
        stand_in.add_user("bob", STRONG);
        let token = stand_in.add_app_password("bob", "test");
        let first =
            Ask::new(&stand_in, "PROPFIND", "/remote.php/dav/").basic("alice", STRONG).send().await;
        let cookies = first.cookies();
        let checks: [Box<Credential<'_>>; 4] = [
            Box::new(|ask: Ask| ask.basic("bob", STRONG)),
            Box::new(|ask: Ask| ask.bearer(&token)),
            Box::new(|ask: Ask| app_api(ask, "bob", "app secret")),
            Box::new(|ask: Ask| ask.basic("bob", "wrong")),
        ];
        for credential in checks {
            let both = |ask| credential(ask).with("Cookie", &cookies);
            for said in everywhere(&stand_in, both).await {
                assert_eq!(said.header("x-user-id"), "alice", "{generation:?}");
            }
        }
        assert!(stand_in.seen().last().unwrap().by_cookie);
    }
}

#[tokio::test]
async fn a_login_sets_several_lines_of_one_cookie_and_the_last_is_live() {
    let stand_in = with_two_users().await;
    let said =
        Ask::new(&stand_in, "GET", "/index.php/apps/files/").basic("alice", STRONG).send().await;
    let lines = said.headers.get_all("set-cookie").iter().map(|line| line.to_str().unwrap());
    let name = format!("{}=", stand_in.instance_id());
    let ids: Vec<&str> =
        lines.filter_map(|line| line.strip_prefix(&name)?.split(';').next()).collect();
    assert_eq!(ids.len(), 3);
    let passphrase =
        said.cookies().split("; ").find(|pair| pair.starts_with("oc_")).unwrap().to_owned();
    for (id, status) in ids.iter().zip([401, 401, 200]) {
        let ask = Ask::new(&stand_in, "GET", "/index.php/apps/files/");
        let cookies = format!("{name}{id}; {passphrase}");
        assert_eq!(ask.with("Cookie", &cookies).send().await.status, status);
    }
    let ask = Ask::new(&stand_in, "GET", "/index.php/apps/files/");
    let alone = ask.with("Cookie", &format!("{name}{}", ids[2])).send().await;
    assert_eq!(alone.status, 401, "a session without its passphrase is nobody's");
}

#[tokio::test]
async fn over_https_cookies_are_secure_and_two_have_the_host_prefix() {
    let stand_in = started(V34).await;
    let ask = Ask::new(&stand_in, "GET", "/index.php/login").with("X-Forwarded-Proto", "https");
    let said = ask.send().await;
    let lines: Vec<&str> =
        said.headers.get_all("set-cookie").iter().map(|line| line.to_str().unwrap()).collect();
    assert_eq!(lines.len(), 4);
    assert!(lines.iter().all(|line| line.contains("secure")), "{lines:?}");
    assert!(lines[2].starts_with("__Host-nc_sameSiteCookielax=true; path=/;"));
    assert!(lines[3].starts_with("__Host-nc_sameSiteCookiestrict=true; path=/;"));
}

#[tokio::test]
async fn writes_of_the_web_interface_need_the_request_token_and_its_cookies() {
    let stand_in = with_two_users().await;
    let page =
        Ask::new(&stand_in, "GET", "/index.php/apps/files/").basic("alice", STRONG).send().await;
    let cookies = page.cookies();
    let token =
        Ask::new(&stand_in, "GET", "/index.php/csrftoken").with("Cookie", &cookies).send().await;
    let token = token.json()["token"].as_str().unwrap().to_owned();
    let write = || Ask::new(&stand_in, "PUT", "/index.php/apps/files/api/v1/showhidden");
    for (ask, status) in [
        (write().with("Cookie", &cookies).with("requesttoken", &token), 200),
        (write().with("Cookie", &cookies), 412),
        (write().with("Cookie", &cookies).with("requesttoken", "x:y"), 412),
        (write().basic("alice", STRONG).with("requesttoken", &token), 412),
    ] {
        assert_eq!(ask.send().await.status, status);
    }
}

#[tokio::test]
async fn on_webdav_a_browsers_session_needs_the_request_token_and_basic_does_not() {
    let stand_in = with_two_users().await;
    let page =
        Ask::new(&stand_in, "GET", "/index.php/apps/files/").basic("alice", STRONG).send().await;
    let token = Ask::new(&stand_in, "GET", "/index.php/csrftoken")
        .with("Cookie", &page.cookies())
        .send()
        .await;
    let token = token.json()["token"].as_str().unwrap().to_owned();
    let put = || Ask::new(&stand_in, "PUT", "/remote.php/dav/files/alice/a.txt").body("a");
    assert_eq!(put().with("Cookie", &page.cookies()).send().await.status, 401);
    let with_token = put().with("Cookie", &page.cookies()).with("requesttoken", &token);
    assert_eq!(with_token.send().await.status, 201);
    assert_eq!(put().basic("alice", STRONG).send().await.status, 204);
    let both = put().basic("bob", STRONG).with("Cookie", &page.cookies()).send().await;
    assert_eq!(
        (both.status, both.header("x-user-id")),
        (204, "alice"),
        "the header spares the token"
    );
    let official =
        put().with("Cookie", &page.cookies()).with("User-Agent", "Mozilla/5.0 mirall/3.7.3");
    assert_eq!(official.send().await.status, 204);
}

#[tokio::test]
async fn the_login_form_wants_its_token_and_an_origin_of_a_trusted_domain() {
    let stand_in = with_two_users().await;
    let form = Ask::new(&stand_in, "GET", "/index.php/login").send().await;
    assert_eq!(form.header("referrer-policy"), "same-origin");
    let token = form.text.split("data-requesttoken=\"").nth(1).unwrap().split('"').next().unwrap();
    let here = stand_in.url();
    for (origin, shown, password, location) in [
        (None, token, STRONG, "/index.php/login?"),
        (Some("null"), token, STRONG, "/index.php/login?"),
        (Some("https://evil.example.test"), token, STRONG, "/index.php/login?"),
        (Some(here.as_str()), "x:y", STRONG, "/index.php/login?"),
        (Some(here.as_str()), token, "wrong", "/index.php/login?"),
        (Some(here.as_str()), token, STRONG, "/index.php/apps/dashboard/"),
    ] {
        let fields = [("user", "alice"), ("password", password), ("requesttoken", shown)];
        let mut ask =
            Ask::new(&stand_in, "POST", "/index.php/login").with("Cookie", &form.cookies());
        if let Some(origin) = origin {
            ask = ask.with("Origin", origin);
        }
        let said = ask.form(&fields).send().await;
        assert_eq!(said.status, 303);
        assert!(said.header("location").starts_with(location), "{origin:?} {password}: {said:?}");
        if location.contains("dashboard") {
            let mut cookies = said.cookies();
            assert!(cookies.contains("nc_session_id="));
            cookies.push_str("; ");
            cookies.push_str(
                &form
                    .cookies()
                    .split("; ")
                    .filter(|pair| !pair.starts_with(stand_in.instance_id()))
                    .collect::<Vec<_>>()
                    .join("; "),
            );
            let page =
                Ask::new(&stand_in, "GET", "/apps/files/").with("Cookie", &cookies).send().await;
            assert_eq!((page.status, page.header("x-user-id")), (200, "alice"));
        }
    }
}

#[tokio::test]
async fn pages_send_browsers_to_the_login_form_and_tell_programs_401() {
    let stand_in = started(V34).await;
    let ask = Ask::new(&stand_in, "GET", "/index.php/apps/files/").with("Accept", "text/html,*/*");
    let said = ask.send().await;
    assert_eq!(said.status, 303);
    assert_eq!(
        said.header("location"),
        "/index.php/login?redirect_url=%2Findex.php%2Fapps%2Ffiles%2F"
    );
    assert_eq!(Ask::new(&stand_in, "GET", "/index.php/apps/files/").send().await.status, 401);
}

#[tokio::test]
async fn a_disabled_account_is_401_on_the_api_and_503_on_webdav() {
    let stand_in = with_two_users().await;
    let token = stand_in.add_app_password("alice", "test");
    stand_in.change_user("alice", |alice| alice.enabled = false);
    for password in [STRONG, token.as_str()] {
        let said =
            Ask::api(&stand_in, "GET", "v2.php/cloud/user").basic("alice", password).send().await;
        assert_eq!(said.both(), (401, 997));
        let ask = Ask::new(&stand_in, "PROPFIND", "/remote.php/dav/files/alice");
        let said = ask.basic("alice", password).send().await;
        assert_eq!(said.status, 503);
        assert!(said.text.contains("Account disabled"));
    }
    let ask = Ask::new(&stand_in, "PROPFIND", "/remote.php/dav/files/alice").bearer(&token);
    assert_eq!(ask.send().await.status, 503);
}

#[tokio::test]
async fn an_external_app_with_a_wrong_secret_is_nobody_and_may_never_write_users() {
    let stand_in = with_two_users().await;
    let ask = || Ask::api(&stand_in, "GET", "v2.php/cloud/user");
    assert_eq!(app_api(ask(), "alice", "wrong").send().await.both(), (401, 997));
    let write = Ask::api(&stand_in, "DELETE", "v2.php/cloud/users/alice");
    assert_eq!(app_api(write, "admin", "app secret").send().await.both(), (403, 403));
    app_api(ask(), "alice", "app secret").send().await;
    assert_eq!(stand_in.take_seen().last().unwrap().means, Some(Means::AppApi));
}

#[tokio::test]
async fn the_first_login_is_slow_and_copies_the_skeleton() {
    let settings =
        Settings { first_login_takes: Duration::from_millis(300), ..Settings::default() };
    let stand_in = NextcloudStandIn::start(V34, settings).await.unwrap();
    stand_in.add_user("alice", STRONG);
    assert_eq!(stand_in.file("alice", "Readme.md"), None);
    let get = || {
        Ask::new(&stand_in, "GET", "/remote.php/dav/files/alice/Readme.md").basic("alice", STRONG)
    };
    let begun = std::time::Instant::now();
    assert_eq!(get().send().await.status, 200);
    assert!(begun.elapsed() >= Duration::from_millis(300));
    assert!(stand_in.user("alice").unwrap().first_login.is_some());
    let begun = std::time::Instant::now();
    assert_eq!(get().send().await.status, 200);
    assert!(begun.elapsed() < Duration::from_millis(300));
}

#[tokio::test]
async fn signing_out_ends_the_session() {
    let stand_in = with_two_users().await;
    let page =
        Ask::new(&stand_in, "GET", "/index.php/apps/files/").basic("alice", STRONG).send().await;
    let token = page.text.split("data-requesttoken=\"").nth(1).unwrap().split('"').next().unwrap();
    let out = Ask::new(&stand_in, "GET", &format!("/index.php/logout?requesttoken={token}"));
    let said = out.with("Cookie", &page.cookies()).send().await;
    assert_eq!(said.status, 303);
    assert!(said.header("location").starts_with("/index.php/login"));
    let again =
        Ask::new(&stand_in, "GET", "/index.php/apps/files/").with("Cookie", &page.cookies());
    assert_eq!(again.send().await.status, 401);
}
