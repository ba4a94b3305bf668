//! A browser on its way to an app: led to sign-in, and back with a cookie of the app's own host.

use reqwest::header::{HeaderMap, HeaderValue};
use reqwest::{Method, Response};
use stormdoor::identity::sign_in::{HeldBy, Into, SignIn, Step};
use stormdoor::identity::{Client, password::Password};

use crate::world::{PASSWORD, World};

const WORLD: &str = r#"
apps:
  whoami:
    host: whoami.localhost
    upstream: builtin:whoami
    cors: { origins: ["https://trusted.example"], credentials: true }
    routes:
      - { path: /vault/**, access: signed_in, second_factor: 15m }
      - { path: /**, access: signed_in }
"#;

/// The cookie of a fresh sign-in at the portal.
async fn portal_cookie(world: &World) -> String {
    world.add_user("ada@example.org", &["viewer"]).await;
    let password = Password::new(PASSWORD.to_owned()).unwrap();
    let sign_in = SignIn { name: "ada".into(), password, into: Into::Cookie("localhost".into()) };
    let client = Client::new([127, 0, 0, 1].into(), Some("browser"), "request");
    let step = world.gateway.identity().sign_in(sign_in, &client).await.unwrap();
    let Step::Done(signed_in) = step else { panic!("a second factor was asked for") };
    let HeldBy::Cookie(value) = signed_in.held else { panic!("no cookie") };
    format!("__Host-stormdoor={}", value.expose())
}

async fn get(world: &World, url: &str, cookie: Option<&str>) -> Response {
    let mut request = world
        .client()
        .get(url)
        .header("sec-fetch-mode", "navigate")
        .header("sec-fetch-dest", "document")
        .header("sec-fetch-site", "none");
    if let Some(cookie) = cookie {
        request = request.header("cookie", cookie);
    }
    request.send().await.unwrap()
}

/// Where a redirect leads, at the gateway's real port: the public URL of the tests has none.
fn location(world: &World, answer: &Response) -> String {
    assert_eq!(answer.status(), 303);
    let location = answer.headers()["location"].to_str().unwrap();
    location.replace("https://localhost/", &world.url("localhost", "/"))
}

/// The pairs that an answer sets.
fn cookies(answer: &Response) -> Vec<String> {
    let lines = answer.headers().get_all("set-cookie").iter();
    let lines = lines.map(|line| line.to_str().unwrap());
    lines
        .inspect(|line| {
            for attribute in ["Path=/", "Secure", "HttpOnly", "SameSite=Lax"] {
                assert!(line.contains(attribute), "{line}");
            }
            assert!(line.starts_with("__Host-") && !line.contains("Domain"), "{line}");
        })
        .map(|line| line.split(';').next().unwrap().to_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_sign_in_opens_the_other_hosts_and_its_end_closes_them() {
    let world = World::with(WORLD).await;
    let portal = portal_cookie(&world).await;
    let page = world.url("whoami.localhost", "/report?year=1843");

    // The app's host knows nobody: on to the portal, with a nonce that stays here.
    let led = get(&world, &page, None).await;
    let nonce = cookies(&led).remove(0);
    assert!(nonce.starts_with("__Host-stormdoor-flow-"));
    let to_portal = location(&world, &led);
    assert!(to_portal.contains("/auth/continue?flow="));

    // At the portal, somebody who is signed in gets a ticket.
    let ticketed = get(&world, &to_portal, Some(&portal)).await;
    let callback = location(&world, &ticketed);
    assert!(callback.starts_with(&world.url("whoami.localhost", "/.stormdoor/callback?ticket=")));

    // Without the nonce the ticket is worth nothing, and it is not used up by trying... once.
    let stolen = get(&world, &callback, None).await;
    assert_eq!(stolen.status(), 410);
    let back = get(&world, &callback, Some(&nonce)).await;
    assert_eq!(location(&world, &back), "/report?year=1843");
    let cookie = cookies(&back).into_iter().find(|pair| !pair.contains("-flow-")).unwrap();
    let again = get(&world, &callback, Some(&nonce)).await;
    assert_eq!(again.status(), 410, "a ticket is good once");

    let app = get(&world, &page, Some(&cookie)).await;
    assert_eq!(app.status(), 200);
    let seen: serde_json::Value = app.json().await.unwrap();
    assert_eq!(seen["headers"]["x-auth-user"], "ada");
    assert!(!seen.to_string().contains("stormdoor="), "our cookies stay with us");

    // A cookie is good on its own host only.
    for (host, cookie) in [("whoami.localhost", &portal), ("localhost", &cookie)] {
        let path = if host == "localhost" { "/auth/me" } else { "/report" };
        let crossed = get(&world, &world.url(host, path), Some(cookie)).await;
        assert_ne!(crossed.status(), 200, "{host}");
    }

    // One session: signing out at the portal ends it here.
    let out = world
        .client()
        .post(world.url("localhost", "/auth/logout"))
        .header("cookie", &portal)
        .header("sec-fetch-site", "same-origin")
        .send()
        .await
        .unwrap();
    assert_eq!(out.status(), 204);
    assert_eq!(get(&world, &page, Some(&cookie)).await.status(), 303);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_browser_on_its_way_to_a_page_is_led_anywhere() {
    let world = World::with(WORLD).await;
    let page = world.url("whoami.localhost", "/report");
    for (method, lines, status) in [
        (Method::GET, &[("accept", "text/html")][..], 303),
        (Method::HEAD, &[("accept", "text/html")], 303),
        (Method::GET, &[("accept", "application/json")], 401),
        (Method::GET, &[("accept", "text/html"), ("sec-fetch-mode", "cors")], 401),
        (Method::POST, &[("accept", "text/html")], 401),
        (Method::GET, &[("accept", "text/html"), ("authorization", "Bearer x.y.z")], 401),
    ] {
        let headers = lines
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_str(value).unwrap()));
        let headers: HeaderMap = headers.collect();
        let request = world.client().request(method.clone(), &page).headers(headers);
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), status, "{method} {lines:?}");
        if status == 401 {
            assert!(answer.headers().contains_key("www-authenticate"));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cookie_speaks_only_for_pages_of_its_own_origin() {
    let world = World::with(WORLD).await;
    let portal = portal_cookie(&world).await;
    let own = world.url("localhost", "").trim_end_matches('/').to_owned();
    for (lines, status) in [
        (&[("sec-fetch-site", "same-origin")][..], 200),
        (&[("sec-fetch-site", "none")], 200),
        (&[("sec-fetch-site", "cross-site")], 403),
        (&[("sec-fetch-site", "same-site")], 403),
        (&[("origin", own.as_str())], 200),
        (&[("origin", "https://evil.example")], 403),
        (&[], 403),
    ] {
        let mut request = world
            .client()
            .patch(world.url("localhost", "/auth/me"))
            .header("cookie", &portal)
            .json(&serde_json::json!({ "full_name": "Ada" }));
        for (name, value) in lines {
            request = request.header(*name, *value);
        }
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), status, "{lines:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_cookies_of_one_name_are_one_too_many() {
    let world = World::with(WORLD).await;
    let portal = portal_cookie(&world).await;
    let tossed = format!("__Host-stormdoor=somebody-elses; {portal}");
    let answer = get(&world, &world.url("localhost", "/auth/me"), Some(&tossed)).await;
    assert_eq!(answer.status(), 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_a_ticket_goes_is_said_by_us_only() {
    let world = World::with(WORLD).await;
    let portal = portal_cookie(&world).await;
    for flow in ["", "x", "eyJvcmlnaW4iOiJodHRwczovL2V2aWwuZXhhbXBsZSJ9"] {
        let url = world.url("localhost", &format!("/auth/continue?flow={flow}"));
        let answer = get(&world, &url, Some(&portal)).await;
        assert_eq!(answer.status(), 410, "{flow}");
    }
    let callback = "/.stormdoor/callback?ticket=x&slot=0&path=//evil.example";
    let url = world.url("whoami.localhost", callback);
    let answer = get(&world, &url, Some("__Host-stormdoor-flow-0=y")).await;
    assert_eq!(answer.status(), 410);
}
