//! Which paths of Nextcloud open to whom: path → class → what each kind of caller gets.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::HeaderMap;
use reqwest::{Method, Response};
use serde_json::json;

use crate::world::World;
use crate::world::api::Api;
use crate::world::raw;
use crate::world::upstream::Recorder;

pub(super) const LIMITS: &str = "rate_limits: { default: unlimited, tiers: { free: unlimited, premium: unlimited, admin: unlimited }, auth: { login: unlimited, register: unlimited, refresh: unlimited } }\n";

/// A gateway in front of an upstream at `address`, with `more` lines of the app.
pub(super) fn cloud(address: std::net::SocketAddr, more: &str) -> String {
    format!(
        "{LIMITS}apps:\n  cloud:\n    host: dav.localhost\n    upstream: \"http://{address}\"\n    preset: nextcloud\n{more}"
    )
}

pub(super) fn basic(name: &str, secret: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{name}:{secret}")))
}

/// As Nextcloud makes them.
const APP_PASSWORD: &str = "AbCdE-fGhIj-12345-kLmNo-pQrSt";

/// One of each kind of caller.
struct Callers {
    session: String,
    bearer: String,
    device: String,
}

impl Callers {
    async fn of(world: &World) -> Self {
        world.add_user("ada@example.org", &["viewer"]).await;
        let bearer = world.sign_in("ada@example.org").await;
        let bearer = bearer["access_token"].as_str().unwrap().to_owned();
        let ada = Api::of(world).with_token(&bearer);
        let made = ada.post("/auth/devices", json!({ "name": "phone" })).await.expect(201);
        let mut browser = world.browser();
        let page = browser.open("dav.localhost", "/").await;
        let typed = [("username", "ada"), ("password", crate::world::PASSWORD)];
        let page = browser.submit(&page, &typed).await;
        assert_eq!(page.status, 200, "{page:?}");
        let session = browser.cookie("dav.localhost", "__Host-stormdoor").unwrap().to_owned();
        Self {
            session,
            bearer: format!("Bearer {bearer}"),
            device: basic("ada", &made.text_of("secret")),
        }
    }

    async fn ask(&self, world: &World, who: &str, method: &str, path: &str) -> Response {
        let method: Method = method.parse().unwrap();
        let mut request = world.client().request(method, world.url("dav.localhost", path));
        request = match who {
            "browser" => request
                .header("accept", "text/html")
                .header("sec-fetch-mode", "navigate")
                .header("sec-fetch-dest", "document"),
            "session" => request
                .header("cookie", format!("__Host-stormdoor={}", self.session))
                .header("sec-fetch-site", "same-origin"),
            "device" => request.header("authorization", &self.device),
            "bearer" => request.header("authorization", &self.bearer),
            "own" => request.header("authorization", basic("ada", APP_PASSWORD)),
            "nobody" => request,
            other => panic!("{other}"),
        };
        request.send().await.unwrap()
    }
}

/// Columns: a browser and a program that nobody knows, a session, a device password, a bearer, Nextcloud's own password.
const WHO: [&str; 6] = ["browser", "nobody", "session", "device", "bearer", "own"];

#[tokio::test(flavor = "multi_thread")]
async fn what_each_caller_gets_on_the_paths_of_each_class() {
    let upstream = Recorder::start().await;
    let world = World::with(&cloud(upstream.address, "")).await;
    let callers = Callers::of(&world).await;
    let table = [
        // class, method, path, and the status for each of WHO
        ("browser", "GET", "/apps/files/", [303, 401, 200, 401, 200, 401]),
        ("status", "GET", "/status.php", [200, 200, 200, 200, 200, 200]),
        ("assets", "GET", "/core/img/logo.svg", [200, 200, 200, 200, 200, 200]),
        ("open", "GET", "/ocs/v2.php/cloud/capabilities", [200, 200, 200, 200, 200, 200]),
        ("sync", "PROPFIND", "/remote.php/dav/files/ada", [401, 401, 200, 200, 200, 200]),
        ("sync", "GET", "/remote.php/dav/files/ada/x", [401, 401, 200, 200, 200, 200]),
        ("sync", "GET", "/ocs/v1.php/cloud/user", [401, 401, 200, 200, 200, 200]),
        ("public_share", "GET", "/s/AbCdEf", [200, 200, 200, 200, 200, 200]),
        ("public_share", "PROPFIND", "/public.php/webdav", [200, 200, 200, 200, 200, 200]),
        ("federation", "POST", "/ocm/shares", [404; 6]),
        ("office", "GET", "/apps/richdocuments/wopi/files/1", [404; 6]),
        ("talk_backend", "POST", "/ocs/v2.php/apps/spreed/api/v3/signaling/backend", [404; 6]),
        ("talk", "GET", "/standalone-signaling/spreed", [401, 401, 200, 200, 200, 200]),
        ("call", "GET", "/call/abc", [303, 401, 200, 200, 200, 200]),
        ("push", "GET", "/push/ws", [401, 401, 200, 200, 200, 200]),
        ("own_sign_in", "POST", "/login", [401, 401, 200, 401, 200, 401]),
        ("login_flow_old", "GET", "/login/flow", [303, 401, 200, 401, 200, 401]),
        ("admin", "GET", "/settings/admin", [303, 401, 403, 401, 403, 401]),
        ("admin_api", "POST", "/ocs/v1.php/cloud/users", [401, 401, 403, 401, 403, 401]),
        ("never", "GET", "/config/config.php", [404; 6]),
        ("never", "GET", "/.htaccess", [404; 6]),
        ("never", "GET", "/cron.php", [404; 6]),
        ("well_known", "GET", "/.well-known/webfinger", [200; 6]),
        ("discovery", "PROPFIND", "/.well-known/caldav", [301; 6]),
    ];
    for (class, method, path, statuses) in table {
        for (who, wanted) in WHO.into_iter().zip(statuses) {
            let answer = callers.ask(&world, who, method, path).await;
            let found = (answer.status().as_u16(), is_basic(answer.headers()));
            let programs =
                !["browser", "call", "own_sign_in", "login_flow_old", "admin"].contains(&class);
            // A browser that goes to a page is led to it, a program is asked by Basic.
            let asked = wanted == 401 && (programs || class == "call");
            assert_eq!(found, (wanted, asked), "{class}: {who} {method} {path}");
        }
    }
}

fn is_basic(headers: &HeaderMap) -> bool {
    let mut challenges = headers.get_all("www-authenticate").iter();
    challenges.any(|value| value.to_str().unwrap().starts_with("Basic realm="))
}

#[tokio::test(flavor = "multi_thread")]
async fn nextclouds_own_password_reaches_it_and_ours_does_not() {
    let upstream = Recorder::start().await;
    let world = World::with(&cloud(upstream.address, "")).await;
    let callers = Callers::of(&world).await;
    upstream.take();
    for (who, path, passed) in [
        ("own", "/remote.php/dav/files/ada/x", Some(basic("ada", APP_PASSWORD))),
        ("own", "/public.php/webdav/x", Some(basic("ada", APP_PASSWORD))),
        ("device", "/remote.php/dav/files/ada/x", None),
        ("bearer", "/remote.php/dav/files/ada/x", None),
        ("device", "/public.php/webdav/x", None),
        ("own", "/status.php", None),
    ] {
        assert_eq!(callers.ask(&world, who, "GET", path).await.status(), 200);
        let head = upstream.only_head();
        let line = head.lines().find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            name.eq_ignore_ascii_case("authorization").then(|| value.to_owned())
        });
        assert_eq!(line, passed, "{who} {path}");
    }
    // A guess at one of ours stays with us.
    let guess = basic("ada", "0000-0000-0000-0000-0000-0000-0000");
    let url = world.url("dav.localhost", "/remote.php/dav/files/ada/x");
    let answer = world.client().get(&url).header("authorization", guess).send().await.unwrap();
    assert_eq!(answer.status(), 401);
    assert!(upstream.heads().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_pass_through_only_ours_open_anything() {
    let upstream = Recorder::start().await;
    let more = "    nextcloud: { pass_through: false, public_shares: closed }\n";
    let world = World::with(&cloud(upstream.address, more)).await;
    let callers = Callers::of(&world).await;
    for (who, path, wanted) in [
        ("own", "/remote.php/dav/files/ada/x", 401),
        ("device", "/remote.php/dav/files/ada/x", 200),
        ("own", "/login/flow", 404),
        ("session", "/login/flow", 404),
        ("nobody", "/s/AbCdEf", 401),
        ("browser", "/s/AbCdEf", 303),
        ("session", "/s/AbCdEf", 200),
    ] {
        assert_eq!(callers.ask(&world, who, "GET", path).await.status(), wanted, "{who} {path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_options_say_is_so() {
    let upstream = Recorder::start().await;
    let more = r"    nextcloud:
      federation: open
      federation_from: [192.0.2.0/24]
      office_from: [127.0.0.0/8]
      talk: open
      talk_from: [127.0.0.0/8]
      push: open
      admin: { roles: [developer], from: [127.0.0.0/8], second_factor: 15m }
      login_flow: pass
      public_shares: open
    routes:
      - { path: /cron.php, access: public, name: webcron }
";
    let world = World::with(&cloud(upstream.address, more)).await;
    let callers = Callers::of(&world).await;
    world.add_user("eve@example.org", &["developer"]).await;
    let eve = world.sign_in("eve@example.org").await;
    let eve = format!("Bearer {}", eve["access_token"].as_str().unwrap());
    for (who, method, path, wanted) in [
        ("nobody", "POST", "/ocm/shares", 403),
        ("nobody", "GET", "/apps/richdocuments/wopi/files/1", 200),
        ("nobody", "POST", "/ocs/v2.php/apps/spreed/api/v3/signaling/backend", 200),
        ("nobody", "GET", "/call/abc", 200),
        ("nobody", "GET", "/push/ws", 200),
        ("nobody", "POST", "/login/v2", 200),
        ("nobody", "GET", "/cron.php", 200),
        ("session", "GET", "/settings/admin", 403),
    ] {
        assert_eq!(callers.ask(&world, who, method, path).await.status(), wanted, "{who} {path}");
    }
    let request = world.client().get(world.url("dav.localhost", "/settings/admin"));
    let answer = request.header("authorization", eve).send().await.unwrap();
    assert_eq!(answer.status(), 401, "the role is enough, the second factor lacks");
    let challenges: Vec<_> = answer.headers().get_all("www-authenticate").iter().collect();
    assert!(challenges[0].to_str().unwrap().contains("insufficient_user_authentication"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_another_site_can_do_nothing_in_the_name_of_a_session() {
    let upstream = Recorder::start().await;
    let world = World::with(&cloud(upstream.address, "")).await;
    let callers = Callers::of(&world).await;
    for (method, path, site, wanted) in [
        ("PUT", "/remote.php/dav/files/ada/x", "cross-site", 403),
        ("DELETE", "/remote.php/dav/files/ada/x", "same-site", 403),
        ("MOVE", "/remote.php/dav/files/ada/x", "cross-site", 403),
        ("POST", "/ocs/v2.php/apps/files_sharing/api/v1/shares", "cross-site", 403),
        ("POST", "/index.php/apps/files/x", "cross-site", 403),
        // Anybody may send this, and so it is sent in nobody's name.
        ("POST", "/s/AbCdEf", "cross-site", 200),
        ("PUT", "/remote.php/dav/files/ada/x", "same-origin", 200),
    ] {
        let request = world
            .client()
            .request(method.parse().unwrap(), world.url("dav.localhost", path))
            .header("cookie", format!("__Host-stormdoor={}", callers.session))
            .header("sec-fetch-site", site)
            .header("content-length", "0");
        assert_eq!(request.send().await.unwrap().status(), wanted, "{method} {path} {site}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_whose_session_is_over_is_not_asked_by_a_window_of_the_browser() {
    let upstream = Recorder::start().await;
    let world = World::with(&cloud(upstream.address, "")).await;
    let url = world.url("dav.localhost", "/ocs/v2.php/apps/notifications/api/v2/notifications");
    for (name, value) in [("sec-fetch-mode", "cors"), ("x-requested-with", "XMLHttpRequest")] {
        let answer = world.client().get(&url).header(name, value).send().await.unwrap();
        assert_eq!((answer.status().as_u16(), is_basic(answer.headers())), (401, false), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_fails_at_nextcloud_is_held_back_before_nextcloud_locks_everybody_out() {
    let refused = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n".to_vec();
    let upstream = Recorder::answering(refused, std::time::Duration::ZERO).await;
    let world = World::with(&cloud(upstream.address, "")).await;
    let url = world.url("dav.localhost", "/remote.php/dav/files/ada/");
    let mut statuses = Vec::new();
    for _ in 0..12 {
        let request = world.client().get(&url).header("authorization", basic("ada", "a guess"));
        statuses.push(request.send().await.unwrap().status().as_u16());
    }
    assert_eq!(statuses.iter().filter(|status| **status == 401).count(), 8, "{statuses:?}");
    assert_eq!(statuses.last(), Some(&429));
    assert_eq!(upstream.heads().len(), 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_says_how_long_it_is() {
    let upstream = Recorder::start().await;
    let world = World::with(&cloud(upstream.address, "")).await;
    let head = |more: &str| {
        let authorization = basic("ada", APP_PASSWORD);
        format!(
            "PUT /remote.php/dav/files/ada/x HTTP/1.1\r\nHost: dav.localhost\r\nAuthorization: {authorization}\r\nConnection: close\r\n{more}\r\n"
        )
    };
    let chunked = head("Transfer-Encoding: chunked\r\n") + "2\r\nab\r\n0\r\n\r\n";
    let sized = head("Content-Length: 2\r\n") + "ab";
    let empty = head("");
    for (request, wanted) in [(&chunked, 411), (&sized, 200), (&empty, 200)] {
        let answer = raw::exchange(world.http(), request.as_bytes()).await;
        assert_eq!(raw::status(&answer), wanted, "{}", String::from_utf8_lossy(&answer));
    }
    let more = "    nextcloud: { unsized_uploads: stream }\n";
    world.reload(&cloud(upstream.address, more)).await;
    let answer = raw::exchange(world.http(), chunked.as_bytes()).await;
    assert_eq!(raw::status(&answer), 200);
}

#[test]
fn explain_names_the_class() {
    let yaml = format!(
        "public_url: https://localhost\n{}",
        cloud("127.0.0.1:1".parse().unwrap(), "    nextcloud: { admin: { second_factor: 15m } }\n")
    );
    let config = crate::world::parse(&yaml, std::path::Path::new("/"));
    let client = [192, 0, 2, 1].into();
    for (method, path, roles, decision, by) in [
        ("PROPFIND", "/remote.php/dav/files/a%2523", None, "DENY 401", "cloud.sync"),
        ("GET", "/remote.php/dav/", Some("viewer"), "ALLOW", "cloud.sync"),
        ("GET", "/config/config.php", Some("superadmin"), "DENY 404", "cloud.never"),
        ("GET", "/settings/admin", Some("viewer"), "DENY 403", "cloud.admin"),
        ("GET", "/settings/admin", Some("admin"), "DENY 401", "cloud.admin"),
        ("GET", "/s/AbCd", None, "ALLOW", "cloud.public_share"),
    ] {
        let roles = roles.map(|role: &str| vec![role.to_owned()]);
        let method = method.parse().unwrap();
        let found =
            stormdoor::assembly::explain(&config, "dav.localhost", path, &method, client, roles);
        let text = found.unwrap().to_string();
        assert!(text.contains(decision) && text.contains(&format!("by {by}")), "{text}");
        assert!(text.lines().count() < 40, "one line for each class: {text}");
    }
}
