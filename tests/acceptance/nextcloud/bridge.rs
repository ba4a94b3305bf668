//! Whom Nextcloud takes a request for: whoever we mean, by every bridge, and nobody who was there before.

use reqwest::Method;
use serde_json::{Value, json};
use stormdoor::assembly;
use stormdoor::clock::{Clock, SystemClock};
use stormdoor::identity::token::{Algorithm, SigningKey};

use super::session_first::{SECRET, SESSION, SessionFirst, app_password};
use crate::world::api::Api;
use crate::world::browser::Browser;
use crate::world::{PASSWORD, World, parse, raw};

pub(super) const CLOUD: &str = "dav.localhost";
const OUR_SESSION: &str = "__Host-stormdoor";

/// The bridges by which a request can be ours, with their settings.
const BRIDGES: [(&str, &str); 3] = [
    ("oidc", "bridge: oidc, oidc: { client_id: cloud }"),
    ("app_password", "bridge: app_password"),
    (
        "app_api",
        "bridge: app_api, app_api: { id: stormdoor, version: 1.0.0, secret: app-api-secret }",
    ),
];

pub(super) fn config(cloud: &SessionFirst, bridge: &str) -> String {
    config_with(cloud, bridge, "unlimited")
}

fn config_with(cloud: &SessionFirst, bridge: &str, failures: &str) -> String {
    format!(
        r#"
rate_limits: {{ default: unlimited, tiers: {{ free: unlimited, premium: unlimited, admin: unlimited }}, auth: {{ login: unlimited, register: unlimited, refresh: unlimited, failures: {failures} }} }}
nextcloud: {{ app: cloud, {bridge} }}
apps:
  cloud:
    host: {CLOUD}
    upstream: "http://{}"
    identity: nextcloud
    routes:
      - {{ path: /public/links/**, access: public, accept: [session, device, upstream] }}
      - {{ path: /public/**, access: public }}
      - {{ path: /ocm/**, access: public, federation: true }}
      - {{ path: /dav/**, access: signed_in, accept: [session, device, upstream] }}
      - {{ path: /**, access: signed_in }}
"#,
        cloud.address
    )
}

/// A gateway with ada and bob, each with an app password of Nextcloud stored, whatever the bridge is.
pub(super) async fn world(cloud: &SessionFirst, bridge: &str) -> World {
    let world = World::with(&config(cloud, bridge)).await;
    for name in ["ada", "bob"] {
        world.add_user(&format!("{name}@example.org"), &["viewer"]).await;
        let body = json!({ "password": app_password(name) });
        let api = Api::of(&world).signed_in(name).await;
        api.put("/auth/me/nextcloud/app-password", body).await.expect(204);
    }
    world
}

/// Goes to Nextcloud in `browser`, and signs in as `name` on the way.
pub(super) async fn sign_in(browser: &mut Browser, name: &str) -> Value {
    let page = browser.open(CLOUD, "/apps/files").await;
    let page = browser.submit(&page, &[("username", name), ("password", PASSWORD)]).await;
    assert_eq!(page.status, 200, "{page:?}");
    serde_json::from_str(&page.text).expect("an answer of Nextcloud")
}

/// A device password of `name`.
async fn device(world: &World, name: &str) -> String {
    let api = Api::of(world).signed_in(name).await;
    api.post("/auth/devices", json!({ "name": "phone" })).await.expect(201).text_of("secret")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_left_behind_never_speaks_for_the_next_one() {
    for (name, bridge) in BRIDGES {
        let cloud = SessionFirst::start().await;
        let world = world(&cloud, bridge).await;

        let mut adas = world.browser();
        assert_eq!(sign_in(&mut adas, "ada").await["user"], "ada", "{name}");
        adas.open(CLOUD, "/apps/files").await;
        assert_eq!(cloud.last().how, "session", "her own cookie comes back to her");
        adas.forget(CLOUD, OUR_SESSION);
        let left_over = adas.line(CLOUD);
        assert!(left_over.contains(SESSION), "{left_over}");

        let mut bobs = world.browser();
        assert_eq!(sign_in(&mut bobs, "bob").await["user"], "bob");
        let cookie = bobs.cookie(CLOUD, OUR_SESSION).unwrap().to_owned();
        let token = Api::of(&world).login("bob", PASSWORD).await.text_of("access_token");
        let device = device(&world, "bob").await;

        let get = |path: &str| world.client().get(world.url(CLOUD, path));
        let with = |ours: &str| format!("{left_over}; {ours}");
        for (what, request, expected) in [
            (
                "cookie",
                get("/apps/files").header("cookie", with(&format!("{OUR_SESSION}={cookie}"))),
                Some("bob"),
            ),
            ("bearer", get("/dav/x").header("cookie", &left_over).bearer_auth(&token), Some("bob")),
            (
                "device",
                get("/dav/x").header("cookie", &left_over).basic_auth("bob", Some(&device)),
                Some("bob"),
            ),
            ("anonymous", get("/public/page").header("cookie", &left_over), None),
            ("anonymous links", get("/public/links/x").header("cookie", &left_over), None),
            (
                "a cookie that is over",
                get("/public/page").header("cookie", with(&format!("{OUR_SESSION}=over"))),
                None,
            ),
            (
                "cookie on a public page",
                get("/public/page").header("cookie", with(&format!("{OUR_SESSION}={cookie}"))),
                Some("bob"),
            ),
        ] {
            let answer = request.send().await.unwrap();
            assert_eq!(answer.status(), 200, "{name}: {what}");
            let expired: Vec<_> = answer
                .headers()
                .get_all("set-cookie")
                .iter()
                .map(|line| line.to_str().unwrap().to_owned())
                .filter(|line| line.contains("Max-Age=0"))
                .collect();
            assert_eq!(expired.len(), left_over.split("; ").count(), "{name}: {what}: {expired:?}");
            assert!(answer.headers().get("x-user-id").is_none());
            let body: Value = answer.json().await.unwrap();
            assert_eq!(body["user"].as_str(), expected, "{name}: {what}");
            let seen = cloud.last();
            assert!(!seen.header("cookie").contains("session-of-ada"), "{name}: {what}");
            assert!(!seen.header("cookie").contains("stormdoor"), "{name}: {what}");
        }
        let before = cloud.count();
        let refused = get("/apps/files").header("cookie", &left_over).send().await.unwrap();
        assert_eq!((refused.status().as_u16(), cloud.count()), (401, before));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_person_in_the_same_browser_is_another_person() {
    for (name, bridge) in BRIDGES {
        let cloud = SessionFirst::start().await;
        let world = world(&cloud, bridge).await;
        let mut browser = world.browser();
        assert_eq!(sign_in(&mut browser, "ada").await["user"], "ada");
        let adas = browser.line(CLOUD);

        let page = browser.open("localhost", "/auth/sign-out").await;
        browser.submit(&page, &[]).await;
        assert_eq!(sign_in(&mut browser, "bob").await["user"], "bob", "{name}");
        let first = browser.open(CLOUD, "/apps/files").await;
        assert!(first.text.contains("bob"), "{name}: {first:?}");
        for cookie in adas.split("; ").filter(|cookie| cookie.contains("sd-")) {
            assert!(!browser.line(CLOUD).contains(cookie), "{name}: {cookie} is still there");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nextcloud_gets_a_short_token_that_says_who_is_calling_and_no_credential_of_ours() {
    let cloud = SessionFirst::start().await;
    let world = world(&cloud, BRIDGES[0].1).await;
    let token = Api::of(&world).login("ada", PASSWORD).await.text_of("access_token");
    let get = || world.client().get(world.url(CLOUD, "/dav/x")).bearer_auth(&token).send();
    assert_eq!(get().await.unwrap().status(), 200);
    let first = cloud.last();
    let claims = first.token();
    assert_eq!((&claims["sub"], &claims["aud"]), (&json!("ada"), &json!("cloud")));
    assert_eq!(claims["iss"], "https://localhost");
    assert_eq!(claims["email"], "ada@example.org");
    let life = claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap();
    assert_eq!(life, 60);
    assert!(claims.get("groups").is_none() && claims["jti"].is_string());
    assert_eq!(claims["header"]["alg"], "EdDSA");
    assert!(!first.header("authorization").contains(&token));
    // A busy caller costs no signature per request.
    assert_eq!(get().await.unwrap().status(), 200);
    assert_eq!(cloud.last().token(), claims);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_nextcloud_cannot_know_yet_signs_nothing_for_it() {
    let cloud = SessionFirst::start().await;
    let world = world(&cloud, BRIDGES[0].1).await;
    let signed_by = async |name: &str| {
        let token = Api::of(&world).login(name, PASSWORD).await.text_of("access_token");
        let request = world.client().get(world.url(CLOUD, "/dav/x")).bearer_auth(&token);
        assert_eq!(request.send().await.unwrap().status(), 200);
        let ours = token.split('.').next().unwrap().to_owned();
        (cloud.last().token()["header"]["kid"].as_str().unwrap().to_owned(), ours)
    };
    let (old, before) = signed_by("ada").await;

    let more = config(&cloud, BRIDGES[0].1);
    let yaml = format!("public_url: https://localhost\n{more}");
    let rooms =
        assembly::open_records(&parse(&yaml, world.data.path()), world.data.path()).await.unwrap();
    let now = SystemClock.now();
    rooms.signing_keys.rotate(&SigningKey::generate(Algorithm::EdDsa, now).unwrap()).await.unwrap();
    world.reload(&more).await;

    let (kid, after) = signed_by("bob").await;
    assert_eq!(kid, old, "Nextcloud may not have read our keys since");
    assert_ne!(before, after, "our own verifier knows the new key at once");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_other_bridges_say_it_in_their_own_words() {
    let cloud = SessionFirst::start().await;
    let world = world(&cloud, BRIDGES[2].1).await;
    let device_of_ada = device(&world, "ada").await;
    let get = |world: &World, password: &str| {
        let request = world.client().get(world.url(CLOUD, "/dav/x"));
        request.basic_auth("ada", Some(password)).send()
    };
    assert_eq!(get(&world, &device_of_ada).await.unwrap().status(), 200);
    let seen = cloud.last();
    assert_eq!((seen.user.as_deref(), seen.how), (Some("ada"), "app_api"));
    assert_eq!((seen.header("ex-app-id"), seen.header("ex-app-version")), ("stormdoor", "1.0.0"));
    assert_eq!(seen.header("authorization"), "");
    assert!(!format!("{:?}", seen.headers).contains(SECRET), "only in base64, only there");

    let world = world.restart(&config(&cloud, BRIDGES[1].1)).await;
    assert_eq!(get(&world, &device_of_ada).await.unwrap().status(), 200);
    let seen = cloud.last();
    assert_eq!((seen.user.as_deref(), seen.how), (Some("ada"), "basic"));

    let api = Api::of(&world).signed_in("ada").await;
    api.delete("/auth/me/nextcloud/app-password").await.expect(204);
    let refused = get(&world, &device_of_ada).await.unwrap();
    assert_eq!(refused.status(), 403);
    assert!(refused.text().await.unwrap().contains("no-nextcloud-password"));

    // One that Nextcloud does not take is shown to it once.
    let wrong = json!({ "password": "not-what-nextcloud-knows" });
    api.put("/auth/me/nextcloud/app-password", wrong).await.expect(204);
    let before = cloud.count();
    assert_eq!(get(&world, &device_of_ada).await.unwrap().status(), 401);
    assert_eq!(get(&world, &device_of_ada).await.unwrap().status(), 403);
    assert_eq!(cloud.count(), before + 1);
    let good = json!({ "password": app_password("ada") });
    api.put("/auth/me/nextcloud/app-password", good).await.expect(204);
    assert_eq!(get(&world, &device_of_ada).await.unwrap().status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_admin_stores_an_app_password_for_somebody_and_nobody_reads_it() {
    let cloud = SessionFirst::start().await;
    let world = World::with(&config(&cloud, BRIDGES[1].1)).await;
    world.add_user("ada@example.org", &["viewer"]).await;
    world.add_user("root@example.org", &["superadmin"]).await;
    let root = Api::of(&world).signed_in("root").await;
    let ada = Api::of(&world).signed_in("ada").await;
    let id = ada.get("/auth/me").await.expect(200).text_of("id");
    let path = format!("/auth/admin/users/{id}/nextcloud/app-password");
    let body = json!({ "password": app_password("ada") });
    assert_eq!(ada.put(&path, body.clone()).await.status, 403);
    let wrong = json!({ "password": "with a blank" });
    assert_eq!(root.put(&path, wrong).await.expect(422).problem(), "invalid-field");
    root.put(&path, body).await.expect(204);
    let device = device(&world, "ada").await;
    let request = world.client().get(world.url(CLOUD, "/dav/x"));
    let answer = request.basic_auth("ada", Some(&device)).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    root.delete(&path).await.expect(204);
    root.delete(&path).await.expect(404);
    for file in std::fs::read_dir(world.data.path()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap_or_default();
        let secret = app_password("ada").into_bytes();
        assert!(!bytes.windows(secret.len()).any(|window| window == secret));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_nextcloud_has_no_place_for_is_told_so_and_sees_what_anybody_may() {
    let cloud = SessionFirst::start().await;
    let world = World::with(&config(&cloud, BRIDGES[0].1)).await;
    let token = world.token("admin@example.org", &["superadmin"]).await;
    let api = Api::of(&world).with_token(&token);
    let refused = api.raw_get(&world.url(CLOUD, "/apps/files")).await.expect(403);
    assert_eq!(refused.problem(), "no-nextcloud-account");
    assert_eq!(cloud.count(), 0);
    api.raw_get(&world.url(CLOUD, "/public/page")).await.expect(200);
    assert_eq!(cloud.last().header("authorization"), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_for_somebody_else_ends_at_the_gateway() {
    let cloud = SessionFirst::start().await;
    let world = world(&cloud, BRIDGES[0].1).await;
    let mut browser = world.browser();
    sign_in(&mut browser, "ada").await;
    let nextclouds = browser.line(CLOUD).matches("sd-").count();
    assert_eq!(nextclouds, 2);
    cloud.lie("admin");
    let page = browser.open(CLOUD, "/apps/files").await;
    assert_eq!(page.status, 502, "{page:?}");
    assert!(!page.text.contains("session"), "nothing of the answer is shown");
    assert!(!browser.line(CLOUD).contains("sd-"), "{}", browser.line(CLOUD));
    assert!(browser.cookie(CLOUD, OUR_SESSION).is_some(), "signed in all the same");

    let anonymous = world.client().get(world.url(CLOUD, "/public/page")).send().await.unwrap();
    assert_eq!(anonymous.status(), 502);
    assert!(anonymous.text().await.unwrap().contains("wrong-identity"));
    let metrics = format!("http://{}/metrics", world.operations());
    let metrics = reqwest::get(metrics).await.unwrap().text().await.unwrap();
    assert!(metrics.contains("stormdoor_upstream_wrong_identity_total{app=\"cloud\"} 2"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_with_a_password_of_nextclouds_own_keeps_working_whatever_the_bridge_is() {
    let all = BRIDGES.map(|(_, bridge)| bridge).into_iter().chain(["bridge: pass"]);
    for bridge in all {
        let cloud = SessionFirst::start().await;
        let world = world(&cloud, bridge).await;
        let get = |path: &str| world.client().get(world.url(CLOUD, path));
        let password = app_password("carol");
        for request in [
            get("/dav/x").basic_auth("carol", Some(&password)),
            get("/public/links/x").basic_auth("carol", Some(&password)),
            get("/dav/x").bearer_auth(&password),
        ] {
            let answer = request.send().await.unwrap();
            assert_eq!(answer.status(), 200, "{bridge}");
            let seen = cloud.last();
            assert_eq!(seen.user.as_deref(), Some("carol"), "{bridge}");
            // Its cookies are its own: with another credential they are somebody else's.
            let cookie = answer.headers().get_all("set-cookie").iter().nth(1).unwrap();
            let cookie = cookie.to_str().unwrap().split(';').next().unwrap().to_owned();
            let other = get("/dav/x").header("cookie", &cookie).bearer_auth(app_password("dave"));
            assert_eq!(other.send().await.unwrap().status(), 200);
            let seen = cloud.last();
            assert_eq!((seen.user.as_deref(), seen.header("cookie")), (Some("dave"), ""));
        }
        // Elsewhere it is a credential of ours that is not good.
        let before = cloud.count();
        let answer = get("/apps/files").basic_auth("carol", Some(&password)).send().await.unwrap();
        assert_eq!((answer.status().as_u16(), cloud.count()), (401, before));
        // And one of ours that is not good goes nowhere.
        let ours = "0123-4567-89ab-cdef-ghjk-mnpq-rstv";
        let answer = get("/dav/x").basic_auth("carol", Some(ours)).send().await.unwrap();
        assert_eq!((answer.status().as_u16(), cloud.count()), (401, before));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn guessing_passwords_of_nextclouds_spends_the_guessers_budget() {
    let cloud = SessionFirst::start().await;
    let world = World::with(&config_with(&cloud, BRIDGES[0].1, "3/min")).await;
    let get = async |path: &str, password: &str| {
        let request = world.client().get(world.url(CLOUD, path));
        request.basic_auth("carol", Some(password)).send().await.unwrap()
    };
    let good = app_password("carol");
    assert_eq!(get("/dav/x", &good).await.status(), 200);
    for number in 0..3 {
        let answer = get("/dav/x", &format!("guess-{number}")).await;
        assert_eq!(answer.status(), 401);
        let challenge = answer.headers()["www-authenticate"].to_str().unwrap();
        assert!(challenge.contains("Basic"), "Nextcloud's own answer: {challenge}");
    }
    let before = cloud.count();
    // What anybody may have is no way to make a guess look good.
    assert_eq!(get("/public/links/x", "guess-4").await.status(), 429);
    assert_eq!(get("/dav/x", "guess-4").await.status(), 429);
    assert_eq!(cloud.count(), before);
    assert_eq!(get("/dav/x", &good).await.status(), 200, "whoever is known to be good goes on");
    let metrics = format!("http://{}/metrics", world.operations());
    let metrics = reqwest::get(metrics).await.unwrap().text().await.unwrap();
    assert!(metrics.contains("stormdoor_upstream_credentials_refused_total{app=\"cloud\"} 3"));
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_tells_nextcloud_who_they_are_by_a_header() {
    let cloud = SessionFirst::start().await;
    let world = world(&cloud, BRIDGES[2].1).await;
    let forged = [
        ("authorization-app-api", "YWRtaW46YXBwLWFwaS1zZWNyZXQ="),
        ("ex-app-id", "stormdoor"),
        ("ex-app-version", "1"),
        ("aa-version", "1"),
        ("xauthorization", "Basic YWRtaW46eA=="),
        ("x-user-id", "admin"),
        ("x-nextcloud-federation", "1"),
    ];
    for path in ["/public/page", "/public/links/x", "/ocm/x", "/dav/x"] {
        let mut request = world.client().request(Method::GET, world.url(CLOUD, path));
        if path == "/dav/x" {
            request = request.bearer_auth(app_password("carol"));
        }
        for (name, value) in forged {
            request = request.header(name, value);
        }
        request.send().await.unwrap();
        let seen = cloud.last();
        for (name, _) in forged {
            let stays = name == "x-nextcloud-federation" && path == "/ocm/x";
            assert_eq!(seen.headers.contains_key(name), stays, "{name} on {path}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn with_bridge_pass_people_are_whoever_nextcloud_says_and_keep_their_own_cookies() {
    let cloud = SessionFirst::start().await;
    let world = world(&cloud, "bridge: pass").await;
    let mut browser = world.browser();
    let page = browser.open(CLOUD, "/public/page").await;
    assert_eq!(page.status, 200);
    let page = browser.open(CLOUD, "/apps/files").await;
    let page = browser.submit(&page, &[("username", "ada"), ("password", PASSWORD)]).await;
    assert_eq!(page.status, 401, "Nextcloud knows nobody yet: {page:?}");
    assert_eq!(cloud.last().header("authorization"), "");
    cloud.lie("somebody");
    assert_eq!(browser.open(CLOUD, "/public/page").await.status, 200, "it may say who it is");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upgrade_brings_the_callers_cookies_and_identity_and_nobody_elses() {
    let cloud = SessionFirst::start().await;
    let world = world(&cloud, BRIDGES[0].1).await;
    let mut adas = world.browser();
    sign_in(&mut adas, "ada").await;
    adas.open(CLOUD, "/apps/files").await;
    let adas_tagged = adas.line(CLOUD);
    let mut bobs = world.browser();
    sign_in(&mut bobs, "bob").await;
    let line = format!("{}; {}", bobs.line(CLOUD), {
        adas.forget(CLOUD, OUR_SESSION);
        adas.line(CLOUD)
    });
    assert!(adas_tagged.contains("sd-"));
    let request = format!(
        "GET /push HTTP/1.1\r\nHost: {CLOUD}\r\nOrigin: http://{CLOUD}\r\nCookie: {line}\r\nConnection: Upgrade\r\n\
         Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    let mut stream = tokio::net::TcpStream::connect(world.http()).await.unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut stream, request.as_bytes()).await.unwrap();
    let answer = raw::read_until_quiet(&mut stream, std::time::Duration::from_millis(500)).await;
    let seen = cloud.last();
    assert_eq!(seen.header("upgrade"), "websocket", "{}", String::from_utf8_lossy(&answer));
    assert_eq!(seen.user.as_deref(), Some("bob"));
    assert!(seen.header("cookie").contains("session-of-bob"));
    assert!(!seen.header("cookie").contains("ada"));
    assert_eq!(seen.token()["sub"], "bob");
}
