//! Sections 4.1, 4.2, 4.4 and 4.5: what a proxy in front meets.

use std::time::Duration;

use serde_json::json;

use crate::caller::{ADMIN, Ask, PASSWORD, create, started};
use crate::nextcloud_stand_in::NextcloudStandIn;
use crate::nextcloud_stand_in::faults::Fault;
use crate::nextcloud_stand_in::settings::Generation::{V29, V34};
use crate::nextcloud_stand_in::settings::Settings;

#[tokio::test]
async fn status_php_tells_maintenance_and_upgrades_and_sets_no_cookie() {
    let stand_in = started(V29).await;
    let ask = || Ask::new(&stand_in, "GET", "/status.php");
    let said = ask().send().await;
    assert_eq!(said.json()["versionstring"], "29.0.1");
    assert_eq!(said.json()["maintenance"], false);
    assert_eq!(said.header("access-control-allow-origin"), "*");
    assert_eq!(said.cookies(), "");
    stand_in.set_maintenance(true);
    stand_in.set_needs_upgrade(true);
    let said = ask().send().await;
    assert_eq!((said.status, said.json()["maintenance"].clone()), (200, json!(true)));
    assert_eq!(said.json()["needsDbUpgrade"], true);
}

#[tokio::test]
async fn maintenance_is_503_and_only_pages_say_when_to_come_back() {
    let stand_in = started(V34).await;
    stand_in.set_maintenance(true);
    for (target, mode, retry) in [
        ("/ocs/v2.php/cloud/user?format=json", "1", ""),
        ("/index.php/login", "1", "120"),
        ("/remote.php/dav/", "1", ""),
    ] {
        let said = Ask::new(&stand_in, "GET", target).basic(ADMIN, PASSWORD).send().await;
        assert_eq!(said.status, 503, "{target}");
        let headers = (said.header("x-nextcloud-maintenance-mode"), said.header("retry-after"));
        assert_eq!(headers, (mode, retry), "{target}");
    }
}

#[tokio::test]
async fn an_untrusted_host_is_400() {
    let settings =
        Settings { trusted_domains: vec!["*.example.test".to_owned()], ..Settings::default() };
    let stand_in = NextcloudStandIn::start(V34, settings).await.unwrap();
    for (host, status) in [
        ("cloud.example.test", 200),
        ("cloud.example.test:8443", 200),
        ("localhost", 200),
        ("evil.test", 400),
    ] {
        let said =
            Ask::new(&stand_in, "GET", "/status.php").with("X-Forwarded-Host", host).send().await;
        assert_eq!(said.status, status, "{host}");
        if status == 400 {
            assert_eq!(said.json(), json!({"error": "Trusted domain error.", "code": 15}));
        }
    }
}

#[tokio::test]
async fn forwarding_headers_count_only_from_trusted_proxies_and_the_left_most_wins() {
    for (trusted, base) in [(true, "https://localhost:1"), (false, "http://127.0.0.1")] {
        let mut settings = Settings::default();
        if !trusted {
            settings.trusted_proxies.clear();
        }
        let stand_in = NextcloudStandIn::start(V34, settings).await.unwrap();
        let ask = Ask::new(&stand_in, "POST", "/index.php/login/v2");
        let ask = ask
            .with("X-Forwarded-Proto", "https, http")
            .with("X-Forwarded-Host", "localhost:1, localhost:2");
        let said = ask.send().await.json();
        assert!(said["login"].as_str().unwrap().starts_with(base), "{said}");
    }
}

#[tokio::test]
async fn well_known_addresses_answer_as_measured() {
    let stand_in = started(V34).await;
    for name in ["caldav", "carddav"] {
        for method in ["GET", "PROPFIND"] {
            let ask = Ask::new(&stand_in, method, &format!("/.well-known/{name}"));
            let said = ask.with("X-Forwarded-Proto", "https").send().await;
            assert_eq!(said.status, 301);
            assert_eq!(
                said.header("location"),
                format!("{}/remote.php/dav/", stand_in.url()),
                "plain http"
            );
        }
    }
    for name in ["webfinger", "nodeinfo", "openid-configuration"] {
        let said = Ask::new(&stand_in, "GET", &format!("/.well-known/{name}")).send().await;
        assert_eq!(said.status, 404);
        assert_eq!(said.json(), json!({"message": format!("{name} not supported")}));
        assert_ne!(said.header("x-nextcloud-well-known"), "");
    }
    assert_eq!(Ask::new(&stand_in, "GET", "/.well-known/change-password").send().await.status, 303);
}

#[tokio::test]
async fn small_endpoints_answer_without_a_login() {
    let stand_in = started(V34).await;
    stand_in.add_file(ADMIN, "a.txt", b"shared");
    let link = stand_in.add_public_link(ADMIN, "a.txt");
    for (target, status) in [
        ("/index.php/204".to_owned(), 204),
        ("/index.php/csrftoken".to_owned(), 200),
        ("/robots.txt".to_owned(), 200),
        (format!("/s/{link}"), 200),
        (format!("/index.php/s/{link}/download"), 200),
        ("/s/unknown".to_owned(), 404),
        ("/config/config.php".to_owned(), 404),
        ("/data/admin/files/a.txt".to_owned(), 404),
        ("/.htaccess".to_owned(), 404),
        ("/core/js/x.js".to_owned(), 200),
    ] {
        assert_eq!(Ask::new(&stand_in, "GET", &target).send().await.status, status, "{target}");
    }
    let said = Ask::new(&stand_in, "GET", &format!("/s/{link}/download")).send().await;
    assert_eq!(said.text, "shared");
}

#[tokio::test]
async fn every_answer_has_the_headers_that_the_admin_check_wants() {
    let stand_in = started(V34).await;
    for target in ["/index.php/login", "/ocs/v2.php/cloud/user", "/remote.php/dav/", "/status.php"]
    {
        let said = Ask::new(&stand_in, "GET", target).send().await;
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "SAMEORIGIN"),
            ("x-permitted-cross-domain-policies", "none"),
            ("x-robots-tag", "noindex, nofollow"),
        ] {
            assert_eq!(said.header(name), value, "{target}");
            assert_eq!(said.headers.get_all(name).iter().count(), 1);
        }
        assert_eq!(said.header("strict-transport-security"), "");
        assert!(said.header("date").ends_with(" GMT"));
    }
    let page = Ask::new(&stand_in, "GET", "/index.php/login").send().await;
    assert!(page.header("content-security-policy").contains("'nonce-"));
}

#[tokio::test]
async fn capabilities_say_more_to_those_who_are_signed_in() {
    let stand_in = started(V34).await;
    let said = Ask::api(&stand_in, "GET", "v2.php/cloud/capabilities").send().await;
    assert_eq!(said.data()["version"]["major"], 34);
    assert_eq!(
        said.data()["capabilities"]["bruteforce"],
        json!({"delay": 0, "allow-listed": false})
    );
    assert!(said.data()["capabilities"]["password_policy"].is_null());
}

async fn login(stand_in: &NextcloudStandIn, from: &str, password: &str) -> u16 {
    let ask = Ask::api(stand_in, "GET", "v2.php/cloud/user").basic(ADMIN, password);
    ask.with("X-Forwarded-For", from).send().await.status
}

#[tokio::test]
async fn ten_failures_lock_basic_logins_of_one_address_out_for_half_an_hour() {
    let stand_in = started(V34).await;
    let token = stand_in.add_app_password(ADMIN, "phone");
    for _ in 0..10 {
        assert_eq!(login(&stand_in, "192.0.2.1", "wrong").await, 401);
    }
    let ask = Ask::api(&stand_in, "GET", "v2.php/cloud/user").basic(ADMIN, PASSWORD);
    let said = ask.with("X-Forwarded-For", "192.0.2.1").send().await;
    assert_eq!(said.both(), (429, 429));
    assert!(said.text.contains("Reached maximum delay"));
    assert_eq!(said.header("retry-after"), "");
    assert_eq!(login(&stand_in, "192.0.2.1", &token).await, 429, "app passwords too");
    assert_eq!(
        login(&stand_in, "203.0.113.7, 192.0.2.1", PASSWORD).await,
        429,
        "a spoofed left entry"
    );
    assert_eq!(login(&stand_in, "192.0.2.2", PASSWORD).await, 200, "another client");
    let bearer = Ask::api(&stand_in, "GET", "v2.php/cloud/user").bearer(&token);
    assert_eq!(bearer.with("X-Forwarded-For", "192.0.2.1").send().await.status, 200);
    let dav = Ask::new(&stand_in, "PROPFIND", "/remote.php/dav/").basic(ADMIN, PASSWORD);
    assert_eq!(dav.with("X-Forwarded-For", "192.0.2.1").send().await.status, 429);
    let page = Ask::new(&stand_in, "GET", "/index.php/login").with("X-Forwarded-For", "192.0.2.1");
    assert_eq!(page.send().await.status, 200);
    let told = Ask::api(&stand_in, "GET", "v2.php/cloud/capabilities")
        .with("X-Forwarded-For", "192.0.2.1");
    assert_eq!(told.send().await.data()["capabilities"]["bruteforce"]["delay"], 25_000);
    stand_in.advance(Duration::from_mins(30));
    assert_eq!(login(&stand_in, "192.0.2.1", PASSWORD).await, 200);
}

#[tokio::test]
async fn without_trusted_proxies_all_clients_share_the_gateways_failures() {
    let settings = Settings { trusted_proxies: Vec::new(), ..Settings::default() };
    let stand_in = NextcloudStandIn::start(V34, settings).await.unwrap();
    for _ in 0..10 {
        login(&stand_in, "192.0.2.1", "wrong").await;
    }
    assert_eq!(login(&stand_in, "192.0.2.2", PASSWORD).await, 429);
}

#[tokio::test]
async fn under_a_web_root_links_and_cookies_carry_it() {
    let settings = Settings { web_root: "/nc".to_owned(), ..Settings::default() };
    let stand_in = NextcloudStandIn::start(V34, settings).await.unwrap();
    let https = |method: &str, target: &str| {
        Ask::new(&stand_in, method, target).with("X-Forwarded-Proto", "https")
    };
    let said = https("POST", "/index.php/login/v2").send().await.json();
    assert!(said["login"].as_str().unwrap().contains("/nc/index.php/login/v2/flow/"));
    let page = https("GET", "/index.php/login").send().await;
    let lines: Vec<&str> =
        page.headers.get_all("set-cookie").iter().map(|line| line.to_str().unwrap()).collect();
    assert!(
        lines.iter().all(|line| line.contains("path=/nc;") && !line.starts_with("__Host-")),
        "{lines:?}"
    );
    stand_in.add_file(ADMIN, "a.txt", b"a");
    for (destination, status) in
        [("/remote.php/dav/files/admin/b.txt", 403), ("/nc/remote.php/dav/files/admin/b.txt", 201)]
    {
        let ask = https("MOVE", "/remote.php/dav/files/admin/a.txt").basic(ADMIN, PASSWORD);
        assert_eq!(ask.with("Destination", destination).send().await.status, status);
    }
}

#[tokio::test]
async fn faults_come_once_each_and_say_what_they_leave() {
    let stand_in = started(V34).await;
    let fields =
        |id| [("userid", id), ("password", "a long enough word"), ("displayName", "Whole")];
    for (id, fault, answer, is_there, is_whole) in [
        ("a", Fault::HangUpBefore, None, false, false),
        ("b", Fault::HangUpAfter, None, true, true),
        ("c", Fault::ErrorAfter, Some((500, 996)), true, true),
        ("d", Fault::ListenerThrows, Some((500, 996)), true, false),
        ("e", Fault::DatabaseStumbles, Some((400, 101)), true, false),
        ("f", Fault::TooMany, Some((429, 0)), false, false),
        ("g", Fault::Maintenance, Some((503, 503)), false, false),
        ("h", Fault::Delay(Duration::from_millis(20)), Some((200, 200)), true, true),
        ("i", Fault::Nonsense, Some((200, 0)), true, true),
        ("j", Fault::DiskFull, Some((500, 996)), false, false),
    ] {
        stand_in.fail_next_on("POST", "/cloud/users", fault.clone());
        Ask::new(&stand_in, "GET", "/status.php").send().await;
        let ask = Ask::ocs(&stand_in, "POST", "v2.php/cloud/users").form(&fields(id));
        let said = ask.try_send().await.ok().map(|said| said.both());
        assert_eq!(said, answer, "{fault:?}");
        let user = stand_in.user(id);
        assert_eq!(user.is_some(), is_there, "{fault:?}");
        assert_eq!(user.is_some_and(|user| user.display_name == "Whole"), is_whole, "{fault:?}");
        assert_eq!(stand_in.faults_left(), 0);
    }
    let again = create(&stand_in, "v2.php", &fields("d")).await;
    assert_eq!(again.both(), (400, 102), "the account that the listener left");
}

#[tokio::test]
async fn of_parallel_creates_one_wins_and_the_others_are_bad_requests() {
    let settings = Settings { create_takes: Duration::from_millis(200), ..Settings::default() };
    let stand_in = NextcloudStandIn::start(V34, settings).await.unwrap();
    let fields = [("userid", "alice"), ("password", "a long enough word")];
    let one = || create(&stand_in, "v2.php", &fields);
    let (a, b, c) = tokio::join!(one(), one(), one());
    let mut said = [a.both(), b.both(), c.both()];
    said.sort_unstable();
    assert_eq!(said, [(200, 200), (400, 101), (400, 101)]);
    let loser = [a, b, c].into_iter().find(|said| said.status == 400).unwrap();
    assert!(loser.text.contains("Bad request"));
}

#[tokio::test]
async fn requests_are_remembered_with_whom_they_acted_as() {
    let stand_in = started(V34).await;
    create(&stand_in, "v2.php", &[("userid", "alice"), ("password", "a long enough word")]).await;
    let seen = stand_in.take_seen();
    assert_eq!(seen.len(), 1);
    assert_eq!((seen[0].method.as_str(), seen[0].status), ("POST", Some(200)));
    assert!(seen[0].target.starts_with("/ocs/v2.php/cloud/users"));
    assert_eq!(seen[0].acted_as.as_deref(), Some("admin"));
    assert_eq!(seen[0].header("ocs-apirequest"), Some("true"));
    assert!(seen[0].body_length > 20);
    assert!(stand_in.take_seen().is_empty());
}
